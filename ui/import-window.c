/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The import window: reading the appliance, and making what the summary says. */

#include "ui/import-window-private.h"

#include "ui/accessible.h"
#include "ui/dialogs.h"
#include "ui/import-run.h"

#include <glib/gi18n.h>

enum
{
  IMPORTED,
  N_SIGNALS
};
enum
{
  TICK_MS = 100
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinImportWindow, bunshin_import_window, ADW_TYPE_WINDOW)

static gboolean
is_page (BunshinImportWindow *self, const char *name)
{
  return g_strcmp0 (gtk_stack_get_visible_child_name (self->pages), name) == 0;
}

void
import_window_update (BunshinImportWindow *self)
{
  gtk_widget_set_visible (self->import_button, is_page (self, "summary"));
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "import.run",
                                 is_page (self, "summary") && import_summary_check (self));
}

static void
go_to (BunshinImportWindow *self, const char *page)
{
  gtk_stack_set_visible_child_name (self->pages, page);
  gtk_spinner_set_spinning (self->spinner, g_str_equal (page, "reading"));
  import_window_update (self);
}

/* --- Reading --- */

typedef struct
{
  char *path;
  ApplianceFlags flags;
} Request;

static void
request_free (gpointer data)
{
  g_free (((Request *) data)->path);
  g_free (data);
}

static void
read_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Request *request = data;
  GError *error = NULL;
  AppliancePlan *plan = appliance_read (request->path, request->flags, &error);

  if (plan != NULL)
    g_task_return_pointer (task, plan, (GDestroyNotify) appliance_plan_free);
  else
    g_task_return_error (task, error);
}

static void
show_failure (BunshinImportWindow *self, const GError *error)
{
  g_autofree char *escaped = g_markup_escape_text (error->message, -1);

  adw_status_page_set_description (self->failure, escaped);
  /* An appliance has all it needs; a machine of this computer may have its disks anywhere. */
  gtk_widget_set_visible (self->trust_button, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)
                                                  && (self->flags & APPLIANCE_TRUST) == 0
                                                  && !g_str_has_suffix (self->path, ".ovf"));
  go_to (self, "failed");
  gtk_widget_grab_focus (self->other_button);
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (source);
  g_autoptr (GError) error = NULL;
  AppliancePlan *plan = g_task_propagate_pointer (G_TASK (result), &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_object (&self->cancellable);
  if (plan == NULL)
    {
      show_failure (self, error);
      return;
    }
  self->draft = import_draft_new (plan, (const char *const *) self->taken, self->flags);
  import_summary_show (self);
  go_to (self, "summary");
}

static void
start_reading (BunshinImportWindow *self)
{
  g_autoptr (GTask) task = NULL;
  g_autofree char *base = g_path_get_basename (self->path), *shown = g_filename_display_name (base);
  Request *request = g_new0 (Request, 1);

  import_summary_clear (self);
  g_clear_pointer (&self->draft, import_draft_free);
  adw_window_title_set_subtitle (self->title, shown);
  self->cancellable = g_cancellable_new ();
  task = g_task_new (self, self->cancellable, on_read, NULL);
  request->path = g_strdup (self->path);
  request->flags = self->flags;
  g_task_set_task_data (task, request, request_free);
  go_to (self, "reading");
  g_task_run_in_thread (task, read_thread);
}

static void
on_chosen (const char *path, gpointer data)
{
  BunshinImportWindow *self = data;

  g_free (self->path);
  self->path = g_strdup (path);
  self->flags = 0;
  start_reading (self);
}

static void
on_choose (GtkWidget *widget, const char *action, GVariant *parameter)
{
  dialog_choose_file (GTK_WINDOW (widget), _ ("Choose an Appliance"), DIALOG_FILES_APPLIANCE, NULL, on_chosen,
                      g_object_ref (widget), g_object_unref);
}

static void
on_trust (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (widget);

  self->flags |= APPLIANCE_TRUST;
  start_reading (self);
}

/* --- Importing --- */

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  g_atomic_int_set ((int *) opaque, total > 0 ? (int) ((double) done / (double) total * 1000) : 1000);
}

static gboolean
on_tick (gpointer data)
{
  BunshinImportWindow *self = data;

  gtk_progress_bar_set_fraction (self->progress, g_atomic_int_get (&self->permille) / 1000.0);
  return G_SOURCE_CONTINUE;
}

