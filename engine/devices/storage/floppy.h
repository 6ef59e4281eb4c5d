/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82077AA floppy disk controller at 3F0h with up to two drives, on IRQ 6 and DMA channel 2. */
#pragma once

#include "engine/devices/device.h"
#include "storage/disk/disk.h"

enum { FLOPPY_DRIVES = 2 };

extern const DeviceType floppy_type;

/* To be set before realize: the DMA controller (not owned; freed after the floppy controller). */
void floppy_set_dma (Device *dev, Device *dma);
/* Before realize: adds a drive, empty when @disk is NULL; else the image is referenced. What kind of drive it is
 * follows
 * from the image. Fails when the image is larger than any floppy. */
gboolean floppy_attach (Device *dev, unsigned drive, Disk *disk, GError **error);
/* Changes the disk (NULL: takes it out) while the guest runs; machine lock held. */
gboolean floppy_set_disk (Device *dev, unsigned drive, Disk *disk, GError **error);
/* What is in the drive, or NULL; borrowed. */
Disk *floppy_disk (Device *dev, unsigned drive);
/* The drive's kind as CMOS cell 10h wants it: 0 none, 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
unsigned floppy_cmos_type (Device *dev, unsigned drive);

typedef struct
{
  uint64_t reads, writes; /* requests to the images */
} FloppyCounters;
void floppy_counters (Device *dev, FloppyCounters *counters);
