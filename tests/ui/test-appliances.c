/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The windows that import and export appliances. */

#include "tests/ui/ui-test.h"

#include "ui/export-window.h"
#include "ui/import-window-private.h"
#include "ui/manager-window.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  DISK_BYTES = 4 << 20
};

typedef struct
{
  TestStage *stage;
  BunshinOsDatabase *systems;
  BunshinImportWindow *import;
  char *uuid;     /* what was imported */
  char *exported; /* where to */
} Fixture;

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
  g_free (fixture->exported);
}

static char *
add_file (Fixture *fixture, const char *name, const char *contents, gssize length)
{
  char *path = g_build_filename (fixture->stage->home, name, NULL);

  g_assert_true (g_file_set_contents (path, contents, length, NULL));
  return path;
}

static void
add_disk (Fixture *fixture, size_t bytes)
{
  g_autofree char *contents = g_malloc (bytes), *path = NULL;

  for (size_t i = 0; i < bytes; i++)
    contents[i] = (char) (i * 7 >> 3);
  path = add_file (fixture, "disk.raw", contents, (gssize) bytes);
}

/* An OVF of one machine, and of another where @two. */
static char *
add_ovf (Fixture *fixture, gboolean two)
{
  static const char system[]
      = "<VirtualSystem ovf:id='%s'><Info/>"
        "<ProductSection><Info/><Product>Web Server</Product><Vendor>Example &amp; Sons</Vendor>"
        "<Version>2.1</Version></ProductSection>"
        "<EulaSection><Info/><License>You may use it, &lt;carefully&gt;.</License></EulaSection>"
        "<OperatingSystemSection ovf:id='96' vmw:osType='debian11_64Guest'><Info/></OperatingSystemSection>"
        "<VirtualHardwareSection><Info/>"
        "<Item><r:InstanceID>1</r:InstanceID><r:ResourceType>3</r:ResourceType>"
        "<r:VirtualQuantity>2</r:VirtualQuantity></Item>"
        "<Item><r:InstanceID>2</r:InstanceID><r:ResourceType>4</r:ResourceType>"
        "<r:AllocationUnits>byte * 2^20</r:AllocationUnits><r:VirtualQuantity>96</r:VirtualQuantity></Item>"
        "<Item><r:InstanceID>3</r:InstanceID><r:ResourceType>6</r:ResourceType>"
        "<r:ResourceSubType>lsilogic</r:ResourceSubType></Item>"
        "<Item><r:AddressOnParent>0</r:AddressOnParent><r:HostResource>ovf:/disk/d</r:HostResource>"
        "<r:InstanceID>4</r:InstanceID><r:Parent>3</r:Parent><r:ResourceType>17</r:ResourceType></Item>"
        "<Item><r:Connection>LAN</r:Connection><r:InstanceID>5</r:InstanceID>"
        "<r:ResourceSubType>VmxNet3</r:ResourceSubType><r:ResourceType>10</r:ResourceType></Item>"
        "</VirtualHardwareSection></VirtualSystem>";
  GString *text = g_string_new (
      "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' "
      "xmlns:r='urn:r' xmlns:vmw='http://www.vmware.com/schema/ovf'><References><File ovf:href='disk.raw' "
      "ovf:id='f'/></References>"
      "<DiskSection><Info/><Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='4' "
      "ovf:capacityAllocationUnits='byte * 2^20'/></DiskSection>");
  char *path;

  if (two)
    g_string_append (text, "<VirtualSystemCollection ovf:id='all'><Info/>");
  g_string_append_printf (text, system, "web");
  if (two)
    {
      g_string_append_printf (text, system, "database");
      g_string_append (text, "</VirtualSystemCollection>");
    }
  g_string_append (text, "</Envelope>");
  path = add_file (fixture, "web.ovf", text->str, -1);
  g_string_free (text, TRUE);
  return path;
}

static void
on_imported (BunshinImportWindow *window, const char *uuid, gpointer data)
{
  g_free (((Fixture *) data)->uuid);
  ((Fixture *) data)->uuid = g_strdup (uuid);
}

static const char *
page (Fixture *fixture)
{
  return gtk_stack_get_visible_child_name (fixture->import->pages);
}

static void
open_import (Fixture *fixture, const char *path, const char *expected)
{
  bunshin_os_database_load (fixture->systems);
  test_wait_until (bunshin_os_database_is_loaded (fixture->systems));
  fixture->import = bunshin_import_window_new (NULL, fixture->stage->library, fixture->systems, path);
  g_signal_connect (fixture->import, "imported", G_CALLBACK (on_imported), fixture);
  gtk_window_present (GTK_WINDOW (fixture->import));
  test_wait_until (g_str_equal (page (fixture), expected));
  test_settle ();
}

static gboolean
can_import (Fixture *fixture)
{
  return gtk_widget_is_sensitive (fixture->import->import_button);
}

static ImportRows *
rows (Fixture *fixture, guint index)
{
  g_assert_cmpuint (index, <, fixture->import->rows->len);
  return fixture->import->rows->pdata[index];
}

