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
#include <zlib.h>
#include <zstd.h>

#define QCOW2_MAGIC              0x514649fbu
#define QCOW2_CACHE              (16u << 20) /* bytes of L2 tables that are kept */
#define QCOW2_COUNT_CACHE        (4u << 20)
#define EXTENSION_BACKING_FORMAT 0xe2792acau
enum
{
  FREED_MAX = 4096,
  BACKING_NAME_MAX = 1023,
  REFCOUNT_ORDER = 4
};

static int
qcow2_probe (const ImageSample *sample)
{
  static const uint8_t magic[] = { 'Q', 'F', 'I', 0xfb };

  return sample->head_length >= sizeof magic && memcmp (sample->head, magic, sizeof magic) == 0 ? 100 : 0;
}

static gboolean
lies_inside (const Image *img, uint64_t at, uint64_t length)
{
  return at <= img->file->size && length <= img->file->size - at;
}

static gboolean
check_features (Image *img, Qcow2 *q, GError **error)
{
  uint64_t features = GUINT64_FROM_BE (q->header.incompatible);

  if (features & QCOW2_EXTERNAL_DATA)
    return image_unsupported (error, img, _("qcow2 images with their data in another file are not supported"));
  if (features & QCOW2_SUBCLUSTERS)
    return image_unsupported (error, img, _("qcow2 images with subclusters are not supported"));
  features &= ~(uint64_t) (QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION);
  if (features != 0)
    return image_unsupported (error, img, _("it uses unknown features of qcow2 (%llx)"),
                              (unsigned long long) features);
  if (GUINT64_FROM_BE (q->header.incompatible) & QCOW2_CORRUPT && !img->read_only && !img->checking)
    return image_damaged (error, img, _("it was marked as corrupt, and can only be read"));
  return TRUE;
}

