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

typedef struct Disk Disk;

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
} DiskOpenFlags;

typedef struct
{
  DiskOpenFlags flags;
  const char *format; /* forced; NULL: found by content */
  const char *base;   /* of a differencing image: the file to use whatever the image says; NULL: what it says */
} DiskOpenOptions;

/* Opens an image, whose format is found by its content, and locks it: for itself when it is writable, shared with other
 * readers otherwise, as are the images that it is based on. Errors name the file and the cause. */
Disk *disk_open (const char *path, DiskOpenFlags flags, GError **error);
Disk *disk_open_with (const char *path, const DiskOpenOptions *options, GError **error);
Disk *disk_ref (Disk *disk);
/* The last reference waits for what was submitted, flushes and closes. */
void disk_unref (Disk *disk);

uint64_t disk_size (const Disk *disk); /* bytes, as the guest sees it: a multiple of 512 */
const char *disk_path (const Disk *disk);
const char *disk_format_name (const Disk *disk); /* "vdi" */
const char *disk_variant (const Disk *disk);     /* "dynamic", "fixed" or a word of the format */
gboolean disk_is_read_only (const Disk *disk);
gboolean disk_is_fixed (const Disk *disk);
/* The base as the image names it, or NULL; "" where it only has an identity. */
const char *disk_base_name (const Disk *disk);
/* The file that layer @depth was opened from (0: the image itself), or NULL when there is no such layer. */
const char *disk_layer_path (const Disk *disk, unsigned depth);

typedef struct
{
  const char *format;      /* NULL: by the name's ending, else VDI */
  const char *variant;     /* NULL: the format's first */
  uint64_t size;           /* bytes, rounded up to 512; 0 with a base: the base's */
  const char *base;        /* the image it is to be based on, or NULL */
  const char *base_format; /* of it, or NULL: found by content */
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
  void *buffer;                        /* READ, WRITE: borrowed until done */
  void (*done) (DiskRequest *request); /* on the disk's context; @error is NULL when it went well */
  void *opaque;
  GError *error; /* owned by the disk; freed after @done returns */
  GList link;    /* the disk's own, from disk_submit() to @done */
};

/* Where completions go; before the first request. A reference is taken. */
void disk_set_context (Disk *disk, GMainContext *context);
/* @request is the caller's and stays valid until @done. */
void disk_submit (Disk *disk, DiskRequest *request);
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

/* What lies at @offset (< size), of all layers together. */
gboolean disk_extent (Disk *disk, uint64_t offset, DiskExtent *extent, GError **error);

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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disk, disk_unref)
