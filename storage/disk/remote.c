/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks on servers: the thread of a connection; see the header. */

#include "storage/disk/remote.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_TIME (10 * G_USEC_PER_SEC)
#define ANSWER_TIME  (30 * G_USEC_PER_SEC)
/* How long operations are tried again before somebody hears of it. */
#define RETRY_TIME   (8 * G_USEC_PER_SEC)
#define RETRY_PAUSE  (G_USEC_PER_SEC / 5)

enum
{
  POLL_MS = 1000,
  IN_FLIGHT_MAX = 64
};

struct Remote
{
  char *name;
  const RemoteOps *ops;
  void *state;
  GThread *thread;
  int wake; /* eventfd */

  GMutex lock;  /* guards all below, and the ops' own parts */
  GCond ended;  /* an operation is done */
  GQueue queue; /* RemoteOp, to be submitted */
  GQueue running;
  gboolean quit;

  gboolean connected; /* the thread's own */
};

static void
end (RemoteOp *op, GError *error, gboolean lost)
{
  op->error = error;
  op->lost = lost;
  op->done = TRUE;
}

void
remote_complete (RemoteOp *op, GError *error)
{
  Remote *remote = op->remote;

  g_mutex_lock (&remote->lock);
  g_queue_unlink (&remote->running, &op->link);
  end (op, error, FALSE);
  g_cond_broadcast (&remote->ended);
  g_mutex_unlock (&remote->lock);
}

/* Everything that waits hears why there is no connection; it may come again. */
static void
fail_all (Remote *remote, const GError *error)
{
  GQueue *queues[] = { &remote->running, &remote->queue };

  g_mutex_lock (&remote->lock);
  for (unsigned i = 0; i < G_N_ELEMENTS (queues); i++)
    for (GList *l; (l = g_queue_pop_head_link (queues[i])) != NULL;)
      end (l->data, g_error_copy (error), TRUE);
  g_cond_broadcast (&remote->ended);
  g_mutex_unlock (&remote->lock);
}

static void
lose (Remote *remote, const GError *error)
{
  remote->ops->disconnect (remote->state);
  remote->connected = FALSE;
  fail_all (remote, error);
}

static void
connect_now (Remote *remote)
{
  g_autoptr (GError) error = NULL;

  remote->connected = remote->ops->connect (remote->state, g_get_monotonic_time () + CONNECT_TIME, &error);
  if (!remote->connected)
    lose (remote, error);
}

/* Hands over what waits, as much as there is room for. */
static void
submit_some (Remote *remote)
{
  for (;;)
    {
      RemoteOp *op = NULL;
      GError *error = NULL;

      g_mutex_lock (&remote->lock);
      if (g_queue_get_length (&remote->running) < IN_FLIGHT_MAX && !g_queue_is_empty (&remote->queue))
        {
          GList *l = g_queue_pop_head_link (&remote->queue);

          op = l->data;
          op->deadline = g_get_monotonic_time () + ANSWER_TIME;
          g_queue_push_tail_link (&remote->running, l);
        }
      g_mutex_unlock (&remote->lock);
      if (op == NULL)
        return;
      if (op->verb == REMOTE_CONNECT)
        remote_complete (op, NULL);
      else if (!remote->ops->submit (remote->state, op, &error))
        remote_complete (op, error);
    }
}

/* Those that were submitted first are waited for longest. */
static gboolean
is_overdue (Remote *remote)
{
  const RemoteOp *oldest;
  gboolean overdue;

  g_mutex_lock (&remote->lock);
  oldest = g_queue_peek_head (&remote->running);
  overdue = oldest != NULL && g_get_monotonic_time () > oldest->deadline;
  g_mutex_unlock (&remote->lock);
  return overdue;
}

static void
wait_and_service (Remote *remote)
{
  struct pollfd fds[2] = { { .fd = remote->wake, .events = POLLIN }, { .fd = -1 } };
  g_autoptr (GError) error = NULL;
  eventfd_t count;

  if (remote->connected)
    fds[1].fd = remote->ops->get_fd (remote->state, &fds[1].events);
  /* Without a connection there is nothing to look after. */
  if (poll (fds, G_N_ELEMENTS (fds), remote->connected ? POLL_MS : -1) < 0 && errno != EINTR)
    return;
  if (fds[0].revents & POLLIN)
    eventfd_read (remote->wake, &count);
  if (!remote->connected)
    return;
  if (!remote->ops->service (remote->state, fds[1].revents, &error))
    lose (remote, error);
  else if (is_overdue (remote))
    {
      g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _("it does not answer"));
      lose (remote, error);
    }
}

