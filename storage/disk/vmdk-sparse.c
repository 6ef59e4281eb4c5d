/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMDK: sparse extents, whose grains are found through tables found through a
 * directory, all of it twice.
 * Specification: VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents".
 *
 * New grains go to the end of the file. A flush makes data durable first, then the
 * tables: after a power cut nothing points at data that is not there.
 */

#include "storage/disk/vmdk-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

enum
{
  TABLE_PAGE = SECTOR_SIZE / 4, /* entries */
  FIXED_PLACES = 4              /* header, descriptor, two directories */
};

static uint64_t
round_up (uint64_t value, uint64_t unit)
{
  return (value + unit - 1) / unit * unit;
}

void
vmdk_extent_clear (VmdkExtent *extent)
{
  g_clear_pointer (&extent->directory, g_free);
  g_clear_pointer (&extent->redundant, g_free);
}

static gboolean
check_header (Image *img, VmdkExtent *extent, GError **error)
{
  const VmdkHeader *h = &extent->header;
  gboolean packed = (h->flags & VMDK_FLAG_COMPRESSED) != 0;

  if (h->magic == VMDK_COW_MAGIC)
    return image_unsupported (error, img, _ ("disks of ESX servers must be converted there first"));
  if (h->magic != VMDK_MAGIC)
    return image_damaged (error, img, _ ("“%s” is no sparse extent"), extent->file->path);
  if (h->version < 1 || h->version > 3)
    return image_damaged (error, img, _ ("version %u is not known"), h->version);
  if (h->flags & VMDK_FLAG_LINE_TEST && memcmp (h->line_test, "\n \r\n", 4) != 0)
    return image_damaged (error, img, _ ("“%s” was changed when it was copied as a text"), extent->file->path);
  if (h->grain_size == 0 || (h->grain_size & (h->grain_size - 1)) != 0
      || h->grain_size * SECTOR_SIZE > (packed ? VMDK_PACKED_GRAIN_MAX : VMDK_GRAIN_MAX)
      || h->grain_size > VMDK_GRAIN_MAX)
    return image_damaged (error, img, _ ("grains of %llu sectors"), (unsigned long long)h->grain_size);
  if (h->table_entries == 0 || h->table_entries > VMDK_TABLE_ENTRIES)
    return image_damaged (error, img, _ ("tables of %u grains"), h->table_entries);
  if (packed && (h->compress != VMDK_COMPRESS_DEFLATE || !(h->flags & VMDK_FLAG_MARKERS)))
    return image_unsupported (error, img, _ ("it is compressed in an unknown way"));
  if (h->capacity == 0 || h->capacity > IMAGE_SIZE_MAX / SECTOR_SIZE)
    return image_damaged (error, img, _ ("“%s” holds %llu sectors"), extent->file->path,
                          (unsigned long long)h->capacity);
  return TRUE;
}

/* Where the footer of a stream says that the directory is. */
static gboolean
read_footer (Image *img, VmdkExtent *extent, GError **error)
{
  struct
  {
    VmdkMarker marker;
    uint8_t rest[SECTOR_SIZE - sizeof (VmdkMarker)];
    VmdkHeader header;
  } end;
  uint64_t capacity = extent->header.capacity;

  if (extent->file->size < 4 * SECTOR_SIZE)
    return image_damaged (error, img, _ ("it ends early"));
  if (!image_file_read (extent->file, extent->file->size - 3 * SECTOR_SIZE, &end, sizeof end, error))
    return FALSE;
  if (end.marker.size != 0 || end.marker.type != VMDK_MARKER_FOOTER || end.header.magic != VMDK_MAGIC)
    return image_damaged (error, img, _ ("it ends without a footer: a part of it is missing"));
  extent->header = end.header;
  if (!check_header (img, extent, error))
    return FALSE;
  if (extent->header.capacity != capacity || extent->header.directory_offset == VMDK_DIRECTORY_AT_END)
    return image_damaged (error, img, _ ("header and footer do not agree"));
  return TRUE;
}

typedef struct
{
  uint64_t at, length; /* sectors */
} Place;

static int
compare_places (const void *a, const void *b)
{
  const Place *first = a, *second = b;

  return first->at < second->at ? -1 : first->at > second->at;
}

