/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The AHCI controller's command lists: fetching commands, running them on the
 * drives, moving their data, and what the guest receives. Everything that the
 * guest keeps in memory is read once, checked, and reached through DMA that
 * touches memory only. Specification: see ahci-private.h.
 */

#include "engine/devices/storage/ahci-private.h"

#include <string.h>

static AhciPort *
port_of (AtaDrive *drive)
{
  return drive->bus;
}

static uint64_t
wide (uint32_t high, uint32_t low)
{
  return (uint64_t) high << 32 | low;
}

/* Memory */

gboolean
ahci_read_slot (AhciPort *port, unsigned slot, AhciTable *table, uint8_t fis[CFIS_SIZE], uint32_t *flags)
{
  PciDevice *pci = &port->ahci->parent;
  uint8_t header[HEADER_SIZE];

  if (!pci_dma_read (pci, wide (port->clbu, port->clb) + slot * HEADER_SIZE, header, sizeof header))
    return FALSE;
  *flags = pci_get_long (header);
  *table = (AhciTable) {
    .address = wide (pci_get_long (header + 12), pci_get_long (header + 8) & ~127u), .entries = *flags >> 16
  };
  return pci_dma_read (pci, table->address, fis, CFIS_SIZE);
}

/* The next of the regions, at most @wanted (> 0) bytes of it, and goes on behind these. FALSE: the regions end.
 * *@interrupt is set at the end of one that wants it. */
static gboolean
next_region (AhciPort *port, AhciTable *table, uint32_t wanted, uint64_t *address, uint32_t *length, gboolean *interrupt)
{
  uint64_t at = table->address + TABLE_PRDT + (uint64_t) table->entry * PRD_SIZE;
  uint8_t prd[PRD_SIZE];
  uint32_t flags, whole;

  if (table->entry == table->entries || !pci_dma_read (&port->ahci->parent, at, prd, sizeof prd))
    return FALSE;
  flags = pci_get_long (prd + 12);
  whole = (flags & PRD_BYTES) + 1;
  /* It may have become shorter since its first part was used. */
  *length = MIN (wanted, whole - MIN (table->offset, whole - 1));
  *address = wide (pci_get_long (prd + 4), pci_get_long (prd) & ~1u) + table->offset;
  table->offset += *length;
  if (table->offset < whole)
    return TRUE;
  table->entry++;
  table->offset = 0;
  if (flags & PRD_INTERRUPT)
    *interrupt = TRUE;
  return TRUE;
}

uint32_t
ahci_move (AhciPort *port, AhciTable *table, uint8_t *buffer, uint32_t bytes, gboolean to_memory)
{
  PciDevice *pci = &port->ahci->parent;
  uint32_t done = 0, length;
  uint64_t address;
  gboolean interrupt = FALSE;

  for (; done < bytes && next_region (port, table, bytes - done, &address, &length, &interrupt); done += length)
    {
      if (to_memory)
        pci_dma_write (pci, address, buffer + done, length);
      else
        pci_dma_read (pci, address, buffer + done, length);
    }
  if (interrupt)
    port->is |= IS_DPS;
  return done;
}

gboolean
ahci_map (AhciPort *port, AhciTable *table, GuestPieces *pieces, uint32_t bytes, gboolean to_memory, gboolean *interrupt)
{
  AhciTable ahead = *table;
  uint32_t length;
  uint64_t address;

  guest_pieces_empty (pieces);
  *interrupt = FALSE;
  for (uint32_t done = 0; done < bytes; done += length)
    {
      if (!next_region (port, &ahead, bytes - done, &address, &length, interrupt) ||
          !guest_pieces_add (pieces, &port->ahci->parent, address, length, to_memory))
        {
          guest_pieces_empty (pieces);
          return FALSE;
        }
    }
  *table = ahead;
  return TRUE;
}

void
ahci_post (AhciPort *port, unsigned where, const uint8_t *fis, unsigned length)
{
  if (port->cmd & CMD_FRE)
    pci_dma_write (&port->ahci->parent, wide (port->fbu, port->fb) + where, fis, length);
}

static void
put_registers (const AtaDrive *d, uint8_t fis[20])
{
  fis[2] = d->status;
  fis[3] = d->error;
  fis[4] = d->lba_low[0];
  fis[5] = d->lba_mid[0];
  fis[6] = d->lba_high[0];
  fis[7] = d->device;
  fis[8] = d->lba_low[1];
  fis[9] = d->lba_mid[1];
  fis[10] = d->lba_high[1];
  fis[12] = d->count[0];
  fis[13] = d->count[1];
}

void
ahci_halt (AhciPort *port, uint32_t cause)
{
  port->is |= cause;
  port->halted = TRUE;
}

