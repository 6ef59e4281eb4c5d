/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What changed on a disk, in file systems that the host's own tools made and changed. */

#include "storage/inspect/inspect.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  MIB = 1 << 20,
  SIZE = 16 * MIB
};

typedef struct
{
  char *folder;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-inspect-XXXXXX", NULL);
}

static void
run (const char *folder, const char *first, ...)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  const char *word;
  va_list arguments;
  int status;

  va_start (arguments, first);
  for (word = first; word != NULL; word = va_arg (arguments, const char *))
    g_ptr_array_add (words, (gpointer) word);
  g_ptr_array_add (words, NULL);
  va_end (arguments);
  g_spawn_sync (folder, (char **) words->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_spawn_check_wait_status (status, &error);
  g_assert_no_error (error);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  run ("/", "rm", "-r", f->folder, NULL);
  g_free (f->folder);
}

static void
put_file (Fixture *f, const char *name, const char *data, gsize length)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL), *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, data, (gssize) length, NULL));
}

static void
put_large (Fixture *f, const char *name, uint8_t seed)
{
  g_autofree char *data = g_malloc (3 * MIB);

  for (guint i = 0; i < 3 * MIB; i++)
    data[i] = (char) (seed + i % 251);
  put_file (f, name, data, 3 * MIB);
}

static Disk *
open_disk (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, DISK_OPEN_READ_ONLY, &error);

  g_assert_no_error (error);
  return disk;
}

static const InspectChange *
find (const InspectChanges *changes, const char *path)
{
  for (guint i = 0; i < changes->changes->len; i++)
    {
      const InspectChange *change = g_ptr_array_index (changes->changes, i);

      if (strcmp (change->path, path) == 0)
        return change;
    }
  g_test_message ("nothing is said of %s", path);
  g_assert_not_reached ();
}

static void
expect (const InspectChanges *changes, const char *path, InspectChangeKind kind, InspectType type, uint64_t old_size,
        uint64_t new_size)
{
  const InspectChange *change = find (changes, path);

  g_assert_cmpint (change->kind, ==, kind);
  g_assert_cmpint (change->type, ==, type);
  g_assert_cmpuint (change->old_size, ==, old_size);
  g_assert_cmpuint (change->new_size, ==, new_size);
}

static void
compare (Fixture *f, const char *before, const char *after, InspectChanges *changes)
{
  g_autoptr (Disk) old = open_disk (f, before), new = open_disk (f, after);
  g_autoptr (GError) error = NULL;

  inspect_compare (old, new, changes, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < changes->notes->len; i++)
    g_test_message ("note: %s", (const char *) g_ptr_array_index (changes->notes, i));
}

static void
make_tree (Fixture *f)
{
  put_file (f, "tree/etc/kept", "kept\n", 5);
  put_file (f, "tree/etc/gone", "gone\n", 5);
  put_file (f, "tree/etc/same-size", "AAAA\n", 5);
  put_file (f, "tree/etc/grows", "1\n", 2);
  put_file (f, "tree/etc/mode", "mode\n", 5);
  put_file (f, "tree/old/deep/file", "x", 1);
  put_file (f, "tree/becomes", "a file\n", 7);
  put_large (f, "tree/large", 1);
  put_file (f, "new/same-size", "BBBB\n", 5);
  put_file (f, "new/grows", "1\n2\n", 4);
  put_file (f, "new/added", "added\n", 6);
  put_large (f, "new/large", 2);
}

static void
change_ext (Fixture *f, const char *image)
{
  static const char *const commands[] = {
    "rm /etc/gone",        "rm /etc/same-size", "write new/same-size /etc/same-size", "rm /etc/grows", "write new/grows /etc/grows",
    "mkdir /usr",          "write new/added /usr/added", "rm /large", "write new/large /large", "sif /etc/mode mode 0104755",
    /* All of this takes less than the second that tells times apart here. */
    "sif /large ctime 20010909014640",
    "rm /old/deep/file",   "rmdir /old/deep",   "rmdir /old", "rm /becomes", "mkdir /becomes", "symlink /link etc/kept",
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (commands); i++)
    run (f->folder, "debugfs", "-w", "-R", commands[i], image, NULL);
}

static void
expect_ext (const InspectChanges *c)
{
  expect (c, "/etc/gone", INSPECT_REMOVED, INSPECT_FILE, 5, 0);
  expect (c, "/etc/same-size", INSPECT_CHANGED, INSPECT_FILE, 5, 5);
  expect (c, "/etc/grows", INSPECT_CHANGED, INSPECT_FILE, 2, 4);
  expect (c, "/etc/mode", INSPECT_ATTRIBUTES, INSPECT_FILE, 5, 5);
  expect (c, "/usr", INSPECT_ADDED, INSPECT_FOLDER, 0, 0);
  expect (c, "/usr/added", INSPECT_ADDED, INSPECT_FILE, 0, 6);
  expect (c, "/large", INSPECT_CHANGED, INSPECT_FILE, 3 * MIB, 3 * MIB);
  expect (c, "/old", INSPECT_REMOVED, INSPECT_FOLDER, 0, 0);
  expect (c, "/old/deep/file", INSPECT_REMOVED, INSPECT_FILE, 1, 0);
  expect (c, "/link", INSPECT_ADDED, INSPECT_LINK, 0, 8);
  /* A file went, a folder came. */
  g_assert_cmpuint (c->changes->len, ==, 13);
  g_assert_cmpuint (c->notes->len, ==, 0);
}

