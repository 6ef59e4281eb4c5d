/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AHCI controller with a disk at port 0 and a CD drive at port 1, driven through its registers and memory. */

#include "tests/unit/disk-controllers/ahci-driver.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

/* Registers */

static void
test_registers (Sata *t, gconstpointer unused)
{
  uint8_t devfn = ((PciDevice *) t->ahci)->devfn;

  g_assert_cmphex (pci_config_read (t->board->pci, 0, devfn, 0, 4), ==, 0x29228086);
  g_assert_cmphex (pci_config_read (t->board->pci, 0, devfn, 8, 4) >> 8, ==, 0x010601);
  g_assert_cmphex (sata_get (t, REG_CAP) & 31, ==, AHCI_PORTS_LEAST - 1);
  g_assert_cmphex (sata_get (t, REG_CAP) >> 8 & 31, ==, SLOTS - 1);
  g_assert_cmphex (sata_get (t, REG_PI), ==, 0x3f);
  g_assert_cmphex (sata_get (t, REG_VS), ==, 0x10301);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SSTS), ==, 0x133);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_SSTS), ==, 0);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_TFD), ==, 0x7f);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_CMD) & CMD_HPCP, !=, 0);
  g_assert_cmphex (sata_port_get (t, 6, PX_SIG), ==, 0);

  /* The drives say what they are once there is room for it. */
  g_assert_cmphex (sata_port_get (t, DISK, PX_SIG), ==, ALL);
  sata_port_set (t, DISK, PX_FB, sata_received (DISK, 0) | 0xff);
  g_assert_cmphex (sata_port_get (t, DISK, PX_FB), ==, sata_received (DISK, 0));
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  g_assert_cmphex (sata_port_get (t, DISK, PX_CMD) & (CMD_FRE | CMD_FR | CMD_ST | CMD_CR), ==, CMD_FRE | CMD_FR);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SIG), ==, 0x00000101);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD), ==, 0x150);
  g_assert_cmphex (*sata_memory (t, sata_received (DISK, RX_D2H)), ==, FIS_D2H);
  sata_start_port (t, CD);
  g_assert_cmphex (sata_port_get (t, CD, PX_SIG), ==, 0xeb140101);

  /* A cause reaches the line through three masks, and stays until it is gone at its root. */
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS), ==, IS_PCS);
  g_assert_cmpint (t->board->level[IRQ], ==, 0);
  sata_port_set (t, DISK, PX_IE, IS_PCS);
  g_assert_cmpint (t->board->level[IRQ], ==, 1);
  sata_set (t, REG_IS, ALL);
  g_assert_cmphex (sata_get (t, REG_IS), ==, 1);
  sata_port_set (t, DISK, PX_IS, ALL);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS), ==, IS_PCS);
  sata_port_set (t, DISK, PX_SERR, ALL);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS), ==, 0);
  sata_set (t, REG_IS, ALL);
  g_assert_cmpint (t->board->level[IRQ], ==, 0);

  /* Nothing is issued to a port that stands still. */
  sata_port_set (t, DISK, PX_CI, 1);
  sata_port_set (t, DISK, PX_SACT, 1);
  g_assert_cmphex (sata_port_get (t, DISK, PX_CI) | sata_port_get (t, DISK, PX_SACT), ==, 0);
  sata_set (t, REG_GHC, GHC_HR);
  g_assert_cmphex (sata_get (t, REG_GHC), ==, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IE), ==, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_FB), ==, sata_received (DISK, 0));
}

/* Commands that are not queued */

