/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82093AA I/O APIC at FEC00000h. */
#pragma once

#include "engine/bus/chips.h"
#include "engine/devices/platform/apic-bus.h"

extern const DeviceType ioapic_type;

enum { IOAPIC_BASE = 0xfec00000, IOAPIC_PINS = 24 };

/* To be set before realize. */
void ioapic_set_bus (Device *dev, ApicBus *bus);
/* An input pin; an IrqLine handler with the device as opaque. */
void ioapic_input (void *dev, int pin, int level);
/* A local APIC has ended the interrupt of this vector. */
void ioapic_eoi (Device *dev, uint8_t vector);
/* All that it knows. Setting it sends what is due. */
void ioapic_get_registers (Device *dev, IoApicRegisters *out);
void ioapic_set_registers (Device *dev, const IoApicRegisters *in);
