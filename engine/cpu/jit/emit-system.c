/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What kernels do all the time: the interrupt flag, access to user pages, the stack, and divisions, which may fault. */

#include "engine/cpu/jit/translation.h"

static gboolean
is_kernel (const Translation *t)
{
  return (t->block->mode & X86_MODE_CPL0) != 0;
}

JitKind
jit_system_kind (const Translation *t, const JitInsn *insn)
{
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
      return t->has_flat_stack && insn->z.operand_width == (t->is_64 ? 64 : 32) ? KIND_PUSH_FLAGS : KIND_SITE;
    case ZYDIS_MNEMONIC_MOV:
      return insn->opr[0].type == ZYDIS_OPERAND_TYPE_REGISTER && insn->opr[0].size >= 32
                 && insn->opr[1].type == ZYDIS_OPERAND_TYPE_REGISTER
                 && ZydisRegisterGetClass (insn->opr[1].reg.value) == ZYDIS_REGCLASS_SEGMENT
               ? KIND_STORE_SELECTOR : KIND_SITE;
    case ZYDIS_MNEMONIC_CLI: return is_kernel (t) ? KIND_CLI : KIND_SITE;
    case ZYDIS_MNEMONIC_STI: return is_kernel (t) ? KIND_STI : KIND_TAIL;
    case ZYDIS_MNEMONIC_STAC: return is_kernel (t) ? KIND_STAC : KIND_SITE;
    case ZYDIS_MNEMONIC_CLAC: return is_kernel (t) ? KIND_CLAC : KIND_SITE;
    case ZYDIS_MNEMONIC_SWAPGS: return is_kernel (t) && t->is_64 ? KIND_SWAPGS : KIND_SITE;
    default: return KIND_SITE;
    }
}

/* The host's flags are going to be lost. */
static void
give_up_flags (Translation *t, const JitInsn *insn)
{
  if (jit_needed_before (insn))
    jit_save_flags (t);
  t->in_host = FALSE;
}

static void
set_eflag (Translation *t, uint32_t flag)
{
  emit_rm (t->e, 0, FALSE, MAP_1, 0x81, 1, STATE_FIELD (eflags)); /* OR */
  emit32 (t->e, flag);
}

static void
clear_eflag (Translation *t, uint32_t flag)
{
  emit_rm (t->e, 0, FALSE, MAP_1, 0x81, 4, STATE_FIELD (eflags)); /* AND */
  emit32 (t->e, ~flag);
}

/* Nothing that is raised after the look is taken before the block ends. */
static void
emit_sti (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  uint8_t *quiet;

  give_up_flags (t, insn);
  emit_rm (e, 0, FALSE, MAP_1, 0x83, 7, STATE_FIELD (pending)); /* CMP */
  emit8 (e, 0);
  quiet = emit_jcc (e, CC_Z);
  if (insn == t->insns)
    jit_emit_skip (t);
  jit_emit_tail (t, insn);
  if (!e->is_full)
    emit_patch (quiet, e->at);
  set_eflag (t, X86_FLAG_IF);
}

static void
use_tlb (Translation *t, unsigned mmu)
{
  Emit *e = t->e;

  emit_rm (e, 0, FALSE, MAP_1, 0xc6, 0, STATE_FIELD (mmu_index));
  emit8 (e, mmu);
  emit_load (e, S2, STATE_FIELD (tlbs));
  emit_lea (e, TRUE, S2, MEM (S2, (int32_t) (mmu * X86_TLB_SIZE * sizeof (X86TlbEntry))));
  emit_store (e, STATE_FIELD (tlb), S2);
}

static void
emit_access_control (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  uint8_t *without;

  give_up_flags (t, insn);
  if (insn->kind == KIND_CLAC)
    {
      clear_eflag (t, X86_FLAG_AC);
      use_tlb (t, X86_MMU_KERNEL);
      return;
    }
  set_eflag (t, X86_FLAG_AC);
  emit_rm (e, 0, FALSE, MAP_1, 0xf7, 0, STATE_FIELD (cr4)); /* TEST */
  emit32 (e, X86_CR4_SMAP);
  without = emit_jcc (e, CC_Z);
  use_tlb (t, X86_MMU_KERNEL_AC);
  if (!e->is_full)
    emit_patch (without, e->at);
}

static void
emit_swapgs (Translation *t)
{
  Emit *e = t->e;

  emit_load (e, S1, jit_guest_mem (X86_SEGBASE + X86_GS));
  emit_load (e, S2, STATE_FIELD (msr.kernel_gs_base));
  emit_store (e, STATE_FIELD (msr.kernel_gs_base), S1);
  emit_store (e, jit_guest_mem (X86_SEGBASE + X86_GS), S2);
}

