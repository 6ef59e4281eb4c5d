/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The creation wizard, from its first page to a machine in the library. */

#include "tests/ui/ui-test.h"

#include "storage/disk/disk.h"
#include "ui/size-row.h"
#include "ui/wizard-private.h"

#include <glib/gstdio.h>

typedef struct
{
  TestStage *stage;
  BunshinOsDatabase *systems;
  BunshinWizard *wizard;
  char *uuid;                   /* what was created */
  gboolean start;
} Fixture;

static void
on_created (BunshinWizard *wizard, const char *uuid, gboolean start, gpointer data)
{
  Fixture *fixture = data;

  g_free (fixture->uuid);
  fixture->uuid = g_strdup (uuid);
  fixture->start = start;
}

static void
open_wizard (Fixture *fixture)
{
  fixture->wizard = bunshin_wizard_new (NULL, fixture->stage->library, fixture->systems);
  g_signal_connect (fixture->wizard, "created", G_CALLBACK (on_created), fixture);
  gtk_window_present (GTK_WINDOW (fixture->wizard));
  test_wait_until (bunshin_os_database_is_loaded (fixture->systems));
  test_settle ();
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->stage = test_stage_new ();
  fixture->systems = bunshin_os_database_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_stage_free (fixture->stage);
  g_object_unref (fixture->systems);
  g_free (fixture->uuid);
}

static const char *
page (Fixture *fixture)
{
  return gtk_stack_get_visible_child_name (fixture->wizard->pages);
}

/* As Enter does; the button stays pressed for a moment before it acts. */
static void
next (Fixture *fixture)
{
  WizardPage before = fixture->wizard->page;

  gtk_widget_activate_default (GTK_WIDGET (fixture->wizard));
  test_wait_until (fixture->wizard->page != before || fixture->uuid != NULL);
  test_settle ();
}

static gboolean
can_go_on (Fixture *fixture)
{
  return gtk_widget_is_sensitive (fixture->wizard->next_button);
}

static void
choose_system (Fixture *fixture, const char *text)
{
  GtkWidget *entry = test_find (fixture->wizard->chooser, "search_entry");

  /* Enter follows at once: sooner than the entry tells of its change. */
  gtk_editable_set_text (GTK_EDITABLE (entry), text);
  g_signal_emit_by_name (entry, "activate");
  test_settle ();
}

static void
test_whole_way (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (GError) error = NULL;
  const LibraryAttachment *disk;

  open_wizard (fixture);
  g_assert_cmpstr (page (fixture), ==, "source");
  test_screenshot ("wizard-1-source");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "system");
  g_assert_false (can_go_on (fixture));
  test_screenshot ("wizard-2-system");
  choose_system (fixture, "debian 12");
  g_assert_cmpstr (page (fixture), ==, "hardware");
  test_screenshot ("wizard-3-hardware");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "disk");
  test_type (test_find (fixture->wizard->disk_size_row, "entry"), "2 GiB");
  test_screenshot ("wizard-4-disk");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "network");
  test_screenshot ("wizard-5-network");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "summary");
  test_screenshot ("wizard-6-summary");
  gtk_switch_set_active (fixture->wizard->start_switch, FALSE);
  next (fixture);
  test_wait_until (fixture->uuid != NULL);
  g_assert_false (fixture->start);

  record = library_find (fixture->stage->library, fixture->uuid, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (record->name, ==, "Debian 12");
  g_assert_cmpstr (record->os_id, ==, "debian12");
  g_assert_cmpuint (record->memory, >=, 64 << 20);
  disk = library_machine_find_attachment (record, LIBRARY_CONTROLLER_VIRTIO, 0);
  g_assert_nonnull (disk);
  g_assert_cmpstr (disk->format, ==, "vdi");
  g_assert_true (g_file_test (disk->path, G_FILE_TEST_EXISTS));
  g_assert_true (g_str_has_prefix (disk->path, record->folder));
  g_assert_nonnull (library_machine_find_drive (record, LIBRARY_MEDIUM_OPTICAL));
  g_assert_cmpint (library_machine_find_adapter (record, 0)->kind, ==, LIBRARY_NET_NAT);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) taken = test_stage_add_machine (fixture->stage, "Taken", NULL);
  GtkWidget *error;

  open_wizard (fixture);
  error = fixture->wizard->name_error;
  g_assert_false (gtk_widget_get_visible (error));
  test_type (fixture->wizard->name_row, "Taken");
  g_assert_true (gtk_widget_get_visible (error));
  g_assert_false (can_go_on (fixture));
  test_screenshot ("wizard-name-taken");
  gtk_widget_activate_default (GTK_WIDGET (fixture->wizard));
  test_pass_time (400);
  g_assert_cmpstr (page (fixture), ==, "source");
  test_type (fixture->wizard->name_row, "");
  g_assert_false (can_go_on (fixture));
  test_type (fixture->wizard->name_row, "\360\237\220\247 a/b");
  g_assert_false (gtk_widget_get_visible (error));
  g_assert_true (can_go_on (fixture));

  /* A name of one's own stays when a system is chosen. */
  next (fixture);
  choose_system (fixture, "debian 11");
  g_assert_cmpstr (fixture->wizard->draft->name, ==, "\360\237\220\247 a/b");
}

