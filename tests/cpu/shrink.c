/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a failing case small: instructions become NOPs and inputs plain as long as something still differs. */

#include "tests/cpu/case.h"

#include <string.h>

typedef struct
{
  const Generator *generator;
  CaseFails fails;
  void *opaque;
  Case *best, *trial;
} Shrinker;

/* Keeps the trial if it fails, too. */
static gboolean
keep (Shrinker *shrinker)
{
  if (!case_refresh (shrinker->generator, shrinker->trial) || !shrinker->fails (shrinker->opaque, shrinker->trial))
    return FALSE;
  *shrinker->best = *shrinker->trial;
  return TRUE;
}

static Case *
begin (Shrinker *shrinker)
{
  *shrinker->trial = *shrinker->best;
  return shrinker->trial;
}

/* One NOP of @length bytes. */
static void
put_nop (uint8_t *bytes, unsigned length)
{
  memset (bytes, 0x66, length - 1);
  bytes[length - 1] = 0x90;
}

static gboolean
drop_steps (Shrinker *shrinker)
{
  gboolean changed = FALSE;

  for (unsigned n = 0; n < shrinker->best->count; n++)
    {
      Case *trial = begin (shrinker);
      CaseStep *step = &trial->steps[n];

      if (!step->is_valid
          || (step->insn.mnemonic == ZYDIS_MNEMONIC_NOP && trial->code[step->offset + step->insn.length - 1] == 0x90))
        continue;
      put_nop (trial->code + step->offset, step->insn.length);
      changed |= keep (shrinker);
    }
  return changed;
}

/* Sets @size bytes at @offset of the inputs to @value. */
static gboolean
plain (Shrinker *shrinker, size_t offset, size_t size, const void *value)
{
  Case *trial = begin (shrinker);
  uint8_t *input = (uint8_t *) &trial->in + offset;

  if (memcmp (input, value, size) == 0)
    return FALSE;
  memcpy (input, value, size);
  return keep (shrinker);
}

static gboolean
plain_inputs (Shrinker *shrinker)
{
  static const uint8_t zero[16] = { 0 };
  static const uint64_t flags = 0x202;
  static const uint32_t mxcsr = 0x1f80;
  static const uint16_t fcw = 0x37f;
  size_t fx = G_STRUCT_OFFSET (CpuState, fx);
  gboolean changed = FALSE;

  changed |= plain (shrinker, G_STRUCT_OFFSET (CpuState, rflags), sizeof flags, &flags);
  changed |= plain (shrinker, fx + FX_MXCSR, sizeof mxcsr, &mxcsr);
  changed |= plain (shrinker, fx + FX_FCW, sizeof fcw, &fcw);
  changed |= plain (shrinker, fx + FX_FSW, 2, zero);
  for (unsigned i = 0; i < 16; i++)
    {
      changed |= plain (shrinker, i * sizeof (uint64_t), sizeof (uint64_t), zero);
      changed |= plain (shrinker, fx + FX_XMM + i * 16, 16, zero);
      changed |= plain (shrinker, G_STRUCT_OFFSET (CpuState, ymm) + i * 16, 16, zero);
    }
  for (unsigned i = 0; i < 8; i++)
    changed |= plain (shrinker, fx + FX_ST + i * 16, 10, zero);
  return changed;
}

static gboolean
drop_patches (Shrinker *shrinker)
{
  gboolean changed = FALSE;

  for (unsigned i = shrinker->best->patch_count; i-- > 0;)
    {
      Case *trial = begin (shrinker);

      memmove (&trial->patches[i], &trial->patches[i + 1], (trial->patch_count - i - 1) * sizeof trial->patches[0]);
      trial->patch_count--;
      changed |= keep (shrinker);
    }
  return changed;
}

void
shrink_case (const Generator *generator, Case *cs, CaseFails fails, void *opaque)
{
  g_autofree Case *trial = g_new (Case, 1);
  Shrinker shrinker = { generator, fails, opaque, cs, trial };
  gboolean changed;

  do
    {
      changed = drop_steps (&shrinker);
      changed |= plain_inputs (&shrinker);
      changed |= drop_patches (&shrinker);
    }
  while (changed);
}
