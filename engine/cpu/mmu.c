/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The software TLB and the slow paths of guest memory access.
 * Specification: Intel SDM volume 3A, section 4.10 (Caching Translation Information).
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit.h"

enum { KEY_LAST = X86_TLB_SIZE - 1, PCID_COUNT = 4096 };
#define LARGE_SIZE ((uint64_t) 2 << 20)

/* A tag that no address matches: the entry's own place under key 0, which none has. */
static inline uint64_t
tag_none (unsigned i)
{
  uint64_t index = i & (X86_TLB_SIZE - 1);

  return (index ^ index >> X86_TLB_FOLD) << GUEST_PAGE_SHIFT;
}

static void
close_entry (X86Cpu *cpu, unsigned i)
{
  cpu->tlbs[i].tag_read = cpu->tlbs[i].tag_write = tag_none (i);
}

void
x86_tlb_init (X86Cpu *cpu)
{
  cpu->tlbs = g_aligned_alloc (X86_MMU_COUNT * X86_TLB_SIZE, sizeof (X86TlbEntry), 64);
  cpu->tlb_info = g_new (X86TlbInfo, X86_MMU_COUNT * X86_TLB_SIZE);
  cpu->pcid_key = g_new0 (uint16_t, PCID_COUNT);
  cpu->jumps = g_aligned_alloc0 (X86_JUMP_SIZE, sizeof (X86Jump), 2 * sizeof (X86Jump));
  x86_tlb_flush_all (cpu);
}

void
x86_tlb_free (X86Cpu *cpu)
{
  g_aligned_free (cpu->tlbs);
  g_free (cpu->tlb_info);
  g_free (cpu->pcid_key);
  g_aligned_free (cpu->jumps);
}

void
x86_update_code_key (X86Cpu *cpu)
{
  cpu->mode = (cpu->mode & ~(uint32_t) X86_MODE_WINDOW) | x86_jit_window_mode (cpu);
  /* No address space has key 0. */
  cpu->global_key = cpu->mode | (uint64_t) cpu->cpl << X86_MODE_BITS | (uint64_t) cpu->flush_count << (X86_MODE_BITS + 14);
  cpu->code_key = cpu->global_key | (cpu->tlb_key >> X86_TLB_KEY_SHIFT) << (X86_MODE_BITS + 2);
}

static void
take_key (X86Cpu *cpu)
{
  unsigned pcid = (cpu->cr4 & X86_CR4_PCIDE) ? cpu->cr3 & 0xfff : 0;

  if (cpu->pcid_key[pcid] == 0)
    {
      cpu->pcid_key[pcid] = cpu->next_key++;
      x86_jit_new_key (cpu, cpu->pcid_key[pcid]);
    }
  cpu->tlb_key = (uint64_t) cpu->pcid_key[pcid] << X86_TLB_KEY_SHIFT;
  x86_update_code_key (cpu);
}

/* @recycles: only to begin with the keys anew; global pages are still what they are. */
static void
empty_tlb (X86Cpu *cpu, gboolean recycles)
{
  for (unsigned i = 0; i < X86_MMU_COUNT * X86_TLB_SIZE; i++)
    close_entry (cpu, i);
  memset (cpu->tlb_info, 0xff, X86_MMU_COUNT * X86_TLB_SIZE * sizeof (X86TlbInfo));
  memset (cpu->pcid_key, 0, PCID_COUNT * sizeof *cpu->pcid_key);
  cpu->next_key = 1;
  x86_jit_tlb_flushed (cpu, recycles);
  memset (cpu->large_2m, 0, sizeof cpu->large_2m);
  memset (cpu->large_1g, 0, sizeof cpu->large_1g);
  cpu->flush_count++;
  take_key (cpu);
}

void
x86_tlb_flush_all (X86Cpu *cpu)
{
  empty_tlb (cpu, FALSE);
}

void
x86_tlb_flush_pcid (X86Cpu *cpu, unsigned pcid)
{
  if (cpu->next_key >= KEY_LAST)
    {
      empty_tlb (cpu, TRUE);
      return;
    }
  x86_jit_key_flushed (cpu, cpu->pcid_key[pcid & (PCID_COUNT - 1)]);
  cpu->pcid_key[pcid & (PCID_COUNT - 1)] = 0;
  take_key (cpu);
}

