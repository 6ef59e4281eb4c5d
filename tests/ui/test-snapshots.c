/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of snapshots over a real library: taking, going back, deleting, editing, cloning, by mouse and by keyboard.
 */

#include "tests/ui/ui-test.h"

#include "storage/snapshot/snapshot.h"
#include "ui/clone-dialog.h"
#include "ui/manager-window.h"
#include "ui/snapshot-dialog.h"
#include "ui/snapshot-row.h"
#include "ui/snapshot-text.h"

#include <glib/gi18n.h>

enum
{
  DISK_SIZE = 8 << 20,
  MANY = 100
};

typedef struct
{
  TestStage *stage;
  LibraryMachine *record;
  TestControl *control;
  GtkWidget *window;
} Fixture;

static void
add_disk (Fixture *fixture)
{
  g_autofree char *path = library_new_disk_path (fixture->record, "vdi");
  const DiskCreateOptions options = { .size = DISK_SIZE };
  g_autoptr (GError) error = NULL;

  disk_create (path, &options, &error);
  g_assert_no_error (error);
  library_machine_add_attachment (fixture->record, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, path, "vdi");
  library_update_machine (fixture->stage->library, fixture->record, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  UiManagerEnv env;

  fixture->stage = test_stage_new ();
  fixture->record = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  add_disk (fixture);
  env = (UiManagerEnv) { .library = fixture->stage->library, .host = &fixture->stage->host };
  fixture->window = GTK_WIDGET (bunshin_manager_window_new (NULL, &env));
  gtk_window_present (GTK_WINDOW (fixture->window));
  test_settle ();
  fixture->control = test_stage_control (fixture->stage, fixture->record->uuid);
  test_control_set_library (fixture->control, fixture->stage->library);
  gtk_widget_activate_action (fixture->window, "win.snapshots", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  library_machine_free (fixture->record);
  test_stage_free (fixture->stage);
}

/* --- The machine's present --- */

static LibraryMachine *
find_record (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  LibraryMachine *record = library_find (fixture->stage->library, fixture->record->uuid, &error);

  g_assert_no_error (error);
  return record;
}

/* Without the page. */
static char *
take (Fixture *fixture, const char *name, SnapshotKind kind)
{
  g_autoptr (LibraryMachine) record = find_record (fixture);
  const SnapshotOptions options = { .name = name, .kind = kind };
  g_autoptr (GError) error = NULL;
  char *uuid = snapshot_take_off (fixture->stage->library, record, &options, &error);

  g_assert_no_error (error);
  return uuid;
}

static void
restore (Fixture *fixture, const char *uuid)
{
  g_autoptr (GError) error = NULL;

  snapshot_restore (fixture->stage->library, fixture->record->uuid, uuid, &error);
  g_assert_no_error (error);
}

static void
write_to_disk (Fixture *fixture, const char *text)
{
  g_autoptr (LibraryMachine) record = find_record (fixture);
  const LibraryAttachment *drive = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  const DiskOpenOptions options = { .chain = (const char *const *) drive->chain };
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open_with (drive->path, &options, &error);
  char sector[512] = { 0 };

  g_assert_no_error (error);
  g_strlcpy (sector, text, sizeof sector);
  disk_write (disk, 0, sector, sizeof sector, &error);
  g_assert_no_error (error);
}

static char *
read_from_disk (const LibraryMachine *record)
{
  const LibraryAttachment *drive = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  const DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY, .chain = (const char *const *) drive->chain };
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open_with (drive->path, &options, &error);
  char sector[512];

  g_assert_no_error (error);
  disk_read (disk, 0, sector, sizeof sector, &error);
  g_assert_no_error (error);
  return g_strndup (sector, sizeof sector);
}

static void
assert_disk (Fixture *fixture, const char *expected)
{
  g_autoptr (LibraryMachine) record = find_record (fixture);
  g_autofree char *text = read_from_disk (record);

  g_assert_cmpstr (text, ==, expected);
}

/* --- The page --- */

static const char *
shown_page (Fixture *fixture)
{
  return gtk_stack_get_visible_child_name (GTK_STACK (test_find (test_find (fixture->window, "snapshots"), "stack")));
}

static GtkListBox *
timeline (Fixture *fixture)
{
  return GTK_LIST_BOX (test_find (fixture->window, "timeline"));
}

static BunshinSnapshotItem *
item_at (Fixture *fixture, int index)
{
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (timeline (fixture), index);

  return row != NULL ? bunshin_snapshot_row_get_item (BUNSHIN_SNAPSHOT_ROW (row)) : NULL;
}

/* "Current State, B, A": from above. */
static char *
shown_names (Fixture *fixture)
{
  g_autoptr (GString) names = g_string_new (NULL);
  BunshinSnapshotItem *item;

  for (int i = 0; (item = item_at (fixture, i)) != NULL; i++)
    g_string_append_printf (names, "%s%*s%s", i > 0 ? "," : "", (int) bunshin_snapshot_item_get_place (item)->column,
                            "", bunshin_snapshot_item_is_present (item) ? "*" : bunshin_snapshot_item_get_name (item));
  return g_string_free (g_steal_pointer (&names), FALSE);
}

static gboolean
shows (Fixture *fixture, const char *names)
{
  g_autofree char *shown = shown_names (fixture);

  return g_str_equal (shown, names);
}

static GtkWidget *
find_row (Fixture *fixture, const char *name)
{
  BunshinSnapshotItem *item;

  for (int i = 0; (item = item_at (fixture, i)) != NULL; i++)
    if (g_str_equal (bunshin_snapshot_item_get_name (item), name))
      return GTK_WIDGET (gtk_list_box_get_row_at_index (timeline (fixture), i));
  g_error ("there is no row “%s”", name);
}

static const char *
detail (Fixture *fixture, const char *name)
{
  return gtk_label_get_label (GTK_LABEL (test_find (find_row (fixture, name), "detail_label")));
}

/* What is said of the present state of a machine that is off. */
static gboolean
present_is (Fixture *fixture, const char *format, const char *snapshot)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  g_autofree char *text = g_strdup_printf (format, _("Powered off"), snapshot);
#pragma GCC diagnostic pop

  return g_str_equal (detail (fixture, _("Current State")), text);
}

