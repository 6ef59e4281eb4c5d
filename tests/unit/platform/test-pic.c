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

static uint8_t
in_service (Fixture *f, uint16_t port)
{
  board_out (f->board, port, 0x0b);
  return board_in (f->board, port);
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
  g_assert_cmphex (in_service (f, 0x20), ==, 0x48);
  /* An EOI that names no line does not reach one that is masked. */
  board_out (f->board, 0x20, 0x20);
  g_assert_cmphex (in_service (f, 0x20), ==, 0x08);
  board_out (f->board, 0x20, 0x20);
  g_assert_cmphex (in_service (f, 0x20), ==, 0x08);
  board_out (f->board, 0x20, 0x48); /* special mask off */
  board_out (f->board, 0x20, 0x20);
  g_assert_cmphex (in_service (f, 0x20), ==, 0);
}

static void
pulse (Fixture *f, int line)
{
  pic_input (f->pic, line, 1);
  pic_input (f->pic, line, 0);
}

static void
test_specific_eoi (Fixture *f, gconstpointer unused)
{
  pulse (f, 4);
  pic_acknowledge (f->pic);
  pulse (f, 1);
  pic_acknowledge (f->pic);
  g_assert_cmphex (in_service (f, 0x20), ==, 0x12);
  board_out (f->board, 0x20, 0x64); /* line 4, though line 1 is above it */
  g_assert_cmphex (in_service (f, 0x20), ==, 0x02);
  pulse (f, 3);
  g_assert_false (f->intr);
  board_out (f->board, 0x20, 0x40); /* no operation */
  g_assert_cmphex (in_service (f, 0x20), ==, 0x02);
  board_out (f->board, 0x20, 0x20);
  g_assert_true (f->intr);
}

/* Acknowledges what there is and ends it; returns the line. */
static int
serve (Fixture *f)
{
  int line = pic_acknowledge (f->pic) - 0x08;

  board_out (f->board, 0x20, 0x60 | (unsigned) line);
  return line;
}

static void
test_priorities (Fixture *f, gconstpointer unused)
{
  static const int order[] = { 5, 6, 7, 0, 1, 3, 4 };

  board_out (f->board, 0x20, 0xc4); /* 4 is the lowest */
  for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
    pulse (f, order[G_N_ELEMENTS (order) - 1 - i]);
  for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
    g_assert_cmpint (serve (f), ==, order[i]);
  g_assert_false (f->intr);
  /* EOI of a line that becomes the lowest. */
  pulse (f, 5);
  pic_acknowledge (f->pic);
  board_out (f->board, 0x20, 0xe5);
  pulse (f, 5);
  pulse (f, 4);
  g_assert_cmpint (serve (f), ==, 4);
  g_assert_cmpint (serve (f), ==, 5);
}

static void
test_rotate_on_auto_eoi (Fixture *f, gconstpointer unused)
{
  program (f, 3);
  board_out (f->board, 0x20, 0x80);
  pulse (f, 0);
  pulse (f, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x08);
  pulse (f, 0);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x09);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x08);
  board_out (f->board, 0x20, 0x00); /* no more: 1 stays above 0 */
  pulse (f, 3);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0b);
  pulse (f, 1);
  pulse (f, 0);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x09);
}

/* A more urgent request of the slave, while one of its is served. */
static void
test_special_fully_nested (Fixture *f, gconstpointer unused)
{
  pulse (f, 12);
  pic_acknowledge (f->pic);
  pulse (f, 8);
  g_assert_false (f->intr); /* the master has its cascade in service */
  board_out (f->board, 0xa0, 0x20);
  board_out (f->board, 0x20, 0x20);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x70);

  program (f, 0x11);
  pulse (f, 12);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x74);
  pulse (f, 13);
  g_assert_false (f->intr);
  pulse (f, 8);
  g_assert_true (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x70);
}

