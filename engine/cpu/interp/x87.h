/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the x87 ops files share. An instruction loads its operands onto the
 * host's empty register stack, runs the host's instruction under the guest's
 * control word and takes status and result away (fp.h).
 */
#pragma once

#include "engine/cpu/fp.h"
#include "engine/cpu/interp/interp.h"

enum { X87_PRECOMPUTATION = X86_FSW_IE | X86_FSW_DE | X86_FSW_ZE,
       X87_CODES = X86_FSW_C0 | X86_FSW_C1 | X86_FSW_C2 | X86_FSW_C3 };

#define X87_CLOBBERS "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc"
/* The status to AX; an unmasked exception is cleared, so that the instructions after it do not trap. */
#define X87_STATUS "fnstsw %%ax\n\ttestb $0x80, %%al\n\tjz 1f\n\tfnclex\n1:\t"

/* Where host instructions leave results and find operands that came from memory. They are not local variables, because
 * handlers end in tail calls. */
#define X87_RESULT(cpu) (*(X86Fp80 *) &(cpu)->scratch.q[0])
#define X87_OPERAND(cpu) (*(X86Fp80 *) &(cpu)->scratch.q[2])

/* The handlers for opcode D8 + @opcode and @modrm, or NULL. */
X86OpFn x86_x87_arith_fn (unsigned opcode, unsigned modrm);
X86OpFn x86_x87_move_fn (unsigned opcode, unsigned modrm);
X86OpFn x86_x87_transcendental_fn (unsigned opcode, unsigned modrm);
X86OpFn x86_x87_control_fn (unsigned opcode, unsigned modrm);

/* After an unmasked exception: sets ES; the host's unit is made empty. */
void x87_trouble (X86Cpu *cpu);
/* A stack fault. Returns TRUE when it is masked: the indefinite value goes where the result would. */
gboolean x87_stack_fault (X86Cpu *cpu, gboolean is_overflow);

extern const X86Fp80 x87_indefinite;

static inline unsigned
x87_phys (const X86Cpu *cpu, unsigned i)
{
  return (x86_fpu_top (cpu) + i) & 7;
}

static inline X86Fp80 *
x87_st (X86Cpu *cpu, unsigned i)
{
  return &cpu->fpu.st[x87_phys (cpu, i)];
}

static inline gboolean
x87_is_empty (const X86Cpu *cpu, unsigned i)
{
  return !((cpu->fpu.ftag >> x87_phys (cpu, i)) & 1);
}

static inline void
x87_set (X86Cpu *cpu, unsigned i, const X86Fp80 *value)
{
  unsigned phys = x87_phys (cpu, i);

  cpu->fpu.st[phys].mant = value->mant;
  cpu->fpu.st[phys].se = value->se;
  cpu->fpu.ftag |= (uint8_t) (1 << phys);
}

static inline void
x87_pop (X86Cpu *cpu)
{
  unsigned top = x86_fpu_top (cpu);

  cpu->fpu.ftag &= (uint8_t) ~(1 << top);
  x86_fpu_set_top (cpu, top + 1);
}

static inline void
x87_push (X86Cpu *cpu, const X86Fp80 *value)
{
  x86_fpu_set_top (cpu, x86_fpu_top (cpu) - 1);
  x87_set (cpu, 0, value);
}

/* Before a waiting instruction that is not a control instruction: notes where it is. The opcode is op->imm, the register
 * operand op->src. */
static inline void
x87_begin (X86Cpu *cpu, const X86Op *op)
{
  x86_fpu_begin (cpu, op);
  cpu->fpu.fip = x86_op_rip (cpu, op);
  cpu->fpu.fcs = cpu->seg[X86_CS].sel;
  cpu->fpu.fop = (uint16_t) op->imm;
}

/* The same with a memory operand; returns its linear address. */
static inline uint64_t
x87_begin_mem (X86Cpu *cpu, const X86Op *op, unsigned size, X86Access access)
{
  uint64_t offset = x86_ea_offset (cpu, op), lin;

  x86_fpu_begin (cpu, op);
  lin = x86_ea (cpu, op, size, access);
  cpu->fpu.fip = x86_op_rip (cpu, op);
  cpu->fpu.fcs = cpu->seg[X86_CS].sel;
  cpu->fpu.fop = (uint16_t) op->imm;
  if (X86_UNLIKELY (op->flags & X86_OPF_RIP_WIDE))
    offset += op->next;
  cpu->fpu.fdp = op->asize == 8 ? offset : op->asize == 4 ? (uint32_t) offset : (uint16_t) offset;
  cpu->fpu.fds = cpu->seg[op->segno].sel;
  return lin;
}

/* Takes the host's flags and the condition codes in @codes over from status word @sw. Returns FALSE when an unmasked
 * exception forbids the result. */
static inline gboolean
x87_take (X86Cpu *cpu, uint16_t sw, uint16_t codes)
{
  cpu->fpu.fsw = (uint16_t) ((cpu->fpu.fsw & ~codes) | (sw & (X86_FSW_FLAGS | codes)));
  if (X86_LIKELY (!(sw & X86_FSW_ES)))
    return TRUE;
  x87_trouble (cpu);
  return !(sw & ~cpu->fpu.fcw & X87_PRECOMPUTATION);
}
