/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of a machine that runs: taking them, deleting them, tidying up. The
 * slow parts run on a thread with a Library of its own; the guest stands still
 * only while the library is told and its disks get their new layers, which is
 * the snapshot's instant.
 */

#include "app/session-snapshot.h"
#include "storage/disk/disk.h"
#include "storage/snapshot/automatic.h"
#include "ui/thumbnail.h"

#include <glib/gi18n.h>

enum
{
  THUMBNAIL_WIDTH = 480,
  THUMBNAIL_HEIGHT = 360
};

/* A disk of the machine and what shall become its top. */
typedef struct
{
  Disk *disk;       /* owned */
  DiskLayer *layer; /* NULL: it is the top */
} NewLayer;

typedef struct
{
  SessionSnapshot *work;
  SnapshotTake *take;
  GArray *layers; /* of NewLayer */
  gboolean is_committed;
} Taking;

static void
work_free (gpointer data)
{
  SessionSnapshot *work = data;

  g_clear_pointer (&work->library, library_close);
  library_machine_free (work->record);
  g_free (work->snapshot);
  g_free (work->name);
  g_free (work->description);
  g_free (work->slot);
  g_free (work->path);
  g_free (work->digest);
  g_clear_pointer (&work->disk, disk_unref);
  g_clear_pointer (&work->old, machine_retire);
  g_free (work);
}

static void
on_merged (uint64_t done, uint64_t total, void *opaque)
{
  session_job_progress (opaque, total > 0 ? (double) done / (double) total : 1);
}

SessionSnapshot *
session_snapshot_new (BunshinSession *session, const BunshinSnapshotRequest *request, GTask *task)
{
  SessionSnapshot *work = g_new0 (SessionSnapshot, 1);

  work->session = session;
  work->verb = request->verb;
  work->snapshot = g_strdup (request->snapshot);
  work->name = g_strdup (request->name);
  work->description = g_strdup (request->description);
  work->how = request->how;
  work->task = task;
  work->disk_task = (DiskTask) { .progress = on_merged, .opaque = session };
  g_task_set_task_data (task, work, work_free);
  return work;
}

gboolean
session_snapshot_open (SessionSnapshot *work, GError **error)
{
  work->disk_task.cancellable = work->session->job.cancellable;
  return (work->library = library_open (library_home (work->session->library), error))
         && (work->record = library_find (work->library, work->session->record->uuid, error));
}

/* A Library belongs to its thread. */
static void
close_library (SessionSnapshot *work)
{
  g_clear_pointer (&work->library, library_close);
  g_clear_pointer (&work->record, library_machine_free);
}

static Disk *
find_disk (void *opaque, const char *path)
{
  const BunshinSession *session = opaque;

  return machine_find_disk (session->machine, path);
}

static void
say (char **sentences)
{
  for (char **sentence = sentences; sentence && *sentence; sentence++)
    g_message ("%s", *sentence);
}

gboolean
session_snapshot_tidy (SessionSnapshot *work, GError **error)
{
  SnapshotTidy options = { .opaque = work->session, .task = &work->disk_task };
  g_auto (GStrv) did = NULL;
  GError *own = NULL;

  if (work->session->machine)
    options.find_disk = find_disk;
  snapshot_tidy (work->library, work->record->uuid, &options, &did, &own);
  say (did);
  if (g_error_matches (own, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_clear_error (&own);
  if (own)
    g_propagate_error (error, own);
  return own == NULL;
}

/* --- Taking --- */

/* The screen, small enough for a list. NULL: it could not be had, and a snapshot does without. */
static GBytes *
make_thumbnail (Machine *machine)
{
  g_autoptr (GBytes) png = display_get_png (machine_display (machine), NULL);
  g_autoptr (GdkTexture) picture = png ? gdk_texture_new_from_bytes (png, NULL) : NULL;
  g_autoptr (GdkTexture) small = picture ? thumbnail_new (picture, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT) : NULL;

  return small ? gdk_texture_save_to_png_bytes (small) : NULL;
}

static void
clear_layer (gpointer data)
{
  NewLayer *layer = data;

  g_clear_pointer (&layer->layer, disk_layer_discard);
  g_clear_pointer (&layer->disk, disk_unref);
}

static gboolean
prepare_layers (Taking *taking, GError **error)
{
  const GPtrArray *disks = snapshot_take_disks (taking->take);

  for (unsigned i = 0; i < disks->len; i++)
    {
      const SnapshotDisk *disk = g_ptr_array_index (disks, i);
      NewLayer layer = { machine_find_disk (taking->work->session->machine, disk->base) };

      if (!layer.disk)
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("the machine does not have “%s” in use at %s"),
                       disk->base, disk->slot);
          return FALSE;
        }
      layer.layer = disk_layer_prepare (layer.disk, disk->layer, error);
      g_array_append_val (taking->layers, layer);
      if (!layer.layer)
        return FALSE;
    }
  return TRUE;
}

