/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Named key combinations, and texts as key strokes; key codes as in linux/input-event-codes.h. */

#include "ui/key-combination.h"

#include <linux/input-event-codes.h>
#include <string.h>

static const struct
{
  const char *name;
  unsigned code;
} names[] = {
  { "ctrl", KEY_LEFTCTRL },    { "rightctrl", KEY_RIGHTCTRL }, { "alt", KEY_LEFTALT },  { "shift", KEY_LEFTSHIFT },
  { "super", KEY_LEFTMETA },   { "delete", KEY_DELETE },       { "backspace", KEY_BACKSPACE },
  { "escape", KEY_ESC },       { "tab", KEY_TAB },             { "enter", KEY_ENTER },  { "print", KEY_SYSRQ },
  { "sysrq", KEY_SYSRQ },      { "break", KEY_PAUSE },         { "insert", KEY_INSERT }, { "f1", KEY_F1 },
  { "f2", KEY_F2 },            { "f3", KEY_F3 },               { "f4", KEY_F4 },        { "f5", KEY_F5 },
  { "f6", KEY_F6 },            { "f7", KEY_F7 },               { "f8", KEY_F8 },        { "f9", KEY_F9 },
  { "f10", KEY_F10 },          { "f11", KEY_F11 },             { "f12", KEY_F12 },      { "b", KEY_B },
  { "e", KEY_E },              { "h", KEY_H },                 { "i", KEY_I },          { "o", KEY_O },
  { "r", KEY_R },              { "s", KEY_S },                 { "u", KEY_U },
};

unsigned
key_combination_parse (const char *text, unsigned codes[KEY_COMBINATION_MAX])
{
  g_auto (GStrv) words = g_strsplit (text, "-", KEY_COMBINATION_MAX + 1);
  unsigned count = 0;

  for (; words[count] != NULL; count++)
    {
      if (count == KEY_COMBINATION_MAX)
        return 0;
      codes[count] = 0;
      for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        if (g_str_equal (names[i].name, words[count]))
          codes[count] = names[i].code;
      if (codes[count] == 0)
        return 0;
    }
  return count;
}

/* Rows of a US keyboard from its first key on, unshifted and shifted. */
static const struct
{
  unsigned first;
  const char *plain, *shifted;
} rows[] = {
  { KEY_1, "1234567890-=", "!@#$%^&*()_+" },
  { KEY_Q, "qwertyuiop[]", "QWERTYUIOP{}" },
  { KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
  { KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
};

unsigned
key_for_character (gunichar character, gboolean *shift)
{
  *shift = FALSE;
  switch (character)
    {
    case '\n':
    case '\r':
      return KEY_ENTER;
    case '\t':
      return KEY_TAB;
    case ' ':
    case 0xa0:
      return KEY_SPACE;
    default:
      break;
    }
  if (character < 0x21 || character > 0x7e)
    return 0;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *plain = strchr (rows[i].plain, (int) character);
      const char *shifted = strchr (rows[i].shifted, (int) character);

      if (plain != NULL)
        return rows[i].first + (plain - rows[i].plain);
      if (shifted != NULL)
        {
          *shift = TRUE;
          return rows[i].first + (shifted - rows[i].shifted);
        }
    }
  return 0;
}
