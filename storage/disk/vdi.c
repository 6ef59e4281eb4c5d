/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VDI, VirtualBox's disk image, version 1.1: dynamic, fixed and differencing.
 * Specification: VirtualBox's published header layout (VDICore); facts checked
 * against qemu-img.
 *
 * A flush makes data and the header's count durable first, then the block map:
 * after a power cut the map never points at data that is not there, nor at a place
 * that the count calls free. Other programs give out the place that the count names, so
 * there are to be no gaps; one that a power cut left is filled first.
 */

#include "storage/disk/format.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  VDI_VERSION = 0x00010001,
  VDI_HEADER_LENGTH = 0x190,
  VDI_DYNAMIC = 1,
  VDI_FIXED = 2,
  VDI_DIFFERENCING = 4,
  VDI_BLOCK_SIZE = 1 << 20,
  VDI_MAP_OFFSET = 1 << 20,
  VDI_MAP_MAX = 64 << 20,
  VDI_SECTOR = 512,
  VDI_PAGE = 1024 /* entries of the map that are written together */
};

#define VDI_SIGNATURE   0xbeda107fu
#define VDI_UNALLOCATED 0xffffffffu
#define VDI_ZERO        0xfffffffeu

typedef struct __attribute__ ((packed))
{
  char text[64];
  uint32_t signature, version, header_length, type, flags;
  char comment[256];
  uint32_t map_offset, data_offset, cylinders, heads, sectors, sector_size, unused;
  uint64_t disk_size;
  uint32_t block_size, block_extra, block_count, blocks_allocated;
  /* Of the image; changed with its contents; these two of the parent. */
  uint8_t uuid[16], modification[16], parent_uuid[16], parent_modification[16];
  uint8_t rest[56];
} VdiHeader;
G_STATIC_ASSERT (sizeof (VdiHeader) == 512);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

typedef struct
{
  VdiHeader header;
  uint32_t *map;
  uint32_t next;        /* the place behind all that were ever given out */
  GArray *gaps;         /* uint32_t, free places below it */
  gboolean dirty;       /* map or header differ from the file */
  uint8_t *dirty_pages; /* one a page of the map */
  gboolean modified;    /* written to since it was opened */
  GMutex flush_lock;
} Vdi;

static int
vdi_probe (const ImageSample *sample)
{
  const VdiHeader *header = (const VdiHeader *) sample->head;

  /* One that is cut off is a damaged VDI, not a raw disk. */
  return sample->head_length >= G_STRUCT_OFFSET (VdiHeader, version) && header->signature == VDI_SIGNATURE ? 100 : 0;
}

static gboolean
check_header (Image *img, const VdiHeader *h, GError **error)
{
  uint64_t blocks;

  if (h->version >> 16 != 1)
    return image_damaged (error, img, _("version %u.%u is not known"), h->version >> 16, h->version & 0xffff);
  if (h->type != VDI_DYNAMIC && h->type != VDI_FIXED && h->type != VDI_DIFFERENCING)
    return image_unsupported (error, img, _("VDI images of type %u are not known"), h->type);
  if (h->sector_size != VDI_SECTOR)
    return image_damaged (error, img, _("sectors of %u bytes"), h->sector_size);
  if (h->block_size < 4096 || h->block_size > 256 << 20 || (h->block_size & (h->block_size - 1)) != 0)
    return image_damaged (error, img, _("blocks of %u bytes"), h->block_size);
  if (h->block_extra != 0)
    return image_damaged (error, img, _("%u extra bytes a block"), h->block_extra);
  if (h->disk_size == 0 || h->disk_size > (uint64_t) G_MAXINT64)
    return image_damaged (error, img, _("a disk of %llu bytes"), (unsigned long long) h->disk_size);
  blocks = (h->disk_size + h->block_size - 1) / h->block_size;
  if (h->block_count < blocks || (uint64_t) h->block_count * 4 > VDI_MAP_MAX)
    return image_damaged (error, img, _("%u blocks for a disk of %llu bytes"), h->block_count,
                          (unsigned long long) h->disk_size);
  if (h->map_offset < sizeof *h || h->map_offset > img->file->size
      || (uint64_t) h->block_count * 4 > img->file->size - h->map_offset)
    return image_damaged (error, img, _("the block map at %u lies outside the file"), h->map_offset);
  if (h->data_offset < h->map_offset + (uint64_t) h->block_count * 4)
    return image_damaged (error, img, _("the data at %u overlaps the block map"), h->data_offset);
  return TRUE;
}

