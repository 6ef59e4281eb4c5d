/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The guest-physical address space: RAM, ROM and MMIO regions laid over one
 * another by priority, seen through an immutable flat view.
 *
 * Threads: look-ups take no lock and may run on any thread. Changes of the
 * topology are made under the machine lock; they publish a new view, keep the
 * old one until address_space_collect(), and call every topology listener so
 * that processors flush their TLBs.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

enum
{
  GUEST_PAGE_SHIFT = 12,
  GUEST_PAGE_SIZE = 1 << GUEST_PAGE_SHIFT
};

typedef struct AddressSpace AddressSpace;
typedef struct RamBlock RamBlock;
typedef struct MemoryRegion MemoryRegion;

/* Handlers get an offset from the start of their region. An access wider than
 * max_size is split, one narrower than min_size is widened on reads; accesses
 * are made with the machine lock held. */
typedef struct
{
  uint64_t (*read) (void *opaque, uint64_t offset, unsigned size);
  void (*write) (void *opaque, uint64_t offset, uint64_t value, unsigned size);
  uint8_t min_size; /* bytes; 0 counts as 1 */
  uint8_t max_size; /* bytes; 0 counts as 8 */
  gboolean is_posted; /* writes may be kept back: see BusPoster */
} MmioOps;

/* RAM of the host that backs guest memory: a memfd mapped shared, zero-filled
 * and not populated until touched. */
RamBlock *ram_block_new (const char *name, uint64_t size, GError **error);
void ram_block_free (RamBlock *block);
/* Gives the host its memory back, of a block that nothing uses any more and that is to be freed. Nothing in the process waits for
 * it, as would be for ram_block_free() of much memory. */
void ram_block_discard (RamBlock *block);
uint8_t *ram_block_host (RamBlock *block);
uint64_t ram_block_size (const RamBlock *block);
/* Whether other threads may reach the block without the machine lock, for guest_memory_map_dma(): then it has to outlive
 * all devices, and who watches it sees what they write when they are done. At first it may not. */
void ram_block_allow_dma (RamBlock *block, gboolean allow);
gboolean ram_block_allows_dma (const RamBlock *block);
/* Maps @length bytes of the block from @offset on at @address too, in place of what is there; all in whole pages. FALSE
 * when the host's kernel refuses. The caller unmaps. */
gboolean ram_block_map (RamBlock *block, uint64_t offset, uint64_t length, void *address, gboolean writable);

/* The first stretch at or after @offset that the host has memory for, to [@start, @end): the rest is zeros, and reading it would
 * take memory. FALSE: there is none. What its source still has is not counted (see ram-source.h). */
gboolean ram_block_next_data (RamBlock *block, uint64_t offset, uint64_t *start, uint64_t *end);

/* Dirty logging, off until switched on. Writers store 1 into one byte a page;
 * processors do so when they fill a TLB entry for writing. @grain: how many pages,
 * a power of two, may be reported when one of them was written. Switched on while
 * no processor is running, or before the block can be reached. */
void ram_block_enable_dirty_log (RamBlock *block, AddressSpace *as, unsigned grain);
/* Switches it off; while no processor is running and no view is in use. */
void ram_block_disable_dirty_log (RamBlock *block);
/* The log as it is, a byte a page; NULL: it is off. */
uint8_t *ram_block_dirty (const RamBlock *block);
/* Pages; 0: the log is off. */
unsigned ram_block_dirty_grain (const RamBlock *block);
/* Reports (sets in @pages, one byte a page, @count of them from page @first)
 * the pages written since the last call and arranges for later writes to be
 * seen; a page is reported once more at the next call, so that a write that
 * raced with this one is never lost. Returns whether any page was dirty. */
gboolean ram_block_collect_dirty (RamBlock *block, uint64_t first, uint64_t count, uint8_t *pages);

typedef enum
{
  MEMORY_RAM,        /* read and write go to a RamBlock */
  MEMORY_ROM,        /* reads from a RamBlock; writes are dropped */
  MEMORY_MMIO,       /* handlers */
} MemoryKind;

AddressSpace *address_space_new (void);
void address_space_free (AddressSpace *as);

/* Adds a region [@base, @base + @size) over all regions of lower @priority. Of
 * two regions of one priority the one added later wins. The region starts
 * enabled. Owned by the address space; removed with memory_region_remove(). */
