/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A doorbell: a register that is only written, and each write of which says the same: there is work. Whoever runs the
 * processors may therefore tell its owner on another thread and let the processor go on at once; where nobody does, the
 * write reaches the owner's handler like any other.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct
{
  gboolean is_port;   /* an I/O port, or memory */
  uint64_t address;   /* of the port, or guest-physical */
  unsigned size;      /* bytes of the write: 1, 2, 4 or 8 */
  gboolean has_value; /* only writes of @value ring it */
  uint32_t value;
  void (*ring) (void *opaque, unsigned which); /* machine lock held */
  void *opaque;
  unsigned which;
} Doorbell;

/* Who may answer; machine lock held. */
typedef struct
{
  void (*add) (void *opaque, const Doorbell *bell);
  void (*remove) (void *opaque, const Doorbell *bell); /* an equal one was added */
} DoorbellOps;
