/* SPDX-License-Identifier: GPL-3.0-or-later */
/* “What Changed?”: over a real library by way of the real program, and over programs that are slow, crash or lie. */

#include "tests/ui/ui-test.h"

#include "storage/snapshot/snapshot.h"
#include "ui/changes-list.h"
#include "ui/changes-window.h"
#include "ui/manager-window.h"
#include "ui/snapshot-item.h"
#include "ui/snapshot-row.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <signal.h>

enum
{
  DISK_SIZE = 16 << 20,
  MANY = 1000000,
  SOON = 10 * G_USEC_PER_SEC /* for a million rows, also where sanitizers look on */
};

typedef struct
{
  TestStage *stage;
  LibraryMachine *record;
  char *folder;   /* for files */
  char *snapshot; /* its UUID */
  GtkWidget *manager;
} Fixture;

/* --- A disk that changes --- */

static void
tool (Fixture *fixture, const char *first, ...)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  const char *word;
  va_list arguments;
  int status;

  va_start (arguments, first);
  for (word = first; word != NULL; word = va_arg (arguments, const char *))
    g_ptr_array_add (words, (gpointer) word);
  va_end (arguments);
  g_ptr_array_add (words, NULL);
  g_spawn_sync (fixture->folder, (char **) words->pdata, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

static void
put_file (Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL), *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static char *
read_file (Fixture *fixture, const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static LibraryMachine *
find_record (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  LibraryMachine *record = library_find (fixture->stage->library, fixture->record->uuid, &error);

  g_assert_no_error (error);
  return record;
}

/* As a guest would. */
static void
write_disk (Fixture *fixture, const char *image)
{
  g_autoptr (LibraryMachine) record = find_record (fixture);
  const LibraryAttachment *drive = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  const DiskOpenOptions options = { .chain = (const char *const *) drive->chain };
  g_autofree char *path = g_build_filename (fixture->folder, image, NULL), *data = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open_with (drive->path, &options, &error);
  gsize length;

  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &data, &length, &error));
  disk_write (disk, 0, data, length, &error);
  g_assert_no_error (error);
}

static char *
take (Fixture *fixture, const char *name)
{
  g_autoptr (LibraryMachine) record = find_record (fixture);
  const SnapshotOptions options = { .name = name, .kind = SNAPSHOT_USER };
  g_autoptr (GError) error = NULL;
  char *uuid = snapshot_take_off (fixture->stage->library, record, &options, &error);

  g_assert_no_error (error);
  return uuid;
}

static void
make_images (Fixture *fixture)
{
  static const char *const commands[]
      = { "rm /etc/resolv.conf",
          "rm /etc/motd",
          "write motd /etc/motd",
          "mkdir /usr/share",
          "mkdir /usr/share/a-folder-with-a-rather-long-name",
          "write tool /usr/share/a-folder-with-a-rather-long-name/a-tool-with-a-very-long-name-too.conf",
          "symlink /etc/link motd",
          "sif /etc/passwd mode 0100600" };

  put_file (fixture, "tree/etc/motd", "Welcome\n");
  put_file (fixture, "tree/etc/resolv.conf", "nameserver 10.0.2.3\n");
  put_file (fixture, "tree/etc/passwd", "root:x:0:0\n");
  put_file (fixture, "tree/usr/readme", "Read me\n");
  put_file (fixture, "motd", "Welcome to another system\n");
  put_file (fixture, "tool", "#!/bin/sh\n");
  tool (fixture, "mkfs.ext4", "-q", "-F", "-d", "tree", "before.raw", "16M", NULL);
  tool (fixture, "cp", "before.raw", "after.raw", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    tool (fixture, "debugfs", "-w", "-R", commands[i], "after.raw", NULL);
}

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
  fixture->stage = test_stage_new ();
  fixture->folder = g_dir_make_tmp ("bunshin-changes-XXXXXX", NULL);
  fixture->record = test_stage_add_machine (fixture->stage, "Debian", "debian12");
}

