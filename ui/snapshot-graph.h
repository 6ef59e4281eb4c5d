/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of the timeline beside one of its rows. It takes the height it gets. */
#pragma once

#include "ui/snapshot-tree.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOT_GRAPH (bunshin_snapshot_graph_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotGraph, bunshin_snapshot_graph, BUNSHIN, SNAPSHOT_GRAPH, GtkWidget)

void bunshin_snapshot_graph_set_place (BunshinSnapshotGraph *self, const SnapshotPlace *place);

G_END_DECLS
