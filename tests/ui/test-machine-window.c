/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's window with a real machine in it: the firmware's screen, media, pausing, closing. */

#include "tests/ui/ui-test.h"

#include "storage/snapshot/snapshot.h"
#include "ui/machine-window-private.h"
#include "ui/snapshot-dialog.h"
#include "ui/type-dialog.h"

#include <glib/gi18n.h>

typedef struct
{
  TestStage *stage;
  LibraryMachine *record;
  Machine *machine;
  TestControl *control;
  BunshinMachineWindow *window;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  MachineConfig config = {
    .name = "Test",
    .memory = 32 << 20,
    .ide[2] = { .kind = MACHINE_SLOT_CDROM },
    .floppy_present[0] = TRUE,
  };

  fixture->stage = test_stage_new ();
  fixture->record = test_stage_add_machine (fixture->stage, "Test machine", "debian12");
  library_machine_add_drive (fixture->record, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_MEDIUM_FLOPPY, NULL, NULL);
  library_update_machine (fixture->stage->library, fixture->record, &error);
  g_assert_no_error (error);
  fixture->machine = machine_new (&config, &error);
  g_assert_no_error (error);
  fixture->control = test_control_new (fixture->record->uuid);
  test_control_set_machine (fixture->control, fixture->machine);
  test_control_set_state (fixture->control, LIBRARY_STATE_RUNNING, NULL);
  machine_start (fixture->machine, &error);
  g_assert_no_error (error);
  fixture->window = bunshin_machine_window_new (BUNSHIN_MACHINE_CONTROL (fixture->control), fixture->record,
                                                fixture->stage->library);
  gtk_window_present (GTK_WINDOW (fixture->window));
  test_settle ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_destroy_windows ();
  machine_free (fixture->machine);
  g_object_unref (fixture->control);
  library_machine_free (fixture->record);
  test_stage_free (fixture->stage);
}

static LibraryState
state (Fixture *fixture)
{
  return bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (fixture->control));
}

static void
activate (Fixture *fixture, const char *action)
{
  g_assert_true (gtk_widget_activate_action (GTK_WIDGET (fixture->window), action, NULL));
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static gboolean
shows_text (Fixture *fixture, const char *text)
{
  g_autofree char *screen = display_get_text (machine_display (fixture->machine));

  return screen != NULL && strstr (screen, text) != NULL;
}

static gboolean
has_label (GtkWidget *widget, const char *text)
{
  if (GTK_IS_LABEL (widget) && g_str_equal (gtk_label_get_text (GTK_LABEL (widget)), text))
    return TRUE;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL; child = gtk_widget_get_next_sibling (child))
    if (has_label (child, text))
      return TRUE;
  return FALSE;
}

/* What the machine's process has to say while it runs on. */
static void
test_notice (Fixture *fixture, gconstpointer data)
{
  const char *text = "No <snapshot> & “why”";

  g_assert_false (has_label (GTK_WIDGET (fixture->window), text));
  g_signal_emit_by_name (fixture->control, "notice", text);
  test_wait_until (has_label (GTK_WIDGET (fixture->window), text));
}

/* Put back to a snapshot, the machine is another one: the window lets go of the old one, which may end then, and shows and
 * drives the new one, with the drives that the library says. */
