/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scanout between a display device and the front ends: see display.h. */

#include "engine/devices/display/display.h"

#include "engine/devices/display/png-writer.h"

#include <string.h>

enum { MERGE_WASTE = 4 };

typedef struct
{
  const DisplayListener *ops;
  void *opaque;
} Registered;

struct Display
{
  MachineLock *machine_lock;
  GMutex lock;                /* guards the pixels and what follows */
  const DisplaySource *source;
  void *source_opaque;
  uint32_t *pixels;
  int width, height;
  gboolean resized, full;     /* since the listeners were told; the next refresh draws everything */
  DisplayRect damage[DISPLAY_MAX_RECTS];
  int damage_count;
  GRecMutex listeners_lock;   /* held while they run: one that was removed is not running */
  GArray *listeners;
};

Display *
display_new (MachineLock *lock)
{
  Display *d = g_new0 (Display, 1);

  d->machine_lock = lock;
  g_mutex_init (&d->lock);
  g_rec_mutex_init (&d->listeners_lock);
  d->listeners = g_array_new (FALSE, FALSE, sizeof (Registered));
  d->full = TRUE;
  return d;
}

void
display_free (Display *d)
{
  if (d == NULL)
    return;
  g_array_unref (d->listeners);
  g_rec_mutex_clear (&d->listeners_lock);
  g_mutex_clear (&d->lock);
  g_free (d->pixels);
  g_free (d);
}

void
display_set_source (Display *d, const DisplaySource *source, void *opaque)
{
  machine_lock_take (d->machine_lock);
  d->source = source;
  d->source_opaque = opaque;
  d->full = TRUE;
  machine_lock_release (d->machine_lock);
}

uint32_t *
display_begin_frame (Display *d, int width, int height, int *stride)
{
  if (width < 1 || height < 1 || width > DISPLAY_MAX_WIDTH || height > DISPLAY_MAX_HEIGHT)
    return NULL;
  if (width != d->width || height != d->height)
    {
      uint32_t *pixels = g_try_malloc0_n ((gsize) width * (gsize) height, sizeof *pixels);

      if (pixels == NULL)
        return NULL;
      g_free (d->pixels);
      d->pixels = pixels;
      d->width = width;
      d->height = height;
      d->resized = TRUE;
      d->damage[0] = (DisplayRect) { 0, 0, width, height };
      d->damage_count = 1;
    }
  *stride = d->width;
  return d->pixels;
}

static gboolean
touches (const DisplayRect *a, const DisplayRect *b)
{
  return a->x <= b->x + b->width && b->x <= a->x + a->width && a->y <= b->y + b->height && b->y <= a->y + a->height;
}

static DisplayRect
unite (const DisplayRect *a, const DisplayRect *b)
{
  DisplayRect all = { .x = MIN (a->x, b->x), .y = MIN (a->y, b->y) };

  all.width = MAX (a->x + a->width, b->x + b->width) - all.x;
  all.height = MAX (a->y + a->height, b->y + b->height) - all.y;
  return all;
}

/* Pixels that are in neither, but that uniting the two would add. At most DISPLAY_MAX_WIDTH × DISPLAY_MAX_HEIGHT. */
static int
waste (const DisplayRect *a, const DisplayRect *b)
{
  DisplayRect all = unite (a, b);

  return all.width * all.height - a->width * a->height - b->width * b->height;
}

/* Whether one rectangle is better than the two: they touch, and little is drawn for nothing. */
static gboolean
should_unite (const DisplayRect *a, const DisplayRect *b)
{
  return touches (a, b) && waste (a, b) <= (a->width * a->height + b->width * b->height) / MERGE_WASTE;
}

static void
add_damage (Display *d, DisplayRect rect)
{
  int best = 0, least = G_MAXINT;

  /* What grew may touch others. */
  for (int i = 0; i < d->damage_count;)
    {
      if (should_unite (&d->damage[i], &rect))
        {
          rect = unite (&d->damage[i], &rect);
          d->damage[i] = d->damage[--d->damage_count];
          i = 0;
        }
      else
        i++;
    }
  if (d->damage_count < DISPLAY_MAX_RECTS)
    {
      d->damage[d->damage_count++] = rect;
      return;
    }
  for (int i = 0; i < d->damage_count; i++)
    {
      int wasted = waste (&d->damage[i], &rect);

      if (wasted < least)
        {
          least = wasted;
          best = i;
        }
    }
  d->damage[best] = unite (&d->damage[best], &rect);
}

