/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a new disk for a machine. */

#include "ui/disk-dialog.h"

#include "ui/dialogs.h"
#include "ui/disk-formats.h"
#include "ui/disk-maker.h"
#include "ui/machine-draft.h"
#include "ui/size-row.h"

#include <glib/gi18n.h>

#define DEFAULT_SIZE (UINT64_C (20) << 30)

struct _BunshinDiskDialog
{
  AdwWindow parent_instance;

  /* template */
  GtkWidget *page;
  BunshinSizeRow *size_row;
  AdwComboRow *format_row;
  GtkSwitch *fixed_switch;
  GtkProgressBar *progress;

  LibraryMachine *record;
  char *path;                   /* of the disk that is being made */
  GCancellable *cancellable;    /* while it is made */
};

enum { MADE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinDiskDialog, bunshin_disk_dialog, ADW_TYPE_WINDOW)

static const DiskFormatChoice *
chosen_format (BunshinDiskDialog *self)
{
  return &disk_format_choices[adw_combo_row_get_selected (self->format_row)];
}

static void
set_making (BunshinDiskDialog *self, gboolean making)
{
  gtk_widget_set_sensitive (self->page, !making);
  gtk_widget_set_visible (GTK_WIDGET (self->progress), making);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.make",
                                 !making && bunshin_size_row_is_valid (self->size_row));
}

static void
on_tick (gpointer data)
{
  gtk_progress_bar_pulse (((BunshinDiskDialog *) data)->progress);
}

static void
on_made (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinDiskDialog) self = data;
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->cancellable);
  if (disk_maker_run_finish (result, &error))
    {
      g_signal_emit (self, signals[MADE], 0, self->path, chosen_format (self)->name);
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gtk_window_destroy (GTK_WINDOW (self));
  else
    {
      set_making (self, FALSE);
      dialog_error (GTK_WINDOW (self), _("The disk could not be created"), error->message);
    }
}

static void
on_make (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinDiskDialog *self = BUNSHIN_DISK_DIALOG (widget);
  const DiskFormatChoice *format = chosen_format (self);

  g_free (self->path);
  self->path = library_new_disk_path (self->record, format->name);
  self->cancellable = g_cancellable_new ();
  set_making (self, TRUE);
  disk_maker_run_async (self->path, format->name, gtk_switch_get_active (self->fixed_switch),
                        bunshin_size_row_get_value (self->size_row), on_tick, self->cancellable, on_made,
                        g_object_ref (self));
}

static void
on_size_edited (BunshinDiskDialog *self)
{
  set_making (self, FALSE);
}

static gboolean
bunshin_disk_dialog_close_request (GtkWindow *window)
{
  BunshinDiskDialog *self = BUNSHIN_DISK_DIALOG (window);

  if (self->cancellable != NULL)
    {
      g_cancellable_cancel (self->cancellable);
      return TRUE;
    }
  return GTK_WINDOW_CLASS (bunshin_disk_dialog_parent_class)->close_request (window);
}

static void
bunshin_disk_dialog_finalize (GObject *object)
{
  BunshinDiskDialog *self = BUNSHIN_DISK_DIALOG (object);

  g_clear_pointer (&self->record, library_machine_free);
  g_free (self->path);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (bunshin_disk_dialog_parent_class)->finalize (object);
}

static void
bunshin_disk_dialog_class_init (BunshinDiskDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = bunshin_disk_dialog_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_disk_dialog_close_request;
  signals[MADE] = g_signal_new ("made", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  gtk_widget_class_install_action (widget_class, "dialog.make", NULL, on_make);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/disk-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, page);
  gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, size_row);
  gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, format_row);
  gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, fixed_switch);
  gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, progress);
}

static void
bunshin_disk_dialog_init (BunshinDiskDialog *self)
{
  g_autoptr (GtkStringList) formats = gtk_string_list_new (NULL);

  gtk_widget_init_template (GTK_WIDGET (self));
  bunshin_size_row_set_limits (self->size_row, DRAFT_MIN_DISK, DRAFT_MAX_DISK, 0, NULL, 1 << 30);
  bunshin_size_row_set_value (self->size_row, DEFAULT_SIZE);
  for (const DiskFormatChoice *choice = disk_format_choices; choice->name != NULL; choice++)
    gtk_string_list_append (formats, _(choice->title));
  adw_combo_row_set_model (self->format_row, G_LIST_MODEL (formats));
  g_signal_connect_swapped (self->size_row, "edited", G_CALLBACK (on_size_edited), self);
}

BunshinDiskDialog *
bunshin_disk_dialog_new (GtkWindow *parent, const LibraryMachine *record)
{
  BunshinDiskDialog *self = g_object_new (BUNSHIN_TYPE_DISK_DIALOG, "transient-for", parent, NULL);

  self->record = library_machine_copy (record);
  return self;
}
