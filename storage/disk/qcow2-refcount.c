/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qcow2's reference counts: who uses which cluster of the file.
 *
 * A cluster's count goes up in the file before anything points at the cluster, and
 * down after nothing does: what a power cut can leave is space that nothing uses.
 */

#include "storage/disk/qcow2.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  CHECK_WINDOW = 8 << 20 /* clusters counted at a time */,
  CHECK_MARGIN = 1024,
  CHECK_WINDOWS = 64,
  SNAPSHOT_HEADER = 40
};

static uint64_t
block_entries (const Qcow2 *q)
{
  return (uint64_t) q->cluster_size * 8 >> q->refcount_order;
}

static uint64_t
load_count (const Qcow2 *q, const uint8_t *block, uint64_t index)
{
  switch (q->refcount_order)
    {
    case 3:
      return block[index];
    case 4:
      return GUINT16_FROM_BE (((const uint16_t *) block)[index]);
    case 5:
      return GUINT32_FROM_BE (((const uint32_t *) block)[index]);
    case 6:
      return GUINT64_FROM_BE (((const uint64_t *) block)[index]);
    default:
      {
        unsigned bits = 1u << q->refcount_order, shift = (unsigned) (index * bits % 8);

        return block[index * bits / 8] >> shift & ((1u << bits) - 1);
      }
    }
}

static void
store_count (const Qcow2 *q, uint8_t *block, uint64_t index, uint64_t count)
{
  switch (q->refcount_order)
    {
    case 3:
      block[index] = (uint8_t) count;
      break;
    case 4:
      ((uint16_t *) block)[index] = GUINT16_TO_BE ((uint16_t) count);
      break;
    case 5:
      ((uint32_t *) block)[index] = GUINT32_TO_BE ((uint32_t) count);
      break;
    case 6:
      ((uint64_t *) block)[index] = GUINT64_TO_BE (count);
      break;
    default:
      {
        unsigned bits = 1u << q->refcount_order, shift = (unsigned) (index * bits % 8), mask = (1u << bits) - 1;
        uint8_t *byte = block + index * bits / 8;

        *byte = (uint8_t) ((*byte & ~(mask << shift)) | (count & mask) << shift);
      }
    }
}

gboolean
qcow2_refcount_get (Image *img, uint64_t cluster, uint64_t *count, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t block = cluster / block_entries (q);
  const uint8_t *data;

  *count = 0;
  if (block >= q->refcount_entries || q->refcount_table[block] == 0)
    return TRUE;
  data = table_cache_read (q->refcount_blocks, img->file, q->refcount_table[block], error);
  if (data == NULL)
    return FALSE;
  *count = load_count (q, data, cluster % block_entries (q));
  return TRUE;
}

static void
note_use (Qcow2 *q, uint64_t first, uint64_t count)
{
  q->used_end = MAX (q->used_end, first + count);
}

static gboolean ensure_block (Image *img, uint64_t block, GError **error);

static gboolean
refcount_set (Image *img, uint64_t cluster, uint64_t count, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t block = cluster / block_entries (q);
  uint8_t *data;

  if (!ensure_block (img, block, error))
    return FALSE;
  data = table_cache_change (q->refcount_blocks, img->file, q->refcount_table[block], 0, error);
  if (data == NULL)
    return FALSE;
  store_count (q, data, cluster % block_entries (q), count);
  return TRUE;
}

/* Writes @blocks new blocks from number @first on, and the table, and has the header say so. */
static gboolean
write_grown (Image *img, uint64_t first, uint64_t blocks, uint64_t at, uint64_t clusters, GError **error)
{
  Qcow2 *q = img->state;
  Qcow2Header header = q->header;

  header.refcount_table_offset = GUINT64_TO_BE (at);
  header.refcount_table_clusters = GUINT32_TO_BE ((uint32_t) clusters);
  for (uint64_t i = first; i < first + blocks; i++)
    {
      const void *data = table_cache_read (q->refcount_blocks, img->file, q->refcount_table[i], error);

      if (data == NULL || !image_pwrite (img, q->refcount_table[i], data, q->cluster_size, error))
        return FALSE;
    }
  if (!qcow2_write_table (img, at, q->refcount_table, q->refcount_entries, error) || !image_sync (img, error)
      || !image_pwrite (img, 0, &header, QCOW2_HEADER_V2, error) || !image_sync (img, error))
    return FALSE;
  q->header = header;
  return TRUE;
}

/* The table of blocks moves to a larger place behind everything; the old one is free then. Rare enough to wait for the
 * disk with the lock held. */
