/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHDX: what lies in the file, and what is kept of it. Private to vhdx*.c. */
#pragma once

#include "storage/disk/cache.h"

enum
{
  VHDX_MIB = 1 << 20,
  VHDX_HEADER_1 = 64 << 10,
  VHDX_HEADER_2 = 128 << 10,
  VHDX_REGIONS_1 = 192 << 10,
  VHDX_REGIONS_2 = 256 << 10,
  VHDX_REGIONS_SIZE = 64 << 10,
  VHDX_REGIONS_MAX = 2047,
  VHDX_METADATA_TABLE = 64 << 10,
  VHDX_METADATA_MAX = 2047,
  VHDX_LOG_MAX = 64 << 20,
  VHDX_LOG_SECTOR = 4096,
  VHDX_BLOCK_MAX = 256 << 20,
  VHDX_REQUIRED = 1 << 0, /* of a region */

  VHDX_FILE_FIXED = 1 << 0, /* "leave blocks allocated" */
  VHDX_FILE_HAS_PARENT = 1 << 1,

  /* What the table says of a block of data, and of a block of bitmaps. */
  VHDX_NOT_PRESENT = 0,
  VHDX_UNDEFINED = 1,
  VHDX_ZERO = 2,
  VHDX_UNMAPPED = 3,
  VHDX_FULLY_PRESENT = 6,
  VHDX_PARTIALLY_PRESENT = 7,
  VHDX_BITMAP_PRESENT = 6
};

#define VHDX_STATE(entry) ((unsigned) ((entry) &7))
#define VHDX_PLACE(entry) ((entry) & ~(uint64_t) (VHDX_MIB - 1))
/* A bitmap block of 1 MiB has a bit for each of so many sectors. */
#define VHDX_BITMAP_SECTORS ((uint64_t) 1 << 23)

typedef struct
{
  uint8_t bytes[16]; /* as in the file */
} VhdxGuid;

/* Numbers are little-endian. */
typedef struct __attribute__ ((packed))
{
  char signature[4]; /* "head" */
  uint32_t checksum;
  uint64_t sequence;
  VhdxGuid file_write, data_write, log;
  uint16_t log_version, version;
  uint32_t log_length;
  uint64_t log_offset;
  uint8_t reserved[4016];
} VhdxHeader;
G_STATIC_ASSERT (sizeof (VhdxHeader) == 4096);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

typedef struct __attribute__ ((packed))
{
  char signature[4]; /* "regi" */
  uint32_t checksum, count, reserved;
} VhdxRegions;

typedef struct __attribute__ ((packed))
{
  VhdxGuid guid;
  uint64_t offset;
  uint32_t length, flags;
} VhdxRegion;

typedef struct __attribute__ ((packed))
{
  char signature[8]; /* "metadata" */
  uint16_t reserved1, count;
  uint32_t reserved2[5];
} VhdxMetadata;

enum
{
  VHDX_ITEM_USER = 1 << 0,
  VHDX_ITEM_DISK = 1 << 1,
  VHDX_ITEM_REQUIRED = 1 << 2
};

typedef struct __attribute__ ((packed))
{
  VhdxGuid guid;
  uint32_t offset /* within the region */, length, flags, reserved;
} VhdxItem;

typedef struct __attribute__ ((packed))
{
  uint32_t block_size, flags;
} VhdxFileParameters;

typedef struct __attribute__ ((packed))
{
  VhdxGuid type;
  uint16_t reserved, count;
} VhdxLocator;

typedef struct __attribute__ ((packed))
{
  uint32_t key_offset, value_offset; /* within the locator */
  uint16_t key_length, value_length; /* bytes of UTF-16 */
} VhdxLocatorEntry;

typedef struct __attribute__ ((packed))
{
  char signature[4]; /* "loge" */
  uint32_t checksum, length, tail;
  uint64_t sequence;
  uint32_t descriptors, reserved;
  VhdxGuid log;
  uint64_t flushed_length, last_length; /* of the file */
} VhdxLogEntry;
G_STATIC_ASSERT (sizeof (VhdxLogEntry) == 64);

