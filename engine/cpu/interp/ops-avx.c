/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AVX, AVX2, FMA, F16C, VAES and VPCLMULQDQ: instructions that run on the host's units as they are.
 * Specification: Intel SDM volume 1, chapters 14 (AVX, FMA and AVX2) and 11.5; volume 2A, sections 2.3 and 2.4.
 *
 * op->dst, op->src and, of registers, op->aux are the operands in order; a third source is in op->base, beside an operand
 * in memory in op->aux.
 */

#include "engine/cpu/interp/avx.h"
#include "engine/cpu/interp/avx-list.h"

const void *
x86_avx_source_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin)
{
  x86_ld_bytes (cpu, op, lin, &cpu->scratch, op->size);
  return &cpu->scratch;
}

/* Whether a half-precision result is tiny: not zero and denormal. */
static gboolean
has_tiny_half (const X86Vec *result, unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    if ((result->w[i] & 0x7c00) == 0 && (result->w[i] & 0x3ff) != 0)
      return TRUE;
  return FALSE;
}

void
x86_avx_run_guarded (X86Cpu *cpu, const X86Op *op, X86Vec *dst, const X86Vec *src1, const void *src2, const X86Vec *src3)
{
  X86Vec result;

  X86_SSE_BEGIN
  x86_avx_run (&result, src1, src2, src3, x86_avx_code (op));
  X86_SSE_END
  *dst = result;
}

static inline void
run_fp (X86Cpu *cpu, const X86Op *op, X86Vec *dst, const X86Vec *src1, const void *src2, const X86Vec *src3)
{
  if (X86_UNLIKELY (cpu->sse_guard))
    x86_avx_run_guarded (cpu, op, dst, src1, src2, src3);
  else
    x86_avx_run (dst, src1, src2, src3, x86_avx_code (op));
}

/* The operation may run twice, on what memory held the first time. */
static inline const void *
source_fp (X86Cpu *cpu, const X86Op *op)
{
  const void *source = x86_avx_source (cpu, op);

  if (X86_UNLIKELY (cpu->sse_guard) && source != &cpu->scratch)
    {
      memcpy (&cpu->scratch, source, op->size);
      return &cpu->scratch;
    }
  return source;
}

/* --- Handlers: the second source is a register, memory, or a general register --- */

X86_HANDLER (op_int_r)
{
  x86_avx_run (&cpu->vec[op->dst], &cpu->vec[op->src], &cpu->vec[op->aux], &cpu->vec[op->base], x86_avx_code (op));
  X86_NEXT;
}

X86_HANDLER (op_int_m)
{
  x86_avx_run (&cpu->vec[op->dst], &cpu->vec[op->src], x86_avx_source (cpu, op), &cpu->vec[op->aux], x86_avx_code (op));
  X86_NEXT;
}

X86_HANDLER (op_int_g)
{
  x86_avx_run (&cpu->vec[op->dst], &cpu->vec[op->src], &cpu->r[op->aux], &cpu->vec[op->src], x86_avx_code (op));
  X86_NEXT;
}

