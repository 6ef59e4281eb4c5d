/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings' storage page: drives, their media, new disks. */

#include "storage/disk/disk.h"
#include "ui/dialogs.h"
#include "ui/accessible.h"
#include "ui/disk-dialog.h"
#include "ui/record-text.h"
#include "ui/settings-window-private.h"

#include <glib/gi18n.h>
#include <string.h>

/* Which drive a row's button or a dialog is about. A dialog keeps the window; a button goes with it. */
typedef struct
{
  BunshinSettingsWindow *window;
  LibraryController controller;
  unsigned unit;
  LibraryController wanted; /* where it is to go */
} Drive;

static Drive *
drive_new (BunshinSettingsWindow *self, const LibraryAttachment *attachment)
{
  Drive *drive = g_new0 (Drive, 1);

  drive->window = g_object_ref (self);
  drive->controller = attachment->controller;
  drive->unit = attachment->unit;
  return drive;
}

static void
drive_free (gpointer data)
{
  Drive *drive = data;

  g_object_unref (drive->window);
  g_free (drive);
}

static LibraryAttachment *
find (const Drive *drive)
{
  return library_machine_find_attachment (drive->window->record, drive->controller, drive->unit);
}

/* --- Media --- */

static void
on_inserted (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinSettingsWindow) self = data;
  g_autoptr (GError) error = NULL;

  if (!bunshin_machine_control_insert_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error))
    {
      if (gtk_widget_get_mapped (GTK_WIDGET (self)))
        dialog_error (GTK_WINDOW (self), _("The medium could not be changed"), error->message);
      library_machine_free (self->record);
      self->record = library_machine_copy (bunshin_machine_item_get_record (self->item));
    }
  settings_show_storage (self);
}

static void
change_medium (const Drive *drive, const char *path)
{
  BunshinSettingsWindow *self = drive->window;
  LibraryAttachment *attachment = find (drive);

  if (attachment == NULL)
    return;
  library_attachment_set_path (attachment, path, NULL);
  if (settings_is_off (self))
    {
      if (settings_store (self))
        settings_show_storage (self);
    }
  else
    {
      g_autofree char *slot = library_attachment_slot (attachment);

      bunshin_machine_control_insert_async (bunshin_machine_item_get_control (self->item), slot, path, FALSE, NULL,
                                            on_inserted, g_object_ref (self));
    }
}

static void
on_medium_chosen (const char *path, gpointer data)
{
  change_medium (data, path);
}

static void
on_choose_medium (GtkButton *button, gpointer data)
{
  const Drive *drive = data;
  const LibraryAttachment *attachment = find (drive);
  gboolean is_disc;

  if (attachment == NULL)
    return;
  is_disc = attachment->kind == LIBRARY_MEDIUM_OPTICAL;
  dialog_choose_file (GTK_WINDOW (drive->window), is_disc ? _("Choose a Disc Image") : _("Choose a Floppy Image"),
                      is_disc ? DIALOG_FILES_DISC : DIALOG_FILES_FLOPPY, NULL, on_medium_chosen,
                      drive_new (drive->window, attachment), drive_free);
}

static void
on_eject (GtkButton *button, gpointer data)
{
  change_medium (data, NULL);
}

/* --- Removing --- */

static void
on_remove_confirmed (gpointer data)
{
  const Drive *drive = data;
  BunshinSettingsWindow *self = drive->window;
  LibraryAttachment *attachment = find (drive);

  if (attachment == NULL || !settings_is_off (self))
    return;
  /* What is detached stays in the list of media; that it does not is no reason to keep it attached. */
  if (attachment->kind == LIBRARY_MEDIUM_DISK)
    library_add_medium (self->library, attachment->path, attachment->kind, attachment->format, NULL);
  g_ptr_array_remove (self->record->attachments, attachment);
  if (settings_store (self))
    settings_show_storage (self);
}

static void
on_remove (GtkButton *button, gpointer data)
{
  const Drive *drive = data;
  const LibraryAttachment *attachment = find (drive);

  if (attachment == NULL)
    return;
  if (attachment->kind != LIBRARY_MEDIUM_DISK)
    {
      on_remove_confirmed (data);
      return;
    }
  dialog_confirm (GTK_WINDOW (drive->window), _("Detach This Disk?"),
                  _("The machine does not see it any more. Its file stays where it is and can be attached again."),
                  _("_Detach"), on_remove_confirmed, drive_new (drive->window, attachment), drive_free);
}

