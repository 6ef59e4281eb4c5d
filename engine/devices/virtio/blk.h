/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A virtio block device: one disk, several queues, many requests at a time. */
#pragma once

#include "engine/devices/device.h"
#include "storage/disk/disk.h"

enum
{
  VIRTIO_BLK_QUEUES_MAX = 8
};

extern const DeviceType virtio_blk_type;

/* To be set before realize. The disk is referenced; @queues, at least 1, is cut to what there can be: one for each
 * processor is right. */
void virtio_blk_attach (Device *dev, Disk *disk, unsigned queues);
/* What the guest reads as the disk's identity: up to 20 characters. */
void virtio_blk_set_serial (Device *dev, const char *serial);
/* The PCI slot that it got in realize, for the firmware's boot order. */
unsigned virtio_blk_slot (Device *dev);

typedef struct
{
  uint64_t reads, writes, read_bytes, write_bytes;
} VirtioBlkCounters;
void virtio_blk_counters (Device *dev, VirtioBlkCounters *counters);