/* With the manager's window. */
static void
set_up_real (Fixture *fixture, gconstpointer data)
{
  UiManagerEnv env;

  set_up (fixture, data);
  add_disk (fixture);
  make_images (fixture);
  write_disk (fixture, "before.raw");
  fixture->snapshot = take (fixture, "Fresh install");
  write_disk (fixture, "after.raw");
  env = (UiManagerEnv) { .library = fixture->stage->library,
                         .host = &fixture->stage->host,
                         .program = g_getenv ("BUNSHIN_EXE") };
  fixture->manager = GTK_WIDGET (bunshin_manager_window_new (NULL, &env));
  gtk_window_present (GTK_WINDOW (fixture->manager));
  test_settle ();
  gtk_widget_activate_action (fixture->manager, "win.snapshots", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  library_machine_free (fixture->record);
  test_stage_free (fixture->stage);
  tool (fixture, "rm", "-r", fixture->folder, NULL);
  g_free (fixture->folder);
  g_free (fixture->snapshot);
}

/* --- The window --- */

static GtkWidget *
find_row (Fixture *fixture, const char *name)
{
  GtkListBox *timeline = GTK_LIST_BOX (test_find (fixture->manager, "timeline"));
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (timeline, i)) != NULL; i++)
    if (g_str_equal (bunshin_snapshot_item_get_name (bunshin_snapshot_row_get_item (BUNSHIN_SNAPSHOT_ROW (row))), name))
      return GTK_WIDGET (row);
  return NULL;
}

static GtkWindow *
open_window (Fixture *fixture, const char *name, const char *action)
{
  GtkWindow *window = NULL;

  test_wait_until (find_row (fixture, name) != NULL);
  g_assert_true (gtk_widget_activate_action (find_row (fixture, name), action, NULL));
  test_wait_until ((window = test_find_window (BUNSHIN_TYPE_CHANGES_WINDOW)) != NULL);
  return window;
}

static const char *
page (GtkWindow *window)
{
  return gtk_stack_get_visible_child_name (GTK_STACK (test_find (window, "stack")));
}

static GListModel *
model (GtkWindow *window)
{
  return G_LIST_MODEL (gtk_list_view_get_model (GTK_LIST_VIEW (test_find (window, "list_view"))));
}

static guint
count (GtkWindow *window)
{
  return g_list_model_get_n_items (model (window));
}

static const char *
summary (GtkWindow *window)
{
  return gtk_label_get_label (GTK_LABEL (test_find (window, "summary_label")));
}

static gboolean
select_path (GtkWindow *window, const char *path)
{
  for (guint i = 0; i < count (window); i++)
    {
      g_autoptr (BunshinChange) change = g_list_model_get_item (model (window), i);

      if (g_str_equal (bunshin_change_get_path (change), path))
        return gtk_selection_model_select_item (GTK_SELECTION_MODEL (model (window)), i, TRUE);
    }
  return FALSE;
}

static gboolean
is_enabled (GtkWindow *window, const char *id)
{
  return gtk_widget_is_sensitive (test_find (window, id));
}

static void
copy (Fixture *fixture, GtkWindow *window, const char *path, gboolean earlier, const char *expected)
{
  g_autofree char *to = g_build_filename (fixture->folder, "copy", NULL), *text = NULL;

  g_unlink (to);
  g_assert_true (select_path (window, path));
  bunshin_changes_window_copy (BUNSHIN_CHANGES_WINDOW (window), earlier, to);
  g_assert_false (is_enabled (window, "copy_button"));
  test_wait_until (is_enabled (window, "copy_button"));
  text = read_file (fixture, "copy");
  g_assert_cmpstr (text, ==, expected);
}

static void
filters (GtkWindow *window)
{
  GtkWidget *entry = test_find (window, "search_entry");

  g_assert_cmpstr (summary (window), ==, "7 changes");
  test_click (test_find_label (window, "Added: 4"));
  test_wait_until (count (window) == 3);
  g_assert_cmpstr (summary (window), ==, "3 of 7 changes");
  test_click (test_find_label (window, "Added: 4"));
  test_wait_until (count (window) == 7);
  gtk_search_bar_set_search_mode (GTK_SEARCH_BAR (test_find (window, "search_bar")), TRUE);
  test_type (entry, "MOTD");
  test_wait_until (count (window) == 1);
  test_type (entry, "not there");
  test_wait_until (
      g_str_equal (gtk_stack_get_visible_child_name (GTK_STACK (test_find (window, "list_stack"))), "none"));
  test_type (entry, "");
  test_wait_until (count (window) == 7);
  gtk_search_bar_set_search_mode (GTK_SEARCH_BAR (test_find (window, "search_bar")), FALSE);
}

