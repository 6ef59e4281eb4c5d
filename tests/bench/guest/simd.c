/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Vectors: pixels blended with SSE2, and AVX2 with FMA where CPUID has them. */

#include "bench.h"

#include <immintrin.h>
#include <string.h>

enum { PIXEL_COUNT = 16384, FLOAT_COUNT = 4096 };

static void
setup_pixels (void *state)
{
  uint32_t *pixels = state;
  uint64_t seed = 5;

  for (int i = 0; i < 2 * PIXEL_COUNT; i++)
    pixels[i] = (uint32_t) (bench_random (&seed) >> 32);
}

/* FROM over TO with the alpha of FROM: to += (from - to) * alpha / 256, a byte at a time. */
static void
blend (uint32_t *to, const uint32_t *from, int count)
{
  const __m128i zero = _mm_setzero_si128 ();

  for (int i = 0; i < count; i += 4)
    {
      __m128i s = _mm_loadu_si128 ((const __m128i *) (from + i));
      __m128i d = _mm_loadu_si128 ((const __m128i *) (to + i));
      __m128i s_low = _mm_unpacklo_epi8 (s, zero), s_high = _mm_unpackhi_epi8 (s, zero);
      __m128i d_low = _mm_unpacklo_epi8 (d, zero), d_high = _mm_unpackhi_epi8 (d, zero);
      __m128i a_low = _mm_shufflehi_epi16 (_mm_shufflelo_epi16 (s_low, 0xff), 0xff);
      __m128i a_high = _mm_shufflehi_epi16 (_mm_shufflelo_epi16 (s_high, 0xff), 0xff);

      s_low = _mm_mullo_epi16 (_mm_sub_epi16 (s_low, d_low), a_low);
      s_high = _mm_mullo_epi16 (_mm_sub_epi16 (s_high, d_high), a_high);
      d_low = _mm_and_si128 (_mm_add_epi16 (d_low, _mm_srli_epi16 (s_low, 8)), _mm_set1_epi16 (255));
      d_high = _mm_and_si128 (_mm_add_epi16 (d_high, _mm_srli_epi16 (s_high, 8)), _mm_set1_epi16 (255));
      _mm_storeu_si128 ((__m128i *) (to + i), _mm_packus_epi16 (d_low, d_high));
    }
}

static uint64_t
run_blend (void *state, uint64_t count)
{
  uint32_t *to = state, *from = to + PIXEL_COUNT;

  for (uint64_t n = 0; n < count; n++)
    {
      blend (to, from, PIXEL_COUNT);
      from[n * 31 % PIXEL_COUNT] += (uint32_t) n * 0x01030507;
    }
  return bench_hash (1, state, 2 * PIXEL_COUNT * sizeof (uint32_t));
}

static bool
has_avx2 (void)
{
  __builtin_cpu_init ();
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
}

static void
setup_avx2 (void *state)
{
  float *floats = state;

  for (int i = 0; i < 3 * FLOAT_COUNT; i++)
    floats[i] = (float) (i % 37 - 18) / 32;
}

static __attribute__ ((target ("avx2,fma"))) uint64_t
run_avx2 (void *state, uint64_t count)
{
  float *x = state, *y = x + FLOAT_COUNT, *z = y + FLOAT_COUNT;
  __m256i hash = _mm256_set1_epi32 (1);
  const __m256i order = _mm256_setr_epi32 (1, 2, 3, 4, 5, 6, 7, 0);
  const __m256i bytes = _mm256_setr_epi8 (3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
                                          3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  uint64_t words[4];

  for (uint64_t n = 0; n < count; n++)
    {
      const __m256 factor = _mm256_set1_ps ((float) (n % 7) / 8);

      for (int i = 0; i < FLOAT_COUNT; i += 8)
        {
          __m256 a = _mm256_loadu_ps (x + i), b = _mm256_loadu_ps (y + i), c = _mm256_loadu_ps (z + i);
          __m256i mix;

          c = _mm256_fmadd_ps (a, factor, _mm256_fnmadd_ps (b, c, b));
          a = _mm256_max_ps (_mm256_mul_ps (c, b), _mm256_sub_ps (a, b));
          c = _mm256_blendv_ps (c, a, _mm256_cmp_ps (c, b, _CMP_LT_OQ));
          c = _mm256_min_ps (c, _mm256_set1_ps (4));
          _mm256_storeu_ps (z + i, c);
          mix = _mm256_shuffle_epi8 (_mm256_castps_si256 (c), bytes);
          hash = _mm256_add_epi32 (_mm256_xor_si256 (hash, mix), _mm256_srli_epi32 (hash, 7));
          hash = _mm256_permutevar8x32_epi32 (hash, order);
        }
    }
  _mm256_storeu_si256 ((__m256i *) words, hash);
  return bench_hash (bench_hash (1, words, sizeof words), z, FLOAT_COUNT * sizeof (float));
}

const Bench simd_benches[] = {
  { .name = "blend",
    .count = 80000,
    .state_size = 2 * PIXEL_COUNT * sizeof (uint32_t),
    .setup = setup_pixels,
    .run = run_blend },
  { .name = "avx2",
    .count = 350000,
    .state_size = 3 * FLOAT_COUNT * sizeof (float),
    .is_there = has_avx2,
    .setup = setup_avx2,
    .run = run_avx2 },
  { 0 },
};
