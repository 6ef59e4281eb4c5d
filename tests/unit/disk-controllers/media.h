/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The disk and the disc that the tests of IDE and AHCI give their drives. */
#pragma once

#include "storage/disk/disk.h"

enum
{
  DISK_SECTORS = 1200,
  CD_SECTORS = 200
};

/* A byte of either as it is at first. */
uint8_t media_content (unsigned sector, unsigned byte);
/* In a file without a name, *@fd, which the caller closes; to be read only, it is a disc. */
Disk *media_new (int *fd, unsigned sectors, unsigned sector_size, DiskOpenFlags flags);
