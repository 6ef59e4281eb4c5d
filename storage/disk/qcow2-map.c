/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the clusters of a qcow2 image lie: its L2 tables, compressed clusters, new places; see qcow2.c. */

#include "storage/disk/qcow2.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

void
qcow2_packed_place (const Qcow2 *q, uint64_t entry, uint64_t *at, uint64_t *length)
{
  unsigned bits = 62 - (q->cluster_bits - 8);

  *at = entry & ((1ull << bits) - 1);
  *length = (((entry & ~(QCOW2_COPIED | QCOW2_PACKED)) >> bits) + 1) * 512 - *at % 512;
}

/* The L2 table for @offset: *@table is NULL when there is none. */
static gboolean
find_table (Image *img, uint64_t offset, const uint64_t **table, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t at = q->l1[offset >> (q->cluster_bits + q->l2_bits)] & QCOW2_OFFSET;

  *table = NULL;
  if (at == 0)
    return TRUE;
  *table = table_cache_read (q->l2_tables, img->file, at, error);
  return *table != NULL;
}

static gboolean
check_entry (Image *img, uint64_t entry, GError **error)
{
  const Qcow2 *q = img->state;
  uint64_t at = entry & QCOW2_OFFSET, length = 1, end = q->used_end << q->cluster_bits;

  if (entry & QCOW2_PACKED)
    qcow2_packed_place (q, entry, &at, &length);
  else if (entry & QCOW2_RESERVED || at & (q->cluster_size - 1) || (entry & QCOW2_ZERO && q->version == 2))
    return image_damaged (error, img, _("an entry of its tables is %llx"), (unsigned long long) entry);
  if (at != 0 && at >= end)
    return image_damaged (error, img, _("a cluster at %llu lies outside the file"), (unsigned long long) at);
  return TRUE;
}

gboolean
qcow2_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t cluster = offset >> q->cluster_bits, within = offset & (q->cluster_size - 1), entry, run = 1, limit;
  uint32_t index = (uint32_t) (cluster & ((1u << q->l2_bits) - 1)), count = (1u << q->l2_bits) - index;
  const uint64_t *table;

  if (!find_table (img, offset, &table, error))
    return FALSE;
  if (table == NULL)
    {
      *out = (ImageExtent) { .kind = IMAGE_UNALLOCATED, .length = ((uint64_t) count << q->cluster_bits) - within };
      return TRUE;
    }
  limit = MIN (count, ((within + length - 1) >> q->cluster_bits) + 1);
  entry = GUINT64_FROM_BE (table[index]);
  if (!check_entry (img, entry, error))
    return FALSE;
  *out = (ImageExtent) { .file = img->file, .at = (entry & QCOW2_OFFSET) + within, .detail = entry };
  if (entry & QCOW2_PACKED)
    out->kind = IMAGE_PACKED;
  else if (entry & QCOW2_ZERO || (entry & QCOW2_OFFSET) == 0)
    {
      out->kind = entry & QCOW2_ZERO ? IMAGE_ZERO : IMAGE_UNALLOCATED;
      /* Several in a row may have room already, each its own: what matters is that they read alike. */
      while (run < limit)
        {
          uint64_t next = GUINT64_FROM_BE (table[index + run]);

          if (next & QCOW2_PACKED || (next & QCOW2_ZERO) != (entry & QCOW2_ZERO)
              || (!(entry & QCOW2_ZERO) && (next & QCOW2_OFFSET) != 0))
            break;
          run++;
        }
    }
  else
    {
      uint64_t l1 = q->l1[offset >> (q->cluster_bits + q->l2_bits)];

      out->kind = IMAGE_DATA;
      out->shared = !(entry & l1 & QCOW2_COPIED);
      while (run < limit && GUINT64_FROM_BE (table[index + run]) == entry + (run << q->cluster_bits)
             && ((entry & QCOW2_OFFSET) >> q->cluster_bits) + run < q->used_end)
        run++;
    }
  out->length = (run << q->cluster_bits) - within;
  return TRUE;
}

