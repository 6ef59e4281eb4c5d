/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the library share: the open database and short ways to run a statement on it. */
#pragma once

#include "storage/library/library.h"

#include <sqlite3.h>

enum { LIBRARY_SCHEMA_VERSION = 7 };

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
/* Writes what is in the log to the database, as far as nobody else reads it, which a commit now and then does otherwise. */
void library_sql_checkpoint (Library *library);
/* Changes with every commit, by whichever process. */
int64_t library_sql_version (Library *library);
/* Newly allocated text of a column, NULL for NULL. */
char *library_sql_text (sqlite3_stmt *statement, int column);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

/* What was made, moved and removed in the folder is durable. */
gboolean library_sync_folder (const char *path, GError **error);
/* A file name made of @name: nothing in it can leave the folder or surprise a shell. Caller frees. */
char *library_safe_name (const char *name);
/* "xx:xx:xx:xx:xx:xx", not a group address. */
gboolean library_mac_valid (const char *mac);

/* The word of the database for it, and back. */
const char *library_medium_kind_name (LibraryMediumKind kind);
const char *library_cache_name (gboolean no_cache);
const char *library_net_kind_name (LibraryNetKind kind);
gboolean library_net_kind_parse (const char *word, LibraryNetKind *kind);
gboolean library_parse_controller (Library *library, const char *word, LibraryController *controller, GError **error);
gboolean library_medium_kind_parse (Library *library, const char *word, LibraryMediumKind *kind, GError **error);
/* Within a transaction: one record; all of its settings, which are valid. */
LibraryMachine *library_load_machine (Library *library, const char *uuid, GError **error);
/* @exact: it is put back to what it was: adapters' addresses may be others' already, and disks that it had are not kept
 * for the user to attach again. */
gboolean library_store_machine (Library *library, LibraryMachine *machine, gboolean exact, GError **error);
gboolean library_insert_machine (Library *library, LibraryMachine *machine, gboolean exact, GError **error);
/* Whether no other machine has @machine's name. */
gboolean library_check_name_free (Library *library, const LibraryMachine *machine, GError **error);
gboolean library_store_attachments (Library *library, int64_t machine, LibraryMachine *record, gboolean exact,
                                    GError **error);
gboolean library_machine_id (Library *library, const char *uuid, int64_t *id, GError **error);
/* Of a machine's row: the columns, and what such a one says from @column on. */
#define LIBRARY_AUTOMATIC_COLUMNS "auto_disc, auto_every, auto_keep, auto_space"
void library_load_automatic (sqlite3_stmt *row, int column, LibraryAutomatic *automatic);
/* The row of a medium, made when there is none yet. */
gboolean library_medium_id (Library *library, const char *path, LibraryMediumKind kind, const char *format, int64_t *id,
                            GError **error);
/* Disks that nothing needs any more are forgotten, unless they are kept; CDs and floppies stay on offer. */
gboolean library_forget_unused_disks (Library *library, GError **error);
/* The files of the medium @base (0: none, then *@chain is NULL) and of all below it, from the top. */
gboolean library_load_chain (Library *library, int64_t base, char ***chain, GError **error);
