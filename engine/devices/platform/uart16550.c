/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 16550A asynchronous receiver and transmitter.
 * Specification: National Semiconductor PC16550D data sheet (June 1995).
 *
 * The transmitter is faster than any line: a byte is out as soon as it is
 * written. The receiver gets bytes from a queue as its FIFO empties, so that
 * nothing typed or sent from outside is overrun.
 */

#include "engine/devices/platform/uart16550.h"

#include <gio/gio.h>
#include <string.h>

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR, REG_SPACE, REG_FCR = REG_IIR };

enum
{
  IER_RX = 1 << 0, IER_THRE = 1 << 1, IER_LINE = 1 << 2, IER_MODEM = 1 << 3,
  IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFO = 0xc0,
  FCR_ENABLE = 1 << 0, FCR_CLEAR_RX = 1 << 1, FCR_CLEAR_TX = 1 << 2,
  LCR_DLAB = 1 << 7,
  MCR_DTR = 1 << 0, MCR_RTS = 1 << 1, MCR_OUT1 = 1 << 2, MCR_OUT2 = 1 << 3, MCR_LOOP = 1 << 4,
  LSR_DR = 1 << 0, LSR_OE = 1 << 1, LSR_ERRORS = 0x1e, LSR_THRE = 1 << 5, LSR_TEMT = 1 << 6,
  MSR_CTS = 1 << 4, MSR_DSR = 1 << 5, MSR_RI = 1 << 6, MSR_DCD = 1 << 7,
  FIFO_SIZE = 16, QUEUE_SIZE = 16384, BAUD_BASE = 115200, BITS_PER_CHARACTER = 10
};

typedef struct
{
  Device parent;
  uint16_t base;
  IrqLine irq;
  void (*write) (void *opaque, const uint8_t *data, size_t length);
  void *write_opaque;
  ClockTimer *receive_timer;

  uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
  uint16_t divisor;
  uint8_t thre_pending;      /* transmitter empty, not yet acknowledged by reading IIR */
  uint8_t timeout_pending;   /* bytes below the trigger level have waited */
  uint8_t fifo[FIFO_SIZE];
  uint32_t fifo_head, fifo_count;
  uint8_t queue[QUEUE_SIZE]; /* from outside, not yet in the FIFO */
  uint32_t queue_head, queue_count;
} Uart;

static unsigned
trigger_level (const Uart *d)
{
  static const uint8_t levels[4] = { 1, 4, 8, 14 };

  return d->fcr & FCR_ENABLE ? levels[d->fcr >> 6] : 1;
}

static uint8_t
interrupt_id (const Uart *d)
{
  if (d->ier & IER_LINE && d->lsr & LSR_ERRORS)
    return IIR_LINE;
  if (d->ier & IER_RX && d->fifo_count >= trigger_level (d))
    return IIR_RX;
  if (d->ier & IER_RX && d->timeout_pending && d->fifo_count > 0)
    return IIR_TIMEOUT;
  if (d->ier & IER_THRE && d->thre_pending)
    return IIR_THRE;
  if (d->ier & IER_MODEM && d->msr & 0x0f)
    return IIR_MODEM;
  return IIR_NONE;
}

static void
update (Uart *d)
{
  irq_set (&d->irq, interrupt_id (d) != IIR_NONE && d->mcr & MCR_OUT2);
}

static int64_t
character_ns (const Uart *d)
{
  unsigned divisor = d->divisor != 0 ? d->divisor : 1;

  return (int64_t) divisor * BITS_PER_CHARACTER * CLOCK_NS_PER_SECOND / BAUD_BASE;
}

static void
fifo_put (Uart *d, uint8_t byte)
{
  unsigned capacity = d->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

  if (d->fifo_count >= capacity)
    {
      d->lsr |= LSR_OE;
      return;
    }
  d->fifo[(d->fifo_head + d->fifo_count++) % FIFO_SIZE] = byte;
  d->lsr |= LSR_DR;
}

