/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fw_cfg, read as firmware reads it: by port and by DMA. */

#include "engine/devices/platform/fw-cfg.h"
#include "tests/unit/platform/board.h"

#include <string.h>

enum
{
  SELECT = 0x510, DATA = 0x511, DMA = 0x514, DESCRIPTOR = 0x1000, TARGET = 0x2000,
  DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16
};

typedef struct
{
  Board *board;
  Device *dev;
} Fixture;

static void
add_file (Device *dev, const char *name, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  fw_cfg_add_file (dev, name, bytes);
}

static Device *
add (Board *board)
{
  Device *dev = board_add (board, device_new (&fw_cfg_type));

  fw_cfg_add_u16 (dev, FW_CFG_NB_CPUS, 3);
  fw_cfg_add_u64 (dev, FW_CFG_RAM_SIZE, 0x123456789a);
  fw_cfg_add_u32 (dev, FW_CFG_IRQ0_OVERRIDE, 1);
  add_file (dev, "etc/first", "the first");
  add_file (dev, "etc/second", "the second");
  return dev;
}

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->dev = add (f->board);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static void
select_key (Fixture *f, unsigned key)
{
  bus_pio_write (f->board->bus, SELECT, key, 2);
}

static uint64_t
read_le (Fixture *f, unsigned bytes)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < bytes; i++)
    value |= (uint64_t) board_in (f->board, DATA) << (8 * i);
  return value;
}

static uint32_t
read_be (Fixture *f, unsigned bytes)
{
  uint32_t value = 0;

  while (bytes-- > 0)
    value = value << 8 | board_in (f->board, DATA);
  return value;
}

static void
test_items (Fixture *f, gconstpointer unused)
{
  select_key (f, FW_CFG_SIGNATURE);
  g_assert_cmphex (read_be (f, 4), ==, 0x51454d55); /* QEMU */
  g_assert_cmphex (read_be (f, 2), ==, 0);          /* nothing but zeros after it */
  select_key (f, FW_CFG_ID);
  g_assert_cmphex (read_le (f, 4), ==, 3);
  select_key (f, FW_CFG_RAM_SIZE);
  g_assert_cmphex (read_le (f, 8), ==, 0x123456789a);
  select_key (f, FW_CFG_IRQ0_OVERRIDE);
  g_assert_cmphex (read_le (f, 4), ==, 1);
  /* Selecting begins anew; bit 14 once meant writing. */
  select_key (f, FW_CFG_NB_CPUS | 0x4000);
  g_assert_cmphex (read_le (f, 1), ==, 3);
  select_key (f, FW_CFG_NB_CPUS);
  board_out (f->board, DATA, 0x77);
  g_assert_cmphex (read_le (f, 2), ==, 3);
  /* What is not there. */
  for (unsigned key = 0x60; key < 0x10000; key += 0x1111)
    {
      select_key (f, key);
      g_assert_cmphex (read_le (f, 4), ==, 0);
    }
}

static void
test_directory (Fixture *f, gconstpointer unused)
{
  static const char *const names[] = { "etc/first", "etc/second" },
                    *const texts[] = { "the first", "the second, anew" };

  add_file (f->dev, "etc/second", "the second, anew");
  select_key (f, FW_CFG_FILE_DIR);
  g_assert_cmpuint (read_be (f, 4), ==, 2);
  for (unsigned i = 0; i < 2; i++)
    {
      char name[FW_CFG_FILE_NAME_SIZE];

      g_assert_cmpuint (read_be (f, 4), ==, strlen (texts[i]));
      g_assert_cmphex (read_be (f, 2), ==, FW_CFG_FILE_FIRST + i);
      g_assert_cmphex (read_be (f, 2), ==, 0);
      for (unsigned n = 0; n < sizeof name; n++)
        name[n] = (char) board_in (f->board, DATA);
      g_assert_cmpstr (name, ==, names[i]);
    }
  for (unsigned i = 0; i < 2; i++)
    {
      select_key (f, FW_CFG_FILE_FIRST + i);
      for (const char *c = texts[i]; *c != '\0'; c++)
        g_assert_cmpint (board_in (f->board, DATA), ==, *c);
    }
}