static void
test_identify (Sata *t, gconstpointer unused)
{
  const uint8_t *data = sata_memory (t, TARGET), *setup_fis = sata_memory (t, sata_received (DISK, RX_PIO_SETUP));

  sata_ata (t, 0xec, 0, 0, 0, ATA_SECTOR, ATA_SECTOR);
  sata_expect_good (t, DISK, IS_PSS);
  g_assert_cmpuint (sata_moved (t, DISK, 3), ==, ATA_SECTOR);
  g_assert_cmphex (setup_fis[0], ==, FIS_PIO_SETUP);
  g_assert_cmphex (setup_fis[2], ==, STATUS_DRDY | STATUS_DSC | STATUS_DRQ);
  g_assert_cmphex (setup_fis[15], ==, STATUS_DRDY | STATUS_DSC);
  g_assert_cmpuint (pci_get_word (setup_fis + 16), ==, ATA_SECTOR);
  g_assert_cmpuint (pci_get_long (data + 200), ==, DISK_SECTORS);
  g_assert_cmphex (pci_get_word (data + 2 * 75), ==, 31);
  g_assert_cmphex (pci_get_word (data + 2 * 76) & 0x100, ==, 0x100);
  g_assert_cmphex (pci_get_word (data + 2 * 93), ==, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_CMD) >> 8 & 31, ==, 3);

  /* Log pages: what there is, and that no queued command has failed. */
  sata_ata (t, READ_LOG_EXT, 0, 0x00, 1, ATA_SECTOR, ATA_SECTOR);
  sata_expect_good (t, DISK, IS_PSS);
  g_assert_cmphex (data[0x20], ==, 1);
  sata_ata (t, READ_LOG_EXT, 0, 0x10, 1, ATA_SECTOR, ATA_SECTOR);
  sata_expect_good (t, DISK, IS_PSS);
  g_assert_cmphex (data[0], ==, 0x80);
  sata_ata (t, READ_LOG_EXT, 0, 0x30, 1, ATA_SECTOR, ATA_SECTOR);
  sata_expect_bad (t, DISK, ERROR_ABRT);
}

static void
test_read_write (Sata *t, gconstpointer unused)
{
  g_autofree uint8_t *seen = g_malloc (300 * ATA_SECTOR);
  uint8_t *table;

  /* More than a drive's buffer, in regions of any size. */
  sata_ata (t, 0x25, 0, 7, 300, 300 * ATA_SECTOR, 5002);
  sata_expect_good (t, DISK, IS_DHRS);
  sata_expect_contents (t, TARGET, 7, ATA_SECTOR, 300 * ATA_SECTOR);
  g_assert_cmpuint (sata_moved (t, DISK, 3), ==, 300 * ATA_SECTOR);
  sata_ata (t, 0x35, WRITE, 600, 300, 300 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);
  g_assert_true (disk_read (t->disk, 600 * ATA_SECTOR, seen, 300 * ATA_SECTOR, NULL));
  g_assert_cmpmem (seen, 300 * ATA_SECTOR, sata_memory (t, TARGET), 300 * ATA_SECTOR);

  /* By PIO, block by block. */
  memset (sata_memory (t, TARGET), 0, 5 * ATA_SECTOR);
  sata_ata (t, 0x24, 0, 1000, 5, 5 * ATA_SECTOR, 600);
  sata_expect_good (t, DISK, IS_PSS);
  sata_expect_contents (t, TARGET, 1000, ATA_SECTOR, 5 * ATA_SECTOR);
  sata_ata (t, 0x34, WRITE, 1100, 5, 5 * ATA_SECTOR, 600);
  sata_expect_good (t, DISK, IS_PSS | IS_DHRS);
  g_assert_true (disk_read (t->disk, 1100 * ATA_SECTOR, seen, 5 * ATA_SECTOR, NULL));
  g_assert_cmpmem (seen, 5 * ATA_SECTOR, sata_memory (t, TARGET), 5 * ATA_SECTOR);

  /* A region that wants an interrupt; and no data at all. */
  table = sata_prepare (t, DISK, 3, 0, TARGET, 2 * ATA_SECTOR, ATA_SECTOR);
  sata_put_fis (table, 0x25, 0, 2);
  table[TABLE_PRDT + 15] |= 0x80;
  sata_finish (t, DISK, 3);
  sata_expect_good (t, DISK, IS_DHRS | IS_DPS);
  sata_ata (t, 0xea, 0, 0, 0, 0, 1);
  sata_expect_good (t, DISK, IS_DHRS);
  sata_ata (t, 0x25, 0, DISK_SECTORS - 1, 2, 2 * ATA_SECTOR, 2 * ATA_SECTOR);
  sata_expect_bad (t, DISK, ERROR_IDNF);
  sata_ata (t, 0xff, 0, 0, 0, 0, 1);
  sata_expect_bad (t, DISK, ERROR_ABRT);

  /* TRIM. */
  memset (sata_memory (t, TARGET), 0, ATA_SECTOR);
  pci_set_long (sata_memory (t, TARGET), 40);
  pci_set_word (sata_memory (t, TARGET + 6), 80);
  table = sata_prepare (t, DISK, 3, WRITE, TARGET, ATA_SECTOR, ATA_SECTOR);
  sata_put_fis (table, 0x06, 0, 1);
  table[3] = 1;
  sata_finish (t, DISK, 3);
  sata_expect_good (t, DISK, IS_DHRS);
  g_assert_true (disk_read (t->disk, 39 * ATA_SECTOR, seen, 82 * ATA_SECTOR, NULL));
  g_assert_cmphex (seen[0], ==, media_content (39, 0));
  for (unsigned i = ATA_SECTOR; i < 81 * ATA_SECTOR; i++)
    g_assert_cmphex (seen[i], ==, 0);
  g_assert_cmphex (seen[81 * ATA_SECTOR + 1], ==, media_content (120, 1));
}

