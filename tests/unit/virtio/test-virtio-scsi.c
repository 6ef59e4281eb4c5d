/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The virtio SCSI host, driven as a guest does, and as no guest should. */

#include "engine/devices/virtio/scsi-private.h"
#include "tests/unit/virtio/driver.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum
{
  SECTORS = 8192,
  CD_SECTORS = 64,
  DISK = 3,
  CD = 5,
  EMPTY = 7,
  QUEUE = QUEUE_REQUEST,
  REQUESTS = 0x20000,  /* 128 bytes each */
  RESPONSES = 0x24000, /* 256 bytes each */
  DATA = 0x40000,
  RESPONSE_SIZE = RESPONSE_HEADER + SENSE_SIZE_DEFAULT,
  NO_DATA = 0,
  STATE_ROUNDS = 40,
  UNTOUCHED = 0xee
};

typedef struct
{
  Board *board;
  Driver g;
  Device *dev;
  Disk *disk, *disc;
  int fd, disc_fd;
  unsigned ejected;
} Scsi;

typedef struct
{
  uint8_t response, status, key, asc, ascq;
  uint32_t residual, written;
} Result;

static uint8_t
content (uint64_t at)
{
  return (uint8_t) (at / SCSI_SECTOR * 7 + at * 3 + 1);
}

static Disk *
memory_disk (int *fd, size_t size, DiskOpenFlags flags)
{
  g_autofree uint8_t *data = g_malloc (size);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  for (size_t i = 0; i < size; i++)
    data[i] = content (i);
  if (flags & DISK_OPEN_READ_ONLY)
    memcpy (data + 16 * CD_SECTOR, "\0CD001\1", 7);
  *fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (pwrite (*fd, data, size, 0), ==, size);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}

static Device *
new_device (Scsi *t)
{
  Device *dev = device_new (&virtio_scsi_type);

  virtio_scsi_attach_disk (dev, DISK, t->disk);
  virtio_scsi_attach_cdrom (dev, CD, t->disc);
  return dev;
}

static void
ejected (void *opaque, unsigned target)
{
  ((Scsi *) opaque)->ejected |= 1u << target;
}

static void
start (Scsi *t)
{
  driver_start (&t->g, G_MAXUINT64 & ~(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX), DRIVER_QUEUES_MAX);
}

static void
setup (Scsi *t, gconstpointer legacy)
{
  t->disk = memory_disk (&t->fd, SECTORS * SCSI_SECTOR, 0);
  t->disc = memory_disk (&t->disc_fd, CD_SECTORS * CD_SECTOR, DISK_OPEN_READ_ONLY);
  t->board = board_new ();
  t->dev = new_device (t);
  virtio_scsi_set_ejected (t->dev, ejected, t);
  driver_add (&t->g, t->board, t->dev, legacy != NULL);
  start (t);
}

static void
teardown (Scsi *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  disk_unref (t->disc);
  close (t->fd);
  close (t->disc_fd);
}

static void
put_lun (Scsi *t, uint64_t at, unsigned target, unsigned lun)
{
  const uint8_t bytes[LUN_SIZE] = { 1, (uint8_t) target, (uint8_t) (0x40 | lun >> 8), (uint8_t) lun };

  for (unsigned i = 0; i < LUN_SIZE; i++)
    driver_poke (&t->g, at + i, bytes[i], 1);
}

/* Prepares request @n and offers it: @length bytes of data at @data, to the device if @out. */
static void
offer (Scsi *t, unsigned n, unsigned target, unsigned lun, const uint8_t cdb[16], uint64_t data, uint32_t length, gboolean out)
{
  Driver *g = &t->g;
  uint64_t request = REQUESTS + 128 * n, response = RESPONSES + 256 * n, table = g->queues[QUEUE].descriptors;
  unsigned first = 3 * n;

  put_lun (t, request, target, lun);
  driver_poke (g, request + 8, 0x1000 + n, 8);
  driver_poke (g, request + 16, 0, 3);
  for (unsigned i = 0; i < CDB_SIZE_DEFAULT; i++)
    driver_poke (g, request + REQUEST_HEADER + i, i < 16 ? cdb[i] : 0, 1);
  for (unsigned i = 0; i < RESPONSE_SIZE; i++)
    driver_poke (g, response + i, UNTOUCHED, 1);
  driver_descriptor (g, table, first, request, REQUEST_HEADER + CDB_SIZE_DEFAULT, D_NEXT, first + 1);
  if (length == 0)
    driver_descriptor (g, table, first + 1, response, RESPONSE_SIZE, D_WRITE, 0);
  else if (out)
    {
      driver_descriptor (g, table, first + 1, data, length, D_NEXT, first + 2);
      driver_descriptor (g, table, first + 2, response, RESPONSE_SIZE, D_WRITE, 0);
    }
  else
    {
      driver_descriptor (g, table, first + 1, response, RESPONSE_SIZE, D_NEXT | D_WRITE, first + 2);
      driver_descriptor (g, table, first + 2, data, length, D_WRITE, 0);
    }
  driver_offer (g, QUEUE, first);
}

