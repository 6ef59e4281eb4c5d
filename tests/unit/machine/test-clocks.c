/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time in a whole machine, as tests/guest/clocks sees it: timers fire, and never early; clocks agree with each other and
 * the host; processors are in step; a pause is no gap. How late timers are depends on what else the host does: the limits
 * here only catch what is wrong, tests/bench has the figures.
 */

#include "engine/machine/machine.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  Machine *machine;
  GMutex lock;
  GCond cond;
  GString *text;     /* what port 0x402 was given since the last complete line */
  GQueue lines;      /* char * */
  GQueue times;      /* gint64 *: host time, µs, when the line began */
  gint64 began;
} Fixture;

static void
take_output (void *opaque, const uint8_t *data, size_t length)
{
  Fixture *f = opaque;

  g_mutex_lock (&f->lock);
  for (size_t i = 0; i < length; i++)
    {
      if (f->text->len == 0)
        f->began = g_get_monotonic_time ();
      if (data[i] != '\n')
        {
          g_string_append_c (f->text, (char) data[i]);
          continue;
        }
      g_queue_push_tail (&f->lines, g_strdup (f->text->str));
      g_queue_push_tail (&f->times, g_memdup2 (&f->began, sizeof f->began));
      g_string_truncate (f->text, 0);
      g_cond_broadcast (&f->cond);
    }
  g_mutex_unlock (&f->lock);
}

/* The next line that begins with @word; @time may be NULL. */
static char *
next_line (Fixture *f, const char *word, gint64 *time)
{
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
  char *line = NULL;

  g_mutex_lock (&f->lock);
  while (line == NULL)
    {
      g_autofree gint64 *at = NULL;

      while (g_queue_is_empty (&f->lines) && g_cond_wait_until (&f->cond, &f->lock, end))
        continue;
      if (g_get_monotonic_time () >= end)
        g_error ("“%s” did not come", word);
      line = g_queue_pop_head (&f->lines);
      at = g_queue_pop_head (&f->times);
      if (time != NULL)
        *time = *at;
      if (!g_str_has_prefix (line, word))
        g_clear_pointer (&line, g_free);
    }
  g_mutex_unlock (&f->lock);
  return line;
}

static Fixture *
start (MachineAccel accel, unsigned cpus, const char *tasks)
{
  Fixture *f = g_new0 (Fixture, 1);
  const MachineSerial debugcon = { take_output, f };
  MachineConfig config = { .memory = 32 << 20, .cpus = cpus, .accel = accel, .kernel = g_getenv ("BUNSHIN_CLOCKS_GUEST"),
                           .append = tasks, .debugcon = &debugcon, .debug_exit = TRUE };
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (config.kernel);
  g_mutex_init (&f->lock);
  g_cond_init (&f->cond);
  f->text = g_string_new (NULL);
  f->machine = machine_new (&config, &error);
  g_assert_no_error (error);
  machine_start (f->machine, &error);
  g_assert_no_error (error);
  return f;
}

