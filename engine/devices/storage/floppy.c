/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82077AA floppy disk controller: registers, commands, drives. Specification: see floppy-private.h. */

#include "engine/devices/storage/floppy-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  PORT_FLOPPY = 0x3f2, PORT_COUNT = 4, PORT_DIR = 0x3f7, IRQ_FLOPPY = 6,
  REG_DOR = 0, REG_TDR = 1, REG_MSR = 2, REG_FIFO = 3, REG_DSR = REG_MSR,
  DSR_RESET = 1 << 7, DIR_CHANGED = 1 << 7,
  MSR_BUSY = 1 << 4, MSR_NON_DMA = 1 << 5, MSR_DIO = 1 << 6, MSR_RQM = 1 << 7,
  CMD_READ_TRACK = 0x02, CMD_SPECIFY = 0x03, CMD_SENSE_DRIVE = 0x04, CMD_WRITE = 0x05, CMD_READ = 0x06,
  CMD_RECALIBRATE = 0x07,
  CMD_SENSE_INTERRUPT = 0x08, CMD_WRITE_DELETED = 0x09, CMD_READ_ID = 0x0a, CMD_READ_DELETED = 0x0c, CMD_FORMAT = 0x0d,
  CMD_DUMP_REGISTERS = 0x0e, CMD_SEEK = 0x0f, CMD_VERSION = 0x10, CMD_PERPENDICULAR = 0x12, CMD_CONFIGURE = 0x13,
  CMD_LOCK = 0x14,
  CMD_VERIFY = 0x16, CMD_RELATIVE_SEEK = 0x8f, RELATIVE_IN = 0x40, VERSION_82077AA = 0x90,
  CYLINDERS_REACHED = 85, CONFIG_DEFAULT = CONFIG_NO_FIFO
};

FloppyDrive *
floppy_drive (Floppy *f, unsigned unit)
{
  return unit < FLOPPY_DRIVES && f->drives[unit].present ? &f->drives[unit] : NULL;
}

gboolean
floppy_uses_dma (const Floppy *f)
{
  return !(f->specify[1] & SPECIFY2_NON_DMA);
}

/* Interrupts */

static void
drive_irq (Floppy *f)
{
  irq_set (&f->parent.env.isa_irq[IRQ_FLOPPY], f->irq_level && f->dor & DOR_DMA_GATE);
}

void
floppy_raise_irq (Floppy *f)
{
  f->irq_level = 1;
  drive_irq (f);
}

void
floppy_lower_irq (Floppy *f)
{
  f->irq_level = 0;
  drive_irq (f);
}

void
floppy_result (Floppy *f, const uint8_t *bytes, unsigned count)
{
  if (count > 0)
    memcpy (f->fifo, bytes, count);
  f->fifo_at = 0;
  f->fifo_length = (uint8_t) count;
  f->phase = count > 0 ? FLOPPY_RESULT : FLOPPY_COMMAND;
}

/* Resets */

static void
set_defaults (Floppy *f)
{
  f->phase = FLOPPY_COMMAND;
  f->transfer = FLOPPY_NONE;
  f->fifo_at = f->fifo_length = 0;
  f->data_wanted = FALSE;
  f->perpendicular &= 0x3c;
  /* LOCK keeps the FIFO's settings only. */
  f->config = f->lock ? f->config & (CONFIG_NO_FIFO | CONFIG_THRESHOLD) : CONFIG_DEFAULT;
  if (!f->lock)
    f->precompensation = 0;
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    f->drives[i].seek_done = FALSE;
  i8237_set_request (f->dma, FLOPPY_DMA, FALSE);
}

void
floppy_reset_done (Floppy *f)
{
  if (!(f->dor & DOR_NOT_RESET))
    return;
  f->resets_to_sense = FLOPPY_UNITS;
  floppy_raise_irq (f);
}

static void
begin_reset (Floppy *f)
{
  set_defaults (f);
  f->resets_to_sense = 0;
  floppy_lower_irq (f);
  if (f->busy)
    f->cancelled = TRUE; /* ends when the disk is done */
}

/* Drives */

