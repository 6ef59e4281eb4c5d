/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PIIX3's ISA bridge: PCI interrupt routing and the reset control register. */
#pragma once

#include "engine/bus/pci.h"

enum { PIIX3_SLOT = 1 };

extern const DeviceType piix3_type;

/* To be set before realize. */
void piix3_set_reset (Device *dev, void (*reset) (void *opaque), void *opaque);
