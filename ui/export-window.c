/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The export window: which machines, into which file, how; and writing it. */

#include "ui/export-window.h"

#include "ui/accessible.h"
#include "ui/dialogs.h"
#include "ui/export-run.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  EXPORTED,
  N_SIGNALS
};
enum
{
  TICK_MS = 100
};

struct _BunshinExportWindow
{
  AdwWindow parent_instance;

  /* template */
  GtkWidget *export_button, *file_row;
  GtkStack *pages;
  AdwComboRow *kind_row, *version_row, *manifest_row;
  GtkSwitch *discs_switch;
  AdwPreferencesGroup *machines;
  GtkProgressBar *progress;

  /* borrowed */
  Library *library;

  /* owned */
  char *path;
  GPtrArray *checks;         /* of GtkCheckButton, borrowed; each knows its machine's UUID */
  GCancellable *cancellable; /* while it is written */
  guint timer;
  int permille; /* atomic: how far it is */
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinExportWindow, bunshin_export_window, ADW_TYPE_WINDOW)

static const char *
uuid_of (gpointer check)
{
  return g_object_get_data (G_OBJECT (check), "uuid");
}

static GStrv
chosen_machines (BunshinExportWindow *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; i < self->checks->len; i++)
    if (gtk_check_button_get_active (self->checks->pdata[i]))
      g_strv_builder_add (builder, uuid_of (self->checks->pdata[i]));
  return g_strv_builder_end (builder);
}

static void
update (BunshinExportWindow *self)
{
  g_auto (GStrv) chosen = chosen_machines (self);
  gboolean writing = self->cancellable != NULL;

  gtk_widget_set_visible (self->export_button, !writing);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "export.run", !writing && chosen[0] != NULL && self->path != NULL);
}

/* --- The file --- */

static const char *
ending (BunshinExportWindow *self)
{
  return adw_combo_row_get_selected (self->kind_row) == 0 ? ".ova" : ".ovf";
}

static gboolean
has_ending (const char *path, const char *wanted)
{
  size_t length = strlen (path), end = strlen (wanted);

  return length > end && g_ascii_strcasecmp (path + length - end, wanted) == 0;
}

static void
show_file (BunshinExportWindow *self)
{
  g_autofree char *shown = g_filename_display_name (self->path);

  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->file_row), shown);
  update (self);
}

/* The name goes with the kind. */
static void
on_kind_changed (BunshinExportWindow *self)
{
  char *path;

  if (self->path == NULL || has_ending (self->path, ending (self)))
    return;
  if (has_ending (self->path, ".ova") || has_ending (self->path, ".ovf"))
    path = g_strdup_printf ("%.*s%s", (int) strlen (self->path) - 4, self->path, ending (self));
  else
    path = g_strconcat (self->path, ending (self), NULL);
  g_free (self->path);
  self->path = path;
  show_file (self);
}

void
bunshin_export_window_set_file (BunshinExportWindow *self, const char *path)
{
  g_free (self->path);
  self->path = g_strdup (path);
  if (has_ending (path, ".ova") || has_ending (path, ".ovf"))
    adw_combo_row_set_selected (self->kind_row, has_ending (path, ".ovf") ? 1 : 0);
  on_kind_changed (self);
  show_file (self);
}

static void
on_chosen (const char *path, gpointer data)
{
  bunshin_export_window_set_file (data, path);
}

static void
on_file_activated (BunshinExportWindow *self)
{
  dialog_choose_file (GTK_WINDOW (self), _ ("Export To"), DIALOG_FILES_PLACE, self->path, on_chosen,
                      g_object_ref (self), g_object_unref);
}

/* --- Writing --- */

typedef struct
{
  GStrv machines;
  char *path, *home;
  ExportOptions options;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_strfreev (request->machines);
  g_free (request->path);
  g_free (request->home);
  g_free (request);
}

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  g_atomic_int_set ((int *) opaque, total > 0 ? (int) ((double) done / (double) total * 1000) : 1000);
}

static gboolean
on_tick (gpointer data)
{
  BunshinExportWindow *self = data;

  gtk_progress_bar_set_fraction (self->progress, g_atomic_int_get (&self->permille) / 1000.0);
  return G_SOURCE_CONTINUE;
}

