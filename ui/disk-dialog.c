/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a new disk, or asks what a copy of one is to be. */

#include "ui/disk-dialog.h"

#include "ui/dialogs.h"
#include "ui/disk-formats.h"
#include "ui/disk-maker.h"
#include "ui/format-rows.h"
#include "ui/machine-draft.h"
#include "ui/size-row.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#define DEFAULT_SIZE (UINT64_C (20) << 30)

struct _BunshinDiskDialog
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  GtkWidget *page, *size_group, *make_button;
  GtkEditable *name_row;
  AdwActionRow *folder_row;
  GtkLabel *name_error;
  BunshinSizeRow *size_row;
  FormatRows formats;
  GtkProgressBar *progress;

  char *folder;
  char *path;                /* of the disk that is being made */
  gboolean is_copy;
  GCancellable *cancellable; /* while it is made */
};

enum { MADE, COPY, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinDiskDialog, bunshin_disk_dialog, ADW_TYPE_WINDOW)

/* What the rows say. Caller frees. */
static char *
chosen_path (BunshinDiskDialog *self)
{
  g_autofree char *file = g_strconcat (gtk_editable_get_text (self->name_row), ".",
                                       format_rows_get_format (&self->formats), NULL);

  return g_build_filename (self->folder, file, NULL);
}

static const char *
find_fault (BunshinDiskDialog *self)
{
  const char *name = gtk_editable_get_text (self->name_row);
  g_autofree char *path = chosen_path (self);

  if (name[0] == '\0')
    return _("The file needs a name");
  if (strchr (name, '/') != NULL || name[0] == '.')
    return _("A file’s name cannot begin with a point or have slashes");
  return g_file_test (path, G_FILE_TEST_EXISTS) ? _("There is a file of this name already") : NULL;
}

static void
update (BunshinDiskDialog *self)
{
  gboolean is_making = self->cancellable != NULL;
  const char *fault = is_making ? NULL : find_fault (self);
  gboolean is_good = fault == NULL && (self->is_copy || bunshin_size_row_is_valid (self->size_row));

  gtk_label_set_label (self->name_error, fault != NULL ? fault : "");
  gtk_widget_set_visible (GTK_WIDGET (self->name_error), fault != NULL);
  gtk_widget_set_sensitive (self->page, !is_making);
  gtk_widget_set_visible (GTK_WIDGET (self->progress), is_making);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.make", !is_making && is_good);
}

static void
on_progress (double fraction, gpointer data)
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
      g_signal_emit (self, signals[MADE], 0, self->path, format_rows_get_format (&self->formats));
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gtk_window_destroy (GTK_WINDOW (self));
  else
    {
      update (self);
      dialog_error (GTK_WINDOW (self), _("The disk could not be created"), error->message);
    }
}

static void
on_make (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinDiskDialog *self = BUNSHIN_DISK_DIALOG (widget);
  const char *format = format_rows_get_format (&self->formats), *variant = format_rows_get_variant (&self->formats);

  g_free (self->path);
  self->path = chosen_path (self);
  /* A failure is told when the disk cannot be made there. */
  g_mkdir_with_parents (self->folder, 0700);
  if (self->is_copy)
    {
      g_signal_emit (self, signals[COPY], 0, self->path, format, variant);
      gtk_window_destroy (GTK_WINDOW (self));
      return;
    }
  self->cancellable = g_cancellable_new ();
  update (self);
  disk_maker_run_async (self->path, format, variant, bunshin_size_row_get_value (self->size_row), on_progress,
                        self->cancellable, on_made, g_object_ref (self));
}

static void
set_folder (BunshinDiskDialog *self, const char *folder)
{
  g_autofree char *shown = g_filename_display_name (folder);

  if (self->folder != folder)
    {
      g_free (self->folder);
      self->folder = g_strdup (folder);
    }
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->folder_row), FALSE);
  adw_action_row_set_subtitle (self->folder_row, shown);
  update (self);
}

