/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Regions by priority, flattened into an immutable sorted view for look-ups. */

#include "engine/memory/memory-private.h"
#include "engine/memory/ram-source.h"

#include <stdlib.h>
#include <string.h>

struct MemoryRegion
{
  AddressSpace *as;
  uint64_t base, size;
  int priority;
  uint64_t order;          /* among equals the later one wins */
  gboolean enabled, readonly;
  RamBlock *block;         /* NULL: MMIO */
  uint64_t block_offset;
  const MmioOps *ops;
  void *opaque;
};

typedef struct
{
  unsigned count;
  MemorySection sections[];
} View;

typedef struct
{
  const AddressSpaceListener *ops;
  void *opaque;
} Listener;

struct AddressSpace
{
  GPtrArray *regions;      /* MemoryRegion, owned */
  View *view;              /* atomic */
  GPtrArray *retired;      /* views that a processor may still be looking at */
  GArray *listeners;
  uint64_t next_order;
  unsigned depth;
  gboolean pending;
};

static uint64_t
unassigned_read (void *opaque, uint64_t offset, unsigned size)
{
  return ~(uint64_t) 0;
}

static void
unassigned_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static const MmioOps unassigned_ops = { .read = unassigned_read, .write = unassigned_write, .min_size = 1, .max_size = 8 };

AddressSpace *
address_space_new (void)
{
  AddressSpace *as = g_new0 (AddressSpace, 1);

  as->regions = g_ptr_array_new_with_free_func (g_free);
  as->retired = g_ptr_array_new_with_free_func (g_free);
  as->listeners = g_array_new (FALSE, FALSE, sizeof (Listener));
  address_space_rebuild (as, FALSE);
  return as;
}

void
address_space_free (AddressSpace *as)
{
  if (as == NULL)
    return;
  g_ptr_array_unref (as->regions);
  g_ptr_array_unref (as->retired);
  g_array_unref (as->listeners);
  g_free (as->view);
  g_free (as);
}