void
x86_tlb_switch (X86Cpu *cpu, gboolean keep)
{
  unsigned pcid = (cpu->cr4 & X86_CR4_PCIDE) ? cpu->cr3 & 0xfff : 0;

  if (!keep)
    x86_tlb_flush_pcid (cpu, pcid);
  else if (cpu->next_key >= KEY_LAST)
    empty_tlb (cpu, TRUE);
  else
    take_key (cpu);
}

static void
drop_entry (X86Cpu *cpu, unsigned i)
{
  close_entry (cpu, i);
  cpu->tlb_info[i].page = X86_TLB_NONE;
}

/* Pages of 2 and 4 MiB count as 2 MiB here: both halves are noted. */
static uint64_t *
large_bit (X86Cpu *cpu, uint64_t lin, unsigned shift, uint64_t *bit)
{
  unsigned bits = shift == 21 ? 12 : 8, n = (unsigned) (((lin >> shift) * 0x9e3779b97f4a7c15u) >> (64 - bits));

  *bit = (uint64_t) 1 << (n & 63);
  return shift == 21 ? &cpu->large_2m[n >> 6] : &cpu->large_1g[n >> 6];
}

static void
note_large (X86Cpu *cpu, uint64_t lin, uint64_t size)
{
  unsigned shift = size > LARGE_SIZE * 2 ? 30 : 21;
  uint64_t bit, *word = large_bit (cpu, lin, shift, &bit);

  *word |= bit;
  if (size == LARGE_SIZE * 2)
    {
      word = large_bit (cpu, lin ^ LARGE_SIZE, shift, &bit);
      *word |= bit;
    }
}

static gboolean
is_large (X86Cpu *cpu, uint64_t lin, unsigned shift)
{
  uint64_t bit, *word = large_bit (cpu, lin, shift, &bit);

  return (*word & bit) != 0;
}

/* All that may come from the large page around @lin. */
static void
flush_large (X86Cpu *cpu, uint64_t lin)
{
  uint64_t size = x86_long_mode (cpu) || (cpu->cr4 & X86_CR4_PAE) ? LARGE_SIZE : LARGE_SIZE * 2, first = lin & ~(size - 1);

  for (uint64_t page = first; page < first + size; page += GUEST_PAGE_SIZE)
    {
      for (unsigned mmu = 0; mmu < X86_MMU_COUNT; mmu++)
        {
          unsigned i = mmu * X86_TLB_SIZE + x86_tlb_index (page);

          if ((cpu->tlb_info[i].page & X86_PAGE_MASK) == page)
            drop_entry (cpu, i);
        }
      x86_jit_page_flushed (cpu, page);
    }
  cpu->flush_count++;
  x86_update_code_key (cpu);
}

void
x86_tlb_flush_page (X86Cpu *cpu, uint64_t lin)
{
  uint64_t page = lin & X86_PAGE_MASK;

  if (is_large (cpu, page, 30))
    {
      x86_tlb_flush_all (cpu);
      return;
    }
  if (is_large (cpu, page, 21))
    {
      flush_large (cpu, page);
      return;
    }
  for (unsigned mmu = 0; mmu < X86_MMU_COUNT; mmu++)
    {
      unsigned i = mmu * X86_TLB_SIZE + x86_tlb_index (page);

      if ((cpu->tlb_info[i].page & X86_PAGE_MASK) == page)
        drop_entry (cpu, i);
    }
  x86_jit_page_flushed (cpu, page);
  /* The jump entries of a page are the group that its number selects. */
  for (unsigned i = 0; i < X86_JUMP_GROUP; i++)
    x86_jump_group (cpu, lin)[i].key = 0;
}

void
x86_tlb_protect_logged (X86Cpu *cpu)
{
  for (unsigned i = 0; i < X86_MMU_COUNT * X86_TLB_SIZE; i++)
    if (cpu->tlb_info[i].page != X86_TLB_NONE && cpu->tlb_info[i].dirty != NULL)
      cpu->tlbs[i].tag_write = tag_none (i);
  x86_jit_protect_logged (cpu);
}

void
x86_tlb_protect_host (X86Cpu *cpu, const uint8_t *host_page)
{
  for (unsigned i = 0; i < X86_MMU_COUNT * X86_TLB_SIZE; i++)
    if (cpu->tlb_info[i].host == host_page)
      cpu->tlbs[i].tag_write = tag_none (i);
  x86_jit_page_protected (cpu, host_page);
}

