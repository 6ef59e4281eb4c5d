/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine's own process, “bunshin machine UUID”: takes the lock, assembles
 * the machine, serves its control socket, and stays until the machine is off.
 * What started it learns through a pipe how that went.
 */

#include "app/cli.h"
#include "app/control-server.h"
#include "app/machine-loop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The line that ends what the starter waits for; -1: nobody waits. */
static void
report (int fd, const char *word, const char *text)
{
  g_autofree char *line = g_strdup_printf ("%s%s\n", word, text ? text : "");

  if (fd < 0)
    return;
  if (write (fd, line, strlen (line)) < 0)
    g_debug ("nobody reads the report");
  close (fd);
}

/* From here on others can reach the machine. */
static ControlServer *
serve (Library *library, BunshinSession *session, GError **error)
{
  g_autofree char *path = library_socket_path (library, bunshin_session_get_record (session), error);
  ControlServer *server = path ? control_server_new (session, path, error) : NULL;

  if (server)
    bunshin_session_set_socket (session, path);
  return server;
}

static gboolean
run_machine (Library *library, BunshinSession *session, gboolean headless, int *report_fd, GError **error)
{
  ControlServer *server = serve (library, session, error);
  MachineLoop *loop;
  gboolean started;

  if (!server)
    return FALSE;
  loop = machine_loop_new (session, library, !headless);
  started = bunshin_session_start (session, error);
  if (started)
    {
      report (*report_fd, "ok ", bunshin_session_get_notice (session));
      *report_fd = -1;
      machine_loop_run (loop);
    }
  machine_loop_free (loop);
  /* Whoever waits for it gets an answer while there is somebody to answer. */
  bunshin_session_stop_typing (session);
  control_server_free (server);
  return started;
}

static gboolean
start_and_run (const char *uuid, gboolean headless, const SessionOptions *options, int *report_fd, GError **error)
{
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (BunshinSession) session = NULL;
  g_autofree char *message = NULL;
  gboolean ok;

  if (!machine_loop_prepare (!headless, error))
    return FALSE;
  if (!(library = library_open (NULL, error)) || !(record = library_find (library, uuid, error)) ||
      !(lock = library_lock_machine (record, error)) || !library_machine_validate (record, error) ||
      !(session = bunshin_session_new (library, lock, record, options, error)))
    return FALSE;
  g_steal_pointer (&lock);
  if (bunshin_session_get_notice (session) && *report_fd < 0)
    g_printerr ("%s\n", bunshin_session_get_notice (session));
  ok = run_machine (library, session, headless, report_fd, error);
  message = g_strdup (bunshin_machine_control_get_message (BUNSHIN_MACHINE_CONTROL (session)));
  bunshin_session_close (session);
  if (ok && message)
    g_printerr ("%s\n", message);
  return ok;
}

int
cli_machine (char **args, GError **error)
{
  gboolean headless = FALSE;
  SessionOptions o = { 0 };
  const char *report_text = NULL;
  const Option options[] = {
    { "headless", OPTION_FLAG, &headless }, { "serial", OPTION_STRING, &o.serial },
    { "report-fd", OPTION_STRING, &report_text }, { "perf-map", OPTION_FLAG, &o.perf_map }, { NULL }
  };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 number = 0;
  int report_fd = -1;

  if (!options_parse (args, options, 1, 1, &words, error) ||
      (report_text && !parse_number ("--report-fd", report_text, 3, 1023, &number, error)))
    return 1;
  if (report_text)
    {
      report_fd = (int) number;
      fcntl (report_fd, F_SETFD, FD_CLOEXEC);
    }
  if (start_and_run (g_ptr_array_index (words, 0), headless, &o, &report_fd, &failure))
    return 0;
  report (report_fd, "", failure->message);
  g_propagate_error (error, g_steal_pointer (&failure));
  return 1;
}
