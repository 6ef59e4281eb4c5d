/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files that images consist of: opening, locking, reading and writing them. */

#include "storage/disk/format.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  DIRECT_ALIGN = 4096,
  BOUNCE = 1 << 20
};

gboolean
image_errno (GError **error, const char *path, const char *doing, int cause)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (cause), _("cannot %s “%s”: %s"),
               g_dpgettext2 (NULL, "cannot", doing), path, g_strerror (cause));
  return FALSE;
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

static ImageFile *
new_file (int fd, const char *path, gboolean read_only)
{
  ImageFile *file = g_new0 (ImageFile, 1);

  file->path = g_strdup (path);
  file->fd = fd;
  file->direct_fd = -1;
  file->read_only = read_only;
  return file;
}

static ImageFile *
open_file (const char *path, int mode, GError **error)
{
  /* A pipe or a device must not keep us waiting. */
  int fd = open (path, mode | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  ImageFile *file;

  if (fd < 0)
    {
      image_errno (error, path, NC_("cannot", "open"), errno);
      return NULL;
    }
  file = new_file (fd, path, mode == O_RDONLY);
  if (fstat (fd, &info) != 0 || (!S_ISREG (info.st_mode) && !S_ISBLK (info.st_mode)))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, _("cannot open “%s”: it is not a file"), path);
      image_file_close (file);
      return NULL;
    }
  fcntl (fd, F_SETFL, 0);
  return file;
}

ImageFile *
image_file_open (const char *path, gboolean read_only, gboolean direct, GError **error)
{
  int mode = read_only ? O_RDONLY : O_RDWR;
  ImageFile *file = open_file (path, mode, error);

  if (file == NULL)
    return NULL;
  if (!lock_file (file->fd, path, !read_only, error) || !image_file_length (file, &file->size, error))
    {
      image_file_close (file);
      return NULL;
    }
  /* Where the file system has no such thing, its cache serves. */
  if (direct)
    file->direct_fd = open (path, mode | O_CLOEXEC | O_DIRECT);
  return file;
}

ImageFile *
image_file_look (const char *path, GError **error)
{
  ImageFile *file = open_file (path, O_RDONLY, error);

  if (file == NULL || image_file_length (file, &file->size, error))
    return file;
  image_file_close (file);
  return NULL;
}

ImageFile *
image_file_create (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  ImageFile *file;

  if (fd < 0)
    {
      image_errno (error, path, NC_("cannot", "create"), errno);
      return NULL;
    }
  file = new_file (fd, path, FALSE);
  if (lock_file (fd, path, TRUE, error))
    return file;
  image_file_close (file);
  return NULL;
}

void
image_file_close (ImageFile *file)
{
  if (file == NULL)
    return;
  if (file->direct_fd >= 0)
    close (file->direct_fd);
  if (file->fd >= 0)
    close (file->fd);
  g_free (file->path);
  g_free (file);
}

gboolean
image_file_is_same (const ImageFile *a, const ImageFile *b)
{
  struct stat one, other;

  return fstat (a->fd, &one) == 0 && fstat (b->fd, &other) == 0 && one.st_dev == other.st_dev
         && one.st_ino == other.st_ino;
}

/* A lock belongs to the opening, and the old one keeps the new one from more than a lock for reading. That it has
 * before the old one gives up its own, so that there is no moment without. */
ImageFile *
image_file_take_over (ImageFile *old, gboolean direct, GError **error)
{
  struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
  ImageFile *file = image_file_again (old, error);

  if (file == NULL)
    return NULL;
  if (!lock_file (file->fd, file->path, FALSE, error))
    {
      image_file_close (file);
      return NULL;
    }
  fcntl (old->fd, F_OFD_SETLK, &none);
  if (!lock_file (file->fd, file->path, TRUE, error) || !image_file_length (file, &file->size, error))
    {
      image_file_hand_back (file, old);
      image_file_close (file);
      return NULL;
    }
  if (direct)
    file->direct_fd = open (file->path, O_RDWR | O_CLOEXEC | O_DIRECT);
  return file;
}

void
image_file_hand_back (ImageFile *file, ImageFile *old)
{
  g_autoptr (GError) error = NULL;

  if (!lock_file (file->fd, file->path, FALSE, &error) || !lock_file (old->fd, old->path, FALSE, &error))
    g_warning ("%s", error->message);
}

ImageFile *
image_file_again (const ImageFile *file, GError **error)
{
  ImageFile *again = open_file (file->path, O_RDWR, error);

  if (again == NULL || image_file_is_same (again, file))
    return again;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("cannot open “%s”: it was replaced by another file"), file->path);
  image_file_close (again);
  return NULL;
}

