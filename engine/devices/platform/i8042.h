/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keyboard controller with its keyboard and mouse, and port 92h. */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/input/input.h"

extern const DeviceType i8042_type;

/* To be set before realize. @input is borrowed; the callbacks run with the machine lock held. */
void i8042_set_input (Device *dev, Input *input);
void i8042_set_a20 (Device *dev, void (*set_a20) (void *opaque, gboolean enabled), void *opaque);
void i8042_set_reset (Device *dev, void (*reset) (void *opaque), void *opaque);

/* Makes the mouse send a packet without movement: the interrupt that drivers of the VMware pointer wait for. */
void i8042_mouse_notify (Device *dev);
