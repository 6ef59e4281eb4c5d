/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kill -9. A process takes a snapshot, goes back to one, deletes some, makes a test drive or a clone, and is killed before
 * one of the system calls, or steps of the database, by which it changes something. Whichever that was: the tree opens, no
 * snapshot that was there is lost, all disks hold what they should, and the next tidying finishes or undoes the verb, and
 * says so whenever there was something to be done.
 *
 *   test-killed FORMAT [KILLS]
 */

#include "tests/unit/snapshot/fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 14 }; /* of each verb */

/* What parent and child share. */
typedef struct
{
  int armed, left, steps; /* @left: steps until the end; @steps: how many there were */
} Shared;

static Shared *shared;
static unsigned kills = KILLS;
static const char *format = "vdi";

static void
step (void)
{
  if (shared == NULL || !g_atomic_int_get (&shared->armed))
    return;
  g_atomic_int_inc (&shared->steps);
  if (g_atomic_int_dec_and_test (&shared->left))
    kill (getpid (), SIGKILL);
}

/* The linker sends the calls of storage/ here. */
#define WRAP(type, name, parameters, arguments)                                                                        \
  type __real_##name parameters;                                                                                       \
  type __wrap_##name parameters;                                                                                       \
  type __wrap_##name parameters                                                                                        \
  {                                                                                                                    \
    step ();                                                                                                           \
    return __real_##name arguments;                                                                                    \
  }

WRAP (ssize_t, pwrite64, (int fd, const void *data, size_t length, off_t at), (fd, data, length, at))
WRAP (ssize_t, write, (int fd, const void *data, size_t length), (fd, data, length))
WRAP (int, ftruncate64, (int fd, off_t length), (fd, length))
WRAP (int, fallocate64, (int fd, int mode, off_t at, off_t length), (fd, mode, at, length))
WRAP (int, rename, (const char *from, const char *to), (from, to))
WRAP (int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
      (from_fd, from, to_fd, to, flags))
