/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMware's backdoor port 5658h, as far as its absolute pointer goes.
 * Specification: open-vm-tools, backdoor_def.h (commands), and the protocol as
 * drivers speak it (Linux drivers/input/mouse/vmmouse.c).
 */

#include "engine/devices/input/vmmouse.h"

#include <gio/gio.h>

enum
{
  PORT = 0x5658,
  CMD_GET_VERSION = 10, CMD_GET_MEMORY_SIZE = 20, CMD_POINTER_DATA = 39, CMD_POINTER_STATUS = 40, CMD_POINTER_COMMAND = 41,
  VERSION = 6, VERSION_PRODUCT = 2 /* workstation */,
  STATUS_ERROR = 0xffff0000,
  BUTTON_LEFT = 0x20, BUTTON_RIGHT = 0x10, BUTTON_MIDDLE = 0x08,
  QUEUE_WORDS = 256, PACKET_WORDS = 4
};

#define MAGIC 0x564d5868u
#define POINTER_READ_ID 0x45414552u
#define POINTER_DISABLE 0x000000f5u
#define POINTER_RELATIVE 0x4c455252u
#define POINTER_ABSOLUTE 0x53424152u
#define POINTER_VERSION_ID 0x3442554au

typedef struct
{
  Device parent;
  Input *input;
  void (*get_registers) (void *opaque, VmPortRegisters *regs);
  void (*set_registers) (void *opaque, const VmPortRegisters *regs);
  void *registers_opaque;
  void (*notify) (void *opaque);
  void *notify_opaque;
  uint64_t memory_size;

  uint32_t queue[QUEUE_WORDS];
  uint32_t head, count;
  uint8_t enabled, absolute, buttons;
  int32_t x, y;
} VmMouse;

static void
put (VmMouse *d, uint32_t word)
{
  if (d->count == QUEUE_WORDS)
    return;
  d->queue[(d->head + d->count) % QUEUE_WORDS] = word;
  d->count++;
}

static uint32_t
take (VmMouse *d)
{
  uint32_t word = 0;

  if (d->count > 0)
    {
      word = d->queue[d->head];
      d->head = (d->head + 1) % QUEUE_WORDS;
      d->count--;
    }
  return word;
}

static void
report (VmMouse *d, int wheel)
{
  if (!d->enabled || !d->absolute || d->count + PACKET_WORDS > QUEUE_WORDS)
    return;
  put (d, (d->buttons & 1 ? BUTTON_LEFT : 0) | (d->buttons & 2 ? BUTTON_RIGHT : 0) | (d->buttons & 4 ? BUTTON_MIDDLE : 0));
  put (d, (uint32_t) d->x);
  put (d, (uint32_t) d->y);
  put (d, (uint32_t) -wheel);
  if (d->notify != NULL)
    d->notify (d->notify_opaque);
}

static void
pointer_command (VmMouse *d, uint32_t which)
{
  switch (which)
    {
    case POINTER_READ_ID:
      d->enabled = TRUE;
      d->count = d->head = 0;
      put (d, POINTER_VERSION_ID);
      break;
    case POINTER_DISABLE:
      d->enabled = d->absolute = FALSE;
      d->count = d->head = 0;
      break;
    case POINTER_ABSOLUTE:
      d->absolute = TRUE;
      break;
    case POINTER_RELATIVE:
      d->absolute = FALSE;
      break;
    default:
      break;
    }
}

static uint32_t
vmport_read (void *opaque, uint16_t offset, unsigned size)
{
  VmMouse *d = opaque;
  VmPortRegisters regs;

  if (d->get_registers == NULL)
    return 0xffffffff;
  d->get_registers (d->registers_opaque, &regs);
  if (regs.eax != MAGIC)
    return 0xffffffff;
  switch (regs.ecx & 0xffff)
    {
    case CMD_GET_VERSION:
      regs.eax = VERSION;
      regs.ebx = MAGIC;
      regs.ecx = VERSION_PRODUCT;
      break;
    case CMD_GET_MEMORY_SIZE:
      regs.eax = (uint32_t) (d->memory_size >> 20);
      break;
    case CMD_POINTER_STATUS:
      regs.eax = d->enabled ? d->count : STATUS_ERROR;
      break;
    case CMD_POINTER_COMMAND:
      pointer_command (d, regs.ebx);
      break;
    case CMD_POINTER_DATA:
      {
        uint32_t words[PACKET_WORDS] = { 0 }, wanted = regs.ebx;

        if (!d->enabled || wanted == 0 || wanted > PACKET_WORDS || wanted > d->count)
          {
            d->enabled = FALSE;
            regs.eax = STATUS_ERROR;
            break;
          }
        for (uint32_t i = 0; i < wanted; i++)
          words[i] = take (d);
        regs.eax = words[0];
        regs.ebx = words[1];
        regs.ecx = words[2];
        regs.edx = words[3];
      }
      break;
    default:
      regs.eax = 0xffffffff;
      break;
    }
  d->set_registers (d->registers_opaque, &regs);
  return regs.eax;
}

