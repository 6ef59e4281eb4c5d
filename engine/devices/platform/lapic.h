/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local APIC of one processor (xAPIC), with its timer. */
#pragma once

#include "engine/bus/chips.h"
#include "engine/devices/platform/apic-bus.h"

extern const DeviceType lapic_type;

enum { LAPIC_BASE = 0xfee00000, LAPIC_SIZE = 0x1000 };

/* What the processor takes from its APIC; machine lock held. */
typedef struct
{
  void (*interrupt) (void *opaque, gboolean pending);    /* level: something is at lapic_acknowledge() */
  void (*nmi) (void *opaque);
  void (*init) (void *opaque);
  void (*startup) (void *opaque, uint8_t vector);
  int (*external_acknowledge) (void *opaque);            /* INTA at the 8259s: the vector */
  /* Virtual time at which the processor's TSC will have the value @tsc. */
  int64_t (*time_of_tsc) (void *opaque, uint64_t tsc);
} LapicCpuOps;

/* To be set before realize. @index is the initial ID; 0 is the bootstrap processor. */
void lapic_set_cpu (Device *dev, unsigned index, ApicBus *bus, const LapicCpuOps *ops, void *opaque);

/* INTR of the 8259s, wired to LINT0 of the bootstrap processor. */
void lapic_set_external (Device *dev, int level);
/* INTA of the processor: a vector, or -1 when there is none. */
int lapic_acknowledge (Device *dev);

uint64_t lapic_base (Device *dev);
/* IA32_APIC_BASE; FALSE when the value is not allowed. */
gboolean lapic_set_base (Device *dev, uint64_t value);
/* CR8: the task priority class, 0-15. */
uint8_t lapic_task_priority (Device *dev);
void lapic_set_task_priority (Device *dev, uint8_t priority_class);
uint64_t lapic_tsc_deadline (Device *dev);
void lapic_set_tsc_deadline (Device *dev, uint64_t tsc);
/* Back to the state after INIT. */
void lapic_init (Device *dev);

/* All that it knows. While somebody else goes on with it, the timer stands still here and the processor hears nothing;
 * setting the registers ends that. A one-shot timer that has run out may fire once more: nobody can tell whether its
 * interrupt got through. */
void lapic_lend_registers (Device *dev, LapicRegisters *out);
void lapic_set_registers (Device *dev, const LapicRegisters *in);

/* Registers, for the MMIO region that all processors share; @offset below LAPIC_SIZE. */
uint32_t lapic_read (Device *dev, unsigned offset);
void lapic_write (Device *dev, unsigned offset, uint32_t value);

/* For the bus. */
uint8_t lapic_id (Device *dev);
gboolean lapic_is_enabled (Device *dev);
gboolean lapic_matches_logical (Device *dev, uint8_t destination);
uint8_t lapic_processor_priority (Device *dev);
void lapic_receive (Device *dev, const ApicMessage *message);
