/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is asked before a machine goes back to a snapshot, and before one is deleted. */
#pragma once

#include "storage/snapshot/snapshot.h"

#include "ui/dialogs.h"

G_BEGIN_DECLS

/* @keeps: the present state is to be kept as a snapshot first. */
typedef void (*SnapshotRestoreConfirmed) (gboolean keeps, gpointer data);
/* @is_up: the machine runs. @has_changes: something would be lost. The data lives as long as the dialog. */
void snapshot_ask_restore (GtkWindow *parent, const Snapshot *snapshot, gboolean is_up, gboolean has_changes,
                           SnapshotRestoreConfirmed confirmed, gpointer data, GDestroyNotify data_free);
/* Says what deleting it frees as soon as that is known. @library: where it is; only its place is used. */
void snapshot_ask_delete (GtkWindow *parent, Library *library, const char *machine_uuid, const Snapshot *snapshot,
                          DialogConfirmed confirmed, gpointer data, GDestroyNotify data_free);

G_END_DECLS
