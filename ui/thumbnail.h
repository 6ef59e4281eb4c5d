/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small pictures of screens. */
#pragma once

#include <gdk/gdk.h>

G_BEGIN_DECLS

/* The size that @picture has within @width × @height, its shape kept; never larger than it is. */
void thumbnail_size (int picture_width, int picture_height, int width, int height, int *out_width, int *out_height);
/* @picture so small that it lies within @width × @height device pixels, every pixel of it weighed: GTK alone would drop
 * most of them. New reference. */
GdkTexture *thumbnail_new (GdkTexture *picture, int width, int height);

G_END_DECLS
