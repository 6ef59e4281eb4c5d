/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The MC146818 clock and CMOS RAM.
 * Specification: Motorola MC146818A data sheet (1984), registers and interrupts.
 */

#include "engine/devices/platform/rtc.h"

#include <gio/gio.h>
#include <time.h>

enum
{
  REG_SECONDS = 0x00, REG_SECONDS_ALARM, REG_MINUTES, REG_MINUTES_ALARM, REG_HOURS, REG_HOURS_ALARM, REG_WEEKDAY, REG_DAY,
  REG_MONTH, REG_YEAR, REG_A, REG_B, REG_C, REG_D, REG_CENTURY = 0x32, REG_COUNT = 128,
  REG_A_UIP = 1 << 7, REG_A_RATE = 15, REG_A_DIVIDER = 7 << 4, REG_A_RUNNING = 2 << 4,
  REG_B_24H = 1 << 1, REG_B_BINARY = 1 << 2, REG_B_UIE = 1 << 4, REG_B_AIE = 1 << 5, REG_B_PIE = 1 << 6, REG_B_SET = 1 << 7,
  REG_C_UF = 1 << 4, REG_C_AF = 1 << 5, REG_C_PF = 1 << 6, REG_C_IRQF = 1 << 7, REG_D_VRT = 1 << 7,
  PORT = 0x70, ALARM_ANY = 0xc0, HOUR_PM = 0x80,
  UPDATE_IN_PROGRESS_US = 244
};

#define US_PER_SECOND G_GINT64_CONSTANT (1000000)
#define SECONDS_PER_DAY 86400
/* Two digits of century and two of year count the years 0 to 9999, and begin anew: whole cycles of the calendar. */
#define YEARS 10000
#define CALENDAR_SECONDS (YEARS / 400 * G_GINT64_CONSTANT (146097) * SECONDS_PER_DAY)
#define SECONDS_TO_1970 (G_GINT64_CONSTANT (719528) * SECONDS_PER_DAY)
/* More than the calendar, and far from overflow. */
#define WALL_OFFSET_MAX ((int64_t) 1 << 60)

typedef struct
{
  Device parent;
  IrqLine irq;
  gboolean local_time;
  ClockTimer *periodic, *second;

  uint8_t index;
  uint8_t reg[REG_COUNT];   /* time registers hold the time only while SET stops the clock */
  int64_t wall_offset;      /* µs that the guest's clock is ahead of the host's */
  int64_t next_periodic;    /* virtual time */
  int64_t periods_seen;     /* of the periodic interrupt and seconds of the guest's time, when C was last read: */
  int64_t second_seen;      /* flags of interrupts that are off are made up from them */
  uint8_t irq_disabled;
} Rtc;

static uint8_t
encode (const Rtc *d, int value)
{
  return (uint8_t) (d->reg[REG_B] & REG_B_BINARY ? value : value / 10 << 4 | value % 10);
}

