/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guest memory in translated code: addresses, ways through the window or the software TLB, and what happens beside them. */

#include "engine/cpu/jit/translation.h"

void
jit_emit_address (Translation *t, const X86Op *op, uint64_t rip, gboolean with_segment)
{
  Emit *e = t->e;
  gboolean wide = op->asize == 8;
  unsigned base = NO_REG, index = NO_REG;

  if (op->base == X86_RIP)
    {
      uint64_t address = rip + (uint64_t) (int64_t) op->disp;

      emit_constant (e, S1, wide ? address : (uint32_t) address);
    }
  else
    {
      if (op->base != X86_ZERO)
        {
          base = jit_host_reg (op->base);
          if (base == NO_REG)
            {
              base = S1;
              emit_load (e, S1, jit_guest_mem (op->base));
            }
        }
      if (op->index != X86_ZERO)
        {
          index = jit_host_reg (op->index);
          if (index == NO_REG)
            {
              index = S2;
              emit_load (e, S2, jit_guest_mem (op->index));
            }
        }
      if (base == NO_REG && index == NO_REG)
        emit_constant (e, S1, wide ? (uint64_t) (int64_t) op->disp : (uint32_t) op->disp);
      else if (index == NO_REG && op->disp == 0)
        {
          if (base != S1 || !wide)
            emit_rr (e, 0, wide, MAP_1, 0x89, base, S1);
        }
      else
        emit_lea (e, wide, S1, (EmitMem) { .base = (uint8_t) base, .index = (uint8_t) index, .scale = op->scale, .disp = op->disp });
      if (op->asize == 2)
        emit_rr (e, 0, FALSE, MAP_0F, 0xb7, S1, S1); /* MOVZX */
    }
  if (with_segment && op->seg != X86_ZERO)
    emit_rm (e, 0, t->is_64, MAP_1, 0x03, S1, jit_guest_mem (op->seg));
}

/* A push or pop's address: @stack; else the operand's. */
static void
emit_lookup_address (Translation *t, const JitInsn *insn, EmitMem stack)
{
  if (stack.base == NO_REG)
    {
      jit_emit_address (t, &insn->op, insn->rip, TRUE);
      return;
    }
  emit_lea (t->e, t->is_64, S1, stack);
  if (!t->is_64)
    emit_rm (t->e, 0, FALSE, MAP_1, 0x03, S1, jit_guest_mem (X86_SEGBASE + X86_SS));
}

JitSite *
jit_make_site (Translation *t, const JitInsn *insn, unsigned size, X86Access access, unsigned aligned)
{
  JitSite *site = jit_alloc (t->jit, sizeof *site);

  if (site == NULL)
    {
      t->failed = TRUE;
      return NULL;
    }
  *site = (JitSite) { .rip = insn->rip, .next_rip = insn->next_rip, .size = (uint8_t) size, .access = (uint8_t) access,
                      .uses_sse = (uint8_t) t->uses_sse, .aligned = (uint8_t) aligned, .mnemonic = (uint16_t) insn->z.mnemonic };
  site->ops[0] = insn->op;
  if (insn->kind >= KIND_JUMP)
    site->tail = &t->block->ops[insn - t->insns];
  x86_jit_site_init (site);
  return site;
}

void
jit_call_site (Translation *t, JitSite *site)
{
  emit_constant (t->e, S2, (uint64_t) (uintptr_t) site);
  emit_jump_to (t->e, jit_write (t->jit, t->jit->site));
  if (site != NULL)
    site->resume = jit_exec (t->jit, t->e->at);
}

/* GS:[@number * 8], the address having 32 bits. */
static void
emit_table_entry (Translation *t, unsigned to, EmitMem m)
{
  emit8 (t->e, 0x67);
  emit_rm (t->e, 0x65, TRUE, MAP_1, 0x8b, to, m);
}

/* RORX @to, @reg, 32; MOV @to, GS:[@to * 8]. */
void
jit_emit_region (Translation *t, unsigned to, unsigned reg)
{
  Emit *e = t->e;

  emit_vex (e, VEX_F2, MAP_0F3A, TRUE, FALSE, to, NO_REG, NO_REG, reg);
  emit8 (e, 0xf0);
  emit8 (e, 0xc0 | (to & 7) << 3 | (reg & 7));
  emit8 (e, 32);
  emit_table_entry (t, to, (EmitMem) { .base = NO_REG, .index = (uint8_t) to, .scale = 3 });
}

