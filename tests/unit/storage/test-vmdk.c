/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VMDK: what hostile and damaged images are answered with, descriptors as others write them, and the parent's ID. */

#include "storage/disk/vmdk-private.h"
#include "tests/unit/storage/fixture.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  SIZE = 16 << 20
};

typedef struct
{
  char *folder, *path;
  VmdkHeader header;
} Fixture;

static void
make (const char *path, const char *variant, const char *base)
{
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "vmdk", .variant = variant, .size = SIZE, .base = base };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("bunshin-vmdk-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "disk.vmdk", NULL);
  make (f->path, "dynamic", NULL);
  image_get (f->path, 0, &f->header, sizeof f->header);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  image_remove_folder (f->folder);
  g_free (f->folder);
  g_free (f->path);
}

/* Fails, with a message that names the file, or one beside it that is the cause, and has @words in it. */
static void
refuse (const char *path, const char *words)
{
  g_autofree char *folder = g_path_get_dirname (path);

  image_refused (path, 0, folder, words);
}

static void
test_hostile_header (Fixture *f, gconstpointer data)
{
  const VmdkHeader header = f->header;
  uint32_t entry = 0x7fffffff;

#define TRY(field, value, words)                                                                                       \
  f->header = header;                                                                                                  \
  f->header.field = value;                                                                                             \
  image_put (f->path, 0, &f->header, sizeof f->header);                                                                \
  refuse (f->path, words)

  TRY (magic, VMDK_COW_MAGIC, "ESX");
  TRY (version, 0, "version");
  TRY (version, 4, "version");
  TRY (line_test[2], '\n', "copied as a text");
  TRY (grain_size, 0, "grains of 0");
  TRY (grain_size, 100, "grains of 100");
  TRY (grain_size, (uint64_t)1 << 55, "grains of");
  TRY (table_entries, 0, "tables of 0");
  TRY (table_entries, G_MAXUINT32, "tables of");
  TRY (capacity, 0, "holds 0");
  TRY (capacity, G_MAXUINT64, "holds");
  TRY (capacity, 100, "holds 100");
  TRY (directory_offset, 0, "outside");
  TRY (directory_offset, G_MAXUINT64 - 1, "outside");
  TRY (directory_offset, G_MAXUINT64, "without a footer");
  TRY (redundant_offset, G_MAXUINT64 / 512, "outside");
  TRY (descriptor_offset, 0, "part of a disk");
  TRY (descriptor_offset, G_MAXUINT64, "outside");
  TRY (descriptor_size, G_MAXUINT64, "outside");
  TRY (flags, header.flags | VMDK_FLAG_COMPRESSED, "unknown way");
#undef TRY
  image_put (f->path, 0, &header, sizeof header);
  image_put (f->path, header.directory_offset * 512, &entry, 4);
  refuse (f->path, "table 0");
  /* The directory itself, the descriptor, the second copy. */
  for (int i = 0; i < 3; i++)
    {
      const uint64_t taken[] = { header.directory_offset, header.descriptor_offset + 1, header.redundant_offset + 1 };

      entry = (uint32_t)taken[i];
      image_put (f->path, header.directory_offset * 512, &entry, 4);
      refuse (f->path, "two tables overlap");
    }
}

static void
describe (const Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
test_hostile_descriptor (Fixture *f, gconstpointer data)
{
#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n"
  static const struct
  {
    const char *text, *words;
  } cases[] = {
    { "# Disk DescriptorFile\nversion=9\nCID=1\nRW 10 FLAT \"a\" 0\n", "version" },
    { "# Disk DescriptorFile\nversion=1\nRW 10 FLAT \"a\" 0\n", "content ID" },
    { "# Disk DescriptorFile\nversion=1\nCID=xyz\nRW 10 FLAT \"a\" 0\n", "content ID" },
    { HEAD, "no part" },
    { HEAD "RW 0 FLAT \"flat\" 0\n", "has a line" },
    { HEAD "RW -1 FLAT \"flat\" 0\n", "has a line" },
    { HEAD "RW 99999999999999999999 FLAT \"flat\" 0\n", "has a line" },
    { HEAD "RW 18014398509481983 FLAT \"flat\" 0\n", "a part of" },
    { HEAD "RW 10 FLAT \"flat 0\n", "has a line" },
    { HEAD "RW 10 FLAT \"missing\" 0\n", "missing" },
    { HEAD "RW 129 FLAT \"flat\" 0\n", "ends before" },
    { HEAD "RW 10 FLAT \"flat\" 36028797018963967\n", "has a line" },
    { HEAD "RW 10 FLAT \"flat\" 18014398509481983\n", "ends before" },
    { HEAD "RW 10 FLAT \"flat\" 0\nRW 10 FLAT \"flat\" 9\n", "overlap" },
    { HEAD "RW 10 FLAT \"../flat\" 0\n", "" },
    { HEAD "RW 10 FLAT \"/etc/passwd\" 0\n", "not followed unasked" },
    { HEAD "RW 10 FLAT \"text.vmdk\" 0\n", "" },
    { HEAD "RW 10 SPARSE \"flat\" 0\n", "no sparse extent" },
    { HEAD "RW 10 SESPARSE \"flat\" 0\n", "SESPARSE" },
    { HEAD "NOACCESS 10 FLAT \"flat\" 0\n", "accessed" },
    { "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=2\nRW 10 FLAT \"flat\" 0\n", "name its parent" },
    { "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=2\nparentFileNameHint=\"text.vmdk\"\nRW 10 FLAT \"flat\" 0\n",
      "" },
  };
  g_autofree char *flat = g_build_filename (f->folder, "flat", NULL),
                  *path = g_build_filename (f->folder, "text.vmdk", NULL), *zeros = g_malloc0 (65536);

  g_assert_true (g_file_set_contents (flat, zeros, 65536, NULL));
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      describe (f, "text.vmdk", cases[i].text);
      refuse (path, cases[i].words);
    }
}

