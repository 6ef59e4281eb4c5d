/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The window of changes: copying a file out. */

#include "ui/changes-window-private.h"

#include "ui/dialogs.h"

#include <glib/gi18n.h>

static BunshinChange *
selected_file (BunshinChangesWindow *self)
{
  BunshinChange *change = gtk_single_selection_get_selected_item (self->selection);

  return change != NULL && bunshin_change_get_row (change)->type == INSPECT_FILE ? change : NULL;
}

void
changes_window_update_copy (BunshinChangesWindow *self)
{
  BunshinChange *change = selected_file (self);
  gboolean can_copy = change != NULL && self->copying == NULL;
  InspectChangeKind kind = change != NULL ? bunshin_change_get_row (change)->kind : INSPECT_ADDED;

  /* Its menu, too. */
  gtk_widget_set_sensitive (self->copy_button, can_copy);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "changes.copy", can_copy);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "changes.copy-earlier", can_copy && kind == INSPECT_CHANGED);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "changes.stop-copy", self->copying != NULL);
  gtk_widget_set_visible (self->stop_copy_button, self->copying != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->copy_spinner), self->copying != NULL);
  gtk_spinner_set_spinning (self->copy_spinner, self->copying != NULL);
}

/* --- The copy --- */

typedef struct
{
  GWeakRef window;
  GCancellable *cancellable;
  char *name;
} Copy;

static void
copy_free (Copy *copy)
{
  g_weak_ref_clear (&copy->window);
  g_object_unref (copy->cancellable);
  g_free (copy->name);
  g_free (copy);
}

static void
on_copied (GObject *source, GAsyncResult *result, gpointer data)
{
  Copy *copy = data;
  g_autoptr (BunshinChangesWindow) self = g_weak_ref_get (&copy->window);
  g_autoptr (GError) error = NULL;
  gboolean worked = changes_copy_finish (result, &error);

  if (self != NULL && self->copying == copy->cancellable)
    {
      g_clear_object (&self->copying);
      changes_window_update_copy (self);
      if (worked)
        {
          g_autofree char *escaped = g_markup_escape_text (copy->name, -1);
          g_autofree char *text = g_strdup_printf (_("“%s” copied"), escaped);

          adw_toast_overlay_add_toast (self->toasts, adw_toast_new (text));
        }
      else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_autofree char *heading = g_strdup_printf (_("“%s” Could Not Be Copied"), copy->name);

          dialog_error (GTK_WINDOW (self), heading, error->message);
        }
    }
  copy_free (copy);
}

static void
run_copy (BunshinChangesWindow *self, BunshinChange *change, gboolean earlier, const char *destination)
{
  ChangesSource source = changes_window_source (self);
  const ChangesRow *row = bunshin_change_get_row (change);
  gboolean is_earlier = row->kind == INSPECT_REMOVED || (earlier && row->kind != INSPECT_ADDED);
  Copy *copy;

  if (self->copying != NULL)
    return;
  self->copying = g_cancellable_new ();
  copy = g_new0 (Copy, 1);
  g_weak_ref_init (&copy->window, self);
  copy->cancellable = g_object_ref (self->copying);
  copy->name = bunshin_change_get_name (change);
  changes_copy_async (&source, is_earlier ? self->from : self->to, bunshin_change_get_disk (change), row->volume,
                      bunshin_change_get_path (change), destination, self->copying, on_copied, copy);
  changes_window_update_copy (self);
}

void
bunshin_changes_window_copy (BunshinChangesWindow *self, gboolean earlier, const char *destination)
{
  BunshinChange *change = selected_file (self);

  if (change != NULL)
    run_copy (self, change, earlier, destination);
}

/* --- Where to --- */

/* While the chooser is open another row may be selected. */
typedef struct
{
  GWeakRef window;
  BunshinChange *change;
  gboolean earlier;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_weak_ref_clear (&question->window);
  g_object_unref (question->change);
  g_free (question);
}

static void
on_destination (const char *path, gpointer data)
{
  Question *question = data;
  g_autoptr (BunshinChangesWindow) self = g_weak_ref_get (&question->window);

  if (self != NULL)
    run_copy (self, question->change, question->earlier, path);
}

void
changes_window_ask_copy (BunshinChangesWindow *self, gboolean earlier)
{
  const char *downloads = g_get_user_special_dir (G_USER_DIRECTORY_DOWNLOAD);
  BunshinChange *change = selected_file (self);
  g_autofree char *name = NULL, *place = NULL;
  Question *question;

  if (change == NULL || self->copying != NULL)
    return;
  name = bunshin_change_get_name (change);
  place = g_build_filename (downloads != NULL ? downloads : g_get_home_dir (), name, NULL);
  question = g_new0 (Question, 1);
  g_weak_ref_init (&question->window, self);
  question->change = g_object_ref (change);
  question->earlier = earlier;
  dialog_choose_file (GTK_WINDOW (self), _("Copy a File"), DIALOG_FILES_PLACE, place, on_destination, question,
                      question_free);
}
