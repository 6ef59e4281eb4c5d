/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of windows share. */
#pragma once

#include "engine/cpu/jit/window.h"

enum
{
  USER_WINDOWS = 8, WINDOW_COUNT = USER_WINDOWS + 1, KERNEL = USER_WINDOWS,
  REGION_SHIFT = 32, REGION_MAX = 128,
  TABLE_ENTRIES = 1 << 16,         /* upper halves of canonical addresses, negative ones at the end of 4 GiB */
  TABLE_SPACING = 1 << 20,
  ENTRIES_A_PAGE = GUEST_PAGE_SIZE / 8,
  LARGE_PAGES = 512,               /* what is laid in at once of larger pages */
  EXTENT_MAX = 24000,              /* of all processors; the host's kernel bounds mappings by vm.max_map_count, 65530 */
  AROUND = 16,                     /* pages looked at around a small one */
  SPLIT_MAX = 256,                 /* larger pages, of all processors, that are writable in parts for their log's sake */
  HASH_BITS = 12, HASH_SIZE = 1 << HASH_BITS,
  DELAY = 5000,                    /* µs */
  CLOCK_LOOKS = 16,                /* one of so many looks at the clock is a system call */
  NOT_YET = -1,
  HWCAP2_FSGSBASE_BIT = 1 << 1
};
#define REGION_SIZE ((uint64_t) 1 << REGION_SHIFT)
/* Displacements reach 2 GiB beyond a region. */
#define REGION_GUARD ((uint64_t) 2 << 30)
#define REGION_SPAN (REGION_SIZE + 2 * REGION_GUARD)
/* Any 32-bit offset from any table stays inside. */
#define TABLES_SIZE (((uint64_t) 4 << 30) + (uint64_t) WINDOW_COUNT * TABLE_SPACING)

/* Pages next to each other in linear and in host memory. */
typedef struct Extent Extent;
struct Extent
{
  Extent *lin_next, *host_next, *window_next, **window_link;
  uint64_t lin;
  RamBlock *block;
  const uint8_t *host;
  uint8_t *dirty;      /* the log of its first page, or NULL */
  uint16_t pages;      /* 1 or LARGE_PAGES */
  uint8_t window;
  gboolean is_writable; /* but for logs and code */
  gboolean is_split;   /* writable in parts */
  uint64_t readonly[LARGE_PAGES / 64];
};

typedef struct Region Region;
struct Region
{
  Region *next;
  uint8_t *base;       /* where its linear address 0 would be, guards around it */
  int32_t number;      /* upper half of its linear addresses */
};

typedef struct
{
  uint8_t *table;      /* see entry_at() */
  uint64_t table_pages[TABLE_ENTRIES / (GUEST_PAGE_SIZE / 8) / 64]; /* bit: has been made */
  Region *regions;
  Extent *extents;
  unsigned key;        /* of the address space; 0: free */
  uint64_t used;       /* when it was last switched to */
} Window;

struct JitWindows
{
  X86Cpu *cpu;
  uint8_t *tables, *guard;
  Window window[WINDOW_COUNT];
  uint8_t *wanted, *now;       /* tables: of the mode, and in the GS base */
  Region *free_regions;
  unsigned region_count, extent_count, split_count;
  gboolean is_exhausted;
  uint64_t switches;
  int64_t delay;               /* µs that an address space has to run first */
  int64_t kernel_born;         /* in what executed() tells, or NOT_YET */
  int64_t *key_born;           /* by TLB key */
  int64_t clock;
  unsigned clock_looks;
  Extent *by_lin[HASH_SIZE], *by_host[HASH_SIZE], *large;
};

static inline uint64_t *
entry_at (const Window *window, int64_t number)
{
  return (uint64_t *) (window->table + (uint32_t) (number * 8));
}

static inline uint8_t *
place_of (JitWindows *w, const Extent *extent)
{
  return (uint8_t *) (uintptr_t) (*entry_at (&w->window[extent->window], (int64_t) extent->lin >> REGION_SHIFT) + extent->lin);
}

static inline void
set_readonly (Extent *extent, unsigned page, gboolean readonly)
{
  uint64_t bit = (uint64_t) 1 << (page & 63);

  extent->readonly[page >> 6] = readonly ? extent->readonly[page >> 6] | bit : extent->readonly[page >> 6] & ~bit;
}

static inline gboolean
is_readonly (const Extent *extent, unsigned page)
{
  return (extent->readonly[page >> 6] >> (page & 63)) & 1;
}

/* A log that has the page written has nothing to notice. */
static inline gboolean
is_noticed (const uint8_t *dirty)
{
  return dirty == NULL || __atomic_load_n (dirty, __ATOMIC_SEQ_CST) != 0;
}

/* For the first store to @page of a large page since its log was emptied. FALSE: it stays closed. */
gboolean jit_windows_open_logged (JitWindows *windows, Extent *extent, unsigned page);