/* What else says where things are. A stream only grows: nothing of it is changed in its place. */
static uint32_t
fixed_places (const VmdkExtent *extent, Place *places)
{
  const VmdkHeader *h = &extent->header;
  uint64_t directory_sectors = ((uint64_t)extent->tables * 4 + SECTOR_SIZE - 1) / SECTOR_SIZE;
  uint32_t count = 0;

  if (extent->kind != VMDK_SPARSE)
    return 0;
  places[count++] = (Place){ 0, 1 };
  if (h->descriptor_offset != 0)
    places[count++] = (Place){ h->descriptor_offset, h->descriptor_size };
  places[count++] = (Place){ h->directory_offset, directory_sectors };
  if (extent->redundant != NULL)
    places[count++] = (Place){ h->redundant_offset, directory_sectors };
  return count;
}

/* Tables lie in the file, and none overlaps another, a directory, or the header. */
static gboolean
check_directory (Image *img, const VmdkExtent *extent, GError **error)
{
  uint32_t table_sectors = (extent->header.table_entries * 4 + SECTOR_SIZE - 1) / SECTOR_SIZE, count;
  g_autofree Place *places = g_new (Place, (size_t)extent->tables * 2 + FIXED_PLACES);

  count = fixed_places (extent, places);
  for (uint32_t i = 0; i < extent->tables; i++)
    for (int copy = 0; copy < (extent->redundant != NULL ? 2 : 1); copy++)
      {
        uint32_t sector = (copy ? extent->redundant : extent->directory)[i];
        uint64_t at = (uint64_t)sector * SECTOR_SIZE;

        if (sector <= VMDK_GTE_ZERO)
          continue;
        if (at > extent->file->size || extent->header.table_entries * 4 > extent->file->size - at)
          return image_damaged (error, img, _ ("table %u is said to be at %llu, which the file does not have"), i,
                                (unsigned long long)at);
        places[count++] = (Place){ sector, table_sectors };
      }
  qsort (places, count, sizeof *places, compare_places);
  for (uint32_t i = 1; i < count; i++)
    if (places[i].at - places[i - 1].at < places[i - 1].length)
      return image_damaged (error, img, _ ("two tables overlap"));
  return TRUE;
}

/* Caller frees; NULL with @error set. */
static uint32_t *
read_directory (Image *img, const VmdkExtent *extent, uint64_t sector, GError **error)
{
  size_t bytes = (size_t)extent->tables * 4;
  uint64_t size = extent->file->size;
  g_autofree uint32_t *directory = NULL;

  if (sector == 0 || sector > size / SECTOR_SIZE || bytes > size - sector * SECTOR_SIZE)
    {
      image_damaged (error, img, _ ("the directory at sector %llu lies outside the file"), (unsigned long long)sector);
      return NULL;
    }
  directory = g_malloc (bytes);
  return image_file_read (extent->file, sector * SECTOR_SIZE, directory, bytes, error) ? g_steal_pointer (&directory)
                                                                                       : NULL;
}

gboolean
vmdk_sparse_open (Image *img, VmdkExtent *extent, GError **error)
{
  VmdkHeader *h = &extent->header;
  uint64_t per_table, tables;

  if (!image_file_read (extent->file, 0, h, sizeof *h, error) || !check_header (img, extent, error)
      || (h->directory_offset == VMDK_DIRECTORY_AT_END && !read_footer (img, extent, error)))
    return FALSE;
  extent->kind = h->flags & VMDK_FLAG_COMPRESSED ? VMDK_PACKED : VMDK_SPARSE;
  extent->grain = (uint32_t)h->grain_size * SECTOR_SIZE;
  per_table = (uint64_t)extent->grain * h->table_entries;
  tables = (h->capacity * SECTOR_SIZE + per_table - 1) / per_table;
  if (tables * 4 > VMDK_DIRECTORY_MAX)
    return image_damaged (error, img, _ ("a directory of %llu tables"), (unsigned long long)tables);
  extent->tables = (uint32_t)tables;
  extent->directory = read_directory (img, extent, h->directory_offset, error);
  if (extent->directory == NULL)
    return FALSE;
  if (extent->kind == VMDK_SPARSE && h->flags & VMDK_FLAG_REDUNDANT && h->redundant_offset != 0)
    {
      extent->redundant = read_directory (img, extent, h->redundant_offset, error);
      if (extent->redundant == NULL)
        return FALSE;
    }
  extent->next = round_up (extent->file->size, SECTOR_SIZE);
  return check_directory (img, extent, error);
}

