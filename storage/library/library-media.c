/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of media: disk images and discs that machines have or that were added by hand. */

#include "storage/library/library-images.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

static void
user_free (gpointer data)
{
  LibraryMediumUser *user = data;

  g_free (user->uuid);
  g_free (user->name);
  g_free (user);
}

void
library_medium_free (LibraryMedium *medium)
{
  g_free (medium->path);
  g_free (medium->format);
  g_ptr_array_unref (medium->users);
  g_free (medium);
}

static LibraryMedium *
medium_new (sqlite3_stmt *row, LibraryMediumKind kind)
{
  LibraryMedium *medium = g_new0 (LibraryMedium, 1);

  medium->path = library_sql_text (row, 0);
  medium->kind = kind;
  medium->format = library_sql_text (row, 2);
  medium->kept = sqlite3_column_int (row, 3) != 0;
  medium->trusted = sqlite3_column_int (row, 7) != 0;
  medium->users = g_ptr_array_new_with_free_func (user_free);
  return medium;
}

GPtrArray *
library_list_media (Library *library, GError **error)
{
  g_autoptr (GPtrArray) media = g_ptr_array_new_with_free_func ((GDestroyNotify) library_medium_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  LibraryMedium *medium = NULL;
  int more;

  /* A machine has what its disks and snapshots are made of, however many layers lie over it. */
  statement = library_sql_prepare (library, error,
                                   "WITH RECURSIVE over (root, id) AS (SELECT id, id FROM medium WHERE base IS NULL OR kept "
                                   "UNION SELECT o.root, m.id FROM medium m JOIN over o ON m.base = o.id), "
                                   "use (medium, machine) AS (SELECT medium, machine FROM attachment UNION "
                                   "SELECT d.medium, s.machine FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id) "
                                   "SELECT DISTINCT path, m.kind, format, kept, machine.uuid, machine.name, base, "
                                   "m.trust OR EXISTS (SELECT * FROM over o JOIN attachment a ON a.medium = o.id "
                                   "WHERE o.root = m.id AND a.trust) "
                                   "FROM medium m JOIN over ON over.root = m.id "
                                   "LEFT JOIN use u ON u.medium = over.id "
                                   "LEFT JOIN machine ON machine.id = u.machine "
                                   "ORDER BY path, machine.name IS NULL, machine.name COLLATE NOCASE, machine.name",
                                   "");
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      const char *path = (const char *) sqlite3_column_text (statement, 0);
      LibraryMediumKind kind;

      if (!library_medium_kind_parse (library, (const char *) sqlite3_column_text (statement, 1), &kind, error))
        return NULL;
      /* A layer is a medium of its own only when it was detached and is to stay. */
      if (sqlite3_column_type (statement, 6) != SQLITE_NULL
          && (sqlite3_column_type (statement, 4) != SQLITE_NULL || access (path, F_OK) != 0))
        continue;
      if (!medium || strcmp (medium->path, path) != 0)
        {
          /* What only layers of machines that are gone lie over. */
          if (kind == LIBRARY_MEDIUM_DISK && !sqlite3_column_int (statement, 3)
              && sqlite3_column_type (statement, 4) == SQLITE_NULL)
            continue;
          medium = medium_new (statement, kind);
          g_ptr_array_add (media, medium);
        }
      if (sqlite3_column_type (statement, 4) != SQLITE_NULL)
        {
          LibraryMediumUser *user = g_new0 (LibraryMediumUser, 1);

          user->uuid = library_sql_text (statement, 4);
          user->name = library_sql_text (statement, 5);
          g_ptr_array_add (medium->users, user);
        }
    }
  return more == 0 ? g_steal_pointer (&media) : NULL;
}

gboolean
library_add_medium (Library *library, const char *path, LibraryMediumKind kind, const char *format, GError **error)
{
  g_autofree char *uuid = g_uuid_string_random ();

  /* A layer stays for as long as it is needed: only one that nothing needs can be kept. */
  return library_sql_run (library, error,
                          "INSERT INTO medium (uuid, path, kind, format, kept) VALUES (?, ?, ?, ?, 1) "
                          "ON CONFLICT (path) DO UPDATE SET kept = base IS NULL OR NOT ("
                          "EXISTS (SELECT * FROM attachment WHERE medium = medium.id) "
                          "OR EXISTS (SELECT * FROM snapshot_disk WHERE medium = medium.id) "
                          "OR EXISTS (SELECT * FROM medium m WHERE m.base = medium.id)), "
                          "format = coalesce (excluded.format, format)",
                          "ssss", uuid, path, library_medium_kind_name (kind), format);
}

