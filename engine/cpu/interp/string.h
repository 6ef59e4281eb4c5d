/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What string instructions share: their pointers and their repetition.
 * Specification: Intel SDM volume 1, section 7.3.9.
 */
#pragma once

#include "engine/cpu/interp/alu.h"

/* An op of a string instruction: size is the element, asize the width of the pointers and of the counter, segno the
 * source segment. */

static inline uint64_t
x86_string_truncate (const X86Op *op, uint64_t value)
{
  return op->asize == 8 ? value : op->asize == 4 ? (u32) value : (u16) value;
}

static inline uint64_t
x86_string_source (X86Cpu *cpu, const X86Op *op)
{
  uint64_t offset = x86_string_truncate (op, cpu->r[X86_RSI]);

  if (op->ea == X86_EA_FLAT64)
    return offset + cpu->r[op->seg];
  return x86_seg_linear (cpu, op, op->segno, offset, op->size, X86_ACCESS_READ);
}

static inline uint64_t
x86_string_target (X86Cpu *cpu, const X86Op *op, X86Access access)
{
  uint64_t offset = x86_string_truncate (op, cpu->r[X86_RDI]);

  if (op->ea == X86_EA_FLAT64)
    return offset;
  return x86_seg_linear (cpu, op, X86_ES, offset, op->size, access);
}

/* Moves pointer @reg by @bytes in the direction of DF. */
static inline void
x86_string_advance (X86Cpu *cpu, const X86Op *op, unsigned reg, uint64_t bytes)
{
  uint64_t value = cpu->eflags & X86_FLAG_DF ? cpu->r[reg] - bytes : cpu->r[reg] + bytes;

  x86_reg_set (cpu, reg, op->asize, value);
}

static inline uint64_t
x86_string_count (X86Cpu *cpu, const X86Op *op)
{
  return x86_string_truncate (op, cpu->r[X86_RCX]);
}

static inline gboolean
x86_string_repeats (const X86Op *op)
{
  return (op->flags & (X86_OPF_REPE | X86_OPF_REPNE)) != 0;
}

/* One iteration of a repeated instruction is done, @elements of it at once. Ends the handler when that was the last one or
 * something asks for attention; the instruction then stands to be executed again. */
#define X86_STRING_STEP(elements)                                                                                       \
  {                                                                                                                    \
    u64 left_ = x86_string_count (cpu, op) - (elements);                                                                \
    x86_reg_set (cpu, X86_RCX, op->asize, left_);                                                                       \
    if (left_ == 0)                                                                                                     \
      X86_NEXT;                                                                                                        \
    if (X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))                                             \
      {                                                                                                                \
        cpu->r[X86_RIP] = x86_op_rip (cpu, op);                                                                         \
        X86_LEAVE;                                                                                                     \
      }                                                                                                                \
  }

/* How many elements from pointer @reg on, at linear address @lin, lie in one page, one segment and below the wrap of the
 * pointer. */
uint64_t x86_string_run_length (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned reg, unsigned segno);
/* Where a run from @lin on may be written at once, or NULL. In a page with code (@is_code) x86_code_stored() must be told of it
 * afterwards, but as a whole. */
uint8_t *x86_string_run_target (X86Cpu *cpu, const X86Op *op, uint64_t lin, gboolean *is_code);

gboolean x86_lower_string (X86Lower *lw, X86Op *op, const X86OpEntry *entry);
