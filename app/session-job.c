/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long work on a session's machine, one at a time: who comes second is told so, but tidying in the background gives
 * way. */

#include "app/session-private.h"

#include <glib/gi18n.h>

static void
start (BunshinSession *self, const char *what, gboolean is_background, GCancellable *cancellable, GTask *task,
       SessionJobReady ready)
{
  self->job.what = what;
  self->job.is_background = is_background;
  self->job.holds_drives = FALSE;
  self->job.cancellable = cancellable ? g_object_ref (cancellable) : g_cancellable_new ();
  ready (self, task);
}

/* Whether what the user asks for may begin, perhaps when the background has given way. */
static gboolean
check_free (BunshinSession *self, GError **error)
{
  if (self->waiting.task)
    return session_fail (error, LIBRARY_ERROR_RUNNING, self->waiting.what);
  return !self->job.what || self->job.is_background || session_fail (error, LIBRARY_ERROR_RUNNING, self->job.what);
}

gboolean
session_job_check (BunshinSession *self, GError **error)
{
  return check_free (self, error)
         && (!self->job.what || !self->job.holds_drives || session_fail (error, LIBRARY_ERROR_RUNNING, self->job.what));
}

void
session_job_begin (BunshinSession *self, const char *what, gboolean is_background, GCancellable *cancellable,
                   GTask *task, SessionJobReady ready)
{
  g_autoptr (GTask) owned = task;
  GError *error = NULL;

  if (!check_free (self, &error))
    g_task_return_error (task, error);
  else if (!self->job.what)
    start (self, what, is_background, cancellable, g_steal_pointer (&owned), ready);
  else if (is_background)
    g_task_return_boolean (task, TRUE);
  else
    {
      self->waiting
          = (SessionWaiting) { what, cancellable ? g_object_ref (cancellable) : NULL, g_steal_pointer (&owned), ready };
      self->tidy_again = TRUE;
      g_cancellable_cancel (self->job.cancellable);
    }
}

void
session_job_end (BunshinSession *self)
{
  SessionWaiting next = self->waiting;

  session_job_progress (self, -1);
  self->waiting = (SessionWaiting) { 0 };
  self->job.what = NULL;
  g_clear_object (&self->job.cancellable);
  if (next.task)
    start (self, next.what, FALSE, next.cancellable, next.task, next.ready);
  else if (self->tidy_again && self->machine && !bunshin_session_has_ended (self))
    {
      self->tidy_again = FALSE;
      session_tidy (self);
    }
  g_clear_object (&next.cancellable);
}

void
session_job_cancel (BunshinSession *self)
{
  if (self->waiting.cancellable)
    g_cancellable_cancel (self->waiting.cancellable);
  if (self->job.cancellable)
    g_cancellable_cancel (self->job.cancellable);
}

void
session_job_finish (BunshinSession *self)
{
  session_job_cancel (self);
  while (self->job.what)
    g_main_context_iteration (NULL, TRUE);
}

void
session_job_thread (BunshinSession *self, GTask *task, GTaskThreadFunc func, GAsyncReadyCallback done)
{
  /* Not of the session: its last reference belongs to the main thread. */
  g_autoptr (GTask) work = g_task_new (NULL, self->job.cancellable, done, task);

  /* What was done although it was cancelled, was done. */
  g_task_set_check_cancellable (work, FALSE);
  g_task_set_task_data (work, g_task_get_task_data (task), NULL);
  g_task_run_in_thread (work, func);
}

static gboolean
on_progress_idle (gpointer data)
{
  BunshinSession *self = data;

  g_atomic_int_set (&self->progress_is_told, FALSE);
  g_object_notify (G_OBJECT (self), "progress");
  return G_SOURCE_REMOVE;
}

void
session_job_progress (BunshinSession *self, double fraction)
{
  int permille = fraction < 0 ? SESSION_NO_PROGRESS : (int) (MIN (fraction, 1) * 1000);

  if (g_atomic_int_get (&self->permille) == permille)
    return;
  g_atomic_int_set (&self->permille, permille);
  if (g_atomic_int_compare_and_exchange (&self->progress_is_told, FALSE, TRUE))
    g_idle_add_full (G_PRIORITY_DEFAULT, on_progress_idle, g_object_ref (self), g_object_unref);
}
