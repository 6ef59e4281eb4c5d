/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The PS/2 keyboard (and the queue it shares with the mouse).
 * Specification: IBM PS/2 Hardware Interface Technical Reference, keyboards
 * (101- and 102-key), commands and scan code sets 1 to 3.
 */

#include "engine/devices/input/ps2.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum
{
  CMD_SET_LEDS = 0xed, CMD_ECHO = 0xee, CMD_SCAN_SET = 0xf0, CMD_IDENTIFY = 0xf2, CMD_TYPEMATIC = 0xf3, CMD_ENABLE = 0xf4,
  CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_ALL_FIRST = 0xf7, CMD_KEY_FIRST = 0xfb, CMD_KEY_LAST = 0xfd,
  CMD_RESEND = 0xfe, CMD_RESET = 0xff,
  REPLY_ACK = 0xfa, REPLY_RESEND = 0xfe, REPLY_BAT_OK = 0xaa, REPLY_ECHO = 0xee,
  DEFAULT_TYPEMATIC = 0x2b, EXTENDED = 0x100
};

gboolean
ps2_queue_is_empty (const Ps2Queue *queue)
{
  return queue->count == 0;
}

uint32_t
ps2_queue_free (const Ps2Queue *queue)
{
  return PS2_QUEUE_SIZE - queue->count;
}

uint8_t
ps2_queue_take (Ps2Queue *queue)
{
  uint8_t byte;

  if (queue->count == 0)
    return 0;
  byte = queue->data[queue->head % PS2_QUEUE_SIZE];
  queue->head = (queue->head + 1) % PS2_QUEUE_SIZE;
  queue->count--;
  return byte;
}

void
ps2_queue_put (Ps2Queue *queue, uint8_t byte)
{
  if (queue->count == PS2_QUEUE_SIZE)
    return;
  queue->data[(queue->head + queue->count) % PS2_QUEUE_SIZE] = byte;
  queue->count++;
}

/* evdev codes to set 1: EXTENDED marks an E0 prefix. Codes below 89 that are
 * not listed are their own set 1 codes, which is where evdev's come from. */
static uint16_t
set1_code (unsigned code)
{
  switch (code)
    {
    case KEY_KPENTER: return EXTENDED | 0x1c;
    case KEY_RIGHTCTRL: return EXTENDED | 0x1d;
    case KEY_KPSLASH: return EXTENDED | 0x35;
    case KEY_SYSRQ: return EXTENDED | 0x37;
    case KEY_RIGHTALT: return EXTENDED | 0x38;
    case KEY_HOME: return EXTENDED | 0x47;
    case KEY_UP: return EXTENDED | 0x48;
    case KEY_PAGEUP: return EXTENDED | 0x49;
    case KEY_LEFT: return EXTENDED | 0x4b;
    case KEY_RIGHT: return EXTENDED | 0x4d;
    case KEY_END: return EXTENDED | 0x4f;
    case KEY_DOWN: return EXTENDED | 0x50;
    case KEY_PAGEDOWN: return EXTENDED | 0x51;
    case KEY_INSERT: return EXTENDED | 0x52;
    case KEY_DELETE: return EXTENDED | 0x53;
    case KEY_MUTE: return EXTENDED | 0x20;
    case KEY_VOLUMEDOWN: return EXTENDED | 0x2e;
    case KEY_VOLUMEUP: return EXTENDED | 0x30;
    case KEY_POWER: return EXTENDED | 0x5e;
    case KEY_SLEEP: return EXTENDED | 0x5f;
    case KEY_WAKEUP: return EXTENDED | 0x63;
    case KEY_LEFTMETA: return EXTENDED | 0x5b;
    case KEY_RIGHTMETA: return EXTENDED | 0x5c;
    case KEY_COMPOSE: return EXTENDED | 0x5d;
    case KEY_MENU: return EXTENDED | 0x5d;
    case KEY_NEXTSONG: return EXTENDED | 0x19;
    case KEY_PREVIOUSSONG: return EXTENDED | 0x10;
    case KEY_PLAYPAUSE: return EXTENDED | 0x22;
    case KEY_STOPCD: return EXTENDED | 0x24;
    case KEY_CALC: return EXTENDED | 0x21;
    case KEY_HOMEPAGE: return EXTENDED | 0x32;
    case KEY_MAIL: return EXTENDED | 0x6c;
    case KEY_RO: return 0x73;
    case KEY_KATAKANAHIRAGANA: return 0x70;
    case KEY_HENKAN: return 0x79;
    case KEY_MUHENKAN: return 0x7b;
    case KEY_YEN: return 0x7d;
    case KEY_KPCOMMA: return 0x7e;
    case KEY_HANGEUL: return 0x72;
    case KEY_HANJA: return 0x71;
    case KEY_F13: return 0x64;
    case KEY_F14: return 0x65;
    case KEY_F15: return 0x66;
    default:
      return code >= 1 && code < 89 && code != 84 && code != 85 ? (uint16_t) code : 0;
    }
}

