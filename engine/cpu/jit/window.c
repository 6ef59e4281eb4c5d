/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Windows: see window.h. */

#include "engine/cpu/jit/window-private.h"

#include "engine/memory/ram-source.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

static void *
reserve (uint64_t size)
{
  void *address = mmap (NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  return address == MAP_FAILED ? NULL : address;
}

static gboolean
host_is_able (void)
{
#if defined(__SANITIZE_ADDRESS__)
  return FALSE; /* its shadow would have to know of all that */
#else
  return __builtin_cpu_supports ("bmi2") && (getauxval (AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0;
#endif
}

JitWindows *
jit_windows_new (X86Cpu *cpu)
{
  JitWindows *w;

  if (!host_is_able ())
    return NULL;
  w = g_new0 (JitWindows, 1);
  w->cpu = cpu;
  w->delay = DELAY;
  w->tables = reserve (TABLES_SIZE);
  w->guard = reserve (REGION_SPAN);
  if (w->tables == NULL || w->guard == NULL)
    {
      jit_windows_free (w);
      return NULL;
    }
  w->key_born = g_new0 (int64_t, 1 << 12);
  for (unsigned i = 0; i < WINDOW_COUNT; i++)
    w->window[i].table = w->tables + (uint64_t) i * TABLE_SPACING;
  w->kernel_born = NOT_YET;
  return w;
}

static void
free_regions (Region *region)
{
  while (region != NULL)
    {
      Region *next = region->next;

      munmap (region->base - REGION_GUARD, REGION_SPAN);
      g_free (region);
      region = next;
    }
}

void
jit_windows_free (JitWindows *w)
{
  if (w == NULL)
    return;
  for (unsigned i = 0; i < WINDOW_COUNT; i++)
    {
      free_regions (w->window[i].regions);
      while (w->window[i].extents != NULL)
        {
          Extent *extent = w->window[i].extents;

          w->window[i].extents = extent->window_next;
          g_free (extent);
        }
    }
  free_regions (w->free_regions);
  if (w->tables != NULL)
    munmap (w->tables, TABLES_SIZE);
  if (w->guard != NULL)
    munmap (w->guard, REGION_SPAN);
  g_free (w->key_born);
  g_free (w);
}

void
jit_windows_set_delay (JitWindows *w, int64_t delay)
{
  w->delay = delay;
}

/* --- Tables and regions --- */

static uint64_t
entry_of (const uint8_t *base, int64_t number)
{
  return (uint64_t) (uintptr_t) base - ((uint64_t) number << REGION_SHIFT);
}

/* The table's page that holds @number's entry, made if need be; all its regions lead to the guard at first. */
static gboolean
make_table_page (JitWindows *w, Window *window, int64_t number)
{
  int64_t first = number & ~(int64_t) (ENTRIES_A_PAGE - 1);
  uint64_t *page = entry_at (window, first);
  unsigned n = (unsigned) ((first + TABLE_ENTRIES / 2) / ENTRIES_A_PAGE);

  if ((window->table_pages[n / 64] >> (n % 64)) & 1)
    return TRUE;
  if (mmap (page, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    return FALSE;
  for (int64_t i = 0; i < ENTRIES_A_PAGE; i++)
    page[i] = entry_of (w->guard + REGION_GUARD, first + i);
  window->table_pages[n / 64] |= (uint64_t) 1 << (n % 64);
  return TRUE;
}

static Region *
find_region (JitWindows *w, Window *window, int64_t number)
{
  Region *region;

  for (region = window->regions; region != NULL; region = region->next)
    if (region->number == number)
      return region;
  if (!make_table_page (w, window, number))
    return NULL;
  region = w->free_regions;
  if (region != NULL)
    w->free_regions = region->next;
  else
    {
      uint8_t *space = w->region_count < REGION_MAX ? reserve (REGION_SPAN) : NULL;

      if (space == NULL)
        return NULL;
      region = g_new0 (Region, 1);
      region->base = space + REGION_GUARD;
      w->region_count++;
    }
  region->number = (int32_t) number;
  region->next = window->regions;
  window->regions = region;
  *entry_at (window, number) = entry_of (region->base, number);
  return region;
}

/* --- Extents --- */

static unsigned
hash (uint64_t page_number)
{
  return (unsigned) ((page_number * 0x9e3779b97f4a7c15u) >> (64 - HASH_BITS));
}

static Extent **
lin_bucket (JitWindows *w, uint64_t lin, gboolean large)
{
  return &w->by_lin[hash (large ? ~(lin >> 21) : lin >> GUEST_PAGE_SHIFT)];
}

static Extent *
find_extent (JitWindows *w, unsigned window, uint64_t lin)
{
  uint64_t page = lin & X86_PAGE_MASK, large = lin & ~(uint64_t) (LARGE_PAGES * GUEST_PAGE_SIZE - 1);

  for (Extent *e = *lin_bucket (w, lin, FALSE); e != NULL; e = e->lin_next)
    if (e->lin == page && e->window == window && e->pages == 1)
      return e;
  for (Extent *e = *lin_bucket (w, lin, TRUE); e != NULL; e = e->lin_next)
    if (e->lin == large && e->window == window && e->pages > 1)
      return e;
  return NULL;
}

static void
unlink_extent (JitWindows *w, Extent *extent)
{
  Extent **at = lin_bucket (w, extent->lin, extent->pages > 1);

  while (*at != extent)
    at = &(*at)->lin_next;
  *at = extent->lin_next;
  at = extent->pages > 1 ? &w->large : &w->by_host[hash ((uint64_t) (uintptr_t) extent->host >> GUEST_PAGE_SHIFT)];
  while (*at != extent)
    at = &(*at)->host_next;
  *at = extent->host_next;
  *extent->window_link = extent->window_next;
  if (extent->window_next != NULL)
    extent->window_next->window_link = extent->window_link;
  w->extent_count--;
  w->split_count -= extent->is_split;
  g_free (extent);
}

static void
blank (void *at, uint64_t size)
{
  if (mmap (at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
    g_error ("cannot take guest memory out of a window: %m");
}

static void
drop_extent (JitWindows *w, Extent *extent)
{
  blank (place_of (w, extent), (uint64_t) extent->pages * GUEST_PAGE_SIZE);
  unlink_extent (w, extent);
}

static void
empty_window (JitWindows *w, Window *window)
{
  while (window->regions != NULL)
    {
      Region *region = window->regions;

      window->regions = region->next;
      *entry_at (window, region->number) = entry_of (w->guard + REGION_GUARD, region->number);
      blank (region->base, REGION_SIZE);
      region->next = w->free_regions;
      w->free_regions = region;
    }
  while (window->extents != NULL)
    unlink_extent (w, window->extents);
  window->key = 0;
}

/* --- Filling --- */

/* A page of a log that tells single pages apart is found by looking it up: it would fault too often. */
static gboolean
may_write (const X86TlbInfo *info, const RamBlock *block)
{
  return (info->rights & (1 << X86_ACCESS_WRITE)) && !info->is_rom && ram_block_dirty_grain (block) != 1;
}

/* What a small page near the one that faulted would be laid in as. */
typedef struct
{
  RamBlock *block; /* NULL: it stays out */
  const uint8_t *host;
  uint8_t *dirty;
  gboolean may_write; /* but for its log and code, and */
  gboolean writable;  /* now */
} Neighbour;

static Neighbour
neighbour_of (JitWindows *w, RamBlock *block, const X86TlbInfo *info)
{
  gboolean writes = may_write (info, block);

  return (Neighbour) { block, info->host, info->dirty, writes,
                       writes && is_noticed (info->dirty) && !x86_code_page_is_watched (w->cpu, info->host) };
}

/* Whether the large page around @lin can be laid in whole. */
static gboolean
is_large (JitWindows *w, uint64_t lin, const X86TlbInfo *info, const MemorySection *section)
{
  const uint64_t size = LARGE_PAGES * GUEST_PAGE_SIZE;
  uint64_t start = info->phys & ~(size - 1);
  X86Walk walk;

  if (ram_block_dirty_grain (section->block) == 1 || ((info->phys ^ lin) & (size - 1) & X86_PAGE_MASK) != 0)
    return FALSE;
  if (start < section->base || start + size > section->base + section->size)
    return FALSE;
  /* What is still to be read comes as it is touched. */
  if (!ram_block_is_present (section->block, (uint64_t) (section->host - ram_block_host (section->block)) + (start - section->base), size))
    return FALSE;
  return x86_walk (w->cpu, lin, X86_ACCESS_READ, w->cpu->mmu_index, TRUE, &walk) && walk.size >= size;
}

static Extent *
add_extent (JitWindows *w, unsigned number, uint64_t lin, const Neighbour *page, unsigned pages)
{
  Window *window = &w->window[number];
  Extent *extent = g_new0 (Extent, 1), **bucket;

  extent->lin = lin;
  extent->block = page->block;
  extent->host = page->host;
  extent->dirty = page->dirty;
  extent->is_writable = page->may_write;
  extent->pages = (uint16_t) pages;
  extent->window = (uint8_t) number;
  bucket = lin_bucket (w, lin, pages > 1);
  extent->lin_next = *bucket;
  *bucket = extent;
  bucket = pages > 1 ? &w->large : &w->by_host[hash ((uint64_t) (uintptr_t) page->host >> GUEST_PAGE_SHIFT)];
  extent->host_next = *bucket;
  *bucket = extent;
  extent->window_next = window->extents;
  extent->window_link = &window->extents;
  if (extent->window_next != NULL)
    extent->window_next->window_link = &extent->window_next;
  window->extents = extent;
  w->extent_count++;
  return extent;
}

/* Another address space's window goes before there is no room. */
static gboolean
make_room (JitWindows *w, unsigned number)
{
  unsigned max = EXTENT_MAX / MAX (w->cpu->system->cpu_count, 1);

  for (unsigned i = 0; i < USER_WINDOWS && w->extent_count + AROUND > max; i++)
    if (i != number)
      empty_window (w, &w->window[i]);
  return w->extent_count + AROUND <= max;
}

static gboolean
map_pages (JitWindows *w, const Neighbour *first, unsigned pages, uint8_t *place)
{
  uint64_t offset = (uint64_t) (first->host - ram_block_host (first->block));

  if (ram_block_map (first->block, offset, (uint64_t) pages * GUEST_PAGE_SIZE, place, first->writable))
    return TRUE;
  /* There are too many mappings: windows were a nice try. */
  w->is_exhausted = TRUE;
  jit_windows_flush_all (w, FALSE);
  return FALSE;
}

static gboolean
lay_in_large (JitWindows *w, unsigned number, const Region *region, uint64_t first, const Neighbour *page)
{
  uint64_t size = LARGE_PAGES * GUEST_PAGE_SIZE;
  uint8_t *place = region->base + (first & (REGION_SIZE - 1));
  Extent *extent;

  for (Extent *e = w->window[number].extents, *next; e != NULL; e = next)
    {
      next = e->window_next;
      if (e->lin >= first && e->lin < first + size)
        drop_extent (w, e);
    }
  if (!map_pages (w, page, LARGE_PAGES, place))
    return FALSE;
  extent = add_extent (w, number, first, page, LARGE_PAGES);
  for (unsigned i = 0; i < LARGE_PAGES; i++)
    if (!page->writable)
      set_readonly (extent, i, TRUE);
    else if (x86_code_page_is_watched (w->cpu, page->host + i * GUEST_PAGE_SIZE))
      {
        set_readonly (extent, i, TRUE);
        mprotect (place + i * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE, PROT_READ);
      }
  return TRUE;
}

/* A small page that has been used before, so that its A and D say all that is to be said. */
static Neighbour
find_neighbour (JitWindows *w, unsigned number, uint64_t lin)
{
  Neighbour none = { 0 };
  const MemorySection *section;
  X86TlbInfo info = { 0 };
  X86Walk walk;

  if (find_extent (w, number, lin) != NULL
      || !x86_walk (w->cpu, lin, X86_ACCESS_READ, w->cpu->mmu_index, TRUE, &walk) || !walk.is_accessed
      || walk.size != GUEST_PAGE_SIZE || (number == KERNEL && !walk.is_global))
    return none;
  section = address_space_lookup (w->cpu->memory, walk.phys);
  if (section->kind == MEMORY_MMIO || section->block == NULL || walk.phys - section->base + GUEST_PAGE_SIZE > section->size)
    return none;
  info.rights = walk.rights;
  info.is_rom = section->kind == MEMORY_ROM;
  info.dirty = section->dirty != NULL ? section->dirty + ((walk.phys >> GUEST_PAGE_SHIFT) - (section->base >> GUEST_PAGE_SHIFT)) : NULL;
  info.host = section->host + (walk.phys - section->base);
  if (!ram_block_is_present (section->block, (uint64_t) (info.host - ram_block_host (section->block)), GUEST_PAGE_SIZE))
    return none;
  return neighbour_of (w, section->block, &info);
}

static gboolean
lay_in_small (JitWindows *w, unsigned number, const Region *region, uint64_t lin, const Neighbour *page)
{
  uint64_t first = lin & ~(uint64_t) (AROUND * GUEST_PAGE_SIZE - 1);
  Neighbour around[AROUND];

  for (unsigned i = 0; i < AROUND; i++)
    {
      uint64_t at = first + i * GUEST_PAGE_SIZE;

      around[i] = at == (lin & X86_PAGE_MASK) ? *page : find_neighbour (w, number, at);
    }
  for (unsigned i = 0; i < AROUND;)
    {
      unsigned count = 1;

      if (around[i].block == NULL)
        {
          i++;
          continue;
        }
      while (i + count < AROUND && around[i + count].block == around[i].block && around[i + count].writable == around[i].writable
             && around[i + count].host == around[i].host + count * GUEST_PAGE_SIZE)
        count++;
      if (!map_pages (w, &around[i], count, region->base + ((first + i * GUEST_PAGE_SIZE) & (REGION_SIZE - 1))))
        return FALSE;
      for (; count > 0; count--, i++)
        {
          Extent *extent = add_extent (w, number, first + i * GUEST_PAGE_SIZE, &around[i], 1);

          set_readonly (extent, 0, !around[i].writable);
        }
    }
  return TRUE;
}

static gboolean
lay_in (JitWindows *w, unsigned number, uint64_t lin, const X86TlbInfo *info)
{
  const MemorySection *section = address_space_lookup (w->cpu->memory, info->phys);
  Neighbour page;
  Region *region;

  if (section->block == NULL || w->is_exhausted || !make_room (w, number))
    return FALSE;
  region = find_region (w, &w->window[number], (int64_t) lin >> REGION_SHIFT);
  if (region == NULL)
    return FALSE;
  page = neighbour_of (w, section->block, info);
  if (is_large (w, lin, info, section))
    {
      uint64_t first = lin & ~(uint64_t) (LARGE_PAGES * GUEST_PAGE_SIZE - 1), before = (lin & X86_PAGE_MASK) - first;

      page.host -= before;
      page.dirty = page.dirty != NULL ? page.dirty - (before >> GUEST_PAGE_SHIFT) : NULL;
      page.writable = page.may_write && page.dirty == NULL;
      return lay_in_large (w, number, region, first, &page);
    }
  return lay_in_small (w, number, region, lin, &page);
}

static int
current_window (JitWindows *w)
{
  for (int i = 0; i < WINDOW_COUNT; i++)
    if (w->window[i].table == w->wanted)
      return i;
  return -1;
}

gboolean
jit_windows_fill (JitWindows *w, uint64_t lin, const X86TlbInfo *info)
{
  int number = current_window (w);
  Extent *extent;
  unsigned page;

  if (number < 0 || info->host == NULL || info->is_watched || (number == KERNEL && !info->is_global))
    return FALSE;
  extent = find_extent (w, (unsigned) number, lin);
  if (extent == NULL)
    return lay_in (w, (unsigned) number, lin, info);
  page = (unsigned) ((lin - extent->lin) >> GUEST_PAGE_SHIFT);
  if (!is_readonly (extent, page) || !may_write (info, extent->block) || !is_noticed (info->dirty)
      || x86_code_page_is_watched (w->cpu, info->host))
    return FALSE;
  /* Of a large page all may be written when one may. */
  extent->is_writable = TRUE;
  if (extent->dirty != NULL && extent->pages > 1)
    return jit_windows_open_logged (w, extent, page);
  if (mprotect (place_of (w, extent) + page * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE) != 0)
    return FALSE;
  set_readonly (extent, page, FALSE);
  return TRUE;
}

/* --- Forgetting --- */

void
jit_windows_flush_all (JitWindows *w, gboolean user_only)
{
  for (unsigned i = 0; i < USER_WINDOWS; i++)
    empty_window (w, &w->window[i]);
  if (!user_only)
    {
      empty_window (w, &w->window[KERNEL]);
      w->kernel_born = NOT_YET;
    }
  w->wanted = NULL;
}

void
jit_windows_flush_key (JitWindows *w, unsigned key)
{
  for (unsigned i = 0; i < USER_WINDOWS; i++)
    if (w->window[i].key == key && key != 0)
      empty_window (w, &w->window[i]);
}

void
jit_windows_flush_page (JitWindows *w, uint64_t lin)
{
  for (unsigned i = 0; i < WINDOW_COUNT; i++)
    {
      Extent *extent = w->window[i].extents != NULL ? find_extent (w, i, lin) : NULL;

      if (extent != NULL)
        drop_extent (w, extent);
    }
}

void
jit_windows_protect (JitWindows *w, const uint8_t *host_page)
{
  for (Extent *e = w->by_host[hash ((uint64_t) (uintptr_t) host_page >> GUEST_PAGE_SHIFT)]; e != NULL; e = e->host_next)
    if (e->host == host_page && !is_readonly (e, 0))
      {
        mprotect (place_of (w, e), GUEST_PAGE_SIZE, PROT_READ);
        set_readonly (e, 0, TRUE);
      }
  for (Extent *e = w->large; e != NULL; e = e->host_next)
    if (host_page >= e->host && host_page < e->host + (uint64_t) e->pages * GUEST_PAGE_SIZE)
      {
        unsigned page = (unsigned) ((host_page - e->host) >> GUEST_PAGE_SHIFT);

        if (is_readonly (e, page))
          continue;
        mprotect (place_of (w, e) + page * GUEST_PAGE_SIZE, GUEST_PAGE_SIZE, PROT_READ);
        set_readonly (e, page, TRUE);
      }
}

void
jit_windows_new_key (JitWindows *w, unsigned key)
{
  w->key_born[key & 0xfff] = NOT_YET;
}

/* --- Modes --- */

/* µs that this thread has run, for each processor of the machine: the more there are, the dearer are changes of the
 * process's mappings, and the less is each one's work. */
static int64_t
executed (JitWindows *w)
{
  struct timespec now;

  if (w->clock_looks++ % CLOCK_LOOKS == 0)
    {
      clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
      w->clock = (now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000) / MAX (w->cpu->system->cpu_count, 1);
    }
  return w->clock;
}

static gboolean
is_old_enough (JitWindows *w, int64_t *born)
{
  int64_t now = executed (w);

  if (*born == NOT_YET)
    *born = now;
  return now - *born >= w->delay;
}

static Window *
take_window (JitWindows *w, unsigned key)
{
  Window *oldest = &w->window[0];

  for (unsigned i = 0; i < USER_WINDOWS; i++)
    {
      if (w->window[i].key == key)
        return &w->window[i];
      if (w->window[i].key == 0 || (oldest->key != 0 && w->window[i].used < oldest->used))
        oldest = &w->window[i];
    }
  if (!is_old_enough (w, &w->key_born[key & 0xfff]))
    return NULL;
  if (!make_table_page (w, oldest, 0))
    return NULL;
  empty_window (w, oldest);
  oldest->key = key;
  return oldest;
}

uint32_t
jit_windows_mode (JitWindows *w)
{
  X86Cpu *cpu = w->cpu;
  Window *window;

  w->wanted = NULL;
  if (w->is_exhausted || !(cpu->cr0 & X86_CR0_PG) || (cpu->dr[7] & 0xff))
    return 0;
  if (cpu->mmu_index == X86_MMU_USER)
    {
      window = take_window (w, (unsigned) (cpu->tlb_key >> X86_TLB_KEY_SHIFT));
      if (window == NULL)
        return 0;
      window->used = ++w->switches;
    }
  else
    {
      window = &w->window[KERNEL];
      if (!(cpu->cr4 & X86_CR4_PGE) || !x86_long_mode (cpu))
        return 0;
      if (window->extents == NULL && !is_old_enough (w, &w->kernel_born))
        return 0;
    }
  w->wanted = window->table;
  return X86_MODE_WINDOW;
}

void
jit_windows_enter (JitWindows *w, gboolean fresh_thread)
{
  if (w->wanted == w->now && !fresh_thread)
    return;
  w->now = w->wanted;
  __asm__ volatile ("wrgsbase %0" : : "r"(w->now));
}