/* The machine stands still. After the commit nothing can fail. */
static gboolean
at_instant (void *opaque, GError **error)
{
  Taking *taking = opaque;
  gint64 begin = g_get_monotonic_time ();

  if (!snapshot_take_commit (taking->take, error))
    return FALSE;
  taking->is_committed = TRUE;
  g_debug ("the library was told in %" G_GINT64_FORMAT " µs", g_get_monotonic_time () - begin);
  for (unsigned i = 0; i < taking->layers->len; i++)
    {
      NewLayer *layer = &g_array_index (taking->layers, NewLayer, i);

      disk_layer_push (layer->disk, g_steal_pointer (&layer->layer));
    }
  return TRUE;
}

static void
on_saved (double fraction, void *opaque)
{
  Taking *taking = opaque;

  session_job_progress (taking->work->session, fraction);
}

static gboolean
settle (Taking *taking, GError **error)
{
  for (unsigned i = 0; i < taking->layers->len; i++)
    if (!disk_settle (g_array_index (taking->layers, NewLayer, i).disk, error))
      return FALSE;
  return TRUE;
}

static gboolean
take (Taking *taking, GError **error)
{
  SessionSnapshot *work = taking->work;
  const MachineSave save = { .cancellable = work->disk_task.cancellable,
                             .progress = on_saved,
                             .at_instant = at_instant,
                             .opaque = taking,
                             .pause = &work->pause };

  return prepare_layers (taking, error)
         && machine_save (work->session->machine, snapshot_take_state_path (taking->take), &save, error)
         && settle (taking, error) && snapshot_take_finish (taking->take, TRUE, error);
}

gboolean
session_snapshot_take (SessionSnapshot *work, GError **error)
{
  g_autoptr (GBytes) thumbnail = make_thumbnail (work->session->machine);
  const SnapshotOptions options = { .name = work->name, .description = work->description, .kind = work->kind,
                                    .thumbnail = thumbnail };
  Taking taking = { .work = work, .take = snapshot_take_begin (work->library, work->record, &options, error) };
  gboolean ok;

  if (!taking.take)
    return FALSE;
  taking.layers = g_array_new (FALSE, FALSE, sizeof (NewLayer));
  g_array_set_clear_func (taking.layers, clear_layer);
  ok = take (&taking, error);
  g_array_unref (taking.layers);
  snapshot_take_free (taking.take);
  if (ok)
    g_debug ("the guest stood still for %" G_GINT64_FORMAT " µs for a snapshot", work->pause);
  else if (taking.is_committed)
    {
      /* What went into the layers since goes where it would have gone, even when the user has cancelled. */
      g_autoptr (GError) failure = NULL;

      work->disk_task.cancellable = NULL;
      if (!session_snapshot_tidy (work, &failure))
        g_message ("%s", failure->message);
    }
  return ok;
}

/* --- What the threads do --- */

void
session_snapshot_return_thread (GTask *task, gboolean ok, GError *error)
{
  close_library (g_task_get_task_data (task));
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
session_snapshot_take_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean ok = session_snapshot_open (data, &error) && session_snapshot_take (data, &error);

  session_snapshot_return_thread (task, ok, error);
}

static gboolean delete (SessionSnapshot *work, GError **error)
{
  if (!snapshot_delete (work->library, work->record->uuid, work->snapshot, error))
    return FALSE;
  if (session_snapshot_tidy (work, error))
    return TRUE;
  g_prefix_error (error,
                  "%s: ", _("the snapshot is deleted, but its data is not merged yet, which is tried again later"));
  return FALSE;
}

