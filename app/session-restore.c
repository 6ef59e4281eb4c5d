/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Putting a machine that runs back to a snapshot. Its Machine ends, the library
 * and the disks become what they were, and another Machine goes on in the same
 * process: windows, the control socket and the serial port stay.
 */

#include "app/session-snapshot.h"
#include "app/snapshot-work.h"
#include "storage/disk/disk.h"

#include <glib/gi18n.h>

/* What can be found out before there is no way back. */
static gboolean
check (SessionSnapshot *work, GError **error)
{
  g_autoptr (GPtrArray) snapshots = NULL;
  MachineStateInfo info;

  if (!work->snapshot && !(work->snapshot = snapshot_work_find_current (work->library, work->record, TRUE, error)))
    return FALSE;
  snapshots = snapshot_list (work->library, work->record, TRUE, error);
  for (unsigned i = 0; snapshots && i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);

      if (g_str_equal (snapshot->uuid, work->snapshot))
        return !snapshot->state_path || machine_state_read_info (snapshot->state_path, &info, error);
    }
  if (snapshots)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("“%s” has no snapshot “%s”"), work->record->name,
                 work->snapshot);
  return FALSE;
}

static void
prepare_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  SessionSnapshot *work = data;
  GError *error = NULL;
  gboolean ok = session_snapshot_open (work, &error) && check (work, &error)
                && (!work->name || session_snapshot_take (work, &error));

  session_snapshot_return_thread (task, ok, error);
}

void
session_abandon_layers (Machine *machine, const LibraryMachine *record)
{
  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (record->attachments, i);
      g_autoptr (Disk) disk = drive->chain ? machine_find_disk (machine, drive->path) : NULL;

      if (disk)
        disk_abandon (disk);
    }
}

static gpointer
end_thread (gpointer data)
{
  machine_end (data);
  return NULL;
}

static gboolean
swap (SessionSnapshot *work, GError **error)
{
  g_autoptr (LibraryMachine) record = NULL;
  g_autofree char *state = NULL;
  gint64 freed, restored;
  GThread *ending;
  gboolean ok;

  session_abandon_layers (work->old, work->record);
  /* Meanwhile new layers are made over images that its disks only read. */
  ending = g_thread_new ("ending machine", end_thread, work->old);
  ok = snapshot_restore_running (work->library, work->record->uuid, work->snapshot, &state, error)
       && (record = library_find (work->library, work->record->uuid, error)) != NULL;
  restored = g_get_monotonic_time ();
  /* Its disks and ports are free before they are taken anew. */
  g_thread_join (ending);
  freed = g_get_monotonic_time ();
  if (ok)
    work->machine = session_build (work->session, record, state, error);
  g_debug ("put back after %" G_GINT64_FORMAT " µs, ended after %" G_GINT64_FORMAT ", built after %" G_GINT64_FORMAT,
           restored - work->begin, freed - work->begin, g_get_monotonic_time () - work->begin);
  return work->machine != NULL;
}

static void
swap_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean ok = session_snapshot_open (data, &error) && swap (data, &error);

  session_snapshot_return_thread (task, ok, error);
}

/* The machine is gone: the process ends, and says why. */
static void
give_up (SessionSnapshot *work, GError *error)
{
  g_autoptr (BunshinSession) self = g_object_ref (work->session);
  char *message;

  g_prefix_error (&error, "%s: ", _("the machine could not go on from the snapshot"));
  message = g_strdup (error->message);
  session_snapshot_return (work, error);
  session_end (self, message);
}

static void
on_swapped (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  BunshinSession *self = work->session;
  GError *error = NULL;

  if (!session_snapshot_follow (work, result, &error))
    {
      give_up (work, error);
      return;
    }
  session_adopt (self, g_steal_pointer (&work->machine));
  if (g_cancellable_is_cancelled (self->job.cancellable))
    {
      /* Somebody powered it off meanwhile. */
      g_object_ref (self);
      session_snapshot_return (
          work, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, _("the machine was powered off")));
      session_end (self, NULL);
      g_object_unref (self);
      return;
    }
  self->tidy_again = TRUE;
  /* What it is now there is a snapshot of. */
  session_automatic_taken (self);
  if (!session_power_on (self, &error))
    {
      give_up (work, error);
      return;
    }
  self->last_restore = g_get_monotonic_time () - work->begin;
  g_debug ("the machine was put back to a snapshot in %" G_GINT64_FORMAT " µs", self->last_restore);
  session_snapshot_return (work, NULL);
}

static void
on_prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  BunshinSession *self = work->session;
  GError *error = NULL;

  if (!session_snapshot_follow (work, result, &error)
      || g_cancellable_set_error_if_cancelled (self->job.cancellable, &error) || !session_check_alive (self, &error))
    {
      session_snapshot_return (work, error);
      return;
    }
  /* Taking the snapshot of the present state, the guest ran on. */
  if (work->name)
    work->begin = g_get_monotonic_time ();
  work->old = session_detach (self);
  session_job_thread (self, work->task, swap_thread, on_swapped);
}

void
session_restore (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);

  work->begin = g_get_monotonic_time ();
  session_job_thread (self, task, prepare_thread, on_prepared);
}
