/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ROL ROR RCL RCR SHL SHR SAR SHLD SHRD. Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/alu.h"

enum { ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR };

static inline uint64_t
mask_of (unsigned size)
{
  return ~(uint64_t) 0 >> (64 - size * 8);
}

/* Shifts @value and tells CF, OF, AF through *@cao; @count is not 0 and already masked to 5 or 6 bits. Undefined
 * flags come out as processors leave them: OF as for a shift by one of the last step. */
static uint64_t
shift (unsigned kind, uint64_t value, unsigned count, unsigned size, gboolean carry_in, uint32_t *cao)
{
  unsigned bits = size * 8;
  uint64_t mask = mask_of (size), top = (uint64_t) 1 << (bits - 1), result;
  gboolean cf, of;

  value &= mask;
  switch (kind)
    {
    case ROL:
      count &= bits - 1;
      result = count ? (value << count | value >> (bits - count)) & mask : value;
      cf = result & 1;
      of = cf != ((result & top) != 0);
      break;
    case ROR:
      count &= bits - 1;
      result = count ? (value >> count | value << (bits - count)) & mask : value;
      cf = (result & top) != 0;
      of = cf != ((result & (top >> 1)) != 0);
      break;
    case RCL:
    case RCR:
      count %= bits + 1;
      {
        unsigned __int128 wide = (unsigned __int128) (carry_in ? 1 : 0) << bits | value, all;

        all = ((unsigned __int128) 1 << (bits + 1)) - 1;
        if (kind == RCL)
          wide = count ? (wide << count | wide >> (bits + 1 - count)) & all : wide;
        else
          wide = count ? (wide >> count | wide << (bits + 1 - count)) & all : wide;
        result = (uint64_t) wide & mask;
        cf = (wide >> bits) & 1;
      }
      of = kind == RCL ? cf != ((result & top) != 0) : ((result ^ result << 1) & top) != 0;
      break;
    case SHL:
    case SAL:
      cf = count <= bits && ((value >> (bits - count)) & 1);
      result = count >= bits ? 0 : (value << count) & mask;
      of = cf != ((result & top) != 0);
      break;
    case SHR:
      cf = count <= bits && ((value >> (count - 1)) & 1);
      result = count >= bits ? 0 : value >> count;
      of = ((result ^ result << 1) & top) != 0;
      break;
    default: /* SAR */
      {
        int64_t wide = x86_sext (value, size);
        unsigned effective = MIN (count, 63);

        cf = (wide >> (effective - 1)) & 1;
        result = (uint64_t) (wide >> effective) & mask;
        of = FALSE;
      }
      break;
    }
  *cao = (cf ? X86_FLAG_CF : 0) | (of ? X86_FLAG_OF : 0);
  return result;
}

/* Rotates leave SF, ZF, AF and PF alone. */
static void
set_flags (X86Cpu *cpu, unsigned kind, uint64_t result, unsigned size, uint32_t cao)
{
  if (kind <= RCR)
    x86_set_arith_flags (cpu, (x86_get_arith_flags (cpu) & ~(uint32_t) (X86_FLAG_CF | X86_FLAG_OF)) | cao);
  else
    x86_cc_result (cpu, x86_sext (result, size), cao);
}

/* op->aux: the kind; the count is an immediate or CL. */
static G_GNUC_NO_INLINE void
shift_register (X86Cpu *cpu, const X86Op *op, unsigned count)
{
  uint32_t cao;
  uint64_t result;

  count &= op->size == 8 ? 63 : 31;
  if (count == 0)
    {
      if (op->size == 4)
        cpu->r[op->dst] = (u32) cpu->r[op->dst];
      return;
    }
  result = shift (op->aux, x86_reg_get (cpu, op->dst, op->size), count, op->size, x86_get_cf (cpu), &cao);
  x86_reg_set (cpu, op->dst, op->size, result);
  set_flags (cpu, op->aux, result, op->size, cao);
}

static G_GNUC_NO_INLINE void
shift_memory (X86Cpu *cpu, const X86Op *op, unsigned count)
{
  uint64_t lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), value = x86_mem_get_rmw (cpu, op, lin, op->size), result;
  uint32_t cao;

  count &= op->size == 8 ? 63 : 31;
  if (count == 0)
    return;
  result = shift (op->aux, value, count, op->size, x86_get_cf (cpu), &cao);
  x86_mem_set (cpu, op, lin, op->size, result);
  set_flags (cpu, op->aux, result, op->size, cao);
}