X86_HANDLER (op_int_aligned)
{
  if (X86_UNLIKELY (x86_ea (cpu, op, op->size, X86_ACCESS_READ) & (op->size - 1u)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  return op_int_m (cpu, op);
}

X86_HANDLER (op_fp_r)
{
  run_fp (cpu, op, &cpu->vec[op->dst], &cpu->vec[op->src], &cpu->vec[op->aux], &cpu->vec[op->base]);
  X86_NEXT;
}

X86_HANDLER (op_fp_m)
{
  run_fp (cpu, op, &cpu->vec[op->dst], &cpu->vec[op->src], source_fp (cpu, op), &cpu->vec[op->aux]);
  X86_NEXT;
}

X86_HANDLER (op_fp_g)
{
  run_fp (cpu, op, &cpu->vec[op->dst], &cpu->vec[op->src], &cpu->r[op->aux], &cpu->vec[op->src]);
  X86_NEXT;
}

/* The immediate is the count that a second source would have. */
X86_HANDLER (op_shift_i)
{
  cpu->scratch.q[0] = (uint8_t) op->disp;
  cpu->scratch.q[1] = 0;
  x86_avx_run (&cpu->vec[op->dst], &cpu->vec[op->src], &cpu->scratch, &cpu->vec[op->src], x86_avx_code (op));
  X86_NEXT;
}

X86_HANDLER (op_mask)
{
  cpu->r[op->dst] = x86_avx_mask (&cpu->vec[op->src], x86_avx_code (op));
  X86_NEXT;
}

X86_HANDLER (op_test_r)
{
  x86_set_arith_flags (cpu, x86_avx_flags (&cpu->vec[op->dst], x86_avx_code (op), &cpu->vec[op->src]));
  X86_NEXT;
}

X86_HANDLER (op_test_m)
{
  x86_set_arith_flags (cpu, x86_avx_flags (&cpu->vec[op->dst], x86_avx_code (op), x86_avx_source (cpu, op)));
  X86_NEXT;
}

static const X86OpFn fns_INT[] = { op_int_r, op_int_m, op_int_g }, fns_FP[] = { op_fp_r, op_fp_m, op_fp_g },
                     fns_aligned[] = { op_int_r, op_int_aligned, NULL }, fns_load[] = { NULL, op_int_m, NULL };

/* --- Lowering --- */

gboolean
x86_avx_is_there (const X86Lower *lw)
{
  const X86Cpu *cpu = lw->cpu;

  if (lw->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX || !x86_has (cpu, X86_FEAT_AVX))
    return FALSE;
  switch (lw->insn.meta.isa_set)
    {
    case ZYDIS_ISA_SET_AVX:
      switch (lw->insn.mnemonic)
        {
        case ZYDIS_MNEMONIC_VPCLMULQDQ: return x86_has (cpu, X86_FEAT_PCLMULQDQ);
        /* AMD's processors do not know the forms of 64 bits outside 64-bit code; Intel's ignore VEX.W there. */
        case ZYDIS_MNEMONIC_VPINSRD:
        case ZYDIS_MNEMONIC_VPEXTRD: return !lw->insn.raw.vex.W;
        default: return TRUE;
        }
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVX2GATHER: return x86_has (cpu, X86_FEAT_AVX2);
    case ZYDIS_ISA_SET_AVXAES: return x86_has (cpu, X86_FEAT_AES);
    case ZYDIS_ISA_SET_F16C: return x86_has (cpu, X86_FEAT_F16C);
    case ZYDIS_ISA_SET_FMA: return x86_has (cpu, X86_FEAT_FMA);
    case ZYDIS_ISA_SET_VAES: return x86_has (cpu, X86_FEAT_VAES);
    case ZYDIS_ISA_SET_VPCLMULQDQ: return x86_has (cpu, X86_FEAT_VPCLMULQDQ);
    default: return FALSE;
    }
}

gboolean
x86_avx_is_256 (const X86Lower *lw)
{
  for (unsigned n = 0; n < lw->count; n++)
    if (lw->opr[n].size == 256)
      return TRUE;
  return FALSE;
}

gboolean
x86_lower_avx_same (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return x86_avx_is_there (lw) && !x86_avx_is_256 (lw) && x86_lower_vec (lw, op, entry);
}

static gboolean
is_vector (const X86Lower *lw, unsigned n)
{
  ZydisRegisterClass class = x86_operand_class (lw, n);

  return class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM;
}

static uint8_t
register_of (const X86Lower *lw, unsigned n)
{
  return x86_lower_reg (lw->opr[n].reg.value);
}

/* Finds the code for the length and the immediate. */
static void
set_code (const X86Lower *lw, X86Op *op, const X86OpEntry *entry, gboolean has_imm)
{
  enum { SLOT = 8, VALUES = 256 };
  int32_t offset = (int32_t) (entry->code - x86_avx_base);

  if (x86_avx_is_256 (lw))
    offset += has_imm ? VALUES * SLOT : SLOT;
  if (has_imm)
    offset += (int32_t) (lw->opr[lw->count - 1].imm.value.u & 0xff) * SLOT;
  op->imm = offset;
}

/* Operand @n: a register of either kind, or memory. */
static gboolean
lower_source (X86Lower *lw, X86Op *op, const X86OpEntry *entry, unsigned n)
{
  op->size = (uint8_t) x86_operand_size (lw, n);
  if (x86_is_mem (lw, n))
    {
      op->fn = entry->fns[1];
      return op->fn != NULL && x86_lower_mem (lw, op, n);
    }
  op->aux = op->base = register_of (lw, n);
  op->fn = entry->fns[is_vector (lw, n) ? 0 : 2];
  return op->fn != NULL;
}

/* @count operands, all but the last of which are vector registers, and perhaps an immediate behind them. */
static gboolean
has_shape (const X86Lower *lw, unsigned count, gboolean has_imm)
{
  if (!x86_avx_is_there (lw) || lw->count != count + (has_imm ? 1 : 0) || (has_imm && !x86_is_imm (lw, count))
      || x86_is_imm (lw, count - 1))
    return FALSE;
  for (unsigned n = 0; n + 1 < count; n++)
    if (!is_vector (lw, n))
      return FALSE;
  return TRUE;
}

static gboolean
lower_binary_or_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry, gboolean has_imm)
{
  if (!has_shape (lw, 3, has_imm) || !lower_source (lw, op, entry, 2))
    return FALSE;
  op->dst = register_of (lw, 0);
  op->src = register_of (lw, 1);
  set_code (lw, op, entry, has_imm);
  return TRUE;
}

static gboolean
lower_unary_or_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry, gboolean has_imm)
{
  if (!has_shape (lw, 2, has_imm) || !lower_source (lw, op, entry, 1))
    return FALSE;
  op->dst = op->src = register_of (lw, 0);
  set_code (lw, op, entry, has_imm);
  return TRUE;
}

