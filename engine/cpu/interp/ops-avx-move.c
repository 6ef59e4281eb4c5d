/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AVX and AVX2: stores, moves under a mask, gathers, halves of registers, VZEROUPPER and VZEROALL.
 * Specification: Intel SDM volume 2, especially VMASKMOV, VPMASKMOV, VGATHER…; volume 2A, section 2.4 (exceptions).
 */

#include "engine/cpu/interp/avx.h"

/* --- Stores: op->size bytes of the register op->src --- */

static inline void
store_vector (X86Cpu *cpu, const X86Op *op, uint64_t lin)
{
  void *host = x86_host_write (cpu, lin, op->size);

  if (X86_UNLIKELY (host == NULL))
    x86_st_bytes (cpu, op, lin, &cpu->vec[op->src], op->size);
  else if (op->size == 32)
    x86_avx_copy (host, &cpu->vec[op->src]);
  else
    _mm_storeu_si128 (host, XMM (op->src));
}

X86_HANDLER (op_store)
{
  store_vector (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_WRITE));
  X86_NEXT;
}

X86_HANDLER (op_store_aligned)
{
  uint64_t lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE);

  if (X86_UNLIKELY (lin & (op->size - 1u)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  store_vector (cpu, op, lin);
  X86_NEXT;
}

static gboolean
lower_store (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 2 || !x86_is_mem (lw, 0))
    return FALSE;
  op->size = x86_avx_is_256 (lw) ? 32 : 16;
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->fn = entry->fns[0];
  return x86_lower_mem (lw, op, 0);
}

/* --- Elements under a mask --- */

/* Linear address of an element of @size bytes, @by behind the operand's beginning. */
static uint64_t
element_address (X86Cpu *cpu, const X86Op *op, uint64_t by, unsigned size, X86Access access)
{
  uint64_t offset = x86_ea_offset (cpu, op) + by;

  if (op->ea == X86_EA_FLAT64)
    return offset + cpu->r[op->seg];
  if (op->ea == X86_EA_FLAT32)
    return (uint32_t) (offset + cpu->r[op->seg]);
  return x86_ea_general (cpu, op, offset, size, access);
}

/* The same for a gather, whose elements need not be aligned whatever EFLAGS.AC says: both ends are checked as bytes. */
static uint64_t
gathered_address (X86Cpu *cpu, const X86Op *op, uint64_t by, unsigned size)
{
  if (op->ea == X86_EA_GENERAL)
    element_address (cpu, op, by + size - 1, 1, X86_ACCESS_READ);
  return element_address (cpu, op, by, 1, X86_ACCESS_READ);
}

static inline uint64_t
element (const X86Vec *vec, unsigned i, unsigned size)
{
  return size == 8 ? vec->q[i] : vec->d[i];
}

static inline void
set_element (X86Vec *vec, unsigned i, unsigned size, uint64_t value)
{
  if (size == 8)
    vec->q[i] = value;
  else
    vec->d[i] = (uint32_t) value;
}

static inline gboolean
is_selected (const X86Vec *mask, unsigned i, unsigned size)
{
  return mask->sb[i * size + size - 1] < 0;
}

/* VMASKMOV…: op->size is an element's, op->aux how many there are, op->src the mask; only selected ones may fault. */
static G_GNUC_NO_INLINE void
masked_load (X86Cpu *cpu, const X86Op *op)
{
  X86Vec value = { .q = { 0 } };

  for (unsigned i = 0; i < op->aux; i++)
    if (is_selected (&cpu->vec[op->src], i, op->size))
      {
        uint64_t lin = element_address (cpu, op, i * op->size, op->size, X86_ACCESS_READ);

        set_element (&value, i, op->size, x86_mem_get (cpu, op, lin, op->size));
      }
  cpu->vec[op->dst] = value;
}

