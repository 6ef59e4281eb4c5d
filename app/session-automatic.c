/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots that a session takes by itself: before a disc is inserted that the
 * machine has not had, and when it has run for some time since the last one.
 * Neither stands in the way of what the user wants: a medium is inserted
 * though the snapshot failed, and one that only the time asks for gives way to
 * everything and is taken later. On a test drive none are taken, as all of
 * that can be thrown away.
 */

#include "app/machine-build.h"
#include "app/session-snapshot.h"
#include "storage/snapshot/automatic.h"

#include <glib/gi18n.h>
#include <string.h>

enum { LOOK_SECONDS = 10 };

void
session_notice (BunshinSession *self, const char *text)
{
  g_message ("%s", text);
  g_signal_emit_by_name (self, "notice", text);
}

/* --- Discs --- */

/* What tells the disc from others, if there is to be a snapshot before it: NULL when there is not. Caller frees. */
static char *
find_unknown (Library *library, const char *uuid, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *digest = snapshot_disc_digest (path, &error);
  gboolean known = TRUE;

  if (digest && library_knows_disc (library, uuid, digest, &known, &error))
    return known ? NULL : g_steal_pointer (&digest);
  g_message ("%s", error->message);
  return NULL;
}

void
session_remember_disc (BunshinSession *self, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *digest = NULL;

  if (!self->is_kept || self->in_drive)
    return;
  digest = snapshot_disc_digest (path, &error);
  if (!digest || !library_remember_disc (self->library, self->record->uuid, digest, &error))
    g_message ("%s", error->message);
}

/* --- Before a start --- */

static void
add_sentence (char ***sentences, const char *sentence)
{
  unsigned count = *sentences ? g_strv_length (*sentences) : 0;

  *sentences = g_renew (char *, *sentences, count + 2);
  (*sentences)[count] = g_strdup (sentence);
  (*sentences)[count + 1] = NULL;
}

/* Takes the discs out that the machine has not had; the first one's path, or NULL. Caller frees. */
static char *
take_out_unknown (Library *library, LibraryMachine *record)
{
  char *first = NULL;

  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      LibraryAttachment *drive = g_ptr_array_index (record->attachments, i);
      g_autofree char *digest = NULL;

      if (drive->kind != LIBRARY_MEDIUM_OPTICAL || !drive->path
          || !(digest = find_unknown (library, record->uuid, drive->path)))
        continue;
      if (!first)
        first = g_strdup (drive->path);
      library_attachment_set_path (drive, NULL, NULL);
    }
  return first;
}

void
bunshin_session_before_start (Library *library, const LibraryMachine *record, char ***did)
{
  g_autofree char *state = library_saved_state_path (record), *disc = NULL, *name = NULL, *uuid = NULL;
  g_autoptr (LibraryMachine) before = NULL;
  g_autoptr (GError) error = NULL;
  SnapshotOptions options = { .kind = SNAPSHOT_AUTOMATIC };

  /* With a saved state the machine has had its discs, and goes on with them. */
  if (!record->automatic.before_disc || g_file_test (state, G_FILE_TEST_EXISTS))
    return;
  before = library_machine_copy (record);
  if (!(disc = take_out_unknown (library, before)))
    return;
  options.name = name = snapshot_automatic_name_disc (disc);
  uuid = snapshot_take_off (library, before, &options, &error);
  if (!uuid)
    {
      g_autofree char *sentence
          = g_strdup_printf (_("No snapshot was taken before the start with “%s”: %s"), disc, error->message);

      add_sentence (did, sentence);
    }
}

/* --- Before a medium is inserted --- */

/* The job is the task's. */
static gboolean
put (SessionSnapshot *work, GError **error)
{
  BunshinSession *self = work->session;
  LibraryAttachment *drive = session_find_drive (self, work->slot, error);

  return drive && session_put (self, drive, work->path, work->disk, work->force, error);
}

