/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * BT BTS BTR BTC, bit scans and counts, CRC32, random numbers. Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/alu.h"

#include <sys/random.h>

enum { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static inline uint64_t
change_bit (unsigned kind, uint64_t value, uint64_t bit)
{
  switch (kind)
    {
    case BIT_SET: return value | bit;
    case BIT_RESET: return value & ~bit;
    case BIT_COMPLEMENT: return value ^ bit;
    default: return value;
    }
}

/* Only CF changes. */
static inline void
set_cf (X86Cpu *cpu, gboolean cf)
{
  x86_set_arith_flags (cpu, (x86_get_arith_flags (cpu) & ~(u32) X86_FLAG_CF) | (cf ? X86_FLAG_CF : 0));
}

static inline uint64_t
bit_offset (X86Cpu *cpu, const X86Op *op)
{
  return op->flags & X86_OPF_REPNE /* marks an immediate */ ? (u64) (s64) op->imm : x86_reg_get (cpu, op->src, op->size);
}

X86_HANDLER (op_bit_r)
{
  u64 value = x86_reg_get (cpu, op->dst, op->size), bit = (u64) 1 << (bit_offset (cpu, op) & (op->size * 8u - 1));

  if (op->aux != BIT_TEST)
    x86_reg_set (cpu, op->dst, op->size, change_bit (op->aux, value, bit));
  set_cf (cpu, (value & bit) != 0);
  X86_NEXT;
}

/* A register bit offset reaches beyond the operand, in both directions. */
static G_GNUC_NO_INLINE void
bit_memory (X86Cpu *cpu, const X86Op *op)
{
  unsigned size = op->size, bits = size * 8;
  X86Access access = op->aux == BIT_TEST ? X86_ACCESS_READ : X86_ACCESS_WRITE;
  uint64_t offset = bit_offset (cpu, op), bit = (uint64_t) 1 << (offset & (bits - 1)), lin, old, where;

  where = x86_ea_offset (cpu, op);
  if (!(op->flags & X86_OPF_REPNE))
    where += (uint64_t) ((x86_sext (offset, size) >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * (int64_t) size);
  if (op->ea == X86_EA_FLAT64)
    lin = where + cpu->r[op->seg];
  else if (op->ea == X86_EA_FLAT32)
    lin = (u32) (where + cpu->r[op->seg]);
  else
    lin = x86_ea_general (cpu, op, where, size, access);

  if (op->aux == BIT_TEST)
    old = x86_mem_get (cpu, op, lin, size);
  else if (op->flags & X86_OPF_LOCK)
    {
      void *host = x86_lock_host (cpu, op, lin, size);

      if (host != NULL)
        {
          u8 *byte = (u8 *) host + ((offset & (bits - 1)) >> 3), mask = (u8) (1 << (offset & 7)), was;

          /* One byte holds the bit: no wider access is needed to be atomic. */
          switch (op->aux)
            {
            case BIT_SET: was = __atomic_fetch_or (byte, mask, __ATOMIC_SEQ_CST); break;
            case BIT_RESET: was = __atomic_fetch_and (byte, (u8) ~mask, __ATOMIC_SEQ_CST); break;
            default: was = __atomic_fetch_xor (byte, mask, __ATOMIC_SEQ_CST); break;
            }
          x86_lock_done (cpu, lin, host, size);
          old = was & mask ? bit : 0;
        }
      else
        {
          x86_lock_enter (cpu, op, lin, size);
          old = x86_lock_load (cpu, 0, size);
          x86_lock_store (cpu, 0, change_bit (op->aux, old, bit), size);
          x86_lock_leave (cpu);
        }
    }
  else
    {
      old = x86_mem_get_rmw (cpu, op, lin, size);
      x86_mem_set (cpu, op, lin, size, change_bit (op->aux, old, bit));
    }
  set_cf (cpu, (old & bit) != 0);
}

X86_HANDLER (op_bit_m) { bit_memory (cpu, op); X86_NEXT; }

static gboolean
lower_bit (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  switch (lw->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_BTS: op->aux = BIT_SET; break;
    case ZYDIS_MNEMONIC_BTR: op->aux = BIT_RESET; break;
    case ZYDIS_MNEMONIC_BTC: op->aux = BIT_COMPLEMENT; break;
    default: op->aux = BIT_TEST; break;
    }
  op->flags &= X86_OPF_LOCK;
  if (x86_is_imm (lw, 1))
    {
      op->imm = (int32_t) (lw->opr[1].imm.value.u & 0xff);
      op->flags |= X86_OPF_REPNE;
    }
  else
    op->src = x86_lower_reg (lw->opr[1].reg.value);
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_bit_m;
      return x86_lower_mem (lw, op, 0);
    }
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = op_bit_r;
  return TRUE;
}

/* --- Scans and counts: the source is memory in the _m forms --- */

static inline uint64_t
scan_source (X86Cpu *cpu, const X86Op *op, gboolean is_memory)
{
  return is_memory ? x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size)
                   : x86_reg_get (cpu, op->src, op->size);
}

