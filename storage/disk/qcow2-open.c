/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening qcow2 images: the header, its extensions, the tables that are kept whole; see qcow2.c. */

#include "storage/disk/qcow2.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define QCOW2_CACHE       (16u << 20) /* bytes of L2 tables that are kept */
#define QCOW2_COUNT_CACHE (4u << 20)

int
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
      q->refcount_order = QCOW2_REFCOUNT_ORDER;
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
  if (length > QCOW2_BACKING_NAME_MAX || offset > q->cluster_size || length > q->cluster_size - offset)
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
      if (extension[0] == QCOW2_EXTENSION_BACKING_FORMAT && extension[1] < 16)
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

gboolean
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
  q->l2_tables = table_cache_new (img, q->cluster_size, QCOW2_CACHE, NULL);
  q->refcount_blocks = table_cache_new (img, q->cluster_size, QCOW2_COUNT_CACHE, NULL);
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

void
qcow2_close (Image *img)
{
  qcow2_free (img->state);
}
