/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bit for each unit of a file that is in use. */

#include "storage/disk/claims.h"

#include <string.h>

enum
{
  BITS_MAX = 16 << 20 /* bytes */
};

struct Claims
{
  uint64_t start, unit;
  uint8_t bits[BITS_MAX];
};

Claims *
claims_new (uint64_t start, uint64_t unit)
{
  Claims *claims = g_malloc0 (sizeof *claims);

  claims->start = start;
  claims->unit = unit;
  return claims;
}

void
claims_free (Claims *claims)
{
  g_free (claims);
}

uint64_t
claims_end (const Claims *claims)
{
  return claims->start + claims->unit * BITS_MAX * 8;
}

gboolean
claims_take (Claims *claims, uint64_t at, uint64_t length)
{
  uint64_t first = MAX (at, claims->start), end = MIN (at + length, claims_end (claims)), last;
  gboolean is_free = TRUE;

  if (first >= end)
    return TRUE;
  last = (end - 1 - claims->start) / claims->unit;
  for (uint64_t i = (first - claims->start) / claims->unit; i <= last; i++)
    {
      uint8_t bit = (uint8_t)(1u << (i % 8));

      if (claims->bits[i / 8] & bit)
        is_free = FALSE;
      claims->bits[i / 8] |= bit;
    }
  return is_free;
}
