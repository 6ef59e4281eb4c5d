/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82077AA floppy disk controller.
 * Specification: Intel 82077AA data sheet (290166-007), chapters 2 and 5.
 */

#include "engine/devices/storage/floppy.h"

#include "engine/devices/platform/i8237.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  PORT = 0x3f0, PORT_DIR = 0x3f7, REG_SRA = 0, REG_SRB, REG_DOR, REG_TDR, REG_MSR, REG_FIFO, REG_DSR = REG_MSR,
  DOR_DRIVE = 3, DOR_ENABLED = 1 << 2, DOR_DMA = 1 << 3, DSR_RESET = 1 << 7, DIR_CHANGED = 1 << 7,
  MSR_BUSY = 1 << 4, MSR_NON_DMA = 1 << 5, MSR_TO_HOST = 1 << 6, MSR_READY = 1 << 7,
  ST0_SEEK_END = 1 << 5, ST0_ABNORMAL = 1 << 6, ST0_INVALID = 2 << 6, ST0_POLLED = 3 << 6,
  ST1_MISSING_ADDRESS = 1 << 0, ST1_NOT_WRITABLE = 1 << 1, ST1_NO_DATA = 1 << 2, ST1_CRC = 1 << 5, ST1_END_OF_CYLINDER = 1 << 7,
  ST3_TWO_SIDED = 1 << 3, ST3_TRACK0 = 1 << 4, ST3_READY = 1 << 5, ST3_PROTECTED = 1 << 6,
  CMD_READ_TRACK = 0x02, CMD_SPECIFY = 0x03, CMD_SENSE_DRIVE = 0x04, CMD_WRITE = 0x05, CMD_READ = 0x06, CMD_RECALIBRATE = 0x07,
  CMD_SENSE_INTERRUPT = 0x08, CMD_WRITE_DELETED = 0x09, CMD_READ_ID = 0x0a, CMD_READ_DELETED = 0x0c, CMD_FORMAT = 0x0d,
  CMD_DUMP_REGISTERS = 0x0e, CMD_SEEK = 0x0f, CMD_VERSION = 0x10, CMD_PERPENDICULAR = 0x12, CMD_CONFIGURE = 0x13, CMD_LOCK = 0x14,
  CMD_PART_ID = 0x18, CMD_MASK = 0x1f, CMD_MULTI_TRACK = 1 << 7,
  SECTOR = 512, COMMAND_MAX = 9, RESULT_MAX = 10, DMA_CHANNEL = 2, IRQ = 6, SEEK_NS = 3 * CLOCK_NS_PER_MS
};

typedef struct
{
  uint64_t size;
  uint8_t cylinders, heads, sectors;
} Geometry;

static const Geometry geometries[] = {
  { 160 * 1024, 40, 1, 8 }, { 180 * 1024, 40, 1, 9 }, { 320 * 1024, 40, 2, 8 }, { 360 * 1024, 40, 2, 9 }, { 720 * 1024, 80, 2, 9 },
  { 1200 * 1024, 80, 2, 15 }, { 1440 * 1024, 80, 2, 18 }, { 1680 * 1024, 80, 2, 21 }, { 1722 * 1024, 82, 2, 21 },
  { 2880 * 1024, 80, 2, 36 },
};

typedef struct
{
  gboolean present;
  Disk *disk;
  Geometry geometry;
  uint8_t cylinder, changed;
} Drive;

typedef enum { PHASE_COMMAND, PHASE_EXECUTION, PHASE_RESULT } Phase;

typedef struct
{
  Device parent;
  Device *dma;
  ClockTimer *seek_timer, *data_timer;
  Drive drives[FLOPPY_DRIVES];
  uint8_t dor, tdr, rate, config[2], perpendicular, lock, specify[2];
  Phase phase;
  uint8_t command[COMMAND_MAX], result[RESULT_MAX];
  unsigned command_length, command_at, result_length, result_at;
  uint8_t interrupt_st0, interrupt_pending;
  unsigned reset_senses;        /* drives still to be reported after a reset */

  /* The transfer under way. */
  unsigned drive, head;
  uint8_t cylinder, sector;
  gboolean to_memory;
  gboolean busy, cancelled;
  DiskRequest request;
  uint8_t buffer[SECTOR];
  unsigned at;                  /* bytes of the buffer that the guest has, without DMA */
  uint64_t reads;
} Floppy;

