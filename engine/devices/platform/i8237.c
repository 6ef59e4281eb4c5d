/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two cascaded 8237A DMA controllers and the PC/AT's page registers.
 * Specification: Intel 8237A data sheet (231466-005); IBM PC/AT Technical
 * Reference, DMA page registers.
 */

#include "engine/devices/platform/i8237.h"

enum
{
  PORT_FIRST = 0x00, PORT_PAGES = 0x81, PAGE_COUNT = 15, PORT_SECOND = 0xc0, CHANNELS = 4,
  REG_STATUS = 8, REG_REQUEST, REG_MASK, REG_MODE, REG_CLEAR_FLIP_FLOP, REG_RESET, REG_CLEAR_MASK, REG_WRITE_MASK,
  REG_COMMAND = REG_STATUS, MODE_DIRECTION = 3 << 2, MODE_TO_MEMORY = 1 << 2, MODE_FROM_MEMORY = 2 << 2, MODE_VERIFY = 0,
  MODE_AUTO_INIT = 1 << 4, MODE_DECREMENT = 1 << 5
};

typedef struct
{
  uint16_t base_address, base_count, address, count;
  uint8_t mode;
} Channel;

typedef struct
{
  Channel channels[CHANNELS];
  uint8_t command, mask, status, flip_flop;
} Controller;

typedef struct
{
  Device parent;
  Controller controllers[2];
  uint8_t pages[PAGE_COUNT];
} Dma;

/* The page register of each channel, as an index into the block at 81h. */
static const uint8_t page_index[2 * CHANNELS] = { 0x87 - 0x81, 0x83 - 0x81, 0x81 - 0x81, 0x82 - 0x81,
                                                  0x8f - 0x81, 0x8b - 0x81, 0x89 - 0x81, 0x8a - 0x81 };

static uint8_t
flip (Controller *c)
{
  c->flip_flop ^= 1;
  return c->flip_flop ^ 1;
}

static uint32_t
controller_read (Controller *c, unsigned reg)
{
  Channel *ch;
  uint16_t value;

  if (reg < REG_STATUS)
    {
      ch = &c->channels[reg / 2];
      value = reg & 1 ? ch->count : ch->address;
      return flip (c) ? value >> 8 : value & 0xff;
    }
  if (reg == REG_STATUS)
    {
      uint8_t status = c->status;

      c->status &= 0xf0;
      return status;
    }
  if (reg == REG_WRITE_MASK)
    return c->mask | 0xf0u;
  return 0;
}

static void
set_byte (uint16_t *base, uint16_t *now, gboolean high, uint8_t value)
{
  *base = (uint16_t) (high ? (*base & 0x00ff) | value << 8 : (*base & 0xff00) | value);
  *now = *base;
}

static void
controller_write (Controller *c, unsigned reg, uint8_t value)
{
  Channel *ch;

  if (reg < REG_STATUS)
    {
      ch = &c->channels[reg / 2];
      if (reg & 1)
        set_byte (&ch->base_count, &ch->count, flip (c), value);
      else
        set_byte (&ch->base_address, &ch->address, flip (c), value);
      return;
    }
  switch (reg)
    {
    case REG_COMMAND:
      c->command = value;
      break;
    case REG_MASK:
      if (value & 4)
        c->mask |= (uint8_t) (1 << (value & 3));
      else
        c->mask &= (uint8_t) ~(1 << (value & 3));
      break;
    case REG_MODE:
      c->channels[value & 3].mode = value;
      break;
    case REG_CLEAR_FLIP_FLOP:
      c->flip_flop = 0;
      break;
    case REG_RESET:
      c->command = c->status = c->flip_flop = 0;
      c->mask = 15;
      break;
    case REG_CLEAR_MASK:
      c->mask = 0;
      break;
    case REG_WRITE_MASK:
      c->mask = value & 15;
      break;
    default:
      break; /* software requests: nothing here asks memory to move by itself */
    }
}

static uint32_t
first_read (void *opaque, uint16_t offset, unsigned size)
{
  return controller_read (&((Dma *) opaque)->controllers[0], offset);
}

static void
first_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  controller_write (&((Dma *) opaque)->controllers[0], offset, (uint8_t) value);
}

/* The second controller's registers are two ports apart. */
static uint32_t
second_read (void *opaque, uint16_t offset, unsigned size)
{
  return controller_read (&((Dma *) opaque)->controllers[1], offset / 2);
}