static void
test_edited_values_stay (Fixture *fixture, gconstpointer data)
{
  open_wizard (fixture);
  next (fixture);
  choose_system (fixture, "debian 12");
  g_assert_cmpstr (page (fixture), ==, "hardware");
  test_type (test_find (fixture->wizard->memory_row, "entry"), "96 MiB");
  test_type (test_find (fixture->wizard->memory_row, "entry"), "9 EiB");
  g_assert_false (can_go_on (fixture));
  test_type (test_find (fixture->wizard->memory_row, "entry"), "96 MiB");
  g_assert_true (can_go_on (fixture));
  gtk_widget_activate_action (GTK_WIDGET (fixture->wizard), "wizard.back", NULL);
  choose_system (fixture, "windows 10");
  g_assert_cmpstr (page (fixture), ==, "hardware");
  g_assert_cmpuint (fixture->wizard->draft->memory, ==, 96 << 20);
  g_assert_cmpuint (fixture->wizard->draft->disk_size, ==, UINT64_C (50) << 30);
  g_assert_cmpstr (fixture->wizard->draft->name, ==, "Microsoft Windows 10");
}

/* Other systems are offered whatever was searched for. */
static void
test_other_systems (Fixture *fixture, gconstpointer data)
{
  open_wizard (fixture);
  next (fixture);
  choose_system (fixture, "nothing is called this");
  g_assert_cmpstr (page (fixture), ==, "hardware");
  g_assert_cmpstr (fixture->wizard->draft->os_id, ==, "linux2022");
}

static void
test_disk_choices (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) record = NULL;

  open_wizard (fixture);
  next (fixture);
  choose_system (fixture, "debian 12");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "disk");
  gtk_check_button_set_active (fixture->wizard->disk_existing, TRUE);
  g_assert_false (can_go_on (fixture));
  test_screenshot ("wizard-disk-existing");
  gtk_check_button_set_active (fixture->wizard->disk_none, TRUE);
  g_assert_true (can_go_on (fixture));
  next (fixture);
  gtk_check_button_set_active (fixture->wizard->network_none, TRUE);
  next (fixture);
  next (fixture);
  test_wait_until (fixture->uuid != NULL);
  g_assert_true (fixture->start);
  record = library_find (fixture->stage->library, fixture->uuid, NULL);
  g_assert_null (library_machine_find_drive (record, LIBRARY_MEDIUM_DISK));
  g_assert_cmpint (library_machine_find_adapter (record, 0)->kind, ==, LIBRARY_NET_NONE);
}

/* Everything a disk can be is under “Details”. */
static void
test_disk_details (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (fixture->stage->home, "disks", NULL);
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) opened = NULL;
  const LibraryAttachment *disk;
  BunshinWizard *wizard;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  open_wizard (fixture);
  wizard = fixture->wizard;
  next (fixture);
  choose_system (fixture, "windows 10");
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "disk");
  test_type (test_find (wizard->disk_size_row, "entry"), "64 MiB");
  g_assert_false (gtk_widget_get_mapped (wizard->disk_formats.split_row));
  adw_expander_row_set_expanded (wizard->disk_details, TRUE);
  test_pass_time (400);
  g_assert_cmpstr (adw_expander_row_get_subtitle (wizard->disk_details), ==, "VDI, grows as needed; SATA (AHCI)");
  format_rows_set_format (&wizard->disk_formats, "vmdk");
  g_assert_true (gtk_widget_get_mapped (wizard->disk_formats.split_row));
  gtk_switch_set_active (wizard->disk_formats.split_switch, TRUE);
  gtk_switch_set_active (wizard->disk_formats.fixed_switch, TRUE);
  adw_combo_row_set_selected (wizard->disk_controller_row, 0);
  test_screenshot ("wizard-disk-details");
  g_assert_cmpint (wizard->draft->controller, ==, LIBRARY_CONTROLLER_IDE);
  wizard->draft->disk_folder = g_strdup (folder);
  wizard_show_disk (wizard);
  next (fixture);
  next (fixture);
  test_screenshot ("wizard-disk-summary");
  next (fixture);
  test_wait_until (fixture->uuid != NULL);
  record = library_find (fixture->stage->library, fixture->uuid, NULL);
  disk = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  g_assert_cmpstr (disk->format, ==, "vmdk");
  g_assert_true (g_str_has_prefix (disk->path, folder));
  opened = disk_open (disk->path, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_variant (opened), ==, "twoGbMaxExtentFlat");
  g_assert_cmpuint (disk_size (opened), ==, 64 << 20);
}

