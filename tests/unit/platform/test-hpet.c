/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HPET. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/hpet.h"

typedef struct
{
  Board *board;
  Device *hpet;
  int level[HPET_PINS];
  unsigned rises[HPET_PINS], isa_rises[16];
  gboolean legacy;
} Fixture;

static void
set_pin (void *opaque, int pin, int level)
{
  Fixture *f = opaque;

  g_assert_cmpint (pin, <, 32);
  if (pin >= HPET_PINS)
    return;
  f->rises[pin] += level && !f->level[pin];
  f->level[pin] = level;
}

static void set_isa (void *opaque, int line, int level) { ((Fixture *) opaque)->isa_rises[line] += level != 0; }
static void set_legacy (void *opaque, gboolean on) { ((Fixture *) opaque)->legacy = on; }

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->hpet = device_new (&hpet_type);
  hpet_set_outputs (f->hpet, set_pin, set_isa, set_legacy, f);
  board_add (f->board, f->hpet);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static uint64_t get (Fixture *f, unsigned offset) { return board_read (f->board, HPET_BASE + offset, 8); }
static void set (Fixture *f, unsigned offset, uint64_t value) { board_write (f->board, HPET_BASE + offset, value, 8); }

static void
test_counter (Fixture *f, gconstpointer unused)
{
  uint64_t capabilities = get (f, 0), period = capabilities >> 32;

  g_assert_cmphex (capabilities & 0xffff, ==, 0xa201);
  g_assert_cmphex (capabilities >> 16 & 0xffff, ==, 0x8086);
  board_pass (f->board, CLOCK_NS_PER_MS, 0);
  g_assert_cmpuint (get (f, 0xf0), ==, 0);
  set (f, 0x10, 1);
  board_pass (f->board, CLOCK_NS_PER_MS, 0);
  g_assert_cmpuint (get (f, 0xf0) * period, ==, (uint64_t) CLOCK_NS_PER_MS * 1000000);
  g_assert_cmpuint (board_read (f->board, HPET_BASE + 0xf0, 4), ==, CLOCK_NS_PER_MS / 10);
  set (f, 0x10, 0);
  board_pass (f->board, CLOCK_NS_PER_MS, 0);
  g_assert_cmpuint (get (f, 0xf0), ==, CLOCK_NS_PER_MS / 10);
  set (f, 0xf0, 0x123456789a);
  g_assert_cmphex (get (f, 0xf0), ==, 0x123456789a);
  g_assert_cmphex (board_read (f->board, HPET_BASE + 0xf4, 4), ==, 0x12);
}

static void
test_one_shot (Fixture *f, gconstpointer unused)
{
  set (f, 0x100, 20 << 9 | 1 << 2);
  set (f, 0x108, 1000);
  set (f, 0x10, 1);
  board_pass (f->board, 9999, 0);
  g_assert_cmpuint (f->rises[20], ==, 0);
  board_pass (f->board, 1, 0);
  g_assert_cmpuint (f->rises[20], ==, 1);
  board_pass (f->board, CLOCK_NS_PER_SECOND, CLOCK_NS_PER_MS);
  g_assert_cmpuint (f->rises[20], ==, 1);
}

static void
test_level (Fixture *f, gconstpointer unused)
{
  set (f, 0x120, 21 << 9 | 1 << 2 | 1 << 1);
  set (f, 0x128, 1000);
  set (f, 0x10, 1);
  board_pass (f->board, 20000, 0);
  g_assert_cmpint (f->level[21], ==, 1);
  g_assert_cmphex (get (f, 0x20), ==, 2);
  board_write (f->board, HPET_BASE + 0x20, 2, 4);
  g_assert_cmpint (f->level[21], ==, 0);
  g_assert_cmphex (get (f, 0x20), ==, 0);
}

static void
test_periodic (Fixture *f, gconstpointer unused)
{
  /* As Linux sets it up: first the comparator, then the period. */
  set (f, 0x10, 1);
  set (f, 0x100, 2 << 9 | 1 << 2 | 1 << 3 | 1 << 6);
  set (f, 0x108, get (f, 0xf0) + 100000);
  set (f, 0x108, 100000);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 500 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->rises[2], ==, 100);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 0);
  g_assert_cmpuint (f->rises[2], ==, 101); /* those missed are not made up for */
}

static void
test_periodic_32 (Fixture *f, gconstpointer unused)
{
  set (f, 0xf0, 0xfffffff0);
  set (f, 0x10, 1);
  set (f, 0x140, 22 << 9 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 8);
  board_write (f->board, HPET_BASE + 0x148, 1000, 4);
  board_write (f->board, HPET_BASE + 0x148, 10000, 4);
  board_pass (f->board, 20 * CLOCK_NS_PER_US, 0);
  g_assert_cmpuint (f->rises[22], ==, 1); /* the counter's lower half has wrapped */
  board_pass (f->board, CLOCK_NS_PER_MS, 50 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->rises[22], ==, 11);
}

