/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers in SCSI's commands and replies, which are big-endian. */
#pragma once

#include <stdint.h>

static inline void
put16 (uint8_t *p, unsigned v)
{
  p[0] = (uint8_t) (v >> 8);
  p[1] = (uint8_t) v;
}

static inline void
put32 (uint8_t *p, uint32_t v)
{
  put16 (p, v >> 16);
  put16 (p + 2, v & 0xffff);
}

static inline void
put64 (uint8_t *p, uint64_t v)
{
  put32 (p, (uint32_t) (v >> 32));
  put32 (p + 4, (uint32_t) v);
}

static inline uint32_t
get16 (const uint8_t *p)
{
  return (uint32_t) p[0] << 8 | p[1];
}

static inline uint32_t
get32 (const uint8_t *p)
{
  return get16 (p) << 16 | get16 (p + 2);
}

static inline uint64_t
get64 (const uint8_t *p)
{
  return (uint64_t) get32 (p) << 32 | get32 (p + 4);
}
