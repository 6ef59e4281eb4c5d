/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a machine shows: a scanout of XRGB8888 pixels (0x00RRGGBB in host byte
 * order) with damage rectangles. A display device renders into it when a front
 * end asks for a refresh; front ends (GTK view, VNC, screenshots) listen for
 * damage.
 *
 * Threads: the display has its own lock. display_refresh() takes the machine
 * lock first, then the display's; listeners run inside display_refresh(), on
 * the thread that called it, with neither lock held, so it is not called with
 * the machine lock held. A listener may add and remove listeners.
 */
#pragma once

#include "engine/machine/lock.h"

#include <glib.h>
#include <stdint.h>

typedef struct Display Display;

enum { DISPLAY_MAX_WIDTH = 8192, DISPLAY_MAX_HEIGHT = 8192, DISPLAY_MAX_RECTS = 64 };

typedef struct { int x, y, width, height; } DisplayRect;

/* The device's side. */
typedef struct
{
  /* Renders what changed since the last call by display_begin_frame() and display_damage(); @full: everything. */
  void (*refresh) (void *opaque, gboolean full);
  /* Text mode: the cells as UTF-8 lines (newly allocated); NULL in graphics modes. */
  char *(*text) (void *opaque);
  /* Optional: the size the front end would like (EDID). */
  void (*set_ui_size) (void *opaque, int width, int height);
} DisplaySource;

Display *display_new (MachineLock *lock);
void display_free (Display *display);
/* All source operations run with the machine lock held. */
void display_set_source (Display *display, const DisplaySource *source, void *opaque);
/* Within refresh: the pixels of a frame of this size, reallocated when the size changed (then all of it counts as
 * damaged). *@stride in pixels. NULL when the size is out of range or memory is short. */
uint32_t *display_begin_frame (Display *display, int width, int height, int *stride);
void display_damage (Display *display, int x, int y, int width, int height);

/* The front ends' side. */
typedef struct
{
  void (*resized) (void *opaque, int width, int height);
  void (*damaged) (void *opaque, const DisplayRect *rects, int count); /* at most DISPLAY_MAX_RECTS, clipped */
} DisplayListener;

void display_add_listener (Display *display, const DisplayListener *listener, void *opaque);
/* When this returns, the listener is not running on another thread and will not be called again. */
void display_remove_listener (Display *display, void *opaque);
/* Brings the scanout up to date and tells the listeners. Any thread. */
void display_refresh (Display *display);
/* Locks and returns the pixels; *@stride in pixels. NULL before the first frame. Always pair with display_unlock(). */
const uint32_t *display_lock (Display *display, int *width, int *height, int *stride);
void display_unlock (Display *display);
/* The cells of a text mode as UTF-8 lines, or NULL in a graphics mode. Caller frees. */
char *display_get_text (Display *display);
/* Refreshes and encodes the scanout as PNG. Caller owns. */
GBytes *display_get_png (Display *display, GError **error);
void display_set_ui_size (Display *display, int width, int height);
