/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bounded cache of an image's tables: pieces of metadata of one size. All but
 * writing out is done with the image's map_lock held. Private to storage/disk.
 */
#pragma once

#include "storage/disk/format.h"

typedef struct TableCache TableCache;

/* @tables: how many are kept; more only while that many are dirty. */
TableCache *table_cache_new (ImageFile *file, size_t table_size, unsigned tables);
void table_cache_free (TableCache *cache);
/* The table at @at in the file, read when it is not there; valid until the next table_cache_get() or _add(). */
void *table_cache_get (TableCache *cache, uint64_t at, GError **error);
/* The same of one that nothing is known of yet: zeros, dirty. */
void *table_cache_add (TableCache *cache, uint64_t at);
/* After a change of the table at @at, which is in the cache. */
void table_cache_dirty (TableCache *cache, uint64_t at);
/* What was there is not a table any more: forgotten, even when dirty. */
void table_cache_drop (TableCache *cache, uint64_t at);
/* Whether so many are dirty that it is time to write them. */
gboolean table_cache_is_crowded (const TableCache *cache);

/* Writing: seal what is dirty, as it is now; write it without the lock; and say how it went. One at a time. */
gboolean table_cache_seal (TableCache *cache); /* FALSE: nothing was dirty */
gboolean table_cache_write_sealed (TableCache *cache, GError **error);
void table_cache_unseal (TableCache *cache, gboolean written);
