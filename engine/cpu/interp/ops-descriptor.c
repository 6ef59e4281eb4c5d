/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptor tables, what programs may ask of descriptors, and the machine status word.
 * Specification: Intel SDM volume 2; volume 3A, chapters 2 and 5.
 */

#include "engine/cpu/interp/alu.h"

/* --- LGDT LIDT SGDT SIDT LLDT LTR SLDT STR SMSW LMSW CLTS --- */

static void
check_umip (X86Cpu *cpu, const X86Op *op)
{
  if ((cpu->cr4 & X86_CR4_UMIP) && cpu->cpl != 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

static void
load_table (X86Cpu *cpu, const X86Op *op, X86Table *table)
{
  gboolean wide = x86_code64 (cpu);
  u64 lin, base;
  u16 limit;

  x86_require_cpl0 (cpu, op);
  lin = x86_ea (cpu, op, wide ? 10 : 6, X86_ACCESS_READ);
  limit = x86_ld16 (cpu, op, lin);
  base = wide ? x86_ld64 (cpu, op, lin + 2) : x86_ld32 (cpu, op, lin + 2);
  if (wide && !x86_is_canonical (base))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (!wide && op->size == 2)
    base &= 0xffffff;
  table->limit = limit;
  table->base = base;
}

static void
store_table (X86Cpu *cpu, const X86Op *op, const X86Table *table)
{
  gboolean wide = x86_code64 (cpu);
  u64 lin;

  check_umip (cpu, op);
  lin = x86_ea (cpu, op, wide ? 10 : 6, X86_ACCESS_WRITE);
  x86_probe_write (cpu, op, lin, wide ? 10 : 6);
  x86_st16 (cpu, op, lin, (u16) table->limit);
  if (wide)
    x86_st64 (cpu, op, lin + 2, table->base);
  else
    x86_st32 (cpu, op, lin + 2, (u32) table->base);
}

X86_HANDLER (op_lgdt) { load_table (cpu, op, &cpu->gdtr); X86_NEXT; }
X86_HANDLER (op_lidt) { load_table (cpu, op, &cpu->idtr); X86_NEXT; }
X86_HANDLER (op_sgdt) { store_table (cpu, op, &cpu->gdtr); X86_NEXT; }
X86_HANDLER (op_sidt) { store_table (cpu, op, &cpu->idtr); X86_NEXT; }

static uint16_t
source16 (X86Cpu *cpu, const X86Op *op)
{
  return op->aux ? x86_ld16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_READ)) : (u16) cpu->r[op->src];
}

/* Register destinations take the operand size, memory takes 16 bits. */
static void
store16 (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  if (op->aux)
    x86_st16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_WRITE), (u16) value);
  else
    x86_reg_set (cpu, op->src, op->size, value);
}

X86_HANDLER (op_lldt)
{
  x86_require_cpl0 (cpu, op);
  x86_lldt (cpu, op, source16 (cpu, op));
  X86_NEXT;
}

X86_HANDLER (op_ltr)
{
  x86_require_cpl0 (cpu, op);
  x86_ltr (cpu, op, source16 (cpu, op));
  X86_NEXT;
}

X86_HANDLER (op_sldt) { check_umip (cpu, op); store16 (cpu, op, cpu->ldtr.sel); X86_NEXT; }
X86_HANDLER (op_str) { check_umip (cpu, op); store16 (cpu, op, cpu->tr.sel); X86_NEXT; }
X86_HANDLER (op_smsw) { check_umip (cpu, op); store16 (cpu, op, cpu->cr0); X86_NEXT; }

