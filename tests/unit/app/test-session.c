/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots within a machine's own process: one thing at a time, what windows are told, and an end in the middle of it.
 */

#include "app/session-private.h"
#include "storage/disk/disk.h"
#include "storage/snapshot/automatic.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *home;
  Library *library;
  LibraryMachine *record;
  BunshinSession *session;
  GPtrArray *machines; /* what “machine” was at each notification, not owned */
} Fixture;

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder && (name = g_dir_read_name (folder)))
    {
      g_autofree char *inner = g_build_filename (path, name, NULL);

      if (g_file_test (inner, G_FILE_TEST_IS_DIR))
        remove_tree (inner);
      else
        g_unlink (inner);
    }
  g_rmdir (path);
}

static void
on_machine (BunshinMachineControl *control, GParamSpec *pspec, gpointer data)
{
  g_ptr_array_add (data, bunshin_machine_control_get_machine (control));
}

static void
start (Fixture *fixture)
{
  const SessionOptions options = { 0 };
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (GError) error = NULL;
  LibraryLock *lock = library_lock_machine (fixture->record, &error);

  g_assert_no_error (error);
  record = library_find (fixture->library, fixture->record->uuid, &error);
  fixture->session = bunshin_session_new (fixture->library, lock, record, &options, &error);
  g_assert_no_error (error);
  g_signal_connect (fixture->session, "notify::machine", G_CALLBACK (on_machine), fixture->machines);
  g_assert_true (bunshin_session_start (fixture->session, &error));
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const DiskCreateOptions create = { .format = "vdi", .size = 8 << 20 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  fixture->home = g_dir_make_tmp ("bunshin-session-XXXXXX", &error);
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  fixture->machines = g_ptr_array_new ();
  fixture->record = library_machine_new ("one");
  fixture->record->memory = 32 << 20;
  g_assert_true (library_add_machine (fixture->library, fixture->record, &error));
  path = library_new_disk_path (fixture->record, "vdi");
  g_assert_true (disk_create (path, &create, &error));
  library_machine_add_attachment (fixture->record, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, path, "vdi");
  library_machine_add_attachment (fixture->record, LIBRARY_CONTROLLER_IDE, 2, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  g_assert_true (library_update_machine (fixture->library, fixture->record, &error));
  if (data)
    {
      g_assert_true (snapshot_drive_begin (fixture->library, fixture->record->uuid, NULL, &error));
      g_assert_no_error (error);
    }
  start (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  bunshin_session_close (fixture->session);
  /* Notices under way hold it. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (fixture->session);
  g_ptr_array_unref (fixture->machines);
  library_machine_free (fixture->record);
  library_close (fixture->library);
  remove_tree (fixture->home);
  g_free (fixture->home);
}

typedef struct
{
  gboolean done;
  GError *error;
} Answer;

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  bunshin_session_snapshot_finish (BUNSHIN_SESSION (source), result, &answer->error);
  answer->done = TRUE;
}

static void
ask (Fixture *fixture, BunshinSnapshotRequest request, GCancellable *cancellable, Answer *answer)
{
  *answer = (Answer) { 0 };
  bunshin_session_snapshot_async (fixture->session, &request, cancellable, on_done, answer);
}

static void
wait_for (Answer *answer)
{
  while (!answer->done)
    g_main_context_iteration (NULL, TRUE);
}

static void
run (Fixture *fixture, BunshinSnapshotRequest request)
{
  Answer answer;

  ask (fixture, request, NULL, &answer);
  wait_for (&answer);
  g_assert_no_error (answer.error);
}

static GPtrArray *
list (Fixture *fixture, gboolean all)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *snapshots = snapshot_list (fixture->library, fixture->record, all, &error);

  g_assert_no_error (error);
  return snapshots;
}

static LibraryState
state (Fixture *fixture)
{
  return bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (fixture->session));
}

/* The disk that the record says is the one the machine has in use. */
static void
check_disk (Fixture *fixture)
{
  const LibraryMachine *record = bunshin_session_get_record (fixture->session);
  const LibraryAttachment *disk = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  Machine *machine = bunshin_machine_control_get_machine (BUNSHIN_MACHINE_CONTROL (fixture->session));
  g_autoptr (Disk) found = machine_find_disk (machine, disk->path);

  g_assert_nonnull (found);
  g_assert_cmpstr (disk_path (found), ==, disk->path);
}

static void
test_restore (Fixture *fixture, gconstpointer data)
{
  BunshinMachineControl *control = BUNSHIN_MACHINE_CONTROL (fixture->session);
  const char *uuid = bunshin_machine_control_get_uuid (control);
  Machine *machine = bunshin_machine_control_get_machine (control);
  g_autoptr (GVariant) figures = NULL;
  g_autoptr (GPtrArray) snapshots = NULL;
  gint64 restore = 0, pause = 0;

  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "first" });
  check_disk (fixture);
  g_assert_true (bunshin_machine_control_get_machine (control) == machine);
  g_assert_cmpuint (fixture->machines->len, ==, 0);
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_RESTORE, .name = "second" });
  /* First gone, then there is another. */
  g_assert_cmpuint (fixture->machines->len, ==, 2);
  g_assert_null (g_ptr_array_index (fixture->machines, 0));
  g_assert_nonnull (g_ptr_array_index (fixture->machines, 1));
  g_assert_true (bunshin_machine_control_get_machine (control) == g_ptr_array_index (fixture->machines, 1));
  g_assert_true (bunshin_machine_control_get_uuid (control) == uuid);
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
  check_disk (fixture);
  snapshots = list (fixture, TRUE);
  g_assert_cmpuint (snapshots->len, ==, 2);
  g_assert_true (((Snapshot *) g_ptr_array_index (snapshots, 0))->is_current);
  g_assert_nonnull (((Snapshot *) g_ptr_array_index (snapshots, 0))->state_path);
  g_assert_nonnull (((Snapshot *) g_ptr_array_index (snapshots, 1))->thumbnail_path);
  figures = g_variant_ref_sink (bunshin_session_info (fixture->session));
  g_assert_true (g_variant_lookup (figures, "last-snapshot-pause", "x", &pause) && pause > 0);
  g_assert_true (g_variant_lookup (figures, "last-restore", "x", &restore) && restore > 0);
  for (unsigned i = 0; i < 2; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);

      run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_DELETE, .snapshot = snapshot->uuid });
      check_disk (fixture);
    }
}