static void
run_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Request *request = data;
  DiskTask work
      = { .cancellable = cancellable, .progress = on_progress, .opaque = &((BunshinExportWindow *) source)->permille };
  GError *error = NULL;

  if (export_run ((const char *const *) request->machines, request->path, &request->options, request->home, &work,
                  &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  BunshinExportWindow *self = BUNSHIN_EXPORT_WINDOW (source);
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_object (&self->cancellable);
  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_signal_emit (self, signals[EXPORTED], 0, self->path);
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gtk_window_destroy (GTK_WINDOW (self));
  else
    {
      gtk_stack_set_visible_child_name (self->pages, "form");
      update (self);
      dialog_error (GTK_WINDOW (self), _ ("The appliance could not be exported"), error->message);
    }
}

static void
on_run (GtkWidget *widget, const char *action, GVariant *parameter)
{
  static const ApplianceManifest manifests[]
      = { APPLIANCE_MANIFEST_SHA256, APPLIANCE_MANIFEST_SHA1, APPLIANCE_MANIFEST_NONE };
  BunshinExportWindow *self = BUNSHIN_EXPORT_WINDOW (widget);
  g_autoptr (GTask) task = NULL;
  Request *request = g_new0 (Request, 1);

  self->cancellable = g_cancellable_new ();
  g_atomic_int_set (&self->permille, 0);
  self->timer = g_timeout_add (TICK_MS, on_tick, self);
  request->machines = chosen_machines (self);
  request->path = g_strdup (self->path);
  request->home = g_strdup (library_home (self->library));
  request->options = (ExportOptions) {
    .write = { .version = adw_combo_row_get_selected (self->version_row) + 1,
               .manifest = manifests[adw_combo_row_get_selected (self->manifest_row)],
               /* Whoever chose an existing file was asked whether it may go. */
               .replace = TRUE },
    .discs = gtk_switch_get_active (self->discs_switch),
  };
  task = g_task_new (self, self->cancellable, on_done, NULL);
  /* The worker undoes what was cancelled; the answer comes when that has happened. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, request, request_free);
  gtk_progress_bar_set_fraction (self->progress, 0);
  gtk_stack_set_visible_child_name (self->pages, "working");
  update (self);
  g_task_run_in_thread (task, run_thread);
}

/* --- The window --- */

static gboolean
bunshin_export_window_close_request (GtkWindow *window)
{
  BunshinExportWindow *self = BUNSHIN_EXPORT_WINDOW (window);

  if (self->cancellable != NULL)
    {
      g_cancellable_cancel (self->cancellable);
      return TRUE;
    }
  return GTK_WINDOW_CLASS (bunshin_export_window_parent_class)->close_request (window);
}

static void
bunshin_export_window_dispose (GObject *object)
{
  BunshinExportWindow *self = BUNSHIN_EXPORT_WINDOW (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->timer, g_source_remove);
  G_OBJECT_CLASS (bunshin_export_window_parent_class)->dispose (object);
}

static void
bunshin_export_window_finalize (GObject *object)
{
  BunshinExportWindow *self = BUNSHIN_EXPORT_WINDOW (object);

  g_clear_object (&self->cancellable);
  g_ptr_array_unref (self->checks);
  g_free (self->path);
  G_OBJECT_CLASS (bunshin_export_window_parent_class)->finalize (object);
}

static void
bunshin_export_window_class_init (BunshinExportWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_export_window_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_export_window_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_export_window_close_request;
  signals[EXPORTED] = g_signal_new ("exported", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "export.run", NULL, on_run);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/export-window.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinExportWindow, name)
  BIND (export_button);
  BIND (file_row);
  BIND (pages);
  BIND (kind_row);
  BIND (version_row);
  BIND (manifest_row);
  BIND (discs_switch);
  BIND (machines);
  BIND (progress);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_file_activated);
  gtk_widget_class_bind_template_callback (widget_class, on_kind_changed);
}

static void
bunshin_export_window_init (BunshinExportWindow *self)
{
  self->checks = g_ptr_array_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
}

static void
add_machine (BunshinExportWindow *self, const LibraryMachine *record, gboolean chosen)
{
  gboolean off = library_machine_state (record, NULL, NULL) == LIBRARY_STATE_POWERED_OFF;
  GtkWidget *row = adw_action_row_new (), *check = gtk_check_button_new ();

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), record->name);
  if (!off)
    adw_action_row_set_subtitle (ADW_ACTION_ROW (row), _ ("It must be powered off"));
  gtk_widget_set_sensitive (row, off);
  gtk_widget_set_valign (check, GTK_ALIGN_CENTER);
  gtk_check_button_set_active (GTK_CHECK_BUTTON (check), off && chosen);
  gtk_accessible_update_property (GTK_ACCESSIBLE (check), GTK_ACCESSIBLE_PROPERTY_LABEL, record->name, -1);
  g_object_set_data_full (G_OBJECT (check), "uuid", g_strdup (record->uuid), g_free);
  g_signal_connect_swapped (check, "toggled", G_CALLBACK (update), self);
  adw_action_row_add_prefix (ADW_ACTION_ROW (row), check);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), check);
  adw_preferences_group_add (self->machines, row);
  g_ptr_array_add (self->checks, check);
}

/* In the user's documents, by the machine's name. */
static char *
propose_file (const char *name)
{
  const char *folder = g_get_user_special_dir (G_USER_DIRECTORY_DOCUMENTS);
  g_autofree char *plain = g_strdelimit (g_strdup (name), "/", '_'), *base = g_strconcat (plain, ".ova", NULL);

  return g_build_filename (folder != NULL ? folder : g_get_home_dir (), base, NULL);
}

BunshinExportWindow *
bunshin_export_window_new (GtkWindow *parent, Library *library, const char *uuid)
{
  BunshinExportWindow *self = g_object_new (BUNSHIN_TYPE_EXPORT_WINDOW, "transient-for", parent, NULL);
  g_autoptr (GPtrArray) machines = library_list_machines (library, NULL);

  self->library = library;
  for (guint i = 0; machines != NULL && i < machines->len; i++)
    {
      const LibraryMachine *record = machines->pdata[i];
      gboolean chosen = g_strcmp0 (record->uuid, uuid) == 0;

      add_machine (self, record, chosen);
      if (chosen)
        self->path = propose_file (record->name);
    }
  if (self->path != NULL)
    show_file (self);
  update (self);
  return self;
}
