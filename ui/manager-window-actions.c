/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the manager window can do with machines. */

#include "ui/dialogs.h"
#include "ui/export-window.h"
#include "ui/import-window.h"
#include "ui/manager-window-private.h"
#include "ui/settings-window.h"
#include "ui/state-text.h"
#include "ui/wizard.h"

#include <glib/gi18n.h>

/* --- Verbs --- */

typedef struct
{
  GWeakRef window;
  BunshinMachineItem *item;
  BunshinVerb verb;
} Run;

static const char *
failure_heading (BunshinVerb verb)
{
  switch (verb)
    {
    case BUNSHIN_VERB_START:
    case BUNSHIN_VERB_START_HEADLESS:
    case BUNSHIN_VERB_START_DRIVE:
    case BUNSHIN_VERB_START_DRIVE_OFFLINE:
      return _("The machine could not be started");
    case BUNSHIN_VERB_PAUSE:
      return _("The machine could not be paused");
    case BUNSHIN_VERB_RESUME:
      return _("The machine could not be resumed");
    case BUNSHIN_VERB_RESET:
      return _("The machine could not be reset");
    case BUNSHIN_VERB_POWER_BUTTON:
    case BUNSHIN_VERB_POWER_OFF:
      return _("The machine could not be powered off");
    case BUNSHIN_VERB_SHOW_WINDOW:
      return _("The machine’s window could not be shown");
    case BUNSHIN_VERB_SAVE:
      return _("The machine’s state could not be saved");
    case BUNSHIN_VERB_DISCARD_STATE:
      return _("The machine’s saved state could not be discarded");
    }
  g_assert_not_reached ();
}

static void
on_run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *run = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BunshinManagerWindow) window = g_weak_ref_get (&run->window);

  bunshin_machine_control_run_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error);
  bunshin_machine_item_set_busy (run->item, FALSE);
  if (error != NULL && window != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    dialog_error (GTK_WINDOW (window), failure_heading (run->verb), error->message);
  if (window != NULL && run->verb == BUNSHIN_VERB_POWER_BUTTON && error == NULL)
    manager_window_toast (window, _("The power button was pressed. The guest decides what to do."));
  g_weak_ref_clear (&run->window);
  g_object_unref (run->item);
  g_free (run);
}

static Run *
run_new (BunshinManagerWindow *self, BunshinMachineItem *item, BunshinVerb verb)
{
  Run *run = g_new0 (Run, 1);

  g_weak_ref_init (&run->window, self);
  run->item = g_object_ref (item);
  run->verb = verb;
  bunshin_machine_item_set_busy (item, TRUE);
  return run;
}

void
manager_window_drive (BunshinManagerWindow *self, const char *snapshot)
{
  Run *run = run_new (self, self->selected, BUNSHIN_VERB_START_DRIVE);

  bunshin_machine_control_drive_async (bunshin_machine_item_get_control (self->selected), snapshot, NULL, on_run_done,
                                       run);
}

void
manager_window_run (BunshinManagerWindow *self, BunshinMachineItem *item, BunshinVerb verb)
{
  Run *run = run_new (self, item, verb);

  bunshin_machine_control_run_async (bunshin_machine_item_get_control (item), verb, NULL, on_run_done, run);
}

typedef struct
{
  BunshinManagerWindow *window;
  BunshinMachineItem *item;
  BunshinVerb verb;
} Confirmed;

static void
confirmed_free (gpointer data)
{
  Confirmed *confirmed = data;

  g_object_unref (confirmed->window);
  g_object_unref (confirmed->item);
  g_free (confirmed);
}

static void
on_confirmed (gpointer data)
{
  Confirmed *confirmed = data;

  LibraryState state = bunshin_machine_item_get_state (confirmed->item);

  /* It may have changed while the question stood there. */
  if (confirmed->verb == BUNSHIN_VERB_DISCARD_STATE ? state == LIBRARY_STATE_SAVED : state_is_up (state))
    manager_window_run (confirmed->window, confirmed->item, confirmed->verb);
}

static void
confirm (BunshinManagerWindow *self, BunshinVerb verb, const char *question, const char *text, const char *answer)
{
  Confirmed *confirmed = g_new0 (Confirmed, 1);
  g_autofree char *heading = g_strdup_printf (question, bunshin_machine_item_get_name (self->selected));

  confirmed->window = g_object_ref (self);
  confirmed->item = g_object_ref (self->selected);
  confirmed->verb = verb;
  dialog_confirm (GTK_WINDOW (self), heading, text, answer, on_confirmed, confirmed, confirmed_free);
}

