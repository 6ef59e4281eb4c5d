/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images of other programs' formats exchanged with qemu-img, both ways, at odd sizes and as large as the format goes.
 */

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

typedef struct
{
  const char *name, *format, *variant, *ending; /* ours; @variant NULL: one that only qemu-img makes */
  const char *peer, *options;                   /* qemu-img's; @options NULL: ours is not made by it that way */
  gboolean fixed;                               /* takes all of its room: small sizes only */
  gboolean checked;                             /* qemu-img check knows the format */
  gboolean rounded;                             /* qemu-img may make it larger than it was told */
  gboolean by_parts;    /* qemu-img looks at each small part of a large image: it takes minutes */
  gboolean whole_parts; /* qemu-io can only write whole units: no large ones from there */
  uint64_t large;
} Case;

#define TIB ((uint64_t) 1 << 40)

static const Case cases[] = {
  { "dynamic", "vhd", "dynamic", "vhd", "vpc", "subformat=dynamic,force_size=on", .large = TIB + TIB / 2 + 512 },
  { "fixed", "vhd", "fixed", "vhd", "vpc", "subformat=fixed,force_size=on", .fixed = TRUE },
  { "geometry", "vhd", NULL, "vhd", "vpc", "subformat=dynamic", .rounded = TRUE, .large = 100 * (TIB / 1024) },
  { "geometry-fixed", "vhd", NULL, "vhd", "vpc", "subformat=fixed", .rounded = TRUE, .fixed = TRUE },
  { "dynamic", "hdd", "dynamic", "hdd", "parallels", "", .checked = TRUE, .large = 3 * TIB + 512 },
  { "fixed", "hdd", "fixed", "hdd", "parallels", NULL, .fixed = TRUE, .checked = TRUE },
  { "clusters", "hdd", NULL, "hdd", "parallels", "cluster_size=64k", .checked = TRUE, .large = TIB },
  { "dynamic", "vhdx", "dynamic", "vhdx", "vhdx", "subformat=dynamic", .checked = TRUE, .by_parts = TRUE,
    .large = 15 * TIB + 512 },
  { "fixed", "vhdx", "fixed", "vhdx", "vhdx", "subformat=fixed", .fixed = TRUE, .checked = TRUE },
  { "blocks", "vhdx", NULL, "vhdx", "vhdx", "subformat=dynamic,block_size=1M,log_size=2M", .checked = TRUE,
    .by_parts = TRUE, .large = 3 * TIB + 512 },
  { "monolithicSparse", "vmdk", "dynamic", "vmdk", "vmdk", "subformat=monolithicSparse", .checked = TRUE,
    .by_parts = TRUE, .large = 3 * TIB + 512 },
  { "monolithicFlat", "vmdk", "fixed", "vmdk", "vmdk", "subformat=monolithicFlat", .fixed = TRUE },
  { "twoGbMaxExtentSparse", "vmdk", "twoGbMaxExtentSparse", "vmdk", "vmdk", "subformat=twoGbMaxExtentSparse",
    .by_parts = TRUE, .large = 300 * (TIB / 1024) + 512 },
  { "twoGbMaxExtentFlat", "vmdk", "twoGbMaxExtentFlat", "vmdk", "vmdk", "subformat=twoGbMaxExtentFlat", .fixed = TRUE },
  { "streamOptimized", "vmdk", "streamOptimized", "vmdk", "vmdk", "subformat=streamOptimized", .checked = TRUE,
    .whole_parts = TRUE, .by_parts = TRUE, .large = 3 * TIB + 512 },
  { "zeroed-grain", "vmdk", NULL, "vmdk", "vmdk", "subformat=monolithicSparse,zeroed_grain=on", .checked = TRUE,
    .by_parts = TRUE, .large = 3 * TIB + 512 },
  { "compat6", "vmdk", NULL, "vmdk", "vmdk", "subformat=monolithicSparse,compat6=on,adapter_type=lsilogic",
    .checked = TRUE, .large = 100 * (TIB / 1024) },
};