/* Runs a descriptor and returns what its control field has become. */
static uint32_t
dma (Fixture *f, uint32_t control, uint32_t length, uint64_t target)
{
  struct { uint32_t control, length; uint64_t target; } descriptor = {
    GUINT32_TO_BE (control), GUINT32_TO_BE (length), GUINT64_TO_BE (target)
  };

  guest_memory_write (f->board->memory, DESCRIPTOR, &descriptor, sizeof descriptor);
  bus_pio_write (f->board->bus, DMA + 4, GUINT32_TO_BE (DESCRIPTOR), 4);
  guest_memory_read (f->board->memory, DESCRIPTOR, &descriptor, sizeof descriptor);
  return GUINT32_FROM_BE (descriptor.control);
}

static void
test_dma (Fixture *f, gconstpointer unused)
{
  uint32_t select = (FW_CFG_FILE_FIRST + 1) << 16 | DMA_SELECT;
  char *memory = (char *) ram_block_host (f->board->ram) + TARGET;

  g_assert_cmphex (bus_pio_read (f->board->bus, DMA, 4), ==, GUINT32_TO_LE (0x554d4551));
  g_assert_cmphex (bus_pio_read (f->board->bus, DMA + 4, 4), ==, GUINT32_TO_LE (0x47464320));

  memset (memory, 0x77, 64);
  g_assert_cmphex (dma (f, select | DMA_READ, 3, TARGET), ==, 0);
  g_assert_cmpmem (memory, 4, "thew", 4);
  g_assert_cmphex (dma (f, DMA_SKIP, 1, 0), ==, 0);
  g_assert_cmphex (dma (f, DMA_READ, 12, TARGET), ==, 0);
  g_assert_cmpmem (memory, 13, "second\0\0\0\0\0\0w", 13);
  /* The port goes on where DMA was, and the other way round. */
  g_assert_cmphex (dma (f, select, 0, 0), ==, 0);
  g_assert_cmpint (board_in (f->board, DATA), ==, 't');
  g_assert_cmphex (dma (f, DMA_READ, 2, TARGET), ==, 0);
  g_assert_cmpmem (memory, 2, "he", 2);
  g_assert_cmphex (dma (f, DMA_SKIP, 0xffffffff, 0), ==, 0);
  g_assert_cmphex (dma (f, DMA_SKIP, 0xffffffff, 0), ==, 0);
  g_assert_cmpint (board_in (f->board, DATA), ==, 0);
}

static void
test_dma_errors (Fixture *f, gconstpointer unused)
{
  uint32_t select = (FW_CFG_FILE_FIRST + 1) << 16 | DMA_SELECT;

  g_assert_cmphex (dma (f, select | DMA_WRITE, 3, TARGET), ==, DMA_ERROR);
  g_assert_cmphex (dma (f, select | DMA_READ, 3, BOARD_RAM), ==, DMA_ERROR);
  g_assert_cmphex (dma (f, select | DMA_READ, 0xffffffff, BOARD_RAM - 4096), ==, DMA_ERROR);
  g_assert_cmphex (dma (f, select | DMA_READ, 16, ~(uint64_t) 0), ==, DMA_ERROR);
  /* Over itself: the control field is written last. */
  g_assert_cmphex (dma (f, select | DMA_READ, 10, DESCRIPTOR), ==, 0);
  /* A descriptor where there is no memory; the upper half counts for one transfer. */
  bus_pio_write (f->board->bus, DMA, 0xffffffff, 4);
  bus_pio_write (f->board->bus, DMA + 4, GUINT32_TO_BE (DESCRIPTOR), 4);
  g_assert_cmphex (dma (f, select | DMA_READ, 3, TARGET), ==, 0);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = add (other);

  select_key (f, FW_CFG_FILE_FIRST);
  read_le (f, 4);
  bus_pio_write (f->board->bus, DMA, 0x12345678, 4);
  board_check_state (other, f->dev, copy, 300);
  g_assert_cmpint (board_in (other, DATA), ==, 'f');
  board_free (other);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/fw-cfg/items", test_items);
  ADD ("/fw-cfg/directory", test_directory);
  ADD ("/fw-cfg/dma", test_dma);
  ADD ("/fw-cfg/dma-errors", test_dma_errors);
  ADD ("/fw-cfg/state", test_state);
  return g_test_run ();
}
