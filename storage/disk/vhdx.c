/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VHDX, Hyper-V's disk image: fixed, dynamic, differencing.
 * Specification: Microsoft, "[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format";
 * checked against qemu-img.
 *
 * New blocks go to the end of the file. A flush makes data durable first, then the
 * table and the bitmaps that speak of it, through the log.
 */

#include "storage/disk/vhdx-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  PAGE = VHDX_LOG_SECTOR,
  PAGE_ENTRIES = PAGE / 8,
  PAGE_SECTORS = PAGE * 8 /* of a bitmap */
};

/* The table */

uint64_t
vhdx_entry_index (const Vhdx *vhdx, uint64_t block)
{
  return block + block / vhdx->ratio;
}

uint64_t
vhdx_bitmap_index (const Vhdx *vhdx, uint64_t block)
{
  return block / vhdx->ratio * (vhdx->ratio + 1) + vhdx->ratio;
}

uint64_t
vhdx_count_entries (const Vhdx *vhdx, uint64_t blocks)
{
  return vhdx->has_parent ? (blocks + vhdx->ratio - 1) / vhdx->ratio * (vhdx->ratio + 1)
                          : blocks + (blocks - 1) / vhdx->ratio;
}

gboolean
vhdx_get_entry (Image *img, uint64_t index, uint64_t *entry, GError **error)
{
  Vhdx *vhdx = img->state;
  const uint64_t *entries
      = table_cache_read (vhdx->tables, img->file, vhdx->table_offset + index / PAGE_ENTRIES * PAGE, error);

  if (entries == NULL)
    return FALSE;
  *entry = entries[index % PAGE_ENTRIES];
  return TRUE;
}

gboolean
vhdx_set_entry (Image *img, uint64_t index, uint64_t entry, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t *entries = table_cache_change (vhdx->tables, img->file, vhdx->table_offset + index / PAGE_ENTRIES * PAGE, 0, error);

  if (entries == NULL)
    return FALSE;
  entries[index % PAGE_ENTRIES] = entry;
  return TRUE;
}

/* The bitmaps */

/* The page with the bit of @sector, and which bit that is. @place: of the bitmap block. */
static uint64_t
bit_page (uint64_t place, uint64_t sector, uint32_t *bit)
{
  uint64_t within = sector % VHDX_BITMAP_SECTORS;

  *bit = (uint32_t) (within % PAGE_SECTORS);
  return place + within / PAGE_SECTORS * PAGE;
}

static gboolean
has_bit (const uint8_t *bits, uint32_t bit)
{
  return bits[bit / 8] >> (bit % 8) & 1;
}

static gboolean
find_bitmap (Image *img, uint64_t block, uint64_t *place, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t entry;

  if (!vhdx_get_entry (img, vhdx_bitmap_index (vhdx, block), &entry, error))
    return FALSE;
  *place = VHDX_STATE (entry) == VHDX_BITMAP_PRESENT ? VHDX_PLACE (entry) : 0;
  if (*place != 0 && (*place < VHDX_MIB || *place >= vhdx->end))
    return image_damaged (error, img,
                          _ ("the bitmap of block %llu is said to be at %llu, which the file does not have"),
                          (unsigned long long) block, (unsigned long long) *place);
  return TRUE;
}

/* How many sectors from @sector on, at most @max, are alike: @present in this file or not. */
static gboolean
find_run (Image *img, uint64_t block, uint64_t sector, uint64_t max, uint64_t *count, gboolean *present, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t place;
  uint32_t bit, end;
  const uint8_t *bits;

  if (!find_bitmap (img, block, &place, error))
    return FALSE;
  /* A power cut came before the bitmaps were known: none of it is here. */
  *present = FALSE;
  *count = max;
  if (place == 0)
    return TRUE;
  bits = table_cache_read (vhdx->tables, img->file, bit_page (place, sector, &bit), error);
  if (bits == NULL)
    return FALSE;
  end = (uint32_t) MIN (bit + max, PAGE_SECTORS);
  *present = has_bit (bits, bit);
  for (*count = 1; bit + *count < end && has_bit (bits, bit + (uint32_t) *count) == *present; ++*count)
    ;
  return TRUE;
}

static gboolean
set_bits (Image *img, uint64_t place, uint64_t sector, uint64_t count, GError **error)
{
  Vhdx *vhdx = img->state;

  while (count > 0)
    {
      uint32_t bit;
      uint64_t page = bit_page (place, sector, &bit), some = MIN (count, PAGE_SECTORS - bit);
      uint8_t *bits = table_cache_change (vhdx->tables, img->file, page, 0, error);

      if (bits == NULL)
        return FALSE;
      for (uint64_t i = bit; i < bit + some; i++)
        bits[i / 8] |= (uint8_t) (1u << (i % 8));
      sector += some;
      count -= some;
    }
  return TRUE;
}

/* The map */

