/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking requests from queues; see the header. */

#include "engine/devices/virtio/take.h"

gboolean
virtio_take (VirtioPci *v, unsigned queue, const VirtioTaker *taker)
{
  VirtQueue *q = &v->queues[queue];
  unsigned taken = 0;

  do
    {
      VirtChain *chain;
      VirtqResult result;

      while (virtio_is_live (v) && taker->may_begin (v) && (result = virtq_pop (q, &chain)) != VIRTQ_EMPTY)
        {
          /* Another processor that goes on filling the queue with what is answered at once must not hold this one. */
          if (result == VIRTQ_BROKEN || ++taken > taker->most)
            {
              if (result == VIRTQ_CHAIN)
                g_free (chain);
              virtio_break (v);
              return TRUE;
            }
          taker->begin (v, queue, chain);
        }
      if (!virtio_is_live (v))
        return TRUE;
      if (!taker->may_begin (v))
        return FALSE;
    }
  while (virtq_wait (q));
  return TRUE;
}

gboolean
virtio_take_all (VirtioPci *v, unsigned first, unsigned count, unsigned *next, const VirtioTaker *taker)
{
  for (unsigned i = 0; i < count; i++)
    {
      unsigned queue = (*next + i) % count;

      if (virtio_take (v, first + queue, taker))
        continue;
      *next = (queue + 1) % count;
      return FALSE;
    }
  return TRUE;
}
