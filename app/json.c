/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes one JSON document. Spec: RFC 8259. */

#include "app/json.h"

static void
append_quoted (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);

  g_string_append_c (text, '"');
  for (const char *p = valid; *p != '\0'; p++)
    switch (*p)
      {
      case '"':
      case '\\':
        g_string_append_c (text, '\\');
        g_string_append_c (text, *p);
        break;
      case '\n':
        g_string_append (text, "\\n");
        break;
      default:
        if ((guchar) *p < 0x20)
          g_string_append_printf (text, "\\u%04x", (guchar) *p);
        else
          g_string_append_c (text, *p);
      }
  g_string_append_c (text, '"');
}

static void
begin_value (Json *json, const char *key)
{
  if (json->depth > 0)
    {
      g_string_append (json->text, json->empty ? "\n" : ",\n");
      for (unsigned i = 0; i < json->depth; i++)
        g_string_append (json->text, "  ");
    }
  json->empty = FALSE;
  if (key)
    {
      append_quoted (json->text, key);
      g_string_append (json->text, ": ");
    }
}

void
json_begin (Json *json)
{
  json->text = g_string_new (NULL);
  json->depth = 0;
  json->empty = TRUE;
}

char *
json_end (Json *json)
{
  g_string_append_c (json->text, '\n');
  return g_string_free (json->text, FALSE);
}

void
json_open (Json *json, const char *key, char bracket)
{
  begin_value (json, key);
  g_string_append_c (json->text, bracket);
  json->depth++;
  json->empty = TRUE;
}

void
json_close (Json *json, char bracket)
{
  json->depth--;
  if (!json->empty)
    {
      g_string_append_c (json->text, '\n');
      for (unsigned i = 0; i < json->depth; i++)
        g_string_append (json->text, "  ");
    }
  g_string_append_c (json->text, bracket);
  json->empty = FALSE;
}

void
json_string (Json *json, const char *key, const char *value)
{
  begin_value (json, key);
  if (value)
    append_quoted (json->text, value);
  else
    g_string_append (json->text, "null");
}

void
json_uint (Json *json, const char *key, guint64 value)
{
  begin_value (json, key);
  g_string_append_printf (json->text, "%" G_GUINT64_FORMAT, value);
}

void
json_int (Json *json, const char *key, gint64 value)
{
  begin_value (json, key);
  g_string_append_printf (json->text, "%" G_GINT64_FORMAT, value);
}

void
json_bool (Json *json, const char *key, gboolean value)
{
  begin_value (json, key);
  g_string_append (json->text, value ? "true" : "false");
}
