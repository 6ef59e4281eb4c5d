/* SPDX-License-Identifier: GPL-3.0-or-later */
/* States side by side, and code for people to read. */

#include "engine/cpu/fp.h"
#include "engine/cpu/lockstep/lockstep-private.h"
#include "engine/cpu/lower.h"

#include <Zydis/Zydis.h>
#include <string.h>

static const char *const register_names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
                                              "r12", "r13", "r14", "r15", "rip", "zero", "es base", "cs base", "ss base", "ds base",
                                              "fs base", "gs base" };
static const char *const segment_names[] = { "es", "cs", "ss", "ds", "fs", "gs" };

void
snapshot_take (X86Cpu *cpu, Snapshot *s)
{
  memset (s, 0, sizeof *s);
  x86_fp_leave (cpu);
  memcpy (s->r, cpu->r, sizeof s->r);
  s->eflags = x86_get_eflags (cpu);
  s->cpl = cpu->cpl;
  s->halted = cpu->halted;
  s->shadow = cpu->shadow;
  s->nmi_masked = cpu->nmi_masked;
  memcpy (s->seg, cpu->seg, sizeof s->seg);
  s->ldtr = cpu->ldtr;
  s->tr = cpu->tr;
  s->gdtr = cpu->gdtr;
  s->idtr = cpu->idtr;
  s->cr0 = cpu->cr0;
  s->cr2 = cpu->cr2;
  s->cr3 = cpu->cr3;
  s->cr4 = cpu->cr4;
  s->cr8 = cpu->cr8;
  s->xcr0 = cpu->xcr0;
  memcpy (s->dr, cpu->dr, sizeof s->dr);
  memcpy (s->vec, cpu->vec, sizeof s->vec);
  s->mxcsr = x86_mxcsr (cpu);
  s->fpu = cpu->fpu;
  /* Where the last x87 instruction was is not kept to the letter by processors either. */
  s->fpu.fip = s->fpu.fdp = s->fpu.fop = s->fpu.fcs = s->fpu.fds = 0;
  s->msr = cpu->msr;
}

#define TABLE_EQUAL(a, b) ((a).sel == (b).sel && (a).attr == (b).attr && (a).limit == (b).limit && (a).base == (b).base)

static gboolean
fpu_equal (const X86Fpu *a, const X86Fpu *b)
{
  for (unsigned i = 0; i < 8; i++)
    if (a->st[i].mant != b->st[i].mant || a->st[i].se != b->st[i].se)
      return FALSE;
  return a->fcw == b->fcw && a->fsw == b->fsw && a->ftag == b->ftag;
}

gboolean
snapshot_equal (const Snapshot *a, const Snapshot *b)
{
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    if (a->seg[i].sel != b->seg[i].sel || a->seg[i].attr != b->seg[i].attr || a->seg[i].limit != b->seg[i].limit)
      return FALSE;
  return memcmp (a->r, b->r, sizeof a->r) == 0 && a->eflags == b->eflags && a->cpl == b->cpl && a->halted == b->halted
         && a->shadow == b->shadow && a->nmi_masked == b->nmi_masked && TABLE_EQUAL (a->ldtr, b->ldtr) && TABLE_EQUAL (a->tr, b->tr)
         && TABLE_EQUAL (a->gdtr, b->gdtr) && TABLE_EQUAL (a->idtr, b->idtr) && a->cr0 == b->cr0 && a->cr2 == b->cr2
         && a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->cr8 == b->cr8 && a->xcr0 == b->xcr0
         && memcmp (a->dr, b->dr, sizeof a->dr) == 0 && memcmp (a->vec, b->vec, sizeof a->vec) == 0 && a->mxcsr == b->mxcsr
         && fpu_equal (&a->fpu, &b->fpu) && memcmp (&a->msr, &b->msr, sizeof a->msr) == 0;
}

static void
line (GString *out, const char *name, uint64_t a, uint64_t b)
{
  if (a != b)
    g_string_append_printf (out, "%s: translated %016" G_GINT64_MODIFIER "x interpreted %016" G_GINT64_MODIFIER "x\n", name, a, b);
}

