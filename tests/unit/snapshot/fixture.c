/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See fixture.h. */

#include "tests/unit/snapshot/fixture.h"

#include <glib/gstdio.h>
#include <string.h>

enum { SECTOR = 512 };

void
fixture_remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        fixture_remove_folder (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

LibraryMachine *
fixture_add (Fixture *fixture, const char *name, const char *format)
{
  const DiskCreateOptions options = { .format = format, .size = DISK_SIZE };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  LibraryMachine *machine = library_machine_new (name);

  g_assert_true (library_add_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
  path = library_new_disk_path (machine, g_str_equal (format, "raw") ? "img" : format);
  g_assert_true (disk_create (path, &options, &error));
  g_assert_no_error (error);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, path, NULL);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 2, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  library_adapter_add_forward (library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT), FALSE, NULL, 2222, NULL, 22);
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
  return machine;
}

void
fixture_set_up (Fixture *fixture, gconstpointer format)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LibraryMachine) machine = NULL;

  fixture->format = format ? format : "raw";
  fixture->home = g_dir_make_tmp ("bunshin-snapshot-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  machine = fixture_add (fixture, "one", fixture->format);
  fixture->uuid = g_strdup (machine->uuid);
  fixture->folder = g_strdup (machine->folder);
  fixture->root = g_strdup (fixture_drive (machine)->path);
}

void
fixture_tear_down (Fixture *fixture, gconstpointer format)
{
  library_close (fixture->library);
  fixture_remove_folder (fixture->home);
  g_free (fixture->home);
  g_free (fixture->uuid);
  g_free (fixture->folder);
  g_free (fixture->root);
}

void
fixture_reopen (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  library_close (fixture->library);
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
}

LibraryMachine *
fixture_machine (Fixture *fixture, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  LibraryMachine *machine = library_find (fixture->library, uuid, &error);

  g_assert_no_error (error);
  return machine;
}

LibraryAttachment *
fixture_drive (LibraryMachine *machine)
{
  LibraryAttachment *drive = library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 0);

  g_assert_nonnull (drive);
  return drive;
}

Disk *
fixture_open (const LibraryAttachment *drive, DiskOpenFlags flags)
{
  const DiskOpenOptions options
      = { .flags = flags, .format = drive->format, .chain = (const char *const *) drive->chain };
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open_with (drive->path, &options, &error);

  g_assert_no_error (error);
  return disk;
}

void
fixture_put (Fixture *fixture, const char *uuid, uint64_t sector, int byte)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);
  g_autoptr (Disk) disk = fixture_open (fixture_drive (machine), 0);
  g_autoptr (GError) error = NULL;
  uint8_t data[SECTOR];

  memset (data, byte, sizeof data);
  g_assert_true (disk_write (disk, sector * SECTOR, data, sizeof data, &error));
  g_assert_true (disk_flush (disk, &error));
  g_assert_no_error (error);
}

int
fixture_get_drive (const LibraryAttachment *drive, uint64_t sector)
{
  g_autoptr (Disk) disk = fixture_open (drive, DISK_OPEN_READ_ONLY);
  g_autoptr (GError) error = NULL;
  uint8_t data[SECTOR];

  g_assert_true (disk_read (disk, sector * SECTOR, data, sizeof data, &error));
  g_assert_no_error (error);
  for (unsigned i = 1; i < SECTOR; i++)
    g_assert_cmpint (data[i], ==, data[0]);
  return data[0];
}

int
fixture_get (Fixture *fixture, const char *uuid, uint64_t sector)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);

  return fixture_get_drive (fixture_drive (machine), sector);
}

int
fixture_get_then (Fixture *fixture, const char *uuid, const char *snapshot, uint64_t sector)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);
  g_autoptr (GError) error = NULL;
  g_autoptr (Snapshot) found = snapshot_find (fixture->library, machine, snapshot, &error);

  g_assert_no_error (error);
  return fixture_get_drive (fixture_drive (found->settings), sector);
}

char *
fixture_take (Fixture *fixture, const char *uuid, const char *name)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);
  const SnapshotOptions options = { .name = name };
  g_autoptr (GError) error = NULL;
  char *taken = snapshot_take_off (fixture->library, machine, &options, &error);

  g_assert_no_error (error);
  g_assert_nonnull (taken);
  return taken;
}

void
fixture_kill_drive (Fixture *fixture, const char *uuid)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);
  g_autoptr (GPtrArray) all = snapshot_list (fixture->library, machine, TRUE, NULL);

  for (unsigned i = 0; i < all->len; i++)
    {
      const Snapshot *snapshot = all->pdata[i];

      if (snapshot->kind == SNAPSHOT_DRIVE)
        g_assert_true (snapshot_edit (fixture->library, uuid, snapshot->uuid, NULL, "another process", NULL));
    }
}

char **
fixture_tidy (Fixture *fixture, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  char **did = NULL;

  g_assert_true (snapshot_tidy (fixture->library, uuid, NULL, &did, &error));
  g_assert_no_error (error);
  return did;
}

char *
fixture_tree (Fixture *fixture, const char *uuid)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (fixture, uuid);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = snapshot_list (fixture->library, machine, FALSE, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (unsigned i = 0; i < list->len; i++)
    {
      const Snapshot *snapshot = list->pdata[i];
      const char *parent = NULL;

      for (unsigned j = 0; j < i; j++)
        if (g_strcmp0 (((Snapshot *) list->pdata[j])->uuid, snapshot->parent) == 0)
          parent = ((Snapshot *) list->pdata[j])->name;
      g_assert_true ((parent == NULL) == (snapshot->parent == NULL));
      g_string_append_printf (text, "%s%s%s%s%s", i > 0 ? " " : "", parent ? parent : "", parent ? ">" : "",
                              snapshot->name, snapshot->is_current ? "*" : "");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

unsigned
fixture_count (const char *folder, const char *ending)
{
  g_autofree char *path = g_build_filename (folder, "Snapshots", NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  unsigned count = 0;

  while (dir && (name = g_dir_read_name (dir)) != NULL)
    count += g_str_has_suffix (name, ending);
  return count;
}