/* Several parts of different kinds, with Windows' line ends and a name in its code page. */
static void
test_descriptor (Fixture *f, gconstpointer data)
{
  g_autofree char *flat = g_build_filename (f->folder, "flät", NULL),
                  *path = g_build_filename (f->folder, "text.vmdk", NULL), *letters = g_strnfill (65536, 'a');
  uint8_t back[512 * 12];
  g_autoptr (GError) error = NULL;
  Disk *disk;

  g_assert_true (g_file_set_contents (flat, letters, 65536, NULL));
  describe (f, "text.vmdk",
            "# Disk DescriptorFile\r\nversion=1\r\nencoding=\"windows-1252\"\r\nCID=fffffffe\r\nparentCID=ffffffff\r\n"
            "createType=\"custom\"\r\n\r\n# Extent description\r\nRW 4 FLAT \"fl\xe4t\" 3\r\nRW 4 ZERO\r\n"
            "RDONLY 4 FLAT \"fl\xe4t\" 100\r\n\r\n#DDB\r\nddb.adapterType = \"ide\"\r\n");
  disk = image_must_open (path);
  g_assert_cmpuint (disk_size (disk), ==, sizeof back);
  g_assert_cmpstr (disk_variant (disk), ==, "custom");
  g_assert_true (disk_read (disk, 0, back, sizeof back, &error));
  for (unsigned i = 0; i < sizeof back; i++)
    g_assert_cmphex (back[i], ==, i / 2048 == 1 ? 0 : 'a');
  memset (back, 'b', sizeof back);
  g_assert_true (disk_write (disk, 0, back, 2048, &error));
  g_assert_false (disk_write (disk, 2048, back, 512, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY);
  g_clear_error (&error);
  g_assert_false (disk_write (disk, 4096, back, 512, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY);
  disk_unref (disk);
  image_get (flat, 3 * 512, back, 2048);
  g_assert_cmpint (back[2047], ==, 'b');
}

/* In @f's folder: writing to a disk described by @before, @digits and the rest changes the last @changes of @digits. */
static void
check_content_id (Fixture *f, const char *before, const char *digits, size_t changes)
{
  static const char after[] = "\nRW 4 FLAT \"flat\" 0\n";
  g_autofree char *path = g_build_filename (f->folder, "text.vmdk", NULL), *whole = g_strconcat (before, digits, after, NULL),
                  *text = NULL;
  size_t head = strlen (before) + strlen (digits) - changes;
  Disk *disk;

  describe (f, "text.vmdk", whole);
  disk = image_must_open (path);
  image_write_sector (disk, 0, 'x');
  disk_unref (disk);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpmem (text, head, whole, head);
  g_assert_true (strncmp (text + head, whole + head, changes) != 0
                 && strspn (text + head, "0123456789abcdef") == changes);
  g_assert_cmpstr (text + head + changes, ==, after);
  disk_unref (image_must_open (path));
}

/* Only the digits of the last assignment change: a value that is empty, or stands before, keeps its line. */
static void
test_content_id (Fixture *f, gconstpointer data)
{
  g_autofree char *flat = g_build_filename (f->folder, "flat", NULL), *zeros = g_malloc0 (2048);

  g_assert_true (g_file_set_contents (flat, zeros, 2048, NULL));
  check_content_id (f, "# Disk DescriptorFile\nCID=\n Disk=\nversion=2\nCID=0\nCID=", "abc", 3);
  check_content_id (f, "# Disk DescriptorFile\nversion=1\nCID=", "0000000000000000000012345658", 8);
}

/* A part of a split disk alone says what it is. */
static void
test_part (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->folder, "split.vmdk", NULL),
                  *part = g_build_filename (f->folder, "split-s001.vmdk", NULL);

  make (path, "twoGbMaxExtentSparse", NULL);
  refuse (part, "part of a disk");
  g_assert_cmpint (g_unlink (part), ==, 0);
  refuse (path, "split-s001.vmdk");
}

static void
write_something (const char *path)
{
  Disk *disk = image_must_open (path);
  uint8_t data[512];

  memset (data, 0x77, sizeof data);
  g_assert_true (disk_write (disk, 4096, data, sizeof data, NULL));
  disk_unref (disk);
}

/* The content ID changes with the contents, and who is based on others notices. */
static void
test_parent (Fixture *f, gconstpointer data)
{
  g_autofree char *child = g_build_filename (f->folder, "child.vmdk", NULL);

  make (child, "dynamic", f->path);
  write_something (child);
  disk_unref (image_must_open (child));
  disk_unref (image_must_open (f->path));
  disk_unref (image_must_open (child));
  write_something (f->path);
  refuse (child, "has changed since");
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  refuse (child, "disk.vmdk");
}

/* While the image is written to it says so, for VMware. */
static void
test_unclean (Fixture *f, gconstpointer data)
{
  Disk *disk = image_must_open (f->path);
  uint8_t sector[512] = { 1 };

  g_assert_true (disk_write (disk, 0, sector, sizeof sector, NULL));
  image_get (f->path, 0, &f->header, sizeof f->header);
  g_assert_cmpint (f->header.unclean, ==, 1);
  disk_unref (disk);
  image_get (f->path, 0, &f->header, sizeof f->header);
  g_assert_cmpint (f->header.unclean, ==, 0);
}

static void
check (const char *path, gboolean repair, uint64_t errors)
{
  g_autoptr (GError) error = NULL;
  Image *img = image_open (path, IMAGE_OPEN_CHECKING | (repair ? 0 : IMAGE_OPEN_READ_ONLY), NULL, NULL, &error);
  ImageReport report = { 0 };

  g_assert_no_error (error);
  img->format->check (img, repair, &report, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (report.errors, ==, errors);
  g_assert_cmpuint (report.repaired, ==, repair ? errors : 0);
  image_report_clear (&report);
  image_close (img);
}

static void
test_repair (Fixture *f, gconstpointer data)
{
  uint32_t directory, entries[3];
  uint8_t back[512];

  write_something (f->path);
  image_get (f->path, f->header.directory_offset * 512, &directory, 4);
  image_get (f->path, (uint64_t)directory * 512, entries, 4);
  entries[1] = entries[0];
  entries[2] = 0x7ffffff0;
  image_put (f->path, (uint64_t)directory * 512, entries, sizeof entries);
  /* Both grains, and that the copies of the table differ. */
  check (f->path, FALSE, 3);
  check (f->path, TRUE, 3);
  check (f->path, FALSE, 0);
  for (int i = 0; i < 2; i++)
    {
      Disk *disk = image_must_open (f->path);

      g_assert_true (disk_read (disk, (uint64_t)i * 65536 + 4096, back, sizeof back, NULL));
      g_assert_cmphex (back[511], ==, 0x77);
      disk_unref (disk);
    }
}

/* A stream that was not closed still has what was flushed; and a grain that is no zlib stream is an error. */
static void
test_stream (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->folder, "stream.vmdk", NULL),
                  *copy = g_build_filename (f->folder, "copy.vmdk", NULL), *bytes = NULL;
  g_autoptr (GError) error = NULL;
  uint8_t sector[512], back[512];
  gsize length;
  Disk *disk;

  make (path, "streamOptimized", NULL);
  memset (sector, 0x31, sizeof sector);
  disk = image_must_open (path);
  for (unsigned i = 0; i < 100; i += 7)
    g_assert_true (disk_write (disk, (uint64_t)i * 65536 + 512, sector, sizeof sector, &error));
  g_assert_true (disk_flush (disk, &error));
  g_assert_true (disk_write (disk, 65536, sector, sizeof sector, &error));
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  g_assert_true (g_file_set_contents (copy, bytes, (gssize)length, NULL));
  disk_unref (disk);

  disk = image_must_open (copy);
  for (unsigned i = 0; i < 100; i += 7)
    {
      g_assert_true (disk_read (disk, (uint64_t)i * 65536 + 512, back, sizeof back, &error));
      g_assert_cmpmem (back, sizeof back, sector, sizeof sector);
    }
  disk_unref (disk);
  /* The first grain lies where the tables were when it was new. */
  memset (back, 0, sizeof back);
  image_put (copy, 65536 + VMDK_GRAIN_MARKER, back, 64);
  disk = image_must_open (copy);
  g_assert_false (disk_read (disk, 512, back, sizeof back, &error));
  g_assert_nonnull (strstr (error->message, "unpacked"));
  disk_unref (disk);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/vmdk/" name, Fixture, NULL, setup, test, teardown)
  ADD ("hostile-header", test_hostile_header);
  ADD ("hostile-descriptor", test_hostile_descriptor);
  ADD ("descriptor", test_descriptor);
  ADD ("content-id", test_content_id);
  ADD ("part", test_part);
  ADD ("parent", test_parent);
  ADD ("unclean", test_unclean);
  ADD ("repair", test_repair);
  ADD ("stream", test_stream);
  return g_test_run ();
}