/* Set 1 to set 2, for codes with and without prefix. */
static const uint8_t set2_from_set1[128] = {
  [0x01] = 0x76, [0x02] = 0x16, [0x03] = 0x1e, [0x04] = 0x26, [0x05] = 0x25, [0x06] = 0x2e, [0x07] = 0x36, [0x08] = 0x3d,
  [0x09] = 0x3e, [0x0a] = 0x46, [0x0b] = 0x45, [0x0c] = 0x4e, [0x0d] = 0x55, [0x0e] = 0x66, [0x0f] = 0x0d, [0x10] = 0x15,
  [0x11] = 0x1d, [0x12] = 0x24, [0x13] = 0x2d, [0x14] = 0x2c, [0x15] = 0x35, [0x16] = 0x3c, [0x17] = 0x43, [0x18] = 0x44,
  [0x19] = 0x4d, [0x1a] = 0x54, [0x1b] = 0x5b, [0x1c] = 0x5a, [0x1d] = 0x14, [0x1e] = 0x1c, [0x1f] = 0x1b, [0x20] = 0x23,
  [0x21] = 0x2b, [0x22] = 0x34, [0x23] = 0x33, [0x24] = 0x3b, [0x25] = 0x42, [0x26] = 0x4b, [0x27] = 0x4c, [0x28] = 0x52,
  [0x29] = 0x0e, [0x2a] = 0x12, [0x2b] = 0x5d, [0x2c] = 0x1a, [0x2d] = 0x22, [0x2e] = 0x21, [0x2f] = 0x2a, [0x30] = 0x32,
  [0x31] = 0x31, [0x32] = 0x3a, [0x33] = 0x41, [0x34] = 0x49, [0x35] = 0x4a, [0x36] = 0x59, [0x37] = 0x7c, [0x38] = 0x11,
  [0x39] = 0x29, [0x3a] = 0x58, [0x3b] = 0x05, [0x3c] = 0x06, [0x3d] = 0x04, [0x3e] = 0x0c, [0x3f] = 0x03, [0x40] = 0x0b,
  [0x41] = 0x83, [0x42] = 0x0a, [0x43] = 0x01, [0x44] = 0x09, [0x45] = 0x77, [0x46] = 0x7e, [0x47] = 0x6c, [0x48] = 0x75,
  [0x49] = 0x7d, [0x4a] = 0x7b, [0x4b] = 0x6b, [0x4c] = 0x73, [0x4d] = 0x74, [0x4e] = 0x79, [0x4f] = 0x69, [0x50] = 0x72,
  [0x51] = 0x7a, [0x52] = 0x70, [0x53] = 0x71, [0x54] = 0x7f, [0x55] = 0x60, [0x56] = 0x61, [0x57] = 0x78, [0x58] = 0x07,
  [0x59] = 0x0f, [0x5a] = 0x17, [0x5b] = 0x1f, [0x5c] = 0x27, [0x5d] = 0x2f, [0x5e] = 0x37, [0x5f] = 0x3f, [0x60] = 0x47,
  [0x61] = 0x4f, [0x62] = 0x56, [0x63] = 0x5e, [0x64] = 0x08, [0x65] = 0x10, [0x66] = 0x18, [0x67] = 0x20, [0x68] = 0x28,
  [0x69] = 0x30, [0x6a] = 0x38, [0x6b] = 0x40, [0x6c] = 0x48, [0x6d] = 0x50, [0x6e] = 0x57, [0x6f] = 0x6f, [0x70] = 0x13,
  [0x71] = 0x19, [0x72] = 0x39, [0x73] = 0x51, [0x74] = 0x53, [0x75] = 0x5c, [0x76] = 0x5f, [0x77] = 0x62, [0x78] = 0x63,
  [0x79] = 0x64, [0x7a] = 0x65, [0x7b] = 0x67, [0x7c] = 0x68, [0x7d] = 0x6a, [0x7e] = 0x6d, [0x7f] = 0x6e,
};

