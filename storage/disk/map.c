/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading and writing through a format's map. The map is looked at and changed with
 * map_lock held; data moves without it. A unit that gets its room is on a list
 * while it is being filled: who wants to write into it too waits, and it enters the map
 * only when it is whole.
 */

#include "storage/disk/format.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  FILL_CHUNK = 1 << 20,
  RESERVE_MAX = 8 << 20,
  BLANK_SHIFT_MIN = 16,
  BLANKS_MAX = 1 << 20 /* grains, of larger disks larger ones */
};

#define DISCARD_STRIDE ((uint64_t) 4 << 30)

struct ImageWrite
{
  ImagePlace place;
  struct ImageWrite *next;
};

/* What an image over another is known not to hold, in grains. That is most of a layer, and nobody need ask its map there,
 * nor take its lock. Bits change with map_lock; they are read without. */
struct ImageBlanks
{
  unsigned shift;
  uint64_t grains;
  unsigned *blank;    /* a bit a grain: all of it is the base's */
  unsigned *occupied; /* some of it was not when it was looked at, or need not be any more */
};

static ImageBlanks *
blanks_new (uint64_t size)
{
  ImageBlanks *b = g_new0 (ImageBlanks, 1);

  b->shift = BLANK_SHIFT_MIN;
  while ((size - 1) >> b->shift >= BLANKS_MAX)
    b->shift++;
  b->grains = ((size - 1) >> b->shift) + 1;
  b->blank = g_new0 (unsigned, b->grains / 32 + 1);
  b->occupied = g_new0 (unsigned, b->grains / 32 + 1);
  return b;
}

void
image_blanks_free (ImageBlanks *b)
{
  if (b == NULL)
    return;
  g_free (b->blank);
  g_free (b->occupied);
  g_free (b);
}

static gboolean
has_bit (unsigned *bits, uint64_t grain)
{
  return (unsigned) g_atomic_int_get (&bits[grain / 32]) >> (grain % 32) & 1;
}

/* How many of the @length bytes from @offset on are known to be the base's before others come. */
static uint64_t
known_blank (Image *img, uint64_t offset, uint64_t length)
{
  const ImageBlanks *b = g_atomic_pointer_get (&img->blanks);
  uint64_t grain, end;

  if (b == NULL)
    return 0;
  for (grain = offset >> b->shift, end = offset; end < offset + length; end = ++grain << b->shift)
    if (grain >= b->grains || !has_bit (b->blank, grain))
      break;
  return MIN (end, offset + length) - offset;
}

/* With map_lock held: looks whether the grain of @offset, which is the base's, is that as a whole. */
static void
note_blank (Image *img, uint64_t offset)
{
  ImageBlanks *b = img->blanks;
  uint64_t grain, at, end;

  if (b == NULL)
    {
      b = blanks_new (img->size);
      g_atomic_pointer_set (&img->blanks, b);
    }
  grain = offset >> b->shift;
  /* It may have grown since. */
  if (grain >= b->grains || has_bit (b->occupied, grain))
    return;
  at = grain << b->shift;
  end = MIN (at + (1ull << b->shift), img->size);
  while (at < end)
    {
      ImageExtent extent;

      if (!img->format->extent (img, at, end - at, &extent, NULL) || extent.kind != IMAGE_UNALLOCATED)
        break;
      at += extent.length;
    }
  g_atomic_int_or (at < end ? &b->occupied[grain / 32] : &b->blank[grain / 32], 1u << (grain % 32));
}

/* With map_lock held, when the map has changed and before anybody may rely on that. */
static void
note_occupied (Image *img, uint64_t offset, uint64_t length)
{
  ImageBlanks *b = img->blanks;

  for (uint64_t grain = b != NULL ? offset >> b->shift : 0; b != NULL && grain < b->grains && grain << b->shift < offset + length;
       grain++)
    {
      g_atomic_int_or (&b->occupied[grain / 32], 1u << (grain % 32));
      g_atomic_int_and (&b->blank[grain / 32], ~(1u << (grain % 32)));
    }
}

