/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the qcow2 format share. Private to storage/disk. */
#pragma once

#include "storage/disk/cache.h"

enum
{
  QCOW2_HEADER_V2 = 72,
  QCOW2_HEADER_V3 = 104,
  QCOW2_MIN_CLUSTER_BITS = 9,
  QCOW2_MAX_CLUSTER_BITS = 21,
  QCOW2_CLUSTER_BITS = 16, /* of new images */
  QCOW2_LAYER_CLUSTER_BITS = 14, /* of those over a base, as long as the first table has not more bytes than */
  QCOW2_LAYER_L1_MAX = 256 << 10,
  QCOW2_L1_MAX = 32 << 20, /* bytes */
  QCOW2_REFCOUNT_TABLE_MAX = 8 << 20,
  QCOW2_REFCOUNT_ORDER = 4, /* of new images, and all of version 2 */
  QCOW2_BACKING_NAME_MAX = 1023,
  QCOW2_FREED_MAX = 4096, /* runs that are remembered until a flush */
};

#define QCOW2_MAGIC                    0x514649fbu
#define QCOW2_EXTENSION_BACKING_FORMAT 0xe2792acau

typedef enum
{
  QCOW2_DIRTY = 1 << 0,
  QCOW2_CORRUPT = 1 << 1,
  QCOW2_EXTERNAL_DATA = 1 << 2,
  QCOW2_COMPRESSION = 1 << 3,
  QCOW2_SUBCLUSTERS = 1 << 4,
} Qcow2Incompatible;

#define QCOW2_OFFSET   0x00fffffffffffe00ull /* of a table's entry: where that lies */
#define QCOW2_COPIED   (1ull << 63)          /* what the entry points at is used nowhere else */
#define QCOW2_PACKED   (1ull << 62)
#define QCOW2_ZERO     1ull
#define QCOW2_RESERVED 0x3f000000000001feull

/* As in the file, big-endian. */
typedef struct __attribute__ ((packed))
{
  uint32_t magic, version;
  uint64_t backing_offset;
  uint32_t backing_length, cluster_bits;
  uint64_t size;
  uint32_t crypt_method, l1_entries;
  uint64_t l1_offset, refcount_table_offset;
  uint32_t refcount_table_clusters, snapshot_count;
  uint64_t snapshots_offset;
  /* From version 3 on. */
  uint64_t incompatible, compatible, autoclear;
  uint32_t refcount_order, header_length;
  uint8_t compression, padding[7];
} Qcow2Header;
G_STATIC_ASSERT (sizeof (Qcow2Header) == 112);

/* Some clusters in a row that nothing uses any more, once the tables in the file say so. */
typedef struct
{
  uint64_t first, count; /* clusters */
} Qcow2Run;

typedef struct
{
  Qcow2Header header; /* as in the file */
  unsigned version, cluster_bits, refcount_order, l2_bits;
  uint32_t cluster_size;
  gboolean zstd;

  uint64_t *l1; /* host order */
  uint32_t l1_entries;
  gboolean l1_dirty;
  TableCache *l2_tables;

  uint64_t *refcount_table; /* host order */
  uint32_t refcount_entries;
  gboolean refcount_table_dirty;
  TableCache *refcount_blocks;

  uint64_t next;        /* cluster: below it nothing is known to be free */
  uint64_t used_end;    /* cluster: from it on, nothing was ever written */
  uint64_t append;      /* cluster: where new blocks of counts go while these are repaired; 0: not now */
  GArray *freed;        /* Qcow2Run: by changes that are not in the file yet */
  GArray *freed_sealed; /* ... by those that are being written */
  GMutex flush_lock;

  GMutex unpack_lock;      /* guards these */
  uint64_t unpacked_entry; /* of the cluster in @unpacked; 0: none */
  uint8_t *unpacked, *packed;
} Qcow2;

/* qcow2-refcount.c; all with map_lock held, unless the image is not shared yet. */

gboolean qcow2_refcount_get (Image *img, uint64_t cluster, uint64_t *count, GError **error);
/* Takes up to *@count free clusters in a row, at least one. */
gboolean qcow2_allocate (Image *img, uint64_t *count, uint64_t *first, gboolean *fresh, GError **error);
/* They have never been pointed at: free at once. */
gboolean qcow2_give_back (Image *img, uint64_t first, uint64_t count, GError **error);
/* One use less of these, when the next flush has written what says so. */
void qcow2_free_later (Image *img, uint64_t first, uint64_t count);
/* One use less now. */
gboolean qcow2_free_now (Image *img, GArray *runs, GError **error);
/* Counts all uses and compares. @rebuild: puts the counts right. */
gboolean qcow2_check_refcounts (Image *img, gboolean rebuild, ImageReport *report, GError **error);

/* qcow2-open.c: the format's. */

int qcow2_probe (const ImageSample *sample);
gboolean qcow2_open (Image *img, GError **error);
void qcow2_close (Image *img);
gboolean qcow2_write_table (Image *img, uint64_t at, const uint64_t *entries, uint32_t count, GError **error);

/* qcow2-backing.c */

/* What others call a format of ours, in the header of what lies over it. */
const char *qcow2_backing_format (const char *name);
/* The extension of the header that says the base's format, up to 24 bytes; returns how many. */
size_t qcow2_put_backing_format (uint8_t *at, const char *name);
/* Changes what the image calls its base, durably. @file: its own, or another opening of it that can be written to. */
gboolean qcow2_set_backing (Image *img, ImageFile *file, const char *name, const char *format, GError **error);

/* qcow2-map.c: the format's; and the clusters that a packed cluster's data lies in, and that data. */

gboolean qcow2_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error);
gboolean qcow2_unpack (Image *img, const ImageExtent *extent, uint64_t offset, void *buffer, size_t length,
                       GError **error);
gboolean qcow2_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error);
gboolean qcow2_commit (Image *img, const ImagePlace *place, GError **error);
void qcow2_release (Image *img, const ImagePlace *place);
gboolean qcow2_discard (Image *img, uint64_t offset, uint64_t length, GError **error);
void qcow2_packed_place (const Qcow2 *q, uint64_t entry, uint64_t *at, uint64_t *length);
