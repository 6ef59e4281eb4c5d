/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VHD: new images, finding the parent, changing the size, checking. */

#include "storage/disk/vhd-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum
{
  HEADER_OFFSET = VHD_FOOTER,
  TABLE_OFFSET = HEADER_OFFSET + 1024,
  LOCATOR_MAX = 65536,
  TABLE_CHUNK = 16384
};

static uint64_t
round_up (uint64_t value, uint64_t unit)
{
  return (value + unit - 1) / unit * unit;
}

static uint32_t
vhd_time (gint64 seconds)
{
  return GUINT32_TO_BE ((uint32_t)MAX (seconds - VHD_EPOCH, 0));
}

/* Creating */

/* The word of Hyper-V's tools: all who know different ways of finding the disk's size take it from the footer then. */
static void
set_creator (VhdFooter *footer)
{
  memcpy (footer->creator_application, "win ", 4);
  memcpy (footer->creator_host_os, "Wi2k", 4);
  footer->creator_version = GUINT32_TO_BE (0x000a0000);
}

static void
fill_footer (VhdFooter *footer, uint32_t type, const ImageCreate *options)
{
  uint8_t *uuid = footer->unique_id, swapped;

  *footer = (VhdFooter){ .cookie = "conectix",
                         .features = GUINT32_TO_BE (VHD_FEATURES),
                         .version = GUINT32_TO_BE (VHD_VERSION),
                         .data_offset = GUINT64_TO_BE (type == VHD_FIXED ? VHD_NO_OFFSET : HEADER_OFFSET),
                         .time_stamp = vhd_time (g_get_real_time () / G_USEC_PER_SEC),
                         .original_size = GUINT64_TO_BE (options->size),
                         .disk_type = GUINT32_TO_BE (type) };
  set_creator (footer);
  vhd_set_size (footer, options->size);
  if (options->identity != NULL)
    memcpy (uuid, options->identity->uuid, 16);
  else
    {
      image_new_uuid (uuid);
      /* The version is in the most significant byte, which comes first here. */
      swapped = uuid[6];
      uuid[6] = uuid[7];
      uuid[7] = swapped;
    }
  vhd_seal_footer (footer);
}

/* What the header says of the parent; the text of a locator, in Windows' manner, goes to @at. */
static gboolean
describe_parent (Image *img, const ImageCreate *options, VhdHeader *header, uint64_t at, uint64_t *locator_end,
                 GError **error)
{
  gboolean absolute = g_path_is_absolute (options->base_name);
  g_autofree char *plain = g_strconcat (absolute ? "" : ".\\", options->base_name, NULL),
                  *windows = g_strdelimit (g_strdup (plain), "/", '\\');
  glong count = 0, name_count = 0;
  g_autofree gunichar2 *text = g_utf8_to_utf16 (windows, -1, NULL, &count, NULL),
                       *name = g_utf8_to_utf16 (options->base_name, -1, NULL, &name_count, NULL);
  struct stat info;

  if (!g_str_equal (options->base->format->name, "vhd"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("cannot create “%s”: a VHD image can only be based on another VHD image"), img->path);
      return FALSE;
    }
  if (text == NULL || name == NULL || count * 2 > LOCATOR_MAX)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _ ("cannot create “%s”: the name of “%s” cannot be written in Unicode, or is too long"), img->path,
                   options->base_name);
      return FALSE;
    }
  for (glong i = 0; i < count; i++)
    text[i] = GUINT16_TO_LE (text[i]);
  for (glong i = 0; i < MIN (name_count, 255); i++)
    header->parent_name[i] = GUINT16_TO_BE (name[i]);
  memcpy (header->parent_id, options->base->identity.uuid, 16);
  if (fstat (options->base->file->fd, &info) == 0)
    header->parent_time_stamp = vhd_time (info.st_mtime);
  memcpy (header->locators[0].platform_code, absolute ? "W2ku" : "W2ru", 4);
  *locator_end = round_up (at + (uint64_t)count * 2, SECTOR_SIZE);
  header->locators[0].data_space = GUINT32_TO_BE ((uint32_t)(*locator_end - at));
  header->locators[0].data_length = GUINT32_TO_BE ((uint32_t)count * 2);
  header->locators[0].data_offset = GUINT64_TO_BE (at);
  return image_pwrite (img, at, text, (size_t)count * 2, error);
}

