/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NAT through libslirp, driven by a GSource.
 *
 * libslirp is not thread-safe: all of it runs on the thread of the context.
 * Frames from the adapter are queued and wake that thread; frames to the
 * adapter that it has no buffers for wait in a bounded queue.
 */

#include "network/nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <libslirp.h>
#include <string.h>

enum
{
  MAX_QUEUED_FRAMES = 1024,  /* each way; beyond it frames are dropped as a full switch would */
  BATCH = 64
};

typedef struct
{
  int fd;
  int events; /* SLIRP_POLL_* */
  gpointer tag;
} PolledFd;

typedef struct
{
  NetPort port;
  GMainContext *context;
  Slirp *slirp;
  GSource *source;
  GArray *fds;               /* PolledFd, as the last prepare left them */
  GArray *wanted;            /* PolledFd being collected */
  GArray *forwards;          /* ForwardRule */
  GQueue from_network;       /* GBytes waiting for the adapter; context thread only */
  int adapter_full;          /* atomic: wait for nat_resume() before offering frames again */

  GMutex lock;               /* guards from_adapter */
  GQueue from_adapter;       /* GBytes */
} Nat;

typedef struct
{
  GSource parent;
  Nat *nat;
} NatSource;

static const NetPortOps nat_ops;

/* Frames to the adapter */

static void
deliver_queued (Nat *nat)
{
  while (!g_queue_is_empty (&nat->from_network))
    {
      NetFrame batch[BATCH];
      unsigned count = 0, taken;

      for (GList *l = nat->from_network.head; l != NULL && count < BATCH; l = l->next, count++)
        batch[count].data = g_bytes_get_data (l->data, &batch[count].length);
      /* Set beforehand: the adapter may resume on another thread before deliver returns. */
      g_atomic_int_set (&nat->adapter_full, 1);
      taken = net_port_deliver (&nat->port, batch, count);
      for (unsigned i = 0; i < taken; i++)
        g_bytes_unref (g_queue_pop_head (&nat->from_network));
      if (taken < count)
        return;
      g_atomic_int_set (&nat->adapter_full, 0);
    }
}

static gboolean
can_deliver (Nat *nat)
{
  return !g_queue_is_empty (&nat->from_network) && g_atomic_int_get (&nat->adapter_full) == 0;
}

static ssize_t
send_packet (const void *data, size_t length, void *opaque)
{
  Nat *nat = opaque;

  if (g_queue_get_length (&nat->from_network) >= MAX_QUEUED_FRAMES)
    {
      __atomic_fetch_add (&nat->port.dropped, 1, __ATOMIC_RELAXED);
      return (ssize_t) length;
    }
  g_queue_push_tail (&nat->from_network, g_bytes_new (data, length));
  return (ssize_t) length;
}

/* What libslirp asks of its host */

static void
guest_error (const char *message, void *opaque)
{
  g_debug ("NAT: the guest sent something odd: %s", message);
}

static int64_t
clock_get_ns (void *opaque)
{
  return g_get_monotonic_time () * 1000;
}

typedef struct
{
  GSource parent;
  SlirpTimerCb callback;
  void *opaque;
} TimerSource;

