/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking snapshots. The files of the new layers are made, and durable, before the transaction that makes the snapshot: a
 * run that is killed before it leaves files that nobody knows, one that is killed after it leaves a snapshot that says
 * that it is unfinished. While one is being taken the folder is held, so that nobody takes its files for leftovers.
 */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct SnapshotTake
{
  Library *library;
  SnapshotTree *tree;
  LibrarySnapshot *row;
  GPtrArray *layers; /* of SnapshotLayer */
  char *state_path, *thumbnail_path;
  const LibrarySnapshot *remove; /* one that goes in the same transaction; borrowed */
  int hold;
  gboolean is_committed;
};

void
snapshot_layer_free (SnapshotLayer *layer)
{
  if (!layer)
    return;
  g_free (layer->disk.slot);
  g_free (layer->disk.base);
  g_free (layer->disk.layer);
  g_free (layer->uuid);
  g_free (layer->base_format);
  g_free (layer);
}

SnapshotLayer *
snapshot_layer_create (const char *folder, const LibraryAttachment *drive, const LibraryImage *image, gboolean whole,
                       GError **error)
{
  g_auto (GStrv) chain = whole ? snapshot_chain (image) : NULL;
  DiskOpenOptions look = { .flags = DISK_OPEN_LOOK | (whole ? 0 : DISK_OPEN_LAYER) | (drive->trusted ? DISK_OPEN_TRUST : 0),
                           .format = image->format,
                           .chain = (const char *const *) chain };
  DiskCreateOptions create = { .format = "qcow2", .base = image->path };
  g_autofree char *name = NULL;
  Disk *disk = disk_open_with (image->path, &look, error);
  SnapshotLayer *layer;

  if (!disk)
    return NULL;
  layer = g_new0 (SnapshotLayer, 1);
  layer->uuid = g_uuid_string_random ();
  name = g_strconcat (layer->uuid, ".qcow2", NULL);
  layer->disk.controller = drive->controller;
  layer->disk.unit = drive->unit;
  layer->disk.slot = library_attachment_slot (drive);
  layer->disk.base = g_strdup (image->path);
  layer->disk.layer = g_build_filename (folder, name, NULL);
  layer->base_format = g_strdup (disk_format_name (disk));
  layer->base_id = image->id;
  layer->trusted = drive->trusted;
  create.size = disk_size (disk);
  create.base_format = layer->base_format;
  disk_unref (disk);
  if (!disk_create (layer->disk.layer, &create, error))
    g_clear_pointer (&layer, snapshot_layer_free);
  return layer;
}

gboolean
snapshot_layer_insert (Library *library, const SnapshotLayer *layer, int64_t owner, GError **error)
{
  /* From now on the image at the bottom is what it was found to be, whatever a guest wrote into it. */
  return library_insert_layer (library, layer->uuid, layer->disk.layer, layer->base_id, owner, error)
         && library_sql_run (library, error,
                             "UPDATE medium SET format = coalesce (format, ?), trust = ?, owner = coalesce (owner, ?) "
                             "WHERE id = ? AND base IS NULL",
                             "siii", layer->base_format, (int64_t) layer->trusted, owner, layer->base_id);
}

/* The machine's name that has the disk, other than this one. Caller frees; NULL: none. */
static char *
other_user (Library *library, const SnapshotTree *tree, const LibraryImage *image)
{
  g_autoptr (sqlite3_stmt) statement = library_sql_prepare (
      library, NULL, "SELECT name FROM machine JOIN attachment a ON a.machine = machine.id WHERE a.medium = ? "
      "AND machine.id <> ?", "ii", image->id, tree->id);

  return statement && library_sql_step (library, statement, NULL) > 0 ? library_sql_text (statement, 0) : NULL;
}

/* The image that is the top of the drive now. */
static LibraryImage *
find_top (Library *library, const SnapshotTree *tree, const LibraryAttachment *drive, GError **error)
{
  const LibraryAttachment *stored = library_machine_find_attachment (tree->machine, drive->controller, drive->unit);
  LibraryImage *image = stored && stored->kind == LIBRARY_MEDIUM_DISK ? snapshot_tree_image (tree, stored->path) : NULL;
  LibraryImage *named = snapshot_tree_image (tree, drive->path), *below = image;
  g_autofree char *slot = library_attachment_slot (drive), *user = NULL, *shown = disk_shown_path (drive->path);

  /* The record may be of a time before another snapshot; but a machine that is to have another disk after its next start
   * runs on the old one. */
  while (below && named && below != named)
    below = below->base;
  if (!image || !below)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                   _("%s: the disk was changed since the machine “%s” was started"), slot, tree->machine->name);
      return NULL;
    }
  if (disk_is_remote (image->path))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                   _("%s: “%s” is on a server: there are no snapshots of such a disk"), slot, shown);
      return NULL;
    }
  user = other_user (library, tree, image);
  if (user)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                   _("%s: “%s” is also a disk of the machine “%s”, which could not use it any more"), slot, image->path,
                   user);
      return NULL;
    }
  return image;
}

