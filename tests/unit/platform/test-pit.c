/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 8254 and port B. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/pit.h"

#define PIT_HZ 1193182

typedef struct
{
  Board *board;
  Device *pit;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->pit = device_new (&pit_type);
  pit_set_output (f->pit, f->board->isa_irq[0]);
  board_add (f->board, f->pit);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static int64_t
ticks (int64_t n)
{
  return (n * CLOCK_NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static void
program (Fixture *f, unsigned counter, unsigned mode, unsigned count)
{
  board_out (f->board, 0x43, counter << 6 | 3 << 4 | mode << 1);
  board_out (f->board, (uint16_t) (0x40 + counter), count & 0xff);
  board_out (f->board, (uint16_t) (0x40 + counter), count >> 8);
}

static unsigned
latched (Fixture *f, unsigned counter)
{
  unsigned low;

  board_out (f->board, 0x43, counter << 6);
  low = board_in (f->board, (uint16_t) (0x40 + counter));
  return low | (unsigned) board_in (f->board, (uint16_t) (0x40 + counter)) << 8;
}

static unsigned
status (Fixture *f, unsigned counter)
{
  board_out (f->board, 0x43, 0xe0 | 2u << counter);
  return board_in (f->board, (uint16_t) (0x40 + counter));
}

static void
test_rate (Fixture *f, gconstpointer mode)
{
  unsigned before;

  program (f, 0, GPOINTER_TO_UINT (mode), 11932); /* 100 Hz */
  before = f->board->rises[0];
  board_pass (f->board, CLOCK_NS_PER_SECOND, CLOCK_NS_PER_MS);
  g_assert_cmpuint (f->board->rises[0] - before, ==, 99); /* the 100th comes some µs later */
  board_pass (f->board, CLOCK_NS_PER_MS, 0);
  g_assert_cmpuint (f->board->rises[0] - before, ==, 100);
}

/* A host that was busy owes the guest its ticks, but not all those of a long sleep. */
static void
test_catch_up (Fixture *f, gconstpointer unused)
{
  unsigned before;

  program (f, 0, 2, 11932);
  before = f->board->rises[0];
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 0);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 10 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->board->rises[0] - before, >=, 19);
  g_assert_cmpuint (f->board->rises[0] - before, <=, 20);

  before = f->board->rises[0];
  board_pass (f->board, 3600 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, CLOCK_NS_PER_MS);
  g_assert_cmpuint (f->board->rises[0] - before, <=, 13);
}

/* What is owed when a state is saved is still owed after it was loaded. */
static void
test_saved_debt (Fixture *f, gconstpointer unused)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used = 0;
  unsigned before;

  program (f, 0, 2, 11932);
  before = f->board->rises[0];
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 0);
  device_save (f->pit, state);
  device_reset (f->pit);
  g_assert_true (device_load (f->pit, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  /* The HPET is loaded after it, and says whose the line is. */
  pit_set_irq_enabled (f->pit, TRUE);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 10 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->board->rises[0] - before, >=, 19);
  g_assert_cmpuint (f->board->rises[0] - before, <=, 20);
}

/* A guest that asks for half a million interrupts a second does not stop the I/O thread. */
static void
test_flood (Fixture *f, gconstpointer unused)
{
  unsigned before;

  program (f, 0, 2, 2);
  before = f->board->rises[0];
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, 5 * CLOCK_NS_PER_US);
  g_assert_cmpuint (f->board->rises[0] - before, >, 100);
  g_assert_cmpuint (f->board->rises[0] - before, <=, 500);
}

static void
test_one_shot (Fixture *f, gconstpointer unused)
{
  program (f, 0, 0, 1000);
  g_assert_cmpint (f->board->level[0], ==, 0);
  board_pass (f->board, ticks (999), 0);
  g_assert_cmpint (f->board->level[0], ==, 0);
  g_assert_cmpuint (latched (f, 0), ==, 1);
  g_assert_cmphex (status (f, 0) & 0xbf, ==, 0x30);
  board_pass (f->board, ticks (1), 0);
  g_assert_cmpint (f->board->level[0], ==, 1);
  g_assert_cmphex (status (f, 0) & 0xbf, ==, 0xb0);
  board_pass (f->board, CLOCK_NS_PER_SECOND, CLOCK_NS_PER_MS);
  g_assert_cmpuint (f->board->rises[0], ==, 2); /* one at reset */
}

static void
test_latch (Fixture *f, gconstpointer unused)
{
  program (f, 1, 2, 0x8000);
  board_pass (f->board, ticks (0x100), 0);
  board_out (f->board, 0x43, 0x40);
  board_pass (f->board, ticks (0x100), 0);
  board_out (f->board, 0x43, 0x40); /* ignored: the first is still unread */
  g_assert_cmphex (board_in (f->board, 0x41), ==, 0x00);
  g_assert_cmphex (board_in (f->board, 0x41), ==, 0x7f);
  g_assert_cmphex (latched (f, 1), ==, 0x7e00);
  /* Read-back of both: status comes first. */
  board_out (f->board, 0x43, 0xc0 | 2 << 1);
  g_assert_cmphex (board_in (f->board, 0x41) & 0x3f, ==, 0x34);
  g_assert_cmphex (board_in (f->board, 0x41), ==, 0x00);
  g_assert_cmphex (board_in (f->board, 0x41), ==, 0x7e);
}

