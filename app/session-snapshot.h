/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of a session that deal with snapshots share: a request under way, the data of its task. */
#pragma once

#include "app/session-private.h"

typedef struct
{
  BunshinSession *session; /* borrowed: the task holds it */
  BunshinSnapshotVerb verb;
  char *snapshot, *name, *description;
  SnapshotDriveEnd how;
  SnapshotKind kind; /* of one that is taken */
  GTask *task; /* borrowed: the caller's */
  DiskTask disk_task;

  /* Of the thread at work. */
  Library *library;
  LibraryMachine *record;
  int64_t pause; /* µs */

  /* Of one that comes before a medium: what is inserted then. */
  char *slot, *path, *digest;
  Disk *disk;
  gboolean force;

  /* Of one that is being put back. */
  Machine *machine; /* the new one; of a test drive that ends, the one that was on it */
  Machine *old;     /* has ended; its memory is given back when the new one runs */
  gint64 begin;     /* µs, monotonic */
} SessionSnapshot;

SessionSnapshot *session_snapshot_new (BunshinSession *session, const BunshinSnapshotRequest *request, GTask *task);
/* On a thread: opens the library for it. FALSE: @error. */
gboolean session_snapshot_open (SessionSnapshot *work, GError **error);
/* On a thread: what nothing needs any more goes, while the machine (if there is one) runs on. A merge that was
 * cancelled is no error: it goes on some other time. */
gboolean session_snapshot_tidy (SessionSnapshot *work, GError **error);
/* On a thread: takes a snapshot of the machine that runs or is paused. */
gboolean session_snapshot_take (SessionSnapshot *work, GError **error);
/* On the main thread, when a thread's part has ended: the record follows. The first returns whether it went well and
 * leaves
 * @error to the caller. */
gboolean session_snapshot_follow (SessionSnapshot *work, GAsyncResult *result, GError **error);
/* Ends the job, and @work with it. @error (consumed) NULL: it went well. */
void session_snapshot_return (SessionSnapshot *work, GError *error);
/* For threads: takes one; ends. */
void session_snapshot_take_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable);
void session_snapshot_return_thread (GTask *task, gboolean ok, GError *error);

/* session-restore.c */
/* Puts the machine back; the job is begun. */
void session_restore (BunshinSession *session, GTask *task);
