/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 8237 DMA controllers with their page registers, seen from both sides: the ports, and a device that has data. */

#include "engine/devices/platform/i8237.h"
#include "tests/unit/platform/board.h"

#include <string.h>

enum
{
  COMMAND = 8, STATUS = 8, MASK = 10, MODE = 11, CLEAR_POINTER = 12, MASTER_CLEAR = 13, CLEAR_MASK = 14, ALL_MASK = 15,
  TO_MEMORY = 0x04, FROM_MEMORY = 0x08, AUTO = 0x10, DOWN = 0x20, SINGLE = 0x40, DISABLE = 4
};

typedef struct
{
  Board *board;
  Device *dma;
  unsigned grants[DMA_CHANNELS];
} Fixture;

/* Where a channel's page register lies. */
static const uint16_t pages[DMA_CHANNELS] = { 0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a };

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->dma = board_add (f->board, device_new (&i8237_type));
  memset (f->grants, 0, sizeof f->grants);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

/* The port of register @reg of the controller that has @channel. */
static uint16_t
port (unsigned channel, unsigned reg)
{
  return (uint16_t) (channel < 4 ? reg : 0xc0 + 2 * reg);
}

static void
out16 (Fixture *f, uint16_t at, unsigned value)
{
  board_out (f->board, at, value & 0xff);
  board_out (f->board, at, value >> 8 & 0xff);
}

static unsigned
in16 (Fixture *f, uint16_t at)
{
  unsigned low = board_in (f->board, at);

  return low | (unsigned) board_in (f->board, at) << 8;
}

/* @address and @count in the channel's units. */
static void
program (Fixture *f, unsigned channel, unsigned mode, unsigned page, unsigned address, unsigned count)
{
  unsigned index = channel & 3;

  board_out (f->board, port (channel, MASK), 4 | index);
  board_out (f->board, port (channel, CLEAR_POINTER), 0);
  board_out (f->board, port (channel, MODE), mode | index);
  out16 (f, port (channel, 2 * index), address);
  out16 (f, port (channel, 2 * index + 1), count - 1);
  board_out (f->board, pages[channel], page);
  board_out (f->board, port (channel, MASK), index);
}

static uint8_t *
ram (Fixture *f, unsigned at)
{
  return ram_block_host (f->board->ram) + at;
}

static void
test_registers (Fixture *f, gconstpointer unused)
{
  for (unsigned channel = 0; channel < DMA_CHANNELS; channel++)
    {
      uint16_t address = port (channel, 2 * (channel & 3)), count = port (channel, 2 * (channel & 3) + 1);

      board_out (f->board, port (channel, CLEAR_POINTER), 0);
      out16 (f, address, 0x1234 + channel);
      out16 (f, count, 0x5678 + channel);
      g_assert_cmphex (in16 (f, address), ==, 0x1234 + channel);
      g_assert_cmphex (in16 (f, count), ==, 0x5678 + channel);
      /* One byte turns low and high round until the pointer is cleared. */
      board_in (f->board, address);
      g_assert_cmphex (board_in (f->board, address), ==, 0x12);
      board_in (f->board, address);
      board_out (f->board, port (channel, CLEAR_POINTER), 0);
      g_assert_cmphex (board_in (f->board, address), ==, (0x34 + channel) & 0xff);
      board_out (f->board, port (channel, CLEAR_POINTER), 0);
      board_out (f->board, pages[channel], 0xa0 + channel);
    }
  for (unsigned channel = 0; channel < DMA_CHANNELS; channel++)
    g_assert_cmphex (board_in (f->board, pages[channel]), ==, 0xa0 + channel);
  /* Each port of the second controller is there twice. */
  board_out (f->board, 0xdd, 0); /* clear mask */
  g_assert_cmphex (board_in (f->board, 0xde) & 15, ==, 0);
}

static void
test_masks (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (board_in (f->board, ALL_MASK) & 15, ==, 15);
  g_assert_false (i8237_ready (f->dma, 2));
  board_out (f->board, MASK, 2);
  g_assert_cmphex (board_in (f->board, ALL_MASK) & 15, ==, 11);
  g_assert_true (i8237_ready (f->dma, 2));
  g_assert_false (i8237_ready (f->dma, 3));
  g_assert_false (i8237_ready (f->dma, 6));
  board_out (f->board, COMMAND, DISABLE);
  g_assert_false (i8237_ready (f->dma, 2));
  board_out (f->board, COMMAND, 0);
  board_out (f->board, MASK, 4 | 2);
  g_assert_false (i8237_ready (f->dma, 2));
  board_out (f->board, ALL_MASK, 0x05);
  g_assert_true (i8237_ready (f->dma, 1) && i8237_ready (f->dma, 3));
  g_assert_false (i8237_ready (f->dma, 0) || i8237_ready (f->dma, 2));
  board_out (f->board, CLEAR_MASK, 0);
  g_assert_true (i8237_ready (f->dma, 0) && i8237_ready (f->dma, 2));
  board_out (f->board, MASTER_CLEAR, 0);
  g_assert_cmphex (board_in (f->board, ALL_MASK) & 15, ==, 15);
}

