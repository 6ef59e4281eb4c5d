/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 8042 keyboard controller: two serial lines, scan code translation, the
 * A20 gate and the reset line; and the PS/2's system control port A (92h).
 * Specification: IBM PS/2 Hardware Interface Technical Reference, keyboard and
 * auxiliary device controller.
 */

#include "engine/devices/platform/i8042.h"

#include "engine/devices/input/ps2.h"

#include <gio/gio.h>

enum { PORT_DATA = 0x60, PORT_COMMAND = 0x64, PORT_A = 0x92 };

enum
{
  STATUS_OBF = 1 << 0, STATUS_SYSTEM = 1 << 2, STATUS_COMMAND = 1 << 3, STATUS_UNLOCKED = 1 << 4, STATUS_AUX = 1 << 5,
  MODE_KBD_INT = 1 << 0, MODE_AUX_INT = 1 << 1, MODE_SYSTEM = 1 << 2, MODE_KBD_OFF = 1 << 4, MODE_AUX_OFF = 1 << 5,
  MODE_TRANSLATE = 1 << 6,
  OUTPUT_RESET = 1 << 0, OUTPUT_A20 = 1 << 1, OUTPUT_KBD_OBF = 1 << 4, OUTPUT_AUX_OBF = 1 << 5,
  PORT_A_RESET = 1 << 0, PORT_A_A20 = 1 << 1
};

enum
{
  CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, CMD_AUX_OFF = 0xa7, CMD_AUX_ON = 0xa8, CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa,
  CMD_KBD_TEST = 0xab, CMD_KBD_OFF = 0xad, CMD_KBD_ON = 0xae, CMD_READ_INPUT = 0xc0, CMD_READ_OUTPUT = 0xd0,
  CMD_WRITE_OUTPUT = 0xd1, CMD_WRITE_KBD_OBF = 0xd2, CMD_WRITE_AUX_OBF = 0xd3, CMD_WRITE_AUX = 0xd4, CMD_A20_OFF = 0xdd,
  CMD_A20_ON = 0xdf, CMD_READ_TEST = 0xe0, CMD_PULSE = 0xf0,
  RAM_SIZE = 32
};

/*
 * The devices' lines are slow (a byte takes most of a millisecond), and a keyboard keeps no more than 16 bytes: systems
 * that empty the controller rely on an end. We keep more, and send the rest after a pause.
 */
enum { BURST_BYTES = 16, PAUSE_NS = 10000000 };

/* Whose line a reply of the controller seems to come from. */
enum { FROM_CONTROLLER, FROM_KEYBOARD, FROM_MOUSE };

typedef struct
{
  Device parent;
  Input *input;
  void (*set_a20) (void *opaque, gboolean enabled);
  void *a20_opaque;
  void (*reset_machine) (void *opaque);
  void *reset_opaque;

  Ps2Keyboard keyboard;
  Ps2Mouse mouse;
  uint8_t ram[RAM_SIZE];    /* ram[0] is the mode (“command byte”) */
  uint8_t status;
  uint8_t output;           /* output buffer */
  uint8_t command;          /* waiting for its parameter */
  uint8_t a20;
  uint8_t break_prefix;     /* translation has seen F0 */
  uint8_t burst;            /* bytes of the devices since the lines were last silent */
  ClockTimer *pause;
  Ps2Queue replies;         /* the controller's own bytes, with FROM_… before each */
} I8042;

/* Scan code set 2 to set 1, as the controller's ROM has it; the rest is passed on. */
static uint8_t
translate (uint8_t code)
{
  static const uint8_t table[0x84] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41,
  };

  return code < sizeof table ? table[code] : code;
}

static void
update_interrupts (I8042 *d)
{
  gboolean full = (d->status & STATUS_OBF) != 0, aux = (d->status & STATUS_AUX) != 0;

  irq_set (&d->parent.env.isa_irq[1], full && !aux && d->ram[0] & MODE_KBD_INT);
  irq_set (&d->parent.env.isa_irq[12], full && aux && d->ram[0] & MODE_AUX_INT);
}

static void
fill (I8042 *d, uint8_t value, gboolean aux)
{
  d->output = value;
  d->status |= STATUS_OBF;
  if (aux)
    d->status |= STATUS_AUX;
  else
    d->status &= (uint8_t) ~STATUS_AUX;
  update_interrupts (d);
}

/* What the devices' lines would bring next: NULL when they are silent. */
static Ps2Queue *
next_queue (I8042 *d)
{
  gboolean keyboard = !(d->ram[0] & MODE_KBD_OFF), mouse = !(d->ram[0] & MODE_AUX_OFF);

  if (keyboard && !ps2_queue_is_empty (&d->keyboard.replies))
    return &d->keyboard.replies;
  if (keyboard && !ps2_queue_is_empty (&d->keyboard.queue))
    return &d->keyboard.queue;
  return mouse && !ps2_queue_is_empty (&d->mouse.queue) ? &d->mouse.queue : NULL;
}