GStrv
library_medium_users (Library *library, const char *path, const char *except_uuid)
{
  GPtrArray *users = g_ptr_array_new ();
  g_autoptr (sqlite3_stmt) statement = NULL;

  statement = library_sql_prepare (
      library, NULL,
      "WITH RECURSIVE over (id) AS (SELECT id FROM medium WHERE path = ? UNION "
      "SELECT m.id FROM medium m JOIN over o ON m.base = o.id) "
      "SELECT name FROM machine WHERE id IN (SELECT machine FROM attachment WHERE medium IN over UNION "
      "SELECT s.machine FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id WHERE d.medium IN over) "
      "AND uuid IS NOT ? ORDER BY name COLLATE NOCASE, name",
      "ss", path, except_uuid);
  while (statement && library_sql_step (library, statement, NULL) > 0)
    g_ptr_array_add (users, library_sql_text (statement, 0));
  g_ptr_array_add (users, NULL);
  return (GStrv) g_ptr_array_free (users, FALSE);
}

/* The machines that have the medium, under however many layers, of the transaction that is under way. */
static GPtrArray *
load_users (Library *library, const char *path, GError **error)
{
  g_autoptr (GPtrArray) machines = g_ptr_array_new_with_free_func ((GDestroyNotify) library_machine_free);
  g_autoptr (GPtrArray) uuids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (
      library, error,
      "WITH RECURSIVE over (id) AS (SELECT id FROM medium WHERE path = ? UNION "
      "SELECT m.id FROM medium m JOIN over o ON m.base = o.id) "
      "SELECT uuid FROM machine WHERE id IN (SELECT machine FROM attachment WHERE medium IN over UNION "
      "SELECT s.machine FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id WHERE d.medium IN over)",
      "s", path);
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    g_ptr_array_add (uuids, library_sql_text (statement, 0));
  if (more < 0)
    return NULL;
  for (unsigned i = 0; i < uuids->len; i++)
    {
      LibraryMachine *machine = library_load_machine (library, g_ptr_array_index (uuids, i), error);

      if (!machine)
        return NULL;
      g_ptr_array_add (machines, machine);
    }
  return g_steal_pointer (&machines);
}

/* No machine that has the medium may be at it. */
static gboolean
check_users_off (GPtrArray *machines, const char *path, GError **error)
{
  for (unsigned i = 0; i < machines->len; i++)
    {
      const LibraryMachine *machine = g_ptr_array_index (machines, i);

      if (library_machine_state (machine, NULL, NULL) == LIBRARY_STATE_POWERED_OFF)
        continue;
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING, _("“%s” is in use by the running machine “%s”"), path,
                   machine->name);
      return FALSE;
    }
  return TRUE;
}

/* Snapshots and layers need an image where it is: it cannot be taken away. */
static gboolean
check_no_snapshots (Library *library, const char *path, GError **error)
{
  g_auto (GStrv) users = NULL;
  int64_t needed = 0;

  if (!library_sql_int (library, error, &needed,
                        "SELECT EXISTS (SELECT * FROM medium WHERE base = m.id) OR "
                        "EXISTS (SELECT * FROM snapshot_disk WHERE medium = m.id) FROM medium m WHERE path = ?", "s", path))
    return FALSE;
  if (!needed)
    return TRUE;
  users = library_medium_users (library, path, NULL);
  if (users[0])
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” belongs to snapshots of the machine “%s”"), path,
                 users[0]);
  else
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” cannot be removed: other images lie over it"),
                 path);
  return FALSE;
}

gboolean
library_forget_medium (Library *library, const char *path, GError **error)
{
  g_autoptr (GPtrArray) users = NULL;
  g_autofree char *folder = g_path_get_dirname (path);
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  users = load_users (library, path, error);
  ok = users != NULL;
  if (ok && users->len > 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” belongs to the machine “%s”"), path,
                   ((const LibraryMachine *) g_ptr_array_index (users, 0))->name);
      ok = FALSE;
    }
  /* A layer that nothing needs any more goes with its file when its machine is tidied. */
  ok = ok && check_no_snapshots (library, path, error)
       && library_sql_run (library, error, "UPDATE medium SET kept = 0 WHERE path = ? AND base IS NOT NULL", "s", path)
       && library_sql_run (library, error, "DELETE FROM medium WHERE path = ? AND base IS NULL", "s", path);
  if (!library_sql_end (library, ok, error))
    return FALSE;
  /* It may have been the last that was left of a machine. */
  library_remove_dead_folder (library, folder);
  return TRUE;
}

