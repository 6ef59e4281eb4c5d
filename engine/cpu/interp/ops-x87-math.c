/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * x87 instructions on the top of the stack: rounding, remainders, roots,
 * transcendental functions.
 * Specification: Intel SDM volume 1, sections 8.3.7 to 8.3.10; volume 2.
 */

#include "engine/cpu/interp/x87.h"

/* --- ST(0) = f (ST(0)) --- */

#define UNARY(name, codes)                                                                                              \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    cpu->fpu.fsw &= (uint16_t) ~(codes);                                                                                \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0)))                                                                           \
      {                                                                                                                \
        if (x87_stack_fault (cpu, FALSE))                                                                               \
          x87_set (cpu, 0, &x87_indefinite);                                                                            \
      }                                                                                                                \
    else                                                                                                               \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile ("fldt %[dst]\n\t" #name "\n\t" X87_STATUS "fstpt %[result]"                                   \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu)) : [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS); \
        if (x87_take (cpu, sw, codes))                                                                                  \
          x87_set (cpu, 0, &X87_RESULT (cpu));                                                                          \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
UNARY (fsqrt, X86_FSW_C1)
UNARY (frndint, X86_FSW_C1)
UNARY (f2xm1, X86_FSW_C1)
UNARY (fsin, X86_FSW_C1 | X86_FSW_C2)
UNARY (fcos, X86_FSW_C1 | X86_FSW_C2)

static inline gboolean
begin_sign (X86Cpu *cpu, const X86Op *op)
{
  x87_begin (cpu, op);
  if (X86_UNLIKELY (x87_is_empty (cpu, 0)))
    {
      if (x87_stack_fault (cpu, FALSE))
        x87_set (cpu, 0, &x87_indefinite);
      return FALSE;
    }
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  return TRUE;
}

X86_HANDLER (op_fchs)
{
  if (begin_sign (cpu, op))
    x87_st (cpu, 0)->se ^= 0x8000;
  X86_NEXT;
}

X86_HANDLER (op_fabs)
{
  if (begin_sign (cpu, op))
    x87_st (cpu, 0)->se &= 0x7fff;
  X86_NEXT;
}

/* --- ST(0) = f (ST(0), ST(1)) --- */

static inline gboolean
is_nan (const X86Fp80 *value)
{
  return (value->se & 0x7fff) == 0x7fff && (value->mant << 1) != 0;
}

/* Remainders of operands that have none leave C0 and C3 alone. */
static inline uint16_t
quotient_codes (X86Cpu *cpu, uint16_t sw, uint16_t codes)
{
  if ((sw & X86_FSW_IE) || (sw & ~cpu->fpu.fcw & X86_FSW_DE) || is_nan (x87_st (cpu, 0)) || is_nan (x87_st (cpu, 1)))
    return codes & (X86_FSW_C1 | X86_FSW_C2);
  return codes;
}

#define BINARY(name, codes)                                                                                             \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    cpu->fpu.fsw &= (uint16_t) ~((codes) & X86_FSW_C2);                                                                 \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, 1)))                                                  \
      {                                                                                                                \
        if (x87_stack_fault (cpu, FALSE))                                                                               \
          x87_set (cpu, 0, &x87_indefinite);                                                                            \
      }                                                                                                                \
    else                                                                                                               \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile ("fldt %[src]\n\tfldt %[dst]\n\t" #name "\n\t" X87_STATUS "fstpt %[result]\n\tfstp %%st(0)"    \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu))                                                 \
                          : [src] "m" (*x87_st (cpu, 1)), [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);                 \
        if (x87_take (cpu, sw, quotient_codes (cpu, sw, codes)))                                                        \
          x87_set (cpu, 0, &X87_RESULT (cpu));                                                                          \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
BINARY (fscale, X86_FSW_C1)
BINARY (fprem, X87_CODES)
BINARY (fprem1, X87_CODES)

/* --- ST(1) = f (ST(1), ST(0)), then pop --- */

/* After an unmasked exception the host's stack may hold two values; x87_trouble() empties it. */
#define BINARY_POP(name)                                                                                                \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    gboolean ok = TRUE;                                                                                                \
    x87_begin (cpu, op);                                                                                                \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, 1)))                                                  \
      {                                                                                                                \
        ok = x87_stack_fault (cpu, FALSE);                                                                              \
        if (ok)                                                                                                        \
          x87_set (cpu, 1, &x87_indefinite);                                                                            \
      }                                                                                                                \
    else                                                                                                               \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile ("fldt %[src]\n\tfldt %[dst]\n\t" #name "\n\t" X87_STATUS "fstpt %[result]"                    \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu))                                                 \
                          : [src] "m" (*x87_st (cpu, 1)), [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);                 \
        ok = x87_take (cpu, sw, X86_FSW_C1);                                                                            \
        if (ok)                                                                                                        \
          x87_set (cpu, 1, &X87_RESULT (cpu));                                                                          \
      }                                                                                                                \
    if (ok)                                                                                                            \
      x87_pop (cpu);                                                                                                    \
    X86_NEXT;                                                                                                          \
  }