static void
verb (Fixture *fixture, const char *name, const char *action)
{
  g_assert_true (gtk_widget_activate_action (find_row (fixture, name), action, NULL));
}

static gboolean
is_idle (Fixture *fixture)
{
  return gtk_widget_is_sensitive (test_find (fixture->window, "take_button"));
}

static void
answer_dialog (GType type, const char *name)
{
  GtkWindow *dialog;

  test_wait_until ((dialog = test_find_window (type)) != NULL);
  test_settle ();
  if (name != NULL)
    test_type (test_find (dialog, "name_row"), name);
  test_click (gtk_window_get_default_widget (dialog));
}

/* --- Tests --- */

static void
test_take (Fixture *fixture, gconstpointer data)
{
  GtkWindow *dialog;
  GtkTextBuffer *description;

  test_wait_until (g_str_equal (shown_page (fixture), "empty"));
  test_screenshot ("snapshots-empty");
  test_click (test_find (fixture->window, "empty_take_button"));
  dialog = test_find_window (BUNSHIN_TYPE_SNAPSHOT_DIALOG);
  g_assert_true (g_str_has_suffix (gtk_editable_get_text (GTK_EDITABLE (test_find (dialog, "name_row"))), " 1"));
  /* A name is needed. */
  test_type (test_find (dialog, "name_row"), "  ");
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "done_button")));
  test_type (test_find (dialog, "name_row"), " Fresh & <new> ");
  description = gtk_text_view_get_buffer (GTK_TEXT_VIEW (test_find (dialog, "description_view")));
  gtk_text_buffer_set_text (description, "Nothing is installed yet", -1);
  test_screenshot ("snapshots-take");
  answer_dialog (BUNSHIN_TYPE_SNAPSHOT_DIALOG, NULL);
  test_wait_until (shows (fixture, "*,Fresh & <new>"));
  g_assert_cmpstr (
      gtk_label_get_label (GTK_LABEL (test_find (find_row (fixture, "Fresh & <new>"), "description_label"))), ==,
      "Nothing is installed yet");
  test_wait_until (present_is (fixture, _("%s · as in “%s”"), "Fresh & <new>"));
  test_screenshot ("snapshots-one");

  /* The next one by the shortcut's action, while the machine runs: it has a picture. */
  test_control_set_state (fixture->control, LIBRARY_STATE_RUNNING, NULL);
  gtk_widget_activate_action (fixture->window, "win.take-snapshot", NULL);
  answer_dialog (BUNSHIN_TYPE_SNAPSHOT_DIALOG, "Running");
  test_wait_until (shows (fixture, "*,Running,Fresh & <new>"));
  test_wait_until (bunshin_snapshot_item_get_thumbnail (item_at (fixture, 1)) != NULL);
  test_screenshot ("snapshots-two");
}

