/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening, probing, locking and creating image files; the registry of formats. */

#include "storage/disk/format.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order they are asked; the highest score wins. */
static const ImageFormat *const formats[] = { &vdi_format, &iso_format, &raw_format, NULL };

gboolean
image_errno (GError **error, const char *path, const char *doing, int cause)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (cause), _("cannot %s “%s”: %s"),
               g_dpgettext2 (NULL, "cannot", doing), path, g_strerror (cause));
  return FALSE;
}

gboolean
image_damaged (GError **error, Image *img, const char *format, ...)
{
  va_list arguments;
  g_autofree char *cause = NULL;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the %s image “%s” is damaged: %s"), img->format->name,
               img->path, cause);
  return FALSE;
}

gboolean
image_pread (Image *img, uint64_t at, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      ssize_t got = pread (img->fd, out, length, (off_t) at);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return image_errno (error, img->path, NC_("cannot", "read"), errno);
      if (got == 0)
        {
          memset (out, 0, length);
          return TRUE;
        }
      out += got;
      at += (uint64_t) got;
      length -= (size_t) got;
    }
  return TRUE;
}

gboolean
image_pwrite (Image *img, uint64_t at, const void *buffer, size_t length, GError **error)
{
  const uint8_t *in = buffer;

  while (length > 0)
    {
      ssize_t put = pwrite (img->fd, in, length, (off_t) at);

      if (put < 0 && errno == EINTR)
        continue;
      if (put <= 0)
        return image_errno (error, img->path, NC_("cannot", "write"), put < 0 ? errno : ENOSPC);
      in += put;
      at += (uint64_t) put;
      length -= (size_t) put;
    }
  return TRUE;
}

gboolean
image_sync (Image *img, GError **error)
{
  if (fdatasync (img->fd) == 0 || errno == EROFS || errno == EINVAL)
    return TRUE;
  return image_errno (error, img->path, NC_("cannot", "flush"), errno);
}

void
image_punch_hole (Image *img, uint64_t at, uint64_t length)
{
  /* A hint: where the file system cannot, the data just stays. */
  if (fallocate (img->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) at, (off_t) length) != 0)
    g_debug ("%s: no hole: %s", img->path, g_strerror (errno));
}

static gboolean
lock_file (int fd, const char *path, gboolean exclusive, GError **error)
{
  struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

  if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
    return TRUE;
  if (errno == EAGAIN || errno == EACCES)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   _("cannot open “%s”: it is in use by another machine or program"), path);
      return FALSE;
    }
  /* A file system without locks does not keep anybody from his disk. */
  return errno == ENOLCK || errno == EINVAL || errno == EOPNOTSUPP
         || image_errno (error, path, NC_("cannot", "lock"), errno);
}

static const ImageFormat *
probe (const ImageSample *sample)
{
  const ImageFormat *best = NULL;
  int best_score = 0;

  for (int i = 0; formats[i] != NULL; i++)
    {
      int score = formats[i]->probe (sample);

      if (score > best_score)
        {
          best = formats[i];
          best_score = score;
        }
    }
  return best;
}

Image *
image_open (const char *path, gboolean read_only, GError **error)
{
  enum { ISO_SAMPLE = 17 * 2048 };
  g_autofree uint8_t *head = g_malloc0 (ISO_SAMPLE);
  ImageSample sample = { .head = head };
  struct stat stat_buffer;
  Image *img;
  /* A pipe or a device must not keep us waiting. */
  int fd = open (path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
  ssize_t got;

  if (fd < 0)
    {
      image_errno (error, path, NC_("cannot", "open"), errno);
      return NULL;
    }
  if (fstat (fd, &stat_buffer) != 0 || (!S_ISREG (stat_buffer.st_mode) && !S_ISBLK (stat_buffer.st_mode)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, _("cannot open “%s”: it is not a file"), path);
      close (fd);
      return NULL;
    }
  fcntl (fd, F_SETFL, 0);
  if (!lock_file (fd, path, !read_only, error))
    {
      close (fd);
      return NULL;
    }
  got = pread (fd, head, ISO_SAMPLE, 0);
  if (got < 0)
    {
      image_errno (error, path, NC_("cannot", "read"), errno);
      close (fd);
      return NULL;
    }
  sample.length = (size_t) got;
  sample.file_size = S_ISBLK (stat_buffer.st_mode) ? (uint64_t) lseek (fd, 0, SEEK_END)
                                                   : (uint64_t) stat_buffer.st_size;

  img = g_new0 (Image, 1);
  img->path = g_strdup (path);
  img->fd = fd;
  img->read_only = read_only;
  img->file_size = sample.file_size;
  img->format = probe (&sample);
  if (!img->format->open (img, error))
    {
      img->format = NULL;
      image_close (img);
      return NULL;
    }
  return img;
}

void
image_close (Image *img)
{
  if (img == NULL)
    return;
  if (img->format != NULL && img->format->close != NULL)
    img->format->close (img);
  if (img->base != NULL)
    image_close (img->base);
  if (img->fd >= 0)
    close (img->fd);
  g_free (img->path);
  g_free (img);
}

const char *const *
disk_creatable_formats (void)
{
  static const char *const names[] = { "vdi", "raw", NULL };

  return names;
}

static const ImageFormat *
format_to_create (const char *name, const char *path, GError **error)
{
  const char *ending = strrchr (path, '.');

  for (int i = 0; formats[i] != NULL; i++)
    {
      if (!formats[i]->can_create)
        continue;
      if (name != NULL ? g_str_equal (name, formats[i]->name)
                       : ending != NULL && g_ascii_strcasecmp (ending + 1, formats[i]->name) == 0)
        return formats[i];
    }
  if (name == NULL)
    return ending != NULL && (g_ascii_strcasecmp (ending, ".img") == 0) ? &raw_format : &vdi_format;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
               _("cannot create “%s”: there is no disk format “%s” (there are vdi, raw)"),
               path, name);
  return NULL;
}

gboolean
disk_create (const char *path, const char *format_name, DiskVariant variant, uint64_t size, GError **error)
{
  const ImageFormat *format = format_to_create (format_name, path, error);
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  gboolean ok;
  int fd;

  if (format == NULL)
    return FALSE;
  if (size == 0 || size > (uint64_t) G_MAXINT64 - SECTOR_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("cannot create “%s”: a disk of %llu bytes is impossible"), path,
                   (unsigned long long) size);
      return FALSE;
    }
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return image_errno (error, path, NC_("cannot", "create"), EEXIST);
  size = (size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0)
    return image_errno (error, path, NC_("cannot", "create"), errno);
  ok = format->create (fd, path, variant, size, error);
  if (ok && fsync (fd) != 0)
    ok = image_errno (error, path, NC_("cannot", "flush"), errno);
  close (fd);
  /* link() does not replace what somebody else has put there meanwhile; file systems without links get a rename. */
  if (ok && link (temporary, path) != 0)
    {
      if (errno == EPERM || errno == EOPNOTSUPP)
        {
          ok = rename (temporary, path) == 0 || image_errno (error, path, NC_("cannot", "create"), errno);
          if (ok)
            return TRUE;
        }
      else
        ok = image_errno (error, path, NC_("cannot", "create"), errno);
    }
  unlink (temporary);
  return ok;
}
