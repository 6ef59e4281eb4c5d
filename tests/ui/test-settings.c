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
test_snapshots (Fixture *fixture, gconstpointer data)
{
  const LibraryAutomatic other = { .before_disc = FALSE, .every = 90, .keep = 100, .space = LIBRARY_AUTOMATIC_SPACE_MIN };
  BunshinSettingsSnapshots *page = fixture->settings->snapshots_page;
  g_autoptr (LibraryMachine) record = NULL, after = NULL;
  AdwComboRow *every = ADW_COMBO_ROW (test_find (page, "every_row"));
  LibraryAutomatic shown;

  show (fixture, "snapshots");
  test_screenshot ("settings-snapshots");
  g_assert_cmpuint (adw_combo_row_get_selected (every), ==, 0);
  gtk_switch_set_active (GTK_SWITCH (test_find (page, "disc_switch")), TRUE);
  adw_combo_row_set_selected (every, 3);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (test_find (page, "keep_spin")), 7);
  test_type (test_find (test_find (page, "space_row"), "entry"), "3 GiB");
  test_wait_until (fixture->settings->save_timer == 0);
  record = stored (fixture);
  g_assert_true (record->automatic.before_disc);
  g_assert_cmpuint (record->automatic.every, ==, 60);
  g_assert_cmpuint (record->automatic.keep, ==, 7);
  g_assert_cmpuint (record->automatic.space, ==, UINT64_C (3) << 30);
  /* What is no size does not count, and is not stored. */
  test_type (test_find (test_find (page, "space_row"), "entry"), "much");
  gtk_switch_set_active (GTK_SWITCH (test_find (page, "disc_switch")), FALSE);
  test_wait_until (fixture->settings->save_timer == 0);
  after = stored (fixture);
  g_assert_false (after->automatic.before_disc);
  g_assert_cmpuint (after->automatic.space, ==, UINT64_C (3) << 30);
  /* What was set elsewhere, and is not among the choices. */
  bunshin_settings_snapshots_set (page, &other);
  shown = (LibraryAutomatic) { 0 };
  bunshin_settings_snapshots_get (page, &shown);
  g_assert_cmpuint (shown.every, ==, 90);
  g_assert_cmpuint (shown.keep, ==, 100);
  g_assert_cmpuint (shown.space, ==, LIBRARY_AUTOMATIC_SPACE_MIN);
  g_assert_false (shown.before_disc);
  g_assert_cmpint (fixture->settings->save_timer, ==, 0);
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
  library_machine_add_attachment (fixture->settings->record, LIBRARY_CONTROLLER_NVME, 1, LIBRARY_MEDIUM_DISK,
                                  "/images/z.vdi", "vdi");
  library_machine_add_attachment (fixture->settings->record, LIBRARY_CONTROLLER_SCSI, 9, LIBRARY_MEDIUM_OPTICAL, NULL,
                                  NULL);
  settings_show_storage (fixture->settings);
  g_assert_cmpstr (drive_row (fixture, 1), ==, "Disk, SATA port 4");
  g_assert_cmpstr (drive_row (fixture, 2), ==, "Disk, Virtio 2");
  g_assert_cmpstr (drive_row (fixture, 3), ==, "Disk, NVMe 1");
  g_assert_cmpstr (drive_row (fixture, 4), ==, "CD/DVD drive, SCSI 9");
  test_activate_row (fixture->settings->add_cd);
  test_screenshot ("settings-controllers");
  record = stored (fixture);
  g_assert_cmpint (library_machine_find_attachment (record, LIBRARY_CONTROLLER_AHCI, 0)->kind, ==,
                   LIBRARY_MEDIUM_OPTICAL);
}

