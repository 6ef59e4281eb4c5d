/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AHCI controller: its registers, resets, the links to its drives, and drives that come and go. Specification: see
 * ahci-private.h. */

#include "engine/devices/storage/ahci-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  PCI_VENDOR_INTEL = 0x8086, PCI_DEVICE_ICH9_AHCI = 0x2922, PCI_CLASS_SATA = 0x0106, PROG_IF_AHCI = 1,
  ABAR = 5, ABAR_SIZE = 0x1000, CONFIG_MAP = 0x90, MAP_AHCI = 0x40, CONFIG_PCS = 0x92,
  TFD_NO_DEVICE = 0x7f
};
#define SIG_NONE 0xffffffffu

gboolean
ahci_link_is_up (const AhciPort *port)
{
  return port->ssts == SSTS_UP;
}

gboolean
ahci_port_is_busy (const AhciPort *port)
{
  for (unsigned i = 0; i < SLOTS; i++)
    {
      if (port->tags[i].busy)
        return TRUE;
    }
  return port->drive.busy;
}

/* Interrupts */

/* Two causes only show what stands in the error register. */
static uint32_t
port_causes (const AhciPort *port)
{
  return port->is | (port->serr & SERR_DIAG_X ? (uint32_t) IS_PCS : 0) | (port->serr & SERR_DIAG_N ? (uint32_t) IS_PRCS : 0);
}

void
ahci_update_irq (Ahci *d)
{
  for (unsigned i = 0; i < d->ports; i++)
    {
      if (port_causes (&d->port[i]) & d->port[i].ie)
        d->is |= 1u << i;
    }
  pci_set_irq (&d->parent, d->ghc & GHC_IE && d->is != 0);
}

/* Links */

static void
link_down (AhciPort *port, uint32_t ssts)
{
  ahci_cancel (port);
  port->ssts = ssts;
  port->tfd = TFD_NO_DEVICE;
  port->sig = SIG_NONE;
  port->signature_due = FALSE;
}

/* The drive begins anew, and says what it is. */
static void
link_up (AhciPort *port)
{
  if (port->drive.kind == ATA_NONE || (port->sctl & SCTL_DET) != 0)
    return;
  ata_reset_drive (&port->drive);
  port->ssts = SSTS_UP;
  port->serr |= SERR_DIAG_X;
  port->in_reset = FALSE;
  port->failed_tag = NO_SLOT;
  port->signature_due = TRUE;
  ahci_post_signature (port);
}

static void
write_scontrol (AhciPort *port, uint32_t value)
{
  uint32_t old = port->sctl & SCTL_DET, det = value & SCTL_DET;

  port->sctl = value & 0xfff;
  if (det == SCTL_DET_COMRESET && old != SCTL_DET_COMRESET)
    link_down (port, SSTS_NO_DEVICE);
  else if (det == SCTL_DET_OFFLINE && old != SCTL_DET_OFFLINE)
    link_down (port, SSTS_OFFLINE);
  else if (det == 0 && old != 0)
    {
      port->ssts = SSTS_NO_DEVICE;
      link_up (port);
    }
}

/* Ports */

static void
write_command (AhciPort *port, uint32_t value)
{
  const uint32_t writable = CMD_ST | CMD_FRE | CMD_ATAPI | CMD_DLAE;
  uint32_t old = port->cmd;

  port->cmd = (old & ~writable) | (value & writable);
  /* The engine receives as long as commands run. */
  if (port->cmd & CMD_ST)
    port->cmd |= CMD_FRE & old;
  port->cmd = port->cmd & CMD_FRE ? port->cmd | CMD_FR : port->cmd & ~(uint32_t) CMD_FR;
  port->cmd = port->cmd & CMD_ST ? port->cmd | CMD_CR : port->cmd & ~(uint32_t) CMD_CR;
  if (old & CMD_ST && !(port->cmd & CMD_ST))
    {
      ahci_cancel (port);
      port->ci = port->sact = 0;
      port->halted = FALSE;
      port->cmd &= ~(uint32_t) CMD_CCS;
      port->last_slot = SLOTS - 1;
    }
  if (value & CMD_CLO && !(port->cmd & CMD_ST))
    port->tfd &= ~(uint32_t) (STATUS_BSY | STATUS_DRQ);
  ahci_post_signature (port);
}

static uint32_t
port_read (const AhciPort *port, unsigned reg)
{
  switch (reg)
    {
    case PX_CLB:
      return port->clb;
    case PX_CLBU:
      return port->clbu;
    case PX_FB:
      return port->fb;
    case PX_FBU:
      return port->fbu;
    case PX_IS:
      return port_causes (port);
    case PX_IE:
      return port->ie;
    case PX_CMD:
      return port->cmd;
    case PX_TFD:
      return port->tfd;
    case PX_SIG:
      return port->sig;
    case PX_SSTS:
      return port->ssts;
    case PX_SCTL:
      return port->sctl;
    case PX_SERR:
      return port->serr;
    case PX_SACT:
      return port->sact;
    case PX_CI:
      return port->ci;
    default:
      return 0;
    }
}

