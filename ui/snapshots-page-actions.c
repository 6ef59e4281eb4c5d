/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What can be done with snapshots. */

#include "ui/snapshots-page-private.h"

#include "ui/changes-window.h"
#include "ui/clone-dialog.h"
#include "ui/dialogs.h"
#include "ui/snapshot-dialog.h"
#include "ui/snapshot-questions.h"
#include "ui/snapshot-text.h"
#include "ui/state-text.h"

#include <glib/gi18n.h>

/* --- Jobs --- */

static SnapshotJob *
job_new (BunshinSnapshotsPage *page, BunshinSnapshotVerb verb, const Snapshot *snapshot)
{
  SnapshotJob *job = g_new0 (SnapshotJob, 1);

  job->page = g_object_ref (page);
  job->item = g_object_ref (page->item);
  job->cancellable = g_cancellable_new ();
  job->verb = verb;
  if (snapshot != NULL)
    {
      job->snapshot = g_strdup (snapshot->uuid);
      job->name = g_strdup (snapshot->name);
    }
  return job;
}

static void
job_free (gpointer data)
{
  SnapshotJob *job = data;

  g_object_unref (job->page);
  g_object_unref (job->item);
  g_object_unref (job->cancellable);
  g_free (job->snapshot);
  g_free (job->name);
  g_free (job->description);
  g_free (job->kept_name);
  g_free (job);
}

const char *
snapshots_page_describe_job (const SnapshotJob *job)
{
  switch (job->verb)
    {
    case BUNSHIN_SNAPSHOT_TAKE:
      return _("Taking the snapshot…");
    case BUNSHIN_SNAPSHOT_RESTORE:
      return _("Going back…");
    case BUNSHIN_SNAPSHOT_DELETE:
      return _("Deleting…");
    case BUNSHIN_SNAPSHOT_END_DRIVE:
      return job->how == SNAPSHOT_DRIVE_DISCARD ? _("Throwing the changes away…") : _("Keeping the changes…");
    }
  g_assert_not_reached ();
}

/* Takes @toast over. */
static void
show_toast (BunshinSnapshotsPage *self, AdwToast *toast)
{
  /* What was just done is of more interest than what was done before. */
  adw_toast_set_priority (toast, ADW_TOAST_PRIORITY_HIGH);
  g_signal_emit_by_name (self, "toast", toast);
  g_object_unref (toast);
}

static AdwToast *
toast_new (const char *format, const char *name)
{
  g_autofree char *escaped = g_markup_escape_text (name, -1), *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  text = g_strdup_printf (format, escaped);
#pragma GCC diagnostic pop
  return adw_toast_new (text);
}

static void
tell_success (SnapshotJob *job)
{
  AdwToast *toast;

  switch (job->verb)
    {
    case BUNSHIN_SNAPSHOT_TAKE:
      show_toast (job->page, toast_new (_("“%s” taken"), job->name));
      break;
    case BUNSHIN_SNAPSHOT_DELETE:
      show_toast (job->page, toast_new (_("“%s” deleted"), job->name));
      break;
    case BUNSHIN_SNAPSHOT_END_DRIVE:
      show_toast (job->page, adw_toast_new (job->how == SNAPSHOT_DRIVE_DISCARD
                                                ? _("The changes of the test drive are thrown away")
                                                : _("The changes of the test drive are kept")));
      break;
    case BUNSHIN_SNAPSHOT_RESTORE:
      toast = toast_new (job->kept_name != NULL ? _("Back at “%s”; what was before is kept") : _("Back at “%s”"),
                         job->name);
      if (job->page->item == job->item && state_can_start (bunshin_machine_item_get_state (job->item)))
        {
          adw_toast_set_button_label (toast, _("_Start"));
          adw_toast_set_action_name (toast, "win.start");
        }
      show_toast (job->page, toast);
      break;
    }
}

