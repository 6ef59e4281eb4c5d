/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a machine's state to its folder, to be powered off then. */

#include "app/session-private.h"

#include <glib/gi18n.h>

typedef struct
{
  BunshinSession *session; /* borrowed: the task holds it */
  char *path;
} Save;

static void
save_free (gpointer data)
{
  g_free (((Save *) data)->path);
  g_free (data);
}

static void
on_progress (double fraction, void *opaque)
{
  session_job_progress (opaque, fraction);
}

static void
save_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Save *save = data;
  const MachineSave options
      = { .stop = TRUE, .cancellable = cancellable, .progress = on_progress, .opaque = save->session };
  GError *error = NULL;

  if (machine_save (save->session->machine, save->path, &options, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_saved (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  BunshinSession *self = g_task_get_source_object (task);
  GError *error = NULL;

  self->is_saved = g_task_propagate_boolean (G_TASK (result), &error);
  if (self->is_saved)
    machine_power_off (self->machine);
  self->is_saving = FALSE;
  session_job_end (self);
  session_follow (self);
  if (self->is_saved)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
begin (BunshinSession *self, GTask *task)
{
  GError *error = NULL;

  /* It may have ended while the job before gave way. */
  if (!session_check_alive (self, &error))
    {
      session_job_end (self);
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  self->is_saving = TRUE;
  session_follow (self);
  session_job_thread (self, task, save_thread, on_saved);
}

void
bunshin_session_save_async (BunshinSession *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, data);
  GError *error = NULL;

  if (!session_check_alive (self, &error))
    g_task_return_error (task, error);
  else if (!self->is_kept)
    g_task_return_new_error (task, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                             _("this machine is thrown away at its end: its state cannot be saved"));
  else if (self->in_drive)
    g_task_return_new_error (
        task, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
        _("this is a test drive: take a snapshot, or keep what it changed, before the state is saved"));
  else
    {
      Save *save = g_new (Save, 1);

      *save = (Save) { self, library_saved_state_path (self->record) };
      g_task_set_task_data (task, save, save_free);
      session_job_begin (self, _("the machine's state is being saved"), FALSE, cancellable, g_steal_pointer (&task),
                         begin);
    }
}

gboolean
bunshin_session_save_finish (BunshinSession *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
