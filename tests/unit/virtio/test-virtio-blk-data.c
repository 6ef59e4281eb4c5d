/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the virtio block device moves data, tells of what was done, and lets go of the guest's memory. */

#include "tests/unit/virtio/blk-driver.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A request longer than the device's buffers, in a table of its own. */
static void
test_indirect (Blk *t, gconstpointer legacy)
{
  enum
  {
    PIECES = 60,
    PIECE = 48 * 1024
  };
  Driver *g = &t->g;

  driver_start (g, ALL & ~VIRTIO_F_EVENT_IDX, DRIVER_QUEUES);
  driver_poke (g, HEADERS, READ, 8);
  driver_poke (g, HEADERS + 8, 64, 8);
  driver_descriptor (g, TABLE, 0, HEADERS, 16, D_NEXT, 1);
  for (unsigned i = 1; i <= PIECES; i++)
    driver_descriptor (g, TABLE, i, DATA + (i % 2) * PIECE, PIECE, D_NEXT | D_WRITE, i + 1);
  driver_descriptor (g, TABLE, PIECES + 1, STATUSES, 1, D_WRITE, 0);
  driver_descriptor (g, g->queues[0].descriptors, 7, TABLE, 16 * (PIECES + 2), D_INDIRECT, 0);
  driver_offer (g, 0, 7);
  driver_kick (g, 0);
  g_assert_cmpuint (driver_wait (g, 0, NULL), ==, 7);
  g_assert_cmpuint (blk_status (t, 0), ==, OK);
  blk_expect (t, DATA + PIECE, 64 * SECTOR + (PIECES - 2) * PIECE, PIECE);
  blk_expect (t, DATA, 64 * SECTOR + (PIECES - 1) * PIECE, PIECE);
}

/* As many small pieces as a chain may have, in memory that does not lie in a row, to the disk and back. */
static void
test_scattered (Blk *t, gconstpointer legacy)
{
  enum
  {
    PIECES = 300,
    BACK = DATA + 2 * PIECES * SECTOR
  };
  g_autofree uint8_t *file = g_malloc (PIECES * SECTOR);
  Driver *g = &t->g;

  G_STATIC_ASSERT (BACK + 2 * PIECES * SECTOR <= BOARD_RAM);
  driver_start (g, ALL & ~VIRTIO_F_EVENT_IDX, DRIVER_QUEUES);
  for (unsigned i = 0; i < PIECES * SECTOR; i += 8)
    driver_poke (g, DATA + i / SECTOR * 2 * SECTOR + i % SECTOR, i * 0x9e3779b97f4a7c15u, 8);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      driver_poke (g, HEADERS, pass == 0 ? WRITE : READ, 8);
      driver_poke (g, HEADERS + 8, 64, 8);
      driver_poke (g, STATUSES, UNTOUCHED, 1);
      driver_descriptor (g, TABLE, 0, HEADERS, 16, D_NEXT, 1);
      for (unsigned i = 0; i < PIECES; i++)
        driver_descriptor (g, TABLE, i + 1, (pass == 0 ? DATA : BACK) + i * 2 * SECTOR, SECTOR,
                           pass == 0 ? D_NEXT : D_NEXT | D_WRITE, i + 2);
      driver_descriptor (g, TABLE, PIECES + 1, STATUSES, 1, D_WRITE, 0);
      driver_descriptor (g, g->queues[0].descriptors, 7, TABLE, 16 * (PIECES + 2), D_INDIRECT, 0);
      driver_offer (g, 0, 7);
      driver_kick (g, 0);
      g_assert_cmpuint (driver_wait (g, 0, NULL), ==, 7);
      g_assert_cmpuint (blk_status (t, 0), ==, OK);
    }
  g_assert_cmpint (pread (t->fd, file, PIECES * SECTOR, 64 * SECTOR), ==, PIECES * SECTOR);
  for (unsigned i = 0; i < PIECES; i++)
    {
      const uint8_t *memory = ram_block_host (t->board->ram) + i * 2 * SECTOR;

      g_assert_cmpmem (memory + DATA, SECTOR, file + i * SECTOR, SECTOR);
      g_assert_cmpmem (memory + BACK, SECTOR, file + i * SECTOR, SECTOR);
    }
}

/* Memory that the disk may not reach itself. */
static void
test_buffered (Blk *t, gconstpointer legacy)
{
  ram_block_allow_dma (t->board->ram, FALSE);
  test_indirect (t, legacy);
  test_scattered (t, legacy);
}

