/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decoded blocks by host address and mode, and what keeps them true: pages
 * with code are watched, and a store to one drops the blocks it hits.
 *
 * Blocks live in one arena that is emptied as a whole when full. A dropped
 * block stays where it is until then; all its ops leave to the run loop, so
 * that whoever still jumps to it, or is inside it, goes on with fresh code.
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/jit/jit.h"

#include <sched.h>
#include <sys/mman.h>

enum
{
  ARENA_SIZE = 64 << 20,   /* bytes of address space; touched as it fills */
  HASH_BITS = 15, HASH_SIZE = 1 << HASH_BITS,
  PAGE_HASH_BITS = 12, PAGE_HASH_SIZE = 1 << PAGE_HASH_BITS,
  FILTER_SIZE = 1 << 16,
  CHUNK_SHIFT = 6,         /* a page's 64 chunks, each known to hold code or not */
  ODD_SIZE = 256,
};

typedef struct CodePage CodePage;

struct CodePage
{
  CodePage *next;
  const uint8_t *host;
  uint64_t chunks;
  X86Block *blocks;
};

typedef struct
{
  uint8_t bytes[16];
  uint32_t mode;
  uint8_t length;
  X86Op ops[4];
} OddOp;

struct X86BlockCache
{
  uint8_t *arena;
  size_t used;
  X86Block *hash[HASH_SIZE];
  CodePage *pages[PAGE_HASH_SIZE];
  CodePage *free_pages;
  uint16_t filter[FILTER_SIZE]; /* code pages per hash of the host page; written by the owner, read by all */
  OddOp odd[ODD_SIZE];
};

static unsigned
hash_block (const uint8_t *host, uint32_t mode)
{
  uint64_t h = ((uint64_t) (uintptr_t) host ^ (uint64_t) mode << 40) * 0x9e3779b97f4a7c15u;

  return (unsigned) (h >> (64 - HASH_BITS));
}

static unsigned
hash_page (const uint8_t *host, unsigned bits)
{
  return (unsigned) ((((uint64_t) (uintptr_t) host >> GUEST_PAGE_SHIFT) * 0x9e3779b97f4a7c15u) >> (64 - bits));
}

static const uint8_t *
page_of (const uint8_t *host)
{
  return (const uint8_t *) ((uintptr_t) host & X86_PAGE_MASK);
}

X86BlockCache *
x86_block_cache_new (void)
{
  X86BlockCache *cache = g_new0 (X86BlockCache, 1);

  cache->arena = mmap (NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cache->arena == MAP_FAILED)
    g_error ("no address space for decoded code");
  return cache;
}

void
x86_block_cache_free (X86BlockCache *cache)
{
  if (cache == NULL)
    return;
  munmap (cache->arena, ARENA_SIZE);
  g_free (cache);
}

void
x86_block_cache_flush (X86Cpu *cpu)
{
  X86BlockCache *cache = cpu->cache;

  cache->used = 0;
  memset (cache->hash, 0, sizeof cache->hash);
  memset (cache->pages, 0, sizeof cache->pages);
  memset (cache->filter, 0, sizeof cache->filter);
  cache->free_pages = NULL;
  x86_jit_flush (cpu);
  for (unsigned i = 0; i < X86_JUMP_SIZE; i++)
    cpu->jumps[i].key = 0;
  /* Stores to pages that no longer hold code may be fast again. */
  x86_tlb_flush_all (cpu);
}

static CodePage *
find_page (X86BlockCache *cache, const uint8_t *host)
{
  CodePage *page = cache->pages[hash_page (host, PAGE_HASH_BITS)];

  while (page != NULL && page->host != host)
    page = page->next;
  return page;
}

gboolean
x86_code_page_is_watched (X86Cpu *cpu, const uint8_t *host_page)
{
  const X86System *system = cpu->system;
  unsigned slot = hash_page (host_page, 16);

  if (cpu->cache->filter[slot] != 0 && find_page (cpu->cache, host_page) != NULL)
    return TRUE;
  for (unsigned i = 0; i < system->cpu_count; i++)
    if (system->cpus[i] != cpu && __atomic_load_n (&system->cpus[i]->cache->filter[slot], __ATOMIC_SEQ_CST) != 0)
      return TRUE;
  return FALSE;
}

/* Any thread: tells @cpu of an event; returns the count that code_done reaches when it is dealt with. */
static uint32_t
queue_event (X86Cpu *cpu, const uint8_t *host, uint64_t length, gboolean protect)
{
  X86CodeEvent event = { host, length, protect };
  uint32_t ticket;

  g_mutex_lock (&cpu->code_lock);
  g_array_append_val (cpu->code_queue, event);
  ticket = ++cpu->code_asked;
  g_mutex_unlock (&cpu->code_lock);
  x86_cpu_raise (cpu, X86_REQ_CODE);
  return ticket;
}

