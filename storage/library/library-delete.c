/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking machines out of the library, with what is theirs alone: snapshots, layers and disks. */

#include "storage/library/library-images.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A machine that is being deleted. */
typedef struct
{
  Library *library;
  const LibraryMachine *machine;
  int64_t id;
  GArray *tops;      /* ids of the disks it has now, and of layers it had */
  GPtrArray *below;  /* paths of all images that these and its snapshots are made of */
  GPtrArray *files;  /* of snapshots: to be deleted after the transaction */
  GPtrArray *listed; /* of LibraryImage: the disks that are the caller's to delete */
} Deletion;

static gboolean
collect_ids (Library *library, int64_t machine, const char *sql, GArray *ids, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = library_sql_prepare (library, error, sql, "i", machine);
  int more;

  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      int64_t id = sqlite3_column_int64 (statement, 0);

      g_array_append_val (ids, id);
    }
  return more == 0;
}

/* What the machine has, before it goes. */
static gboolean
collect (Deletion *self, GError **error)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (int64_t));
  g_autoptr (GPtrArray) snapshots = NULL;
  g_autoptr (GHashTable) images = NULL;
  g_autofree char *folder = library_snapshots_folder (self->machine);

  if (!collect_ids (self->library, self->id,
                    "SELECT medium FROM attachment WHERE machine = ?1 AND kind = 'disk' UNION "
                    "SELECT id FROM medium WHERE owner = ?1 AND base IS NOT NULL AND kept", self->tops, error)
      || !collect_ids (self->library, self->id,
                       "SELECT d.medium FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id WHERE s.machine = ?1",
                       all, error)
      || !(images = library_load_images (self->library, error))
      || !(snapshots = library_load_snapshots (self->library, self->id, error)))
    return FALSE;
  g_array_append_vals (all, self->tops->data, self->tops->len);
  for (unsigned i = 0; i < all->len; i++)
    for (LibraryImage *image = library_image (images, g_array_index (all, int64_t, i)); image; image = image->base)
      {
        if (g_ptr_array_find_with_equal_func (self->below, image->path, g_str_equal, NULL))
          break;
        g_ptr_array_add (self->below, g_strdup (image->path));
      }
  for (unsigned i = 0; i < snapshots->len; i++)
    {
      const LibrarySnapshot *snapshot = snapshots->pdata[i];

      if (snapshot->has_state || !snapshot->finished)
        g_ptr_array_add (self->files, g_strconcat (folder, "/", snapshot->uuid, ".state", NULL));
      if (snapshot->has_thumbnail)
        g_ptr_array_add (self->files, g_strconcat (folder, "/", snapshot->uuid, ".png", NULL));
    }
  return TRUE;
}

static gboolean
is_top (const Deletion *self, int64_t id)
{
  for (unsigned i = 0; i < self->tops->len; i++)
    if (g_array_index (self->tops, int64_t, i) == id)
      return TRUE;
  return FALSE;
}

/* Whether the file is the machine's to take along: in its folder, or, of one that has no owner, in that of one that is
 * gone. */
static gboolean
is_own_file (const Deletion *self, const char *path, int64_t owner)
{
  g_autofree char *prefix = g_strconcat (self->machine->folder, "/", NULL),
                  *all = g_build_filename (self->library->home, "machines", NULL);
  g_autofree char *any = g_strconcat (all, "/", NULL);
  int64_t alive = 0;

  if (g_str_has_prefix (path, prefix))
    return TRUE;
  if (!g_str_has_prefix (path, any) || owner != 0)
    return FALSE;
  {
    g_auto (GStrv) parts = g_strsplit (path + strlen (any), "/", 2);

    return library_sql_int (self->library, NULL, &alive, "SELECT count(*) FROM machine WHERE folder = ?", "s", parts[0])
           && alive == 0;
  }
}

/* The disk and what lies below it, as far as nobody else needs it. */
static void
list_disk (Deletion *self, LibraryImage *image)
{
  for (; image && !library_image_is_referred (image); image = image->base)
    {
      if (!is_own_file (self, image->path, image->owner) || g_ptr_array_find (self->listed, image, NULL))
        return;
      for (unsigned i = 0; i < image->children->len; i++)
        if (!g_ptr_array_find (self->listed, image->children->pdata[i], NULL))
          return;
      g_ptr_array_add (self->listed, image);
    }
}

/* Discs and floppies that came with the machine, such as those that an import made for it, as far as nobody else has them
 * now or would have them again after going back. Their rows stay until the caller has decided. */
static gboolean
list_discs (Deletion *self, GPtrArray *paths, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (self->library, error,
                                   "SELECT path FROM medium m WHERE kind <> 'disk' AND NOT kept "
                                   "AND NOT EXISTS (SELECT * FROM attachment WHERE medium = m.id) "
                                   "AND NOT EXISTS (SELECT * FROM snapshot WHERE instr (settings, m.path))", "");
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (self->library, statement, error)) > 0)
    {
      const char *path = (const char *) sqlite3_column_text (statement, 0);

      if (is_own_file (self, path, 0))
        g_ptr_array_add (paths, g_strdup (path));
    }
  return more == 0;
}

