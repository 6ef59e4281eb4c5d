/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Driving an AHCI controller; see the header. */

#include "tests/unit/disk-controllers/ahci-driver.h"

#include <string.h>
#include <unistd.h>

uint32_t
sata_get (Sata *t, unsigned reg)
{
  return (uint32_t) board_read (t->board, ABAR + reg, 4);
}

void
sata_set (Sata *t, unsigned reg, uint32_t value)
{
  board_write (t->board, ABAR + reg, value, 4);
}

uint32_t
sata_port_get (Sata *t, unsigned port, unsigned reg)
{
  return sata_get (t, REG_PORTS + port * PORT_SIZE + reg);
}

void
sata_port_set (Sata *t, unsigned port, unsigned reg, uint32_t value)
{
  sata_set (t, REG_PORTS + port * PORT_SIZE + reg, value);
}

uint8_t *
sata_memory (Sata *t, uint32_t address)
{
  return ram_block_host (t->board->ram) + address;
}

uint32_t
sata_list_of (unsigned port)
{
  return 0x2000 + port * 0x1000;
}

uint32_t
sata_received (unsigned port, unsigned where)
{
  return sata_list_of (port) + 0x800 + where;
}

uint32_t
sata_table_of (unsigned port, unsigned slot)
{
  return TABLES + (port * 2 + slot % 2) * 0x8000 + slot / 2 * TABLE_SIZE;
}

void
sata_start_port (Sata *t, unsigned port)
{
  sata_port_set (t, port, PX_CLB, sata_list_of (port));
  sata_port_set (t, port, PX_FB, sata_received (port, 0));
  sata_port_set (t, port, PX_CMD, CMD_FRE);
  sata_port_set (t, port, PX_SERR, ALL);
  sata_port_set (t, port, PX_IS, ALL);
  sata_port_set (t, port, PX_IE, ALL);
  sata_port_set (t, port, PX_CMD, CMD_FRE | CMD_ST);
}

