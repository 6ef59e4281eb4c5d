/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control and debug registers, the TLB, identification, time and model-specific registers.
 * Specification: Intel SDM volume 2; volume 3A, chapters 2, 4 and 17; volume 4.
 */

#include "engine/cpu/interp/alu.h"

/* --- MOV CR, MOV DR --- */

X86_HANDLER (op_mov_from_cr)
{
  u64 value;

  x86_require_cpl0 (cpu, op);
  switch (op->src)
    {
    case 0: value = cpu->cr0; break;
    case 2: value = cpu->cr2; break;
    case 3: value = cpu->cr3; break;
    case 4: value = cpu->cr4; break;
    case 8: value = cpu->ops->tpr_get != NULL ? cpu->ops->tpr_get (cpu->opaque) : cpu->cr8; break;
    default: x86_raise (cpu, op, X86_EXC_UD);
    }
  cpu->r[op->dst] = x86_code64 (cpu) ? value : (u32) value;
  X86_NEXT;
}

X86_HANDLER (op_mov_to_cr)
{
  u64 value = x86_code64 (cpu) ? cpu->r[op->src] : (u32) cpu->r[op->src];

  x86_require_cpl0 (cpu, op);
  switch (op->dst)
    {
    case 0: x86_set_cr0 (cpu, op, value); break;
    case 2: cpu->cr2 = value; break;
    case 3: x86_set_cr3 (cpu, op, value); break;
    case 4: x86_set_cr4 (cpu, op, value); break;
    case 8:
      if (value > 15)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      cpu->cr8 = value;
      if (cpu->ops->tpr_set != NULL)
        cpu->ops->tpr_set (cpu->opaque, (uint8_t) value);
      break;
    default: x86_raise (cpu, op, X86_EXC_UD);
    }
  return x86_end_block (cpu, op);
}

static void
check_dr (X86Cpu *cpu, const X86Op *op, unsigned n)
{
  if ((n == 4 || n == 5) && (cpu->cr4 & X86_CR4_DE))
    x86_raise (cpu, op, X86_EXC_UD);
  x86_require_cpl0 (cpu, op);
  if (cpu->dr[7] & (1 << 13)) /* general detect */
    {
      cpu->dr[6] |= 1 << 13;
      cpu->dr[7] &= ~(u64) (1 << 13);
      x86_raise (cpu, op, X86_EXC_DB);
    }
}

X86_HANDLER (op_mov_from_dr)
{
  unsigned n = op->src;

  check_dr (cpu, op, n);
  if (n == 4 || n == 5)
    n += 2;
  cpu->r[op->dst] = x86_code64 (cpu) ? cpu->dr[n] : (u32) cpu->dr[n];
  X86_NEXT;
}

X86_HANDLER (op_mov_to_dr)
{
  u64 value = x86_code64 (cpu) ? cpu->r[op->src] : (u32) cpu->r[op->src];
  unsigned n = op->dst;

  check_dr (cpu, op, n);
  if (n == 4 || n == 5)
    n += 2;
  if (n >= 6 && value >> 32)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_set_dr (cpu, n, value);
  return x86_end_block (cpu, op);
}

static gboolean
lower_mov_system (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  ZydisRegisterClass to, from;

  if (!x86_is_reg (lw, 0) || !x86_is_reg (lw, 1))
    return FALSE;
  to = ZydisRegisterGetClass (lw->opr[0].reg.value);
  from = ZydisRegisterGetClass (lw->opr[1].reg.value);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  if (to == ZYDIS_REGCLASS_CONTROL)
    {
      lw->end = TRUE;
      op->fn = op_mov_to_cr;
      return op->dst == 0 || op->dst == 2 || op->dst == 3 || op->dst == 4 || op->dst == 8;
    }
  if (from == ZYDIS_REGCLASS_CONTROL)
    {
      op->fn = op_mov_from_cr;
      return op->src == 0 || op->src == 2 || op->src == 3 || op->src == 4 || op->src == 8;
    }
  if (to == ZYDIS_REGCLASS_DEBUG)
    {
      lw->end = TRUE;
      op->fn = op_mov_to_dr;
      return op->dst < 8;
    }
  if (from == ZYDIS_REGCLASS_DEBUG)
    {
      op->fn = op_mov_from_dr;
      return op->src < 8;
    }
  return FALSE;
}

