/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cases in the interpreter: user code in long mode, with kernel pages that catch what it raises. */

#include "tests/cpu/case.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit.h"
#include "tests/unit/cpu/guest.h"

/* Physical addresses. Kernel pages are mapped at the same offsets of the upper half. */
enum { TABLES = 0x200000, EXIT_PAGE = 0x400000, STUBS = 0x10000, KERNEL_STACK = 0x18000, GDT = 0x1000, LDT = 0x1800 };
#define KERNEL 0xffff800000000000
enum { PRESENT = 1, WRITABLE = 2, USER = 4 };
#define NO_EXEC ((uint64_t) 1 << 63)

struct Interp
{
  Guest *guest;
  gboolean translates;
};

/* Maps one page; the tables grow from TABLES, each level is looked up from the top. */
static void
map (Guest *guest, uint64_t lin, uint64_t phys, uint64_t rights, unsigned *used)
{
  uint64_t table = TABLES;

  for (int shift = 39; shift > 12; shift -= 9)
    {
      uint64_t at = table + ((lin >> shift) & 511) * 8;

      if (guest_u64 (guest, at) == 0)
        guest_put64 (guest, at, (TABLES + ++*used * 0x1000) | PRESENT | WRITABLE | USER);
      table = guest_u64 (guest, at) & 0xffffffffff000;
    }
  guest_put64 (guest, table + ((lin >> 12) & 511) * 8, phys | rights);
}

static void
set_descriptor (Guest *guest, uint64_t table, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
  guest_put32 (guest, table + (sel & 0xfff8), (limit & 0xffff) | base << 16);
  guest_put32 (guest, table + (sel & 0xfff8) + 4,
               ((base >> 16) & 0xff) | attr << 8 | (limit & 0xf0000) | (base & 0xff000000));
}

static void
set_tables (Guest *guest)
{
  X86Cpu *cpu = guest->cpu;

  set_descriptor (guest, GDT, 0x10, 0, 0xfffff, 0xa09b);         /* kernel code */
  set_descriptor (guest, GDT, CASE_CS32, 0, 0xfffff, 0xc0fb);
  set_descriptor (guest, GDT, CASE_SS, 0, 0xfffff, 0xc0f3);
  set_descriptor (guest, GDT, CASE_CS64, 0, 0xfffff, 0xa0fb);
  set_descriptor (guest, LDT, CASE_LDT_FS, CASE_FS_BASE, 0xfffff, 0xc0f3);
  set_descriptor (guest, LDT, CASE_LDT_GS, CASE_GS_BASE, CASE_GS_LIMIT, 0x40f3);
  set_descriptor (guest, LDT, CASE_LDT_CS16, CASE_CODE, CASE_CODE_SIZE - 1, 0x00fb);
  set_descriptor (guest, LDT, CASE_LDT_DATA16, CASE_DATA16_BASE, 0xffff, 0x00f3);
  cpu->gdtr = (X86Table) { .base = KERNEL + GDT, .limit = 0x3f };
  cpu->ldtr = (X86Table) { .sel = 0x50, .base = KERNEL + LDT, .limit = 31, .attr = 0x82 };
  cpu->idtr = (X86Table) { .base = KERNEL + GUEST_IDT, .limit = 0xfff };
  cpu->tr = (X86Table) { .sel = 0x40, .base = KERNEL + GUEST_TSS, .limit = 0x67, .attr = 0x8b };
  guest_put64 (guest, GUEST_TSS + 4, KERNEL + KERNEL_STACK + 0x1000);
  guest_put32 (guest, GUEST_TSS + 100, 0x68 << 16); /* no I/O map */

  /* Every vector has its own HLT; programs may raise those that Linux lets them. */
  for (unsigned vector = 0; vector < 256; vector++)
    {
      guest_set_gate (guest, vector, 0x10, KERNEL + STUBS + vector, vector == 3 || vector == 4 ? 0xee : 0x8e, 0);
      guest->ram[STUBS + vector] = 0xf4;
    }
}

