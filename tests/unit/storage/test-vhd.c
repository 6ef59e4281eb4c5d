/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHD: what hostile and damaged images are answered with, and how the parent is found. */

#include "storage/disk/vhd-private.h"
#include "tests/unit/storage/fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  SIZE = 16 << 20
};

typedef struct
{
  char *folder, *path;
  VhdFooter footer;
  VhdHeader header;
} Fixture;

static void
make (const char *path, const char *variant, const char *base)
{
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "vhd", .variant = variant, .size = SIZE, .base = base };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static off_t
file_size (const char *path)
{
  GStatBuf info;

  g_assert_cmpint (g_stat (path, &info), ==, 0);
  return info.st_size;
}

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("bunshin-vhd-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "disk.vhd", NULL);
  make (f->path, "dynamic", NULL);
  image_get (f->path, 0, &f->footer, sizeof f->footer);
  image_get (f->path, 512, &f->header, sizeof f->header);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  image_remove_folder (f->folder);
  g_free (f->folder);
  g_free (f->path);
}

static void
store (Fixture *f)
{
  vhd_seal_footer (&f->footer);
  vhd_seal_header (&f->header);
  image_put (f->path, 0, &f->footer, sizeof f->footer);
  image_put (f->path, 512, &f->header, sizeof f->header);
}

/* Fails, with a message that names the file and has @words in it. */
static void
refuse (const char *path, const char *words)
{
  image_refused (path, 0, path, words);
}

static void
test_hostile (Fixture *f, gconstpointer data)
{
  const VhdFooter footer = f->footer;
  const VhdHeader header = f->header;
  uint32_t entries[2];

#define TRY(field, value, words)                                                                                       \
  f->footer = footer;                                                                                                  \
  f->header = header;                                                                                                  \
  f->field = value;                                                                                                    \
  store (f);                                                                                                           \
  refuse (f->path, words)

  TRY (footer.version, 0, "version");
  TRY (footer.disk_type, GUINT32_TO_BE (7), "type 7");
  TRY (footer.current_size, 0, "disk of 0");
  TRY (footer.current_size, G_MAXUINT64, "disk of");
  TRY (footer.data_offset, G_MAXUINT64, "outside");
  TRY (footer.data_offset, GUINT64_TO_BE (G_MAXUINT64 - 100), "outside");
  TRY (footer.data_offset, 0, "outside");
  TRY (header.cookie[0], 'x', "not whole");
  TRY (header.header_version, 0, "version");
  TRY (header.block_size, 0, "blocks of 0");
  TRY (header.block_size, GUINT32_TO_BE (3 << 20), "blocks of");
  TRY (header.block_size, GUINT32_TO_BE (1u << 31), "blocks of");
  TRY (header.table_entries, 0, "blocks for a disk");
  TRY (header.table_entries, G_MAXUINT32, "blocks for a disk");
  TRY (header.table_entries, GUINT32_TO_BE (16 << 20), "outside");
  TRY (header.table_offset, G_MAXUINT64, "outside");
  TRY (header.table_offset, 0, "outside");
  TRY (header.table_offset, GUINT64_TO_BE (600), "overlaps");
  TRY (header.table_offset, GUINT64_TO_BE (1538), "not aligned");
#undef TRY
  f->footer = footer;
  f->header = header;
  store (f);
  entries[0] = GUINT32_TO_BE (0x7fffffff);
  image_put (f->path, 1536, entries, 4);
  refuse (f->path, "does not have");
  /* Room for two blocks. */
  g_assert_cmpint (truncate (f->path, 16 << 20), ==, 0);
  image_put (f->path, (16 << 20) - 512, &f->footer, 512);
  entries[0] = GUINT32_TO_BE (1);
  image_put (f->path, 1536, entries, 4);
  refuse (f->path, "overlaps the header");
  entries[0] = GUINT32_TO_BE (100);
  entries[1] = GUINT32_TO_BE (100);
  image_put (f->path, 1536, entries, 8);
  refuse (f->path, "two blocks overlap");
  entries[1] = GUINT32_TO_BE (100 + 4096);
  image_put (f->path, 1536, entries, 8);
  refuse (f->path, "two blocks overlap");
}

