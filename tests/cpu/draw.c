/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes of an instruction: one that is known, with operands of every kind, or drawn from the opcode maps.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format), appendix A (Opcode Map).
 */

#include "tests/cpu/case.h"

#include <string.h>

static unsigned
draw_prefixes (Random *random, CaseMode mode, gboolean is_vector, uint8_t *bytes)
{
  static const uint8_t mandatory[4] = { 0, 0x66, 0xf3, 0xf2 }, segments[] = { 0x26, 0x2e, 0x36, 0x3e };
  unsigned n = 0, selected = random_below (random, 4);

  if (random_chance (random, mode == CASE_16 ? 15 : 5))
    bytes[n++] = 0x67;
  if (random_chance (random, 6))
    bytes[n++] = random_chance (random, 50) ? 0x64 : 0x65;
  if (random_chance (random, 3))
    bytes[n++] = segments[random_below (random, sizeof segments)];
  if (is_vector)
    {
      if (selected != 0)
        bytes[n++] = mandatory[selected];
      if (random_chance (random, 2))
        bytes[n++] = 0x66;
    }
  else
    {
      if (random_chance (random, 20))
        bytes[n++] = 0x66;
      if (random_chance (random, 12))
        bytes[n++] = random_chance (random, 60) ? 0xf3 : 0xf2;
      if (random_chance (random, 6))
        bytes[n++] = 0xf0;
    }
  for (unsigned i = 1; i < n; i++) /* in any order */
    {
      unsigned k = random_below (random, i + 1);
      uint8_t swap = bytes[k];

      bytes[k] = bytes[i];
      bytes[i] = swap;
    }
  if (mode == CASE_64 && random_chance (random, 50))
    bytes[n++] = (uint8_t) (0x40 + random_below (random, 16));
  return n;
}

