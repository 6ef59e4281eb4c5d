/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 8254 programmable interval timer. Counting is derived from the virtual
 * clock when somebody looks; only counter 0 has a timer, for its interrupt.
 * Specification: Intel 8254 data sheet (231164-005); port B: 82371SB, NSC.
 */

#include "engine/devices/platform/pit.h"

#include <gio/gio.h>

#define PIT_HZ 1193182
/* Virtual times in a saved state lie within it. */
#define TIME_MAX (G_MAXINT64 / 2)

enum
{
  PORT_PIT = 0x40, PORT_B = 0x61, COUNTERS = 3,
  READ_BACK = 3, READ_BACK_NO_COUNT = 1 << 5, READ_BACK_NO_STATUS = 1 << 4,
  ACCESS_LATCH = 0, ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3,
  STATUS_OUT = 1 << 7, STATUS_NULL = 1 << 6,
  PORT_B_GATE2 = 1 << 0, PORT_B_SPEAKER = 1 << 1, PORT_B_REFRESH = 1 << 4, PORT_B_OUT2 = 1 << 5,
  REFRESH_NS = 15085,
  /* Interrupts that were missed are made up for only this far. */
  CATCH_UP_NS = 200 * CLOCK_NS_PER_MS,
  /* A guest that asks for more gets no more: the I/O thread has others to serve. */
  MIN_PERIOD_NS = 20 * CLOCK_NS_PER_US
};

typedef struct
{
  uint32_t count;          /* reload value, 1-65536 (10000 in BCD) */
  uint32_t next_count;     /* modes 1 and 5: what the next trigger loads, or 0 */
  int64_t start;           /* virtual time at which it was loaded or triggered */
  int64_t next_irq;        /* counter 0: the next edge of OUT, or -1 */
  uint16_t latched;
  uint8_t latch_bytes;     /* still to be read of a latched count */
  uint8_t status_latched, status;
  uint8_t access, mode, bcd, gate;
  uint8_t read_high, write_high, low_byte;
  uint8_t loaded;          /* a count has been written since the mode was set */
  uint8_t triggered;       /* modes 1 and 5: the gate has risen */
  int64_t gate_stopped;    /* time already counted when the gate went low (not in modes 1 and 5), or -1 */
} Counter;

typedef struct
{
  Device parent;
  IrqLine irq0;
  ClockTimer *timer;
  Counter counter[COUNTERS];
  uint8_t port_b;
  uint8_t irq_disabled;
} Pit;

static int64_t
now_of (Pit *d)
{
  return clock_now (d->parent.env.clock);
}

static int64_t
ticks_from_ns (int64_t ns)
{
  return (int64_t) ((__int128) ns * PIT_HZ / CLOCK_NS_PER_SECOND);
}

