/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bounded cache of an image's tables (where blocks lie, which sectors are there,
 * what is in use): pieces of metadata of one size, read when first needed and written
 * back by a flush, after the data that they speak of. Private to storage/disk.
 */
#pragma once

#include "storage/disk/format.h"

typedef struct TableCache TableCache;

/* A table as it was when a flush began. */
typedef struct
{
  ImageFile *file;
  uint64_t at, mirror; /* @mirror: where the file keeps a second copy, or 0 */
  const void *data;
} TableCopy;

/* Makes @count tables, in order of their place, part of the file: by the log, say. They are synced afterwards. */
typedef gboolean (*TablesWrite) (Image *img, const TableCopy *copies, size_t count, GError **error);

/* Tables of @table_size bytes, which begin anywhere; about @bytes are kept, more only while these are all changed: then
 * img->crowded is set, and whoever changes the image has it flushed. @write NULL: each in its place. */
TableCache *table_cache_new (Image *img, size_t table_size, size_t bytes, TablesWrite write);
void table_cache_free (TableCache *cache);

/* With map_lock held, as all up to seal(); what they return is good until the next call. */
const void *table_cache_read (TableCache *cache, ImageFile *file, uint64_t at, GError **error);
void *table_cache_change (TableCache *cache, ImageFile *file, uint64_t at, uint64_t mirror, GError **error);
/* One that nothing is known of yet: zeros. */
void *table_cache_add (TableCache *cache, ImageFile *file, uint64_t at);
/* What was there is not a table any more: forgotten, even when changed. */
void table_cache_drop (TableCache *cache, ImageFile *file, uint64_t at);

/* Writing, one at a time: with map_lock, seal what is changed, as it is now (FALSE: nothing is); without it, write that;
 * with it, say how it went. */
gboolean table_cache_seal (TableCache *cache);
gboolean table_cache_write_sealed (TableCache *cache, GError **error);
void table_cache_unseal (TableCache *cache, gboolean written);

/* All of this, without map_lock, for formats whose tables need no order among themselves: all data written before is
 * durable, then all tables changed before. */
gboolean table_cache_flush (TableCache *cache, GError **error);