static void
fixture_free (Fixture *f)
{
  machine_free (f->machine);
  g_queue_clear_full (&f->lines, g_free);
  g_queue_clear_full (&f->times, g_free);
  g_string_free (f->text, TRUE);
  g_cond_clear (&f->cond);
  g_mutex_clear (&f->lock);
  g_free (f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static MachineAccel
accel_of (gconstpointer data)
{
  return (MachineAccel) GPOINTER_TO_INT (data);
}

/* --- Timers --- */

static void
test_late (gconstpointer data)
{
  enum { MEDIAN_MAX = 20000000 /* ns */ };
  g_autoptr (Fixture) f = start (accel_of (data), 1, "brief late");
  unsigned lines = 0;

  for (;;)
    {
      g_autofree char *line = next_line (f, "", NULL);
      int min, median, parsed;

      if (g_str_equal (line, "end"))
        break;
      if (!g_str_has_prefix (line, "late "))
        continue;
      g_test_message ("%s", line);
      parsed = sscanf (strchr (line, ':'), ": %d %d", &min, &median);
      g_assert_cmpint (parsed, ==, 2);
      /* The HPET counts in steps of 10 ns. */
      g_assert_cmpint (min, >=, -10);
      g_assert_cmpint (median, <, MEDIAN_MAX);
      lines++;
    }
  g_assert_cmpuint (lines, ==, 12);
}

static void
test_periodic (gconstpointer data)
{
  g_autoptr (Fixture) f = start (accel_of (data), 1, "periodic");

  for (int i = 0; i < 2; i++)
    {
      g_autofree char *line = next_line (f, "periodic ", NULL);
      int period, count, elapsed, parsed;

      g_test_message ("%s", line);
      parsed = sscanf (line, "periodic %*s %d: %d %d", &period, &count, &elapsed);
      g_assert_cmpint (parsed, ==, 3);
      g_assert_cmpint (count, ==, 200);
      /* The first may have been late. */
      g_assert_cmpint (elapsed, >, (count - 50) * period);
    }
}

/* --- Clocks --- */

/* What has to be added to a clock to get the time-stamp counter: all samples together leave a range. */
typedef struct
{
  double low, high;
} Offset;

static void
narrow (Offset *offset, double before, double after, double clock, double step)
{
  /* The clock was read between the two; it had been the value it showed for less than a step. */
  offset->low = MAX (offset->low, before - (clock + step));
  offset->high = MIN (offset->high, after - clock);
}

static void
test_agree (gconstpointer data)
{
  enum { SAMPLES = 3, HOST_TOLERANCE = 500000 /* µs */ };
  const double pm_ns = 1e9 / 3579545;
  Offset hpet_offset = { -G_MAXDOUBLE, G_MAXDOUBLE }, pm_offset = hpet_offset, lapic_offset = hpet_offset;
  g_autoptr (Fixture) f = start (accel_of (data), 1, "clocks");
  uint64_t first_tsc = 0, before = 0, after, hpet, pm, lapic, rtc, first_rtc = 0;
  gint64 first_time = 0, time = 0;

  for (unsigned i = 0; i < SAMPLES; i++)
    {
      g_autofree char *line = next_line (f, "sample ", &time);
      int parsed = sscanf (line, "sample %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER
                           "x %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x", &before, &after, &hpet, &pm, &lapic, &rtc);

      g_test_message ("%s", line);
      g_assert_cmpint (parsed, ==, 6);
      narrow (&hpet_offset, (double) before, (double) after, (double) hpet * 10, 10);
      narrow (&pm_offset, (double) before, (double) after, (double) pm * pm_ns, pm_ns);
      narrow (&lapic_offset, (double) before, (double) after, (double) lapic, 1);
      /* Seconds in BCD. */
      rtc = (rtc >> 4 & 15) * 10 + (rtc & 15);
      if (i == 0)
        {
          first_tsc = before;
          first_time = time;
          first_rtc = rtc;
        }
    }
  g_assert_cmpfloat (hpet_offset.low, <=, hpet_offset.high);
  g_assert_cmpfloat (pm_offset.low, <=, pm_offset.high);
  g_assert_cmpfloat (lapic_offset.low, <=, lapic_offset.high);
  g_assert_cmpint (ABS ((gint64) ((before - first_tsc) / 1000) - (time - first_time)), <, HOST_TOLERANCE);
  g_assert_cmpint (ABS ((int) ((rtc + 60 - first_rtc) % 60) - (int) ((before - first_tsc) / 1000000000)), <=, 1);
}

static void
expect_no_warps (Fixture *f)
{
  g_autofree char *line = next_line (f, "warps ", NULL);
  int warps, looks, processors, parsed;

  g_test_message ("%s", line);
  parsed = sscanf (line, "warps %d %d %d", &warps, &looks, &processors);
  g_assert_cmpint (parsed, ==, 3);
  g_assert_cmpint (processors, ==, 3);
  g_assert_cmpint (looks, >, 100);
  g_assert_cmpint (warps, ==, 0);
  g_free (next_line (f, "end", NULL));
}

static void
test_in_step (gconstpointer data)
{
  g_autoptr (Fixture) f = start (accel_of (data), 4, "warps");

  expect_no_warps (f);
}

/* Stopping and going on in the middle of it must not set one processor's counter back against another's. */
static void
test_in_step_paused (gconstpointer data)
{
  enum { PAUSES = 100, RUN = 2000 /* µs */ };
  g_autoptr (Fixture) f = start (accel_of (data), 4, "warps");

  g_free (next_line (f, "started", NULL));
  for (int i = 0; i < PAUSES; i++)
    {
      g_usleep (RUN);
      machine_pause (f->machine);
      machine_resume (f->machine);
    }
  expect_no_warps (f);
}

/* --- Pauses --- */

static int
longest_gap (Fixture *f, unsigned lines)
{
  int longest = 0;

  for (unsigned i = 0; i < lines; i++)
    {
      g_autofree char *line = next_line (f, "gap ", NULL);
      int gap = (int) g_ascii_strtoll (line + 4, NULL, 10);

      longest = MAX (longest, gap);
    }
  return longest;
}

static void
test_pause (gconstpointer data)
{
  enum { PAUSE = 1500000 /* µs */ };
  g_autoptr (Fixture) f = start (accel_of (data), 2, "gap");
  gint64 begin, end;
  MachineInfo before, after;

  g_free (next_line (f, "started", NULL));
  longest_gap (f, 1);
  machine_pause (f->machine);
  machine_info (f->machine, &before);
  begin = g_get_monotonic_time ();
  g_usleep (PAUSE);
  machine_info (f->machine, &after);
  end = g_get_monotonic_time ();
  g_assert_cmpint (before.guest_time, ==, after.guest_time);
  machine_resume (f->machine);
  /* Far below what was really missing, far above what the host's scheduler takes. */
  g_assert_cmpint (longest_gap (f, 3) / 1000, <, (end - begin) / 2);
}

static void
add (const char *name, void (*test) (gconstpointer data))
{
  g_autofree char *interp = g_strdup_printf ("/clocks/interp/%s", name), *jit = g_strdup_printf ("/clocks/jit/%s", name);

  g_test_add_data_func (interp, GINT_TO_POINTER (MACHINE_ACCEL_INTERP), test);
  g_test_add_data_func (jit, GINT_TO_POINTER (MACHINE_ACCEL_JIT), test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("late", test_late);
  add ("periodic", test_periodic);
  add ("agree", test_agree);
  add ("in-step", test_in_step);
  add ("in-step-paused", test_in_step_paused);
  add ("pause", test_pause);
  return g_test_run ();
}
