/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Multiplication, division, decimal arithmetic, exchange-and-add, compare-and-exchange, flags and no-ops.
 * Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/alu.h"

/* The operand that one-operand MUL, DIV and others take: memory when aux is set, else register src. */
static uint64_t
source (X86Cpu *cpu, const X86Op *op)
{
  if (op->aux)
    return x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size);
  return x86_reg_get (cpu, op->src, op->size);
}

static gboolean
lower_source (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->fn = entry->fns[0];
  if (x86_is_mem (lw, 0))
    {
      op->aux = 1;
      return x86_lower_mem (lw, op, 0);
    }
  op->src = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

/* CF and OF alike; the others by the low half, as processors have them. */
static void
multiply_flags (X86Cpu *cpu, uint64_t low, unsigned size, gboolean overflow)
{
  x86_cc_result (cpu, x86_sext (low, size), overflow ? X86_FLAG_CF | X86_FLAG_OF : 0);
}

static void
set_product (X86Cpu *cpu, unsigned size, uint64_t low, uint64_t high)
{
  if (size == 1)
    *x86_r16 (cpu, X86_RAX) = (u16) ((low & 0xff) | high << 8);
  else
    {
      x86_reg_set (cpu, X86_RAX, size, low);
      x86_reg_set (cpu, X86_RDX, size, high);
    }
}

X86_HANDLER (op_mul)
{
  unsigned bits = op->size * 8;
  unsigned __int128 product = (unsigned __int128) x86_reg_get (cpu, X86_RAX, op->size) * source (cpu, op);
  u64 low = (u64) product, high = (u64) (product >> bits);

  set_product (cpu, op->size, low, high);
  multiply_flags (cpu, low, op->size, bits == 64 ? high != 0 : (high & (((u64) 1 << bits) - 1)) != 0);
  X86_NEXT;
}

X86_HANDLER (op_imul1)
{
  unsigned bits = op->size * 8;
  __int128 product = (__int128) x86_sext (cpu->r[X86_RAX], op->size) * x86_sext (source (cpu, op), op->size);

  set_product (cpu, op->size, (u64) product, (u64) (product >> bits));
  multiply_flags (cpu, (u64) product, op->size, product != x86_sext ((u64) product, op->size));
  X86_NEXT;
}

#define DEFINE_IMUL(bits)                                                                                         \
  static void set_imul##bits (X86Cpu *cpu, unsigned dst, s##bits a, s##bits b)                                          \
  {                                                                                                                    \
    s##bits low;                                                                                                       \
    gboolean overflow = __builtin_mul_overflow (a, b, &low);                                                            \
    x86_cc_result (cpu, low, overflow ? X86_FLAG_CF | X86_FLAG_OF : 0);                                                 \
    SET_##bits (dst, low);                                                                                              \
  }                                                                                                                    \
  X86_HANDLER (op_imul_rr##bits)                                                                                        \
  {                                                                                                                    \
    set_imul##bits (cpu, op->dst, (s##bits) GET_##bits (op->dst), (s##bits) GET_##bits (op->src));                      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_imul_rm##bits)                                                                                        \
  {                                                                                                                    \
    s##bits b = (s##bits) x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ));                          \
    set_imul##bits (cpu, op->dst, (s##bits) GET_##bits (op->dst), b);                                                   \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_imul_rri##bits)                                                                                       \
  {                                                                                                                    \
    set_imul##bits (cpu, op->dst, (s##bits) GET_##bits (op->src), (s##bits) op->imm);                                   \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_imul_rmi##bits)                                                                                       \
  {                                                                                                                    \
    s##bits a = (s##bits) x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ));                          \
    set_imul##bits (cpu, op->dst, a, (s##bits) op->imm);                                                                \
    X86_NEXT;                                                                                                          \
  }
DEFINE_IMUL (16)
DEFINE_IMUL (32)
DEFINE_IMUL (64)

static const X86OpFn fns_imul1[] = { op_imul1 };

static gboolean
lower_imul (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  static const X86OpFn fns[3][4] = {
    { op_imul_rr16, op_imul_rm16, op_imul_rri16, op_imul_rmi16 },
    { op_imul_rr32, op_imul_rm32, op_imul_rri32, op_imul_rmi32 },
    { op_imul_rr64, op_imul_rm64, op_imul_rri64, op_imul_rmi64 },
  };
  unsigned size = x86_operand_size (lw, 0);
  gboolean has_imm;

  if (lw->insn.opcode == 0xf6 || lw->insn.opcode == 0xf7)
    {
      X86OpEntry one = *entry;

      one.fns = fns_imul1;
      return lower_source (lw, op, &one);
    }
  has_imm = x86_is_imm (lw, 2);
  if (has_imm)
    op->imm = (int32_t) lw->opr[2].imm.value.s;
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = fns[size == 2 ? 0 : size == 4 ? 1 : 2][(has_imm ? 2 : 0) + (x86_is_mem (lw, 1) ? 1 : 0)];
  if (x86_is_mem (lw, 1))
    return x86_lower_mem (lw, op, 1);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  return TRUE;
}

X86_HANDLER (op_div)
{
  u64 divisor = source (cpu, op);
  unsigned size = op->size;

  if (divisor == 0)
    x86_raise (cpu, op, X86_EXC_DE);
  if (size == 1)
    {
      u16 dividend = (u16) cpu->r[X86_RAX];

      if (dividend / divisor > 0xff)
        x86_raise (cpu, op, X86_EXC_DE);
      *x86_r16 (cpu, X86_RAX) = (u16) ((dividend / divisor) | (dividend % divisor) << 8);
    }
  else if (size < 8)
    {
      unsigned bits = size * 8;
      u64 dividend = x86_reg_get (cpu, X86_RDX, size) << bits | x86_reg_get (cpu, X86_RAX, size);

      if ((dividend / divisor) >> bits)
        x86_raise (cpu, op, X86_EXC_DE);
      x86_reg_set (cpu, X86_RAX, size, dividend / divisor);
      x86_reg_set (cpu, X86_RDX, size, dividend % divisor);
    }
  else
    {
      u64 high = cpu->r[X86_RDX], low = cpu->r[X86_RAX];

      if (high >= divisor)
        x86_raise (cpu, op, X86_EXC_DE);
      if (high == 0)
        {
          cpu->r[X86_RAX] = low / divisor;
          cpu->r[X86_RDX] = low % divisor;
        }
      else
        {
          unsigned __int128 dividend = (unsigned __int128) high << 64 | low;

          cpu->r[X86_RAX] = (u64) (dividend / divisor);
          cpu->r[X86_RDX] = (u64) (dividend % divisor);
        }
    }
  X86_NEXT;
}

X86_HANDLER (op_idiv)
{
  unsigned size = op->size;
  s64 divisor = x86_sext (source (cpu, op), size);
  __int128 dividend, quotient;

  if (divisor == 0)
    x86_raise (cpu, op, X86_EXC_DE);
  if (size == 1)
    dividend = (s16) cpu->r[X86_RAX];
  else if (size == 8)
    dividend = (__int128) ((unsigned __int128) cpu->r[X86_RDX] << 64 | cpu->r[X86_RAX]);
  else
    dividend = x86_sext (x86_reg_get (cpu, X86_RDX, size) << (size * 8) | x86_reg_get (cpu, X86_RAX, size), size * 2);
  if (divisor == -1)
    {
      /* The most negative dividend has no negation. */
      if ((unsigned __int128) dividend == (unsigned __int128) 1 << 127)
        x86_raise (cpu, op, X86_EXC_DE);
      quotient = -dividend;
    }
  else if (dividend == (s64) dividend)
    quotient = (s64) dividend / divisor;
  else
    quotient = dividend / divisor;
  if (quotient != x86_sext ((u64) quotient, size))
    x86_raise (cpu, op, X86_EXC_DE);
  dividend -= quotient * divisor;
  if (size == 1)
    *x86_r16 (cpu, X86_RAX) = (u16) (((u64) quotient & 0xff) | (u64) dividend << 8);
  else
    {
      x86_reg_set (cpu, X86_RAX, size, (u64) quotient);
      x86_reg_set (cpu, X86_RDX, size, (u64) dividend);
    }
  X86_NEXT;
}

/* --- Decimal adjustment --- */

X86_HANDLER (op_daa)
{
  u8 al = (u8) cpu->r[X86_RAX], old = al;
  gboolean cf = x86_get_cf (cpu), af = x86_get_af (cpu), carry = FALSE;

  if ((al & 15) > 9 || af)
    {
      carry = cf || al > 0xf9;
      al += 6;
      af = TRUE;
    }
  else
    af = FALSE;
  if (old > 0x99 || cf)
    {
      al += 0x60;
      carry = TRUE;
    }
  *x86_r8 (cpu, X86_RAX) = al;
  x86_cc_result (cpu, (s8) al, (carry ? X86_FLAG_CF : 0) | (af ? X86_FLAG_AF : 0));
  X86_NEXT;
}

X86_HANDLER (op_das)
{
  u8 al = (u8) cpu->r[X86_RAX], old = al;
  gboolean cf = x86_get_cf (cpu), af = x86_get_af (cpu), carry = FALSE;

  if ((al & 15) > 9 || af)
    {
      carry = cf || al < 6;
      al -= 6;
      af = TRUE;
    }
  else
    af = FALSE;
  if (old > 0x99 || cf)
    {
      al -= 0x60;
      carry = TRUE;
    }
  *x86_r8 (cpu, X86_RAX) = al;
  x86_cc_result (cpu, (s8) al, (carry ? X86_FLAG_CF : 0) | (af ? X86_FLAG_AF : 0));
  X86_NEXT;
}

static void
ascii_adjust (X86Cpu *cpu, int direction)
{
  u16 ax = (u16) cpu->r[X86_RAX];
  gboolean adjust = (ax & 15) > 9 || x86_get_af (cpu);

  if (adjust)
    ax = (u16) (ax + direction * 0x106);
  ax &= 0xff0f;
  *x86_r16 (cpu, X86_RAX) = ax;
  x86_cc_result (cpu, (s8) ax, adjust ? X86_FLAG_CF | X86_FLAG_AF : 0);
}

X86_HANDLER (op_aaa) { ascii_adjust (cpu, 1); X86_NEXT; }
X86_HANDLER (op_aas) { ascii_adjust (cpu, -1); X86_NEXT; }

X86_HANDLER (op_aam)
{
  u8 base = (u8) op->imm, al = (u8) cpu->r[X86_RAX];

  if (base == 0)
    x86_raise (cpu, op, X86_EXC_DE);
  *x86_r16 (cpu, X86_RAX) = (u16) ((al / base) << 8 | al % base);
  x86_cc_result (cpu, (s8) (al % base), 0);
  X86_NEXT;
}

X86_HANDLER (op_aad)
{
  u8 al = (u8) cpu->r[X86_RAX], ah = *x86_r8 (cpu, X86_RAX * 8 + 1);

  al = (u8) (al + ah * (u8) op->imm);
  *x86_r16 (cpu, X86_RAX) = al;
  x86_cc_result (cpu, (s8) al, 0);
  X86_NEXT;
}

static gboolean
lower_imm8 (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->imm = 10;
  if (x86_is_imm (lw, 0))
    op->imm = (int32_t) lw->opr[0].imm.value.u;
  return x86_lower_plain (lw, op, entry);
}

/* --- XADD, CMPXCHG --- */

static gboolean
host_cas (void *host, unsigned size, uint64_t *expected, uint64_t value)
{
  gboolean done;

  switch (size)
    {
    case 1:
      {
        u8 old = (u8) *expected;

        done = __atomic_compare_exchange_n ((u8 *) host, &old, (u8) value, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = old;
        return done;
      }
    case 2:
      {
        u16 old = (u16) *expected;

        done = __atomic_compare_exchange_n ((u16 *) host, &old, (u16) value, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = old;
        return done;
      }
    case 4:
      {
        u32 old = (u32) *expected;

        done = __atomic_compare_exchange_n ((u32 *) host, &old, (u32) value, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = old;
        return done;
      }
    default:
      {
        u64 old = *expected;

        done = __atomic_compare_exchange_n ((u64 *) host, &old, value, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        *expected = old;
        return done;
      }
    }
}

static uint64_t
host_add (void *host, unsigned size, uint64_t value)
{
  switch (size)
    {
    case 1: return __atomic_fetch_add ((u8 *) host, (u8) value, __ATOMIC_SEQ_CST);
    case 2: return __atomic_fetch_add ((u16 *) host, (u16) value, __ATOMIC_SEQ_CST);
    case 4: return __atomic_fetch_add ((u32 *) host, (u32) value, __ATOMIC_SEQ_CST);
    default: return __atomic_fetch_add ((u64 *) host, value, __ATOMIC_SEQ_CST);
    }
}

static void
add_flags (X86Cpu *cpu, uint64_t a, uint64_t b, unsigned size)
{
  x86_cc_add (cpu, x86_sext (a, size), x86_sext (b, size), x86_sext (a + b, size));
}

static void
compare_flags (X86Cpu *cpu, uint64_t a, uint64_t b, unsigned size)
{
  x86_cc_sub (cpu, x86_sext (a, size), x86_sext (b, size), x86_sext (a - b, size));
}

X86_HANDLER (op_xadd_r)
{
  u64 a = x86_reg_get (cpu, op->dst, op->size), b = x86_reg_get (cpu, op->src, op->size);

  x86_reg_set (cpu, op->src, op->size, a);
  x86_reg_set (cpu, op->dst, op->size, a + b);
  add_flags (cpu, a, b, op->size);
  X86_NEXT;
}

X86_HANDLER (op_xadd_m)
{
  u64 lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), b = x86_reg_get (cpu, op->src, op->size), a;
  void *host = x86_lock_host (cpu, op, lin, op->size);

  if (host != NULL)
    {
      a = host_add (host, op->size, b);
      x86_lock_done (cpu, lin, host, op->size);
    }
  else
    {
      x86_lock_enter (cpu, op, lin, op->size);
      a = x86_lock_load (cpu, 0, op->size);
      x86_lock_store (cpu, 0, a + b, op->size);
      x86_lock_leave (cpu);
    }
  x86_reg_set (cpu, op->src, op->size, a);
  add_flags (cpu, a, b, op->size);
  X86_NEXT;
}

X86_HANDLER (op_cmpxchg_r)
{
  u64 a = x86_reg_get (cpu, X86_RAX, op->size), b = x86_reg_get (cpu, op->dst, op->size);

  if (a == b)
    x86_reg_set (cpu, op->dst, op->size, x86_reg_get (cpu, op->src, op->size));
  else
    x86_reg_set (cpu, X86_RAX, op->size, b); /* the destination keeps all its bits */
  compare_flags (cpu, a, b, op->size);
  X86_NEXT;
}

X86_HANDLER (op_cmpxchg_m)
{
  u64 lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), a = x86_reg_get (cpu, X86_RAX, op->size), b = a;
  u64 value = x86_reg_get (cpu, op->src, op->size);
  void *host = x86_lock_host (cpu, op, lin, op->size);

  if (host != NULL)
    {
      host_cas (host, op->size, &b, value);
      x86_lock_done (cpu, lin, host, op->size);
    }
  else
    {
      x86_lock_enter (cpu, op, lin, op->size);
      b = x86_lock_load (cpu, 0, op->size);
      x86_lock_store (cpu, 0, a == b ? value : b, op->size);
      x86_lock_leave (cpu);
    }
  if (a != b)
    x86_reg_set (cpu, X86_RAX, op->size, b);
  compare_flags (cpu, a, b, op->size);
  X86_NEXT_LOOP;
}

static void
set_zf (X86Cpu *cpu, gboolean zf)
{
  x86_set_arith_flags (cpu, (x86_get_arith_flags (cpu) & ~(u32) X86_FLAG_ZF) | (zf ? X86_FLAG_ZF : 0));
}

X86_HANDLER (op_cmpxchg8b)
{
  u64 lin = x86_ea (cpu, op, 8, X86_ACCESS_WRITE);
  u64 a = cpu->r[X86_RDX] << 32 | (u32) cpu->r[X86_RAX], b = a, value = cpu->r[X86_RCX] << 32 | (u32) cpu->r[X86_RBX];
  void *host = x86_lock_host (cpu, op, lin, 8);

  if (host != NULL)
    {
      host_cas (host, 8, &b, value);
      x86_lock_done (cpu, lin, host, 8);
    }
  else
    {
      x86_lock_enter (cpu, op, lin, 8);
      b = x86_lock_load (cpu, 0, 8);
      x86_lock_store (cpu, 0, a == b ? value : b, 8);
      x86_lock_leave (cpu);
    }
  if (a != b)
    {
      cpu->r[X86_RAX] = (u32) b;
      cpu->r[X86_RDX] = b >> 32;
    }
  set_zf (cpu, a == b);
  X86_NEXT_LOOP;
}

/* CMPXCHG16B on the host: gcc would call libatomic for it. */
static gboolean
host_cas16 (void *host, uint64_t *low, uint64_t *high, uint64_t new_low, uint64_t new_high)
{
#ifdef __x86_64__
  gboolean done;

  __asm__ volatile ("lock cmpxchg16b %1" : "=@ccz" (done), "+m" (*(unsigned __int128 *) host), "+a" (*low), "+d" (*high)
                    : "b" (new_low), "c" (new_high) : "memory");
  return done;
#else
  unsigned __int128 old = (unsigned __int128) *high << 64 | *low, value = (unsigned __int128) new_high << 64 | new_low;
  gboolean done = __atomic_compare_exchange_n ((unsigned __int128 *) host, &old, value, FALSE, __ATOMIC_SEQ_CST,
                                               __ATOMIC_SEQ_CST);

  *low = (u64) old;
  *high = (u64) (old >> 64);
  return done;
#endif
}

X86_HANDLER (op_cmpxchg16b)
{
  u64 lin = x86_ea (cpu, op, 16, X86_ACCESS_WRITE), low = cpu->r[X86_RAX], high = cpu->r[X86_RDX];
  gboolean equal;
  void *host;

  if (lin & 15)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  host = x86_lock_host (cpu, op, lin, 16);
  if (host != NULL)
    {
      equal = host_cas16 (host, &low, &high, cpu->r[X86_RBX], cpu->r[X86_RCX]);
      x86_lock_done (cpu, lin, host, 16);
    }
  else
    {
      x86_lock_enter (cpu, op, lin, 16);
      low = x86_lock_load (cpu, 0, 8);
      high = x86_lock_load (cpu, 8, 8);
      equal = low == cpu->r[X86_RAX] && high == cpu->r[X86_RDX];
      x86_lock_store (cpu, 0, equal ? cpu->r[X86_RBX] : low, 8);
      x86_lock_store (cpu, 8, equal ? cpu->r[X86_RCX] : high, 8);
      x86_lock_leave (cpu);
    }
  if (!equal)
    {
      cpu->r[X86_RAX] = low;
      cpu->r[X86_RDX] = high;
    }
  set_zf (cpu, equal);
  X86_NEXT_LOOP;
}

static gboolean
lower_pause (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[lw->insn.raw.rex.B];
  op->size = lw->insn.raw.rex.W ? 8 : lw->insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4;
  return TRUE;
}

static gboolean
lower_exchange (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  if (x86_is_reg (lw, 1))
    op->src = x86_lower_reg (lw->opr[1].reg.value);
  if (x86_is_mem (lw, 0))
    {
      op->fn = entry->fns[1];
      return x86_lower_mem (lw, op, 0);
    }
  op->fn = entry->fns[0];
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  return op->fn != NULL;
}

/* --- Flags --- */

static void
set_cf (X86Cpu *cpu, gboolean cf)
{
  x86_set_arith_flags (cpu, (x86_get_arith_flags (cpu) & ~(u32) X86_FLAG_CF) | (cf ? X86_FLAG_CF : 0));
}

X86_HANDLER (op_clc) { set_cf (cpu, FALSE); X86_NEXT; }
X86_HANDLER (op_stc) { set_cf (cpu, TRUE); X86_NEXT; }
X86_HANDLER (op_cmc) { set_cf (cpu, !x86_get_cf (cpu)); X86_NEXT; }
X86_HANDLER (op_cld) { cpu->eflags &= ~(u32) X86_FLAG_DF; X86_NEXT; }
X86_HANDLER (op_std) { cpu->eflags |= X86_FLAG_DF; X86_NEXT; }
X86_HANDLER (op_salc) { *x86_r8 (cpu, X86_RAX) = x86_get_cf (cpu) ? 0xff : 0; X86_NEXT; }
X86_HANDLER (op_nop) { X86_NEXT; }
X86_HANDLER (op_fence) { __atomic_thread_fence (__ATOMIC_SEQ_CST); X86_NEXT; }
X86_HANDLER (op_pause) { x86_pause (cpu); X86_NEXT; }
/* With REX.B the same opcode exchanges with R8, and its prefix means nothing. */
X86_HANDLER (op_pause_r8)
{
  u64 a = x86_reg_get (cpu, X86_RAX, op->size);

  x86_reg_set (cpu, X86_RAX, op->size, x86_reg_get (cpu, X86_R8, op->size));
  x86_reg_set (cpu, X86_R8, op->size, a);
  X86_NEXT;
}

/* CLFLUSH and kin check their address as a one-byte read. */
X86_HANDLER (op_clflush)
{
  x86_ld8 (cpu, op, x86_ea (cpu, op, 1, X86_ACCESS_READ));
  X86_NEXT;
}

static const X86OpFn fns_mul[] = { op_mul }, fns_div[] = { op_div }, fns_idiv[] = { op_idiv }, fns_daa[] = { op_daa },
                     fns_das[] = { op_das }, fns_aaa[] = { op_aaa }, fns_aas[] = { op_aas }, fns_aam[] = { op_aam },
                     fns_aad[] = { op_aad }, fns_xadd[] = { op_xadd_r, op_xadd_m },
                     fns_cmpxchg[] = { op_cmpxchg_r, op_cmpxchg_m }, fns_cmpxchg8b[] = { NULL, op_cmpxchg8b },
                     fns_cmpxchg16b[] = { NULL, op_cmpxchg16b }, fns_clc[] = { op_clc }, fns_stc[] = { op_stc },
                     fns_cmc[] = { op_cmc }, fns_cld[] = { op_cld }, fns_std[] = { op_std }, fns_salc[] = { op_salc },
                     fns_nop[] = { op_nop }, fns_fence[] = { op_fence }, fns_pause[] = { op_pause, op_pause_r8 },
                     fns_clflush[] = { NULL, op_clflush };

const X86OpEntry x86_ops_int[] = {
  { ZYDIS_MNEMONIC_MUL, X86_FEAT_NONE, 0, lower_source, fns_mul },
  { ZYDIS_MNEMONIC_IMUL, X86_FEAT_NONE, 0, lower_imul, NULL },
  { ZYDIS_MNEMONIC_DIV, X86_FEAT_NONE, 0, lower_source, fns_div },
  { ZYDIS_MNEMONIC_IDIV, X86_FEAT_NONE, 0, lower_source, fns_idiv },
  { ZYDIS_MNEMONIC_DAA, X86_FEAT_NONE, 0, x86_lower_plain, fns_daa },
  { ZYDIS_MNEMONIC_DAS, X86_FEAT_NONE, 0, x86_lower_plain, fns_das },
  { ZYDIS_MNEMONIC_AAA, X86_FEAT_NONE, 0, x86_lower_plain, fns_aaa },
  { ZYDIS_MNEMONIC_AAS, X86_FEAT_NONE, 0, x86_lower_plain, fns_aas },
  { ZYDIS_MNEMONIC_AAM, X86_FEAT_NONE, 0, lower_imm8, fns_aam },
  { ZYDIS_MNEMONIC_AAD, X86_FEAT_NONE, 0, lower_imm8, fns_aad },
  { ZYDIS_MNEMONIC_XADD, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_exchange, fns_xadd },
  { ZYDIS_MNEMONIC_CMPXCHG, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_exchange, fns_cmpxchg },
  { ZYDIS_MNEMONIC_CMPXCHG8B, X86_FEAT_CX8, X86_ENTRY_LOCK, lower_exchange, fns_cmpxchg8b },
  { ZYDIS_MNEMONIC_CMPXCHG16B, X86_FEAT_CX16, X86_ENTRY_LOCK, lower_exchange, fns_cmpxchg16b },
  { ZYDIS_MNEMONIC_CLC, X86_FEAT_NONE, 0, x86_lower_plain, fns_clc },
  { ZYDIS_MNEMONIC_STC, X86_FEAT_NONE, 0, x86_lower_plain, fns_stc },
  { ZYDIS_MNEMONIC_CMC, X86_FEAT_NONE, 0, x86_lower_plain, fns_cmc },
  { ZYDIS_MNEMONIC_CLD, X86_FEAT_NONE, 0, x86_lower_plain, fns_cld },
  { ZYDIS_MNEMONIC_STD, X86_FEAT_NONE, 0, x86_lower_plain, fns_std },
  { ZYDIS_MNEMONIC_SALC, X86_FEAT_NONE, 0, x86_lower_plain, fns_salc },
  { ZYDIS_MNEMONIC_NOP, X86_FEAT_NONE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PAUSE, X86_FEAT_NONE, 0, lower_pause, fns_pause },
  { ZYDIS_MNEMONIC_PREFETCH, X86_FEAT_PREFETCHW, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PREFETCHW, X86_FEAT_PREFETCHW, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PREFETCHT0, X86_FEAT_NONE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PREFETCHT1, X86_FEAT_NONE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PREFETCHT2, X86_FEAT_NONE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_PREFETCHNTA, X86_FEAT_NONE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_LFENCE, X86_FEAT_SSE2, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_SFENCE, X86_FEAT_SSE, 0, x86_lower_plain, fns_nop },
  { ZYDIS_MNEMONIC_MFENCE, X86_FEAT_SSE2, 0, x86_lower_plain, fns_fence },
  { ZYDIS_MNEMONIC_CLFLUSH, X86_FEAT_CLFLUSH, 0, x86_lower_vec, fns_clflush },
  { ZYDIS_MNEMONIC_CLFLUSHOPT, X86_FEAT_CLFLUSHOPT, 0, x86_lower_vec, fns_clflush },
  { 0 }
};