static void
test_to_memory (Fixture *f, gconstpointer unused)
{
  static const uint8_t data[] = "direct memory access";
  gboolean terminal;

  program (f, 2, SINGLE | TO_MEMORY, 0x02, 0x3000, 20);
  g_assert_cmpuint (i8237_remaining (f->dma, 2), ==, 20);
  g_assert_cmpuint (i8237_to_memory (f->dma, 2, data, 8, &terminal), ==, 8);
  g_assert_false (terminal);
  g_assert_cmphex (in16 (f, 4), ==, 0x3008);
  g_assert_cmphex (in16 (f, 5), ==, 11);
  g_assert_cmphex (board_in (f->board, STATUS), ==, 0);
  g_assert_cmpuint (i8237_to_memory (f->dma, 2, data + 8, 100, &terminal), ==, 12);
  g_assert_true (terminal);
  g_assert_cmpmem (ram (f, 0x23000), 20, data, 20);
  g_assert_cmphex (in16 (f, 5), ==, 0xffff);
  /* Terminal count is told once, and masks the channel. */
  g_assert_cmphex (board_in (f->board, STATUS), ==, 4);
  g_assert_cmphex (board_in (f->board, STATUS), ==, 0);
  g_assert_cmpuint (i8237_to_memory (f->dma, 2, data, 8, &terminal), ==, 0);
  g_assert_false (terminal);
}

static void
test_from_memory (Fixture *f, gconstpointer unused)
{
  uint8_t data[8];
  gboolean terminal;

  memcpy (ram (f, 0x45ffc), "abcdefgh", 8);
  program (f, 1, SINGLE | FROM_MEMORY, 0x04, 0x5ffc, 8);
  g_assert_cmpuint (i8237_from_memory (f->dma, 1, data, 8, &terminal), ==, 8);
  g_assert_true (terminal);
  g_assert_cmpmem (data, 8, "abcdefgh", 8);

  /* Programmed the other way round, or to verify: memory stays, the device gets ones, the count goes on. */
  program (f, 1, SINGLE | TO_MEMORY, 0x04, 0x5ffc, 8);
  g_assert_cmpuint (i8237_from_memory (f->dma, 1, data, 4, &terminal), ==, 4);
  g_assert_cmphex (data[0], ==, 0xff);
  program (f, 1, SINGLE, 0x04, 0x5ffc, 8);
  g_assert_cmpuint (i8237_to_memory (f->dma, 1, data, 8, &terminal), ==, 8);
  g_assert_true (terminal);
  g_assert_cmpmem (ram (f, 0x45ffc), 8, "abcdefgh", 8);
}

/* The address counts within its page. */
static void
test_wrap (Fixture *f, gconstpointer unused)
{
  static const uint8_t data[] = "wrapped!";
  gboolean terminal;

  program (f, 3, SINGLE | TO_MEMORY, 0x03, 0xfffc, 8);
  g_assert_cmpuint (i8237_to_memory (f->dma, 3, data, 8, &terminal), ==, 8);
  g_assert_cmpmem (ram (f, 0x3fffc), 4, "wrap", 4);
  g_assert_cmpmem (ram (f, 0x30000), 4, "ped!", 4);
  g_assert_cmphex (ram (f, 0x40000)[0], ==, 0);
}

static void
test_words (Fixture *f, gconstpointer unused)
{
  static const uint8_t data[] = "sixteen bits are two each.";
  gboolean terminal;

  /* Addresses count words; the page's lowest bit is not used. */
  program (f, 5, SINGLE | TO_MEMORY, 0x03, 0x8001, 13);
  g_assert_cmpuint (i8237_remaining (f->dma, 5), ==, 26);
  g_assert_cmpuint (i8237_to_memory (f->dma, 5, data, 26, &terminal), ==, 26);
  g_assert_true (terminal);
  g_assert_cmpmem (ram (f, 0x30002), 26, data, 26);
  g_assert_cmphex (board_in (f->board, 0xd0), ==, 2);

  program (f, 6, SINGLE | TO_MEMORY, 0x02, 0xfffe, 4);
  g_assert_cmpuint (i8237_to_memory (f->dma, 6, data, 8, &terminal), ==, 8);
  g_assert_cmpmem (ram (f, 0x3fffc), 4, "sixt", 4);
  g_assert_cmpmem (ram (f, 0x20000), 4, "een ", 4);
}