/* @reg with a displacement, through the window; S2 has its region. */
static EmitMem
near (unsigned reg, int32_t disp)
{
  if (reg == RSP)
    return (EmitMem) { .base = RSP, .index = S2, .disp = disp };
  return (EmitMem) { .base = S2, .index = (uint8_t) reg, .disp = disp };
}

gboolean
jit_is_base_alone (const Translation *t, const JitInsn *insn)
{
  const X86Op *op = &insn->op;

  return t->is_64 && op->asize == 8 && op->seg == X86_ZERO && op->base != X86_ZERO && op->base != X86_RIP
         && op->index == X86_ZERO;
}

void
jit_make_way (Translation *t, const JitInsn *insn)
{
  jit_release (t, S2);
  if (!jit_is_base_alone (t, insn) || insn->op.base == S2)
    jit_release (t, S1);
  else if (insn->op.base == S1)
    jit_use (t, S1);
}

/* The window's address of the operand. Leaves flags alone. */
static EmitMem
emit_window_address (Translation *t, const JitInsn *insn, EmitMem stack)
{
  Emit *e = t->e;
  const X86Op *op = &insn->op;
  gboolean is_stack = stack.base != NO_REG;
  unsigned seg = is_stack ? X86_SEGBASE + X86_SS : op->seg;

  if (t->is_64 && is_stack)
    {
      jit_emit_region (t, S2, stack.base);
      return near (stack.base, stack.disp);
    }
  if (t->is_64 && op->asize == 8 && op->base == X86_RIP && seg == X86_ZERO)
    {
      uint64_t address = insn->rip + (uint64_t) (int64_t) op->disp;

      emit_constant (e, S1, address);
      emit_table_entry (t, S2, (EmitMem) { .base = NO_REG, .index = NO_REG, .disp = (int32_t) ((int64_t) address >> 32) * 8 });
      return (EmitMem) { .base = S2, .index = S1 };
    }
  if (!is_stack && jit_is_base_alone (t, insn))
    {
      unsigned base = op->base == S1 && t->held & HELD (S1) ? S1 : jit_host_reg (op->base);

      if (base == NO_REG)
        {
          base = S1;
          emit_load (e, S1, jit_guest_mem (op->base));
        }
      jit_emit_region (t, S2, base);
      return near (base, op->disp);
    }
  if (is_stack)
    emit_lea (e, FALSE, S1, stack);
  else
    jit_emit_address (t, op, insn->rip, FALSE);
  if (seg != X86_ZERO)
    {
      emit_rm (e, 0, t->is_64, MAP_1, 0x8b, S2, jit_guest_mem (seg));
      emit_lea (e, t->is_64, S1, (EmitMem) { .base = S1, .index = S2 });
    }
  if (t->is_64)
    jit_emit_region (t, S2, S1);
  else
    emit_rm (e, 0x65, TRUE, MAP_1, 0x8b, S2, (EmitMem) { .base = NO_REG, .index = NO_REG });
  return (EmitMem) { .base = S2, .index = S1 };
}

gboolean
jit_is_in_window (const Translation *t, const JitInsn *insn)
{
  return (insn->mem < 0 || insn->op.ea != X86_EA_GENERAL) && (t->block->mode & X86_MODE_WINDOW) && !((t->block->looked_up >> (insn - t->insns)) & 1);
}

void
jit_settle_address (Translation *t, JitSlow *slow)
{
  if (slow->at.base != S2 && slow->at.index != S2)
    return;
  jit_release (t, S1);
  emit_lea (t->e, TRUE, S1, slow->at);
  slow->at = MEM (S1, 0);
}

/* The linear address of an operand in a segment that may have a limit; beyond it, and in segments that are more than data,
 * the interpreter sees to the instruction. */