static gboolean
lower_binary (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_binary_or_imm (lw, op, entry, FALSE);
}

static gboolean
lower_binary_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_binary_or_imm (lw, op, entry, TRUE);
}

static gboolean
lower_unary (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_unary_or_imm (lw, op, entry, FALSE);
}

static gboolean
lower_unary_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_unary_or_imm (lw, op, entry, TRUE);
}

static void
set_third (const X86Lower *lw, X86Op *op, unsigned source, uint8_t reg)
{
  if (x86_is_mem (lw, source))
    op->aux = reg;
  else
    op->base = reg;
}

static gboolean
lower_fma (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!has_shape (lw, 3, FALSE) || !lower_source (lw, op, entry, 2))
    return FALSE;
  op->dst = op->src = register_of (lw, 0);
  set_third (lw, op, 2, register_of (lw, 1));
  set_code (lw, op, entry, FALSE);
  return TRUE;
}

static gboolean
lower_blendv (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 4 || !lower_source (lw, op, entry, 2))
    return FALSE;
  op->dst = register_of (lw, 0);
  op->src = register_of (lw, 1);
  set_third (lw, op, 2, register_of (lw, 3));
  set_code (lw, op, entry, FALSE);
  return TRUE;
}

static gboolean
lower_registers_or_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry, gboolean has_imm)
{
  if (!has_shape (lw, 3, has_imm) || !is_vector (lw, 2))
    return FALSE;
  op->fn = op_int_r;
  op->dst = register_of (lw, 0);
  op->src = register_of (lw, 1);
  op->aux = op->base = register_of (lw, 2);
  set_code (lw, op, entry, has_imm);
  return TRUE;
}

static gboolean
lower_registers (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_registers_or_imm (lw, op, entry, FALSE);
}

static gboolean
lower_registers_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lower_registers_or_imm (lw, op, entry, TRUE);
}

static gboolean
lower_shift_imm (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!has_shape (lw, 2, TRUE) || !is_vector (lw, 1))
    return FALSE;
  op->fn = op_shift_i;
  op->dst = register_of (lw, 0);
  op->src = register_of (lw, 1);
  op->disp = (int32_t) (lw->opr[2].imm.value.u & 0xff);
  set_code (lw, op, entry, FALSE);
  return TRUE;
}

static gboolean
lower_shift_bytes (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!has_shape (lw, 2, TRUE) || !is_vector (lw, 1))
    return FALSE;
  op->fn = op_int_r;
  op->dst = register_of (lw, 0);
  op->src = op->aux = op->base = register_of (lw, 1);
  set_code (lw, op, entry, TRUE);
  return TRUE;
}

