/* SPDX-License-Identifier: GPL-3.0-or-later */
/* String instructions as host code, upwards; with DF set the interpreter runs them. */

#include "engine/cpu/jit/translation.h"

enum { REPEAT_MAX = 1 << 16 /* elements of a run that nothing interrupts; longer ones the interpreter takes page by page */ };

/* A string instruction that has no pointer that needs care. */
static gboolean
is_plain (const Translation *t, const JitInsn *insn)
{
  return t->is_64 && insn->op.asize == 8 && insn->op.seg == X86_ZERO;
}

JitKind
jit_string_kind (const Translation *t, const JitInsn *insn)
{
  gboolean repeats = (insn->op.flags & (X86_OPF_REPE | X86_OPF_REPNE)) != 0;

  if (!is_plain (t, insn))
    return KIND_SITE;
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD: case ZYDIS_MNEMONIC_LODSQ:
      return repeats ? KIND_SITE : KIND_LODS;
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD: case ZYDIS_MNEMONIC_STOSQ:
      return repeats ? KIND_REPEAT_STOS : KIND_STOS;
    default:
      return repeats ? KIND_REPEAT_MOVS : KIND_SITE;
    }
}

/* Jumps on when DF is clear; clobbers flags. */
static uint8_t *
emit_if_upwards (Translation *t)
{
  emit_rm (t->e, 0, FALSE, MAP_1, 0xf7, 0, STATE_FIELD (eflags)); /* TEST */
  emit32 (t->e, X86_FLAG_DF);
  return emit_jcc (t->e, CC_Z);
}

static void
emit_one_element (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  gboolean loads = insn->kind == KIND_LODS;
  unsigned size = insn->op.size, pointer = loads ? RSI : RDI;
  uint8_t *upwards, *finished;
  JitSite *site;
  JitSlow *slow;

  upwards = emit_if_upwards (t);
  site = jit_make_site (t, insn, 0, X86_ACCESS_READ, 0);
  jit_call_site (t, site);
  finished = emit_jump (e);
  if (!e->is_full)
    emit_patch (upwards, e->at);
  slow = jit_emit_lookup (t, insn, MEM (pointer, 0), size, loads ? X86_ACCESS_READ : X86_ACCESS_WRITE, 0);
  emit_rm (e, size == 2 ? 0x66 : 0, size == 8, MAP_1, (loads ? 0x8a : 0x88) | (size != 1), RAX, slow->at);
  slow->end = e->at;
  emit_lea (e, TRUE, pointer, MEM (pointer, (int32_t) size));
  jit_end_lookup (t, slow);
  if (!e->is_full)
    emit_patch (finished, e->at);
}

/* Through the window the host repeats as well: the pointers are the host's meanwhile, and where it stops at a fault is where
 * the guest's instruction stands. Guards around regions end every run. */
static void
emit_repeat (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  gboolean copies = insn->kind == KIND_REPEAT_MOVS;
  unsigned size = insn->op.size;
  JitSlow *slow;

  if (!jit_is_in_window (t, insn))
    {
      jit_call_site (t, jit_make_site (t, insn, 0, X86_ACCESS_READ, 0));
      return;
    }
  slow = jit_begin_repeat (t, insn, copies);
  emit_rm (e, 0, FALSE, MAP_1, 0xf7, 0, STATE_FIELD (eflags)); /* TEST */
  emit32 (e, X86_FLAG_DF);
  slow->refused[0] = emit_jcc (e, CC_NZ);
  emit_alu_imm (e, TRUE, 7, RCX, REPEAT_MAX);
  slow->refused[1] = emit_jcc (e, CC_NBE);
  jit_emit_region (t, S2, RDI);
  if (copies)
    {
      jit_emit_region (t, S1, RSI);
      emit_rr (e, 0, TRUE, MAP_1, 0x01, S1, RSI); /* ADD */
    }
  emit_rr (e, 0, TRUE, MAP_1, 0x01, S2, RDI);
  slow->start = e->at;
  if (size == 2)
    emit8 (e, 0x66);
  emit8 (e, 0xf3);
  if (size == 8)
    emit8 (e, 0x48);
  emit8 (e, (copies ? 0xa4u : 0xaau) | (size != 1));
  slow->end = e->at;
  jit_leave_window (t, copies);
  jit_end_lookup (t, slow);
}

void
jit_emit_string (Translation *t, const JitInsn *insn)
{
  if (jit_needed_before (insn))
    jit_save_flags (t);
  t->in_host = FALSE;
  if (insn->kind == KIND_LODS || insn->kind == KIND_STOS)
    emit_one_element (t, insn);
  else
    emit_repeat (t, insn);
}
