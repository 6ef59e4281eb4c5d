/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MC146818. The time of day is the host's; interrupts follow the virtual clock. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/rtc.h"

typedef struct
{
  Board *board;
  Device *rtc;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->rtc = device_new (&rtc_type);
  rtc_set_output (f->rtc, f->board->isa_irq[8]);
  board_add (f->board, f->rtc);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static uint8_t
get (Fixture *f, unsigned index)
{
  board_out (f->board, 0x70, index);
  return board_in (f->board, 0x71);
}

static void
set (Fixture *f, unsigned index, unsigned value)
{
  board_out (f->board, 0x70, index);
  board_out (f->board, 0x71, value);
}

static int
from_bcd (uint8_t value)
{
  return (value >> 4) * 10 + (value & 15);
}

static gint64
guest_time (Fixture *f)
{
  g_autoptr (GDateTime) time =
    g_date_time_new_utc (from_bcd (get (f, 0x32)) * 100 + from_bcd (get (f, 9)), from_bcd (get (f, 8)),
                         from_bcd (get (f, 7)), from_bcd (get (f, 4)), from_bcd (get (f, 2)), from_bcd (get (f, 0)));

  g_assert_nonnull (time);
  return g_date_time_to_unix (time);
}

static void
test_host_time (Fixture *f, gconstpointer unused)
{
  gint64 before = g_get_real_time () / G_USEC_PER_SEC, seen = guest_time (f);

  /* A minute's carry may fall between the reads of registers: then they are read again. */
  if (seen < before)
    seen = guest_time (f);
  g_assert_cmpint (seen, >=, before);
  g_assert_cmpint (seen, <=, g_get_real_time () / G_USEC_PER_SEC);
  g_assert_cmphex (get (f, 0x0d), ==, 0x80);
}

/* Stops the clock and sets 2031-12-31 23:59:58, a Wednesday. */
static void
set_new_years_eve (Fixture *f, uint8_t mode)
{
  gboolean binary = (mode & 4) != 0, whole_day = (mode & 2) != 0;

  set (f, 0x0b, 0x80 | mode);
  set (f, 0x00, binary ? 58 : 0x58);
  set (f, 0x02, binary ? 59 : 0x59);
  set (f, 0x04, whole_day ? (binary ? 23 : 0x23) : (binary ? 0x8b : 0x91));
  set (f, 0x07, binary ? 31 : 0x31);
  set (f, 0x08, binary ? 12 : 0x12);
  set (f, 0x09, binary ? 31 : 0x31);
  set (f, 0x32, binary ? 20 : 0x20);
  set (f, 0x0b, mode);
}

static void
test_set (Fixture *f, gconstpointer data)
{
  uint8_t mode = (uint8_t) GPOINTER_TO_UINT (data), weekday;

  set_new_years_eve (f, mode);
  set (f, 0x0b, 0x02);
  /* As many seconds may have passed as this test took. */
  g_assert_cmpint (guest_time (f), >=, 1956527998);
  g_assert_cmpint (guest_time (f), <=, 1956527998 + 60);
  weekday = get (f, 6);
  g_assert_true (weekday == 4 || weekday == 5);
}

static void
test_stopped (Fixture *f, gconstpointer unused)
{
  set (f, 0x0b, 0x82);
  set (f, 0x00, 0x17);
  g_assert_cmphex (get (f, 0x00), ==, 0x17);
  g_assert_cmphex (get (f, 0x0a) & 0x80, ==, 0);
}

static void
test_periodic (Fixture *f, gconstpointer unused)
{
  unsigned count = 0;

  g_assert_cmphex (get (f, 0x0a) & 0x7f, ==, 0x26);
  set (f, 0x0b, 0x42);
  get (f, 0x0c);
  for (int i = 0; i < 1000; i++)
    {
      board_pass (f->board, CLOCK_NS_PER_MS, 100 * CLOCK_NS_PER_US);
      if (f->board->level[8])
        {
          count++;
          g_assert_cmphex (get (f, 0x0c) & 0xc0, ==, 0xc0);
          g_assert_cmpint (f->board->level[8], ==, 0);
        }
    }
  g_assert_cmpuint (count, >=, 999); /* 1024 Hz, looked at 1000 times */
  set (f, 0x0b, 0x02);
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, CLOCK_NS_PER_MS);
  g_assert_cmpint (f->board->level[8], ==, 0);
}

