/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings' storage page: drives, their media, new disks. */

#include "ui/dialogs.h"
#include "ui/accessible.h"
#include "ui/disk-dialog.h"
#include "ui/record-text.h"
#include "ui/settings-window-private.h"

#include <glib/gi18n.h>

/* Which drive a row's button or a dialog is about. A dialog keeps the window; a button goes with it. */
typedef struct
{
  BunshinSettingsWindow *window;
  LibraryController controller;
  unsigned unit;
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

/* --- Rows --- */

static void
button_drive_free (gpointer data, GClosure *closure)
{
  g_free (data);
}

static void
add_button (BunshinSettingsWindow *self, GtkWidget *row, const LibraryAttachment *attachment, const char *icon,
            const char *tooltip, GCallback clicked, gboolean enabled)
{
  GtkWidget *button = gtk_button_new_from_icon_name (icon);
  Drive *drive = g_new0 (Drive, 1);

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  accessible_set_tooltip (button, tooltip);
  gtk_widget_set_sensitive (button, enabled);
  gtk_widget_add_css_class (button, "flat");
  drive->window = self;
  drive->controller = attachment->controller;
  drive->unit = attachment->unit;
  g_signal_connect_data (button, "clicked", clicked, drive, button_drive_free, 0);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
}

static char *
drive_title (const LibraryAttachment *attachment)
{
  static const char *const places[LIBRARY_IDE_UNITS] = {
    N_ ("primary master"), N_ ("primary slave"), N_ ("secondary master"), N_ ("secondary slave"),
  };

  const char *kind = record_text_medium_kind (attachment->kind);

  switch (attachment->controller)
    {
    case LIBRARY_CONTROLLER_IDE:
      /* Translators: a kind of drive and its place, "Disk, IDE primary master". */
      return g_strdup_printf (_("%s, IDE %s"), kind, _(places[attachment->unit % LIBRARY_IDE_UNITS]));
    case LIBRARY_CONTROLLER_AHCI:
      /* Translators: a kind of drive and its place, "Disk, SATA port 0". */
      return g_strdup_printf (_("%s, SATA port %u"), kind, attachment->unit);
    case LIBRARY_CONTROLLER_VIRTIO:
      /* Translators: a kind of drive and its place, "Disk, virtio 0". */
      return g_strdup_printf (_("%s, virtio %u"), kind, attachment->unit);
    case LIBRARY_CONTROLLER_FLOPPY:
    default:
      return g_strdup_printf ("%s %c", kind, 'A' + attachment->unit);
    }
}

static void
add_drive (BunshinSettingsWindow *self, const LibraryAttachment *attachment)
{
  GtkWidget *row = adw_action_row_new ();
  g_autofree char *title = drive_title (attachment), *medium = record_text_medium (attachment);
  gboolean is_off = settings_is_off (self);

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), medium);
  if (attachment->path != NULL)
    {
      g_autofree char *shown = g_filename_display_name (attachment->path);

      gtk_widget_set_tooltip_text (row, shown);
    }
  adw_action_row_add_prefix (ADW_ACTION_ROW (row),
                             gtk_image_new_from_icon_name (record_text_medium_icon (attachment->kind)));
  if (attachment->kind != LIBRARY_MEDIUM_DISK)
    {
      add_button (self, row, attachment, "document-open-symbolic", _("Choose a Medium"), G_CALLBACK (on_choose_medium),
                  TRUE);
      add_button (self, row, attachment, "media-eject-symbolic", _("Eject"), G_CALLBACK (on_eject),
                  attachment->path != NULL);
    }
  add_button (self, row, attachment, "list-remove-symbolic", _("Remove"), G_CALLBACK (on_remove), is_off);
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

static const char *
no_place_left (LibraryController controller)
{
  switch (controller)
    {
    case LIBRARY_CONTROLLER_IDE:
      return _("All four IDE places are taken");
    case LIBRARY_CONTROLLER_FLOPPY:
      return _("Both floppy places are taken");
    case LIBRARY_CONTROLLER_AHCI:
    case LIBRARY_CONTROLLER_VIRTIO:
    default:
      return _("All places for drives are taken");
    }
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
  BunshinDiskDialog *dialog = bunshin_disk_dialog_new (GTK_WINDOW (self), self->record);

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

static void
on_add_cd (BunshinSettingsWindow *self)
{
  gboolean is_sata = disk_controller (self) == LIBRARY_CONTROLLER_AHCI;

  add (self, is_sata ? LIBRARY_CONTROLLER_AHCI : LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
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
  g_signal_connect_swapped (self->add_cd, "activated", G_CALLBACK (on_add_cd), self);
  g_signal_connect_swapped (self->add_floppy, "activated", G_CALLBACK (on_add_floppy), self);
}
