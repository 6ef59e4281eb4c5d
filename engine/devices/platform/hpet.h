/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The high precision event timer at FED00000h: one block of three comparators. */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType hpet_type;

enum { HPET_BASE = 0xfed00000, HPET_PINS = 24 };

/* To be set before realize. @set_pin drives an I/O APIC input; @legacy is told when timers 0 and 1 take over from PIT
 * and RTC, and then drives ISA lines 0 and 8 by @set_isa. */
void hpet_set_outputs (Device *dev, void (*set_pin) (void *opaque, int pin, int level),
                       void (*set_isa) (void *opaque, int line, int level), void (*legacy) (void *opaque, gboolean on),
                       void *opaque);
