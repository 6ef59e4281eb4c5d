/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wizard's end: the summary, and making the machine. */

#include "ui/dialogs.h"
#include "ui/disk-formats.h"
#include "ui/machine-creator.h"
#include "ui/record-text.h"
#include "ui/size-format.h"
#include "ui/wizard-private.h"

#include <glib/gi18n.h>

static void
set_value (AdwActionRow *row, const char *text)
{
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_action_row_set_subtitle (row, text);
}

static char *
describe_disk (const MachineDraft *draft)
{
  g_autofree char *size = NULL;

  switch (draft->disk)
    {
    case DRAFT_DISK_NONE:
      return g_strdup (_("None"));
    case DRAFT_DISK_EXISTING:
      return g_filename_display_name (draft->disk_path);
    case DRAFT_DISK_NEW:
      break;
    }
  size = size_format (draft->disk_size);
  /* Translators: of a new disk: size, file format, how it takes space, and where it is connected. */
  return g_strdup_printf (_("New, %s, %s, %s; %s"), size, disk_format_short_title (draft->disk_format),
                          disk_variant_text (draft->disk_variant), record_text_controller (draft->controller));
}

void
wizard_show_summary (BunshinWizard *self)
{
  const MachineDraft *draft = self->draft;
  const char *system = bunshin_os_database_get_name (self->systems, draft->os_id);
  g_autofree char *memory = size_format (draft->memory);
  g_autofree char *cpus = g_strdup_printf ("%u", draft->cpus);
  g_autofree char *disk = describe_disk (draft);
  g_autofree char *disc = draft->disc != NULL ? g_filename_display_name (draft->disc) : g_strdup (_("None"));

  gtk_label_set_label (self->summary_name, draft->name);
  gtk_label_set_label (self->summary_system, system);
  gtk_widget_set_visible (GTK_WIDGET (self->summary_system), !g_str_equal (system, draft->name));
  bunshin_os_emblem_set_os_id (self->summary_emblem, draft->os_id);
  set_value (self->summary_disc, disc);
  set_value (self->summary_memory, memory);
  set_value (self->summary_cpus, cpus);
  set_value (self->summary_disk, disk);
  set_value (self->summary_network, draft->network ? _("NAT") : _("Not connected"));
}

static void
on_progress (double fraction, gpointer data)
{
  gtk_progress_bar_pulse (((BunshinWizard *) data)->progress);
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinWizard) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (LibraryMachine) record = machine_creator_run_finish (result, &error);

  g_clear_object (&self->create_cancellable);
  if (record != NULL)
    {
      g_signal_emit_by_name (self, "created", record->uuid, gtk_switch_get_active (self->start_switch));
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gtk_window_destroy (GTK_WINDOW (self));
  else
    {
      gtk_widget_activate_action (GTK_WIDGET (self), "wizard.failed", NULL);
      dialog_error (GTK_WINDOW (self), _("The machine could not be created"), error->message);
    }
}

void
wizard_create (BunshinWizard *self)
{
  self->create_cancellable = g_cancellable_new ();
  machine_creator_run_async (self->library, self->draft, on_progress, self->create_cancellable, on_created,
                             g_object_ref (self));
}
