/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pixels to PNG. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* XRGB8888 pixels, @stride in pixels. Caller owns the result. */
GBytes *png_write (const uint32_t *pixels, int width, int height, int stride, GError **error);
