/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A virtio SCSI host: up to 16 targets, each a disk or a CD/DVD drive, that may come and go. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/storage/disk-counters.h"
#include "storage/disk/disk.h"

enum
{
  VIRTIO_SCSI_TARGETS = 16,
  VIRTIO_SCSI_QUEUES_MAX = 8 /* of requests */
};

extern const DeviceType virtio_scsi_type;

/* To be set before realize. Disks are referenced; @disc NULL: an empty drive. */
void virtio_scsi_attach_disk (Device *dev, unsigned target, Disk *disk);
void virtio_scsi_attach_cdrom (Device *dev, unsigned target, Disk *disc);
/* One for each processor is right; cut to what there can be. */
void virtio_scsi_set_queues (Device *dev, unsigned queues);
void virtio_scsi_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned target), void *opaque);
/* The PCI slot that it got in realize, for the firmware's boot order. */
unsigned virtio_scsi_slot (Device *dev);
void virtio_scsi_counters (Device *dev, DiskCounters *counters);

/* The disk there, borrowed, or NULL. */
Disk *virtio_scsi_disk (Device *dev, unsigned target);

/* While the machine runs; machine lock held. Errors: G_IO_ERROR_WOULD_BLOCK: try again in a moment. */

/* Puts a disc in or, with NULL, takes it out; refused while the guest has locked it, unless @force. */
gboolean virtio_scsi_set_disc (Device *dev, unsigned target, Disk *disc, gboolean force, GError **error);
gboolean virtio_scsi_plug_disk (Device *dev, unsigned target, Disk *disk, GError **error);
/* The guest is told, and cannot reach the disk any more even when it has to be tried again. */
gboolean virtio_scsi_unplug_disk (Device *dev, unsigned target, GError **error);