/* “Snapshot N”, which no other one is called. Caller frees. */
static char *
pick_name (const SnapshotTree *tree)
{
  for (unsigned n = tree->snapshots->len + 1;; n++)
    {
      g_autofree char *name = g_strdup_printf (_("Snapshot %u"), n);
      gboolean is_taken = FALSE;

      for (unsigned i = 0; i < tree->snapshots->len; i++)
        is_taken |= strcmp (((LibrarySnapshot *) tree->snapshots->pdata[i])->name, name) == 0;
      if (!is_taken)
        return g_steal_pointer (&name);
    }
}

static const char *
kind_word (SnapshotKind kind)
{
  return kind == SNAPSHOT_DRIVE ? "drive" : kind == SNAPSHOT_AUTOMATIC ? "automatic" : "user";
}

static gboolean
make_layers (SnapshotTake *take, const LibraryMachine *machine, GError **error)
{
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = machine->attachments->pdata[i];
      SnapshotLayer *layer;
      LibraryImage *top;
      LibrarySnapshotDisk disk;

      if (drive->kind != LIBRARY_MEDIUM_DISK)
        continue;
      top = find_top (take->library, take->tree, drive, error);
      layer = top ? snapshot_layer_create (take->tree->folder, drive, top, FALSE, error) : NULL;
      if (!layer)
        return FALSE;
      g_ptr_array_add (take->layers, layer);
      disk = (LibrarySnapshotDisk){ drive->controller, drive->unit, top->id };
      g_array_append_val (take->row->disks, disk);
    }
  return TRUE;
}

/* What all of its files will take, but for a state of memory, whose size nobody knows yet. */
static uint64_t
space_needed (const LibraryMachine *machine, const SnapshotOptions *options)
{
  uint64_t needed = SNAPSHOT_LAYER_SPACE + (options->thumbnail ? g_bytes_get_size (options->thumbnail) : 0);

  for (unsigned i = 0; i < machine->attachments->len; i++)
    if (((LibraryAttachment *) machine->attachments->pdata[i])->kind == LIBRARY_MEDIUM_DISK)
      needed += SNAPSHOT_LAYER_SPACE;
  return needed;
}

static gboolean
begin (SnapshotTake *take, const LibraryMachine *machine, const SnapshotOptions *options, GError **error)
{
  take->tree = snapshot_tree_load (take->library, machine->uuid, error);
  if (!take->tree || !snapshot_make_folder (take->tree->machine, error)
      || !snapshot_check_space (take->tree->folder, space_needed (machine, options), error))
    return FALSE;
  take->hold = snapshot_hold_folder (take->tree->folder, FALSE);
  take->row->uuid = g_uuid_string_random ();
  take->row->name = options->name ? g_strdup (options->name) : pick_name (take->tree);
  take->row->description = options->description && *options->description ? g_strdup (options->description) : NULL;
  take->row->kind = g_strdup (kind_word (options->kind));
  take->row->created = g_get_real_time () / G_USEC_PER_SEC;
  take->row->settings = snapshot_settings_format (machine);
  take->row->has_thumbnail = options->thumbnail != NULL;
  take->state_path = snapshot_tree_file (take->tree, take->row->uuid, "state");
  take->thumbnail_path = snapshot_tree_file (take->tree, take->row->uuid, "png");
  if (!snapshot_name_validate (take->row->name, error) || !make_layers (take, machine, error))
    return FALSE;
  return (!options->thumbnail || snapshot_write_file (take->thumbnail_path, options->thumbnail, error))
         && library_sync_folder (take->tree->folder, error);
}

SnapshotTake *
snapshot_take_begin (Library *library, const LibraryMachine *machine, const SnapshotOptions *options, GError **error)
{
  g_autoptr (SnapshotTake) take = g_new0 (SnapshotTake, 1);

  take->library = library;
  take->hold = -1;
  take->layers = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_layer_free);
  take->row = g_new0 (LibrarySnapshot, 1);
  take->row->disks = g_array_new (FALSE, FALSE, sizeof (LibrarySnapshotDisk));
  if (!begin (take, machine, options, error))
    return NULL;
  /* So that it does not fall into the commit, for which the machine stands still. */
  library_sql_checkpoint (library);
  return g_steal_pointer (&take);
}

GPtrArray *
snapshot_take_disks (SnapshotTake *take)
{
  return take->layers;
}

const char *
snapshot_take_state_path (SnapshotTake *take)
{
  return take->state_path;
}

