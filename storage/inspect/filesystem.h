/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a kind of file system implements so that its files can be looked at. Private to storage/inspect. */
#pragma once

#include "storage/inspect/inspect.h"
#include "storage/inspect/volume-reader.h"

enum
{
  FILE_SYSTEM_HEAD = 4096 /* bytes, for probing */
};

/* One name in a folder, and what it leads to. */
typedef struct
{
  char *name;      /* without '/'; bytes as the guest has them, UTF-8 where the file system has Unicode */
  uint64_t id;     /* of what it leads to, for the functions below; another file's is another, also over time */
  InspectType type;
  uint64_t size;   /* bytes */
  int64_t modified, changed; /* contents, anything; ns since 1970 */
  uint32_t mode, owner, group;
} FileEntry;

void file_entry_free (FileEntry *entry);

typedef struct
{
  const char *name;
  gboolean (*probe) (const uint8_t head[FILE_SYSTEM_HEAD]);
  /* @reader outlives it. */
  gpointer (*open) (VolumeReader *reader, GError **error);
  void (*close) (gpointer state);
  uint64_t (*root) (gpointer state);
  uint64_t (*count) (gpointer state); /* files in use, about: for progress */
  gboolean (*is_behind) (gpointer state); /* its journal has more than was read; may be NULL */
  /* Adds a FileEntry for each name, but for “.” and “..”. */
  gboolean (*list) (gpointer state, uint64_t folder, GPtrArray *entries, GError **error);
  /* Of a file, or of a link the place it points at. *@got < @length at the end only. */
  gboolean (*read) (gpointer state, uint64_t id, uint64_t offset, void *buffer, size_t length, size_t *got, GError **error);
} FileSystemType;

extern const FileSystemType ext_file_system, ntfs_file_system;
