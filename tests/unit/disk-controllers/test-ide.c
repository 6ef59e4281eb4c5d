/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The IDE function with a disk and a CD drive, driven through their ports. */

#include "tests/unit/disk-controllers/drives.h"

#include <gio/gio.h>
#include <string.h>

/* ATA */

static void
test_identify (Drives *t, gconstpointer unused)
{
  uint8_t data[SECTOR];

  ata (t, 0xec, 0, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 1);
  read_data (t, 0, data, SECTOR);
  g_assert_cmphex (drives_in (t, 0, STATUS), ==, DRDY | DSC);
  g_assert_cmpuint (pci_get_long (data + 120), ==, DISK_SECTORS);
  g_assert_cmpuint (pci_get_long (data + 200), ==, DISK_SECTORS);
  g_assert_cmphex (pci_get_word (data + 98) & 0x300, ==, 0x300); /* LBA and DMA */

  /* The CD drive says what it is by aborting with its signature. */
  drives_out (t, 1, COMMAND, 0xec);
  expect_failed (t, 1, ABRT);
  g_assert_cmphex (drives_in (t, 1, LBA_MID), ==, 0x14);
  g_assert_cmphex (drives_in (t, 1, LBA_HIGH), ==, 0xeb);
  /* No second drive. */
  drives_out (t, 0, DEVICE, 0xf0);
  g_assert_cmphex (drives_in (t, 0, STATUS), ==, 0);
}

/* By cylinder, head and sector; the registers show the last one. */
static void
test_chs (Drives *t, gconstpointer unused)
{
  drives_out (t, 0, DEVICE, 0xa1); /* head 1 */
  drives_out (t, 0, COUNT, 2);
  drives_out (t, 0, LBA_LOW, 3);
  drives_out (t, 0, LBA_MID, 1);
  drives_out (t, 0, LBA_HIGH, 0);
  drives_out (t, 0, COMMAND, 0x20);
  expect_block (t, 0, (16 + 1) * 63 + 2, SECTOR, 0, SECTOR);
  expect_block (t, 0, (16 + 1) * 63 + 3, SECTOR, 0, SECTOR);
  g_assert_cmphex (drives_in (t, 0, STATUS), ==, DRDY | DSC);
  drives_out (t, 0, LBA_LOW, 0); /* sectors count from 1 */
  drives_out (t, 0, COMMAND, 0x20);
  expect_failed (t, 0, IDNF);

  /* Another geometry: 4 heads of 10 sectors. */
  drives_out (t, 0, DEVICE, 0xa3);
  drives_out (t, 0, COUNT, 10);
  drives_out (t, 0, COMMAND, 0x91);
  expect_done (t, 0);
  drives_out (t, 0, DEVICE, 0xa2);
  drives_out (t, 0, COUNT, 1);
  drives_out (t, 0, LBA_LOW, 10);
  drives_out (t, 0, LBA_MID, 5);
  drives_out (t, 0, COMMAND, 0x20);
  expect_block (t, 0, (5 * 4 + 2) * 10 + 9, SECTOR, 0, SECTOR);
  drives_out (t, 0, COUNT, 0);
  drives_out (t, 0, COMMAND, 0x91);
  expect_failed (t, 0, ABRT);
}

