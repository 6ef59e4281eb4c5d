/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every disk format must do, tried on each variant: a disk is written to at random beside a copy in memory. */

#include "storage/disk/format.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  SIZE = 9 * 1024 * 1024 + 3 * 512,
  STEPS = 400,
  LONGEST = 300 * 1024
};

typedef struct
{
  const char *format, *variant, *ending;
  gboolean keeps_size;
} Case;

static const Case cases[] = {
  { "vhd", "dynamic", "vhd" },
  { "vhd", "fixed", "vhd", .keeps_size = TRUE },
  { "vhdx", "dynamic", "vhdx" },
  { "vhdx", "fixed", "vhdx" },
  { "hdd", "dynamic", "hdd" },
  { "hdd", "fixed", "hdd" },
  { "vmdk", "dynamic", "vmdk" },
  { "vmdk", "fixed", "vmdk" },
  { "vmdk", "twoGbMaxExtentSparse", "vmdk", TRUE },
  { "vmdk", "twoGbMaxExtentFlat", "vmdk", TRUE },
  { "vmdk", "streamOptimized", "vmdk", TRUE },
};

typedef struct
{
  const Case *what;
  char *folder, *path, *child;
  uint8_t *copy; /* what the disk holds */
  uint64_t size;
  GRand *rand;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  f->what = data;
  f->folder = g_dir_make_tmp ("bunshin-formats-XXXXXX", NULL);
  f->path = g_strdup_printf ("%s/disk.%s", f->folder, f->what->ending);
  f->child = g_strdup_printf ("%s/child.%s", f->folder, f->what->ending);
  f->copy = g_malloc0 (2 * SIZE);
  f->size = SIZE;
  f->rand = g_rand_new_with_seed (42);
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        remove_all (path);
      g_remove (path);
    }
}

static void
teardown (Fixture *f, gconstpointer data)
{
  remove_all (f->folder);
  g_rmdir (f->folder);
  g_free (f->folder);
  g_free (f->path);
  g_free (f->child);
  g_free (f->copy);
  g_rand_free (f->rand);
}

static void
create (Fixture *f, const char *path, const char *base)
{
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = f->what->format, .variant = f->what->variant, .size = f->size, .base = base };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static Image *
open_image (const char *path, ImageOpenFlags flags)
{
  g_autoptr (GError) error = NULL;
  Image *img = image_open (path, flags, NULL, NULL, &error);

  g_assert_no_error (error);
  return img;
}

static Disk *
open_disk (const char *path)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, 0, &error);

  g_assert_no_error (error);
  return disk;
}

static void
compare (const Fixture *f, Disk *disk)
{
  g_autofree uint8_t *back = g_malloc (f->size);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (disk_size (disk), ==, f->size);
  disk_read (disk, 0, back, f->size, &error);
  g_assert_no_error (error);
  for (uint64_t at = 0; at < f->size; at += 512)
    if (memcmp (back + at, f->copy + at, 512) != 0)
      g_error ("the sector at %llu differs", (unsigned long long) at);
}

