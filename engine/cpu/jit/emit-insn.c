/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instructions as host code: the same instruction on the host's registers,
 * with guest memory reached through the software TLB.
 */

#include "engine/cpu/jit/translation.h"

/* --- Flags --- */

/* Both leave RFLAGS' arithmetic flags (where they hold them) alone until their end. */
void
jit_store_flags (Translation *t)
{
  Emit *e = t->e;

  emit_move (e, S2, RAX);
  emit8 (e, 0x9f); /* LAHF */
  emit8 (e, 0x0f); /* SETO AL */
  emit8 (e, 0x90);
  emit8 (e, 0xc0);
  emit_rm (e, 0x66, FALSE, MAP_1, 0x89, RAX, STATE_FIELD (jit_flags));
  emit_move (e, RAX, S2);
}

void
jit_save_flags (Translation *t)
{
  if (!t->in_host || t->in_state)
    return;
  jit_store_flags (t);
  t->in_state = TRUE;
}

void
jit_load_flags (Translation *t)
{
  Emit *e = t->e;

  emit_move (e, S2, RAX);
  emit_rm (e, 0, FALSE, MAP_0F, 0xb7, RAX, STATE_FIELD (jit_flags)); /* MOVZX */
  emit8 (e, 0x04); /* ADD AL, 7Fh: OF */
  emit8 (e, 0x7f);
  emit8 (e, 0x9e); /* SAHF */
  emit_move (e, RAX, S2);
}

static void
need_flags (Translation *t)
{
  if (t->in_host)
    return;
  jit_load_flags (t);
  t->in_host = TRUE;
}

/* Flags whose value before @insn matters. */
static uint32_t
needed_before (const JitInsn *insn)
{
  return insn->reads | (insn->live & ~insn->writes);
}

/* Whether the host's flags must be the guest's when @insn runs. */
static gboolean
needs_host_flags (const JitInsn *insn)
{
  return insn->reads != 0 || ((insn->writes != 0 || insn->may_write) && (insn->live & ~insn->writes) != 0);
}

static void
after_flags (Translation *t, const JitInsn *insn)
{
  if (insn->writes == 0 && !insn->may_write)
    return;
  t->in_host = TRUE;
  t->in_state = FALSE;
}

/* --- Memory --- */

/* The linear address into S1; uses S2. Leaves flags alone but for segment bases. */
static void
emit_address (Translation *t, const X86Op *op, uint64_t rip, gboolean with_segment)
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
      emit_address (t, &insn->op, insn->rip, TRUE);
      return;
    }
  emit_lea (t->e, t->is_64, S1, stack);
  if (!t->is_64)
    emit_rm (t->e, 0, FALSE, MAP_1, 0x03, S1, jit_guest_mem (X86_SEGBASE + X86_SS));
}

static JitSite *
make_site (Translation *t, const JitInsn *insn, unsigned size, X86Access access, unsigned aligned)
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

/* SARX S2, @reg, 32; MOV S2, GS:[S2 * 8]: what the window adds to linear addresses near @reg. */
static void
emit_region (Translation *t, unsigned reg)
{
  Emit *e = t->e;

  emit_vex (e, VEX_F3, MAP_0F38, TRUE, FALSE, S2, STATE, NO_REG, reg);
  emit8 (e, 0xf7);
  emit8 (e, 0xc0 | (S2 & 7) << 3 | (reg & 7));
  emit_rm (e, 0x65, TRUE, MAP_1, 0x8b, S2, (EmitMem) { .base = NO_REG, .index = S2, .scale = 3 });
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
      emit_region (t, stack.base);
      return (EmitMem) { .base = S2, .index = stack.base, .disp = stack.disp };
    }
  if (t->is_64 && op->asize == 8 && op->base == X86_RIP && seg == X86_ZERO)
    {
      uint64_t address = insn->rip + (uint64_t) (int64_t) op->disp;

      emit_constant (e, S1, address);
      emit_rm (e, 0x65, TRUE, MAP_1, 0x8b, S2,
               (EmitMem) { .base = NO_REG, .index = NO_REG, .disp = (int32_t) ((int64_t) address >> 32) * 8 });
      return (EmitMem) { .base = S2, .index = S1 };
    }
  if (t->is_64 && op->asize == 8 && seg == X86_ZERO && op->base != X86_ZERO && op->base != X86_RIP && op->index == X86_ZERO)
    {
      unsigned base = jit_host_reg (op->base);

      if (base == NO_REG)
        {
          base = S1;
          emit_load (e, S1, jit_guest_mem (op->base));
        }
      emit_region (t, base);
      return (EmitMem) { .base = S2, .index = (uint8_t) base, .disp = op->disp };
    }
  if (is_stack)
    emit_lea (e, FALSE, S1, stack);
  else
    emit_address (t, op, insn->rip, FALSE);
  if (seg != X86_ZERO)
    {
      emit_rm (e, 0, t->is_64, MAP_1, 0x8b, S2, jit_guest_mem (seg));
      emit_lea (e, t->is_64, S1, (EmitMem) { .base = S1, .index = S2 });
    }
  if (t->is_64)
    emit_region (t, S1);
  else
    emit_rm (e, 0x65, TRUE, MAP_1, 0x8b, S2, (EmitMem) { .base = NO_REG, .index = NO_REG });
  return (EmitMem) { .base = S2, .index = S1 };
}

