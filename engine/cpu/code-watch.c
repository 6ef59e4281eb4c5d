/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which pages of host memory hold code that processors have decoded, and how a
 * store to one of them reaches them.
 * Specification: Intel SDM volume 3A, section 8.1.3 (Handling Self- and Cross-Modifying Code), which has the processor
 * that runs modified code serialise first: here every instruction that serialises, every branch and every interrupt
 * looks at what is pending.
 *
 * A page is watched while any processor has code from it. Its watchers are
 * found by every store that takes the slow path; that stores to it do take it
 * is known once each other processor that is running has looked through its
 * TLB since the first watcher came. Nobody waits for that: until it is known,
 * code of the page is decoded anew each time it runs.
 */

#include "engine/cpu/cpu-private.h"

#include <sys/mman.h>

/* Two levels, by the number of the host's page; memory comes as they are touched. */
enum
{
  HOST_PAGE_BITS = 48 - GUEST_PAGE_SHIFT, LEAF_BITS = 16, ROOT_BITS = HOST_PAGE_BITS - LEAF_BITS,
  PROTECT_MAX = 64  /* pages that are looked for in the TLB one by one; of more, all goes */
};

typedef struct
{
  uint64_t watchers; /* bit per processor (atomic) */
  uint32_t is_known; /* all write through the slow path (atomic) */
} WatchSlot;

struct X86Watch
{
  WatchSlot *root[1 << ROOT_BITS];
};

static void *
reserve (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (memory == MAP_FAILED)
    g_error ("no address space to keep track of code");
  return memory;
}

X86Watch *
x86_watch_new (void)
{
  return reserve (sizeof (X86Watch));
}

void
x86_watch_free (X86Watch *watch)
{
  if (watch == NULL)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS (watch->root); i++)
    if (watch->root[i] != NULL)
      munmap (watch->root[i], sizeof (WatchSlot) << LEAF_BITS);
  munmap (watch, sizeof *watch);
}

static WatchSlot *
find_slot (X86Watch *watch, const uint8_t *host)
{
  uint64_t number = ((uint64_t) (uintptr_t) host >> GUEST_PAGE_SHIFT) & (((uint64_t) 1 << HOST_PAGE_BITS) - 1);
  WatchSlot *leaf = __atomic_load_n (&watch->root[number >> LEAF_BITS], __ATOMIC_ACQUIRE);

  return leaf != NULL ? &leaf[number & ((1 << LEAF_BITS) - 1)] : NULL;
}

