/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See fp.h. */

#include "engine/cpu/fp.h"

enum { NOT_LIVE = 1 << 0, UNMASKED = 1 << 1, PENDING = 1 << 2 };
enum { PRECOMPUTATION = X86_FSW_IE | X86_FSW_DE | X86_FSW_ZE };

static inline uint32_t
host_mxcsr (void)
{
  uint32_t value;

  __asm__ volatile ("stmxcsr %0" : "=m" (value));
  return value;
}

static inline void
set_host_mxcsr (uint32_t value)
{
  __asm__ volatile ("ldmxcsr %0" : : "m" (value));
}

static inline uint16_t
host_fcw (void)
{
  uint16_t value;

  __asm__ volatile ("fnstcw %0" : "=m" (value));
  return value;
}

static inline void
set_host_fcw (uint16_t value)
{
  __asm__ volatile ("fninit\n\tfldcw %0" : : "m" (value));
}

static void
update_guards (X86Cpu *cpu)
{
  gboolean unmasked = (cpu->mxcsr & X86_MXCSR_MASKS) != X86_MXCSR_MASKS;

  cpu->sse_guard = (uint8_t) ((cpu->fp_live & X86_FP_SSE ? 0 : NOT_LIVE) | (unmasked ? UNMASKED : 0));
  cpu->fpu_guard = (uint8_t) ((cpu->fp_live & X86_FP_X87 ? 0 : NOT_LIVE) | (cpu->fpu.fsw & X86_FSW_ES ? PENDING : 0));
}

void
x86_fpu_update (X86Cpu *cpu)
{
  if (cpu->fpu.fsw & ~cpu->fpu.fcw & X86_FSW_FLAGS)
    cpu->fpu.fsw |= X86_FSW_ES | X86_FSW_B;
  else
    {
      cpu->fpu.fsw &= (uint16_t) ~(X86_FSW_ES | X86_FSW_B);
      if (cpu->fpu_ferr)
        {
          cpu->fpu_ferr = FALSE;
          cpu->ops->fpu_error (cpu->opaque, FALSE);
        }
    }
  if (cpu->fp_live & X86_FP_X87)
    set_host_fcw (cpu->fpu.fcw);
  update_guards (cpu);
}

void
x86_fp_update (X86Cpu *cpu)
{
  if (cpu->fp_live & X86_FP_SSE)
    set_host_mxcsr (cpu->mxcsr | X86_MXCSR_MASKS);
  x86_fpu_update (cpu);
}

void
x86_fp_leave_slow (X86Cpu *cpu)
{
  if (cpu->fp_live & X86_FP_SSE)
    {
      cpu->mxcsr = x86_mxcsr (cpu);
      set_host_mxcsr (cpu->host_mxcsr);
    }
  if (cpu->fp_live & X86_FP_X87)
    set_host_fcw (cpu->host_fcw);
  cpu->fp_live = 0;
  update_guards (cpu);
}

void
x86_fpu_release (X86Cpu *cpu)
{
  if (!(cpu->fp_live & X86_FP_X87))
    return;
  set_host_fcw (cpu->host_fcw);
  cpu->fp_live &= (uint8_t) ~X86_FP_X87;
  update_guards (cpu);
}

void
x86_fpu_discard_slow (X86Cpu *cpu)
{
  set_host_fcw (cpu->fpu.fcw);
}

/* --- SSE --- */

uint32_t
x86_mxcsr (X86Cpu *cpu)
{
  /* While exceptions are unmasked, the check keeps the flags. */
  if ((cpu->fp_live & X86_FP_SSE) && !(cpu->sse_guard & UNMASKED))
    return cpu->mxcsr | (host_mxcsr () & X86_MXCSR_FLAGS);
  return cpu->mxcsr;
}

void
x86_set_mxcsr (X86Cpu *cpu, uint32_t value)
{
  cpu->mxcsr = value;
  if (cpu->fp_live & X86_FP_SSE)
    set_host_mxcsr (value | X86_MXCSR_MASKS);
  update_guards (cpu);
}

void
x86_sse_prepare (X86Cpu *cpu)
{
  if (!(cpu->fp_live & X86_FP_SSE))
    {
      cpu->host_mxcsr = host_mxcsr ();
      cpu->fp_live |= X86_FP_SSE;
      set_host_mxcsr (cpu->mxcsr | X86_MXCSR_MASKS);
      update_guards (cpu);
    }
  if (cpu->sse_guard & UNMASKED)
    {
      uint32_t value = (cpu->mxcsr | X86_MXCSR_MASKS) & ~(uint32_t) X86_MXCSR_FLAGS;

      /* Flushing to zero is for masked underflow only. */
      if (!(cpu->mxcsr & X86_FSW_UE << 7))
        value &= ~(uint32_t) X86_MXCSR_FZ;
      cpu->sse_pass = 0;
      set_host_mxcsr (value);
    }
}

