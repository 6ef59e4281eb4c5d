/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes of memory and disks as people read and type them. */

#include "ui/size-format.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

static const char *const units[] = { N_ ("bytes"), N_ ("KiB"), N_ ("MiB"), N_ ("GiB"), N_ ("TiB"), N_ ("PiB") };

char *
size_format (uint64_t bytes)
{
  unsigned unit = 0;
  double value = bytes;

  /* 1,023.95 would be printed as 1,024: that is the next unit's 1. */
  while (value >= 1023.95 && unit + 1 < G_N_ELEMENTS (units))
    {
      value /= 1024;
      unit++;
    }

  gboolean is_whole = fabs (value - round (value)) < 0.05;

  /* Translators: a number and its unit, "20 GiB". */
  return g_strdup_printf (is_whole ? _("%.0f %s") : _("%.1f %s"), value, _(units[unit]));
}

char *
size_format_rate (double bytes_per_second)
{
  g_autofree char *size = g_format_size ((guint64) MAX (bytes_per_second, 0));

  /* Translators: an amount of data a second, "1.5 MB/s". */
  return g_strdup_printf (_("%s/s"), size);
}

gboolean
size_parse (const char *text, uint64_t unit, uint64_t *bytes)
{
  static const char letters[] = "kmgtp";
  char *end;
  double value, scale = unit;

  while (g_ascii_isspace (*text))
    text++;
  if (!g_ascii_isdigit (*text) || (text[0] == '0' && g_ascii_tolower (text[1]) == 'x'))
    return FALSE;
  /* The user's own decimal sign first; a point always works. */
  value = strtod (text, &end);
  if (*end == '.')
    value = g_ascii_strtod (text, &end);
  while (g_ascii_isspace (*end))
    end++;
  if (*end != '\0')
    {
      const char *letter = strchr (letters, g_ascii_tolower (*end));

      if (letter != NULL)
        {
          scale = ldexp (1, 10 * (letter - letters + 1));
          end++;
          if (g_ascii_tolower (*end) == 'i')
            end++;
          if (g_ascii_tolower (*end) == 'b')
            end++;
        }
      else if (g_ascii_tolower (*end) == 'b')
        {
          scale = 1;
          end++;
        }
      while (g_ascii_isspace (*end))
        end++;
      if (*end != '\0')
        return FALSE;
    }
  value *= scale;
  if (!(value < 9.2e18))
    return FALSE;
  *bytes = (uint64_t) llround (value);
  return TRUE;
}