static void
make_ext (Fixture *f, const char *kind)
{
  make_tree (f);
  run (f->folder, "mkfs.ext4", "-q", "-F", "-t", kind, "-d", "tree", "before.raw", "16M", NULL);
  run (f->folder, "cp", "before.raw", "after.raw", NULL);
  change_ext (f, "after.raw");
}

static void
ext (Fixture *f, gconstpointer kind)
{
  InspectChanges changes = { 0 }, none = { 0 };

  make_ext (f, kind);
  compare (f, "before.raw", "after.raw", &changes);
  expect_ext (&changes);
  g_assert_cmpuint (find (&changes, "/large")->volume, ==, 0);
  inspect_changes_clear (&changes);
  compare (f, "after.raw", "after.raw", &none);
  g_assert_cmpuint (none.changes->len, ==, 0);
  inspect_changes_clear (&none);
}

/* Taken while the guest ran: what its journal holds back may be anything. */
static void
in_use (Fixture *f, gconstpointer unused)
{
  InspectChanges changes = { 0 };

  make_ext (f, "ext4");
  run (f->folder, "debugfs", "-w", "-R", "feature needs_recovery", "after.raw", NULL);
  compare (f, "before.raw", "after.raw", &changes);
  g_assert_cmpuint (changes.notes->len, ==, 1);
  g_assert_nonnull (strstr (changes.notes->pdata[0], "journal"));
  g_assert_cmpuint (changes.changes->len, ==, 13);
  inspect_changes_clear (&changes);
}

/* Puts an image into a disk as its second partition. */
static void
divide (Fixture *f, const char *image, const char *name)
{
  g_autofree char *from = g_build_filename (f->folder, image, NULL), *to = g_build_filename (f->folder, name, NULL);
  g_autofree char *data = NULL, *disk = g_malloc0 (MIB + SIZE);
  uint32_t first = GUINT32_TO_LE (MIB / 512), count = GUINT32_TO_LE (SIZE / 512);
  gsize length;

  g_assert_true (g_file_get_contents (from, &data, &length, NULL));
  g_assert_cmpuint (length, ==, SIZE);
  memcpy (disk + MIB, data, length);
  disk[446 + 16 + 4] = (char) 0x83;
  memcpy (disk + 446 + 16 + 8, &first, 4);
  memcpy (disk + 446 + 16 + 12, &count, 4);
  disk[510] = 0x55;
  disk[511] = (char) 0xaa;
  g_assert_true (g_file_set_contents (to, disk, MIB + SIZE, NULL));
}

static void
partition (Fixture *f, gconstpointer unused)
{
  InspectChanges changes = { 0 };

  make_ext (f, "ext4");
  divide (f, "before.raw", "one.raw");
  divide (f, "after.raw", "two.raw");
  compare (f, "one.raw", "two.raw", &changes);
  expect_ext (&changes);
  g_assert_cmpuint (find (&changes, "/large")->volume, ==, 2);
  inspect_changes_clear (&changes);
}

/* Where there was no file system, or none is any more. */
static void
whole_volume (Fixture *f, gconstpointer unused)
{
  InspectChanges changes = { 0 };

  make_ext (f, "ext4");
  divide (f, "after.raw", "disk.raw");
  run (f->folder, "truncate", "-s", "17M", "blank.raw", NULL);
  compare (f, "blank.raw", "disk.raw", &changes);
  expect (&changes, "/usr/added", INSPECT_ADDED, INSPECT_FILE, 0, 6);
  expect (&changes, "/etc/kept", INSPECT_ADDED, INSPECT_FILE, 0, 5);
  inspect_changes_clear (&changes);
  compare (f, "disk.raw", "blank.raw", &changes);
  expect (&changes, "/usr/added", INSPECT_REMOVED, INSPECT_FILE, 6, 0);
  inspect_changes_clear (&changes);
}

