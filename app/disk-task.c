/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long work at the command line; see the header. */

#include "app/disk-task.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum
{
  TICK_MS = 100
};

typedef struct
{
  gboolean (*work) (const DiskTask *task, gpointer data, GError **error);
  gpointer data;
  DiskTask task;
  GMainLoop *loop;
  int permille; /* atomic */
  int shown;
  gboolean ok;
  GError *error;
} Run;

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  Run *run = opaque;

  g_atomic_int_set (&run->permille, total > 0 ? (int) ((double) done / (double) total * 1000) : 1000);
}

static gboolean
on_tick (gpointer data)
{
  Run *run = data;
  int permille = g_atomic_int_get (&run->permille);

  if (permille != run->shown)
    {
      g_printerr ("\r%d.%d %%", permille / 10, permille % 10);
      run->shown = permille;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
  Run *run = data;

  /* Who insists does not wait for it to be undone: the next run does that. */
  if (g_cancellable_is_cancelled (run->task.cancellable))
    _exit (1);
  g_cancellable_cancel (run->task.cancellable);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_done (gpointer data)
{
  g_main_loop_quit (((Run *) data)->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
work_thread (gpointer data)
{
  Run *run = data;

  run->ok = run->work (&run->task, run->data, &run->error);
  /* In the loop: it may not have begun yet. */
  g_idle_add (on_done, run);
  return NULL;
}

gboolean
disk_task_run (gboolean (*work) (const DiskTask *task, gpointer data, GError **error), gpointer data, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Run run = { .work = work,
              .data = data,
              .loop = loop,
              .shown = -1,
              .task = { .cancellable = cancellable, .progress = on_progress } };
  guint interrupted, terminated, tick = 0;
  GThread *thread;

  run.task.opaque = &run;
  interrupted = g_unix_signal_add (SIGINT, on_signal, &run);
  terminated = g_unix_signal_add (SIGTERM, on_signal, &run);
  if (isatty (STDERR_FILENO))
    tick = g_timeout_add (TICK_MS, on_tick, &run);
  thread = g_thread_new ("disk task", work_thread, &run);
  g_main_loop_run (loop);
  g_thread_join (thread);
  g_source_remove (interrupted);
  g_source_remove (terminated);
  if (tick > 0)
    g_source_remove (tick);
  /* The line is left empty for what comes next. */
  if (run.shown >= 0)
    g_printerr ("\r        \r");
  if (run.ok)
    return TRUE;
  if (g_error_matches (run.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&run.error);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _("cancelled: nothing was changed"));
      return FALSE;
    }
  g_propagate_error (error, run.error);
  return FALSE;
}
