/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest's screen as textures of device pixels. It is cut into tiles, and
 * only tiles that changed become new textures, so that the renderer uploads no
 * more than what the guest drew. Damage may be reported on any thread; the
 * rest is for the main thread.
 */
#pragma once

#include "ui/display-layout.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct DisplayTiles DisplayTiles;

DisplayTiles *display_tiles_new (void);
void display_tiles_free (DisplayTiles *self);
/* A part of the source changed; any thread. TRUE when nothing was waiting to be drawn before. */
gboolean display_tiles_damage (DisplayTiles *self, const DisplayRect *rects, int count);
/* Everything changed; any thread. */
void display_tiles_damage_all (DisplayTiles *self);
/* Where the screen goes; a new size draws all of it again. */
void display_tiles_set_layout (DisplayTiles *self, const DisplayLayout *layout);
/* Draws the screen in logical pixels. Locks @display for the tiles that changed. */
void display_tiles_snapshot (DisplayTiles *self, GtkSnapshot *snapshot, Display *display, int device_scale);
/* How many tiles were made anew so far: for tests. */
guint64 display_tiles_get_uploads (DisplayTiles *self);

G_END_DECLS