static WatchSlot *
make_slot (X86Watch *watch, const uint8_t *host)
{
  uint64_t number = ((uint64_t) (uintptr_t) host >> GUEST_PAGE_SHIFT) & (((uint64_t) 1 << HOST_PAGE_BITS) - 1);
  WatchSlot **entry = &watch->root[number >> LEAF_BITS], *none = NULL, *leaf;

  if (__atomic_load_n (entry, __ATOMIC_ACQUIRE) == NULL)
    {
      leaf = reserve (sizeof (WatchSlot) << LEAF_BITS);
      if (!__atomic_compare_exchange_n (entry, &none, leaf, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        munmap (leaf, sizeof (WatchSlot) << LEAF_BITS);
    }
  return find_slot (watch, host);
}

gboolean
x86_code_page_is_watched (X86Cpu *cpu, const uint8_t *host_page)
{
  const WatchSlot *slot = find_slot (cpu->system->watch, host_page);

  return slot != NULL && __atomic_load_n (&slot->watchers, __ATOMIC_SEQ_CST) != 0;
}

/* --- Becoming and ceasing to be a watcher --- */

gboolean
x86_watch_add (X86Cpu *cpu, const uint8_t *host_page, uint32_t *ticket)
{
  X86System *system = cpu->system;
  WatchSlot *slot = make_slot (system->watch, host_page);

  __atomic_or_fetch (&slot->watchers, (uint64_t) 1 << cpu->place, __ATOMIC_SEQ_CST);
  if (__atomic_load_n (&slot->is_known, __ATOMIC_SEQ_CST))
    return TRUE;
  x86_tlb_protect_host (cpu, host_page);
  for (unsigned i = 0; i < system->cpu_count; i++)
    {
      X86Cpu *other = system->cpus[i];

      if (other == cpu)
        continue;
      g_mutex_lock (&other->code_lock);
      if (g_hash_table_size (other->code_protected) <= PROTECT_MAX)
        g_hash_table_add (other->code_protected, (void *) (uintptr_t) host_page);
      g_mutex_unlock (&other->code_lock);
      x86_cpu_raise (other, X86_REQ_CODE);
    }
  /* Whoever reads this number has all that was asked for before. */
  *ticket = __atomic_add_fetch (&system->watch_asked, 1, __ATOMIC_SEQ_CST);
  return x86_watch_is_known (cpu, host_page, *ticket);
}

gboolean
x86_watch_is_known (X86Cpu *cpu, const uint8_t *host_page, uint32_t ticket)
{
  X86System *system = cpu->system;

  /* One that does not run takes what is pending before it touches memory. */
  for (unsigned i = 0; i < system->cpu_count; i++)
    {
      X86Cpu *other = system->cpus[i];

      if (other != cpu && __atomic_load_n (&other->is_running, __ATOMIC_SEQ_CST)
          && (int32_t) (__atomic_load_n (&other->watch_done, __ATOMIC_ACQUIRE) - ticket) < 0)
        return FALSE;
    }
  __atomic_store_n (&find_slot (system->watch, host_page)->is_known, TRUE, __ATOMIC_SEQ_CST);
  return TRUE;
}

void
x86_watch_remove (X86Cpu *cpu, const uint8_t *host_page)
{
  WatchSlot *slot = find_slot (cpu->system->watch, host_page);
  uint64_t bit = (uint64_t) 1 << cpu->place;

  /* In this order: the next watcher may trust what is known only if there has been one all the time. */
  if (__atomic_load_n (&slot->watchers, __ATOMIC_SEQ_CST) == bit)
    __atomic_store_n (&slot->is_known, FALSE, __ATOMIC_SEQ_CST);
  __atomic_and_fetch (&slot->watchers, ~bit, __ATOMIC_SEQ_CST);
}

/* --- Stores --- */

/* Any thread: tells all watchers but @except of a store within one page. */
static void
tell (X86System *system, const X86Cpu *except, const uint8_t *host, uint64_t length)
{
  const uint8_t *page = (const uint8_t *) ((uintptr_t) host & X86_PAGE_MASK);
  const WatchSlot *slot = find_slot (system->watch, page);
  uint64_t watchers = slot != NULL ? __atomic_load_n (&slot->watchers, __ATOMIC_SEQ_CST) : 0;
  uint64_t chunks = x86_code_chunks (host, length);

  while (watchers != 0)
    {
      X86Cpu *cpu = system->cpus[__builtin_ctzll (watchers)];
      uint64_t all;

      watchers &= watchers - 1;
      if (cpu == except || !x86_code_may_have (cpu, page, chunks))
        continue;
      g_mutex_lock (&cpu->code_lock);
      all = (uint64_t) (uintptr_t) g_hash_table_lookup (cpu->code_stored, page) | chunks;
      g_hash_table_insert (cpu->code_stored, (void *) (uintptr_t) page, (void *) (uintptr_t) all);
      g_mutex_unlock (&cpu->code_lock);
      x86_cpu_raise (cpu, X86_REQ_CODE);
    }
}

static void
tell_pages (X86System *system, const X86Cpu *except, const uint8_t *host, uint64_t length)
{
  while (length > 0)
    {
      uint64_t chunk = MIN (length, GUEST_PAGE_SIZE - ((uintptr_t) host & 0xfff));

      tell (system, except, host, chunk);
      host += chunk;
      length -= chunk;
    }
}

void
x86_code_stored (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  cpu->counters.code_writes++;
  /* The store before the look at who has code there: x86_block_add() does it the other way round. */
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  x86_code_drop (cpu, host, length);
  tell_pages (cpu->system, cpu, host, length);
}

/* The address space's listener: a device wrote RAM. */
void
x86_code_device_wrote (X86System *system, uint64_t gpa, uint64_t length)
{
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  while (length > 0)
    {
      const MemorySection *section = address_space_lookup (system->memory, gpa);
      uint64_t chunk = MIN (length, MAX (section->size - (gpa - section->base), 1));

      if (section->kind != MEMORY_MMIO)
        tell_pages (system, NULL, section->host + (gpa - section->base), chunk);
      gpa += chunk;
      length -= chunk;
    }
}

/* --- Taking what others told --- */

/* Runs of set bits, as ranges of bytes. */
static void
drop_chunks (X86Cpu *cpu, const uint8_t *page, uint64_t chunks)
{
  while (chunks != 0)
    {
      unsigned first = (unsigned) __builtin_ctzll (chunks);
      uint64_t rest = ~(chunks >> first);
      unsigned count = rest == 0 ? 64 : (unsigned) __builtin_ctzll (rest);

      x86_code_drop (cpu, page + first * X86_CODE_CHUNK, (uint64_t) count * X86_CODE_CHUNK);
      if (first + count >= 64)
        break;
      chunks &= ~(uint64_t) 0 << (first + count);
    }
}

void
x86_code_take_events (X86Cpu *cpu)
{
  uint32_t asked = __atomic_load_n (&cpu->system->watch_asked, __ATOMIC_SEQ_CST);
  GHashTableIter iter;
  void *page, *chunks;

  g_mutex_lock (&cpu->code_lock);
  if (g_hash_table_size (cpu->code_protected) > PROTECT_MAX)
    x86_tlb_flush_all (cpu);
  else
    {
      g_hash_table_iter_init (&iter, cpu->code_protected);
      while (g_hash_table_iter_next (&iter, &page, NULL))
        x86_tlb_protect_host (cpu, page);
    }
  g_hash_table_remove_all (cpu->code_protected);
  g_hash_table_iter_init (&iter, cpu->code_stored);
  while (g_hash_table_iter_next (&iter, &page, &chunks))
    drop_chunks (cpu, page, (uint64_t) (uintptr_t) chunks);
  g_hash_table_remove_all (cpu->code_stored);
  g_mutex_unlock (&cpu->code_lock);
  __atomic_store_n (&cpu->watch_done, asked, __ATOMIC_RELEASE);
}