/* A check puts it right: the places that make no sense go, and two blocks in one place get one each. */
static void
test_repair (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *block = g_malloc (4096), *back = g_malloc (4096);
  ImageReport report = { 0 };
  Disk *disk = disk_open (f->path, 0, &error);
  uint32_t entries[3];
  Image *img;

  memset (block, 0x5a, 4096);
  g_assert_true (disk_write (disk, 0, block, 4096, &error));
  disk_unref (disk);
  image_get (f->path, 1536, entries, 4);
  entries[1] = entries[0];
  entries[2] = GUINT32_TO_BE (0x7ffffff0);
  image_put (f->path, 1536, entries, sizeof entries);
  refuse (f->path, "");

  img = image_open (f->path, IMAGE_OPEN_CHECKING, NULL, NULL, &error);
  g_assert_no_error (error);
  img->format->check (img, FALSE, &report, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (report.errors, ==, 2);
  g_assert_cmpuint (report.repaired, ==, 0);
  image_report_clear (&report);
  report = (ImageReport){ 0 };
  img->format->check (img, TRUE, &report, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (report.errors, ==, report.repaired);
  image_report_clear (&report);
  image_close (img);

  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2; i++)
    {
      g_assert_true (disk_read (disk, (uint64_t)i * VHD_BLOCK_SIZE, back, 4096, &error));
      g_assert_cmpmem (back, 4096, block, 4096);
    }
  disk_unref (disk);
}

/* Either of the footers is enough for a dynamic image. */
static void
test_one_footer (Fixture *f, gconstpointer data)
{
  static const uint8_t nothing[512];
  g_autoptr (GError) error = NULL;
  off_t size = file_size (f->path);
  Disk *disk;

  g_assert_cmpint (truncate (f->path, size - 512), ==, 0);
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  disk_unref (disk);
  image_put (f->path, (uint64_t)size - 512, &f->footer, 512);
  image_put (f->path, 0, nothing, 512);
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_variant (disk), ==, "dynamic");
  disk_unref (disk);
}

/* Whatever the guest of a fixed image writes at its start, it stays a fixed image. */
static void
test_fixed_stays (Fixture *f, gconstpointer data)
{
  g_autofree char *fixed = g_build_filename (f->folder, "fixed.vhd", NULL);
  g_autoptr (GError) error = NULL;
  Disk *disk;

  make (fixed, "fixed", NULL);
  image_put (fixed, 0, &f->footer, sizeof f->footer);
  image_put (fixed, 512, &f->header, sizeof f->header);
  disk = disk_open (fixed, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_variant (disk), ==, "fixed");
  disk_unref (disk);
  /* With the old footer of 511 bytes too. */
  g_assert_cmpint (truncate (fixed, SIZE + 511), ==, 0);
  disk = disk_open (fixed, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_format_name (disk), ==, "vhd");
  g_assert_cmpuint (disk_size (disk), ==, SIZE);
  disk_unref (disk);
}

/* A map that ends where the first block begins, not begun with a sector: what is written of it leaves the block alone. */
static void
test_map_within_sector (Fixture *f, gconstpointer data)
{
  uint8_t map[32], written[SECTOR_SIZE], found[SECTOR_SIZE];
  uint64_t at = 2048 - sizeof map;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  memset (map, 0xff, sizeof map);
  memset (written, 0xa5, sizeof written);
  image_put (f->path, at, map, sizeof map);
  f->header.table_offset = GUINT64_TO_BE (at);
  store (f);
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  g_assert_true (disk_write (disk, 0, written, sizeof written, &error));
  g_assert_true (disk_flush (disk, &error));
  disk_unref (disk);
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  g_assert_true (disk_read (disk, 0, found, sizeof found, &error));
  g_assert_cmpmem (found, sizeof found, written, sizeof written);
  disk_unref (disk);
}