static gboolean
inflate_cluster (const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length)
{
  z_stream stream
      = { .next_in = (Bytef *) in, .avail_in = (uInt) in_length, .next_out = out, .avail_out = (uInt) out_length };

  if (inflateInit2 (&stream, -15) != Z_OK)
    return FALSE;
  inflate (&stream, Z_FINISH);
  inflateEnd (&stream);
  return stream.avail_out == 0;
}

static gboolean
unzstd_cluster (const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length)
{
  ZSTD_inBuffer from = { in, in_length, 0 };
  ZSTD_outBuffer to = { out, out_length, 0 };
  ZSTD_DStream *stream = ZSTD_createDStream ();

  /* What follows the frame in its last sector is not of it. */
  while (stream != NULL && to.pos < to.size)
    {
      size_t in_before = from.pos, out_before = to.pos;

      if (ZSTD_isError (ZSTD_decompressStream (stream, &to, &from)) || (from.pos == in_before && to.pos == out_before))
        break;
    }
  ZSTD_freeDStream (stream);
  return to.pos == to.size;
}

gboolean
qcow2_unpack (Image *img, const ImageExtent *extent, uint64_t offset, void *buffer, size_t length, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t at, packed_length;
  gboolean ok = TRUE;

  qcow2_packed_place (q, extent->detail, &at, &packed_length);
  g_mutex_lock (&q->unpack_lock);
  if (q->unpacked_entry != extent->detail)
    {
      if (q->unpacked == NULL)
        {
          q->unpacked = g_malloc (q->cluster_size);
          q->packed = g_malloc (2 * (size_t) q->cluster_size + SECTOR_SIZE);
        }
      q->unpacked_entry = 0;
      packed_length = MIN (packed_length, 2 * (uint64_t) q->cluster_size);
      ok = image_file_read (extent->file, at, q->packed, packed_length, error);
      if (ok && !(q->zstd ? unzstd_cluster : inflate_cluster) (q->packed, packed_length, q->unpacked, q->cluster_size))
        ok = image_damaged (error, img, _("the compressed data at %llu cannot be unpacked"), (unsigned long long) at);
      if (ok)
        q->unpacked_entry = extent->detail;
    }
  if (ok)
    memcpy (buffer, q->unpacked + (offset & (q->cluster_size - 1)), length);
  g_mutex_unlock (&q->unpack_lock);
  return ok;
}

/* The L2 table for @offset, one that may be changed: new, or a copy of one that a snapshot shares. */
static uint64_t *
own_table (Image *img, uint64_t offset, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t *entry = &q->l1[offset >> (q->cluster_bits + q->l2_bits)], old = *entry & QCOW2_OFFSET, one = 1, cluster, at;
  g_autofree uint64_t *copy = NULL;
  uint64_t *table;
  gboolean fresh;

  if (old != 0 && *entry & QCOW2_COPIED)
    return table_cache_change (q->l2_tables, img->file, old, 0, error);
  if (old != 0)
    {
      const uint64_t *shared = table_cache_read (q->l2_tables, img->file, old, error);

      if (shared == NULL)
        return NULL;
      copy = g_memdup2 (shared, q->cluster_size);
      /* What both point at is shared. */
      for (uint32_t i = 0; i < q->cluster_size / 8; i++)
        copy[i] &= ~GUINT64_TO_BE (QCOW2_COPIED);
    }
  if (!qcow2_allocate (img, &one, &cluster, &fresh, error))
    return NULL;
  at = cluster << q->cluster_bits;
  table = table_cache_add (q->l2_tables, img->file, at);
  if (copy != NULL)
    {
      memcpy (table, copy, q->cluster_size);
      qcow2_free_later (img, old >> q->cluster_bits, 1);
    }
  *entry = at | QCOW2_COPIED;
  q->l1_dirty = TRUE;
  return table;
}

