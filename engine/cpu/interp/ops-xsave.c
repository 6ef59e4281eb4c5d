/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FXSAVE, XSAVE and their opposites.
 * Specification: Intel SDM volume 1, section 10.5 (FXSAVE and FXRSTOR), chapter 13 (XSAVE-managed state); volume 2.
 */

#include "engine/cpu/interp/x87.h"

enum { LEGACY_SIZE = 512, HEADER_SIZE = 64, AVX_OFFSET = LEGACY_SIZE + HEADER_SIZE, AVX_SIZE = 256,
       XSAVE_MAX = AVX_OFFSET + AVX_SIZE };
enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, FCW_INITIAL = 0x37f, MXCSR_INITIAL = 0x1f80 };
#define XCOMP_COMPACT ((uint64_t) 1 << 63)

/* The legacy region: offsets of SDM table 10-2. */
typedef struct
{
  uint16_t fcw, fsw;
  uint8_t ftag, reserved;
  uint16_t fop;
  uint64_t fip; /* or 32 bits and the selector */
  uint64_t fdp;
  uint32_t mxcsr, mxcsr_mask;
  struct { uint8_t value[10], reserved[6]; } st[8];
  uint8_t xmm[16][16];
  uint8_t rest[96];
} LegacyRegion;
G_STATIC_ASSERT (sizeof (LegacyRegion) == LEGACY_SIZE);

static unsigned
xmm_count (const X86Cpu *cpu)
{
  return x86_code64 (cpu) ? 16 : 8;
}

static void
put_x87 (X86Cpu *cpu, const X86Op *op, LegacyRegion *region)
{
  const X86Fpu *fpu = &cpu->fpu;

  region->fcw = fpu->fcw;
  region->fsw = fpu->fsw;
  region->ftag = fpu->ftag;
  region->reserved = 0;
  region->fop = fpu->fop & 0x7ff;
  region->fip = op->size == 8 ? fpu->fip : (uint32_t) fpu->fip | (uint64_t) fpu->fcs << 32;
  region->fdp = op->size == 8 ? fpu->fdp : (uint32_t) fpu->fdp | (uint64_t) fpu->fds << 32;
  for (unsigned i = 0; i < 8; i++)
    {
      memcpy (region->st[i].value, x87_st (cpu, i), sizeof region->st[i].value);
      memset (region->st[i].reserved, 0, sizeof region->st[i].reserved);
    }
}

static void
get_x87 (X86Cpu *cpu, const X86Op *op, const LegacyRegion *region)
{
  X86Fpu *fpu = &cpu->fpu;

  fpu->fcw = (uint16_t) ((region->fcw & X86_FCW_MASK) | X86_FCW_ONE);
  fpu->fsw = region->fsw;
  fpu->ftag = region->ftag;
  fpu->fop = region->fop & 0x7ff;
  if (op->size == 8)
    {
      fpu->fip = region->fip;
      fpu->fdp = region->fdp;
      fpu->fcs = fpu->fds = 0;
    }
  else
    {
      fpu->fip = (uint32_t) region->fip;
      fpu->fdp = (uint32_t) region->fdp;
      fpu->fcs = (uint16_t) (region->fip >> 32);
      fpu->fds = (uint16_t) (region->fdp >> 32);
    }
  for (unsigned i = 0; i < 8; i++)
    memcpy (x87_st (cpu, i), region->st[i].value, sizeof region->st[i].value);
}

static void
put_xmm (X86Cpu *cpu, LegacyRegion *region)
{
  for (unsigned i = 0; i < xmm_count (cpu); i++)
    memcpy (region->xmm[i], cpu->vec[i].b, sizeof region->xmm[i]);
}

static void
get_xmm (X86Cpu *cpu, const LegacyRegion *region)
{
  for (unsigned i = 0; i < xmm_count (cpu); i++)
    memcpy (cpu->vec[i].b, region->xmm[i], sizeof region->xmm[i]);
}

