/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VEX-coded instructions: what avx.S has for their handlers, and how operands get there. */
#pragma once

#include "engine/cpu/interp/sse.h"

extern const uint8_t x86_avx_base[];
void x86_avx_run (X86Vec *dst, const X86Vec *src1, const void *src2, const X86Vec *src3, const uint8_t *code);
uint32_t x86_avx_mask (const X86Vec *src, const uint8_t *code);
uint32_t x86_avx_flags (const X86Vec *src1, const uint8_t *code, const void *src2);
void x86_avx_copy (void *dst, const void *src);

/* op->imm is the place of the code. */
static inline const uint8_t *
x86_avx_code (const X86Op *op)
{
  return x86_avx_base + op->imm;
}

/* The operand in memory, op->size bytes: in the guest's RAM, or copied to cpu->scratch. */
const void *x86_avx_source_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin);
/* x86_avx_run() while exceptions are unmasked or the unit is not live. */
void x86_avx_run_guarded (X86Cpu *cpu, const X86Op *op, X86Vec *dst, const X86Vec *src1, const void *src2,
                          const X86Vec *src3);

static inline const void *
x86_avx_source (X86Cpu *cpu, const X86Op *op)
{
  uint64_t lin = x86_ea (cpu, op, op->size, X86_ACCESS_READ);
  const void *host = x86_host_read (cpu, lin, op->size);

  return X86_LIKELY (host != NULL) ? host : x86_avx_source_slow (cpu, op, lin);
}

/* Whether an operand has 256 bits. */
gboolean x86_avx_is_256 (const X86Lower *lw);

enum { X86_AVX_ENTRY = X86_ENTRY_AVX | X86_ENTRY_PE };