/* The machine's rows go; @disks: paths that the caller is to delete. */
static gboolean
remove_rows (Deletion *self, GPtrArray *disks, GError **error)
{
  g_autoptr (GHashTable) images = NULL;

  /* Marked, so that they are not pruned: they may be kept. */
  for (unsigned i = 0; i < self->tops->len; i++)
    if (!library_sql_run (self->library, error, "UPDATE medium SET kept = 1 WHERE id = ? AND base IS NOT NULL", "i",
                          g_array_index (self->tops, int64_t, i)))
      return FALSE;
  if (!library_sql_run (self->library, error, "DELETE FROM machine WHERE id = ?", "i", self->id)
      || !library_prune_layers (self->library, self->id, self->files, error)
      || !(images = library_load_images (self->library, error)))
    return FALSE;
  for (unsigned i = 0; i < self->tops->len; i++)
    {
      LibraryImage *top = library_image (images, g_array_index (self->tops, int64_t, i));

      if (top && top->is_layer)
        top->kept = FALSE;
      list_disk (self, top);
    }
  for (unsigned i = 0; i < self->below->len; i++)
    {
      GHashTableIter iter;
      gpointer value;

      g_hash_table_iter_init (&iter, images);
      while (g_hash_table_iter_next (&iter, NULL, &value))
        if (strcmp (((LibraryImage *) value)->path, self->below->pdata[i]) == 0 && !is_top (self, ((LibraryImage *) value)->id))
          list_disk (self, value);
    }
  for (unsigned i = 0; i < self->listed->len; i++)
    g_ptr_array_add (disks, g_strdup (((LibraryImage *) self->listed->pdata[i])->path));
  g_ptr_array_set_size (self->listed, 0);
  return list_discs (self, disks, error) && library_forget_unused_disks (self->library, error);
}

void
library_remove_dead_folder (Library *library, const char *folder)
{
  g_autofree char *all = g_build_filename (library->home, "machines", NULL), *above = g_path_get_dirname (folder),
                  *name = g_path_get_basename (folder), *snapshots = NULL;
  int64_t alive = 0;

  if (strcmp (above, all) != 0
      || !library_sql_int (library, NULL, &alive, "SELECT count(*) FROM machine WHERE folder = ?", "s", name) || alive)
    return;
  snapshots = g_build_filename (folder, LIBRARY_SNAPSHOTS_FOLDER, NULL);
  g_rmdir (snapshots);
  g_rmdir (folder);
}

static gboolean
delete_locked (Library *library, const LibraryMachine *machine, char ***disks, GError **error)
{
  g_autoptr (GArray) tops = g_array_new (FALSE, FALSE, sizeof (int64_t));
  g_autoptr (GPtrArray) below = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free), listed = g_ptr_array_new (),
                        own = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *folder = library_snapshots_folder (machine);
  Deletion self = { library, machine, 0, tops, below, files, listed };
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_machine_id (library, machine->uuid, &self.id, error) && collect (&self, error)
       && remove_rows (&self, own, error);
  if (!library_sql_end (library, ok, error))
    return FALSE;
  for (unsigned i = 0; i < files->len; i++)
    {
      g_autofree char *layers = g_path_get_dirname (files->pdata[i]), *place = g_path_get_dirname (layers);

      g_unlink (files->pdata[i]);
      if (strcmp (layers, folder) != 0)
        library_remove_dead_folder (library, place);
    }
  library_sweep_snapshots (library, folder);
  g_rmdir (folder);
  g_ptr_array_add (own, NULL);
  if (disks)
    *disks = (char **) g_ptr_array_steal (own, NULL);
  return TRUE;
}

gboolean
library_delete_machine (Library *library, const char *uuid, char ***disks, GError **error)
{
  g_autoptr (LibraryMachine) machine = library_find (library, uuid, error);
  g_autoptr (LibraryLock) lock = NULL;

  if (!machine)
    return FALSE;
  /* Nobody may start it meanwhile. A folder that is gone cannot hold a running machine. */
  if (g_file_test (machine->folder, G_FILE_TEST_IS_DIR) && g_access (machine->folder, W_OK) == 0)
    {
      lock = library_lock_machine (machine, error);
      if (!lock)
        return FALSE;
    }
  return delete_locked (library, machine, disks, error);
}

gboolean
library_delete_files (const LibraryMachine *machine, char *const *disks, GError **error)
{
  static const char *const own_files[] = { "lock", "machine.log", "saved.state", "saved.state.part",
                                           "saved.state.next" };
  g_autofree char *snapshots = library_snapshots_folder (machine);

  for (unsigned i = 0; disks && disks[i] != NULL; i++)
    if (g_unlink (disks[i]) != 0 && errno != ENOENT)
      {
        g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot delete “%s”: %s"), disks[i],
                     g_strerror (errno));
        return FALSE;
      }
  for (unsigned i = 0; i < G_N_ELEMENTS (own_files); i++)
    {
      g_autofree char *path = g_build_filename (machine->folder, own_files[i], NULL);

      g_unlink (path);
    }
  /* What else the user keeps there stays. */
  g_rmdir (snapshots);
  g_rmdir (machine->folder);
  return TRUE;
}
