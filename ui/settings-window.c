/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's settings: the window, storing, and the general page. */

#include "ui/settings-window-private.h"

#include "ui/accessible.h"
#include "ui/dialogs.h"
#include "ui/machine-draft.h"
#include "ui/os-chooser.h"
#include "ui/os-emblem.h"
#include "ui/state-text.h"

#include <glib/gi18n.h>

enum { SAVE_MS = 700 };

G_DEFINE_FINAL_TYPE (BunshinSettingsWindow, bunshin_settings_window, ADW_TYPE_PREFERENCES_WINDOW)

gboolean
settings_is_off (BunshinSettingsWindow *self)
{
  return state_is_off (bunshin_machine_item_get_state (self->item));
}

void
settings_toast (BunshinSettingsWindow *self, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  adw_preferences_window_add_toast (ADW_PREFERENCES_WINDOW (self), adw_toast_new (escaped));
}

static void
show_general (BunshinSettingsWindow *self)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->description_view);
  g_autofree char *title = g_strdup_printf (_("%s — Settings"), self->record->name);
  g_autofree char *description = NULL;

  self->updating = TRUE;
  gtk_window_set_title (GTK_WINDOW (self), title);
  gtk_editable_set_text (self->name_row, self->record->name);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->os_row), FALSE);
  adw_action_row_set_subtitle (self->os_row, bunshin_os_database_get_name (self->systems, self->record->os_id));
  g_object_get (buffer, "text", &description, NULL);
  /* Writing the same text again would move the cursor under the user's hands. */
  if (g_strcmp0 (description, self->record->description != NULL ? self->record->description : "") != 0)
    gtk_text_buffer_set_text (buffer, self->record->description != NULL ? self->record->description : "", -1);
  self->updating = FALSE;
}

static void
show_all (BunshinSettingsWindow *self)
{
  show_general (self);
  settings_show_system (self);
  settings_show_storage (self);
  settings_show_network (self);
  bunshin_settings_snapshots_set (self->snapshots_page, &self->record->automatic);
}

gboolean
settings_store (BunshinSettingsWindow *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&self->save_timer, g_source_remove);
  if (library_update_machine (self->library, self->record, &error))
    return TRUE;
  library_machine_free (self->record);
  self->record = library_machine_copy (bunshin_machine_item_get_record (self->item));
  show_all (self);
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    dialog_error (GTK_WINDOW (self), _("The setting could not be changed"), error->message);
  return FALSE;
}

static gboolean
on_save_timer (gpointer data)
{
  BunshinSettingsWindow *self = data;

  self->save_timer = 0;
  settings_store (self);
  return G_SOURCE_REMOVE;
}

void
settings_store_soon (BunshinSettingsWindow *self)
{
  g_clear_handle_id (&self->save_timer, g_source_remove);
  self->save_timer = g_timeout_add (SAVE_MS, on_save_timer, self);
}

/* --- Name --- */

static GStrv
other_names (BunshinSettingsWindow *self)
{
  g_autoptr (GPtrArray) machines = library_list_machines (self->library, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; machines != NULL && i < machines->len; i++)
    {
      const LibraryMachine *machine = machines->pdata[i];

      if (!g_str_equal (machine->uuid, self->record->uuid))
        g_strv_builder_add (builder, machine->name);
    }
  return g_strv_builder_end (builder);
}

static gboolean
check_name (BunshinSettingsWindow *self)
{
  g_auto (GStrv) taken = other_names (self);
  g_autoptr (GError) error = NULL;
  gboolean is_good = machine_draft_check_name (gtk_editable_get_text (self->name_row), (const char *const *) taken,
                                               &error);

  gtk_label_set_label (GTK_LABEL (self->name_error), is_good ? "" : error->message);
  gtk_widget_set_visible (self->name_error, !is_good);
  if (is_good)
    gtk_widget_remove_css_class (GTK_WIDGET (self->name_row), "error");
  else
    gtk_widget_add_css_class (GTK_WIDGET (self->name_row), "error");
  return is_good;
}

static void
on_name_changed (BunshinSettingsWindow *self)
{
  if (!self->updating)
    check_name (self);
}

static void
on_name_applied (BunshinSettingsWindow *self)
{
  if (!check_name (self))
    return;
  g_free (self->record->name);
  self->record->name = g_strdup (gtk_editable_get_text (self->name_row));
  if (settings_store (self))
    show_general (self);
}