/* Takes the medium out of one machine's record. Returns what it had. */
static GPtrArray *
take_out (LibraryMachine *machine, const char *path)
{
  g_autoptr (GPtrArray) taken = g_ptr_array_new_with_free_func ((GDestroyNotify) library_release_free);

  for (unsigned i = machine->attachments->len; i > 0; i--)
    {
      LibraryAttachment *attachment = g_ptr_array_index (machine->attachments, i - 1);
      LibraryRelease *release;

      if (g_strcmp0 (attachment->path, path) != 0)
        continue;
      release = g_new0 (LibraryRelease, 1);
      release->uuid = g_strdup (machine->uuid);
      release->controller = attachment->controller;
      release->unit = attachment->unit;
      release->kind = attachment->kind;
      release->format = g_strdup (attachment->format);
      release->no_cache = attachment->no_cache;
      release->trusted = attachment->trusted;
      g_ptr_array_add (taken, release);
      if (attachment->kind == LIBRARY_MEDIUM_DISK)
        g_ptr_array_remove_index (machine->attachments, i - 1);
      else
        library_attachment_set_path (attachment, NULL, NULL);
    }
  return g_steal_pointer (&taken);
}

void
library_release_free (LibraryRelease *release)
{
  g_free (release->uuid);
  g_free (release->format);
  g_free (release);
}

GPtrArray *
library_release_medium (Library *library, const char *path, GError **error)
{
  g_autoptr (GPtrArray) released = g_ptr_array_new_with_free_func ((GDestroyNotify) library_release_free);
  g_autoptr (GPtrArray) users = NULL;
  gboolean ok;

  if (!library_sql_begin (library, error))
    return NULL;
  users = load_users (library, path, error);
  ok = users && check_users_off (users, path, error) && check_no_snapshots (library, path, error)
       && library_sql_run (library, error, "UPDATE medium SET kept = 1 WHERE path = ?", "s", path);
  for (unsigned i = 0; ok && i < users->len; i++)
    {
      LibraryMachine *machine = g_ptr_array_index (users, i);

      g_ptr_array_extend_and_steal (released, take_out (machine, path));
      ok = library_store_machine (library, machine, FALSE, error);
    }
  return library_sql_end (library, ok, error) ? g_steal_pointer (&released) : NULL;
}

/* Puts one back where it was. */
static gboolean
put_back (LibraryMachine *machine, const LibraryRelease *release, const char *path, GError **error)
{
  LibraryAttachment *drive = library_machine_find_attachment (machine, release->controller, release->unit);

  if (!drive)
    drive = library_machine_add_attachment (machine, release->controller, release->unit, release->kind, path,
                                            release->format);
  else if (release->kind != LIBRARY_MEDIUM_DISK && drive->kind == release->kind && !drive->path)
    library_attachment_set_path (drive, path, release->format);
  else
    drive = NULL;
  if (drive)
    {
      drive->no_cache = release->no_cache;
      drive->trusted = release->trusted;
      return TRUE;
    }
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("“%s” has something else in the place of “%s” now"),
               machine->name, path);
  return FALSE;
}

gboolean
library_return_medium (Library *library, const char *path, GPtrArray *released, GError **error)
{
  gboolean ok = TRUE;

  if (!library_sql_begin (library, error))
    return FALSE;
  for (unsigned i = 0; ok && i < released->len; i++)
    {
      const LibraryRelease *release = g_ptr_array_index (released, i);
      g_autoptr (LibraryMachine) machine = library_load_machine (library, release->uuid, error);

      ok = machine && put_back (machine, release, path, error) && library_machine_validate (machine, error)
           && library_store_machine (library, machine, FALSE, error);
    }
  return library_sql_end (library, ok, error);
}

gboolean
library_move_medium (Library *library, const char *from, const char *to, GError **error)
{
  g_autoptr (GPtrArray) users = NULL;
  int64_t taken = 0, layer = 0;
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  users = load_users (library, from, error);
  ok = users && check_users_off (users, from, error)
       && library_sql_int (library, error, &layer, "SELECT base IS NOT NULL AND NOT kept FROM medium WHERE path = ?", "s",
                           from)
       && library_sql_int (library, error, &taken, "SELECT count(*) FROM medium WHERE path = ?", "s", to);
  if (ok && layer)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” is a layer of a snapshot: it cannot be moved"),
                   from);
      ok = FALSE;
    }
  if (ok && taken)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("“%s” is in the list of media already"), to);
      ok = FALSE;
    }
  ok = ok && library_sql_run (library, error, "UPDATE medium SET path = ? WHERE path = ?", "ss", to, from);
  if (ok && sqlite3_changes (library->db) == 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("“%s” is not in the list of media"), from);
      ok = FALSE;
    }
  return library_sql_end (library, ok, error);
}