static void
on_inserted (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  bunshin_session_insert_finish (BUNSHIN_SESSION (source), result, &answer->error);
  answer->done = TRUE;
}

/* Into the CD drive; waits for the answer. */
static void
insert (Fixture *fixture, const char *path, Answer *answer)
{
  *answer = (Answer) { 0 };
  bunshin_session_insert_async (fixture->session, "ide2", path, FALSE, NULL, on_inserted, answer);
  wait_for (answer);
}

static void
test_one_at_a_time (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) snapshots = NULL;
  Answer first, second, third;

  ask (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "first" }, NULL, &first);
  ask (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "second" }, NULL, &second);
  insert (fixture, NULL, &third);
  g_assert_error (third.error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&third.error);
  wait_for (&second);
  g_assert_error (second.error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&second.error);
  wait_for (&first);
  g_assert_no_error (first.error);
  snapshots = list (fixture, TRUE);
  g_assert_cmpuint (snapshots->len, ==, 1);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) snapshots = NULL;
  g_autofree char *folder = g_build_filename (fixture->record->folder, "Snapshots", NULL);
  g_autoptr (GDir) files = NULL;
  Answer answer;

  ask (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "first" }, cancellable, &answer);
  g_cancellable_cancel (cancellable);
  wait_for (&answer);
  g_assert_error (answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&answer.error);
  snapshots = list (fixture, TRUE);
  g_assert_cmpuint (snapshots->len, ==, 0);
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
  files = g_dir_open (folder, 0, NULL);
  g_assert_true (!files || !g_dir_read_name (files));
  check_disk (fixture);
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "second" });
}

