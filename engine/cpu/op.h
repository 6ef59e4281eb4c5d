/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The compact decoded instruction and what its handler works with: operands,
 * memory, flags, exceptions. lower.h tells how instructions become ops.
 *
 * A handler is
 *
 *     X86_HANDLER (op_bswap32)            // const X86Op *op_bswap32 (X86Cpu *cpu, const X86Op *op)
 *     {
 *       cpu->r[op->dst] = __builtin_bswap32 ((uint32_t) cpu->r[op->dst]);
 *       X86_NEXT;
 *     }
 *
 * Rules:
 * - Exceptions leave by longjmp and must be precise: do everything that may
 *   fault (memory, x86_raise()) before changing registers or flags.
 * - End with X86_NEXT, or with X86_NEXT_LOOP when a local variable has its
 *   address taken and passed on (the compiler then cannot make a tail call, and
 *   tail calls are what keeps the host stack flat).
 * - Memory operands: lin = x86_ea (cpu, op, size, X86_ACCESS_READ or _WRITE)
 *   gives the checked linear address; x86_ld8 … x86_ld64, x86_ld_bytes,
 *   x86_st8 … x86_st64, x86_st_bytes access it. Read-modify-write uses
 *   _WRITE for both, and x86_ldw* to read (a fault must say "write"). Several
 *   stores of one instruction: x86_probe_write() the whole range first.
 * - cpu->r[X86_RIP] is the block's start, not the current instruction; use
 *   x86_op_rip() and x86_next_rip().
 */
#pragma once

#include "engine/cpu/x86-state.h"

#include <string.h>

typedef const X86Op *(*X86OpFn) (X86Cpu *cpu, const X86Op *op);

/* How x86_ea() forms the linear address. */
enum
{
  X86_EA_FLAT64,   /* sum of all, nothing to check until the TLB misses */
  X86_EA_FLAT32,   /* the same, truncated to 32 bits */
  X86_EA_GENERAL   /* address size, segment limit and rights, alignment: out of line */
};

enum
{
  X86_OPF_LOCK = 1 << 0, X86_OPF_REPE = 1 << 1 /* also REP */, X86_OPF_REPNE = 1 << 2,
  X86_OPF_RIP_WIDE = 1 << 3 /* RIP-relative displacement does not include @next */,
};

struct X86Op
{
  X86OpFn fn;
  union
  {
    struct
    {
      int32_t imm;       /* sign-extended by its reader */
      int32_t disp;      /* of the memory operand */
    };
    uint64_t imm64;      /* instead of both: MOV r64, imm64; MOV moffs */
  };
  uint8_t base, index;   /* into r[]; X86_ZERO when absent, X86_RIP for RIP-relative */
  uint8_t scale;         /* shift, 0-3 */
  uint8_t seg;           /* into r[]: X86_SEGBASE + segment, or X86_ZERO when the base is known to be 0 */
  uint8_t dst, src;      /* register numbers; for 8-bit operands byte offsets into r[] (x86_r8()) */
  uint8_t ea;            /* X86_EA_… */
  uint8_t segno;         /* architectural segment of the memory operand: X86_DS … */
  uint16_t next;         /* offset of the next instruction from the block's start */
  uint8_t len;           /* bytes, 1-15 */
  uint8_t flags;         /* X86_OPF_… */
  uint8_t size;          /* operand size in bytes where the handler is generic */
  uint8_t asize;         /* address size in bytes: 2, 4, 8 */
  uint8_t aux;           /* third operand: a register, a small immediate, a condition */
  uint8_t n;             /* instructions in the block up to and including this one */
};
G_STATIC_ASSERT (sizeof (X86Op) == 32);

/* Dispatch. Without tail calls (no optimisation, sanitizers) a handler returns
 * the next op to the loop in run.c, which serves both conventions. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define X86_TAIL_CALLS 0
#endif
#endif
#ifndef X86_TAIL_CALLS
#define X86_TAIL_CALLS 1
#endif
#else
#define X86_TAIL_CALLS 0
#endif

#define X86_HANDLER(name) static const X86Op *name (X86Cpu *cpu, const X86Op *op)
#define X86_NEXT_LOOP return op + 1
#if X86_TAIL_CALLS
#define X86_GOTO(target) do { const X86Op *to_ = (target); return to_->fn (cpu, to_); } while (0)
#else
#define X86_GOTO(target) return (target)
#endif
#define X86_NEXT X86_GOTO (op + 1)
/* Leaves the block loop; r[X86_RIP] holds the next instruction's offset. */
#define X86_LEAVE return NULL

