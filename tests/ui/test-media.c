/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of media: what it lists, its tools, undo, and changes from outside. */

#include "tests/ui/ui-test.h"

#include "storage/disk/disk.h"
#include "storage/snapshot/snapshot.h"
#include "ui/disk-dialog.h"
#include "ui/manager-window-private.h"
#include "ui/media-page-private.h"
#include "ui/medium-properties.h"
#include "ui/medium-row.h"
#include "ui/resize-dialog.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  TestStage *stage;
  BunshinManagerWindow *window;
  BunshinMediaPage *page;
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->stage = test_stage_new ();
  fixture->folder = g_build_filename (fixture->stage->home, "images", NULL);
  g_assert_cmpint (g_mkdir (fixture->folder, 0700), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_stage_free (fixture->stage);
  g_free (fixture->folder);
}

static void
open_page (Fixture *fixture)
{
  UiManagerEnv env = { .library = fixture->stage->library, .host = &fixture->stage->host };

  fixture->window = bunshin_manager_window_new (NULL, &env);
  fixture->page = fixture->window->media;
  gtk_window_present (GTK_WINDOW (fixture->window));
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.media", NULL);
  test_settle ();
}

static char *
path_of (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->folder, name, NULL);
}

static char *
make_disk (Fixture *fixture, const char *name, guint64 size, const char *base)
{
  char *path = path_of (fixture, name);
  const DiskCreateOptions options = { .size = size, .base = base };
  g_autoptr (GError) error = NULL;

  g_assert_true (disk_create (path, &options, &error));
  g_assert_no_error (error);
  return path;
}

static void
list (Fixture *fixture, const char *path, LibraryMediumKind kind)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (library_add_medium (fixture->stage->library, path, kind, NULL, &error));
  g_assert_no_error (error);
}

static void
attach (Fixture *fixture, LibraryMachine *machine, const char *path)
{
  g_autoptr (GError) error = NULL;

  library_machine_add_drive (machine, LIBRARY_CONTROLLER_AHCI, LIBRARY_MEDIUM_DISK, path, NULL);
  g_assert_true (library_update_machine (fixture->stage->library, machine, &error));
  g_assert_no_error (error);
}

static BunshinMediumRow *
find_row (Fixture *fixture, const char *path)
{
  GtkListBox *lists[] = { fixture->page->disk_list, fixture->page->disc_list, fixture->page->floppy_list };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      GtkListBoxRow *row;

      for (int j = 0; (row = gtk_list_box_get_row_at_index (lists[i], j)) != NULL; j++)
        if (g_str_equal (bunshin_medium_item_get_path (bunshin_medium_row_get_item (BUNSHIN_MEDIUM_ROW (row))), path))
          return BUNSHIN_MEDIUM_ROW (row);
    }
  return NULL;
}

static BunshinMediumItem *
find_item (Fixture *fixture, const char *path)
{
  BunshinMediumRow *row = find_row (fixture, path);

  return row != NULL ? bunshin_medium_row_get_item (row) : NULL;
}

/* The row, once the file has been looked at. */
static BunshinMediumRow *
wait_for (Fixture *fixture, const char *path)
{
  test_wait_until (find_item (fixture, path) != NULL
                   && bunshin_medium_item_get_info (find_item (fixture, path)) != NULL);
  return find_row (fixture, path);
}

static void
wait_for_work (Fixture *fixture)
{
  test_wait_until (!bunshin_media_page_is_busy (fixture->page));
  test_settle ();
}

static void
run_verb (Fixture *fixture, const char *path, const char *action)
{
  BunshinMediumRow *row = wait_for (fixture, path);

  g_assert_true (gtk_widget_activate_action (GTK_WIDGET (row), action, NULL));
}

static const char *
shown (Fixture *fixture)
{
  return gtk_stack_get_visible_child_name (fixture->page->stack);
}

static const char *
badge (BunshinMediumRow *row)
{
  return gtk_label_get_label (GTK_LABEL (test_find (row, "badge")));
}

