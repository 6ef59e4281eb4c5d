/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The IDE function with a disk and a CD drive, driven through their ports. */

#include "engine/devices/storage/ide.h"
#include "tests/unit/platform/board.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  SECTOR = 512, CD_SECTOR = 2048, DISK_SECTORS = 1200, CD_SECTORS = 200, ISO_DESCRIPTOR = 16 * CD_SECTOR,
  DATA = 0, ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS, FEATURE = ERROR, COMMAND = STATUS,
  CONTROL = 0x206,
  BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, ERR = 0x01, SRST = 4, NIEN = 2, HOB = 0x80,
  ABRT = 4, IDNF = 0x10, IRQ_DISK = 14, IRQ_CD = 15,
  BM = 0xc000, BM_STATUS = 2, BM_TABLE = 4, BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_ERROR = 2, BM_IRQ = 4,
  CONFIG_BM = 0x20, PRDS = 0x1000, TARGET = 0x10000, STATE_ROUNDS = 60
};

typedef struct
{
  Board *board;
  Device *ide;
  Disk *disk, *disc;
  int disk_fd, disc_fd;
} Drives;

static const uint16_t ports[2] = { 0x1f0, 0x170 };

static uint8_t
content (unsigned sector, unsigned byte)
{
  return (uint8_t) (sector * 7 + byte * 3 + (byte >> 8));
}

static Disk *
memory_disk (int *fd, unsigned sectors, unsigned sector_size, DiskOpenFlags flags)
{
  g_autofree uint8_t *data = g_malloc (sectors * sector_size);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  for (unsigned i = 0; i < sectors * sector_size; i++)
    data[i] = content (i / sector_size, i % sector_size);
  if (flags & DISK_OPEN_READ_ONLY)
    memcpy (data + ISO_DESCRIPTOR, "\1CD001\1", 7);
  *fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (pwrite (*fd, data, sectors * sector_size, 0), ==, sectors * sector_size);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}

static void
setup (Drives *t, gconstpointer unused)
{
  unsigned devfn;

  t->board = board_new ();
  t->ide = device_new (&piix3_ide_type);
  t->disk = memory_disk (&t->disk_fd, DISK_SECTORS, SECTOR, 0);
  t->disc = memory_disk (&t->disc_fd, CD_SECTORS, CD_SECTOR, DISK_OPEN_READ_ONLY);
  piix3_ide_attach_disk (t->ide, 0, 0, t->disk);
  piix3_ide_attach_cdrom (t->ide, 1, 0, t->disc);
  board_add (t->board, t->ide);
  devfn = ((PciDevice *) t->ide)->devfn;
  pci_config_write (t->board->pci, 0, (uint8_t) devfn, CONFIG_BM, BM, 4);
  pci_config_write (t->board->pci, 0, (uint8_t) devfn, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
}

static void
teardown (Drives *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  disk_unref (t->disc);
  close (t->disk_fd);
  close (t->disc_fd);
}

static uint8_t
in (Drives *t, unsigned channel, unsigned reg)
{
  return board_in (t->board, (uint16_t) (ports[channel] + reg));
}

static void
out (Drives *t, unsigned channel, unsigned reg, uint32_t value)
{
  board_out (t->board, (uint16_t) (ports[channel] + reg), value);
}

/* Lets the disk work; the alternate status leaves the interrupt alone. */
static uint8_t
settle (Drives *t, unsigned channel)
{
  while (in (t, channel, CONTROL) & BSY)
    g_main_context_iteration (t->board->context, TRUE);
  return in (t, channel, CONTROL);
}

static void
expect_done (Drives *t, unsigned channel)
{
  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 1);
  g_assert_cmphex (in (t, channel, STATUS), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 0);
}

static void
expect_failed (Drives *t, unsigned channel, uint8_t error)
{
  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC | ERR);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 1);
  g_assert_cmphex (in (t, channel, ERROR), ==, error);
  in (t, channel, STATUS);
}