static void
on_folder_chosen (const char *path, gpointer data)
{
  set_folder (data, path);
}

static void
on_folder_activated (BunshinDiskDialog *self)
{
  dialog_choose_file (GTK_WINDOW (self), _("Choose a Folder"), DIALOG_FILES_FOLDER, NULL, on_folder_chosen,
                      g_object_ref (self), g_object_unref);
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

  g_free (self->folder);
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
  signals[COPY] = g_signal_new ("copy", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_STRING);
  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  gtk_widget_class_install_action (widget_class, "dialog.make", NULL, on_make);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/disk-dialog.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinDiskDialog, name)
  BIND (title);
  BIND (page);
  BIND (size_group);
  BIND (make_button);
  BIND (name_row);
  BIND (folder_row);
  BIND (name_error);
  BIND (size_row);
  BIND (progress);
#undef BIND
#define BIND(name)                                                                                                     \
  gtk_widget_class_bind_template_child_full (widget_class, #name, FALSE,                                               \
                                             G_STRUCT_OFFSET (BunshinDiskDialog, formats.name))
  BIND (format_row);
  BIND (fixed_switch);
  BIND (split_row);
  BIND (split_switch);
#undef BIND
}

static void
bunshin_disk_dialog_init (BunshinDiskDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->folder = g_strdup ("/");
  bunshin_size_row_set_limits (self->size_row, DRAFT_MIN_DISK, DRAFT_MAX_DISK, 0, NULL, 1 << 30);
  bunshin_size_row_set_value (self->size_row, DEFAULT_SIZE);
  format_rows_init (&self->formats);
  g_signal_connect_swapped (self->size_row, "edited", G_CALLBACK (update), self);
  g_signal_connect_swapped (self->name_row, "changed", G_CALLBACK (update), self);
  g_signal_connect_swapped (self->folder_row, "activated", G_CALLBACK (on_folder_activated), self);
  g_signal_connect_swapped (self->formats.format_row, "notify::selected", G_CALLBACK (update), self);
}

/* A name that is free in the format that is chosen first. */
static void
propose (BunshinDiskDialog *self, const char *folder, const char *name)
{
  g_autofree char *path = disk_free_path (folder, name, format_rows_get_format (&self->formats));
  g_autofree char *file = g_path_get_basename (path), *shown = NULL;

  file[strlen (file) - strlen (format_rows_get_format (&self->formats)) - 1] = '\0';
  shown = g_filename_display_name (file);
  gtk_editable_set_text (self->name_row, shown);
  set_folder (self, folder);
}

BunshinDiskDialog *
bunshin_disk_dialog_new (GtkWindow *parent, const char *folder, const char *name)
{
  BunshinDiskDialog *self = g_object_new (BUNSHIN_TYPE_DISK_DIALOG, "transient-for", parent, NULL);

  propose (self, folder, name);
  return self;
}

BunshinDiskDialog *
bunshin_disk_dialog_new_copy (GtkWindow *parent, const char *source)
{
  BunshinDiskDialog *self = g_object_new (BUNSHIN_TYPE_DISK_DIALOG, "transient-for", parent, NULL);
  g_autofree char *folder = g_path_get_dirname (source), *name = g_path_get_basename (source), *shown = NULL;
  char *ending = strrchr (name, '.');

  if (ending != NULL && ending != name)
    *ending = '\0';
  shown = g_filename_display_name (name);
  adw_window_title_set_title (self->title, _("Copy Disk"));
  adw_window_title_set_subtitle (self->title, shown);
  gtk_window_set_title (GTK_WINDOW (self), _("Copy Disk"));
  gtk_button_set_label (GTK_BUTTON (self->make_button), _("C_opy"));
  gtk_widget_set_visible (self->size_group, FALSE);
  self->is_copy = TRUE;
  propose (self, folder, name);
  return self;
}