static unsigned
draw_opcode (Random *random, gboolean *is_vector, uint8_t *bytes)
{
  static const struct { uint8_t first, count; } vector[] = { { 0x10, 8 }, { 0x28, 8 }, { 0x50, 48 }, { 0xc2, 1 },
                                                             { 0xc4, 3 }, { 0xd0, 48 } };
  static const struct { uint8_t map, first, count; } longer[] = {
    { 0x38, 0x00, 12 }, { 0x38, 0x10, 1 }, { 0x38, 0x14, 4 }, { 0x38, 0x1c, 3 }, { 0x38, 0x20, 6 }, { 0x38, 0x28, 4 },
    { 0x38, 0x30, 18 }, { 0x38, 0xc8, 6 }, { 0x38, 0xdb, 5 }, { 0x38, 0xf0, 2 }, { 0x3a, 0x08, 8 }, { 0x3a, 0x14, 4 },
    { 0x3a, 0x20, 3 }, { 0x3a, 0x40, 3 }, { 0x3a, 0x44, 1 }, { 0x3a, 0x60, 4 }, { 0x3a, 0xcc, 1 }, { 0x3a, 0xdf, 1 },
  };
  static const uint8_t strings[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
  unsigned way = random_below (random, 100), n = 0;

  *is_vector = FALSE;
  if (way < 34)
    bytes[n++] = (uint8_t) random_next (random);
  else if (way < 37)
    bytes[n++] = strings[random_below (random, sizeof strings)];
  else if (way < 52)
    {
      bytes[n++] = 0x0f;
      bytes[n++] = (uint8_t) random_next (random);
    }
  else if (way < 70)
    bytes[n++] = (uint8_t) (0xd8 + random_below (random, 8));
  else
    {
      *is_vector = TRUE;
      bytes[n++] = 0x0f;
      if (way < 90)
        {
          unsigned i = random_below (random, G_N_ELEMENTS (vector));

          bytes[n++] = (uint8_t) (vector[i].first + random_below (random, vector[i].count));
        }
      else
        {
          unsigned i = random_below (random, G_N_ELEMENTS (longer));

          bytes[n++] = longer[i].map;
          bytes[n++] = (uint8_t) (longer[i].first + random_below (random, longer[i].count));
        }
    }
  return n;
}

static unsigned
draw_displacement (Random *random, unsigned size, uint8_t *bytes)
{
  int32_t value = (int32_t) random_next (random);

  if (random_chance (random, 80))
    value >>= random_below (random, 32);
  memcpy (bytes, &value, size);
  return size;
}

/* ModRM and what belongs to it; without a ModRM in the instruction these are its immediates. */
static unsigned
put_modrm (Random *random, gboolean is_16bit, uint8_t modrm, uint8_t *bytes)
{
  unsigned n = 0, mod = modrm >> 6;

  bytes[n++] = modrm;
  if (mod == 3)
    return n;
  if (is_16bit)
    return n + draw_displacement (random, mod == 0 ? ((modrm & 7) == 6 ? 2 : 0) : mod, bytes + n);
  if ((modrm & 7) == 4)
    {
      bytes[n++] = (uint8_t) random_next (random);
      if (mod == 0 && (bytes[1] & 7) == 5)
        mod = 2;
    }
  else if (mod == 0 && (modrm & 7) == 5)
    mod = 2;
  return n + draw_displacement (random, mod == 2 ? 4 : mod, bytes + n);
}

static uint8_t
draw_modrm (Random *random)
{
  return (uint8_t) (random_next (random) | (random_chance (random, 30) ? 0xc0 : 0));
}

static unsigned
put_immediate (Random *random, uint8_t *bytes)
{
  static const uint64_t immediates[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000,
                                         0xffffffffffffffff, 0x8000000000000000 };
  uint64_t immediate = random_chance (random, 50) ? immediates[random_below (random, G_N_ELEMENTS (immediates))]
                                                  : random_next (random);

  memcpy (bytes, &immediate, sizeof immediate);
  return sizeof immediate;
}

static gboolean
is_16bit_address (CaseMode mode, const uint8_t *prefixes, unsigned count)
{
  return memchr (prefixes, 0x67, count) != NULL ? mode == CASE_32 : mode == CASE_16;
}

/* Any opcode. */
static void
draw_unknown (Random *random, CaseMode mode, uint8_t *bytes)
{
  uint8_t opcode[3];
  gboolean is_vector;
  unsigned opcode_length = draw_opcode (random, &is_vector, opcode), n = draw_prefixes (random, mode, is_vector, bytes);
  gboolean is_16bit = is_16bit_address (mode, bytes, n);

  memcpy (bytes + n, opcode, opcode_length);
  n += opcode_length;
  n += put_modrm (random, is_16bit, draw_modrm (random), bytes + n);
  put_immediate (random, bytes + n);
}

/* VEX, in two bytes where that is enough. */
static unsigned
put_vex (Random *random, CaseMode mode, const Encoding *encoding, uint8_t *bytes)
{
  unsigned rxb = mode == CASE_64 ? random_below (random, 8) << 5 : 0xe0, n = 0;
  unsigned vvvv = random_chance (random, 50) ? 15 : random_below (random, 16);
  unsigned last = vvvv << 3 | (unsigned) encoding->l << 2 | encoding->prefix;

  if (mode == CASE_64 && random_chance (random, 50))
    rxb |= 0x60;
  if (encoding->map == 1 && encoding->w == 0 && (rxb & 0x60) == 0x60 && (mode == CASE_64 || vvvv >= 8)
      && random_chance (random, 60))
    {
      bytes[n++] = 0xc5;
      bytes[n++] = (uint8_t) ((rxb & 0x80) | last);
      return n;
    }
  bytes[n++] = 0xc4;
  bytes[n++] = (uint8_t) (rxb | encoding->map);
  bytes[n++] = (uint8_t) ((unsigned) encoding->w << 7 | last);
  return n;
}

static unsigned
put_legacy (Random *random, CaseMode mode, const Encoding *encoding, uint8_t *bytes)
{
  static const uint8_t mandatory[4] = { 0, 0x66, 0xf3, 0xf2 };
  unsigned n = 0;

  if (random_chance (random, 3))
    bytes[n++] = 0xf0;
  if (encoding->prefix != 0)
    bytes[n++] = mandatory[encoding->prefix];
  if (mode == CASE_64 && (encoding->w || random_chance (random, 40)))
    bytes[n++] = (uint8_t) (0x40 | encoding->w << 3 | random_below (random, 8));
  if (encoding->map > 0)
    bytes[n++] = 0x0f;
  if (encoding->map > 1)
    bytes[n++] = encoding->map == 2 ? 0x38 : 0x3a;
  return n;
}

/* An instruction of the catalogue. Its ModR/M may make it another one; then the one it was found with does. */
static void
draw_known (const Generator *generator, Random *random, CaseMode mode, const Encoding *encoding, uint8_t *bytes)
{
  static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65 };
  static const uint8_t illegal[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x48 };
  ZydisDecodedInstruction insn;
  uint8_t start[24], modrm;
  unsigned n = 0, prefixes;

  if (random_chance (random, mode == CASE_16 ? 15 : 5))
    start[n++] = 0x67;
  if (random_chance (random, 6))
    start[n++] = segments[random_below (random, sizeof segments)];
  if (encoding->is_vex && random_chance (random, 3))
    start[n++] = illegal[random_below (random, mode == CASE_64 ? sizeof illegal : sizeof illegal - 1)];
  prefixes = n;
  for (unsigned attempt = 0; attempt < 8; attempt++)
    {
      n = prefixes;
      n += encoding->is_vex ? put_vex (random, mode, encoding, start + n) : put_legacy (random, mode, encoding, start + n);
      start[n++] = encoding->opcode;
      memcpy (bytes, start, n);
      modrm = draw_modrm (random);
      if (attempt >= 4)
        modrm = (encoding->modrm & 0xc0) == 0xc0 ? encoding->modrm : (encoding->modrm & 0x38) | (modrm & 0x87);
      if (attempt == 7)
        modrm = encoding->modrm;
      n += put_modrm (random, is_16bit_address (mode, start, prefixes), modrm, bytes + n);
      put_immediate (random, bytes + n);
      if (ZYAN_SUCCESS (ZydisDecoderDecodeInstruction (&generator->decoder[mode], NULL, bytes,
                                                       ZYDIS_MAX_INSTRUCTION_LENGTH, &insn))
          && insn.mnemonic == encoding->mnemonic)
        break;
    }
}

