/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the hub to the guest's ports: keyboard, mouse, VMware pointer. */

#include "tests/unit/platform/board.h"

#include "engine/devices/input/vmmouse.h"
#include "engine/devices/platform/i8042.h"

#include <linux/input-event-codes.h>

#define VM_MAGIC 0x564d5868u

typedef struct
{
  Board *board;
  Input *input;
  Device *i8042, *vmmouse;
  gboolean a20;
  unsigned resets;
  VmPortRegisters regs;
} Fixture;

static void set_a20 (void *opaque, gboolean enabled) { ((Fixture *) opaque)->a20 = enabled; }
static void reset (void *opaque) { ((Fixture *) opaque)->resets++; }
static void get_registers (void *opaque, VmPortRegisters *regs) { *regs = ((Fixture *) opaque)->regs; }
static void set_registers (void *opaque, const VmPortRegisters *regs) { ((Fixture *) opaque)->regs = *regs; }
static void notify (void *opaque) { i8042_mouse_notify (((Fixture *) opaque)->i8042); }

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->input = input_new (&f->board->lock);
  f->i8042 = device_new (&i8042_type);
  i8042_set_input (f->i8042, f->input);
  i8042_set_a20 (f->i8042, set_a20, f);
  i8042_set_reset (f->i8042, reset, f);
  board_add (f->board, f->i8042);
  f->vmmouse = device_new (&vmmouse_type);
  vmmouse_set_input (f->vmmouse, f->input);
  vmmouse_set_registers (f->vmmouse, get_registers, set_registers, f);
  vmmouse_set_notify (f->vmmouse, notify, f);
  vmmouse_set_memory_size (f->vmmouse, 64 << 20);
  board_add (f->board, f->vmmouse);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
  input_free (f->input);
}

static void
expect (Fixture *f, gboolean aux, const uint8_t *bytes, size_t count)
{
  for (size_t i = 0; i < count; i++)
    {
      g_assert_cmphex (board_in (f->board, 0x64) & 0x21, ==, aux ? 0x21 : 0x01);
      g_assert_cmphex (board_in (f->board, 0x60), ==, bytes[i]);
    }
  g_assert_cmphex (board_in (f->board, 0x64) & 0x01, ==, 0);
}

#define EXPECT_KEYS(f, ...) expect (f, FALSE, (const uint8_t[]) { __VA_ARGS__ }, sizeof ((uint8_t[]) { __VA_ARGS__ }))
#define EXPECT_MOUSE(f, ...) expect (f, TRUE, (const uint8_t[]) { __VA_ARGS__ }, sizeof ((uint8_t[]) { __VA_ARGS__ }))

static void
set_mode (Fixture *f, uint8_t mode)
{
  board_out (f->board, 0x64, 0x60);
  board_out (f->board, 0x60, mode);
}

static void
to_mouse (Fixture *f, uint8_t value)
{
  board_out (f->board, 0x64, 0xd4);
  board_out (f->board, 0x60, value);
}

static void
test_controller (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x64, 0xaa);
  EXPECT_KEYS (f, 0x55);
  board_out (f->board, 0x64, 0xab);
  EXPECT_KEYS (f, 0x00);
  board_out (f->board, 0x64, 0xa9);
  EXPECT_KEYS (f, 0x00);
  set_mode (f, 0x61);
  board_out (f->board, 0x64, 0x20);
  EXPECT_KEYS (f, 0x61);
  board_out (f->board, 0x64, 0xd3); /* how drivers look for an auxiliary port */
  board_out (f->board, 0x60, 0x5a);
  EXPECT_MOUSE (f, 0x5a);
  board_out (f->board, 0x64, 0xd2);
  board_out (f->board, 0x60, 0xa5);
  EXPECT_KEYS (f, 0xa5);
}

static void
test_a20_and_reset (Fixture *f, gconstpointer unused)
{
  g_assert_true (f->a20);
  board_out (f->board, 0x64, 0xd1);
  board_out (f->board, 0x60, 0xdd);
  g_assert_false (f->a20);
  board_out (f->board, 0x92, 2);
  g_assert_true (f->a20);
  g_assert_cmphex (board_in (f->board, 0x92), ==, 2);
  board_out (f->board, 0x64, 0xd0);
  g_assert_cmphex (board_in (f->board, 0x60) & 3, ==, 3);
  g_assert_cmpuint (f->resets, ==, 0);
  board_out (f->board, 0x64, 0xfe);
  g_assert_cmpuint (f->resets, ==, 1);
  board_out (f->board, 0x92, 3);
  g_assert_cmpuint (f->resets, ==, 2);
}

