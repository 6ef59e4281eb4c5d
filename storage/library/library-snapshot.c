/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots in the database, and what is under way in their trees. */

#include "storage/library/library-images.h"

#include <string.h>
#include <unistd.h>

void
library_snapshot_free (LibrarySnapshot *snapshot)
{
  if (!snapshot)
    return;
  g_free (snapshot->uuid);
  g_free (snapshot->name);
  g_free (snapshot->description);
  g_free (snapshot->kind);
  g_free (snapshot->settings);
  g_clear_pointer (&snapshot->disks, g_array_unref);
  g_free (snapshot);
}

LibrarySnapshot *
library_snapshot_by_id (GPtrArray *snapshots, int64_t id)
{
  for (unsigned i = 0; i < snapshots->len; i++)
    if (((LibrarySnapshot *) snapshots->pdata[i])->id == id)
      return snapshots->pdata[i];
  return NULL;
}

static gboolean
load_disks (Library *library, int64_t machine, GHashTable *by_id, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT d.snapshot, d.controller, d.unit, d.medium FROM snapshot s "
                                   "JOIN snapshot_disk d ON d.snapshot = s.id WHERE s.machine = ?", "i", machine);
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      int64_t id = sqlite3_column_int64 (statement, 0);
      LibrarySnapshot *snapshot = g_hash_table_lookup (by_id, &id);
      LibrarySnapshotDisk disk = { .unit = (unsigned) sqlite3_column_int (statement, 2),
                                   .medium = sqlite3_column_int64 (statement, 3) };

      if (!library_parse_controller (library, (const char *) sqlite3_column_text (statement, 1), &disk.controller, error))
        return FALSE;
      if (snapshot)
        g_array_append_val (snapshot->disks, disk);
    }
  return more == 0;
}

GPtrArray *
library_load_snapshots (Library *library, int64_t machine, GError **error)
{
  g_autoptr (GPtrArray) snapshots = g_ptr_array_new_with_free_func ((GDestroyNotify) library_snapshot_free);
  g_autoptr (GHashTable) by_id = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT id, parent, uuid, name, description, created, kind, finished, state, "
                                   "thumbnail, settings FROM snapshot WHERE machine = ? ORDER BY created, id",
                                   "i", machine);
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      LibrarySnapshot *snapshot = g_new0 (LibrarySnapshot, 1);

      snapshot->id = sqlite3_column_int64 (statement, 0);
      snapshot->parent = sqlite3_column_int64 (statement, 1);
      snapshot->uuid = library_sql_text (statement, 2);
      snapshot->name = library_sql_text (statement, 3);
      snapshot->description = library_sql_text (statement, 4);
      snapshot->created = sqlite3_column_int64 (statement, 5);
      snapshot->kind = library_sql_text (statement, 6);
      snapshot->finished = sqlite3_column_int (statement, 7) != 0;
      snapshot->has_state = sqlite3_column_int (statement, 8) != 0;
      snapshot->has_thumbnail = sqlite3_column_int (statement, 9) != 0;
      snapshot->settings = library_sql_text (statement, 10);
      snapshot->disks = g_array_new (FALSE, FALSE, sizeof (LibrarySnapshotDisk));
      g_ptr_array_add (snapshots, snapshot);
      g_hash_table_insert (by_id, &snapshot->id, snapshot);
    }
  if (more < 0 || !load_disks (library, machine, by_id, error))
    return NULL;
  return g_steal_pointer (&snapshots);
}

gboolean
library_insert_snapshot (Library *library, int64_t machine, LibrarySnapshot *snapshot, GError **error)
{
  if (!library_sql_run (library, error,
                        "INSERT INTO snapshot (uuid, machine, parent, name, description, created, kind, finished, "
                        "state, thumbnail, settings) SELECT ?1, id, current, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
                        "FROM machine WHERE id = ?10",
                        "sssisiiisi", snapshot->uuid, snapshot->name, snapshot->description, snapshot->created,
                        snapshot->kind, (int64_t) snapshot->finished, (int64_t) snapshot->has_state,
                        (int64_t) snapshot->has_thumbnail, snapshot->settings, machine))
    return FALSE;
  snapshot->id = sqlite3_last_insert_rowid (library->db);
  for (unsigned i = 0; i < snapshot->disks->len; i++)
    {
      const LibrarySnapshotDisk *disk = &g_array_index (snapshot->disks, LibrarySnapshotDisk, i);

      if (!library_sql_run (library, error, "INSERT INTO snapshot_disk (snapshot, controller, unit, medium) "
                            "VALUES (?, ?, ?, ?)", "isii", snapshot->id, library_controller_name (disk->controller),
                            (int64_t) disk->unit, disk->medium))
        return FALSE;
    }
  return library_sql_run (library, error, "UPDATE machine SET current = ? WHERE id = ?", "ii", snapshot->id, machine);
}

gboolean
library_remove_snapshot (Library *library, const LibrarySnapshot *snapshot, GError **error)
{
  /* As it is now, not as it was when it was read. */
  return library_sql_run (library, error,
                          "UPDATE snapshot SET parent = (SELECT parent FROM snapshot WHERE id = ?1) WHERE parent = ?1",
                          "i", snapshot->id)
         && library_sql_run (library, error,
                             "UPDATE machine SET current = (SELECT parent FROM snapshot WHERE id = ?1) "
                             "WHERE current = ?1", "i", snapshot->id)
         && library_sql_run (library, error, "DELETE FROM snapshot WHERE id = ?", "i", snapshot->id);
}

char *
library_process_name (void)
{
  g_autofree char *stat = NULL, *boot = NULL;
  g_auto (GStrv) words = NULL;
  const char *rest;

  /* Numbers of processes come back; with the moment of its start, and of the host's, one does not. */
  g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL);
  if (g_file_get_contents ("/proc/self/stat", &stat, NULL, NULL) && (rest = strrchr (stat, ')')) != NULL)
    words = g_strsplit (rest, " ", -1);
  return g_strdup_printf ("%ld %s %s", (long) getpid (), words && g_strv_length (words) > 20 ? words[20] : "",
                          boot ? g_strchomp (boot) : "");
}

void
library_work_free (LibraryWork *work)
{
  g_free (work->verb);
  g_free (work->name);
  g_free (work->state);
  g_free (work->process);
  g_free (work);
}

gboolean
library_insert_work (Library *library, int64_t machine, const char *verb, const char *name, const char *state,
                     GError **error)
{
  g_autofree char *process = library_process_name ();

  return library_sql_run (library, error,
                          "INSERT INTO snapshot_work (machine, verb, name, state, process) VALUES (?, ?, ?, ?, ?)",
                          "issss", machine, verb, name, state, process);
}

gboolean
library_remove_work (Library *library, int64_t id, GError **error)
{
  return library_sql_run (library, error, "DELETE FROM snapshot_work WHERE id = ?", "i", id);
}

GPtrArray *
library_load_work (Library *library, int64_t machine, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) library_work_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT id, verb, name, state, process FROM snapshot_work WHERE machine = ? "
                                   "ORDER BY id", "i", machine);
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      LibraryWork *work = g_new0 (LibraryWork, 1);

      work->id = sqlite3_column_int64 (statement, 0);
      work->verb = library_sql_text (statement, 1);
      work->name = library_sql_text (statement, 2);
      work->state = library_sql_text (statement, 3);
      work->process = library_sql_text (statement, 4);
      g_ptr_array_add (all, work);
    }
  return more == 0 ? g_steal_pointer (&all) : NULL;
}