typedef struct __attribute__ ((packed))
{
  char signature[4]; /* "zero" or "desc" */
  uint32_t trailing; /* desc: the last 4 bytes of the sector */
  uint64_t leading;  /* desc: the first 8 bytes; zero: how many bytes */
  uint64_t offset, sequence;
} VhdxLogDescriptor;
G_STATIC_ASSERT (sizeof (VhdxLogDescriptor) == 32);

typedef struct __attribute__ ((packed))
{
  char signature[4]; /* "data" */
  uint32_t sequence_high;
  uint8_t data[4084];
  uint32_t sequence_low;
} VhdxLogData;
G_STATIC_ASSERT (sizeof (VhdxLogData) == VHDX_LOG_SECTOR);

typedef struct
{
  VhdxHeader header;     /* the one that counts */
  unsigned which;        /* 0 or 1: where it is */
  uint64_t table_offset; /* of the region */
  uint32_t table_length;
  uint64_t metadata_offset;
  uint32_t metadata_length;
  uint64_t size_at; /* where the disk's size is kept */
  uint32_t block_size, sector_size;
  gboolean has_parent;
  VhdxGuid linkage;         /* data_write of the parent, as it was */
  uint64_t ratio;           /* blocks of data to one of bitmaps */
  uint64_t blocks, entries; /* of the disk; of the table for it */
  uint64_t end;             /* where the next block goes */
  TableCache *tables;             /* of table and bitmaps, 4 KiB each */
  gboolean changed;         /* the header says that the contents differ from before */

  GMutex log_lock;
  uint64_t log_sequence; /* 0: nothing was written to it yet */
  uint32_t log_at;       /* where the next entry goes */
} Vhdx;

extern const VhdxGuid vhdx_table_region, vhdx_metadata_region, vhdx_item_parameters, vhdx_item_size, vhdx_item_page83,
    vhdx_item_logical, vhdx_item_physical, vhdx_item_parent, vhdx_locator_type;

uint32_t vhdx_crc (const void *data, size_t length);
/* The checksum of @length bytes whose field at @at counts as zeros. */
uint32_t vhdx_checksum (const void *data, size_t length, size_t at);
gboolean vhdx_guid_is_zero (const VhdxGuid *guid);
/* As text in braces, lower-case. Caller frees. */
char *vhdx_guid_text (const VhdxGuid *guid);
/* Writes @header over the older of the two, synced before and behind; it counts from then on. */
gboolean vhdx_write_header (Image *img, const VhdxHeader *header, GError **error);

/* The log. Replays what it holds, which only makes sense in a file that can be written to. */
gboolean vhdx_log_replay (Image *img, GError **error);
/* Pages of 4 KiB: through the log. */
gboolean vhdx_log_write (Image *img, const TableCopy *copies, size_t count, GError **error);

/* With map_lock held, or alone. The entry of a block of data; of the block of bitmaps for it. */
uint64_t vhdx_entry_index (const Vhdx *vhdx, uint64_t block);
uint64_t vhdx_bitmap_index (const Vhdx *vhdx, uint64_t block);
gboolean vhdx_get_entry (Image *img, uint64_t index, uint64_t *entry, GError **error);
gboolean vhdx_set_entry (Image *img, uint64_t index, uint64_t entry, GError **error);
/* How many entries the table has for @blocks blocks. */
uint64_t vhdx_count_entries (const Vhdx *vhdx, uint64_t blocks);
/* Room at the end of the file, all zeros. */
gboolean vhdx_extend (Image *img, uint64_t length, uint64_t *at, GError **error);
gboolean vhdx_note_change (Image *img, GError **error);
gboolean vhdx_discard (Image *img, uint64_t offset, uint64_t length, GError **error);

gboolean vhdx_open (Image *img, GError **error);
gboolean vhdx_rest (Image *img, GError **error);
void vhdx_close (Image *img);
gboolean vhdx_create (Image *img, const ImageCreate *options, GError **error);
gboolean vhdx_resize (Image *img, uint64_t size, GError **error);
gboolean vhdx_check (Image *img, gboolean repair, ImageReport *report, GError **error);
