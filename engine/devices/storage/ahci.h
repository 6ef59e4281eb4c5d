/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ICH9's SATA controller in AHCI mode, with up to 30 ports, each for a disk or a CD/DVD drive. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/storage/disk-counters.h"
#include "storage/disk/disk.h"

enum
{
  AHCI_PORTS = 30, AHCI_PORTS_LEAST = 6,
  AHCI_PCI_SLOT = 13 /* beyond those of network adapters, so that a disk more or less moves none of them */
};

extern const DeviceType ahci_type;

/* To be set before realize. The disk is referenced. There are ports up to the last that is used, at least those of an
 * ICH9. */
void ahci_attach_disk (Device *dev, unsigned port, Disk *disk);
/* A CD/DVD drive; @disk may be NULL: empty. */
void ahci_attach_cdrom (Device *dev, unsigned port, Disk *disk);
/* Called when the guest has ejected a disc; the drive is empty by then. Machine lock held. */
void ahci_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned port), void *opaque);

/* While the guest runs, machine lock held: */

/* Puts a disc in, or takes it out with NULL. FALSE: no CD drive there, or the guest has locked it and @force is not set;
 * G_IO_ERROR_WOULD_BLOCK: it is reading. */
gboolean ahci_set_disc (Device *dev, unsigned port, Disk *disk, gboolean force, GError **error);
/* Plugs a disk into an empty port; the guest is told. */
gboolean ahci_plug_disk (Device *dev, unsigned port, Disk *disk, GError **error);
/* Pulls a disk out. What the guest has not flushed may be lost. G_IO_ERROR_WOULD_BLOCK: the guest is told already, but
 * requests are still under way; to be called again. */
gboolean ahci_unplug_disk (Device *dev, unsigned port, GError **error);

/* The disk there, borrowed, or NULL. */
Disk *ahci_disk (Device *dev, unsigned port);
void ahci_counters (Device *dev, DiskCounters *counters);