void
x86_code_page_watch (X86Cpu *cpu, const uint8_t *host_page)
{
  X86BlockCache *cache = cpu->cache;
  unsigned bucket = hash_page (host_page, PAGE_HASH_BITS), slot = hash_page (host_page, 16);
  CodePage *page = find_page (cache, host_page);

  if (page != NULL)
    return;
  if (cache->free_pages != NULL)
    {
      page = cache->free_pages;
      cache->free_pages = page->next;
    }
  else
    {
      if (cache->used + sizeof *page > ARENA_SIZE)
        x86_block_cache_flush (cpu);
      page = (CodePage *) (cache->arena + cache->used);
      cache->used += sizeof *page;
    }
  *page = (CodePage) { .next = cache->pages[bucket], .host = host_page };
  cache->pages[bucket] = page;
  __atomic_add_fetch (&cache->filter[slot], 1, __ATOMIC_SEQ_CST);
  x86_tlb_protect_host (cpu, host_page);

  /* Others must stop storing to the page unseen before its bytes are read. */
  for (unsigned i = 0; i < cpu->system->cpu_count; i++)
    {
      X86Cpu *other = cpu->system->cpus[i];
      uint32_t ticket;

      if (other == cpu)
        continue;
      ticket = queue_event (other, host_page, GUEST_PAGE_SIZE, TRUE);
      while (__atomic_load_n (&other->is_running, __ATOMIC_SEQ_CST)
             && (int32_t) (__atomic_load_n (&other->code_done, __ATOMIC_ACQUIRE) - ticket) < 0)
        {
          /* Two may be waiting for each other: serve the other while waiting. Only protect events, so that the
           * blocks in use here stay. */
          X86CodeEvent event;

          g_mutex_lock (&cpu->code_lock);
          for (unsigned n = 0; n < cpu->code_queue->len; n++)
            {
              event = g_array_index (cpu->code_queue, X86CodeEvent, n);
              if (event.protect)
                x86_tlb_protect_host (cpu, event.host);
            }
          if (cpu->code_queue->len > 0)
            __atomic_store_n (&cpu->code_done, cpu->code_asked, __ATOMIC_RELEASE);
          g_mutex_unlock (&cpu->code_lock);
          sched_yield ();
        }
    }
}

/* Where a dropped block's ops lead: out, or when it is entered, to the block that took its place. */
X86_HANDLER (op_dropped)
{
  if (op->next == op->len)
    {
      const X86Block *old = (const X86Block *) ((const uint8_t *) op - G_STRUCT_OFFSET (X86Block, ops));
      X86Block *block = x86_block_find (cpu, old->host, old->mode);
      uint64_t lin = cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS];
      X86Jump *jump = x86_jump_entry (cpu, cpu->mode & X86_MODE_CODE64 ? lin : (uint32_t) lin);

      if (jump->ops == op)
        jump->key = 0;
      if (block != NULL)
        X86_GOTO (block->ops);
    }
  cpu->r[X86_RIP] = x86_op_rip (cpu, op);
  X86_LEAVE;
}

gboolean
x86_ops_are_dropped (const X86Op *ops)
{
  return ops->fn == op_dropped;
}

static void
drop_block (X86Cpu *cpu, X86Block *block)
{
  x86_jit_drop (cpu, block);
  block->is_dead = TRUE;
  for (unsigned i = 0; i < block->op_count; i++)
    if (block->ops[i].len != 0) /* links look like ops of length 0 */
      block->ops[i].fn = op_dropped;
}

static uint64_t
chunks_of (const uint8_t *host, uint64_t length)
{
  unsigned first = ((uintptr_t) host & 0xfff) >> CHUNK_SHIFT, last = (((uintptr_t) host & 0xfff) + length - 1) >> CHUNK_SHIFT;

  return (~(uint64_t) 0 << first) & (~(uint64_t) 0 >> (63 - MIN (last, 63)));
}

/* [host, host + length) lies in one page. */
static void
drop_range (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  X86BlockCache *cache = cpu->cache;
  CodePage *page = find_page (cache, page_of (host));
  uint64_t left = 0;
  X86Block **link;

  if (page == NULL || !(page->chunks & chunks_of (host, length)))
    return;
  link = &page->blocks;
  while (*link != NULL)
    {
      X86Block *block = *link;

      if (block->host < host + length && host < block->host + block->length)
        {
          X86Block **at = &cache->hash[hash_block (block->host, block->mode)];

          drop_block (cpu, block);
          *link = block->page_next;
          while (*at != NULL && *at != block)
            at = &(*at)->hash_next;
          if (*at != NULL)
            *at = block->hash_next;
        }
      else
        {
          /* Translations looked at neighbours, to see which flags they need. */
          x86_jit_drop (cpu, block);
          left |= chunks_of (block->host, block->length) | block->peeked;
          link = &block->page_next;
        }
    }
  page->chunks = left;
  if (page->blocks == NULL)
    {
      CodePage **at = &cache->pages[hash_page (page->host, PAGE_HASH_BITS)];

      while (*at != page)
        at = &(*at)->next;
      *at = page->next;
      __atomic_sub_fetch (&cache->filter[hash_page (page->host, 16)], 1, __ATOMIC_SEQ_CST);
      page->next = cache->free_pages;
      cache->free_pages = page;
    }
}