#define X86_LIKELY(x)   __builtin_expect (!!(x), 1)
#define X86_UNLIKELY(x) __builtin_expect (!!(x), 0)

/* --- Instruction pointer --- */

static inline uint64_t
x86_rip_mask (const X86Cpu *cpu)
{
  switch (cpu->mode & X86_MODE_CODE_MASK)
    {
    case X86_MODE_CODE16: return 0xffff;
    case X86_MODE_CODE32: return 0xffffffff;
    default: return ~(uint64_t) 0;
    }
}

/* Offset in CS of this op's instruction, and of the one after it. */
static inline uint64_t
x86_op_rip (const X86Cpu *cpu, const X86Op *op)
{
  return (cpu->r[X86_RIP] + op->next - op->len) & x86_rip_mask (cpu);
}

static inline uint64_t
x86_next_rip (const X86Cpu *cpu, const X86Op *op)
{
  return (cpu->r[X86_RIP] + op->next) & x86_rip_mask (cpu);
}

/* --- Exceptions (exception.c) --- */

/* Raises a fault at @op's instruction: r[X86_RIP] goes back to its start. @op may be NULL when r[X86_RIP] is exact. */
G_NORETURN void x86_raise (X86Cpu *cpu, const X86Op *op, uint8_t vector);
/* Gives up @op for now: the run loop looks at pending events and comes back to it. */
G_NORETURN void x86_restart (X86Cpu *cpu, const X86Op *op);
G_NORETURN void x86_raise_error (X86Cpu *cpu, const X86Op *op, uint8_t vector, uint32_t error);

/* --- Registers --- */

static inline uint8_t *
x86_r8 (X86Cpu *cpu, unsigned byte_offset)
{
  return (uint8_t *) cpu->r + byte_offset;
}

static inline uint16_t *
x86_r16 (X86Cpu *cpu, unsigned n)
{
  return (uint16_t *) &cpu->r[n];
}

/* --- Effective addresses --- */

/* Out-of-line part: @offset is the unmasked sum without the segment base. Raises #GP, #SS, #AC. */
uint64_t x86_ea_general (X86Cpu *cpu, const X86Op *op, uint64_t offset, unsigned size, X86Access access);

/* The same for any segment and an @offset already truncated to the address size. */
uint64_t x86_seg_linear (X86Cpu *cpu, const X86Op *op, unsigned segno, uint64_t offset, unsigned size, X86Access access);

/* The offset within the segment, as LEA has it before truncation to the address size. */
static inline uint64_t
x86_ea_offset (const X86Cpu *cpu, const X86Op *op)
{
  return cpu->r[op->base] + (cpu->r[op->index] << op->scale) + (uint64_t) (int64_t) op->disp;
}

/* Linear address of the memory operand, checked for an access of @size bytes. */
static inline uint64_t
x86_ea (X86Cpu *cpu, const X86Op *op, unsigned size, X86Access access)
{
  uint64_t offset = x86_ea_offset (cpu, op);

  if (X86_LIKELY (op->ea == X86_EA_FLAT64))
    return offset + cpu->r[op->seg];
  if (X86_LIKELY (op->ea == X86_EA_FLAT32))
    return (uint32_t) (offset + cpu->r[op->seg]);
  return x86_ea_general (cpu, op, offset, size, access);
}

/* --- Guest memory (mmu.c has the slow paths) --- */

uint64_t x86_ld_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size);
uint64_t x86_ldw_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size);
void x86_st_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint64_t value, unsigned size);
/* Any length up to a page; all or nothing. */
void x86_ld_bytes (X86Cpu *cpu, const X86Op *op, uint64_t lin, void *buffer, unsigned length);
void x86_st_bytes (X86Cpu *cpu, const X86Op *op, uint64_t lin, const void *buffer, unsigned length);
/* Faults now if a later store of @length bytes (up to a page) would. */
void x86_probe_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned length);