/* With a zero source the destination stays (AMD: documented; Intel: so in fact). */
static inline void
scan (X86Cpu *cpu, const X86Op *op, uint64_t value, gboolean forward)
{
  if (value != 0)
    x86_reg_set (cpu, op->dst, op->size,
                 forward ? (u64) __builtin_ctzll (value) : (u64) (63 - __builtin_clzll (value)));
  x86_set_arith_flags (cpu, value == 0 ? X86_FLAG_ZF | X86_FLAG_PF : 0);
}

static inline void
count_zeros (X86Cpu *cpu, const X86Op *op, uint64_t value, gboolean trailing)
{
  unsigned bits = op->size * 8u;
  u64 result = value == 0 ? bits : trailing ? (u64) __builtin_ctzll (value) : (u64) __builtin_clzll (value) - (64 - bits);

  x86_reg_set (cpu, op->dst, op->size, result);
  x86_set_arith_flags (cpu, (result == bits ? X86_FLAG_CF : 0) | (result == 0 ? X86_FLAG_ZF : 0));
}

static inline void
count_ones (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  x86_reg_set (cpu, op->dst, op->size, (u64) __builtin_popcountll (value));
  x86_set_arith_flags (cpu, value == 0 ? X86_FLAG_ZF : 0);
}

X86_HANDLER (op_bsf_r) { scan (cpu, op, scan_source (cpu, op, FALSE), TRUE); X86_NEXT; }
X86_HANDLER (op_bsf_m) { scan (cpu, op, scan_source (cpu, op, TRUE), TRUE); X86_NEXT; }
X86_HANDLER (op_bsr_r) { scan (cpu, op, scan_source (cpu, op, FALSE), FALSE); X86_NEXT; }
X86_HANDLER (op_bsr_m) { scan (cpu, op, scan_source (cpu, op, TRUE), FALSE); X86_NEXT; }
X86_HANDLER (op_tzcnt_r) { count_zeros (cpu, op, scan_source (cpu, op, FALSE), TRUE); X86_NEXT; }
X86_HANDLER (op_tzcnt_m) { count_zeros (cpu, op, scan_source (cpu, op, TRUE), TRUE); X86_NEXT; }
X86_HANDLER (op_lzcnt_r) { count_zeros (cpu, op, scan_source (cpu, op, FALSE), FALSE); X86_NEXT; }
X86_HANDLER (op_lzcnt_m) { count_zeros (cpu, op, scan_source (cpu, op, TRUE), FALSE); X86_NEXT; }
X86_HANDLER (op_popcnt_r) { count_ones (cpu, op, scan_source (cpu, op, FALSE)); X86_NEXT; }
X86_HANDLER (op_popcnt_m) { count_ones (cpu, op, scan_source (cpu, op, TRUE)); X86_NEXT; }