/* The map */

static gboolean
knows_zeros (const VmdkExtent *extent)
{
  return (extent->header.flags & VMDK_FLAG_ZERO_GRAIN) != 0;
}

/* Where the entry of @grain is: a page of its table and of the second copy. FALSE: it has no table. */
static gboolean
entry_page (const VmdkExtent *extent, uint64_t grain, uint64_t *at, uint64_t *mirror, unsigned *index)
{
  uint32_t table = (uint32_t)(grain / extent->header.table_entries),
           entry = (uint32_t)(grain % extent->header.table_entries);
  uint64_t within = (uint64_t)entry / TABLE_PAGE * SECTOR_SIZE;

  if (extent->directory[table] <= VMDK_GTE_ZERO)
    return FALSE;
  *index = entry % TABLE_PAGE;
  *at = (uint64_t)extent->directory[table] * SECTOR_SIZE + within;
  *mirror = extent->redundant != NULL && extent->redundant[table] > VMDK_GTE_ZERO
                ? (uint64_t)extent->redundant[table] * SECTOR_SIZE + within
                : 0;
  return TRUE;
}

gboolean
vmdk_sparse_find (Image *img, VmdkExtent *extent, uint64_t grain, uint32_t *sector, GError **error)
{
  Vmdk *vmdk = img->state;
  uint64_t at, mirror;
  unsigned index;
  const uint32_t *entries;

  if (!entry_page (extent, grain, &at, &mirror, &index))
    {
      *sector = extent->directory[grain / extent->header.table_entries];
      return TRUE;
    }
  entries = table_cache_read (vmdk->tables, extent->file, at, error);
  if (entries == NULL)
    return FALSE;
  *sector = entries[index];
  return TRUE;
}

gboolean
vmdk_sparse_set (Image *img, VmdkExtent *extent, uint64_t grain, uint32_t sector, GError **error)
{
  Vmdk *vmdk = img->state;
  uint64_t at = 0, mirror = 0;
  unsigned index = 0;
  gboolean has_table = entry_page (extent, grain, &at, &mirror, &index);
  uint32_t *entries;

  g_assert (has_table);
  entries = table_cache_change (vmdk->tables, extent->file, at, mirror, error);
  if (entries == NULL)
    return FALSE;
  entries[index] = sector;
  return TRUE;
}

/* How many grains from @grain on have @sector as their entry too: 0 or VMDK_GTE_ZERO. As far as the table tells. */
static gboolean
count_alike (Image *img, VmdkExtent *extent, uint64_t grain, uint32_t sector, uint64_t *count, GError **error)
{
  uint64_t left = extent->header.table_entries - grain % extent->header.table_entries;
  uint32_t next = sector;

  *count = left;
  if (extent->directory[grain / extent->header.table_entries] <= VMDK_GTE_ZERO)
    return TRUE;
  for (*count = 1; *count < left; ++*count)
    {
      if (!vmdk_sparse_find (img, extent, grain + *count, &next, error))
        return FALSE;
      if (next != sector)
        break;
    }
  return TRUE;
}

gboolean
vmdk_sparse_extent (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  uint64_t grain = offset / extent->grain, within = offset % extent->grain, at;
  uint32_t sector;

  if (!vmdk_sparse_find (img, extent, grain, &sector, error))
    return FALSE;
  *out = (ImageExtent){ .kind = IMAGE_UNALLOCATED, .length = extent->grain - within, .file = extent->file };
  if (sector == 0 || (sector == VMDK_GTE_ZERO && knows_zeros (extent)))
    {
      uint64_t count = 1;

      if (extent->grain - within < length && !count_alike (img, extent, grain, sector, &count, error))
        return FALSE;
      out->kind = sector == 0 ? IMAGE_UNALLOCATED : IMAGE_ZERO;
      out->length = count * extent->grain - within;
      return TRUE;
    }
  at = (uint64_t)sector * SECTOR_SIZE;
  /* The file may have grown since it was opened, but not beyond the next place. */
  if (at >= extent->next)
    return image_damaged (error, img, _ ("grain %llu is said to be at %llu, which the file does not have"),
                          (unsigned long long)grain, (unsigned long long)at);
  out->kind = extent->kind == VMDK_PACKED ? IMAGE_PACKED : IMAGE_DATA;
  out->at = extent->kind == VMDK_PACKED ? at : at + within;
  out->detail = grain;
  return TRUE;
}