static void
test_empty (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->stage->home, "disks", "New disk.vmdk", NULL);
  GtkWindow *dialog;

  open_page (fixture);
  g_assert_cmpstr (shown (fixture), ==, "empty");
  test_screenshot ("media-empty");
  test_click (test_find (fixture->page, "empty_new_disk"));
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_DISK_DIALOG)) != NULL);
  test_type (test_find (dialog, "entry"), "64 MiB");
  adw_combo_row_set_selected (ADW_COMBO_ROW (test_find (dialog, "format_row")), 1);
  test_screenshot ("media-new-disk");
  /* The name is what the row says, and must be a file's name. */
  test_type (test_find (dialog, "name_row"), "a/b");
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "make_button")));
  test_type (test_find (dialog, "name_row"), "New disk");
  test_click (test_find (dialog, "make_button"));
  test_wait_until (test_find_window (BUNSHIN_TYPE_DISK_DIALOG) == NULL);
  wait_for (fixture, path);
  g_assert_cmpstr (shown (fixture), ==, "media");
  gtk_widget_activate_action (GTK_WIDGET (fixture->page), "media.close", NULL);
  g_assert_false (fixture->window->shows_media);
}

/* One of everything. */
static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) debian = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autoptr (LibraryMachine) windows = test_stage_add_machine (fixture->stage, "Windows 10 for work", "win10");
  g_autofree char *base = make_disk (fixture, "base <b>&amp;.qcow2", 20ull << 30, NULL);
  g_autofree char *child = make_disk (fixture, "child.qcow2", 0, base);
  g_autofree char *grandchild = make_disk (fixture, "a grandchild.qcow2", 0, child);
  g_autofree char *used = make_disk (fixture, "system.vmdk", 64ull << 30, NULL);
  g_autofree char *gone = path_of (fixture, "gone.vdi"), *broken = path_of (fixture, "broken.qcow2");
  g_autofree char *floppy = path_of (fixture, "boot.img");
  g_autofree char *zeros = g_malloc0 (1440 * 1024);
  BunshinMediumRow *row;

  memcpy (zeros, "QFI\xfb\0\0\0\3", 8);
  g_assert_true (g_file_set_contents (broken, zeros, 4096, NULL));
  memset (zeros, 0, 8);
  g_assert_true (g_file_set_contents (floppy, zeros, 1440 * 1024, NULL));
  list (fixture, grandchild, LIBRARY_MEDIUM_DISK);
  list (fixture, gone, LIBRARY_MEDIUM_DISK);
  list (fixture, broken, LIBRARY_MEDIUM_DISK);
  list (fixture, floppy, LIBRARY_MEDIUM_FLOPPY);
  list (fixture, "/nowhere/debian.iso", LIBRARY_MEDIUM_OPTICAL);
  attach (fixture, debian, used);
  attach (fixture, windows, used);
  attach (fixture, windows, child);
  open_page (fixture);

  /* What others are based on is shown with them, listed or not, each beneath its own base. */
  row = wait_for (fixture, grandchild);
  g_assert_cmpuint (bunshin_medium_item_get_depth (bunshin_medium_row_get_item (row)), ==, 2);
  g_assert_cmpint (gtk_list_box_row_get_index (GTK_LIST_BOX_ROW (row)), ==,
                   gtk_list_box_row_get_index (GTK_LIST_BOX_ROW (wait_for (fixture, base))) + 2);
  g_assert_cmpint (bunshin_medium_item_get_verbs (find_item (fixture, base)) & (MEDIUM_REMOVE | MEDIUM_DELETE), ==, 0);
  g_assert_cmpstr (badge (wait_for (fixture, gone)), ==, _("Missing"));
  g_assert_cmpstr (badge (wait_for (fixture, broken)), ==, _("Unusable"));
  test_settle ();
  test_screenshot ("media-list");

  /* A machine that runs has its disks, and those beneath them. */
  test_control_set_state (test_stage_control (fixture->stage, windows->uuid), LIBRARY_STATE_RUNNING, NULL);
  test_wait_until (bunshin_medium_item_is_running (find_item (fixture, base)));
  g_assert_cmpint (bunshin_medium_item_get_verbs (find_item (fixture, used)), ==, 0);
  g_assert_false (bunshin_medium_item_is_running (find_item (fixture, grandchild)));
  g_assert_cmpstr (badge (find_row (fixture, used)), ==, _("In Use"));
  test_screenshot ("media-in-use");
  test_control_set_state (test_stage_control (fixture->stage, windows->uuid), LIBRARY_STATE_POWERED_OFF, NULL);

  /* Searching goes by files and machines. */
  bunshin_media_page_search (fixture->page);
  gtk_editable_set_text (GTK_EDITABLE (fixture->page->search_entry), "WORK");
  test_wait_until (find_row (fixture, gone) == NULL);
  g_assert_nonnull (find_row (fixture, used));
  g_assert_false (gtk_widget_get_visible (GTK_WIDGET (fixture->page->disc_group)));
  gtk_editable_set_text (GTK_EDITABLE (fixture->page->search_entry), "nothing is called this");
  test_wait_until (g_str_equal (shown (fixture), "nothing-found"));
  test_screenshot ("media-nothing-found");
  gtk_editable_set_text (GTK_EDITABLE (fixture->page->search_entry), "");
  test_wait_until (g_str_equal (shown (fixture), "media"));

  gtk_window_set_default_size (GTK_WINDOW (fixture->window), 420, 700);
  test_settle ();
  test_screenshot ("media-narrow");
  run_verb (fixture, used, "medium.menu");
  test_settle ();
  test_screenshot ("media-menu");
  gtk_menu_button_popdown (GTK_MENU_BUTTON (test_find (find_row (fixture, used), "menu_button")));
  test_settle ();
}

