/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disks on servers: what a connection does when its server goes away. */

#include "storage/disk/remote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* One that is gone when its first request is sent, and stays when it is back. */
typedef struct
{
  int ours, theirs;
  unsigned connections;
  gboolean lost;
} Server;

static void
hang_up (int *fd)
{
  if (*fd >= 0)
    g_assert_no_errno (close (*fd));
  *fd = -1;
}

static gboolean
server_connect (void *state, gint64 deadline, GError **error)
{
  Server *server = state;
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  server->ours = ends[0];
  server->theirs = ends[1];
  server->connections++;
  server->lost = FALSE;
  return TRUE;
}

static gboolean
server_submit (void *state, RemoteOp *op, GError **error)
{
  Server *server = state;

  if (server->connections == 1)
    hang_up (&server->theirs);
  if (write (server->ours, "", 1) == 1)
    {
      remote_complete (op, NULL);
      return TRUE;
    }
  g_assert_cmpint (errno, ==, EPIPE);
  server->lost = TRUE;
  return TRUE;
}

static int
server_fd (void *state, short *events)
{
  *events = POLLIN;
  return ((Server *) state)->ours;
}

static gboolean
server_service (void *state, short revents, GError **error)
{
  if (!((Server *) state)->lost)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "gone");
  return FALSE;
}

static void
server_disconnect (void *state)
{
  Server *server = state;

  hang_up (&server->ours);
  hang_up (&server->theirs);
}

/* A program that leaves the signal as it is does not die of it, and the request is sent again. */
static void
test_broken_pipe (void)
{
  static const RemoteOps ops = { .connect = server_connect,
                                 .submit = server_submit,
                                 .get_fd = server_fd,
                                 .service = server_service,
                                 .disconnect = server_disconnect };
  Server server = { .ours = -1, .theirs = -1 };
  RemoteOp op = { .verb = REMOTE_FLUSH };
  g_autoptr (GError) error = NULL;
  Remote *remote;

  signal (SIGPIPE, SIG_DFL);
  remote = remote_new ("test", &ops, &server, &error);
  g_assert_no_error (error);
  g_assert_true (remote_run (remote, &op, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (server.connections, ==, 2);
  remote_free (remote);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/remote/broken-pipe", test_broken_pipe);
  return g_test_run ();
}