void
display_damage (Display *d, int x, int y, int width, int height)
{
  DisplayRect rect = { .x = MAX (x, 0), .y = MAX (y, 0) };

  rect.width = MIN (x + width, d->width) - rect.x;
  rect.height = MIN (y + height, d->height) - rect.y;
  if (rect.width > 0 && rect.height > 0)
    add_damage (d, rect);
}

void
display_add_listener (Display *d, const DisplayListener *listener, void *opaque)
{
  Registered registered = { listener, opaque };

  g_rec_mutex_lock (&d->listeners_lock);
  g_array_append_val (d->listeners, registered);
  g_rec_mutex_unlock (&d->listeners_lock);
}

void
display_remove_listener (Display *d, void *opaque)
{
  g_rec_mutex_lock (&d->listeners_lock);
  for (guint i = d->listeners->len; i-- > 0;)
    {
      if (g_array_index (d->listeners, Registered, i).opaque == opaque)
        g_array_remove_index (d->listeners, i);
    }
  g_rec_mutex_unlock (&d->listeners_lock);
}

static gboolean
is_listening (Display *d, const Registered *registered)
{
  for (guint i = 0; i < d->listeners->len; i++)
    {
      const Registered *r = &g_array_index (d->listeners, Registered, i);

      if (r->ops == registered->ops && r->opaque == registered->opaque)
        return TRUE;
    }
  return FALSE;
}

static void
render (Display *d)
{
  gboolean full = d->full;

  if (d->source == NULL)
    return;
  d->full = FALSE;
  d->source->refresh (d->source_opaque, full);
}

void
display_refresh (Display *d)
{
  DisplayRect damage[DISPLAY_MAX_RECTS];
  g_autoptr (GArray) listeners = NULL;
  int count, width, height;
  gboolean resized;

  machine_lock_take (d->machine_lock);
  g_mutex_lock (&d->lock);
  render (d);
  count = d->damage_count;
  memcpy (damage, d->damage, sizeof damage);
  resized = d->resized;
  width = d->width;
  height = d->height;
  d->damage_count = 0;
  d->resized = FALSE;
  g_mutex_unlock (&d->lock);
  machine_lock_release (d->machine_lock);
  if (count == 0 && !resized)
    return;

  g_rec_mutex_lock (&d->listeners_lock);
  /* A copy, for one may add or remove some. */
  listeners = g_array_copy (d->listeners);
  for (guint i = 0; i < listeners->len; i++)
    {
      const Registered *r = &g_array_index (listeners, Registered, i);

      if (resized && r->ops->resized != NULL && is_listening (d, r))
        r->ops->resized (r->opaque, width, height);
      if (count > 0 && r->ops->damaged != NULL && is_listening (d, r))
        r->ops->damaged (r->opaque, damage, count);
    }
  g_rec_mutex_unlock (&d->listeners_lock);
}

const uint32_t *
display_lock (Display *d, int *width, int *height, int *stride)
{
  g_mutex_lock (&d->lock);
  *width = d->width;
  *height = d->height;
  *stride = d->width;
  return d->pixels;
}

void
display_unlock (Display *d)
{
  g_mutex_unlock (&d->lock);
}

char *
display_get_text (Display *d)
{
  char *text = NULL;

  machine_lock_take (d->machine_lock);
  if (d->source != NULL && d->source->text != NULL)
    text = d->source->text (d->source_opaque);
  machine_lock_release (d->machine_lock);
  return text;
}

GBytes *
display_get_png (Display *d, GError **error)
{
  static const uint32_t black = 0;
  int width, height, stride;
  const uint32_t *pixels;
  GBytes *png;

  display_refresh (d);
  pixels = display_lock (d, &width, &height, &stride);
  png = pixels != NULL ? png_write (pixels, width, height, stride, error) : png_write (&black, 1, 1, 1, error);
  display_unlock (d);
  return png;
}

void
display_set_ui_size (Display *d, int width, int height)
{
  machine_lock_take (d->machine_lock);
  if (d->source != NULL && d->source->set_ui_size != NULL)
    d->source->set_ui_size (d->source_opaque, width, height);
  machine_lock_release (d->machine_lock);
}
