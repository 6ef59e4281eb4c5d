/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images over each other, in the database: which there are, and the changes that a tree of snapshots makes to them. */

#include "storage/library/library-images.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
image_free (gpointer data)
{
  LibraryImage *image = data;

  g_free (image->uuid);
  g_free (image->path);
  g_free (image->format);
  g_ptr_array_unref (image->children);
  g_free (image);
}

LibraryImage *
library_image (GHashTable *images, int64_t id)
{
  return g_hash_table_lookup (images, &id);
}

gboolean
library_image_is_referred (const LibraryImage *image)
{
  return image->attachments > 0 || image->snapshots > 0 || (image->is_layer && image->kept);
}

/* Of @count images, one of which lies under another as often as there are images. */
static gboolean
is_in_loop (const LibraryImage *image, unsigned count)
{
  for (unsigned i = 0; image; image = image->base)
    if (i++ >= count)
      return TRUE;
  return FALSE;
}

static int
compare_images (gconstpointer a, gconstpointer b)
{
  const LibraryImage *x = *(LibraryImage *const *) a, *y = *(LibraryImage *const *) b;

  return x->id < y->id ? -1 : x->id > y->id;
}

GHashTable *
library_load_images (Library *library, GError **error)
{
  g_autoptr (GHashTable) images = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, image_free);
  g_autoptr (GHashTable) bases = g_hash_table_new (g_direct_hash, g_direct_equal);
  g_autoptr (sqlite3_stmt) statement = NULL;
  GHashTableIter iter;
  gpointer value;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT id, uuid, path, format, base, owner, kept, trust, "
                                   "(SELECT count(*) FROM attachment a WHERE a.medium = m.id), "
                                   "(SELECT count(*) FROM snapshot_disk d WHERE d.medium = m.id) "
                                   "FROM medium m", "");
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      LibraryImage *image = g_new0 (LibraryImage, 1);

      image->id = sqlite3_column_int64 (statement, 0);
      image->uuid = library_sql_text (statement, 1);
      image->path = library_sql_text (statement, 2);
      image->format = library_sql_text (statement, 3);
      image->is_layer = sqlite3_column_type (statement, 4) != SQLITE_NULL;
      image->owner = sqlite3_column_int64 (statement, 5);
      image->kept = sqlite3_column_int (statement, 6) != 0;
      image->trusted = sqlite3_column_int (statement, 7) != 0;
      image->attachments = (unsigned) sqlite3_column_int (statement, 8);
      image->snapshots = (unsigned) sqlite3_column_int (statement, 9);
      image->children = g_ptr_array_new ();
      g_hash_table_insert (images, &image->id, image);
      g_hash_table_insert (bases, image, GSIZE_TO_POINTER ((gsize) sqlite3_column_int64 (statement, 4)));
    }
  if (more < 0)
    return NULL;

  g_hash_table_iter_init (&iter, images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      LibraryImage *image = value;
      int64_t base = (int64_t) GPOINTER_TO_SIZE (g_hash_table_lookup (bases, image));

      image->base = base != 0 ? library_image (images, base) : NULL;
      if (image->base)
        g_ptr_array_add (image->base->children, image);
    }
  g_hash_table_iter_init (&iter, images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      if (is_in_loop (value, g_hash_table_size (images)))
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                       _("cannot read the library “%s”: “%s” lies over itself"), library->path,
                       ((LibraryImage *) value)->path);
          return NULL;
        }
      g_ptr_array_sort (((LibraryImage *) value)->children, compare_images);
    }
  return g_steal_pointer (&images);
}

char *
library_snapshots_folder (const LibraryMachine *machine)
{
  return g_build_filename (machine->folder, LIBRARY_SNAPSHOTS_FOLDER, NULL);
}

gboolean
library_insert_layer (Library *library, const char *uuid, const char *path, int64_t base, int64_t owner, GError **error)
{
  return library_sql_run (library, error,
                          "INSERT INTO medium (uuid, path, kind, format, base, owner) "
                          "VALUES (?, ?, 'disk', 'qcow2', ?, nullif (?, 0))",
                          "ssii", uuid, path, base, owner);
}

