/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instructions as host code: the same instruction on the host's registers and
 * memory.
 */

#include "engine/cpu/jit/translation.h"

/* --- Registers of the guest in scratch registers: R14 and R15 in those of their own numbers --- */

unsigned
jit_use (Translation *t, unsigned guest)
{
  if (guest >= HOST_REGS && !(t->held & HELD (guest)))
    {
      emit_load (t->e, guest, jit_guest_mem (guest));
      t->held |= HELD (guest);
    }
  return guest;
}

unsigned
jit_define (Translation *t, unsigned guest)
{
  if (guest >= HOST_REGS)
    {
      t->held |= HELD (guest);
      t->dirty |= HELD (guest);
    }
  return guest;
}

/* The state has it, too. */
static void
clean (Translation *t, unsigned scratch)
{
  if (t->dirty & HELD (scratch))
    emit_store (t->e, jit_guest_mem (scratch), scratch);
  t->dirty &= (uint8_t) ~HELD (scratch);
}

void
jit_release (Translation *t, unsigned scratch)
{
  clean (t, scratch);
  t->held &= (uint8_t) ~HELD (scratch);
}

void
jit_release_both (Translation *t)
{
  jit_release (t, S1);
  jit_release (t, S2);
}

/* --- Flags --- */

/* Both leave RFLAGS' arithmetic flags (where they hold them) alone until their end. */
void
jit_store_flags (Translation *t)
{
  Emit *e = t->e;

  jit_release (t, S2);
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

  jit_release (t, S2);
  emit_move (e, S2, RAX);
  emit_rm (e, 0, FALSE, MAP_0F, 0xb7, RAX, STATE_FIELD (jit_flags)); /* MOVZX */
  emit8 (e, 0x04); /* ADD AL, 7Fh: OF */
  emit8 (e, 0x7f);
  emit8 (e, 0x9e); /* SAHF */
  emit_move (e, RAX, S2);
}

void
jit_need_flags (Translation *t)
{
  if (t->in_host)
    return;
  jit_load_flags (t);
  t->in_host = TRUE;
}

uint32_t
jit_needed_before (const JitInsn *insn)
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
  jit_emit_address (t, &insn->op, insn->rip, FALSE);
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

unsigned
jit_guest_of (ZydisRegister reg)
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
  place.host = jit_host_reg (jit_guest_of (reg));
  if (place.host == NO_REG)
    {
      place.host = temp;
      place.guest = jit_guest_of (reg);
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
      if ((prefix == 0x66 && !t->is_16) || prefix == 0xf0 || ((prefix == 0xf2 || prefix == 0xf3) && !drops_rep))
        emit8 (e, prefix);
    }
  if (z->raw.rex.W)
    rex |= 0x48;
  if (t->is_16 && z->operand_width == 16 && !insn->uses_x87)
    emit8 (e, 0x66);
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

/* The register operand beside memory, if it stays in the state. */
static Place
find_beside (const JitInsn *insn)
{
  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    {
      const ZydisDecodedOperand *o = &insn->opr[i];

      if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
        return place_operand (insn, o, S2);
    }
  return (Place) { .host = NO_REG, .guest = NO_REG };
}

/* Looks the operand in memory up. What is read beside it is held in S1 before, if that is free of the address; or else it
 * comes into S2 later, and the address is in S1. */
static JitSlow *
look_up_operand (Translation *t, const JitInsn *insn)
{
  const ZydisDecodedOperand *o = &insn->opr[insn->mem];
  Place beside = find_beside (insn);

  if (!jit_is_in_window (t, insn))
    jit_release_both (t);
  else
    {
      jit_make_way (t, insn);
      if (needs_host_flags (insn))
        jit_need_flags (t);
      if (beside.guest != NO_REG && beside.loads)
        {
          if (beside.guest == S1 && jit_is_base_alone (t, insn) && insn->op.base != S2)
            jit_use (t, S1);
          else if (insn->op.base == S1 && jit_is_base_alone (t, insn))
            clean (t, S1);
          else
            jit_release (t, S1);
        }
    }
  return jit_emit_lookup (t, insn, (EmitMem) { .base = NO_REG }, o->size / 8u,
                          o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? X86_ACCESS_WRITE : X86_ACCESS_READ, alignment (insn));
}

/* Has a register operand where it can be worked on, if it stays in the state. */
static void
begin_operand (Translation *t, Place *place)
{
  if (place->guest != NO_REG && place->loads)
    place->host = jit_use (t, place->guest);
  else if (place->guest != NO_REG)
    place->host = place->guest;
}