Interp *
interp_new (Side side, const char *model)
{
  Interp *interp = g_new0 (Interp, 1);
  Guest *guest = interp->guest = guest_new_model (model);
  X86Cpu *cpu = guest->cpu;
  unsigned used = 0;

  x86_cpu_reset (cpu);
  for (uint64_t page = 0; page < CASE_CODE_SIZE; page += 0x1000)
    map (guest, CASE_CODE + page, CASE_CODE + page, PRESENT | USER, &used);
  for (uint64_t page = CASE_DATA; page < CASE_DATA + CASE_DATA_SIZE; page += 0x1000)
    map (guest, page, page, PRESENT | USER | NO_EXEC | (page < CASE_READONLY ? WRITABLE : 0), &used);
  map (guest, CASE_EXIT, EXIT_PAGE, PRESENT | USER, &used);
  for (uint64_t page = 0; page < 0x20000; page += 0x1000)
    map (guest, KERNEL + page, page, PRESENT | WRITABLE, &used);
  memset (guest->ram + CASE_CODE, 0xcc, CASE_CODE_SIZE);
  guest->ram[EXIT_PAGE] = 0xf4; /* HLT raises #GP in user code */

  cpu->cr3 = TABLES;
  cpu->cr4 = X86_CR4_PAE | X86_CR4_PGE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE | X86_CR4_FSGSBASE;
  cpu->xcr0 = x86_has (cpu, X86_FEAT_AVX) ? 7 : 3;
  cpu->msr.efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
  cpu->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM;
  set_tables (guest);
  x86_tlb_flush_all (cpu);
  if (side != SIDE_INTERP)
    {
      g_autoptr (GError) error = NULL;

      x86_system_set_accel (cpu->system, x86_accel_find ("jit"), &error);
      g_assert_no_error (error);
      x86_jit_set_heat (cpu, 0);
      x86_jit_set_window_delay (cpu, side == SIDE_JIT_LOOKUP ? G_MAXINT64 : 0);
      interp->translates = TRUE;
    }
  return interp;
}

void
interp_free (Interp *interp)
{
  guest_free (interp->guest);
  g_free (interp);
}

gboolean
interp_has_feature (void *interp, unsigned feature)
{
  return x86_has (((Interp *) interp)->guest->cpu, (X86Feature) feature);
}

static void
set_segment (Guest *guest, unsigned seg, uint16_t sel)
{
  uint64_t at = (sel & 4 ? LDT : GDT) + (sel & 0xfff8);
  X86Desc desc = { .lo = guest_u32 (guest, at), .hi = guest_u32 (guest, at + 4) };

  if (sel == 0)
    x86_seg_commit_null (guest->cpu, seg, 0);
  else
    x86_seg_commit (guest->cpu, seg, sel, &desc);
}

static void
set_state (Guest *guest, const Case *cs)
{
  static const uint16_t sels[CASE_MODES][X86_SEG_COUNT] = {
    [CASE_64] = { [X86_CS] = CASE_CS64, [X86_SS] = CASE_SS },
    [CASE_32] = { [X86_ES] = CASE_SS, [X86_CS] = CASE_CS32, [X86_SS] = CASE_SS, [X86_DS] = CASE_SS,
                  [X86_FS] = CASE_LDT_FS, [X86_GS] = CASE_LDT_GS },
    [CASE_16] = { [X86_ES] = CASE_LDT_DATA16, [X86_CS] = CASE_LDT_CS16, [X86_SS] = CASE_LDT_DATA16,
                  [X86_DS] = CASE_LDT_DATA16, [X86_FS] = CASE_LDT_FS, [X86_GS] = CASE_LDT_GS },
  };
  const CpuState *in = &cs->in;
  X86Cpu *cpu = guest->cpu;
  unsigned top;

  memcpy (cpu->r, in->r, sizeof in->r);
  cpu->r[X86_RIP] = cs->mode == CASE_16 ? cs->address - CASE_CODE : cs->address;
  for (unsigned seg = 0; seg < X86_SEG_COUNT; seg++)
    set_segment (guest, seg, sels[cs->mode][seg]);
  cpu->r[X86_SEGBASE + X86_FS] = CASE_FS_BASE;
  cpu->r[X86_SEGBASE + X86_GS] = CASE_GS_BASE;
  cpu->cpl = 3;
  cpu->halted = X86_HALT_NONE;
  cpu->shadow = X86_SHADOW_NONE;
  cpu->dr[6] = 0xffff0ff0;
  x86_set_eflags (cpu, (uint32_t) in->rflags, ~0u);

  memcpy (&cpu->fpu.fcw, in->fx + FX_FCW, 2);
  memcpy (&cpu->fpu.fsw, in->fx + FX_FSW, 2);
  cpu->fpu.ftag = in->fx[FX_FTW];
  cpu->fpu.fop = 0;
  cpu->fpu.fip = cpu->fpu.fdp = 0;
  cpu->fpu.fcs = cpu->fpu.fds = 0;
  top = (cpu->fpu.fsw >> 11) & 7;
  for (unsigned i = 0; i < 8; i++)
    {
      X86Fp80 *st = &cpu->fpu.st[(top + i) & 7];

      memcpy (&st->mant, in->fx + FX_ST + i * 16, 8);
      memcpy (&st->se, in->fx + FX_ST + i * 16 + 8, 2);
    }
  memcpy (&cpu->mxcsr, in->fx + FX_MXCSR, 4);
  for (unsigned i = 0; i < 16; i++)
    {
      memcpy (&cpu->vec[i].b[0], in->fx + FX_XMM + i * 16, 16);
      memcpy (&cpu->vec[i].b[16], in->ymm[i], 16);
    }
  x86_fp_update (cpu);
  x86_update_mode (cpu);
}

