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

#include "storage/disk/cache.h"

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
  VDI_MAP_MAX = 256 << 20, /* bytes: for 64 TiB */
  VDI_SECTOR = 512,
  VDI_PAGE = VDI_SECTOR / 4, /* entries of the map that are kept and written together: data may begin right behind it */
  VDI_CACHE = 4 << 20,       /* bytes of the map that are kept */
  VDI_CHUNK = 1 << 20        /* bytes of it that are looked through, or made, at a time */
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
  TableCache *map;
  uint8_t *used;     /* a bit a place */
  uint32_t next;     /* the place behind all that were ever given out */
  uint32_t gaps;     /* free places below it; none is below @first_gap */
  uint32_t first_gap;
  gboolean dirty;    /* the header differs from the file */
  gboolean modified; /* written to since it was opened */
  GMutex flush_lock;
} Vdi;

static int
vdi_probe (const ImageSample *sample)
{
  const VdiHeader *header = (const VdiHeader *) sample->head;

  /* One that is cut off is a damaged VDI, not a raw disk. */
  return sample->head_length >= G_STRUCT_OFFSET (VdiHeader, version) && header->signature == VDI_SIGNATURE ? 100 : 0;
}

/* Bytes that the map of so many blocks takes, in whole pages. */
static uint64_t
map_room (uint64_t blocks)
{
  return (blocks + VDI_PAGE - 1) / VDI_PAGE * VDI_SECTOR;
}

/* Where the page with the entry of @block lies. */
static uint64_t
page_offset (const Vdi *vdi, uint32_t block)
{
  return vdi->header.map_offset + (uint64_t) (block / VDI_PAGE) * VDI_SECTOR;
}

static gboolean
get_entry (Image *img, uint32_t block, uint32_t *entry, GError **error)
{
  Vdi *vdi = img->state;
  const uint32_t *page = table_cache_read (vdi->map, img->file, page_offset (vdi, block), error);

  *entry = page != NULL ? page[block % VDI_PAGE] : VDI_UNALLOCATED;
  return page != NULL;
}

static gboolean
set_entry (Image *img, uint32_t block, uint32_t entry, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t *page = table_cache_change (vdi->map, img->file, page_offset (vdi, block), 0, error);

  if (page == NULL)
    return FALSE;
  page[block % VDI_PAGE] = entry;
  return TRUE;
}

static gboolean
is_used (const Vdi *vdi, uint32_t place)
{
  return vdi->used[place / 8] >> (place % 8) & 1;
}

static void
set_used (Vdi *vdi, uint32_t place, gboolean used)
{
  uint8_t bit = (uint8_t) (1u << (place % 8));

  if (used)
    vdi->used[place / 8] |= bit;
  else
    vdi->used[place / 8] &= (uint8_t) ~bit;
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
  if (h->data_offset < h->map_offset + map_room (h->block_count))
    return image_damaged (error, img, _("the data at %u overlaps the block map"), h->data_offset);
  return TRUE;
}

/* The entry of one block: of a place that nobody else has and that is among the first @in_file, which the file has. */
static gboolean
check_entry (Image *img, Vdi *vdi, uint32_t block, uint32_t place, uint64_t in_file, gboolean repair,
             ImageReport *report, GError **error)
{
  const VdiHeader *h = &vdi->header;
  gboolean outside = place >= h->block_count || place >= in_file;

  if (place == VDI_UNALLOCATED || place == VDI_ZERO)
    return TRUE;
  if (!outside && !is_used (vdi, place))
    {
      set_used (vdi, place, TRUE);
      vdi->next = MAX (vdi->next, place + 1);
      if (report != NULL)
        report->allocated += h->block_size;
      return TRUE;
    }
  if (report == NULL)
    return outside ? image_damaged (error, img,
                                    _("block %u is said to be at place %u, which the file does not have"), block, place)
                   : image_damaged (error, img, _("place %u is used by two blocks"), place);
  if (outside)
    image_report (report, &report->errors, _("block %u is said to be at place %u, which the file does not have"), block,
                  place);
  else
    image_report (report, &report->errors, _("place %u is used by two blocks"), place);
  report->repaired += repair;
  return !repair || set_entry (img, block, VDI_UNALLOCATED, error);
}

