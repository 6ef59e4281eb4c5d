/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * x87 loads, stores, constants and moves within the register stack.
 * Specification: Intel SDM volume 1, sections 8.1.2 and 8.3.3; volume 2.
 */

#include "engine/cpu/interp/x87.h"

/* --- Loads --- */

/* Room for a push? If not, and the fault is masked, the indefinite value is pushed. */
static inline gboolean
has_room (X86Cpu *cpu)
{
  if (X86_LIKELY (x87_is_empty (cpu, 7)))
    return TRUE;
  if (x87_stack_fault (cpu, TRUE))
    x87_push (cpu, &x87_indefinite);
  return FALSE;
}

#define LOAD(name, insn, bits, type)                                                                                    \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    *(uint##bits##_t *) &cpu->scratch.q[2]                                                                              \
      = x86_ld##bits (cpu, op, x87_begin_mem (cpu, op, bits / 8, X86_ACCESS_READ));                                     \
    if (has_room (cpu))                                                                                                 \
      {                                                                                                                \
        uint16_t sw;                                                                                                   \
        __asm__ volatile (insn " %[src]\n\t" X87_STATUS "fstpt %[result]"                                               \
                          : "=a" (sw), [result] "=m" (X87_RESULT (cpu))                                                 \
                          : [src] "m" (*(const type *) &cpu->scratch.q[2]) : X87_CLOBBERS);                             \
        x87_take (cpu, (uint16_t) (sw & ~X86_FSW_C1), X86_FSW_C1);                                                      \
        if (X86_LIKELY (!(sw & ~cpu->fpu.fcw & X86_FSW_IE))) /* a denormal is loaded all the same */                    \
          x87_push (cpu, &X87_RESULT (cpu));                                                                            \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
LOAD (flds, "flds", 32, float)
LOAD (fldl, "fldl", 64, double)
LOAD (filds, "filds", 16, int16_t)
LOAD (fildl, "fildl", 32, int32_t)
LOAD (fildq, "fildll", 64, int64_t)

X86_HANDLER (op_fldt)
{
  uint64_t lin = x87_begin_mem (cpu, op, 10, X86_ACCESS_READ);

  X87_RESULT (cpu).mant = x86_ld64 (cpu, op, lin);
  X87_RESULT (cpu).se = x86_ld16 (cpu, op, lin + 8);
  if (has_room (cpu))
    {
      cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
      x87_push (cpu, &X87_RESULT (cpu));
    }
  X86_NEXT;
}

X86_HANDLER (op_fbld)
{
  uint64_t lin = x87_begin_mem (cpu, op, 10, X86_ACCESS_READ);

  X87_OPERAND (cpu).mant = x86_ld64 (cpu, op, lin);
  X87_OPERAND (cpu).se = x86_ld16 (cpu, op, lin + 8);
  if (has_room (cpu))
    {
      __asm__ volatile ("fbld %[src]\n\tfstpt %[result]"
                        : [result] "=m" (X87_RESULT (cpu)) : [src] "m" (X87_OPERAND (cpu)) : X87_CLOBBERS);
      cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
      x87_push (cpu, &X87_RESULT (cpu));
    }
  X86_NEXT;
}

X86_HANDLER (op_fld_i)
{
  x87_begin (cpu, op);
  if (X86_UNLIKELY (x87_is_empty (cpu, op->src)))
    {
      if (x87_stack_fault (cpu, FALSE))
        x87_push (cpu, &x87_indefinite);
    }
  else if (has_room (cpu))
    {
      cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
      x87_push (cpu, x87_st (cpu, op->src));
    }
  X86_NEXT;
}

/* Constants are rounded as the control word says. */
#define CONSTANT(name)                                                                                                  \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (has_room (cpu))                                                                                                 \
      {                                                                                                                \
        __asm__ volatile (#name "\n\tfstpt %[result]" : [result] "=m" (X87_RESULT (cpu)) : : X87_CLOBBERS);             \
        cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;                                                                         \
        x87_push (cpu, &X87_RESULT (cpu));                                                                              \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
CONSTANT (fld1)
CONSTANT (fldl2t)
CONSTANT (fldl2e)
CONSTANT (fldpi)
CONSTANT (fldlg2)
CONSTANT (fldln2)
CONSTANT (fldz)

/* --- Stores --- */

enum { STORE_FORBIDS = X86_FSW_IE | X86_FSW_DE | X86_FSW_ZE | X86_FSW_OE | X86_FSW_UE };

enum { STORE_NOTHING = 1 << 16, STORE_INDEFINITE = 1 << 17 };

/* Converts ST(0) into scratch.q[0]. Returns the status word, or one of the above when that is settled. Faults of the store
 * come before any exception is noted. */
#define CONVERT(name, insn, type, indefinite)                                                                           \
  static inline uint32_t name (X86Cpu *cpu, const X86Op *op, uint64_t lin)                                              \
  {                                                                                                                    \
    uint16_t sw;                                                                                                       \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0)))                                                                           \
      {                                                                                                                \
        x86_probe_write (cpu, op, lin, sizeof (type));                                                                  \
        cpu->scratch.q[0] = indefinite;                                                                                 \
        return x87_stack_fault (cpu, FALSE) ? STORE_INDEFINITE : STORE_NOTHING;                                         \
      }                                                                                                                \
    __asm__ volatile ("fldt %[src]\n\t" insn " %[result]\n\t" X87_STATUS                                                \
                      : "=a" (sw), [result] "=m" (*(type *) &cpu->scratch.q[0])                                         \
                      : [src] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);                                                   \
    if (X86_UNLIKELY (sw & X86_FSW_ES) && (sw & ~cpu->fpu.fcw & STORE_FORBIDS))                                         \
      {                                                                                                                \
        x86_probe_write (cpu, op, lin, sizeof (type));                                                                  \
        x87_take (cpu, sw, X86_FSW_C1);                                                                                 \
        return STORE_NOTHING;                                                                                           \
      }                                                                                                                \
    return sw;                                                                                                         \
  }
