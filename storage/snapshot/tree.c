/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's snapshots: listed, found and renamed. */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

void
snapshot_tree_free (SnapshotTree *tree)
{
  if (!tree)
    return;
  library_machine_free (tree->machine);
  g_free (tree->folder);
  g_clear_pointer (&tree->images, g_hash_table_unref);
  g_clear_pointer (&tree->parsed, g_hash_table_unref);
  g_clear_pointer (&tree->snapshots, g_ptr_array_unref);
  g_free (tree);
}

static gboolean
load (Library *library, const char *uuid, SnapshotTree *tree, GError **error)
{
  tree->machine = library_load_machine (library, uuid, error);
  if (!tree->machine || !library_machine_id (library, uuid, &tree->id, error))
    return FALSE;
  tree->folder = library_snapshots_folder (tree->machine);
  return library_sql_int (library, error, &tree->current, "SELECT current FROM machine WHERE id = ?", "i", tree->id)
         && (tree->images = library_load_images (library, error)) != NULL
         && (tree->snapshots = library_load_snapshots (library, tree->id, error)) != NULL;
}

SnapshotTree *
snapshot_tree_load (Library *library, const char *machine_uuid, GError **error)
{
  g_autoptr (SnapshotTree) tree = g_new0 (SnapshotTree, 1);
  gboolean ok;

  tree->parsed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) library_machine_free);
  /* A read transaction: all of it as of one moment. */
  if (!library_sql_run (library, error, "BEGIN", ""))
    return NULL;
  ok = load (library, machine_uuid, tree, error);
  library_sql_end (library, FALSE, NULL);
  return ok ? g_steal_pointer (&tree) : NULL;
}

LibrarySnapshot *
snapshot_tree_find (const SnapshotTree *tree, const char *uuid, GError **error)
{
  for (unsigned i = 0; i < tree->snapshots->len; i++)
    {
      LibrarySnapshot *snapshot = tree->snapshots->pdata[i];

      if (snapshot->finished && g_ascii_strcasecmp (snapshot->uuid, uuid) == 0)
        return snapshot;
    }
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the machine “%s” has no snapshot “%s”"),
               tree->machine->name, uuid);
  return NULL;
}

LibrarySnapshot *
snapshot_tree_drive (const SnapshotTree *tree)
{
  for (unsigned i = 0; i < tree->snapshots->len; i++)
    {
      LibrarySnapshot *snapshot = tree->snapshots->pdata[i];

      if (snapshot->finished && strcmp (snapshot->kind, "drive") == 0)
        return snapshot;
    }
  return NULL;
}

char *
snapshot_tree_file (const SnapshotTree *tree, const char *uuid, const char *ending)
{
  return g_strconcat (tree->folder, "/", uuid, ".", ending, NULL);
}

LibraryImage *
snapshot_tree_image (const SnapshotTree *tree, const char *path)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tree->images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (strcmp (((LibraryImage *) value)->path, path) == 0)
      return value;
  return NULL;
}

char **
snapshot_chain (const LibraryImage *image)
{
  g_autoptr (GPtrArray) paths = NULL;

  if (!image->base)
    return NULL;
  paths = g_ptr_array_new ();
  for (image = image->base; image; image = image->base)
    g_ptr_array_add (paths, g_strdup (image->path));
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_steal (paths, NULL);
}

/* Parsing takes longer than all else, and most of a machine's snapshots have the same settings. Caller frees. */
static LibraryMachine *
parse (const SnapshotTree *tree, const LibrarySnapshot *snapshot, GError **error)
{
  LibraryMachine *settings = g_hash_table_lookup (tree->parsed, snapshot->settings);

  if (!settings)
    {
      settings = snapshot_settings_parse (snapshot->settings, tree->machine, error);
      if (!settings)
        return NULL;
      g_hash_table_insert (tree->parsed, snapshot->settings, settings);
    }
  return library_machine_copy (settings);
}

