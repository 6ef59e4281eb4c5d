/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kill -9. A process takes a snapshot, goes back to one, deletes some, makes a test drive or a clone, and is killed before
 * one of the system calls, or steps of the database, by which it changes something. What must hold then interrupted.h
 * says.
 *
 *   test-killed FORMAT [KILLS]
 */

#include "tests/unit/snapshot/interrupted.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
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

static void
arm (void)
{
  g_atomic_int_set (&shared->armed, TRUE);
}

static void
disarm (void)
{
  g_atomic_int_set (&shared->armed, FALSE);
}

/* Is killed at step number @at (0: not); whether it was. */
static gboolean
run_and_kill (Setting *s, const Verb *verb, int at)
{
  int status;

  shared->left = at;
  shared->steps = 0;
  status = setting_run (s, verb, arm, disarm);
  shared->armed = FALSE;
  if (WIFSIGNALED (status))
    {
      g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
      return TRUE;
    }
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  return FALSE;
}

static void
kill_at (Setting *s, const Verb *verb, int at)
{
  g_auto (GStrv) did = NULL;

  setting_put_back (s);
  if (!run_and_kill (s, verb, at) && at != 0)
    return;
  did = setting_survive (s, verb, s->progress);
  g_test_message ("%s: killed at step %d: %s", verb->name, at, did ? did[0] : "nothing was left");
}

static void
test_verb (Setting *s, gconstpointer data)
{
  const Verb *verb = data;
  int steps;

  kill_at (s, verb, 0);
  steps = shared->steps;
  g_assert_cmpint (steps, >, 3);
  for (unsigned i = 0; i < MIN (kills, (unsigned) steps); i++)
    {
      gboolean all = (unsigned) steps <= kills;
      int last = steps - (int) i / 3;

      kill_at (s, verb, all ? (int) i + 1 : i % 3 == 0 ? last : g_test_rand_int_range (1, steps + 1));
    }
}

static void
set_up (Setting *s, gconstpointer data)
{
  setting_set_up (s, format);
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
  for (const Verb *verb = interrupted_verbs; verb->name; verb++)
    {
      g_autofree char *path = g_strconcat ("/snapshot/killed/", verb->name, NULL);

      g_test_add (path, Setting, verb, set_up, test_verb, setting_tear_down);
    }
  status = g_test_run ();
  munmap (shared, sizeof *shared);
  return status;
}
