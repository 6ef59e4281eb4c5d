/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the guest's screen goes in a view, and back from view to screen. All
 * sizes are device pixels unless they are named logical.
 */
#pragma once

#include "engine/devices/display/display.h"

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DISPLAY_SCALE_FIT,            /* as large as fits, any factor */
  DISPLAY_SCALE_INTEGER,        /* as large as fits, whole factors (as FIT where not even 1 fits) */
  DISPLAY_SCALE_NATIVE          /* one guest pixel is one logical pixel; scrolls where it does not fit */
} DisplayScaleMode;

typedef struct
{
  int x, y, width, height;      /* where the screen is drawn */
  int source_width, source_height;
} DisplayLayout;

/* @view_*: the view; @device_scale: device pixels a logical one. All of @layout is 0 when there is nothing to show. */
void display_layout_compute (DisplayLayout *layout, DisplayScaleMode mode, int view_width, int view_height,
                             int source_width, int source_height, int device_scale);
/* The screen pixel under a view position, which may lie outside: clamped to the screen. FALSE when nothing is shown. */
gboolean display_layout_to_source (const DisplayLayout *layout, double view_x, double view_y, int *x, int *y);
/* Position in 0 … INPUT_ABS_MAX over the screen. */
gboolean display_layout_to_absolute (const DisplayLayout *layout, double view_x, double view_y, int *x, int *y);
/* What has to be drawn again (relative to the layout's origin) when @damage of the source changed. */
DisplayRect display_layout_damage (const DisplayLayout *layout, const DisplayRect *damage);

G_END_DECLS
