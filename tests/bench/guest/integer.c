/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Integer work in registers and small tables: arithmetic, a bytecode interpreter, carries, calls, sorting. */

#include "bench.h"

#include <string.h>

static uint64_t
run_integer (void *state, uint64_t count)
{
  uint64_t a = 1, b = 2, c = 3;

  for (uint64_t i = 0; i < count; i++)
    {
      a = a * 3 + (i ^ b);
      b ^= a >> 5;
      c += (b << 7) - (a & 0xffff);
      if ((c & 64) != 0)
        c += 13;
      b += (uint32_t) c | 1;
    }
  return a ^ b ^ c;
}

/* A register machine with the branches that data decide. */
enum
{
  OP_LOAD, OP_ADD, OP_SUB, OP_MUL, OP_XOR, OP_SHR, OP_SHL,
  OP_AND, OP_STORE, OP_FETCH, OP_JNZ, OP_JEVEN, OP_JUMP, OP_HALT
};

typedef struct
{
  uint8_t op, d, s;
  int16_t value;
} Bytecode;

typedef struct
{
  uint64_t memory[256];
} Machine;

static uint64_t
interpret (Machine *machine, const Bytecode *program, uint64_t rounds)
{
  uint64_t r[8] = { [7] = rounds, [1] = 0x9e3779b97f4a7c15ull };
  const Bytecode *at = program;

  for (;;)
    {
      const Bytecode *code = at++;

      switch (code->op)
        {
        case OP_LOAD:
          r[code->d] = (uint64_t) code->value;
          break;
        case OP_ADD:
          r[code->d] += r[code->s] + (uint64_t) code->value;
          break;
        case OP_SUB:
          r[code->d] -= r[code->s] + (uint64_t) code->value;
          break;
        case OP_MUL:
          r[code->d] *= r[code->s];
          break;
        case OP_XOR:
          r[code->d] ^= r[code->s];
          break;
        case OP_SHR:
          r[code->d] = r[code->s] >> code->value;
          break;
        case OP_SHL:
          r[code->d] = r[code->s] << code->value;
          break;
        case OP_AND:
          r[code->d] &= (uint64_t) code->value;
          break;
        case OP_STORE:
          machine->memory[r[code->s] & 255] = r[code->d];
          break;
        case OP_FETCH:
          r[code->d] = machine->memory[r[code->s] & 255];
          break;
        case OP_JNZ:
          if (r[code->d] != 0)
            at = code + code->value;
          break;
        case OP_JEVEN:
          if ((r[code->d] & 1) == 0)
            at = code + code->value;
          break;
        case OP_JUMP:
          at = code + code->value;
          break;
        default:
          return r[0];
        }
    }
}

static uint64_t
run_interpret (void *state, uint64_t count)
{
  static const Bytecode program[] = {
    { OP_SHR, 2, 1, 12 },  /* loop: the next random number in r1 */
    { OP_XOR, 1, 2, 0 },   { OP_SHL, 2, 1, 25 },  { OP_XOR, 1, 2, 0 },  { OP_SHR, 2, 1, 27 },   { OP_XOR, 1, 2, 0 },
    { OP_JEVEN, 1, 0, 5 }, /* to even: */
    { OP_FETCH, 3, 1, 0 }, { OP_ADD, 3, 1, 5 },   { OP_STORE, 3, 1, 0 }, { OP_JUMP, 0, 0, 4 },
    { OP_SHR, 4, 1, 3 },   /* even: */
    { OP_JEVEN, 4, 0, 2 }, { OP_XOR, 0, 4, 0 },
    { OP_FETCH, 5, 4, 0 }, { OP_ADD, 0, 5, 1 },   { OP_LOAD, 6, 0, 1 },  { OP_SUB, 7, 6, 0 },   { OP_JNZ, 7, 0, -18 },
    { OP_HALT, 0, 0, 0 },
  };

  memset (state, 0, sizeof (Machine));
  return interpret (state, program, count);
}

/* Numbers of 4096 bits: add with carry, then subtract with borrow. */
enum { CARRY_WORDS = 64 };

