/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Named key combinations for the menu that sends them, and texts as key strokes of a US keyboard. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

enum { KEY_COMBINATION_MAX = 4 };

/* Reads "ctrl-alt-delete" into evdev codes in the order they are pressed; how many, or 0 when a name is unknown. */
unsigned key_combination_parse (const char *text, unsigned codes[KEY_COMBINATION_MAX]);

/* The key that types @character on a US keyboard, with *@shift. 0: there is none. */
unsigned key_for_character (gunichar character, gboolean *shift);

G_END_DECLS