static uint64_t
aligned_operand (X86Cpu *cpu, const X86Op *op, unsigned size, unsigned align, X86Access access)
{
  uint64_t lin = x86_ea (cpu, op, size, access);

  if (lin & (align - 1))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  return lin;
}

/* --- FXSAVE, FXRSTOR --- */

X86_HANDLER (op_fxsave)
{
  LegacyRegion region;
  uint64_t lin = aligned_operand (cpu, op, LEGACY_SIZE, 16, X86_ACCESS_WRITE);

  /* What is not defined stays as it was in memory. */
  x86_probe_write (cpu, op, lin, LEGACY_SIZE);
  x86_ld_bytes (cpu, op, lin, &region, sizeof region);
  put_x87 (cpu, op, &region);
  region.mxcsr = x86_mxcsr (cpu);
  region.mxcsr_mask = X86_MXCSR_MASK;
  put_xmm (cpu, &region);
  x86_st_bytes (cpu, op, lin, &region, sizeof region);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_fxrstor)
{
  LegacyRegion region;

  x86_ld_bytes (cpu, op, aligned_operand (cpu, op, LEGACY_SIZE, 16, X86_ACCESS_READ), &region, sizeof region);
  if ((cpu->cr4 & X86_CR4_OSFXSR) && (region.mxcsr & ~(uint32_t) X86_MXCSR_MASK))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  get_x87 (cpu, op, &region);
  if (cpu->cr4 & X86_CR4_OSFXSR)
    {
      get_xmm (cpu, &region);
      x86_set_mxcsr (cpu, region.mxcsr);
    }
  x86_fpu_update (cpu);
  X86_NEXT_LOOP;
}

/* --- XSAVE, XRSTOR --- */

typedef struct
{
  LegacyRegion legacy;
  uint64_t xstate_bv, xcomp_bv, reserved[6];
  uint8_t ymm_high[16][16];
} XsaveArea;
G_STATIC_ASSERT (sizeof (XsaveArea) == XSAVE_MAX);

/* What the instruction covers. Raises what every one of them checks first. */
static uint64_t
requested (X86Cpu *cpu, const X86Op *op)
{
  if (!(cpu->cr4 & X86_CR4_OSXSAVE))
    x86_raise (cpu, op, X86_EXC_UD);
  if (cpu->cr0 & X86_CR0_TS)
    x86_raise (cpu, op, X86_EXC_NM);
  return (cpu->r[X86_RDX] << 32 | (uint32_t) cpu->r[X86_RAX]) & cpu->xcr0;
}

static unsigned
area_size (uint64_t components)
{
  return components & XCR0_AVX ? XSAVE_MAX : AVX_OFFSET;
}

static gboolean
any_upper (const X86Cpu *cpu)
{
  uint64_t any = 0;

  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->vec); i++)
    any |= cpu->vec[i].q[2] | cpu->vec[i].q[3];
  return any != 0;
}

static gboolean
any_xmm (const X86Cpu *cpu)
{
  uint64_t any = 0;

  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->vec); i++)
    any |= cpu->vec[i].q[0] | cpu->vec[i].q[1];
  return any != 0;
}

static gboolean
any_x87 (const X86Cpu *cpu)
{
  const X86Fpu *fpu = &cpu->fpu;
  uint64_t any = fpu->fcw ^ FCW_INITIAL;

  any |= fpu->fsw | fpu->ftag | fpu->fop | fpu->fip | fpu->fdp | fpu->fcs | fpu->fds;
  for (unsigned i = 0; i < G_N_ELEMENTS (fpu->st); i++)
    any |= fpu->st[i].mant | fpu->st[i].se;
  return any != 0;
}

/* Components that are not as XRSTOR would initialise them. */
static uint64_t
in_use (const X86Cpu *cpu)
{
  return (any_x87 (cpu) ? XCR0_X87 : 0) | (any_xmm (cpu) ? XCR0_SSE : 0) | (any_upper (cpu) ? XCR0_AVX : 0);
}

