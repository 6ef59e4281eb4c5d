/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82441FX host bridge: configuration cycles, and what lies at C0000h–FFFFFh and in SMRAM. */
#pragma once

#include "engine/bus/pci.h"

extern const DeviceType i440fx_type;

/* To be set before realize: RAM from address 0, and the firmware whose last 128 KiB show at E0000h. Both borrowed. */
void i440fx_set_memory (Device *dev, RamBlock *ram, RamBlock *bios);
