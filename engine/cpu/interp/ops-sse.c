/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moves of vector registers: whole, halves, scalars, to and from general and
 * MMX registers, masks; MXCSR. Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/sse.h"

__m128i
x86_ld_vec_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin)
{
  __m128i value;

  x86_ld_bytes (cpu, op, lin, &value, sizeof value);
  return value;
}

void
x86_st_vec_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, __m128i value)
{
  x86_st_bytes (cpu, op, lin, &value, sizeof value);
}

/* --- Lowering --- */

ZydisRegisterClass
x86_operand_class (const X86Lower *lw, unsigned n)
{
  return x86_is_reg (lw, n) ? ZydisRegisterGetClass (lw->opr[n].reg.value) : ZYDIS_REGCLASS_INVALID;
}

gboolean
x86_lower_xmm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (x86_operand_class (lw, 0) != ZYDIS_REGCLASS_XMM && x86_operand_class (lw, 1) != ZYDIS_REGCLASS_XMM)
    return FALSE;
  return x86_lower_vec (lw, op, entry);
}

gboolean
x86_lower_mmx (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (x86_operand_class (lw, 0) != ZYDIS_REGCLASS_MMX && x86_operand_class (lw, 1) != ZYDIS_REGCLASS_MMX)
    return FALSE;
  return x86_lower_vec (lw, op, entry);
}

/* --- Whole registers --- */

X86_HANDLER (op_mov_xx)
{
  XMM (op->dst) = XMM (op->src);
  X86_NEXT;
}

X86_HANDLER (op_mova_xm)
{
  XMM (op->dst) = x86_ld_M128 (cpu, op);
  X86_NEXT;
}

X86_HANDLER (op_mova_mx)
{
  x86_st_vec_at (cpu, op, x86_ea_aligned (cpu, op, X86_ACCESS_WRITE), XMM (op->src));
  X86_NEXT;
}

X86_HANDLER (op_movu_xm)
{
  XMM (op->dst) = x86_ld_M128U (cpu, op);
  X86_NEXT;
}

X86_HANDLER (op_movu_mx)
{
  x86_st_vec_at (cpu, op, x86_ea (cpu, op, 16, X86_ACCESS_WRITE), XMM (op->src));
  X86_NEXT;
}

static const X86OpFn fns_mova[] = { op_mov_xx, op_mova_xm, op_mova_mx }, fns_movu[] = { op_mov_xx, op_movu_xm, op_movu_mx };

/* --- Scalars and halves --- */

X86_HANDLER (op_movss_xx)
{
  cpu->vec[op->dst].d[0] = cpu->vec[op->src].d[0];
  X86_NEXT;
}

X86_HANDLER (op_movss_xm)
{
  XMM (op->dst) = x86_ld_M32 (cpu, op);
  X86_NEXT;
}

X86_HANDLER (op_movss_mx)
{
  x86_st32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_WRITE), cpu->vec[op->src].d[0]);
  X86_NEXT;
}

X86_HANDLER (op_movsd_xx)
{
  cpu->vec[op->dst].q[0] = cpu->vec[op->src].q[0];
  X86_NEXT;
}

X86_HANDLER (op_movsd_xm)
{
  XMM (op->dst) = x86_ld_M64 (cpu, op);
  X86_NEXT;
}

X86_HANDLER (op_movlps_xm)
{
  cpu->vec[op->dst].q[0] = x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ));
  X86_NEXT;
}

X86_HANDLER (op_movlps_mx)
{
  x86_st64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_WRITE), cpu->vec[op->src].q[0]);
  X86_NEXT;
}

X86_HANDLER (op_movhps_xm)
{
  cpu->vec[op->dst].q[1] = x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ));
  X86_NEXT;
}

X86_HANDLER (op_movhps_mx)
{
  x86_st64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_WRITE), cpu->vec[op->src].q[1]);
  X86_NEXT;
}

X86_HANDLER (op_movhlps_xx)
{
  cpu->vec[op->dst].q[0] = cpu->vec[op->src].q[1];
  X86_NEXT;
}

