/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The disk of a fuzzed guest. */
#pragma once

#include "storage/disk/disk.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A raw disk of @size bytes in memory, all zeros at each call. It is opened once: it has threads of its own. */
static inline Disk *
memory_disk (off_t size)
{
  static Disk *disk;
  static int fd;

  if (disk == NULL)
    {
      g_autofree char *path = NULL;

      fd = memfd_create ("disk", MFD_CLOEXEC);
      g_assert_cmpint (ftruncate (fd, size), ==, 0);
      path = g_strdup_printf ("/proc/self/fd/%d", fd);
      disk = disk_open (path, 0, NULL);
      g_assert_nonnull (disk);
    }
  g_assert_cmpint (fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size), ==, 0);
  return disk;
}
