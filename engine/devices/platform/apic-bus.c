/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routing of APIC messages. Specification: Intel SDM volume 3A, section 11.6 (issuing interprocessor interrupts). */

#include "engine/devices/platform/apic-bus.h"

#include "engine/devices/platform/ioapic.h"
#include "engine/devices/platform/lapic.h"

enum
{
  MSI_BASE = 0xfee, MSI_BASE_SHIFT = 20, MSI_DESTINATION_SHIFT = 12, MSI_LOGICAL = 1 << 2, MSI_DELIVERY_SHIFT = 8,
  MSI_LEVEL = 1 << 15
};

struct ApicBus
{
  GPtrArray *locals;
  Device *io;
  guint next;       /* lowest priority goes round */
};

ApicBus *
apic_bus_new (void)
{
  ApicBus *bus = g_new0 (ApicBus, 1);

  bus->locals = g_ptr_array_new ();
  return bus;
}

void
apic_bus_free (ApicBus *bus)
{
  if (bus == NULL)
    return;
  g_ptr_array_unref (bus->locals);
  g_free (bus);
}

void
apic_bus_add_local (ApicBus *bus, Device *lapic)
{
  g_ptr_array_add (bus->locals, lapic);
}

void
apic_bus_remove_local (ApicBus *bus, Device *lapic)
{
  g_ptr_array_remove (bus->locals, lapic);
}

void
apic_bus_set_io (ApicBus *bus, Device *ioapic)
{
  bus->io = ioapic;
}

static gboolean
is_destination (Device *lapic, const ApicMessage *message)
{
  return message->logical ? lapic_matches_logical (lapic, message->destination)
                          : message->destination == 0xff || lapic_id (lapic) == message->destination;
}

void
apic_bus_send (ApicBus *bus, const ApicMessage *message)
{
  guint count = bus->locals->len;

  if (message->delivery == APIC_LOWEST)
    {
      /* The least busy takes it; among equals they take turns. */
      Device *best = NULL;
      guint best_at = 0;

      for (guint i = 0; i < count; i++)
        {
          guint at = (bus->next + i) % count;
          Device *lapic = g_ptr_array_index (bus->locals, at);

          if (!is_destination (lapic, message) || !lapic_is_enabled (lapic))
            continue;
          if (best == NULL || lapic_processor_priority (lapic) < lapic_processor_priority (best))
            {
              best = lapic;
              best_at = at;
            }
        }
      if (best != NULL)
        {
          bus->next = best_at + 1;
          lapic_receive (best, message);
        }
      return;
    }
  for (guint i = 0; i < count; i++)
    {
      Device *lapic = g_ptr_array_index (bus->locals, i);

      if (is_destination (lapic, message))
        lapic_receive (lapic, message);
    }
}

/* Intel SDM volume 3A, section 11.11 (message signalled interrupts). */
void
apic_bus_send_msi (ApicBus *bus, uint64_t address, uint32_t data)
{
  const ApicMessage message = {
    .destination = (uint8_t) (address >> MSI_DESTINATION_SHIFT), .logical = (address & MSI_LOGICAL) != 0,
    .delivery = (ApicDelivery) (data >> MSI_DELIVERY_SHIFT & 7), .vector = (uint8_t) data,
    .level = (data & MSI_LEVEL) != 0
  };

  if (address >> MSI_BASE_SHIFT == MSI_BASE)
    apic_bus_send (bus, &message);
}

void
apic_bus_broadcast (ApicBus *bus, const ApicMessage *message, Device *except)
{
  for (guint i = 0; i < bus->locals->len; i++)
    {
      Device *lapic = g_ptr_array_index (bus->locals, i);

      if (lapic != except)
        lapic_receive (lapic, message);
    }
}

void
apic_bus_eoi (ApicBus *bus, uint8_t vector)
{
  if (bus->io != NULL)
    ioapic_eoi (bus->io, vector);
}
