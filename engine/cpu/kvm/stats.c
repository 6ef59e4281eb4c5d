/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel counts of a processor: with its own interrupt controllers it deals with most by itself. */

#include "engine/cpu/kvm/kvm-private.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DESCRIPTIONS_MAX = 1024, NAME_MAX_SIZE = 256 };

/* The place of the figure of this name in the kernel's file, or 0. */
static off_t
find (int fd, const struct kvm_stats_header *header, const char *name)
{
  size_t size = sizeof (struct kvm_stats_desc) + header->name_size;
  g_autofree struct kvm_stats_desc *description = g_malloc0 (size + 1);

  for (uint32_t i = 0; i < header->num_desc; i++)
    {
      if (pread (fd, description, size, (off_t) (header->desc_offset + i * size)) != (ssize_t) size)
        return 0;
      if (strcmp (description->name, name) == 0)
        return (off_t) header->data_offset + description->offset;
    }
  return 0;
}

void
kvm_open_stats (X86KvmCpu *k)
{
  struct kvm_stats_header header;

  k->stats = ioctl (k->fd, KVM_GET_STATS_FD, NULL);
  if (k->stats < 0 || pread (k->stats, &header, sizeof header, 0) != sizeof header || header.num_desc > DESCRIPTIONS_MAX
      || header.name_size > NAME_MAX_SIZE)
    return;
  k->halts_at = find (k->stats, &header, "halt_exits");
  k->interrupts_at = find (k->stats, &header, "irq_injections");
}

static uint64_t
figure (const X86KvmCpu *k, off_t place)
{
  uint64_t value;

  return place != 0 && pread (k->stats, &value, sizeof value, place) == sizeof value ? value : 0;
}

void
x86_kvm_add_counters (const X86Cpu *cpu, X86Counters *counters)
{
  const X86KvmCpu *k = cpu->kvm;

  if (k == NULL || !cpu->system->kvm->has_chips)
    return;
  counters->halts += figure (k, k->halts_at);
  counters->interrupts += figure (k, k->interrupts_at);
}
