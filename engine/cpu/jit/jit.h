/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The translator: hot blocks as machine code for this host. It shares decoding,
 * the MMU, events and what keeps code true with the interpreter, which runs all
 * that is cold and every instruction that has no translation.
 */
#pragma once

#include "engine/cpu/cpu-private.h"

/* Makes @cpu translate. FALSE with @error when no executable memory can be had. */
gboolean x86_jit_enable (X86Cpu *cpu, GError **error);
void x86_jit_free (X86Cpu *cpu);
/* After how many runs a block is translated (tests: 0). */
void x86_jit_set_heat (X86Cpu *cpu, unsigned runs);
/* A block was added: has it counted, and translated when it is hot. */
void x86_jit_watch (X86Cpu *cpu, X86Block *block);
/* Nobody may enter the translations of @block any more; who is inside leaves after the instruction. */
void x86_jit_drop (X86Cpu *cpu, X86Block *block);
/* How much of code memory translations take. */
size_t x86_jit_code_bytes (const X86Cpu *cpu);
/* The arena of blocks is being emptied. */
void x86_jit_flush (X86Cpu *cpu);
