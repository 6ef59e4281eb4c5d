/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parallels' HDD: what hostile images are answered with; folders with parts and snapshots. */

#include "storage/disk/hdd-private.h"
#include "tests/unit/storage/fixture.h"

#include <string.h>
#include <unistd.h>

enum
{
  SIZE = 16 << 20
};

#define TOP  "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
#define OLD  "{12345678-1234-1234-1234-123456789abc}"
#define NONE "{00000000-0000-0000-0000-000000000000}"

typedef struct
{
  char *folder, *path;
  HddHeader header;
} Fixture;

static void
make (const Fixture *f, const char *name, uint64_t size)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "hdd", .size = size };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("bunshin-hdd-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "disk.hdd", NULL);
  make (f, "disk.hdd", SIZE);
  image_get (f->path, 0, &f->header, sizeof f->header);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  image_remove_folder (f->folder);
  g_free (f->folder);
  g_free (f->path);
}

/* Fails, with a message that names a file of the disk and has @words in it. */
static void
refuse (const Fixture *f, const char *path, const char *words)
{
  image_refused (path, 0, f->folder, words);
}

static void
test_hostile (Fixture *f, gconstpointer data)
{
  const HddHeader header = f->header;
  uint32_t entry = 0x7fffffff;
  uint8_t sector[512];
  g_autoptr (GError) error = NULL;
  Disk *disk;

#define TRY(field, value, words)                                                                                       \
  f->header = header;                                                                                                  \
  f->header.field = value;                                                                                             \
  image_put (f->path, 0, &f->header, sizeof f->header);                                                                \
  refuse (f, f->path, words)

  TRY (version, 3, "version");
  TRY (tracks, 0, "clusters of 0");
  TRY (tracks, G_MAXUINT32, "clusters of");
  TRY (sectors, 0, "disk of 0");
  TRY (sectors, G_MAXUINT32, "clusters for a disk");
  TRY (entries, 0, "clusters for a disk");
  TRY (entries, G_MAXUINT32, "outside the file");
  TRY (extension_offset, G_MAXUINT64, "extension");
  TRY (extension_offset, 1, "extension");
  memcpy ((char *) header.magic, HDD_MAGIC_EXTENDED, 16);
  TRY (sectors, G_MAXUINT64, "disk of");
  TRY (data_offset, 2049, "begins within a cluster");
  TRY (data_offset, 0, "overlaps");
#undef TRY
  memcpy ((char *) header.magic, HDD_MAGIC, 16);
  image_put (f->path, 0, &header, sizeof header);
  image_put (f->path, HDD_HEADER, &entry, sizeof entry);
  disk = image_must_open (f->path);
  g_assert_false (disk_read (disk, 0, sector, sizeof sector, &error));
  g_assert_nonnull (strstr (error->message, "does not have"));
  disk_unref (disk);
}

/* While it is written to, it says so. */
static void
test_in_use (Fixture *f, gconstpointer data)
{
  Disk *disk = image_must_open (f->path);

  image_write_sector (disk, 0, 1);
  image_get (f->path, 0, &f->header, sizeof f->header);
  g_assert_cmphex (f->header.in_use, ==, HDD_IN_USE);
  disk_unref (disk);
  image_get (f->path, 0, &f->header, sizeof f->header);
  g_assert_cmphex (f->header.in_use, ==, HDD_CLOSED);
}

/* The old clusters of 63 sectors, without a word on where the data begin. */
static void
test_old (Fixture *f, gconstpointer data)
{
  HddHeader h = { .magic = HDD_MAGIC, .version = HDD_VERSION, .tracks = 63, .entries = 40, .sectors = 40 * 63 - 5 };
  Disk *disk;

  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  g_assert_cmpint (truncate (f->path, 512), ==, 0);
  image_put (f->path, 0, &h, sizeof h);
  for (int round = 0; round < 2; round++)
    {
      disk = image_must_open (f->path);
      g_assert_cmpuint (disk_size (disk), ==, (40 * 63 - 5) * 512);
      for (unsigned i = 0; i < 40 * 63 - 5; i += 61)
        if (round == 0)
          image_write_sector (disk, i * 512, (int) (i % 255) + 1);
        else
          image_expect_sector (disk, i * 512, (int) (i % 255) + 1);
      disk_unref (disk);
    }
}

