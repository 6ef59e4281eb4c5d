/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager window: list, verbs, search, deleting with undo, changes from outside. */

#include "tests/ui/ui-test.h"

#include "ui/machine-row.h"
#include "ui/manager-window.h"
#include "ui/wizard.h"

static GtkWidget *
open_manager (TestStage *stage)
{
  UiManagerEnv env = { .library = stage->library, .host = &stage->host };
  GtkWidget *window = GTK_WIDGET (bunshin_manager_window_new (NULL, &env));

  gtk_window_present (GTK_WINDOW (window));
  test_settle ();
  return window;
}

static guint
count_rows (GtkWidget *window)
{
  GtkListBox *list = GTK_LIST_BOX (test_find (window, "list"));
  guint count = 0;

  while (gtk_list_box_get_row_at_index (list, count) != NULL)
    count++;
  return count;
}

static const char *
selected_name (GtkWidget *window)
{
  GtkListBoxRow *row = gtk_list_box_get_selected_row (GTK_LIST_BOX (test_find (window, "list")));

  return row != NULL ? bunshin_machine_item_get_name (bunshin_machine_row_get_item (BUNSHIN_MACHINE_ROW (row))) : NULL;
}

static const char *
shown_page (GtkWidget *window)
{
  return gtk_stack_get_visible_child_name (GTK_STACK (test_find (window, "stack")));
}

static void
test_empty (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  GtkWidget *window = open_manager (stage);

  g_assert_cmpstr (shown_page (window), ==, "empty");
  test_screenshot ("manager-empty");
  test_click (test_find (window, "empty_new_button"));
  g_assert_nonnull (test_find_window (BUNSHIN_TYPE_WIZARD));
}

static void
test_verbs (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) first = test_stage_add_machine (stage, "Alpine test", "alpinelinux3.17");
  g_autoptr (LibraryMachine) second = test_stage_add_machine (stage, "Debian <b> & friends", "debian12");
  g_autoptr (LibraryMachine) third = test_stage_add_machine (stage, "Windows 10", "win10");
  GtkWidget *window = open_manager (stage);
  TestControl *control = test_stage_control (stage, first->uuid);

  test_wait_until (selected_name (window) != NULL);
  g_assert_cmpstr (selected_name (window), ==, "Alpine test");
  g_assert_cmpuint (count_rows (window), ==, 3);
  test_screenshot ("manager-off");
  gtk_widget_activate_action (window, "win.context-menu", NULL);
  test_settle ();
  test_screenshot ("manager-context-menu");
  gtk_popover_popdown (GTK_POPOVER (test_find (window, "context_menu")));

  test_click (test_find (window, "start_button"));
  test_wait_until (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (control)) == LIBRARY_STATE_RUNNING);
  g_assert_true (gtk_widget_get_visible (test_find (window, "show_button")));
  g_assert_false (gtk_widget_get_visible (test_find (window, "start_button")));
  test_wait_until (g_str_equal (gtk_stack_get_visible_child_name (GTK_STACK (test_find (window, "preview_stack"))),
                                "screen"));
  test_screenshot ("manager-running");

  test_click (test_find (window, "pause_button"));
  g_assert_true (gtk_widget_get_visible (test_find (window, "resume_button")));
  test_control_set_state (control, LIBRARY_STATE_PAUSED, "The disk “system.vdi” is full: make room, then resume");
  test_screenshot ("manager-paused");
  test_click (test_find (window, "resume_button"));
  g_assert_cmpint (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (control)), ==, LIBRARY_STATE_RUNNING);

  /* Powering off asks first. */
  gtk_widget_activate_action (window, "win.power-off", NULL);
  test_screenshot ("manager-power-off");
  test_respond ("cancel");
  g_assert_cmpint (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (control)), ==, LIBRARY_STATE_RUNNING);
  gtk_widget_activate_action (window, "win.power-off", NULL);
  test_respond ("confirm");
  g_assert_cmpint (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (control)), ==,
                   LIBRARY_STATE_POWERED_OFF);

  /* A failure is told, and the machine can be tried again. */
  test_control_fail_next (control, G_IO_ERROR_BUSY,
                          "cannot open “system.vdi”: it is in use by another machine or program");
  test_click (test_find (window, "start_button"));
  test_wait_until (test_find_window (ADW_TYPE_MESSAGE_DIALOG) != NULL);
  test_screenshot ("manager-error");
  test_respond ("close");
  g_assert_true (gtk_widget_is_sensitive (test_find (window, "start_button")));
}

/* Whether any visible label of the window has this text. */
static gboolean
says (GtkWidget *widget, const char *text)
{
  if (!gtk_widget_get_mapped (widget))
    return FALSE;
  if (GTK_IS_LABEL (widget) && g_str_equal (gtk_label_get_text (GTK_LABEL (widget)), text))
    return TRUE;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL; child = gtk_widget_get_next_sibling (child))
    if (says (child, text))
      return TRUE;
  return FALSE;
}

