/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The floppy controller's data transfers: runs of sectors of one track pass
 * between the image, the buffer and the guest, by DMA or by the data port.
 * Specification: Intel 82077AA data sheet, chapter 5.1 (data transfer commands).
 */

#include "engine/devices/storage/floppy-private.h"

#include <string.h>

static void next_run (Floppy *f);

static uint8_t
status0 (const Floppy *f)
{
  return (uint8_t) (f->unit | f->side << 2);
}

/* The transfer is over: three status bytes and where it ended. */
static void
finish (Floppy *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
  const uint8_t bytes[] = {
    (uint8_t) (status0 (f) | st0), st1, f->deleted ? st2 | ST2_CONTROL_MARK : st2, f->cylinder, f->head, f->sector,
    f->size_code
  };

  f->transfer = FLOPPY_NONE;
  f->data_wanted = FALSE;
  i8237_set_request (f->dma, FLOPPY_DMA, FALSE);
  floppy_result (f, bytes, sizeof bytes);
  floppy_raise_irq (f);
}

static void
fail (Floppy *f, uint8_t st1, uint8_t st2)
{
  finish (f, ST0_ABNORMAL, st1, st2);
}

void
floppy_media_lost (Floppy *f)
{
  fail (f, ST1_MISSING_ADDRESS, 0);
}

/* Past @sectors of this track, as the result reports it. */
static void
advance (Floppy *f, uint32_t sectors)
{
  f->sector = (uint8_t) (f->sector + sectors);
  if (f->sector <= f->last)
    return;
  f->sector = 1;
  if (!f->multi_track)
    f->cylinder++;
  else if (f->head == 0)
    f->head = 1;
  else
    {
      f->head = 0;
      f->cylinder++;
    }
}

/* What the disk in the drive is, or NULL (the command has then failed). */
static FloppyDrive *
check_media (Floppy *f)
{
  FloppyDrive *drive = floppy_drive (f, f->unit);

  if (drive != NULL && drive->geometry != NULL && f->head < drive->geometry->heads &&
      drive->cylinder < drive->geometry->cylinders * 2 &&
      floppy_rate_fits (drive->geometry, (FloppyRate) f->rate))
    return drive;
  fail (f, ST1_MISSING_ADDRESS, 0);
  return NULL;
}

/* Takes the address from the parameters; FALSE when no such sector is under the heads (the command has then failed). */
static gboolean
decode_address (Floppy *f, gboolean write)
{
  const uint8_t *p = f->fifo;
  FloppyDrive *drive;
  const FloppyGeometry *g;

  f->multi_track = p[0] >> 7;
  f->unit = p[1] & 3;
  f->head = f->side = p[1] >> 2 & 1;
  f->cylinder = p[2];
  f->sector = p[4];
  f->size_code = p[5];
  f->last = p[6];
  drive = check_media (f);
  if (drive == NULL)
    return FALSE;
  g = drive->geometry;
  if (f->config & CONFIG_IMPLIED_SEEK)
    floppy_seek (f, f->unit, f->cylinder);
  /* A drive with 80 cylinders finds those of a 40-cylinder disk at every second. */
  if (f->cylinder >= g->cylinders ||
      (f->cylinder != drive->cylinder && !(g->cylinders == 40 && f->cylinder * 2 == drive->cylinder)))
    fail (f, ST1_NO_DATA, ST2_WRONG_CYLINDER);
  else if (p[3] != f->head || f->sector == 0 || f->sector > g->track || f->size_code != FLOPPY_SIZE_CODE)
    fail (f, ST1_NO_DATA, 0);
  else if (write && disk_is_read_only (drive->disk))
    fail (f, ST1_NOT_WRITABLE, 0);
  else
    return TRUE;
  return FALSE;
}

/* The disk */

static void read_done (Floppy *f);
static void write_done (Floppy *f);

static void
request_done (DiskRequest *request)
{
  Floppy *f = request->opaque;
  MachineLock *lock = f->parent.env.lock;

  machine_lock_take (lock);
  f->busy = FALSE;
  if (f->cancelled)
    {
      f->cancelled = FALSE;
      floppy_reset_done (f);
    }
  else if (request->error != NULL)
    {
      g_debug ("%s", request->error->message);
      fail (f, ST1_DATA_ERROR, ST2_DATA_ERROR);
    }
  else if (request->op == DISK_READ)
    read_done (f);
  else
    write_done (f);
  machine_lock_release (lock);
}

static uint64_t
offset_of (Floppy *f, FloppyDrive *drive)
{
  const FloppyGeometry *g = drive->geometry;

  return (((uint64_t) f->cylinder * g->heads + f->head) * g->track + f->sector - 1) * FLOPPY_SECTOR;
}