/* Every block belongs to one place of the disk, and lies in the file. */
static gboolean
check_map (Image *img, Vdi *vdi, gboolean repair, ImageReport *report, GError **error)
{
  VdiHeader *h = &vdi->header;
  uint64_t data = img->file->size > h->data_offset ? img->file->size - h->data_offset : 0;
  uint64_t in_file = data / h->block_size + (data % h->block_size != 0);
  g_autofree uint8_t *used = g_malloc0 (h->block_count / 8 + 1);
  uint32_t end = 0;

  for (uint32_t i = 0; i < h->block_count; i++)
    {
      uint32_t block = vdi->map[i];
      gboolean outside = block >= h->block_count || block >= in_file;

      if (block == VDI_UNALLOCATED || block == VDI_ZERO)
        continue;
      if (!outside && !(used[block / 8] >> (block % 8) & 1))
        {
          used[block / 8] |= (uint8_t) (1u << (block % 8));
          end = MAX (end, block + 1);
          if (report != NULL)
            report->allocated += h->block_size;
          continue;
        }
      if (report == NULL)
        return outside ? image_damaged (
                   error, img, _("block %u is said to be at place %u, which the file does not have"), i, block)
                       : image_damaged (error, img, _("place %u is used by two blocks"), block);
      if (outside)
        image_report (report, &report->errors, _("block %u is said to be at place %u, which the file does not have"),
                      i, block);
      else
        image_report (report, &report->errors, _("place %u is used by two blocks"), block);
      if (repair)
        {
          vdi->map[i] = VDI_UNALLOCATED;
          vdi->dirty_pages[i / VDI_PAGE] = vdi->dirty = TRUE;
          report->repaired++;
        }
    }
  if (h->blocks_allocated > h->block_count && report == NULL)
    return image_damaged (error, img, _("%u of %u blocks are said to be allocated"), h->blocks_allocated,
                          h->block_count);
  g_array_set_size (vdi->gaps, 0);
  for (uint32_t i = end; i-- > 0;)
    if (!(used[i / 8] >> (i % 8) & 1))
      g_array_append_val (vdi->gaps, i);
  if (report != NULL && vdi->gaps->len > 0)
    image_report (report, &report->leaks, _("%u places in the file are not used"), vdi->gaps->len);
  if (report != NULL && h->blocks_allocated != end)
    {
      image_report (report, h->blocks_allocated < end ? &report->errors : &report->leaks,
                    _("%u blocks are said to be allocated, but it is %u"), h->blocks_allocated, end);
      report->repaired += repair;
      vdi->dirty |= repair;
    }
  /* After a power cut the count may be ahead of the map. */
  if (report == NULL && !img->read_only)
    vdi->dirty |= h->blocks_allocated != end;
  h->blocks_allocated = vdi->next = end;
  return TRUE;
}

static void
vdi_free (Vdi *vdi)
{
  g_free (vdi->map);
  g_free (vdi->dirty_pages);
  g_array_unref (vdi->gaps);
  g_mutex_clear (&vdi->flush_lock);
  g_free (vdi);
}

static gboolean
vdi_open (Image *img, GError **error)
{
  Vdi *vdi = g_new0 (Vdi, 1);
  VdiHeader *h = &vdi->header;

  vdi->gaps = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_mutex_init (&vdi->flush_lock);
  if (!image_pread (img, 0, h, sizeof *h, error) || !check_header (img, h, error))
    {
      vdi_free (vdi);
      return FALSE;
    }
  vdi->map = g_new (uint32_t, h->block_count);
  vdi->dirty_pages = g_malloc0 (h->block_count / VDI_PAGE + 1);
  if (!image_pread (img, h->map_offset, vdi->map, (size_t) h->block_count * 4, error)
      || (!img->checking && !check_map (img, vdi, FALSE, NULL, error)))
    {
      vdi_free (vdi);
      return FALSE;
    }
  img->state = vdi;
  img->size = h->disk_size & ~(uint64_t) (SECTOR_SIZE - 1);
  img->unit = h->block_size;
  memcpy (img->identity.uuid, h->uuid, 16);
  memcpy (img->identity.state, h->modification, 16);
  if (h->type == VDI_FIXED)
    img->variant = "fixed";
  if (h->type == VDI_DIFFERENCING)
    {
      img->variant = "differencing";
      img->parent.wanted = img->parent.check_uuid = TRUE;
      /* Some leave it empty. */
      img->parent.check_state = !image_is_zero (h->parent_modification, 16);
      memcpy (img->parent.identity.uuid, h->parent_uuid, 16);
      memcpy (img->parent.identity.state, h->parent_modification, 16);
    }
  return TRUE;
}