/* Fills the FIFO from the queue; what stays below the trigger level is reported after four characters' time. */
static void
receive (Uart *d)
{
  unsigned capacity = d->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

  if (!(d->mcr & MCR_LOOP))
    {
      while (d->queue_count > 0 && d->fifo_count < capacity)
        {
          fifo_put (d, d->queue[d->queue_head]);
          d->queue_head = (d->queue_head + 1) % QUEUE_SIZE;
          d->queue_count--;
        }
    }
  d->timeout_pending = FALSE;
  if (d->fifo_count > 0 && d->fifo_count < trigger_level (d))
    clock_timer_arm (d->receive_timer, clock_now (d->parent.env.clock) + 4 * character_ns (d));
  else
    clock_timer_cancel (d->receive_timer);
  update (d);
}

static void
receive_timeout (void *opaque)
{
  Uart *d = opaque;

  d->timeout_pending = TRUE;
  update (d);
}

size_t
uart16550_input (Device *dev, const uint8_t *data, size_t length)
{
  Uart *d = (Uart *) dev;
  size_t taken = MIN (length, QUEUE_SIZE - d->queue_count);

  for (size_t i = 0; i < taken; i++)
    d->queue[(d->queue_head + d->queue_count++) % QUEUE_SIZE] = data[i];
  receive (d);
  return taken;
}

static void
transmit (Uart *d, uint8_t byte)
{
  if (d->mcr & MCR_LOOP)
    {
      fifo_put (d, byte);
      receive (d);
    }
  else if (d->write != NULL)
    d->write (d->write_opaque, &byte, 1);
  d->lsr |= LSR_THRE | LSR_TEMT;
  d->thre_pending = TRUE;
  update (d);
}

/* The modem lines: a device that is always ready, or the port's own outputs in loop mode. */
static void
update_modem (Uart *d)
{
  uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD, old = d->msr, changed;

  if (d->mcr & MCR_LOOP)
    lines = (uint8_t) ((d->mcr & MCR_RTS ? MSR_CTS : 0) | (d->mcr & MCR_DTR ? MSR_DSR : 0) | (d->mcr & MCR_OUT1 ? MSR_RI : 0) |
                       (d->mcr & MCR_OUT2 ? MSR_DCD : 0));
  changed = (uint8_t) ((old ^ lines) >> 4 & 0x0b);
  if (old & MSR_RI && !(lines & MSR_RI))
    changed |= 1 << 2; /* the trailing edge of RI counts */
  d->msr = (uint8_t) (lines | (old & 0x0f) | changed);
}

static uint32_t
uart_read (void *opaque, uint16_t offset, unsigned size)
{
  Uart *d = opaque;
  uint8_t value = 0;

  switch (offset)
    {
    case REG_DATA:
      if (d->lcr & LCR_DLAB)
        return d->divisor & 0xff;
      if (d->fifo_count > 0)
        {
          value = d->fifo[d->fifo_head];
          d->fifo_head = (d->fifo_head + 1) % FIFO_SIZE;
          if (--d->fifo_count == 0)
            d->lsr &= (uint8_t) ~LSR_DR;
        }
      receive (d);
      return value;
    case REG_IER:
      return d->lcr & LCR_DLAB ? d->divisor >> 8 : d->ier;
    case REG_IIR:
      value = interrupt_id (d);
      if (value == IIR_THRE)
        {
          d->thre_pending = FALSE;
          update (d);
        }
      return value | (d->fcr & FCR_ENABLE ? IIR_FIFO : 0);
    case REG_LCR:
      return d->lcr;
    case REG_MCR:
      return d->mcr;
    case REG_LSR:
      value = d->lsr;
      d->lsr &= (uint8_t) ~LSR_ERRORS;
      update (d);
      return value;
    case REG_MSR:
      value = d->msr;
      d->msr &= 0xf0;
      update (d);
      return value;
    default:
      return d->scr;
    }
}

static void
write_fcr (Uart *d, uint8_t value)
{
  if ((d->fcr ^ value) & FCR_ENABLE || value & FCR_CLEAR_RX)
    {
      d->fifo_count = d->fifo_head = 0;
      d->lsr &= (uint8_t) ~LSR_DR;
    }
  d->fcr = value & (0xc0 | FCR_ENABLE);
  receive (d);
}