CONVERT (to_float, "fstps", float, 0xffc00000)
CONVERT (to_double, "fstpl", double, 0xfff8000000000000)
CONVERT (to_int16, "fistps", int16_t, 0x8000)
CONVERT (to_int32, "fistpl", int32_t, 0x80000000)
CONVERT (to_int64, "fistpll", int64_t, 0x8000000000000000)
CONVERT (cut_to_int16, "fisttps", int16_t, 0x8000)
CONVERT (cut_to_int32, "fisttpl", int32_t, 0x80000000)
CONVERT (cut_to_int64, "fisttpll", int64_t, 0x8000000000000000)

#define STORE(name, convert, bits, pops)                                                                                 \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    uint64_t lin = x87_begin_mem (cpu, op, bits / 8, X86_ACCESS_WRITE);                                                 \
    uint32_t sw = convert (cpu, op, lin);                                                                               \
    if (sw != STORE_NOTHING)                                                                                            \
      {                                                                                                                \
        x86_st##bits (cpu, op, lin, *(const uint##bits##_t *) &cpu->scratch.q[0]);                                      \
        if (sw != STORE_INDEFINITE)                                                                                     \
          x87_take (cpu, (uint16_t) sw, X86_FSW_C1);                                                                    \
        if (pops)                                                                                                      \
          x87_pop (cpu);                                                                                                \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }

STORE (fsts, to_float, 32, FALSE)
STORE (fstps, to_float, 32, TRUE)
STORE (fstl, to_double, 64, FALSE)
STORE (fstpl, to_double, 64, TRUE)
STORE (fists, to_int16, 16, FALSE)
STORE (fistps, to_int16, 16, TRUE)
STORE (fistl, to_int32, 32, FALSE)
STORE (fistpl, to_int32, 32, TRUE)
STORE (fistpq, to_int64, 64, TRUE)
STORE (fisttps, cut_to_int16, 16, TRUE)
STORE (fisttpl, cut_to_int32, 32, TRUE)
STORE (fisttpq, cut_to_int64, 64, TRUE)

