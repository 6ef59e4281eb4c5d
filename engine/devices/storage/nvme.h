/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An NVMe controller: one PCI function, a namespace for each disk. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/storage/disk-counters.h"
#include "storage/disk/disk.h"

enum
{
  NVME_NAMESPACES = 16
};

extern const DeviceType nvme_type;

/* Before realize. The disk is referenced and becomes namespace @unit + 1. */
void nvme_attach_disk (Device *dev, unsigned unit, Disk *disk);
/* The PCI slot that it got in realize, for the firmware's boot order. */
unsigned nvme_slot (Device *dev);
void nvme_counters (Device *dev, DiskCounters *counters);