static void
test_down (Fixture *f, gconstpointer unused)
{
  static const uint8_t data[] = "abcd";
  gboolean terminal;

  program (f, 0, SINGLE | TO_MEMORY | DOWN, 0x01, 0x0003, 4);
  g_assert_cmpuint (i8237_to_memory (f->dma, 0, data, 4, &terminal), ==, 4);
  g_assert_true (terminal);
  g_assert_cmpmem (ram (f, 0x10000), 4, "dcba", 4);
  g_assert_cmphex (in16 (f, 0), ==, 0xffff);
}

static void
test_auto (Fixture *f, gconstpointer unused)
{
  static const uint8_t data[] = "12345678";
  gboolean terminal;

  program (f, 1, SINGLE | TO_MEMORY | AUTO, 0x01, 0x0000, 4);
  g_assert_cmpuint (i8237_to_memory (f->dma, 1, data, 8, &terminal), ==, 4);
  g_assert_true (terminal);
  g_assert_true (i8237_ready (f->dma, 1));
  g_assert_cmphex (in16 (f, 2), ==, 0);
  g_assert_cmphex (in16 (f, 3), ==, 3);
  g_assert_cmpuint (i8237_to_memory (f->dma, 1, data + 4, 4, &terminal), ==, 4);
  g_assert_cmpmem (ram (f, 0x10000), 4, "5678", 4);
  g_assert_cmphex (board_in (f->board, STATUS) & 15, ==, 2);
}

static void
granted (void *opaque)
{
  (*(unsigned *) opaque)++;
}

static void
test_requests (Fixture *f, gconstpointer unused)
{
  for (unsigned i = 0; i < DMA_CHANNELS; i++)
    i8237_connect (f->dma, i, granted, &f->grants[i]);
  i8237_set_request (f->dma, 2, TRUE);
  i8237_set_request (f->dma, 5, TRUE);
  g_assert_cmphex (board_in (f->board, STATUS), ==, 0x40);
  g_assert_cmphex (board_in (f->board, 0xd0), ==, 0x20);
  g_assert_cmpuint (f->grants[2], ==, 0);
  board_out (f->board, MASK, 1);
  g_assert_cmpuint (f->grants[1] | f->grants[2], ==, 0);
  board_out (f->board, MASK, 2);
  g_assert_cmpuint (f->grants[2], ==, 1);
  board_out (f->board, COMMAND, DISABLE);
  g_assert_cmpuint (f->grants[2], ==, 1);
  board_out (f->board, COMMAND, 0);
  g_assert_cmpuint (f->grants[2], ==, 2);
  g_assert_cmpuint (f->grants[5], ==, 0);
  board_out (f->board, 0xd4, 1);
  g_assert_cmpuint (f->grants[5], ==, 1);
  /* The lines are the devices': a master clear does not lower them. */
  board_out (f->board, MASTER_CLEAR, 0);
  g_assert_cmphex (board_in (f->board, STATUS), ==, 0x40);
  i8237_set_request (f->dma, 2, FALSE);
  board_out (f->board, CLEAR_MASK, 0);
  g_assert_cmpuint (f->grants[2], ==, 2);
}

/* An area without memory takes and gives what there is: nothing, and ones. */
static void
test_no_memory (Fixture *f, gconstpointer unused)
{
  uint8_t data[16] = { 0 };
  gboolean terminal;

  program (f, 2, SINGLE | FROM_MEMORY, 0xff, 0xfff0, 16);
  g_assert_cmpuint (i8237_from_memory (f->dma, 2, data, 16, &terminal), ==, 16);
  g_assert_cmphex (data[15], ==, 0xff);
  program (f, 2, SINGLE | TO_MEMORY, 0xff, 0, 0x10000);
  for (unsigned i = 0; i < 0x10000 / 16; i++)
    g_assert_cmpuint (i8237_to_memory (f->dma, 2, data, 16, &terminal), ==, 16);
  g_assert_true (terminal);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = board_add (other, device_new (&i8237_type));

  program (f, 2, SINGLE | TO_MEMORY, 0x02, 0x3000, 20);
  program (f, 5, SINGLE | FROM_MEMORY | AUTO, 0x03, 0x8001, 13);
  i8237_set_request (f->dma, 2, TRUE);
  board_out (f->board, 4, 0x77);
  board_check_state (other, f->dma, copy, 200);
  g_assert_cmphex (board_in (other, STATUS), ==, 0x40);
  g_assert_cmpuint (i8237_remaining (copy, 5), ==, 26);
  board_free (other);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/dma/registers", test_registers);
  ADD ("/dma/masks", test_masks);
  ADD ("/dma/to-memory", test_to_memory);
  ADD ("/dma/from-memory", test_from_memory);
  ADD ("/dma/wrap", test_wrap);
  ADD ("/dma/words", test_words);
  ADD ("/dma/down", test_down);
  ADD ("/dma/auto", test_auto);
  ADD ("/dma/requests", test_requests);
  ADD ("/dma/no-memory", test_no_memory);
  ADD ("/dma/state", test_state);
  return g_test_run ();
}