static void
describe (const Fixture *f, const char *storages, const char *snapshots)
{
  g_autofree char *path = g_build_filename (f->folder, "DiskDescriptor.xml", NULL),
                  *text
                  = g_strdup_printf ("<?xml version='1.0' encoding='UTF-8'?>\n<Parallels_disk_image Version=\"1.0\">"
                                     "<Disk_Parameters><Padding>0</Padding></Disk_Parameters>"
                                     "<StorageData>%s</StorageData><Snapshots>%s</Snapshots>"
                                     "</Parallels_disk_image>",
                                     storages, snapshots);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

#define SHOT(guid, parent)      "<Shot><GUID>" guid "</GUID><ParentGUID>" parent "</ParentGUID></Shot>"
#define IMAGE(guid, type, file) "<Image><GUID>" guid "</GUID><Type>" type "</Type><File>" file "</File></Image>"
#define STORAGE(start, end, images)                                                                                    \
  "<Storage><Start>" start "</Start><End>" end "</End><Blocksize>2048</Blocksize>" images "</Storage>"

/* Plain and expanding parts. */
static void
test_split (Fixture *f, gconstpointer data)
{
  g_autofree char *plain = g_build_filename (f->folder, "b.hds", NULL), *zeros = g_malloc0 (1 << 20);
  Disk *disk;
  uint8_t byte;

  make (f, "a.hds", 4 << 20);
  make (f, "c.hds", 4 << 20);
  g_assert_true (g_file_set_contents (plain, zeros, 1 << 20, NULL));
  describe (f,
            STORAGE ("0", "8192", IMAGE (TOP, "Compressed", "a.hds"))
                STORAGE ("8192", "10240", IMAGE (TOP, "Plain", "b.hds"))
                    STORAGE ("10240", "18432", IMAGE (TOP, "Compressed", "c.hds")),
            SHOT (TOP, NONE));
  disk = image_must_open (f->folder);
  g_assert_cmpstr (disk_format_name (disk), ==, "hdd");
  g_assert_cmpuint (disk_size (disk), ==, 9 << 20);
  for (uint64_t at = 0; at < 9 << 20; at += 512 * 1021)
    image_write_sector (disk, at, (int) (at / 512 % 255) + 1);
  image_write_sector (disk, (4 << 20) - 512, 7);
  image_write_sector (disk, 4 << 20, 8);
  disk_unref (disk);
  disk = image_must_open (f->folder);
  for (uint64_t at = 0; at < 9 << 20; at += 512 * 1021)
    image_expect_sector (disk, at, (int) (at / 512 % 255) + 1);
  disk_unref (disk);
  image_get (plain, 0, &byte, 1);
  g_assert_cmpint (byte, ==, 8);
}

/* What is written goes to the top; the snapshot stays. */
static void
test_snapshot (Fixture *f, gconstpointer data)
{
  g_autofree char *old = g_build_filename (f->folder, "old.hds", NULL);
  g_autoptr (GError) error = NULL;
  Disk *disk;

  make (f, "old.hds", 4 << 20);
  make (f, "top.hds", 4 << 20);
  disk = image_must_open (old);
  image_write_sector (disk, 0, 1);
  image_write_sector (disk, 1024, 2);
  image_write_sector (disk, 3 << 20, 3);
  disk_unref (disk);
  describe (f, STORAGE ("0", "8192", IMAGE (OLD, "Compressed", "old.hds") IMAGE (TOP, "Compressed", "top.hds")),
            SHOT (TOP, OLD) SHOT (OLD, NONE));
  disk = image_must_open (f->folder);
  image_expect_sector (disk, 0, 1);
  image_write_sector (disk, 1024, 9);
  g_assert_true (disk_zero (disk, 3 << 20, 512, &error));
  image_expect_sector (disk, 0, 1);
  image_expect_sector (disk, 1024, 9);
  image_expect_sector (disk, 3 << 20, 0);
  disk_unref (disk);
  disk = image_must_open (old);
  image_expect_sector (disk, 1024, 2);
  image_expect_sector (disk, 3 << 20, 3);
  disk_unref (disk);
}

static void
test_hostile_descriptor (Fixture *f, gconstpointer data)
{
#define WHOLE STORAGE ("0", "8192", IMAGE (TOP, "Compressed", "a.hds"))
  static const struct
  {
    const char *storages, *snapshots, *words;
  } cases[] = {
    { "", SHOT (TOP, NONE), "not complete" },
    { "<Storage>", SHOT (TOP, NONE), "cannot be read" },
    { STORAGE ("0", "0", IMAGE (TOP, "Compressed", "a.hds")), SHOT (TOP, NONE), "not complete" },
    { STORAGE ("0", "-5", IMAGE (TOP, "Compressed", "a.hds")), SHOT (TOP, NONE), "cannot be read" },
    { STORAGE ("0", "99999999999999999999", IMAGE (TOP, "Compressed", "a.hds")), SHOT (TOP, NONE), "cannot be read" },
    { STORAGE ("0", "8193", IMAGE (TOP, "Compressed", "a.hds")), SHOT (TOP, NONE), "ends before" },
    { STORAGE ("5", "8192", IMAGE (TOP, "Compressed", "a.hds")), SHOT (TOP, NONE), "follow one another" },
    { WHOLE STORAGE ("8000", "9000", IMAGE (TOP, "Plain", "a.hds")), SHOT (TOP, NONE), "follow one another" },
    { STORAGE ("0", "8192", ""), SHOT (TOP, NONE), "not complete" },
    { STORAGE ("0", "8192", IMAGE (TOP, "Encrypted", "a.hds")), SHOT (TOP, NONE), "type Encrypted" },
    { STORAGE ("0", "8192", IMAGE (TOP, "Compressed", "missing")), SHOT (TOP, NONE), "missing" },
    { STORAGE ("0", "8192", IMAGE (TOP, "Compressed", "/etc/passwd")), SHOT (TOP, NONE), "not followed unasked" },
    { STORAGE ("0", "8192", IMAGE (TOP, "Plain", "DiskDescriptor.xml")), SHOT (TOP, NONE), "DiskDescriptor.xml" },
    { WHOLE, SHOT (OLD, NONE), "no snapshot" },
    { WHOLE, SHOT (TOP, OLD) SHOT (OLD, TOP), "loop" },
    { WHOLE, SHOT (TOP, OLD) SHOT (OLD, NONE), "no snapshot" },
    { WHOLE, "<TopGUID>" OLD "</TopGUID>" SHOT (TOP, NONE), "no snapshot" },
  };

  make (f, "a.hds", 4 << 20);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      describe (f, cases[i].storages, cases[i].snapshots);
      refuse (f, f->folder, cases[i].words);
    }
}

