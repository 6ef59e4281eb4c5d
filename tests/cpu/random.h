/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small generator of pseudo-random numbers: the same seed gives the same case on every host (splitmix64). */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct
{
  uint64_t state;
} Random;

static inline uint64_t
random_next (Random *random)
{
  uint64_t z = random->state += 0x9e3779b97f4a7c15;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/* 0 … @n - 1. */
static inline unsigned
random_below (Random *random, unsigned n)
{
  return (unsigned) (((random_next (random) >> 32) * n) >> 32);
}

static inline gboolean
random_chance (Random *random, unsigned percent)
{
  return random_below (random, 100) < percent;
}