gboolean
library_replace_image (Library *library, const LibraryImage *upper, GError **error)
{
  int64_t lower = upper->base->id;

  return library_sql_run (library, error, "UPDATE attachment SET medium = ? WHERE medium = ?", "ii", lower, upper->id)
         && library_sql_run (library, error, "UPDATE snapshot_disk SET medium = ? WHERE medium = ?", "ii", lower,
                             upper->id)
         && library_sql_run (library, error, "UPDATE medium SET base = ? WHERE base = ?", "ii", lower, upper->id)
         && library_sql_run (library, error,
                             "UPDATE medium SET owner = (SELECT owner FROM medium WHERE id = ?), "
                             "kept = max (kept, (SELECT kept FROM medium WHERE id = ?)) WHERE id = ?",
                             "iii", upper->id, upper->id, lower)
         && library_sql_run (library, error, "DELETE FROM medium WHERE id = ?", "i", upper->id);
}

gboolean
library_prune_layers (Library *library, int64_t machine, GPtrArray *paths, GError **error)
{
  for (;;)
    {
      g_autoptr (sqlite3_stmt) statement = NULL;
      g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (int64_t));
      int more;

      statement = library_sql_prepare (library, error,
                                       "SELECT id, path, kept FROM medium m WHERE base IS NOT NULL "
                                       "AND (owner = ? OR owner IS NULL) "
                                       "AND NOT EXISTS (SELECT * FROM attachment WHERE medium = m.id) "
                                       "AND NOT EXISTS (SELECT * FROM snapshot_disk WHERE medium = m.id) "
                                       "AND NOT EXISTS (SELECT * FROM medium WHERE base = m.id)", "i", machine);
      if (!statement)
        return FALSE;
      while ((more = library_sql_step (library, statement, error)) > 0)
        {
          int64_t id = sqlite3_column_int64 (statement, 0);
          const char *path = (const char *) sqlite3_column_text (statement, 1);

          /* A kept one stays for as long as it is there. */
          if (sqlite3_column_int (statement, 2) && access (path, F_OK) == 0)
            continue;
          g_array_append_val (ids, id);
          g_ptr_array_add (paths, g_strdup (path));
        }
      if (more < 0)
        return FALSE;
      g_clear_pointer (&statement, sqlite3_finalize);
      for (unsigned i = 0; i < ids->len; i++)
        if (!library_sql_run (library, error, "DELETE FROM medium WHERE id = ?", "i", g_array_index (ids, int64_t, i)))
          return FALSE;
      if (ids->len == 0)
        return TRUE;
    }
}

/* Whether the library knows the file of this name: “<uuid>.<ending>”. An error counts as yes. */
static gboolean
is_known (Library *library, const char *uuid, const char *ending)
{
  int64_t count = 0;

  if (strcmp (ending, "qcow2") == 0)
    return !library_sql_int (library, NULL, &count, "SELECT count(*) FROM medium WHERE uuid = ?", "s", uuid) || count > 0;
  if (strcmp (ending, "state") == 0)
    return !library_sql_int (library, NULL, &count, "SELECT count(*) FROM snapshot WHERE uuid = ? AND state", "s", uuid)
           || count > 0;
  if (strcmp (ending, "png") == 0)
    return !library_sql_int (library, NULL, &count, "SELECT count(*) FROM snapshot WHERE uuid = ? AND thumbnail", "s",
                             uuid)
           || count > 0;
  return FALSE;
}

unsigned
library_sweep_snapshots (Library *library, const char *folder)
{
  enum { UUID_LENGTH = 36 };
  static const char *const endings[] = { "qcow2", "state", "png", "state.part", "png.part", NULL };
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *entry;
  unsigned count = 0;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *uuid = g_strndup (entry, UUID_LENGTH), *path = NULL;

      /* By name, not by path: the folder may be known by another one now. */
      if (strlen (entry) <= UUID_LENGTH + 1 || entry[UUID_LENGTH] != '.' || !g_uuid_string_is_valid (uuid)
          || !g_strv_contains (endings, entry + UUID_LENGTH + 1)
          || is_known (library, uuid, entry + UUID_LENGTH + 1))
        continue;
      path = g_build_filename (folder, entry, NULL);
      count += g_unlink (path) == 0;
    }
  return count;
}
