/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ports for developers: firmware log (402h), POST codes (80h), exit (F4h). */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType debug_ports_type;

/* To be set before realize. @write NULL: the ports answer nobody. */
void debug_ports_set_log (Device *dev, void (*write) (void *opaque, const uint8_t *data, size_t length), void *opaque);
/* @exit NULL: there is no exit port. It gets the status (value << 1) | 1. */
void debug_ports_set_exit (Device *dev, void (*exit) (void *opaque, int status), void *opaque);
