/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Model-specific registers. Specification: Intel SDM volume 4; AMD64 Architecture Programmer's Manual, volume 2,
 * appendix A.
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"
#include "engine/cpu/msr.h"

/* IA32_ARCH_CAPABILITIES: the faults that systems need not work around here, above all not by detours around indirect
 * branches. */
enum
{
  RDCL_NO = 1 << 0, IBRS_ALL = 1 << 1, SKIP_L1DFL_VMENTRY = 1 << 3, SSB_NO = 1 << 4, MDS_NO = 1 << 5,
  IF_PSCHANGE_MC_NO = 1 << 6, TAA_NO = 1 << 8, SBDR_SSDP_NO = 1 << 13, FBSDP_NO = 1 << 14, PSDP_NO = 1 << 15,
  BHI_NO = 1 << 20, PBRSB_NO = 1 << 24, GDS_NO = 1 << 26, RFDS_NO = 1 << 27,
  ARCH_CAPABILITIES = RDCL_NO | IBRS_ALL | SKIP_L1DFL_VMENTRY | SSB_NO | MDS_NO | IF_PSCHANGE_MC_NO | TAA_NO | SBDR_SSDP_NO
                      | FBSDP_NO | PSDP_NO | BHI_NO | PBRSB_NO | GDS_NO | RFDS_NO,
  SPEC_CTRL_BITS = 7 /* IBRS STIBP SSBD */, PRED_CMD_IBPB = 1 << 0
};

enum { APIC_BASE_BSP = 1 << 8, APIC_BASE_ENABLE = 1 << 11 };

/* Index of a fixed-range MTRR in mtrr_fixed[], or -1. */
static int
fixed_mtrr (uint32_t index)
{
  if (index == MSR_MTRR_FIX64K)
    return 0;
  if (index == MSR_MTRR_FIX16K_8 || index == MSR_MTRR_FIX16K_A)
    return 1 + (int) (index - MSR_MTRR_FIX16K_8);
  if (index >= MSR_MTRR_FIX4K && index < MSR_MTRR_FIX4K + 8)
    return 3 + (int) (index - MSR_MTRR_FIX4K);
  return -1;
}

/* The board counts without what the guest has added to this processor's counter; 0 is no deadline. */

static uint64_t
tsc_deadline (X86Cpu *cpu)
{
  uint64_t deadline = cpu->ops->tsc_deadline_get (cpu->opaque);

  return deadline == 0 ? 0 : deadline + cpu->msr.tsc_offset;
}

static void
set_tsc_deadline (X86Cpu *cpu, uint64_t value)
{
  uint64_t now = x86_tsc (cpu);

  /* What has passed may lie before the board's counter began. */
  if (value != 0)
    value = MAX (MAX (value, now) - cpu->msr.tsc_offset, 1);
  cpu->ops->tsc_deadline_set (cpu->opaque, value);
}

/* A deadline stays where it is on the guest's counter. */
static void
set_tsc_offset (X86Cpu *cpu, uint64_t offset)
{
  uint64_t deadline = x86_has (cpu, X86_FEAT_TSC_DEADLINE) ? tsc_deadline (cpu) : 0;

  cpu->msr.tsc_offset = offset;
  if (deadline != 0)
    set_tsc_deadline (cpu, deadline);
}

