/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Implementation of the driver of the virtio block tests. */

#include "tests/unit/virtio/blk-driver.h"

#include <sys/mman.h>
#include <unistd.h>

uint8_t
blk_content (uint64_t at)
{
  return (uint8_t) (at / SECTOR * 7 + at * 3);
}

Device *
blk_new_device (Disk *disk)
{
  Device *dev = device_new (&virtio_blk_type);

  virtio_blk_attach (dev, disk, DRIVER_QUEUES);
  virtio_blk_set_serial (dev, "BN-serial");
  return dev;
}

static void
setup_flags (Blk *t, gboolean legacy, DiskOpenFlags flags)
{
  g_autofree uint8_t *data = g_malloc (SECTORS * SECTOR);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; i < SECTORS * SECTOR; i++)
    data[i] = blk_content (i);
  t->fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (pwrite (t->fd, data, SECTORS * SECTOR, 0), ==, SECTORS * SECTOR);
  path = g_strdup_printf ("/proc/self/fd/%d", t->fd);
  t->disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  t->board = board_new ();
  t->dev = blk_new_device (t->disk);
  driver_add (&t->g, t->board, t->dev, legacy);
}

void
blk_setup (Blk *t, gconstpointer legacy)
{
  setup_flags (t, legacy != NULL, 0);
}

void
blk_setup_read_only (Blk *t, gconstpointer legacy)
{
  setup_flags (t, legacy != NULL, DISK_OPEN_READ_ONLY);
}

void
blk_teardown (Blk *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  close (t->fd);
}

void
blk_offer (Blk *t, unsigned queue, unsigned n, uint32_t type, uint64_t sector, uint64_t data, uint32_t length)
{
  Driver *g = &t->g;
  uint64_t header = HEADERS + 16 * n, table = g->queues[queue].descriptors;
  unsigned first = 3 * n, data_flags = type == READ || type == GET_ID ? D_NEXT | D_WRITE : D_NEXT;

  driver_poke (g, header, type, 8);
  driver_poke (g, header + 8, sector, 8);
  driver_poke (g, STATUSES + n, UNTOUCHED, 1);
  driver_descriptor (g, table, first, header, 16, D_NEXT, length > 0 ? first + 1 : first + 2);
  driver_descriptor (g, table, first + 1, data, length, data_flags, first + 2);
  driver_descriptor (g, table, first + 2, STATUSES + n, 1, D_WRITE, 0);
  driver_offer (g, queue, first);
}

unsigned
blk_status (Blk *t, unsigned n)
{
  return (unsigned) driver_peek (&t->g, STATUSES + n, 1);
}

unsigned
blk_request (Blk *t, uint32_t type, uint64_t sector, uint64_t data, uint32_t length, uint32_t *written)
{
  blk_offer (t, 0, 0, type, sector, data, length);
  driver_kick (&t->g, 0);
  g_assert_cmpuint (driver_wait (&t->g, 0, written), ==, 0);
  return blk_status (t, 0);
}

void
blk_expect (Blk *t, uint64_t address, uint64_t at, uint64_t length)
{
  for (uint64_t i = 0; i < length; i++)
    g_assert_cmphex (driver_peek (&t->g, address + i, 1), ==, blk_content (at + i));
}

void
blk_settle (Blk *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}