/* Commands that move no data. */
static void
test_commands (Drives *t, gconstpointer unused)
{
  static const uint8_t plain[] = { 0x10, 0x70, 0x94, 0x95, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xe7, 0xea };
  uint8_t data[SECTOR];

  for (unsigned i = 0; i < G_N_ELEMENTS (plain); i++)
    {
      ata (t, plain[i], 0, 0);
      expect_done (t, 0);
    }
  ata (t, 0xe5, 0, 0); /* active */
  expect_done (t, 0);
  g_assert_cmphex (drives_in (t, 0, COUNT), ==, 0xff);
  ata (t, 0x40, DISK_SECTORS - 4, 4); /* verify */
  expect_done (t, 0);
  ata (t, 0x40, DISK_SECTORS - 4, 5);
  expect_failed (t, 0, IDNF);
  ata (t, 0xf8, 0, 0); /* native maximum */
  expect_done (t, 0);
  g_assert_cmphex (drives_in (t, 0, LBA_LOW) | drives_in (t, 0, LBA_MID) << 8, ==, DISK_SECTORS - 1);
  ata (t, 0x27, 0, 0);
  expect_done (t, 0);
  g_assert_cmphex (drives_in (t, 0, LBA_LOW) | drives_in (t, 0, LBA_MID) << 8, ==, DISK_SECTORS - 1);
  ata (t, 0xc6, 0, 3);
  expect_failed (t, 0, ABRT);
  ata (t, 0x90, 0, 0);
  expect_done (t, 0);
  g_assert_cmphex (drives_in (t, 0, ERROR), ==, 1);

  /* Modes of transfer show in what the drive says of itself. */
  drives_out (t, 0, FEATURE, 3);
  ata (t, 0xef, 0, 0x44);
  expect_done (t, 0);
  ata (t, 0xec, 0, 0);
  settle (t, 0);
  read_data (t, 0, data, SECTOR);
  g_assert_cmphex (pci_get_word (data + 2 * 88) >> 8, ==, 0x10);
  drives_out (t, 0, FEATURE, 3);
  ata (t, 0xef, 0, 0x47);
  expect_failed (t, 0, ABRT);
  drives_out (t, 0, FEATURE, 0x82); /* no write cache */
  ata (t, 0xef, 0, 0);
  expect_done (t, 0);
  ata (t, 0xec, 0, 0);
  settle (t, 0);
  read_data (t, 0, data, SECTOR);
  g_assert_cmphex (pci_get_word (data + 2 * 85) & 0x20, ==, 0);
  ata (t, 0x30, 3, 1); /* what is written is flushed at once */
  settle (t, 0);
  write_data (t, 0, data, SECTOR);
  expect_done (t, 0);
  drives_out (t, 0, FEATURE, 0x02);
  ata (t, 0xef, 0, 0);
  expect_done (t, 0);
  drives_out (t, 0, FEATURE, 0x99);
  ata (t, 0xef, 0, 0);
  expect_failed (t, 0, ABRT);
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
      drives_in (t, 0, STATUS);
    }
  g_assert_cmphex (drives_in (t, 0, STATUS), ==, DRDY | DSC);

  ata (t, 0xc4, 0, 4); /* READ MULTIPLE wants SET MULTIPLE first */
  expect_failed (t, 0, ABRT);
  ata (t, 0xc6, 0, 2);
  expect_done (t, 0);
  ata (t, 0xc4, 40, 5);
  expect_block (t, 0, 40, SECTOR, 0, 2 * SECTOR);
  expect_block (t, 0, 42, SECTOR, 0, 2 * SECTOR);
  expect_block (t, 0, 44, SECTOR, 0, SECTOR);
  g_assert_cmphex (drives_in (t, 0, STATUS), ==, DRDY | DSC);

  t->board->rises[IRQ_DISK] = 0;
  ata (t, 0x30, DISK_SECTORS - 2, 2);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 0); /* the first block is asked for silently */
  write_data (t, 0, data, SECTOR);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC | DRQ);
  drives_in (t, 0, STATUS);
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
  drives_out (t, 0, DEVICE, 0xe0);
  drives_out (t, 0, COUNT, 0);
  drives_out (t, 0, COUNT, 1);
  drives_out (t, 0, LBA_LOW, 0);
  drives_out (t, 0, LBA_LOW, 0xa0);
  drives_out (t, 0, LBA_MID, 0);
  drives_out (t, 0, LBA_MID, 4);
  drives_out (t, 0, LBA_HIGH, 0);
  drives_out (t, 0, LBA_HIGH, 0);
  drives_out (t, 0, COMMAND, 0x24);
  expect_block (t, 0, 0x4a0, SECTOR, 0, SECTOR);

  drives_out (t, 0, LBA_LOW, 1); /* 1000000h + 4a0h lies beyond the end */
  drives_out (t, 0, LBA_LOW, 0xa0);
  drives_out (t, 0, COUNT, 0);
  drives_out (t, 0, COUNT, 1);
  drives_out (t, 0, COMMAND, 0x24);
  expect_failed (t, 0, IDNF);
  g_assert_cmphex (drives_in (t, 0, LBA_LOW), ==, 0xa0);
  drives_out (t, 0, CONTROL, HOB);
  g_assert_cmphex (drives_in (t, 0, LBA_LOW), ==, 1);
}