static gboolean
vdi_create (Image *img, const ImageCreate *options, GError **error)
{
  gboolean fixed = g_str_equal (options->variant, "fixed");
  uint64_t blocks = (options->size + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE, map_bytes = blocks * 4;
  VdiHeader h = {
    .text = "<<< Bunshin disk image >>>\n",
    .signature = VDI_SIGNATURE,
    .version = VDI_VERSION,
    .header_length = VDI_HEADER_LENGTH,
    .type = fixed ? VDI_FIXED : VDI_DYNAMIC,
    .map_offset = VDI_MAP_OFFSET,
    .sector_size = VDI_SECTOR,
    .disk_size = options->size,
    .block_size = VDI_BLOCK_SIZE,
    .block_count = (uint32_t) blocks,
    .data_offset = (uint32_t) ((VDI_MAP_OFFSET + map_bytes + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE * VDI_BLOCK_SIZE),
    .blocks_allocated = fixed ? (uint32_t) blocks : 0,
  };
  g_autofree uint32_t *map = NULL;

  image_new_uuid (h.uuid);
  image_new_uuid (h.modification);
  if (options->identity != NULL)
    {
      memcpy (h.uuid, options->identity->uuid, 16);
      memcpy (h.modification, options->identity->state, 16);
    }
  if (options->base != NULL)
    {
      if (fixed || options->base->format != img->format)
        {
          g_set_error (
              error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
              _("cannot create “%s”: a VDI image based on another must be dynamic, and the other a VDI image"),
              img->path);
          return FALSE;
        }
      h.type = VDI_DIFFERENCING;
      memcpy (h.parent_uuid, options->base->identity.uuid, 16);
      memcpy (h.parent_modification, options->base->identity.state, 16);
    }
  map = g_new (uint32_t, blocks);
  for (uint32_t i = 0; i < blocks; i++)
    map[i] = fixed ? i : VDI_UNALLOCATED;
  return image_pwrite (img, 0, &h, sizeof h, error) && image_pwrite (img, VDI_MAP_OFFSET, map, map_bytes, error)
         && image_file_truncate (img->file, h.data_offset + (uint64_t) h.blocks_allocated * VDI_BLOCK_SIZE, error)
         && (!fixed || image_file_allocate (img->file, h.data_offset, blocks * VDI_BLOCK_SIZE, error));
}

static uint64_t
place_offset (const Vdi *vdi, uint32_t place)
{
  return vdi->header.data_offset + (uint64_t) place * vdi->header.block_size;
}

static gboolean
is_allocated (uint32_t entry)
{
  return entry != VDI_UNALLOCATED && entry != VDI_ZERO;
}

static gboolean
vdi_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t block = (uint32_t) (offset / img->unit), end = block + 1, entry = vdi->map[block];
  uint32_t last = (uint32_t) ((offset + length - 1) / img->unit), step = is_allocated (entry) ? 1 : 0;
  uint64_t within = offset % img->unit;

  while (end <= last && vdi->map[end] == entry + step * (end - block))
    end++;
  *out = (ImageExtent) { .kind = is_allocated (entry) ? IMAGE_DATA
                                 : entry == VDI_ZERO  ? IMAGE_ZERO
                                                      : IMAGE_UNALLOCATED,
                         .length = (uint64_t) (end - block) * img->unit - within,
                         .file = img->file,
                         .at = place_offset (vdi, entry) + within };
  return TRUE;
}

static gboolean
vdi_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t block = (uint32_t) (offset / img->unit);
  uint32_t count = (uint32_t) ((offset + length - 1) / img->unit) - block + 1, place;

  *out = (ImagePlace) { .start = (uint64_t) block * img->unit, .file = img->file };
  if (vdi->gaps->len > 0)
    {
      place = g_array_index (vdi->gaps, uint32_t, vdi->gaps->len - 1);
      g_array_set_size (vdi->gaps, vdi->gaps->len - 1);
      count = 1;
    }
  else
    {
      place = vdi->next;
      if (place >= vdi->header.block_count)
        return image_damaged (error, img, _("no block is left"));
      count = MIN (count, vdi->header.block_count - place);
      vdi->next += count;
      out->fresh = place_offset (vdi, place) >= img->file->size;
    }
  out->at = place_offset (vdi, place);
  out->length = (uint64_t) count * img->unit;
  return TRUE;
}