static void
on_verb (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  static const struct
  {
    const char *name;
    BunshinVerb verb;
  } verbs[] = {
    { "start", BUNSHIN_VERB_START },
    { "start-headless", BUNSHIN_VERB_START_HEADLESS },
    { "test-drive", BUNSHIN_VERB_START_DRIVE },
    { "test-drive-offline", BUNSHIN_VERB_START_DRIVE_OFFLINE },
    { "pause", BUNSHIN_VERB_PAUSE },
    { "resume", BUNSHIN_VERB_RESUME },
    { "power-button", BUNSHIN_VERB_POWER_BUTTON },
    { "show-window", BUNSHIN_VERB_SHOW_WINDOW },
    { "save", BUNSHIN_VERB_SAVE },
  };
  BunshinManagerWindow *self = data;

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].name, g_action_get_name (G_ACTION (action))))
      manager_window_run (self, self->selected, verbs[i].verb);
}

/* Where a double click, Enter and the preview lead: to the machine's window. */
static void
on_open (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;
  gboolean can_start = state_can_start (bunshin_machine_item_get_state (self->selected));

  manager_window_run (self, self->selected, can_start ? BUNSHIN_VERB_START : BUNSHIN_VERB_SHOW_WINDOW);
}

static void
on_reset (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  confirm (data, BUNSHIN_VERB_RESET, _("Reset “%s”?"),
           _("This is like pressing the reset button of a computer: what the guest has not saved is lost."), _("_Reset"));
}

static void
on_power_off (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  confirm (data, BUNSHIN_VERB_POWER_OFF, _("Power Off “%s”?"),
           _("This is like pulling the plug of a computer: what the guest has not saved is lost."), _("Power _Off"));
}

static void
on_discard_state (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  confirm (data, BUNSHIN_VERB_DISCARD_STATE, _("Discard the Saved State of “%s”?"),
           _("The machine will start from its disks, as after a power cut: what the guest had not saved is lost."),
           _("_Discard"));
}

/* --- Windows --- */

static void
on_created (BunshinWizard *wizard, const char *uuid, gboolean start, gpointer data)
{
  BunshinManagerWindow *self = data;
  BunshinMachineItem *item;

  bunshin_machine_list_reload (self->machines);
  manager_window_select (self, uuid);
  adw_leaflet_set_visible_child (self->leaflet, self->detail_pane);
  item = bunshin_machine_list_find (self->machines, uuid);
  if (item == NULL)
    return;
  if (start)
    manager_window_run (self, item, BUNSHIN_VERB_START);
  else
    manager_window_toast (self, _("The machine was created"));
}

void
manager_window_open_wizard (BunshinManagerWindow *self, const char *disc)
{
  BunshinWizard *wizard = bunshin_wizard_new (GTK_WINDOW (self), self->env.library, self->systems);

  g_signal_connect_object (wizard, "created", G_CALLBACK (on_created), self, 0);
  if (disc != NULL)
    bunshin_wizard_set_disc (wizard, disc);
  gtk_window_present (GTK_WINDOW (wizard));
}

static void
on_new (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  manager_window_open_wizard (data, NULL);
}

static void
on_imported (BunshinImportWindow *window, const char *uuid, gpointer data)
{
  BunshinManagerWindow *self = data;

  bunshin_machine_list_reload (self->machines);
  manager_window_select (self, uuid);
  adw_leaflet_set_visible_child (self->leaflet, self->detail_pane);
  manager_window_toast (self, _("The appliance was imported"));
}

void
manager_window_open_import (BunshinManagerWindow *self, const char *path)
{
  BunshinImportWindow *window
      = bunshin_import_window_new (GTK_WINDOW (self), self->env.library, self->systems, path);

  g_signal_connect_object (window, "imported", G_CALLBACK (on_imported), self, 0);
  gtk_window_present (GTK_WINDOW (window));
}

static void
on_appliance_chosen (const char *path, gpointer data)
{
  manager_window_open_import (data, path);
}

static void
on_import (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  dialog_choose_file (data, _("Choose an Appliance"), DIALOG_FILES_APPLIANCE, NULL, on_appliance_chosen,
                      g_object_ref (data), g_object_unref);
}

static void
on_exported (BunshinExportWindow *window, const char *path, gpointer data)
{
  g_autofree char *name = g_path_get_basename (path), *shown = g_filename_display_name (name);
  g_autofree char *text = g_strdup_printf (_("Exported to “%s”"), shown);

  manager_window_toast (data, text);
}

static void
on_export (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;
  BunshinExportWindow *window = bunshin_export_window_new (GTK_WINDOW (self), self->env.library,
                                                           bunshin_machine_item_get_uuid (self->selected));

  g_signal_connect_object (window, "exported", G_CALLBACK (on_exported), self, 0);
  gtk_window_present (GTK_WINDOW (window));
}

static void
on_settings (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;
  BunshinSettingsWindow *settings
      = bunshin_settings_window_new (GTK_WINDOW (self), self->env.library, self->selected, self->systems);

  gtk_window_present (GTK_WINDOW (settings));
}

