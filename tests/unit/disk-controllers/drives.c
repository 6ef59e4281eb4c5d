/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Implementation of the IDE tests' board. */

#include "tests/unit/disk-controllers/drives.h"

#include <unistd.h>

static const uint16_t ports[2] = { 0x1f0, 0x170 };

void
drives_setup (Drives *t, gconstpointer unused)
{
  unsigned devfn;

  t->board = board_new ();
  t->ide = device_new (&piix3_ide_type);
  t->disk = media_new (&t->disk_fd, DISK_SECTORS, SECTOR, 0);
  t->disc = media_new (&t->disc_fd, CD_SECTORS, CD_SECTOR, DISK_OPEN_READ_ONLY);
  piix3_ide_attach_disk (t->ide, 0, 0, t->disk);
  piix3_ide_attach_cdrom (t->ide, 1, 0, t->disc);
  board_add (t->board, t->ide);
  devfn = ((PciDevice *) t->ide)->devfn;
  pci_config_write (t->board->pci, 0, (uint8_t) devfn, CONFIG_BM, BM, 4);
  pci_config_write (t->board->pci, 0, (uint8_t) devfn, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
}

void
drives_teardown (Drives *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  disk_unref (t->disc);
  close (t->disk_fd);
  close (t->disc_fd);
}

uint8_t
drives_in (Drives *t, unsigned channel, unsigned reg)
{
  return board_in (t->board, (uint16_t) (ports[channel] + reg));
}

void
drives_out (Drives *t, unsigned channel, unsigned reg, uint32_t value)
{
  board_out (t->board, (uint16_t) (ports[channel] + reg), value);
}

/* Lets the disk work; the alternate status leaves the interrupt alone. */
uint8_t
settle (Drives *t, unsigned channel)
{
  while (drives_in (t, channel, CONTROL) & BSY)
    g_main_context_iteration (t->board->context, TRUE);
  return drives_in (t, channel, CONTROL);
}

void
expect_done (Drives *t, unsigned channel)
{
  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 1);
  g_assert_cmphex (drives_in (t, channel, STATUS), ==, DRDY | DSC);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 0);
}

void
expect_failed (Drives *t, unsigned channel, uint8_t error)
{
  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC | ERR);
  g_assert_cmpint (t->board->level[IRQ_DISK + (int) channel], ==, 1);
  g_assert_cmphex (drives_in (t, channel, ERROR), ==, error);
  drives_in (t, channel, STATUS);
}

void
ata (Drives *t, uint8_t code, uint32_t lba, unsigned count)
{
  drives_out (t, 0, DEVICE, 0xe0 | lba >> 24);
  drives_out (t, 0, COUNT, count & 0xff);
  drives_out (t, 0, LBA_LOW, lba & 0xff);
  drives_out (t, 0, LBA_MID, lba >> 8 & 0xff);
  drives_out (t, 0, LBA_HIGH, lba >> 16 & 0xff);
  drives_out (t, 0, COMMAND, code);
}

void
read_data (Drives *t, unsigned channel, uint8_t *data, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i += 2)
    pci_set_word (data + i, (uint16_t) bus_pio_read (t->board->bus, ports[channel], 2));
}

void
write_data (Drives *t, unsigned channel, const uint8_t *data, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i += 2)
    bus_pio_write (t->board->bus, ports[channel], pci_get_word (data + i), 2);
}

void
expect_block (Drives *t, unsigned channel, unsigned sector, unsigned sector_size, unsigned from, unsigned bytes)
{
  g_autofree uint8_t *data = g_malloc (bytes);

  g_assert_cmphex (settle (t, channel), ==, DRDY | DSC | DRQ);
  read_data (t, channel, data, bytes);
  for (unsigned i = 0; i < bytes; i++)
    g_assert_cmphex (data[i], ==, media_content (sector + (from + i) / sector_size, (from + i) % sector_size));
}

void
packet (Drives *t, const uint8_t cdb[12], unsigned limit, gboolean dma)
{
  drives_out (t, 1, DEVICE, 0xa0);
  drives_out (t, 1, FEATURE, dma);
  drives_out (t, 1, LBA_MID, limit & 0xff);
  drives_out (t, 1, LBA_HIGH, limit >> 8);
  drives_out (t, 1, COMMAND, 0xa0);
  g_assert_cmphex (drives_in (t, 1, CONTROL), ==, DRDY | DSC | DRQ);
  g_assert_cmphex (drives_in (t, 1, COUNT) & 3, ==, 1);
  write_data (t, 1, cdb, 12);
}

void
bus_master (Drives *t, unsigned channel, uint32_t value)
{
  board_out (t->board, (uint16_t) (BM + 8 * channel), value);
}

uint8_t
bus_master_status (Drives *t, unsigned channel)
{
  return board_in (t->board, (uint16_t) (BM + 8 * channel + BM_STATUS)) & 7;
}

void
poke (Drives *t, uint64_t at, uint64_t value, unsigned size)
{
  g_assert_true (guest_memory_write (t->board->memory, at, &value, size));
}

/* Regions of @each bytes, one after the other, @bytes in all. */
void
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

void
expect_memory (Drives *t, unsigned sector, unsigned sector_size, unsigned bytes)
{
  const uint8_t *memory = ram_block_host (t->board->ram) + TARGET;

  for (unsigned i = 0; i < bytes; i++)
    g_assert_cmphex (memory[i], ==, media_content (sector + i / sector_size, i % sector_size));
}
