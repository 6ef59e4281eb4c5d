/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host key, named combinations, texts as key strokes. */

#include "ui/host-key.h"
#include "ui/key-combination.h"

#include <linux/input-event-codes.h>

static void
test_host_key (void)
{
  HostKey key;

  host_key_init (&key, KEY_RIGHTCTRL);
  g_assert_cmpint (host_key_event (&key, KEY_A, TRUE), ==, HOST_KEY_PASS);
  g_assert_cmpint (host_key_event (&key, KEY_A, FALSE), ==, HOST_KEY_PASS);

  /* Alone, even when it repeats. */
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, TRUE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, TRUE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, FALSE), ==, HOST_KEY_TOGGLE_CAPTURE);

  /* With another key: one command, nothing for the guest, no toggling. */
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, TRUE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_F, TRUE), ==, HOST_KEY_COMMAND);
  g_assert_cmpint (host_key_event (&key, KEY_F, TRUE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_F, FALSE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_F, TRUE), ==, HOST_KEY_COMMAND);
  /* Let go in the other order: the command's release is not the guest's. */
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, FALSE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_F, FALSE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_F, TRUE), ==, HOST_KEY_PASS);
  g_assert_cmpint (host_key_event (&key, KEY_F, FALSE), ==, HOST_KEY_PASS);

  /* A key that was down before goes up for the guest. */
  g_assert_cmpint (host_key_event (&key, KEY_LEFTSHIFT, TRUE), ==, HOST_KEY_PASS);
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, TRUE), ==, HOST_KEY_SWALLOW);
  g_assert_cmpint (host_key_event (&key, KEY_LEFTSHIFT, FALSE), ==, HOST_KEY_PASS);
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, FALSE), ==, HOST_KEY_TOGGLE_CAPTURE);

  /* The focus went elsewhere while it was down. */
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, TRUE), ==, HOST_KEY_SWALLOW);
  host_key_forget (&key);
  g_assert_cmpint (host_key_event (&key, KEY_A, TRUE), ==, HOST_KEY_PASS);
  g_assert_cmpint (host_key_event (&key, KEY_RIGHTCTRL, FALSE), ==, HOST_KEY_SWALLOW);
}

static void
test_combinations (void)
{
  unsigned codes[KEY_COMBINATION_MAX];

  g_assert_cmpuint (key_combination_parse ("ctrl-alt-delete", codes), ==, 3);
  g_assert_cmpuint (codes[0], ==, KEY_LEFTCTRL);
  g_assert_cmpuint (codes[1], ==, KEY_LEFTALT);
  g_assert_cmpuint (codes[2], ==, KEY_DELETE);
  g_assert_cmpuint (key_combination_parse ("print", codes), ==, 1);
  g_assert_cmpuint (codes[0], ==, KEY_SYSRQ);
  g_assert_cmpuint (key_combination_parse ("ctrl-nonsense", codes), ==, 0);
  g_assert_cmpuint (key_combination_parse ("", codes), ==, 0);
  g_assert_cmpuint (key_combination_parse ("ctrl-ctrl-ctrl-ctrl-ctrl", codes), ==, 0);
}

static void
test_characters (void)
{
  static const struct
  {
    gunichar character;
    unsigned code;
    gboolean shift;
  } cases[] = {
    { 'a', KEY_A, FALSE },         { 'Z', KEY_Z, TRUE },          { '1', KEY_1, FALSE },     { '0', KEY_0, FALSE },
    { ')', KEY_0, TRUE },          { '_', KEY_MINUS, TRUE },      { '{', KEY_LEFTBRACE, TRUE },
    { '\'', KEY_APOSTROPHE, FALSE }, { '~', KEY_GRAVE, TRUE },    { '\\', KEY_BACKSLASH, FALSE },
    { '|', KEY_BACKSLASH, TRUE },  { '?', KEY_SLASH, TRUE },      { '\n', KEY_ENTER, FALSE }, { ' ', KEY_SPACE, FALSE },
    { '"', KEY_APOSTROPHE, TRUE }, { '<', KEY_COMMA, TRUE },      { 0xe9, 0, FALSE },        { 0x5b57, 0, FALSE },
    { 0x7f, 0, FALSE },            { 1, 0, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gboolean shift;

      g_assert_cmpuint (key_for_character (cases[i].character, &shift), ==, cases[i].code);
      g_assert_cmpint (shift, ==, cases[i].shift);
    }
  /* Every printable ASCII character has a key. */
  for (gunichar character = ' '; character < 0x7f; character++)
    {
      gboolean shift;

      g_assert_cmpuint (key_for_character (character, &shift), !=, 0);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/keys/host-key", test_host_key);
  g_test_add_func ("/ui/keys/combinations", test_combinations);
  g_test_add_func ("/ui/keys/characters", test_characters);
  return g_test_run ();
}
