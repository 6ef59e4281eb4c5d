/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager window: its list, selection and details. */

#include "ui/manager-window-private.h"

#include "storage/appliance/appliance.h"

#include "ui/accessible.h"
#include "ui/dialogs.h"
#include "ui/machine-row.h"
#include "ui/os-emblem.h"
#include "ui/shortcuts.h"

#include <glib/gi18n.h>

enum { THUMBNAIL_SECONDS = 2 };

G_DEFINE_FINAL_TYPE (BunshinManagerWindow, bunshin_manager_window, ADW_TYPE_APPLICATION_WINDOW)

void
manager_window_toast (BunshinManagerWindow *self, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (escaped));
}

/* --- Selection --- */

static void
set_selected (BunshinManagerWindow *self, BunshinMachineItem *item)
{
  if (self->selected == item)
    return;
  if (self->selected != NULL)
    {
      g_signal_handlers_disconnect_by_func (self->selected, manager_window_update_actions, self);
      g_clear_pointer (&self->title_binding, g_binding_unbind);
    }
  g_set_object (&self->selected, item);
  if (item != NULL)
    {
      g_signal_connect_swapped (item, "notify::state", G_CALLBACK (manager_window_update_actions), self);
      g_signal_connect_swapped (item, "notify::busy", G_CALLBACK (manager_window_update_actions), self);
      bunshin_machine_details_set_item (self->details, item);
      self->title_binding
          = g_object_bind_property (item, "name", self->machine_title, "title", G_BINDING_SYNC_CREATE);
      bunshin_machine_item_update_thumbnail (item);
    }
  bunshin_snapshots_page_set_item (self->snapshots, item);
  manager_window_update_actions (self);
}

GtkListBoxRow *
manager_window_find_row (BunshinManagerWindow *self, const char *uuid)
{
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->list, i)) != NULL; i++)
    if (g_str_equal (bunshin_machine_item_get_uuid (bunshin_machine_row_get_item (BUNSHIN_MACHINE_ROW (row))), uuid))
      return row;
  return NULL;
}

/* Something is always selected, as long as there is something. */
static gboolean
on_selection_idle (gpointer data)
{
  BunshinManagerWindow *self = data;
  GtkListBoxRow *row = NULL;

  self->selection_idle = 0;
  if (self->wanted_uuid != NULL)
    {
      row = manager_window_find_row (self, self->wanted_uuid);
      if (row != NULL)
        g_clear_pointer (&self->wanted_uuid, g_free);
    }
  if (row == NULL && self->selected != NULL)
    row = manager_window_find_row (self, bunshin_machine_item_get_uuid (self->selected));
  if (row == NULL)
    row = gtk_list_box_get_row_at_index (self->list, 0);
  if (row != NULL)
    gtk_list_box_select_row (self->list, row);
  else if (g_list_model_get_n_items (G_LIST_MODEL (self->kept)) == 0)
    set_selected (self, NULL);
  return G_SOURCE_REMOVE;
}

void
manager_window_select (BunshinManagerWindow *self, const char *uuid)
{
  g_free (self->wanted_uuid);
  self->wanted_uuid = g_strdup (uuid);
  if (self->selection_idle == 0)
    self->selection_idle = g_idle_add (on_selection_idle, self);
}

static void
show_page (BunshinManagerWindow *self)
{
  gboolean is_empty = g_list_model_get_n_items (G_LIST_MODEL (self->kept)) == 0;

  gtk_stack_set_visible_child_name (self->stack, self->shows_media ? "media" : is_empty ? "empty" : "machines");
}

void
manager_window_show_media (BunshinManagerWindow *self, gboolean shows)
{
  self->shows_media = shows;
  show_page (self);
  manager_window_update_actions (self);
  gtk_widget_child_focus (gtk_stack_get_visible_child (self->stack), GTK_DIR_TAB_FORWARD);
}

static void
on_media_closed (BunshinManagerWindow *self)
{
  manager_window_show_media (self, FALSE);
}

static void
on_media_machine (BunshinManagerWindow *self, const char *uuid)
{
  manager_window_show_media (self, FALSE);
  manager_window_select (self, uuid);
  adw_leaflet_set_visible_child (self->leaflet, self->detail_pane);
}

static void
on_machines_changed (BunshinManagerWindow *self)
{
  show_page (self);
  if (self->selection_idle == 0)
    self->selection_idle = g_idle_add (on_selection_idle, self);
}