static int64_t
ns_from_ticks (int64_t ticks)
{
  /* Rounded up: at that time the tick has happened. */
  return (int64_t) (((__int128) ticks * CLOCK_NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

/* Clock pulses counted since the start. */
static int64_t
elapsed (const Counter *c, int64_t now)
{
  if (c->gate_stopped >= 0)
    return ticks_from_ns (c->gate_stopped);
  return ticks_from_ns (MAX (now - c->start, 0));
}

static gboolean
counting (const Counter *c)
{
  if (!c->loaded)
    return FALSE;
  if (c->mode == 1 || c->mode == 5)
    return c->triggered;
  return TRUE;
}

static int
output (const Counter *c, int64_t now)
{
  int64_t t;

  if (!counting (c))
    return c->mode == 0 ? 0 : 1;
  t = elapsed (c, now);
  switch (c->mode)
    {
    case 0:
      return t >= c->count;
    case 1:
      return t >= c->count;
    case 2:
      return !c->gate || t % c->count != c->count - 1;
    case 3:
      return !c->gate || t % c->count < (c->count + 1) / 2;
    default:
      return t != c->count;
    }
}

static uint16_t
to_bcd (uint32_t value)
{
  return (uint16_t) (value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12);
}

static uint32_t
from_bcd (uint16_t value)
{
  return (value & 15u) + (value >> 4 & 15u) * 10 + (value >> 8 & 15u) * 100 + (value >> 12 & 15u) * 1000;
}

static uint16_t
current (const Counter *c, int64_t now)
{
  uint32_t modulus = c->bcd ? 10000 : 65536, value;
  int64_t t;

  if (!counting (c))
    value = c->count;
  else
    {
      t = elapsed (c, now);
      switch (c->mode)
        {
        case 2:
          value = c->count - (uint32_t) (t % c->count);
          break;
        case 3:
          value = c->count - (uint32_t) (2 * t % c->count);
          value &= ~1u;
          break;
        default:
          value = (uint32_t) (((int64_t) c->count - t % modulus + modulus) % modulus);
          break;
        }
    }
  value %= modulus;
  return c->bcd ? to_bcd (value) : (uint16_t) value;
}

/* The time of the next rising edge of OUT after @now, or -1. */
static int64_t
next_edge (const Counter *c, int64_t now)
{
  int64_t t, edge;

  if (!counting (c) || c->gate_stopped >= 0)
    return -1;
  t = elapsed (c, now);
  switch (c->mode)
    {
    case 0:
    case 1:
    case 4:
    case 5:
      if (t >= c->count)
        return -1;
      edge = c->count;
      break;
    default:
      if (!c->gate)
        return -1;
      edge = (t / c->count + 1) * c->count;
      break;
    }
  return c->start + ns_from_ticks (edge);
}

static void
drive_irq (Pit *d, int level)
{
  irq_set (&d->irq0, level && !d->irq_disabled);
}

static void
schedule (Pit *d)
{
  Counter *c = &d->counter[0];
  int64_t now = now_of (d);

  drive_irq (d, output (c, now));
  /* With the output cut off nobody sees edges. */
  c->next_irq = d->irq_disabled ? -1 : next_edge (c, now);
  if (c->next_irq >= 0)
    clock_timer_arm (d->timer, c->next_irq);
  else
    clock_timer_cancel (d->timer);
}

/* An edge of OUT 0 is due. */
static void
tick (void *opaque)
{
  Pit *d = opaque;
  Counter *c = &d->counter[0];
  int64_t now = now_of (d), edge = c->next_irq;

  if (edge < 0)
    return;
  drive_irq (d, 0);
  drive_irq (d, 1);
  /* In the periodic modes every edge counts, so that a guest's clock does not fall behind: late ones follow one
   * another. A guest that was away for long is not flooded. */
  if (c->mode == 2 || c->mode == 3)
    {
      int64_t period = ns_from_ticks (c->count);

      if (now - edge > CATCH_UP_NS)
        c->next_irq = next_edge (c, now);
      else
        c->next_irq = next_edge (c, edge);
      /* Late interrupts are spread, so that the guest gets to handle each. */
      clock_timer_arm (d->timer, MAX (c->next_irq <= now ? now + period / 2 : c->next_irq, now + MIN_PERIOD_NS));
    }
  else
    c->next_irq = -1;
}

static void
load (Pit *d, int which, uint32_t value)
{
  Counter *c = &d->counter[which];

  if (c->bcd)
    value = from_bcd ((uint16_t) value);
  if (value == 0)
    value = c->bcd ? 10000 : 65536;
  if ((c->mode == 2 || c->mode == 3) && value == 1)
    value = 2; /* 1 is not allowed there */
  c->loaded = TRUE;
  if (c->mode == 1 || c->mode == 5)
    {
      /* A pulse under way goes on. */
      c->next_count = value;
      return;
    }
  c->count = value;
  c->start = now_of (d);
  c->gate_stopped = c->gate ? -1 : 0;
  if (which == 0)
    schedule (d);
}

static void
latch (Pit *d, Counter *c)
{
  if (c->latch_bytes > 0)
    return;
  c->latched = current (c, now_of (d));
  c->latch_bytes = c->access == ACCESS_BOTH ? 2 : 1;
  if (c->access == ACCESS_HIGH)
    c->latched >>= 8;
}

static void
latch_status (Pit *d, Counter *c)
{
  if (c->status_latched)
    return;
  c->status = (uint8_t) ((output (c, now_of (d)) ? STATUS_OUT : 0) | (c->loaded && c->next_count == 0 ? 0 : STATUS_NULL) | c->access << 4 |
                         c->mode << 1 | c->bcd);
  c->status_latched = TRUE;
}

static void
write_control (Pit *d, uint8_t value)
{
  unsigned which = value >> 6;
  Counter *c;

  if (which == READ_BACK)
    {
      for (int i = 0; i < COUNTERS; i++)
        {
          if (!(value & 2 << i))
            continue;
          if (!(value & READ_BACK_NO_COUNT))
            latch (d, &d->counter[i]);
          if (!(value & READ_BACK_NO_STATUS))
            latch_status (d, &d->counter[i]);
        }
      return;
    }
  c = &d->counter[which];
  if ((value >> 4 & 3) == ACCESS_LATCH)
    {
      latch (d, c);
      return;
    }
  c->access = value >> 4 & 3;
  c->mode = value >> 1 & 7;
  if (c->mode > 5)
    c->mode -= 4; /* 6 and 7 are 2 and 3 */
  c->bcd = value & 1;
  c->loaded = c->triggered = c->read_high = c->write_high = c->latch_bytes = c->status_latched = 0;
  c->next_count = 0;
  c->gate_stopped = -1;
  if (which == 0)
    schedule (d);
}

static uint32_t
pit_read (void *opaque, uint16_t offset, unsigned size)
{
  Pit *d = opaque;
  Counter *c;
  uint16_t value;

  if (offset == 3)
    return 0;
  c = &d->counter[offset];
  if (c->status_latched)
    {
      c->status_latched = FALSE;
      return c->status;
    }
  if (c->latch_bytes > 0)
    {
      value = c->latched & 0xff;
      c->latched >>= 8;
      c->latch_bytes--;
      return value;
    }
  value = current (c, now_of (d));
  switch (c->access)
    {
    case ACCESS_HIGH:
      return value >> 8;
    case ACCESS_BOTH:
      c->read_high ^= 1;
      return c->read_high ? value & 0xff : value >> 8;
    default:
      return value & 0xff;
    }
}

static void
pit_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Pit *d = opaque;
  Counter *c;

  if (offset == 3)
    {
      write_control (d, (uint8_t) value);
      return;
    }
  c = &d->counter[offset];
  switch (c->access)
    {
    case ACCESS_LOW:
      load (d, offset, value & 0xff);
      break;
    case ACCESS_HIGH:
      load (d, offset, (value & 0xff) << 8);
      break;
    case ACCESS_BOTH:
      c->write_high ^= 1;
      if (c->write_high)
        {
          c->low_byte = (uint8_t) value;
          /* In mode 0 the first byte stops the counter and lowers OUT. */
          if (c->mode == 0)
            {
              c->loaded = FALSE;
              if (offset == 0)
                schedule (d);
            }
        }
      else
        load (d, offset, (value & 0xff) << 8 | c->low_byte);
      break;
    default:
      break;
    }
}

static void
set_gate2 (Pit *d, gboolean gate)
{
  Counter *c = &d->counter[2];
  int64_t now = now_of (d);

  if (c->gate == (gate != FALSE))
    return;
  c->gate = gate != FALSE;
  switch (c->mode)
    {
    case 1:
    case 5:
      if (gate && c->loaded)
        {
          if (c->next_count != 0)
            c->count = c->next_count;
          c->next_count = 0;
          c->start = now;
          c->triggered = TRUE;
        }
      break;
    default:
      if (!gate)
        c->gate_stopped = MAX (now - c->start, 0);
      else if (c->gate_stopped >= 0)
        {
          /* Modes 2 and 3 begin anew. */
          c->start = c->mode == 0 || c->mode == 4 ? now - c->gate_stopped : now;
          c->gate_stopped = -1;
        }
      break;
    }
}

static uint32_t
port_b_read (void *opaque, uint16_t offset, unsigned size)
{
  Pit *d = opaque;
  int64_t now = now_of (d);

  return (d->port_b & 0x0f) | (now / REFRESH_NS & 1 ? PORT_B_REFRESH : 0) | (output (&d->counter[2], now) ? PORT_B_OUT2 : 0);
}

static void
port_b_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Pit *d = opaque;

  d->port_b = value & 0x0f;
  set_gate2 (d, (value & PORT_B_GATE2) != 0);
}

static const PioOps pit_ops = { .read = pit_read, .write = pit_write };
static const PioOps port_b_ops = { .read = port_b_read, .write = port_b_write };

static gboolean
pit_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Pit *d = (Pit *) dev;

  if (!bus_add_pio (env->bus, PORT_PIT, 4, &pit_ops, dev, error) || !bus_add_pio (env->bus, PORT_B, 1, &port_b_ops, dev, error))
    return FALSE;
  d->timer = clock_timer_new (env->clock, tick, d);
  return TRUE;
}

