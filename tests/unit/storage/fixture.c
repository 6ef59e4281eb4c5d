/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See fixture.h. */

#include "tests/unit/storage/fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

void
image_get (const char *path, uint64_t at, void *data, size_t length)
{
  int fd = open (path, O_RDONLY);

  g_assert_cmpint (pread (fd, data, length, (off_t) at), ==, (ssize_t) length);
  close (fd);
}

void
image_put (const char *path, uint64_t at, const void *data, size_t length)
{
  int fd = open (path, O_WRONLY);

  g_assert_cmpint (pwrite (fd, data, length, (off_t) at), ==, (ssize_t) length);
  close (fd);
}

void
image_remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_remove (path);
    }
  g_rmdir (folder);
}

Disk *
image_must_open (const char *path)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, 0, &error);

  g_assert_no_error (error);
  return disk;
}

void
image_refused (const char *path, DiskOpenFlags flags, const char *named, const char *words)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, flags, &error);

  g_assert_null (disk);
  g_assert_nonnull (error);
  if (strstr (error->message, named) == NULL || strstr (error->message, words) == NULL)
    g_error ("“%s” has no “%s”", error->message, words);
}

void
image_write_sector (Disk *disk, uint64_t at, int byte)
{
  g_autoptr (GError) error = NULL;
  uint8_t data[512];

  memset (data, byte, sizeof data);
  disk_write (disk, at, data, sizeof data, &error);
  g_assert_no_error (error);
}

void
image_expect_sector (Disk *disk, uint64_t at, int byte)
{
  g_autoptr (GError) error = NULL;
  uint8_t data[512];

  disk_read (disk, at, data, sizeof data, &error);
  g_assert_no_error (error);
  g_assert_cmphex (data[0], ==, byte);
  g_assert_cmphex (data[511], ==, byte);
}