/* A disc that is none says so, and does not stand in the way. */
static void
test_bad_disc (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->stage->home, "not a disc.iso", NULL);

  g_assert_true (g_file_set_contents (path, "just text", -1, NULL));
  open_wizard (fixture);
  bunshin_wizard_set_disc (fixture->wizard, path);
  test_wait_until (!gtk_spinner_get_spinning (GTK_SPINNER (fixture->wizard->disc_spinner)));
  g_assert_true (gtk_widget_has_css_class (GTK_WIDGET (fixture->wizard->disc_result_label), "warning"));
  test_screenshot ("wizard-bad-disc");
  g_assert_true (can_go_on (fixture));
}

/* A disc that can be started from, with this volume name. FALSE where it cannot be made. */
static gboolean
make_disc (const char *folder, const char *path, const char *volume)
{
  g_autofree char *tree = g_build_filename (folder, "tree", NULL), *boot = g_build_filename (tree, "boot.img", NULL);
  char sector[2048] = { 0 };
  const char *argv[] = { "xorriso", "-as", "mkisofs", "-V", volume, "-b", "boot.img", "-no-emul-boot", "-o", path, tree,
                         NULL };
  int status;

  g_mkdir (tree, 0700);
  g_assert_true (g_file_set_contents (boot, sector, sizeof sector, NULL));
  return g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
                       NULL, &status, NULL)
         && g_spawn_check_wait_status (status, NULL);
}

/* The system on a disc is found, and chosen unless the user did so by hand. */
static void
test_detection (Fixture *fixture, gconstpointer data)
{
  g_autofree char *debian = g_build_filename (fixture->stage->home, "debian.iso", NULL);
  g_autofree char *other = g_build_filename (fixture->stage->home, "other.iso", NULL);

  if (!make_disc (fixture->stage->home, debian, "Debian 12.5.0 amd64 n")
      || !make_disc (fixture->stage->home, other, "MY_OWN_DISC"))
    {
      g_test_skip ("xorriso is not installed");
      return;
    }
  open_wizard (fixture);
  bunshin_wizard_set_disc (fixture->wizard, debian);
  test_wait_until (fixture->wizard->draft->os_id != NULL);
  g_assert_cmpstr (fixture->wizard->draft->os_id, ==, "debian12");
  g_assert_cmpstr (fixture->wizard->draft->name, ==, "Debian 12");
  test_screenshot ("wizard-detected");
  next (fixture);
  test_screenshot ("wizard-detected-system");
  g_assert_true (can_go_on (fixture));
  choose_system (fixture, "windows 11");
  gtk_widget_activate_action (GTK_WIDGET (fixture->wizard), "wizard.back", NULL);
  gtk_widget_activate_action (GTK_WIDGET (fixture->wizard), "wizard.back", NULL);
  bunshin_wizard_set_disc (fixture->wizard, other);
  test_wait_until (!gtk_spinner_get_spinning (GTK_SPINNER (fixture->wizard->disc_spinner)));
  g_assert_false (gtk_widget_has_css_class (GTK_WIDGET (fixture->wizard->disc_result_label), "warning"));
  g_assert_cmpstr (fixture->wizard->draft->os_id, ==, "win11");
  bunshin_wizard_set_disc (fixture->wizard, debian);
  test_wait_until (!gtk_spinner_get_spinning (GTK_SPINNER (fixture->wizard->disc_spinner)));
  g_assert_cmpstr (fixture->wizard->draft->os_id, ==, "win11");
}

/* What fails halfway leaves nothing: no machine, no file, and the wizard is still there. */
static void
test_failure_is_undone (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) machines = NULL;

  open_wizard (fixture);
  next (fixture);
  choose_system (fixture, "debian 12");
  next (fixture);
  next (fixture);
  next (fixture);
  g_assert_cmpstr (page (fixture), ==, "summary");
  /* The block layer refuses a disk without a size. */
  fixture->wizard->draft->disk_size = 0;
  next (fixture);
  test_wait_until (test_find_window (ADW_TYPE_MESSAGE_DIALOG) != NULL);
  test_screenshot ("wizard-failed");
  test_respond ("close");
  g_assert_cmpstr (page (fixture), ==, "summary");
  machines = library_list_machines (fixture->stage->library, NULL);
  g_assert_cmpuint (machines->len, ==, 0);

  fixture->wizard->draft->disk_size = UINT64_C (1) << 30;
  next (fixture);
  test_wait_until (fixture->uuid != NULL);
}

static void
test_narrow (Fixture *fixture, gconstpointer data)
{
  open_wizard (fixture);
  gtk_window_set_default_size (GTK_WINDOW (fixture->wizard), 360, 560);
  next (fixture);
  choose_system (fixture, "debian 12");
  test_screenshot ("wizard-narrow-hardware");
  next (fixture);
  test_screenshot ("wizard-narrow-disk");
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/wizard/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("whole-way", test_whole_way);
  ADD ("names", test_names);
  ADD ("edited-values-stay", test_edited_values_stay);
  ADD ("other-systems", test_other_systems);
  ADD ("disk-choices", test_disk_choices);
  ADD ("disk-details", test_disk_details);
  ADD ("bad-disc", test_bad_disc);
  ADD ("detection", test_detection);
  ADD ("failure-is-undone", test_failure_is_undone);
  ADD ("narrow", test_narrow);
#undef ADD
  return g_test_run ();
}
