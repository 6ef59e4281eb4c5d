/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of a machine that may run or not: its process does them when it
 * runs; else this one does, while it holds the machine's lock. Blocking; any
 * thread.
 */
#pragma once

#include "storage/disk/disk.h"
#include "ui/machine-control.h"

/* A library of the thread's own, and the lock of a machine that is off, which meanwhile looks as if nothing happened.
 */
typedef struct
{
  Library *library;
  LibraryLock *lock;
  LibraryMachine *machine;
} SnapshotDesk;

/* LIBRARY_ERROR_RUNNING when the machine runs. What an earlier run has left is put in order first, with @tidy; @did:
 * sentences about it, or NULL. */
gboolean snapshot_desk_open (SnapshotDesk *desk, const LibraryMachine *machine, gboolean tidy, const DiskTask *task,
                             char ***did, GError **error);
void snapshot_desk_close (SnapshotDesk *desk);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SnapshotDesk, snapshot_desk_close)

/* Puts what an earlier run of a machine that is off and locked has left in order, all but merges, which take their
 * time. @did as above. FALSE: its disks are still those of a test drive. */
gboolean snapshot_work_recover (Library *library, const char *uuid, char ***did, GError **error);

/* The UUID of the snapshot that the machine's present state descends from; @in_drive: even of one where a test drive
 * began. LIBRARY_ERROR_NOT_FOUND when there is none. Caller frees. */
char *snapshot_work_find_current (Library *library, const LibraryMachine *machine, gboolean in_drive, GError **error);

/* Does what @request says. @task: its progress is told on this thread or on others, and it can be cancelled; or NULL.
 * @did as above. */
gboolean snapshot_work_run (const LibraryMachine *machine, const BunshinSnapshotRequest *request, const DiskTask *task,
                            char ***did, GError **error);