static gboolean
vdi_commit (Image *img, const ImagePlace *place, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t block = (uint32_t) (place->start / img->unit), count = (uint32_t) (place->length / img->unit);
  uint32_t at = (uint32_t) ((place->at - vdi->header.data_offset) / img->unit);

  for (uint32_t i = 0; i < count; i++)
    {
      vdi->map[block + i] = at + i;
      vdi->dirty_pages[(block + i) / VDI_PAGE] = TRUE;
    }
  vdi->header.blocks_allocated = MAX (vdi->header.blocks_allocated, at + count);
  vdi->dirty = TRUE;
  return TRUE;
}

static void
vdi_release (Image *img, const ImagePlace *place)
{
  Vdi *vdi = img->state;
  uint32_t at = (uint32_t) ((place->at - vdi->header.data_offset) / img->unit);

  for (uint32_t i = (uint32_t) (place->length / img->unit); i-- > 0;)
    {
      uint32_t gap = at + i;

      g_array_append_val (vdi->gaps, gap);
    }
}

/* Differencing images notice by this that the one below them has changed. */
static gboolean
mark_modified (Image *img, GError **error)
{
  Vdi *vdi = img->state;
  gboolean ok = TRUE;

  g_mutex_lock (&img->map_lock);
  if (!vdi->modified && img->same)
    g_atomic_int_set (&vdi->modified, TRUE);
  if (!vdi->modified)
    {
      image_new_uuid (vdi->header.modification);
      ok = image_pwrite (img, G_STRUCT_OFFSET (VdiHeader, modification), vdi->header.modification, 16, error);
      g_atomic_int_set (&vdi->modified, ok);
    }
  g_mutex_unlock (&img->map_lock);
  return ok;
}

static gboolean
vdi_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  Vdi *vdi = img->state;

  return (g_atomic_int_get (&vdi->modified) || mark_modified (img, error))
         && image_map_write (img, offset, buffer, length, error);
}

static gboolean
vdi_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vdi *vdi = img->state;

  if (!g_atomic_int_get (&vdi->modified) && !mark_modified (img, error))
    return FALSE;
  for (uint64_t end = offset + length; offset < end; offset += img->unit)
    {
      uint32_t block = (uint32_t) (offset / img->unit), entry;

      g_mutex_lock (&img->map_lock);
      entry = vdi->map[block];
      if (entry == VDI_UNALLOCATED && img->base != NULL)
        {
          vdi->map[block] = VDI_ZERO;
          vdi->dirty_pages[block / VDI_PAGE] = vdi->dirty = TRUE;
        }
      g_mutex_unlock (&img->map_lock);
      /* The place stays the block's own, as a hole: there must be no gaps. */
      if (is_allocated (entry)
          && !image_file_zero (img->file, place_offset (vdi, entry), MIN (img->unit, end - offset), error))
        return FALSE;
    }
  return TRUE;
}

/* What is dirty, as it is now. */
typedef struct
{
  VdiHeader header;
  GArray *pages;     /* uint32_t, numbers */
  uint32_t *entries; /* theirs, one page after the other */
} VdiChanges;

static gboolean
take_changes (Image *img, VdiChanges *changes, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t pages = vdi->header.block_count / VDI_PAGE + 1;
  uint64_t end = place_offset (vdi, vdi->header.blocks_allocated), length;

  changes->header = vdi->header;
  /* Other programs want the last block whole. */
  if (!image_file_length (img->file, &length, error) || (length < end && !image_file_truncate (img->file, end, error)))
    return FALSE;
  changes->pages = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (uint32_t page = 0; page < pages; page++)
    if (vdi->dirty_pages[page])
      g_array_append_val (changes->pages, page);
  changes->entries = g_new (uint32_t, (size_t) changes->pages->len * VDI_PAGE);
  for (unsigned i = 0; i < changes->pages->len; i++)
    {
      uint32_t first = g_array_index (changes->pages, uint32_t, i) * VDI_PAGE;

      memcpy (changes->entries + (size_t) i * VDI_PAGE, vdi->map + first,
              MIN (VDI_PAGE, vdi->header.block_count - first) * 4);
    }
  memset (vdi->dirty_pages, 0, pages);
  vdi->dirty = FALSE;
  return TRUE;
}

static gboolean
write_changes (Image *img, const VdiChanges *changes, GError **error)
{
  const VdiHeader *h = &changes->header;

  for (unsigned i = 0; i < changes->pages->len; i++)
    {
      uint32_t first = g_array_index (changes->pages, uint32_t, i) * VDI_PAGE;

      if (!image_pwrite (img, h->map_offset + (uint64_t) first * 4, changes->entries + (size_t) i * VDI_PAGE,
                         MIN (VDI_PAGE, h->block_count - first) * 4, error))
        return FALSE;
    }
  return image_sync (img, error);
}

