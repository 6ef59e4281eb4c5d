/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PIIX3's IDE function: task files, interrupts, resets, and the drives' connection to their disks. */

#include "engine/devices/storage/ide-private.h"

#include "engine/devices/platform/piix3.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  REG_DATA, REG_ERROR, REG_COUNT, REG_LBA_LOW, REG_LBA_MID, REG_LBA_HIGH, REG_DEVICE, REG_STATUS,
  REG_FEATURE = REG_ERROR, REG_COMMAND = REG_STATUS,
  CONFIG_IDETIM = 0x40, IDETIM_ENABLE = 0x8000, BM_BAR = 4, BM_SIZE = 16, CMD_PACKET_RESET = 0x08
};

static const uint16_t command_ports[IDE_CHANNELS] = { 0x1f0, 0x170 };
static const uint16_t control_ports[IDE_CHANNELS] = { 0x3f6, 0x376 };
static const uint8_t channel_irqs[IDE_CHANNELS] = { 14, 15 };

static IdeDrive *
selected (IdeChannel *c)
{
  return &c->drives[c->selected];
}

void
ide_drive_irq (IdeChannel *c)
{
  irq_set (&c->ide->parent.parent.env.isa_irq[channel_irqs[c->index]], c->irq_level && !(c->control & CONTROL_NIEN));
}

void
ide_set_irq (IdeDrive *drive)
{
  IdeChannel *c = drive->channel;

  c->irq_level = 1;
  c->bm_status |= BM_STATUS_IRQ;
  ide_drive_irq (c);
}

void
ide_clear_irq (IdeChannel *c)
{
  c->irq_level = 0;
  ide_drive_irq (c);
}

void
ide_complete (IdeDrive *drive)
{
  drive->phase = PHASE_IDLE;
  drive->status = STATUS_DRDY | STATUS_DSC;
  ide_set_irq (drive);
}

void
ide_abort (IdeDrive *drive, uint8_t error)
{
  drive->phase = PHASE_IDLE;
  drive->error = error;
  drive->status = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
  ide_set_irq (drive);
}

void
ide_pio (IdeDrive *drive, IdePhase phase, uint32_t bytes)
{
  drive->phase = phase;
  drive->at = 0;
  drive->end = bytes;
  drive->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
}

/* What the task file holds after a reset or a diagnostic: what kind of device this is. */
void
ide_set_signature (IdeDrive *drive)
{
  drive->count[0] = drive->lba_low[0] = 1;
  drive->lba_mid[0] = drive->kind == IDE_CDROM ? 0x14 : 0;
  drive->lba_high[0] = drive->kind == IDE_CDROM ? 0xeb : 0;
  drive->device &= (uint8_t) DEVICE_UNIT;
}

void
ide_reset_drive (IdeDrive *drive)
{
  drive->phase = PHASE_IDLE;
  if (drive->busy)
    drive->cancelled = TRUE;
  drive->error = 1; /* the diagnostic passed */
  drive->multiple = 0;
  drive->dma_mode = 0x22;
  drive->status = drive->busy ? STATUS_BSY : drive->kind == IDE_DISK ? STATUS_DRDY | STATUS_DSC : 0;
  ide_set_signature (drive);
}

static void
disk_done (DiskRequest *request)
{
  IdeDrive *drive = request->opaque;
  MachineLock *lock = drive->channel->ide->parent.parent.env.lock;

  machine_lock_take (lock);
  drive->busy = FALSE;
  if (drive->cancelled)
    {
      /* The reset that came in between ends here. */
      drive->cancelled = FALSE;
      ide_reset_drive (drive);
      if (drive->channel->control & CONTROL_SRST)
        drive->status = STATUS_BSY;
    }
  else if (drive->kind == IDE_DISK)
    ata_disk_done (drive, request->error);
  else
    atapi_disk_done (drive, request->error);
  machine_lock_release (lock);
}

void
ide_submit (IdeDrive *drive, DiskOp op, uint64_t offset, uint32_t length, IdeThen then)
{
  drive->status = STATUS_BSY | STATUS_DRDY | STATUS_DSC;
  drive->busy = TRUE;
  drive->cancelled = FALSE;
  drive->then = then;
  drive->request_op = op;
  drive->request_offset = offset;
  drive->request_length = length;
  ide_resubmit (drive);
}

