/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a sub-benchmark of the guest program is, and the little that they share. */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct
{
  const char *name;
  uint64_t    count;              /* steps at scale 1: 0.3 to 1 s of a processor */
  size_t      state_size;         /* bytes of page-aligned, zeroed memory handed to the functions below */
  bool        is_threaded;        /* may use every processor; the others are bound to one */
  bool      (*is_there) (void);   /* whether the processor can run it; NULL: always */
  void      (*setup) (void *state);                 /* not measured; may be NULL */
  uint64_t  (*run) (void *state, uint64_t count);   /* the checksum depends on COUNT alone */
} Bench;

/* Each list ends with an entry without a name. */
extern const Bench integer_benches[];
extern const Bench hash_benches[];
extern const Bench memory_benches[];
extern const Bench float_benches[];
extern const Bench simd_benches[];
extern const Bench system_benches[];
extern const Bench code_benches[];
extern const Bench thread_benches[];
extern const Bench gzip_benches[];

/* The word that makes the program leave at once: what fork+exec starts. */
#define CHILD_WORD "--leave"

/* Ends the program with a message; WHAT names the call that failed. */
void bench_fail (const char *what) __attribute__ ((noreturn));

/* xorshift64*: the same numbers on every machine. *SEED must not be 0. */
static inline uint64_t
bench_random (uint64_t *seed)
{
  *seed ^= *seed >> 12;
  *seed ^= *seed << 25;
  *seed ^= *seed >> 27;
  return *seed * 0x2545f4914f6cdd1dull;
}

/* FNV-1a over SIZE bytes, from HASH on. */
static inline uint64_t
bench_hash (uint64_t hash, const void *bytes, size_t size)
{
  const uint8_t *byte = bytes;

  for (size_t i = 0; i < size; i++)
    hash = (hash ^ byte[i]) * 0x100000001b3ull;
  return hash;
}
