/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHDX: new images, changing the size, checking. */

#include "storage/disk/claims.h"
#include "storage/disk/vhdx-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

enum
{
  LOG_OFFSET = 1 << 20,
  LOG_LENGTH = 1 << 20,
  METADATA_OFFSET = 2 << 20,
  METADATA_LENGTH = 1 << 20,
  TABLE_OFFSET = 3 << 20,
  BLOCK = 32 << 20,
  BLOCK_DIFFERENCING = 2 << 20,
  TABLE_CHUNK = 131072 /* entries */
};

static uint64_t
round_up (uint64_t value, uint64_t unit)
{
  return (value + unit - 1) / unit * unit;
}

/* Creating */

static void
add_item (uint8_t *metadata, const VhdxGuid *guid, uint32_t flags, const void *data, uint32_t length)
{
  VhdxMetadata *head = (VhdxMetadata *) metadata;
  VhdxItem *items = (VhdxItem *) (head + 1);
  uint32_t offset = VHDX_METADATA_TABLE;

  for (unsigned i = 0; i < head->count; i++)
    offset = MAX (offset, (uint32_t) round_up (items[i].offset + items[i].length, 8));
  items[head->count++] = (VhdxItem) { .guid = *guid, .offset = offset, .length = length, .flags = flags };
  memcpy (metadata + offset, data, length);
}

/* Keys and values in UTF-16 behind the entries. Caller frees; NULL: a value is no Unicode, or too long. */
static GByteArray *
make_locator (const char *const pairs[][2], uint16_t count)
{
  GByteArray *bytes = g_byte_array_new ();
  VhdxLocator head = { .type = vhdx_locator_type, .count = count };

  g_byte_array_append (bytes, (const guint8 *) &head, sizeof head);
  g_byte_array_set_size (bytes, (guint) (sizeof head + count * sizeof (VhdxLocatorEntry)));
  for (unsigned i = 0; i < count; i++)
    {
      VhdxLocatorEntry entry = { 0 };

      for (int j = 0; j < 2; j++)
        {
          gsize length;
          g_autofree char *text = g_convert (pairs[i][j], -1, "UTF-16LE", "UTF-8", NULL, &length, NULL);

          if (text == NULL || length > G_MAXUINT16)
            {
              g_byte_array_unref (bytes);
              return NULL;
            }
          *(j == 0 ? &entry.key_offset : &entry.value_offset) = bytes->len;
          *(j == 0 ? &entry.key_length : &entry.value_length) = (uint16_t) length;
          g_byte_array_append (bytes, (const guint8 *) text, (guint) length);
        }
      memcpy (bytes->data + sizeof head + i * sizeof entry, &entry, sizeof entry);
    }
  return bytes;
}

static gboolean
add_parent (Image *img, const ImageCreate *options, uint8_t *metadata, GError **error)
{
  VhdxGuid linkage;
  gboolean absolute = g_path_is_absolute (options->base_name);
  g_autofree char *guid = NULL,
                  *windows = g_strdelimit (g_strconcat (absolute ? "" : ".\\", options->base_name, NULL), "/", '\\');
  const char *pairs[2][2]
      = { { "parent_linkage", NULL }, { absolute ? "absolute_win32_path" : "relative_path", windows } };
  g_autoptr (GByteArray) locator = NULL;

  if (!g_str_equal (options->base->format->name, "vhdx"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("cannot create “%s”: a VHDX image can only be based on another VHDX image"), img->path);
      return FALSE;
    }
  memcpy (linkage.bytes, options->base->identity.state, sizeof linkage.bytes);
  pairs[0][1] = guid = vhdx_guid_text (&linkage);
  locator = make_locator ((const char *const(*)[2]) pairs, G_N_ELEMENTS (pairs));
  if (locator == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _ ("cannot create “%s”: the name of “%s” cannot be written in Unicode, or is too long"), img->path,
                   options->base_name);
      return FALSE;
    }
  add_item (metadata, &vhdx_item_parent, VHDX_ITEM_REQUIRED, locator->data, locator->len);
  return TRUE;
}

