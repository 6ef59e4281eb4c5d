/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Discs and floppies of a running machine: a menu with an entry a drive. */

#include "ui/dialogs.h"
#include "ui/machine-window-private.h"
#include "ui/record-text.h"

#include <glib/gi18n.h>

static LibraryAttachment *
find_drive (BunshinMachineWindow *self, const char *slot)
{
  for (guint i = 0; i < self->record->attachments->len; i++)
    {
      LibraryAttachment *attachment = self->record->attachments->pdata[i];
      g_autofree char *its_slot = library_attachment_slot (attachment);

      if (attachment->kind != LIBRARY_MEDIUM_DISK && g_str_equal (its_slot, slot))
        return attachment;
    }
  return NULL;
}

static void
append (GMenu *menu, const char *label, const char *action, const char *slot)
{
  g_autoptr (GMenuItem) item = g_menu_item_new (label, NULL);

  g_menu_item_set_action_and_target (item, action, "s", slot);
  g_menu_append_item (menu, item);
}

static void
fill_menu (BunshinMachineWindow *self)
{
  g_menu_remove_all (self->media_menu);
  for (guint i = 0; i < self->record->attachments->len; i++)
    {
      const LibraryAttachment *attachment = self->record->attachments->pdata[i];
      g_autoptr (GMenu) section = NULL;
      g_autofree char *slot = NULL, *medium = NULL, *title = NULL;

      if (attachment->kind == LIBRARY_MEDIUM_DISK)
        continue;
      section = g_menu_new ();
      slot = library_attachment_slot (attachment);
      medium = record_text_medium (attachment);
      /* Translators: a drive, and what lies in it. */
      title = g_strdup_printf (_("%s: %s"), record_text_medium_kind (attachment->kind), medium);
      append (section, attachment->kind == LIBRARY_MEDIUM_OPTICAL ? _("Insert Disc…") : _("Insert Floppy…"),
              "win.insert", slot);
      if (attachment->path != NULL)
        append (section, _("Eject"), "win.eject", slot);
      g_menu_append_section (self->media_menu, title, G_MENU_MODEL (section));
    }
}

/* --- Inserting and ejecting --- */

typedef struct
{
  BunshinMachineWindow *window;
  char *slot, *path;            /* @path NULL: eject */
  gboolean force;
} Insert;

static Insert *
insert_new (BunshinMachineWindow *self, const char *slot, const char *path, gboolean force)
{
  Insert *insert = g_new0 (Insert, 1);

  insert->window = g_object_ref (self);
  insert->slot = g_strdup (slot);
  insert->path = g_strdup (path);
  insert->force = force;
  return insert;
}

static void
insert_free (gpointer data)
{
  Insert *insert = data;

  g_object_unref (insert->window);
  g_free (insert->slot);
  g_free (insert->path);
  g_free (insert);
}

static void run (Insert *insert);

static void
on_force_confirmed (gpointer data)
{
  Insert *insert = data;

  run (insert_new (insert->window, insert->slot, insert->path, TRUE));
}

static void
on_insert_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Insert *insert = data;
  BunshinMachineWindow *self = insert->window;
  LibraryAttachment *drive = find_drive (self, insert->slot);
  g_autoptr (GError) error = NULL;

  if (bunshin_machine_control_insert_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error))
    {
      if (drive != NULL)
        library_attachment_set_path (drive, insert->path, NULL);
      fill_menu (self);
      machine_window_toast (self, insert->path != NULL ? _("Inserted") : _("Ejected"));
      insert_free (insert);
      return;
    }
  /* It may have been powered off while a snapshot was taken first. */
  if (!gtk_widget_get_mapped (GTK_WIDGET (self)) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      insert_free (insert);
      return;
    }
  if (!insert->force && (insert->path == NULL || (drive != NULL && drive->path != NULL))
      && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    {
      /* The guest has locked the drive; a needle in the little hole helps. */
      g_autofree char *body = g_strdup_printf (_("%s.\n\nIf the guest is using the drive, taking the medium out by "
                                                 "force can make its programs fail."), error->message);

      dialog_confirm (GTK_WINDOW (self), _("Take It Out by Force?"), body, _("_Force"), on_force_confirmed, insert,
                      insert_free);
      return;
    }
  dialog_error (GTK_WINDOW (self), insert->path != NULL ? _("The medium could not be inserted")
                                                        : _("The medium could not be ejected"),
                error->message);
  insert_free (insert);
}

static void
run (Insert *insert)
{
  bunshin_machine_control_insert_async (insert->window->control, insert->slot, insert->path, insert->force, NULL,
                                        on_insert_done, insert);
}