/* A 64-bit timer, written by halves. */
static void
test_periodic_halves (Fixture *f, gconstpointer unused)
{
  set (f, 0xf0, 0x1fffffff0);
  set (f, 0x10, 1);
  set (f, 0x140, 22 << 9 | 1 << 2 | 1 << 3 | 1 << 6);
  board_write (f->board, HPET_BASE + 0x148, 1000, 4);
  board_write (f->board, HPET_BASE + 0x14c, 2, 4);
  board_write (f->board, HPET_BASE + 0x148, 10000, 4);
  board_write (f->board, HPET_BASE + 0x14c, 0, 4);
  g_assert_cmphex (get (f, 0x148), ==, 0x200000000 + 1000);
  board_pass (f->board, 20 * CLOCK_NS_PER_US, 0);
  g_assert_cmpuint (f->rises[22], ==, 1);
  board_pass (f->board, CLOCK_NS_PER_MS, 50 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->rises[22], ==, 11);
  /* A counter by halves. */
  set (f, 0x10, 0);
  board_write (f->board, HPET_BASE + 0xf0, 0x11223344, 4);
  board_write (f->board, HPET_BASE + 0xf4, 0x55, 4);
  g_assert_cmphex (get (f, 0xf0), ==, 0x5511223344);
}

static void
test_level_ends (Fixture *f, gconstpointer unused)
{
  set (f, 0x10, 1);
  for (unsigned way = 0; way < 4; way++)
    {
      set (f, 0x120, 21 << 9 | 1 << 2 | 1 << 1);
      set (f, 0x128, get (f, 0xf0) + 100);
      board_pass (f->board, 2000, 0);
      g_assert_cmpint (f->level[21], ==, 1);
      if (way == 0)
        set (f, 0x120, 21 << 9 | 1 << 1); /* off */
      else if (way == 1)
        set (f, 0x120, 20 << 9 | 1 << 2 | 1 << 1); /* elsewhere */
      else if (way == 2)
        board_write (f->board, HPET_BASE + 0x20, 0xff, 4);
      else
        device_reset (f->hpet);
      g_assert_cmpint (f->level[21], ==, 0);
      g_assert_cmphex (get (f, 0x20), ==, 0);
    }
}

static void
test_legacy (Fixture *f, gconstpointer unused)
{
  set (f, 0x100, 1 << 2);
  set (f, 0x108, 100);
  set (f, 0x120, 1 << 2);
  set (f, 0x128, 200);
  set (f, 0x10, 3);
  g_assert_true (f->legacy);
  board_pass (f->board, 10000, 0);
  g_assert_cmpuint (f->isa_rises[0], ==, 1);
  g_assert_cmpuint (f->isa_rises[8], ==, 1);
  device_reset (f->hpet);
  g_assert_false (f->legacy);
}

static void
test_flood (Fixture *f, gconstpointer unused)
{
  set (f, 0x10, 1);
  set (f, 0x100, 2 << 9 | 1 << 2 | 1 << 3 | 1 << 6);
  set (f, 0x108, 1);
  set (f, 0x108, 1);
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, CLOCK_NS_PER_US);
  g_assert_cmpuint (f->rises[2], <=, 501);
  g_assert_cmpuint (f->rises[2], >, 100);
}

static void
test_garbage (Fixture *f, gconstpointer unused)
{
  for (unsigned i = 0; i < 20000; i++)
    {
      uint64_t value = (uint64_t) g_test_rand_int () << 32 | (uint32_t) g_test_rand_int ();
      uint64_t address = HPET_BASE + ((uint32_t) g_test_rand_int_range (0, 0x400) & ~7u);

      board_write (f->board, address, value >> g_test_rand_int_range (0, 64), i & 1 ? 8 : 4);
      board_read (f->board, address, 8);
      board_pass (f->board, g_test_rand_int_range (1, 100000), 0);
    }
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Fixture other = { 0 };

  setup (&other, NULL);
  set (f, 0x10, 3);
  set (f, 0x100, 2 << 9 | 1 << 2 | 1 << 3 | 1 << 6);
  set (f, 0x108, 1000);
  board_check_state (other.board, f->hpet, other.hpet, 300);
  g_assert_true (other.legacy);
  teardown (&other, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)
  ADD ("/hpet/counter", test_counter);
  ADD ("/hpet/one-shot", test_one_shot);
  ADD ("/hpet/level", test_level);
  ADD ("/hpet/periodic", test_periodic);
  ADD ("/hpet/periodic-32", test_periodic_32);
  ADD ("/hpet/periodic-halves", test_periodic_halves);
  ADD ("/hpet/level-ends", test_level_ends);
  ADD ("/hpet/legacy", test_legacy);
  ADD ("/hpet/flood", test_flood);
  ADD ("/hpet/garbage", test_garbage);
  ADD ("/hpet/state", test_state);
  return g_test_run ();
}
