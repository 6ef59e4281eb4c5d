/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small pictures of screens; see the header. */

#include "ui/thumbnail.h"

#include "ui/display-scaler.h"

#include <math.h>

void
thumbnail_size (int picture_width, int picture_height, int width, int height, int *out_width, int *out_height)
{
  double factor = MIN (1, MIN ((double) width / picture_width, (double) height / picture_height));

  *out_width = CLAMP ((int) lround (picture_width * factor), 1, picture_width);
  *out_height = CLAMP ((int) lround (picture_height * factor), 1, picture_height);
}

GdkTexture *
thumbnail_new (GdkTexture *picture, int width, int height)
{
  int from_width = gdk_texture_get_width (picture), from_height = gdk_texture_get_height (picture);
  g_autoptr (DisplayScaler) scaler = NULL;
  g_autofree uint32_t *pixels = NULL;
  g_autoptr (GBytes) bytes = NULL;
  uint32_t *scaled;

  thumbnail_size (from_width, from_height, width, height, &width, &height);
  if (width == from_width && height == from_height)
    return g_object_ref (picture);
  pixels = g_new (uint32_t, (gsize) from_width * from_height);
  gdk_texture_download (picture, (guchar *) pixels, (gsize) from_width * 4);
  scaled = g_new (uint32_t, (gsize) width * height);
  scaler = display_scaler_new (from_width, from_height, width, height);
  display_scaler_run (scaler, pixels, from_width, 0, 0, width, height, scaled, width);
  bytes = g_bytes_new_take (scaled, (gsize) width * height * 4);
  return gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes, (gsize) width * 4);
}
