/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The socket between a network adapter and a network: whole Ethernet frames
 * (no FCS), in batches. A NetPort is one end of a cable; the adapter's model
 * holds one and hands it its receive handler.
 *
 * Threads: net_port_send() may be called from any thread and never blocks;
 * the adapter's receive handler is called on the thread of the port's
 * GMainContext. Network code knows nothing of the machine lock: the adapter's
 * handler takes it.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NetPort NetPort;

enum { NET_FRAME_MAX = 65550 + 18, NET_FRAME_MIN = 14 };

typedef struct { const uint8_t *data; size_t length; } NetFrame;

/* What a network implements. */
typedef struct
{
  const char *name;                                                      /* "nat": the word users see */
  void (*send) (NetPort *port, const NetFrame *frames, unsigned count);  /* adapter → network */
  /* The adapter has receive buffers again after its handler returned fewer frames than offered. */
  void (*resume) (NetPort *port);
  void (*free) (NetPort *port);
} NetPortOps;

/* Returns how many of @frames were taken; the rest is offered again after net_port_resume(). */
typedef unsigned (*NetReceiveFunc) (void *opaque, const NetFrame *frames, unsigned count);

struct NetPort
{
  const NetPortOps *ops;
  NetReceiveFunc receive;
  void *receive_opaque;
  gboolean connected;  /* the cable */
  uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes, dropped; /* seen from the adapter; atomically updated */
};

/* The adapter's side. */
void net_port_set_receiver (NetPort *port, NetReceiveFunc receive, void *opaque);
void net_port_send (NetPort *port, const NetFrame *frames, unsigned count);
void net_port_resume (NetPort *port);
/* The cable: while it is out, frames are dropped both ways. */
void net_port_set_connected (NetPort *port, gboolean connected);
void net_port_free (NetPort *port);

/* The networks' side. */
void net_port_init (NetPort *port, const NetPortOps *ops);
unsigned net_port_deliver (NetPort *port, const NetFrame *frames, unsigned count);
