/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The virtual clock and its timers: a binary heap by deadline, and one timerfd
 * (the main loop's own time-outs are too coarse for timer interrupts).
 */

#include "engine/machine/clock.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { NOT_QUEUED = -1 };

struct ClockTimer
{
  Clock *clock;
  void (*callback) (void *opaque);
  void *opaque;
  int64_t deadline;
  int place;          /* in the heap, or NOT_QUEUED */
};

struct Clock
{
  MachineLock *machine_lock;
  GSource *source;
  int fd;
  GMutex lock;        /* guards the heap, running, is_firing and the timerfd */
  gboolean is_firing; /* the alarm will be set when that is done */
  GPtrArray *heap;    /* ClockTimer */
  int running;        /* atomic */
  int64_t offset;     /* atomic: host monotonic time = virtual time + offset, while running */
  int64_t stopped_at; /* atomic */
  gboolean wall_set;  /* tests: wall time is virtual time + wall_offset */
  int64_t wall_offset;
};

static int64_t
host_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * CLOCK_NS_PER_SECOND + now.tv_nsec;
}

int64_t
clock_now (Clock *clock)
{
  if (__atomic_load_n (&clock->running, __ATOMIC_ACQUIRE))
    return host_now () - __atomic_load_n (&clock->offset, __ATOMIC_RELAXED);
  return __atomic_load_n (&clock->stopped_at, __ATOMIC_RELAXED);
}

int64_t
clock_wall_us (Clock *clock)
{
  return clock->wall_set ? clock_now (clock) / CLOCK_NS_PER_US + clock->wall_offset : g_get_real_time ();
}

void
clock_set_wall (Clock *clock, int64_t us)
{
  clock->wall_set = TRUE;
  clock->wall_offset = us - clock_now (clock) / CLOCK_NS_PER_US;
}

/* The heap; the lock is held. */

static ClockTimer *
at (Clock *clock, int place)
{
  return g_ptr_array_index (clock->heap, place);
}

static void
put (Clock *clock, int place, ClockTimer *timer)
{
  g_ptr_array_index (clock->heap, place) = timer;
  timer->place = place;
}

static void
sift_up (Clock *clock, int place)
{
  ClockTimer *timer = at (clock, place);

  while (place > 0 && at (clock, (place - 1) / 2)->deadline > timer->deadline)
    {
      put (clock, place, at (clock, (place - 1) / 2));
      place = (place - 1) / 2;
    }
  put (clock, place, timer);
}

static void
sift_down (Clock *clock, int place)
{
  ClockTimer *timer = at (clock, place);
  int count = (int) clock->heap->len;

  for (;;)
    {
      int child = 2 * place + 1;

      if (child >= count)
        break;
      if (child + 1 < count && at (clock, child + 1)->deadline < at (clock, child)->deadline)
        child++;
      if (at (clock, child)->deadline >= timer->deadline)
        break;
      put (clock, place, at (clock, child));
      place = child;
    }
  put (clock, place, timer);
}

static void
heap_remove (Clock *clock, ClockTimer *timer)
{
  int place = timer->place, last = (int) clock->heap->len - 1;

  if (place == NOT_QUEUED)
    return;
  timer->place = NOT_QUEUED;
  if (place != last)
    {
      put (clock, place, at (clock, last));
      g_ptr_array_set_size (clock->heap, last);
      sift_up (clock, place);
      sift_down (clock, place);
    }
  else
    g_ptr_array_set_size (clock->heap, last);
}

