/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHD: what lies in the file, and what is kept of it. Private to vhd*.c. */
#pragma once

#include "storage/disk/cache.h"

enum
{
  VHD_FIXED = 2,
  VHD_DYNAMIC = 3,
  VHD_DIFFERENCING = 4,
  VHD_FEATURES = 2,
  VHD_VERSION = 0x00010000,
  VHD_FOOTER = 512,
  VHD_BLOCK_SIZE = 2 << 20,
  VHD_BLOCK_MAX = 256 << 20,
  VHD_TABLE_MAX = 64 << 20,
  VHD_LOCATORS = 8
};

#define VHD_UNALLOCATED 0xffffffffu
#define VHD_NO_OFFSET   G_MAXUINT64
/* Seconds from 1970 to 2000, where VHD's time begins. */
#define VHD_EPOCH 946684800
/* 2040 GiB: 32-bit sector numbers reach little further. */
#define VHD_SIZE_MAX ((uint64_t)2040 << 30)

/* All numbers are big-endian. */
typedef struct __attribute__ ((packed))
{
  char cookie[8]; /* "conectix" */
  uint32_t features, version;
  uint64_t data_offset;
  uint32_t time_stamp;
  char creator_application[4];
  uint32_t creator_version;
  char creator_host_os[4];
  uint64_t original_size, current_size;
  uint16_t cylinders;
  uint8_t heads, sectors;
  uint32_t disk_type, checksum;
  uint8_t unique_id[16], saved_state, reserved[427];
} VhdFooter;
G_STATIC_ASSERT (sizeof (VhdFooter) == VHD_FOOTER);

typedef struct __attribute__ ((packed))
{
  char platform_code[4];
  uint32_t data_space, data_length, reserved;
  uint64_t data_offset;
} VhdLocator;

typedef struct __attribute__ ((packed))
{
  char cookie[8]; /* "cxsparse" */
  uint64_t data_offset, table_offset;
  uint32_t header_version, table_entries, block_size, checksum;
  uint8_t parent_id[16];
  uint32_t parent_time_stamp, reserved1;
  uint16_t parent_name[256];
  VhdLocator locators[VHD_LOCATORS];
  uint8_t reserved2[256];
} VhdHeader;
G_STATIC_ASSERT (sizeof (VhdHeader) == 1024);

typedef struct
{
  VhdFooter footer; /* as in the file */
  VhdHeader header; /* likewise; not of fixed images */
  TableCache *tables;     /* of the table, and bitmaps */
  uint32_t entries; /* of the table: sector where a block's bitmap lies, VHD_UNALLOCATED for none */
  uint32_t block_size, bitmap_size;
  uint64_t table_offset;
  uint64_t data_start; /* behind header, table and names of the parent */
  uint64_t end;        /* where the footer lies or belongs, and the next block goes */
  uint8_t *whole;      /* a bit a block: all of its sectors are known to be in this file */
} Vhd;

void vhd_seal_footer (VhdFooter *footer);
void vhd_seal_header (VhdHeader *header);
gboolean vhd_footer_is_valid (const VhdFooter *footer);
/* Sets size and geometry of @footer. */
void vhd_set_size (VhdFooter *footer, uint64_t size);
/* Bytes from a block's place to where the next one may be. */
uint64_t vhd_stride (const Vhd *vhd);
/* Where the footer of a file of that many bytes is. */
uint64_t vhd_footer_offset (uint64_t file_size);
/* With map_lock held. @place: of the bitmap, or 0. */
gboolean vhd_find_block (Image *img, uint32_t block, uint64_t *place, GError **error);
gboolean vhd_set_block (Image *img, uint32_t block, uint64_t place, GError **error); /* 0: none */
/* Makes what is at the end of the file the place of a block, with a bitmap of @bits; the footer moves behind. */
gboolean vhd_begin_block (Image *img, uint64_t place, uint8_t bits, GError **error);
gboolean vhd_discard (Image *img, uint64_t offset, uint64_t length, GError **error);
gboolean vhd_create (Image *img, const ImageCreate *options, GError **error);
gboolean vhd_find_parent (Image *img, Vhd *vhd, GError **error);
gboolean vhd_resize (Image *img, uint64_t size, GError **error);
gboolean vhd_check (Image *img, gboolean repair, ImageReport *report, GError **error);