/* Sets the fast tags from what is known. */
static void
set_tags (X86Cpu *cpu, unsigned i)
{
  X86TlbInfo *info = &cpu->tlb_info[i];
  X86TlbEntry *entry = &cpu->tlbs[i];
  uint64_t tag = (info->page & X86_PAGE_MASK) ^ (info->page & ~X86_PAGE_MASK) << X86_TLB_KEY_SHIFT;

  close_entry (cpu, i);
  if (info->host == NULL)
    return;
  entry->addend = (uint64_t) (uintptr_t) info->host - (info->page & X86_PAGE_MASK);
  entry->host = info->host;
  if (info->is_watched)
    return;
  if (info->rights & (1 << X86_ACCESS_READ))
    entry->tag_read = tag;
  if ((info->rights & (1 << X86_ACCESS_WRITE)) && !info->is_rom && !x86_code_page_is_watched (cpu, info->host))
    {
      if (info->dirty != NULL)
        *info->dirty = 1;
      entry->tag_write = tag;
    }
}

/* The dirty-log byte of the page at @phys, or NULL. */
static uint8_t *
log_of (const MemorySection *section, uint64_t phys)
{
  return section->dirty != NULL ? section->dirty + ((phys >> GUEST_PAGE_SHIFT) - (section->base >> GUEST_PAGE_SHIFT)) : NULL;
}

void
x86_tlb_find_logs (X86Cpu *cpu)
{
  x86_forget_ram (cpu);
  for (unsigned i = 0; i < X86_MMU_COUNT * X86_TLB_SIZE; i++)
    {
      X86TlbInfo *info = &cpu->tlb_info[i];

      if (info->page == X86_TLB_NONE || info->host == NULL)
        continue;
      info->dirty = log_of (address_space_lookup (cpu->memory, info->phys), info->phys);
      if (info->dirty != NULL)
        cpu->tlbs[i].tag_write = tag_none (i);
      else
        set_tags (cpu, i);
    }
  x86_jit_find_logs (cpu);
}

static gboolean
page_is_watched (const X86Cpu *cpu, uint64_t page)
{
  for (unsigned i = 0; i < 4; i++)
    if (((cpu->dr[7] >> (i * 2)) & 3) && ((cpu->dr[7] >> (16 + i * 4)) & 1)
        && ((cpu->dr[i] & X86_PAGE_MASK) == page || ((cpu->dr[i] + 7) & X86_PAGE_MASK) == page))
      return TRUE;
  return FALSE;
}

X86TlbInfo *
x86_translate (X86Cpu *cpu, const X86Op *op, uint64_t lin, X86Access access, unsigned mmu)
{
  uint64_t page = (lin & X86_PAGE_MASK) | cpu->tlb_key >> X86_TLB_KEY_SHIFT;
  unsigned i = mmu * X86_TLB_SIZE + x86_tlb_index (lin);
  X86TlbInfo *info = &cpu->tlb_info[i];
  const MemorySection *section;
  X86Walk walk;

  if (info->page == page && (info->rights & (1 << access)))
    {
      if (access == X86_ACCESS_WRITE && info->dirty != NULL)
        set_tags (cpu, i); /* see x86_tlb_protect_logged() */
      return info;
    }
  if (((info->page ^ page) & X86_PAGE_MASK) == 0 && info->is_global && info->page != X86_TLB_NONE
      && (info->rights & (1 << access)))
    {
      info->page = page; /* a global page survives the switch of address spaces */
      set_tags (cpu, i);
      return info;
    }

  if (x86_long_mode (cpu) && !x86_is_canonical (lin))
    x86_raise_error (cpu, op, op != NULL && op->segno == X86_SS ? X86_EXC_SS : X86_EXC_GP, 0);

  cpu->counters.tlb_misses++;
  if (!x86_walk (cpu, lin, access, mmu, FALSE, &walk))
    {
      cpu->cr2 = lin;
      x86_raise_error (cpu, op, X86_EXC_PF, walk.error);
    }
  if (walk.size > GUEST_PAGE_SIZE)
    {
      note_large (cpu, lin, walk.size);
    }

  section = address_space_lookup (cpu->memory, walk.phys);
  info->page = page;
  info->phys = walk.phys;
  info->rights = walk.rights;
  info->is_global = walk.is_global;
  info->is_rom = section->kind == MEMORY_ROM;
  info->is_watched = cpu->dr[7] & 0xff ? page_is_watched (cpu, page & X86_PAGE_MASK) : FALSE;
  info->dirty = NULL;
  /* A section need not end at a page's end; such a page goes byte by byte. */
  if (section->kind == MEMORY_MMIO || walk.phys - section->base + GUEST_PAGE_SIZE > section->size)
    info->host = NULL;
  else
    {
      info->host = section->host + (walk.phys - section->base);
      info->dirty = log_of (section, walk.phys);
    }
  set_tags (cpu, i);
  return info;
}

