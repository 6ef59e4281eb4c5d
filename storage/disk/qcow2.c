/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qcow2, QEMU's disk image, versions 2 and 3.
 * Specification: “The QCOW2 image format” (QEMU's docs/interop/qcow2.txt).
 *
 * A flush goes in steps, each durable before the next: data and reference counts,
 * the tables that point at data (L2), the table that points at these (L1). Only then are
 * clusters given back that nothing points at any more. A power cut between two steps leaves
 * at most clusters that nothing uses.
 */

#include "storage/disk/qcow2.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>

/* The parts of a flush that are done without the lock. */
typedef struct
{
  gboolean counts, tables;       /* sealed */
  uint64_t *refcount_table, *l1; /* copies, if they are to be written */
  uint64_t refcount_at, l1_at;
  uint32_t refcount_entries, l1_entries;
} Qcow2Changes;

static gboolean
take_changes (Image *img, Qcow2Changes *c, GError **error)
{
  Qcow2 *q = img->state;

  /* The last cluster is there whole. */
  if (!image_file_grow (img->file, q->used_end << q->cluster_bits, error))
    return FALSE;
  c->counts = table_cache_seal (q->refcount_blocks);
  c->tables = table_cache_seal (q->l2_tables);
  c->refcount_at = GUINT64_FROM_BE (q->header.refcount_table_offset);
  c->l1_at = GUINT64_FROM_BE (q->header.l1_offset);
  c->refcount_entries = q->refcount_entries;
  c->l1_entries = q->l1_entries;
  if (q->refcount_table_dirty)
    c->refcount_table = g_memdup2 (q->refcount_table, (size_t) q->refcount_entries * 8);
  if (q->l1_dirty)
    c->l1 = g_memdup2 (q->l1, (size_t) q->l1_entries * 8);
  q->refcount_table_dirty = q->l1_dirty = FALSE;
  g_array_append_vals (q->freed_sealed, q->freed->data, q->freed->len);
  g_array_set_size (q->freed, 0);
  return TRUE;
}

static gboolean
write_changes (Image *img, const Qcow2Changes *c, GError **error)
{
  Qcow2 *q = img->state;

  if ((c->counts && !table_cache_write_sealed (q->refcount_blocks, error)) || !image_sync (img, error))
    return FALSE;
  if (c->refcount_table != NULL
      && (!qcow2_write_table (img, c->refcount_at, c->refcount_table, c->refcount_entries, error)
          || !image_sync (img, error)))
    return FALSE;
  if (c->tables && (!table_cache_write_sealed (q->l2_tables, error) || !image_sync (img, error)))
    return FALSE;
  return c->l1 == NULL || (qcow2_write_table (img, c->l1_at, c->l1, c->l1_entries, error) && image_sync (img, error));
}

static gboolean
qcow2_flush (Image *img, GError **error)
{
  Qcow2 *q = img->state;
  Qcow2Changes changes = { 0 };
  gboolean ok;

  g_mutex_lock (&q->flush_lock);
  g_mutex_lock (&img->map_lock);
  ok = take_changes (img, &changes, error);
  g_mutex_unlock (&img->map_lock);
  ok = ok && write_changes (img, &changes, error);
  g_mutex_lock (&img->map_lock);
  if (changes.counts)
    table_cache_unseal (q->refcount_blocks, ok);
  if (changes.tables)
    table_cache_unseal (q->l2_tables, ok);
  if (ok && q->freed_sealed->len > 0)
    {
      ok = qcow2_free_now (img, q->freed_sealed, error);
      g_array_set_size (q->freed_sealed, 0);
      /* They need not be durable: what is lost is space. */
      if (ok && table_cache_seal (q->refcount_blocks))
        {
          ok = table_cache_write_sealed (q->refcount_blocks, error);
          table_cache_unseal (q->refcount_blocks, ok);
        }
    }
  else if (!ok)
    {
      q->refcount_table_dirty |= changes.refcount_table != NULL;
      q->l1_dirty |= changes.l1 != NULL;
    }
  g_mutex_unlock (&img->map_lock);
  g_mutex_unlock (&q->flush_lock);
  g_free (changes.refcount_table);
  g_free (changes.l1);
  return ok;
}

/* A larger first table goes to a new place; the header then names both it and the new size. */
static gboolean
grow_l1 (Image *img, uint32_t entries, Qcow2Header *header, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t wanted = ((uint64_t) entries * 8 + q->cluster_size - 1) >> q->cluster_bits, first, count;
  uint64_t *grown;
  gboolean fresh;

  do
    {
      count = wanted;
      if (!qcow2_allocate (img, &count, &first, &fresh, error))
        return FALSE;
      if (count < wanted)
        qcow2_free_later (img, first, count);
    }
  while (count < wanted);
  grown = g_new0 (uint64_t, entries + 1);
  memcpy (grown, q->l1, (size_t) q->l1_entries * 8);
  if (!qcow2_flush (img, error) || !qcow2_write_table (img, first << q->cluster_bits, grown, entries, error)
      || !image_sync (img, error))
    {
      g_free (grown);
      return FALSE;
    }
  g_free (q->l1);
  q->l1 = grown;
  header->l1_offset = GUINT64_TO_BE (first << q->cluster_bits);
  header->l1_entries = GUINT32_TO_BE (entries);
  return TRUE;
}

static gboolean
qcow2_resize (Image *img, uint64_t size, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t span = (uint64_t) q->cluster_size << q->l2_bits, entries = (size + span - 1) / span, old = img->size;
  uint64_t edge = (MIN (size, old) + q->cluster_size - 1) & ~((uint64_t) q->cluster_size - 1);
  uint64_t l1_at = GUINT64_FROM_BE (q->header.l1_offset);
  uint32_t l1_clusters = (uint32_t) (((uint64_t) q->l1_entries * 8 + q->cluster_size - 1) >> q->cluster_bits);
  Qcow2Header header;

  if (q->header.snapshot_count != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot resize “%s”: it has snapshots inside that need its size"), img->path);
      return FALSE;
    }
  if (entries > QCOW2_L1_MAX / 8)
    return image_unsupported (error, img, _("it has become too large"));
  /* What lies behind the end would come back when it grows again. */
  if (size < old && edge < old && !qcow2_discard (img, edge, old - edge, error))
    return FALSE;
  if (size > old && edge > old)
    {
      gboolean ok;

      img->size = MIN (size, edge);
      ok = image_zero (img, old, img->size - old, error);
      img->size = old;
      if (!ok)
        return FALSE;
    }
  if (!qcow2_flush (img, error))
    return FALSE;
  header = q->header;
  if (entries > q->l1_entries && !grow_l1 (img, (uint32_t) entries, &header, error))
    return FALSE;
  header.refcount_table_offset = q->header.refcount_table_offset;
  header.refcount_table_clusters = q->header.refcount_table_clusters;
  header.size = GUINT64_TO_BE (size);
  if (!image_pwrite (img, 0, &header, QCOW2_HEADER_V2, error) || !image_sync (img, error))
    return FALSE;
  q->header = header;
  img->size = size;
  if (GUINT64_FROM_BE (header.l1_offset) != l1_at)
    {
      q->l1_entries = (uint32_t) entries;
      qcow2_free_later (img, l1_at >> q->cluster_bits, l1_clusters);
    }
  return qcow2_flush (img, error);
}

static gboolean
qcow2_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t bits = GUINT64_FROM_BE (q->header.incompatible), kept = bits & ~(uint64_t) (QCOW2_DIRTY | QCOW2_CORRUPT);

  if (bits & QCOW2_CORRUPT)
    image_report (report, &report->errors, _("it is marked as corrupt"));
  if (!qcow2_check_refcounts (img, repair, report, error))
    return FALSE;
  if (!repair)
    return TRUE;
  if (!qcow2_flush (img, error))
    return FALSE;
  if (bits == kept)
    return TRUE;
  report->repaired += (bits & QCOW2_CORRUPT) != 0;
  q->header.incompatible = GUINT64_TO_BE (kept);
  return image_pwrite (img, 0, &q->header, QCOW2_HEADER_V3, error) && image_sync (img, error);
}

