/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks: open images of any format, read and written asynchronously.
 *
 * Threads: a Disk has one worker thread that carries out its requests in
 * order, so a flush covers all writes submitted before it. disk_submit() may
 * be called from any thread; completions are delivered on the context set by
 * disk_set_context().
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Disk Disk;

typedef enum
{
  DISK_OPEN_READ_ONLY = 1 << 0,
  DISK_OPEN_DISCARD_CHANGES = 1 << 1, /* the file is only read; what is written is forgotten at the end */
  DISK_OPEN_DISC = 1 << 2, /* for a CD or DVD drive: refuses what cannot be the image of a disc */
} DiskOpenFlags;

typedef enum { DISK_VARIANT_DYNAMIC, DISK_VARIANT_FIXED } DiskVariant;

/* Opens an image, whose format is found by its content, and locks it: for itself when it is writable, shared with other
 * readers otherwise. Errors name the file and the cause. */
Disk *disk_open (const char *path, DiskOpenFlags flags, GError **error);
Disk *disk_ref (Disk *disk);
/* The last reference waits for what was submitted, flushes and closes. */
void disk_unref (Disk *disk);

uint64_t disk_size (const Disk *disk);            /* bytes, as the guest sees it: a multiple of 512 */
const char *disk_path (const Disk *disk);
const char *disk_format_name (const Disk *disk);  /* "vdi" */
gboolean disk_is_read_only (const Disk *disk);
gboolean disk_is_fixed (const Disk *disk);

/* Makes a new image of @size bytes (rounded up to 512); never over an existing file, and under its name only when it is
 * whole. @format NULL: by the name's ending, else VDI. */
gboolean disk_create (const char *path, const char *format, DiskVariant variant, uint64_t size, GError **error);
/* Names of the formats that disk_create() knows, NULL-terminated. */
const char *const *disk_creatable_formats (void);

/* Requests */

typedef enum { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD } DiskOp;

typedef struct DiskRequest DiskRequest;
struct DiskRequest
{
  DiskOp op;
  uint64_t offset;  /* bytes; the range lies within the disk, else the request fails */
  size_t length;
  void *buffer;     /* READ, WRITE: borrowed until done */
  void (*done) (DiskRequest *request); /* on the disk's context; @error is NULL when it went well */
  void *opaque;
  GError *error;    /* owned by the disk; freed after @done returns */
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Disk, disk_unref)
