/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging a layer at a moment that is chosen, not met by chance. */

#include "storage/disk/disk-private.h"
#include "tests/unit/storage/fixture.h"

#include <glib/gstdio.h>
#include <string.h>

enum
{
  SIZE = 8 << 20,
  ROUNDS = 40
};

typedef struct
{
  Disk *disk;
  uint64_t offset;
  uint8_t data[SECTOR_SIZE];
} Writer;

static void
push (Disk *disk, const char *path)
{
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

static gpointer
merge (gpointer data)
{
  const DiskMerge options = { 0 };
  g_autoptr (GError) error = NULL;

  disk_merge_layer (data, 0, &options, &error);
  g_assert_no_error (error);
  return NULL;
}

static gboolean
is_held (Disk *d)
{
  return d->held;
}

static gboolean
has_two_waiting (Disk *d)
{
  return d->waiting == 2;
}

/* The merge has looked at what the layer holds: it waits for this write, has everything stand still to end, or has ended
 * before this began. */
static gboolean
is_past_copying (Disk *d)
{
  return d->held || !d->merging || !g_queue_is_empty (&d->claims);
}

static void
wait_until (Disk *d, gboolean (*is_so) (Disk *))
{
  g_mutex_lock (&d->lock);
  while (!is_so (d))
    {
      g_mutex_unlock (&d->lock);
      g_thread_yield ();
      g_mutex_lock (&d->lock);
    }
  g_mutex_unlock (&d->lock);
}

/* A write that takes its time: it begins when the merge first lets requests go on. */
static gpointer
write_slowly (gpointer data)
{
  Writer *w = data;
  Disk *d = w->disk;
  DiskRequest r = { .op = DISK_WRITE, .offset = w->offset, .buffer = w->data, .length = sizeof w->data };
  g_autoptr (GError) error = NULL;

  disk_enter (d, &r);
  wait_until (d, is_past_copying);
  d->image->format->write (d->image, w->offset, w->data, sizeof w->data, &error);
  g_assert_no_error (error);
  disk_leave (d, &r);
  return NULL;
}

/* What is under way when a merge begins to note what is written is in no map yet, and was begun before. */
static void
test_under_way (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bunshin-merge-XXXXXX", NULL),
                  *root = g_build_filename (folder, "root.vdi", NULL), *top = g_build_filename (folder, "top.qcow2", NULL);
  const DiskCreateOptions options = { .format = "vdi", .size = SIZE };
  g_autoptr (GError) error = NULL;
  Disk *d;

  disk_create (root, &options, &error);
  g_assert_no_error (error);
  d = image_must_open (root);
  for (unsigned i = 0; i < ROUNDS; i++)
    {
      Writer w = { .disk = d, .offset = (uint64_t) i * (128 << 10) };
      DiskRequest first = { .op = DISK_READ };
      uint8_t found[SECTOR_SIZE];
      GThread *merging, *writing;

      memset (w.data, (int) i + 1, sizeof w.data);
      push (d, top);
      disk_enter (d, &first);
      merging = g_thread_new ("merge", merge, d);
      wait_until (d, is_held);
      writing = g_thread_new ("writer", write_slowly, &w);
      wait_until (d, has_two_waiting);
      disk_leave (d, &first);
      g_thread_join (writing);
      g_thread_join (merging);
      g_assert_cmpstr (disk_path (d), ==, root);
      g_assert_cmpint (g_unlink (top), ==, 0);
      disk_read (d, w.offset, found, sizeof found, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (found, sizeof found, w.data, sizeof w.data);
    }
  disk_unref (d);
  image_remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/merge/under-way", test_under_way);
  return g_test_run ();
}