static void
test_translated_keys (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x41);
  input_key (f->input, KEY_A, TRUE);
  g_assert_cmpint (f->board->level[1], ==, 1);
  input_key (f->input, KEY_A, FALSE);
  EXPECT_KEYS (f, 0x1e, 0x9e);
  g_assert_cmpint (f->board->level[1], ==, 0);
  input_key (f->input, KEY_UP, TRUE);
  input_key (f->input, KEY_UP, FALSE);
  EXPECT_KEYS (f, 0xe0, 0x48, 0xe0, 0xc8);
  input_key (f->input, KEY_PAUSE, TRUE);
  input_key (f->input, KEY_PAUSE, FALSE);
  EXPECT_KEYS (f, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  input_key (f->input, KEY_F7, TRUE); /* set 2's 83h translates to 41h */
  input_key (f->input, KEY_F7, FALSE);
  EXPECT_KEYS (f, 0x41, 0xc1);
}

/* Every key that evdev shares with the first PC keyboards arrives as its own set 1 code. */
static void
test_all_translated (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x41);
  for (unsigned code = KEY_ESC; code <= KEY_F12; code++)
    {
      if (code == 84 || code == KEY_ZENKAKUHANKAKU)
        continue;
      input_key (f->input, code, TRUE);
      input_key (f->input, code, FALSE);
      EXPECT_KEYS (f, (uint8_t) code, (uint8_t) (code | 0x80));
    }
}

static void
test_scan_sets (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x01);
  input_key (f->input, KEY_A, TRUE);
  input_key (f->input, KEY_A, FALSE);
  EXPECT_KEYS (f, 0x1c, 0xf0, 0x1c);
  board_out (f->board, 0x60, 0xf0);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, 0);
  EXPECT_KEYS (f, 0xfa, 2);
  board_out (f->board, 0x60, 0xf0);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, 3);
  EXPECT_KEYS (f, 0xfa);
  input_key (f->input, KEY_LEFT, TRUE);
  input_key (f->input, KEY_LEFT, FALSE);
  EXPECT_KEYS (f, 0x61, 0xf0, 0x61);
  board_out (f->board, 0x60, 0xf0);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, 1);
  EXPECT_KEYS (f, 0xfa);
  input_key (f->input, KEY_LEFT, TRUE);
  EXPECT_KEYS (f, 0xe0, 0x4b);
}

static void
set_scan_set (Fixture *f, uint8_t set)
{
  board_out (f->board, 0x60, 0xf0);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, set);
  EXPECT_KEYS (f, 0xfa);
}

/* In set 3 each key has one code of its own, and F0 before it when it is let go. */
static void
test_set_3 (Fixture *f, gconstpointer unused)
{
  static const unsigned keys[] = {
    KEY_KPENTER, KEY_RIGHTCTRL, KEY_KPSLASH, KEY_SYSRQ, KEY_RIGHTALT, KEY_HOME, KEY_UP, KEY_PAGEUP, KEY_LEFT, KEY_RIGHT,
    KEY_END, KEY_DOWN, KEY_PAGEDOWN, KEY_INSERT, KEY_DELETE, KEY_LEFTMETA, KEY_RIGHTMETA, KEY_COMPOSE, KEY_PAUSE
  };
  gboolean used[256] = { FALSE };

  set_mode (f, 0x01);
  set_scan_set (f, 3);
  for (unsigned i = 0; i < KEY_F12 + G_N_ELEMENTS (keys); i++)
    {
      unsigned key = i < KEY_F12 ? i + 1 : keys[i - KEY_F12];
      uint8_t code;

      if (key == 84 || key == KEY_ZENKAKUHANKAKU)
        continue;
      input_key (f->input, key, TRUE);
      g_assert_cmphex (board_in (f->board, 0x64) & 0x21, ==, 0x01);
      code = board_in (f->board, 0x60);
      g_assert_cmphex (code, !=, 0);
      g_assert_false (used[code]);
      used[code] = TRUE;
      input_key (f->input, key, FALSE);
      if (key != KEY_PAUSE)
        EXPECT_KEYS (f, 0xf0, code);
    }
  input_key (f->input, KEY_VOLUMEUP, TRUE); /* has none there */
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0);
  set_scan_set (f, 1);
  input_key (f->input, KEY_PAUSE, TRUE);
  EXPECT_KEYS (f, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  set_scan_set (f, 2);
  input_key (f->input, KEY_PAUSE, FALSE);
  input_key (f->input, KEY_PAUSE, TRUE);
  EXPECT_KEYS (f, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
  /* There is no set 4, and the one in use stays. */
  board_out (f->board, 0x60, 0xf0);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, 4);
  EXPECT_KEYS (f, 0xfe);
  input_key (f->input, KEY_B, TRUE);
  EXPECT_KEYS (f, 0x32);
}

