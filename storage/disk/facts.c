/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What there is to know of an open disk: its size, its files, its format. Any thread may ask; layers come and go. */

#include "storage/disk/disk-private.h"

uint64_t
disk_size (const Disk *d)
{
  return d->size;
}

const char *
disk_path (const Disk *d)
{
  return disk_layer_path (d, 0);
}

Image *
disk_top_layer (const Disk *d)
{
  return d->image->format == &overlay_format ? d->image->base : d->image;
}

const char *
disk_format_name (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  const char *name;

  g_mutex_lock (&d->lock);
  name = disk_top_layer (d)->format->name;
  g_mutex_unlock (&d->lock);
  return name;
}

const char *
disk_variant (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  const char *variant;

  g_mutex_lock (&d->lock);
  variant = disk_top_layer (d)->variant;
  g_mutex_unlock (&d->lock);
  return variant;
}

const char *
disk_base_name (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  const ImageParent *parent;
  const char *name = NULL;

  g_mutex_lock (&d->lock);
  parent = &disk_top_layer (d)->parent;
  if (parent->wanted)
    name = parent->name != NULL ? parent->name : "";
  g_mutex_unlock (&d->lock);
  return name;
}

const char *
disk_layer_path (const Disk *disk, unsigned depth)
{
  Disk *d = (Disk *) disk;
  const char *path;
  const Image *img;

  g_mutex_lock (&d->lock);
  for (img = disk_top_layer (d); img != NULL && depth > 0; depth--)
    img = img->base;
  path = img != NULL ? img->path : NULL;
  g_mutex_unlock (&d->lock);
  return path;
}

char **
disk_files (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  GPtrArray *files = g_ptr_array_new ();
  const Image *img;

  g_mutex_lock (&d->lock);
  img = disk_top_layer (d);
  g_ptr_array_add (files, g_strdup (img->path));
  for (unsigned i = 0; i < img->siblings->len; i++)
    g_ptr_array_add (files, g_strdup (((const ImageFile *) g_ptr_array_index (img->siblings, i))->path));
  g_mutex_unlock (&d->lock);
  g_ptr_array_add (files, NULL);
  return (char **) g_ptr_array_free (files, FALSE);
}

gboolean
disk_is_read_only (const Disk *disk)
{
  Disk *d = (Disk *) disk;
  gboolean read_only;

  g_mutex_lock (&d->lock);
  read_only = d->image->read_only;
  g_mutex_unlock (&d->lock);
  return read_only;
}

gboolean
disk_is_fixed (const Disk *d)
{
  return g_str_equal (disk_variant (d), "fixed");
}
