/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The code around translated code: the ways in and out, and to what is written in C. */

#include "engine/cpu/jit/jit-private.h"
#include "engine/cpu/jit/profile.h"

/* And goes to the host's stack, which is aligned for calls. */
static void
save_registers (Emit *e)
{
  for (unsigned i = 0; i < HOST_REGS; i++)
    emit_store (e, jit_guest_mem (i), i);
  emit_load (e, RSP, STATE_FIELD (jit_stack));
}

static void
load_registers (Emit *e)
{
  for (unsigned i = 0; i < HOST_REGS; i++)
    emit_load (e, i, jit_guest_mem (i));
}

static EmitMem
vector_mem (unsigned n)
{
  return MEM (STATE, (int32_t) (G_STRUCT_OFFSET (X86Cpu, vec) + n * sizeof (X86Vec)));
}

static void
save_xmm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_rm (e, 0, FALSE, MAP_0F, 0x29, i, vector_mem (i)); /* MOVAPS */
}

static void
load_xmm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_rm (e, 0, FALSE, MAP_0F, 0x28, i, vector_mem (i));
}

static void
save_ymm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_vex_rm (e, VEX_NONE, MAP_0F, TRUE, 0x29, i, vector_mem (i)); /* VMOVAPS */
}

static void
load_ymm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_vex_rm (e, VEX_NONE, MAP_0F, TRUE, 0x28, i, vector_mem (i));
}

static void
emit_vzeroupper (Emit *e)
{
  emit_vex (e, VEX_NONE, MAP_0F, FALSE, FALSE, 0, NO_REG, NO_REG, NO_REG);
  emit8 (e, 0x77);
}

static void
store_byte (Emit *e, EmitMem m, unsigned value)
{
  emit_rm (e, 0, FALSE, MAP_1, 0xc6, 0, m);
  emit8 (e, value);
}

/* Saves vectors when they are the guest's; RBX and jit_parked remember. All general registers are saved. What is compiled
 * uses no upper halves, and shall find them clear. */
static void
park_vectors (const struct X86Jit *jit, Emit *e)
{
  uint8_t *skip, *narrow = NULL, *saved = NULL;

  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, RBX, STATE_FIELD (jit_sse)); /* MOVZX */
  emit_rm (e, 0, FALSE, MAP_1, 0x88, RBX, STATE_FIELD (jit_parked));
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RBX, RBX);
  skip = emit_jcc (e, CC_Z);
  if (jit->has_avx)
    {
      emit_rm (e, 0, FALSE, MAP_1, 0xf6, 0, STATE_FIELD (jit_sse)); /* TEST */
      emit8 (e, JIT_VECTORS_UPPER);
      narrow = emit_jcc (e, CC_Z);
      save_ymm (e);
      emit_vzeroupper (e);
      saved = emit_jump (e);
      emit_patch (narrow, e->at);
    }
  save_xmm (e);
  if (saved != NULL)
    emit_patch (saved, e->at);
  store_byte (e, STATE_FIELD (jit_sse), JIT_VECTORS_NONE);
  emit_patch (skip, e->at);
}

static void
unpark_vectors (const struct X86Jit *jit, Emit *e)
{
  uint8_t *skip, *narrow = NULL, *loaded = NULL;

  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, RBX, STATE_FIELD (jit_parked));
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RBX, RBX);
  skip = emit_jcc (e, CC_Z);
  if (jit->has_avx)
    {
      emit_alu_imm (e, FALSE, 7, RBX, JIT_VECTORS_FULL);
      narrow = emit_jcc (e, CC_NZ);
      load_ymm (e);
      loaded = emit_jump (e);
      emit_patch (narrow, e->at);
      emit_vzeroupper (e);
    }
  load_xmm (e);
  if (loaded != NULL)
    emit_patch (loaded, e->at);
  emit_rm (e, 0, FALSE, MAP_1, 0x88, RBX, STATE_FIELD (jit_sse));
  emit_patch (skip, e->at);
}

static void
compare_byte (Emit *e, EmitMem m)
{
  emit_rm (e, 0, FALSE, MAP_1, 0x80, 7, m);
  emit8 (e, 0);
}

static void
park_x87 (Emit *e)
{
  uint8_t *skip;

  compare_byte (e, STATE_FIELD (jit_x87));
  skip = emit_jcc (e, CC_Z);
  emit_rm (e, 0, FALSE, MAP_1, 0xdd, 6, STATE_FIELD (jit_x87_image)); /* FNSAVE */
  store_byte (e, STATE_FIELD (jit_x87), 0);
  store_byte (e, STATE_FIELD (jit_x87_parked), 1);
  emit_patch (skip, e->at);
}

