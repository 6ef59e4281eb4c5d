/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bounded cache of tables; see the header. */

#include "storage/disk/cache.h"

#include <string.h>

enum
{
  TABLES_MIN = 8,
  VICTIM_TRIES = 1024 /* so many of those that were not used for long are asked */
};

typedef struct
{
  ImageFile *file;
  uint64_t at, mirror;
  GList link;      /* in the order of use, the latest first */
  gboolean dirty;  /* differs from the file, and from what is sealed */
  gboolean sealed; /* a flush is about to write what it was then: the file is behind */
  uint8_t data[];
} Table;

struct TableCache
{
  Image *img;
  size_t table_size;
  unsigned limit, dirty;
  TablesWrite write;
  GHashTable *tables; /* by file and place */
  GQueue used;
  GArray *sealed;    /* TableCopy, by file and place; their data is owned */
  GMutex flush_lock; /* one flush at a time: the second must not return before the first */
};

static unsigned
table_hash (gconstpointer key)
{
  const Table *table = key;
  uint64_t mixed = (table->at ^ (uint64_t) (uintptr_t) table->file) * 0x9e3779b97f4a7c15u;

  return (unsigned) (mixed >> 32);
}

static gboolean
table_equal (gconstpointer a, gconstpointer b)
{
  const Table *one = a, *other = b;

  return one->at == other->at && one->file == other->file;
}

static void
copy_clear (gpointer data)
{
  g_free ((void *) ((TableCopy *) data)->data);
}

TableCache *
table_cache_new (Image *img, size_t table_size, size_t bytes, TablesWrite write)
{
  TableCache *cache = g_new0 (TableCache, 1);

  cache->img = img;
  cache->table_size = table_size;
  cache->limit = (unsigned) MAX (bytes / table_size, TABLES_MIN);
  cache->write = write;
  cache->tables = g_hash_table_new_full (table_hash, table_equal, NULL, g_free);
  g_queue_init (&cache->used);
  cache->sealed = g_array_new (FALSE, FALSE, sizeof (TableCopy));
  g_array_set_clear_func (cache->sealed, copy_clear);
  g_mutex_init (&cache->flush_lock);
  return cache;
}

void
table_cache_free (TableCache *cache)
{
  if (cache == NULL)
    return;
  g_hash_table_unref (cache->tables);
  g_array_unref (cache->sealed);
  g_mutex_clear (&cache->flush_lock);
  g_free (cache);
}

static Table *
find (TableCache *cache, ImageFile *file, uint64_t at)
{
  const Table key = { .file = file, .at = at };
  Table *latest = cache->used.head != NULL ? cache->used.head->data : NULL;

  if (latest != NULL && table_equal (latest, &key))
    return latest;
  return g_hash_table_lookup (cache->tables, &key);
}

/* The table that was not used for longest and need not be written, taken out of the cache; or a new one. */
static Table *
take_table (TableCache *cache)
{
  unsigned tries = g_hash_table_size (cache->tables) >= cache->limit ? VICTIM_TRIES : 0;

  for (GList *l = cache->used.tail; l != NULL && tries-- > 0; l = l->prev)
    {
      Table *old = l->data;

      if (!old->dirty && !old->sealed)
        {
          g_queue_unlink (&cache->used, l);
          g_hash_table_steal (cache->tables, old);
          return old;
        }
    }
  return g_malloc (sizeof (Table) + cache->table_size);
}

static void
insert (TableCache *cache, Table *table, ImageFile *file, uint64_t at)
{
  table->file = file;
  table->at = at;
  table->mirror = 0;
  table->dirty = table->sealed = FALSE;
  table->link = (GList) { .data = table };
  g_hash_table_add (cache->tables, table);
  g_queue_push_head_link (&cache->used, &table->link);
}

static Table *
get (TableCache *cache, ImageFile *file, uint64_t at, GError **error)
{
  Table *table = find (cache, file, at);

  if (table != NULL)
    {
      if (cache->used.head != &table->link)
        {
          g_queue_unlink (&cache->used, &table->link);
          g_queue_push_head_link (&cache->used, &table->link);
        }
      return table;
    }
  table = take_table (cache);
  if (!image_file_read (file, at, table->data, cache->table_size, error))
    {
      g_free (table);
      return NULL;
    }
  insert (cache, table, file, at);
  return table;
}

