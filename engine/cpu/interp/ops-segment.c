/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Segment registers, far pointers, and the bases of FS and GS.
 * Specification: Intel SDM volume 2; volume 3A, chapter 3.
 */

#include "engine/cpu/interp/alu.h"

/* After a segment load: on in this block unless decoding depends on what changed. */
#define NEXT_UNLESS_MODE_CHANGED                                                                                        \
  do                                                                                                                   \
    {                                                                                                                  \
      u32 old_mode_ = cpu->mode;                                                                                        \
      x86_update_mode (cpu);                                                                                            \
      if (cpu->mode != old_mode_ || (cpu->mode & X86_MODE_STEP))                                                        \
        return x86_end_block (cpu, op);                                                                                 \
      X86_NEXT;                                                                                                        \
    }                                                                                                                  \
  while (0)

/* --- MOV and POP of segment registers, far pointers --- */

/* op->aux: the source is memory. */
X86_HANDLER (op_mov_sreg)
{
  u16 sel = op->aux ? x86_ld16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_READ)) : (u16) cpu->r[op->src];

  x86_seg_load (cpu, op, op->dst, sel);
  if (op->dst == X86_SS)
    cpu->shadow = X86_SHADOW_MOV_SS;
  NEXT_UNLESS_MODE_CHANGED;
}

X86_HANDLER (op_mov_from_sreg_r) { x86_reg_set (cpu, op->dst, op->size, cpu->seg[op->src].sel); X86_NEXT; }
X86_HANDLER (op_mov_from_sreg_m)
{
  x86_st16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_WRITE), cpu->seg[op->src].sel);
  X86_NEXT;
}

static G_GNUC_NO_INLINE void
pop_segment (X86Cpu *cpu, const X86Op *op)
{
  X86Stack stack;
  u16 sel;

  x86_stack_current (cpu, op, &stack);
  sel = (u16) x86_stack_pop (&stack, op->size);
  x86_seg_load (cpu, op, op->dst, sel);
  /* POP SS keeps the width of the stack it popped from. */
  x86_stack_commit (&stack);
  if (op->dst == X86_SS)
    cpu->shadow = X86_SHADOW_MOV_SS;
}

X86_HANDLER (op_pop_sreg) { pop_segment (cpu, op); NEXT_UNLESS_MODE_CHANGED; }

X86_HANDLER (op_load_far)
{
  u64 lin = x86_ea (cpu, op, op->size + 2u, X86_ACCESS_READ), offset = x86_mem_get (cpu, op, lin, op->size);
  u16 sel = x86_ld16 (cpu, op, lin + op->size);

  x86_seg_load (cpu, op, op->aux, sel);
  x86_reg_set (cpu, op->dst, op->size, offset);
  NEXT_UNLESS_MODE_CHANGED;
}

static gboolean
lower_pop_sreg (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_is_reg (lw, 0) || ZydisRegisterGetClass (lw->opr[0].reg.value) != ZYDIS_REGCLASS_SEGMENT)
    return FALSE;
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_pop_sreg;
  op->segno = X86_SS;
  /* MOV SS and POP SS shadow the next instruction: it must not be in this block. */
  if (op->dst == X86_SS)
    lw->end = TRUE;
  return TRUE;
}

static gboolean
lower_load_far (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_load_far;
  switch (lw->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_LDS: op->aux = X86_DS; break;
    case ZYDIS_MNEMONIC_LES: op->aux = X86_ES; break;
    case ZYDIS_MNEMONIC_LFS: op->aux = X86_FS; break;
    case ZYDIS_MNEMONIC_LGS: op->aux = X86_GS; break;
    default: op->aux = X86_SS; break;
    }
  return x86_lower_mem (lw, op, 1);
}

static gboolean
lower_mov_sreg (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  ZydisRegisterClass to = x86_is_reg (lw, 0) ? ZydisRegisterGetClass (lw->opr[0].reg.value) : ZYDIS_REGCLASS_INVALID;
  ZydisRegisterClass from = x86_is_reg (lw, 1) ? ZydisRegisterGetClass (lw->opr[1].reg.value) : ZYDIS_REGCLASS_INVALID;

  if (x86_is_reg (lw, 0))
    op->dst = x86_lower_reg (lw->opr[0].reg.value);
  if (x86_is_reg (lw, 1))
    op->src = x86_lower_reg (lw->opr[1].reg.value);
  if (to == ZYDIS_REGCLASS_SEGMENT)
    {
      if (op->dst == X86_CS)
        return FALSE;
      op->fn = op_mov_sreg;
      op->aux = x86_is_mem (lw, 1);
      if (op->dst == X86_SS)
        lw->end = TRUE;
      return op->aux ? x86_lower_mem (lw, op, 1) : TRUE;
    }
  if (from != ZYDIS_REGCLASS_SEGMENT)
    return FALSE;
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->fn = x86_is_mem (lw, 0) ? op_mov_from_sreg_m : op_mov_from_sreg_r;
  return x86_is_mem (lw, 0) ? x86_lower_mem (lw, op, 0) : TRUE;
}

/* --- FS and GS bases: op->aux is the segment --- */

static void
check_fsgsbase (X86Cpu *cpu, const X86Op *op)
{
  if (!(cpu->cr4 & X86_CR4_FSGSBASE))
    x86_raise (cpu, op, X86_EXC_UD);
}

X86_HANDLER (op_rdbase)
{
  check_fsgsbase (cpu, op);
  x86_reg_set (cpu, op->dst, op->size, cpu->r[X86_SEGBASE + op->aux]);
  X86_NEXT;
}

X86_HANDLER (op_wrbase)
{
  u64 value = x86_reg_get (cpu, op->dst, op->size);

  check_fsgsbase (cpu, op);
  if (!x86_is_canonical (value))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->r[X86_SEGBASE + op->aux] = value;
  X86_NEXT;
}

static gboolean
lower_base (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->aux = lw->insn.mnemonic == ZYDIS_MNEMONIC_RDGSBASE || lw->insn.mnemonic == ZYDIS_MNEMONIC_WRGSBASE ? X86_GS : X86_FS;
  return x86_lower_vec (lw, op, entry);
}

#define FNS(name) static const X86OpFn fns_##name[] = { op_##name, NULL, NULL };
FNS (rdbase) FNS (wrbase)

const X86OpEntry x86_ops_segment[] = {
  { ZYDIS_MNEMONIC_MOV, X86_FEAT_NONE, 0, lower_mov_sreg, NULL },
  { ZYDIS_MNEMONIC_POP, X86_FEAT_NONE, 0, lower_pop_sreg, NULL },
  { ZYDIS_MNEMONIC_LDS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LES, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LFS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LGS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LSS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_RDFSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_rdbase },
  { ZYDIS_MNEMONIC_RDGSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_rdbase },
  { ZYDIS_MNEMONIC_WRFSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_wrbase },
  { ZYDIS_MNEMONIC_WRGSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_wrbase },
  { 0 }
};
