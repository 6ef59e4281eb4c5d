/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hub between front ends and input devices: see input.h. */

#include "engine/devices/input/input.h"

enum { MAX_KEYS = 768, MAX_BUTTONS = INPUT_BUTTON_EXTRA + 1 };

typedef struct
{
  const InputSink *sink;
  void *opaque;
} Registered;

struct Input
{
  MachineLock *lock;
  GArray *sinks;                    /* Registered, oldest first */
  guint8 keys_down[MAX_KEYS];
  guint8 buttons_down[MAX_BUTTONS];
};

Input *
input_new (MachineLock *lock)
{
  Input *input = g_new0 (Input, 1);

  input->lock = lock;
  input->sinks = g_array_new (FALSE, FALSE, sizeof (Registered));
  return input;
}

void
input_free (Input *input)
{
  if (input == NULL)
    return;
  g_array_unref (input->sinks);
  g_free (input);
}

void
input_add_sink (Input *input, const InputSink *sink, void *opaque)
{
  Registered registered = { sink, opaque };

  machine_lock_take (input->lock);
  g_array_append_val (input->sinks, registered);
  machine_lock_release (input->lock);
}

void
input_remove_sink (Input *input, void *opaque)
{
  machine_lock_take (input->lock);
  for (guint i = input->sinks->len; i-- > 0;)
    {
      if (g_array_index (input->sinks, Registered, i).opaque == opaque)
        g_array_remove_index (input->sinks, i);
    }
  machine_lock_release (input->lock);
}

static const Registered *
find_keyboard (Input *input)
{
  for (guint i = input->sinks->len; i-- > 0;)
    {
      const Registered *r = &g_array_index (input->sinks, Registered, i);

      if (r->sink->key != NULL)
        return r;
    }
  return NULL;
}

static const Registered *
find_absolute (Input *input)
{
  for (guint i = input->sinks->len; i-- > 0;)
    {
      const Registered *r = &g_array_index (input->sinks, Registered, i);

      if (r->sink->absolute != NULL && (r->sink->absolute_active == NULL || r->sink->absolute_active (r->opaque)))
        return r;
    }
  return NULL;
}

static const Registered *
find_relative (Input *input)
{
  for (guint i = input->sinks->len; i-- > 0;)
    {
      const Registered *r = &g_array_index (input->sinks, Registered, i);

      if (r->sink->relative != NULL)
        return r;
    }
  return NULL;
}

static const Registered *
find_pointer (Input *input)
{
  const Registered *r = find_absolute (input);

  return r != NULL ? r : find_relative (input);
}

/* The machine lock is held. */
static void
send_key (Input *input, unsigned code, gboolean down)
{
  const Registered *r = find_keyboard (input);

  input->keys_down[code] = down != FALSE;
  if (r != NULL)
    r->sink->key (r->opaque, code, down);
}

static void
send_button (Input *input, InputButton button, gboolean down)
{
  const Registered *r = find_pointer (input);

  input->buttons_down[button] = down != FALSE;
  if (r != NULL && r->sink->button != NULL)
    r->sink->button (r->opaque, button, down);
}

void
input_key (Input *input, unsigned evdev_code, gboolean down)
{
  if (evdev_code >= MAX_KEYS)
    return;
  machine_lock_take (input->lock);
  /* A release of a key the guest never saw go down would confuse it. */
  if (down || input->keys_down[evdev_code])
    send_key (input, evdev_code, down);
  machine_lock_release (input->lock);
}

void
input_relative (Input *input, int dx, int dy, int wheel)
{
  const Registered *r;

  machine_lock_take (input->lock);
  r = find_relative (input);
  if (r != NULL)
    r->sink->relative (r->opaque, dx, dy, wheel);
  machine_lock_release (input->lock);
}

void
input_absolute (Input *input, int x, int y, int wheel)
{
  const Registered *r;

  machine_lock_take (input->lock);
  r = find_absolute (input);
  if (r != NULL)
    r->sink->absolute (r->opaque, CLAMP (x, 0, INPUT_ABS_MAX), CLAMP (y, 0, INPUT_ABS_MAX), wheel);
  machine_lock_release (input->lock);
}

void
input_button (Input *input, InputButton button, gboolean down)
{
  if ((unsigned) button >= MAX_BUTTONS)
    return;
  machine_lock_take (input->lock);
  if ((input->buttons_down[button] != 0) != (down != FALSE))
    send_button (input, button, down);
  machine_lock_release (input->lock);
}

void
input_release_all (Input *input)
{
  machine_lock_take (input->lock);
  for (unsigned code = 0; code < MAX_KEYS; code++)
    {
      if (input->keys_down[code])
        send_key (input, code, FALSE);
    }
  for (unsigned button = 0; button < MAX_BUTTONS; button++)
    {
      if (input->buttons_down[button])
        send_button (input, (InputButton) button, FALSE);
    }
  machine_lock_release (input->lock);
}

gboolean
input_is_absolute (Input *input)
{
  gboolean absolute;

  machine_lock_take (input->lock);
  absolute = find_absolute (input) != NULL;
  machine_lock_release (input->lock);
  return absolute;
}

unsigned
input_leds (Input *input)
{
  const Registered *r;
  unsigned leds = 0;

  machine_lock_take (input->lock);
  r = find_keyboard (input);
  if (r != NULL && r->sink->leds != NULL)
    leds = r->sink->leds (r->opaque);
  machine_lock_release (input->lock);
  return leds;
}

gboolean
input_is_pending (Input *input)
{
  gboolean pending = FALSE;

  machine_lock_take (input->lock);
  for (guint i = 0; i < input->sinks->len && !pending; i++)
    {
      const Registered *r = &g_array_index (input->sinks, Registered, i);

      pending = r->sink->pending != NULL && r->sink->pending (r->opaque);
    }
  machine_lock_release (input->lock);
  return pending;
}
