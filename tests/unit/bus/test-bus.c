/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The port I/O space: widths, ranges beside and over each other. */

#include "engine/bus/bus.h"

#include <gio/gio.h>
#include <string.h>

typedef struct
{
  GString *log;   /* "R" or "W", offset, size, value */
  uint32_t value; /* what reads give, shifted by their offset; then zeros */
} Range;

static uint32_t
range_read (void *opaque, uint16_t offset, unsigned size)
{
  Range *r = opaque;

  g_string_append_printf (r->log, "R%x/%u ", offset, size);
  return offset < 4 ? r->value >> (8 * offset) : 0;
}

static void
range_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  g_string_append_printf (((Range *) opaque)->log, "W%x/%u=%x ", offset, size, value);
}

static const PioOps bytes = { .read = range_read, .write = range_write };
static const PioOps words = { .read = range_read, .write = range_write, .min_size = 2, .max_size = 2 };
static const PioOps longs = { .read = range_read, .write = range_write, .min_size = 4, .max_size = 4 };
static const PioOps any = { .read = range_read, .write = range_write, .min_size = 1, .max_size = 4 };

typedef struct
{
  Bus *bus;
  Range a, b;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->bus = bus_new ();
  f->a = (Range) { g_string_new (NULL), 0x44332211 };
  f->b = (Range) { g_string_new (NULL), 0x88776655 };
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  bus_free (f->bus);
  g_string_free (f->a.log, TRUE);
  g_string_free (f->b.log, TRUE);
}

static void
add (Fixture *f, uint16_t base, uint16_t count, const PioOps *ops, Range *range)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (bus_add_pio (f->bus, base, count, ops, range, &error));
  g_assert_no_error (error);
}

static void
expect (Range *range, const char *log)
{
  g_assert_cmpstr (range->log->str, ==, log);
  g_string_truncate (range->log, 0);
}

static void
test_empty (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (bus_pio_read (f->bus, 0x100, 1), ==, 0xff);
  g_assert_cmphex (bus_pio_read (f->bus, 0x100, 2), ==, 0xffff);
  g_assert_cmphex (bus_pio_read (f->bus, 0x100, 4), ==, 0xffffffff);
  bus_pio_write (f->bus, 0x100, 0, 4);
}

static void
test_split (Fixture *f, gconstpointer unused)
{
  add (f, 0x100, 4, &bytes, &f->a);
  g_assert_cmphex (bus_pio_read (f->bus, 0x100, 4), ==, 0x44332211);
  expect (&f->a, "R0/1 R1/1 R2/1 R3/1 ");
  bus_pio_write (f->bus, 0x101, 0xaabb, 2);
  expect (&f->a, "W1/1=bb W2/1=aa ");
}

static void
test_widen (Fixture *f, gconstpointer unused)
{
  add (f, 0x200, 8, &longs, &f->a);
  g_assert_cmphex (bus_pio_read (f->bus, 0x201, 1), ==, 0x22);
  expect (&f->a, "R0/4 ");
  g_assert_cmphex (bus_pio_read (f->bus, 0x202, 2), ==, 0x4433);
  expect (&f->a, "R0/4 ");
  bus_pio_write (f->bus, 0x203, 0x1aa, 1);
  expect (&f->a, "W0/4=aa000000 ");
  /* Across two units. */
  g_assert_cmphex (bus_pio_read (f->bus, 0x203, 2) & 0xff, ==, 0x44);
  expect (&f->a, "R0/4 R4/4 ");
  bus_pio_write (f->bus, 0x203, 0xbbaa, 2);
  expect (&f->a, "W0/4=aa000000 W4/4=bb ");
}

static void
test_words (Fixture *f, gconstpointer unused)
{
  add (f, 0x300, 4, &words, &f->a);
  g_assert_cmphex (bus_pio_read (f->bus, 0x300, 4), ==, 0x44332211);
  expect (&f->a, "R0/2 R2/2 ");
  bus_pio_write (f->bus, 0x300, 0x12345678, 4);
  expect (&f->a, "W0/2=5678 W2/2=1234 ");
}

