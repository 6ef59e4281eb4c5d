/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the beam is: guests wait for retrace and count frames by it.
 * Specification: IBM VGA Technical Reference, CRT controller and input status
 * register 1.
 */

#include "engine/devices/display/vga-private.h"

enum
{
  STATUS1_BLANK = 1 << 0, STATUS1_RETRACE = 1 << 3,
  CLOCK_640_KHZ = 25175, CLOCK_720_KHZ = 28322, NS_PER_MS = 1000000,
  HTOTAL_EXTRA = 5, VTOTAL_EXTRA = 2, RETRACE_LENGTH = 16
};

typedef struct
{
  int64_t clock_khz, line_dots, shown_dots, lines, shown_lines, retrace_first, retrace_last;
} Timing;

/* 640 × 480 at 60 Hz: for modes whose timing the guest leaves to the adapter, and for nonsense. */
static const Timing standard_timing = { CLOCK_640_KHZ, 800, 640, 525, 480, 490, 491 };

static void
get_timing (const Vga *d, Timing *t)
{
  const uint8_t *cr = d->cr;
  int dots = d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8_DOTS ? 8 : 9;
  int64_t length;

  t->clock_khz = (d->misc >> MISC_CLOCK_SHIFT & 3) == 1 ? CLOCK_720_KHZ : CLOCK_640_KHZ;
  if (d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF)
    t->clock_khz /= 2;
  t->line_dots = (cr[CR_HTOTAL] + HTOTAL_EXTRA) * dots;
  t->shown_dots = (cr[CR_HDISP] + 1) * dots;
  t->lines = (cr[CR_VTOTAL] | (cr[CR_OVERFLOW] & 0x01) << 8 | (cr[CR_OVERFLOW] & 0x20) << 4) + VTOTAL_EXTRA;
  t->shown_lines = (cr[CR_VDISP] | (cr[CR_OVERFLOW] & 0x02) << 7 | (cr[CR_OVERFLOW] & 0x40) << 3) + 1;
  t->retrace_first = cr[CR_VSYNC_START] | (cr[CR_OVERFLOW] & 0x04) << 6 | (cr[CR_OVERFLOW] & 0x80) << 2;
  /* The end has four bits: the next line that equals them. */
  length = (cr[CR_VSYNC_END] - t->retrace_first) & (RETRACE_LENGTH - 1);
  t->retrace_last = t->retrace_first + (length != 0 ? length : RETRACE_LENGTH) - 1;
  if (vga_dispi_enabled (d) || t->shown_dots >= t->line_dots || t->shown_lines >= t->lines ||
      t->retrace_first >= t->lines || t->retrace_first < t->shown_lines)
    *t = standard_timing;
}

uint8_t
vga_input_status1 (const Vga *d, int64_t now)
{
  Timing t;
  int64_t frame_ns, dot, line;

  get_timing (d, &t);
  frame_ns = t.line_dots * t.lines * NS_PER_MS / t.clock_khz;
  dot = now % frame_ns * t.clock_khz / NS_PER_MS;
  line = dot / t.line_dots;
  if (line >= t.retrace_first && line <= t.retrace_last)
    return STATUS1_RETRACE | STATUS1_BLANK;
  return line >= t.shown_lines || dot % t.line_dots >= t.shown_dots ? STATUS1_BLANK : 0;
}