gboolean
floppy_seek (Floppy *f, unsigned unit, unsigned cylinder)
{
  FloppyDrive *drive = floppy_drive (f, unit);

  if (drive == NULL)
    return FALSE;
  cylinder = MIN (cylinder, CYLINDERS_REACHED);
  /* A step with a disk inside makes the drive see that there is one. */
  if (cylinder != drive->cylinder && drive->disk != NULL)
    drive->changed = FALSE;
  drive->cylinder = (uint8_t) cylinder;
  return TRUE;
}

static void
flushed (DiskRequest *request)
{
  FloppyDrive *drive = request->opaque;
  MachineLock *lock = drive->controller->parent.env.lock;

  if (request->error != NULL)
    g_warning ("%s", request->error->message);
  machine_lock_take (lock);
  drive->flushing = FALSE;
  machine_lock_release (lock);
}

static void
flush (FloppyDrive *drive)
{
  drive->flushing = TRUE;
  drive->flush = (DiskRequest) { .op = DISK_FLUSH, .done = flushed, .opaque = drive };
  disk_submit (drive->disk, &drive->flush);
}

/* There is no command for it: what was written is made durable when the motor stops. */
static void
motor_stopped (FloppyDrive *drive)
{
  if (!drive->unflushed || drive->flushing || drive->disk == NULL)
    return;
  drive->unflushed = FALSE;
  flush (drive);
}

/* Commands */

static void
seek_ended (Floppy *f, unsigned unit, gboolean ok)
{
  uint8_t status = (uint8_t) (ST0_SEEK_END | unit);

  f->phase = FLOPPY_COMMAND;
  f->fifo_at = 0;
  if (unit < FLOPPY_DRIVES)
    {
      f->drives[unit].seek_done = TRUE;
      f->drives[unit].seek_status = ok ? status : status | ST0_ABNORMAL | ST0_EQUIPMENT_CHECK;
    }
  floppy_raise_irq (f);
}

static void
relative_seek (Floppy *f)
{
  unsigned unit = f->fifo[1] & 3, steps = f->fifo[2];
  FloppyDrive *drive = floppy_drive (f, unit);
  unsigned cylinder = drive != NULL ? drive->cylinder : 0;

  if (f->fifo[0] & RELATIVE_IN)
    cylinder += steps;
  else
    cylinder -= MIN (cylinder, steps);
  seek_ended (f, unit, floppy_seek (f, unit, cylinder));
}

static void
sense_interrupt (Floppy *f)
{
  uint8_t bytes[2] = { ST0_INVALID, 0 };
  unsigned count = 1;

  floppy_lower_irq (f);
  if (f->resets_to_sense > 0)
    {
      unsigned unit = (unsigned) (FLOPPY_UNITS - f->resets_to_sense--);

      bytes[0] = (uint8_t) (ST0_POLLING | unit);
      bytes[1] = unit < FLOPPY_DRIVES ? f->drives[unit].cylinder : 0;
      count = 2;
    }
  for (unsigned i = 0; i < FLOPPY_DRIVES && count == 1; i++)
    {
      FloppyDrive *drive = &f->drives[i];

      if (drive->seek_done)
        {
          drive->seek_done = FALSE;
          bytes[0] = drive->seek_status;
          bytes[1] = drive->cylinder;
          count = 2;
        }
    }
  floppy_result (f, bytes, count);
}

static void
sense_drive (Floppy *f)
{
  unsigned unit = f->fifo[1] & 3;
  const FloppyDrive *drive = floppy_drive (f, unit);
  uint8_t status = (uint8_t) (ST3_READY | ST3_TWO_SIDE | (f->fifo[1] & 7));

  if (drive != NULL && drive->cylinder == 0)
    status |= ST3_TRACK0;
  if (drive != NULL && drive->disk != NULL && disk_is_read_only (drive->disk))
    status |= ST3_WRITE_PROTECT;
  floppy_result (f, &status, 1);
}

static void
dump_registers (Floppy *f)
{
  const uint8_t bytes[] = {
    f->drives[0].cylinder, f->drives[1].cylinder, 0, 0, f->specify[0], f->specify[1], f->last,
    (uint8_t) (f->lock << 7 | f->perpendicular), f->config, f->precompensation
  };

  floppy_result (f, bytes, sizeof bytes);
}