typedef struct
{
  const Case *what;
  char *folder, *image, *raw;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  f->what = data;
  f->folder = g_dir_make_tmp ("bunshin-interop-XXXXXX", NULL);
  f->image = g_strdup_printf ("%s/disk.%s", f->folder, f->what->ending);
  f->raw = g_build_filename (f->folder, "disk.raw", NULL);
}

static void
empty (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        empty (path);
      g_remove (path);
    }
}

static void
teardown (Fixture *f, gconstpointer data)
{
  empty (f->folder);
  g_rmdir (f->folder);
  g_free (f->folder);
  g_free (f->image);
  g_free (f->raw);
}

static void
run (const char *first, ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  va_list list;
  int status;

  va_start (list, first);
  for (const char *word = first; word != NULL; word = va_arg (list, const char *))
    g_ptr_array_add (arguments, (char *) word);
  va_end (list);
  g_ptr_array_add (arguments, NULL);
  g_spawn_sync (NULL, (char **) arguments->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                NULL, &errors, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s %s: %s: %s", first, (char *) arguments->pdata[1], error->message, errors);
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
fill (uint8_t *piece, unsigned i, const Case *what, uint64_t size)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (i);

  memset (piece, (int) i + 1, PIECE);
  for (unsigned at = 0; at < PIECE && !(what->by_parts && size == what->large); at += 4)
    {
      guint32 word = g_rand_int (rand);

      memcpy (piece + at, &word, 4);
    }
}

/* Whether @at lies in a piece; @end: where that, or the gap, ends. */
static gboolean
in_piece (uint64_t size, unsigned pieces, uint64_t at, uint64_t *end)
{
  *end = size;
  for (unsigned i = 0; i < PIECES; i++)
    {
      uint64_t start = piece_offset (size, i);

      if (i >= pieces && i != PIECES - 1)
        continue;
      if (at >= start && at < start + PIECE)
        {
          *end = start + PIECE;
          return TRUE;
        }
      if (start > at)
        *end = MIN (*end, start);
    }
  return FALSE;
}

static void
check_raw (const char *path, const Case *what, uint64_t size, unsigned pieces)
{
  g_autofree uint8_t *expected = g_malloc (PIECE), *data = g_malloc (PIECE);
  int fd = open (path, O_RDONLY);
  off_t at = 0;

  g_assert_cmpint (lseek (fd, 0, SEEK_END), >=, (off_t) size);
  for (unsigned i = 0; i < PIECES; i++)
    {
      if (i >= pieces && i != PIECES - 1)
        continue;
      fill (expected, i, what, size);
      g_assert_cmpint (pread (fd, data, PIECE, (off_t) piece_offset (size, i)), ==, PIECE);
      g_assert_true (memcmp (data, expected, PIECE) == 0);
    }
  /* Data nowhere else: what lies outside the pieces reads as zeros. */
  while ((at = lseek (fd, at, SEEK_DATA)) >= 0)
    {
      off_t end = lseek (fd, at, SEEK_HOLE);

      while (at < end)
        {
          uint64_t stop;
          gboolean inside = in_piece (size, pieces, (uint64_t) at, &stop);
          size_t length = (size_t) MIN (PIECE, MIN ((uint64_t) end, stop) - (uint64_t) at);

          if ((uint64_t) at >= size)
            length = (size_t) MIN (PIECE, end - at);
          g_assert_cmpint (pread (fd, data, length, at), ==, (ssize_t) length);
          if (!inside)
            g_assert_true (data[0] == 0 && memcmp (data, data + 1, length - 1) == 0);
          at += (off_t) length;
        }
    }
  close (fd);
}

/* The same of an open disk: by what it says of its parts, and by reading what may hold data. */
static void
check_disk (Disk *disk, const Case *what, uint64_t size, unsigned pieces)
{
  g_autofree uint8_t *expected = g_malloc (PIECE), *data = g_malloc (PIECE);
  g_autoptr (GError) error = NULL;
  uint64_t at = 0;

  for (unsigned i = 0; i < PIECES; i++)
    {
      if (i >= pieces && i != PIECES - 1)
        continue;
      fill (expected, i, what, size);
      disk_read (disk, piece_offset (size, i), data, PIECE, &error);
      g_assert_no_error (error);
      g_assert_true (memcmp (data, expected, PIECE) == 0);
    }
  while (at < disk_size (disk))
    {
      DiskExtent extent;

      disk_extent (disk, at, disk_size (disk) - at, &extent, &error);
      g_assert_no_error (error);
      for (uint64_t end = at + extent.length; at < end;)
        {
          uint64_t stop;
          gboolean inside = in_piece (size, pieces, at, &stop);
          uint64_t length = MIN (end, MAX (stop, at + 1)) - at;

          if (at >= size)
            length = end - at;
          g_assert_true (extent.is_data || !inside);
          if (extent.is_data)
            {
              length = MIN (length, PIECE);
              disk_read (disk, at, data, (size_t) length, &error);
              g_assert_no_error (error);
              if (!inside)
                g_assert_true (data[0] == 0 && memcmp (data, data + 1, (size_t) length - 1) == 0);
            }
          at += length;
        }
    }
}

/* In an order that makes places in the file differ from those on the disk. */
static void
write_pieces (const char *path, const Case *what, uint64_t size, unsigned from)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *piece = g_malloc (PIECE);
  g_autoptr (Disk) disk = disk_open (path, 0, &error);

  g_assert_no_error (error);
  for (unsigned i = 0; i < PIECES; i++)
    {
      unsigned which = (i * 31 + 7) % PIECES;

      if (which < from)
        continue;
      fill (piece, which, what, size);
      disk_write (disk, piece_offset (size, which), piece, PIECE, &error);
      g_assert_no_error (error);
    }
}