static void
set_irq (Floppy *d, int level)
{
  irq_set (&d->parent.env.isa_irq[IRQ], level && d->dor & DOR_DMA);
}

static Drive *
current (Floppy *d)
{
  return &d->drives[d->drive % FLOPPY_DRIVES];
}

static gboolean
has_disk (const Drive *drive)
{
  return drive->present && drive->disk != NULL;
}

/* What the image's size says; a size between the formats is read as the next one. */
static gboolean
find_geometry (Disk *disk, Geometry *geometry)
{
  uint64_t size = disk_size (disk);

  for (unsigned i = 0; i < G_N_ELEMENTS (geometries); i++)
    {
      if (size <= geometries[i].size)
        {
          *geometry = geometries[i];
          return TRUE;
        }
    }
  return FALSE;
}

static void
give_result (Floppy *d, unsigned length)
{
  d->phase = PHASE_RESULT;
  d->result_length = length;
  d->result_at = 0;
}

static void
await_command (Floppy *d)
{
  d->phase = PHASE_COMMAND;
  d->command_at = d->command_length = 0;
}

/* Ends a command that moved data, with the seven result bytes. */
static void
end_transfer (Floppy *d, uint8_t st0, uint8_t st1, uint8_t st2)
{
  d->result[0] = (uint8_t) (st0 | d->head << 2 | d->drive);
  d->result[1] = st1;
  d->result[2] = st2;
  d->result[3] = d->cylinder;
  d->result[4] = (uint8_t) d->head;
  d->result[5] = d->sector;
  d->result[6] = 2;
  give_result (d, 7);
  set_irq (d, 1);
}

/* On to the next sector, side and cylinder; TRUE at the end of what the command may touch. */
static gboolean
advance (Floppy *d)
{
  uint8_t end_of_track = d->command[6];

  if (d->sector < end_of_track)
    {
      d->sector++;
      return FALSE;
    }
  d->sector = 1;
  if (d->command[0] & CMD_MULTI_TRACK && d->head == 0 && current (d)->geometry.heads > 1)
    {
      d->head = 1;
      return FALSE;
    }
  if (d->command[0] & CMD_MULTI_TRACK)
    d->head = 0;
  d->cylinder++;
  return TRUE;
}

static gboolean
sector_offset (Floppy *d, uint64_t *offset)
{
  const Drive *drive = current (d);
  const Geometry *g = &drive->geometry;

  if (d->sector < 1 || d->sector > g->sectors || d->head >= g->heads || d->cylinder >= g->cylinders)
    return FALSE;
  *offset = (((uint64_t) d->cylinder * g->heads + d->head) * g->sectors + d->sector - 1) * SECTOR;
  return *offset + SECTOR <= disk_size (drive->disk);
}

static void next_sector (Floppy *d);