/* By geometry or by size, as the program that made it does. */
static void
test_size (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *creator;
    gboolean by_geometry;
  } creators[] = { { "vpc ", TRUE },  { "vs  ", TRUE }, { "qemu", TRUE }, { "win ", FALSE },
                   { "qem2", FALSE }, { "d2v", FALSE }, { "vbox", FALSE } };

  f->footer.cylinders = GUINT16_TO_BE (100);
  f->footer.heads = 4;
  f->footer.sectors = 17;
  for (unsigned i = 0; i < G_N_ELEMENTS (creators); i++)
    {
      g_autoptr (GError) error = NULL;
      Disk *disk;

      memcpy (f->footer.creator_application, creators[i].creator, 4);
      store (f);
      disk = disk_open (f->path, DISK_OPEN_READ_ONLY, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (disk_size (disk), ==, creators[i].by_geometry ? 100 * 4 * 17 * 512 : SIZE);
      disk_unref (disk);
    }
}

static void
expect_base (const char *path, const char *base)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, 0, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (disk_layer_path (disk, 1), ==, base);
  disk_unref (disk);
}

static void
test_parent (Fixture *f, gconstpointer data)
{
  g_autofree char *child = g_build_filename (f->folder, "child.vhd", NULL),
                  *moved = g_build_filename (f->folder, "moved.vhd", NULL),
                  *other = g_build_filename (f->folder, "other.raw", NULL);
  g_autoptr (GError) error = NULL;
  DiskCreateOptions raw = { .format = "raw", .size = SIZE },
                    over_raw = { .format = "vhd", .size = SIZE, .base = other };

  make (child, "dynamic", f->path);
  expect_base (child, f->path);
  /* Renamed: found by its UUID. */
  g_assert_cmpint (g_rename (f->path, moved), ==, 0);
  expect_base (child, moved);
  /* Another one in its place. */
  make (f->path, "dynamic", NULL);
  refuse (child, "is not the image it was based on");
  g_assert_cmpint (g_unlink (f->path), ==, 0);
  g_assert_cmpint (g_unlink (moved), ==, 0);
  refuse (child, "parent");

  g_assert_true (disk_create (other, &raw, &error));
  g_assert_cmpint (g_unlink (child), ==, 0);
  g_assert_false (disk_create (child, &over_raw, &error));
  g_assert_nonnull (strstr (error->message, "another VHD"));
}

/* A name that leads out of the folder is not followed unasked. */
static void
test_parent_outside (Fixture *f, gconstpointer data)
{
  g_autofree char *folder = g_dir_make_tmp ("bunshin-vhd-XXXXXX", NULL),
                  *child = g_build_filename (folder, "child.vhd", NULL);
  g_autoptr (GError) error = NULL;
  Disk *disk;

  make (child, "dynamic", f->path);
  refuse (child, "not followed unasked");
  disk = disk_open (child, DISK_OPEN_TRUST, &error);
  g_assert_no_error (error);
  disk_unref (disk);
  g_unlink (child);
  g_rmdir (folder);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->folder, "large.vhd", NULL);
  g_autoptr (GError) error = NULL;
  DiskCreateOptions options = { .format = "vhd", .size = VHD_SIZE_MAX + 512 };

  g_assert_false (disk_create (path, &options, &error));
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  options.size = VHD_SIZE_MAX;
  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/vhd/" name, Fixture, NULL, setup, test, teardown)
  ADD ("hostile", test_hostile);
  ADD ("repair", test_repair);
  ADD ("one-footer", test_one_footer);
  ADD ("fixed-stays", test_fixed_stays);
  ADD ("map-within-sector", test_map_within_sector);
  ADD ("size", test_size);
  ADD ("parent", test_parent);
  ADD ("parent-outside", test_parent_outside);
  ADD ("limit", test_limit);
  return g_test_run ();
}
