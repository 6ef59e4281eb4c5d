/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Posted writes: the accelerator may keep them back until anything else is asked of a device. Machine lock held. */
#pragma once

#include "engine/bus/bus.h"
#include "engine/cpu/cpu.h"

enum { X86_POSTED_MAX = 16 };

/* Writes to these ports may be posted; at most X86_POSTED_MAX ranges. Memory says so itself: MmioOps. */
void x86_system_set_posted_ports (X86System *system, const PortRange *ranges, unsigned count);
/* Carries out what is kept back. */
void x86_system_flush_posted (X86System *system);