static void
on_file_chosen (const char *path, gpointer data)
{
  Insert *insert = data;

  run (insert_new (insert->window, insert->slot, path, FALSE));
}

static void
on_insert (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  const char *slot = g_variant_get_string (parameter, NULL);
  const LibraryAttachment *drive = find_drive (self, slot);
  gboolean is_disc;

  if (drive == NULL)
    return;
  is_disc = drive->kind == LIBRARY_MEDIUM_OPTICAL;
  dialog_choose_file (GTK_WINDOW (self), is_disc ? _("Choose a Disc Image") : _("Choose a Floppy Image"),
                      is_disc ? DIALOG_FILES_DISC : DIALOG_FILES_FLOPPY, NULL, on_file_chosen,
                      insert_new (self, slot, NULL, FALSE), insert_free);
}

static void
on_eject (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  run (insert_new (data, g_variant_get_string (parameter, NULL), NULL, FALSE));
}

void
machine_window_note_ejected (BunshinMachineWindow *self, const char *slot)
{
  LibraryAttachment *drive = find_drive (self, slot);

  if (drive == NULL)
    return;
  library_attachment_set_path (drive, NULL, NULL);
  fill_menu (self);
}

/* --- Files dropped on the window --- */

static gboolean
on_drop (GtkDropTarget *target, const GValue *value, double x, double y, gpointer data)
{
  BunshinMachineWindow *self = data;
  g_autofree char *path = g_file_get_path (g_value_get_object (value));
  g_autofree char *folded = path != NULL ? g_ascii_strdown (path, -1) : NULL;
  const LibraryAttachment *drive;
  g_autofree char *slot = NULL;

  if (folded == NULL || !(g_str_has_suffix (folded, ".iso") || g_str_has_suffix (folded, ".img")))
    {
      machine_window_toast (self, _("Only disc images can be dropped here"));
      return FALSE;
    }
  drive = library_machine_find_drive (self->record, LIBRARY_MEDIUM_OPTICAL);
  if (drive == NULL)
    {
      machine_window_toast (self, _("The machine has no CD/DVD drive"));
      return FALSE;
    }
  slot = library_attachment_slot (drive);
  run (insert_new (self, slot, path, FALSE));
  return TRUE;
}

void
machine_window_renew_media (BunshinMachineWindow *self)
{
  g_autoptr (LibraryMachine) record = NULL;

  if (self->library == NULL || (record = library_find (self->library, self->record->uuid, NULL)) == NULL)
    return;
  library_machine_free (self->record);
  self->record = g_steal_pointer (&record);
  fill_menu (self);
  gtk_widget_set_visible (self->media_button, g_menu_model_get_n_items (G_MENU_MODEL (self->media_menu)) > 0);
}

/* Another process may have changed the media. */
static void
on_menu_opened (BunshinMachineWindow *self)
{
  g_autoptr (LibraryMachine) record = NULL;

  if (self->library == NULL)
    return;
  record = library_find (self->library, self->record->uuid, NULL);
  if (record == NULL)
    return;
  for (guint i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *stored = record->attachments->pdata[i];
      g_autofree char *slot = library_attachment_slot (stored);
      LibraryAttachment *drive = find_drive (self, slot);

      if (drive != NULL && g_strcmp0 (drive->path, stored->path) != 0)
        library_attachment_set_path (drive, stored->path, stored->format);
    }
  fill_menu (self);
}

void
machine_window_init_media (BunshinMachineWindow *self)
{
  static const GActionEntry entries[] = {
    { .name = "insert", .activate = on_insert, .parameter_type = "s" },
    { .name = "eject", .activate = on_eject, .parameter_type = "s" },
  };
  GtkDropTarget *drop = gtk_drop_target_new (G_TYPE_FILE, GDK_ACTION_COPY);

  g_action_map_add_action_entries (self->actions, entries, G_N_ELEMENTS (entries), self);
  self->media_menu = g_menu_new ();
  fill_menu (self);
  gtk_menu_button_set_menu_model (GTK_MENU_BUTTON (self->media_button), G_MENU_MODEL (self->media_menu));
  gtk_widget_set_visible (self->media_button, g_menu_model_get_n_items (G_MENU_MODEL (self->media_menu)) > 0);
  g_signal_connect_object (gtk_menu_button_get_popover (GTK_MENU_BUTTON (self->media_button)), "show",
                           G_CALLBACK (on_menu_opened), self, G_CONNECT_SWAPPED);
  g_signal_connect (drop, "drop", G_CALLBACK (on_drop), self);
  gtk_widget_add_controller (GTK_WIDGET (self->scroller), GTK_EVENT_CONTROLLER (drop));
}
