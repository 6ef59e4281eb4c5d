/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a state file looks on disk, for its writer and its reader. */
#pragma once

#include "engine/machine/state-file.h"

#define STATE_MAGIC "Bunshin state\r\n\x1a" /* 16 bytes */

enum
{
  STATE_VERSION = 1, STATE_HEADER_SIZE = 4096, STATE_NAME_SIZE = 32, STATE_SECTIONS_MAX = 4096,
  STATE_SECTION_MAX = 64 << 20, /* bytes that a section may have: nothing that a machine saves comes near it */
};
#define STATE_MEMORY_MAX ((uint64_t) 16 << 40)
#define STATE_MEMORY_PREFIX "memory:"

typedef struct
{
  char magic[16];
  uint32_t version;
  uint32_t crc;               /* of the header, with this field 0 */
  uint64_t file_size;
  uint64_t directory_offset;
  uint32_t directory_count;   /* entries */
  uint32_t directory_crc;
} __attribute__ ((packed)) StateHeader;

typedef struct
{
  char name[STATE_NAME_SIZE]; /* filled up with zeros, at least one */
  uint64_t offset, length;
  uint32_t crc;
  uint32_t reserved;          /* 0 */
} __attribute__ ((packed)) StateEntry;

/* One unit of a memory image. */
typedef struct
{
  uint64_t offset;
  uint32_t length;
  uint32_t crc;               /* of the bytes in the file */
} __attribute__ ((packed)) StateUnit;

G_STATIC_ASSERT (sizeof (StateHeader) <= STATE_HEADER_SIZE);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);
