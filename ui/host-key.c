/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host key; see the header. */

#include "ui/host-key.h"

void
host_key_init (HostKey *self, unsigned code)
{
  *self = (HostKey) { .code = code };
}

HostKeyResult
host_key_event (HostKey *self, unsigned code, gboolean down)
{
  if (code == self->code)
    {
      gboolean was_alone = self->down && !self->used;

      if (down && !self->down)
        self->used = FALSE;
      self->down = down;
      return !down && was_alone ? HOST_KEY_TOGGLE_CAPTURE : HOST_KEY_SWALLOW;
    }
  if (down && self->down)
    {
      /* A key that repeats is one command. */
      gboolean is_repeat = self->used && self->command == code;

      self->used = TRUE;
      self->command = code;
      return is_repeat ? HOST_KEY_SWALLOW : HOST_KEY_COMMAND;
    }
  if (self->command == code && code != 0)
    {
      /* Still held after the host key went up: it never reached the guest. */
      if (!down)
        self->command = 0;
      return HOST_KEY_SWALLOW;
    }
  return HOST_KEY_PASS;
}

void
host_key_forget (HostKey *self)
{
  self->down = FALSE;
  self->used = FALSE;
  self->command = 0;
}