static void
accept (Fixture *fixture)
{
  gtk_check_button_set_active (fixture->import->accepted, TRUE);
}

/* The summary says what the appliance has; what is changed there is what is made. */
static void
test_import (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = add_ovf (fixture, FALSE);
  g_autoptr (LibraryMachine) record = NULL;
  const LibraryAttachment *disk;

  add_disk (fixture, DISK_BYTES);
  open_import (fixture, path, "summary");
  test_screenshot ("import-1-summary");
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (rows (fixture, 0)->name_row)), ==, "web");
  g_assert_false (can_import (fixture));
  accept (fixture);
  g_assert_true (can_import (fixture));
  test_type (rows (fixture, 0)->name_row, "my web");
  test_type (test_find (rows (fixture, 0)->memory_row, "entry"), "128 MiB");
  test_settle ();
  test_click (fixture->import->import_button);
  test_wait_until (fixture->uuid != NULL);

  record = library_find (fixture->stage->library, fixture->uuid, NULL);
  g_assert_nonnull (record);
  g_assert_cmpstr (record->name, ==, "my web");
  g_assert_cmpuint (record->memory, ==, 128 << 20);
  g_assert_cmpuint (record->cpus, ==, 2);
  g_assert_cmpstr (record->os_id, ==, "debian11");
  disk = library_machine_find_drive (record, LIBRARY_MEDIUM_DISK);
  g_assert_cmpstr (disk->format, ==, "vdi");
  g_assert_true (g_str_has_prefix (disk->path, record->folder));
  g_assert_true (g_file_test (disk->path, G_FILE_TEST_IS_REGULAR));
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) taken = test_stage_add_machine (fixture->stage, "web", NULL);
  g_autofree char *path = add_ovf (fixture, TRUE);

  add_disk (fixture, DISK_BYTES);
  open_import (fixture, path, "summary");
  accept (fixture);
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (rows (fixture, 0)->name_row)), ==, "web 2");
  g_assert_true (can_import (fixture));
  test_type (rows (fixture, 0)->name_row, "web");
  g_assert_false (can_import (fixture));
  g_assert_true (gtk_widget_get_visible (rows (fixture, 0)->name_error));
  test_screenshot ("import-name-taken");
  test_type (rows (fixture, 0)->name_row, "database");
  g_assert_false (can_import (fixture));
  test_type (rows (fixture, 0)->name_row, "");
  g_assert_false (can_import (fixture));
  /* What is not imported needs no name. */
  rows (fixture, 0)->machine->chosen = FALSE;
  import_window_update (fixture->import);
  g_assert_true (can_import (fixture));
  rows (fixture, 1)->machine->chosen = FALSE;
  import_window_update (fixture->import);
  g_assert_false (can_import (fixture));
}

static void
test_failure (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = add_file (fixture, "broken.ovf", "<Envelope><References>", -1);
  g_autofree char *elsewhere = add_file (
      fixture, "box.vbox",
      "<VirtualBox><Machine name='box' OSType='Debian_64'><MediaRegistry><HardDisks><HardDisk uuid='{a}' "
      "location='/etc/hostname'/></HardDisks></MediaRegistry><Hardware><Memory RAMSize='64'/><StorageControllers>"
      "<StorageController name='S' type='AHCI'><AttachedDevice type='HardDisk'><Image uuid='{a}'/></AttachedDevice>"
      "</StorageController></StorageControllers></Hardware></Machine></VirtualBox>",
      -1);

  open_import (fixture, path, "failed");
  test_screenshot ("import-failed");
  g_assert_nonnull (strstr (adw_status_page_get_description (fixture->import->failure), "broken.ovf"));
  g_assert_false (gtk_widget_get_visible (fixture->import->trust_button));
  g_assert_false (can_import (fixture));
  gtk_window_destroy (GTK_WINDOW (fixture->import));
  /* A disk that lies elsewhere is used only when the user says so. */
  open_import (fixture, elsewhere, "failed");
  g_assert_true (gtk_widget_get_visible (fixture->import->trust_button));
  test_screenshot ("import-elsewhere");
  test_click (fixture->import->trust_button);
  test_wait_until (g_str_equal (page (fixture), "summary"));
  g_assert_true (can_import (fixture));
}

/* Closing while the disks are copied undoes it. */
static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = add_ovf (fixture, FALSE), *machines = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GDir) dir = NULL;

  add_disk (fixture, 48 << 20);
  open_import (fixture, path, "summary");
  accept (fixture);
  gtk_widget_activate_action (GTK_WIDGET (fixture->import), "import.run", NULL);
  g_assert_cmpstr (page (fixture), ==, "working");
  gtk_window_close (GTK_WINDOW (fixture->import));
  test_wait_until (test_find_window (BUNSHIN_TYPE_IMPORT_WINDOW) == NULL);
  list = library_list_machines (fixture->stage->library, NULL);
  g_assert_null (fixture->uuid);
  g_assert_cmpuint (list->len, ==, 0);
  machines = g_build_filename (fixture->stage->home, "machines", NULL);
  dir = g_dir_open (machines, 0, NULL);
  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
}

