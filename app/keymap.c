/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and key names to evdev key codes (linux/input-event-codes.h), by a US keyboard. */

#include "app/keymap.h"
#include "app/cli.h"

#include <glib/gi18n.h>
#include <linux/input-event-codes.h>
#include <string.h>

typedef struct
{
  const char *name;
  guint16 code;
} KeyName;

static const KeyName key_names[] = {
  { "ctrl", KEY_LEFTCTRL }, { "control", KEY_LEFTCTRL }, { "alt", KEY_LEFTALT }, { "shift", KEY_LEFTSHIFT },
  { "super", KEY_LEFTMETA }, { "win", KEY_LEFTMETA }, { "rightctrl", KEY_RIGHTCTRL }, { "altgr", KEY_RIGHTALT },
  { "rightalt", KEY_RIGHTALT }, { "rightshift", KEY_RIGHTSHIFT }, { "rightsuper", KEY_RIGHTMETA },
  { "menu", KEY_COMPOSE }, { "esc", KEY_ESC }, { "escape", KEY_ESC }, { "enter", KEY_ENTER }, { "return", KEY_ENTER },
  { "tab", KEY_TAB }, { "space", KEY_SPACE }, { "backspace", KEY_BACKSPACE }, { "delete", KEY_DELETE },
  { "del", KEY_DELETE }, { "insert", KEY_INSERT }, { "home", KEY_HOME }, { "end", KEY_END }, { "pageup", KEY_PAGEUP },
  { "pagedown", KEY_PAGEDOWN }, { "up", KEY_UP }, { "down", KEY_DOWN }, { "left", KEY_LEFT }, { "right", KEY_RIGHT },
  { "print", KEY_SYSRQ }, { "sysrq", KEY_SYSRQ }, { "pause", KEY_PAUSE }, { "capslock", KEY_CAPSLOCK },
  { "numlock", KEY_NUMLOCK }, { "scrolllock", KEY_SCROLLLOCK }, { "minus", KEY_MINUS }, { "equal", KEY_EQUAL },
  { "comma", KEY_COMMA }, { "period", KEY_DOT }, { "slash", KEY_SLASH }, { "backslash", KEY_BACKSLASH },
  { "semicolon", KEY_SEMICOLON }, { "apostrophe", KEY_APOSTROPHE }, { "grave", KEY_GRAVE },
  { "bracketleft", KEY_LEFTBRACE }, { "bracketright", KEY_RIGHTBRACE }, { "f1", KEY_F1 }, { "f2", KEY_F2 },
  { "f3", KEY_F3 }, { "f4", KEY_F4 }, { "f5", KEY_F5 }, { "f6", KEY_F6 }, { "f7", KEY_F7 }, { "f8", KEY_F8 },
  { "f9", KEY_F9 }, { "f10", KEY_F10 }, { "f11", KEY_F11 }, { "f12", KEY_F12 }, { "kp0", KEY_KP0 },
  { "kp1", KEY_KP1 }, { "kp2", KEY_KP2 }, { "kp3", KEY_KP3 }, { "kp4", KEY_KP4 }, { "kp5", KEY_KP5 },
  { "kp6", KEY_KP6 }, { "kp7", KEY_KP7 }, { "kp8", KEY_KP8 }, { "kp9", KEY_KP9 }, { "kpenter", KEY_KPENTER },
  { "kpplus", KEY_KPPLUS }, { "kpminus", KEY_KPMINUS }, { "kpmultiply", KEY_KPASTERISK },
  { "kpdivide", KEY_KPSLASH }, { "kpperiod", KEY_KPDOT },
};

/* Each row of the keyboard: the characters with and without Shift, from the code of its first key on. */
static const struct { guint16 first; const char *plain, *shifted; } rows[] = {
  { KEY_1, "1234567890-=", "!@#$%^&*()_+" },
  { KEY_Q, "qwertyuiop[]", "QWERTYUIOP{}" },
  { KEY_A, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
  { KEY_BACKSLASH, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
  { KEY_SPACE, " ", "" },
  { KEY_ENTER, "\n", "" },
  { KEY_TAB, "\t", "" },
  { KEY_ESC, "\033", "" },
  { KEY_BACKSPACE, "\b", "" },
};

static gboolean
chord_of_char (gunichar c, KeyChord *chord)
{
  if (c == 0 || c > 0x7f)
    return FALSE;
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *plain = strchr (rows[i].plain, (int) c), *shifted = strchr (rows[i].shifted, (int) c);

      if (plain)
        *chord = (KeyChord) { 1, { (guint16) (rows[i].first + (plain - rows[i].plain)) } };
      else if (shifted)
        *chord = (KeyChord) { 2, { KEY_LEFTSHIFT, (guint16) (rows[i].first + (shifted - rows[i].shifted)) } };
      if (plain || shifted)
        return TRUE;
    }
  return FALSE;
}

/* One word of a chord; upper case counts as lower, so that “F2” works and “A” asks for no Shift. */
static gboolean
key_of_name (const char *name, guint16 *code)
{
  KeyChord chord;

  for (unsigned i = 0; i < G_N_ELEMENTS (key_names); i++)
    if (g_ascii_strcasecmp (name, key_names[i].name) == 0)
      {
        *code = key_names[i].code;
        return TRUE;
      }
  if (name[0] == '\0' || name[1] != '\0' || !chord_of_char ((gunichar) g_ascii_tolower (name[0]), &chord) ||
      chord.count != 1)
    return FALSE;
  *code = chord.codes[0];
  return TRUE;
}

gboolean
keymap_parse_chord (const char *name, KeyChord *chord, GError **error)
{
  g_auto (GStrv) words = g_strsplit (name, "-", -1);

  chord->count = 0;
  for (unsigned i = 0; words[i] != NULL; i++)
    {
      guint16 code;

      if (!key_of_name (words[i], &code))
        return usage_error (error, _("“%s” in “%s” is no key's name"), words[i], name);
      if (chord->count == KEYMAP_CHORD_MAX)
        return usage_error (error, _("“%s” has more than %d keys"), name, KEYMAP_CHORD_MAX);
      chord->codes[chord->count++] = code;
    }
  if (chord->count == 0)
    return usage_error (error, _("a key's name is missing"));
  return TRUE;
}

GArray *
keymap_parse_text (const char *text, GError **error)
{
  static const char letters[] = "nteb\\", meanings[] = "\n\t\033\b\\";
  g_autoptr (GArray) chords = g_array_new (FALSE, FALSE, sizeof (KeyChord));

  if (!g_utf8_validate (text, -1, NULL))
    {
      usage_error (error, _("the text is not UTF-8"));
      return NULL;
    }
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      KeyChord chord;

      if (c == '\r')
        c = '\n';
      if (c == '\\' && p[1] != '\0' && strchr (letters, p[1]))
        {
          p++;
          c = (gunichar) meanings[strchr (letters, *p) - letters];
        }
      if (!chord_of_char (c, &chord))
        {
          usage_error (error, _("a US keyboard has no key for the character U+%04X"), c);
          return NULL;
        }
      g_array_append_val (chords, chord);
    }
  return g_steal_pointer (&chords);
}
