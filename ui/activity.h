/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rates out of the engine's counters, for the lights of the status bar. */
#pragma once

#include "engine/machine/machine.h"

G_BEGIN_DECLS

typedef struct
{
  MachineInfo last;
  gint64 last_time;             /* µs; 0: nothing seen yet */
  double disk_read_rate, disk_write_rate, net_rx_rate, net_tx_rate; /* bytes a second */
  gboolean disk_active, cd_active, floppy_active, net_active;
} ActivityMeter;

/* Takes the counters of now (@time in µs). */
void activity_meter_update (ActivityMeter *self, const MachineInfo *info, gint64 time);

G_END_DECLS