static gpointer
connection_thread (gpointer data)
{
  Remote *remote = data;
  sigset_t pipe;

  /* libiscsi writes to servers that are gone; that is to be an error, whatever the program does about the signal. */
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe, NULL);
  for (;;)
    {
      gboolean quit, wanted;

      g_mutex_lock (&remote->lock);
      quit = remote->quit;
      wanted = !g_queue_is_empty (&remote->queue);
      g_mutex_unlock (&remote->lock);
      if (quit)
        break;
      if (wanted && !remote->connected)
        connect_now (remote);
      if (remote->connected)
        submit_some (remote);
      wait_and_service (remote);
    }
  remote->ops->disconnect (remote->state);
  return NULL;
}

/* Once; TRUE when it went well, else @op->lost says whether there was a connection at all. */
static gboolean
run_once (Remote *remote, RemoteOp *op)
{
  g_clear_error (&op->error);
  op->remote = remote;
  op->done = op->lost = FALSE;
  op->link = (GList) { .data = op };
  g_mutex_lock (&remote->lock);
  g_queue_push_tail_link (&remote->queue, &op->link);
  eventfd_write (remote->wake, 1);
  while (!op->done)
    g_cond_wait (&remote->ended, &remote->lock);
  g_mutex_unlock (&remote->lock);
  return op->error == NULL;
}

gboolean
remote_run (Remote *remote, RemoteOp *op, GError **error)
{
  gint64 last = g_get_monotonic_time () + RETRY_TIME;

  while (!run_once (remote, op))
    {
      if (!op->lost)
        {
          g_propagate_error (error, g_steal_pointer (&op->error));
          return FALSE;
        }
      if (op->verb == REMOTE_CONNECT || g_get_monotonic_time () > last)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, _("no connection to “%s”: %s"), remote->name,
                       op->error->message);
          g_clear_error (&op->error);
          return FALSE;
        }
      g_usleep (RETRY_PAUSE);
    }
  return TRUE;
}

Remote *
remote_new (const char *name, const RemoteOps *ops, void *state, GError **error)
{
  Remote *remote;
  RemoteOp op = { .verb = REMOTE_CONNECT };
  int wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);

  if (wake < 0)
    {
      image_errno (error, name, NC_("cannot", "open"), errno);
      return NULL;
    }
  remote = g_new0 (Remote, 1);
  remote->name = g_strdup (name);
  remote->ops = ops;
  remote->state = state;
  remote->wake = wake;
  g_mutex_init (&remote->lock);
  g_cond_init (&remote->ended);
  g_queue_init (&remote->queue);
  g_queue_init (&remote->running);
  remote->thread = g_thread_new ("remote disk", connection_thread, remote);
  if (remote_run (remote, &op, error))
    return remote;
  remote_free (remote);
  return NULL;
}

void
remote_free (Remote *remote)
{
  if (remote == NULL)
    return;
  g_mutex_lock (&remote->lock);
  remote->quit = TRUE;
  g_mutex_unlock (&remote->lock);
  eventfd_write (remote->wake, 1);
  g_thread_join (remote->thread);
  close (remote->wake);
  g_mutex_clear (&remote->lock);
  g_cond_clear (&remote->ended);
  g_free (remote->name);
  g_free (remote);
}

/* --- Addresses --- */

static const struct
{
  const char *scheme;
  const ImageFormat *format;
} schemes[] = {
  { "nbd://", &nbd_format },   { "nbds://", &nbd_format },   { "nbd+unix://", &nbd_format },
  { "nbds+unix://", &nbd_format }, { "iscsi://", &iscsi_format },
};

const ImageFormat *
image_remote_format (const char *path)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_str_has_prefix (path, schemes[i].scheme))
      return schemes[i].format;
  return NULL;
}

char *
image_remote_name (const char *path)
{
  const char *host = strstr (path, "://"), *at = host != NULL ? strchr (host, '@') : NULL;
  const char *slash = host != NULL ? strchr (host + 3, '/') : NULL;

  /* “user%password@host”: what comes before the host is nobody's business. */
  if (at == NULL || (slash != NULL && slash < at))
    return g_strdup (path);
  return g_strdup_printf ("%.*s%s", (int) (host + 3 - path), path, at + 1);
}

gboolean
disk_is_remote (const char *path)
{
  return image_remote_format (path) != NULL;
}

char *
disk_shown_path (const char *path)
{
  return disk_is_remote (path) ? image_remote_name (path) : g_strdup (path);
}
