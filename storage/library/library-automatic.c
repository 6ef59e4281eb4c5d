/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the library knows for automatic snapshots: when they are taken, and the discs that a machine has had. */

#include "storage/library/library-private.h"

#include <glib/gi18n-lib.h>

void
library_load_automatic (sqlite3_stmt *row, int column, LibraryAutomatic *automatic)
{
  automatic->before_disc = sqlite3_column_int (row, column) != 0;
  automatic->every = (unsigned) sqlite3_column_int64 (row, column + 1);
  automatic->keep = (unsigned) sqlite3_column_int64 (row, column + 2);
  automatic->space = (uint64_t) sqlite3_column_int64 (row, column + 3);
}

gboolean
library_get_automatic (Library *library, const char *uuid, LibraryAutomatic *automatic, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = library_sql_prepare (
      library, error, "SELECT " LIBRARY_AUTOMATIC_COLUMNS " FROM machine WHERE uuid = ?", "s", uuid);
  int more = statement ? library_sql_step (library, statement, error) : -1;

  if (more == 0)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _ ("there is no machine “%s”"), uuid);
  if (more <= 0)
    return FALSE;
  library_load_automatic (statement, 0, automatic);
  return TRUE;
}

gboolean
library_knows_disc (Library *library, const char *uuid, const char *digest, gboolean *known, GError **error)
{
  int64_t count = 0;

  if (!library_sql_int (library, error, &count,
                        "SELECT count (*) FROM machine_disc JOIN machine ON machine.id = machine_disc.machine "
                        "WHERE machine.uuid = ? AND digest = ?",
                        "ss", uuid, digest))
    return FALSE;
  *known = count > 0;
  return TRUE;
}

gboolean
library_remember_disc (Library *library, const char *uuid, const char *digest, GError **error)
{
  return library_sql_run (
      library, error, "INSERT OR IGNORE INTO machine_disc (machine, digest) SELECT id, ? FROM machine WHERE uuid = ?",
      "ss", digest, uuid);
}
