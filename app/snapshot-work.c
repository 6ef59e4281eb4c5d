/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots of a machine that may run or not; see the header. */

#include "app/snapshot-work.h"
#include "app/client.h"

#include <glib/gi18n.h>

/* --- It is off --- */

void
snapshot_desk_close (SnapshotDesk *desk)
{
  g_clear_pointer (&desk->machine, library_machine_free);
  g_clear_pointer (&desk->lock, library_lock_release);
  g_clear_pointer (&desk->library, library_close);
}

gboolean
snapshot_desk_open (SnapshotDesk *desk, const LibraryMachine *machine, gboolean tidy, const DiskTask *task, char ***did,
                    GError **error)
{
  const SnapshotTidy options = { .task = task };
  LibraryState state = library_machine_state (machine, NULL, NULL);
  g_autoptr (GError) failure = NULL;

  *did = NULL;
  if (!(desk->library = library_open (NULL, error)))
    return FALSE;
  desk->lock = library_lock_resting (machine, &failure);
  if (!desk->lock)
    {
      if (g_error_matches (failure, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING)
          && (state == LIBRARY_STATE_POWERED_OFF || state == LIBRARY_STATE_SAVED))
        g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                     _("“%s” is being worked on: try again when that is done"), machine->name);
      else
        g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (tidy && !snapshot_tidy (desk->library, machine->uuid, &options, did, &failure))
    {
      if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      /* Does not stand in the way of what the user wants now. */
      g_message ("%s", failure->message);
    }
  return (desk->machine = library_find (desk->library, machine->uuid, error)) != NULL;
}

gboolean
snapshot_work_recover (Library *library, const char *uuid, char ***did, GError **error)
{
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  const DiskTask task = { .cancellable = cancelled };
  const SnapshotTidy options = { .task = &task };
  g_autoptr (GError) own = NULL;

  g_cancellable_cancel (cancelled);
  if (snapshot_tidy (library, uuid, &options, did, &own) || g_error_matches (own, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return TRUE;
  /* All else can wait. */
  if (!snapshot_in_drive (library, uuid))
    {
      g_message ("%s", own->message);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&own));
  return FALSE;
}

/* What nothing needs any more goes. When that is cancelled, it goes another time. */
static gboolean
tidy (SnapshotDesk *desk, const DiskTask *task, GError **error)
{
  const SnapshotTidy options = { .task = task };
  GError *own = NULL;

  snapshot_tidy (desk->library, desk->machine->uuid, &options, NULL, &own);
  if (g_error_matches (own, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_clear_error (&own);
  if (own)
    g_propagate_error (error, own);
  return own == NULL;
}

static gboolean
take (SnapshotDesk *desk, const BunshinSnapshotRequest *request, GError **error)
{
  const SnapshotOptions options = { .name = request->name, .description = request->description };
  g_autofree char *uuid = snapshot_take_off (desk->library, desk->machine, &options, error);

  return uuid != NULL;
}

char *
snapshot_work_find_current (Library *library, const LibraryMachine *machine, gboolean in_drive, GError **error)
{
  g_autoptr (GPtrArray) snapshots = snapshot_list (library, machine, in_drive, error);

  for (unsigned i = 0; snapshots && i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);

      if (snapshot->is_current)
        return g_strdup (snapshot->uuid);
    }
  if (snapshots)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("“%s” has no snapshot to go back to"),
                 machine->name);
  return NULL;
}

static gboolean
restore (SnapshotDesk *desk, const BunshinSnapshotRequest *request, GError **error)
{
  /* Found out before there is one more. */
  g_autofree char *uuid = request->snapshot ? g_strdup (request->snapshot)
                                               : snapshot_work_find_current (desk->library, desk->machine, FALSE, error);
  g_autoptr (Snapshot) snapshot = uuid ? snapshot_find (desk->library, desk->machine, uuid, error) : NULL;

  return snapshot && (!request->name || take (desk, request, error))
         && snapshot_restore (desk->library, desk->machine->uuid, uuid, error);
}

static gboolean
end_drive (SnapshotDesk *desk, const BunshinSnapshotRequest *request, GError **error)
{
  if (snapshot_in_drive (desk->library, desk->machine->uuid))
    return snapshot_drive_end (desk->library, desk->machine->uuid, request->how, request->name, error);
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” is not on a test drive"), desk->machine->name);
  return FALSE;
}

static gboolean
run_off (const LibraryMachine *machine, const BunshinSnapshotRequest *request, const DiskTask *task, char ***did,
         GError **error)
{
  g_auto (SnapshotDesk) desk = { 0 };
  gboolean is_drive_end = request->verb == BUNSHIN_SNAPSHOT_END_DRIVE;

  /* Tidying throws a drive away that has been left behind: who ends it now decides on it. */
  if (!snapshot_desk_open (&desk, machine, !is_drive_end, task, did, error))
    return FALSE;
  switch (request->verb)
    {
    case BUNSHIN_SNAPSHOT_TAKE:
      return take (&desk, request, error);
    case BUNSHIN_SNAPSHOT_RESTORE:
      if (!restore (&desk, request, error))
        return FALSE;
      break;
    case BUNSHIN_SNAPSHOT_DELETE:
      if (!snapshot_delete (desk.library, desk.machine->uuid, request->snapshot, error))
        return FALSE;
      if (tidy (&desk, task, error))
        return TRUE;
      g_prefix_error (
          error, "%s: ", _("the snapshot is deleted, but its data is not merged yet, which is tried again later"));
      return FALSE;
    case BUNSHIN_SNAPSHOT_END_DRIVE:
      if (!end_drive (&desk, request, error))
        return FALSE;
      break;
    }
  {
    g_autoptr (GError) failure = NULL;

    /* What was asked for is done. */
    if (!tidy (&desk, task, &failure))
      g_message ("%s", failure->message);
  }
  return TRUE;
}

/* --- It runs: a call of its process, with this thread's own context for what comes in meanwhile --- */

typedef struct
{
  GDBusConnection *connection;
  const DiskTask *task;
  gboolean is_done;
  GVariant *reply;
  GError *error;
} Call;

static void
on_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
            const char *signal, GVariant *parameters, gpointer data)
{
  enum
  {
    STEPS = 1000
  };
  const Call *call = data;
  g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
  double progress;

  if (g_variant_lookup (changed, "Progress", "d", &progress) && progress >= 0)
    call->task->progress ((uint64_t) (progress * STEPS), STEPS, call->task->opaque);
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  const Call *call = data;

  /* The answer to the call itself then says what has become of it. */
  g_dbus_connection_call (call->connection, NULL, "/org/bunshin/Machine", "org.bunshin.Machine", "CancelSnapshot", NULL,
                          NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;

  call->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &call->error);
  call->is_done = TRUE;
}

