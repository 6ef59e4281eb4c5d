/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 8254 interval timer and system control port B (61h) with the speaker gate. */
#pragma once

#include "engine/bus/chips.h"
#include "engine/devices/device.h"

extern const DeviceType pit_type;

/* To be set before realize: OUT of counter 0. */
void pit_set_output (Device *dev, IrqLine irq0);
/* The HPET takes over IRQ 0 while its legacy routing is on. */
void pit_set_irq_enabled (Device *dev, gboolean enabled);
/* All that it knows. While somebody else goes on with it, its line is low here; setting the registers ends that. */
void pit_lend_registers (Device *dev, PitRegisters *out);
void pit_set_registers (Device *dev, const PitRegisters *in);
/* What the speaker plays now: Hz, or 0 when it is silent. */
unsigned pit_speaker_frequency (Device *dev);
