/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking into disks by another process; see the header. */

#include "ui/changes-run.h"

#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  BLOCK = 64 << 10,
  COMPLAINT_MAX = 4096, /* bytes of what it printed */
  GRACE_MS = 3000,      /* for undoing */
  POLL_MS = 50
};

typedef struct
{
  char **words; /* the command line */
  char *home;
  ChangesData *data; /* NULL: nothing is read */
} Run;

static void
run_free (gpointer pointer)
{
  Run *run = pointer;

  g_strfreev (run->words);
  g_free (run->home);
  g_clear_pointer (&run->data, changes_data_unref);
  g_free (run);
}

/* @complaint: a file without a name that takes what the process says. */
static GSubprocess *
spawn (const Run *run, int *complaint, GError **error)
{
  GSubprocessFlags out = run->data != NULL ? G_SUBPROCESS_FLAGS_STDOUT_PIPE : G_SUBPROCESS_FLAGS_STDOUT_SILENCE;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (out);

  /* Not a pipe: whoever fills that while nobody reads it stands still for ever. */
  *complaint = memfd_create ("complaint", MFD_CLOEXEC);
  if (*complaint >= 0)
    g_subprocess_launcher_take_stderr_fd (launcher, dup (*complaint));
  g_subprocess_launcher_setenv (launcher, "BUNSHIN_HOME", run->home, TRUE);
  return g_subprocess_launcher_spawnv (launcher, (const char *const *) run->words, error);
}

/* The last line, without what it begins with. Caller frees. */
static char *
read_complaint (int fd)
{
  char text[COMPLAINT_MAX + 1];
  ssize_t length = fd >= 0 ? pread (fd, text, COMPLAINT_MAX, 0) : 0;
  g_autofree char *valid = NULL;
  const char *line;

  text[MAX (length, 0)] = '\0';
  valid = g_utf8_make_valid (g_strstrip (text), -1);
  line = strrchr (valid, '\n');
  line = line != NULL ? line + 1 : valid;
  if (g_str_has_prefix (line, "bunshin: snapshot: "))
    line += strlen ("bunshin: snapshot: ");
  return inspect_shown_path (line);
}

static gboolean
check_end (GSubprocess *process, int complaint, GError **error)
{
  g_autofree char *text = NULL;

  if (g_subprocess_get_successful (process))
    return TRUE;
  if (!g_subprocess_get_if_exited (process))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   _("reading the disks came to a sudden end (%s): their file systems may be damaged"),
                   g_strsignal (g_subprocess_get_term_sig (process)));
      return FALSE;
    }
  text = read_complaint (complaint);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, text[0] != '\0' ? text : _("reading the disks failed"));
  return FALSE;
}

static gboolean
read_all (GSubprocess *process, ChangesData *data, GError **error)
{
  GInputStream *stream = g_subprocess_get_stdout_pipe (process);
  g_autofree char *block = g_malloc (BLOCK);
  gssize got;

  /* Not cancellable: the end of the process ends it, too. */
  while ((got = g_input_stream_read (stream, block, BLOCK, NULL, error)) > 0)
    if (!changes_data_feed (data, block, (gsize) got, error))
      return FALSE;
  return got == 0;
}

static void
on_cancelled (GCancellable *cancellable, gpointer data)
{
  g_subprocess_force_exit (data);
}

static gboolean
compare (const Run *run, GCancellable *cancellable, GError **error)
{
  int complaint = -1;
  g_autoptr (GSubprocess) process = spawn (run, &complaint, error);
  gulong handler;
  gboolean ok;

  if (process != NULL)
    {
      handler = g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), g_object_ref (process), g_object_unref);
      ok = read_all (process, run->data, error);
      if (!ok)
        g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
      g_cancellable_disconnect (cancellable, handler);
      ok = ok && check_end (process, complaint, error) && changes_data_end (run->data, error);
    }
  else
    ok = FALSE;
  if (complaint >= 0)
    close (complaint);
  return ok;
}

static void
compare_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (compare (data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
run_in_thread (Run *run, GTaskThreadFunc function, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_task_data (task, run, run_free);
  g_task_run_in_thread (task, function);
}

void
changes_run_async (const ChangesSource *source, const char *from, const char *to, ChangesData *data,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  const char *words[] = { source->program, "snapshot", "changes", "--records", "--", source->machine, from, to, NULL };
  Run *run = g_new0 (Run, 1);

  run->words = g_strdupv ((char **) words);
  run->home = g_strdup (source->home);
  run->data = changes_data_ref (data);
  run_in_thread (run, compare_thread, cancellable, callback, user_data);
}

gboolean
changes_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Copying --- */

/* It has a file to remove: it is asked to end first. */
static void
stop (GSubprocess *process)
{
  g_subprocess_send_signal (process, SIGTERM);
  for (int waited = 0; waited < GRACE_MS && g_subprocess_get_identifier (process) != NULL; waited += POLL_MS)
    g_usleep (POLL_MS * 1000);
  g_subprocess_force_exit (process);
  g_subprocess_wait (process, NULL, NULL);
}

static void
copy_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  int complaint = -1;
  g_autoptr (GSubprocess) process = spawn (data, &complaint, &error);

  if (process != NULL && !g_subprocess_wait (process, cancellable, &error))
    stop (process);
  if (error == NULL && check_end (process, complaint, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
  if (complaint >= 0)
    close (complaint);
}

void
changes_copy_async (const ChangesSource *source, const char *moment, const char *disk, guint volume, const char *path,
                    const char *destination, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autofree char *place = g_strdup_printf ("%s:%u:%s", disk, volume, path);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  const char *const head[] = { source->program, "snapshot", "copy-out", "--replace", "--", source->machine };
  Run *run = g_new0 (Run, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (head); i++)
    g_ptr_array_add (words, (gpointer) head[i]);
  if (moment != NULL)
    g_ptr_array_add (words, (gpointer) moment);
  g_ptr_array_add (words, place);
  g_ptr_array_add (words, (gpointer) destination);
  g_ptr_array_add (words, NULL);
  run->words = g_strdupv ((char **) words->pdata);
  run->home = g_strdup (source->home);
  run_in_thread (run, copy_thread, cancellable, callback, user_data);
}

gboolean
changes_copy_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
