/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What counts as a difference, and how it is told. */

#include "tests/cpu/case.h"

#include <string.h>

enum { FLAGS_ARITHMETIC = 0x8d5, FLAG_RF = 1 << 16, EXC_GP = 13, EXC_PF = 14, PF_PRESENT = 1, FSW_IE = 1, FSW_ES = 0x80, FSW_QUOTIENT = 0x4300 /* C0 C1 C3 */,
       MXCSR_OE = 8, MXCSR_UE = 0x10, MXCSR_PE = 0x20, MXCSR_MASK_SHIFT = 7 };
#define TASK_SIZE 0x00007ffffffff000 /* of Linux: addresses from here on are the kernel's */

static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

/* Tells of one difference. */
#define DIFFERS(...)                                                                                                    \
  do                                                                                                                   \
    {                                                                                                                  \
      same = FALSE;                                                                                                     \
      if (report != NULL)                                                                                               \
        g_string_append_printf (report, "#   " __VA_ARGS__);                                                            \
    }                                                                                                                  \
  while (0)

static const char *
outcome_name (int vector)
{
  static const char *const vectors[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS",
                                         "#NP", "#SS", "#GP", "#PF", "15", "#MF", "#AC", "#MC", "#XM" };

  if (vector == OUTCOME_END)
    return "end";
  return vector >= 0 && vector < (int) G_N_ELEMENTS (vectors) ? vectors[vector] : "?";
}

/* An instruction that was cut short may have come to its flags. */
static uint32_t
undefined_flags (const Case *cs, uint64_t rip)
{
  for (unsigned n = 0; n < cs->count; n++)
    if (rip == cs->address + cs->steps[n].offset)
      return cs->undefined[n] | policy_undefined_flags (&cs->steps[n], -1);
  return cs->undefined[cs->count];
}

