/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that tend to find mistakes: the ends of every range, and random ones in between. */

#include "tests/cpu/case.h"

#include <string.h>

uint64_t
operand_integer (Random *random)
{
  static const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
                                    0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000 };
  uint64_t value;

  switch (random_below (random, 8))
    {
    case 0:
    case 1:
    case 2:
      value = edges[random_below (random, G_N_ELEMENTS (edges))];
      return random_chance (random, 40) ? (uint64_t) 0 - value : value;
    case 3:
      return random_next (random) & 0xff;
    case 4:
      value = (uint64_t) 1 << random_below (random, 64);
      return value + random_below (random, 3) - 1;
    case 5: /* edges in the low half under random high bits */
      value = edges[random_below (random, G_N_ELEMENTS (edges))] & 0xffffffff;
      return value | random_next (random) << 32;
    default:
      return random_next (random);
    }
}

static uint32_t
single (Random *random)
{
  static const uint32_t edges[] = { 0, 0x00000001, 0x007fffff, 0x00800000, 0x00800001, 0x3f800000, 0x3f7fffff,
                                    0x3f800001, 0x3f000000, 0x40000000, 0x3fc00000, 0x4b000000, 0x4b800000,
                                    0x4effffff, 0x4f000000, 0x5effffff, 0x5f000000, 0x7f7fffff, 0x7f800000,
                                    0x7f800001, 0x7fbfffff, 0x7fc00000, 0x7fc12345, 0x7fffffff };

  if (random_chance (random, 60))
    return edges[random_below (random, G_N_ELEMENTS (edges))] | (random_chance (random, 40) ? 0x80000000 : 0);
  if (random_chance (random, 60)) /* near 1 */
    return (uint32_t) (0x3b800000 + random_below (random, 0x09000000)) | (random_chance (random, 40) ? 0x80000000 : 0);
  return (uint32_t) random_next (random);
}

static uint64_t
twice (Random *random)
{
  static const uint64_t edges[] = { 0, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000,
                                    0x3fefffffffffffff, 0x3ff0000000000001, 0x3fe0000000000000, 0x4000000000000000,
                                    0x3ff8000000000000, 0x41dfffffffc00000, 0x41e0000000000000, 0x43dfffffffffffff,
                                    0x43e0000000000000, 0x4330000000000000, 0x36a0000000000000, 0x380fffffffffffff,
                                    0x3810000000000000, 0x47efffffe0000000, 0x47efffffffffffff, 0x7fefffffffffffff,
                                    0x7ff0000000000000, 0x7ff0000000000001, 0x7ff7ffffffffffff, 0x7ff8000000000000,
                                    0x7ff8000012345678, 0x7fffffffffffffff };
  uint64_t sign = random_chance (random, 40) ? (uint64_t) 1 << 63 : 0;

  if (random_chance (random, 60))
    return edges[random_below (random, G_N_ELEMENTS (edges))] | sign;
  if (random_chance (random, 60))
    return (0x3f70000000000000 + (random_next (random) >> 7) % 0x0120000000000000) | sign;
  return random_next (random);
}

void
operand_vector (Random *random, uint8_t value[16])
{
  uint64_t q[2];

  for (unsigned i = 0; i < 2; i++)
    switch (random_below (random, 4))
      {
      case 0: q[i] = twice (random); break;
      case 1: q[i] = single (random) | (uint64_t) single (random) << 32; break;
      case 2: q[i] = operand_integer (random); break;
      default:
        q[i] = random_next (random);
        if (random_chance (random, 50)) /* bytes and words at their ends */
          q[i] = (q[i] & 0xff00ffff00ff0000) | (random_chance (random, 50) ? 0x7f80000080ff : 0xffff7fff00008000);
        break;
      }
  memcpy (value, q, sizeof q);
}

