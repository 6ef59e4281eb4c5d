/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting a machine's process and talking to it; see the header. */

#include "app/client.h"
#include "app/cli.h"

#include <glib/gi18n.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_US = 20000, REPORT_MAX = 8192 };

char *
cli_program_path (void)
{
  return g_file_read_link ("/proc/self/exe", NULL);
}

GPtrArray *
client_machine_arguments (const LibraryMachine *machine, const SpawnOptions *options, int report_fd)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (words, cli_program_path ());
  g_ptr_array_add (words, g_strdup ("machine"));
  g_ptr_array_add (words, g_strdup (machine->uuid));
  if (options->headless)
    g_ptr_array_add (words, g_strdup ("--headless"));
  if (options->serial)
    g_ptr_array_add (words, g_strdup_printf ("--serial=%s", options->serial));
  if (options->perf_map)
    g_ptr_array_add (words, g_strdup ("--perf-map"));
  if (options->is_drive)
    g_ptr_array_add (words, g_strdup ("--discard"));
  if (options->no_network)
    g_ptr_array_add (words, g_strdup ("--no-network"));
  if (options->snapshot)
    g_ptr_array_add (words, g_strdup_printf ("--snapshot=%s", options->snapshot));
  if (report_fd >= 0)
    g_ptr_array_add (words, g_strdup_printf ("--report-fd=%d", report_fd));
  g_ptr_array_add (words, NULL);
  return words;
}

/* What the new process does before it becomes the program: only async-signal-safe calls. */
static void
detach (gpointer data)
{
  setsid ();
}

/* Everything until the other side closes the pipe or says “ok”. */
static char *
read_report (int fd)
{
  GString *report = g_string_new (NULL);
  char buffer[512];
  ssize_t length;

  while (report->len < REPORT_MAX && (length = read (fd, buffer, sizeof buffer)) != 0)
    {
      if (length > 0)
        g_string_append_len (report, buffer, length);
      else if (errno != EINTR)
        break;
    }
  return g_string_free (report, FALSE);
}

static gboolean
spawn_process (const LibraryMachine *machine, const SpawnOptions *options, int report_fd, GPid *pid, GError **error)
{
  g_autofree char *log = g_build_filename (machine->folder, "machine.log", NULL);
  g_autoptr (GPtrArray) words = NULL;
  int output, input;
  gboolean ok;

  /* The child's own copy, numbered high so that it meets no standard stream. */
  words = client_machine_arguments (machine, options, 3);
  output = open (log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (output < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot write “%s”: %s"), log,
                   g_strerror (errno));
      return FALSE;
    }
  input = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  ok = g_spawn_async_with_pipes_and_fds (NULL, (const char *const *) words->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                         detach, NULL, input, output, output, &report_fd, (const int[]) { 3 }, 1, pid,
                                         NULL, NULL, NULL, error);
  close (output);
  close (input);
  return ok;
}

static void
on_child_ended (GPid pid, int status, gpointer data)
{
  g_spawn_close_pid (pid);
}

/* The first line is the notice; each other one that is not empty a sentence. */
static void
read_notices (const char *text, char **notice, char ***did)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GStrvBuilder *sentences = g_strv_builder_new ();
  unsigned count = 0;

  g_strstrip (lines[0]);
  if (notice)
    *notice = *lines[0] ? g_strdup (lines[0]) : NULL;
  for (unsigned i = 1; lines[i] != NULL; i++)
    if (*lines[i])
      {
        g_strv_builder_add (sentences, lines[i]);
        count++;
      }
  if (did)
    *did = count > 0 ? g_strv_builder_end (sentences) : NULL;
  g_strv_builder_unref (sentences);
}