static void
fill_from_keyboard (I8042 *d, uint8_t byte)
{
  if (d->ram[0] & MODE_TRANSLATE)
    {
      if (byte == 0xf0)
        {
          d->break_prefix = TRUE;
          return;
        }
      byte = (uint8_t) (translate (byte) | (d->break_prefix ? 0x80 : 0));
      d->break_prefix = FALSE;
    }
  d->burst++;
  fill (d, byte, FALSE);
}

/* Puts the next byte into an empty output buffer. */
static void
pump (I8042 *d)
{
  while (!(d->status & STATUS_OBF))
    {
      Ps2Queue *queue = next_queue (d);

      if (!ps2_queue_is_empty (&d->replies))
        {
          uint8_t source = ps2_queue_take (&d->replies);

          fill (d, ps2_queue_take (&d->replies), source == FROM_MOUSE);
          return;
        }
      if (queue == NULL)
        {
          d->burst = 0;
          return;
        }
      if (d->burst >= BURST_BYTES && queue != &d->keyboard.replies)
        {
          if (!clock_timer_armed (d->pause))
            clock_timer_arm (d->pause, clock_now (d->parent.env.clock) + PAUSE_NS);
          return;
        }
      if (queue != &d->mouse.queue)
        {
          fill_from_keyboard (d, ps2_queue_take (queue));
          continue;
        }
      d->burst++;
      fill (d, ps2_queue_take (queue), TRUE);
      ps2_mouse_flush (&d->mouse);
    }
}

static void
end_pause (void *opaque)
{
  I8042 *d = opaque;

  d->burst = 0;
  pump (d);
}

static void
reply (I8042 *d, uint8_t source, uint8_t value)
{
  if (ps2_queue_free (&d->replies) >= 2)
    {
      ps2_queue_put (&d->replies, source);
      ps2_queue_put (&d->replies, value);
    }
  pump (d);
}

static void
device_ready (void *opaque)
{
  pump (opaque);
}

static void
set_a20 (I8042 *d, gboolean enabled)
{
  d->a20 = enabled != FALSE;
  if (d->set_a20 != NULL)
    d->set_a20 (d->a20_opaque, enabled);
}

static void
request_reset (I8042 *d)
{
  if (d->reset_machine != NULL)
    d->reset_machine (d->reset_opaque);
}

static uint8_t
output_port (I8042 *d)
{
  return (uint8_t) (OUTPUT_RESET | (d->a20 ? OUTPUT_A20 : 0) |
                    (d->status & STATUS_OBF ? (d->status & STATUS_AUX ? OUTPUT_AUX_OBF : OUTPUT_KBD_OBF) : 0) | 0xcc);
}

static void
command (I8042 *d, uint8_t value)
{
  d->status |= STATUS_COMMAND;
  d->command = 0;
  switch (value)
    {
    case CMD_READ_RAM ... CMD_READ_RAM + RAM_SIZE - 1:
      reply (d, FROM_CONTROLLER, d->ram[value - CMD_READ_RAM]);
      break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM_SIZE - 1:
    case CMD_WRITE_OUTPUT:
    case CMD_WRITE_KBD_OBF:
    case CMD_WRITE_AUX_OBF:
    case CMD_WRITE_AUX:
      d->command = value;
      break;
    case CMD_AUX_OFF:
      d->ram[0] |= MODE_AUX_OFF;
      break;
    case CMD_AUX_ON:
      d->ram[0] &= (uint8_t) ~MODE_AUX_OFF;
      pump (d);
      break;
    case CMD_KBD_OFF:
      d->ram[0] |= MODE_KBD_OFF;
      break;
    case CMD_KBD_ON:
      d->ram[0] &= (uint8_t) ~MODE_KBD_OFF;
      pump (d);
      break;
    case CMD_SELF_TEST:
      d->status |= STATUS_SYSTEM;
      reply (d, FROM_CONTROLLER, 0x55);
      break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
    case CMD_READ_TEST:
      reply (d, FROM_CONTROLLER, 0);
      break;
    case CMD_READ_INPUT:
      reply (d, FROM_CONTROLLER, 0x80); /* keyboard not locked */
      break;
    case CMD_READ_OUTPUT:
      reply (d, FROM_CONTROLLER, output_port (d));
      break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
      set_a20 (d, value == CMD_A20_ON);
      break;
    case CMD_PULSE ... 0xff:
      if (!(value & OUTPUT_RESET))
        request_reset (d);
      break;
    default:
      break;
    }
}

