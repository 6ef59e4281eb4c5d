/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Automatic snapshots: which go for the quota, of a made-up list and of a machine that is off, their names, and which discs
 * are the same. */

#include "storage/snapshot/automatic.h"
#include "tests/unit/snapshot/fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <utime.h>

/* --- A list: “name kind created size”; “*” behind the kind: the present state descends from it --- */

static GPtrArray *
make_list (const char *const *lines)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_free);

  for (; *lines; lines++)
    {
      g_auto (GStrv) words = g_strsplit (*lines, " ", 4);
      Snapshot *snapshot = g_new0 (Snapshot, 1);

      snapshot->name = g_strdup (words[0]);
      snapshot->kind = words[1][0] == 'a' ? SNAPSHOT_AUTOMATIC : SNAPSHOT_USER;
      snapshot->is_current = words[1][1] == '*';
      snapshot->created = g_ascii_strtoll (words[2], NULL, 10);
      snapshot->size = g_ascii_strtoull (words[3], NULL, 10);
      g_ptr_array_add (list, snapshot);
    }
  return list;
}

static void
expect_excess (const char *const *lines, unsigned keep, uint64_t space, const char *names)
{
  const LibraryAutomatic quota = { .keep = keep, .space = space };
  g_autoptr (GPtrArray) list = make_list (lines), excess = snapshot_automatic_excess (list, &quota);
  g_autoptr (GString) found = g_string_new (NULL);

  for (unsigned i = 0; i < excess->len; i++)
    g_string_append_printf (found, "%s%s", i > 0 ? " " : "", ((const Snapshot *) excess->pdata[i])->name);
  g_assert_cmpstr (found->str, ==, names);
}

static void
test_excess (void)
{
  /* The tree's order is not that of age. */
  static const char *const list[] = { "u1 u 1 1000000", "b a 20 10", "c a 30 10", "u2 u 40 1000000", "a a 10 10",
                                      "d a 50 10", "e a* 60 10", NULL };
  static const char *const current_is_oldest[] = { "a a* 10 100", "b a 20 10", "c a 30 10", "d a 40 10", NULL };
  static const char *const same_second[] = { "a a 10 1", "b a 10 1", "c a 10 1", NULL };
  static const char *const large[] = { "u u* 1 1", "a a 10 1", "b a 20 5000", NULL };
  static const char *const users[] = { "u1 u 1 5000", "u2 u 2 5000", "u3 u* 3 5000", NULL };
  static const char *const none[] = { NULL };

  expect_excess (list, 5, 1000, "");
  expect_excess (list, 4, 1000, "a");
  expect_excess (list, 2, 1000, "a b c");
  expect_excess (list, 1, 1000, "a b c d");
  /* What the user's own take is not counted. */
  expect_excess (list, 100, 50, "");
  expect_excess (list, 100, 49, "a");
  expect_excess (list, 100, 1, "a b c d");
  expect_excess (list, 3, 20, "a b c");
  expect_excess (current_is_oldest, 2, 10000, "b c");
  /* The one that stays takes more than there is room for: the others go, for it is counted. */
  expect_excess (current_is_oldest, 100, 50, "b c");
  expect_excess (same_second, 1, 100, "a b");
  expect_excess (large, 5, 100, "a");
  expect_excess (users, 1, 1, "");
  expect_excess (none, 1, 1, "");
}

static void
test_names (void)
{
  g_autoptr (GTimeZone) zone = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = g_date_time_new (zone, 2026, 3, 4, 14, 5, 59);
  g_autofree char *clock = snapshot_automatic_name_time (time), *plain = snapshot_automatic_name_disc ("/a b/x y.iso"),
                  *odd = snapshot_automatic_name_disc ("/a/new\nline\xff.iso"), *path = NULL, *cut = NULL;
  g_autoptr (GString) long_name = g_string_new ("/");

  g_assert_cmpstr (clock, ==, "Automatic, 14:05");
  g_assert_cmpstr (plain, ==, "Before “x y.iso”");
  g_assert_cmpstr (odd, ==, "Before “new line\xef\xbf\xbd.iso”");
  for (unsigned i = 0; i < 85; i++)
    g_string_append (long_name, "碟");
  cut = snapshot_automatic_name_disc (long_name->str);
  g_assert_true (g_utf8_validate (cut, -1, NULL));
  g_assert_cmpuint (strlen (cut), <=, LIBRARY_NAME_MAX);
}

/* --- A machine that is off --- */

static void
take (Fixture *f, const char *name, SnapshotKind kind)
{
  const SnapshotOptions options = { .name = name, .kind = kind };
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autoptr (GError) error = NULL;
  g_autofree char *uuid = snapshot_take_off (f->library, machine, &options, &error);

  g_assert_no_error (error);
  g_assert_nonnull (uuid);
}

