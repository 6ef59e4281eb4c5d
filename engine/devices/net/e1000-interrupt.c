/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82540EM's interrupt: causes, the mask, and what makes interrupts fewer:
 * ITR (a least distance between two) and the delay timers of the rings.
 * Specification: Software Developer's Manual 317453, sections 3.2.7 and 13.4.
 */

#include "engine/devices/net/e1000-private.h"

enum { ITR_UNIT_NS = 256, DELAY_UNIT_NS = 1024 };

static int64_t
now_of (E1000 *d)
{
  return clock_now (d->parent.parent.env.clock);
}

void
e1000_update_interrupt (E1000 *d)
{
  int64_t now;

  if (!(REG (d, REG_ICR) & REG (d, REG_IMS)))
    {
      pci_set_irq (&d->parent, 0);
      return;
    }
  if (d->parent.irq_level)
    return;
  now = now_of (d);
  if (now < d->next_interrupt)
    {
      clock_timer_arm (d->interrupt_timer, d->next_interrupt);
      return;
    }
  d->next_interrupt = now + (int64_t) (REG (d, REG_ITR) & 0xffff) * ITR_UNIT_NS;
  pci_set_irq (&d->parent, 1);
}

void
e1000_raise (E1000 *d, uint32_t causes)
{
  REG (d, REG_ICR) |= causes & ICR_ALL;
  e1000_update_interrupt (d);
}

void
e1000_raise_later (E1000 *d, E1000Delay *delay, unsigned packet_reg, unsigned absolute_reg)
{
  int64_t now = now_of (d), packet = (int64_t) (REG (d, packet_reg) & 0xffff) * DELAY_UNIT_NS;
  int64_t absolute = (int64_t) (REG (d, absolute_reg) & 0xffff) * DELAY_UNIT_NS;

  if (packet == 0)
    {
      e1000_raise_now (d, delay);
      return;
    }
  /* Each packet starts the delay anew, until the absolute timer that the first one started ends it. */
  if (!clock_timer_armed (delay->timer))
    delay->limit = absolute != 0 ? now + absolute : G_MAXINT64;
  clock_timer_arm (delay->timer, MIN (now + packet, delay->limit));
}

void
e1000_raise_now (E1000 *d, E1000Delay *delay)
{
  clock_timer_cancel (delay->timer);
  e1000_raise (d, delay->cause);
}

static void
interrupt_due (void *opaque)
{
  e1000_update_interrupt (opaque);
}

static void
receive_delay_over (void *opaque)
{
  E1000 *d = opaque;

  e1000_raise (d, d->rx_delay.cause);
}

static void
transmit_delay_over (void *opaque)
{
  E1000 *d = opaque;

  e1000_raise (d, d->tx_delay.cause);
}

void
e1000_interrupt_init (E1000 *d)
{
  Clock *clock = d->parent.parent.env.clock;

  d->interrupt_timer = clock_timer_new (clock, interrupt_due, d);
  d->rx_delay = (E1000Delay) { .cause = ICR_RXT0, .timer = clock_timer_new (clock, receive_delay_over, d) };
  d->tx_delay = (E1000Delay) { .cause = ICR_TXDW, .timer = clock_timer_new (clock, transmit_delay_over, d) };
}

void
e1000_interrupt_exit (E1000 *d)
{
  clock_timer_free (d->interrupt_timer);
  clock_timer_free (d->rx_delay.timer);
  clock_timer_free (d->tx_delay.timer);
}

void
e1000_interrupt_reset (E1000 *d)
{
  clock_timer_cancel (d->interrupt_timer);
  clock_timer_cancel (d->rx_delay.timer);
  clock_timer_cancel (d->tx_delay.timer);
  d->next_interrupt = 0;
  e1000_update_interrupt (d);
}

/* Saved state knows no delays: what waits is raised before. */
void
e1000_interrupt_flush (E1000 *d)
{
  if (clock_timer_armed (d->rx_delay.timer))
    e1000_raise_now (d, &d->rx_delay);
  if (clock_timer_armed (d->tx_delay.timer))
    e1000_raise_now (d, &d->tx_delay);
}
