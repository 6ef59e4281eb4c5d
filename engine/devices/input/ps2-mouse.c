/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The PS/2 mouse: three buttons, or with a wheel (IntelliMouse, ID 3), or with
 * five buttons and a wheel (IntelliMouse Explorer, ID 4).
 * Specification: IBM PS/2 Hardware Interface Technical Reference, auxiliary
 * device; Microsoft's IntelliMouse extensions.
 */

#include "engine/devices/input/ps2.h"

#include <string.h>

enum
{
  CMD_SCALING1 = 0xe6, CMD_SCALING2 = 0xe7, CMD_RESOLUTION = 0xe8, CMD_STATUS = 0xe9, CMD_STREAM = 0xea, CMD_READ = 0xeb,
  CMD_RESET_WRAP = 0xec, CMD_WRAP = 0xee, CMD_REMOTE = 0xf0, CMD_IDENTIFY = 0xf2, CMD_RATE = 0xf3, CMD_ENABLE = 0xf4,
  CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_RESEND = 0xfe, CMD_RESET = 0xff,
  REPLY_ACK = 0xfa, REPLY_ERROR = 0xfc, REPLY_BAT_OK = 0xaa,
  ID_PLAIN = 0, ID_WHEEL = 3, ID_EXPLORER = 4,
  DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2,
  PACKET_MAX = 4, DELTA_MAX = 255, WHEEL_MAX = 7,
  /* Room kept for command replies, so that movement never crowds them out. */
  REPLY_ROOM = 16
};

static void
put_byte (Ps2Mouse *mouse, uint8_t byte)
{
  mouse->last_sent = byte;
  ps2_queue_put (&mouse->queue, byte);
  mouse->ready (mouse->opaque);
}

static void
set_defaults (Ps2Mouse *mouse)
{
  mouse->rate = DEFAULT_RATE;
  mouse->resolution = DEFAULT_RESOLUTION;
  mouse->scaling2 = mouse->remote = mouse->wrap = mouse->reporting = 0;
  mouse->command = 0;
  mouse->dx = mouse->dy = mouse->dz = 0;
}

void
ps2_mouse_reset (Ps2Mouse *mouse)
{
  memset (&mouse->queue, 0, sizeof mouse->queue);
  set_defaults (mouse);
  mouse->type = ID_PLAIN;
  memset (mouse->rates, 0, sizeof mouse->rates);
  mouse->buttons = 0;
  mouse->last_sent = 0;
}

static void
put_packet (Ps2Mouse *mouse)
{
  int dx = CLAMP (mouse->dx, -DELTA_MAX, DELTA_MAX), dy = CLAMP (-mouse->dy, -DELTA_MAX, DELTA_MAX);
  int dz = CLAMP (mouse->dz, -WHEEL_MAX, WHEEL_MAX);

  mouse->dx -= dx;
  mouse->dy += dy;
  mouse->dz -= dz;
  ps2_queue_put (&mouse->queue, (uint8_t) (0x08 | (mouse->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)));
  ps2_queue_put (&mouse->queue, (uint8_t) dx);
  ps2_queue_put (&mouse->queue, (uint8_t) dy);
  /* The wheel counts towards the user. */
  if (mouse->type == ID_WHEEL)
    ps2_queue_put (&mouse->queue, (uint8_t) -dz);
  else if (mouse->type == ID_EXPLORER)
    ps2_queue_put (&mouse->queue, (uint8_t) ((-dz & 0x0f) | (mouse->buttons & 0x18) << 1));
  else
    mouse->dz = 0;
  mouse->ready (mouse->opaque);
}

static gboolean
may_report (const Ps2Mouse *mouse)
{
  return mouse->reporting && !mouse->remote && !mouse->wrap && ps2_queue_free (&mouse->queue) >= PACKET_MAX + REPLY_ROOM;
}

void
ps2_mouse_flush (Ps2Mouse *mouse)
{
  while ((mouse->dx != 0 || mouse->dy != 0 || mouse->dz != 0) && may_report (mouse))
    put_packet (mouse);
}

static int
bounded (int distance)
{
  enum { BACKLOG = 1 << 16 };

  return CLAMP (distance, -BACKLOG, BACKLOG);
}