static gboolean
run_call (Call *call, const char *method, GVariant *arguments, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GSource) cancelled = NULL;
  const DiskTask *task = call->task;
  guint subscription = 0;

  g_main_context_push_thread_default (context);
  if (task && task->progress)
    subscription = g_dbus_connection_signal_subscribe (
        call->connection, NULL, "org.freedesktop.DBus.Properties", "PropertiesChanged", "/org/bunshin/Machine",
        "org.bunshin.Machine", G_DBUS_SIGNAL_FLAGS_NONE, on_changed, call, NULL);
  if (task && task->cancellable)
    {
      cancelled = g_cancellable_source_new (task->cancellable);
      g_source_set_callback (cancelled, G_SOURCE_FUNC (on_cancelled), call, NULL);
      g_source_attach (cancelled, context);
    }
  g_dbus_connection_call (call->connection, NULL, "/org/bunshin/Machine", "org.bunshin.Machine", method, arguments,
                          NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, on_reply, call);
  while (!call->is_done)
    g_main_context_iteration (context, TRUE);
  if (cancelled)
    g_source_destroy (cancelled);
  if (subscription)
    g_dbus_connection_signal_unsubscribe (call->connection, subscription);
  /* The end of the subscription comes on our context, too. */
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  g_clear_pointer (&call->reply, g_variant_unref);
  if (!call->error)
    return TRUE;
  g_dbus_error_strip_remote_error (call->error);
  g_propagate_error (error, call->error);
  return FALSE;
}

static const char *
or_empty (const char *text)
{
  return text ? text : "";
}

static gboolean
run_live (const LibraryMachine *machine, const BunshinSnapshotRequest *request, const DiskTask *task, GError **error)
{
  static const char *const ends[] = { "discard", "keep", "keep-as" };
  g_autoptr (GDBusConnection) connection = client_connect (machine, error);
  Call call = { .connection = connection, .task = task };

  if (!connection)
    return FALSE;
  switch (request->verb)
    {
    case BUNSHIN_SNAPSHOT_TAKE:
      return run_call (&call, "TakeSnapshot",
                       g_variant_new ("(ss)", or_empty (request->name), or_empty (request->description)), error);
    case BUNSHIN_SNAPSHOT_RESTORE:
      return run_call (&call, "RestoreSnapshot",
                       g_variant_new ("(sss)", or_empty (request->snapshot), or_empty (request->name),
                                      or_empty (request->description)),
                       error);
    case BUNSHIN_SNAPSHOT_DELETE:
      return run_call (&call, "DeleteSnapshot", g_variant_new ("(s)", request->snapshot), error);
    case BUNSHIN_SNAPSHOT_END_DRIVE:
      return run_call (
          &call, "EndDrive",
          g_variant_new ("(sss)", ends[request->how], or_empty (request->name), or_empty (request->description)),
          error);
    }
  g_assert_not_reached ();
}

gboolean
snapshot_work_run (const LibraryMachine *machine, const BunshinSnapshotRequest *request, const DiskTask *task,
                   char ***did, GError **error)
{
  LibraryState state = library_machine_state (machine, NULL, NULL);

  *did = NULL;
  if (state == LIBRARY_STATE_POWERED_OFF || state == LIBRARY_STATE_SAVED)
    return run_off (machine, request, task, did, error);
  return run_live (machine, request, task, error);
}