static int
decode (const Rtc *d, uint8_t value)
{
  return d->reg[REG_B] & REG_B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t
encode_hour (const Rtc *d, int hour)
{
  if (d->reg[REG_B] & REG_B_24H)
    return encode (d, hour);
  return encode (d, hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int
decode_hour (const Rtc *d, uint8_t value)
{
  if (d->reg[REG_B] & REG_B_24H)
    return decode (d, value);
  return decode (d, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* @n modulo @modulus, from 0 up. */
static int64_t
modulo (int64_t n, int64_t modulus)
{
  return (n % modulus + modulus) % modulus;
}

/* The guest's time, µs since the calendar's first day: never negative. */
static int64_t
guest_us (Rtc *d)
{
  return modulo (clock_wall_us (d->parent.env.clock) + d->wall_offset + SECONDS_TO_1970 * US_PER_SECOND,
                 CALENDAR_SECONDS * US_PER_SECOND);
}

static void
broken_down (Rtc *d, struct tm *tm)
{
  time_t seconds = (time_t) (guest_us (d) / US_PER_SECOND - SECONDS_TO_1970);

  if (d->local_time)
    localtime_r (&seconds, tm);
  else
    gmtime_r (&seconds, tm);
}

/* The time registers as of now. */
static void
latch_time (Rtc *d)
{
  struct tm tm;
  int year;

  broken_down (d, &tm);
  /* Local time is in another year around the calendar's ends. */
  year = (int) modulo (tm.tm_year + 1900, YEARS);
  d->reg[REG_SECONDS] = encode (d, tm.tm_sec);
  d->reg[REG_MINUTES] = encode (d, tm.tm_min);
  d->reg[REG_HOURS] = encode_hour (d, tm.tm_hour);
  d->reg[REG_WEEKDAY] = encode (d, tm.tm_wday + 1);
  d->reg[REG_DAY] = encode (d, tm.tm_mday);
  d->reg[REG_MONTH] = encode (d, tm.tm_mon + 1);
  d->reg[REG_YEAR] = encode (d, year % 100);
  d->reg[REG_CENTURY] = encode (d, year / 100);
}

/* Makes the registers' time the guest's time. What is no date counts on from the last that is: day 0 is the day before
 * the first. */
static void
set_time (Rtc *d)
{
  struct tm tm = {
    .tm_sec = decode (d, d->reg[REG_SECONDS]), .tm_min = decode (d, d->reg[REG_MINUTES]),
    .tm_hour = decode_hour (d, d->reg[REG_HOURS]), .tm_mday = decode (d, d->reg[REG_DAY]),
    .tm_mon = decode (d, d->reg[REG_MONTH]) - 1,
    .tm_year = (decode (d, d->reg[REG_CENTURY]) * 100 + decode (d, d->reg[REG_YEAR])) % YEARS - 1900, .tm_isdst = -1,
  };
  time_t seconds = d->local_time ? mktime (&tm) : timegm (&tm);

  d->wall_offset = (int64_t) seconds * US_PER_SECOND - clock_wall_us (d->parent.env.clock);
}

static gboolean
running (const Rtc *d)
{
  return !(d->reg[REG_B] & REG_B_SET) && (d->reg[REG_A] & REG_A_DIVIDER) == REG_A_RUNNING;
}

/* Interrupts */

static void
update_irq (Rtc *d)
{
  if (d->reg[REG_C] & d->reg[REG_B] & (REG_C_UF | REG_C_AF | REG_C_PF))
    d->reg[REG_C] |= REG_C_IRQF;
  else
    d->reg[REG_C] &= (uint8_t) ~REG_C_IRQF;
  irq_set (&d->irq, d->reg[REG_C] & REG_C_IRQF && !d->irq_disabled);
}

static int64_t
periodic_ns (const Rtc *d)
{
  unsigned rate = d->reg[REG_A] & REG_A_RATE;

  if (rate == 0)
    return 0;
  if (rate <= 2)
    rate += 7;
  return ((int64_t) 1 << (rate - 1)) * CLOCK_NS_PER_SECOND / 32768;
}

static void
schedule_periodic (Rtc *d)
{
  int64_t period = periodic_ns (d);

  if (period == 0 || !(d->reg[REG_B] & REG_B_PIE))
    {
      clock_timer_cancel (d->periodic);
      return;
    }
  d->next_periodic = clock_now (d->parent.env.clock) + period;
  clock_timer_arm (d->periodic, d->next_periodic);
}

static void
periodic_due (void *opaque)
{
  Rtc *d = opaque;
  int64_t period = periodic_ns (d), now = clock_now (d->parent.env.clock);

  d->reg[REG_C] |= REG_C_PF;
  update_irq (d);
  if (period == 0)
    return;
  d->next_periodic += period;
  if (d->next_periodic <= now)
    d->next_periodic = now + period;
  clock_timer_arm (d->periodic, d->next_periodic);
}

static void
schedule_second (Rtc *d)
{
  int64_t left = US_PER_SECOND - guest_us (d) % US_PER_SECOND;

  /* When nobody waits, UF is made up as C is read. */
  if (!(d->reg[REG_B] & (REG_B_UIE | REG_B_AIE)))
    clock_timer_cancel (d->second);
  else
    clock_timer_arm (d->second, clock_now (d->parent.env.clock) + left * CLOCK_NS_PER_US);
}

/* Whether the alarm is due at a second of the day. */
static gboolean
alarm_matches (const Rtc *d, int second)
{
  const uint8_t pairs[3][2] = {
    { d->reg[REG_SECONDS_ALARM], encode (d, second % 60) }, { d->reg[REG_MINUTES_ALARM], encode (d, second / 60 % 60) },
    { d->reg[REG_HOURS_ALARM], encode_hour (d, second / 3600) }
  };

  for (int i = 0; i < 3; i++)
    {
      if ((pairs[i][0] & ALARM_ANY) != ALARM_ANY && pairs[i][0] != pairs[i][1])
        return FALSE;
    }
  return TRUE;
}

/* Whether it was due in the last @seconds. */
static gboolean
alarm_was_due (Rtc *d, int64_t seconds)
{
  struct tm tm;
  int now;

  broken_down (d, &tm);
  now = tm.tm_hour * 3600 + tm.tm_min * 60 + MIN (tm.tm_sec, 59);
  for (int back = 0; back < MIN (seconds, SECONDS_PER_DAY); back++)
    {
      if (alarm_matches (d, (now + SECONDS_PER_DAY - back) % SECONDS_PER_DAY))
        return TRUE;
    }
  return FALSE;
}

static void
second_passed (void *opaque)
{
  Rtc *d = opaque;

  if (running (d))
    {
      d->reg[REG_C] |= REG_C_UF;
      if (alarm_was_due (d, 1))
        d->reg[REG_C] |= REG_C_AF;
      update_irq (d);
    }
  schedule_second (d);
}

/* Updates and periods that passed unwatched. */
static void
catch_up_flags (Rtc *d)
{
  int64_t second = guest_us (d) / US_PER_SECOND, period = periodic_ns (d);
  int64_t periods = period != 0 ? clock_now (d->parent.env.clock) / period : 0;

  if (running (d) && !(d->reg[REG_B] & REG_B_UIE) && second != d->second_seen)
    d->reg[REG_C] |= REG_C_UF;
  if (running (d) && !(d->reg[REG_B] & REG_B_AIE) && second > d->second_seen && d->second_seen != 0 &&
      alarm_was_due (d, second - d->second_seen))
    d->reg[REG_C] |= REG_C_AF;
  if (period != 0 && !(d->reg[REG_B] & REG_B_PIE) && periods != d->periods_seen)
    d->reg[REG_C] |= REG_C_PF;
  d->second_seen = second;
  d->periods_seen = periods;
}

/* Ports */

static uint8_t
read_register (Rtc *d)
{
  uint8_t value;

  switch (d->index)
    {
    case REG_SECONDS:
    case REG_MINUTES:
    case REG_HOURS:
    case REG_WEEKDAY ... REG_YEAR:
    case REG_CENTURY:
      if (running (d))
        latch_time (d);
      return d->reg[d->index];
    case REG_A:
      value = d->reg[REG_A];
      if (running (d) && US_PER_SECOND - guest_us (d) % US_PER_SECOND <= UPDATE_IN_PROGRESS_US)
        value |= REG_A_UIP;
      return value;
    case REG_C:
      catch_up_flags (d);
      value = d->reg[REG_C];
      d->reg[REG_C] = 0;
      update_irq (d);
      return value;
    case REG_D:
      return REG_D_VRT;
    default:
      return d->reg[d->index];
    }
}

static void
write_register (Rtc *d, uint8_t value)
{
  gboolean was_running;
  uint8_t old;

  switch (d->index)
    {
    case REG_SECONDS:
    case REG_MINUTES:
    case REG_HOURS:
    case REG_WEEKDAY ... REG_YEAR:
    case REG_CENTURY:
      if (running (d))
        latch_time (d);
      d->reg[d->index] = value;
      if (running (d))
        set_time (d);
      break;
    case REG_A:
      was_running = running (d);
      if (was_running)
        latch_time (d);
      d->reg[REG_A] = value & 0x7f;
      /* The divider stops the clock, and starts it from where it was. */
      if (!was_running && running (d))
        set_time (d);
      schedule_periodic (d);
      schedule_second (d);
      break;
    case REG_B:
      old = d->reg[REG_B];
      if (value & REG_B_SET && running (d))
        latch_time (d);
      d->reg[REG_B] = value & REG_B_SET ? value & (uint8_t) ~REG_B_UIE : value;
      if (old & REG_B_SET && running (d))
        set_time (d);
      if ((old ^ value) & REG_B_PIE)
        schedule_periodic (d);
      schedule_second (d);
      update_irq (d);
      break;
    case REG_C:
    case REG_D:
      break;
    default:
      d->reg[d->index] = value;
      break;
    }
}

static uint32_t
rtc_read (void *opaque, uint16_t offset, unsigned size)
{
  return offset == 0 ? 0xff : read_register (opaque);
}

static void
rtc_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Rtc *d = opaque;

  if (offset == 0)
    d->index = value & 0x7f; /* bit 7 masks NMI, of which there is none from the board */
  else
    write_register (d, (uint8_t) value);
}

static const PioOps rtc_pio = { .read = rtc_read, .write = rtc_write };

static gboolean
rtc_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Rtc *d = (Rtc *) dev;

  if (!bus_add_pio (env->bus, PORT, 2, &rtc_pio, dev, error))
    return FALSE;
  d->periodic = clock_timer_new (env->clock, periodic_due, d);
  d->second = clock_timer_new (env->clock, second_passed, d);
  d->reg[REG_A] = REG_A_RUNNING | 6;
  d->reg[REG_B] = REG_B_24H;
  latch_time (d);
  return TRUE;
}

/* The battery keeps time and RAM; RESET# clears the interrupt enables and flags. */
static void
rtc_reset (Device *dev)
{
  Rtc *d = (Rtc *) dev;

  d->reg[REG_B] &= (uint8_t) ~(REG_B_PIE | REG_B_AIE | REG_B_UIE);
  d->reg[REG_C] = 0;
  d->irq_disabled = FALSE;
  schedule_periodic (d);
  schedule_second (d);
  update_irq (d);
}

static gboolean
rtc_after_load (Device *dev, GError **error)
{
  Rtc *d = (Rtc *) dev;
  int64_t next;

  if (d->index >= REG_COUNT || d->wall_offset > WALL_OFFSET_MAX || d->wall_offset < -WALL_OFFSET_MAX ||
      d->second_seen < 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  next = d->next_periodic;
  schedule_periodic (d);
  /* In step with before, unless that lies out of reach. */
  if (clock_timer_armed (d->periodic) && next > clock_now (dev->env.clock) - periodic_ns (d) && next < d->next_periodic)
    {
      d->next_periodic = next;
      clock_timer_arm (d->periodic, next);
    }
  schedule_second (d);
  update_irq (d);
  return TRUE;
}

static void
rtc_unrealize (Device *dev)
{
  Rtc *d = (Rtc *) dev;

  clock_timer_free (d->periodic);
  clock_timer_free (d->second);
  bus_remove_pio (dev->env.bus, PORT, dev);
}

static const StateField rtc_fields[] = {
  STATE_U8 (Rtc, index), STATE_U8 (Rtc, reg), STATE_I64 (Rtc, wall_offset), STATE_I64 (Rtc, next_periodic),
  STATE_I64 (Rtc, periods_seen), STATE_I64 (Rtc, second_seen), STATE_U8 (Rtc, irq_disabled), STATE_END
};

const DeviceType rtc_type = {
  .name = "mc146818", .size = sizeof (Rtc), .version = 1, .fields = rtc_fields,
  .realize = rtc_realize, .reset = rtc_reset, .after_load = rtc_after_load, .unrealize = rtc_unrealize
};

void
rtc_set_output (Device *dev, IrqLine irq8)
{
  ((Rtc *) dev)->irq = irq8;
}

void
rtc_set_local_time (Device *dev, gboolean local)
{
  ((Rtc *) dev)->local_time = local;
}

void
rtc_set_cmos (Device *dev, unsigned index, uint8_t value)
{
  g_assert (index > REG_D && index < REG_COUNT);
  ((Rtc *) dev)->reg[index] = value;
}

uint8_t
rtc_cmos (Device *dev, unsigned index)
{
  return ((Rtc *) dev)->reg[index & (REG_COUNT - 1)];
}

void
rtc_set_irq_enabled (Device *dev, gboolean enabled)
{
  Rtc *d = (Rtc *) dev;

  d->irq_disabled = !enabled;
  update_irq (d);
}