/* A chain that leaves its folder is as good as its machine says; who has the disk has all of it. */
static void
test_trusted (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autofree char *elsewhere = path_of (fixture, "elsewhere"), *further = path_of (fixture, "further");
  g_autofree char *copy = path_of (fixture, "elsewhere/system.vdi");
  g_autofree char *base = NULL, *middle = NULL, *top = NULL;
  g_autoptr (GError) error = NULL;
  LibraryAttachment *drive;
  GtkWindow *properties, *dialog;

  g_assert_cmpint (g_mkdir (elsewhere, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (further, 0700), ==, 0);
  base = make_disk (fixture, "further/base.qcow2", 8 << 20, NULL);
  middle = make_disk (fixture, "middle.qcow2", 0, base);
  top = make_disk (fixture, "elsewhere/system.qcow2", 0, middle);
  /* Listed by hand, too: nothing says that it is to be trusted. */
  list (fixture, middle, LIBRARY_MEDIUM_DISK);
  attach (fixture, machine, top);
  open_page (fixture);
  g_assert_cmpstr (badge (wait_for (fixture, top)), ==, _("Unusable"));

  drive = g_ptr_array_index (machine->attachments, machine->attachments->len - 1);
  g_assert_cmpstr (drive->path, ==, top);
  drive->trusted = TRUE;
  g_assert_true (library_update_machine (fixture->stage->library, machine, &error));
  g_assert_no_error (error);
  test_wait_until (find_item (fixture, base) != NULL && bunshin_medium_item_get_depth (find_item (fixture, top)) == 2);
  g_assert_cmpstr (badge (wait_for (fixture, top)), ==, "");
  g_assert_cmpstr (badge (wait_for (fixture, middle)), ==, "");
  g_assert_cmpstr (badge (wait_for (fixture, base)), ==, "");
  g_assert_cmpstr (gtk_label_get_label (GTK_LABEL (test_find (find_row (fixture, base), "user_label"))), ==, "Debian");
  test_settle ();
  test_screenshot ("media-trusted");
  gtk_widget_activate (GTK_WIDGET (find_row (fixture, base)));
  test_wait_until ((properties = test_find_window (BUNSHIN_TYPE_MEDIUM_PROPERTIES)) != NULL);
  test_find_label (properties, "Debian");
  gtk_window_destroy (properties);

  run_verb (fixture, top, "medium.copy");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_DISK_DIALOG)) != NULL);
  test_click (test_find (dialog, "make_button"));
  wait_for_work (fixture);
  g_assert_cmpstr (badge (wait_for (fixture, copy)), ==, "");
}