static void
delete_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean ok = session_snapshot_open (data, &error) && delete (data, &error);

  session_snapshot_return_thread (task, ok, error);
}

/* Automatic ones that there is no room for go. */
static void
prune (SessionSnapshot *work)
{
  g_autoptr (GError) error = NULL;

  if (!work->session->in_drive && !snapshot_automatic_prune (work->library, work->record->uuid, NULL, &error))
    g_message ("%s", error->message);
}

static gboolean
tidy (SessionSnapshot *work, GError **error)
{
  if (!session_snapshot_open (work, error))
    return FALSE;
  prune (work);
  return session_snapshot_tidy (work, error);
}

static void
tidy_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean ok = tidy (data, &error);

  session_snapshot_return_thread (task, ok, error);
}

/* --- On the main thread --- */

gboolean
session_snapshot_follow (SessionSnapshot *work, GAsyncResult *result, GError **error)
{
  BunshinSession *self = work->session;
  gboolean ok = g_task_propagate_boolean (G_TASK (result), error);
  g_autoptr (GError) failure = NULL;
  LibraryMachine *record = library_find (self->library, self->record->uuid, &failure);

  if (record)
    session_take_record (self, record);
  else
    g_message ("%s", failure->message);
  if (work->pause > 0)
    self->last_pause = work->pause;
  if (ok && work->pause > 0)
    session_automatic_taken (self);
  return ok;
}

void
session_snapshot_return (SessionSnapshot *work, GError *error)
{
  g_autoptr (GTask) task = work->task;

  session_job_end (work->session);
  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  GError *error = NULL;

  session_snapshot_follow (work, result, &error);
  session_snapshot_return (work, error);
}

static void
begin (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);
  GError *error = NULL;

  /* It may have ended while the job before gave way. */
  if (!session_check_alive (self, &error))
    session_snapshot_return (work, error);
  else if (work->verb == BUNSHIN_SNAPSHOT_RESTORE)
    session_restore (self, task);
  else
    session_job_thread (self, task, work->verb == BUNSHIN_SNAPSHOT_TAKE ? session_snapshot_take_thread : delete_thread, on_done);
}

void
bunshin_session_snapshot_async (BunshinSession *self, const BunshinSnapshotRequest *request, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data)
{
  static const char *const what[] = {
    [BUNSHIN_SNAPSHOT_TAKE] = N_("a snapshot is being taken"),
    [BUNSHIN_SNAPSHOT_RESTORE] = N_("the machine is being put back to a snapshot"),
    [BUNSHIN_SNAPSHOT_DELETE] = N_("a snapshot is being deleted"),
  };
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, data);
  GError *error = NULL;

  session_snapshot_new (self, request, task);
  if (!self->is_kept)
    g_task_return_new_error (task, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                             _("this machine is thrown away at its end: it has no snapshots"));
  else if (request->verb == BUNSHIN_SNAPSHOT_END_DRIVE)
    session_end_drive (self, cancellable, g_steal_pointer (&task));
  else if (!session_check_alive (self, &error))
    g_task_return_error (task, error);
  else
    session_job_begin (self, _ (what[request->verb]), FALSE, cancellable, g_steal_pointer (&task), begin);
}

gboolean
bunshin_session_snapshot_finish (BunshinSession *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bunshin_session_snapshot_cancel (BunshinSession *self)
{
  if (!self->is_saving)
    session_job_cancel (self);
}

/* --- In the background --- */

static void
on_tidied (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  g_autoptr (GError) error = NULL;

  if (!session_snapshot_follow (work, result, &error))
    g_message ("%s", error->message);
  session_snapshot_return (work, NULL);
}

static void
begin_tidy (BunshinSession *self, GTask *task)
{
  session_job_thread (self, task, tidy_thread, on_tidied);
}

void
session_tidy (BunshinSession *self)
{
  const BunshinSnapshotRequest request = { 0 };
  GTask *task;

  if (!self->is_kept)
    return;
  task = g_task_new (self, NULL, NULL, NULL);
  session_snapshot_new (self, &request, task);
  session_job_begin (self, _("snapshots are being tidied up"), TRUE, NULL, task, begin_tidy);
}
