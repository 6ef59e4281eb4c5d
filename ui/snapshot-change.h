/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a machine is still what it was when a snapshot was taken. */
#pragma once

#include "storage/snapshot/snapshot.h"

G_BEGIN_DECLS

/* Of a machine that is off: whether its settings, its disks or its saved state hold anything that @snapshot does not.
 * Opens the disks' top layers; any thread. What cannot be read counts as changed. */
gboolean snapshot_change_exists (const LibraryMachine *machine, const Snapshot *snapshot);

G_END_DECLS
