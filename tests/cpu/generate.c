/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes cases: instructions drawn from the opcode maps with prefixes and operands of every kind, then registers that
 * let memory operands hit the data window and the rest fail now and then.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format), appendix A (Opcode Map).
 */

#include "engine/cpu/cpuid.h"
#include "tests/cpu/case.h"

#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

typedef struct
{
  Random random;
  const Generator *generator;
  Case *cs;
  uint32_t pinned;               /* registers with a value that an operand needs */
  gboolean has_branch, has_x87;  /* among the steps so far */
  DrawKind kind;
} Maker;

void
generator_init (Generator *generator, CaseHasFeature has_feature, void *opaque)
{
  ZydisDecoderInit (&generator->decoder[CASE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecoderInit (&generator->decoder[CASE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  ZydisDecoderInit (&generator->decoder[CASE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
  for (unsigned i = 0; i < CASE_MODES; i++)
    {
      ZydisDecoderEnableMode (&generator->decoder[i], ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
      ZydisDecoderEnableMode (&generator->decoder[i], ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    }
  operand_pool (generator->pool, sizeof generator->pool);
  policy_init (generator->allowed, has_feature, opaque);
  generator->with_ymm = has_feature (opaque, X86_FEAT_AVX);
  catalog_init (generator);
}

void
generator_clear (Generator *generator)
{
  catalog_clear (generator);
}

void
case_fill_data (const Generator *generator, const Case *cs, uint8_t *data)
{
  memcpy (data, generator->pool + cs->pool_offset, CASE_DATA_SIZE);
  for (unsigned i = 0; i < cs->patch_count; i++)
    memcpy (data + cs->patches[i].offset, cs->patches[i].bytes, cs->patches[i].size);
}

/* --- Bytes --- */

/* Encodings whose meaning newer processors may have found: not to be tried as invalid ones. Prefixes before VEX and a
 * register too much are wrong for ever. */
static gboolean
may_mean_something (const uint8_t *bytes, ZyanStatus status)
{
  static const uint8_t escapes[] = { 0xc4, 0xc5, 0x62, 0x8f, 0xd5 };
  unsigned n = 0;

  while (n < 15 && (strchr ("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", bytes[n]) != NULL && bytes[n] != 0))
    n++;
  while (n < 15 && (bytes[n] & 0xf0) == 0x40)
    n++;
  if (memchr (escapes, bytes[n], sizeof escapes) != NULL)
    return bytes[n] < 0xc4 || bytes[n] > 0xc5
           || (status != ZYDIS_STATUS_ILLEGAL_LOCK && status != ZYDIS_STATUS_ILLEGAL_LEGACY_PFX
               && status != ZYDIS_STATUS_ILLEGAL_REX && status != ZYDIS_STATUS_BAD_REGISTER);
  if (bytes[n] != 0x0f)
    return FALSE;
  return bytes[n + 1] <= 0x01 || bytes[n + 1] == 0xc7 || bytes[n + 1] == 0xae || bytes[n + 1] == 0x38
         || bytes[n + 1] == 0x3a || bytes[n + 1] == 0x0f || (bytes[n + 1] & 0xf8) == 0x18
         || (bytes[n + 1] & 0xf8) == 0x20 || bytes[n + 1] == 0x0d;
}

static ZyanStatus
decode (const Generator *generator, CaseMode mode, const uint8_t *bytes, CaseStep *step)
{
  ZyanStatus status = ZydisDecoderDecodeFull (&generator->decoder[mode], bytes, ZYDIS_MAX_INSTRUCTION_LENGTH, &step->insn,
                                              step->opr);

  step->is_valid = ZYAN_SUCCESS (status);
  if (!step->is_valid)
    step->insn.length = ZYDIS_MAX_INSTRUCTION_LENGTH;
  return status;
}

/* --- Operands --- */

/* Where an operand of @size bytes lies: mostly within the window, sometimes over an edge of it. */
static uint64_t
draw_target (Random *random, unsigned size)
{
  unsigned align = size != 0 && (size & (size - 1)) == 0 ? size : 1;

  switch (random_below (random, 20))
    {
    case 0: /* over the end of a page that is followed by another */
      return CASE_DATA + 0x1000 * (1 + random_below (random, 2)) - random_below (random, size + 1);
    case 1: /* over the edge to the read-only page, and over the end */
      return CASE_READONLY + (random_chance (random, 50) ? 0x1000 : 0) - random_below (random, size + 2);
    case 2:
      return CASE_DATA - random_below (random, size + 2);
    case 3:
      return CASE_READONLY + random_below (random, 0x1000);
    case 4:
    case 5:
      return CASE_DATA + random_below (random, CASE_READONLY - CASE_DATA);
    case 6:
      if (random_chance (random, 20))
        return operand_integer (random);
      /* fall through */
    default:
      return CASE_DATA + 64 + random_below (random, (CASE_READONLY - CASE_DATA - 128) / align) * align;
    }
}

static int
register_number (ZydisRegister reg)
{
  switch (ZydisRegisterGetClass (reg))
    {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return ZydisRegisterGetId (ZydisRegisterGetLargestEnclosing (ZYDIS_MACHINE_MODE_LONG_64, reg));
    default:
      return -1;
    }
}

static void
pin (Maker *maker, int n, uint64_t value)
{
  if (n < 0 || (maker->pinned & (1u << n)))
    return;
  maker->cs->in.r[n] = value;
  maker->pinned |= 1u << n;
}

static void
patch_data (Maker *maker, uint64_t address, const void *bytes, unsigned size)
{
  Case *cs = maker->cs;

  if (address - CASE_DATA > CASE_DATA_SIZE - size || cs->patch_count == CASE_PATCHES)
    return;
  cs->patches[cs->patch_count].offset = (unsigned) (address - CASE_DATA);
  cs->patches[cs->patch_count].size = size;
  memcpy (cs->patches[cs->patch_count++].bytes, bytes, size);
}

static uint64_t
segment_base (CaseMode mode, ZydisRegister segment)
{
  if (segment == ZYDIS_REGISTER_FS)
    return CASE_FS_BASE;
  if (segment == ZYDIS_REGISTER_GS)
    return CASE_GS_BASE;
  if (mode != CASE_16)
    return 0;
  return segment == ZYDIS_REGISTER_CS ? CASE_CODE : CASE_DATA16_BASE;
}

/* Chooses an address for the memory operand and the registers or the displacement that lead there. */
static uint64_t
place_operand (Maker *maker, CaseStep *step, const ZydisDecodedOperand *operand, uint8_t *bytes)
{
  const ZydisDecodedOperandMem *mem = &operand->mem;
  uint64_t target = draw_target (&maker->random, operand->size / 8), offset = target;
  int base = register_number (mem->base), index = register_number (mem->index);
  unsigned width = step->insn.address_width;
  uint64_t mask = width == 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << width) - 1, displacement, value;

  offset -= segment_base (maker->cs->mode, mem->segment);
  displacement = mem->disp.has_displacement ? (uint64_t) mem->disp.value : 0;

  if (mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP)
    displacement = offset - (maker->cs->address + step->offset + step->insn.length);
  else if (base < 0 && index < 0)
    displacement = offset;
  if (base < 0 && index < 0)
    {
      memcpy (bytes + step->insn.raw.disp.offset, &displacement, step->insn.raw.disp.size / 8);
      return target;
    }

  value = offset - displacement;
  if (index >= 0 && base != index)
    {
      if (base < 0)
        {
          pin (maker, index, value / mem->scale);
          return target;
        }
      if (maker->pinned & (1u << base))
        { /* the base is taken: the index has to do */
          pin (maker, index, (value - maker->cs->in.r[base]) / mem->scale);
          return target;
        }
      if (random_chance (&maker->random, 50))
        pin (maker, index, (uint64_t) (int64_t) (int8_t) random_next (&maker->random));
      maker->pinned |= 1u << index;
      value -= maker->cs->in.r[index] * mem->scale;
    }
  else if (base == index)
    value /= (uint64_t) mem->scale + 1;
  value &= mask;
  if (width < 64 && random_chance (&maker->random, 70))
    value |= random_next (&maker->random) & ~mask;
  pin (maker, base, value);
  return target;
}

static uint8_t *
vector_element (Case *cs, unsigned reg, unsigned at)
{
  return at < 16 ? cs->in.fx + FX_XMM + reg * 16 + at : cs->in.ymm[reg] + at - 16;
}

/* Indices around a base within the window, now and then one that leads nowhere; a mask that mostly selects. */
static void
place_gather (Maker *maker, CaseStep *step, const ZydisDecodedOperand *operand, uint8_t *bytes)
{
  const ZydisDecodedOperandMem *mem = &operand->mem;
  Random *random = &maker->random;
  uint64_t displacement = mem->disp.has_displacement ? (uint64_t) mem->disp.value : 0;
  uint64_t offset = CASE_DATA + 0x400 + random_below (random, 0x2700) - segment_base (maker->cs->mode, mem->segment);
  int base = register_number (mem->base);
  unsigned width = step->insn.address_width, index = (unsigned) ZydisRegisterGetId (mem->index), size = 4;
  unsigned mask = (unsigned) ZydisRegisterGetId (step->opr[2].reg.value);

  switch (step->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_VGATHERQPS: case ZYDIS_MNEMONIC_VGATHERQPD: case ZYDIS_MNEMONIC_VPGATHERQD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
      size = 8;
      break;
    default:
      break;
    }
  if (base < 0)
    memcpy (bytes + step->insn.raw.disp.offset, &offset, step->insn.raw.disp.size / 8);
  else
    pin (maker, base, (offset - displacement) & (width == 64 ? ~(uint64_t) 0 : 0xffffffff));
  for (unsigned at = 0; at < 32; at += size)
    {
      int64_t value = ((int64_t) random_below (random, 0x800) - 0x400) / mem->scale;

      if (random_chance (random, 4))
        value = (int64_t) operand_integer (random);
      else if (random_chance (random, 10)) /* to the edge of the window */
        value = (int64_t) (CASE_READONLY + 0x1000 - random_below (random, 16) - offset) / mem->scale;
      memcpy (vector_element (maker->cs, index, at), &value, size);
    }
  if (mask != index && random_chance (random, 80))
    for (unsigned at = 3; at < 32; at += 4)
      *vector_element (maker->cs, mask, at) = random_chance (random, 75) ? 0x80 : 0x7f;
}

/* An address that may be jumped to: a later instruction, the end, or a breakpoint behind it. */
static uint64_t
draw_branch_target (Maker *maker, unsigned from)
{
  const Case *cs = maker->cs;
  unsigned pick = random_below (&maker->random, 4);

  if (maker->kind == DRAW_VECTOR && from + 1 < cs->count)
    return cs->address + cs->steps[from + 1].offset;
  if (pick == 0 && from + 1 < cs->count)
    return cs->address + cs->steps[from + 1 + random_below (&maker->random, cs->count - from - 1)].offset;
  if (pick == 1)
    return cs->address + cs->length + random_below (&maker->random, 8);
  return cs->address + cs->end;
}

/* The linear address of a memory operand of the first step. */
static uint64_t
effective_address (const Case *cs, const CaseStep *step, const ZydisDecodedOperandMem *mem)
{
  unsigned width = step->insn.address_width;
  uint64_t offset = mem->disp.has_displacement ? (uint64_t) mem->disp.value : 0, address;
  int base = register_number (mem->base), index = register_number (mem->index);

  if (mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP)
    offset += cs->address + step->offset + step->insn.length;
  if (base >= 0)
    offset += cs->in.r[base];
  if (index >= 0)
    offset += cs->in.r[index] * mem->scale;
  if (base == RSP && index < 0 && !mem->disp.has_displacement && cs->mode != CASE_64)
    width = cs->mode == CASE_16 ? 16 : 32;
  if (width < 64)
    offset &= ((uint64_t) 1 << width) - 1;
  address = offset + segment_base (cs->mode, mem->segment);
  return cs->mode == CASE_64 ? address : (uint32_t) address;
}

/* Gives an instruction that takes a selector one that is the same for host and interpreter; FALSE: it would take one
 * that may not be. Far transfers lead to breakpoints, for other code may mean something else in their mode. */
static gboolean
place_selector (Maker *maker, CaseStep *step)
{
  static const uint16_t sels[] = { 0, 3, 4, CASE_CS32, CASE_SS, CASE_CS64, CASE_CS32 & ~3, CASE_SS & ~3, CASE_LDT_FS,
                                   CASE_LDT_GS, CASE_LDT_CS16, CASE_LDT_DATA16, CASE_LDT_DATA16 - 1, 0x27, 0xfff7 };
  Case *cs = maker->cs;
  Random *random = &maker->random;
  const ZydisDecodedInstruction *insn = &step->insn;
  unsigned size = insn->operand_width / 8;
  uint16_t sel = sels[random_below (random, G_N_ELEMENTS (sels))];
  uint64_t to = cs->address + cs->length + random_below (random, 8), at, frame[5];
  const ZydisDecodedOperand *memory = NULL, *reg = NULL;

  /* A null selector clears the base on some. */
  if (cs->mode == CASE_64 && sel < 4 && insn->operand_count > 0 && step->opr[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
    sel = CASE_SS;
  if (sel == CASE_LDT_CS16)
    to -= CASE_CODE;
  for (unsigned i = 0; i < insn->operand_count; i++)
    if (step->opr[i].type == ZYDIS_OPERAND_TYPE_MEMORY && (memory == NULL || insn->mnemonic == ZYDIS_MNEMONIC_POP))
      memory = &step->opr[i];
    else if (step->opr[i].type == ZYDIS_OPERAND_TYPE_REGISTER
             && step->opr[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT
             && register_number (step->opr[i].reg.value) >= 0)
      reg = &step->opr[i];
    else if (step->opr[i].type == ZYDIS_OPERAND_TYPE_POINTER)
      {
        uint8_t *bytes = cs->code + step->offset;

        memcpy (bytes + insn->raw.imm[0].offset, &to, insn->raw.imm[0].size / 8);
        memcpy (bytes + insn->raw.imm[1].offset, &sel, 2);
        return TRUE;
      }
  if (memory == NULL)
    {
      if (reg == NULL)
        return FALSE;
      cs->in.r[register_number (reg->reg.value)] = sel | (random_next (random) & ~(uint64_t) 0xffff);
      maker->pinned |= 1u << register_number (reg->reg.value);
      return TRUE;
    }
  at = effective_address (cs, step, &memory->mem);
  if (at - CASE_DATA + 64 > CASE_DATA_SIZE + 64) /* nothing is there */
    return TRUE;
  if (at < CASE_DATA || at + 40 > CASE_DATA + CASE_DATA_SIZE)
    return FALSE;
  switch (insn->mnemonic)
    {
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_POP:
      patch_data (maker, at, &sel, 2);
      return TRUE;
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
      frame[0] = to;
      frame[1] = sel;
      frame[2] = 0x202 | (random_next (random) & 0x244cd5);
      frame[3] = CASE_DATA + 0x1000;
      frame[4] = random_chance (random, 70) ? CASE_SS : sels[random_below (random, G_N_ELEMENTS (sels))];
      for (unsigned i = 0; i < G_N_ELEMENTS (frame); i++)
        patch_data (maker, at + i * size, &frame[i], size);
      return TRUE;
    default: /* far pointers */
      size = memory->size / 8 - 2;
      patch_data (maker, at, &to, size);
      patch_data (maker, at + size, &sel, 2);
      return TRUE;
    }
}

/* Values without which most cases of an instruction would end the same way. */
static void
tune (Maker *maker, const CaseStep *step, uint64_t address)
{
  Random *random = &maker->random;
  const ZydisDecodedInstruction *insn = &step->insn;
  const ZydisDecodedOperand *opr = step->opr;
  uint64_t *r = maker->cs->in.r;
  uint8_t data[CASE_DATA_SIZE];
  gboolean in_window = address >= CASE_DATA && address <= CASE_DATA + CASE_DATA_SIZE - 16;

  switch (insn->mnemonic)
    {
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      if (random_chance (random, 40))
        pin (maker, RDX, random_chance (random, 60) ? 0 : ~(uint64_t) 0);
      else if (random_chance (random, 50))
        pin (maker, RDX, random_next (random) >> (32 + random_below (random, 32)));
      if (opr[0].size == 8)
        pin (maker, RAX, random_next (random) & 0x3ff);
      break;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
      if (opr[1].type == ZYDIS_OPERAND_TYPE_REGISTER && opr[0].type == ZYDIS_OPERAND_TYPE_MEMORY
          && random_chance (random, 80))
        pin (maker, register_number (opr[1].reg.value), (uint64_t) ((int64_t) random_below (random, 0x8000) - 0x4000));
      break;
    case ZYDIS_MNEMONIC_CMPXCHG:
    case ZYDIS_MNEMONIC_CMPXCHG8B:
    case ZYDIS_MNEMONIC_CMPXCHG16B:
      if (random_chance (random, 50))
        break;
      if (opr[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
        pin (maker, RAX, r[register_number (opr[0].reg.value)]);
      else if (in_window)
        {
          uint64_t q[2];

          case_fill_data (maker->generator, maker->cs, data);
          memcpy (q, data + (address - CASE_DATA), sizeof q);
          pin (maker, RAX, q[0]);
          if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B)
            pin (maker, RDX, q[0] >> 32);
          if (insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
            pin (maker, RDX, q[1]);
        }
      break;
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET:
      if (random_chance (random, 70))
        {
          uint64_t to = draw_branch_target (maker, (unsigned) (step - maker->cs->steps));

          if (maker->cs->mode == CASE_16)
            to -= CASE_CODE;
          if (insn->operand_count_visible > 0 && opr[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
            pin (maker, register_number (opr[0].reg.value), to);
          else
            patch_data (maker, address, &to, 8);
        }
      break;
    default:
      if ((insn->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
          && random_chance (random, 80))
        pin (maker, RCX, random_below (random, 40) | (random_chance (random, 20) ? random_next (random) << 32 : 0));
      else if (insn->meta.category == ZYDIS_CATEGORY_SHIFT || insn->meta.category == ZYDIS_CATEGORY_ROTATE)
        {
          if (random_chance (random, 60))
            pin (maker, RCX, random_below (random, 72));
        }
      else if (insn->mnemonic == ZYDIS_MNEMONIC_LDMXCSR && random_chance (random, 80) && in_window)
        {
          uint32_t mxcsr = (uint32_t) (random_next (random) & 0xffff);

          patch_data (maker, address, &mxcsr, 4);
        }
      break;
    }
}

/* --- The case --- */

static gboolean
add_step (Maker *maker, unsigned n)
{
  Case *cs = maker->cs;
  CaseStep *step = &cs->steps[n];
  uint8_t *bytes = cs->code + step->offset;

  for (unsigned attempt = 0; attempt < 100; attempt++)
    {
      uint8_t drawn[DRAWN_MAX];
      ZyanStatus status;

      draw_instruction (maker->generator, &maker->random, cs->mode, maker->kind, drawn);
      status = decode (maker->generator, cs->mode, drawn, step);
      if (!step->is_valid)
        {
          if (!random_chance (&maker->random, 10) || may_mean_something (drawn, status))
            continue;
        }
      else if (!policy_allows (maker->generator->allowed, step, cs->mode)
               || (step->insn.cpu_flags != NULL && (step->insn.cpu_flags->tested & cs->undefined[n]))
               || (maker->has_x87 && policy_stores_x87 (step))
               /* Only of the first step are the operands known. */
               || (policy_uses_selector (step) && (n > 0 || !maker->generator->with_segments)))
        continue;
      memcpy (bytes, drawn, step->insn.length);
      cs->undefined[n + 1] = cs->undefined[n] | policy_undefined_flags (step, -1);
      if (!maker->has_branch)
        cs->undefined[n + 1] &= ~policy_defined_flags (step);
      maker->has_branch |= policy_is_branch (step);
      maker->has_x87 |= step->is_valid
                        && (step->insn.meta.isa_ext == ZYDIS_ISA_EXT_X87 || step->insn.mnemonic == ZYDIS_MNEMONIC_FXRSTOR
                            || step->insn.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64
                            || step->insn.mnemonic == ZYDIS_MNEMONIC_FISTTP);
      return TRUE;
    }
  return FALSE;
}

static gboolean
place_operands (Maker *maker, unsigned n)
{
  CaseStep *step = &maker->cs->steps[n];
  uint64_t address = 0;

  if (!step->is_valid)
    return TRUE;
  for (unsigned i = 0; i < step->insn.operand_count; i++)
    if (step->opr[i].type == ZYDIS_OPERAND_TYPE_MEMORY && step->opr[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
      place_gather (maker, step, &step->opr[i], maker->cs->code + step->offset);
    else if (step->opr[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
      {
        uint64_t at = place_operand (maker, step, &step->opr[i], maker->cs->code + step->offset);

        if (address == 0)
          address = at;
      }
  if (policy_uses_selector (step))
    return place_selector (maker, step);
  tune (maker, step, address);
  return TRUE;
}

static void
place_branch (Maker *maker, unsigned n)
{
  CaseStep *step = &maker->cs->steps[n];
  const ZydisDecodedInstruction *insn = &step->insn;
  uint64_t relative;

  if (!policy_is_branch (step) || !insn->raw.imm[0].is_relative)
    return;
  relative = draw_branch_target (maker, n) - (maker->cs->address + step->offset + insn->length);
  memcpy (maker->cs->code + step->offset + insn->raw.imm[0].offset, &relative, insn->raw.imm[0].size / 8);
}

/* After bytes were filled in, the steps tell what will really run. */
static gboolean
decode_again (const Generator *generator, Case *cs)
{
  for (unsigned n = 0; n < cs->count; n++)
    {
      CaseStep *step = &cs->steps[n];
      gboolean was_valid = step->is_valid;
      unsigned length = step->insn.length;

      decode (generator, cs->mode, cs->code + step->offset, step);
      if (step->is_valid != was_valid || step->insn.length != length
          || (was_valid && !policy_allows (generator->allowed, step, cs->mode)))
        return FALSE;
    }
  return TRUE;
}

gboolean
case_refresh (const Generator *generator, Case *cs)
{
  gboolean has_branch = FALSE;

  if (!decode_again (generator, cs))
    return FALSE;
  cs->undefined[0] = cs->undefined_status = 0;
  for (unsigned n = 0; n < cs->count; n++)
    {
      const CaseStep *step = &cs->steps[n];

      if (step->is_valid && step->insn.cpu_flags != NULL && (step->insn.cpu_flags->tested & cs->undefined[n]))
        return FALSE;
      cs->undefined[n + 1] = cs->undefined[n] | policy_undefined_flags (step, -1);
      if (!has_branch)
        cs->undefined[n + 1] &= ~policy_defined_flags (step);
      has_branch |= policy_is_branch (step);
      cs->undefined_status |= policy_undefined_status (step);
    }
  /* With one instruction the count of a shift is known. */
  if (cs->count == 1)
    cs->undefined[1] = policy_undefined_flags (&cs->steps[0], (int) (cs->in.r[RCX] & 0xff));
  return TRUE;
}

static uint64_t
draw_address (Random *random)
{
  switch (random_below (random, 10))
    {
    case 0: /* over a page's end */
      return CASE_CODE + 0x1000 - random_below (random, 24);
    case 1: /* over the end of the code */
      return CASE_CODE + CASE_CODE_SIZE - random_below (random, 32) - 1;
    default:
      return CASE_CODE + random_below (random, CASE_CODE_SIZE - CASE_CODE_MAX - 16);
    }
}

/* The jump to CASE_EXIT after the last step: a far one from 16 and 32-bit code. */
static void
add_exit (Case *cs)
{
  static const uint8_t far_jump[] = { 0x66, 0xea, CASE_EXIT & 0xff, (CASE_EXIT >> 8) & 0xff, (CASE_EXIT >> 16) & 0xff,
                                      CASE_EXIT >> 24, CASE_CS64, 0 };
  unsigned skip = cs->mode == CASE_32;

  if (cs->mode == CASE_64)
    {
      int64_t relative = CASE_EXIT - (int64_t) (cs->address + cs->end + 5);

      cs->code[cs->end] = 0xe9;
      memcpy (cs->code + cs->end + 1, &relative, 4);
      cs->length = cs->end + 5;
    }
  else
    {
      memcpy (cs->code + cs->end, far_jump + skip, sizeof far_jump - skip);
      cs->length = cs->end + (unsigned) sizeof far_jump - skip;
    }
}

gboolean
generator_make (const Generator *generator, uint64_t seed, CaseMode mode, Case *cs)
{
  Maker maker = { .random.state = seed, .generator = generator, .cs = cs };
  Random *random = &maker.random;
  unsigned wanted, at = 0;

  cs->seed = seed;
  cs->mode = mode;
  cs->undefined[0] = cs->undefined_status = 0;
  cs->patch_count = 0;
  cs->address = draw_address (random);
  cs->pool_offset = random_below (random, CASE_POOL / 16) * 16;
  operand_state (random, &cs->in);
  if (!generator->with_ymm)
    memset (cs->in.ymm, 0, sizeof cs->in.ymm);
  cs->in.r[RSP] = CASE_DATA - segment_base (mode, ZYDIS_REGISTER_SS) + 0x800 + random_below (random, 0x200) * 16;

  if (random_chance (random, 10))
    {
      maker.kind = DRAW_VECTOR;
      wanted = CASE_SHORT + 1 + random_below (random, CASE_STEPS - CASE_SHORT);
    }
  else
    wanted = random_chance (random, 50) ? 1 : 1 + random_below (random, CASE_SHORT);
  for (cs->count = 0; cs->count < wanted;)
    {
      cs->steps[cs->count].offset = at;
      if (!add_step (&maker, cs->count))
        return FALSE;
      at += cs->steps[cs->count++].insn.length;
      /* The image of FXSAVE tells which bits MXCSR has: nothing may look at it. */
      if (!cs->steps[cs->count - 1].is_valid || cs->steps[cs->count - 1].insn.mnemonic == ZYDIS_MNEMONIC_FXSAVE
          || cs->steps[cs->count - 1].insn.mnemonic == ZYDIS_MNEMONIC_FXSAVE64)
        break;
    }
  cs->end = at;
  add_exit (cs);
  for (unsigned n = 0; n < cs->count; n++)
    {
      if (!place_operands (&maker, n))
        return FALSE;
      place_branch (&maker, n);
    }
  if (!case_refresh (generator, cs))
    return FALSE;
  if (mode != CASE_64)
    for (unsigned i = 0; i < 8; i++)
      cs->in.r[i] = (uint32_t) cs->in.r[i];
  if (mode == CASE_16) /* IRET leaves these bits as they are when the stack is a 16-bit one */
    cs->in.r[RSP] = (cs->in.r[RSP] & 0xffff) | (NATIVE_IN_FRAME & 0xffff0000);
  return TRUE;
}
