/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layers of a disk that is in use. A new one is laid on top while requests stand
 * still for the moment it takes to change a pointer. The image that was the top may
 * then hold what was never flushed: until it is settled, each flush goes through it, the
 * lowest first, so that what lies on top never is durable without what it lies on.
 */

#include "storage/disk/create.h"
#include "storage/disk/disk-private.h"
#include "storage/disk/qcow2.h"

#include <glib/gi18n-lib.h>

#define USAGE_STRIDE ((uint64_t) 16 << 30)

static unsigned
count_layers (const Image *img)
{
  unsigned count = 0;

  for (; img != NULL; img = img->base)
    count++;
  return count;
}

/* Whether the image holds nothing of the disk. */
static gboolean
check_empty (Image *img, GError **error)
{
  for (uint64_t offset = 0; offset < img->size;)
    {
      ImageExtent extent;
      gboolean ok;

      g_mutex_lock (&img->map_lock);
      ok = img->format->extent (img, offset, img->size - offset, &extent, error);
      g_mutex_unlock (&img->map_lock);
      if (!ok)
        return FALSE;
      if (extent.kind != IMAGE_UNALLOCATED)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("cannot use “%s” as a layer: it is not empty"),
                       img->path);
          return FALSE;
        }
      offset += extent.length;
    }
  return TRUE;
}

static gboolean
check_layer (Disk *d, Image *img, GError **error)
{
  if (!img->parent.wanted)
    return image_unsupported (error, img, _("it is not based on another image"));
  if (img->size != disk_size (d))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("cannot use “%s” as a layer: it is a disk of %llu bytes, and “%s” one of %llu"), img->path,
                   (unsigned long long) img->size, disk_path (d), (unsigned long long) disk_size (d));
      return FALSE;
    }
  return check_empty (img, error);
}

gboolean
disk_name_base (Disk *d, Image *img, const Image *base, GError **error)
{
  g_autofree char *name = image_base_name (img->folder, base->path);
  const char *format = base->format->name;
  ImageFile *file;
  gboolean ok;

  if (g_strcmp0 (img->parent.name, name) == 0 && g_strcmp0 (img->parent.format, format) == 0)
    return TRUE;
  file = img->file->read_only ? image_file_again (img->file, error) : img->file;
  ok = file != NULL && qcow2_set_backing (img, file, name, format, error);
  if (file != img->file)
    image_file_close (file);
  if (!ok)
    return FALSE;
  g_mutex_lock (&d->lock);
  g_ptr_array_add (d->old_paths, img->parent.name);
  g_ptr_array_add (d->old_paths, img->parent.format);
  img->parent.name = g_steal_pointer (&name);
  img->parent.format = g_strdup (format);
  g_mutex_unlock (&d->lock);
  return TRUE;
}

DiskLayer *
disk_layer_prepare (Disk *d, const char *path, GError **error)
{
  ImageOpenFlags flags = IMAGE_OPEN_NO_BASE;
  gboolean can, is_remote;
  DiskLayer *layer;
  unsigned count;
  Image *img;

  g_mutex_lock (&d->lock);
  count = count_layers (d->image);
  can = !d->image->read_only && d->image->format != &overlay_format;
  is_remote = (d->image->format->caps & IMAGE_REMOTE) != 0;
  if (d->image->direct)
    flags |= IMAGE_OPEN_DIRECT;
  g_mutex_unlock (&d->lock);
  if (!can || is_remote)
    {
      g_set_error (error, G_IO_ERROR, is_remote ? G_IO_ERROR_NOT_SUPPORTED : G_IO_ERROR_READ_ONLY,
                   is_remote ? _("cannot lay an image over “%s”: it is on a server")
                             : _("cannot lay an image over “%s”: it was not opened for writing"),
                   disk_path (d));
      return NULL;
    }
  if (count >= IMAGE_CHAIN_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   _("cannot lay an image over “%s”: it is based on over %d others"), disk_path (d),
                   IMAGE_CHAIN_MAX - 1);
      return NULL;
    }
  img = image_open (path, flags, qcow2_format.name, NULL, error);
  if (img == NULL)
    return NULL;
  if (!check_layer (d, img, error))
    {
      image_close (img);
      return NULL;
    }
  /* What was the top when the layer was made may have been merged since. */
  g_mutex_lock (&d->prepare_lock);
  if (!disk_name_base (d, img, d->image, error))
    {
      g_mutex_unlock (&d->prepare_lock);
      image_close (img);
      return NULL;
    }
  layer = g_new (DiskLayer, 1);
  layer->disk = disk_ref (d);
  layer->image = img;
  g_ptr_array_add (d->prepared, layer);
  g_mutex_unlock (&d->prepare_lock);
  return layer;
}

void
disk_layer_discard (DiskLayer *layer)
{
  Disk *d;

  if (layer == NULL)
    return;
  d = layer->disk;
  g_mutex_lock (&d->prepare_lock);
  g_ptr_array_remove (d->prepared, layer);
  g_mutex_unlock (&d->prepare_lock);
  image_close (layer->image);
  g_free (layer);
  disk_unref (d);
}

void
image_demote (Image *img, gboolean unflushed)
{
  img->read_only = TRUE;
  g_atomic_int_set (&img->unflushed, unflushed);
  g_atomic_int_set (&img->unsettled, TRUE);
}

