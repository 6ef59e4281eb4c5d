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
  DISC_SECTOR = 2048,
  ISO_DESCRIPTOR = 16 * DISC_SECTOR,
  ISO_PRIMARY = 1,
  ISO_SPACE_SIZE = 80,
  ISO_BLOCK_SIZE = 128,
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
  return sample->head_length > ISO_DESCRIPTOR + 6 && memcmp (sample->head + ISO_DESCRIPTOR + 1, "CD001", 5) == 0 ? 10
                                                                                                                 : 0;
}

static gboolean
raw_open (Image *img, GError **error)
{
  struct stat info;

  if (img->file->size == 0)
    return image_damaged (error, img, _("the file is empty"));
  if (fstat (img->file->fd, &info) == 0 && (uint64_t) info.st_blocks * 512 >= img->file->size)
    img->variant = "fixed";
  img->size = (img->file->size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
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

  if (img->file->size < ISO_DESCRIPTOR + DISC_SECTOR)
    return image_damaged (error, img, _("it ends after %llu bytes, in its first descriptor"),
                          (unsigned long long) img->file->size);
  if (!image_pread (img, ISO_DESCRIPTOR, descriptor, sizeof descriptor, error))
    return FALSE;
  memcpy (&blocks, descriptor + ISO_SPACE_SIZE, sizeof blocks);
  memcpy (&block_size, descriptor + ISO_BLOCK_SIZE, sizeof block_size);
  space = (uint64_t) GUINT32_FROM_LE (blocks) * GUINT16_FROM_LE (block_size);
  if (descriptor[0] == ISO_PRIMARY && space > img->file->size + ISO_PADDING)
    return image_damaged (error, img, _("it ends after %llu of the %llu bytes of its file system"),
                          (unsigned long long) img->file->size, (unsigned long long) space);
  img->size = img->file->size & ~(uint64_t) (SECTOR_SIZE - 1);
  return TRUE;
}

gboolean
image_check_disc (Image *img, GError **error)
{
  if (img->format == &iso_format || (img->format->caps & IMAGE_REMOTE && img->size % DISC_SECTOR == 0) || (img->format == &raw_format && img->file->size % DISC_SECTOR == 0))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
               _("cannot use “%s” as a disc: it is not the image of a CD or DVD"), img->path);
  return FALSE;
}

static gboolean
raw_create (Image *img, const ImageCreate *options, GError **error)
{
  return image_file_truncate (img->file, options->size, error)
         && (!g_str_equal (options->variant, "fixed") || image_file_allocate (img->file, 0, options->size, error));
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
  return image_file_zero (img->file, offset, length, error);
}

static gboolean
raw_flush (Image *img, GError **error)
{
  return image_sync (img, error);
}

static gboolean
raw_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  image_file_extent (img->file, offset, length, out);
  return TRUE;
}

static gboolean
raw_resize (Image *img, uint64_t size, GError **error)
{
  return image_file_truncate (img->file, size, error)
         && (!g_str_equal (img->variant, "fixed") || size <= img->size
             || image_file_allocate (img->file, img->size, size - img->size, error))
         && image_sync (img, error);
}

static const char *const raw_variants[] = { "dynamic", "fixed", NULL };
static const char *const raw_endings[] = { "raw", "img", "ima", "bin", NULL };

const ImageFormat raw_format = { .name = "raw",
                                 .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD,
                                 .variants = raw_variants,
                                 .endings = raw_endings,
                                 .max_size = IMAGE_SIZE_MAX,
                                 .probe = raw_probe,
                                 .open = raw_open,
                                 .create = raw_create,
                                 .read = raw_read,
                                 .write = raw_write,
                                 .discard = raw_discard,
                                 .flush = raw_flush,
                                 .extent = raw_extent,
                                 .resize = raw_resize };

const ImageFormat iso_format = { .name = "iso",
                                 .probe = iso_probe,
                                 .open = iso_open,
                                 .read = raw_read,
                                 .write = raw_write,
                                 .flush = raw_flush,
                                 .extent = raw_extent };
