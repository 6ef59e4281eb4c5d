/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a machine's drives hold, in the database. A disk that has layers over it, or that a snapshot holds, is not to be
 * written to any more: nobody gets it, and a record that still names one as it was before a snapshot was taken
 * means what lies over it now.
 */

#include "storage/library/library-images.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

gboolean
library_medium_id (Library *library, const char *path, LibraryMediumKind kind, const char *format, int64_t *id,
                   GError **error)
{
  g_autofree char *uuid = g_uuid_string_random ();

  return library_sql_run (library, error,
                          "INSERT INTO medium (uuid, path, kind, format) VALUES (?, ?, ?, ?) ON CONFLICT (path) "
                          "DO UPDATE SET kind = iif (base IS NULL AND owner IS NULL, excluded.kind, kind), "
                          "format = coalesce (excluded.format, format)",
                          "ssss", uuid, path, library_medium_kind_name (kind), format)
         && library_sql_int (library, error, id, "SELECT id FROM medium WHERE path = ?", "s", path);
}

/* The disks that a machine has, by the library. */
typedef struct
{
  LibraryController controller;
  unsigned unit;
  LibraryImage *image; /* borrowed */
} Present;

static GArray *
load_present (Library *library, int64_t machine, GHashTable *images, GError **error)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Present));
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT controller, unit, medium FROM attachment WHERE machine = ? AND kind = 'disk'",
                                   "i", machine);
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      Present present = { .unit = (unsigned) sqlite3_column_int (statement, 1),
                          .image = library_image (images, sqlite3_column_int64 (statement, 2)) };

      if (!library_parse_controller (library, (const char *) sqlite3_column_text (statement, 0), &present.controller,
                                     error))
        return NULL;
      if (present.image)
        g_array_append_val (all, present);
    }
  return more == 0 ? g_steal_pointer (&all) : NULL;
}

static LibraryImage *
find_path (GHashTable *images, const char *path)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (strcmp (((LibraryImage *) value)->path, path) == 0)
      return value;
  return NULL;
}

/* The same file under another name, if it has layers: it must not be written to under that either. */
static LibraryImage *
find_file (GHashTable *images, const char *path)
{
  GHashTableIter iter;
  gpointer value;
  struct stat info, other;

  if (g_stat (path, &info) != 0)
    return NULL;
  g_hash_table_iter_init (&iter, images);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      LibraryImage *image = value;

      if ((image->children->len > 0 || image->snapshots > 0 || image->is_layer) && g_stat (image->path, &other) == 0
          && info.st_dev == other.st_dev && info.st_ino == other.st_ino)
        return image;
    }
  return NULL;
}

static gboolean
lies_over (const LibraryImage *image, const LibraryImage *below)
{
  /* Bounded: a library that somebody damaged must not keep it going round. */
  for (unsigned i = 0; image != NULL && i < 100000; i++, image = image->base)
    if (image == below)
      return TRUE;
  return FALSE;
}

/* A machine that needs the image as it is: one that has a snapshot or a disk of it or of what lies over it. Caller frees;
 * NULL: none. */
static char *
find_needer (Library *library, const LibraryImage *image)
{
  g_autoptr (sqlite3_stmt) statement = library_sql_prepare (
      library, NULL,
      "WITH RECURSIVE over (id) AS (SELECT ? UNION SELECT m.id FROM medium m JOIN over o ON m.base = o.id) "
      "SELECT name FROM machine WHERE id IN (SELECT s.machine FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id "
      "WHERE d.medium IN over UNION SELECT machine FROM attachment WHERE medium IN over "
      "UNION SELECT owner FROM medium WHERE id IN over) ORDER BY name",
      "i", image->id);

  if (!statement || library_sql_step (library, statement, NULL) <= 0)
    return NULL;
  return library_sql_text (statement, 0);
}