void
ide_resubmit (IdeDrive *drive)
{
  IdeCounters *counters = &drive->channel->ide->counters;
  uint32_t op = drive->request_op, length = drive->request_length;

  drive->request = (DiskRequest) {
    .op = (DiskOp) op, .offset = drive->request_offset, .buffer = drive->buffer, .length = length, .done = disk_done,
    .opaque = drive
  };
  if (drive->kind == IDE_CDROM)
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
ide_put_string (uint8_t *out, const char *text, unsigned length)
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
ide_execute_diagnostic (IdeChannel *c)
{
  for (unsigned i = 0; i < IDE_UNITS; i++)
    {
      if (c->drives[i].kind != IDE_NONE && !c->drives[i].busy)
        ide_reset_drive (&c->drives[i]);
    }
  c->selected = 0;
}

/* Task file */

static void
shift_in (uint8_t pair[2], uint8_t value)
{
  pair[1] = pair[0];
  pair[0] = value;
}

static void
write_command (IdeChannel *c, uint8_t command)
{
  IdeDrive *drive = selected (c);

  ide_clear_irq (c);
  /* Nobody hears a command to a missing drive, or to one that is busy; but a packet device hears a reset. */
  if (drive->kind == IDE_NONE || c->control & CONTROL_SRST)
    return;
  if ((drive->busy || drive->status & STATUS_BSY) && !(drive->kind == IDE_CDROM && command == CMD_PACKET_RESET))
    return;
  if (drive->status & STATUS_DRQ && command != CMD_PACKET_RESET)
    drive->phase = PHASE_IDLE;
  drive->command = command;
  drive->error = 0;
  if (drive->kind == IDE_DISK)
    ata_command (drive, command);
  else
    atapi_command (drive, command);
}

static void
task_file_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  IdeChannel *c = opaque;
  uint8_t byte = (uint8_t) value;

  c->control &= (uint8_t) ~CONTROL_HOB;
  if (offset == REG_COMMAND)
    {
      write_command (c, byte);
      return;
    }
  if (offset == REG_DEVICE)
    {
      c->selected = byte & DEVICE_UNIT ? 1 : 0;
      for (unsigned i = 0; i < IDE_UNITS; i++)
        c->drives[i].device = byte | 0xa0;
      return;
    }
  /* Both drives hear what is written to the registers. */
  for (unsigned i = 0; i < IDE_UNITS; i++)
    {
      IdeDrive *drive = &c->drives[i];

      if (drive->busy || drive->status & STATUS_BSY)
        continue;
      switch (offset)
        {
        case REG_FEATURE:
          shift_in (drive->feature, byte);
          break;
        case REG_COUNT:
          shift_in (drive->count, byte);
          break;
        case REG_LBA_LOW:
          shift_in (drive->lba_low, byte);
          break;
        case REG_LBA_MID:
          shift_in (drive->lba_mid, byte);
          break;
        case REG_LBA_HIGH:
          shift_in (drive->lba_high, byte);
          break;
        default:
          break;
        }
    }
}

static uint8_t
status_of (IdeChannel *c)
{
  IdeDrive *drive = selected (c);

  return drive->kind == IDE_NONE ? 0 : drive->status;
}

static uint32_t
task_file_read (void *opaque, uint16_t offset, unsigned size)
{
  IdeChannel *c = opaque;
  IdeDrive *drive = selected (c);
  unsigned hob = c->control & CONTROL_HOB ? 1 : 0;

  if (c->drives[0].kind == IDE_NONE && c->drives[1].kind == IDE_NONE)
    return 0xff;
  if (drive->kind == IDE_NONE && offset != REG_STATUS && offset != REG_DEVICE)
    return 0;
  switch (offset)
    {
    case REG_ERROR:
      return drive->error;
    case REG_COUNT:
      return drive->count[hob];
    case REG_LBA_LOW:
      return drive->lba_low[hob];
    case REG_LBA_MID:
      return drive->lba_mid[hob];
    case REG_LBA_HIGH:
      return drive->lba_high[hob];
    case REG_DEVICE:
      return drive->device;
    default:
      ide_clear_irq (c);
      return status_of (c);
    }
}

/* Data port */

