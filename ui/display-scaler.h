/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scales part of a screen to device pixels: copied at 1:1, repeated at whole
 * factors, smoothly at all others (weighted over the area a pixel covers when
 * shrinking, bilinear when growing).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct DisplayScaler DisplayScaler;

/* From @source_* pixels to @width × @height. */
DisplayScaler *display_scaler_new (int source_width, int source_height, int width, int height);
void display_scaler_free (DisplayScaler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DisplayScaler, display_scaler_free)

/* Writes the rectangle x, y, width, height of the scaled picture to @target (opaque pixels, 0xffRRGGBB); strides in
 * pixels. The rectangle lies within the picture. */
void display_scaler_run (DisplayScaler *self, const uint32_t *source, int source_stride, int x, int y, int width,
                         int height, uint32_t *target, int target_stride);

G_END_DECLS