static void
test_tree (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = take (fixture, "Fresh install", SNAPSHOT_USER);
  g_autofree char *second = take (fixture, "With updates", SNAPSHOT_USER);
  g_autofree char *branch = take (fixture, "An experiment", SNAPSHOT_USER), *third = NULL, *fourth = NULL,
                  *other = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Library) outside = NULL;

  restore (fixture, second);
  third = take (fixture, "Before the import of settings", SNAPSHOT_AUTOMATIC);
  fourth = take (fixture, "Ready", SNAPSHOT_USER);
  test_wait_until (shows (fixture, "*,Ready,Before the import of settings, An experiment,With updates,Fresh install"));
  g_assert_cmpuint (bunshin_snapshot_item_get_place (item_at (fixture, 3))->below, ==, SNAPSHOT_BELOW_JOINS);
  test_screenshot ("snapshots-tree");

  /* What another process does shows, too; the selection stays with its snapshot. */
  gtk_list_box_select_row (timeline (fixture), GTK_LIST_BOX_ROW (find_row (fixture, "With updates")));
  outside = library_open (fixture->stage->home, &error);
  g_assert_no_error (error);
  snapshot_restore (outside, fixture->record->uuid, first, &error);
  g_assert_no_error (error);
  test_wait_until (
      shows (fixture, "*, Ready, Before the import of settings,  An experiment, With updates,Fresh install"));
  g_assert_true (gtk_list_box_get_selected_row (timeline (fixture))
                 == GTK_LIST_BOX_ROW (find_row (fixture, "With updates")));
  snapshot_edit (outside, fixture->record->uuid, first, "As it was bought", NULL, &error);
  g_assert_no_error (error);
  test_wait_until (g_str_equal (bunshin_snapshot_item_get_name (item_at (fixture, 5)), "As it was bought"));

  gtk_window_set_default_size (GTK_WINDOW (fixture->window), 380, 640);
  test_wait_until (adw_leaflet_get_folded (ADW_LEAFLET (test_find (fixture->window, "leaflet"))));
  adw_leaflet_set_visible_child (ADW_LEAFLET (test_find (fixture->window, "leaflet")),
                                 test_find (fixture->window, "detail_pane"));
  test_wait_until (!gtk_widget_get_visible (test_find (find_row (fixture, "Ready"), "restore_button")));
  test_screenshot ("snapshots-narrow");
}

static gboolean
keeps (void)
{
  GtkWidget *dialog = GTK_WIDGET (test_wait_for_dialog ());

  return gtk_check_button_get_active (
      GTK_CHECK_BUTTON (test_find_label (dialog, "_Keep the present state as a snapshot first")));
}

static void
test_restore (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = NULL, *kept = snapshot_text_kept_name ("First");
  g_autofree char *branch = g_strdup_printf ("*, %s,First", kept), *line = g_strdup_printf ("*,%s,First", kept);

  write_to_disk (fixture, "first");
  first = take (fixture, "First", SNAPSHOT_USER);
  test_wait_until (shows (fixture, "*,First"));
  test_wait_until (present_is (fixture, _("%s · as in “%s”"), "First"));

  /* Nothing was changed: nothing is to be kept. */
  verb (fixture, "First", "snapshot.restore");
  g_assert_false (keeps ());
  test_screenshot ("snapshots-restore-unchanged");
  test_respond ("restore");
  test_wait_until (is_idle (fixture) && shows (fixture, "*,First"));

  write_to_disk (fixture, "second");
  /* The state may be of any length; what the page knows it learned before. */
  test_control_set_state (fixture->control, LIBRARY_STATE_RUNNING, NULL);
  test_control_set_state (fixture->control, LIBRARY_STATE_POWERED_OFF, NULL);
  test_wait_until (present_is (fixture, _("%s · changed since “%s”"), "First"));
  verb (fixture, "First", "snapshot.restore");
  g_assert_true (keeps ());
  test_screenshot ("snapshots-restore");
  test_respond ("restore");
  test_wait_until (shows (fixture, branch) && is_idle (fixture));
  assert_disk (fixture, "first");
  test_screenshot ("snapshots-restored");

  /* There and back, with a click on the row's button. */
  test_click (test_find (find_row (fixture, kept), "restore_button"));
  g_assert_false (keeps ());
  test_respond ("restore");
  test_wait_until (shows (fixture, line) && is_idle (fixture));
  assert_disk (fixture, "second");

  /* Of a running machine something is always lost. */
  test_control_set_state (fixture->control, LIBRARY_STATE_RUNNING, NULL);
  verb (fixture, "First", "snapshot.restore");
  g_assert_true (keeps ());
  gtk_check_button_set_active (
      GTK_CHECK_BUTTON (test_find_label (test_wait_for_dialog (), "_Keep the present state as a snapshot first")),
      FALSE);
  g_assert_cmpstr (adw_message_dialog_get_default_response (test_wait_for_dialog ()), ==, "cancel");
  test_screenshot ("snapshots-restore-running");
  test_respond ("cancel");
}

