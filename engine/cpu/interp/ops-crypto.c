/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AES, SHA, carry-less multiplication, and the string comparisons of SSE4.2.
 * Specification: Intel SDM volume 2; volume 1, section 12.12 (AESNI and PCLMULQDQ).
 */

#include "engine/cpu/interp/sse.h"

#define SINGLES(X)                                                                                                      \
  X (aesenc, AESENC, AES) X (aesenclast, AESENCLAST, AES) X (aesdec, AESDEC, AES) X (aesdeclast, AESDECLAST, AES)        \
  X (aesimc, AESIMC, AES) X (sha1nexte, SHA1NEXTE, SHA) X (sha1msg1, SHA1MSG1, SHA) X (sha1msg2, SHA1MSG2, SHA)          \
  X (sha256msg1, SHA256MSG1, SHA) X (sha256msg2, SHA256MSG2, SHA)
#define DEFINE_SINGLE(name, mnemonic, feature) VEC_INT (name, #name, M128)
SINGLES (DEFINE_SINGLE)

VEC_INT_IMM8 (aeskeygenassist, M128)
VEC_INT_IMM8 (pclmulqdq, M128)
VEC_INT_IMM8 (sha1rnds4, M128)

/* The round constants come in XMM0. */
static inline __m128i
sha256rnds2 (__m128i dst, __m128i src, __m128i constants)
{
  register __m128i xmm0 __asm__ ("xmm0") = constants;

  __asm__ ("sha256rnds2 %%xmm0, %1, %0" : "+x" (dst) : "x" (src), "x" (xmm0));
  return dst;
}

X86_HANDLER (op_sha256rnds2_xx)
{
  XMM (op->dst) = sha256rnds2 (XMM (op->dst), XMM (op->src), XMM (0));
  X86_NEXT;
}

X86_HANDLER (op_sha256rnds2_xm)
{
  __m128i source = x86_ld_M128 (cpu, op);

  XMM (op->dst) = sha256rnds2 (XMM (op->dst), source, XMM (0));
  X86_NEXT;
}

static const X86OpFn fns_sha256rnds2[] = { op_sha256rnds2_xx, op_sha256rnds2_xm, NULL };

/* --- String comparisons --- */

typedef const uint8_t StringTable[256][32];
extern StringTable x86_imm8_pcmpestri, x86_imm8_pcmpestrm, x86_imm8_pcmpistri, x86_imm8_pcmpistrm;
typedef uint64_t (*IndexFn) (uint32_t dst_length, uint32_t src_length, __m128i dst, __m128i src);
typedef __m128i (*MaskFn) (uint32_t dst_length, uint32_t src_length, __m128i dst, __m128i src);

/* Explicit lengths saturate at what a register holds; op->size tells how wide they are. */
static inline uint32_t
string_length (uint64_t value, unsigned size)
{
  int64_t length = x86_sext (value, size);

  return (uint32_t) CLAMP (length, -16, 16);
}

static inline void
string_compare (X86Cpu *cpu, const X86Op *op, __m128i src, StringTable index_table, StringTable mask_table)
{
  uint32_t dst_length = string_length (cpu->r[X86_RAX], op->size), src_length = string_length (cpu->r[X86_RDX], op->size);
  __m128i dst = XMM (op->dst);
  uint64_t result = ((IndexFn) (uintptr_t) index_table[op->imm & 0xff]) (dst_length, src_length, dst, src);

  if (mask_table != NULL)
    XMM (0) = ((MaskFn) (uintptr_t) mask_table[op->imm & 0xff]) (dst_length, src_length, dst, src);
  else
    cpu->r[X86_RCX] = (uint32_t) result;
  x86_set_arith_flags (cpu, (uint32_t) (result >> 32));
}

#define DEFINE_STRING(name, index, mask)                                                                                \
  X86_HANDLER (op_##name##_xx)                                                                                          \
  {                                                                                                                    \
    string_compare (cpu, op, XMM (op->src), index, mask);                                                               \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_##name##_xm)                                                                                          \
  {                                                                                                                    \
    string_compare (cpu, op, x86_ld_M128U (cpu, op), index, mask);                                                      \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_##name[] = { op_##name##_xx, op_##name##_xm, NULL };
DEFINE_STRING (pcmpestri, x86_imm8_pcmpestri, NULL)
DEFINE_STRING (pcmpestrm, x86_imm8_pcmpestri, x86_imm8_pcmpestrm)
DEFINE_STRING (pcmpistri, x86_imm8_pcmpistri, NULL)
DEFINE_STRING (pcmpistrm, x86_imm8_pcmpistri, x86_imm8_pcmpistrm)

/* VEX-coded: bits 255 to 128 of the mask are clear. */
#define DEFINE_STRING_MASK_VEX(name)                                                                                    \
  X86_HANDLER (op_v##name##_xx)                                                                                         \
  {                                                                                                                    \
    x86_clear_upper (cpu, 0);                                                                                           \
    return op_##name##_xx (cpu, op);                                                                                    \
  }                                                                                                                    \
  X86_HANDLER (op_v##name##_xm)                                                                                         \
  {                                                                                                                    \
    string_compare (cpu, op, x86_ld_M128U (cpu, op), STRING_TABLES_##name);                                             \
    x86_clear_upper (cpu, 0);                                                                                           \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  static const X86OpFn fns_v##name[] = { op_v##name##_xx, op_v##name##_xm, NULL };
#define STRING_TABLES_pcmpestrm x86_imm8_pcmpestri, x86_imm8_pcmpestrm
#define STRING_TABLES_pcmpistrm x86_imm8_pcmpistri, x86_imm8_pcmpistrm
DEFINE_STRING_MASK_VEX (pcmpestrm)
DEFINE_STRING_MASK_VEX (pcmpistrm)

static gboolean
lower_string (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  gboolean ok = x86_lower_xmm (lw, op, entry);

  op->size = lw->insn.attributes & ZYDIS_ATTRIB_HAS_REX && lw->insn.raw.rex.W ? 8 : 4;
  return ok;
}

static gboolean
lower_string_vex (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  gboolean ok = x86_lower_avx_same (lw, op, entry);

  op->size = (lw->mode & X86_MODE_CODE64) && lw->insn.raw.vex.W ? 8 : 4;
  return ok;
}

#define STRING_VEX_ENTRY(name, mnemonic)                                                                                \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, lower_string_vex, fns_##name },
#define STRING_ENTRY(name, mnemonic)                                                                                    \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_SSE42, X86_ENTRY_SSE, lower_string, fns_##name },

const X86OpEntry x86_ops_crypto[] = {
  SINGLES (XMM_ENTRY)
  XMM_ENTRY (aeskeygenassist, AESKEYGENASSIST, AES) XMM_ENTRY (pclmulqdq, PCLMULQDQ, PCLMULQDQ)
  XMM_ENTRY (sha1rnds4, SHA1RNDS4, SHA) XMM_ENTRY (sha256rnds2, SHA256RNDS2, SHA)
  STRING_ENTRY (pcmpestri, PCMPESTRI) STRING_ENTRY (pcmpestrm, PCMPESTRM)
  STRING_ENTRY (pcmpistri, PCMPISTRI) STRING_ENTRY (pcmpistrm, PCMPISTRM)
  STRING_VEX_ENTRY (pcmpestri, VPCMPESTRI) STRING_VEX_ENTRY (vpcmpestrm, VPCMPESTRM)
  STRING_VEX_ENTRY (pcmpistri, VPCMPISTRI) STRING_VEX_ENTRY (vpcmpistrm, VPCMPISTRM)
  { 0 }
};
