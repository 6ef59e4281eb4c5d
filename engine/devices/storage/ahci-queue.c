/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Native command queuing: up to 32 reads and writes at once, each with a
 * request of its own at the disk, and the log of what failed. The disk works
 * on the guest's memory itself, in parts that end in a bounded time, because a
 * reset waits for them; where that is no plain memory, on a buffer, in smaller
 * ones.
 * Specification: Serial ATA 3.0, chapter 13.6; ATA8-ACS, annex A.
 */

#include "engine/devices/storage/ahci-private.h"

#include <string.h>

enum { PART_SECTORS = 8192, BUFFER_PART_SECTORS = 512, LBA48_FUA = 1 << 7, LOG_DIRECTORY = 0x00, LOG_QUEUED_ERROR = 0x10, ALL_SECTORS = 65536,
       CHECKSUM = 511 };

static void next (AhciTag *t);

static void
release (AhciTag *t)
{
  t->busy = FALSE;
  t->cancelled = FALSE;
  guest_pieces_empty (&t->pieces);
  g_clear_pointer (&t->buffer, disk_buffer_free);
}

/* A set device bits FIS: tags that are done, and the status without BSY and DRQ, which it leaves alone. */
static void
post_device_bits (AhciPort *port, uint32_t done)
{
  AtaDrive *d = &port->drive;
  uint8_t fis[8] = { FIS_SET_DEVICE_BITS, FIS_INTERRUPT, d->status & 0x77, d->error };

  pci_set_long (fis + 4, done);
  port->sact &= ~done;
  ahci_post (port, RX_SET_DEVICE_BITS, fis, sizeof fis);
  port->tfd = (port->tfd & (STATUS_BSY | STATUS_DRQ)) | (d->status & 0x77) | (uint32_t) d->error << 8;
  port->is |= IS_SDBS;
}

/* One interrupt for all that were done together. */
static void
tell_done (AhciPort *port)
{
  uint32_t done = port->untold;

  if (done == 0)
    return;
  port->untold = 0;
  port->drive.status = STATUS_DRDY | STATUS_DSC;
  port->drive.error = 0;
  post_device_bits (port, done);
}

/* The drive stops at a queued command that fails, and aborts all others. */
static void
fail (AhciTag *t, uint8_t error)
{
  AhciPort *port = t->port;
  AtaDrive *d = &port->drive;

  tell_done (port);
  port->failed_tag = (uint8_t) t->number;
  port->failed_error = error;
  port->failed_lba = t->lba;
  release (t);
  ahci_cancel (port);
  d->status = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
  d->error = error;
  post_device_bits (port, 0);
  ahci_halt (port, IS_TFES);
}

static void
request_done (DiskRequest *request)
{
  AhciTag *t = (AhciTag *) ((uint8_t *) request - offsetof (AhciTag, request));
  AhciPort *port = request->opaque;
  MachineLock *lock = port->ahci->parent.parent.env.lock;
  gboolean more = request->more;

  /* Only this thread asks, and nothing else of it comes in between. */
  if (!port->is_batch)
    machine_lock_take (lock);
  port->is_batch = more;
  t->busy = FALSE;
  /* A failed read, too, may have written some. */
  guest_pieces_written (&t->pieces, &port->ahci->parent);
  if (t->cancelled)
    release (t);
  else if (request->error != NULL)
    {
      g_debug ("%s", request->error->message);
      fail (t, ERROR_UNC);
    }
  else if (!t->write && t->pieces.count == 0 &&
           ahci_move (port, &t->table, t->buffer, t->chunk * ATA_SECTOR, TRUE) < t->chunk * ATA_SECTOR)
    fail (t, ERROR_ABRT);
  else
    {
      if (t->pieces.count > 0 && t->interrupt)
        port->is |= IS_DPS;
      t->lba += t->chunk;
      t->left -= t->chunk;
      next (t);
    }
  if (more)
    return;
  tell_done (port);
  ahci_process (port);
  machine_lock_release (lock);
}

/* Where the next part of the data is, or is to go: the guest's memory, or the buffer, once and for all. FALSE: the guest
 * has not given as much. */
static gboolean
find_data (AhciTag *t)
{
  AhciPort *port = t->port;
  uint32_t bytes;

  t->chunk = MIN (t->left, PART_SECTORS);
  if (t->buffer == NULL && ahci_map (port, &t->table, &t->pieces, t->chunk * ATA_SECTOR, !t->write, &t->interrupt))
    return TRUE;
  t->chunk = MIN (t->left, BUFFER_PART_SECTORS);
  bytes = t->chunk * ATA_SECTOR;
  if (t->buffer == NULL)
    t->buffer = disk_buffer_new (bytes);
  return !t->write || ahci_move (port, &t->table, t->buffer, bytes, FALSE) == bytes;
}

static void
next (AhciTag *t)
{
  AhciPort *port = t->port;
  DiskCounters *counters = &port->ahci->counters;
  uint32_t bytes;

  if (t->left == 0)
    {
      release (t);
      port->queued &= ~(1u << t->number);
      port->untold |= 1u << t->number;
      return;
    }
  if (!find_data (t))
    {
      fail (t, ERROR_ABRT);
      return;
    }
  bytes = t->chunk * ATA_SECTOR;
  t->request = (DiskRequest) {
    .op = t->write ? DISK_WRITE : DISK_READ, .force = t->force, .offset = t->lba * ATA_SECTOR, .buffer = t->buffer,
    .vector = t->pieces.pieces, .vector_count = t->pieces.count, .length = bytes, .done = request_done, .opaque = port
  };
  *(t->write ? &counters->writes : &counters->reads) += 1;
  *(t->write ? &counters->write_bytes : &counters->read_bytes) += bytes;
  t->busy = TRUE;
  disk_submit (port->drive.disk, &t->request);
}