static gboolean
write_metadata (Image *img, const ImageCreate *options, uint32_t block, GError **error)
{
  g_autofree uint8_t *metadata = g_malloc0 (METADATA_LENGTH);
  VhdxFileParameters parameters = { .block_size = block };
  uint32_t logical = SECTOR_SIZE, physical = 4096, required = VHDX_ITEM_REQUIRED;
  VhdxGuid page83;

  if (g_str_equal (options->variant, "fixed"))
    parameters.flags |= VHDX_FILE_FIXED;
  if (options->base != NULL)
    parameters.flags |= VHDX_FILE_HAS_PARENT;
  if (options->identity != NULL)
    memcpy (page83.bytes, options->identity->uuid, sizeof page83.bytes);
  else
    image_new_uuid (page83.bytes);
  memcpy (((VhdxMetadata *) metadata)->signature, "metadata", 8);
  add_item (metadata, &vhdx_item_parameters, required, &parameters, sizeof parameters);
  required |= VHDX_ITEM_DISK;
  add_item (metadata, &vhdx_item_size, required, &options->size, sizeof options->size);
  add_item (metadata, &vhdx_item_page83, required, &page83, sizeof page83);
  add_item (metadata, &vhdx_item_logical, required, &logical, sizeof logical);
  add_item (metadata, &vhdx_item_physical, required, &physical, sizeof physical);
  if (options->base != NULL && !add_parent (img, options, metadata, error))
    return FALSE;
  return image_pwrite (img, METADATA_OFFSET, metadata, METADATA_LENGTH, error);
}

/* Both copies of the list of regions. */
static void
make_regions (uint8_t *bytes, uint64_t table_offset, uint32_t table_length)
{
  VhdxRegions *regions = (VhdxRegions *) bytes;
  VhdxRegion *entries = (VhdxRegion *) (regions + 1);

  memset (bytes, 0, VHDX_REGIONS_SIZE);
  memcpy (regions->signature, "regi", 4);
  regions->count = 2;
  entries[0] = (VhdxRegion) {
    .guid = vhdx_table_region, .offset = table_offset, .length = table_length, .flags = VHDX_REQUIRED
  };
  entries[1] = (VhdxRegion) {
    .guid = vhdx_metadata_region, .offset = METADATA_OFFSET, .length = METADATA_LENGTH, .flags = VHDX_REQUIRED
  };
  regions->checksum = vhdx_crc (bytes, VHDX_REGIONS_SIZE);
}

static gboolean
write_headers (Image *img, const ImageCreate *options, uint32_t table_length, GError **error)
{
  static const gunichar2 creator[] = { 'B', 'u', 'n', 's', 'h', 'i', 'n', 0 };
  g_autofree uint8_t *regions = g_malloc (VHDX_REGIONS_SIZE);
  VhdxHeader h
      = { .signature = { 'h', 'e', 'a', 'd' }, .version = 1, .log_length = LOG_LENGTH, .log_offset = LOG_OFFSET };

  image_new_uuid (h.file_write.bytes);
  image_new_uuid (h.data_write.bytes);
  if (options->identity != NULL)
    memcpy (h.data_write.bytes, options->identity->state, sizeof h.data_write.bytes);
  make_regions (regions, TABLE_OFFSET, table_length);
  for (unsigned i = 0; i < 2; i++)
    {
      h.sequence = i + 1;
      h.checksum = 0;
      h.checksum = vhdx_crc (&h, sizeof h);
      if (!image_pwrite (img, i == 0 ? VHDX_HEADER_1 : VHDX_HEADER_2, &h, sizeof h, error)
          || !image_pwrite (img, i == 0 ? VHDX_REGIONS_1 : VHDX_REGIONS_2, regions, VHDX_REGIONS_SIZE, error))
        return FALSE;
    }
  return image_pwrite (img, 0, "vhdxfile", 8, error) && image_pwrite (img, 8, creator, sizeof creator, error);
}

/* All blocks of a fixed image have their places, in order. */
static gboolean
place_all (Image *img, const Vhdx *layout, uint64_t at, GError **error)
{
  g_autofree uint64_t *entries = g_new (uint64_t, TABLE_CHUNK);

  for (uint64_t first = 0; first < layout->entries; first += TABLE_CHUNK)
    {
      size_t count = (size_t) MIN (TABLE_CHUNK, layout->entries - first);

      for (size_t i = 0; i < count; i++)
        {
          uint64_t index = first + i, chunk = index / (layout->ratio + 1);

          entries[i] = index % (layout->ratio + 1) == layout->ratio
                           ? 0
                           : (at + (index - chunk) * layout->block_size) | VHDX_FULLY_PRESENT;
        }
      if (!image_pwrite (img, TABLE_OFFSET + first * 8, entries, count * 8, error))
        return FALSE;
    }
  return image_file_allocate (img->file, at, layout->blocks * layout->block_size, error);
}