static void
test_periodic_polled (Fixture *f, gconstpointer unused)
{
  get (f, 0x0c);
  g_assert_cmphex (get (f, 0x0c) & 0x40, ==, 0);
  board_pass (f->board, 2 * CLOCK_NS_PER_MS, 0);
  g_assert_cmphex (get (f, 0x0c) & 0xc0, ==, 0x40);
  g_assert_cmpint (f->board->level[8], ==, 0);
}

static void
test_update (Fixture *f, gconstpointer unused)
{
  set (f, 0x0b, 0x12);
  get (f, 0x0c);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmpint (f->board->level[8], ==, 1);
  g_assert_cmphex (get (f, 0x0c) & 0x90, ==, 0x90);
  g_assert_cmpint (f->board->level[8], ==, 0);
}

static void
test_alarm (Fixture *f, gconstpointer unused)
{
  set (f, 1, 0xff);
  set (f, 3, 0xff);
  set (f, 5, 0xff);
  set (f, 0x0b, 0x22);
  get (f, 0x0c);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0xa0);
  /* A month-old hour never comes. */
  set (f, 5, 0x29);
  board_pass (f->board, 5 * (int64_t) CLOCK_NS_PER_SECOND, CLOCK_NS_PER_SECOND);
  g_assert_cmphex (get (f, 0x0c) & 0x20, ==, 0);
}

/* It is 2026-03-05 11:58:57.5 UTC, a Thursday, for the tests that let the wall clock go with the virtual one. */
static void
set_morning (Fixture *f, unsigned mode)
{
  clock_set_wall (f->board->clock, G_GINT64_CONSTANT (1772711937500000));
  set (f, 0x0b, mode);
  get (f, 0x0c);
}

static void
test_fields (Fixture *f, gconstpointer unused)
{
  static const struct { uint8_t mode, hour, minute, second, day, year; } formats[] = {
    { 0x02, 0x11, 0x58, 0x57, 0x05, 0x26 }, { 0x06, 11, 58, 57, 5, 26 }, { 0x00, 0x11, 0x58, 0x57, 0x05, 0x26 },
    { 0x04, 11, 58, 57, 5, 26 }
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      set_morning (f, formats[i].mode);
      g_assert_cmphex (get (f, 4), ==, formats[i].hour);
      g_assert_cmphex (get (f, 2), ==, formats[i].minute);
      g_assert_cmphex (get (f, 0), ==, formats[i].second);
      g_assert_cmphex (get (f, 6), ==, 5);
      g_assert_cmphex (get (f, 7), ==, formats[i].day);
      g_assert_cmphex (get (f, 8), ==, 3);
      g_assert_cmphex (get (f, 9), ==, formats[i].year);
    }
  /* Past noon, and past midnight. */
  set_morning (f, 0x00);
  board_pass (f->board, 63 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 4), ==, 0x92);
  g_assert_cmphex (get (f, 2), ==, 0x00);
  board_pass (f->board, 3600 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 4), ==, 0x81);
  board_pass (f->board, 11 * 3600 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 4), ==, 0x12);
  g_assert_cmphex (get (f, 7), ==, 0x06);
}

static void
test_in_progress (Fixture *f, gconstpointer unused)
{
  set_morning (f, 0x02);
  g_assert_cmphex (get (f, 0x0a), ==, 0x26);
  board_pass (f->board, 500 * CLOCK_NS_PER_MS - 300 * CLOCK_NS_PER_US, 0);
  g_assert_cmphex (get (f, 0x0a), ==, 0x26);
  board_pass (f->board, 100 * CLOCK_NS_PER_US, 0);
  g_assert_cmphex (get (f, 0x0a), ==, 0xa6);
  g_assert_cmphex (get (f, 0x00), ==, 0x57);
  board_pass (f->board, 200 * CLOCK_NS_PER_US, 0);
  g_assert_cmphex (get (f, 0x0a), ==, 0x26);
  g_assert_cmphex (get (f, 0x00), ==, 0x58);
  /* Not while the clock is set. */
  set (f, 0x0b, 0x82);
  board_pass (f->board, CLOCK_NS_PER_SECOND - 200 * CLOCK_NS_PER_US, 0);
  g_assert_cmphex (get (f, 0x0a), ==, 0x26);
}

static void
set_alarm (Fixture *f, unsigned hour, unsigned minute, unsigned second)
{
  set (f, 5, hour);
  set (f, 3, minute);
  set (f, 1, second);
}