/* Words for qemu-io: one command for each piece from @from on. The pieces of disks looked at by parts have one byte all
 * over. */
static GPtrArray *
qemu_io (const Fixture *f)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);

  for (const char *const *word = (const char *[]) { "qemu-io", "-f", f->what->peer, f->image, NULL }; *word != NULL;
       word++)
    g_ptr_array_add (words, g_strdup (*word));
  return words;
}

static void
add_command (GPtrArray *words, const char *verb, unsigned pattern, uint64_t offset, uint64_t length)
{
  g_ptr_array_add (words, g_strdup ("-c"));
  g_ptr_array_add (words, g_strdup_printf ("%s -P %u %llu %llu", verb, pattern, (unsigned long long) offset,
                                           (unsigned long long) length));
}

static void
run_words (GPtrArray *words)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  int status;

  g_ptr_array_add (words, NULL);
  g_spawn_sync (NULL, (char **) words->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error) || strstr (output, "failed") != NULL)
    g_error ("qemu-io: %s", output);
}

static void
check_parts_with_peer (const Fixture *f, uint64_t size)
{
  g_autoptr (GPtrArray) words = qemu_io (f);

  for (unsigned i = 0; i < PIECES; i++)
    {
      uint64_t offset = piece_offset (size, i), end = offset + PIECE;

      add_command (words, "read", i + 1, offset, PIECE);
      if (offset > 0)
        add_command (words, "read", 0, offset - 65536, 65536);
      if (end < size)
        add_command (words, "read", 0, end, 65536);
    }
  run_words (words);
}

static void
check_with_peer (const Fixture *f, uint64_t size)
{
  if (f->what->by_parts && size == f->what->large)
    {
      check_parts_with_peer (f, size);
      return;
    }
  g_unlink (f->raw);
  if (f->what->checked)
    run ("qemu-img", "check", "-q", "-f", f->what->peer, f->image, NULL);
  run ("qemu-img", "convert", "-f", f->what->peer, "-O", "raw", f->image, f->raw, NULL);
  check_raw (f->raw, f->what, size, PIECES);
}