/* Arrays that lie powers of two apart must not push each other out. */
static inline unsigned
x86_tlb_index (uint64_t lin)
{
  return (unsigned) ((lin ^ lin >> X86_TLB_FOLD) >> 12) & (X86_TLB_SIZE - 1);
}

static inline X86TlbEntry *
x86_tlb_entry (const X86Cpu *cpu, uint64_t lin)
{
  return &cpu->tlb[x86_tlb_index (lin)];
}

/* Host address of [lin, lin + size) for reading or writing without further ado, or NULL: take the slow path. */
static inline void *
x86_host_read (X86Cpu *cpu, uint64_t lin, unsigned size)
{
  const X86TlbEntry *entry = x86_tlb_entry (cpu, lin);

  if (X86_LIKELY ((lin ^ entry->tag_read ^ cpu->tlb_key) <= GUEST_PAGE_SIZE - size))
    return (void *) (uintptr_t) (lin + entry->addend);
  return NULL;
}

static inline void *
x86_host_write (X86Cpu *cpu, uint64_t lin, unsigned size)
{
  const X86TlbEntry *entry = x86_tlb_entry (cpu, lin);

  if (X86_LIKELY ((lin ^ entry->tag_write ^ cpu->tlb_key) <= GUEST_PAGE_SIZE - size))
    return (void *) (uintptr_t) (lin + entry->addend);
  return NULL;
}

