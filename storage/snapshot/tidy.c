/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tidying: what an interrupted run left is finished or undone, what nothing needs is removed, and an image that only one
 * layer needs takes in what that holds. Every step is whole in itself: the library says at each moment which files hold
 * what, and who finds one that it does not know may delete it.
 */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- What an interrupted run left --- */

static void G_GNUC_PRINTF (2, 3)
say (GPtrArray *did, const char *format, ...)
{
  va_list args;

  if (!did)
    return;
  va_start (args, format);
  g_ptr_array_add (did, g_strdup_vprintf (format, args));
  va_end (args);
}

/* Going back whose transaction was the last thing that was done. */
static gboolean
finish_restores (Library *library, const SnapshotTree *tree, GPtrArray *did, GError **error)
{
  g_autoptr (GPtrArray) all = library_load_work (library, tree->id, error);

  for (unsigned i = 0; all && i < all->len; i++)
    {
      const LibraryWork *work = all->pdata[i];

      if (strcmp (work->verb, "restore") != 0)
        continue;
      if (!snapshot_finish_work (library, tree, work, error))
        return FALSE;
      if (*work->name)
        say (did, _("finished going back to the snapshot “%s”, which had been interrupted"), work->name);
      else
        say (did, _("finished going back to what the machine was before a test drive, which had been interrupted"));
    }
  return all != NULL;
}

/* Nobody is taking one now: what is not finished never will be. */
static gboolean
undo_unfinished (Library *library, const SnapshotTree *tree, GPtrArray *did, GError **error)
{
  for (unsigned i = 0; i < tree->snapshots->len; i++)
    {
      const LibrarySnapshot *snapshot = tree->snapshots->pdata[i];

      if (snapshot->finished)
        continue;
      if (!snapshot_remove (library, tree, snapshot, error))
        return FALSE;
      say (did, _("removed the snapshot “%s”, which an interrupted run had not finished"), snapshot->name);
    }
  return TRUE;
}

static void
sweep (Library *library, const SnapshotTree *tree, GPtrArray *did)
{
  g_auto (GStrv) stages = disk_recover (tree->folder);
  unsigned files = library_sweep_snapshots (library, tree->folder);

  if (files > 0 || stages != NULL)
    say (did, _("removed files in “%s”, which an interrupted run had left"), tree->folder);
}

gboolean
snapshot_recover (Library *library, const char *machine_uuid, GPtrArray *did, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine_uuid, error);
  gboolean ok;
  int hold;

  if (!tree)
    return FALSE;
  if (access (tree->folder, F_OK) != 0)
    return tree->snapshots->len == 0 || undo_unfinished (library, tree, did, error);
  hold = snapshot_hold_folder (tree->folder, TRUE);
  if (hold < 0)
    return TRUE; /* something is under way in this process */
  ok = finish_restores (library, tree, did, error) && undo_unfinished (library, tree, did, error);
  if (ok)
    {
      snapshot_forget_next_state (tree);
      sweep (library, tree, did);
    }
  close (hold);
  return ok;
}

/* --- What nothing needs --- */

/* Of a machine that is gone the folder goes with the last file in it. */
static void
delete_file (Library *library, const SnapshotTree *tree, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path), *above = g_path_get_dirname (folder);

  g_unlink (path);
  if (strcmp (folder, tree->folder) != 0)
    library_remove_dead_folder (library, above);
}

static gboolean
prune (Library *library, const SnapshotTree *tree, GError **error)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_free);
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_prune_layers (library, tree->id, gone, error) && library_forget_unused_disks (library, error);
  if (!library_sql_end (library, ok, error))
    return FALSE;
  for (unsigned i = 0; i < gone->len; i++)
    delete_file (library, tree, gone->pdata[i]);
  return TRUE;
}

/* --- Merging --- */

typedef struct
{
  Library *library;
  const SnapshotTidy *options; /* never NULL */
  SnapshotTree *tree;
  LibraryImage *lower, *upper;
} Merge;

/* While the disk stands still: whoever refers to the upper image refers to the lower one from now on. */
static gboolean
commit_merge (void *opaque, GError **error)
{
  Merge *self = opaque;
  int64_t changed = 0;
  gboolean ok;

  if (!library_sql_begin (self->library, error))
    return FALSE;
  ok = library_sql_int (self->library, error, &changed,
                        "SELECT (SELECT count(*) FROM attachment WHERE medium = ?1) "
                        "+ (SELECT count(*) FROM snapshot_disk WHERE medium = ?1) "
                        "+ (SELECT count(*) FROM medium WHERE base = ?1 AND id <> ?2) "
                        "+ (SELECT count(*) FROM medium WHERE id = ?2 AND base IS NOT ?1)",
                        "ii", self->lower->id, self->upper->id);
  if (ok && changed)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” came into use while it was being merged"),
                   self->lower->path);
      ok = FALSE;
    }
  ok = ok && library_replace_image (self->library, self->upper, error);
  return library_sql_end (self->library, ok, error);
}

