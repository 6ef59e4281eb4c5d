/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session as the windows of its own process see it: every short verb is done when the call returns. */

#include "app/session-private.h"

static LibraryState
control_get_state (BunshinMachineControl *control)
{
  return BUNSHIN_SESSION (control)->state;
}

static const char *
control_get_message (BunshinMachineControl *control)
{
  return BUNSHIN_SESSION (control)->message;
}

static const char *
control_get_uuid (BunshinMachineControl *control)
{
  return BUNSHIN_SESSION (control)->record->uuid;
}

static Machine *
control_get_machine (BunshinMachineControl *control)
{
  return BUNSHIN_SESSION (control)->machine;
}

static void
return_boolean (GTask *task, gboolean ok, GError *error)
{
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
finish_boolean (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
control_run_async (BunshinMachineControl *control, BunshinVerb verb, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  gboolean ok;

  if (verb == BUNSHIN_VERB_SAVE)
    {
      bunshin_session_save_async (BUNSHIN_SESSION (control), cancellable, callback, data);
      return;
    }
  task = g_task_new (control, cancellable, callback, data);
  ok = bunshin_session_verb (BUNSHIN_SESSION (control), verb, &error);

  return_boolean (task, ok, error);
}

static void
control_insert_async (BunshinMachineControl *control, const char *slot, const char *path, gboolean force,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  bunshin_session_insert_async (BUNSHIN_SESSION (control), slot, path, force, cancellable, callback, data);
}

static void
control_screenshot_async (BunshinMachineControl *control, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer data)
{
  g_autoptr (GTask) task = g_task_new (control, cancellable, callback, data);
  GError *error = NULL;
  GBytes *png = bunshin_session_screenshot (BUNSHIN_SESSION (control), "png", &error);

  if (png)
    g_task_return_pointer (task, png, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, error);
}

static GBytes *
control_screenshot_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
control_info_async (BunshinMachineControl *control, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
  g_autoptr (GTask) task = g_task_new (control, cancellable, callback, data);

  g_task_return_pointer (task, g_variant_ref_sink (bunshin_session_info (BUNSHIN_SESSION (control))),
                         (GDestroyNotify) g_variant_unref);
}

static GVariant *
control_info_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
control_snapshot_async (BunshinMachineControl *control, const BunshinSnapshotRequest *request, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data)
{
  bunshin_session_snapshot_async (BUNSHIN_SESSION (control), request, cancellable, callback, data);
}

static gboolean
control_snapshot_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return bunshin_session_snapshot_finish (BUNSHIN_SESSION (control), result, error);
}

void
session_control_init (BunshinMachineControlInterface *iface)
{
  iface->get_state = control_get_state;
  iface->get_message = control_get_message;
  iface->get_uuid = control_get_uuid;
  iface->get_machine = control_get_machine;
  iface->run_async = control_run_async;
  iface->run_finish = finish_boolean;
  iface->insert_async = control_insert_async;
  iface->insert_finish = finish_boolean;
  iface->screenshot_async = control_screenshot_async;
  iface->screenshot_finish = control_screenshot_finish;
  iface->info_async = control_info_async;
  iface->info_finish = control_info_finish;
  iface->snapshot_async = control_snapshot_async;
  iface->snapshot_finish = control_snapshot_finish;
}
