/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VHD, the disk image of Virtual PC and Hyper-V: fixed, dynamic, differencing.
 * Specification: Microsoft, "Virtual Hard Disk Image Format Specification",
 * version 1.0 (October 2006); who takes the disk's size from the geometry and
 * who from the current size: checked against qemu-img.
 *
 * A block's place begins with its sector bitmap, which is written before
 * anything points there. A flush makes data durable first, then bitmaps, table
 * and footer: after a power cut nothing points at data that is not there.
 */

#include "storage/disk/vhd-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum
{
  CACHE_SIZE = 8 << 20,
  TABLE_CHUNK = 16384
};

/* The ones' complement of the sum of the bytes; the field itself must be zero. */
static uint32_t
checksum (const void *data, size_t length)
{
  const uint8_t *bytes = data;
  uint32_t sum = 0;

  for (size_t i = 0; i < length; i++)
    sum += bytes[i];
  return ~sum;
}

void
vhd_seal_footer (VhdFooter *footer)
{
  footer->checksum = 0;
  footer->checksum = GUINT32_TO_BE (checksum (footer, sizeof *footer));
}

void
vhd_seal_header (VhdHeader *header)
{
  header->checksum = 0;
  header->checksum = GUINT32_TO_BE (checksum (header, sizeof *header));
}

gboolean
vhd_footer_is_valid (const VhdFooter *footer)
{
  VhdFooter copy = *footer;

  vhd_seal_footer (&copy);
  return memcmp (footer->cookie, "conectix", 8) == 0 && copy.checksum == footer->checksum;
}

uint64_t
vhd_stride (const Vhd *vhd)
{
  return (uint64_t)vhd->bitmap_size + vhd->block_size;
}

