/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHDX: what hostile and damaged images are answered with, the log, and the parent. */

#include "storage/disk/vhdx-private.h"
#include "tests/unit/storage/fixture.h"

#include <string.h>

enum
{
  SIZE = 256 << 20,
  METADATA = 2 << 20,
  TABLE = 3 << 20,
  BLOCK = 32 << 20
};

typedef struct
{
  char *folder, *path;
  VhdxHeader header;
  uint8_t regions[VHDX_REGIONS_SIZE];
} Fixture;

static void
make (const char *path, const char *base)
{
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "vhdx", .size = SIZE, .base = base };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("bunshin-vhdx-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "disk.vhdx", NULL);
  make (f->path, NULL);
  image_get (f->path, VHDX_HEADER_2, &f->header, sizeof f->header);
  image_get (f->path, VHDX_REGIONS_1, f->regions, sizeof f->regions);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  image_remove_folder (f->folder);
  g_free (f->folder);
  g_free (f->path);
}

/* Fails, with a message that names the file and has @words in it. */
static void
refuse (const char *path, DiskOpenFlags flags, const char *words)
{
  image_refused (path, flags, path, words);
}

static void
store_header (const Fixture *f, VhdxHeader *header)
{
  header->checksum = vhdx_checksum (header, sizeof *header, G_STRUCT_OFFSET (VhdxHeader, checksum));
  image_put (f->path, VHDX_HEADER_2, header, sizeof *header);
}

static void
store_regions (const Fixture *f, uint8_t *regions)
{
  VhdxRegions *head = (VhdxRegions *) regions;

  head->checksum = vhdx_checksum (regions, VHDX_REGIONS_SIZE, G_STRUCT_OFFSET (VhdxRegions, checksum));
  image_put (f->path, VHDX_REGIONS_1, regions, VHDX_REGIONS_SIZE);
  image_put (f->path, VHDX_REGIONS_2, regions, VHDX_REGIONS_SIZE);
}

static void
test_hostile_header (Fixture *f, gconstpointer data)
{
  VhdxHeader h;
  uint8_t nothing[sizeof h] = { 0 };

#define TRY(field, value, words)                                                                                       \
  h = f->header;                                                                                                       \
  h.field = value;                                                                                                     \
  store_header (f, &h);                                                                                                \
  refuse (f->path, 0, words)

  TRY (version, 2, "version 2");
  TRY (log_length, 0, "log of 0");
  TRY (log_length, 4096, "makes no sense");
  TRY (log_length, 0xfff00000u, "makes no sense");
  TRY (log_offset, 0, "makes no sense");
  TRY (log_offset, G_MAXUINT64 - VHDX_MIB + 1, "makes no sense");
  TRY (log_offset, METADATA, "makes no sense");
  TRY (log.bytes[0], 1, "its log is needed");
  h.log_version = 1;
  store_header (f, &h);
  refuse (f->path, 0, "version 1");
#undef TRY
  /* One of the two is enough. */
  image_put (f->path, VHDX_HEADER_2, nothing, sizeof nothing);
  disk_unref (image_must_open (f->path));
  image_put (f->path, VHDX_HEADER_1, nothing, sizeof nothing);
  refuse (f->path, 0, "header is not whole");
}

static void
test_hostile_regions (Fixture *f, gconstpointer data)
{
  uint8_t regions[VHDX_REGIONS_SIZE];
  VhdxRegions *head = (VhdxRegions *) regions;
  VhdxRegion *entries = (VhdxRegion *) (head + 1);

#define TRY(what, value, words)                                                                                        \
  memcpy (regions, f->regions, sizeof regions);                                                                        \
  what = value;                                                                                                        \
  store_regions (f, regions);                                                                                          \
  refuse (f->path, 0, words)

  TRY (head->count, 0, "not whole");
  TRY (head->count, 1, "not whole");
  TRY (head->count, G_MAXUINT32, "not whole");
  TRY (entries[0].offset, 0, "makes no sense");
  TRY (entries[0].offset, 4096, "makes no sense");
  TRY (entries[0].offset, G_MAXUINT64 - VHDX_MIB + 1, "makes no sense");
  TRY (entries[0].offset, 1 << 20, "makes no sense");
  TRY (entries[0].offset, METADATA, "not whole");
  TRY (entries[0].length, 0, "makes no sense");
  TRY (entries[0].length, 0xfff00000u, "makes no sense");
  TRY (entries[0].guid.bytes[0], 1, "unknown kind");
  TRY (entries[1].guid, entries[0].guid, "two regions");
#undef TRY
  /* The second list serves when the first is damaged. */
  store_regions (f, f->regions);
  memset (regions, 0, sizeof regions);
  image_put (f->path, VHDX_REGIONS_1, regions, sizeof regions);
  disk_unref (image_must_open (f->path));
}

