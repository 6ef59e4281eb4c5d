/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images over others: reading through, writing, what may be followed, and what must not be. */

#include "storage/disk/disk.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum
{
  SIZE = 5 * 1024 * 1024 + 512,
  DEPTH = 10
};

typedef struct
{
  char *folder;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-chain-XXXXXX", NULL);
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        remove_all (path);
      else
        g_unlink (path);
    }
  g_rmdir (folder);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  remove_all (f->folder);
  g_free (f->folder);
}

static char *
make (Fixture *f, const char *name, const char *format, const char *base, uint64_t size)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (f->folder, name, NULL);
  const DiskCreateOptions options = { .format = format, .base = base, .size = size };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
  return path;
}

static Disk *
open_or_fail (const char *path, DiskOpenFlags flags)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, flags, &error);

  g_assert_no_error (error);
  return disk;
}

/* Ten layers, each with a part of its own: all of it is read, and the lower ones never change. */
static void
test_layers (Fixture *f, gconstpointer format)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *expected = g_malloc0 (SIZE), *data = g_malloc (SIZE);
  g_autofree char *below = NULL;

  for (unsigned depth = 0; depth < DEPTH; depth++)
    {
      g_autofree char *name = g_strdup_printf ("layer%u.%s", depth, (const char *) format);
      char *path = make (f, name, format, below, SIZE);
      Disk *disk = open_or_fail (path, 0);

      for (unsigned i = 0; i < 12; i++)
        {
          size_t length = 512 * (size_t) g_test_rand_int_range (1, 200);
          uint64_t offset = 512 * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / 512));

          memset (expected + offset, i == 0 ? 0 : (int) (1 + depth * 12 + i), length);
          if (i == 0)
            g_assert_true (disk_zero (disk, offset, length, &error));
          else
            g_assert_true (disk_write (disk, offset, expected + offset, length, &error));
        }
      g_assert_true (disk_read (disk, 0, data, SIZE, &error));
      g_assert_cmpmem (data, SIZE, expected, SIZE);
      disk_unref (disk);
      g_free (below);
      below = path;
    }
  {
    g_autoptr (Disk) one = open_or_fail (below, DISK_OPEN_READ_ONLY);
    g_autoptr (Disk) other = open_or_fail (below, DISK_OPEN_DISCARD_CHANGES);
    g_autofree char *bottom = g_strdup_printf ("%s/layer0.%s", f->folder, (const char *) format);

    g_assert_true (disk_write (other, 0, data + 512, 1024, &error));
    g_assert_true (disk_read (one, 0, data, SIZE, &error));
    g_assert_cmpmem (data, SIZE, expected, SIZE);
    g_assert_cmpstr (disk_layer_path (one, DEPTH - 1), ==, bottom);
    g_assert_null (disk_layer_path (one, DEPTH));
    /* While it is part of a chain nobody may write to it. */
    g_assert_null (disk_open (bottom, 0, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  }
}

static void
read_and_compare (Disk *disk, uint8_t *data, const uint8_t *expected)
{
  g_autoptr (GError) error = NULL;
  size_t length = 512 * (size_t) g_test_rand_int_range (1, 300);
  uint64_t offset = 512 * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / 512));

  disk_read (disk, offset, data, length, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (data, length, expected + offset, length);
}

/* What was read through a layer, which had nothing there, and is then written or made zeros in it. */
static void
change_and_read (Disk *disk, uint8_t *data, uint8_t *expected)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 40; i++)
    {
      gboolean zero = g_test_rand_int_range (0, 4) == 0;
      size_t length = 512 * (size_t) g_test_rand_int_range (1, zero ? 3000 : 20);
      uint64_t offset = 512 * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / 512));

      for (int reads = 0; reads < 8; reads++)
        read_and_compare (disk, data, expected);
      disk_read (disk, offset, data, length, &error);
      g_assert_no_error (error);
      memset (expected + offset, zero ? 0 : i + 1, length);
      if (zero)
        disk_zero (disk, offset, length, &error);
      else
        disk_write (disk, offset, expected + offset, length, &error);
      g_assert_no_error (error);
      disk_read (disk, offset, data, length, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (data, length, expected + offset, length);
    }
  g_assert_true (disk_read (disk, 0, data, SIZE, &error));
  g_assert_cmpmem (data, SIZE, expected, SIZE);
}