/* Bytes of the command that begins with @code, itself included. */
static unsigned
command_length (uint8_t code)
{
  if ((code & ~RELATIVE_IN) == CMD_RELATIVE_SEEK)
    return 3;
  switch (code & 0x1f)
    {
    case CMD_READ_TRACK:
    case CMD_WRITE:
    case CMD_READ:
    case CMD_WRITE_DELETED:
    case CMD_READ_DELETED:
    case CMD_VERIFY:
      return 9;
    case CMD_FORMAT:
      return 6;
    case CMD_CONFIGURE:
      return 4;
    case CMD_SPECIFY:
    case CMD_SEEK:
      return 3;
    case CMD_SENSE_DRIVE:
    case CMD_RECALIBRATE:
    case CMD_READ_ID:
    case CMD_PERPENDICULAR:
      return 2;
    default:
      return 1;
    }
}

static void
read_track (Floppy *f)
{
  /* From the index on, whatever sector was asked for. */
  f->fifo[0] &= 0x7f;
  f->fifo[4] = 1;
  f->deleted = FALSE;
  floppy_start_transfer (f, FLOPPY_READ);
}

static void
execute (Floppy *f)
{
  const uint8_t *p = f->fifo;
  uint8_t byte;

  if ((p[0] & ~RELATIVE_IN) == CMD_RELATIVE_SEEK)
    {
      relative_seek (f);
      return;
    }
  f->deleted = (p[0] & 0x1f) == CMD_READ_DELETED;
  switch (p[0] & 0x1f)
    {
    case CMD_READ:
    case CMD_READ_DELETED:
      floppy_start_transfer (f, FLOPPY_READ);
      break;
    case CMD_WRITE:
    case CMD_WRITE_DELETED:
      floppy_start_transfer (f, FLOPPY_WRITE);
      break;
    case CMD_READ_TRACK:
      read_track (f);
      break;
    case CMD_VERIFY:
      floppy_verify (f);
      break;
    case CMD_FORMAT:
      floppy_start_format (f);
      break;
    case CMD_READ_ID:
      floppy_read_id (f);
      break;
    case CMD_SPECIFY:
      memcpy (f->specify, p + 1, 2);
      floppy_result (f, NULL, 0);
      break;
    case CMD_SENSE_DRIVE:
      sense_drive (f);
      break;
    case CMD_RECALIBRATE:
      seek_ended (f, p[1] & 3, floppy_seek (f, p[1] & 3, 0));
      break;
    case CMD_SEEK:
      seek_ended (f, p[1] & 3, floppy_seek (f, p[1] & 3, p[2]));
      break;
    case CMD_SENSE_INTERRUPT:
      sense_interrupt (f);
      break;
    case CMD_DUMP_REGISTERS:
      dump_registers (f);
      break;
    case CMD_VERSION:
      byte = VERSION_82077AA;
      floppy_result (f, &byte, 1);
      break;
    case CMD_PERPENDICULAR:
      f->perpendicular = p[1] & 0x80 ? p[1] & 0x3f : (f->perpendicular & 0x3c) | (p[1] & 3);
      floppy_result (f, NULL, 0);
      break;
    case CMD_CONFIGURE:
      f->config = p[2];
      f->precompensation = p[3];
      floppy_result (f, NULL, 0);
      break;
    case CMD_LOCK:
      f->lock = p[0] >> 7;
      byte = (uint8_t) (f->lock << 4);
      floppy_result (f, &byte, 1);
      break;
    default:
      byte = ST0_INVALID;
      floppy_result (f, &byte, 1);
      break;
    }
}

/* Registers */

static uint8_t
main_status (Floppy *f)
{
  uint8_t status = 0;

  if (!(f->dor & DOR_NOT_RESET) || f->cancelled)
    return 0;
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    status |= (uint8_t) (f->drives[i].seek_done ? 1u << i : 0);
  switch (f->phase)
    {
    case FLOPPY_COMMAND:
      return status | MSR_RQM | (f->fifo_at > 0 ? MSR_BUSY : 0);
    case FLOPPY_RESULT:
      return status | MSR_RQM | MSR_DIO | MSR_BUSY;
    default:
      status |= MSR_BUSY;
      if (!floppy_uses_dma (f))
        status |= MSR_NON_DMA;
      if (floppy_pio_ready (f))
        status |= f->transfer == FLOPPY_READ ? MSR_RQM | MSR_DIO : MSR_RQM;
      return status;
    }
}

