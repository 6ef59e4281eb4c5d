/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small assembler for x86-64: bytes into a code buffer.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format).
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, STATE = 0x20, NO_REG = 0xff };
enum { CC_O, CC_NO, CC_B, CC_NB, CC_Z, CC_NZ, CC_BE, CC_NBE, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_NL, CC_LE, CC_NLE };
/* Opcode maps. */
enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A };

typedef struct
{
  uint8_t *at, *end;
  gboolean is_full; /* something did not fit; nothing more is written */
  int32_t state;    /* what addresses with the base STATE are relative to */
} Emit;

typedef struct
{
  uint8_t base, index, scale; /* scale: shift */
  int32_t disp;
} EmitMem;

#define MEM(base_, disp_) ((EmitMem) { .base = (base_), .index = NO_REG, .disp = (disp_) })

static inline void
emit8 (Emit *e, unsigned value)
{
  if (G_UNLIKELY (e->at >= e->end))
    e->is_full = TRUE;
  else
    *e->at++ = (uint8_t) value;
}

static inline void
emit_bytes (Emit *e, const void *bytes, size_t count)
{
  if (G_UNLIKELY (e->at + count > e->end))
    e->is_full = TRUE;
  else
    {
      memcpy (e->at, bytes, count);
      e->at += count;
    }
}

static inline void
emit32 (Emit *e, uint32_t value)
{
  emit_bytes (e, &value, sizeof value);
}

static inline void
emit64 (Emit *e, uint64_t value)
{
  emit_bytes (e, &value, sizeof value);
}

/* Prefix, REX, opcode. @rex: bits to force (0x40 for SPL and the like; 0x48 for 64 bits). @no_rex: an operand is AH…BH. */
static inline void
emit_opcode (Emit *e, unsigned prefix, unsigned rex, unsigned map, unsigned opcode, unsigned reg, unsigned index, unsigned base)
{
  if (prefix)
    emit8 (e, prefix);
  rex |= (reg != NO_REG && reg & 8 ? 0x44 : 0) | (index != NO_REG && index & 8 ? 0x42 : 0)
         | (base != NO_REG && base & 8 ? 0x41 : 0);
  if (rex)
    emit8 (e, rex | 0x40);
  if (map != MAP_1)
    emit8 (e, 0x0f);
  if (map == MAP_0F38)
    emit8 (e, 0x38);
  else if (map == MAP_0F3A)
    emit8 (e, 0x3a);
  emit8 (e, opcode);
}

/* ModR/M, SIB and displacement of a memory operand. */
static inline void
emit_mem (Emit *e, unsigned reg, EmitMem m)
{
  unsigned mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : m.disp == (int8_t) m.disp ? 1 : 2;

  if (m.base == STATE)
    {
      m.base = NO_REG;
      m.disp += e->state;
    }
  if (m.base == NO_REG)
    {
      /* Index and displacement, or an absolute address of 32 bits. */
      emit8 (e, (reg & 7) << 3 | 4);
      emit8 (e, (unsigned) m.scale << 6 | (m.index == NO_REG ? 4u : m.index & 7u) << 3 | 5);
      emit32 (e, (uint32_t) m.disp);
      return;
    }
  if (m.index != NO_REG || (m.base & 7) == RSP)
    {
      emit8 (e, mod << 6 | (reg & 7) << 3 | 4);
      emit8 (e, (unsigned) m.scale << 6 | (m.index == NO_REG ? 4u : m.index & 7u) << 3 | (m.base & 7u));
    }
  else
    emit8 (e, mod << 6 | (reg & 7) << 3 | (m.base & 7u));
  if (mod == 1)
    emit8 (e, (uint8_t) m.disp);
  else if (mod == 2)
    emit32 (e, (uint32_t) m.disp);
}

/* VEX' last two bits: the prefix that is part of the opcode. */
enum { VEX_NONE, VEX_66, VEX_F3, VEX_F2 };

/* A VEX prefix, in two bytes where that is enough; the opcode and ModR/M follow. @second: NO_REG where there is none. */
static inline void
emit_vex (Emit *e, unsigned prefix, unsigned map, gboolean wide, gboolean is_256, unsigned reg, unsigned second,
          unsigned index, unsigned base)
{
  gboolean has_index = index != NO_REG && (index & 8), has_base = base != NO_REG && (base & 8);
  unsigned last = (second == NO_REG ? 15 : ~second & 15) << 3 | (is_256 ? 4 : 0) | prefix;

  if (map == MAP_0F && !wide && !has_index && !has_base)
    {
      emit8 (e, 0xc5);
      emit8 (e, (reg & 8 ? 0 : 0x80) | last);
      return;
    }
  emit8 (e, 0xc4);
  emit8 (e, (reg & 8 ? 0 : 0x80) | (has_index ? 0 : 0x40) | (has_base ? 0 : 0x20) | map);
  emit8 (e, (wide ? 0x80u : 0) | last);
}

static inline void
emit_vex_rm (Emit *e, unsigned prefix, unsigned map, gboolean is_256, unsigned opcode, unsigned reg, EmitMem m)
{
  emit_vex (e, prefix, map, FALSE, is_256, reg, NO_REG, m.index, m.base);
  emit8 (e, opcode);
  emit_mem (e, reg, m);
}

