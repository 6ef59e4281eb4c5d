/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * x87 arithmetic with two operands and comparisons.
 * Specification: Intel SDM volume 1, chapter 8; volume 2.
 */

#include "engine/cpu/interp/x87.h"

const X86Fp80 x87_indefinite = { 0xc000000000000000, 0xffff };

void
x87_trouble (X86Cpu *cpu)
{
  uint16_t control = cpu->fpu.fcw;

  __asm__ volatile ("fninit\n\tfldcw %0" : : "m" (control));
  x86_fpu_unmasked (cpu);
}

gboolean
x87_stack_fault (X86Cpu *cpu, gboolean is_overflow)
{
  cpu->fpu.fsw = (uint16_t) ((cpu->fpu.fsw & ~X86_FSW_C1) | X86_FSW_IE | X86_FSW_SF | (is_overflow ? X86_FSW_C1 : 0));
  if (cpu->fpu.fcw & X86_FSW_IE)
    return TRUE;
  x86_fpu_unmasked (cpu);
  return FALSE;
}

/* --- Operands in memory, by the name of the host's suffix --- */

#define LOAD_s(cpu, op) (cpu)->scratch.d[4] = x86_ld32 (cpu, op, x87_begin_mem (cpu, op, 4, X86_ACCESS_READ))
#define LOAD_l(cpu, op) (cpu)->scratch.q[2] = x86_ld64 (cpu, op, x87_begin_mem (cpu, op, 8, X86_ACCESS_READ))
#define LOAD_is(cpu, op) (cpu)->scratch.w[8] = x86_ld16 (cpu, op, x87_begin_mem (cpu, op, 2, X86_ACCESS_READ))
#define LOAD_il(cpu, op) (cpu)->scratch.d[4] = x86_ld32 (cpu, op, x87_begin_mem (cpu, op, 4, X86_ACCESS_READ))

/* --- Arithmetic --- */

/* ST(@dst) becomes the result with status @sw. */
static inline gboolean
finish_arith (X86Cpu *cpu, unsigned dst, uint16_t sw)
{
  if (!x87_take (cpu, sw, X86_FSW_C1))
    return FALSE;
  x87_set (cpu, dst, &X87_RESULT (cpu));
  return TRUE;
}

/* The result of a stack underflow; returns whether the instruction may go on to pop. */
static gboolean
underflow (X86Cpu *cpu, unsigned dst)
{
  if (!x87_stack_fault (cpu, FALSE))
    return FALSE;
  x87_set (cpu, dst, &x87_indefinite);
  return TRUE;
}

/* ST(dst) = ST(dst) insn ST(src); of dst and src one is 0. */
#define ARITH_REG(name, insn)                                                                                           \
  static inline gboolean name##_registers (X86Cpu *cpu, unsigned dst, unsigned src)                                     \
  {                                                                                                                    \
    uint16_t sw;                                                                                                       \
    if (X86_UNLIKELY (x87_is_empty (cpu, dst) || x87_is_empty (cpu, src)))                                              \
      return underflow (cpu, dst);                                                                                      \
    __asm__ volatile ("fldt %[src]\n\tfldt %[dst]\n\t" insn " %%st(1), %%st\n\t" X87_STATUS                             \
                      "fstpt %[result]\n\tfstp %%st(0)"                                                                 \
                      : "=a" (sw), [result] "=m" (X87_RESULT (cpu))                                                     \
                      : [src] "m" (*x87_st (cpu, src)), [dst] "m" (*x87_st (cpu, dst)) : X87_CLOBBERS);                 \
    return finish_arith (cpu, dst, sw);                                                                                 \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_0i)                                                                                          \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    name##_registers (cpu, 0, op->src);                                                                                 \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_i0)                                                                                          \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    name##_registers (cpu, op->src, 0);                                                                                 \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_i0p)                                                                                         \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (name##_registers (cpu, op->src, 0))                                                                             \
      x87_pop (cpu);                                                                                                    \
    X86_NEXT;                                                                                                          \
  }

#define ARITH_MEM(name, insn, load, type)                                                                               \
  X86_HANDLER (op_##name##_##load)                                                                                      \
  {                                                                                                                    \
    LOAD_##load (cpu, op);                                                                                              \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0)))                                                                           \
      underflow (cpu, 0);                                                                                               \
    else                                                                                                               \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile ("fldt %[dst]\n\t" insn " %[src]\n\t" X87_STATUS "fstpt %[result]"                             \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu))                                                 \
                          : [src] "m" (*(const type *) &cpu->scratch.q[2]), [dst] "m" (*x87_st (cpu, 0))                \
                          : X87_CLOBBERS);                                                                              \
        finish_arith (cpu, 0, sw);                                                                                      \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }

#define ARITH(name)                                                                                                     \
  ARITH_REG (f##name, "f" #name)                                                                                        \
  ARITH_MEM (f##name, "f" #name "s", s, float)                                                                          \
  ARITH_MEM (f##name, "f" #name "l", l, double)                                                                         \
  ARITH_MEM (f##name, "fi" #name "s", is, int16_t)                                                                      \
  ARITH_MEM (f##name, "fi" #name "l", il, int32_t)

ARITH (add)
ARITH (mul)
ARITH (sub)
ARITH (subr)
ARITH (div)
ARITH (divr)

/* --- Comparison --- */

enum { CODES_UNORDERED = X86_FSW_C0 | X86_FSW_C2 | X86_FSW_C3 };

/* The codes are set even when an exception is unmasked; only the pop is not done. */
static inline gboolean
finish_compare (X86Cpu *cpu, uint16_t sw)
{
  return x87_take (cpu, (uint16_t) (sw & ~X86_FSW_C1), X87_CODES);
}

static gboolean
compare_underflow (X86Cpu *cpu)
{
  cpu->fpu.fsw |= CODES_UNORDERED;
  return x87_stack_fault (cpu, FALSE);
}

#define COMPARE_REG(name)                                                                                               \
  static inline gboolean name##_registers (X86Cpu *cpu, unsigned src)                                                   \
  {                                                                                                                    \
    uint16_t sw;                                                                                                       \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, src)))                                                \
      return compare_underflow (cpu);                                                                                   \
    __asm__ volatile ("fldt %[src]\n\tfldt %[dst]\n\t" #name " %%st(1)\n\t" X87_STATUS "fstp %%st(0)\n\tfstp %%st(0)"   \
                      : "=a" (sw) : [src] "m" (*x87_st (cpu, src)), [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);        \
    return finish_compare (cpu, sw);                                                                                    \
  }                                                                                                                    \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    name##_registers (cpu, op->src);                                                                                    \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_pop)                                                                                         \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (name##_registers (cpu, op->src))                                                                                \
      x87_pop (cpu);                                                                                                    \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_pop2)                                                                                        \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (name##_registers (cpu, 1))                                                                                      \
      {                                                                                                                \
        x87_pop (cpu);                                                                                                  \
        x87_pop (cpu);                                                                                                  \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
COMPARE_REG (fcom)
COMPARE_REG (fucom)

#define COMPARE_MEM(load, insn, type)                                                                                   \
  static inline gboolean compare_##load (X86Cpu *cpu, const X86Op *op)                                                  \
  {                                                                                                                    \
    uint16_t sw;                                                                                                       \
    LOAD_##load (cpu, op);                                                                                              \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0)))                                                                           \
      return compare_underflow (cpu);                                                                                   \
    __asm__ volatile ("fldt %[dst]\n\t" insn " %[src]\n\t" X87_STATUS "fstp %%st(0)"                                    \
                      : "=a" (sw)                                                                                       \
                      : [src] "m" (*(const type *) &cpu->scratch.q[2]), [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);   \
    return finish_compare (cpu, sw);                                                                                    \
  }                                                                                                                    \
  X86_HANDLER (op_fcom_##load)                                                                                          \
  {                                                                                                                    \
    compare_##load (cpu, op);                                                                                           \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_fcomp_##load)                                                                                         \
  {                                                                                                                    \
    if (compare_##load (cpu, op))                                                                                       \
      x87_pop (cpu);                                                                                                    \
    X86_NEXT;                                                                                                          \
  }
COMPARE_MEM (s, "fcoms", float)
COMPARE_MEM (l, "fcoml", double)
COMPARE_MEM (is, "ficoms", int16_t)
COMPARE_MEM (il, "ficoml", int32_t)

/* FCOMI, FUCOMI: the result goes to EFLAGS, whatever is unmasked. */
#define COMPARE_FLAGS(name)                                                                                             \
  static inline gboolean name##_registers (X86Cpu *cpu, unsigned src)                                                   \
  {                                                                                                                     \
    uint16_t sw;                                                                                                        \
    uint8_t is_equal = 1, is_below = 1, is_unordered = 1;                                                               \
    gboolean ok;                                                                                                        \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, src)))                                                \
      ok = x87_stack_fault (cpu, FALSE);                                                                                \
    else                                                                                                                \
      {                                                                                                                 \
        __asm__ volatile ("fldt %[src]\n\tfldt %[dst]\n\t" #name " %%st(1), %%st\n\t"                                   \
                          "setz %[equal]\n\tsetc %[below]\n\tsetp %[unordered]\n\t"                                     \
                          X87_STATUS "fstp %%st(0)\n\tfstp %%st(0)"                                                     \
                          : "=&a" (sw), [equal] "=&r" (is_equal), [below] "=&r" (is_below),                             \
                            [unordered] "=&r" (is_unordered)                                                            \
                          : [src] "m" (*x87_st (cpu, src)), [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);               \
        ok = x87_take (cpu, (uint16_t) (sw & ~X86_FSW_C1), X86_FSW_C1);                                                 \
      }                                                                                                                 \
    x86_set_arith_flags (cpu, (is_equal ? X86_FLAG_ZF : 0) | (is_below ? X86_FLAG_CF : 0)                               \
                                | (is_unordered ? X86_FLAG_PF : 0));                                                    \
    return ok;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    name##_registers (cpu, op->src);                                                                                    \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_pop)                                                                                         \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (name##_registers (cpu, op->src))                                                                                \
      x87_pop (cpu);                                                                                                    \
    X86_NEXT;                                                                                                          \
  }
COMPARE_FLAGS (fcomi)
COMPARE_FLAGS (fucomi)

X86_HANDLER (op_ftst)
{
  x87_begin (cpu, op);
  if (X86_UNLIKELY (x87_is_empty (cpu, 0)))
    compare_underflow (cpu);
  else
    {
      uint16_t sw;

      __asm__ volatile ("fldt %[dst]\n\tftst\n\t" X87_STATUS "fstp %%st(0)"
                        : "=a" (sw) : [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);
      finish_compare (cpu, sw);
    }
  X86_NEXT;
}

X86_HANDLER (op_fxam)
{
  uint16_t sw;

  x87_begin (cpu, op);
  __asm__ volatile ("fldt %[dst]\n\tfxam\n\tfnstsw %%ax\n\tfstp %%st(0)"
                    : "=a" (sw) : [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);
  if (x87_is_empty (cpu, 0))
    sw = (uint16_t) ((sw & ~X86_FSW_C2) | X86_FSW_C3 | X86_FSW_C0);
  cpu->fpu.fsw = (uint16_t) ((cpu->fpu.fsw & ~X87_CODES) | (sw & X87_CODES));
  X86_NEXT;
}

/* --- By opcode --- */

#define MEMORY_ROW(load)                                                                                                \
  { op_fadd_##load, op_fmul_##load, op_fcom_##load, op_fcomp_##load, op_fsub_##load, op_fsubr_##load, op_fdiv_##load,   \
    op_fdivr_##load }

X86OpFn
x86_x87_arith_fn (unsigned opcode, unsigned modrm)
{
  static const X86OpFn memory[4][8] = { MEMORY_ROW (s), MEMORY_ROW (il), MEMORY_ROW (l), MEMORY_ROW (is) };
  static const X86OpFn registers[8][8] = {
    [0] = { op_fadd_0i, op_fmul_0i, op_fcom, op_fcom_pop, op_fsub_0i, op_fsubr_0i, op_fdiv_0i, op_fdivr_0i },
    [3] = { [5] = op_fucomi, [6] = op_fcomi },
    [4] = { op_fadd_i0, op_fmul_i0, op_fcom, op_fcom_pop, op_fsubr_i0, op_fsub_i0, op_fdivr_i0, op_fdiv_i0 },
    [5] = { [4] = op_fucom, [5] = op_fucom_pop },
    [6] = { op_fadd_i0p, op_fmul_i0p, op_fcom_pop, NULL, op_fsubr_i0p, op_fsub_i0p, op_fdivr_i0p, op_fdiv_i0p },
    [7] = { [5] = op_fucomi_pop, [6] = op_fcomi_pop },
  };
  unsigned reg = (modrm >> 3) & 7;

  if (modrm < 0xc0)
    return opcode % 2 == 0 ? memory[opcode / 2][reg] : NULL;
  if (opcode == 1)
    return modrm == 0xe4 ? op_ftst : modrm == 0xe5 ? op_fxam : NULL;
  if (opcode == 2)
    return modrm == 0xe9 ? op_fucom_pop2 : NULL;
  if (opcode == 6 && modrm == 0xd9)
    return op_fcom_pop2;
  return registers[opcode][reg];
}
