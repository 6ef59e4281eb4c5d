/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes machines of the library as an appliance. The command line and the window share it. */
#pragma once

#include "storage/appliance/appliance.h"
#include "storage/library/library.h"

G_BEGIN_DECLS

typedef struct
{
  ApplianceWriteOptions write;
  gboolean discs; /* what is in CD and floppy drives goes along */
} ExportOptions;

/* Any thread: it opens the library of @home (NULL: the user's) for itself. @machines: names or UUIDs, NULL-terminated;
 * they must be powered off, and cannot be started meanwhile. @path must not exist; it appears when it is whole. */
gboolean export_run (const char *const *machines, const char *path, const ExportOptions *options, const char *home,
                     const DiskTask *task, GError **error);

G_END_DECLS