static void
test_alarm_time (Fixture *f, gconstpointer unused)
{
  set_morning (f, 0x02);
  set_alarm (f, 0x12, 0x00, 0x05);
  set (f, 0x0b, 0x22);
  board_pass (f->board, 67 * (int64_t) CLOCK_NS_PER_SECOND, CLOCK_NS_PER_SECOND);
  g_assert_cmpint (f->board->level[8], ==, 0);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmpint (f->board->level[8], ==, 1);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0xa0);
  /* Each minute at 30. */
  set_alarm (f, 0xc0, 0xff, 0x30);
  board_pass (f->board, 24 * (int64_t) CLOCK_NS_PER_SECOND, CLOCK_NS_PER_SECOND);
  g_assert_cmpint (f->board->level[8], ==, 0);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0xa0);
  board_pass (f->board, 60 * (int64_t) CLOCK_NS_PER_SECOND, CLOCK_NS_PER_SECOND);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0xa0);
  /* In the afternoon of twelve hours. */
  set (f, 0x0b, 0x20);
  set_alarm (f, 0x92, 0x02, 0x00);
  board_pass (f->board, 29 * (int64_t) CLOCK_NS_PER_SECOND, CLOCK_NS_PER_SECOND);
  g_assert_cmphex (get (f, 0x0c) & 0x20, ==, 0);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0x20, ==, 0x20);
}

/* Its flag comes without its interrupt, too. */
static void
test_alarm_polled (Fixture *f, gconstpointer unused)
{
  set_morning (f, 0x02);
  set_alarm (f, 0x12, 0x00, 0x05);
  board_pass (f->board, 67 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0x20, ==, 0);
  board_pass (f->board, 20 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0x20);
  g_assert_cmphex (get (f, 0x0c) & 0x20, ==, 0);
  board_pass (f->board, 2 * 86400 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0x0c) & 0xa0, ==, 0x20);
}

/* The divider stops the time, which goes on from there. */
static void
test_divider (Fixture *f, gconstpointer unused)
{
  set_morning (f, 0x02);
  set (f, 0x0a, 0x76);
  board_pass (f->board, 100 * (int64_t) CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0), ==, 0x57);
  g_assert_cmphex (get (f, 0x0c) & 0x10, ==, 0);
  set (f, 0, 0x20);
  set (f, 0x0a, 0x26);
  g_assert_cmphex (get (f, 0), ==, 0x20);
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  g_assert_cmphex (get (f, 0), ==, 0x21);
  g_assert_cmphex (get (f, 2), ==, 0x58);
}

static void
test_rates (Fixture *f, gconstpointer unused)
{
  static const unsigned hz[16] = { 0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2 };

  for (unsigned rate = 0; rate < 16; rate++)
    {
      unsigned seen = 0;

      set (f, 0x0b, 0x02);
      set (f, 0x0a, 0x20 | rate);
      set (f, 0x0b, 0x42);
      get (f, 0x0c);
      for (unsigned i = 0; i < 8192 * 2; i++)
        {
          board_pass (f->board, CLOCK_NS_PER_SECOND / 8192 / 2, 0);
          seen += (get (f, 0x0c) & 0x40) != 0;
        }
      g_assert_cmpuint (seen, >=, hz[rate] - (hz[rate] > 0));
      g_assert_cmpuint (seen, <=, hz[rate]);
    }
}

