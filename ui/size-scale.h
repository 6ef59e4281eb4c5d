/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes on a slider: each doubling takes the same way, and what comes out is a round number. */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct
{
  uint64_t minimum, maximum;    /* bytes, minimum > 0 */
} SizeScale;

/* @position: 0 … 1. */
uint64_t size_scale_to_bytes (const SizeScale *self, double position);
double size_scale_to_position (const SizeScale *self, uint64_t bytes);
/* The round size next to @bytes within the scale's ends. */
uint64_t size_scale_round (const SizeScale *self, uint64_t bytes);
/* The next round size up or down, for the keyboard. */
uint64_t size_scale_step (const SizeScale *self, uint64_t bytes, gboolean up);

G_END_DECLS