static void
get_state (Guest *guest, CpuState *out)
{
  X86Cpu *cpu = guest->cpu;
  unsigned top = (cpu->fpu.fsw >> 11) & 7;

  memcpy (out->r, cpu->r, sizeof out->r);
  memset (out->fx, 0, FX_SIZE);
  memcpy (out->fx + FX_FCW, &cpu->fpu.fcw, 2);
  memcpy (out->fx + FX_FSW, &cpu->fpu.fsw, 2);
  out->fx[FX_FTW] = cpu->fpu.ftag;
  memcpy (out->fx + FX_FOP, &cpu->fpu.fop, 2);
  memcpy (out->fx + FX_FIP, &cpu->fpu.fip, 8);
  memcpy (out->fx + FX_FDP, &cpu->fpu.fdp, 8);
  for (unsigned i = 0; i < 8; i++)
    {
      const X86Fp80 *st = &cpu->fpu.st[(top + i) & 7];

      memcpy (out->fx + FX_ST + i * 16, &st->mant, 8);
      memcpy (out->fx + FX_ST + i * 16 + 8, &st->se, 2);
    }
  memcpy (out->fx + FX_MXCSR, &cpu->mxcsr, 4);
  for (unsigned i = 0; i < 16; i++)
    {
      memcpy (out->fx + FX_XMM + i * 16, &cpu->vec[i].b[0], 16);
      memcpy (out->ymm[i], &cpu->vec[i].b[16], 16);
    }
}

void
interp_run (Interp *interp, const Generator *generator, const Case *cs, Outcome *out)
{
  Guest *guest = interp->guest;
  X86Cpu *cpu = guest->cpu;
  unsigned offset = (unsigned) (cs->address - CASE_CODE), length = MIN (cs->length, CASE_CODE_SIZE - offset);
  uint8_t *code = guest->ram + cs->address;
  unsigned slot = 0, has_error;

  memcpy (code, cs->code, length);
  x86_code_stored (cpu, code, length);
  case_fill_data (generator, cs, guest->ram + CASE_DATA);
  set_state (guest, cs);

  guest_run (guest);

  out->vector = (int) (cpu->r[X86_RIP] - 1 - (KERNEL + STUBS));
  g_assert (out->vector >= 0 && out->vector < 256 && cpu->cpl == 0);
  get_state (guest, &out->state);
  has_error = (cpu->r[X86_RSP] & 15) == 0; /* five slots are pushed from an aligned stack, or six */
  out->error = has_error ? (uint32_t) guest_u64 (guest, cpu->r[X86_RSP] - KERNEL) : 0;
  slot = has_error;
  out->state.rip = guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + slot * 8);
  if (guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + (slot + 1) * 8) == CASE_LDT_CS16)
    out->state.rip += CASE_CODE;
  out->state.rflags = guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + (slot + 2) * 8);
  out->state.r[X86_RSP] = guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + (slot + 3) * 8);
  for (unsigned seg = 0; seg < X86_SEG_COUNT; seg++)
    out->state.sels[seg] = cpu->seg[seg].sel;
  out->state.sels[X86_CS] = (uint16_t) guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + (slot + 1) * 8);
  out->state.sels[X86_SS] = (uint16_t) guest_u64 (guest, cpu->r[X86_RSP] - KERNEL + (slot + 4) * 8);
  out->cr2 = cpu->cr2;
  out->data = guest->ram + CASE_DATA;
  out->is_translated = interp->translates;
  if (out->vector == X86_EXC_GP && out->state.rip == CASE_EXIT)
    {
      out->vector = OUTCOME_END;
      out->error = 0;
    }
  memset (code, 0xcc, length);
  x86_code_stored (cpu, code, length);
}