static void
test_another_machine (Fixture *fixture, gconstpointer data)
{
  MachineConfig config = { .name = "Another", .memory = 16 << 20, .ide[2] = { .kind = MACHINE_SLOT_CDROM } };
  g_autoptr (GError) error = NULL;

  test_wait_until (shows_text (fixture, "SeaBIOS"));
  activate (fixture, "win.information");
  test_settle ();
  test_control_set_machine (fixture->control, NULL);
  g_clear_pointer (&fixture->machine, machine_free);
  /* It lives on without one; the information window, too. */
  test_settle ();
  activate (fixture, "win.screenshot");

  g_ptr_array_remove (fixture->record->attachments, library_machine_find_drive (fixture->record, LIBRARY_MEDIUM_FLOPPY));
  g_assert_true (library_update_machine (fixture->stage->library, fixture->record, &error));
  fixture->machine = machine_new (&config, &error);
  g_assert_no_error (error);
  test_control_set_machine (fixture->control, fixture->machine);
  g_assert_true (machine_start (fixture->machine, &error));
  g_assert_null (library_machine_find_drive (fixture->window->record, LIBRARY_MEDIUM_FLOPPY));
  g_assert_false (gtk_widget_get_visible (GTK_WIDGET (fixture->window->lights[LIGHT_FLOPPY])));
  test_wait_until (shows_text (fixture, "SeaBIOS"));
  test_settle ();
  test_screenshot ("machine-another");
  activate (fixture, "win.reset");
}

/* The firmware's words reach the screen, and the window takes the screen's size. */
static void
test_screen (Fixture *fixture, gconstpointer data)
{
  int width, height;

  test_wait_until (shows_text (fixture, "SeaBIOS"));
  test_settle ();
  bunshin_display_view_get_guest_size (fixture->window->view, &width, &height);
  g_assert_cmpint (width, >, 0);
  test_wait_until (gtk_widget_get_width (GTK_WIDGET (fixture->window->scroller)) == width);
  g_assert_cmpint (gtk_widget_get_height (GTK_WIDGET (fixture->window->scroller)), ==, height);
  test_screenshot ("machine-screen");
}

static void
test_pause (Fixture *fixture, gconstpointer data)
{
  test_click (fixture->window->pause_button);
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_PAUSED);
  g_assert_true (gtk_widget_get_visible (fixture->window->paused_panel));
  test_screenshot ("machine-paused");
  test_control_set_state (fixture->control, LIBRARY_STATE_PAUSED,
                          "There is no room left on the disk for “system.vdi”. Make room, then resume.");
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window->paused_message)));
  test_screenshot ("machine-disk-full");
  test_click (fixture->window->paused_resume);
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
  g_assert_false (gtk_widget_get_visible (fixture->window->paused_panel));
}

static gboolean
view_has_focus (Fixture *fixture)
{
  return gtk_window_get_focus (GTK_WINDOW (fixture->window)) == GTK_WIDGET (fixture->window->view);
}

/* The keyboard is the guest's again after a menu, the host key works in the whole window, and a paused machine goes on
 * by keyboard. */
static void
test_focus (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = GTK_WINDOW (fixture->window);
  GtkWidget *popover = GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (fixture->window->keys_button)));
  gboolean seen_view = FALSE;

  if (!test_has_hands ())
    return;
  test_focus_window (window);
  test_wait_until (view_has_focus (fixture));
  gtk_menu_button_popup (GTK_MENU_BUTTON (fixture->window->keys_button));
  test_settle ();
  g_assert_false (view_has_focus (fixture));
  test_xdotool ("key", "Escape", NULL);
  test_wait_until (!gtk_widget_get_visible (popover) && view_has_focus (fixture));

  test_xdotool ("keydown", TEST_HOST_KEY, "key", "Home", "keyup", TEST_HOST_KEY, NULL);
  test_wait_until (!view_has_focus (fixture));
  test_xdotool ("keydown", TEST_HOST_KEY, "key", "i", "keyup", TEST_HOST_KEY, NULL);
  test_wait_until (test_find_window (ADW_TYPE_PREFERENCES_WINDOW) != NULL);
  gtk_window_close (test_find_window (ADW_TYPE_PREFERENCES_WINDOW));
  test_focus_window (window);
  g_assert_false (view_has_focus (fixture));
  test_xdotool ("key", TEST_HOST_KEY, NULL);
  test_wait_until (view_has_focus (fixture) && bunshin_display_view_get_captured (fixture->window->view));

  test_control_set_state (fixture->control, LIBRARY_STATE_PAUSED, NULL);
  test_wait_until (gtk_window_get_focus (window) == fixture->window->paused_resume);
  /* Tab goes through the whole window, the screen too, and comes back. */
  for (int i = 0; i == 0 || gtk_window_get_focus (window) != fixture->window->paused_resume; i++)
    {
      GtkWidget *before = gtk_window_get_focus (window);

      g_assert_cmpint (i, <, 12);
      test_xdotool ("key", "Tab", NULL);
      test_wait_until (gtk_window_get_focus (window) != before);
      seen_view |= view_has_focus (fixture);
    }
  g_assert_true (seen_view);
  test_xdotool ("key", "Return", NULL);
  test_wait_until (state (fixture) == LIBRARY_STATE_RUNNING && view_has_focus (fixture));
}