/* Room for everything, taken now. */
static gboolean
allocate_all (Image *img, uint64_t size, GError **error)
{
  gboolean ok = TRUE;

  if (!image_file_length (img->file, &img->file->size, error) || !qcow2_open (img, error))
    return FALSE;
  for (uint64_t offset = 0; ok && offset < size;)
    {
      ImagePlace place;

      ok = qcow2_reserve (img, offset, MIN (size - offset, (uint64_t) 1 << 30), &place, error)
           && image_file_allocate (place.file, place.at, place.length, error) && qcow2_commit (img, &place, error)
           && image_relieve (img, error);
      offset = place.start + place.length;
    }
  ok = ok && qcow2_flush (img, error);
  qcow2_close (img);
  return ok;
}

/* Tables that an image of @size bytes needs. */
static uint64_t
table_count (uint64_t size, unsigned bits)
{
  uint64_t span = (uint64_t) 1 << (2 * bits - 3);

  return (size + span - 1) / span;
}

/* Over a base, the first write into a cluster copies what is around it: small ones cost less then. Of large disks they
 * would have the first table too large. */
static unsigned
choose_cluster_bits (uint64_t size, gboolean over_base)
{
  unsigned bits = over_base ? QCOW2_LAYER_CLUSTER_BITS : QCOW2_CLUSTER_BITS;

  while (bits < QCOW2_CLUSTER_BITS && table_count (size, bits) * 8 > QCOW2_LAYER_L1_MAX)
    bits++;
  return bits;
}