static Result
result_of (Scsi *t, unsigned n, uint32_t written)
{
  Driver *g = &t->g;
  uint64_t at = RESPONSES + 256 * n;
  Result r = { .response = (uint8_t) driver_peek (g, at + 11, 1), .status = (uint8_t) driver_peek (g, at + 10, 1),
               .residual = (uint32_t) driver_peek (g, at + 4, 4), .written = written };

  if (driver_peek (g, at, 4) > 0)
    {
      g_assert_cmphex (driver_peek (g, at + 12, 1), ==, 0x70);
      r.key = (uint8_t) driver_peek (g, at + 14, 1);
      r.asc = (uint8_t) driver_peek (g, at + 24, 1);
      r.ascq = (uint8_t) driver_peek (g, at + 25, 1);
    }
  return r;
}

static Result
command_lun (Scsi *t, unsigned target, unsigned lun, const uint8_t cdb[16], uint32_t length, gboolean out)
{
  uint32_t written;

  offer (t, 0, target, lun, cdb, DATA, length, out);
  driver_kick (&t->g, QUEUE);
  g_assert_cmpuint (driver_wait (&t->g, QUEUE, &written), ==, 0);
  return result_of (t, 0, written);
}
#define IN(t, target, length, ...)  command_lun ((t), (target), 0, (const uint8_t[16]) { __VA_ARGS__ }, (length), FALSE)
#define OUT(t, target, length, ...) command_lun ((t), (target), 0, (const uint8_t[16]) { __VA_ARGS__ }, (length), TRUE)

static void
expect_good (Result r)
{
  g_assert_cmphex (r.response, ==, RESPONSE_OK);
  g_assert_cmphex (r.status, ==, SCSI_STATUS_GOOD);
}

static void
expect_sense (Result r, uint8_t key, uint8_t asc)
{
  g_assert_cmphex (r.response, ==, RESPONSE_OK);
  g_assert_cmphex (r.status, ==, SCSI_STATUS_CHECK);
  g_assert_cmphex (r.key, ==, key);
  g_assert_cmphex (r.asc, ==, asc);
}

/* The attention after power-on out of the way. */
static void
settle (Scsi *t)
{
  expect_sense (IN (t, DISK, NO_DATA, SCSI_TEST_UNIT_READY), SENSE_UNIT_ATTENTION, SCSI_ASC_RESET);
  expect_good (IN (t, DISK, NO_DATA, SCSI_TEST_UNIT_READY));
}

static unsigned
byte (Scsi *t, unsigned at)
{
  return (unsigned) driver_peek (&t->g, DATA + at, 1);
}

static uint64_t
big (Scsi *t, unsigned at, unsigned bytes)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < bytes; i++)
    value = value << 8 | byte (t, at + i);
  return value;
}

static void
expect_content (Scsi *t, uint64_t at, uint64_t length)
{
  for (uint64_t i = 0; i < length; i++)
    g_assert_cmphex (byte (t, (unsigned) i), ==, content (at + i));
}

static void
expect_on_disk (Scsi *t, uint64_t at, int value, size_t length)
{
  g_autofree uint8_t *data = g_malloc (length);

  g_assert_cmpint (pread (t->fd, data, length, (off_t) at), ==, length);
  for (size_t i = 0; i < length; i++)
    g_assert_cmphex (data[i], ==, value);
}

static void
fill (Scsi *t, uint8_t value, unsigned length)
{
  for (unsigned i = 0; i < length; i++)
    driver_poke (&t->g, DATA + i, value, 1);
}

/* Who is there */