static void
test_fullscreen (Fixture *fixture, gconstpointer data)
{
  BunshinMachineWindow *window = fixture->window;
  GdkRectangle screen;
  g_autoptr (GListModel) monitors = NULL;
  g_autoptr (GdkMonitor) monitor = NULL;
  GSubprocess *manager;

  if (!test_has_hands () || (manager = test_start_window_manager ()) == NULL)
    return;
  monitors = g_object_ref (gdk_display_get_monitors (gdk_display_get_default ()));
  monitor = g_list_model_get_item (monitors, 0);
  gdk_monitor_get_geometry (monitor, &screen);
  test_focus_window (window);
  activate (fixture, "win.fullscreen");
  /* All of the screen is the guest's: no bar, no frame. */
  test_wait_until (gtk_widget_get_width (GTK_WIDGET (window->scroller)) == screen.width
                   && gtk_widget_get_height (GTK_WIDGET (window->scroller)) == screen.height);
  test_screenshot ("machine-fullscreen");
  test_xdotool ("mousemove", "600", "400", "mousemove", "600", "0", NULL);
  test_wait_until (gtk_revealer_get_reveal_child (window->fullscreen_revealer));
  test_screenshot ("machine-fullscreen-header");
  test_xdotool ("mousemove", "600", "400", NULL);
  test_wait_until (!gtk_revealer_get_reveal_child (window->fullscreen_revealer));
  /* The same by keyboard. */
  test_xdotool ("keydown", TEST_HOST_KEY, "key", "Home", "keyup", TEST_HOST_KEY, NULL);
  test_wait_until (gtk_revealer_get_reveal_child (window->fullscreen_revealer) && !view_has_focus (fixture));
  test_xdotool ("key", TEST_HOST_KEY, NULL);
  test_wait_until (view_has_focus (fixture) && !gtk_revealer_get_reveal_child (window->fullscreen_revealer));
  test_xdotool ("keydown", TEST_HOST_KEY, "key", "f", "keyup", TEST_HOST_KEY, NULL);
  test_wait_until (!gtk_window_is_fullscreen (GTK_WINDOW (window)));
  g_assert_true (gtk_widget_get_visible (window->status_bar));
  g_assert_true (gtk_widget_get_parent (GTK_WIDGET (window->header)) == GTK_WIDGET (window->box));
  gtk_widget_set_visible (GTK_WIDGET (window), FALSE);
  test_stop_window_manager (manager);
}

static void
test_close (Fixture *fixture, gconstpointer data)
{
  AdwMessageDialog *dialog;

  gtk_window_close (GTK_WINDOW (fixture->window));
  /* Enter must not pull the plug. */
  dialog = test_wait_for_dialog ();
  g_assert_true (gtk_window_get_focus (GTK_WINDOW (dialog)) == gtk_window_get_default_widget (GTK_WINDOW (dialog)));
  g_assert_cmpstr (gtk_button_get_label (GTK_BUTTON (gtk_window_get_focus (GTK_WINDOW (dialog)))), ==, _("_Cancel"));
  test_screenshot ("machine-close");
  test_respond ("cancel");
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window)));
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_respond ("background");
  g_assert_false (gtk_widget_get_visible (GTK_WIDGET (fixture->window)));
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
  gtk_window_present (GTK_WINDOW (fixture->window));
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_respond ("off");
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_POWERED_OFF);
}

