/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One machine's timeline as a list model of BunshinSnapshotItem, from the
 * present state down. It is read on a thread, whenever the library changes.
 *
 * Signals: "loaded" when it has been read; "failed" (string) when it cannot be.
 */
#pragma once

#include "ui/machine-item.h"
#include "ui/snapshot-item.h"

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOT_LIST (bunshin_snapshot_list_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotList, bunshin_snapshot_list, BUNSHIN, SNAPSHOT_LIST, GObject)

/* @library outlives it. */
BunshinSnapshotList *bunshin_snapshot_list_new (Library *library);
/* Whose snapshots; NULL: nobody's. The list is empty until they are read. */
void bunshin_snapshot_list_set_machine (BunshinSnapshotList *self, BunshinMachineItem *machine);
/* Whether anybody looks at it: else it is not read, and reads what it missed later. */
void bunshin_snapshot_list_set_active (BunshinSnapshotList *self, gboolean active);
void bunshin_snapshot_list_reload (BunshinSnapshotList *self);
/* The items; belongs to the list. */
GListModel *bunshin_snapshot_list_get_model (BunshinSnapshotList *self);
/* Whether what is in the list is this machine's. */
gboolean bunshin_snapshot_list_is_loaded (BunshinSnapshotList *self);
/* How many snapshots there are, and the bytes on the host's disk that they take. */
guint bunshin_snapshot_list_get_count (BunshinSnapshotList *self);
guint64 bunshin_snapshot_list_get_size (BunshinSnapshotList *self);
/* By UUID; NULL: the present state. Borrowed; NULL when there is none. */
BunshinSnapshotItem *bunshin_snapshot_list_find (BunshinSnapshotList *self, const char *uuid);
/* The one that the present state descends from; borrowed, or NULL. */
BunshinSnapshotItem *bunshin_snapshot_list_get_current (BunshinSnapshotList *self);
/* Whether the present state has anything that the current snapshot has not. It takes a moment to find out: until then
 * *@is_known (or NULL) is FALSE, and TRUE is returned. */
gboolean bunshin_snapshot_list_has_changes (BunshinSnapshotList *self, gboolean *is_known);
/* Whether the machine is on a test drive, or was on one that has not ended. */
gboolean bunshin_snapshot_list_in_drive (BunshinSnapshotList *self);
/* The names of all snapshots, NULL-terminated; caller frees with g_strfreev(). */
char **bunshin_snapshot_list_get_names (BunshinSnapshotList *self);

G_END_DECLS