static void
unpark_x87 (Emit *e)
{
  uint8_t *skip;

  compare_byte (e, STATE_FIELD (jit_x87_parked));
  skip = emit_jcc (e, CC_Z);
  emit_rm (e, 0, FALSE, MAP_1, 0xdd, 4, STATE_FIELD (jit_x87_image)); /* FRSTOR */
  store_byte (e, STATE_FIELD (jit_x87), 1);
  store_byte (e, STATE_FIELD (jit_x87_parked), 0);
  emit_patch (skip, e->at);
}

static void
call_c (Emit *e, const void *function)
{
  emit_constant (e, RAX, (uint64_t) (uintptr_t) function);
  emit8 (e, 0xff);
  emit8 (e, 0xd0);
}

/* RDI = the X86Cpu. */
static void
load_cpu (Emit *e)
{
  emit_lea (e, TRUE, RDI, MEM (STATE, 0));
}

static const uint8_t *
make_prepare_vectors (struct X86Jit *jit, gboolean with_uppers)
{
  Emit *e = &jit->emit;
  const uint8_t *start = jit_exec (jit, e->at);
  uint8_t *failed;

  save_registers (e);
  if (with_uppers)
    park_vectors (jit, e);
  load_cpu (e);
  call_c (e, jit_enter_sse);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RAX, RAX);
  failed = emit_jcc (e, CC_Z);
  if (with_uppers)
    load_ymm (e);
  else
    load_xmm (e);
  store_byte (e, STATE_FIELD (jit_sse), with_uppers ? JIT_VECTORS_FULL : JIT_VECTORS_XMM);
  emit_patch (failed, e->at);
  load_registers (e);
  emit_jump_reg (e, S2);
  return start;
}