void
snapshot_describe (const Snapshot *a, const Snapshot *b, GString *out)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (register_names); i++)
    line (out, register_names[i], a->r[i], b->r[i]);
  line (out, "eflags", a->eflags, b->eflags);
  line (out, "cpl", a->cpl, b->cpl);
  line (out, "halted", a->halted, b->halted);
  line (out, "interrupt shadow", a->shadow, b->shadow);
  line (out, "nmi masked", a->nmi_masked, b->nmi_masked);
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    {
      line (out, segment_names[i], a->seg[i].sel, b->seg[i].sel);
      line (out, "  attributes", a->seg[i].attr, b->seg[i].attr);
      line (out, "  limit", a->seg[i].limit, b->seg[i].limit);
    }
  line (out, "ldtr", a->ldtr.sel, b->ldtr.sel);
  line (out, "tr", a->tr.sel, b->tr.sel);
  line (out, "gdt", a->gdtr.base, b->gdtr.base);
  line (out, "idt", a->idtr.base, b->idtr.base);
  line (out, "cr0", a->cr0, b->cr0);
  line (out, "cr2", a->cr2, b->cr2);
  line (out, "cr3", a->cr3, b->cr3);
  line (out, "cr4", a->cr4, b->cr4);
  line (out, "cr8", a->cr8, b->cr8);
  line (out, "xcr0", a->xcr0, b->xcr0);
  for (unsigned i = 0; i < 8; i++)
    line (out, "dr", a->dr[i], b->dr[i]);
  for (unsigned i = 0; i < 16; i++)
    for (unsigned j = 0; j < 4; j++)
      if (a->vec[i].q[j] != b->vec[i].q[j])
        {
          g_autofree char *name = g_strdup_printf ("ymm%u[%u]", i, j);

          line (out, name, a->vec[i].q[j], b->vec[i].q[j]);
        }
  line (out, "mxcsr", a->mxcsr, b->mxcsr);
  for (unsigned i = 0; i < 8; i++)
    {
      line (out, "x87 significand", a->fpu.st[i].mant, b->fpu.st[i].mant);
      line (out, "x87 exponent", a->fpu.st[i].se, b->fpu.st[i].se);
    }
  line (out, "fcw", a->fpu.fcw, b->fpu.fcw);
  line (out, "fsw", a->fpu.fsw, b->fpu.fsw);
  line (out, "ftag", a->fpu.ftag, b->fpu.ftag);
  if (memcmp (&a->msr, &b->msr, sizeof a->msr) != 0)
    g_string_append (out, "model-specific registers differ\n");
}

/* --- Code --- */

/* FALSE: the guest could not read or execute it. */
static gboolean
decode_at (X86Cpu *cpu, uint64_t lin, ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands, uint8_t bytes[15])
{
  unsigned have = 0;

  while (have < 15 && x86_cpu_read_virt (cpu, lin + have, bytes + have, 1))
    have++;
  return x86_decode_instruction (cpu, bytes, have, cpu->mode, insn, operands);
}

unsigned
repeated_at (X86Cpu *cpu, uint64_t *mask, gboolean *tests, uint64_t *zero)
{
  uint64_t lin = cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS];
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  ZydisDecodedInstruction insn;
  uint8_t bytes[15];

  if ((cpu->mode & X86_MODE_CODE_MASK) != X86_MODE_CODE64)
    lin = (uint32_t) lin;
  if (!decode_at (cpu, lin, &insn, operands, bytes)
      || !(insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
    return 0;
  *mask = insn.address_width == 64 ? ~(uint64_t) 0 : insn.address_width == 32 ? 0xffffffff : 0xffff;
  *tests = !(insn.attributes & ZYDIS_ATTRIB_HAS_REP);
  *zero = insn.attributes & ZYDIS_ATTRIB_HAS_REPE ? X86_FLAG_ZF : 0;
  return insn.length;
}

void
disassemble_block (X86Cpu *cpu, uint64_t rip, uint64_t base, GString *out)
{
  enum { INSTRUCTIONS = X86_BLOCK_MAX };
  uint32_t mode = cpu->mode;
  ZydisFormatter formatter;

  ZydisFormatterInit (&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  for (unsigned i = 0; i < INSTRUCTIONS; i++)
    {
      ZydisDecodedInstruction insn;
      ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
      uint64_t lin = rip + base;
      uint8_t bytes[15];
      char text[128];

      if ((mode & X86_MODE_CODE_MASK) != X86_MODE_CODE64)
        lin = (uint32_t) lin;
      if (!decode_at (cpu, lin, &insn, operands, bytes))
        {
          g_string_append_printf (out, "  %016" G_GINT64_MODIFIER "x  (not readable)\n", rip);
          return;
        }
      ZydisFormatterFormatInstruction (&formatter, &insn, operands, insn.operand_count_visible, text, sizeof text, rip,
                                       NULL);
      g_string_append_printf (out, "  %016" G_GINT64_MODIFIER "x  ", rip);
      for (unsigned j = 0; j < insn.length; j++)
        g_string_append_printf (out, "%02x", bytes[j]);
      g_string_append_printf (out, "%*s%s\n", 2 * (12 - (int) MIN (insn.length, 11)), "", text);
      rip += insn.length;
      if (insn.meta.category == ZYDIS_CATEGORY_COND_BR || insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR
          || insn.meta.category == ZYDIS_CATEGORY_CALL || insn.meta.category == ZYDIS_CATEGORY_RET
          || insn.meta.category == ZYDIS_CATEGORY_SYSCALL || insn.meta.category == ZYDIS_CATEGORY_SYSRET
          || insn.meta.category == ZYDIS_CATEGORY_INTERRUPT || (rip + base) >> 12 != lin >> 12)
        return;
    }
}