gboolean
vhdx_create (Image *img, const ImageCreate *options, GError **error)
{
  gboolean fixed = g_str_equal (options->variant, "fixed");
  Vhdx layout = { .has_parent = options->base != NULL, .block_size = BLOCK };
  uint64_t table_length;

  if (options->base != NULL && fixed)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("cannot create “%s”: a fixed image cannot be based on another"), img->path);
      return FALSE;
    }
  /* Small blocks share more with the parent; the table of a very large disk would be larger than is good. */
  if (options->base != NULL && options->size <= IMAGE_SIZE_MAX / 8)
    layout.block_size = BLOCK_DIFFERENCING;
  /* A small fixed disk takes no more than it is told. */
  if (fixed && options->size < 256 * (uint64_t) BLOCK)
    layout.block_size = VHDX_MIB;
  layout.ratio = VHDX_BITMAP_SECTORS * SECTOR_SIZE / layout.block_size;
  layout.blocks = (options->size + layout.block_size - 1) / layout.block_size;
  layout.entries = vhdx_count_entries (&layout, layout.blocks);
  table_length = round_up (layout.entries * 8, VHDX_MIB);
  return image_file_truncate (img->file, TABLE_OFFSET + table_length, error)
         && write_metadata (img, options, layout.block_size, error)
         && (!fixed || place_all (img, &layout, TABLE_OFFSET + table_length, error))
         && write_headers (img, options, (uint32_t) table_length, error);
}

/* Resizing */

static gboolean
flush (Image *img, GError **error)
{
  return table_cache_flush (((Vhdx *) img->state)->tables, error);
}

/* The page of the file with @at in it, changed there. */
static gboolean
load_page (Image *img, uint64_t at, uint8_t *page, TableCopy *copy, GError **error)
{
  copy->file = img->file;
  copy->at = at / VHDX_LOG_SECTOR * VHDX_LOG_SECTOR;
  copy->mirror = 0;
  copy->data = page;
  return image_pread (img, copy->at, page, VHDX_LOG_SECTOR, error);
}

/* The list of regions with another place for the table: its first page, which has the checksum of all. */
static gboolean
change_regions (Image *img, uint64_t table_offset, uint32_t table_length, uint8_t *page, GError **error)
{
  g_autofree uint8_t *bytes = g_malloc (VHDX_REGIONS_SIZE);
  VhdxRegions *regions = (VhdxRegions *) bytes;
  VhdxRegion *entries = (VhdxRegion *) (regions + 1);

  for (int i = 0; i < 2; i++)
    {
      if (!image_pread (img, i == 0 ? VHDX_REGIONS_1 : VHDX_REGIONS_2, bytes, VHDX_REGIONS_SIZE, error))
        return FALSE;
      if (vhdx_checksum (bytes, VHDX_REGIONS_SIZE, G_STRUCT_OFFSET (VhdxRegions, checksum)) == regions->checksum)
        break;
    }
  for (uint32_t i = 0; i < regions->count && i < VHDX_LOG_SECTOR / sizeof *entries - 1; i++)
    if (memcmp (&entries[i].guid, &vhdx_table_region, sizeof entries[i].guid) == 0)
      {
        entries[i].offset = table_offset;
        entries[i].length = table_length;
      }
  regions->checksum = vhdx_checksum (bytes, VHDX_REGIONS_SIZE, G_STRUCT_OFFSET (VhdxRegions, checksum));
  memcpy (page, bytes, VHDX_LOG_SECTOR);
  return TRUE;
}

