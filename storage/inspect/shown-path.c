/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names that a guest made, as they are shown; see the header. */

#include "storage/inspect/inspect.h"

/* Embeddings, overrides, isolates and marks: with them “gpj.exe” can look like “exe.jpg”. */
static gboolean
turns_direction (gunichar c)
{
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *
inspect_shown_path (const char *path)
{
  g_autofree char *valid = g_utf8_make_valid (path, -1);
  GString *text = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      /* Lines and paragraphs have separators of their own. */
      if (g_unichar_iscntrl (c))
        g_string_append_printf (text, "\\x%02x", c);
      else if (turns_direction (c) || c == 0x2028 || c == 0x2029)
        g_string_append_printf (text, "\\u%04x", c);
      else
        g_string_append_unichar (text, c);
    }
  return g_string_free (text, FALSE);
}