static gboolean
create_sparse (Image *img, const ImageCreate *options, GError **error)
{
  uint32_t entries = (uint32_t)((options->size + VHD_BLOCK_SIZE - 1) / VHD_BLOCK_SIZE);
  uint64_t end = round_up (TABLE_OFFSET + (uint64_t)entries * 4, SECTOR_SIZE);
  size_t table_bytes = (size_t)(end - TABLE_OFFSET);
  g_autofree uint8_t *table = g_malloc (table_bytes);
  VhdFooter footer;
  VhdHeader header = { .cookie = "cxsparse",
                       .data_offset = GUINT64_TO_BE (VHD_NO_OFFSET),
                       .table_offset = GUINT64_TO_BE (TABLE_OFFSET),
                       .header_version = GUINT32_TO_BE (VHD_VERSION),
                       .table_entries = GUINT32_TO_BE (entries),
                       .block_size = GUINT32_TO_BE (VHD_BLOCK_SIZE) };

  memset (table, 0xff, table_bytes);
  fill_footer (&footer, options->base != NULL ? VHD_DIFFERENCING : VHD_DYNAMIC, options);
  if (!image_pwrite (img, TABLE_OFFSET, table, table_bytes, error)
      || (options->base != NULL && !describe_parent (img, options, &header, end, &end, error)))
    return FALSE;
  vhd_seal_header (&header);
  return image_pwrite (img, HEADER_OFFSET, &header, sizeof header, error)
         && image_pwrite (img, 0, &footer, sizeof footer, error)
         && image_pwrite (img, end, &footer, sizeof footer, error);
}

gboolean
vhd_create (Image *img, const ImageCreate *options, GError **error)
{
  VhdFooter footer;

  if (!g_str_equal (options->variant, "fixed"))
    return create_sparse (img, options, error);
  if (options->base != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("cannot create “%s”: a fixed image cannot be based on another"), img->path);
      return FALSE;
    }
  fill_footer (&footer, VHD_FIXED, options);
  return image_file_allocate (img->file, 0, options->size, error)
         && image_pwrite (img, options->size, &footer, sizeof footer, error);
}

/* The parent */

/* Caller frees; NULL when it is no text. */
static char *
take_text (const void *bytes, size_t length, gboolean big_endian)
{
  g_autofree gunichar2 *text = g_malloc0 (length + 2);
  size_t count = length / 2;

  memcpy (text, bytes, count * 2);
  for (size_t i = 0; i < count; i++)
    text[i] = big_endian ? GUINT16_FROM_BE (text[i]) : GUINT16_FROM_LE (text[i]);
  return g_utf16_to_utf8 (text, -1, NULL, NULL, NULL);
}

/* Caller frees; NULL when there is none of that kind. */
static char *
read_locator (Image *img, const VhdHeader *header, const char *code)
{
  for (int i = 0; i < VHD_LOCATORS; i++)
    {
      const VhdLocator *locator = &header->locators[i];
      uint32_t length = GUINT32_FROM_BE (locator->data_length);
      uint64_t at = GUINT64_FROM_BE (locator->data_offset);
      g_autofree uint8_t *bytes = NULL;

      if (memcmp (locator->platform_code, code, 4) != 0 || length == 0 || length > LOCATOR_MAX || at > img->file->size
          || length > img->file->size - at)
        continue;
      bytes = g_malloc (length);
      if (image_pread (img, at, bytes, length, NULL))
        return take_text (bytes, length, FALSE);
    }
  return NULL;
}