/* What is under way when the driver resets the device reaches no memory once that is done. */
static void
test_reset (Blk *t, gconstpointer legacy)
{
  enum
  {
    COUNT = 8,
    ROUNDS = 20
  };

  for (unsigned round = 0; round < ROUNDS; round++)
    {
      driver_start (&t->g, PLAIN, DRIVER_QUEUES);
      for (unsigned i = 0; i < COUNT; i++)
        blk_offer (t, 0, i, READ, i, DATA + i * SECTOR, SECTOR);
      driver_kick (&t->g, 0);
      if (round % 2 == 0)
        driver_set_status (&t->g, 0);
      else
        device_reset (t->dev);
      for (unsigned i = 0; i < COUNT * SECTOR; i++)
        driver_poke (&t->g, DATA + i, UNTOUCHED, 1);
      blk_settle (t);
      for (unsigned i = 0; i < COUNT * SECTOR; i++)
        g_assert_cmphex (driver_peek (&t->g, DATA + i, 1), ==, UNTOUCHED);
      for (unsigned i = 0; i < COUNT; i++)
        g_assert_cmphex (blk_status (t, i), ==, UNTOUCHED);
      if (round % 2 != 0)
        {
          uint8_t devfn = ((PciDevice *) t->dev)->devfn;

          pci_config_write (t->board->pci, 0, devfn, 0x10, DRIVER_IO, 4);
          pci_config_write (t->board->pci, 0, devfn, 0x20, DRIVER_BASE, 4);
          pci_config_write (t->board->pci, 0, devfn, 4, 7, 2);
        }
    }
}

/* Who watches the memory sees what was read into it, though the driver is not told of it, or never will be. */
static void
test_watched (Blk *t, gconstpointer legacy)
{
  RamBlock *ram = t->board->ram;

  ram_block_enable_dirty_log (ram, t->board->memory, 1);
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      uint64_t at = DATA + pass * GUEST_PAGE_SIZE;

      g_assert_cmpint (ram_block_dirty (ram)[at >> GUEST_PAGE_SHIFT], ==, 0);
      blk_offer (t, 0, pass, READ, 5, at, SECTOR);
      driver_kick (&t->g, 0);
      disk_drain (t->disk);
      if (pass == 0)
        driver_wait (&t->g, 0, NULL);
      else
        driver_set_status (&t->g, 0);
      blk_expect (t, at, 5 * SECTOR, SECTOR);
      g_assert_cmpint (ram_block_dirty (ram)[at >> GUEST_PAGE_SHIFT], ==, 1);
    }
  blk_settle (t);
  ram_block_disable_dirty_log (ram);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

/* What waits for room when the driver resets the device, or when that is no more though others hold on to the disk, is
 * not written later on from memory that holds something else. */
