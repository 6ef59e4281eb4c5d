/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deleting snapshots, and what that will do. */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

void
snapshot_delete_files (const SnapshotTree *tree, const LibrarySnapshot *snapshot)
{
  g_autofree char *state = snapshot_tree_file (tree, snapshot->uuid, "state"),
                  *thumbnail = snapshot_tree_file (tree, snapshot->uuid, "png");

  g_unlink (state);
  g_unlink (thumbnail);
}

gboolean
snapshot_remove (Library *library, const SnapshotTree *tree, const LibrarySnapshot *snapshot, GError **error)
{
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_remove_snapshot (library, snapshot, error)
       && (!snapshot->finished || strcmp (snapshot->kind, "drive") == 0
           || library_insert_work (library, tree->id, "delete", snapshot->name, NULL, error));
  if (!library_sql_end (library, ok, error))
    return FALSE;
  snapshot_delete_files (tree, snapshot);
  return TRUE;
}

/* The snapshot, which is not a test drive's. */
static LibrarySnapshot *
find_own (const SnapshotTree *tree, const char *uuid, GError **error)
{
  LibrarySnapshot *snapshot = snapshot_tree_find (tree, uuid, error);

  if (!snapshot || strcmp (snapshot->kind, "drive") != 0)
    return snapshot;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
               _("the machine “%s” is on a test drive: that is to be ended, not deleted"), tree->machine->name);
  return NULL;
}

gboolean
snapshot_delete (Library *library, const char *machine_uuid, const char *snapshot_uuid, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine_uuid, error);
  const LibrarySnapshot *snapshot = tree ? find_own (tree, snapshot_uuid, error) : NULL;

  return snapshot && snapshot_remove (library, tree, snapshot, error);
}

/* What merging @upper into what it lies over copies and frees. */
static gboolean
forecast_merge (const LibraryImage *upper, SnapshotForecast *forecast, GError **error)
{
  g_auto (GStrv) chain = snapshot_chain (upper);
  const LibraryImage *root = upper;
  DiskOpenOptions look = { .flags = DISK_OPEN_LOOK, .format = upper->format, .chain = (const char *const *) chain };
  uint64_t size = snapshot_file_size (upper->path), held = 0, shared = 0, grows;
  Disk *disk;
  gboolean ok;

  while (root->base)
    root = root->base;
  if (root->trusted)
    look.flags |= DISK_OPEN_TRUST;
  disk = disk_open_with (upper->path, &look, error);
  if (!disk)
    return FALSE;
  ok = disk_layer_usage (disk, 0, &held, &shared, error);
  disk_unref (disk);
  if (!ok)
    return FALSE;
  grows = held > shared ? held - shared : 0;
  forecast->copies += held;
  forecast->frees += size > grows ? size - grows : 0;
  return TRUE;
}

/* @upper's place in the picture goes to the image below it. */
static void
imagine_merge (LibraryImage *lower)
{
  LibraryImage *upper = lower->children->pdata[0];

  lower->attachments = upper->attachments;
  lower->snapshots = upper->snapshots;
  lower->owner = upper->owner;
  g_ptr_array_set_size (lower->children, 0);
  for (unsigned i = 0; i < upper->children->len; i++)
    g_ptr_array_add (lower->children, upper->children->pdata[i]);
  /* Its base stays: the file is still as it is, should it be merged on. */
  g_ptr_array_set_size (upper->children, 0);
  upper->attachments = 1;
}

/* One step of what tidying would do from @image on towards the root. FALSE: an error. */
static gboolean
imagine (const SnapshotTree *tree, LibraryImage *image, SnapshotForecast *forecast, GError **error)
{
  while (image && !library_image_is_referred (image))
    {
      LibraryImage *base = image->base;

      if (image->children->len == 0 && image->is_layer && base && image->owner == tree->id)
        {
          forecast->frees += snapshot_file_size (image->path);
          g_ptr_array_remove (base->children, image);
          image->attachments = 1; /* it is done with */
        }
      else if (snapshot_tree_can_merge (tree, image))
        {
          if (!forecast_merge (image->children->pdata[0], forecast, error))
            return FALSE;
          imagine_merge (image);
        }
      else
        {
          forecast->waits |= image->children->len > 0;
          return TRUE;
        }
      image = base;
    }
  return TRUE;
}

/* What a file frees when it goes: nothing while it has another name. */
static uint64_t
file_frees (const SnapshotTree *tree, const LibrarySnapshot *snapshot, const char *ending)
{
  g_autofree char *path = snapshot_tree_file (tree, snapshot->uuid, ending);
  struct stat info;

  return g_stat (path, &info) == 0 && info.st_nlink == 1 ? (uint64_t) info.st_blocks * 512 : 0;
}

gboolean
snapshot_forecast_delete (Library *library, const char *machine_uuid, const char *snapshot_uuid,
                          SnapshotForecast *forecast, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine_uuid, error);
  const LibrarySnapshot *snapshot = tree ? find_own (tree, snapshot_uuid, error) : NULL;

  *forecast = (SnapshotForecast){ 0 };
  if (!snapshot)
    return FALSE;
  forecast->frees = file_frees (tree, snapshot, "state") + file_frees (tree, snapshot, "png");
  for (unsigned i = 0; i < snapshot->disks->len; i++)
    {
      LibraryImage *image
          = library_image (tree->images, g_array_index (snapshot->disks, LibrarySnapshotDisk, i).medium);

      if (!image)
        continue;
      image->snapshots--;
      if (!imagine (tree, image, forecast, error))
        return FALSE;
    }
  return TRUE;
}
