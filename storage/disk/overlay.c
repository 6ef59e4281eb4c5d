/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A throw-away layer: clusters that were written live in an unnamed temporary file, the rest is read from below. */

#include "storage/disk/create.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

enum
{
  CLUSTER = 65536
};

typedef enum
{
  BELOW,
  HERE,
  BLANK
} ClusterState;

static gboolean
overlay_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  const uint8_t *states = img->state;
  uint64_t cluster = offset / CLUSTER, end = cluster + 1;
  static const ImageExtentKind kinds[] = { IMAGE_UNALLOCATED, IMAGE_DATA, IMAGE_ZERO };

  while (end * CLUSTER < offset + length && states[end] == states[cluster])
    end++;
  *out = (ImageExtent) {
    .kind = kinds[states[cluster]], .length = end * CLUSTER - offset, .file = img->file, .at = offset
  };
  return TRUE;
}

static gboolean
overlay_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  uint64_t start = offset / CLUSTER * CLUSTER, end = (offset + length + CLUSTER - 1) / CLUSTER * CLUSTER;

  *out = (ImagePlace) { .start = start, .length = end - start, .file = img->file, .at = start };
  return TRUE;
}

static gboolean
overlay_commit (Image *img, const ImagePlace *place, GError **error)
{
  memset ((uint8_t *) img->state + place->start / CLUSTER, HERE, place->length / CLUSTER);
  return TRUE;
}

static gboolean
overlay_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  g_mutex_lock (&img->map_lock);
  memset ((uint8_t *) img->state + offset / CLUSTER, BLANK, (length + CLUSTER - 1) / CLUSTER);
  g_mutex_unlock (&img->map_lock);
  image_file_punch (img->file, offset, length);
  return TRUE;
}

static gboolean
overlay_flush (Image *img, GError **error)
{
  return TRUE; /* nothing is to survive */
}

static void
overlay_close (Image *img)
{
  g_free (img->state);
}

const ImageFormat overlay_format = { .name = "overlay",
                                     .caps = IMAGE_CAN_DISCARD,
                                     .close = overlay_close,
                                     .read = image_map_read,
                                     .write = image_map_write,
                                     .discard = overlay_discard,
                                     .flush = overlay_flush,
                                     .extent = overlay_extent,
                                     .reserve = overlay_reserve,
                                     .commit = overlay_commit };

Image *
overlay_new (Image *base, GError **error)
{
  g_autofree char *template = g_build_filename (g_get_tmp_dir (), "bunshin-changes-XXXXXX", NULL);
  g_autofree char *path = NULL;
  ImageFile *file = NULL;
  Image *img;

  if (g_mkdtemp (template) != NULL)
    {
      path = g_build_filename (template, "changes", NULL);
      file = image_file_create (path, error);
      unlink (path);
      rmdir (template);
    }
  else
    image_errno (error, template, NC_("cannot", "create"), errno);
  if (file == NULL)
    {
      image_close (base);
      return NULL;
    }
  img = image_new (base->path);
  img->format = &overlay_format;
  img->file = file;
  img->size = base->size;
  img->unit = CLUSTER;
  img->variant = base->variant;
  img->base = base;
  img->state = g_malloc0 (base->size / CLUSTER + 1);
  return img;
}