void
x86_rdmsr (X86Cpu *cpu, const X86Op *op, uint32_t index, uint64_t *value)
{
  X86Msrs *msr = &cpu->msr;
  int fixed = fixed_mtrr (index);

  if (fixed >= 0)
    {
      *value = msr->mtrr_fixed[fixed];
      return;
    }
  if (index >= MSR_MTRR_PHYSBASE0 && index < MSR_MTRR_PHYSBASE0 + 2 * X86_MTRR_VARIABLE)
    {
      unsigned n = (index - MSR_MTRR_PHYSBASE0) / 2;

      *value = index & 1 ? msr->mtrr_mask[n] : msr->mtrr_base[n];
      return;
    }
  switch (index)
    {
    case MSR_TSC: *value = x86_tsc (cpu); return;
    case MSR_APIC_BASE:
      *value = cpu->ops->apic_base_get != NULL ? cpu->ops->apic_base_get (cpu->opaque) : msr->apic_base;
      return;
    case MSR_TSC_ADJUST: *value = msr->tsc_adjust; return;
    case MSR_SPEC_CTRL:
      if (!x86_has (cpu, X86_FEAT_SPEC_CTRL))
        break;
      *value = msr->spec_ctrl;
      return;
    case MSR_ARCH_CAPABILITIES:
      if (!x86_has (cpu, X86_FEAT_ARCH_CAPABILITIES))
        break;
      *value = ARCH_CAPABILITIES;
      return;
    case MSR_BIOS_UPDATE:
    case MSR_BIOS_SIGNATURE: *value = 0; return;
    case MSR_MTRRCAP: *value = X86_MTRR_VARIABLE | 1 << 8 | 1 << 10; return; /* fixed ranges, write-combining */
    case MSR_SYSENTER_CS: *value = msr->sysenter_cs; return;
    case MSR_SYSENTER_ESP: *value = msr->sysenter_esp; return;
    case MSR_SYSENTER_EIP: *value = msr->sysenter_eip; return;
    case MSR_MCG_CAP: *value = 0; return; /* no banks */
    case MSR_MCG_STATUS: *value = msr->mcg_status; return;
    case MSR_MCG_CTL: *value = msr->mcg_ctl; return;
    case MSR_MISC_ENABLE: *value = msr->misc_enable; return;
    case MSR_DEBUGCTL: *value = 0; return;
    case MSR_PAT: *value = msr->pat; return;
    case MSR_MTRR_DEF_TYPE: *value = msr->mtrr_def_type; return;
    case MSR_TSC_DEADLINE:
      if (!x86_has (cpu, X86_FEAT_TSC_DEADLINE))
        break;
      *value = tsc_deadline (cpu);
      return;
    case MSR_EFER: *value = msr->efer; return;
    case MSR_STAR: *value = msr->star; return;
    case MSR_LSTAR: *value = msr->lstar; return;
    case MSR_CSTAR: *value = msr->cstar; return;
    case MSR_FMASK: *value = msr->fmask; return;
    case MSR_FS_BASE: *value = cpu->r[X86_SEGBASE + X86_FS]; return;
    case MSR_GS_BASE: *value = cpu->r[X86_SEGBASE + X86_GS]; return;
    case MSR_KERNEL_GS_BASE: *value = msr->kernel_gs_base; return;
    case MSR_TSC_AUX: *value = msr->tsc_aux; return;
    case MSR_HWCR: *value = msr->hwcr; return;
    default:
      /* AMD's own: configuration that reads as reset and keeps nothing. */
      if (index >= MSR_AMD_FIRST && index <= MSR_AMD_LAST)
        {
          *value = 0;
          return;
        }
      break;
    }
  x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

static gboolean
is_memory_type (uint64_t type, gboolean is_pat)
{
  return type == 0 || type == 1 || type == 4 || type == 5 || type == 6 || (is_pat && type == 7);
}

static void
set_efer (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  uint64_t allowed = X86_EFER_LMA, old = cpu->msr.efer;

  if (x86_has (cpu, X86_FEAT_SYSCALL))
    allowed |= X86_EFER_SCE;
  if (x86_has (cpu, X86_FEAT_LM))
    allowed |= X86_EFER_LME;
  if (x86_has (cpu, X86_FEAT_NX))
    allowed |= X86_EFER_NXE;
  if (x86_has (cpu, X86_FEAT_FFXSR))
    allowed |= X86_EFER_FFXSR;
  if ((value & ~allowed) || ((cpu->cr0 & X86_CR0_PG) && ((old ^ value) & X86_EFER_LME)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->msr.efer = (value & ~(uint64_t) X86_EFER_LMA) | (old & X86_EFER_LMA);
  if ((old ^ value) & X86_EFER_NXE)
    x86_tlb_flush_all (cpu);
}

static uint64_t
canonical (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  if (!x86_is_canonical (value))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  return value;
}

void
x86_wrmsr (X86Cpu *cpu, const X86Op *op, uint32_t index, uint64_t value)
{
  X86Msrs *msr = &cpu->msr;
  int fixed = fixed_mtrr (index);

  if (fixed >= 0)
    {
      for (unsigned i = 0; i < 8; i++)
        if (!is_memory_type ((value >> (i * 8)) & 0xff, FALSE))
          x86_raise_error (cpu, op, X86_EXC_GP, 0);
      msr->mtrr_fixed[fixed] = value;
      return;
    }
  if (index >= MSR_MTRR_PHYSBASE0 && index < MSR_MTRR_PHYSBASE0 + 2 * X86_MTRR_VARIABLE)
    {
      unsigned n = (index - MSR_MTRR_PHYSBASE0) / 2;

      if ((value & ~cpu->phys_mask) || (!(index & 1) && !is_memory_type (value & 0xff, FALSE)))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      *(index & 1 ? &msr->mtrr_mask[n] : &msr->mtrr_base[n]) = value;
      return;
    }
  switch (index)
    {
    case MSR_TSC:
      {
        uint64_t delta = value - x86_tsc (cpu);

        msr->tsc_adjust += delta;
        set_tsc_offset (cpu, msr->tsc_offset + delta);
      }
      return;
    case MSR_APIC_BASE:
      if (cpu->ops->apic_base_set != NULL)
        {
          if (!cpu->ops->apic_base_set (cpu->opaque, value))
            break;
        }
      else
        msr->apic_base = value;
      return;
    case MSR_SPEC_CTRL:
      if (!x86_has (cpu, X86_FEAT_SPEC_CTRL) || (value & ~(uint64_t) SPEC_CTRL_BITS))
        break;
      msr->spec_ctrl = value;
      return;
    case MSR_PRED_CMD:
      if (!x86_has (cpu, X86_FEAT_SPEC_CTRL) || (value & ~(uint64_t) PRED_CMD_IBPB))
        break;
      return;
    case MSR_TSC_ADJUST:
      set_tsc_offset (cpu, msr->tsc_offset + value - msr->tsc_adjust);
      msr->tsc_adjust = value;
      return;
    case MSR_BIOS_UPDATE:
    case MSR_BIOS_SIGNATURE: return;
    case MSR_SYSENTER_CS: msr->sysenter_cs = value & 0xffff; return;
    case MSR_SYSENTER_ESP: msr->sysenter_esp = canonical (cpu, op, value); return;
    case MSR_SYSENTER_EIP: msr->sysenter_eip = canonical (cpu, op, value); return;
    case MSR_MCG_STATUS: msr->mcg_status = value; return;
    case MSR_MCG_CTL: msr->mcg_ctl = value; return;
    case MSR_MISC_ENABLE: msr->misc_enable = value; return;
    case MSR_DEBUGCTL: return;
    case MSR_PAT:
      for (unsigned i = 0; i < 8; i++)
        if (!is_memory_type ((value >> (i * 8)) & 0xff, TRUE))
          x86_raise_error (cpu, op, X86_EXC_GP, 0);
      msr->pat = value;
      return;
    case MSR_MTRR_DEF_TYPE:
      if ((value & ~(uint64_t) 0xcff) || !is_memory_type (value & 0xff, FALSE))
        break;
      msr->mtrr_def_type = value;
      return;
    case MSR_TSC_DEADLINE:
      if (!x86_has (cpu, X86_FEAT_TSC_DEADLINE))
        break;
      set_tsc_deadline (cpu, value);
      return;
    case MSR_EFER: set_efer (cpu, op, value); return;
    case MSR_STAR: msr->star = value; return;
    case MSR_LSTAR: msr->lstar = canonical (cpu, op, value); return;
    case MSR_CSTAR: msr->cstar = canonical (cpu, op, value); return;
    case MSR_FMASK: msr->fmask = value & 0xffffffff; return;
    case MSR_FS_BASE: cpu->r[X86_SEGBASE + X86_FS] = canonical (cpu, op, value); return;
    case MSR_GS_BASE: cpu->r[X86_SEGBASE + X86_GS] = canonical (cpu, op, value); return;
    case MSR_KERNEL_GS_BASE: msr->kernel_gs_base = canonical (cpu, op, value); return;
    case MSR_TSC_AUX: msr->tsc_aux = value & 0xffffffff; return;
    case MSR_HWCR: msr->hwcr = value; return;
    default:
      if (index >= MSR_AMD_FIRST && index <= MSR_AMD_LAST)
        return;
      break;
    }
  x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

void
x86_msr_reset (X86Cpu *cpu)
{
  memset (&cpu->msr, 0, sizeof cpu->msr);
  cpu->msr.pat = 0x0007040600070406;
  cpu->msr.misc_enable = 1; /* fast strings */
  cpu->msr.apic_base = 0xfee00000u | APIC_BASE_ENABLE | (cpu->index == 0 ? APIC_BASE_BSP : 0);
}