/* Powered off in the middle of it: everybody gets an answer, and there is a whole snapshot or none. */
static void
power_off_while (Fixture *fixture, BunshinSnapshotVerb verb)
{
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_PAUSE, NULL));
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "whole" });
  for (unsigned steps = 0; steps < 12; steps += 3)
    {
      g_autoptr (GPtrArray) before = list (fixture, FALSE), after = NULL;
      Answer answer;

      ask (fixture, (BunshinSnapshotRequest) { .verb = verb, .name = verb == BUNSHIN_SNAPSHOT_TAKE ? "late" : NULL },
           NULL, &answer);
      for (unsigned i = 0; i < steps && !answer.done; i++)
        g_main_context_iteration (NULL, TRUE);
      g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_POWER_OFF, NULL));
      bunshin_session_stop_work (fixture->session);
      g_assert_true (answer.done);
      bunshin_session_close (fixture->session);
      g_assert_cmpint (library_machine_state (fixture->record, NULL, NULL), !=, LIBRARY_STATE_RUNNING);
      g_object_unref (fixture->session);
      after = list (fixture, FALSE);
      g_assert_cmpuint (after->len, ==, before->len + (verb == BUNSHIN_SNAPSHOT_TAKE && !answer.error));
      g_clear_error (&answer.error);
      start (fixture);
    }
}

static void
test_power_off_taking (Fixture *fixture, gconstpointer data)
{
  power_off_while (fixture, BUNSHIN_SNAPSHOT_TAKE);
}

static void
test_power_off_restoring (Fixture *fixture, gconstpointer data)
{
  power_off_while (fixture, BUNSHIN_SNAPSHOT_RESTORE);
}

static void
on_drive_ended (BunshinMachineControl *control, GParamSpec *pspec, gpointer data)
{
  ++*(int *) data;
}

/* Nobody asks: it is thrown away. */
static void
test_drive_discarded (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) snapshots = list (fixture, TRUE), left = NULL;

  g_assert_cmpuint (snapshots->len, ==, 1);
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_POWER_OFF, NULL));
  g_assert_false (bunshin_session_wait_drive (fixture->session));
  bunshin_session_close (fixture->session);
  g_assert_false (snapshot_in_drive (fixture->library, fixture->record->uuid));
  left = list (fixture, TRUE);
  g_assert_cmpuint (left->len, ==, 0);
}

/* A window asks when the machine is off, and may be told more than once. */
static void
test_drive_kept (Fixture *fixture, gconstpointer data)
{
  BunshinMachineControl *control = BUNSHIN_MACHINE_CONTROL (fixture->session);
  g_autoptr (GPtrArray) snapshots = NULL;
  int told = 0;
  Answer answer;

  g_signal_connect (control, "notify::drive-ended", G_CALLBACK (on_drive_ended), &told);
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_POWER_OFF, NULL));
  ask (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_END_DRIVE, .how = SNAPSHOT_DRIVE_KEEP }, NULL,
       &answer);
  wait_for (&answer);
  g_assert_error (answer.error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&answer.error);
  g_assert_true (bunshin_session_wait_drive (fixture->session));
  g_assert_true (bunshin_machine_control_get_drive_ended (control));
  g_assert_cmpint (told, ==, 1);
  ask (fixture,
       (BunshinSnapshotRequest) {
           .verb = BUNSHIN_SNAPSHOT_END_DRIVE, .how = SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT, .name = "no\nname" },
       NULL, &answer);
  wait_for (&answer);
  g_assert_nonnull (answer.error);
  g_clear_error (&answer.error);
  g_assert_true (bunshin_machine_control_get_drive_ended (control));
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_END_DRIVE,
                                           .how = SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT,
                                           .name = "tried",
                                           .description = "and liked" });
  g_assert_false (bunshin_machine_control_get_drive_ended (control));
  g_assert_cmpint (told, ==, 2);
  bunshin_session_close (fixture->session);
  snapshots = list (fixture, TRUE);
  g_assert_cmpuint (snapshots->len, ==, 1);
  g_assert_cmpstr (((Snapshot *) g_ptr_array_index (snapshots, 0))->name, ==, "tried");
  g_assert_cmpstr (((Snapshot *) g_ptr_array_index (snapshots, 0))->description, ==, "and liked");
}

