/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images as files: moving and deleting them with all their parts, and looking at one that is in use. */

#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE (UINT64_C (5) << 20)

typedef struct
{
  char *folder, *other; /* of one file system */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("bunshin-move-XXXXXX", NULL);
  fixture->other = g_build_filename (fixture->folder, "other", NULL);
  g_assert_cmpint (g_mkdir (fixture->other, 0700), ==, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  image_remove_folder (fixture->other);
  image_remove_folder (fixture->folder);
  g_free (fixture->other);
  g_free (fixture->folder);
}

static char *
create (Fixture *fixture, const char *name, const char *variant)
{
  char *path = g_build_filename (fixture->folder, name, NULL);
  const DiskCreateOptions options = { .variant = variant, .size = SIZE };
  g_autoptr (GError) error = NULL;

  g_assert_true (disk_create (path, &options, &error));
  g_assert_no_error (error);

  g_autoptr (Disk) disk = image_must_open (path);

  image_write_sector (disk, 0, 0x11);
  image_write_sector (disk, SIZE - 512, 0x77);
  return path;
}

static void
expect (const char *path)
{
  g_autoptr (Disk) disk = image_must_open (path);

  g_assert_cmpuint (disk_size (disk), ==, SIZE);
  image_expect_sector (disk, 0, 0x11);
  image_expect_sector (disk, SIZE - 512, 0x77);
}

static unsigned
count (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  unsigned entries = 0;

  while (g_dir_read_name (dir) != NULL)
    entries++;
  return entries;
}

static void
move (const char *from, const char *to)
{
  g_autoptr (GError) error = NULL;
  DiskMove *m = disk_move_begin (from, to, NULL, &error);

  g_assert_no_error (error);
  /* Both places hold it, and nobody can change what is about to go. */
  g_assert_true (g_file_test (from, G_FILE_TEST_EXISTS));
  image_refused (from, 0, from, "in use");
  g_assert_true (disk_move_finish (m, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (from, G_FILE_TEST_EXISTS));
  expect (to);
}

/* Under another name, in another folder, in one file and in several. */
static void
test_places (Fixture *fixture, gconstpointer data)
{
  const char *variant = data, *ending = variant != NULL ? "vmdk" : "qcow2";
  g_autofree char *name = g_strconcat ("a.", ending, NULL), *new_name = g_strconcat ("b.", ending, NULL);
  g_autofree char *path = create (fixture, name, variant);
  g_autofree char *renamed = g_build_filename (fixture->folder, new_name, NULL);
  g_autofree char *moved = g_build_filename (fixture->other, new_name, NULL);
  unsigned files = count (fixture->folder) - 1;

  move (path, renamed);
  move (renamed, moved);
  g_assert_cmpuint (count (fixture->folder), ==, 1);
  g_assert_cmpuint (count (fixture->other), ==, files);
}

static void
test_undo (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = create (fixture, "a.vmdk", "twoGbMaxExtentSparse");
  g_autofree char *to = g_build_filename (fixture->other, "b.vmdk", NULL);
  g_autoptr (GError) error = NULL;
  DiskMove *m = disk_move_begin (path, to, NULL, &error);

  g_assert_no_error (error);
  disk_move_undo (m);
  g_assert_cmpuint (count (fixture->other), ==, 0);
  expect (path);
}

/* Never over another file, and not to where it would not work. */
static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *base = create (fixture, "base.qcow2", NULL), *taken = create (fixture, "taken.qcow2", NULL);
  g_autofree char *child = g_build_filename (fixture->folder, "child.qcow2", NULL);
  g_autofree char *away = g_build_filename (fixture->other, "child.qcow2", NULL);
  const DiskCreateOptions options = { .base = base };
  g_autoptr (GError) error = NULL;
  DiskMove *m;

  g_assert_null (disk_move_begin (base, taken, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_clear_error (&error);
  expect (taken);

  g_assert_true (disk_create (child, &options, &error));
  g_assert_no_error (error);
  m = disk_move_begin (child, away, NULL, &error);
  g_assert_null (m);
  g_assert_nonnull (strstr (error->message, "from there"));
  g_assert_cmpuint (count (fixture->other), ==, 0);
  expect (child);

  g_clear_error (&error);
  g_autoptr (Disk) user = image_must_open (child);

  m = disk_move_begin (child, away, NULL, &error);
  g_assert_null (m);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
}

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  g_assert_cmpuint (done, <=, total);
  ++*(unsigned *) opaque;
}

/* To another file system it is copied, holes as holes; what is cancelled leaves nothing. */
static void
test_copy (Fixture *fixture, gconstpointer data)
{
  g_autofree char *far = NULL, *path = NULL, *to = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  unsigned calls = 0;
  DiskTask task = { .cancellable = cancellable, .progress = on_progress, .opaque = &calls };
  struct stat here, there, file;
  DiskMove *m;

  far = g_strdup ("/dev/shm/bunshin-move-XXXXXX");
  if (g_mkdtemp (far) == NULL || stat (far, &there) != 0 || stat (fixture->folder, &here) != 0
      || here.st_dev == there.st_dev)
    {
      g_test_skip ("there is no second file system at /dev/shm");
      return;
    }
  path = create (fixture, "a.raw", "dynamic");
  to = g_build_filename (far, "b.raw", NULL);
  g_cancellable_cancel (cancellable);
  m = disk_move_begin (path, to, &task, &error);
  g_assert_null (m);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (count (far), ==, 0);
  g_cancellable_reset (cancellable);
  g_clear_error (&error);
  m = disk_move_begin (path, to, &task, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (calls, >, 0);
  g_assert_true (disk_move_finish (m, &error));
  expect (to);
  g_assert_cmpint (stat (to, &file), ==, 0);
  g_assert_cmpint (file.st_blocks * 512, <, SIZE / 2);
  image_remove_folder (far);
}

static void
test_delete (Fixture *fixture, gconstpointer data)
{
  g_autofree char *split = create (fixture, "a.vmdk", "twoGbMaxExtentFlat"), *single = create (fixture, "b.vdi", NULL);
  g_autofree char *broken = g_build_filename (fixture->folder, "c.vdi", NULL);
  g_autoptr (GError) error = NULL;

  {
    g_autoptr (Disk) user = disk_open (single, DISK_OPEN_READ_ONLY, &error);

    g_assert_no_error (error);
    g_assert_false (disk_delete (single, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
    g_clear_error (&error);
  }
  g_assert_true (disk_delete (single, &error));
  g_assert_true (disk_delete (split, &error));
  g_assert_true (g_file_set_contents (broken, "<<< Oracle VM VirtualBox Disk Image >>>\n", -1, NULL));
  g_assert_true (disk_delete (broken, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count (fixture->folder), ==, 1);
}

static void
test_look (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = create (fixture, "a.vmdk", "twoGbMaxExtentSparse");
  g_autoptr (Disk) user = image_must_open (path), looker = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) files = NULL;

  image_refused (path, DISK_OPEN_READ_ONLY, path, "in use");
  looker = disk_open (path, DISK_OPEN_LOOK, &error);
  g_assert_no_error (error);
  g_assert_true (disk_is_read_only (looker));
  g_assert_cmpuint (disk_size (looker), ==, SIZE);
  files = disk_files (looker);
  g_assert_cmpuint (g_strv_length (files), ==, 2);
  g_assert_cmpstr (files[0], ==, path);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, function) g_test_add ("/storage/move/" name, Fixture, data, set_up, function, tear_down)
  ADD ("one-file", NULL, test_places);
  ADD ("parts", "twoGbMaxExtentSparse", test_places);
  ADD ("undo", NULL, test_undo);
  ADD ("refused", NULL, test_refused);
  ADD ("copy", NULL, test_copy);
  ADD ("delete", NULL, test_delete);
  ADD ("look", NULL, test_look);
#undef ADD
  return g_test_run ();
}