/* What is not there goes on, as far as a page of the table tells. */
static gboolean
count_absent (Image *img, uint64_t block, uint64_t length, ImageExtent *out, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t page = vhdx_entry_index (vhdx, block) / PAGE_ENTRIES;

  while (out->length < length && ++block < vhdx->blocks && vhdx_entry_index (vhdx, block) / PAGE_ENTRIES == page)
    {
      uint64_t entry;

      if (!vhdx_get_entry (img, vhdx_entry_index (vhdx, block), &entry, error))
        return FALSE;
      if (VHDX_STATE (entry) != VHDX_NOT_PRESENT)
        break;
      out->length += vhdx->block_size;
    }
  return TRUE;
}

static gboolean
vhdx_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t block = offset / vhdx->block_size, within = offset % vhdx->block_size, entry, place, count = 0;
  gboolean present = TRUE;

  if (!vhdx_get_entry (img, vhdx_entry_index (vhdx, block), &entry, error))
    return FALSE;
  place = VHDX_PLACE (entry);
  *out = (ImageExtent) { .kind = IMAGE_UNALLOCATED, .length = vhdx->block_size - within };
  switch (VHDX_STATE (entry))
    {
    case VHDX_NOT_PRESENT:
      return count_absent (img, block, length, out, error);
    case VHDX_UNDEFINED:
    case VHDX_ZERO:
    case VHDX_UNMAPPED:
    case 5: /* unmapped, in images of before the specification was final */
      out->kind = IMAGE_ZERO;
      return TRUE;
    case VHDX_PARTIALLY_PRESENT:
      if (!vhdx->has_parent)
        return image_damaged (error, img, _ ("block %llu is there in part, but there is no parent"),
                              (unsigned long long) block);
      if (!find_run (img, block, offset / SECTOR_SIZE, (vhdx->block_size - within + SECTOR_SIZE - 1) / SECTOR_SIZE,
                     &count, &present, error))
        return FALSE;
      out->length = MIN (out->length, count * SECTOR_SIZE - offset % SECTOR_SIZE);
      break;
    case VHDX_FULLY_PRESENT:
      break;
    default:
      return image_damaged (error, img, _ ("block %llu is in state %u, which is not known"), (unsigned long long) block,
                            VHDX_STATE (entry));
    }
  if (place < VHDX_MIB || place >= vhdx->end)
    return image_damaged (error, img, _ ("block %llu is said to be at %llu, which the file does not have"),
                          (unsigned long long) block, (unsigned long long) place);
  if (!present)
    return TRUE;
  out->kind = IMAGE_DATA;
  out->file = img->file;
  out->at = place + within;
  return TRUE;
}

gboolean
vhdx_extend (Image *img, uint64_t length, uint64_t *at, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t end = vhdx->end + length;

  if (end > 2 * IMAGE_SIZE_MAX)
    return image_damaged (error, img, _ ("“%s” would become larger than the format can tell"), img->path);
  /* What an earlier failure left there goes. */
  if (!image_file_truncate (img->file, vhdx->end, error) || !image_file_truncate (img->file, end, error))
    return FALSE;
  *at = vhdx->end;
  __atomic_store_n (&vhdx->end, end, __ATOMIC_RELAXED);
  return TRUE;
}

/* Bitmaps for @block and its neighbours, all zeros at first. */
static gboolean
begin_bitmap (Image *img, uint64_t block, GError **error)
{
  const Vhdx *vhdx = img->state;
  uint64_t bitmap;

  if (!find_bitmap (img, block, &bitmap, error))
    return FALSE;
  return bitmap != 0
         || (vhdx_extend (img, VHDX_MIB, &bitmap, error)
             && vhdx_set_entry (img, vhdx_bitmap_index (vhdx, block), bitmap | VHDX_BITMAP_PRESENT, error));
}

/* A block of a differencing image of which nothing is there yet. */
static gboolean
begin_partial (Image *img, uint64_t block, uint64_t *place, GError **error)
{
  const Vhdx *vhdx = img->state;

  return vhdx_extend (img, vhdx->block_size, place, error)
         && vhdx_set_entry (img, vhdx_entry_index (vhdx, block), *place | VHDX_PARTIALLY_PRESENT, error);
}

static gboolean
vhdx_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t block = offset / vhdx->block_size, within = offset % vhdx->block_size, entry, place,
           first = within / SECTOR_SIZE * SECTOR_SIZE, last;

  if (!vhdx_get_entry (img, vhdx_entry_index (vhdx, block), &entry, error))
    return FALSE;
  place = VHDX_PLACE (entry);
  out->file = img->file;
  out->fresh = TRUE;
  /* Whole blocks where no parent shows through. */
  if (!vhdx->has_parent || (VHDX_STATE (entry) != VHDX_NOT_PRESENT && VHDX_STATE (entry) != VHDX_PARTIALLY_PRESENT))
    {
      out->start = offset - within;
      out->length = vhdx->block_size;
      return vhdx_extend (img, vhdx->block_size, &out->at, error);
    }
  if (!begin_bitmap (img, block, error)
      || (VHDX_STATE (entry) == VHDX_NOT_PRESENT && !begin_partial (img, block, &place, error)))
    return FALSE;
  last = (MIN (within + length, vhdx->block_size) + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
  out->start = offset - within + first;
  out->length = last - first;
  out->at = place + first;
  out->fresh = VHDX_STATE (entry) == VHDX_NOT_PRESENT;
  out->detail = place;
  return TRUE;
}

