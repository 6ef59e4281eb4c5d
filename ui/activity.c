/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rates out of the engine's counters. */

#include "ui/activity.h"

/* Counters that went back (a reset) count as standing still. */
static double
rate (uint64_t now, uint64_t before, gint64 microseconds)
{
  if (now <= before || microseconds <= 0)
    return 0;
  return (double) (now - before) * G_USEC_PER_SEC / microseconds;
}

void
activity_meter_update (ActivityMeter *self, const MachineInfo *info, gint64 time)
{
  gint64 span = time - self->last_time;

  if (self->last_time != 0)
    {
      self->disk_read_rate = rate (info->disk_read_bytes, self->last.disk_read_bytes, span);
      self->disk_write_rate = rate (info->disk_write_bytes, self->last.disk_write_bytes, span);
      self->net_rx_rate = rate (info->net_rx_bytes, self->last.net_rx_bytes, span);
      self->net_tx_rate = rate (info->net_tx_bytes, self->last.net_tx_bytes, span);
      self->disk_active = info->disk_reads != self->last.disk_reads || info->disk_writes != self->last.disk_writes;
      self->cd_active = info->cd_reads != self->last.cd_reads;
      self->floppy_active = info->floppy_reads != self->last.floppy_reads;
      self->net_active = info->net_rx_frames != self->last.net_rx_frames
                         || info->net_tx_frames != self->last.net_tx_frames;
    }
  self->last = *info;
  self->last_time = time;
}