static void
test_read_through (Fixture *f, gconstpointer format)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *expected = g_malloc (SIZE), *data = g_malloc (SIZE);
  g_autofree char *base = g_strdup_printf ("base.%s", (const char *) format), *below = make (f, base, format, NULL, SIZE);
  Disk *disk = open_or_fail (below, 0);

  for (unsigned i = 0; i < SIZE; i++)
    expected[i] = (uint8_t) (1 + i / 512 % 251);
  g_assert_true (disk_write (disk, 0, expected, SIZE, &error));
  disk_unref (disk);
  for (unsigned depth = 1; depth < DEPTH; depth++)
    {
      g_autofree char *name = g_strdup_printf ("layer%u.%s", depth, (const char *) format);
      char *path = make (f, name, format, below, SIZE);

      disk = open_or_fail (path, 0);
      change_and_read (disk, data, expected);
      disk_unref (disk);
      g_free (below);
      below = path;
    }
  disk = open_or_fail (below, DISK_OPEN_DISCARD_CHANGES);
  change_and_read (disk, data, expected);
  disk_unref (disk);
}

/* Writing to a base makes what lies over it wrong, where the format can tell. */
static void
test_changed_base (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *base = make (f, "base.vdi", "vdi", NULL, SIZE), *top = make (f, "top.vdi", "vdi", base, SIZE);
  g_autofree char *other = make (f, "other.vdi", "vdi", NULL, SIZE);
  DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY, .base = other };
  uint8_t sector[512] = { 1 };

  disk_unref (open_or_fail (top, 0));
  disk_unref (open_or_fail (base, 0)); /* opened, not written */
  disk_unref (open_or_fail (top, 0));
  g_assert_null (disk_open_with (top, &options, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, other));
  g_clear_error (&error);
  {
    g_autoptr (Disk) disk = open_or_fail (base, 0);

    g_assert_true (disk_write (disk, 0, sector, sizeof sector, &error));
  }
  g_assert_null (disk_open (top, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_clear_error (&error);
  /* Alone it can still be looked at. */
  disk_unref (open_or_fail (top, DISK_OPEN_LAYER));
}

/* Made anew, a layer in the middle is still the one that the layer above knows, and still lies over its base. */
static void
test_compacted (Fixture *f, gconstpointer format)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *expected = g_malloc0 (SIZE), *data = g_malloc (SIZE);
  g_autofree char *below = NULL, *middle = NULL;

  for (unsigned depth = 0; depth < 3; depth++)
    {
      g_autofree char *name = g_strdup_printf ("layer%u.%s", depth, (const char *) format);
      char *path = make (f, name, format, below, SIZE);
      Disk *disk = open_or_fail (path, 0);

      memset (expected + depth * 512 * 1024, (int) depth + 1, 1024 * 1024);
      g_assert_true (disk_write (disk, depth * 512 * 1024, expected + depth * 512 * 1024, 1024 * 1024, &error));
      g_assert_true (disk_zero (disk, 100 * 512, 65536, &error));
      memset (expected + 100 * 512, 0, 65536);
      disk_unref (disk);
      if (depth == 1)
        middle = g_strdup (path);
      g_free (below);
      below = path;
    }
  disk_compact (middle, NULL, &error);
  g_assert_no_error (error);
  {
    g_autoptr (Disk) disk = open_or_fail (below, DISK_OPEN_READ_ONLY);

    g_assert_true (disk_read (disk, 0, data, SIZE, &error));
    g_assert_cmpmem (data, SIZE, expected, SIZE);
  }
}

static void
test_lost_base (Fixture *f, gconstpointer format)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strconcat ("base.", format, NULL), *top_name = g_strconcat ("top.", format, NULL);
  g_autofree char *base = make (f, name, format, NULL, SIZE), *top = make (f, top_name, format, base, 0);
  g_autofree char *moved = g_strconcat (f->folder, "/moved.image", NULL);
  DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY, .base = moved };

  g_rename (base, moved);
  g_assert_null (disk_open (top, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, top));
  g_clear_error (&error);
  {
    g_autoptr (Disk) disk = disk_open_with (top, &options, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (disk_size (disk), ==, SIZE);
    g_assert_cmpstr (disk_layer_path (disk, 1), ==, moved);
  }
}

