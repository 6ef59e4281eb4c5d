/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The hub between front ends and input devices. Keys are evdev key codes
 * (linux/input-event-codes.h). Front ends may call from any thread; the hub
 * takes the machine lock and hands events to the devices that registered.
 */
#pragma once

#include "engine/machine/lock.h"

#include <glib.h>
#include <stdint.h>

typedef struct Input Input;

enum { INPUT_ABS_MAX = 65535 };

typedef enum
{
  INPUT_BUTTON_LEFT, INPUT_BUTTON_RIGHT, INPUT_BUTTON_MIDDLE, INPUT_BUTTON_SIDE, INPUT_BUTTON_EXTRA
} InputButton;

/* A sink leaves out what it does not take. Handlers run with the machine lock held. */
typedef struct
{
  void (*key) (void *opaque, unsigned evdev_code, gboolean down);
  void (*relative) (void *opaque, int dx, int dy, int wheel); /* wheel: positive is away from the user */
  void (*absolute) (void *opaque, int x, int y, int wheel);   /* 0 … INPUT_ABS_MAX over the screen */
  void (*button) (void *opaque, InputButton button, gboolean down);
  /* Of an absolute device: whether the guest's driver uses it now. */
  gboolean (*absolute_active) (void *opaque);
  /* Of a keyboard: LEDs the guest switched on (bit 0 scroll, 1 num, 2 caps). */
  unsigned (*leds) (void *opaque);
  /* Whether there is something that the guest has yet to read. */
  gboolean (*pending) (void *opaque);
} InputSink;

Input *input_new (MachineLock *lock);
void input_free (Input *input);
/* Keys go to the latest keyboard. Buttons and motion go to the latest active absolute device, else to the latest
 * relative one. */
void input_add_sink (Input *input, const InputSink *sink, void *opaque);
void input_remove_sink (Input *input, void *opaque);

void input_key (Input *input, unsigned evdev_code, gboolean down);
void input_relative (Input *input, int dx, int dy, int wheel);
void input_absolute (Input *input, int x, int y, int wheel);
void input_button (Input *input, InputButton button, gboolean down);
/* Lets go of every key and button that is down: on focus loss. */
void input_release_all (Input *input);
/* TRUE when absolute events reach the guest; a view then needs no capture. */
gboolean input_is_absolute (Input *input);
unsigned input_leds (Input *input);
/* TRUE while a device holds something that the guest has yet to read; without a driver it never will. */
gboolean input_is_pending (Input *input);