static void
test_dma (Drives *t, gconstpointer unused)
{
  uint8_t seen[3 * SECTOR];

  /* More than the buffer holds, in regions that do not end with it. */
  set_prds (t, 0, 300 * SECTOR, 50000);
  ata (t, 0x25, 3, 300 & 0xff);
  g_assert_cmphex (drives_in (t, 0, CONTROL) & BSY, ==, 0); /* waits for the bus master */
  drives_out (t, 0, CONTROL, SRST);
  drives_out (t, 0, CONTROL, 0);
  drives_out (t, 0, COUNT, 300 >> 8);
  drives_out (t, 0, LBA_LOW, 0);
  drives_out (t, 0, LBA_MID, 0);
  drives_out (t, 0, LBA_HIGH, 0);
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
  drives_out (t, 0, FEATURE, 1);
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
  g_assert_cmphex (seen[1], ==, media_content (80, 1));

  poke (t, TARGET, DISK_SECTORS | 1ull << 48, 8);
  drives_out (t, 0, FEATURE, 1);
  ata (t, 0x06, 0, 1);
  bus_master (t, 0, BM_START);
  expect_failed (t, 0, ABRT);
}

static void
test_reset (Drives *t, gconstpointer unused)
{
  /* In the middle of a read: the drive is busy until the reset is over and the disk is done, and says nothing of it. */
  ata (t, 0x20, 5, 1);
  g_assert_cmphex (drives_in (t, 0, CONTROL) & BSY, ==, BSY);
  drives_out (t, 0, CONTROL, SRST);
  disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE))
    ;
  g_assert_cmphex (drives_in (t, 0, CONTROL), ==, BSY);
  drives_out (t, 0, COMMAND, 0xec);
  g_assert_cmphex (drives_in (t, 0, CONTROL), ==, BSY);
  drives_out (t, 0, CONTROL, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC);
  g_assert_cmphex (drives_in (t, 0, ERROR), ==, 1);
  g_assert_cmphex (drives_in (t, 0, COUNT), ==, 1);
  g_assert_cmphex (drives_in (t, 0, LBA_LOW), ==, 1);
  g_assert_cmphex (drives_in (t, 0, LBA_MID), ==, 0);
  g_assert_cmpuint (t->board->rises[IRQ_DISK], ==, 0);

  /* No interrupt while they are off; it is there when they are on again. */
  drives_out (t, 0, CONTROL, NIEN);
  ata (t, 0xe7, 0, 0);
  g_assert_cmphex (settle (t, 0), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 0);
  drives_out (t, 0, CONTROL, 0);
  g_assert_cmpint (t->board->level[IRQ_DISK], ==, 1);
}

/* Saved state */

/* From one board to another with the same disks: memory goes along, and what was with the disk is asked for again. */
static void
move_over (Drives *t, Drives *other)
{
  g_autoptr (GByteArray) state = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  drives_setup (other, NULL);
  memcpy (ram_block_host (other->board->ram), ram_block_host (t->board->ram), BOARD_RAM);
  device_save (t->ide, state);
  g_assert_true (device_load (other->ide, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  device_save (other->ide, again);
  /* The disk may be filling the buffer at this moment. */
  if ((drives_in (t, 0, CONTROL) | drives_in (t, 1, CONTROL)) & BSY)
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
  drives_teardown (&other, NULL);
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
  g_assert_cmphex (drives_in (t, 0, CONTROL) & BSY, ==, BSY);
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
  drives_teardown (&other, NULL);
  drives_teardown (&third, NULL);
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
  drives_teardown (&other, NULL);
}

#define ADD(path, function) g_test_add ("/ide/" path, Drives, NULL, drives_setup, function, drives_teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("identify", test_identify);
  ADD ("chs", test_chs);
  ADD ("commands", test_commands);
  ADD ("pio", test_pio);
  ADD ("48-bit", test_48_bit);
  ADD ("dma", test_dma);
  ADD ("trim", test_trim);
  ADD ("reset", test_reset);
  ADD ("state/pio", test_state_pio);
  ADD ("state/busy", test_state_busy);
  ADD ("state/cd", test_state_cd);
  return g_test_run ();
}
