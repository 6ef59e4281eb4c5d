/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a test drive. While the machine runs, what it changed can be kept:
 * then it is no test drive any more. Otherwise it is thrown away when the machine
 * is off, unless a window asks first.
 */

#include "app/session-snapshot.h"

#include <glib/gi18n.h>

static void
set_drive_ended (BunshinSession *self, gboolean ended)
{
  if (self->drive_ended == ended)
    return;
  self->drive_ended = ended;
  g_object_notify (G_OBJECT (self), "drive-ended");
}

/* --- While it runs --- */

/* Where it began is forgotten: the disks stay what they are, so the machine need not be off. */
static void
keep_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  SessionSnapshot *work = data;
  GError *error = NULL;
  gboolean ok = session_snapshot_open (work, &error)
                && (work->how != SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT || session_snapshot_take (work, &error))
                && snapshot_drive_end (work->library, work->record->uuid, SNAPSHOT_DRIVE_KEEP, NULL, &error);

  session_snapshot_return_thread (task, ok, error);
}

/* It is no test drive any more: what it was kept from is there again. */
static void
connect_network (BunshinSession *self)
{
  if (!self->options.no_network)
    return;
  self->options.no_network = FALSE;
  for (unsigned i = 0; i < self->record->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (self->record->adapters, i);

      if (adapter->cable)
        machine_set_cable (self->machine, adapter->slot, TRUE);
    }
}

static void
on_kept (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  BunshinSession *self = work->session;
  GError *error = NULL;

  if (session_snapshot_follow (work, result, &error))
    {
      self->in_drive = FALSE;
      connect_network (self);
      /* Merging can take long, and nobody has to wait for it. */
      self->tidy_again = TRUE;
    }
  session_snapshot_return (work, error);
}

static void
begin_keep (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);
  GError *error = NULL;

  if (!session_check_alive (self, &error))
    session_snapshot_return (work, error);
  else
    session_job_thread (self, task, keep_thread, on_kept);
}

/* --- When the machine is off, and a window has asked --- */

/* snapshot_drive_end() knows no description. */
static void
describe (SessionSnapshot *work)
{
  g_autoptr (GPtrArray) snapshots = snapshot_list (work->library, work->record, FALSE, NULL);
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; snapshots && i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);

      if (snapshot->is_current
          && !snapshot_edit (work->library, work->record->uuid, snapshot->uuid, NULL, work->description, &error))
        g_message ("%s", error->message);
    }
}

static gboolean
end_off (SessionSnapshot *work, GError **error)
{
  g_autoptr (GError) failure = NULL;

  machine_free (g_steal_pointer (&work->machine));
  if (!snapshot_drive_end (work->library, work->record->uuid, work->how, work->name, error))
    return FALSE;
  if (work->how == SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT && work->description)
    describe (work);
  /* It is kept in any case. */
  if (!session_snapshot_tidy (work, &failure))
    g_message ("%s", failure->message);
  return TRUE;
}

static void
end_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean ok = session_snapshot_open (data, &error) && end_off (data, &error);

  session_snapshot_return_thread (task, ok, error);
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  g_autoptr (BunshinSession) self = g_object_ref (work->session);
  GError *error = NULL;
  gboolean ok = session_snapshot_follow (work, result, &error);

  /* Who asked may ask again when it went wrong. */
  machine_free (g_steal_pointer (&work->machine));
  session_snapshot_return (work, error);
  if (!ok)
    return;
  self->in_drive = FALSE;
  set_drive_ended (self, FALSE);
}

static void
begin_end (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);

  work->machine = session_detach (self);
  session_job_thread (self, task, end_thread, on_ended);
}

/* --- --- */

void
session_end_drive (BunshinSession *self, GCancellable *cancellable, GTask *task)
{
  const SessionSnapshot *work = g_task_get_task_data (task);
  gboolean has_ended = bunshin_session_has_ended (self);
  GError *error = NULL;

  if (!self->in_drive)
    g_set_error (&error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” is not on a test drive"), self->record->name);
  else if (has_ended && !self->drive_ended)
    session_fail (&error, LIBRARY_ERROR_RUNNING, _("the machine is being powered off"));
  else if (work->how != SNAPSHOT_DRIVE_DISCARD)
    {
      session_job_begin (self, _("the test drive is being ended"), FALSE, cancellable, task,
                         has_ended ? begin_end : begin_keep);
      return;
    }
  else if (has_ended && session_job_check (self, &error))
    set_drive_ended (self, FALSE);
  else if (!has_ended)
    {
      self->drive_is_decided = TRUE;
      bunshin_session_verb (self, BUNSHIN_VERB_POWER_OFF, &error);
    }
  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

gboolean
bunshin_session_wait_drive (BunshinSession *self)
{
  guint notify = g_signal_lookup ("notify", BUNSHIN_TYPE_SESSION);

  session_job_finish (self);
  if (!self->in_drive || self->drive_is_decided
      || !g_signal_has_handler_pending (self, notify, g_quark_from_static_string ("drive-ended"), FALSE))
    return FALSE;
  set_drive_ended (self, TRUE);
  return TRUE;
}

void
session_discard_drive (BunshinSession *self)
{
  g_autoptr (GError) error = NULL;
  gint64 begin = g_get_monotonic_time (), ended;

  if (!self->in_drive)
    return;
  self->in_drive = FALSE;
  self->drive_ended = FALSE;
  ended = snapshot_drive_end (self->library, self->record->uuid, SNAPSHOT_DRIVE_DISCARD, NULL, &error) ? g_get_monotonic_time () : 0;
  if (ended == 0 || !snapshot_tidy (self->library, self->record->uuid, NULL, NULL, &error))
    g_printerr ("%s\n", error->message);
  g_debug ("the test drive was ended in %" G_GINT64_FORMAT " µs, tidied up after %" G_GINT64_FORMAT, ended - begin,
           g_get_monotonic_time () - begin);
}
