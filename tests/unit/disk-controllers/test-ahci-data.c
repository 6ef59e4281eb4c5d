/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How queued commands move data between the disk and the guest's memory, and let go of that. */

#include "tests/unit/disk-controllers/ahci-driver.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum
{
  REGIONS = 50,
  REGION = 1024,
  GAP = 3000, /* from one to the next: they end in the middle of pages and of sectors */
  FAR = DISK_SECTORS - 4,
  UNTOUCHED = 0xee
};

static void
issue (Sata *t, uint32_t tags)
{
  sata_port_set (t, DISK, PX_SACT, tags);
  sata_port_set (t, DISK, PX_CI, tags);
}

/* A command with regions that do not follow each other. */
static void
prepare_scattered (Sata *t, unsigned tag, gboolean write, uint32_t address, unsigned sector)
{
  uint8_t *table = sata_prepare (t, DISK, tag, write ? WRITE : 0, address, REGIONS * REGION, REGION);

  for (unsigned i = 0; i < REGIONS; i++)
    pci_set_long (table + TABLE_PRDT + i * PRD_SIZE, address + i * GAP);
  sata_put_queued (table, write ? NCQ_WRITE : NCQ_READ, tag, sector, REGIONS * REGION / ATA_SECTOR);
}

/* To memory, and back to another place of the disk. */
static void
test_scattered (Sata *t, gconstpointer unused)
{
  uint8_t *table, seen[REGION];

  prepare_scattered (t, 2, FALSE, TARGET + 2, 40);
  table = sata_memory (t, sata_table_of (DISK, 2));
  /* One in the middle wants an interrupt. */
  table[TABLE_PRDT + 7 * PRD_SIZE + 15] |= 0x80;
  issue (t, 1 << 2);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS) & IS_DPS, ==, 0);
  sata_settle (t, DISK);
  sata_expect_good (t, DISK, IS_SDBS | IS_DPS);
  prepare_scattered (t, 4, TRUE, TARGET + 2, 600);
  issue (t, 1 << 4);
  sata_settle (t, DISK);
  sata_expect_good (t, DISK, IS_SDBS);
  for (unsigned i = 0; i < REGIONS; i++)
    {
      const uint8_t *memory = sata_memory (t, TARGET + 2 + i * GAP);

      for (unsigned at = 0; at < REGION; at++)
        g_assert_cmphex (memory[at], ==, media_content (40 + (i * REGION + at) / ATA_SECTOR, at % ATA_SECTOR));
      g_assert_cmphex (memory[REGION], ==, 0);
      g_assert_cmpint (pread (t->disk_fd, seen, REGION, 600 * ATA_SECTOR + i * REGION), ==, REGION);
      g_assert_cmpmem (seen, REGION, memory, REGION);
    }
}

/* Memory that the disk may not reach itself. */
static void
test_buffered (Sata *t, gconstpointer unused)
{
  ram_block_allow_dma (t->board->ram, FALSE);
  test_scattered (t, unused);
}

/* Some of the regions are no memory at all: the others get what is theirs. */
static void
test_registers_among (Sata *t, gconstpointer unused)
{
  static const uint32_t places[] = { ABAR, OUTSIDE };
  uint8_t seen[ATA_SECTOR];

  for (unsigned i = 0; i < G_N_ELEMENTS (places); i++)
    for (unsigned write = 0; write < 2; write++)
      {
        uint8_t *table = sata_prepare (t, DISK, 6, write ? WRITE : 0, TARGET, 3 * ATA_SECTOR, ATA_SECTOR);

        pci_set_long (table + TABLE_PRDT + PRD_SIZE, places[i]);
        sata_put_queued (table, write ? NCQ_WRITE : NCQ_READ, 6, write ? 900 : 100, 3);
        memset (sata_memory (t, TARGET), write ? 0x21 : 0, 3 * ATA_SECTOR);
        issue (t, 1 << 6);
        sata_settle (t, DISK);
        sata_expect_good (t, DISK, IS_SDBS);
        for (unsigned sector = 0; sector < 3; sector += 2)
          if (write)
            {
              g_assert_cmpint (pread (t->disk_fd, seen, ATA_SECTOR, (900 + sector) * ATA_SECTOR), ==, ATA_SECTOR);
              g_assert_cmpmem (seen, ATA_SECTOR, sata_memory (t, TARGET), ATA_SECTOR);
            }
          else
            sata_expect_contents (t, TARGET + sector * ATA_SECTOR, 100 + sector, ATA_SECTOR, ATA_SECTOR);
      }
  g_assert_cmphex (sata_get (t, REG_GHC), ==, GHC_AE | GHC_IE);
}

static void
settle_disk (Sata *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

static void
stop_port (Sata *t, unsigned way)
{
  if (way == 0)
    sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  else if (way == 1)
    sata_port_set (t, DISK, PX_SCTL, 0x301);
  else
    sata_set (t, REG_GHC, GHC_HR);
}

static void
start_port (Sata *t)
{
  sata_port_set (t, DISK, PX_SCTL, 0x300);
  sata_set (t, REG_GHC, GHC_AE | GHC_IE);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  sata_start_port (t, DISK);
  sata_set (t, REG_IS, ALL);
}

/* What is under way when the guest stops the port reaches no memory once that is done. */
static void
test_stopped (Sata *t, gconstpointer unused)
{
  enum
  {
    COUNT = 8,
    ROUNDS = 21
  };
  uint8_t *memory = sata_memory (t, TARGET);

  for (unsigned round = 0; round < ROUNDS; round++)
    {
      for (unsigned i = 0; i < COUNT; i++)
        sata_put_queued (sata_prepare (t, DISK, i, 0, TARGET + i * 8 * ATA_SECTOR, 8 * ATA_SECTOR, 4096), NCQ_READ, i,
                         i * 100, 8);
      issue (t, (1 << COUNT) - 1);
      stop_port (t, round % 3);
      memset (memory, UNTOUCHED, COUNT * 8 * ATA_SECTOR);
      settle_disk (t);
      for (unsigned i = 0; i < COUNT * 8 * ATA_SECTOR; i++)
        g_assert_cmphex (memory[i], ==, UNTOUCHED);
      g_assert_false (ahci_port_is_busy (&((Ahci *) t->ahci)->port[DISK]));
      start_port (t);
    }
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);
}

