/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a machine out of another one; see the header. */

#include "ui/clone-dialog.h"

#include "ui/dialogs.h"
#include "ui/disk-work.h"

#include <glib/gi18n.h>

struct _BunshinCloneDialog
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  GtkWidget *cancel_button, *clone_button, *form, *work_box;
  AdwEntryRow *name_row;
  GtkLabel *name_error;
  GtkCheckButton *full_check, *linked_check;
  GtkSwitch *macs_switch;
  GtkProgressBar *progress;

  /* owned */
  LibraryMachine *machine;
  char *snapshot;             /* NULL: as it is now */
  GCancellable *cancellable;  /* NULL: nothing is under way */

  Library *library; /* borrowed */
};

enum { CLONED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinCloneDialog, bunshin_clone_dialog, ADW_TYPE_WINDOW)

/* What the thread needs. */
typedef struct
{
  BunshinCloneDialog *dialog; /* of the main thread alone */
  char *home, *snapshot, *name;
  LibraryMachine *machine, *clone;
  gboolean is_linked, keeps_macs;
} Job;

static void
job_free (Job *job)
{
  g_object_unref (job->dialog);
  g_free (job->home);
  g_free (job->snapshot);
  g_free (job->name);
  library_machine_free (job->machine);
  g_clear_pointer (&job->clone, library_machine_free);
  g_free (job);
}

/* A machine that is copied as it is must not start meanwhile. What an earlier run has left is put in order first. */
static LibraryLock *
prepare (Job *job, Library *library, const DiskTask *task, GError **error)
{
  const SnapshotTidy options = { .task = task };
  g_autoptr (LibraryLock) lock = library_lock_resting (job->machine, error);
  g_autoptr (GError) failure = NULL;
  LibraryMachine *now;

  if (lock == NULL)
    return NULL;
  /* What cannot be merged now can be later, and stands in nobody's way. */
  if (!snapshot_tidy (library, job->machine->uuid, &options, NULL, &failure)
      && (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_CANCELLED)
          || snapshot_in_drive (library, job->machine->uuid)))
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
  now = library_find (library, job->machine->uuid, error);
  if (now == NULL)
    return NULL;
  library_machine_free (job->machine);
  job->machine = now;
  return g_steal_pointer (&lock);
}

static gboolean
clone_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;
  g_autoptr (Library) library = library_open (job->home, error);
  g_autoptr (LibraryLock) lock = NULL;

  if (library == NULL || (job->snapshot == NULL && (lock = prepare (job, library, task, error)) == NULL))
    return FALSE;
  return snapshot_clone (library, job->machine, job->snapshot, job->name, job->is_linked, job->keeps_macs, task,
                         &job->clone, error);
}

static char *
get_name (BunshinCloneDialog *self)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->name_row))));
}

static char *
find_fault (BunshinCloneDialog *self, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LibraryMachine) other = NULL;

  if (!library_name_validate (name, &error))
    return g_strdup (error->message);
  other = library_find (self->library, name, NULL);
  return other != NULL ? g_strdup_printf (_("There is a machine named “%s” already"), other->name) : NULL;
}

static void
on_name_changed (BunshinCloneDialog *self)
{
  g_autofree char *name = get_name (self), *fault = find_fault (self, name);

  gtk_widget_set_visible (GTK_WIDGET (self->name_error), fault != NULL && name[0] != '\0');
  gtk_label_set_label (self->name_error, fault != NULL ? fault : "");
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.clone", fault == NULL && self->cancellable == NULL);
}

static void
show_work (BunshinCloneDialog *self)
{
  gboolean works = self->cancellable != NULL;

  gtk_widget_set_sensitive (self->form, !works);
  gtk_widget_set_visible (self->work_box, works);
  gtk_widget_set_visible (self->clone_button, !works);
  gtk_button_set_label (GTK_BUTTON (self->cancel_button), works ? _("_Stop") : _("_Cancel"));
  /* Copying takes its time: nobody has to wait before it. */
  gtk_window_set_modal (GTK_WINDOW (self), !works);
  on_name_changed (self);
}

static void
on_progress (double fraction, gpointer data)
{
  BunshinCloneDialog *self = ((Job *) data)->dialog;

  if (fraction < 0)
    gtk_progress_bar_pulse (self->progress);
  else
    gtk_progress_bar_set_fraction (self->progress, fraction);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Job *job = data;
  BunshinCloneDialog *self = job->dialog;
  g_autoptr (GError) error = NULL;
  gboolean worked = disk_work_run_finish (result, &error);
  gboolean was_stopped = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  g_clear_object (&self->cancellable);
  if (worked)
    g_signal_emit (self, signals[CLONED], 0, job->clone->uuid);
  /* The window may be gone with its parent. */
  if (gtk_widget_get_visible (GTK_WIDGET (self)))
    {
      show_work (self);
      if (worked || was_stopped)
        gtk_window_destroy (GTK_WINDOW (self));
      else
        dialog_error (GTK_WINDOW (self), _("The machine could not be cloned"), error->message);
    }
  job_free (job);
}