static void
on_open_folder (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;
  g_autofree char *uri = g_filename_to_uri (bunshin_machine_item_get_record (self->selected)->folder, NULL, NULL);

  if (uri != NULL)
    gtk_show_uri (GTK_WINDOW (self), uri, GDK_CURRENT_TIME);
}

static void
on_delete (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  manager_window_delete_selected (data);
}

static void
on_demo (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  manager_window_start_demo (data);
}

static void
on_cancel_demo (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  g_cancellable_cancel (((BunshinManagerWindow *) data)->demo_cancellable);
}

static void
on_search (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;

  if (self->shows_media)
    {
      bunshin_media_page_search (self->media);
      return;
    }
  adw_leaflet_set_visible_child (self->leaflet, self->sidebar);
  gtk_search_bar_set_search_mode (self->search_bar, TRUE);
  gtk_widget_grab_focus (GTK_WIDGET (self->search_entry));
}

static void
on_media (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinManagerWindow *self = data;

  manager_window_show_media (self, !self->shows_media);
}

static void
on_back (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  adw_leaflet_navigate (((BunshinManagerWindow *) data)->leaflet, ADW_NAVIGATION_DIRECTION_BACK);
}

static void
on_menu (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  gtk_menu_button_popup (((BunshinManagerWindow *) data)->machine_menu_button);
}

static void
on_context_menu (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  manager_window_show_context_menu (data);
}

static const GActionEntry entries[] = {
  { .name = "context-menu", .activate = on_context_menu },
  { .name = "new", .activate = on_new },
  { .name = "import", .activate = on_import },
  { .name = "export", .activate = on_export },
  { .name = "demo", .activate = on_demo },
  { .name = "cancel-demo", .activate = on_cancel_demo },
  { .name = "search", .activate = on_search },
  { .name = "media", .activate = on_media },
  { .name = "back", .activate = on_back },
  { .name = "menu", .activate = on_menu },
  { .name = "open", .activate = on_open },
  { .name = "start", .activate = on_verb },
  { .name = "start-headless", .activate = on_verb },
  { .name = "test-drive", .activate = on_verb },
  { .name = "test-drive-offline", .activate = on_verb },
  { .name = "pause", .activate = on_verb },
  { .name = "resume", .activate = on_verb },
  { .name = "reset", .activate = on_reset },
  { .name = "power-button", .activate = on_verb },
  { .name = "power-off", .activate = on_power_off },
  { .name = "save", .activate = on_verb },
  { .name = "discard-state", .activate = on_discard_state },
  { .name = "show-window", .activate = on_verb },
  { .name = "settings", .activate = on_settings },
  { .name = "open-folder", .activate = on_open_folder },
  { .name = "delete", .activate = on_delete },
};

void
manager_window_init_actions (BunshinManagerWindow *self)
{
  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  manager_window_update_actions (self);
}

static void
enable (BunshinManagerWindow *self, const char *name, gboolean enabled)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (self), name);

  /* The actions come after the first selection. */
  if (action != NULL)
    g_simple_action_set_enabled (G_SIMPLE_ACTION (action), enabled);
}

void
manager_window_update_actions (BunshinManagerWindow *self)
{
  /* Nothing is done to a machine that is not in sight. */
  gboolean has_machine = self->selected != NULL && !self->shows_media;
  LibraryState state = has_machine ? bunshin_machine_item_get_state (self->selected) : LIBRARY_STATE_POWERED_OFF;
  gboolean is_busy = has_machine && bunshin_machine_item_get_busy (self->selected);
  gboolean can_start = has_machine && !is_busy && state_can_start (state);
  gboolean is_up = has_machine && state_is_up (state);

  enable (self, "open", can_start || is_up);
  enable (self, "start", can_start);
  enable (self, "start-headless", can_start);
  enable (self, "test-drive", can_start);
  enable (self, "test-drive-offline", can_start && bunshin_machine_item_get_record (self->selected)->adapters->len > 0);
  enable (self, "pause", state == LIBRARY_STATE_RUNNING);
  enable (self, "resume", state == LIBRARY_STATE_PAUSED);
  enable (self, "reset", is_up);
  enable (self, "power-button", state == LIBRARY_STATE_RUNNING);
  enable (self, "power-off", is_up);
  enable (self, "save", is_up);
  enable (self, "discard-state", can_start && state == LIBRARY_STATE_SAVED);
  enable (self, "show-window", is_up);
  enable (self, "settings", has_machine);
  enable (self, "open-folder", has_machine);
  enable (self, "export", has_machine && !is_busy && state == LIBRARY_STATE_POWERED_OFF);
  enable (self, "delete", can_start);
  manager_window_update_snapshot_actions (self);
}
