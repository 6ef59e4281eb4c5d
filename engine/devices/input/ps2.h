/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PS/2 keyboard and mouse: the devices at the far end of the i8042's two
 * serial lines. Each has a bounded queue of bytes for the controller.
 * Specification: IBM PS/2 Hardware Interface Technical Reference (keyboard and
 * auxiliary device); Microsoft's IntelliMouse protocol.
 */
#pragma once

#include "engine/devices/device.h"

enum { PS2_QUEUE_SIZE = 256 };

typedef struct
{
  uint8_t data[PS2_QUEUE_SIZE];
  uint32_t head, count;
} Ps2Queue;

typedef struct
{
  Ps2Queue queue;        /* keys */
  Ps2Queue replies;      /* to commands; they take no room from keys, and go first */
  /* Tells the controller that a queue is no longer empty. */
  void (*ready) (void *opaque);
  void *opaque;

  uint8_t scan_set;      /* 1, 2 or 3 */
  uint8_t command;       /* waiting for its parameter, or 0 */
  uint8_t scanning;
  uint8_t leds;
  uint8_t typematic;
  uint8_t last_sent;
} Ps2Keyboard;

typedef struct
{
  Ps2Queue queue;
  void (*ready) (void *opaque);
  void *opaque;

  uint8_t command;
  uint8_t type;          /* device ID: 0 plain, 3 with wheel, 4 with five buttons */
  uint8_t rates[3];      /* last sample rates set: the knock for wheel and buttons */
  uint8_t rate, resolution, scaling2, remote, wrap, reporting;
  uint8_t buttons;       /* bits: left, right, middle, side, extra */
  int32_t dx, dy, dz;    /* not yet reported */
  uint8_t last_sent;
} Ps2Mouse;

gboolean ps2_queue_is_empty (const Ps2Queue *queue);
/* The oldest byte; 0 when empty. */
uint8_t ps2_queue_take (Ps2Queue *queue);
uint32_t ps2_queue_free (const Ps2Queue *queue);
void ps2_queue_put (Ps2Queue *queue, uint8_t byte);

void ps2_keyboard_reset (Ps2Keyboard *kbd);
/* A byte from the host. */
void ps2_keyboard_write (Ps2Keyboard *kbd, uint8_t value);
void ps2_keyboard_key (Ps2Keyboard *kbd, unsigned evdev_code, gboolean down);

void ps2_mouse_reset (Ps2Mouse *mouse);
void ps2_mouse_write (Ps2Mouse *mouse, uint8_t value);
/* Screen directions: @dy grows downwards; @wheel is positive away from the user. */
/* Brings state that was loaded into bounds; the queue is the caller's to check. */
void ps2_mouse_loaded (Ps2Mouse *mouse);
void ps2_mouse_move (Ps2Mouse *mouse, int dx, int dy, int wheel);
void ps2_mouse_button (Ps2Mouse *mouse, unsigned button, gboolean down);
/* Packs movement that had no room into packets; the controller calls it when the queue has drained. */
void ps2_mouse_flush (Ps2Mouse *mouse);
