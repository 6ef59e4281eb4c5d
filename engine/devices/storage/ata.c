/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all ATA and ATAPI drives do alike: endings, resets, the connection to their disks. Specification: see ata.h. */

#include "engine/devices/storage/ata.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum { HEADS = 16, SECTORS_EACH = 63 };

void
ata_drive_init (AtaDrive *drive, const AtaHost *host, MachineLock *lock, DiskCounters *counters, unsigned number)
{
  drive->host = host;
  drive->lock = lock;
  drive->counters = counters;
  g_snprintf (drive->serial, sizeof drive->serial, "BN%05u", number + 1);
}

void
ata_drive_exit (AtaDrive *drive)
{
  /* Others may hold on to the disk; it must not work on the buffer any more, and what it could not carry out is no more. */
  if (drive->busy)
    {
      disk_drain (drive->disk);
      disk_withdraw (drive->disk, &drive->request);
    }
  g_clear_pointer (&drive->disk, disk_unref);
}

void
ata_attention (AtaDrive *drive)
{
  drive->host->attention (drive);
}

gboolean
ata_dma_ready (AtaDrive *drive)
{
  return drive->host->dma_ready (drive);
}

gboolean
ata_dma_transfer (AtaDrive *drive, uint32_t bytes, gboolean to_memory)
{
  return drive->host->dma_transfer (drive, bytes, to_memory);
}

void
ata_dma_end (AtaDrive *drive, gboolean failed)
{
  drive->host->dma_end (drive, failed);
}

void
ata_execute (AtaDrive *drive, uint8_t command)
{
  drive->command = command;
  drive->error = 0;
  if (drive->kind == ATA_DISK)
    ata_command (drive, command);
  else
    atapi_command (drive, command);
}

void
ata_block_done (AtaDrive *drive)
{
  if (drive->phase == PHASE_PACKET)
    {
      memcpy (drive->packet, drive->buffer, PACKET_SIZE);
      atapi_packet (drive);
    }
  else if (drive->kind == ATA_DISK)
    ata_pio_done (drive);
  else
    atapi_pio_done (drive);
}

void
ata_complete (AtaDrive *drive)
{
  drive->phase = PHASE_IDLE;
  drive->status = STATUS_DRDY | STATUS_DSC;
  ata_attention (drive);
}

void
ata_abort (AtaDrive *drive, uint8_t error)
{
  drive->phase = PHASE_IDLE;
  drive->error = error;
  drive->status = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
  ata_attention (drive);
}

void
ata_pio (AtaDrive *drive, AtaPhase phase, uint32_t bytes)
{
  drive->phase = phase;
  drive->at = 0;
  drive->end = bytes;
  drive->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
}

/* What the task file holds after a reset or a diagnostic: what kind of device this is. */
void
ata_set_signature (AtaDrive *drive)
{
  drive->count[0] = drive->lba_low[0] = 1;
  drive->lba_mid[0] = drive->kind == ATA_CDROM ? 0x14 : 0;
  drive->lba_high[0] = drive->kind == ATA_CDROM ? 0xeb : 0;
  drive->device &= (uint8_t) DEVICE_UNIT;
}

void
ata_reset_drive (AtaDrive *drive)
{
  drive->phase = PHASE_IDLE;
  if (drive->busy)
    drive->cancelled = TRUE;
  drive->error = 1; /* the diagnostic passed */
  drive->multiple = 0;
  drive->dma_mode = 0x22;
  drive->status = drive->busy ? STATUS_BSY : drive->kind == ATA_DISK ? STATUS_DRDY | STATUS_DSC : 0;
  ata_set_signature (drive);
}

static void
disk_done (DiskRequest *request)
{
  AtaDrive *drive = request->opaque;
  MachineLock *lock = drive->lock;

  machine_lock_take (lock);
  drive->busy = FALSE;
  if (drive->cancelled)
    {
      /* The reset that came in between ends here. */
      drive->cancelled = FALSE;
      ata_reset_drive (drive);
      if (drive->host->in_reset (drive))
        drive->status = STATUS_BSY;
    }
  else if (drive->kind == ATA_DISK)
    ata_disk_done (drive, request->error);
  else
    atapi_disk_done (drive, request->error);
  if (drive->host->request_done != NULL)
    drive->host->request_done (drive);
  machine_lock_release (lock);
}

void
ata_submit (AtaDrive *drive, DiskOp op, uint64_t offset, uint32_t length, AtaThen then)
{
  drive->status = STATUS_BSY | STATUS_DRDY | STATUS_DSC;
  drive->busy = TRUE;
  drive->cancelled = FALSE;
  drive->then = then;
  drive->request_op = op;
  drive->request_offset = offset;
  drive->request_length = length;
  ata_resubmit (drive);
}

void
ata_resubmit (AtaDrive *drive)
{
  DiskCounters *counters = drive->counters;
  uint32_t op = drive->request_op, length = drive->request_length;

  drive->request = (DiskRequest) {
    .op = (DiskOp) op, .offset = drive->request_offset, .buffer = drive->buffer, .length = length, .done = disk_done,
    .opaque = drive
  };
  if (drive->kind == ATA_CDROM)
    counters->cd_reads++;
  else if (op == DISK_READ)
    {
      counters->reads++;
      counters->read_bytes += length;
    }
  else if (op == DISK_WRITE)
    {
      counters->writes++;
      counters->write_bytes += length;
    }
  disk_submit (drive->disk, &drive->request);
}

void
ata_put_string (uint8_t *out, const char *text, unsigned length)
{
  for (unsigned i = 0; i < length; i++)
    {
      char c = ' ';

      if (*text != '\0')
        c = *text++;
      out[i ^ 1] = (uint8_t) c;
    }
}

void
ata_power_on (AtaDrive *drive)
{
  drive->heads = HEADS;
  drive->sectors = SECTORS_EACH;
  drive->write_cache = TRUE;
  drive->mmc.locked = FALSE;
  ata_reset_drive (drive);
}

gboolean
ata_set_disc (AtaDrive *drive, Disk *disk, gboolean force, GMainContext *context, const char *name, GError **error)
{
  if (drive->mmc.locked && drive->disk != NULL && !force)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("the guest has locked the disc in drive %s"), name);
      return FALSE;
    }
  if (drive->busy)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("drive %s is reading: try again"), name);
      return FALSE;
    }
  g_clear_pointer (&drive->disk, disk_unref);
  if (disk != NULL)
    {
      drive->disk = disk_ref (disk);
      disk_set_context (disk, context);
    }
  drive->mmc.locked = FALSE;
  mmc_disc_changed (&drive->mmc, disk != NULL);
  return TRUE;
}
