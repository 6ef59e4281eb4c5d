/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Code that programs write: fresh code, code rewritten where it stands, and code rewritten while it may not run. */

#include "bench.h"

#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, SLOT = 64, FRESH_PAGES = 4, FRESH_RUNS = 48, PATCH_RUNS = 12 };

typedef uint64_t (*Function) (uint64_t value);

/* Writes a function with three constants at AT, at most SLOT bytes. */
static void
write_function (uint8_t *at, uint32_t first, uint32_t second, uint32_t third)
{
  static const uint8_t code[] = {
    0x48, 0x8d, 0x84, 0x7f, 0,    0, 0, 0, /* lea rax, [rdi + rdi * 2 + first] */
    0x35, 0,    0,    0,    0,             /* xor eax, second */
    0xb9, 8,    0,    0,    0,             /* mov ecx, 8 */
    0x48, 0x05, 0,    0,    0,    0,       /* 1: add rax, third */
    0x48, 0xc1, 0xc0, 0x07,                /* rol rax, 7 */
    0xff, 0xc9,                            /* dec ecx */
    0x75, 0xf2,                            /* jnz 1b */
    0xc3,                                  /* ret */
  };

  _Static_assert (sizeof code <= SLOT, "a function has to fit its slot");
  memcpy (at, code, sizeof code);
  memcpy (at + 4, &first, 4);
  memcpy (at + 9, &second, 4);
  memcpy (at + 20, &third, 4);
}

static uint64_t
call (const void *code, uint64_t value)
{
  Function function;

  memcpy (&function, &code, sizeof function);
  return function (value);
}

/* What a compiler in a guest does: new pages, functions, made executable, each run some times, thrown away. */
static uint64_t
run_newcode (void *state, uint64_t count)
{
  uint64_t value = 1, seed = 3;

  for (uint64_t i = 0; i < count; i++)
    {
      uint8_t *code = mmap (NULL, FRESH_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

      if (code == MAP_FAILED)
        bench_fail ("mmap");
      for (int slot = 0; slot < FRESH_PAGES * PAGE; slot += SLOT)
        {
          uint64_t key = bench_random (&seed);

          write_function (code + slot, (uint32_t) key & 0xffff, (uint32_t) (key >> 32), (uint32_t) (key >> 16));
        }
      if (mprotect (code, FRESH_PAGES * PAGE, PROT_READ | PROT_EXEC) < 0)
        bench_fail ("mprotect");
      for (int run = 0; run < FRESH_RUNS; run++)
        for (int slot = 0; slot < FRESH_PAGES * PAGE; slot += SLOT)
          value = call (code + slot, value);
      munmap (code, FRESH_PAGES * PAGE);
    }
  return value;
}

static uint8_t *
map_code (int protection)
{
  uint8_t *code = mmap (NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (code == MAP_FAILED)
    bench_fail ("mmap");
  return code;
}

/* Code and what rewrites it share a page that may be written and run: a constant changes, then the whole function. */
static uint64_t
run_patch (void *state, uint64_t count)
{
  uint8_t *code = map_code (PROT_READ | PROT_WRITE | PROT_EXEC);
  uint64_t value = 1;

  for (int slot = 0; slot < PAGE; slot += SLOT)
    write_function (code + slot, 1, 2, (uint32_t) slot);
  for (uint64_t i = 0; i < count; i++)
    {
      uint8_t *at = code + i % 61 * SLOT;
      uint32_t constant = (uint32_t) (i * 2654435761u);

      if (i % 8 == 0)
        write_function (at, constant & 0xffff, constant, constant >> 3);
      else
        memcpy (at + 9, &constant, 4);
      for (int run = 0; run < PATCH_RUNS; run++)
        value = call (run % 2 == 0 ? at : code + 62 * SLOT, value);
    }
  munmap (code, PAGE);
  return value;
}

/* The same with a page that is never both: as a hardened compiler in a guest does. */
static uint64_t
run_rewrite (void *state, uint64_t count)
{
  uint8_t *code = map_code (PROT_READ | PROT_WRITE);
  uint64_t value = 1;

  for (uint64_t i = 0; i < count; i++)
    {
      uint8_t *at = code + i % 61 * SLOT;

      if (mprotect (code, PAGE, PROT_READ | PROT_WRITE) < 0)
        bench_fail ("mprotect");
      write_function (at, (uint32_t) i & 0xffff, (uint32_t) (i * 2654435761u), (uint32_t) i);
      if (mprotect (code, PAGE, PROT_READ | PROT_EXEC) < 0)
        bench_fail ("mprotect");
      value = call (at, value);
      value = call (code, value);
    }
  munmap (code, PAGE);
  return value;
}

const Bench code_benches[] = {
  { .name = "newcode", .count = 5000, .run = run_newcode },
  { .name = "patch", .count = 3000000, .run = run_patch },
  { .name = "rewrite", .count = 220000, .run = run_rewrite },
  { 0 },
};
