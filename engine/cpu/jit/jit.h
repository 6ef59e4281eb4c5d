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
/* The same until x86_jit_renew(). */
void x86_jit_disable (X86Cpu *cpu, X86Block *block);
/* The code of @block, which was disabled, is now @bytes: what can be mended of its translations is open again. */
void x86_jit_renew (X86Cpu *cpu, X86Block *block, const uint8_t *bytes);
/* How much of code memory translations take. */
size_t x86_jit_code_bytes (const X86Cpu *cpu);
/* The arena of blocks is being emptied. */
void x86_jit_flush (X86Cpu *cpu);
/* The calling thread is about to run @cpu. */
void x86_jit_begin (X86Cpu *cpu);

/* Windows (window.h); all do nothing where @cpu has none. After how many µs of standing unflushed an address space gets
 * one (tests: 0). */
void x86_jit_set_window_delay (X86Cpu *cpu, int64_t delay);
/* X86_MODE_WINDOW or 0, for the current address space and privilege. */
uint32_t x86_jit_window_mode (X86Cpu *cpu);
/* @user_only: the kernel's pages stay. */
void x86_jit_tlb_flushed (X86Cpu *cpu, gboolean user_only);
void x86_jit_new_key (X86Cpu *cpu, unsigned key);
void x86_jit_key_flushed (X86Cpu *cpu, unsigned key);
void x86_jit_page_flushed (X86Cpu *cpu, uint64_t lin);
void x86_jit_page_protected (X86Cpu *cpu, const uint8_t *host_page);
void x86_jit_find_logs (X86Cpu *cpu);
void x86_jit_protect_logged (X86Cpu *cpu);