static void
test_confirmations (Fixture *fixture, gconstpointer data)
{
  activate (fixture, "win.reset");
  test_respond ("cancel");
  activate (fixture, "win.power-off");
  test_respond ("confirm");
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_POWERED_OFF);
}

static int
count_entries (Fixture *fixture, int section)
{
  g_autoptr (GMenuModel) entries = g_menu_model_get_item_link (G_MENU_MODEL (fixture->window->media_menu), section,
                                                               G_MENU_LINK_SECTION);

  return g_menu_model_get_n_items (entries);
}

static void
test_media (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (g_menu_model_get_n_items (G_MENU_MODEL (fixture->window->media_menu)), ==, 2);
  g_assert_cmpint (count_entries (fixture, 0), ==, 1);
  /* Another process put a disc in: the menu knows when it opens. */
  library_set_medium (fixture->stage->library, fixture->record->uuid, LIBRARY_CONTROLLER_IDE, 2, "/images/some disc.iso",
                      NULL);
  gtk_menu_button_popup (GTK_MENU_BUTTON (fixture->window->media_button));
  test_settle ();
  test_screenshot ("machine-media");
  g_assert_cmpint (count_entries (fixture, 0), ==, 2);
  gtk_menu_button_popdown (GTK_MENU_BUTTON (fixture->window->media_button));
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.eject", "s", "ide2");
  test_wait_until (count_entries (fixture, 0) == 1);
  /* A locked drive can be emptied by force. */
  machine_window_note_ejected (fixture->window, "ide2");
  test_control_fail_next (fixture->control, G_IO_ERROR_BUSY, "the guest has locked the drive");
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.eject", "s", "ide2");
  test_wait_until (test_find_window (ADW_TYPE_MESSAGE_DIALOG) != NULL);
  test_screenshot ("machine-force");
  test_respond ("confirm");
}

static void
test_menus (Fixture *fixture, gconstpointer data)
{
  gtk_menu_button_popup (GTK_MENU_BUTTON (fixture->window->menu_button));
  test_settle ();
  test_screenshot ("machine-menu");
  gtk_menu_button_popdown (GTK_MENU_BUTTON (fixture->window->menu_button));
  gtk_menu_button_popup (GTK_MENU_BUTTON (fixture->window->keys_button));
  test_settle ();
  test_screenshot ("machine-keys");
  gtk_menu_button_popdown (GTK_MENU_BUTTON (fixture->window->keys_button));
  activate (fixture, "win.type-text");
  test_wait_until (test_find_window (BUNSHIN_TYPE_TYPE_DIALOG) != NULL);
  test_screenshot ("machine-type");
  gtk_window_close (test_find_window (BUNSHIN_TYPE_TYPE_DIALOG));
  activate (fixture, "win.information");
  test_wait_until (test_find_window (ADW_TYPE_PREFERENCES_WINDOW) != NULL);
  test_screenshot ("machine-information");
  gtk_window_close (test_find_window (ADW_TYPE_PREFERENCES_WINDOW));
  activate (fixture, "win.shortcuts");
  test_wait_until (test_find_window (GTK_TYPE_SHORTCUTS_WINDOW) != NULL);
  test_screenshot ("machine-shortcuts");
  gtk_window_close (test_find_window (GTK_TYPE_SHORTCUTS_WINDOW));
}

static void
test_scaling (Fixture *fixture, gconstpointer data)
{
  g_autofree char *stored = NULL;

  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.scale", "s", "native");
  g_assert_cmpint (bunshin_display_view_get_scale_mode (fixture->window->view), ==, DISPLAY_SCALE_NATIVE);
  stored = library_get_setting (fixture->stage->library, "scale-mode");
  g_assert_cmpstr (stored, ==, "native");
  gtk_window_set_default_size (GTK_WINDOW (fixture->window), 420, 360);
  test_screenshot ("machine-scrolled");
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.scale", "s", "fit");
  test_screenshot ("machine-small");
}