/* For a sequence: now and then with a jump to the next instruction, which ends a block, and what empties upper halves. */
static void
draw_vector (const Generator *generator, Random *random, CaseMode mode, uint8_t *bytes)
{
  static const uint8_t jump[] = { 0xeb, 0 }, zero_upper[] = { 0xc5, 0xf8, 0x77 };
  const Encoding *encoding;

  if (random_chance (random, 8))
    memcpy (bytes, jump, sizeof jump);
  else if (generator->with_ymm && random_chance (random, 8))
    memcpy (bytes, zero_upper, sizeof zero_upper);
  else
    {
      do
        encoding = catalog_draw (generator, mode, random);
      while (!encoding->is_vector);
      draw_known (generator, random, mode, encoding, bytes);
    }
}

void
draw_instruction (const Generator *generator, Random *random, CaseMode mode, DrawKind kind, uint8_t bytes[DRAWN_MAX])
{
  for (unsigned i = 0; i < DRAWN_MAX; i++)
    bytes[i] = (uint8_t) random_next (random);
  if (kind == DRAW_VECTOR)
    {
      draw_vector (generator, random, mode, bytes);
      return;
    }
  if (random_chance (random, 5))
    return;
  if (random_chance (random, 55))
    draw_known (generator, random, mode, catalog_draw (generator, mode, random), bytes);
  else
    draw_unknown (random, mode, bytes);
}