static void
block_done (IdeDrive *drive)
{
  if (drive->phase == PHASE_PACKET)
    {
      memcpy (drive->packet, drive->buffer, PACKET_SIZE);
      atapi_packet (drive);
    }
  else if (drive->kind == IDE_DISK)
    ata_pio_done (drive);
  else
    atapi_pio_done (drive);
}

static uint32_t
data_read (IdeChannel *c, unsigned size)
{
  IdeDrive *drive = selected (c);
  uint32_t value = 0;

  if (drive->phase != PHASE_PIO_IN || !(drive->status & STATUS_DRQ))
    return 0;
  for (unsigned i = 0; i < size && drive->at < drive->end; i++)
    value |= (uint32_t) drive->buffer[drive->at++] << (8 * i);
  if (drive->at >= drive->end)
    block_done (drive);
  return value;
}

static void
data_write (IdeChannel *c, uint32_t value, unsigned size)
{
  IdeDrive *drive = selected (c);

  if ((drive->phase != PHASE_PIO_OUT && drive->phase != PHASE_PACKET) || !(drive->status & STATUS_DRQ))
    return;
  for (unsigned i = 0; i < size && drive->at < drive->end; i++)
    drive->buffer[drive->at++] = (uint8_t) (value >> (8 * i));
  if (drive->at >= drive->end)
    block_done (drive);
}

static uint32_t
command_block_read (void *opaque, uint16_t offset, unsigned size)
{
  return offset == REG_DATA ? data_read (opaque, size) : task_file_read (opaque, offset, 1);
}

static void
command_block_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  if (offset == REG_DATA)
    data_write (opaque, value, size);
  else
    task_file_write (opaque, offset, value, 1);
}

static uint32_t
control_read (void *opaque, uint16_t offset, unsigned size)
{
  IdeChannel *c = opaque;

  return c->drives[0].kind == IDE_NONE && c->drives[1].kind == IDE_NONE ? 0xff : status_of (c);
}

static void
control_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  IdeChannel *c = opaque;
  uint8_t old = c->control;

  c->control = (uint8_t) value;
  if (value & CONTROL_SRST && !(old & CONTROL_SRST))
    {
      for (unsigned i = 0; i < IDE_UNITS; i++)
        {
          if (c->drives[i].kind != IDE_NONE)
            {
              ide_reset_drive (&c->drives[i]);
              c->drives[i].status = STATUS_BSY;
            }
        }
      c->selected = 0;
      c->irq_level = 0;
    }
  else if (!(value & CONTROL_SRST) && old & CONTROL_SRST)
    {
      for (unsigned i = 0; i < IDE_UNITS; i++)
        {
          if (c->drives[i].kind != IDE_NONE)
            ide_reset_drive (&c->drives[i]);
        }
    }
  ide_drive_irq (c);
}

static const PioOps command_block_ops = {
  .read = command_block_read, .write = command_block_write, .min_size = 1, .max_size = 4
};
static const PioOps control_ops = { .read = control_read, .write = control_write };

static gboolean
ide_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Ide *d = (Ide *) dev;
  PciBar bar = { .kind = PCI_BAR_IO, .size = BM_SIZE, .pio = &ide_bmdma_ops };

  if (!pci_device_init (&d->parent, env, PIIX3_SLOT << 3 | 1, 0x8086, 0x7010, 0x0101, error))
    return FALSE;
  d->parent.config[PCI_CLASS_PROG] = 0x80;
  pci_set_long (d->parent.wmask + CONFIG_IDETIM, 0xffffffff);
  pci_register_bar (&d->parent, BM_BAR, &bar);
  for (unsigned i = 0; i < IDE_CHANNELS; i++)
    {
      IdeChannel *c = &d->channels[i];

      c->ide = d;
      c->index = i;
      if (!bus_add_pio (env->bus, command_ports[i], 8, &command_block_ops, c, error) ||
          !bus_add_pio (env->bus, control_ports[i], 1, &control_ops, c, error))
        return FALSE;
      for (unsigned unit = 0; unit < IDE_UNITS; unit++)
        {
          c->drives[unit].channel = c;
          g_snprintf (c->drives[unit].serial, sizeof c->drives[unit].serial, "BN%05u", i * IDE_UNITS + unit + 1);
          if (c->drives[unit].disk != NULL)
            disk_set_context (c->drives[unit].disk, env->context);
        }
    }
  return TRUE;
}

