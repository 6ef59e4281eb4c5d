/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locked read-modify-write: a host atomic wherever the operand is one piece of the host's memory. In two pieces it is
 * changed while all other processors stand still, because their atomics know no lock of ours; in a device's registers,
 * under the machine lock.
 * Specification: Intel SDM volume 3A, section 8.1 (Locked Atomic Operations).
 */

#include "engine/cpu/interp/interp.h"

static void
mark_dirty (const X86TlbInfo *page)
{
  if (page->dirty != NULL)
    *page->dirty = 1;
}

void *
x86_lock_host (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  void *host = x86_host_write (cpu, lin, size);
  X86TlbInfo *page = cpu->locked.page;
  unsigned count;

  if (X86_LIKELY (host != NULL))
    return host;
  count = x86_translate_pages (cpu, op, lin, size, X86_ACCESS_WRITE, page);
  for (unsigned i = 0; i < count; i++)
    if (page[i].host == NULL || page[i].is_rom || page[i].host != page[0].host + i * GUEST_PAGE_SIZE)
      return NULL;
  for (unsigned i = 0; i < count; i++)
    mark_dirty (&page[i]);
  return page[0].host + (lin & 0xfff);
}

void
x86_lock_done (X86Cpu *cpu, uint64_t lin, const void *host, unsigned size)
{
  const uint8_t *first = host, *last = first + size - 1;

  if (X86_LIKELY (x86_host_write (cpu, lin, size) != NULL))
    return;
  /* The slow half of a store: code pages and watchpoints. */
  if (x86_code_page_is_watched (cpu, (const uint8_t *) ((uintptr_t) first & X86_PAGE_MASK))
      || x86_code_page_is_watched (cpu, (const uint8_t *) ((uintptr_t) last & X86_PAGE_MASK)))
    x86_code_stored (cpu, first, size);
  if (cpu->dr[7] & 0xff)
    x86_check_data_breakpoint (cpu, lin, size, X86_ACCESS_WRITE);
}

void
x86_lock_enter (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  X86Locked *locked = &cpu->locked;
  unsigned count;

  /* Nothing may fault while others are kept waiting. */
  count = x86_translate_pages (cpu, op, lin, size, X86_ACCESS_WRITE, locked->page);
  locked->lin = lin;
  locked->size = size;
  locked->room = count == 1 ? size : GUEST_PAGE_SIZE - (unsigned) (lin & 0xfff);
  locked->is_alone = FALSE;
  locked->has_lock = FALSE;
  for (unsigned i = 0; i < count; i++)
    if (locked->page[i].host == NULL)
      locked->has_lock = cpu->ops->lock != NULL;
    else if (count > 1)
      locked->is_alone = TRUE;
  if (locked->is_alone)
    x86_alone_begin (cpu);
  if (locked->has_lock)
    cpu->ops->lock (cpu->opaque);
}

static uint64_t
load_piece (X86Cpu *cpu, unsigned offset, unsigned size)
{
  X86Locked *locked = &cpu->locked;

  if (offset < locked->room)
    return x86_page_read (cpu, &locked->page[0], locked->lin + offset, size);
  return x86_page_read (cpu, &locked->page[1], offset - locked->room, size);
}

static void
store_piece (X86Cpu *cpu, unsigned offset, uint64_t value, unsigned size)
{
  X86Locked *locked = &cpu->locked;

  if (offset < locked->room)
    x86_page_write (cpu, &locked->page[0], locked->lin + offset, value, size);
  else
    x86_page_write (cpu, &locked->page[1], offset - locked->room, value, size);
}

uint64_t
x86_lock_load (X86Cpu *cpu, unsigned offset, unsigned size)
{
  uint64_t value = 0;

  if (cpu->locked.room == cpu->locked.size)
    return load_piece (cpu, offset, size);
  for (unsigned i = 0; i < size; i++)
    value |= load_piece (cpu, offset + i, 1) << (8 * i);
  return value;
}

void
x86_lock_store (X86Cpu *cpu, unsigned offset, uint64_t value, unsigned size)
{
  if (cpu->locked.room == cpu->locked.size)
    store_piece (cpu, offset, value, size);
  else
    for (unsigned i = 0; i < size; i++)
      store_piece (cpu, offset + i, value >> (8 * i), 1);
}

void
x86_lock_leave (X86Cpu *cpu)
{
  const X86Locked *locked = &cpu->locked;

  if (locked->has_lock)
    cpu->ops->unlock (cpu->opaque);
  if (locked->is_alone)
    x86_alone_end (cpu);
  if (cpu->dr[7] & 0xff)
    x86_check_data_breakpoint (cpu, locked->lin, locked->size, X86_ACCESS_WRITE);
}