/* Set 3 has one code a key, without prefixes. */
static uint8_t
set3_code (uint16_t set1)
{
  switch (set1)
    {
    case 0x01: return 0x08;
    case 0x1d: return 0x11;
    case 0x2b: return 0x5c;
    case 0x38: return 0x19;
    case 0x3a: return 0x14;
    case 0x3b: return 0x07;
    case 0x3c: return 0x0f;
    case 0x3d: return 0x17;
    case 0x3e: return 0x1f;
    case 0x3f: return 0x27;
    case 0x40: return 0x2f;
    case 0x41: return 0x37;
    case 0x42: return 0x3f;
    case 0x43: return 0x47;
    case 0x44: return 0x4f;
    case 0x57: return 0x56;
    case 0x58: return 0x5e;
    case 0x45: return 0x76;
    case 0x46: return 0x5f;
    case 0x37: return 0x7e;
    case 0x4a: return 0x84;
    case 0x4e: return 0x7c;
    case 0x56: return 0x13;
    case EXTENDED | 0x1c: return 0x79;
    case EXTENDED | 0x1d: return 0x58;
    case EXTENDED | 0x35: return 0x77;
    case EXTENDED | 0x37: return 0x57;
    case EXTENDED | 0x38: return 0x39;
    case EXTENDED | 0x47: return 0x6e;
    case EXTENDED | 0x48: return 0x63;
    case EXTENDED | 0x49: return 0x6f;
    case EXTENDED | 0x4b: return 0x61;
    case EXTENDED | 0x4d: return 0x6a;
    case EXTENDED | 0x4f: return 0x65;
    case EXTENDED | 0x50: return 0x60;
    case EXTENDED | 0x51: return 0x6d;
    case EXTENDED | 0x52: return 0x67;
    case EXTENDED | 0x53: return 0x64;
    case EXTENDED | 0x5b: return 0x8b;
    case EXTENDED | 0x5c: return 0x8c;
    case EXTENDED | 0x5d: return 0x8d;
    default:
      return set1 & EXTENDED ? 0 : set2_from_set1[set1 & 0x7f];
    }
}

static void
put (Ps2Keyboard *kbd, const uint8_t *bytes, unsigned count)
{
  /* What does not fit is lost whole. */
  if (ps2_queue_free (&kbd->queue) < count)
    return;
  for (unsigned i = 0; i < count; i++)
    ps2_queue_put (&kbd->queue, bytes[i]);
  kbd->ready (kbd->opaque);
}

static void
put_byte (Ps2Keyboard *kbd, uint8_t byte)
{
  kbd->last_sent = byte;
  ps2_queue_put (&kbd->replies, byte);
  kbd->ready (kbd->opaque);
}

