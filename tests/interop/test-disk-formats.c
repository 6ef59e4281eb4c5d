/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images of every format exchanged with qemu-img, both ways, at odd sizes and beyond 2 TiB. */

#include "storage/disk/disk.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  PIECES = 48,
  PIECE = 96 * 1024
};

/* A kind of image, as both sides call it. */
typedef struct
{
  const char *format, *variant;    /* ours */
  const char *peer, *peer_options; /* for qemu-img -O, -o */
  uint64_t size;
  gboolean peer_checks; /* whether qemu-img check knows the format */
} Kind;

typedef struct
{
  char *folder, *ours, *raw;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  const Kind *kind = data;
  g_autofree char *name = g_strconcat ("disk.", kind->format, NULL);

  f->folder = g_dir_make_tmp ("bunshin-interop-XXXXXX", NULL);
  f->ours = g_build_filename (f->folder, name, NULL);
  f->raw = g_build_filename (f->folder, "disk.plain", NULL);
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
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
  g_free (f->ours);
  g_free (f->raw);
  g_free (f->folder);
}

static void
run (const char *first, ...)
{
  GPtrArray *arguments = g_ptr_array_new ();
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  va_list list;
  int status;

  va_start (list, first);
  for (const char *word = first; word != NULL; word = va_arg (list, const char *))
    g_ptr_array_add (arguments, (char *)word);
  va_end (list);
  g_ptr_array_add (arguments, NULL);
  g_spawn_sync (NULL, (char **)arguments->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                NULL, &errors, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s %s: %s: %s", first, (char *)arguments->pdata[1], error->message, errors);
  g_ptr_array_unref (arguments);
}

static gboolean
have_peer (void)
{
  g_autofree char *program = g_find_program_in_path ("qemu-img");

  if (program == NULL)
    g_test_skip ("qemu-img is not installed");
  return program != NULL;
}

/* Where piece @i goes: spread over the whole disk, the last one at its very end. */
static uint64_t
piece_offset (uint64_t size, unsigned i)
{
  return i == PIECES - 1 ? size - PIECE : size / PIECES * i / 512 * 512;
}

static void
fill (uint8_t *piece, unsigned i)
{
  GRand *rand = g_rand_new_with_seed (i);

  for (unsigned at = 0; at < PIECE; at += 4)
    {
      guint32 word = g_rand_int (rand);

      memcpy (piece + at, &word, 4);
    }
  g_rand_free (rand);
}

static void
check_sparse (int fd, uint64_t size)
{
  g_autofree uint8_t *expected = g_malloc (PIECE), *data = g_malloc (PIECE);
  off_t at = 0;

  for (unsigned i = 0; i < PIECES; i++)
    {
      fill (expected, i);
      g_assert_cmpint (pread (fd, data, PIECE, (off_t)piece_offset (size, i)), ==, PIECE);
      g_assert_true (memcmp (data, expected, PIECE) == 0);
    }
  /* Data nowhere else: what lies outside the pieces reads as zeros. */
  while ((at = lseek (fd, at, SEEK_DATA)) >= 0)
    {
      off_t end = lseek (fd, at, SEEK_HOLE);

      for (; at < end; at += 512)
        {
          gboolean inside = FALSE;

          for (unsigned i = 0; i < PIECES && !inside; i++)
            inside = (uint64_t)at >= piece_offset (size, i) && (uint64_t)at < piece_offset (size, i) + PIECE;
          if (inside)
            continue;
          g_assert_cmpint (pread (fd, data, 512, at), ==, 512);
          for (unsigned j = 0; j < 512; j++)
            g_assert_cmphex (data[j], ==, 0);
        }
    }
}

static void
write_ours (Fixture *f, const Kind *kind)
{
  const DiskCreateOptions options = { .format = kind->format, .variant = kind->variant, .size = kind->size };
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *piece = g_malloc (PIECE);
  g_autoptr (Disk) disk = NULL;

  g_assert_true (disk_create (f->ours, &options, &error));
  g_assert_no_error (error);
  disk = disk_open (f->ours, 0, &error);
  g_assert_no_error (error);
  for (unsigned i = 0; i < PIECES; i++)
    {
      /* In an order that makes places in the file differ from those on the disk. */
      unsigned which = (i * 31 + 7) % PIECES;

      fill (piece, which);
      g_assert_true (disk_write (disk, piece_offset (kind->size, which), piece, PIECE, &error));
    }
}

static void
test_to_peer (Fixture *f, gconstpointer data)
{
  const Kind *kind = data;
  int fd;

  if (!have_peer ())
    return;
  write_ours (f, kind);
  if (kind->peer_checks)
    run ("qemu-img", "check", "-q", "-f", kind->peer, f->ours, NULL);
  run ("qemu-img", "convert", "-f", kind->peer, "-O", "raw", f->ours, f->raw, NULL);
  fd = open (f->raw, O_RDONLY);
  g_assert_cmpint (lseek (fd, 0, SEEK_END), ==, (off_t)kind->size);
  check_sparse (fd, kind->size);
  close (fd);
}

/* Every piece is there, and all that is not said to be zeros is within them. */
static void
check_ours (Disk *disk, uint64_t size)
{
  g_autofree uint8_t *piece = g_malloc (PIECE), *back = g_malloc (PIECE);
  g_autoptr (GError) error = NULL;
  uint64_t data = 0;

  g_assert_cmpuint (disk_size (disk), ==, size);
  for (unsigned i = 0; i < PIECES; i++)
    {
      fill (piece, i);
      g_assert_true (disk_read (disk, piece_offset (size, i), back, PIECE, &error));
      g_assert_true (memcmp (piece, back, PIECE) == 0);
    }
  for (uint64_t at = 0; at < size;)
    {
      DiskExtent extent;

      g_assert_true (disk_extent (disk, at, disk_size (disk) - at, &extent, &error));
      g_assert_no_error (error);
      data += extent.is_data ? extent.length : 0;
      at += extent.length;
    }
  g_assert_cmpuint (data, >=, MIN (size, PIECES * PIECE));
  if (size > (uint64_t)1 << 40)
    g_assert_cmpuint (data, <, PIECES * ((4 << 20) + PIECE));
}

static void
test_from_peer (Fixture *f, gconstpointer data)
{
  const Kind *kind = data;
  g_autofree uint8_t *piece = g_malloc (PIECE);
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;
  int fd = open (f->raw, O_RDWR | O_CREAT | O_TRUNC, 0600);

  g_assert_cmpint (ftruncate (fd, (off_t)kind->size), ==, 0);
  for (unsigned i = 0; i < PIECES; i++)
    {
      fill (piece, i);
      g_assert_cmpint (pwrite (fd, piece, PIECE, (off_t)piece_offset (kind->size, i)), ==, PIECE);
    }
  close (fd);
  if (!have_peer ())
    return;
  if (kind->peer_options != NULL)
    run ("qemu-img", "convert", "-f", "raw", "-O", kind->peer, "-o", kind->peer_options, f->raw, f->ours, NULL);
  else
    run ("qemu-img", "convert", "-f", "raw", "-O", kind->peer, f->raw, f->ours, NULL);
  disk = disk_open (f->ours, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_format_name (disk), ==, kind->format);
  check_ours (disk, kind->size);
}

int
main (int argc, char **argv)
{
  enum
  {
    ODD = 17 * 1024 * 1024 + 5 * 512
  };
  static const uint64_t large = ((uint64_t)3 << 40) + 512;
  static const Kind kinds[] = {
    { "vdi", "dynamic", "vdi", "static=off", ODD, TRUE },
    { "vdi", "fixed", "vdi", "static=on", ODD, TRUE },
    { "vdi", "dynamic", "vdi", NULL, large, TRUE },
    { "qcow2", "dynamic", "qcow2", NULL, ODD, TRUE },
    { "qcow2", "fixed", "qcow2", "preallocation=full", ODD, TRUE },
    { "qcow2", "dynamic", "qcow2", "compat=0.10", large, TRUE },
    { "qcow2", "dynamic", "qcow2", "cluster_size=512,refcount_bits=1", ODD, TRUE },
    { "qcow2", "dynamic", "qcow2", "cluster_size=2M,refcount_bits=64", large, TRUE },
    { "raw", "dynamic", "raw", NULL, ODD, FALSE },
    { "raw", "fixed", "raw", NULL, ODD, FALSE },
  };

  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      const Kind *kind = &kinds[i];
      g_autofree char *name = g_strdup_printf (
          "%s/%s/%s%s%s", kind->format, kind->variant, kind->size > ODD ? "3-tib" : "odd-size",
          kind->peer_options != NULL ? "/" : "", kind->peer_options != NULL ? kind->peer_options : "");
      g_autofree char *to = g_strdup_printf ("/to-qemu/%s", name), *from = g_strdup_printf ("/from-qemu/%s", name);

      g_test_add (to, Fixture, kind, setup, test_to_peer, teardown);
      g_test_add (from, Fixture, kind, setup, test_from_peer, teardown);
    }
  return g_test_run ();
}
