/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * BMI1, BMI2 and ADX. Specification: Intel SDM volume 2.
 *
 * Sources by name: @first is the operand that the manual lists first among them, which for some is in memory.
 */

#include "engine/cpu/interp/alu.h"

/* Two sources of op->size bytes, 4 or 8: op->src and op->aux, or memory and one of them. */
static inline u64
from_memory (X86Cpu *cpu, const X86Op *op)
{
  return x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size);
}

static inline u64
from_register (X86Cpu *cpu, const X86Op *op, unsigned n)
{
  return op->size == 8 ? cpu->r[n] : (u32) cpu->r[n];
}

/* The whole register: writes of 32 bits clear the rest. */
static inline void
set_result (X86Cpu *cpu, const X86Op *op, u64 result)
{
  cpu->r[op->dst] = op->size == 8 ? result : (u32) result;
}

/* SF and ZF of the result; OF is clear, AF and PF are undefined. */
static inline void
set_flags (X86Cpu *cpu, const X86Op *op, u64 result, gboolean cf)
{
  result = op->size == 8 ? result : (u32) result;
  x86_set_arith_flags (cpu, (result == 0 ? X86_FLAG_ZF : 0) | (result >> (op->size * 8 - 1) ? X86_FLAG_SF : 0)
                              | (cf ? X86_FLAG_CF : 0));
}

/* --- With flags --- */

static inline void
and_not (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  u64 result = ~first & second;

  set_result (cpu, op, result);
  set_flags (cpu, op, result, FALSE);
}

static inline void
extract_bits (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  unsigned start = (u8) second, length = (u8) (second >> 8);
  u64 result = start < op->size * 8u ? first >> start : 0;

  if (length < 64)
    result &= ((u64) 1 << length) - 1;
  set_result (cpu, op, result);
  set_flags (cpu, op, result, FALSE);
}

static inline void
zero_high (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  unsigned from = (u8) second;
  u64 result = from < op->size * 8u ? first & (((u64) 1 << from) - 1) : first;

  set_result (cpu, op, result);
  set_flags (cpu, op, result, from >= op->size * 8u);
}

static inline void
isolate_lowest (X86Cpu *cpu, const X86Op *op, u64 source)
{
  u64 result = source & (0 - source);

  set_result (cpu, op, result);
  set_flags (cpu, op, result, source != 0);
}

static inline void
mask_to_lowest (X86Cpu *cpu, const X86Op *op, u64 source)
{
  u64 result = source ^ (source - 1);

  set_result (cpu, op, result);
  set_flags (cpu, op, result, source == 0);
}

static inline void
reset_lowest (X86Cpu *cpu, const X86Op *op, u64 source)
{
  u64 result = source & (source - 1);

  set_result (cpu, op, result);
  set_flags (cpu, op, result, source == 0);
}

/* --- Without --- */

static inline void
deposit (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  u64 result = 0;

  for (u64 mask = second; mask != 0; mask &= mask - 1, first >>= 1)
    if (first & 1)
      result |= mask & (0 - mask);
  set_result (cpu, op, result);
}

static inline void
extract (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  u64 result = 0, bit = 1;

  for (u64 mask = second; mask != 0; mask &= mask - 1, bit <<= 1)
    if (first & mask & (0 - mask))
      result |= bit;
  set_result (cpu, op, result);
}

static inline void
shift_left (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  set_result (cpu, op, first << (second & (op->size * 8u - 1)));
}

static inline void
shift_right (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  set_result (cpu, op, first >> (second & (op->size * 8u - 1)));
}

static inline void
shift_right_signed (X86Cpu *cpu, const X86Op *op, u64 first, u64 second)
{
  set_result (cpu, op, (u64) (x86_sext (first, op->size) >> (second & (op->size * 8u - 1))));
}

static inline void
rotate (X86Cpu *cpu, const X86Op *op, u64 source)
{
  unsigned bits = op->size * 8u, count = op->imm & (bits - 1);

  set_result (cpu, op, count == 0 ? source : source >> count | source << (bits - count));
}

/* op->src is the low half's register; with one register for both, it gets the high half. */
static inline void
multiply (X86Cpu *cpu, const X86Op *op, u64 source)
{
  unsigned __int128 product = (unsigned __int128) source * from_register (cpu, op, X86_RDX);

  cpu->r[op->src] = op->size == 8 ? (u64) product : (u32) product;
  set_result (cpu, op, (u64) (product >> (op->size * 8)));
}

