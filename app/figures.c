/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/figures.h"

#include "app/json.h"

static void
counts_to_text (GString *text, GVariant *counts)
{
  GVariantIter iter;
  const char *name;
  guint64 count;

  g_variant_iter_init (&iter, counts);
  while (g_variant_iter_loop (&iter, "{&st}", &name, &count))
    g_string_append_printf (text, "  %s: %" G_GUINT64_FORMAT "\n", name, count);
}

char *
figures_to_text (GVariant *figures)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, figures);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *word = NULL;

      if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{st}")))
        {
          g_string_append_printf (text, "%s:\n", key);
          counts_to_text (text, value);
          continue;
        }
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        word = g_variant_dup_string (value, NULL);
      else
        word = g_variant_print (value, FALSE);
      g_string_append_printf (text, "%s: %s\n", key, word);
    }
  return g_string_free (text, FALSE);
}

static void
counts_to_json (Json *json, const char *key, GVariant *counts)
{
  GVariantIter iter;
  const char *name;
  guint64 count;

  json_open (json, key, '{');
  g_variant_iter_init (&iter, counts);
  while (g_variant_iter_loop (&iter, "{&st}", &name, &count))
    json_uint (json, name, count);
  json_close (json, '}');
}

char *
figures_to_json (GVariant *figures)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  g_variant_iter_init (&iter, figures);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{st}")))
        counts_to_json (&json, key, value);
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        json_string (&json, key, g_variant_get_string (value, NULL));
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
        json_int (&json, key, g_variant_get_int64 (value));
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
        json_uint (&json, key, g_variant_get_uint64 (value));
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
        json_bool (&json, key, g_variant_get_boolean (value));
    }
  json_close (&json, '}');
  return json_end (&json);
}