static gboolean
compare_registers (const Case *cs, const Outcome *native, const Outcome *interp, GString *report)
{
  static const char *const segments[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
  uint32_t ignored = FLAG_RF | undefined_flags (cs, native->state.rip);
  gboolean same = TRUE;

  /* Flags that the program would never read are not kept for a fault. */
  if (interp->is_translated && native->vector >= 0)
    ignored |= FLAGS_ARITHMETIC;
  if (native->state.rip != interp->state.rip)
    DIFFERS ("rip native %" G_GINT64_MODIFIER "x emulated %" G_GINT64_MODIFIER "x\n", native->state.rip,
             interp->state.rip);
  if ((native->state.rflags ^ interp->state.rflags) & ~(uint64_t) ignored)
    DIFFERS ("rflags native %06" G_GINT64_MODIFIER "x emulated %06" G_GINT64_MODIFIER "x differ %06"
             G_GINT64_MODIFIER "x\n", native->state.rflags, interp->state.rflags,
             (native->state.rflags ^ interp->state.rflags) & ~(uint64_t) ignored);
  for (unsigned i = 0; i < G_N_ELEMENTS (segments); i++)
    /* An interrupt's return may have cleared the RPL of a null selector. */
    if (native->state.sels[i] != interp->state.sels[i] && (native->state.sels[i] | interp->state.sels[i]) > 3)
      DIFFERS ("%s native %04x emulated %04x\n", segments[i], native->state.sels[i], interp->state.sels[i]);
  for (unsigned i = 0; i < (cs->mode == CASE_64 ? 16 : 8); i++)
    {
      /* Whenever the host's kernel has interrupted 16-bit code, its return restores half of the stack pointer only. */
      uint64_t mask = i == 4 && cs->mode == CASE_16 ? 0xffff : cs->mode == CASE_64 ? ~(uint64_t) 0 : 0xffffffff;

      if ((native->state.r[i] ^ interp->state.r[i]) & mask)
        DIFFERS ("%s native %016" G_GINT64_MODIFIER "x emulated %016" G_GINT64_MODIFIER "x\n", names[i],
                 native->state.r[i] & mask, interp->state.r[i] & mask);
    }
  return same;
}

static void
append_bytes (GString *out, const uint8_t *bytes, unsigned size)
{
  for (unsigned i = size; i-- > 0;)
    g_string_append_printf (out, "%02x", bytes[i]);
}

static gboolean
compare_image (const char *name, const uint8_t *native, const uint8_t *interp, unsigned offset, unsigned size,
               GString *report)
{
  if (memcmp (native + offset, interp + offset, size) == 0)
    return TRUE;
  if (report != NULL)
    {
      g_string_append_printf (report, "#   %s native ", name);
      append_bytes (report, native + offset, size);
      g_string_append (report, " emulated ");
      append_bytes (report, interp + offset, size);
      g_string_append_c (report, '\n');
    }
  return FALSE;
}

static uint32_t
word_at (const uint8_t *fx, unsigned offset, unsigned size)
{
  uint32_t value = 0;

  memcpy (&value, fx + offset, size);
  return value;
}

static gboolean
compare_fx (const Case *cs, const uint8_t *native, const uint8_t *interp, GString *report)
{
  uint32_t mxcsr[2] = { word_at (native, FX_MXCSR, 4), word_at (interp, FX_MXCSR, 4) };
  uint32_t undefined = cs->undefined_status, fsw[2] = { word_at (native, FX_FSW, 2), word_at (interp, FX_FSW, 2) };
  gboolean same = compare_image ("fcw", native, interp, FX_FCW, 2, report);

  /* Remainders of invalid operands have no quotient. */
  if (fsw[0] & fsw[1] & FSW_IE)
    for (unsigned n = 0; n < cs->count; n++)
      if (cs->steps[n].is_valid && (cs->steps[n].insn.mnemonic == ZYDIS_MNEMONIC_FPREM
                                    || cs->steps[n].insn.mnemonic == ZYDIS_MNEMONIC_FPREM1))
        undefined |= FSW_QUOTIENT;
  if ((fsw[0] ^ fsw[1]) & ~undefined)
    DIFFERS ("fsw native %04x emulated %04x\n", fsw[0], fsw[1]);
  same &= compare_image ("ftw", native, interp, FX_FTW, 1, report);
  /* With overflow or underflow unmasked a result is inexact only when it would be with any exponent, which the
   * interpreter's masked host instructions do not tell. */
  if (mxcsr[0] & ~(mxcsr[0] >> MXCSR_MASK_SHIFT) & (MXCSR_OE | MXCSR_UE))
    mxcsr[1] = (mxcsr[1] & ~(uint32_t) MXCSR_PE) | (mxcsr[0] & MXCSR_PE);
  if (mxcsr[0] != mxcsr[1])
    DIFFERS ("mxcsr native %04x emulated %04x\n", mxcsr[0], mxcsr[1]);
  /* Processors keep the last instruction's address while an exception is pending; not all do otherwise. */
  if (native[FX_FSW] & interp[FX_FSW] & FSW_ES)
    {
      same &= compare_image ("fop", native, interp, FX_FOP, 2, report);
      same &= compare_image ("fip", native, interp, FX_FIP, 4, report);
      same &= compare_image ("fdp", native, interp, FX_FDP, 4, report);
    }
  for (unsigned i = 0; i < 8; i++)
    {
      char name[8] = { 's', 't', (char) ('0' + i), 0 };

      same &= compare_image (name, native, interp, FX_ST + i * 16, 10, report);
    }
  for (unsigned i = 0; i < 16; i++)
    {
      char name[8];

      g_snprintf (name, sizeof name, "xmm%u", i);
      same &= compare_image (name, native, interp, FX_XMM + i * 16, 16, report);
    }
  return same;
}

static gboolean
compare_ymm (const CpuState *native, const CpuState *interp, GString *report)
{
  gboolean same = TRUE;

  for (unsigned i = 0; i < G_N_ELEMENTS (native->ymm); i++)
    {
      char name[16];

      g_snprintf (name, sizeof name, "ymm%u high", i);
      same &= compare_image (name, native->ymm[i], interp->ymm[i], 0, sizeof native->ymm[i], report);
    }
  return same;
}

/* FXSAVE tells which bits MXCSR has; hosts have one more than the interpreter's models. */
static gboolean
is_mxcsr_mask (const Case *cs, uint8_t native, uint8_t interp)
{
  for (unsigned n = 0; n < cs->count; n++)
    if (cs->steps[n].is_valid && (cs->steps[n].insn.mnemonic == ZYDIS_MNEMONIC_FXSAVE
                                  || cs->steps[n].insn.mnemonic == ZYDIS_MNEMONIC_FXSAVE64))
      return native == 2 && interp == 0;
  return FALSE;
}

gboolean
compare_outcomes (const Case *cs, const Outcome *native, const Outcome *interp, GString *report)
{
  gboolean same = TRUE;
  unsigned told = 0;

  for (unsigned n = 0; n < cs->count; n++)
    {
      uint64_t rip = cs->address + cs->steps[n].offset;

      if (native->state.rip != rip && interp->state.rip != rip)
        continue;
      if (policy_may_differ (cs, &cs->steps[n], native, interp))
        return TRUE;
    }
  /* A translated near branch to an address that is not canonical faults there. */
  if (interp->is_translated && native->vector == EXC_GP && interp->vector == EXC_GP
      && interp->state.rip + ((uint64_t) 1 << 47) >= (uint64_t) 1 << 48)
    return TRUE;
  if (native->vector != interp->vector)
    DIFFERS ("outcome native %s (%d) emulated %s (%d)\n", outcome_name (native->vector), native->vector,
             outcome_name (interp->vector), interp->vector);
  else if (native->vector >= 0)
    {
      uint32_t differ = native->error ^ interp->error;

      /* Kernels do not tell programs what is mapped in their own half, and may take a page away for a while. */
      if (native->vector == EXC_PF
          && (native->cr2 >= TASK_SIZE || native->cr2 - CASE_READONLY < CASE_DATA + CASE_DATA_SIZE - CASE_READONLY))
        differ &= ~(uint32_t) PF_PRESENT;
      if (differ)
        DIFFERS ("%s error native %x emulated %x\n", outcome_name (native->vector), native->error, interp->error);
      if (native->vector == EXC_PF && native->cr2 != interp->cr2)
        DIFFERS ("cr2 native %" G_GINT64_MODIFIER "x emulated %" G_GINT64_MODIFIER "x\n", native->cr2, interp->cr2);
    }
  same &= compare_registers (cs, native, interp, report);
  same &= compare_fx (cs, native->state.fx, interp->state.fx, report);
  same &= compare_ymm (&native->state, &interp->state, report);
  if (memcmp (native->data, interp->data, CASE_DATA_SIZE) != 0)
    for (unsigned i = 0; i < CASE_DATA_SIZE && told < 24; i++)
      if (native->data[i] != interp->data[i] && !is_mxcsr_mask (cs, native->data[i], interp->data[i]))
        {
          DIFFERS ("%x: native %02x emulated %02x\n", CASE_DATA + i, native->data[i], interp->data[i]);
          told++;
        }
  return same;
}

/* --- Telling what a case is --- */

const char *
case_mode_name (CaseMode mode)
{
  static const char *const modes[CASE_MODES] = { "64", "32", "16" };

  return modes[mode];
}

const char *
case_mnemonic (const Case *cs, unsigned step)
{
  return cs->steps[step].is_valid ? ZydisMnemonicGetString (cs->steps[step].insn.mnemonic) : "invalid";
}

static void
describe_inputs (const Generator *generator, const Case *cs, GString *report)
{
  const uint8_t *fx = cs->in.fx;
  uint8_t data[CASE_DATA_SIZE];

  for (unsigned i = 0; i < (cs->mode == CASE_64 ? 16 : 8); i++)
    g_string_append_printf (report, "%s%s %016" G_GINT64_MODIFIER "x%s", i % 4 == 0 ? "#   " : " ", names[i],
                            cs->in.r[i], i % 4 == 3 ? "\n" : "");
  g_string_append_printf (report,
                          "#   rflags %06" G_GINT64_MODIFIER "x fcw %02x%02x fsw %02x%02x ftw %02x mxcsr %02x%02x\n",
                          cs->in.rflags, fx[FX_FCW + 1], fx[FX_FCW], fx[FX_FSW + 1], fx[FX_FSW], fx[FX_FTW],
                          fx[FX_MXCSR + 1], fx[FX_MXCSR]);
  for (unsigned i = 0; i < 8; i++)
    {
      g_string_append_printf (report, "%sst%u ", i % 4 == 0 ? "#   " : " ", i);
      append_bytes (report, fx + FX_ST + i * 16, 10);
      if (i % 4 == 3)
        g_string_append_c (report, '\n');
    }
  for (unsigned i = 0; i < 16; i++)
    {
      g_string_append_printf (report, "%symm%u ", i % 2 == 0 ? "#   " : " ", i);
      append_bytes (report, cs->in.ymm[i], 16);
      append_bytes (report, fx + FX_XMM + i * 16, 16);
      if (i % 2 == 1)
        g_string_append_c (report, '\n');
    }
  /* What the registers point at. */
  case_fill_data (generator, cs, data);
  for (unsigned i = 0; i < (cs->mode == CASE_64 ? 16 : 8); i++)
    {
      uint64_t offset = cs->in.r[i] - (cs->mode == CASE_16 ? CASE_DATA - CASE_DATA16_BASE : CASE_DATA);

      if (offset <= CASE_DATA_SIZE - 16)
        {
          g_string_append_printf (report, "#   [%s] ", names[i]);
          append_bytes (report, data + offset, 16);
          g_string_append_c (report, '\n');
        }
    }
}

void
describe_case (const Generator *generator, const Case *cs, GString *report)
{
  ZydisFormatter formatter;

  ZydisFormatterInit (&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  g_string_append_printf (report, "# differs: test-native --mode %s --case 0x%016" G_GINT64_MODIFIER "x\n",
                          case_mode_name (cs->mode), cs->seed);
  for (unsigned n = 0; n < cs->count; n++)
    {
      const CaseStep *step = &cs->steps[n];
      char text[128] = "invalid";

      if (step->is_valid)
        ZydisFormatterFormatInstruction (&formatter, &step->insn, step->opr, step->insn.operand_count_visible, text,
                                         sizeof text, cs->address + step->offset, NULL);
      g_string_append_printf (report, "#   %" G_GINT64_MODIFIER "x: ", cs->address + step->offset);
      for (unsigned i = 0; i < step->insn.length; i++)
        g_string_append_printf (report, "%02x ", cs->code[step->offset + i]);
      g_string_append_printf (report, "  %s\n", text);
    }
  describe_inputs (generator, cs, report);
}
