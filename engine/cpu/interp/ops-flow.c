/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Branches, calls, returns, software interrupts, and how blocks end.
 * Specification: Intel SDM volume 2; volume 1, chapter 6.
 */

#include "engine/cpu/interp/alu.h"
#include "engine/cpu/interp/branch.h"

/* Branch ops carry in imm64 the target's offset from the block's start, and in size the operand size: 2 and 4 truncate
 * the instruction pointer. */

static inline uint64_t
truncate_rip (uint64_t rip, unsigned size)
{
  return size == 2 ? (u16) rip : size == 4 ? (u32) rip : rip;
}

/* A near branch out of the code segment faults at the branch. */
static inline void
check_target (X86Cpu *cpu, const X86Op *op, uint64_t rip)
{
  if (cpu->mode & X86_MODE_CODE64)
    {
      if (X86_UNLIKELY (!x86_is_canonical (rip)))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
    }
  else if (X86_UNLIKELY (rip > cpu->seg[X86_CS].limit))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

const X86Op *
x86_end_block (X86Cpu *cpu, const X86Op *op)
{
  cpu->r[X86_RIP] = x86_next_rip (cpu, op);
  cpu->retired += op->n;
  return NULL;
}

/* --- JMP --- */

X86_HANDLER (op_jmp_linked) { X86_BRANCH_LINKED (op, TRUE); }

X86_HANDLER (op_jmp_near)
{
  u64 rip = truncate_rip (cpu->r[X86_RIP] + op->imm64, op->size);

  check_target (cpu, op, rip);
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

static inline uint64_t
indirect (X86Cpu *cpu, const X86Op *op)
{
  if (op->aux)
    return x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size);
  return x86_reg_get (cpu, op->src, op->size);
}

X86_HANDLER (op_jmp_indirect)
{
  u64 rip = indirect (cpu, op);

  check_target (cpu, op, rip);
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

/* The fall-through of a block that ends without a branch. */
X86_HANDLER (op_next_linked) { X86_BRANCH_LINKED (op, FALSE); }

X86_HANDLER (op_next_near)
{
  cpu->r[X86_RIP] = x86_next_rip (cpu, op);
  X86_BRANCH_ANYWHERE (op->n);
}

/* --- Jcc --- */

#define DEFINE_JCC(cc)                                                                                                  \
  X86_HANDLER (op_jcc_linked_##cc) { X86_BRANCH_LINKED (op, x86_condition (cpu, cc)); }
DEFINE_JCC (0)
DEFINE_JCC (1)
DEFINE_JCC (2)
DEFINE_JCC (3)
DEFINE_JCC (4)
DEFINE_JCC (5)
DEFINE_JCC (6)
DEFINE_JCC (7)
DEFINE_JCC (8)
DEFINE_JCC (9)
DEFINE_JCC (10)
DEFINE_JCC (11)
DEFINE_JCC (12)
DEFINE_JCC (13)
DEFINE_JCC (14)
DEFINE_JCC (15)
static const X86OpFn jcc_linked[16] = {
  op_jcc_linked_0, op_jcc_linked_1, op_jcc_linked_2, op_jcc_linked_3, op_jcc_linked_4, op_jcc_linked_5,
  op_jcc_linked_6, op_jcc_linked_7, op_jcc_linked_8, op_jcc_linked_9, op_jcc_linked_10, op_jcc_linked_11,
  op_jcc_linked_12, op_jcc_linked_13, op_jcc_linked_14, op_jcc_linked_15
};

X86_HANDLER (op_jcc_near)
{
  u64 rip = x86_next_rip (cpu, op);

  if (x86_condition (cpu, op->aux))
    {
      rip = truncate_rip (cpu->r[X86_RIP] + op->imm64, op->size);
      check_target (cpu, op, rip);
    }
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

/* --- LOOPcc, JCXZ: op->aux is the kind, op->asize the width of the counter --- */

enum { LOOP, LOOPE, LOOPNE, JCXZ };

X86_HANDLER (op_loop)
{
  u64 count = x86_reg_get (cpu, X86_RCX, op->asize), rip = x86_next_rip (cpu, op);
  gboolean taken;

  if (op->aux == JCXZ)
    taken = count == 0;
  else
    {
      count = truncate_rip (count - 1, op->asize);
      taken = count != 0 && (op->aux == LOOP || x86_get_zf (cpu) == (op->aux == LOOPE));
    }
  if (taken)
    {
      rip = truncate_rip (cpu->r[X86_RIP] + op->imm64, op->size);
      check_target (cpu, op, rip);
    }
  if (op->aux != JCXZ)
    x86_reg_set (cpu, X86_RCX, op->asize, count);
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

/* --- CALL, RET --- */

X86_HANDLER (op_call64)
{
  u64 rsp = cpu->r[X86_RSP] - 8, next = cpu->r[X86_RIP] + op->next, rip = cpu->r[X86_RIP] + op->imm64;

  check_target (cpu, op, rip);
  x86_st64 (cpu, op, rsp, next);
  cpu->r[X86_RSP] = rsp;
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

X86_HANDLER (op_call64_indirect)
{
  u64 rip = indirect (cpu, op), rsp = cpu->r[X86_RSP] - 8, next = cpu->r[X86_RIP] + op->next;

  check_target (cpu, op, rip);
  x86_st64 (cpu, op, rsp, next);
  cpu->r[X86_RSP] = rsp;
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

X86_HANDLER (op_ret64)
{
  u64 rip = x86_ld64 (cpu, op, cpu->r[X86_RSP]);

  check_target (cpu, op, rip);
  cpu->r[X86_RSP] += 8 + (u16) op->imm;
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

/* 16- and 32-bit code, any stack. */
static G_GNUC_NO_INLINE void
call_to (X86Cpu *cpu, const X86Op *op, uint64_t rip)
{
  X86Stack stack;

  check_target (cpu, op, rip);
  x86_stack_current (cpu, op, &stack);
  x86_stack_push (&stack, op->size, x86_next_rip (cpu, op));
  x86_stack_commit (&stack);
  cpu->r[X86_RIP] = rip;
}

X86_HANDLER (op_call)
{
  call_to (cpu, op, truncate_rip (cpu->r[X86_RIP] + op->imm64, op->size));
  X86_BRANCH_ANYWHERE (op->n);
}

X86_HANDLER (op_call_indirect)
{
  call_to (cpu, op, indirect (cpu, op));
  X86_BRANCH_ANYWHERE (op->n);
}

static G_GNUC_NO_INLINE void
return_near (X86Cpu *cpu, const X86Op *op)
{
  X86Stack stack;
  u64 rip;

  x86_stack_current (cpu, op, &stack);
  rip = x86_stack_pop (&stack, op->size);
  check_target (cpu, op, rip);
  stack.sp += (u16) op->imm;
  x86_stack_commit (&stack);
  cpu->r[X86_RIP] = rip;
}

X86_HANDLER (op_ret)
{
  return_near (cpu, op);
  X86_BRANCH_ANYWHERE (op->n);
}

/* Flat 32-bit forms. */
X86_HANDLER (op_call32)
{
  u32 esp = (u32) cpu->r[X86_RSP] - 4, rip = (u32) (cpu->r[X86_RIP] + op->imm64);

  x86_st32 (cpu, op, (u32) (esp + cpu->r[X86_SEGBASE + X86_SS]), (u32) (cpu->r[X86_RIP] + op->next));
  cpu->r[X86_RSP] = esp;
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

X86_HANDLER (op_ret32)
{
  u32 esp = (u32) cpu->r[X86_RSP], rip = x86_ld32 (cpu, op, (u32) (esp + cpu->r[X86_SEGBASE + X86_SS]));

  cpu->r[X86_RSP] = (u32) (esp + 4 + (u16) op->imm);
  cpu->r[X86_RIP] = rip;
  X86_BRANCH_ANYWHERE (op->n);
}

/* --- Far transfers: they leave to the run loop --- */

X86_HANDLER (op_far_pointer)
{
  uint16_t sel = (uint16_t) op->disp;

  if (op->aux)
    x86_far_call (cpu, op, sel, (u32) op->imm, op->size);
  else
    x86_far_jump (cpu, op, sel, (u32) op->imm, op->size);
  cpu->retired += op->n;
  X86_LEAVE;
}

X86_HANDLER (op_far_memory)
{
  u64 lin = x86_ea (cpu, op, op->size + 2u, X86_ACCESS_READ), offset = x86_mem_get (cpu, op, lin, op->size);
  uint16_t sel = x86_ld16 (cpu, op, lin + op->size);

  if (op->aux)
    x86_far_call (cpu, op, sel, offset, op->size);
  else
    x86_far_jump (cpu, op, sel, offset, op->size);
  cpu->retired += op->n;
  X86_LEAVE;
}

X86_HANDLER (op_ret_far)
{
  x86_far_ret (cpu, op, op->size, (u16) op->imm);
  cpu->retired += op->n;
  X86_LEAVE;
}

X86_HANDLER (op_iret)
{
  x86_iret (cpu, op, op->size);
  cpu->retired += op->n;
  X86_LEAVE;
}

/* --- Software interrupts --- */

X86_HANDLER (op_int)
{
  x86_software_interrupt (cpu, op, (uint8_t) op->imm, x86_next_rip (cpu, op));
  cpu->retired += op->n;
  X86_LEAVE;
}

X86_HANDLER (op_into)
{
  if (!x86_get_of (cpu))
    X86_NEXT;
  x86_software_interrupt (cpu, op, X86_EXC_OF, x86_next_rip (cpu, op));
  cpu->retired += op->n;
  X86_LEAVE;
}

X86_HANDLER (op_bound)
{
  unsigned size = op->size;
  /* Two operands, one after the other. */
  u64 lin = x86_ea (cpu, op, size, X86_ACCESS_READ), offset = (u32) (lin - cpu->r[X86_SEGBASE + op->segno]);
  s64 low = x86_sext (x86_mem_get (cpu, op, lin, size), size);
  u64 second = x86_seg_linear (cpu, op, op->segno, offset + size, size, X86_ACCESS_READ);
  s64 high = x86_sext (x86_mem_get (cpu, op, second, size), size);
  s64 index = x86_sext (cpu->r[op->dst], size);

  if (index < low || index > high)
    x86_raise (cpu, op, X86_EXC_BR);
  X86_NEXT;
}

/* --- Lowering --- */

/* The target's offset from the block's start. */
static uint64_t
target_offset (const X86Lower *lw, const X86Op *op)
{
  return op->next + (uint64_t) lw->opr[0].imm.value.s;
}

/* Near branches: 64-bit mode ignores the operand-size prefix. */
static void
set_branch_size (const X86Lower *lw, X86Op *op)
{
  if (lw->mode & X86_MODE_CODE64)
    op->size = 8;
}

static gboolean
lower_jmp (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  lw->end = TRUE;
  if (lw->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
    {
      op->aux = lw->insn.mnemonic == ZYDIS_MNEMONIC_CALL;
      if (x86_is_mem (lw, 0))
        {
          op->fn = op_far_memory;
          return x86_lower_mem (lw, op, 0);
        }
      op->imm = (int32_t) lw->opr[0].ptr.offset;
      op->disp = lw->opr[0].ptr.segment;
      op->fn = op_far_pointer;
      return lw->opr[0].type == ZYDIS_OPERAND_TYPE_POINTER;
    }
  set_branch_size (lw, op);
  if (x86_is_imm (lw, 0))
    {
      op->imm64 = target_offset (lw, op);
      op->fn = entry->fns[0];
      return TRUE;
    }
  op->fn = entry->fns[1];
  op->aux = x86_is_mem (lw, 0);
  if (op->aux)
    return x86_lower_mem (lw, op, 0);
  op->src = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

static gboolean
lower_call (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!lower_jmp (lw, op, entry))
    return FALSE;
  if (lw->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || (lw->mode & X86_MODE_ALIGN))
    return TRUE;
  if (lw->mode & X86_MODE_CODE64)
    op->fn = op->fn == op_call ? op_call64 : op_call64_indirect;
  else if (op->fn == op_call && op->size == 4 && (lw->mode & X86_MODE_CODE_MASK) == X86_MODE_CODE32
           && (lw->mode & X86_MODE_FLAT) && (lw->mode & X86_MODE_STACK32) && (lw->mode & X86_MODE_CSFLAT))
    op->fn = op_call32;
  if (!op->aux || op->fn == op_call || op->fn == op_call32)
    op->segno = X86_SS;
  return TRUE;
}

static gboolean
lower_jcc (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  lw->end = TRUE;
  set_branch_size (lw, op);
  op->imm64 = target_offset (lw, op);
  op->aux = lw->insn.opcode & 15;
  op->fn = op_jcc_near;
  return TRUE;
}

static gboolean
lower_loop (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  lw->end = TRUE;
  set_branch_size (lw, op);
  op->imm64 = target_offset (lw, op);
  op->fn = op_loop;
  switch (lw->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_LOOP: op->aux = LOOP; break;
    case ZYDIS_MNEMONIC_LOOPE: op->aux = LOOPE; break;
    case ZYDIS_MNEMONIC_LOOPNE: op->aux = LOOPNE; break;
    default: op->aux = JCXZ; break;
    }
  return TRUE;
}

static gboolean
lower_ret (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  lw->end = TRUE;
  op->segno = X86_SS;
  op->imm = x86_is_imm (lw, 0) ? (int32_t) (lw->opr[0].imm.value.u & 0xffff) : 0;
  if (lw->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
    {
      op->fn = op_ret_far;
      return TRUE;
    }
  set_branch_size (lw, op);
  op->fn = op_ret;
  if (lw->mode & X86_MODE_ALIGN)
    return TRUE;
  if (lw->mode & X86_MODE_CODE64)
    op->fn = op_ret64;
  else if (op->size == 4 && (lw->mode & X86_MODE_CODE_MASK) == X86_MODE_CODE32 && (lw->mode & X86_MODE_FLAT)
           && (lw->mode & X86_MODE_STACK32) && (lw->mode & X86_MODE_CSFLAT))
    op->fn = op_ret32;
  return TRUE;
}

static gboolean
lower_int (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  switch (lw->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_INT3: op->imm = X86_EXC_BP; break;
    case ZYDIS_MNEMONIC_INT1: op->imm = X86_EXC_DB; break;
    default: op->imm = x86_is_imm (lw, 0) ? (int32_t) (lw->opr[0].imm.value.u & 0xff) : X86_EXC_OF; break;
    }
  op->aux = lw->insn.mnemonic != ZYDIS_MNEMONIC_INT;
  lw->end = lw->insn.mnemonic != ZYDIS_MNEMONIC_INTO;
  return TRUE;
}

static gboolean
lower_iret (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = lw->insn.mnemonic == ZYDIS_MNEMONIC_IRETQ ? 8 : lw->insn.mnemonic == ZYDIS_MNEMONIC_IRETD ? 4 : 2;
  op->segno = X86_SS;
  return x86_lower_plain (lw, op, entry);
}

static gboolean
lower_bound (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_bound;
  return x86_lower_mem (lw, op, 1);
}

/* --- Completing a block --- */

static gboolean
is_conditional (const X86Op *op)
{
  return op->fn == op_jcc_near;
}

unsigned
x86_finish_block (X86Cpu *cpu, const uint8_t *bytes, gboolean in_page, uint32_t mode, gboolean ended, X86Op *ops,
                  unsigned count)
{
  X86Op *last = &ops[count - 1];
  /* Links hold where code and target stay in one page and the instruction pointer needs no check. */
  gboolean may_link = in_page && (mode & X86_MODE_CSFLAT) && !(mode & X86_MODE_STEP)
                      && (mode & X86_MODE_CODE_MASK) != X86_MODE_CODE16;
  unsigned width = (mode & X86_MODE_CODE_MASK) == X86_MODE_CODE64   ? 8
                   : (mode & X86_MODE_CODE_MASK) == X86_MODE_CODE32 ? 4
                                                                    : 2;
  uint64_t start = (uintptr_t) bytes & 0xfff;

  if (!ended)
    {
      uint16_t next = last->next;
      uint8_t n = last->n;

      /* Interrupts would come too early if the block were left right after STI. */
      if (last->fn == x86_op_sti)
        last->fn = x86_op_sti_shadow;
      last = &ops[count++];
      *last = (X86Op) { .next = next, .n = n, .size = (uint8_t) width, .base = X86_ZERO, .index = X86_ZERO,
                        .seg = X86_ZERO, .fn = op_next_near };
      if (may_link && start + next < GUEST_PAGE_SIZE)
        {
          last->fn = op_next_linked;
          memset (&ops[count++], 0, sizeof (X86Op));
        }
      return count;
    }

  if ((last->fn == op_jmp_near || is_conditional (last)) && may_link && last->size == width
      && start + last->imm64 < GUEST_PAGE_SIZE && (last->fn == op_jmp_near || start + last->next < GUEST_PAGE_SIZE))
    {
      if (is_conditional (last))
        {
          X86OpFn fused = count > 1 ? x86_fused_handler (ops[count - 2].fn, last->aux) : NULL;

          last->fn = jcc_linked[last->aux];
          if (fused != NULL)
            ops[count - 2].fn = fused;
        }
      else
        last->fn = op_jmp_linked;
      memset (&ops[count++], 0, sizeof (X86Op));
    }
  return count;
}

static const X86OpFn fns_jmp[] = { op_jmp_near, op_jmp_indirect }, fns_call[] = { op_call, op_call_indirect },
                     fns_iret[] = { op_iret }, fns_int[] = { op_int }, fns_into[] = { op_into };

const X86OpEntry x86_ops_flow[] = {
  { ZYDIS_MNEMONIC_JMP, X86_FEAT_NONE, 0, lower_jmp, fns_jmp },
  { ZYDIS_MNEMONIC_CALL, X86_FEAT_NONE, 0, lower_call, fns_call },
#define JCC(cc) { ZYDIS_MNEMONIC_J##cc, X86_FEAT_NONE, 0, lower_jcc, NULL },
#define ALL_CONDITIONS(m) m (O) m (NO) m (B) m (NB) m (Z) m (NZ) m (BE) m (NBE) m (S) m (NS) m (P) m (NP) m (L) m (NL) m (LE) m (NLE)
  ALL_CONDITIONS (JCC)
  { ZYDIS_MNEMONIC_LOOP, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_LOOPE, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_LOOPNE, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_JCXZ, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_JECXZ, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_JRCXZ, X86_FEAT_NONE, 0, lower_loop, NULL },
  { ZYDIS_MNEMONIC_RET, X86_FEAT_NONE, 0, lower_ret, NULL },
  { ZYDIS_MNEMONIC_IRET, X86_FEAT_NONE, X86_ENTRY_END, lower_iret, fns_iret },
  { ZYDIS_MNEMONIC_IRETD, X86_FEAT_NONE, X86_ENTRY_END, lower_iret, fns_iret },
  { ZYDIS_MNEMONIC_IRETQ, X86_FEAT_NONE, X86_ENTRY_END, lower_iret, fns_iret },
  { ZYDIS_MNEMONIC_INT, X86_FEAT_NONE, 0, lower_int, fns_int },
  { ZYDIS_MNEMONIC_INT3, X86_FEAT_NONE, 0, lower_int, fns_int },
  { ZYDIS_MNEMONIC_INT1, X86_FEAT_NONE, 0, lower_int, fns_int },
  { ZYDIS_MNEMONIC_INTO, X86_FEAT_NONE, 0, lower_int, fns_into },
  { ZYDIS_MNEMONIC_BOUND, X86_FEAT_NONE, 0, lower_bound, NULL },
  { 0 }
};