/* Behind the code for 32-bit integers comes that for 64 bits. */
static gboolean
lower_from_integer (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  enum { SLOT = 8 };

  if (!lower_binary (lw, op, entry))
    return FALSE;
  if (op->size == 8)
    op->imm += SLOT;
  return TRUE;
}

static gboolean
lower_mask (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 2 || !is_vector (lw, 1))
    return FALSE;
  op->fn = op_mask;
  op->dst = register_of (lw, 0);
  op->src = register_of (lw, 1);
  set_code (lw, op, entry, FALSE);
  return TRUE;
}

static gboolean
lower_test (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!has_shape (lw, 2, FALSE))
    return FALSE;
  op->dst = register_of (lw, 0);
  op->size = (uint8_t) x86_operand_size (lw, 1);
  if (x86_is_mem (lw, 1))
    {
      op->fn = op_test_m;
      if (!x86_lower_mem (lw, op, 1))
        return FALSE;
    }
  else
    {
      op->fn = op_test_r;
      op->src = register_of (lw, 1);
    }
  set_code (lw, op, entry, FALSE);
  return TRUE;
}

/* --- VCVTPS2PH: the result may go to memory --- */

/* Flushing to zero does not apply to its results, so that the second run does not show exact ones that are tiny. */
static void
to_half (X86Cpu *cpu, const X86Op *op, X86Vec *result)
{
  X86_SSE_BEGIN
  x86_avx_run (result, &cpu->vec[op->src], &cpu->vec[op->src], &cpu->vec[op->src], x86_avx_code (op));
  if (X86_UNLIKELY (cpu->sse_guard) && cpu->sse_pass == 1 && has_tiny_half (result, op->size / 2))
    cpu->sse_flags |= X86_FSW_UE;
  X86_SSE_END
}

X86_HANDLER (op_to_half_r)
{
  X86Vec result;

  to_half (cpu, op, &result);
  cpu->vec[op->dst] = result;
  X86_NEXT_LOOP;
}

X86_HANDLER (op_to_half_m)
{
  uint64_t lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE);
  X86Vec result;

  x86_probe_write (cpu, op, lin, op->size);
  to_half (cpu, op, &result);
  x86_st_bytes (cpu, op, lin, &result, op->size);
  X86_NEXT_LOOP;
}

static gboolean
lower_to_half (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 3)
    return FALSE;
  op->src = register_of (lw, 1);
  op->size = x86_avx_is_256 (lw) ? 16 : 8;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_to_half_m;
      if (!x86_lower_mem (lw, op, 0))
        return FALSE;
    }
  else
    {
      op->fn = op_to_half_r;
      op->dst = register_of (lw, 0);
    }
  set_code (lw, op, entry, TRUE);
  return TRUE;
}

/* --- The table --- */

#define DECLARE(name, mnemonic, unit) extern const uint8_t x86_avx_##name[];
AVX_BINARY (DECLARE)
AVX_SHIFT (DECLARE)
AVX_BINARY_128 (DECLARE)
AVX_BINARY_256 (DECLARE)
AVX_BINARY_IMM (DECLARE)
AVX_BINARY_IMM_128 (DECLARE)
AVX_BINARY_IMM_256 (DECLARE)
AVX_UNARY (DECLARE)
AVX_ALIGNED (DECLARE)
AVX_UNARY_128 (DECLARE)
AVX_LOAD_128 (DECLARE)
AVX_UNARY_256 (DECLARE)
AVX_NARROW (DECLARE)
AVX_UNARY_IMM (DECLARE)
AVX_UNARY_IMM_128 (DECLARE)
AVX_UNARY_IMM_256 (DECLARE)
AVX_REGISTERS_128 (DECLARE)
AVX_SHIFT_BYTES (DECLARE)
AVX_BLENDV (DECLARE)
AVX_FMA (DECLARE)
AVX_FMA_128 (DECLARE)
AVX_MASK (DECLARE)
AVX_TEST (DECLARE)
#define DECLARE_MERGE(name, mnemonic, unit) extern const uint8_t x86_avx_##name##_merge[];
#define DECLARE_IMM(name, mnemonic, unit) extern const uint8_t x86_avx_##name##_imm[];
AVX_LOAD_128 (DECLARE_MERGE)
AVX_PERMIL_IMM (DECLARE_IMM)
extern const uint8_t x86_avx_vcvtsi2ss[], x86_avx_vcvtsi2sd[], x86_avx_vinsertps[], x86_avx_vinsertps_registers[],
  x86_avx_vcvtps2ph[];