/* What the map says without reading: ranges of zeros are zeros, and all ranges together make the disk. */
static void
compare_map (const Fixture *f, Disk *disk)
{
  uint64_t at = 0;

  while (at < f->size)
    {
      DiskExtent extent;
      g_autoptr (GError) error = NULL;

      disk_extent (disk, at, disk_size (disk) - at, &extent, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (extent.length, >, 0);
      g_assert_cmpuint (extent.length, <=, f->size - at);
      if (!extent.is_data)
        g_assert_true (image_is_zero (f->copy + at, extent.length));
      at += extent.length;
    }
}

static void
check (const char *path)
{
  Image *img = open_image (path, IMAGE_OPEN_READ_ONLY | IMAGE_OPEN_CHECKING);
  ImageReport report = { 0 };
  g_autoptr (GError) error = NULL;

  if (img->format->check != NULL)
    {
      img->format->check (img, FALSE, &report, &error);
      g_assert_no_error (error);
      if (report.messages != NULL)
        g_error ("%s: %s", path, (char *) g_ptr_array_index (report.messages, 0));
      g_assert_cmpuint (report.allocated, <=, img->size);
    }
  image_report_clear (&report);
  image_close (img);
}

static void
step (Fixture *f, Disk *disk)
{
  uint64_t at = (uint64_t) g_rand_double_range (f->rand, 0, f->size);
  size_t length = (size_t) g_rand_int_range (f->rand, 1, g_rand_boolean (f->rand) ? LONGEST : 6000);
  int kind = g_rand_int_range (f->rand, 0, 16);
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *back = NULL;

  if (kind % 2 == 0)
    {
      at = at / 512 * 512;
      length = (length + 511) / 512 * 512;
    }
  length = MIN (length, f->size - at);
  if (kind < 9)
    {
      for (size_t i = 0; i < length; i += 4)
        {
          guint32 word = kind == 0 ? 0 : g_rand_int (f->rand);

          memcpy (f->copy + at + i, &word, MIN (4, length - i));
        }
      disk_write (disk, at, f->copy + at, length, &error);
    }
  else if (kind < 11)
    {
      memset (f->copy + at, 0, length);
      disk_zero (disk, at, length, &error);
    }
  else if (kind == 11)
    disk_flush (disk, &error);
  else
    {
      back = g_malloc (length);
      disk_read (disk, at, back, length, &error);
      g_assert_cmpmem (back, length, f->copy + at, length);
    }
  g_assert_no_error (error);
}

static void
play (Fixture *f, const char *path)
{
  Disk *disk = open_disk (path);

  g_assert_cmpstr (disk_format_name (disk), ==, f->what->format);
  for (int i = 0; i < STEPS; i++)
    {
      step (f, disk);
      if (i % 100 != 99)
        continue;
      compare (f, disk);
      disk_unref (disk);
      check (path);
      disk = open_disk (path);
      compare (f, disk);
      compare_map (f, disk);
    }
  disk_unref (disk);
}

static void
test_random (Fixture *f, gconstpointer data)
{
  create (f, f->path, NULL);
  check (f->path);
  play (f, f->path);
}

/* Changes over an image that stays as it is. */
static void
test_base (Fixture *f, gconstpointer data)
{
  g_autofree uint8_t *before = NULL;
  Disk *disk;

  if (!(image_format_find (f->what->format)->caps & IMAGE_CAN_BACK))
    return;
  create (f, f->path, NULL);
  play (f, f->path);
  before = g_memdup2 (f->copy, f->size);
  create (f, f->child, f->path);
  disk = open_disk (f->child);
  compare (f, disk);
  disk_unref (disk);
  play (f, f->child);
  memcpy (f->copy, before, f->size);
  disk = open_disk (f->path);
  compare (f, disk);
  disk_unref (disk);
}

static void
resize (Fixture *f, uint64_t size)
{
  Image *img = open_image (f->path, 0);
  g_autoptr (GError) error = NULL;

  img->format->resize (img, size, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (img->size, ==, size);
  image_close (img);
  if (size > f->size)
    memset (f->copy + f->size, 0, size - f->size);
  f->size = size;
}

static void
test_resize (Fixture *f, gconstpointer data)
{
  static const uint64_t sizes[]
      = { SIZE + 512, 2 * SIZE - 512, 3 * 1024 * 1024 + 512, SIZE, 512, SIZE / 3 / 512 * 512 };
  Disk *disk;

  if (!(image_format_find (f->what->format)->caps & IMAGE_CAN_RESIZE) || f->what->keeps_size)
    return;
  create (f, f->path, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      disk = open_disk (f->path);
      for (int j = 0; j < 40; j++)
        step (f, disk);
      disk_unref (disk);
      resize (f, sizes[i]);
      disk = open_disk (f->path);
      compare (f, disk);
      compare_map (f, disk);
      disk_unref (disk);
    }
}

/* What comes up when the disk grows past its base's end, or its own old one, are zeros. */
static void
test_resize_over_base (Fixture *f, gconstpointer data)
{
  const ImageFormat *format = image_format_find (f->what->format);
  g_autofree char *base = NULL;
  Disk *disk;

  if (!(format->caps & IMAGE_CAN_BACK) || !(format->caps & IMAGE_CAN_RESIZE))
    return;
  create (f, f->path, NULL);
  disk = open_disk (f->path);
  for (int i = 0; i < 100; i++)
    step (f, disk);
  disk_unref (disk);
  base = f->path;
  f->size = 4 * 1024 * 1024 + 512;
  create (f, f->child, base);
  f->path = g_strdup (f->child);
  resize (f, SIZE - 512);
  disk = open_disk (f->path);
  compare (f, disk);
  disk_unref (disk);
  check (f->path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      static const struct
      {
        const char *name;
        void (*test) (Fixture *f, gconstpointer data);
      } tests[] = { { "random", test_random },
                    { "base", test_base },
                    { "resize", test_resize },
                    { "resize-over-base", test_resize_over_base } };

      for (unsigned j = 0; j < G_N_ELEMENTS (tests); j++)
        {
          g_autofree char *name = g_strdup_printf ("/%s/%s/%s", cases[i].format, cases[i].variant, tests[j].name);

          if (strstr (tests[j].name, "base") != NULL && strcmp (cases[i].variant, "dynamic") != 0)
            continue;
          g_test_add (name, Fixture, &cases[i], setup, tests[j].test, teardown);
        }
    }
  return g_test_run ();
}