static void
test_properties (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) debian = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autoptr (LibraryMachine) other = test_stage_add_machine (fixture->stage, "Alpine", NULL);
  g_autofree char *base = make_disk (fixture, "base.qcow2", 1 << 30, NULL);
  g_autofree char *path = make_disk (fixture, "system.qcow2", 0, base);
  GtkWindow *properties;

  attach (fixture, debian, path);
  attach (fixture, other, path);
  open_page (fixture);
  gtk_widget_activate (GTK_WIDGET (wait_for (fixture, path)));
  test_wait_until ((properties = test_find_window (BUNSHIN_TYPE_MEDIUM_PROPERTIES)) != NULL);
  test_screenshot ("media-properties");
  /* A machine's row leads to it. */
  test_activate_row (test_find_label (properties, "Debian"));
  test_wait_until (!fixture->window->shows_media && fixture->window->selected != NULL
                   && g_str_equal (bunshin_machine_item_get_name (fixture->window->selected), "Debian"));
}

static void
test_copy (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.qcow2", 8 << 20, NULL);
  g_autofree char *copy = path_of (fixture, "system.vdi");
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;
  GtkWindow *dialog;

  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.copy");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_DISK_DIALOG)) != NULL);
  test_screenshot ("media-copy");
  test_click (test_find (dialog, "make_button"));
  wait_for_work (fixture);
  wait_for (fixture, copy);
  disk = disk_open (copy, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_format_name (disk), ==, "vdi");
  g_assert_cmpuint (disk_size (disk), ==, 8 << 20);
}

static void
write_word (const LibraryMachine *record, const char *word)
{
  const LibraryAttachment *drive = record->attachments->pdata[record->attachments->len - 1];
  const DiskOpenOptions options = { .chain = (const char *const *) drive->chain };
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open_with (drive->path, &options, &error);
  char sector[512] = { 0 };

  g_assert_no_error (error);
  g_strlcpy (sector, word, sizeof sector);
  g_assert_true (disk_write (disk, 0, sector, sizeof sector, &error));
}

/* Of a disk with snapshots what the machine has now is copied, and its size is not the one to change. */
static void
test_layers (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.vdi", 8 << 20, NULL), *copy = path_of (fixture, "copy.vdi");
  g_autoptr (LibraryMachine) machine = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autoptr (LibraryMachine) now = NULL;
  const SnapshotOptions options = { .name = "First" };
  g_autofree char *uuid = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;
  GtkWindow *dialog;
  char sector[512];

  attach (fixture, machine, path);
  write_word (machine, "then");
  uuid = snapshot_take_off (fixture->stage->library, machine, &options, &error);
  g_assert_no_error (error);
  now = library_find (fixture->stage->library, machine->uuid, &error);
  write_word (now, "now");
  open_page (fixture);
  wait_for (fixture, path);
  g_assert_cmpuint (bunshin_medium_item_get_verbs (find_item (fixture, path)) & (MEDIUM_RESIZE | MEDIUM_COPY), ==,
                    MEDIUM_COPY);
  test_screenshot ("media-layers");
  run_verb (fixture, path, "medium.copy");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_DISK_DIALOG)) != NULL);
  g_signal_emit_by_name (dialog, "copy", copy, "vdi", NULL);
  gtk_window_destroy (dialog);
  wait_for_work (fixture);
  wait_for (fixture, copy);
  disk = disk_open (copy, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_true (disk_read (disk, 0, sector, sizeof sector, &error));
  g_assert_cmpstr (sector, ==, "now");
}

/* A disk that gives a second's worth of data in half a minute, so that a copy of it can be stopped; or NULL. */
static GSubprocess *
serve_slowly (Fixture *fixture, char **address)
{
  g_autofree char *program = g_find_program_in_path ("nbdkit"), *socket = path_of (fixture, "socket");
  g_autoptr (GError) error = NULL;
  GSubprocess *server;

  if (program == NULL)
    {
      g_test_skip ("nbdkit is not installed");
      return NULL;
    }
  server = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, program, "--foreground", "--exit-with-parent", "-U", socket,
                             "--filter=delay", "pattern", "size=1G", "rdelay=40ms", NULL);
  g_assert_no_error (error);
  test_wait_until (g_file_test (socket, G_FILE_TEST_EXISTS));
  *address = g_strdup_printf ("nbd+unix:///?socket=%s", socket);
  return server;
}

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint count = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