static void
test_changes (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = open_window (fixture, "Fresh install", "snapshot.changes");
  g_autoptr (BunshinChange) first = NULL;
  g_autofree char *sizes = NULL;

  g_assert_false (gtk_window_get_modal (window));
  test_wait_until (g_str_equal (page (window), "list"));
  g_assert_cmpuint (count (window), ==, 7);
  g_assert_false (is_enabled (window, "copy_button"));
  filters (window);
  /* What grew by most comes first. */
  gtk_widget_activate_action (GTK_WIDGET (window), "changes.order", "s", "size");
  test_wait_until (select_path (window, "/etc/resolv.conf")
                   && gtk_single_selection_get_selected (GTK_SINGLE_SELECTION (model (window))) == 0);
  gtk_widget_activate_action (GTK_WIDGET (window), "changes.order", "s", "path");
  test_wait_until (select_path (window, "/etc/resolv.conf")
                   && gtk_single_selection_get_selected (GTK_SINGLE_SELECTION (model (window))) == 3);
  test_screenshot ("changes");
  /* Of a folder there is nothing to copy. */
  g_assert_true (select_path (window, "/usr/share"));
  g_assert_false (is_enabled (window, "copy_button"));
  copy (fixture, window, "/etc/motd", FALSE, "Welcome to another system\n");
  copy (fixture, window, "/etc/motd", TRUE, "Welcome\n");
  copy (fixture, window, "/etc/resolv.conf", FALSE, "nameserver 10.0.2.3\n");
  test_screenshot ("changes-copied");
  g_assert_true (select_path (window, "/etc/motd"));
  bunshin_changes_window_copy (BUNSHIN_CHANGES_WINDOW (window), FALSE, "/nowhere/copy");
  test_wait_until (test_find_window (ADW_TYPE_MESSAGE_DIALOG) != NULL);
  g_assert_nonnull (strstr (adw_message_dialog_get_body (test_wait_for_dialog ()), "/nowhere/copy"));
  test_respond ("close");
  test_wait_until (test_find_window (ADW_TYPE_MESSAGE_DIALOG) == NULL);
  first = g_list_model_get_item (model (window), 1);
  sizes = bunshin_change_get_sizes (first);
  g_assert_cmpstr (sizes, ==, "8 bytes → 26 bytes");

  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_FORCE_DARK);
  gtk_window_set_default_size (window, 340, 560);
  test_wait_until (gtk_widget_get_width (GTK_WIDGET (window)) < 400);
  test_screenshot ("changes-narrow-dark");
  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_DEFAULT);
}

static void
test_compare_with (Fixture *fixture, gconstpointer data)
{
  g_autofree char *second = take (fixture, "With another greeting");
  GtkWindow *window;
  GtkDropDown *from, *to;

  test_wait_until (find_row (fixture, "With another greeting") != NULL);
  window = open_window (fixture, "Fresh install", "snapshot.compare");
  from = GTK_DROP_DOWN (test_find (window, "from_drop"));
  to = GTK_DROP_DOWN (test_find (window, "to_drop"));
  g_assert_cmpstr (page (window), ==, "waiting");
  test_screenshot ("changes-compare");
  gtk_drop_down_set_selected (to, 1);
  test_wait_until (g_str_equal (page (window), "list"));
  g_assert_cmpuint (count (window), ==, 7);
  /* The other way round, and with itself. */
  gtk_drop_down_set_selected (to, 2);
  gtk_drop_down_set_selected (from, 0);
  test_wait_until (g_str_equal (page (window), "list"));
  test_find_label (window, "Removed: 4");
  gtk_drop_down_set_selected (to, 1);
  test_wait_until (g_str_equal (page (window), "same"));
  test_screenshot ("changes-same");
}

/* From the present state's own row. */
static void
test_present (Fixture *fixture, gconstpointer data)
{
  g_autofree char *second = NULL;
  GtkWindow *window;

  test_wait_until (find_row (fixture, "Fresh install") != NULL);
  second = take (fixture, "Second");
  test_wait_until (find_row (fixture, "Second") != NULL);
  window = open_window (fixture, _("Current State"), "snapshot.changes");
  test_wait_until (g_str_equal (page (window), "same"));
  gtk_window_destroy (window);
}