/* An access that reaches over the end of a range is one of bytes. */
static void
test_neighbours (Fixture *f, gconstpointer unused)
{
  add (f, 0x400, 2, &any, &f->a);
  add (f, 0x402, 2, &any, &f->b);
  g_assert_cmphex (bus_pio_read (f->bus, 0x400, 4), ==, 0x66552211);
  expect (&f->a, "R0/1 R1/1 ");
  expect (&f->b, "R0/1 R1/1 ");
  g_assert_cmphex (bus_pio_read (f->bus, 0x403, 2), ==, 0xff66);
  bus_pio_write (f->bus, 0x3ff, 0x44332211, 4);
  expect (&f->a, "W0/1=22 W1/1=33 ");
}

static void
test_end (Fixture *f, gconstpointer unused)
{
  add (f, 0xfffe, 2, &any, &f->a);
  add (f, 0, 2, &any, &f->b);
  g_assert_cmphex (bus_pio_read (f->bus, 0xfffe, 2), ==, 0x2211);
  g_assert_cmphex (bus_pio_read (f->bus, 0xffff, 2), ==, 0x5522);
  bus_pio_write (f->bus, 0xffff, 0x44332211, 4);
}

static void
test_overlap (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  add (f, 0x500, 4, &any, &f->a);
  g_assert_false (bus_add_pio (f->bus, 0x503, 1, &any, &f->b, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, "500–503"));
  bus_remove_pio (f->bus, 0x500, &f->b); /* is not its own */
  g_assert_cmphex (bus_pio_read (f->bus, 0x500, 1), ==, 0x11);
  bus_remove_pio (f->bus, 0x500, &f->a);
  g_assert_cmphex (bus_pio_read (f->bus, 0x500, 1), ==, 0xff);
  add (f, 0x503, 1, &any, &f->b);
}

static void
test_over (Fixture *f, gconstpointer unused)
{
  add (f, 0x600, 4, &any, &f->a);
  bus_map_pio (f->bus, 0x601, 2, &any, &f->b);
  g_assert_cmphex (bus_pio_read (f->bus, 0x601, 2), ==, 0x6655);
  g_assert_cmphex (bus_pio_read (f->bus, 0x603, 1), ==, 0x44);
  /* Who answers at its first port gets an access that fits. */
  g_assert_cmphex (bus_pio_read (f->bus, 0x600, 4), ==, 0x44332211);
  bus_map_pio (f->bus, 0xfff0, 0x20, &any, &f->b); /* ends with the space */
  g_assert_cmphex (bus_pio_read (f->bus, 0xfff0, 4), ==, 0x88776655);
  g_assert_cmphex (bus_pio_read (f->bus, 0, 1), ==, 0xff);
  bus_remove_pio (f->bus, 0x601, &f->b);
  g_assert_cmphex (bus_pio_read (f->bus, 0x600, 4), ==, 0x44332211);
  /* What lies under another is taken away without a trace as well. */
  bus_map_pio (f->bus, 0x600, 2, &any, &f->b);
  bus_remove_pio (f->bus, 0x600, &f->a);
  g_assert_cmphex (bus_pio_read (f->bus, 0x600, 4), ==, 0xffff6655);
  bus_remove_pio (f->bus, 0x600, &f->b);
  g_assert_cmphex (bus_pio_read (f->bus, 0x600, 4), ==, 0xffffffff);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/empty", test_empty);
  ADD ("/bus/split", test_split);
  ADD ("/bus/widen", test_widen);
  ADD ("/bus/words", test_words);
  ADD ("/bus/neighbours", test_neighbours);
  ADD ("/bus/end", test_end);
  ADD ("/bus/overlap", test_overlap);
  ADD ("/bus/over", test_over);
  return g_test_run ();
}