static inline void
emit_rm (Emit *e, unsigned prefix, gboolean wide, unsigned map, unsigned opcode, unsigned reg, EmitMem m)
{
  emit_opcode (e, prefix, wide ? 0x48 : 0, map, opcode, reg, m.index, m.base);
  emit_mem (e, reg, m);
}

static inline void
emit_rr (Emit *e, unsigned prefix, gboolean wide, unsigned map, unsigned opcode, unsigned reg, unsigned rm)
{
  emit_opcode (e, prefix, wide ? 0x48 : 0, map, opcode, reg, NO_REG, rm);
  emit8 (e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void emit_load (Emit *e, unsigned reg, EmitMem m) { emit_rm (e, 0, TRUE, MAP_1, 0x8b, reg, m); }
static inline void emit_load32 (Emit *e, unsigned reg, EmitMem m) { emit_rm (e, 0, FALSE, MAP_1, 0x8b, reg, m); }
static inline void emit_store (Emit *e, EmitMem m, unsigned reg) { emit_rm (e, 0, TRUE, MAP_1, 0x89, reg, m); }
static inline void emit_store32 (Emit *e, EmitMem m, unsigned reg) { emit_rm (e, 0, FALSE, MAP_1, 0x89, reg, m); }
static inline void emit_move (Emit *e, unsigned to, unsigned from) { emit_rr (e, 0, TRUE, MAP_1, 0x89, from, to); }
static inline void emit_lea (Emit *e, gboolean wide, unsigned reg, EmitMem m) { emit_rm (e, 0, wide, MAP_1, 0x8d, reg, m); }

/* The longest, whatever the value. */
static inline void
emit_constant64 (Emit *e, unsigned reg, uint64_t value)
{
  emit_opcode (e, 0, 0x48, MAP_1, 0xb8 | (reg & 7), NO_REG, NO_REG, reg);
  emit64 (e, value);
}

/* The shortest MOV of a constant; leaves flags alone. */
static inline void
emit_constant (Emit *e, unsigned reg, uint64_t value)
{
  if (value == (uint32_t) value)
    {
      emit_opcode (e, 0, 0, MAP_1, 0xb8 | (reg & 7), NO_REG, NO_REG, reg);
      emit32 (e, (uint32_t) value);
    }
  else if (value == (uint64_t) (int64_t) (int32_t) value)
    {
      emit_opcode (e, 0, 0x48, MAP_1, 0xc7, NO_REG, NO_REG, reg);
      emit8 (e, 0xc0 | (reg & 7));
      emit32 (e, (uint32_t) value);
    }
  else
    emit_constant64 (e, reg, value);
}

/* ADD OR ADC SBB AND SUB XOR CMP by number 0 to 7. */
static inline void
emit_alu_imm (Emit *e, gboolean wide, unsigned alu, unsigned reg, int32_t value)
{
  emit_opcode (e, 0, wide ? 0x48 : 0, MAP_1, value == (int8_t) value ? 0x83 : 0x81, NO_REG, NO_REG, reg);
  emit8 (e, 0xc0 | alu << 3 | (reg & 7));
  if (value == (int8_t) value)
    emit8 (e, (uint8_t) value);
  else
    emit32 (e, (uint32_t) value);
}

static inline void
emit_shift (Emit *e, gboolean wide, gboolean left, unsigned reg, unsigned count)
{
  emit_opcode (e, 0, wide ? 0x48 : 0, MAP_1, 0xc1, NO_REG, NO_REG, reg);
  emit8 (e, 0xc0 | (left ? 4 : 5) << 3 | (reg & 7));
  emit8 (e, count);
}

/* Jumps with 32-bit displacements. Return where the displacement is, for emit_patch(). */
static inline uint8_t *
emit_jcc (Emit *e, unsigned cc)
{
  emit8 (e, 0x0f);
  emit8 (e, 0x80 | cc);
  emit32 (e, 0);
  return e->at - 4;
}

static inline uint8_t *
emit_jump (Emit *e)
{
  emit8 (e, 0xe9);
  emit32 (e, 0);
  return e->at - 4;
}

static inline void
emit_patch (uint8_t *displacement, const uint8_t *target)
{
  int32_t value = (int32_t) (target - (displacement + 4));

  memcpy (displacement, &value, sizeof value);
}

static inline void
emit_jump_to (Emit *e, const uint8_t *target)
{
  uint8_t *at = emit_jump (e);

  if (!e->is_full)
    emit_patch (at, target);
}

static inline void
emit_jcc_to (Emit *e, unsigned cc, const uint8_t *target)
{
  uint8_t *at = emit_jcc (e, cc);

  if (!e->is_full)
    emit_patch (at, target);
}

static inline void
emit_jump_reg (Emit *e, unsigned reg)
{
  emit_opcode (e, 0, 0, MAP_1, 0xff, NO_REG, NO_REG, reg);
  emit8 (e, 0xe0 | (reg & 7));
}

static inline void emit_jump_mem (Emit *e, EmitMem m) { emit_rm (e, 0, FALSE, MAP_1, 0xff, 4, m); }

static inline void
emit_push (Emit *e, unsigned reg)
{
  emit_opcode (e, 0, 0, MAP_1, 0x50 | (reg & 7), NO_REG, NO_REG, reg);
}

static inline void
emit_pop (Emit *e, unsigned reg)
{
  emit_opcode (e, 0, 0, MAP_1, 0x58 | (reg & 7), NO_REG, NO_REG, reg);
}