void
ahci_post_registers (AhciPort *port, gboolean interrupt)
{
  AtaDrive *d = &port->drive;
  uint8_t fis[20] = { FIS_D2H, interrupt ? FIS_INTERRUPT : 0 };

  put_registers (d, fis);
  ahci_post (port, RX_D2H, fis, sizeof fis);
  port->tfd = d->status | (uint32_t) d->error << 8;
  if (interrupt)
    port->is |= IS_DHRS;
  if (d->status & STATUS_ERR)
    ahci_halt (port, IS_TFES);
}

/* @status: while the block was there; the drive's is by now what follows it. */
static void
post_pio_setup (AhciPort *port, gboolean to_host, uint8_t status, uint32_t bytes)
{
  const AtaDrive *d = &port->drive;
  uint8_t fis[20] = { FIS_PIO_SETUP, FIS_INTERRUPT | (to_host ? FIS_TO_HOST : 0) };

  put_registers (d, fis);
  fis[2] = status;
  fis[15] = d->status;
  pci_set_word (fis + 16, (uint16_t) bytes);
  ahci_post (port, RX_PIO_SETUP, fis, sizeof fis);
  port->tfd = d->status | (uint32_t) d->error << 8;
  port->is |= IS_PSS;
}

void
ahci_post_signature (AhciPort *port)
{
  AtaDrive *d = &port->drive;

  if (!port->signature_due || !ahci_link_is_up (port) || d->busy || port->in_reset || !(port->cmd & CMD_FRE))
    return;
  port->signature_due = FALSE;
  port->sig = d->count[0] | (uint32_t) d->lba_low[0] << 8 | (uint32_t) d->lba_mid[0] << 16 |
              (uint32_t) d->lba_high[0] << 24;
  ahci_post_registers (port, FALSE);
}

/* Running commands */

static void
finish (AhciPort *port)
{
  AtaDrive *d = &port->drive;
  uint8_t count[4];

  pci_set_long (count, port->moved);
  pci_dma_write (&port->ahci->parent, wide (port->clbu, port->clb) + port->slot * HEADER_SIZE + 4, count, sizeof count);
  /* The last block that is read by PIO ends a command by itself. */
  if (port->attention || d->status & STATUS_ERR)
    ahci_post_registers (port, TRUE);
  else
    port->tfd = d->status | (uint32_t) d->error << 8;
  /* The slot of a command that failed stays, to be found. */
  if (!(d->status & STATUS_ERR))
    port->ci &= ~(1u << port->slot);
  port->slot = NO_SLOT;
}

/* A block that the guest would move through the data port moves through the regions. */
static void
move_block (AhciPort *port)
{
  AtaDrive *d = &port->drive;
  gboolean to_host = d->phase == PHASE_PIO_IN;
  uint32_t bytes = d->end - d->at, moved;
  uint8_t status = d->status;

  moved = ahci_move (port, &port->table, d->buffer + d->at, bytes, to_host);
  port->moved += moved;
  if (moved < bytes)
    {
      port->is |= IS_OFS;
      if (!to_host)
        memset (d->buffer + d->at + moved, 0, bytes - moved);
    }
  d->at = d->end;
  port->attention = FALSE;
  ata_block_done (d);
  post_pio_setup (port, to_host, status, bytes);
}

/* Goes on with the command under way as far as that is possible without the disk. */
static void
pump (AhciPort *port)
{
  AtaDrive *d = &port->drive;

  while (port->slot != NO_SLOT && !d->busy)
    {
      if (d->status & STATUS_DRQ && d->phase == PHASE_PACKET)
        {
          memcpy (d->buffer, port->acmd, PACKET_SIZE);
          ata_block_done (d);
        }
      else if (d->status & STATUS_DRQ && (d->phase == PHASE_PIO_IN || d->phase == PHASE_PIO_OUT))
        move_block (port);
      else
        finish (port);
    }
}

static void
load_registers (AtaDrive *d, const uint8_t *fis)
{
  d->feature[0] = fis[3];
  d->feature[1] = fis[11];
  d->lba_low[0] = fis[4];
  d->lba_low[1] = fis[8];
  d->lba_mid[0] = fis[5];
  d->lba_mid[1] = fis[9];
  d->lba_high[0] = fis[6];
  d->lba_high[1] = fis[10];
  d->device = fis[7];
  d->count[0] = fis[12];
  d->count[1] = fis[13];
}

/* A FIS that writes the device control register. */
static void
control (AhciPort *port, uint8_t value)
{
  AtaDrive *d = &port->drive;

  if (value & FIS_CONTROL_SRST)
    {
      ata_reset_drive (d);
      d->status = STATUS_BSY;
      port->tfd = STATUS_BSY;
      port->in_reset = TRUE;
      port->failed_tag = NO_SLOT;
    }
  else if (port->in_reset)
    {
      port->in_reset = FALSE;
      ata_reset_drive (d);
      port->signature_due = TRUE;
      ahci_post_signature (port);
    }
}