LibraryMachine *
snapshot_tree_settings (const SnapshotTree *tree, const LibrarySnapshot *snapshot, GError **error)
{
  LibraryMachine *settings = parse (tree, snapshot, error);

  for (unsigned i = settings ? settings->attachments->len : 0; i > 0; i--)
    {
      LibraryAttachment *drive = settings->attachments->pdata[i - 1];
      const LibraryImage *image = NULL;

      if (drive->kind != LIBRARY_MEDIUM_DISK)
        continue;
      for (unsigned j = 0; j < snapshot->disks->len; j++)
        {
          const LibrarySnapshotDisk *disk = &g_array_index (snapshot->disks, LibrarySnapshotDisk, j);

          if (disk->controller == drive->controller && disk->unit == drive->unit)
            image = library_image (tree->images, disk->medium);
        }
      if (!image)
        {
          g_ptr_array_remove_index (settings->attachments, i - 1);
          continue;
        }
      library_attachment_set_path (drive, image->path, image->format);
      drive->chain = snapshot_chain (image);
    }
  return settings;
}

gboolean
snapshot_tree_can_merge (const SnapshotTree *tree, const LibraryImage *lower)
{
  const LibraryImage *upper;

  if (library_image_is_referred (lower) || lower->children->len != 1)
    return FALSE;
  upper = lower->children->pdata[0];
  if (!upper->is_layer || upper->owner != tree->id || (lower->owner != tree->id && lower->owner != 0))
    return FALSE;
  if (lower->is_layer)
    return TRUE;
  /* The user's own image: not when it is to stay as it is. */
  return (lower->owner == tree->id || !lower->kept) && !disk_is_remote (lower->path) && access (lower->path, W_OK) == 0;
}

void
snapshot_free (Snapshot *snapshot)
{
  if (!snapshot)
    return;
  g_free (snapshot->uuid);
  g_free (snapshot->parent);
  g_free (snapshot->name);
  g_free (snapshot->description);
  g_free (snapshot->state_path);
  g_free (snapshot->thumbnail_path);
  library_machine_free (snapshot->settings);
  g_free (snapshot);
}

static gboolean
is_shown (const LibrarySnapshot *snapshot, gboolean all)
{
  return all || (snapshot->finished && strcmp (snapshot->kind, "drive") != 0);
}

/* The nearest one that is shown, from @id on towards the root; NULL: none. */
static LibrarySnapshot *
find_shown (const SnapshotTree *tree, int64_t id, gboolean all)
{
  LibrarySnapshot *snapshot = library_snapshot_by_id (tree->snapshots, id);

  for (unsigned i = 0; snapshot && !is_shown (snapshot, all); i++)
    snapshot = i < tree->snapshots->len ? library_snapshot_by_id (tree->snapshots, snapshot->parent) : NULL;
  return snapshot;
}

/* The layers that hold what the snapshot's disks had then: its own tops, and hidden ones that only they lie over. */
static uint64_t
layers_size (const SnapshotTree *tree, const LibrarySnapshot *snapshot)
{
  uint64_t size = 0;

  for (unsigned i = 0; i < snapshot->disks->len; i++)
    {
      const LibraryImage *image
          = library_image (tree->images, g_array_index (snapshot->disks, LibrarySnapshotDisk, i).medium);

      if (image && image->is_layer)
        {
          size += snapshot_file_size (image->path);
          for (image = image->base; image && image->is_layer && !library_image_is_referred (image)
                                    && image->children->len == 1;
               image = image->base)
            size += snapshot_file_size (image->path);
        }
    }
  return size;
}

static SnapshotKind
parse_kind (const char *word)
{
  return strcmp (word, "drive") == 0 ? SNAPSHOT_DRIVE : strcmp (word, "automatic") == 0 ? SNAPSHOT_AUTOMATIC : SNAPSHOT_USER;
}

static Snapshot *
snapshot_new (const SnapshotTree *tree, const LibrarySnapshot *row, gboolean all, GError **error)
{
  g_autoptr (Snapshot) snapshot = g_new0 (Snapshot, 1);
  const LibrarySnapshot *parent = find_shown (tree, row->parent, all);

  snapshot->settings = snapshot_tree_settings (tree, row, error);
  if (!snapshot->settings)
    {
      g_prefix_error (error, "“%s”: ", row->name);
      return NULL;
    }
  snapshot->uuid = g_strdup (row->uuid);
  snapshot->parent = parent ? g_strdup (parent->uuid) : NULL;
  snapshot->name = g_strdup (row->name);
  snapshot->description = g_strdup (row->description);
  snapshot->created = row->created;
  snapshot->kind = parse_kind (row->kind);
  snapshot->state_path = row->has_state ? snapshot_tree_file (tree, row->uuid, "state") : NULL;
  snapshot->thumbnail_path = row->has_thumbnail ? snapshot_tree_file (tree, row->uuid, "png") : NULL;
  snapshot->size = layers_size (tree, row) + (row->has_state ? snapshot_file_size (snapshot->state_path) : 0)
                   + (row->has_thumbnail ? snapshot_file_size (snapshot->thumbnail_path) : 0);
  snapshot->is_current = find_shown (tree, tree->current, all) == row;
  return g_steal_pointer (&snapshot);
}

