/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Integer and bitwise operations on XMM and MMX registers: MMX, SSE to SSE4.2.
 * Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/sse.h"

#define MMX_CLOBBERS "mm0", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"

/* One host instruction on MMX registers. */
#define MMX_INT(name, insn, load, bits)                                                                                 \
  static inline uint64_t mmx_##name (uint64_t value, uint64_t source)                                                   \
  {                                                                                                                    \
    __asm__ ("movq %0, %%mm0\n\tmovq %1, %%mm1\n\t" insn " %%mm1, %%mm0\n\tmovq %%mm0, %0\n\temms"                      \
             : "+r" (value) : "r" (source) : "mm1", MMX_CLOBBERS);                                                      \
    return value;                                                                                                      \
  }                                                                                                                    \
  X86_HANDLER (op_mmx_##name##_pp)                                                                                      \
  {                                                                                                                    \
    x86_mmx_begin (cpu, op);                                                                                            \
    x86_mmx_set (cpu, op->dst, mmx_##name (cpu->fpu.st[op->dst].mant, cpu->fpu.st[op->src].mant));                      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_mmx_##name##_pm)                                                                                      \
  {                                                                                                                    \
    uint64_t source;                                                                                                   \
    x86_mmx_begin (cpu, op);                                                                                            \
    source = load (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ));                                               \
    x86_mmx_set (cpu, op->dst, mmx_##name (cpu->fpu.st[op->dst].mant, source));                                         \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_mmx_##name[] = { op_mmx_##name##_pp, op_mmx_##name##_pm, NULL };

/* --- One host instruction each --- */

/* Both in MMX and in XMM registers: name, mnemonic, feature for MMX, feature for XMM. */
#define PAIRS(X)                                                                                                        \
  X (punpckhbw, PUNPCKHBW, MMX, SSE2) X (punpckhwd, PUNPCKHWD, MMX, SSE2) X (punpckhdq, PUNPCKHDQ, MMX, SSE2)            \
  X (packsswb, PACKSSWB, MMX, SSE2) X (packssdw, PACKSSDW, MMX, SSE2) X (packuswb, PACKUSWB, MMX, SSE2)                  \
  X (pcmpgtb, PCMPGTB, MMX, SSE2) X (pcmpgtw, PCMPGTW, MMX, SSE2) X (pcmpgtd, PCMPGTD, MMX, SSE2)                        \
  X (pcmpeqb, PCMPEQB, MMX, SSE2) X (pcmpeqw, PCMPEQW, MMX, SSE2) X (pcmpeqd, PCMPEQD, MMX, SSE2)                        \
  X (pand, PAND, MMX, SSE2) X (pandn, PANDN, MMX, SSE2) X (por, POR, MMX, SSE2) X (pxor, PXOR, MMX, SSE2)                \
  X (paddb, PADDB, MMX, SSE2) X (paddw, PADDW, MMX, SSE2) X (paddd, PADDD, MMX, SSE2) X (paddq, PADDQ, SSE2, SSE2)       \
  X (paddsb, PADDSB, MMX, SSE2) X (paddsw, PADDSW, MMX, SSE2)                                                           \
  X (paddusb, PADDUSB, MMX, SSE2) X (paddusw, PADDUSW, MMX, SSE2)                                                       \
  X (psubb, PSUBB, MMX, SSE2) X (psubw, PSUBW, MMX, SSE2) X (psubd, PSUBD, MMX, SSE2) X (psubq, PSUBQ, SSE2, SSE2)       \
  X (psubsb, PSUBSB, MMX, SSE2) X (psubsw, PSUBSW, MMX, SSE2)                                                           \
  X (psubusb, PSUBUSB, MMX, SSE2) X (psubusw, PSUBUSW, MMX, SSE2)                                                       \
  X (pmullw, PMULLW, MMX, SSE2) X (pmulhw, PMULHW, MMX, SSE2) X (pmulhuw, PMULHUW, SSE, SSE2)                            \
  X (pmaddwd, PMADDWD, MMX, SSE2) X (pmuludq, PMULUDQ, SSE2, SSE2)                                                      \
  X (pavgb, PAVGB, SSE, SSE2) X (pavgw, PAVGW, SSE, SSE2) X (psadbw, PSADBW, SSE, SSE2)                                  \
  X (pmaxub, PMAXUB, SSE, SSE2) X (pminub, PMINUB, SSE, SSE2)                                                           \
  X (pmaxsw, PMAXSW, SSE, SSE2) X (pminsw, PMINSW, SSE, SSE2)                                                           \
  X (pshufb, PSHUFB, SSSE3, SSSE3) X (pmaddubsw, PMADDUBSW, SSSE3, SSSE3) X (pmulhrsw, PMULHRSW, SSSE3, SSSE3)           \
  X (phaddw, PHADDW, SSSE3, SSSE3) X (phaddd, PHADDD, SSSE3, SSSE3) X (phaddsw, PHADDSW, SSSE3, SSSE3)                   \
  X (phsubw, PHSUBW, SSSE3, SSSE3) X (phsubd, PHSUBD, SSSE3, SSSE3) X (phsubsw, PHSUBSW, SSSE3, SSSE3)                   \
  X (psignb, PSIGNB, SSSE3, SSSE3) X (psignw, PSIGNW, SSSE3, SSSE3) X (psignd, PSIGND, SSSE3, SSSE3)                     \
  X (pabsb, PABSB, SSSE3, SSSE3) X (pabsw, PABSW, SSSE3, SSSE3) X (pabsd, PABSD, SSSE3, SSSE3)
/* The same, but of memory the MMX form takes 32 bits. */
#define PAIRS_LOW(X)                                                                                                    \
  X (punpcklbw, PUNPCKLBW, MMX, SSE2) X (punpcklwd, PUNPCKLWD, MMX, SSE2) X (punpckldq, PUNPCKLDQ, MMX, SSE2)
/* Shifts: they take an immediate, too. */
#define SHIFTS(X)                                                                                                       \
  X (psllw, PSLLW, MMX, SSE2) X (pslld, PSLLD, MMX, SSE2) X (psllq, PSLLQ, MMX, SSE2)                                    \
  X (psrlw, PSRLW, MMX, SSE2) X (psrld, PSRLD, MMX, SSE2) X (psrlq, PSRLQ, MMX, SSE2)                                    \
  X (psraw, PSRAW, MMX, SSE2) X (psrad, PSRAD, MMX, SSE2)
/* XMM only. */
#define SINGLES(X)                                                                                                      \
  X (andps, ANDPS, SSE) X (andnps, ANDNPS, SSE) X (orps, ORPS, SSE) X (xorps, XORPS, SSE)                                \
  X (andpd, ANDPD, SSE2) X (andnpd, ANDNPD, SSE2) X (orpd, ORPD, SSE2) X (xorpd, XORPD, SSE2)                            \
  X (unpcklps, UNPCKLPS, SSE) X (unpckhps, UNPCKHPS, SSE) X (unpcklpd, UNPCKLPD, SSE2) X (unpckhpd, UNPCKHPD, SSE2)      \
  X (punpcklqdq, PUNPCKLQDQ, SSE2) X (punpckhqdq, PUNPCKHQDQ, SSE2)                                                     \
  X (pcmpeqq, PCMPEQQ, SSE41) X (pcmpgtq, PCMPGTQ, SSE42) X (packusdw, PACKUSDW, SSE41)                                  \
  X (pmuldq, PMULDQ, SSE41) X (pmulld, PMULLD, SSE41) X (phminposuw, PHMINPOSUW, SSE41)                                  \
  X (pminsb, PMINSB, SSE41) X (pminsd, PMINSD, SSE41) X (pminuw, PMINUW, SSE41) X (pminud, PMINUD, SSE41)                \
  X (pmaxsb, PMAXSB, SSE41) X (pmaxsd, PMAXSD, SSE41) X (pmaxuw, PMAXUW, SSE41) X (pmaxud, PMAXUD, SSE41)
#define WIDEN64(X)                                                                                                      \
  X (pmovsxbw, PMOVSXBW, SSE41) X (pmovsxwd, PMOVSXWD, SSE41) X (pmovsxdq, PMOVSXDQ, SSE41)                              \
  X (pmovzxbw, PMOVZXBW, SSE41) X (pmovzxwd, PMOVZXWD, SSE41) X (pmovzxdq, PMOVZXDQ, SSE41)
#define WIDEN32(X)                                                                                                      \
  X (pmovsxbd, PMOVSXBD, SSE41) X (pmovsxwq, PMOVSXWQ, SSE41) X (pmovzxbd, PMOVZXBD, SSE41) X (pmovzxwq, PMOVZXWQ, SSE41)
#define WIDEN16(X) X (pmovsxbq, PMOVSXBQ, SSE41) X (pmovzxbq, PMOVZXBQ, SSE41)

#define DEFINE_PAIR(name, mnemonic, mmx, sse) VEC_INT (name, #name, M128) MMX_INT (name, #name, x86_ld64, 64)
#define DEFINE_PAIR_LOW(name, mnemonic, mmx, sse) VEC_INT (name, #name, M128) MMX_INT (name, #name, x86_ld32, 32)
#define DEFINE_SINGLE(name, mnemonic, feature) VEC_INT (name, #name, M128)
#define DEFINE_WIDEN64(name, mnemonic, feature) VEC_INT (name, #name, M64)
#define DEFINE_WIDEN32(name, mnemonic, feature) VEC_INT (name, #name, M32)
#define DEFINE_WIDEN16(name, mnemonic, feature) VEC_INT (name, #name, M16)
PAIRS (DEFINE_PAIR)
PAIRS_LOW (DEFINE_PAIR_LOW)
SHIFTS (DEFINE_PAIR)
SINGLES (DEFINE_SINGLE)
WIDEN64 (DEFINE_WIDEN64)
WIDEN32 (DEFINE_WIDEN32)
WIDEN16 (DEFINE_WIDEN16)

/* --- Shifts by an immediate --- */

#define DEFINE_SHIFT(name, mnemonic, mmx, sse)                                                                          \
  X86_HANDLER (op_##name##_xi)                                                                                          \
  {                                                                                                                    \
    __asm__ (#name " %1, %0" : "+x" (XMM (op->dst)) : "x" (_mm_cvtsi32_si128 ((uint8_t) op->imm)));                     \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_mmx_##name##_pi)                                                                                      \
  {                                                                                                                    \
    x86_mmx_begin (cpu, op);                                                                                            \
    x86_mmx_set (cpu, op->dst, mmx_##name (cpu->fpu.st[op->dst].mant, (uint8_t) op->imm));                              \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name##_imm[] = { op_##name##_xi, NULL, NULL },                                             \
                       fns_mmx_##name##_imm[] = { op_mmx_##name##_pi, NULL, NULL };
SHIFTS (DEFINE_SHIFT)

/* By bytes: only so many that something remains. */
X86_HANDLER (op_pslldq)
{
  uint8_t buffer[32] = { 0 };
  unsigned count = MIN ((uint8_t) op->imm, 16);

  _mm_storeu_si128 ((__m128i *) (buffer + 16), XMM (op->dst));
  XMM (op->dst) = _mm_loadu_si128 ((const __m128i *) (buffer + 16 - count));
  X86_NEXT;
}

X86_HANDLER (op_psrldq)
{
  uint8_t buffer[32] = { 0 };
  unsigned count = MIN ((uint8_t) op->imm, 16);

  _mm_storeu_si128 ((__m128i *) buffer, XMM (op->dst));
  XMM (op->dst) = _mm_loadu_si128 ((const __m128i *) (buffer + count));
  X86_NEXT;
}

static const X86OpFn fns_pslldq[] = { op_pslldq, NULL, NULL }, fns_psrldq[] = { op_psrldq, NULL, NULL };

static gboolean
lower_xmm_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return x86_is_imm (lw, 1) && x86_lower_xmm (lw, op, entry);
}

static gboolean
lower_mmx_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return x86_is_imm (lw, 1) && x86_lower_mmx (lw, op, entry);
}

/* --- Shuffles with an immediate --- */

VEC_INT_IMM8 (pshufd, M128)
VEC_INT_IMM8 (pshufhw, M128)
VEC_INT_IMM8 (pshuflw, M128)
VEC_INT_IMM8 (shufps, M128)
VEC_INT_IMM8 (shufpd, M128)
VEC_INT_IMM8 (palignr, M128)
VEC_INT_IMM8 (pblendw, M128)
VEC_INT_IMM8 (blendps, M128)
VEC_INT_IMM8 (blendpd, M128)
VEC_INT_IMM8 (mpsadbw, M128)
/* From memory there is one element; the bits of the immediate that choose one do not count. */
extern X86Imm8Table x86_imm8_insertps;

X86_HANDLER (op_insertps_xx)
{
  XMM (op->dst) = x86_imm8_call (x86_imm8_insertps, op, XMM (op->dst), XMM (op->src));
  X86_NEXT;
}

X86_HANDLER (op_insertps_xm)
{
  __m128i source = _mm_shuffle_epi32 (x86_ld_M32 (cpu, op), 0);

  XMM (op->dst) = x86_imm8_call (x86_imm8_insertps, op, XMM (op->dst), source);
  X86_NEXT;
}

static const X86OpFn fns_insertps[] = { op_insertps_xx, op_insertps_xm, NULL };

static uint64_t
shuffle_words (uint64_t source, unsigned order)
{
  uint64_t result = 0;

  for (unsigned i = 0; i < 4; i++)
    result |= ((source >> (((order >> (i * 2)) & 3) * 16)) & 0xffff) << (i * 16);
  return result;
}

X86_HANDLER (op_pshufw_pp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, shuffle_words (cpu->fpu.st[op->src].mant, (unsigned) op->imm));
  X86_NEXT;
}

X86_HANDLER (op_pshufw_pm)
{
  uint64_t source;

  x86_mmx_begin (cpu, op);
  source = x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ));
  x86_mmx_set (cpu, op->dst, shuffle_words (source, (unsigned) op->imm));
  X86_NEXT;
}

static uint64_t
align_right (uint64_t high, uint64_t low, unsigned bytes)
{
  unsigned __int128 both = (unsigned __int128) high << 64 | low;

  return bytes >= 16 ? 0 : (uint64_t) (both >> (bytes * 8));
}

X86_HANDLER (op_mmx_palignr_pp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, align_right (cpu->fpu.st[op->dst].mant, cpu->fpu.st[op->src].mant, (uint8_t) op->imm));
  X86_NEXT;
}

X86_HANDLER (op_mmx_palignr_pm)
{
  uint64_t source;

  x86_mmx_begin (cpu, op);
  source = x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ));
  x86_mmx_set (cpu, op->dst, align_right (cpu->fpu.st[op->dst].mant, source, (uint8_t) op->imm));
  X86_NEXT;
}

static const X86OpFn fns_mmx_pshufw[] = { op_pshufw_pp, op_pshufw_pm, NULL },
                     fns_mmx_palignr[] = { op_mmx_palignr_pp, op_mmx_palignr_pm, NULL };

/* --- Blends by the mask in XMM0 --- */

#define DEFINE_BLENDV(name)                                                                                             \
  static inline __m128i blend_##name (__m128i dst, __m128i src, __m128i mask)                                           \
  {                                                                                                                    \
    register __m128i mask0 __asm__ ("xmm0") = mask;                                                                     \
    __asm__ (#name " %%xmm0, %1, %0" : "+x" (dst) : "x" (src), "x" (mask0));                                            \
    return dst;                                                                                                        \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    XMM (op->dst) = blend_##name (XMM (op->dst), XMM (op->src), XMM (0));                                               \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    __m128i source = x86_ld_M128 (cpu, op);                                                                             \
    XMM (op->dst) = blend_##name (XMM (op->dst), source, XMM (0));                                                      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };
DEFINE_BLENDV (pblendvb)
DEFINE_BLENDV (blendvps)
DEFINE_BLENDV (blendvpd)

/* --- PTEST --- */

static inline void
ptest (X86Cpu *cpu, __m128i dst, __m128i src)
{
  gboolean zf, cf;

  __asm__ ("ptest %3, %2" : "=@ccz"(zf), "=@ccc"(cf) : "x" (dst), "x" (src));
  x86_set_arith_flags (cpu, (zf ? X86_FLAG_ZF : 0) | (cf ? X86_FLAG_CF : 0));
}

X86_HANDLER (op_ptest_xx)
{
  ptest (cpu, XMM (op->dst), XMM (op->src));
  X86_NEXT;
}

X86_HANDLER (op_ptest_xm)
{
  ptest (cpu, XMM (op->dst), x86_ld_M128 (cpu, op));
  X86_NEXT;
}

static const X86OpFn fns_ptest[] = { op_ptest_xx, op_ptest_xm, NULL };

/* --- Elements to and from general registers and memory --- */

#define DEFINE_ELEMENT(letter, bits, field, mask)                                                                       \
  X86_HANDLER (op_pinsr##letter##_xr)                                                                                   \
  {                                                                                                                    \
    cpu->vec[op->dst].field[op->imm & mask] = (uint##bits##_t) cpu->r[op->src];                                         \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_pinsr##letter##_xm)                                                                                   \
  {                                                                                                                    \
    cpu->vec[op->dst].field[op->imm & mask] = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ));      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_pextr##letter##_rx)                                                                                   \
  {                                                                                                                    \
    cpu->r[op->dst] = cpu->vec[op->src].field[op->imm & mask];                                                          \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_pextr##letter##_mx)                                                                                   \
  {                                                                                                                    \
    x86_st##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_WRITE), cpu->vec[op->src].field[op->imm & mask]);      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_pinsr##letter[] = { op_pinsr##letter##_xr, op_pinsr##letter##_xm, NULL },                    \
                       fns_pextr##letter[] = { op_pextr##letter##_rx, NULL, op_pextr##letter##_mx };
DEFINE_ELEMENT (b, 8, b, 15)
DEFINE_ELEMENT (w, 16, w, 7)
DEFINE_ELEMENT (d, 32, d, 3)
DEFINE_ELEMENT (q, 64, q, 1)

X86_HANDLER (op_mmx_pinsrw_pr)
{
  uint64_t value;
  unsigned shift = (op->imm & 3) * 16;

  x86_mmx_begin (cpu, op);
  value = cpu->fpu.st[op->dst].mant;
  x86_mmx_set (cpu, op->dst, (value & ~((uint64_t) 0xffff << shift)) | (cpu->r[op->src] & 0xffff) << shift);
  X86_NEXT;
}

X86_HANDLER (op_mmx_pinsrw_pm)
{
  uint64_t value, source;
  unsigned shift = (op->imm & 3) * 16;

  x86_mmx_begin (cpu, op);
  source = x86_ld16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_READ));
  value = cpu->fpu.st[op->dst].mant;
  x86_mmx_set (cpu, op->dst, (value & ~((uint64_t) 0xffff << shift)) | source << shift);
  X86_NEXT;
}

X86_HANDLER (op_mmx_pextrw_rp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  cpu->r[op->dst] = (uint16_t) (cpu->fpu.st[op->src].mant >> (op->imm & 3) * 16);
  X86_NEXT;
}

static const X86OpFn fns_mmx_pinsrw[] = { op_mmx_pinsrw_pr, op_mmx_pinsrw_pm, NULL },
                     fns_mmx_pextrw[] = { op_mmx_pextrw_rp, NULL, NULL };

/* --- EMMS --- */

X86_HANDLER (op_emms)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  cpu->fpu.ftag = 0;
  X86_NEXT;
}

static const X86OpFn fns_emms[] = { op_emms };

#define PAIR_ENTRY(name, mnemonic, mmx, sse) XMM_ENTRY (name, mnemonic, sse) MMX_ENTRY (name, mnemonic, mmx)
#define SHIFT_ENTRY(name, mnemonic, mmx, sse)                                                                           \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##sse, X86_ENTRY_SSE, lower_xmm_imm, fns_##name##_imm },                        \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_##mmx, X86_ENTRY_MMX, lower_mmx_imm, fns_mmx_##name##_imm },                    \
  PAIR_ENTRY (name, mnemonic, mmx, sse)

const X86OpEntry x86_ops_sse_int[] = {
  SHIFTS (SHIFT_ENTRY) PAIRS (PAIR_ENTRY) PAIRS_LOW (PAIR_ENTRY) SINGLES (XMM_ENTRY)
  WIDEN64 (XMM_ENTRY) WIDEN32 (XMM_ENTRY) WIDEN16 (XMM_ENTRY)
  XMM_ENTRY (pslldq, PSLLDQ, SSE2) XMM_ENTRY (psrldq, PSRLDQ, SSE2)
  XMM_ENTRY (pshufd, PSHUFD, SSE2) XMM_ENTRY (pshufhw, PSHUFHW, SSE2) XMM_ENTRY (pshuflw, PSHUFLW, SSE2)
  XMM_ENTRY (shufps, SHUFPS, SSE) XMM_ENTRY (shufpd, SHUFPD, SSE2)
  XMM_ENTRY (palignr, PALIGNR, SSSE3) MMX_ENTRY (palignr, PALIGNR, SSSE3) MMX_ENTRY (pshufw, PSHUFW, SSE)
  XMM_ENTRY (pblendw, PBLENDW, SSE41) XMM_ENTRY (blendps, BLENDPS, SSE41) XMM_ENTRY (blendpd, BLENDPD, SSE41)
  XMM_ENTRY (mpsadbw, MPSADBW, SSE41) XMM_ENTRY (insertps, INSERTPS, SSE41)
  XMM_ENTRY (pblendvb, PBLENDVB, SSE41) XMM_ENTRY (blendvps, BLENDVPS, SSE41) XMM_ENTRY (blendvpd, BLENDVPD, SSE41)
  XMM_ENTRY (ptest, PTEST, SSE41)
  XMM_ENTRY (pinsrb, PINSRB, SSE41) XMM_ENTRY (pinsrw, PINSRW, SSE2) XMM_ENTRY (pinsrd, PINSRD, SSE41)
  XMM_ENTRY (pinsrq, PINSRQ, SSE41)
  XMM_ENTRY (pextrb, PEXTRB, SSE41) XMM_ENTRY (pextrw, PEXTRW, SSE2) XMM_ENTRY (pextrd, PEXTRD, SSE41)
  XMM_ENTRY (pextrq, PEXTRQ, SSE41) XMM_ENTRY (pextrd, EXTRACTPS, SSE41)
  MMX_ENTRY (pinsrw, PINSRW, SSE) MMX_ENTRY (pextrw, PEXTRW, SSE)
  { ZYDIS_MNEMONIC_EMMS, X86_FEAT_MMX, X86_ENTRY_MMX, x86_lower_plain, fns_emms },
  VEX_ENTRY (pextrb, VPEXTRB) VEX_ENTRY (pextrw, VPEXTRW) VEX_ENTRY (pextrd, VPEXTRD) VEX_ENTRY (pextrq, VPEXTRQ)
  VEX_ENTRY (pextrd, VEXTRACTPS)
  { 0 }
};
