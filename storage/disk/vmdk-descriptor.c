/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMDK: the descriptor, a text that names the disk's parts.
 * Specification: VMware, "Virtual Disk Format 5.0", "The Descriptor File".
 */

#include "storage/disk/vmdk-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

static void
line_free (gpointer data)
{
  VmdkLine *line = data;

  g_free (line->type);
  g_free (line->name);
  g_free (line);
}

void
vmdk_descriptor_free (VmdkDescriptor *descriptor)
{
  if (descriptor == NULL)
    return;
  g_free (descriptor->create_type);
  g_free (descriptor->parent);
  g_ptr_array_unref (descriptor->lines);
  g_free (descriptor);
}

static const char *
skip_spaces (const char *text)
{
  while (*text == ' ' || *text == '\t')
    text++;
  return text;
}

/* Takes a word off @text. Caller frees. */
static char *
take_word (const char **text)
{
  const char *start = skip_spaces (*text), *end = start;

  while (*end != '\0' && *end != ' ' && *end != '\t')
    end++;
  *text = end;
  return g_strndup (start, (size_t)(end - start));
}

/* What stands in quotes. Caller frees; NULL: there is no such thing. */
static char *
take_quoted (const char **text)
{
  const char *start = skip_spaces (*text), *end;

  if (*start != '"' || (end = strchr (start + 1, '"')) == NULL)
    return NULL;
  *text = end + 1;
  return g_strndup (start + 1, (size_t)(end - start - 1));
}

static gboolean
take_sectors (const char **text, uint64_t *bytes)
{
  g_autofree char *word = take_word (text);
  guint64 sectors;

  if (!g_ascii_string_to_unsigned (word, 10, 0, (guint64)G_MAXINT64 / SECTOR_SIZE, &sectors, NULL))
    return FALSE;
  *bytes = sectors * SECTOR_SIZE;
  return TRUE;
}

/* “RW 63 FLAT "name" 0”. */
static gboolean
parse_line (VmdkDescriptor *descriptor, const char *text, char access)
{
  VmdkLine *line = g_new0 (VmdkLine, 1);

  g_ptr_array_add (descriptor->lines, line);
  line->access = access;
  if (!take_sectors (&text, &line->length) || line->length == 0)
    return FALSE;
  line->type = take_word (&text);
  line->name = take_quoted (&text);
  text = skip_spaces (text);
  return (line->name != NULL || g_ascii_strcasecmp (line->type, "ZERO") == 0)
         && (*text == '\0' || take_sectors (&text, &line->at));
}

/* The value of “key = "value"”, without its quotes; NULL when @line is about something else. Caller frees. */
static char *
value_of (const char *line, const char *key)
{
  size_t length = strlen (key);
  char *value;

  if (g_ascii_strncasecmp (line, key, length) != 0)
    return NULL;
  line = skip_spaces (line + length);
  if (*line++ != '=')
    return NULL;
  line = skip_spaces (line);
  value = take_quoted (&line);
  return value != NULL ? value : g_strchomp (g_strdup (line));
}

static gboolean
parse_id (const char *value, uint32_t *id)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 16, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *id = (uint32_t)number;
  return TRUE;
}

typedef struct
{
  char *version, *encoding, *cid, *parent_cid;
} Values;

static void
values_clear (Values *values)
{
  g_free (values->version);
  g_free (values->encoding);
  g_free (values->cid);
  g_free (values->parent_cid);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Values, values_clear)

static gboolean
take_value (char **value, const char *line, const char *key)
{
  char *found = value_of (line, key);

  if (found == NULL)
    return FALSE;
  g_free (*value);
  *value = found;
  return TRUE;
}

/* The digits of the CID, which are changed in their place later. */
static void
note_cid (VmdkDescriptor *descriptor, const char *text, const char *line)
{
  const char *digits = skip_spaces (strchr (line, '=') + 1);

  descriptor->cid_at = (unsigned)(digits - text);
  descriptor->cid_digits = (unsigned)strspn (digits, "0123456789abcdefABCDEF");
}

/* A line of @text. FALSE: it is about a part of the disk, and makes no sense. */
static gboolean
parse_any (VmdkDescriptor *descriptor, Values *values, const char *text, const char *line)
{
  if (g_ascii_strncasecmp (line, "RW ", 3) == 0)
    return parse_line (descriptor, line + 3, 'w');
  if (g_ascii_strncasecmp (line, "RDONLY ", 7) == 0)
    return parse_line (descriptor, line + 7, 'r');
  if (g_ascii_strncasecmp (line, "NOACCESS ", 9) == 0)
    return parse_line (descriptor, line + 9, 'n');
  if (take_value (&values->cid, line, "CID"))
    note_cid (descriptor, text, line);
  else if (!take_value (&values->version, line, "version") && !take_value (&values->encoding, line, "encoding")
      && !take_value (&values->parent_cid, line, "parentCID")
      && !take_value (&descriptor->create_type, line, "createType"))
    take_value (&descriptor->parent, line, "parentFileNameHint");
  return TRUE;
}