static void
on_row_selected (BunshinManagerWindow *self, GtkListBoxRow *row)
{
  if (row != NULL)
    set_selected (self, bunshin_machine_row_get_item (BUNSHIN_MACHINE_ROW (row)));
}

/* One click leads to the details where they are not beside the list; else it takes two, or Enter, and leads further. */
static void
on_row_activated (BunshinManagerWindow *self, GtkListBoxRow *row)
{
  if (adw_leaflet_get_folded (self->leaflet))
    adw_leaflet_navigate (self->leaflet, ADW_NAVIGATION_DIRECTION_FORWARD);
  else
    gtk_widget_activate_action (GTK_WIDGET (self), "win.open", NULL);
}

static void
popup_context_menu (BunshinManagerWindow *self, double x, double y)
{
  gtk_popover_set_pointing_to (self->context_menu, &(GdkRectangle) { (int) x, (int) y, 1, 1 });
  gtk_popover_popup (self->context_menu);
}

void
manager_window_show_context_menu (BunshinManagerWindow *self)
{
  GtkListBoxRow *row = gtk_list_box_get_selected_row (self->list);
  double x, y;

  if (row == NULL
      || !gtk_widget_translate_coordinates (GTK_WIDGET (row), GTK_WIDGET (self->list),
                                            gtk_widget_get_width (GTK_WIDGET (row)) / 2,
                                            gtk_widget_get_height (GTK_WIDGET (row)) / 2, &x, &y))
    return;
  popup_context_menu (self, x, y);
}

static void
on_secondary_click (BunshinManagerWindow *self, int n_press, double x, double y)
{
  GtkListBoxRow *row = gtk_list_box_get_row_at_y (self->list, (int) y);

  if (row == NULL)
    return;
  gtk_list_box_select_row (self->list, row);
  popup_context_menu (self, x, y);
}

/* An appliance that is dropped on the window is imported; a disc is one to install from. */
static gboolean
on_drop (BunshinManagerWindow *self, const GValue *value)
{
  g_autofree char *path = g_file_get_path (g_value_get_object (value));

  if (path == NULL || self->shows_media)
    return FALSE;
  if (appliance_is_name (path))
    manager_window_open_import (self, path);
  else
    manager_window_open_wizard (self, path);
  return TRUE;
}

/* --- The list --- */

static gboolean
is_kept (gpointer item, gpointer data)
{
  return !manager_window_is_being_deleted (data, bunshin_machine_item_get_uuid (item));
}

static gboolean
is_found (gpointer item, gpointer data)
{
  BunshinManagerWindow *self = data;
  const char *text = gtk_editable_get_text (GTK_EDITABLE (self->search_entry));
  g_autofree char *needle = g_utf8_casefold (text, -1);
  g_autofree char *name = g_utf8_casefold (bunshin_machine_item_get_name (item), -1);

  return strstr (name, needle) != NULL;
}

void
manager_window_refilter (BunshinManagerWindow *self)
{
  gtk_filter_changed (gtk_filter_list_model_get_filter (self->kept), GTK_FILTER_CHANGE_DIFFERENT);
}

static void
on_search_changed (BunshinManagerWindow *self)
{
  gtk_filter_changed (gtk_filter_list_model_get_filter (self->found), GTK_FILTER_CHANGE_DIFFERENT);
}

static void
on_search_activated (BunshinManagerWindow *self)
{
  GtkListBoxRow *row;

  on_search_changed (self);
  row = gtk_list_box_get_row_at_index (self->list, 0);
  if (row != NULL)
    {
      gtk_list_box_select_row (self->list, row);
      gtk_widget_grab_focus (GTK_WIDGET (row));
    }
}

static GtkWidget *
create_row (gpointer item, gpointer data)
{
  return bunshin_machine_row_new (item);
}

static gboolean
on_thumbnail_timer (gpointer data)
{
  BunshinManagerWindow *self = data;
  GListModel *model = G_LIST_MODEL (self->found);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinMachineItem) item = g_list_model_get_item (model, i);

      bunshin_machine_item_update_thumbnail (item);
    }
  return G_SOURCE_CONTINUE;
}

static void
on_library_failed (BunshinManagerWindow *self, const char *message)
{
  manager_window_toast (self, message);
}

/* What became of what an earlier run had left: nobody asked for it, so it is told. */
static void
on_notice (BunshinManagerWindow *self, BunshinMachineItem *item, const char *sentence)
{
  g_autofree char *text = g_strdup_printf (_("%s: %s"), bunshin_machine_item_get_name (item), sentence);

  manager_window_toast (self, text);
}