X86_HANDLER (op_movlhps_xx)
{
  cpu->vec[op->dst].q[1] = cpu->vec[op->src].q[0];
  X86_NEXT;
}

VEC_INT (movddup, "movddup", M64)
VEC_INT (movshdup, "movshdup", M128)
VEC_INT (movsldup, "movsldup", M128)

static const X86OpFn fns_movss[] = { op_movss_xx, op_movss_xm, op_movss_mx },
                     fns_movsd[] = { op_movsd_xx, op_movsd_xm, op_movlps_mx },
                     fns_movlps[] = { NULL, op_movlps_xm, op_movlps_mx },
                     fns_movhps[] = { NULL, op_movhps_xm, op_movhps_mx }, fns_movhlps[] = { op_movhlps_xx, NULL, NULL },
                     fns_movlhps[] = { op_movlhps_xx, NULL, NULL };

/* --- MOVD and MOVQ --- */

X86_HANDLER (op_movd_xr)
{
  XMM (op->dst) = _mm_cvtsi32_si128 ((int32_t) cpu->r[op->src]);
  X86_NEXT;
}

X86_HANDLER (op_movd_rx)
{
  cpu->r[op->dst] = cpu->vec[op->src].d[0];
  X86_NEXT;
}

X86_HANDLER (op_movq_xr)
{
  XMM (op->dst) = _mm_cvtsi64_si128 ((int64_t) cpu->r[op->src]);
  X86_NEXT;
}

X86_HANDLER (op_movq_rx)
{
  cpu->r[op->dst] = cpu->vec[op->src].q[0];
  X86_NEXT;
}

X86_HANDLER (op_movq_xx)
{
  XMM (op->dst) = _mm_move_epi64 (XMM (op->src));
  X86_NEXT;
}

X86_HANDLER (op_movd_pr)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, (uint32_t) cpu->r[op->src]);
  X86_NEXT;
}

X86_HANDLER (op_movd_pm)
{
  uint32_t value;

  x86_mmx_begin (cpu, op);
  value = x86_ld32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_READ));
  x86_mmx_set (cpu, op->dst, value);
  X86_NEXT;
}

X86_HANDLER (op_movd_rp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  cpu->r[op->dst] = (uint32_t) cpu->fpu.st[op->src].mant;
  X86_NEXT;
}

X86_HANDLER (op_movd_mp)
{
  x86_mmx_begin (cpu, op);
  x86_st32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_WRITE), (uint32_t) cpu->fpu.st[op->src].mant);
  x86_mmx_touch (cpu);
  X86_NEXT;
}

X86_HANDLER (op_movq_pr)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, cpu->r[op->src]);
  X86_NEXT;
}

X86_HANDLER (op_movq_pm)
{
  uint64_t value;

  x86_mmx_begin (cpu, op);
  value = x86_ld64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_READ));
  x86_mmx_set (cpu, op->dst, value);
  X86_NEXT;
}

X86_HANDLER (op_movq_rp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  cpu->r[op->dst] = cpu->fpu.st[op->src].mant;
  X86_NEXT;
}

X86_HANDLER (op_movq_mp)
{
  x86_mmx_begin (cpu, op);
  x86_st64 (cpu, op, x86_ea (cpu, op, 8, X86_ACCESS_WRITE), cpu->fpu.st[op->src].mant);
  x86_mmx_touch (cpu);
  X86_NEXT;
}

X86_HANDLER (op_movq_pp)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, cpu->fpu.st[op->src].mant);
  X86_NEXT;
}

X86_HANDLER (op_movq2dq)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  XMM (op->dst) = _mm_cvtsi64_si128 ((int64_t) cpu->fpu.st[op->src].mant);
  X86_NEXT;
}

X86_HANDLER (op_movdq2q)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_set (cpu, op->dst, cpu->vec[op->src].q[0]);
  X86_NEXT;
}