static void
test_remote (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;
  const LibraryAttachment *disk;

  show (fixture, "storage");
  test_type (GTK_WIDGET (fixture->settings->remote_row), "http://server/disk");
  g_signal_emit_by_name (fixture->settings->remote_row, "apply");
  record = stored (fixture);
  g_assert_null (library_machine_find_drive (record, LIBRARY_MEDIUM_DISK));
  library_machine_free (g_steal_pointer (&record));
  test_type (GTK_WIDGET (fixture->settings->remote_row), " iscsi://joe%secret@server/iqn.2026-11.org.x:y/1");
  g_signal_emit_by_name (fixture->settings->remote_row, "apply");
  test_settle ();
  record = stored (fixture);
  disk = library_machine_find_drive (record, LIBRARY_MEDIUM_DISK);
  g_assert_cmpstr (disk->path, ==, "iscsi://joe%secret@server/iqn.2026-11.org.x:y/1");
  /* The password is for the server alone. */
  g_assert_cmpstr (adw_expander_row_get_subtitle (fixture->settings->storage_rows->pdata[0]), ==,
                   "iscsi://server/iqn.2026-11.org.x:y/1");
  adw_expander_row_set_expanded (fixture->settings->storage_rows->pdata[0], TRUE);
  test_pass_time (400);
  test_screenshot ("settings-remote");
}

/* A drive goes to another controller, and stays where it is when there is no room. */
static void
test_change_controller (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  AdwExpanderRow *row;
  GtkWidget *combo;

  for (unsigned unit = 0; unit < 2; unit++)
    {
      g_autofree char *path = g_strdup_printf ("/images/%u.vdi", unit);

      library_machine_add_drive (fixture->settings->record, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, path, "vdi");
    }
  g_assert_true (settings_store (fixture->settings));
  settings_show_storage (fixture->settings);
  show (fixture, "storage");
  row = fixture->settings->storage_rows->pdata[0];
  adw_expander_row_set_expanded (row, TRUE);
  test_pass_time (400);
  test_activate_row (test_find_label (row, "Bypass This Computer’s Cache"));
  combo = test_find_label (row, "Controller");
  adw_combo_row_set_selected (ADW_COMBO_ROW (combo), 1);
  test_pass_time (400);
  test_screenshot ("settings-change-controller");
  record = stored (fixture);
  g_assert_cmpstr (library_machine_find_attachment (record, LIBRARY_CONTROLLER_AHCI, 0)->path, ==, "/images/0.vdi");
  g_assert_cmpstr (library_machine_find_attachment (record, LIBRARY_CONTROLLER_AHCI, 0)->format, ==, "vdi");
  g_assert_null (library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0));
  /* What was set for the disk goes with it. */
  g_assert_true (library_machine_find_attachment (record, LIBRARY_CONTROLLER_AHCI, 0)->no_cache);

  for (unsigned unit = 0; unit < LIBRARY_VIRTIO_UNITS; unit++)
    {
      g_autofree char *path = g_strdup_printf ("/images/v%u.vdi", unit);

      library_machine_add_drive (fixture->settings->record, LIBRARY_CONTROLLER_VIRTIO, LIBRARY_MEDIUM_DISK, path, NULL);
    }
  g_assert_true (settings_store (fixture->settings));
  settings_show_storage (fixture->settings);
  test_settle ();
  row = fixture->settings->storage_rows->pdata[0];
  adw_expander_row_set_expanded (row, TRUE);
  test_pass_time (400);
  combo = test_find_label (row, "Controller");
  adw_combo_row_set_selected (ADW_COMBO_ROW (combo), 2);
  test_settle ();
  after = stored (fixture);
  g_assert_cmpuint (after->attachments->len, ==, 3 + LIBRARY_VIRTIO_UNITS);
  g_assert_cmpuint (adw_combo_row_get_selected (ADW_COMBO_ROW (test_find_label (
                        fixture->settings->storage_rows->pdata[0], "Controller"))),
                    ==, 0);
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
  ADD ("snapshots", test_snapshots);
  ADD ("storage", test_storage);
  ADD ("controllers", test_controllers);
  ADD ("change-controller", test_change_controller);
  ADD ("remote", test_remote);
  ADD ("network", test_network);
  ADD ("running", test_running);
#undef ADD
  return g_test_run ();
}
