/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the library share: the open database and short ways to run a statement on it. */
#pragma once

#include "storage/library/library.h"

#include <sqlite3.h>

enum { LIBRARY_SCHEMA_VERSION = 3 };

struct Library
{
  char *home;
  char *path;
  sqlite3 *db;
  GFileMonitor *monitor;
  void (*changed) (Library *library, void *opaque);
  void *changed_opaque;
  int64_t seen;              /* what library_sql_version() said when @changed was last called */
};

/* Sets @error from the database's state: “cannot <what> the library “<path>”: <why>”. Returns FALSE. */
gboolean library_sql_error (Library *library, GError **error, const char *what);
/* Parameters by @types: s text (may be NULL), i int64_t. NULL on error. Finish with sqlite3_finalize(). */
sqlite3_stmt *library_sql_prepare (Library *library, GError **error, const char *sql, const char *types, ...);
/* 1: a row; 0: the end; -1: an error. */
int library_sql_step (Library *library, sqlite3_stmt *statement, GError **error);
/* Prepares, runs to the end, finishes. */
gboolean library_sql_run (Library *library, GError **error, const char *sql, const char *types, ...);
/* The first column of the first row, or @fallback where there is none. */
gboolean library_sql_int (Library *library, GError **error, int64_t *value, const char *sql, const char *types, ...);
gboolean library_sql_begin (Library *library, GError **error);
/* Commits when @ok, else rolls back; returns whether all is well. */
gboolean library_sql_end (Library *library, gboolean ok, GError **error);
/* Changes with every commit, by whichever process. */
int64_t library_sql_version (Library *library);
/* Newly allocated text of a column, NULL for NULL. */
char *library_sql_text (sqlite3_stmt *statement, int column);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

/* A file name made of @name: nothing in it can leave the folder or surprise a shell. Caller frees. */
char *library_safe_name (const char *name);
/* "xx:xx:xx:xx:xx:xx", not a group address. */
gboolean library_mac_valid (const char *mac);
