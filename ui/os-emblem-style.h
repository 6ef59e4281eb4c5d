/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The letter and the colour that stand for an operating system. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The style class "debian" and the letter "D" of an id like "debian12" (NULL: unknown); the letter is empty where there is
 * none. */
const char *os_emblem_style (const char *os_id, char letter[8]);

G_END_DECLS
