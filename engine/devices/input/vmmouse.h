/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VMware backdoor port with its absolute pointing device. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/input/input.h"

extern const DeviceType vmmouse_type;

/* Registers of the processor that accesses the port; its EAX comes and goes besides as the port's value. */
typedef struct
{
  uint32_t eax, ebx, ecx, edx, esi, edi;
} VmPortRegisters;

/* To be set before realize. */
void vmmouse_set_input (Device *dev, Input *input);
void vmmouse_set_registers (Device *dev, void (*get) (void *opaque, VmPortRegisters *regs),
                            void (*set) (void *opaque, const VmPortRegisters *regs), void *opaque);
/* Called when there is something to fetch: the PS/2 mouse is made to interrupt. */
void vmmouse_set_notify (Device *dev, void (*notify) (void *opaque), void *opaque);
void vmmouse_set_memory_size (Device *dev, uint64_t bytes);
