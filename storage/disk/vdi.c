/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VDI, VirtualBox's disk image, version 1.1: dynamic and fixed.
 * Specification: VirtualBox's published header layout (VDICore); facts checked
 * against qemu-img.
 *
 * A flush makes data durable first, then the header's count and the block map:
 * after a power cut the map never points at data that is not there.
 */

#include "storage/disk/format.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

enum
{
  VDI_VERSION = 0x00010001, VDI_HEADER_LENGTH = 0x190, VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_BLOCK_SIZE = 1 << 20,
  VDI_MAP_OFFSET = 1 << 20, VDI_MAP_MAX = 64 << 20, VDI_SECTOR = 512
};

#define VDI_SIGNATURE 0xbeda107fu
#define VDI_UNALLOCATED 0xffffffffu
#define VDI_ZERO 0xfffffffeu

typedef struct __attribute__ ((packed))
{
  char text[64];
  uint32_t signature, version, header_length, type, flags;
  char comment[256];
  uint32_t map_offset, data_offset, cylinders, heads, sectors, sector_size, unused;
  uint64_t disk_size;
  uint32_t block_size, block_extra, block_count, blocks_allocated;
  uint8_t uuid[16], snapshot_uuid[16], link_uuid[16], parent_uuid[16];
  uint8_t rest[56];
} VdiHeader;
G_STATIC_ASSERT (sizeof (VdiHeader) == 512);
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

typedef struct
{
  VdiHeader header;
  uint32_t *map;
  gboolean dirty;                      /* map or header differ from the file */
  uint32_t dirty_first, dirty_last;    /* entries */
} Vdi;

static int
vdi_probe (const ImageSample *sample)
{
  const VdiHeader *header = (const VdiHeader *) sample->head;

  /* One that is cut off is a damaged VDI, not a raw disk. */
  return sample->length >= G_STRUCT_OFFSET (VdiHeader, version) && header->signature == VDI_SIGNATURE ? 100 : 0;
}

static gboolean
check_header (Image *img, const VdiHeader *h, GError **error)
{
  static const uint8_t none[16];
  uint64_t blocks;

  if (h->version >> 16 != 1)
    return image_damaged (error, img, _("version %u.%u is not known"), h->version >> 16, h->version & 0xffff);
  if (h->type != VDI_DYNAMIC && h->type != VDI_FIXED)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot open “%s”: VDI images of type %u (differencing) cannot be used alone"),
                   img->path, h->type);
      return FALSE;
    }
  if (memcmp (h->parent_uuid, none, 16) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot open “%s”: it is a differencing image and needs its parent"),
                   img->path);
      return FALSE;
    }
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
  if (h->map_offset < sizeof *h || h->map_offset > img->file_size ||
      (uint64_t) h->block_count * 4 > img->file_size - h->map_offset)
    return image_damaged (error, img, _("the block map at %u lies outside the file"), h->map_offset);
  if (h->data_offset < h->map_offset + (uint64_t) h->block_count * 4)
    return image_damaged (error, img, _("the data at %u overlaps the block map"), h->data_offset);
  return TRUE;
}

/* Every block belongs to one place of the disk, and lies in the file. */
static gboolean
check_map (Image *img, Vdi *vdi, GError **error)
{
  const VdiHeader *h = &vdi->header;
  uint64_t data = img->file_size > h->data_offset ? img->file_size - h->data_offset : 0;
  uint64_t in_file = data / h->block_size + (data % h->block_size != 0);
  g_autofree uint8_t *used = g_malloc0 (h->block_count / 8 + 1);
  uint32_t allocated = 0;

  for (uint32_t i = 0; i < h->block_count; i++)
    {
      uint32_t block = vdi->map[i];

      if (block == VDI_UNALLOCATED || block == VDI_ZERO)
        continue;
      if (block >= h->block_count || block >= in_file)
        return image_damaged (error, img, _("block %u is said to be at place %u, which the file does not have"), i,
                              block);
      if (used[block / 8] >> (block % 8) & 1)
        return image_damaged (error, img, _("place %u is used by two blocks"), block);
      used[block / 8] |= (uint8_t) (1u << (block % 8));
      allocated = MAX (allocated, block + 1);
    }
  /* The count may be behind the map after a crash: places are given out above both. */
  if (vdi->header.blocks_allocated < allocated)
    vdi->header.blocks_allocated = allocated;
  if (vdi->header.blocks_allocated > h->block_count)
    return image_damaged (error, img, _("%u of %u blocks are said to be allocated"), h->blocks_allocated,
                          h->block_count);
  return TRUE;
}

