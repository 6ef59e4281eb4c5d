/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HPET. Specification: IA-PC HPET specification 1.0a, chapter 2. */

#include "engine/devices/platform/hpet.h"

enum
{
  REG_CAPABILITIES = 0x000, REG_CONFIG = 0x010, REG_STATUS = 0x020, REG_COUNTER = 0x0f0, REG_TIMERS = 0x100, TIMER_SIZE = 0x20,
  REG_TIMER_CONFIG = 0x00, REG_TIMER_COMPARATOR = 0x08, REG_SPACE = 0x400,
  TIMERS = 3, PERIOD_NS = 10,
  /* A guest that asks for more gets no more: the I/O thread has others to serve. */
  MIN_PERIOD_NS = 20 * CLOCK_NS_PER_US,
  CONFIG_ENABLE = 1 << 0, CONFIG_LEGACY = 1 << 1,
  TIMER_LEVEL = 1 << 1, TIMER_ENABLE = 1 << 2, TIMER_PERIODIC = 1 << 3, TIMER_CAN_PERIODIC = 1 << 4, TIMER_IS_64 = 1 << 5,
  TIMER_SET_VALUE = 1 << 6, TIMER_32 = 1 << 8, TIMER_ROUTE_SHIFT = 9, TIMER_ROUTE = 31 << 9,
  TIMER_WRITABLE = TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE | TIMER_32 | TIMER_ROUTE
};

/* Inputs 2 and 16-23 of the I/O APIC are free of ISA devices that must not share. */
#define ROUTES ((uint64_t) 0x00ff0104 << 32)
/* Revision 1, three timers, 64 bits, legacy routing, Intel; the period in femtoseconds. */
#define CAPABILITIES (((uint64_t) PERIOD_NS * 1000000 << 32) | 0x8086a201)

#define UPPER_HALF 0xffffffff00000000ull

typedef struct Hpet Hpet;

typedef struct
{
  Hpet *hpet;
  ClockTimer *timer;
  uint64_t config, comparator, period;
  uint8_t announced;     /* the lower half of the comparator was, and so is the upper */
} HpetTimer;

struct Hpet
{
  Device parent;
  void (*set_pin) (void *opaque, int pin, int level);
  void (*set_isa) (void *opaque, int line, int level);
  void (*legacy) (void *opaque, gboolean on);
  void *opaque;
  MemoryRegion *region;

  uint64_t config, status;
  uint64_t stopped_at;   /* the counter while it is off */
  int64_t start;         /* virtual time at which the counter would have been 0 */
  HpetTimer timers[TIMERS];
};

static uint64_t
counter (const Hpet *d)
{
  if (!(d->config & CONFIG_ENABLE))
    return d->stopped_at;
  return (uint64_t) ((clock_now (d->parent.env.clock) - d->start) / PERIOD_NS);
}

static gboolean
is_32_bit (const HpetTimer *t)
{
  return (t->config & TIMER_32) != 0;
}

static void
drive (HpetTimer *t, int level)
{
  Hpet *d = t->hpet;
  int index = (int) (t - d->timers);

  if (d->config & CONFIG_LEGACY && index < 2)
    d->set_isa (d->opaque, index == 0 ? 0 : 8, level);
  else
    d->set_pin (d->opaque, (int) (t->config >> TIMER_ROUTE_SHIFT & 31), level);
}

static void
schedule (HpetTimer *t)
{
  Hpet *d = t->hpet;
  uint64_t now = counter (d), left;
  int64_t deadline;

  if (!(d->config & CONFIG_ENABLE) || !(t->config & TIMER_ENABLE))
    {
      clock_timer_cancel (t->timer);
      return;
    }
  left = is_32_bit (t) ? (uint32_t) ((uint32_t) t->comparator - (uint32_t) now) : t->comparator - now;
  /* A one-shot comparator that has just been passed counts as passed for ever, as hardware has it: it fires after the
   * counter wraps. Bounded, so that the deadline stays a number. */
  if (left > (uint64_t) G_MAXINT64 / PERIOD_NS / 2)
    left = (uint64_t) G_MAXINT64 / PERIOD_NS / 2;
  /* Modulo 2^64: a counter that the guest set has its start far in the past or future. */
  deadline = (int64_t) ((uint64_t) d->start + (now + left) * PERIOD_NS);
  if (t->config & TIMER_PERIODIC)
    deadline = MAX (deadline, clock_now (d->parent.env.clock) + MIN_PERIOD_NS);
  clock_timer_arm (t->timer, deadline);
}

