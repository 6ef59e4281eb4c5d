/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local APIC.
 * Specification: Intel SDM volume 3A, chapter 11 (advanced programmable
 * interrupt controller).
 */

#include "engine/devices/platform/lapic.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  REG_ID = 0x20, REG_VERSION = 0x30, REG_TPR = 0x80, REG_APR = 0x90, REG_PPR = 0xa0, REG_EOI = 0xb0, REG_LDR = 0xd0, REG_DFR = 0xe0,
  REG_SVR = 0xf0, REG_ISR = 0x100, REG_TMR = 0x180, REG_IRR = 0x200, REG_ESR = 0x280, REG_ICR_LOW = 0x300, REG_ICR_HIGH = 0x310,
  REG_LVT_TIMER = 0x320, REG_LVT_THERMAL = 0x330, REG_LVT_PERF = 0x340, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360,
  REG_LVT_ERROR = 0x370, REG_TIMER_INITIAL = 0x380, REG_TIMER_CURRENT = 0x390, REG_TIMER_DIVIDE = 0x3e0
};

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

enum
{
  LVT_VECTOR = 0xff, LVT_DELIVERY_SHIFT = 8, LVT_PENDING = 1 << 12, LVT_MASKED = 1 << 16, LVT_TIMER_PERIODIC = 1 << 17,
  LVT_TIMER_DEADLINE = 2 << 17, LVT_TIMER_MODE = 3 << 17,
  SVR_ENABLE = 1 << 8, ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7,
  ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15,
  VERSION = 0x00050014, /* 6 local vectors */
  BASE_BSP = 1 << 8, BASE_ENABLE = 1 << 11,
  /* A guest that asks for more gets no more: the I/O thread has others to serve. */
  TIMER_MIN_PERIOD_NS = 20 * CLOCK_NS_PER_US
};

typedef struct
{
  Device parent;
  ApicBus *bus;
  const LapicCpuOps *ops;
  void *opaque;
  unsigned index;
  ClockTimer *timer;

  uint64_t base;
  uint8_t id, tpr;
  uint32_t ldr, dfr, svr, esr, esr_pending, icr_low, icr_high;
  uint32_t lvt[LVT_COUNT];
  uint32_t isr[8], tmr[8], irr[8];
  uint32_t timer_initial, timer_divide;
  int64_t timer_start;
  uint8_t timer_running; /* one-shot: has not expired yet */
  uint64_t tsc_deadline;
  uint8_t external;      /* level at LINT0 */
  uint8_t told;          /* what the processor was told last */
} Lapic;

/* Vectors */

static int
highest (const uint32_t bits[8])
{
  for (int i = 7; i >= 0; i--)
    {
      if (bits[i] != 0)
        return 32 * i + 31 - __builtin_clz (bits[i]);
    }
  return -1;
}

static void set_bit (uint32_t bits[8], int n) { bits[n >> 5] |= 1u << (n & 31); }
static void clear_bit (uint32_t bits[8], int n) { bits[n >> 5] &= ~(1u << (n & 31)); }
static gboolean test_bit (const uint32_t bits[8], int n) { return bits[n >> 5] >> (n & 31) & 1; }

static uint8_t
processor_priority (const Lapic *d)
{
  int serving = highest (d->isr);
  int class = serving < 0 ? 0 : serving & 0xf0;

  return (d->tpr & 0xf0) >= class ? d->tpr : (uint8_t) class;
}

static gboolean
enabled (const Lapic *d)
{
  return (d->base & BASE_ENABLE) && (d->svr & SVR_ENABLE);
}

/* Whether INTR of the 8259s reaches the processor: with the APIC off, or through LINT0 as a virtual wire. */
static gboolean
external_pending (const Lapic *d)
{
  if (!d->external)
    return FALSE;
  if (!(d->base & BASE_ENABLE))
    return TRUE;
  return !(d->lvt[LVT_LINT0] & LVT_MASKED) && (d->lvt[LVT_LINT0] >> LVT_DELIVERY_SHIFT & 7) == APIC_EXTINT;
}

static int
deliverable (const Lapic *d)
{
  int vector;

  if (!enabled (d))
    return -1;
  vector = highest (d->irr);
  return vector >= 0 && (vector & 0xf0) > (processor_priority (d) & 0xf0) ? vector : -1;
}