/* Said while it runs, nobody is asked afterwards. */
static void
test_drive_decided (Fixture *fixture, gconstpointer data)
{
  int told = 0;

  g_signal_connect (fixture->session, "notify::drive-ended", G_CALLBACK (on_drive_ended), &told);
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_END_DRIVE, .how = SNAPSHOT_DRIVE_DISCARD });
  g_assert_true (bunshin_session_has_ended (fixture->session));
  g_assert_false (bunshin_session_wait_drive (fixture->session));
  g_assert_cmpint (told, ==, 0);
  bunshin_session_close (fixture->session);
  g_assert_false (snapshot_in_drive (fixture->library, fixture->record->uuid));
}

/* --- Automatic ones --- */

#define MINUTE (60 * (gint64) G_USEC_PER_SEC)

static void
set_automatic (Fixture *fixture, LibraryAutomatic automatic)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LibraryMachine) record = library_find (fixture->library, fixture->record->uuid, &error);

  g_assert_no_error (error);
  record->automatic = automatic;
  g_assert_true (library_update_machine (fixture->library, record, &error));
  g_assert_no_error (error);
}

static void
set_before_disc (Fixture *fixture, gboolean on)
{
  set_automatic (fixture, (LibraryAutomatic) { .before_disc = on, .keep = 5, .space = LIBRARY_AUTOMATIC_SPACE });
}

static char *
make_disc (Fixture *fixture, const char *name)
{
  enum { SECTORS = 40 };
  g_autofree char *contents = g_malloc0 (SECTORS * 2048);
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (fixture->home, name, NULL);

  strcpy (contents + SECTORS * 1024, name);
  g_file_set_contents (path, contents, SECTORS * 2048, &error);
  g_assert_no_error (error);
  return path;
}

/* What is under way in the background is done, and what comes after it. */
static void
settle (Fixture *fixture)
{
  while (fixture->session->job.what || g_main_context_pending (NULL))
    g_main_context_iteration (NULL, TRUE);
}

static void
insert_well (Fixture *fixture, const char *path)
{
  const LibraryMachine *record = bunshin_session_get_record (fixture->session);
  g_autoptr (LibraryMachine) stored = NULL;
  Answer answer;

  insert (fixture, path, &answer);
  g_assert_no_error (answer.error);
  settle (fixture);
  stored = library_find (fixture->library, record->uuid, NULL);
  g_assert_cmpstr (library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 2)->path, ==, path);
  g_assert_cmpstr (library_machine_find_attachment (stored, LIBRARY_CONTROLLER_IDE, 2)->path, ==, path);
}

/* The names of all that are there, and that they are automatic but for those that begin with “my”. */
static void
expect_names (Fixture *fixture, const char *names)
{
  g_autoptr (GPtrArray) snapshots = list (fixture, FALSE);
  g_autoptr (GString) found = g_string_new (NULL);

  for (unsigned i = 0; i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);

      g_string_append_printf (found, "%s%s", i > 0 ? "; " : "", snapshot->name);
      g_assert_cmpint (snapshot->kind, ==, g_str_has_prefix (snapshot->name, "my") ? SNAPSHOT_USER : SNAPSHOT_AUTOMATIC);
    }
  g_assert_cmpstr (found->str, ==, names);
}