/* A name in an image does not lead out of its folder, by whatever way, unless that was asked for. */
static void
test_trust (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *secret = make (f, "secret.qcow2", "qcow2", NULL, SIZE);
  g_autofree char *inner = g_build_filename (f->folder, "inner", NULL), *link = g_build_filename (inner, "link", NULL);
  g_autofree char *below = g_build_filename (inner, "below", NULL),
                  *near = g_build_filename (below, "near.qcow2", NULL);
  g_autofree char *top = NULL, *plain = NULL, *image = NULL, *over_near = g_build_filename (inner, "over.qcow2", NULL);
  static const char *const names[] = { "../secret.qcow2", "link", NULL };
  gsize length;

  g_assert_cmpint (g_mkdir (inner, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (below, 0700), ==, 0);
  g_assert_cmpint (symlink ("../secret.qcow2", link), ==, 0);
  top = make (f, "inner/top.qcow2", "qcow2", secret, SIZE);
  g_assert_null (disk_open (top, 0, &error));
  g_assert_error (error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED);
  g_assert_nonnull (strstr (error->message, top));
  g_clear_error (&error);
  disk_unref (open_or_fail (top, DISK_OPEN_TRUST));
  {
    g_autoptr (Disk) disk = open_or_fail (top, DISK_OPEN_LAYER);

    g_assert_cmpstr (disk_base_name (disk), ==, secret);
  }
  g_free (make (f, "inner/below/near.qcow2", "qcow2", NULL, SIZE));
  g_free (make (f, "inner/over.qcow2", "qcow2", near, 0));
  disk_unref (open_or_fail (over_near, 0));
  plain = g_build_filename (inner, "named.qcow2", NULL);
  g_assert_true (g_file_get_contents (over_near, &image, &length, NULL));
  for (unsigned i = 0; names[i] != NULL; i++)
    {
      uint64_t at;
      uint32_t name_length = GUINT32_TO_BE ((uint32_t) strlen (names[i]));

      memcpy (&at, image + 8, 8);
      memcpy (image + GUINT64_FROM_BE (at), names[i], strlen (names[i]));
      memcpy (image + 16, &name_length, 4);
      g_assert_true (g_file_set_contents (plain, image, (gssize) length, NULL));
      g_assert_null (disk_open (plain, 0, &error));
      g_assert_error (error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED);
      g_clear_error (&error);
      disk_unref (open_or_fail (plain, DISK_OPEN_TRUST));
    }
}

static void
test_cycle (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *a = make (f, "a.qcow2", "qcow2", NULL, SIZE), *b = make (f, "b.qcow2", "qcow2", a, 0);
  g_autofree char *c = make (f, "c.qcow2", "qcow2", b, 0), *hidden = g_build_filename (f->folder, "a.moved", NULL);

  g_assert_cmpint (g_rename (a, hidden), ==, 0);
  g_assert_cmpint (link (c, a), ==, 0);
  for (DiskOpenFlags flags = 0; flags <= DISK_OPEN_READ_ONLY; flags++)
    {
      g_assert_null (disk_open (c, flags, &error));
      g_assert_nonnull (error);
      g_clear_error (&error);
    }
  /* Read-only, no lock keeps it from seeing itself. */
  g_assert_null (disk_open (c, DISK_OPEN_READ_ONLY, &error));
  g_assert_nonnull (strstr (error->message, "itself"));
}

static void
test_depth (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *below = make (f, "0.qcow2", "qcow2", NULL, 65536);

  for (unsigned i = 1; i <= 256; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u.qcow2", i), *path = g_build_filename (f->folder, name, NULL);
      const DiskCreateOptions options = { .format = "qcow2", .base = below };

      g_assert_true (disk_create (path, &options, &error));
      g_assert_no_error (error);
      g_free (below);
      below = g_steal_pointer (&path);
    }
  g_assert_null (disk_open (below, DISK_OPEN_READ_ONLY, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, "256"));
}

/* What a killed run leaves: a folder of its own that nobody has locked. */
static void
test_recover (Fixture *f, gconstpointer unused)
{
  g_autofree char *half = g_build_filename (f->folder, ".half.vdi.bunshin-new", NULL);
  g_autofree char *whole = g_build_filename (f->folder, ".whole.vdi.bunshin-new", NULL);
  g_autofree char *half_file = g_build_filename (half, "half.vdi", NULL);
  g_autofree char *whole_file = g_build_filename (whole, "whole.vdi", NULL),
                  *mark = g_build_filename (whole, "whole", NULL);
  g_autofree char *made = g_build_filename (f->folder, "whole.vdi", NULL),
                  *never = g_build_filename (f->folder, "half.vdi", NULL);
  g_autofree char *again = NULL;
  g_auto (GStrv) told = NULL;

  g_assert_null (disk_recover (f->folder));
  g_mkdir (half, 0700);
  g_mkdir (whole, 0700);
  g_assert_true (g_file_set_contents (half_file, "x", 1, NULL));
  g_assert_true (g_file_set_contents (whole_file, "y", 1, NULL));
  g_assert_true (g_file_set_contents (mark, "", 0, NULL));
  told = disk_recover (f->folder);
  g_assert_cmpuint (g_strv_length (told), ==, 2);
  g_assert_false (g_file_test (half, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (whole, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (made, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (never, G_FILE_TEST_EXISTS));
  /* Making the same image again gets rid of it without being told. */
  g_mkdir (half, 0700);
  g_assert_true (g_file_set_contents (half_file, "x", 1, NULL));
  again = make (f, "half.vdi", "vdi", NULL, SIZE);
  g_assert_false (g_file_test (half, G_FILE_TEST_EXISTS));
}

static void
count_call (uint64_t done, uint64_t total, void *opaque)
{
  ++*(unsigned *) opaque;
}

/* The new image of that name comes second: before any work goes into it. */
static void
test_recover_whole_first (Fixture *f, gconstpointer unused)
{
  g_autofree char *source = make (f, "source.raw", "raw", NULL, SIZE);
  g_autofree char *stage = g_build_filename (f->folder, ".late.vdi.bunshin-new", NULL);
  g_autofree char *inner = g_build_filename (stage, "late.vdi", NULL), *mark = g_build_filename (stage, "whole", NULL),
                  *place = g_build_filename (f->folder, "late.vdi", NULL), *text = NULL;
  const DiskOpenOptions open_options = { 0 };
  const DiskCreateOptions options = { .format = "vdi" };
  unsigned calls = 0;
  const DiskTask task = { .progress = count_call, .opaque = &calls };
  g_autoptr (GError) error = NULL;

  g_mkdir (stage, 0700);
  g_assert_true (g_file_set_contents (inner, "y", 1, NULL));
  g_assert_true (g_file_set_contents (mark, "", 0, NULL));
  g_assert_false (disk_convert (source, &open_options, place, &options, &task, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpuint (calls, ==, 0);
  g_assert_false (g_file_test (stage, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_get_contents (place, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "y");
}

/* What somebody is at work in is left alone. */
static void
test_recover_live (Fixture *f, gconstpointer unused)
{
  g_autofree char *stage = g_build_filename (f->folder, ".live.vdi.bunshin-new", NULL);
  g_autofree char *inner = g_build_filename (stage, "live.vdi", NULL), *place = g_build_filename (f->folder, "live.vdi", NULL);
  const DiskCreateOptions options = { .format = "vdi", .size = SIZE };
  g_autoptr (GError) error = NULL;
  int fd;

  g_mkdir (stage, 0700);
  g_assert_true (g_file_set_contents (inner, "x", 1, NULL));
  fd = open (stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  g_assert_null (disk_recover (f->folder));
  g_assert_false (disk_create (place, &options, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_true (g_file_test (inner, G_FILE_TEST_EXISTS));
  g_clear_error (&error);
  close (fd);
  g_assert_true (disk_create (place, &options, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (stage, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add ("/chain/" path, Fixture, data, setup, function, teardown)
  ADD ("layers/vdi", "vdi", test_layers);
  ADD ("layers/qcow2", "qcow2", test_layers);
  ADD ("layers/vhd", "vhd", test_layers);
  ADD ("layers/vmdk", "vmdk", test_layers);
  ADD ("read-through/vdi", "vdi", test_read_through);
  ADD ("read-through/qcow2", "qcow2", test_read_through);
  ADD ("read-through/vhd", "vhd", test_read_through);
  ADD ("read-through/vhdx", "vhdx", test_read_through);
  ADD ("read-through/vmdk", "vmdk", test_read_through);
  ADD ("compacted/vdi", "vdi", test_compacted);
  ADD ("compacted/vhd", "vhd", test_compacted);
  ADD ("compacted/vmdk", "vmdk", test_compacted);
  ADD ("compacted/qcow2", "qcow2", test_compacted);
  ADD ("changed-base", NULL, test_changed_base);
  ADD ("lost-base/vdi", "vdi", test_lost_base);
  ADD ("lost-base/qcow2", "qcow2", test_lost_base);
  ADD ("trust", NULL, test_trust);
  ADD ("cycle", NULL, test_cycle);
  ADD ("depth", NULL, test_depth);
  ADD ("recover", NULL, test_recover);
  ADD ("recover/whole-first", NULL, test_recover_whole_first);
  ADD ("recover/live", NULL, test_recover_live);
  return g_test_run ();
}
