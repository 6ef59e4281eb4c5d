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

#include <sys/mman.h>

enum
{
  HASH_BITS = 17, HASH_SIZE = 1 << HASH_BITS,
  PAGE_HASH_SIZE = 1 << 14,
  ODD_SIZE = 256,
  NEAR_MAX = 1024,        /* bytes from the first to the last that a block depends on, or it is among the far ones */
  FAR = X86_CODE_CHUNKS,
};

typedef struct CodePage CodePage;

struct CodePage
{
  CodePage *next;
  const uint8_t *host;
  uint64_t chunks;       /* that hold code */
  unsigned count;        /* blocks */
  X86Block *blocks[X86_CODE_CHUNKS + 1]; /* by the chunk in which begins what they depend on; FAR */
  uint32_t ticket;       /* see x86_watch_add() */
  uint8_t is_known;
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
  uint8_t *arena;      /* address space that is touched as it fills */
  size_t size, used;
  X86Block *hash[HASH_SIZE];
  CodePage *pages[PAGE_HASH_SIZE];
  uint64_t chunks[PAGE_HASH_SIZE]; /* of all pages of a bucket (atomic); written by the owner, read by all */
  CodePage *free_pages;
  OddOp odd[ODD_SIZE];
};

static unsigned
hash_block (const uint8_t *host, uint32_t mode)
{
  uint64_t h = ((uint64_t) (uintptr_t) host ^ (uint64_t) mode << 40) * 0x9e3779b97f4a7c15u;

  return (unsigned) (h >> (64 - HASH_BITS));
}

/* Neighbours side by side, so that little of the tables is touched. */
static unsigned
hash_page (const uint8_t *host)
{
  return (unsigned) ((uintptr_t) host >> GUEST_PAGE_SHIFT) % PAGE_HASH_SIZE;
}

static const uint8_t *
page_of (const uint8_t *host)
{
  return (const uint8_t *) ((uintptr_t) host & X86_PAGE_MASK);
}

X86BlockCache *
x86_block_cache_new (uint64_t size)
{
  X86BlockCache *cache = g_new0 (X86BlockCache, 1);

  cache->size = size;
  cache->arena = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cache->arena == MAP_FAILED)
    g_error ("no address space for decoded code");
  return cache;
}

void
x86_block_cache_free (X86BlockCache *cache)
{
  if (cache == NULL)
    return;
  munmap (cache->arena, cache->size);
  g_free (cache);
}

void
x86_block_cache_flush (X86Cpu *cpu)
{
  X86BlockCache *cache = cpu->cache;
  int64_t begun = g_get_monotonic_time ();

  /* What was never touched stays so. */
  for (unsigned i = 0; i < PAGE_HASH_SIZE; i++)
    {
      for (const CodePage *page = cache->pages[i]; page != NULL; page = page->next)
        x86_watch_remove (cpu, page->host);
      if (cache->pages[i] != NULL)
        cache->pages[i] = NULL;
      if (cache->chunks[i] != 0)
        __atomic_store_n (&cache->chunks[i], 0, __ATOMIC_SEQ_CST);
    }
  for (unsigned i = 0; i < HASH_SIZE; i++)
    if (cache->hash[i] != NULL)
      cache->hash[i] = NULL;
  cache->used = 0;
  cache->free_pages = NULL;
  x86_jit_flush (cpu);
  /* Jump entries are void from now on, and stores to pages that no longer hold code may be fast again. */
  x86_tlb_flush_all (cpu);
  cpu->counters.longest_emptying = MAX (cpu->counters.longest_emptying, (uint64_t) (g_get_monotonic_time () - begun));
}

static CodePage *
find_page (X86BlockCache *cache, const uint8_t *host)
{
  CodePage *page = cache->pages[hash_page (host)];

  while (page != NULL && page->host != host)
    page = page->next;
  return page;
}