/* Two clusters in one place get one each; those that are nowhere go. */
static void
test_repair (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = image_must_open (f->path);
  uint32_t entries[3];

  image_write_sector (disk, 0, 5);
  disk_unref (disk);
  image_get (f->path, HDD_HEADER, entries, 4);
  entries[1] = entries[0];
  entries[2] = 1;
  image_put (f->path, HDD_HEADER, entries, sizeof entries);
  for (int round = 0; round < 3; round++)
    {
      Image *img = image_open (f->path, IMAGE_OPEN_CHECKING, NULL, NULL, &error);
      ImageReport report = { 0 };

      g_assert_no_error (error);
      img->format->check (img, round == 1, &report, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (report.errors, ==, round < 2 ? 2 : 0);
      g_assert_cmpuint (report.repaired, ==, round == 1 ? 2 : 0);
      image_report_clear (&report);
      image_close (img);
    }
  disk = image_must_open (f->path);
  image_expect_sector (disk, 0, 5);
  image_expect_sector (disk, HDD_CLUSTER, 5);
  disk_unref (disk);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/hdd/" name, Fixture, NULL, setup, test, teardown)
  ADD ("hostile", test_hostile);
  ADD ("in-use", test_in_use);
  ADD ("old", test_old);
  ADD ("split", test_split);
  ADD ("snapshot", test_snapshot);
  ADD ("hostile-descriptor", test_hostile_descriptor);
  ADD ("repair", test_repair);
  return g_test_run ();
}