/* By the kinds of the two operands; memory has the class INVALID. */
static gboolean
lower_by_class (X86Lower *lw, X86Op *op, const X86OpEntry *entry, ZydisRegisterClass dst, ZydisRegisterClass src,
                X86OpFn fn)
{
  if (x86_operand_class (lw, 0) != dst || x86_operand_class (lw, 1) != src)
    return FALSE;
  if (x86_is_reg (lw, 0))
    op->dst = x86_lower_reg (lw->opr[0].reg.value);
  else if (!x86_lower_mem (lw, op, 0))
    return FALSE;
  if (x86_is_reg (lw, 1))
    op->src = x86_lower_reg (lw->opr[1].reg.value);
  else if (!x86_lower_mem (lw, op, 1))
    return FALSE;
  op->fn = fn;
  return TRUE;
}

/* fns: xmm ← r, r ← xmm, xmm ← m, m ← xmm, xmm ← xmm; or the same with mm. */
static gboolean
lower_mov_class (X86Lower *lw, X86Op *op, const X86OpEntry *entry, ZydisRegisterClass vec)
{
  ZydisRegisterClass general = op->size == 8 ? ZYDIS_REGCLASS_GPR64 : ZYDIS_REGCLASS_GPR32,
                     mem = ZYDIS_REGCLASS_INVALID;

  return lower_by_class (lw, op, entry, vec, general, entry->fns[0])
         || lower_by_class (lw, op, entry, general, vec, entry->fns[1])
         || lower_by_class (lw, op, entry, vec, mem, entry->fns[2])
         || lower_by_class (lw, op, entry, mem, vec, entry->fns[3])
         || (entry->fns[4] != NULL && lower_by_class (lw, op, entry, vec, vec, entry->fns[4]));
}

static gboolean
lower_mov_xmm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = entry->mnemonic == ZYDIS_MNEMONIC_MOVQ ? 8 : 4;
  return lower_mov_class (lw, op, entry, ZYDIS_REGCLASS_XMM);
}

/* What is left of the VEX-coded forms: from vector registers. */
static gboolean
lower_mov_vex (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = entry->mnemonic == ZYDIS_MNEMONIC_VMOVQ ? 8 : 4;
  return x86_avx_is_there (lw) && lower_mov_class (lw, op, entry, ZYDIS_REGCLASS_XMM);
}

static gboolean
lower_mov_mmx (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = entry->mnemonic == ZYDIS_MNEMONIC_MOVQ ? 8 : 4;
  return lower_mov_class (lw, op, entry, ZYDIS_REGCLASS_MMX);
}

static const X86OpFn fns_movd_xmm[] = { op_movd_xr, op_movd_rx, op_movss_xm, op_movss_mx, NULL },
                     fns_movq_xmm[] = { op_movq_xr, op_movq_rx, op_movsd_xm, op_movlps_mx, op_movq_xx },
                     fns_movd_mmx[] = { op_movd_pr, op_movd_rp, op_movd_pm, op_movd_mp, NULL },
                     fns_movq_mmx[] = { op_movq_pr, op_movq_rp, op_movq_pm, op_movq_mp, op_movq_pp },
                     fns_movntq[] = { NULL, NULL, op_movq_mp }, fns_movntdqa[] = { NULL, op_mova_xm, NULL },
                     fns_lddqu[] = { NULL, op_movu_xm, NULL }, fns_movq2dq[] = { op_movq2dq, NULL, NULL },
                     fns_movdq2q[] = { op_movdq2q, NULL, NULL };

/* --- Masks --- */

X86_HANDLER (op_movmskps)
{
  cpu->r[op->dst] = (uint32_t) _mm_movemask_ps (_mm_castsi128_ps (XMM (op->src)));
  X86_NEXT;
}

X86_HANDLER (op_movmskpd)
{
  cpu->r[op->dst] = (uint32_t) _mm_movemask_pd (_mm_castsi128_pd (XMM (op->src)));
  X86_NEXT;
}

X86_HANDLER (op_pmovmskb_x)
{
  cpu->r[op->dst] = (uint32_t) _mm_movemask_epi8 (XMM (op->src));
  X86_NEXT;
}

X86_HANDLER (op_pmovmskb_p)
{
  x86_mmx_begin (cpu, op);
  x86_mmx_touch (cpu);
  cpu->r[op->dst] = (uint32_t) _mm_movemask_epi8 (_mm_cvtsi64_si128 ((int64_t) cpu->fpu.st[op->src].mant));
  X86_NEXT;
}

