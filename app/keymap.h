/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and key names to evdev key codes, by a US keyboard. */
#pragma once

#include <glib.h>

enum { KEYMAP_CHORD_MAX = 8 };

/* Keys held down together, in this order. */
typedef struct
{
  unsigned count;
  guint16 codes[KEYMAP_CHORD_MAX];
} KeyChord;

/* “ctrl-alt-delete”, “f2”, “shift-a”. The error names the word that is no key. */
gboolean keymap_parse_chord (const char *name, KeyChord *chord, GError **error);
/* One chord a character: a GArray of KeyChord. “\n” is Enter, “\t” Tab, “\e” Escape, “\b” Backspace, “\\” a backslash;
 * before another character a backslash is itself. The error names a character that a US keyboard lacks. */
GArray *keymap_parse_text (const char *text, GError **error);