#define ENTRY(mnemonic, lower, fns, code)                                                                               \
  { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_AVX, X86_AVX_ENTRY, lower, fns, x86_avx_##code },
#define BINARY(name, mnemonic, unit) ENTRY (mnemonic, lower_binary, fns_##unit, name)
#define BINARY_IMM(name, mnemonic, unit) ENTRY (mnemonic, lower_binary_imm, fns_##unit, name)
#define UNARY(name, mnemonic, unit) ENTRY (mnemonic, lower_unary, fns_##unit, name)
#define UNARY_IMM(name, mnemonic, unit) ENTRY (mnemonic, lower_unary_imm, fns_##unit, name)
#define PERMIL_IMM(name, mnemonic, unit) ENTRY (mnemonic, lower_unary_imm, fns_##unit, name##_imm)
#define ALIGNED(name, mnemonic, unit) ENTRY (mnemonic, lower_unary, fns_aligned, name)
#define LOAD(name, mnemonic, unit) ENTRY (mnemonic, lower_unary, fns_load, name)
#define MERGE(name, mnemonic, unit) ENTRY (mnemonic, lower_registers, NULL, name##_merge)
#define REGISTERS(name, mnemonic, unit) ENTRY (mnemonic, lower_registers, NULL, name)
#define SHIFT(name, mnemonic, unit) BINARY (name, mnemonic, unit) ENTRY (mnemonic, lower_shift_imm, NULL, name)
#define SHIFT_BYTES(name, mnemonic, unit) ENTRY (mnemonic, lower_shift_bytes, NULL, name)
#define BLENDV(name, mnemonic, unit) ENTRY (mnemonic, lower_blendv, fns_##unit, name)
#define FMA(name, mnemonic, unit) ENTRY (mnemonic, lower_fma, fns_##unit, name)
#define MASK(name, mnemonic, unit) ENTRY (mnemonic, lower_mask, NULL, name)
#define TEST(name, mnemonic, unit) ENTRY (mnemonic, lower_test, NULL, name)

const X86OpEntry x86_ops_avx[] = {
  AVX_BINARY (BINARY) AVX_BINARY_128 (BINARY) AVX_BINARY_256 (BINARY)
  AVX_BINARY_IMM (BINARY_IMM) AVX_BINARY_IMM_128 (BINARY_IMM) AVX_BINARY_IMM_256 (BINARY_IMM)
  AVX_UNARY (UNARY) AVX_UNARY_128 (UNARY) AVX_UNARY_256 (UNARY) AVX_NARROW (UNARY) AVX_ALIGNED (ALIGNED)
  AVX_UNARY_IMM (UNARY_IMM) AVX_UNARY_IMM_128 (UNARY_IMM) AVX_UNARY_IMM_256 (UNARY_IMM) AVX_PERMIL_IMM (PERMIL_IMM)
  AVX_LOAD_128 (LOAD) AVX_LOAD_128 (MERGE) AVX_REGISTERS_128 (REGISTERS)
  AVX_SHIFT (SHIFT) AVX_SHIFT_BYTES (SHIFT_BYTES)
  AVX_BLENDV (BLENDV) AVX_FMA (FMA) AVX_FMA_128 (FMA) AVX_MASK (MASK) AVX_TEST (TEST)
  ENTRY (VCVTSI2SS, lower_from_integer, fns_FP, vcvtsi2ss) ENTRY (VCVTSI2SD, lower_from_integer, fns_FP, vcvtsi2sd)
  ENTRY (VINSERTPS, lower_registers_imm, NULL, vinsertps_registers) ENTRY (VINSERTPS, lower_binary_imm, fns_load, vinsertps)
  ENTRY (VCVTPS2PH, lower_to_half, NULL, vcvtps2ph)
  { 0 }
};