/* All eighty bits or packed decimal digits: the same but for the size. */
X86_HANDLER (op_fstpt)
{
  uint64_t lin = x87_begin_mem (cpu, op, 10, X86_ACCESS_WRITE);
  const X86Fp80 *value = x87_st (cpu, 0);

  if (X86_UNLIKELY (x87_is_empty (cpu, 0)))
    {
      x86_probe_write (cpu, op, lin, 10);
      if (!x87_stack_fault (cpu, FALSE))
        X86_NEXT;
      value = &x87_indefinite;
    }
  x86_st_bytes (cpu, op, lin, value, 10);
  if (value != &x87_indefinite)
    cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  x87_pop (cpu);
  X86_NEXT;
}

X86_HANDLER (op_fbstp)
{
  uint64_t lin = x87_begin_mem (cpu, op, 10, X86_ACCESS_WRITE);
  gboolean is_empty = x87_is_empty (cpu, 0);
  uint16_t sw;

  if (X86_UNLIKELY (is_empty))
    {
      x86_probe_write (cpu, op, lin, 10);
      if (!x87_stack_fault (cpu, FALSE))
        X86_NEXT;
      X87_RESULT (cpu) = x87_indefinite;
    }
  else
    {
      __asm__ volatile ("fldt %[src]\n\tfbstp %[result]\n\t" X87_STATUS
                        : "=a" (sw), [result] "=m" (X87_RESULT (cpu)) : [src] "m" (*x87_st (cpu, 0)) : X87_CLOBBERS);
      if (X86_UNLIKELY (sw & X86_FSW_ES) && (sw & ~cpu->fpu.fcw & STORE_FORBIDS))
        {
          x86_probe_write (cpu, op, lin, 10);
          x87_take (cpu, sw, X86_FSW_C1);
          X86_NEXT;
        }
    }
  x86_st_bytes (cpu, op, lin, &X87_RESULT (cpu), 10);
  if (!is_empty)
    x87_take (cpu, sw, X86_FSW_C1);
  x87_pop (cpu);
  X86_NEXT;
}

/* --- Within the stack --- */

static inline gboolean
copy_top (X86Cpu *cpu, const X86Op *op)
{
  x87_begin (cpu, op);
  if (X86_UNLIKELY (x87_is_empty (cpu, 0)))
    {
      if (!x87_stack_fault (cpu, FALSE))
        return FALSE;
      x87_set (cpu, op->src, &x87_indefinite);
      return TRUE;
    }
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  x87_set (cpu, op->src, x87_st (cpu, 0));
  return TRUE;
}

X86_HANDLER (op_fst_i)
{
  copy_top (cpu, op);
  X86_NEXT;
}

X86_HANDLER (op_fstp_i)
{
  if (copy_top (cpu, op))
    x87_pop (cpu);
  X86_NEXT;
}

X86_HANDLER (op_fxch)
{
  x87_begin (cpu, op);
  if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, op->src)))
    {
      if (!x87_stack_fault (cpu, FALSE))
        X86_NEXT;
      if (x87_is_empty (cpu, 0))
        x87_set (cpu, 0, &x87_indefinite);
      if (x87_is_empty (cpu, op->src))
        x87_set (cpu, op->src, &x87_indefinite);
    }
  else
    cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  {
    X86Fp80 *a = x87_st (cpu, 0), *b = x87_st (cpu, op->src);
    uint64_t mant = a->mant;
    uint16_t se = a->se;

    a->mant = b->mant;
    a->se = b->se;
    b->mant = mant;
    b->se = se;
  }
  X86_NEXT;
}

X86_HANDLER (op_ffree)
{
  x87_begin (cpu, op);
  cpu->fpu.ftag &= (uint8_t) ~(1 << x87_phys (cpu, op->src));
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  X86_NEXT;
}

X86_HANDLER (op_ffreep)
{
  x87_begin (cpu, op);
  cpu->fpu.ftag &= (uint8_t) ~(1 << x87_phys (cpu, op->src));
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  x87_pop (cpu);
  X86_NEXT;
}

X86_HANDLER (op_fincstp)
{
  x87_begin (cpu, op);
  x86_fpu_set_top (cpu, x86_fpu_top (cpu) + 1);
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  X86_NEXT;
}

