/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Snapshots of machines: a tree of them each, that can be taken, gone back to, deleted anywhere and cloned from.
 *
 * A snapshot is the machine's settings of its time, the image that was each disk's top then, and perhaps a saved state.
 * When one is taken, a new layer (an empty qcow2 image beneath “Snapshots” in the machine's folder) goes over each disk,
 * and what was there is only read from then on. The library knows which image lies over which: one transaction of its
 * makes or undoes a verb as a whole, and files that it does not know are what an interrupted run left.
 *
 * Every function may be called on any thread that has its own Library. Who changes a machine's tree holds that machine's
 * lock, or is the process that does.
 */
#pragma once

#include "storage/disk/disk.h"
#include "storage/library/library.h"

typedef enum
{
  SNAPSHOT_USER,      /* that the user asked for */
  SNAPSHOT_AUTOMATIC, /* that was taken before something that may want to be undone */
  SNAPSHOT_DRIVE      /* where a test drive began; users do not see it */
} SnapshotKind;

typedef struct
{
  char *uuid, *parent;      /* parent NULL: a root of the tree */
  char *name, *description; /* description NULL: none */
  int64_t created;          /* seconds since 1970 */
  SnapshotKind kind;
  char *state_path, *thumbnail_path; /* NULL: none */
  uint64_t size;            /* bytes on the host's disk that are its own: state, thumbnail, its layers */
  LibraryMachine *settings; /* with attachments' path and chain as of then; name, uuid, folder are the machine's of now */
  gboolean is_current;      /* the machine's present state descends from it directly */
} Snapshot;

/* NULL is fine. */
void snapshot_free (Snapshot *snapshot);
/* In the tree's order: parents before children, older before younger. DRIVE ones, and those that are still being taken,
 * are not in it unless @all: what descends from them then counts as their parent's. Free with g_ptr_array_unref(); NULL
 * on error. */
GPtrArray *snapshot_list (Library *library, const LibraryMachine *machine, gboolean all, GError **error);
/* By name (an error when two have it) or UUID; not DRIVE ones. LIBRARY_ERROR_NOT_FOUND when there is none. Caller frees. */
Snapshot *snapshot_find (Library *library, const LibraryMachine *machine, const char *name_or_uuid, GError **error);
/* @name NULL: stays; @description NULL: stays, "": none. */
gboolean snapshot_edit (Library *library, const char *machine_uuid, const char *snapshot_uuid, const char *name,
                        const char *description, GError **error);

/* --- Taking --- */

/* One that is being taken. */
typedef struct SnapshotTake SnapshotTake;

typedef struct
{
  const char *name;        /* NULL: “Snapshot N” */
  const char *description; /* NULL or "": none */
  SnapshotKind kind;
  GBytes *thumbnail;       /* PNG or NULL */
} SnapshotOptions;

/* A disk of the machine: what is its top file now, and the new layer's file. */
typedef struct
{
  LibraryController controller;
  unsigned unit;
  char *slot; /* "ide0" */
  char *base, *layer;
} SnapshotDisk;

/* Checks whether the machine can be snapshotted (no disk of it is on a server or anybody else's, and there is space) and
 * makes the layers' files. Only disks get one, not CDs and floppies. @machine is as the machine runs or would start: its
 * settings are the snapshot's. Not while another thread tidies the machine: that is to be cancelled and waited for first,
 * or the commit may fail, as a merge has changed a disk's top. */
SnapshotTake *snapshot_take_begin (Library *library, const LibraryMachine *machine, const SnapshotOptions *options,
                                   GError **error);
/* Of SnapshotDisk; borrowed. */
GPtrArray *snapshot_take_disks (SnapshotTake *take);
/* Where a state of memory goes, if one is saved. Borrowed. */
const char *snapshot_take_state_path (SnapshotTake *take);
const char *snapshot_take_uuid (SnapshotTake *take);
/* The transaction: quick; the machine stands still. From now on its disks' tops are the layers, for whoever opens them.
 * The snapshot is marked unfinished. */
gboolean snapshot_take_commit (SnapshotTake *take, GError **error);
/* Ends it. @has_state: the state file is whole; it is made durable here. FALSE: it was not marked finished. */
gboolean snapshot_take_finish (SnapshotTake *take, gboolean has_state, GError **error);
/* Frees; not finished: before the commit the layers go; after it the snapshot is deleted again (the caller runs
 * snapshot_tidy() then). NULL is fine. */
void snapshot_take_free (SnapshotTake *take);
/* All of it for a machine that is off; a saved state that waits for its next start becomes the snapshot's, too, and still
 * waits. Returns the new snapshot's UUID; caller frees. */
char *snapshot_take_off (Library *library, const LibraryMachine *machine, const SnapshotOptions *options, GError **error);

/* --- Going back and deleting --- */

/* Puts the machine's settings, disks and saved state back to what they were. It is off and locked by the caller (or its
 * Machine is freed in this process). What it is now is lost, unless a snapshot was taken. A disc that is not there any
 * more is not inserted. */
gboolean snapshot_restore (Library *library, const char *machine_uuid, const char *snapshot_uuid, GError **error);
/* Likewise for a machine that goes on at once in this process. @state: the file that it goes on from, which is the snapshot's, or
 * NULL when that has none; caller frees. Nothing is left for a next start: when the process ends, the machine is off, with the
 * disks of the snapshot and what was written since. */
gboolean snapshot_restore_running (Library *library, const char *machine_uuid, const char *snapshot_uuid, char **state,
                                   GError **error);
/* Takes it out of the tree; what descends from it then descends from its parent. Then call snapshot_tidy(). The machine may
 * run. */
gboolean snapshot_delete (Library *library, const char *machine_uuid, const char *snapshot_uuid, GError **error);

typedef struct
{
  uint64_t frees;  /* bytes of the host's disk, an estimate */
  uint64_t copies; /* bytes that are merged: how long it takes */
  gboolean waits;  /* layers stay hidden as several need them */
} SnapshotForecast;

/* What deleting it and tidying would do. */
gboolean snapshot_forecast_delete (Library *library, const char *machine_uuid, const char *snapshot_uuid,
                                   SnapshotForecast *forecast, GError **error);

typedef struct
{
  /* The disk of the running machine whose chain has @path in it, or NULL when none has; unreferenced when it is done
   * with. NULL: the machine is off. */
  Disk *(*find_disk) (void *opaque, const char *path);
  /* After a merge's transaction: the machine's disk has this top file now (same thread). May be NULL. */
  void (*moved) (void *opaque, const char *slot, const char *path);
  void *opaque;
  const DiskTask *task; /* or NULL; its progress is that of one merge after another */
} SnapshotTidy;

/* Finishes what was interrupted, merges and removes what nothing needs. With the machine off, a test drive that another
 * process began is discarded, as that was killed: a drive that ended well is to be ended with snapshot_drive_end() first.
 * @options NULL: the machine is off. @did (or NULL): sentences for the user about what an earlier run had left, NULL when none; caller frees with
 * g_strfreev(). Goes on with the rest when one thing fails; the error is the first one, and what failed is tried again by
 * the next tidy. */
gboolean snapshot_tidy (Library *library, const char *machine_uuid, const SnapshotTidy *options, char ***did,
                        GError **error);

/* --- Test drive: of a machine that is off and that the caller locked --- */

/* Remembers what the machine is, then restores the snapshot if one is given. There is at most one drive at a time. */
gboolean snapshot_drive_begin (Library *library, const char *machine_uuid, const char *snapshot_uuid_or_null,
                               GError **error);
/* Whether a drive was begun and has not been ended. */
gboolean snapshot_in_drive (Library *library, const char *machine_uuid);

typedef enum
{
  SNAPSHOT_DRIVE_DISCARD,         /* the machine is what it was before */
  SNAPSHOT_DRIVE_KEEP,            /* it stays as it is now */
  SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT /* that, and a snapshot of it is taken */
} SnapshotDriveEnd;

/* @name: of the snapshot (NULL: “Snapshot N”). Then call snapshot_tidy(). */
gboolean snapshot_drive_end (Library *library, const char *machine_uuid, SnapshotDriveEnd how, const char *name,
                             GError **error);

/* --- Clones --- */

/* A new machine with the disks of @snapshot_uuid (NULL: as they are now; the machine is off and locked by the caller).
 * Linked: layers over them (of “as they are now” a snapshot is taken first, and stays); else whole copies. It gets a new
 * UUID, new MAC addresses unless @keep_macs, and no saved state: it starts from its disks. @clone is its record; caller
 * frees. Failure leaves nothing behind. */
gboolean snapshot_clone (Library *library, const LibraryMachine *machine, const char *snapshot_uuid, const char *name,
                         gboolean linked, gboolean keep_macs, const DiskTask *task, LibraryMachine **clone,
                         GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Snapshot, snapshot_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SnapshotTake, snapshot_take_free)