static void
test_bcd (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x43, 0x75); /* counter 1, mode 2, BCD */
  board_out (f->board, 0x41, 0x00);
  board_out (f->board, 0x41, 0x10);
  board_pass (f->board, ticks (1), 0);
  g_assert_cmphex (latched (f, 1), ==, 0x0999);
  board_pass (f->board, ticks (1000) - ticks (1), 0);
  g_assert_cmphex (latched (f, 1), ==, 0x1000);
}

static void
test_square_wave (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 1);
  program (f, 2, 3, 1000);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
  board_pass (f->board, ticks (500), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_pass (f->board, ticks (1000) - ticks (500), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
}

/* How Linux and memtest measure the processor: mode 0 on counter 2, started by its gate. */
static void
test_gate (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 0);
  program (f, 2, 0, 10000);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_out (f->board, 0x61, 1);
  board_pass (f->board, ticks (9999), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_pass (f->board, ticks (1), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
}

static void
test_hardware_one_shot (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 0);
  program (f, 2, 1, 100);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20); /* waits for the gate */
  board_out (f->board, 0x61, 1);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_pass (f->board, ticks (50), 0);
  board_out (f->board, 0x61, 0);
  board_out (f->board, 0x61, 1); /* again */
  board_pass (f->board, ticks (60), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_pass (f->board, ticks (41), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
}

static gboolean
out2 (Fixture *f)
{
  return (board_in (f->board, 0x61) & 0x20) != 0;
}

/* A count written during a pulse is for the next one. */
static void
test_one_shot_reload (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 0);
  program (f, 2, 1, 100);
  g_assert_cmphex (status (f, 2) & 0x40, ==, 0x40); /* not loaded before the trigger */
  board_out (f->board, 0x61, 1);
  g_assert_cmphex (status (f, 2) & 0x40, ==, 0);
  board_pass (f->board, ticks (50), 0);
  board_out (f->board, 0x42, 20);
  board_out (f->board, 0x42, 0);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (49), 0);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (2), 0);
  g_assert_true (out2 (f));
  /* Nor does a count start one. */
  board_out (f->board, 0x42, 30);
  board_out (f->board, 0x42, 0);
  board_pass (f->board, ticks (5), 0);
  g_assert_true (out2 (f));
  board_out (f->board, 0x61, 0);
  board_out (f->board, 0x61, 1);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (29), 0);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (2), 0);
  g_assert_true (out2 (f));
}

static void
test_hardware_strobe (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 0);
  program (f, 2, 5, 10);
  board_pass (f->board, ticks (30), 0);
  g_assert_true (out2 (f));
  board_out (f->board, 0x61, 1);
  board_pass (f->board, ticks (9), 0);
  g_assert_true (out2 (f));
  board_pass (f->board, ticks (1), 0);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (1), 0);
  g_assert_true (out2 (f));
}

/* With the gate low the periodic modes stand still with OUT high, and begin anew when it rises. */
static void
test_periodic_gate (Fixture *f, gconstpointer data)
{
  unsigned mode = GPOINTER_TO_UINT (data), count;

  board_out (f->board, 0x61, 1);
  program (f, 2, mode, 1000);
  board_pass (f->board, ticks (600), 0);
  g_assert_true (out2 (f) == (mode == 2));
  board_out (f->board, 0x61, 0);
  g_assert_true (out2 (f));
  count = latched (f, 2);
  board_pass (f->board, ticks (123), 0);
  g_assert_cmpuint (latched (f, 2), ==, count);
  board_out (f->board, 0x61, 1);
  g_assert_cmpuint (latched (f, 2), ==, 1000);
  board_pass (f->board, ticks (501), 0);
  g_assert_true (out2 (f) == (mode == 2));
}

/* The first of two bytes stops mode 0 and lowers OUT. */
static void
test_first_byte (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 1);
  program (f, 2, 0, 10);
  board_pass (f->board, ticks (20), 0);
  g_assert_true (out2 (f));
  board_out (f->board, 0x42, 30);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (100), 0);
  g_assert_false (out2 (f));
  board_out (f->board, 0x42, 0);
  board_pass (f->board, ticks (29), 0);
  g_assert_false (out2 (f));
  board_pass (f->board, ticks (2), 0);
  g_assert_true (out2 (f));
}