static void
test_unknown_disc (Fixture *fixture, gconstpointer data)
{
  g_autofree char *early = make_disc (fixture, "early.iso"), *one = make_disc (fixture, "one.iso"),
                  *two = make_disc (fixture, "two.iso"), *moved = g_build_filename (fixture->home, "moved.iso", NULL);
  g_autoptr (GPtrArray) snapshots = NULL;
  const LibraryMachine *then;

  /* Off: no snapshot, but the disc is known from then on. */
  insert_well (fixture, early);
  set_before_disc (fixture, TRUE);
  insert_well (fixture, one);
  expect_names (fixture, "Before “one.iso”");
  check_disk (fixture);
  snapshots = list (fixture, FALSE);
  then = ((const Snapshot *) g_ptr_array_index (snapshots, 0))->settings;
  g_assert_cmpstr (library_machine_find_attachment (then, LIBRARY_CONTROLLER_IDE, 2)->path, ==, early);
  g_assert_nonnull (((const Snapshot *) g_ptr_array_index (snapshots, 0))->state_path);
  insert_well (fixture, NULL);
  insert_well (fixture, one);
  insert_well (fixture, early);
  insert_well (fixture, NULL);
  g_assert_cmpint (g_rename (one, moved), ==, 0);
  insert_well (fixture, moved);
  expect_names (fixture, "Before “one.iso”");
  insert_well (fixture, two);
  expect_names (fixture, "Before “one.iso”; Before “two.iso”");
  g_assert_cmpint (state (fixture), ==, LIBRARY_STATE_RUNNING);
}

/* A medium that cannot be inserted is no reason for a snapshot. */
static void
test_no_disc (Fixture *fixture, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (fixture->home, "missing.iso", NULL);
  Answer answer;

  set_before_disc (fixture, TRUE);
  insert (fixture, missing, &answer);
  g_assert_nonnull (answer.error);
  g_clear_error (&answer.error);
  expect_names (fixture, "");
}

static void
on_notice (BunshinMachineControl *control, const char *text, gpointer data)
{
  g_string_append (data, text);
}

/* The disc is inserted though no snapshot can be taken. */
static void
test_disc_without_snapshot (Fixture *fixture, gconstpointer data)
{
  g_autofree char *disc = make_disc (fixture, "one.iso"), *folder = g_build_filename (fixture->record->folder, "Snapshots", NULL);
  g_autoptr (GString) said = g_string_new (NULL);

  g_rmdir (folder);
  g_assert_true (g_file_set_contents (folder, "in the way", -1, NULL));
  g_signal_connect (fixture->session, "notice", G_CALLBACK (on_notice), said);
  set_before_disc (fixture, TRUE);
  insert_well (fixture, disc);
  expect_names (fixture, "");
  g_assert_nonnull (strstr (said->str, "A snapshot is taken before “one.iso”"));
  g_assert_nonnull (strstr (said->str, "No snapshot was taken before “one.iso”: "));
  g_assert_nonnull (strstr (said->str, folder));
  g_unlink (folder);
}

/* All of it can be thrown away; and what was inserted was not in the machine then. */
static void
test_disc_in_drive (Fixture *fixture, gconstpointer data)
{
  g_autofree char *disc = make_disc (fixture, "one.iso");
  g_autofree char *digest = snapshot_disc_digest (disc, NULL);
  gboolean known = TRUE;

  set_before_disc (fixture, TRUE);
  insert_well (fixture, disc);
  expect_names (fixture, "");
  g_assert_true (library_knows_disc (fixture->library, fixture->record->uuid, digest, &known, NULL) && !known);
}

/* Until the guest has done something. */
static void
let_run (Fixture *fixture)
{
  Machine *machine = bunshin_machine_control_get_machine (BUNSHIN_MACHINE_CONTROL (fixture->session));
  MachineInfo before, now;

  machine_info (machine, &before);
  do
    {
      g_main_context_iteration (NULL, FALSE);
      machine_info (machine, &now);
    }
  while (strcmp (now.accel, "kvm") == 0 ? now.guest_time == before.guest_time : now.instructions == before.instructions);
}

static unsigned
count (Fixture *fixture)
{
  g_autoptr (GPtrArray) snapshots = list (fixture, FALSE);

  return snapshots->len;
}

