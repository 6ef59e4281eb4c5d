/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two 8237 DMA controllers of a PC with their page registers. Channels 0-3 move bytes, 5-7 words. */
#pragma once

#include "engine/devices/device.h"

enum { DMA_CHANNELS = 8 };

extern const DeviceType i8237_type;

/* @granted runs (machine lock held) when a channel whose request is up becomes ready. */
void i8237_connect (Device *dev, unsigned channel, void (*granted) (void *opaque), void *opaque);
/* DREQ. Does not call @granted itself: the device looks at i8237_ready() when it raises its request. */
void i8237_set_request (Device *dev, unsigned channel, gboolean level);
/* Whether the guest has set the channel up and unmasked it. */
gboolean i8237_ready (Device *dev, unsigned channel);
/* Bytes until terminal count. */
uint32_t i8237_remaining (Device *dev, unsigned channel);

/* Move up to @length bytes between a device and memory; they return how many, which is fewer only when the channel is
 * not
 * ready or terminal count (*@terminal_count) is reached. When the guest has programmed another direction, memory stays
 * as it is and the device receives ones. Lengths for channels 5-7 are even. */
uint32_t i8237_to_memory (Device *dev, unsigned channel, const uint8_t *data, uint32_t length,
                          gboolean *terminal_count);
uint32_t i8237_from_memory (Device *dev, unsigned channel, uint8_t *data, uint32_t length, gboolean *terminal_count);
