/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PIIX3's IDE function: two channels with up to two ATA disks or ATAPI drives each, and bus-master DMA. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/storage/disk-counters.h"
#include "storage/disk/disk.h"

enum { IDE_CHANNELS = 2, IDE_UNITS = 2 };

extern const DeviceType piix3_ide_type;

/* To be set before realize. The disk is referenced. */
void piix3_ide_attach_disk (Device *dev, unsigned channel, unsigned unit, Disk *disk);
/* A CD/DVD drive; @disk may be NULL: empty. */
void piix3_ide_attach_cdrom (Device *dev, unsigned channel, unsigned unit, Disk *disk);
/* Called when the guest has ejected a disc; the drive is empty by then. Machine lock held. */
void piix3_ide_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned drive), void *opaque);

/* Puts a disc in (or, with NULL, takes it out) while the guest runs; machine lock held. The drive numbered 2 × channel
 * + unit. FALSE: it is no CD drive, or the guest has locked it and @force is not set. */
gboolean piix3_ide_set_disc (Device *dev, unsigned drive, Disk *disk, gboolean force, GError **error);

void piix3_ide_counters (Device *dev, DiskCounters *counters);