gboolean
image_file_share (ImageFile *file, GError **error)
{
  return lock_file (file->fd, file->path, FALSE, error);
}

gboolean
image_file_length (ImageFile *file, uint64_t *length, GError **error)
{
  /* Not fstat(): a block device has its length only here. */
  off_t end = lseek (file->fd, 0, SEEK_END);

  if (end < 0)
    return image_errno (error, file->path, NC_("cannot", "read"), errno);
  *length = (uint64_t) end;
  return TRUE;
}

static gboolean
is_aligned (const void *buffer)
{
  return ((uintptr_t) buffer & (DIRECT_ALIGN - 1)) == 0;
}

static gboolean
goes_past_cache (const ImageFile *file, uint64_t at, size_t length)
{
  return file->direct_fd >= 0 && length > 0 && ((at | length) & (DIRECT_ALIGN - 1)) == 0;
}

static int
fd_for (const ImageFile *file, uint64_t at, const void *buffer, size_t length)
{
  return is_aligned (buffer) && goes_past_cache (file, at, length) ? file->direct_fd : file->fd;
}

/* What would go past the cache but for where its buffer begins goes through one that begins right: @out or @in. */
static gboolean
bounce (ImageFile *file, uint64_t at, uint8_t *out, const uint8_t *in, size_t length, GError **error)
{
  g_autoptr (ImageBuffer) buffer = image_buffer_new (MIN (length, BOUNCE));

  while (length > 0)
    {
      size_t chunk = MIN (length, BOUNCE);

      if (in != NULL)
        memcpy (buffer, in, chunk);
      if (!(in != NULL ? image_file_write (file, at, buffer, chunk, error)
                       : image_file_read (file, at, buffer, chunk, error)))
        return FALSE;
      if (in != NULL)
        in += chunk;
      else
        out = (uint8_t *) memcpy (out, buffer, chunk) + chunk;
      at += chunk;
      length -= chunk;
    }
  return TRUE;
}

gboolean
image_file_read (ImageFile *file, uint64_t at, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  if (!is_aligned (buffer) && goes_past_cache (file, at, length))
    return bounce (file, at, out, NULL, length, error);
  while (length > 0)
    {
      ssize_t got = pread (fd_for (file, at, out, length), out, length, (off_t) at);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return image_errno (error, file->path, NC_("cannot", "read"), errno);
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
image_file_write (ImageFile *file, uint64_t at, const void *buffer, size_t length, GError **error)
{
  const uint8_t *in = buffer;

  if (!is_aligned (buffer) && goes_past_cache (file, at, length))
    return bounce (file, at, NULL, in, length, error);
  while (length > 0)
    {
      ssize_t put = pwrite (fd_for (file, at, in, length), in, length, (off_t) at);

      if (put < 0 && errno == EINTR)
        continue;
      if (put <= 0)
        return image_errno (error, file->path, NC_("cannot", "write"), put < 0 ? errno : ENOSPC);
      in += put;
      at += (uint64_t) put;
      length -= (size_t) put;
    }
  return TRUE;
}

gboolean
image_file_sync (ImageFile *file, GError **error)
{
  if (fdatasync (file->fd) == 0 || errno == EROFS || errno == EINVAL)
    return TRUE;
  return image_errno (error, file->path, NC_("cannot", "flush"), errno);
}

gboolean
image_file_truncate (ImageFile *file, uint64_t size, GError **error)
{
  return ftruncate (file->fd, (off_t) size) == 0 || image_errno (error, file->path, NC_("cannot", "write"), errno);
}

gboolean
image_file_allocate (ImageFile *file, uint64_t at, uint64_t length, GError **error)
{
  int cause = posix_fallocate (file->fd, (off_t) at, (off_t) length);

  return cause == 0 || image_errno (error, file->path, NC_("cannot", "write"), cause);
}

gboolean
image_file_grow (ImageFile *file, uint64_t size, GError **error)
{
  uint64_t end;

  /* Not ftruncate(): others may have written further on meanwhile. */
  return image_file_length (file, &end, error) && (end >= size || image_file_allocate (file, size - 1, 1, error));
}

gboolean
image_file_copy (ImageFile *file, uint64_t from, uint64_t to, uint64_t length, GError **error)
{
  g_autoptr (ImageBuffer) buffer = image_buffer_new (MIN (length, BOUNCE));

  for (uint64_t done = 0; done < length;)
    {
      size_t chunk = (size_t) MIN (length - done, BOUNCE);

      if (!image_file_read (file, from + done, buffer, chunk, error)
          || !image_file_write (file, to + done, buffer, chunk, error))
        return FALSE;
      done += chunk;
    }
  return TRUE;
}

gboolean
image_file_zero (ImageFile *file, uint64_t at, uint64_t length, GError **error)
{
  static const uint8_t zeros[65536];
  uint64_t end;

  if (length == 0)
    return TRUE;
  if (!image_file_length (file, &end, error))
    return FALSE;
  if (at + length > end)
    {
      if (!image_file_grow (file, at + length, error))
        return FALSE;
      if (at >= end)
        return TRUE;
      length = end - at;
    }
  if (fallocate (file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) at, (off_t) length) == 0)
    return TRUE;
  while (length > 0)
    {
      size_t chunk = (size_t) MIN (length, sizeof zeros);

      if (!image_file_write (file, at, zeros, chunk, error))
        return FALSE;
      at += chunk;
      length -= chunk;
    }
  return TRUE;
}

void
image_file_start_sync (ImageFile *file)
{
  if (sync_file_range (file->fd, 0, 0, SYNC_FILE_RANGE_WRITE) != 0)
    g_debug ("%s: no early writing: %s", file->path, g_strerror (errno));
}

void
image_file_punch (ImageFile *file, uint64_t at, uint64_t length)
{
  if (fallocate (file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) at, (off_t) length) != 0)
    g_debug ("%s: no hole: %s", file->path, g_strerror (errno));
}