static void
tell_failure (SnapshotJob *job, const GError *error)
{
  GtkWindow *window = snapshots_page_window (job->page);
  g_autofree char *heading = NULL;

  if (window == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (job->verb == BUNSHIN_SNAPSHOT_TAKE)
    heading = g_strdup (_("The Snapshot Could Not Be Taken"));
  else if (job->verb == BUNSHIN_SNAPSHOT_DELETE)
    heading = g_strdup_printf (_("“%s” Could Not Be Deleted"), job->name);
  else if (job->verb == BUNSHIN_SNAPSHOT_END_DRIVE)
    heading = g_strdup (_("The Test Drive Could Not Be Ended"));
  else
    heading = g_strdup_printf (_("“%s” Could Not Be Restored"), job->name);
  dialog_error (window, heading, error->message);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  SnapshotJob *job = data;
  BunshinSnapshotsPage *page = job->page;
  GApplication *application = g_application_get_default ();
  g_autoptr (GError) error = NULL;
  gboolean worked = bunshin_machine_control_snapshot_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error);

  g_hash_table_remove (page->jobs, bunshin_machine_item_get_uuid (job->item));
  bunshin_machine_item_set_busy (job->item, FALSE);
  if (page->snapshots != NULL)
    {
      snapshots_page_update (page);
      bunshin_snapshot_list_reload (page->snapshots);
      if (worked)
        tell_success (job);
      else
        tell_failure (job, error);
    }
  job_free (job);
  if (application != NULL)
    g_application_release (application);
}

static gboolean
is_free (BunshinSnapshotsPage *self, BunshinMachineItem *item)
{
  LibraryState state = bunshin_machine_item_get_state (item);

  return !bunshin_machine_item_get_busy (item) && (state_can_start (state) || state_is_up (state));
}

/* Takes @job over. */
static void
run (SnapshotJob *job)
{
  BunshinSnapshotsPage *page = job->page;
  GApplication *application = g_application_get_default ();
  const BunshinSnapshotRequest request = { .verb = job->verb,
                                           .snapshot = job->snapshot,
                                           .name = job->verb == BUNSHIN_SNAPSHOT_RESTORE ? job->kept_name : job->name,
                                           .description = job->description,
                                           .how = job->how };

  /* It may have changed while the question stood there. */
  if (!is_free (page, job->item))
    {
      job_free (job);
      return;
    }
  /* The window may be closed meanwhile; this is finished first. */
  if (application != NULL)
    g_application_hold (application);
  g_hash_table_insert (page->jobs, (char *) bunshin_machine_item_get_uuid (job->item), job);
  bunshin_machine_item_set_busy (job->item, TRUE);
  snapshots_page_update (page);
  bunshin_machine_control_snapshot_async (bunshin_machine_item_get_control (job->item), &request, job->cancellable,
                                          on_done, job);
}

/* --- Questions about one of them: the subject may change while they are open --- */

typedef struct
{
  BunshinSnapshotsPage *page;
  BunshinMachineItem *item;
  char *snapshot, *name;
} Subject;

static Subject *
subject_new (BunshinSnapshotsPage *page, const Snapshot *snapshot)
{
  Subject *subject = g_new0 (Subject, 1);

  subject->page = g_object_ref (page);
  subject->item = g_object_ref (page->item);
  if (snapshot != NULL)
    {
      subject->snapshot = g_strdup (snapshot->uuid);
      subject->name = g_strdup (snapshot->name);
    }
  return subject;
}

static void
subject_free (gpointer data)
{
  Subject *subject = data;

  g_object_unref (subject->page);
  g_object_unref (subject->item);
  g_free (subject->snapshot);
  g_free (subject->name);
  g_free (subject);
}

static void
subject_closure_free (gpointer data, GClosure *closure)
{
  subject_free (data);
}

static SnapshotJob *
subject_job (const Subject *subject, BunshinSnapshotVerb verb)
{
  SnapshotJob *job = job_new (subject->page, verb, NULL);

  g_set_object (&job->item, subject->item);
  job->snapshot = g_strdup (subject->snapshot);
  job->name = g_strdup (subject->name);
  return job;
}

