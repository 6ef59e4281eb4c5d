/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pair of 8237A DMA controllers with their page registers. */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType i8237_type;

/* Moves up to @length bytes between @buffer and memory on @channel (0-3, 8 bits wide; 5-7, 16 bits): @to_memory is the
 * device's direction. Returns the bytes moved: fewer when the count has run out (terminal count) or the channel is
 * masked or programmed otherwise. *@terminal is set when the count ran out. */
size_t i8237_transfer (Device *dev, unsigned channel, void *buffer, size_t length, gboolean to_memory, gboolean *terminal);
