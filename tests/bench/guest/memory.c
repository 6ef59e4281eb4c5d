/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory: a chase through pointers that no cache holds, streams, and the string instructions. */

#include "bench.h"

#include <string.h>

/* 64 MiB in nodes of a cache line each, linked to one ring in a random order. */
enum { NODE_COUNT = 1 << 20 };

typedef struct Node
{
  struct Node *next;
  uint64_t value;
  uint8_t padding[48];
} Node;

static void
setup_chase (void *state)
{
  Node *nodes = state;
  uint64_t seed = 99;

  for (uint32_t i = 0; i < NODE_COUNT; i++)
    {
      nodes[i].next = &nodes[i];
      nodes[i].value = i;
    }
  /* Sattolo's shuffle of the links leaves one ring. */
  for (uint32_t i = NODE_COUNT - 1; i > 0; i--)
    {
      uint32_t j = (uint32_t) (bench_random (&seed) % i);
      Node *swap = nodes[i].next;

      nodes[i].next = nodes[j].next;
      nodes[j].next = swap;
    }
}

static uint64_t
run_chase (void *state, uint64_t count)
{
  const Node *node = state;
  uint64_t sum = 0;

  for (uint64_t i = 0; i < count; i++)
    {
      node = node->next;
      sum += node->value;
    }
  return sum;
}

/* Copy, scale, add and triad over three arrays of 8 MB: at a power of two apart they would share a TLB's sets. */
enum { STREAM_SIZE = 1000000 };

static void
setup_stream (void *state)
{
  double *a = state;

  for (int i = 0; i < 3 * STREAM_SIZE; i++)
    a[i] = 1 + i % 17;
}

static uint64_t
run_stream (void *state, uint64_t count)
{
  double *a = state, *b = a + STREAM_SIZE, *c = b + STREAM_SIZE, sum = 0;

  for (uint64_t n = 0; n < count; n++)
    {
      for (int i = 0; i < STREAM_SIZE; i++)
        c[i] = a[i];
      for (int i = 0; i < STREAM_SIZE; i++)
        b[i] = 0.25 * c[i];
      for (int i = 0; i < STREAM_SIZE; i++)
        c[i] = a[i] + b[i];
      for (int i = 0; i < STREAM_SIZE; i++)
        a[i] = b[i] + 0.5 * c[i];
    }
  for (int i = 0; i < STREAM_SIZE; i += 1021)
    sum += a[i] + b[i] + c[i];
  memcpy (&count, &sum, sizeof sum);
  return count;
}

/* Long and short runs of every string instruction that compilers and kernels use. */
enum { STRING_SIZE = 4096 };

static inline void
rep_movsb (void *to, const void *from, size_t n)
{
  __asm__ volatile ("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static inline void
rep_movsq (void *to, const void *from, size_t n)
{
  __asm__ volatile ("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static inline void
rep_stosb (void *to, int value, size_t n)
{
  __asm__ volatile ("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

static inline void
rep_stosq (void *to, uint64_t value, size_t n)
{
  __asm__ volatile ("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

/* How many bytes are left from the first VALUE on. */
static inline size_t
repne_scasb (const void *at, int value, size_t n)
{
  __asm__ volatile ("repne scasb" : "+D"(at), "+c"(n) : "a"(value) : "cc", "memory");
  return n;
}

/* How many bytes are left after the first that differs. */
static inline size_t
repe_cmpsb (const void *a, const void *b, size_t n)
{
  __asm__ volatile ("repe cmpsb" : "+S"(a), "+D"(b), "+c"(n) : : "cc", "memory");
  return n;
}

static inline uint64_t
lodsq (const uint64_t **at)
{
  uint64_t value;

  __asm__ volatile ("lodsq" : "=a"(value), "+S"(*at) : : "memory");
  return value;
}

static uint64_t
run_string (void *state, uint64_t count)
{
  uint8_t *a = state, *b = a + STRING_SIZE, *c = b + STRING_SIZE;
  uint64_t sum = 1;

  for (int i = 0; i < STRING_SIZE; i++)
    a[i] = (uint8_t) (1 + i % 251);
  for (uint64_t i = 0; i < count; i++)
    {
      size_t end = STRING_SIZE / 4 + i % 997;
      const uint64_t *words = (const uint64_t *) b;

      rep_movsb (b, a, STRING_SIZE);
      rep_movsq (c, b, STRING_SIZE / 8);
      rep_stosb (c + end, 0, STRING_SIZE / 4);
      rep_stosq (c + 8 * (i % 64), sum, 32);
      sum += repne_scasb (b, 255, STRING_SIZE / 4);
      sum += repe_cmpsb (a, b, STRING_SIZE / 4) + repe_cmpsb (b + end, c + end, 64);
      for (size_t n = 0; n < 24; n++)
        {
          rep_movsb (c + 40 * n, a + 3 * n, 8 + n);
          sum += repne_scasb (a + 5 * n, a[5 * n + 12], 40);
        }
      for (size_t n = 0; n < 16; n++)
        sum = sum * 3 + lodsq (&words);
      a[i % STRING_SIZE] = (uint8_t) (1 + (sum & 0x7f));
    }
  return bench_hash (sum, state, 3 * STRING_SIZE);
}

const Bench memory_benches[] = {
  { .name = "chase",
    .count = 2000000,
    .state_size = NODE_COUNT * sizeof (Node),
    .setup = setup_chase,
    .run = run_chase },
  { .name = "stream",
    .count = 300,
    .state_size = 3 * STREAM_SIZE * sizeof (double),
    .setup = setup_stream,
    .run = run_stream },
  { .name = "string", .count = 1200000, .state_size = 3 * STRING_SIZE, .run = run_string },
  { 0 },
};