/* --- Accesses that leave the fast path --- */

static void
after_device (X86Cpu *cpu)
{
  /* The handler may have moved memory about: no later access may use old translations. */
  if (X86_UNLIKELY (__atomic_load_n (&cpu->pending, __ATOMIC_ACQUIRE) & X86_REQ_TLB_FLUSH))
    {
      __atomic_and_fetch (&cpu->pending, ~X86_REQ_TLB_FLUSH, __ATOMIC_ACQ_REL);
      x86_forget_ram (cpu);
      x86_tlb_flush_all (cpu);
    }
}

static uint64_t
mmio_read (X86Cpu *cpu, uint64_t gpa, unsigned size)
{
  const MemorySection *section;
  uint64_t value = 0;

  cpu->counters.mmio++;
  x86_fp_leave (cpu);
  if (cpu->ops->lock != NULL)
    cpu->ops->lock (cpu->opaque);
  section = address_space_lookup (cpu->memory, gpa);
  if (section->kind == MEMORY_MMIO)
    value = memory_section_read (section, gpa, size);
  else
    for (unsigned i = 0; i < size; i++)
      {
        const uint8_t *host = x86_phys_ram (cpu, gpa + i, FALSE);

        value |= (uint64_t) (host != NULL ? *host : 0xff) << (8 * i);
      }
  if (cpu->ops->unlock != NULL)
    cpu->ops->unlock (cpu->opaque);
  after_device (cpu);
  return value;
}

static void
mmio_write (X86Cpu *cpu, uint64_t gpa, uint64_t value, unsigned size)
{
  const MemorySection *section;

  cpu->counters.mmio++;
  x86_fp_leave (cpu);
  if (cpu->ops->lock != NULL)
    cpu->ops->lock (cpu->opaque);
  section = address_space_lookup (cpu->memory, gpa);
  if (section->kind == MEMORY_MMIO)
    memory_section_write (section, gpa, value, size);
  else
    for (unsigned i = 0; i < size; i++)
      {
        uint8_t *host = x86_phys_ram (cpu, gpa + i, TRUE);

        if (host != NULL)
          *host = (uint8_t) (value >> (8 * i));
      }
  if (cpu->ops->unlock != NULL)
    cpu->ops->unlock (cpu->opaque);
  after_device (cpu);
}

uint64_t
x86_page_read (X86Cpu *cpu, const X86TlbInfo *info, uint64_t lin, unsigned size)
{
  const uint8_t *host;
  uint64_t value = 0;

  if (info->host == NULL)
    return mmio_read (cpu, info->phys | (lin & 0xfff), size);
  /* One access where there is one on the host. */
  host = info->host + (lin & 0xfff);
  switch (size)
    {
    case 1: return *host;
    case 2: memcpy (&value, host, 2); return value;
    case 4: memcpy (&value, host, 4); return value;
    case 8: memcpy (&value, host, 8); return value;
    default: memcpy (&value, host, size); return value;
    }
}

void
x86_page_write (X86Cpu *cpu, const X86TlbInfo *info, uint64_t lin, uint64_t value, unsigned size)
{
  uint8_t *host;

  if (info->host == NULL)
    {
      mmio_write (cpu, info->phys | (lin & 0xfff), value, size);
      return;
    }
  if (info->is_rom)
    return;
  if (info->dirty != NULL)
    *info->dirty = 1;
  host = info->host + (lin & 0xfff);
  switch (size)
    {
    case 1: *host = (uint8_t) value; break;
    case 2: memcpy (host, &value, 2); break;
    case 4: memcpy (host, &value, 4); break;
    case 8: memcpy (host, &value, 8); break;
    default: memcpy (host, &value, size); break;
    }
  if (x86_code_page_is_watched (cpu, info->host))
    x86_code_stored (cpu, host, size);
}

/* The first byte of the next page. */
static uint64_t
next_page (const X86Cpu *cpu, uint64_t lin)
{
  uint64_t next = (lin & X86_PAGE_MASK) + GUEST_PAGE_SIZE;

  return x86_long_mode (cpu) ? next : (uint32_t) next;
}

