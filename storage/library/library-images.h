/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of images that lie over each other, and of snapshots. Private to storage/library and storage/snapshot, which
 * is its other half. */
#pragma once

#include "storage/library/library-private.h"

#define LIBRARY_SNAPSHOTS_FOLDER "Snapshots" /* in a machine's folder */

/* An image that the library knows. */
typedef struct LibraryImage LibraryImage;
struct LibraryImage
{
  int64_t id, owner; /* the machine whose layer it is, or whose disk under layers; 0: none */
  char *uuid, *path, *format;
  gboolean is_layer; /* FALSE: an image of the user's, at the bottom */
  gboolean kept, trusted;
  unsigned attachments, snapshots; /* that refer to it */
  LibraryImage *base;              /* borrowed, as are the images over it */
  GPtrArray *children;
};

/* All of them, by id (of int64_t). */
GHashTable *library_load_images (Library *library, GError **error);
LibraryImage *library_image (GHashTable *images, int64_t id);
/* Whether anything but the images over it refers to it. */
gboolean library_image_is_referred (const LibraryImage *image);
/* “<machine's folder>/Snapshots”. Caller frees. */
char *library_snapshots_folder (const LibraryMachine *machine);

typedef struct
{
  LibraryController controller;
  unsigned unit;
  int64_t medium;
} LibrarySnapshotDisk;

typedef struct
{
  int64_t id, parent; /* parent 0: none */
  char *uuid, *name, *description, *kind, *settings;
  int64_t created;
  gboolean finished, has_state, has_thumbnail;
  GArray *disks; /* of LibrarySnapshotDisk */
} LibrarySnapshot;

void library_snapshot_free (LibrarySnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LibrarySnapshot, library_snapshot_free)
/* Of the machine, older ones first. */
GPtrArray *library_load_snapshots (Library *library, int64_t machine, GError **error);
/* One of @snapshots, or NULL. */
LibrarySnapshot *library_snapshot_by_id (GPtrArray *snapshots, int64_t id);

/* Within a transaction: */

/* A new layer of the machine over @base, whose file is there. */
gboolean library_insert_layer (Library *library, const char *uuid, const char *path, int64_t base, int64_t owner,
                               GError **error);
/* Fills in its id. Its parent is what the machine's present state descends from, which then descends from it. */
gboolean library_insert_snapshot (Library *library, int64_t machine, LibrarySnapshot *snapshot, GError **error);
/* What descends from it descends from its parent then. */
gboolean library_remove_snapshot (Library *library, const LibrarySnapshot *snapshot, GError **error);
/* All that referred to the image @upper refers to the one it lies over, and @upper's row goes. */
gboolean library_replace_image (Library *library, const LibraryImage *upper, GError **error);
/* Removes rows of layers that nothing refers to and that are of @machine or of machines that are gone; and again, until
 * there are none. Adds their paths to @paths: the files are the caller's to delete after the transaction. */
gboolean library_prune_layers (Library *library, int64_t machine, GPtrArray *paths, GError **error);

/* What is under way, so that it can be finished after an interruption. */
typedef struct
{
  int64_t id;
  char *verb, *name, *state, *process;
} LibraryWork;

void library_work_free (LibraryWork *work);
/* @state: of “restore”. The process is this one. */
gboolean library_insert_work (Library *library, int64_t machine, const char *verb, const char *name, const char *state,
                              GError **error);
gboolean library_remove_work (Library *library, int64_t id, GError **error);
GPtrArray *library_load_work (Library *library, int64_t machine, GError **error);
/* Names this process among all that ever ran here. Caller frees. */
char *library_process_name (void);

/* Deletes files in the folder of snapshots that the library does not know: what interrupted runs left. Not while a
 * snapshot is being taken, or a verb goes on in another way. Returns how many there were. */
unsigned library_sweep_snapshots (Library *library, const char *folder);
/* The folder of a machine that is gone, if nothing is in it any more. */
void library_remove_dead_folder (Library *library, const char *folder);