void
sata_setup (Sata *t, gconstpointer unused)
{
  uint8_t devfn;

  t->board = board_new ();
  t->ahci = device_new (&ahci_type);
  t->disk = media_new (&t->disk_fd, DISK_SECTORS, ATA_SECTOR, 0);
  t->disc = media_new (&t->disc_fd, CD_SECTORS, CD_SECTOR, DISK_OPEN_READ_ONLY);
  ahci_attach_disk (t->ahci, DISK, t->disk);
  ahci_attach_cdrom (t->ahci, CD, t->disc);
  board_add (t->board, t->ahci);
  devfn = ((PciDevice *) t->ahci)->devfn;
  pci_config_write (t->board->pci, 0, devfn, CONFIG_ABAR, ABAR, 4);
  pci_config_write (t->board->pci, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
  sata_set (t, REG_GHC, GHC_AE | GHC_IE);
}

void
sata_setup_started (Sata *t, gconstpointer unused)
{
  sata_setup (t, unused);
  sata_start_port (t, DISK);
  sata_start_port (t, CD);
  sata_set (t, REG_IS, ALL);
}

void
sata_teardown (Sata *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  disk_unref (t->disc);
  close (t->disk_fd);
  close (t->disc_fd);
}

uint8_t *
sata_prepare (Sata *t, unsigned port, unsigned slot, uint32_t flags, uint32_t address, uint32_t bytes, uint32_t each)
{
  uint8_t *header = sata_memory (t, sata_list_of (port) + slot * HEADER_SIZE),
          *table = sata_memory (t, sata_table_of (port, slot));
  uint32_t regions = 0;

  memset (table, 0, TABLE_SIZE);
  for (uint32_t done = 0; done < bytes; done += each, regions++)
    {
      uint8_t *prd = table + TABLE_PRDT + regions * PRD_SIZE;

      g_assert_cmpuint (TABLE_PRDT + (regions + 1) * PRD_SIZE, <=, TABLE_SIZE);
      pci_set_long (prd, address + done);
      pci_set_long (prd + 12, MIN (each, bytes - done) - 1);
    }
  memset (header, 0, HEADER_SIZE);
  pci_set_long (header, 5 | flags | regions << 16);
  pci_set_long (header + 8, sata_table_of (port, slot));
  return table;
}

void
sata_put_fis (uint8_t *fis, uint8_t command, uint64_t lba, unsigned count)
{
  fis[0] = FIS_H2D;
  fis[1] = FIS_IS_COMMAND;
  fis[2] = command;
  for (unsigned i = 0; i < 3; i++)
    {
      fis[4 + i] = (uint8_t) (lba >> (8 * i));
      fis[8 + i] = (uint8_t) (lba >> (24 + 8 * i));
    }
  fis[7] = LBA;
  fis[12] = (uint8_t) count;
  fis[13] = (uint8_t) (count >> 8);
}

void
sata_put_queued (uint8_t *fis, uint8_t command, unsigned tag, uint64_t lba, unsigned count)
{
  sata_put_fis (fis, command, lba, tag << 3);
  fis[3] = (uint8_t) count;
  fis[11] = (uint8_t) (count >> 8);
}

void
sata_settle (Sata *t, unsigned port)
{
  while ((sata_port_get (t, port, PX_CI) | sata_port_get (t, port, PX_SACT)) != 0
         && !(sata_port_get (t, port, PX_IS) & IS_TFES))
    g_main_context_iteration (t->board->context, TRUE);
}

void
sata_finish (Sata *t, unsigned port, unsigned slot)
{
  sata_port_set (t, port, PX_CI, 1u << slot);
  sata_settle (t, port);
}

void
sata_ata (Sata *t, uint8_t command, uint32_t flags, uint64_t lba, unsigned count, uint32_t bytes, uint32_t each)
{
  sata_put_fis (sata_prepare (t, DISK, 3, flags, TARGET, bytes, each), command, lba, count);
  sata_finish (t, DISK, 3);
}

void
sata_expect_good (Sata *t, unsigned port, uint32_t cause)
{
  g_assert_cmphex (sata_port_get (t, port, PX_CI), ==, 0);
  g_assert_cmphex (sata_port_get (t, port, PX_TFD), ==, STATUS_DRDY | STATUS_DSC);
  g_assert_cmphex (sata_port_get (t, port, PX_IS), ==, cause);
  g_assert_cmpint (t->board->level[IRQ], ==, 1);
  sata_port_set (t, port, PX_IS, ALL);
  sata_set (t, REG_IS, ALL);
  g_assert_cmpint (t->board->level[IRQ], ==, 0);
}

void
sata_expect_bad (Sata *t, unsigned port, uint8_t error)
{
  g_assert_cmphex (sata_port_get (t, port, PX_IS) & IS_TFES, !=, 0);
  g_assert_cmphex (sata_port_get (t, port, PX_TFD), ==, STATUS_DRDY | STATUS_DSC | STATUS_ERR | (uint32_t) error << 8);
  sata_port_set (t, port, PX_CMD, CMD_FRE);
  g_assert_cmphex (sata_port_get (t, port, PX_CI) | sata_port_get (t, port, PX_SACT), ==, 0);
  sata_port_set (t, port, PX_IS, ALL);
  sata_port_set (t, port, PX_CMD, CMD_FRE | CMD_ST);
  sata_set (t, REG_IS, ALL);
}

void
sata_expect_contents (Sata *t, uint32_t address, unsigned sector, unsigned sector_size, unsigned bytes)
{
  const uint8_t *seen = sata_memory (t, address);

  for (unsigned i = 0; i < bytes; i++)
    g_assert_cmphex (seen[i], ==, media_content (sector + i / sector_size, i % sector_size));
}

uint32_t
sata_moved (Sata *t, unsigned port, unsigned slot)
{
  return pci_get_long (sata_memory (t, sata_list_of (port) + slot * HEADER_SIZE + 4));
}
