/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deleting a machine: it leaves the list at once, and the library when its
 * toast has gone without “Undo”.
 */

#include "storage/disk/disk.h"
#include "ui/dialogs.h"
#include "ui/manager-window-private.h"

#include <glib/gi18n.h>

enum { UNDO_SECONDS = 8 };

typedef struct
{
  BunshinManagerWindow *window; /* borrowed: it owns the table this lies in */
  LibraryMachine *record;
  AdwToast *toast;
  gboolean keeps_disks;
} Deletion;

static void
deletion_free (gpointer data)
{
  Deletion *deletion = data;

  g_signal_handlers_disconnect_by_data (deletion->toast, deletion);
  g_object_unref (deletion->toast);
  library_machine_free (deletion->record);
  g_free (deletion);
}

void
manager_window_init_deletions (BunshinManagerWindow *self)
{
  self->deletions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, deletion_free);
}

gboolean
manager_window_is_being_deleted (BunshinManagerWindow *self, const char *uuid)
{
  return g_hash_table_contains (self->deletions, uuid);
}

static gboolean
carry_out (Deletion *deletion, GError **error)
{
  Library *library = deletion->window->env.library;
  g_auto (GStrv) disks = NULL;
  char *none[] = { NULL };

  if (!library_delete_machine (library, deletion->record->uuid, &disks, error))
    return FALSE;
  for (guint i = 0; disks[i] != NULL; i++)
    if (deletion->keeps_disks ? !library_add_medium (library, disks[i], LIBRARY_MEDIUM_DISK, NULL, error)
                              : !disk_delete (disks[i], error) || !library_forget_medium (library, disks[i], error))
      return FALSE;
  return library_delete_files (deletion->record, none, error);
}

static void
finish (Deletion *deletion)
{
  BunshinManagerWindow *window = deletion->window;
  g_autofree char *uuid = g_strdup (deletion->record->uuid);
  g_autoptr (GError) error = NULL;

  if (!carry_out (deletion, &error))
    {
      g_autofree char *heading = g_strdup_printf (_("“%s” could not be deleted completely"), deletion->record->name);

      dialog_error (GTK_WINDOW (window), heading, error->message);
    }
  g_hash_table_remove (window->deletions, uuid);
  bunshin_machine_list_reload (window->machines);
  manager_window_refilter (window);
}

static void
on_undo (AdwToast *toast, gpointer data)
{
  Deletion *deletion = data;
  BunshinManagerWindow *window = deletion->window;
  g_autofree char *uuid = g_strdup (deletion->record->uuid);

  g_hash_table_remove (window->deletions, uuid);
  manager_window_refilter (window);
  manager_window_select (window, uuid);
}

static void
on_toast_dismissed (AdwToast *toast, gpointer data)
{
  finish (data);
}

static void
start_deletion (BunshinManagerWindow *self, const LibraryMachine *record, gboolean keeps_disks)
{
  Deletion *deletion = g_new0 (Deletion, 1);
  g_autofree char *escaped = g_markup_escape_text (record->name, -1);
  g_autofree char *title = g_strdup_printf (_("“%s” deleted"), escaped);

  deletion->window = self;
  deletion->record = library_machine_copy (record);
  deletion->keeps_disks = keeps_disks;
  deletion->toast = g_object_ref (adw_toast_new (title));
  adw_toast_set_button_label (deletion->toast, _("_Undo"));
  adw_toast_set_timeout (deletion->toast, UNDO_SECONDS);
  g_signal_connect (deletion->toast, "button-clicked", G_CALLBACK (on_undo), deletion);
  g_signal_connect (deletion->toast, "dismissed", G_CALLBACK (on_toast_dismissed), deletion);
  g_hash_table_insert (self->deletions, deletion->record->uuid, deletion);
  manager_window_refilter (self);
  adw_leaflet_set_visible_child (self->leaflet, self->sidebar);
  adw_toast_overlay_add_toast (self->toasts, g_object_ref (deletion->toast));
}

/* --- What happens to the disks --- */

static gboolean
has_own_disks (const LibraryMachine *record)
{
  g_autofree char *folder = g_strconcat (record->folder, G_DIR_SEPARATOR_S, NULL);

  for (guint i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *attachment = record->attachments->pdata[i];

      if (attachment->path != NULL && g_str_has_prefix (attachment->path, folder))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_snapshots (BunshinManagerWindow *self, const LibraryMachine *record)
{
  g_autoptr (GPtrArray) snapshots = snapshot_list (self->env.library, record, FALSE, NULL);

  return snapshots != NULL && snapshots->len > 0;
}

typedef struct
{
  BunshinManagerWindow *window;
  LibraryMachine *record;
} Question;

static void
question_free (gpointer data, GClosure *closure)
{
  Question *question = data;

  g_object_unref (question->window);
  library_machine_free (question->record);
  g_free (question);
}

static void
on_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  Question *question = data;

  if (!g_str_equal (response, "cancel"))
    start_deletion (question->window, question->record, g_str_equal (response, "keep"));
}

void
manager_window_delete_selected (BunshinManagerWindow *self)
{
  const LibraryMachine *record = bunshin_machine_item_get_record (self->selected);
  g_autofree char *heading = g_strdup_printf (_("Delete “%s”?"), record->name);
  AdwMessageDialog *dialog;
  Question *question;

  /* Without disks there is nothing to decide, and the toast brings it back. */
  if (!has_own_disks (record))
    {
      start_deletion (self, record, TRUE);
      return;
    }
  dialog = ADW_MESSAGE_DIALOG (adw_message_dialog_new (GTK_WINDOW (self), heading, NULL));
  adw_message_dialog_format_body (dialog, "%s%s%s",
                                  _("Its disks hold everything that was saved in the machine. They can be kept as "
                                    "files, or deleted with it."),
                                  has_snapshots (self, record) ? "\n\n" : "",
                                  has_snapshots (self, record) ? _("Its snapshots are deleted in any case.") : "");
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), "keep", _("_Keep Disks"), "delete",
                                    _("_Delete All"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "delete", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (dialog, "cancel");
  adw_message_dialog_set_close_response (dialog, "cancel");
  question = g_new0 (Question, 1);
  question->window = g_object_ref (self);
  question->record = library_machine_copy (record);
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_response), question, question_free, 0);
  dialog_present_question (GTK_WINDOW (dialog));
}

void
manager_window_finish_deletions (BunshinManagerWindow *self)
{
  GHashTableIter iter;
  gpointer data;

  g_hash_table_iter_init (&iter, self->deletions);
  while (g_hash_table_iter_next (&iter, NULL, &data))
    {
      Deletion *deletion = data;
      g_autoptr (GError) error = NULL;

      /* The window goes away: there is nobody to tell but the log. */
      if (!carry_out (deletion, &error))
        g_warning ("“%s” could not be deleted completely: %s", deletion->record->name, error->message);
      g_hash_table_iter_remove (&iter);
    }
}