static void
test_scan (Scsi *t, gconstpointer unused)
{
  Driver *g = &t->g;
  Result r;

  g_assert_cmpuint (driver_config (g, CONFIG_MAX_TARGET, 2), ==, VIRTIO_SCSI_TARGETS - 1);
  g_assert_cmpuint (driver_config (g, CONFIG_CDB_SIZE, 4), ==, CDB_SIZE_DEFAULT);
  for (unsigned target = 0; target < 20; target++)
    {
      r = IN (t, target, 36, SCSI_INQUIRY, 0, 0, 0, 36);
      g_assert_cmphex (r.response, ==, target == DISK || target == CD ? RESPONSE_OK : RESPONSE_BAD_TARGET);
    }
  r = IN (t, DISK, 36, SCSI_INQUIRY, 0, 0, 0, 36);
  expect_good (r);
  g_assert_cmpuint (r.written, ==, RESPONSE_SIZE + 36);
  g_assert_cmphex (byte (t, 0), ==, 0);
  g_assert_cmphex (byte (t, 2), ==, 5);
  expect_good (IN (t, CD, 36, SCSI_INQUIRY, 0, 0, 0, 36));
  g_assert_cmphex (byte (t, 0), ==, 5);
  g_assert_cmphex (byte (t, 1), ==, 0x80);
  g_assert_cmphex (byte (t, 2), ==, 5);
  /* Other logical units there are none. */
  expect_good (command_lun (t, DISK, 1, (const uint8_t[16]) { SCSI_INQUIRY, 0, 0, 0, 36 }, 36, FALSE));
  g_assert_cmphex (byte (t, 0), ==, 0x7f);
  expect_sense (command_lun (t, DISK, 1, (const uint8_t[16]) { SCSI_TEST_UNIT_READY }, 0, FALSE), SENSE_ILLEGAL_REQUEST,
                SCSI_ASC_LUN_NOT_SUPPORTED);
  expect_good (IN (t, DISK, 16, SCSI_REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16));
  g_assert_cmpuint (big (t, 0, 4), ==, 8);
  g_assert_cmpuint (big (t, 8, 8), ==, 0);
}

static void
test_pages (Scsi *t, gconstpointer unused)
{
  settle (t);
  expect_good (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0, 0, 64));
  g_assert_cmpuint (byte (t, 3), ==, 6);
  expect_good (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0x80, 0, 64));
  g_assert_cmpuint (byte (t, 3), ==, 8);
  g_assert_cmphex (byte (t, 4), ==, 'B');
  expect_good (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0x83, 0, 64));
  g_assert_cmpuint (byte (t, 3), ==, 20);
  expect_good (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0xb0, 0, 64));
  g_assert_cmpuint (big (t, 24, 4), ==, SCSI_UNMAP_RANGES_MAX);
  expect_good (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0xb2, 0, 64));
  g_assert_cmphex (byte (t, 5), ==, 0xe0);
  expect_sense (IN (t, DISK, 64, SCSI_INQUIRY, 1, 0x99, 0, 64), SENSE_ILLEGAL_REQUEST, 0x24);
  expect_good (IN (t, DISK, 8, 0x25));
  g_assert_cmpuint (big (t, 0, 4), ==, SECTORS - 1);
  g_assert_cmpuint (big (t, 4, 4), ==, SCSI_SECTOR);
  expect_good (IN (t, DISK, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32));
  g_assert_cmpuint (big (t, 0, 8), ==, SECTORS - 1);
  g_assert_cmphex (byte (t, 14), ==, 0x80);
  expect_sense (IN (t, DISK, 32, 0x9e, 0x11), SENSE_ILLEGAL_REQUEST, 0x24);
  expect_good (IN (t, DISK, 64, 0x1a, 8, 8, 0, 64));
  g_assert_cmphex (byte (t, 2), ==, 0x10);
  g_assert_cmphex (byte (t, 4), ==, 8);
  g_assert_cmphex (byte (t, 6), ==, 4);
  expect_good (IN (t, DISK, 128, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128));
  g_assert_cmpuint (big (t, 0, 2), ==, 8 + 8 + 12 + 20 + 12 - 2);
  expect_sense (IN (t, DISK, 64, 0x1a, 0, 0x33, 0, 64), SENSE_ILLEGAL_REQUEST, 0x24);
  expect_sense (IN (t, DISK, 64, 0x1a, 0, 0xc8, 0, 64), SENSE_ILLEGAL_REQUEST, 0x39);
  expect_sense (IN (t, DISK, NO_DATA, 0xff), SENSE_ILLEGAL_REQUEST, 0x20);
  expect_good (IN (t, DISK, 18, SCSI_REQUEST_SENSE, 0, 0, 0, 18));
  g_assert_cmphex (byte (t, 2), ==, SENSE_ILLEGAL_REQUEST);
  g_assert_cmphex (byte (t, 12), ==, 0x20);
}