/* Queued commands */

static void
test_queue (Sata *t, gconstpointer unused)
{
  g_autofree uint8_t *seen = g_malloc (16 * ATA_SECTOR);

  for (unsigned i = 0; i < TAGS; i++)
    {
      unsigned sector = i * 37 % 1000;
      gboolean write = i % 4 == 3;

      sata_put_queued (sata_prepare (t, DISK, i, write ? WRITE : 0,
                                     write ? SOURCE + i * ATA_SECTOR : TARGET + i * 8 * ATA_SECTOR,
                                     (write ? 1 : 8) * ATA_SECTOR, 1026),
                       write ? NCQ_WRITE : NCQ_READ, i, write ? 1100 + i : sector, write ? 1 : 8);
      memset (sata_memory (t, SOURCE + i * ATA_SECTOR), (int) i + 100, ATA_SECTOR);
    }
  sata_port_set (t, DISK, PX_SACT, ALL >> 1);
  sata_port_set (t, DISK, PX_CI, ALL >> 1);
  /* All were accepted at once. */
  g_assert_cmphex (sata_port_get (t, DISK, PX_CI), ==, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SACT), ==, ALL >> 1);
  /* What is not queued waits for the queue. */
  sata_put_fis (sata_prepare (t, DISK, TAGS, 0, 0, 0, 1), 0xea, 0, 0);
  sata_port_set (t, DISK, PX_CI, 1u << TAGS);
  g_assert_cmphex (sata_port_get (t, DISK, PX_CI), ==, 1u << TAGS);
  sata_settle (t, DISK);
  sata_expect_good (t, DISK, IS_SDBS | IS_DHRS);
  g_assert_cmphex (*sata_memory (t, sata_received (DISK, RX_SET_DEVICE_BITS)), ==, FIS_SET_DEVICE_BITS);
  for (unsigned i = 0; i < TAGS; i++)
    {
      if (i % 4 != 3)
        sata_expect_contents (t, TARGET + i * 8 * ATA_SECTOR, i * 37 % 1000, ATA_SECTOR, 8 * ATA_SECTOR);
      else
        {
          g_assert_true (disk_read (t->disk, (1100 + i) * ATA_SECTOR, seen, ATA_SECTOR, NULL));
          g_assert_cmphex (seen[0], ==, i + 100);
          g_assert_cmphex (seen[ATA_SECTOR - 1], ==, i + 100);
        }
    }

  /* More than one request's worth, forced through to the medium. */
  sata_put_queued (sata_prepare (t, DISK, 9, 0, TARGET, 1000 * ATA_SECTOR, 0x10000), NCQ_READ, 9, 20, 1000);
  sata_memory (t, sata_table_of (DISK, 9))[7] |= 0x80;
  sata_port_set (t, DISK, PX_SACT, 1 << 9);
  sata_finish (t, DISK, 9);
  sata_expect_good (t, DISK, IS_SDBS);
  sata_expect_contents (t, TARGET, 20, ATA_SECTOR, 1000 * ATA_SECTOR);

  /* Those that are done at the same time are told of in one FIS. */
  for (unsigned i = 0; i < 4; i++)
    sata_put_queued (sata_prepare (t, DISK, i, 0, TARGET + i * 8 * ATA_SECTOR, 8 * ATA_SECTOR, 4096), NCQ_READ, i,
                     50 * i, 8);
  sata_port_set (t, DISK, PX_SACT, 15);
  sata_port_set (t, DISK, PX_CI, 15);
  disk_drain (t->disk);
  sata_settle (t, DISK);
  sata_expect_good (t, DISK, IS_SDBS);
  g_assert_cmphex (pci_get_long (sata_memory (t, sata_received (DISK, RX_SET_DEVICE_BITS)) + 4), ==, 15);
  for (unsigned i = 0; i < 4; i++)
    sata_expect_contents (t, TARGET + i * 8 * ATA_SECTOR, 50 * i, ATA_SECTOR, 8 * ATA_SECTOR);
}