static gboolean
is_in_window (const Translation *t, const JitInsn *insn)
{
  return (t->block->mode & X86_MODE_WINDOW) && !((t->block->looked_up >> (insn - t->insns)) & 1);
}

/* Frees S2, and S1 but for the address. */
static void
settle_address (Translation *t, JitSlow *slow)
{
  if (slow->at.base != S2)
    return;
  emit_lea (t->e, TRUE, S1, slow->at);
  slow->at = MEM (S1, 0);
}

/* The host's address of the operand into slow->at, for end_lookup() after the access. Through the window, flags stay and the
 * access itself may fault: nothing of the guest's may have changed before. Otherwise the host's flags are lost, and what is
 * needed of them goes to the state. */
static JitSlow *
emit_lookup (Translation *t, const JitInsn *insn, EmitMem stack, unsigned size, X86Access access, unsigned aligned)
{
  Emit *e = t->e;
  JitSlow *slow = &t->slow[t->slow_count++];

  if (!is_in_window (t, insn) && needed_before (insn))
    jit_save_flags (t);
  *slow = (JitSlow) { .insn = insn, .site = make_site (t, insn, size, access, aligned), .stack = stack, .retry = e->at,
                      .in_window = is_in_window (t, insn), .was_in_host = t->in_host, .was_in_state = t->in_state };
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

static void
end_lookup (Translation *t, JitSlow *slow)
{
  slow->done = t->e->at;
  if (slow->end == NULL)
    slow->end = slow->done;
  slow->restore = t->in_host && slow->insn->live != 0;
}

void
jit_emit_slow (Translation *t, const JitSlow *slow)
{
  Emit *e = t->e;

  if (slow->site == NULL)
    return;
  for (unsigned i = 0; i < 2; i++)
    if (slow->jumps[i] != NULL)
      emit_patch (slow->jumps[i], e->at);
  if (slow->in_window)
    {
      JitAccess access = { .start = (uint32_t) (slow->retry - t->jit->write), .end = (uint32_t) (slow->end - t->jit->write),
                           .slow = (uint32_t) (e->at - t->jit->write) };

      g_array_append_val (t->jit->accesses, access);
      if (slow->was_in_host && !slow->was_in_state && needed_before (slow->insn))
        jit_store_flags (t);
    }
  emit_lookup_address (t, slow->insn, slow->stack);
  emit_constant (e, S2, (uint64_t) (uintptr_t) slow->site);
  emit_call_to (e, jit_write (t->jit, t->jit->site));
  emit_rr (e, 0, FALSE, MAP_1, 0x85, S1, S1);
  if (slow->in_window && slow->was_in_host && needed_before (slow->insn))
    {
      uint8_t *finished = emit_jcc (e, CC_NZ);

      jit_load_flags (t);
      emit_jump_to (e, slow->retry);
      if (!e->is_full)
        emit_patch (finished, e->at);
    }
  else
    emit_jcc_to (e, CC_Z, slow->retry);
  if (slow->restore)
    jit_load_flags (t);
  emit_jump_to (e, slow->done);
}

static void
emit_site (Translation *t, const JitInsn *insn)
{
  JitSite *site = make_site (t, insn, 0, X86_ACCESS_READ, 0);

  if (site == NULL)
    return;
  jit_save_flags (t);
  emit_constant (t->e, S2, (uint64_t) (uintptr_t) site);
  emit_call_to (t->e, jit_write (t->jit, t->jit->site));
  t->in_host = FALSE;
  t->in_state = TRUE;
}

/* --- x87 --- */

void
jit_note_x87 (Translation *t)
{
  Emit *e = t->e;
  const JitInsn *insn = t->x87;

  if (insn == NULL)
    return;
  t->x87 = NULL;
  emit_constant (e, S2, insn->rip);
  emit_store (e, STATE_FIELD (jit_x87_rip), S2);
  emit_rm (e, 0x66, FALSE, MAP_1, 0xc7, 0, STATE_FIELD (jit_x87_op));
  emit8 (e, (unsigned) insn->z.raw.modrm.mod << 6 | insn->z.raw.modrm.reg << 3 | insn->z.raw.modrm.rm);
  emit8 (e, insn->z.opcode & 7);
}

/* Whether the unit remembers the instruction as its last: control instructions it does not. */
static gboolean
is_remembered (const JitInsn *insn)
{
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_FWAIT: case ZYDIS_MNEMONIC_FNCLEX: case ZYDIS_MNEMONIC_FNINIT: case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW: case ZYDIS_MNEMONIC_FENI8087_NOP: case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
      return FALSE;
    default:
      return insn->uses_x87;
    }
}

