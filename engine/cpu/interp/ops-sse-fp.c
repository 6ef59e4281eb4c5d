/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Floating-point arithmetic, comparison and conversion on vector registers.
 * Specification: Intel SDM volume 1, chapters 10 to 12; volume 2.
 */

#include "engine/cpu/interp/sse.h"

/* --- Arithmetic --- */

#define PACKED(X)                                                                                                       \
  X (addps, ADDPS, SSE) X (addpd, ADDPD, SSE2) X (subps, SUBPS, SSE) X (subpd, SUBPD, SSE2)                              \
  X (mulps, MULPS, SSE) X (mulpd, MULPD, SSE2) X (divps, DIVPS, SSE) X (divpd, DIVPD, SSE2)                              \
  X (minps, MINPS, SSE) X (minpd, MINPD, SSE2) X (maxps, MAXPS, SSE) X (maxpd, MAXPD, SSE2)                              \
  X (sqrtps, SQRTPS, SSE) X (sqrtpd, SQRTPD, SSE2)                                                                      \
  X (haddps, HADDPS, SSE3) X (haddpd, HADDPD, SSE3) X (hsubps, HSUBPS, SSE3) X (hsubpd, HSUBPD, SSE3)                    \
  X (addsubps, ADDSUBPS, SSE3) X (addsubpd, ADDSUBPD, SSE3)                                                             \
  X (cvtdq2ps, CVTDQ2PS, SSE2) X (cvtps2dq, CVTPS2DQ, SSE2) X (cvttps2dq, CVTTPS2DQ, SSE2)                               \
  X (cvtpd2dq, CVTPD2DQ, SSE2) X (cvttpd2dq, CVTTPD2DQ, SSE2) X (cvtpd2ps, CVTPD2PS, SSE2)
#define LOW64(X)                                                                                                        \
  X (addsd, ADDSD, SSE2) X (subsd, SUBSD, SSE2) X (mulsd, MULSD, SSE2) X (divsd, DIVSD, SSE2)                            \
  X (minsd, MINSD, SSE2) X (maxsd, MAXSD, SSE2) X (sqrtsd, SQRTSD, SSE2) X (cvtsd2ss, CVTSD2SS, SSE2)                    \
  X (cvtps2pd, CVTPS2PD, SSE2)
#define LOW32(X)                                                                                                        \
  X (addss, ADDSS, SSE) X (subss, SUBSS, SSE) X (mulss, MULSS, SSE) X (divss, DIVSS, SSE)                                \
  X (minss, MINSS, SSE) X (maxss, MAXSS, SSE) X (sqrtss, SQRTSS, SSE) X (cvtss2sd, CVTSS2SD, SSE2)
/* Raise nothing. */
#define QUIET128(X) X (rcpps, RCPPS, SSE) X (rsqrtps, RSQRTPS, SSE)
#define QUIET64(X) X (cvtdq2pd, CVTDQ2PD, SSE2)
#define QUIET32(X) X (rcpss, RCPSS, SSE) X (rsqrtss, RSQRTSS, SSE)

#define DEFINE_PACKED(name, mnemonic, feature) VEC_FP (name, #name, M128)
#define DEFINE_LOW64(name, mnemonic, feature) VEC_FP (name, #name, M64)
#define DEFINE_LOW32(name, mnemonic, feature) VEC_FP (name, #name, M32)
#define DEFINE_QUIET128(name, mnemonic, feature) VEC_INT (name, #name, M128)
#define DEFINE_QUIET64(name, mnemonic, feature) VEC_INT (name, #name, M64)
#define DEFINE_QUIET32(name, mnemonic, feature) VEC_INT (name, #name, M32)
PACKED (DEFINE_PACKED)
LOW64 (DEFINE_LOW64)
LOW32 (DEFINE_LOW32)
QUIET128 (DEFINE_QUIET128)
QUIET64 (DEFINE_QUIET64)
QUIET32 (DEFINE_QUIET32)