X86_HANDLER (op_lmsw)
{
  u16 value;

  x86_require_cpl0 (cpu, op);
  value = source16 (cpu, op);
  /* PE can be set but not cleared this way. */
  x86_set_cr0 (cpu, op, (cpu->cr0 & ~(u64) 0xe) | (value & 0xf));
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_clts)
{
  x86_require_cpl0 (cpu, op);
  cpu->cr0 &= ~(u64) X86_CR0_TS;
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

/* One operand of 16 bits or, in a register, of the operand size: source and destination are op->src. */
static gboolean
lower_one (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  op->aux = x86_is_mem (lw, 0);
  if (op->aux)
    return x86_lower_mem (lw, op, 0);
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->src = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

/* --- LAR LSL VERR VERW ARPL --- */

static void
set_zf (X86Cpu *cpu, gboolean zf)
{
  x86_set_arith_flags (cpu, (x86_get_arith_flags (cpu) & ~(u32) X86_FLAG_ZF) | (zf ? X86_FLAG_ZF : 0));
}

/* Whether CPL and RPL may see the descriptor. */
static gboolean
is_visible (X86Cpu *cpu, uint16_t sel, const X86Desc *desc)
{
  if (!x86_desc_is_system (desc)
      && (x86_desc_type (desc) & (X86_SEG_CODE | X86_SEG_CONFORMING)) == (X86_SEG_CODE | X86_SEG_CONFORMING))
    return TRUE;
  return x86_desc_dpl (desc) >= cpu->cpl && x86_desc_dpl (desc) >= (sel & 3u);
}

static G_GNUC_NO_INLINE gboolean
inspect (X86Cpu *cpu, const X86Op *op, gboolean is_lar, uint32_t *value)
{
  uint16_t sel = source16 (cpu, op);
  unsigned allowed;
  X86Desc desc;

  if ((sel & 0xfffc) == 0 || !x86_desc_read (cpu, op, sel, &desc) || !is_visible (cpu, sel, &desc))
    return FALSE;
  if (x86_desc_is_system (&desc))
    {
      /* Long mode knows only the 64-bit kinds. */
      if (x86_long_mode (cpu))
        allowed = 1 << X86_SYS_LDT | 1 << X86_SYS_TSS32 | 1 << X86_SYS_TSS32_BUSY | (is_lar ? 1 << X86_SYS_CALL32 : 0);
      else
        allowed = 1 << X86_SYS_TSS16 | 1 << X86_SYS_LDT | 1 << X86_SYS_TSS16_BUSY | 1 << X86_SYS_TSS32
                  | 1 << X86_SYS_TSS32_BUSY
                  | (is_lar ? 1 << X86_SYS_CALL16 | 1 << X86_SYS_TASK_GATE | 1 << X86_SYS_CALL32 : 0);
      if (!(allowed >> x86_desc_type (&desc) & 1))
        return FALSE;
    }
  *value = is_lar ? desc.hi & 0x00ffff00 : x86_desc_limit (&desc);
  return TRUE;
}

static G_GNUC_NO_INLINE void
lar_lsl (X86Cpu *cpu, const X86Op *op, gboolean is_lar)
{
  uint32_t value;
  gboolean done = inspect (cpu, op, is_lar, &value);

  if (done)
    x86_reg_set (cpu, op->dst, op->size, value);
  set_zf (cpu, done);
}

X86_HANDLER (op_lar) { lar_lsl (cpu, op, TRUE); X86_NEXT; }
X86_HANDLER (op_lsl) { lar_lsl (cpu, op, FALSE); X86_NEXT; }

static gboolean
lower_lar (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = entry->fns[0];
  op->aux = x86_is_mem (lw, 1);
  if (op->aux)
    return x86_lower_mem (lw, op, 1);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  return TRUE;
}

static G_GNUC_NO_INLINE void
verify (X86Cpu *cpu, const X86Op *op, gboolean for_write)
{
  uint16_t sel = source16 (cpu, op);
  gboolean ok = FALSE;
  X86Desc desc;

  if ((sel & 0xfffc) != 0 && x86_desc_read (cpu, op, sel, &desc) && !x86_desc_is_system (&desc)
      && is_visible (cpu, sel, &desc))
    {
      if (x86_desc_type (&desc) & X86_SEG_CODE)
        ok = !for_write && (x86_desc_type (&desc) & X86_SEG_READABLE);
      else
        ok = !for_write || (x86_desc_type (&desc) & X86_SEG_WRITABLE);
    }
  set_zf (cpu, ok);
}

X86_HANDLER (op_verr) { verify (cpu, op, FALSE); X86_NEXT; }
X86_HANDLER (op_verw) { verify (cpu, op, TRUE); X86_NEXT; }

X86_HANDLER (op_arpl)
{
  /* It writes only when there is something to change. */
  u64 lin = op->aux ? x86_ea (cpu, op, 2, X86_ACCESS_READ) : 0;
  u16 target = op->aux ? x86_ld16 (cpu, op, lin) : (u16) cpu->r[op->dst], rpl = cpu->r[op->src] & 3;
  gboolean changes = (target & 3) < rpl;

  if (changes)
    {
      target = (u16) ((target & ~3) | rpl);
      if (op->aux)
        x86_st16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_WRITE), target);
      else
        *x86_r16 (cpu, op->dst) = target;
    }
  set_zf (cpu, changes);
  X86_NEXT;
}

static gboolean
lower_arpl (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->fn = op_arpl;
  op->aux = x86_is_mem (lw, 0);
  if (op->aux)
    return x86_lower_mem (lw, op, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

static gboolean
lower_memory (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  return x86_is_mem (lw, 0) && x86_lower_mem (lw, op, 0);
}

#define FNS(name) static const X86OpFn fns_##name[] = { op_##name, NULL, NULL };
FNS (lgdt) FNS (lidt) FNS (sgdt) FNS (sidt) FNS (lldt) FNS (ltr) FNS (sldt) FNS (str) FNS (lar) FNS (lsl)
FNS (verr) FNS (verw) FNS (smsw) FNS (lmsw) FNS (clts)

const X86OpEntry x86_ops_descriptor[] = {
  { ZYDIS_MNEMONIC_LGDT, X86_FEAT_NONE, 0, lower_memory, fns_lgdt },
  { ZYDIS_MNEMONIC_LIDT, X86_FEAT_NONE, 0, lower_memory, fns_lidt },
  { ZYDIS_MNEMONIC_SGDT, X86_FEAT_NONE, 0, lower_memory, fns_sgdt },
  { ZYDIS_MNEMONIC_SIDT, X86_FEAT_NONE, 0, lower_memory, fns_sidt },
  { ZYDIS_MNEMONIC_LLDT, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_lldt },
  { ZYDIS_MNEMONIC_LTR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_ltr },
  { ZYDIS_MNEMONIC_SLDT, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_sldt },
  { ZYDIS_MNEMONIC_STR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_str },
  { ZYDIS_MNEMONIC_LAR, X86_FEAT_NONE, X86_ENTRY_PE, lower_lar, fns_lar },
  { ZYDIS_MNEMONIC_LSL, X86_FEAT_NONE, X86_ENTRY_PE, lower_lar, fns_lsl },
  { ZYDIS_MNEMONIC_VERR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_verr },
  { ZYDIS_MNEMONIC_VERW, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_verw },
  { ZYDIS_MNEMONIC_ARPL, X86_FEAT_NONE, X86_ENTRY_PE, lower_arpl, NULL },
  { ZYDIS_MNEMONIC_SMSW, X86_FEAT_NONE, 0, lower_one, fns_smsw },
  { ZYDIS_MNEMONIC_LMSW, X86_FEAT_NONE, X86_ENTRY_END, lower_one, fns_lmsw },
  { ZYDIS_MNEMONIC_CLTS, X86_FEAT_NONE, X86_ENTRY_END, x86_lower_plain, fns_clts },
  { 0 }
};
