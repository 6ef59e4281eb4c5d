/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening the library: where it is, bringing its schema up to date, the
 * application's own settings, and noticing what other processes change.
 */

#include "storage/library/library-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

GResource *library_resources_get_resource (void);

enum { BUSY_TIMEOUT_MS = 10000 };

static char *
find_home (const char *home)
{
  if (home == NULL)
    home = g_getenv ("BUNSHIN_HOME");
  if (home != NULL && *home != '\0')
    return g_canonicalize_filename (home, NULL);
  return g_build_filename (g_get_user_data_dir (), "bunshin", NULL);
}

/* Runs one migration, a file of SQL, and records its version. */
static gboolean
migrate_to (Library *library, int version, GError **error)
{
  g_autofree char *name = g_strdup_printf ("/org/bunshin/library/schema/%d.sql", version);
  g_autofree char *pragma = g_strdup_printf ("PRAGMA user_version = %d", version);
  g_autoptr (GBytes) sql = g_resource_lookup_data (library_resources_get_resource (), name,
                                                   G_RESOURCE_LOOKUP_FLAGS_NONE, error);

  if (!sql)
    return FALSE;
  /* Resource data ends with a zero byte that its size does not count. */
  if (sqlite3_exec (library->db, g_bytes_get_data (sql, NULL), NULL, NULL, NULL) != SQLITE_OK)
    return library_sql_error (library, error, NC_("cannot", "bring up to date"));
  return library_sql_run (library, error, pragma, "");
}

static gboolean
check_version (Library *library, int64_t *version, GError **error)
{
  int64_t both = 0, tables;

  /* In one statement, so that both are of the same moment: another process may be creating the library now. */
  if (!library_sql_int (library, error, &both,
                        "SELECT user_version * 1000000 + (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version",
                        ""))
    return FALSE;
  *version = both / 1000000;
  tables = both % 1000000;
  if (*version > LIBRARY_SCHEMA_VERSION)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NEWER_SCHEMA,
                   _("cannot open the library “%s”: it has schema version %lld, written by a newer Bunshin; "
                     "this one knows version %d"),
                   library->path, (long long) *version, LIBRARY_SCHEMA_VERSION);
      return FALSE;
    }
  if (*version < 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                   _("cannot open the library “%s”: its schema version is %lld"), library->path,
                   (long long) *version);
      return FALSE;
    }
  if (*version == 0 && tables > 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                   _("cannot open the library “%s”: it is a database of another program"), library->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
bring_up_to_date (Library *library, GError **error)
{
  int64_t version;
  gboolean ok;
  int folder;

  if (!check_version (library, &version, error))
    return FALSE;
  if (version == LIBRARY_SCHEMA_VERSION)
    return TRUE;

  /* The journal mode cannot change within a transaction, nor while others are at it: one process at a time. */
  folder = open (library->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0)
    flock (folder, LOCK_EX);
  ok = library_sql_run (library, error, "PRAGMA journal_mode = WAL", "") && library_sql_begin (library, error);
  if (ok)
    {
      /* Another process may have been faster. */
      ok = check_version (library, &version, error);
      while (ok && version < LIBRARY_SCHEMA_VERSION)
        ok = migrate_to (library, ++version, error);
      ok = library_sql_end (library, ok, error);
    }
  if (folder >= 0)
    close (folder);
  return ok;
}

Library *
library_open (const char *home, GError **error)
{
  g_autoptr (Library) library = g_new0 (Library, 1);

  library->home = find_home (home);
  library->path = g_build_filename (library->home, "bunshin.db", NULL);

  if (g_mkdir_with_parents (library->home, 0700) != 0)
    {
      int saved = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("cannot create the data folder “%s”: %s"),
                   library->home, g_strerror (saved));
      return NULL;
    }
  if (sqlite3_open_v2 (library->path, &library->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
    {
      int code = library->db ? sqlite3_system_errno (library->db) : 0;

      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("cannot open the library “%s”: %s"), library->path,
                   code ? g_strerror (code) : library->db ? sqlite3_errmsg (library->db) : "out of memory");
      return NULL;
    }
  sqlite3_extended_result_codes (library->db, 1);
  sqlite3_busy_timeout (library->db, BUSY_TIMEOUT_MS);

  if (!bring_up_to_date (library, error))
    return NULL;
  /* In WAL, “normal” keeps the file sound through power loss; “full” keeps the last change too. */
  if (!library_sql_run (library, error, "PRAGMA foreign_keys = ON", "") ||
      !library_sql_run (library, error, "PRAGMA synchronous = FULL", ""))
    return NULL;
  library->seen = library_sql_version (library);
  return g_steal_pointer (&library);
}

void
library_close (Library *library)
{
  if (!library)
    return;
  if (library->monitor)
    {
      g_file_monitor_cancel (library->monitor);
      g_object_unref (library->monitor);
    }
  sqlite3_close (library->db);
  g_free (library->path);
  g_free (library->home);
  g_free (library);
}

const char *
library_home (Library *library)
{
  return library->home;
}

char *
library_get_setting (Library *library, const char *key)
{
  g_autoptr (sqlite3_stmt) statement = NULL;

  statement = library_sql_prepare (library, NULL, "SELECT value FROM setting WHERE key = ?", "s", key);
  if (!statement || library_sql_step (library, statement, NULL) <= 0)
    return NULL;
  return library_sql_text (statement, 0);
}

gboolean
library_set_setting (Library *library, const char *key, const char *value, GError **error)
{
  if (value == NULL)
    return library_sql_run (library, error, "DELETE FROM setting WHERE key = ?", "s", key);
  return library_sql_run (library, error, "INSERT INTO setting (key, value) VALUES (?, ?) "
                          "ON CONFLICT (key) DO UPDATE SET value = excluded.value", "ss", key, value);
}

static void
on_files_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  Library *library = data;
  g_autofree char *name = g_file_get_basename (file);
  int64_t version;

  if (!g_str_has_prefix (name, "bunshin.db"))
    return;
  if (!library->changed)
    return;
  version = library_sql_version (library);
  if (version == library->seen)
    return;
  library->seen = version;
  library->changed (library, library->changed_opaque);
}

void
library_watch (Library *library, void (*changed) (Library *library, void *opaque), void *opaque)
{
  g_autoptr (GFile) home = g_file_new_for_path (library->home);

  library->changed = changed;
  library->changed_opaque = opaque;
  if (library->monitor || !changed)
    return;
  /* Commits go to the write-ahead log beside the database. */
  library->monitor = g_file_monitor_directory (home, G_FILE_MONITOR_NONE, NULL, NULL);
  if (!library->monitor)
    return;
  g_file_monitor_set_rate_limit (library->monitor, 100);
  g_signal_connect (library->monitor, "changed", G_CALLBACK (on_files_changed), library);
}