/* Masked underflow is reported for tiny results that are inexact, unmasked underflow for all tiny ones: the second run
 * flushes tiny results to zero, which shows them. */
gboolean
x86_sse_check (X86Cpu *cpu, const X86Op *op)
{
  uint32_t masks = (cpu->mxcsr & X86_MXCSR_MASKS) >> 7, flags = host_mxcsr () & X86_MXCSR_FLAGS, unmasked;

  if (cpu->sse_pass == 0)
    {
      cpu->sse_flags = (uint8_t) flags;
      if (!(masks & X86_FSW_UE) && !(flags & (X86_FSW_UE | (PRECOMPUTATION & ~masks))))
        {
          cpu->sse_pass = 1;
          set_host_mxcsr (((cpu->mxcsr | X86_MXCSR_MASKS) & ~(uint32_t) X86_MXCSR_FLAGS) | X86_MXCSR_FZ);
          return TRUE;
        }
    }
  else
    flags = cpu->sse_flags | (flags & X86_FSW_UE);

  unmasked = flags & ~masks;
  if (unmasked & PRECOMPUTATION)
    flags &= PRECOMPUTATION;
  cpu->mxcsr |= flags;
  if (unmasked != 0)
    x86_raise (cpu, op, cpu->cr4 & X86_CR4_OSXMMEXCPT ? X86_EXC_XM : X86_EXC_UD);
  return FALSE;
}

/* --- x87 --- */

void
x86_fpu_prepare (X86Cpu *cpu, const X86Op *op)
{
  if (cpu->fpu_guard & PENDING)
    {
      if (cpu->cr0 & X86_CR0_NE)
        x86_raise (cpu, op, X86_EXC_MF);
      /* The PC's way: the interrupt controller reports it. The processor would stand still until an interrupt comes; one
       * that can be taken is taken before this instruction. */
      if (cpu->ops->fpu_error != NULL && !cpu->fpu_ferr)
        {
          x86_fp_leave (cpu);
          cpu->fpu_ferr = TRUE;
          cpu->ops->fpu_error (cpu->opaque, TRUE);
          if ((cpu->eflags & X86_FLAG_IF) && (__atomic_load_n (&cpu->pending, __ATOMIC_ACQUIRE) & X86_REQ_INTR))
            x86_restart (cpu, op);
        }
    }
  if (!(cpu->fp_live & X86_FP_X87))
    {
      cpu->host_fcw = host_fcw ();
      cpu->fp_live |= X86_FP_X87;
      set_host_fcw (cpu->fpu.fcw);
      update_guards (cpu);
    }
}

void
x86_fpu_unmasked (X86Cpu *cpu)
{
  cpu->fpu.fsw |= X86_FSW_ES | X86_FSW_B;
  update_guards (cpu);
}

void
x86_fpu_init (X86Cpu *cpu)
{
  cpu->fpu.fcw = 0x37f;
  cpu->fpu.fsw = 0;
  cpu->fpu.ftag = 0;
  cpu->fpu.fop = cpu->fpu.fcs = cpu->fpu.fds = 0;
  cpu->fpu.fip = cpu->fpu.fdp = 0;
  x86_fpu_update (cpu);
}

uint16_t
x86_fpu_full_tags (const X86Cpu *cpu)
{
  uint16_t tags = 0;

  for (unsigned i = 0; i < 8; i++)
    {
      const X86Fp80 *reg = &cpu->fpu.st[i];
      unsigned exponent = reg->se & 0x7fff, tag;

      if (!((cpu->fpu.ftag >> i) & 1))
        tag = 3;
      else if (exponent == 0 && reg->mant == 0)
        tag = 1;
      else if (exponent == 0 || exponent == 0x7fff || !(reg->mant >> 63))
        tag = 2;
      else
        tag = 0;
      tags |= (uint16_t) (tag << (i * 2));
    }
  return tags;
}

uint8_t
x86_fpu_abridged_tags (uint16_t full)
{
  uint8_t tags = 0;

  for (unsigned i = 0; i < 8; i++)
    if (((full >> (i * 2)) & 3) != 3)
      tags |= (uint8_t) (1 << i);
  return tags;
}