/* --- Operating system --- */

static void
on_os_chosen (BunshinOsChooser *chooser, gpointer data)
{
  BunshinSettingsWindow *self = data;
  BunshinOs *os = bunshin_os_chooser_get_selected (chooser);

  if (os == NULL)
    return;
  g_free (self->record->os_id);
  self->record->os_id = g_strdup (bunshin_os_get_id (os));
  if (settings_store (self))
    show_general (self);
}

static void
on_os_done (BunshinSettingsWindow *self)
{
  adw_preferences_window_close_subpage (ADW_PREFERENCES_WINDOW (self));
}

static void
on_os_activated (BunshinSettingsWindow *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0), *header = adw_header_bar_new ();
  GtkWidget *back = gtk_button_new_from_icon_name ("go-previous-symbolic"), *clamp = adw_clamp_new ();
  BunshinOsChooser *chooser = g_object_new (BUNSHIN_TYPE_OS_CHOOSER, "vexpand", TRUE, "margin-top", 12, "margin-bottom",
                                            12, "margin-start", 12, "margin-end", 12, NULL);

  adw_header_bar_set_title_widget (ADW_HEADER_BAR (header), adw_window_title_new (_("Operating System"), NULL));
  accessible_set_tooltip (back, _("Back"));
  adw_header_bar_pack_start (ADW_HEADER_BAR (header), back);
  adw_clamp_set_child (ADW_CLAMP (clamp), GTK_WIDGET (chooser));
  gtk_box_append (GTK_BOX (box), header);
  gtk_box_append (GTK_BOX (box), clamp);
  bunshin_os_chooser_set_database (chooser, self->systems);
  bunshin_os_chooser_select (chooser, self->record->os_id);
  g_signal_connect_object (chooser, "chosen", G_CALLBACK (on_os_chosen), self, 0);
  g_signal_connect_object (chooser, "activated", G_CALLBACK (on_os_done), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (back, "clicked", G_CALLBACK (on_os_done), self, G_CONNECT_SWAPPED);
  adw_preferences_window_present_subpage (ADW_PREFERENCES_WINDOW (self), box);
}

/* --- Description --- */

static void
on_description_changed (BunshinSettingsWindow *self)
{
  g_autofree char *text = NULL;

  if (self->updating)
    return;
  g_object_get (gtk_text_view_get_buffer (self->description_view), "text", &text, NULL);
  g_free (self->record->description);
  self->record->description = text[0] != '\0' ? g_steal_pointer (&text) : NULL;
  settings_store_soon (self);
}

/* --- Automatic snapshots --- */

static void
on_snapshots_edited (BunshinSettingsWindow *self)
{
  bunshin_settings_snapshots_get (self->snapshots_page, &self->record->automatic);
  settings_store_soon (self);
}

/* --- The window --- */

static void
update_state (BunshinSettingsWindow *self)
{
  gboolean is_off = settings_is_off (self);
  gboolean is_saved = bunshin_machine_item_get_state (self->item) == LIBRARY_STATE_SAVED;

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->running_row),
                                 is_saved ? _("The Machine Has a Saved State") : _("The Machine Is Running"));
  adw_action_row_set_subtitle (self->running_row,
                               is_saved ? _("Settings that are greyed out can be changed when it was started and powered off, or when "
                                            "its saved state is discarded.")
                                        : _("Settings that are greyed out can be changed when it is powered off."));
  /* What can be changed on a running machine cannot be changed in a state. */
  gtk_widget_set_sensitive (self->storage_page, !is_saved);
  gtk_widget_set_sensitive (GTK_WIDGET (self->network_page), !is_saved);
  gtk_widget_set_visible (self->running_group, !is_off);
  gtk_widget_set_sensitive (self->memory_group, is_off);
  gtk_widget_set_sensitive (self->boot_group, is_off);
  gtk_widget_set_sensitive (self->clock_group, is_off);
  gtk_widget_set_sensitive (self->storage_add_group, is_off);
  settings_show_storage (self);
  settings_show_network (self);
}