static void
ata (Drives *t, uint8_t code, uint32_t lba, unsigned count)
{
  out (t, 0, DEVICE, 0xe0 | lba >> 24);
  out (t, 0, COUNT, count & 0xff);
  out (t, 0, LBA_LOW, lba & 0xff);
  out (t, 0, LBA_MID, lba >> 8 & 0xff);
  out (t, 0, LBA_HIGH, lba >> 16 & 0xff);
  out (t, 0, COMMAND, code);
}

static void
read_data (Drives *t, unsigned channel, uint8_t *data, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i += 2)
    pci_set_word (data + i, (uint16_t) bus_pio_read (t->board->bus, ports[channel], 2));
}

static void
write_data (Drives *t, unsigned channel, const uint8_t *data, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i += 2)
    bus_pio_write (t->board->bus, ports[channel], pci_get_word (data + i), 2);
}

static void
expect_block (Drives *t, unsigned channel, unsigned sector, unsigned sector_size, unsigned from, unsigned bytes)
{
  g_autofree uint8_t *data = g_malloc (bytes);

  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC | DRQ);
  read_data (t, channel, data, bytes);
  for (unsigned i = 0; i < bytes; i++)
    g_assert_cmphex (data[i], ==, content (sector + (from + i) / sector_size, (from + i) % sector_size));
}

static void
packet (Drives *t, const uint8_t cdb[12], unsigned limit, gboolean dma)
{
  out (t, 1, DEVICE, 0xa0);
  out (t, 1, FEATURE, dma);
  out (t, 1, LBA_MID, limit & 0xff);
  out (t, 1, LBA_HIGH, limit >> 8);
  out (t, 1, COMMAND, 0xa0);
  g_assert_cmphex (in (t, 1, CONTROL), ==, DRDY | DSC | DRQ);
  g_assert_cmphex (in (t, 1, COUNT) & 3, ==, 1);
  write_data (t, 1, cdb, 12);
}
#define PACKET(t, limit, dma, ...) packet ((t), (const uint8_t[12]) { __VA_ARGS__ }, (limit), (dma))

static void
bus_master (Drives *t, unsigned channel, uint32_t value)
{
  board_out (t->board, (uint16_t) (BM + 8 * channel), value);
}

static uint8_t
bus_master_status (Drives *t, unsigned channel)
{
  return board_in (t->board, (uint16_t) (BM + 8 * channel + BM_STATUS)) & 7;
}

static void
poke (Drives *t, uint64_t at, uint64_t value, unsigned size)
{
  g_assert_true (guest_memory_write (t->board->memory, at, &value, size));
}

/* Regions of @each bytes, one after the other, @bytes in all. */
static void
set_prds (Drives *t, unsigned channel, unsigned bytes, unsigned each)
{
  uint64_t at = PRDS;

  for (unsigned done = 0; done < bytes; done += each, at += 8)
    {
      unsigned chunk = MIN (each, bytes - done);

      poke (t, at, TARGET + done, 4);
      poke (t, at + 4, (chunk & 0xffff) | (done + chunk >= bytes ? 0x80000000 : 0), 4);
    }
  bus_pio_write (t->board->bus, (uint16_t) (BM + 8 * channel + BM_TABLE), PRDS, 4);
  bus_pio_write (t->board->bus, (uint16_t) (BM + 8 * channel + BM_STATUS), BM_IRQ | BM_ERROR, 1);
}

static void
expect_memory (Drives *t, unsigned sector, unsigned sector_size, unsigned bytes)
{
  const uint8_t *memory = ram_block_host (t->board->ram) + TARGET;

  for (unsigned i = 0; i < bytes; i++)
    g_assert_cmphex (memory[i], ==, content (sector + i / sector_size, i % sector_size));
}

/* ATA */