gboolean
client_spawn (const LibraryMachine *machine, const SpawnOptions *options, char **notice, char ***did, GError **error)
{
  g_autofree char *report = NULL, *text = NULL;
  /* Known beforehand in the common case; the process checks again, by taking the lock. */
  LibraryState state = library_machine_state (machine, NULL, NULL);
  GPid pid;
  int ends[2];

  if (library_machine_asks (machine))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                   _("the window of “%s” asks what becomes of its test drive: answer there, or by “bunshin drive”"),
                   machine->name);
      return FALSE;
    }
  if (state != LIBRARY_STATE_POWERED_OFF && state != LIBRARY_STATE_SAVED)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING, _("the machine “%s” is running already"),
                   machine->name);
      return FALSE;
    }
  if (!g_unix_open_pipe (ends, FD_CLOEXEC, error))
    return FALSE;
  if (!spawn_process (machine, options, ends[1], &pid, error))
    {
      close (ends[0]);
      close (ends[1]);
      return FALSE;
    }
  close (ends[1]);
  report = read_report (ends[0]);
  close (ends[0]);

  if (g_str_has_prefix (report, "ok"))
    {
      /* When the process ends some day, a caller with a main loop collects its status. */
      g_child_watch_add (pid, on_child_ended, NULL);
      read_notices (report + 2, notice, did);
      return TRUE;
    }

  {
    int status = 0;

    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
      ;
    text = g_strstrip (g_strdup (report));
    if (*text)
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, text);
    else if (WIFSIGNALED (status))
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                   _("the process of the machine “%s” was ended by signal %d; its log is “%s/machine.log”"),
                   machine->name, WTERMSIG (status), machine->folder);
    else
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                   _("the process of the machine “%s” ended at once; its log is “%s/machine.log”"), machine->name,
                   machine->folder);
  }
  return FALSE;
}

GDBusConnection *
client_connect (const LibraryMachine *machine, GError **error)
{
  g_autofree char *socket = NULL, *escaped = NULL, *address = NULL;
  g_autoptr (GError) failure = NULL;
  GDBusConnection *connection;

  /* A machine that is starting has no socket yet, for a moment. */
  for (int tries = 0; tries < 250; tries++)
    {
      LibraryState state = library_machine_state (machine, &socket, NULL);

      if (state == LIBRARY_STATE_POWERED_OFF || state == LIBRARY_STATE_SAVED)
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING, _("the machine “%s” is powered off"),
                       machine->name);
          return NULL;
        }
      if (socket)
        break;
      g_usleep (POLL_US);
    }
  if (!socket)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("the machine “%s” is busy starting"), machine->name);
      return NULL;
    }
  escaped = g_dbus_address_escape_value (socket);
  address = g_strconcat ("unix:path=", escaped, NULL);
  connection = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
                                                       NULL, &failure);
  if (!connection)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("cannot reach the process of the machine “%s”: %s"),
                 machine->name, failure->message);
  return connection;
}

GVariant *
client_call (GDBusConnection *connection, const char *method, GVariant *arguments, GError **error)
{
  GVariant *reply
      = g_dbus_connection_call_sync (connection, NULL, "/org/bunshin/Machine", "org.bunshin.Machine", method, arguments,
                                     NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, error);

  if (!reply && error && *error)
    g_dbus_error_strip_remote_error (*error);
  return reply;
}

GVariant *
client_call_machine (const LibraryMachine *machine, const char *method, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) taken = arguments ? g_variant_ref_sink (arguments) : NULL;
  g_autoptr (GDBusConnection) connection = client_connect (machine, error);

  return connection ? client_call (connection, method, taken, error) : NULL;
}

static gboolean
wait_for (const LibraryMachine *machine, LibraryState state, LibraryState other, gint64 timeout_ms, gboolean *asks)
{
  gint64 end = g_get_monotonic_time () + timeout_ms * 1000;

  if (asks)
    *asks = FALSE;
  for (;;)
    {
      LibraryState now = library_machine_state (machine, NULL, NULL);

      if (now == state || now == other || (asks && (*asks = library_machine_asks (machine))))
        return TRUE;
      if (timeout_ms >= 0 && g_get_monotonic_time () >= end)
        return FALSE;
      g_usleep (POLL_US);
    }
}

gboolean
client_wait_state (const LibraryMachine *machine, LibraryState state, gint64 timeout_ms, gboolean *asks)
{
  return wait_for (machine, state, state, timeout_ms, asks);
}

gboolean
client_wait_off (const LibraryMachine *machine, gint64 timeout_ms, gboolean *asks)
{
  return wait_for (machine, LIBRARY_STATE_POWERED_OFF, LIBRARY_STATE_SAVED, timeout_ms, asks);
}
