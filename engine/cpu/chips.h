/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Interrupt controllers and timer that the hardware accelerator runs itself, for a board that lends it its own: while
 * processors run, the chips' ports and registers are the kernel's, and the board passes interrupts on. Machine lock held
 * throughout, but for x86_system_lend_chips().
 */
#pragma once

#include "engine/bus/chips.h"
#include "engine/cpu/cpu.h"

enum
{
  X86_CHIPS_LINES = CHIPS_IOAPIC_PINS /* 0-15: ISA, to both controllers; the others to the I/O APIC alone */
};

/* The board has such chips to lend; before the accelerator is set. */
void x86_system_lend_chips (X86System *system);
/* Whether the accelerator that is set runs chips itself. */
gboolean x86_system_has_chips (const X86System *system);

/* After x86_system_put_state(), and after x86_system_get_state(): what processors' local APICs have is in @lapics, one a
 * processor. */
void x86_chips_put (X86System *system, const ChipRegisters *chips, const LapicRegisters *lapics);
void x86_chips_get (X86System *system, ChipRegisters *chips, LapicRegisters *lapics);

/* In between. */
void x86_chips_set_line (X86System *system, unsigned line, gboolean level);
void x86_chips_send_message (X86System *system, uint64_t address, uint32_t data);
/* Counter 0 of the timer drives line 0, or nothing. */
void x86_chips_set_timer_output (X86System *system, gboolean enabled);
