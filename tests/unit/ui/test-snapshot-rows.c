/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How trees of snapshots are arranged in rows, and snapshots in words. */

#include "ui/snapshot-text.h"
#include "ui/snapshot-tree.h"

#include <string.h>

/* "b<a" a snapshot and its parent, "c<a!" the one that the present state descends from; in the order of
 * snapshot_list(), one second after the other. */
static GPtrArray *
make (const char *text)
{
  GPtrArray *snapshots = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_free);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i] != NULL && words[i][0] != '\0'; i++)
    {
      Snapshot *snapshot = g_new0 (Snapshot, 1);
      char *parent;

      snapshot->is_current = g_str_has_suffix (words[i], "!");
      g_strdelimit (words[i], "!", '\0');
      parent = strchr (words[i], '<');
      if (parent != NULL)
        *parent++ = '\0';
      snapshot->uuid = g_strdup (words[i]);
      snapshot->parent = g_strdup (parent);
      snapshot->created = 1000 + i;
      g_ptr_array_add (snapshots, snapshot);
    }
  return snapshots;
}

/* Of each row its column, and whether lines lead up, down (|), aside (/) or nowhere (.). */
static char *
arrange (const char *text)
{
  g_autoptr (GPtrArray) snapshots = make (text);
  g_autoptr (GArray) places = snapshot_tree_arrange (snapshots);
  g_autoptr (GString) rows = g_string_new (NULL);

  for (guint i = 0; i < places->len; i++)
    {
      const SnapshotPlace *place = &g_array_index (places, SnapshotPlace, i);

      g_string_append_printf (rows, "%s%u%s%s%c", i > 0 ? " " : "", place->column, place->has_above ? "'" : "",
                              place->snapshot != NULL ? place->snapshot->uuid : "*", ".|/"[place->below]);
    }
  return g_string_free (g_steal_pointer (&rows), FALSE);
}

static void
test_tree (void)
{
  static const struct
  {
    const char *tree, *rows;
  } cases[] = {
    { "", "0*." },
    { "a!", "0*| 0'a." },
    { "a b<a c<b!", "0*| 0'c| 0'b| 0'a." },
    /* The present is always above, and its way straight, however old it is. */
    { "a! b<a c<b", "0*| 1c| 1'b/ 0'a." },
    { "a b<a c<b d<b e<d!", "0*| 0'e| 0'd| 1c/ 0'b| 0'a." },
    /* Branches of one are one column, the youngest above. */
    { "a b<a c<a d<a e<a!", "0*| 0'e| 1d/ 1c/ 1b/ 0'a." },
    { "a! b<a c<b d<b e<a", "0*| 1e/ 1d| 2c/ 1'b/ 0'a." },
    /* Several trees: what was the first was deleted. */
    { "a b c<a!", "0*| 0'c| 0'a. 0b." },
    { "a b<a", "0*. 0b| 0'a." },
    /* A parent that is not known is none. */
    { "b<x c<b!", "0*| 0'c| 0'b." },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *rows = arrange (cases[i].tree);

      g_assert_cmpstr (rows, ==, cases[i].rows);
    }
}

/* Any tree: each is there once, below all that descend from it, and the columns of one row and the next fit together.
 */
static void
check_random_tree (guint count)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) snapshots = NULL;
  g_autoptr (GArray) places = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < count; i++)
    {
      g_string_append_printf (text, "%ss%u", i > 0 ? " " : "", i);
      if (i > 0 && g_test_rand_int_range (0, 10) > 0)
        g_string_append_printf (text, "<s%d", g_test_rand_int_range (0, (gint32) i));
    }
  g_string_append (text, "!");
  snapshots = make (text->str);
  places = snapshot_tree_arrange (snapshots);
  g_assert_cmpuint (places->len, ==, count + 1);
  for (guint i = 0; i < places->len; i++)
    {
      const SnapshotPlace *place = &g_array_index (places, SnapshotPlace, i);
      const SnapshotPlace *below = i + 1 < places->len ? place + 1 : NULL;

      if (place->below == SNAPSHOT_BELOW_NOTHING)
        g_assert_cmpuint (place->column, ==, 0);
      else
        g_assert_true (below != NULL && below->column + (place->below == SNAPSHOT_BELOW_JOINS) >= place->column);
      if (place->snapshot == NULL)
        {
          g_assert_cmpuint (i, ==, 0);
          continue;
        }
      g_assert_true (g_hash_table_add (seen, place->snapshot->uuid));
      g_assert_true (place->snapshot->parent == NULL || !g_hash_table_contains (seen, place->snapshot->parent));
    }
}

