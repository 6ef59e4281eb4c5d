/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks: open images of any format, read and written asynchronously.
 *
 * Threads: a Disk has a few worker threads. Requests run in parallel, with two
 * exceptions: those that touch the same bytes keep their order when one of them
 * changes these, and a flush covers all that was submitted before it.
 * disk_submit() may be called from any thread; completions are delivered on the
 * context set by disk_set_context().
 */
#pragma once

#include <gio/gio.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct Disk Disk;

#define DISK_ERROR (disk_error_quark ())
GQuark disk_error_quark (void);
typedef enum
{
  DISK_ERROR_NOT_FOLLOWED /* an image names a file out of its folder: DISK_OPEN_TRUST would follow it */
} DiskError;

typedef enum
{
  DISK_OPEN_READ_ONLY = 1 << 0,
  DISK_OPEN_DISCARD_CHANGES = 1 << 1, /* the file is only read; what is written is forgotten at the end */
  DISK_OPEN_DISC = 1 << 2,            /* for a CD or DVD drive: refuses what cannot be the image of a disc */
  /* Files that the image names (its base, its parts) are followed wherever they are. Without it only within the folder
   * of the image and those below, because an image may have come from anybody. */
  DISK_OPEN_TRUST = 1 << 3,
  DISK_OPEN_LAYER = 1 << 4,    /* without its base: what it does not hold itself reads as zeros. Implies READ_ONLY */
  DISK_OPEN_NO_CACHE = 1 << 5, /* past the host's cache where the file system can and the request is aligned to 4 KiB */
  /* Only to tell of it: nothing is locked, a machine may be at work on it, and what is read may be of different moments.
   * Implies READ_ONLY. */
  DISK_OPEN_LOOK = 1 << 6,
} DiskOpenFlags;

typedef struct
{
  DiskOpenFlags flags;
  const char *format; /* forced; NULL: found by content */
  const char *base;   /* of a differencing image: the file to use whatever the image says; NULL: what it says */
  /* Or NULL-terminated: the files below the image, from the top, each the base of the one above whatever that calls it.
   * All but the last are qcow2; the last is of the format that the one above it says, and is opened as @flags say and by
   * what it says itself. Overrides @base. */
  const char *const *chain;
} DiskOpenOptions;

/* Opens an image, whose format is found by its content, and locks it: for itself when it is writable, shared with other
 * readers otherwise, as are the images that it is based on. Errors name the file and the cause. */
Disk *disk_open (const char *path, DiskOpenFlags flags, GError **error);
Disk *disk_open_with (const char *path, const DiskOpenOptions *options, GError **error);
/* Whether @path is the address of a disk on a server, and what may be shown of it: an address without its password. The
 * caller frees. */
gboolean disk_is_remote (const char *path);
char *disk_shown_path (const char *path);
Disk *disk_ref (Disk *disk);
/* The last reference waits for what was submitted, flushes and closes. */
void disk_unref (Disk *disk);
/* The topmost image is going to be deleted: the last reference need not flush what is in it. */
void disk_abandon (Disk *disk);

uint64_t disk_size (const Disk *disk); /* bytes, as the guest sees it: a multiple of 512 */
/* The file of the topmost image. What is returned stays readable as long as the disk, but is of its time: see
 * disk_layer_push() and disk_merge_layer(). */
const char *disk_path (const Disk *disk);
const char *disk_format_name (const Disk *disk); /* "vdi" */
const char *disk_variant (const Disk *disk);     /* "dynamic", "fixed" or a word of the format */
gboolean disk_is_read_only (const Disk *disk);
gboolean disk_is_fixed (const Disk *disk);
/* The base as the image names it, or NULL; "" where it only has an identity. */
const char *disk_base_name (const Disk *disk);
/* The file that layer @depth was opened from (0: the image itself), or NULL when there is no such layer. */
const char *disk_layer_path (const Disk *disk, unsigned depth);
/* The files that the image itself consists of, the one that was opened first; NULL-terminated. Caller frees with
 * g_strfreev(). */
char **disk_files (const Disk *disk);

typedef struct
{
  const char *format;      /* NULL: by the name's ending, else VDI */
  const char *variant;     /* NULL: the format's first */
  uint64_t size;           /* bytes, rounded up to 512; 0 with a base: the base's */
  const char *base;        /* the image it is to be based on, or NULL */
  /* Of it, or NULL: found by content. With it and @size a qcow2 image is made without opening the base, which may be in
   * use: its name and format are all that is written of it. */
  const char *base_format;
} DiskCreateOptions;