/* Work shows in the row and can be stopped; closing the window asks. */
static void
test_stop (Fixture *fixture, gconstpointer data)
{
  g_autofree char *disks = g_build_filename (library_home (fixture->stage->library), "disks", NULL), *path = NULL;
  g_autoptr (GSubprocess) server = serve_slowly (fixture, &path);
  GtkWindow *dialog;

  if (server == NULL)
    return;
  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.copy");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_DISK_DIALOG)) != NULL);
  test_click (test_find (dialog, "make_button"));
  g_assert_true (bunshin_media_page_is_busy (fixture->page));
  g_assert_cmpint (bunshin_medium_item_get_verbs (find_item (fixture, path)), ==, 0);
  test_wait_until (bunshin_medium_item_get_progress (find_item (fixture, path)) > 0);
  g_assert_cmpuint (count_files (disks), >, 0);
  gtk_window_close (GTK_WINDOW (fixture->window));
  test_screenshot ("media-stop");
  test_respond ("cancel");
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (fixture->window)));
  gtk_widget_activate_action (GTK_WIDGET (find_row (fixture, path)), "medium.cancel", NULL);
  wait_for_work (fixture);
  g_assert_cmpuint (count_files (disks), ==, 0);
  test_screenshot ("media-stopped");
  g_subprocess_force_exit (server);
  g_subprocess_wait (server, NULL, NULL);
}

static void
test_resize (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.vdi", 64 << 20, NULL);
  GtkWindow *dialog;

  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.resize");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_RESIZE_DIALOG)) != NULL);
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "resize_button")));
  test_type (test_find (dialog, "entry"), "128 MiB");
  test_screenshot ("media-grow");
  test_click (test_find (dialog, "resize_button"));
  wait_for_work (fixture);
  test_wait_until (bunshin_medium_item_get_info (find_item (fixture, path))->size == 128 << 20);

  /* Less takes a word more. */
  run_verb (fixture, path, "medium.resize");
  test_wait_until ((dialog = test_find_window (BUNSHIN_TYPE_RESIZE_DIALOG)) != NULL);
  test_type (test_find (dialog, "entry"), "32 MiB");
  g_assert_false (gtk_widget_is_sensitive (test_find (dialog, "resize_button")));
  gtk_check_button_set_active (GTK_CHECK_BUTTON (test_find (dialog, "loss_check")), TRUE);
  test_screenshot ("media-shrink");
  test_click (test_find (dialog, "resize_button"));
  wait_for_work (fixture);
  test_wait_until (bunshin_medium_item_get_info (find_item (fixture, path))->size == 32 << 20);
}

/* A count of references says that a cluster is in use which nothing uses. */
static void
make_leak (const char *path)
{
  guint64 table, block;
  FILE *file = fopen (path, "r+");

  g_assert_nonnull (file);
  g_assert_cmpint (fseek (file, 48, SEEK_SET), ==, 0);
  g_assert_cmpuint (fread (&table, 1, 8, file), ==, 8);
  g_assert_cmpint (fseek (file, (long) GUINT64_FROM_BE (table), SEEK_SET), ==, 0);
  g_assert_cmpuint (fread (&block, 1, 8, file), ==, 8);
  g_assert_cmpint (fseek (file, (long) GUINT64_FROM_BE (block) + 2 * 100, SEEK_SET), ==, 0);
  g_assert_cmpuint (fwrite ("\0\1", 1, 2, file), ==, 2);
  /* The cluster is there. */
  g_assert_cmpint (fseek (file, 101 * 65536 - 1, SEEK_SET), ==, 0);
  g_assert_cmpuint (fwrite ("", 1, 1, file), ==, 1);
  fclose (file);
}

static void
test_tools (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.qcow2", 64 << 20, NULL);
  g_autofree char *repaired = path_of (fixture, "system repaired.qcow2");
  DiskReport report = { 0 };
  g_autoptr (GError) error = NULL;

  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.compact");
  wait_for_work (fixture);
  run_verb (fixture, path, "medium.check");
  wait_for_work (fixture);
  g_assert_null (test_find_window (ADW_TYPE_MESSAGE_DIALOG));

  make_leak (path);
  run_verb (fixture, path, "medium.check");
  test_wait_for_dialog ();
  test_screenshot ("media-faults");
  test_respond ("close");
  wait_for_work (fixture);
  media_page_repair_to (fixture->page, find_item (fixture, path), repaired);
  wait_for_work (fixture);
  wait_for (fixture, repaired);
  g_assert_true (disk_check (repaired, NULL, &report, NULL, &error));
  g_assert_cmpuint (report.leaks, ==, 0);
  disk_report_clear (&report);
}