static void
test_slave_spurious (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x4d1, 0x04);
  pic_input (f->pic, 10, 1);
  g_assert_true (f->intr);
  pic_input (f->pic, 10, 0);
  g_assert_false (f->intr);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0f);
  /* Masked at the slave between the request and its answer. */
  pulse (f, 11);
  board_out (f->board, 0xa1, 0x08);
  g_assert_false (f->intr);
  board_out (f->board, 0xa1, 0);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x73);
  g_assert_cmphex (in_service (f, 0x20), ==, 0x04);
  g_assert_cmphex (in_service (f, 0xa0), ==, 0x08);
}

static void
test_initialization (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x21, 0xff);
  pulse (f, 3);
  pic_input (f->pic, 6, 1);
  board_out (f->board, 0x20, 0x0b);
  program (f, 1);
  /* Masks, requests and what is read are cleared; a line that is up makes no new edge. */
  g_assert_cmphex (board_in (f->board, 0x21), ==, 0);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0);
  g_assert_false (f->intr);
  pic_input (f->pic, 6, 0);
  pic_input (f->pic, 6, 1);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0x40); /* requests, not what is in service */
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x0e);

  /* Alone and without ICW4: after the vector comes the mask. */
  board_out (f->board, 0x20, 0x12);
  board_out (f->board, 0x21, 0x57);
  board_out (f->board, 0x21, 0xa5);
  g_assert_cmphex (board_in (f->board, 0x21), ==, 0xa5);
  pulse (f, 3);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x53);
  /* With a slave, but without ICW4. */
  board_out (f->board, 0x20, 0x10);
  board_out (f->board, 0x21, 0x40);
  board_out (f->board, 0x21, 0x04);
  board_out (f->board, 0x21, 0x5a);
  g_assert_cmphex (board_in (f->board, 0x21), ==, 0x5a);
}

static void
test_level_registers (Fixture *f, gconstpointer unused)
{
  /* Timer, keyboard, cascade, clock and coprocessor are edges for ever. */
  board_out (f->board, 0x4d0, 0xff);
  board_out (f->board, 0x4d1, 0xff);
  g_assert_cmphex (board_in (f->board, 0x4d0), ==, 0xf8);
  g_assert_cmphex (board_in (f->board, 0x4d1), ==, 0xde);
  pic_input (f->pic, 9, 1);
  g_assert_cmpint (pic_acknowledge (f->pic), ==, 0x71);
  board_out (f->board, 0xa0, 0x20);
  board_out (f->board, 0x20, 0x20);
  g_assert_true (f->intr); /* still asks */
  board_out (f->board, 0x4d1, 0);
  g_assert_true (f->intr); /* an edge that has been seen */
  device_reset (f->pic);
  g_assert_cmphex (board_in (f->board, 0x4d0), ==, 0);
}

static void
test_poll_cascade (Fixture *f, gconstpointer unused)
{
  pulse (f, 14);
  board_out (f->board, 0x20, 0x0c);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0x82);
  board_out (f->board, 0xa0, 0x0c);
  g_assert_cmphex (board_in (f->board, 0xa0), ==, 0x86);
  g_assert_cmphex (in_service (f, 0x20), ==, 0x04);
  g_assert_cmphex (in_service (f, 0xa0), ==, 0x40);
  /* A poll is answered once. */
  board_out (f->board, 0x20, 0x0a);
  g_assert_cmphex (board_in (f->board, 0x20), ==, 0);
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
  ADD ("/pic/specific-eoi", test_specific_eoi);
  ADD ("/pic/priorities", test_priorities);
  ADD ("/pic/rotate-on-auto-eoi", test_rotate_on_auto_eoi);
  ADD ("/pic/special-fully-nested", test_special_fully_nested);
  ADD ("/pic/slave-spurious", test_slave_spurious);
  ADD ("/pic/initialization", test_initialization);
  ADD ("/pic/level-registers", test_level_registers);
  ADD ("/pic/poll-cascade", test_poll_cascade);
  ADD ("/pic/poll", test_poll);
  ADD ("/pic/rotation", test_rotation);
  ADD ("/pic/state", test_state);
  return g_test_run ();
}
