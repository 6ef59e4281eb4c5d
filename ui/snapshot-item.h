/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A row of the timeline: a snapshot and its place there, or the machine's
 * present state. Signal "changed" after any change.
 */
#pragma once

#include "ui/snapshot-tree.h"

#include <gdk/gdk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOT_ITEM (bunshin_snapshot_item_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotItem, bunshin_snapshot_item, BUNSHIN, SNAPSHOT_ITEM, GObject)

/* What the user may ask for at this moment. */
typedef enum
{
  SNAPSHOT_VERB_TAKE = 1 << 0,
  SNAPSHOT_VERB_RESTORE = 1 << 1,
  SNAPSHOT_VERB_DELETE = 1 << 2,
  SNAPSHOT_VERB_EDIT = 1 << 3,
  SNAPSHOT_VERB_CLONE = 1 << 4,
  SNAPSHOT_VERB_CANCEL = 1 << 5, /* what is being done with it */
  SNAPSHOT_VERB_CHANGES = 1 << 6,
  SNAPSHOT_VERB_DRIVE = 1 << 7
} SnapshotVerbs;

/* @uuid NULL: the present state. */
BunshinSnapshotItem *bunshin_snapshot_item_new (const char *uuid);
const char *bunshin_snapshot_item_get_uuid (BunshinSnapshotItem *self);
gboolean bunshin_snapshot_item_is_present (BunshinSnapshotItem *self);
/* What is known of it, and its place. Takes @snapshot over; NULL: the present state. */
void bunshin_snapshot_item_set (BunshinSnapshotItem *self, Snapshot *snapshot, const SnapshotPlace *place);
/* NULL of the present state. */
const Snapshot *bunshin_snapshot_item_get_snapshot (BunshinSnapshotItem *self);
const SnapshotPlace *bunshin_snapshot_item_get_place (BunshinSnapshotItem *self);
/* Its name, or words for the present state. */
const char *bunshin_snapshot_item_get_name (BunshinSnapshotItem *self);
/* A picture of its screen, or NULL. */
GdkTexture *bunshin_snapshot_item_get_thumbnail (BunshinSnapshotItem *self);
void bunshin_snapshot_item_set_thumbnail (BunshinSnapshotItem *self, GdkTexture *thumbnail);
/* Of the present state: a line about it, or NULL; and the system whose emblem stands for machines without a screen. */
const char *bunshin_snapshot_item_get_summary (BunshinSnapshotItem *self);
void bunshin_snapshot_item_set_summary (BunshinSnapshotItem *self, const char *summary);
const char *bunshin_snapshot_item_get_os_id (BunshinSnapshotItem *self);
void bunshin_snapshot_item_set_os_id (BunshinSnapshotItem *self, const char *os_id);
/* What is being done with it, or NULL; and how far that is, 0 … 1, negative: not known. */
const char *bunshin_snapshot_item_get_work (BunshinSnapshotItem *self);
double bunshin_snapshot_item_get_progress (BunshinSnapshotItem *self);
void bunshin_snapshot_item_set_work (BunshinSnapshotItem *self, const char *work, double progress);
SnapshotVerbs bunshin_snapshot_item_get_verbs (BunshinSnapshotItem *self);
void bunshin_snapshot_item_set_verbs (BunshinSnapshotItem *self, SnapshotVerbs verbs);
/* Time has passed: what is said of it in relation to now is another. */
void bunshin_snapshot_item_refresh (BunshinSnapshotItem *self);

G_END_DECLS