static void
write_mode (I8042 *d, uint8_t value)
{
  d->ram[0] = value;
  if (value & MODE_SYSTEM)
    d->status |= STATUS_SYSTEM;
  else
    d->status &= (uint8_t) ~STATUS_SYSTEM;
  update_interrupts (d);
  pump (d);
}

static void
data (I8042 *d, uint8_t value)
{
  uint8_t pending = d->command;

  d->status &= (uint8_t) ~STATUS_COMMAND;
  d->command = 0;
  switch (pending)
    {
    case 0:
      /* Sending to the keyboard switches its line on. */
      d->ram[0] &= (uint8_t) ~MODE_KBD_OFF;
      ps2_keyboard_write (&d->keyboard, value);
      break;
    case CMD_WRITE_RAM:
      write_mode (d, value);
      break;
    case CMD_WRITE_OUTPUT:
      set_a20 (d, (value & OUTPUT_A20) != 0);
      if (!(value & OUTPUT_RESET))
        request_reset (d);
      break;
    case CMD_WRITE_KBD_OBF:
      reply (d, FROM_KEYBOARD, value);
      break;
    case CMD_WRITE_AUX_OBF:
      reply (d, FROM_MOUSE, value);
      break;
    case CMD_WRITE_AUX:
      d->ram[0] &= (uint8_t) ~MODE_AUX_OFF;
      ps2_mouse_write (&d->mouse, value);
      break;
    default:
      d->ram[pending - CMD_WRITE_RAM] = value;
      break;
    }
}

static uint32_t
read_data (void *opaque, uint16_t offset, unsigned size)
{
  I8042 *d = opaque;
  uint8_t value = d->output;

  if (d->status & STATUS_OBF)
    {
      d->status &= (uint8_t) ~STATUS_OBF;
      update_interrupts (d);
      pump (d);
    }
  return value;
}

static void
write_data (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  data (opaque, (uint8_t) value);
}

static uint32_t
read_status (void *opaque, uint16_t offset, unsigned size)
{
  return ((I8042 *) opaque)->status;
}

static void
write_command (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  command (opaque, (uint8_t) value);
}

static uint32_t
port_a_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((I8042 *) opaque)->a20 ? PORT_A_A20 : 0;
}

static void
port_a_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  I8042 *d = opaque;

  set_a20 (d, (value & PORT_A_A20) != 0);
  if (value & PORT_A_RESET)
    request_reset (d);
}

static const PioOps data_ops = { .read = read_data, .write = write_data };
static const PioOps command_ops = { .read = read_status, .write = write_command };
static const PioOps port_a_ops = { .read = port_a_read, .write = port_a_write };

/* Input */

static void
key (void *opaque, unsigned code, gboolean down)
{
  ps2_keyboard_key (&((I8042 *) opaque)->keyboard, code, down);
}

static void
relative (void *opaque, int dx, int dy, int wheel)
{
  ps2_mouse_move (&((I8042 *) opaque)->mouse, dx, dy, wheel);
}

static void
button (void *opaque, InputButton which, gboolean down)
{
  ps2_mouse_button (&((I8042 *) opaque)->mouse, which, down);
}

static unsigned
leds (void *opaque)
{
  return ((I8042 *) opaque)->keyboard.leds;
}

static gboolean
pending (void *opaque)
{
  I8042 *d = opaque;

  return d->status & STATUS_OBF || !ps2_queue_is_empty (&d->keyboard.queue) || !ps2_queue_is_empty (&d->mouse.queue);
}

static const InputSink input_sink = {
  .key = key, .relative = relative, .button = button, .leds = leds, .pending = pending
};

void
i8042_mouse_notify (Device *dev)
{
  Ps2Mouse *mouse = &((I8042 *) dev)->mouse;

  ps2_mouse_button (mouse, INPUT_BUTTON_LEFT, FALSE);
}

static gboolean
i8042_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  I8042 *d = (I8042 *) dev;

  if (!bus_add_pio (env->bus, PORT_DATA, 1, &data_ops, d, error) ||
      !bus_add_pio (env->bus, PORT_COMMAND, 1, &command_ops, d, error) ||
      !bus_add_pio (env->bus, PORT_A, 1, &port_a_ops, d, error))
    return FALSE;
  d->keyboard.ready = d->mouse.ready = device_ready;
  d->keyboard.opaque = d->mouse.opaque = d;
  d->pause = clock_timer_new (env->clock, end_pause, d);
  if (d->input != NULL)
    input_add_sink (d->input, &input_sink, d);
  return TRUE;
}

