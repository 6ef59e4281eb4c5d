/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VDI images exchanged with qemu-img, both ways, at odd sizes and beyond 2 TiB. */

#include "storage/disk/disk.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECES = 48, PIECE = 96 * 1024 };

typedef struct
{
  char *folder, *ours, *raw;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-interop-XXXXXX", NULL);
  f->ours = g_build_filename (f->folder, "disk.vdi", NULL);
  f->raw = g_build_filename (f->folder, "disk.raw", NULL);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  g_unlink (f->ours);
  g_unlink (f->raw);
  g_rmdir (f->folder);
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
    g_ptr_array_add (arguments, (char *) word);
  va_end (list);
  g_ptr_array_add (arguments, NULL);
  g_spawn_sync (NULL, (char **) arguments->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &errors,
                &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s %s: %s: %s", first, (char *) arguments->pdata[1], error->message, errors);
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
      g_assert_cmpint (pread (fd, data, PIECE, (off_t) piece_offset (size, i)), ==, PIECE);
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
            inside = (uint64_t) at >= piece_offset (size, i) && (uint64_t) at < piece_offset (size, i) + PIECE;
          if (inside)
            continue;
          g_assert_cmpint (pread (fd, data, 512, at), ==, 512);
          for (unsigned j = 0; j < 512; j++)
            g_assert_cmphex (data[j], ==, 0);
        }
    }
}

static void
write_ours (Fixture *f, const char *variant, uint64_t size)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *piece = g_malloc (PIECE);
  g_autoptr (Disk) disk = NULL;

  g_assert_true (disk_create (f->ours, &(DiskCreateOptions) { .format = "vdi", .variant = variant, .size = size }, &error));
  g_assert_no_error (error);
  disk = disk_open (f->ours, 0, &error);
  g_assert_no_error (error);
  for (unsigned i = 0; i < PIECES; i++)
    {
      /* In an order that makes places in the file differ from those on the disk. */
      unsigned which = (i * 31 + 7) % PIECES;

      fill (piece, which);
      g_assert_true (disk_write (disk, piece_offset (size, which), piece, PIECE, &error));
    }
}

static void
test_to_peer (Fixture *f, gconstpointer data)
{
  uint64_t size = *(const uint64_t *) data;

  if (!have_peer ())
    return;
  for (int variant = 0; variant < (size < (64 << 20) ? 2 : 1); variant++)
    {
      int fd;

      write_ours (f, variant == 0 ? "dynamic" : "fixed", size);
      run ("qemu-img", "check", "-q", "-f", "vdi", f->ours, NULL);
      run ("qemu-img", "convert", "-f", "vdi", "-O", "raw", f->ours, f->raw, NULL);
      fd = open (f->raw, O_RDONLY);
      g_assert_cmpint (lseek (fd, 0, SEEK_END), ==, (off_t) size);
      check_sparse (fd, size);
      close (fd);
      g_unlink (f->ours);
    }
}

static void
test_from_peer (Fixture *f, gconstpointer data)
{
  uint64_t size = *(const uint64_t *) data;
  g_autofree uint8_t *piece = g_malloc (PIECE), *back = g_malloc (PIECE);

  if (!have_peer ())
    return;
  for (int variant = 0; variant < (size < (64 << 20) ? 2 : 1); variant++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (Disk) disk = NULL;
      int fd = open (f->raw, O_RDWR | O_CREAT | O_TRUNC, 0600);

      g_assert_cmpint (ftruncate (fd, (off_t) size), ==, 0);
      for (unsigned i = 0; i < PIECES; i++)
        {
          fill (piece, i);
          g_assert_cmpint (pwrite (fd, piece, PIECE, (off_t) piece_offset (size, i)), ==, PIECE);
        }
      close (fd);
      run ("qemu-img", "convert", "-f", "raw", "-O", "vdi", "-o", variant == 0 ? "static=off" : "static=on", f->raw, f->ours, NULL);
      disk = disk_open (f->ours, DISK_OPEN_READ_ONLY, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (disk_size (disk), ==, size);
      for (unsigned i = 0; i < PIECES; i++)
        {
          fill (piece, i);
          g_assert_true (disk_read (disk, piece_offset (size, i), back, PIECE, &error));
          g_assert_true (memcmp (piece, back, PIECE) == 0);
        }
      g_unlink (f->ours);
    }
}

int
main (int argc, char **argv)
{
  static const uint64_t small = 17 * 1024 * 1024 + 5 * 512, large = ((uint64_t) 3 << 40) + 512;

  g_test_init (&argc, &argv, NULL);
  g_test_add ("/vdi/to-qemu/odd-size", Fixture, &small, setup, test_to_peer, teardown);
  g_test_add ("/vdi/to-qemu/3-tib", Fixture, &large, setup, test_to_peer, teardown);
  g_test_add ("/vdi/from-qemu/odd-size", Fixture, &small, setup, test_from_peer, teardown);
  g_test_add ("/vdi/from-qemu/3-tib", Fixture, &large, setup, test_from_peer, teardown);
  return g_test_run ();
}
