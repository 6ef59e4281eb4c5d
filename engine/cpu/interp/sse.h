/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the vector ops files share: operands in host vectors, handlers around one host instruction, their lowering. */
#pragma once

#include "engine/cpu/fp.h"
#include "engine/cpu/interp/interp.h"

#include <emmintrin.h>

/* The low 128 bits of a vector register. */
#define XMM(n) (*(__m128i *) &cpu->vec[n])

/* Bits 255 to 128 of a vector register become 0. */
static inline void
x86_clear_upper (X86Cpu *cpu, unsigned n)
{
  cpu->vec[n].q[2] = cpu->vec[n].q[3] = 0;
}

__m128i x86_ld_vec_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin);
void x86_st_vec_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, __m128i value);

static inline __m128i
x86_ld_vec_at (X86Cpu *cpu, const X86Op *op, uint64_t lin)
{
  const void *host = x86_host_read (cpu, lin, 16);

  if (X86_UNLIKELY (host == NULL))
    return x86_ld_vec_slow (cpu, op, lin);
  return _mm_loadu_si128 (host);
}

static inline void
x86_st_vec_at (X86Cpu *cpu, const X86Op *op, uint64_t lin, __m128i value)
{
  void *host = x86_host_write (cpu, lin, 16);

  if (X86_UNLIKELY (host == NULL))
    x86_st_vec_slow (cpu, op, lin, value);
  else
    _mm_storeu_si128 (host, value);
}

/* Linear address of a 16-byte operand that must be aligned. */
static inline uint64_t
x86_ea_aligned (X86Cpu *cpu, const X86Op *op, X86Access access)
{
  uint64_t lin = x86_ea (cpu, op, 16, access);

  if (X86_UNLIKELY (lin & 15))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  return lin;
}

/* Memory operands by name: M128 aligned, M128U not, M64, M32, M16 in the low part. */
static inline __m128i
x86_ld_M128 (X86Cpu *cpu, const X86Op *op)
{
  return x86_ld_vec_at (cpu, op, x86_ea_aligned (cpu, op, X86_ACCESS_READ));
}

static inline __m128i
x86_ld_M128U (X86Cpu *cpu, const X86Op *op)
{
  return x86_ld_vec_at (cpu, op, x86_ea (cpu, op, 16, X86_ACCESS_READ));
}

static inline __m128i
x86_ld_M64 (X86Cpu *cpu, const X86Op *op)
{
  return _mm_cvtsi64_si128 ((int64_t) x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ)));
}

static inline __m128i
x86_ld_M32 (X86Cpu *cpu, const X86Op *op)
{
  return _mm_cvtsi32_si128 ((int32_t) x86_ld32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_READ)));
}

static inline __m128i
x86_ld_M16 (X86Cpu *cpu, const X86Op *op)
{
  return _mm_cvtsi32_si128 (x86_ld16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_READ)));
}

/* dst = dst INSN src, or dst = INSN src: without and with floating-point exceptions. */
#define VEC_INT(name, insn, mem)                                                                                        \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    __asm__ (insn " %1, %0" : "+x" (XMM (op->dst)) : "xm" (XMM (op->src)));                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    __m128i source = x86_ld_##mem (cpu, op);                                                                            \
    __asm__ (insn " %1, %0" : "+x" (XMM (op->dst)) : "x" (source));                                                     \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };

#define VEC_FP(name, insn, mem)                                                                                         \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    __m128i result;                                                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = XMM (op->dst);                                                                                             \
    __asm__ volatile (insn " %1, %0" : "+x" (result) : "xm" (XMM (op->src)));                                           \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    __m128i source = x86_ld_##mem (cpu, op), result;                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = XMM (op->dst);                                                                                             \
    __asm__ volatile (insn " %1, %0" : "+x" (result) : "x" (source));                                                   \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };

/* Instructions with an immediate: imm8.S has one for each value, as functions of (dst, src). */
typedef const uint8_t X86Imm8Table[256][8];
typedef __m128i (*X86Imm8Fn) (__m128i dst, __m128i src);

static inline __m128i
x86_imm8_call (X86Imm8Table table, const X86Op *op, __m128i dst, __m128i src)
{
  return ((X86Imm8Fn) (uintptr_t) table[op->imm & 0xff]) (dst, src);
}

#define VEC_INT_IMM8(name, mem)                                                                                         \
  extern X86Imm8Table x86_imm8_##name;                                                                                  \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    XMM (op->dst) = x86_imm8_call (x86_imm8_##name, op, XMM (op->dst), XMM (op->src));                                  \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    __m128i source = x86_ld_##mem (cpu, op);                                                                            \
    XMM (op->dst) = x86_imm8_call (x86_imm8_##name, op, XMM (op->dst), source);                                         \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };

#define VEC_FP_IMM8(name, mem)                                                                                          \
  extern X86Imm8Table x86_imm8_##name;                                                                                  \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    __m128i result;                                                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = x86_imm8_call (x86_imm8_##name, op, XMM (op->dst), XMM (op->src));                                         \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    __m128i source = x86_ld_##mem (cpu, op), result;                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = x86_imm8_call (x86_imm8_##name, op, XMM (op->dst), source);                                                \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };

/* x86_lower_vec() for instructions with an XMM operand, and for those with an MMX operand. */
gboolean x86_lower_xmm (X86Lower *lw, X86Op *op, const X86OpEntry *entry);
gboolean x86_lower_mmx (X86Lower *lw, X86Op *op, const X86OpEntry *entry);
/* The register class of operand @n; ZYDIS_REGCLASS_INVALID when it is no register. */
ZydisRegisterClass x86_operand_class (const X86Lower *lw, unsigned n);

#define XMM_ENTRY(name, mnemonic, feature)                                                                              \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##feature, X86_ENTRY_SSE, x86_lower_xmm, fns_##name },
/* A VEX-coded instruction that does what its SSE form does, because it writes no vector register (avx.h). */
#define VEX_ENTRY(name, mnemonic)                                                                                       \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, x86_lower_avx_same, fns_##name, NULL },
/* Whether the instruction is VEX-coded and of an extension that the model has. */
gboolean x86_avx_is_there (const X86Lower *lw);
gboolean x86_lower_avx_same (X86Lower *lw, X86Op *op, const X86OpEntry *entry);
#define MMX_ENTRY(name, mnemonic, feature)                                                                              \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##feature, X86_ENTRY_MMX, x86_lower_mmx, fns_mmx_##name },
