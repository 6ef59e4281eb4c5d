/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine seen from outside its process; see the header. */

#include "app/remote.h"
#include "app/client.h"
#include "app/snapshot-work.h"

/* What the verbs' threads use: they must not hold the object itself, whose last reference belongs to the main thread.
 */
typedef struct
{
  LibraryMachine *record;
  GMutex mutex;                 /* guards the connection */
  GDBusConnection *connection;
} Link;

struct _BunshinRemote
{
  GObject parent;

  Link *link;
  GFileMonitor *monitor;
  LibraryState state;
  char *message;
  double progress;
  guint check_source;
  unsigned checks_left;
};

/* How far snapshot work is: told on any thread, and by the object to others. */
typedef struct
{
  GWeakRef remote;
  int permille;   /* atomic */
  int is_told;    /* atomic: a notification is on its way */
} Progress;

/* One verb on its thread. */
typedef struct
{
  Link *link;
  BunshinVerb verb;
  char *slot, *path;
  gboolean force;

  /* Of snapshot work, and the snapshot that a test drive begins at; its strings are owned. */
  BunshinSnapshotRequest request;
  Progress *progress;

  char **did;   /* what an earlier run had left and what became of it; NULL: nothing */
} Job;

enum { PROP_UUID = 1, PROP_STATE, PROP_MESSAGE, PROP_MACHINE, PROP_PROGRESS, PROP_DRIVE_ENDED };
/* The kernel reports a closed file a moment before it releases the lock, so a change is looked at again. */
enum { RECHECK_MS = 100, RECHECKS = 5 };

static void bunshin_remote_control_init (BunshinMachineControlInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BunshinRemote, bunshin_remote, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BUNSHIN_TYPE_MACHINE_CONTROL, bunshin_remote_control_init))

static void
link_clear (gpointer data)
{
  Link *link = data;

  g_clear_object (&link->connection);
  g_mutex_clear (&link->mutex);
  library_machine_free (link->record);
}

static void
progress_clear (gpointer data)
{
  g_weak_ref_clear (&((Progress *) data)->remote);
}

static void
job_free (gpointer data)
{
  Job *job = data;

  g_atomic_rc_box_release_full (job->link, link_clear);
  g_free (job->slot);
  g_free (job->path);
  g_free ((char *) job->request.snapshot);
  g_free ((char *) job->request.name);
  g_free ((char *) job->request.description);
  g_strfreev (job->did);
  if (job->progress)
    g_atomic_rc_box_release_full (job->progress, progress_clear);
  g_free (job);
}

static void
look (BunshinRemote *self)
{
  g_autofree char *message = NULL;
  LibraryState state = library_machine_state (self->link->record, NULL, &message);
  gboolean new_state = state != self->state, new_message = g_strcmp0 (message, self->message) != 0;

  self->state = state;
  g_free (self->message);
  self->message = g_steal_pointer (&message);
  g_object_freeze_notify (G_OBJECT (self));
  if (new_state)
    g_object_notify (G_OBJECT (self), "state");
  if (new_message)
    g_object_notify (G_OBJECT (self), "message");
  g_object_thaw_notify (G_OBJECT (self));
}

static gboolean
on_check (gpointer data)
{
  BunshinRemote *self = data;

  if (--self->checks_left == 0)
    self->check_source = 0;
  look (self);
  return self->check_source ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
on_lock_file_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  BunshinRemote *self = data;

  look (self);
  self->checks_left = RECHECKS;
  if (!self->check_source)
    self->check_source = g_timeout_add (RECHECK_MS, on_check, self);
}