static void
note_x87_operand (Translation *t, const JitInsn *insn)
{
  emit_address (t, &insn->op, insn->rip, FALSE);
  emit_store (t->e, STATE_FIELD (jit_x87_rdp), S1);
  emit_rm (t->e, 0, FALSE, MAP_1, 0xc6, 0, STATE_FIELD (jit_x87_seg));
  emit8 (t->e, insn->op.segno);
}

/* --- The same instruction elsewhere --- */

/* A register operand on its way: where it is, and whether it goes back to the state. */
typedef struct
{
  unsigned host;
  unsigned guest;     /* NO_REG: nothing to load or store */
  gboolean loads, stores;
} Place;

static unsigned
guest_of (ZydisRegister reg)
{
  unsigned n = x86_lower_reg (reg);

  return ZydisRegisterGetClass (reg) == ZYDIS_REGCLASS_GPR8 ? n / 8 : n;
}

static Place
place_operand (const JitInsn *insn, const ZydisDecodedOperand *o, unsigned temp)
{
  ZydisRegister reg = o->reg.value;
  Place place = { .guest = NO_REG };

  if (ZydisRegisterGetClass (reg) == ZYDIS_REGCLASS_XMM || ZydisRegisterGetClass (reg) == ZYDIS_REGCLASS_YMM)
    {
      place.host = (unsigned) ZydisRegisterGetId (reg);
      return place;
    }
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
    {
      place.host = (unsigned) (reg - ZYDIS_REGISTER_AH) + 4;
      return place;
    }
  place.host = jit_host_reg (guest_of (reg));
  if (place.host == NO_REG)
    {
      place.host = temp;
      place.guest = guest_of (reg);
      place.stores = (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      place.loads = (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 || (o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE)
                    || o->size <= 16 || insn->z.mnemonic == ZYDIS_MNEMONIC_BSF || insn->z.mnemonic == ZYDIS_MNEMONIC_BSR;
    }
  return place;
}

static gboolean
is_low_byte_with_rex (ZydisRegister reg)
{
  return ZydisRegisterGetClass (reg) == ZYDIS_REGCLASS_GPR8 && reg >= ZYDIS_REGISTER_SPL;
}

/* The instruction that was just emitted ends with its immediate operand. What flags come of a shift is a matter of the count,
 * though. */
static void
note_immediate (Translation *t, const JitInsn *insn)
{
  const ZydisDecodedInstruction *z = &insn->z;
  unsigned size = z->raw.imm[0].size / 8u;

  if (z->meta.category != ZYDIS_CATEGORY_SHIFT && z->meta.category != ZYDIS_CATEGORY_ROTATE && z->raw.imm[1].size == 0
      && z->raw.imm[0].offset + size == z->length)
    jit_note_constant (t, insn, z->raw.imm[0].offset, size, t->e->at - size, size);
}

/* Prefixes, opcode, operands and immediates as in the guest's bytes, with other registers. */
static void
emit_again (Translation *t, const JitInsn *insn, unsigned reg, const EmitMem *mem, unsigned rm, unsigned rex)
{
  Emit *e = t->e;
  const ZydisDecodedInstruction *z = &insn->z;
  gboolean drops_rep = z->mnemonic == ZYDIS_MNEMONIC_BSF || z->mnemonic == ZYDIS_MNEMONIC_BSR;
  unsigned map = z->opcode_map == ZYDIS_OPCODE_MAP_0F     ? MAP_0F
                 : z->opcode_map == ZYDIS_OPCODE_MAP_0F38 ? MAP_0F38
                 : z->opcode_map == ZYDIS_OPCODE_MAP_0F3A ? MAP_0F3A
                                                          : MAP_1;

  for (unsigned i = 0; i < z->raw.prefix_count; i++)
    {
      unsigned prefix = z->raw.prefixes[i].value;

      /* A processor alone sees its instructions whole anyway. */
      if (prefix == 0xf0 && t->cpu->system->cpu_count == 1)
        continue;
      if (prefix == 0x66 || prefix == 0xf0 || ((prefix == 0xf2 || prefix == 0xf3) && !drops_rep))
        emit8 (e, prefix);
    }
  if (z->raw.rex.W)
    rex |= 0x48;
  emit_opcode (e, 0, rex, map, z->opcode == 0x82 && map == MAP_1 ? 0x80 : z->opcode, reg,
               mem != NULL ? mem->index : NO_REG, mem != NULL ? mem->base : rm);
  if (mem != NULL)
    emit_mem (e, reg, *mem);
  else
    emit8 (e, 0xc0 | (reg & 7) << 3 | (rm & 7));
  if (z->raw.imm[0].size != 0)
    {
      emit_bytes (e, insn->bytes + z->raw.imm[0].offset, z->length - z->raw.imm[0].offset);
      if (mem == NULL)
        note_immediate (t, insn);
    }
}

/* Whether an operand of 16 bytes must be aligned. */
static unsigned
alignment (const JitInsn *insn)
{
  if (insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
    return jit_vex_alignment (insn);
  if (insn->mem < 0 || insn->opr[insn->mem].size != 128 || !insn->uses_sse)
    return 0;
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_MOVUPS: case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_MOVDQU: case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI: case ZYDIS_MNEMONIC_PCMPESTRM: case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
      return 0;
    default:
      return 15;
    }
}

static void
emit_modrm (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  Place reg = { .host = insn->z.raw.modrm.reg, .guest = NO_REG }, rm = { .host = S1, .guest = NO_REG };
  Place second = { .host = NO_REG, .guest = NO_REG };
  gboolean is_vex = insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
  unsigned rex = 0;
  JitSlow *slow = NULL;

  if (insn->mem >= 0)
    {
      const ZydisDecodedOperand *o = &insn->opr[insn->mem];

      if (is_remembered (insn))
        note_x87_operand (t, insn);
      if (is_in_window (t, insn) && needs_host_flags (insn))
        need_flags (t);
      slow = emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, o->size / 8u,
                          o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? X86_ACCESS_WRITE : X86_ACCESS_READ, alignment (insn));
    }
  if (needs_host_flags (insn))
    need_flags (t);
  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    {
      const ZydisDecodedOperand *o = &insn->opr[i];

      if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        continue;
      if (is_low_byte_with_rex (o->reg.value))
        rex |= 0x40;
      if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
        reg = place_operand (insn, o, S2);
      else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
        rm = place_operand (insn, o, S1);
      else if (o->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) /* what is written in S2's stead is never read */
        second = place_operand (insn, o, insn->z.mnemonic == ZYDIS_MNEMONIC_MULX ? S1 : S2);
    }
  /* One register twice is in one place; of VEX-coded instructions nothing is both read and written. */
  if (!is_vex && rm.guest != NO_REG && rm.guest == reg.guest)
    {
      rm.host = reg.host;
      reg.loads |= rm.loads;
      reg.stores |= rm.stores;
      rm.guest = NO_REG;
    }
  if (slow != NULL && (reg.guest != NO_REG || second.guest != NO_REG))
    settle_address (t, slow);
  if (reg.guest != NO_REG && reg.loads)
    emit_load (e, reg.host, jit_guest_mem (reg.guest));
  if (rm.guest != NO_REG && rm.loads)
    emit_load (e, rm.host, jit_guest_mem (rm.guest));
  if (second.guest != NO_REG && second.loads)
    emit_load (e, second.host, jit_guest_mem (second.guest));
  if (is_vex)
    jit_put_vex (t, insn, reg.host, second.host, slow != NULL ? &slow->at : NULL, rm.host);
  else
    emit_again (t, insn, reg.host, slow != NULL ? &slow->at : NULL, rm.host, rex);
  if (slow != NULL)
    slow->end = e->at;
  if (second.guest != NO_REG && second.stores)
    emit_store (e, jit_guest_mem (second.guest), second.host);
  if (reg.guest != NO_REG && reg.stores)
    emit_store (e, jit_guest_mem (reg.guest), reg.host);
  if (rm.guest != NO_REG && rm.stores)
    emit_store (e, jit_guest_mem (rm.guest), rm.host);
  after_flags (t, insn);
  if (slow != NULL)
    end_lookup (t, slow);
}

static void
emit_copy (Translation *t, const JitInsn *insn)
{
  if (needs_host_flags (insn))
    need_flags (t);
  emit_bytes (t->e, insn->bytes, insn->z.length);
  if (insn->z.raw.imm[0].size != 0)
    note_immediate (t, insn);
  after_flags (t, insn);
}

/* --- Forms of their own --- */

/* The register that becomes @guest's value: it, or S2, which finish_register() stores. */
static unsigned
begin_register (unsigned guest)
{
  unsigned host = jit_host_reg (guest);

  return host != NO_REG ? host : S2;
}

static void
finish_register (Translation *t, unsigned guest, unsigned host)
{
  if (jit_host_reg (guest) == NO_REG)
    emit_store (t->e, jit_guest_mem (guest), host);
}

static unsigned
load_register (Translation *t, unsigned guest, unsigned temp)
{
  unsigned host = jit_host_reg (guest);

  if (host != NO_REG)
    return host;
  emit_load (t->e, temp, jit_guest_mem (guest));
  return temp;
}

/* The address that was just emitted ends with the instruction's displacement, unless that is none or part of a constant. */
static void
note_displacement (Translation *t, const JitInsn *insn)
{
  const X86Op *op = &insn->op;
  unsigned size = insn->z.raw.disp.size / 8u, host_size = op->disp == (int8_t) op->disp ? 1 : 4;

  if (op->disp != 0 && op->base != X86_RIP && (op->base != X86_ZERO || op->index != X86_ZERO) && size >= host_size
      && (op->base != X86_ZERO || host_size == 4))
    jit_note_constant (t, insn, insn->z.raw.disp.offset, size, t->e->at - host_size, host_size);
}

static void
emit_lea_insn (Translation *t, const JitInsn *insn)
{
  unsigned guest = guest_of (insn->opr[0].reg.value), host = begin_register (guest);

  emit_address (t, &insn->op, insn->rip, FALSE);
  note_displacement (t, insn);
  emit_rr (t->e, 0, insn->z.operand_width == 64, MAP_1, 0x8b, host, S1);
  finish_register (t, guest, host);
}

static void
emit_move_imm (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  ZydisRegister reg = insn->opr[0].reg.value;
  unsigned guest = guest_of (reg), host = begin_register (guest);
  uint64_t value = insn->opr[1].imm.value.u;

  switch (insn->z.operand_width)
    {
    case 64:
    case 32:
      if (insn->z.raw.imm[0].size == 64)
        emit_constant64 (e, host, value);
      else
        emit_constant (e, host, (uint32_t) value);
      note_immediate (t, insn);
      finish_register (t, guest, host);
      break;
    case 16:
      if (host == S2)
        emit_load (e, S2, jit_guest_mem (guest));
      emit_opcode (e, 0x66, 0, MAP_1, 0xc7, NO_REG, NO_REG, host);
      emit8 (e, 0xc0 | (host & 7));
      emit8 (e, (uint8_t) value);
      emit8 (e, (uint8_t) (value >> 8));
      finish_register (t, guest, host);
      break;
    default:
      if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        emit8 (e, 0xb4 + (unsigned) (reg - ZYDIS_REGISTER_AH));
      else
        {
          if (host == S2)
            emit_load (e, S2, jit_guest_mem (guest));
          emit_opcode (e, 0, 0x40, MAP_1, 0xb0 | (host & 7), NO_REG, NO_REG, host);
        }
      emit8 (e, (uint8_t) value);
      if (!(reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH))
        finish_register (t, guest, host);
      break;
    }
}

static int
stack_step (const Translation *t)
{
  return t->is_64 ? 8 : 4;
}

static void
move_stack (Translation *t, int32_t by)
{
  emit_lea (t->e, t->is_64, GUEST_RSP, MEM (GUEST_RSP, by));
}

/* The slot that a push will fill into S1. */
static JitSlow *
begin_push (Translation *t, const JitInsn *insn)
{
  return emit_lookup (t, insn, MEM (GUEST_RSP, -stack_step (t)), (unsigned) stack_step (t), X86_ACCESS_WRITE, 0);
}

static void
store_wide (Translation *t, JitSlow *slow, unsigned host)
{
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x89, host, slow->at);
}

