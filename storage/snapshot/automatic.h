/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots that nobody asked for: what they are called, which of them go, and which discs are reason for one. */
#pragma once

#include "storage/snapshot/snapshot.h"

/* “Before “x.iso””, for the disc at @path. Caller frees. */
char *snapshot_automatic_name_disc (const char *path);
/* “Automatic, 14:35”. Caller frees. */
char *snapshot_automatic_name_time (GDateTime *time);

/* Which of @snapshots, a machine's list, have to go for the others to be within the quota, the oldest first: automatic ones
 * only, and neither the latest of them nor the one that the present state descends from, which “back to the snapshot” goes
 * to. Of Snapshot, borrowed. */
GPtrArray *snapshot_automatic_excess (GPtrArray *snapshots, const LibraryAutomatic *quota);
/* Deletes those; then call snapshot_tidy(). The machine may run. @count (optional): how many there were. */
gboolean snapshot_automatic_prune (Library *library, const char *machine_uuid, unsigned *count, GError **error);

/* Tells a disc from others, whatever its name is now: a checksum over its beginning and its end, its size and when it was
 * changed. Of one on a server: its address. NULL on error; caller frees. */
char *snapshot_disc_digest (const char *path, GError **error);