void
image_file_extent (ImageFile *file, uint64_t at, uint64_t length, ImageExtent *out)
{
  off_t data = lseek (file->fd, (off_t) at, SEEK_DATA), end;

  *out = (ImageExtent) { .kind = IMAGE_DATA, .length = length, .file = file, .at = at };
  if (data < 0 && errno == ENXIO)
    out->kind = IMAGE_ZERO;
  else if (data > (off_t) at)
    {
      out->kind = IMAGE_ZERO;
      out->length = MIN (length, (uint64_t) data - at);
    }
  else if (data >= 0)
    {
      end = lseek (file->fd, data, SEEK_HOLE);
      if (end > (off_t) at)
        out->length = MIN (length, (uint64_t) end - at);
    }
}

gboolean
image_pread (Image *img, uint64_t at, void *buffer, size_t length, GError **error)
{
  return image_file_read (img->file, at, buffer, length, error);
}

gboolean
image_pwrite (Image *img, uint64_t at, const void *buffer, size_t length, GError **error)
{
  return image_file_write (img->file, at, buffer, length, error);
}

gboolean
image_sync (Image *img, GError **error)
{
  if (img->file != NULL && !image_file_sync (img->file, error))
    return FALSE;
  for (unsigned i = 0; i < img->siblings->len; i++)
    {
      ImageFile *file = g_ptr_array_index (img->siblings, i);

      if (!file->read_only && !image_file_sync (file, error))
        return FALSE;
    }
  return TRUE;
}

ImageFile *
image_find_file (const Image *img, const ImageFile *file)
{
  if (img->file != NULL && image_file_is_same (img->file, file))
    return img->file;
  for (unsigned i = 0; i < img->siblings->len; i++)
    if (image_file_is_same (g_ptr_array_index (img->siblings, i), file))
      return g_ptr_array_index (img->siblings, i);
  return NULL;
}

gboolean
image_share (Image *img, GError **error)
{
  if (img->file != NULL && !image_file_share (img->file, error))
    return FALSE;
  for (unsigned i = 0; i < img->siblings->len; i++)
    if (!image_file_share (g_ptr_array_index (img->siblings, i), error))
      return FALSE;
  return TRUE;
}

ImageBuffer *
image_buffer_new (size_t length)
{
  return g_aligned_alloc (MAX (length, 1), 1, DIRECT_ALIGN);
}

gboolean
image_is_zero (const void *data, size_t length)
{
  const uint8_t *bytes = data;

  return length == 0 || (bytes[0] == 0 && memcmp (bytes, bytes + 1, length - 1) == 0);
}

void
image_new_uuid (uint8_t uuid[16])
{
  for (int i = 0; i < 4; i++)
    {
      uint32_t word = g_random_int ();

      memcpy (uuid + 4 * i, &word, 4);
    }
  uuid[7] = (uint8_t) ((uuid[7] & 0x0f) | 0x40);
  uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
}

gpointer
image_find_part (const GArray *parts, size_t start_at, uint64_t offset)
{
  size_t size = g_array_get_element_size ((GArray *) parts);
  unsigned low = 0, high = parts->len - 1;

  while (low < high)
    {
      unsigned middle = (low + high + 1) / 2;
      uint64_t start;

      memcpy (&start, parts->data + middle * size + start_at, sizeof start);
      if (start <= offset)
        low = middle;
      else
        high = middle - 1;
    }
  return parts->data + low * size;
}