typedef struct
{
  uint64_t start, end;
} Written;

static void
note_written (void *opaque, uint64_t gpa, uint64_t length)
{
  Written *w = opaque;

  /* Not what the controller itself writes. */
  if (gpa < TARGET)
    return;
  w->start = MIN (w->start, gpa);
  w->end = MAX (w->end, gpa + length);
}

/* Who watches the memory (the dirty log, translated code) sees what was read into it, though the guest is not told of
 * it, or never will be. */
static void
test_watched (Sata *t, gconstpointer unused)
{
  static const AddressSpaceListener listener = { .written = note_written };
  RamBlock *ram = t->board->ram;
  Written written;

  address_space_add_listener (t->board->memory, &listener, &written);
  ram_block_enable_dirty_log (ram, t->board->memory, 1);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      uint32_t at = TARGET + pass * 4 * GUEST_PAGE_SIZE;

      written = (Written) { G_MAXUINT64, 0 };
      g_assert_cmpint (ram_block_dirty (ram)[at >> GUEST_PAGE_SHIFT], ==, 0);
      sata_put_queued (sata_prepare (t, DISK, 0, 0, at, 9 * ATA_SECTOR, 4096), NCQ_READ, 0, 5, 9);
      issue (t, 1);
      disk_drain (t->disk);
      if (pass == 0)
        sata_settle (t, DISK);
      else
        stop_port (t, 0);
      sata_expect_contents (t, at, 5, ATA_SECTOR, 9 * ATA_SECTOR);
      for (unsigned page = 0; page < 3; page++)
        g_assert_cmpint (ram_block_dirty (ram)[(at >> GUEST_PAGE_SHIFT) + page], ==, page < 2);
      g_assert_cmphex (written.start, ==, at);
      g_assert_cmphex (written.end, ==, at + 9 * ATA_SECTOR);
    }
  settle_disk (t);
  ram_block_disable_dirty_log (ram);
  address_space_remove_listener (t->board->memory, &written);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

/* Writes two sectors that there is no room for, until the disk says so; *@old is the limit that keeps it from that. */
static void
stall (Sata *t, struct rlimit *old)
{
  gboolean stalled = FALSE;
  struct rlimit limit;

  disk_set_stall_handler (t->disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, old);
  limit = *old;
  limit.rlim_cur = FAR / 2 * ATA_SECTOR;
  memset (sata_memory (t, SOURCE), UNTOUCHED, 2 * ATA_SECTOR);
  for (unsigned i = 0; i < 2; i++)
    sata_put_queued (sata_prepare (t, DISK, i, WRITE, SOURCE + i * ATA_SECTOR, ATA_SECTOR, ATA_SECTOR), NCQ_WRITE, i,
                     FAR + i, 1);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  issue (t, 3);
  while (!stalled)
    g_main_context_iteration (t->board->context, TRUE);
  disk_set_stall_handler (t->disk, NULL, NULL);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SACT), ==, 3);
}

static void
expect_written (Sata *t, gboolean written)
{
  uint8_t back[2 * ATA_SECTOR];

  g_assert_cmpint (pread (t->disk_fd, back, sizeof back, FAR * ATA_SECTOR), ==, sizeof back);
  for (unsigned i = 0; i < sizeof back; i++)
    g_assert_cmphex (back[i], ==, written ? UNTOUCHED : media_content (FAR + i / ATA_SECTOR, i % ATA_SECTOR));
}

/* What waits for room is written when there is some. */
static void
test_stalled (Sata *t, gconstpointer unused)
{
  struct rlimit old;

  stall (t, &old);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_retry (t->disk);
  sata_settle (t, DISK);
  sata_expect_good (t, DISK, IS_SDBS);
  expect_written (t, TRUE);
}

/* But not when the guest has stopped the port before: from memory that holds something else. */
static void
test_stalled_stopped (Sata *t, gconstpointer unused)
{
  struct rlimit old;

  stall (t, &old);
  stop_port (t, 0);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_retry (t->disk);
  settle_disk (t);
  expect_written (t, FALSE);
  start_port (t);
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);
}

/* Nor when the controller is no more, though others hold on to the disk. */
static void
test_stalled_gone (Sata *t, gconstpointer unused)
{
  struct rlimit old;

  stall (t, &old);
  g_ptr_array_remove (t->board->devices, t->ahci);
  device_free (t->ahci);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_retry (t->disk);
  settle_disk (t);
  expect_written (t, FALSE);
}

#define ADD(path, function) g_test_add ("/ahci-data/" path, Sata, NULL, sata_setup_started, function, sata_teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("scattered", test_scattered);
  ADD ("buffered", test_buffered);
  ADD ("registers-among", test_registers_among);
  ADD ("stopped", test_stopped);
  ADD ("watched", test_watched);
  ADD ("stalled", test_stalled);
  ADD ("stalled/stopped", test_stalled_stopped);
  ADD ("stalled/gone", test_stalled_gone);
  return g_test_run ();
}