static void
copy_out (Fixture *f, gconstpointer unused)
{
  g_autofree char *to = g_build_filename (f->folder, "copy", NULL), *want = NULL, *have = NULL;
  g_autofree char *source = g_build_filename (f->folder, "new/large", NULL);
  g_autoptr (Disk) disk = NULL;
  g_autoptr (GError) error = NULL;
  gsize want_length, have_length;

  make_ext (f, "ext4");
  divide (f, "after.raw", "disk.raw");
  disk = open_disk (f, "disk.raw");
  inspect_copy_out (disk, 2, "/large", to, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (source, &want, &want_length, NULL));
  g_assert_true (g_file_get_contents (to, &have, &have_length, NULL));
  g_assert_cmpmem (have, have_length, want, want_length);
  /* Never over another file, and nothing but files. */
  g_assert_false (inspect_copy_out (disk, 2, "/etc/kept", to, FALSE, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST);
  g_clear_error (&error);
  g_assert_true (inspect_copy_out (disk, 2, "/etc/kept", to, TRUE, NULL, &error));
  g_assert_no_error (error);
  g_clear_pointer (&have, g_free);
  g_assert_true (g_file_get_contents (to, &have, &have_length, NULL));
  g_assert_cmpmem (have, have_length, "kept\n", 5);
  g_assert_false (inspect_copy_out (disk, 2, "/etc", "/nowhere", FALSE, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (inspect_copy_out (disk, 2, "/etc/kept/more", "/nowhere", FALSE, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (inspect_copy_out (disk, 1, "/large", "/nowhere", FALSE, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
ntfs (Fixture *f, gconstpointer unused)
{
  InspectChanges changes = { 0 };
  g_autofree char *to = g_build_filename (f->folder, "copy", NULL), *have = NULL;
  g_autoptr (Disk) disk = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  make_tree (f);
  run (f->folder, "truncate", "-s", "16M", "before.raw", NULL);
  run (f->folder, "mkntfs", "-F", "-q", "-Q", "before.raw", NULL);
  run (f->folder, "ntfscp", "-f", "before.raw", "tree/etc/kept", "kept", NULL);
  run (f->folder, "ntfscp", "-f", "before.raw", "tree/etc/same-size", "changes", NULL);
  run (f->folder, "cp", "before.raw", "after.raw", NULL);
  run (f->folder, "ntfscp", "-f", "after.raw", "new/added", "changes", NULL);
  run (f->folder, "ntfscp", "-f", "after.raw", "new/large", "large", NULL);
  compare (f, "before.raw", "after.raw", &changes);
  expect (&changes, "/changes", INSPECT_CHANGED, INSPECT_FILE, 5, 6);
  expect (&changes, "/large", INSPECT_ADDED, INSPECT_FILE, 0, 3 * MIB);
  g_assert_cmpuint (changes.changes->len, ==, 2);
  inspect_changes_clear (&changes);
  disk = open_disk (f, "after.raw");
  inspect_copy_out (disk, 0, "/changes", to, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (to, &have, &length, NULL));
  g_assert_cmpmem (have, length, "added\n", 6);
}

/* Damage all over the file system: whatever comes, it ends, and the reader stays within the volume. */
static void
damaged (Fixture *f, gconstpointer kind)
{
  g_autofree char *path = g_build_filename (f->folder, "damaged.raw", NULL), *sound = g_build_filename (f->folder, "before.raw", NULL);
  g_autofree char *data = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  gsize length;

  make_tree (f);
  if (strcmp (kind, "ntfs") == 0)
    {
      run (f->folder, "truncate", "-s", "4M", "before.raw", NULL);
      run (f->folder, "mkntfs", "-F", "-q", "-Q", "before.raw", NULL);
      run (f->folder, "ntfscp", "-f", "before.raw", "tree/etc/kept", "kept", NULL);
    }
  else
    {
      g_autofree char *large = g_build_filename (f->folder, "tree/large", NULL);

      g_unlink (large);
      run (f->folder, "mkfs.ext4", "-q", "-F", "-d", "tree", "before.raw", "4M", NULL);
    }
  g_assert_true (g_file_get_contents (sound, &data, &length, NULL));
  for (unsigned round = 0; round < 60; round++)
    {
      g_autofree char *copy = g_memdup2 (data, length);
      InspectChanges changes = { 0 };

      for (unsigned i = 0; i < 200; i++)
        {
          gsize at = (gsize) g_rand_int_range (rand, 0, (gint32) length);

          /* Where there is something. */
          if (copy[at] != 0)
            copy[at] = (char) g_rand_int (rand);
        }
      g_assert_true (g_file_set_contents (path, copy, (gssize) length, NULL));
      compare (f, "before.raw", "damaged.raw", &changes);
      inspect_changes_clear (&changes);
    }
}

int
main (int argc, char **argv)
{
  g_autofree char *path = g_strconcat (g_getenv ("PATH"), ":/usr/sbin:/sbin", NULL);

  g_test_init (&argc, &argv, NULL);
  /* Where the tools of file systems are is not in everybody's path. */
  g_setenv ("PATH", path, TRUE);
#define ADD(name, data, function) g_test_add ("/inspect/" name, Fixture, data, setup, function, teardown)
  ADD ("ext2", "ext2", ext);
  ADD ("ext3", "ext3", ext);
  ADD ("ext4", "ext4", ext);
  ADD ("in-use", NULL, in_use);
  ADD ("partition", NULL, partition);
  ADD ("whole-volume", NULL, whole_volume);
  ADD ("copy-out", NULL, copy_out);
  ADD ("ntfs", NULL, ntfs);
  ADD ("damaged-ext4", "ext4", damaged);
  ADD ("damaged-ntfs", "ntfs", damaged);
  return g_test_run ();
}