static void
test_hostile_metadata (Fixture *f, gconstpointer data)
{
  struct
  {
    VhdxMetadata head;
    VhdxItem items[5];
  } table, saved;
  VhdxFileParameters parameters;
  uint64_t size;
  uint32_t sector;

  image_get (f->path, METADATA, &saved, sizeof saved);
#define TRY(field, value, words)                                                                                       \
  table = saved;                                                                                                       \
  table.field = value;                                                                                                 \
  image_put (f->path, METADATA, &table, sizeof table);                                                                 \
  refuse (f->path, 0, words)

  TRY (head.signature[0], 'x', "not whole");
  TRY (head.count, 0, "not whole");
  TRY (head.count, 65535, "not whole");
  TRY (items[0].offset, 0, "not whole");
  TRY (items[0].offset, G_MAXUINT32, "not whole");
  TRY (items[0].length, 4, "not whole");
  TRY (items[1].length, G_MAXUINT32, "not whole");
  TRY (items[3].guid.bytes[0], 0, "unknown kind");
#undef TRY
  image_put (f->path, METADATA, &saved, sizeof saved);

#define TRY_ITEM(index, variable, value, words)                                                                        \
  image_get (f->path, METADATA + saved.items[index].offset, &variable, sizeof variable);                               \
  {                                                                                                                    \
    const __typeof__ (variable) kept = variable;                                                                       \
                                                                                                                       \
    value;                                                                                                             \
    image_put (f->path, METADATA + saved.items[index].offset, &variable, sizeof variable);                             \
    refuse (f->path, 0, words);                                                                                        \
    image_put (f->path, METADATA + saved.items[index].offset, &kept, sizeof kept);                                     \
  }

  TRY_ITEM (0, parameters, parameters.block_size = 0, "blocks of 0");
  TRY_ITEM (0, parameters, parameters.block_size = 3 << 20, "blocks of");
  TRY_ITEM (0, parameters, parameters.block_size = 1u << 31, "blocks of");
  TRY_ITEM (0, parameters, parameters.flags = VHDX_FILE_HAS_PARENT, "name its parent");
  TRY_ITEM (1, size, size = 0, "disk of 0");
  TRY_ITEM (1, size, size = 1000, "disk of 1000");
  TRY_ITEM (1, size, size = G_MAXUINT64 - 511, "disk of");
  TRY_ITEM (1, size, size = (uint64_t) 60 << 40, "no room for");
  TRY_ITEM (3, sector, sector = 4096, "sectors of 4096 bytes are not supported");
  TRY_ITEM (3, sector, sector = 1, "sectors of 1");
#undef TRY_ITEM
  disk_unref (image_must_open (f->path));
}

static void
test_hostile_table (Fixture *f, gconstpointer data)
{
  static const struct
  {
    uint64_t entry;
    const char *words;
  } cases[] = { { ((uint64_t) 1 << 50) | VHDX_FULLY_PRESENT, "does not have" },
                { VHDX_FULLY_PRESENT, "does not have" },
                { ((uint64_t) 4 << 20) | VHDX_PARTIALLY_PRESENT, "no parent" },
                { 4, "state 4" } };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      uint8_t sector[512];
      Disk *disk;

      image_put (f->path, TABLE, &cases[i].entry, 8);
      disk = image_must_open (f->path);
      g_assert_false (disk_read (disk, 0, sector, sizeof sector, &error));
      if (strstr (error->message, cases[i].words) == NULL)
        g_error ("“%s” has no “%s”", error->message, cases[i].words);
      disk_unref (disk);
    }
}

/* As a power cut leaves it: the log has what the table does not. */
static char *
cut (const Fixture *f, const char *name, gboolean lose_table)
{
  char *copy = g_build_filename (f->folder, name, NULL);
  g_autofree char *bytes = NULL;
  Disk *disk = image_must_open (f->path);
  gsize length;

  image_write_sector (disk, 0, 1);
  g_assert_true (disk_flush (disk, NULL));
  image_write_sector (disk, 3 * (uint64_t) BLOCK, 3);
  g_assert_true (disk_flush (disk, NULL));
  g_assert_true (g_file_get_contents (f->path, &bytes, &length, NULL));
  disk_unref (disk);
  if (lose_table)
    memset (bytes + TABLE, 0, 4096);
  g_assert_true (g_file_set_contents (copy, bytes, (gssize) length, NULL));
  return copy;
}