/* While its line is off a device keeps what it has to say. */
static void
test_lines (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x03);
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  board_out (f->board, 0x64, 0xad);
  board_out (f->board, 0x64, 0xa7);
  board_out (f->board, 0x64, 0x20);
  EXPECT_KEYS (f, 0x33);
  input_key (f->input, KEY_A, TRUE);
  input_relative (f->input, 1, 0, 0);
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0);
  g_assert_cmpint (f->board->level[1] | f->board->level[12], ==, 0);
  board_out (f->board, 0x64, 0xa8);
  g_assert_cmpint (f->board->level[12], ==, 1);
  EXPECT_MOUSE (f, 0x08, 1, 0);
  board_out (f->board, 0x64, 0xae);
  g_assert_cmpint (f->board->level[1], ==, 1);
  EXPECT_KEYS (f, 0x1c);

  /* Without its interrupt a byte is there all the same. */
  set_mode (f, 0x00);
  input_key (f->input, KEY_A, FALSE);
  g_assert_cmpint (f->board->level[1], ==, 0);
  EXPECT_KEYS (f, 0xf0, 0x1c);
  /* The controller's memory; its input and test ports. */
  board_out (f->board, 0x64, 0x65);
  board_out (f->board, 0x60, 0x99);
  board_out (f->board, 0x64, 0x25);
  EXPECT_KEYS (f, 0x99);
  board_out (f->board, 0x64, 0xc0);
  EXPECT_KEYS (f, 0x80);
  board_out (f->board, 0x64, 0xdd);
  g_assert_false (f->a20);
  board_out (f->board, 0x64, 0xdf);
  g_assert_true (f->a20);
  /* The status tells commands from data, and what the mode said of the system. */
  set_mode (f, 0x04);
  g_assert_cmphex (board_in (f->board, 0x64) & 0x0c, ==, 0x04);
  board_out (f->board, 0x64, 0xff);
  g_assert_cmphex (board_in (f->board, 0x64) & 0x0c, ==, 0x0c);
  g_assert_cmpuint (f->resets, ==, 0);
}

static void
test_keyboard_commands (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x01);
  board_out (f->board, 0x60, 0xff);
  EXPECT_KEYS (f, 0xfa, 0xaa);
  board_out (f->board, 0x60, 0xf2);
  EXPECT_KEYS (f, 0xfa, 0xab, 0x83);
  board_out (f->board, 0x60, 0xee);
  EXPECT_KEYS (f, 0xee);
  board_out (f->board, 0x60, 0xed);
  EXPECT_KEYS (f, 0xfa);
  board_out (f->board, 0x60, 6);
  EXPECT_KEYS (f, 0xfa);
  g_assert_cmpuint (input_leds (f->input), ==, 6);
  board_out (f->board, 0x60, 0xfe);
  EXPECT_KEYS (f, 0xfa); /* resend */
  board_out (f->board, 0x60, 0xf5);
  EXPECT_KEYS (f, 0xfa);
  input_key (f->input, KEY_A, TRUE);
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0); /* not scanning */
  board_out (f->board, 0x60, 0xf4);
  EXPECT_KEYS (f, 0xfa);
}