/* Every block belongs to one place of the disk, and lies in the file. */
static gboolean
check_map (Image *img, Vdi *vdi, gboolean repair, ImageReport *report, GError **error)
{
  VdiHeader *h = &vdi->header;
  uint64_t data = img->file->size > h->data_offset ? img->file->size - h->data_offset : 0;
  uint64_t in_file = data / h->block_size + (data % h->block_size != 0);
  g_autoptr (ImageBuffer) buffer = image_buffer_new (VDI_CHUNK);
  const uint32_t *entries = (const uint32_t *) (void *) buffer;

  memset (vdi->used, 0, h->block_count / 8 + 1);
  vdi->next = vdi->gaps = vdi->first_gap = 0;
  for (uint32_t first = 0; first < h->block_count; first += VDI_CHUNK / 4)
    {
      uint32_t count = MIN (h->block_count - first, VDI_CHUNK / 4);

      if (!image_pread (img, h->map_offset + (uint64_t) first * 4, buffer, (size_t) count * 4, error))
        return FALSE;
      for (uint32_t i = 0; i < count; i++)
        if (!check_entry (img, vdi, first + i, entries[i], in_file, repair, report, error))
          return FALSE;
    }
  if (h->blocks_allocated > h->block_count && report == NULL)
    return image_damaged (error, img, _("%u of %u blocks are said to be allocated"), h->blocks_allocated,
                          h->block_count);
  for (uint32_t i = 0; i < vdi->next; i++)
    vdi->gaps += !is_used (vdi, i);
  if (report != NULL && vdi->gaps > 0)
    image_report (report, &report->leaks, _("%u places in the file are not used"), vdi->gaps);
  if (report != NULL && h->blocks_allocated != vdi->next)
    {
      image_report (report, h->blocks_allocated < vdi->next ? &report->errors : &report->leaks,
                    _("%u blocks are said to be allocated, but it is %u"), h->blocks_allocated, vdi->next);
      report->repaired += repair;
      vdi->dirty |= repair;
    }
  /* After a power cut the count may be ahead of the map. */
  if (report == NULL && !img->read_only)
    vdi->dirty |= h->blocks_allocated != vdi->next;
  h->blocks_allocated = vdi->next;
  return TRUE;
}

static void
vdi_free (Vdi *vdi)
{
  table_cache_free (vdi->map);
  g_free (vdi->used);
  g_mutex_clear (&vdi->flush_lock);
  g_free (vdi);
}