static void
test_identify (Drives *t, gconstpointer unused)
{
  uint8_t data[SECTOR];

  ata (t, 0xec, 0, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 1);
  read_data (t, 0, data, SECTOR);
  g_assert_cmphex (in (t, 0, STATUS), ==, DRDY | DSC);
  g_assert_cmpuint (pci_get_long (data + 120), ==, DISK_SECTORS);
  g_assert_cmpuint (pci_get_long (data + 200), ==, DISK_SECTORS);
  g_assert_cmphex (pci_get_word (data + 98) & 0x300, ==, 0x300); /* LBA and DMA */

  /* The CD drive says what it is by aborting with its signature. */
  out (t, 1, COMMAND, 0xec);
  expect_failed (t, 1, ABRT);
  g_assert_cmphex (in (t, 1, LBA_MID), ==, 0x14);
  g_assert_cmphex (in (t, 1, LBA_HIGH), ==, 0xeb);
  /* No second drive. */
  out (t, 0, DEVICE, 0xf0);
  g_assert_cmphex (in (t, 0, STATUS), ==, 0);
}

static void
test_pio (Drives *t, gconstpointer unused)
{
  uint8_t data[2 * SECTOR], seen[2 * SECTOR];

  memset (data, 0xa5, sizeof data);
  ata (t, 0x20, 17, 3);
  for (unsigned i = 0; i < 3; i++)
    {
      expect_block (t, 0, 17 + i, SECTOR, 0, SECTOR);
      g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 1 + i);
      in (t, 0, STATUS);
    }
  g_assert_cmphex (in (t, 0, STATUS), ==, DRDY | DSC);

  ata (t, 0xc4, 0, 4); /* READ MULTIPLE wants SET MULTIPLE first */
  expect_failed (t, 0, ABRT);
  ata (t, 0xc6, 0, 2);
  expect_done (t, 0);
  ata (t, 0xc4, 40, 5);
  expect_block (t, 0, 40, SECTOR, 0, 2 * SECTOR);
  expect_block (t, 0, 42, SECTOR, 0, 2 * SECTOR);
  expect_block (t, 0, 44, SECTOR, 0, SECTOR);
  g_assert_cmphex (in (t, 0, STATUS), ==, DRDY | DSC);

  t->board->rises[IRQ_DISK] = 0;
  ata (t, 0x30, DISK_SECTORS - 2, 2);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 0); /* the first block is asked for silently */
  write_data (t, 0, data, SECTOR);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  in (t, 0, STATUS);
  write_data (t, 0, data + SECTOR, SECTOR);
  expect_done (t, 0);
  g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 2);
  g_assert_true (disk_read (t->disk, (DISK_SECTORS - 2) * SECTOR, seen, sizeof seen, NULL));
  g_assert_cmpmem (seen, sizeof seen, data, sizeof data);

  ata (t, 0x20, DISK_SECTORS - 1, 2);
  expect_failed (t, 0, IDNF);
  ata (t, 0x7f, 0, 0);
  expect_failed (t, 0, ABRT);
}

static void
test_48_bit (Drives *t, gconstpointer unused)
{
  out (t, 0, DEVICE, 0xe0);
  out (t, 0, COUNT, 0);
  out (t, 0, COUNT, 1);
  out (t, 0, LBA_LOW, 0);
  out (t, 0, LBA_LOW, 0xa0);
  out (t, 0, LBA_MID, 0);
  out (t, 0, LBA_MID, 4);
  out (t, 0, LBA_HIGH, 0);
  out (t, 0, LBA_HIGH, 0);
  out (t, 0, COMMAND, 0x24);
  expect_block (t, 0, 0x4a0, SECTOR, 0, SECTOR);

  out (t, 0, LBA_LOW, 1); /* 1000000h + 4a0h lies beyond the end */
  out (t, 0, LBA_LOW, 0xa0);
  out (t, 0, COUNT, 0);
  out (t, 0, COUNT, 1);
  out (t, 0, COMMAND, 0x24);
  expect_failed (t, 0, IDNF);
  g_assert_cmphex (in (t, 0, LBA_LOW), ==, 0xa0);
  out (t, 0, CONTROL, HOB);
  g_assert_cmphex (in (t, 0, LBA_LOW), ==, 1);
}