static uint8_t
fifo_read (Floppy *f)
{
  uint8_t value;

  if (!(f->dor & DOR_NOT_RESET) || f->cancelled)
    return 0;
  if (f->phase == FLOPPY_EXECUTION && floppy_pio_ready (f) && f->transfer == FLOPPY_READ)
    return floppy_pio_read (f);
  if (f->phase != FLOPPY_RESULT)
    return 0;
  value = f->fifo[f->fifo_at++];
  floppy_lower_irq (f);
  if (f->fifo_at >= f->fifo_length)
    {
      f->phase = FLOPPY_COMMAND;
      f->fifo_at = 0;
    }
  return value;
}

static void
fifo_write (Floppy *f, uint8_t value)
{
  if (!(f->dor & DOR_NOT_RESET) || f->cancelled)
    return;
  if (f->phase == FLOPPY_EXECUTION && floppy_pio_ready (f) && f->transfer != FLOPPY_READ)
    {
      floppy_pio_write (f, value);
      return;
    }
  if (f->phase != FLOPPY_COMMAND)
    return;
  if (f->fifo_at == 0)
    f->fifo_length = (uint8_t) command_length (value);
  f->fifo[f->fifo_at++] = value;
  if (f->fifo_at >= f->fifo_length)
    {
      f->fifo_at = 0;
      execute (f);
    }
}

static void
write_dor (Floppy *f, uint8_t value)
{
  uint8_t old = f->dor;

  f->dor = value;
  if (old & DOR_NOT_RESET && !(value & DOR_NOT_RESET))
    begin_reset (f);
  else if (!(old & DOR_NOT_RESET) && value & DOR_NOT_RESET && !f->cancelled)
    floppy_reset_done (f);
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      if ((old & ~value) >> (DOR_MOTOR_SHIFT + i) & 1)
        motor_stopped (&f->drives[i]);
    }
  drive_irq (f);
}

static uint32_t
floppy_read (void *opaque, uint16_t offset, unsigned size)
{
  Floppy *f = opaque;

  switch (offset)
    {
    case REG_DOR:
      return f->dor;
    case REG_TDR:
      return f->tdr;
    case REG_MSR:
      return main_status (f);
    default:
      return fifo_read (f);
    }
}

static void
floppy_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Floppy *f = opaque;

  switch (offset)
    {
    case REG_DOR:
      write_dor (f, (uint8_t) value);
      break;
    case REG_TDR:
      f->tdr = value & 3;
      break;
    case REG_DSR:
      f->rate = value & 3;
      if (value & DSR_RESET && f->dor & DOR_NOT_RESET)
        {
          begin_reset (f);
          if (!f->cancelled)
            floppy_reset_done (f);
        }
      break;
    default:
      fifo_write (f, (uint8_t) value);
      break;
    }
}

static uint32_t
direction_read (void *opaque, uint16_t offset, unsigned size)
{
  Floppy *f = opaque;
  const FloppyDrive *drive = floppy_drive (f, f->dor & DOR_SELECT);

  return drive == NULL || drive->changed || drive->disk == NULL ? DIR_CHANGED : 0;
}

static void
rate_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((Floppy *) opaque)->rate = value & 3;
}

static const PioOps floppy_ops = { .read = floppy_read, .write = floppy_write };
static const PioOps direction_ops = { .read = direction_read, .write = rate_write };

/* The device */

static gboolean
floppy_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Floppy *f = (Floppy *) dev;

  g_assert (f->dma != NULL);
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      f->drives[i].controller = f;
      if (f->drives[i].disk != NULL)
        disk_set_context (f->drives[i].disk, env->context);
    }
  i8237_connect (f->dma, FLOPPY_DMA, floppy_dma_granted, f);
  return bus_add_pio (env->bus, PORT_FLOPPY, PORT_COUNT, &floppy_ops, f, error) &&
         bus_add_pio (env->bus, PORT_DIR, 1, &direction_ops, f, error);
}

static void
floppy_reset (Device *dev)
{
  Floppy *f = (Floppy *) dev;

  f->lock = f->tdr = f->perpendicular = 0;
  f->specify[0] = f->specify[1] = 0;
  f->dor = 0;
  f->rate = FLOPPY_RATE_250;
  begin_reset (f);
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    f->drives[i].cylinder = 0;
}

static gboolean
floppy_before_load (Device *dev, GError **error)
{
  Floppy *f = (Floppy *) dev;

  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      if (f->drives[i].flushing || (f->busy && f->unit == i))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("floppy drive %u is at work"), i);
          return FALSE;
        }
    }
  return TRUE;
}