static void
vdi_free (Vdi *vdi)
{
  g_free (vdi->map);
  g_free (vdi);
}

static gboolean
vdi_open (Image *img, GError **error)
{
  Vdi *vdi = g_new0 (Vdi, 1);

  if (!image_pread (img, 0, &vdi->header, sizeof vdi->header, error) || !check_header (img, &vdi->header, error))
    {
      vdi_free (vdi);
      return FALSE;
    }
  vdi->map = g_new (uint32_t, vdi->header.block_count);
  if (!image_pread (img, vdi->header.map_offset, vdi->map, (size_t) vdi->header.block_count * 4, error) ||
      !check_map (img, vdi, error))
    {
      vdi_free (vdi);
      return FALSE;
    }
  img->state = vdi;
  img->size = vdi->header.disk_size & ~(uint64_t) (SECTOR_SIZE - 1);
  img->fixed = vdi->header.type == VDI_FIXED;
  return TRUE;
}

static void
new_uuid (uint8_t uuid[16])
{
  for (int i = 0; i < 4; i++)
    {
      uint32_t word = g_random_int ();

      memcpy (uuid + 4 * i, &word, 4);
    }
  /* Version 4 in Microsoft's byte order. */
  uuid[7] = (uint8_t) ((uuid[7] & 0x0f) | 0x40);
  uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
}

static gboolean
vdi_create (int fd, const char *path, DiskVariant variant, uint64_t size, GError **error)
{
  Image img = { .format = &vdi_format, .path = (char *) path, .fd = fd };
  uint64_t blocks = (size + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE, map_bytes;
  VdiHeader h = {
    .text = "<<< Bunshin disk image >>>\n", .signature = VDI_SIGNATURE, .version = VDI_VERSION,
    .header_length = VDI_HEADER_LENGTH, .type = variant == DISK_VARIANT_FIXED ? VDI_FIXED : VDI_DYNAMIC,
    .map_offset = VDI_MAP_OFFSET, .sector_size = VDI_SECTOR, .disk_size = size, .block_size = VDI_BLOCK_SIZE,
  };
  g_autofree uint32_t *map = NULL;
  int cause;

  if (blocks * 4 > VDI_MAP_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("cannot create “%s”: VDI images hold at most %u TiB"), path, VDI_MAP_MAX / 4 >> 20);
      return FALSE;
    }
  map_bytes = blocks * 4;
  h.block_count = (uint32_t) blocks;
  h.data_offset = (uint32_t) ((VDI_MAP_OFFSET + map_bytes + VDI_BLOCK_SIZE - 1) / VDI_BLOCK_SIZE * VDI_BLOCK_SIZE);
  if (variant == DISK_VARIANT_FIXED)
    h.blocks_allocated = h.block_count;
  new_uuid (h.uuid);
  new_uuid (h.snapshot_uuid);

  map = g_new (uint32_t, blocks);
  for (uint32_t i = 0; i < blocks; i++)
    map[i] = variant == DISK_VARIANT_FIXED ? i : VDI_UNALLOCATED;
  if (!image_pwrite (&img, 0, &h, sizeof h, error) || !image_pwrite (&img, VDI_MAP_OFFSET, map, map_bytes, error))
    return FALSE;
  if (ftruncate (fd, (off_t) (h.data_offset + (uint64_t) h.blocks_allocated * VDI_BLOCK_SIZE)) != 0)
    return image_errno (error, path, NC_("cannot", "create"), errno);
  if (variant == DISK_VARIANT_FIXED && (cause = posix_fallocate (fd, h.data_offset,
                                                                 (off_t) (blocks * VDI_BLOCK_SIZE))) != 0)
    return image_errno (error, path, NC_("cannot", "create"), cause);
  return TRUE;
}

static uint64_t
place (const Vdi *vdi, uint32_t block)
{
  return vdi->header.data_offset + (uint64_t) vdi->map[block] * vdi->header.block_size;
}

