/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a tree of snapshots is drawn: from the present at the top down to the oldest. The way that led to the present is
 * the first column; what branches off stands together above where it did, one column further. So a tree is as wide as
 * its branches have branches, however many there are.
 */
#pragma once

#include "storage/snapshot/snapshot.h"

G_BEGIN_DECLS

typedef enum
{
  SNAPSHOT_BELOW_NOTHING,  /* where a tree begins */
  SNAPSHOT_BELOW_PARENT,   /* a line down its own column */
  SNAPSHOT_BELOW_JOINS     /* one that turns into the column before */
} SnapshotBelow;

/* One row. Through the columns before its own the lines just pass. */
typedef struct
{
  const Snapshot *snapshot; /* borrowed; NULL: the present state */
  guint column;
  gboolean has_above;       /* a line comes from above in its column */
  SnapshotBelow below;
  gboolean with_present;    /* the present state belongs to this tree: its first column led there */
} SnapshotPlace;

/* @snapshots as of snapshot_list(). The rows of SnapshotPlace, from above, with the present state the first. Free with
 * g_array_unref(). */
GArray *snapshot_tree_arrange (const GPtrArray *snapshots);

G_END_DECLS