static void
pit_reset (Device *dev)
{
  Pit *d = (Pit *) dev;

  for (int i = 0; i < COUNTERS; i++)
    d->counter[i] = (Counter) { .count = 65536, .access = ACCESS_BOTH, .mode = 3, .gate = i != 2, .next_irq = -1, .gate_stopped = -1 };
  d->port_b = 0;
  d->irq_disabled = FALSE;
  schedule (d);
}

static gboolean
pit_after_load (Device *dev, GError **error)
{
  Pit *d = (Pit *) dev;
  int64_t next_irq = d->counter[0].next_irq;

  for (int i = 0; i < COUNTERS; i++)
    {
      const Counter *c = &d->counter[i];

      if (c->count < 1 || c->count > 65536 || c->next_count > 65536 || c->mode > 5 || c->access > ACCESS_BOTH ||
          ((c->mode == 2 || c->mode == 3) && c->count < 2) || c->start < -TIME_MAX || c->start > TIME_MAX ||
          c->gate_stopped > TIME_MAX)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
          return FALSE;
        }
    }
  /* An edge that was due when the state was saved, but not yet told, is told now. */
  if (!d->irq_disabled && next_irq >= d->counter[0].start && next_irq >= 0 && next_irq <= now_of (d))
    clock_timer_arm (d->timer, next_irq);
  else
    schedule (d);
  return TRUE;
}