/* A list that is being made. */
typedef struct
{
  const SnapshotTree *tree;
  gboolean all;
  GHashTable *children; /* of LibrarySnapshot: to GPtrArray of them, by age, as the rows come; NULL: the roots */
  GPtrArray *list;
} Listing;

/* What descends from @parent, each followed by what descends from it. */
static gboolean
add_below (Listing *self, const LibrarySnapshot *parent, GError **error)
{
  GPtrArray *children = g_hash_table_lookup (self->children, parent);

  for (unsigned i = 0; children && i < children->len; i++)
    {
      Snapshot *snapshot = snapshot_new (self->tree, children->pdata[i], self->all, error);

      if (!snapshot)
        return FALSE;
      g_ptr_array_add (self->list, snapshot);
      if (!add_below (self, children->pdata[i], error))
        return FALSE;
    }
  return TRUE;
}

GPtrArray *
snapshot_list (Library *library, const LibraryMachine *machine, gboolean all, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine->uuid, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_free);
  g_autoptr (GHashTable) children = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  Listing self = { tree, all, children, list };

  for (unsigned i = 0; tree && i < tree->snapshots->len; i++)
    {
      LibrarySnapshot *row = tree->snapshots->pdata[i];
      LibrarySnapshot *parent = find_shown (tree, row->parent, all);
      GPtrArray *siblings = g_hash_table_lookup (children, parent);

      if (!is_shown (row, all))
        continue;
      if (!siblings)
        g_hash_table_insert (children, parent, siblings = g_ptr_array_new ());
      g_ptr_array_add (siblings, row);
    }
  if (!tree || !add_below (&self, NULL, error))
    return NULL;
  return g_steal_pointer (&list);
}

Snapshot *
snapshot_find (Library *library, const LibraryMachine *machine, const char *name_or_uuid, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine->uuid, error);
  const LibrarySnapshot *found = NULL, *by_uuid = NULL;

  if (!tree)
    return NULL;
  for (unsigned i = 0; i < tree->snapshots->len; i++)
    {
      const LibrarySnapshot *row = tree->snapshots->pdata[i];

      if (!is_shown (row, FALSE))
        continue;
      if (g_ascii_strcasecmp (row->uuid, name_or_uuid) == 0)
        by_uuid = row;
      if (strcmp (row->name, name_or_uuid) != 0)
        continue;
      if (found)
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                       _("the machine “%s” has several snapshots “%s”: name it by its UUID"), tree->machine->name,
                       name_or_uuid);
          return NULL;
        }
      found = row;
    }
  if (!found)
    found = by_uuid;
  if (found)
    return snapshot_new (tree, found, FALSE, error);
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the machine “%s” has no snapshot “%s”"),
               tree->machine->name, name_or_uuid);
  return NULL;
}

gboolean
snapshot_name_validate (const char *name, GError **error)
{
  if (*name != '\0' && strlen (name) <= LIBRARY_NAME_MAX && g_utf8_validate (name, -1, NULL))
    {
      const char *p = name;

      while (*p != '\0' && !g_unichar_iscntrl (g_utf8_get_char (p)))
        p = g_utf8_next_char (p);
      if (*p == '\0')
        return TRUE;
    }
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
               _("a snapshot's name must have 1 to %d bytes of UTF-8 and no control characters"), LIBRARY_NAME_MAX);
  return FALSE;
}

gboolean
snapshot_edit (Library *library, const char *machine_uuid, const char *snapshot_uuid, const char *name,
               const char *description, GError **error)
{
  g_autoptr (SnapshotTree) tree = snapshot_tree_load (library, machine_uuid, error);
  const LibrarySnapshot *row = tree ? snapshot_tree_find (tree, snapshot_uuid, error) : NULL;

  if (!row || (name && !snapshot_name_validate (name, error)))
    return FALSE;
  return library_sql_run (library, error,
                          "UPDATE snapshot SET name = coalesce (?1, name), "
                          "description = CASE WHEN ?2 IS NULL THEN description ELSE nullif (?2, '') END WHERE id = ?3",
                          "ssi", name, description, row->id);
}