static void
test_queue_errors (Sata *t, gconstpointer unused)
{
  const uint8_t *log = sata_memory (t, TARGET);
  uint8_t sum = 0;

  /* Beyond the end: the drive stops, and says which it was. */
  sata_put_queued (sata_prepare (t, DISK, 2, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 2, 0, 8);
  sata_put_queued (sata_prepare (t, DISK, 5, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 5, DISK_SECTORS - 4, 8);
  sata_put_queued (sata_prepare (t, DISK, 7, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 7, 0, 8);
  sata_port_set (t, DISK, PX_SACT, 1 << 2 | 1 << 5 | 1 << 7);
  sata_port_set (t, DISK, PX_CI, 1 << 2 | 1 << 5 | 1 << 7);
  sata_settle (t, DISK);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SACT), ==, 1 << 2 | 1 << 5 | 1 << 7);
  g_assert_cmphex (sata_port_get (t, DISK, PX_CI), ==, 1 << 7);
  sata_expect_bad (t, DISK, ERROR_IDNF);
  sata_ata (t, READ_LOG_EXT, 0, 0x10, 1, ATA_SECTOR, ATA_SECTOR);
  sata_expect_good (t, DISK, IS_PSS);
  g_assert_cmphex (log[0], ==, 5);
  g_assert_cmphex (log[3], ==, ERROR_IDNF);
  g_assert_cmphex (log[4] | log[5] << 8, ==, DISK_SECTORS - 4);
  for (unsigned i = 0; i < ATA_SECTOR; i++)
    sum += log[i];
  g_assert_cmphex (sum, ==, 0);

  /* A tag that is not the slot's, and one that was not announced. */
  sata_put_queued (sata_prepare (t, DISK, 2, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 3, 0, 8);
  sata_port_set (t, DISK, PX_SACT, 1 << 2);
  sata_finish (t, DISK, 2);
  sata_expect_bad (t, DISK, ERROR_ABRT);
  sata_put_queued (sata_prepare (t, DISK, 2, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 2, 0, 8);
  sata_finish (t, DISK, 2);
  sata_expect_bad (t, DISK, ERROR_ABRT);
  /* Too little room. */
  sata_put_queued (sata_prepare (t, DISK, 2, 0, TARGET, 7 * ATA_SECTOR, 4096), NCQ_READ, 2, 0, 8);
  sata_port_set (t, DISK, PX_SACT, 1 << 2);
  sata_finish (t, DISK, 2);
  sata_expect_bad (t, DISK, ERROR_ABRT);
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);
}

/* Resets */

static void
test_resets (Sata *t, gconstpointer unused)
{
  uint8_t *fis;

  /* By two FISes that write the control register. */
  fis = sata_prepare (t, DISK, 0, 1 << 8 | 1 << 10, 0, 0, 1);
  fis[0] = FIS_H2D;
  fis[15] = FIS_CONTROL_SRST;
  sata_finish (t, DISK, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD), ==, STATUS_BSY);
  fis[15] = 0;
  sata_finish (t, DISK, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD), ==, 0x150);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS), ==, 0);

  /* Of the link, while the disk works: nothing comes of the commands. */
  sata_put_queued (sata_prepare (t, DISK, 4, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 4, 0, 8);
  sata_port_set (t, DISK, PX_SACT, 1 << 4);
  sata_port_set (t, DISK, PX_CI, 1 << 4);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  memset (sata_memory (t, TARGET), 0xaa, 16 * ATA_SECTOR);
  sata_port_set (t, DISK, PX_SCTL, 0x301);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SSTS), ==, 0);
  sata_port_set (t, DISK, PX_SCTL, 0x300);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SSTS), ==, 0x133);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD), ==, 0x150);
  sata_start_port (t, DISK);
  sata_set (t, REG_IS, ALL);
  /* The tag is free as soon as the disk has let go of it. */
  sata_put_queued (sata_prepare (t, DISK, 4, 0, TARGET + 8 * ATA_SECTOR, 8 * ATA_SECTOR, 4096), NCQ_READ, 4, 50, 8);
  sata_port_set (t, DISK, PX_SACT, 1 << 4);
  sata_finish (t, DISK, 4);
  sata_expect_good (t, DISK, IS_SDBS);
  g_assert_cmphex (*sata_memory (t, TARGET), ==, 0xaa);
  sata_expect_contents (t, TARGET + 8 * ATA_SECTOR, 50, ATA_SECTOR, 8 * ATA_SECTOR);

  /* The same with a command that is not queued: the drive answers when it is through. */
  sata_put_fis (sata_prepare (t, DISK, 1, 0, TARGET, 8 * ATA_SECTOR, 4096), 0x25, 0, 8);
  sata_port_set (t, DISK, PX_CI, 1 << 1);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD) & STATUS_BSY, !=, 0);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE | CMD_CLO);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD) & STATUS_BSY, ==, 0);
  sata_port_set (t, DISK, PX_SCTL, 0x301);
  sata_port_set (t, DISK, PX_SCTL, 0x300);
  while (sata_port_get (t, DISK, PX_SIG) == ALL)
    g_main_context_iteration (t->board->context, TRUE);
  g_assert_cmphex (*sata_memory (t, TARGET), ==, 0xaa);
  sata_start_port (t, DISK);
  sata_set (t, REG_IS, ALL);
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);

  /* Off line and back. */
  sata_port_set (t, DISK, PX_SCTL, 4);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SSTS), ==, 4);
  sata_port_set (t, DISK, PX_SCTL, 0);
  g_assert_cmphex (sata_port_get (t, DISK, PX_SSTS), ==, 0x133);

  /* Of all while there is work. */
  sata_put_fis (sata_prepare (t, DISK, 1, 0, TARGET, 8 * ATA_SECTOR, 4096), 0x25, 0, 8);
  sata_port_set (t, DISK, PX_CI, 1 << 1);
  sata_set (t, REG_GHC, GHC_HR);
  sata_set (t, REG_GHC, GHC_AE | GHC_IE);
  sata_start_port (t, DISK);
  sata_set (t, REG_IS, ALL);
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  sata_expect_good (t, DISK, IS_DHRS);
  sata_expect_contents (t, TARGET, 7, ATA_SECTOR, 8 * ATA_SECTOR);
}