static void
second_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  controller_write (&((Dma *) opaque)->controllers[1], offset / 2, (uint8_t) value);
}

static uint32_t
page_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((Dma *) opaque)->pages[offset];
}

static void
page_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((Dma *) opaque)->pages[offset] = (uint8_t) value;
}

static const PioOps first_ops = { .read = first_read, .write = first_write };
static const PioOps second_ops = { .read = second_read, .write = second_write };
static const PioOps page_ops = { .read = page_read, .write = page_write };

size_t
i8237_transfer (Device *dev, unsigned channel, void *buffer, size_t length, gboolean to_memory, gboolean *terminal)
{
  Dma *d = (Dma *) dev;
  Controller *c = &d->controllers[channel / CHANNELS & 1];
  Channel *ch = &c->channels[channel % CHANNELS];
  unsigned direction = ch->mode & MODE_DIRECTION, width = channel >= CHANNELS ? 2 : 1;
  uint8_t bit = (uint8_t) (1 << (channel % CHANNELS)), *bytes = buffer;
  uint32_t page = d->pages[page_index[channel % (2 * CHANNELS)]];
  size_t moved = 0;

  *terminal = FALSE;
  if (c->mask & bit || c->command & 4 || (direction != MODE_VERIFY && direction != (to_memory ? MODE_TO_MEMORY : MODE_FROM_MEMORY)))
    return 0;
  while (moved + width <= length)
    {
      uint32_t at = width == 1 ? page << 16 | ch->address : (page & 0xfe) << 16 | (uint32_t) ch->address << 1;

      if (direction != MODE_VERIFY)
        {
          if (to_memory)
            guest_memory_write (dev->env.memory, at, bytes + moved, width);
          else
            guest_memory_read (dev->env.memory, at, bytes + moved, width);
        }
      moved += width;
      ch->address = (uint16_t) (ch->mode & MODE_DECREMENT ? ch->address - 1 : ch->address + 1);
      if (ch->count-- == 0)
        {
          *terminal = TRUE;
          c->status |= bit;
          if (ch->mode & MODE_AUTO_INIT)
            {
              ch->address = ch->base_address;
              ch->count = ch->base_count;
            }
          else
            c->mask |= bit;
          break;
        }
    }
  return moved;
}

static gboolean
i8237_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  return bus_add_pio (env->bus, PORT_FIRST, 16, &first_ops, dev, error) &&
         bus_add_pio (env->bus, PORT_PAGES, PAGE_COUNT, &page_ops, dev, error) &&
         bus_add_pio (env->bus, PORT_SECOND, 32, &second_ops, dev, error);
}

static void
i8237_reset (Device *dev)
{
  Dma *d = (Dma *) dev;

  for (int i = 0; i < 2; i++)
    controller_write (&d->controllers[i], REG_RESET, 0);
}

static void
i8237_unrealize (Device *dev)
{
  bus_remove_pio (dev->env.bus, PORT_FIRST, dev);
  bus_remove_pio (dev->env.bus, PORT_PAGES, dev);
  bus_remove_pio (dev->env.bus, PORT_SECOND, dev);
}

#define CHANNEL_FIELDS(i, j) \
  STATE_U16 (Dma, controllers[i].channels[j].base_address), STATE_U16 (Dma, controllers[i].channels[j].base_count), \
  STATE_U16 (Dma, controllers[i].channels[j].address), STATE_U16 (Dma, controllers[i].channels[j].count), \
  STATE_U8 (Dma, controllers[i].channels[j].mode)
#define CONTROLLER_FIELDS(i) \
  CHANNEL_FIELDS (i, 0), CHANNEL_FIELDS (i, 1), CHANNEL_FIELDS (i, 2), CHANNEL_FIELDS (i, 3), \
  STATE_U8 (Dma, controllers[i].command), STATE_U8 (Dma, controllers[i].mask), STATE_U8 (Dma, controllers[i].status), \
  STATE_U8 (Dma, controllers[i].flip_flop)

static const StateField i8237_fields[] = { CONTROLLER_FIELDS (0), CONTROLLER_FIELDS (1), STATE_U8 (Dma, pages), STATE_END };

const DeviceType i8237_type = {
  .name = "i8237", .size = sizeof (Dma), .version = 1, .fields = i8237_fields,
  .realize = i8237_realize, .reset = i8237_reset, .unrealize = i8237_unrealize
};