static gboolean
vhdx_commit (Image *img, const ImagePlace *place, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t block = place->start / vhdx->block_size, bitmap;

  if (place->detail == 0)
    return vhdx_set_entry (img, vhdx_entry_index (vhdx, block), place->at | VHDX_FULLY_PRESENT, error);
  return find_bitmap (img, block, &bitmap, error)
         && set_bits (img, bitmap, place->start / SECTOR_SIZE, place->length / SECTOR_SIZE, error);
}

static void
vhdx_release (Image *img, const ImagePlace *place)
{
  Vhdx *vhdx = img->state;

  if (place->detail == 0 && place->at + vhdx->block_size == vhdx->end)
    __atomic_store_n (&vhdx->end, place->at, __ATOMIC_RELAXED);
}

/* Reading and writing */

/* Who based an image on this one knows by the GUID that the contents have changed. */
gboolean
vhdx_note_change (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  gboolean ok = TRUE;

  g_mutex_lock (&img->map_lock);
  if (!vhdx->changed)
    {
      VhdxHeader header = vhdx->header;

      image_new_uuid (header.file_write.bytes);
      image_new_uuid (header.data_write.bytes);
      ok = vhdx->changed = vhdx_write_header (img, &header, error);
      if (ok)
        memcpy (img->identity.state, header.data_write.bytes, 16);
    }
  g_mutex_unlock (&img->map_lock);
  return ok;
}

static gboolean
vhdx_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return vhdx_note_change (img, error) && image_map_write (img, offset, buffer, length, error);
}

/* What one block has of the range becomes a hole; over a parent it gets sectors of its own for that. */
static gboolean
discard_block (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t block = offset / vhdx->block_size, within = offset % vhdx->block_size, entry;
  ImagePlace room = { 0 };
  unsigned state;
  gboolean ok;

  g_mutex_lock (&img->map_lock);
  ok = vhdx_get_entry (img, vhdx_entry_index (vhdx, block), &entry, error);
  state = ok ? VHDX_STATE (entry) : VHDX_NOT_PRESENT;
  if (ok && vhdx->has_parent && (state == VHDX_NOT_PRESENT || state == VHDX_PARTIALLY_PRESENT))
    {
      /* A whole block has a word in the table. */
      if (state == VHDX_NOT_PRESENT && (length == vhdx->block_size || offset + length == img->size) && within == 0)
        ok = vhdx_set_entry (img, vhdx_entry_index (vhdx, block), VHDX_ZERO, error);
      else
        ok = vhdx_reserve (img, offset, length, &room, error);
    }
  g_mutex_unlock (&img->map_lock);
  if (!ok)
    return FALSE;
  if (state == VHDX_FULLY_PRESENT)
    return image_file_zero (img->file, VHDX_PLACE (entry) + within, length, error);
  if (room.length == 0)
    return TRUE;
  if (!image_file_zero (img->file, room.at, room.length, error))
    return FALSE;
  g_mutex_lock (&img->map_lock);
  ok = vhdx_commit (img, &room, error);
  g_mutex_unlock (&img->map_lock);
  return ok;
}

gboolean
vhdx_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vhdx *vhdx = img->state;

  if (!vhdx_note_change (img, error))
    return FALSE;
  while (length > 0)
    {
      uint64_t chunk = MIN (length, vhdx->block_size - offset % vhdx->block_size);

      if (!discard_block (img, offset, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vhdx_flush (Image *img, GError **error)
{
  return table_cache_flush (((Vhdx *) img->state)->tables, error);
}

static int
vhdx_probe (const ImageSample *sample)
{
  return sample->head_length >= 8 && memcmp (sample->head, "vhdxfile", 8) == 0 ? 100 : 0;
}

static const char *const variants[] = { "dynamic", "fixed", NULL };
static const char *const endings[] = { "vhdx", "avhdx", NULL };

const ImageFormat vhdx_format = { .name = "vhdx",
                                  .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD | IMAGE_CAN_BACK,
                                  .variants = variants,
                                  .endings = endings,
                                  .max_size = IMAGE_SIZE_MAX,
                                  .probe = vhdx_probe,
                                  .open = vhdx_open,
                                  .create = vhdx_create,
                                  .close = vhdx_close,
                                  .rest = vhdx_rest,
                                  .read = image_map_read,
                                  .write = vhdx_write,
                                  .discard = vhdx_discard,
                                  .flush = vhdx_flush,
                                  .extent = vhdx_extent,
                                  .reserve = vhdx_reserve,
                                  .commit = vhdx_commit,
                                  .release = vhdx_release,
                                  .resize = vhdx_resize,
                                  .check = vhdx_check };