/* The size, and with it where the table is, change at once: by the log. */
static gboolean
write_size (Image *img, uint64_t size, uint64_t table_offset, uint32_t table_length, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autofree uint8_t *pages = g_malloc (2 * VHDX_LOG_SECTOR);
  uint8_t *metadata = pages, *regions = pages + VHDX_LOG_SECTOR;
  TableCopy copies[3];
  size_t count = 1;

  if (!load_page (img, vhdx->size_at, metadata, &copies[0], error))
    return FALSE;
  memcpy (metadata + vhdx->size_at % VHDX_LOG_SECTOR, &size, sizeof size);
  if (table_offset != vhdx->table_offset)
    {
      if (!change_regions (img, table_offset, table_length, regions, error))
        return FALSE;
      copies[1] = (TableCopy) { img->file, VHDX_REGIONS_1, 0, regions };
      copies[2] = (TableCopy) { img->file, VHDX_REGIONS_2, 0, regions };
      count = 3;
    }
  if (!image_sync (img, error) || !vhdx_log_write (img, copies, count, error) || !image_sync (img, error))
    return FALSE;
  vhdx->table_offset = table_offset;
  vhdx->table_length = table_length;
  vhdx->blocks = (size + vhdx->block_size - 1) / vhdx->block_size;
  vhdx->entries = vhdx_count_entries (vhdx, vhdx->blocks);
  img->size = size;
  return TRUE;
}

/* Blocks from @first on, as far as the table goes now, lose their places, and the space goes back. */
static gboolean
drop_blocks (Image *img, uint64_t first, uint64_t end, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (uint64_t));

  for (uint64_t i = first; i < end && vhdx_entry_index (vhdx, i) < vhdx->table_length / 8; i++)
    {
      uint64_t entry, place;

      if (!vhdx_get_entry (img, vhdx_entry_index (vhdx, i), &entry, error))
        return FALSE;
      place = VHDX_PLACE (entry);
      if (entry == 0)
        continue;
      if (!vhdx_set_entry (img, vhdx_entry_index (vhdx, i), 0, error))
        return FALSE;
      if (place >= VHDX_MIB)
        g_array_append_val (places, place);
    }
  if (!flush (img, error))
    return FALSE;
  for (unsigned i = 0; i < places->len; i++)
    image_file_punch (img->file, g_array_index (places, uint64_t, i), vhdx->block_size);
  return TRUE;
}