void
disk_layer_push (Disk *d, DiskLayer *layer)
{
  disk_hold (d);
  g_mutex_lock (&d->prepare_lock);
  g_ptr_array_remove (d->prepared, layer);
  g_mutex_unlock (&d->prepare_lock);
  g_mutex_lock (&d->lock);
  image_demote (d->image, TRUE);
  layer->image->base = d->image;
  d->image = layer->image;
  g_mutex_unlock (&d->lock);
  disk_release (d);
  g_free (layer);
  disk_unref (d);
}

/* The lowest first. What is in them does not change, so that one flush does. */
static gboolean
flush_below (Image *img, GError **error)
{
  if (img == NULL)
    return TRUE;
  if (!flush_below (img->base, error))
    return FALSE;
  if (!g_atomic_int_get (&img->unflushed))
    return TRUE;
  if (!img->format->flush (img, error))
    return FALSE;
  g_atomic_int_set (&img->unflushed, FALSE);
  return TRUE;
}

gboolean
disk_flush_layers (Disk *d, GError **error)
{
  Image *img = d->image;

  return flush_below (img->base, error) && (img->read_only || img->format->flush (img, error));
}

gboolean
image_settle (Image *img, GError **error)
{
  if (!g_atomic_int_get (&img->unsettled))
    return TRUE;
  if (!img->format->flush (img, error) || (img->format->rest != NULL && !img->format->rest (img, error))
      || !image_share (img, error))
    return FALSE;
  g_atomic_int_set (&img->unsettled, FALSE);
  return TRUE;
}

static gboolean
settle (Disk *d, GError **error)
{
  if (!flush_below (d->image->base, error))
    return FALSE;
  for (Image *img = d->image->base; img != NULL; img = img->base)
    if (!image_settle (img, error))
      return FALSE;
  return TRUE;
}

gboolean
disk_settle (Disk *d, GError **error)
{
  DiskRequest r = { .op = DISK_FLUSH };
  gboolean ok;

  /* One at a time: two would put the same image to rest. */
  g_mutex_lock (&d->settle_lock);
  disk_enter (d, &r);
  ok = settle (d, error);
  disk_leave (d, &r);
  g_mutex_unlock (&d->settle_lock);
  return ok;
}

unsigned
disk_layer_count (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  unsigned count;

  g_mutex_lock (&d->lock);
  count = count_layers (disk_top_layer (d));
  g_mutex_unlock (&d->lock);
  return count;
}

/* A stretch of the disk: how much of it the image and the one below hold. */
static gboolean
add_usage (Image *img, uint64_t *offset, uint64_t end, uint64_t *held, uint64_t *shared, GError **error)
{
  while (*offset < end)
    {
      Image *layers[] = { img, img->base };
      ImageExtent extents[2] = { { .kind = IMAGE_UNALLOCATED }, { .kind = IMAGE_UNALLOCATED } };
      uint64_t length = end - *offset;
      gboolean data[2];

      for (unsigned i = 0; i < 2; i++)
        {
          gboolean ok = TRUE;

          if (layers[i] == NULL || *offset >= layers[i]->size)
            continue;
          g_mutex_lock (&layers[i]->map_lock);
          ok = layers[i]->format->extent (layers[i], *offset, length, &extents[i], error);
          g_mutex_unlock (&layers[i]->map_lock);
          if (!ok)
            return FALSE;
          length = MIN (length, extents[i].length);
          length = MIN (length, layers[i]->size - *offset);
        }
      for (unsigned i = 0; i < 2; i++)
        data[i] = extents[i].kind == IMAGE_DATA || extents[i].kind == IMAGE_PACKED;
      if (data[0])
        *held += length;
      if (data[1] && extents[0].kind != IMAGE_UNALLOCATED)
        *shared += length;
      *offset += length;
    }
  return TRUE;
}

gboolean
disk_layer_usage (Disk *d, unsigned depth, uint64_t *held, uint64_t *shared, GError **error)
{
  gboolean ok = TRUE, more = TRUE;

  *held = *shared = 0;
  /* In parts, between which the layers may change. */
  for (uint64_t offset = 0; ok && more;)
    {
      DiskRequest r = { .op = DISK_READ };
      unsigned below = depth;
      Image *img;

      disk_enter (d, &r);
      for (img = disk_top_layer (d); img != NULL && below > 0; below--)
        img = img->base;
      if (img == NULL)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("“%s” has no layer %u"), d->image->path,
                       depth);
          ok = FALSE;
        }
      else
        ok = add_usage (img, &offset, MIN (img->size, offset + USAGE_STRIDE), held, shared, error);
      more = img != NULL && offset < img->size;
      disk_leave (d, &r);
    }
  return ok;
}

gboolean
disk_set_base (const char *path, const char *base, const char *base_format, GError **error)
{
  Image *img = image_open (path, IMAGE_OPEN_NO_BASE, NULL, NULL, error);
  g_autofree char *name = NULL;
  gboolean ok = FALSE;

  if (img == NULL)
    return FALSE;
  name = image_base_name (img->folder, base);
  if (img->format != &qcow2_format || !img->parent.wanted)
    image_unsupported (error, img, _("it is not based on another image"));
  else if (image_format_find (base_format) == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot open “%s”: there is no disk format “%s”"),
                 base, base_format);
  else
    ok = qcow2_set_backing (img, img->file, name, base_format, error);
  image_close (img);
  return ok;
}