/* --- The window --- */

static int
read_setting (BunshinManagerWindow *self, const char *key, int fallback)
{
  g_autofree char *value = library_get_setting (self->env.library, key);

  return value != NULL ? (int) CLAMP (g_ascii_strtoll (value, NULL, 10), 1, 16384) : fallback;
}

static void
write_setting (BunshinManagerWindow *self, const char *key, int value)
{
  g_autofree char *text = g_strdup_printf ("%d", value);

  /* A window that opens in its old size again is not worth an error. */
  library_set_setting (self->env.library, key, text, NULL);
}

static void
on_close_confirmed (gpointer data)
{
  BunshinManagerWindow *self = data;

  self->may_close = TRUE;
  gtk_window_close (GTK_WINDOW (self));
}

static gboolean
bunshin_manager_window_close_request (GtkWindow *window)
{
  BunshinManagerWindow *self = BUNSHIN_MANAGER_WINDOW (window);
  int width, height;

  if (bunshin_media_page_is_busy (self->media) && !self->may_close)
    {
      dialog_confirm (window, _("Stop Work on Media?"),
                      _("Disks are being worked on. What is not finished is undone when the window closes."),
                      _("_Stop"), on_close_confirmed, g_object_ref (self), g_object_unref);
      return TRUE;
    }
  bunshin_media_page_cancel (self->media);
  bunshin_media_page_finish (self->media);
  manager_window_finish_deletions (self);
  if (self->demo_cancellable != NULL)
    g_cancellable_cancel (self->demo_cancellable);
  gtk_window_get_default_size (window, &width, &height);
  if (!gtk_window_is_maximized (window))
    {
      write_setting (self, "manager-width", width);
      write_setting (self, "manager-height", height);
    }
  return GTK_WINDOW_CLASS (bunshin_manager_window_parent_class)->close_request (window);
}

static void
bunshin_manager_window_map (GtkWidget *widget)
{
  BunshinManagerWindow *self = BUNSHIN_MANAGER_WINDOW (widget);

  GTK_WIDGET_CLASS (bunshin_manager_window_parent_class)->map (widget);
  self->thumbnail_timer = g_timeout_add_seconds (THUMBNAIL_SECONDS, on_thumbnail_timer, self);
  /* The names of systems are wanted soon, but the window first. */
  bunshin_os_database_load (self->systems);
}

static void
bunshin_manager_window_unmap (GtkWidget *widget)
{
  BunshinManagerWindow *self = BUNSHIN_MANAGER_WINDOW (widget);

  g_clear_handle_id (&self->thumbnail_timer, g_source_remove);
  GTK_WIDGET_CLASS (bunshin_manager_window_parent_class)->unmap (widget);
}

static void
bunshin_manager_window_dispose (GObject *object)
{
  BunshinManagerWindow *self = BUNSHIN_MANAGER_WINDOW (object);

  g_clear_handle_id (&self->selection_idle, g_source_remove);
  manager_window_clear_snapshots (self);
  if (self->demo_cancellable != NULL)
    g_cancellable_cancel (self->demo_cancellable);
  if (self->kept != NULL)
    g_signal_handlers_disconnect_by_data (self->kept, self);
  if (self->found != NULL)
    g_signal_handlers_disconnect_by_data (self->found, self);
  if (self->context_menu != NULL && gtk_widget_get_parent (GTK_WIDGET (self->context_menu)) != NULL)
    gtk_widget_unparent (GTK_WIDGET (self->context_menu));
  if (self->list != NULL)
    gtk_list_box_bind_model (self->list, NULL, NULL, NULL, NULL);
  if (self->machines != NULL)
    g_signal_handlers_disconnect_by_data (self->machines, self);
  set_selected (self, NULL);
  g_clear_object (&self->found);
  g_clear_object (&self->kept);
  g_clear_object (&self->machines);
  G_OBJECT_CLASS (bunshin_manager_window_parent_class)->dispose (object);
}

static void
bunshin_manager_window_finalize (GObject *object)
{
  BunshinManagerWindow *self = BUNSHIN_MANAGER_WINDOW (object);

  g_clear_object (&self->systems);
  g_clear_object (&self->demo_cancellable);
  g_hash_table_unref (self->deletions);
  g_free (self->wanted_uuid);
  G_OBJECT_CLASS (bunshin_manager_window_parent_class)->finalize (object);
}

