/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VGA adapter: IBM VGA with Bochs' VBE extensions as a PCI device (“stdvga”). */
#pragma once

#include "engine/devices/device.h"
#include "engine/devices/display/display.h"

extern const DeviceType vga_type;

/* To be set before realize. @display is borrowed; @rom is the VGA BIOS's path or NULL (copied). */
void vga_set_display (Device *dev, Display *display);
void vga_set_rom (Device *dev, const char *path);
/* Video memory: a power of two from 1 to 256 MiB; 16 MiB when not set. */
void vga_set_memory_size (Device *dev, uint64_t bytes);
/* The video memory, for saving it; it is the device's. */
RamBlock *vga_memory (Device *dev);