/* --- CRC32 (polynomial 11EDC6F41, reflected) --- */

static uint32_t
crc32c (uint32_t crc, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size * 8; i++)
    {
      uint32_t bit = (crc ^ (uint32_t) (value >> i)) & 1;

      crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
  return crc;
}

X86_HANDLER (op_crc32_r)
{
  cpu->r[op->dst] = crc32c ((u32) cpu->r[op->dst], x86_reg_get (cpu, op->src, op->aux), op->aux);
  X86_NEXT;
}

X86_HANDLER (op_crc32_m)
{
  u64 value = x86_mem_get (cpu, op, x86_ea (cpu, op, op->aux, X86_ACCESS_READ), op->aux);

  cpu->r[op->dst] = crc32c ((u32) cpu->r[op->dst], value, op->aux);
  X86_NEXT;
}

static const X86OpFn fns_crc32[] = { op_crc32_r, op_crc32_m, NULL };

static gboolean
lower_crc32 (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->aux = (uint8_t) x86_operand_size (lw, 1);
  return x86_lower_vec (lw, op, entry);
}

/* --- RDRAND, RDSEED --- */

static G_GNUC_NO_INLINE gboolean
random_bits (X86Cpu *cpu, uint64_t *value)
{
  if (cpu->ops->random != NULL)
    {
      *value = cpu->ops->random (cpu->opaque);
      return TRUE;
    }
  return getrandom (value, sizeof *value, 0) == sizeof *value;
}

X86_HANDLER (op_rdrand)
{
  u64 value = 0;
  gboolean done = random_bits (cpu, &value);

  x86_reg_set (cpu, op->dst, op->size, done ? value : 0);
  x86_set_arith_flags (cpu, done ? X86_FLAG_CF : 0);
  X86_NEXT_LOOP;
}

static const X86OpFn fns_bsf[] = { op_bsf_r, op_bsf_m, NULL }, fns_bsr[] = { op_bsr_r, op_bsr_m, NULL },
                     fns_tzcnt[] = { op_tzcnt_r, op_tzcnt_m, NULL }, fns_lzcnt[] = { op_lzcnt_r, op_lzcnt_m, NULL },
                     fns_popcnt[] = { op_popcnt_r, op_popcnt_m, NULL }, fns_rdrand[] = { op_rdrand, NULL, NULL };

const X86OpEntry x86_ops_bit[] = {
  { ZYDIS_MNEMONIC_BT, X86_FEAT_NONE, 0, lower_bit, NULL },
  { ZYDIS_MNEMONIC_BTS, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_bit, NULL },
  { ZYDIS_MNEMONIC_BTR, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_bit, NULL },
  { ZYDIS_MNEMONIC_BTC, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_bit, NULL },
  { ZYDIS_MNEMONIC_BSF, X86_FEAT_NONE, 0, x86_lower_vec, fns_bsf },
  { ZYDIS_MNEMONIC_BSR, X86_FEAT_NONE, 0, x86_lower_vec, fns_bsr },
  { ZYDIS_MNEMONIC_TZCNT, X86_FEAT_BMI1, 0, x86_lower_vec, fns_tzcnt },
  { ZYDIS_MNEMONIC_LZCNT, X86_FEAT_ABM, 0, x86_lower_vec, fns_lzcnt },
  { ZYDIS_MNEMONIC_POPCNT, X86_FEAT_POPCNT, 0, x86_lower_vec, fns_popcnt },
  { ZYDIS_MNEMONIC_CRC32, X86_FEAT_SSE42, 0, lower_crc32, fns_crc32 },
  { ZYDIS_MNEMONIC_RDRAND, X86_FEAT_RDRAND, 0, x86_lower_vec, fns_rdrand },
  { ZYDIS_MNEMONIC_RDSEED, X86_FEAT_RDSEED, 0, x86_lower_vec, fns_rdrand },
  { 0 }
};
