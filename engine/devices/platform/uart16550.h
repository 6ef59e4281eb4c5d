/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A 16550A serial port. */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType uart16550_type;

/* To be set before realize: the first of eight I/O ports, the line, and what takes the guest's bytes (NULL: nobody;
 * called with the machine lock held, must not block). */
void uart16550_set_port (Device *dev, uint16_t base, IrqLine irq);
void uart16550_set_output (Device *dev, void (*write) (void *opaque, const uint8_t *data, size_t length), void *opaque);

/* Queues bytes for the guest's receiver, as many as there is room for; returns how many. Machine lock held. */
size_t uart16550_input (Device *dev, const uint8_t *data, size_t length);