static void
test_dma (Drives *t, gconstpointer unused)
{
  uint8_t seen[3 * SECTOR];

  /* More than the buffer holds, in regions that do not end with it. */
  set_prds (t, 0, 300 * SECTOR, 50000);
  ata (t, 0x25, 3, 300 & 0xff);
  g_assert_cmphex (in (t, 0, CONTROL) & BSY, ==, 0); /* waits for the bus master */
  out (t, 0, CONTROL, SRST);
  out (t, 0, CONTROL, 0);
  out (t, 0, COUNT, 300 >> 8);
  out (t, 0, LBA_LOW, 0);
  out (t, 0, LBA_MID, 0);
  out (t, 0, LBA_HIGH, 0);
  ata (t, 0x25, 3, 300 & 0xff);
  bus_master (t, 0, BM_START | BM_TO_MEMORY);
  expect_done (t, 0);
  g_assert_cmphex (bus_master_status (t, 0), ==, BM_IRQ);
  bus_master (t, 0, 0);
  expect_memory (t, 3, SECTOR, 300 * SECTOR);

  set_prds (t, 0, 3 * SECTOR, 512);
  ata (t, 0xca, 800, 3);
  bus_master (t, 0, BM_START);
  expect_done (t, 0);
  bus_master (t, 0, 0);
  g_assert_true (disk_read (t->disk, 800 * SECTOR, seen, sizeof seen, NULL));
  g_assert_cmpmem (seen, sizeof seen, ram_block_host (t->board->ram) + TARGET, sizeof seen);

  /* The regions are too short. */
  set_prds (t, 0, 2 * SECTOR, 512);
  ata (t, 0xc8, 800, 3);
  bus_master (t, 0, BM_START | BM_TO_MEMORY);
  expect_failed (t, 0, ABRT);
  g_assert_cmphex (bus_master_status (t, 0), ==, BM_IRQ | BM_ERROR);
  bus_master (t, 0, 0);
}

static void
test_trim (Drives *t, gconstpointer unused)
{
  uint8_t seen[SECTOR], zeros[SECTOR] = { 0 };

  set_prds (t, 0, SECTOR, SECTOR);
  memset (ram_block_host (t->board->ram) + TARGET, 0, SECTOR);
  poke (t, TARGET, 8 | 8ull << 48, 8);
  poke (t, TARGET + 8, 64 | 16ull << 48, 8);
  out (t, 0, FEATURE, 1);
  ata (t, 0x06, 0, 1);
  bus_master (t, 0, BM_START);
  expect_done (t, 0);
  bus_master (t, 0, 0);
  for (unsigned sector = 64; sector < 80; sector++)
    {
      g_assert_true (disk_read (t->disk, sector * SECTOR, seen, SECTOR, NULL));
      g_assert_cmpmem (seen, SECTOR, zeros, SECTOR);
    }
  g_assert_true (disk_read (t->disk, 80 * SECTOR, seen, SECTOR, NULL));
  g_assert_cmphex (seen[1], ==, content (80, 1));

  poke (t, TARGET, DISK_SECTORS | 1ull << 48, 8);
  out (t, 0, FEATURE, 1);
  ata (t, 0x06, 0, 1);
  bus_master (t, 0, BM_START);
  expect_failed (t, 0, ABRT);
}

static void
test_reset (Drives *t, gconstpointer unused)
{
  /* In the middle of a read: the drive is busy until the reset is over and the disk is done, and says nothing of it. */
  ata (t, 0x20, 5, 1);
  g_assert_cmphex (in (t, 0, CONTROL) & BSY, ==, BSY);
  out (t, 0, CONTROL, SRST);
  disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE))
    ;
  g_assert_cmphex (in (t, 0, CONTROL), ==, BSY);
  out (t, 0, COMMAND, 0xec);
  g_assert_cmphex (in (t, 0, CONTROL), ==, BSY);
  out (t, 0, CONTROL, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC);
  g_assert_cmphex (in (t, 0, ERROR), ==, 1);
  g_assert_cmphex (in (t, 0, COUNT), ==, 1);
  g_assert_cmphex (in (t, 0, LBA_LOW), ==, 1);
  g_assert_cmphex (in (t, 0, LBA_MID), ==, 0);
  g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 0);

  /* No interrupt while they are off; it is there when they are on again. */
  out (t, 0, CONTROL, NIEN);
  ata (t, 0xe7, 0, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 0);
  out (t, 0, CONTROL, 0);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 1);
}