static void
emit_segmented_address (Translation *t, const JitInsn *insn, JitSlow *slow, unsigned size)
{
  enum { KIND_OF = X86_SEG_UNUSABLE | X86_SEG_CODE | X86_SEG_EXPAND_DOWN | X86_SEG_WRITABLE };
  Emit *e = t->e;
  int32_t seg = (int32_t) (G_STRUCT_OFFSET (X86Cpu, seg) + insn->op.segno * sizeof (X86Seg));

  jit_emit_address (t, &insn->op, insn->rip, FALSE);
  emit_load32 (e, S2, MEM (STATE, seg + (int32_t) G_STRUCT_OFFSET (X86Seg, attr)));
  emit_alu_imm (e, FALSE, 4, S2, KIND_OF);
  emit_alu_imm (e, FALSE, 7, S2, X86_SEG_WRITABLE);
  slow->refused[0] = emit_jcc (e, CC_NZ);
  emit_load32 (e, S2, MEM (STATE, seg + (int32_t) G_STRUCT_OFFSET (X86Seg, limit)));
  emit_rr (e, 0, TRUE, MAP_1, 0x29, S1, S2); /* SUB */
  emit_alu_imm (e, TRUE, 7, S2, (int32_t) size - 1);
  slow->refused[1] = emit_jcc (e, CC_L);
  emit_rm (e, 0, FALSE, MAP_1, 0x03, S1, jit_guest_mem (X86_SEGBASE + insn->op.segno));
}

JitSlow *
jit_emit_lookup (Translation *t, const JitInsn *insn, EmitMem stack, unsigned size, X86Access access, unsigned aligned)
{
  Emit *e = t->e;
  JitSlow *slow = &t->slow[t->slow_count++];

  if (!jit_is_in_window (t, insn) && jit_needed_before (insn))
    jit_save_flags (t);
  *slow = (JitSlow) { .insn = insn, .site = jit_make_site (t, insn, size, access, aligned), .stack = stack, .retry = e->at,
                      .in_window = jit_is_in_window (t, insn), .was_in_host = t->in_host, .was_in_state = t->in_state,
                      .held_at_retry = t->held, .dirty_at_retry = t->dirty };
  if (slow->site != NULL)
    slow->site->is_stack = stack.base == RSP;
  if (slow->in_window)
    {
      if (slow->site != NULL)
        {
          slow->site->window = t->block;
          slow->site->number = (uint8_t) (insn - t->insns);
        }
      slow->at = emit_window_address (t, insn, stack);
      return slow;
    }
  slow->at = MEM (S1, 0);
  if (stack.base == NO_REG && insn->op.ea == X86_EA_GENERAL)
    emit_segmented_address (t, insn, slow, size);
  else
    emit_lookup_address (t, insn, stack);
  emit_move (e, S2, S1);
  emit_shift (e, TRUE, FALSE, S2, X86_TLB_FOLD);
  emit_rr (e, 0, TRUE, MAP_1, 0x31, S1, S2);
  emit_shift (e, TRUE, FALSE, S2, 7);
  emit_alu_imm (e, FALSE, 4, S2, (X86_TLB_SIZE - 1) * (int) sizeof (X86TlbEntry));
  emit_rm (e, 0, TRUE, MAP_1, 0x03, S2, STATE_FIELD (tlb));
  emit_rm (e, 0, TRUE, MAP_1, 0x33, S1,
           MEM (S2, access == X86_ACCESS_READ ? G_STRUCT_OFFSET (X86TlbEntry, tag_read) : G_STRUCT_OFFSET (X86TlbEntry, tag_write)));
  emit_rm (e, 0, TRUE, MAP_1, 0x33, S1, STATE_FIELD (tlb_key));
  emit_alu_imm (e, TRUE, 7, S1, GUEST_PAGE_SIZE - (int) size);
  slow->jumps[0] = emit_jcc (e, CC_NBE);
  if (aligned)
    {
      emit_opcode (e, 0, 0, MAP_1, 0xf6, NO_REG, NO_REG, S1); /* TEST */
      emit8 (e, 0xc0 | (S1 & 7));
      emit8 (e, aligned);
      slow->jumps[1] = emit_jcc (e, CC_NZ);
    }
  emit_rm (e, 0, TRUE, MAP_1, 0x03, S1, MEM (S2, G_STRUCT_OFFSET (X86TlbEntry, host)));
  t->in_host = FALSE;
  return slow;
}

JitSlow *
jit_begin_fault (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = &t->slow[t->slow_count++];

  *slow = (JitSlow) { .insn = insn, .site = jit_make_site (t, insn, 0, X86_ACCESS_READ, 0), .retry = t->e->at, .is_fault = TRUE };
  return slow;
}

JitSlow *
jit_begin_repeat (Translation *t, const JitInsn *insn, gboolean copies)
{
  JitSlow *slow = &t->slow[t->slow_count++];

  *slow = (JitSlow) { .insn = insn, .site = jit_make_site (t, insn, insn->op.size, X86_ACCESS_WRITE, 0), .retry = t->e->at,
                      .in_window = TRUE, .is_repeat = TRUE, .copies = copies };
  if (slow->site != NULL)
    {
      slow->site->window = t->block;
      slow->site->number = (uint8_t) (insn - t->insns);
      slow->site->is_repeat = TRUE;
      slow->site->is_copy = (uint8_t) copies;
    }
  return slow;
}