/* Room at the end of the file, all zeros. */
static gboolean
extend (Image *img, VmdkExtent *extent, uint64_t length, uint64_t *at, GError **error)
{
  if ((extent->next + length) / SECTOR_SIZE > G_MAXUINT32)
    return image_damaged (error, img, _ ("“%s” would become larger than the format can tell"), extent->file->path);
  /* What an earlier failure left there goes. */
  if (!image_file_truncate (extent->file, extent->next, error)
      || !image_file_truncate (extent->file, extent->next + length, error))
    return FALSE;
  *at = extent->next;
  extent->next += length;
  return TRUE;
}

static gboolean
name_table (Image *img, VmdkExtent *extent, uint32_t *directory, uint64_t directory_sector, uint32_t table,
            GError **error)
{
  Vmdk *vmdk = img->state;
  uint64_t bytes = round_up (extent->header.table_entries * 4, SECTOR_SIZE), at = 0;
  uint32_t *entries;

  if (directory == NULL || directory[table] > VMDK_GTE_ZERO)
    return TRUE;
  /* A table of zeros may be named before anything is in it. */
  if (!extend (img, extent, bytes, &at, error))
    return FALSE;
  entries = table_cache_change (vmdk->tables, extent->file,
                          directory_sector * SECTOR_SIZE + (uint64_t)table / TABLE_PAGE * SECTOR_SIZE, 0, error);
  if (entries == NULL)
    return FALSE;
  directory[table] = entries[table % TABLE_PAGE] = (uint32_t)(at / SECTOR_SIZE);
  return TRUE;
}

/* A table for @grain, if it has none. */
static gboolean
begin_table (Image *img, VmdkExtent *extent, uint64_t grain, GError **error)
{
  uint32_t table = (uint32_t)(grain / extent->header.table_entries);

  if (extent->directory[table] == VMDK_GTE_ZERO)
    return image_unsupported (error, img, _ ("a whole table of zeros cannot be written to"));
  return name_table (img, extent, extent->directory, extent->header.directory_offset, table, error)
         && name_table (img, extent, extent->redundant, extent->header.redundant_offset, table, error);
}

gboolean
vmdk_sparse_reserve (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  uint64_t grain = offset / extent->grain, last = (offset + length - 1) / extent->grain,
           table_last = grain - grain % extent->header.table_entries + extent->header.table_entries - 1;

  last = MIN (last, table_last);
  if (!begin_table (img, extent, grain, error))
    return FALSE;
  /* Tables come in between; grains still begin where the host's blocks do. */
  extent->next = round_up (extent->next, MIN (extent->grain, VMDK_GRAIN));
  out->start = grain * extent->grain;
  out->length = (last - grain + 1) * extent->grain;
  out->file = extent->file;
  out->fresh = TRUE;
  return extend (img, extent, out->length, &out->at, error);
}

gboolean
vmdk_sparse_commit (Image *img, VmdkExtent *extent, uint64_t offset, const ImagePlace *place, GError **error)
{
  for (uint64_t done = 0; done < place->length; done += extent->grain)
    if (!vmdk_sparse_set (img, extent, (offset + done) / extent->grain, (uint32_t)((place->at + done) / SECTOR_SIZE),
                          error))
      return FALSE;
  return TRUE;
}

void
vmdk_sparse_release (VmdkExtent *extent, const ImagePlace *place)
{
  if (place->at + place->length == extent->next)
    extent->next = place->at;
}

/* With map_lock held. A grain that is to be zeros whatever lies below: by a word in its table, or a hole of its own. */
static gboolean
begin_zeros (Image *img, VmdkExtent *extent, uint64_t grain, GError **error)
{
  ImagePlace place = { 0 };

  if (knows_zeros (extent))
    return begin_table (img, extent, grain, error) && vmdk_sparse_set (img, extent, grain, VMDK_GTE_ZERO, error);
  return vmdk_sparse_reserve (img, extent, grain * extent->grain, extent->grain, &place, error)
         && vmdk_sparse_commit (img, extent, grain * extent->grain, &place, error);
}