static void
emit_push_register (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = begin_push (t, insn);
  unsigned guest = guest_of (insn->opr[0].reg.value);

  if (jit_host_reg (guest) == NO_REG)
    settle_address (t, slow);
  store_wide (t, slow, load_register (t, guest, S2));
  move_stack (t, -stack_step (t));
  end_lookup (t, slow);
}

static void
store_constant (Translation *t, JitSlow *slow, uint64_t value)
{
  if (t->is_64 && value != (uint64_t) (int64_t) (int32_t) value)
    {
      settle_address (t, slow);
      emit_constant (t->e, S2, value);
      store_wide (t, slow, S2);
      return;
    }
  emit_rm (t->e, 0, t->is_64, MAP_1, 0xc7, 0, slow->at);
  emit32 (t->e, (uint32_t) value);
}

static void
emit_push_imm (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = begin_push (t, insn);

  store_constant (t, slow, (uint64_t) insn->opr[0].imm.value.s);
  move_stack (t, -stack_step (t));
  end_lookup (t, slow);
}

static void
emit_pop_register (Translation *t, const JitInsn *insn)
{
  unsigned guest = guest_of (insn->opr[0].reg.value), host = begin_register (guest);
  JitSlow *slow;

  slow = emit_lookup (t, insn, MEM (GUEST_RSP, 0), (unsigned) stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, host, slow->at);
  slow->end = t->e->at;
  if (guest != X86_RSP)
    move_stack (t, stack_step (t));
  finish_register (t, guest, host);
  end_lookup (t, slow);
}

