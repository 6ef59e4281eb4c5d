/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's settings: every page, what is stored, what a running machine refuses. */

#include "tests/ui/ui-test.h"

#include "ui/disk-dialog.h"
#include "ui/forward-dialog.h"
#include "ui/settings-window-private.h"

#include <glib/gi18n.h>

typedef struct
{
  TestStage *stage;
  BunshinOsDatabase *systems;
  BunshinMachineItem *item;
  BunshinSettingsWindow *settings;
  char *uuid;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;

  fixture->stage = test_stage_new ();
  fixture->systems = bunshin_os_database_new ();
  bunshin_os_database_load (fixture->systems);
  record = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  fixture->uuid = g_strdup (record->uuid);
  fixture->item = bunshin_machine_item_new (library_machine_copy (record),
                                            fixture->stage->host.control_for (fixture->stage->host.opaque, record));
  fixture->settings = bunshin_settings_window_new (NULL, fixture->stage->library, fixture->item, fixture->systems);
  gtk_window_present (GTK_WINDOW (fixture->settings));
  test_wait_until (bunshin_os_database_is_loaded (fixture->systems));
  test_settle ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_stage_free (fixture->stage);
  g_object_unref (fixture->item);
  g_object_unref (fixture->systems);
  g_free (fixture->uuid);
}

static LibraryMachine *
stored (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  LibraryMachine *record = library_find (fixture->stage->library, fixture->uuid, &error);

  g_assert_no_error (error);
  return record;
}

static void
show (Fixture *fixture, const char *page)
{
  adw_preferences_window_set_visible_page_name (ADW_PREFERENCES_WINDOW (fixture->settings), page);
  test_settle ();
}

static void
test_general (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) other = test_stage_add_machine (fixture->stage, "Other", NULL);
  g_autoptr (LibraryMachine) record = NULL;

  test_screenshot ("settings-general");
  test_type (GTK_WIDGET (fixture->settings->name_row), "Other");
  g_assert_true (gtk_widget_get_visible (fixture->settings->name_error));
  g_signal_emit_by_name (fixture->settings->name_row, "apply");
  record = stored (fixture);
  g_assert_cmpstr (record->name, ==, "Debian");
  test_type (GTK_WIDGET (fixture->settings->name_row), "New name");
  g_signal_emit_by_name (fixture->settings->name_row, "apply");
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (fixture->settings->description_view), "Two\nlines", -1);
  /* What is typed is stored when the window closes, at the latest. */
  gtk_window_close (GTK_WINDOW (fixture->settings));
  library_machine_free (g_steal_pointer (&record));
  record = stored (fixture);
  g_assert_cmpstr (record->name, ==, "New name");
  g_assert_cmpstr (record->description, ==, "Two\nlines");
}

static void
test_os (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;
  GtkWidget *entry;

  test_activate_row (GTK_WIDGET (fixture->settings->os_row));
  test_settle ();
  test_screenshot ("settings-os");
  entry = test_find (fixture->settings, "search_entry");
  test_type (entry, "windows 11");
  g_signal_emit_by_name (entry, "activate");
  record = stored (fixture);
  g_assert_cmpstr (record->os_id, ==, "win11");
}

static void
test_system (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;
  GtkWidget *first;

  show (fixture, "system");
  test_screenshot ("settings-system");
  test_type (test_find (fixture->settings->memory_row, "entry"), "128 MiB");
  gtk_spin_button_set_value (fixture->settings->cpus_spin, 2);
  g_assert_cmpuint (adw_combo_row_get_selected (fixture->settings->accel_row), ==, 0);
  adw_combo_row_set_selected (fixture->settings->accel_row, g_strv_length (fixture->settings->accels) - 1);
  gtk_switch_set_active (fixture->settings->utc_switch, !gtk_switch_get_active (fixture->settings->utc_switch));
  first = GTK_WIDGET (gtk_list_box_get_row_at_index (fixture->settings->boot_list, 0));
  g_assert_cmpstr (adw_preferences_row_get_title (ADW_PREFERENCES_ROW (first)), ==, _("Disk"));
  test_click (test_find_label (first, "Move Down"));
  record = stored (fixture);
  g_assert_cmpuint (record->memory, ==, 128 << 20);
  g_assert_cmpuint (record->cpus, ==, 2);
  g_assert_cmpstr (record->accel, ==, "interp");
  g_assert_cmpint (record->boot[0], ==, LIBRARY_BOOT_CDROM);
  g_assert_cmpint (record->boot[1], ==, LIBRARY_BOOT_DISK);
}

