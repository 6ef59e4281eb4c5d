/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bounded cache of tables; see the header. */

#include "storage/disk/cache.h"

#include <string.h>

typedef struct
{
  uint64_t at;
  GList link; /* in the order of use, the latest first */
  gboolean dirty, sealed;
  uint8_t *data;
} Table;

typedef struct
{
  uint64_t at;
  uint8_t *data;
} Sealed;

struct TableCache
{
  ImageFile *file;
  size_t table_size;
  unsigned limit, dirty;
  GHashTable *tables; /* by place */
  GQueue used;
  GArray *sealed; /* Sealed, by place */
};

static void
table_free (gpointer data)
{
  Table *table = data;

  g_free (table->data);
  g_free (table);
}

static void
sealed_clear (gpointer data)
{
  g_free (((Sealed *) data)->data);
}

TableCache *
table_cache_new (ImageFile *file, size_t table_size, unsigned tables)
{
  TableCache *cache = g_new0 (TableCache, 1);

  cache->file = file;
  cache->table_size = table_size;
  cache->limit = tables;
  cache->tables = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, table_free);
  g_queue_init (&cache->used);
  cache->sealed = g_array_new (FALSE, FALSE, sizeof (Sealed));
  g_array_set_clear_func (cache->sealed, sealed_clear);
  return cache;
}

void
table_cache_free (TableCache *cache)
{
  if (cache == NULL)
    return;
  g_hash_table_unref (cache->tables);
  g_array_unref (cache->sealed);
  g_free (cache);
}

/* The buffer of the table that was not used for longest and need not be written, or a new one. */
static uint8_t *
take_buffer (TableCache *cache)
{
  if (g_hash_table_size (cache->tables) >= cache->limit)
    for (GList *l = cache->used.tail; l != NULL; l = l->prev)
      {
        Table *old = l->data;

        if (!old->dirty && !old->sealed)
          {
            uint8_t *data = g_steal_pointer (&old->data);

            g_queue_unlink (&cache->used, l);
            g_hash_table_remove (cache->tables, &old->at);
            return data;
          }
      }
  return g_malloc (cache->table_size);
}

static Table *
insert (TableCache *cache, uint64_t at, uint8_t *data)
{
  Table *table = g_new0 (Table, 1);

  table->at = at;
  table->data = data;
  table->link.data = table;
  g_hash_table_insert (cache->tables, &table->at, table);
  g_queue_push_head_link (&cache->used, &table->link);
  return table;
}

void *
table_cache_get (TableCache *cache, uint64_t at, GError **error)
{
  Table *table = g_hash_table_lookup (cache->tables, &at);
  uint8_t *data;

  if (table != NULL)
    {
      if (cache->used.head != &table->link)
        {
          g_queue_unlink (&cache->used, &table->link);
          g_queue_push_head_link (&cache->used, &table->link);
        }
      return table->data;
    }
  data = take_buffer (cache);
  if (!image_file_read (cache->file, at, data, cache->table_size, error))
    {
      g_free (data);
      return NULL;
    }
  return insert (cache, at, data)->data;
}

void *
table_cache_add (TableCache *cache, uint64_t at)
{
  uint8_t *data;

  table_cache_drop (cache, at);
  data = take_buffer (cache);
  memset (data, 0, cache->table_size);
  insert (cache, at, data);
  table_cache_dirty (cache, at);
  return data;
}

void
table_cache_dirty (TableCache *cache, uint64_t at)
{
  Table *table = g_hash_table_lookup (cache->tables, &at);

  g_assert (table != NULL);
  cache->dirty += !table->dirty;
  table->dirty = TRUE;
}

void
table_cache_drop (TableCache *cache, uint64_t at)
{
  Table *table = g_hash_table_lookup (cache->tables, &at);

  if (table == NULL)
    return;
  cache->dirty -= table->dirty;
  g_queue_unlink (&cache->used, &table->link);
  g_hash_table_remove (cache->tables, &at);
}

gboolean
table_cache_is_crowded (const TableCache *cache)
{
  return cache->dirty > cache->limit / 2;
}

static int
by_place (gconstpointer a, gconstpointer b)
{
  const Sealed *one = a, *other = b;

  return one->at < other->at ? -1 : one->at > other->at;
}

gboolean
table_cache_seal (TableCache *cache)
{
  g_assert (cache->sealed->len == 0);
  if (cache->dirty == 0)
    return FALSE;
  for (GList *l = cache->used.head; l != NULL; l = l->next)
    {
      Table *table = l->data;

      if (table->dirty)
        {
          Sealed copy = { table->at, g_memdup2 (table->data, cache->table_size) };

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
  for (unsigned i = 0; i < cache->sealed->len; i++)
    {
      const Sealed *copy = &g_array_index (cache->sealed, Sealed, i);

      if (!image_file_write (cache->file, copy->at, copy->data, cache->table_size, error))
        return FALSE;
    }
  return TRUE;
}

void
table_cache_unseal (TableCache *cache, gboolean written)
{
  for (unsigned i = 0; i < cache->sealed->len; i++)
    {
      Table *table = g_hash_table_lookup (cache->tables, &g_array_index (cache->sealed, Sealed, i).at);

      if (table == NULL || !table->sealed)
        continue;
      table->sealed = FALSE;
      if (!written)
        table_cache_dirty (cache, table->at);
    }
  g_array_set_size (cache->sealed, 0);
}
