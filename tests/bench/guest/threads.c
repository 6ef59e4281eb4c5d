/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Atomic instructions, alone and against another thread, and two threads that have nothing to do with each other. */

#include "bench.h"

#include <pthread.h>

enum { THREAD_COUNT = 2, LINE = 64 };

typedef struct
{
  uint64_t *counter;
  uint64_t count;
  uint64_t result;
} Work;

static uint64_t
run_atomic (void *state, uint64_t count)
{
  uint64_t *words = state, sum = 0;

  for (int i = 0; i < 8; i++)
    words[i] = 0;
  for (uint64_t i = 0; i < count; i++)
    {
      uint64_t expected = i * 3;

      __atomic_fetch_add (&words[0], 3, __ATOMIC_SEQ_CST);
      sum += __atomic_exchange_n (&words[1], i, __ATOMIC_SEQ_CST);
      __atomic_fetch_or ((uint32_t *) &words[2], (uint32_t) i, __ATOMIC_SEQ_CST);
      sum ^= __atomic_compare_exchange_n (&words[3], &expected, (i + 1) * 3, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      sum += __atomic_fetch_sub (&words[4], sum, __ATOMIC_SEQ_CST);
    }
  return bench_hash (sum, state, 8 * sizeof (uint64_t));
}

static uint64_t
run_threads (void *(*function) (void *), void *state, uint64_t count)
{
  pthread_t threads[THREAD_COUNT];
  Work works[THREAD_COUNT];
  uint64_t sum = 0;

  for (int i = 0; i < THREAD_COUNT; i++)
    {
      works[i] = (Work) { .counter = state, .count = count / THREAD_COUNT + (uint64_t) i };
      if (pthread_create (&threads[i], NULL, function, &works[i]) != 0)
        bench_fail ("pthread_create");
    }
  for (int i = 0; i < THREAD_COUNT; i++)
    {
      pthread_join (threads[i], NULL);
      sum = sum * 31 + works[i].result;
    }
  return sum;
}

static void *
count_up (void *data)
{
  Work *work = data;

  for (uint64_t i = 0; i < work->count; i++)
    __atomic_fetch_add (work->counter, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static uint64_t
run_counter (void *state, uint64_t count)
{
  uint64_t *counter = state;

  *counter = 0;
  run_threads (count_up, state, count);
  return *counter;
}

static void *
compute (void *data)
{
  Work *work = data;
  uint64_t value = work->count;

  for (uint64_t i = 0; i < work->count; i++)
    {
      value ^= value << 13;
      value ^= value >> 7;
      value ^= value << 17;
      value += i;
    }
  work->result = value;
  return NULL;
}

static uint64_t
run_pair (void *state, uint64_t count)
{
  return run_threads (compute, state, count);
}

const Bench thread_benches[] = {
  { .name = "atomic", .count = 32000000, .state_size = LINE, .run = run_atomic },
  { .name = "counter", .count = 80000000, .state_size = LINE, .is_threaded = true, .run = run_counter },
  { .name = "pair", .count = 300000000, .is_threaded = true, .run = run_pair },
  { 0 },
};