static void
test_log (Fixture *f, gconstpointer data)
{
  g_autofree char *copy = cut (f, "copy.vhdx", TRUE);
  Disk *disk;

  refuse (copy, DISK_OPEN_READ_ONLY, "not closed properly");
  for (int round = 0; round < 2; round++)
    {
      disk = image_must_open (copy);
      image_expect_sector (disk, 0, 1);
      image_expect_sector (disk, 512, 0);
      image_expect_sector (disk, 3 * (uint64_t) BLOCK, 3);
      disk_unref (disk);
    }
  image_get (copy, VHDX_HEADER_1, &f->header, sizeof f->header);
  g_assert_true (vhdx_guid_is_zero (&f->header.log));
}

/* Entries that are not whole count for nothing. */
static void
test_damaged_log (Fixture *f, gconstpointer data)
{
  g_autofree char *copy = cut (f, "copy.vhdx", FALSE), *bytes = NULL;
  uint8_t byte = 0x55;
  gsize length;
  Disk *disk;

  g_assert_true (g_file_get_contents (copy, &bytes, &length, NULL));

  /* The second entry: the first is in the table already. */
  image_put (copy, VHDX_MIB + 2 * 4096 + 4096 + 100, &byte, 1);
  disk = image_must_open (copy);
  image_expect_sector (disk, 0, 1);
  disk_unref (disk);
  g_assert_true (g_file_set_contents (copy, bytes, (gssize) length, NULL));
  for (unsigned i = 0; i < 256; i++)
    image_put (copy, VHDX_MIB + i * 4096 + 4, "xxxx", 4);
  refuse (copy, 0, "its log is needed");
}

/* Who is based on an image notices that it has changed. */
static void
test_parent (Fixture *f, gconstpointer data)
{
  g_autofree char *child = g_build_filename (f->folder, "child.vhdx", NULL);
  Disk *disk = image_must_open (f->path);

  image_write_sector (disk, 1024, 7);
  disk_unref (disk);
  make (child, f->path);
  disk = image_must_open (child);
  g_assert_cmpstr (disk_variant (disk), ==, "differencing");
  g_assert_cmpstr (disk_layer_path (disk, 1), ==, f->path);
  image_write_sector (disk, 512, 9);
  image_expect_sector (disk, 1024, 7);
  disk_unref (disk);
  disk_unref (image_must_open (f->path));
  disk = image_must_open (child);
  image_expect_sector (disk, 512, 9);
  image_expect_sector (disk, 1024, 7);
  disk_unref (disk);
  disk = image_must_open (f->path);
  image_write_sector (disk, 1024, 8);
  disk_unref (disk);
  refuse (child, 0, "has changed since");
}

static void
test_repair (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = image_must_open (f->path);
  uint64_t entries[4];

  image_write_sector (disk, 0, 5);
  disk_unref (disk);
  image_get (f->path, TABLE, entries, 8);
  entries[1] = entries[0];
  entries[2] = ((uint64_t) 1 << 50) | VHDX_FULLY_PRESENT;
  entries[3] = 4;
  image_put (f->path, TABLE, entries, sizeof entries);
  for (int round = 0; round < 3; round++)
    {
      Image *img = image_open (f->path, IMAGE_OPEN_CHECKING, NULL, NULL, &error);
      ImageReport report = { 0 };

      g_assert_no_error (error);
      img->format->check (img, round == 1, &report, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (report.errors, ==, round < 2 ? 3 : 0);
      g_assert_cmpuint (report.repaired, ==, round == 1 ? 3 : 0);
      image_report_clear (&report);
      image_close (img);
    }
  disk = image_must_open (f->path);
  image_expect_sector (disk, 0, 5);
  image_expect_sector (disk, BLOCK, 5);
  image_expect_sector (disk, 2 * (uint64_t) BLOCK, 0);
  disk_unref (disk);
}

static void
test_crc (Fixture *f, gconstpointer data)
{
  g_assert_cmphex (vhdx_crc ("123456789", 9), ==, 0xe3069283);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/vhdx/" name, Fixture, NULL, setup, test, teardown)
  ADD ("crc", test_crc);
  ADD ("hostile-header", test_hostile_header);
  ADD ("hostile-regions", test_hostile_regions);
  ADD ("hostile-metadata", test_hostile_metadata);
  ADD ("hostile-table", test_hostile_table);
  ADD ("log", test_log);
  ADD ("damaged-log", test_damaged_log);
  ADD ("parent", test_parent);
  ADD ("repair", test_repair);
  return g_test_run ();
}