static gboolean
find_depth (const Disk *disk, const char *path, unsigned *depth)
{
  for (*depth = 0; *depth < disk_layer_count (disk); (*depth)++)
    if (strcmp (disk_layer_path (disk, *depth), path) == 0)
      return TRUE;
  return FALSE;
}

/* Of a disk that nobody else has open, to be closed after it. */
static Disk *
open_upper (const Merge *self, GError **error)
{
  g_auto (GStrv) chain = snapshot_chain (self->upper);
  const LibraryImage *root = self->upper;
  DiskOpenOptions options = { .format = self->upper->format, .chain = (const char *const *) chain };

  while (root->base)
    root = root->base;
  if (root->trusted)
    options.flags |= DISK_OPEN_TRUST;
  return disk_open_with (self->upper->path, &options, error);
}

static gboolean
has_room (const Merge *self, Disk *disk, unsigned depth, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (self->lower->path);
  uint64_t held = 0, shared = 0;

  return disk_layer_usage (disk, depth, &held, &shared, error)
         && snapshot_check_space (folder, (held > shared ? held - shared : 0) + SNAPSHOT_LAYER_SPACE, error);
}

/* The drive that has the image, or NULL. Caller frees. */
static char *
find_slot (const SnapshotTree *tree, const char *path)
{
  for (unsigned i = 0; i < tree->machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = tree->machine->attachments->pdata[i];

      if (drive->kind == LIBRARY_MEDIUM_DISK && g_strcmp0 (drive->path, path) == 0)
        return library_attachment_slot (drive);
    }
  return NULL;
}

/* Has the layers over the upper image call @base theirs. We open them by what the library says, where the upper image is
 * in between until the merge's end, so that it may be done before. The one in @disk is told with the merge itself. */
static gboolean
tell_children (const Merge *self, Disk *disk, const LibraryImage *base, GError **error)
{
  for (unsigned i = 0; i < self->upper->children->len; i++)
    {
      const LibraryImage *child = self->upper->children->pdata[i];
      unsigned depth;

      if (!find_depth (disk, child->path, &depth) && !disk_set_base (child->path, base->path, base->format, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
merge (Merge *self, GError **error)
{
  const DiskMerge how = { .task = self->options->task, .commit = commit_merge, .opaque = self };
  Disk *in_use = self->options->find_disk ? self->options->find_disk (self->options->opaque, self->upper->path) : NULL;
  Disk *disk = in_use ? in_use : open_upper (self, error);
  g_autoptr (GError) own = NULL;
  unsigned depth = 0;
  gboolean ok;

  if (!disk)
    return FALSE;
  ok = find_depth (disk, self->upper->path, &depth);
  if (!ok)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” is not part of the disk that has it"),
                 self->upper->path);
  ok = ok && has_room (self, disk, depth, error) && tell_children (self, disk, self->lower, error)
       && disk_merge_layer (disk, depth, &how, error);
  if (!ok && !tell_children (self, disk, self->upper, &own))
    g_debug ("%s", own->message);
  if (ok)
    {
      g_autofree char *slot = find_slot (self->tree, self->upper->path);

      if (in_use && slot && self->options->moved)
        self->options->moved (self->options->opaque, slot, self->lower->path);
    }
  disk_unref (disk);
  if (ok)
    delete_file (self->library, self->tree, self->upper->path);
  return ok;
}

/* An image of the user's may have been moved: other programs find it by what the layers over it say. */
static void
tell_of_moves (const SnapshotTree *tree)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tree->images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const LibraryImage *image = value;
      const DiskOpenOptions look = { .flags = DISK_OPEN_LOOK | DISK_OPEN_LAYER, .format = image->format };
      g_autofree char *folder = g_path_get_dirname (image->path), *said = NULL;
      g_autoptr (GError) error = NULL;
      Disk *disk;

      if (image->owner != tree->id || !image->base || image->base->is_layer
          || !(disk = disk_open_with (image->path, &look, NULL)))
        continue;
      said = disk_base_name (disk) ? g_canonicalize_filename (disk_base_name (disk), folder) : NULL;
      disk_unref (disk);
      if (g_strcmp0 (said, image->base->path) != 0
          && !disk_set_base (image->path, image->base->path, image->base->format, &error))
        g_debug ("%s", error->message);
    }
}

static unsigned
height (const LibraryImage *image)
{
  unsigned height = 0;

  while ((image = image->base))
    height++;
  return height;
}

/* The lowest image that can be merged with what lies over it, so that nothing is copied twice; NULL: there is none. */
static LibraryImage *
find_mergeable (const SnapshotTree *tree, GHashTable *failed)
{
  LibraryImage *found = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tree->images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      LibraryImage *image = value;

      if (snapshot_tree_can_merge (tree, image) && !g_hash_table_contains (failed, &image->id)
          && (!found || height (image) < height (found)))
        found = image;
    }
  return found;
}