VEC_FP_IMM8 (cmpps, M128)
VEC_FP_IMM8 (cmppd, M128)
VEC_FP_IMM8 (cmpss, M32)
VEC_FP_IMM8 (cmpsd_x, M64)
VEC_FP_IMM8 (dpps, M128)
VEC_FP_IMM8 (dppd, M128)
VEC_FP_IMM8 (roundps, M128)
VEC_FP_IMM8 (roundpd, M128)
VEC_FP_IMM8 (roundss, M32)
VEC_FP_IMM8 (roundsd, M64)

/* --- Comparison into EFLAGS --- */

#define COMPARE(name, mem)                                                                                              \
  static inline void compare_##name (X86Cpu *cpu, const X86Op *op, __m128i source)                                      \
  {                                                                                                                    \
    gboolean is_equal, is_below, is_unordered;                                                                          \
    X86_SSE_BEGIN                                                                                                       \
    __asm__ volatile (#name " %4, %3"                                                                                   \
                      : "=@ccz"(is_equal), "=@ccc"(is_below), "=@ccp"(is_unordered)                                     \
                      : "x" (XMM (op->dst)), "x" (source));                                                             \
    X86_SSE_END                                                                                                         \
    x86_set_arith_flags (cpu, (is_equal ? X86_FLAG_ZF : 0) | (is_below ? X86_FLAG_CF : 0)                               \
                                | (is_unordered ? X86_FLAG_PF : 0));                                                    \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    compare_##name (cpu, op, XMM (op->src));                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    compare_##name (cpu, op, x86_ld_##mem (cpu, op));                                                                   \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };

COMPARE (comiss, M32)
COMPARE (ucomiss, M32)
COMPARE (comisd, M64)
COMPARE (ucomisd, M64)

/* --- Conversion from and to general registers --- */

#define FROM_INTEGER(name, bits, suffix, load)                                                                          \
  static inline void name##_##bits (X86Cpu *cpu, const X86Op *op, uint##bits##_t value)                                 \
  {                                                                                                                    \
    __m128i result;                                                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = XMM (op->dst);                                                                                             \
    __asm__ volatile (#name suffix " %1, %0" : "+x" (result) : "r" (value));                                            \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xr##bits)                                                                                    \
  {                                                                                                                    \
    name##_##bits (cpu, op, (uint##bits##_t) cpu->r[op->src]);                                                          \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm##bits)                                                                                    \
  {                                                                                                                    \
    name##_##bits (cpu, op, load (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ)));                               \
    X86_NEXT;                                                                                                          \
  }

FROM_INTEGER (cvtsi2ss, 32, "l", x86_ld32)
FROM_INTEGER (cvtsi2ss, 64, "q", x86_ld64)
FROM_INTEGER (cvtsi2sd, 32, "l", x86_ld32)
FROM_INTEGER (cvtsi2sd, 64, "q", x86_ld64)

#define TO_INTEGER(name, bits, mem)                                                                                     \
  static inline void name##_##bits (X86Cpu *cpu, const X86Op *op, __m128i source)                                       \
  {                                                                                                                    \
    uint##bits##_t result;                                                                                              \
    X86_SSE_BEGIN                                                                                                       \
    __asm__ volatile (#name " %1, %0" : "=r" (result) : "x" (source));                                                  \
    X86_SSE_END                                                                                                         \
    cpu->r[op->dst] = result;                                                                                           \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_r##bits##x)                                                                                  \
  {                                                                                                                    \
    name##_##bits (cpu, op, XMM (op->src));                                                                             \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_r##bits##m)                                                                                  \
  {                                                                                                                    \
    name##_##bits (cpu, op, x86_ld_##mem (cpu, op));                                                                    \
    X86_NEXT;                                                                                                          \
  }

TO_INTEGER (cvtss2si, 32, M32)
TO_INTEGER (cvtss2si, 64, M32)
TO_INTEGER (cvttss2si, 32, M32)
TO_INTEGER (cvttss2si, 64, M32)
TO_INTEGER (cvtsd2si, 32, M64)
TO_INTEGER (cvtsd2si, 64, M64)
TO_INTEGER (cvttsd2si, 32, M64)
TO_INTEGER (cvttsd2si, 64, M64)

/* fns: register and memory for 32 bits, then for 64 bits; the integer is operand 0 or 1. */
static gboolean
lower_by_size (X86Lower *lw, X86Op *op, const X86OpEntry *entry, unsigned integer)
{
  X86OpEntry sized = *entry;
  const X86OpFn fns[] = { entry->fns[0], entry->fns[1], NULL }, wide[] = { entry->fns[2], entry->fns[3], NULL };

  sized.fns = x86_operand_size (lw, integer) == 8 ? wide : fns;
  return x86_lower_xmm (lw, op, &sized);
}

static gboolean
lower_from_integer (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_by_size (lw, op, entry, 1);
}

/* The source may be in memory, so that no operand is an XMM register. */
static gboolean
lower_to_integer (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  X86OpEntry sized = *entry;
  const X86OpFn fns[] = { entry->fns[0], entry->fns[1], NULL }, wide[] = { entry->fns[2], entry->fns[3], NULL };

  sized.fns = x86_operand_size (lw, 0) == 8 ? wide : fns;
  return x86_lower_vec (lw, op, &sized);
}

static gboolean
lower_to_integer_vex (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return x86_avx_is_there (lw) && lower_to_integer (lw, op, entry);
}

#define FNS_FROM(name)                                                                                                  \
  static const X86OpFn fns_##name[] = { op_##name##_xr32, op_##name##_xm32, op_##name##_xr64, op_##name##_xm64 };
#define FNS_TO(name)                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_r32x, op_##name##_r32m, op_##name##_r64x, op_##name##_r64m };
FNS_FROM (cvtsi2ss)
FNS_FROM (cvtsi2sd)
FNS_TO (cvtss2si)
FNS_TO (cvttss2si)
FNS_TO (cvtsd2si)
FNS_TO (cvttsd2si)

/* --- Conversion from and to MMX registers --- */

#define MMX_CLOBBERS "mm0", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"

#define FROM_MMX(name)                                                                                                  \
  static inline void convert_##name (X86Cpu *cpu, const X86Op *op, uint64_t source)                                     \
  {                                                                                                                    \
    __m128i result;                                                                                                    \
    X86_SSE_BEGIN                                                                                                       \
    result = XMM (op->dst);                                                                                             \
    __asm__ volatile ("movq %1, %%mm0\n\t" #name " %%mm0, %0\n\temms"                                                   \
                      : "+x" (result) : "r" (source) : MMX_CLOBBERS);                                                   \
    X86_SSE_END                                                                                                         \
    XMM (op->dst) = result;                                                                                             \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xp)                                                                                          \
  {                                                                                                                    \
    x86_mmx_begin (cpu, op);                                                                                            \
    convert_##name (cpu, op, cpu->fpu.st[op->src].mant);                                                                \
    x86_mmx_touch (cpu);                                                                                                \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    convert_##name (cpu, op, x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ)));                                 \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xp, op_##name##_xm, NULL };

FROM_MMX (cvtpi2ps)
FROM_MMX (cvtpi2pd)

#define TO_MMX(name, mem)                                                                                               \
  static inline void convert_##name (X86Cpu *cpu, const X86Op *op, __m128i source)                                      \
  {                                                                                                                    \
    uint64_t result;                                                                                                   \
    X86_SSE_BEGIN                                                                                                       \
    __asm__ volatile (#name " %1, %%mm0\n\tmovq %%mm0, %0\n\temms" : "=r" (result) : "x" (source) : MMX_CLOBBERS);      \
    X86_SSE_END                                                                                                         \
    x86_mmx_set (cpu, op->dst, result);                                                                                 \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_px)                                                                                          \
  {                                                                                                                    \
    x86_mmx_begin (cpu, op);                                                                                            \
    convert_##name (cpu, op, XMM (op->src));                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_pm)                                                                                          \
  {                                                                                                                    \
    x86_mmx_begin (cpu, op);                                                                                            \
    convert_##name (cpu, op, x86_ld_##mem (cpu, op));                                                                   \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_px, op_##name##_pm, NULL };

TO_MMX (cvtps2pi, M64)
TO_MMX (cvttps2pi, M64)
TO_MMX (cvtpd2pi, M128)
TO_MMX (cvttpd2pi, M128)

#define VEX_TO_INTEGER(name, mnemonic)                                                                                  \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, lower_to_integer_vex, fns_##name },
#define SSE_ENTRY(name, mnemonic, feature, lower)                                                                       \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##feature, X86_ENTRY_SSE, lower, fns_##name },

const X86OpEntry x86_ops_sse_fp[] = {
  PACKED (XMM_ENTRY) LOW64 (XMM_ENTRY) LOW32 (XMM_ENTRY) QUIET128 (XMM_ENTRY) QUIET64 (XMM_ENTRY) QUIET32 (XMM_ENTRY)
  XMM_ENTRY (cmpps, CMPPS, SSE) XMM_ENTRY (cmppd, CMPPD, SSE2)
  XMM_ENTRY (cmpss, CMPSS, SSE) XMM_ENTRY (cmpsd_x, CMPSD, SSE2)
  XMM_ENTRY (dpps, DPPS, SSE41) XMM_ENTRY (dppd, DPPD, SSE41)
  XMM_ENTRY (roundps, ROUNDPS, SSE41) XMM_ENTRY (roundpd, ROUNDPD, SSE41)
  XMM_ENTRY (roundss, ROUNDSS, SSE41) XMM_ENTRY (roundsd, ROUNDSD, SSE41)
  XMM_ENTRY (comiss, COMISS, SSE) XMM_ENTRY (ucomiss, UCOMISS, SSE)
  XMM_ENTRY (comisd, COMISD, SSE2) XMM_ENTRY (ucomisd, UCOMISD, SSE2)
  SSE_ENTRY (cvtsi2ss, CVTSI2SS, SSE, lower_from_integer) SSE_ENTRY (cvtsi2sd, CVTSI2SD, SSE2, lower_from_integer)
  SSE_ENTRY (cvtss2si, CVTSS2SI, SSE, lower_to_integer) SSE_ENTRY (cvttss2si, CVTTSS2SI, SSE, lower_to_integer)
  SSE_ENTRY (cvtsd2si, CVTSD2SI, SSE2, lower_to_integer) SSE_ENTRY (cvttsd2si, CVTTSD2SI, SSE2, lower_to_integer)
  XMM_ENTRY (cvtpi2ps, CVTPI2PS, SSE) XMM_ENTRY (cvtpi2pd, CVTPI2PD, SSE2)
  SSE_ENTRY (cvtps2pi, CVTPS2PI, SSE, x86_lower_mmx) SSE_ENTRY (cvttps2pi, CVTTPS2PI, SSE, x86_lower_mmx)
  SSE_ENTRY (cvtpd2pi, CVTPD2PI, SSE2, x86_lower_mmx) SSE_ENTRY (cvttpd2pi, CVTTPD2PI, SSE2, x86_lower_mmx)
  VEX_ENTRY (comiss, VCOMISS) VEX_ENTRY (ucomiss, VUCOMISS) VEX_ENTRY (comisd, VCOMISD) VEX_ENTRY (ucomisd, VUCOMISD)
  VEX_TO_INTEGER (cvtss2si, VCVTSS2SI) VEX_TO_INTEGER (cvttss2si, VCVTTSS2SI)
  VEX_TO_INTEGER (cvtsd2si, VCVTSD2SI) VEX_TO_INTEGER (cvttsd2si, VCVTTSD2SI)
  { 0 }
};
