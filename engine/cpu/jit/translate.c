/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a block's instructions need and leave, and the frame around their translation. */

#include "engine/cpu/jit/translation.h"

enum
{
  UNCHAINED_MIN = 11, /* instructions of a block that neither leads on nor loops */
  FLAT_CODE = X86_MODE_CSFLAT | X86_MODE_CSZERO,
  FLAT_STACK = X86_MODE_PE | X86_MODE_FLAT | X86_MODE_STACK32
};

/* --- Classification --- */

static gboolean
is_general (ZydisRegister reg)
{
  switch (ZydisRegisterGetClass (reg))
    {
    case ZYDIS_REGCLASS_GPR8: case ZYDIS_REGCLASS_GPR16: case ZYDIS_REGCLASS_GPR32: case ZYDIS_REGCLASS_GPR64: return TRUE;
    default: return FALSE;
    }
}

static gboolean
is_high_byte (ZydisRegister reg)
{
  return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

/* Integer instructions with a ModR/M byte, or with the accumulator and an immediate, that do the same with other
 * registers and other memory. */
static gboolean
is_plain (ZydisMnemonic mnemonic)
{
  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR: case ZYDIS_MNEMONIC_XOR: case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST: case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD: case ZYDIS_MNEMONIC_INC: case ZYDIS_MNEMONIC_DEC: case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_NOT: case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR: case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL: case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHLD: case ZYDIS_MNEMONIC_SHRD: case ZYDIS_MNEMONIC_IMUL: case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_CMOVB: case ZYDIS_MNEMONIC_CMOVBE: case ZYDIS_MNEMONIC_CMOVL: case ZYDIS_MNEMONIC_CMOVLE:
    case ZYDIS_MNEMONIC_CMOVNB: case ZYDIS_MNEMONIC_CMOVNBE: case ZYDIS_MNEMONIC_CMOVNL: case ZYDIS_MNEMONIC_CMOVNLE:
    case ZYDIS_MNEMONIC_CMOVNO: case ZYDIS_MNEMONIC_CMOVNP: case ZYDIS_MNEMONIC_CMOVNS: case ZYDIS_MNEMONIC_CMOVNZ:
    case ZYDIS_MNEMONIC_CMOVO: case ZYDIS_MNEMONIC_CMOVP: case ZYDIS_MNEMONIC_CMOVS: case ZYDIS_MNEMONIC_CMOVZ:
    case ZYDIS_MNEMONIC_SETB: case ZYDIS_MNEMONIC_SETBE: case ZYDIS_MNEMONIC_SETL: case ZYDIS_MNEMONIC_SETLE:
    case ZYDIS_MNEMONIC_SETNB: case ZYDIS_MNEMONIC_SETNBE: case ZYDIS_MNEMONIC_SETNL: case ZYDIS_MNEMONIC_SETNLE:
    case ZYDIS_MNEMONIC_SETNO: case ZYDIS_MNEMONIC_SETNP: case ZYDIS_MNEMONIC_SETNS: case ZYDIS_MNEMONIC_SETNZ:
    case ZYDIS_MNEMONIC_SETO: case ZYDIS_MNEMONIC_SETP: case ZYDIS_MNEMONIC_SETS: case ZYDIS_MNEMONIC_SETZ:
    case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BSF: case ZYDIS_MNEMONIC_BSR: case ZYDIS_MNEMONIC_POPCNT: case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_TZCNT: case ZYDIS_MNEMONIC_XADD: case ZYDIS_MNEMONIC_CMPXCHG: case ZYDIS_MNEMONIC_XCHG:
    case ZYDIS_MNEMONIC_CRC32: case ZYDIS_MNEMONIC_MOVNTI: case ZYDIS_MNEMONIC_MOVBE: case ZYDIS_MNEMONIC_ADCX:
    case ZYDIS_MNEMONIC_ADOX:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
is_vector (const JitInsn *insn)
{
  switch (insn->z.meta.isa_ext)
    {
    case ZYDIS_ISA_EXT_SSE: case ZYDIS_ISA_EXT_SSE2: case ZYDIS_ISA_EXT_SSE3: case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4: case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_PCLMULQDQ: case ZYDIS_ISA_EXT_SHA:
      break;
    default:
      return FALSE;
    }
  if (insn->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    return FALSE;
  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    if (insn->opr[i].type == ZYDIS_OPERAND_TYPE_REGISTER
        && ZydisRegisterGetClass (insn->opr[i].reg.value) == ZYDIS_REGCLASS_XMM)
      return insn->z.mnemonic != ZYDIS_MNEMONIC_MASKMOVDQU;
  switch (insn->z.mnemonic) /* from memory */
    {
    case ZYDIS_MNEMONIC_CVTSS2SI: case ZYDIS_MNEMONIC_CVTSD2SI: case ZYDIS_MNEMONIC_CVTTSS2SI: case ZYDIS_MNEMONIC_CVTTSD2SI:
      return TRUE;
    default:
      return FALSE;
    }
}

/* x87 instructions that do not look at the unit as a whole. */
static gboolean
is_x87 (const JitInsn *insn)
{
  if (insn->z.mnemonic == ZYDIS_MNEMONIC_FWAIT)
    return TRUE;
  if (insn->z.meta.isa_ext != ZYDIS_ISA_EXT_X87 || insn->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    return FALSE;
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_FLDCW: case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FRSTOR:
      return FALSE;
    default:
      return (insn->z.opcode & 0xf8) == 0xd8;
    }
}

/* Whether every operand is one that jit_emit_insn() can place. */
static gboolean
operands_fit (JitInsn *insn, gboolean vectors)
{
  gboolean is_64 = insn->z.machine_mode == ZYDIS_MACHINE_MODE_LONG_64;
  gboolean has_high = FALSE, needs_rex = FALSE;

  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    {
      const ZydisDecodedOperand *o = &insn->opr[i];

      switch (o->type)
        {
        case ZYDIS_OPERAND_TYPE_REGISTER:
          if (is_general (o->reg.value))
            {
              if (o->encoding == ZYDIS_OPERAND_ENCODING_OPCODE)
                return FALSE;
              has_high |= is_high_byte (o->reg.value);
              /* The guest's stack pointer and what is in the state need a REX prefix on the host. */
              needs_rex |= jit_host_reg (x86_lower_reg (o->reg.value) / (ZydisRegisterGetClass (o->reg.value) == ZYDIS_REGCLASS_GPR8 ? 8 : 1)) > RDI;
            }
          else if (ZydisRegisterGetClass (o->reg.value) == ZYDIS_REGCLASS_X87)
            break;
          else if (!vectors || ZydisRegisterGetClass (o->reg.value) != ZYDIS_REGCLASS_XMM)
            return FALSE;
          break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
          if (insn->mem >= 0 || o->mem.type != ZYDIS_MEMOP_TYPE_MEM || (insn->op.ea == X86_EA_GENERAL && is_64)
              || o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
            return FALSE;
          insn->mem = (int) i;
          break;
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
          break;
        default:
          return FALSE;
        }
    }
  return !has_high || (insn->mem < 0 && !needs_rex);
}

/* Whether it pushes or pops as is usual on a flat stack. */
static gboolean
is_usual_on_stack (const Translation *t, const JitInsn *insn)
{
  return t->has_flat_stack && insn->z.operand_width == (t->is_64 ? 64 : 32);
}

/* Where targets have to be checked only those back to the block's start need no check. */
static gboolean
is_native_branch (const Translation *t, const JitInsn *insn)
{
  if (!t->is_chained
      && (insn->opr[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || insn->z.meta.category == ZYDIS_CATEGORY_CALL
          || jit_target_of (t, insn) != t->rip))
    return FALSE;
  return insn->z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR
         && (t->is_64 || !(insn->z.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE));
}

static gboolean
is_register (const JitInsn *insn, unsigned n)
{
  return insn->opr[n].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static JitKind
classify (const Translation *t, JitInsn *insn)
{
  ZydisMnemonic mnemonic = insn->z.mnemonic;
  gboolean has_modrm = (insn->z.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;

  if (insn->op.fn == x86_op_ud || insn->op.fn == x86_op_gp0 || insn->op.fn == x86_op_no_sse || insn->op.fn == x86_op_no_fpu
      || insn->op.fn == x86_op_no_mmx || insn->op.fn == x86_op_no_avx)
    return KIND_TAIL;

  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_NOP: case ZYDIS_MNEMONIC_ENDBR32: case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHT0: case ZYDIS_MNEMONIC_PREFETCHT1:
    case ZYDIS_MNEMONIC_PREFETCHT2: case ZYDIS_MNEMONIC_PREFETCHW: case ZYDIS_MNEMONIC_PREFETCH:
      return KIND_NOTHING;
    case ZYDIS_MNEMONIC_CBW: case ZYDIS_MNEMONIC_CWDE: case ZYDIS_MNEMONIC_CDQE: case ZYDIS_MNEMONIC_CWD:
    case ZYDIS_MNEMONIC_CDQ: case ZYDIS_MNEMONIC_CQO: case ZYDIS_MNEMONIC_SAHF: case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_CLC: case ZYDIS_MNEMONIC_STC: case ZYDIS_MNEMONIC_CMC: case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_SFENCE: case ZYDIS_MNEMONIC_MFENCE:
      return KIND_COPY;
    case ZYDIS_MNEMONIC_LEA:
      return insn->z.operand_width >= 32 && insn->op.asize >= 4 && !(insn->op.flags & X86_OPF_RIP_WIDE) ? KIND_LEA : KIND_SITE;
    case ZYDIS_MNEMONIC_PUSH:
      if (!is_usual_on_stack (t, insn))
        return KIND_SITE;
      if (insn->opr[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return KIND_PUSH_IMM;
      if (insn->opr[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
        return operands_fit (insn, FALSE) ? KIND_PUSH_MEM : KIND_SITE;
      return is_register (insn, 0) && is_general (insn->opr[0].reg.value) ? KIND_PUSH : KIND_SITE;
    case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV:
      return operands_fit (insn, FALSE) ? KIND_DIVIDE : KIND_SITE;
    case ZYDIS_MNEMONIC_POP:
      return is_usual_on_stack (t, insn) && is_register (insn, 0) && is_general (insn->opr[0].reg.value) ? KIND_POP : KIND_SITE;
    case ZYDIS_MNEMONIC_LEAVE:
      return is_usual_on_stack (t, insn) ? KIND_LEAVE : KIND_SITE;
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD: case ZYDIS_MNEMONIC_LODSQ:
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD: case ZYDIS_MNEMONIC_STOSQ:
    case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW: case ZYDIS_MNEMONIC_MOVSQ:
      return jit_string_kind (t, insn);
    case ZYDIS_MNEMONIC_MOVSD:
      if (insn->z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return jit_string_kind (t, insn);
      break; /* SSE2's */
    case ZYDIS_MNEMONIC_BSWAP:
      return insn->z.operand_width >= 32 ? KIND_BSWAP : KIND_SITE;
    case ZYDIS_MNEMONIC_JMP:
      if (!is_native_branch (t, insn))
        return KIND_TAIL;
      if (insn->opr[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return KIND_JUMP;
      return insn->opr[0].size == (t->is_64 ? 64 : 32) && operands_fit (insn, FALSE) ? KIND_JUMP_INDIRECT : KIND_TAIL;
    case ZYDIS_MNEMONIC_CALL:
      if (!is_native_branch (t, insn) || !t->has_flat_stack)
        return KIND_TAIL;
      if (insn->opr[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return KIND_CALL;
      return insn->opr[0].size == (t->is_64 ? 64 : 32) && operands_fit (insn, FALSE) ? KIND_CALL_INDIRECT : KIND_TAIL;
    case ZYDIS_MNEMONIC_RET:
      return t->is_chained && t->has_flat_stack && is_native_branch (t, insn) ? KIND_RETURN : KIND_TAIL;
    default:
      break;
    }
  if (insn->z.meta.category == ZYDIS_CATEGORY_COND_BR)
    return is_native_branch (t, insn) && (insn->z.opcode & 0xf0) == (insn->z.opcode_map == ZYDIS_OPCODE_MAP_0F ? 0x80 : 0x70)
             ? KIND_JCC : KIND_TAIL;
  if (insn->z.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
    return KIND_TAIL;

  if (!t->is_16 && jit_vex_fits (insn))
    return KIND_MODRM;
  if (insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && jit_vex_is_zero (insn) && t->is_64) /* else eight registers */
    {
      insn->uses_sse = insn->uses_avx = TRUE;
      return KIND_VZERO;
    }
  if (is_plain (mnemonic))
    {
      if (!has_modrm)
        {
          unsigned opcode = insn->z.opcode;

          if (insn->z.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
            return KIND_SITE;
          if (mnemonic == ZYDIS_MNEMONIC_MOV)
            return opcode >= 0xb0 && opcode <= 0xbf ? KIND_MOVE_IMM : KIND_SITE;
          if (mnemonic == ZYDIS_MNEMONIC_XCHG)
            return KIND_EXCHANGE_RAX;
          if (mnemonic == ZYDIS_MNEMONIC_INC || mnemonic == ZYDIS_MNEMONIC_DEC)
            return KIND_INC_DEC;
          return (opcode & 0xc6) == 0x04 || opcode == 0xa8 || opcode == 0xa9 ? KIND_COPY : KIND_SITE;
        }
      /* The prefix 66 is not one of operand size. */
      if (t->is_16 && (mnemonic == ZYDIS_MNEMONIC_ADCX || mnemonic == ZYDIS_MNEMONIC_ADOX || mnemonic == ZYDIS_MNEMONIC_MOVNTI))
        return KIND_SITE;
      if (!operands_fit (insn, FALSE))
        return jit_system_kind (t, insn);
      /* A bit number in a register reaches beyond the operand. */
      if (insn->mem >= 0 && insn->z.meta.category == ZYDIS_CATEGORY_BITBYTE && insn->z.raw.imm[0].size == 0
          && (mnemonic == ZYDIS_MNEMONIC_BT || mnemonic == ZYDIS_MNEMONIC_BTS || mnemonic == ZYDIS_MNEMONIC_BTR
              || mnemonic == ZYDIS_MNEMONIC_BTC))
        return KIND_SITE;
      return KIND_MODRM;
    }
  if (!t->is_16 && is_vector (insn) && operands_fit (insn, TRUE))
    {
      insn->uses_sse = TRUE;
      return KIND_MODRM;
    }
  if (is_x87 (insn))
    {
      if (mnemonic == ZYDIS_MNEMONIC_FWAIT || insn->z.raw.modrm.mod == 3)
        {
          insn->uses_x87 = TRUE;
          return KIND_COPY;
        }
      insn->uses_x87 = operands_fit (insn, FALSE);
      return insn->uses_x87 ? KIND_MODRM : KIND_SITE;
    }
  return jit_system_kind (t, insn);
}

/* --- Flags --- */

static void
find_flags (JitInsn *insn)
{
  const ZydisAccessedFlags *flags = insn->z.cpu_flags;

  insn->reads = insn->writes = 0;
  insn->may_write = FALSE;
  if (insn->kind == KIND_SITE || insn->kind == KIND_TAIL)
    {
      insn->reads = ARITH;
      return;
    }
  if (flags == NULL)
    return;
  insn->reads = insn->kind == KIND_PUSH_FLAGS ? ARITH : flags->tested & ARITH;
  insn->writes = (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & ARITH;
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR: case ZYDIS_MNEMONIC_SAR: case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
      /* With a count of 0 they leave the flags alone. */
      if (insn->z.raw.imm[0].size == 0 || (insn->z.raw.imm[0].value.u & 31) == 0)
        {
          /* By one is a form of its own. */
          if ((insn->z.opcode == 0xd0 || insn->z.opcode == 0xd1) && insn->z.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
            break;
          insn->writes = 0;
          insn->may_write = TRUE;
        }
      break;
    default:
      break;
    }
}

uint32_t
jit_live_at (Translation *t, const uint8_t *host, uint64_t rip)
{
  enum { AHEAD = 8 };
  uint32_t live = 0, pending = ARITH;
  const uint8_t *page_end = (const uint8_t *) (((uintptr_t) host & X86_PAGE_MASK) + GUEST_PAGE_SIZE);

  if (t->cpu->system->is_compared)
    return ARITH;
  for (unsigned i = 0; i < AHEAD && host < page_end && pending != 0; i++)
    {
      unsigned room = (unsigned) MIN (page_end - host, 15);
      uint8_t bytes[15]; /* others may be writing there */
      JitInsn insn;

      x86_code_peek (t->cpu, host, room);
      memcpy (bytes, host, room);
      if (!jit_decode (t, bytes, room, rip, &insn))
        {
          jit_note_peek (t, host, bytes, room);
          break;
        }
      jit_note_peek (t, host, bytes, insn.z.length);
      live |= insn.reads & pending;
      pending &= ~insn.writes & ~insn.reads;
      if (insn.kind == KIND_JUMP)
        {
          rip = insn.next_rip + (uint64_t) insn.opr[0].imm.value.s;
          host = jit_in_page (t, rip);
          if (host == NULL)
            break;
          continue;
        }
      if (insn.kind >= KIND_JUMP || insn.kind == KIND_TAIL)
        break;
      host += insn.z.length;
      rip = insn.next_rip;
    }
  return live | pending;
}

const uint8_t *
jit_in_page (const Translation *t, uint64_t rip)
{
  uint64_t start = (uintptr_t) t->block->host & 0xfff, offset = start + (rip - t->rip);

  return offset < GUEST_PAGE_SIZE ? t->block->host - start + offset : NULL;
}

/* --- Decoding --- */

gboolean
jit_decode (Translation *t, const uint8_t *bytes, unsigned length, uint64_t rip, JitInsn *insn)
{
  X86Op ops[X86_BLOCK_OPS];
  unsigned taken;

  if (!x86_decode_instruction (t->cpu, bytes, length, t->block->mode, &insn->z, insn->opr))
    return FALSE;
  if (x86_decode (t->cpu, bytes, insn->z.length, FALSE, t->block->mode, 1, ops, &taken) == 0)
    return FALSE;
  insn->op = ops[0];
  insn->bytes = bytes;
  insn->rip = rip;
  insn->next_rip = t->is_64 ? rip + insn->z.length : t->is_16 ? (uint16_t) (rip + insn->z.length) : (uint32_t) (rip + insn->z.length);
  insn->mem = -1;
  insn->uses_sse = insn->uses_x87 = insn->uses_avx = insn->is_256 = FALSE;
  insn->live = ARITH;
  insn->kind = classify (t, insn);
  find_flags (insn);
  return TRUE;
}

static gboolean
decode_block (Translation *t)
{
  const uint8_t *bytes = x86_block_bytes (t->block);
  unsigned done = 0, native = 0;
  uint64_t rip = t->rip;

  while (done < t->block->length && t->count < X86_BLOCK_MAX)
    {
      JitInsn *insn = &t->insns[t->count];

      if (!jit_decode (t, bytes + done, t->block->length - done, rip, insn))
        return FALSE;
      t->count++;
      done += insn->z.length;
      rip = insn->next_rip;
      if (insn->kind != KIND_SITE && insn->kind != KIND_TAIL)
        native++;
      /* What ends a block may change how the next instruction is to be run. */
      if ((insn->kind == KIND_SITE || insn->kind == KIND_STI) && done == t->block->length)
        {
          insn->kind = KIND_TAIL;
          insn->reads = ARITH;
        }
      if (insn->kind == KIND_TAIL || insn->kind >= KIND_JUMP)
        break;
    }
  if (t->insns[0].kind == KIND_TAIL)
    return FALSE;
  /* The way in and out is longer than the interpreter's to the next block: it has to be worth it. */
  return native > (t->is_chained || t->insns[t->count - 1].kind >= KIND_JUMP ? 0 : UNCHAINED_MIN);
}

static gboolean
ends_alone (const JitInsn *insn)
{
  return insn->kind == KIND_TAIL || insn->kind >= KIND_JUMP;
}

static void
find_live_flags (Translation *t)
{
  const JitInsn *last = &t->insns[t->count - 1];
  uint32_t live = ARITH;

  if (!ends_alone (last))
    {
      const uint8_t *host = jit_in_page (t, last->next_rip);

      live = host != NULL ? jit_live_at (t, host, last->next_rip) : ARITH;
    }
  for (unsigned i = t->count; i-- > 0;)
    {
      t->insns[i].live = live;
      live = t->cpu->system->is_compared ? ARITH : (live & ~t->insns[i].writes) | t->insns[i].reads;
    }
  t->live_in = live;
}

/* --- The frame --- */

/* The ways into the body. Attention is looked at in each; the second way leaves flags alone, and faults. */
static void
emit_host_start (Translation *t)
{
  Emit *e = t->e;
  uint8_t *body;

  jit_load_flags (t);
  body = emit_jump (e);
  t->host_start = e->at;
  emit_load (e, S2, STATE_FIELD (guard));
  emit_load32 (e, S2, MEM (S2, 0));
  t->host_guard_end = e->at;
  if (!e->is_full)
    emit_patch (body, e->at);
  t->in_host = TRUE;
  t->in_state = FALSE;
}

static void
emit_host_leave (Translation *t)
{
  JitAccess access = { .start = (uint32_t) (t->host_start - t->jit->write), .end = (uint32_t) (t->host_guard_end - t->jit->write),
                       .slow = (uint32_t) (t->e->at - t->jit->write) };

  t->host_leave = t->e->at;
  g_array_append_val (t->jit->accesses, access);
  jit_store_flags (t);
  jit_emit_leave (t, t->rip);
}

static void
emit_leave (Translation *t)
{
  t->leave = t->e->at;
  jit_emit_leave (t, t->rip);
}

void
jit_emit_skip (Translation *t)
{
  Emit *e = t->e;

  emit_constant (e, S2, (uint64_t) (uintptr_t) t->block);
  emit_constant (e, S1, (uint64_t) (uintptr_t) &t->jit->skip);
  emit_store (e, MEM (S1, 0), S2);
}

/* Has @thunk prepare a unit; it comes back. */
static void
emit_prepare (Translation *t, const uint8_t *thunk)
{
  Emit *e = t->e;
  uint8_t *displacement;

  emit_opcode (e, 0, 0x48, MAP_1, 0x8d, S2, NO_REG, NO_REG); /* LEA S2, [RIP + …] */
  emit8 (e, (S2 & 7) << 3 | 5);
  emit32 (e, 0);
  displacement = e->at - 4;
  emit_jump_to (e, jit_write (t->jit, thunk));
  if (!e->is_full)
    emit_patch (displacement, e->at);
}

/* After a unit was prepared: on to @ready; or, exceptions being unmasked, the interpreter runs this block. */
static void
emit_unit_ready (Translation *t, const uint8_t *ready)
{
  Emit *e = t->e;

  emit_rr (e, 0, FALSE, MAP_1, 0x85, S1, S1);
  emit_jcc_to (e, CC_NZ, ready);
  jit_emit_skip (t);
  emit_jump_to (e, t->leave);
}

Translation *
jit_scratch_new (void)
{
  return g_new0 (Translation, 1);
}

JitBlock *
jit_translate (X86Cpu *cpu, X86Block *block, uint64_t rip, gboolean *useless)
{
  struct X86Jit *jit = cpu->jit;
  Translation *t = jit->scratch;
  Emit *e = &jit->emit;
  uint8_t *attention, *sse = NULL, *sse_ready = NULL, *x87 = NULL, *x87_ready = NULL;
  gboolean uses_sse = FALSE, uses_avx = FALSE, uses_x87 = FALSE;
  JitBlock *result;

  memset (t, 0, G_STRUCT_OFFSET (Translation, insns));
  t->cpu = cpu;
  t->jit = jit;
  t->block = block;
  t->rip = rip;
  t->is_64 = (block->mode & X86_MODE_CODE64) != 0;
  t->is_16 = (block->mode & X86_MODE_CODE_MASK) == X86_MODE_CODE16;
  t->is_chained = !t->is_16 && (block->mode & FLAT_CODE) == FLAT_CODE;
  t->has_flat_stack = !t->is_16 && (block->mode & FLAT_STACK) == FLAT_STACK;
  t->is_global = x86_jump_entry (cpu, rip)->key == cpu->global_key;
  t->e = e;
  if (!decode_block (t))
    {
      *useless = TRUE;
      return NULL;
    }
  find_live_flags (t);
  for (unsigned i = 0; i < t->count; i++)
    {
      uses_sse |= t->insns[i].uses_sse;
      uses_avx |= t->insns[i].uses_avx;
      uses_x87 |= t->insns[i].uses_x87;
    }

  t->uses_sse = uses_sse;
  e->at = jit->write + ((e->at - jit->write + 15) & ~(ptrdiff_t) 15);
  t->start = e->at;
  t->in_state = t->are_uppers_clean = TRUE;
  emit_rm (e, 0, FALSE, MAP_1, 0x83, 7, STATE_FIELD (attention));
  emit8 (e, 0);
  attention = emit_jcc (e, CC_NZ);
  if (uses_sse)
    {
      emit_rm (e, 0, FALSE, MAP_1, 0xf6, 0, STATE_FIELD (jit_sse)); /* TEST */
      emit8 (e, uses_avx ? JIT_VECTORS_UPPER : JIT_VECTORS_XMM);
      sse = emit_jcc (e, CC_Z);
      sse_ready = e->at;
    }
  if (uses_x87)
    {
      emit_rm (e, 0, FALSE, MAP_1, 0x80, 7, STATE_FIELD (jit_x87));
      emit8 (e, 0);
      x87 = emit_jcc (e, CC_Z);
      x87_ready = e->at;
    }
  if (t->live_in != 0 && !uses_sse && !uses_x87 && jit->windows != NULL)
    emit_host_start (t);
  for (unsigned i = 0; i < t->count; i++)
    jit_emit_insn (t, &t->insns[i]);
  if (!ends_alone (&t->insns[t->count - 1]))
    {
      jit_release_both (t);
      jit_note_x87 (t);
      jit_emit_exit (t, t->insns[t->count - 1].next_rip);
    }
  jit_emit_stubs (t);
  if (t->host_start != NULL)
    emit_host_leave (t);
  for (unsigned i = 0; i < t->slow_count; i++)
    jit_emit_slow (t, &t->slow[i]);
  emit_leave (t);
  emit_patch (attention, t->leave);
  if (uses_sse)
    {
      emit_patch (sse, e->at);
      emit_prepare (t, uses_avx ? jit->prepare_avx : jit->prepare_sse);
      emit_unit_ready (t, sse_ready);
    }
  if (uses_x87)
    {
      emit_patch (x87, e->at);
      emit_prepare (t, jit->prepare_x87);
      emit_unit_ready (t, x87_ready);
    }
  result = jit_alloc (jit, sizeof *result);
  if (result == NULL || t->failed || e->is_full)
    return NULL;
  *result = (JitBlock) { .rip = rip, .code = jit_exec (jit, t->start), .leave = jit_exec (jit, t->leave) };
  if (t->host_start != NULL)
    {
      result->host_code = jit_exec (jit, t->host_start);
      result->host_leave = jit_exec (jit, t->host_leave);
    }
  return jit_keep_notes (t, result) ? result : NULL;
}