/* Data */

static void
test_read_write (Scsi *t, gconstpointer unused)
{
  Result r;

  settle (t);
  expect_good (IN (t, DISK, 512, 0x08, 0, 0, 5, 1));
  expect_content (t, 5 * SCSI_SECTOR, 512);
  expect_good (IN (t, DISK, 4096, 0x28, 0, 0, 0, 0, 9, 0, 0, 8));
  expect_content (t, 9 * SCSI_SECTOR, 4096);
  expect_good (IN (t, DISK, 1024, 0xa8, 0, 0, 0, 1, 0, 0, 0, 0, 2));
  expect_content (t, 256 * SCSI_SECTOR, 1024);
  r = IN (t, DISK, 4096, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1);
  expect_good (r);
  expect_content (t, 3 * SCSI_SECTOR, 512);
  g_assert_cmpuint (r.residual, ==, 4096 - 512);
  fill (t, 0x5a, 4096);
  expect_good (OUT (t, DISK, 4096, 0x2a, 0, 0, 0, 0, 16, 0, 0, 8));
  expect_on_disk (t, 16 * SCSI_SECTOR, 0x5a, 4096);
  expect_good (OUT (t, DISK, 512, 0x0a, 0, 0, 40, 1));
  expect_good (OUT (t, DISK, 512, 0xaa, 8, 0, 0, 0, 41, 0, 0, 0, 1));
  expect_good (OUT (t, DISK, 512, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1));
  expect_on_disk (t, 40 * SCSI_SECTOR, 0x5a, 3 * SCSI_SECTOR);
  expect_good (IN (t, DISK, NO_DATA, 0x35));
  expect_good (IN (t, DISK, NO_DATA, 0x91));
  expect_good (IN (t, DISK, NO_DATA, 0x2f, 0, 0, 0, 0, 0, 0, 0, 8));
  /* Nothing at all is fine. */
  expect_good (IN (t, DISK, NO_DATA, 0x28, 0, 0, 0, 0, 9, 0, 0, 0));
}

static void
test_refused (Scsi *t, gconstpointer unused)
{
  settle (t);
  expect_sense (IN (t, DISK, 1024, 0x28, 0, 0, 0, (SECTORS - 1) >> 8, (SECTORS - 1) & 255, 0, 0, 2), SENSE_ILLEGAL_REQUEST, 0x21);
  expect_sense (IN (t, DISK, 512, 0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1), SENSE_ILLEGAL_REQUEST, 0x21);
  expect_sense (IN (t, DISK, NO_DATA, 0x2f, 2, 0, 0, 0, 0, 0, 0, 8), SENSE_ILLEGAL_REQUEST, 0x24);
  /* Less room, or data, than what is asked for takes. */
  g_assert_cmphex (IN (t, DISK, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 2).response, ==, RESPONSE_OVERRUN);
  g_assert_cmphex (OUT (t, DISK, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2).response, ==, RESPONSE_OVERRUN);
  g_assert_cmphex (IN (t, DISK, NO_DATA, 0x42, 0, 0, 0, 0, 0, 0, 0, 24).response, ==, RESPONSE_OVERRUN);
  /* Data that are nowhere. */
  offer (t, 0, DISK, 0, (const uint8_t[16]) { 0x28, 0, 0, 0, 0, 0, 0, 0, 1 }, 0x800000000, 512, FALSE);
  driver_kick (&t->g, QUEUE);
  driver_wait (&t->g, QUEUE, NULL);
  g_assert_cmphex (result_of (t, 0, 0).response, ==, RESPONSE_TRANSPORT_FAILURE);
}