/* --- Controllers --- */

static const char *
no_place_left (LibraryController controller)
{
  switch (controller)
    {
    case LIBRARY_CONTROLLER_IDE:
      return _("All four IDE places are taken");
    case LIBRARY_CONTROLLER_FLOPPY:
      return _("Both floppy places are taken");
    default:
      return _("All places for drives are taken");
    }
}

/* The controllers that a kind of drive goes with, as a list shows them. */
static LibraryController
nth_controller (LibraryMediumKind kind, guint position)
{
  LibraryController controller = 0;

  for (; controller + 1 < library_controller_count (); controller++)
    if (library_controller_takes (controller, kind) && position-- == 0)
      break;
  return controller;
}

static guint
controller_position (LibraryMediumKind kind, LibraryController controller)
{
  guint position = 0;

  for (LibraryController other = 0; other < controller; other++)
    position += library_controller_takes (other, kind);
  return position;
}

/* The drive goes to the first free place of another controller. */
static void
move_drive (const Drive *drive)
{
  BunshinSettingsWindow *self = drive->window;
  LibraryAttachment *attachment = find (drive), *moved;
  guint index;

  if (attachment == NULL || !settings_is_off (self))
    return;
  moved = library_machine_add_drive (self->record, drive->wanted, attachment->kind, attachment->path,
                                     attachment->format);
  if (moved == NULL)
    {
      settings_toast (self, no_place_left (drive->wanted));
      moved = attachment;
    }
  else
    {
      moved->no_cache = attachment->no_cache;
      moved->trusted = attachment->trusted;
      g_ptr_array_remove (self->record->attachments, attachment);
      if (!settings_store (self))
        return;
    }
  settings_show_storage (self);
  /* Its new row is as its old one was. */
  if (g_ptr_array_find (self->record->attachments, moved, &index))
    adw_expander_row_set_expanded (self->storage_rows->pdata[index], TRUE);
}

static gboolean
on_move_idle (gpointer data)
{
  move_drive (data);
  return G_SOURCE_REMOVE;
}

static void
on_controller_chosen (AdwComboRow *row, GParamSpec *pspec, gpointer data)
{
  const Drive *drive = data;
  const LibraryAttachment *attachment = find (drive);
  Drive *kept;

  if (attachment == NULL)
    return;
  /* Not while the row tells of its change: it goes when the drive does. */
  kept = drive_new (drive->window, attachment);
  kept->wanted = nth_controller (attachment->kind, adw_combo_row_get_selected (row));
  if (kept->wanted == attachment->controller)
    drive_free (kept);
  else
    g_idle_add_full (G_PRIORITY_DEFAULT, on_move_idle, kept, drive_free);
}

/* --- Rows --- */

static void
drive_closure_free (gpointer data, GClosure *closure)
{
  g_free (data);
}

/* Which drive a part of a row is about; it goes with the window. */
static Drive *
drive_borrow (BunshinSettingsWindow *self, const LibraryAttachment *attachment)
{
  Drive *drive = g_new0 (Drive, 1);

  drive->window = self;
  drive->controller = attachment->controller;
  drive->unit = attachment->unit;
  return drive;
}

static void
add_button (BunshinSettingsWindow *self, GtkWidget *row, const LibraryAttachment *attachment, const char *icon,
            const char *tooltip, GCallback clicked, gboolean enabled)
{
  GtkWidget *button = gtk_button_new_from_icon_name (icon);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  accessible_set_tooltip (button, tooltip);
  gtk_widget_set_sensitive (button, enabled);
  gtk_widget_add_css_class (button, "flat");
  g_signal_connect_data (button, "clicked", clicked, drive_borrow (self, attachment), drive_closure_free, 0);
  adw_expander_row_add_action (ADW_EXPANDER_ROW (row), button);
}