static void
begin (AhciPort *port, unsigned slot, const AhciTable *table, const uint8_t *fis)
{
  AtaDrive *d = &port->drive;
  AhciTag *t = &port->tags[slot];
  uint64_t sectors = disk_size (d->disk) / ATA_SECTOR;

  t->table = *table;
  t->write = fis[2] == NCQ_WRITE;
  t->force = t->write && (fis[7] & LBA48_FUA || !d->write_cache);
  t->lba = (uint64_t) fis[4] | (uint64_t) fis[5] << 8 | (uint64_t) fis[6] << 16 | (uint64_t) fis[8] << 24 |
           (uint64_t) fis[9] << 32 | (uint64_t) fis[10] << 40;
  t->left = fis[3] | (uint32_t) fis[11] << 8;
  if (t->left == 0)
    t->left = ALL_SECTORS;
  if (t->lba >= sectors || t->left > sectors - t->lba)
    fail (t, ERROR_IDNF);
  else
    next (t);
}

/* Whether the FIS is a queued command of this slot. */
static gboolean
is_of_slot (const uint8_t *fis, unsigned slot)
{
  return fis[0] == FIS_H2D && fis[1] & FIS_IS_COMMAND && (fis[2] == NCQ_READ || fis[2] == NCQ_WRITE) && fis[12] >> 3 == slot;
}

void
ahci_queue_start (AhciPort *port, unsigned slot, const AhciTable *table, const uint8_t *fis)
{
  AtaDrive *d = &port->drive;
  uint32_t bit = 1u << slot;

  if (!is_of_slot (fis, slot) || !(port->sact & bit) || port->queued & bit)
    {
      ata_abort (d, ERROR_ABRT);
      ahci_post_registers (port, TRUE);
      return;
    }
  /* Accepted: the slot is free again, the tag is not. */
  port->queued |= bit;
  port->ci &= ~bit;
  d->status = STATUS_DRDY | STATUS_DSC;
  d->error = 0;
  ahci_post_registers (port, FALSE);
  begin (port, slot, table, fis);
}

void
ahci_queue_restart (AhciPort *port, unsigned slot)
{
  uint8_t fis[CFIS_SIZE];
  AhciTable table;
  uint32_t flags;

  if (ahci_read_slot (port, slot, &table, fis, &flags) && is_of_slot (fis, slot))
    begin (port, slot, &table, fis);
  else
    fail (&port->tags[slot], ERROR_ABRT);
}

void
ahci_queue_cancel (AhciPort *port)
{
  for (unsigned i = 0; i < SLOTS; i++)
    {
      AhciTag *t = &port->tags[i];

      t->cancelled = t->busy;
      if (!t->busy || t->pieces.count == 0)
        continue;
      /* The memory may become anything from now on; until now it may have been read into. */
      disk_recall (port->drive.disk, &t->request);
      guest_pieces_written (&t->pieces, &port->ahci->parent);
      guest_pieces_empty (&t->pieces);
    }
}

void
ahci_queue_exit (AhciPort *port)
{
  /* Others may hold on to the disk; it must not work on what is ours any more, and what it could not carry out is no
   * more. */
  if (port->drive.disk != NULL)
    disk_drain (port->drive.disk);
  for (unsigned i = 0; i < SLOTS; i++)
    {
      AhciTag *t = &port->tags[i];

      if (t->busy)
        disk_withdraw (port->drive.disk, &t->request);
      release (t);
      guest_pieces_free (&t->pieces);
    }
}

/* Page 10h tells which queued command failed, and lets the drive take commands again. */
static void
put_queued_error (AhciPort *port, uint8_t *b)
{
  uint8_t sum = 0;

  b[0] = port->failed_tag != NO_SLOT ? port->failed_tag : 0x80; /* no queued command */
  b[2] = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
  b[3] = port->failed_error;
  b[4] = (uint8_t) port->failed_lba;
  b[5] = (uint8_t) (port->failed_lba >> 8);
  b[6] = (uint8_t) (port->failed_lba >> 16);
  b[7] = DEVICE_LBA;
  b[8] = (uint8_t) (port->failed_lba >> 24);
  b[9] = (uint8_t) (port->failed_lba >> 32);
  b[10] = (uint8_t) (port->failed_lba >> 40);
  for (unsigned i = 0; i < CHECKSUM; i++)
    sum += b[i];
  b[CHECKSUM] = (uint8_t) -sum;
  port->failed_tag = NO_SLOT;
}

void
ahci_read_log (AhciPort *port)
{
  AtaDrive *d = &port->drive;
  uint8_t *b = d->buffer, page = d->lba_low[0];

  d->command = READ_LOG_EXT;
  d->error = 0;
  if ((page != LOG_DIRECTORY && page != LOG_QUEUED_ERROR) || d->lba_mid[0] != 0 || d->lba_mid[1] != 0 ||
      d->count[0] != 1 || d->count[1] != 0)
    {
      ata_abort (d, ERROR_ABRT);
      return;
    }
  memset (b, 0, ATA_SECTOR);
  if (page == LOG_QUEUED_ERROR)
    put_queued_error (port, b);
  else
    {
      b[0] = 1;                    /* version */
      b[2 * LOG_QUEUED_ERROR] = 1; /* pages */
    }
  d->left = 0;
  d->chunk = 0;
  ata_pio (d, PHASE_PIO_IN, ATA_SECTOR);
}