static gboolean
grow_table (Image *img, uint64_t block, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t old_offset = GUINT64_FROM_BE (q->header.refcount_table_offset), per_block = block_entries (q);
  uint32_t old_clusters = GUINT32_FROM_BE (q->header.refcount_table_clusters), old_entries = q->refcount_entries;
  uint64_t clusters = old_clusters, end = MAX (q->used_end, q->append);
  uint64_t first = MAX (old_entries, (end + per_block - 1) / per_block), blocks, entries, at;
  uint64_t *old = q->refcount_table;
  gboolean ok = TRUE;

  /* In the part that no block counts yet: its blocks first, then the table. */
  do
    {
      clusters *= 2;
      entries = clusters * q->cluster_size / 8;
      blocks = clusters / (per_block - 1) + 2;
    }
  while ((entries < first + blocks || entries <= block) && entries * 8 <= QCOW2_REFCOUNT_TABLE_MAX);
  if (entries * 8 > QCOW2_REFCOUNT_TABLE_MAX)
    return image_damaged (error, img, _("it has become too large"));
  at = (first * per_block + blocks) * q->cluster_size;
  q->refcount_table = g_new0 (uint64_t, entries);
  memcpy (q->refcount_table, old, (size_t) old_entries * 8);
  q->refcount_entries = (uint32_t) entries;
  for (uint64_t i = 0; i < blocks; i++)
    {
      q->refcount_table[first + i] = (first * per_block + i) * q->cluster_size;
      table_cache_add (q->refcount_blocks, img->file, q->refcount_table[first + i]);
    }
  for (uint64_t i = 0; ok && i < blocks + clusters; i++)
    ok = refcount_set (img, first * per_block + i, 1, error);
  if (ok && write_grown (img, first, blocks, at, clusters, error))
    {
      g_free (old);
      q->refcount_table_dirty = FALSE;
      note_use (q, first * per_block, blocks + clusters);
      qcow2_free_later (img, old_offset / q->cluster_size, old_clusters);
      return TRUE;
    }
  for (uint64_t i = 0; i < blocks; i++)
    table_cache_drop (q->refcount_blocks, img->file, q->refcount_table[first + i]);
  g_free (q->refcount_table);
  q->refcount_table = old;
  q->refcount_entries = old_entries;
  return FALSE;
}

/* A block that counts clusters of which none was ever used lies in the first of them; while counts are being repaired,
 * that is not known, and it goes behind everything. */
static gboolean
ensure_block (Image *img, uint64_t block, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t place = q->append > 0 ? q->append : block * block_entries (q);

  if (block >= q->refcount_entries && !grow_table (img, block, error))
    return FALSE;
  if (q->refcount_table[block] != 0)
    return TRUE;
  q->refcount_table[block] = place * q->cluster_size;
  q->refcount_table_dirty = TRUE;
  table_cache_add (q->refcount_blocks, img->file, place * q->cluster_size);
  note_use (q, place, 1);
  q->append += q->append > 0;
  return refcount_set (img, place, 1, error);
}

/* Whether the counts call a cluster free that the image's own tables lie in. */
static gboolean
is_metadata (const Qcow2 *q, uint64_t first, uint64_t count)
{
  uint64_t from = first * q->cluster_size, to = (first + count) * q->cluster_size;
  uint64_t l1 = GUINT64_FROM_BE (q->header.l1_offset), table = GUINT64_FROM_BE (q->header.refcount_table_offset);

  if (from < q->cluster_size || (from < l1 + (uint64_t) q->l1_entries * 8 && l1 < to)
      || (from < table + (uint64_t) q->refcount_entries * 8 && table < to))
    return TRUE;
  for (uint32_t i = 0; i < q->refcount_entries; i++)
    if (q->refcount_table[i] >= from && q->refcount_table[i] < to)
      return TRUE;
  for (uint32_t i = 0; i < q->l1_entries; i++)
    if ((q->l1[i] & QCOW2_OFFSET) >= from && (q->l1[i] & QCOW2_OFFSET) < to)
      return TRUE;
  return FALSE;
}