/* Makes a new image; never over an existing file, and under its name only when it is whole. */
gboolean disk_create (const char *path, const DiskCreateOptions *options, GError **error);
/* What runs that were killed have left in @folder is finished or removed: a sentence about each, NULL-terminated (NULL:
 * there was nothing). disk_create() does it by itself for the folder it works in. Caller frees with g_strfreev(). */
char **disk_recover (const char *folder);
/* Names of the formats that disk_create() knows, NULL-terminated; and of the variants of one (NULL: no such format). */
const char *const *disk_creatable_formats (void);
const char *const *disk_format_variants (const char *format);

/* Requests */

typedef enum
{
  DISK_READ,
  DISK_WRITE,
  DISK_FLUSH,
  DISK_DISCARD, /* a hint that the range is not needed any more; it reads as zeros or as before */
  DISK_ZERO,    /* the range reads as zeros, without taking space where the format can */
} DiskOp;

typedef struct DiskRequest DiskRequest;
struct DiskRequest
{
  DiskOp op;
  gboolean force;  /* WRITE, ZERO: done only when durable (FUA) */
  uint64_t offset; /* bytes; the range lies within the disk, else the request fails */
  size_t length;
  void *buffer; /* READ, WRITE: borrowed until done. Or NULL, then */
  /* the same in pieces, none of them empty, of @length bytes together; others may read and write them meanwhile. */
  const struct iovec *vector;
  unsigned vector_count;
  void (*done) (DiskRequest *request); /* on the disk's context; @error is NULL when it went well */
  void *opaque;
  GError *error; /* owned by the disk; freed after @done returns */
  gboolean more; /* while @done runs: another request of the same @done and @opaque comes right after it */
  GList link;    /* the disk's own, from disk_submit() to @done, as is */
  unsigned stage;
};

/* Memory for @length bytes of a request: aligned to pages, which the host's kernel copies to and from several times as fast
 * as what is not. Free it with disk_buffer_free(), which takes NULL, too. */
void *disk_buffer_new (size_t length);
void disk_buffer_free (void *buffer);

/* Where completions go; before the first request. A reference is taken. */
void disk_set_context (Disk *disk, GMainContext *context);
/* @request is the caller's and stays valid until @done. */
void disk_submit (Disk *disk, DiskRequest *request);
/* The memory of a request that was submitted is needed for something else: when this returns nothing touches it any more.
 * What was begun is waited for (not for @done, which comes as always); what was not fails. */
void disk_recall (Disk *disk, DiskRequest *request);
/* @request itself is going to be freed, and @done must not run any more: when this returns the disk knows nothing of it.
 * Where no completions are being told: on the disk's context, or when that is not run any more. */
void disk_withdraw (Disk *disk, DiskRequest *request);
/* Returns when all that was submitted has been carried out (stalled requests do not count). */
void disk_drain (Disk *disk);

/* Writes that fail (a full disk, an I/O error) wait when there is a handler: it is called on the context with the
 * error, and disk_retry() tries again. Until then nothing else is carried out. Without a handler they just fail. */
void disk_set_stall_handler (Disk *disk, void (*stalled) (Disk *disk, const GError *error, void *opaque), void *opaque);
void disk_retry (Disk *disk);

/* Synchronous, for tools and tests. */
gboolean disk_read (Disk *disk, uint64_t offset, void *buffer, size_t length, GError **error);
gboolean disk_write (Disk *disk, uint64_t offset, const void *buffer, size_t length, GError **error);
gboolean disk_flush (Disk *disk, GError **error);
gboolean disk_discard (Disk *disk, uint64_t offset, uint64_t length, GError **error);
gboolean disk_zero (Disk *disk, uint64_t offset, uint64_t length, GError **error);

typedef struct
{
  gboolean is_data;  /* FALSE: reads as zeros */
  gboolean in_layer; /* of the image itself, not of those it is based on */
  uint64_t length;   /* bytes from the offset asked for, > 0 */
} DiskExtent;

/* What lies at @offset (< size), of all layers together, as far as @length bytes (> 0). */
gboolean disk_extent (Disk *disk, uint64_t offset, uint64_t length, DiskExtent *extent, GError **error);

/* Layers of a disk in use */

/* An image that is to become the top of a disk. */
typedef struct DiskLayer DiskLayer;

/* Opens @path, an empty qcow2 image that disk_create() made over disk_path(@disk) and as large as that: the slow part of
 * a snapshot. The disk must be writable, and a file; it stays open as long as there is the layer. */
DiskLayer *disk_layer_prepare (Disk *disk, const char *path, GError **error);
/* Closes it again; its file stays. NULL is fine. */
void disk_layer_discard (DiskLayer *layer);
/* From now on what is written goes to @layer (taken), and the image so far is only read. Waits for the requests that are
 * being carried out, though not for their completions, nor for anything to become durable; cannot fail. Any thread. */