static gboolean
copy_table (Image *img, uint64_t to, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autofree uint8_t *bytes = g_malloc (VHDX_MIB);

  for (uint64_t done = 0; done < vhdx->entries * 8; done += VHDX_MIB)
    {
      size_t some = (size_t) MIN (VHDX_MIB, vhdx->entries * 8 - done);

      if (!image_pread (img, vhdx->table_offset + done, bytes, some, error)
          || !image_pwrite (img, to + done, bytes, some, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
grow (Image *img, uint64_t size, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t old = img->size, blocks = (size + vhdx->block_size - 1) / vhdx->block_size, offset = vhdx->table_offset,
           length = round_up (vhdx_count_entries (vhdx, blocks) * 8, VHDX_MIB), zero_end;

  if (!drop_blocks (img, vhdx->blocks, blocks, error))
    return FALSE;
  if (length > vhdx->table_length)
    {
      if (length > G_MAXUINT32)
        return image_unsupported (error, img, _ ("its block map would be too large"));
      if (!vhdx_extend (img, length, &offset, error) || !copy_table (img, offset, error))
        return FALSE;
    }
  else
    length = vhdx->table_length;
  /* What the last block holds beyond the old end must not appear. */
  zero_end = MIN (size, round_up (old, vhdx->block_size));
  if (zero_end > old && !vhdx_discard (img, old, zero_end - old, error))
    return FALSE;
  if (!flush (img, error) || (offset != vhdx->table_offset && !copy_table (img, offset, error))
      || !write_size (img, size, offset, (uint32_t) length, error))
    return FALSE;
  /* Nor what the parent has there. */
  if (img->base == NULL || img->base->size <= zero_end || size <= zero_end)
    return TRUE;
  return vhdx_discard (img, zero_end, MIN (size, img->base->size) - zero_end, error) && flush (img, error);
}

gboolean
vhdx_resize (Image *img, uint64_t size, GError **error)
{
  Vhdx *vhdx = img->state;
  uint64_t blocks = vhdx->blocks;

  if (!vhdx_note_change (img, error))
    return FALSE;
  if (size > img->size)
    return grow (img, size, error);
  return write_size (img, size, vhdx->table_offset, vhdx->table_length, error)
         && drop_blocks (img, vhdx->blocks, blocks, error);
}

/* Checking */

typedef struct
{
  Image *img;
  Claims *claims;
  ImageReport *report;
  gboolean repair;
  uint64_t end; /* of what is in use */
} Check;

static gboolean
lies_in_file (const Check *check, uint64_t place, uint64_t length)
{
  uint64_t size = round_up (check->img->file->size, VHDX_MIB);

  return place >= VHDX_MIB && place <= size && length <= size - place;
}

/* Gives the block its own place, with the same in it. */
static gboolean
copy_block (Check *check, uint64_t index, uint64_t entry, uint64_t length, GError **error)
{
  uint64_t to;

  if (!vhdx_extend (check->img, length, &to, error)
      || !image_file_copy (check->img->file, VHDX_PLACE (entry), to, length, error))
    return FALSE;
  check->end = MAX (check->end, to + length);
  return vhdx_set_entry (check->img, index, to | VHDX_STATE (entry), error);
}

static gboolean
check_entry (Check *check, uint64_t index, gboolean bitmap, GError **error)
{
  const Vhdx *vhdx = check->img->state;
  uint64_t entry, length = bitmap ? VHDX_MIB : vhdx->block_size;
  unsigned state;

  if (!vhdx_get_entry (check->img, index, &entry, error))
    return FALSE;
  state = VHDX_STATE (entry);
  if (state != VHDX_FULLY_PRESENT && (bitmap || state != VHDX_PARTIALLY_PRESENT))
    {
      if (state != 4 && (!bitmap || state == 0))
        return TRUE;
      image_report (check->report, &check->report->errors, _ ("entry %llu of the block map is in state %u"),
                    (unsigned long long) index, state);
      check->report->repaired += check->repair;
      return !check->repair || vhdx_set_entry (check->img, index, 0, error);
    }
  if (!lies_in_file (check, VHDX_PLACE (entry), length))
    {
      image_report (check->report, &check->report->errors, _ ("entry %llu of the block map leads out of the file"),
                    (unsigned long long) index);
      check->report->repaired += check->repair;
      return !check->repair || vhdx_set_entry (check->img, index, 0, error);
    }
  check->end = MAX (check->end, VHDX_PLACE (entry) + length);
  if (claims_take (check->claims, VHDX_PLACE (entry), length))
    return TRUE;
  image_report (check->report, &check->report->errors, _ ("entry %llu of the block map overlaps something else"),
                (unsigned long long) index);
  check->report->repaired += check->repair;
  return !check->repair || copy_block (check, index, entry, length, error);
}

static gboolean
count_block (Check *check, uint64_t block, GError **error)
{
  const Vhdx *vhdx = check->img->state;
  uint64_t entry;

  if (!vhdx_get_entry (check->img, vhdx_entry_index (vhdx, block), &entry, error))
    return FALSE;
  if (VHDX_STATE (entry) >= VHDX_FULLY_PRESENT)
    check->report->allocated += MIN (vhdx->block_size, check->img->size - block * vhdx->block_size);
  return TRUE;
}

gboolean
vhdx_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Vhdx *vhdx = img->state;
  g_autoptr (Claims) claims = claims_new (0, VHDX_MIB);
  Check check = { img, claims, report, repair, vhdx->header.log_offset + vhdx->header.log_length };
  uint64_t length;

  if (repair && !vhdx_note_change (img, error))
    return FALSE;
  claims_take (claims, 0, VHDX_MIB);
  claims_take (claims, vhdx->header.log_offset, vhdx->header.log_length);
  claims_take (claims, vhdx->table_offset, vhdx->table_length);
  claims_take (claims, vhdx->metadata_offset, vhdx->metadata_length);
  check.end = MAX (check.end, vhdx->table_offset + vhdx->table_length);
  check.end = MAX (check.end, vhdx->metadata_offset + vhdx->metadata_length);
  for (uint64_t i = 0; i < vhdx->entries; i++)
    if (!check_entry (&check, i, i % (vhdx->ratio + 1) == vhdx->ratio, error))
      return FALSE;
  for (uint64_t i = 0; i < vhdx->blocks; i++)
    if (!count_block (&check, i, error))
      return FALSE;
  if (!image_file_length (img->file, &length, error))
    return FALSE;
  if (length > check.end)
    {
      image_report (report, &report->leaks, _ ("%llu bytes at the end are not in use"),
                    (unsigned long long) (length - check.end));
      report->repaired += repair;
    }
  if (!repair || !flush (img, error))
    return !repair;
  vhdx->end = check.end;
  return length <= check.end || image_file_truncate (img->file, check.end, error);
}