/* The library says no at last: the summary comes back with what was chosen. */
static void
test_error (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = add_ovf (fixture, FALSE), *disk = g_build_filename (fixture->stage->home, "disk.raw", NULL);

  add_disk (fixture, DISK_BYTES);
  open_import (fixture, path, "summary");
  accept (fixture);
  g_assert_cmpint (g_unlink (disk), ==, 0);
  gtk_widget_activate_action (GTK_WIDGET (fixture->import), "import.run", NULL);
  test_wait_until (g_str_equal (page (fixture), "summary"));
  g_assert_nonnull (strstr (adw_message_dialog_get_body (test_wait_for_dialog ()), "disk.raw"));
  test_respond ("close");
}

static void
on_exported (BunshinExportWindow *window, const char *path, gpointer data)
{
  ((Fixture *) data)->exported = g_strdup (path);
}

/* What is exported here can be imported here. */
static void
test_export (Fixture *fixture, gconstpointer data)
{
  g_autofree char *ovf = add_ovf (fixture, FALSE), *file = g_build_filename (fixture->stage->home, "out.ova", NULL),
                  *first = NULL;
  g_autoptr (LibraryMachine) record = NULL, off = test_stage_add_machine (fixture->stage, "another", NULL);
  BunshinExportWindow *window;

  add_disk (fixture, DISK_BYTES);
  open_import (fixture, ovf, "summary");
  accept (fixture);
  gtk_widget_activate_action (GTK_WIDGET (fixture->import), "import.run", NULL);
  test_wait_until (fixture->uuid != NULL);
  first = g_steal_pointer (&fixture->uuid);

  window = bunshin_export_window_new (NULL, fixture->stage->library, first);
  g_signal_connect (window, "exported", G_CALLBACK (on_exported), fixture);
  gtk_window_present (GTK_WINDOW (window));
  bunshin_export_window_set_file (window, file);
  test_settle ();
  test_screenshot ("export");
  adw_combo_row_set_selected (ADW_COMBO_ROW (test_find (window, "kind_row")), 1);
  g_assert_true (
      g_str_has_suffix (adw_action_row_get_subtitle (ADW_ACTION_ROW (test_find (window, "file_row"))), "out.ovf"));
  adw_combo_row_set_selected (ADW_COMBO_ROW (test_find (window, "kind_row")), 0);
  test_click (test_find (window, "export_button"));
  test_wait_until (fixture->exported != NULL);
  g_assert_cmpstr (fixture->exported, ==, file);
  g_assert_true (g_file_test (file, G_FILE_TEST_IS_REGULAR));

  open_import (fixture, file, "summary");
  test_screenshot ("import-again");
  g_assert_cmpstr (gtk_editable_get_text (GTK_EDITABLE (rows (fixture, 0)->name_row)), ==, "web 2");
  gtk_widget_activate_action (GTK_WIDGET (fixture->import), "import.run", NULL);
  test_wait_until (fixture->uuid != NULL);
  record = library_find (fixture->stage->library, fixture->uuid, NULL);
  g_assert_cmpstr (record->os_id, ==, "debian11");
}

/* From the manager: the action, and a file that is dropped. */
static void
test_manager (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GtkApplication) application = gtk_application_new (NULL, G_APPLICATION_NON_UNIQUE);
  g_autoptr (LibraryMachine) record = test_stage_add_machine (fixture->stage, "one", NULL);
  UiManagerEnv env = { .library = fixture->stage->library, .host = &fixture->stage->host };
  BunshinManagerWindow *manager;

  g_assert_true (g_application_register (G_APPLICATION (application), NULL, NULL));
  manager = bunshin_manager_window_new (application, &env);
  gtk_window_present (GTK_WINDOW (manager));
  test_settle ();
  g_assert_true (g_action_group_get_action_enabled (G_ACTION_GROUP (manager), "import"));
  g_assert_true (g_action_group_get_action_enabled (G_ACTION_GROUP (manager), "export"));
  g_action_group_activate_action (G_ACTION_GROUP (manager), "export", NULL);
  test_wait_until (test_find_window (BUNSHIN_TYPE_EXPORT_WINDOW) != NULL);
  test_settle ();
  gtk_window_close (test_find_window (BUNSHIN_TYPE_EXPORT_WINDOW));
  test_control_set_state (test_stage_control (fixture->stage, record->uuid), LIBRARY_STATE_RUNNING, NULL);
  test_wait_until (!g_action_group_get_action_enabled (G_ACTION_GROUP (manager), "export"));
  test_destroy_windows ();
}

int
main (int argc, char **argv)
{
  test_ui_init (&argc, &argv);
#define ADD(name, function) g_test_add ("/ui/appliances/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("import", test_import);
  ADD ("names", test_names);
  ADD ("failure", test_failure);
  ADD ("cancel", test_cancel);
  ADD ("error", test_error);
  ADD ("export", test_export);
  ADD ("manager", test_manager);
#undef ADD
  return g_test_run ();
}
