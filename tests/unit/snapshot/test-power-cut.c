/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Power cuts. All that a verb on snapshots does to the library's folder is recorded; then the power fails at many points of
 * it. What may be left then record.h says, and what must hold of it interrupted.h. What a verb had promised when it was
 * done, or the guest had flushed, is there.
 *
 *   test-power-cut FORMAT [CUTS]
 */

#include "tests/unit/snapshot/record.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CUTS = 25 }; /* of each verb */

static unsigned cuts = CUTS;
static const char *format = "vdi";

/* All but what is not durable has the same contents; in both directions. */
static void
check_same (const char *folder, const char *other)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *one = g_build_filename (folder, entry, NULL), *two = g_build_filename (other, entry, NULL),
                      *data = NULL, *copy = NULL;
      gsize length, copied;
      struct stat info;

      if (g_str_has_suffix (entry, "-shm"))
        continue;
      g_assert_cmpint (lstat (one, &info), ==, 0);
      if (S_ISDIR (info.st_mode))
        {
          check_same (one, two);
          continue;
        }
      if (!g_file_test (two, G_FILE_TEST_EXISTS))
        g_error ("“%s” is not as “%s”", two, one);
      g_assert_true (g_file_get_contents (one, &data, &length, NULL));
      g_assert_true (g_file_get_contents (two, &copy, &copied, NULL));
      if (length != copied || memcmp (data, copy, length) != 0)
        g_error ("“%s” is not as “%s”", two, one);
    }
}

static void
cut_power (Setting *s, const Verb *verb, Record *record, unsigned at)
{
  g_autofree char *kept = NULL;
  g_auto (GStrv) did = NULL;

  record_go_to (record, at);
  g_clear_pointer (&s->f.library, library_close);
  kept = record_rebuild (record, FALSE);
  g_test_message ("%s: cut before event %u of %u: %s", verb->name, at, record_length (record), kept);
  did = setting_survive (s, verb, record_progress (record, at));
  g_test_message ("%s: %s", verb->name, did ? did[0] : "nothing was left");
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return *(const int *) a - *(const int *) b;
}

static void
test_verb (Setting *s, gconstpointer data)
{
  Record *record = record_new (s->f.home, s->progress);
  g_autofree char *real = g_strconcat (s->f.home, ".real", NULL);
  g_autofree int *points = g_new (int, cuts);
  const Verb *verb = data;
  int status;

  setting_put_back (s);
  record_reset ();
  status = setting_run (s, verb, record_begin, record_end);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpuint (record_length (record), >, 5);
  g_assert_cmpint (g_rename (s->f.home, real), ==, 0);
  for (unsigned i = 0; i < cuts; i++)
    points[i] = (int) record_pick (record);
  qsort (points, cuts, sizeof *points, compare);
  for (unsigned i = 0; i < cuts; i++)
    cut_power (s, verb, record, (unsigned) points[i]);

  /* Nothing passed by unseen: what the record says is what was there. */
  g_clear_pointer (&s->f.library, library_close);
  record_go_to (record, record_length (record));
  g_free (record_rebuild (record, TRUE));
  check_same (real, s->f.home);
  check_same (s->f.home, real);
  fixture_remove_folder (real);
  record_free (record);
}

static void
set_up (Setting *s, gconstpointer data)
{
  setting_set_up (s, format);
}

int
main (int argc, char **argv)
{
  if (argc > 1 && argv[1][0] != '-')
    format = argv[1];
  if (argc > 2 && argv[2][0] != '-')
    cuts = (unsigned) g_ascii_strtoull (argv[2], NULL, 10);
  g_test_init (&argc, &argv, NULL);
  for (const Verb *verb = interrupted_verbs; verb->name; verb++)
    {
      g_autofree char *path = g_strconcat ("/snapshot/power-cut/", verb->name, NULL);

      g_test_add (path, Setting, verb, set_up, test_verb, setting_tear_down);
    }
  return g_test_run ();
}
