/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From Zydis' result to X86Op: the table that every ops file contributes to.
 *
 * An ops file defines an array of X86OpEntry, ended by an entry without
 * lower(), and op-table.c lists it. For each instruction decode.c goes through
 * the entries of its mnemonic in order; the first whose feature the model has
 * and whose lower() returns TRUE wins, else the instruction raises #UD.
 *
 * lower() gets an op whose len, next, n, flags, size and asize are filled in;
 * it sets fn and the operands. Two ready-made ones serve most instructions:
 *
 *     static const X86OpFn padd[] = { op_paddb_rr, op_paddb_rm };
 *     { ZYDIS_MNEMONIC_PADDB, X86_FEAT_SSE2, X86_ENTRY_SSE, x86_lower_vec, padd },
 *
 * To add instructions: write handlers (op.h), an entry each, and add the array
 * to the list in op-table.c if the file is new.
 */
#pragma once

#include "engine/cpu/cpuid.h"
#include "engine/cpu/op.h"

#include <Zydis/Zydis.h>

typedef struct
{
  X86Cpu *cpu;
  uint32_t mode;                /* X86_MODE_… of the block */
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand opr[ZYDIS_MAX_OPERAND_COUNT]; /* the visible ones, as the Intel manual lists them */
  unsigned count;               /* of @opr */
  gboolean end;                 /* lower() may set it: the block ends after this instruction */
} X86Lower;

enum
{
  X86_ENTRY_END = 1 << 0,  /* ends the block: r[X86_RIP] is the next instruction's (or set by the handler), and the run
                              loop looks at mode and events anew. The handler ends with x86_end_block(). */
  X86_ENTRY_LOCK = 1 << 1, /* LOCK is allowed when the first operand is memory */
  X86_ENTRY_FPU = 1 << 2,  /* x87: #NM when CR0.EM or CR0.TS is set */
  X86_ENTRY_MMX = 1 << 3,  /* #UD when CR0.EM, #NM when CR0.TS */
  X86_ENTRY_SSE = 1 << 4,  /* #UD when CR0.EM or not CR4.OSFXSR, #NM when CR0.TS */
  X86_ENTRY_AVX = 1 << 5,  /* #UD when not CR4.OSXSAVE or XCR0 lacks AVX, #NM when CR0.TS */
  X86_ENTRY_PE = 1 << 6,   /* #UD in real and virtual-8086 mode */
};

typedef struct X86OpEntry
{
  uint16_t mnemonic;       /* ZYDIS_MNEMONIC_… */
  uint8_t feature;         /* X86_FEAT_…; X86_FEAT_NONE: always */
  uint8_t flags;           /* X86_ENTRY_… */
  gboolean (*lower) (X86Lower *lw, X86Op *op, const struct X86OpEntry *entry);
  const X86OpFn *fns;      /* for lower(); its order is lower()'s affair */
  const uint8_t *code;     /* host code, for lower() in ops-avx.c; else NULL */
} X86OpEntry;

/* NULL-terminated list of the arrays (op-table.c). */
extern const X86OpEntry *const x86_op_tables[];

/* Decodes one instruction of code of @mode with its visible operands (room for ZYDIS_MAX_OPERAND_COUNT). */
gboolean x86_decode_instruction (X86Cpu *cpu, const uint8_t *bytes, unsigned available, uint32_t mode,
                                 ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands);

/* r[] number of a general register of 16, 32 or 64 bits, or the number of a segment, control, debug, x87, MMX, XMM or
 * YMM register; for 8-bit general registers the byte offset for x86_r8(). */
uint8_t x86_lower_reg (ZydisRegister reg);
/* Fills base, index, scale, disp, seg, segno, ea from memory operand @n. Returns FALSE (#UD) on VSIB and the like. */
gboolean x86_lower_mem (X86Lower *lw, X86Op *op, unsigned n);
/* As x86_lower_mem() for an implied operand in segment @seg: sets seg, segno, ea; op->asize must be set. */
void x86_lower_segment (const X86Lower *lw, X86Op *op, unsigned seg);
gboolean x86_is_reg (const X86Lower *lw, unsigned n);
gboolean x86_is_mem (const X86Lower *lw, unsigned n);
gboolean x86_is_imm (const X86Lower *lw, unsigned n);
/* Operand size in bytes of operand @n. */
unsigned x86_operand_size (const X86Lower *lw, unsigned n);

/* fns[0]: no operands, or only ones the handler takes from op->size, op->asize, op->flags. */
gboolean x86_lower_plain (X86Lower *lw, X86Op *op, const X86OpEntry *entry);
/* Two operands of vector, MMX or general registers, or memory; an immediate third goes to op->imm. fns[0]: reg, reg;
 * fns[1]: reg, mem; fns[2]: mem, reg (NULL where there is none). dst and src are register numbers; size is the size of
 * the first operand. One operand: fns[0] reg (dst), fns[1] mem. Also takes reg, imm: fns[0] with op->imm. */
gboolean x86_lower_vec (X86Lower *lw, X86Op *op, const X86OpEntry *entry);

/* The prefix segment of string instructions and XLAT: DS unless overridden. */
unsigned x86_lower_override (const X86Lower *lw);

/* Ends the block at @op, whose instruction has advanced rip or not (X86_ENTRY_END handlers that do not branch). */
const X86Op *x86_end_block (X86Cpu *cpu, const X86Op *op);