static void
keep_first (GError **first, GError *error)
{
  if (*first)
    g_error_free (error);
  else
    *first = error;
}

/* All that can be; @first: the first error, if there is one. */
static void
merge_all (Library *library, const char *uuid, const SnapshotTidy *options, GError **first)
{
  g_autoptr (GHashTable) failed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  GError *error = NULL;

  for (;;)
    {
      g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, uuid, &error);
      Merge self = { library, options, tree, NULL, NULL };

      if (tree)
        self.lower = find_mergeable (tree, failed);
      if (self.lower)
        {
          self.upper = self.lower->children->pdata[0];
          if (merge (&self, &error))
            continue;
          g_hash_table_add (failed, g_memdup2 (&self.lower->id, sizeof self.lower->id));
        }
      if (!error)
        return;
      if (!tree || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          keep_first (first, error);
          return;
        }
      keep_first (first, g_steal_pointer (&error));
    }
}

/* Deletions are at their end when nothing is left to be merged. */
static gboolean
finish_deletions (Library *library, const char *uuid, GPtrArray *did, GError **error)
{
  g_autofree char *process = library_process_name ();
  g_autoptr (GPtrArray) all = NULL;
  int64_t id;

  if (!library_machine_id (library, uuid, &id, error) || !(all = library_load_work (library, id, error)))
    return FALSE;
  for (unsigned i = 0; i < all->len; i++)
    {
      const LibraryWork *work = all->pdata[i];

      if (strcmp (work->verb, "delete") != 0)
        continue;
      if (!library_remove_work (library, work->id, error))
        return FALSE;
      if (strcmp (work->process, process) != 0)
        say (did, _("finished deleting the snapshot “%s”, which had been interrupted"), work->name);
    }
  return TRUE;
}

/* A machine that is off, and whose drive another process began, is on no drive that anybody would end. */
static gboolean
discard_drive (Library *library, const SnapshotTree *tree, GPtrArray *did, GError **error)
{
  const char *uuid = tree->machine->uuid;

  if (!snapshot_in_drive (library, uuid) || snapshot_drive_is_own (tree))
    return TRUE;
  if (!snapshot_drive_end (library, uuid, SNAPSHOT_DRIVE_DISCARD, NULL, error))
    return FALSE;
  say (did, _("discarded a test drive that had been interrupted"));
  return TRUE;
}

gboolean
snapshot_tidy (Library *library, const char *machine_uuid, const SnapshotTidy *options, char ***did, GError **error)
{
  static const SnapshotTidy off = { 0 };
  g_autoptr (GPtrArray) sentences = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (SnapshotTree) tree = NULL;
  GError *first = NULL, *own = NULL;

  if (did)
    *did = NULL;
  if (!options)
    options = &off;
  tree = snapshot_tree_load (library, machine_uuid, error);
  if (!tree)
    return FALSE;
  if (!snapshot_recover (library, machine_uuid, sentences, &own))
    keep_first (&first, g_steal_pointer (&own));
  if (!options->find_disk && !discard_drive (library, tree, sentences, &own))
    keep_first (&first, g_steal_pointer (&own));
  if (!prune (library, tree, &own))
    keep_first (&first, g_steal_pointer (&own));
  snapshot_recover_clones (library, sentences);
  tell_of_moves (tree);
  merge_all (library, machine_uuid, options, &first);
  if (!first && !finish_deletions (library, machine_uuid, sentences, &own))
    keep_first (&first, g_steal_pointer (&own));
  if (did && sentences->len > 0)
    {
      g_ptr_array_add (sentences, NULL);
      *did = (char **) g_ptr_array_steal (sentences, NULL);
    }
  if (!first)
    return TRUE;
  g_propagate_error (error, first);
  return FALSE;
}