static void
port_write (AhciPort *port, unsigned reg, uint32_t value)
{
  switch (reg)
    {
    case PX_CLB:
      port->clb = value & ~0x3ffu;
      break;
    case PX_CLBU:
      port->clbu = value;
      break;
    case PX_FB:
      port->fb = value & ~0xffu;
      break;
    case PX_FBU:
      port->fbu = value;
      break;
    case PX_IS:
      port->is &= ~value;
      break;
    case PX_IE:
      port->ie = value & 0xfdc000ff;
      break;
    case PX_CMD:
      write_command (port, value);
      break;
    case PX_SCTL:
      write_scontrol (port, value);
      break;
    case PX_SERR:
      port->serr &= ~value;
      break;
    case PX_SACT:
      if (port->cmd & CMD_ST)
        port->sact |= value;
      break;
    case PX_CI:
      if (port->cmd & CMD_ST)
        port->ci |= value;
      break;
    default:
      break;
    }
  ahci_process (port);
}

static void
port_reset (AhciPort *port)
{
  link_down (port, SSTS_NO_DEVICE);
  port->is = port->ie = port->sctl = port->serr = port->sact = port->ci = 0;
  port->cmd = CMD_SUD | CMD_POD | (port->can_plug ? CMD_HPCP : 0);
  port->last_slot = SLOTS - 1;
  port->halted = port->in_reset = FALSE;
  port->failed_tag = NO_SLOT;
  port->failed_error = 0;
  port->failed_lba = 0;
  link_up (port);
}

static void
hba_reset (Ahci *d)
{
  d->ghc = d->is = 0;
  for (unsigned i = 0; i < AHCI_PORTS; i++)
    port_reset (&d->port[i]);
  ahci_update_irq (d);
}

static uint64_t
ahci_read (void *opaque, uint64_t offset, unsigned size)
{
  Ahci *d = opaque;
  unsigned port = (unsigned) (offset - REG_PORTS) / PORT_SIZE;

  if (offset >= REG_PORTS)
    return port < d->ports ? port_read (&d->port[port], offset % PORT_SIZE) : 0;
  switch (offset)
    {
    case REG_CAP:
      return CAP_S64A | CAP_SNCQ | CAP_SCLO | CAP_ISS_6_GBPS | (SLOTS - 1) << CAP_NCS_SHIFT | (d->ports - 1);
    case REG_GHC:
      return d->ghc;
    case REG_IS:
      return d->is;
    case REG_PI:
      return (1u << d->ports) - 1;
    case REG_VS:
      return VERSION_1_3_1;
    default:
      return 0;
    }
}

static void
ahci_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Ahci *d = opaque;
  unsigned port = (unsigned) (offset - REG_PORTS) / PORT_SIZE;

  if (offset >= REG_PORTS)
    {
      if (port < d->ports)
        port_write (&d->port[port], offset % PORT_SIZE, (uint32_t) value);
      return;
    }
  if (offset == REG_GHC && value & GHC_HR)
    hba_reset (d);
  else if (offset == REG_GHC)
    d->ghc = (uint32_t) value & (GHC_AE | GHC_IE);
  else if (offset == REG_IS)
    d->is &= ~(uint32_t) value;
  ahci_update_irq (d);
}

static const MmioOps ahci_ops = { .read = ahci_read, .write = ahci_write, .min_size = 4, .max_size = 4 };

/* The device */

static gboolean
ahci_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Ahci *d = (Ahci *) dev;
  PciBar bar = { .kind = PCI_BAR_MEMORY, .size = ABAR_SIZE, .mmio = &ahci_ops };

  if (!pci_device_init (&d->parent, env, AHCI_PCI_SLOT << 3, PCI_VENDOR_INTEL, PCI_DEVICE_ICH9_AHCI, PCI_CLASS_SATA, error))
    return FALSE;
  d->parent.config[PCI_REVISION_ID] = 2;
  d->parent.config[PCI_CLASS_PROG] = PROG_IF_AHCI;
  d->parent.config[PCI_INTERRUPT_PIN] = 1;
  d->parent.config[CONFIG_MAP] = MAP_AHCI;
  pci_set_word (d->parent.wmask + CONFIG_PCS, 0x3f);
  pci_register_bar (&d->parent, ABAR, &bar);
  d->ports = AHCI_PORTS_LEAST;
  for (unsigned i = 0; i < AHCI_PORTS; i++)
    {
      AhciPort *port = &d->port[i];

      port->ahci = d;
      port->index = i;
      port->slot = NO_SLOT;
      port->can_plug = port->drive.kind == ATA_NONE;
      ata_drive_init (&port->drive, &ahci_host, env->lock, &d->counters, i);
      port->drive.bus = port;
      port->drive.is_serial = TRUE;
      for (unsigned tag = 0; tag < SLOTS; tag++)
        {
          port->tags[tag].port = port;
          port->tags[tag].number = tag;
        }
      if (!port->can_plug)
        d->ports = MAX (d->ports, i + 1);
      if (port->drive.disk != NULL)
        disk_set_context (port->drive.disk, env->context);
    }
  return TRUE;
}

