/* SPDX-License-Identifier: GPL-3.0-or-later */
/* qcow2's own matters, with qemu-img as the judge: images that both write in turn, compressed ones, bases, snapshots.
 */

#include "storage/disk/disk.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  SIZE = 40 * 1024 * 1024 + 3 * 512,
  ROUNDS = 120,
  LENGTH_MAX = 400
};

typedef struct
{
  char *folder, *image, *raw, *base;
  uint8_t *expected;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-qcow2-XXXXXX", NULL);
  f->image = g_build_filename (f->folder, "disk.qcow2", NULL);
  f->raw = g_build_filename (f->folder, "disk.plain", NULL);
  f->base = g_build_filename (f->folder, "base.qcow2", NULL);
  f->expected = g_malloc0 (SIZE);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  g_unlink (f->image);
  g_unlink (f->raw);
  g_unlink (f->base);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->folder);
  g_free (f->image);
  g_free (f->raw);
  g_free (f->base);
  g_free (f->expected);
}

static void
run (const char *first, ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autofree char *errors = NULL, *output = NULL;
  g_autoptr (GError) error = NULL;
  va_list list;
  int status;

  va_start (list, first);
  for (const char *word = first; word != NULL; word = va_arg (list, const char *))
    g_ptr_array_add (arguments, (char *)word);
  va_end (list);
  g_ptr_array_add (arguments, NULL);
  g_spawn_sync (NULL, (char **)arguments->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status,
                &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s %s: %s: %s%s", first, (char *)arguments->pdata[1], error->message, output, errors);
}

static gboolean
have_peer (void)
{
  g_autofree char *program = g_find_program_in_path ("qemu-img");

  if (program == NULL)
    g_test_skip ("qemu-img is not installed");
  return program != NULL;
}

/* Data that packs well but is not all alike. */
static void
scribble (uint8_t *data, size_t length)
{
  uint8_t value = (uint8_t)g_test_rand_int_range (1, 256);

  for (size_t i = 0; i < length; i++)
    data[i] = (uint8_t)(value + i / 512);
}

/* Writes, zeros and discards at random, here and in the copy. */
static void
work (Fixture *f, Disk *disk)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *buffer = g_malloc (LENGTH_MAX * 512);

  for (unsigned i = 0; i < ROUNDS; i++)
    {
      size_t length = 512 * (size_t)g_test_rand_int_range (1, LENGTH_MAX);
      uint64_t offset = 512 * (uint64_t)g_test_rand_int_range (0, (gint32)((SIZE - length) / 512 + 1));

      switch (g_test_rand_int_range (0, 8))
        {
        case 0:
          g_assert_true (disk_zero (disk, offset, length, &error));
          memset (f->expected + offset, 0, length);
          break;
        case 1:
          g_assert_true (disk_discard (disk, offset, length, &error));
          g_assert_true (disk_read (disk, offset, f->expected + offset, length, &error));
          break;
        case 2:
          g_assert_true (disk_flush (disk, &error));
          break;
        case 3:
          memset (buffer, 0, length);
          g_assert_true (disk_write (disk, offset, buffer, length, &error));
          memset (f->expected + offset, 0, length);
          break;
        default:
          scribble (f->expected + offset, length);
          g_assert_true (disk_write (disk, offset, f->expected + offset, length, &error));
          break;
        }
      g_assert_no_error (error);
    }
}

static void
expect_ours (Fixture *f, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_READ_ONLY, &error);
  g_autofree uint8_t *data = g_malloc (SIZE);

  g_assert_no_error (error);
  g_assert_true (disk_read (disk, 0, data, SIZE, &error));
  g_assert_no_error (error);
  g_assert_true (memcmp (data, f->expected, SIZE) == 0);
}

static void
expect_theirs (Fixture *f, const char *option, const char *value)
{
  g_autofree char *contents = NULL;
  gsize length;

  if (option != NULL)
    run ("qemu-img", "convert", "-f", "qcow2", option, value, "-O", "raw", f->image, f->raw, NULL);
  else
    run ("qemu-img", "convert", "-f", "qcow2", "-O", "raw", f->image, f->raw, NULL);
  g_assert_true (g_file_get_contents (f->raw, &contents, &length, NULL));
  g_assert_cmpuint (length, ==, SIZE);
  g_assert_true (memcmp (contents, f->expected, SIZE) == 0);
}

static void
work_and_judge (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (f->image, 0, &error);

  g_assert_no_error (error);
  work (f, disk);
  disk_unref (disk);
  run ("qemu-img", "check", "-f", "qcow2", f->image, NULL);
  expect_theirs (f, NULL, NULL);
  expect_ours (f, f->image);
}

