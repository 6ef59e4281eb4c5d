/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A snapshot, or the present state, in the timeline.
 *
 * Signal "verb" (string): "take", "restore", "delete", "edit", "clone"
 * or "cancel" was asked for.
 */
#pragma once

#include "ui/snapshot-item.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOT_ROW (bunshin_snapshot_row_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotRow, bunshin_snapshot_row, BUNSHIN, SNAPSHOT_ROW, GtkListBoxRow)

GtkWidget *bunshin_snapshot_row_new (BunshinSnapshotItem *item);
BunshinSnapshotItem *bunshin_snapshot_row_get_item (BunshinSnapshotRow *self);
/* Without its picture, and with all its verbs in the menu: there is little room. */
void bunshin_snapshot_row_set_narrow (BunshinSnapshotRow *self, gboolean narrow);

G_END_DECLS
