/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long work on disk images; see the header. */

#include "ui/disk-work.h"

typedef struct
{
  DiskWork work;
  gpointer data, opaque;
  DiskWorkProgress progress;
  GAsyncReadyCallback callback;
  guint timer;
  int permille; /* atomic; negative: not known */
} Run;

enum
{
  TICK_MS = 100
};

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  Run *run = opaque;

  g_atomic_int_set (&run->permille, total > 0 ? (int) ((double) MIN (done, total) / (double) total * 1000) : 1000);
}

static gboolean
on_tick (gpointer data)
{
  Run *run = data;
  int permille = g_atomic_int_get (&run->permille);

  run->progress (permille < 0 ? -1 : permille / 1000.0, run->opaque);
  return G_SOURCE_CONTINUE;
}

static void
work_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Run *run = task_data;
  const DiskTask disk_task = { .cancellable = cancellable, .progress = on_progress, .opaque = run };
  GError *error = NULL;

  if (run->work (&disk_task, run->data, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *run = g_task_get_task_data (G_TASK (result));
  GApplication *application = g_application_get_default ();

  g_clear_handle_id (&run->timer, g_source_remove);
  run->callback (source, result, run->opaque);
  if (application != NULL)
    g_application_release (application);
}

void
disk_work_run_async (DiskWork work, gpointer data, DiskWorkProgress progress, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer opaque)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, on_done, NULL);
  GApplication *application = g_application_get_default ();
  Run *run = g_new0 (Run, 1);

  run->work = work;
  run->data = data;
  run->opaque = opaque;
  run->progress = progress;
  run->callback = callback;
  run->permille = -1;
  if (progress != NULL)
    run->timer = g_timeout_add (TICK_MS, on_tick, run);
  if (application != NULL)
    g_application_hold (application);
  g_task_set_task_data (task, run, g_free);
  /* The answer comes when all is undone, not before. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_run_in_thread (task, work_thread);
}

gboolean
disk_work_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