gboolean
vmdk_sparse_discard (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, GError **error)
{
  while (length > 0)
    {
      uint64_t chunk = MIN (length, extent->grain);
      ImageExtent found;
      gboolean ok;

      g_mutex_lock (&img->map_lock);
      ok = vmdk_sparse_extent (img, extent, offset, chunk, &found, error)
           && (found.kind != IMAGE_UNALLOCATED || img->base == NULL
               || begin_zeros (img, extent, offset / extent->grain, error));
      g_mutex_unlock (&img->map_lock);
      if (!ok || (found.kind == IMAGE_DATA && !image_file_zero (extent->file, found.at, chunk, error)))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

gboolean
vmdk_sparse_cut (Image *img, VmdkExtent *extent, uint64_t size, GError **error)
{
  uint64_t last = size / extent->grain, end = (uint64_t)extent->tables * extent->header.table_entries;
  uint32_t sector;

  if (size % extent->grain != 0)
    {
      if (!vmdk_sparse_find (img, extent, last, &sector, error))
        return FALSE;
      if (sector > VMDK_GTE_ZERO
          && !image_file_zero (extent->file, (uint64_t)sector * SECTOR_SIZE + size % extent->grain,
                               extent->grain - size % extent->grain, error))
        return FALSE;
      last++;
    }
  for (uint64_t i = last; i < end; i++)
    {
      if (!vmdk_sparse_find (img, extent, i, &sector, error))
        return FALSE;
      if (sector != 0 && extent->directory[i / extent->header.table_entries] > VMDK_GTE_ZERO
          && !vmdk_sparse_set (img, extent, i, 0, error))
        return FALSE;
    }
  return img->format->flush (img, error);
}

/* Creating */

gboolean
vmdk_sparse_create (ImageFile *file, uint64_t size, const char *descriptor, GError **error)
{
  uint64_t grains = (size + VMDK_GRAIN - 1) / VMDK_GRAIN,
           tables = (grains + VMDK_TABLE_ENTRIES - 1) / VMDK_TABLE_ENTRIES,
           directory_sectors = (tables * 4 + SECTOR_SIZE - 1) / SECTOR_SIZE,
           table_sectors = VMDK_TABLE_ENTRIES * 4 / SECTOR_SIZE, copy = directory_sectors + tables * table_sectors;
  VmdkHeader h = { .magic = VMDK_MAGIC,
                   .version = 1,
                   .flags = VMDK_FLAG_LINE_TEST | VMDK_FLAG_REDUNDANT,
                   .capacity = size / SECTOR_SIZE,
                   .grain_size = VMDK_GRAIN / SECTOR_SIZE,
                   .descriptor_offset = descriptor != NULL ? 1 : 0,
                   .descriptor_size = descriptor != NULL ? VMDK_DESCRIPTOR_SECTORS : 0,
                   .table_entries = VMDK_TABLE_ENTRIES,
                   .line_test = { '\n', ' ', '\r', '\n' } };
  g_autofree uint32_t *directory = g_new0 (uint32_t, directory_sectors * SECTOR_SIZE / 4);

  g_return_val_if_fail (descriptor == NULL || strlen (descriptor) < VMDK_DESCRIPTOR_SECTORS * SECTOR_SIZE, FALSE);
  h.redundant_offset = 1 + h.descriptor_size;
  h.directory_offset = h.redundant_offset + copy;
  h.overhead = round_up (h.directory_offset + copy, h.grain_size);
  for (int which = 0; which < 2; which++)
    {
      uint64_t sector = which == 0 ? h.redundant_offset : h.directory_offset;

      for (uint64_t i = 0; i < tables; i++)
        directory[i] = (uint32_t)(sector + directory_sectors + i * table_sectors);
      if (!image_file_write (file, sector * SECTOR_SIZE, directory, directory_sectors * SECTOR_SIZE, error))
        return FALSE;
    }
  return image_file_truncate (file, h.overhead * SECTOR_SIZE, error)
         && (descriptor == NULL || image_file_write (file, SECTOR_SIZE, descriptor, strlen (descriptor), error))
         && image_file_write (file, 0, &h, sizeof h, error);
}