/* ATAPI */

static void
sense (Drives *t, uint8_t key, uint8_t asc)
{
  uint8_t data[18];

  PACKET (t, 18, FALSE, 0x03, 0, 0, 0, 18);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  read_data (t, 1, data, 18);
  g_assert_cmphex (data[2], ==, key);
  g_assert_cmphex (data[12], ==, asc);
  expect_done (t, 1);
}

static void
test_cd (Drives *t, gconstpointer unused)
{
  uint8_t capacity[8];

  PACKET (t, 8, FALSE, 0x25);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  read_data (t, 1, capacity, 8);
  g_assert_cmphex (capacity[3], ==, CD_SECTORS - 1);
  g_assert_cmphex (capacity[6], ==, CD_SECTOR >> 8);
  expect_done (t, 1);

  /* By PIO in blocks of what the guest allows for. */
  PACKET (t, 3000, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 3);
  for (unsigned at = 0; at < 3 * CD_SECTOR; at += 3000)
    {
      unsigned bytes = MIN (3000, 3 * CD_SECTOR - at);

      settle (t, 1);
      g_assert_cmpuint (in (t, 1, LBA_MID) | in (t, 1, LBA_HIGH) << 8, ==, bytes);
      g_assert_cmphex (in (t, 1, COUNT) & 3, ==, 2);
      expect_block (t, 1, 20, CD_SECTOR, at, bytes);
    }
  expect_done (t, 1);

  set_prds (t, 1, 130 * CD_SECTOR, 0x10000);
  PACKET (t, 0, TRUE, 0x28, 0, 0, 0, 0, 20, 0, 0, 130);
  bus_master (t, 1, BM_START | BM_TO_MEMORY);
  expect_done (t, 1);
  bus_master (t, 1, 0);
  expect_memory (t, 20, CD_SECTOR, 130 * CD_SECTOR);

  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, CD_SECTORS - 1, 0, 0, 2);
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x21);
  PACKET (t, 0, FALSE, 0xff);
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x20);
}

static void
test_disc_change (Drives *t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  PACKET (t, 0, FALSE, 0x1e, 0, 0, 0, 1);
  expect_done (t, 1);
  g_assert_false (piix3_ide_set_disc (t->ide, 2, NULL, FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);

  /* Taken out by force between two parts of a read. */
  PACKET (t, 0xfffe, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 70);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  g_assert_true (piix3_ide_set_disc (t->ide, 2, NULL, TRUE, NULL));
  for (unsigned at = 0; at < 64 * CD_SECTOR; at += 2)
    bus_pio_read (t->board->bus, ports[1], 2);
  expect_failed (t, 1, 0x20);
  sense (t, 2, 0x3a);
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x20);

  /* A new one is announced once. */
  g_assert_true (piix3_ide_set_disc (t->ide, 2, t->disc, FALSE, NULL));
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x60);
  PACKET (t, 0, FALSE, 0x00);
  expect_done (t, 1);
  /* The guest's own eject. */
  PACKET (t, 0, FALSE, 0x1b, 0, 0, 0, 2);
  expect_done (t, 1);
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x20);
}

static void
test_device_reset (Drives *t, gconstpointer unused)
{
  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 3);
  g_assert_cmphex (in (t, 1, CONTROL) & BSY, ==, BSY);
  out (t, 1, COMMAND, 0x08);
  g_assert_cmphex (settle (t, 1), ==, 0);
  g_assert_cmphex (in (t, 1, LBA_HIGH), ==, 0xeb);
  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 1);
  expect_block (t, 1, 20, CD_SECTOR, 0, CD_SECTOR);
  expect_done (t, 1);
}

/* Saved state */