static uint64_t
run_carry (void *state, uint64_t count)
{
  uint64_t *a = state, *b = a + CARRY_WORDS;

  for (int i = 0; i < CARRY_WORDS; i++)
    {
      a[i] = ~0ull - (uint64_t) i;
      b[i] = 0x8000000000000001ull * (uint64_t) (i + 1);
    }
  for (uint64_t i = 0; i < count; i++)
    {
      uint64_t *to = a, *from = b, words = CARRY_WORDS / 4, word;

      __asm__ volatile ("clc\n"
                        "1: mov (%[from]), %[word]\n\t"
                        "adc %[word], (%[to])\n\t"
                        "mov 8(%[from]), %[word]\n\t"
                        "adc %[word], 8(%[to])\n\t"
                        "mov 16(%[from]), %[word]\n\t"
                        "adc %[word], 16(%[to])\n\t"
                        "mov 24(%[from]), %[word]\n\t"
                        "adc %[word], 24(%[to])\n\t"
                        "lea 32(%[from]), %[from]\n\t"
                        "lea 32(%[to]), %[to]\n\t"
                        "dec %[words]\n\t"
                        "jnz 1b\n\t"
                        "adcq $0, %[carry]"
                        : [to] "+&r"(to), [from] "+&r"(from), [words] "+&r"(words), [word] "=&r"(word),
                          [carry] "+m"(b[i % CARRY_WORDS])
                        :
                        : "cc", "memory");
      to = b, from = a, words = CARRY_WORDS;
      __asm__ volatile ("clc\n"
                        "1: mov (%[from]), %[word]\n\t"
                        "sbb %[word], (%[to])\n\t"
                        "lea 8(%[from]), %[from]\n\t"
                        "lea 8(%[to]), %[to]\n\t"
                        "dec %[words]\n\t"
                        "jnz 1b"
                        : [to] "+&r"(to), [from] "+&r"(from), [words] "+&r"(words), [word] "=&r"(word)
                        :
                        : "cc", "memory");
    }
  return bench_hash (1, state, 2 * CARRY_WORDS * sizeof (uint64_t));
}

static __attribute__ ((noinline)) uint64_t
fibonacci (uint64_t n)
{
  return n < 2 ? n : fibonacci (n - 1) + fibonacci (n - 2);
}

static uint64_t
run_recursion (void *state, uint64_t count)
{
  uint64_t sum = 0;

  for (uint64_t i = 0; i < count; i++)
    sum = sum * 3 + fibonacci (16 + (i & 3));
  return sum;
}

typedef uint64_t (*Step) (uint64_t value, uint64_t key);

#define STEP(name, expression) \
  static __attribute__ ((noinline)) uint64_t name (uint64_t value, uint64_t key) { return expression; }

STEP (step_add, value + key)
STEP (step_subtract, value - (key << 1))
STEP (step_xor, value ^ key)
STEP (step_multiply, value * (key | 1))
STEP (step_rotate, (value << 13) | (value >> 51))
STEP (step_swap, __builtin_bswap64 (value) + key)
STEP (step_not, ~value)
STEP (step_choose, value & 1 ? value >> 1 : value + key)

static uint64_t
run_indirect (void *state, uint64_t count)
{
  static const Step steps[8] = { step_add,    step_subtract, step_xor, step_multiply,
                                 step_rotate, step_swap,     step_not, step_choose };
  uint64_t value = 1, seed = 0x123456789abcdefull;

  for (uint64_t i = 0; i < count; i++)
    {
      /* Mostly a pattern that a processor can learn, and now and then a surprise. */
      uint64_t key = (i & 31) == 0 ? bench_random (&seed) : i;

      value = steps[key & 7] (value, key);
    }
  return value;
}

enum { SORT_SIZE = 32768 };

static void
quicksort (uint32_t *from, uint32_t *to)
{
  while (to - from > 12)
    {
      uint32_t pivot = from[(to - from) / 2];
      uint32_t *low = from, *high = to - 1;

      while (low <= high)
        {
          while (*low < pivot)
            low++;
          while (*high > pivot)
            high--;
          if (low <= high)
            {
              uint32_t swap = *low;

              *low++ = *high;
              *high-- = swap;
            }
        }
      quicksort (from, high + 1);
      from = low;
    }
  for (uint32_t *at = from + 1; at < to; at++)
    {
      uint32_t value = *at, *back = at;

      for (; back > from && back[-1] > value; back--)
        *back = back[-1];
      *back = value;
    }
}

static uint64_t
run_quicksort (void *state, uint64_t count)
{
  uint32_t *numbers = state;
  uint64_t seed = 42, sum = 0;

  for (uint64_t i = 0; i < count; i++)
    {
      for (int n = 0; n < SORT_SIZE; n++)
        numbers[n] = (uint32_t) (bench_random (&seed) >> 32);
      quicksort (numbers, numbers + SORT_SIZE);
      sum = sum * 31 + numbers[SORT_SIZE / 3] + numbers[i % SORT_SIZE];
    }
  return sum;
}

const Bench integer_benches[] = {
  { .name = "integer", .count = 120000000, .run = run_integer },
  { .name = "interpret", .count = 15000000, .state_size = sizeof (Machine), .run = run_interpret },
  { .name = "carry", .count = 15000000, .state_size = 2 * CARRY_WORDS * sizeof (uint64_t), .run = run_carry },
  { .name = "recursion", .count = 70000, .run = run_recursion },
  { .name = "indirect", .count = 130000000, .run = run_indirect },
  { .name = "quicksort", .count = 240, .state_size = SORT_SIZE * sizeof (uint32_t), .run = run_quicksort },
  { 0 },
};
