/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cable between an adapter and a network: counting, the plug, and nothing else. */

#include "network/netport.h"

void
net_port_init (NetPort *port, const NetPortOps *ops)
{
  port->ops = ops;
  port->receive = NULL;
  port->receive_opaque = NULL;
  port->connected = TRUE;
  port->tx_frames = port->tx_bytes = port->rx_frames = port->rx_bytes = port->dropped = 0;
}

void
net_port_set_receiver (NetPort *port, NetReceiveFunc receive, void *opaque)
{
  port->receive_opaque = opaque;
  __atomic_store_n (&port->receive, receive, __ATOMIC_RELEASE);
}

static void
count (uint64_t *frames, uint64_t *bytes, const NetFrame *batch, unsigned n)
{
  uint64_t total = 0;

  for (unsigned i = 0; i < n; i++)
    total += batch[i].length;
  __atomic_fetch_add (frames, n, __ATOMIC_RELAXED);
  __atomic_fetch_add (bytes, total, __ATOMIC_RELAXED);
}

void
net_port_send (NetPort *port, const NetFrame *frames, unsigned n)
{
  if (!__atomic_load_n (&port->connected, __ATOMIC_RELAXED))
    {
      __atomic_fetch_add (&port->dropped, n, __ATOMIC_RELAXED);
      return;
    }
  count (&port->tx_frames, &port->tx_bytes, frames, n);
  port->ops->send (port, frames, n);
}

unsigned
net_port_deliver (NetPort *port, const NetFrame *frames, unsigned n)
{
  NetReceiveFunc receive = __atomic_load_n (&port->receive, __ATOMIC_ACQUIRE);
  unsigned taken;

  if (receive == NULL || !__atomic_load_n (&port->connected, __ATOMIC_RELAXED))
    {
      __atomic_fetch_add (&port->dropped, n, __ATOMIC_RELAXED);
      return n;
    }
  taken = MIN (receive (port->receive_opaque, frames, n), n);
  count (&port->rx_frames, &port->rx_bytes, frames, taken);
  return taken;
}

void
net_port_resume (NetPort *port)
{
  if (port->ops->resume != NULL)
    port->ops->resume (port);
}

void
net_port_set_connected (NetPort *port, gboolean connected)
{
  __atomic_store_n (&port->connected, connected, __ATOMIC_RELAXED);
}

void
net_port_free (NetPort *port)
{
  if (port != NULL)
    port->ops->free (port);
}
