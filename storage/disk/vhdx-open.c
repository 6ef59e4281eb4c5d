/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHDX: headers, regions and metadata, checked field by field; the parent. */

#include "storage/disk/vhdx-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  CACHE_SIZE = 16 << 20,
  LOCATOR_MAX = VHDX_MIB
};

/* 2dc27766-f623-4200-9d64-115e9bfd4a08 and so on, as they lie in the file. */
const VhdxGuid vhdx_table_region
    = { { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08 } },
    vhdx_metadata_region
    = { { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e } },
    vhdx_item_parameters
    = { { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b } },
    vhdx_item_size
    = { { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8 } },
    vhdx_item_page83
    = { { 0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46 } },
    vhdx_item_logical
    = { { 0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f } },
    vhdx_item_physical
    = { { 0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56 } },
    vhdx_item_parent
    = { { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c } },
    vhdx_locator_type
    = { { 0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a, 0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13 } };

/* CRC-32C, continued from @crc. */
static uint32_t
crc_more (uint32_t crc, const uint8_t *bytes, size_t length)
{
  /* Of the bytes with one bit: the others follow from these. */
  static const uint32_t powers[8]
      = { 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78 };
  uint32_t table[256] = { 0 };

  for (unsigned i = 1; i < 256; i++)
    table[i] = table[i & (i - 1)] ^ powers[__builtin_ctz (i)];
  for (size_t i = 0; i < length; i++)
    crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
  return crc;
}

uint32_t
vhdx_crc (const void *data, size_t length)
{
  return ~crc_more (~0u, data, length);
}

uint32_t
vhdx_checksum (const void *data, size_t length, size_t at)
{
  static const uint8_t zeros[4];
  const uint8_t *bytes = data;
  uint32_t crc = crc_more (~0u, bytes, at);

  crc = crc_more (crc, zeros, sizeof zeros);
  return ~crc_more (crc, bytes + at + 4, length - at - 4);
}

gboolean
vhdx_guid_is_zero (const VhdxGuid *guid)
{
  return image_is_zero (guid, sizeof *guid);
}

