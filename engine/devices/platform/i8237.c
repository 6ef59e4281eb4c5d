/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two 8237 DMA controllers, the second cascaded through channel 4, and the
 * page registers that extend addresses to 24 bits.
 * Specification: Intel 8237A data sheet (231466-005); page registers: Intel
 * 82371SB data sheet, section 2.5.1.
 */

#include "engine/devices/platform/i8237.h"

#include <string.h>

enum
{
  PORT_DMA1 = 0x00, PORT_DMA2 = 0xc0, PORT_PAGE = 0x81, PAGE_COUNT = 15, CONTROLLERS = 2, CHANNELS_EACH = 4,
  REG_STATUS = 8, REG_COMMAND = 8, REG_REQUEST = 9, REG_MASK = 10, REG_MODE = 11, REG_CLEAR_POINTER = 12,
  REG_MASTER_CLEAR = 13,
  REG_TEMPORARY = 13, REG_CLEAR_MASK = 14, REG_ALL_MASK = 15,
  COMMAND_DISABLE = 1 << 2,
  MODE_TYPE_MASK = 3 << 2, MODE_WRITE = 1 << 2, MODE_READ = 2 << 2, MODE_AUTO = 1 << 4, MODE_DECREMENT = 1 << 5,
  MASK_SET = 1 << 2
};

/* Which page register belongs to a channel: offsets from 81h. */
static const uint8_t page_of_channel[DMA_CHANNELS] = { 6, 2, 0, 1, 14, 10, 8, 9 };

typedef struct
{
  uint16_t base_address, base_count, address, count;
  uint8_t mode;
} DmaChannel;

typedef struct
{
  void (*granted) (void *opaque);
  void *opaque;
} DmaClient;

typedef struct
{
  Device parent;
  struct DmaController
  {
    Device *dma;
    DmaChannel channel[CHANNELS_EACH];
    uint8_t index, command, status, mask, request, pointer;
  } controller[CONTROLLERS];
  uint8_t page[PAGE_COUNT];
  DmaClient client[DMA_CHANNELS];
} I8237;

typedef struct DmaController DmaController;

static DmaController *
controller_of (Device *dev, unsigned channel)
{
  g_assert (channel < DMA_CHANNELS);
  return &((I8237 *) dev)->controller[channel / CHANNELS_EACH];
}

static void
master_clear (DmaController *c)
{
  c->command = c->status = c->request = c->pointer = 0;
  c->mask = 0x0f;
}

/* Lets devices go on that have been waiting for their channel. */
static void
grant (DmaController *c)
{
  I8237 *d = (I8237 *) c->dma;

  for (unsigned i = 0; i < CHANNELS_EACH; i++)
    {
      unsigned channel = c->index * CHANNELS_EACH + i;
      const DmaClient *client = &d->client[channel];

      if (c->request >> i & 1 && client->granted != NULL && i8237_ready (c->dma, channel))
        client->granted (client->opaque);
    }
}

/* Addresses and counts are written and read a byte at a time; the pointer says which is next. */
static void
write_half (uint16_t *value, unsigned high, uint8_t byte)
{
  *value = high ? (uint16_t) ((*value & 0x00ff) | byte << 8) : (uint16_t) ((*value & 0xff00) | byte);
}

static void
write_register (DmaController *c, unsigned reg, uint8_t value)
{
  DmaChannel *channel = &c->channel[reg < REG_COMMAND ? reg / 2 : value & 3];
  uint8_t bit = (uint8_t) (1u << (value & 3));

  switch (reg)
    {
    case 0 ... 7:
      write_half (reg & 1 ? &channel->base_count : &channel->base_address, c->pointer, value);
      channel->address = reg & 1 ? channel->address : channel->base_address;
      channel->count = reg & 1 ? channel->base_count : channel->count;
      c->pointer ^= 1;
      return;
    case REG_COMMAND:
      c->command = value;
      break;
    case REG_REQUEST: /* by software: only for transfers between memory, which a PC does not have */
      return;
    case REG_MASK:
      c->mask = value & MASK_SET ? c->mask | bit : c->mask & (uint8_t) ~bit;
      break;
    case REG_MODE:
      channel->mode = value;
      break;
    case REG_CLEAR_POINTER:
      c->pointer = 0;
      return;
    case REG_MASTER_CLEAR:
      {
        uint8_t request = c->request;

        master_clear (c);
        c->request = request; /* the devices' lines */
      }
      return;
    case REG_CLEAR_MASK:
      c->mask = 0;
      break;
    default:
      c->mask = value & 0x0f;
      break;
    }
  grant (c);
}

