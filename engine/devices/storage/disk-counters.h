/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a disk controller counts for the live figures. */
#pragma once

#include <stdint.h>

typedef struct
{
  uint64_t reads, writes, read_bytes, write_bytes; /* of disks */
  uint64_t cd_reads;
} DiskCounters;
