/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes on a slider. */

#include "ui/size-scale.h"

#include <math.h>

/* Sixteen steps a doubling are fine enough to choose by, and whole MiB. */
static uint64_t
grain (uint64_t bytes)
{
  uint64_t step = UINT64_C (1) << 20;

  while (step < bytes / 32)
    step *= 2;
  return step;
}

uint64_t
size_scale_round (const SizeScale *self, uint64_t bytes)
{
  uint64_t step = grain (bytes);
  uint64_t rounded = (bytes + step / 2) / step * step;

  return CLAMP (rounded, self->minimum, self->maximum);
}

uint64_t
size_scale_to_bytes (const SizeScale *self, double position)
{
  double low = log2 (self->minimum), high = log2 (self->maximum);

  if (position <= 0)
    return self->minimum;
  if (position >= 1)
    return self->maximum;
  return size_scale_round (self, (uint64_t) exp2 (low + (high - low) * position));
}

double
size_scale_to_position (const SizeScale *self, uint64_t bytes)
{
  double low = log2 (self->minimum), high = log2 (self->maximum);

  if (high <= low)
    return 0;
  return CLAMP ((log2 (MAX (bytes, 1)) - low) / (high - low), 0, 1);
}

uint64_t
size_scale_step (const SizeScale *self, uint64_t bytes, gboolean up)
{
  uint64_t step = grain (up ? bytes : bytes - MIN (bytes, 1));
  uint64_t stepped = up ? bytes / step * step + step : (bytes + step - 1) / step * step;

  if (!up)
    stepped -= MIN (stepped, step);
  return CLAMP (stepped, self->minimum, self->maximum);
}
