/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of snapshots: made, linked and kept durable. Spec: link(2), ioctl_ficlonerange(2), flock(2). */

#include "storage/snapshot/snapshot-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static gboolean
fail (GError **error, const char *path, int code)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), _("cannot write “%s”: %s"), path, g_strerror (code));
  return FALSE;
}

uint64_t
snapshot_file_size (const char *path)
{
  struct stat info;

  return g_stat (path, &info) == 0 ? (uint64_t) info.st_blocks * 512 : 0;
}

gboolean
snapshot_make_folder (const LibraryMachine *machine, GError **error)
{
  g_autofree char *folder = library_snapshots_folder (machine);

  if (g_mkdir (folder, 0700) == 0)
    return library_sync_folder (machine->folder, error);
  if (errno == EEXIST)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot create the folder “%s”: %s"), folder,
               g_strerror (errno));
  return FALSE;
}

static gboolean
write_all (int fd, const uint8_t *data, size_t length)
{
  while (length > 0)
    {
      ssize_t written = write (fd, data, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return FALSE;
      data += written;
      length -= (size_t) written;
    }
  return TRUE;
}

gboolean
snapshot_write_file (const char *path, GBytes *contents, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  gsize length;
  const uint8_t *data = g_bytes_get_data (contents, &length);
  gboolean ok;

  if (fd < 0)
    return fail (error, path, errno);
  ok = write_all (fd, data, length) && fsync (fd) == 0;
  if (!ok)
    {
      fail (error, path, errno);
      g_unlink (path);
    }
  close (fd);
  return ok;
}

static gboolean
copy_contents (int from, int to)
{
  for (;;)
    {
      ssize_t copied = copy_file_range (from, NULL, to, NULL, 1 << 30, 0);

      if (copied == 0)
        return TRUE;
      if (copied < 0 && errno != EINTR)
        break;
    }
  if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
    return FALSE;
  for (;;)
    {
      uint8_t buffer[1 << 16];
      ssize_t length = read (from, buffer, sizeof buffer);

      if (length == 0)
        return TRUE;
      if (length < 0 && errno == EINTR)
        continue;
      if (length < 0 || !write_all (to, buffer, (size_t) length))
        return FALSE;
    }
}

static gboolean
copy_file (const char *from, const char *to, GError **error)
{
  int source = open (from, O_RDONLY | O_CLOEXEC), target;
  gboolean ok;

  if (source < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot read “%s”: %s"), from,
                   g_strerror (errno));
      return FALSE;
    }
  target = open (to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  ok = target >= 0 && (ioctl (target, FICLONE, source) == 0 || copy_contents (source, target)) && fsync (target) == 0;
  if (!ok)
    fail (error, to, errno);
  if (target >= 0)
    close (target);
  if (target >= 0 && !ok)
    g_unlink (to);
  close (source);
  return ok;
}

gboolean
snapshot_link_file (const char *from, const char *to, GError **error)
{
  if (link (from, to) == 0)
    return TRUE;
  switch (errno)
    {
    case EPERM:
    case EMLINK:
    case EOPNOTSUPP:
    case ENOSYS:
    case EXDEV:
      return copy_file (from, to, error);
    default:
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot link “%s” to “%s”: %s"), to, from,
                   g_strerror (errno));
      return FALSE;
    }
}

gboolean
snapshot_check_space (const char *folder, uint64_t needed, GError **error)
{
  struct statvfs info;
  uint64_t available;
  g_autofree char *needed_text = NULL, *available_text = NULL;

  if (statvfs (folder, &info) != 0)
    return TRUE; /* who writes will be told */
  available = (uint64_t) info.f_bavail * info.f_frsize;
  if (available >= needed)
    return TRUE;
  needed_text = g_format_size_full (needed, G_FORMAT_SIZE_IEC_UNITS);
  available_text = g_format_size_full (available, G_FORMAT_SIZE_IEC_UNITS);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
               _("there is not enough room in “%s”: %s are needed, and %s are free"), folder, needed_text,
               available_text);
  return FALSE;
}

int
snapshot_hold_folder (const char *folder, gboolean alone)
{
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0 && flock (fd, alone ? LOCK_EX | LOCK_NB : LOCK_SH) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}