/* --- TLB and caches --- */

X86_HANDLER (op_invlpg)
{
  u64 lin = x86_ea_offset (cpu, op);

  x86_require_cpl0 (cpu, op);
  /* The address is not accessed: no checks. */
  if (op->ea == X86_EA_FLAT64)
    lin += cpu->r[op->seg];
  else
    lin = (u32) ((op->asize == 2 ? (u16) lin : (u32) lin) + cpu->r[op->seg]);
  if (!x86_code64 (cpu) || x86_is_canonical (lin))
    x86_tlb_flush_page (cpu, lin);
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_invpcid)
{
  u64 type = x86_code64 (cpu) ? cpu->r[op->dst] : (u32) cpu->r[op->dst], lin, pcid, address;

  x86_require_cpl0 (cpu, op);
  lin = x86_ea (cpu, op, 16, X86_ACCESS_READ);
  pcid = x86_ld64 (cpu, op, lin);
  address = x86_ld64 (cpu, op, lin + 8);
  if (type > 3 || (type < 2 && (pcid >> 12 || (pcid != 0 && !(cpu->cr4 & X86_CR4_PCIDE))))
      || (type == 0 && !x86_is_canonical (address)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  switch (type)
    {
    case 0:
      if (pcid == (cpu->cr4 & X86_CR4_PCIDE ? cpu->cr3 & 0xfff : 0))
        x86_tlb_flush_page (cpu, address);
      else
        x86_tlb_flush_pcid (cpu, (unsigned) pcid);
      break;
    case 1: x86_tlb_flush_pcid (cpu, (unsigned) pcid); break;
    default: x86_tlb_flush_all (cpu); break;
    }
  return x86_end_block (cpu, op);
}

/* Nothing here is cached that INVD or WBINVD would write back. */
X86_HANDLER (op_wbinvd) { x86_require_cpl0 (cpu, op); X86_NEXT; }

/* --- Identification, time, model-specific registers --- */

static G_GNUC_NO_INLINE void
do_cpuid (X86Cpu *cpu)
{
  uint32_t out[4];

  x86_cpuid (cpu, (u32) cpu->r[X86_RAX], (u32) cpu->r[X86_RCX], out);
  cpu->r[X86_RAX] = out[0];
  cpu->r[X86_RBX] = out[1];
  cpu->r[X86_RCX] = out[2];
  cpu->r[X86_RDX] = out[3];
}

X86_HANDLER (op_cpuid) { do_cpuid (cpu); X86_NEXT; }

static void
read_tsc (X86Cpu *cpu, const X86Op *op)
{
  u64 tsc;

  if ((cpu->cr4 & X86_CR4_TSD) && cpu->cpl != 0 && x86_protected (cpu))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  tsc = x86_tsc (cpu);
  cpu->r[X86_RAX] = (u32) tsc;
  cpu->r[X86_RDX] = tsc >> 32;
}

X86_HANDLER (op_rdtsc) { read_tsc (cpu, op); X86_NEXT; }
X86_HANDLER (op_rdtscp)
{
  read_tsc (cpu, op);
  cpu->r[X86_RCX] = (u32) cpu->msr.tsc_aux;
  X86_NEXT;
}
X86_HANDLER (op_rdpid) { cpu->r[op->dst] = (u32) cpu->msr.tsc_aux; X86_NEXT; }
X86_HANDLER (op_rdpmc) { x86_raise_error (cpu, op, X86_EXC_GP, 0); }

static G_GNUC_NO_INLINE void
do_rdmsr (X86Cpu *cpu, const X86Op *op)
{
  uint64_t value;

  x86_require_cpl0 (cpu, op);
  x86_rdmsr (cpu, op, (u32) cpu->r[X86_RCX], &value);
  cpu->r[X86_RAX] = (u32) value;
  cpu->r[X86_RDX] = value >> 32;
}

X86_HANDLER (op_rdmsr) { do_rdmsr (cpu, op); X86_NEXT; }
X86_HANDLER (op_wrmsr)
{
  x86_require_cpl0 (cpu, op);
  x86_wrmsr (cpu, op, (u32) cpu->r[X86_RCX], cpu->r[X86_RDX] << 32 | (u32) cpu->r[X86_RAX]);
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_xgetbv)
{
  u64 value;

  if (!(cpu->cr4 & X86_CR4_OSXSAVE))
    x86_raise (cpu, op, X86_EXC_UD);
  if ((u32) cpu->r[X86_RCX] > (x86_has (cpu, X86_FEAT_XGETBV1) ? 1 : 0))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  value = (u32) cpu->r[X86_RCX] == 0 ? cpu->xcr0 : x86_xinuse (cpu);
  cpu->r[X86_RAX] = (u32) value;
  cpu->r[X86_RDX] = value >> 32;
  X86_NEXT;
}

X86_HANDLER (op_xsetbv)
{
  if (!(cpu->cr4 & X86_CR4_OSXSAVE))
    x86_raise (cpu, op, X86_EXC_UD);
  x86_require_cpl0 (cpu, op);
  if ((u32) cpu->r[X86_RCX] != 0 || !x86_set_xcr0 (cpu, cpu->r[X86_RDX] << 32 | (u32) cpu->r[X86_RAX]))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_hlt)
{
  x86_require_cpl0 (cpu, op);
  cpu->halted = X86_HALT_HLT;
  x86_attend (cpu);
  return x86_end_block (cpu, op);
}

static gboolean
lower_invpcid (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_invpcid;
  return x86_lower_mem (lw, op, 1);
}

static gboolean
lower_invlpg (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = op_invlpg;
  return x86_is_mem (lw, 0) && x86_lower_mem (lw, op, 0);
}

#define FNS(name) static const X86OpFn fns_##name[] = { op_##name, NULL, NULL };
FNS (wbinvd) FNS (cpuid) FNS (rdtsc) FNS (rdtscp) FNS (rdpid) FNS (rdpmc) FNS (rdmsr) FNS (wrmsr) FNS (xgetbv)
FNS (xsetbv) FNS (hlt)

const X86OpEntry x86_ops_control[] = {
  { ZYDIS_MNEMONIC_MOV, X86_FEAT_NONE, 0, lower_mov_system, NULL },
  { ZYDIS_MNEMONIC_INVLPG, X86_FEAT_NONE, X86_ENTRY_END, lower_invlpg, NULL },
  { ZYDIS_MNEMONIC_INVPCID, X86_FEAT_INVPCID, X86_ENTRY_END, lower_invpcid, NULL },
  { ZYDIS_MNEMONIC_INVD, X86_FEAT_NONE, 0, x86_lower_plain, fns_wbinvd },
  { ZYDIS_MNEMONIC_WBINVD, X86_FEAT_NONE, 0, x86_lower_plain, fns_wbinvd },
  { ZYDIS_MNEMONIC_CPUID, X86_FEAT_NONE, 0, x86_lower_plain, fns_cpuid },
  { ZYDIS_MNEMONIC_RDTSC, X86_FEAT_TSC, 0, x86_lower_plain, fns_rdtsc },
  { ZYDIS_MNEMONIC_RDTSCP, X86_FEAT_RDTSCP, 0, x86_lower_plain, fns_rdtscp },
  { ZYDIS_MNEMONIC_RDPID, X86_FEAT_RDPID, 0, x86_lower_vec, fns_rdpid },
  { ZYDIS_MNEMONIC_RDPMC, X86_FEAT_NONE, 0, x86_lower_plain, fns_rdpmc },
  { ZYDIS_MNEMONIC_RDMSR, X86_FEAT_MSR, 0, x86_lower_plain, fns_rdmsr },
  { ZYDIS_MNEMONIC_WRMSR, X86_FEAT_MSR, X86_ENTRY_END, x86_lower_plain, fns_wrmsr },
  { ZYDIS_MNEMONIC_XGETBV, X86_FEAT_XSAVE, 0, x86_lower_plain, fns_xgetbv },
  { ZYDIS_MNEMONIC_XSETBV, X86_FEAT_XSAVE, X86_ENTRY_END, x86_lower_plain, fns_xsetbv },
  { ZYDIS_MNEMONIC_HLT, X86_FEAT_NONE, X86_ENTRY_END, x86_lower_plain, fns_hlt },
  { 0 }
};