static void
test_delete (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = NULL, *second = NULL, *third = NULL;

  write_to_disk (fixture, "first");
  first = take (fixture, "First", SNAPSHOT_USER);
  write_to_disk (fixture, "second");
  second = take (fixture, "Second", SNAPSHOT_USER);
  write_to_disk (fixture, "third");
  third = take (fixture, "Third", SNAPSHOT_USER);
  test_wait_until (shows (fixture, "*,Third,Second,First"));
  verb (fixture, "Second", "snapshot.delete");
  /* What it frees is told, if not at once. */
  test_wait_until (strstr (adw_message_dialog_get_body (test_wait_for_dialog ()), "KiB") != NULL);
  test_screenshot ("snapshots-delete");
  test_respond ("cancel");
  g_assert_true (shows (fixture, "*,Third,Second,First"));
  gtk_list_box_select_row (timeline (fixture), GTK_LIST_BOX_ROW (find_row (fixture, "Second")));
  gtk_widget_grab_focus (find_row (fixture, "Second"));
  verb (fixture, "Second", "snapshot.delete");
  test_respond ("delete");
  test_wait_until (shows (fixture, "*,Third,First") && is_idle (fixture));
  assert_disk (fixture, "third");
  /* The one that took its place is selected, and has the focus. */
  g_assert_true (gtk_list_box_get_selected_row (timeline (fixture)) == GTK_LIST_BOX_ROW (find_row (fixture, "First")));
  g_assert_true (gtk_window_get_focus (GTK_WINDOW (fixture->window)) == find_row (fixture, "First"));

  /* A failure names what, and why. */
  test_control_fail_next (fixture->control, G_IO_ERROR_NO_SPACE, "merging “a.qcow2”: 2 GiB are needed, 1 GiB is free");
  verb (fixture, "First", "snapshot.delete");
  test_respond ("delete");
  test_wait_until (strstr (adw_message_dialog_get_heading (test_wait_for_dialog ()), "First") != NULL);
  test_screenshot ("snapshots-delete-failed");
  test_respond ("close");
  g_assert_true (shows (fixture, "*,Third,First"));
}

static void
test_keyboard (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = take (fixture, "First", SNAPSHOT_USER), *second = take (fixture, "Second", SNAPSHOT_USER);
  GtkWindow *dialog = NULL;

  if (!test_has_hands ())
    return;
  test_wait_until (shows (fixture, "*,Second,First"));
  test_focus_window (fixture->window);
  gtk_widget_grab_focus (find_row (fixture, _("Current State")));
  test_xdotool ("key", "Down", "key", "F2", NULL);
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_SNAPSHOT_DIALOG)) != NULL);
  test_focus_window (dialog);
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (test_find (dialog, "name_row"))), ==, "Second");
  test_screenshot ("snapshots-edit");
  test_xdotool ("type", "Renamed", NULL);
  test_xdotool ("key", "Return", NULL);
  test_wait_until (shows (fixture, "*,Renamed,First"));

  test_focus_window (fixture->window);
  test_xdotool ("key", "Return", NULL);
  g_assert_nonnull (strstr (adw_message_dialog_get_heading (test_wait_for_dialog ()), "Renamed"));
  g_assert_true (adw_message_dialog_has_response (test_wait_for_dialog (), "restore"));
  test_respond ("cancel");
  test_focus_window (fixture->window);
  test_xdotool ("key", "Delete", NULL);
  g_assert_nonnull (strstr (adw_message_dialog_get_heading (test_wait_for_dialog ()), "Renamed"));
  test_respond ("delete");
  test_wait_until (shows (fixture, "*,First") && is_idle (fixture));
  test_focus_window (fixture->window);
  test_xdotool ("key", "shift+F10", NULL);
  test_settle ();
  test_screenshot ("snapshots-menu");
  test_xdotool ("key", "Escape", NULL);
}

