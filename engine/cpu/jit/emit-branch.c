/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where blocks end: branches, and the ways on to other blocks. */

#include "engine/cpu/jit/translation.h"

/* To @rip at @host in the block's page, by the jump that has its displacement at @jump. @in_host: by the way that takes flags
 * in the host's, if there is one there. */
static void
link_near (Translation *t, const uint8_t *host, uint64_t rip, gboolean in_host, uint8_t *jump)
{
  JitStub *stub = &t->stubs[t->stub_count];

  if (rip == t->rip && (!in_host || t->host_start != NULL))
    {
      if (!t->e->is_full)
        emit_patch (jump, in_host ? t->host_start : t->start);
      return;
    }
  g_assert (t->stub_count < G_N_ELEMENTS (t->stubs));
  *stub = (JitStub) { .edge = jit_alloc (t->jit, sizeof *stub->edge), .jump = jump, .in_host = in_host };
  if (stub->edge == NULL)
    {
      t->failed = TRUE;
      return;
    }
  t->stub_count++;
  *stub->edge = (JitEdge) { .rip = rip, .host = host, .mode = t->block->mode };
}

void
jit_emit_stubs (Translation *t)
{
  Emit *e = t->e;

  for (unsigned i = 0; i < t->stub_count && !e->is_full; i++)
    {
      JitStub *stub = &t->stubs[i];

      emit_patch (stub->jump, e->at);
      if (stub->in_host)
        {
          jit_store_flags (t);
          stub->edge->host_jump = stub->jump;
          stub->edge->jump = emit_jump (e);
        }
      else
        stub->edge->jump = stub->jump;
      emit_constant (e, S2, (uint64_t) (uintptr_t) stub->edge);
      emit_jump_to (e, jit_write (t->jit, t->jit->link));
    }
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

/* Whether a jump can lead to @rip as the flags are now, at *@host in the block's page. @in_host: by the way that takes them in
 * the host's. */
static gboolean
is_near (Translation *t, uint64_t rip, const uint8_t **host, gboolean *in_host)
{
  *host = t->is_chained || rip == t->rip ? jit_in_page (t, rip) : NULL;
  *in_host = FALSE;
  if (*host == NULL)
    return FALSE;
  if (jit_live_at (t, *host, rip) == 0)
    return TRUE;
  *in_host = t->in_host && t->jit->windows != NULL && (rip != t->rip || t->host_start != NULL);
  return *in_host || !t->in_host || t->in_state;
}

void
jit_emit_exit (Translation *t, uint64_t rip)
{
  const uint8_t *host;
  gboolean in_host;

  if (!t->is_64)
    rip = (uint32_t) rip;
  if (!is_near (t, rip, &host, &in_host))
    jit_save_flags (t);
  if (!t->is_chained && rip != t->rip)
    jit_emit_leave (t, rip);
  else if (host == NULL)
    emit_far_edge (t, rip);
  else
    link_near (t, host, rip, in_host, emit_jump (t->e));
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
  uint64_t target = jit_target_of (t, insn);
  const uint8_t *host;
  gboolean in_state, in_host;
  uint8_t *taken;

  jit_need_flags (t);
  in_state = t->in_state;
  taken = emit_jcc (t->e, insn->z.opcode & 15);
  if (is_near (t, target, &host, &in_host))
    {
      link_near (t, host, target, in_host, taken);
      jit_emit_exit (t, insn->next_rip);
      return;
    }
  jit_emit_exit (t, insn->next_rip);
  if (!t->e->is_full)
    emit_patch (taken, t->e->at);
  t->in_state = in_state;
  jit_emit_exit (t, target);
}

/* Jumps to the instruction pointer in S1. */
static void
emit_indirect (Translation *t)
{
  emit_jump_to (t->e, jit_write (t->jit, t->jit->indirect));
}

static EmitMem
last_return (void)
{
  return (EmitMem) { .base = STATE, .index = S2, .scale = 2, .disp = (int32_t) G_STRUCT_OFFSET (X86Cpu, jit_returns) };
}

/* Remembers that a call returns to @rip. Uses S2; the host's flags are lost. */
static void
push_return (Translation *t, uint64_t rip)
{
  Emit *e = t->e;

  t->in_host = FALSE;
  emit_rm (e, 0, FALSE, MAP_1, 0xfe, 0, STATE_FIELD (jit_return_top)); /* INC */
  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, S2, STATE_FIELD (jit_return_top)); /* MOVZX */
  emit_rm (e, 0, FALSE, MAP_1, 0xc7, 0, last_return ());
  emit32 (e, (uint32_t) ((uintptr_t) x86_jump_entry (t->cpu, t->is_64 ? rip : (uint32_t) rip) - (uintptr_t) t->cpu->jumps));
}

/* To the instruction pointer in S1, which most likely is the one that was remembered last. */
static void
emit_return_jump (Translation *t)
{
  Emit *e = t->e;

  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, S2, STATE_FIELD (jit_return_top)); /* MOVZX */
  emit_rm (e, 0, FALSE, MAP_1, 0xfe, 1, STATE_FIELD (jit_return_top)); /* DEC */
  emit_load32 (e, S2, last_return ());
  emit_rm (e, 0, TRUE, MAP_1, 0x03, S2, STATE_FIELD (jumps));
  emit_rm (e, 0, TRUE, MAP_1, 0x39, S1, MEM (S2, G_STRUCT_OFFSET (X86Jump, lin)));
  emit_jcc_to (e, CC_NZ, jit_write (t->jit, t->jit->indirect));
  emit_store (e, jit_guest_mem (X86_RIP), S1);
  emit_load (e, S1, MEM (S2, G_STRUCT_OFFSET (X86Jump, key)));
  emit_rm (e, 0, TRUE, MAP_1, 0x3b, S1, t->is_global ? STATE_FIELD (global_key) : STATE_FIELD (code_key));
  emit_jcc_to (e, CC_NZ, jit_write (t->jit, t->jit->lookup));
  emit_jump_mem (e, MEM (S2, G_STRUCT_OFFSET (X86Jump, native)));
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
  push_return (t, insn->next_rip);
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
  push = jit_emit_lookup (t, insn, MEM (RSP, -jit_stack_step (t)), (unsigned) jit_stack_step (t), X86_ACCESS_WRITE, 0);
  jit_store_constant (t, push, insn->next_rip);
  push->end = t->e->at;
  jit_move_stack (t, -jit_stack_step (t));
  push_return (t, insn->next_rip);
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
  slow = jit_emit_lookup (t, insn, MEM (RSP, 0), (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = t->e->at;
  jit_move_stack (t, jit_stack_step (t) + release);
  jit_end_lookup (t, slow);
  emit_return_jump (t);
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