char *
vhdx_guid_text (const VhdxGuid *guid)
{
  const uint8_t *b = guid->bytes;

  return g_strdup_printf ("{%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x}", b[3], b[2], b[1],
                          b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Zeros when it is none. */
static VhdxGuid
parse_guid (const char *text)
{
  static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
  VhdxGuid guid = { { 0 } };
  unsigned digits = 0;

  for (; text != NULL && *text != '\0'; text++)
    {
      if (*text == '{' || *text == '}' || *text == '-')
        continue;
      if (!g_ascii_isxdigit (*text) || digits == 32)
        return (VhdxGuid) { { 0 } };
      guid.bytes[order[digits / 2]] |= (uint8_t) (g_ascii_xdigit_value (*text) << (digits % 2 == 0 ? 4 : 0));
      digits++;
    }
  return digits == 32 ? guid : (VhdxGuid) { { 0 } };
}

/* Headers */

static gboolean
header_is_sound (const VhdxHeader *header)
{
  return memcmp (header->signature, "head", 4) == 0
         && vhdx_checksum (header, sizeof *header, G_STRUCT_OFFSET (VhdxHeader, checksum)) == header->checksum;
}

static gboolean
read_header (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  VhdxHeader headers[2];
  gboolean sound[2];

  if (!image_pread (img, VHDX_HEADER_1, &headers[0], sizeof headers[0], error)
      || !image_pread (img, VHDX_HEADER_2, &headers[1], sizeof headers[1], error))
    return FALSE;
  sound[0] = header_is_sound (&headers[0]);
  sound[1] = header_is_sound (&headers[1]);
  if (!sound[0] && !sound[1])
    return image_damaged (error, img, _ ("the header is not whole"));
  vhdx->which = !sound[0] || (sound[1] && headers[1].sequence > headers[0].sequence);
  vhdx->header = headers[vhdx->which];
  if (vhdx->header.version != 1)
    return image_damaged (error, img, _ ("version %u is not known"), vhdx->header.version);
  return TRUE;
}

static gboolean
check_log (Image *img, GError **error)
{
  const VhdxHeader *h = &((Vhdx *) img->state)->header;

  if (h->log_length == 0 || h->log_length % VHDX_MIB != 0 || h->log_length > VHDX_LOG_MAX || h->log_offset < VHDX_MIB
      || h->log_offset % VHDX_MIB != 0 || h->log_offset > img->file->size
      || h->log_length > img->file->size - h->log_offset)
    return image_damaged (error, img, _ ("the log of %u bytes at %llu makes no sense"), h->log_length,
                          (unsigned long long) h->log_offset);
  if (vhdx_guid_is_zero (&h->log))
    return TRUE;
  if (h->log_version != 0)
    return image_damaged (error, img, _ ("version %u is not known"), h->log_version);
  if (img->read_only)
    return image_unsupported (
        error, img, _ ("it was not closed properly; its log can only be applied when it is opened for writing"));
  return vhdx_log_replay (img, error);
}

gboolean
vhdx_write_header (Image *img, const VhdxHeader *header, GError **error)
{
  Vhdx *vhdx = img->state;
  VhdxHeader sealed = *header;

  sealed.sequence = vhdx->header.sequence + 1;
  sealed.checksum = vhdx_checksum (&sealed, sizeof sealed, G_STRUCT_OFFSET (VhdxHeader, checksum));
  if (!image_sync (img, error)
      || !image_pwrite (img, vhdx->which == 0 ? VHDX_HEADER_2 : VHDX_HEADER_1, &sealed, sizeof sealed, error)
      || !image_sync (img, error))
    return FALSE;
  vhdx->header = sealed;
  vhdx->which = !vhdx->which;
  return TRUE;
}

/* Regions */

static gboolean
overlaps (uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
  return a < b + b_length && b < a + a_length;
}

static gboolean
check_region (Image *img, const VhdxRegion *region, GError **error)
{
  Vhdx *vhdx = img->state;
  gboolean table = memcmp (&region->guid, &vhdx_table_region, sizeof region->guid) == 0,
           metadata = memcmp (&region->guid, &vhdx_metadata_region, sizeof region->guid) == 0;

  if (region->offset < VHDX_MIB || region->offset % VHDX_MIB != 0 || region->length == 0
      || region->length % VHDX_MIB != 0 || region->offset > img->file->size
      || region->length > img->file->size - region->offset
      || overlaps (region->offset, region->length, vhdx->header.log_offset, vhdx->header.log_length))
    return image_damaged (error, img, _ ("a region of %u bytes at %llu makes no sense"), region->length,
                          (unsigned long long) region->offset);
  if (!table && !metadata && region->flags & VHDX_REQUIRED)
    return image_unsupported (error, img, _ ("it has a region of an unknown kind"));
  if ((table && vhdx->table_length != 0) || (metadata && vhdx->metadata_length != 0))
    return image_damaged (error, img, _ ("it has two regions of a kind"));
  if (table)
    {
      vhdx->table_offset = region->offset;
      vhdx->table_length = region->length;
    }
  if (metadata)
    {
      vhdx->metadata_offset = region->offset;
      vhdx->metadata_length = region->length;
    }
  return TRUE;
}

static gboolean
read_regions (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autofree uint8_t *bytes = g_malloc (VHDX_REGIONS_SIZE);
  const VhdxRegions *regions = (const VhdxRegions *) bytes;
  const VhdxRegion *entries = (const VhdxRegion *) (regions + 1);
  gboolean sound = FALSE;

  for (int i = 0; i < 2 && !sound; i++)
    {
      if (!image_pread (img, i == 0 ? VHDX_REGIONS_1 : VHDX_REGIONS_2, bytes, VHDX_REGIONS_SIZE, error))
        return FALSE;
      sound = memcmp (regions->signature, "regi", 4) == 0
              && vhdx_checksum (bytes, VHDX_REGIONS_SIZE, G_STRUCT_OFFSET (VhdxRegions, checksum)) == regions->checksum;
    }
  if (!sound || regions->count > VHDX_REGIONS_MAX)
    return image_damaged (error, img, _ ("the list of regions is not whole"));
  for (uint32_t i = 0; i < regions->count; i++)
    if (!check_region (img, &entries[i], error))
      return FALSE;
  if (vhdx->table_length == 0 || vhdx->metadata_length == 0
      || overlaps (vhdx->table_offset, vhdx->table_length, vhdx->metadata_offset, vhdx->metadata_length))
    return image_damaged (error, img, _ ("the list of regions is not whole"));
  return TRUE;
}

/* Metadata */

static gboolean
is_item (const VhdxItem *item, const VhdxGuid *guid)
{
  return !(item->flags & VHDX_ITEM_USER) && memcmp (&item->guid, guid, sizeof *guid) == 0;
}

static gboolean
read_item (Image *img, const VhdxItem *item, void *data, uint32_t length, GError **error)
{
  const Vhdx *vhdx = img->state;

  if (item->length < length)
    return image_damaged (error, img, _ ("its metadata are not whole"));
  return image_pread (img, vhdx->metadata_offset + item->offset, data, length, error);
}

/* The value for @key, or NULL. Caller frees. */
static char *
locator_value (const uint8_t *bytes, uint32_t length, const char *key)
{
  const VhdxLocator *locator = (const VhdxLocator *) bytes;

  for (unsigned i = 0; i < locator->count && sizeof *locator + (i + 1) * sizeof (VhdxLocatorEntry) <= length; i++)
    {
      VhdxLocatorEntry e;
      g_autofree char *name = NULL;

      memcpy (&e, bytes + sizeof *locator + i * sizeof e, sizeof e);
      if (e.key_offset > length || e.key_length > length - e.key_offset || e.value_offset > length
          || e.value_length > length - e.value_offset)
        continue;
      name = g_convert ((const char *) bytes + e.key_offset, e.key_length, "UTF-8", "UTF-16LE", NULL, NULL, NULL);
      if (g_strcmp0 (name, key) == 0)
        return g_convert ((const char *) bytes + e.value_offset, e.value_length, "UTF-8", "UTF-16LE", NULL, NULL, NULL);
    }
  return NULL;
}

static gboolean
is_there (const Image *img, const char *name)
{
  g_autofree char *path = g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (img->folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

/* Windows' paths: as they are, or the last word of them beside the image. */
static char *
find_name (const Image *img, const char *relative, const char *absolute)
{
  const char *const names[] = { relative, absolute };

  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *turned = NULL;
      const char *last;

      if (names[i] == NULL || *names[i] == '\0')
        continue;
      if (is_there (img, names[i]))
        return g_strdup (names[i]);
      turned = g_strdelimit (g_strdup (g_str_has_prefix (names[i], ".\\") ? names[i] + 2 : names[i]), "\\", '/');
      if (is_there (img, turned))
        return g_steal_pointer (&turned);
      last = strrchr (turned, '/');
      if (last != NULL && last[1] != '\0' && is_there (img, last + 1))
        return g_strdup (last + 1);
    }
  return g_strdup (relative != NULL && *relative != '\0' ? relative : absolute);
}

static gboolean
find_parent (Image *img, const VhdxItem *item, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autofree uint8_t *bytes = NULL;
  g_autofree char *linkage = NULL, *relative = NULL, *absolute = NULL;

  if (item->length < sizeof (VhdxLocator) || item->length > LOCATOR_MAX)
    return image_damaged (error, img, _ ("it does not name its parent"));
  bytes = g_malloc (item->length);
  if (!read_item (img, item, bytes, item->length, error))
    return FALSE;
  if (memcmp (bytes, &vhdx_locator_type, sizeof vhdx_locator_type) != 0)
    return image_unsupported (error, img, _ ("its parent is of an unknown kind"));
  linkage = locator_value (bytes, item->length, "parent_linkage");
  relative = locator_value (bytes, item->length, "relative_path");
  absolute = locator_value (bytes, item->length, "absolute_win32_path");
  vhdx->linkage = parse_guid (linkage);
  img->parent.wanted = TRUE;
  img->parent.name = find_name (img, relative, absolute);
  if (img->parent.name == NULL || vhdx_guid_is_zero (&vhdx->linkage))
    return image_damaged (error, img, _ ("it does not name its parent"));
  img->parent.check_state = TRUE;
  memcpy (img->parent.identity.state, vhdx->linkage.bytes, 16);
  return TRUE;
}

typedef struct
{
  VhdxItem parameters, size, page83, logical, parent;
} Items;

/* All that is required is known; nothing lies outside. */
static gboolean
collect_items (Image *img, Items *items, GError **error)
{
  const struct
  {
    const VhdxGuid *guid;
    VhdxItem *item;
  } known[] = { { &vhdx_item_parameters, &items->parameters },
                { &vhdx_item_size, &items->size },
                { &vhdx_item_page83, &items->page83 },
                { &vhdx_item_logical, &items->logical },
                { &vhdx_item_physical, NULL },
                { &vhdx_item_parent, &items->parent } };
  const Vhdx *vhdx = img->state;
  g_autofree uint8_t *bytes = g_malloc (VHDX_METADATA_TABLE);
  const VhdxMetadata *metadata = (const VhdxMetadata *) bytes;
  const VhdxItem *entries = (const VhdxItem *) (metadata + 1);

  if (!image_pread (img, vhdx->metadata_offset, bytes, VHDX_METADATA_TABLE, error))
    return FALSE;
  if (memcmp (metadata->signature, "metadata", 8) != 0 || metadata->count > VHDX_METADATA_MAX)
    return image_damaged (error, img, _ ("its metadata are not whole"));
  for (unsigned i = 0; i < metadata->count; i++)
    {
      const VhdxItem *item = &entries[i];
      size_t which = 0;

      if (item->length > 0
          && (item->offset < VHDX_METADATA_TABLE || item->offset > vhdx->metadata_length
              || item->length > vhdx->metadata_length - item->offset))
        return image_damaged (error, img, _ ("its metadata are not whole"));
      while (which < G_N_ELEMENTS (known) && !is_item (item, known[which].guid))
        which++;
      if (which == G_N_ELEMENTS (known) && item->flags & VHDX_ITEM_REQUIRED)
        return image_unsupported (error, img, _ ("it has metadata of an unknown kind"));
      if (which < G_N_ELEMENTS (known) && known[which].item != NULL)
        *known[which].item = *item;
    }
  return TRUE;
}

static gboolean
read_metadata (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  Items items = { 0 };
  VhdxFileParameters parameters;
  uint64_t size;

  if (!collect_items (img, &items, error) || !read_item (img, &items.parameters, &parameters, sizeof parameters, error)
      || !read_item (img, &items.size, &size, sizeof size, error)
      || !read_item (img, &items.logical, &vhdx->sector_size, sizeof vhdx->sector_size, error))
    return FALSE;
  if (items.page83.length >= 16 && !read_item (img, &items.page83, img->identity.uuid, 16, error))
    return FALSE;
  vhdx->size_at = vhdx->metadata_offset + items.size.offset;
  vhdx->block_size = parameters.block_size;
  vhdx->has_parent = (parameters.flags & VHDX_FILE_HAS_PARENT) != 0;
  if (vhdx->block_size < VHDX_MIB || vhdx->block_size > VHDX_BLOCK_MAX
      || (vhdx->block_size & (vhdx->block_size - 1)) != 0)
    return image_damaged (error, img, _ ("blocks of %u bytes"), vhdx->block_size);
  if (vhdx->sector_size == 4096)
    return image_unsupported (error, img, _ ("disks with sectors of 4096 bytes are not supported"));
  if (vhdx->sector_size != SECTOR_SIZE)
    return image_damaged (error, img, _ ("sectors of %u bytes"), vhdx->sector_size);
  if (size == 0 || size % SECTOR_SIZE != 0 || size > IMAGE_SIZE_MAX)
    return image_damaged (error, img, _ ("a disk of %llu bytes"), (unsigned long long) size);
  img->size = size;
  vhdx->ratio = VHDX_BITMAP_SECTORS * SECTOR_SIZE / vhdx->block_size;
  vhdx->blocks = (size + vhdx->block_size - 1) / vhdx->block_size;
  vhdx->entries = vhdx_count_entries (vhdx, vhdx->blocks);
  if (vhdx->entries > vhdx->table_length / 8)
    return image_damaged (error, img, _ ("the block map has no room for %llu blocks"),
                          (unsigned long long) vhdx->blocks);
  img->variant = vhdx->has_parent ? "differencing" : parameters.flags & VHDX_FILE_FIXED ? "fixed" : "dynamic";
  img->unit = vhdx->has_parent ? SECTOR_SIZE : vhdx->block_size;
  return !vhdx->has_parent || find_parent (img, &items.parent, error);
}

static void
vhdx_free (Vhdx *vhdx)
{
  table_cache_free (vhdx->tables);
  g_mutex_clear (&vhdx->log_lock);
  g_free (vhdx);
}

gboolean
vhdx_open (Image *img, GError **error)
{
  Vhdx *vhdx = g_new0 (Vhdx, 1);

  img->state = vhdx;
  g_mutex_init (&vhdx->log_lock);
  if (!read_header (img, error) || !check_log (img, error) || !read_regions (img, error) || !read_metadata (img, error))
    {
      vhdx_free (vhdx);
      img->state = NULL;
      return FALSE;
    }
  memcpy (img->identity.state, vhdx->header.data_write.bytes, 16);
  vhdx->end = (img->file->size + VHDX_MIB - 1) / VHDX_MIB * VHDX_MIB;
  vhdx->tables = table_cache_new (img, VHDX_LOG_SECTOR, CACHE_SIZE, vhdx_log_write);
  return TRUE;
}

/* An image that is closed properly needs no log. */
gboolean
vhdx_rest (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  VhdxHeader header;

  if (vhdx->changed && !table_cache_flush (vhdx->tables, error))
    return FALSE;
  header = vhdx->header;
  memset (&header.log, 0, sizeof header.log);
  if (!vhdx_guid_is_zero (&vhdx->header.log) && !vhdx_write_header (img, &header, error))
    return FALSE;
  vhdx->changed = FALSE;
  return TRUE;
}

void
vhdx_close (Image *img)
{
  g_autoptr (GError) error = NULL;

  if (!vhdx_rest (img, &error))
    g_warning ("%s", error->message);
  vhdx_free (img->state);
}