/* CD drives */

static void
packet (Sata *t, const uint8_t cdb[12], gboolean dma, uint32_t bytes)
{
  uint8_t *table = sata_prepare (t, CD, 6, 1 << 5, TARGET, bytes, 4096);

  sata_put_fis (table, 0xa0, 0xfffe00, 0);
  table[3] = dma;
  memcpy (table + TABLE_ACMD, cdb, 12);
  sata_finish (t, CD, 6);
}
#define PACKET(t, dma, bytes, ...) packet ((t), (const uint8_t[12]) { __VA_ARGS__ }, (dma), (bytes))

static void
count_ejection (void *opaque, unsigned port)
{
  *(unsigned *) opaque += 1 + port * 100;
}

static void
test_cd (Sata *t, gconstpointer unused)
{
  const uint8_t *data = sata_memory (t, TARGET);
  g_autoptr (GError) error = NULL;
  unsigned ejections = 0;

  sata_put_fis (sata_prepare (t, CD, 0, 0, TARGET, ATA_SECTOR, ATA_SECTOR), 0xa1, 0, 0);
  sata_finish (t, CD, 0);
  sata_expect_good (t, CD, IS_PSS);
  g_assert_cmphex (pci_get_word (data), ==, 0x85c0);
  g_assert_cmphex (pci_get_word (data + 2 * 76), ==, 0x000e);

  PACKET (t, FALSE, 8, 0x25); /* capacity, by PIO */
  sata_expect_good (t, CD, IS_PSS | IS_DHRS);
  g_assert_cmphex (data[3], ==, CD_SECTORS - 1);
  PACKET (t, TRUE, 100 * CD_SECTOR, 0x28, 0, 0, 0, 0, 30, 0, 0, 100);
  sata_expect_good (t, CD, IS_DHRS);
  sata_expect_contents (t, TARGET, 30, CD_SECTOR, 100 * CD_SECTOR);
  g_assert_cmpuint (sata_moved (t, CD, 6), ==, 100 * CD_SECTOR);
  memset (sata_memory (t, TARGET), 0, 3 * CD_SECTOR);
  PACKET (t, FALSE, 3 * CD_SECTOR, 0x28, 0, 0, 0, 0, 40, 0, 0, 3);
  sata_expect_good (t, CD, IS_PSS | IS_DHRS);
  sata_expect_contents (t, TARGET, 40, CD_SECTOR, 3 * CD_SECTOR);
  PACKET (t, TRUE, CD_SECTOR, 0x28, 0, 0, 0, 0, CD_SECTORS, 0, 0, 1);
  sata_expect_bad (t, CD, 0x54);
  PACKET (t, TRUE, 18, 0x03, 0, 0, 0, 18);
  sata_expect_good (t, CD, IS_DHRS);
  g_assert_cmphex (data[2], ==, 5);
  g_assert_cmphex (data[12], ==, 0x21);

  /* Locked, changed by force, announced once, ejected by the guest. */
  PACKET (t, FALSE, 0, 0x1e, 0, 0, 0, 1);
  sata_expect_good (t, CD, IS_DHRS);
  g_assert_false (ahci_set_disc (t->ahci, CD, NULL, FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_true (ahci_set_disc (t->ahci, CD, NULL, TRUE, NULL));
  PACKET (t, FALSE, 0, 0x00);
  sata_expect_bad (t, CD, 0x20);
  g_assert_true (ahci_set_disc (t->ahci, CD, t->disc, FALSE, NULL));
  PACKET (t, FALSE, 8, 0x4a, 1, 0, 0, 1 << 4, 0, 0, 0, 8);
  sata_expect_good (t, CD, IS_PSS | IS_DHRS);
  g_assert_cmphex (data[4], ==, 2); /* new medium */
  PACKET (t, FALSE, 0, 0x00);
  sata_expect_bad (t, CD, 0x60);
  PACKET (t, FALSE, 0, 0x00);
  sata_expect_good (t, CD, IS_DHRS);
  ahci_set_ejected (t->ahci, count_ejection, &ejections);
  PACKET (t, FALSE, 0, 0x1b, 0, 0, 0, 2);
  sata_expect_good (t, CD, IS_DHRS);
  g_assert_cmpuint (ejections, ==, 101);
  g_clear_error (&error);
  g_assert_false (ahci_set_disc (t->ahci, DISK, NULL, TRUE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

/* Disks that come and go */

static void
test_hot_plug (Sata *t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  int fd;
  Disk *disk = media_new (&fd, 64, ATA_SECTOR, 0);

  sata_start_port (t, EMPTY);
  g_assert_false (ahci_plug_disk (t->ahci, DISK, disk, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (ahci_plug_disk (t->ahci, AHCI_PORTS_LEAST, disk, NULL));
  g_assert_cmpint (t->board->level[IRQ], ==, 0);
  g_assert_true (ahci_plug_disk (t->ahci, EMPTY, disk, &error));
  g_assert_no_error (error);
  g_assert_cmpint (t->board->level[IRQ], ==, 1);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_IS), ==, IS_PRCS | IS_PCS);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_SSTS), ==, 0x133);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_SIG), ==, 0x101);
  sata_port_set (t, EMPTY, PX_SERR, ALL);
  sata_set (t, REG_IS, ALL);
  sata_put_queued (sata_prepare (t, EMPTY, 0, 0, TARGET, 8 * ATA_SECTOR, 4096), NCQ_READ, 0, 5, 8);
  sata_port_set (t, EMPTY, PX_SACT, 1);
  sata_finish (t, EMPTY, 0);
  sata_expect_good (t, EMPTY, IS_SDBS);
  sata_expect_contents (t, TARGET, 5, ATA_SECTOR, 8 * ATA_SECTOR);

  /* Pulled while it works: the guest sees it go at once, the disk stays until its last request has come back. */
  sata_port_set (t, EMPTY, PX_SACT, 1);
  sata_port_set (t, EMPTY, PX_CI, 1);
  g_assert_false (ahci_unplug_disk (t->ahci, EMPTY, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_SSTS), ==, 0);
  g_assert_cmphex (sata_port_get (t, EMPTY, PX_IS) & IS_PRCS, !=, 0);
  g_assert_cmpint (t->board->level[IRQ], ==, 1);
  while (!ahci_unplug_disk (t->ahci, EMPTY, NULL))
    g_main_context_iteration (t->board->context, TRUE);
  g_clear_error (&error);
  g_assert_false (ahci_unplug_disk (t->ahci, EMPTY, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  disk_unref (disk);
  close (fd);
}

/* Structures that are nowhere, or make no sense */

static void
expect_stopped (Sata *t, uint32_t cause)
{
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS) & cause, ==, cause);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  sata_port_set (t, DISK, PX_CLBU, 0);
  sata_start_port (t, DISK);
  sata_set (t, REG_IS, ALL);
}

static void
test_hostile (Sata *t, gconstpointer unused)
{
  static const struct
  {
    uint32_t high, low;
  } places[] = { { 0, OUTSIDE }, { 0, ABAR }, { ALL, ~1u }, { 0, 0xfffff } };
  uint8_t *header = sata_memory (t, sata_list_of (DISK)), *table;

  /* The list, then the table, outside memory. */
  sata_port_set (t, DISK, PX_CLBU, ALL);
  sata_port_set (t, DISK, PX_CI, 1);
  expect_stopped (t, IS_HBFS);
  sata_prepare (t, DISK, 0, 0, TARGET, ATA_SECTOR, ATA_SECTOR);
  pci_set_long (header + 8, OUTSIDE);
  sata_port_set (t, DISK, PX_CI, 1);
  expect_stopped (t, IS_HBFS);

  /* No command FIS. */
  sata_prepare (t, DISK, 0, 0, TARGET, ATA_SECTOR, ATA_SECTOR)[0] = 0x46;
  sata_port_set (t, DISK, PX_CI, 1);
  expect_stopped (t, IS_IFS);

  /* No regions, too few, and regions that lead nowhere or into the controller. */
  sata_put_fis (sata_prepare (t, DISK, 3, 0, TARGET, 0, 1), 0x25, 0, 1);
  sata_finish (t, DISK, 3);
  sata_expect_bad (t, DISK, ERROR_ABRT);
  sata_ata (t, 0x25, 0, 0, 2, ATA_SECTOR, ATA_SECTOR);
  sata_expect_bad (t, DISK, ERROR_ABRT);
  sata_ata (t, 0xec, 0, 0, 0, 100, 100);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS), ==, IS_PSS | IS_OFS);
  sata_port_set (t, DISK, PX_IS, ALL);
  for (unsigned i = 0; i < G_N_ELEMENTS (places); i++)
    for (unsigned write = 0; write < 2; write++)
      {
        table = sata_prepare (t, DISK, 3, write ? WRITE : 0, TARGET, 8 * ATA_SECTOR, 8 * ATA_SECTOR);
        pci_set_long (table + TABLE_PRDT, places[i].low);
        pci_set_long (table + TABLE_PRDT + 4, places[i].high);
        sata_put_fis (table, write ? 0x35 : 0x25, 0, 8);
        sata_finish (t, DISK, 3);
        sata_put_queued (table, write ? NCQ_WRITE : NCQ_READ, 3, 0, 8);
        sata_port_set (t, DISK, PX_SACT, 1 << 3);
        sata_finish (t, DISK, 3);
      }
  sata_port_set (t, DISK, PX_IS, ALL);
  g_assert_cmphex (sata_get (t, REG_GHC), ==, GHC_AE | GHC_IE);

  /* A list that is its own table and its own data. */
  memset (header, 0, SLOTS * HEADER_SIZE);
  pci_set_long (header, 0xffff0005);
  pci_set_long (header + 8, sata_list_of (DISK));
  sata_put_fis (header, 0x25, 0, 0);
  sata_port_set (t, DISK, PX_SACT, ALL);
  sata_port_set (t, DISK, PX_CI, ALL);
  while (sata_port_get (t, DISK, PX_CI) != 0 && !(sata_port_get (t, DISK, PX_IS) & (IS_TFES | IS_IFS | IS_HBFS)))
    g_main_context_iteration (t->board->context, TRUE);
  sata_port_set (t, DISK, PX_CMD, CMD_FRE);
  sata_start_port (t, DISK);
  sata_ata (t, 0x25, 0, 7, 8, 8 * ATA_SECTOR, 4096);
  g_assert_cmphex (sata_port_get (t, DISK, PX_TFD), ==, STATUS_DRDY | STATUS_DSC);

  /* No bus mastering. */
  pci_config_write (t->board->pci, 0, ((PciDevice *) t->ahci)->devfn, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
  sata_port_set (t, DISK, PX_CI, 1);
  g_assert_cmphex (sata_port_get (t, DISK, PX_IS) & IS_HBFS, !=, 0);
}