void
ps2_keyboard_key (Ps2Keyboard *kbd, unsigned evdev_code, gboolean down)
{
  uint16_t code = set1_code (evdev_code);
  uint8_t bytes[8], base, translated;
  unsigned n = 0;

  if (!kbd->scanning)
    return;
  if (evdev_code == KEY_PAUSE)
    {
      /* Pause has no release; it sends both at once. */
      static const uint8_t set1[] = { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5 };
      static const uint8_t set2[] = { 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77 };
      static const uint8_t set3[] = { 0x62 };

      if (!down)
        return;
      if (kbd->scan_set == 1)
        put (kbd, set1, sizeof set1);
      else if (kbd->scan_set == 2)
        put (kbd, set2, sizeof set2);
      else
        put (kbd, set3, sizeof set3);
      return;
    }
  if (code == 0)
    return;
  base = code & 0x7f;
  switch (kbd->scan_set)
    {
    case 1:
      if (code & EXTENDED)
        bytes[n++] = 0xe0;
      bytes[n++] = (uint8_t) (base | (down ? 0 : 0x80));
      break;
    case 2:
      translated = set2_from_set1[base];
      if (translated == 0)
        return;
      if (code & EXTENDED)
        bytes[n++] = 0xe0;
      if (!down)
        bytes[n++] = 0xf0;
      bytes[n++] = translated;
      break;
    default:
      translated = set3_code (code);
      if (translated == 0)
        return;
      if (!down)
        bytes[n++] = 0xf0;
      bytes[n++] = translated;
      break;
    }
  put (kbd, bytes, n);
}

static void
set_defaults (Ps2Keyboard *kbd)
{
  memset (&kbd->queue, 0, sizeof kbd->queue);
  kbd->scan_set = 2;
  kbd->typematic = DEFAULT_TYPEMATIC;
  kbd->command = 0;
}

void
ps2_keyboard_reset (Ps2Keyboard *kbd)
{
  memset (&kbd->replies, 0, sizeof kbd->replies);
  set_defaults (kbd);
  kbd->scanning = TRUE;
  kbd->leds = 0;
  kbd->last_sent = 0;
}

static void
take_parameter (Ps2Keyboard *kbd, uint8_t value)
{
  uint8_t command = kbd->command;

  kbd->command = 0;
  switch (command)
    {
    case CMD_SET_LEDS:
      kbd->leds = value & 7;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_TYPEMATIC:
      kbd->typematic = value & 0x7f;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_SCAN_SET:
      if (value > 3)
        {
          put_byte (kbd, REPLY_RESEND);
          break;
        }
      put_byte (kbd, REPLY_ACK);
      if (value == 0)
        put_byte (kbd, kbd->scan_set);
      else
        kbd->scan_set = value;
      break;
    default: /* per-key settings of set 3 */
      put_byte (kbd, REPLY_ACK);
      break;
    }
}

void
ps2_keyboard_write (Ps2Keyboard *kbd, uint8_t value)
{
  /* A new command cancels one that waits for its parameter. */
  if (kbd->command != 0 && value < CMD_SET_LEDS)
    {
      take_parameter (kbd, value);
      return;
    }
  kbd->command = 0;
  switch (value)
    {
    case CMD_SET_LEDS:
    case CMD_SCAN_SET:
    case CMD_TYPEMATIC:
    case CMD_KEY_FIRST ... CMD_KEY_LAST:
      kbd->command = value;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_ECHO:
      put_byte (kbd, REPLY_ECHO);
      break;
    case CMD_IDENTIFY:
      put_byte (kbd, REPLY_ACK);
      put_byte (kbd, 0xab);
      put_byte (kbd, 0x83);
      break;
    case CMD_ENABLE:
      memset (&kbd->queue, 0, sizeof kbd->queue);
      kbd->scanning = TRUE;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_DISABLE:
      set_defaults (kbd);
      kbd->scanning = FALSE;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_DEFAULTS:
      set_defaults (kbd);
      kbd->scanning = TRUE;
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_ALL_FIRST ... CMD_KEY_FIRST - 1:
      put_byte (kbd, REPLY_ACK);
      break;
    case CMD_RESEND:
      put_byte (kbd, kbd->last_sent);
      break;
    case CMD_RESET:
      ps2_keyboard_reset (kbd);
      put_byte (kbd, REPLY_ACK);
      put_byte (kbd, REPLY_BAT_OK);
      break;
    default:
      put_byte (kbd, REPLY_RESEND);
      break;
    }
}
