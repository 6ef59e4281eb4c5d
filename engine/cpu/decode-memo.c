/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoded instructions by their bytes up to displacement and immediate: see decode-memo.h. */

#include "engine/cpu/decode-memo.h"

#include <string.h>

enum { MEMO_BITS = 11, MEMO_SIZE = 1 << MEMO_BITS, FORM_MAX = 8, OPERANDS_MAX = 4, MODE_16 = 0, MODE_64 = 2 };

typedef struct
{
  uint64_t form;  /* the bytes, the first lowest */
  uint8_t length; /* of the form; 0: nothing is here */
  uint8_t mode;
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[OPERANDS_MAX];
} Memo;

struct X86DecodeMemo
{
  Memo memos[MEMO_SIZE];
};

/* Opcodes with a ModR/M byte, a bit each. */
static const uint32_t modrm_one[8] = { 0x0f0f0f0f, 0x0f0f0f0f, 0x00000000, 0x00000a0c, 0x0000ffff, 0x00000000, 0xff0f00f3,
                                       0xc0c00000 };
static const uint32_t modrm_two[8] = { 0xffffa00f, 0xff00ffff, 0xffffffff, 0xff7fffff, 0xffff0000, 0xfffff8f8, 0xffff00ff,
                                       0xffffffff };

static gboolean
has_bit (const uint32_t *bits, unsigned n)
{
  return (bits[n >> 5] >> (n & 31)) & 1;
}

X86DecodeMemo *
x86_decode_memo_new (void)
{
  return g_new0 (X86DecodeMemo, 1);
}

void
x86_decode_memo_free (X86DecodeMemo *memo)
{
  g_free (memo);
}

/* The length of the form, from prefixes to SIB. 0: of another kind, or cut off. */
static unsigned
form_length (const uint8_t *bytes, unsigned available, unsigned mode)
{
  const uint32_t *modrm = modrm_one;
  unsigned i = 0;

  if (mode == MODE_16)
    return 0;
  available = MIN (available, FORM_MAX);
  for (;; i++)
    {
      if (i >= available)
        return 0;
      switch (bytes[i])
        {
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0xf0: case 0xf2: case 0xf3:
          continue;
        default:
          break;
        }
      if (mode == MODE_64 && (bytes[i] & 0xf0) == 0x40)
        continue;
      break;
    }
  switch (bytes[i])
    {
    /* Other encodings, far pointers, 16-bit addresses. */
    case 0x62: case 0x67: case 0x8f: case 0x9a: case 0xc4: case 0xc5: case 0xd5: case 0xea:
      return 0;
    case 0x0f:
      if (++i >= available || bytes[i] == 0x0f)
        return 0;
      modrm = modrm_two;
      if (bytes[i] == 0x38 || bytes[i] == 0x3a)
        {
          modrm = NULL;
          i++;
        }
      break;
    default:
      break;
    }
  if (i >= available)
    return 0;
  if (modrm == NULL || has_bit (modrm, bytes[i]))
    {
      if (++i >= available)
        return 0;
      if ((bytes[i] & 7) == 4 && bytes[i] < 0xc0 && ++i >= available)
        return 0;
    }
  return i + 1;
}

static uint64_t
form_of (const uint8_t *bytes, unsigned length)
{
  uint64_t form = 0;

  for (unsigned i = 0; i < length; i++)
    form |= (uint64_t) bytes[i] << (8 * i);
  return form;
}

static int64_t
read_signed (const uint8_t *bytes, unsigned bits)
{
  int64_t value = 0;

  memcpy (&value, bytes, bits / 8);
  return bits < 64 ? (int64_t) ((uint64_t) value << (64 - bits)) >> (64 - bits) : value;
}

static uint64_t
read_unsigned (const uint8_t *bytes, unsigned bits)
{
  uint64_t value = 0;

  memcpy (&value, bytes, bits / 8);
  return value;
}

static gboolean
is_encoded (const ZydisDecodedOperand *operand)
{
  return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->encoding != ZYDIS_OPERAND_ENCODING_NONE;
}

static void
set_values (const uint8_t *bytes, ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands)
{
  unsigned n = 0;

  if (insn->raw.disp.size != 0)
    insn->raw.disp.value = read_signed (bytes + insn->raw.disp.offset, insn->raw.disp.size);
  for (unsigned i = 0; i < 2; i++)
    if (insn->raw.imm[i].size != 0)
      {
        if (insn->raw.imm[i].is_signed)
          insn->raw.imm[i].value.s = read_signed (bytes + insn->raw.imm[i].offset, insn->raw.imm[i].size);
        else
          insn->raw.imm[i].value.u = read_unsigned (bytes + insn->raw.imm[i].offset, insn->raw.imm[i].size);
      }
  for (unsigned i = 0; i < insn->operand_count_visible; i++)
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].mem.disp.has_displacement)
      operands[i].mem.disp.value = insn->raw.disp.value;
    else if (is_encoded (&operands[i]))
      operands[i].imm.value.u = insn->raw.imm[n++].value.u;
}

/* Whether set_values() gives back what Zydis says. */
static gboolean
is_plain (const uint8_t *bytes, const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands)
{
  ZydisDecodedInstruction insn_again = *insn;
  ZydisDecodedOperand again[OPERANDS_MAX];

  if (insn->operand_count_visible > OPERANDS_MAX || insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    return FALSE;
  memcpy (again, operands, insn->operand_count_visible * sizeof *again);
  set_values (bytes, &insn_again, again);
  if (memcmp (&insn_again.raw, &insn->raw, sizeof insn->raw) != 0)
    return FALSE;
  for (unsigned i = 0; i < insn->operand_count_visible; i++)
    {
      if (operands[i].type == ZYDIS_OPERAND_TYPE_POINTER)
        return FALSE;
      if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].mem.disp.has_displacement
          && again[i].mem.disp.value != operands[i].mem.disp.value)
        return FALSE;
      if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && again[i].imm.value.u != operands[i].imm.value.u)
        return FALSE;
    }
  return TRUE;
}

ZyanStatus
x86_decode_memo (X86DecodeMemo *memos, const ZydisDecoder *zydis, unsigned mode, const uint8_t *bytes, unsigned available,
                 ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands)
{
  unsigned length = form_length (bytes, available, mode);
  Memo *memo = NULL;
  ZydisDecoderContext context;
  uint64_t form = 0;
  ZyanStatus status;

  if (length != 0)
    {
      form = form_of (bytes, length);
      memo = &memos->memos[((form + mode) * 0x9e3779b97f4a7c15u) >> (64 - MEMO_BITS)];
      if (memo->form == form && memo->length == length && memo->mode == mode && memo->insn.length <= available)
        {
          *insn = memo->insn;
          memcpy (operands, memo->operands, insn->operand_count_visible * sizeof *operands);
          set_values (bytes, insn, operands);
          return ZYAN_STATUS_SUCCESS;
        }
    }
  status = ZydisDecoderDecodeInstruction (zydis, &context, bytes, available, insn);
  if (!ZYAN_SUCCESS (status))
    return status;
  status = ZydisDecoderDecodeOperands (zydis, &context, insn, operands, insn->operand_count_visible);
  if (memo != NULL && ZYAN_SUCCESS (status) && is_plain (bytes, insn, operands))
    {
      memo->form = form;
      memo->length = (uint8_t) length;
      memo->mode = (uint8_t) mode;
      memo->insn = *insn;
      memcpy (memo->operands, operands, insn->operand_count_visible * sizeof *operands);
    }
  return status;
}