static char *
drive_title (const LibraryAttachment *attachment)
{
  g_autofree char *place = record_text_place (attachment->controller, attachment->unit);

  /* Translators: a kind of drive and its place, "Disk, SATA port 0". */
  return g_strdup_printf (_("%s, %s"), record_text_medium_kind (attachment->kind), place);
}

static void
add_controller_row (BunshinSettingsWindow *self, GtkWidget *drive_row, const LibraryAttachment *attachment)
{
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);
  GtkWidget *row = adw_combo_row_new ();

  for (LibraryController controller = 0; controller < library_controller_count (); controller++)
    if (library_controller_takes (controller, attachment->kind))
      gtk_string_list_append (names, record_text_controller (controller));
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _("Controller"));
  adw_combo_row_set_model (ADW_COMBO_ROW (row), G_LIST_MODEL (names));
  adw_combo_row_set_selected (ADW_COMBO_ROW (row), controller_position (attachment->kind, attachment->controller));
  gtk_widget_set_sensitive (row, settings_is_off (self) && g_list_model_get_n_items (G_LIST_MODEL (names)) > 1);
  g_signal_connect_data (row, "notify::selected", G_CALLBACK (on_controller_chosen), drive_borrow (self, attachment),
                         drive_closure_free, 0);
  adw_expander_row_add_row (ADW_EXPANDER_ROW (drive_row), row);
}

static void
on_cache_switched (GtkSwitch *button, GParamSpec *pspec, gpointer data)
{
  const Drive *drive = data;
  LibraryAttachment *attachment = find (drive);

  if (attachment == NULL || attachment->no_cache == gtk_switch_get_active (button))
    return;
  attachment->no_cache = gtk_switch_get_active (button);
  settings_store_soon (drive->window);
}

static void
add_cache_row (BunshinSettingsWindow *self, GtkWidget *drive_row, const LibraryAttachment *attachment)
{
  GtkWidget *row, *button;

  if (attachment->kind != LIBRARY_MEDIUM_DISK || disk_is_remote (attachment->path))
    return;
  row = adw_action_row_new ();
  button = gtk_switch_new ();
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_switch_set_active (GTK_SWITCH (button), attachment->no_cache);
  gtk_widget_set_sensitive (row, settings_is_off (self));
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _("Bypass This Computer’s Cache"));
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), _("Leaves more memory to others; reading the same again takes longer"));
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), button);
  g_signal_connect_data (button, "notify::active", G_CALLBACK (on_cache_switched), drive_borrow (self, attachment),
                         drive_closure_free, 0);
  adw_expander_row_add_row (ADW_EXPANDER_ROW (drive_row), row);
}

static void
add_file_row (GtkWidget *drive_row, const LibraryAttachment *attachment)
{
  g_autofree char *path = NULL, *shown = NULL;
  GtkWidget *row;

  if (attachment->path == NULL)
    return;
  path = disk_shown_path (record_text_file (attachment));
  shown = g_filename_display_name (path);
  row = adw_action_row_new ();
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _("File"));
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), shown);
  adw_expander_row_add_row (ADW_EXPANDER_ROW (drive_row), row);
}

static void
add_drive (BunshinSettingsWindow *self, const LibraryAttachment *attachment)
{
  GtkWidget *row = adw_expander_row_new ();
  g_autofree char *title = drive_title (attachment), *medium = record_text_medium (attachment);
  gboolean is_off = settings_is_off (self);

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_expander_row_set_subtitle (ADW_EXPANDER_ROW (row), medium);
  adw_expander_row_add_prefix (ADW_EXPANDER_ROW (row),
                               gtk_image_new_from_icon_name (record_text_medium_icon (attachment->kind)));
  add_button (self, row, attachment, "list-remove-symbolic", _("Remove"), G_CALLBACK (on_remove), is_off);
  if (attachment->kind != LIBRARY_MEDIUM_DISK)
    {
      add_button (self, row, attachment, "media-eject-symbolic", _("Eject"), G_CALLBACK (on_eject),
                  attachment->path != NULL);
      add_button (self, row, attachment, "document-open-symbolic", _("Choose a Medium"), G_CALLBACK (on_choose_medium),
                  TRUE);
    }
  add_controller_row (self, row, attachment);
  add_cache_row (self, row, attachment);
  add_file_row (row, attachment);
  adw_preferences_group_add (self->storage_group, row);
  g_ptr_array_add (self->storage_rows, row);
}