static void
pit_unrealize (Device *dev)
{
  clock_timer_free (((Pit *) dev)->timer);
  bus_remove_pio (dev->env.bus, PORT_PIT, dev);
  bus_remove_pio (dev->env.bus, PORT_B, dev);
}

#define COUNTER_FIELDS(n) \
  STATE_U32 (Pit, counter[n].count), STATE_U32 (Pit, counter[n].next_count), STATE_I64 (Pit, counter[n].start), \
  STATE_I64 (Pit, counter[n].next_irq), \
  STATE_U16 (Pit, counter[n].latched), STATE_U8 (Pit, counter[n].latch_bytes), STATE_U8 (Pit, counter[n].status_latched), \
  STATE_U8 (Pit, counter[n].status), STATE_U8 (Pit, counter[n].access), STATE_U8 (Pit, counter[n].mode), \
  STATE_U8 (Pit, counter[n].bcd), STATE_U8 (Pit, counter[n].gate), STATE_U8 (Pit, counter[n].read_high), \
  STATE_U8 (Pit, counter[n].write_high), STATE_U8 (Pit, counter[n].low_byte), STATE_U8 (Pit, counter[n].loaded), \
  STATE_U8 (Pit, counter[n].triggered), STATE_I64 (Pit, counter[n].gate_stopped)

