/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parallels' HDD: new images, changing the size, checking. */

#include "storage/disk/claims.h"
#include "storage/disk/hdd-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  HEADS = 16,
  TRACK = 32,
  TABLE_CHUNK = 65536 /* entries */
};

static uint64_t
round_up (uint64_t value, uint64_t unit)
{
  return (value + unit - 1) / unit * unit;
}

/* Creating */

static void
set_size (HddHeader *header, uint64_t size)
{
  header->sectors = size / SECTOR_SIZE;
  header->heads = HEADS;
  header->cylinders = (uint32_t) MIN (header->sectors / (HEADS * TRACK), G_MAXUINT32);
  header->entries = (uint32_t) ((header->sectors + header->tracks - 1) / header->tracks);
}

/* All clusters of a fixed image have their places, in order. */
static gboolean
place_all (ImageFile *file, const HddHeader *header, uint32_t step, GError **error)
{
  g_autofree uint32_t *entries = g_new (uint32_t, TABLE_CHUNK);
  uint64_t data = (uint64_t) header->data_offset * SECTOR_SIZE, cluster = (uint64_t) header->tracks * SECTOR_SIZE;

  for (uint32_t first = 0; first < header->entries; first += TABLE_CHUNK)
    {
      uint32_t count = MIN (TABLE_CHUNK, header->entries - first);

      for (uint32_t i = 0; i < count; i++)
        entries[i] = (uint32_t) ((data + (first + i) * cluster) / step);
      if (!image_file_write (file, HDD_HEADER + (uint64_t) first * 4, entries, (size_t) count * 4, error))
        return FALSE;
    }
  return image_file_allocate (file, data, header->entries * cluster, error);
}

gboolean
hdd_create (Image *img, const ImageCreate *options, GError **error)
{
  HddHeader h
      = { .magic = HDD_MAGIC, .version = HDD_VERSION, .tracks = HDD_CLUSTER / SECTOR_SIZE, .in_use = HDD_CLOSED };
  uint64_t data;
  gboolean extended;

  set_size (&h, options->size);
  data = round_up (hdd_table_end (&h), HDD_CLUSTER);
  /* The older kind, which more programs read, can count to 2 TiB. */
  extended = data + (uint64_t) h.entries * HDD_CLUSTER > (uint64_t) G_MAXUINT32 * SECTOR_SIZE;
  if (extended)
    memcpy (h.magic, HDD_MAGIC_EXTENDED, 16);
  h.data_offset = (uint32_t) (data / SECTOR_SIZE);
  return image_pwrite (img, 0, &h, sizeof h, error) && image_file_truncate (img->file, data, error)
         && (!g_str_equal (options->variant, "fixed")
             || place_all (img->file, &h, extended ? HDD_CLUSTER : SECTOR_SIZE, error));
}

/* Resizing */

static gboolean
flush (Image *img, GError **error)
{
  return table_cache_flush (((Hdd *) img->state)->tables, error);
}

/* Copies what is in the way of a longer table to the end of the file. */
static gboolean
clear_way (Image *img, HddPart *part, uint64_t data_start, GError **error)
{
  g_autofree uint8_t *data = g_malloc (part->cluster);

  part->next = MAX (part->next, data_start);
  for (uint32_t i = 0; i < part->header.entries; i++)
    {
      uint64_t at, to = 0;

      if (!hdd_find (img, part, i, &at, error))
        return FALSE;
      if (at == 0 || at >= data_start)
        continue;
      if (!hdd_extend (img, part, 1, &to, error) || !image_file_read (part->file, at, data, part->cluster, error)
          || !image_file_write (part->file, to, data, part->cluster, error) || !hdd_set (img, part, i, to, error))
        return FALSE;
    }
  return flush (img, error);
}

/* Entries from @first on lose their places, and the space goes back. */
static gboolean
drop_clusters (Image *img, HddPart *part, uint64_t first, GError **error)
{
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (uint64_t));

  for (uint64_t i = first; i < part->header.entries; i++)
    {
      uint64_t at;

      if (!hdd_find (img, part, i, &at, error) || (at != 0 && !hdd_set (img, part, i, 0, error)))
        return FALSE;
      if (at != 0)
        g_array_append_val (places, at);
    }
  if (!flush (img, error))
    return FALSE;
  for (unsigned i = 0; i < places->len; i++)
    image_file_punch (part->file, g_array_index (places, uint64_t, i), part->cluster);
  return TRUE;
}

static gboolean
write_size (Image *img, HddPart *part, const HddHeader *header, GError **error)
{
  HddHeader before = part->header;

  part->header = *header;
  if (hdd_write_header (img, part, error) && image_file_sync (part->file, error))
    return TRUE;
  part->header = before;
  return FALSE;
}

