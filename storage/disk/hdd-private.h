/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parallels' HDD: what lies in the files, and what is kept of it. Private to hdd*.c. */
#pragma once

#include "storage/disk/cache.h"

enum
{
  HDD_VERSION = 2,
  HDD_HEADER = 64,
  HDD_IN_USE = 0x746f6e59,
  HDD_CLOSED = 0x312e3276,
  HDD_FLAG_EMPTY = 1 << 0,
  HDD_CLUSTER = 1 << 20,
  HDD_CLUSTER_MAX = 256 << 20,
  HDD_DESCRIPTOR_MAX = 1 << 20,
  HDD_PARTS_MAX = 4096,
  HDD_LAYERS_MAX = 128
};

/* Places in sectors; or in clusters, and sizes of 64 bits. */
#define HDD_MAGIC          "WithoutFreeSpace"
#define HDD_MAGIC_EXTENDED "WithouFreSpacExt"

/* Numbers are little-endian. */
typedef struct __attribute__ ((packed))
{
  char magic[16];
  uint32_t version, heads, cylinders, tracks /* sectors in a cluster */, entries;
  uint64_t sectors;
  uint32_t in_use, data_offset /* sectors */, flags;
  uint64_t extension_offset;
} HddHeader;
G_STATIC_ASSERT (sizeof (HddHeader) == HDD_HEADER);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

/* A part of the disk in one file. */
typedef struct
{
  uint64_t start, length; /* of the disk, bytes */
  gboolean plain;         /* the file has it as it is */
  ImageFile *file;        /* borrowed */
  /* Unless plain: */
  HddHeader header;
  uint32_t cluster;    /* bytes */
  uint32_t step;       /* bytes that an entry of the table counts in */
  uint64_t data_start; /* bytes */
  uint64_t next;       /* where the next cluster goes, bytes */
} HddPart;

typedef struct
{
  GArray *parts; /* HddPart, in the order of the disk */
  TableCache *tables;  /* of the tables */
  gboolean changed;
} Hdd;

/* What DiskDescriptor.xml says. GUIDs are lower-case, in braces. */
typedef struct
{
  char *guid, *type, *file;
} HddImage;

typedef struct
{
  uint64_t start, end, cluster; /* sectors */
  GArray *images;               /* HddImage */
} HddStorage;

typedef struct
{
  char *guid, *parent;
} HddShot;

typedef struct
{
  uint64_t size; /* sectors */
  gboolean padding, encrypted;
  GArray *storages; /* HddStorage */
  GArray *shots;    /* HddShot */
  char *top;        /* NULL: not said */
} HddDescriptor;

HddDescriptor *hdd_descriptor_parse (Image *img, const char *text, size_t length, GError **error);
void hdd_descriptor_free (HddDescriptor *descriptor);
/* The GUIDs of the layers from the top down, NULL-terminated. Caller frees with g_strfreev(). */
char **hdd_descriptor_layers (Image *img, const HddDescriptor *descriptor, GError **error);

/* With map_lock held, or alone. Entry @cluster of the part's table: where it is, in bytes, or 0. */
gboolean hdd_find (Image *img, HddPart *part, uint64_t cluster, uint64_t *at, GError **error);
gboolean hdd_set (Image *img, HddPart *part, uint64_t cluster, uint64_t at, GError **error);
/* Room for @count clusters at the end of the file, all zeros. */
gboolean hdd_extend (Image *img, HddPart *part, uint64_t count, uint64_t *at, GError **error);
/* With map_lock held, or alone: at once, and in the page of the table that begins with it. */
gboolean hdd_write_header (Image *img, HddPart *part, GError **error);
/* Before the first change: the file says that it is in use. */
gboolean hdd_note_change (Image *img, GError **error);
gboolean hdd_create (Image *img, const ImageCreate *options, GError **error);
gboolean hdd_resize (Image *img, uint64_t size, GError **error);
gboolean hdd_check (Image *img, gboolean repair, ImageReport *report, GError **error);

static inline uint64_t
hdd_table_end (const HddHeader *header)
{
  return HDD_HEADER + (uint64_t) header->entries * 4;
}
