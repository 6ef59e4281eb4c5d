/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Segment registers, descriptor tables, control and debug registers, flags, and the rest of what operating systems use.
 * Specification: Intel SDM volume 2; volume 3A, chapters 2 and 5.
 */

#include "engine/cpu/interp/alu.h"

static void
require_cpl0 (X86Cpu *cpu, const X86Op *op)
{
  if (cpu->cpl != 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

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

/* --- MOV CR, MOV DR --- */

X86_HANDLER (op_mov_from_cr)
{
  u64 value;

  require_cpl0 (cpu, op);
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

  require_cpl0 (cpu, op);
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
  require_cpl0 (cpu, op);
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
  if (from == ZYDIS_REGCLASS_SEGMENT)
    {
      op->size = (uint8_t) x86_operand_size (lw, 0);
      op->fn = x86_is_mem (lw, 0) ? op_mov_from_sreg_m : op_mov_from_sreg_r;
      return x86_is_mem (lw, 0) ? x86_lower_mem (lw, op, 0) : TRUE;
    }
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

  require_cpl0 (cpu, op);
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
  require_cpl0 (cpu, op);
  x86_lldt (cpu, op, source16 (cpu, op));
  X86_NEXT;
}

X86_HANDLER (op_ltr)
{
  require_cpl0 (cpu, op);
  x86_ltr (cpu, op, source16 (cpu, op));
  X86_NEXT;
}

X86_HANDLER (op_sldt) { check_umip (cpu, op); store16 (cpu, op, cpu->ldtr.sel); X86_NEXT; }
X86_HANDLER (op_str) { check_umip (cpu, op); store16 (cpu, op, cpu->tr.sel); X86_NEXT; }
X86_HANDLER (op_smsw) { check_umip (cpu, op); store16 (cpu, op, cpu->cr0); X86_NEXT; }

X86_HANDLER (op_lmsw)
{
  u16 value;

  require_cpl0 (cpu, op);
  value = source16 (cpu, op);
  /* PE can be set but not cleared this way. */
  x86_set_cr0 (cpu, op, (cpu->cr0 & ~(u64) 0xe) | (value & 0xf));
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_clts)
{
  require_cpl0 (cpu, op);
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

/* --- Flags --- */

/* In virtual-8086 mode IOPL guards CLI, STI, PUSHF and POPF. */
static void
check_iopl (X86Cpu *cpu, const X86Op *op)
{
  if (x86_protected (cpu) && cpu->cpl > x86_iopl (cpu))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

X86_HANDLER (op_cli)
{
  check_iopl (cpu, op);
  cpu->eflags &= ~(u32) X86_FLAG_IF;
  X86_NEXT;
}

const X86Op *
x86_op_sti_shadow (X86Cpu *cpu, const X86Op *op)
{
  check_iopl (cpu, op);
  if (!(cpu->eflags & X86_FLAG_IF))
    {
      cpu->eflags |= X86_FLAG_IF;
      cpu->shadow = X86_SHADOW_STI;
    }
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

/* The shadow matters only when something is pending: nothing that comes later is looked at before the block ends. */
const X86Op *
x86_op_sti (X86Cpu *cpu, const X86Op *op)
{
  check_iopl (cpu, op);
  if (__atomic_load_n (&cpu->pending, __ATOMIC_RELAXED) || (cpu->mode & X86_MODE_STEP))
    return x86_op_sti_shadow (cpu, op);
  cpu->eflags |= X86_FLAG_IF;
  X86_NEXT;
}

static void
check_vm86 (X86Cpu *cpu, const X86Op *op)
{
  if (x86_vm86 (cpu) && x86_iopl (cpu) < 3)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

static G_GNUC_NO_INLINE void
push_flags (X86Cpu *cpu, const X86Op *op)
{
  X86Stack stack;

  check_vm86 (cpu, op);
  x86_stack_current (cpu, op, &stack);
  x86_stack_push (&stack, op->size, x86_get_eflags (cpu) & ~(u32) (X86_FLAG_VM | X86_FLAG_RF));
  x86_stack_commit (&stack);
}

static G_GNUC_NO_INLINE void
pop_flags (X86Cpu *cpu, const X86Op *op)
{
  u32 mask = X86_FLAGS_ARITH | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT, value;
  X86Stack stack;

  check_vm86 (cpu, op);
  x86_stack_current (cpu, op, &stack);
  value = (u32) x86_stack_pop (&stack, op->size);
  x86_stack_commit (&stack);
  if (op->size >= 4)
    mask |= X86_FLAG_AC | X86_FLAG_ID;
  if (!x86_protected (cpu))
    mask |= X86_FLAG_IF | X86_FLAG_IOPL;
  else
    {
      if (cpu->cpl <= x86_iopl (cpu))
        mask |= X86_FLAG_IF;
      if (cpu->cpl == 0)
        mask |= X86_FLAG_IOPL;
    }
  x86_set_eflags (cpu, value, mask);
}

X86_HANDLER (op_pushf) { push_flags (cpu, op); X86_NEXT; }

X86_HANDLER (op_popf)
{
  u32 old = cpu->eflags, changed;

  pop_flags (cpu, op);
  changed = old ^ cpu->eflags;
  if ((changed & (X86_FLAG_TF | X86_FLAG_AC)) || (cpu->mode & X86_MODE_STEP)
      || ((changed & X86_FLAG_IF) && __atomic_load_n (&cpu->pending, __ATOMIC_RELAXED)))
    {
      x86_update_mode (cpu);
      return x86_end_block (cpu, op);
    }
  X86_NEXT;
}

static void
set_ac (X86Cpu *cpu, const X86Op *op, uint32_t ac)
{
  if (cpu->cpl != 0)
    x86_raise (cpu, op, X86_EXC_UD);
  cpu->eflags = (cpu->eflags & ~(u32) X86_FLAG_AC) | ac;
  cpu->mmu_index = (uint8_t) x86_mmu_for (cpu, 0);
  cpu->tlb = cpu->tlbs + cpu->mmu_index * X86_TLB_SIZE;
}

X86_HANDLER (op_stac) { set_ac (cpu, op, X86_FLAG_AC); X86_NEXT; }
X86_HANDLER (op_clac) { set_ac (cpu, op, 0); X86_NEXT; }

/* --- TLB and caches --- */

X86_HANDLER (op_invlpg)
{
  u64 lin = x86_ea_offset (cpu, op);

  require_cpl0 (cpu, op);
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

  require_cpl0 (cpu, op);
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
X86_HANDLER (op_wbinvd) { require_cpl0 (cpu, op); X86_NEXT; }

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

  require_cpl0 (cpu, op);
  x86_rdmsr (cpu, op, (u32) cpu->r[X86_RCX], &value);
  cpu->r[X86_RAX] = (u32) value;
  cpu->r[X86_RDX] = value >> 32;
}

X86_HANDLER (op_rdmsr) { do_rdmsr (cpu, op); X86_NEXT; }
X86_HANDLER (op_wrmsr)
{
  require_cpl0 (cpu, op);
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
  require_cpl0 (cpu, op);
  if ((u32) cpu->r[X86_RCX] != 0 || !x86_set_xcr0 (cpu, cpu->r[X86_RDX] << 32 | (u32) cpu->r[X86_RAX]))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_hlt)
{
  require_cpl0 (cpu, op);
  cpu->halted = X86_HALT_HLT;
  x86_attend (cpu);
  return x86_end_block (cpu, op);
}

/* --- Fast system calls --- */

static void
flat_segment (X86Cpu *cpu, unsigned seg, uint16_t sel, uint32_t attr)
{
  /* Code found through jump entries was checked against the old limit. */
  if (seg == X86_CS && (cpu->seg[X86_CS].limit != 0xffffffff || cpu->r[X86_SEGBASE + X86_CS] != 0))
    cpu->flush_count++;
  cpu->seg[seg] = (X86Seg) { .sel = sel, .limit = 0xffffffff,
                             .attr = attr | X86_SEG_P | X86_SEG_S | X86_SEG_G | (uint32_t) (sel & 3) << X86_SEG_DPL_SHIFT };
  cpu->r[X86_SEGBASE + seg] = 0;
}

enum
{
  CODE = X86_SEG_CODE | X86_SEG_READABLE | X86_SEG_ACCESSED,
  DATA = X86_SEG_WRITABLE | X86_SEG_ACCESSED | X86_SEG_DB
};

static const X86Op *
enter_system (X86Cpu *cpu, const X86Op *op, uint8_t cpl, uint64_t rip)
{
  cpu->cpl = cpl;
  cpu->r[X86_RIP] = rip;
  cpu->retired += op->n;
  x86_update_mode (cpu);
  return NULL;
}

X86_HANDLER (op_syscall)
{
  u16 sel = (u16) (cpu->msr.star >> 32) & 0xfffc;
  u32 flags = x86_get_eflags (cpu) & ~(u32) X86_FLAG_RF;
  u64 next = x86_next_rip (cpu, op);

  if (!(cpu->msr.efer & X86_EFER_SCE) || !x86_protected (cpu))
    x86_raise (cpu, op, X86_EXC_UD);
  if (x86_long_mode (cpu))
    {
      u64 rip = x86_code64 (cpu) ? cpu->msr.lstar : cpu->msr.cstar;

      cpu->r[X86_RCX] = next;
      cpu->r[X86_R11] = flags;
      x86_set_eflags (cpu, flags & ~(u32) cpu->msr.fmask, ~(u32) X86_FLAG_VM);
      cpu->eflags &= ~(u32) X86_FLAG_RF;
      flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_L);
      flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
      return enter_system (cpu, op, 0, rip);
    }
  cpu->r[X86_RCX] = next;
  cpu->eflags &= ~(u32) (X86_FLAG_IF | X86_FLAG_VM | X86_FLAG_RF);
  flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  return enter_system (cpu, op, 0, (u32) cpu->msr.star);
}

X86_HANDLER (op_sysret)
{
  u16 sel = (u16) (cpu->msr.star >> 48) | 3;
  u64 rip = cpu->r[X86_RCX];

  if (!(cpu->msr.efer & X86_EFER_SCE) || !x86_protected (cpu))
    x86_raise (cpu, op, X86_EXC_UD);
  require_cpl0 (cpu, op);
  if (x86_long_mode (cpu))
    {
      if (op->size == 8 && !x86_is_canonical (rip))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      x86_set_eflags (cpu, (u32) cpu->r[X86_R11], ~(u32) (X86_FLAG_VM | X86_FLAG_RF));
      cpu->eflags &= ~(u32) X86_FLAG_RF;
      if (op->size == 8)
        flat_segment (cpu, X86_CS, (u16) (sel + 16), CODE | X86_SEG_L);
      else
        {
          flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
          rip = (u32) rip;
        }
    }
  else
    {
      cpu->eflags |= X86_FLAG_IF;
      flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
      rip = (u32) rip;
    }
  /* AMD leaves the hidden part of SS; a usable one is what systems expect to see. */
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  return enter_system (cpu, op, 3, rip);
}

X86_HANDLER (op_sysenter)
{
  u16 sel = (u16) cpu->msr.sysenter_cs & 0xfffc;
  gboolean is_long = x86_long_mode (cpu);

  if (!x86_protected (cpu) || sel == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->eflags &= ~(u32) (X86_FLAG_VM | X86_FLAG_IF | X86_FLAG_RF);
  flat_segment (cpu, X86_CS, sel, CODE | (is_long ? X86_SEG_L : X86_SEG_DB));
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  cpu->r[X86_RSP] = is_long ? cpu->msr.sysenter_esp : (u32) cpu->msr.sysenter_esp;
  return enter_system (cpu, op, 0, is_long ? cpu->msr.sysenter_eip : (u32) cpu->msr.sysenter_eip);
}

X86_HANDLER (op_sysexit)
{
  u16 sel = (u16) (cpu->msr.sysenter_cs & 0xfffc);
  gboolean to_64 = op->size == 8;
  u64 rip = cpu->r[X86_RDX], rsp = cpu->r[X86_RCX];

  if (!x86_protected (cpu) || sel == 0 || cpu->cpl != 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (to_64 && (!x86_is_canonical (rip) || !x86_is_canonical (rsp)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  sel = (u16) ((sel + (to_64 ? 32 : 16)) | 3);
  flat_segment (cpu, X86_CS, sel, CODE | (to_64 ? X86_SEG_L : X86_SEG_DB));
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  cpu->r[X86_RSP] = to_64 ? rsp : (u32) rsp;
  return enter_system (cpu, op, 3, to_64 ? rip : (u32) rip);
}

X86_HANDLER (op_swapgs)
{
  u64 base = cpu->r[X86_SEGBASE + X86_GS];

  require_cpl0 (cpu, op);
  cpu->r[X86_SEGBASE + X86_GS] = cpu->msr.kernel_gs_base;
  cpu->msr.kernel_gs_base = base;
  X86_NEXT;
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

static gboolean
lower_64 (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return (lw->mode & X86_MODE_CODE64) && x86_lower_plain (lw, op, entry);
}

static gboolean
lower_invpcid (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_invpcid;
  return x86_lower_mem (lw, op, 1);
}

static gboolean
lower_memory (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  return x86_is_mem (lw, 0) && x86_lower_mem (lw, op, 0);
}

/* SYSRET and SYSEXIT go to 64-bit code with REX.W. */
static gboolean
lower_sysret (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = lw->insn.raw.rex.W ? 8 : 4;
  return x86_lower_plain (lw, op, entry);
}

#define FNS(name) static const X86OpFn fns_##name[] = { op_##name, NULL, NULL };
FNS (lgdt) FNS (lidt) FNS (sgdt) FNS (sidt) FNS (lldt) FNS (ltr) FNS (sldt) FNS (str) FNS (smsw) FNS (lmsw) FNS (clts)
FNS (lar) FNS (lsl) FNS (verr) FNS (verw) FNS (cli) FNS (pushf) FNS (popf) FNS (stac) FNS (clac) FNS (invlpg)
FNS (wbinvd) FNS (cpuid) FNS (rdtsc) FNS (rdtscp) FNS (rdpid) FNS (rdpmc) FNS (rdmsr) FNS (wrmsr) FNS (xgetbv)
FNS (xsetbv) FNS (hlt) FNS (syscall) FNS (sysret) FNS (sysenter) FNS (sysexit) FNS (swapgs) FNS (rdbase) FNS (wrbase)
static const X86OpFn fns_sti[] = { x86_op_sti };

const X86OpEntry x86_ops_system[] = {
  { ZYDIS_MNEMONIC_MOV, X86_FEAT_NONE, 0, lower_mov_system, NULL },
  { ZYDIS_MNEMONIC_POP, X86_FEAT_NONE, 0, lower_pop_sreg, NULL },
  { ZYDIS_MNEMONIC_LDS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LES, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LFS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LGS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LSS, X86_FEAT_NONE, 0, lower_load_far, NULL },
  { ZYDIS_MNEMONIC_LGDT, X86_FEAT_NONE, 0, lower_memory, fns_lgdt },
  { ZYDIS_MNEMONIC_LIDT, X86_FEAT_NONE, 0, lower_memory, fns_lidt },
  { ZYDIS_MNEMONIC_SGDT, X86_FEAT_NONE, 0, lower_memory, fns_sgdt },
  { ZYDIS_MNEMONIC_SIDT, X86_FEAT_NONE, 0, lower_memory, fns_sidt },
  { ZYDIS_MNEMONIC_LLDT, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_lldt },
  { ZYDIS_MNEMONIC_LTR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_ltr },
  { ZYDIS_MNEMONIC_SLDT, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_sldt },
  { ZYDIS_MNEMONIC_STR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_str },
  { ZYDIS_MNEMONIC_SMSW, X86_FEAT_NONE, 0, lower_one, fns_smsw },
  { ZYDIS_MNEMONIC_LMSW, X86_FEAT_NONE, X86_ENTRY_END, lower_one, fns_lmsw },
  { ZYDIS_MNEMONIC_CLTS, X86_FEAT_NONE, X86_ENTRY_END, x86_lower_plain, fns_clts },
  { ZYDIS_MNEMONIC_LAR, X86_FEAT_NONE, X86_ENTRY_PE, lower_lar, fns_lar },
  { ZYDIS_MNEMONIC_LSL, X86_FEAT_NONE, X86_ENTRY_PE, lower_lar, fns_lsl },
  { ZYDIS_MNEMONIC_VERR, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_verr },
  { ZYDIS_MNEMONIC_VERW, X86_FEAT_NONE, X86_ENTRY_PE, lower_one, fns_verw },
  { ZYDIS_MNEMONIC_ARPL, X86_FEAT_NONE, X86_ENTRY_PE, lower_arpl, NULL },
  { ZYDIS_MNEMONIC_CLI, X86_FEAT_NONE, 0, x86_lower_plain, fns_cli },
  { ZYDIS_MNEMONIC_STI, X86_FEAT_NONE, 0, x86_lower_plain, fns_sti },
  { ZYDIS_MNEMONIC_PUSHF, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_PUSHFD, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_PUSHFQ, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_POPF, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_POPFD, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_POPFQ, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_STAC, X86_FEAT_SMAP, 0, x86_lower_plain, fns_stac },
  { ZYDIS_MNEMONIC_CLAC, X86_FEAT_SMAP, 0, x86_lower_plain, fns_clac },
  { ZYDIS_MNEMONIC_INVLPG, X86_FEAT_NONE, X86_ENTRY_END, lower_memory, fns_invlpg },
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
  { ZYDIS_MNEMONIC_SYSCALL, X86_FEAT_SYSCALL, X86_ENTRY_END, x86_lower_plain, fns_syscall },
  { ZYDIS_MNEMONIC_SYSRET, X86_FEAT_SYSCALL, X86_ENTRY_END, lower_sysret, fns_sysret },
  { ZYDIS_MNEMONIC_SYSENTER, X86_FEAT_SEP, X86_ENTRY_END, x86_lower_plain, fns_sysenter },
  { ZYDIS_MNEMONIC_SYSEXIT, X86_FEAT_SEP, X86_ENTRY_END, lower_sysret, fns_sysexit },
  { ZYDIS_MNEMONIC_SWAPGS, X86_FEAT_LM, 0, lower_64, fns_swapgs },
  { ZYDIS_MNEMONIC_RDFSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_rdbase },
  { ZYDIS_MNEMONIC_RDGSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_rdbase },
  { ZYDIS_MNEMONIC_WRFSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_wrbase },
  { ZYDIS_MNEMONIC_WRGSBASE, X86_FEAT_FSGSBASE, 0, lower_base, fns_wrbase },
  { 0 }
};
