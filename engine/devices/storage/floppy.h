/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82077AA floppy controller with up to two drives. */
#pragma once

#include "engine/devices/device.h"
#include "storage/disk/disk.h"

enum { FLOPPY_DRIVES = 2 };

extern const DeviceType floppy_type;

/* To be set before realize: the DMA controllers, and which drives there are (@disk NULL: empty; referenced). */
void floppy_set_dma (Device *dev, Device *dma);
void floppy_attach (Device *dev, unsigned drive, Disk *disk);

/* Changes the disk while the guest runs; machine lock held. FALSE: there is no such drive, or the image is no floppy. */
gboolean floppy_set_disk (Device *dev, unsigned drive, Disk *disk, GError **error);
uint64_t floppy_reads (Device *dev);