static void
reset_stalled (Blk *t, gboolean gone)
{
  enum
  {
    FIRST = 4000
  };
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  uint8_t back[2 * SECTOR];

  disk_set_stall_handler (t->disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = FIRST / 2 * SECTOR;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  for (unsigned i = 0; i < 2; i++)
    blk_offer (t, 0, i, WRITE, FIRST + i, DATA + i * SECTOR, SECTOR);
  driver_kick (&t->g, 0);
  while (!stalled)
    g_main_context_iteration (t->board->context, TRUE);
  if (gone)
    {
      g_ptr_array_remove (t->board->devices, t->dev);
      device_free (t->dev);
    }
  else
    driver_set_status (&t->g, 0);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_retry (t->disk);
  blk_settle (t);
  g_assert_cmpint (pread (t->fd, back, sizeof back, FIRST * SECTOR), ==, sizeof back);
  for (unsigned i = 0; i < sizeof back; i++)
    g_assert_cmphex (back[i], ==, blk_content (FIRST * SECTOR + i));
  if (gone)
    return;
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  g_assert_cmpuint (blk_request (t, WRITE, FIRST, DATA, SECTOR, NULL), ==, OK);
}

static void
test_reset_stalled (Blk *t, gconstpointer legacy)
{
  reset_stalled (t, FALSE);
}

static void
test_gone_stalled (Blk *t, gconstpointer legacy)
{
  reset_stalled (t, TRUE);
}

/* The same without a reset: it is written as it was. */
static void
test_stalled (Blk *t, gconstpointer legacy)
{
  enum
  {
    FIRST = 4000
  };
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  uint8_t back[SECTOR];

  disk_set_stall_handler (t->disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = FIRST / 2 * SECTOR;
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  for (unsigned i = 0; i < SECTOR; i++)
    driver_poke (&t->g, DATA + i, i * 5 + 1, 1);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  blk_offer (t, 0, 0, WRITE, FIRST, DATA, SECTOR);
  driver_kick (&t->g, 0);
  while (!stalled)
    g_main_context_iteration (t->board->context, TRUE);
  g_assert_cmphex (blk_status (t, 0), ==, UNTOUCHED);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_retry (t->disk);
  g_assert_cmpuint (driver_wait (&t->g, 0, NULL), ==, 0);
  g_assert_cmpuint (blk_status (t, 0), ==, OK);
  g_assert_cmpint (pread (t->fd, back, sizeof back, FIRST * SECTOR), ==, sizeof back);
  for (unsigned i = 0; i < sizeof back; i++)
    g_assert_cmphex (back[i], ==, (uint8_t) (i * 5 + 1));
}

/* Requests that lie in a row are carried out together, but each has an end of its own. */
static void
test_run (Blk *t, gconstpointer legacy)
{
  enum
  {
    FIRST = 4000,
    COUNT = 30,
    ROOM = 11
  };
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  g_autofree uint8_t *back = g_malloc (COUNT * SECTOR);

  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      /* Another one stalls first, so that all are there when it goes on; then there is room for some. */
      disk_set_stall_handler (t->disk, on_stall, &stalled);
      limit.rlim_cur = FIRST / 2 * SECTOR;
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
      blk_offer (t, 0, COUNT, WRITE, FIRST - 10, DATA, SECTOR);
      driver_kick (&t->g, 0);
      while (!stalled)
        g_main_context_iteration (t->board->context, TRUE);
      for (unsigned i = 0; i < COUNT * SECTOR; i++)
        driver_poke (&t->g, DATA + i, pass + i / SECTOR * 3 + i, 1);
      for (unsigned i = 0; i < COUNT; i++)
        blk_offer (t, 0, i, WRITE, FIRST + i, DATA + i * SECTOR, SECTOR);
      driver_kick (&t->g, 0);
      limit.rlim_cur = (FIRST + ROOM) * SECTOR;
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
      stalled = FALSE;
      if (pass == 1)
        disk_set_stall_handler (t->disk, NULL, NULL);
      disk_retry (t->disk);
      while (pass == 0 && !stalled)
        g_main_context_iteration (t->board->context, TRUE);
      blk_settle (t);
      for (unsigned i = 0; i < COUNT; i++)
        g_assert_cmpuint (blk_status (t, i), ==, i < ROOM ? OK : pass == 0 ? UNTOUCHED : IOERR);
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
      stalled = FALSE;
      disk_retry (t->disk);
      for (unsigned i = 0; i <= COUNT; i++)
        {
          unsigned n = driver_wait (&t->g, 0, NULL) / 3;

          g_assert_cmpuint (blk_status (t, n), ==, n < ROOM || n == COUNT || pass == 0 ? OK : IOERR);
        }
      g_assert_cmpint (pread (t->fd, back, COUNT * SECTOR, FIRST * SECTOR), ==, COUNT * SECTOR);
      for (unsigned i = 0; i < COUNT * SECTOR; i++)
        g_assert_cmphex (back[i], ==, (uint8_t) (i / SECTOR * 3 + i + (i < ROOM * SECTOR ? pass : 0)));
    }
}

/* What is done at the same time is told of once. */
static void
test_one_message (Blk *t, gconstpointer unused)
{
  enum
  {
    CAPABILITY = 0x98,
    ENABLE = 0x8000,
    COUNT = 12
  };
  Driver *g = &t->g;

  pci_config_write (t->board->pci, 0, ((PciDevice *) t->dev)->devfn, CAPABILITY + 2, ENABLE, 2);
  driver_start (g, PLAIN, DRIVER_QUEUES);
  for (unsigned queue = 0; queue < DRIVER_QUEUES; queue++)
    {
      board_write (t->board, DRIVER_COMMON + 0x16, queue, 2);
      board_write (t->board, DRIVER_COMMON + 0x1a, queue, 2);
      board_write (t->board, DRIVER_MSIX_BASE + 16 * queue, 0xfee01000, 4);
      board_write (t->board, DRIVER_MSIX_BASE + 16 * queue + 12, 0, 4);
    }
  for (unsigned i = 0; i < COUNT; i++)
    blk_offer (t, i % 2, i, READ, 10 * i, DATA + i * SECTOR, SECTOR);
  driver_kick (g, 0);
  driver_kick (g, 1);
  blk_settle (t);
  g_assert_cmpuint (g->messages, ==, DRIVER_QUEUES);
  for (unsigned i = 0; i < COUNT; i++)
    {
      driver_wait (g, i % 2, NULL);
      g_assert_cmpuint (blk_status (t, i), ==, OK);
      blk_expect (t, DATA + i * SECTOR, 10 * i * SECTOR, SECTOR);
    }
  /* Nor is it more often when it is answered at once. */
  for (unsigned i = 0; i < COUNT; i++)
    blk_offer (t, 0, i, 2, 0, DATA, SECTOR);
  driver_kick (g, 0);
  g_assert_cmpuint (g->messages, ==, DRIVER_QUEUES + 1);
  for (unsigned i = 0; i < COUNT; i++)
    {
      driver_wait (g, 0, NULL);
      g_assert_cmpuint (blk_status (t, i), ==, UNSUPPORTED);
    }
}

static void
add (const char *name, gconstpointer legacy, void (*test) (Blk *, gconstpointer))
{
  g_autofree char *path = g_strdup_printf ("/virtio-blk-data/%s/%s", legacy != NULL ? "legacy" : "modern", name);

  g_test_add (path, Blk, legacy, blk_setup, test, blk_teardown);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < 2; i++)
    {
      gconstpointer legacy = i == 0 ? NULL : "legacy";

      add ("indirect", legacy, test_indirect);
      add ("scattered", legacy, test_scattered);
      add ("buffered", legacy, test_buffered);
      add ("reset", legacy, test_reset);
      add ("watched", legacy, test_watched);
      add ("reset-stalled", legacy, test_reset_stalled);
      add ("gone-stalled", legacy, test_gone_stalled);
      add ("stalled", legacy, test_stalled);
      add ("run", legacy, test_run);
    }
  add ("one-message", NULL, test_one_message);
  return g_test_run ();
}