#define X86_DEFINE_ACCESSORS(bits)                                                                                     \
  static inline uint##bits##_t x86_ld##bits (X86Cpu *cpu, const X86Op *op, uint64_t lin)                                \
  {                                                                                                                    \
    const void *host = x86_host_read (cpu, lin, bits / 8);                                                              \
    uint##bits##_t value;                                                                                              \
    if (X86_UNLIKELY (host == NULL))                                                                                    \
      return (uint##bits##_t) x86_ld_slow (cpu, op, lin, bits / 8);                                                     \
    __builtin_memcpy (&value, host, sizeof value);                                                                      \
    return value;                                                                                                      \
  }                                                                                                                    \
  static inline uint##bits##_t x86_ldw##bits (X86Cpu *cpu, const X86Op *op, uint64_t lin)                               \
  {                                                                                                                    \
    const void *host = x86_host_write (cpu, lin, bits / 8);                                                             \
    uint##bits##_t value;                                                                                              \
    if (X86_UNLIKELY (host == NULL))                                                                                    \
      return (uint##bits##_t) x86_ldw_slow (cpu, op, lin, bits / 8);                                                    \
    __builtin_memcpy (&value, host, sizeof value);                                                                      \
    return value;                                                                                                      \
  }                                                                                                                    \
  static inline void x86_st##bits (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint##bits##_t value)                    \
  {                                                                                                                    \
    void *host = x86_host_write (cpu, lin, bits / 8);                                                                   \
    if (X86_UNLIKELY (host == NULL))                                                                                    \
      x86_st_slow (cpu, op, lin, value, bits / 8);                                                                      \
    else                                                                                                               \
      __builtin_memcpy (host, &value, sizeof value);                                                                    \
  }
X86_DEFINE_ACCESSORS (8)
X86_DEFINE_ACCESSORS (16)
X86_DEFINE_ACCESSORS (32)
X86_DEFINE_ACCESSORS (64)

/* 16 bytes; for 32 and more use x86_ld_bytes() and x86_st_bytes(). */
static inline void
x86_ld128 (X86Cpu *cpu, const X86Op *op, uint64_t lin, void *value)
{
  const void *host = x86_host_read (cpu, lin, 16);

  if (X86_UNLIKELY (host == NULL))
    x86_ld_bytes (cpu, op, lin, value, 16);
  else
    __builtin_memcpy (value, host, 16);
}

static inline void
x86_st128 (X86Cpu *cpu, const X86Op *op, uint64_t lin, const void *value)
{
  void *host = x86_host_write (cpu, lin, 16);

  if (X86_UNLIKELY (host == NULL))
    x86_st_bytes (cpu, op, lin, value, 16);
  else
    __builtin_memcpy (host, value, 16);
}

/* --- Flags --- */

static inline void
x86_cc_add (X86Cpu *cpu, int64_t a, int64_t b, int64_t result)
{
  cpu->cc_op = X86_CC_ADD;
  cpu->cc_a = (uint64_t) a;
  cpu->cc_b = (uint64_t) b;
  cpu->cc_res = (uint64_t) result;
}

static inline void
x86_cc_sub (X86Cpu *cpu, int64_t a, int64_t b, int64_t result)
{
  cpu->cc_op = X86_CC_SUB;
  cpu->cc_a = (uint64_t) a;
  cpu->cc_b = (uint64_t) b;
  cpu->cc_res = (uint64_t) result;
}

/* ZF, SF, PF from the sign-extended @result; @cao: CF, AF and OF. */
static inline void
x86_cc_result (X86Cpu *cpu, int64_t result, uint32_t cao)
{
  cpu->cc_op = X86_CC_CO;
  cpu->cc_b = cao;
  cpu->cc_res = (uint64_t) result;
}

/* All six at once: X86_FLAG_CF and so on; other bits of @flags are ignored. */
static inline void
x86_set_arith_flags (X86Cpu *cpu, uint32_t flags)
{
  cpu->cc_op = X86_CC_FLAGS;
  cpu->cc_b = flags & X86_FLAGS_ARITH;
  cpu->cc_res = !(flags & X86_FLAG_ZF);
}

static inline gboolean
x86_get_zf (const X86Cpu *cpu)
{
  return cpu->cc_res == 0;
}

static inline gboolean
x86_get_cf (const X86Cpu *cpu)
{
  uint64_t a = cpu->cc_a, b = cpu->cc_b, r = cpu->cc_res;

  switch (cpu->cc_op)
    {
    case X86_CC_ADD: return ((a & b) | ((a | b) & ~r)) >> 63;
    case X86_CC_SUB: return ((~a & b) | ((~a | b) & r)) >> 63;
    default: return b & X86_FLAG_CF;
    }
}

static inline gboolean
x86_get_of (const X86Cpu *cpu)
{
  uint64_t a = cpu->cc_a, b = cpu->cc_b, r = cpu->cc_res;

  switch (cpu->cc_op)
    {
    case X86_CC_ADD: return ((a ^ r) & (b ^ r)) >> 63;
    case X86_CC_SUB: return ((a ^ b) & (a ^ r)) >> 63;
    default: return (b & X86_FLAG_OF) != 0;
    }
}

static inline gboolean
x86_get_sf (const X86Cpu *cpu)
{
  return cpu->cc_op == X86_CC_FLAGS ? (cpu->cc_b & X86_FLAG_SF) != 0 : cpu->cc_res >> 63;
}

static inline gboolean
x86_get_pf (const X86Cpu *cpu)
{
  return cpu->cc_op == X86_CC_FLAGS ? (cpu->cc_b & X86_FLAG_PF) != 0 : !__builtin_parity (cpu->cc_res & 0xff);
}

static inline gboolean
x86_get_af (const X86Cpu *cpu)
{
  if (cpu->cc_op >= X86_CC_ADD)
    return ((cpu->cc_a ^ cpu->cc_b ^ cpu->cc_res) >> 4) & 1;
  return (cpu->cc_b & X86_FLAG_AF) != 0;
}

static inline uint32_t
x86_get_arith_flags (const X86Cpu *cpu)
{
  if (cpu->cc_op == X86_CC_FLAGS)
    return (uint32_t) cpu->cc_b;
  return (x86_get_cf (cpu) ? X86_FLAG_CF : 0) | (x86_get_pf (cpu) ? X86_FLAG_PF : 0)
         | (x86_get_af (cpu) ? X86_FLAG_AF : 0) | (x86_get_zf (cpu) ? X86_FLAG_ZF : 0)
         | (x86_get_sf (cpu) ? X86_FLAG_SF : 0) | (x86_get_of (cpu) ? X86_FLAG_OF : 0);
}

/* The whole register. */
static inline uint32_t
x86_get_eflags (const X86Cpu *cpu)
{
  return cpu->eflags | X86_FLAG_ONE | x86_get_arith_flags (cpu);
}

/* --- Between blocks (run.c) --- */

/* Recomputes cpu->mode, the TLB in use and what else follows from control registers, segments and flags. Call it after
 * changing any of those; the instruction must end its block (X86_ENTRY_END). */
void x86_update_mode (X86Cpu *cpu);
/* Lets the run loop look at pending events after this block: after changes of IF, TF, debug registers, TPR. */
void x86_attend (X86Cpu *cpu);