void
jit_make_thunks (struct X86Jit *jit)
{
  static const uint8_t saved[] = { RBX, RBP, R12, R13, R14, R15 };
  Emit *e = &jit->emit;
  uint8_t *epilogue, *to, *without;

  /* The way in: const X86Op *enter (cpu, code). */
  jit->enter = (const X86Op *(*) (X86Cpu *, const uint8_t *)) (uintptr_t) jit_exec (jit, e->at);
  for (unsigned i = 0; i < G_N_ELEMENTS (saved); i++)
    emit_push (e, saved[i]);
  emit_alu_imm (e, TRUE, 5, RSP, 8); /* aligned for calls */
  emit_store (e, STATE_FIELD (jit_stack), RSP);
  emit_move (e, S2, RSI);
  load_registers (e);
  emit_jump_reg (e, S2);

  /* RAX is the result; everything has been saved. */
  epilogue = e->at;
  emit_alu_imm (e, TRUE, 0, RSP, 8);
  for (unsigned i = G_N_ELEMENTS (saved); i-- > 0;)
    emit_pop (e, saved[i]);
  emit8 (e, 0xc3);

  /* Ways out: to the run loop, RIP is set; to the op in S2. */
  jit->leave = jit_exec (jit, e->at);
  emit_constant (e, S2, 0);
  jit->leave_to_op = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  park_x87 (e);
  emit_move (e, RAX, S2);
  emit_jump_to (e, epilogue);

  /* To the instruction pointer in the state, which is not where it is looked for first. */
  jit->lookup = jit_exec (jit, e->at);
  emit_load (e, S1, jit_guest_mem (X86_RIP));
  /* To the instruction pointer in S1, if it is known (see x86_jump_entry()). */
  jit->indirect = jit_exec (jit, e->at);
  emit_store (e, jit_guest_mem (X86_RIP), S1);
  emit_move (e, S2, S1);
  emit_shift (e, TRUE, FALSE, S2, 6);
  emit_rr (e, 0, TRUE, MAP_1, 0x31, S1, S2);
  emit_move (e, S1, S2);
  emit_shift (e, TRUE, FALSE, S1, GUEST_PAGE_SHIFT);
  emit_alu_imm (e, FALSE, 4, S1, X86_JUMP_SIZE / X86_JUMP_GROUP - 1);
  emit_shift (e, FALSE, TRUE, S1, X86_JUMP_GROUP_BITS);
  emit_alu_imm (e, FALSE, 4, S2, X86_JUMP_GROUP - 1);
  emit_rr (e, 0, FALSE, MAP_1, 0x01, S2, S1);
  emit_shift (e, FALSE, TRUE, S1, 5);
  emit_rm (e, 0, TRUE, MAP_1, 0x03, S1, STATE_FIELD (jumps));
  for (unsigned way = 0; way < 2; way++)
    {
      uint8_t *is_local, *is_other;

      emit_load (e, S2, jit_guest_mem (X86_RIP));
      emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, MEM (S1, G_STRUCT_OFFSET (X86Jump, lin)));
      to = emit_jcc (e, CC_NZ);
      emit_load (e, S2, MEM (S1, G_STRUCT_OFFSET (X86Jump, key)));
      emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, STATE_FIELD (code_key));
      is_local = emit_jcc (e, CC_Z);
      emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, STATE_FIELD (global_key));
      is_other = emit_jcc (e, CC_NZ);
      emit_patch (is_local, e->at);
      emit_jump_mem (e, MEM (S1, G_STRUCT_OFFSET (X86Jump, native)));
      emit_patch (to, e->at);
      emit_patch (is_other, e->at);
      emit_alu_imm (e, TRUE, 6, S1, sizeof (X86Jump)); /* XOR */
    }
  emit_jump_to (e, jit_write (jit, jit->leave));

  /* With a site in S2 and a linear address in S1; resumes the site with JIT_RETRY or JIT_DONE in S1. */
  jit->site = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  park_x87 (e);
  load_cpu (e);
  emit_move (e, RSI, S2);
  emit_move (e, RDX, S1);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RBX, RCX);
  call_c (e, jit_run_site);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  emit_alu_imm (e, FALSE, 7, RAX, JIT_LEAVE);
  to = emit_jcc (e, CC_Z);
  /* Blocks that come after ask for them. */
  compare_byte (e, MEM (S2, G_STRUCT_OFFSET (JitSite, uses_sse)));
  without = emit_jcc (e, CC_Z);
  unpark_vectors (jit, e);
  emit_patch (without, e->at);
  unpark_x87 (e);
  load_registers (e);
  emit_jump_mem (e, MEM (S2, G_STRUCT_OFFSET (JitSite, resume)));
  emit_patch (to, e->at);
  emit_load (e, RAX, STATE_FIELD (jit_next));
  emit_jump_to (e, epilogue);

  /* With an edge in S2: goes there and remembers the way. What it calls does not compute in x87 registers. */
  jit->link = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  load_cpu (e);
  emit_move (e, RSI, S2);
  call_c (e, jit_link_edge);
  emit_rr (e, 0, TRUE, MAP_1, 0x85, RAX, RAX);
  to = emit_jcc (e, CC_Z);
  emit_move (e, S2, RAX);
  unpark_vectors (jit, e);
  load_registers (e);
  emit_jump_reg (e, S2);
  emit_patch (to, e->at);
  park_x87 (e);
  emit_rr (e, 0, FALSE, MAP_1, 0x31, RAX, RAX);
  emit_jump_to (e, epilogue);

  /* At the start of a block that uses XMM registers; resumes at S2, with 0 in S1 when it must be interpreted. */
  jit->prepare_sse = make_prepare_vectors (jit, FALSE);
  /* The same for YMM registers. */
  jit->prepare_avx = jit->has_avx ? make_prepare_vectors (jit, TRUE) : NULL;

  /* The same for x87 registers. */
  jit->prepare_x87 = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  load_cpu (e);
  call_c (e, jit_enter_x87);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  unpark_vectors (jit, e);
  unpark_x87 (e);
  load_registers (e);
  emit_jump_reg (e, S2);
  jit->thunks_end = e->at;
}

void
jit_name_thunks (X86Cpu *cpu, const struct X86Jit *jit)
{
  const struct { const uint8_t *code; const char *name; } thunks[] = {
    { jit->exec, "enter" }, { jit->leave, "leave" }, { jit->indirect, "indirect" }, { jit->site, "site" },
    { jit->link, "link" }, { jit->prepare_sse, "prepare_sse" }, { jit->prepare_x87, "prepare_x87" },
    { jit_exec (jit, jit->thunks_end), NULL }
  };

  for (unsigned i = 0; thunks[i].name != NULL; i++)
    jit_profile_thunk (cpu, thunks[i].code, thunks[i + 1].code, thunks[i].name);
}