/* Looks at the clock at that minute of the test, when the guest has done something; what there is then. */
static unsigned
at_minute (Fixture *fixture, gint64 start, int minute)
{
  let_run (fixture);
  bunshin_session_look_at_clock (fixture->session, start + minute * MINUTE);
  settle (fixture);
  return count (fixture);
}

static void
test_timer (Fixture *fixture, gconstpointer data)
{
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) snapshots = NULL;
  Answer answer;

  settle (fixture);
  /* Until it is asked for, the time does not count. */
  g_assert_cmpuint (at_minute (fixture, start, 0), ==, 0);
  g_assert_cmpuint (at_minute (fixture, start, 100), ==, 0);
  set_automatic (fixture, (LibraryAutomatic) { .every = 30, .keep = 2, .space = LIBRARY_AUTOMATIC_SPACE });
  g_assert_cmpuint (at_minute (fixture, start, 129), ==, 0);
  g_assert_cmpuint (at_minute (fixture, start, 130), ==, 1);
  check_disk (fixture);
  g_assert_cmpuint (at_minute (fixture, start, 131), ==, 1);
  g_assert_cmpuint (at_minute (fixture, start, 159), ==, 1);
  /* While it is paused, no time passes. */
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_PAUSE, NULL));
  bunshin_session_look_at_clock (fixture->session, start + 500 * MINUTE);
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_RESUME, NULL));
  g_assert_cmpuint (at_minute (fixture, start, 600), ==, 1);
  g_assert_cmpuint (at_minute (fixture, start, 602), ==, 2);
  /* One that the user takes counts as well. */
  g_assert_cmpuint (at_minute (fixture, start, 620), ==, 2);
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "my own" });
  g_assert_cmpuint (at_minute (fixture, start, 640), ==, 3);
  g_assert_cmpuint (at_minute (fixture, start, 649), ==, 3);
  /* Something else is under way: later, at the next look. */
  ask (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "my second" }, cancellable, &answer);
  bunshin_session_look_at_clock (fixture->session, start + 650 * MINUTE);
  g_cancellable_cancel (cancellable);
  wait_for (&answer);
  g_assert_error (answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&answer.error);
  settle (fixture);
  g_assert_cmpuint (count (fixture), ==, 3);
  /* There is room for two: the oldest goes, the user's stays. */
  g_assert_cmpuint (at_minute (fixture, start, 651), ==, 3);
  snapshots = list (fixture, FALSE);
  g_assert_cmpint (((const Snapshot *) g_ptr_array_index (snapshots, 0))->kind, ==, SNAPSHOT_AUTOMATIC);
  g_assert_cmpstr (((const Snapshot *) g_ptr_array_index (snapshots, 1))->name, ==, "my own");
  g_assert_cmpint (((const Snapshot *) g_ptr_array_index (snapshots, 2))->kind, ==, SNAPSHOT_AUTOMATIC);
  g_assert_true (g_str_has_prefix (((const Snapshot *) g_ptr_array_index (snapshots, 2))->name, "Automatic, "));
  check_disk (fixture);
}