void
floppy_resubmit (Floppy *f)
{
  FloppyDrive *drive = floppy_drive (f, f->unit);

  f->request = (DiskRequest) {
    .op = (DiskOp) f->request_op, .offset = f->request_offset, .buffer = f->buffer, .length = f->request_length,
    .done = request_done, .opaque = f
  };
  if (f->request_op == DISK_READ)
    f->counters.reads++;
  else
    {
      f->counters.writes++;
      drive->unflushed = TRUE;
    }
  disk_submit (drive->disk, &f->request);
}

/* Reads or writes the run at the current address. An image may be shorter than its disk: what it lacks reads as zeros
 * and cannot be written. */
static void
submit (Floppy *f, DiskOp op)
{
  FloppyDrive *drive = floppy_drive (f, f->unit);
  uint64_t offset = offset_of (f, drive), size = disk_size (drive->disk);
  uint32_t length = f->run * FLOPPY_SECTOR;

  f->data_wanted = FALSE;
  if (offset >= size || length > size - offset)
    {
      if (op == DISK_WRITE)
        {
          fail (f, ST1_NO_DATA, 0);
          return;
        }
      memset (f->buffer, 0, length);
      length = (uint32_t) (offset < size ? size - offset : 0);
      if (length == 0)
        {
          read_done (f);
          return;
        }
    }
  f->busy = TRUE;
  f->request_op = op;
  f->request_offset = offset;
  f->request_length = length;
  floppy_resubmit (f);
}

/* The guest's side */

static void buffer_moved (Floppy *f);

gboolean
floppy_pio_ready (const Floppy *f)
{
  return f->phase == FLOPPY_EXECUTION && f->data_wanted && !floppy_uses_dma (f);
}

uint8_t
floppy_pio_read (Floppy *f)
{
  uint8_t value = f->buffer[f->at++];

  floppy_lower_irq (f);
  if (f->at == f->end)
    buffer_moved (f);
  else
    floppy_raise_irq (f);
  return value;
}

void
floppy_pio_write (Floppy *f, uint8_t value)
{
  f->buffer[f->at++] = value;
  floppy_lower_irq (f);
  if (f->at == f->end)
    buffer_moved (f);
  else
    floppy_raise_irq (f);
}

static void
move_by_dma (Floppy *f)
{
  uint8_t *data = f->buffer + f->at;
  uint32_t left = f->end - f->at;

  f->at += f->transfer == FLOPPY_READ ? i8237_to_memory (f->dma, FLOPPY_DMA, data, left, &f->terminal_count)
                                      : i8237_from_memory (f->dma, FLOPPY_DMA, data, left, &f->terminal_count);
  if (f->at == f->end || f->terminal_count)
    buffer_moved (f);
}

void
floppy_dma_granted (void *opaque)
{
  Floppy *f = opaque;

  if (f->phase == FLOPPY_EXECUTION && f->data_wanted && !f->busy && floppy_uses_dma (f))
    move_by_dma (f);
}

/* Has the guest move @bytes to or from the buffer. */
static void
want_data (Floppy *f, uint32_t bytes)
{
  f->at = 0;
  f->end = bytes;
  f->terminal_count = FALSE;
  f->data_wanted = TRUE;
  if (!floppy_uses_dma (f))
    {
      floppy_raise_irq (f);
      return;
    }
  i8237_set_request (f->dma, FLOPPY_DMA, TRUE);
  if (i8237_ready (f->dma, FLOPPY_DMA))
    move_by_dma (f);
}

/* Runs */

/* The sectors of the run that @bytes of data have touched. */
static uint32_t
sectors_touched (uint32_t bytes)
{
  return (bytes + FLOPPY_SECTOR - 1) / FLOPPY_SECTOR;
}

static void
read_done (Floppy *f)
{
  want_data (f, f->run * FLOPPY_SECTOR);
}

/* After a run: on with the next, or the end. */
static void
run_moved (Floppy *f, uint32_t sectors)
{
  const FloppyGeometry *g = floppy_drive (f, f->unit)->geometry;
  unsigned end = f->sector + sectors;
  gboolean other_side = end > f->last && f->multi_track && f->head == 0 && g->heads == 2;

  if (f->terminal_count || f->deleted)
    {
      advance (f, sectors);
      finish (f, 0, 0, 0);
    }
  else if (end > g->track && f->last != g->track)
    {
      /* EOT names a sector that the track does not have. */
      f->sector = (uint8_t) end;
      fail (f, ST1_NO_DATA, 0);
    }
  else if (end <= f->last || other_side)
    {
      advance (f, sectors);
      next_run (f);
    }
  else
    {
      /* Nobody said that it was enough. */
      advance (f, sectors);
      fail (f, ST1_END, 0);
    }
}

