/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Windows: guest-linear memory laid out in the host's own address space, so
 * that translated code reaches it without looking anything up.
 *
 * A window is a table of 4 GiB regions by the upper half of a linear address,
 * found at the GS base while translated code runs: host address = linear
 * address + table[linear address >> 32]. Regions that hold nothing, and pages
 * that are not there, end in memory that may not be touched; the fault brings
 * the access to its slow path, which lays the page in or goes without.
 * Each user address space has a window, and the global pages of the kernel.
 * Only what has been stable for a while gets one: a page costs more to lay in
 * than many look-ups.
 */
#pragma once

#include "engine/cpu/cpu-private.h"

typedef struct JitWindows JitWindows;

/* NULL where the host cannot: it needs RDGSBASE and BMI2, and address space. */
JitWindows *jit_windows_new (X86Cpu *cpu);
void jit_windows_free (JitWindows *windows);
/* How long an address space must have stood unflushed, in µs (tests: 0). */
void jit_windows_set_delay (JitWindows *windows, int64_t delay);

/* X86_MODE_WINDOW when the current address space and privilege have a window, else 0. */
uint32_t jit_windows_mode (JitWindows *windows);
/* Before translated code is entered in X86_MODE_WINDOW. @fresh_thread: the host's GS base is not known. */
void jit_windows_enter (JitWindows *windows, gboolean fresh_thread);
/* Lays the page of @lin in, which has just been translated to @info. FALSE: it stays out, or was there already. */
gboolean jit_windows_fill (JitWindows *windows, uint64_t lin, const X86TlbInfo *info);

/* What the TLB forgets, windows forget. */
void jit_windows_flush_all (JitWindows *windows, gboolean user_only);
void jit_windows_flush_key (JitWindows *windows, unsigned key);
void jit_windows_flush_page (JitWindows *windows, uint64_t lin);
/* Stores to this host page must fault from now on. */
void jit_windows_protect (JitWindows *windows, const uint8_t *host_page);
/* Stores to pages whose log was emptied must fault again; and, when other pages have a log than before, to those that have one. */
void jit_windows_protect_logged (JitWindows *windows);
void jit_windows_find_logs (JitWindows *windows);
/* A new address space has got @key. */
void jit_windows_new_key (JitWindows *windows, unsigned key);
