/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two cascaded 8259A interrupt controllers with the edge/level registers of
 * the PIIX3.
 * Specification: Intel 8259A data sheet (231468-003); 82371SB data sheet, ELCR.
 */

#include "engine/devices/platform/pic.h"

#include <gio/gio.h>

enum
{
  PORT_MASTER = 0x20, PORT_SLAVE = 0xa0, PORT_ELCR = 0x4d0, CASCADE = 2,
  ICW1 = 1 << 4, ICW1_IC4 = 1 << 0, ICW1_SINGLE = 1 << 1, ICW1_LEVEL = 1 << 3, ICW4_AUTO_EOI = 1 << 1, ICW4_SFNM = 1 << 4,
  OCW3 = 1 << 3, OCW3_READ = 1 << 1, OCW3_READ_ISR = 1 << 0, OCW3_POLL = 1 << 2, OCW3_SET_SMM = 1 << 6, OCW3_SMM = 1 << 5,
  ELCR_MASK_MASTER = 0xf8, ELCR_MASK_SLAVE = 0xde
};

typedef PicRegisters Chip;

typedef struct
{
  Device parent;
  IrqLine intr;
  Chip chip[2];
} Pic;

static uint8_t
elcr_mask (int which)
{
  return which == 0 ? ELCR_MASK_MASTER : ELCR_MASK_SLAVE;
}

/* The rank of the most urgent of @bits, 0 being the highest; 8 when there is none. */
static int
rank (const Chip *c, uint8_t bits)
{
  int r = 0;

  if (bits == 0)
    return 8;
  while (!(bits & 1 << ((r + c->priority_add) & 7)))
    r++;
  return r;
}

/* The line to serve, or -1. */
static int
pending (const Pic *d, int which)
{
  const Chip *c = &d->chip[which];
  int request = rank (c, c->irr & (uint8_t) ~c->imr), service;
  uint8_t in_service = c->isr;

  if (request == 8)
    return -1;
  if (c->special_mask)
    in_service &= (uint8_t) ~c->imr;
  /* Fully nested for the slave: more of it may come while it is served. */
  if (c->special_fully_nested && which == 0)
    in_service &= (uint8_t) ~(1 << CASCADE);
  service = rank (c, in_service);
  return request < service ? (request + c->priority_add) & 7 : -1;
}

static void set_line (Pic *d, int which, int line, int level);

static void
update (Pic *d)
{
  set_line (d, 0, CASCADE, pending (d, 1) >= 0);
  irq_set (&d->intr, pending (d, 0) >= 0);
}

static void
set_line (Pic *d, int which, int line, int level)
{
  Chip *c = &d->chip[which];
  uint8_t bit = (uint8_t) (1 << line);

  if (c->elcr & bit)
    {
      if (level)
        c->irr |= bit;
      else
        c->irr &= (uint8_t) ~bit;
    }
  else if (level && !(c->lines & bit))
    c->irr |= bit;
  /* An edge stays latched, as chipsets since the 8259A have it: a short pulse counts. The slave's request does not:
   * it goes away with its cause. */
  else if (!level && which == 0 && line == CASCADE)
    c->irr &= (uint8_t) ~bit;
  if (level)
    c->lines |= bit;
  else
    c->lines &= (uint8_t) ~bit;
}

void
pic_input (void *dev, int line, int level)
{
  Pic *d = dev;

  if (line == CASCADE || line < 0 || line > 15)
    return;
  set_line (d, line >> 3, line & 7, level);
  update (d);
}

static void
acknowledge_line (Chip *c, int line)
{
  uint8_t bit = (uint8_t) (1 << line);

  if (!c->auto_eoi)
    c->isr |= bit;
  else if (c->rotate_on_auto_eoi)
    c->priority_add = (uint8_t) ((line + 1) & 7);
  /* A level-triggered request stays for as long as its line is driven. */
  if (!(c->elcr & bit))
    c->irr &= (uint8_t) ~bit;
}

