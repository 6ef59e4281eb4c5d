/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Intel 82540EM gigabit Ethernet controller (“e1000”). */
#pragma once

#include "engine/devices/device.h"
#include "network/netport.h"

extern const DeviceType e1000_type;

/* To be set before realize. @port is borrowed and may be NULL (no cable). */
void e1000_set_port (Device *dev, NetPort *port);
void e1000_set_mac (Device *dev, const uint8_t mac[6]);
/* An option ROM for network boot, or NULL; copied. */
void e1000_set_rom (Device *dev, const char *path);

/* Plugs the cable in or out while the machine runs; machine lock held. */
void e1000_set_link (Device *dev, gboolean up);