const char *
snapshot_take_uuid (SnapshotTake *take)
{
  return take->row->uuid;
}

/* The layer's row, and the drive holds it. */
static gboolean
put_over (SnapshotTake *take, const SnapshotLayer *layer, GError **error)
{
  const char *controller = library_controller_name (layer->disk.controller);
  int64_t unit = layer->disk.unit, is_there = 0, id = 0;

  if (!library_sql_int (take->library, error, &is_there,
                        "SELECT count(*) FROM attachment WHERE machine = ? AND controller = ? AND unit = ? "
                        "AND medium = ?", "isii", take->tree->id, controller, unit, layer->base_id))
    return FALSE;
  if (!is_there)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                   _("%s: the disk was changed while a snapshot was being taken"), layer->disk.slot);
      return FALSE;
    }
  return snapshot_layer_insert (take->library, layer, take->tree->id, error)
         && library_sql_int (take->library, error, &id, "SELECT id FROM medium WHERE uuid = ?", "s", layer->uuid)
         && library_sql_run (take->library, error,
                             "UPDATE attachment SET medium = ? WHERE machine = ? AND controller = ? AND unit = ?",
                             "iisi", id, take->tree->id, controller, unit);
}

gboolean
snapshot_take_commit (SnapshotTake *take, GError **error)
{
  gboolean ok;

  if (!library_sql_begin (take->library, error))
    return FALSE;
  ok = TRUE;
  for (unsigned i = 0; ok && i < take->layers->len; i++)
    ok = put_over (take, take->layers->pdata[i], error);
  ok = ok && library_insert_snapshot (take->library, take->tree->id, take->row, error);
  ok = ok && (!take->remove || library_remove_snapshot (take->library, take->remove, error));
  take->is_committed = library_sql_end (take->library, ok, error);
  return take->is_committed;
}

/* The file's contents are durable. */
static gboolean
sync_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  gboolean ok = fd >= 0 && fsync (fd) == 0;

  if (!ok)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot write “%s”: %s"), path,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
snapshot_take_finish (SnapshotTake *take, gboolean has_state, GError **error)
{
  if (has_state && (!sync_file (take->state_path, error) || !library_sync_folder (take->tree->folder, error)))
    return FALSE;
  if (!library_sql_run (take->library, error, "UPDATE snapshot SET finished = 1, state = ? WHERE id = ?", "ii",
                        (int64_t) (has_state != FALSE), take->row->id))
    return FALSE;
  take->row->finished = TRUE;
  take->row->has_state = has_state;
  if (!has_state)
    g_unlink (take->state_path);
  return TRUE;
}

/* Before the transaction nobody knows of it. */
static void
forget (SnapshotTake *take)
{
  for (unsigned i = 0; i < take->layers->len; i++)
    g_unlink (((SnapshotLayer *) take->layers->pdata[i])->disk.layer);
  if (take->state_path)
    g_unlink (take->state_path);
  if (take->thumbnail_path)
    g_unlink (take->thumbnail_path);
}

void
snapshot_take_free (SnapshotTake *take)
{
  g_autoptr (GError) error = NULL;

  if (!take)
    return;
  if (!take->is_committed)
    forget (take);
  else if (!take->row->finished && !snapshot_remove (take->library, take->tree, take->row, &error))
    g_debug ("the unfinished snapshot is left for the next tidying: %s", error->message);
  if (take->hold >= 0)
    close (take->hold);
  snapshot_tree_free (take->tree);
  library_snapshot_free (take->row);
  g_ptr_array_unref (take->layers);
  g_free (take->state_path);
  g_free (take->thumbnail_path);
  g_free (take);
}

char *
snapshot_take_instead (Library *library, const LibraryMachine *machine, const SnapshotOptions *options,
                       const LibrarySnapshot *remove, GError **error)
{
  g_autofree char *saved = library_saved_state_path (machine);
  g_autoptr (SnapshotTake) take = snapshot_take_begin (library, machine, options, error);

  if (!take)
    return NULL;
  if (g_file_test (saved, G_FILE_TEST_EXISTS))
    {
      if (!snapshot_link_file (saved, take->state_path, error)
          || !library_sync_folder (take->tree->folder, error))
        return NULL;
      take->row->has_state = TRUE;
    }
  /* There is nothing to come after the transaction. */
  take->row->finished = TRUE;
  take->remove = remove;
  if (!snapshot_take_commit (take, error))
    return NULL;
  if (remove)
    snapshot_delete_files (take->tree, remove);
  return g_strdup (take->row->uuid);
}

char *
snapshot_take_off (Library *library, const LibraryMachine *machine, const SnapshotOptions *options, GError **error)
{
  return snapshot_recover (library, machine->uuid, NULL, error)
             ? snapshot_take_instead (library, machine, options, NULL, error)
             : NULL;
}