static void
test_unmap (Scsi *t, gconstpointer unused)
{
  settle (t);
  fill (t, 0, 64);
  driver_poke (&t->g, DATA + 1, 38, 1);
  driver_poke (&t->g, DATA + 3, 32, 1);
  driver_poke (&t->g, DATA + 8 + 7, 64, 1);  /* sector 64 … */
  driver_poke (&t->g, DATA + 8 + 11, 16, 1); /* … 16 of them */
  driver_poke (&t->g, DATA + 24 + 6, 4, 1);  /* sector 1024 */
  driver_poke (&t->g, DATA + 24 + 11, 8, 1);
  expect_good (OUT (t, DISK, 40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40));
  expect_on_disk (t, 64 * SCSI_SECTOR, 0, 16 * SCSI_SECTOR);
  expect_on_disk (t, 1024 * SCSI_SECTOR, 0, 8 * SCSI_SECTOR);
  driver_poke (&t->g, DATA + 24 + 4, 255, 1);
  expect_sense (OUT (t, DISK, 40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40), SENSE_ILLEGAL_REQUEST, 0x21);
  expect_sense (OUT (t, DISK, 8, 0x42, 0, 0, 0, 0, 0, 0, 0, 4), SENSE_ILLEGAL_REQUEST, 0x1a);
  expect_sense (OUT (t, DISK, 8, 0x42, 0, 0, 0, 0, 0, 0, 255, 255), SENSE_ILLEGAL_REQUEST, 0x1a);
}

static void
test_write_same (Scsi *t, gconstpointer unused)
{
  settle (t);
  fill (t, 0, 512);
  expect_good (OUT (t, DISK, 512, 0x41, 0, 0, 0, 0, 32, 0, 0, 4));
  expect_on_disk (t, 32 * SCSI_SECTOR, 0, 4 * SCSI_SECTOR);
  fill (t, 0xa5, 512);
  /* More than a piece. */
  expect_good (OUT (t, DISK, 512, 0x93, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 12, 0));
  expect_on_disk (t, 4096 * SCSI_SECTOR, 0xa5, 3072 * SCSI_SECTOR);
  expect_good (IN (t, DISK, NO_DATA, 0x93, 1 | 8, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 8));
  expect_on_disk (t, 4096 * SCSI_SECTOR, 0, 8 * SCSI_SECTOR);
  expect_sense (OUT (t, DISK, 512, 0x41, 0, 0, 0, 0, 32, 0, 0, 0), SENSE_ILLEGAL_REQUEST, 0x24);
  expect_sense (OUT (t, DISK, 512, 0x41, 1, 0, 0, 0, 32, 0, 0, 4), SENSE_ILLEGAL_REQUEST, 0x24);
}

static void
test_many (Scsi *t, gconstpointer unused)
{
  enum { COUNT = 30 };

  settle (t);
  for (unsigned n = 0; n < COUNT; n++)
    offer (t, n, DISK, 0, (const uint8_t[16]) { 0x28, 0, 0, 0, 0, (uint8_t) n, 0, 0, 1 }, DATA + n * 512, 512, FALSE);
  driver_kick (&t->g, QUEUE);
  for (unsigned n = 0; n < COUNT; n++)
    {
      uint32_t written, head = driver_wait (&t->g, QUEUE, &written);

      expect_good (result_of (t, head / 3, written));
    }
  expect_content (t, 0, COUNT * 512);
}

/* The CD drive */