void
ps2_mouse_loaded (Ps2Mouse *mouse)
{
  mouse->dx = bounded (mouse->dx);
  mouse->dy = bounded (mouse->dy);
  mouse->dz = bounded (mouse->dz);
}

void
ps2_mouse_move (Ps2Mouse *mouse, int dx, int dy, int wheel)
{
  if (!mouse->reporting && !mouse->remote)
    return;
  mouse->dx = bounded (mouse->dx + bounded (dx));
  mouse->dy = bounded (mouse->dy + bounded (dy));
  mouse->dz = bounded (mouse->dz + bounded (wheel));
  ps2_mouse_flush (mouse);
}

void
ps2_mouse_button (Ps2Mouse *mouse, unsigned button, gboolean down)
{
  if (button > 4)
    return;
  if (down)
    mouse->buttons |= (uint8_t) (1 << button);
  else
    mouse->buttons &= (uint8_t) ~(1 << button);
  if (may_report (mouse))
    put_packet (mouse);
}

/* Three sample rates in a row make another mouse of it. */
static void
take_rate (Ps2Mouse *mouse, uint8_t value)
{
  mouse->rate = value;
  mouse->rates[0] = mouse->rates[1];
  mouse->rates[1] = mouse->rates[2];
  mouse->rates[2] = value;
  if (mouse->rates[0] == 200 && mouse->rates[1] == 100 && mouse->rates[2] == 80)
    mouse->type = ID_WHEEL;
  else if (mouse->rates[0] == 200 && mouse->rates[1] == 200 && mouse->rates[2] == 80)
    mouse->type = ID_EXPLORER;
}

void
ps2_mouse_write (Ps2Mouse *mouse, uint8_t value)
{
  uint8_t command = mouse->command;

  if (mouse->wrap && value != CMD_RESET && value != CMD_RESET_WRAP)
    {
      put_byte (mouse, value);
      return;
    }
  mouse->command = 0;
  if (command == CMD_RATE)
    {
      take_rate (mouse, value);
      put_byte (mouse, REPLY_ACK);
      return;
    }
  if (command == CMD_RESOLUTION)
    {
      mouse->resolution = value & 3;
      put_byte (mouse, REPLY_ACK);
      return;
    }

  switch (value)
    {
    case CMD_RATE:
    case CMD_RESOLUTION:
      mouse->command = value;
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_SCALING1:
    case CMD_SCALING2:
      mouse->scaling2 = value == CMD_SCALING2;
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_STATUS:
      put_byte (mouse, REPLY_ACK);
      put_byte (mouse, (uint8_t) ((mouse->remote << 6) | (mouse->reporting << 5) | (mouse->scaling2 << 4) |
                                  (mouse->buttons & 1) << 2 | (mouse->buttons & 4) >> 1 | (mouse->buttons & 2) >> 1));
      put_byte (mouse, mouse->resolution);
      put_byte (mouse, mouse->rate);
      break;
    case CMD_STREAM:
    case CMD_REMOTE:
      mouse->remote = value == CMD_REMOTE;
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_READ:
      put_byte (mouse, REPLY_ACK);
      put_packet (mouse);
      break;
    case CMD_WRAP:
    case CMD_RESET_WRAP:
      mouse->wrap = value == CMD_WRAP;
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_IDENTIFY:
      put_byte (mouse, REPLY_ACK);
      put_byte (mouse, mouse->type);
      break;
    case CMD_ENABLE:
    case CMD_DISABLE:
      mouse->reporting = value == CMD_ENABLE;
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_DEFAULTS:
      set_defaults (mouse);
      put_byte (mouse, REPLY_ACK);
      break;
    case CMD_RESEND:
      put_byte (mouse, mouse->last_sent);
      break;
    case CMD_RESET:
      ps2_mouse_reset (mouse);
      put_byte (mouse, REPLY_ACK);
      put_byte (mouse, REPLY_BAT_OK);
      put_byte (mouse, ID_PLAIN);
      break;
    default:
      put_byte (mouse, REPLY_ERROR);
      break;
    }
}
