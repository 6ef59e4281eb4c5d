/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MC146818 real-time clock with CMOS RAM. */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType rtc_type;

/* To be set before realize. */
void rtc_set_output (Device *dev, IrqLine irq8);
void rtc_set_local_time (Device *dev, gboolean local);
/* CMOS RAM cells that the firmware reads; after realize, index 14-127. Kept over reset. */
void rtc_set_cmos (Device *dev, unsigned index, uint8_t value);
uint8_t rtc_cmos (Device *dev, unsigned index);
/* The HPET takes over IRQ 8 while its legacy routing is on. */
void rtc_set_irq_enabled (Device *dev, gboolean enabled);
