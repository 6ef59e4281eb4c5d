/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The floating-point environment. Guest arithmetic runs on the host's own
 * units under the guest's control words, which are loaded when the first such
 * instruction comes ("live") and put back before anything of the host's may
 * compute: device code, the end of x86_cpu_run().
 *
 * SSE: the host's exceptions stay masked, its sticky flags are the guest's.
 * When the guest unmasks one, sse_guard stays set and every operation is
 * checked before its result is kept.
 *
 * x87: the host has exactly the guest's control word. Unmasked exceptions
 * cannot fire, because no waiting instruction follows before FNCLEX. The flags
 * are merged into fpu.fsw after each instruction. Between instructions the
 * host's register stack is empty with TOP 0.
 *
 * Specification: Intel SDM volume 1, chapters 8 (x87 FPU) and 11.5 (SSE Floating-Point Exceptions).
 */
#pragma once

#include "engine/cpu/op.h"

enum
{
  X86_FSW_IE = 1 << 0, X86_FSW_DE = 1 << 1, X86_FSW_ZE = 1 << 2, X86_FSW_OE = 1 << 3, X86_FSW_UE = 1 << 4,
  X86_FSW_PE = 1 << 5, X86_FSW_SF = 1 << 6, X86_FSW_ES = 1 << 7, X86_FSW_C0 = 1 << 8, X86_FSW_C1 = 1 << 9,
  X86_FSW_C2 = 1 << 10, X86_FSW_TOP = 7 << 11, X86_FSW_C3 = 1 << 14, X86_FSW_B = 1 << 15,
  X86_FSW_FLAGS = 0x3f, X86_FSW_TOP_SHIFT = 11,
  X86_FCW_MASK = 0x1f3f, X86_FCW_ONE = 1 << 6,
  X86_MXCSR_FLAGS = 0x3f, X86_MXCSR_MASKS = 0x1f80, X86_MXCSR_FZ = 1 << 15, X86_MXCSR_MASK = 0xffff
};

/* Recomputes ES, B and the guards after registers of either unit were loaded. Writes the host's registers anew when live. */
void x86_fp_update (X86Cpu *cpu);
/* The same for the x87 registers alone: MXCSR's flags may still be the host's. */
void x86_fpu_update (X86Cpu *cpu);
void x86_fp_leave_slow (X86Cpu *cpu);
/* Gives the host's x87 unit back to the host. */
void x86_fpu_release (X86Cpu *cpu);
/* After an instruction faulted between the host's arithmetic and its own end: forgets the host's flags. */
void x86_fpu_discard_slow (X86Cpu *cpu);

static inline void
x86_fp_leave (X86Cpu *cpu)
{
  if (cpu->fp_live)
    x86_fp_leave_slow (cpu);
}

static inline void
x86_fpu_discard (X86Cpu *cpu)
{
  if (cpu->fp_live & X86_FP_X87)
    x86_fpu_discard_slow (cpu);
}

/* --- SSE --- */

/* MXCSR as the guest sees it. */
uint32_t x86_mxcsr (X86Cpu *cpu);
void x86_set_mxcsr (X86Cpu *cpu, uint32_t value);
void x86_sse_prepare (X86Cpu *cpu);
/* After the operation ran on temporaries: raises what is unmasked; TRUE: run it once more. */
gboolean x86_sse_check (X86Cpu *cpu, const X86Op *op);

/* Brackets a floating-point operation, which may run twice: nothing of the guest's may change within. */
#define X86_SSE_BEGIN                                                                                                   \
  if (X86_UNLIKELY (cpu->sse_guard))                                                                                    \
    x86_sse_prepare (cpu);                                                                                              \
  do                                                                                                                   \
    {
#define X86_SSE_END                                                                                                     \
    }                                                                                                                  \
  while (X86_UNLIKELY (cpu->sse_guard) && x86_sse_check (cpu, op));

/* --- x87 --- */

/* What must happen before a waiting instruction: reports a pending exception, makes the host's unit live. */
void x86_fpu_prepare (X86Cpu *cpu, const X86Op *op);
/* Sets ES and B for an unmasked exception just found. */
void x86_fpu_unmasked (X86Cpu *cpu);
/* The 16-bit tag word of FSTENV. */
uint16_t x86_fpu_full_tags (const X86Cpu *cpu);
uint8_t x86_fpu_abridged_tags (uint16_t full);
/* FNINIT. */
void x86_fpu_init (X86Cpu *cpu);

static inline void
x86_fpu_begin (X86Cpu *cpu, const X86Op *op)
{
  if (X86_UNLIKELY (cpu->fpu_guard))
    x86_fpu_prepare (cpu, op);
}

static inline unsigned
x86_fpu_top (const X86Cpu *cpu)
{
  return (cpu->fpu.fsw >> X86_FSW_TOP_SHIFT) & 7;
}

static inline void
x86_fpu_set_top (X86Cpu *cpu, unsigned top)
{
  cpu->fpu.fsw = (uint16_t) ((cpu->fpu.fsw & ~X86_FSW_TOP) | (top & 7) << X86_FSW_TOP_SHIFT);
}

/* The first touch of an MMX register by an instruction: TOP 0, all registers valid. */
static inline void
x86_mmx_begin (X86Cpu *cpu, const X86Op *op)
{
  x86_fpu_begin (cpu, op);
}

static inline void
x86_mmx_touch (X86Cpu *cpu)
{
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_TOP;
  cpu->fpu.ftag = 0xff;
}

static inline void
x86_mmx_set (X86Cpu *cpu, unsigned n, uint64_t value)
{
  x86_mmx_touch (cpu);
  cpu->fpu.st[n].mant = value;
  cpu->fpu.st[n].se = 0xffff;
}