/* --- Taking --- */

static void
on_take_done (BunshinSnapshotDialog *dialog, const char *name, const char *description, gpointer data)
{
  SnapshotJob *job = subject_job (data, BUNSHIN_SNAPSHOT_TAKE);

  job->name = g_strdup (name);
  job->description = description[0] != '\0' ? g_strdup (description) : NULL;
  run (job);
}

void
bunshin_snapshots_page_take (BunshinSnapshotsPage *self)
{
  gboolean is_up = state_is_up (bunshin_machine_item_get_state (self->item));
  g_auto (GStrv) names = bunshin_snapshot_list_get_names (self->snapshots);
  g_autofree char *name = snapshot_text_new_name ((const char *const *) names);
  BunshinSnapshotDialog *dialog = bunshin_snapshot_dialog_new (
      snapshots_page_window (self), is_up ? SNAPSHOT_DIALOG_TAKE_RUNNING : SNAPSHOT_DIALOG_TAKE_OFF, name, NULL);

  g_signal_connect_data (dialog, "done", G_CALLBACK (on_take_done), subject_new (self, NULL), subject_closure_free, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
verb_take (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  bunshin_snapshots_page_take (self);
}

static void
verb_cancel (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  SnapshotJob *job = g_hash_table_lookup (self->jobs, bunshin_machine_item_get_uuid (self->item));

  if (job != NULL)
    g_cancellable_cancel (job->cancellable);
  snapshots_page_update (self);
}

/* --- Going back --- */

static void
on_restore_confirmed (gboolean keeps, gpointer data)
{
  SnapshotJob *job = subject_job (data, BUNSHIN_SNAPSHOT_RESTORE);

  if (keeps)
    job->kept_name = snapshot_text_kept_name (job->name);
  run (job);
}

static void
verb_restore (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);
  gboolean is_up = state_is_up (bunshin_machine_item_get_state (self->item));
  /* A state that is in no snapshot is lost; what is just as in one can be had again. */
  gboolean has_changes = is_up || bunshin_snapshot_list_has_changes (self->snapshots, NULL);

  snapshot_ask_restore (snapshots_page_window (self), snapshot, is_up, has_changes, on_restore_confirmed,
                        subject_new (self, snapshot), subject_free);
}

/* --- Deleting --- */

static void
on_delete_confirmed (gpointer data)
{
  run (subject_job (data, BUNSHIN_SNAPSHOT_DELETE));
}

static void
verb_delete (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);

  snapshot_ask_delete (snapshots_page_window (self), self->library, bunshin_machine_item_get_uuid (self->item),
                       snapshot, on_delete_confirmed, subject_new (self, snapshot), subject_free);
}

/* --- Test drives --- */

static void
verb_drive (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  g_signal_emit_by_name (self, "drive", bunshin_snapshot_item_get_uuid (item));
}

void
snapshots_page_end_drive (BunshinSnapshotsPage *self, SnapshotDriveEnd how)
{
  SnapshotJob *job = job_new (self, BUNSHIN_SNAPSHOT_END_DRIVE, NULL);

  job->how = how;
  run (job);
}

/* --- Name and description --- */

static void
on_edit_done (BunshinSnapshotDialog *dialog, const char *name, const char *description, gpointer data)
{
  Subject *subject = data;
  BunshinSnapshotsPage *page = subject->page;
  g_autoptr (GError) error = NULL;

  if (snapshot_edit (page->library, bunshin_machine_item_get_uuid (subject->item), subject->snapshot, name,
                     description, &error))
    bunshin_snapshot_list_reload (page->snapshots);
  else if (snapshots_page_window (page) != NULL)
    dialog_error (snapshots_page_window (page), _("The Snapshot Could Not Be Changed"), error->message);
}