static gboolean
check_header (Image *img, Qcow2 *q, GError **error)
{
  Qcow2Header *h = &q->header;
  uint32_t length = QCOW2_HEADER_V2;
  uint64_t span;

  q->version = GUINT32_FROM_BE (h->version);
  q->cluster_bits = GUINT32_FROM_BE (h->cluster_bits);
  if (q->version != 2 && q->version != 3)
    return image_unsupported (error, img, _("version %u of qcow2 is not known"), q->version);
  if (q->cluster_bits < QCOW2_MIN_CLUSTER_BITS || q->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
    return image_damaged (error, img, _("clusters of 2^%u bytes"), q->cluster_bits);
  q->cluster_size = 1u << q->cluster_bits;
  q->l2_bits = q->cluster_bits - 3;
  if (q->version == 2)
    {
      memset (&h->incompatible, 0, sizeof *h - QCOW2_HEADER_V2);
      q->refcount_order = REFCOUNT_ORDER;
    }
  else
    {
      length = GUINT32_FROM_BE (h->header_length);
      q->refcount_order = GUINT32_FROM_BE (h->refcount_order);
      if (length < QCOW2_HEADER_V3 || length > q->cluster_size || length % 8 != 0)
        return image_damaged (error, img, _("a header of %u bytes"), length);
      if (length == QCOW2_HEADER_V3)
        h->compression = 0;
      if (q->refcount_order > 6)
        return image_damaged (error, img, _("reference counts of 2^%u bits"), q->refcount_order);
    }
  if (!check_features (img, q, error))
    return FALSE;
  if (h->compression > 1 || (h->compression != 0) != ((GUINT64_FROM_BE (h->incompatible) & QCOW2_COMPRESSION) != 0))
    return image_unsupported (error, img, _("compression method %u of qcow2 is not known"), h->compression);
  q->zstd = h->compression == 1;
  if (h->crypt_method != 0)
    return image_unsupported (error, img, _("encrypted qcow2 images are not supported"));
  img->size = GUINT64_FROM_BE (h->size);
  if (img->size == 0 || img->size > IMAGE_SIZE_MAX)
    return image_damaged (error, img, _("a disk of %llu bytes"), (unsigned long long) img->size);
  img->size = (img->size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  span = (uint64_t) q->cluster_size << q->l2_bits;
  q->l1_entries = GUINT32_FROM_BE (h->l1_entries);
  if (q->l1_entries > (uint32_t) QCOW2_L1_MAX / 8 || q->l1_entries < (img->size + span - 1) / span)
    return image_damaged (error, img, _("%u tables for a disk of %llu bytes"), q->l1_entries,
                          (unsigned long long) img->size);
  if (GUINT64_FROM_BE (h->l1_offset) % q->cluster_size != 0
      || !lies_inside (img, GUINT64_FROM_BE (h->l1_offset), (uint64_t) q->l1_entries * 8))
    return image_damaged (error, img, _("its first table lies outside the file"));
  q->refcount_entries = GUINT32_FROM_BE (h->refcount_table_clusters);
  if (q->refcount_entries == 0 || q->refcount_entries > (uint32_t) QCOW2_REFCOUNT_TABLE_MAX >> q->cluster_bits)
    return image_damaged (error, img, _("%u clusters of reference counts"), q->refcount_entries);
  q->refcount_entries <<= q->cluster_bits - 3;
  if (GUINT64_FROM_BE (h->refcount_table_offset) % q->cluster_size != 0
      || !lies_inside (img, GUINT64_FROM_BE (h->refcount_table_offset), (uint64_t) q->refcount_entries * 8))
    return image_damaged (error, img, _("its reference counts lie outside the file"));
  if (GUINT32_FROM_BE (h->snapshot_count) > 65536
      || (h->snapshot_count != 0 && !lies_inside (img, GUINT64_FROM_BE (h->snapshots_offset), 40)))
    return image_damaged (error, img, _("its list of snapshots lies outside the file"));
  return TRUE;
}

/* The base image's format is in an extension of the header, its name behind these. */
static gboolean
read_backing (Image *img, const Qcow2 *q, GError **error)
{
  uint64_t offset = GUINT64_FROM_BE (q->header.backing_offset), at, end;
  uint32_t length = GUINT32_FROM_BE (q->header.backing_length);

  if (offset == 0 || length == 0)
    return TRUE;
  if (length > BACKING_NAME_MAX || offset > q->cluster_size || length > q->cluster_size - offset)
    return image_damaged (error, img, _("the name of its base is %u bytes long"), length);
  img->parent.wanted = TRUE;
  img->parent.name = g_malloc0 (length + 1);
  if (!image_pread (img, offset, img->parent.name, length, error))
    return FALSE;
  if (strlen (img->parent.name) != length)
    return image_damaged (error, img, _("the name of its base has a zero in it"));
  if (g_str_has_prefix (img->parent.name, "json:") || strstr (img->parent.name, "://") != NULL)
    return image_unsupported (error, img, _("its base is “%s”, which is not a file"), img->parent.name);
  at = q->version == 2 ? QCOW2_HEADER_V2 : GUINT32_FROM_BE (q->header.header_length);
  for (end = offset; at <= end && end - at >= 8;)
    {
      uint32_t extension[2];

      if (!image_pread (img, at, extension, sizeof extension, error))
        return FALSE;
      extension[0] = GUINT32_FROM_BE (extension[0]);
      extension[1] = GUINT32_FROM_BE (extension[1]);
      at += 8;
      if (extension[0] == 0 || extension[1] > end - at)
        break;
      if (extension[0] == EXTENSION_BACKING_FORMAT && extension[1] < 16)
        {
          g_free (img->parent.format);
          img->parent.format = g_malloc0 (extension[1] + 1);
          if (!image_pread (img, at, img->parent.format, extension[1], error))
            return FALSE;
        }
      at += (extension[1] + 7) & ~7u;
    }
  /* Their word for ours. */
  if (g_strcmp0 (img->parent.format, "vpc") == 0 || g_strcmp0 (img->parent.format, "parallels") == 0)
    {
      gboolean vhd = g_str_equal (img->parent.format, "vpc");

      g_free (img->parent.format);
      img->parent.format = g_strdup (vhd ? "vhd" : "hdd");
    }
  return TRUE;
}

static void
qcow2_free (Qcow2 *q)
{
  table_cache_free (q->l2_tables);
  table_cache_free (q->refcount_blocks);
  g_array_unref (q->freed);
  g_array_unref (q->freed_sealed);
  g_mutex_clear (&q->flush_lock);
  g_mutex_clear (&q->unpack_lock);
  g_free (q->l1);
  g_free (q->refcount_table);
  g_free (q->unpacked);
  g_free (q->packed);
  g_free (q);
}

static gboolean
read_table (Image *img, uint64_t at, uint64_t **entries, uint32_t count, GError **error)
{
  *entries = g_new (uint64_t, count + 1);
  if (!image_pread (img, at, *entries, (size_t) count * 8, error))
    return FALSE;
  for (uint32_t i = 0; i < count; i++)
    (*entries)[i] = GUINT64_FROM_BE ((*entries)[i]);
  return TRUE;
}

gboolean
qcow2_write_table (Image *img, uint64_t at, const uint64_t *entries, uint32_t count, GError **error)
{
  g_autofree uint64_t *table = g_new (uint64_t, count + 1);

  for (uint32_t i = 0; i < count; i++)
    table[i] = GUINT64_TO_BE (entries[i]);
  return image_pwrite (img, at, table, (size_t) count * 8, error);
}

static gboolean
check_tables (Image *img, Qcow2 *q, GError **error)
{
  for (uint32_t i = 0; i < q->l1_entries; i++)
    {
      uint64_t at = q->l1[i] & QCOW2_OFFSET;

      if (q->l1[i] & ~(QCOW2_OFFSET | QCOW2_COPIED) || at & (q->cluster_size - 1)
          || (at != 0 && !lies_inside (img, at, q->cluster_size)))
        return image_damaged (error, img, _("the table for part %u lies outside the file"), i);
    }
  for (uint32_t i = 0; i < q->refcount_entries; i++)
    if (q->refcount_table[i] & (q->cluster_size - 1)
        || (q->refcount_table[i] != 0 && !lies_inside (img, q->refcount_table[i], q->cluster_size)))
      return image_damaged (error, img, _("block %u of its reference counts lies outside the file"), i);
  return TRUE;
}

/* Before the first change: what another program left undone, and marks that say what we will not keep up. */
static gboolean
prepare_to_write (Image *img, Qcow2 *q, GError **error)
{
  uint64_t bits = GUINT64_FROM_BE (q->header.incompatible);
  uint64_t uses;

  if (bits & QCOW2_DIRTY && !img->checking)
    {
      ImageReport report = { 0 };
      gboolean ok = qcow2_check_refcounts (img, TRUE, &report, error) && img->format->flush (img, error);

      image_report_clear (&report);
      if (!ok)
        return FALSE;
    }
  if (!qcow2_refcount_get (img, 0, &uses, error))
    return FALSE;
  if (uses == 0 && !img->checking)
    return image_damaged (error, img, _("cluster %llu is in use and counted as free: check it"), 0ull);
  if (q->version == 2 || img->checking || (!(bits & QCOW2_DIRTY) && q->header.autoclear == 0))
    return TRUE;
  q->header.incompatible = GUINT64_TO_BE (bits & ~(uint64_t) QCOW2_DIRTY);
  q->header.autoclear = 0;
  return image_pwrite (img, 0, &q->header, QCOW2_HEADER_V3, error) && image_sync (img, error);
}

static gboolean
qcow2_open (Image *img, GError **error)
{
  Qcow2 *q = g_new0 (Qcow2, 1);

  img->state = q;
  q->freed = g_array_new (FALSE, FALSE, sizeof (Qcow2Run));
  q->freed_sealed = g_array_new (FALSE, FALSE, sizeof (Qcow2Run));
  g_mutex_init (&q->flush_lock);
  g_mutex_init (&q->unpack_lock);
  if (!image_pread (img, 0, &q->header, sizeof q->header, error) || !check_header (img, q, error)
      || !read_backing (img, q, error)
      || !read_table (img, GUINT64_FROM_BE (q->header.l1_offset), &q->l1, q->l1_entries, error)
      || !read_table (img, GUINT64_FROM_BE (q->header.refcount_table_offset), &q->refcount_table, q->refcount_entries,
                      error)
      || (!img->checking && !check_tables (img, q, error)))
    {
      qcow2_free (q);
      return FALSE;
    }
  q->l2_tables = table_cache_new (img->file, q->cluster_size, MAX (QCOW2_CACHE / q->cluster_size, 8));
  q->refcount_blocks = table_cache_new (img->file, q->cluster_size, MAX (QCOW2_COUNT_CACHE / q->cluster_size, 4));
  q->used_end = (img->file->size + q->cluster_size - 1) >> q->cluster_bits;
  img->unit = q->cluster_size;
  img->holds_more = q->header.snapshot_count != 0;
  if (!img->read_only && !prepare_to_write (img, q, error))
    {
      qcow2_free (q);
      return FALSE;
    }
  return TRUE;
}

static void
qcow2_close (Image *img)
{
  qcow2_free (img->state);
}

void
qcow2_packed_place (const Qcow2 *q, uint64_t entry, uint64_t *at, uint64_t *length)
{
  unsigned bits = 62 - (q->cluster_bits - 8);

  *at = entry & ((1ull << bits) - 1);
  *length = (((entry & ~(QCOW2_COPIED | QCOW2_PACKED)) >> bits) + 1) * 512 - *at % 512;
}

/* The L2 table for @offset: *@table is NULL when there is none. */
static gboolean
find_table (Image *img, uint64_t offset, uint64_t **table, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t at = q->l1[offset >> (q->cluster_bits + q->l2_bits)] & QCOW2_OFFSET;

  *table = NULL;
  if (at == 0)
    return TRUE;
  *table = table_cache_get (q->l2_tables, at, error);
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

static gboolean
qcow2_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t cluster = offset >> q->cluster_bits, within = offset & (q->cluster_size - 1), entry, run = 1, limit;
  uint32_t index = (uint32_t) (cluster & ((1u << q->l2_bits) - 1)), count = (1u << q->l2_bits) - index;
  uint64_t *table;

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

static gboolean
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
own_table (Image *img, uint64_t offset, uint64_t *at, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t *entry = &q->l1[offset >> (q->cluster_bits + q->l2_bits)], old = *entry & QCOW2_OFFSET, one = 1, cluster;
  g_autofree uint64_t *copy = NULL;
  uint64_t *table;
  gboolean fresh;

  if (old != 0 && *entry & QCOW2_COPIED)
    {
      *at = old;
      return table_cache_get (q->l2_tables, old, error);
    }
  if (old != 0)
    {
      table = table_cache_get (q->l2_tables, old, error);
      if (table == NULL)
        return NULL;
      copy = g_memdup2 (table, q->cluster_size);
      /* What both point at is shared. */
      for (uint32_t i = 0; i < q->cluster_size / 8; i++)
        copy[i] &= ~GUINT64_TO_BE (QCOW2_COPIED);
    }
  if (!qcow2_allocate (img, &one, &cluster, &fresh, error))
    return NULL;
  *at = cluster << q->cluster_bits;
  table = table_cache_add (q->l2_tables, *at);
  if (copy != NULL)
    {
      memcpy (table, copy, q->cluster_size);
      qcow2_free_later (img, old >> q->cluster_bits, 1);
    }
  *entry = *at | QCOW2_COPIED;
  q->l1_dirty = TRUE;
  return table;
}

static gboolean
qcow2_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t start = offset & ~((uint64_t) q->cluster_size - 1), first, at;
  uint64_t count = ((offset + length - 1) >> q->cluster_bits) - (offset >> q->cluster_bits) + 1;
  uint64_t in_table = (1u << q->l2_bits) - ((offset >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  gboolean fresh;

  /* The table is there before the data is, so that commit() has nothing left that can fail for want of room. */
  if (own_table (img, offset, &at, error) == NULL)
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

static gboolean
qcow2_commit (Image *img, const ImagePlace *place, GError **error)
{
  Qcow2 *q = img->state;
  uint32_t index = (uint32_t) ((place->start >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  uint64_t at, *table = own_table (img, place->start, &at, error);

  if (table == NULL)
    return FALSE;
  for (uint64_t i = 0; i < place->length >> q->cluster_bits; i++)
    {
      let_go (img, GUINT64_FROM_BE (table[index + i]));
      table[index + i] = GUINT64_TO_BE ((place->at + (i << q->cluster_bits)) | QCOW2_COPIED);
    }
  table_cache_dirty (q->l2_tables, at);
  return TRUE;
}

static void
qcow2_release (Image *img, const ImagePlace *place)
{
  Qcow2 *q = img->state;
  g_autoptr (GError) error = NULL;

  if (!qcow2_give_back (img, place->at >> q->cluster_bits, place->length >> q->cluster_bits, &error))
    g_warning ("%s", error->message);
}

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
  uint64_t end = q->used_end << q->cluster_bits, length;

  /* The last cluster is there whole. */
  if (!image_file_length (img->file, &length, error) || (length < end && !image_file_truncate (img->file, end, error)))
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

/* Keeps what has to be remembered until the next flush within bounds. */
static gboolean
relieve (Image *img, GError **error)
{
  Qcow2 *q = img->state;
  gboolean crowded;

  g_mutex_lock (&img->map_lock);
  crowded = table_cache_is_crowded (q->l2_tables) || table_cache_is_crowded (q->refcount_blocks)
            || q->freed->len > FREED_MAX;
  g_mutex_unlock (&img->map_lock);
  return !crowded || qcow2_flush (img, error);
}

static gboolean
qcow2_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return relieve (img, error) && image_map_write (img, offset, buffer, length, error);
}

/* With map_lock held: the clusters of one table. */
static gboolean
discard_in_table (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Qcow2 *q = img->state;
  uint32_t index = (uint32_t) ((offset >> q->cluster_bits) & ((1u << q->l2_bits) - 1));
  uint64_t blank = img->base != NULL ? QCOW2_ZERO : 0, *table, at;
  gboolean needed = FALSE;

  if (!find_table (img, offset, &table, error))
    return FALSE;
  if (table == NULL && img->base == NULL)
    return TRUE;
  for (uint64_t i = 0; table != NULL && i < (length + q->cluster_size - 1) >> q->cluster_bits; i++)
    if (GUINT64_FROM_BE (table[index + i]) != blank)
      needed = TRUE;
  if (table != NULL && !needed)
    return TRUE;
  table = own_table (img, offset, &at, error);
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
  table_cache_dirty (q->l2_tables, at);
  return TRUE;
}

static gboolean
qcow2_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t span = (uint64_t) q->cluster_size << q->l2_bits;

  /* Version 2 has no word for zeros over a base. */
  if (q->version == 2 && img->base != NULL)
    {
      g_autofree uint8_t *zeros = g_malloc0 (q->cluster_size);

      for (uint64_t end = offset + length; offset < end; offset += q->cluster_size)
        if (!qcow2_write (img, offset, zeros, (size_t) MIN (q->cluster_size, end - offset), error))
          return FALSE;
      return TRUE;
    }
  while (length > 0)
    {
      uint64_t chunk = MIN (length, span - offset % span);
      gboolean ok;

      if (!relieve (img, error))
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
           && relieve (img, error);
      offset = place.start + place.length;
    }
  ok = ok && qcow2_flush (img, error);
  qcow2_close (img);
  return ok;
}

/* The header, the table of counts and its first block, the first table; all but the header are zeros or nearly. */
static gboolean
qcow2_create (Image *img, const ImageCreate *options, GError **error)
{
  enum
  {
    CLUSTER = 1 << QCOW2_CLUSTER_BITS,
    TABLE_AT = 1,
    BLOCK_AT = 2,
    L1_AT = 3
  };
  uint64_t span = (uint64_t) CLUSTER * (CLUSTER / 8), entries = (options->size + span - 1) / span;
  uint64_t l1_clusters = (entries * 8 + CLUSTER - 1) / CLUSTER, table = GUINT64_TO_BE ((uint64_t) BLOCK_AT * CLUSTER);
  const char *format = options->base != NULL ? options->base->format->name : "";
  g_autofree uint8_t *first = g_malloc0 (CLUSTER);
  g_autofree uint16_t *counts = g_new (uint16_t, L1_AT + l1_clusters);
  uint32_t extension[2];
  Qcow2Header *h = (Qcow2Header *) first;
  uint8_t *at = first + QCOW2_HEADER_V3;

  *h = (Qcow2Header) { .magic = GUINT32_TO_BE (QCOW2_MAGIC),
                       .version = GUINT32_TO_BE (3),
                       .cluster_bits = GUINT32_TO_BE (QCOW2_CLUSTER_BITS),
                       .size = GUINT64_TO_BE (options->size),
                       .l1_entries = GUINT32_TO_BE ((uint32_t) entries),
                       .l1_offset = GUINT64_TO_BE ((uint64_t) L1_AT * CLUSTER),
                       .refcount_table_offset = GUINT64_TO_BE ((uint64_t) TABLE_AT * CLUSTER),
                       .refcount_table_clusters = GUINT32_TO_BE (1),
                       .refcount_order = GUINT32_TO_BE (REFCOUNT_ORDER),
                       .header_length = GUINT32_TO_BE (QCOW2_HEADER_V3) };
  if (options->base != NULL)
    {
      size_t length = strlen (options->base_name), format_length;

      if (length > BACKING_NAME_MAX)
        return image_errno (error, options->base_name, NC_("cannot", "open"), ENAMETOOLONG);
      if (g_str_equal (format, "vhd"))
        format = "vpc";
      else if (g_str_equal (format, "hdd"))
        format = "parallels";
      else if (g_str_equal (format, "iso"))
        format = "raw";
      format_length = strlen (format);
      extension[0] = GUINT32_TO_BE (EXTENSION_BACKING_FORMAT);
      extension[1] = GUINT32_TO_BE ((uint32_t) format_length);
      memcpy (at, extension, sizeof extension);
      memcpy (at + sizeof extension, format, format_length);
      /* The end of the extensions is eight zeros. */
      at += sizeof extension + ((format_length + 7) & ~(size_t) 7) + 8;
      memcpy (at, options->base_name, length);
      h->backing_offset = GUINT64_TO_BE ((uint64_t) (at - first));
      h->backing_length = GUINT32_TO_BE ((uint32_t) length);
    }
  for (uint64_t i = 0; i < L1_AT + l1_clusters; i++)
    counts[i] = GUINT16_TO_BE (1);
  if (!image_pwrite (img, 0, first, CLUSTER, error)
      || !image_pwrite (img, (uint64_t) TABLE_AT * CLUSTER, &table, sizeof table, error)
      || !image_pwrite (img, (uint64_t) BLOCK_AT * CLUSTER, counts, (L1_AT + l1_clusters) * 2, error)
      || !image_file_truncate (img->file, (L1_AT + l1_clusters) * CLUSTER, error))
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
  .write = qcow2_write,
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