/* Keys that nobody reads are lost in the end; replies are not, and overtake them. */
static void
test_keyboard_full (Fixture *f, gconstpointer unused)
{
  static const uint8_t bytes[] = { 0x1c, 0xfa, 0xab, 0x83, 0xf0, 0x1c, 0x1c };

  set_mode (f, 0x01);
  for (int i = 0; i < 1000; i++)
    {
      input_key (f->input, KEY_A, TRUE);
      input_key (f->input, KEY_A, FALSE);
    }
  board_out (f->board, 0x60, 0xf2);
  /* One key had left the keyboard before. */
  for (unsigned i = 0; i < G_N_ELEMENTS (bytes); i++)
    g_assert_cmphex (board_in (f->board, 0x60), ==, bytes[i]);
  /* Default disable drops those that have not. */
  board_out (f->board, 0x60, 0xf5);
  EXPECT_KEYS (f, 0xf0, 0xfa);
}

/* Who empties the controller comes to an end after as many bytes as a keyboard keeps, and gets the rest after a while. */
static void
test_keyboard_burst (Fixture *f, gconstpointer unused)
{
  unsigned bytes = 0, bursts = 0;

  set_mode (f, 0x41);
  for (int i = 0; i < 20; i++)
    {
      input_key (f->input, KEY_A, TRUE);
      input_key (f->input, KEY_A, FALSE);
    }
  while (bytes < 40)
    {
      unsigned burst = 0;

      for (; board_in (f->board, 0x64) & 1; burst++, bytes++)
        g_assert_cmphex (board_in (f->board, 0x60), ==, bytes % 2 ? 0x9e : 0x1e);
      g_assert_cmpuint (burst, <=, 16);
      g_assert_cmpuint (++bursts, <=, 3);
      board_pass (f->board, 10000000, 1000000);
    }
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0);
}

static void
test_pending (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x43);
  g_assert_false (input_is_pending (f->input));
  input_key (f->input, KEY_A, TRUE);
  input_key (f->input, KEY_A, FALSE);
  g_assert_true (input_is_pending (f->input));
  g_assert_cmphex (board_in (f->board, 0x60), ==, 0x1e);
  g_assert_true (input_is_pending (f->input));
  EXPECT_KEYS (f, 0x9e);
  g_assert_false (input_is_pending (f->input));
  /* Not while the mouse is off; then until its packet has been read. */
  input_relative (f->input, 1, 0, 0);
  g_assert_false (input_is_pending (f->input));
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  input_relative (f->input, 1, 0, 0);
  g_assert_true (input_is_pending (f->input));
  EXPECT_MOUSE (f, 0x08, 0x01, 0x00);
  g_assert_false (input_is_pending (f->input));
}

static void
test_release_all (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x41);
  input_key (f->input, KEY_LEFTCTRL, TRUE);
  input_key (f->input, KEY_C, TRUE);
  EXPECT_KEYS (f, 0x1d, 0x2e);
  input_release_all (f->input);
  EXPECT_KEYS (f, 0x9d, 0xae);
  input_key (f->input, KEY_C, FALSE); /* the host's own release comes later: the guest has had it */
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0);
  input_key (f->input, 100000, TRUE);
  input_button (f->input, 99, TRUE);
}

static void
test_mouse (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x03);
  to_mouse (f, 0xff);
  EXPECT_MOUSE (f, 0xfa, 0xaa, 0x00);
  to_mouse (f, 0xf2);
  EXPECT_MOUSE (f, 0xfa, 0x00);
  input_relative (f->input, 1, 1, 0);
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0); /* not reporting yet */
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  input_relative (f->input, 5, 3, 0);
  g_assert_cmpint (f->board->level[12], ==, 1);
  EXPECT_MOUSE (f, 0x28, 5, 0xfd); /* up is positive here */
  g_assert_cmpint (f->board->level[12], ==, 0);
  input_button (f->input, INPUT_BUTTON_RIGHT, TRUE);
  EXPECT_MOUSE (f, 0x0a, 0, 0);
  input_relative (f->input, -300, 0, 0); /* more than a packet takes */
  EXPECT_MOUSE (f, 0x1a, 0x01, 0, 0x1a, 0xd3, 0);
  to_mouse (f, 0xe9);
  EXPECT_MOUSE (f, 0xfa, 0x21, 2, 100);
}