gboolean
image_read_base (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      Image *base = img->base;
      size_t chunk = length;

      /* Through the layers that have nothing here. */
      for (; base != NULL && offset < base->size; base = base->base)
        {
          uint64_t run;

          chunk = (size_t) MIN (chunk, base->size - offset);
          run = base->base != NULL ? known_blank (base, offset, chunk) : 0;
          if (run == 0)
            break;
          chunk = (size_t) run;
        }
      if (base == NULL || offset >= base->size)
        memset (out, 0, chunk);
      else if (!base->format->read (base, offset, out, chunk, error))
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
look_up (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  gboolean ok;

  g_mutex_lock (&img->map_lock);
  ok = img->format->extent (img, offset, length, out, error);
  if (ok && out->kind == IMAGE_UNALLOCATED && img->base != NULL)
    note_blank (img, offset);
  g_mutex_unlock (&img->map_lock);
  return ok;
}

gboolean
image_resolve (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, Image **found, GError **error)
{
  Image *layer;

  length = MIN (length, img->size - offset);
  for (layer = img; layer != NULL; layer = layer->base)
    {
      if (offset >= layer->size)
        {
          layer = NULL;
          break;
        }
      if (!look_up (layer, offset, length, out, error))
        return FALSE;
      length = MIN (length, MIN (out->length, layer->size - offset));
      if (out->kind != IMAGE_UNALLOCATED)
        break;
    }
  if (layer == NULL)
    *out = (ImageExtent) { .kind = IMAGE_ZERO };
  out->length = length;
  if (found != NULL)
    *found = layer;
  return TRUE;
}

gboolean
image_map_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      ImageExtent extent;
      size_t chunk;
      gboolean ok;

      chunk = img->base != NULL ? (size_t) known_blank (img, offset, length) : 0;
      if (chunk > 0)
        extent.kind = IMAGE_UNALLOCATED;
      else if (!look_up (img, offset, length, &extent, error))
        return FALSE;
      else
        chunk = (size_t) MIN (length, extent.length);
      switch (extent.kind)
        {
        case IMAGE_DATA:
          ok = image_file_read (extent.file, extent.at, out, chunk, error);
          break;
        case IMAGE_PACKED:
          ok = img->format->unpack (img, &extent, offset, out, chunk, error);
          break;
        case IMAGE_UNALLOCATED:
          ok = image_read_base (img, offset, out, chunk, error);
          break;
        default:
          memset (out, 0, chunk);
          ok = TRUE;
          break;
        }
      if (!ok)
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* The place being filled that meets [offset, offset + length), the first of them on the disk. */
static const ImagePlace *
being_written (const Image *img, uint64_t offset, uint64_t length)
{
  const ImagePlace *first = NULL;

  for (const struct ImageWrite *w = img->writes; w != NULL; w = w->next)
    if (w->place.start < offset + length && offset < w->place.start + w->place.length
        && (first == NULL || w->place.start < first->start))
      first = &w->place;
  return first;
}

/* The part of a new place that the write itself does not cover: what was there before. */
static gboolean
fill (Image *img, const ImagePlace *place, gboolean keeps, uint64_t offset, uint64_t length, GError **error)
{
  g_autoptr (ImageBuffer) buffer = NULL;

  if (length == 0 || (!keeps && place->fresh))
    return TRUE;
  if (!keeps)
    return image_file_zero (place->file, place->at + (offset - place->start), length, error);
  buffer = image_buffer_new (MIN (length, FILL_CHUNK));
  while (length > 0)
    {
      size_t chunk = (size_t) MIN (length, FILL_CHUNK);

      if (!image_map_read (img, offset, buffer, chunk, error)
          || !image_file_write (place->file, place->at + (offset - place->start), buffer, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* @keeps: what was there before need not be zeros. */
static gboolean
fill_place (Image *img, const ImagePlace *place, gboolean keeps, uint64_t offset, const uint8_t *in, size_t length,
            GError **error)
{
  uint64_t end = offset + length, place_end = MIN (place->start + place->length, img->size);
  uint64_t total = place_end - place->start;

  /* A small unit goes out in one piece. */
  if (keeps && total <= FILL_CHUNK && total > length)
    {
      g_autoptr (ImageBuffer) whole = image_buffer_new (total);

      if (!image_map_read (img, place->start, whole, (size_t) (offset - place->start), error)
          || !image_map_read (img, end, whole + (end - place->start), (size_t) (place_end - end), error))
        return FALSE;
      memcpy (whole + (offset - place->start), in, length);
      return image_file_write (place->file, place->at, whole, (size_t) total, error);
    }
  return fill (img, place, keeps, place->start, offset - place->start, error)
         && image_file_write (place->file, place->at + (offset - place->start), in, length, error)
         && fill (img, place, keeps, end, place_end - end, error);
}

/* Writes what has no room yet. Called with map_lock held, returns without it. */
static gboolean
write_new (Image *img, gboolean keeps, uint64_t offset, const uint8_t *in, size_t want, size_t *done, GError **error)
{
  struct ImageWrite write = { 0 };
  gboolean ok;

  if (!img->format->reserve (img, offset, want, &write.place, error))
    {
      g_mutex_unlock (&img->map_lock);
      return FALSE;
    }
  *done = (size_t) MIN (want, write.place.start + write.place.length - offset);
  write.next = img->writes;
  img->writes = &write;
  g_mutex_unlock (&img->map_lock);

  ok = fill_place (img, &write.place, keeps, offset, in, *done, error);

  g_mutex_lock (&img->map_lock);
  if (ok)
    {
      ok = img->format->commit (img, &write.place, error);
      note_occupied (img, write.place.start, write.place.length);
    }
  else if (img->format->release != NULL)
    img->format->release (img, &write.place);
  for (struct ImageWrite **link = &img->writes;; link = &(*link)->next)
    if (*link == &write)
      {
        *link = write.next;
        break;
      }
  g_cond_broadcast (&img->map_cond);
  g_mutex_unlock (&img->map_lock);
  return ok;
}

/* How many of the @length bytes come before a unit whose part of them is all zeros. */
static size_t
before_zeros (const Image *img, uint64_t offset, const uint8_t *in, size_t length)
{
  size_t run = 0;

  while (run < length)
    {
      size_t part = (size_t) MIN (length - run, img->unit - (offset + run) % img->unit);

      if (run > 0 && image_is_zero (in + run, part))
        break;
      run += part;
    }
  return run;
}

gboolean
image_relieve (Image *img, GError **error)
{
  return !g_atomic_int_get (&img->crowded) || img->format->flush (img, error);
}

gboolean
image_map_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  const uint8_t *in = buffer;

  while (length > 0)
    {
      const ImagePlace *other;
      ImageExtent extent;
      size_t chunk;
      gboolean blank;

      if (!image_relieve (img, error))
        return FALSE;
      g_mutex_lock (&img->map_lock);
      while (being_written (img, offset, 1) != NULL)
        g_cond_wait (&img->map_cond, &img->map_lock);
      if (!img->format->extent (img, offset, length, &extent, error))
        {
          g_mutex_unlock (&img->map_lock);
          return FALSE;
        }
      chunk = (size_t) MIN (length, extent.length);
      if (extent.kind == IMAGE_DATA && !extent.shared)
        {
          g_mutex_unlock (&img->map_lock);
          if (!image_file_write (extent.file, extent.at, in, chunk, error))
            return FALSE;
        }
      else
        {
          size_t part = (size_t) MIN (chunk, img->unit - offset % img->unit);

          blank = extent.kind == IMAGE_ZERO
                  || (extent.kind == IMAGE_UNALLOCATED && (img->base == NULL || offset >= img->base->size));
          if (blank && image_is_zero (in, part))
            {
              g_mutex_unlock (&img->map_lock);
              chunk = part;
            }
          else
            {
              chunk = (size_t) MIN (chunk, RESERVE_MAX);
              other = being_written (img, offset, chunk);
              if (other != NULL)
                chunk = (size_t) (other->start - offset);
              if (blank)
                chunk = before_zeros (img, offset, in, chunk);
              if (!write_new (img, !blank || img->base != NULL, offset, in, chunk, &chunk, error))
                return FALSE;
            }
        }
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* Zeros for what cannot be discarded whole. */
static gboolean
write_zeros (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  g_autofree uint8_t *zeros = length > 0 ? g_malloc0 (MIN (length, FILL_CHUNK)) : NULL;

  while (length > 0)
    {
      size_t chunk = (size_t) MIN (length, FILL_CHUNK);

      if (!img->format->write (img, offset, zeros, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

gboolean
image_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  uint64_t stride = DISCARD_STRIDE / img->unit * img->unit;

  while (length > 0)
    {
      uint64_t chunk = MIN (length, stride);
      gboolean ok;

      if (!image_relieve (img, error))
        return FALSE;
      ok = img->format->discard (img, offset, chunk, error);
      g_mutex_lock (&img->map_lock);
      note_occupied (img, offset, chunk);
      g_mutex_unlock (&img->map_lock);
      if (!ok)
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

gboolean
image_resize (Image *img, uint64_t size, GError **error)
{
  uint64_t old = img->size, shown = img->base != NULL ? MIN (img->base->size, size) : 0;

  if (!img->format->resize (img, size, error))
    return FALSE;
  img->size = size;
  return shown <= old || (image_zero (img, old, shown - old, error) && img->format->flush (img, error));
}

gboolean
image_zero (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  uint64_t end = offset + length, first = (offset + img->unit - 1) / img->unit * img->unit,
           last = end == img->size ? end : end / img->unit * img->unit;

  if (!(img->format->caps & IMAGE_CAN_DISCARD) || first >= last)
    return write_zeros (img, offset, length, error);
  return write_zeros (img, offset, first - offset, error) && image_discard (img, first, last - first, error)
         && write_zeros (img, last, end - last, error);
}