gboolean
qcow2_allocate (Image *img, uint64_t *count, uint64_t *first, gboolean *fresh, GError **error)
{
  Qcow2 *q = img->state;
  uint64_t cluster = q->next, run = 0, end = (uint64_t) G_MAXINT64 / q->cluster_size;

  for (;; cluster++)
    {
      uint64_t uses;

      if (cluster >= end)
        return image_damaged (error, img, _("no cluster is left"));
      /* Also makes room for the count, which may take this very cluster. */
      if (!ensure_block (img, cluster / block_entries (q), error) || !qcow2_refcount_get (img, cluster, &uses, error))
        return FALSE;
      if (uses == 0 && run == 0)
        *first = cluster;
      if (uses == 0)
        run++;
      else if (run > 0)
        break;
      if (run == *count)
        break;
    }
  /* Growing the table may have moved things. */
  if (is_metadata (q, *first, run))
    return image_damaged (error, img, _("cluster %llu is in use and counted as free: check it"),
                          (unsigned long long) *first);
  for (uint64_t i = 0; i < run; i++)
    if (!refcount_set (img, *first + i, 1, error))
      return FALSE;
  *fresh = *first >= q->used_end;
  q->next = *first + run;
  note_use (q, *first, run);
  *count = run;
  return TRUE;
}

gboolean
qcow2_give_back (Image *img, uint64_t first, uint64_t count, GError **error)
{
  Qcow2 *q = img->state;

  for (uint64_t i = 0; i < count; i++)
    if (!refcount_set (img, first + i, 0, error))
      return FALSE;
  q->next = MIN (q->next, first);
  return TRUE;
}

void
qcow2_free_later (Image *img, uint64_t first, uint64_t count)
{
  Qcow2 *q = img->state;
  Qcow2Run run = { first, count };

  if (q->freed->len > 0)
    {
      Qcow2Run *last = &g_array_index (q->freed, Qcow2Run, q->freed->len - 1);

      if (last->first + last->count == first)
        {
          last->count += count;
          return;
        }
    }
  g_array_append_val (q->freed, run);
  if (q->freed->len > QCOW2_FREED_MAX)
    g_atomic_int_set (&img->crowded, TRUE);
}

gboolean
qcow2_free_now (Image *img, GArray *runs, GError **error)
{
  Qcow2 *q = img->state;

  for (unsigned i = 0; i < runs->len; i++)
    {
      const Qcow2Run *run = &g_array_index (runs, Qcow2Run, i);

      for (uint64_t cluster = run->first; cluster < run->first + run->count; cluster++)
        {
          uint64_t uses;

          if (!qcow2_refcount_get (img, cluster, &uses, error))
            return FALSE;
          /* Another fault of the image: nothing is lost by leaving it. */
          if (uses == 0)
            continue;
          if (uses == 1)
            {
              image_file_punch (img->file, cluster * q->cluster_size, q->cluster_size);
              q->next = MIN (q->next, cluster);
            }
          if (!refcount_set (img, cluster, uses - 1, error))
            return FALSE;
        }
    }
  return TRUE;
}

/* Counting everything, a part of the file at a time. */
typedef struct
{
  Image *img;
  Qcow2 *q;
  ImageReport *report;
  gboolean repair;
  uint64_t first; /* cluster at which the part begins */
  uint64_t window; /* how many clusters that is */
  uint16_t *uses; /* as many */
  uint64_t end;   /* behind all that is used */
  uint64_t file_clusters;
  uint64_t tables;     /* visited */
  gboolean first_pass; /* in which the faults that are not of counts are told */
} Count;

static void
use (Count *c, uint64_t at, uint64_t length)
{
  uint64_t first = at >> c->q->cluster_bits, last = (at + length - 1) >> c->q->cluster_bits;

  if (length == 0)
    return;
  c->end = MAX (c->end, last + 1);
  for (uint64_t i = MAX (first, c->first); i <= last && i < c->first + c->window; i++)
    if (c->uses[i - c->first] < G_MAXUINT16)
      c->uses[i - c->first]++;
}

static gboolean
is_outside (Count *c, uint64_t at, uint64_t length)
{
  uint64_t size = c->file_clusters << c->q->cluster_bits;

  return at > size || length > size - at;
}

static gboolean
count_l2 (Count *c, uint64_t at, gboolean active, GError **error)
{
  Qcow2 *q = c->q;
  uint32_t entries = q->cluster_size / 8;
  const uint64_t *table = table_cache_read (q->l2_tables, c->img->file, at, error);

  if (table == NULL)
    return FALSE;
  for (uint32_t i = 0; i < entries; i++)
    {
      uint64_t entry = GUINT64_FROM_BE (table[i]), place = entry & QCOW2_OFFSET, length = q->cluster_size;

      if (entry & QCOW2_PACKED)
        qcow2_packed_place (q, entry, &place, &length);
      else if (place == 0)
        continue;
      else if (entry & QCOW2_RESERVED || place & (q->cluster_size - 1))
        place = G_MAXUINT64 - q->cluster_size;
      if (is_outside (c, place, entry & QCOW2_PACKED ? 1 : length))
        {
          if (c->first_pass)
            image_report (c->report, &c->report->errors, _("entry %u of the table at %llu leads out of the file"), i,
                          (unsigned long long) at);
          if (c->repair)
            {
              uint64_t *own = table_cache_change (q->l2_tables, c->img->file, at, 0, error);

              if (own == NULL)
                return FALSE;
              own[i] = 0;
              c->report->repaired++;
            }
          continue;
        }
      if (active && c->first_pass)
        c->report->allocated += q->cluster_size;
      use (c, place, length);
    }
  return TRUE;
}

