/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wizard's middle pages: memory, processors, disk, network. */

#include "ui/dialogs.h"
#include "ui/disk-formats.h"
#include "ui/size-format.h"
#include "ui/wizard-private.h"

#include <glib/gi18n.h>

void
wizard_show_hardware (BunshinWizard *self)
{
  BunshinOs *os = bunshin_os_database_find (self->systems, self->draft->os_id);
  const OsFacts *facts = os != NULL ? bunshin_os_get_facts (os) : NULL;

  if (self->draft->memory == 0)
    return;
  self->updating = TRUE;
  if (bunshin_size_row_is_valid (self->memory_row))
    bunshin_size_row_set_value (self->memory_row, self->draft->memory);
  if (bunshin_size_row_is_valid (self->disk_size_row))
    bunshin_size_row_set_value (self->disk_size_row, self->draft->disk_size);
  gtk_spin_button_set_value (self->cpus_spin, self->draft->cpus);
  self->updating = FALSE;

  gtk_widget_set_visible (GTK_WIDGET (self->hardware_hint), facts != NULL && facts->memory != 0);
  if (facts != NULL && facts->memory != 0)
    {
      g_autofree char *recommended = size_format (facts->memory);
      /* Translators: an operating system, and an amount of memory. */
      g_autofree char *hint = g_strdup_printf (_("%s recommends %s of memory."), bunshin_os_get_name (os), recommended);

      gtk_label_set_label (self->hardware_hint, hint);
    }
  gtk_widget_set_visible (self->cpus_hint, self->draft->cpus > g_get_num_processors ());
}

gboolean
wizard_hardware_is_complete (BunshinWizard *self)
{
  return bunshin_size_row_is_valid (self->memory_row);
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
on_memory_edited (BunshinWizard *self)
{
  if (bunshin_size_row_is_valid (self->memory_row))
    self->draft->memory = bunshin_size_row_get_value (self->memory_row);
  self->draft->edited |= DRAFT_MEMORY;
  wizard_update (self);
}

static void
on_cpus_changed (BunshinWizard *self)
{
  if (self->updating)
    return;
  self->draft->cpus = gtk_spin_button_get_value_as_int (self->cpus_spin);
  self->draft->edited |= DRAFT_CPUS;
  gtk_widget_set_visible (self->cpus_hint, self->draft->cpus > g_get_num_processors ());
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
  gtk_widget_set_visible (self->disk_new_group, self->draft->disk == DRAFT_DISK_NEW);
  gtk_widget_set_visible (self->disk_existing_group, self->draft->disk == DRAFT_DISK_EXISTING);
  wizard_update (self);
}

static void
on_format_changed (BunshinWizard *self)
{
  const DiskFormatChoice *choice = &disk_format_choices[adw_combo_row_get_selected (self->disk_format_row)];

  g_free (self->draft->disk_format);
  self->draft->disk_format = g_strdup (choice->name);
  gtk_widget_set_sensitive (GTK_WIDGET (self->disk_fixed_switch), choice->can_be_dynamic && choice->can_be_fixed);
  if (!choice->can_be_dynamic)
    gtk_switch_set_active (self->disk_fixed_switch, TRUE);
  if (!choice->can_be_fixed)
    gtk_switch_set_active (self->disk_fixed_switch, FALSE);
}

static void
on_fixed_changed (BunshinWizard *self)
{
  self->draft->disk_fixed = gtk_switch_get_active (self->disk_fixed_switch);
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

static void
on_network_changed (BunshinWizard *self)
{
  self->draft->network = gtk_check_button_get_active (self->network_nat);
}

void
wizard_init_hardware (BunshinWizard *self)
{
  g_autoptr (GtkStringList) formats = gtk_string_list_new (NULL);
  MemoryLimits limits;

  memory_limits (self->host_memory, &limits);
  bunshin_size_row_set_limits (self->memory_row, limits.minimum, limits.maximum, limits.warn_above,
                               _("This leaves little memory for this computer itself. It may become slow."), 1 << 20);
  bunshin_size_row_set_limits (self->disk_size_row, DRAFT_MIN_DISK, DRAFT_MAX_DISK, 0, NULL, 1 << 30);
  gtk_spin_button_set_range (self->cpus_spin, 1, cpu_limit (g_get_num_processors ()));
  gtk_text_set_activates_default (GTK_TEXT (gtk_editable_get_delegate (GTK_EDITABLE (self->cpus_spin))), TRUE);
  for (const DiskFormatChoice *choice = disk_format_choices; choice->name != NULL; choice++)
    gtk_string_list_append (formats, _(choice->title));
  adw_combo_row_set_model (self->disk_format_row, G_LIST_MODEL (formats));

  g_signal_connect_swapped (self->memory_row, "edited", G_CALLBACK (on_memory_edited), self);
  g_signal_connect_swapped (self->cpus_spin, "value-changed", G_CALLBACK (on_cpus_changed), self);
  g_signal_connect_swapped (self->disk_size_row, "edited", G_CALLBACK (on_disk_size_edited), self);
  g_signal_connect_swapped (self->disk_new, "toggled", G_CALLBACK (on_disk_kind_changed), self);
  g_signal_connect_swapped (self->disk_existing, "toggled", G_CALLBACK (on_disk_kind_changed), self);
  g_signal_connect_swapped (self->disk_format_row, "notify::selected", G_CALLBACK (on_format_changed), self);
  g_signal_connect_swapped (self->disk_fixed_switch, "notify::active", G_CALLBACK (on_fixed_changed), self);
  g_signal_connect_swapped (self->disk_file_row, "activated", G_CALLBACK (on_disk_file_activated), self);
  g_signal_connect_swapped (self->network_nat, "toggled", G_CALLBACK (on_network_changed), self);
}
