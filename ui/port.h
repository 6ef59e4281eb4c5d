/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port numbers as they are typed. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* FALSE unless @text is a whole number from 1 to 65535. */
gboolean port_parse (const char *text, guint16 *port);

G_END_DECLS