static gboolean
count_l1 (Count *c, uint64_t *l1, uint32_t entries, gboolean active, GError **error)
{
  for (uint32_t i = 0; i < entries; i++)
    {
      uint64_t at = l1[i] & QCOW2_OFFSET;

      if (at == 0)
        continue;
      if (at & (c->q->cluster_size - 1) || is_outside (c, at, c->q->cluster_size))
        {
          if (c->first_pass)
            image_report (c->report, &c->report->errors, _("the table for part %u lies outside the file"), i);
          if (c->repair && active)
            {
              l1[i] = 0;
              c->q->l1_dirty = TRUE;
              c->report->repaired++;
            }
          continue;
        }
      /* Snapshots share tables; a loop of them would have no end. */
      if (++c->tables > 16 * c->file_clusters + 1024)
        return image_damaged (error, c->img, _("its tables are used too often"));
      use (c, at, c->q->cluster_size);
      if (!count_l2 (c, at, active, error))
        return FALSE;
    }
  return TRUE;
}

/* The tables of the image's own snapshots, which only others make. */
static gboolean
count_snapshots (Count *c, GError **error)
{
  Qcow2 *q = c->q;
  uint64_t start = GUINT64_FROM_BE (q->header.snapshots_offset), at = start;
  uint32_t count = GUINT32_FROM_BE (q->header.snapshot_count);

  for (uint32_t i = 0; i < count; i++)
    {
      uint8_t header[SNAPSHOT_HEADER];
      uint64_t l1_offset;
      uint32_t l1_entries, extra;
      uint16_t id, name;
      g_autofree uint64_t *l1 = NULL;

      if (is_outside (c, at, sizeof header))
        return image_damaged (error, c->img, _("its list of snapshots lies outside the file"));
      if (!image_pread (c->img, at, header, sizeof header, error))
        return FALSE;
      memcpy (&l1_offset, header, 8);
      memcpy (&l1_entries, header + 8, 4);
      memcpy (&id, header + 12, 2);
      memcpy (&name, header + 14, 2);
      memcpy (&extra, header + 36, 4);
      l1_offset = GUINT64_FROM_BE (l1_offset);
      l1_entries = GUINT32_FROM_BE (l1_entries);
      at += SNAPSHOT_HEADER + (uint64_t) GUINT32_FROM_BE (extra) + GUINT16_FROM_BE (id) + GUINT16_FROM_BE (name);
      at = (at + 7) & ~7ull;
      if (l1_entries > QCOW2_L1_MAX / 8 || is_outside (c, l1_offset, (uint64_t) l1_entries * 8))
        return image_damaged (error, c->img, _("the tables of a snapshot lie outside the file"));
      l1 = g_new (uint64_t, l1_entries + 1);
      if (!image_pread (c->img, l1_offset, l1, (size_t) l1_entries * 8, error))
        return FALSE;
      for (uint32_t j = 0; j < l1_entries; j++)
        l1[j] = GUINT64_FROM_BE (l1[j]);
      use (c, l1_offset, (uint64_t) l1_entries * 8);
      if (!count_l1 (c, l1, l1_entries, FALSE, error))
        return FALSE;
    }
  use (c, start, at - start);
  return TRUE;
}

static gboolean
count_all (Count *c, GError **error)
{
  Qcow2 *q = c->q;

  use (c, 0, q->cluster_size);
  use (c, GUINT64_FROM_BE (q->header.l1_offset), (uint64_t) q->l1_entries * 8);
  use (c, GUINT64_FROM_BE (q->header.refcount_table_offset), (uint64_t) q->refcount_entries * 8);
  for (uint32_t i = 0; i < q->refcount_entries; i++)
    {
      uint64_t at = q->refcount_table[i];

      if (at == 0)
        continue;
      if (!(at & (q->cluster_size - 1)) && !is_outside (c, at, q->cluster_size))
        use (c, at, q->cluster_size);
      else if (c->first_pass)
        {
          image_report (c->report, &c->report->errors, _("block %u of its reference counts lies outside the file"), i);
          q->refcount_table[i] = 0;
          q->refcount_table_dirty |= c->repair;
          c->report->repaired += c->repair;
        }
    }
  return count_l1 (c, q->l1, q->l1_entries, TRUE, error) && count_snapshots (c, error);
}