/* One byte only: the other is 0. */
static void
test_access (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 0);
  board_out (f->board, 0x43, 0x90); /* counter 2, low byte, mode 0 */
  board_out (f->board, 0x42, 0x45);
  g_assert_cmphex (board_in (f->board, 0x42), ==, 0x45);
  g_assert_cmphex (status (f, 2), ==, 0x10);
  board_out (f->board, 0x43, 0xa0); /* high byte */
  board_out (f->board, 0x42, 0x45);
  g_assert_cmphex (board_in (f->board, 0x42), ==, 0x45);
  board_out (f->board, 0x43, 0x80);
  g_assert_cmphex (board_in (f->board, 0x42), ==, 0x45);
  board_out (f->board, 0x43, 0xbe); /* 7 is mode 3 */
  board_out (f->board, 0x42, 0);
  board_out (f->board, 0x42, 0);
  g_assert_cmphex (status (f, 2) & 0x3f, ==, 0x36);
  g_assert_cmphex (latched (f, 2), ==, 0); /* 65536 */
  g_assert_cmphex (board_in (f->board, 0x43), ==, 0);
}

static void
test_strobe (Fixture *f, gconstpointer unused)
{
  board_out (f->board, 0x61, 1);
  program (f, 2, 4, 10);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
  board_pass (f->board, ticks (10), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0);
  board_pass (f->board, ticks (1), 0);
  g_assert_cmphex (board_in (f->board, 0x61) & 0x20, ==, 0x20);
}

static void
test_speaker (Fixture *f, gconstpointer unused)
{
  g_assert_cmpuint (pit_speaker_frequency (f->pit), ==, 0);
  program (f, 2, 3, 1193);
  board_out (f->board, 0x61, 3);
  g_assert_cmpuint (pit_speaker_frequency (f->pit), ==, 1000);
  board_out (f->board, 0x61, 1);
  g_assert_cmpuint (pit_speaker_frequency (f->pit), ==, 0);
}

static void
test_refresh (Fixture *f, gconstpointer unused)
{
  unsigned changes = 0, last = board_in (f->board, 0x61) & 0x10;

  for (int i = 0; i < 100; i++)
    {
      unsigned bit;

      board_pass (f->board, 5 * CLOCK_NS_PER_US, 0);
      bit = board_in (f->board, 0x61) & 0x10;
      changes += bit != last;
      last = bit;
    }
  g_assert_cmpuint (changes, ==, 33); /* every 15.085 µs */
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = device_new (&pit_type);

  pit_set_output (copy, other->isa_irq[0]);
  board_add (other, copy);
  program (f, 0, 2, 11932);
  board_check_state (other, f->pit, copy, 300);
  board_free (other);
}

/* While the HPET has the line no edge comes through, and afterwards they are where they would have been. */
static void
test_cut_off (Fixture *f, gconstpointer unused)
{
  program (f, 0, 2, 1000);
  board_pass (f->board, ticks (2500), 0);
  g_assert_cmpuint (f->board->rises[0], >=, 2);
  pit_set_irq_enabled (f->pit, FALSE);
  f->board->rises[0] = 0;
  board_pass (f->board, ticks (10000), ticks (100));
  g_assert_cmpuint (f->board->rises[0], ==, 0);
  g_assert_cmpint (f->board->level[0], ==, 0);
  g_assert_cmpuint (latched (f, 0), >=, 490);
  g_assert_cmpuint (latched (f, 0), <=, 510);
  pit_set_irq_enabled (f->pit, TRUE);
  f->board->rises[0] = 0;
  board_pass (f->board, ticks (400), 0);
  g_assert_cmpuint (f->board->rises[0], ==, 0);
  board_pass (f->board, ticks (200), 0);
  g_assert_cmpuint (f->board->rises[0], ==, 1);
  board_pass (f->board, ticks (3000), ticks (100));
  g_assert_cmpuint (f->board->rises[0], ==, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add (path, Fixture, data, setup, function, teardown)
  ADD ("/pit/rate-generator", GUINT_TO_POINTER (2), test_rate);
  ADD ("/pit/square-wave-rate", GUINT_TO_POINTER (3), test_rate);
  ADD ("/pit/catch-up", NULL, test_catch_up);
  ADD ("/pit/saved-debt", NULL, test_saved_debt);
  ADD ("/pit/flood", NULL, test_flood);
  ADD ("/pit/one-shot", NULL, test_one_shot);
  ADD ("/pit/latch", NULL, test_latch);
  ADD ("/pit/bcd", NULL, test_bcd);
  ADD ("/pit/square-wave", NULL, test_square_wave);
  ADD ("/pit/gate", NULL, test_gate);
  ADD ("/pit/hardware-one-shot", NULL, test_hardware_one_shot);
  ADD ("/pit/one-shot-reload", NULL, test_one_shot_reload);
  ADD ("/pit/hardware-strobe", NULL, test_hardware_strobe);
  ADD ("/pit/rate-gate", GUINT_TO_POINTER (2), test_periodic_gate);
  ADD ("/pit/square-wave-gate", GUINT_TO_POINTER (3), test_periodic_gate);
  ADD ("/pit/first-byte", NULL, test_first_byte);
  ADD ("/pit/access", NULL, test_access);
  ADD ("/pit/strobe", NULL, test_strobe);
  ADD ("/pit/speaker", NULL, test_speaker);
  ADD ("/pit/refresh", NULL, test_refresh);
  ADD ("/pit/cut-off", NULL, test_cut_off);
  ADD ("/pit/state", NULL, test_state);
  return g_test_run ();
}
