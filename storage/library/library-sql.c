/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements, transactions and errors of the library's database. Spec: SQLite's C interface. */

#include "storage/library/library-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

G_DEFINE_QUARK (library-error-quark, library_error)

/* SQLite's words hide what the system said: that the folder is read-only, or the file system full. */
static char *
describe_error (Library *library)
{
  const char *text = sqlite3_errmsg (library->db);
  int system = sqlite3_system_errno (library->db);

  switch (sqlite3_errcode (library->db) & 0xff)
    {
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      if (access (library->home, W_OK) != 0)
        return g_strdup_printf (_("the folder cannot be written to: %s"), g_strerror (errno));
      if (access (library->path, W_OK) != 0)
        return g_strdup_printf (_("it cannot be written to: %s"), g_strerror (errno));
      return system != 0 ? g_strdup_printf ("%s: %s", text, g_strerror (system)) : g_strdup (text);
    default:
      return g_strdup (text);
    }
}

gboolean
library_sql_error (Library *library, GError **error, const char *what)
{
  g_autofree char *cause = describe_error (library);

  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("cannot %s the library “%s”: %s"),
               g_dpgettext2 (NULL, "cannot", what), library->path, cause);
  return FALSE;
}

static sqlite3_stmt *
prepare_va (Library *library, GError **error, const char *sql, const char *types, va_list args)
{
  g_autoptr (sqlite3_stmt) statement = NULL;

  if (sqlite3_prepare_v2 (library->db, sql, -1, &statement, NULL) != SQLITE_OK)
    {
      library_sql_error (library, error, NC_("cannot", "read"));
      return NULL;
    }

  for (int i = 0; types[i] != '\0'; i++)
    {
      int result;

      if (types[i] == 's')
        result = sqlite3_bind_text (statement, i + 1, va_arg (args, const char *), -1, SQLITE_TRANSIENT);
      else
        result = sqlite3_bind_int64 (statement, i + 1, va_arg (args, int64_t));
      if (result != SQLITE_OK)
        {
          library_sql_error (library, error, NC_("cannot", "read"));
          return NULL;
        }
    }
  return g_steal_pointer (&statement);
}

sqlite3_stmt *
library_sql_prepare (Library *library, GError **error, const char *sql, const char *types, ...)
{
  va_list args;
  sqlite3_stmt *statement;

  va_start (args, types);
  statement = prepare_va (library, error, sql, types, args);
  va_end (args);
  return statement;
}

int
library_sql_step (Library *library, sqlite3_stmt *statement, GError **error)
{
  switch (sqlite3_step (statement))
    {
    case SQLITE_ROW:
      return 1;
    case SQLITE_DONE:
      return 0;
    default:
      library_sql_error (library, error,
                         sqlite3_stmt_readonly (statement) ? NC_("cannot", "read") : NC_("cannot", "change"));
      return -1;
    }
}

gboolean
library_sql_run (Library *library, GError **error, const char *sql, const char *types, ...)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  va_list args;
  int more;

  va_start (args, types);
  statement = prepare_va (library, error, sql, types, args);
  va_end (args);
  if (!statement)
    return FALSE;

  while ((more = library_sql_step (library, statement, error)) > 0)
    ;
  return more == 0;
}

gboolean
library_sql_int (Library *library, GError **error, int64_t *value, const char *sql, const char *types, ...)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  va_list args;
  int more;

  va_start (args, types);
  statement = prepare_va (library, error, sql, types, args);
  va_end (args);
  if (!statement)
    return FALSE;

  more = library_sql_step (library, statement, error);
  if (more > 0)
    *value = sqlite3_column_int64 (statement, 0);
  return more >= 0;
}

gboolean
library_sql_begin (Library *library, GError **error)
{
  return library_sql_run (library, error, "BEGIN IMMEDIATE", "");
}

gboolean
library_sql_end (Library *library, gboolean ok, GError **error)
{
  if (ok && library_sql_run (library, error, "COMMIT", ""))
    return TRUE;
  if (!sqlite3_get_autocommit (library->db))
    library_sql_run (library, NULL, "ROLLBACK", "");
  return FALSE;
}

void
library_sql_checkpoint (Library *library)
{
  sqlite3_wal_checkpoint_v2 (library->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

int64_t
library_sql_version (Library *library)
{
  int64_t others = 0;

  library_sql_int (library, NULL, &others, "PRAGMA data_version", "");
  return (others << 32) + sqlite3_total_changes (library->db);
}

char *
library_sql_text (sqlite3_stmt *statement, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (statement, column));
}