static gboolean
compare (Count *c, GError **error)
{
  uint64_t end = MIN (c->first + c->window, MAX (c->end, c->file_clusters));

  for (uint64_t i = c->first; i < end; i++)
    {
      uint64_t counted = c->uses[i - c->first], said;

      if (!qcow2_refcount_get (c->img, i, &said, error))
        return FALSE;
      if (said == counted)
        continue;
      if (said < counted)
        image_report (c->report, &c->report->errors, _("cluster %llu is used %llu times and counted as %llu"),
                      (unsigned long long) i, (unsigned long long) counted, (unsigned long long) said);
      else
        image_report (c->report, &c->report->leaks, _("cluster %llu is used %llu times and counted as %llu"),
                      (unsigned long long) i, (unsigned long long) counted, (unsigned long long) said);
      if (!c->repair)
        continue;
      if (!refcount_set (c->img, i, counted, error))
        return FALSE;
      c->report->repaired++;
    }
  return TRUE;
}

/* A table's entry may be marked as used nowhere else though its cluster is, or the other way. */
static gboolean
check_marks (Count *c, GError **error)
{
  Qcow2 *q = c->q;

  for (uint32_t i = 0; i < q->l1_entries; i++)
    {
      uint64_t at = q->l1[i] & QCOW2_OFFSET, uses;

      if (at == 0 || at & (q->cluster_size - 1) || is_outside (c, at, q->cluster_size))
        continue;
      if (!qcow2_refcount_get (c->img, at >> q->cluster_bits, &uses, error))
        return FALSE;
      if ((uses == 1) != ((q->l1[i] & QCOW2_COPIED) != 0))
        {
          image_report (c->report, &c->report->errors, _("part %u is marked wrongly as shared or not"), i);
          if (c->repair)
            {
              q->l1[i] ^= QCOW2_COPIED;
              q->l1_dirty = TRUE;
              c->report->repaired++;
            }
        }
      for (uint32_t j = 0; j < q->cluster_size / 8; j++)
        {
          const uint64_t *table = table_cache_read (q->l2_tables, c->img->file, at, error);
          uint64_t entry, place, *own;

          if (table == NULL)
            return FALSE;
          entry = GUINT64_FROM_BE (table[j]);
          place = entry & QCOW2_OFFSET;
          if (entry & QCOW2_PACKED || place == 0)
            continue;
          if (!qcow2_refcount_get (c->img, place >> q->cluster_bits, &uses, error))
            return FALSE;
          if ((uses == 1) == ((entry & QCOW2_COPIED) != 0))
            continue;
          image_report (c->report, &c->report->errors,
                        _("entry %u of the table at %llu is marked wrongly as shared or not"), j,
                        (unsigned long long) at);
          if (c->repair)
            {
              own = table_cache_change (q->l2_tables, c->img->file, at, 0, error);
              if (own == NULL)
                return FALSE;
              own[j] = GUINT64_TO_BE (entry ^ QCOW2_COPIED);
              c->report->repaired++;
            }
        }
    }
  return TRUE;
}

gboolean
qcow2_check_refcounts (Image *img, gboolean rebuild, ImageReport *report, GError **error)
{
  Qcow2 *q = img->state;
  g_autofree uint16_t *uses = NULL;
  Count c = { .img = img, .q = q, .report = report, .repair = rebuild, .first_pass = TRUE };
  uint64_t length;

  if (!image_file_length (img->file, &length, error))
    return FALSE;
  c.file_clusters = (length + q->cluster_size - 1) >> q->cluster_bits;
  if (c.file_clusters > (uint64_t) CHECK_WINDOW * CHECK_WINDOWS)
    return image_damaged (error, img, _("its file is too large to be checked"));
  c.window = MIN (CHECK_WINDOW, c.file_clusters + CHECK_MARGIN);
  c.uses = uses = g_new (uint16_t, c.window);
  do
    {
      memset (uses, 0, c.window * sizeof *uses);
      c.tables = 0;
      if (!count_all (&c, error))
        return FALSE;
      q->append = rebuild ? MAX (q->append, MAX (c.end, c.file_clusters)) : 0;
      if (!compare (&c, error))
        {
          q->append = 0;
          return FALSE;
        }
      c.first_pass = FALSE;
      c.first += c.window;
    }
  while (c.first < MAX (c.end, c.file_clusters));
  q->append = 0;
  return check_marks (&c, error);
}