void disk_layer_push (Disk *disk, DiskLayer *layer);
/* After a push, when there is time: makes the images below the top durable and whole, as if they had been closed, and
 * lets others read them. Requests may go on. After FALSE it can be tried again. */
gboolean disk_settle (Disk *disk, GError **error);
/* How many images lie over each other; disk_layer_path() of 0 to one less are their files. */
unsigned disk_layer_count (const Disk *disk);
/* Bytes of the disk of which image @depth itself holds data; and of which a merge would give back the data of the one
 * below it. */
gboolean disk_layer_usage (Disk *disk, unsigned depth, uint64_t *held, uint64_t *shared, GError **error);

/* Tools: they work on files that nobody else has open for writing, and take as long as they take. */

typedef struct
{
  GCancellable *cancellable; /* or NULL; what was begun is undone, and the error is G_IO_ERROR_CANCELLED */
  /* Called now and then, on any thread; or NULL. */
  void (*progress) (uint64_t done, uint64_t total, void *opaque);
  void *opaque;
} DiskTask;

/* The whole contents of @source, its bases' too, as the new image @destination; options->size 0: as large. */
gboolean disk_convert (const char *source, const DiskOpenOptions *source_options, const char *destination,
                       const DiskCreateOptions *options, const DiskTask *task, GError **error);
/* What is added reads as zeros. What is cut off is lost: only with @shrink. */
gboolean disk_resize (const char *path, uint64_t size, gboolean shrink, const DiskTask *task, GError **error);
/* Gives back the room that only zeros take, and what nothing uses. */
gboolean disk_compact (const char *path, const DiskTask *task, GError **error);

typedef struct
{
  gboolean has_check; /* FALSE: there is nothing in the format that could be wrong */
  uint64_t errors, leaks, repaired;
  uint64_t allocated; /* bytes of the disk that the image holds */
  char **messages;    /* the first hundred faults; NULL-terminated */
} DiskReport;

/* Looks through the image itself, bases aside. @copy: a repaired copy is made there, unless nothing is wrong. */
gboolean disk_check (const char *path, const char *copy, DiskReport *report, const DiskTask *task, GError **error);
void disk_report_clear (DiskReport *report);
/* Whether both hold the same; a longer one must go on with zeros. *@difference: where they differ first, when they do.
 */
gboolean disk_compare (Disk *a, Disk *b, gboolean *same, uint64_t *difference, const DiskTask *task, GError **error);

typedef struct
{
  const DiskTask *task; /* or NULL */
  /* At the moment when the lower image holds all and is durable, and requests stand still: it is to stand for both from
   * now on, for who opens the disk again, too. FALSE (with an error) leaves the disk as it was. It must not read or write
   * the disk, or change its layers. Layers of others over the merged one need disk_set_base() before that is decided. */
  gboolean (*commit) (void *opaque, GError **error);
  void *opaque;
} DiskMerge;

/* Copies what image @depth (0: the top), a qcow2 one, holds into the one below it while @disk is in use, then takes it out; its file is
 * left to the caller to delete. Zeros in it are zeros below, too. Requests go on, slowed down where they write faster than
 * can be copied; at the very end they wait for a moment. The lower image is opened for writing (an error when others have
 * it open), given the same size (an error when its format cannot do that in place), and stays writable when it becomes the
 * top. The one above, which must be qcow2, is told its new base just before @merge says so. Images may be laid on top
 * meanwhile; another merge may not begin. On failure the disk goes on as before. Blocks: it wants a thread of its own. */
gboolean disk_merge_layer (Disk *disk, unsigned depth, const DiskMerge *merge, GError **error);
/* Rewrites what a qcow2 image that nobody has open calls its base, and that one's format. */
gboolean disk_set_base (const char *path, const char *base, const char *base_format, GError **error);

/* The same image in another place: all its files are there, linked or copied, and it was opened to see that it works.
 * The old ones are there, too, and nobody can write to them until one of the two below ends it. */
typedef struct DiskMove DiskMove;
DiskMove *disk_move_begin (const char *from, const char *to, const DiskTask *task, GError **error);
/* Removes the old files; @move is done with in any case. */
gboolean disk_move_finish (DiskMove *move, GError **error);
/* Removes the new files. */
void disk_move_undo (DiskMove *move);
/* Deletes all files of an image, unless somebody has it open. Of one that cannot be understood just the file itself. */
gboolean disk_delete (const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disk, disk_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DiskLayer, disk_layer_discard)
