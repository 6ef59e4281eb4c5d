/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partition tables: as they are written, and as somebody hostile might. */

#include "storage/inspect/volumes.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  SECTOR = 512,
  SECTORS = 32768
};

typedef struct
{
  char *folder, *path;
  uint8_t *data;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-volumes-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "disk.raw", NULL);
  f->data = g_malloc0 (SECTORS * SECTOR);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  g_unlink (f->path);
  g_rmdir (f->folder);
  g_free (f->path);
  g_free (f->folder);
  g_free (f->data);
}

static void
put32 (uint8_t *at, uint32_t value)
{
  value = GUINT32_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static void
put64 (uint8_t *at, uint64_t value)
{
  value = GUINT64_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

/* Entry @index of the boot record in sector @at. */
static void
put_entry (Fixture *f, unsigned at, unsigned index, uint8_t type, uint32_t first, uint32_t count)
{
  uint8_t *record = f->data + at * SECTOR, *entry = record + 446 + index * 16;

  record[510] = 0x55;
  record[511] = 0xaa;
  entry[4] = type;
  put32 (entry + 8, first);
  put32 (entry + 12, count);
}

static GArray *
find (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;
  GArray *volumes;

  g_assert_true (g_file_set_contents (f->path, (const char *) f->data, SECTORS * SECTOR, NULL));
  disk = disk_open (f->path, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  volumes = volumes_find (disk, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < volumes->len; i++)
    {
      const Volume *v = &g_array_index (volumes, Volume, i);

      g_assert_cmpuint (v->length, >, 0);
      g_assert_cmpuint (v->start, <, SECTORS * SECTOR);
      g_assert_cmpuint (v->length, <=, SECTORS * SECTOR - v->start);
    }
  return volumes;
}

static void
expect (const GArray *volumes, guint index, unsigned number, uint64_t first, uint64_t count)
{
  const Volume *v = &g_array_index (volumes, Volume, index);

  g_assert_cmpuint (index, <, volumes->len);
  g_assert_cmpuint (v->number, ==, number);
  g_assert_cmpuint (v->start, ==, first * SECTOR);
  g_assert_cmpuint (v->length, ==, count * SECTOR);
}

static void
undivided (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) blank = find (f), ntfs = NULL;

  g_assert_cmpuint (blank->len, ==, 1);
  expect (blank, 0, 0, 0, SECTORS);
  /* Its boot sector ends like a boot record. */
  memcpy (f->data + 3, "NTFS    ", 8);
  f->data[510] = 0x55;
  f->data[511] = 0xaa;
  ntfs = find (f);
  g_assert_cmpuint (ntfs->len, ==, 1);
  expect (ntfs, 0, 0, 0, SECTORS);
}

static void
boot_record (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) volumes = NULL;

  put_entry (f, 0, 0, 0x83, 2048, 4096);
  put_entry (f, 0, 1, 0x07, 6144, 1024);
  put_entry (f, 0, 3, 0x05, 8192, 16384);
  put_entry (f, 8192, 0, 0x83, 64, 1000);
  put_entry (f, 8192, 1, 0x05, 2048, 2048);
  put_entry (f, 8192 + 2048, 0, 0x82, 64, 1001);
  volumes = find (f);
  g_assert_cmpuint (volumes->len, ==, 4);
  expect (volumes, 0, 1, 2048, 4096);
  expect (volumes, 1, 2, 6144, 1024);
  expect (volumes, 2, 5, 8192 + 64, 1000);
  expect (volumes, 3, 6, 8192 + 2048 + 64, 1001);
}

/* Beyond the end, in a circle, without an end. */
static void
bad_boot_record (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) volumes = NULL;

  put_entry (f, 0, 0, 0x83, SECTORS - 8, 100);
  put_entry (f, 0, 1, 0x83, SECTORS, 100);
  put_entry (f, 0, 2, 0x83, 100, G_MAXUINT32);
  put_entry (f, 0, 3, 0x05, 8192, 16384);
  put_entry (f, 8192, 0, 0x83, G_MAXUINT32, 10);
  put_entry (f, 8192, 1, 0x05, 1, 10);
  put_entry (f, 8193, 1, 0x05, 0, 10);
  volumes = find (f);
  g_assert_cmpuint (volumes->len, ==, 2);
  expect (volumes, 0, 1, SECTORS - 8, 8);
  expect (volumes, 1, 3, 100, SECTORS - 100);
}

static void
put_gpt (Fixture *f, uint64_t table, uint32_t count, uint32_t size)
{
  uint8_t *header = f->data + SECTOR;

  put_entry (f, 0, 0, 0xee, 1, SECTORS - 1);
  memcpy (header, "EFI PART", 8);
  put64 (header + 72, table);
  put32 (header + 80, count);
  put32 (header + 84, size);
}

static void
put_gpt_entry (Fixture *f, unsigned index, uint64_t first, uint64_t last)
{
  uint8_t *entry = f->data + 2 * SECTOR + index * 128;

  memset (entry, 0x11, 16);
  put64 (entry + 32, first);
  put64 (entry + 40, last);
}

static void
gpt (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) volumes = NULL;

  put_gpt (f, 2, 128, 128);
  put_gpt_entry (f, 0, 2048, 4095);
  put_gpt_entry (f, 14, 4096, 4096);
  volumes = find (f);
  g_assert_cmpuint (volumes->len, ==, 2);
  expect (volumes, 0, 1, 2048, 2048);
  expect (volumes, 1, 15, 4096, 1);
}

static void
bad_gpt (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    uint64_t table;
    uint32_t count, size;
  } tables[] = {
    { G_MAXUINT64, 128, 128 }, { SECTORS, 128, 128 }, { SECTORS - 1, G_MAXUINT32, 128 }, { 2, G_MAXUINT32, G_MAXUINT32 },
    { 2, 4, 1 }, { (G_MAXUINT64 >> 9) + 1, 128, 128 },
  };

  put_gpt_entry (f, 0, 0, G_MAXUINT64);
  put_gpt_entry (f, 1, 10, 9);
  put_gpt_entry (f, 2, G_MAXUINT64 - 1, G_MAXUINT64 - 1);
  put_gpt_entry (f, 3, 100, G_MAXUINT64 - 1);
  for (unsigned i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      g_autoptr (GArray) volumes = NULL;

      put_gpt (f, tables[i].table, tables[i].count, tables[i].size);
      volumes = find (f); /* which looks at the bounds of all */
      g_assert_cmpuint (volumes->len, ==, 1);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/volumes/" name, Fixture, NULL, setup, function, teardown)
  ADD ("undivided", undivided);
  ADD ("boot-record", boot_record);
  ADD ("bad-boot-record", bad_boot_record);
  ADD ("gpt", gpt);
  ADD ("bad-gpt", bad_gpt);
  return g_test_run ();
}