/* --- Snapshots --- */

static void
answer_snapshot_dialog (const char *name)
{
  GtkWindow *dialog;

  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_SNAPSHOT_DIALOG)) != NULL);
  test_settle ();
  if (name != NULL)
    test_type (test_find (dialog, "name_row"), name);
  test_click (test_find (dialog, "done_button"));
}

static guint
count_snapshots (Fixture *fixture)
{
  g_autoptr (GPtrArray) snapshots = snapshot_list (fixture->stage->library, fixture->record, FALSE, NULL);

  return snapshots->len;
}

/* The labels of what the menu says about snapshots, by line. */
static char *
menu_labels (Fixture *fixture)
{
  GMenuModel *menu = G_MENU_MODEL (fixture->window->snapshot_section);
  g_autoptr (GString) labels = g_string_new (NULL);

  gtk_menu_button_popup (GTK_MENU_BUTTON (fixture->window->menu_button));
  test_settle ();
  for (int i = 0; i < g_menu_model_get_n_items (menu); i++)
    {
      g_autofree char *label = NULL;

      g_menu_model_get_item_attribute (menu, i, G_MENU_ATTRIBUTE_LABEL, "s", &label);
      g_string_append_printf (labels, "%s\n", label);
    }
  test_screenshot ("machine-snapshot-menu");
  gtk_menu_button_popdown (GTK_MENU_BUTTON (fixture->window->menu_button));
  test_settle ();
  return g_string_free (g_steal_pointer (&labels), FALSE);
}

static void
test_snapshots (Fixture *fixture, gconstpointer data)
{
  g_autofree char *before = menu_labels (fixture), *after = NULL;

  test_control_set_library (fixture->control, fixture->stage->library);
  g_assert_true (g_str_has_suffix (before, "\n") && strchr (before, '\n') == before + strlen (before) - 1);
  activate (fixture, "win.take-snapshot");
  test_wait_until (test_find_window (BUNSHIN_TYPE_SNAPSHOT_DIALOG) != NULL);
  test_screenshot ("machine-take-snapshot");
  answer_snapshot_dialog ("Here_and now");
  test_wait_until (count_snapshots (fixture) == 1);
  /* Underscores of a name are none of a key. */
  after = menu_labels (fixture);
  g_assert_nonnull (strstr (after, "Here__and now"));

  activate (fixture, "win.back");
  test_wait_for_dialog ();
  test_screenshot ("machine-back");
  test_respond ("restore");
  test_wait_until (count_snapshots (fixture) == 2);

  /* While it is under way nothing else begins; it can be stopped. */
  test_control_hold_snapshots (fixture->control);
  activate (fixture, "win.take-snapshot");
  answer_snapshot_dialog (NULL);
  g_assert_true (gtk_widget_get_visible (fixture->window->work_panel));
  test_control_set_progress (fixture->control, 0.3);
  test_screenshot ("machine-taking");
  g_assert_false (g_action_get_enabled (g_action_map_lookup_action (fixture->window->actions, "take-snapshot")));
  test_click (fixture->window->work_stop);
  test_control_let_go (fixture->control);
  test_wait_until (!gtk_widget_get_visible (fixture->window->work_panel));
  g_assert_null (test_find_window (ADW_TYPE_MESSAGE_DIALOG));

  test_control_fail_next (fixture->control, G_IO_ERROR_NO_SPACE, "“disks”: 2 GiB are needed, 1 GiB is free");
  activate (fixture, "win.take-snapshot");
  answer_snapshot_dialog (NULL);
  test_wait_for_dialog ();
  test_screenshot ("machine-take-failed");
  test_respond ("close");
}

/* The library has a drive under way; the window learns of it as of any change. */
static void
begin_drive (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  test_control_set_library (fixture->control, fixture->stage->library);
  snapshot_drive_begin (fixture->stage->library, fixture->record->uuid, NULL, &error);
  g_assert_no_error (error);
  test_control_set_state (fixture->control, LIBRARY_STATE_RUNNING, NULL);
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window->drive_bar)));
  test_settle ();
}

