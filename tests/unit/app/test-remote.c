/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine seen from the manager: its state follows the machine's process, and verbs fail clearly without one. */

#include "app/remote.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *home;
  Library *library;
  LibraryMachine *machine;
  BunshinMachineControl *remote;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->home = g_dir_make_tmp ("bunshin-remote-XXXXXX", &error);
  /* For the verbs' threads, which open it themselves. */
  g_setenv ("BUNSHIN_HOME", fixture->home, TRUE);
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  fixture->machine = library_machine_new ("one");
  g_assert_true (library_add_machine (fixture->library, fixture->machine, &error));
  fixture->remote = bunshin_remote_new (fixture->machine);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *machines = g_build_filename (fixture->home, "machines", NULL);
  g_autofree char *db = g_build_filename (fixture->home, "bunshin.db", NULL);

  g_object_add_weak_pointer (G_OBJECT (fixture->remote), (gpointer *) &fixture->remote);
  g_object_unref (fixture->remote);
  g_assert_null (fixture->remote);
  g_assert_true (library_delete_machine (fixture->library, fixture->machine->uuid, NULL, NULL));
  g_assert_true (library_delete_files (fixture->machine, NULL, NULL));
  library_machine_free (fixture->machine);
  library_close (fixture->library);
  g_unlink (db);
  g_rmdir (machines);
  g_rmdir (fixture->home);
  g_free (fixture->home);
}

static gboolean
on_timeout (gpointer data)
{
  g_assert_not_reached ();
  return G_SOURCE_REMOVE;
}

static void
wait_for (Fixture *fixture, LibraryState state)
{
  guint timeout = g_timeout_add_seconds (30, on_timeout, NULL);

  while (bunshin_machine_control_get_state (fixture->remote) != state)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timeout);
}

static void
on_notify (GObject *object, GParamSpec *pspec, gpointer data)
{
  ++*(int *) data;
}

static void
test_follows (Fixture *fixture, gconstpointer data)
{
  int states = 0, messages = 0;
  int go[2];
  pid_t child;
  char byte;

  g_signal_connect (fixture->remote, "notify::state", G_CALLBACK (on_notify), &states);
  g_signal_connect (fixture->remote, "notify::message", G_CALLBACK (on_notify), &messages);
  g_assert_cmpint (bunshin_machine_control_get_state (fixture->remote), ==, LIBRARY_STATE_POWERED_OFF);
  g_assert_cmpstr (bunshin_machine_control_get_uuid (fixture->remote), ==, fixture->machine->uuid);
  g_assert_null (bunshin_machine_control_get_machine (fixture->remote));

  g_assert_cmpint (pipe (go), ==, 0);
  child = fork ();
  if (child == 0)
    {
      LibraryLock *lock = library_lock_machine (fixture->machine, NULL);

      library_lock_publish (lock, LIBRARY_STATE_RUNNING, "/nowhere/socket", NULL);
      if (read (go[0], &byte, 1) != 1)
        _exit (1);
      library_lock_publish (lock, LIBRARY_STATE_PAUSED, "/nowhere/socket", "the disk is full");
      for (;;)
        pause ();
    }
  wait_for (fixture, LIBRARY_STATE_RUNNING);
  g_assert_null (bunshin_machine_control_get_message (fixture->remote));
  g_assert_cmpint (write (go[1], "x", 1), ==, 1);
  wait_for (fixture, LIBRARY_STATE_PAUSED);
  g_assert_cmpstr (bunshin_machine_control_get_message (fixture->remote), ==, "the disk is full");
  kill (child, SIGKILL);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  wait_for (fixture, LIBRARY_STATE_POWERED_OFF);
  g_assert_cmpint (states, >=, 3);
  g_assert_cmpint (messages, >=, 1);
  close (go[0]);
  close (go[1]);
}

typedef struct
{
  gboolean done;
  GError *error;
} Answer;

static void
on_ran (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  bunshin_machine_control_run_finish (BUNSHIN_MACHINE_CONTROL (source), result, &answer->error);
  answer->done = TRUE;
}

static void
on_screenshot (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  g_assert_null (bunshin_machine_control_screenshot_finish (BUNSHIN_MACHINE_CONTROL (source), result, &answer->error));
  answer->done = TRUE;
}