static void
update (Lapic *d)
{
  gboolean pending = deliverable (d) >= 0 || external_pending (d);

  if (pending == d->told)
    return;
  d->told = (uint8_t) pending;
  d->ops->interrupt (d->opaque, pending);
}

static void
error (Lapic *d, uint32_t bit)
{
  d->esr_pending |= bit;
  if (!(d->lvt[LVT_ERROR] & LVT_MASKED) && (d->lvt[LVT_ERROR] & LVT_VECTOR) >= 16 && bit != ESR_RECEIVE_ILLEGAL)
    {
      set_bit (d->irr, d->lvt[LVT_ERROR] & LVT_VECTOR);
      clear_bit (d->tmr, d->lvt[LVT_ERROR] & LVT_VECTOR);
      update (d);
    }
}

static void
request (Lapic *d, uint8_t vector, gboolean level)
{
  if (vector < 16)
    {
      error (d, ESR_RECEIVE_ILLEGAL);
      return;
    }
  set_bit (d->irr, vector);
  if (level)
    set_bit (d->tmr, vector);
  else
    clear_bit (d->tmr, vector);
  update (d);
}

static void
deliver_local (Lapic *d, int which)
{
  uint32_t lvt = d->lvt[which];

  if (lvt & LVT_MASKED)
    return;
  switch (lvt >> LVT_DELIVERY_SHIFT & 7)
    {
    case APIC_FIXED:
      request (d, lvt & LVT_VECTOR, FALSE);
      break;
    case APIC_NMI:
      d->ops->nmi (d->opaque);
      break;
    default:
      break;
    }
}

void
lapic_receive (Device *dev, const ApicMessage *message)
{
  Lapic *d = (Lapic *) dev;

  if (!(d->base & BASE_ENABLE))
    return;
  switch (message->delivery)
    {
    case APIC_FIXED:
    case APIC_LOWEST:
      if (d->svr & SVR_ENABLE)
        request (d, message->vector, message->level);
      break;
    case APIC_NMI:
      d->ops->nmi (d->opaque);
      break;
    case APIC_INIT:
      if (!message->deassert)
        d->ops->init (d->opaque);
      break;
    case APIC_STARTUP:
      d->ops->startup (d->opaque, message->vector);
      break;
    default:
      break;
    }
}

int
lapic_acknowledge (Device *dev)
{
  Lapic *d = (Lapic *) dev;
  int vector = deliverable (d);

  if (vector < 0)
    {
      vector = -1;
      if (external_pending (d))
        vector = d->ops->external_acknowledge (d->opaque);
    }
  else
    {
      clear_bit (d->irr, vector);
      set_bit (d->isr, vector);
    }
  update (d);
  return vector;
}

static void
end_of_interrupt (Lapic *d)
{
  int vector = highest (d->isr);

  if (vector < 0)
    return;
  clear_bit (d->isr, vector);
  if (test_bit (d->tmr, vector))
    apic_bus_eoi (d->bus, (uint8_t) vector);
  update (d);
}

/* Timer: counts the divided bus clock of 1 GHz, so a tick is @divider nanoseconds. */

static int64_t
divider (const Lapic *d)
{
  unsigned code = (d->timer_divide & 3) | (d->timer_divide >> 1 & 4);

  return code == 7 ? 1 : (int64_t) 2 << code;
}

static void
arm_timer (Lapic *d)
{
  int64_t now = clock_now (d->parent.env.clock), period, deadline;

  switch (d->lvt[LVT_TIMER] & LVT_TIMER_MODE)
    {
    case LVT_TIMER_DEADLINE:
      if (d->tsc_deadline == 0)
        clock_timer_cancel (d->timer);
      else
        clock_timer_arm (d->timer, d->ops->time_of_tsc (d->opaque, d->tsc_deadline));
      return;
    default:
      if (d->timer_initial == 0 || !(d->timer_running || d->lvt[LVT_TIMER] & LVT_TIMER_PERIODIC))
        {
          clock_timer_cancel (d->timer);
          return;
        }
      period = d->timer_initial * divider (d);
      deadline = d->timer_start + period;
      if (deadline <= now && d->lvt[LVT_TIMER] & LVT_TIMER_PERIODIC)
        deadline = MAX (d->timer_start + ((now - d->timer_start) / period + 1) * period, now + TIMER_MIN_PERIOD_NS);
      clock_timer_arm (d->timer, deadline);
      return;
    }
}

