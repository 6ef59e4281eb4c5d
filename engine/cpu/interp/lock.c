/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locked read-modify-write: a host atomic wherever the operand lies in one page of RAM, else the machine lock.
 * Specification: Intel SDM volume 3A, section 8.1 (Locked Atomic Operations).
 */

#include "engine/cpu/interp/interp.h"

void *
x86_lock_host (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  void *host = x86_host_write (cpu, lin, size);
  X86TlbInfo *info;

  if (X86_LIKELY (host != NULL))
    return host;
  if ((lin & 0xfff) + size > GUEST_PAGE_SIZE)
    return NULL;
  info = x86_translate (cpu, op, lin, X86_ACCESS_WRITE, cpu->mmu_index);
  if (info->host == NULL || info->is_rom)
    return NULL;
  if (info->dirty != NULL)
    *info->dirty = 1;
  return info->host + (lin & 0xfff);
}

void
x86_lock_done (X86Cpu *cpu, uint64_t lin, const void *host, unsigned size)
{
  if (X86_LIKELY (x86_host_write (cpu, lin, size) != NULL))
    return;
  /* The slow half of a store: code pages and watchpoints. */
  if (x86_code_page_is_watched (cpu, (const uint8_t *) ((uintptr_t) host & X86_PAGE_MASK)))
    x86_code_stored (cpu, host, size);
  if (cpu->dr[7] & 0xff)
    x86_check_data_breakpoint (cpu, lin, size, X86_ACCESS_WRITE);
}

void
x86_lock_enter (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  /* Nothing may fault while the lock is held. */
  x86_probe_write (cpu, op, lin, size);
  if (cpu->ops->lock != NULL)
    cpu->ops->lock (cpu->opaque);
}

void
x86_lock_leave (X86Cpu *cpu)
{
  if (cpu->ops->unlock != NULL)
    cpu->ops->unlock (cpu->opaque);
}