static void
begin_put (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);
  GError *error = NULL;

  if (session_check_alive (self, &error))
    put (work, &error);
  session_snapshot_return (work, error);
}

/* As users know the medium. Caller frees. */
static char *
get_shown_name (const char *path)
{
  g_autofree char *shown = disk_shown_path (path);

  return g_path_get_basename (shown);
}

static void
on_taken_before (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  BunshinSession *self = work->session;
  g_autoptr (GError) failure = NULL;
  GError *error = NULL;

  if (session_snapshot_follow (work, result, &failure))
    {
      session_automatic_taken (self);
      self->automatic.before = g_steal_pointer (&work->digest);
      self->tidy_again = TRUE;
    }
  if (!session_check_alive (self, &error))
    ;
  else if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    error = g_steal_pointer (&failure);
  else
    {
      if (failure)
        {
          g_autofree char *name = get_shown_name (work->path);
          g_autofree char *text = g_strdup_printf (_("No snapshot was taken before “%s”: %s"), name, failure->message);

          session_notice (self, text);
        }
      put (work, &error);
    }
  session_snapshot_return (work, error);
}

static void
begin_before (BunshinSession *self, GTask *task)
{
  SessionSnapshot *work = g_task_get_task_data (task);
  g_autofree char *name = get_shown_name (work->path), *text = NULL;
  GError *error = NULL;

  if (!session_check_alive (self, &error))
    {
      session_snapshot_return (work, error);
      return;
    }
  /* Why nothing seems to happen. */
  text = g_strdup_printf (_("A snapshot is taken before “%s” is inserted"), name);
  g_signal_emit_by_name (self, "notice", text);
  session_job_thread (self, task, session_snapshot_take_thread, on_taken_before);
}

/* See find_unknown(). */
static char *
find_reason (BunshinSession *self, const LibraryAttachment *drive, const char *path, gboolean force)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *digest = NULL;
  LibraryAutomatic automatic;

  if (!path || drive->kind != LIBRARY_MEDIUM_OPTICAL || !self->is_kept || self->in_drive)
    return NULL;
  if (!library_get_automatic (self->library, self->record->uuid, &automatic, &error))
    {
      g_message ("%s", error->message);
      return NULL;
    }
  digest = automatic.before_disc ? find_unknown (self->library, self->record->uuid, path) : NULL;
  /* The guest had locked the drive, and now the user insists: it was taken the first time. */
  if (force && g_strcmp0 (digest, self->automatic.before) == 0)
    return NULL;
  return g_steal_pointer (&digest);
}

