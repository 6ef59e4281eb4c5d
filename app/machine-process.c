/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine's own process, “bunshin machine UUID”: takes the lock, assembles
 * the machine, serves its control socket, and stays until the machine is off.
 * What started it learns through a pipe how that went: “ok” and a notice, then
 * a line each about what an earlier run had left, or why it failed.
 */

#include "app/cli.h"
#include "app/control-server.h"
#include "app/machine-loop.h"
#include "app/snapshot-work.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

/* What was asked for on the command line. */
typedef struct
{
  const char *uuid;
  gboolean headless;
  gboolean is_drive;     /* a test drive */
  const char *snapshot;  /* of which it begins, or NULL */
  SessionOptions session;
  int report_fd;         /* -1: nobody waits to hear how the start went, or it was said */
} Run;

/* What the starter waits for; -1: nobody waits. */
static void
report (int fd, const char *word, const char *text, char **more)
{
  g_autofree char *rest = more ? g_strjoinv ("\n", more) : NULL;
  g_autofree char *line = g_strdup_printf ("%s%s\n%s\n", word, text ? text : "", rest ? rest : "");

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
run_machine (Run *run, Library *library, BunshinSession *session, char **did, GError **error)
{
  ControlServer *server = serve (library, session, error);
  MachineLoop *loop;
  gboolean started;

  if (!server)
    return FALSE;
  loop = machine_loop_new (session, library, !run->headless);
  started = bunshin_session_start (session, error);
  if (started)
    {
      report (run->report_fd, "ok ", bunshin_session_get_notice (session), did);
      run->report_fd = -1;
      machine_loop_run (loop);
    }
  machine_loop_free (loop);
  /* Whoever waits for it gets an answer while there is somebody to answer. */
  bunshin_session_stop_work (session);
  control_server_free (server);
  return started;
}

/* A lock that is held and yet nothing runs: somebody works on the machine's files. */
static LibraryLock *
lock_machine (const LibraryMachine *record, GError **error)
{
  g_autoptr (GError) failure = NULL;
  LibraryLock *lock = library_lock_machine (record, &failure);
  LibraryState state;

  if (lock)
    return lock;
  state = library_machine_state (record, NULL, NULL);
  if (g_error_matches (failure, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING)
      && (state == LIBRARY_STATE_POWERED_OFF || state == LIBRARY_STATE_SAVED))
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                 _("“%s” is being worked on: try again when that is done"), record->name);
  else
    g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

/* A test drive needs no snapshot, as all of it can be thrown away. */
static gboolean
before_start (const Run *run, Library *library, LibraryMachine **record, char ***did, GError **error)
{
  LibraryMachine *fresh = library_find (library, run->uuid, error);

  if (!fresh)
    return FALSE;
  library_machine_free (*record);
  *record = fresh;
  if (!run->is_drive)
    bunshin_session_before_start (library, fresh, did);
  return TRUE;
}

/* The lock of @record, which is what it was left to be: as a test drive begins, if this shall be one. */
static LibraryLock *
prepare (const Run *run, Library *library, LibraryMachine **record, char ***did, GError **error)
{
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (LibraryMachine) fresh = NULL;
  g_autoptr (Snapshot) snapshot = NULL;

  if (!(*record = library_find (library, run->uuid, error)) || !(lock = lock_machine (*record, error))
      || !snapshot_work_recover (library, run->uuid, did, error)
      || !before_start (run, library, record, did, error)
      || (run->snapshot && !(snapshot = snapshot_find (library, *record, run->snapshot, error)))
      || (run->is_drive && !snapshot_drive_begin (library, run->uuid, snapshot ? snapshot->uuid : NULL, error))
      || !(fresh = library_find (library, run->uuid, error)))
    return NULL;
  library_machine_free (*record);
  *record = g_steal_pointer (&fresh);
  return g_steal_pointer (&lock);
}

/* It did not get as far as a session, which would do that. */
static void
undo_drive (Library *library, const char *uuid)
{
  g_autoptr (GError) error = NULL;

  if (!snapshot_drive_end (library, uuid, SNAPSHOT_DRIVE_DISCARD, NULL, &error)
      || !snapshot_tidy (library, uuid, NULL, NULL, &error))
    g_printerr ("%s\n", error->message);
}

static gboolean
start_and_run (Run *run, GError **error)
{
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (BunshinSession) session = NULL;
  g_autofree char *message = NULL;
  g_auto (GStrv) did = NULL;
  gboolean ok;

  if (!machine_loop_prepare (!run->headless, error) || !(library = library_open (NULL, error))
      || !(lock = prepare (run, library, &record, &did, error)))
    return FALSE;
  if (library_machine_validate (record, error))
    session = bunshin_session_new (library, lock, record, &run->session, error);
  if (!session)
    {
      if (run->is_drive)
        undo_drive (library, record->uuid);
      return FALSE;
    }
  g_steal_pointer (&lock);
  if (bunshin_session_get_notice (session) && run->report_fd < 0)
    g_printerr ("%s\n", bunshin_session_get_notice (session));
  for (char **sentence = did; sentence && *sentence; sentence++)
    g_printerr ("%s\n", *sentence);
  ok = run_machine (run, library, session, did, error);
  message = g_strdup (bunshin_machine_control_get_message (BUNSHIN_MACHINE_CONTROL (session)));
  bunshin_session_close (session);
  if (ok && message)
    g_printerr ("%s\n", message);
  return ok;
}

int
cli_machine (char **args, GError **error)
{
  Run run = { .report_fd = -1 };
  const char *report_text = NULL;
  const Option options[] = {
    { "headless", OPTION_FLAG, &run.headless }, { "serial", OPTION_STRING, &run.session.serial },
    { "report-fd", OPTION_STRING, &report_text }, { "perf-map", OPTION_FLAG, &run.session.perf_map },
    { "discard", OPTION_FLAG, &run.is_drive }, { "no-network", OPTION_FLAG, &run.session.no_network },
    { "snapshot", OPTION_STRING, &run.snapshot }, { NULL }
  };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 number = 0;

  if (!options_parse (args, options, 1, 1, &words, error) ||
      (report_text && !parse_number ("--report-fd", report_text, 3, 1023, &number, error)))
    return 1;
  run.uuid = g_ptr_array_index (words, 0);
  if (report_text)
    {
      run.report_fd = (int) number;
      fcntl (run.report_fd, F_SETFD, FD_CLOEXEC);
    }
  if (start_and_run (&run, &failure))
    return 0;
  report (run.report_fd, "", failure->message, NULL);
  g_propagate_error (error, g_steal_pointer (&failure));
  return 1;
}
