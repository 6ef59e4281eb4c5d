/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the interpreter's ops files and the decoder share. */
#pragma once

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"
#include "engine/cpu/lower.h"

/* Handlers that only raise. */
const X86Op *x86_op_ud (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_gp0 (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_no_fpu (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_no_mmx (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_no_sse (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_no_avx (X86Cpu *cpu, const X86Op *op);

/* STI when something follows in the block, and when nothing does. */
const X86Op *x86_op_sti (X86Cpu *cpu, const X86Op *op);
const X86Op *x86_op_sti_shadow (X86Cpu *cpu, const X86Op *op);

/* Completes a decoded block (ops-flow.c): chooses how its branch finds its target, fuses compares with branches, adds
 * the jump to what follows when @ended is FALSE. Returns the number of ops. */
unsigned x86_finish_block (X86Cpu *cpu, const uint8_t *bytes, gboolean in_page, uint32_t mode, gboolean ended, X86Op *ops,
                           unsigned count);
/* The handler that does @op and then takes a branch on condition @cc, or NULL (ops-fused.c). */
X86OpFn x86_fused_handler (X86OpFn fn, unsigned cc);

/* Entries of the tables in op-table.c. */
extern const X86OpEntry x86_ops_alu[], x86_ops_mov[], x86_ops_int[], x86_ops_shift[], x86_ops_bit[], x86_ops_flow[],
  x86_ops_string[], x86_ops_io[], x86_ops_segment[], x86_ops_descriptor[], x86_ops_control[], x86_ops_system[],
  x86_ops_x87[], x86_ops_xsave[], x86_ops_sse[], x86_ops_sse_fp[], x86_ops_sse_int[], x86_ops_crypto[], x86_ops_avx[], x86_ops_avx_move[], x86_ops_bmi[];

/* Raises #GP(0) in every ring but 0. */
static inline void
x86_require_cpl0 (X86Cpu *cpu, const X86Op *op)
{
  if (cpu->cpl != 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

/* --- Locked read-modify-write --- */

/* Host address for a host atomic of @size bytes at @lin, or NULL: take x86_lock_enter(), then plain accesses. Raises what
 * the store would raise. After the store call x86_lock_done(). */
void *x86_lock_host (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size);
void x86_lock_done (X86Cpu *cpu, uint64_t lin, const void *host, unsigned size);
/* Between the two nothing raises, and x86_lock_load() and x86_lock_store() access the operand. */
void x86_lock_enter (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size);
uint64_t x86_lock_load (X86Cpu *cpu, unsigned offset, unsigned size);
void x86_lock_store (X86Cpu *cpu, unsigned offset, uint64_t value, unsigned size);
void x86_lock_leave (X86Cpu *cpu);

/* --- Operands of a size known at run time, for instructions that need not be fastest --- */

static inline uint64_t
x86_reg_get (X86Cpu *cpu, unsigned n, unsigned size)
{
  switch (size)
    {
    case 1: return *x86_r8 (cpu, n);
    case 2: return *x86_r16 (cpu, n);
    case 4: return (uint32_t) cpu->r[n];
    default: return cpu->r[n];
    }
}

static inline void
x86_reg_set (X86Cpu *cpu, unsigned n, unsigned size, uint64_t value)
{
  switch (size)
    {
    case 1: *x86_r8 (cpu, n) = (uint8_t) value; break;
    case 2: *x86_r16 (cpu, n) = (uint16_t) value; break;
    case 4: cpu->r[n] = (uint32_t) value; break;
    default: cpu->r[n] = value; break;
    }
}

static inline uint64_t
x86_mem_get (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  switch (size)
    {
    case 1: return x86_ld8 (cpu, op, lin);
    case 2: return x86_ld16 (cpu, op, lin);
    case 4: return x86_ld32 (cpu, op, lin);
    default: return x86_ld64 (cpu, op, lin);
    }
}

/* For a read that a store of the same instruction follows. */
static inline uint64_t
x86_mem_get_rmw (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  switch (size)
    {
    case 1: return x86_ldw8 (cpu, op, lin);
    case 2: return x86_ldw16 (cpu, op, lin);
    case 4: return x86_ldw32 (cpu, op, lin);
    default: return x86_ldw64 (cpu, op, lin);
    }
}

static inline void
x86_mem_set (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, uint64_t value)
{
  switch (size)
    {
    case 1: x86_st8 (cpu, op, lin, (uint8_t) value); break;
    case 2: x86_st16 (cpu, op, lin, (uint16_t) value); break;
    case 4: x86_st32 (cpu, op, lin, (uint32_t) value); break;
    default: x86_st64 (cpu, op, lin, value); break;
    }
}

static inline int64_t
x86_sext (uint64_t value, unsigned size)
{
  switch (size)
    {
    case 1: return (int8_t) value;
    case 2: return (int16_t) value;
    case 4: return (int32_t) value;
    default: return (int64_t) value;
    }
}

/* Condition codes, as encoded in Jcc. */
static inline gboolean
x86_condition (const X86Cpu *cpu, unsigned cc)
{
  gboolean result;

  switch (cc >> 1)
    {
    case 0: result = x86_get_of (cpu); break;
    case 1: result = x86_get_cf (cpu); break;
    case 2: result = x86_get_zf (cpu); break;
    case 3: result = x86_get_cf (cpu) || x86_get_zf (cpu); break;
    case 4: result = x86_get_sf (cpu); break;
    case 5: result = x86_get_pf (cpu); break;
    case 6: result = x86_get_sf (cpu) != x86_get_of (cpu); break;
    default: result = x86_get_zf (cpu) || x86_get_sf (cpu) != x86_get_of (cpu); break;
    }
  return result != (gboolean) (cc & 1);
}
