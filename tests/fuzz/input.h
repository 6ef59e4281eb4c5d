/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fuzzer's bytes, taken off from the front; when they have run out there are zeros. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct
{
  const uint8_t *data;
  size_t length;
} FuzzInput;

/* Up to four bytes, little-endian. */
static inline uint32_t
take (FuzzInput *in, unsigned bytes)
{
  uint32_t value = 0;

  for (unsigned i = 0; i < bytes && in->length > 0; i++)
    {
      value |= (uint32_t) *in->data++ << (8 * i);
      in->length--;
    }
  return value;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t length);