static void
test_drive_close (Fixture *fixture, gconstpointer data)
{
  g_autofree char *labels = NULL;

  begin_drive (fixture);
  g_assert_cmpstr (adw_window_title_get_subtitle (fixture->window->title), ==, _("Test drive"));
  test_screenshot ("machine-drive");
  labels = menu_labels (fixture);
  g_assert_nonnull (strstr (labels, _("_Go Back to the Start of the Test Drive")));
  /* It begins anew without a question. */
  test_control_hold_snapshots (fixture->control);
  activate (fixture, "win.back");
  g_assert_cmpstr (test_control_get_request (fixture->control), ==, "restore (null) (null) 0");
  test_control_let_go (fixture->control);
  test_wait_until (!gtk_widget_get_visible (fixture->window->work_panel));

  gtk_window_close (GTK_WINDOW (fixture->window));
  g_assert_cmpstr (adw_message_dialog_get_default_response (test_wait_for_dialog ()), ==, "discard");
  test_screenshot ("machine-drive-close");
  test_respond ("cancel");
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window)));
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_respond ("discard");
  test_wait_until (state (fixture) == LIBRARY_STATE_POWERED_OFF);
  g_assert_false (snapshot_in_drive (fixture->stage->library, fixture->record->uuid));
}

/* What is kept runs on, and the window still wants to close. */
static void
test_drive_keep (Fixture *fixture, gconstpointer data)
{
  begin_drive (fixture);
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_respond ("keep");
  g_assert_true (adw_message_dialog_has_response (test_wait_for_dialog (), "off"));
  g_assert_false (gtk_widget_get_visible (GTK_WIDGET (fixture->window->drive_bar)));
  test_respond ("cancel");
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
  g_assert_cmpstr (adw_window_title_get_subtitle (fixture->window->title), ==, "");

  begin_drive (fixture);
  activate (fixture, "win.end-drive");
  test_respond ("keep-as");
  answer_snapshot_dialog ("Worth it");
  test_wait_until (count_snapshots (fixture) == 1);
  g_assert_false (gtk_widget_get_visible (GTK_WIDGET (fixture->window->drive_bar)));
  g_assert_null (test_find_window (ADW_TYPE_MESSAGE_DIALOG));
}

/* The guest powers off: the window asks, without a dialog. */
static void
test_drive_ended (Fixture *fixture, gconstpointer data)
{
  begin_drive (fixture);
  gtk_widget_set_visible (GTK_WIDGET (fixture->window), FALSE);
  test_control_set_state (fixture->control, LIBRARY_STATE_STOPPING, NULL);
  test_control_set_drive_ended (fixture->control, TRUE);
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window)));
  g_assert_true (gtk_widget_get_visible (fixture->window->drive_panel));
  test_settle ();
  g_assert_true (gtk_window_get_focus (GTK_WINDOW (fixture->window)) == fixture->window->drive_discard);
  test_screenshot ("machine-drive-ended");
  test_click (test_find (fixture->window, "drive_keep"));
  test_wait_until (!snapshot_in_drive (fixture->stage->library, fixture->record->uuid));
  g_assert_nonnull (strstr (test_control_get_request (fixture->control), "end"));
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/machine-window/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("screen", test_screen);
  ADD ("notice", test_notice);
  ADD ("another-machine", test_another_machine);
  ADD ("pause", test_pause);
  ADD ("focus", test_focus);
  ADD ("fullscreen", test_fullscreen);
  ADD ("close", test_close);
  ADD ("confirmations", test_confirmations);
  ADD ("media", test_media);
  ADD ("menus", test_menus);
  ADD ("scaling", test_scaling);
  ADD ("snapshots", test_snapshots);
  ADD ("drive-close", test_drive_close);
  ADD ("drive-keep", test_drive_keep);
  ADD ("drive-ended", test_drive_ended);
#undef ADD
  return g_test_run ();
}
