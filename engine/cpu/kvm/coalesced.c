/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Coalesced accesses: the kernel keeps posted writes to devices in a ring, in their order, and the processor goes on. They
 * are carried out before anything else is asked of a device, before its screen is drawn, and when processors stop.
 */

#include "engine/cpu/kvm/kvm-private.h"

#include <string.h>
#include <unistd.h>

enum { REGISTERS_MAX = 1 << 20 /* bytes of one zone */ };

void
kvm_open_coalesced (X86Kvm *kvm)
{
  kvm->zones = g_array_new (FALSE, TRUE, sizeof (struct kvm_coalesced_mmio_zone));
}

void
kvm_close_coalesced (X86Kvm *kvm)
{
  g_array_unref (kvm->zones);
}

/* --- Zones --- */

static void
want (GArray *wanted, uint64_t base, uint64_t size, gboolean is_port)
{
  struct kvm_coalesced_mmio_zone zone = { .addr = base, .size = (uint32_t) size, .pio = is_port };

  g_array_append_val (wanted, zone);
}

static GArray *
wanted_zones (const X86System *system)
{
  GArray *wanted = g_array_new (FALSE, TRUE, sizeof (struct kvm_coalesced_mmio_zone));
  uint64_t end;

  for (uint64_t at = 0; at < (uint64_t) 1 << 32; at = end)
    {
      const MemorySection *section = address_space_lookup (system->memory, at);

      end = section->base + section->size;
      if (section->kind == MEMORY_MMIO && section->ops->is_posted && section->size <= REGISTERS_MAX)
        want (wanted, section->base, section->size, FALSE);
    }
  for (unsigned i = 0; system->kvm->has_posted_ports && i < system->posted_count; i++)
    want (wanted, system->posted[i].base, system->posted[i].count, TRUE);
  return wanted;
}

static gboolean
has_zone (const GArray *zones, const struct kvm_coalesced_mmio_zone *zone)
{
  for (guint i = 0; i < zones->len; i++)
    if (memcmp (&g_array_index (zones, struct kvm_coalesced_mmio_zone, i), zone, sizeof *zone) == 0)
      return TRUE;
  return FALSE;
}

void
kvm_update_zones (X86System *system)
{
  X86Kvm *kvm = system->kvm;
  g_autoptr (GArray) wanted = NULL;

  if (kvm->ring_page == 0)
    return;
  wanted = wanted_zones (system);
  for (guint i = kvm->zones->len; i-- > 0;)
    if (!has_zone (wanted, &g_array_index (kvm->zones, struct kvm_coalesced_mmio_zone, i)))
      {
        kvm_ioctl (kvm->vm, KVM_UNREGISTER_COALESCED_MMIO, &g_array_index (kvm->zones, struct kvm_coalesced_mmio_zone, i));
        g_array_remove_index_fast (kvm->zones, i);
      }
  for (guint i = 0; i < wanted->len; i++)
    {
      struct kvm_coalesced_mmio_zone *zone = &g_array_index (wanted, struct kvm_coalesced_mmio_zone, i);

      if (!has_zone (kvm->zones, zone) && kvm_ioctl (kvm->vm, KVM_REGISTER_COALESCED_MMIO, zone) == 0)
        g_array_append_val (kvm->zones, *zone);
    }
}

void
x86_system_set_posted_ports (X86System *system, const PortRange *ranges, unsigned count)
{
  g_assert (count <= X86_POSTED_MAX);
  memcpy (system->posted, ranges, count * sizeof *ranges);
  system->posted_count = count;
  if (system->kvm != NULL)
    kvm_update_zones (system);
}

/* --- The ring --- */

static struct kvm_coalesced_mmio_ring *
ring_of (const X86System *system)
{
  const X86Kvm *kvm = system->kvm;

  if (kvm == NULL || kvm->ring_page == 0 || system->cpu_count == 0 || system->cpus[0]->kvm == NULL)
    return NULL;
  /* The same one is mapped for each processor. */
  return (struct kvm_coalesced_mmio_ring *) ((uint8_t *) system->cpus[0]->kvm->run + kvm->ring_page * (size_t) getpagesize ());
}

static void
carry_out (X86System *system, const struct kvm_coalesced_mmio *entry)
{
  X86Cpu *cpu = system->cpus[0];
  unsigned length = MIN (entry->len, sizeof entry->data);
  uint64_t value = 0;

  memcpy (&value, entry->data, length);
  if (entry->pio)
    cpu->ops->pio_write (cpu->opaque, (uint16_t) entry->phys_addr, (uint32_t) value, length);
  else if ((length & (length - 1)) == 0)
    memory_section_write (address_space_lookup (system->memory, entry->phys_addr), entry->phys_addr, value, length);
  cpu->counters.posted++;
}

gboolean
kvm_has_posted (const X86System *system)
{
  const struct kvm_coalesced_mmio_ring *ring = ring_of (system);

  return ring != NULL && __atomic_load_n (&ring->first, __ATOMIC_ACQUIRE) != __atomic_load_n (&ring->last, __ATOMIC_ACQUIRE);
}

void
x86_system_flush_posted (X86System *system)
{
  struct kvm_coalesced_mmio_ring *ring = ring_of (system);
  unsigned size;

  if (ring == NULL)
    return;
  size = (unsigned) ((unsigned) getpagesize () - sizeof *ring) / sizeof ring->coalesced_mmio[0];
  while (ring->first != __atomic_load_n (&ring->last, __ATOMIC_ACQUIRE))
    {
      /* A device may come back here for what follows. */
      struct kvm_coalesced_mmio entry = ring->coalesced_mmio[ring->first % size];

      __atomic_store_n (&ring->first, (ring->first + 1) % size, __ATOMIC_RELEASE);
      carry_out (system, &entry);
    }
}