static gboolean
refuse (Library *library, const LibraryAttachment *drive, const LibraryImage *image, GError **error)
{
  g_autofree char *slot = library_attachment_slot (drive), *needer = find_needer (library, image);

  if (needer)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                 _("%s: “%s” cannot be attached: snapshots of the machine “%s” need it as it is"), slot, drive->path,
                 needer);
  else
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                 _("%s: “%s” cannot be attached: other images lie over it and need it as it is"), slot, drive->path);
  return FALSE;
}

typedef struct
{
  Library *library;
  int64_t machine;
  const LibraryMachine *record;
  GHashTable *images;
  GArray *present;
  gboolean exact; /* the record names what is meant, and may have it */
} Resolver;

static gboolean
is_named (const Resolver *self, const LibraryAttachment *except, const char *path)
{
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      const LibraryAttachment *drive = self->record->attachments->pdata[i];

      if (drive != except && g_strcmp0 (drive->path, path) == 0)
        return TRUE;
    }
  return FALSE;
}

/* What the machine has over @image now, if that is one thing. */
static LibraryImage *
find_over (const Resolver *self, const LibraryAttachment *drive, const LibraryImage *image)
{
  LibraryImage *found = NULL;

  for (unsigned i = 0; i < self->present->len; i++)
    {
      const Present *present = &g_array_index (self->present, Present, i);

      if (!lies_over (present->image, image) || is_named (self, drive, present->image->path))
        continue;
      if (present->controller == drive->controller && present->unit == drive->unit)
        return present->image;
      if (found)
        return NULL;
      found = present->image;
    }
  return found;
}

static LibraryImage *
find_at (const Resolver *self, const LibraryAttachment *drive)
{
  for (unsigned i = 0; i < self->present->len; i++)
    {
      const Present *present = &g_array_index (self->present, Present, i);

      if (present->controller == drive->controller && present->unit == drive->unit)
        return is_named (self, drive, present->image->path) ? NULL : present->image;
    }
  return NULL;
}

/* Whether the path is one of layers, of whichever machine: of one that is gone, a clone may have had it. */
static gboolean
is_layer_path (const Library *library, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path), *name = g_path_get_basename (folder),
                  *machine = g_path_get_dirname (folder), *above = g_path_get_dirname (machine),
                  *all = g_build_filename (library->home, "machines", NULL);

  return strcmp (name, LIBRARY_SNAPSHOTS_FOLDER) == 0 && strcmp (above, all) == 0;
}

/* The image of a disk's drive: NULL without an error when the library does not know the file yet. */
static gboolean
resolve (const Resolver *self, const LibraryAttachment *drive, LibraryImage **image, GError **error)
{
  LibraryImage *found = find_path (self->images, drive->path), *now;

  *image = found;
  if (self->exact)
    return TRUE;
  *image = NULL;
  if (!found && is_layer_path (self->library, drive->path))
    {
      /* A layer that was merged or thrown away since the record was read. */
      *image = find_at (self, drive);
      if (*image)
        return TRUE;
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” was a layer of a snapshot and is gone"),
                   drive->path);
      return FALSE;
    }
  if (!found && !(found = find_file (self->images, drive->path)))
    return TRUE;

  for (unsigned i = 0; i < self->present->len; i++)
    if (g_array_index (self->present, Present, i).image == found)
      {
        *image = found;
        return TRUE;
      }
  if (found->children->len > 0 || found->snapshots > 0)
    {
      now = find_over (self, drive, found);
      if (!now)
        return refuse (self->library, drive, found, error);
      *image = now;
      return TRUE;
    }
  /* A layer is its machine's alone. */
  if (found->is_layer && (found->attachments > 0 || (found->owner != 0 && found->owner != self->machine)))
    return refuse (self->library, drive, found, error);
  *image = found;
  return TRUE;
}

