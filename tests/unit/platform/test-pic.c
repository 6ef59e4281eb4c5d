/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 8259A pair. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/pic.h"

typedef struct
{
  Board *board;
  Device *pic;
  int intr;
} Fixture;

static void
intr_changed (void *opaque, int line, int level)
{
  ((Fixture *) opaque)->intr = level;
}

/* As a PC's firmware sets it up: vectors 08h and 70h, nothing masked. */
static void
program (Fixture *f, uint8_t icw4)
{
  static const uint16_t ports[2] = { 0x20, 0xa0 };

  for (int i = 0; i < 2; i++)
    {
      board_out (f->board, ports[i], 0x11);
      board_out (f->board, ports[i] + 1, i == 0 ? 0x08 : 0x70);
      board_out (f->board, ports[i] + 1, i == 0 ? 4 : 2);
      board_out (f->board, ports[i] + 1, icw4);
      board_out (f->board, ports[i] + 1, 0);
    }
}

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->pic = device_new (&pic_type);
  pic_set_output (f->pic, (IrqLine) { intr_changed, f, 0 });
  board_add (f->board, f->pic);
  program (f, 1);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static void
test_edge (Fixture *f, gconstpointer unused)
{
  g_assert_false (f->intr);
  pic_input (f->pic, 3, 1);
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0b);
  g_assert_false (f->intr);
  board_out (f->board, 0x20, 0x20);
  g_assert_false (f->intr); /* the line is still high: no new edge */
  pic_input (f->pic, 3, 0);
  pic_input (f->pic, 3, 1);
  g_assert_true (f->intr);
}

static void
test_pulse (Fixture *f, gconstpointer unused)
{
  pic_input (f->pic, 0, 1);
  pic_input (f->pic, 0, 0);
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x08);
  g_assert_false (pic_has_interrupt (f->pic));
}

static void
test_level (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x4d0, 0xff);
  g_assert_cmphex (board_in (f->board, 0x4d0), ==, 0xf8); /* 0, 1 and 2 are always edges */
  board_out (f->board, 0x4d1, 0xff);
  g_assert_cmphex (board_in (f->board, 0x4d1), ==, 0xde);
  pic_input (f->pic, 11, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x73);
  g_assert_false (f->intr);
  board_out (f->board, 0xa0, 0x20);
  board_out (f->board, 0x20, 0x20);
  g_assert_true (f->intr); /* still asked for */
  pic_input (f->pic, 11, 0);
  g_assert_false (f->intr);
}

static void
test_priority (Fixture *f, gconstpointer unused)
{
  pic_input (f->pic, 4, 1);
  pic_input (f->pic, 1, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x09);
  g_assert_false (f->intr); /* 4 waits for 1 */
  pic_input (f->pic, 0, 1);
  g_assert_true (f->intr); /* 0 does not */
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x08);
  board_out (f->board, 0x20, 0x0b);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0x03);
  board_out (f->board, 0x20, 0x0a);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0x10);
  board_out (f->board, 0x20, 0x61); /* specific EOI of 1 */
  g_assert_false (f->intr);
  board_out (f->board, 0x20, 0x20);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0c);
}

static void
test_mask (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x21, 0x20);
  g_assert_cmphex (board_in (f->board, 0x21), ==, 0x20);
  pic_input (f->pic, 5, 1);
  g_assert_false (f->intr);
  board_out (f->board, 0x21, 0);
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0d);
}

static void
test_cascade (Fixture *f, gconstpointer unused)
{
  pic_input (f->pic, 12, 1);
  pic_input (f->pic, 8, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x70);
  board_out (f->board, 0xa0, 0x20);
  board_out (f->board, 0x20, 0x20);
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x74);
  board_out (f->board, 0xa0, 0x20);
  board_out (f->board, 0x20, 0x20);
  g_assert_false (f->intr);
}

static void
test_auto_eoi (Fixture *f, gconstpointer unused)
{
  program (f, 3);
  pic_input (f->pic, 8, 1);
  pic_input (f->pic, 9, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x70);
  g_assert_true (f->intr); /* nothing is in service: the slave's other request comes at once */
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x71);
  g_assert_false (f->intr);
}

static void
test_spurious (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x4d0, 0x20);
  pic_input (f->pic, 5, 1);
  pic_input (f->pic, 5, 0);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0f);
  board_out (f->board, 0x20, 0x0b);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0); /* a spurious one is not in service */
}

static void
test_special_mask (Fixture *f, gconstpointer unused)
{
  pic_input (f->pic, 3, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0b);
  pic_input (f->pic, 6, 1);
  g_assert_false (f->intr);
  board_out (f->board, 0x21, 0x08);
  board_out (f->board, 0x20, 0x68); /* special mask on */
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0e);
}

static void
test_poll (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x20, 0x0c);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0);
  pic_input (f->pic, 7, 1);
  board_out (f->board, 0x20, 0x0c);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0x87);
  g_assert_false (f->intr);
}

static void
test_rotation (Fixture *f, gconstpointer unused)
{
  pic_input (f->pic, 1, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x09);
  board_out (f->board, 0x20, 0xa0); /* EOI, and 1 becomes the lowest */
  pic_input (f->pic, 1, 0);
  pic_input (f->pic, 1, 1);
  pic_input (f->pic, 3, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0b);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = board_add (other, device_new (&pic_type));

  pic_input (f->pic, 3, 1);
  pic_acknowledge (f->pic);
  pic_input (f->pic, 1, 1);
  board_check_state (other, f->pic, copy, 200);
  g_assert_cmpint (pic_acknowledge (copy), ==, 0x09);
  board_free (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)
  ADD ("/pic/edge", test_edge);
  ADD ("/pic/pulse", test_pulse);
  ADD ("/pic/level", test_level);
  ADD ("/pic/priority", test_priority);
  ADD ("/pic/mask", test_mask);
  ADD ("/pic/cascade", test_cascade);
  ADD ("/pic/auto-eoi", test_auto_eoi);
  ADD ("/pic/spurious", test_spurious);
  ADD ("/pic/special-mask", test_special_mask);
  ADD ("/pic/poll", test_poll);
  ADD ("/pic/rotation", test_rotation);
  ADD ("/pic/state", test_state);
  return g_test_run ();
}