BINARY_POP (fyl2x)
BINARY_POP (fyl2xp1)
BINARY_POP (fpatan)

/* --- Two results: one replaces ST(0), the other is pushed --- */

/* Returns FALSE when the stack has no operand or no room; both results are then indefinite if that is masked. */
static inline gboolean
begin_push (X86Cpu *cpu, const X86Op *op, uint16_t codes)
{
  gboolean is_underflow = x87_is_empty (cpu, 0);

  x87_begin (cpu, op);
  cpu->fpu.fsw &= (uint16_t) ~codes;
  if (X86_LIKELY (!is_underflow && x87_is_empty (cpu, 7)))
    return TRUE;
  if (x87_stack_fault (cpu, !is_underflow))
    {
      x87_set (cpu, 0, &x87_indefinite);
      x87_push (cpu, &x87_indefinite);
    }
  return FALSE;
}

#define TWO_RESULTS(name, check, codes)                                                                                 \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    if (begin_push (cpu, op, codes))                                                                                    \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile ("fldt %[dst]\n\t" #name "\n\t" X87_STATUS check "fstpt %[pushed]\n2:\tfstpt %[result]"        \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu)), [pushed] "=m" (X87_OPERAND (cpu))              \
                          : [dst] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);                                               \
        if (x87_take (cpu, sw, codes) && (((codes) & X86_FSW_C2) == 0 || !(sw & X86_FSW_C2)))                           \
          {                                                                                                            \
            x87_set (cpu, 0, &X87_RESULT (cpu));                                                                        \
            x87_push (cpu, &X87_OPERAND (cpu));                                                                         \
          }                                                                                                            \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
#define C2_CHECK "testb $4, %%ah\n\tjnz 2f\n\t"
TWO_RESULTS (fptan, C2_CHECK, X86_FSW_C1 | X86_FSW_C2)
TWO_RESULTS (fsincos, C2_CHECK, X86_FSW_C1 | X86_FSW_C2)
TWO_RESULTS (fxtract, "", X86_FSW_C1)

X86OpFn
x86_x87_transcendental_fn (unsigned opcode, unsigned modrm)
{
  static const X86OpFn fns[0x20] = {
    [0x00] = op_fchs, [0x01] = op_fabs, [0x10] = op_f2xm1, [0x11] = op_fyl2x, [0x12] = op_fptan, [0x13] = op_fpatan,
    [0x14] = op_fxtract, [0x15] = op_fprem1, [0x18] = op_fprem, [0x19] = op_fyl2xp1, [0x1a] = op_fsqrt,
    [0x1b] = op_fsincos, [0x1c] = op_frndint, [0x1d] = op_fscale, [0x1e] = op_fsin, [0x1f] = op_fcos,
  };

  return opcode == 1 && modrm >= 0xe0 ? fns[modrm - 0xe0] : NULL;
}