/* The library opens its own file: it belongs to one thread. */
static void
run_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  BunshinImportWindow *self = source;
  DiskTask work = { .cancellable = cancellable, .progress = on_progress, .opaque = &self->permille };
  GError *error = NULL;
  char **uuids = import_run (self->draft, data, &work, &error);

  if (uuids != NULL)
    g_task_return_pointer (task, uuids, (GDestroyNotify) g_strfreev);
  else
    g_task_return_error (task, error);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (source);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) uuids = g_task_propagate_pointer (G_TASK (result), &error);

  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_object (&self->cancellable);
  if (uuids != NULL)
    {
      g_signal_emit (self, signals[IMPORTED], 0, uuids[0]);
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    gtk_window_destroy (GTK_WINDOW (self));
  else
    {
      go_to (self, "summary");
      dialog_error (GTK_WINDOW (self), _ ("The appliance could not be imported"), error->message);
    }
}

static void
on_run (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (widget);
  g_autoptr (GTask) task = NULL;

  self->cancellable = g_cancellable_new ();
  g_atomic_int_set (&self->permille, 0);
  gtk_progress_bar_set_fraction (self->progress, 0);
  self->timer = g_timeout_add (TICK_MS, on_tick, self);
  task = g_task_new (self, self->cancellable, on_done, NULL);
  /* The worker undoes what was cancelled; the answer comes when that has happened. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_strdup (library_home (self->library)), g_free);
  go_to (self, "working");
  g_task_run_in_thread (task, run_thread);
}

/* --- The window --- */

static gboolean
bunshin_import_window_close_request (GtkWindow *window)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (window);

  g_cancellable_cancel (self->cancellable);
  if (is_page (self, "working"))
    return TRUE;
  return GTK_WINDOW_CLASS (bunshin_import_window_parent_class)->close_request (window);
}

static void
bunshin_import_window_dispose (GObject *object)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->timer, g_source_remove);
  G_OBJECT_CLASS (bunshin_import_window_parent_class)->dispose (object);
}

static void
bunshin_import_window_finalize (GObject *object)
{
  BunshinImportWindow *self = BUNSHIN_IMPORT_WINDOW (object);

  g_clear_object (&self->cancellable);
  g_ptr_array_unref (self->groups);
  g_ptr_array_unref (self->rows);
  g_clear_pointer (&self->draft, import_draft_free);
  g_strfreev (self->taken);
  g_free (self->path);
  G_OBJECT_CLASS (bunshin_import_window_parent_class)->finalize (object);
}

static void
bunshin_import_window_class_init (BunshinImportWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_import_window_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_import_window_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_import_window_close_request;
  signals[IMPORTED] = g_signal_new ("imported", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "import.run", NULL, on_run);
  gtk_widget_class_install_action (widget_class, "import.choose", NULL, on_choose);
  gtk_widget_class_install_action (widget_class, "import.trust", NULL, on_trust);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/import-window.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinImportWindow, name)
  BIND (title);
  BIND (import_button);
  BIND (other_button);
  BIND (trust_button);
  BIND (pages);
  BIND (spinner);
  BIND (failure);
  BIND (summary);
  BIND (progress);
#undef BIND
}

static void
bunshin_import_window_init (BunshinImportWindow *self)
{
  self->groups = g_ptr_array_new ();
  self->rows = g_ptr_array_new_with_free_func (g_free);
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
}

static GStrv
read_names (Library *library)
{
  g_autoptr (GPtrArray) machines = library_list_machines (library, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; machines != NULL && i < machines->len; i++)
    g_strv_builder_add (builder, ((LibraryMachine *) machines->pdata[i])->name);
  return g_strv_builder_end (builder);
}

BunshinImportWindow *
bunshin_import_window_new (GtkWindow *parent, Library *library, BunshinOsDatabase *systems, const char *path)
{
  BunshinImportWindow *self = g_object_new (BUNSHIN_TYPE_IMPORT_WINDOW, "transient-for", parent, NULL);

  self->library = library;
  self->systems = systems;
  self->taken = read_names (library);
  self->path = g_strdup (path);
  start_reading (self);
  return self;
}