static const X86OpFn fns_movmskps[] = { op_movmskps, NULL, NULL }, fns_movmskpd[] = { op_movmskpd, NULL, NULL },
                     fns_pmovmskb[] = { op_pmovmskb_x, NULL, NULL }, fns_mmx_pmovmskb[] = { op_pmovmskb_p, NULL, NULL };

/* Stores the bytes of @value whose mask byte has its top bit set; only those may fault. */
static void
store_masked (X86Cpu *cpu, const X86Op *op, const uint8_t *value, const uint8_t *mask, unsigned count)
{
  uint64_t lin = x86_ea (cpu, op, count, X86_ACCESS_WRITE);

  for (unsigned i = 0; i < count; i++)
    if (mask[i] & 0x80)
      x86_probe_write (cpu, op, lin + i, 1);
  for (unsigned i = 0; i < count; i++)
    if (mask[i] & 0x80)
      x86_st8 (cpu, op, lin + i, value[i]);
}

X86_HANDLER (op_maskmovdqu)
{
  store_masked (cpu, op, cpu->vec[op->dst].b, cpu->vec[op->src].b, 16);
  X86_NEXT;
}

X86_HANDLER (op_maskmovq)
{
  x86_mmx_begin (cpu, op);
  store_masked (cpu, op, (const uint8_t *) &cpu->fpu.st[op->dst].mant, (const uint8_t *) &cpu->fpu.st[op->src].mant, 8);
  x86_mmx_touch (cpu);
  X86_NEXT;
}

/* The address is DS:rDI. */
static gboolean
lower_maskmov (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned first = x86_is_reg (lw, 0) ? 0 : 1;

  if (!x86_is_reg (lw, first) || !x86_is_reg (lw, first + 1)
      || (entry->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU && !x86_avx_is_there (lw)))
    return FALSE;
  op->dst = x86_lower_reg (lw->opr[first].reg.value);
  op->src = x86_lower_reg (lw->opr[first + 1].reg.value);
  op->base = X86_RDI;
  x86_lower_segment (lw, op, x86_lower_override (lw));
  op->fn = entry->fns[0];
  return TRUE;
}

static const X86OpFn fns_maskmovdqu[] = { op_maskmovdqu }, fns_maskmovq[] = { op_maskmovq };

/* --- MOVNTI, MXCSR --- */

X86_HANDLER (op_movnti)
{
  uint64_t lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE);

  if (op->size == 8)
    x86_st64 (cpu, op, lin, cpu->r[op->src]);
  else
    x86_st32 (cpu, op, lin, (uint32_t) cpu->r[op->src]);
  X86_NEXT;
}

X86_HANDLER (op_ldmxcsr)
{
  uint32_t value = x86_ld32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_READ));

  if (value & ~(uint32_t) X86_MXCSR_MASK)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_set_mxcsr (cpu, value);
  X86_NEXT;
}

X86_HANDLER (op_stmxcsr)
{
  x86_st32 (cpu, op, x86_ea (cpu, op, 4, X86_ACCESS_WRITE), x86_mxcsr (cpu));
  X86_NEXT;
}

static const X86OpFn fns_movnti[] = { NULL, NULL, op_movnti }, fns_ldmxcsr[] = { NULL, op_ldmxcsr, NULL },
                     fns_stmxcsr[] = { NULL, op_stmxcsr, NULL };

