/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking requests from queues, as many as a device has room for. */
#pragma once

#include "engine/devices/virtio/transport-pci.h"

typedef struct
{
  gboolean (*may_begin) (const VirtioPci *v); /* whether there is room for one more */
  void (*begin) (VirtioPci *v, unsigned queue, VirtChain *chain); /* takes @chain over */
  unsigned most; /* chains of one call: a driver that goes on filling a queue with more breaks the device */
} VirtioTaker;

/* Takes what is in @queue as far as there is room; TRUE when the queue is empty, or the device no longer live. */
gboolean virtio_take (VirtioPci *v, unsigned queue, const VirtioTaker *taker);
/* The same for @count queues from @first on, beginning with the @next-th of them, where it would have to go on the next time. */
gboolean virtio_take_all (VirtioPci *v, unsigned first, unsigned count, unsigned *next, const VirtioTaker *taker);