static gboolean
verb_is_enabled (Fixture *fixture, const char *row, const char *button)
{
  return gtk_widget_is_sensitive (test_find (find_row (fixture, row), button));
}

static void
test_progress (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = take (fixture, "First", SNAPSHOT_USER);

  test_wait_until (shows (fixture, "*,First"));
  test_control_hold_snapshots (fixture->control);
  gtk_widget_activate_action (fixture->window, "win.take-snapshot", NULL);
  answer_dialog (BUNSHIN_TYPE_SNAPSHOT_DIALOG, NULL);
  /* One at a time. */
  g_assert_false (is_idle (fixture));
  g_assert_false (verb_is_enabled (fixture, "First", "restore_button"));
  g_assert_true (gtk_widget_get_visible (test_find (find_row (fixture, _("Current State")), "spinner")));
  test_control_set_progress (fixture->control, 0.4);
  g_assert_true (gtk_widget_get_visible (test_find (find_row (fixture, _("Current State")), "progress")));
  test_screenshot ("snapshots-taking");
  /* It can be stopped, and says nothing then. */
  test_click (test_find (find_row (fixture, _("Current State")), "cancel_button"));
  test_control_let_go (fixture->control);
  test_wait_until (is_idle (fixture));
  g_assert_null (test_find_window (ADW_TYPE_MESSAGE_DIALOG));

  /* Nothing may be done while the machine starts; names can always be changed. */
  test_control_set_progress (fixture->control, -1);
  test_control_set_state (fixture->control, LIBRARY_STATE_STARTING, NULL);
  g_assert_false (is_idle (fixture));
  g_assert_false (verb_is_enabled (fixture, "First", "restore_button"));
  verb (fixture, "First", "snapshot.edit");
  answer_dialog (BUNSHIN_TYPE_SNAPSHOT_DIALOG, "Still there");
  test_wait_until (shows (fixture, "*,Still there"));

  /* The window may close over it. */
  test_control_set_state (fixture->control, LIBRARY_STATE_POWERED_OFF, NULL);
  test_control_hold_snapshots (fixture->control);
  verb (fixture, "Still there", "snapshot.delete");
  test_respond ("delete");
  gtk_window_destroy (GTK_WINDOW (fixture->window));
  test_control_let_go (fixture->control);
}

static void
test_clone (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = NULL, *text = NULL, *name = NULL;
  g_autoptr (LibraryMachine) clone = NULL;
  g_autoptr (GError) error = NULL;
  GtkWindow *dialog;

  write_to_disk (fixture, "first");
  first = take (fixture, "First", SNAPSHOT_USER);
  write_to_disk (fixture, "second");
  test_wait_until (shows (fixture, "*,First"));
  verb (fixture, "First", "snapshot.clone");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_CLONE_DIALOG)) != NULL);
  g_assert_true (g_str_has_prefix (gtk_editable_get_text (GTK_EDITABLE (test_find (dialog, "name_row"))), "Debian"));
  test_type (test_find (dialog, "name_row"), "Debian");
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "clone_button")));
  test_screenshot ("snapshots-clone");
  gtk_check_button_set_active (GTK_CHECK_BUTTON (test_find (dialog, "linked_check")), TRUE);
  answer_dialog (BUNSHIN_TYPE_CLONE_DIALOG, "Copy");
  test_wait_until (test_find_window (BUNSHIN_TYPE_CLONE_DIALOG) == NULL);
  clone = library_find (fixture->stage->library, "Copy", &error);
  g_assert_no_error (error);
  text = read_from_disk (clone);
  g_assert_cmpstr (text, ==, "first");
  g_assert_cmpstr (library_machine_find_adapter (clone, 0)->mac, !=,
                   library_machine_find_adapter (fixture->record, 0)->mac);
  /* It is shown. */
  test_wait_until (g_str_equal (gtk_label_get_label (GTK_LABEL (test_find (fixture->window, "name_label"))), "Copy"));
  test_screenshot ("snapshots-cloned");

  /* The machine as it is, wholly. */
  gtk_widget_activate_action (fixture->window, "win.clone", NULL);
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_CLONE_DIALOG)) != NULL);
  name = g_strdup (gtk_editable_get_text (GTK_EDITABLE (test_find (dialog, "name_row"))));
  answer_dialog (BUNSHIN_TYPE_CLONE_DIALOG, NULL);
  test_wait_until (test_find_window (BUNSHIN_TYPE_CLONE_DIALOG) == NULL);
  library_machine_free (clone);
  clone = library_find (fixture->stage->library, name, &error);
  g_assert_no_error (error);
}