/* Layers of machines that are gone, whose files were deleted, must not keep what was below them from being used. */
static gboolean
forget_gone_layers (Library *library, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error, "SELECT path FROM medium WHERE base IS NOT NULL AND owner IS NULL", "");
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    g_ptr_array_add (paths, library_sql_text (statement, 0));
  g_clear_pointer (&statement, sqlite3_finalize);
  if (more < 0)
    return FALSE;
  for (unsigned pass = 0, gone = 1; gone > 0 && pass <= paths->len; pass++)
    {
      gone = 0;
      for (unsigned i = 0; i < paths->len; i++)
        {
          if (g_file_test (paths->pdata[i], G_FILE_TEST_EXISTS))
            continue;
          if (!library_sql_run (library, error,
                                "DELETE FROM medium AS m WHERE path = ? AND NOT EXISTS (SELECT * FROM attachment WHERE "
                                "medium = m.id) AND NOT EXISTS (SELECT * FROM snapshot_disk WHERE medium = m.id) "
                                "AND NOT EXISTS (SELECT * FROM medium WHERE base = m.id)", "s", paths->pdata[i]))
            return FALSE;
          gone += (unsigned) sqlite3_changes (library->db);
        }
    }
  return TRUE;
}

/* Says in the record what is stored: its path may have been that of a time before. */
static gboolean
tell_record (Library *library, LibraryAttachment *drive, const LibraryImage *image, GError **error)
{
  int64_t base = image->base ? image->base->id : 0;

  if (strcmp (drive->path, image->path) != 0)
    library_attachment_set_path (drive, image->path, image->format);
  g_clear_pointer (&drive->chain, g_strfreev);
  return library_load_chain (library, base, &drive->chain, error);
}

/* Disks that are detached though they are layers would be lost to the tidying: they stay in the list of media. */
static gboolean
keep_detached (Resolver *self, GError **error)
{
  for (unsigned i = 0; i < self->present->len; i++)
    {
      const LibraryImage *image = g_array_index (self->present, Present, i).image;

      if (image->is_layer
          && !library_sql_run (self->library, error,
                               "UPDATE medium SET kept = NOT EXISTS (SELECT * FROM attachment WHERE medium = ?1) "
                               "WHERE id = ?1", "i", image->id))
        return FALSE;
    }
  return TRUE;
}

gboolean
library_store_attachments (Library *library, int64_t machine, LibraryMachine *record, gboolean exact, GError **error)
{
  g_autoptr (GHashTable) images = NULL;
  g_autoptr (GArray) present = NULL;
  Resolver resolver = { library, machine, record, NULL, NULL, exact };

  if (!forget_gone_layers (library, error) || !(images = library_load_images (library, error))
      || !(present = load_present (library, machine, images, error))
      || !library_sql_run (library, error, "DELETE FROM attachment WHERE machine = ?", "i", machine))
    return FALSE;
  resolver.images = images;
  resolver.present = present;
  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      LibraryAttachment *drive = record->attachments->pdata[i];
      LibraryImage *image = NULL;
      int64_t medium = 0;

      if (drive->kind == LIBRARY_MEDIUM_DISK && drive->path)
        {
          if (!resolve (&resolver, drive, &image, error) || (image && !tell_record (library, drive, image, error)))
            return FALSE;
          if (image && image->is_layer
              && !library_sql_run (library, error, "UPDATE medium SET owner = ?, kept = 0 WHERE id = ?", "ii", machine,
                                   image->id))
            return FALSE;
        }
      if (drive->path && !library_medium_id (library, drive->path, drive->kind, drive->format, &medium, error))
        return FALSE;
      if (!library_sql_run (library, error,
                            "INSERT INTO attachment (machine, controller, unit, kind, medium, cache, trust) "
                            "VALUES (?, ?, ?, ?, nullif (?, 0), ?, ?)", "isisisi",
                            machine, library_controller_name (drive->controller), (int64_t) drive->unit,
                            library_medium_kind_name (drive->kind), medium, library_cache_name (drive->no_cache),
                            (int64_t) drive->trusted))
        return FALSE;
    }
  return exact || keep_detached (&resolver, error);
}