static void
test_mouse_commands (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x03);
  to_mouse (f, 0xe8);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 3);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 0xf3);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 40);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 0xe7);
  EXPECT_MOUSE (f, 0xfa);
  input_button (f->input, INPUT_BUTTON_LEFT, TRUE);
  input_button (f->input, INPUT_BUTTON_MIDDLE, TRUE);
  to_mouse (f, 0xe9);
  EXPECT_MOUSE (f, 0xfa, 0x16, 3, 40);
  to_mouse (f, 0xfe);
  EXPECT_MOUSE (f, 40); /* again */
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 0xf6);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 0xe9);
  EXPECT_MOUSE (f, 0xfa, 0x06, 2, 100);
  to_mouse (f, 0x12);
  EXPECT_MOUSE (f, 0xfc);
}

static void
knock (Fixture *f, uint8_t second)
{
  const uint8_t rates[3] = { 200, second, 80 };

  for (int i = 0; i < 3; i++)
    {
      to_mouse (f, 0xf3);
      EXPECT_MOUSE (f, 0xfa);
      to_mouse (f, rates[i]);
      EXPECT_MOUSE (f, 0xfa);
    }
}

static void
test_wheel (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x03);
  knock (f, 100);
  to_mouse (f, 0xf2);
  EXPECT_MOUSE (f, 0xfa, 3);
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  input_relative (f->input, 0, 0, 1);
  EXPECT_MOUSE (f, 0x08, 0, 0, 0xff);
  knock (f, 200);
  to_mouse (f, 0xf2);
  EXPECT_MOUSE (f, 0xfa, 4);
  input_button (f->input, INPUT_BUTTON_SIDE, TRUE);
  EXPECT_MOUSE (f, 0x08, 0, 0, 0x10);
  input_relative (f->input, 0, 0, -1);
  EXPECT_MOUSE (f, 0x08, 0, 0, 0x11);
}

static void
test_remote_and_wrap (Fixture *f, gconstpointer unused)
{
  set_mode (f, 0x03);
  to_mouse (f, 0xf0);
  EXPECT_MOUSE (f, 0xfa);
  input_relative (f->input, 7, 0, 0);
  g_assert_cmphex (board_in (f->board, 0x64) & 1, ==, 0);
  to_mouse (f, 0xeb);
  EXPECT_MOUSE (f, 0xfa, 0x08, 7, 0);
  to_mouse (f, 0xee);
  EXPECT_MOUSE (f, 0xfa);
  to_mouse (f, 0x77);
  EXPECT_MOUSE (f, 0x77);
  to_mouse (f, 0xec);
  EXPECT_MOUSE (f, 0xfa);
}

/* A mouse that moves while nobody reads keeps whole packets only, and the way. */
static void
test_mouse_full (Fixture *f, gconstpointer unused)
{
  int x = 0;

  set_mode (f, 0x03);
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  for (int i = 0; i < 1000; i++)
    input_relative (f->input, 2, 0, 0);
  for (unsigned i = 0;; i++)
    {
      uint8_t byte;

      if (!(board_in (f->board, 0x64) & 1))
        board_pass (f->board, 10000000, 1000000);
      if (!(board_in (f->board, 0x64) & 1))
        break;
      byte = board_in (f->board, 0x60);
      if (i % 3 == 1)
        x += byte;
      else
        g_assert_cmphex (byte, ==, i % 3 == 0 ? 0x08 : 0);
    }
  g_assert_cmpint (x, ==, 2000);
}

static uint32_t
backdoor (Fixture *f, uint32_t command, uint32_t argument)
{
  f->regs = (VmPortRegisters) { .eax = VM_MAGIC, .ebx = argument, .ecx = command, .edx = 0x5658 };
  f->regs.eax = bus_pio_read (f->board->bus, 0x5658, 4);
  return f->regs.eax;
}