static void
expired (void *opaque)
{
  HpetTimer *t = opaque;
  Hpet *d = t->hpet;
  uint64_t bit = (uint64_t) 1 << (t - d->timers), now = counter (d);

  if (t->config & TIMER_LEVEL)
    {
      d->status |= bit;
      drive (t, 1);
    }
  else
    {
      drive (t, 1);
      drive (t, 0);
    }
  if (!(t->config & TIMER_PERIODIC) || t->period == 0)
    return;
  /* The next multiple of the period that lies ahead. */
  if (is_32_bit (t))
    {
      uint32_t behind = (uint32_t) now - (uint32_t) t->comparator, period = (uint32_t) t->period;

      if (period != 0)
        t->comparator = (uint32_t) t->comparator + (behind / period + 1) * period;
    }
  else
    t->comparator += ((now - t->comparator) / t->period + 1) * t->period;
  schedule (t);
}

static uint64_t
read64 (Hpet *d, unsigned offset)
{
  HpetTimer *t;

  switch (offset)
    {
    case REG_CAPABILITIES:
      return CAPABILITIES;
    case REG_CONFIG:
      return d->config;
    case REG_STATUS:
      return d->status;
    case REG_COUNTER:
      return counter (d);
    default:
      break;
    }
  if (offset < REG_TIMERS || offset >= REG_TIMERS + TIMERS * TIMER_SIZE)
    return 0;
  t = &d->timers[(offset - REG_TIMERS) / TIMER_SIZE];
  switch (offset % TIMER_SIZE)
    {
    case REG_TIMER_CONFIG:
      return t->config | TIMER_CAN_PERIODIC | TIMER_IS_64 | ROUTES;
    case REG_TIMER_COMPARATOR:
      return t->comparator;
    default:
      return 0;
    }
}

static void
write_config (Hpet *d, uint64_t value)
{
  uint64_t old = d->config;

  value &= CONFIG_ENABLE | CONFIG_LEGACY;
  if ((value ^ old) & CONFIG_ENABLE)
    {
      if (value & CONFIG_ENABLE)
        d->start = clock_now (d->parent.env.clock) - (int64_t) (d->stopped_at * PERIOD_NS);
      else
        d->stopped_at = counter (d);
    }
  d->config = value;
  if ((value ^ old) & CONFIG_LEGACY)
    d->legacy (d->opaque, (value & CONFIG_LEGACY) != 0);
  for (int i = 0; i < TIMERS; i++)
    schedule (&d->timers[i]);
}

static void
write_timer_config (HpetTimer *t, uint64_t value)
{
  uint64_t bit = (uint64_t) 1 << (t - t->hpet->timers);

  value &= TIMER_WRITABLE;
  if (t->hpet->status & bit && ((t->config ^ value) & (TIMER_ROUTE | TIMER_LEVEL) || !(value & TIMER_ENABLE)))
    {
      drive (t, 0);
      t->hpet->status &= ~bit;
    }
  t->config = value;
  if (is_32_bit (t))
    {
      t->comparator = (uint32_t) t->comparator;
      t->period = (uint32_t) t->period;
    }
  schedule (t);
}

/* In periodic mode a write sets the period, and the comparator as well if it was announced. */
static void
set_comparator (HpetTimer *t, uint64_t comparator, uint64_t period, gboolean announced)
{
  uint64_t mask = is_32_bit (t) ? 0xffffffff : ~(uint64_t) 0;

  if (!(t->config & TIMER_PERIODIC) || announced)
    t->comparator = comparator & mask;
  if (t->config & TIMER_PERIODIC)
    t->period = MIN (period & mask, (uint64_t) G_MAXINT64 / PERIOD_NS / 4);
  schedule (t);
}

static void
write_comparator (HpetTimer *t, uint64_t value)
{
  gboolean announced = (t->config & TIMER_SET_VALUE) != 0;

  t->config &= ~(uint64_t) TIMER_SET_VALUE;
  set_comparator (t, value, value, announced);
}

/* By halves, the lower first: an announcement counts for both. */
static void
write_comparator_half (HpetTimer *t, gboolean upper, uint32_t value)
{
  if (!upper)
    {
      t->announced = (t->config & TIMER_SET_VALUE) != 0;
      t->config &= ~(uint64_t) TIMER_SET_VALUE;
      set_comparator (t, (t->comparator & UPPER_HALF) | value, (t->period & UPPER_HALF) | value, t->announced);
    }
  else if (!is_32_bit (t))
    {
      set_comparator (t, (uint32_t) t->comparator | (uint64_t) value << 32, (uint32_t) t->period | (uint64_t) value << 32,
                      t->announced);
      t->announced = FALSE;
    }
}

static void
write64 (Hpet *d, unsigned offset, uint64_t value)
{
  HpetTimer *t;
  uint64_t cleared;

  switch (offset)
    {
    case REG_CONFIG:
      write_config (d, value);
      return;
    case REG_STATUS:
      cleared = d->status & value;
      d->status &= ~value;
      for (int i = 0; i < TIMERS; i++)
        {
          if (cleared >> i & 1)
            drive (&d->timers[i], 0);
        }
      return;
    case REG_COUNTER:
      if (!(d->config & CONFIG_ENABLE))
        d->stopped_at = value & (((uint64_t) 1 << 58) - 1);
      return;
    default:
      break;
    }
  if (offset < REG_TIMERS || offset >= REG_TIMERS + TIMERS * TIMER_SIZE)
    return;
  t = &d->timers[(offset - REG_TIMERS) / TIMER_SIZE];
  if (offset % TIMER_SIZE == REG_TIMER_CONFIG)
    write_timer_config (t, value);
  else if (offset % TIMER_SIZE == REG_TIMER_COMPARATOR)
    write_comparator (t, value);
}