static void
set_alarm (Clock *clock)
{
  struct itimerspec when = { 0 };

  if (clock->is_firing)
    return;
  if (clock->running && clock->heap->len > 0)
    {
      int64_t deadline = MAX (at (clock, 0)->deadline + clock->offset, 1);

      when.it_value.tv_sec = deadline / CLOCK_NS_PER_SECOND;
      when.it_value.tv_nsec = deadline % CLOCK_NS_PER_SECOND;
    }
  timerfd_settime (clock->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Fires what is due; on the I/O thread. */
static void
fire (Clock *clock)
{
  machine_lock_take (clock->machine_lock);
  g_mutex_lock (&clock->lock);
  clock->is_firing = TRUE;
  /* A timer that arms itself anew in the past must not keep us here for ever. */
  for (int budget = 1024; budget > 0 && clock->heap->len > 0; budget--)
    {
      ClockTimer *timer = at (clock, 0);

      if (timer->deadline > clock_now (clock))
        break;
      heap_remove (clock, timer);
      g_mutex_unlock (&clock->lock);
      timer->callback (timer->opaque);
      g_mutex_lock (&clock->lock);
    }
  clock->is_firing = FALSE;
  set_alarm (clock);
  g_mutex_unlock (&clock->lock);
  machine_lock_release (clock->machine_lock);
}

static gboolean
alarm_rang (int fd, GIOCondition condition, gpointer data)
{
  uint64_t count;

  if (read (fd, &count, sizeof count) < 0 && errno != EAGAIN)
    return G_SOURCE_REMOVE;
  fire (data);
  return G_SOURCE_CONTINUE;
}

Clock *
clock_new (GMainContext *context, MachineLock *lock)
{
  Clock *clock = g_new0 (Clock, 1);

  clock->machine_lock = lock;
  g_mutex_init (&clock->lock);
  clock->heap = g_ptr_array_new ();
  clock->fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  g_assert (clock->fd >= 0);
  clock->source = g_unix_fd_source_new (clock->fd, G_IO_IN);
  g_source_set_callback (clock->source, G_SOURCE_FUNC (alarm_rang), clock, NULL);
  g_source_set_priority (clock->source, G_PRIORITY_HIGH);
  /* Its callback runs no main loop. Without this the context takes the descriptor out of its poll and wakes itself up
   * each time. */
  g_source_set_can_recurse (clock->source, TRUE);
  g_source_set_static_name (clock->source, "clock");
  g_source_attach (clock->source, context);
  return clock;
}

void
clock_free (Clock *clock)
{
  if (clock == NULL)
    return;
  g_source_destroy (clock->source);
  g_source_unref (clock->source);
  close (clock->fd);
  g_ptr_array_unref (clock->heap);
  g_mutex_clear (&clock->lock);
  g_free (clock);
}

void
clock_start (Clock *clock)
{
  g_mutex_lock (&clock->lock);
  if (!clock->running)
    {
      __atomic_store_n (&clock->offset, host_now () - clock->stopped_at, __ATOMIC_RELAXED);
      __atomic_store_n (&clock->running, TRUE, __ATOMIC_RELEASE);
      set_alarm (clock);
    }
  g_mutex_unlock (&clock->lock);
}

void
clock_stop (Clock *clock)
{
  g_mutex_lock (&clock->lock);
  if (clock->running)
    {
      __atomic_store_n (&clock->stopped_at, host_now () - clock->offset, __ATOMIC_RELAXED);
      __atomic_store_n (&clock->running, FALSE, __ATOMIC_RELEASE);
      set_alarm (clock);
    }
  g_mutex_unlock (&clock->lock);
}

void
clock_restore (Clock *clock, int64_t now)
{
  g_assert (!clock->running);
  __atomic_store_n (&clock->stopped_at, now, __ATOMIC_RELAXED);
}

void
clock_set (Clock *clock, int64_t now)
{
  clock_restore (clock, now);
  fire (clock);
}

ClockTimer *
clock_timer_new (Clock *clock, void (*callback) (void *opaque), void *opaque)
{
  ClockTimer *timer = g_new0 (ClockTimer, 1);

  timer->clock = clock;
  timer->callback = callback;
  timer->opaque = opaque;
  timer->place = NOT_QUEUED;
  return timer;
}

void
clock_timer_free (ClockTimer *timer)
{
  if (timer == NULL)
    return;
  clock_timer_cancel (timer);
  g_free (timer);
}

void
clock_timer_arm (ClockTimer *timer, int64_t deadline)
{
  Clock *clock = timer->clock;
  gboolean was_first;

  g_mutex_lock (&clock->lock);
  was_first = timer->place == 0;
  heap_remove (clock, timer);
  timer->deadline = deadline;
  g_ptr_array_add (clock->heap, timer);
  timer->place = (int) clock->heap->len - 1;
  sift_up (clock, timer->place);
  if (was_first || timer->place == 0)
    set_alarm (clock);
  g_mutex_unlock (&clock->lock);
}

void
clock_timer_cancel (ClockTimer *timer)
{
  Clock *clock = timer->clock;
  gboolean was_first;

  g_mutex_lock (&clock->lock);
  was_first = timer->place == 0;
  heap_remove (clock, timer);
  if (was_first)
    set_alarm (clock);
  g_mutex_unlock (&clock->lock);
}

gboolean
clock_timer_armed (const ClockTimer *timer)
{
  return timer->place != NOT_QUEUED;
}

int64_t
clock_timer_deadline (const ClockTimer *timer)
{
  return timer->deadline;
}