/* The file goes, and the machine's settings with it. */
static void
test_move (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) debian = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autoptr (LibraryMachine) after = NULL;
  g_autofree char *path = make_disk (fixture, "system.vdi", 64 << 20, NULL), *to = path_of (fixture, "debian.vdi");
  g_autofree char *taken = make_disk (fixture, "taken.vdi", 64 << 20, NULL);

  attach (fixture, debian, path);
  open_page (fixture);
  wait_for (fixture, path);
  media_page_move_to (fixture->page, find_item (fixture, path), taken);
  test_wait_for_dialog ();
  test_screenshot ("media-move-failed");
  test_respond ("close");
  wait_for_work (fixture);
  media_page_move_to (fixture->page, find_item (fixture, path), to);
  wait_for_work (fixture);
  wait_for (fixture, to);
  g_assert_null (find_row (fixture, path));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  after = library_find (fixture->stage->library, "Debian", NULL);
  g_assert_cmpstr (library_machine_find_drive (after, LIBRARY_MEDIUM_DISK)->path, ==, to);
}

/* What is released comes back with “Undo”. */
static void
test_release (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) debian = test_stage_add_machine (fixture->stage, "Debian", "debian12");
  g_autoptr (LibraryMachine) after = NULL, back = NULL;
  g_autofree char *path = make_disk (fixture, "system.vdi", 64 << 20, NULL);

  attach (fixture, debian, path);
  open_page (fixture);
  g_assert_cmpint (bunshin_medium_item_get_verbs (bunshin_medium_row_get_item (wait_for (fixture, path)))
                       & (MEDIUM_REMOVE | MEDIUM_DELETE),
                   ==, 0);
  run_verb (fixture, path, "medium.release");
  test_settle ();
  test_screenshot ("media-released");
  after = library_find (fixture->stage->library, "Debian", NULL);
  g_assert_null (library_machine_find_drive (after, LIBRARY_MEDIUM_DISK));
  test_click (test_find_label (fixture->page, "_Undo"));
  back = library_find (fixture->stage->library, "Debian", NULL);
  g_assert_nonnull (library_machine_find_drive (back, LIBRARY_MEDIUM_DISK));
}

static void
test_remove (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.vdi", 64 << 20, NULL);

  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.remove");
  test_wait_until (find_row (fixture, path) == NULL);
  g_assert_cmpstr (shown (fixture), ==, "empty");
  test_click (test_find_label (fixture->page, "_Undo"));
  wait_for (fixture, path);
  run_verb (fixture, path, "medium.remove");
  test_wait_until (find_row (fixture, path) == NULL);
  bunshin_media_page_finish (fixture->page);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_delete (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = make_disk (fixture, "system.vdi", 64 << 20, NULL);

  list (fixture, path, LIBRARY_MEDIUM_DISK);
  open_page (fixture);
  run_verb (fixture, path, "medium.delete");
  g_assert_null (find_row (fixture, path));
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  test_click (test_find_label (fixture->page, "_Undo"));
  wait_for (fixture, path);
  run_verb (fixture, path, "medium.delete");
  bunshin_media_page_finish (fixture->page);
  test_wait_until (!g_file_test (path, G_FILE_TEST_EXISTS));
  bunshin_media_list_reload (fixture->page->media);
  test_wait_until (find_row (fixture, path) == NULL);
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/media/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("empty", test_empty);
  ADD ("list", test_list);
  ADD ("trusted", test_trusted);
  ADD ("properties", test_properties);
  ADD ("copy", test_copy);
  ADD ("layers", test_layers);
  ADD ("stop", test_stop);
  ADD ("resize", test_resize);
  ADD ("tools", test_tools);
  ADD ("move", test_move);
  ADD ("release", test_release);
  ADD ("remove", test_remove);
  ADD ("delete", test_delete);
#undef ADD
  return g_test_run ();
}