static void
test_many (Fixture *fixture, gconstpointer data)
{
  g_autofree char *root = take (fixture, "Root", SNAPSHOT_USER), *last = NULL;
  GtkListBoxRow *row;
  gint64 start;

  for (int i = 1; i < MANY; i++)
    {
      g_autofree char *name = g_strdup_printf ("Snapshot %d", i), *uuid = NULL;

      if (i % 9 == 0)
        restore (fixture, root);
      uuid = take (fixture, name, i % 4 == 0 ? SNAPSHOT_AUTOMATIC : SNAPSHOT_USER);
    }
  start = g_get_monotonic_time ();
  test_wait_until (g_list_model_get_n_items (gtk_widget_observe_children (GTK_WIDGET (timeline (fixture))))
                   == MANY + 1);
  g_test_message ("%d snapshots were shown after %.3f s", MANY, (g_get_monotonic_time () - start) / 1e6);
  test_screenshot ("snapshots-many");
  /* Branches of one root lie in one column. */
  for (int i = 0; i <= MANY; i++)
    g_assert_cmpuint (bunshin_snapshot_item_get_place (item_at (fixture, i))->column, <=, 1);
  row = gtk_list_box_get_row_at_index (timeline (fixture), MANY);
  g_assert_cmpstr (bunshin_snapshot_item_get_name (item_at (fixture, MANY)), ==, "Root");
  gtk_widget_grab_focus (GTK_WIDGET (row));
  test_screenshot ("snapshots-many-end");
}

static gboolean
menu_has (GMenuModel *menu, const char *action)
{
  for (int i = 0; i < g_menu_model_get_n_items (menu); i++)
    {
      g_autoptr (GMenuModel) section = g_menu_model_get_item_link (menu, i, G_MENU_LINK_SECTION);
      g_autofree char *name = NULL;

      if (section != NULL && menu_has (section, action))
        return TRUE;
      if (g_menu_model_get_item_attribute (menu, i, G_MENU_ATTRIBUTE_ACTION, "s", &name) && g_str_equal (name, action))
        return TRUE;
    }
  return FALSE;
}

static void
test_drive (Fixture *fixture, gconstpointer data)
{
  GtkWidget *button;

  gtk_widget_activate_action (fixture->window, "win.snapshots", NULL);
  test_settle ();
  button = test_find (fixture->window, "drive_button");
  test_screenshot ("snapshots-drive");
  gtk_widget_activate_action (fixture->window, "win.show-help-overlay", NULL);
  test_settle ();
  test_screenshot ("snapshots-shortcuts");
  gtk_window_close (GTK_WINDOW (gtk_application_window_get_help_overlay (GTK_APPLICATION_WINDOW (fixture->window))));
  gtk_widget_activate_action (fixture->window, "win.context-menu", NULL);
  test_settle ();
  test_screenshot ("snapshots-context");
  /* A menu that is open when its window goes keeps the keys from the next one. */
  gtk_popover_popdown (GTK_POPOVER (test_find (fixture->window, "context_menu")));
  test_click (button);
  test_wait_until (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (fixture->control))
                   == LIBRARY_STATE_RUNNING);
  g_assert_false (gtk_widget_get_visible (button));
}