/* What an earlier run had left is told where the user looks, not in a log. */
static void
test_notices (void)
{
  static const char *const notices[] = { "removed what an interrupted import had left in “/x”", NULL };
  g_autoptr (TestStage) stage = test_stage_new ();
  UiManagerEnv env = { .library = stage->library, .host = &stage->host, .notices = notices };
  GtkWidget *window = GTK_WIDGET (bunshin_manager_window_new (NULL, &env));

  gtk_window_present (GTK_WINDOW (window));
  test_wait_until (says (window, "Removed what an interrupted import had left in “/x”."));
  test_screenshot ("manager-notice");
}

/* As the machine starts, or something is done with its snapshots. */
static void
test_machine_notice (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) machine = test_stage_add_machine (stage, "Debian <b> & friends", "debian12");
  GtkWidget *window = open_manager (stage);

  g_signal_emit_by_name (test_stage_control (stage, machine->uuid), "notice",
                         "discarded a test drive that had been interrupted");
  test_wait_until (says (window, "Debian <b> & friends: discarded a test drive that had been interrupted"));
  test_screenshot ("manager-notice-machine");
}

/* Hands what was dropped to whatever waits for it on the window. */
static gboolean
drop (GtkWidget *window, const char *path)
{
  g_autoptr (GListModel) controllers = gtk_widget_observe_controllers (window);
  g_auto (GValue) value = G_VALUE_INIT;
  gboolean taken = FALSE;

  g_value_init (&value, G_TYPE_FILE);
  g_value_take_object (&value, g_file_new_for_path (path));
  for (guint i = 0; i < g_list_model_get_n_items (controllers); i++)
    {
      g_autoptr (GObject) controller = g_list_model_get_item (controllers, i);

      if (GTK_IS_DROP_TARGET (controller))
        g_signal_emit_by_name (controller, "drop", &value, 10.0, 10.0, &taken);
    }
  return taken;
}

static void
test_drop (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  GtkWidget *window = open_manager (stage);
  GtkWindow *wizard;

  g_assert_true (drop (window, "/images/debian.iso"));
  wizard = test_find_window (BUNSHIN_TYPE_WIZARD);
  g_assert_nonnull (wizard);
  g_assert_cmpstr (adw_action_row_get_subtitle (ADW_ACTION_ROW (test_find (wizard, "disc_row"))), ==,
                   "/images/debian.iso");
  test_wait_until (!gtk_spinner_get_spinning (GTK_SPINNER (test_find (wizard, "disc_spinner"))));
}

/* Two clicks and Enter start a machine. */
static void
test_open (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) record = test_stage_add_machine (stage, "Debian", "debian12");
  GtkWidget *window = open_manager (stage), *row;
  BunshinMachineControl *control = BUNSHIN_MACHINE_CONTROL (test_stage_control (stage, record->uuid));
  g_autofree char *x = NULL, *y = NULL;
  double row_x, row_y;

  if (!test_has_hands ())
    return;
  test_wait_until (selected_name (window) != NULL);
  test_focus_window (window);
  row = GTK_WIDGET (gtk_list_box_get_row_at_index (GTK_LIST_BOX (test_find (window, "list")), 0));
  g_assert_true (gtk_widget_translate_coordinates (row, window, 20, 10, &row_x, &row_y));
  x = g_strdup_printf ("%d", (int) row_x + 5);
  y = g_strdup_printf ("%d", (int) row_y + 5);
  test_xdotool ("mousemove", x, y, "click", "1", NULL);
  test_pass_time (600);
  g_assert_cmpint (bunshin_machine_control_get_state (control), ==, LIBRARY_STATE_POWERED_OFF);
  test_xdotool ("click", "--repeat", "2", "--delay", "80", "1", NULL);
  test_wait_until (bunshin_machine_control_get_state (control) == LIBRARY_STATE_RUNNING);

  test_control_set_state (TEST_CONTROL (control), LIBRARY_STATE_POWERED_OFF, NULL);
  gtk_widget_grab_focus (row);
  test_xdotool ("key", "Return", NULL);
  test_wait_until (bunshin_machine_control_get_state (control) == LIBRARY_STATE_RUNNING);
}

static void
test_search (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) first = test_stage_add_machine (stage, "Élan", NULL);
  g_autoptr (LibraryMachine) second = test_stage_add_machine (stage, "Debian", "debian12");
  GtkWidget *window = open_manager (stage);

  gtk_widget_activate_action (window, "win.search", NULL);
  test_type (test_find (window, "search_entry"), "éLAN");
  test_wait_until (count_rows (window) == 1);
  test_wait_until (g_strcmp0 (selected_name (window), "Élan") == 0);
  test_type (test_find (window, "search_entry"), "nothing like it");
  test_wait_until (count_rows (window) == 0);
  g_assert_cmpstr (shown_page (window), ==, "machines");
  test_type (test_find (window, "search_entry"), "");
  test_wait_until (count_rows (window) == 2);
}