/* File names of other encodings become UTF-8 as far as they are known. */
static void
decode (char **name, const char *encoding)
{
  char *converted;

  if (*name == NULL || encoding == NULL || g_utf8_validate (*name, -1, NULL))
    return;
  converted = g_convert (*name, -1, "UTF-8", encoding, NULL, NULL, NULL);
  if (converted == NULL)
    return;
  g_free (*name);
  *name = converted;
}

VmdkDescriptor *
vmdk_descriptor_parse (Image *img, const char *text, size_t length, GError **error)
{
  g_autofree char *copy = g_strndup (text, length);
  VmdkDescriptor *descriptor = g_new0 (VmdkDescriptor, 1);
  g_auto (Values) values = { 0 };
  char *next;

  descriptor->lines = g_ptr_array_new_with_free_func (line_free);
  for (char *line = copy; line != NULL; line = next)
    {
      const char *start;

      next = strchr (line, '\n');
      if (next != NULL)
        *next++ = '\0';
      g_strchomp (line);
      start = skip_spaces (line);
      if (!parse_any (descriptor, &values, copy, start) || descriptor->lines->len > VMDK_EXTENTS_MAX)
        {
          image_damaged (error, img, _ ("the descriptor has a line “%.60s”"), start);
          goto fail;
        }
    }
  descriptor->parent_cid = VMDK_NO_PARENT;
  if (values.version == NULL || strlen (values.version) != 1 || *values.version < '1' || *values.version > '3')
    {
      image_damaged (error, img, _ ("the descriptor's version “%.20s” is not known"),
                     values.version != NULL ? values.version : "");
      goto fail;
    }
  if (values.cid == NULL || !parse_id (values.cid, &descriptor->cid)
      || (values.parent_cid != NULL && !parse_id (values.parent_cid, &descriptor->parent_cid)))
    {
      image_damaged (error, img, _ ("the descriptor has no content ID"));
      goto fail;
    }
  if (descriptor->lines->len == 0)
    {
      image_damaged (error, img, _ ("the descriptor names no part of the disk"));
      goto fail;
    }
  decode (&descriptor->parent, values.encoding);
  for (unsigned i = 0; i < descriptor->lines->len; i++)
    decode (&((VmdkLine *)g_ptr_array_index (descriptor->lines, i))->name, values.encoding);
  return descriptor;

fail:
  vmdk_descriptor_free (descriptor);
  return NULL;
}

char *
vmdk_descriptor_write (const ImageCreate *options, const char *create_type, const char *lines)
{
  uint64_t cylinders = options->size / (16 * 63 * SECTOR_SIZE);
  GString *text = g_string_new ("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n");
  uint32_t cid = g_random_int (), parent = VMDK_NO_PARENT;

  if (options->identity != NULL)
    memcpy (&cid, options->identity->state, sizeof cid);
  if (options->base != NULL)
    memcpy (&parent, options->base->identity.state, sizeof parent);
  /* The two highest mean something else. */
  if (cid >= VMDK_NO_PARENT - 1)
    cid = 1;
  g_string_append_printf (text, "CID=%08x\nparentCID=%08x\ncreateType=\"%s\"\n", cid, parent, create_type);
  if (options->base != NULL)
    g_string_append_printf (text, "parentFileNameHint=\"%s\"\n", options->base_name);
  g_string_append_printf (text, "\n# Extent description\n%s\n# The Disk Data Base\n#DDB\n\n", lines);
  g_string_append_printf (text,
                          "ddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"%u\"\n"
                          "ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n",
                          (unsigned)CLAMP (cylinders, 1, 16383));
  return g_string_free (text, FALSE);
}

char *
vmdk_descriptor_resize (const char *text, uint64_t size)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (unsigned i = 0; lines[i] != NULL; i++)
    {
      const char *rest = skip_spaces (lines[i]);
      g_autofree char *access = take_word (&rest), *sectors = NULL;
      char *changed;

      if (g_ascii_strcasecmp (access, "RW") != 0 && g_ascii_strcasecmp (access, "RDONLY") != 0)
        continue;
      sectors = take_word (&rest);
      changed = g_strdup_printf ("%s %llu%s", access, (unsigned long long)(size / SECTOR_SIZE), rest);
      g_free (lines[i]);
      lines[i] = changed;
    }
  return g_strjoinv ("\n", lines);
}