/* The header, the table of counts and its first block, the first table; all but the header are zeros or nearly. */
static gboolean
qcow2_create (Image *img, const ImageCreate *options, GError **error)
{
  enum
  {
    TABLE_AT = 1,
    BLOCK_AT = 2,
    L1_AT = 3
  };
  const char *format = options->base != NULL ? options->base->format->name : options->base_format;
  unsigned bits = choose_cluster_bits (options->size, format != NULL);
  uint64_t cluster = 1u << bits, entries = table_count (options->size, bits);
  uint64_t l1_clusters = (entries * 8 + cluster - 1) / cluster, table = GUINT64_TO_BE (BLOCK_AT * cluster);
  g_autofree uint8_t *first = g_malloc0 (cluster);
  g_autofree uint16_t *counts = g_new (uint16_t, L1_AT + l1_clusters);
  Qcow2Header *h = (Qcow2Header *) first;
  uint8_t *at = first + QCOW2_HEADER_V3;

  *h = (Qcow2Header) { .magic = GUINT32_TO_BE (QCOW2_MAGIC),
                       .version = GUINT32_TO_BE (3),
                       .cluster_bits = GUINT32_TO_BE (bits),
                       .size = GUINT64_TO_BE (options->size),
                       .l1_entries = GUINT32_TO_BE ((uint32_t) entries),
                       .l1_offset = GUINT64_TO_BE (L1_AT * cluster),
                       .refcount_table_offset = GUINT64_TO_BE (TABLE_AT * cluster),
                       .refcount_table_clusters = GUINT32_TO_BE (1),
                       .refcount_order = GUINT32_TO_BE (QCOW2_REFCOUNT_ORDER),
                       .header_length = GUINT32_TO_BE (QCOW2_HEADER_V3) };
  if (format != NULL)
    {
      size_t length = strlen (options->base_name);

      if (length > QCOW2_BACKING_NAME_MAX)
        return image_errno (error, options->base_name, NC_("cannot", "open"), ENAMETOOLONG);
      /* The end of the extensions is eight zeros. */
      at += qcow2_put_backing_format (at, format) + 8;
      memcpy (at, options->base_name, length);
      h->backing_offset = GUINT64_TO_BE ((uint64_t) (at - first));
      h->backing_length = GUINT32_TO_BE ((uint32_t) length);
    }
  for (uint64_t i = 0; i < L1_AT + l1_clusters; i++)
    counts[i] = GUINT16_TO_BE (1);
  if (!image_pwrite (img, 0, first, cluster, error)
      || !image_pwrite (img, TABLE_AT * cluster, &table, sizeof table, error)
      || !image_pwrite (img, BLOCK_AT * cluster, counts, (L1_AT + l1_clusters) * 2, error)
      || !image_file_truncate (img->file, (L1_AT + l1_clusters) * cluster, error))
    return FALSE;
  return !g_str_equal (options->variant, "fixed") || allocate_all (img, options->size, error);
}

static const char *const qcow2_variants[] = { "dynamic", "fixed", NULL };
static const char *const qcow2_endings[] = { "qcow2", "qcow", NULL };

const ImageFormat qcow2_format = {
  .name = "qcow2",
  .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD | IMAGE_CAN_BACK,
  .variants = qcow2_variants,
  .endings = qcow2_endings,
  .max_size = IMAGE_SIZE_MAX,
  .probe = qcow2_probe,
  .open = qcow2_open,
  .create = qcow2_create,
  .close = qcow2_close,
  .read = image_map_read,
  .write = image_map_write,
  .discard = qcow2_discard,
  .flush = qcow2_flush,
  .extent = qcow2_extent,
  .reserve = qcow2_reserve,
  .commit = qcow2_commit,
  .release = qcow2_release,
  .unpack = qcow2_unpack,
  .resize = qcow2_resize,
  .check = qcow2_check,
};