static int
compare_addresses (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

/* The region on top at @address, or NULL. */
static MemoryRegion *
topmost (AddressSpace *as, uint64_t address)
{
  MemoryRegion *best = NULL;

  for (guint i = 0; i < as->regions->len; i++)
    {
      MemoryRegion *r = g_ptr_array_index (as->regions, i);

      if (!r->enabled || address < r->base || address - r->base >= r->size)
        continue;
      if (best == NULL || r->priority > best->priority || (r->priority == best->priority && r->order > best->order))
        best = r;
    }
  return best;
}

static void
fill_section (MemorySection *section, MemoryRegion *region, uint64_t base, uint64_t size)
{
  *section = (MemorySection) { .base = base, .size = size };
  if (region == NULL)
    {
      section->kind = MEMORY_MMIO;
      section->ops = &unassigned_ops;
      return;
    }
  section->offset = base - region->base;
  if (region->block == NULL)
    {
      section->kind = MEMORY_MMIO;
      section->ops = region->ops;
      section->opaque = region->opaque;
      return;
    }
  section->kind = region->readonly ? MEMORY_ROM : MEMORY_RAM;
  section->block = region->block;
  section->host = region->block->host + region->block_offset + section->offset;
  if (region->block->dirty != NULL && !region->readonly)
    section->dirty = region->block->dirty + ((region->block_offset + section->offset) >> GUEST_PAGE_SHIFT);
}

static void
notify_view (AddressSpace *as, gboolean only_logs)
{
  for (guint i = 0; i < as->listeners->len; i++)
    {
      const Listener *l = &g_array_index (as->listeners, Listener, i);
      void (*told) (void *) = only_logs ? l->ops->logged : l->ops->changed;

      if (told != NULL)
        told (l->opaque);
    }
}

void
address_space_rebuild (AddressSpace *as, gboolean only_logs)
{
  guint edges = 0;
  g_autofree uint64_t *edge = g_new (uint64_t, 2 * as->regions->len + 1);
  View *view, *old;
  MemoryRegion *last = NULL;

  edge[edges++] = 0;
  for (guint i = 0; i < as->regions->len; i++)
    {
      MemoryRegion *r = g_ptr_array_index (as->regions, i);

      if (!r->enabled)
        continue;
      edge[edges++] = r->base;
      if (r->base + r->size > r->base)
        edge[edges++] = r->base + r->size;
    }
  qsort (edge, edges, sizeof *edge, compare_addresses);

  view = g_malloc0 (sizeof (View) + edges * sizeof (MemorySection));
  for (guint i = 0; i < edges; i++)
    {
      uint64_t end = i + 1 < edges ? edge[i + 1] : G_MAXUINT64;
      MemoryRegion *region;

      if (end == edge[i])
        continue;
      region = topmost (as, edge[i]);
      if (view->count > 0 && region == last)
        view->sections[view->count - 1].size += end - edge[i];
      else
        fill_section (&view->sections[view->count++], region, edge[i], end - edge[i]);
      last = region;
    }

  old = as->view;
  __atomic_store_n (&as->view, view, __ATOMIC_RELEASE);
  if (old != NULL)
    g_ptr_array_add (as->retired, old);
  notify_view (as, only_logs);
}

void
address_space_notify_cleaned (AddressSpace *as)
{
  for (guint i = 0; i < as->listeners->len; i++)
    {
      Listener *l = &g_array_index (as->listeners, Listener, i);

      if (l->ops->cleaned != NULL)
        l->ops->cleaned (l->opaque);
    }
}

void
address_space_collect_dirty (AddressSpace *as, RamBlock *block)
{
  for (guint i = 0; i < as->listeners->len; i++)
    {
      Listener *l = &g_array_index (as->listeners, Listener, i);

      if (l->ops->collect_dirty != NULL)
        l->ops->collect_dirty (l->opaque, block);
    }
}

static void
changed (AddressSpace *as)
{
  if (as->depth > 0)
    as->pending = TRUE;
  else
    address_space_rebuild (as, FALSE);
}

void
address_space_begin (AddressSpace *as)
{
  as->depth++;
}

void
address_space_commit (AddressSpace *as)
{
  g_assert (as->depth > 0);
  if (--as->depth == 0 && as->pending)
    {
      as->pending = FALSE;
      address_space_rebuild (as, FALSE);
    }
}

static MemoryRegion *
add_region (AddressSpace *as, uint64_t base, uint64_t size, int priority)
{
  MemoryRegion *region = g_new0 (MemoryRegion, 1);

  g_assert (size > 0);
  region->as = as;
  region->base = base;
  region->size = size;
  region->priority = priority;
  region->order = as->next_order++;
  region->enabled = TRUE;
  g_ptr_array_add (as->regions, region);
  return region;
}

MemoryRegion *
address_space_add_ram (AddressSpace *as, uint64_t base, uint64_t size, int priority, RamBlock *block, uint64_t block_offset)
{
  MemoryRegion *region = add_region (as, base, size, priority);

  g_assert (block_offset <= block->size && size <= block->size - block_offset);
  region->block = block;
  region->block_offset = block_offset;
  changed (as);
  return region;
}

MemoryRegion *
address_space_add_rom (AddressSpace *as, uint64_t base, uint64_t size, int priority, RamBlock *block, uint64_t block_offset)
{
  MemoryRegion *region;

  address_space_begin (as);
  region = address_space_add_ram (as, base, size, priority, block, block_offset);
  region->readonly = TRUE;
  address_space_commit (as);
  return region;
}

MemoryRegion *
address_space_add_mmio (AddressSpace *as, uint64_t base, uint64_t size, int priority, const MmioOps *ops, void *opaque)
{
  MemoryRegion *region = add_region (as, base, size, priority);

  region->ops = ops;
  region->opaque = opaque;
  changed (as);
  return region;
}

void
memory_region_set_enabled (MemoryRegion *region, gboolean enabled)
{
  if (region->enabled == (enabled != FALSE))
    return;
  region->enabled = enabled != FALSE;
  changed (region->as);
}

void
memory_region_set_base (MemoryRegion *region, uint64_t base)
{
  if (region->base == base)
    return;
  region->base = base;
  if (region->enabled)
    changed (region->as);
}

void
memory_region_set_readonly (MemoryRegion *region, gboolean readonly)
{
  if (region->readonly == (readonly != FALSE))
    return;
  region->readonly = readonly != FALSE;
  if (region->enabled)
    changed (region->as);
}

void
memory_region_remove (MemoryRegion *region)
{
  AddressSpace *as = region->as;

  g_ptr_array_remove (as->regions, region);
  changed (as);
}

const MemorySection *
address_space_lookup (AddressSpace *as, uint64_t gpa)
{
  const View *view = __atomic_load_n (&as->view, __ATOMIC_ACQUIRE);
  unsigned low = 0, high = view->count;

  /* The last section whose base is not above. */
  while (high - low > 1)
    {
      unsigned middle = (low + high) / 2;

      if (view->sections[middle].base <= gpa)
        low = middle;
      else
        high = middle;
    }
  return &view->sections[low];
}

void
address_space_collect (AddressSpace *as)
{
  g_ptr_array_set_size (as->retired, 0);
}

unsigned
address_space_retired (AddressSpace *as)
{
  return as->retired->len;
}

void
address_space_add_listener (AddressSpace *as, const AddressSpaceListener *listener, void *opaque)
{
  Listener added = { listener, opaque };

  g_array_append_val (as->listeners, added);
}

void
address_space_remove_listener (AddressSpace *as, void *opaque)
{
  for (guint i = as->listeners->len; i-- > 0;)
    {
      if (g_array_index (as->listeners, Listener, i).opaque == opaque)
        g_array_remove_index (as->listeners, i);
    }
}

/* MMIO dispatch */

static uint64_t
size_mask (unsigned size)
{
  return size >= 8 ? ~(uint64_t) 0 : ((uint64_t) 1 << (8 * size)) - 1;
}

uint64_t
memory_section_read (const MemorySection *section, uint64_t gpa, unsigned size)
{
  const MmioOps *ops = section->ops;
  uint64_t offset = section->offset + (gpa - section->base), value = 0;
  unsigned min = MAX (ops->min_size, 1), max = ops->max_size != 0 ? ops->max_size : 8;

  if (size < min)
    {
      unsigned within = (unsigned) (offset & (min - 1));

      return ops->read (section->opaque, offset - within, min) >> (8 * within) & size_mask (size);
    }
  if (size <= max)
    return ops->read (section->opaque, offset, size) & size_mask (size);
  for (unsigned done = 0; done < size; done += max)
    value |= (ops->read (section->opaque, offset + done, max) & size_mask (max)) << (8 * done);
  return value;
}

void
memory_section_write (const MemorySection *section, uint64_t gpa, uint64_t value, unsigned size)
{
  const MmioOps *ops = section->ops;
  uint64_t offset = section->offset + (gpa - section->base);
  unsigned min = MAX (ops->min_size, 1), max = ops->max_size != 0 ? ops->max_size : 8;

  if (size < min)
    {
      unsigned within = (unsigned) (offset & (min - 1));

      ops->write (section->opaque, offset - within, (value & size_mask (size)) << (8 * within), min);
    }
  else if (size <= max)
    ops->write (section->opaque, offset, value & size_mask (size), size);
  else
    {
      for (unsigned done = 0; done < size; done += max)
        ops->write (section->opaque, offset + done, value >> (8 * done) & size_mask (max), max);
    }
}

/* DMA */

static uint64_t
run_length (const MemorySection *section, uint64_t gpa, uint64_t length)
{
  /* The very last byte of the space counts in no section's size. */
  return MIN (length, MAX (section->size - (gpa - section->base), 1));
}

gboolean
guest_memory_read (AddressSpace *as, uint64_t gpa, void *buffer, uint64_t length)
{
  uint8_t *out = buffer;
  gboolean all = TRUE;

  while (length > 0)
    {
      const MemorySection *section = address_space_lookup (as, gpa);
      uint64_t run = run_length (section, gpa, length);

      if (section->host != NULL)
        memcpy (out, section->host + (gpa - section->base), run);
      else
        {
          memset (out, 0xff, run);
          all = FALSE;
        }
      out += run;
      gpa += run;
      length -= run;
    }
  return all;
}

void
guest_memory_written (AddressSpace *as, uint64_t gpa, uint64_t length)
{
  uint64_t at = gpa, left = length;

  if (length == 0)
    return;
  while (left > 0)
    {
      const MemorySection *section = address_space_lookup (as, at);
      uint64_t run = run_length (section, at, left);

      if (section->dirty != NULL)
        {
          uint64_t first = (at - section->base) >> GUEST_PAGE_SHIFT, last = (at - section->base + run - 1) >> GUEST_PAGE_SHIFT;

          for (uint64_t page = first; page <= last; page++)
            __atomic_store_n (&section->dirty[page], 1, __ATOMIC_RELAXED);
        }
      at += run;
      left -= run;
    }
  for (guint i = 0; i < as->listeners->len; i++)
    {
      Listener *l = &g_array_index (as->listeners, Listener, i);

      if (l->ops->written != NULL)
        l->ops->written (l->opaque, gpa, length);
    }
}

gboolean
guest_memory_write (AddressSpace *as, uint64_t gpa, const void *buffer, uint64_t length)
{
  const uint8_t *in = buffer;
  gboolean all = TRUE;

  while (length > 0)
    {
      const MemorySection *section = address_space_lookup (as, gpa);
      uint64_t run = run_length (section, gpa, length);

      if (section->kind == MEMORY_RAM)
        {
          memcpy (section->host + (gpa - section->base), in, run);
          guest_memory_written (as, gpa, run);
        }
      else if (section->kind == MEMORY_MMIO)
        all = FALSE;
      in += run;
      gpa += run;
      length -= run;
    }
  return all;
}

void *
guest_memory_map (AddressSpace *as, uint64_t gpa, uint64_t *length, gboolean writable)
{
  const MemorySection *section = address_space_lookup (as, gpa);

  if (section->host == NULL || (writable && section->kind != MEMORY_RAM))
    return NULL;
  *length = run_length (section, gpa, *length);
  ram_block_fetch (section->block, (uint64_t) (section->host - section->block->host) + (gpa - section->base), *length);
  return section->host + (gpa - section->base);
}

void *
guest_memory_map_dma (AddressSpace *as, uint64_t gpa, uint64_t *length, gboolean writable)
{
  const MemorySection *section = address_space_lookup (as, gpa);

  return section->block != NULL && section->block->has_dma ? guest_memory_map (as, gpa, length, writable) : NULL;
}