/* op->dst is the mask, op->src what is stored. */
static G_GNUC_NO_INLINE void
masked_store (X86Cpu *cpu, const X86Op *op)
{
  const X86Vec *mask = &cpu->vec[op->dst];

  for (unsigned i = 0; i < op->aux; i++)
    if (is_selected (mask, i, op->size))
      x86_probe_write (cpu, op, element_address (cpu, op, i * op->size, op->size, X86_ACCESS_WRITE), op->size);
  for (unsigned i = 0; i < op->aux; i++)
    if (is_selected (mask, i, op->size))
      x86_mem_set (cpu, op, element_address (cpu, op, i * op->size, op->size, X86_ACCESS_WRITE), op->size,
                   element (&cpu->vec[op->src], i, op->size));
}

X86_HANDLER (op_masked_load) { masked_load (cpu, op); X86_NEXT; }
X86_HANDLER (op_masked_store) { masked_store (cpu, op); X86_NEXT; }

static unsigned
element_size (const X86Lower *lw)
{
  switch (lw->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_VMASKMOVPD: case ZYDIS_MNEMONIC_VPMASKMOVQ: case ZYDIS_MNEMONIC_VGATHERDPD:
    case ZYDIS_MNEMONIC_VGATHERQPD: case ZYDIS_MNEMONIC_VPGATHERDQ: case ZYDIS_MNEMONIC_VPGATHERQQ:
      return 8;
    default:
      return 4;
    }
}

static gboolean
lower_masked (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 3)
    return FALSE;
  op->size = (uint8_t) element_size (lw);
  op->aux = (x86_avx_is_256 (lw) ? 32 : 16) / op->size;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_masked_store;
      op->dst = x86_lower_reg (lw->opr[1].reg.value);
      op->src = x86_lower_reg (lw->opr[2].reg.value);
      return x86_lower_mem (lw, op, 0);
    }
  op->fn = op_masked_load;
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  return x86_is_mem (lw, 2) && x86_lower_mem (lw, op, 2);
}

/* --- Gathers: op->src is the mask, op->aux the register of indices --- */

/* What op->imm tells, besides the element size in op->size. */
enum { GATHER_WIDE_INDEX = 1 << 8, GATHER_COUNT = 0xff };

/* Elements that have been loaded stay so when a later one faults: they are in place and their masks are clear. */
static G_GNUC_NO_INLINE void
gather (X86Cpu *cpu, const X86Op *op)
{
  X86Vec *dst = &cpu->vec[op->dst], *mask = &cpu->vec[op->src];
  const X86Vec *indices = &cpu->vec[op->aux];
  unsigned size = op->size, count = op->imm & GATHER_COUNT;

  for (unsigned i = 0; i < count; i++)
    {
      if (is_selected (mask, i, size))
        {
          int64_t index = op->imm & GATHER_WIDE_INDEX ? indices->sq[i] : indices->sd[i];
          uint64_t lin = gathered_address (cpu, op, (uint64_t) index << op->scale, size);

          set_element (dst, i, size, x86_mem_get (cpu, op, lin, size));
          cpu->gathered = TRUE;
        }
      set_element (mask, i, size, 0);
    }
  cpu->gathered = FALSE;
  memset (mask, 0, sizeof *mask);
  memset (&dst->b[count * size], 0, sizeof *dst - count * size);
}

X86_HANDLER (op_gather) { gather (cpu, op); X86_NEXT; }

static gboolean
lower_gather (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  ZydisRegister index;
  unsigned indices, elements;
  gboolean is_wide;
  uint8_t scale;

  if (!x86_avx_is_there (lw) || lw->count != 3 || lw->opr[1].mem.type != ZYDIS_MEMOP_TYPE_VSIB)
    return FALSE;
  index = lw->opr[1].mem.index;
  scale = lw->opr[1].mem.scale;
  is_wide = lw->insn.mnemonic == ZYDIS_MNEMONIC_VGATHERQPS || lw->insn.mnemonic == ZYDIS_MNEMONIC_VGATHERQPD
            || lw->insn.mnemonic == ZYDIS_MNEMONIC_VPGATHERQD || lw->insn.mnemonic == ZYDIS_MNEMONIC_VPGATHERQQ;
  op->size = (uint8_t) element_size (lw);
  indices = lw->insn.avx.vector_length / 8 / (is_wide ? 8 : 4);
  elements = lw->insn.avx.vector_length / 8 / op->size;
  op->imm = (int32_t) MIN (indices, elements) | (is_wide ? GATHER_WIDE_INDEX : 0);
  op->fn = op_gather;
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->src = x86_lower_reg (lw->opr[2].reg.value);
  op->aux = x86_lower_reg (index);
  /* The rest of the operand is an ordinary one. */
  lw->opr[1].mem.type = ZYDIS_MEMOP_TYPE_MEM;
  lw->opr[1].mem.index = ZYDIS_REGISTER_NONE;
  if (!x86_lower_mem (lw, op, 1))
    return FALSE;
  op->scale = scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
  return TRUE;
}