static gboolean
vdi_flush (Image *img, GError **error)
{
  Vdi *vdi = img->state;
  VdiChanges changes = { 0 };
  gboolean dirty, ok;

  g_mutex_lock (&vdi->flush_lock);
  g_mutex_lock (&img->map_lock);
  dirty = vdi->dirty;
  ok = !dirty || take_changes (img, &changes, error);
  g_mutex_unlock (&img->map_lock);
  ok = ok && (!dirty || image_pwrite (img, 0, &changes.header, sizeof changes.header, error)) &&
       image_sync (img, error) && (!dirty || write_changes (img, &changes, error));
  if (!ok && changes.pages != NULL)
    {
      g_mutex_lock (&img->map_lock);
      for (unsigned i = 0; i < changes.pages->len; i++)
        vdi->dirty_pages[g_array_index (changes.pages, uint32_t, i)] = TRUE;
      vdi->dirty = TRUE;
      g_mutex_unlock (&img->map_lock);
    }
  g_mutex_unlock (&vdi->flush_lock);
  g_clear_pointer (&changes.pages, g_array_unref);
  g_free (changes.entries);
  return ok;
}

static gboolean
vdi_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  return check_map (img, img->state, repair, report, error) && (!repair || vdi_flush (img, error));
}

static void
vdi_close (Image *img)
{
  vdi_free (img->state);
}

/* The map has some room to grow into, up to the data; images that need more are made anew. */
static gboolean
vdi_resize (Image *img, uint64_t size, GError **error)
{
  Vdi *vdi = img->state;
  VdiHeader *h = &vdi->header;
  uint64_t blocks = (size + h->block_size - 1) / h->block_size, old_size = h->disk_size, old_end = img->size;
  uint64_t edge = MIN ((old_end + h->block_size - 1) / h->block_size * h->block_size, size);
  uint32_t old = h->block_count, last = (uint32_t) ((old_end - 1) / h->block_size);

  if (size < img->size || h->type == VDI_FIXED || blocks * 4 > VDI_MAP_MAX
      || blocks * 4 > h->data_offset - h->map_offset)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot resize “%s” in its place"), img->path);
      return FALSE;
    }
  if (!vdi_flush (img, error))
    return FALSE;
  /* What lies in the last block behind the end was never seen. */
  if (is_allocated (vdi->map[last])
      && !image_file_zero (img->file, place_offset (vdi, vdi->map[last]) + old_end - (uint64_t) last * h->block_size,
                           edge - old_end, error))
    return FALSE;
  if (blocks > old)
    {
      uint32_t pages = (uint32_t) (blocks / VDI_PAGE + 1);

      vdi->map = g_renew (uint32_t, vdi->map, blocks);
      vdi->dirty_pages = g_renew (uint8_t, vdi->dirty_pages, pages);
      memset (vdi->dirty_pages, 0, pages);
      for (uint64_t i = old; i < blocks; i++)
        vdi->map[i] = VDI_UNALLOCATED;
      if (!image_pwrite (img, h->map_offset + (uint64_t) old * 4, vdi->map + old, (blocks - old) * 4, error)
          || !image_sync (img, error))
        return FALSE;
      h->block_count = (uint32_t) blocks;
    }
  h->disk_size = size;
  if (!image_pwrite (img, 0, h, sizeof *h, error) || !image_sync (img, error))
    {
      h->block_count = old;
      h->disk_size = old_size;
      return FALSE;
    }
  img->size = size;
  return TRUE;
}

static const char *const vdi_variants[] = { "dynamic", "fixed", NULL };
static const char *const vdi_endings[] = { "vdi", NULL };

const ImageFormat vdi_format = { .name = "vdi",
                                 .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD | IMAGE_CAN_BACK,
                                 .variants = vdi_variants,
                                 .endings = vdi_endings,
                                 .max_size = (uint64_t) VDI_MAP_MAX / 4 * VDI_BLOCK_SIZE,
                                 .probe = vdi_probe,
                                 .open = vdi_open,
                                 .create = vdi_create,
                                 .close = vdi_close,
                                 .read = image_map_read,
                                 .write = vdi_write,
                                 .discard = vdi_discard,
                                 .flush = vdi_flush,
                                 .extent = vdi_extent,
                                 .reserve = vdi_reserve,
                                 .commit = vdi_commit,
                                 .release = vdi_release,
                                 .resize = vdi_resize,
                                 .check = vdi_check };