static void
write_ours (Fixture *f, uint64_t size)
{
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = f->what->format, .variant = f->what->variant, .size = size };
  struct stat info;

  if (f->what->variant == NULL)
    return;
  disk_create (f->image, &options, &error);
  g_assert_no_error (error);
  write_pieces (f->image, f->what, size, 0);
  check_with_peer (f, size);
  if (f->what->by_parts && size == f->what->large)
    return;
  g_assert_cmpint (g_stat (f->raw, &info), ==, 0);
  g_assert_cmpint (info.st_size, ==, (off_t) size);
}

static void
make_theirs (const Fixture *f, uint64_t size, unsigned pieces)
{
  g_autofree uint8_t *piece = g_malloc (PIECE);
  g_autoptr (GPtrArray) words = qemu_io (f);
  g_autofree char *bytes = g_strdup_printf ("%llu", (unsigned long long) size);
  gboolean by_parts = f->what->by_parts && size == f->what->large;
  int fd = open (f->raw, O_RDWR | O_CREAT | O_TRUNC, 0600);

  g_assert_cmpint (ftruncate (fd, (off_t) size), ==, 0);
  for (unsigned i = 0; i < PIECES; i++)
    if (i < pieces || i == PIECES - 1)
      {
        fill (piece, i, f->what, size);
        g_assert_cmpint (pwrite (fd, piece, PIECE, (off_t) piece_offset (size, i)), ==, PIECE);
        add_command (words, "write", i + 1, piece_offset (size, i), PIECE);
      }
  close (fd);
  if (!by_parts)
    {
      run ("qemu-img", "convert", "-f", "raw", "-O", f->what->peer, "-o",
           *f->what->options != '\0' ? f->what->options : "preallocation=off", f->raw, f->image, NULL);
      return;
    }
  run ("qemu-img", "create", "-q", "-f", f->what->peer, "-o", f->what->options, f->image, bytes, NULL);
  run_words (words);
}

static void
read_theirs (Fixture *f, uint64_t size)
{
  enum
  {
    FIRST = 20
  };
  g_autoptr (GError) error = NULL;
  Disk *disk;

  if (f->what->options == NULL)
    return;
  /* Some pieces come from there, the others are added here. */
  make_theirs (f, size, FIRST);
  disk = disk_open (f->image, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_format_name (disk), ==, f->what->format);
  if (f->what->rounded)
    g_assert_cmpuint (disk_size (disk), >=, size);
  else
    g_assert_cmpuint (disk_size (disk), ==, size);
  check_disk (disk, f->what, size, FIRST);
  disk_unref (disk);
  write_pieces (f->image, f->what, size, FIRST);
  check_with_peer (f, size);
}

static void
test_small_ours (Fixture *f, gconstpointer data)
{
  if (have_peer ())
    write_ours (f, 17 * 1024 * 1024 + 5 * 512);
}

static void
test_small_theirs (Fixture *f, gconstpointer data)
{
  if (have_peer ())
    read_theirs (f, 17 * 1024 * 1024 + 5 * 512);
}

static void
test_large_ours (Fixture *f, gconstpointer data)
{
  if (have_peer ())
    write_ours (f, f->what->large);
}

static void
test_large_theirs (Fixture *f, gconstpointer data)
{
  if (have_peer ())
    read_theirs (f, f->what->large);
}

/* A VHDX log of ours, whose pages never came to the table. */
static void
test_log_ours (Fixture *f, gconstpointer data)
{
  DiskCreateOptions options = { .format = "vhdx", .size = 100 << 20 };
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  g_autoptr (GPtrArray) words = qemu_io (f);
  uint8_t sector[512];
  gsize length;
  Disk *disk;

  if (!have_peer ())
    return;
  disk_create (f->image, &options, &error);
  g_assert_no_error (error);
  disk = disk_open (f->image, 0, &error);
  g_assert_no_error (error);
  memset (sector, 5, sizeof sector);
  g_assert_true (disk_write (disk, 0x100000, sector, sizeof sector, &error));
  g_assert_true (disk_flush (disk, &error));
  memset (sector, 6, sizeof sector);
  g_assert_true (disk_write (disk, 40 * 0x100000, sector, sizeof sector, &error));
  g_assert_true (disk_flush (disk, &error));
  g_assert_true (g_file_get_contents (f->image, &bytes, &length, NULL));
  disk_unref (disk);
  memset (bytes + 3 * 0x100000, 0, 4096);
  g_assert_true (g_file_set_contents (f->image, bytes, (gssize) length, NULL));
  add_command (words, "read", 5, 0x100000, 512);
  add_command (words, "read", 6, 40 * 0x100000, 512);
  run_words (words);
}