BunshinMachineControl *
bunshin_remote_new (const LibraryMachine *machine)
{
  BunshinRemote *self = g_object_new (BUNSHIN_TYPE_REMOTE, NULL);
  g_autofree char *path = g_build_filename (machine->folder, "lock", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  self->link->record = library_machine_copy (machine);
  self->monitor = g_file_monitor_file (file, G_FILE_MONITOR_NONE, NULL, NULL);
  if (self->monitor)
    {
      g_file_monitor_set_rate_limit (self->monitor, 50);
      g_signal_connect (self->monitor, "changed", G_CALLBACK (on_lock_file_changed), self);
    }
  self->state = library_machine_state (machine, NULL, &self->message);
  return BUNSHIN_MACHINE_CONTROL (self);
}

static void
bunshin_remote_finalize (GObject *object)
{
  BunshinRemote *self = BUNSHIN_REMOTE (object);

  g_clear_handle_id (&self->check_source, g_source_remove);
  if (self->monitor)
    {
      g_signal_handlers_disconnect_by_data (self->monitor, self);
      g_file_monitor_cancel (self->monitor);
      g_object_unref (self->monitor);
    }
  g_atomic_rc_box_release_full (self->link, link_clear);
  g_free (self->message);
  G_OBJECT_CLASS (bunshin_remote_parent_class)->finalize (object);
}

static void
bunshin_remote_get_property (GObject *object, guint property, GValue *value, GParamSpec *pspec)
{
  BunshinRemote *self = BUNSHIN_REMOTE (object);

  switch (property)
    {
    case PROP_UUID:
      g_value_set_string (value, self->link->record->uuid);
      break;
    case PROP_STATE:
      g_value_set_int (value, (int) self->state);
      break;
    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;
    case PROP_MACHINE:
      g_value_set_pointer (value, NULL);
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, self->progress);
      break;
    case PROP_DRIVE_ENDED:
      /* Its own process asks. */
      g_value_set_boolean (value, FALSE);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
bunshin_remote_class_init (BunshinRemoteClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = bunshin_remote_finalize;
  object_class->get_property = bunshin_remote_get_property;
  g_object_class_override_property (object_class, PROP_UUID, "uuid");
  g_object_class_override_property (object_class, PROP_STATE, "state");
  g_object_class_override_property (object_class, PROP_MESSAGE, "message");
  g_object_class_override_property (object_class, PROP_MACHINE, "machine");
  g_object_class_override_property (object_class, PROP_PROGRESS, "progress");
  g_object_class_override_property (object_class, PROP_DRIVE_ENDED, "drive-ended");
}

static void
bunshin_remote_init (BunshinRemote *self)
{
  self->link = g_atomic_rc_box_new0 (Link);
  self->progress = -1;
  g_mutex_init (&self->link->mutex);
}

/* --- What runs on the verbs' threads --- */

/* The connection of earlier calls, or a new one. */
static GDBusConnection *
take_connection (Link *link, GError **error)
{
  g_autoptr (GDBusConnection) connection = NULL;

  g_mutex_lock (&link->mutex);
  if (link->connection && !g_dbus_connection_is_closed (link->connection))
    connection = g_object_ref (link->connection);
  g_mutex_unlock (&link->mutex);
  if (connection)
    return g_steal_pointer (&connection);

  connection = client_connect (link->record, error);
  if (connection)
    {
      g_mutex_lock (&link->mutex);
      g_set_object (&link->connection, connection);
      g_mutex_unlock (&link->mutex);
    }
  return g_steal_pointer (&connection);
}

static GVariant *
call (Link *link, const char *method, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) taken = arguments ? g_variant_ref_sink (arguments) : NULL;
  g_autoptr (GDBusConnection) connection = take_connection (link, error);

  return connection ? client_call (connection, method, taken, error) : NULL;
}

static void
return_reply (GTask *task, GVariant *reply, GError *error)
{
  if (reply)
    g_task_return_pointer (task, reply, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

static void
run_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  static const char *const methods[] = {
    [BUNSHIN_VERB_PAUSE] = "Pause", [BUNSHIN_VERB_RESUME] = "Resume", [BUNSHIN_VERB_RESET] = "Reset",
    [BUNSHIN_VERB_POWER_BUTTON] = "PowerButton", [BUNSHIN_VERB_POWER_OFF] = "PowerOff",
    [BUNSHIN_VERB_SHOW_WINDOW] = "ShowWindow", [BUNSHIN_VERB_SAVE] = "Save",
  };
  Job *job = data;
  GVariant *reply = NULL;
  GError *error = NULL;

  if (job->verb == BUNSHIN_VERB_START || job->verb == BUNSHIN_VERB_START_HEADLESS || job->verb == BUNSHIN_VERB_START_DRIVE
      || job->verb == BUNSHIN_VERB_START_DRIVE_OFFLINE)
    {
      const gboolean is_offline = job->verb == BUNSHIN_VERB_START_DRIVE_OFFLINE;
      const SpawnOptions options = { .headless = job->verb == BUNSHIN_VERB_START_HEADLESS,
                                     .is_drive = is_offline || job->verb == BUNSHIN_VERB_START_DRIVE,
                                     .no_network = is_offline,
                                     .snapshot = job->request.snapshot };

      if (client_spawn (job->link->record, &options, NULL, &job->did, &error))
        reply = g_variant_ref_sink (g_variant_new ("()"));
    }
  else if (job->verb == BUNSHIN_VERB_DISCARD_STATE)
    {
      if (library_discard_saved_state (job->link->record, &error))
        reply = g_variant_ref_sink (g_variant_new ("()"));
    }
  else
    reply = call (job->link, methods[job->verb], NULL, &error);
  return_reply (task, reply, error);
}

static void
insert_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Job *job = data;
  GError *error = NULL;
  GVariant *reply = call (job->link, "InsertMedium",
                          g_variant_new ("(ssb)", job->slot, job->path ? job->path : "", job->force), &error);

  return_reply (task, reply, error);
}

static void
screenshot_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Job *job = data;
  GError *error = NULL;
  GVariant *reply = call (job->link, "Screenshot", g_variant_new ("(s)", "png"), &error);

  return_reply (task, reply, error);
}