static gboolean
grow (Image *img, HddPart *part, uint64_t size, GError **error)
{
  HddHeader header = part->header;
  uint64_t old_end = hdd_table_end (&part->header), last = part->length / part->cluster, data_start, at;

  set_size (&header, size);
  header.entries = MAX (header.entries, part->header.entries);
  if (part->step == SECTOR_SIZE && header.sectors > G_MAXUINT32)
    return image_unsupported (error, img, _ ("its kind of file ends at 2 TiB"));
  data_start = part->data_start;
  if (hdd_table_end (&header) > data_start)
    data_start = round_up (hdd_table_end (&header), part->cluster);
  if (data_start / SECTOR_SIZE > G_MAXUINT32)
    return image_unsupported (error, img, _ ("its block map would be too large"));
  /* What the last cluster holds beyond the old end must not appear. */
  if (part->length % part->cluster != 0)
    {
      if (!hdd_find (img, part, last, &at, error)
          || (at != 0
              && !image_file_zero (part->file, at + part->length % part->cluster,
                                   part->cluster - part->length % part->cluster, error)))
        return FALSE;
      last++;
    }
  if (!drop_clusters (img, part, last, error)
      || (data_start > part->data_start && !clear_way (img, part, data_start, error)))
    return FALSE;
  header.data_offset = (uint32_t) (data_start / SECTOR_SIZE);
  if (!image_file_zero (part->file, old_end, data_start - old_end, error) || !image_file_sync (part->file, error)
      || !write_size (img, part, &header, error))
    return FALSE;
  part->data_start = data_start;
  part->next = MAX (part->next, data_start);
  return TRUE;
}

static gboolean
shrink (Image *img, HddPart *part, uint64_t size, GError **error)
{
  HddHeader header = part->header;

  /* The table keeps its length; an entry beyond the disk is none. */
  set_size (&header, size);
  header.entries = part->header.entries;
  return write_size (img, part, &header, error)
         && drop_clusters (img, part, (size + part->cluster - 1) / part->cluster, error);
}

gboolean
hdd_resize (Image *img, uint64_t size, GError **error)
{
  Hdd *hdd = img->state;
  HddPart *part = &g_array_index (hdd->parts, HddPart, 0);

  if (part->file != img->file)
    return image_unsupported (error, img, _ ("disks of several parts keep their size"));
  if (!hdd_note_change (img, error)
      || !(size < part->length ? shrink (img, part, size, error) : grow (img, part, size, error)))
    return FALSE;
  part->length = img->size = size;
  return TRUE;
}

/* Checking */

static gboolean
check_cluster (Image *img, HddPart *part, Claims *claims, gboolean first_pass, uint64_t cluster, gboolean repair,
               ImageReport *report, GError **error)
{
  uint64_t at, to = 0, length = MIN (part->cluster, part->length - MIN (part->length, cluster * part->cluster));

  if (!hdd_find (img, part, cluster, &at, error))
    return FALSE;
  if (at == 0)
    return TRUE;
  if (at < part->data_start || at >= part->next || at + length > part->next)
    {
      if (!first_pass)
        return TRUE;
      image_report (report, &report->errors, _ ("cluster %llu lies outside the file"), (unsigned long long) cluster);
      report->repaired += repair;
      return !repair || hdd_set (img, part, cluster, 0, error);
    }
  if (first_pass)
    report->allocated += length;
  if (claims_take (claims, at, part->cluster))
    return TRUE;
  image_report (report, &report->errors, _ ("cluster %llu overlaps something else"), (unsigned long long) cluster);
  if (!repair)
    return TRUE;
  report->repaired++;
  return hdd_extend (img, part, 1, &to, error) && image_file_copy (part->file, at, to, length, error)
         && hdd_set (img, part, cluster, to, error);
}

/* Space behind the last cluster in use, as a power cut leaves it. */
static gboolean
check_end (Image *img, HddPart *part, gboolean repair, ImageReport *report, GError **error)
{
  uint64_t end = part->data_start, length;

  for (uint32_t i = 0; i < part->header.entries; i++)
    {
      uint64_t at;

      if (!hdd_find (img, part, i, &at, error))
        return FALSE;
      if (at != 0 && at < part->next)
        end = MAX (end, at + part->cluster);
    }
  if (!image_file_length (part->file, &length, error))
    return FALSE;
  if (length <= end || part->header.extension_offset != 0)
    return TRUE;
  image_report (report, &report->leaks, _ ("%llu bytes at the end are not in use"),
                (unsigned long long) (length - end));
  if (!repair)
    return TRUE;
  report->repaired++;
  part->next = end;
  return flush (img, error) && image_file_truncate (part->file, end, error);
}

static gboolean
check_part (Image *img, HddPart *part, gboolean repair, ImageReport *report, GError **error)
{
  uint64_t start = part->data_start, size = part->next;

  do
    {
      g_autoptr (Claims) claims = claims_new (start, part->step);

      for (uint64_t i = 0; i < part->header.entries; i++)
        if (!check_cluster (img, part, claims, start == part->data_start, i, repair, report, error))
          return FALSE;
      start = claims_end (claims);
    }
  while (start < size);
  return check_end (img, part, repair, report, error);
}

gboolean
hdd_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Hdd *hdd = img->state;

  if (repair && !hdd_note_change (img, error))
    return FALSE;
  for (unsigned i = 0; i < hdd->parts->len; i++)
    {
      HddPart *part = &g_array_index (hdd->parts, HddPart, i);

      if (part->plain)
        report->allocated += part->length;
      else if (!check_part (img, part, repair, report, error))
        return FALSE;
    }
  return !repair || flush (img, error);
}