uint64_t
x86_xinuse (const X86Cpu *cpu)
{
  return in_use (cpu) & cpu->xcr0;
}

static void
put_components (X86Cpu *cpu, const X86Op *op, XsaveArea *area, uint64_t components)
{
  if (components & XCR0_X87)
    put_x87 (cpu, op, &area->legacy);
  if (components & XCR0_SSE)
    put_xmm (cpu, &area->legacy);
  if (components & XCR0_AVX)
    for (unsigned i = 0; i < xmm_count (cpu); i++)
      memcpy (area->ymm_high[i], &cpu->vec[i].b[16], 16);
}

/* XSAVE and XSAVEOPT; the latter need not write what is in its initial state. */
static inline void
save (X86Cpu *cpu, const X86Op *op, gboolean optimised)
{
  XsaveArea area;
  uint64_t components = requested (cpu, op), used = in_use (cpu), lin;
  unsigned size = area_size (components);

  lin = aligned_operand (cpu, op, size, 64, X86_ACCESS_WRITE);
  x86_probe_write (cpu, op, lin, size);
  x86_ld_bytes (cpu, op, lin, &area, size);
  put_components (cpu, op, &area, optimised ? components & used : components);
  if (components & (XCR0_SSE | XCR0_AVX))
    {
      area.legacy.mxcsr = x86_mxcsr (cpu);
      area.legacy.mxcsr_mask = X86_MXCSR_MASK;
    }
  area.xstate_bv = (area.xstate_bv & ~components) | (components & used);
  x86_st_bytes (cpu, op, lin, &area, size);
}

X86_HANDLER (op_xsave)
{
  save (cpu, op, FALSE);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_xsaveopt)
{
  save (cpu, op, TRUE);
  X86_NEXT_LOOP;
}

/* AVX state follows the header in the compacted form, too: nothing comes between them. */
X86_HANDLER (op_xsavec)
{
  XsaveArea area;
  uint64_t components = requested (cpu, op), used = in_use (cpu), lin;
  unsigned size = area_size (components);

  if (x86_mxcsr (cpu) != MXCSR_INITIAL)
    used |= XCR0_SSE;
  lin = aligned_operand (cpu, op, size, 64, X86_ACCESS_WRITE);
  x86_probe_write (cpu, op, lin, size);
  x86_ld_bytes (cpu, op, lin, &area, size);
  put_components (cpu, op, &area, components & used);
  if (components & used & XCR0_SSE)
    {
      area.legacy.mxcsr = x86_mxcsr (cpu);
      area.legacy.mxcsr_mask = X86_MXCSR_MASK;
    }
  area.xstate_bv = components & used;
  area.xcomp_bv = components | XCOMP_COMPACT;
  x86_st_bytes (cpu, op, lin, &area, size);
  X86_NEXT_LOOP;
}

static gboolean
is_header_valid (const X86Cpu *cpu, const XsaveArea *area)
{
  if (area->xcomp_bv & XCOMP_COMPACT)
    {
      uint64_t there = area->xcomp_bv & ~XCOMP_COMPACT;

      for (unsigned i = 0; i < G_N_ELEMENTS (area->reserved); i++)
        if (area->reserved[i] != 0)
          return FALSE;
      return x86_has (cpu, X86_FEAT_XSAVEC) && !(there & ~cpu->xcr0) && !(area->xstate_bv & ~there);
    }
  return area->xcomp_bv == 0 && area->reserved[0] == 0 && !(area->xstate_bv & ~cpu->xcr0);
}

