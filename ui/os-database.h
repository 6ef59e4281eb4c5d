/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The operating systems that can be chosen: libosinfo's database, and the
 * releases that are newer than it. Loading takes a while, so that it happens
 * on a worker thread.
 */
#pragma once

#include "ui/os.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_OS_DATABASE (bunshin_os_database_get_type ())
G_DECLARE_FINAL_TYPE (BunshinOsDatabase, bunshin_os_database, BUNSHIN, OS_DATABASE, GObject)

BunshinOsDatabase *bunshin_os_database_new (void);
/* Loads once; "loaded" is emitted on the caller's main context when everything can be found. */
void bunshin_os_database_load (BunshinOsDatabase *self);
/* Instead of it, where there is no window that waiting would hold up. */
void bunshin_os_database_load_now (BunshinOsDatabase *self);
gboolean bunshin_os_database_is_loaded (BunshinOsDatabase *self);
/* NULL when unknown (or not loaded yet); borrowed. */
BunshinOs *bunshin_os_database_find (BunshinOsDatabase *self, const char *id);
/* "Debian 12"; the id itself when it is unknown. Never NULL: "Unknown" for NULL. */
const char *bunshin_os_database_get_name (BunshinOsDatabase *self, const char *id);
/* Those that match @text (all when it is empty), under headings, "Other" last and always there. A GListStore of
 * BunshinOs. */
void bunshin_os_database_fill (BunshinOsDatabase *self, GListStore *store, const char *text);
/* What an installation disc holds. The result is borrowed, or NULL without an error when it is a disc like any other;
 * the error says that the file cannot be read as a disc. Loads the database first where that has not happened. */
void bunshin_os_database_identify_async (BunshinOsDatabase *self, const char *path, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer data);
BunshinOs *bunshin_os_database_identify_finish (BunshinOsDatabase *self, GAsyncResult *result, GError **error);
/* What is known here of a release that the database may be too old for; NULL: it is none of these. */
const OsFacts *os_newer_facts (const char *id);
/* The id of a release newer than the database, told by a disc's volume name; NULL when it is none. */
const char *os_for_volume_name (const char *volume);

G_END_DECLS