static void
info_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Job *job = data;
  GError *error = NULL;
  GVariant *reply = call (job->link, "Info", NULL, &error);

  return_reply (task, reply, error);
}

static void
set_progress (BunshinRemote *self, double progress)
{
  if (self->progress == progress)
    return;
  self->progress = progress;
  g_object_notify (G_OBJECT (self), "progress");
}

static void
progress_release (gpointer data)
{
  g_atomic_rc_box_release_full (data, progress_clear);
}

static gboolean
on_progress_idle (gpointer data)
{
  Progress *progress = data;
  g_autoptr (BunshinRemote) self = g_weak_ref_get (&progress->remote);

  g_atomic_int_set (&progress->is_told, FALSE);
  /* The work may be done meanwhile. */
  if (self && g_atomic_int_get (&progress->permille) >= 0)
    set_progress (self, g_atomic_int_get (&progress->permille) / 1000.0);
  return G_SOURCE_REMOVE;
}

/* On any thread. */
static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  Progress *progress = opaque;

  g_atomic_int_set (&progress->permille, total > 0 ? (int) ((double) done / (double) total * 1000) : 1000);
  if (g_atomic_int_compare_and_exchange (&progress->is_told, FALSE, TRUE))
    g_idle_add_full (G_PRIORITY_DEFAULT, on_progress_idle, g_atomic_rc_box_acquire (progress), progress_release);
}

static void
snapshot_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  const DiskTask disk_task = { .cancellable = cancellable, .progress = on_progress, .opaque = job->progress };
  GError *error = NULL;
  gboolean ok = snapshot_work_run (job->link->record, &job->request, &disk_task, &job->did, &error);

  g_atomic_int_set (&job->progress->permille, -1);
  return_reply (task, ok ? g_variant_ref_sink (g_variant_new ("()")) : NULL, error);
}

/* Back on the caller's thread: the reply goes to the task that holds the object, and the state is up to date. */
static void
on_job_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  const Job *job = g_task_get_task_data (G_TASK (result));
  GVariant *reply = g_task_propagate_pointer (G_TASK (result), &error);

  look (g_task_get_source_object (task));
  set_progress (g_task_get_source_object (task), -1);
  for (char **sentence = job->did; sentence && *sentence; sentence++)
    g_signal_emit_by_name (g_task_get_source_object (task), "notice", *sentence);
  return_reply (task, reply, error);
}

