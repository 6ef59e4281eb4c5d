/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wizard's first pages: name, installation disc, operating system. */

#include "ui/dialogs.h"
#include "ui/wizard-private.h"

#include <glib/gi18n.h>

static gboolean
name_is_good (BunshinWizard *self, GError **error)
{
  return machine_draft_check_name (self->draft->name, (const char *const *) self->taken, error);
}

gboolean
wizard_source_is_complete (BunshinWizard *self)
{
  return name_is_good (self, NULL);
}

static void
show_name (BunshinWizard *self)
{
  g_autoptr (GError) error = NULL;
  gboolean is_good = name_is_good (self, &error);

  self->updating = TRUE;
  if (!g_str_equal (gtk_editable_get_text (GTK_EDITABLE (self->name_row)), self->draft->name))
    gtk_editable_set_text (GTK_EDITABLE (self->name_row), self->draft->name);
  self->updating = FALSE;
  gtk_widget_set_visible (self->name_error, !is_good);
  if (is_good)
    gtk_widget_remove_css_class (self->name_row, "error");
  else
    gtk_widget_add_css_class (self->name_row, "error");
  if (!is_good)
    gtk_label_set_label (GTK_LABEL (self->name_error), error->message);
  gtk_accessible_update_state (GTK_ACCESSIBLE (self->name_row), GTK_ACCESSIBLE_STATE_INVALID,
                               is_good ? GTK_ACCESSIBLE_INVALID_FALSE : GTK_ACCESSIBLE_INVALID_TRUE, -1);
  wizard_update (self);
}

static void
on_name_changed (BunshinWizard *self)
{
  if (self->updating)
    return;
  g_free (self->draft->name);
  self->draft->name = g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->name_row)));
  self->draft->edited |= DRAFT_NAME;
  show_name (self);
}

static void
use_os (BunshinWizard *self, BunshinOs *os)
{
  g_autofree char *name = machine_draft_free_name (bunshin_os_get_name (os), (const char *const *) self->taken);

  machine_draft_set_os (self->draft, bunshin_os_get_facts (os), name, self->host_memory);
  show_name (self);
  wizard_show_hardware (self);
  wizard_update (self);
}

/* --- The disc --- */

static void
show_disc (BunshinWizard *self)
{
  g_autofree char *shown = self->draft->disc != NULL ? g_filename_display_name (self->draft->disc) : NULL;

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->disc_row), FALSE);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->disc_row), shown != NULL ? shown : _("None"));
  gtk_widget_set_visible (self->disc_clear, shown != NULL);
}

static void
show_result (BunshinWizard *self, const char *text, BunshinOs *os, gboolean is_error)
{
  gtk_spinner_set_spinning (GTK_SPINNER (self->disc_spinner), text == NULL);
  gtk_widget_set_visible (self->disc_spinner, text == NULL);
  gtk_widget_set_visible (self->disc_emblem, os != NULL);
  if (os != NULL)
    bunshin_os_emblem_set_os_id (BUNSHIN_OS_EMBLEM (self->disc_emblem), bunshin_os_get_id (os));
  gtk_label_set_label (self->disc_result_label, text != NULL ? text : _("Looking at the disc…"));
  if (is_error)
    gtk_widget_add_css_class (GTK_WIDGET (self->disc_result_label), "warning");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self->disc_result_label), "warning");
  gtk_widget_set_visible (self->disc_result, TRUE);
}

static void
on_identified (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinWizard) self = data;
  g_autoptr (GError) error = NULL;
  BunshinOs *os = bunshin_os_database_identify_finish (BUNSHIN_OS_DATABASE (source), result, &error);
  g_autofree char *text = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (os == NULL)
    {
      if (error != NULL)
        text = g_strdup_printf (_("This does not look like a disc to start from: %s"), error->message);
      else
        text = g_strdup (_("The system on this disc is not known. Choose it on the next page."));
      show_result (self, text, NULL, error != NULL);
      return;
    }
  /* Translators: %s is an operating system that was found on a disc. */
  text = g_strdup_printf (_("This disc holds %s"), bunshin_os_get_name (os));
  show_result (self, text, os, FALSE);
  /* What the user chose by hand counts more than what the disc seems to be. */
  if ((self->draft->edited & DRAFT_OS) == 0)
    {
      use_os (self, os);
      bunshin_os_chooser_select (self->chooser, bunshin_os_get_id (os));
    }
}

void
bunshin_wizard_set_disc (BunshinWizard *self, const char *path)
{
  g_cancellable_cancel (self->identify_cancellable);
  g_clear_object (&self->identify_cancellable);
  g_free (self->draft->disc);
  self->draft->disc = g_strdup (path);
  show_disc (self);
  if (path == NULL)
    {
      gtk_widget_set_visible (self->disc_result, FALSE);
      return;
    }
  show_result (self, NULL, NULL, FALSE);
  self->identify_cancellable = g_cancellable_new ();
  bunshin_os_database_identify_async (self->systems, path, self->identify_cancellable, on_identified,
                                      g_object_ref (self));
}

static void
on_disc_chosen (const char *path, gpointer data)
{
  bunshin_wizard_set_disc (data, path);
}

static void
on_disc_activated (BunshinWizard *self)
{
  dialog_choose_file (GTK_WINDOW (self), _("Choose a Disc Image"), DIALOG_FILES_DISC, NULL, on_disc_chosen,
                      g_object_ref (self), g_object_unref);
}

static void
on_disc_cleared (BunshinWizard *self)
{
  bunshin_wizard_set_disc (self, NULL);
}

static gboolean
on_drop (GtkDropTarget *target, const GValue *value, double x, double y, gpointer data)
{
  g_autofree char *path = g_file_get_path (g_value_get_object (value));

  if (path == NULL)
    return FALSE;
  bunshin_wizard_set_disc (data, path);
  return TRUE;
}

/* --- The operating system --- */

static void
on_os_chosen (BunshinWizard *self)
{
  BunshinOs *os = bunshin_os_chooser_get_selected (self->chooser);

  if (os == NULL)
    return;
  self->draft->edited |= DRAFT_OS;
  use_os (self, os);
}

static void
on_os_activated (BunshinWizard *self)
{
  gtk_widget_activate_action (GTK_WIDGET (self), "wizard.next", NULL);
}

void
wizard_init_source (BunshinWizard *self)
{
  GtkDropTarget *drop = gtk_drop_target_new (G_TYPE_FILE, GDK_ACTION_COPY);

  g_free (self->draft->name);
  self->draft->name = machine_draft_free_name (_("New machine"), (const char *const *) self->taken);
  show_name (self);
  show_disc (self);
  g_signal_connect_swapped (self->name_row, "changed", G_CALLBACK (on_name_changed), self);
  g_signal_connect_swapped (self->disc_row, "activated", G_CALLBACK (on_disc_activated), self);
  g_signal_connect_swapped (self->disc_clear, "clicked", G_CALLBACK (on_disc_cleared), self);
  g_signal_connect_swapped (self->chooser, "chosen", G_CALLBACK (on_os_chosen), self);
  g_signal_connect_swapped (self->chooser, "activated", G_CALLBACK (on_os_activated), self);
  g_signal_connect (drop, "drop", G_CALLBACK (on_drop), self);
  gtk_widget_add_controller (GTK_WIDGET (self->pages), GTK_EVENT_CONTROLLER (drop));
}