static void
expect_error (Answer *answer)
{
  while (!answer->done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (answer->error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&answer->error);
  answer->done = FALSE;
}

static void
test_powered_off (Fixture *fixture, gconstpointer data)
{
  Answer answer = { 0 };

  bunshin_machine_control_run_async (fixture->remote, BUNSHIN_VERB_PAUSE, NULL, on_ran, &answer);
  expect_error (&answer);
  bunshin_machine_control_screenshot_async (fixture->remote, NULL, on_screenshot, &answer);
  expect_error (&answer);
}

static void
on_snapshot (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  bunshin_machine_control_snapshot_finish (BUNSHIN_MACHINE_CONTROL (source), result, &answer->error);
  answer->done = TRUE;
}

/* Does it and waits; the caller frees the error, if there is one. */
static GError *
run_snapshot (Fixture *fixture, BunshinSnapshotRequest request)
{
  Answer answer = { 0 };

  bunshin_machine_control_snapshot_async (fixture->remote, &request, NULL, on_snapshot, &answer);
  while (!answer.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpfloat (bunshin_machine_control_get_progress (fixture->remote), ==, -1);
  return answer.error;
}

static GPtrArray *
list_snapshots (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *snapshots = snapshot_list (fixture->library, fixture->machine, TRUE, &error);

  g_assert_no_error (error);
  return snapshots;
}

/* Without a process of the machine the work is done here, and the machine looks as it did. */
static void
test_snapshots (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) taken = NULL, left = NULL;
  g_autoptr (LibraryMachine) restored = NULL;
  g_autoptr (GError) error = NULL;
  const Snapshot *first, *second;

  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "first",
                                                                       .description = "small" }));
  fixture->machine->memory <<= 1;
  g_assert_true (library_update_machine (fixture->library, fixture->machine, &error));
  /* The present state is kept, and then it is the first one again. */
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_RESTORE, .name = "second" }));
  taken = list_snapshots (fixture);
  g_assert_cmpuint (taken->len, ==, 2);
  first = g_ptr_array_index (taken, 0);
  second = g_ptr_array_index (taken, 1);
  g_assert_cmpstr (first->description, ==, "small");
  g_assert_cmpstr (second->parent, ==, first->uuid);
  g_assert_true (first->is_current);
  restored = library_find (fixture->library, fixture->machine->uuid, &error);
  g_assert_cmpuint (restored->memory * 2, ==, fixture->machine->memory);
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_RESTORE,
                                                                       .snapshot = second->uuid }));
  g_clear_pointer (&restored, library_machine_free);
  restored = library_find (fixture->library, fixture->machine->uuid, &error);
  g_assert_cmpuint (restored->memory, ==, fixture->machine->memory);

  error = run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_END_DRIVE });
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);
  error = run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_DELETE, .snapshot = "none" });
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_DELETE,
                                                                       .snapshot = first->uuid }));
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_DELETE,
                                                                       .snapshot = second->uuid }));
  left = list_snapshots (fixture);
  g_assert_cmpuint (left->len, ==, 0);
  g_assert_cmpint (bunshin_machine_control_get_state (fixture->remote), ==, LIBRARY_STATE_POWERED_OFF);
}

/* Somebody else is at it: that is no machine that runs. */
static void
test_snapshots_locked (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryLock) lock = library_lock_machine (fixture->machine, NULL);
  g_autoptr (GError) error = NULL;

  library_lock_publish (lock, LIBRARY_STATE_POWERED_OFF, NULL, NULL);
  error = run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE });
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_assert_nonnull (strstr (error->message, "worked on"));
}

static void
on_notice (BunshinMachineControl *remote, const char *text, gpointer data)
{
  g_ptr_array_add (data, g_strdup (text));
}

/* The process that began it is gone: whoever works on the machine next hears what became of it. */
static void
test_lost_drive (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) notices = g_ptr_array_new_with_free_func (g_free), left = NULL;
  pid_t child = fork ();
  int status;

  if (child == 0)
    {
      /* SQLite must not be used across a fork. */
      Library *library = library_open (fixture->home, NULL);

      _exit (snapshot_drive_begin (library, fixture->machine->uuid, NULL, NULL) ? 0 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_signal_connect (fixture->remote, "notice", G_CALLBACK (on_notice), notices);
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = "first" }));
  g_assert_cmpuint (notices->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (notices, 0), ==, "discarded a test drive that had been interrupted");
  left = list_snapshots (fixture);
  g_assert_cmpuint (left->len, ==, 1);
  /* Once. */
  g_assert_no_error (run_snapshot (fixture, (BunshinSnapshotRequest) {
                                                .verb = BUNSHIN_SNAPSHOT_DELETE,
                                                .snapshot = ((const Snapshot *) g_ptr_array_index (left, 0))->uuid }));
  g_assert_cmpuint (notices->len, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/remote/follows", Fixture, NULL, set_up, test_follows, tear_down);
  g_test_add ("/remote/powered-off", Fixture, NULL, set_up, test_powered_off, tear_down);
  g_test_add ("/remote/snapshots", Fixture, NULL, set_up, test_snapshots, tear_down);
  g_test_add ("/remote/snapshots-locked", Fixture, NULL, set_up, test_snapshots_locked, tear_down);
  g_test_add ("/remote/lost-drive", Fixture, NULL, set_up, test_lost_drive, tear_down);
  return g_test_run ();
}