static void
test_running (Fixture *fixture, gconstpointer data)
{
  TestControl *control = test_stage_control (fixture->stage, fixture->record->uuid);
  g_autofree char *second = NULL, *third = NULL;
  GtkWindow *window;

  second = take (fixture, "Second");
  third = take (fixture, "Third");
  test_wait_until (find_row (fixture, "Third") != NULL);
  test_control_set_state (control, LIBRARY_STATE_RUNNING, NULL);
  window = open_window (fixture, "Fresh install", "snapshot.changes");
  /* What came next. */
  g_assert_cmpuint (gtk_drop_down_get_selected (GTK_DROP_DOWN (test_find (window, "to_drop"))), ==, 2);
  test_wait_until (g_str_equal (page (window), "list"));
  g_assert_cmpuint (count (window), ==, 7);
  gtk_window_destroy (window);
  test_control_set_state (control, LIBRARY_STATE_POWERED_OFF, NULL);
}

/* The words of the command line. */
static void
test_failed (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window;
  g_autoptr (LibraryMachine) record = find_record (fixture);
  const LibraryAttachment *drive = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  g_autofree char *moved = g_strconcat (drive->path, ".away", NULL);
  AdwStatusPage *failure;

  g_assert_cmpint (g_rename (drive->path, moved), ==, 0);
  window = open_window (fixture, "Fresh install", "snapshot.changes");
  failure = ADW_STATUS_PAGE (test_find (window, "failure_page"));
  test_wait_until (g_str_equal (page (window), "failed"));
  g_assert_nonnull (strstr (adw_status_page_get_description (failure), drive->path));
  g_assert_null (strstr (adw_status_page_get_description (failure), "bunshin: "));
  test_screenshot ("changes-failed");
  g_assert_cmpint (g_rename (moved, drive->path), ==, 0);
  test_click (test_find_label (window, "Try _Again"));
  test_wait_until (g_str_equal (page (window), "list"));
}

/* --- Programs that are not ours --- */

static GtkWindow *
run_program (Fixture *fixture, const char *script)
{
  g_autofree char *path = g_build_filename (fixture->folder, "program", NULL);
  g_autoptr (GListStore) snapshots = g_list_store_new (BUNSHIN_TYPE_SNAPSHOT_ITEM);
  g_autoptr (BunshinSnapshotItem) item = bunshin_snapshot_item_new ("a");
  Snapshot *snapshot = g_new0 (Snapshot, 1);
  const SnapshotPlace place = { .snapshot = snapshot };
  ChangesRequest request = { .name = "Debian", .snapshots = G_LIST_MODEL (snapshots), .from = "a" };
  GtkWindow *window;

  snapshot->uuid = g_strdup ("a");
  snapshot->name = g_strdup ("Before");
  bunshin_snapshot_item_set (item, snapshot, &place);
  g_list_store_append (snapshots, item);
  put_file (fixture, "program", script);
  g_assert_cmpint (g_chmod (path, 0700), ==, 0);
  request.source = (ChangesSource) { .program = path, .home = fixture->folder, .machine = "m" };
  window = GTK_WINDOW (bunshin_changes_window_new (NULL, &request));
  gtk_window_present (window);
  return window;
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = run_program (fixture, "#!/bin/sh\n"
                                            "printf 'bunshin-changes-1\\0p\\000250\\0'\n"
                                            "echo $$ >\"$BUNSHIN_HOME/pid.new\"\n"
                                            "mv \"$BUNSHIN_HOME/pid.new\" \"$BUNSHIN_HOME/pid\"\n"
                                            "trap '' TERM INT\n"
                                            "exec sleep 1000\n");
  GtkProgressBar *progress = GTK_PROGRESS_BAR (test_find (window, "progress"));
  g_autofree char *pid = NULL;

  test_wait_until ((pid = read_file (fixture, "pid")) != NULL);
  test_wait_until (gtk_progress_bar_get_fraction (progress) == 0.25);
  test_screenshot ("changes-working");
  test_click (test_find (window, "cancel_button"));
  g_assert_cmpstr (page (window), ==, "waiting");
  test_wait_until (kill (atoi (pid), 0) != 0);
}

