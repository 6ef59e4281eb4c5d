/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw images, and CD/DVD images, which are raw and read-only.
 * Specification: ECMA-119 (ISO 9660), section 8.4 (Primary Volume Descriptor).
 */

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
  DISC_SECTOR = 2048, ISO_DESCRIPTOR = 16 * DISC_SECTOR, ISO_PRIMARY = 1, ISO_SPACE_SIZE = 80, ISO_BLOCK_SIZE = 128,
  /* What programs pad discs with so that drives can read ahead; copies may lack it. */
  ISO_PADDING = 150 * DISC_SECTOR
};

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
  struct stat info;

  if (img->file_size == 0)
    return image_damaged (error, img, _("the file is empty"));
  img->fixed = fstat (img->fd, &info) == 0 && (uint64_t) info.st_blocks * 512 >= img->file_size;
  img->size = (img->file_size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  return TRUE;
}

/* A download that broke off is short of what its first descriptor promises. */
static gboolean
iso_open (Image *img, GError **error)
{
  uint8_t descriptor[DISC_SECTOR];
  uint32_t blocks;
  uint16_t block_size;
  uint64_t space;

  if (img->file_size < ISO_DESCRIPTOR + DISC_SECTOR)
    return image_damaged (error, img, _("it ends after %llu bytes, in its first descriptor"),
                          (unsigned long long) img->file_size);
  if (!image_pread (img, ISO_DESCRIPTOR, descriptor, sizeof descriptor, error))
    return FALSE;
  memcpy (&blocks, descriptor + ISO_SPACE_SIZE, sizeof blocks);
  memcpy (&block_size, descriptor + ISO_BLOCK_SIZE, sizeof block_size);
  space = (uint64_t) GUINT32_FROM_LE (blocks) * GUINT16_FROM_LE (block_size);
  if (descriptor[0] == ISO_PRIMARY && space > img->file_size + ISO_PADDING)
    return image_damaged (error, img,
                          _("it ends after %llu of the %llu bytes of its file system"),
                          (unsigned long long) img->file_size, (unsigned long long) space);
  img->size = img->file_size & ~(uint64_t) (SECTOR_SIZE - 1);
  return TRUE;
}

gboolean
image_check_disc (Image *img, GError **error)
{
  if (img->format == &iso_format || (img->format == &raw_format && img->file_size % DISC_SECTOR == 0))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               _("cannot use “%s” as a disc: it is not the image of a CD or DVD"), img->path);
  return FALSE;
}

static gboolean
raw_create (int fd, const char *path, DiskVariant variant, uint64_t size, GError **error)
{
  int cause;

  if (ftruncate (fd, (off_t) size) != 0)
    return image_errno (error, path, NC_("cannot", "create"), errno);
  if (variant == DISK_VARIANT_FIXED && (cause = posix_fallocate (fd, 0, (off_t) size)) != 0)
    return image_errno (error, path, NC_("cannot", "create"), cause);
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
