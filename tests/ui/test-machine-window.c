/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The machine's window with a real machine in it: the firmware's screen, media, pausing, closing. */

#include "tests/ui/ui-test.h"

#include "ui/machine-window-private.h"
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

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/machine-window/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("screen", test_screen);
  ADD ("pause", test_pause);
  ADD ("focus", test_focus);
  ADD ("fullscreen", test_fullscreen);
  ADD ("close", test_close);
  ADD ("confirmations", test_confirmations);
  ADD ("media", test_media);
  ADD ("menus", test_menus);
  ADD ("scaling", test_scaling);
#undef ADD
  return g_test_run ();
}