X86_HANDLER (op_fdecstp)
{
  x87_begin (cpu, op);
  x86_fpu_set_top (cpu, x86_fpu_top (cpu) - 1);
  cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;
  X86_NEXT;
}

X86_HANDLER (op_fnop)
{
  x87_begin (cpu, op);
  X86_NEXT;
}

#define CONDITIONAL(name, condition)                                                                                    \
  X86_HANDLER (op_##name)                                                                                               \
  {                                                                                                                    \
    x87_begin (cpu, op);                                                                                                \
    if (X86_UNLIKELY (x87_is_empty (cpu, 0) || x87_is_empty (cpu, op->src)))                                            \
      {                                                                                                                \
        if (x87_stack_fault (cpu, FALSE)) /* whatever the condition */                                                  \
          x87_set (cpu, 0, &x87_indefinite);                                                                            \
      }                                                                                                                \
    else                                                                                                               \
      {                                                                                                                \
        cpu->fpu.fsw &= (uint16_t) ~X86_FSW_C1;                                                                         \
        if (condition)                                                                                                  \
          x87_set (cpu, 0, x87_st (cpu, op->src));                                                                      \
      }                                                                                                                \
    X86_NEXT;                                                                                                          \
  }
CONDITIONAL (fcmovb, x86_get_cf (cpu))
CONDITIONAL (fcmove, x86_get_zf (cpu))
CONDITIONAL (fcmovbe, x86_get_cf (cpu) || x86_get_zf (cpu))
CONDITIONAL (fcmovu, x86_get_pf (cpu))
CONDITIONAL (fcmovnb, !x86_get_cf (cpu))
CONDITIONAL (fcmovne, !x86_get_zf (cpu))
CONDITIONAL (fcmovnbe, !x86_get_cf (cpu) && !x86_get_zf (cpu))
CONDITIONAL (fcmovnu, !x86_get_pf (cpu))

/* --- By opcode --- */

X86OpFn
x86_x87_move_fn (unsigned opcode, unsigned modrm)
{
  static const X86OpFn memory[8][8] = {
    [1] = { [0] = op_flds, [2] = op_fsts, [3] = op_fstps },
    [3] = { [0] = op_fildl, [1] = op_fisttpl, [2] = op_fistl, [3] = op_fistpl, [5] = op_fldt, [7] = op_fstpt },
    [5] = { [0] = op_fldl, [1] = op_fisttpq, [2] = op_fstl, [3] = op_fstpl },
    [7] = { [0] = op_filds, [1] = op_fisttps, [2] = op_fists, [3] = op_fistps, [4] = op_fbld, [5] = op_fildq,
            [6] = op_fbstp, [7] = op_fistpq },
  };
  static const X86OpFn registers[8][8] = {
    [1] = { [0] = op_fld_i, [1] = op_fxch, [3] = op_fstp_i },
    [2] = { [0] = op_fcmovb, [1] = op_fcmove, [2] = op_fcmovbe, [3] = op_fcmovu },
    [3] = { [0] = op_fcmovnb, [1] = op_fcmovne, [2] = op_fcmovnbe, [3] = op_fcmovnu },
    [5] = { [0] = op_ffree, [1] = op_fxch, [2] = op_fst_i, [3] = op_fstp_i },
    [7] = { [0] = op_ffreep, [1] = op_fxch, [2] = op_fstp_i, [3] = op_fstp_i },
  };
  static const X86OpFn constants[7] = { op_fld1, op_fldl2t, op_fldl2e, op_fldpi, op_fldlg2, op_fldln2, op_fldz };

  if (modrm < 0xc0)
    return memory[opcode][(modrm >> 3) & 7];
  if (opcode == 1 && modrm >= 0xe8 && modrm <= 0xee)
    return constants[modrm - 0xe8];
  if (opcode == 1 && modrm == 0xd0)
    return op_fnop;
  if (opcode == 1 && (modrm == 0xf6 || modrm == 0xf7))
    return modrm == 0xf6 ? op_fdecstp : op_fincstp;
  return registers[opcode][(modrm >> 3) & 7];
}