static void
ide_reset (Device *dev)
{
  Ide *d = (Ide *) dev;

  pci_device_reset (&d->parent);
  pci_set_word (d->parent.config + CONFIG_IDETIM, IDETIM_ENABLE);
  pci_set_word (d->parent.config + CONFIG_IDETIM + 2, IDETIM_ENABLE);
  for (unsigned i = 0; i < IDE_CHANNELS; i++)
    {
      IdeChannel *c = &d->channels[i];

      c->selected = 0;
      c->control = c->bm_command = c->bm_status = 0;
      c->bm_table = 0;
      for (unsigned unit = 0; unit < IDE_UNITS; unit++)
        {
          IdeDrive *drive = &c->drives[unit];

          if (drive->kind == IDE_NONE)
            continue;
          drive->heads = 16;
          drive->sectors = 63;
          drive->write_cache = TRUE;
          drive->locked = FALSE;
          ide_reset_drive (drive);
        }
      ide_clear_irq (c);
    }
}

static void
ide_unrealize (Device *dev)
{
  Ide *d = (Ide *) dev;

  for (unsigned i = 0; i < IDE_CHANNELS; i++)
    {
      for (unsigned unit = 0; unit < IDE_UNITS; unit++)
        {
          IdeDrive *drive = &d->channels[i].drives[unit];

          /* Others may hold on to the disk; it must not work on the buffer any more. */
          if (drive->busy)
            disk_drain (drive->disk);
          g_clear_pointer (&drive->disk, disk_unref);
        }
      bus_remove_pio (dev->env.bus, command_ports[i], &d->channels[i]);
      bus_remove_pio (dev->env.bus, control_ports[i], &d->channels[i]);
    }
  pci_device_exit (&d->parent);
}

const DeviceType piix3_ide_type = {
  .name = "piix3-ide", .size = sizeof (Ide), .version = 1, .fields = ide_state_fields, .realize = ide_realize,
  .reset = ide_reset, .before_save = ide_before_save, .before_load = ide_before_load, .after_load = ide_after_load,
  .unrealize = ide_unrealize
};

static IdeDrive *
drive_at (Device *dev, unsigned channel, unsigned unit)
{
  g_assert (channel < IDE_CHANNELS && unit < IDE_UNITS);
  return &((Ide *) dev)->channels[channel].drives[unit];
}

void
piix3_ide_attach_disk (Device *dev, unsigned channel, unsigned unit, Disk *disk)
{
  IdeDrive *drive = drive_at (dev, channel, unit);

  drive->kind = IDE_DISK;
  drive->disk = disk_ref (disk);
}

void
piix3_ide_attach_cdrom (Device *dev, unsigned channel, unsigned unit, Disk *disk)
{
  IdeDrive *drive = drive_at (dev, channel, unit);

  drive->kind = IDE_CDROM;
  drive->disk = disk != NULL ? disk_ref (disk) : NULL;
}

void
piix3_ide_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned drive), void *opaque)
{
  ((Ide *) dev)->ejected = ejected;
  ((Ide *) dev)->ejected_opaque = opaque;
}

gboolean
piix3_ide_set_disc (Device *dev, unsigned number, Disk *disk, gboolean force, GError **error)
{
  IdeDrive *drive = number < IDE_CHANNELS * IDE_UNITS ? drive_at (dev, number / 2, number % 2) : NULL;

  if (drive == NULL || drive->kind != IDE_CDROM)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("drive ide%u is no CD drive"), number);
      return FALSE;
    }
  if (drive->locked && drive->disk != NULL && !force)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("the guest has locked the disc in drive ide%u"), number);
      return FALSE;
    }
  if (drive->busy)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("drive ide%u is reading: try again"), number);
      return FALSE;
    }
  g_clear_pointer (&drive->disk, disk_unref);
  if (disk != NULL)
    {
      drive->disk = disk_ref (disk);
      disk_set_context (disk, dev->env.context);
    }
  drive->locked = FALSE;
  atapi_disc_changed (drive);
  return TRUE;
}

void
piix3_ide_counters (Device *dev, IdeCounters *counters)
{
  *counters = ((Ide *) dev)->counters;
}