static uint8_t
read_register (DmaController *c, unsigned reg)
{
  const DmaChannel *channel = &c->channel[reg / 2 & 3];
  uint8_t value;

  switch (reg)
    {
    case 0 ... 7:
      value = (uint8_t) ((reg & 1 ? channel->count : channel->address) >> (c->pointer ? 8 : 0));
      c->pointer ^= 1;
      return value;
    case REG_STATUS:
      value = (uint8_t) (c->status | c->request << 4);
      c->status = 0; /* terminal counts are told once */
      return value;
    case REG_ALL_MASK:
      return c->mask | 0xf0;
    case REG_TEMPORARY:
      return 0;
    default:
      return 0xff;
    }
}

static uint32_t
dma1_read (void *opaque, uint16_t offset, unsigned size)
{
  return read_register (opaque, offset);
}

static void
dma1_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  write_register (opaque, offset, (uint8_t) value);
}

/* The second controller's registers lie at even ports, each again at the odd one. */
static uint32_t
dma2_read (void *opaque, uint16_t offset, unsigned size)
{
  return read_register (opaque, offset / 2);
}

static void
dma2_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  write_register (opaque, offset / 2, (uint8_t) value);
}

static uint32_t
page_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((I8237 *) opaque)->page[offset];
}

static void
page_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((I8237 *) opaque)->page[offset] = (uint8_t) value;
}

static const PioOps dma1_ops = { .read = dma1_read, .write = dma1_write };
static const PioOps dma2_ops = { .read = dma2_read, .write = dma2_write };
static const PioOps page_ops = { .read = page_read, .write = page_write };

/* Transfers */

void
i8237_connect (Device *dev, unsigned channel, void (*granted) (void *opaque), void *opaque)
{
  g_assert (channel < DMA_CHANNELS);
  ((I8237 *) dev)->client[channel] = (DmaClient) { granted, opaque };
}

void
i8237_set_request (Device *dev, unsigned channel, gboolean level)
{
  DmaController *c = controller_of (dev, channel);
  uint8_t bit = (uint8_t) (1u << (channel % CHANNELS_EACH));

  c->request = level ? c->request | bit : c->request & (uint8_t) ~bit;
}

gboolean
i8237_ready (Device *dev, unsigned channel)
{
  const DmaController *c = controller_of (dev, channel);

  return !(c->command & COMMAND_DISABLE) && !(c->mask >> (channel % CHANNELS_EACH) & 1);
}

uint32_t
i8237_remaining (Device *dev, unsigned channel)
{
  return (controller_of (dev, channel)->channel[channel % CHANNELS_EACH].count + 1u) << (channel >= CHANNELS_EACH);
}

static void
finish (DmaController *c, unsigned index)
{
  DmaChannel *ch = &c->channel[index];

  c->status |= (uint8_t) (1u << index);
  if (ch->mode & MODE_AUTO)
    {
      ch->address = ch->base_address;
      ch->count = ch->base_count;
    }
  else
    c->mask |= (uint8_t) (1u << index);
}

/* Moves one run of units that lies within the page and ends at terminal count at the latest; returns its units. */
static uint32_t
move_run (I8237 *d, unsigned channel, uint8_t *to_device, const uint8_t *to_memory, uint32_t units)
{
  DmaController *c = &d->controller[channel / CHANNELS_EACH];
  DmaChannel *ch = &c->channel[channel % CHANNELS_EACH];
  unsigned shift = channel >= CHANNELS_EACH;
  uint32_t page = d->page[page_of_channel[channel]], run, bytes;
  uint64_t gpa = ((uint64_t) (shift ? page & 0xfe : page) << 16) + ((uint32_t) ch->address << shift);

  run = MIN (units, ch->count + 1u);
  /* Downwards the order of the units turns round: one at a time. */
  run = ch->mode & MODE_DECREMENT ? 1u : MIN (run, (uint32_t) (0x10000 - ch->address));
  bytes = run << shift;
  if (to_memory != NULL && (ch->mode & MODE_TYPE_MASK) == MODE_WRITE)
    guest_memory_write (d->parent.env.memory, gpa, to_memory, bytes);
  else if (to_device != NULL && (ch->mode & MODE_TYPE_MASK) == MODE_READ)
    guest_memory_read (d->parent.env.memory, gpa, to_device, bytes);
  ch->address = (uint16_t) (ch->mode & MODE_DECREMENT ? ch->address - 1u : ch->address + run);
  ch->count = (uint16_t) (ch->count - run);
  return run;
}