/* A sector has gone over the bus: does the guest want more? */
static void
sector_moved (Floppy *d, gboolean terminal)
{
  gboolean end = advance (d);

  if (terminal)
    end_transfer (d, 0, 0, 0);
  else if (end)
    end_transfer (d, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
  else
    next_sector (d);
}

static void
sector_done (DiskRequest *request)
{
  Floppy *d = request->opaque;
  gboolean terminal;
  size_t moved;

  machine_lock_take (d->parent.env.lock);
  d->busy = FALSE;
  if (d->cancelled)
    d->cancelled = FALSE;
  else if (request->error != NULL)
    end_transfer (d, ST0_ABNORMAL, ST1_CRC, 0);
  else if (!d->to_memory)
    sector_moved (d, d->at == G_MAXUINT);
  else if (d->dor & DOR_DMA)
    {
      moved = i8237_transfer (d->dma, DMA_CHANNEL, d->buffer, SECTOR, TRUE, &terminal);
      if (moved < SECTOR && !terminal)
        end_transfer (d, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
      else
        sector_moved (d, terminal);
    }
  else
    {
      d->at = 0;
      set_irq (d, 1);
    }
  machine_lock_release (d->parent.env.lock);
}

static void
submit (Floppy *d, DiskOp op, uint64_t offset)
{
  Drive *drive = current (d);

  d->busy = TRUE;
  d->cancelled = FALSE;
  d->reads++;
  d->request = (DiskRequest) { .op = op, .offset = offset, .buffer = d->buffer, .length = SECTOR, .done = sector_done, .opaque = d };
  disk_submit (drive->disk, &d->request);
}

static void
next_sector (Floppy *d)
{
  uint64_t offset;
  gboolean terminal;

  if (!sector_offset (d, &offset))
    {
      end_transfer (d, ST0_ABNORMAL, ST1_NO_DATA, 0);
      return;
    }
  if (d->to_memory)
    {
      submit (d, DISK_READ, offset);
      return;
    }
  memset (d->buffer, 0, SECTOR);
  if (i8237_transfer (d->dma, DMA_CHANNEL, d->buffer, SECTOR, FALSE, &terminal) == 0)
    {
      end_transfer (d, ST0_ABNORMAL, ST1_END_OF_CYLINDER, 0);
      return;
    }
  d->at = terminal ? G_MAXUINT : 0;
  submit (d, DISK_WRITE, offset);
}

/* The head has been over the sector for a moment. */
static void
data_ready (void *opaque)
{
  Floppy *d = opaque;

  if (d->phase == PHASE_EXECUTION && !d->busy)
    next_sector (d);
}

static void
start_transfer (Floppy *d, gboolean to_memory)
{
  d->drive = d->command[1] & 3;
  d->head = d->command[1] >> 2 & 1;
  d->cylinder = d->command[2];
  d->sector = d->command[4];
  d->to_memory = to_memory;
  if (d->drive >= FLOPPY_DRIVES || !has_disk (current (d)))
    end_transfer (d, ST0_ABNORMAL, ST1_MISSING_ADDRESS, 0);
  else if (!to_memory && disk_is_read_only (current (d)->disk))
    end_transfer (d, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
  else if (d->command[5] != 2 || (!to_memory && !(d->dor & DOR_DMA)))
    end_transfer (d, ST0_ABNORMAL, ST1_NO_DATA, 0);
  else
    {
      current (d)->cylinder = d->cylinder;
      d->phase = PHASE_EXECUTION;
      clock_timer_arm (d->data_timer, clock_now (d->parent.env.clock) + CLOCK_NS_PER_MS / 10);
    }
}

/* FORMAT TRACK: the guest gives four bytes a sector; what is written is the filler. */
static void
format_track (Floppy *d)
{
  Drive *drive;
  unsigned sectors = d->command[3];
  gboolean terminal = FALSE;
  uint64_t offset;

  d->drive = d->command[1] & 3;
  d->head = d->command[1] >> 2 & 1;
  if (d->drive >= FLOPPY_DRIVES || !has_disk (current (d)))
    {
      end_transfer (d, ST0_ABNORMAL, ST1_MISSING_ADDRESS, 0);
      return;
    }
  drive = current (d);
  if (disk_is_read_only (drive->disk))
    {
      end_transfer (d, ST0_ABNORMAL, ST1_NOT_WRITABLE, 0);
      return;
    }
  memset (d->buffer, d->command[5], SECTOR);
  for (unsigned i = 0; i < sectors && !terminal; i++)
    {
      uint8_t id[4];
      g_autoptr (GError) error = NULL;

      if (i8237_transfer (d->dma, DMA_CHANNEL, id, sizeof id, FALSE, &terminal) != sizeof id)
        break;
      d->cylinder = id[0];
      d->head = id[1] & 1;
      d->sector = id[2];
      if (!sector_offset (d, &offset) || !disk_write (drive->disk, offset, d->buffer, SECTOR, &error))
        {
          end_transfer (d, ST0_ABNORMAL, ST1_NO_DATA, 0);
          return;
        }
    }
  end_transfer (d, 0, 0, 0);
}

static void
seek_done (void *opaque)
{
  Floppy *d = opaque;

  d->interrupt_pending = TRUE;
  set_irq (d, 1);
}

static void
seek (Floppy *d, uint8_t cylinder)
{
  unsigned number = d->command[1] & 3;
  Drive *drive = number < FLOPPY_DRIVES ? &d->drives[number] : NULL;

  d->interrupt_st0 = (uint8_t) (ST0_SEEK_END | number);
  if (drive == NULL || !drive->present)
    d->interrupt_st0 |= ST0_ABNORMAL;
  else
    {
      drive->cylinder = cylinder;
      if (drive->disk != NULL)
        drive->changed = FALSE; /* a step with a disk in clears the change line */
    }
  await_command (d);
  clock_timer_arm (d->seek_timer, clock_now (d->parent.env.clock) + SEEK_NS);
}

static void
sense_interrupt (Floppy *d)
{
  if (d->reset_senses > 0)
    {
      d->result[0] = (uint8_t) (ST0_POLLED | (4 - d->reset_senses--));
      d->result[1] = 0;
      give_result (d, 2);
    }
  else if (d->interrupt_pending)
    {
      unsigned number = d->interrupt_st0 & 3;

      d->interrupt_pending = FALSE;
      d->result[0] = d->interrupt_st0;
      d->result[1] = number < FLOPPY_DRIVES ? d->drives[number].cylinder : 0;
      give_result (d, 2);
    }
  else
    {
      d->result[0] = ST0_INVALID;
      give_result (d, 1);
    }
  set_irq (d, 0);
}

static void
read_id (Floppy *d)
{
  d->drive = d->command[1] & 3;
  d->head = d->command[1] >> 2 & 1;
  if (d->drive >= FLOPPY_DRIVES || !has_disk (current (d)) || d->head >= current (d)->geometry.heads)
    {
      end_transfer (d, ST0_ABNORMAL, ST1_MISSING_ADDRESS, 0);
      return;
    }
  d->cylinder = current (d)->cylinder;
  d->sector = 1;
  end_transfer (d, 0, 0, 0);
}

static void
sense_drive (Floppy *d)
{
  unsigned number = d->command[1] & 3;
  const Drive *drive = number < FLOPPY_DRIVES ? &d->drives[number] : NULL;

  d->result[0] = (uint8_t) (ST3_TWO_SIDED | ST3_READY | (d->command[1] & 7));
  if (drive != NULL && drive->present && drive->cylinder == 0)
    d->result[0] |= ST3_TRACK0;
  if (drive != NULL && drive->disk != NULL && disk_is_read_only (drive->disk))
    d->result[0] |= ST3_PROTECTED;
  give_result (d, 1);
}

static void
dump_registers (Floppy *d)
{
  uint8_t *r = d->result;

  r[0] = d->drives[0].cylinder;
  r[1] = d->drives[1].cylinder;
  r[2] = r[3] = 0;
  r[4] = d->specify[0];
  r[5] = d->specify[1];
  r[6] = d->command[6];
  r[7] = (uint8_t) (d->lock << 7 | d->perpendicular);
  r[8] = d->config[0];
  r[9] = d->config[1];
  give_result (d, 10);
}

static unsigned
length_of (uint8_t command)
{
  switch (command & CMD_MASK)
    {
    case CMD_READ_TRACK:
    case CMD_WRITE:
    case CMD_READ:
    case CMD_WRITE_DELETED:
    case CMD_READ_DELETED:
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
execute (Floppy *d)
{
  switch (d->command[0] & CMD_MASK)
    {
    case CMD_READ:
    case CMD_READ_DELETED:
    case CMD_READ_TRACK:
      start_transfer (d, TRUE);
      break;
    case CMD_WRITE:
    case CMD_WRITE_DELETED:
      start_transfer (d, FALSE);
      break;
    case CMD_FORMAT:
      format_track (d);
      break;
    case CMD_SPECIFY:
      d->specify[0] = d->command[1];
      d->specify[1] = d->command[2];
      await_command (d);
      break;
    case CMD_SENSE_DRIVE:
      sense_drive (d);
      break;
    case CMD_RECALIBRATE:
      seek (d, 0);
      break;
    case CMD_SEEK:
      seek (d, d->command[2]);
      break;
    case CMD_SENSE_INTERRUPT:
      sense_interrupt (d);
      break;
    case CMD_READ_ID:
      read_id (d);
      break;
    case CMD_DUMP_REGISTERS:
      dump_registers (d);
      break;
    case CMD_VERSION:
      d->result[0] = 0x90; /* an enhanced controller */
      give_result (d, 1);
      break;
    case CMD_PERPENDICULAR:
      d->perpendicular = d->command[1] & 0x7f;
      await_command (d);
      break;
    case CMD_CONFIGURE:
      d->config[0] = d->command[2];
      d->config[1] = d->command[3];
      await_command (d);
      break;
    case CMD_LOCK:
      d->lock = d->command[0] >> 7;
      d->result[0] = (uint8_t) (d->lock << 4);
      give_result (d, 1);
      break;
    case CMD_PART_ID:
      d->result[0] = 0x41; /* the stepping */
      give_result (d, 1);
      break;
    default:
      d->result[0] = ST0_INVALID;
      give_result (d, 1);
      break;
    }
}

static void
reset_controller (Floppy *d)
{
  clock_timer_cancel (d->seek_timer);
  clock_timer_cancel (d->data_timer);
  if (d->busy)
    d->cancelled = TRUE;
  await_command (d);
  d->interrupt_pending = FALSE;
  if (!d->lock)
    d->config[0] = d->config[1] = 0;
  set_irq (d, 0);
}

static void
write_dor (Floppy *d, uint8_t value)
{
  uint8_t old = d->dor;

  d->dor = value;
  if (old & DOR_ENABLED && !(value & DOR_ENABLED))
    reset_controller (d);
  else if (!(old & DOR_ENABLED) && value & DOR_ENABLED)
    {
      d->reset_senses = 4;
      set_irq (d, 1);
    }
}

static uint8_t
main_status (const Floppy *d)
{
  if (!(d->dor & DOR_ENABLED))
    return 0;
  switch (d->phase)
    {
    case PHASE_EXECUTION:
      if (!(d->dor & DOR_DMA) && d->to_memory && !d->busy && d->at < SECTOR)
        return MSR_READY | MSR_TO_HOST | MSR_NON_DMA | MSR_BUSY;
      return MSR_BUSY;
    case PHASE_RESULT:
      return MSR_READY | MSR_TO_HOST | MSR_BUSY;
    default:
      return (uint8_t) (MSR_READY | (d->command_at > 0 ? MSR_BUSY : 0));
    }
}

static uint8_t
fifo_read (Floppy *d)
{
  uint8_t value = 0;

  if (d->phase == PHASE_EXECUTION && !(d->dor & DOR_DMA) && d->to_memory && !d->busy && d->at < SECTOR)
    {
      value = d->buffer[d->at++];
      if (d->at == SECTOR)
        {
          set_irq (d, 0);
          sector_moved (d, FALSE);
        }
      return value;
    }
  if (d->phase != PHASE_RESULT)
    return 0;
  value = d->result[d->result_at++];
  if (d->result_at == d->result_length)
    {
      set_irq (d, 0);
      await_command (d);
    }
  return value;
}

static void
fifo_write (Floppy *d, uint8_t value)
{
  if (d->phase != PHASE_COMMAND || !(d->dor & DOR_ENABLED))
    return;
  if (d->command_at == 0)
    d->command_length = length_of (value);
  d->command[d->command_at++] = value;
  if (d->command_at == d->command_length)
    {
      d->command_at = 0;
      execute (d);
    }
}

static uint32_t
floppy_read (void *opaque, uint16_t offset, unsigned size)
{
  Floppy *d = opaque;

  switch (offset)
    {
    case REG_SRA:
    case REG_SRB:
      return offset == REG_SRB ? 0xc0 : 0;
    case REG_DOR:
      return d->dor;
    case REG_TDR:
      return d->tdr;
    case REG_MSR:
      return main_status (d);
    default:
      return fifo_read (d);
    }
}

static void
floppy_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Floppy *d = opaque;

  switch (offset)
    {
    case REG_DOR:
      write_dor (d, (uint8_t) value);
      break;
    case REG_TDR:
      d->tdr = value & 3;
      break;
    case REG_DSR:
      d->rate = value & 3;
      if (value & DSR_RESET)
        {
          reset_controller (d);
          d->reset_senses = 4;
          set_irq (d, 1);
        }
      break;
    case REG_FIFO:
      fifo_write (d, (uint8_t) value);
      break;
    default:
      break;
    }
}

static uint32_t
dir_read (void *opaque, uint16_t offset, unsigned size)
{
  Floppy *d = opaque;
  unsigned number = d->dor & DOR_DRIVE;
  gboolean motor = d->dor & 0x10 << number;

  if (number >= FLOPPY_DRIVES || !motor)
    return 0;
  return d->drives[number].changed || !has_disk (&d->drives[number]) ? DIR_CHANGED : 0;
}

static void
dir_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((Floppy *) opaque)->rate = value & 3;
}

static const PioOps floppy_ops = { .read = floppy_read, .write = floppy_write };
static const PioOps dir_ops = { .read = dir_read, .write = dir_write };

static gboolean
floppy_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Floppy *d = (Floppy *) dev;

  if (!bus_add_pio (env->bus, PORT, 6, &floppy_ops, dev, error) || !bus_add_pio (env->bus, PORT_DIR, 1, &dir_ops, dev, error))
    return FALSE;
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      Disk *disk = d->drives[i].disk;

      if (disk == NULL)
        continue;
      if (!find_geometry (disk, &d->drives[i].geometry))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "“%s” is larger than any floppy disk", disk_path (disk));
          return FALSE;
        }
      disk_set_context (disk, env->context);
    }
  d->seek_timer = clock_timer_new (env->clock, seek_done, d);
  d->data_timer = clock_timer_new (env->clock, data_ready, d);
  return TRUE;
}

