/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A throw-away layer: clusters that were written live in an unnamed temporary file, the rest is read from below. */

#include "storage/disk/format.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLUSTER = 65536 };

typedef struct
{
  uint8_t *present;     /* a bit a cluster */
  uint8_t buffer[CLUSTER];
} Overlay;

static gboolean
is_present (const Overlay *o, uint64_t cluster)
{
  return o->present[cluster / 8] >> (cluster % 8) & 1;
}

static gboolean
overlay_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  Overlay *o = img->state;
  uint8_t *out = buffer;

  while (length > 0)
    {
      uint64_t cluster = offset / CLUSTER;
      size_t chunk = MIN (length, CLUSTER - offset % CLUSTER);

      if (is_present (o, cluster) ? !image_pread (img, offset, out, chunk, error)
                                  : !img->base->format->read (img->base, offset, out, chunk, error))
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
overlay_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  Overlay *o = img->state;
  const uint8_t *in = buffer;

  while (length > 0)
    {
      uint64_t cluster = offset / CLUSTER, start = cluster * CLUSTER;
      size_t chunk = MIN (length, CLUSTER - offset % CLUSTER), whole = (size_t) MIN (CLUSTER, img->size - start);

      if (is_present (o, cluster))
        {
          if (!image_pwrite (img, offset, in, chunk, error))
            return FALSE;
        }
      else
        {
          if (chunk < whole && !img->base->format->read (img->base, start, o->buffer, whole, error))
            return FALSE;
          memcpy (o->buffer + (offset - start), in, chunk);
          if (!image_pwrite (img, start, o->buffer, whole, error))
            return FALSE;
          o->present[cluster / 8] |= (uint8_t) (1u << (cluster % 8));
        }
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
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
  Overlay *o = img->state;

  g_free (o->present);
  g_free (o);
}

const ImageFormat overlay_format = {
  .name = "overlay", .close = overlay_close, .read = overlay_read, .write = overlay_write, .flush = overlay_flush
};

Image *
overlay_new (Image *base, GError **error)
{
  g_autofree char *template = g_build_filename (g_get_tmp_dir (), "bunshin-changes-XXXXXX", NULL);
  Image *img;
  Overlay *o;
  int fd = g_mkstemp_full (template, O_RDWR | O_CLOEXEC, 0600);

  if (fd < 0)
    {
      image_errno (error, template, NC_("cannot", "create"), errno);
      image_close (base);
      return NULL;
    }
  unlink (template);
  o = g_new0 (Overlay, 1);
  o->present = g_malloc0 (base->size / CLUSTER / 8 + 1);
  img = g_new0 (Image, 1);
  img->format = &overlay_format;
  img->path = g_strdup (base->path);
  img->fd = fd;
  img->size = base->size;
  img->fixed = base->fixed;
  img->base = base;
  img->state = o;
  return img;
}