/* A request that is to be sent to the disk again. */
static gboolean
request_is_sound (Floppy *f)
{
  const FloppyDrive *drive = floppy_drive (f, f->unit);

  return drive != NULL && drive->geometry != NULL && !f->data_wanted && f->request_length <= FLOPPY_TRACK_MAX &&
         f->run <= drive->geometry->track && (f->request_op == DISK_READ || f->request_op == DISK_WRITE) &&
         (f->cancelled || (f->phase == FLOPPY_EXECUTION && f->transfer != FLOPPY_NONE &&
                           (f->request_op == DISK_READ) == (f->transfer == FLOPPY_READ)));
}

static gboolean
floppy_after_load (Device *dev, GError **error)
{
  Floppy *f = (Floppy *) dev;
  gboolean ok = f->phase <= FLOPPY_RESULT && f->transfer <= FLOPPY_FORMAT && f->fifo_length <= FLOPPY_FIFO &&
                f->fifo_at <= f->fifo_length && f->unit < FLOPPY_UNITS && f->head <= 1 && f->side <= 1 &&
                f->rate <= FLOPPY_RATE_1000 &&
                f->end <= FLOPPY_TRACK_MAX && f->at <= f->end && f->run <= FLOPPY_SECTORS_MAX &&
                f->resets_to_sense <= FLOPPY_UNITS && f->lock <= 1;

  if (ok && f->busy)
    ok = request_is_sound (f);
  /* While it executes it waits for the disk, or for data for a disk that is there. */
  else if (ok && f->phase == FLOPPY_EXECUTION)
    {
      const FloppyDrive *drive = floppy_drive (f, f->unit);

      ok = f->data_wanted && f->transfer != FLOPPY_NONE && drive != NULL && drive->geometry != NULL && f->at < f->end &&
           (f->transfer == FLOPPY_FORMAT || (f->sector >= 1 && f->sector + f->run <= drive->geometry->track + 1u &&
                                             f->cylinder < drive->geometry->cylinders &&
                                             f->end == f->run * FLOPPY_SECTOR));
    }
  if (ok && f->phase == FLOPPY_RESULT)
    ok = f->fifo_at < f->fifo_length;
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    ok = ok && (!f->drives[i].flushing || f->drives[i].disk != NULL);
  if (!ok)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s: it is damaged", dev->type->name);
      return FALSE;
    }
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    f->drives[i].cylinder = MIN (f->drives[i].cylinder, CYLINDERS_REACHED);
  drive_irq (f);
  if (f->busy)
    floppy_resubmit (f);
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      if (f->drives[i].flushing)
        flush (&f->drives[i]);
    }
  return TRUE;
}

static void
floppy_unrealize (Device *dev)
{
  Floppy *f = (Floppy *) dev;

  i8237_connect (f->dma, FLOPPY_DMA, NULL, NULL);
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      FloppyDrive *drive = &f->drives[i];

      /* Others may hold on to the disk; it must not work on our requests any more, those either that it could not carry
       * out. */
      if (drive->flushing || (f->busy && f->unit == i))
        disk_drain (drive->disk);
      if (drive->flushing)
        disk_withdraw (drive->disk, &drive->flush);
      if (f->busy && f->unit == i)
        disk_withdraw (drive->disk, &f->request);
      g_clear_pointer (&drive->disk, disk_unref);
    }
  bus_remove_pio (dev->env.bus, PORT_FLOPPY, f);
  bus_remove_pio (dev->env.bus, PORT_DIR, f);
}

#define DRIVE_FIELDS(n) \
  STATE_U8 (Floppy, drives[n].cylinder), STATE_U8 (Floppy, drives[n].changed), STATE_U8 (Floppy, drives[n].seek_done), \
  STATE_U8 (Floppy, drives[n].seek_status), STATE_U8 (Floppy, drives[n].id_sector), \
  STATE_BOOL (Floppy, drives[n].unflushed), STATE_BOOL (Floppy, drives[n].flushing)