/* The same for an access that goes on there: the whole of it must be canonical before any page of it is looked at. */
static uint64_t
second_page (X86Cpu *cpu, const X86Op *op, uint64_t lin)
{
  uint64_t next = next_page (cpu, lin);

  if (x86_long_mode (cpu) && !x86_is_canonical (next))
    x86_raise_error (cpu, op, op != NULL && op->segno == X86_SS ? X86_EXC_SS : X86_EXC_GP, 0);
  return next;
}

static uint64_t
read_as (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, X86Access access, unsigned mmu)
{
  unsigned room = GUEST_PAGE_SIZE - (lin & 0xfff);
  X86TlbInfo first, *info;
  uint64_t value;

  if (X86_LIKELY (room >= size))
    {
      info = x86_translate (cpu, op, lin, access, mmu);
      value = x86_page_read (cpu, info, lin, size);
    }
  else
    {
      uint64_t low = 0, high = 0, second = second_page (cpu, op, lin);
      X86TlbInfo last;

      first = *x86_translate (cpu, op, lin, access, mmu);
      last = *x86_translate (cpu, op, second, access, mmu);
      for (unsigned i = 0; i < room; i++)
        low |= x86_page_read (cpu, &first, lin + i, 1) << (8 * i);
      for (unsigned i = room; i < size; i++)
        high |= x86_page_read (cpu, &last, second + i - room, 1) << (8 * i);
      value = low | high;
    }
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    x86_check_data_breakpoint (cpu, lin, size, X86_ACCESS_READ);
  return value;
}

static void
write_as (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint64_t value, unsigned size, unsigned mmu)
{
  unsigned room = GUEST_PAGE_SIZE - (lin & 0xfff);

  if (X86_LIKELY (room >= size))
    {
      const X86TlbInfo *info = x86_translate (cpu, op, lin, X86_ACCESS_WRITE, mmu);

      x86_page_write (cpu, info, lin, value, size);
    }
  else
    {
      uint64_t second = second_page (cpu, op, lin);
      X86TlbInfo first = *x86_translate (cpu, op, lin, X86_ACCESS_WRITE, mmu);
      X86TlbInfo last = *x86_translate (cpu, op, second, X86_ACCESS_WRITE, mmu);

      for (unsigned i = 0; i < room; i++)
        x86_page_write (cpu, &first, lin + i, value >> (8 * i), 1);
      for (unsigned i = room; i < size; i++)
        x86_page_write (cpu, &last, second + i - room, value >> (8 * i), 1);
    }
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    x86_check_data_breakpoint (cpu, lin, size, X86_ACCESS_WRITE);
}

unsigned
x86_translate_pages (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, X86Access access, X86TlbInfo page[2])
{
  uint64_t second;

  if ((lin & 0xfff) + size <= GUEST_PAGE_SIZE)
    {
      page[0] = *x86_translate (cpu, op, lin, access, cpu->mmu_index);
      return 1;
    }
  second = second_page (cpu, op, lin);
  page[0] = *x86_translate (cpu, op, lin, access, cpu->mmu_index);
  page[1] = *x86_translate (cpu, op, second, access, cpu->mmu_index);
  return 2;
}

uint64_t
x86_ld_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  return read_as (cpu, op, lin, size, X86_ACCESS_READ, cpu->mmu_index);
}

uint64_t
x86_ldw_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size)
{
  return read_as (cpu, op, lin, size, X86_ACCESS_WRITE, cpu->mmu_index);
}

void
x86_st_slow (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint64_t value, unsigned size)
{
  write_as (cpu, op, lin, value, size, cpu->mmu_index);
}

uint64_t
x86_sys_read (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, unsigned mmu)
{
  return read_as (cpu, op, lin, size, X86_ACCESS_READ, mmu);
}

void
x86_sys_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint64_t value, unsigned size, unsigned mmu)
{
  write_as (cpu, op, lin, value, size, mmu);
}

void
x86_sys_probe_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, unsigned mmu)
{
  uint64_t second = (lin & 0xfff) + size > GUEST_PAGE_SIZE ? second_page (cpu, op, lin) : lin;

  x86_translate (cpu, op, lin, X86_ACCESS_WRITE, mmu);
  if (second != lin)
    x86_translate (cpu, op, second, X86_ACCESS_WRITE, mmu);
}

void
x86_probe_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned length)
{
  x86_sys_probe_write (cpu, op, lin, length, cpu->mmu_index);
}