/* Another process, or the running machine, changed the record. */
static void
on_record_changed (BunshinSettingsWindow *self)
{
  if (self->save_timer != 0)
    return;
  library_machine_free (self->record);
  self->record = library_machine_copy (bunshin_machine_item_get_record (self->item));
  if (gtk_widget_get_mapped (GTK_WIDGET (self)) && !gtk_widget_has_focus (GTK_WIDGET (self->name_row)))
    show_all (self);
}

static gboolean
bunshin_settings_window_close_request (GtkWindow *window)
{
  BunshinSettingsWindow *self = BUNSHIN_SETTINGS_WINDOW (window);

  if (self->save_timer != 0)
    settings_store (self);
  return GTK_WINDOW_CLASS (bunshin_settings_window_parent_class)->close_request (window);
}

static void
bunshin_settings_window_dispose (GObject *object)
{
  BunshinSettingsWindow *self = BUNSHIN_SETTINGS_WINDOW (object);

  g_clear_handle_id (&self->save_timer, g_source_remove);
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  G_OBJECT_CLASS (bunshin_settings_window_parent_class)->dispose (object);
}

static void
bunshin_settings_window_finalize (GObject *object)
{
  BunshinSettingsWindow *self = BUNSHIN_SETTINGS_WINDOW (object);

  g_clear_object (&self->item);
  g_clear_object (&self->systems);
  g_clear_pointer (&self->record, library_machine_free);
  g_strfreev (self->accels);
  g_ptr_array_unref (self->storage_rows);
  g_ptr_array_unref (self->adapter_groups);
  G_OBJECT_CLASS (bunshin_settings_window_parent_class)->finalize (object);
}

static void
bunshin_settings_window_class_init (BunshinSettingsWindowClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = bunshin_settings_window_dispose;
  object_class->finalize = bunshin_settings_window_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_settings_window_close_request;

  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  g_type_ensure (BUNSHIN_TYPE_SETTINGS_SNAPSHOTS);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/settings-window.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinSettingsWindow, name)
  BIND (running_group);
  BIND (running_row);
  BIND (storage_page);
  BIND (name_row);
  BIND (name_error);
  BIND (os_row);
  BIND (description_view);
  BIND (memory_group);
  BIND (boot_group);
  BIND (clock_group);
  BIND (storage_add_group);
  BIND (memory_row);
  BIND (cpus_spin);
  BIND (boot_list);
  BIND (utc_switch);
  BIND (accel_row);
  BIND (storage_group);
  BIND (add_new_disk);
  BIND (add_existing_disk);
  BIND (remote_row);
  BIND (add_cd);
  BIND (add_floppy);
  BIND (network_page);
  BIND (add_adapter_group);
  BIND (add_adapter);
  BIND (snapshots_page);
#undef BIND
}

static void
bunshin_settings_window_init (BunshinSettingsWindow *self)
{
  self->storage_rows = g_ptr_array_new ();
  self->adapter_groups = g_ptr_array_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
}

BunshinSettingsWindow *
bunshin_settings_window_new (GtkWindow *parent, Library *library, BunshinMachineItem *item,
                             BunshinOsDatabase *systems)
{
  BunshinSettingsWindow *self = g_object_new (BUNSHIN_TYPE_SETTINGS_WINDOW, "transient-for", parent, NULL);

  self->library = library;
  self->item = g_object_ref (item);
  self->systems = g_object_ref (systems);
  self->record = library_machine_copy (bunshin_machine_item_get_record (item));
  settings_init_system (self);
  settings_init_storage (self);
  settings_init_network (self);
  show_all (self);
  update_state (self);
  g_signal_connect_swapped (self->name_row, "changed", G_CALLBACK (on_name_changed), self);
  g_signal_connect_swapped (self->name_row, "apply", G_CALLBACK (on_name_applied), self);
  g_signal_connect_swapped (self->os_row, "activated", G_CALLBACK (on_os_activated), self);
  g_signal_connect_swapped (gtk_text_view_get_buffer (self->description_view), "changed",
                            G_CALLBACK (on_description_changed), self);
  g_signal_connect_swapped (self->snapshots_page, "edited", G_CALLBACK (on_snapshots_edited), self);
  g_signal_connect_swapped (item, "notify::state", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (item, "record-changed", G_CALLBACK (on_record_changed), self);
  g_signal_connect_object (systems, "loaded", G_CALLBACK (show_general), self, G_CONNECT_SWAPPED);
  return self;
}
