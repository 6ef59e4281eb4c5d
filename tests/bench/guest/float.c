/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Floating point as compilers make it: a matrix product, planets, and the x87's long double. */

#include "bench.h"

#include <string.h>

static uint64_t
bits_of (double value)
{
  uint64_t bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

enum { MATRIX = 128 };

static void
setup_matrix (void *state)
{
  float *matrix = state;

  for (int i = 0; i < 3 * MATRIX * MATRIX; i++)
    matrix[i] = (float) (i % 23 - 11) / 16;
}

static uint64_t
run_matrix (void *state, uint64_t count)
{
  float *a = state, *b = a + MATRIX * MATRIX, *c = b + MATRIX * MATRIX;
  double sum = 0;

  for (uint64_t n = 0; n < count; n++)
    {
      for (int i = 0; i < MATRIX; i++)
        for (int j = 0; j < MATRIX; j++)
          {
            float dot = 0;

            for (int k = 0; k < MATRIX; k++)
              dot += a[i * MATRIX + k] * b[j * MATRIX + k];
            c[i * MATRIX + j] = dot;
          }
      a[n % (MATRIX * MATRIX)] += c[n * 7 % (MATRIX * MATRIX)] / 64;
    }
  for (int i = 0; i < MATRIX * MATRIX; i++)
    sum += (double) c[i];
  return bits_of (sum);
}

typedef struct
{
  double at[3], speed[3], mass;
} Body;

enum { BODY_COUNT = 5 };

static uint64_t
run_nbody (void *state, uint64_t count)
{
  Body bodies[BODY_COUNT] = {
    { { 0, 0, 0 }, { 0, 0, 0 }, 40 },
    { { 5, 1, -0.1 }, { -0.5, 2.75, 0.01 }, 0.04 },
    { { 8.25, -4, 0.4 }, { 1, 1.75, -0.02 }, 0.012 },
    { { -12.5, 15, 0.25 }, { -1.25, -0.75, 0.01 }, 0.0017 },
    { { 15.5, -26, 0.2 }, { 1, 0.5, -0.03 }, 0.002 },
  };
  const double step = 0.001;
  double energy = 0;

  for (uint64_t n = 0; n < count; n++)
    {
      for (int i = 0; i < BODY_COUNT; i++)
        for (int j = i + 1; j < BODY_COUNT; j++)
          {
            Body *a = &bodies[i], *b = &bodies[j];
            double d[3], square = 0, force;

            for (int k = 0; k < 3; k++)
              {
                d[k] = a->at[k] - b->at[k];
                square += d[k] * d[k];
              }
            force = step / (square * __builtin_sqrt (square));
            for (int k = 0; k < 3; k++)
              {
                a->speed[k] -= d[k] * b->mass * force;
                b->speed[k] += d[k] * a->mass * force;
              }
          }
      for (int i = 0; i < BODY_COUNT; i++)
        for (int k = 0; k < 3; k++)
          bodies[i].at[k] += step * bodies[i].speed[k];
    }
  for (int i = 0; i < BODY_COUNT; i++)
    for (int k = 0; k < 3; k++)
      energy += bodies[i].mass * bodies[i].speed[k] * bodies[i].speed[k] / 2;
  return bits_of (energy);
}

/* Every operation here is rounded exactly; transcendental functions are not, and differ between processors. */
static uint64_t
run_x87 (void *state, uint64_t count)
{
  long double x = 0.3L, y = 2, sum = 0;
  uint64_t mantissa;

  for (uint64_t i = 0; i < count; i++)
    {
      long double t = (long double) (int64_t) i;

      x = 3.75L * x * (1 - x);
      y = (y + (2 + x) / y) * 0.5L;
      sum += (((x * 0.125L + y) * x - 0.75L) * x + 1) / (t + 1);
      if (sum > 16)
        sum -= __builtin_sqrtl (y * 3);
    }
  memcpy (&mantissa, &sum, sizeof mantissa);
  return mantissa;
}

const Bench float_benches[] = {
  { .name = "matrix",
    .count = 700,
    .state_size = 3 * MATRIX * MATRIX * sizeof (float),
    .setup = setup_matrix,
    .run = run_matrix },
  { .name = "nbody", .count = 8000000, .run = run_nbody },
  { .name = "x87", .count = 55000000, .run = run_x87 },
  { 0 },
};
