/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wizard's disk page: a new disk, a file that is there, or none; and where it is connected. */

#include "ui/dialogs.h"
#include "ui/disk-formats.h"
#include "ui/record-text.h"
#include "ui/wizard-private.h"

#include <glib/gi18n.h>

/* The controllers that disks go with, as the row lists them. */
static LibraryController
nth_controller (guint position)
{
  LibraryController controller = 0;

  for (; controller + 1 < library_controller_count (); controller++)
    if (library_controller_takes (controller, LIBRARY_MEDIUM_DISK) && position-- == 0)
      break;
  return controller;
}

static guint
controller_position (LibraryController controller)
{
  guint position = 0;

  for (LibraryController other = 0; other < controller; other++)
    position += library_controller_takes (other, LIBRARY_MEDIUM_DISK);
  return position;
}

/* What is folded away says what it holds. */
static void
describe_details (BunshinWizard *self)
{
  const MachineDraft *draft = self->draft;
  g_autofree char *text
      = draft->disk == DRAFT_DISK_NEW
            /* Translators: of a new disk: file format, how it takes space, and where it is connected. */
            ? g_strdup_printf (_("%s, %s; %s"), disk_format_short_title (draft->disk_format),
                               disk_variant_text (draft->disk_variant), record_text_controller (draft->controller))
            : g_strdup (record_text_controller (draft->controller));

  adw_expander_row_set_subtitle (self->disk_details, text);
}

void
wizard_show_disk (BunshinWizard *self)
{
  MachineDraft *draft = self->draft;
  gboolean is_new = draft->disk == DRAFT_DISK_NEW;
  g_autofree char *folder = draft->disk_folder != NULL ? g_filename_display_name (draft->disk_folder) : NULL;

  self->updating = TRUE;
  if (draft->disk_size != 0 && bunshin_size_row_is_valid (self->disk_size_row))
    bunshin_size_row_set_value (self->disk_size_row, draft->disk_size);
  adw_combo_row_set_selected (self->disk_controller_row, controller_position (draft->controller));
  gtk_widget_set_visible (self->disk_new_group, is_new);
  gtk_widget_set_visible (self->disk_existing_group, draft->disk == DRAFT_DISK_EXISTING);
  gtk_widget_set_visible (self->disk_details_group, draft->disk != DRAFT_DISK_NONE);
  gtk_widget_set_visible (GTK_WIDGET (self->disk_formats.format_row), is_new);
  gtk_widget_set_visible (self->disk_fixed_row, is_new);
  gtk_widget_set_visible (self->disk_formats.split_row, is_new && disk_format_can_split (draft->disk_format));
  gtk_widget_set_visible (GTK_WIDGET (self->disk_folder_row), is_new);
  gtk_widget_set_visible (self->disk_folder_clear, folder != NULL);
  adw_action_row_set_subtitle (self->disk_folder_row, folder != NULL ? folder : _("The machine’s folder"));
  describe_details (self);
  self->updating = FALSE;
}

gboolean
wizard_disk_is_complete (BunshinWizard *self)
{
  switch (self->draft->disk)
    {
    case DRAFT_DISK_NEW:
      return bunshin_size_row_is_valid (self->disk_size_row);
    case DRAFT_DISK_EXISTING:
      return self->draft->disk_path != NULL;
    case DRAFT_DISK_NONE:
      return TRUE;
    }
  g_assert_not_reached ();
}

static void
on_disk_size_edited (BunshinWizard *self)
{
  if (bunshin_size_row_is_valid (self->disk_size_row))
    self->draft->disk_size = bunshin_size_row_get_value (self->disk_size_row);
  self->draft->edited |= DRAFT_DISK_SIZE;
  wizard_update (self);
}

static void
on_disk_kind_changed (BunshinWizard *self)
{
  if (gtk_check_button_get_active (self->disk_new))
    self->draft->disk = DRAFT_DISK_NEW;
  else if (gtk_check_button_get_active (self->disk_existing))
    self->draft->disk = DRAFT_DISK_EXISTING;
  else
    self->draft->disk = DRAFT_DISK_NONE;
  wizard_show_disk (self);
  wizard_update (self);
}