static void
test_storage (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL, after = NULL;
  g_autofree char *disk = NULL;

  show (fixture, "storage");
  test_activate_row (fixture->settings->add_new_disk);
  test_wait_until (test_find_window (BUNSHIN_TYPE_DISK_DIALOG) != NULL);
  test_screenshot ("settings-new-disk");
  test_type (test_find (test_find_window (BUNSHIN_TYPE_DISK_DIALOG), "entry"), "64 MiB");
  test_click (test_find (test_find_window (BUNSHIN_TYPE_DISK_DIALOG), "make_button"));
  test_wait_until (test_find_window (BUNSHIN_TYPE_DISK_DIALOG) == NULL);
  test_activate_row (fixture->settings->add_floppy);
  test_screenshot ("settings-storage");
  record = stored (fixture);
  g_assert_cmpuint (record->attachments->len, ==, 3);
  disk = g_strdup (library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0)->path);
  g_assert_true (g_file_test (disk, G_FILE_TEST_EXISTS));

  /* Detaching keeps the file. */
  test_click (test_find_label (fixture->settings->storage_rows->pdata[0], "Remove"));
  test_respond ("confirm");
  after = stored (fixture);
  g_assert_null (library_machine_find_drive (after, LIBRARY_MEDIUM_DISK));
  g_assert_true (g_file_test (disk, G_FILE_TEST_EXISTS));
}

static const char *
drive_row (Fixture *fixture, guint index)
{
  return adw_preferences_row_get_title (fixture->settings->storage_rows->pdata[index]);
}

/* What is added goes where the machine has its disks. */
static void
test_controllers (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;

  show (fixture, "storage");
  library_machine_add_attachment (fixture->settings->record, LIBRARY_CONTROLLER_AHCI, 4, LIBRARY_MEDIUM_DISK,
                                  "/images/x.vdi", "vdi");
  library_machine_add_attachment (fixture->settings->record, LIBRARY_CONTROLLER_VIRTIO, 2, LIBRARY_MEDIUM_DISK,
                                  "/images/y.vdi", "vdi");
  settings_show_storage (fixture->settings);
  g_assert_cmpstr (drive_row (fixture, 1), ==, "Disk, SATA port 4");
  g_assert_cmpstr (drive_row (fixture, 2), ==, "Disk, virtio 2");
  test_activate_row (fixture->settings->add_cd);
  test_screenshot ("settings-controllers");
  record = stored (fixture);
  g_assert_cmpint (library_machine_find_attachment (record, LIBRARY_CONTROLLER_AHCI, 0)->kind, ==,
                   LIBRARY_MEDIUM_OPTICAL);
}

static void
test_network (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;
  const LibraryForward *forward;
  GtkWindow *dialog;

  show (fixture, "network");
  test_activate_row (test_find_label (fixture->settings, "Forward a Port…"));
  test_wait_until (test_find_window (BUNSHIN_TYPE_FORWARD_DIALOG) != NULL);
  dialog = test_find_window (BUNSHIN_TYPE_FORWARD_DIALOG);
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "add_button")));
  test_type (test_find (dialog, "host_port_row"), "70000");
  test_type (test_find (dialog, "guest_port_row"), "22");
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "add_button")));
  test_screenshot ("settings-forward");
  test_type (test_find (dialog, "host_port_row"), "2222");
  test_click (test_find (dialog, "add_button"));
  test_settle ();
  test_activate_row (fixture->settings->add_adapter);
  test_settle ();
  test_screenshot ("settings-network");
  record = stored (fixture);
  g_assert_cmpuint (record->adapters->len, ==, 2);
  g_assert_cmpuint (library_machine_find_adapter (record, 0)->forwards->len, ==, 1);
  forward = library_machine_find_adapter (record, 0)->forwards->pdata[0];
  g_assert_false (forward->udp);
  g_assert_cmpuint (forward->host_port, ==, 2222);
  g_assert_cmpuint (forward->guest_port, ==, 22);
  g_assert_null (forward->host_address);
}

static void
test_running (Fixture *fixture, gconstpointer data)
{
  TestControl *control = test_stage_control (fixture->stage, fixture->uuid);

  test_control_set_state (control, LIBRARY_STATE_RUNNING, NULL);
  test_settle ();
  test_screenshot ("settings-running");
  g_assert_true (gtk_widget_get_visible (fixture->settings->running_group));
  g_assert_false (gtk_widget_is_sensitive (fixture->settings->memory_group));
  g_assert_false (gtk_widget_is_sensitive (fixture->settings->storage_add_group));
  show (fixture, "storage");
  g_assert_false (gtk_widget_is_sensitive (test_find_label (fixture->settings->storage_rows->pdata[0], "Remove")));
  g_assert_true (gtk_widget_is_sensitive (test_find_label (fixture->settings->storage_rows->pdata[0],
                                                           "Choose a Medium")));
  test_control_set_state (control, LIBRARY_STATE_POWERED_OFF, NULL);
  g_assert_true (gtk_widget_is_sensitive (fixture->settings->memory_group));
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/settings/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("general", test_general);
  ADD ("os", test_os);
  ADD ("system", test_system);
  ADD ("storage", test_storage);
  ADD ("controllers", test_controllers);
  ADD ("network", test_network);
  ADD ("running", test_running);
#undef ADD
  return g_test_run ();
}