static void
ahci_reset (Device *dev)
{
  Ahci *d = (Ahci *) dev;

  pci_device_reset (&d->parent);
  for (unsigned i = 0; i < AHCI_PORTS; i++)
    {
      AhciPort *port = &d->port[i];

      port->clb = port->clbu = port->fb = port->fbu = 0;
      ata_power_on (&port->drive);
    }
  hba_reset (d);
}

static void
ahci_unrealize (Device *dev)
{
  Ahci *d = (Ahci *) dev;

  for (unsigned i = 0; i < AHCI_PORTS; i++)
    {
      AhciPort *port = &d->port[i];

      ahci_queue_exit (port);
      ata_drive_exit (&port->drive);
    }
  pci_device_exit (&d->parent);
}

const DeviceType ahci_type = {
  .name = "ahci", .size = sizeof (Ahci), .version = 1, .fields = ahci_state_fields, .realize = ahci_realize,
  .reset = ahci_reset, .before_save = ahci_before_save, .before_load = ahci_before_load, .after_load = ahci_after_load,
  .unrealize = ahci_unrealize
};

/* Drives */

void
ahci_attach_disk (Device *dev, unsigned port, Disk *disk)
{
  AtaDrive *drive = &((Ahci *) dev)->port[port].drive;

  g_assert (port < AHCI_PORTS);
  drive->kind = ATA_DISK;
  drive->disk = disk_ref (disk);
}

void
ahci_attach_cdrom (Device *dev, unsigned port, Disk *disk)
{
  AtaDrive *drive = &((Ahci *) dev)->port[port].drive;

  g_assert (port < AHCI_PORTS);
  drive->kind = ATA_CDROM;
  drive->disk = disk != NULL ? disk_ref (disk) : NULL;
}

void
ahci_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned port), void *opaque)
{
  ((Ahci *) dev)->ejected = ejected;
  ((Ahci *) dev)->ejected_opaque = opaque;
}

gboolean
ahci_set_disc (Device *dev, unsigned port, Disk *disk, gboolean force, GError **error)
{
  AtaDrive *drive = port < AHCI_PORTS ? &((Ahci *) dev)->port[port].drive : NULL;
  g_autofree char *name = g_strdup_printf ("ahci%u", port);

  if (drive == NULL || drive->kind != ATA_CDROM)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("drive %s is no CD drive"), name);
      return FALSE;
    }
  return ata_set_disc (drive, disk, force, dev->env.context, name, error);
}

gboolean
ahci_plug_disk (Device *dev, unsigned index, Disk *disk, GError **error)
{
  Ahci *d = (Ahci *) dev;
  AhciPort *port = index < d->ports ? &d->port[index] : NULL;
  g_autofree char *name = g_strdup_printf ("ahci%u", index);

  if (port == NULL || port->drive.kind != ATA_NONE || ahci_port_is_busy (port))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("there is a drive at %s already, or no such place"), name);
      return FALSE;
    }
  port->drive.kind = ATA_DISK;
  port->drive.disk = disk_ref (disk);
  disk_set_context (disk, dev->env.context);
  ata_power_on (&port->drive);
  port->serr |= SERR_DIAG_N;
  link_up (port);
  ahci_process (port);
  return TRUE;
}

gboolean
ahci_unplug_disk (Device *dev, unsigned index, GError **error)
{
  Ahci *d = (Ahci *) dev;
  AhciPort *port = index < d->ports ? &d->port[index] : NULL;
  g_autofree char *name = g_strdup_printf ("ahci%u", index);

  if (port == NULL || port->drive.kind != ATA_DISK)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no disk at %s"), name);
      return FALSE;
    }
  if (ahci_link_is_up (port))
    {
      link_down (port, SSTS_NO_DEVICE);
      port->serr |= SERR_DIAG_N;
      ahci_update_irq (d);
    }
  if (ahci_port_is_busy (port))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("disk %s is at work: try again"), name);
      return FALSE;
    }
  port->drive.kind = ATA_NONE;
  g_clear_pointer (&port->drive.disk, disk_unref);
  return TRUE;
}

Disk *
ahci_disk (Device *dev, unsigned port)
{
  const AtaDrive *drive = port < AHCI_PORTS ? &((Ahci *) dev)->port[port].drive : NULL;

  return drive != NULL && drive->kind == ATA_DISK ? drive->disk : NULL;
}

void
ahci_counters (Device *dev, DiskCounters *counters)
{
  *counters = ((Ahci *) dev)->counters;
}