uint8_t
pic_acknowledge (Device *dev)
{
  Pic *d = (Pic *) dev;
  int line = pending (d, 0);
  uint8_t vector;

  if (line < 0)
    return (uint8_t) (d->chip[0].vector + 7); /* spurious */
  acknowledge_line (&d->chip[0], line);
  if (line == CASCADE)
    {
      line = pending (d, 1);
      if (line < 0)
        line = 7;
      else
        acknowledge_line (&d->chip[1], line);
      /* The slave lets go of its request: another one, in automatic EOI mode, makes a new edge. */
      set_line (d, 0, CASCADE, 0);
      vector = (uint8_t) (d->chip[1].vector + line);
    }
  else
    vector = (uint8_t) (d->chip[0].vector + line);
  update (d);
  return vector;
}

gboolean
pic_has_interrupt (Device *dev)
{
  return pending ((Pic *) dev, 0) >= 0;
}

static void
init_chip (Chip *c)
{
  uint8_t elcr = c->elcr, lines = c->lines;

  *c = (Chip) { .elcr = elcr, .lines = lines };
}

static void
write_ocw2 (Chip *c, uint8_t value)
{
  int line;

  switch (value >> 5)
    {
    case 0: /* rotate in automatic EOI mode: clear, set */
    case 4:
      c->rotate_on_auto_eoi = value >> 7;
      break;
    case 1: /* non-specific EOI, with rotation */
    case 5:
      /* In special mask mode it does not reach lines that are masked. */
      line = rank (c, c->special_mask ? c->isr & (uint8_t) ~c->imr : c->isr);
      if (line == 8)
        break;
      line = (line + c->priority_add) & 7;
      c->isr &= (uint8_t) ~(1 << line);
      if (value >> 5 == 5)
        c->priority_add = (uint8_t) ((line + 1) & 7);
      break;
    case 3: /* specific EOI, with rotation */
    case 7:
      line = value & 7;
      c->isr &= (uint8_t) ~(1 << line);
      if (value >> 5 == 7)
        c->priority_add = (uint8_t) ((line + 1) & 7);
      break;
    case 6: /* set priority */
      c->priority_add = (uint8_t) ((value + 1) & 7);
      break;
    default:
      break;
    }
}

static void
write_command (Pic *d, Chip *c, uint8_t value)
{
  if (value & ICW1)
    {
      init_chip (c);
      c->init_state = 2;
      c->needs_icw4 = value & ICW1_IC4;
      c->single = (value & ICW1_SINGLE) != 0;
      /* What a level-triggered line asks for is still there. */
      c->irr = c->lines & c->elcr;
    }
  else if (value & OCW3)
    {
      c->poll = (value & OCW3_POLL) != 0;
      if (value & OCW3_READ)
        c->read_isr = value & OCW3_READ_ISR;
      if (value & OCW3_SET_SMM)
        c->special_mask = (value & OCW3_SMM) != 0;
    }
  else
    write_ocw2 (c, value);
  update (d);
}

static void
write_data (Pic *d, Chip *c, uint8_t value)
{
  switch (c->init_state)
    {
    case 2:
      c->vector = value & 0xf8;
      c->init_state = c->single ? (c->needs_icw4 ? 4 : 0) : 3;
      break;
    case 3:
      c->init_state = c->needs_icw4 ? 4 : 0;
      break;
    case 4:
      c->auto_eoi = (value & ICW4_AUTO_EOI) != 0;
      c->special_fully_nested = (value & ICW4_SFNM) != 0;
      c->init_state = 0;
      break;
    default:
      c->imr = value;
      break;
    }
  update (d);
}

