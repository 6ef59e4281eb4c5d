/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several processes: one takes, restores, deletes and tidies a machine's snapshots while another makes linked clones of
 * them, writes to those and deletes them again. What each sees is always what the snapshot's name says. */

#include "tests/unit/snapshot/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MARK = 4, ROUNDS = 40, CLONES = 6, TRIES = 20 };

static const char *program;

/* The mark of the machine's disk, opened as it is stored; what is merged meanwhile is looked for anew. */
static int
get_mark (Library *library, const char *uuid)
{
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; i < TRIES; i++)
    {
      g_autoptr (LibraryMachine) machine = library_find (library, uuid, NULL);
      const LibraryAttachment *drive = fixture_drive (machine);
      const DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY,
                                        .format = drive->format,
                                        .chain = (const char *const *) drive->chain };
      Disk *disk;
      uint8_t sector[512];
      gboolean ok;

      g_clear_error (&error);
      disk = disk_open_with (drive->path, &options, &error);
      if (!disk)
        {
          g_usleep (20000);
          continue;
        }
      ok = disk_read (disk, MARK * 512, sector, sizeof sector, &error);
      disk_unref (disk);
      if (ok)
        return sector[0];
    }
  g_error ("%s", error->message);
}

static void
put_mark (Library *library, const char *uuid, int mark)
{
  Fixture f = { .library = library };

  fixture_put (&f, uuid, MARK, mark);
  fixture_put (&f, uuid, 100 + (unsigned) mark, mark);
}

static GPtrArray *
list (Library *library, const char *uuid)
{
  g_autoptr (LibraryMachine) machine = library_find (library, uuid, NULL);
  g_autoptr (GError) error = NULL;
  GPtrArray *all = snapshot_list (library, machine, FALSE, &error);

  g_assert_no_error (error);
  return all;
}

/* Has the machine; a merge that a clone is in the way of is put off. */
static int
be_keeper (const char *home, const char *uuid)
{
  g_autoptr (Library) library = library_open (home, NULL);
  unsigned merged = 0;

  for (int i = 1; i <= ROUNDS; i++)
    {
      g_autoptr (LibraryMachine) machine = library_find (library, uuid, NULL);
      g_autofree char *name = g_strdup_printf ("%d", i), *taken = NULL;
      g_autoptr (GPtrArray) all = NULL;
      g_autoptr (GError) error = NULL;
      const SnapshotOptions options = { .name = name };

      put_mark (library, uuid, i);
      taken = snapshot_take_off (library, machine, &options, &error);
      g_assert_no_error (error);
      all = list (library, uuid);
      for (unsigned left = all->len; left > 4; left--)
        {
          const Snapshot *victim = all->pdata[g_random_int_range (0, (int) all->len)];

          snapshot_delete (library, uuid, victim->uuid, NULL);
        }
      if (g_random_int_range (0, 3) == 0)
        {
          const Snapshot *back = all->pdata[all->len - 1];

          if (snapshot_restore (library, uuid, back->uuid, NULL))
            g_assert_cmpint (get_mark (library, uuid), ==, atoi (back->name));
        }
      merged += snapshot_tidy (library, uuid, NULL, NULL, NULL);
    }
  return merged > 0 ? 0 : 1;
}

/* One linked clone, used and deleted. FALSE: what it was to be made from went meanwhile. */
static gboolean
use_clone (Library *library, const char *uuid, const char *name)
{
  g_autoptr (GPtrArray) all = list (library, uuid);
  g_autoptr (LibraryMachine) machine = library_find (library, uuid, NULL), made = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) disks = NULL;
  g_autofree char *taken = NULL;
  const SnapshotOptions options = { .name = "inner" };
  const Snapshot *from;
  int mark;

  if (all->len == 0)
    return FALSE;
  from = all->pdata[g_random_int_range (0, (int) all->len)];
  mark = atoi (from->name);
  if (!snapshot_clone (library, machine, from->uuid, name, TRUE, FALSE, NULL, &made, &error))
    {
      g_test_message ("%s", error->message);
      return FALSE;
    }
  for (unsigned i = 0; i < 3; i++)
    {
      g_assert_cmpint (get_mark (library, made->uuid), ==, mark);
      g_usleep (10000);
    }
  for (unsigned i = 0; i < TRIES && !taken; i++)
    {
      g_clear_error (&error);
      taken = snapshot_take_off (library, made, &options, &error);
      if (!taken)
        g_usleep (20000);
    }
  g_assert_no_error (error);
  g_assert_true (snapshot_delete (library, made->uuid, taken, NULL));
  snapshot_tidy (library, made->uuid, NULL, NULL, NULL);
  g_assert_cmpint (get_mark (library, made->uuid), ==, mark);
  g_assert_true (library_delete_machine (library, made->uuid, &disks, &error));
  g_assert_no_error (error);
  g_assert_true (library_delete_files (made, disks, &error));
  return TRUE;
}

static int
be_cloner (const char *home, const char *uuid, const char *number)
{
  g_autoptr (Library) library = library_open (home, NULL);
  unsigned done = 0;

  for (unsigned i = 0; done < CLONES && i < 500; i++)
    {
      g_autofree char *name = g_strdup_printf ("clone %s %u", number, i);

      if (use_clone (library, uuid, name))
        done++;
      else
        g_usleep (20000);
    }
  return done == CLONES ? 0 : 1;
}

static GSubprocess *
spawn (Fixture *f, const char *role, const char *number)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, program, role, f->home, f->uuid, number, NULL);

  g_assert_no_error (error);
  return process;
}

static void
test_all (Fixture *f, gconstpointer data)
{
  const char *roles[] = { "keeper", "cloner", "cloner" }, *numbers[] = { "0", "1", "2" };
  GSubprocess *processes[G_N_ELEMENTS (roles)];
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (LibraryMachine) machine = NULL;

  fixture_put (f, f->uuid, MARK, 0);
  g_free (fixture_take (f, f->uuid, "0"));
  for (unsigned i = 0; i < G_N_ELEMENTS (roles); i++)
    processes[i] = spawn (f, roles[i], numbers[i]);
  for (unsigned i = 0; i < G_N_ELEMENTS (roles); i++)
    {
      g_assert_true (g_subprocess_wait_check (processes[i], NULL, NULL));
      g_object_unref (processes[i]);
    }

  /* Everything is as it was without clones. */
  g_strfreev (fixture_tidy (f, f->uuid));
  all = list (f->library, f->uuid);
  g_assert_cmpuint (all->len, >, 0);
  for (unsigned i = 0; i < all->len; i++)
    {
      Snapshot *snapshot = all->pdata[i];

      g_assert_cmpint (fixture_get_drive (fixture_drive (snapshot->settings), MARK), ==, atoi (snapshot->name));
      g_assert_true (snapshot_delete (f->library, f->uuid, snapshot->uuid, NULL));
    }
  g_strfreev (fixture_tidy (f, f->uuid));
  machine = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (machine)->path, ==, f->root);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
}

int
main (int argc, char **argv)
{
  if (argc == 5 && g_str_equal (argv[1], "keeper"))
    return be_keeper (argv[2], argv[3]);
  if (argc == 5 && g_str_equal (argv[1], "cloner"))
    return be_cloner (argv[2], argv[3], argv[4]);
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/snapshot/processes", Fixture, "qcow2", fixture_set_up, test_all, fixture_tear_down);
  return g_test_run ();
}