static void
on_clone (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinCloneDialog *self = BUNSHIN_CLONE_DIALOG (widget);
  Job *job = g_new0 (Job, 1);

  job->dialog = g_object_ref (self);
  job->home = g_strdup (library_home (self->library));
  job->machine = library_machine_copy (self->machine);
  job->snapshot = g_strdup (self->snapshot);
  job->name = get_name (self);
  job->is_linked = gtk_check_button_get_active (self->linked_check);
  job->keeps_macs = !gtk_switch_get_active (self->macs_switch);
  self->cancellable = g_cancellable_new ();
  show_work (self);
  gtk_progress_bar_set_fraction (self->progress, 0);
  disk_work_run_async (clone_work, job, on_progress, self->cancellable, on_done, job);
}

/* What was copied so far is undone first, then it closes. */
static gboolean
bunshin_clone_dialog_close_request (GtkWindow *window)
{
  BunshinCloneDialog *self = BUNSHIN_CLONE_DIALOG (window);

  if (self->cancellable == NULL)
    return GTK_WINDOW_CLASS (bunshin_clone_dialog_parent_class)->close_request (window);
  g_cancellable_cancel (self->cancellable);
  return TRUE;
}

static void
bunshin_clone_dialog_dispose (GObject *object)
{
  BunshinCloneDialog *self = BUNSHIN_CLONE_DIALOG (object);

  /* Also when the parent takes it along. */
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  G_OBJECT_CLASS (bunshin_clone_dialog_parent_class)->dispose (object);
}

static void
bunshin_clone_dialog_finalize (GObject *object)
{
  BunshinCloneDialog *self = BUNSHIN_CLONE_DIALOG (object);

  g_clear_object (&self->cancellable);
  library_machine_free (self->machine);
  g_free (self->snapshot);
  G_OBJECT_CLASS (bunshin_clone_dialog_parent_class)->finalize (object);
}

static void
bunshin_clone_dialog_class_init (BunshinCloneDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_clone_dialog_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_clone_dialog_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_clone_dialog_close_request;
  signals[CLONED] = g_signal_new ("cloned", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "dialog.clone", NULL, on_clone);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/clone-dialog.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinCloneDialog, name)
  BIND (title);
  BIND (cancel_button);
  BIND (clone_button);
  BIND (form);
  BIND (work_box);
  BIND (name_row);
  BIND (name_error);
  BIND (full_check);
  BIND (linked_check);
  BIND (macs_switch);
  BIND (progress);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_name_changed);
}

static void
bunshin_clone_dialog_init (BunshinCloneDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

/* A name that no machine has. */
static char *
propose_name (BunshinCloneDialog *self)
{
  g_autofree char *name = g_strdup_printf (_("%s (clone)"), self->machine->name);

  for (guint number = 2;; number++)
    {
      g_autoptr (LibraryMachine) other = library_find (self->library, name, NULL);

      if (other == NULL)
        return g_steal_pointer (&name);
      g_free (name);
      /* Translators: a machine's name, and a number that makes it another one. */
      name = g_strdup_printf (_("%s (clone %u)"), self->machine->name, number);
    }
}

BunshinCloneDialog *
bunshin_clone_dialog_new (GtkWindow *parent, Library *library, const LibraryMachine *machine, const Snapshot *snapshot)
{
  BunshinCloneDialog *self = g_object_new (BUNSHIN_TYPE_CLONE_DIALOG, "transient-for", parent, NULL);
  g_autofree char *name = NULL, *source = NULL;

  self->library = library;
  self->machine = library_machine_copy (machine);
  self->snapshot = snapshot != NULL ? g_strdup (snapshot->uuid) : NULL;
  /* Translators: of a machine's name, and a snapshot's. */
  source = snapshot != NULL ? g_strdup_printf (_("“%s”, as of “%s”"), machine->name, snapshot->name)
                            : g_strdup_printf (_("“%s”, as it is now"), machine->name);
  adw_window_title_set_subtitle (self->title, source);
  name = propose_name (self);
  gtk_editable_set_text (GTK_EDITABLE (self->name_row), name);
  show_work (self);
  gtk_widget_grab_focus (GTK_WIDGET (self->name_row));
  gtk_editable_select_region (GTK_EDITABLE (self->name_row), 0, -1);
  return self;
}