/* A VMDK image of ours over one of theirs, and the other way round. */
static void
test_base (Fixture *f, gconstpointer data)
{
  enum
  {
    SIZE = 20 << 20,
    OWN = 3 << 20
  };
  g_autofree char *base = g_build_filename (f->folder, "base.vmdk", NULL);
  g_autofree uint8_t *expected = g_malloc0 (SIZE), *back = g_malloc (SIZE);
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "vmdk", .size = SIZE };
  gsize length;

  if (!have_peer ())
    return;
  for (int ours = 0; ours < 2; ours++)
    {
      g_autofree char *converted = NULL;
      Disk *disk;

      g_unlink (base);
      g_unlink (f->image);
      memset (expected, 0, SIZE);
      memset (expected + 65536 + 512, 1, 100000);
      if (ours)
        run ("qemu-img", "create", "-q", "-f", "vmdk", base, "20M", NULL);
      else
        g_assert_true (disk_create (base, &options, &error));
      disk = disk_open (base, 0, &error);
      g_assert_no_error (error);
      g_assert_true (disk_write (disk, 0, expected, SIZE, &error));
      disk_unref (disk);
      options.base = base;
      if (ours)
        g_assert_true (disk_create (f->image, &options, &error));
      else
        run ("qemu-img", "create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", f->image, NULL);
      options.base = NULL;
      disk = disk_open (f->image, 0, &error);
      g_assert_no_error (error);
      memset (expected + OWN, 2, 70000);
      memset (expected + 65536, 3, 4096);
      g_assert_true (disk_write (disk, OWN, expected + OWN, 70000, &error));
      g_assert_true (disk_write (disk, 65536, expected + 65536, 4096, &error));
      g_assert_true (disk_read (disk, 0, back, SIZE, &error));
      g_assert_true (memcmp (back, expected, SIZE) == 0);
      disk_unref (disk);
      run ("qemu-img", "check", "-q", "-f", "vmdk", f->image, NULL);
      run ("qemu-img", "convert", "-f", "vmdk", "-O", "raw", f->image, f->raw, NULL);
      g_assert_true (g_file_get_contents (f->raw, &converted, &length, &error));
      g_assert_cmpmem (converted, length, expected, SIZE);
    }
}

static void
add (const Case *what, const char *name, void (*test) (Fixture *f, gconstpointer data))
{
  g_autofree char *path = g_strdup_printf ("/%s/%s/%s", what->format, what->name, name);

  g_test_add (path, Fixture, what, setup, test, teardown);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      if (cases[i].variant != NULL)
        add (&cases[i], "to-qemu", test_small_ours);
      if (cases[i].options != NULL)
        add (&cases[i], "from-qemu", test_small_theirs);
      if (cases[i].variant != NULL && !cases[i].fixed)
        add (&cases[i], "to-qemu-large", test_large_ours);
      if (cases[i].options != NULL && !cases[i].fixed && !cases[i].whole_parts)
        add (&cases[i], "from-qemu-large", test_large_theirs);
    }
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    if (strcmp (cases[i].format, "vhdx") == 0 && strcmp (cases[i].name, "dynamic") == 0)
      add (&cases[i], "log-to-qemu", test_log_ours);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    if (strcmp (cases[i].name, "monolithicSparse") == 0)
      add (&cases[i], "base", test_base);
  return g_test_run ();
}