/* A copy that hangs is ended, the list stays. */
static void
test_stop_copy (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = run_program (fixture, "#!/bin/sh\n"
                                            "if [ $2 = changes ]; then\n"
                                            "printf 'bunshin-changes-1\\0'\n"
                                            "printf 'c\\0000\\0000\\0ide0\\0001\\0000\\0005\\0000\\0/etc/motd\\0e\\0'\n"
                                            "else\n"
                                            "echo $$ >\"$BUNSHIN_HOME/pid.new\"\n"
                                            "mv \"$BUNSHIN_HOME/pid.new\" \"$BUNSHIN_HOME/pid\"\n"
                                            "trap '' TERM\n"
                                            "exec sleep 1000\n"
                                            "fi\n");
  g_autofree char *pid = NULL;

  test_wait_until (g_str_equal (page (window), "list"));
  g_assert_true (select_path (window, "/etc/motd"));
  bunshin_changes_window_copy (BUNSHIN_CHANGES_WINDOW (window), FALSE, "/nowhere");
  test_wait_until ((pid = read_file (fixture, "pid")) != NULL);
  test_screenshot ("changes-copying");
  test_click (test_find (window, "stop_copy_button"));
  test_wait_until (is_enabled (window, "copy_button") && kill (atoi (pid), 0) != 0);
  g_assert_null (test_find_window (ADW_TYPE_MESSAGE_DIALOG));
}

/* A window that is closed takes its process with it. */
static void
test_close (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = run_program (fixture, "#!/bin/sh\n"
                                            "echo $$ >\"$BUNSHIN_HOME/pid.new\"\n"
                                            "mv \"$BUNSHIN_HOME/pid.new\" \"$BUNSHIN_HOME/pid\"\n"
                                            "exec sleep 1000\n");
  g_autofree char *pid = NULL;

  test_wait_until ((pid = read_file (fixture, "pid")) != NULL);
  gtk_window_close (window);
  test_wait_until (kill (atoi (pid), 0) != 0);
}

static void
expect_failure (Fixture *fixture, const char *script, const char *expected)
{
  GtkWindow *window = run_program (fixture, script);
  AdwStatusPage *failure = ADW_STATUS_PAGE (test_find (window, "failure_page"));

  test_wait_until (g_str_equal (page (window), "failed"));
  if (strstr (adw_status_page_get_description (failure), expected) == NULL)
    g_error ("“%s” is not in “%s”", expected, adw_status_page_get_description (failure));
  gtk_window_destroy (window);
}

static void
test_misled (Fixture *fixture, gconstpointer data)
{
  expect_failure (fixture, "#!/bin/sh\nkill -SEGV $$\n", "sudden end");
  expect_failure (fixture, "#!/bin/sh\nprintf 'bunshin-changes-1\\0c\\0'\n", "damaged");
  expect_failure (fixture, "#!/bin/sh\nexec cat /dev/zero\n", "damaged");
  expect_failure (fixture, "#!/bin/sh\nexec yes\n", "damaged");
  expect_failure (fixture, "#!/bin/sh\nprintf 'bunshin-changes-1\\0e\\0'; exit 3\n", "reading the disks failed");
  expect_failure (fixture, "#!/bin/sh\nyes | head -c 1000000 >&2; exit 1\n", "y");
  expect_failure (fixture, "#!/bin/sh\necho 'bunshin: snapshot: <b>no</b> disk' >&2; exit 1\n",
                  "&lt;b&gt;no&lt;/b&gt; disk");
  expect_failure (fixture, "#!/nowhere/sh\n", "program");
}

static void
test_notes (Fixture *fixture, gconstpointer data)
{
  GtkWindow *window = run_program (fixture, "#!/bin/sh\n"
                                            "printf 'bunshin-changes-1\\0'\n"
                                            "printf 'c\\0000\\0000\\0ide0\\0001\\0000\\0005\\0000\\0/etc/motd\\0'\n"
                                            "printf 'n\\0ide0: partition 2 has no file system that is known here\\0'\n"
                                            "printf 'n\\0ide1: only one of the two states has this disk\\0e\\0'\n");
  GtkExpander *notes = GTK_EXPANDER (test_find (window, "notes_expander"));

  test_wait_until (g_str_equal (page (window), "list"));
  g_assert_true (gtk_widget_get_visible (GTK_WIDGET (notes)));
  g_assert_cmpstr (gtk_expander_get_label (notes), ==, "2 things could not be looked at");
  gtk_expander_set_expanded (notes, TRUE);
  test_screenshot ("changes-notes");
}