static void
timer_expired (void *opaque)
{
  Lapic *d = opaque;
  uint32_t mode = d->lvt[LVT_TIMER] & LVT_TIMER_MODE;

  if (mode == LVT_TIMER_DEADLINE)
    d->tsc_deadline = 0;
  d->timer_running = FALSE;
  deliver_local (d, LVT_TIMER);
  if (mode == LVT_TIMER_PERIODIC)
    arm_timer (d);
}

static uint32_t
timer_current (const Lapic *d)
{
  int64_t ticks;

  if (d->timer_initial == 0 || (d->lvt[LVT_TIMER] & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE)
    return 0;
  ticks = (clock_now (d->parent.env.clock) - d->timer_start) / divider (d);
  if (d->lvt[LVT_TIMER] & LVT_TIMER_PERIODIC)
    return d->timer_initial - (uint32_t) (ticks % d->timer_initial);
  return ticks >= d->timer_initial ? 0 : d->timer_initial - (uint32_t) ticks;
}

/* Registers */

static int
lvt_index (unsigned offset)
{
  return (int) (offset - REG_LVT_TIMER) / 0x10;
}

uint32_t
lapic_read (Device *dev, unsigned offset)
{
  Lapic *d = (Lapic *) dev;

  switch (offset & ~15u)
    {
    case REG_ID:
      return (uint32_t) d->id << 24;
    case REG_VERSION:
      return VERSION;
    case REG_TPR:
      return d->tpr;
    case REG_APR:
      return 0;
    case REG_PPR:
      return processor_priority (d);
    case REG_LDR:
      return d->ldr;
    case REG_DFR:
      return d->dfr | 0x0fffffff;
    case REG_SVR:
      return d->svr;
    case REG_ISR ... REG_ISR + 0x70:
      return d->isr[(offset - REG_ISR) >> 4 & 7];
    case REG_TMR ... REG_TMR + 0x70:
      return d->tmr[(offset - REG_TMR) >> 4 & 7];
    case REG_IRR ... REG_IRR + 0x70:
      return d->irr[(offset - REG_IRR) >> 4 & 7];
    case REG_ESR:
      return d->esr;
    case REG_ICR_LOW:
      return d->icr_low;
    case REG_ICR_HIGH:
      return d->icr_high;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
      return d->lvt[lvt_index (offset & ~15u)];
    case REG_TIMER_INITIAL:
      return d->timer_initial;
    case REG_TIMER_CURRENT:
      return timer_current (d);
    case REG_TIMER_DIVIDE:
      return d->timer_divide;
    case REG_EOI:
      return 0;
    default:
      error (d, ESR_ILLEGAL_REGISTER);
      return 0;
    }
}

static void
send_ipi (Lapic *d)
{
  ApicMessage message = {
    .destination = (uint8_t) (d->icr_high >> 24), .logical = (d->icr_low & ICR_LOGICAL) != 0,
    .delivery = d->icr_low >> 8 & 7, .vector = (uint8_t) d->icr_low,
    .level = FALSE,
    .deassert = (d->icr_low & ICR_LEVEL) && !(d->icr_low & ICR_ASSERT),
  };

  if ((message.delivery == APIC_FIXED || message.delivery == APIC_LOWEST) && message.vector < 16)
    {
      error (d, ESR_SEND_ILLEGAL);
      return;
    }
  switch (d->icr_low >> 18 & 3)
    {
    case 0:
      apic_bus_send (d->bus, &message);
      break;
    case 1:
      lapic_receive (&d->parent, &message);
      break;
    case 2:
      apic_bus_broadcast (d->bus, &message, NULL);
      break;
    default:
      apic_bus_broadcast (d->bus, &message, &d->parent);
      break;
    }
}

static const uint32_t lvt_writable[LVT_COUNT] = {
  [LVT_TIMER] = LVT_VECTOR | LVT_MASKED | LVT_TIMER_MODE, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
  [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
};

static void
write_lvt (Lapic *d, int which, uint32_t value)
{
  uint32_t old = d->lvt[which];

  if (!(d->svr & SVR_ENABLE))
    value |= LVT_MASKED;
  d->lvt[which] = value & lvt_writable[which];
  if (which == LVT_TIMER && (old ^ value) & LVT_TIMER_MODE)
    {
      /* Changing to or from deadline mode disarms the timer. */
      if ((old & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE || (value & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE)
        {
          d->timer_initial = 0;
          d->tsc_deadline = 0;
        }
      arm_timer (d);
    }
  update (d);
}

void
lapic_write (Device *dev, unsigned offset, uint32_t value)
{
  Lapic *d = (Lapic *) dev;

  switch (offset & ~15u)
    {
    case REG_ID:
      d->id = (uint8_t) (value >> 24);
      break;
    case REG_TPR:
      d->tpr = (uint8_t) value;
      update (d);
      break;
    case REG_EOI:
      end_of_interrupt (d);
      break;
    case REG_LDR:
      d->ldr = value & 0xff000000;
      break;
    case REG_DFR:
      d->dfr = value & 0xf0000000;
      break;
    case REG_SVR:
      d->svr = value & 0x1ff;
      if (!(d->svr & SVR_ENABLE))
        {
          for (int i = 0; i < LVT_COUNT; i++)
            d->lvt[i] |= LVT_MASKED;
        }
      update (d);
      break;
    case REG_ESR:
      d->esr = d->esr_pending;
      d->esr_pending = 0;
      break;
    case REG_ICR_LOW:
      d->icr_low = value & 0x000ccfff;
      send_ipi (d);
      break;
    case REG_ICR_HIGH:
      d->icr_high = value & 0xff000000;
      break;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
      write_lvt (d, lvt_index (offset & ~15u), value);
      break;
    case REG_TIMER_INITIAL:
      if ((d->lvt[LVT_TIMER] & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE)
        break;
      d->timer_initial = value;
      d->timer_start = clock_now (d->parent.env.clock);
      d->timer_running = TRUE;
      arm_timer (d);
      break;
    case REG_TIMER_DIVIDE:
      {
        uint32_t current = timer_current (d);

        d->timer_divide = value & 0xb;
        if (d->timer_initial != 0)
          {
            /* What is left is counted at the new rate. */
            d->timer_start = clock_now (d->parent.env.clock) - (int64_t) (d->timer_initial - current) * divider (d);
            arm_timer (d);
          }
      }
      break;
    default:
      break; /* read-only, or none */
    }
}

/* The processor's side */

void
lapic_set_external (Device *dev, int level)
{
  Lapic *d = (Lapic *) dev;
  gboolean rises = level && !d->external;

  d->external = level != 0;
  /* LINT0 may also be programmed as an ordinary input. */
  if (rises && (d->base & BASE_ENABLE) && (d->lvt[LVT_LINT0] >> LVT_DELIVERY_SHIFT & 7) != APIC_EXTINT)
    deliver_local (d, LVT_LINT0);
  update (d);
}

uint64_t
lapic_base (Device *dev)
{
  return ((Lapic *) dev)->base;
}

gboolean
lapic_set_base (Device *dev, uint64_t value)
{
  Lapic *d = (Lapic *) dev;

  /* The registers stay where every system leaves them; x2APIC is not offered. */
  if ((value & ~(uint64_t) (BASE_ENABLE | BASE_BSP)) != LAPIC_BASE)
    return FALSE;
  d->base = (value & ~(uint64_t) BASE_BSP) | (d->base & BASE_BSP);
  update (d);
  return TRUE;
}

uint8_t
lapic_task_priority (Device *dev)
{
  return ((Lapic *) dev)->tpr >> 4;
}

void
lapic_set_task_priority (Device *dev, uint8_t priority_class)
{
  Lapic *d = (Lapic *) dev;

  d->tpr = (uint8_t) (priority_class << 4);
  update (d);
}

uint64_t
lapic_tsc_deadline (Device *dev)
{
  return ((Lapic *) dev)->tsc_deadline;
}

void
lapic_set_tsc_deadline (Device *dev, uint64_t tsc)
{
  Lapic *d = (Lapic *) dev;

  if ((d->lvt[LVT_TIMER] & LVT_TIMER_MODE) != LVT_TIMER_DEADLINE)
    return;
  d->tsc_deadline = tsc;
  arm_timer (d);
}

/* Other hands */

static uint32_t *
place (LapicRegisters *registers, unsigned offset)
{
  return &registers->page[offset / 0x10];
}

static uint32_t
value (const LapicRegisters *registers, unsigned offset)
{
  return registers->page[offset / 0x10];
}

void
lapic_lend_registers (Device *dev, LapicRegisters *out)
{
  static const uint16_t plain[] = { REG_ID, REG_VERSION, REG_TPR, REG_PPR, REG_LDR, REG_DFR, REG_SVR, REG_ESR, REG_ICR_LOW,
                                    REG_ICR_HIGH, REG_TIMER_DIVIDE };
  Lapic *d = (Lapic *) dev;

  *out = (LapicRegisters) { .base = d->base, .tsc_deadline = d->tsc_deadline };
  for (unsigned i = 0; i < G_N_ELEMENTS (plain); i++)
    *place (out, plain[i]) = lapic_read (dev, plain[i]);
  for (unsigned i = 0; i < 8; i++)
    {
      *place (out, REG_ISR + 0x10 * i) = d->isr[i];
      *place (out, REG_TMR + 0x10 * i) = d->tmr[i];
      *place (out, REG_IRR + 0x10 * i) = d->irr[i];
    }
  for (unsigned i = 0; i < LVT_COUNT; i++)
    *place (out, REG_LVT_TIMER + 0x10 * i) = d->lvt[i];
  /* What has run out is not to be started anew. */
  if (d->timer_running || d->lvt[LVT_TIMER] & LVT_TIMER_PERIODIC)
    {
      *place (out, REG_TIMER_INITIAL) = d->timer_initial;
      *place (out, REG_TIMER_CURRENT) = timer_current (d);
    }
  clock_timer_cancel (d->timer);
  d->told = FALSE;
}

void
lapic_set_registers (Device *dev, const LapicRegisters *in)
{
  Lapic *d = (Lapic *) dev;
  uint32_t initial = value (in, REG_TIMER_INITIAL), left = MIN (value (in, REG_TIMER_CURRENT), initial);

  if ((in->base & ~(uint64_t) (BASE_ENABLE | BASE_BSP)) == LAPIC_BASE)
    d->base = in->base;
  d->id = (uint8_t) (value (in, REG_ID) >> 24);
  d->tpr = (uint8_t) value (in, REG_TPR);
  d->ldr = value (in, REG_LDR) & 0xff000000;
  d->dfr = value (in, REG_DFR) & 0xf0000000;
  d->svr = value (in, REG_SVR) & 0x1ff;
  d->esr = value (in, REG_ESR);
  d->icr_low = value (in, REG_ICR_LOW) & 0x000ccfff;
  d->icr_high = value (in, REG_ICR_HIGH) & 0xff000000;
  for (unsigned i = 0; i < 8; i++)
    {
      d->isr[i] = value (in, REG_ISR + 0x10 * i);
      d->tmr[i] = value (in, REG_TMR + 0x10 * i);
      d->irr[i] = value (in, REG_IRR + 0x10 * i);
    }
  for (unsigned i = 0; i < LVT_COUNT; i++)
    d->lvt[i] = value (in, REG_LVT_TIMER + 0x10 * i) & lvt_writable[i];
  d->timer_divide = value (in, REG_TIMER_DIVIDE) & 0xb;
  d->timer_initial = initial;
  d->timer_start = MAX (clock_now (d->parent.env.clock) - (int64_t) (initial - left) * divider (d), 0);
  d->timer_running = initial != 0;
  d->tsc_deadline = in->tsc_deadline;
  d->told = 2; /* neither: tell the processor anew */
  update (d);
  arm_timer (d);
}

/* The bus's side */

uint8_t
lapic_id (Device *dev)
{
  return ((Lapic *) dev)->id;
}

gboolean
lapic_is_enabled (Device *dev)
{
  return enabled ((Lapic *) dev);
}

gboolean
lapic_matches_logical (Device *dev, uint8_t destination)
{
  Lapic *d = (Lapic *) dev;
  uint8_t logical = (uint8_t) (d->ldr >> 24);

  if (destination == 0xff)
    return TRUE;
  if (d->dfr >> 28 == 0xf) /* flat */
    return (logical & destination) != 0;
  return logical >> 4 == destination >> 4 && (logical & destination & 0xf) != 0;
}

uint8_t
lapic_processor_priority (Device *dev)
{
  return processor_priority ((Lapic *) dev);
}

void
lapic_init (Device *dev)
{
  Lapic *d = (Lapic *) dev;

  clock_timer_cancel (d->timer);
  d->tpr = 0;
  d->ldr = 0;
  d->dfr = 0xf0000000;
  d->svr = 0xff;
  d->esr = d->esr_pending = d->icr_low = d->icr_high = 0;
  for (int i = 0; i < LVT_COUNT; i++)
    d->lvt[i] = LVT_MASKED;
  /* The board starts in virtual wire mode. */
  if (d->index == 0)
    d->lvt[LVT_LINT0] = APIC_EXTINT << LVT_DELIVERY_SHIFT;
  memset (d->isr, 0, sizeof d->isr);
  memset (d->tmr, 0, sizeof d->tmr);
  memset (d->irr, 0, sizeof d->irr);
  d->timer_initial = d->timer_divide = 0;
  d->timer_running = FALSE;
  d->tsc_deadline = 0;
  update (d);
}

static gboolean
lapic_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Lapic *d = (Lapic *) dev;

  d->timer = clock_timer_new (env->clock, timer_expired, d);
  apic_bus_add_local (d->bus, dev);
  return TRUE;
}

static void
lapic_reset (Device *dev)
{
  Lapic *d = (Lapic *) dev;

  d->base = LAPIC_BASE | BASE_ENABLE | (d->index == 0 ? BASE_BSP : 0);
  d->id = (uint8_t) d->index;
  lapic_init (dev);
}

static gboolean
lapic_after_load (Device *dev, GError **gerror)
{
  Lapic *d = (Lapic *) dev;

  if ((d->base & ~(uint64_t) (BASE_ENABLE | BASE_BSP)) != LAPIC_BASE || d->timer_start < 0 ||
      d->timer_start > G_MAXINT64 / 2)
    {
      g_set_error (gerror, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  d->told = 2; /* neither: tell the processor anew */
  update (d);
  arm_timer (d);
  return TRUE;
}

static void
lapic_unrealize (Device *dev)
{
  Lapic *d = (Lapic *) dev;

  apic_bus_remove_local (d->bus, dev);
  clock_timer_free (d->timer);
}

static const StateField lapic_fields[] = {
  STATE_U64 (Lapic, base), STATE_U8 (Lapic, id), STATE_U8 (Lapic, tpr), STATE_U32 (Lapic, ldr), STATE_U32 (Lapic, dfr),
  STATE_U32 (Lapic, svr), STATE_U32 (Lapic, esr), STATE_U32 (Lapic, esr_pending), STATE_U32 (Lapic, icr_low),
  STATE_U32 (Lapic, icr_high), STATE_U32 (Lapic, lvt), STATE_U32 (Lapic, isr), STATE_U32 (Lapic, tmr), STATE_U32 (Lapic, irr),
  STATE_U32 (Lapic, timer_initial), STATE_U32 (Lapic, timer_divide), STATE_I64 (Lapic, timer_start),
  STATE_U8 (Lapic, timer_running),
  STATE_U64 (Lapic, tsc_deadline), STATE_U8 (Lapic, external), STATE_END
};

const DeviceType lapic_type = {
  .name = "lapic", .size = sizeof (Lapic), .version = 1, .fields = lapic_fields,
  .realize = lapic_realize, .reset = lapic_reset, .after_load = lapic_after_load, .unrealize = lapic_unrealize
};

void
lapic_set_cpu (Device *dev, unsigned index, ApicBus *bus, const LapicCpuOps *ops, void *opaque)
{
  Lapic *d = (Lapic *) dev;

  d->index = index;
  d->bus = bus;
  d->ops = ops;
  d->opaque = opaque;
}
