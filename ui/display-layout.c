/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the guest's screen goes in a view; see the header. */

#include "ui/display-layout.h"

#include "engine/devices/input/input.h"

#include <math.h>

void
display_layout_compute (DisplayLayout *layout, DisplayScaleMode mode, int view_width, int view_height,
                        int source_width, int source_height, int device_scale)
{
  *layout = (DisplayLayout) { 0 };
  if (view_width <= 0 || view_height <= 0 || source_width <= 0 || source_height <= 0)
    return;

  double fit = MIN ((double) view_width / source_width, (double) view_height / source_height);
  double factor = fit;

  if (mode == DISPLAY_SCALE_NATIVE)
    factor = device_scale;
  else if (mode == DISPLAY_SCALE_INTEGER && fit >= 1)
    factor = floor (fit);

  layout->width = MAX ((int) floor (source_width * factor + 1e-6), 1);
  layout->height = MAX ((int) floor (source_height * factor + 1e-6), 1);
  layout->x = MAX ((view_width - layout->width) / 2, 0);
  layout->y = MAX ((view_height - layout->height) / 2, 0);
  layout->source_width = source_width;
  layout->source_height = source_height;
}

gboolean
display_layout_to_source (const DisplayLayout *layout, double view_x, double view_y, int *x, int *y)
{
  if (layout->width <= 0 || layout->height <= 0)
    return FALSE;
  *x = CLAMP ((int) floor ((view_x - layout->x) * layout->source_width / layout->width), 0, layout->source_width - 1);
  *y = CLAMP ((int) floor ((view_y - layout->y) * layout->source_height / layout->height), 0,
              layout->source_height - 1);
  return TRUE;
}

/* The middle of the pixel: what the guest divides by its width then comes out at that pixel. */
static int
pixel_to_absolute (int pixel, int size)
{
  return (int) ((pixel * 2 + 1) * (int64_t) (INPUT_ABS_MAX + 1) / (size * 2));
}

gboolean
display_layout_to_absolute (const DisplayLayout *layout, double view_x, double view_y, int *x, int *y)
{
  int pixel_x, pixel_y;

  if (!display_layout_to_source (layout, view_x, view_y, &pixel_x, &pixel_y))
    return FALSE;
  *x = MIN (pixel_to_absolute (pixel_x, layout->source_width), INPUT_ABS_MAX);
  *y = MIN (pixel_to_absolute (pixel_y, layout->source_height), INPUT_ABS_MAX);
  return TRUE;
}

DisplayRect
display_layout_damage (const DisplayLayout *layout, const DisplayRect *damage)
{
  if (layout->width <= 0 || layout->height <= 0)
    return (DisplayRect) { 0 };
  if (layout->width == layout->source_width && layout->height == layout->source_height)
    return *damage;

  /* Filters reach a pixel beyond the edge. */
  double scale_x = (double) layout->width / layout->source_width;
  double scale_y = (double) layout->height / layout->source_height;
  int left = MAX ((int) floor ((damage->x - 1) * scale_x), 0);
  int top = MAX ((int) floor ((damage->y - 1) * scale_y), 0);
  int right = MIN ((int) ceil ((damage->x + damage->width + 1) * scale_x), layout->width);
  int bottom = MIN ((int) ceil ((damage->y + damage->height + 1) * scale_y), layout->height);

  return (DisplayRect) { left, top, MAX (right - left, 0), MAX (bottom - top, 0) };
}