static const StateField floppy_fields[] = {
  DRIVE_FIELDS (0), DRIVE_FIELDS (1),
  STATE_U8 (Floppy, dor), STATE_U8 (Floppy, tdr), STATE_U8 (Floppy, rate), STATE_U8 (Floppy, precompensation),
  STATE_U8 (Floppy, config), STATE_BYTES (Floppy, specify), STATE_U8 (Floppy, lock), STATE_U8 (Floppy, perpendicular),
  STATE_U8 (Floppy, phase), STATE_U8 (Floppy, irq_level), STATE_U8 (Floppy, resets_to_sense),
  STATE_BYTES (Floppy, fifo), STATE_U8 (Floppy, fifo_at), STATE_U8 (Floppy, fifo_length), STATE_U8 (Floppy, transfer),
  STATE_U8 (Floppy, multi_track), STATE_U8 (Floppy, deleted), STATE_U8 (Floppy, unit), STATE_U8 (Floppy, cylinder),
  STATE_U8 (Floppy, head), STATE_U8 (Floppy, sector), STATE_U8 (Floppy, size_code), STATE_U8 (Floppy, last),
  STATE_U8 (Floppy, side), STATE_U8 (Floppy, fill), STATE_U8 (Floppy, data_wanted), STATE_U32 (Floppy, run),
  STATE_U32 (Floppy, at), STATE_U32 (Floppy, end), STATE_BOOL (Floppy, terminal_count), STATE_BOOL (Floppy, busy),
  STATE_BOOL (Floppy, cancelled), STATE_U32 (Floppy, request_op), STATE_U32 (Floppy, request_length),
  STATE_U64 (Floppy, request_offset), STATE_BYTES (Floppy, buffer), STATE_END
};

const DeviceType floppy_type = {
  .name = "82077aa", .size = sizeof (Floppy), .version = 1, .fields = floppy_fields, .realize = floppy_realize,
  .reset = floppy_reset, .before_load = floppy_before_load, .after_load = floppy_after_load,
  .unrealize = floppy_unrealize
};

void
floppy_set_dma (Device *dev, Device *dma)
{
  ((Floppy *) dev)->dma = dma;
}

static gboolean
put_disk (FloppyDrive *drive, Disk *disk, GError **error)
{
  const FloppyGeometry *geometry = disk != NULL ? floppy_geometry_for (disk_size (disk)) : NULL;

  if (disk != NULL && geometry == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("“%s” is no floppy image: it is larger than 2.88 MB"), disk_path (disk));
      return FALSE;
    }
  g_clear_pointer (&drive->disk, disk_unref);
  drive->disk = disk != NULL ? disk_ref (disk) : NULL;
  drive->geometry = geometry;
  drive->unflushed = FALSE;
  return TRUE;
}

gboolean
floppy_attach (Device *dev, unsigned number, Disk *disk, GError **error)
{
  enum { CMOS_144 = 4 };
  FloppyDrive *drive = &((Floppy *) dev)->drives[number];

  g_assert (number < FLOPPY_DRIVES);
  if (!put_disk (drive, disk, error))
    return FALSE;
  drive->present = TRUE;
  drive->cmos_type = drive->geometry != NULL ? drive->geometry->cmos_type : CMOS_144;
  return TRUE;
}

gboolean
floppy_set_disk (Device *dev, unsigned number, Disk *disk, GError **error)
{
  Floppy *f = (Floppy *) dev;
  FloppyDrive *drive = floppy_drive (f, number);

  if (drive == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no floppy drive %u"), number);
      return FALSE;
    }
  if (drive->flushing || (f->busy && f->unit == number))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("floppy drive %u is at work: try again"), number);
      return FALSE;
    }
  if (!put_disk (drive, disk, error))
    return FALSE;
  if (disk != NULL)
    disk_set_context (disk, dev->env.context);
  drive->changed = TRUE;
  /* A transfer that waits for the guest has lost its disk. */
  if (f->phase == FLOPPY_EXECUTION && f->unit == number)
    floppy_media_lost (f);
  return TRUE;
}

Disk *
floppy_disk (Device *dev, unsigned number)
{
  const FloppyDrive *drive = floppy_drive ((Floppy *) dev, number);

  return drive != NULL ? drive->disk : NULL;
}

unsigned
floppy_cmos_type (Device *dev, unsigned number)
{
  const FloppyDrive *drive = floppy_drive ((Floppy *) dev, number);

  return drive != NULL ? drive->cmos_type : 0;
}

void
floppy_counters (Device *dev, FloppyCounters *counters)
{
  *counters = ((Floppy *) dev)->counters;
}
