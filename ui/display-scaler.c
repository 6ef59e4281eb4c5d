/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scales part of a screen to device pixels; see the header. */

#include "ui/display-scaler.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_ONE = 256 };

/* One target column or row: the source positions it takes from, and where their weights (in 1/256) begin. */
typedef struct
{
  int first, count, weights;
} Tap;

typedef struct
{
  Tap *taps;
  uint16_t *weights;
  int factor;                   /* a whole enlargement, or 0 */
} Axis;

struct DisplayScaler
{
  Axis x, y;
  uint32_t *row;                /* source pixels of one target row, already weighed downwards */
};

/* The weights of one position add up to exactly WEIGHT_ONE, or flat areas would change colour. */
static void
set_weights (uint16_t *weights, const double *exact, int count)
{
  double sum = 0, reached = 0;
  int given = 0;

  for (int i = 0; i < count; i++)
    sum += exact[i];
  for (int i = 0; i < count; i++)
    {
      reached += exact[i];

      int upto = i + 1 == count ? WEIGHT_ONE : (int) lround (reached / sum * WEIGHT_ONE);

      weights[i] = upto - given;
      given = upto;
    }
}

/* Shrinking: what part of each source position the target position covers. */
static void
tap_area (Tap *tap, double *exact, int most, int position, double ratio, int from)
{
  double begin = position * ratio, end = MIN (begin + ratio, from);

  tap->first = MIN ((int) begin, from - 1);
  for (int source = tap->first; source < end && tap->count < most; source++)
    exact[tap->count++] = MIN (end, source + 1) - MAX (begin, source);
  if (tap->count == 0)
    exact[tap->count++] = 1;
}

/* Growing: the two nearest source positions, by distance. */
static void
tap_linear (Tap *tap, double *exact, int position, double ratio, int from)
{
  double centre = CLAMP ((position + 0.5) * ratio - 0.5, 0, from - 1);

  tap->first = (int) centre;
  tap->count = tap->first + 1 < from ? 2 : 1;
  exact[0] = tap->count == 1 ? 1 : 1 - (centre - tap->first);
  exact[1] = centre - tap->first;
}

static void
axis_init (Axis *axis, int from, int to)
{
  double ratio = (double) from / to;
  int most = ratio > 1 ? (int) ceil (ratio) + 1 : 2;
  g_autofree double *exact = g_new (double, most);

  axis->factor = to % from == 0 ? to / from : 0;
  axis->taps = g_new0 (Tap, to);
  axis->weights = g_new0 (uint16_t, (gsize) to * most);
  for (int i = 0; i < to; i++)
    {
      Tap *tap = &axis->taps[i];

      tap->weights = i * most;
      if (axis->factor != 0)
        {
          tap->first = i / axis->factor;
          tap->count = 1;
          exact[0] = 1;
        }
      else if (ratio > 1)
        tap_area (tap, exact, most, i, ratio, from);
      else
        tap_linear (tap, exact, i, ratio, from);
      set_weights (axis->weights + tap->weights, exact, tap->count);
    }
}

DisplayScaler *
display_scaler_new (int source_width, int source_height, int width, int height)
{
  DisplayScaler *self = g_new0 (DisplayScaler, 1);

  axis_init (&self->x, source_width, width);
  axis_init (&self->y, source_height, height);
  self->row = g_new (uint32_t, source_width);
  return self;
}

void
display_scaler_free (DisplayScaler *self)
{
  g_free (self->x.taps);
  g_free (self->x.weights);
  g_free (self->y.taps);
  g_free (self->y.weights);
  g_free (self->row);
  g_free (self);
}

/* Two colours share a word: 8 bits each with room for their product with a weight. */
static inline uint32_t
weigh (const uint32_t *pixel, int step, const uint16_t *weights, int count)
{
  uint32_t red_blue = 0x00800080, green = 0x00008000;

  for (int i = 0; i < count; i++)
    {
      uint32_t value = pixel[(gsize) i * step];

      red_blue += (value & 0x00ff00ff) * weights[i];
      green += (value & 0x0000ff00) * weights[i];
    }
  return ((red_blue >> 8) & 0x00ff00ff) | ((green >> 8) & 0x0000ff00) | 0xff000000;
}

static void
run_whole (DisplayScaler *self, const uint32_t *source, int source_stride, int x, int y, int width, int height,
           uint32_t *target, int target_stride)
{
  int factor = self->x.factor;

  for (int row = 0; row < height; row++)
    {
      uint32_t *out = target + (gsize) row * target_stride;
      int source_row = (y + row) / self->y.factor;

      /* Lines that repeat need not be expanded again. */
      if (row > 0 && source_row == (y + row - 1) / self->y.factor)
        {
          memcpy (out, out - target_stride, (gsize) width * sizeof *out);
          continue;
        }

      const uint32_t *in = source + (gsize) source_row * source_stride;

      if (factor == 1)
        for (int i = 0; i < width; i++)
          out[i] = in[x + i] | 0xff000000;
      else
        for (int i = 0; i < width; i++)
          out[i] = in[(x + i) / factor] | 0xff000000;
    }
}

void
display_scaler_run (DisplayScaler *self, const uint32_t *source, int source_stride, int x, int y, int width,
                    int height, uint32_t *target, int target_stride)
{
  if (width <= 0 || height <= 0)
    return;
  if (self->x.factor != 0 && self->y.factor != 0)
    {
      run_whole (self, source, source_stride, x, y, width, height, target, target_stride);
      return;
    }

  const Tap *last = &self->x.taps[x + width - 1];
  int left = self->x.taps[x].first, right = last->first + last->count;

  for (int row = 0; row < height; row++)
    {
      const Tap *down = &self->y.taps[y + row];
      const uint32_t *in = source + (gsize) down->first * source_stride;
      uint32_t *out = target + (gsize) row * target_stride;

      for (int i = left; i < right; i++)
        self->row[i] = weigh (in + i, source_stride, self->y.weights + down->weights, down->count);
      for (int i = 0; i < width; i++)
        {
          const Tap *across = &self->x.taps[x + i];

          out[i] = weigh (self->row + across->first, 1, self->x.weights + across->weights, across->count);
        }
    }
}