static uint64_t
hpet_read (void *opaque, uint64_t offset, unsigned size)
{
  uint64_t value = read64 (opaque, (unsigned) offset & ~7u);

  return offset & 4 ? value >> 32 : value;
}

static void
hpet_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Hpet *d = opaque;
  unsigned aligned = (unsigned) offset & ~7u;
  gboolean upper = (offset & 4) != 0;

  if (size == 4 && aligned >= REG_TIMERS && aligned < REG_TIMERS + TIMERS * TIMER_SIZE &&
      aligned % TIMER_SIZE == REG_TIMER_COMPARATOR)
    {
      write_comparator_half (&d->timers[(aligned - REG_TIMERS) / TIMER_SIZE], upper, (uint32_t) value);
      return;
    }
  if (size == 4 && aligned == REG_STATUS)
    {
      if (upper)
        return;
    }
  else if (size == 4)
    {
      uint64_t old = read64 (d, aligned);

      value = upper ? (uint32_t) old | value << 32 : (old & UPPER_HALF) | (uint32_t) value;
    }
  write64 (d, aligned, value);
}

static const MmioOps hpet_ops = { .read = hpet_read, .write = hpet_write, .min_size = 4, .max_size = 8 };

static gboolean
hpet_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Hpet *d = (Hpet *) dev;

  for (int i = 0; i < TIMERS; i++)
    {
      d->timers[i].hpet = d;
      d->timers[i].timer = clock_timer_new (env->clock, expired, &d->timers[i]);
    }
  d->region = address_space_add_mmio (env->memory, HPET_BASE, REG_SPACE, 20, &hpet_ops, d);
  return TRUE;
}

static void
hpet_reset (Device *dev)
{
  Hpet *d = (Hpet *) dev;
  gboolean was_legacy = (d->config & CONFIG_LEGACY) != 0;

  for (int i = 0; i < TIMERS; i++)
    {
      if (d->status >> i & 1)
        drive (&d->timers[i], 0);
    }
  d->config = d->status = d->stopped_at = 0;
  d->start = 0;
  if (was_legacy)
    d->legacy (d->opaque, FALSE);
  for (int i = 0; i < TIMERS; i++)
    {
      d->timers[i].config = d->timers[i].period = 0;
      d->timers[i].announced = FALSE;
      d->timers[i].comparator = ~(uint64_t) 0;
      clock_timer_cancel (d->timers[i].timer);
    }
}

static gboolean
hpet_after_load (Device *dev, GError **error)
{
  Hpet *d = (Hpet *) dev;

  for (int i = 0; i < TIMERS; i++)
    {
      d->timers[i].config &= TIMER_WRITABLE;
      d->timers[i].period = MIN (d->timers[i].period, (uint64_t) G_MAXINT64 / PERIOD_NS / 4);
      schedule (&d->timers[i]);
    }
  d->legacy (d->opaque, (d->config & CONFIG_LEGACY) != 0);
  return TRUE;
}

static void
hpet_unrealize (Device *dev)
{
  Hpet *d = (Hpet *) dev;

  memory_region_remove (d->region);
  for (int i = 0; i < TIMERS; i++)
    clock_timer_free (d->timers[i].timer);
}

#define TIMER_FIELDS(n) \
  STATE_U64 (Hpet, timers[n].config), STATE_U64 (Hpet, timers[n].comparator), STATE_U64 (Hpet, timers[n].period), \
  STATE_U8 (Hpet, timers[n].announced)

static const StateField hpet_fields[] = {
  STATE_U64 (Hpet, config), STATE_U64 (Hpet, status), STATE_U64 (Hpet, stopped_at), STATE_I64 (Hpet, start),
  TIMER_FIELDS (0), TIMER_FIELDS (1), TIMER_FIELDS (2), STATE_END
};

const DeviceType hpet_type = {
  .name = "hpet", .size = sizeof (Hpet), .version = 1, .fields = hpet_fields,
  .realize = hpet_realize, .reset = hpet_reset, .after_load = hpet_after_load, .unrealize = hpet_unrealize
};

void
hpet_set_outputs (Device *dev, void (*set_pin) (void *opaque, int pin, int level),
                  void (*set_isa) (void *opaque, int line, int level), void (*legacy) (void *opaque, gboolean on), void *opaque)
{
  Hpet *d = (Hpet *) dev;

  d->set_pin = set_pin;
  d->set_isa = set_isa;
  d->legacy = legacy;
  d->opaque = opaque;
}