static uint8_t
read_chip (Pic *d, int which, uint16_t offset)
{
  Chip *c = &d->chip[which];
  int line;

  if (c->poll)
    {
      c->poll = 0;
      line = pending (d, which);
      if (line < 0)
        return 0;
      acknowledge_line (c, line);
      update (d);
      return (uint8_t) (0x80 | line);
    }
  if (offset == 1)
    return c->imr;
  return c->read_isr ? c->isr : c->irr;
}

static uint32_t
master_read (void *opaque, uint16_t offset, unsigned size)
{
  return read_chip (opaque, 0, offset);
}

static uint32_t
slave_read (void *opaque, uint16_t offset, unsigned size)
{
  return read_chip (opaque, 1, offset);
}

static void
write_chip (Pic *d, int which, uint16_t offset, uint8_t value)
{
  if (offset == 0)
    write_command (d, &d->chip[which], value);
  else
    write_data (d, &d->chip[which], value);
}

static void
master_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  write_chip (opaque, 0, offset, (uint8_t) value);
}

static void
slave_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  write_chip (opaque, 1, offset, (uint8_t) value);
}

static uint32_t
elcr_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((Pic *) opaque)->chip[offset & 1].elcr;
}

static void
elcr_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Pic *d = opaque;
  Chip *c = &d->chip[offset & 1];
  uint8_t levels = (uint8_t) value & elcr_mask (offset & 1);

  /* What becomes level-triggered asks for as long as its line is driven. */
  c->irr = (uint8_t) ((c->irr & ~levels) | (c->lines & levels));
  c->elcr = levels;
  update (d);
}

static const PioOps master_ops = { .read = master_read, .write = master_write };
static const PioOps slave_ops = { .read = slave_read, .write = slave_write };
static const PioOps elcr_ops = { .read = elcr_read, .write = elcr_write };

static gboolean
pic_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  return bus_add_pio (env->bus, PORT_MASTER, 2, &master_ops, dev, error) &&
         bus_add_pio (env->bus, PORT_SLAVE, 2, &slave_ops, dev, error) &&
         bus_add_pio (env->bus, PORT_ELCR, 2, &elcr_ops, dev, error);
}

static void
pic_reset (Device *dev)
{
  Pic *d = (Pic *) dev;

  for (int i = 0; i < 2; i++)
    {
      d->chip[i].elcr = 0;
      init_chip (&d->chip[i]);
    }
  update (d);
}

static gboolean
pic_after_load (Device *dev, GError **error)
{
  Pic *d = (Pic *) dev;

  for (int i = 0; i < 2; i++)
    {
      if (d->chip[i].priority_add > 7 || d->chip[i].init_state > 4)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
          return FALSE;
        }
    }
  update (d);
  return TRUE;
}

static void
pic_unrealize (Device *dev)
{
  bus_remove_pio (dev->env.bus, PORT_MASTER, dev);
  bus_remove_pio (dev->env.bus, PORT_SLAVE, dev);
  bus_remove_pio (dev->env.bus, PORT_ELCR, dev);
}

/* A chip is bytes only. */
static const StateField pic_fields[] = { STATE_BYTES (Pic, chip), STATE_END };

const DeviceType pic_type = {
  .name = "i8259", .size = sizeof (Pic), .version = 1, .fields = pic_fields,
  .realize = pic_realize, .reset = pic_reset, .after_load = pic_after_load, .unrealize = pic_unrealize
};

void
pic_get_registers (Device *dev, PicRegisters out[2])
{
  for (int i = 0; i < 2; i++)
    out[i] = ((Pic *) dev)->chip[i];
}

void
pic_set_registers (Device *dev, const PicRegisters in[2])
{
  Pic *d = (Pic *) dev;

  for (int i = 0; i < 2; i++)
    {
      d->chip[i] = in[i];
      d->chip[i].priority_add &= 7;
      d->chip[i].elcr &= elcr_mask (i);
    }
  update (d);
}

void
pic_set_output (Device *dev, IrqLine intr)
{
  ((Pic *) dev)->intr = intr;
}
