/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An open file system on a volume of a disk. Private to storage/inspect. */
#pragma once

#include "storage/inspect/filesystem.h"
#include "storage/inspect/volumes.h"

typedef struct
{
  VolumeReader *reader;
  const FileSystemType *type;
  gpointer state;
} Side;

/* @side->type stays NULL, without an error, when the volume has no file system that is known. FALSE: an I/O error, or one that
 * is known but cannot be opened. side_close() is due in any case. */
gboolean side_open (Side *side, Disk *disk, const Volume *volume, GError **error);
void side_close (Side *side);
/* The names in a folder, sorted by bytes: a GPtrArray of FileEntry. NULL on error. */
GPtrArray *side_list (const Side *side, uint64_t folder, GError **error);