static gboolean
timer_dispatch (GSource *source, GSourceFunc unused, gpointer data)
{
  TimerSource *timer = (TimerSource *) source;

  g_source_set_ready_time (source, -1);
  timer->callback (timer->opaque);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static void *
timer_new (SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
  Nat *nat = opaque;
  GSource *source = g_source_new (&timer_funcs, sizeof (TimerSource));

  ((TimerSource *) source)->callback = callback;
  ((TimerSource *) source)->opaque = callback_opaque;
  g_source_set_ready_time (source, -1);
  g_source_attach (source, nat->context);
  return source;
}

static void
timer_free (void *timer, void *opaque)
{
  g_source_destroy (timer);
  g_source_unref (timer);
}

static void
timer_mod (void *timer, int64_t expire_ms, void *opaque)
{
  g_source_set_ready_time (timer, expire_ms * 1000);
}

static void
poll_fd_changed (int fd, void *opaque)
{
  /* The set is asked for anew before each poll. */
}

static void
notify (void *opaque)
{
  g_main_context_wakeup (((Nat *) opaque)->context);
}

static const SlirpCb slirp_callbacks = {
  .send_packet = send_packet,
  .guest_error = guest_error,
  .clock_get_ns = clock_get_ns,
  .timer_new = timer_new,
  .timer_free = timer_free,
  .timer_mod = timer_mod,
  .register_poll_fd = poll_fd_changed,
  .unregister_poll_fd = poll_fd_changed,
  .notify = notify,
};

/* The event source */

static GIOCondition
condition_from_slirp (int events)
{
  return (events & SLIRP_POLL_IN ? G_IO_IN : 0) | (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) |
         (events & SLIRP_POLL_PRI ? G_IO_PRI : 0) | G_IO_ERR | G_IO_HUP;
}

static int
slirp_from_condition (GIOCondition condition)
{
  return (condition & G_IO_IN ? SLIRP_POLL_IN : 0) | (condition & G_IO_OUT ? SLIRP_POLL_OUT : 0) |
         (condition & G_IO_PRI ? SLIRP_POLL_PRI : 0) | (condition & G_IO_ERR ? SLIRP_POLL_ERR : 0) |
         (condition & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

static int
want_fd (int fd, int events, void *opaque)
{
  Nat *nat = opaque;
  PolledFd polled = { .fd = fd, .events = events };

  g_array_append_val (nat->wanted, polled);
  return (int) nat->wanted->len - 1;
}

static gboolean
has_frames_from_adapter (Nat *nat)
{
  gboolean has;

  g_mutex_lock (&nat->lock);
  has = !g_queue_is_empty (&nat->from_adapter);
  g_mutex_unlock (&nat->lock);
  return has;
}

static gboolean
nat_prepare (GSource *source, int *timeout)
{
  Nat *nat = ((NatSource *) source)->nat;
  uint32_t wait = G_MAXINT32;
  gboolean same;
  GArray *previous;

  g_array_set_size (nat->wanted, 0);
  slirp_pollfds_fill (nat->slirp, &wait, want_fd, nat);

  same = nat->wanted->len == nat->fds->len;
  for (guint i = 0; same && i < nat->fds->len; i++)
    {
      const PolledFd *a = &g_array_index (nat->fds, PolledFd, i), *b = &g_array_index (nat->wanted, PolledFd, i);

      same = a->fd == b->fd && a->events == b->events;
    }
  if (!same)
    {
      for (guint i = 0; i < nat->fds->len; i++)
        g_source_remove_unix_fd (source, g_array_index (nat->fds, PolledFd, i).tag);
      previous = nat->fds;
      nat->fds = nat->wanted;
      nat->wanted = previous;
      for (guint i = 0; i < nat->fds->len; i++)
        {
          PolledFd *polled = &g_array_index (nat->fds, PolledFd, i);

          polled->tag = g_source_add_unix_fd (source, polled->fd, condition_from_slirp (polled->events));
        }
    }
  *timeout = wait >= G_MAXINT32 ? -1 : (int) wait;
  return has_frames_from_adapter (nat) || can_deliver (nat);
}

static gboolean
nat_check (GSource *source)
{
  /* libslirp also does its time-outs in slirp_pollfds_poll(): it wants to be called after every poll. */
  return TRUE;
}

static int
fd_revents (int index, void *opaque)
{
  Nat *nat = opaque;

  if (index < 0 || (guint) index >= nat->fds->len)
    return 0;
  return slirp_from_condition (g_source_query_unix_fd (nat->source, g_array_index (nat->fds, PolledFd, index).tag));
}

static gboolean
nat_dispatch (GSource *source, GSourceFunc unused, gpointer data)
{
  Nat *nat = ((NatSource *) source)->nat;
  GQueue frames;

  g_mutex_lock (&nat->lock);
  frames = nat->from_adapter;
  g_queue_init (&nat->from_adapter);
  g_mutex_unlock (&nat->lock);

  slirp_pollfds_poll (nat->slirp, FALSE, fd_revents, nat);
  for (GBytes *frame; (frame = g_queue_pop_head (&frames)) != NULL; g_bytes_unref (frame))
    {
      gsize length;
      const void *bytes = g_bytes_get_data (frame, &length);

      slirp_input (nat->slirp, bytes, (int) length);
    }
  if (can_deliver (nat))
    deliver_queued (nat);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs nat_source_funcs = { .prepare = nat_prepare, .check = nat_check, .dispatch = nat_dispatch };

/* NetPort operations */

static void
nat_send (NetPort *port, const NetFrame *frames, unsigned count)
{
  Nat *nat = (Nat *) port;
  unsigned dropped = 0;

  g_mutex_lock (&nat->lock);
  for (unsigned i = 0; i < count; i++)
    {
      if (frames[i].length < NET_FRAME_MIN || frames[i].length > NET_FRAME_MAX ||
          g_queue_get_length (&nat->from_adapter) >= MAX_QUEUED_FRAMES)
        dropped++;
      else
        g_queue_push_tail (&nat->from_adapter, g_bytes_new (frames[i].data, frames[i].length));
    }
  g_mutex_unlock (&nat->lock);
  if (dropped > 0)
    __atomic_fetch_add (&port->dropped, dropped, __ATOMIC_RELAXED);
  g_main_context_wakeup (nat->context);
}

static void
nat_resume (NetPort *port)
{
  Nat *nat = (Nat *) port;

  g_atomic_int_set (&nat->adapter_full, 0);
  g_main_context_wakeup (nat->context);
}

/* Runs @function on the context's thread and waits for it. */

typedef struct
{
  void (*function) (Nat *nat, void *data);
  Nat *nat;
  void *data;
  gboolean done;
  GMutex lock;
  GCond cond;
} Call;

static gboolean
call_here (gpointer data)
{
  Call *call = data;

  call->function (call->nat, call->data);
  g_mutex_lock (&call->lock);
  call->done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->lock);
  return G_SOURCE_REMOVE;
}

static void
call_on_context (Nat *nat, void (*function) (Nat *nat, void *data), void *data)
{
  Call call = { .function = function, .nat = nat, .data = data };

  /* We are on the context's thread, or no thread runs it yet (or any more). */
  if (g_main_context_acquire (nat->context))
    {
      function (nat, data);
      g_main_context_release (nat->context);
      return;
    }
  g_mutex_init (&call.lock);
  g_cond_init (&call.cond);
  g_main_context_invoke_full (nat->context, G_PRIORITY_HIGH, call_here, &call, NULL);
  g_mutex_lock (&call.lock);
  while (!call.done)
    g_cond_wait (&call.cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.cond);
}

static void
free_on_context (Nat *nat, void *unused)
{
  g_source_destroy (nat->source);
  slirp_cleanup (nat->slirp);
}

static void
nat_free (NetPort *port)
{
  Nat *nat = (Nat *) port;

  call_on_context (nat, free_on_context, NULL);
  g_source_unref (nat->source);
  g_queue_clear_full (&nat->from_adapter, (GDestroyNotify) g_bytes_unref);
  g_queue_clear_full (&nat->from_network, (GDestroyNotify) g_bytes_unref);
  g_array_unref (nat->fds);
  g_array_unref (nat->wanted);
  g_array_unref (nat->forwards);
  g_mutex_clear (&nat->lock);
  g_main_context_unref (nat->context);
  g_free (nat);
}

static const NetPortOps nat_ops = {
  .name = "nat", .send = nat_send, .resume = nat_resume, .free = nat_free
};

gboolean
net_port_is_nat (const NetPort *port)
{
  return port != NULL && port->ops == &nat_ops;
}

static void
create_on_context (Nat *nat, void *data)
{
  const NatConfig *config = data;
  const uint32_t network = 0x0a000000 + ((config->index + 2) << 8);
  SlirpConfig slirp = {
    .version = 4,
    .in_enabled = true,
    .in6_enabled = true,
    .vnetwork.s_addr = htonl (network),
    .vnetmask.s_addr = htonl (0xffffff00),
    .vhost.s_addr = htonl (network + 2),
    .vnameserver.s_addr = htonl (network + 3),
    .vdhcp_start.s_addr = htonl (network + 15),
    .vprefix_len = 64,
    .vhostname = config->host_name,
    .tftp_server_name = NULL,
    .tftp_path = config->tftp_folder,
    .bootfile = config->boot_file,
    .disable_host_loopback = !config->allow_host_access,
  };
  uint8_t *prefix = slirp.vprefix_addr6.s6_addr;

  prefix[0] = 0xfd;
  prefix[1] = 0x17;
  prefix[2] = 0x62;
  prefix[3] = 0x5c;
  prefix[4] = 0xf0;
  prefix[5] = 0x37;
  prefix[7] = (uint8_t) (config->index + 2);
  slirp.vhost6 = slirp.vprefix_addr6;
  slirp.vhost6.s6_addr[15] = 2;
  slirp.vnameserver6 = slirp.vprefix_addr6;
  slirp.vnameserver6.s6_addr[15] = 3;

  nat->slirp = slirp_new (&slirp, &slirp_callbacks, nat);
  if (nat->slirp == NULL)
    return;
  nat->source = g_source_new (&nat_source_funcs, sizeof (NatSource));
  ((NatSource *) nat->source)->nat = nat;
  g_source_set_static_name (nat->source, "NAT");
  g_source_attach (nat->source, nat->context);
}

NetPort *
nat_new (const NatConfig *config, GMainContext *context, GError **error)
{
  Nat *nat;

  if (config->index > 200)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("cannot make NAT network %u: there are 200"),
                   config->index);
      return NULL;
    }
  nat = g_new0 (Nat, 1);
  net_port_init (&nat->port, &nat_ops);
  nat->context = g_main_context_ref (context);
  nat->fds = g_array_new (FALSE, FALSE, sizeof (PolledFd));
  nat->wanted = g_array_new (FALSE, FALSE, sizeof (PolledFd));
  nat->forwards = g_array_new (FALSE, FALSE, sizeof (ForwardRule));
  g_queue_init (&nat->from_adapter);
  g_queue_init (&nat->from_network);
  g_mutex_init (&nat->lock);
  call_on_context (nat, create_on_context, (void *) config);
  if (nat->slirp == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("cannot make NAT network %u: libslirp refused its settings"),
                   config->index);
      g_array_unref (nat->fds);
      g_array_unref (nat->wanted);
      g_array_unref (nat->forwards);
      g_mutex_clear (&nat->lock);
      g_main_context_unref (nat->context);
      g_free (nat);
      return NULL;
    }
  return &nat->port;
}

