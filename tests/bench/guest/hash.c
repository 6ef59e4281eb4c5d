/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 in plain C.  Spec: FIPS 180-4, chapters 4.1.2, 5.3.3 and 6.2. */

#include "bench.h"

enum { BLOCK = 64, BUFFER = 16384 };

static const uint32_t sha256_k[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t
rotate (uint32_t x, int by)
{
  return (x >> by) | (x << (32 - by));
}

static void
sha256_block (uint32_t hash[8], const uint8_t *bytes)
{
  uint32_t w[64];
  uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];

  for (int t = 0; t < 16; t++)
    {
      const uint8_t *at = bytes + 4 * t;

      w[t] = (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
    }
  for (int t = 16; t < 64; t++)
    w[t] = w[t - 16] + w[t - 7] + (rotate (w[t - 15], 7) ^ rotate (w[t - 15], 18) ^ (w[t - 15] >> 3)) +
           (rotate (w[t - 2], 17) ^ rotate (w[t - 2], 19) ^ (w[t - 2] >> 10));
  for (int t = 0; t < 64; t++)
    {
      uint32_t t1 = h + (rotate (e, 6) ^ rotate (e, 11) ^ rotate (e, 25)) + ((e & f) ^ (~e & g)) + sha256_k[t] + w[t];
      uint32_t t2 = (rotate (a, 2) ^ rotate (a, 13) ^ rotate (a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
  hash[0] += a;
  hash[1] += b;
  hash[2] += c;
  hash[3] += d;
  hash[4] += e;
  hash[5] += f;
  hash[6] += g;
  hash[7] += h;
}

static void
setup_sha256 (void *state)
{
  uint8_t *bytes = state;
  uint64_t seed = 7;

  for (int i = 0; i < BUFFER; i++)
    bytes[i] = (uint8_t) (bench_random (&seed) >> 56);
}

static uint64_t
run_sha256 (void *state, uint64_t count)
{
  const uint8_t *bytes = state;
  uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

  for (uint64_t i = 0; i < count; i++)
    sha256_block (hash, bytes + i * BLOCK % BUFFER);
  return (uint64_t) hash[0] << 32 | hash[7];
}

const Bench hash_benches[] = {
  { .name = "sha256", .count = 1800000, .state_size = BUFFER, .setup = setup_sha256, .run = run_sha256 },
  { 0 },
};