static void
drop_pages (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  while (length > 0)
    {
      uint64_t room = GUEST_PAGE_SIZE - ((uintptr_t) host & 0xfff), chunk = MIN (room, length);

      drop_range (cpu, host, chunk);
      host += chunk;
      length -= chunk;
    }
}

void
x86_code_stored (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  unsigned slot = hash_page (page_of (host), 16);

  cpu->counters.code_writes++;
  drop_pages (cpu, host, length);
  for (unsigned i = 0; i < cpu->system->cpu_count; i++)
    {
      X86Cpu *other = cpu->system->cpus[i];

      if (other != cpu && __atomic_load_n (&other->cache->filter[slot], __ATOMIC_SEQ_CST) != 0)
        queue_event (other, host, length, FALSE);
    }
}

void
x86_code_take_events (X86Cpu *cpu)
{
  g_mutex_lock (&cpu->code_lock);
  for (unsigned i = 0; i < cpu->code_queue->len; i++)
    {
      X86CodeEvent *event = &g_array_index (cpu->code_queue, X86CodeEvent, i);

      if (event->protect)
        x86_tlb_protect_host (cpu, event->host);
      else
        drop_pages (cpu, event->host, event->length);
    }
  g_array_set_size (cpu->code_queue, 0);
  __atomic_store_n (&cpu->code_done, cpu->code_asked, __ATOMIC_RELEASE);
  g_mutex_unlock (&cpu->code_lock);
}

/* The address space's listener: a device wrote RAM. */
void
x86_code_device_wrote (X86System *system, uint64_t gpa, uint64_t length)
{
  while (length > 0)
    {
      const MemorySection *section = address_space_lookup (system->memory, gpa);
      uint64_t chunk = MIN (length, GUEST_PAGE_SIZE - (gpa & 0xfff));

      chunk = MIN (chunk, section->size - (gpa - section->base));
      if (section->kind != MEMORY_MMIO)
        {
          const uint8_t *host = section->host + (gpa - section->base);
          unsigned slot = hash_page (page_of (host), 16);

          for (unsigned i = 0; i < system->cpu_count; i++)
            if (__atomic_load_n (&system->cpus[i]->cache->filter[slot], __ATOMIC_SEQ_CST) != 0)
              queue_event (system->cpus[i], host, chunk, FALSE);
        }
      gpa += chunk;
      length -= chunk;
    }
}

X86Block *
x86_block_find (X86Cpu *cpu, const uint8_t *host, uint32_t mode)
{
  X86Block *block = cpu->cache->hash[hash_block (host, mode)];

  while (block != NULL && (block->host != host || block->mode != mode))
    block = block->hash_next;
  return block;
}

X86Block *
x86_block_add (X86Cpu *cpu, const uint8_t *host, uint32_t mode, unsigned length, const X86Op *ops, unsigned op_count)
{
  X86BlockCache *cache = cpu->cache;
  size_t size = sizeof (X86Block) + op_count * sizeof (X86Op);
  X86Block *block, **bucket = &cache->hash[hash_block (host, mode)];
  CodePage *page;

  if (cache->used + size > ARENA_SIZE)
    {
      x86_block_cache_flush (cpu);
      x86_code_page_watch (cpu, page_of (host));
    }
  page = find_page (cache, page_of (host));
  block = (X86Block *) (cache->arena + cache->used);
  cache->used += (size + 31) & ~(size_t) 31;
  *block = (X86Block) { .hash_next = *bucket, .page_next = page->blocks, .host = host, .mode = mode,
                        .length = (uint16_t) length, .op_count = (uint8_t) op_count };
  memcpy (block->ops, ops, op_count * sizeof *ops);
  *bucket = block;
  page->blocks = block;
  page->chunks |= chunks_of (host, length);
  cpu->counters.blocks++;
  x86_jit_watch (cpu, block);
  return block;
}

void
x86_code_peeked (X86Cpu *cpu, X86Block *block, const uint8_t *host, uint64_t length)
{
  CodePage *page = find_page (cpu->cache, page_of (host));
  uint64_t chunks = chunks_of (host, length);

  block->peeked |= chunks;
  if (page != NULL)
    page->chunks |= chunks;
}

const X86Op *
x86_odd_find (X86Cpu *cpu, uint64_t lin, uint32_t mode, const uint8_t *bytes, unsigned available, X86Op **slot)
{
  OddOp *odd = &cpu->cache->odd[(lin ^ (lin >> 12)) % ODD_SIZE];

  *slot = odd->ops;
  if (odd->length != 0 && odd->mode == mode && odd->length <= available && memcmp (odd->bytes, bytes, odd->length) == 0)
    return odd->ops;
  odd->length = 0;
  return NULL;
}

void
x86_odd_set (X86Cpu *cpu, const X86Op *slot, uint32_t mode, const uint8_t *bytes, unsigned length)
{
  OddOp *odd = (OddOp *) ((uint8_t *) (uintptr_t) slot - G_STRUCT_OFFSET (OddOp, ops));

  odd->mode = mode;
  odd->length = (uint8_t) length;
  memcpy (odd->bytes, bytes, length);
}