static void
verb_edit (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);
  BunshinSnapshotDialog *dialog = bunshin_snapshot_dialog_new (snapshots_page_window (self), SNAPSHOT_DIALOG_EDIT,
                                                               snapshot->name, snapshot->description);

  g_signal_connect_data (dialog, "done", G_CALLBACK (on_edit_done), subject_new (self, snapshot), subject_closure_free,
                         0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* --- Clones --- */

static void
on_cloned (BunshinSnapshotsPage *self, const char *uuid)
{
  g_signal_emit_by_name (self, "cloned", uuid);
}

static void
ask_clone (BunshinSnapshotsPage *self, const Snapshot *snapshot)
{
  BunshinCloneDialog *dialog = bunshin_clone_dialog_new (snapshots_page_window (self), self->library,
                                                         bunshin_machine_item_get_record (self->item), snapshot);

  g_signal_connect_object (dialog, "cloned", G_CALLBACK (on_cloned), self, G_CONNECT_SWAPPED);
  gtk_window_present (GTK_WINDOW (dialog));
}

void
bunshin_snapshots_page_clone (BunshinSnapshotsPage *self)
{
  ask_clone (self, NULL);
}

static void
verb_clone (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  ask_clone (self, bunshin_snapshot_item_get_snapshot (item));
}

/* --- What changed --- */

/* What a snapshot is compared with: the present state, unless the machine runs; else what came after it, or another one.
 * NULL: the present. */
static const char *
find_other (BunshinSnapshotsPage *self, const Snapshot *snapshot)
{
  GListModel *model = bunshin_snapshot_list_get_model (self->snapshots);
  const Snapshot *child = NULL, *other = NULL;

  if (state_can_start (bunshin_machine_item_get_state (self->item)))
    return NULL;
  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);
      const Snapshot *candidate = bunshin_snapshot_item_get_snapshot (item);

      if (candidate == NULL || candidate == snapshot)
        continue;
      if (other == NULL || candidate->created > other->created)
        other = candidate;
      if (g_strcmp0 (candidate->parent, snapshot->uuid) == 0 && (child == NULL || candidate->created > child->created))
        child = candidate;
    }
  other = child != NULL ? child : other;
  return other != NULL ? other->uuid : NULL;
}

static void
show_changes (BunshinSnapshotsPage *self, BunshinSnapshotItem *item, gboolean waits)
{
  const LibraryMachine *record = bunshin_machine_item_get_record (self->item);
  gboolean is_present = bunshin_snapshot_item_is_present (item);
  BunshinSnapshotItem *from = is_present ? bunshin_snapshot_list_get_current (self->snapshots) : item;
  ChangesRequest request = { .name = record->name,
                             .snapshots = bunshin_snapshot_list_get_model (self->snapshots),
                             .waits = waits };

  if (from == NULL)
    return;
  request.from = bunshin_snapshot_item_get_uuid (from);
  request.to = is_present ? NULL : find_other (self, bunshin_snapshot_item_get_snapshot (item));

  request.source
      = (ChangesSource) { .program = self->program, .home = library_home (self->library), .machine = record->uuid };
  gtk_window_present (GTK_WINDOW (bunshin_changes_window_new (snapshots_page_window (self), &request)));
}

static void
verb_changes (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  show_changes (self, item, FALSE);
}

static void
verb_compare (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  show_changes (self, item, TRUE);
}

void
snapshots_page_verb (BunshinSnapshotsPage *self, const char *verb, BunshinSnapshotItem *item)
{
  static const struct
  {
    const char *name;
    void (*run) (BunshinSnapshotsPage *self, BunshinSnapshotItem *item);
  } verbs[] = {
    { "take", verb_take }, { "restore", verb_restore }, { "delete", verb_delete },
    { "edit", verb_edit }, { "clone", verb_clone },     { "cancel", verb_cancel },
    { "changes", verb_changes }, { "compare", verb_compare }, { "drive", verb_drive },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].name, verb))
      verbs[i].run (self, item);
}