/* From one board to another with the same disks: memory goes along, and what was with the disk is asked for again. */
static void
move_over (Drives *t, Drives *other)
{
  g_autoptr (GByteArray) state = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  setup (other, NULL);
  memcpy (ram_block_host (other->board->ram), ram_block_host (t->board->ram), BOARD_RAM);
  device_save (t->ide, state);
  g_assert_true (device_load (other->ide, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  device_save (other->ide, again);
  /* The disk may be filling the buffer at this moment. */
  if ((in (t, 0, CONTROL) | in (t, 1, CONTROL)) & BSY)
    g_assert_cmpuint (state->len, ==, again->len);
  else
    g_assert_cmpmem (state->data, state->len, again->data, again->len);
}

static void
test_state_pio (Drives *t, gconstpointer unused)
{
  Drives other;

  ata (t, 0x20, 17, 3);
  expect_block (t, 0, 17, SECTOR, 0, SECTOR);
  settle (t, 0);
  read_data (t, 0, (uint8_t[100]) { 0 }, 100);
  move_over (t, &other);
  g_assert_cmpint (other.board->level[IRQ_DISK], ==, 1);
  expect_block (&other, 0, 18, SECTOR, 100, SECTOR - 100);
  expect_block (&other, 0, 19, SECTOR, 0, SECTOR);
  board_check_state (other.board, t->ide, other.ide, STATE_ROUNDS);
  teardown (&other, NULL);
}

static void
test_state_busy (Drives *t, gconstpointer unused)
{
  Drives other, third;
  uint8_t seen[SECTOR], data[SECTOR];
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  set_prds (t, 0, 200 * SECTOR, 4096);
  ata (t, 0xc8, 3, 200);
  bus_master (t, 0, BM_START | BM_TO_MEMORY);
  g_assert_cmphex (in (t, 0, CONTROL) & BSY, ==, BSY);
  move_over (t, &other);
  expect_done (&other, 0);
  expect_memory (&other, 3, SECTOR, 200 * SECTOR);
  /* As if nothing had happened. */
  expect_done (t, 0);
  expect_memory (t, 3, SECTOR, 200 * SECTOR);
  bus_master (&other, 0, 0);

  memset (data, 0x3c, SECTOR);
  ata (&other, 0x30, 99, 1);
  settle (&other, 0);
  write_data (&other, 0, data, SECTOR);
  move_over (&other, &third);
  expect_done (&third, 0);
  g_assert_true (disk_read (third.disk, 99 * SECTOR, seen, SECTOR, NULL));
  g_assert_cmpmem (seen, SECTOR, data, SECTOR);

  /* State is not replaced under a disk that works. */
  settle (&other, 0);
  device_save (t->ide, state);
  ata (t, 0x20, 0, 1);
  g_assert_false (device_load (t->ide, state->data, state->len, &used, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  expect_block (t, 0, 0, SECTOR, 0, SECTOR);
  teardown (&other, NULL);
  teardown (&third, NULL);
}

static void
test_state_cd (Drives *t, gconstpointer unused)
{
  Drives other;
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  Board *bare = board_new ();
  Device *empty = board_add (bare, device_new (&piix3_ide_type));
  size_t used;

  PACKET (t, 3000, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 70);
  expect_block (t, 1, 20, CD_SECTOR, 0, 3000);
  settle (t, 1);
  move_over (t, &other);
  expect_block (&other, 1, 20, CD_SECTOR, 3000, 3000);
  board_check_state (other.board, t->ide, other.ide, STATE_ROUNDS);

  device_save (t->ide, state);
  g_assert_false (device_load (empty, state->data, state->len, &used, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  board_free (bare);
  teardown (&other, NULL);
}

#define ADD(path, function) g_test_add ("/ide/" path, Drives, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("identify", test_identify);
  ADD ("pio", test_pio);
  ADD ("48-bit", test_48_bit);
  ADD ("dma", test_dma);
  ADD ("trim", test_trim);
  ADD ("reset", test_reset);
  ADD ("cd", test_cd);
  ADD ("disc-change", test_disc_change);
  ADD ("device-reset", test_device_reset);
  ADD ("state/pio", test_state_pio);
  ADD ("state/busy", test_state_busy);
  ADD ("state/cd", test_state_cd);
  return g_test_run ();
}