/* Saved state */

/* Another board with the same memory, disks of its own, and the state of this one. */
static void
move_over (Sata *t, Sata *other)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  sata_setup (other, NULL);
  memcpy (sata_memory (other, 0), sata_memory (t, 0), BOARD_RAM);
  device_save (t->ahci, state);
  g_assert_true (device_load (other->ahci, state->data, state->len, &used, &error));
  g_assert_no_error (error);
}

static void
test_state (Sata *t, gconstpointer unused)
{
  Sata other, third;

  sata_ata (t, 0xc6, 0, 0, 8, 0, 1); /* READ MULTIPLE moves 8 sectors at once */
  g_assert_true (ahci_set_disc (t->ahci, CD, t->disc, FALSE, NULL));
  sata_setup (&other, NULL);
  memcpy (sata_memory (&other, 0), sata_memory (t, 0), BOARD_RAM);
  board_check_state (other.board, t->ahci, other.ahci, STATE_ROUNDS);
  sata_teardown (&other, NULL);

  move_over (t, &third);
  g_assert_cmphex (sata_port_get (&third, DISK, PX_IS), ==, IS_DHRS);
  g_assert_cmpint (third.board->level[IRQ], ==, 1);
  sata_port_set (&third, DISK, PX_IS, ALL);
  sata_ata (&third, 0x29, 0, 100, 16, 16 * ATA_SECTOR, 4096);
  sata_expect_contents (&third, TARGET, 100, ATA_SECTOR, 16 * ATA_SECTOR);
  PACKET (&third, FALSE, 0, 0x00);
  sata_expect_bad (&third, CD, 0x60);
  sata_teardown (&third, NULL);
}

