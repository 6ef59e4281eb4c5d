/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes as people write them; see the header. */

#include "app/sizes.h"

#include <string.h>

static const char units[] = "KMGT";

gboolean
cli_size_parse (const char *text, guint64 *bytes)
{
  guint64 number = 0;
  const char *p = text;
  unsigned shift = 0;

  if (!g_ascii_isdigit (*p))
    return FALSE;
  for (; g_ascii_isdigit (*p); p++)
    {
      guint64 digit = (guint64) (*p - '0');

      if (number > (G_MAXUINT64 - digit) / 10)
        return FALSE;
      number = number * 10 + digit;
    }
  if (*p != '\0')
    {
      const char *unit = strchr (units, g_ascii_toupper (*p));

      if (!unit || p[1] != '\0')
        return FALSE;
      shift = 10 * (unsigned) (unit - units + 1);
    }
  if (number > G_MAXUINT64 >> shift)
    return FALSE;
  *bytes = number << shift;
  return TRUE;
}

char *
cli_size_format (guint64 bytes)
{
  int unit = -1;

  while (bytes != 0 && bytes % 1024 == 0 && unit < 3)
    {
      bytes /= 1024;
      unit++;
    }
  return unit < 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT, bytes)
                  : g_strdup_printf ("%" G_GUINT64_FORMAT "%c", bytes, units[unit]);
}