static void
emit_leave_insn (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  slow = emit_lookup (t, insn, MEM (RBP, 0), (unsigned) stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = t->e->at;
  emit_lea (t->e, t->is_64, GUEST_RSP, MEM (RBP, stack_step (t)));
  emit_rr (t->e, 0, t->is_64, MAP_1, 0x89, S1, RBP);
  end_lookup (t, slow);
}

/* XCHG of the accumulator, BSWAP, and INC and DEC of 32-bit code name their register in the opcode. */
static void
emit_opcode_register (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  unsigned n = insn->kind == KIND_EXCHANGE_RAX ? 1 : 0, width = insn->z.operand_width, guest, host;

  if (insn->kind == KIND_EXCHANGE_RAX && guest_of (insn->opr[1].reg.value) == X86_RAX)
    n = 0;
  guest = guest_of (insn->opr[n].reg.value);
  if (needs_host_flags (insn))
    need_flags (t);
  host = load_register (t, guest, S2);
  switch (insn->kind)
    {
    case KIND_EXCHANGE_RAX:
      emit_rr (e, width == 16 ? 0x66 : 0, width == 64, MAP_1, 0x87, RAX, host);
      break;
    case KIND_BSWAP:
      emit_opcode (e, 0, width == 64 ? 0x48 : 0, MAP_0F, 0xc8 | (host & 7), NO_REG, NO_REG, host);
      break;
    default:
      emit_rr (e, width == 16 ? 0x66 : 0, FALSE, MAP_1, 0xff, insn->z.mnemonic == ZYDIS_MNEMONIC_DEC, host);
      break;
    }
  finish_register (t, guest, host);
  after_flags (t, insn);
}

/* LODS and STOS upwards; with DF set the interpreter runs them. */
static void
emit_one_element (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  gboolean loads = insn->kind == KIND_LODS;
  unsigned size = insn->op.size, pointer = loads ? RSI : RDI;
  uint8_t *upwards, *finished;
  JitSite *site;
  JitSlow *slow;

  if (needed_before (insn))
    jit_save_flags (t);
  t->in_host = FALSE;
  emit_rm (e, 0, FALSE, MAP_1, 0xf7, 0, STATE_FIELD (eflags)); /* TEST */
  emit32 (e, X86_FLAG_DF);
  upwards = emit_jcc (e, CC_Z);
  site = make_site (t, insn, 0, X86_ACCESS_READ, 0);
  emit_constant (e, S2, (uint64_t) (uintptr_t) site);
  emit_call_to (e, jit_write (t->jit, t->jit->site));
  finished = emit_jump (e);
  if (!e->is_full)
    emit_patch (upwards, e->at);
  slow = emit_lookup (t, insn, MEM (pointer, 0), size, loads ? X86_ACCESS_READ : X86_ACCESS_WRITE, 0);
  emit_rm (e, size == 2 ? 0x66 : 0, size == 8, MAP_1, (loads ? 0x8a : 0x88) | (size != 1), RAX, slow->at);
  slow->end = e->at;
  emit_lea (e, TRUE, pointer, MEM (pointer, (int32_t) size));
  end_lookup (t, slow);
  if (!e->is_full)
    emit_patch (finished, e->at);
}

/* --- Ends --- */

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
jit_emit_exit (Translation *t, uint64_t rip)
{
  const uint8_t *host;

  if (!t->is_64)
    rip = (uint32_t) rip;
  host = jit_in_page (t, rip);
  if (host == NULL)
    emit_far_edge (t, rip);
  else
    {
      gboolean live = jit_live_at (t, host, rip) != 0, in_host = live && t->in_host && t->jit->windows != NULL;

      if (live && !in_host)
        jit_save_flags (t);
      emit_near_edge (t, host, rip, in_host);
    }
}

static uint64_t
target_of (const Translation *t, const JitInsn *insn)
{
  uint64_t rip = insn->next_rip + (uint64_t) insn->opr[0].imm.value.s;

  return t->is_64 ? rip : (uint32_t) rip;
}

static void
emit_jcc_insn (Translation *t, const JitInsn *insn)
{
  gboolean in_state;
  uint8_t *taken;

  need_flags (t);
  in_state = t->in_state;
  taken = emit_jcc (t->e, insn->z.opcode & 15);
  jit_emit_exit (t, insn->next_rip);
  if (!t->e->is_full)
    emit_patch (taken, t->e->at);
  t->in_state = in_state;
  jit_emit_exit (t, target_of (t, insn));
}

/* Jumps to the instruction pointer in S1. */
static void
emit_indirect (Translation *t)
{
  emit_jump_to (t->e, jit_write (t->jit, t->jit->indirect));
}

/* Calls go back into the translation when the slow path has pushed; then only the jump is left. */
static void
emit_call (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  jit_save_flags (t);
  slow = begin_push (t, insn);
  store_constant (t, slow, insn->next_rip);
  move_stack (t, -stack_step (t));
  end_lookup (t, slow);
  jit_emit_exit (t, target_of (t, insn));
}

/* The target of an indirect branch into S1. */
static JitSlow *
load_target (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = NULL;

  if (insn->mem >= 0)
    {
      slow = emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, (unsigned) stack_step (t), X86_ACCESS_READ, 0);
      emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
      slow->end = t->e->at;
    }
  else
    {
      unsigned host = load_register (t, guest_of (insn->opr[0].reg.value), S1);

      emit_rr (t->e, 0, t->is_64, MAP_1, 0x89, host, S1);
    }
  return slow;
}

