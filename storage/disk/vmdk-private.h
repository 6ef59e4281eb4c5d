/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VMDK: what lies in the files, and what is kept of it. Private to vmdk*.c. */
#pragma once

#include "storage/disk/cache.h"

enum
{
  VMDK_MAGIC = 0x564d444b,     /* "KDMV" */
  VMDK_COW_MAGIC = 0x44574f43, /* "COWD", of ESX servers */
  VMDK_FLAG_LINE_TEST = 1 << 0,
  VMDK_FLAG_REDUNDANT = 1 << 1,
  VMDK_FLAG_ZERO_GRAIN = 1 << 2,
  VMDK_FLAG_COMPRESSED = 1 << 16,
  VMDK_FLAG_MARKERS = 1 << 17,
  VMDK_COMPRESS_DEFLATE = 1,
  VMDK_GTE_ZERO = 1,
  VMDK_MARKER_END = 0,
  VMDK_MARKER_TABLE,
  VMDK_MARKER_DIRECTORY,
  VMDK_MARKER_FOOTER,
  VMDK_TABLE_ENTRIES = 512,
  VMDK_GRAIN = 65536,
  VMDK_DESCRIPTOR_SECTORS = 20,
  VMDK_GRAIN_MAX = 16 << 20,
  VMDK_PACKED_GRAIN_MAX = 4 << 20,
  VMDK_DIRECTORY_MAX = 16 << 20,
  VMDK_DESCRIPTOR_MAX = 1 << 20,
  VMDK_EXTENTS_MAX = 32768
};

#define VMDK_DIRECTORY_AT_END G_MAXUINT64
#define VMDK_NO_PARENT        0xffffffffu
/* Of one file in the split variants. */
#define VMDK_SPLIT ((uint64_t)2 << 30)

/* Numbers are little-endian, offsets and sizes in sectors. */
typedef struct __attribute__ ((packed))
{
  uint32_t magic, version, flags;
  uint64_t capacity, grain_size, descriptor_offset, descriptor_size;
  uint32_t table_entries;
  uint64_t redundant_offset, directory_offset, overhead;
  uint8_t unclean;
  char line_test[4]; /* "\n \r\n" */
  uint16_t compress;
  uint8_t rest[433];
} VmdkHeader;
G_STATIC_ASSERT (sizeof (VmdkHeader) == SECTOR_SIZE);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

/* Before a compressed grain (@size > 0, the data follows at once) or a table. */
typedef struct __attribute__ ((packed))
{
  uint64_t value; /* the grain's first sector, or how many sectors follow the marker's */
  uint32_t size, type;
} VmdkMarker;
enum
{
  VMDK_GRAIN_MARKER = 12 /* what a grain has of it */
};

typedef enum
{
  VMDK_FLAT,
  VMDK_SPARSE,
  VMDK_PACKED,
  VMDK_ZERO
} VmdkKind;

typedef struct
{
  VmdkKind kind;
  gboolean read_only;
  uint64_t start, length; /* of the disk, bytes */
  ImageFile *file;        /* borrowed */
  uint64_t at;            /* FLAT: where in it */
  /* SPARSE, PACKED */
  VmdkHeader header; /* of a stream: its footer */
  uint32_t grain;    /* bytes */
  uint32_t tables;
  uint32_t *directory, *redundant; /* sectors where tables lie; @redundant NULL: no second copies */
  uint64_t next;                   /* where the next grain or table goes, bytes */
} VmdkExtent;

typedef struct
{
  char access;       /* 'w', 'r' or 'n' */
  uint64_t length;   /* bytes */
  char *type, *name; /* @name NULL: none */
  uint64_t at;       /* bytes */
} VmdkLine;

typedef struct
{
  uint32_t cid, parent_cid;
  unsigned cid_at, cid_digits; /* where its text has the CID */
  char *create_type, *parent;  /* @parent NULL: none */
  GPtrArray *lines;            /* VmdkLine */
} VmdkDescriptor;

typedef struct VmdkStream VmdkStream;

typedef struct
{
  VmdkDescriptor *descriptor;
  uint64_t descriptor_at; /* in img->file, bytes */
  GArray *extents;        /* VmdkExtent, in the order of the disk */
  TableCache *tables;           /* of grain tables and directories */
  gboolean changed;       /* the CID says that the contents are not what they were */
  VmdkStream *stream;     /* of streamOptimized images */
} Vmdk;

/* Descriptors */
VmdkDescriptor *vmdk_descriptor_parse (Image *img, const char *text, size_t length, GError **error);
void vmdk_descriptor_free (VmdkDescriptor *descriptor);
/* The descriptor of a new disk. @lines: of its extents. Caller frees. */
char *vmdk_descriptor_write (const ImageCreate *options, const char *create_type, const char *lines);

/* The text with the only extent's size changed to @size. Caller frees. */
char *vmdk_descriptor_resize (const char *text, uint64_t size);

/* Sparse extents */
gboolean vmdk_sparse_open (Image *img, VmdkExtent *extent, GError **error);
void vmdk_extent_clear (VmdkExtent *extent);
/* With map_lock held; @offset within the extent. */
gboolean
vmdk_sparse_extent (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, ImageExtent *out, GError **error);
gboolean
vmdk_sparse_reserve (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, ImagePlace *out, GError **error);
gboolean vmdk_sparse_commit (Image *img, VmdkExtent *extent, uint64_t offset, const ImagePlace *place, GError **error);
void vmdk_sparse_release (VmdkExtent *extent, const ImagePlace *place);
/* @offset is a grain's. Zeros whatever lies below. */
gboolean vmdk_sparse_discard (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, GError **error);
/* Grains of bytes beyond @size lose their places, and what the last keeps beyond it becomes zeros. */
gboolean vmdk_sparse_cut (Image *img, VmdkExtent *extent, uint64_t size, GError **error);
/* With map_lock held, or alone. The grain's entry: 0, VMDK_GTE_ZERO or a sector. */
gboolean vmdk_sparse_find (Image *img, VmdkExtent *extent, uint64_t grain, uint32_t *sector, GError **error);
gboolean vmdk_sparse_set (Image *img, VmdkExtent *extent, uint64_t grain, uint32_t sector, GError **error);
gboolean vmdk_sparse_check (Image *img, VmdkExtent *extent, gboolean repair, ImageReport *report, GError **error);
/* Writes an empty sparse extent of @size bytes. @descriptor NULL: none. */
gboolean vmdk_sparse_create (ImageFile *file, uint64_t size, const char *descriptor, GError **error);

/* Streams */
gboolean vmdk_stream_create (ImageFile *file, uint64_t size, const char *descriptor, GError **error);
VmdkStream *vmdk_stream_new (void);
void vmdk_stream_free (VmdkStream *stream);
gboolean vmdk_stream_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error);
gboolean vmdk_stream_unpack (Image *img, const ImageExtent *extent, uint64_t offset, void *buffer, size_t length,
                             GError **error);
gboolean vmdk_stream_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error);
/* @last: nothing will be written any more. */
gboolean vmdk_stream_flush (Image *img, gboolean last, GError **error);

gboolean vmdk_create (Image *img, const ImageCreate *options, GError **error);
gboolean vmdk_resize (Image *img, uint64_t size, GError **error);
gboolean vmdk_check (Image *img, gboolean repair, ImageReport *report, GError **error);
