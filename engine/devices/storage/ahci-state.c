/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The saved state of the AHCI controller. Commands that are under way are saved
 * as such; after a load they begin again from the guest's memory, where they
 * still are: doing any of them twice comes to the same.
 */

#include "engine/devices/storage/ahci-private.h"

#include <gio/gio.h>

#define PORT_FIELDS(p) \
  STATE_U32 (Ahci, port[p].saved_kind), STATE_U32 (Ahci, port[p].clb), STATE_U32 (Ahci, port[p].clbu), \
  STATE_U32 (Ahci, port[p].fb), STATE_U32 (Ahci, port[p].fbu), STATE_U32 (Ahci, port[p].is), \
  STATE_U32 (Ahci, port[p].ie), STATE_U32 (Ahci, port[p].cmd), STATE_U32 (Ahci, port[p].tfd), \
  STATE_U32 (Ahci, port[p].sig), STATE_U32 (Ahci, port[p].ssts), STATE_U32 (Ahci, port[p].sctl), \
  STATE_U32 (Ahci, port[p].serr), STATE_U32 (Ahci, port[p].sact), STATE_U32 (Ahci, port[p].ci), \
  STATE_U32 (Ahci, port[p].queued), STATE_U8 (Ahci, port[p].slot), STATE_U8 (Ahci, port[p].last_slot), \
  STATE_U8 (Ahci, port[p].in_reset), STATE_U8 (Ahci, port[p].halted), STATE_U8 (Ahci, port[p].signature_due), \
  STATE_U8 (Ahci, port[p].failed_tag), STATE_U8 (Ahci, port[p].failed_error), STATE_U64 (Ahci, port[p].failed_lba), \
  STATE_BYTES (Ahci, port[p].drive.feature), STATE_BYTES (Ahci, port[p].drive.count), \
  STATE_BYTES (Ahci, port[p].drive.lba_low), STATE_BYTES (Ahci, port[p].drive.lba_mid), \
  STATE_BYTES (Ahci, port[p].drive.lba_high), STATE_U8 (Ahci, port[p].drive.device), \
  STATE_U8 (Ahci, port[p].drive.error), STATE_U8 (Ahci, port[p].drive.status), \
  STATE_U8 (Ahci, port[p].drive.multiple), STATE_U8 (Ahci, port[p].drive.write_cache), \
  STATE_U8 (Ahci, port[p].drive.dma_mode), STATE_U32 (Ahci, port[p].drive.heads), \
  STATE_U32 (Ahci, port[p].drive.sectors), STATE_U8 (Ahci, port[p].drive.mmc.sense_key), \
  STATE_U8 (Ahci, port[p].drive.mmc.asc), STATE_U8 (Ahci, port[p].drive.mmc.ascq), STATE_U8 (Ahci, port[p].drive.mmc.locked), \
  STATE_U8 (Ahci, port[p].drive.mmc.tray_open), STATE_U8 (Ahci, port[p].drive.mmc.unit_attention), \
  STATE_U8 (Ahci, port[p].drive.mmc.media_event)
#define TEN_PORTS(p) \
  PORT_FIELDS (p), PORT_FIELDS (p + 1), PORT_FIELDS (p + 2), PORT_FIELDS (p + 3), PORT_FIELDS (p + 4), \
  PORT_FIELDS (p + 5), PORT_FIELDS (p + 6), PORT_FIELDS (p + 7), PORT_FIELDS (p + 8), PORT_FIELDS (p + 9)

const StateField ahci_state_fields[] = {
  PCI_STATE_FIELDS (Ahci), STATE_U32 (Ahci, saved_ports), STATE_U32 (Ahci, ghc), STATE_U32 (Ahci, is), TEN_PORTS (0),
  TEN_PORTS (10), TEN_PORTS (20), STATE_END
};

void
ahci_before_save (Device *dev)
{
  Ahci *d = (Ahci *) dev;

  for (unsigned i = 0; i < AHCI_PORTS; i++)
    d->port[i].saved_kind = d->port[i].drive.kind;
  d->saved_ports = d->ports;
}

gboolean
ahci_before_load (Device *dev, GError **error)
{
  Ahci *d = (Ahci *) dev;

  for (unsigned i = 0; i < AHCI_PORTS; i++)
    {
      if (ahci_port_is_busy (&d->port[i]))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "drive ahci%u is at work", i);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
port_is_sound (const AhciPort *port)
{
  const AtaDrive *d = &port->drive;

  if (port->saved_kind != d->kind || port->last_slot >= SLOTS || (port->slot >= SLOTS && port->slot != NO_SLOT) ||
      (port->failed_tag >= SLOTS && port->failed_tag != NO_SLOT))
    return FALSE;
  if (d->kind == ATA_NONE)
    return port->slot == NO_SLOT && port->queued == 0;
  /* A command under way was issued, and the port can go on with it. */
  if ((port->slot != NO_SLOT || port->queued != 0) &&
      (!(port->cmd & CMD_ST) || port->halted || port->in_reset || !ahci_link_is_up (port)))
    return FALSE;
  if (port->slot != NO_SLOT && (port->queued != 0 || !(port->ci >> port->slot & 1)))
    return FALSE;
  return (port->queued == 0 || d->kind == ATA_DISK) && d->multiple <= MULTIPLE_MAX && d->heads >= 1 &&
         d->heads <= ATA_HEADS_MAX && d->sectors >= 1 && d->sectors <= ATA_SECTORS_MAX;
}

gboolean
ahci_after_load (Device *dev, GError **error)
{
  Ahci *d = (Ahci *) dev;
  gboolean ok = d->saved_ports == d->ports;

  for (unsigned i = 0; i < AHCI_PORTS; i++)
    ok = ok && port_is_sound (&d->port[i]);
  if (!ok)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "saved state of %s: it is damaged, or of a machine with other drives", dev->type->name);
      return FALSE;
    }
  pci_device_loaded (&d->parent);
  for (unsigned i = 0; i < AHCI_PORTS; i++)
    {
      AhciPort *port = &d->port[i];
      unsigned slot = port->slot;

      port->drive.phase = PHASE_IDLE;
      for (unsigned tag = 0; tag < SLOTS; tag++)
        {
          if (port->queued >> tag & 1)
            ahci_queue_restart (port, tag);
        }
      port->slot = NO_SLOT;
      if (slot != NO_SLOT)
        ahci_start (port, slot);
      ahci_process (port);
    }
  return TRUE;
}