/* What the user asks for while one is being taken is not refused. */
static void
test_timer_gives_way (Fixture *fixture, gconstpointer data)
{
  const gint64 start = g_get_monotonic_time ();
  g_autofree char *disc = make_disc (fixture, "one.iso");
  g_autoptr (GPtrArray) snapshots = NULL;
  g_autoptr (GError) error = NULL;
  gboolean has_own = FALSE;

  settle (fixture);
  set_automatic (fixture, (LibraryAutomatic) { .every = 1, .keep = 5, .space = LIBRARY_AUTOMATIC_SPACE });
  g_assert_cmpuint (at_minute (fixture, start, 0), ==, 0);
  let_run (fixture);
  bunshin_session_look_at_clock (fixture->session, start + 2 * MINUTE);
  g_assert_nonnull (fixture->session->job.what);
  g_assert_false (bunshin_session_plug (fixture->session, "ahci0", NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  insert_well (fixture, disc);
  let_run (fixture);
  bunshin_session_look_at_clock (fixture->session, start + 4 * MINUTE);
  g_assert_nonnull (fixture->session->job.what);
  run (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "my own" });
  settle (fixture);
  snapshots = list (fixture, FALSE);
  for (unsigned i = 0; i < snapshots->len; i++)
    has_own |= strcmp (((const Snapshot *) g_ptr_array_index (snapshots, i))->name, "my own") == 0;
  g_assert_true (has_own);
  check_disk (fixture);
  /* Powered off in the middle of one. */
  let_run (fixture);
  bunshin_session_look_at_clock (fixture->session, start + 6 * MINUTE);
  g_assert_nonnull (fixture->session->job.what);
  g_assert_true (bunshin_session_verb (fixture->session, BUNSHIN_VERB_POWER_OFF, NULL));
  bunshin_session_stop_work (fixture->session);
}

/* Of a machine that has done nothing since its last snapshot there is one already. */
static void
test_timer_idle (Fixture *fixture, gconstpointer data)
{
  Machine *machine = bunshin_machine_control_get_machine (BUNSHIN_MACHINE_CONTROL (fixture->session));
  const gint64 start = g_get_monotonic_time ();

  settle (fixture);
  set_automatic (fixture, (LibraryAutomatic) { .every = 1, .keep = 9, .space = LIBRARY_AUTOMATIC_SPACE });
  g_assert_cmpuint (at_minute (fixture, start, 0), ==, 0);
  g_assert_cmpuint (at_minute (fixture, start, 2), ==, 1);
  /* Nobody tells the session that the processors stand still, as they do when the guest sleeps: for it the machine runs. */
  machine_pause (machine);
  session_automatic_taken (fixture->session);
  for (int minute = 5; minute < 100; minute += 5)
    {
      g_assert_cmpint (bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (fixture->session)), ==,
                       LIBRARY_STATE_RUNNING);
      bunshin_session_look_at_clock (fixture->session, start + minute * MINUTE);
      g_assert_null (fixture->session->job.what);
      g_assert_cmpint (fixture->session->automatic.ran, >=, MINUTE);
    }
  /* It is due: whatever the guest does is enough. */
  machine_resume (machine);
  g_assert_cmpuint (at_minute (fixture, start, 100), >, 1);
}

static void
test_timer_in_drive (Fixture *fixture, gconstpointer data)
{
  const gint64 start = g_get_monotonic_time ();

  set_automatic (fixture, (LibraryAutomatic) { .every = 1, .keep = 5, .space = LIBRARY_AUTOMATIC_SPACE });
  g_assert_cmpuint (at_minute (fixture, start, 0), ==, 0);
  g_assert_cmpuint (at_minute (fixture, start, 10), ==, 0);
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, func) g_test_add ("/session/" path, Fixture, data, set_up, func, tear_down)
  ADD ("restore", NULL, test_restore);
  ADD ("one-at-a-time", NULL, test_one_at_a_time);
  ADD ("cancel", NULL, test_cancel);
  ADD ("power-off-while-taking", NULL, test_power_off_taking);
  ADD ("power-off-while-restoring", NULL, test_power_off_restoring);
  ADD ("drive/discarded", "drive", test_drive_discarded);
  ADD ("drive/kept", "drive", test_drive_kept);
  ADD ("drive/decided", "drive", test_drive_decided);
  ADD ("automatic/unknown-disc", NULL, test_unknown_disc);
  ADD ("automatic/no-disc", NULL, test_no_disc);
  ADD ("automatic/disc-without-snapshot", NULL, test_disc_without_snapshot);
  ADD ("automatic/disc-in-drive", "drive", test_disc_in_drive);
  ADD ("automatic/timer", NULL, test_timer);
  ADD ("automatic/timer-gives-way", NULL, test_timer_gives_way);
  ADD ("automatic/timer-idle", NULL, test_timer_idle);
  ADD ("automatic/timer-in-drive", "drive", test_timer_in_drive);
#undef ADD
  return g_test_run ();
}