/* Images made by qemu-img in many ways, worked on by us. */
static void
test_theirs (Fixture *f, gconstpointer options)
{
  g_autofree char *size = g_strdup_printf ("%d", SIZE);

  if (!have_peer ())
    return;
  run ("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, f->image, size, NULL);
  work_and_judge (f);
  work_and_judge (f);
}

static void
write_raw (Fixture *f)
{
  for (unsigned i = 0; i < ROUNDS; i++)
    {
      size_t length = 512 * (size_t)g_test_rand_int_range (1, LENGTH_MAX);

      scribble (f->expected + g_test_rand_int_range (0, (gint32)(SIZE - length)), length);
    }
  g_assert_true (g_file_set_contents (f->raw, (const char *)f->expected, SIZE, NULL));
}

static void
test_compressed (Fixture *f, gconstpointer options)
{
  if (!have_peer ())
    return;
  write_raw (f);
  run ("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, f->raw, f->image, NULL);
  expect_ours (f, f->image);
  work_and_judge (f);
}

static void
test_snapshots (Fixture *f, gconstpointer options)
{
  g_autofree uint8_t *before = NULL, *now = NULL;

  if (!have_peer ())
    return;
  write_raw (f);
  run ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, f->raw, f->image, NULL);
  before = g_memdup2 (f->expected, SIZE);
  run ("qemu-img", "snapshot", "-c", "then", f->image, NULL);
  work_and_judge (f);
  now = f->expected;
  f->expected = before;
  expect_theirs (f, "-l", "then");
  f->expected = now;
  now = NULL;
  run ("qemu-img", "snapshot", "-d", "then", f->image, NULL);
  run ("qemu-img", "check", "-f", "qcow2", f->image, NULL);
  work_and_judge (f);
}

/* Over a base that is smaller, made by either. */
static void
test_base (Fixture *f, gconstpointer options)
{
  enum
  {
    BASE_SIZE = 23 * 1024 * 1024 + 512
  };
  g_autoptr (GError) error = NULL;
  g_autofree char *size = g_strdup_printf ("%d", SIZE);

  if (!have_peer ())
    return;
  write_raw (f);
  g_assert_true (g_file_set_contents (f->raw, (const char *)f->expected, BASE_SIZE, NULL));
  memset (f->expected + BASE_SIZE, 0, SIZE - BASE_SIZE);
  run ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, f->raw, f->base, NULL);
  if (g_test_rand_bit ())
    run ("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", "base.qcow2", "-F", "qcow2", f->image, size,
         NULL);
  else
    {
      const DiskCreateOptions create = { .format = "qcow2", .size = SIZE, .base = f->base };

      g_assert_true (disk_create (f->image, &create, &error));
      g_assert_no_error (error);
    }
  expect_ours (f, f->image);
  expect_theirs (f, NULL, NULL);
  work_and_judge (f);
  work_and_judge (f);
}

/* The base under other names: it is found, by both, and nothing else in the header is lost. */
static void
test_renamed_base (Fixture *f, gconstpointer options)
{
  static const char *const names[] = { "b", "a name that is a good deal longer than the one before.img", "base.qcow2" };
  g_autofree char *size = g_strdup_printf ("%d", SIZE), *last = g_strdup (f->base);

  if (!have_peer ())
    return;
  write_raw (f);
  run ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", f->raw, f->base, NULL);
  run ("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", "base.qcow2", "-F", "qcow2", f->image, size, NULL);
  for (unsigned i = 0; i < 2 * G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      char *next = g_build_filename (f->folder, names[i % G_N_ELEMENTS (names)], NULL);

      g_assert_cmpint (g_rename (last, next), ==, 0);
      g_free (last);
      last = next;
      disk_set_base (f->image, next, "qcow2", &error);
      g_assert_no_error (error);
      {
        g_autoptr (Disk) disk = disk_open (f->image, DISK_OPEN_LAYER, &error);

        g_assert_no_error (error);
        g_assert_cmpstr (disk_base_name (disk), ==, names[i % G_N_ELEMENTS (names)]);
      }
      work_and_judge (f);
    }
}

static void
push (Fixture *f, Disk *disk, const char *name)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);
  const DiskCreateOptions options
      = { .format = "qcow2", .size = SIZE, .base = disk_path (disk), .base_format = disk_format_name (disk) };
  g_autoptr (GError) error = NULL;
  DiskLayer *layer;

  disk_create (path, &options, &error);
  g_assert_no_error (error);
  layer = disk_layer_prepare (disk, path, &error);
  g_assert_no_error (error);
  disk_layer_push (disk, layer);
}

