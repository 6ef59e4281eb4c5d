/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text packed and unpacked by zlib, as gzip does. */

#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { TEXT_SIZE = 1 << 16, PACKED_SIZE = TEXT_SIZE + 4096 };

typedef struct
{
  uint8_t text[TEXT_SIZE];
  uint8_t packed[PACKED_SIZE];
  uint8_t unpacked[TEXT_SIZE];
} Gzip;

/* Words out of a small random vocabulary, the frequent ones often: it packs about as a page of English does. */
static void
setup_gzip (void *state)
{
  Gzip *gzip = state;
  char words[512][8];
  uint64_t seed = 11;
  size_t size = 0;

  for (int i = 0; i < 512; i++)
    for (int n = 0; n < 8; n++)
      words[i][n] = (char) ('a' + (bench_random (&seed) >> 40) % 26);
  while (size < TEXT_SIZE)
    {
      uint64_t random = bench_random (&seed);
      uint64_t word = (random >> 20) % ((random >> 60) + 1) * 32 + (random >> 50) % 32;
      size_t length = 2 + word * 5 % 7;

      for (size_t n = 0; n < length && size < TEXT_SIZE; n++)
        gzip->text[size++] = (uint8_t) words[word][n];
      if (size < TEXT_SIZE)
        gzip->text[size++] = (random >> 30) % 13 == 0 ? '\n' : ' ';
    }
}

static uint64_t
run_gzip (void *state, uint64_t count)
{
  Gzip *gzip = state;
  uint64_t hash = 1;

  for (uint64_t i = 0; i < count; i++)
    {
      uLongf packed = PACKED_SIZE, unpacked = TEXT_SIZE;

      gzip->text[i * 7919 % TEXT_SIZE] = (uint8_t) ('a' + i % 26);
      if (compress2 (gzip->packed, &packed, gzip->text, TEXT_SIZE, 6) != Z_OK ||
          uncompress (gzip->unpacked, &unpacked, gzip->packed, packed) != Z_OK || unpacked != TEXT_SIZE ||
          memcmp (gzip->text, gzip->unpacked, TEXT_SIZE) != 0)
        bench_fail ("zlib");
      hash = hash * 31 + crc32 (0, gzip->packed, (uInt) packed);
    }
  return hash;
}

const Bench gzip_benches[] = {
  { .name = "gzip", .count = 260, .state_size = sizeof (Gzip), .setup = setup_gzip, .run = run_gzip },
  { 0 },
};
