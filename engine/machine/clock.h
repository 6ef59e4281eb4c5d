/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine's virtual clock: nanoseconds since power-on, monotonic, standing
 * still while the machine is paused. Timers live in one heap and fire on the
 * I/O thread with the machine lock held.
 */
#pragma once

#include "engine/machine/lock.h"

#include <glib.h>
#include <stdint.h>

typedef struct Clock Clock;
typedef struct ClockTimer ClockTimer;

enum { CLOCK_NS_PER_SECOND = 1000000000, CLOCK_NS_PER_MS = 1000000, CLOCK_NS_PER_US = 1000 };

/* The clock starts stopped at 0. Timers are dispatched by a source on @context. */
Clock *clock_new (GMainContext *context, MachineLock *lock);
void clock_free (Clock *clock);
void clock_start (Clock *clock);
void clock_stop (Clock *clock);
/* Virtual time in ns; any thread, no lock. */
int64_t clock_now (Clock *clock);
/* For tests: sets the time of a stopped clock and fires what is due (tests call it
 * from the thread that owns @context). */
void clock_set (Clock *clock, int64_t now);
/* The same without firing: who loads saved state arms timers anew. */
void clock_restore (Clock *clock, int64_t now);
/* Host wall-clock time in microseconds since 1970 as the guest shall see it. */
int64_t clock_wall_us (Clock *clock);
/* For tests: it is @us now, and time goes on with the virtual clock. */
void clock_set_wall (Clock *clock, int64_t us);

/* @callback runs on the I/O thread with the machine lock held. */
ClockTimer *clock_timer_new (Clock *clock, void (*callback) (void *opaque), void *opaque);
void clock_timer_free (ClockTimer *timer);
/* Fires once when clock_now() reaches @deadline (at once if it has); replaces an earlier deadline. */
void clock_timer_arm (ClockTimer *timer, int64_t deadline);
void clock_timer_cancel (ClockTimer *timer);
gboolean clock_timer_armed (const ClockTimer *timer);
int64_t clock_timer_deadline (const ClockTimer *timer);
