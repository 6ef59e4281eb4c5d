/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager window's second page of a machine: its snapshots. */

#include "ui/manager-window-private.h"
#include "ui/state-text.h"

#include <glib/gi18n.h>

static void
show_view (BunshinManagerWindow *self, const char *name)
{
  adw_leaflet_set_visible_child (self->leaflet, self->detail_pane);
  adw_view_stack_set_visible_child_name (self->views, name);
}

static void
on_snapshots (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;
  gboolean is_shown = g_str_equal (adw_view_stack_get_visible_child_name (self->views), "snapshots")
                      && adw_leaflet_get_visible_child (self->leaflet) == self->detail_pane;

  show_view (self, is_shown ? "details" : "snapshots");
  gtk_widget_child_focus (adw_view_stack_get_visible_child (self->views), GTK_DIR_TAB_FORWARD);
}

static void
on_take_snapshot (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;

  show_view (self, "snapshots");
  bunshin_snapshots_page_take (self->snapshots);
}

static void
on_clone (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  bunshin_snapshots_page_clone (((BunshinManagerWindow *) data)->snapshots);
}

static const GActionEntry entries[] = {
  { .name = "snapshots", .activate = on_snapshots },
  { .name = "take-snapshot", .activate = on_take_snapshot },
  { .name = "clone", .activate = on_clone },
};

static void
enable (BunshinManagerWindow *self, const char *name, gboolean enabled)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (self), name);

  /* The actions come after the first selection. */
  if (action != NULL)
    g_simple_action_set_enabled (G_SIMPLE_ACTION (action), enabled);
}

void
manager_window_update_snapshot_actions (BunshinManagerWindow *self)
{
  gboolean has_machine = self->selected != NULL && !self->shows_media;
  LibraryState state = has_machine ? bunshin_machine_item_get_state (self->selected) : LIBRARY_STATE_POWERED_OFF;
  gboolean is_free = has_machine && !bunshin_machine_item_get_busy (self->selected);

  enable (self, "snapshots", has_machine);
  enable (self, "take-snapshot", is_free && (state_can_start (state) || state_is_up (state)));
  enable (self, "clone", is_free && state_can_start (state));
}

static gboolean
on_switcher_idle (gpointer data)
{
  BunshinManagerWindow *self = data;
  gboolean is_narrow = adw_view_switcher_title_get_title_visible (self->machine_title);

  self->switcher_idle = 0;
  adw_view_switcher_bar_set_reveal (self->switcher_bar, is_narrow);
  bunshin_snapshots_page_set_narrow (self->snapshots, is_narrow);
  return G_SOURCE_REMOVE;
}

/* This is heard while the window gets its size, when it is too late to ask for other sizes. */
static void
on_switcher_changed (BunshinManagerWindow *self)
{
  if (self->switcher_idle == 0)
    self->switcher_idle = g_idle_add (on_switcher_idle, self);
}

void
manager_window_clear_snapshots (BunshinManagerWindow *self)
{
  g_clear_handle_id (&self->switcher_idle, g_source_remove);
  if (self->machine_title != NULL)
    g_signal_handlers_disconnect_by_data (self->machine_title, self);
}

void
manager_window_init_snapshots (BunshinManagerWindow *self)
{
  g_signal_connect_swapped (self->machine_title, "notify::title-visible", G_CALLBACK (on_switcher_changed), self);
  on_switcher_changed (self);
  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  manager_window_update_snapshot_actions (self);
}

void
manager_window_show_toast (BunshinManagerWindow *self, AdwToast *toast)
{
  adw_toast_overlay_add_toast (self->toasts, g_object_ref (toast));
}

void
manager_window_show_clone (BunshinManagerWindow *self, const char *uuid)
{
  bunshin_machine_list_reload (self->machines);
  manager_window_select (self, uuid);
  show_view (self, "details");
  manager_window_toast (self, _("The clone is ready"));
}
