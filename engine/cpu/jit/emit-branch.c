/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where blocks end: branches, and the ways on to other blocks. */

#include "engine/cpu/jit/translation.h"

/* To @rip at @host in the block's page. @in_host: by the way that takes flags in the host's, if there is one there. */
static void
emit_near_edge (Translation *t, const uint8_t *host, uint64_t rip, gboolean in_host)
{
  Emit *e = t->e;
  JitEdge *edge;

  if (rip == t->rip)
    {
      if (in_host && t->host_start != NULL)
        emit_jump_to (e, t->host_start);
      else
        {
          if (in_host)
            jit_save_flags (t);
          emit_jump_to (e, t->start);
        }
      return;
    }
  edge = jit_alloc (t->jit, sizeof *edge);
  if (edge == NULL)
    {
      t->failed = TRUE;
      return;
    }
  *edge = (JitEdge) { .rip = rip, .host = host, .mode = t->block->mode };
  if (in_host)
    {
      edge->host_jump = emit_jump (e);
      jit_save_flags (t);
    }
  edge->jump = emit_jump (e);
  emit_constant (e, S2, (uint64_t) (uintptr_t) edge);
  emit_jump_to (e, jit_write (t->jit, t->jit->link));
}

static void
emit_far_edge (Translation *t, uint64_t rip)
{
  Emit *e = t->e;
  X86Jump *jump = x86_jump_entry (t->cpu, rip);

  jit_save_flags (t);
  emit_constant (e, S1, (uint64_t) (uintptr_t) jump);
  emit_constant (e, S2, rip);
  emit_store (e, jit_guest_mem (X86_RIP), S2);
  emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, MEM (S1, G_STRUCT_OFFSET (X86Jump, lin)));
  emit_jcc_to (e, CC_NZ, jit_write (t->jit, t->jit->lookup));
  if (t->is_global)
    emit_load (e, S2, STATE_FIELD (global_key));
  else
    emit_load (e, S2, STATE_FIELD (code_key));
  emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, MEM (S1, G_STRUCT_OFFSET (X86Jump, key)));
  emit_jcc_to (e, CC_NZ, jit_write (t->jit, t->jit->lookup));
  emit_rm (e, 0, FALSE, MAP_1, 0xff, 4, MEM (S1, G_STRUCT_OFFSET (X86Jump, native)));
}

void
jit_emit_leave (Translation *t, uint64_t rip)
{
  Emit *e = t->e;

  emit_constant (e, S2, rip);
  emit_store (e, jit_guest_mem (X86_RIP), S2);
  emit_jump_to (e, jit_write (t->jit, t->jit->leave));
}

void
jit_emit_exit (Translation *t, uint64_t rip)
{
  const uint8_t *host;

  if (!t->is_64)
    rip = (uint32_t) rip;
  host = jit_in_page (t, rip);
  if (!t->is_chained && rip != t->rip)
    {
      jit_save_flags (t);
      jit_emit_leave (t, rip);
    }
  else if (host == NULL)
    emit_far_edge (t, rip);
  else
    {
      gboolean live = jit_live_at (t, host, rip) != 0, in_host = live && t->in_host && t->jit->windows != NULL;

      if (live && !in_host)
        jit_save_flags (t);
      emit_near_edge (t, host, rip, in_host);
    }
}

uint64_t
jit_target_of (const Translation *t, const JitInsn *insn)
{
  uint64_t rip = insn->next_rip + (uint64_t) insn->opr[0].imm.value.s;

  return t->is_64 ? rip : insn->z.operand_width == 16 ? (uint16_t) rip : (uint32_t) rip;
}

void
jit_emit_jcc (Translation *t, const JitInsn *insn)
{
  gboolean in_state;
  uint8_t *taken;

  jit_need_flags (t);
  in_state = t->in_state;
  taken = emit_jcc (t->e, insn->z.opcode & 15);
  jit_emit_exit (t, insn->next_rip);
  if (!t->e->is_full)
    emit_patch (taken, t->e->at);
  t->in_state = in_state;
  jit_emit_exit (t, jit_target_of (t, insn));
}

/* Jumps to the instruction pointer in S1. */
static void
emit_indirect (Translation *t)
{
  emit_jump_to (t->e, jit_write (t->jit, t->jit->indirect));
}

/* Calls go back into the translation when the slow path has pushed; then only the jump is left. */
void
jit_emit_call (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  jit_save_flags (t);
  slow = jit_begin_push (t, insn);
  jit_store_constant (t, slow, insn->next_rip);
  jit_move_stack (t, -jit_stack_step (t));
  jit_end_lookup (t, slow);
  jit_emit_exit (t, jit_target_of (t, insn));
}

/* The target of an indirect branch into S1. */
static JitSlow *
load_target (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = NULL;

  if (insn->mem >= 0)
    {
      slow = jit_emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);
      emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
      slow->end = t->e->at;
    }
  else
    {
      unsigned host = jit_load_register (t, jit_guest_of (insn->opr[0].reg.value), S1);

      emit_rr (t->e, 0, t->is_64, MAP_1, 0x89, host, S1);
    }
  return slow;
}

void
jit_emit_jump_indirect (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  jit_save_flags (t);
  slow = load_target (t, insn);
  if (slow != NULL)
    jit_end_lookup (t, slow);
  emit_indirect (t);
}

void
jit_emit_call_indirect (Translation *t, const JitInsn *insn)
{
  JitSlow *slow, *push;

  jit_save_flags (t);
  slow = load_target (t, insn);
  emit_store (t->e, STATE_FIELD (jit_target), S1);
  push = jit_emit_lookup (t, insn, MEM (GUEST_RSP, -jit_stack_step (t)), (unsigned) jit_stack_step (t), X86_ACCESS_WRITE, 0);
  jit_store_constant (t, push, insn->next_rip);
  push->end = t->e->at;
  jit_move_stack (t, -jit_stack_step (t));
  emit_load (t->e, S1, STATE_FIELD (jit_target));
  jit_end_lookup (t, push);
  if (slow != NULL)
    jit_end_lookup (t, slow);
  emit_indirect (t);
}

void
jit_emit_return (Translation *t, const JitInsn *insn)
{
  int32_t release = insn->z.raw.imm[0].size != 0 ? (int32_t) (insn->z.raw.imm[0].value.u & 0xffff) : 0;
  JitSlow *slow;

  jit_save_flags (t);
  slow = jit_emit_lookup (t, insn, MEM (GUEST_RSP, 0), (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = t->e->at;
  jit_move_stack (t, jit_stack_step (t) + release);
  jit_end_lookup (t, slow);
  emit_indirect (t);
}

/* In the interpreter, with the op that stands for @insn in the block. */
void
jit_emit_tail (Translation *t, const JitInsn *insn)
{
  const X86Op *op = &t->block->ops[insn - t->insns];

  jit_save_flags (t);
  emit_constant (t->e, S2, t->rip);
  emit_store (t->e, jit_guest_mem (X86_RIP), S2);
  emit_constant (t->e, S2, (uint64_t) (uintptr_t) op);
  emit_jump_to (t->e, jit_write (t->jit, t->jit->leave_to_op));
}