void
operand_extended (Random *random, uint8_t value[10])
{
  static const struct { uint16_t exponent; uint64_t mantissa; } edges[] = {
    { 0, 0 }, { 0, 1 }, { 0, 0x7fffffffffffffff }, { 0, 0x8000000000000000 }, { 1, 0x8000000000000000 },
    { 0x3fff, 0x8000000000000000 }, { 0x3fff, 0x8000000000000001 }, { 0x3ffe, 0xffffffffffffffff },
    { 0x3ffe, 0x8000000000000000 }, { 0x4000, 0x8000000000000000 }, { 0x4000, 0xc90fdaa22168c235 },
    { 0x3fff, 0xc000000000000000 }, { 0x401d, 0xffffffff00000000 }, { 0x401e, 0x8000000000000000 },
    { 0x403d, 0xffffffffffffffff }, { 0x403e, 0x8000000000000000 }, { 0x403e, 0xffffffffffffffff },
    { 0x403a, 0xde0b6b3a763ffff0 }, { 0x7ffe, 0xffffffffffffffff }, { 0x7fff, 0x8000000000000000 },
    { 0x7fff, 0x8000000000000001 }, { 0x7fff, 0xbfffffffffffffff }, { 0x7fff, 0xc000000000000000 },
    { 0x7fff, 0xc000000012345678 }, { 0x7fff, 0xffffffffffffffff }, { 0x7fff, 0 } /* pseudo-infinity */,
    { 0x7fff, 0x4000000000000000 } /* pseudo-NaN */, { 0x3fff, 0x4000000000000000 } /* unnormal */,
    { 0x1234, 0 } /* unnormal zero */, { 0x3f80, 0x8000000000000000 }, { 0x3c00, 0x8000000000000000 },
    { 0x43ff, 0x8000000000000000 }, { 0x407f, 0x8000000000000000 },
  };
  uint16_t exponent;
  uint64_t mantissa;

  if (random_chance (random, 60))
    {
      unsigned i = random_below (random, G_N_ELEMENTS (edges));

      exponent = edges[i].exponent;
      mantissa = edges[i].mantissa;
    }
  else
    {
      exponent = random_chance (random, 70) ? (uint16_t) (0x3fd0 + random_below (random, 0x80))
                                            : (uint16_t) random_below (random, 0x8000);
      mantissa = random_next (random) | (uint64_t) 1 << 63;
    }
  if (random_chance (random, 40))
    exponent |= 0x8000;
  memcpy (value, &mantissa, 8);
  memcpy (value + 8, &exponent, 2);
}

static void
x87_state (Random *random, uint8_t *fx)
{
  uint16_t fcw = 0x037f, fsw = (uint16_t) (random_below (random, 8) << 11);

  if (random_chance (random, 45))
    fcw = (uint16_t) (0x40 | random_below (random, 16) << 8 | 0x3f);
  if (random_chance (random, 20))
    fcw = (uint16_t) (fcw & ~(random_next (random) & 0x3f));
  fsw |= (uint16_t) (random_next (random) & 0x4700);
  if (random_chance (random, 15))
    fsw |= (uint16_t) (random_next (random) & 0x7f);
  if (fsw & ~fcw & 0x3f)
    fsw |= 0x8080;
  memcpy (fx + FX_FCW, &fcw, 2);
  memcpy (fx + FX_FSW, &fsw, 2);
  switch (random_below (random, 4))
    {
    case 0:
      fx[FX_FTW] = 0;
      break;
    case 1:
      fx[FX_FTW] = (uint8_t) random_next (random);
      break;
    default:
      fx[FX_FTW] = 0xff;
      break;
    }
  for (unsigned i = 0; i < 8; i++)
    operand_extended (random, fx + FX_ST + i * 16);
}

void
operand_state (Random *random, CpuState *state)
{
  uint32_t mxcsr = 0x1f80;

  for (unsigned i = 0; i < 16; i++)
    state->r[i] = operand_integer (random);
  state->rflags = 0x202 | (random_next (random) & 0x8d5);
  if (random_chance (random, 25))
    state->rflags |= 0x400; /* DF */
  if (random_chance (random, 2))
    state->rflags |= 0x100; /* TF */
  if (random_chance (random, 2))
    state->rflags |= 0x40000; /* AC */
  if (random_chance (random, 5))
    state->rflags |= 0x200000; /* ID */

  memset (state->fx, 0, FX_SIZE);
  x87_state (random, state->fx);
  if (random_chance (random, 45))
    mxcsr |= (uint32_t) (random_next (random) & 0xe07f);
  if (random_chance (random, 20))
    mxcsr &= (uint32_t) ~(random_next (random) & 0x1f80);
  memcpy (state->fx + FX_MXCSR, &mxcsr, 4);
  for (unsigned i = 0; i < 16; i++)
    {
      operand_vector (random, state->fx + FX_XMM + i * 16);
      operand_vector (random, state->ymm[i]);
    }
}

/* Data windows are cut out of this; every kind of operand is found at some aligned place. */
void
operand_pool (uint8_t *pool, size_t size)
{
  Random random = { 0x7e57 };

  for (size_t at = 0; at + 16 <= size; at += 16)
    switch (random_below (&random, 4))
      {
      case 0:
        memset (pool + at, 0, 16);
        operand_extended (&random, pool + at);
        break;
      case 1: /* packed decimal */
        for (unsigned i = 0; i < 16; i++)
          pool[at + i] = (uint8_t) (random_below (&random, 10) | random_below (&random, 10) << 4);
        break;
      default:
        operand_vector (&random, pool + at);
        break;
      }
}
