/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking into the file systems on a guest's disk from outside, without the guest: what differs between two states of a
 * disk, and getting a file out. Only reads. What a running guest has not written out yet is not seen.
 *
 * Knows master boot records and GUID partition tables, ext2, ext3, ext4 (libext2fs) and NTFS (libntfs-3g). The contents are
 * the guest's and may be made to mislead: whoever shows them does it in a process that may crash.
 */
#pragma once

#include "storage/disk/disk.h"

typedef enum
{
  INSPECT_FILE,
  INSPECT_FOLDER,
  INSPECT_LINK,
  INSPECT_OTHER /* a device, a socket, a pipe */
} InspectType;

typedef enum
{
  INSPECT_ADDED,
  INSPECT_REMOVED,
  INSPECT_CHANGED,   /* other contents */
  INSPECT_ATTRIBUTES /* the same contents; another owner, mode or time */
} InspectChangeKind;

typedef struct
{
  InspectChangeKind kind;
  unsigned volume;   /* number of the partition; 0: the disk is not divided */
  char *path;        /* from the file system's root, '/'; bytes as the guest has them */
  InspectType type;  /* what it is now; REMOVED: was */
  uint64_t old_size, new_size; /* bytes */
  int64_t modified;  /* seconds since 1970, of the newer one that is there */
} InspectChange;

typedef struct
{
  GPtrArray *changes; /* of InspectChange, by volume and path */
  GPtrArray *notes;   /* char *: sentences about what could not be looked at */
} InspectChanges;

void inspect_changes_clear (InspectChanges *changes);

/* What is different in @after from what was in @before, two states of one disk. Fills @changes, which the caller clears. A volume
 * that cannot be read is a note, an I/O error of the images an error. */
gboolean inspect_compare (Disk *before, Disk *after, InspectChanges *changes, const DiskTask *task, GError **error);
/* Copies one file's contents to the host: over an existing file only if it @replaces that, and under its name only when it
 * is whole. @volume and @path as in InspectChange. */
gboolean inspect_copy_out (Disk *disk, unsigned volume, const char *path, const char *destination, gboolean replaces,
                           const DiskTask *task, GError **error);
/* A guest's path or name as it can be shown: UTF-8, and what would steer a terminal or turn the direction of writing is
 * written as “\x1b” and “\u202e”. Caller frees. */
char *inspect_shown_path (const char *path);
