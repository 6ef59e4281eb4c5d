/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions about snapshots; see the header. */

#include "ui/snapshot-questions.h"

#include "ui/snapshot-text.h"

#include <adwaita.h>
#include <glib/gi18n.h>

typedef struct
{
  gpointer data;
  GDestroyNotify data_free;
  SnapshotRestoreConfirmed restore;
  DialogConfirmed confirmed;
  GtkWidget *keep_check; /* belongs to the dialog */
  gboolean has_changes;
} Question;

static Question *
question_new (gpointer data, GDestroyNotify data_free)
{
  Question *question = g_new0 (Question, 1);

  question->data = data;
  question->data_free = data_free;
  return question;
}

static void
question_free (gpointer data, GClosure *closure)
{
  Question *question = data;

  if (question->data_free != NULL)
    question->data_free (question->data);
  g_free (question);
}

/* --- Going back --- */

/* Enter goes back as long as nothing is lost by it. */
static void
on_keep_toggled (GtkCheckButton *check, AdwMessageDialog *dialog)
{
  const Question *question = g_object_get_data (G_OBJECT (dialog), "question");
  gboolean loses = question->has_changes && !gtk_check_button_get_active (check);

  adw_message_dialog_set_response_appearance (dialog, "restore",
                                              loses ? ADW_RESPONSE_DESTRUCTIVE : ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (dialog, loses ? "cancel" : "restore");
}

static void
on_restore_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  Question *question = data;

  if (g_str_equal (response, "restore"))
    question->restore (gtk_check_button_get_active (GTK_CHECK_BUTTON (question->keep_check)), question->data);
}

static const char *
restore_text (const Snapshot *snapshot, gboolean is_up)
{
  if (is_up && snapshot->state_path != NULL)
    return _(
        "The machine is running. It goes on from the moment of the snapshot, with the disks and settings of then.");
  if (is_up)
    return _(
        "The machine is running. It starts anew from the disks of the snapshot, which was taken while it was off.");
  if (snapshot->state_path != NULL)
    return _("Disks and settings become what they were. The next start goes on from the moment of the snapshot.");
  return _("Disks and settings become what they were.");
}

void
snapshot_ask_restore (GtkWindow *parent, const Snapshot *snapshot, gboolean is_up, gboolean has_changes,
                      SnapshotRestoreConfirmed confirmed, gpointer data, GDestroyNotify data_free)
{
  g_autofree char *heading = g_strdup_printf (_("Go Back to “%s”?"), snapshot->name);
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (adw_message_dialog_new (parent, heading, NULL));
  Question *question = question_new (data, data_free);

  question->restore = confirmed;
  question->has_changes = has_changes;
  question->keep_check = gtk_check_button_new_with_mnemonic (_("_Keep the present state as a snapshot first"));
  gtk_widget_set_halign (question->keep_check, GTK_ALIGN_CENTER);
  adw_message_dialog_format_body (dialog, "%s\n\n%s", restore_text (snapshot, is_up),
                                  has_changes ? _("The present state is lost, unless it is kept.")
                                              : _("Nothing is lost: a snapshot has all of the present state."));
  adw_message_dialog_set_extra_child (dialog, question->keep_check);
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), "restore", _("_Go Back"), NULL);
  adw_message_dialog_set_close_response (dialog, "cancel");
  g_object_set_data (G_OBJECT (dialog), "question", question);
  g_signal_connect (question->keep_check, "toggled", G_CALLBACK (on_keep_toggled), dialog);
  gtk_check_button_set_active (GTK_CHECK_BUTTON (question->keep_check), has_changes);
  on_keep_toggled (GTK_CHECK_BUTTON (question->keep_check), dialog);
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_restore_response), question, question_free, 0);
  dialog_present_question (GTK_WINDOW (dialog));
}

/* --- Deleting --- */

typedef struct
{
  char *home, *machine, *snapshot;
  SnapshotForecast forecast;
} Look;

static void
look_free (gpointer data)
{
  Look *look = data;

  g_free (look->home);
  g_free (look->machine);
  g_free (look->snapshot);
  g_free (look);
}

static void
look_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Look *look = data;
  GError *error = NULL;
  g_autoptr (Library) library = library_open (look->home, &error);

  if (library != NULL && snapshot_forecast_delete (library, look->machine, look->snapshot, &look->forecast, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (source);
  const Look *look = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  /* What is not known is no reason not to delete it. */
  if (g_task_propagate_boolean (G_TASK (result), &error))
    text = snapshot_text_forecast (&look->forecast);
  else
    text = g_strdup_printf (_("What it frees is not known: %s"), error->message);
  if (!gtk_widget_get_visible (GTK_WIDGET (dialog)))
    return;
  adw_message_dialog_format_body (dialog, "%s\n\n%s",
                                  _("Only this snapshot goes: the present state and all others stay."), text);
}

static void
on_delete_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  Question *question = data;

  if (g_str_equal (response, "delete"))
    question->confirmed (question->data);
}

void
snapshot_ask_delete (GtkWindow *parent, Library *library, const char *machine_uuid, const Snapshot *snapshot,
                     DialogConfirmed confirmed, gpointer data, GDestroyNotify data_free)
{
  g_autofree char *heading = g_strdup_printf (_("Delete “%s”?"), snapshot->name);
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (adw_message_dialog_new (parent, heading, NULL));
  Question *question = question_new (data, data_free);
  g_autoptr (GTask) task = g_task_new (dialog, NULL, on_looked, NULL);
  Look *look = g_new0 (Look, 1);

  question->confirmed = confirmed;
  /* The dialog does not grow: there has to be room for the answer. */
  adw_message_dialog_format_body (dialog, "%s\n\n%s\n\n\n",
                                  _("Only this snapshot goes: the present state and all others stay."),
                                  _("Looking at what it frees…"));
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), "delete", _("_Delete"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "delete", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (dialog, "cancel");
  adw_message_dialog_set_close_response (dialog, "cancel");
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_delete_response), question, question_free, 0);
  dialog_present_question (GTK_WINDOW (dialog));
  look->home = g_strdup (library_home (library));
  look->machine = g_strdup (machine_uuid);
  look->snapshot = g_strdup (snapshot->uuid);
  g_task_set_task_data (task, look, look_free);
  g_task_run_in_thread (task, look_thread);
}
