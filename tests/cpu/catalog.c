/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which instructions there are: every encoding of the opcode maps is shown to the decoder, and those that take part are
 * kept by mnemonic, so that each comes up as often as any other.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format).
 */

#include "tests/cpu/case.h"

#include <string.h>

enum { MAPS = 4, PREFIXES = 4, VEX_MAPS = 3, OPCODES = 256 };

static const uint8_t mandatory[PREFIXES] = { 0, 0x66, 0xf3, 0xf2 };

/* The bytes up to ModR/M of an encoding with @modrm; returns where that is. */
static unsigned
put_head (const Encoding *encoding, uint8_t modrm, uint8_t *bytes)
{
  unsigned n = 0;

  if (encoding->is_vex)
    {
      bytes[n++] = 0xc4;
      bytes[n++] = (uint8_t) (0xe0 | encoding->map);
      bytes[n++] = (uint8_t) (encoding->w << 7 | encoding->vvvv << 3 | encoding->l << 2 | encoding->prefix);
    }
  else
    {
      if (mandatory[encoding->prefix] != 0)
        bytes[n++] = mandatory[encoding->prefix];
      if (encoding->w)
        bytes[n++] = 0x48;
      if (encoding->map > 0)
        bytes[n++] = 0x0f;
      if (encoding->map > 1)
        bytes[n++] = encoding->map == 2 ? 0x38 : 0x3a;
    }
  bytes[n++] = encoding->opcode;
  bytes[n] = modrm;
  return n;
}

static gboolean
is_vector (const CaseStep *step)
{
  if (step->insn.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER || step->insn.mnemonic == ZYDIS_MNEMONIC_VZEROALL)
    return TRUE;
  for (unsigned i = 0; i < step->insn.operand_count; i++)
    if (step->opr[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
      switch (ZydisRegisterGetClass (step->opr[i].reg.value))
        {
        case ZYDIS_REGCLASS_XMM:
        case ZYDIS_REGCLASS_YMM: return TRUE;
        default: break;
        }
  return FALSE;
}

/* What @encoding with its own ModR/M is, or ZYDIS_MNEMONIC_INVALID when it does not take part. */
static ZydisMnemonic
mnemonic_of (const Generator *generator, CaseMode mode, Encoding *encoding)
{
  uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH] = { 0 };
  unsigned at = put_head (encoding, encoding->modrm, bytes);
  CaseStep step = { .is_valid = TRUE };

  bytes[at + 1] = 0x20; /* an index, for instructions that need one */
  if (!ZYAN_SUCCESS (ZydisDecoderDecodeInstruction (&generator->decoder[mode], NULL, bytes, sizeof bytes, &step.insn))
      || !generator->allowed[step.insn.meta.isa_set]
      || !ZYAN_SUCCESS (ZydisDecoderDecodeFull (&generator->decoder[mode], bytes, sizeof bytes, &step.insn, step.opr))
      || !policy_allows (generator->allowed, &step, mode))
    return ZYDIS_MNEMONIC_INVALID;
  encoding->is_vector = is_vector (&step);
  return step.insn.mnemonic;
}

/* Adds an encoding for each instruction that ModR/M bytes of this opcode give. */
static void
add_opcode (const Generator *generator, CaseMode mode, Encoding encoding, GArray *all)
{
  ZydisMnemonic seen[512];
  unsigned count = 0, many = encoding.is_vex || encoding.map > 1 ? 1 : 8;

  for (unsigned mod = 0; mod < 4; mod += 3)
    for (unsigned reg = 0; reg < 8; reg++)
      for (unsigned rm = 0; rm < (mod == 3 ? many : 1); rm++)
        {
          ZydisMnemonic mnemonic;
          unsigned i = 0;

          encoding.modrm = (uint8_t) (mod << 6 | reg << 3 | (mod == 0 ? 4 : rm));
          encoding.vvvv = 15;
          mnemonic = mnemonic_of (generator, mode, &encoding);
          if (mnemonic == ZYDIS_MNEMONIC_INVALID)
            continue;
          while (i < count && seen[i] != mnemonic)
            i++;
          if (i < count && mod == 0)
            continue;
          if (i == count)
            seen[count++] = mnemonic;
          else if (seen[i] == mnemonic && mod == 3 && rm + reg > 0)
            continue;
          encoding.mnemonic = (uint16_t) mnemonic;
          g_array_append_val (all, encoding);
        }
}

static int
by_mnemonic (const void *a, const void *b)
{
  return (int) ((const Encoding *) a)->mnemonic - (int) ((const Encoding *) b)->mnemonic;
}

static void
fill (const Generator *generator, CaseMode mode, Catalog *catalog)
{
  GArray *all = g_array_new (FALSE, TRUE, sizeof (Encoding)), *first = g_array_new (FALSE, FALSE, sizeof (unsigned));

  for (unsigned opcode = 0; opcode < OPCODES; opcode++)
    for (unsigned prefix = 0; prefix < PREFIXES; prefix++)
      for (unsigned w = 0; w < 2; w++)
        {
          Encoding encoding = { .opcode = (uint8_t) opcode, .prefix = (uint8_t) prefix, .w = (uint8_t) w };

          for (unsigned map = 0; map < MAPS && (w == 0 || mode == CASE_64); map++)
            {
              encoding.map = (uint8_t) map;
              add_opcode (generator, mode, encoding, all);
            }
          encoding.is_vex = TRUE;
          for (unsigned map = 1; map <= VEX_MAPS; map++)
            for (unsigned l = 0; l < 2; l++)
              {
                encoding.map = (uint8_t) map;
                encoding.l = (uint8_t) l;
                add_opcode (generator, mode, encoding, all);
              }
        }
  g_array_sort (all, by_mnemonic);
  for (unsigned i = 0; i < all->len; i++)
    if (i == 0 || g_array_index (all, Encoding, i).mnemonic != g_array_index (all, Encoding, i - 1).mnemonic)
      g_array_append_val (first, i);
  catalog->mnemonics = first->len;
  g_array_append_val (first, all->len);
  catalog->encodings = (Encoding *) (void *) g_array_free (all, FALSE);
  catalog->first = (unsigned *) (void *) g_array_free (first, FALSE);
}

void
catalog_init (Generator *generator)
{
  for (CaseMode mode = CASE_64; mode < CASE_MODES; mode++)
    fill (generator, mode, &generator->catalog[mode]);
}

void
catalog_clear (Generator *generator)
{
  for (CaseMode mode = CASE_64; mode < CASE_MODES; mode++)
    {
      g_free (generator->catalog[mode].encodings);
      g_free (generator->catalog[mode].first);
    }
}

const Encoding *
catalog_draw (const Generator *generator, CaseMode mode, Random *random)
{
  const Catalog *catalog = &generator->catalog[mode];
  unsigned i = random_below (random, catalog->mnemonics);

  return &catalog->encodings[catalog->first[i] + random_below (random, catalog->first[i + 1] - catalog->first[i])];
}
