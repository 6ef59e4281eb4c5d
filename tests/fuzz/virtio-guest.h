/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fuzzed drivers of virtio devices do alike. */
#pragma once

#include "tests/fuzz/input.h"
#include "tests/unit/virtio/driver.h"

/* A descriptor of @table with anything in it. */
static inline void
put_descriptor (Driver *g, FuzzInput *in, uint64_t table)
{
  unsigned index = take (in, 1) % DRIVER_QUEUE_SIZE, flags = take (in, 1), next = take (in, 1);
  uint64_t address = take (in, 2) << 4 | (uint64_t) (take (in, 1) & 0x81) << 56;
  uint32_t length = take (in, 3);

  /* Lengths that are not far from right, and any. */
  if (!(flags & 0x80))
    length %= 0x4000;
  else
    length <<= 8;
  driver_descriptor (g, table, index, address, length, flags & 7, next);
}
