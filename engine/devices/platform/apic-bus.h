/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire between I/O APIC and local APICs: who gets an interrupt message. */
#pragma once

#include "engine/devices/device.h"

typedef struct ApicBus ApicBus;

typedef enum
{
  APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_STARTUP = 6, APIC_EXTINT = 7
} ApicDelivery;

typedef struct
{
  uint8_t destination;   /* APIC ID, or set of logical IDs */
  gboolean logical;
  ApicDelivery delivery;
  uint8_t vector;
  gboolean level;        /* level-triggered: the EOI is broadcast */
  gboolean deassert;     /* INIT level de-assert */
} ApicMessage;

ApicBus *apic_bus_new (void);
void apic_bus_free (ApicBus *bus);

/* Used by the APICs when they are realized and unrealized. */
void apic_bus_add_local (ApicBus *bus, Device *lapic);
void apic_bus_remove_local (ApicBus *bus, Device *lapic);
void apic_bus_set_io (ApicBus *bus, Device *ioapic);

/* Machine lock held. */
void apic_bus_send (ApicBus *bus, const ApicMessage *message);
/* A write to memory as MSI makes it; dropped when it is to no APIC's address. */
void apic_bus_send_msi (ApicBus *bus, uint64_t address, uint32_t data);
/* To every local APIC, with or without @except. */
void apic_bus_broadcast (ApicBus *bus, const ApicMessage *message, Device *except);
void apic_bus_eoi (ApicBus *bus, uint8_t vector);