const X86OpEntry x86_ops_sse[] = {
  XMM_ENTRY (mova, MOVAPS, SSE) XMM_ENTRY (mova, MOVAPD, SSE2) XMM_ENTRY (mova, MOVDQA, SSE2)
  XMM_ENTRY (movu, MOVUPS, SSE) XMM_ENTRY (movu, MOVUPD, SSE2) XMM_ENTRY (movu, MOVDQU, SSE2)
  XMM_ENTRY (lddqu, LDDQU, SSE3) XMM_ENTRY (movntdqa, MOVNTDQA, SSE41)
  XMM_ENTRY (mova, MOVNTPS, SSE) XMM_ENTRY (mova, MOVNTPD, SSE2) XMM_ENTRY (mova, MOVNTDQ, SSE2)
  XMM_ENTRY (movss, MOVSS, SSE) XMM_ENTRY (movsd, MOVSD, SSE2)
  XMM_ENTRY (movlps, MOVLPS, SSE) XMM_ENTRY (movlps, MOVLPD, SSE2)
  XMM_ENTRY (movhps, MOVHPS, SSE) XMM_ENTRY (movhps, MOVHPD, SSE2)
  XMM_ENTRY (movhlps, MOVHLPS, SSE) XMM_ENTRY (movlhps, MOVLHPS, SSE)
  XMM_ENTRY (movddup, MOVDDUP, SSE3) XMM_ENTRY (movshdup, MOVSHDUP, SSE3) XMM_ENTRY (movsldup, MOVSLDUP, SSE3)
  { ZYDIS_MNEMONIC_MOVD, X86_FEAT_SSE2, X86_ENTRY_SSE, lower_mov_xmm, fns_movd_xmm },
  { ZYDIS_MNEMONIC_MOVD, X86_FEAT_MMX, X86_ENTRY_MMX, lower_mov_mmx, fns_movd_mmx },
  { ZYDIS_MNEMONIC_MOVQ, X86_FEAT_SSE2, X86_ENTRY_SSE, lower_mov_xmm, fns_movq_xmm },
  { ZYDIS_MNEMONIC_MOVQ, X86_FEAT_MMX, X86_ENTRY_MMX, lower_mov_mmx, fns_movq_mmx },
  { ZYDIS_MNEMONIC_MOVNTQ, X86_FEAT_SSE, X86_ENTRY_MMX, x86_lower_mmx, fns_movntq },
  XMM_ENTRY (movq2dq, MOVQ2DQ, SSE2) XMM_ENTRY (movdq2q, MOVDQ2Q, SSE2)
  XMM_ENTRY (movmskps, MOVMSKPS, SSE) XMM_ENTRY (movmskpd, MOVMSKPD, SSE2)
  XMM_ENTRY (pmovmskb, PMOVMSKB, SSE2) MMX_ENTRY (pmovmskb, PMOVMSKB, SSE)
  { ZYDIS_MNEMONIC_MASKMOVDQU, X86_FEAT_SSE2, X86_ENTRY_SSE, lower_maskmov, fns_maskmovdqu },
  { ZYDIS_MNEMONIC_MASKMOVQ, X86_FEAT_SSE, X86_ENTRY_MMX, lower_maskmov, fns_maskmovq },
  { ZYDIS_MNEMONIC_MOVNTI, X86_FEAT_SSE2, 0, x86_lower_vec, fns_movnti },
  { ZYDIS_MNEMONIC_LDMXCSR, X86_FEAT_SSE, X86_ENTRY_SSE, x86_lower_vec, fns_ldmxcsr },
  { ZYDIS_MNEMONIC_STMXCSR, X86_FEAT_SSE, X86_ENTRY_SSE, x86_lower_vec, fns_stmxcsr },
  /* Stores: what writes vector registers is in ops-avx.c, which comes first. */
  VEX_ENTRY (movss, VMOVSS) VEX_ENTRY (movsd, VMOVSD) VEX_ENTRY (movlps, VMOVLPS) VEX_ENTRY (movlps, VMOVLPD)
  VEX_ENTRY (movhps, VMOVHPS) VEX_ENTRY (movhps, VMOVHPD)
  { ZYDIS_MNEMONIC_VMOVD, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, lower_mov_vex, fns_movd_xmm },
  { ZYDIS_MNEMONIC_VMOVQ, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, lower_mov_vex, fns_movq_xmm },
  { ZYDIS_MNEMONIC_VMASKMOVDQU, X86_FEAT_AVX, X86_ENTRY_AVX | X86_ENTRY_PE, lower_maskmov, fns_maskmovdqu },
  VEX_ENTRY (ldmxcsr, VLDMXCSR) VEX_ENTRY (stmxcsr, VSTMXCSR)
  { 0 }
};