static void
make_million (Fixture *fixture)
{
  g_autofree char *path = g_build_filename (fixture->folder, "list", NULL);
  FILE *file = g_fopen (path, "w");

  g_assert_nonnull (file);
  fprintf (file, "bunshin-changes-1%c", 0);
  for (guint i = 0; i < MANY; i++)
    fprintf (file, "c%c%u%c%u%cide0%c1%c%u%c%u%c%u%c/usr/share/folder-%u/file-%u%c", 0, i % 4, 0, i % 3, 0, 0, 0, i, 0,
             i / 2, 0, 1700000000 + i, 0, i / 1000, i, 0);
  fprintf (file, "e%c", 0);
  g_assert_cmpint (fclose (file), ==, 0);
}

/* How long the interface stands still at most, in µs, until @condition holds. */
#define LONGEST_WHILE(condition, longest)                                                                              \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 while_end_ = g_get_monotonic_time () + SOON;                                                                \
    while (!(condition))                                                                                               \
      {                                                                                                                \
        gint64 while_begin_ = g_get_monotonic_time ();                                                                 \
        g_main_context_iteration (NULL, FALSE);                                                                        \
        longest = MAX (longest, g_get_monotonic_time () - while_begin_);                                               \
        g_usleep (500);                                                                                                \
        g_assert_cmpint (g_get_monotonic_time (), <, while_end_);                                                      \
      }                                                                                                                \
  }                                                                                                                    \
  G_STMT_END

static void
test_million (Fixture *fixture, gconstpointer data)
{
  gint64 begin, reading = 0, searching = 0, sorting = 0;
  GtkWindow *window;
  guint widgets = 0;

  make_million (fixture);
  begin = g_get_monotonic_time ();
  window = run_program (fixture, "#!/bin/sh\nexec cat \"$BUNSHIN_HOME/list\"\n");
  LONGEST_WHILE (g_str_equal (page (window), "list"), reading);
  g_assert_cmpuint (count (window), ==, MANY);
  g_test_message ("%d rows after %.2f s", MANY, (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  test_settle ();
  for (GtkWidget *row = gtk_widget_get_first_child (test_find (window, "list_view")); row != NULL;
       row = gtk_widget_get_next_sibling (row))
    widgets++;
  g_assert_cmpuint (widgets, <, 1000);
  gtk_selection_model_select_item (GTK_SELECTION_MODEL (model (window)), MANY - 1, TRUE);
  begin = g_get_monotonic_time ();
  test_type (test_find (window, "search_entry"), "FILE-99999");
  LONGEST_WHILE (count (window) == 11, searching);
  g_test_message ("searched after %.2f s", (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  /* What was selected still is. */
  g_assert_cmpuint (gtk_single_selection_get_selected (GTK_SINGLE_SELECTION (model (window))), ==, 10);
  test_type (test_find (window, "search_entry"), "");
  LONGEST_WHILE (count (window) == MANY, searching);
  begin = g_get_monotonic_time ();
  gtk_widget_activate_action (GTK_WIDGET (window), "changes.order", "s", "time");
  LONGEST_WHILE (gtk_single_selection_get_selected (GTK_SINGLE_SELECTION (model (window))) == 0, sorting);
  g_test_message ("sorted after %.2f s", (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  g_test_message (
      "the interface stood still for %.0f ms at most while it was read, %.0f while it was searched, %.0f while "
      "it was sorted",
      (double) reading / 1000, (double) searching / 1000, (double) sorting / 1000);
  g_assert_cmpint (MAX (MAX (reading, searching), sorting), <, 2 * G_USEC_PER_SEC);
  test_screenshot ("changes-million");
}

int
main (int argc, char **argv)
{
  test_ui_init (&argc, &argv);
#define ADD(name, setup, test) g_test_add ("/ui/changes/" name, Fixture, NULL, setup, test, tear_down)
  ADD ("list", set_up_real, test_changes);
  ADD ("compare-with", set_up_real, test_compare_with);
  ADD ("present", set_up_real, test_present);
  ADD ("running", set_up_real, test_running);
  ADD ("failed", set_up_real, test_failed);
  ADD ("cancel", set_up, test_cancel);
  ADD ("stop-copy", set_up, test_stop_copy);
  ADD ("close", set_up, test_close);
  ADD ("misled", set_up, test_misled);
  ADD ("notes", set_up, test_notes);
  ADD ("million", set_up, test_million);
#undef ADD
  return g_test_run ();
}
