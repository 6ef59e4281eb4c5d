/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The saved state of the IDE function. A request that is with the disk is saved as such and sent again after a load:
 * doing any of them twice comes to the same. */

#include "engine/devices/storage/ide-private.h"

#include <gio/gio.h>

#define DRIVE_FIELDS(c, u) \
  STATE_U32 (Ide, channels[c].drives[u].saved_kind), STATE_BYTES (Ide, channels[c].drives[u].feature), \
  STATE_BYTES (Ide, channels[c].drives[u].count), STATE_BYTES (Ide, channels[c].drives[u].lba_low), \
  STATE_BYTES (Ide, channels[c].drives[u].lba_mid), STATE_BYTES (Ide, channels[c].drives[u].lba_high), \
  STATE_U8 (Ide, channels[c].drives[u].device), STATE_U8 (Ide, channels[c].drives[u].error), \
  STATE_U8 (Ide, channels[c].drives[u].status), STATE_U8 (Ide, channels[c].drives[u].command), \
  STATE_U8 (Ide, channels[c].drives[u].multiple), STATE_U8 (Ide, channels[c].drives[u].write_cache), \
  STATE_U8 (Ide, channels[c].drives[u].dma_mode), STATE_U32 (Ide, channels[c].drives[u].heads), \
  STATE_U32 (Ide, channels[c].drives[u].sectors), STATE_U32 (Ide, channels[c].drives[u].phase), \
  STATE_BOOL (Ide, channels[c].drives[u].busy), STATE_U64 (Ide, channels[c].drives[u].lba), \
  STATE_U32 (Ide, channels[c].drives[u].left), STATE_U32 (Ide, channels[c].drives[u].chunk), \
  STATE_U32 (Ide, channels[c].drives[u].at), STATE_U32 (Ide, channels[c].drives[u].end), \
  STATE_BOOL (Ide, channels[c].drives[u].dma), STATE_BOOL (Ide, channels[c].drives[u].lba48), \
  STATE_U32 (Ide, channels[c].drives[u].pio_block), STATE_U32 (Ide, channels[c].drives[u].prd_next), \
  STATE_U32 (Ide, channels[c].drives[u].prd_address), STATE_U32 (Ide, channels[c].drives[u].prd_left), \
  STATE_BOOL (Ide, channels[c].drives[u].prd_last), STATE_BYTES (Ide, channels[c].drives[u].packet), \
  STATE_U8 (Ide, channels[c].drives[u].mmc.sense_key), STATE_U8 (Ide, channels[c].drives[u].mmc.asc), \
  STATE_U8 (Ide, channels[c].drives[u].mmc.ascq), STATE_U16 (Ide, channels[c].drives[u].byte_limit), \
  STATE_U32 (Ide, channels[c].drives[u].reply), STATE_BOOL (Ide, channels[c].drives[u].from_disc), \
  STATE_U8 (Ide, channels[c].drives[u].mmc.locked), STATE_U8 (Ide, channels[c].drives[u].mmc.tray_open), \
  STATE_U8 (Ide, channels[c].drives[u].mmc.unit_attention), STATE_U8 (Ide, channels[c].drives[u].mmc.media_event), \
  STATE_U32 (Ide, channels[c].drives[u].request_op), STATE_U32 (Ide, channels[c].drives[u].request_length), \
  STATE_U64 (Ide, channels[c].drives[u].request_offset), STATE_U32 (Ide, channels[c].drives[u].then), \
  STATE_BOOL (Ide, channels[c].drives[u].cancelled), STATE_BYTES (Ide, channels[c].drives[u].buffer)

#define CHANNEL_FIELDS(c) \
  DRIVE_FIELDS (c, 0), DRIVE_FIELDS (c, 1), STATE_U32 (Ide, channels[c].selected), \
  STATE_U8 (Ide, channels[c].control), STATE_I32 (Ide, channels[c].irq_level), \
  STATE_U8 (Ide, channels[c].bm_command), STATE_U8 (Ide, channels[c].bm_status), STATE_U32 (Ide, channels[c].bm_table)

const StateField ide_state_fields[] = { PCI_STATE_FIELDS (Ide), CHANNEL_FIELDS (0), CHANNEL_FIELDS (1), STATE_END };

