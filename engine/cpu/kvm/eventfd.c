/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Event descriptors that the kernel listens to, or signals: messages that devices send again and again, and doorbells.
 */

#include "engine/cpu/chips.h"
#include "engine/cpu/doorbell.h"
#include "engine/cpu/kvm/kvm-private.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* --- Messages --- */

enum
{
  MESSAGES_MAX = 64, /* that are remembered */
  OFTEN = 32         /* so often sent, a message gets a descriptor: its making stops all processors for a moment */
};

typedef struct
{
  uint64_t address;
  uint32_t data, sent;
  int fd;            /* -1: none yet */
} Message;

void
kvm_add_message_routes (const X86Kvm *kvm, GArray *routes)
{
  for (guint i = 0; i < kvm->messages->len; i++)
    {
      const Message *m = &g_array_index (kvm->messages, Message, i);
      struct kvm_irq_routing_entry entry = {
        .gsi = X86_CHIPS_LINES + i, .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = { .address_lo = (uint32_t) m->address, .address_hi = (uint32_t) (m->address >> 32), .data = m->data }
      };

      if (m->fd >= 0)
        g_array_append_val (routes, entry);
    }
}

static Message *
find_message (X86Kvm *kvm, uint64_t address, uint32_t data)
{
  Message new = { .address = address, .data = data, .fd = -1 };

  for (guint i = 0; i < kvm->messages->len; i++)
    {
      Message *m = &g_array_index (kvm->messages, Message, i);

      if (m->address == address && m->data == data)
        return m;
    }
  if (kvm->messages->len == MESSAGES_MAX)
    return NULL;
  g_array_append_val (kvm->messages, new);
  return &g_array_index (kvm->messages, Message, kvm->messages->len - 1);
}

static void
give_descriptor (X86Kvm *kvm, Message *m)
{
  struct kvm_irqfd irqfd = { .gsi = X86_CHIPS_LINES + (uint32_t) (m - &g_array_index (kvm->messages, Message, 0)) };

  m->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (m->fd < 0)
    return;
  irqfd.fd = (uint32_t) m->fd;
  if (kvm_set_routes (kvm) && kvm_ioctl (kvm->vm, KVM_IRQFD, &irqfd) == 0)
    return;
  close (m->fd);
  m->fd = -1;
}

void
x86_chips_send_message (X86System *system, uint64_t address, uint32_t data)
{
  X86Kvm *kvm = system->kvm;
  struct kvm_msi msi = { .address_lo = (uint32_t) address, .address_hi = (uint32_t) (address >> 32), .data = data };
  Message *m = kvm->has_irqfd ? find_message (kvm, address, data) : NULL;
  const uint64_t one = 1;

  if (m != NULL && m->fd < 0 && ++m->sent == OFTEN)
    give_descriptor (kvm, m);
  if (m != NULL && m->fd >= 0 && write (m->fd, &one, sizeof one) == sizeof one)
    return;
  /* A message to nobody is the guest's affair. */
  kvm_ioctl (kvm->vm, KVM_SIGNAL_MSI, &msi);
}

void
kvm_open_events (X86Kvm *kvm)
{
  kvm->messages = g_array_new (FALSE, TRUE, sizeof (Message));
}

void
kvm_close_events (X86Kvm *kvm)
{
  for (guint i = 0; i < kvm->messages->len; i++)
    if (g_array_index (kvm->messages, Message, i).fd >= 0)
      close (g_array_index (kvm->messages, Message, i).fd);
  g_array_unref (kvm->messages);
}

/* --- Doorbells --- */

static struct kvm_ioeventfd
describe (const Doorbell *bell, int fd)
{
  return (struct kvm_ioeventfd) {
    .addr = bell->address, .len = bell->size, .fd = fd, .datamatch = bell->value,
    .flags = (bell->is_port ? KVM_IOEVENTFD_FLAG_PIO : 0) | (bell->has_value ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0)
  };
}

gboolean
x86_system_add_doorbell (X86System *system, const Doorbell *bell, int fd)
{
  struct kvm_ioeventfd event = describe (bell, fd);

  return system->kvm != NULL && system->kvm->has_ioeventfd && kvm_ioctl (system->kvm->vm, KVM_IOEVENTFD, &event) == 0;
}

void
x86_system_remove_doorbell (X86System *system, const Doorbell *bell, int fd)
{
  struct kvm_ioeventfd event = describe (bell, fd);

  event.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
  if (system->kvm != NULL)
    kvm_ioctl (system->kvm->vm, KVM_IOEVENTFD, &event);
}
