/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT, every width and form.
 * Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/alu.h"
#include "engine/cpu/interp/branch.h"

/* Forms: reg,reg  reg,imm  reg,mem  mem,reg  mem,imm  and the last two locked. */
enum { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_LOCK_MR, FORM_LOCK_MI, FORM_COUNT };

/* Reads, changes and writes a memory operand; @b is an expression. */
#define RMW(name, bits, b)                                                                                              \
  u64 lin = x86_ea (cpu, op, bits / 8, X86_ACCESS_WRITE);                                                               \
  u##bits *host = x86_host_write (cpu, lin, bits / 8);                                                                  \
  u##bits a_, b_ = (u##bits) (b), r_;                                                                                   \
  if (X86_LIKELY (host != NULL))                                                                                        \
    {                                                                                                                  \
      __builtin_memcpy (&a_, host, sizeof a_);                                                                          \
      r_ = (u##bits) RESULT_##name (a_, b_, CARRY_##name);                                                              \
      __builtin_memcpy (host, &r_, sizeof r_);                                                                          \
    }                                                                                                                  \
  else                                                                                                                 \
    {                                                                                                                  \
      a_ = (u##bits) x86_ldw_slow (cpu, op, lin, bits / 8);                                                             \
      r_ = (u##bits) RESULT_##name (a_, b_, CARRY_##name);                                                              \
      x86_st_slow (cpu, op, lin, r_, bits / 8);                                                                         \
    }                                                                                                                  \
  (void) b_;                                                                                                            \
  FLAGS_##name (bits, a_, b_, r_)

#define LOCKED(name, bits, b)                                                                                           \
  u64 lin = x86_ea (cpu, op, bits / 8, X86_ACCESS_WRITE);                                                               \
  u##bits *host = x86_lock_host (cpu, op, lin, bits / 8);                                                               \
  u##bits a_, b_ = (u##bits) (b), r_;                                                                                   \
  if (X86_LIKELY (host != NULL))                                                                                        \
    {                                                                                                                  \
      a_ = __atomic_load_n (host, __ATOMIC_RELAXED);                                                                    \
      do                                                                                                               \
        r_ = (u##bits) RESULT_##name (a_, b_, CARRY_##name);                                                            \
      while (!__atomic_compare_exchange_n (host, &a_, r_, TRUE, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));                   \
      x86_lock_done (cpu, lin, host, bits / 8);                                                                         \
    }                                                                                                                  \
  else                                                                                                                 \
    {                                                                                                                  \
      x86_lock_enter (cpu, op, lin, bits / 8);                                                                          \
      a_ = (u##bits) x86_lock_load (cpu, 0, bits / 8);                                                                  \
      r_ = (u##bits) RESULT_##name (a_, b_, CARRY_##name);                                                              \
      x86_lock_store (cpu, 0, r_, bits / 8);                                                                            \
      x86_lock_leave (cpu);                                                                                            \
    }                                                                                                                  \
  (void) b_;                                                                                                            \
  FLAGS_##name (bits, a_, b_, r_)

#define DEFINE_ALU_WIDTH(name, bits)                                                                                    \
  X86_HANDLER (op_##name##_rr##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), b = GET_##bits (op->src);                                                         \
    u##bits r = (u##bits) RESULT_##name (a, b, CARRY_##name);                                                           \
    FLAGS_##name (bits, a, b, r);                                                                                       \
    SET_##bits (op->dst, r);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_ri##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), b = (u##bits) (s64) op->imm;                                                      \
    u##bits r = (u##bits) RESULT_##name (a, b, CARRY_##name);                                                           \
    FLAGS_##name (bits, a, b, r);                                                                                       \
    SET_##bits (op->dst, r);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_rm##bits)                                                                                    \
  {                                                                                                                    \
    u##bits b = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ)), a = GET_##bits (op->dst);          \
    u##bits r = (u##bits) RESULT_##name (a, b, CARRY_##name);                                                           \
    FLAGS_##name (bits, a, b, r);                                                                                       \
    SET_##bits (op->dst, r);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_mr##bits) { RMW (name, bits, GET_##bits (op->src)); X86_NEXT; }                              \
  X86_HANDLER (op_##name##_mi##bits) { RMW (name, bits, (s64) op->imm); X86_NEXT; }                                     \
  X86_HANDLER (op_##name##_lock_mr##bits) { LOCKED (name, bits, GET_##bits (op->src)); X86_NEXT_LOOP; }                 \
  X86_HANDLER (op_##name##_lock_mi##bits) { LOCKED (name, bits, (s64) op->imm); X86_NEXT_LOOP; }

#define DEFINE_ALU(name)                                                                                                \
  DEFINE_ALU_WIDTH (name, 8)                                                                                            \
  DEFINE_ALU_WIDTH (name, 16)                                                                                           \
  DEFINE_ALU_WIDTH (name, 32)                                                                                           \
  DEFINE_ALU_WIDTH (name, 64)

DEFINE_ALU (add)
DEFINE_ALU (or)
DEFINE_ALU (adc)
DEFINE_ALU (sbb)
DEFINE_ALU (and)
DEFINE_ALU (sub)
DEFINE_ALU (xor)

#define ALU_FORM(name, form) op_##name##_##form##8, op_##name##_##form##16, op_##name##_##form##32, op_##name##_##form##64
#define ALU_FNS(name)                                                                                                   \
  static const X86OpFn fns_##name[FORM_COUNT * 4]                                                                       \
    = { ALU_FORM (name, rr), ALU_FORM (name, ri), ALU_FORM (name, rm), ALU_FORM (name, mr), ALU_FORM (name, mi),        \
        ALU_FORM (name, lock_mr), ALU_FORM (name, lock_mi) };

ALU_FNS (add)
ALU_FNS (or)
ALU_FNS (adc)
ALU_FNS (sbb)
ALU_FNS (and)
ALU_FNS (sub)
ALU_FNS (xor)

/* XOR r, r and SUB r, r of 32 and 64 bits: the zeroing idiom. */
X86_HANDLER (op_zero)
{
  x86_cc_result (cpu, 0, 0);
  cpu->r[op->dst] = 0;
  X86_NEXT;
}

/* CMP and TEST: no result is written. */
#define DEFINE_COMPARE_WIDTH(name, result, bits)                                                                        \
  X86_HANDLER (op_##name##_rr##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), b = GET_##bits (op->src);                                                         \
    FLAGS_##result (bits, a, b, RESULT_##result (a, b, 0));                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_ri##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), b = (u##bits) (s64) op->imm;                                                      \
    FLAGS_##result (bits, a, b, RESULT_##result (a, b, 0));                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_rm##bits)                                                                                    \
  {                                                                                                                    \
    u##bits b = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ)), a = GET_##bits (op->dst);          \
    FLAGS_##result (bits, a, b, RESULT_##result (a, b, 0));                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_mr##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ)), b = GET_##bits (op->src);          \
    FLAGS_##result (bits, a, b, RESULT_##result (a, b, 0));                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_mi##bits)                                                                                    \
  {                                                                                                                    \
    u##bits a = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ)), b = (u##bits) (s64) op->imm;       \
    FLAGS_##result (bits, a, b, RESULT_##result (a, b, 0));                                                             \
    X86_NEXT;                                                                                                          \
  }

#define DEFINE_COMPARE(name, result)                                                                                    \
  DEFINE_COMPARE_WIDTH (name, result, 8)                                                                                \
  DEFINE_COMPARE_WIDTH (name, result, 16)                                                                               \
  DEFINE_COMPARE_WIDTH (name, result, 32)                                                                               \
  DEFINE_COMPARE_WIDTH (name, result, 64)                                                                               \
  static const X86OpFn fns_##name[FORM_COUNT * 4]                                                                       \
    = { ALU_FORM (name, rr), ALU_FORM (name, ri), ALU_FORM (name, rm), ALU_FORM (name, mr), ALU_FORM (name, mi) };

DEFINE_COMPARE (cmp, sub)
DEFINE_COMPARE (test, and)

/* INC, DEC (CF stays), NEG; NOT changes no flag. */
#define RESULT_inc(a, b, c) ((a) + 1)
#define RESULT_dec(a, b, c) ((a) - 1)
#define RESULT_neg(a, b, c) (0 - (a))
#define RESULT_not(a, b, c) (~(a))
#define CARRY_inc 0
#define CARRY_dec 0
#define CARRY_neg 0
#define CARRY_not 0
#define MIN_OF(bits) ((u##bits) ((u64) 1 << (bits - 1)))
#define FLAGS_inc(bits, a, b, r)                                                                                        \
  x86_cc_result (cpu, (s##bits) (r),                                                                                    \
                 (x86_get_cf (cpu) ? X86_FLAG_CF : 0) | ((r) == MIN_OF (bits) ? X86_FLAG_OF : 0)                        \
                   | (((r) & 15) == 0 ? X86_FLAG_AF : 0))
#define FLAGS_dec(bits, a, b, r)                                                                                        \
  x86_cc_result (cpu, (s##bits) (r),                                                                                    \
                 (x86_get_cf (cpu) ? X86_FLAG_CF : 0) | ((u##bits) ((r) + 1) == MIN_OF (bits) ? X86_FLAG_OF : 0)        \
                   | (((r) & 15) == 15 ? X86_FLAG_AF : 0))
#define FLAGS_neg(bits, a, b, r) x86_cc_sub (cpu, 0, (s##bits) (a), (s##bits) (r))
#define FLAGS_not(bits, a, b, r) (void) (b)

enum { UNARY_R, UNARY_M, UNARY_LOCK, UNARY_COUNT };

#define DEFINE_UNARY_WIDTH(name, bits)                                                                                  \
  X86_HANDLER (op_##name##_r##bits)                                                                                     \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), r = (u##bits) RESULT_##name (a, 0, 0);                                            \
    FLAGS_##name (bits, a, 0, r);                                                                                       \
    SET_##bits (op->dst, r);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_m##bits) { RMW (name, bits, 0); X86_NEXT; }                                                  \
  X86_HANDLER (op_##name##_lock_m##bits) { LOCKED (name, bits, 0); X86_NEXT_LOOP; }

#define DEFINE_UNARY(name)                                                                                              \
  DEFINE_UNARY_WIDTH (name, 8)                                                                                          \
  DEFINE_UNARY_WIDTH (name, 16)                                                                                         \
  DEFINE_UNARY_WIDTH (name, 32)                                                                                         \
  DEFINE_UNARY_WIDTH (name, 64)                                                                                         \
  static const X86OpFn fns_##name[UNARY_COUNT * 4]                                                                      \
    = { ALU_FORM (name, r), ALU_FORM (name, m), ALU_FORM (name, lock_m) };

DEFINE_UNARY (inc)
DEFINE_UNARY (dec)
DEFINE_UNARY (neg)
DEFINE_UNARY (not)

static unsigned
width_index (unsigned size)
{
  return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

static gboolean
lower_alu (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned size = x86_operand_size (lw, 0), form;
  gboolean is_locked = (op->flags & X86_OPF_LOCK) != 0;

  op->size = (uint8_t) size;
  if (x86_is_mem (lw, 0))
    {
      if (!x86_lower_mem (lw, op, 0))
        return FALSE;
      if (x86_is_imm (lw, 1))
        form = is_locked ? FORM_LOCK_MI : FORM_MI;
      else
        {
          form = is_locked ? FORM_LOCK_MR : FORM_MR;
          op->src = x86_lower_reg (lw->opr[1].reg.value);
        }
    }
  else
    {
      op->dst = x86_lower_reg (lw->opr[0].reg.value);
      if (x86_is_mem (lw, 1))
        {
          form = FORM_RM;
          if (!x86_lower_mem (lw, op, 1))
            return FALSE;
        }
      else if (x86_is_imm (lw, 1))
        form = FORM_RI;
      else
        {
          form = FORM_RR;
          op->src = x86_lower_reg (lw->opr[1].reg.value);
        }
    }
  if (x86_is_imm (lw, 1))
    op->imm = (int32_t) lw->opr[1].imm.value.s;
  op->fn = entry->fns[form * 4 + width_index (size)];
  if (form == FORM_RR && size >= 4 && op->dst == op->src && (entry->fns == fns_xor || entry->fns == fns_sub))
    op->fn = op_zero;
  return op->fn != NULL;
}

static gboolean
lower_unary (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned size = x86_operand_size (lw, 0), form;

  if (x86_is_mem (lw, 0))
    {
      form = op->flags & X86_OPF_LOCK ? UNARY_LOCK : UNARY_M;
      if (!x86_lower_mem (lw, op, 0))
        return FALSE;
    }
  else
    {
      form = UNARY_R;
      op->dst = x86_lower_reg (lw->opr[0].reg.value);
    }
  op->fn = entry->fns[form * 4 + width_index (size)];
  return TRUE;
}

/* --- Fused with the conditional branch that follows: the branch is op[1] --- */

/* Conditions straight from the operands of a subtraction or from a logic result. */
static inline gboolean
condition_sub (int64_t a, int64_t b, int64_t r, unsigned cc)
{
  gboolean result;

  switch (cc >> 1)
    {
    case 0: result = (((a ^ b) & (a ^ r)) >> 63) != 0; break;
    case 1: result = (uint64_t) a < (uint64_t) b; break;
    case 2: result = a == b; break;
    case 3: result = (uint64_t) a <= (uint64_t) b; break;
    case 4: result = r < 0; break;
    case 5: result = !__builtin_parity (r & 0xff); break;
    case 6: result = a < b; break;
    default: result = a <= b; break;
    }
  return result != (gboolean) (cc & 1);
}

static inline gboolean
condition_and (int64_t a, int64_t b, int64_t r, unsigned cc)
{
  gboolean result;

  switch (cc >> 1)
    {
    case 0:
    case 1: result = FALSE; break;
    case 2:
    case 3: result = r == 0; break;
    case 4:
    case 6: result = r < 0; break;
    case 5: result = !__builtin_parity (r & 0xff); break;
    default: result = r <= 0; break;
    }
  return result != (gboolean) (cc & 1);
}

/* The flags are left for whoever asks later; the branch does not wait for them. */
#define FUSED_BODY(result, bits, cc, a_expr, b_expr)                                                                    \
  {                                                                                                                    \
    s##bits a = (s##bits) (a_expr), b = (s##bits) (b_expr);                                                             \
    s##bits r = (s##bits) (u##bits) RESULT_##result ((u##bits) a, (u##bits) b, 0);                                      \
    FLAGS_##result (bits, a, b, r);                                                                                     \
    X86_BRANCH_LINKED (op + 1, condition_##result (a, b, r, cc));                                                       \
  }

#define LOAD_READ(bits) x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ))

#define FUSED(name, result, form, bits, a_expr, b_expr)                                                                 \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 0) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 1)       \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 2) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 3)       \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 4) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 5)       \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 6) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 7)       \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 8) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 9)       \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 10) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 11)     \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 12) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 13)     \
  FUSED_ONE (name, result, form, bits, a_expr, b_expr, 14) FUSED_ONE (name, result, form, bits, a_expr, b_expr, 15)     \
  static const X86OpFn fused_##name##_##form##bits[16] = {                                                              \
    op_##name##_##form##bits##_0, op_##name##_##form##bits##_1, op_##name##_##form##bits##_2,                           \
    op_##name##_##form##bits##_3, op_##name##_##form##bits##_4, op_##name##_##form##bits##_5,                           \
    op_##name##_##form##bits##_6, op_##name##_##form##bits##_7, op_##name##_##form##bits##_8,                           \
    op_##name##_##form##bits##_9, op_##name##_##form##bits##_10, op_##name##_##form##bits##_11,                         \
    op_##name##_##form##bits##_12, op_##name##_##form##bits##_13, op_##name##_##form##bits##_14,                        \
    op_##name##_##form##bits##_15 };
#define FUSED_ONE(name, result, form, bits, a_expr, b_expr, cc)                                                         \
  X86_HANDLER (op_##name##_##form##bits##_##cc) FUSED_BODY (result, bits, cc, a_expr, b_expr)

FUSED (cmp, sub, rr, 64, GET_64 (op->dst), GET_64 (op->src))
FUSED (cmp, sub, ri, 64, GET_64 (op->dst), op->imm)
FUSED (cmp, sub, rr, 32, GET_32 (op->dst), GET_32 (op->src))
FUSED (cmp, sub, ri, 32, GET_32 (op->dst), op->imm)
FUSED (cmp, sub, rr, 8, GET_8 (op->dst), GET_8 (op->src))
FUSED (cmp, sub, ri, 8, GET_8 (op->dst), op->imm)
FUSED (cmp, sub, mi, 8, LOAD_READ (8), op->imm)
FUSED (cmp, sub, mi, 32, LOAD_READ (32), op->imm)
FUSED (cmp, sub, mi, 64, LOAD_READ (64), op->imm)
FUSED (cmp, sub, rm, 64, GET_64 (op->dst), LOAD_READ (64))
FUSED (cmp, sub, rm, 32, GET_32 (op->dst), LOAD_READ (32))
FUSED (test, and, rr, 64, GET_64 (op->dst), GET_64 (op->src))
FUSED (test, and, rr, 32, GET_32 (op->dst), GET_32 (op->src))
FUSED (test, and, rr, 8, GET_8 (op->dst), GET_8 (op->src))
FUSED (test, and, ri, 8, GET_8 (op->dst), op->imm)
FUSED (test, and, ri, 32, GET_32 (op->dst), op->imm)
FUSED (test, and, mi, 8, LOAD_READ (8), op->imm)

/* DEC, SUB, ADD, AND of a register, then JZ or JNZ: loop counters and masks. */
#define FUSED_ZERO_TEST(name, bits, cc)                                                                                 \
  X86_HANDLER (op_##name##_zero##bits##_##cc)                                                                           \
  {                                                                                                                    \
    u##bits a = GET_##bits (op->dst), b = (u##bits) (s64) op->imm;                                                      \
    u##bits r = (u##bits) RESULT_##name (a, b, 0);                                                                      \
    (void) b;                                                                                                          \
    FLAGS_##name (bits, a, b, r);                                                                                       \
    SET_##bits (op->dst, r);                                                                                            \
    X86_BRANCH_LINKED (op + 1, (r == 0) != (cc & 1));                                                                   \
  }
#define FUSED_ZERO(name, bits) FUSED_ZERO_TEST (name, bits, 4) FUSED_ZERO_TEST (name, bits, 5)
FUSED_ZERO (dec, 64)
FUSED_ZERO (dec, 32)
FUSED_ZERO (sub, 64)
FUSED_ZERO (sub, 32)
FUSED_ZERO (add, 64)
FUSED_ZERO (add, 32)
FUSED_ZERO (and, 32)

typedef struct
{
  X86OpFn plain;
  const X86OpFn *fused; /* by condition */
} FusedEntry;

X86OpFn
x86_fused_handler (X86OpFn fn, unsigned cc)
{
  static const FusedEntry table[] = {
    { op_cmp_rr64, fused_cmp_rr64 }, { op_cmp_ri64, fused_cmp_ri64 }, { op_cmp_rr32, fused_cmp_rr32 },
    { op_cmp_ri32, fused_cmp_ri32 }, { op_cmp_rr8, fused_cmp_rr8 }, { op_cmp_ri8, fused_cmp_ri8 },
    { op_cmp_mi8, fused_cmp_mi8 }, { op_cmp_mi32, fused_cmp_mi32 }, { op_cmp_mi64, fused_cmp_mi64 },
    { op_cmp_rm64, fused_cmp_rm64 }, { op_cmp_rm32, fused_cmp_rm32 }, { op_test_rr64, fused_test_rr64 },
    { op_test_rr32, fused_test_rr32 }, { op_test_rr8, fused_test_rr8 }, { op_test_ri8, fused_test_ri8 },
    { op_test_ri32, fused_test_ri32 }, { op_test_mi8, fused_test_mi8 },
  };
  static const struct { X86OpFn plain, fused[2]; } zero[] = {
    { op_dec_r64, { op_dec_zero64_4, op_dec_zero64_5 } }, { op_dec_r32, { op_dec_zero32_4, op_dec_zero32_5 } },
    { op_sub_ri64, { op_sub_zero64_4, op_sub_zero64_5 } }, { op_sub_ri32, { op_sub_zero32_4, op_sub_zero32_5 } },
    { op_add_ri64, { op_add_zero64_4, op_add_zero64_5 } }, { op_add_ri32, { op_add_zero32_4, op_add_zero32_5 } },
    { op_and_ri32, { op_and_zero32_4, op_and_zero32_5 } },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (table); i++)
    if (table[i].plain == fn)
      return table[i].fused[cc];
  if (cc == 4 || cc == 5)
    for (unsigned i = 0; i < G_N_ELEMENTS (zero); i++)
      if (zero[i].plain == fn)
        return zero[i].fused[cc - 4];
  return NULL;
}

const X86OpEntry x86_ops_alu[] = {
  { ZYDIS_MNEMONIC_ADD, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_add },
  { ZYDIS_MNEMONIC_OR, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_or },
  { ZYDIS_MNEMONIC_ADC, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_adc },
  { ZYDIS_MNEMONIC_SBB, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_sbb },
  { ZYDIS_MNEMONIC_AND, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_and },
  { ZYDIS_MNEMONIC_SUB, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_sub },
  { ZYDIS_MNEMONIC_XOR, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_alu, fns_xor },
  { ZYDIS_MNEMONIC_CMP, X86_FEAT_NONE, 0, lower_alu, fns_cmp },
  { ZYDIS_MNEMONIC_TEST, X86_FEAT_NONE, 0, lower_alu, fns_test },
  { ZYDIS_MNEMONIC_INC, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_unary, fns_inc },
  { ZYDIS_MNEMONIC_DEC, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_unary, fns_dec },
  { ZYDIS_MNEMONIC_NEG, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_unary, fns_neg },
  { ZYDIS_MNEMONIC_NOT, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_unary, fns_not },
  { 0 }
};