void
jit_leave_window (Translation *t, gboolean copies)
{
  emit_rr (t->e, 0, TRUE, MAP_1, 0x29, S2, RDI); /* SUB */
  if (copies)
    emit_rr (t->e, 0, TRUE, MAP_1, 0x29, S1, RSI);
}

void
jit_end_lookup (Translation *t, JitSlow *slow)
{
  slow->done = t->e->at;
  if (slow->end == NULL)
    slow->end = slow->done;
  slow->restore = t->in_host && slow->insn->live != 0;
  slow->held_at_done = t->held;
}

/* It is no plain access, or not known to be one. */
static void
emit_refused (Translation *t, const JitSlow *slow)
{
  Emit *e = t->e;
  JitSite *site = jit_make_site (t, slow->insn, 0, X86_ACCESS_READ, 0);

  for (unsigned i = 0; i < G_N_ELEMENTS (slow->refused) && !e->is_full; i++)
    emit_patch (slow->refused[i], e->at);
  jit_call_site (t, site);
  if (slow->restore)
    jit_load_flags (t);
  emit_jump_to (e, slow->done);
}

/* The scratch registers that held something of the guest's have it again. */
static void
reload (Translation *t, unsigned held)
{
  for (unsigned guest = HOST_REGS; guest < 16; guest++)
    if (held & HELD (guest))
      emit_load (t->e, guest, jit_guest_mem (guest));
}

/* What lies in [@start, @end) may fault; the slow way begins at @slow. */
static void
note_access (Translation *t, const uint8_t *start, const uint8_t *end, const uint8_t *slow)
{
  const uint8_t *write = t->jit->write;
  JitAccess access = { .start = (uint32_t) (start - write), .end = (uint32_t) (end - write), .slow = (uint32_t) (slow - write) };

  g_array_append_val (t->jit->accesses, access);
}

void
jit_emit_slow (Translation *t, const JitSlow *slow)
{
  Emit *e = t->e;
  gboolean loads_flags;

  if (slow->site == NULL)
    return;
  for (unsigned i = 0; i < 2; i++)
    if (slow->jumps[i] != NULL)
      emit_patch (slow->jumps[i], e->at);
  if (slow->is_repeat)
    {
      const uint8_t *start = e->at;

      jit_leave_window (t, slow->copies);
      note_access (t, slow->retry, slow->start, e->at);
      note_access (t, slow->start, slow->end, start);
    }
  else if (slow->in_window || slow->is_fault)
    {
      note_access (t, slow->retry, slow->end, e->at);
      if (slow->was_in_host && !slow->was_in_state && jit_needed_before (slow->insn))
        jit_store_flags (t);
    }
  for (unsigned guest = HOST_REGS; guest < 16; guest++)
    if (slow->dirty_at_retry & HELD (guest))
      emit_store (e, jit_guest_mem (guest), guest);
  if (slow->is_repeat)
    emit_move (e, S1, RDI);
  else if (!slow->is_fault)
    emit_lookup_address (t, slow->insn, slow->stack);
  jit_call_site (t, slow->site);
  emit_rr (e, 0, FALSE, MAP_1, 0x85, S1, S1);
  loads_flags = slow->in_window && slow->was_in_host && jit_needed_before (slow->insn);
  if (loads_flags || slow->held_at_retry)
    {
      uint8_t *finished = emit_jcc (e, CC_NZ);

      if (loads_flags)
        jit_load_flags (t);
      reload (t, slow->held_at_retry);
      emit_jump_to (e, slow->retry);
      if (!e->is_full)
        emit_patch (finished, e->at);
    }
  else
    emit_jcc_to (e, CC_Z, slow->retry);
  if (slow->restore)
    jit_load_flags (t);
  reload (t, slow->held_at_done);
  emit_jump_to (e, slow->done);
  if (slow->refused[0] != NULL)
    emit_refused (t, slow);
}

void
jit_emit_site (Translation *t, const JitInsn *insn)
{
  JitSite *site = jit_make_site (t, insn, 0, X86_ACCESS_READ, 0);

  if (site == NULL)
    return;
  jit_save_flags (t);
  jit_call_site (t, site);
  t->in_host = FALSE;
  t->in_state = TRUE;
}