/* Pushes what is in jit_target. */
static void
push_saved (Translation *t, const JitInsn *insn)
{
  JitSlow *push = jit_begin_push (t, insn);

  jit_settle_address (t, push);
  emit_load (t->e, S2, STATE_FIELD (jit_target));
  jit_store_wide (t, push, S2);
  push->end = t->e->at;
  jit_move_stack (t, -jit_stack_step (t));
  jit_end_lookup (t, push);
}

static void
emit_push_mem (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  JitSlow *slow = jit_emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);

  emit_rm (e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = e->at;
  emit_store (e, STATE_FIELD (jit_target), S1);
  push_saved (t, insn);
  jit_end_lookup (t, slow);
}

static void
emit_push_flags (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;

  jit_need_flags (t);
  jit_save_flags (t);
  emit_move (e, S1, RSP);
  emit_load (e, RSP, STATE_FIELD (jit_stack));
  emit8 (e, 0x9c); /* PUSHFQ */
  emit_pop (e, S2);
  emit_move (e, RSP, S1);
  emit_alu_imm (e, FALSE, 4, S2, ARITH);
  emit_rm (e, 0, FALSE, MAP_1, 0x0b, S2, STATE_FIELD (eflags)); /* OR */
  emit_alu_imm (e, FALSE, 1, S2, X86_FLAG_ONE);
  emit_alu_imm (e, FALSE, 4, S2, ~(int32_t) (X86_FLAG_VM | X86_FLAG_RF));
  emit_store (e, STATE_FIELD (jit_target), S2);
  t->in_host = FALSE;
  push_saved (t, insn);
}

/* The host divides, and where it faults, the interpreter raises what it should. */
static void
emit_divide (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  const ZydisDecodedOperand *o = &insn->opr[0];
  unsigned size = o->size / 8u, divisor = S1, rex = insn->z.operand_width == 64 ? 0x48 : 0;
  JitSlow *slow = NULL, *fault;

  if (insn->mem >= 0)
    {
      slow = jit_emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, size, X86_ACCESS_READ, 0);
      emit_rm (e, size == 2 ? 0x66 : 0, size == 8, MAP_1, size == 1 ? 0x8a : 0x8b, S1, slow->at);
      slow->end = e->at;
    }
  else if (o->reg.value >= ZYDIS_REGISTER_AH && o->reg.value <= ZYDIS_REGISTER_BH)
    divisor = (unsigned) (o->reg.value - ZYDIS_REGISTER_AH) + 4;
  else
    {
      divisor = jit_load_register (t, jit_guest_of (o->reg.value), S1);
      rex |= size == 1 ? 0x40 : 0;
    }
  fault = jit_begin_fault (t, insn);
  emit_opcode (e, size == 2 ? 0x66 : 0, rex, MAP_1, size == 1 ? 0xf6 : 0xf7, NO_REG, NO_REG, divisor);
  emit8 (e, 0xc0 | (insn->z.mnemonic == ZYDIS_MNEMONIC_DIV ? 6 : 7) << 3 | (divisor & 7));
  fault->end = e->at;
  t->in_host = TRUE;
  t->in_state = FALSE;
  jit_end_lookup (t, fault);
  if (slow != NULL)
    jit_end_lookup (t, slow);
}

static void
emit_store_selector (Translation *t, const JitInsn *insn)
{
  unsigned guest = jit_guest_of (insn->opr[0].reg.value), host = jit_begin_register (guest);
  unsigned seg = (unsigned) (insn->opr[1].reg.value - ZYDIS_REGISTER_ES);

  emit_rm (t->e, 0, FALSE, MAP_0F, 0xb7, host,
           MEM (STATE, (int32_t) (G_STRUCT_OFFSET (X86Cpu, seg) + seg * sizeof (X86Seg) + G_STRUCT_OFFSET (X86Seg, sel))));
  jit_finish_register (t, guest, host);
}

void
jit_emit_system (Translation *t, const JitInsn *insn)
{
  switch (insn->kind)
    {
    case KIND_PUSH_MEM: emit_push_mem (t, insn); break;
    case KIND_PUSH_FLAGS: emit_push_flags (t, insn); break;
    case KIND_DIVIDE: emit_divide (t, insn); break;
    case KIND_STORE_SELECTOR: emit_store_selector (t, insn); break;
    case KIND_STI: emit_sti (t, insn); break;
    case KIND_STAC:
    case KIND_CLAC: emit_access_control (t, insn); break;
    case KIND_SWAPGS: emit_swapgs (t); break;
    default: /* KIND_CLI */
      give_up_flags (t, insn);
      clear_eflag (t, X86_FLAG_IF);
      break;
    }
}