gboolean
qcow2_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t start = offset & ~((uint64_t) q->cluster_size - 1), first;
  uint64_t count = ((offset + length - 1) >> q->cluster_bits) - (offset >> q->cluster_bits) + 1;
  uint64_t in_table = (1u << q->l2_bits) - ((offset >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  gboolean fresh;

  /* The table is there before the data is, so that commit() has nothing left that can fail for want of room. */
  if (own_table (img, offset, error) == NULL)
    return FALSE;
  count = MIN (count, in_table);
  if (!qcow2_allocate (img, &count, &first, &fresh, error))
    return FALSE;
  *out = (ImagePlace) { .start = start,
                        .length = count << q->cluster_bits,
                        .file = img->file,
                        .at = first << q->cluster_bits,
                        .fresh = fresh };
  return TRUE;
}

static void
let_go (Image *img, uint64_t entry)
{
  Qcow2 *q = img->state;
  uint64_t at = entry & QCOW2_OFFSET, length = q->cluster_size;

  if (entry & QCOW2_PACKED)
    qcow2_packed_place (q, entry, &at, &length);
  else if (at == 0)
    return;
  qcow2_free_later (img, at >> q->cluster_bits, ((at + length - 1) >> q->cluster_bits) - (at >> q->cluster_bits) + 1);
}

gboolean
qcow2_commit (Image *img, const ImagePlace *place, GError **error)
{
  Qcow2 *q = img->state;
  uint32_t index = (uint32_t) ((place->start >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  uint64_t *table = own_table (img, place->start, error);

  if (table == NULL)
    return FALSE;
  for (uint64_t i = 0; i < place->length >> q->cluster_bits; i++)
    {
      let_go (img, GUINT64_FROM_BE (table[index + i]));
      table[index + i] = GUINT64_TO_BE ((place->at + (i << q->cluster_bits)) | QCOW2_COPIED);
    }
  return TRUE;
}

void
qcow2_release (Image *img, const ImagePlace *place)
{
  Qcow2 *q = img->state;
  g_autoptr (GError) error = NULL;

  if (!qcow2_give_back (img, place->at >> q->cluster_bits, place->length >> q->cluster_bits, &error))
    g_warning ("%s", error->message);
}

/* With map_lock held: the clusters of one table. */
static gboolean
discard_in_table (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Qcow2 *q = img->state;
  uint32_t index = (uint32_t) ((offset >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  uint64_t blank = img->base != NULL ? QCOW2_ZERO : 0, *table;
  const uint64_t *present;
  gboolean needed = FALSE;

  if (!find_table (img, offset, &present, error))
    return FALSE;
  if (present == NULL && img->base == NULL)
    return TRUE;
  for (uint64_t i = 0; present != NULL && i < (length + q->cluster_size - 1) >> q->cluster_bits; i++)
    if (GUINT64_FROM_BE (present[index + i]) != blank)
      needed = TRUE;
  if (present != NULL && !needed)
    return TRUE;
  table = own_table (img, offset, error);
  if (table == NULL)
    return FALSE;
  for (uint64_t i = 0; i < (length + q->cluster_size - 1) >> q->cluster_bits; i++)
    {
      uint64_t entry = GUINT64_FROM_BE (table[index + i]);

      if (entry == blank)
        continue;
      if (!check_entry (img, entry, error))
        return FALSE;
      let_go (img, entry);
      table[index + i] = GUINT64_TO_BE (blank);
    }
  return TRUE;
}

gboolean
qcow2_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t span = (uint64_t) q->cluster_size << q->l2_bits;

  /* Version 2 has no word for zeros over a base. */
  if (q->version == 2 && img->base != NULL)
    {
      g_autofree uint8_t *zeros = g_malloc0 (q->cluster_size);

      for (uint64_t end = offset + length; offset < end; offset += q->cluster_size)
        if (!image_map_write (img, offset, zeros, (size_t) MIN (q->cluster_size, end - offset), error))
          return FALSE;
      return TRUE;
    }
  while (length > 0)
    {
      uint64_t chunk = MIN (length, span - offset % span);
      gboolean ok;

      if (!image_relieve (img, error))
        return FALSE;
      g_mutex_lock (&img->map_lock);
      ok = discard_in_table (img, offset, chunk, error);
      g_mutex_unlock (&img->map_lock);
      if (!ok)
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}