static gboolean
is_allocated (const Vdi *vdi, uint32_t block)
{
  return vdi->map[block] != VDI_UNALLOCATED && vdi->map[block] != VDI_ZERO;
}

static gboolean
vdi_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  Vdi *vdi = img->state;
  uint8_t *out = buffer;

  while (length > 0)
    {
      uint32_t block = (uint32_t) (offset / vdi->header.block_size),
      within = (uint32_t) (offset % vdi->header.block_size);
      size_t chunk = MIN (length, vdi->header.block_size - within);

      if (!is_allocated (vdi, block))
        memset (out, 0, chunk);
      else if (!image_pread (img, place (vdi, block) + within, out, chunk, error))
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
is_zero (const uint8_t *data, size_t length)
{
  return length == 0 || (data[0] == 0 && memcmp (data, data + 1, length - 1) == 0);
}

/* Gives @block a place at the end of the file and writes the first data there; the map follows with the next flush. */
static gboolean
allocate (Image *img, uint32_t block, uint32_t within, const void *data, size_t length, GError **error)
{
  Vdi *vdi = img->state;
  uint32_t next = vdi->header.blocks_allocated;
  uint64_t at = vdi->header.data_offset + (uint64_t) next * vdi->header.block_size;

  if (next >= vdi->header.block_count)
    return image_damaged (error, img, _("no block is left"));
  /* The whole block becomes part of the file, zero where nothing is written. What an earlier failure left there
   * goes. */
  if (ftruncate (img->fd, (off_t) at) != 0 || ftruncate (img->fd, (off_t) (at + vdi->header.block_size)) != 0)
    return image_errno (error, img->path, NC_("cannot", "write"), errno);
  if (!image_pwrite (img, at + within, data, length, error))
    return FALSE;
  vdi->map[block] = next;
  vdi->header.blocks_allocated = next + 1;
  if (!vdi->dirty)
    vdi->dirty_first = vdi->dirty_last = block;
  vdi->dirty_first = MIN (vdi->dirty_first, block);
  vdi->dirty_last = MAX (vdi->dirty_last, block);
  vdi->dirty = TRUE;
  return TRUE;
}

static gboolean
vdi_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  Vdi *vdi = img->state;
  const uint8_t *in = buffer;

  while (length > 0)
    {
      uint32_t block = (uint32_t) (offset / vdi->header.block_size),
      within = (uint32_t) (offset % vdi->header.block_size);
      size_t chunk = MIN (length, vdi->header.block_size - within);

      if (is_allocated (vdi, block))
        {
          if (!image_pwrite (img, place (vdi, block) + within, in, chunk, error))
            return FALSE;
        }
      else if (!is_zero (in, chunk) && !allocate (img, block, within, in, chunk, error))
        return FALSE;
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vdi_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  Vdi *vdi = img->state;

  while (length > 0)
    {
      uint32_t block = (uint32_t) (offset / vdi->header.block_size),
      within = (uint32_t) (offset % vdi->header.block_size);
      uint64_t chunk = MIN (length, vdi->header.block_size - within);

      if (is_allocated (vdi, block))
        image_punch_hole (img, place (vdi, block) + within, chunk);
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vdi_flush (Image *img, GError **error)
{
  Vdi *vdi = img->state;

  if (!image_sync (img, error))
    return FALSE;
  if (!vdi->dirty)
    return TRUE;
  if (!image_pwrite (img, 0, &vdi->header, sizeof vdi->header, error) ||
      !image_pwrite (img, vdi->header.map_offset + (uint64_t) vdi->dirty_first * 4, vdi->map + vdi->dirty_first,
                     ((size_t) vdi->dirty_last - vdi->dirty_first + 1) * 4, error) ||
      !image_sync (img, error))
    return FALSE;
  vdi->dirty = FALSE;
  return TRUE;
}

static void
vdi_close (Image *img)
{
  vdi_free (img->state);
}

const ImageFormat vdi_format = {
  .name = "vdi", .can_create = TRUE, .probe = vdi_probe, .open = vdi_open, .create = vdi_create, .close = vdi_close,
  .read = vdi_read, .write = vdi_write, .discard = vdi_discard, .flush = vdi_flush
};