/* What Linux's driver does. */
static void
test_backdoor (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (backdoor (f, 10, 0), ==, 6);
  g_assert_cmphex (f->regs.ebx, ==, VM_MAGIC);
  g_assert_cmpuint (backdoor (f, 20, 0), ==, 64);
  g_assert_false (input_is_absolute (f->input));
  backdoor (f, 41, 0x45414552);
  g_assert_cmphex (backdoor (f, 40, 0), ==, 1);
  g_assert_cmphex (backdoor (f, 39, 1), ==, 0x3442554a);
  backdoor (f, 41, 0x53424152);
  g_assert_true (input_is_absolute (f->input));

  set_mode (f, 0x03);
  to_mouse (f, 0xf4);
  EXPECT_MOUSE (f, 0xfa);
  input_absolute (f->input, 1000, 70000, 0);
  EXPECT_MOUSE (f, 0x08, 0, 0); /* the interrupt that says: fetch */
  input_button (f->input, INPUT_BUTTON_LEFT, TRUE);
  g_assert_cmpuint (backdoor (f, 40, 0), ==, 8);
  g_assert_cmphex (backdoor (f, 39, 4), ==, 0);
  g_assert_cmpuint (f->regs.ebx, ==, 1000);
  g_assert_cmpuint (f->regs.ecx, ==, 65535);
  g_assert_cmphex (backdoor (f, 39, 4), ==, 0x20);
  g_assert_cmpuint (backdoor (f, 40, 0), ==, 0);

  backdoor (f, 41, 0xf5);
  g_assert_false (input_is_absolute (f->input));
  g_assert_cmphex (backdoor (f, 40, 0), ==, 0xffff0000);
}

static void
test_backdoor_abuse (Fixture *f, gconstpointer unused)
{
  backdoor (f, 41, 0x45414552);
  g_assert_cmphex (backdoor (f, 39, 0xffffffff), ==, 0xffff0000);
  backdoor (f, 41, 0x45414552);
  backdoor (f, 41, 0x53424152);
  for (int i = 0; i < 1000; i++)
    input_absolute (f->input, i, i, 0);
  g_assert_cmpuint (backdoor (f, 40, 0) % 4, ==, 1); /* the ID and whole packets */
  f->regs = (VmPortRegisters) { .eax = 0, .ecx = 10 };
  g_assert_cmphex (bus_pio_read (f->board->bus, 0x5658, 4), ==, 0xffffffff); /* without the magic word */
  bus_pio_write (f->board->bus, 0x5658, 1, 4);
}

static void
test_garbage (Fixture *f, gconstpointer unused)
{
  for (int i = 0; i < 100000; i++)
    {
      static const uint16_t ports[] = { 0x60, 0x64, 0x92 };
      uint16_t port = ports[g_test_rand_int_range (0, 3)];

      if (g_test_rand_bit ())
        board_out (f->board, port, (uint8_t) g_test_rand_int ());
      else
        board_in (f->board, port);
      if (i % 8 == 0)
        input_key (f->input, (unsigned) g_test_rand_int_range (0, 200), g_test_rand_bit ());
      if (i % 8 == 4)
        input_relative (f->input, g_test_rand_int (), g_test_rand_int (), g_test_rand_int ());
    }
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Fixture other = { 0 };

  setup (&other, NULL);
  set_mode (f, 0x41);
  input_key (f->input, KEY_A, TRUE);
  input_key (f->input, KEY_A, FALSE);
  board_check_state (other.board, f->i8042, other.i8042, 300);
  EXPECT_KEYS (&other, 0x1e, 0x9e);
  board_check_state (other.board, f->vmmouse, other.vmmouse, 300);
  teardown (&other, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)
  ADD ("/input/controller", test_controller);
  ADD ("/input/a20-and-reset", test_a20_and_reset);
  ADD ("/input/keyboard/translated", test_translated_keys);
  ADD ("/input/keyboard/all-translated", test_all_translated);
  ADD ("/input/keyboard/scan-sets", test_scan_sets);
  ADD ("/input/keyboard/set-3", test_set_3);
  ADD ("/input/lines", test_lines);
  ADD ("/input/mouse/commands", test_mouse_commands);
  ADD ("/input/keyboard/commands", test_keyboard_commands);
  ADD ("/input/keyboard/full", test_keyboard_full);
  ADD ("/input/keyboard/burst", test_keyboard_burst);
  ADD ("/input/keyboard/release-all", test_release_all);
  ADD ("/input/pending", test_pending);
  ADD ("/input/mouse/stream", test_mouse);
  ADD ("/input/mouse/wheel", test_wheel);
  ADD ("/input/mouse/remote-and-wrap", test_remote_and_wrap);
  ADD ("/input/mouse/full", test_mouse_full);
  ADD ("/input/backdoor/pointer", test_backdoor);
  ADD ("/input/backdoor/abuse", test_backdoor_abuse);
  ADD ("/input/garbage", test_garbage);
  ADD ("/input/state", test_state);
  return g_test_run ();
}