/* Forwards */

typedef struct
{
  const ForwardRule *rule;
  GArray *list;
  GError *error;
} ForwardCall;

static int
find_forward (Nat *nat, const ForwardRule *rule)
{
  for (guint i = 0; i < nat->forwards->len; i++)
    {
      if (forward_rule_same_host_port (&g_array_index (nat->forwards, ForwardRule, i), rule))
        return (int) i;
    }
  return -1;
}

static void
set_forward_error (GError **error, const ForwardRule *rule, int code, const char *cause)
{
  char address[INET_ADDRSTRLEN];

  inet_ntop (AF_INET, &rule->host_address, address, sizeof address);
  g_set_error (error, G_IO_ERROR, code, _("%s port %u on %s: %s"), rule->protocol == FORWARD_UDP ? "UDP" : "TCP",
               rule->host_port, address, cause);
}

static void
add_on_context (Nat *nat, void *data)
{
  ForwardCall *call = data;
  const ForwardRule *rule = call->rule;

  if (find_forward (nat, rule) >= 0)
    {
      set_forward_error (&call->error, rule, G_IO_ERROR_EXISTS, _("it is forwarded already"));
      return;
    }
  errno = 0;
  if (slirp_add_hostfwd (nat->slirp, rule->protocol == FORWARD_UDP, rule->host_address, rule->host_port,
                         rule->guest_address, rule->guest_port) < 0)
    {
      int cause = errno != 0 ? errno : EADDRINUSE;

      set_forward_error (&call->error, rule, (int) g_io_error_from_errno (cause), g_strerror (cause));
      return;
    }
  g_array_append_val (nat->forwards, *rule);
}