void
bunshin_session_insert_async (BunshinSession *self, const char *slot, const char *path, gboolean force,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, data);
  g_autofree char *name = path ? snapshot_automatic_name_disc (path) : NULL;
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = name };
  SessionSnapshot *work = session_snapshot_new (self, &request, task);
  LibraryAttachment *drive = NULL;
  GError *error = NULL;

  work->kind = SNAPSHOT_AUTOMATIC;
  work->slot = g_strdup (slot);
  work->path = g_strdup (path);
  work->force = force;
  if (!session_check_alive (self, &error) || !(drive = session_find_drive (self, slot, &error))
      || (path && !(work->disk = machine_build_open_medium (drive->kind, path, FALSE, &error))))
    g_task_return_error (task, error);
  else if ((work->digest = find_reason (self, drive, path, force)))
    session_job_begin (self, _("an automatic snapshot is being taken"), FALSE, cancellable, g_steal_pointer (&task),
                       begin_before);
  else if (!session_job_check (self, NULL))
    session_job_begin (self, _("a medium is being changed"), FALSE, cancellable, g_steal_pointer (&task), begin_put);
  else if (put (work, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

gboolean
bunshin_session_insert_finish (BunshinSession *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Now and then --- */

/* A number that is another one when the machine has done anything that changes its memory or disks. */
static uint64_t
get_activity (Machine *machine)
{
  MachineInfo info = { 0 };

  machine_info (machine, &info);
  /* The hardware does not count what it does. */
  if (g_strcmp0 (info.accel, "kvm") == 0)
    return (uint64_t) info.guest_time;
  return info.instructions + info.interrupts + info.disk_writes + info.net_rx_frames;
}

void
session_automatic_taken (BunshinSession *self)
{
  self->automatic.ran = 0;
  g_clear_pointer (&self->automatic.before, g_free);
  if (self->machine)
    self->automatic.activity = get_activity (self->machine);
}

static void
on_taken_now (GObject *source, GAsyncResult *result, gpointer data)
{
  SessionSnapshot *work = g_task_get_task_data (data);
  BunshinSession *self = work->session;
  g_autoptr (GError) error = NULL;

  if (session_snapshot_follow (work, result, &error))
    {
      session_automatic_taken (self);
      self->tidy_again = TRUE;
    }
  /* When it has given way, the next look at the clock finds it due again. */
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && !bunshin_session_has_ended (self))
    {
      g_autofree char *text = g_strdup_printf (_("No automatic snapshot was taken: %s"), error->message);

      self->automatic.ran = 0;
      session_notice (self, text);
    }
  session_snapshot_return (work, NULL);
}

static void
begin_now (BunshinSession *self, GTask *task)
{
  self->job.holds_drives = TRUE;
  session_job_thread (self, task, session_snapshot_take_thread, on_taken_now);
}

static void
take_now (BunshinSession *self)
{
  g_autoptr (GDateTime) time = g_date_time_new_now_local ();
  g_autofree char *name = snapshot_automatic_name_time (time);
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = name };
  GTask *task = g_task_new (self, NULL, NULL, NULL);

  session_snapshot_new (self, &request, task)->kind = SNAPSHOT_AUTOMATIC;
  session_job_begin (self, _("an automatic snapshot is being taken"), TRUE, NULL, task, begin_now);
}

/* Counts on to @now. Whether the machine runs. */
static gboolean
count (BunshinSession *self, gint64 now)
{
  SessionAutomatic *automatic = &self->automatic;
  gboolean runs = self->machine && self->state == LIBRARY_STATE_RUNNING;

  if (runs && automatic->has_run)
    automatic->ran += MAX (now - automatic->looked_at, 0);
  automatic->looked_at = now;
  automatic->has_run = runs;
  return runs;
}

void
bunshin_session_look_at_clock (BunshinSession *self, gint64 now)
{
  g_autoptr (GError) error = NULL;
  LibraryAutomatic automatic;

  /* What is under way is not disturbed, not even in the background, lest merges never come to their end. */
  if (!count (self, now) || !self->is_kept || self->in_drive || self->job.what || self->waiting.task)
    return;
  if (!library_get_automatic (self->library, self->record->uuid, &automatic, &error))
    {
      g_message ("%s", error->message);
      return;
    }
  if (automatic.every == 0)
    self->automatic.ran = 0;
  else if (self->automatic.ran >= (gint64) automatic.every * 60 * G_USEC_PER_SEC
           && get_activity (self->machine) != self->automatic.activity)
    take_now (self);
}

static gboolean
on_timer (gpointer data)
{
  bunshin_session_look_at_clock (data, g_get_monotonic_time ());
  return G_SOURCE_CONTINUE;
}

void
session_automatic_begin (BunshinSession *self)
{
  if (!self->is_kept)
    return;
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (self->record->attachments, i);

      if (drive->kind == LIBRARY_MEDIUM_OPTICAL && drive->path)
        session_remember_disc (self, drive->path);
    }
  self->automatic.timer = g_timeout_add_seconds (LOOK_SECONDS, on_timer, self);
}

void
session_automatic_end (BunshinSession *self)
{
  g_clear_handle_id (&self->automatic.timer, g_source_remove);
  g_clear_pointer (&self->automatic.before, g_free);
}
