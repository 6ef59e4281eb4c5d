/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control and debug registers and what follows from writing them.
 * Specification: Intel SDM volume 3A, section 2.5 (Control Registers), chapter 17 (Debug).
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"

static void
leave_or_enter_long_mode (X86Cpu *cpu, const X86Op *op, uint64_t cr0)
{
  gboolean was_paging = (cpu->cr0 & X86_CR0_PG) != 0, paging = (cr0 & X86_CR0_PG) != 0;

  if (paging && !was_paging)
    {
      if (cpu->msr.efer & X86_EFER_LME)
        {
          if (!(cpu->cr4 & X86_CR4_PAE) || (cpu->seg[X86_CS].attr & X86_SEG_L))
            x86_raise_error (cpu, op, X86_EXC_GP, 0);
          cpu->msr.efer |= X86_EFER_LMA;
        }
      else if ((cpu->cr4 & X86_CR4_PAE) && !x86_load_pdptes (cpu, cpu->cr3))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
    }
  else if (!paging && was_paging)
    {
      if (x86_code64 (cpu) || (cpu->cr4 & X86_CR4_PCIDE))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      cpu->msr.efer &= ~(uint64_t) X86_EFER_LMA;
    }
}

void
x86_set_cr0 (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  uint64_t known = X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM
                   | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG;
  uint64_t old = cpu->cr0;

  if (value >> 32 || ((value & X86_CR0_PG) && !(value & X86_CR0_PE)) || ((value & X86_CR0_NW) && !(value & X86_CR0_CD)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  value = (value & known) | X86_CR0_ET;
  leave_or_enter_long_mode (cpu, op, value);
  cpu->cr0 = value;
  if (!(value & X86_CR0_PE))
    cpu->cpl = 0;
  else if (!(old & X86_CR0_PE))
    {
      /* Real-mode segments carry on with what they hold, at privilege 0. */
      for (unsigned i = 0; i < X86_SEG_COUNT; i++)
        cpu->seg[i].attr &= ~(uint32_t) X86_SEG_DPL;
    }
  if ((old ^ value) & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
    x86_tlb_flush_all (cpu);
  x86_update_mode (cpu);
}

void
x86_set_cr3 (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  gboolean keep = FALSE;

  if (x86_long_mode (cpu))
    {
      if (cpu->cr4 & X86_CR4_PCIDE)
        {
          keep = (value >> 63) != 0;
          value &= ~((uint64_t) 1 << 63);
        }
      if (value & ~cpu->phys_mask)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
    }
  else if ((cpu->cr0 & X86_CR0_PG) && (cpu->cr4 & X86_CR4_PAE) && !x86_load_pdptes (cpu, value))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->cr3 = value;
  x86_tlb_switch (cpu, keep);
}

void
x86_set_cr4 (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  static const struct { uint32_t bit; X86Feature feature; } needs[] = {
    { X86_CR4_VME | X86_CR4_PVI, X86_FEAT_VME }, { X86_CR4_TSD, X86_FEAT_TSC }, { X86_CR4_DE, X86_FEAT_DE },
    { X86_CR4_PSE, X86_FEAT_PSE }, { X86_CR4_PAE, X86_FEAT_PAE }, { X86_CR4_MCE, X86_FEAT_MCE },
    { X86_CR4_PGE, X86_FEAT_PGE }, { X86_CR4_OSFXSR, X86_FEAT_FXSR }, { X86_CR4_OSXMMEXCPT, X86_FEAT_SSE },
    { X86_CR4_UMIP, X86_FEAT_UMIP }, { X86_CR4_FSGSBASE, X86_FEAT_FSGSBASE }, { X86_CR4_PCIDE, X86_FEAT_PCID },
    { X86_CR4_OSXSAVE, X86_FEAT_XSAVE }, { X86_CR4_SMEP, X86_FEAT_SMEP }, { X86_CR4_SMAP, X86_FEAT_SMAP },
    { X86_CR4_PCE, X86_FEAT_NONE },
  };
  uint64_t allowed = 0, old = cpu->cr4;

  for (unsigned i = 0; i < G_N_ELEMENTS (needs); i++)
    if (x86_has (cpu, needs[i].feature))
      allowed |= needs[i].bit;
  if (value & ~allowed)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (x86_long_mode (cpu) && !(value & X86_CR4_PAE))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if ((value & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE) && (!x86_long_mode (cpu) || (cpu->cr3 & 0xfff)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->cr4 = value;
  if ((cpu->cr0 & X86_CR0_PG) && !x86_long_mode (cpu) && (value & X86_CR4_PAE)
      && ((old ^ value) & (X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE)) && !x86_load_pdptes (cpu, cpu->cr3))
    {
      cpu->cr4 = old;
      x86_raise_error (cpu, op, X86_EXC_GP, 0);
    }
  if ((old ^ value)
      & (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP))
    x86_tlb_flush_all (cpu);
  x86_update_mode (cpu);
}

void
x86_set_dr (X86Cpu *cpu, unsigned n, uint64_t value)
{
  switch (n)
    {
    case 6:
      cpu->dr[6] = (value & 0xe00f) | 0xffff0ff0;
      break;
    case 7:
      cpu->dr[7] = (value & 0xffff2bff) | 0x400;
      break;
    default:
      cpu->dr[n] = value;
      break;
    }
  /* Pages with data breakpoints leave the fast path, those without return to it. */
  x86_tlb_flush_all (cpu);
  x86_update_mode (cpu);
}

gboolean
x86_set_xcr0 (X86Cpu *cpu, uint64_t value)
{
  uint64_t allowed = x86_has (cpu, X86_FEAT_AVX) ? 7 : 3;

  if (!(value & 1) || (value & ~allowed) || ((value & 4) && !(value & 2)))
    return FALSE;
  cpu->xcr0 = value;
  return TRUE;
}

uint64_t
x86_tsc (X86Cpu *cpu)
{
  return (cpu->ops->tsc != NULL ? cpu->ops->tsc (cpu->opaque) : cpu->retired) + cpu->msr.tsc_offset;
}