static void
on_format_changed (BunshinWizard *self)
{
  if (self->updating)
    return;
  g_free (self->draft->disk_format);
  g_free (self->draft->disk_variant);
  self->draft->disk_format = g_strdup (format_rows_get_format (&self->disk_formats));
  self->draft->disk_variant = g_strdup (format_rows_get_variant (&self->disk_formats));
  wizard_show_disk (self);
}

static void
on_controller_changed (BunshinWizard *self)
{
  if (self->updating)
    return;
  self->draft->controller = nth_controller (adw_combo_row_get_selected (self->disk_controller_row));
  self->draft->edited |= DRAFT_CONTROLLER;
  describe_details (self);
}

static void
set_folder (BunshinWizard *self, const char *folder)
{
  g_free (self->draft->disk_folder);
  self->draft->disk_folder = g_strdup (folder);
  wizard_show_disk (self);
}

static void
on_folder_chosen (const char *path, gpointer data)
{
  set_folder (data, path);
}

static void
on_folder_activated (BunshinWizard *self)
{
  dialog_choose_file (GTK_WINDOW (self), _("Choose a Folder"), DIALOG_FILES_FOLDER, NULL, on_folder_chosen,
                      g_object_ref (self), g_object_unref);
}

static void
on_folder_cleared (BunshinWizard *self)
{
  set_folder (self, NULL);
}

static void
on_disk_file_chosen (const char *path, gpointer data)
{
  BunshinWizard *self = data;
  g_autofree char *shown = g_filename_display_name (path);

  g_free (self->draft->disk_path);
  self->draft->disk_path = g_strdup (path);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->disk_file_row), FALSE);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->disk_file_row), shown);
  wizard_update (self);
}

static void
on_disk_file_activated (BunshinWizard *self)
{
  dialog_choose_file (GTK_WINDOW (self), _("Choose a Disk Image"), DIALOG_FILES_DISK, NULL, on_disk_file_chosen,
                      g_object_ref (self), g_object_unref);
}

void
wizard_init_disk (BunshinWizard *self)
{
  g_autoptr (GtkStringList) controllers = gtk_string_list_new (NULL);

  for (LibraryController controller = 0; controller < library_controller_count (); controller++)
    if (library_controller_takes (controller, LIBRARY_MEDIUM_DISK))
      gtk_string_list_append (controllers, record_text_controller (controller));
  adw_combo_row_set_model (self->disk_controller_row, G_LIST_MODEL (controllers));
  bunshin_size_row_set_limits (self->disk_size_row, DRAFT_MIN_DISK, DRAFT_MAX_DISK, 0, NULL, 1 << 30);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->disk_folder_row), FALSE);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->disk_details), FALSE);
  format_rows_init (&self->disk_formats);
  format_rows_set_format (&self->disk_formats, self->draft->disk_format);

  g_signal_connect_swapped (self->disk_size_row, "edited", G_CALLBACK (on_disk_size_edited), self);
  g_signal_connect_swapped (self->disk_new, "toggled", G_CALLBACK (on_disk_kind_changed), self);
  g_signal_connect_swapped (self->disk_existing, "toggled", G_CALLBACK (on_disk_kind_changed), self);
  g_signal_connect_swapped (self->disk_formats.format_row, "notify::selected", G_CALLBACK (on_format_changed), self);
  g_signal_connect_swapped (self->disk_formats.fixed_switch, "notify::active", G_CALLBACK (on_format_changed), self);
  g_signal_connect_swapped (self->disk_formats.split_switch, "notify::active", G_CALLBACK (on_format_changed), self);
  g_signal_connect_swapped (self->disk_controller_row, "notify::selected", G_CALLBACK (on_controller_changed), self);
  g_signal_connect_swapped (self->disk_folder_row, "activated", G_CALLBACK (on_folder_activated), self);
  g_signal_connect_swapped (self->disk_folder_clear, "clicked", G_CALLBACK (on_folder_cleared), self);
  g_signal_connect_swapped (self->disk_file_row, "activated", G_CALLBACK (on_disk_file_activated), self);
}