X86_HANDLER (op_shift_ri) { shift_register (cpu, op, (unsigned) op->imm); X86_NEXT; }
X86_HANDLER (op_shift_rc) { shift_register (cpu, op, (unsigned) cpu->r[X86_RCX]); X86_NEXT; }
X86_HANDLER (op_shift_mi) { shift_memory (cpu, op, (unsigned) op->imm); X86_NEXT; }
X86_HANDLER (op_shift_mc) { shift_memory (cpu, op, (unsigned) cpu->r[X86_RCX]); X86_NEXT; }

/* The frequent ones: registers of 32 and 64 bits; @count below the width. */
#define DEFINE_FAST(bits)                                                                                               \
  static inline void shl##bits (X86Cpu *cpu, unsigned dst, unsigned n)                                                  \
  {                                                                                                                    \
    u##bits a = GET_##bits (dst), r = a << n;                                                                           \
    u32 cf = (u32) (a >> (bits - n)) & 1;                                                                               \
    x86_cc_result (cpu, (s##bits) r, cf | ((u32) (r >> (bits - 1)) ^ cf) << 11);                                        \
    SET_##bits (dst, r);                                                                                                \
  }                                                                                                                    \
  static inline void shr##bits (X86Cpu *cpu, unsigned dst, unsigned n)                                                  \
  {                                                                                                                    \
    u##bits a = GET_##bits (dst), r = a >> n;                                                                           \
    x86_cc_result (cpu, (s##bits) r,                                                                                    \
                   ((u32) (a >> (n - 1)) & 1) | (u32) ((r >> (bits - 1)) ^ (r >> (bits - 2) & 1)) << 11);               \
    SET_##bits (dst, r);                                                                                                \
  }                                                                                                                    \
  static inline void sar##bits (X86Cpu *cpu, unsigned dst, unsigned n)                                                  \
  {                                                                                                                    \
    s##bits a = (s##bits) GET_##bits (dst), r = a >> n;                                                                 \
    x86_cc_result (cpu, r, (u32) (a >> (n - 1)) & 1);                                                                   \
    SET_##bits (dst, r);                                                                                                \
  }                                                                                                                    \
  X86_HANDLER (op_shl_ri##bits) { shl##bits (cpu, op->dst, (unsigned) op->imm); X86_NEXT; }                             \
  X86_HANDLER (op_shr_ri##bits) { shr##bits (cpu, op->dst, (unsigned) op->imm); X86_NEXT; }                             \
  X86_HANDLER (op_sar_ri##bits) { sar##bits (cpu, op->dst, (unsigned) op->imm); X86_NEXT; }                             \
  X86_HANDLER (op_shl_rc##bits)                                                                                         \
  {                                                                                                                    \
    unsigned n = cpu->r[X86_RCX] & (bits - 1);                                                                          \
    if (n != 0)                                                                                                         \
      shl##bits (cpu, op->dst, n);                                                                                      \
    else                                                                                                               \
      SET_##bits (op->dst, GET_##bits (op->dst));                                                                       \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_shr_rc##bits)                                                                                         \
  {                                                                                                                    \
    unsigned n = cpu->r[X86_RCX] & (bits - 1);                                                                          \
    if (n != 0)                                                                                                         \
      shr##bits (cpu, op->dst, n);                                                                                      \
    else                                                                                                               \
      SET_##bits (op->dst, GET_##bits (op->dst));                                                                       \
    X86_NEXT;                                                                                                          \
  }
DEFINE_FAST (32)
DEFINE_FAST (64)

static unsigned
kind_of (ZydisMnemonic mnemonic)
{
  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_ROL: return ROL;
    case ZYDIS_MNEMONIC_ROR: return ROR;
    case ZYDIS_MNEMONIC_RCL: return RCL;
    case ZYDIS_MNEMONIC_RCR: return RCR;
    case ZYDIS_MNEMONIC_SHR: return SHR;
    case ZYDIS_MNEMONIC_SAR: return SAR;
    default: return SHL;
    }
}

static gboolean
lower_shift (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  gboolean by_cl = x86_is_reg (lw, 1);

  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->aux = (uint8_t) kind_of (lw->insn.mnemonic);
  op->imm = x86_is_imm (lw, 1) ? (int32_t) (lw->opr[1].imm.value.u & 0xff) : 1;
  if (x86_is_mem (lw, 0))
    {
      op->fn = by_cl ? op_shift_mc : op_shift_mi;
      return x86_lower_mem (lw, op, 0);
    }
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = by_cl ? op_shift_rc : op_shift_ri;
  if (op->size >= 4)
    {
      unsigned count = (unsigned) op->imm & (op->size * 8 - 1);
      gboolean wide = op->size == 8;

      if (by_cl)
        {
          if (op->aux == SHL)
            op->fn = wide ? op_shl_rc64 : op_shl_rc32;
          else if (op->aux == SHR)
            op->fn = wide ? op_shr_rc64 : op_shr_rc32;
        }
      else if (count != 0)
        {
          op->imm = (int32_t) count;
          if (op->aux == SHL)
            op->fn = wide ? op_shl_ri64 : op_shl_ri32;
          else if (op->aux == SHR)
            op->fn = wide ? op_shr_ri64 : op_shr_ri32;
          else if (op->aux == SAR)
            op->fn = wide ? op_sar_ri64 : op_sar_ri32;
        }
    }
  return TRUE;
}

/* --- Double shifts; op->aux 1: the count is CL --- */

static void
double_shift (X86Cpu *cpu, const X86Op *op, gboolean is_left, uint64_t lin, gboolean is_memory)
{
  unsigned size = op->size, bits = size * 8;
  unsigned count = (op->aux ? (unsigned) cpu->r[X86_RCX] : (unsigned) op->imm) & (size == 8 ? 63 : 31);
  uint64_t a = is_memory ? x86_mem_get_rmw (cpu, op, lin, size) : x86_reg_get (cpu, op->dst, size);
  uint64_t b = x86_reg_get (cpu, op->src, size), result, mask = mask_of (size), top = (uint64_t) 1 << (bits - 1);
  gboolean cf;

  if (count == 0)
    {
      if (!is_memory && size == 4)
        cpu->r[op->dst] = (u32) a;
      return;
    }
  if (size == 2)
    {
      /* Counts above 16 take from the second operand, then from the first again. */
      if (is_left)
        {
          uint64_t wide = a << 32 | b << 16 | a;

          result = (wide << count >> 32) & 0xffff;
          cf = (wide >> (48 - count)) & 1;
        }
      else
        {
          uint64_t wide = a << 32 | b << 16 | a;

          result = (wide >> count) & 0xffff;
          cf = (wide >> (count - 1)) & 1;
        }
    }
  else if (is_left)
    {
      result = (a << count | b >> (bits - count)) & mask;
      cf = (a >> (bits - count)) & 1;
    }
  else
    {
      result = (a >> count | b << (bits - count)) & mask;
      cf = (a >> (count - 1)) & 1;
    }
  if (is_memory)
    x86_mem_set (cpu, op, lin, size, result);
  else
    x86_reg_set (cpu, op->dst, size, result);
  x86_cc_result (cpu, x86_sext (result, size), (cf ? X86_FLAG_CF : 0) | (((a ^ result) & top) ? X86_FLAG_OF : 0));
}

X86_HANDLER (op_shld_r) { double_shift (cpu, op, TRUE, 0, FALSE); X86_NEXT; }
X86_HANDLER (op_shrd_r) { double_shift (cpu, op, FALSE, 0, FALSE); X86_NEXT; }
X86_HANDLER (op_shld_m)
{
  double_shift (cpu, op, TRUE, x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), TRUE);
  X86_NEXT;
}
X86_HANDLER (op_shrd_m)
{
  double_shift (cpu, op, FALSE, x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), TRUE);
  X86_NEXT;
}

static gboolean
lower_double_shift (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->aux = x86_is_reg (lw, 2);
  if (!op->aux)
    op->imm = (int32_t) (lw->opr[2].imm.value.u & 0xff);
  op->fn = entry->fns[x86_is_mem (lw, 0) ? 1 : 0];
  if (x86_is_mem (lw, 0))
    return x86_lower_mem (lw, op, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

static const X86OpFn fns_shld[] = { op_shld_r, op_shld_m }, fns_shrd[] = { op_shrd_r, op_shrd_m };

const X86OpEntry x86_ops_shift[] = {
  { ZYDIS_MNEMONIC_ROL, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_ROR, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_RCL, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_RCR, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_SHL, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_SHR, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_SAR, X86_FEAT_NONE, 0, lower_shift, NULL },
  { ZYDIS_MNEMONIC_SHLD, X86_FEAT_NONE, 0, lower_double_shift, fns_shld },
  { ZYDIS_MNEMONIC_SHRD, X86_FEAT_NONE, 0, lower_double_shift, fns_shrd },
  { 0 }
};