static void
floppy_reset (Device *dev)
{
  Floppy *d = (Floppy *) dev;

  d->lock = 0;
  reset_controller (d);
  d->dor = DOR_ENABLED | DOR_DMA;
  d->tdr = d->rate = d->perpendicular = 0;
  d->reset_senses = 0;
  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    {
      d->drives[i].cylinder = 0;
      d->drives[i].changed = TRUE;
    }
}

static void
floppy_unrealize (Device *dev)
{
  Floppy *d = (Floppy *) dev;

  for (unsigned i = 0; i < FLOPPY_DRIVES; i++)
    g_clear_pointer (&d->drives[i].disk, disk_unref);
  clock_timer_free (d->seek_timer);
  clock_timer_free (d->data_timer);
  bus_remove_pio (dev->env.bus, PORT, dev);
  bus_remove_pio (dev->env.bus, PORT_DIR, dev);
}

const DeviceType floppy_type = {
  .name = "i82077", .size = sizeof (Floppy), .version = 1, .realize = floppy_realize, .reset = floppy_reset, .unrealize = floppy_unrealize
};

void
floppy_set_dma (Device *dev, Device *dma)
{
  ((Floppy *) dev)->dma = dma;
}

void
floppy_attach (Device *dev, unsigned drive, Disk *disk)
{
  Floppy *d = (Floppy *) dev;

  g_assert (drive < FLOPPY_DRIVES);
  d->drives[drive].present = TRUE;
  d->drives[drive].disk = disk != NULL ? disk_ref (disk) : NULL;
}

gboolean
floppy_set_disk (Device *dev, unsigned number, Disk *disk, GError **error)
{
  Floppy *d = (Floppy *) dev;
  Geometry geometry;

  if (number >= FLOPPY_DRIVES || !d->drives[number].present)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no drive floppy%u", number);
      return FALSE;
    }
  if (disk != NULL && !find_geometry (disk, &geometry))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "“%s” is larger than any floppy disk", disk_path (disk));
      return FALSE;
    }
  if (d->busy && d->drive == number)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "drive floppy%u is busy: try again", number);
      return FALSE;
    }
  g_clear_pointer (&d->drives[number].disk, disk_unref);
  if (disk != NULL)
    {
      d->drives[number].disk = disk_ref (disk);
      d->drives[number].geometry = geometry;
      disk_set_context (disk, dev->env.context);
    }
  d->drives[number].changed = TRUE;
  return TRUE;
}

uint64_t
floppy_reads (Device *dev)
{
  return ((Floppy *) dev)->reads;
}