static void
run (AhciPort *port, unsigned slot, const AhciTable *table, const uint8_t *fis)
{
  AtaDrive *d = &port->drive;

  port->slot = (uint8_t) slot;
  port->table = *table;
  port->moved = 0;
  port->attention = TRUE;
  load_registers (d, fis);
  memset (port->acmd, 0, sizeof port->acmd);
  pci_dma_read (&port->ahci->parent, table->address + TABLE_ACMD, port->acmd, sizeof port->acmd);
  port->tfd = STATUS_BSY;
  if (d->kind == ATA_DISK && fis[2] == READ_LOG_EXT)
    ahci_read_log (port);
  else
    ata_execute (d, fis[2]);
  pump (port);
  if (port->slot != NO_SLOT)
    port->tfd = d->status | (uint32_t) d->error << 8;
}

gboolean
ahci_start (AhciPort *port, unsigned slot)
{
  AtaDrive *d = &port->drive;
  uint8_t fis[CFIS_SIZE];
  AhciTable table;
  uint32_t flags;
  gboolean is_queued;

  if (!ahci_read_slot (port, slot, &table, fis, &flags))
    {
      ahci_halt (port, IS_HBFS);
      return FALSE;
    }
  is_queued = d->kind == ATA_DISK && fis[1] & FIS_IS_COMMAND && (fis[2] == NCQ_READ || fis[2] == NCQ_WRITE);
  /* Others wait until the queue has drained. */
  if (!is_queued && port->queued != 0)
    return FALSE;
  port->cmd = (port->cmd & ~(uint32_t) CMD_CCS) | slot << CMD_CCS_SHIFT;
  port->last_slot = (uint8_t) slot;
  if (fis[0] != FIS_H2D)
    {
      ahci_halt (port, IS_IFS);
      return FALSE;
    }
  if (!(fis[1] & FIS_IS_COMMAND))
    {
      port->ci &= ~(1u << slot);
      control (port, fis[15]);
    }
  else if (port->in_reset)
    return FALSE;
  else if (is_queued)
    ahci_queue_start (port, slot, &table, fis);
  else
    run (port, slot, &table, fis);
  return TRUE;
}

void
ahci_process (AhciPort *port)
{
  for (;;)
    {
      uint32_t waiting = port->ci;
      unsigned slot = port->last_slot;

      if (!(port->cmd & CMD_ST) || port->halted || !ahci_link_is_up (port) || port->slot != NO_SLOT || port->drive.busy)
        break;
      for (unsigned i = 0; i < SLOTS; i++)
        {
          if (port->tags[i].busy && port->tags[i].cancelled)
            waiting &= ~(1u << i);
        }
      if (waiting == 0)
        break;
      do
        slot = (slot + 1) % SLOTS;
      while (!(waiting >> slot & 1));
      if (!ahci_start (port, slot))
        break;
    }
  ahci_update_irq (port->ahci);
}

void
ahci_cancel (AhciPort *port)
{
  if (port->drive.busy)
    port->drive.cancelled = TRUE;
  ahci_queue_cancel (port);
  port->slot = NO_SLOT;
  port->queued = 0;
}

/* What the drive asks of its port */

static void
attention (AtaDrive *drive)
{
  port_of (drive)->attention = TRUE;
}

static gboolean
dma_ready (AtaDrive *drive)
{
  return TRUE;
}

static gboolean
dma_transfer (AtaDrive *drive, uint32_t bytes, gboolean to_memory)
{
  AhciPort *port = port_of (drive);
  uint32_t moved = ahci_move (port, &port->table, drive->buffer, bytes, to_memory);

  port->moved += moved;
  return moved == bytes;
}

static void
dma_end (AtaDrive *drive, gboolean failed)
{
  if (failed)
    port_of (drive)->is |= IS_OFS;
}

static gboolean
in_reset (AtaDrive *drive)
{
  return port_of (drive)->in_reset;
}

static void
request_done (AtaDrive *drive)
{
  AhciPort *port = port_of (drive);

  pump (port);
  ahci_post_signature (port);
  ahci_process (port);
}

static void
ejected (AtaDrive *drive)
{
  AhciPort *port = port_of (drive);

  if (port->ahci->ejected != NULL)
    port->ahci->ejected (port->ahci->ejected_opaque, port->index);
}

const AtaHost ahci_host = {
  .attention = attention, .dma_ready = dma_ready, .dma_transfer = dma_transfer, .dma_end = dma_end,
  .diagnostic = ata_reset_drive, .in_reset = in_reset, .request_done = request_done, .ejected = ejected
};