MemoryRegion *address_space_add_ram (AddressSpace *as, uint64_t base, uint64_t size, int priority, RamBlock *block,
                                     uint64_t block_offset);
MemoryRegion *address_space_add_rom (AddressSpace *as, uint64_t base, uint64_t size, int priority, RamBlock *block,
                                     uint64_t block_offset);
MemoryRegion *address_space_add_mmio (AddressSpace *as, uint64_t base, uint64_t size, int priority, const MmioOps *ops,
                                      void *opaque);
void memory_region_set_enabled (MemoryRegion *region, gboolean enabled);
void memory_region_set_base (MemoryRegion *region, uint64_t base);
/* Turns a RAM region into a read-only one and back (PAM). */
void memory_region_set_readonly (MemoryRegion *region, gboolean readonly);
void memory_region_remove (MemoryRegion *region);
/* Several changes, one new view. */
void address_space_begin (AddressSpace *as);
void address_space_commit (AddressSpace *as);

/* One stretch of the flat view. */
typedef struct
{
  uint64_t base;     /* guest-physical, first byte */
  uint64_t size;     /* bytes */
  MemoryKind kind;
  uint8_t *host;     /* RAM and ROM: host address of @base */
  uint8_t *dirty;    /* RAM with dirty logging: flag byte of the page at @base, else NULL */
  const MmioOps *ops; /* MMIO */
  void *opaque;
  uint64_t offset;   /* MMIO: offset of @base in its region */
  RamBlock *block;
} MemorySection;

/* The section that holds @gpa; never NULL (unassigned memory is an MMIO
 * section that reads all ones and drops writes). Valid until the next
 * address_space_collect(). */
const MemorySection *address_space_lookup (AddressSpace *as, uint64_t gpa);
/* Frees views that were replaced; called when no processor is running. */
void address_space_collect (AddressSpace *as);
/* How many replaced views wait for that. */
unsigned address_space_retired (AddressSpace *as);

/* @changed runs with the machine lock held after every new view and must flush
 * software TLBs before more guest code runs; @logged instead when nothing but the
 * logs of the sections differs; @cleaned when dirty logging needs
 * write permissions of logged pages taken back. @written runs after a device wrote RAM, so that
 * translated or cached code of that range is dropped. @collect_dirty runs before
 * a dirty log is read: whoever logs writes elsewhere enters them now. */
typedef struct
{
  void (*changed) (void *opaque);
  void (*logged) (void *opaque);
  void (*cleaned) (void *opaque);
  void (*written) (void *opaque, uint64_t gpa, uint64_t length);
  void (*collect_dirty) (void *opaque, RamBlock *block);
} AddressSpaceListener;
void address_space_add_listener (AddressSpace *as, const AddressSpaceListener *listener, void *opaque);
void address_space_remove_listener (AddressSpace *as, void *opaque);

/* MMIO dispatch with the widths that the section's ops allow; the caller holds
 * the machine lock. @size is 1, 2, 4 or 8. */
uint64_t memory_section_read (const MemorySection *section, uint64_t gpa, unsigned size);
void memory_section_write (const MemorySection *section, uint64_t gpa, uint64_t value, unsigned size);

/* Memory access by devices (DMA) and by the machine; any length, any mix of
 * sections. Only memory is reached: a device that could be pointed at
 * registers, its own among them, would be re-entered. Returns FALSE when part of
 * the range was none (reads give ones there). Calls the listeners' @written and
 * marks pages dirty. The caller holds the machine lock. */
gboolean guest_memory_read (AddressSpace *as, uint64_t gpa, void *buffer, uint64_t length);
gboolean guest_memory_write (AddressSpace *as, uint64_t gpa, const void *buffer, uint64_t length);
/* A host pointer to as much of [@gpa, @gpa + *@length) as is contiguous RAM;
 * shortens *@length; NULL when @gpa is no RAM (or ROM and @writable). After
 * writing through it call guest_memory_written(). */
void *guest_memory_map (AddressSpace *as, uint64_t gpa, uint64_t *length, gboolean writable);
/* The same of a block that allows it, or NULL: for who goes on without the machine lock. */
void *guest_memory_map_dma (AddressSpace *as, uint64_t gpa, uint64_t *length, gboolean writable);
void guest_memory_written (AddressSpace *as, uint64_t gpa, uint64_t length);