X86_HANDLER (op_xrstor)
{
  static const LegacyRegion initial = { .fcw = FCW_INITIAL, .mxcsr = MXCSR_INITIAL };
  XsaveArea area;
  uint64_t components = requested (cpu, op), present, takes_mxcsr = XCR0_SSE | XCR0_AVX;
  unsigned size = area_size (components);
  uint32_t mxcsr;

  x86_ld_bytes (cpu, op, aligned_operand (cpu, op, size, 64, X86_ACCESS_READ), &area, size);
  if (!is_header_valid (cpu, &area))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  present = area.xstate_bv & components;
  mxcsr = area.legacy.mxcsr;
  /* In the compacted form MXCSR belongs to the SSE state. */
  if (area.xcomp_bv & XCOMP_COMPACT)
    {
      takes_mxcsr = XCR0_SSE;
      if (!(present & XCR0_SSE))
        mxcsr = MXCSR_INITIAL;
    }
  if ((components & takes_mxcsr) && (mxcsr & ~(uint32_t) X86_MXCSR_MASK))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (components & XCR0_X87)
    get_x87 (cpu, op, present & XCR0_X87 ? &area.legacy : &initial);
  if (components & XCR0_SSE)
    get_xmm (cpu, present & XCR0_SSE ? &area.legacy : &initial);
  if (components & takes_mxcsr)
    x86_set_mxcsr (cpu, mxcsr);
  if (components & XCR0_AVX)
    for (unsigned i = 0; i < xmm_count (cpu); i++)
      {
        if (present & XCR0_AVX)
          memcpy (&cpu->vec[i].b[16], area.ymm_high[i], 16);
        else
          memset (&cpu->vec[i].b[16], 0, 16);
      }
  x86_fpu_update (cpu);
  X86_NEXT_LOOP;
}

/* --- Lowering --- */

/* op->size: 8 with REX.W. Both check CR0.TS and CR0.EM themselves or by the entry's flags. */
static gboolean
lower_save (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  if (!x86_is_mem (lw, 0) || !x86_lower_mem (lw, op, 0))
    return FALSE;
  op->size = lw->insn.raw.rex.W ? 8 : 4;
  return TRUE;
}

static const X86OpFn fns_fxsave[] = { op_fxsave }, fns_fxrstor[] = { op_fxrstor }, fns_xsave[] = { op_xsave },
                     fns_xsaveopt[] = { op_xsaveopt }, fns_xsavec[] = { op_xsavec }, fns_xrstor[] = { op_xrstor };

const X86OpEntry x86_ops_xsave[] = {
  { ZYDIS_MNEMONIC_FXSAVE, X86_FEAT_FXSR, X86_ENTRY_FPU, lower_save, fns_fxsave },
  { ZYDIS_MNEMONIC_FXSAVE64, X86_FEAT_FXSR, X86_ENTRY_FPU, lower_save, fns_fxsave },
  { ZYDIS_MNEMONIC_FXRSTOR, X86_FEAT_FXSR, X86_ENTRY_FPU, lower_save, fns_fxrstor },
  { ZYDIS_MNEMONIC_FXRSTOR64, X86_FEAT_FXSR, X86_ENTRY_FPU, lower_save, fns_fxrstor },
  { ZYDIS_MNEMONIC_XSAVE, X86_FEAT_XSAVE, 0, lower_save, fns_xsave },
  { ZYDIS_MNEMONIC_XSAVE64, X86_FEAT_XSAVE, 0, lower_save, fns_xsave },
  { ZYDIS_MNEMONIC_XSAVEOPT, X86_FEAT_XSAVEOPT, 0, lower_save, fns_xsaveopt },
  { ZYDIS_MNEMONIC_XSAVEOPT64, X86_FEAT_XSAVEOPT, 0, lower_save, fns_xsaveopt },
  { ZYDIS_MNEMONIC_XSAVEC, X86_FEAT_XSAVEC, 0, lower_save, fns_xsavec },
  { ZYDIS_MNEMONIC_XSAVEC64, X86_FEAT_XSAVEC, 0, lower_save, fns_xsavec },
  { ZYDIS_MNEMONIC_XRSTOR, X86_FEAT_XSAVE, 0, lower_save, fns_xrstor },
  { ZYDIS_MNEMONIC_XRSTOR64, X86_FEAT_XSAVE, 0, lower_save, fns_xrstor },
  { 0 }
};