static void
end_operand (Translation *t, const Place *place)
{
  if (place->guest != NO_REG && place->stores)
    jit_define (t, place->guest);
}

static void
emit_modrm (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  Place reg = { .host = insn->z.raw.modrm.reg, .guest = NO_REG }, rm = { .host = S1, .guest = NO_REG };
  unsigned rex = 0;
  JitSlow *slow = NULL;

  if (insn->mem >= 0)
    {
      if (is_remembered (insn))
        {
          jit_release_both (t);
          note_x87_operand (t, insn);
        }
      slow = look_up_operand (t, insn);
    }
  if (needs_host_flags (insn))
    jit_need_flags (t);
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
    }
  if (slow != NULL && reg.guest != NO_REG && reg.loads && !(t->held & HELD (reg.guest)))
    {
      jit_settle_address (t, slow);
      emit_load (e, S2, jit_guest_mem (reg.guest));
      reg.host = S2;
      emit_again (t, insn, reg.host, &slow->at, rm.host, rex);
      slow->end = e->at;
      if (reg.stores)
        emit_store (e, jit_guest_mem (reg.guest), S2);
    }
  else
    {
      begin_operand (t, &reg);
      begin_operand (t, &rm);
      emit_again (t, insn, reg.host, slow != NULL ? &slow->at : NULL, rm.host, rex);
      if (slow != NULL)
        slow->end = e->at;
      end_operand (t, &reg);
      end_operand (t, &rm);
    }
  after_flags (t, insn);
  if (slow != NULL)
    jit_end_lookup (t, slow);
}

/* General registers that stay in the state are loaded and stored each time. */
static void
emit_vex_insn (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  Place reg = { .host = insn->z.raw.modrm.reg, .guest = NO_REG }, rm = { .host = S1, .guest = NO_REG };
  Place second = { .host = NO_REG, .guest = NO_REG };
  JitSlow *slow = NULL;

  jit_release_both (t);
  if (insn->mem >= 0)
    slow = look_up_operand (t, insn);
  if (needs_host_flags (insn))
    jit_need_flags (t);
  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    {
      const ZydisDecodedOperand *o = &insn->opr[i];

      if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        continue;
      if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
        reg = place_operand (insn, o, S2);
      else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
        rm = place_operand (insn, o, S1);
      else if (o->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) /* what is written in S2's stead is never read */
        second = place_operand (insn, o, insn->z.mnemonic == ZYDIS_MNEMONIC_MULX ? S1 : S2);
    }
  jit_release_both (t);
  if (slow != NULL && (reg.guest != NO_REG || second.guest != NO_REG))
    jit_settle_address (t, slow);
  if (reg.guest != NO_REG && reg.loads)
    emit_load (e, reg.host, jit_guest_mem (reg.guest));
  if (rm.guest != NO_REG && rm.loads)
    emit_load (e, rm.host, jit_guest_mem (rm.guest));
  if (second.guest != NO_REG && second.loads)
    emit_load (e, second.host, jit_guest_mem (second.guest));
  jit_put_vex (t, insn, reg.host, second.host, slow != NULL ? &slow->at : NULL, rm.host);
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
    jit_end_lookup (t, slow);
}

/* Of the instructions that are copied. */
static gboolean
has_operand_size (ZydisMnemonic mnemonic)
{
  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_CBW: case ZYDIS_MNEMONIC_CWD: case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_SBB: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR: case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST:
      return TRUE;
    default:
      return FALSE;
    }
}

static void
emit_copy (Translation *t, const JitInsn *insn)
{
  if (needs_host_flags (insn))
    jit_need_flags (t);
  if (t->is_16)
    {
      /* The host's operands have 32 bits unless a prefix says otherwise. */
      unsigned prefixes = insn->z.raw.prefix_count;

      if (insn->z.operand_width == 16 && has_operand_size (insn->z.mnemonic))
        emit8 (t->e, 0x66);
      emit_bytes (t->e, insn->bytes + prefixes, insn->z.length - prefixes);
    }
  else
    emit_bytes (t->e, insn->bytes, insn->z.length);
  if (insn->z.raw.imm[0].size != 0)
    note_immediate (t, insn);
  after_flags (t, insn);
}

/* --- Forms of their own --- */

unsigned
jit_begin_register (unsigned guest)
{
  unsigned host = jit_host_reg (guest);

  return host != NO_REG ? host : S2;
}

