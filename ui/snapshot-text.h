/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots in words. */
#pragma once

#include "storage/snapshot/snapshot.h"

G_BEGIN_DECLS

/* How long before @now (both seconds since 1970) it was, or when: "5 minutes ago", "Yesterday, 14:03". Caller frees. */
char *snapshot_text_age (gint64 time, gint64 now);
/* Date and time in full. Caller frees. */
char *snapshot_text_time (gint64 time);
/* “Snapshot N”, as none of @names is called. Caller frees. */
char *snapshot_text_new_name (const char *const *names);
/* What a snapshot is called that keeps the present state before the one called @name is restored. Caller frees. */
char *snapshot_text_kept_name (const char *name);
/* What deleting brings and costs, in sentences. Caller frees. */
char *snapshot_text_forecast (const SnapshotForecast *forecast);

G_END_DECLS
