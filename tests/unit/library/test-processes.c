/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several processes at the library at once: writers, the lock that lets a machine run once, and news of changes. */

#include "tests/unit/library/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 4, MACHINES_EACH = 10 };

static const char *program;

/* An SQLite connection must not cross fork(): the others are programs of their own, this one started as @role. */
static GSubprocess *
spawn (Fixture *fixture, const char *role, const char *number)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, program, role, fixture->home, number, NULL);

  g_assert_no_error (error);
  return process;
}

static int
be_writer (const char *home, const char *number)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Library) library = library_open (home, &error);

  for (int j = 0; library && j < MACHINES_EACH; j++)
    {
      g_autofree char *name = g_strdup_printf ("%s-%d", number, j);
      g_autoptr (LibraryMachine) machine = library_machine_new (name);

      library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT);
      if (!library_add_machine (library, machine, &error))
        g_error ("%s", error->message);
      machine->cpus = 2;
      if (!library_update_machine (library, machine, &error))
        g_error ("%s", error->message);
    }
  if (error)
    g_error ("%s", error->message);
  return 0;
}

static int
be_setter (const char *home)
{
  g_autoptr (Library) library = library_open (home, NULL);

  return library && library_set_setting (library, "k", "v", NULL) ? 0 : 1;
}

static void
test_writers (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) machines = NULL;
  g_autoptr (GHashTable) macs = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;
  GSubprocess *writers[WRITERS];

  /* They also race to create the library. */
  library_close (fixture->library);
  remove_tree (fixture->home);
  for (int i = 0; i < WRITERS; i++)
    writers[i] = spawn (fixture, "writer", (const char[]) { '0' + i, '\0' });
  for (int i = 0; i < WRITERS; i++)
    {
      g_assert_true (g_subprocess_wait_check (writers[i], NULL, NULL));
      g_object_unref (writers[i]);
    }
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  machines = library_list_machines (fixture->library, NULL);
  g_assert_cmpuint (machines->len, ==, WRITERS * MACHINES_EACH);
  for (unsigned i = 0; i < machines->len; i++)
    {
      LibraryMachine *machine = g_ptr_array_index (machines, i);

      g_assert_cmpuint (machine->cpus, ==, 2);
      g_assert_true (g_hash_table_add (macs, library_machine_find_adapter (machine, 0)->mac));
    }
}

static void
test_lock (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *socket = NULL, *message = NULL;
  int ready[2], status;
  pid_t child;
  char byte;

  g_assert_cmpint (library_machine_state (machine, NULL, NULL), ==, LIBRARY_STATE_POWERED_OFF);
  g_assert_cmpint (pipe (ready), ==, 0);
  child = fork ();
  if (child == 0)
    {
      LibraryLock *held = library_lock_machine (machine, NULL);

      library_lock_publish (held, LIBRARY_STATE_RUNNING, "/run/x.sock",
                            "a message\nof two lines, longer than the next");
      library_lock_set_asks (held, TRUE);
      library_lock_publish (held, LIBRARY_STATE_PAUSED, "/run/x.sock", "disk full\nreally");
      _exit (held && write (ready[1], "x", 1) == 1 && pause () ? 1 : 1);
    }
  close (ready[1]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);

  g_assert_null (library_lock_machine (machine, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&error);
  g_assert_cmpint (library_machine_state (machine, &socket, &message), ==, LIBRARY_STATE_PAUSED);
  g_assert_cmpstr (socket, ==, "/run/x.sock");
  g_assert_cmpstr (message, ==, "disk full really");
  g_assert_true (library_machine_asks (machine));
  g_assert_false (library_delete_machine (fixture->library, machine->uuid, NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&error);

  kill (child, SIGKILL);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status));
  g_assert_false (library_machine_asks (machine));
  g_assert_cmpint (library_machine_state (machine, NULL, NULL), ==, LIBRARY_STATE_POWERED_OFF);
  lock = library_lock_machine (machine, &error);
  g_assert_no_error (error);
  g_assert_cmpint (library_machine_state (machine, NULL, NULL), ==, LIBRARY_STATE_STARTING);
  g_assert_false (library_machine_asks (machine));
}

static void
test_states (void)
{
  for (LibraryState state = LIBRARY_STATE_POWERED_OFF; state <= LIBRARY_STATE_STOPPING; state++)
    {
      LibraryState again;

      g_assert_true (library_state_parse (library_state_name (state), &again));
      g_assert_cmpint (state, ==, again);
    }
  g_assert_false (library_state_parse ("exploded", &(LibraryState) { 0 }));
}

static void
on_changed (Library *library, void *opaque)
{
  g_main_loop_quit (opaque);
}

static gboolean
on_timeout (gpointer opaque)
{
  g_assert_not_reached ();
}

static void
test_watch (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  guint timeout = g_timeout_add_seconds (30, on_timeout, NULL);
  g_autoptr (GSubprocess) setter = NULL;

  library_watch (fixture->library, on_changed, loop);
  setter = spawn (fixture, "setter", NULL);
  g_main_loop_run (loop);
  g_source_remove (timeout);
  g_assert_true (g_subprocess_wait_check (setter, NULL, NULL));
}

static void
test_socket_path (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autofree char *long_name = g_strnfill (100, 'r');
  g_autofree char *runtime = g_build_filename (fixture->home, "runtime", NULL);
  g_autofree char *long_runtime = g_build_filename (fixture->home, long_name, NULL);
  g_autofree char *path = NULL, *fallback = NULL, *short_path = NULL;
  g_autoptr (GError) error = NULL;

  g_setenv ("XDG_RUNTIME_DIR", runtime, TRUE);
  path = library_socket_path (fixture->library, machine, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (path, runtime));
  g_unsetenv ("XDG_RUNTIME_DIR");
  fallback = library_socket_path (fixture->library, machine, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (fallback, fixture->home));
  g_setenv ("XDG_RUNTIME_DIR", long_runtime, TRUE);
  short_path = library_socket_path (fixture->library, machine, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (short_path), <, 108);
}

int
main (int argc, char **argv)
{
  if (argc == 4 && strcmp (argv[1], "writer") == 0)
    return be_writer (argv[2], argv[3]);
  if (argc == 3 && strcmp (argv[1], "setter") == 0)
    return be_setter (argv[2]);
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/library/writers", Fixture, NULL, fixture_set_up, test_writers, fixture_tear_down);
  g_test_add ("/library/lock", Fixture, NULL, fixture_set_up, test_lock, fixture_tear_down);
  g_test_add_func ("/library/states", test_states);
  g_test_add ("/library/watch", Fixture, NULL, fixture_set_up, test_watch, fixture_tear_down);
  g_test_add ("/library/socket-path", Fixture, NULL, fixture_set_up, test_socket_path, fixture_tear_down);
  return g_test_run ();
}
