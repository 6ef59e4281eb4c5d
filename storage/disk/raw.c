/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Raw images, and CD/DVD images (ISO 9660, ECMA-119), which are raw and read-only. */

#include "storage/disk/format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ISO_DESCRIPTOR = 16 * 2048 };

static int
raw_probe (const ImageSample *sample)
{
  return 1;
}

static int
iso_probe (const ImageSample *sample)
{
  return sample->length > ISO_DESCRIPTOR + 6 && memcmp (sample->head + ISO_DESCRIPTOR + 1, "CD001", 5) == 0 ? 10 : 0;
}

static gboolean
raw_open (Image *img, GError **error)
{
  if (img->file_size == 0)
    return image_damaged (error, img, "the file is empty");
  img->size = (img->file_size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  return TRUE;
}

static gboolean
iso_open (Image *img, GError **error)
{
  img->size = img->file_size & ~(uint64_t) (SECTOR_SIZE - 1);
  return TRUE;
}

static gboolean
raw_create (int fd, const char *path, DiskVariant variant, uint64_t size, GError **error)
{
  int cause;

  if (ftruncate (fd, (off_t) size) != 0)
    return image_errno (error, path, "create", errno);
  if (variant == DISK_VARIANT_FIXED && (cause = posix_fallocate (fd, 0, (off_t) size)) != 0)
    return image_errno (error, path, "create", cause);
  return TRUE;
}

static gboolean
raw_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  return image_pread (img, offset, buffer, length, error);
}

static gboolean
raw_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return image_pwrite (img, offset, buffer, length, error);
}

static gboolean
raw_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  image_punch_hole (img, offset, length);
  return TRUE;
}

static gboolean
raw_flush (Image *img, GError **error)
{
  return image_sync (img, error);
}

const ImageFormat raw_format = {
  .name = "raw", .can_create = TRUE, .probe = raw_probe, .open = raw_open, .create = raw_create, .read = raw_read,
  .write = raw_write, .discard = raw_discard, .flush = raw_flush
};

const ImageFormat iso_format = { .name = "iso", .probe = iso_probe, .open = iso_open, .read = raw_read,
                                 .write = raw_write, .flush = raw_flush };
