/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many requests at a time: neighbours that share a unit which has no room yet, some that
 * overlap, zeros, discards and flushes among them. What overlaps keeps its order, so that a
 * copy in memory, changed in the order of submission, says what is to be read.
 */

#include "storage/disk/disk.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  SECTOR = 512,
  SIZE = 12 * 1024 * 1024 + SECTOR,
  REQUESTS = 3000,
  DEPTH = 32,
  LENGTH_MAX = 80 /* sectors */
};

typedef struct
{
  DiskRequest request;
  uint8_t buffer[LENGTH_MAX * SECTOR], expected[LENGTH_MAX * SECTOR];
  gboolean busy;
} Slot;

static void
on_done (DiskRequest *request)
{
  Slot *slot = request->opaque;

  g_assert_no_error (request->error);
  if (request->op == DISK_READ)
    g_assert_cmpmem (slot->buffer, request->length, slot->expected, request->length);
  slot->busy = FALSE;
}

static void
submit (Disk *disk, Slot *slot, uint8_t *copy)
{
  static const DiskOp ops[] = { DISK_WRITE, DISK_WRITE, DISK_WRITE, DISK_WRITE, DISK_READ, DISK_READ, DISK_ZERO, DISK_FLUSH };
  DiskOp op = ops[g_test_rand_int_range (0, G_N_ELEMENTS (ops))];
  size_t length = SECTOR * (size_t) g_test_rand_int_range (1, LENGTH_MAX + 1);
  /* Close together, so that they meet. */
  uint64_t at = SECTOR * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / SECTOR) + 1);

  slot->request = (DiskRequest) { .op = op, .done = on_done, .opaque = slot, .buffer = slot->buffer };
  if (op != DISK_FLUSH)
    {
      slot->request.offset = at;
      slot->request.length = length;
    }
  if (op == DISK_WRITE)
    {
      memset (slot->buffer, g_test_rand_int_range (0, 256), length);
      memcpy (copy + at, slot->buffer, length);
      slot->request.force = g_test_rand_int_range (0, 50) == 0;
    }
  else if (op == DISK_ZERO)
    memset (copy + at, 0, length);
  else if (op == DISK_READ)
    memcpy (slot->expected, copy + at, length);
  slot->busy = TRUE;
  disk_submit (disk, &slot->request);
}

static void
work (Disk *disk, uint8_t *copy)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autofree Slot *slots = g_new0 (Slot, DEPTH);
  unsigned left = REQUESTS, busy;

  disk_set_context (disk, context);
  do
    {
      busy = 0;
      for (unsigned i = 0; i < DEPTH; i++)
        {
          if (!slots[i].busy && left > 0)
            {
              submit (disk, &slots[i], copy);
              left--;
            }
          busy += slots[i].busy;
        }
      if (busy > 0)
        g_main_context_iteration (context, TRUE);
    }
  while (busy > 0);
}

static void
test_parallel (gconstpointer data)
{
  g_auto (GStrv) words = g_strsplit (data, ":", 3);
  g_autofree char *folder = g_dir_make_tmp ("bunshin-parallel-XXXXXX", NULL);
  g_autofree char *base = g_strdup_printf ("%s/base.%s", folder, words[0]);
  g_autofree char *path = g_strdup_printf ("%s/disk.%s", folder, words[0]);
  g_autofree uint8_t *copy = g_malloc0 (SIZE), *back = g_malloc (SIZE);
  gboolean over_base = words[1] != NULL;
  g_autoptr (GError) error = NULL;
  DiskReport report;

  for (unsigned layer = !over_base; layer < 2; layer++)
    {
      const DiskCreateOptions options = { .format = words[0], .size = SIZE, .base = layer == 1 && over_base ? base : NULL };
      Disk *disk;

      disk_create (layer == 0 ? base : path, &options, &error);
      g_assert_no_error (error);
      disk = disk_open (layer == 0 ? base : path, 0, &error);
      g_assert_no_error (error);
      work (disk, copy);
      disk_unref (disk);
    }
  {
    g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_READ_ONLY, &error);

    g_assert_no_error (error);
    g_assert_true (disk_read (disk, 0, back, SIZE, &error));
    g_assert_true (memcmp (back, copy, SIZE) == 0);
  }
  g_assert_true (disk_check (path, NULL, &report, NULL, &error));
  g_assert_cmpuint (report.errors, ==, 0);
  disk_report_clear (&report);
  g_unlink (path);
  g_unlink (base);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  static const char *const kinds[] = { "raw", "vdi", "vdi:over-base", "qcow2", "qcow2:over-base", "vhd", "vhd:over-base",
                                       "vmdk", "vmdk:over-base", "hdd" };

  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *name = g_strdup_printf ("/parallel/%s", kinds[i]);

      g_test_add_data_func (name, kinds[i], test_parallel);
    }
  return g_test_run ();
}
