/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bus-master DMA. Specification: SFF-8038i 1.0; Intel 82371SB data sheet, section 2.7. */

#include "engine/devices/storage/ide-private.h"

enum { REG_COMMAND = 0, REG_STATUS = 2, REG_TABLE = 4, CHANNEL_SIZE = 8, PRD_SIZE = 8, PRD_LAST = 1 << 7,
       PRD_MAX = 8192 };

gboolean
ide_dma_ready (AtaDrive *drive)
{
  IdeChannel *c = ide_channel_of (drive);

  return (c->bm_command & BM_COMMAND_START) && (c->bm_status & BM_STATUS_ACTIVE);
}

/* The region descriptors are walked from where the last transfer of the command ended. */
gboolean
ide_dma_transfer (AtaDrive *drive, uint32_t bytes, gboolean to_memory)
{
  IdeChannel *c = ide_channel_of (drive);
  PciDevice *pci = &c->ide->parent;
  uint32_t done = 0;

  for (unsigned regions = 0; done < bytes && regions < PRD_MAX; regions++)
    {
      uint32_t chunk;

      if (drive->prd_left == 0)
        {
          uint8_t prd[PRD_SIZE];

          if (drive->prd_last || !pci_dma_read (pci, drive->prd_next, prd, sizeof prd))
            return FALSE;
          drive->prd_next += PRD_SIZE;
          drive->prd_address = pci_get_long (prd) & ~1u;
          drive->prd_left = pci_get_word (prd + 4) & ~1u;
          if (drive->prd_left == 0)
            drive->prd_left = 0x10000;
          drive->prd_last = (prd[7] & PRD_LAST) != 0;
        }
      chunk = MIN (bytes - done, drive->prd_left);
      if (to_memory)
        pci_dma_write (pci, drive->prd_address, drive->buffer + done, chunk);
      else
        pci_dma_read (pci, drive->prd_address, drive->buffer + done, chunk);
      drive->prd_address += chunk;
      drive->prd_left -= chunk;
      done += chunk;
    }
  return done == bytes;
}

void
ide_dma_end (AtaDrive *drive, gboolean failed)
{
  IdeChannel *c = ide_channel_of (drive);

  c->bm_status &= (uint8_t) ~BM_STATUS_ACTIVE;
  if (failed)
    c->bm_status |= BM_STATUS_ERROR;
}

static void
start (IdeChannel *c)
{
  AtaDrive *drive = &c->drives[c->selected];

  c->bm_status |= BM_STATUS_ACTIVE;
  drive->prd_next = c->bm_table;
  drive->prd_left = 0;
  drive->prd_last = FALSE;
  if (drive->phase != PHASE_DMA_IN && drive->phase != PHASE_DMA_OUT)
    return;
  if (drive->kind == ATA_DISK)
    ata_dma_started (drive);
  else if (drive->kind == ATA_CDROM)
    atapi_dma_started (drive);
}

static IdeChannel *
channel_at (void *opaque, uint16_t offset)
{
  return &((Ide *) opaque)->channels[offset / CHANNEL_SIZE & 1];
}

static uint32_t
bmdma_read (void *opaque, uint16_t offset, unsigned size)
{
  IdeChannel *c = channel_at (opaque, offset);

  switch (offset % CHANNEL_SIZE)
    {
    case REG_COMMAND:
      return c->bm_command;
    case REG_STATUS:
      return c->bm_status | BM_STATUS_DMA_CAPABLE;
    case REG_TABLE ... REG_TABLE + 3:
      return c->bm_table >> (8 * (offset % CHANNEL_SIZE - REG_TABLE));
    default:
      return 0;
    }
}

static void
bmdma_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  IdeChannel *c = channel_at (opaque, offset);
  unsigned reg = offset % CHANNEL_SIZE;
  uint8_t old;

  switch (reg)
    {
    case REG_COMMAND:
      old = c->bm_command;
      c->bm_command = value & (BM_COMMAND_START | BM_COMMAND_TO_MEMORY);
      if (!(old & BM_COMMAND_START) && value & BM_COMMAND_START)
        start (c);
      else if (old & BM_COMMAND_START && !(value & BM_COMMAND_START))
        c->bm_status &= (uint8_t) ~BM_STATUS_ACTIVE;
      break;
    case REG_STATUS:
      /* Interrupt and error are cleared by writing 1. */
      c->bm_status = (uint8_t) ((c->bm_status & ~(value & (BM_STATUS_IRQ | BM_STATUS_ERROR))));
      break;
    case REG_TABLE ... REG_TABLE + 3:
      {
        unsigned shift = 8 * (reg - REG_TABLE);
        uint32_t mask = (size >= 4 ? 0xffffffff : (1u << (8 * size)) - 1) << shift;

        c->bm_table = ((c->bm_table & ~mask) | (value << shift & mask)) & ~3u;
      }
      break;
    default:
      break;
    }
}

const PioOps ide_bmdma_ops = { .read = bmdma_read, .write = bmdma_write, .min_size = 1, .max_size = 4 };