/* Two digits of century and two of year, whatever is written and however long it runs. */
static void
test_calendar (Fixture *f, gconstpointer unused)
{
  static const struct { unsigned century, year, month, day; uint8_t weekday; } dates[] = {
    { 0x00, 0x00, 0x01, 0x01, 7 }, { 0x00, 0x26, 0x03, 0x05, 5 }, { 0x18, 0x99, 0x12, 0x31, 1 },
    { 0x19, 0x69, 0x12, 0x31, 4 }, { 0x99, 0x99, 0x12, 0x31, 6 }
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (dates); i++)
    {
      set_morning (f, 0x82);
      set (f, 0x32, dates[i].century);
      set (f, 9, dates[i].year);
      set (f, 8, dates[i].month);
      set (f, 7, dates[i].day);
      set (f, 4, 0x23);
      set (f, 2, 0x59);
      set (f, 0, 0x58);
      set (f, 0x0b, 0x02);
      g_assert_cmphex (get (f, 0x32), ==, dates[i].century);
      g_assert_cmphex (get (f, 9), ==, dates[i].year);
      g_assert_cmphex (get (f, 8), ==, dates[i].month);
      g_assert_cmphex (get (f, 7), ==, dates[i].day);
      g_assert_cmphex (get (f, 6), ==, dates[i].weekday);
      g_assert_cmphex (get (f, 0), ==, 0x58);
      g_assert_cmphex (get (f, 0x0a), ==, 0x26);
      board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
      g_assert_cmphex (get (f, 0), ==, 0x59);
    }
  /* The last second's end is the first's beginning. */
  board_pass (f->board, CLOCK_NS_PER_SECOND, 0);
  for (unsigned i = 0; i <= 4; i += 2)
    g_assert_cmphex (get (f, i), ==, 0);
  g_assert_cmphex (get (f, 7), ==, 0x01);
  g_assert_cmphex (get (f, 8), ==, 0x01);
  g_assert_cmphex (get (f, 9), ==, 0);
  g_assert_cmphex (get (f, 0x32), ==, 0);
  /* Digits that are none, and a month before the first. */
  for (unsigned mode = 0; mode < 8; mode += 2)
    {
      for (unsigned value = 0; value < 256; value++)
        {
          static const uint8_t time[] = { 0, 2, 4, 7, 8, 9, 0x32 };

          set (f, 0x0b, 0x80 | mode);
          for (unsigned i = 0; i < G_N_ELEMENTS (time); i++)
            set (f, time[i], value);
          set (f, 0x0b, mode);
          set (f, 0x0b, 0x02);
          for (unsigned i = 0; i < G_N_ELEMENTS (time); i++)
            {
              g_assert_cmpuint (get (f, time[i]) & 15, <=, 9);
              g_assert_cmpuint (get (f, time[i]) >> 4, <=, 9);
            }
        }
    }
}

static void
test_cmos (Fixture *f, gconstpointer unused)
{
  rtc_set_cmos (f->rtc, 0x34, 0x5a);
  g_assert_cmphex (get (f, 0x34), ==, 0x5a);
  set (f, 0x7f, 0xa5);
  device_reset (f->rtc);
  g_assert_cmphex (rtc_cmos (f->rtc, 0x7f), ==, 0xa5);
  g_assert_cmphex (get (f, 0xff), ==, 0xa5); /* bit 7 is the NMI mask */
}

static void
test_handed_over (Fixture *f, gconstpointer unused)
{
  rtc_set_irq_enabled (f->rtc, FALSE);
  set (f, 0x0b, 0x42);
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, CLOCK_NS_PER_MS);
  g_assert_cmpint (f->board->level[8], ==, 0);
  rtc_set_irq_enabled (f->rtc, TRUE);
  g_assert_cmpint (f->board->level[8], ==, 1);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = device_new (&rtc_type);

  rtc_set_output (copy, other->isa_irq[8]);
  board_add (other, copy);
  set (f, 0x40, 0x77);
  set (f, 0x0b, 0x42);
  board_pass (f->board, 5 * CLOCK_NS_PER_MS, 0);
  board_pass (other, 5 * CLOCK_NS_PER_MS, 0);
  board_check_state (other, f->rtc, copy, 300);
  g_assert_cmphex (rtc_cmos (copy, 0x40), ==, 0x77);
  board_free (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add (path, Fixture, data, setup, function, teardown)
  ADD ("/rtc/host-time", NULL, test_host_time);
  ADD ("/rtc/set/bcd", GUINT_TO_POINTER (2), test_set);
  ADD ("/rtc/set/binary", GUINT_TO_POINTER (6), test_set);
  ADD ("/rtc/set/bcd-12-hours", GUINT_TO_POINTER (0), test_set);
  ADD ("/rtc/set/binary-12-hours", GUINT_TO_POINTER (4), test_set);
  ADD ("/rtc/stopped", NULL, test_stopped);
  ADD ("/rtc/periodic", NULL, test_periodic);
  ADD ("/rtc/periodic-polled", NULL, test_periodic_polled);
  ADD ("/rtc/update", NULL, test_update);
  ADD ("/rtc/alarm", NULL, test_alarm);
  ADD ("/rtc/fields", NULL, test_fields);
  ADD ("/rtc/in-progress", NULL, test_in_progress);
  ADD ("/rtc/alarm-time", NULL, test_alarm_time);
  ADD ("/rtc/alarm-polled", NULL, test_alarm_polled);
  ADD ("/rtc/divider", NULL, test_divider);
  ADD ("/rtc/calendar", NULL, test_calendar);
  ADD ("/rtc/rates", NULL, test_rates);
  ADD ("/rtc/cmos", NULL, test_cmos);
  ADD ("/rtc/handed-over", NULL, test_handed_over);
  ADD ("/rtc/state", NULL, test_state);
  return g_test_run ();
}