static void
emit_jump_indirect (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  jit_save_flags (t);
  slow = load_target (t, insn);
  if (slow != NULL)
    end_lookup (t, slow);
  emit_indirect (t);
}

static void
emit_call_indirect (Translation *t, const JitInsn *insn)
{
  JitSlow *slow, *push;

  jit_save_flags (t);
  slow = load_target (t, insn);
  emit_store (t->e, STATE_FIELD (jit_target), S1);
  push = emit_lookup (t, insn, MEM (GUEST_RSP, -stack_step (t)), (unsigned) stack_step (t), X86_ACCESS_WRITE, 0);
  store_constant (t, push, insn->next_rip);
  push->end = t->e->at;
  move_stack (t, -stack_step (t));
  emit_load (t->e, S1, STATE_FIELD (jit_target));
  end_lookup (t, push);
  if (slow != NULL)
    end_lookup (t, slow);
  emit_indirect (t);
}

static void
emit_return (Translation *t, const JitInsn *insn)
{
  int32_t release = insn->z.raw.imm[0].size != 0 ? (int32_t) (insn->z.raw.imm[0].value.u & 0xffff) : 0;
  JitSlow *slow;

  jit_save_flags (t);
  slow = emit_lookup (t, insn, MEM (GUEST_RSP, 0), (unsigned) stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = t->e->at;
  move_stack (t, stack_step (t) + release);
  end_lookup (t, slow);
  emit_indirect (t);
}

/* The run loop goes on in the interpreter with the op that stands for @insn in the block. */
static void
emit_tail (Translation *t, const JitInsn *insn)
{
  const X86Op *op = &t->block->ops[insn - t->insns];

  jit_save_flags (t);
  emit_constant (t->e, S2, t->rip);
  emit_store (t->e, jit_guest_mem (X86_RIP), S2);
  emit_constant (t->e, S2, (uint64_t) (uintptr_t) op);
  emit_jump_to (t->e, jit_write (t->jit, t->jit->leave_to_op));
}

void
jit_emit_insn (Translation *t, const JitInsn *insn)
{
  if (insn->kind == KIND_SITE || insn->kind == KIND_TAIL || insn->kind >= KIND_JUMP)
    jit_note_x87 (t);
  if (is_remembered (insn))
    t->x87 = insn;
  switch (insn->kind)
    {
    case KIND_SITE: emit_site (t, insn); break;
    case KIND_TAIL: emit_tail (t, insn); break;
    case KIND_NOTHING: break;
    case KIND_MODRM: emit_modrm (t, insn); break;
    case KIND_COPY: emit_copy (t, insn); break;
    case KIND_VZERO: jit_emit_vzero (t, insn); break;
    case KIND_LEA: emit_lea_insn (t, insn); break;
    case KIND_MOVE_IMM: emit_move_imm (t, insn); break;
    case KIND_PUSH: emit_push_register (t, insn); break;
    case KIND_PUSH_IMM: emit_push_imm (t, insn); break;
    case KIND_POP: emit_pop_register (t, insn); break;
    case KIND_EXCHANGE_RAX:
    case KIND_BSWAP:
    case KIND_INC_DEC: emit_opcode_register (t, insn); break;
    case KIND_LEAVE: emit_leave_insn (t, insn); break;
    case KIND_LODS:
    case KIND_STOS: emit_one_element (t, insn); break;
    case KIND_JUMP: jit_emit_exit (t, target_of (t, insn)); break;
    case KIND_JCC: emit_jcc_insn (t, insn); break;
    case KIND_CALL: emit_call (t, insn); break;
    case KIND_JUMP_INDIRECT: emit_jump_indirect (t, insn); break;
    case KIND_CALL_INDIRECT: emit_call_indirect (t, insn); break;
    case KIND_RETURN: emit_return (t, insn); break;
    default: g_assert_not_reached ();
    }
}