static gboolean
exists (const Image *img, const char *name)
{
  g_autofree char *path = g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (img->folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

/* A name as it is, with Windows' separators turned, or without its folders: the first that exists. */
static char *
try_name (const Image *img, const char *name)
{
  g_autofree char *turned = NULL;
  const char *last;

  if (name == NULL || *name == '\0')
    return NULL;
  if (exists (img, name))
    return g_strdup (name);
  turned = g_strdelimit (g_strdup (g_str_has_prefix (name, ".\\") ? name + 2 : name), "\\", '/');
  if (exists (img, turned))
    return g_steal_pointer (&turned);
  last = strrchr (turned, '/');
  return last != NULL && last[1] != '\0' && exists (img, last + 1) ? g_strdup (last + 1) : NULL;
}

/* Fills img->parent and the end of what the header refers to. */
gboolean
vhd_find_parent (Image *img, Vhd *vhd, GError **error)
{
  static const uint8_t none[16];
  const VhdHeader *header = &vhd->header;
  g_autofree char *relative = read_locator (img, header, "W2ru"), *absolute = read_locator (img, header, "W2ku"),
                  *name = take_text (header->parent_name, sizeof header->parent_name, TRUE);
  const char *const names[] = { relative, name, absolute };

  for (int i = 0; i < VHD_LOCATORS; i++)
    {
      uint64_t at = GUINT64_FROM_BE (header->locators[i].data_offset);
      uint32_t length = GUINT32_FROM_BE (header->locators[i].data_length);

      if (header->locators[i].platform_code[0] == '\0')
        continue;
      if (at > img->file->size || length > img->file->size - at)
        return image_damaged (error, img, _ ("a name of its parent lies outside the file"));
      vhd->end = MAX (vhd->end, at + length);
    }
  img->parent.wanted = TRUE;
  memcpy (img->parent.identity.uuid, header->parent_id, 16);
  img->parent.check_uuid = memcmp (header->parent_id, none, 16) != 0;
  for (size_t i = 0; i < G_N_ELEMENTS (names) && img->parent.name == NULL; i++)
    img->parent.name = try_name (img, names[i]);
  /* None is there: the UUID may find it, under another name. */
  if (img->parent.name == NULL && !img->parent.check_uuid)
    img->parent.name = g_strdup (name != NULL && *name != '\0' ? name : "?");
  return TRUE;
}

/* Resizing */

static gboolean
write_footers (Image *img, uint64_t size, GError **error)
{
  Vhd *vhd = img->state;
  VhdFooter footer = vhd->footer;

  set_creator (&footer);
  vhd_set_size (&footer, size);
  vhd_seal_footer (&footer);
  if (!image_pwrite (img, vhd->end, &footer, sizeof footer, error)
      || (vhd->tables != NULL && !image_pwrite (img, 0, &footer, sizeof footer, error)) || !image_sync (img, error))
    return FALSE;
  vhd->footer = footer;
  return TRUE;
}

/* A longer table goes to the end of the file; the header then tells of it. */
static gboolean
move_table (Image *img, uint32_t entries, GError **error)
{
  Vhd *vhd = img->state;
  VhdHeader header = vhd->header;
  uint64_t at = vhd->end, bytes = round_up ((uint64_t)entries * 4, SECTOR_SIZE), old = (uint64_t)vhd->entries * 4;
  g_autofree uint8_t *table = NULL, *whole = NULL;

  if (bytes > VHD_TABLE_MAX)
    return image_unsupported (error, img, _ ("its block map would be too large"));
  table = g_malloc (bytes);
  memset (table, 0xff, bytes);
  if (!image_pread (img, vhd->table_offset, table, (size_t)old, error) || !image_file_truncate (img->file, at, error)
      || !image_pwrite (img, at, table, bytes, error)
      || !image_pwrite (img, at + bytes, &vhd->footer, sizeof vhd->footer, error) || !image_sync (img, error))
    return FALSE;
  header.table_offset = GUINT64_TO_BE (at);
  header.table_entries = GUINT32_TO_BE (entries);
  vhd_seal_header (&header);
  /* All that changes is in the first sector, which is written or not. */
  if (!image_pwrite (img, GUINT64_FROM_BE (vhd->footer.data_offset), &header, SECTOR_SIZE, error)
      || !image_sync (img, error))
    return FALSE;
  whole = g_malloc0 (entries / 8 + 1);
  memcpy (whole, vhd->whole, vhd->entries / 8 + 1);
  g_free (vhd->whole);
  vhd->whole = g_steal_pointer (&whole);
  vhd->header = header;
  vhd->table_offset = at;
  vhd->entries = entries;
  vhd->data_start = vhd->end = at + bytes;
  return TRUE;
}

/* Blocks from @first on lose their places, and the space goes back: what is at the end of the file, at once. */
static gboolean
drop_blocks (Image *img, uint32_t first, GError **error)
{
  Vhd *vhd = img->state;
  uint64_t end = vhd->data_start;
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (uint64_t));

  for (uint32_t i = 0; i < vhd->entries; i++)
    {
      uint64_t place;

      if (!vhd_find_block (img, i, &place, error))
        return FALSE;
      if (i < first && place != 0)
        end = MAX (end, place + vhd_stride (vhd));
      if (i < first)
        continue;
      if (place != 0 && !vhd_set_block (img, i, 0, error))
        return FALSE;
      vhd->whole[i / 8] &= (uint8_t) ~(1u << (i % 8));
      if (place != 0)
        g_array_append_val (places, place);
    }
  if (!table_cache_flush (vhd->tables, error))
    return FALSE;
  for (unsigned i = 0; i < places->len; i++)
    image_file_punch (img->file, g_array_index (places, uint64_t, i), vhd_stride (vhd));
  if (end == vhd->end)
    return TRUE;
  vhd->end = end;
  return image_pwrite (img, end, &vhd->footer, sizeof vhd->footer, error) && image_sync (img, error)
         && image_file_truncate (img->file, end + VHD_FOOTER, error);
}

gboolean
vhd_resize (Image *img, uint64_t size, GError **error)
{
  Vhd *vhd = img->state;
  uint64_t old = img->size, block = vhd->block_size, zero_end;
  uint32_t needed;

  /* Its only footer lies where the disk would go on: there is no moment at which the file could change from the one
   * to the other. It is made anew. */
  if (vhd->tables == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot resize “%s” in its place"), img->path);
      return FALSE;
    }
  needed = (uint32_t)((size + block - 1) / block);
  if (size < old)
    {
      if (!write_footers (img, size, error) || !drop_blocks (img, needed, error))
        return FALSE;
      img->size = size;
      return TRUE;
    }
  if (!drop_blocks (img, (uint32_t)((old + block - 1) / block), error)
      || (needed > vhd->entries && !move_table (img, needed, error)))
    return FALSE;
  /* What the last block holds beyond the old end, and what the parent has there, must not appear. */
  zero_end = MIN (size, MAX (round_up (old, block), img->base != NULL ? img->base->size : 0));
  if (zero_end > old && (!vhd_discard (img, old, zero_end - old, error) || !table_cache_flush (vhd->tables, error)))
    return FALSE;
  if (!write_footers (img, size, error))
    return FALSE;
  img->size = size;
  return TRUE;
}

/* Checking */

typedef struct
{
  uint32_t block;
  uint64_t place;
} Placed;

static int
compare_placed (const void *a, const void *b)
{
  const Placed *first = a, *second = b;

  return first->place < second->place ? -1 : first->place > second->place;
}

/* Gives @block a place of its own, with the same in it. */
static gboolean
copy_block (Image *img, const Placed *placed, GError **error)
{
  Vhd *vhd = img->state;
  uint64_t stride = vhd_stride (vhd), at = vhd->end;

  if (!vhd_begin_block (img, at, 0, error) || !image_file_copy (img->file, placed->place, at, stride, error))
    return FALSE;
  vhd->end = at + stride;
  return vhd_set_block (img, placed->block, at, error);
}

static gboolean
check_places (Image *img, GArray *placed, gboolean repair, ImageReport *report, GError **error)
{
  Vhd *vhd = img->state;
  uint64_t covered = 0;

  g_array_sort (placed, compare_placed);
  for (unsigned i = 0; i < placed->len; i++)
    {
      const Placed *p = &g_array_index (placed, Placed, i);

      if (p->place < covered)
        {
          image_report (report, &report->errors, _ ("block %u overlaps another"), p->block);
          if (!repair)
            continue;
          if (!copy_block (img, p, error))
            return FALSE;
          report->repaired++;
          continue;
        }
      covered = p->place + vhd_stride (vhd);
    }
  return TRUE;
}

static gboolean
check_blocks (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Vhd *vhd = img->state;
  g_autoptr (GArray) placed = g_array_new (FALSE, FALSE, sizeof (Placed));
  uint64_t stride = vhd_stride (vhd), header = GUINT64_FROM_BE (vhd->footer.data_offset),
           table_end = vhd->table_offset + (uint64_t)vhd->entries * 4;

  for (uint32_t i = 0; i < vhd->entries; i++)
    {
      Placed p = { i, 0 };
      gboolean outside;

      if (!vhd_find_block (img, i, &p.place, error))
        return FALSE;
      if (p.place == 0)
        continue;
      outside = p.place > img->file->size || stride > img->file->size - p.place;
      if (!outside && p.place >= VHD_FOOTER && !(p.place < header + sizeof vhd->header && header < p.place + stride)
          && !(p.place < table_end && vhd->table_offset < p.place + stride))
        {
          g_array_append_val (placed, p);
          report->allocated
              += MIN (img->size, (i + 1) * (uint64_t)vhd->block_size) - MIN (img->size, i * (uint64_t)vhd->block_size);
          continue;
        }
      image_report (
          report, &report->errors,
          outside ? _ ("block %u lies outside the file") : _ ("block %u overlaps the header or the block map"), i);
      if (repair)
        {
          if (!vhd_set_block (img, i, 0, error))
            return FALSE;
          report->repaired++;
        }
    }
  return check_places (img, placed, repair, report, error);
}

/* The footer behind all, and what is still behind that. */
static gboolean
check_end (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Vhd *vhd = img->state;
  VhdFooter tail;
  uint64_t length, faults = report->errors + report->leaks;

  if (!image_file_length (img->file, &length, error) || !image_pread (img, vhd->end, &tail, sizeof tail, error))
    return FALSE;
  if (length > vhd->end + VHD_FOOTER)
    image_report (report, &report->leaks, _ ("%llu bytes at the end are not in use"),
                  (unsigned long long)(length - vhd->end - VHD_FOOTER));
  else if (memcmp (&tail, &vhd->footer, sizeof tail) != 0)
    image_report (report, &report->errors, _ ("the footer is missing at the end"));
  faults = report->errors + report->leaks - faults;
  if (!repair || faults == 0)
    return TRUE;
  report->repaired += faults;
  return image_pwrite (img, vhd->end, &vhd->footer, sizeof vhd->footer, error)
         && image_file_truncate (img->file, vhd->end + VHD_FOOTER, error);
}

gboolean
vhd_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Vhd *vhd = img->state;

  if (vhd->tables == NULL)
    {
      report->allocated = img->size;
      return TRUE;
    }
  return check_blocks (img, repair, report, error) && check_end (img, repair, report, error)
         && (!repair || table_cache_flush (vhd->tables, error));
}