void
jit_finish_register (Translation *t, unsigned guest, unsigned host)
{
  if (jit_host_reg (guest) == NO_REG)
    emit_store (t->e, jit_guest_mem (guest), host);
}

unsigned
jit_load_register (Translation *t, unsigned guest, unsigned temp)
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
  const X86Op *op = &insn->op;
  unsigned guest = jit_guest_of (insn->opr[0].reg.value), width = insn->z.operand_width;
  gboolean wide = width == 64 && op->asize == 8;

  if (op->base == X86_RIP || (op->base == X86_ZERO && op->index == X86_ZERO))
    {
      uint64_t address = (uint64_t) (int64_t) op->disp + (op->base == X86_RIP ? insn->rip : 0);

      emit_constant (t->e, jit_define (t, guest), wide ? address : (uint32_t) address);
      return;
    }
  emit_lea (t->e, wide, guest,
            (EmitMem) { .base = (uint8_t) (op->base != X86_ZERO ? jit_use (t, op->base) : NO_REG),
                        .index = (uint8_t) (op->index != X86_ZERO ? jit_use (t, op->index) : NO_REG),
                        .scale = op->scale, .disp = op->disp });
  jit_define (t, guest);
  note_displacement (t, insn);
}

static void
emit_move_imm (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  ZydisRegister reg = insn->opr[0].reg.value;
  unsigned host = jit_guest_of (reg);
  uint64_t value = insn->opr[1].imm.value.u;

  if (insn->z.operand_width < 32)
    jit_use (t, host);
  jit_define (t, host);
  switch (insn->z.operand_width)
    {
    case 64:
    case 32:
      if (insn->z.raw.imm[0].size == 64)
        emit_constant64 (e, host, value);
      else
        emit_constant (e, host, (uint32_t) value);
      note_immediate (t, insn);
      break;
    case 16:
      emit_opcode (e, 0x66, 0, MAP_1, 0xc7, NO_REG, NO_REG, host);
      emit8 (e, 0xc0 | (host & 7));
      emit8 (e, (uint8_t) value);
      emit8 (e, (uint8_t) (value >> 8));
      break;
    default:
      if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        emit8 (e, 0xb4 + (unsigned) (reg - ZYDIS_REGISTER_AH));
      else
        emit_opcode (e, 0, 0x40, MAP_1, 0xb0 | (host & 7), NO_REG, NO_REG, host);
      emit8 (e, (uint8_t) value);
      break;
    }
}

int
jit_stack_step (const Translation *t)
{
  return t->is_64 ? 8 : 4;
}

void
jit_move_stack (Translation *t, int32_t by)
{
  emit_lea (t->e, t->is_64, RSP, MEM (RSP, by));
}

JitSlow *
jit_begin_push (Translation *t, const JitInsn *insn)
{
  return jit_emit_lookup (t, insn, MEM (RSP, -jit_stack_step (t)), (unsigned) jit_stack_step (t), X86_ACCESS_WRITE, 0);
}

void
jit_store_wide (Translation *t, JitSlow *slow, unsigned host)
{
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x89, host, slow->at);
}

static void
emit_push_register (Translation *t, const JitInsn *insn)
{
  unsigned guest = jit_guest_of (insn->opr[0].reg.value);
  gboolean in_window = jit_is_in_window (t, insn);
  JitSlow *slow;

  jit_release (t, S2);
  if (in_window && guest == S1)
    jit_use (t, S1);
  else if (!in_window || guest == S2)
    jit_release (t, S1);
  slow = jit_begin_push (t, insn);
  if (guest >= HOST_REGS && !(t->held & HELD (guest)))
    {
      jit_settle_address (t, slow);
      emit_load (t->e, S2, jit_guest_mem (guest));
      guest = S2;
    }
  jit_store_wide (t, slow, guest);
  jit_move_stack (t, -jit_stack_step (t));
  jit_end_lookup (t, slow);
}

void
jit_store_constant (Translation *t, JitSlow *slow, uint64_t value)
{
  if (t->is_64 && value != (uint64_t) (int64_t) (int32_t) value)
    {
      jit_settle_address (t, slow);
      emit_constant (t->e, S2, value);
      jit_store_wide (t, slow, S2);
      return;
    }
  emit_rm (t->e, 0, t->is_64, MAP_1, 0xc7, 0, slow->at);
  emit32 (t->e, (uint32_t) value);
}

