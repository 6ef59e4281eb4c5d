/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where translated time goes: names of translated code for perf(1), and what translated code leaves to the interpreter. */
#pragma once

#include "engine/cpu/jit/jit-private.h"

/* Names @code's @size bytes of executable memory, if the machine has a map. */
void jit_profile_thunk (X86Cpu *cpu, const uint8_t *code, const uint8_t *end, const char *name);
void jit_profile_block (X86Cpu *cpu, const JitBlock *block, const uint8_t *end);

/* The interpreter runs the instruction of @site. */
static inline void
jit_profile_site (struct X86Jit *jit, const JitSite *site)
{
  jit->interpreted[site->mnemonic]++;
}
