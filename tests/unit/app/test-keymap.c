/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text and key names to key codes. */

#include "app/cli.h"
#include "app/keymap.h"

#include <linux/input-event-codes.h>
#include <string.h>

static void
assert_chord (const KeyChord *chord, const guint16 *codes, unsigned count)
{
  g_assert_cmpuint (chord->count, ==, count);
  for (unsigned i = 0; i < count; i++)
    g_assert_cmpuint (chord->codes[i], ==, codes[i]);
}

static void
test_chords (void)
{
  static const struct { const char *name; unsigned count; guint16 codes[4]; } cases[] = {
    { "ctrl-alt-delete", 3, { KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE } },
    { "f12", 1, { KEY_F12 } },
    { "F2", 1, { KEY_F2 } },
    { "shift-a", 2, { KEY_LEFTSHIFT, KEY_A } },
    { "A", 1, { KEY_A } },
    { "1", 1, { KEY_1 } },
    { "ctrl-minus", 2, { KEY_LEFTCTRL, KEY_MINUS } },
    { "alt-sysrq-b", 3, { KEY_LEFTALT, KEY_SYSRQ, KEY_B } },
    { "kpenter", 1, { KEY_KPENTER } },
    { ";", 1, { KEY_SEMICOLON } },
  };
  static const char *const bad[] = { "", "ctrl-", "-", "hyper", "f13", "ctrl-alt-foo", "é", "!", "a-a-a-a-a-a-a-a-a" };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      KeyChord chord;

      g_assert_true (keymap_parse_chord (cases[i].name, &chord, &error));
      g_assert_no_error (error);
      assert_chord (&chord, cases[i].codes, cases[i].count);
    }
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      KeyChord chord;

      g_assert_false (keymap_parse_chord (bad[i], &chord, &error));
      g_assert_error (error, CLI_USAGE_ERROR, 0);
    }
}

static void
test_every_character (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_direct_hash, g_direct_equal);

  for (char c = ' '; c <= '~'; c++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) chords = keymap_parse_text ((char[]) { c, '\0' }, &error);
      const KeyChord *chord;

      g_assert_no_error (error);
      g_assert_cmpuint (chords->len, ==, 1);
      chord = &g_array_index (chords, KeyChord, 0);
      /* No two characters are the same keys. */
      g_assert_true (g_hash_table_add (seen, GUINT_TO_POINTER (chord->count << 16 | chord->codes[chord->count - 1])));
    }
}

static void
test_text (void)
{
  static const guint16 expected[][2] = {
    { KEY_LEFTSHIFT, KEY_A }, { KEY_ENTER }, { KEY_ENTER }, { KEY_TAB }, { KEY_BACKSLASH }, { KEY_ESC },
    { KEY_BACKSPACE }, { KEY_BACKSLASH }, { KEY_D }, { KEY_BACKSLASH },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) chords = keymap_parse_text ("A\n\\n\\t\\\\\\e\\b\\d\\", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (chords->len, ==, G_N_ELEMENTS (expected));
  for (unsigned i = 0; i < chords->len; i++)
    assert_chord (&g_array_index (chords, KeyChord, i), expected[i], expected[i][1] ? 2 : 1);

  g_assert_null (keymap_parse_text ("caf\u00e9", &error));
  g_assert_nonnull (strstr (error->message, "U+00E9"));
  g_clear_error (&error);
  g_assert_null (keymap_parse_text ("\xff", &error));
  g_assert_error (error, CLI_USAGE_ERROR, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keymap/chords", test_chords);
  g_test_add_func ("/keymap/every-character", test_every_character);
  g_test_add_func ("/keymap/text", test_text);
  return g_test_run ();
}