static uint32_t
transfer (Device *dev, unsigned channel, uint8_t *to_device, const uint8_t *to_memory, uint32_t length,
          gboolean *terminal_count)
{
  I8237 *d = (I8237 *) dev;
  DmaController *c = controller_of (dev, channel);
  unsigned index = channel % CHANNELS_EACH, shift = channel >= CHANNELS_EACH;
  uint32_t left = length >> shift, done = 0;

  *terminal_count = FALSE;
  while (left > 0 && !*terminal_count && i8237_ready (dev, channel))
    {
      uint32_t remaining = c->channel[index].count + 1u;
      uint32_t run = move_run (d, channel, to_device != NULL ? to_device + done : NULL,
                               to_memory != NULL ? to_memory + done : NULL, left);

      left -= run;
      done += run << shift;
      if (run == remaining)
        {
          finish (c, index);
          *terminal_count = TRUE;
        }
    }
  return done;
}

uint32_t
i8237_to_memory (Device *dev, unsigned channel, const uint8_t *data, uint32_t length, gboolean *terminal_count)
{
  return transfer (dev, channel, NULL, data, length, terminal_count);
}

uint32_t
i8237_from_memory (Device *dev, unsigned channel, uint8_t *data, uint32_t length, gboolean *terminal_count)
{
  memset (data, 0xff, length);
  return transfer (dev, channel, data, NULL, length, terminal_count);
}

/* The device */

static gboolean
i8237_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  I8237 *d = (I8237 *) dev;

  for (unsigned i = 0; i < CONTROLLERS; i++)
    {
      d->controller[i].dma = dev;
      d->controller[i].index = (uint8_t) i;
    }
  return bus_add_pio (env->bus, PORT_DMA1, 16, &dma1_ops, &d->controller[0], error) &&
         bus_add_pio (env->bus, PORT_DMA2, 32, &dma2_ops, &d->controller[1], error) &&
         bus_add_pio (env->bus, PORT_PAGE, PAGE_COUNT, &page_ops, d, error);
}

static void
i8237_reset (Device *dev)
{
  for (unsigned i = 0; i < CONTROLLERS; i++)
    master_clear (&((I8237 *) dev)->controller[i]);
}

static gboolean
i8237_after_load (Device *dev, GError **error)
{
  for (unsigned i = 0; i < CONTROLLERS; i++)
    ((I8237 *) dev)->controller[i].pointer &= 1;
  return TRUE;
}

static void
i8237_unrealize (Device *dev)
{
  I8237 *d = (I8237 *) dev;

  bus_remove_pio (dev->env.bus, PORT_DMA1, &d->controller[0]);
  bus_remove_pio (dev->env.bus, PORT_DMA2, &d->controller[1]);
  bus_remove_pio (dev->env.bus, PORT_PAGE, d);
}

#define CHANNEL_FIELDS(c, n) \
  STATE_U16 (I8237, controller[c].channel[n].base_address), STATE_U16 (I8237, controller[c].channel[n].base_count), \
  STATE_U16 (I8237, controller[c].channel[n].address), STATE_U16 (I8237, controller[c].channel[n].count), \
  STATE_U8 (I8237, controller[c].channel[n].mode)
#define CONTROLLER_FIELDS(c) \
  CHANNEL_FIELDS (c, 0), CHANNEL_FIELDS (c, 1), CHANNEL_FIELDS (c, 2), CHANNEL_FIELDS (c, 3), \
  STATE_U8 (I8237, controller[c].command), STATE_U8 (I8237, controller[c].status), STATE_U8 (I8237, \
                                                                                             controller[c].mask), \
  STATE_U8 (I8237, controller[c].request), STATE_U8 (I8237, controller[c].pointer)

static const StateField i8237_fields[] = { CONTROLLER_FIELDS (0), CONTROLLER_FIELDS (1), STATE_BYTES (I8237, page),
                                           STATE_END };

const DeviceType i8237_type = {
  .name = "i8237", .size = sizeof (I8237), .version = 1, .fields = i8237_fields, .realize = i8237_realize,
  .reset = i8237_reset,
  .after_load = i8237_after_load, .unrealize = i8237_unrealize
};