static const StateField pit_fields[] = {
  COUNTER_FIELDS (0), COUNTER_FIELDS (1), COUNTER_FIELDS (2), STATE_U8 (Pit, port_b), STATE_U8 (Pit, irq_disabled), STATE_END
};

const DeviceType pit_type = {
  .name = "i8254", .size = sizeof (Pit), .version = 1, .fields = pit_fields,
  .realize = pit_realize, .reset = pit_reset, .after_load = pit_after_load, .unrealize = pit_unrealize
};

void
pit_set_output (Device *dev, IrqLine irq0)
{
  ((Pit *) dev)->irq0 = irq0;
}

void
pit_lend_registers (Device *dev, PitRegisters *out)
{
  Pit *d = (Pit *) dev;
  int64_t now = now_of (d);

  *out = (PitRegisters) { .port_b = d->port_b, .irq_disabled = d->irq_disabled };
  for (int i = 0; i < COUNTERS; i++)
    {
      const Counter *c = &d->counter[i];

      out->counter[i].count = c->count;
      out->counter[i].elapsed = c->gate_stopped >= 0 ? c->gate_stopped : MAX (now - c->start, 0);
      out->counter[i].latched = c->latched;
      out->counter[i].latch_bytes = c->latch_bytes;
      out->counter[i].status_latched = c->status_latched;
      out->counter[i].status = c->status;
      out->counter[i].access = c->access;
      out->counter[i].mode = c->mode;
      out->counter[i].bcd = c->bcd;
      out->counter[i].gate = c->gate;
      out->counter[i].read_high = c->read_high;
      out->counter[i].write_high = c->write_high;
      out->counter[i].low_byte = c->low_byte;
      out->counter[i].loaded = c->loaded;
    }
  clock_timer_cancel (d->timer);
  d->counter[0].next_irq = -1;
  if (!d->irq_disabled)
    drive_irq (d, 0);
}

void
pit_set_registers (Device *dev, const PitRegisters *in)
{
  Pit *d = (Pit *) dev;
  int64_t now = now_of (d);

  for (int i = 0; i < COUNTERS; i++)
    {
      Counter *c = &d->counter[i];
      gboolean is_triggered_mode;

      *c = (Counter) {
        .count = CLAMP (in->counter[i].count, 1, 65536), .latched = in->counter[i].latched,
        .latch_bytes = MIN (in->counter[i].latch_bytes, 2), .status_latched = in->counter[i].status_latched,
        .status = in->counter[i].status, .access = in->counter[i].access & 3, .mode = MIN (in->counter[i].mode, 5),
        .bcd = in->counter[i].bcd, .gate = in->counter[i].gate, .read_high = in->counter[i].read_high,
        .write_high = in->counter[i].write_high, .low_byte = in->counter[i].low_byte, .loaded = in->counter[i].loaded,
        .next_irq = -1, .gate_stopped = -1
      };
      if (c->mode == 2 || c->mode == 3)
        c->count = MAX (c->count, 2);
      is_triggered_mode = c->mode == 1 || c->mode == 5;
      c->start = now - CLAMP (in->counter[i].elapsed, 0, TIME_MAX / 2);
      c->triggered = is_triggered_mode && c->loaded;
      if (!c->gate && !is_triggered_mode)
        c->gate_stopped = now - c->start;
    }
  d->port_b = in->port_b & 0x0f;
  d->irq_disabled = in->irq_disabled;
  schedule (d);
}

void
pit_set_irq_enabled (Device *dev, gboolean enabled)
{
  Pit *d = (Pit *) dev;

  /* Who only says it again must not make an edge that is due be forgotten. */
  if (d->irq_disabled == !enabled)
    return;
  d->irq_disabled = !enabled;
  schedule (d);
}

unsigned
pit_speaker_frequency (Device *dev)
{
  Pit *d = (Pit *) dev;
  const Counter *c = &d->counter[2];

  if (!(d->port_b & PORT_B_SPEAKER) || !c->gate || !c->loaded || c->mode != 3)
    return 0;
  return PIT_HZ / c->count;
}
