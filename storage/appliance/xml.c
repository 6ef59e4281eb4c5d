/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Descriptions in XML, read by libxml2 without its conveniences: no network, no other files, no entities of their own.
 */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <libxml/parser.h>
#include <string.h>

typedef struct
{
  char *message;
  int line;
  gboolean has_dtd;
} Parsing;

/* A DTD can define entities that grow without bound; none of these files needs one. */
static void
on_dtd (void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
  xmlParserCtxt *context = data;

  ((Parsing *) context->_private)->has_dtd = TRUE;
  xmlStopParser (context);
}

static void
on_error (void *data, xmlError *found)
{
  Parsing *parsing = data;

  if (parsing->message != NULL || found->level < XML_ERR_ERROR || found->message == NULL)
    return;
  parsing->message = g_utf8_make_valid (found->message, -1);
  g_strstrip (parsing->message);
  parsing->line = found->line;
}

xmlDoc *
xml_parse (const char *name, const char *text, size_t length, GError **error)
{
  static gsize ready;
  Parsing parsing = { 0 };
  xmlParserCtxt *context;
  xmlDoc *doc;

  if (length > APPLIANCE_MAX_TEXT)
    {
      appliance_error (error, name, _ ("a description of %zu bytes is too long"), length);
      return NULL;
    }
  /* Two threads must not be the first at once. */
  if (g_once_init_enter (&ready))
    {
      xmlInitParser ();
      g_once_init_leave (&ready, 1);
    }
  context = xmlNewParserCtxt ();
  context->_private = &parsing;
  context->sax->internalSubset = on_dtd;
  context->sax->externalSubset = on_dtd;
  xmlSetStructuredErrorFunc (&parsing, on_error);
  doc = xmlCtxtReadMemory (context, text, (int) length, NULL, NULL,
                           XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOBLANKS);
  xmlSetStructuredErrorFunc (NULL, NULL);
  if (doc == NULL || parsing.has_dtd || !context->wellFormed || xmlDocGetRootElement (doc) == NULL)
    {
      if (parsing.has_dtd)
        appliance_error (error, name, _ ("it defines its own entities, which no appliance needs"));
      else if (parsing.message != NULL)
        appliance_error (error, name, _ ("line %d: %s"), parsing.line, parsing.message);
      else
        appliance_error (error, name, _ ("it is not XML"));
      g_clear_pointer (&doc, xmlFreeDoc);
    }
  g_free (parsing.message);
  xmlFreeParserCtxt (context);
  return doc;
}

gboolean
xml_is (const xmlNode *node, const char *name)
{
  return node != NULL && node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0;
}

static xmlNode *
find (xmlNode *node, const char *name)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE && (name == NULL || xml_is (node, name)))
      return node;
  return NULL;
}

xmlNode *
xml_child (const xmlNode *node, const char *name)
{
  return node != NULL ? find (node->children, name) : NULL;
}

xmlNode *
xml_next (const xmlNode *node, const char *name)
{
  return find (node->next, name);
}

char *
xml_content (const xmlNode *node)
{
  xmlChar *content = node != NULL ? xmlNodeGetContent (node) : NULL;
  char *text = content != NULL ? g_strstrip (g_strdup ((const char *) content)) : NULL;

  xmlFree (content);
  if (text != NULL && *text == '\0')
    g_clear_pointer (&text, g_free);
  return text;
}

char *
xml_text (const xmlNode *node, const char *name)
{
  return xml_content (xml_child (node, name));
}

char *
xml_attribute (const xmlNode *node, const char *name)
{
  for (const xmlAttr *attribute = node != NULL ? node->properties : NULL; attribute != NULL;
       attribute = attribute->next)
    if (strcmp ((const char *) attribute->name, name) == 0)
      {
        xmlChar *value = xmlNodeListGetString (node->doc, attribute->children, 1);
        char *text = g_strdup (value != NULL ? (const char *) value : "");

        xmlFree (value);
        return text;
      }
  return NULL;
}

static uint64_t
number (const char *text, uint64_t otherwise)
{
  guint64 value;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &value, NULL) ? value : otherwise;
}

uint64_t
xml_number (const xmlNode *node, const char *name, uint64_t otherwise)
{
  g_autofree char *text = xml_text (node, name);

  return number (text, otherwise);
}

uint64_t
xml_attribute_number (const xmlNode *node, const char *name, uint64_t otherwise)
{
  g_autofree char *text = xml_attribute (node, name);

  return number (text, otherwise);
}

gboolean
xml_attribute_is (const xmlNode *node, const char *name, const char *value)
{
  g_autofree char *text = xml_attribute (node, name);

  return text != NULL && g_ascii_strcasecmp (text, value) == 0;
}