/* Runs @job (consumed) on a thread. */
static void
start_job (BunshinMachineControl *control, Job job, GTaskThreadFunc func, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (control, cancellable, callback, data);
  g_autoptr (GTask) work = g_task_new (NULL, cancellable, on_job_done, task);
  Job *copy = g_memdup2 (&job, sizeof job);

  if (job.progress)
    {
      /* What was done although it was cancelled, was done. */
      g_task_set_check_cancellable (task, FALSE);
      g_task_set_check_cancellable (work, FALSE);
    }
  copy->link = g_atomic_rc_box_acquire (BUNSHIN_REMOTE (control)->link);
  g_task_set_task_data (work, copy, job_free);
  g_task_run_in_thread (work, func);
}

/* --- BunshinMachineControl --- */

static LibraryState
control_get_state (BunshinMachineControl *control)
{
  return BUNSHIN_REMOTE (control)->state;
}

static const char *
control_get_message (BunshinMachineControl *control)
{
  return BUNSHIN_REMOTE (control)->message;
}

static const char *
control_get_uuid (BunshinMachineControl *control)
{
  return BUNSHIN_REMOTE (control)->link->record->uuid;
}

static Machine *
control_get_machine (BunshinMachineControl *control)
{
  return NULL;
}

static gboolean
finish_boolean (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = g_task_propagate_pointer (G_TASK (result), error);

  return reply != NULL;
}

static void
control_run_async (BunshinMachineControl *control, BunshinVerb verb, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer data)
{
  start_job (control, (Job) { .verb = verb }, run_thread, cancellable, callback, data);
}

static void
control_drive_async (BunshinMachineControl *control, const char *snapshot, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
  start_job (control, (Job) { .verb = BUNSHIN_VERB_START_DRIVE, .request.snapshot = g_strdup (snapshot) }, run_thread,
             cancellable, callback, data);
}

static void
control_insert_async (BunshinMachineControl *control, const char *slot, const char *path, gboolean force,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  start_job (control, (Job) { .slot = g_strdup (slot), .path = g_strdup (path), .force = force }, insert_thread,
             cancellable, callback, data);
}

static void
control_snapshot_async (BunshinMachineControl *control, const BunshinSnapshotRequest *request, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer data)
{
  Job job = { .request = *request, .progress = g_atomic_rc_box_new0 (Progress) };

  job.request.snapshot = g_strdup (request->snapshot);
  job.request.name = g_strdup (request->name);
  job.request.description = g_strdup (request->description);
  g_weak_ref_init (&job.progress->remote, control);
  start_job (control, job, snapshot_thread, cancellable, callback, data);
}

static void
control_screenshot_async (BunshinMachineControl *control, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer data)
{
  start_job (control, (Job) { 0 }, screenshot_thread, cancellable, callback, data);
}

static GBytes *
control_screenshot_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = g_task_propagate_pointer (G_TASK (result), error);
  g_autoptr (GVariant) png = reply ? g_variant_get_child_value (reply, 0) : NULL;

  return png ? g_variant_get_data_as_bytes (png) : NULL;
}

static void
control_info_async (BunshinMachineControl *control, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer data)
{
  start_job (control, (Job) { 0 }, info_thread, cancellable, callback, data);
}

static GVariant *
control_info_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) reply = g_task_propagate_pointer (G_TASK (result), error);

  return reply ? g_variant_get_child_value (reply, 0) : NULL;
}

static void
bunshin_remote_control_init (BunshinMachineControlInterface *iface)
{
  iface->get_state = control_get_state;
  iface->get_message = control_get_message;
  iface->get_uuid = control_get_uuid;
  iface->get_machine = control_get_machine;
  iface->run_async = control_run_async;
  iface->run_finish = finish_boolean;
  iface->drive_async = control_drive_async;
  iface->insert_async = control_insert_async;
  iface->insert_finish = finish_boolean;
  iface->screenshot_async = control_screenshot_async;
  iface->screenshot_finish = control_screenshot_finish;
  iface->info_async = control_info_async;
  iface->info_finish = control_info_finish;
  iface->snapshot_async = control_snapshot_async;
  iface->snapshot_finish = finish_boolean;
}