static void
set_keep (Fixture *f, unsigned keep)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autoptr (GError) error = NULL;

  machine->automatic.keep = keep;
  library_update_machine (f->library, machine, &error);
  g_assert_no_error (error);
}

static void
expect_tree (Fixture *f, unsigned pruned, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) said = NULL;
  g_autofree char *tree = NULL;
  unsigned count = 99;

  snapshot_automatic_prune (f->library, f->uuid, &count, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count, ==, pruned);
  said = fixture_tidy (f, f->uuid);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, expected);
}

/* The oldest go, what they held is still there, and so is all that the user took. */
static void
test_prune (Fixture *f, gconstpointer data)
{
  static const struct { const char *name; SnapshotKind kind; } taken[] = {
    { "a", SNAPSHOT_AUTOMATIC }, { "mine", SNAPSHOT_USER }, { "b", SNAPSHOT_AUTOMATIC }, { "c", SNAPSHOT_AUTOMATIC },
    { "own", SNAPSHOT_USER }, { "d", SNAPSHOT_AUTOMATIC },
  };
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; i < G_N_ELEMENTS (taken); i++)
    {
      fixture_put (f, f->uuid, i, (int) (10 + i));
      take (f, taken[i].name, taken[i].kind);
    }
  fixture_put (f, f->uuid, 0, 99);
  expect_tree (f, 0, "a a>mine mine>b b>c c>own own>d*");
  set_keep (f, 2);
  expect_tree (f, 2, "mine mine>c c>own own>d*");
  g_assert_cmpint (fixture_get_then (f, f->uuid, "mine", 0), ==, 10);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "c", 3), ==, 13);
  set_keep (f, 1);
  expect_tree (f, 1, "mine mine>own own>d*");
  expect_tree (f, 0, "mine mine>own own>d*");
  for (unsigned i = 1; i < G_N_ELEMENTS (taken); i++)
    g_assert_cmpint (fixture_get (f, f->uuid, i), ==, 10 + i);
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 99);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "own", 4), ==, 14);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "own", 0), ==, 10);

  /* Going back does not change the quota. */
  {
    g_autoptr (Snapshot) mine = NULL;

    machine = fixture_machine (f, f->uuid);
    mine = snapshot_find (f->library, machine, "mine", &error);
    g_assert_no_error (error);
    g_assert_true (snapshot_restore (f->library, f->uuid, mine->uuid, &error));
    library_machine_free (machine);
    machine = fixture_machine (f, f->uuid);
    g_assert_cmpuint (machine->automatic.keep, ==, 1);
  }
}

/* --- Discs --- */

static char *
digest (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *text = snapshot_disc_digest (path, &error);

  g_assert_no_error (error);
  return text;
}

static void
test_digest (Fixture *f, gconstpointer data)
{
  enum { LARGE = 3 << 20 };
  g_autofree char *path = g_build_filename (f->home, "a.iso", NULL), *moved = g_build_filename (f->home, "b.iso", NULL);
  g_autofree char *contents = g_malloc0 (LARGE), *first = NULL, *then = NULL, *changed = NULL, *tail = NULL;
  const struct utimbuf times = { 1000, 1000 };
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, contents, LARGE, NULL));
  g_assert_cmpint (utime (path, &times), ==, 0);
  first = digest (path);
  g_assert_cmpint (g_rename (path, moved), ==, 0);
  then = digest (moved);
  g_assert_cmpstr (first, ==, then);
  /* Another one of the same size and time. */
  contents[LARGE - 1] = 1;
  g_assert_true (g_file_set_contents (path, contents, LARGE, NULL));
  g_assert_cmpint (utime (path, &times), ==, 0);
  tail = digest (path);
  g_assert_cmpstr (first, !=, tail);
  /* Written to in the middle. */
  g_assert_cmpint (utime (moved, NULL), ==, 0);
  changed = digest (moved);
  g_assert_cmpstr (first, !=, changed);
  g_assert_null (snapshot_disc_digest ("/nowhere/x.iso", &error));
  g_assert_nonnull (strstr (error->message, "/nowhere/x.iso"));
  g_clear_error (&error);
  g_assert_null (snapshot_disc_digest (f->home, &error));
  g_assert_nonnull (strstr (error->message, f->home));
}

int
main (int argc, char **argv)
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/automatic/excess", test_excess);
  g_test_add_func ("/automatic/names", test_names);
  g_test_add ("/automatic/prune", Fixture, "vdi", fixture_set_up, test_prune, fixture_tear_down);
  g_test_add ("/automatic/digest", Fixture, NULL, fixture_set_up, test_digest, fixture_tear_down);
  return g_test_run ();
}
