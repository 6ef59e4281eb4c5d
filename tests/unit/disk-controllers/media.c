/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See media.h. */

#include "tests/unit/disk-controllers/media.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  ISO_DESCRIPTOR_SECTOR = 16
};

uint8_t
media_content (unsigned sector, unsigned byte)
{
  return (uint8_t) (sector * 7 + byte * 3 + (byte >> 8));
}

Disk *
media_new (int *fd, unsigned sectors, unsigned sector_size, DiskOpenFlags flags)
{
  g_autofree uint8_t *data = g_malloc (sectors * sector_size);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  for (unsigned i = 0; i < sectors * sector_size; i++)
    data[i] = media_content (i / sector_size, i % sector_size);
  if (flags & DISK_OPEN_READ_ONLY)
    memcpy (data + ISO_DESCRIPTOR_SECTOR * sector_size, "\0CD001\1", 7); /* of a boot record, which does not tell a size */
  *fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (pwrite (*fd, data, sectors * sector_size, 0), ==, sectors * sector_size);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}