static uint64_t
round_up (uint64_t offset)
{
  return (offset + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
}

static gboolean
is_whole (const Vhd *vhd, uint32_t block)
{
  return vhd->whole[block / 8] >> (block % 8) & 1;
}

static void
set_whole (Vhd *vhd, uint32_t block)
{
  vhd->whole[block / 8] |= (uint8_t)(1u << (block % 8));
}

/* The geometry that the specification's appendix gives a disk of @sectors. */
static void
set_geometry (VhdFooter *footer, uint64_t sectors)
{
  uint32_t total = (uint32_t)MIN (sectors, 65535u * 16 * 255), per_track, heads, tracks;

  if (total >= 65535u * 16 * 63)
    {
      per_track = 255;
      heads = 16;
      tracks = total / per_track;
    }
  else
    {
      per_track = 17;
      tracks = total / per_track;
      heads = MAX ((tracks + 1023) / 1024, 4);
      if (tracks >= heads * 1024 || heads > 16)
        {
          per_track = 31;
          heads = 16;
          tracks = total / per_track;
        }
      if (tracks >= heads * 1024)
        {
          per_track = 63;
          heads = 16;
          tracks = total / per_track;
        }
    }
  footer->cylinders = GUINT16_TO_BE ((uint16_t)(tracks / heads));
  footer->heads = (uint8_t)heads;
  footer->sectors = (uint8_t)per_track;
}

void
vhd_set_size (VhdFooter *footer, uint64_t size)
{
  footer->current_size = GUINT64_TO_BE (size);
  set_geometry (footer, size / SECTOR_SIZE);
}

/* Virtual PC shows its guests what the geometry makes, which is less than the footer's size; those named here do as it
 * does. Hyper-V and all others use the size. A geometry that could not be larger says nothing. */
static uint64_t
disk_size_of (const VhdFooter *footer)
{
  static const char by_geometry[][4] = { "vpc ", "vs  ", "qemu" };
  uint64_t geometry = (uint64_t)GUINT16_FROM_BE (footer->cylinders) * footer->heads * footer->sectors,
           size = GUINT64_FROM_BE (footer->current_size);

  if (geometry == 0 || geometry == 65535u * 16 * 255)
    return size;
  for (size_t i = 0; i < G_N_ELEMENTS (by_geometry); i++)
    if (memcmp (footer->creator_application, by_geometry[i], 4) == 0)
      return geometry * SECTOR_SIZE;
  return size;
}

/* Opening */

static int
vhd_probe (const ImageSample *sample)
{
  VhdFooter footer;

  /* What a fixed image begins with was written by its guest, who may have written anything: this is asked before what
   * other formats begin with. */
  if (sample->tail_length >= VHD_FOOTER)
    {
      memcpy (&footer, sample->tail + sample->tail_length - VHD_FOOTER, sizeof footer);
      if (vhd_footer_is_valid (&footer))
        return 200;
    }
  return sample->head_length >= sizeof footer.cookie && memcmp (sample->head, "conectix", 8) == 0 ? 100 : 0;
}

/* The footer of 511 bytes that Virtual PC wrote before 2004 lacks the last byte, a zero. */
uint64_t
vhd_footer_offset (uint64_t file_size)
{
  return (file_size - 1) / SECTOR_SIZE * SECTOR_SIZE;
}

/* The footer, or its copy at the head of images that are not fixed: those lose the footer when a power cut comes while
 * they grow. */
static gboolean
read_footer (Image *img, VhdFooter *footer, GError **error)
{
  VhdFooter head;
  gboolean tail_is_valid = FALSE;

  if (img->file->size >= VHD_FOOTER)
    {
      if (!image_pread (img, vhd_footer_offset (img->file->size), footer, sizeof *footer, error))
        return FALSE;
      tail_is_valid = vhd_footer_is_valid (footer);
    }
  if (tail_is_valid && footer->disk_type == GUINT32_TO_BE (VHD_FIXED))
    return TRUE;
  if (!image_pread (img, 0, &head, sizeof head, error))
    return FALSE;
  if (vhd_footer_is_valid (&head) && head.disk_type != GUINT32_TO_BE (VHD_FIXED))
    *footer = head;
  else if (!tail_is_valid)
    return image_damaged (error, img, _ ("neither its footer nor the copy of it is whole"));
  return TRUE;
}

static gboolean
check_footer (Image *img, const VhdFooter *footer, GError **error)
{
  uint32_t type = GUINT32_FROM_BE (footer->disk_type), version = GUINT32_FROM_BE (footer->version);

  if (version >> 16 != 1)
    return image_damaged (error, img, _ ("version %u.%u is not known"), version >> 16, version & 0xffff);
  if (type != VHD_FIXED && type != VHD_DYNAMIC && type != VHD_DIFFERENCING)
    return image_damaged (error, img, _ ("images of type %u are not known"), type);
  img->size = disk_size_of (footer) & ~(uint64_t)(SECTOR_SIZE - 1);
  if (img->size == 0 || img->size > VHD_SIZE_MAX)
    return image_damaged (error, img, _ ("a disk of %llu bytes"), (unsigned long long)img->size);
  if (type == VHD_FIXED && img->size > vhd_footer_offset (img->file->size))
    return image_damaged (error, img, _ ("it ends before its disk of %llu bytes does"), (unsigned long long)img->size);
  return TRUE;
}

static gboolean
check_header (Image *img, Vhd *vhd, GError **error)
{
  VhdHeader sealed = vhd->header;
  uint32_t version = GUINT32_FROM_BE (vhd->header.header_version);

  vhd_seal_header (&sealed);
  if (memcmp (vhd->header.cookie, "cxsparse", 8) != 0 || sealed.checksum != vhd->header.checksum)
    return image_damaged (error, img, _ ("the header is not whole"));
  if (version >> 16 != 1)
    return image_damaged (error, img, _ ("version %u.%u is not known"), version >> 16, version & 0xffff);
  vhd->block_size = GUINT32_FROM_BE (vhd->header.block_size);
  if (vhd->block_size < SECTOR_SIZE || vhd->block_size > VHD_BLOCK_MAX
      || (vhd->block_size & (vhd->block_size - 1)) != 0)
    return image_damaged (error, img, _ ("blocks of %u bytes"), vhd->block_size);
  vhd->bitmap_size = (vhd->block_size / SECTOR_SIZE / 8 + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
  vhd->entries = GUINT32_FROM_BE (vhd->header.table_entries);
  if (vhd->entries < (img->size + vhd->block_size - 1) / vhd->block_size || (uint64_t)vhd->entries * 4 > VHD_TABLE_MAX)
    return image_damaged (error, img, _ ("%u blocks for a disk of %llu bytes"), vhd->entries,
                          (unsigned long long)img->size);
  vhd->table_offset = GUINT64_FROM_BE (vhd->header.table_offset);
  if (vhd->table_offset < SECTOR_SIZE || vhd->table_offset > img->file->size
      || (uint64_t)vhd->entries * 4 > img->file->size - vhd->table_offset)
    return image_damaged (error, img, _ ("the block map at %llu lies outside the file"),
                          (unsigned long long)vhd->table_offset);
  if (vhd->table_offset % 4 != 0)
    return image_damaged (error, img, _ ("the block map at %llu is not aligned"), (unsigned long long)vhd->table_offset);
  return TRUE;
}

static int
compare_sectors (const void *a, const void *b)
{
  uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

  return first < second ? -1 : first > second;
}

/* Blocks are as a rule multiples of @stride apart: then a bit for each multiple tells in one go whether two have the same
 * place. FALSE in @regular: it is no such image. */
static gboolean
are_apart_on_grid (const uint32_t *places, size_t count, uint64_t stride, gboolean *regular)
{
  g_autofree uint8_t *taken = g_malloc0 (G_MAXUINT32 / stride / 8 + 1);

  *regular = TRUE;
  for (size_t i = 0; i < count; i++)
    {
      uint64_t multiple = places[i] / stride;
      uint8_t bit = (uint8_t)(1u << (multiple % 8));

      if (places[i] % stride != places[0] % stride)
        {
          *regular = FALSE;
          return FALSE;
        }
      if (taken[multiple / 8] & bit)
        return FALSE;
      taken[multiple / 8] |= bit;
    }
  return TRUE;
}

/* No two of @places (sectors; may be sorted here) are nearer than @stride sectors. */
static gboolean
are_apart (uint32_t *places, size_t count, uint64_t stride)
{
  gboolean regular, apart;

  /* The bits of small blocks would take much memory. */
  if (stride >= 64)
    {
      apart = are_apart_on_grid (places, count, stride, &regular);
      if (regular)
        return apart;
    }
  qsort (places, count, sizeof *places, compare_sectors);
  for (size_t i = 1; i < count; i++)
    if (places[i] - places[i - 1] < stride)
      return FALSE;
  return TRUE;
}

/* Every block lies in the file, away from the header, the table and the other blocks. Finds the end. */
static gboolean
check_table (Image *img, Vhd *vhd, GError **error)
{
  g_autofree uint32_t *places = g_new (uint32_t, vhd->entries), *chunk = g_new (uint32_t, TABLE_CHUNK);
  uint64_t stride = vhd_stride (vhd), table_end = vhd->table_offset + (uint64_t)vhd->entries * 4,
           header = GUINT64_FROM_BE (vhd->footer.data_offset), header_end = header + sizeof vhd->header;
  size_t count = 0;

  if (header < table_end && vhd->table_offset < header_end)
    return image_damaged (error, img, _ ("the header overlaps the block map"));
  vhd->data_start = vhd->end = round_up (MAX (MAX (table_end, header_end), vhd->end));
  for (uint32_t i = 0; i < vhd->entries; i++)
    {
      uint32_t entry;
      uint64_t at;

      if (i % TABLE_CHUNK == 0
          && !image_pread (img, vhd->table_offset + (uint64_t)i * 4, chunk,
                           (size_t)MIN (TABLE_CHUNK, vhd->entries - i) * 4, error))
        return FALSE;
      entry = GUINT32_FROM_BE (chunk[i % TABLE_CHUNK]);
      if (entry == VHD_UNALLOCATED)
        continue;
      at = (uint64_t)entry * SECTOR_SIZE;
      /* A check tells of all faults, not of the first one. */
      if (img->checking)
        {
          if (at <= img->file->size && stride <= img->file->size - at)
            vhd->end = MAX (vhd->end, at + stride);
          continue;
        }
      if (at > img->file->size || stride > img->file->size - at)
        return image_damaged (error, img, _ ("block %u is said to be at %llu, which the file does not have"), i,
                              (unsigned long long)at);
      if (at < VHD_FOOTER || (at < header_end && header < at + stride)
          || (at < table_end && vhd->table_offset < at + stride))
        return image_damaged (error, img, _ ("block %u overlaps the header or the block map"), i);
      vhd->end = MAX (vhd->end, at + stride);
      places[count++] = entry;
    }
  if (!are_apart (places, count, stride / SECTOR_SIZE))
    return image_damaged (error, img, _ ("two blocks overlap"));
  return TRUE;
}

static void
vhd_free (Vhd *vhd)
{
  table_cache_free (vhd->tables);
  g_free (vhd->whole);
  g_free (vhd);
}

static gboolean
vhd_open (Image *img, GError **error)
{
  Vhd *vhd = g_new0 (Vhd, 1);
  uint32_t type;

  if (!read_footer (img, &vhd->footer, error) || !check_footer (img, &vhd->footer, error))
    goto fail;
  type = GUINT32_FROM_BE (vhd->footer.disk_type);
  memcpy (img->identity.uuid, vhd->footer.unique_id, 16);
  img->variant = type == VHD_FIXED ? "fixed" : type == VHD_DYNAMIC ? "dynamic" : "differencing";
  img->unit = SECTOR_SIZE;
  img->state = vhd;
  if (type == VHD_FIXED)
    {
      vhd->end = img->size;
      return TRUE;
    }
  vhd->end = GUINT64_FROM_BE (vhd->footer.data_offset);
  if (vhd->end < VHD_FOOTER || vhd->end > img->file->size || sizeof vhd->header > img->file->size - vhd->end)
    {
      image_damaged (error, img, _ ("the header at %llu lies outside the file"), (unsigned long long)vhd->end);
      goto fail;
    }
  if (!image_pread (img, vhd->end, &vhd->header, sizeof vhd->header, error) || !check_header (img, vhd, error)
      || (type == VHD_DIFFERENCING && !vhd_find_parent (img, vhd, error)) || !check_table (img, vhd, error))
    goto fail;
  vhd->whole = g_malloc0 (vhd->entries / 8 + 1);
  vhd->tables = table_cache_new (img, SECTOR_SIZE, CACHE_SIZE, NULL);
  /* A differencing image takes its parent's sectors one by one. */
  if (type == VHD_DYNAMIC)
    img->unit = vhd->block_size;
  return TRUE;

fail:
  vhd_free (vhd);
  img->state = NULL;
  return FALSE;
}

static void
vhd_close (Image *img)
{
  vhd_free (img->state);
}

static gboolean
is_fixed (const Vhd *vhd)
{
  return vhd->tables == NULL;
}

/* The map */

/* Where the table keeps @block: the sector of the file, and the entry in that. A table need not begin with a sector;
 * what is written for it is whole sectors all the same, and those never hold a part of a block. */
static uint64_t
entry_page (const Vhd *vhd, uint32_t block, unsigned *index)
{
  uint64_t at = vhd->table_offset + (uint64_t)block * 4;

  *index = (unsigned)(at % SECTOR_SIZE / 4);
  return at - at % SECTOR_SIZE;
}

gboolean
vhd_find_block (Image *img, uint32_t block, uint64_t *place, GError **error)
{
  Vhd *vhd = img->state;
  unsigned index;
  uint64_t at = entry_page (vhd, block, &index);
  const uint32_t *entries = table_cache_read (vhd->tables, img->file, at, error);
  uint32_t entry;

  if (entries == NULL)
    return FALSE;
  entry = GUINT32_FROM_BE (entries[index]);
  *place = entry == VHD_UNALLOCATED ? 0 : (uint64_t)entry * SECTOR_SIZE;
  return TRUE;
}

gboolean
vhd_set_block (Image *img, uint32_t block, uint64_t place, GError **error)
{
  Vhd *vhd = img->state;
  unsigned index;
  uint64_t at = entry_page (vhd, block, &index);
  uint32_t *entries = table_cache_change (vhd->tables, img->file, at, 0, error);

  if (entries == NULL)
    return FALSE;
  entries[index] = place == 0 ? VHD_UNALLOCATED : GUINT32_TO_BE ((uint32_t)(place / SECTOR_SIZE));
  return TRUE;
}

/* Sectors in a page of a bitmap. */
enum
{
  PAGE_SECTORS = SECTOR_SIZE * 8
};

static gboolean
has_sector (const uint8_t *bits, uint32_t sector)
{
  return bits[sector % PAGE_SECTORS / 8] >> (7 - sector % 8) & 1;
}

/* How many sectors of the block at @place, from @sector on, are alike: @present in this file or not. All of them within
 * a page of the bitmap; a large block is looked at page by page. */
static gboolean
find_run (Image *img, uint32_t block, uint64_t place, uint32_t sector, uint32_t *count, gboolean *present,
          GError **error)
{
  Vhd *vhd = img->state;
  uint32_t sectors = vhd->block_size / SECTOR_SIZE, first = sector / PAGE_SECTORS * PAGE_SECTORS,
           end = MIN (sectors, first + PAGE_SECTORS), next = sector + 1;
  const uint8_t *bits;

  *present = TRUE;
  *count = sectors - sector;
  if (is_whole (vhd, block))
    return TRUE;
  bits = table_cache_read (vhd->tables, img->file, place + first / 8, error);
  if (bits == NULL)
    return FALSE;
  *present = has_sector (bits, sector);
  while (next < end && has_sector (bits, next) == *present)
    next++;
  *count = next - sector;
  if (*present && *count == sectors)
    set_whole (vhd, block);
  return TRUE;
}

static gboolean
vhd_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Vhd *vhd = img->state;
  uint32_t block, within, sector, count;
  uint64_t place;
  gboolean present;

  if (is_fixed (vhd))
    {
      image_file_extent (img->file, offset, length, out);
      return TRUE;
    }
  block = (uint32_t)(offset / vhd->block_size);
  within = (uint32_t)(offset % vhd->block_size);
  sector = within / SECTOR_SIZE;
  out->kind = IMAGE_UNALLOCATED;
  out->length = vhd->block_size - within;
  if (!vhd_find_block (img, block, &place, error))
    return FALSE;
  if (place == 0)
    return TRUE;
  if (!find_run (img, block, place, sector, &count, &present, error))
    return FALSE;
  out->length = (uint64_t)(sector + count) * SECTOR_SIZE - within;
  if (present)
    {
      out->kind = IMAGE_DATA;
      out->file = img->file;
      out->at = place + vhd->bitmap_size + within;
    }
  return TRUE;
}

/* After a failure: the file ends at @at again, as the format wants it to. */
static void
end_file (Image *img, uint64_t at)
{
  const Vhd *vhd = img->state;
  g_autoptr (GError) error = NULL;

  if (!image_pwrite (img, at, &vhd->footer, sizeof vhd->footer, &error)
      || !image_file_truncate (img->file, at + VHD_FOOTER, &error))
    g_debug ("%s", error->message);
}

gboolean
vhd_begin_block (Image *img, uint64_t place, uint8_t bits, GError **error)
{
  Vhd *vhd = img->state;
  uint64_t end = place + vhd_stride (vhd);
  g_autofree uint8_t *bitmap = g_malloc (vhd->bitmap_size);

  if (place / SECTOR_SIZE >= VHD_UNALLOCATED || end > G_MAXINT64)
    return image_damaged (error, img, _ ("no block is left"));
  memset (bitmap, bits, vhd->bitmap_size);
  /* What an earlier failure left there goes. */
  if (image_file_truncate (img->file, place, error) && image_file_truncate (img->file, end + VHD_FOOTER, error)
      && image_pwrite (img, end, &vhd->footer, sizeof vhd->footer, error)
      && image_pwrite (img, place, bitmap, vhd->bitmap_size, error))
    return TRUE;
  end_file (img, place);
  return FALSE;
}

static gboolean
vhd_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  Vhd *vhd = img->state;
  uint32_t block = (uint32_t)(offset / vhd->block_size), within = (uint32_t)(offset % vhd->block_size),
           first = within / SECTOR_SIZE * SECTOR_SIZE, last;
  uint64_t place;

  if (!vhd_find_block (img, block, &place, error))
    return FALSE;
  out->fresh = place == 0;
  out->detail = place;
  if (place == 0)
    {
      gboolean differs = vhd->footer.disk_type == GUINT32_TO_BE (VHD_DIFFERENCING);

      place = vhd->end;
      /* A dynamic image has all sectors of a block, zeros first. A differencing one has none yet, and may name the
       * place right away. */
      if (!vhd_begin_block (img, place, differs ? 0 : 0xff, error)
          || (differs && !vhd_set_block (img, block, place, error)))
        return FALSE;
      vhd->end = place + vhd_stride (vhd);
      if (!differs)
        {
          out->start = offset - within;
          out->length = vhd->block_size;
          out->file = img->file;
          out->at = place + vhd->bitmap_size;
          return TRUE;
        }
    }
  last = (uint32_t)((MIN (within + length, vhd->block_size) + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE);
  out->detail = place;
  out->start = offset - within + first;
  out->length = last - first;
  out->file = img->file;
  out->at = place + vhd->bitmap_size + first;
  return TRUE;
}

static gboolean
vhd_commit (Image *img, const ImagePlace *place, GError **error)
{
  Vhd *vhd = img->state;
  uint32_t block = (uint32_t)(place->start / vhd->block_size),
           sector = (uint32_t)(place->start % vhd->block_size / SECTOR_SIZE);

  if (place->detail == 0)
    {
      if (!vhd_set_block (img, block, place->at - vhd->bitmap_size, error))
        return FALSE;
      set_whole (vhd, block);
      return TRUE;
    }
  for (uint32_t end = sector + (uint32_t)(place->length / SECTOR_SIZE); sector < end;)
    {
      uint32_t page = sector / PAGE_SECTORS * PAGE_SECTORS, stop = MIN (end, page + PAGE_SECTORS);
      uint8_t *bits = table_cache_change (vhd->tables, img->file, place->detail + page / 8, 0, error);

      if (bits == NULL)
        return FALSE;
      for (; sector < stop; sector++)
        bits[sector % PAGE_SECTORS / 8] |= (uint8_t)(0x80 >> (sector % 8));
    }
  return TRUE;
}

/* The last block of the file makes room for the next try; one before it stays, unused. */
static void
vhd_release (Image *img, const ImagePlace *place)
{
  Vhd *vhd = img->state;

  if (place->detail != 0 || place->at + vhd->block_size != vhd->end)
    return;
  vhd->end = place->at - vhd->bitmap_size;
  end_file (img, vhd->end);
}

/* What one block has of the range becomes a hole. Where a parent lies below it gets sectors of its own for that. */
static gboolean
discard_block (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vhd *vhd = img->state;
  uint32_t block = (uint32_t)(offset / vhd->block_size), within = (uint32_t)(offset % vhd->block_size);
  ImagePlace room = { .start = offset, .length = length };
  gboolean ok, differs = vhd->footer.disk_type == GUINT32_TO_BE (VHD_DIFFERENCING);

  g_mutex_lock (&img->map_lock);
  ok = vhd_find_block (img, block, &room.detail, error)
       && (room.detail != 0 || !differs || vhd_reserve (img, offset, length, &room, error));
  g_mutex_unlock (&img->map_lock);
  if (!ok || room.detail == 0)
    return ok;
  if (!image_file_zero (img->file, room.detail + vhd->bitmap_size + within, length, error))
    return FALSE;
  if (!differs)
    return TRUE;
  g_mutex_lock (&img->map_lock);
  ok = vhd_commit (img, &room, error);
  g_mutex_unlock (&img->map_lock);
  return ok;
}

gboolean
vhd_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vhd *vhd = img->state;

  if (is_fixed (vhd))
    return image_file_zero (img->file, offset, length, error);
  while (length > 0)
    {
      uint64_t chunk = MIN (length, vhd->block_size - offset % vhd->block_size);

      if (!discard_block (img, offset, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vhd_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  return is_fixed (img->state) ? image_pread (img, offset, buffer, length, error)
                               : image_map_read (img, offset, buffer, length, error);
}

static gboolean
vhd_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return is_fixed (img->state) ? image_pwrite (img, offset, buffer, length, error)
                               : image_map_write (img, offset, buffer, length, error);
}

static gboolean
vhd_flush (Image *img, GError **error)
{
  Vhd *vhd = img->state;

  return is_fixed (vhd) ? image_sync (img, error) : table_cache_flush (vhd->tables, error);
}

static const char *const variants[] = { "dynamic", "fixed", NULL };
static const char *const endings[] = { "vhd", "avhd", "vpc", NULL };

const ImageFormat vhd_format = { .name = "vhd",
                                 .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD | IMAGE_CAN_BACK,
                                 .variants = variants,
                                 .endings = endings,
                                 .max_size = VHD_SIZE_MAX,
                                 .probe = vhd_probe,
                                 .open = vhd_open,
                                 .create = vhd_create,
                                 .close = vhd_close,
                                 .read = vhd_read,
                                 .write = vhd_write,
                                 .discard = vhd_discard,
                                 .flush = vhd_flush,
                                 .extent = vhd_extent,
                                 .reserve = vhd_reserve,
                                 .commit = vhd_commit,
                                 .release = vhd_release,
                                 .resize = vhd_resize,
                                 .check = vhd_check };