void
x86_ld_bytes (X86Cpu *cpu, const X86Op *op, uint64_t lin, void *buffer, unsigned length)
{
  uint8_t *out = buffer;
  unsigned room = GUEST_PAGE_SIZE - (lin & 0xfff), done = 0;
  X86TlbInfo page[2];
  uint64_t second;

  second = length > room ? second_page (cpu, op, lin) : lin;
  page[0] = *x86_translate (cpu, op, lin, X86_ACCESS_READ, cpu->mmu_index);
  if (second != lin)
    page[1] = *x86_translate (cpu, op, second, X86_ACCESS_READ, cpu->mmu_index);
  for (unsigned n = 0; done < length; n++)
    {
      unsigned chunk = MIN (length - done, n == 0 ? room : GUEST_PAGE_SIZE);
      uint64_t at = n == 0 ? lin : second;

      if (page[n].host != NULL)
        memcpy (out + done, page[n].host + (at & 0xfff), chunk);
      else
        for (unsigned i = 0; i < chunk;)
          {
            unsigned size = chunk - i >= 8 && ((at + i) & 7) == 0 ? 8 : 1;
            uint64_t value = mmio_read (cpu, page[n].phys | ((at + i) & 0xfff), size);

            memcpy (out + done + i, &value, size);
            i += size;
          }
      done += chunk;
    }
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    x86_check_data_breakpoint (cpu, lin, length, X86_ACCESS_READ);
}

void
x86_st_bytes (X86Cpu *cpu, const X86Op *op, uint64_t lin, const void *buffer, unsigned length)
{
  const uint8_t *in = buffer;
  unsigned room = GUEST_PAGE_SIZE - (lin & 0xfff), done = 0;
  X86TlbInfo page[2];
  uint64_t second;

  second = length > room ? second_page (cpu, op, lin) : lin;
  page[0] = *x86_translate (cpu, op, lin, X86_ACCESS_WRITE, cpu->mmu_index);
  if (second != lin)
    page[1] = *x86_translate (cpu, op, second, X86_ACCESS_WRITE, cpu->mmu_index);
  for (unsigned n = 0; done < length; n++)
    {
      unsigned chunk = MIN (length - done, n == 0 ? room : GUEST_PAGE_SIZE);
      uint64_t at = n == 0 ? lin : second;

      if (page[n].host == NULL)
        for (unsigned i = 0; i < chunk;)
          {
            unsigned size = chunk - i >= 8 && ((at + i) & 7) == 0 ? 8 : 1;
            uint64_t value = 0;

            memcpy (&value, in + done + i, size);
            mmio_write (cpu, page[n].phys | ((at + i) & 0xfff), value, size);
            i += size;
          }
      else if (!page[n].is_rom)
        {
          uint8_t *host = page[n].host + (at & 0xfff);

          if (page[n].dirty != NULL)
            *page[n].dirty = 1;
          memcpy (host, in + done, chunk);
          if (x86_code_page_is_watched (cpu, page[n].host))
            x86_code_stored (cpu, host, chunk);
        }
      done += chunk;
    }
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    x86_check_data_breakpoint (cpu, lin, length, X86_ACCESS_WRITE);
}

void
x86_check_data_breakpoint (X86Cpu *cpu, uint64_t lin, unsigned size, X86Access access)
{
  static const uint8_t lengths[4] = { 1, 2, 8, 4 };

  for (unsigned i = 0; i < 4; i++)
    {
      unsigned control = (cpu->dr[7] >> (16 + i * 4)) & 15, rw = control & 3;
      uint64_t length = lengths[control >> 2], start = cpu->dr[i] & ~(length - 1);

      if (((cpu->dr[7] >> (i * 2)) & 3) && (rw == 3 || (rw == 1 && access == X86_ACCESS_WRITE))
          && lin < start + length && start < lin + size)
        cpu->debug_hits |= (uint64_t) 1 << i;
    }
}

gboolean
x86_cpu_read_virt (X86Cpu *cpu, uint64_t address, void *buffer, size_t length)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      size_t chunk = MIN (length, GUEST_PAGE_SIZE - (address & 0xfff));
      const uint8_t *host;
      X86Walk walk;

      if (!x86_walk (cpu, address, X86_ACCESS_READ, X86_MMU_KERNEL_AC, TRUE, &walk))
        return FALSE;
      host = x86_phys_ram (cpu, walk.phys | (address & 0xfff), FALSE);
      if (host == NULL)
        return FALSE;
      memcpy (out, host, chunk);
      out += chunk;
      address += chunk;
      length -= chunk;
    }
  return TRUE;
}
