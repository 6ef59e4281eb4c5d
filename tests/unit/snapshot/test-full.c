/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A full disk. Whenever it becomes full while a snapshot is taken, gone back to or merged, the verb fails and says so, all
 * is as it was, and goes well when there is room again. */

#include "tests/unit/snapshot/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* How many bytes may be written still; and what the file system says is free. */
static int64_t room = INT64_MAX, claimed = INT64_MAX;

ssize_t __real_pwrite64 (int fd, const void *data, size_t length, off_t at);
ssize_t __wrap_pwrite64 (int fd, const void *data, size_t length, off_t at);
ssize_t __real_write (int fd, const void *data, size_t length);
ssize_t __wrap_write (int fd, const void *data, size_t length);
ssize_t __wrap_copy_file_range (int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags);
int __wrap_link (const char *from, const char *to);
int __real_statvfs64 (const char *path, struct statvfs *info);
int __wrap_statvfs64 (const char *path, struct statvfs *info);

static gboolean
take_room (size_t length)
{
  if (room != INT64_MAX)
    room -= (int64_t) length;
  if (room >= 0)
    return TRUE;
  errno = ENOSPC;
  return FALSE;
}

ssize_t
__wrap_pwrite64 (int fd, const void *data, size_t length, off_t at)
{
  return take_room (length) ? __real_pwrite64 (fd, data, length, at) : -1;
}

ssize_t
__wrap_write (int fd, const void *data, size_t length)
{
  return fd <= 2 || take_room (length) ? __real_write (fd, data, length) : -1;
}

ssize_t
__wrap_copy_file_range (int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags)
{
  errno = EINVAL;
  return -1;
}

/* As on a file system without links: states are copied. */
int
__wrap_link (const char *from, const char *to)
{
  errno = EPERM;
  return -1;
}

int
__wrap_statvfs64 (const char *path, struct statvfs *info)
{
  int result = __real_statvfs64 (path, info);

  if (claimed != INT64_MAX)
    info->f_bavail = (fsblkcnt_t) claimed / info->f_frsize;
  return result;
}

typedef gboolean (*Try) (Fixture *f, const char *snapshot, GError **error);

static gboolean
try_take (Fixture *f, const char *snapshot, GError **error)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  const SnapshotOptions options = { .name = "b" };
  g_autofree char *taken = snapshot_take_off (f->library, machine, &options, error);

  return taken != NULL;
}

static gboolean
try_restore (Fixture *f, const char *snapshot, GError **error)
{
  return snapshot_restore (f->library, f->uuid, snapshot, error);
}

static gboolean
try_tidy (Fixture *f, const char *snapshot, GError **error)
{
  return snapshot_tidy (f->library, f->uuid, NULL, NULL, error);
}

static gboolean
try_clone (Fixture *f, const char *snapshot, GError **error)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), made = NULL;

  return snapshot_clone (f->library, machine, snapshot, "two", FALSE, FALSE, NULL, &made, error);
}

/* @verb fails with less room than it needs, wherever that ends, and nothing is changed. */
static void
run_short (Fixture *f, Try verb, const char *snapshot, const char *tree, int now, unsigned files)
{
  static const int64_t rooms[] = { 0, 1, 5000, 30000, 70000, 140000, 280000, 500000 };
  gboolean failed = FALSE;

  for (unsigned i = 0; i < G_N_ELEMENTS (rooms); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *found = NULL;
      gboolean ok;

      room = rooms[i];
      ok = verb (f, snapshot, &error);
      room = INT64_MAX;
      if (ok)
        break;
      failed = TRUE;
      g_assert_nonnull (error);
      g_test_message ("%lld bytes: %s", (long long) rooms[i], error->message);
      g_assert_nonnull (strstr (error->message, g_strerror (ENOSPC)));
      found = fixture_tree (f, f->uuid);
      g_assert_cmpstr (found, ==, tree);
      g_assert_cmpint (fixture_get (f, f->uuid, 4), ==, now);
      g_assert_cmpuint (fixture_count (f->folder, ""), ==, files);
    }
  g_assert_true (failed);
}

static void
test_writes (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autofree char *a = NULL, *saved = library_saved_state_path (machine), *tree = NULL, *state = g_strnfill (60000, 's');
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (saved, state, -1, NULL));
  fixture_put (f, f->uuid, 4, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 4, 2);
  for (unsigned i = 0; i < 3000; i += 100)
    fixture_put (f, f->uuid, i + 50, 7);
  run_short (f, try_take, NULL, "a*", 2, 2);
  if (g_str_equal ((tree = fixture_tree (f, f->uuid)), "a*"))
    g_assert_true (try_take (f, NULL, &error));
  run_short (f, try_restore, a, "a a>b*", 2, 4);
  g_assert_true (try_restore (f, a, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (saved, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, state);
  g_assert_cmpint (fixture_get (f, f->uuid, 4), ==, 1);
  fixture_put (f, f->uuid, 4, 3);
  run_short (f, try_clone, a, "a* a>b", 3, 4);
  {
    g_autoptr (GPtrArray) list = NULL;

    g_clear_pointer (&machine, library_machine_free);
    machine = fixture_machine (f, f->uuid);
    list = snapshot_list (f->library, machine, FALSE, NULL);
    g_assert_true (snapshot_delete (f->library, f->uuid, ((Snapshot *) list->pdata[1])->uuid, NULL));
    g_assert_true (try_tidy (f, NULL, &error));
    for (unsigned i = 0; i < 3000; i += 100)
      fixture_put (f, f->uuid, i, 7);
    g_assert_true (snapshot_delete (f->library, f->uuid, a, NULL));
  }
  run_short (f, try_tidy, NULL, "", 3, 1);
  g_assert_true (try_tidy (f, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
  g_assert_cmpint (fixture_get (f, f->uuid, 4), ==, 3);
}

/* What is known beforehand to be too much is not begun, and the error says how much is needed. */
static void
test_claims (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL;
  g_autoptr (GError) error = NULL;

  claimed = 100000;
  g_assert_false (try_take (f, NULL, &error));
  claimed = INT64_MAX;
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  g_assert_nonnull (strstr (error->message, "2.0"));
  g_assert_nonnull (strstr (error->message, f->folder));
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
  g_clear_error (&error);

  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 4, 1);
  claimed = 100000;
  g_assert_false (try_restore (f, a, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  g_clear_error (&error);
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_assert_false (try_tidy (f, NULL, &error));
  claimed = INT64_MAX;
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  g_clear_error (&error);
  g_assert_cmpint (fixture_get (f, f->uuid, 4), ==, 1);
  g_assert_true (try_tidy (f, NULL, &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/snapshot/full/writes", Fixture, "vdi", fixture_set_up, test_writes, fixture_tear_down);
  g_test_add ("/snapshot/full/claims", Fixture, "vdi", fixture_set_up, test_claims, fixture_tear_down);
  return g_test_run ();
}
