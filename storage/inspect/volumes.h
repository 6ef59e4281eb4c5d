/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts that a disk is divided into. Private to storage/inspect. */
#pragma once

#include "storage/disk/disk.h"

/* A range of a disk that may hold a file system. */
typedef struct
{
  unsigned number;        /* of the partition, as Linux counts them; 0: the disk is not divided */
  uint64_t start, length; /* bytes; within the disk */
} Volume;

/* The partitions of a master boot record, logical ones too, or of a GUID partition table, in the order of their numbers; the
 * whole disk where there is neither. NULL on an I/O error. Free with g_array_unref(). */
GArray *volumes_find (Disk *disk, GError **error);