static AtaDrive *
drive_number (Ide *d, unsigned i)
{
  return &d->channels[i / IDE_UNITS].drives[i % IDE_UNITS];
}

void
ide_before_save (Device *dev)
{
  for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++)
    {
      AtaDrive *drive = drive_number ((Ide *) dev, i);

      drive->saved_kind = drive->kind;
    }
}

gboolean
ide_before_load (Device *dev, GError **error)
{
  for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++)
    {
      if (drive_number ((Ide *) dev, i)->busy)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "drive ide%u is at work", i);
          return FALSE;
        }
    }
  return TRUE;
}

/* A request that is to be sent again. */
static gboolean
request_is_sound (const AtaDrive *d)
{
  if (d->disk == NULL || !(d->status & STATUS_BSY) || d->status & STATUS_DRQ)
    return FALSE;
  if (d->kind == ATA_CDROM)
    return d->then == ATA_THEN_PACKET_DATA && d->request_op == DISK_READ && d->reply <= d->left &&
           d->reply <= BUFFER_SIZE / CD_SECTOR && d->request_length == d->reply * CD_SECTOR;
  switch (d->then)
    {
    case ATA_THEN_PIO_READ:
    case ATA_THEN_DMA_READ:
      return d->request_op == DISK_READ && d->chunk <= d->left && d->request_length == d->chunk * ATA_SECTOR;
    case ATA_THEN_PIO_WRITTEN:
    case ATA_THEN_DMA_WRITTEN:
      return d->request_op == DISK_WRITE && d->chunk <= d->left && d->request_length == d->chunk * ATA_SECTOR;
    case ATA_THEN_TRIM:
      return d->request_op == DISK_DISCARD && d->at % 8 == 0 && d->end % 8 == 0;
    case ATA_THEN_COMPLETE:
      return d->request_op == DISK_FLUSH;
    default:
      return FALSE;
    }
}

static gboolean
drive_is_sound (const AtaDrive *d)
{
  gboolean pio;

  if (d->saved_kind != d->kind || d->at > d->end || d->end > BUFFER_SIZE)
    return FALSE;
  if (d->kind == ATA_NONE)
    return d->phase == PHASE_IDLE && !d->busy;
  if (d->busy && !request_is_sound (d))
    return FALSE;
  if (d->kind == ATA_CDROM)
    return d->phase <= PHASE_DMA_IN && d->phase != PHASE_PIO_OUT && d->chunk <= BUFFER_SIZE &&
           (d->phase != PHASE_PIO_IN || d->end <= d->chunk) && (d->phase != PHASE_PACKET || d->end == PACKET_SIZE);
  pio = d->busy ? d->then == ATA_THEN_PIO_READ || d->then == ATA_THEN_PIO_WRITTEN
                : d->phase == PHASE_PIO_IN || d->phase == PHASE_PIO_OUT;
  if (pio && (d->chunk > d->left || (d->left > 0 && d->pio_block == 0)))
    return FALSE;
  return d->phase <= PHASE_DMA_OUT && d->phase != PHASE_PACKET && d->chunk <= BUFFER_SECTORS &&
         d->multiple <= MULTIPLE_MAX && d->pio_block <= MULTIPLE_MAX && d->heads >= 1 && d->heads <= ATA_HEADS_MAX &&
         d->sectors >= 1 && d->sectors <= ATA_SECTORS_MAX;
}

gboolean
ide_after_load (Device *dev, GError **error)
{
  Ide *d = (Ide *) dev;
  gboolean ok = d->channels[0].selected < IDE_UNITS && d->channels[1].selected < IDE_UNITS;

  for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++)
    ok = ok && drive_is_sound (drive_number (d, i));
  if (!ok)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "saved state of %s: it is damaged, or of a machine with other drives", dev->type->name);
      return FALSE;
    }
  pci_device_loaded (&d->parent);
  for (unsigned i = 0; i < IDE_CHANNELS; i++)
    ide_drive_irq (&d->channels[i]);
  for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++)
    {
      if (drive_number (d, i)->busy)
        ata_resubmit (drive_number (d, i));
    }
  return TRUE;
}