static void
test_state_busy (Sata *t, gconstpointer unused)
{
  Sata other;
  uint8_t seen[ATA_SECTOR];
  g_autoptr (GByteArray) state = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  /* Queued reads and a write, and a CD that reads. */
  for (unsigned i = 0; i < 3; i++)
    sata_put_queued (sata_prepare (t, DISK, i, i == 2 ? WRITE : 0, i == 2 ? SOURCE : TARGET + i * 0x1000,
                                   (i == 2 ? 1 : 8) * ATA_SECTOR, 4096),
                     i == 2 ? NCQ_WRITE : NCQ_READ, i, i == 2 ? 900 : 60 + i, i == 2 ? 1 : 8);
  memset (sata_memory (t, SOURCE), 0x3c, ATA_SECTOR);
  sata_port_set (t, DISK, PX_SACT, 7);
  sata_port_set (t, DISK, PX_CI, 7);
  {
    uint8_t *table = sata_prepare (t, CD, 6, 1 << 5, TARGET + 0x10000, 70 * CD_SECTOR, 4096);

    sata_put_fis (table, 0xa0, 0, 0);
    table[3] = 1;
    memcpy (table + TABLE_ACMD, (const uint8_t[12]) { 0x28, 0, 0, 0, 0, 20, 0, 0, 70 }, 12);
    sata_port_set (t, CD, PX_CI, 1 << 6);
  }
  g_assert_cmphex (sata_port_get (t, CD, PX_CI), !=, 0);
  device_save (t->ahci, state);
  move_over (t, &other);
  device_save (other.ahci, again);
  g_assert_cmpmem (state->data, state->len, again->data, again->len);
  sata_settle (&other, DISK);
  sata_settle (&other, CD);
  sata_expect_contents (&other, TARGET, 60, ATA_SECTOR, 8 * ATA_SECTOR);
  sata_expect_contents (&other, TARGET + 0x1000, 61, ATA_SECTOR, 8 * ATA_SECTOR);
  sata_expect_contents (&other, TARGET + 0x10000, 20, CD_SECTOR, 70 * CD_SECTOR);
  g_assert_true (disk_read (other.disk, 900 * ATA_SECTOR, seen, ATA_SECTOR, NULL));
  g_assert_cmphex (seen[17], ==, 0x3c);
  sata_teardown (&other, NULL);

  /* State is not replaced under a disk that works; the commands go on as if nothing had happened. */
  if (ahci_port_is_busy (&((Ahci *) t->ahci)->port[DISK]))
    {
      g_assert_false (device_load (t->ahci, state->data, state->len, &used, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
    }
  sata_settle (t, DISK);
  sata_settle (t, CD);
  sata_expect_contents (t, TARGET + 0x10000, 20, CD_SECTOR, 70 * CD_SECTOR);

  /* Of a machine with other drives. */
  {
    Board *bare = board_new ();
    Device *empty = board_add (bare, device_new (&ahci_type));

    g_clear_error (&error);
    g_assert_false (device_load (empty, state->data, state->len, &used, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    board_free (bare);
  }
}

#define ADD(path, function) g_test_add ("/ahci/" path, Sata, NULL, sata_setup_started, function, sata_teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/ahci/registers", Sata, NULL, sata_setup, test_registers, sata_teardown);
  ADD ("identify", test_identify);
  ADD ("read-write", test_read_write);
  ADD ("queue", test_queue);
  ADD ("queue-errors", test_queue_errors);
  ADD ("resets", test_resets);
  ADD ("cd", test_cd);
  ADD ("hot-plug", test_hot_plug);
  ADD ("hostile", test_hostile);
  ADD ("state", test_state);
  ADD ("state/busy", test_state_busy);
  return g_test_run ();
}
