/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest memory as the hardware maps it: a slot for each stretch of RAM and ROM
 * of the address space. Everything else leaves the hardware as MMIO.
 */

#include "engine/cpu/kvm/kvm-private.h"

#include <errno.h>
#include <string.h>

/* The hardware knows no A20 gate. Who closes it is old enough to stay below the second of these. */
enum { MIB = 1 << 20, A20_END = 16 * MIB };

/* Adds what is memory of [@first, @end), which shows what is at @source. */
static void
want (GArray *wanted, const MemorySection *section, uint64_t first, uint64_t end, uint64_t source)
{
  uint64_t skipped = -source & (GUEST_PAGE_SIZE - 1);
  KvmSlot slot;

  /* A page that is memory in part goes byte by byte. */
  first += skipped;
  source += skipped;
  end &= X86_PAGE_MASK;
  if (section->kind == MEMORY_MMIO || end <= first)
    return;
  slot = (KvmSlot) { .base = first, .size = end - first, .host = section->host + (source - section->base),
                     .block = section->block, .is_readonly = section->kind == MEMORY_ROM };
  if (section->dirty != NULL)
    slot.dirty = section->dirty + ((source >> GUEST_PAGE_SHIFT) - (section->base >> GUEST_PAGE_SHIFT));
  g_array_append_val (wanted, slot);
}

/* The parts of [0, 2^52) that are memory, in order. */
static GArray *
wanted_slots (const X86System *system)
{
  gboolean a20 = system->cpu_count == 0 || system->cpus[0]->a20_mask == ~(uint64_t) 0;
  GArray *wanted = g_array_new (FALSE, TRUE, sizeof (KvmSlot));
  uint64_t end;

  for (uint64_t at = 0; at < (uint64_t) 1 << 52; at = end)
    {
      uint64_t source = !a20 && at < A20_END ? at & ~(uint64_t) MIB : at;
      const MemorySection *section = address_space_lookup (system->memory, source);

      end = at + (section->base + section->size - source);
      if (!a20 && at < A20_END)
        end = MIN (end, (at | (MIB - 1)) + 1);
      want (wanted, section, at, end, source);
    }
  return wanted;
}

static gboolean
is_same (const KvmSlot *a, const KvmSlot *b)
{
  return a->base == b->base && a->size == b->size && a->host == b->host && a->dirty == b->dirty
         && a->is_readonly == b->is_readonly;
}

static const KvmSlot *
find_same (const GArray *slots, const KvmSlot *slot)
{
  for (guint i = 0; i < slots->len; i++)
    if (is_same (&g_array_index (slots, KvmSlot, i), slot))
      return &g_array_index (slots, KvmSlot, i);
  return NULL;
}

static void
set_slot (X86System *system, const KvmSlot *slot, uint64_t size)
{
  X86Kvm *kvm = system->kvm;
  struct kvm_userspace_memory_region region = {
    .slot = slot->id, .guest_phys_addr = slot->base, .memory_size = size, .userspace_addr = (uint64_t) (uintptr_t) slot->host,
    .flags = (slot->is_readonly ? KVM_MEM_READONLY : 0) | (slot->dirty != NULL ? KVM_MEM_LOG_DIRTY_PAGES : 0)
  };

  if (kvm_ioctl (kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    kvm_fail (system, "KVM refuses memory at %" G_GINT64_MODIFIER "x (%" G_GUINT64_FORMAT " KiB): %s", slot->base,
              slot->size / 1024, g_strerror (errno));
}

static void
read_dirty (X86Kvm *kvm, const KvmSlot *slot)
{
  uint64_t pages = slot->size >> GUEST_PAGE_SHIFT;
  g_autofree uint64_t *bitmap = g_new0 (uint64_t, (pages + 63) / 64);
  struct kvm_dirty_log log = { .slot = slot->id, .dirty_bitmap = bitmap };

  if (slot->dirty == NULL || kvm_ioctl (kvm->vm, KVM_GET_DIRTY_LOG, &log) < 0)
    return;
  for (uint64_t word = 0; word * 64 < pages; word++)
    for (uint64_t bits = bitmap[word]; bits != 0; bits &= bits - 1)
      __atomic_store_n (&slot->dirty[word * 64 + (unsigned) __builtin_ctzll (bits)], 1, __ATOMIC_RELAXED);
}

static void
drop_slot (X86System *system, guint i)
{
  X86Kvm *kvm = system->kvm;
  KvmSlot slot = g_array_index (kvm->slots, KvmSlot, i);

  read_dirty (kvm, &slot);
  set_slot (system, &slot, 0);
  kvm->slot_used[slot.id] = FALSE;
  g_array_remove_index_fast (kvm->slots, i);
}

static void
add_slot (X86System *system, KvmSlot *slot)
{
  X86Kvm *kvm = system->kvm;
  const uint8_t *unused = memchr (kvm->slot_used, FALSE, kvm->slot_max);

  if (unused == NULL)
    {
      kvm_fail (system, "KVM maps only %u stretches of memory", kvm->slot_max);
      return;
    }
  slot->id = (uint32_t) (unused - kvm->slot_used);
  kvm->slot_used[slot->id] = TRUE;
  set_slot (system, slot, slot->size);
  g_array_append_val (kvm->slots, *slot);
}

void
kvm_memory_changed (X86System *system)
{
  X86Kvm *kvm = system->kvm;
  g_autoptr (GArray) wanted = wanted_slots (system);
  gboolean is_closed = FALSE;

  for (guint i = kvm->slots->len; i-- > 0;)
    {
      if (find_same (wanted, &g_array_index (kvm->slots, KvmSlot, i)) != NULL)
        continue;
      /* Between the old slot and the new one there is a hole that no instruction may be fetched from. */
      if (!is_closed)
        kvm_close_gate (system);
      is_closed = TRUE;
      drop_slot (system, i);
    }
  for (guint i = 0; i < wanted->len; i++)
    if (find_same (kvm->slots, &g_array_index (wanted, KvmSlot, i)) == NULL)
      add_slot (system, &g_array_index (wanted, KvmSlot, i));
  if (is_closed)
    kvm_open_gate (system);
  kvm_update_zones (system);
}

void
kvm_collect_dirty (X86System *system, RamBlock *block)
{
  X86Kvm *kvm = system->kvm;

  for (guint i = 0; i < kvm->slots->len; i++)
    if (g_array_index (kvm->slots, KvmSlot, i).block == block)
      read_dirty (kvm, &g_array_index (kvm->slots, KvmSlot, i));
}
