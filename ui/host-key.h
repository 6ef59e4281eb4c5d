/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host key: pressed alone it lets go of keyboard and mouse (or captures
 * them), held down it makes the next key a command to Bunshin. The guest sees
 * neither. A pure state machine over evdev key codes.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  HOST_KEY_PASS,                /* the guest's */
  HOST_KEY_SWALLOW,             /* ours, nothing to do */
  HOST_KEY_TOGGLE_CAPTURE,      /* pressed and released alone */
  HOST_KEY_COMMAND              /* a key was pressed while it was down */
} HostKeyResult;

typedef struct
{
  unsigned code;                /* evdev code of the host key */
  gboolean down, used;
  unsigned command;             /* the key whose release is swallowed, too */
} HostKey;

void host_key_init (HostKey *self, unsigned code);
/* What to do with a key that went down (again) or up. */
HostKeyResult host_key_event (HostKey *self, unsigned code, gboolean down);
/* The focus is lost: what is down does not count any more. */
void host_key_forget (HostKey *self);

G_END_DECLS