static gboolean
vdi_open (Image *img, GError **error)
{
  Vdi *vdi = g_new0 (Vdi, 1);
  VdiHeader *h = &vdi->header;

  g_mutex_init (&vdi->flush_lock);
  if (!image_pread (img, 0, h, sizeof *h, error) || !check_header (img, h, error))
    {
      vdi_free (vdi);
      return FALSE;
    }
  vdi->map = table_cache_new (img, VDI_SECTOR, VDI_CACHE, NULL);
  vdi->used = g_malloc (h->block_count / 8 + 1);
  if (!img->checking && !check_map (img, vdi, FALSE, NULL, error))
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

/* The map of a new image: nothing has a place, or everything its own. */
static gboolean
write_map (Image *img, uint64_t blocks, gboolean fixed, GError **error)
{
  g_autoptr (ImageBuffer) buffer = image_buffer_new (VDI_CHUNK);
  uint32_t *entries = (uint32_t *) (void *) buffer;

  for (uint64_t first = 0; first < blocks; first += VDI_CHUNK / 4)
    {
      uint32_t count = (uint32_t) MIN (blocks - first, VDI_CHUNK / 4);

      for (uint32_t i = 0; i < count; i++)
        entries[i] = fixed ? (uint32_t) first + i : VDI_UNALLOCATED;
      if (!image_pwrite (img, VDI_MAP_OFFSET + first * 4, buffer, (size_t) count * 4, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
vdi_create (Image *img, const ImageCreate *options, GError **error)
{
  gboolean fixed = g_str_equal (options->variant, "fixed");
  uint64_t blocks = (options->size + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE;
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
    .data_offset = (uint32_t) ((VDI_MAP_OFFSET + map_room (blocks) + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE * VDI_BLOCK_SIZE),
    .blocks_allocated = fixed ? (uint32_t) blocks : 0,
  };

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
  return image_pwrite (img, 0, &h, sizeof h, error) && write_map (img, blocks, fixed, error)
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
  uint32_t block = (uint32_t) (offset / img->unit), index = block % VDI_PAGE, end = index + 1, entry, step;
  uint64_t within = offset % img->unit, last = MIN (index + (within + length - 1) / img->unit, VDI_PAGE - 1);
  const uint32_t *page = table_cache_read (vdi->map, img->file, page_offset (vdi, block), error);

  if (page == NULL)
    return FALSE;
  entry = page[index];
  step = is_allocated (entry) ? 1 : 0;
  while (end <= last && page[end] == entry + step * (end - index))
    end++;
  *out = (ImageExtent) { .kind = is_allocated (entry) ? IMAGE_DATA
                                 : entry == VDI_ZERO  ? IMAGE_ZERO
                                                      : IMAGE_UNALLOCATED,
                         .length = (uint64_t) (end - index) * img->unit - within,
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
  if (vdi->gaps > 0)
    {
      while (is_used (vdi, vdi->first_gap))
        vdi->first_gap++;
      place = vdi->first_gap;
      vdi->gaps--;
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
  for (uint32_t i = 0; i < count; i++)
    set_used (vdi, place + i, TRUE);
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
    if (!set_entry (img, block + i, at + i, error))
      return FALSE;
  vdi->header.blocks_allocated = MAX (vdi->header.blocks_allocated, at + count);
  vdi->dirty = TRUE;
  return TRUE;
}

static void
vdi_release (Image *img, const ImagePlace *place)
{
  Vdi *vdi = img->state;
  uint32_t at = (uint32_t) ((place->at - vdi->header.data_offset) / img->unit);

  for (uint32_t i = 0; i < place->length / img->unit; i++, vdi->gaps++)
    set_used (vdi, at + i, FALSE);
  vdi->first_gap = MIN (vdi->first_gap, at);
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
      gboolean ok;

      g_mutex_lock (&img->map_lock);
      ok = get_entry (img, block, &entry, error)
           && (entry != VDI_UNALLOCATED || img->base == NULL || set_entry (img, block, VDI_ZERO, error));
      g_mutex_unlock (&img->map_lock);
      if (!ok)
        return FALSE;
      /* The place stays the block's own, as a hole: there must be no gaps. */
      if (is_allocated (entry)
          && !image_file_zero (img->file, place_offset (vdi, entry), MIN (img->unit, end - offset), error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
vdi_flush (Image *img, GError **error)
{
  Vdi *vdi = img->state;
  gboolean dirty, changed = FALSE, ok = TRUE;
  VdiHeader header;

  g_mutex_lock (&vdi->flush_lock);
  g_mutex_lock (&img->map_lock);
  dirty = vdi->dirty;
  header = vdi->header;
  /* Other programs want the last block whole. */
  if (dirty)
    ok = image_file_grow (img->file, place_offset (vdi, header.blocks_allocated), error);
  if (ok)
    {
      changed = table_cache_seal (vdi->map);
      vdi->dirty = FALSE;
    }
  g_mutex_unlock (&img->map_lock);
  ok = ok && (!dirty || image_pwrite (img, 0, &header, sizeof header, error)) && image_sync (img, error)
       && (!changed || (table_cache_write_sealed (vdi->map, error) && image_sync (img, error)));
  g_mutex_lock (&img->map_lock);
  if (changed)
    table_cache_unseal (vdi->map, ok);
  vdi->dirty |= dirty && !ok;
  g_mutex_unlock (&img->map_lock);
  g_mutex_unlock (&vdi->flush_lock);
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

/* Blocks from @old on get entries. */
static gboolean
extend_map (Image *img, uint32_t old, uint32_t blocks, GError **error)
{
  Vdi *vdi = img->state;

  for (uint32_t block = old; block < blocks; block++)
    if ((block % VDI_PAGE == 0 && !image_relieve (img, error)) || !set_entry (img, block, VDI_UNALLOCATED, error))
      return FALSE;
  vdi->used = g_realloc (vdi->used, blocks / 8 + 1);
  memset (vdi->used + old / 8 + 1, 0, blocks / 8 - old / 8);
  return vdi_flush (img, error);
}

/* The map has some room to grow into, up to the data; images that need more are made anew. */
static gboolean
vdi_resize (Image *img, uint64_t size, GError **error)
{
  Vdi *vdi = img->state;
  VdiHeader *h = &vdi->header;
  uint64_t blocks = (size + h->block_size - 1) / h->block_size, old_size = h->disk_size, old_end = img->size;
  uint64_t edge = MIN ((old_end + h->block_size - 1) / h->block_size * h->block_size, size);
  uint32_t old = h->block_count, last = (uint32_t) ((old_end - 1) / h->block_size), entry;

  if (size < img->size || h->type == VDI_FIXED || blocks * 4 > VDI_MAP_MAX
      || map_room (blocks) > h->data_offset - h->map_offset)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot resize “%s” in its place"), img->path);
      return FALSE;
    }
  if (!vdi_flush (img, error) || !get_entry (img, last, &entry, error))
    return FALSE;
  /* What lies in the last block behind the end was never seen. */
  if (is_allocated (entry)
      && !image_file_zero (img->file, place_offset (vdi, entry) + old_end - (uint64_t) last * h->block_size,
                           edge - old_end, error))
    return FALSE;
  if (blocks > old)
    {
      if (!extend_map (img, old, (uint32_t) blocks, error))
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