static void
test_outside_changes (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  GtkWidget *window = open_manager (stage);
  g_autoptr (GError) error = NULL;
  g_autoptr (Library) other = library_open (stage->home, &error);
  g_autoptr (LibraryMachine) record = library_machine_new ("From elsewhere");

  g_assert_no_error (error);
  library_add_machine (other, record, &error);
  g_assert_no_error (error);
  test_wait_until (g_strcmp0 (selected_name (window), "From elsewhere") == 0);
  g_assert_cmpstr (shown_page (window), ==, "machines");

  g_free (record->name);
  record->name = g_strdup ("Renamed");
  library_update_machine (other, record, &error);
  g_assert_no_error (error);
  test_wait_until (g_strcmp0 (selected_name (window), "Renamed") == 0);
  g_assert_cmpstr (gtk_label_get_label (GTK_LABEL (test_find (test_find (window, "details"), "name_label"))), ==,
                   "Renamed");
  g_assert_cmpstr (adw_view_switcher_title_get_title (ADW_VIEW_SWITCHER_TITLE (test_find (window, "machine_title"))), ==,
                   "Renamed");

  library_delete_machine (other, record->uuid, NULL, &error);
  g_assert_no_error (error);
  test_wait_until (g_str_equal (shown_page (window), "empty"));
}

static void
test_delete (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) keep = test_stage_add_machine (stage, "A keeper", NULL);
  g_autoptr (LibraryMachine) lose = test_stage_add_machine (stage, "B goner", NULL);
  g_autofree char *disk = library_new_disk_path (lose, "vdi");
  g_autoptr (LibraryMachine) kept = NULL;
  g_autoptr (GError) error = NULL;
  GtkWidget *window;

  g_file_set_contents (disk, "not really a disk", -1, &error);
  g_assert_no_error (error);
  library_machine_add_attachment (lose, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, disk, "vdi");
  library_update_machine (stage->library, lose, &error);
  g_assert_no_error (error);
  window = open_manager (stage);
  test_wait_until (selected_name (window) != NULL);

  /* Without a disk: at once, and back with Undo. */
  gtk_widget_activate_action (window, "win.delete", NULL);
  test_wait_until (count_rows (window) == 1);
  test_screenshot ("manager-deleted");
  test_click (test_find_label (window, "_Undo"));
  test_wait_until (count_rows (window) == 2);
  g_assert_cmpstr (selected_name (window), ==, "A keeper");

  /* With one: what becomes of the disk is asked. Closing the window carries it out. */
  gtk_list_box_select_row (GTK_LIST_BOX (test_find (window, "list")),
                           gtk_list_box_get_row_at_index (GTK_LIST_BOX (test_find (window, "list")), 1));
  gtk_widget_activate_action (window, "win.delete", NULL);
  test_screenshot ("manager-delete-question");
  test_respond ("delete");
  test_wait_until (count_rows (window) == 1);
  g_assert_true (g_file_test (disk, G_FILE_TEST_EXISTS));
  gtk_window_close (GTK_WINDOW (window));
  test_settle ();
  g_assert_false (g_file_test (disk, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (lose->folder, G_FILE_TEST_EXISTS));
  g_assert_null (library_find (stage->library, lose->uuid, NULL));
  kept = library_find (stage->library, keep->uuid, &error);
  g_assert_no_error (error);
}

static void
test_narrow (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autoptr (LibraryMachine) record = test_stage_add_machine (stage, "Debian", "debian12");
  GtkWidget *window = open_manager (stage);
  AdwLeaflet *leaflet = ADW_LEAFLET (test_find (window, "leaflet"));

  gtk_window_set_default_size (GTK_WINDOW (window), 380, 640);
  test_wait_until (adw_leaflet_get_folded (leaflet));
  test_screenshot ("manager-narrow-list");
  g_signal_emit_by_name (test_find (window, "list"), "row-activated",
                         gtk_list_box_get_row_at_index (GTK_LIST_BOX (test_find (window, "list")), 0));
  g_assert_true (adw_leaflet_get_visible_child (leaflet) == test_find (window, "detail_pane"));
  test_screenshot ("manager-narrow-details");
  gtk_widget_activate_action (window, "win.back", NULL);
  g_assert_true (adw_leaflet_get_visible_child (leaflet) == test_find (window, "sidebar"));
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
  g_test_add_func ("/ui/manager/empty", test_empty);
  g_test_add_func ("/ui/manager/verbs", test_verbs);
  g_test_add_func ("/ui/manager/notices", test_notices);
  g_test_add_func ("/ui/manager/machine-notice", test_machine_notice);
  g_test_add_func ("/ui/manager/drop", test_drop);
  g_test_add_func ("/ui/manager/open", test_open);
  g_test_add_func ("/ui/manager/search", test_search);
  g_test_add_func ("/ui/manager/outside-changes", test_outside_changes);
  g_test_add_func ("/ui/manager/delete", test_delete);
  g_test_add_func ("/ui/manager/narrow", test_narrow);
  return g_test_run ();
}
