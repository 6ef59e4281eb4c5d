/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pair of 8259A interrupt controllers. */
#pragma once

#include "engine/bus/chips.h"
#include "engine/devices/device.h"

extern const DeviceType pic_type;

/* To be set before realize: where INTR of the master goes. */
void pic_set_output (Device *dev, IrqLine intr);
/* An input line, 0-15 (2 is the cascade and not to be used); an IrqLine handler with the device as opaque. */
void pic_input (void *dev, int line, int level);
/* INTA: the vector of the request to serve; a spurious one when there is none any more. */
uint8_t pic_acknowledge (Device *dev);
gboolean pic_has_interrupt (Device *dev);
/* All that the pair knows. Setting it tells the output anew. */
void pic_get_registers (Device *dev, PicRegisters out[2]);
void pic_set_registers (Device *dev, const PicRegisters in[2]);
