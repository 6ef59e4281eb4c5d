/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PIIX4's power management function: ACPI registers, power button, power off. */
#pragma once

#include "engine/bus/pci.h"

extern const DeviceType piix4_pm_type;

/* To be set before realize: @sci is the ACPI interrupt; @power_off runs when the guest enters S5. */
void piix4_pm_set_outputs (Device *dev, IrqLine sci, void (*power_off) (void *opaque), void *opaque);
/* Machine lock held. */
void piix4_pm_press_power_button (Device *dev);