static void
emit_push_imm (Translation *t, const JitInsn *insn)
{
  JitSlow *slow = jit_begin_push (t, insn);

  jit_store_constant (t, slow, (uint64_t) insn->opr[0].imm.value.s);
  jit_move_stack (t, -jit_stack_step (t));
  jit_end_lookup (t, slow);
}

static void
emit_pop_register (Translation *t, const JitInsn *insn)
{
  unsigned guest = jit_guest_of (insn->opr[0].reg.value);
  JitSlow *slow;

  jit_release (t, S2);
  if (!jit_is_in_window (t, insn))
    jit_release (t, S1);
  slow = jit_emit_lookup (t, insn, MEM (RSP, 0), (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, guest, slow->at);
  slow->end = t->e->at;
  jit_define (t, guest);
  if (guest != X86_RSP)
    jit_move_stack (t, jit_stack_step (t));
  jit_end_lookup (t, slow);
}

static void
emit_leave_insn (Translation *t, const JitInsn *insn)
{
  JitSlow *slow;

  slow = jit_emit_lookup (t, insn, MEM (RBP, 0), (unsigned) jit_stack_step (t), X86_ACCESS_READ, 0);
  emit_rm (t->e, 0, t->is_64, MAP_1, 0x8b, S1, slow->at);
  slow->end = t->e->at;
  emit_lea (t->e, t->is_64, RSP, MEM (RBP, jit_stack_step (t)));
  emit_rr (t->e, 0, t->is_64, MAP_1, 0x89, S1, RBP);
  jit_end_lookup (t, slow);
}

/* XCHG of the accumulator, BSWAP, and INC and DEC of 32-bit code name their register in the opcode. */
static void
emit_opcode_register (Translation *t, const JitInsn *insn)
{
  Emit *e = t->e;
  unsigned n = insn->kind == KIND_EXCHANGE_RAX ? 1 : 0, width = insn->z.operand_width, guest, host;

  if (insn->kind == KIND_EXCHANGE_RAX && jit_guest_of (insn->opr[1].reg.value) == X86_RAX)
    n = 0;
  guest = jit_guest_of (insn->opr[n].reg.value);
  if (needs_host_flags (insn))
    jit_need_flags (t);
  host = jit_use (t, guest);
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
  jit_define (t, guest);
  after_flags (t, insn);
}

/* Whether the emitter minds what scratch registers hold. */
static gboolean
minds_held (const JitInsn *insn)
{
  switch (insn->kind)
    {
    case KIND_NOTHING: case KIND_MODRM: case KIND_COPY: case KIND_LEA: case KIND_MOVE_IMM: case KIND_PUSH: case KIND_POP:
    case KIND_EXCHANGE_RAX: case KIND_BSWAP: case KIND_INC_DEC:
      return TRUE;
    default:
      return FALSE;
    }
}

void
jit_emit_insn (Translation *t, const JitInsn *insn)
{
  if (!minds_held (insn))
    jit_release_both (t);
  if (insn->kind == KIND_SITE || insn->kind == KIND_TAIL || insn->kind == KIND_STI || insn->kind >= KIND_JUMP)
    jit_note_x87 (t);
  if (is_remembered (insn))
    t->x87 = insn;
  switch (insn->kind)
    {
    case KIND_SITE: jit_emit_site (t, insn); break;
    case KIND_TAIL: jit_emit_tail (t, insn); break;
    case KIND_NOTHING: break;
    case KIND_MODRM:
      if (insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        emit_vex_insn (t, insn);
      else
        emit_modrm (t, insn);
      break;
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
    case KIND_STOS:
    case KIND_REPEAT_MOVS:
    case KIND_REPEAT_STOS: jit_emit_string (t, insn); break;
    case KIND_PUSH_MEM:
    case KIND_PUSH_FLAGS:
    case KIND_DIVIDE:
    case KIND_STORE_SELECTOR:
    case KIND_CLI:
    case KIND_STI:
    case KIND_STAC:
    case KIND_CLAC:
    case KIND_SWAPGS: jit_emit_system (t, insn); break;
    case KIND_JUMP: jit_emit_exit (t, jit_target_of (t, insn)); break;
    case KIND_JCC: jit_emit_jcc (t, insn); break;
    case KIND_CALL: jit_emit_call (t, insn); break;
    case KIND_JUMP_INDIRECT: jit_emit_jump_indirect (t, insn); break;
    case KIND_CALL_INDIRECT: jit_emit_call_indirect (t, insn); break;
    case KIND_RETURN: jit_emit_return (t, insn); break;
    default: g_assert_not_reached ();
    }
}