static void
bunshin_manager_window_class_init (BunshinManagerWindowClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = bunshin_manager_window_dispose;
  object_class->finalize = bunshin_manager_window_finalize;
  widget_class->map = bunshin_manager_window_map;
  widget_class->unmap = bunshin_manager_window_unmap;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_manager_window_close_request;

  g_type_ensure (BUNSHIN_TYPE_MACHINE_DETAILS);
  g_type_ensure (BUNSHIN_TYPE_MEDIA_PAGE);
  g_type_ensure (BUNSHIN_TYPE_SNAPSHOTS_PAGE);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/manager-window.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinManagerWindow, name)
  BIND (toasts);
  BIND (stack);
  BIND (leaflet);
  BIND (sidebar);
  BIND (detail_pane);
  BIND (search_bar);
  BIND (search_entry);
  BIND (list);
  BIND (machine_title);
  BIND (views);
  BIND (switcher_bar);
  BIND (snapshots);
  BIND (details);
  BIND (demo_button);
  BIND (demo_hint);
  BIND (demo_progress);
  BIND (machine_menu_button);
  BIND (context_menu);
  BIND (media);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_secondary_click);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_search_activated);
  gtk_widget_class_bind_template_callback (widget_class, on_row_selected);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
  gtk_widget_class_bind_template_callback (widget_class, on_media_closed);
  gtk_widget_class_bind_template_callback (widget_class, on_media_machine);
  gtk_widget_class_bind_template_callback (widget_class, manager_window_show_toast);
  gtk_widget_class_bind_template_callback (widget_class, manager_window_show_clone);
  gtk_widget_class_bind_template_callback (widget_class, manager_window_drive);
}

static void
bunshin_manager_window_init (BunshinManagerWindow *self)
{
  GtkDropTarget *drop = gtk_drop_target_new (G_TYPE_FILE, GDK_ACTION_COPY);

  self->systems = bunshin_os_database_new ();
  manager_window_init_deletions (self);
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  gtk_widget_set_parent (GTK_WIDGET (self->context_menu), GTK_WIDGET (self->list));
  gtk_application_window_set_help_overlay (GTK_APPLICATION_WINDOW (self),
                                           GTK_SHORTCUTS_WINDOW (shortcuts_new_manager ()));
  g_signal_connect_swapped (drop, "drop", G_CALLBACK (on_drop), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drop));
  gtk_search_bar_connect_entry (self->search_bar, GTK_EDITABLE (self->search_entry));
  gtk_search_bar_set_key_capture_widget (self->search_bar, self->sidebar);
  bunshin_machine_details_set_os_database (self->details, self->systems);
}

BunshinManagerWindow *
bunshin_manager_window_new (GtkApplication *application, const UiManagerEnv *env)
{
  BunshinManagerWindow *self = g_object_new (BUNSHIN_TYPE_MANAGER_WINDOW, "application", application, NULL);
  GListModel *machines;

  self->env = *env;
  gtk_window_set_default_size (GTK_WINDOW (self), read_setting (self, "manager-width", 1000),
                               read_setting (self, "manager-height", 680));
  self->machines = bunshin_machine_list_new (env->library, env->host);
  g_signal_connect_swapped (self->machines, "failed", G_CALLBACK (on_library_failed), self);
  g_signal_connect_swapped (self->machines, "notice", G_CALLBACK (on_notice), self);
  bunshin_media_page_set_library (self->media, env->library, self->machines);
  bunshin_snapshots_page_set_library (self->snapshots, env->library, env->program);
  machines = bunshin_machine_list_get_model (self->machines);
  self->kept = gtk_filter_list_model_new (g_object_ref (machines),
                                          GTK_FILTER (gtk_custom_filter_new (is_kept, self, NULL)));
  self->found = gtk_filter_list_model_new (g_object_ref (G_LIST_MODEL (self->kept)),
                                           GTK_FILTER (gtk_custom_filter_new (is_found, self, NULL)));
  gtk_list_box_bind_model (self->list, G_LIST_MODEL (self->found), create_row, self, NULL);
  g_signal_connect_swapped (self->kept, "items-changed", G_CALLBACK (on_machines_changed), self);
  g_signal_connect_swapped (self->found, "items-changed", G_CALLBACK (on_machines_changed), self);
  manager_window_init_actions (self);
  manager_window_init_snapshots (self);
  manager_window_init_demo (self);
  on_machines_changed (self);
  for (gsize i = 0; env->notices != NULL && env->notices[i] != NULL; i++)
    {
      g_autofree char *sentence = dialog_as_sentence (env->notices[i]);

      manager_window_toast (self, sentence);
    }
  return self;
}