/* Others, and we without being told the chain, read the layers by what their headers say. */
static Disk *
judge_layers (Fixture *f, Disk *disk)
{
  unsigned count = disk_layer_count (disk);
  g_auto (GStrv) paths = g_new0 (char *, count + 1);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  for (unsigned i = 0; i < count; i++)
    paths[i] = g_strdup (disk_layer_path (disk, i));
  disk_unref (disk);
  for (unsigned i = 0; i + 1 < count; i++)
    run ("qemu-img", "check", "-f", "qcow2", paths[i], NULL);
  run ("qemu-img", "convert", "-O", "raw", paths[0], f->raw, NULL);
  g_assert_true (g_file_get_contents (f->raw, &contents, &length, NULL));
  g_assert_cmpuint (length, >=, SIZE);
  g_assert_true (memcmp (contents, f->expected, SIZE) == 0);
  disk = disk_open (paths[0], 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (disk_layer_count (disk), ==, count);
  return disk;
}

static void
merge (Disk *disk, unsigned depth)
{
  g_autofree char *path = g_strdup (disk_layer_path (disk, depth));
  const DiskMerge options = { 0 };
  g_autoptr (GError) error = NULL;

  disk_merge_layer (disk, depth, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_layers (Fixture *f, gconstpointer format)
{
  static const char *const names[] = { "one.qcow2", "two.qcow2", "three.qcow2" };
  const DiskCreateOptions create = { .format = format, .size = SIZE };
  g_autoptr (GError) error = NULL;
  Disk *disk;

  if (!have_peer ())
    return;
  disk_create (f->base, &create, &error);
  g_assert_no_error (error);
  disk = disk_open (f->base, 0, &error);
  g_assert_no_error (error);
  work (f, disk);
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    {
      push (f, disk, names[i]);
      work (f, disk);
    }
  disk = judge_layers (f, disk);
  /* The one above the root first: the next one is told its base's format. */
  for (unsigned i = G_N_ELEMENTS (names); i-- > 0;)
    {
      merge (disk, i);
        disk = judge_layers (f, disk);
      work (f, disk);
    }
  disk_unref (disk);
  expect_ours (f, f->base);
}

/* Refcounts that another program was not done with are counted anew. */
static void
test_dirty (Fixture *f, gconstpointer unused)
{
  g_autofree char *size = g_strdup_printf ("%d", SIZE);
  static const char zeros[65536] = { 0 };
  FILE *file;

  if (!have_peer ())
    return;
  run ("qemu-img", "create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", f->image, size, NULL);
  work_and_judge (f);
  file = fopen (f->image, "r+");
  /* The mark, and counts as if they had never been written: of the clusters of data, too. */
  fseek (file, 79, SEEK_SET);
  fputc (1, file);
  fseek (file, 2 * 65536 + 2 * 8, SEEK_SET);
  fwrite (zeros, 1, 4096, file);
  fclose (file);
  work_and_judge (f);
}

/* What we cannot do is refused by name, and left alone. */
static void
test_refused (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *options, *word;
  } cases[] = {
    { "extended_l2=on", "subclusters" },
    { "data_file=data.plain", "another file" },
  };
  g_autofree char *data = g_build_filename (f->folder, "data.plain", NULL);

  if (!have_peer ())
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *options = i == 1 ? g_strconcat ("data_file=", data, NULL) : g_strdup (cases[i].options);

      run ("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, f->image, "1M", NULL);
      g_assert_null (disk_open (f->image, 0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
      g_assert_nonnull (strstr (error->message, cases[i].word));
      g_assert_nonnull (strstr (error->message, f->image));
      g_unlink (f->image);
      g_unlink (data);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, options, function) g_test_add ("/qcow2/" path, Fixture, options, setup, function, teardown)
  ADD ("theirs/version-3", "compat=1.1", test_theirs);
  ADD ("theirs/version-2", "compat=0.10", test_theirs);
  ADD ("theirs/small-clusters", "cluster_size=512", test_theirs);
  ADD ("theirs/small-clusters-counts-of-1-bit", "cluster_size=512,refcount_bits=1", test_theirs);
  ADD ("theirs/counts-of-4-bits", "cluster_size=4096,refcount_bits=4", test_theirs);
  ADD ("theirs/large-clusters-counts-of-64-bits", "cluster_size=2M,refcount_bits=64", test_theirs);
  ADD ("theirs/preallocated", "preallocation=metadata", test_theirs);
  ADD ("renamed-base/version-3", "compat=1.1", test_renamed_base);
  ADD ("renamed-base/version-2", "compat=0.10", test_renamed_base);
  ADD ("renamed-base/small-clusters", "cluster_size=4096", test_renamed_base);
  ADD ("layers/raw", "raw", test_layers);
  ADD ("layers/vdi", "vdi", test_layers);
  ADD ("layers/vmdk", "vmdk", test_layers);
  ADD ("layers/vhdx", "vhdx", test_layers);
  ADD ("layers/hdd", "hdd", test_layers);
  ADD ("layers/qcow2", "qcow2", test_layers);
  ADD ("compressed/zlib", "compression_type=zlib", test_compressed);
  ADD ("compressed/zstd", "compression_type=zstd", test_compressed);
  ADD ("compressed/small-clusters", "cluster_size=512", test_compressed);
  ADD ("compressed/large-clusters", "cluster_size=2M", test_compressed);
  ADD ("compressed/version-2", "compat=0.10", test_compressed);
  ADD ("snapshots/version-3", "compat=1.1", test_snapshots);
  ADD ("snapshots/small-clusters", "cluster_size=512", test_snapshots);
  ADD ("base/version-3", "compat=1.1", test_base);
  ADD ("base/version-2", "compat=0.10", test_base);
  ADD ("base/small-clusters", "cluster_size=4096", test_base);
  ADD ("dirty", NULL, test_dirty);
  ADD ("refused", NULL, test_refused);
  return g_test_run ();
}
