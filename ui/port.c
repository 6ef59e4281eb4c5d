/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port numbers as they are typed. */

#include "ui/port.h"

gboolean
port_parse (const char *text, guint16 *port)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &value, NULL))
    return FALSE;
  *port = value;
  return TRUE;
}
