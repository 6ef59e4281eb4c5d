/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of an open disk share: its queue (disk.c) and its layers (layers.c, merge.c). Private to storage/disk.
 */
#pragma once

#include "storage/disk/format.h"

enum
{
  DISK_WORKERS_MAX = 8
};

/* Bytes that are being read to be copied elsewhere. */
typedef struct
{
  uint64_t offset, length;
  gboolean alone; /* requests for them have to wait; else those that change them */
  GList link;
} DiskClaim;

/* What is written to a layer is noted, in grains of 1 << @shift bytes. */
typedef struct
{
  Image *layer;
  unsigned shift;
  uint64_t *bits, grains;
  uint64_t count; /* of bits that are set */
} DiskTrack;

struct DiskLayer
{
  Disk *disk;
  Image *image;
};

struct Disk
{
  int refs;
  Image *image;
  uint64_t size; /* bytes; whatever lies over what */
  int is_abandoned; /* atomic: nobody will read what was written last */

  GMutex lock;      /* guards all below, and which images lie over each other */
  GCond work;       /* something may be there to do */
  GCond progress;   /* something was done, and somebody waits for that */
  unsigned waiting; /* threads that do */
  GQueue queue;     /* DiskRequest, waiting; in the order they came */
  GQueue running;   /* DiskRequest, being carried out */
  GQueue completed; /* DiskRequest, to be told */
  GQueue claims;    /* DiskClaim */
  gboolean held;    /* nothing is started */
  gboolean merging;
  DiskTrack *track;     /* or NULL */
  GMutex settle_lock;   /* one at a time */
  GMutex prepare_lock;  /* which images prepared layers lie over; taken before @lock, with requests held or not */
  GPtrArray *prepared;  /* DiskLayer; also with @prepare_lock */
  GPtrArray *old_paths; /* char *: names that are no more; somebody may still look at them */
  GThread *workers[DISK_WORKERS_MAX];
  unsigned worker_count, idle_workers;
  unsigned waking;    /* workers that were told to look and have not yet */
  int64_t cost;       /* of a request, µs: a moving average, times COST_WEIGHT */
  int64_t last_start; /* of a request, µs */
  gboolean quit;
  gboolean stalled, stall_untold;
  GError *stall_error;
  void (*stall_handler) (Disk *disk, const GError *error, void *opaque);
  void *stall_opaque;

  GSource *source; /* tells completions */
};

/* disk.c */

/* Has requests stand still: those being carried out are waited for, no other begins until disk_release(). One at a
 * time: who comes second waits. */
void disk_hold (Disk *d);
void disk_release (Disk *d);
/* @r is among those being carried out from now on, when what it meets is done (what stalled is not waited for), until
 * disk_leave(): so long the images stay what they are. */
void disk_enter (Disk *d, DiskRequest *r);
void disk_leave (Disk *d, DiskRequest *r);
/* The image itself, under what holds changes that are to be forgotten. With the lock, or while nothing changes it. */
Image *disk_top_layer (const Disk *d);

/* With the lock: what is written from now on is noted, and what is being written, as nobody can tell yet that it is there. */
void disk_start_tracking (Disk *d, DiskTrack *track);

/* With the lock: who waits for something looks again. */
void disk_wake (Disk *d);

/* vector.c */

/* Reads or writes within the image. @count > 0 when @length > 0. */
gboolean image_move_vector (Image *img, uint64_t offset, const struct iovec *vector, unsigned count, size_t length,
                            gboolean reads, GError **error);
/* Whether it may have several requests as one. */
gboolean image_takes_runs (const Image *img);
/* The same of reads, or writes, that lie in a row within the image. */
gboolean image_move_requests (Image *img, DiskRequest *const *requests, unsigned count, GError **error);

/* layers.c */

/* Makes durable what was written, in the layers below too. Among the requests being carried out. */
gboolean disk_flush_layers (Disk *d, GError **error);
/* Has a qcow2 image that is open call @base its base, durably, unless it does. With prepare_lock. */
gboolean disk_name_base (Disk *d, Image *img, const Image *base, GError **error);
/* @img is only read from now on. Its data need not be durable yet if @unflushed. */
void image_demote (Image *img, gboolean unflushed);
/* What disk_settle() does with each. With settle_lock. */
gboolean image_settle (Image *img, GError **error);

/* track.c */

/* Grains of 1 << @shift bytes, or more where these would be more than @grains_max. */
void disk_track_init (DiskTrack *t, Image *layer, unsigned shift, uint64_t grains_max);
void disk_track_clear (DiskTrack *t);
/* Every grain that has a part of it. */
void disk_track_note (DiskTrack *t, uint64_t offset, uint64_t length);
/* Those that are in it whole. */
void disk_track_forget (DiskTrack *t, uint64_t offset, uint64_t length);
/* The next noted bytes from *@offset on: how many, up to @longest, and from where; 0: there are none. Others are among
 * them, up to @gap in a row. */
uint64_t disk_track_next (const DiskTrack *t, uint64_t *offset, uint64_t longest, uint64_t gap);