/* From a snapshot, by its menu and by keyboard; not of a machine that runs. */
static void
test_drive_from (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = take (fixture, "First", SNAPSHOT_USER), *second = take (fixture, "Second", SNAPSHOT_USER);
  g_autofree char *from_first = g_strdup_printf ("drive %s", first), *from_second = g_strdup_printf ("drive %s", second);
  BunshinMachineControl *control = BUNSHIN_MACHINE_CONTROL (fixture->control);
  GMenuModel *menu;

  test_wait_until (shows (fixture, "*,Second,First"));
  menu = gtk_menu_button_get_menu_model (GTK_MENU_BUTTON (test_find (find_row (fixture, "First"), "menu_button")));
  g_assert_true (menu_has (menu, "snapshot.drive"));
  verb (fixture, "First", "snapshot.drive");
  test_wait_until (bunshin_machine_control_get_state (control) == LIBRARY_STATE_RUNNING);
  g_assert_cmpstr (test_control_get_request (fixture->control), ==, from_first);
  g_assert_false (bunshin_snapshot_item_get_verbs (item_at (fixture, 1)) & SNAPSHOT_VERB_DRIVE);

  test_control_set_state (fixture->control, LIBRARY_STATE_POWERED_OFF, NULL);
  test_wait_until (bunshin_snapshot_item_get_verbs (item_at (fixture, 1)) & SNAPSHOT_VERB_DRIVE);
  g_assert_false (bunshin_snapshot_item_get_verbs (item_at (fixture, 0)) & SNAPSHOT_VERB_DRIVE);
  gtk_menu_button_popup (GTK_MENU_BUTTON (test_find (find_row (fixture, "Second"), "menu_button")));
  test_settle ();
  test_screenshot ("snapshots-drive-from");
  gtk_menu_button_popdown (GTK_MENU_BUTTON (test_find (find_row (fixture, "Second"), "menu_button")));
  test_control_fail_next (fixture->control, G_IO_ERROR_FAILED, "there is no memory");
  verb (fixture, "Second", "snapshot.drive");
  g_assert_cmpstr (adw_message_dialog_get_body (test_wait_for_dialog ()), ==, "There is no memory.");
  test_respond ("close");
  if (!test_has_hands ())
    return;
  test_focus_window (fixture->window);
  gtk_widget_grab_focus (find_row (fixture, "Second"));
  test_xdotool ("key", "shift+Return", NULL);
  test_wait_until (bunshin_machine_control_get_state (control) == LIBRARY_STATE_RUNNING);
  g_assert_cmpstr (test_control_get_request (fixture->control), ==, from_second);
}

/* Its process was killed: here one may still decide. */
static void
test_lost_drive (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GtkWidget *bar = test_find (test_find (fixture->window, "snapshots"), "drive_bar");

  write_to_disk (fixture, "before");
  snapshot_drive_begin (fixture->stage->library, fixture->record->uuid, NULL, &error);
  g_assert_no_error (error);
  write_to_disk (fixture, "driven");
  test_wait_until (gtk_widget_get_visible (bar));
  test_screenshot ("snapshots-lost-drive");
  test_click (test_find (bar, "drive_keep_button"));
  test_wait_until (!gtk_widget_get_visible (bar));
  g_assert_false (snapshot_in_drive (fixture->stage->library, fixture->record->uuid));
  assert_disk (fixture, "driven");
}

/* Of a disk with snapshots the user knows the file that was attached, not those of the layers. */
static void
test_details (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = NULL, *path = g_strdup (((const LibraryAttachment *) fixture->record->attachments->pdata[0])->path);
  g_autofree char *name = g_path_get_basename (path);
  GtkWidget *label;

  write_to_disk (fixture, "before");
  first = take (fixture, "First", SNAPSHOT_USER);
  test_wait_until (shows (fixture, "*,First"));
  gtk_widget_activate_action (fixture->window, "win.snapshots", NULL);
  label = test_find_label (test_find (fixture->window, "storage_group"), "Disk");
  g_assert_cmpstr (gtk_widget_get_tooltip_text (label), ==, path);
  test_screenshot ("snapshots-details");
  gtk_widget_activate_action (fixture->window, "win.delete", NULL);
  g_assert_nonnull (strstr (adw_message_dialog_get_body (test_wait_for_dialog ()), _("Its snapshots are deleted in any case.")));
  test_screenshot ("snapshots-delete-machine");
  test_respond ("keep");
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_settle ();
  /* What is kept is whole. */
  g_assert_null (library_find (fixture->stage->library, fixture->record->uuid, NULL));
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/snapshots/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("take", test_take);
  ADD ("tree", test_tree);
  ADD ("restore", test_restore);
  ADD ("delete", test_delete);
  ADD ("keyboard", test_keyboard);
  ADD ("progress", test_progress);
  ADD ("clone", test_clone);
  ADD ("many", test_many);
  ADD ("drive", test_drive);
  ADD ("drive-from", test_drive_from);
  ADD ("lost-drive", test_lost_drive);
  ADD ("details", test_details);
#undef ADD
  return g_test_run ();
}
