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

static AtaDrive *
selected (IdeChannel *c)
{
  return &c->drives[c->selected];
}

void
ide_drive_irq (IdeChannel *c)
{
  irq_set (&c->ide->parent.parent.env.isa_irq[channel_irqs[c->index]], c->irq_level && !(c->control & CONTROL_NIEN));
}

IdeChannel *
ide_channel_of (AtaDrive *drive)
{
  return drive->bus;
}

static void
set_irq (AtaDrive *drive)
{
  IdeChannel *c = ide_channel_of (drive);

  c->irq_level = 1;
  c->bm_status |= BM_STATUS_IRQ;
  ide_drive_irq (c);
}

static void
clear_irq (IdeChannel *c)
{
  c->irq_level = 0;
  ide_drive_irq (c);
}

static void
execute_diagnostic (AtaDrive *drive)
{
  IdeChannel *c = ide_channel_of (drive);

  for (unsigned i = 0; i < IDE_UNITS; i++)
    {
      if (c->drives[i].kind != ATA_NONE && !c->drives[i].busy)
        ata_reset_drive (&c->drives[i]);
    }
  c->selected = 0;
}

static gboolean
is_in_reset (AtaDrive *drive)
{
  return (ide_channel_of (drive)->control & CONTROL_SRST) != 0;
}

static void
disc_ejected (AtaDrive *drive)
{
  IdeChannel *c = ide_channel_of (drive);

  if (c->ide->ejected != NULL)
    c->ide->ejected (c->ide->ejected_opaque, c->index * IDE_UNITS + (unsigned) (drive - c->drives));
}

static const AtaHost channel_host = {
  .attention = set_irq, .dma_ready = ide_dma_ready, .dma_transfer = ide_dma_transfer, .dma_end = ide_dma_end,
  .diagnostic = execute_diagnostic, .in_reset = is_in_reset, .ejected = disc_ejected
};

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
  AtaDrive *drive = selected (c);

  clear_irq (c);
  /* Nobody hears a command to a missing drive, or to one that is busy; but a packet device hears a reset. */
  if (drive->kind == ATA_NONE || c->control & CONTROL_SRST)
    return;
  if ((drive->busy || drive->status & STATUS_BSY) && !(drive->kind == ATA_CDROM && command == CMD_PACKET_RESET))
    return;
  if (drive->status & STATUS_DRQ && command != CMD_PACKET_RESET)
    drive->phase = PHASE_IDLE;
  ata_execute (drive, command);
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
      AtaDrive *drive = &c->drives[i];

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
  AtaDrive *drive = selected (c);

  return drive->kind == ATA_NONE ? 0 : drive->status;
}

static uint32_t
task_file_read (void *opaque, uint16_t offset, unsigned size)
{
  IdeChannel *c = opaque;
  AtaDrive *drive = selected (c);
  unsigned hob = c->control & CONTROL_HOB ? 1 : 0;

  if (c->drives[0].kind == ATA_NONE && c->drives[1].kind == ATA_NONE)
    return 0xff;
  if (drive->kind == ATA_NONE && offset != REG_STATUS && offset != REG_DEVICE)
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
      clear_irq (c);
      return status_of (c);
    }
}

/* Data port */

static uint32_t
data_read (IdeChannel *c, unsigned size)
{
  AtaDrive *drive = selected (c);
  uint32_t value = 0;

  if (drive->phase != PHASE_PIO_IN || !(drive->status & STATUS_DRQ))
    return 0;
  for (unsigned i = 0; i < size && drive->at < drive->end; i++)
    value |= (uint32_t) drive->buffer[drive->at++] << (8 * i);
  if (drive->at >= drive->end)
    ata_block_done (drive);
  return value;
}

static void
data_write (IdeChannel *c, uint32_t value, unsigned size)
{
  AtaDrive *drive = selected (c);

  if ((drive->phase != PHASE_PIO_OUT && drive->phase != PHASE_PACKET) || !(drive->status & STATUS_DRQ))
    return;
  for (unsigned i = 0; i < size && drive->at < drive->end; i++)
    drive->buffer[drive->at++] = (uint8_t) (value >> (8 * i));
  if (drive->at >= drive->end)
    ata_block_done (drive);
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

  return c->drives[0].kind == ATA_NONE && c->drives[1].kind == ATA_NONE ? 0xff : status_of (c);
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
          if (c->drives[i].kind != ATA_NONE)
            {
              ata_reset_drive (&c->drives[i]);
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
          if (c->drives[i].kind != ATA_NONE)
            ata_reset_drive (&c->drives[i]);
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
          ata_drive_init (&c->drives[unit], &channel_host, env->lock, &d->counters, i * IDE_UNITS + unit);
          c->drives[unit].bus = c;
          c->drives[unit].is_slave = unit == 1;
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
          AtaDrive *drive = &c->drives[unit];

          if (drive->kind == ATA_NONE)
            continue;
          ata_power_on (drive);
        }
      clear_irq (c);
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
          AtaDrive *drive = &d->channels[i].drives[unit];

          ata_drive_exit (drive);
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

static AtaDrive *
drive_at (Device *dev, unsigned channel, unsigned unit)
{
  g_assert (channel < IDE_CHANNELS && unit < IDE_UNITS);
  return &((Ide *) dev)->channels[channel].drives[unit];
}

void
piix3_ide_attach_disk (Device *dev, unsigned channel, unsigned unit, Disk *disk)
{
  AtaDrive *drive = drive_at (dev, channel, unit);

  drive->kind = ATA_DISK;
  drive->disk = disk_ref (disk);
}

void
piix3_ide_attach_cdrom (Device *dev, unsigned channel, unsigned unit, Disk *disk)
{
  AtaDrive *drive = drive_at (dev, channel, unit);

  drive->kind = ATA_CDROM;
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
  AtaDrive *drive = number < IDE_CHANNELS * IDE_UNITS ? drive_at (dev, number / 2, number % 2) : NULL;
  char name[16];

  g_snprintf (name, sizeof name, "ide%u", number);
  if (drive == NULL || drive->kind != ATA_CDROM)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("drive %s is no CD drive"), name);
      return FALSE;
    }
  return ata_set_disc (drive, disk, force, dev->env.context, name, error);
}

void
piix3_ide_counters (Device *dev, DiskCounters *counters)
{
  *counters = ((Ide *) dev)->counters;
}