static void
remove_on_context (Nat *nat, void *data)
{
  ForwardCall *call = data;
  const ForwardRule *rule = call->rule;
  int index = find_forward (nat, rule);

  if (index < 0)
    {
      set_forward_error (&call->error, rule, G_IO_ERROR_NOT_FOUND, _("it is not forwarded"));
      return;
    }
  rule = &g_array_index (nat->forwards, ForwardRule, index);
  slirp_remove_hostfwd (nat->slirp, rule->protocol == FORWARD_UDP, rule->host_address, rule->host_port);
  g_array_remove_index (nat->forwards, (guint) index);
}

static void
list_on_context (Nat *nat, void *data)
{
  ForwardCall *call = data;

  g_array_append_vals (call->list, nat->forwards->data, nat->forwards->len);
}

gboolean
nat_add_forward (NetPort *port, const ForwardRule *rule, GError **error)
{
  ForwardCall call = { .rule = rule };

  call_on_context ((Nat *) port, add_on_context, &call);
  if (call.error == NULL)
    return TRUE;
  g_propagate_error (error, call.error);
  return FALSE;
}

gboolean
nat_remove_forward (NetPort *port, const ForwardRule *rule, GError **error)
{
  ForwardCall call = { .rule = rule };

  call_on_context ((Nat *) port, remove_on_context, &call);
  if (call.error == NULL)
    return TRUE;
  g_propagate_error (error, call.error);
  return FALSE;
}

GArray *
nat_list_forwards (NetPort *port)
{
  ForwardCall call = { .list = g_array_new (FALSE, FALSE, sizeof (ForwardRule)) };

  call_on_context ((Nat *) port, list_on_context, &call);
  return call.list;
}