static void
format_track (Floppy *f)
{
  const FloppyGeometry *g = floppy_drive (f, f->unit)->geometry;

  /* The layout of an image is fixed: what the guest lays out must be it. */
  for (uint32_t i = 0; i + 4 <= f->at; i += 4)
    {
      if (f->buffer[i + 2] == 0 || f->buffer[i + 2] > g->track || f->buffer[i + 3] != FLOPPY_SIZE_CODE)
        {
          fail (f, ST1_NO_DATA, 0);
          return;
        }
    }
  f->cylinder = MIN (floppy_drive (f, f->unit)->cylinder, g->cylinders - 1);
  f->sector = 1;
  f->run = g->track;
  memset (f->buffer, f->fill, (size_t) f->run * FLOPPY_SECTOR);
  submit (f, DISK_WRITE);
}

/* The guest has moved the buffer, or as much of it as it wanted. */
static void
buffer_moved (Floppy *f)
{
  f->data_wanted = FALSE;
  i8237_set_request (f->dma, FLOPPY_DMA, FALSE);
  switch (f->transfer)
    {
    case FLOPPY_READ:
      run_moved (f, sectors_touched (f->at));
      break;
    case FLOPPY_WRITE:
      f->run = sectors_touched (f->at);
      /* The rest of a sector that was begun is zeros. */
      memset (f->buffer + f->at, 0, (size_t) f->run * FLOPPY_SECTOR - f->at);
      submit (f, DISK_WRITE);
      break;
    default:
      format_track (f);
      break;
    }
}

static void
write_done (Floppy *f)
{
  if (f->transfer == FLOPPY_FORMAT)
    finish (f, 0, 0, 0);
  else
    run_moved (f, f->run);
}

static void
next_run (Floppy *f)
{
  const FloppyGeometry *g = floppy_drive (f, f->unit)->geometry;
  unsigned last = f->last >= f->sector && f->last <= g->track ? f->last : g->track;

  f->side = f->head;
  f->run = last - f->sector + 1;
  if (f->deleted)
    f->run = 1;
  if (floppy_uses_dma (f) && i8237_ready (f->dma, FLOPPY_DMA))
    f->run = MIN (f->run, sectors_touched (i8237_remaining (f->dma, FLOPPY_DMA)));
  if (f->transfer == FLOPPY_READ)
    submit (f, DISK_READ);
  else
    want_data (f, f->run * FLOPPY_SECTOR);
}

/* Commands */

void
floppy_start_transfer (Floppy *f, FloppyTransfer transfer)
{
  f->phase = FLOPPY_EXECUTION;
  f->transfer = transfer;
  if (decode_address (f, transfer == FLOPPY_WRITE))
    next_run (f);
}

void
floppy_start_format (Floppy *f)
{
  const uint8_t *p = f->fifo;
  FloppyDrive *drive;

  f->phase = FLOPPY_EXECUTION;
  f->transfer = FLOPPY_FORMAT;
  f->multi_track = f->deleted = FALSE;
  f->unit = p[1] & 3;
  f->head = f->side = p[1] >> 2 & 1;
  f->size_code = p[2];
  f->last = p[3];
  f->fill = p[5];
  f->cylinder = f->sector = 0;
  drive = check_media (f);
  if (drive == NULL)
    return;
  if (disk_is_read_only (drive->disk))
    fail (f, ST1_NOT_WRITABLE, 0);
  else if (f->size_code != FLOPPY_SIZE_CODE || f->last != drive->geometry->track)
    fail (f, ST1_NO_DATA, 0);
  else
    want_data (f, f->last * 4u);
}

/* Reads without moving data: the range is there or not. */
void
floppy_verify (Floppy *f)
{
  f->phase = FLOPPY_EXECUTION;
  f->transfer = FLOPPY_READ;
  f->deleted = FALSE;
  if (!decode_address (f, FALSE))
    return;
  if (f->last < f->sector || f->last > floppy_drive (f, f->unit)->geometry->track)
    fail (f, ST1_NO_DATA, 0);
  else
    {
      advance (f, f->last - f->sector + 1u);
      finish (f, 0, 0, 0);
    }
}

void
floppy_read_id (Floppy *f)
{
  FloppyDrive *drive;

  f->phase = FLOPPY_EXECUTION;
  f->transfer = FLOPPY_READ;
  f->deleted = FALSE;
  f->unit = f->fifo[1] & 3;
  f->head = f->side = f->fifo[1] >> 2 & 1;
  f->cylinder = f->sector = f->size_code = 0;
  drive = check_media (f);
  if (drive == NULL)
    return;
  /* Any one that comes by: each time the next. */
  drive->id_sector = (uint8_t) (drive->id_sector % drive->geometry->track + 1);
  f->cylinder = drive->cylinder;
  f->sector = drive->id_sector;
  f->size_code = FLOPPY_SIZE_CODE;
  finish (f, 0, 0, 0);
}