/* --- Halves of registers --- */

X86_HANDLER (op_extract_r)
{
  __m128i half = ((const __m128i *) &cpu->vec[op->src])[op->imm & 1];

  XMM (op->dst) = half;
  x86_clear_upper (cpu, op->dst);
  X86_NEXT;
}

X86_HANDLER (op_extract_m)
{
  x86_st_vec_at (cpu, op, x86_ea (cpu, op, 16, X86_ACCESS_WRITE), ((const __m128i *) &cpu->vec[op->src])[op->imm & 1]);
  X86_NEXT;
}

static gboolean
lower_extract (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_avx_is_there (lw) || lw->count != 3)
    return FALSE;
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->imm = (int32_t) lw->opr[2].imm.value.u;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_extract_m;
      return x86_lower_mem (lw, op, 0);
    }
  op->fn = op_extract_r;
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  return TRUE;
}

/* Sixteen registers in 64-bit code, else eight: op->aux. */
X86_HANDLER (op_zero_upper)
{
  for (unsigned i = 0; i < op->aux; i++)
    x86_clear_upper (cpu, i);
  X86_NEXT;
}

X86_HANDLER (op_zero_all)
{
  memset (cpu->vec, 0, op->aux * sizeof *cpu->vec);
  X86_NEXT;
}

static gboolean
lower_zero (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->aux = lw->mode & X86_MODE_CODE64 ? 16 : 8;
  op->fn = entry->fns[0];
  return x86_avx_is_there (lw);
}

static const X86OpFn fns_store[] = { op_store }, fns_store_aligned[] = { op_store_aligned },
                     fns_zero_upper[] = { op_zero_upper }, fns_zero_all[] = { op_zero_all };

#define ENTRY(mnemonic, lower, fns) { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_AVX, X86_AVX_ENTRY, lower, fns, NULL },

const X86OpEntry x86_ops_avx_move[] = {
  ENTRY (VMOVAPS, lower_store, fns_store_aligned) ENTRY (VMOVAPD, lower_store, fns_store_aligned)
  ENTRY (VMOVDQA, lower_store, fns_store_aligned) ENTRY (VMOVUPS, lower_store, fns_store)
  ENTRY (VMOVUPD, lower_store, fns_store) ENTRY (VMOVDQU, lower_store, fns_store)
  ENTRY (VMOVNTPS, lower_store, fns_store_aligned) ENTRY (VMOVNTPD, lower_store, fns_store_aligned)
  ENTRY (VMOVNTDQ, lower_store, fns_store_aligned)
  ENTRY (VMASKMOVPS, lower_masked, NULL) ENTRY (VMASKMOVPD, lower_masked, NULL)
  ENTRY (VPMASKMOVD, lower_masked, NULL) ENTRY (VPMASKMOVQ, lower_masked, NULL)
  ENTRY (VGATHERDPS, lower_gather, NULL) ENTRY (VGATHERDPD, lower_gather, NULL)
  ENTRY (VGATHERQPS, lower_gather, NULL) ENTRY (VGATHERQPD, lower_gather, NULL)
  ENTRY (VPGATHERDD, lower_gather, NULL) ENTRY (VPGATHERDQ, lower_gather, NULL)
  ENTRY (VPGATHERQD, lower_gather, NULL) ENTRY (VPGATHERQQ, lower_gather, NULL)
  ENTRY (VEXTRACTF128, lower_extract, NULL) ENTRY (VEXTRACTI128, lower_extract, NULL)
  ENTRY (VZEROUPPER, lower_zero, fns_zero_upper) ENTRY (VZEROALL, lower_zero, fns_zero_all)
  { 0 }
};