WRAP (int, link, (const char *from, const char *to), (from, to))
WRAP (int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP (int, g_unlink, (const char *path), (path))
WRAP (int, g_rmdir, (const char *path), (path))
WRAP (int, sqlite3_step, (sqlite3_stmt *statement), (statement))

int __wrap_fsync (int fd);
int __wrap_fdatasync (int fd);

/* What was written survives a process's end, synced or not. */
int
__wrap_fsync (int fd)
{
  step ();
  return 0;
}

int
__wrap_fdatasync (int fd)
{
  step ();
  return 0;
}

/* --- What there is before: a > b, a > c, of which c is current --- */

typedef struct
{
  Fixture f;
  char *copy, *a, *b, *c; /* @copy: of all files, as they are before each verb */
} Setting;

/* The sectors say which state a disk is of: 0 to 3 are those of a, b, c and now. */
enum { MARK = 4, BULK = 100 };

static char *
saved_state (const Setting *s)
{
  return g_build_filename (s->f.folder, "saved.state", NULL);
}

static void
set_saved (const Setting *s, const char *text)
{
  g_autofree char *path = saved_state (s);

  if (text)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  else
    g_unlink (path);
}

static char *
mark (Setting *s, const char *name, int byte, gboolean has_state)
{
  for (unsigned i = 0; i < 40; i++)
    fixture_put (&s->f, s->f.uuid, BULK + 131 * (i * (unsigned) byte % 40), byte);
  fixture_put (&s->f, s->f.uuid, MARK, byte);
  set_saved (s, has_state ? name : NULL);
  return fixture_take (&s->f, s->f.uuid, name);
}

static void
run_command (const char *command, const char *from, const char *to)
{
  const char *argv[] = { command, "-a", from, to, NULL };
  int status;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

static void
set_up (Setting *s, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture_set_up (&s->f, format);
  s->a = mark (s, "a", 1, TRUE);
  s->b = mark (s, "b", 2, FALSE);
  g_assert_true (snapshot_restore (s->f.library, s->f.uuid, s->a, &error));
  s->c = mark (s, "c", 3, TRUE);
  fixture_put (&s->f, s->f.uuid, MARK, 4);
  set_saved (s, "now");
  g_clear_pointer (&s->f.library, library_close);
  s->copy = g_strconcat (s->f.home, ".copy", NULL);
  run_command ("cp", s->f.home, s->copy);
}

static void
put_back (Setting *s)
{
  g_clear_pointer (&s->f.library, library_close);
  fixture_remove_folder (s->f.home);
  run_command ("cp", s->copy, s->f.home);
}

static void
tear_down (Setting *s, gconstpointer data)
{
  if (!s->f.library)
    s->f.library = library_open (s->f.home, NULL);
  fixture_remove_folder (s->copy);
  g_free (s->copy);
  g_free (s->a);
  g_free (s->b);
  g_free (s->c);
  fixture_tear_down (&s->f, NULL);
}

/* --- Verbs, in the child --- */

typedef struct
{
  const char *name;
  gboolean (*run) (Setting *s, Library *library, const LibraryMachine *machine, GError **error);
  /* The trees and marks that may be there after it was killed and tidied; of which the last is that of the end. */
  struct
  {
    const char *tree;
    int now; /* the disk's mark */
    const char *saved;
  } outcomes[3];
} Verb;

static gboolean
run_take (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (GBytes) picture = g_bytes_new_static ("picture", 7);
  const SnapshotOptions options = { .name = "new", .thumbnail = picture };
  g_autofree char *taken = snapshot_take_off (library, machine, &options, error);

  return taken != NULL;
}

static gboolean
run_take_live (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  const SnapshotOptions options = { .name = "new" };
  g_autoptr (SnapshotTake) take = snapshot_take_begin (library, machine, &options, error);
  int fd;
  gboolean ok;

  if (!take || !snapshot_take_commit (take, error))
    return FALSE;
  fd = open (snapshot_take_state_path (take), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ok = write (fd, "live", 4) == 4;
  close (fd);
  return ok && snapshot_take_finish (take, TRUE, error);
}

static gboolean
run_restore (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_restore (library, s->f.uuid, s->a, error);
}

static gboolean
run_restore_off (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_restore (library, s->f.uuid, s->b, error);
}

static gboolean
run_delete (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_delete (library, s->f.uuid, s->b, error) && snapshot_delete (library, s->f.uuid, s->a, error)
         && snapshot_tidy (library, s->f.uuid, NULL, NULL, error);
}

static gboolean
run_drive_discard (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_drive_begin (library, s->f.uuid, s->a, error)
         && snapshot_drive_end (library, s->f.uuid, SNAPSHOT_DRIVE_DISCARD, NULL, error);
}

static gboolean
run_drive_keep (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_drive_begin (library, s->f.uuid, NULL, error)
         && snapshot_drive_end (library, s->f.uuid, SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT, "new", error);
}

static gboolean
run_clone (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (LibraryMachine) linked = NULL, whole = NULL;

  return snapshot_clone (library, machine, s->a, "linked", TRUE, FALSE, NULL, &linked, error)
         && snapshot_clone (library, machine, s->b, "whole", FALSE, FALSE, NULL, &whole, error);
}

#define BEFORE { "a a>b a>c*", 4, "now" }

static const Verb verbs[] = {
  { "take", run_take, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "take-live", run_take_live, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "restore", run_restore, { BEFORE, { "a* a>b a>c", 1, "a" } } },
  { "restore-off", run_restore_off, { BEFORE, { "a a>b* a>c", 2, NULL } } },
  { "delete", run_delete, { BEFORE, { "a a>c*", 4, "now" }, { "c*", 4, "now" } } },
  { "drive-discard", run_drive_discard, { BEFORE, BEFORE } },
  { "drive-keep", run_drive_keep, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "clone", run_clone, { BEFORE, BEFORE } },
};

/* In a process of its own, which is killed at step number @at (0: not); whether it was. */
static gboolean
run_and_kill (Setting *s, const Verb *verb, int at)
{
  int status;
  pid_t child;

  shared->left = at;
  shared->steps = 0;
  g_clear_pointer (&s->f.library, library_close);
  fflush (NULL);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      Library *library = library_open (s->f.home, &error);
      LibraryMachine *machine = library ? library_find (library, s->f.uuid, &error) : NULL;
      gboolean ok;

      g_atomic_int_set (&shared->armed, TRUE);
      ok = machine && verb->run (s, library, machine, &error);
      if (!ok)
        fprintf (stderr, "%s: %s\n", verb->name, error->message);
      _exit (ok ? 0 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  shared->armed = FALSE;
  s->f.library = library_open (s->f.home, NULL);
  g_assert_nonnull (s->f.library);
  if (WIFSIGNALED (status))
    {
      g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
      return TRUE;
    }
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  return FALSE;
}

/* --- Afterwards --- */

static int64_t
ask (Setting *s, const char *sql)
{
  g_autofree char *path = g_build_filename (s->f.home, "bunshin.db", NULL);
  sqlite3 *db;
  sqlite3_stmt *statement;
  int64_t value;

  g_assert_cmpint (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READWRITE, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_prepare_v2 (db, sql, -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  value = sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  sqlite3_close (db);
  return value;
}

/* Whether the verb left something that is to be finished or undone, as the files and the library say. */
static gboolean
is_left (Setting *s)
{
  g_autofree char *machines = g_build_filename (s->f.home, "machines", NULL),
                  *own = g_path_get_basename (s->f.folder);
  g_autoptr (GDir) dir = g_dir_open (machines, 0, NULL);
  int64_t files = fixture_count (s->f.folder, "");
  const char *entry;

  while ((entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *mark_path = g_build_filename (machines, entry, ".unfinished-clone", NULL);
      g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM machine WHERE folder = '%s'", entry);

      if (!g_str_equal (entry, own) && g_file_test (mark_path, G_FILE_TEST_EXISTS) && ask (s, sql) == 0)
        return TRUE;
    }
  return files > ask (s, "SELECT (SELECT count(*) FROM medium WHERE base IS NOT NULL "
                         "AND owner = (SELECT min(id) FROM machine)) + (SELECT sum(state + thumbnail) FROM snapshot)")
         || ask (s, "SELECT count(*) FROM snapshot_work") > 0
         || ask (s, "SELECT count(*) FROM snapshot WHERE NOT finished OR kind = 'drive'") > 0;
}

static void
check_outcome (Setting *s, const Verb *verb, gboolean is_end)
{
  g_autofree char *tree = fixture_tree (&s->f, s->f.uuid), *path = saved_state (s), *saved = NULL;
  int now = fixture_get (&s->f, s->f.uuid, MARK);
  gboolean found = FALSE;

  g_file_get_contents (path, &saved, NULL, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (verb->outcomes) && verb->outcomes[i].tree; i++)
    {
      gboolean is_last = i + 1 == G_N_ELEMENTS (verb->outcomes) || !verb->outcomes[i + 1].tree;

      found |= g_str_equal (verb->outcomes[i].tree, tree) && verb->outcomes[i].now == now
               && g_strcmp0 (verb->outcomes[i].saved, saved) == 0 && (is_last || !is_end);
    }
  if (!found)
    g_error ("%s: “%s”, %d, “%s”", verb->name, tree, now, saved ? saved : "");
}

/* The snapshots that there are hold what they held. */
static void
check_snapshots (Setting *s)
{
  static const struct
  {
    const char *name;
    int mark;
    const char *state;
  } all[] = { { "a", 1, "a" }, { "b", 2, NULL }, { "c", 3, "c" }, { "new", 4, NULL } };
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid);
  g_autoptr (GPtrArray) list = snapshot_list (s->f.library, machine, FALSE, NULL);

  for (unsigned i = 0; i < list->len; i++)
    {
      const Snapshot *snapshot = list->pdata[i];

      for (unsigned j = 0; j < G_N_ELEMENTS (all); j++)
        if (g_str_equal (snapshot->name, all[j].name))
          {
            g_autofree char *state = NULL;

            g_assert_cmpint (fixture_get_drive (fixture_drive (snapshot->settings), MARK), ==, all[j].mark);
            if (snapshot->state_path)
              g_assert_true (g_file_get_contents (snapshot->state_path, &state, NULL, NULL));
            if (!g_str_equal (all[j].name, "new"))
              g_assert_cmpstr (state, ==, all[j].state);
          }
    }
}

/* Without snapshots and clones the disk is one image again, and no file is left. */
static void
check_end (Setting *s)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid), after = NULL;
  g_autoptr (GPtrArray) machines = library_list_machines (s->f.library, NULL), list = NULL;
  int now = fixture_get (&s->f, s->f.uuid, MARK);
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; i < machines->len; i++)
    {
      const LibraryMachine *other = machines->pdata[i];
      g_auto (GStrv) disks = NULL;

      if (g_str_equal (other->uuid, s->f.uuid))
        continue;
      g_assert_cmpint (fixture_get (&s->f, other->uuid, MARK), ==, g_str_equal (other->name, "linked") ? 1 : 2);
      g_assert_true (library_delete_machine (s->f.library, other->uuid, &disks, &error));
      for (char **disk = disks; *disk; disk++)
        g_assert_true (disk_delete (*disk, &error));
      g_assert_true (library_delete_files (other, NULL, &error));
      g_assert_false (g_file_test (other->folder, G_FILE_TEST_EXISTS));
    }
  list = snapshot_list (s->f.library, machine, FALSE, NULL);
  for (unsigned i = 0; i < list->len; i++)
    g_assert_true (snapshot_delete (s->f.library, s->f.uuid, ((Snapshot *) list->pdata[i])->uuid, &error));
  g_strfreev (fixture_tidy (&s->f, s->f.uuid));
  after = fixture_machine (&s->f, s->f.uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, s->f.root);
  g_assert_cmpint (fixture_get (&s->f, s->f.uuid, MARK), ==, now);
  g_assert_cmpuint (fixture_count (s->f.folder, ""), ==, 0);
}

static void
survive (Setting *s, const Verb *verb, int at)
{
  g_auto (GStrv) did = NULL, again = NULL;
  g_autofree char *next = NULL;
  gboolean left;

  put_back (s);
  if (!run_and_kill (s, verb, at))
    return;
  left = is_left (s);
  check_snapshots (s);
  did = fixture_tidy (&s->f, s->f.uuid);
  g_test_message ("%s: killed at step %d: %s", verb->name, at, did ? did[0] : "nothing was left");
  g_assert_true ((did != NULL) == left);
  check_outcome (s, verb, FALSE);
  check_snapshots (s);
  g_assert_false (is_left (s));
  again = fixture_tidy (&s->f, s->f.uuid);
  g_assert_null (again);
  next = g_strconcat (s->f.folder, "/saved.state.next", NULL);
  g_assert_false (g_file_test (next, G_FILE_TEST_EXISTS));
  check_end (s);
}

static void
test_verb (Setting *s, gconstpointer data)
{
  const Verb *verb = data;
  int steps;

  g_assert_false (run_and_kill (s, verb, 0));
  steps = shared->steps;
  g_strfreev (fixture_tidy (&s->f, s->f.uuid));
  check_outcome (s, verb, TRUE);
  check_snapshots (s);
  g_assert_cmpint (steps, >, 20);
  for (unsigned i = 0; i < MIN (kills, (unsigned) steps); i++)
    {
      gboolean all = (unsigned) steps <= kills;
      int last = steps - (int) i / 3;

      survive (s, verb, all ? (int) i + 1 : i % 3 == 0 ? last : g_test_rand_int_range (1, steps + 1));
    }
}

int
main (int argc, char **argv)
{
  int status;

  if (argc > 1 && argv[1][0] != '-')
    format = argv[1];
  if (argc > 2 && argv[2][0] != '-')
    kills = (unsigned) g_ascii_strtoull (argv[2], NULL, 10);
  g_test_init (&argc, &argv, NULL);
  shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (shared != MAP_FAILED);
  for (unsigned i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_autofree char *path = g_strconcat ("/snapshot/killed/", verbs[i].name, NULL);

      g_test_add (path, Setting, &verbs[i], set_up, test_verb, tear_down);
    }
  status = g_test_run ();
  munmap (shared, sizeof *shared);
  return status;
}