static void
uart_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Uart *d = opaque;
  uint8_t old;

  switch (offset)
    {
    case REG_DATA:
      if (d->lcr & LCR_DLAB)
        d->divisor = (uint16_t) ((d->divisor & 0xff00) | value);
      else
        {
          d->thre_pending = FALSE;
          transmit (d, (uint8_t) value);
        }
      break;
    case REG_IER:
      if (d->lcr & LCR_DLAB)
        {
          d->divisor = (uint16_t) ((d->divisor & 0xff) | value << 8);
          break;
        }
      old = d->ier;
      d->ier = value & 0x0f;
      /* Enabling it with an empty transmitter raises it. */
      if (!(old & IER_THRE) && d->ier & IER_THRE)
        d->thre_pending = TRUE;
      update (d);
      break;
    case REG_FCR:
      write_fcr (d, (uint8_t) value);
      break;
    case REG_LCR:
      d->lcr = (uint8_t) value;
      break;
    case REG_MCR:
      d->mcr = value & 0x1f;
      update_modem (d);
      receive (d);
      break;
    case REG_SCR:
      d->scr = (uint8_t) value;
      break;
    default:
      break;
    }
}

static const PioOps uart_ops = { .read = uart_read, .write = uart_write };

static gboolean
uart_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Uart *d = (Uart *) dev;

  if (!bus_add_pio (env->bus, d->base, REG_SPACE, &uart_ops, dev, error))
    return FALSE;
  d->receive_timer = clock_timer_new (env->clock, receive_timeout, d);
  return TRUE;
}

static void
uart_reset (Device *dev)
{
  Uart *d = (Uart *) dev;

  clock_timer_cancel (d->receive_timer);
  d->ier = d->fcr = d->lcr = d->mcr = d->scr = 0;
  d->lsr = LSR_THRE | LSR_TEMT;
  d->msr = MSR_CTS | MSR_DSR | MSR_DCD;
  d->divisor = 12;
  d->thre_pending = d->timeout_pending = 0;
  d->fifo_head = d->fifo_count = 0;
  update (d);
}

static gboolean
uart_after_load (Device *dev, GError **error)
{
  Uart *d = (Uart *) dev;
  gboolean timeout;

  if (d->fifo_head >= FIFO_SIZE || d->fifo_count > FIFO_SIZE || d->queue_head >= QUEUE_SIZE || d->queue_count > QUEUE_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  timeout = d->timeout_pending;
  receive (d);
  if (timeout && d->fifo_count > 0)
    receive_timeout (d);
  return TRUE;
}

static void
uart_unrealize (Device *dev)
{
  Uart *d = (Uart *) dev;

  clock_timer_free (d->receive_timer);
  bus_remove_pio (dev->env.bus, d->base, dev);
}

static const StateField uart_fields[] = {
  STATE_U8 (Uart, ier), STATE_U8 (Uart, fcr), STATE_U8 (Uart, lcr), STATE_U8 (Uart, mcr), STATE_U8 (Uart, lsr),
  STATE_U8 (Uart, msr), STATE_U8 (Uart, scr), STATE_U16 (Uart, divisor), STATE_U8 (Uart, thre_pending),
  STATE_U8 (Uart, timeout_pending), STATE_BYTES (Uart, fifo), STATE_U32 (Uart, fifo_head), STATE_U32 (Uart, fifo_count),
  STATE_BYTES (Uart, queue), STATE_U32 (Uart, queue_head), STATE_U32 (Uart, queue_count), STATE_END
};

const DeviceType uart16550_type = {
  .name = "16550a", .size = sizeof (Uart), .version = 1, .fields = uart_fields,
  .realize = uart_realize, .reset = uart_reset, .after_load = uart_after_load, .unrealize = uart_unrealize
};

void
uart16550_set_port (Device *dev, uint16_t base, IrqLine irq)
{
  ((Uart *) dev)->base = base;
  ((Uart *) dev)->irq = irq;
}

void
uart16550_set_output (Device *dev, void (*write) (void *opaque, const uint8_t *data, size_t length), void *opaque)
{
  ((Uart *) dev)->write = write;
  ((Uart *) dev)->write_opaque = opaque;
}
