/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Debug ports: 402h is the log of SeaBIOS and OVMF (a read of E9h says that it
 * is there), 80h takes power-on self-test codes, F4h ends a test's machine.
 */

#include "engine/devices/platform/debug-ports.h"

#include <stdio.h>

enum { PORT_POST = 0x80, PORT_EXIT = 0xf4, PORT_LOG = 0x402, LOG_PRESENT = 0xe9 };

typedef struct
{
  Device parent;
  void (*write) (void *opaque, const uint8_t *data, size_t length);
  void *write_opaque;
  void (*exit) (void *opaque, int status);
  void *exit_opaque;
  uint8_t post;
  gboolean post_written;
} DebugPorts;

static uint32_t
log_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((DebugPorts *) opaque)->write != NULL ? LOG_PRESENT : 0xff;
}

static void
log_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  DebugPorts *d = opaque;
  uint8_t byte = (uint8_t) value;

  if (d->write != NULL)
    d->write (d->write_opaque, &byte, 1);
}

static uint32_t
post_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((DebugPorts *) opaque)->post;
}

static void
post_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  DebugPorts *d = opaque;
  char line[16];
  int length;

  /* Systems also write here just to let a microsecond pass: after the first code only changes are told. */
  if (d->post_written && d->post == (uint8_t) value)
    return;
  d->post = (uint8_t) value;
  d->post_written = TRUE;
  if (d->write == NULL)
    return;
  length = snprintf (line, sizeof line, "post %02x\n", d->post);
  d->write (d->write_opaque, (const uint8_t *) line, (size_t) length);
}

static uint32_t
exit_read (void *opaque, uint16_t offset, unsigned size)
{
  return 0;
}

static void
exit_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  DebugPorts *d = opaque;

  d->exit (d->exit_opaque, (int) ((value & 0xff) << 1 | 1) & 0xff);
}

static const PioOps log_ops = { .read = log_read, .write = log_write };
static const PioOps post_ops = { .read = post_read, .write = post_write };
static const PioOps exit_ops = { .read = exit_read, .write = exit_write, .min_size = 1, .max_size = 4 };

static gboolean
debug_ports_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  DebugPorts *d = (DebugPorts *) dev;

  return bus_add_pio (env->bus, PORT_LOG, 1, &log_ops, dev, error) && bus_add_pio (env->bus, PORT_POST, 1, &post_ops, dev, error) &&
         (d->exit == NULL || bus_add_pio (env->bus, PORT_EXIT, 4, &exit_ops, dev, error));
}

static void
debug_ports_unrealize (Device *dev)
{
  bus_remove_pio (dev->env.bus, PORT_LOG, dev);
  bus_remove_pio (dev->env.bus, PORT_POST, dev);
  bus_remove_pio (dev->env.bus, PORT_EXIT, dev);
}

static const StateField debug_ports_fields[] = { STATE_U8 (DebugPorts, post), STATE_BOOL (DebugPorts, post_written), STATE_END };

const DeviceType debug_ports_type = {
  .name = "debug-ports", .size = sizeof (DebugPorts), .version = 1, .fields = debug_ports_fields,
  .realize = debug_ports_realize, .unrealize = debug_ports_unrealize
};

void
debug_ports_set_log (Device *dev, void (*write) (void *opaque, const uint8_t *data, size_t length), void *opaque)
{
  ((DebugPorts *) dev)->write = write;
  ((DebugPorts *) dev)->write_opaque = opaque;
}

void
debug_ports_set_exit (Device *dev, void (*exit_callback) (void *opaque, int status), void *opaque)
{
  ((DebugPorts *) dev)->exit = exit_callback;
  ((DebugPorts *) dev)->exit_opaque = opaque;
}