static void
test_cdrom (Scsi *t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  expect_good (IN (t, CD, NO_DATA, SCSI_TEST_UNIT_READY));
  expect_good (IN (t, CD, 8, 0x25));
  g_assert_cmpuint (big (t, 0, 4), ==, CD_SECTORS - 1);
  g_assert_cmpuint (big (t, 4, 4), ==, CD_SECTOR);
  expect_good (IN (t, CD, 2 * CD_SECTOR, 0x28, 0, 0, 0, 0, 2, 0, 0, 2));
  expect_content (t, 2 * CD_SECTOR, 2 * CD_SECTOR);
  expect_sense (IN (t, CD, CD_SECTOR, 0x28, 0, 0, 0, 0, CD_SECTORS, 0, 0, 1), SENSE_ILLEGAL_REQUEST, 0x21);
  expect_sense (OUT (t, CD, CD_SECTOR, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), SENSE_ILLEGAL_REQUEST, 0x20);
  /* Locked, it stays in. */
  expect_good (IN (t, CD, NO_DATA, 0x1e, 0, 0, 0, 1));
  g_assert_false (virtio_scsi_set_disc (t->dev, CD, NULL, FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  expect_sense (IN (t, CD, NO_DATA, 0x1b, 0, 0, 0, 2), SENSE_ILLEGAL_REQUEST, 0x53);
  expect_good (IN (t, CD, NO_DATA, 0x1e));
  expect_good (IN (t, CD, NO_DATA, 0x1b, 0, 0, 0, 2));
  g_assert_cmphex (t->ejected, ==, 1 << CD);
  expect_sense (IN (t, CD, NO_DATA, SCSI_TEST_UNIT_READY), SENSE_NOT_READY, ASC_NO_MEDIUM);
  /* Another one: told of once, and as an event. */
  g_clear_error (&error);
  g_assert_true (virtio_scsi_set_disc (t->dev, CD, t->disc, FALSE, &error));
  expect_sense (IN (t, CD, NO_DATA, SCSI_TEST_UNIT_READY), SENSE_UNIT_ATTENTION, 0x28);
  expect_good (IN (t, CD, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
  g_assert_cmphex (byte (t, 4), ==, 2);
  expect_good (IN (t, CD, NO_DATA, SCSI_TEST_UNIT_READY));
  g_assert_false (virtio_scsi_set_disc (t->dev, DISK, t->disc, FALSE, NULL));
}

/* The control queue */

static uint8_t
manage (Scsi *t, uint32_t subtype, unsigned target, uint64_t id)
{
  Driver *g = &t->g;
  uint64_t at = REQUESTS + 0x2000, table = g->queues[QUEUE_CONTROL].descriptors;

  driver_poke (g, at, 0, 4);
  driver_poke (g, at + 4, subtype, 4);
  put_lun (t, at + 8, target, 0);
  driver_poke (g, at + 16, id, 8);
  driver_descriptor (g, table, 0, at, 24, D_NEXT, 1);
  driver_descriptor (g, table, 1, at + 64, 1, D_WRITE, 0);
  driver_offer (g, QUEUE_CONTROL, 0);
  driver_kick (g, QUEUE_CONTROL);
  driver_wait (g, QUEUE_CONTROL, NULL);
  return (uint8_t) driver_peek (g, at + 64, 1);
}

static void
test_manage (Scsi *t, gconstpointer unused)
{
  uint32_t written;

  settle (t);
  g_assert_cmphex (manage (t, 6, DISK, 0x1000), ==, RESPONSE_OK);
  g_assert_cmphex (manage (t, 0, EMPTY, 0x1000), ==, RESPONSE_BAD_TARGET);
  g_assert_cmphex (manage (t, 99, DISK, 0x1000), ==, RESPONSE_REJECTED);
  /* One under way is found, then given up: answered, and its data go nowhere any more. */
  offer (t, 0, DISK, 0, (const uint8_t[16]) { 0x28, 0, 0, 0, 0, 9, 0, 0, 1 }, DATA, 512, FALSE);
  driver_kick (&t->g, QUEUE);
  g_assert_cmphex (manage (t, 6, DISK, 0x1000), ==, RESPONSE_SUCCEEDED);
  g_assert_cmphex (manage (t, 0, DISK, 0x1000), ==, RESPONSE_OK);
  fill (t, UNTOUCHED, 512);
  g_assert_cmpuint (driver_wait (&t->g, QUEUE, &written), ==, 0);
  g_assert_cmphex (result_of (t, 0, written).response, ==, RESPONSE_ABORTED);
  disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE))
    ;
  g_assert_cmphex (byte (t, 0), ==, UNTOUCHED);
  g_assert_cmphex (manage (t, 5, DISK, 0), ==, RESPONSE_OK);
  settle (t);
}

/* Hot plugging */

static void
give_event_buffer (Scsi *t)
{
  Driver *g = &t->g;

  driver_descriptor (g, g->queues[QUEUE_EVENT].descriptors, 0, REQUESTS + 0x3000, EVENT_SIZE, D_WRITE, 0);
  driver_offer (g, QUEUE_EVENT, 0);
  driver_kick (g, QUEUE_EVENT);
}

static void
expect_event (Scsi *t, uint32_t event, unsigned target, uint32_t reason)
{
  Driver *g = &t->g;

  driver_wait (g, QUEUE_EVENT, NULL);
  g_assert_cmphex (driver_peek (g, REQUESTS + 0x3000, 4), ==, event);
  g_assert_cmphex (driver_peek (g, REQUESTS + 0x3005, 1), ==, target);
  g_assert_cmphex (driver_peek (g, REQUESTS + 0x300c, 4), ==, reason);
}

static void
test_plug (Scsi *t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  int fd;
  g_autoptr (Disk) other = memory_disk (&fd, 64 * SCSI_SECTOR, 0);

  give_event_buffer (t);
  g_assert_false (virtio_scsi_plug_disk (t->dev, DISK, other, &error));
  g_clear_error (&error);
  g_assert_true (virtio_scsi_plug_disk (t->dev, EMPTY, other, &error));
  expect_event (t, EVENT_TRANSPORT_RESET, EMPTY, REASON_RESCAN);
  expect_good (IN (t, EMPTY, 512, 0x28, 0, 0, 0, 0, 1, 0, 0, 1));
  expect_content (t, SCSI_SECTOR, 512);
  /* Taken away while it works; the event waits for a buffer. */
  offer (t, 0, EMPTY, 0, (const uint8_t[16]) { 0x28, 0, 0, 0, 0, 1, 0, 0, 1 }, DATA, 512, FALSE);
  driver_kick (&t->g, QUEUE);
  while (!virtio_scsi_unplug_disk (t->dev, EMPTY, &error))
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      g_clear_error (&error);
      g_main_context_iteration (t->board->context, TRUE);
    }
  driver_wait (&t->g, QUEUE, NULL);
  g_assert_cmphex (result_of (t, 0, 0).response, ==, RESPONSE_BAD_TARGET);
  give_event_buffer (t);
  expect_event (t, EVENT_TRANSPORT_RESET, EMPTY, REASON_REMOVED);
  g_assert_cmphex (IN (t, EMPTY, 36, SCSI_INQUIRY, 0, 0, 0, 36).response, ==, RESPONSE_BAD_TARGET);
  g_assert_false (virtio_scsi_unplug_disk (t->dev, EMPTY, NULL));
  close (fd);
}

/* Drivers that leave the protocol */

static void
test_broken (Scsi *t, gconstpointer unused)
{
  Driver *g = &t->g;

  /* No room for the response. */
  driver_descriptor (g, g->queues[QUEUE].descriptors, 0, REQUESTS, REQUEST_HEADER + CDB_SIZE_DEFAULT, D_NEXT, 1);
  driver_descriptor (g, g->queues[QUEUE].descriptors, 1, RESPONSES, RESPONSE_SIZE - 1, D_WRITE, 0);
  driver_offer (g, QUEUE, 0);
  driver_kick (g, QUEUE);
  g_assert_cmphex (driver_status (g) & VIRTIO_STATUS_NEEDS_RESET, ==, VIRTIO_STATUS_NEEDS_RESET);
  driver_start (g, G_MAXUINT64, DRIVER_QUEUES_MAX);
  g_assert_cmphex (driver_status (g) & VIRTIO_STATUS_NEEDS_RESET, ==, 0);
  /* A control request of no kind. */
  driver_poke (g, REQUESTS, 77, 4);
  driver_descriptor (g, g->queues[QUEUE_CONTROL].descriptors, 0, REQUESTS, 24, D_NEXT, 1);
  driver_descriptor (g, g->queues[QUEUE_CONTROL].descriptors, 1, RESPONSES, 1, D_WRITE, 0);
  driver_offer (g, QUEUE_CONTROL, 0);
  driver_kick (g, QUEUE_CONTROL);
  g_assert_cmphex (driver_status (g) & VIRTIO_STATUS_NEEDS_RESET, ==, VIRTIO_STATUS_NEEDS_RESET);
}

static void
test_state (Scsi *t, gconstpointer unused)
{
  Device *copy = new_device (t);

  board_add (t->board, copy);
  settle (t);
  expect_good (IN (t, CD, NO_DATA, 0x1e, 0, 0, 0, 1));
  board_check_state (t->board, t->dev, copy, STATE_ROUNDS);
}

/* Memory that the disk may not reach itself. */
static void
test_buffered (Scsi *t, gconstpointer unused)
{
  ram_block_allow_dma (t->board->ram, FALSE);
  test_read_write (t, unused);
}

static void
settle_disk (Scsi *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

/* Reads @sector, eight of them, as request @n. */
static void
offer_read (Scsi *t, unsigned n, uint8_t sector)
{
  offer (t, n, DISK, 0, (const uint8_t[16]) { 0x28, 0, 0, 0, 0, sector, 0, 0, 8 }, DATA + n * GUEST_PAGE_SIZE,
         GUEST_PAGE_SIZE, FALSE);
}

/* What is under way when the driver resets the device reaches no memory once that is done. */
static void
test_reset (Scsi *t, gconstpointer unused)
{
  enum
  {
    COUNT = 8,
    ROUNDS = 12
  };

  settle (t);
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      for (unsigned i = 0; i < COUNT; i++)
        offer_read (t, i, (uint8_t) (10 * i));
      driver_kick (&t->g, QUEUE);
      driver_set_status (&t->g, 0);
      fill (t, UNTOUCHED, COUNT * GUEST_PAGE_SIZE);
      settle_disk (t);
      for (unsigned i = 0; i < COUNT * GUEST_PAGE_SIZE; i++)
        g_assert_cmphex (byte (t, i), ==, UNTOUCHED);
      start (t);
    }
  expect_good (IN (t, DISK, 4096, 0x28, 0, 0, 0, 0, 9, 0, 0, 8));
  expect_content (t, 9 * SCSI_SECTOR, 4096);
}

/* Who watches the memory sees what was read into it, though the driver is not told of it, or never will be. */
static void
test_watched (Scsi *t, gconstpointer unused)
{
  RamBlock *ram = t->board->ram;

  settle (t);
  ram_block_enable_dirty_log (ram, t->board->memory, 1);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      const uint8_t *dirty = ram_block_dirty (ram) + (DATA >> GUEST_PAGE_SHIFT);

      g_assert_cmpint (dirty[pass], ==, 0);
      offer_read (t, pass, 5);
      driver_kick (&t->g, QUEUE);
      disk_drain (t->disk);
      if (pass == 0)
        driver_wait (&t->g, QUEUE, NULL);
      else
        driver_set_status (&t->g, 0);
      for (unsigned i = 0; i < GUEST_PAGE_SIZE; i++)
        g_assert_cmphex (byte (t, pass * GUEST_PAGE_SIZE + i), ==, content (5 * SCSI_SECTOR + i));
      g_assert_cmpint (dirty[pass], ==, 1);
      g_assert_cmpint (dirty[pass + 1], ==, 0);
    }
  settle_disk (t);
  ram_block_disable_dirty_log (ram);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

/* What waits for room is written when there is some; but not when the driver has reset the device before, or when that is
 * no more though others hold on to the disk. */
static void
test_stalled (Scsi *t, gconstpointer unused)
{
  enum
  {
    FAR = 200
  };
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  uint8_t back[SCSI_SECTOR];

  settle (t);
  disk_set_stall_handler (t->disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = FAR / 2 * SCSI_SECTOR;
  fill (t, UNTOUCHED, 2 * SCSI_SECTOR);
  for (uint8_t round = 0; round < 3; round++)
    {
      uint8_t sector = (uint8_t) (FAR + 2 * round);

      stalled = FALSE;
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
      for (uint8_t i = 0; i < 2; i++)
        offer (t, i, DISK, 0, (const uint8_t[16]) { 0x2a, 0, 0, 0, 0, (uint8_t) (sector + i), 0, 0, 1 },
               DATA + i * SCSI_SECTOR, SCSI_SECTOR, TRUE);
      driver_kick (&t->g, QUEUE);
      while (!stalled)
        g_main_context_iteration (t->board->context, TRUE);
      if (round == 1)
        driver_set_status (&t->g, 0);
      else if (round == 2)
        {
          g_ptr_array_remove (t->board->devices, t->dev);
          device_free (t->dev);
        }
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
      disk_retry (t->disk);
      if (round == 0)
        for (unsigned i = 0; i < 2; i++)
          expect_good (result_of (t, driver_wait (&t->g, QUEUE, NULL) / 3, 0));
      settle_disk (t);
      for (unsigned i = 0; i < 2; i++)
        {
          uint64_t at = (sector + i) * SCSI_SECTOR;

          g_assert_cmpint (pread (t->fd, back, sizeof back, (off_t) at), ==, sizeof back);
          g_assert_cmphex (back[9], ==, round == 0 ? UNTOUCHED : content (at + 9));
        }
      if (round == 1)
        start (t);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/virtio-scsi/" name, Scsi, NULL, setup, function, teardown)
  ADD ("scan", test_scan);
  g_test_add ("/virtio-scsi/scan-legacy", Scsi, "legacy", setup, test_scan, teardown);
  ADD ("pages", test_pages);
  ADD ("read-write", test_read_write);
  ADD ("buffered", test_buffered);
  ADD ("reset", test_reset);
  ADD ("watched", test_watched);
  ADD ("stalled", test_stalled);
  ADD ("refused", test_refused);
  ADD ("unmap", test_unmap);
  ADD ("write-same", test_write_same);
  ADD ("many", test_many);
  ADD ("cdrom", test_cdrom);
  ADD ("manage", test_manage);
  ADD ("plug", test_plug);
  ADD ("broken", test_broken);
  ADD ("state", test_state);
  return g_test_run ();
}