static void
set_dirty (TableCache *cache, Table *table)
{
  cache->dirty += !table->dirty;
  table->dirty = TRUE;
  if (cache->dirty > cache->limit / 2)
    g_atomic_int_set (&cache->img->crowded, TRUE);
}

const void *
table_cache_read (TableCache *cache, ImageFile *file, uint64_t at, GError **error)
{
  Table *table = get (cache, file, at, error);

  return table != NULL ? table->data : NULL;
}

void *
table_cache_change (TableCache *cache, ImageFile *file, uint64_t at, uint64_t mirror, GError **error)
{
  Table *table = get (cache, file, at, error);

  if (table == NULL)
    return NULL;
  table->mirror = mirror;
  set_dirty (cache, table);
  return table->data;
}

void *
table_cache_add (TableCache *cache, ImageFile *file, uint64_t at)
{
  Table *table;

  table_cache_drop (cache, file, at);
  table = take_table (cache);
  memset (table->data, 0, cache->table_size);
  insert (cache, table, file, at);
  set_dirty (cache, table);
  return table->data;
}

void
table_cache_drop (TableCache *cache, ImageFile *file, uint64_t at)
{
  Table *table = find (cache, file, at);

  if (table == NULL)
    return;
  cache->dirty -= table->dirty;
  g_queue_unlink (&cache->used, &table->link);
  g_hash_table_remove (cache->tables, table);
}

static int
by_place (gconstpointer a, gconstpointer b)
{
  const TableCopy *one = a, *other = b;

  if (one->file != other->file)
    return one->file < other->file ? -1 : 1;
  return one->at < other->at ? -1 : one->at > other->at;
}

gboolean
table_cache_seal (TableCache *cache)
{
  g_assert (cache->sealed->len == 0);
  g_atomic_int_set (&cache->img->crowded, FALSE);
  if (cache->dirty == 0)
    return FALSE;
  for (GList *l = cache->used.head; l != NULL; l = l->next)
    {
      Table *table = l->data;

      if (table->dirty)
        {
          TableCopy copy = { table->file, table->at, table->mirror, g_memdup2 (table->data, cache->table_size) };

          g_array_append_val (cache->sealed, copy);
          table->dirty = FALSE;
          table->sealed = TRUE;
        }
    }
  cache->dirty = 0;
  g_array_sort (cache->sealed, by_place);
  return TRUE;
}

gboolean
table_cache_write_sealed (TableCache *cache, GError **error)
{
  const TableCopy *copies = (const TableCopy *) (void *) cache->sealed->data;
  size_t count = cache->sealed->len, size = cache->table_size;

  if (cache->write != NULL)
    return cache->write (cache->img, copies, count, error);
  for (size_t i = 0; i < count; i++)
    if (!image_file_write (copies[i].file, copies[i].at, copies[i].data, size, error)
        || (copies[i].mirror != 0 && !image_file_write (copies[i].file, copies[i].mirror, copies[i].data, size, error)))
      return FALSE;
  return TRUE;
}

void
table_cache_unseal (TableCache *cache, gboolean written)
{
  for (unsigned i = 0; i < cache->sealed->len; i++)
    {
      const TableCopy *copy = &g_array_index (cache->sealed, TableCopy, i);
      Table *table = find (cache, copy->file, copy->at);

      if (table == NULL || !table->sealed)
        continue;
      table->sealed = FALSE;
      if (!written)
        set_dirty (cache, table);
    }
  g_array_set_size (cache->sealed, 0);
}

gboolean
table_cache_flush (TableCache *cache, GError **error)
{
  Image *img = cache->img;
  gboolean changed, ok;

  g_mutex_lock (&cache->flush_lock);
  /* Only what is changed by now: of later changes the data may not be durable when the tables are written. */
  g_mutex_lock (&img->map_lock);
  changed = table_cache_seal (cache);
  g_mutex_unlock (&img->map_lock);

  ok = image_sync (img, error);
  if (changed)
    {
      ok = ok && table_cache_write_sealed (cache, error) && image_sync (img, error);
      g_mutex_lock (&img->map_lock);
      table_cache_unseal (cache, ok);
      g_mutex_unlock (&img->map_lock);
    }
  g_mutex_unlock (&cache->flush_lock);
  return ok;
}