/* What stores to pages of this bucket are told about; written by the owner, read by all. */
static void
publish_chunks (X86BlockCache *cache, unsigned bucket)
{
  uint64_t chunks = 0;

  for (const CodePage *page = cache->pages[bucket]; page != NULL; page = page->next)
    chunks |= page->chunks;
  __atomic_store_n (&cache->chunks[bucket], chunks, __ATOMIC_SEQ_CST);
}

/* Before the bytes there are read, or read again. */
static void
add_chunks (X86BlockCache *cache, CodePage *page, uint64_t chunks)
{
  if ((page->chunks & chunks) == chunks)
    return;
  page->chunks |= chunks;
  __atomic_or_fetch (&cache->chunks[hash_page (page->host)], chunks, __ATOMIC_SEQ_CST);
}

gboolean
x86_code_may_have (const X86Cpu *cpu, const uint8_t *host_page, uint64_t chunks)
{
  return (__atomic_load_n (&cpu->cache->chunks[hash_page (host_page)], __ATOMIC_SEQ_CST) & chunks) != 0;
}

gboolean
x86_code_page_watch (X86Cpu *cpu, const uint8_t *host_page)
{
  X86BlockCache *cache = cpu->cache;
  unsigned bucket = hash_page (host_page);
  CodePage *page = find_page (cache, host_page);

  if (page != NULL)
    {
      if (!page->is_known)
        page->is_known = x86_watch_is_known (cpu, host_page, page->ticket);
      return page->is_known;
    }
  if (cache->free_pages != NULL)
    {
      page = cache->free_pages;
      cache->free_pages = page->next;
    }
  else
    {
      if (cache->used + sizeof *page > cache->size)
        x86_block_cache_flush (cpu);
      page = (CodePage *) (cache->arena + cache->used);
      cache->used += sizeof *page;
    }
  *page = (CodePage) { .next = cache->pages[bucket], .host = host_page };
  cache->pages[bucket] = page;
  page->is_known = x86_watch_add (cpu, host_page, &page->ticket);
  return page->is_known;
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

      if (block != NULL && block->ops == op)
        X86_GOTO (op);
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
forget_block (X86Cpu *cpu, X86Block *block)
{
  X86Block **at = &cpu->cache->hash[hash_block (block->host, block->mode)];

  while (*at != NULL && *at != block)
    at = &(*at)->hash_next;
  if (*at != NULL)
    *at = block->hash_next;
}

/* A dead block keeps its place in the hash, where x86_block_find() may bring it back. */
static void
drop_block (X86Cpu *cpu, X86Block *block)
{
  X86BlockCache *cache = cpu->cache;
  size_t size = (block->op_count * sizeof *block->saved + 31) & ~(size_t) 31;

  if (block->saved == NULL && cache->used + size <= cache->size)
    {
      block->saved = (X86OpFn *) (cache->arena + cache->used);
      cache->used += size;
    }
  if (block->saved != NULL)
    x86_jit_disable (cpu, block);
  else
    {
      x86_jit_drop (cpu, block);
      forget_block (cpu, block);
    }
  block->is_dead = TRUE;
  for (unsigned i = 0; i < block->op_count; i++)
    if (block->ops[i].len != 0) /* links look like ops of length 0 */
      {
        if (block->saved != NULL)
          block->saved[i] = block->ops[i].fn;
        block->ops[i].fn = op_dropped;
      }
}

/* What of the block's page it, or a translation of it, depends on. */
static uint64_t
chunks_of (const X86Block *block)
{
  uint64_t chunks = x86_code_chunks (block->host, block->length);

  if (block->peek_end != 0)
    chunks |= x86_code_chunks (page_of (block->host) + block->peek_start, block->peek_end - block->peek_start);
  return chunks;
}

/* The list of its page that it is in. */
static X86Block **
list_of (CodePage *page, const X86Block *block)
{
  unsigned start = (uintptr_t) block->host & 0xfff, end = start + block->length;

  if (block->peek_end != 0)
    {
      start = MIN (start, block->peek_start);
      end = MAX (end, block->peek_end);
    }
  return &page->blocks[end - start > NEAR_MAX ? FAR : start >> X86_CODE_CHUNK_SHIFT];
}

static void
link_block (CodePage *page, X86Block *block)
{
  X86Block **list = list_of (page, block);

  block->page_next = *list;
  *list = block;
  page->count++;
}

static void
unlink_block (CodePage *page, X86Block *block)
{
  X86Block **at = list_of (page, block);

  while (*at != block)
    at = &(*at)->page_next;
  *at = block->page_next;
  page->count--;
}

void
x86_block_peeked (X86Cpu *cpu, X86Block *block, const uint8_t *host, uint64_t length)
{
  CodePage *page = find_page (cpu->cache, page_of (block->host));
  uint16_t start = (uintptr_t) host & 0xfff, end = (uint16_t) (start + length);

  if (page != NULL)
    unlink_block (page, block);
  block->peek_start = block->peek_end == 0 ? start : MIN (block->peek_start, start);
  block->peek_end = MAX (block->peek_end, end);
  if (page != NULL)
    link_block (page, block);
}

/* Drops of one list what depends on [start, end) of the page; returns the chunks that the rest depends on. */
static uint64_t
drop_of_list (X86Cpu *cpu, CodePage *page, X86Block **link, unsigned start, unsigned end)
{
  uint64_t left = 0;

  while (*link != NULL)
    {
      X86Block *block = *link;
      unsigned at = (uintptr_t) block->host & 0xfff;

      if (at < end && start < at + block->length)
        {
          drop_block (cpu, block);
          *link = block->page_next;
          page->count--;
          continue;
        }
      /* Translations looked at neighbours, to see which flags they need. What it is listed under stays. */
      if (start < block->peek_end && block->peek_start < end)
        x86_jit_drop (cpu, block);
      left |= chunks_of (block);
      link = &block->page_next;
    }
  return left;
}

/* [host, host + length) lies in one page. */
static void
drop_range (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  X86BlockCache *cache = cpu->cache;
  CodePage *page = find_page (cache, page_of (host));
  unsigned start = (uintptr_t) host & 0xfff, end = start + (unsigned) length;
  uint64_t hit = x86_code_chunks (host, length), left;

  if (page == NULL || !(page->chunks & hit))
    return;
  left = drop_of_list (cpu, page, &page->blocks[FAR], start, end);
  for (unsigned i = start > NEAR_MAX ? (start - NEAR_MAX) >> X86_CODE_CHUNK_SHIFT : 0; i <= (end - 1) >> X86_CODE_CHUNK_SHIFT; i++)
    left |= drop_of_list (cpu, page, &page->blocks[i], start, end);
  page->chunks &= ~hit | left;
  if (page->count == 0)
    {
      CodePage **at = &cache->pages[hash_page (page->host)];

      while (*at != page)
        at = &(*at)->next;
      *at = page->next;
      x86_watch_remove (cpu, page->host);
      page->next = cache->free_pages;
      cache->free_pages = page;
    }
  publish_chunks (cache, hash_page (host));
}

void
x86_code_drop (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  while (length > 0)
    {
      uint64_t room = GUEST_PAGE_SIZE - ((uintptr_t) host & 0xfff), chunk = MIN (room, length);

      drop_range (cpu, host, chunk);
      host += chunk;
      length -= chunk;
    }
}

/* Brings a dead block back if its code is there again. */
static gboolean
revive (X86Cpu *cpu, X86Block *block)
{
  uint32_t flush_count = cpu->flush_count;
  uint8_t bytes[X86_BLOCK_MAX * 15];
  CodePage *page;

  if (!x86_code_page_watch (cpu, page_of (block->host)) || cpu->flush_count != flush_count)
    return FALSE;
  page = find_page (cpu->cache, page_of (block->host));
  add_chunks (cpu->cache, page, chunks_of (block));
  memcpy (bytes, block->host, block->length);
  if (!x86_block_renew (cpu, block, bytes))
    {
      forget_block (cpu, block);
      return FALSE;
    }
  link_block (page, block);
  return TRUE;
}

X86Block *
x86_block_find (X86Cpu *cpu, const uint8_t *host, uint32_t mode)
{
  X86Block *block = cpu->cache->hash[hash_block (host, mode)];

  while (block != NULL && (block->host != host || block->mode != mode))
    block = block->hash_next;
  return block == NULL || !block->is_dead || revive (cpu, block) ? block : NULL;
}

X86Block *
x86_block_add (X86Cpu *cpu, const uint8_t *host, uint32_t mode, const uint8_t *bytes, unsigned length, const X86Op *ops,
               unsigned op_count)
{
  X86BlockCache *cache = cpu->cache;
  size_t size = sizeof (X86Block) + op_count * sizeof (X86Op) + length;
  X86Block *block, **bucket = &cache->hash[hash_block (host, mode)];
  CodePage *page;

  if (cache->used + size > cache->size)
    {
      x86_block_cache_flush (cpu);
      if (!x86_code_page_watch (cpu, page_of (host)))
        return NULL;
    }
  page = find_page (cache, page_of (host));
  add_chunks (cache, page, x86_code_chunks (host, length));
  /* A store that has come since the bytes were fetched may not have seen that there is code. */
  if (memcmp (host, bytes, length) != 0)
    return NULL;
  block = (X86Block *) (cache->arena + cache->used);
  cache->used += (size + 31) & ~(size_t) 31;
  *block = (X86Block) { .hash_next = *bucket, .host = host, .mode = mode,
                        .length = (uint16_t) length, .op_count = (uint8_t) op_count };
  memcpy (block->ops, ops, op_count * sizeof *ops);
  memcpy (block->ops + op_count, bytes, length);
  *bucket = block;
  link_block (page, block);
  cpu->counters.blocks++;
  x86_jit_watch (cpu, block);
  return block;
}

void
x86_code_peek (X86Cpu *cpu, const uint8_t *host, uint64_t length)
{
  CodePage *page = find_page (cpu->cache, page_of (host));

  if (page != NULL)
    add_chunks (cpu->cache, page, x86_code_chunks (host, length));
}

static OddOp *
odd_entry (X86Cpu *cpu, uint64_t lin)
{
  return &cpu->cache->odd[(lin ^ (lin >> 12)) % ODD_SIZE];
}

const X86Op *
x86_odd_find (X86Cpu *cpu, uint64_t lin, uint32_t mode, const uint8_t *bytes, unsigned available, X86Op **slot)
{
  OddOp *odd = odd_entry (cpu, lin);

  *slot = odd->ops;
  if (odd->length != 0 && odd->mode == mode && odd->length <= available && memcmp (odd->bytes, bytes, odd->length) == 0)
    return odd->ops;
  odd->length = 0;
  return NULL;
}

gboolean
x86_odd_goes_on (X86Cpu *cpu, uint64_t lin, uint32_t mode, const uint8_t *bytes, unsigned have, unsigned *want)
{
  const OddOp *odd = odd_entry (cpu, lin);

  if (odd->mode != mode || odd->length <= have || odd->length > *want || memcmp (odd->bytes, bytes, have) != 0)
    return FALSE;
  *want = odd->length;
  return TRUE;
}

void
x86_odd_set (X86Cpu *cpu, const X86Op *slot, uint32_t mode, const uint8_t *bytes, unsigned length)
{
  OddOp *odd = (OddOp *) ((uint8_t *) (uintptr_t) slot - G_STRUCT_OFFSET (OddOp, ops));

  odd->mode = mode;
  odd->length = (uint8_t) length;
  memcpy (odd->bytes, bytes, length);
}