#define BINARY(name, first, second)                                                                                     \
  X86_HANDLER (op_##name##_r)                                                                                           \
  {                                                                                                                    \
    name (cpu, op, from_register (cpu, op, op->src), from_register (cpu, op, op->aux));                                 \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_m)                                                                                           \
  {                                                                                                                    \
    name (cpu, op, first, second);                                                                                      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_r, op_##name##_m };
#define FIRST_IN_MEMORY(name) BINARY (name, from_memory (cpu, op), from_register (cpu, op, op->src))
#define SECOND_IN_MEMORY(name) BINARY (name, from_register (cpu, op, op->src), from_memory (cpu, op))
#define UNARY(name)                                                                                                     \
  X86_HANDLER (op_##name##_r) { name (cpu, op, from_register (cpu, op, op->aux)); X86_NEXT; }                           \
  X86_HANDLER (op_##name##_m) { name (cpu, op, from_memory (cpu, op)); X86_NEXT; }                                      \
  static const X86OpFn fns_##name[] = { op_##name##_r, op_##name##_m };

SECOND_IN_MEMORY (and_not)
SECOND_IN_MEMORY (deposit)
SECOND_IN_MEMORY (extract)
FIRST_IN_MEMORY (extract_bits)
FIRST_IN_MEMORY (zero_high)
FIRST_IN_MEMORY (shift_left)
FIRST_IN_MEMORY (shift_right)
FIRST_IN_MEMORY (shift_right_signed)
UNARY (isolate_lowest)
UNARY (mask_to_lowest)
UNARY (reset_lowest)
UNARY (rotate)
UNARY (multiply)

static gboolean
is_vex (const X86Lower *lw)
{
  return lw->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

/* Destination and two sources, one of which may be memory. */
static gboolean
lower_binary (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned memory = x86_is_mem (lw, 1) ? 1 : 2;

  if (!is_vex (lw))
    return FALSE;
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  if (x86_is_mem (lw, memory))
    {
      op->fn = entry->fns[1];
      op->src = x86_lower_reg (lw->opr[3 - memory].reg.value);
      return x86_lower_mem (lw, op, memory);
    }
  op->fn = entry->fns[0];
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->aux = x86_lower_reg (lw->opr[2].reg.value);
  return TRUE;
}

static gboolean
lower_source (X86Lower *lw, X86Op *op, const X86OpEntry *entry, unsigned n)
{
  if (!is_vex (lw))
    return FALSE;
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  if (x86_is_mem (lw, n))
    {
      op->fn = entry->fns[1];
      return x86_lower_mem (lw, op, n);
    }
  op->fn = entry->fns[0];
  op->aux = x86_lower_reg (lw->opr[n].reg.value);
  return TRUE;
}

static gboolean
lower_unary (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (x86_is_imm (lw, 2))
    op->imm = (int32_t) lw->opr[2].imm.value.u;
  return lower_source (lw, op, entry, 1);
}

static gboolean
lower_multiply (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  return lower_source (lw, op, entry, 2);
}

/* --- ADX: one flag carries, the others stay --- */

static inline void
add_with (X86Cpu *cpu, const X86Op *op, u64 source, u32 carry)
{
  u32 flags = x86_get_arith_flags (cpu);
  unsigned __int128 sum = (unsigned __int128) from_register (cpu, op, op->dst) + source + ((flags & carry) != 0);

  set_result (cpu, op, (u64) sum);
  x86_set_arith_flags (cpu, (flags & ~carry) | (sum >> (op->size * 8) ? carry : 0));
}

#define ADD_WITH(name, flag)                                                                                            \
  X86_HANDLER (op_##name##_r) { add_with (cpu, op, from_register (cpu, op, op->src), flag); X86_NEXT; }                 \
  X86_HANDLER (op_##name##_m) { add_with (cpu, op, from_memory (cpu, op), flag); X86_NEXT; }                            \
  static const X86OpFn fns_##name[] = { op_##name##_r, op_##name##_m, NULL };
ADD_WITH (adcx, X86_FLAG_CF)
ADD_WITH (adox, X86_FLAG_OF)

#define ENTRY(mnemonic, feature, lower, name)                                                                           \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##feature, X86_ENTRY_PE, lower, fns_##name, NULL },

const X86OpEntry x86_ops_bmi[] = {
  ENTRY (ANDN, BMI1, lower_binary, and_not) ENTRY (BEXTR, BMI1, lower_binary, extract_bits)
  ENTRY (BLSI, BMI1, lower_unary, isolate_lowest) ENTRY (BLSMSK, BMI1, lower_unary, mask_to_lowest)
  ENTRY (BLSR, BMI1, lower_unary, reset_lowest)
  ENTRY (BZHI, BMI2, lower_binary, zero_high) ENTRY (MULX, BMI2, lower_multiply, multiply)
  ENTRY (PDEP, BMI2, lower_binary, deposit) ENTRY (PEXT, BMI2, lower_binary, extract)
  ENTRY (RORX, BMI2, lower_unary, rotate) ENTRY (SARX, BMI2, lower_binary, shift_right_signed)
  ENTRY (SHLX, BMI2, lower_binary, shift_left) ENTRY (SHRX, BMI2, lower_binary, shift_right)
  { ZYDIS_MNEMONIC_ADCX, X86_FEAT_ADX, 0, x86_lower_vec, fns_adcx, NULL },
  { ZYDIS_MNEMONIC_ADOX, X86_FEAT_ADX, 0, x86_lower_vec, fns_adox, NULL },
  { 0 }
};