void
settings_show_storage (BunshinSettingsWindow *self)
{
  for (guint i = 0; i < self->storage_rows->len; i++)
    adw_preferences_group_remove (self->storage_group, self->storage_rows->pdata[i]);
  g_ptr_array_set_size (self->storage_rows, 0);
  for (guint i = 0; i < self->record->attachments->len; i++)
    add_drive (self, self->record->attachments->pdata[i]);
  adw_preferences_group_set_description (self->storage_group,
                                         self->record->attachments->len == 0 ? _("The machine has no drives.") : NULL);
}

/* --- Adding --- */

/* New disks go where the machine has disks: its system has a driver for that. */
static LibraryController
disk_controller (BunshinSettingsWindow *self)
{
  const LibraryAttachment *disk = library_machine_find_drive (self->record, LIBRARY_MEDIUM_DISK);

  return disk != NULL ? disk->controller : LIBRARY_CONTROLLER_IDE;
}

static void
add (BunshinSettingsWindow *self, LibraryController controller, LibraryMediumKind kind, const char *path,
     const char *format)
{
  if (library_machine_add_drive (self->record, controller, kind, path, format) == NULL)
    {
      settings_toast (self, no_place_left (controller));
      return;
    }
  if (settings_store (self))
    settings_show_storage (self);
}

static void
on_disk_made (BunshinDiskDialog *dialog, const char *path, const char *format, gpointer data)
{
  add (data, disk_controller (data), LIBRARY_MEDIUM_DISK, path, format);
}

static void
on_add_new_disk (BunshinSettingsWindow *self)
{
  g_autofree char *proposed = library_new_disk_path (self->record, "x"), *name = g_path_get_basename (proposed);
  BunshinDiskDialog *dialog;

  name[strlen (name) - 2] = '\0';
  dialog = bunshin_disk_dialog_new (GTK_WINDOW (self), self->record->folder, name);

  g_signal_connect_object (dialog, "made", G_CALLBACK (on_disk_made), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
on_existing_chosen (const char *path, gpointer data)
{
  add (data, disk_controller (data), LIBRARY_MEDIUM_DISK, path, NULL);
}

static void
on_add_existing_disk (BunshinSettingsWindow *self)
{
  dialog_choose_file (GTK_WINDOW (self), _("Choose a Disk Image"), DIALOG_FILES_DISK, NULL, on_existing_chosen,
                      g_object_ref (self), g_object_unref);
}

/* Whether there is such a disk is found when the machine starts: a server may be away for a while. */
static void
on_remote_applied (BunshinSettingsWindow *self)
{
  g_autofree char *address = g_strdup (gtk_editable_get_text (self->remote_row));

  g_strstrip (address);
  if (!disk_is_remote (address))
    {
      settings_toast (self, _("The address begins with nbd:// or iscsi://"));
      return;
    }
  gtk_editable_set_text (self->remote_row, "");
  add (self, disk_controller (self), LIBRARY_MEDIUM_DISK, address, NULL);
}

static void
on_add_cd (BunshinSettingsWindow *self)
{
  LibraryController controller = disk_controller (self);

  if (!library_controller_takes (controller, LIBRARY_MEDIUM_OPTICAL))
    controller = LIBRARY_CONTROLLER_IDE;
  add (self, controller, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
}

static void
on_add_floppy (BunshinSettingsWindow *self)
{
  add (self, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_MEDIUM_FLOPPY, NULL, NULL);
}

void
settings_init_storage (BunshinSettingsWindow *self)
{
  g_signal_connect_swapped (self->add_new_disk, "activated", G_CALLBACK (on_add_new_disk), self);
  g_signal_connect_swapped (self->add_existing_disk, "activated", G_CALLBACK (on_add_existing_disk), self);
  g_signal_connect_swapped (self->remote_row, "apply", G_CALLBACK (on_remote_applied), self);
  g_signal_connect_swapped (self->add_cd, "activated", G_CALLBACK (on_add_cd), self);
  g_signal_connect_swapped (self->add_floppy, "activated", G_CALLBACK (on_add_floppy), self);
}