static void
i8042_reset (Device *dev)
{
  I8042 *d = (I8042 *) dev;

  ps2_keyboard_reset (&d->keyboard);
  ps2_mouse_reset (&d->mouse);
  memset (&d->replies, 0, sizeof d->replies);
  memset (d->ram, 0, sizeof d->ram);
  d->ram[0] = MODE_KBD_INT | MODE_AUX_INT;
  d->status = STATUS_COMMAND | STATUS_UNLOCKED;
  d->output = d->command = d->break_prefix = d->burst = 0;
  clock_timer_cancel (d->pause);
  set_a20 (d, TRUE);
  update_interrupts (d);
}

static gboolean
queue_is_valid (const Ps2Queue *queue)
{
  return queue->head < PS2_QUEUE_SIZE && queue->count <= PS2_QUEUE_SIZE;
}

static gboolean
i8042_after_load (Device *dev, GError **error)
{
  I8042 *d = (I8042 *) dev;

  if (!queue_is_valid (&d->keyboard.queue) || !queue_is_valid (&d->keyboard.replies) ||
      !queue_is_valid (&d->mouse.queue) || !queue_is_valid (&d->replies) ||
      d->keyboard.scan_set < 1 || d->keyboard.scan_set > 3 ||
      (d->command >= CMD_WRITE_RAM + RAM_SIZE && d->command < CMD_WRITE_OUTPUT) || d->command > CMD_WRITE_AUX ||
      (d->command != 0 && d->command < CMD_WRITE_RAM))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  ps2_mouse_loaded (&d->mouse);
  clock_timer_cancel (d->pause);
  if (d->burst >= BURST_BYTES)
    clock_timer_arm (d->pause, clock_now (dev->env.clock) + PAUSE_NS);
  set_a20 (d, d->a20);
  update_interrupts (d);
  return TRUE;
}

static void
i8042_unrealize (Device *dev)
{
  I8042 *d = (I8042 *) dev;

  if (d->input != NULL)
    input_remove_sink (d->input, d);
  clock_timer_free (d->pause);
  bus_remove_pio (dev->env.bus, PORT_DATA, d);
  bus_remove_pio (dev->env.bus, PORT_COMMAND, d);
  bus_remove_pio (dev->env.bus, PORT_A, d);
}

#define QUEUE_FIELDS(member) \
  STATE_BYTES (I8042, member.data), STATE_U32 (I8042, member.head), STATE_U32 (I8042, member.count)

static const StateField i8042_fields[] = {
  QUEUE_FIELDS (keyboard.queue), QUEUE_FIELDS (keyboard.replies),
  STATE_U8 (I8042, keyboard.scan_set), STATE_U8 (I8042, keyboard.command), STATE_U8 (I8042, keyboard.scanning),
  STATE_U8 (I8042, keyboard.leds), STATE_U8 (I8042, keyboard.typematic), STATE_U8 (I8042, keyboard.last_sent),
  QUEUE_FIELDS (mouse.queue),
  STATE_U8 (I8042, mouse.command), STATE_U8 (I8042, mouse.type), STATE_U8 (I8042, mouse.rates), STATE_U8 (I8042, mouse.rate),
  STATE_U8 (I8042, mouse.resolution), STATE_U8 (I8042, mouse.scaling2), STATE_U8 (I8042, mouse.remote),
  STATE_U8 (I8042, mouse.wrap), STATE_U8 (I8042, mouse.reporting), STATE_U8 (I8042, mouse.buttons),
  STATE_I32 (I8042, mouse.dx), STATE_I32 (I8042, mouse.dy), STATE_I32 (I8042, mouse.dz), STATE_U8 (I8042, mouse.last_sent),
  STATE_U8 (I8042, ram), STATE_U8 (I8042, status), STATE_U8 (I8042, output), STATE_U8 (I8042, command), STATE_U8 (I8042, a20),
  STATE_U8 (I8042, break_prefix), STATE_U8 (I8042, burst),
  QUEUE_FIELDS (replies),
  STATE_END
};

const DeviceType i8042_type = {
  .name = "i8042", .size = sizeof (I8042), .version = 2, .fields = i8042_fields,
  .realize = i8042_realize, .reset = i8042_reset, .after_load = i8042_after_load, .unrealize = i8042_unrealize
};

void
i8042_set_input (Device *dev, Input *input)
{
  ((I8042 *) dev)->input = input;
}

void
i8042_set_a20 (Device *dev, void (*callback) (void *opaque, gboolean enabled), void *opaque)
{
  ((I8042 *) dev)->set_a20 = callback;
  ((I8042 *) dev)->a20_opaque = opaque;
}

void
i8042_set_reset (Device *dev, void (*callback) (void *opaque), void *opaque)
{
  ((I8042 *) dev)->reset_machine = callback;
  ((I8042 *) dev)->reset_opaque = opaque;
}