static void
test_random_trees (void)
{
  for (guint i = 0; i < 200; i++)
    check_random_tree ((guint) g_test_rand_int_range (1, 60));
}

/* Depth costs no stack. */
static void
test_long_tree (void)
{
  g_autoptr (GString) text = g_string_new ("s0");
  g_autofree char *rows = NULL;

  for (guint i = 1; i < 20000; i++)
    g_string_append_printf (text, " s%u<s%u", i, i - 1);
  rows = arrange (text->str);
  g_assert_true (g_str_has_prefix (rows, "0*. 0s19999| 0's19998| "));
}

static gint64
local_time (int year, int month, int day, int hour, int minute)
{
  g_autoptr (GDateTime) date = g_date_time_new_local (year, month, day, hour, minute, 0);

  return g_date_time_to_unix (date);
}

static void
test_age (void)
{
  gint64 now = local_time (2026, 3, 10, 9, 30);
  const struct
  {
    gint64 time;
    const char *text;
  } cases[] = {
    { now, "Just now" },
    { now - 59, "Just now" },
    { now - 60, "1 minute ago" },
    { now - 59 * 60, "59 minutes ago" },
    { now - 60 * 60, "Today, 08:30" },
    /* What is ahead of a clock that was set back. */
    { now + 60 * 60, "Today, 10:30" },
    { local_time (2026, 3, 9, 23, 59), "Yesterday, 23:59" },
    { local_time (2026, 3, 8, 23, 59), "8 March, 23:59" },
    { local_time (2025, 12, 31, 23, 59), "31 December 2025" },
    { G_MAXINT64, "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = snapshot_text_age (cases[i].time, now);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_names (void)
{
  const char *const none[] = { NULL }, *const some[] = { "Snapshot 3", "Other", NULL };
  g_autofree char *first = snapshot_text_new_name (none), *fourth = snapshot_text_new_name (some);
  g_autofree char *kept = snapshot_text_kept_name ("Base"), *whole = NULL;
  g_autofree char *name = g_strnfill (LIBRARY_NAME_MAX, 'x');

  g_assert_cmpstr (first, ==, "Snapshot 1");
  g_assert_cmpstr (fourth, ==, "Snapshot 4");
  g_assert_cmpstr (kept, ==, "Before going back to “Base”");
  whole = snapshot_text_kept_name (name);
  g_assert_true (library_name_validate (whole, NULL));
}

static void
test_forecast (void)
{
  const SnapshotForecast both = { .frees = 3 << 20, .copies = 1 << 20 }, none = { .frees = 0 };
  const SnapshotForecast waits = { .frees = 1 << 20, .copies = 1 << 20, .waits = TRUE };
  g_autofree char *merges = snapshot_text_forecast (&both), *nothing = snapshot_text_forecast (&none);
  g_autofree char *later = snapshot_text_forecast (&waits);

  g_assert_nonnull (strstr (merges, "3 MiB"));
  g_assert_nonnull (strstr (merges, "1 MiB, is merged"));
  g_assert_nonnull (strstr (nothing, "no room"));
  g_assert_nonnull (strstr (later, "build on"));
  g_assert_null (strstr (later, "merged"));
}

int
main (int argc, char *argv[])
{
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/snapshots/tree", test_tree);
  g_test_add_func ("/ui/snapshots/random-trees", test_random_trees);
  g_test_add_func ("/ui/snapshots/long-tree", test_long_tree);
  g_test_add_func ("/ui/snapshots/age", test_age);
  g_test_add_func ("/ui/snapshots/names", test_names);
  g_test_add_func ("/ui/snapshots/forecast", test_forecast);
  return g_test_run ();
}
