/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's screen as textures; see the header. */

#include "ui/display-tiles.h"

#include "ui/display-scaler.h"

enum { TILE = 256 };

struct DisplayTiles
{
  GMutex mutex;                 /* guards the damage */
  DisplayRect damage[DISPLAY_MAX_RECTS];
  int n_damage;
  gboolean damage_all;

  DisplayLayout layout;
  DisplayScaler *scaler;
  GdkTexture **textures;        /* columns × rows; NULL: to be made */
  gboolean *stale;
  int columns, rows;
  guint64 uploads;
};

DisplayTiles *
display_tiles_new (void)
{
  DisplayTiles *self = g_new0 (DisplayTiles, 1);

  g_mutex_init (&self->mutex);
  return self;
}

static void
clear_textures (DisplayTiles *self)
{
  for (int i = 0; i < self->columns * self->rows; i++)
    g_clear_object (&self->textures[i]);
  g_clear_pointer (&self->textures, g_free);
  g_clear_pointer (&self->stale, g_free);
  g_clear_pointer (&self->scaler, display_scaler_free);
  self->columns = self->rows = 0;
}

void
display_tiles_free (DisplayTiles *self)
{
  clear_textures (self);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

gboolean
display_tiles_damage (DisplayTiles *self, const DisplayRect *rects, int count)
{
  gboolean was_clean;

  g_mutex_lock (&self->mutex);
  was_clean = self->n_damage == 0 && !self->damage_all;
  if (self->n_damage + count > DISPLAY_MAX_RECTS)
    self->damage_all = TRUE;
  else
    for (int i = 0; i < count; i++)
      self->damage[self->n_damage++] = rects[i];
  g_mutex_unlock (&self->mutex);
  return was_clean;
}

void
display_tiles_damage_all (DisplayTiles *self)
{
  g_mutex_lock (&self->mutex);
  self->damage_all = TRUE;
  g_mutex_unlock (&self->mutex);
}

void
display_tiles_set_layout (DisplayTiles *self, const DisplayLayout *layout)
{
  if (self->layout.width == layout->width && self->layout.height == layout->height
      && self->layout.source_width == layout->source_width && self->layout.source_height == layout->source_height)
    {
      self->layout = *layout;
      return;
    }
  clear_textures (self);
  self->layout = *layout;
  if (layout->width == 0 || layout->height == 0)
    return;
  self->columns = (layout->width + TILE - 1) / TILE;
  self->rows = (layout->height + TILE - 1) / TILE;
  self->textures = g_new0 (GdkTexture *, (gsize) self->columns * self->rows);
  self->stale = g_new0 (gboolean, (gsize) self->columns * self->rows);
  self->scaler = display_scaler_new (layout->source_width, layout->source_height, layout->width, layout->height);
  display_tiles_damage_all (self);
}

static void
mark_stale (DisplayTiles *self, const DisplayRect *rect)
{
  DisplayRect area = display_layout_damage (&self->layout, rect);

  if (area.width <= 0 || area.height <= 0)
    return;
  for (int row = area.y / TILE; row <= (area.y + area.height - 1) / TILE && row < self->rows; row++)
    for (int column = area.x / TILE; column <= (area.x + area.width - 1) / TILE && column < self->columns; column++)
      self->stale[row * self->columns + column] = TRUE;
}

static gboolean
take_damage (DisplayTiles *self)
{
  gboolean any;

  g_mutex_lock (&self->mutex);
  if (self->damage_all)
    {
      self->damage[0] = (DisplayRect) { 0, 0, self->layout.source_width, self->layout.source_height };
      self->n_damage = 1;
    }
  any = self->n_damage > 0;
  for (int i = 0; i < self->n_damage; i++)
    mark_stale (self, &self->damage[i]);
  self->n_damage = 0;
  self->damage_all = FALSE;
  g_mutex_unlock (&self->mutex);
  return any;
}

static void
make_tile (DisplayTiles *self, int index, const uint32_t *pixels, int stride)
{
  int x = index % self->columns * TILE, y = index / self->columns * TILE;
  int width = MIN (TILE, self->layout.width - x), height = MIN (TILE, self->layout.height - y);
  gsize size = (gsize) width * height * sizeof (uint32_t);
  uint32_t *data = g_malloc (size);
  g_autoptr (GBytes) bytes = NULL;

  display_scaler_run (self->scaler, pixels, stride, x, y, width, height, data, width);
  bytes = g_bytes_new_take (data, size);
  g_clear_object (&self->textures[index]);
  /* The format of a uint32_t 0xAARRGGBB in this host's byte order. */
  self->textures[index] = gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes,
                                                  (gsize) width * sizeof (uint32_t));
  self->stale[index] = FALSE;
  self->uploads++;
}

static void
make_stale_tiles (DisplayTiles *self, Display *display)
{
  int width, height, stride;
  const uint32_t *pixels;

  pixels = display_lock (display, &width, &height, &stride);
  if (pixels == NULL)
    return;
  /* The guest may have changed its mode since the layout was made; a new layout is on its way then. */
  if (width == self->layout.source_width && height == self->layout.source_height)
    for (int i = 0; i < self->columns * self->rows; i++)
      if (self->stale[i])
        make_tile (self, i, pixels, stride);
  display_unlock (display);
}

void
display_tiles_snapshot (DisplayTiles *self, GtkSnapshot *snapshot, Display *display, int device_scale)
{
  if (self->textures == NULL)
    return;
  if (take_damage (self))
    make_stale_tiles (self, display);

  gtk_snapshot_save (snapshot);
  gtk_snapshot_scale (snapshot, 1.0f / device_scale, 1.0f / device_scale);
  for (int i = 0; i < self->columns * self->rows; i++)
    {
      GdkTexture *texture = self->textures[i];

      if (texture == NULL)
        continue;
      gtk_snapshot_append_texture (snapshot, texture,
                                   &GRAPHENE_RECT_INIT (self->layout.x + i % self->columns * TILE,
                                                        self->layout.y + i / self->columns * TILE,
                                                        gdk_texture_get_width (texture),
                                                        gdk_texture_get_height (texture)));
    }
  gtk_snapshot_restore (snapshot);
}

guint64
display_tiles_get_uploads (DisplayTiles *self)
{
  return self->uploads;
}
