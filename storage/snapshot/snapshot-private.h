/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the verbs on snapshots share. */
#pragma once

#include "storage/library/library-images.h"
#include "storage/snapshot/snapshot.h"

/* --- Settings as text --- */

/* Caller frees. */
char *snapshot_settings_format (const LibraryMachine *machine);
/* @now: the machine, whose identity the result has. Its disks have no paths yet. NULL on error. */
LibraryMachine *snapshot_settings_parse (const char *text, const LibraryMachine *now, GError **error);

/* --- Files --- */

/* Bytes that the file takes on the host's disk; 0 when it is not there. */
uint64_t snapshot_file_size (const char *path);
/* The machine's folder of snapshots is there, durably. */
gboolean snapshot_make_folder (const LibraryMachine *machine, GError **error);
/* A new, durable file. Its folder is to be synced. */
gboolean snapshot_write_file (const char *path, GBytes *contents, GError **error);
/* The same file under another name, which is free: linked, or else copied and durable. Its folder is to be synced. */
gboolean snapshot_link_file (const char *from, const char *to, GError **error);
/* Whether @needed bytes are free where @folder is; the error says how many are. */
gboolean snapshot_check_space (const char *folder, uint64_t needed, GError **error);
/* A descriptor that holds the folder until it is closed. @alone: not while anybody else holds it; -1 then. */
int snapshot_hold_folder (const char *folder, gboolean alone);

/* --- A machine's tree, as of one moment --- */

typedef struct
{
  LibraryMachine *machine;
  int64_t id, current; /* rows of the machine and of the snapshot that its present state descends from, or 0 */
  char *folder;        /* of its snapshots */
  GHashTable *images;  /* all of the library */
  GPtrArray *snapshots; /* of LibrarySnapshot */
  GHashTable *parsed;  /* settings by their text, as far as they were asked for: LibraryMachine without disks' paths */
} SnapshotTree;

SnapshotTree *snapshot_tree_load (Library *library, const char *machine_uuid, GError **error);
void snapshot_tree_free (SnapshotTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SnapshotTree, snapshot_tree_free)
/* A finished one, or NULL with an error. */
LibrarySnapshot *snapshot_tree_find (const SnapshotTree *tree, const char *uuid, GError **error);
/* The one where a test drive began, or NULL. */
LibrarySnapshot *snapshot_tree_drive (const SnapshotTree *tree);
/* Whether there is one that this process began. */
gboolean snapshot_drive_is_own (const SnapshotTree *tree);
/* “<folder>/<uuid>.<ending>”. Caller frees. */
char *snapshot_tree_file (const SnapshotTree *tree, const char *uuid, const char *ending);
/* What the image is, found by path; or NULL. */
LibraryImage *snapshot_tree_image (const SnapshotTree *tree, const char *path);
/* The files below it, NULL-terminated, or NULL. Caller frees. */
char **snapshot_chain (const LibraryImage *image);
/* The settings of @snapshot with the paths of its disks. */
LibraryMachine *snapshot_tree_settings (const SnapshotTree *tree, const LibrarySnapshot *snapshot, GError **error);
/* Whether @lower is to be merged with what lies over it. */
gboolean snapshot_tree_can_merge (const SnapshotTree *tree, const LibraryImage *lower);

/* --- Layers --- */

/* A layer that is being made. */
typedef struct
{
  SnapshotDisk disk; /* the first, as others see only that */
  char *uuid, *base_format;
  int64_t base_id;
  gboolean trusted;
} SnapshotLayer;

void snapshot_layer_free (SnapshotLayer *layer);
/* The file for a layer in @folder over @image, for the drive @drive, whose settings say how that is to be opened. @whole:
 * an error when what lies below @image cannot be opened; else that is not looked at. */
SnapshotLayer *snapshot_layer_create (const char *folder, const LibraryAttachment *drive, const LibraryImage *image,
                                      gboolean whole, GError **error);
/* Its row, and what is to be known of the image that it lies over. Within a transaction. */
gboolean snapshot_layer_insert (Library *library, const SnapshotLayer *layer, int64_t owner, GError **error);
/* Roughly what an empty one takes of the host's disk. */
#define SNAPSHOT_LAYER_SPACE (UINT64_C (1) << 20)

/* --- Parts of verbs --- */

/* Finishes or undoes what an interrupted run left, quickly: without merging. Adds sentences to @did (or NULL). */
gboolean snapshot_recover (Library *library, const char *machine_uuid, GPtrArray *did, GError **error);
/* Puts the machine back. @remove: takes the snapshot out of the tree in the same transaction. */
gboolean snapshot_put_back (Library *library, const char *machine_uuid, const char *snapshot_uuid, gboolean remove,
                            GError **error);
/* The rest of going back, after the transaction: the saved state. */
gboolean snapshot_finish_work (Library *library, const SnapshotTree *tree, const LibraryWork *work, GError **error);
/* Removes what going back may have left beside the saved state. */
void snapshot_forget_next_state (const SnapshotTree *tree);
/* Like snapshot_take_off(), and in the same transaction the snapshot @remove (or NULL) goes. */
char *snapshot_take_instead (Library *library, const LibraryMachine *machine, const SnapshotOptions *options,
                             const LibrarySnapshot *remove, GError **error);
/* The state and the thumbnail of one that is gone. */
void snapshot_delete_files (const SnapshotTree *tree, const LibrarySnapshot *snapshot);
/* In one transaction, with its files. */
gboolean snapshot_remove (Library *library, const SnapshotTree *tree, const LibrarySnapshot *snapshot, GError **error);
/* A snapshot's name: as a machine's. */
gboolean snapshot_name_validate (const char *name, GError **error);
/* In the folder of a clone that is being made. */
#define SNAPSHOT_CLONE_MARK ".unfinished-clone"
/* Removes what killed runs left of clones. */
void snapshot_recover_clones (Library *library, GPtrArray *did);