static void
vmport_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  vmport_read (opaque, offset, size);
}

static const PioOps vmport_ops = { .read = vmport_read, .write = vmport_write, .min_size = 4, .max_size = 4 };

static void
absolute (void *opaque, int x, int y, int wheel)
{
  VmMouse *d = opaque;

  d->x = x;
  d->y = y;
  report (d, wheel);
}

static void
button (void *opaque, InputButton which, gboolean down)
{
  VmMouse *d = opaque;

  if (down)
    d->buttons |= (uint8_t) (1u << which);
  else
    d->buttons &= (uint8_t) ~(1u << which);
  report (d, 0);
}

static gboolean
absolute_active (void *opaque)
{
  VmMouse *d = opaque;

  return d->enabled && d->absolute;
}

static gboolean
pending (void *opaque)
{
  return absolute_active (opaque) && ((VmMouse *) opaque)->count > 0;
}

static const InputSink input_sink = {
  .absolute = absolute, .button = button, .absolute_active = absolute_active, .pending = pending
};

static gboolean
vmmouse_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  VmMouse *d = (VmMouse *) dev;

  if (!bus_add_pio (env->bus, PORT, 4, &vmport_ops, d, error))
    return FALSE;
  if (d->input != NULL)
    input_add_sink (d->input, &input_sink, d);
  return TRUE;
}

static void
vmmouse_reset (Device *dev)
{
  VmMouse *d = (VmMouse *) dev;

  d->head = d->count = 0;
  d->enabled = d->absolute = d->buttons = 0;
  d->x = d->y = 0;
}

static gboolean
vmmouse_after_load (Device *dev, GError **error)
{
  VmMouse *d = (VmMouse *) dev;

  if (d->head < QUEUE_WORDS && d->count <= QUEUE_WORDS)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
  return FALSE;
}

static void
vmmouse_unrealize (Device *dev)
{
  VmMouse *d = (VmMouse *) dev;

  if (d->input != NULL)
    input_remove_sink (d->input, d);
  bus_remove_pio (dev->env.bus, PORT, d);
}

static const StateField vmmouse_fields[] = {
  STATE_U32 (VmMouse, queue), STATE_U32 (VmMouse, head), STATE_U32 (VmMouse, count), STATE_U8 (VmMouse, enabled),
  STATE_U8 (VmMouse, absolute), STATE_U8 (VmMouse, buttons), STATE_I32 (VmMouse, x), STATE_I32 (VmMouse, y),
  STATE_END
};

const DeviceType vmmouse_type = {
  .name = "vmmouse", .size = sizeof (VmMouse), .version = 1, .fields = vmmouse_fields,
  .realize = vmmouse_realize, .reset = vmmouse_reset, .after_load = vmmouse_after_load, .unrealize = vmmouse_unrealize
};

void
vmmouse_set_input (Device *dev, Input *input)
{
  ((VmMouse *) dev)->input = input;
}

void
vmmouse_set_registers (Device *dev, void (*get) (void *opaque, VmPortRegisters *regs),
                       void (*set) (void *opaque, const VmPortRegisters *regs), void *opaque)
{
  VmMouse *d = (VmMouse *) dev;

  d->get_registers = get;
  d->set_registers = set;
  d->registers_opaque = opaque;
}

void
vmmouse_set_notify (Device *dev, void (*notify) (void *opaque), void *opaque)
{
  ((VmMouse *) dev)->notify = notify;
  ((VmMouse *) dev)->notify_opaque = opaque;
}

void
vmmouse_set_memory_size (Device *dev, uint64_t bytes)
{
  ((VmMouse *) dev)->memory_size = bytes;
}
