/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMDK: streams of compressed grains, which appliances carry.
 * Specification: VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed
 * Sparse Extents"; RFC 1950 (zlib).
 *
 * All that is written goes to the end: grains, then at a flush the tables and the
 * directory that changed, to which the header points then. When the image is closed
 * a footer takes the header's place, so that it can be read from front to back.
 */

#include "storage/disk/vmdk-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <zlib.h>

enum
{
  EMPTY_DIRECTORY = 1 + VMDK_DESCRIPTOR_SECTORS, /* sector, of images made here */
  TABLE_BYTES = VMDK_TABLE_ENTRIES * 4
};
#define NO_GRAIN G_MAXUINT64

struct VmdkStream
{
  GMutex lock;       /* guards all here; what extent() looks at changes with map_lock held too */
  uint64_t unpacked; /* the grain in @plain, or NO_GRAIN */
  uint8_t *plain;
  uint64_t open; /* the grain in @grain, which is written when another one begins; or NO_GRAIN */
  uint8_t *grain;
  GHashTable *tables; /* uint32_t *, by number: those that changed since the last flush */
  gboolean writing;   /* the header points at a directory, and what is behind it may be overwritten */
  gboolean changed;   /* since the last flush */
};

VmdkStream *
vmdk_stream_new (void)
{
  VmdkStream *stream = g_new0 (VmdkStream, 1);

  g_mutex_init (&stream->lock);
  stream->unpacked = stream->open = NO_GRAIN;
  stream->tables = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return stream;
}

void
vmdk_stream_free (VmdkStream *stream)
{
  if (stream == NULL)
    return;
  g_mutex_clear (&stream->lock);
  g_hash_table_unref (stream->tables);
  g_free (stream->plain);
  g_free (stream->grain);
  g_free (stream);
}

static VmdkExtent *
only_extent (Image *img)
{
  return &g_array_index (((Vmdk *)img->state)->extents, VmdkExtent, 0);
}

/* Reading */

gboolean
vmdk_stream_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  uint64_t grain = offset / extent->grain, left = extent->grain - offset % extent->grain;
  const uint32_t *table = g_hash_table_lookup (stream->tables, GUINT_TO_POINTER (grain / extent->header.table_entries));
  uint32_t sector = table != NULL ? table[grain % extent->header.table_entries] : 0;

  if (stream->open != grain && table == NULL)
    return vmdk_sparse_extent (img, extent, offset,
                               stream->open == NO_GRAIN && g_hash_table_size (stream->tables) == 0 ? length : left, out,
                               error);
  *out = (ImageExtent){ .kind = IMAGE_PACKED, .length = left, .file = extent->file, .detail = grain };
  if (stream->open == grain)
    return TRUE;
  out->at = (uint64_t)sector * SECTOR_SIZE;
  if (sector <= VMDK_GTE_ZERO)
    out->kind = sector == 0 ? IMAGE_UNALLOCATED : IMAGE_ZERO;
  return TRUE;
}

/* Grain @grain at @at of the file, in stream->plain. */
static gboolean
unpack_grain (Image *img, uint64_t grain, uint64_t at, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  VmdkMarker marker = { 0 };
  uLongf length = extent->grain;
  g_autofree uint8_t *packed = NULL;

  if (stream->unpacked == grain)
    return TRUE;
  if (stream->plain == NULL)
    stream->plain = g_malloc (extent->grain);
  if (!image_file_read (extent->file, at, &marker, VMDK_GRAIN_MARKER, error))
    return FALSE;
  if (marker.size == 0 || marker.size > 2 * extent->grain || marker.value != grain * extent->header.grain_size)
    return image_damaged (error, img, _ ("there is no compressed grain %llu at %llu"), (unsigned long long)grain,
                          (unsigned long long)at);
  packed = g_malloc (marker.size);
  if (!image_file_read (extent->file, at + VMDK_GRAIN_MARKER, packed, marker.size, error))
    return FALSE;
  stream->unpacked = NO_GRAIN;
  if (uncompress (stream->plain, &length, packed, marker.size) != Z_OK)
    return image_damaged (error, img, _ ("grain %llu at %llu cannot be unpacked"), (unsigned long long)grain,
                          (unsigned long long)at);
  /* The last one may be cut where the disk ends. */
  memset (stream->plain + length, 0, extent->grain - length);
  stream->unpacked = grain;
  return TRUE;
}

gboolean
vmdk_stream_unpack (Image *img, const ImageExtent *extent, uint64_t offset, void *buffer, size_t length, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  size_t within = (size_t)(offset % only_extent (img)->grain);
  ImageExtent now = *extent;
  gboolean ok;

  g_mutex_lock (&stream->lock);
  if (stream->open == extent->detail)
    {
      memcpy (buffer, stream->grain + within, length);
      g_mutex_unlock (&stream->lock);
      return TRUE;
    }
  /* It may have got its place since. */
  if (now.at == 0)
    {
      g_mutex_lock (&img->map_lock);
      ok = vmdk_stream_extent (img, offset, length, &now, error);
      g_mutex_unlock (&img->map_lock);
      if (!ok || now.kind != IMAGE_PACKED)
        {
          g_mutex_unlock (&stream->lock);
          if (ok)
            memset (buffer, 0, length);
          return ok;
        }
    }
  ok = unpack_grain (img, extent->detail, now.at, error);
  if (ok)
    memcpy (buffer, stream->plain + within, length);
  g_mutex_unlock (&stream->lock);
  return ok;
}

/* Writing: with stream->lock held */

static gboolean
write_header (Image *img, uint64_t directory_offset, GError **error)
{
  VmdkExtent *extent = only_extent (img);
  VmdkHeader header = extent->header;

  header.directory_offset = directory_offset;
  header.redundant_offset = 0;
  header.flags &= ~(uint32_t)VMDK_FLAG_REDUNDANT;
  return image_file_write (extent->file, 0, &header, sizeof header, error) && image_sync (img, error);
}

static gboolean
is_empty (Image *img, gboolean *empty, GError **error)
{
  VmdkExtent *extent = only_extent (img);
  size_t bytes = (size_t)extent->tables * 4;
  uint64_t overhead = extent->header.overhead * SECTOR_SIZE;
  g_autofree uint8_t *room = g_malloc (bytes);

  *empty = overhead <= extent->file->size && EMPTY_DIRECTORY * SECTOR_SIZE + bytes <= overhead
           && extent->header.descriptor_offset == 1 && extent->header.descriptor_size == VMDK_DESCRIPTOR_SECTORS
           && image_is_zero (extent->directory, bytes);
  if (!*empty)
    return TRUE;
  if (!image_file_read (extent->file, EMPTY_DIRECTORY * SECTOR_SIZE, room, bytes, error))
    return FALSE;
  *empty = image_is_zero (room, bytes);
  return TRUE;
}

/* From now on the header points at the directory, and the end of the stream makes room. */
static gboolean
begin_writing (Image *img, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  VmdkHeader first;
  gboolean empty;

  if (stream->writing)
    return TRUE;
  if (!is_empty (img, &empty, error) || !image_file_read (extent->file, 0, &first, sizeof first, error))
    return FALSE;
  if (empty)
    {
      extent->header.directory_offset = EMPTY_DIRECTORY;
      extent->next = extent->header.overhead * SECTOR_SIZE;
    }
  else if (first.directory_offset == VMDK_DIRECTORY_AT_END)
    extent->next = extent->file->size - 3 * SECTOR_SIZE;
  if (!write_header (img, extent->header.directory_offset, error)
      || !image_file_truncate (extent->file, extent->next, error))
    return FALSE;
  stream->writing = TRUE;
  return TRUE;
}

static gboolean
append (Image *img, const void *data, size_t length, uint32_t *sector, GError **error)
{
  VmdkExtent *extent = only_extent (img);
  uint64_t at = extent->next, end = (at + length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;

  if (end / SECTOR_SIZE > G_MAXUINT32)
    return image_damaged (error, img, _ ("“%s” would become larger than the format can tell"), extent->file->path);
  if (!image_file_write (extent->file, at, data, length, error)
      || (end > at + length && !image_file_zero (extent->file, at + length, end - at - length, error)))
    return FALSE;
  *sector = (uint32_t)(at / SECTOR_SIZE);
  g_mutex_lock (&img->map_lock);
  extent->next = end;
  g_mutex_unlock (&img->map_lock);
  return TRUE;
}

static gboolean
append_marked (Image *img, uint32_t type, const void *data, size_t length, uint32_t *sector, GError **error)
{
  uint8_t sectors[SECTOR_SIZE] = { 0 };
  VmdkMarker marker = { .value = (length + SECTOR_SIZE - 1) / SECTOR_SIZE, .type = type };

  memcpy (sectors, &marker, sizeof marker);
  return append (img, sectors, sizeof sectors, sector, error) && append (img, data, length, sector, error);
}

/* The table of @grain, to be changed. */
static uint32_t *
changed_table (Image *img, uint64_t grain, GError **error)
{
  Vmdk *vmdk = img->state;
  VmdkExtent *extent = only_extent (img);
  uint32_t number = (uint32_t)(grain / extent->header.table_entries);
  uint32_t *table = g_hash_table_lookup (vmdk->stream->tables, GUINT_TO_POINTER (number));

  if (table != NULL)
    return table;
  table = g_malloc0 (TABLE_BYTES);
  if (extent->directory[number] > VMDK_GTE_ZERO
      && !image_file_read (extent->file, (uint64_t)extent->directory[number] * SECTOR_SIZE, table,
                           extent->header.table_entries * 4, error))
    {
      g_free (table);
      return NULL;
    }
  g_mutex_lock (&img->map_lock);
  g_hash_table_insert (vmdk->stream->tables, GUINT_TO_POINTER (number), table);
  g_mutex_unlock (&img->map_lock);
  return table;
}

/* Puts the open grain into the file. */
static gboolean
close_grain (Image *img, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  uint64_t grain = stream->open;
  uLongf size = compressBound (extent->grain);
  g_autofree uint8_t *packed = NULL;
  VmdkMarker marker = { .value = grain * extent->header.grain_size };
  uint32_t *table, sector = 0;

  if (grain == NO_GRAIN)
    return TRUE;
  table = changed_table (img, grain, error);
  if (table == NULL)
    return FALSE;
  if (!image_is_zero (stream->grain, extent->grain))
    {
      packed = g_malloc (VMDK_GRAIN_MARKER + size);
      /* It only fails for want of room. */
      if (compress2 (packed + VMDK_GRAIN_MARKER, &size, stream->grain, extent->grain, Z_DEFAULT_COMPRESSION) != Z_OK)
        g_assert_not_reached ();
      marker.size = (uint32_t)size;
      memcpy (packed, &marker, VMDK_GRAIN_MARKER);
      if (!append (img, packed, VMDK_GRAIN_MARKER + size, &sector, error))
        return FALSE;
    }
  g_mutex_lock (&img->map_lock);
  table[grain % extent->header.table_entries] = sector;
  stream->open = NO_GRAIN;
  g_mutex_unlock (&img->map_lock);
  if (stream->unpacked == grain)
    stream->unpacked = NO_GRAIN;
  return TRUE;
}

static gboolean
open_grain (Image *img, uint64_t grain, gboolean whole, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  ImageExtent found;
  gboolean ok;

  if (stream->open == grain)
    return TRUE;
  if (!close_grain (img, error))
    return FALSE;
  if (stream->grain == NULL)
    stream->grain = g_malloc (extent->grain);
  memset (stream->grain, 0, extent->grain);
  if (!whole)
    {
      g_mutex_lock (&img->map_lock);
      ok = vmdk_stream_extent (img, grain * extent->grain, 1, &found, error);
      g_mutex_unlock (&img->map_lock);
      if (!ok || (found.kind == IMAGE_PACKED && !unpack_grain (img, grain, found.at, error)))
        return FALSE;
      if (found.kind == IMAGE_PACKED)
        memcpy (stream->grain, stream->plain, extent->grain);
    }
  g_mutex_lock (&img->map_lock);
  stream->open = grain;
  g_mutex_unlock (&img->map_lock);
  return TRUE;
}

/* Zeros where nothing is need no grain. */
static gboolean
is_blank (Image *img, uint64_t offset, const uint8_t *in, size_t length, gboolean *blank, GError **error)
{
  ImageExtent found;
  gboolean ok;

  *blank = FALSE;
  if (!image_is_zero (in, length))
    return TRUE;
  g_mutex_lock (&img->map_lock);
  ok = vmdk_stream_extent (img, offset, 1, &found, error);
  g_mutex_unlock (&img->map_lock);
  *blank = ok && found.kind != IMAGE_PACKED;
  return ok;
}

gboolean
vmdk_stream_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  const uint8_t *in = buffer;
  gboolean ok;

  g_mutex_lock (&stream->lock);
  ok = begin_writing (img, error);
  while (ok && length > 0)
    {
      size_t within = (size_t)(offset % extent->grain), chunk = MIN (length, extent->grain - within);
      gboolean blank, whole = within == 0 && (chunk == extent->grain || offset + chunk == img->size);

      ok = is_blank (img, offset, in, chunk, &blank, error)
           && (blank || open_grain (img, offset / extent->grain, whole, error));
      if (ok && !blank)
        {
          memcpy (stream->grain + within, in, chunk);
          stream->changed = TRUE;
        }
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
  g_mutex_unlock (&stream->lock);
  return ok;
}

static gboolean
write_tables (Image *img, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  VmdkExtent *extent = only_extent (img);
  g_autofree uint32_t *directory = g_memdup2 (extent->directory, (size_t)extent->tables * 4);
  uint32_t sector;

  for (uint32_t i = 0; i < extent->tables; i++)
    {
      const uint32_t *table = g_hash_table_lookup (stream->tables, GUINT_TO_POINTER (i));

      if (table == NULL)
        continue;
      directory[i] = 0;
      if (!image_is_zero (table, TABLE_BYTES)
          && !append_marked (img, VMDK_MARKER_TABLE, table, TABLE_BYTES, &directory[i], error))
        return FALSE;
    }
  if (!append_marked (img, VMDK_MARKER_DIRECTORY, directory, (size_t)extent->tables * 4, &sector, error)
      || !image_sync (img, error) || !write_header (img, sector, error))
    return FALSE;
  g_mutex_lock (&img->map_lock);
  memcpy (extent->directory, directory, (size_t)extent->tables * 4);
  g_hash_table_remove_all (stream->tables);
  extent->header.directory_offset = sector;
  g_mutex_unlock (&img->map_lock);
  return TRUE;
}

static gboolean
write_end (Image *img, GError **error)
{
  VmdkExtent *extent = only_extent (img);
  const uint8_t end[SECTOR_SIZE] = { 0 };
  VmdkHeader footer = extent->header;
  uint32_t sector;

  footer.redundant_offset = 0;
  footer.flags &= ~(uint32_t)VMDK_FLAG_REDUNDANT;
  return append_marked (img, VMDK_MARKER_FOOTER, &footer, sizeof footer, &sector, error)
         && append (img, end, sizeof end, &sector, error) && image_file_truncate (extent->file, extent->next, error)
         && image_sync (img, error) && write_header (img, VMDK_DIRECTORY_AT_END, error);
}

gboolean
vmdk_stream_flush (Image *img, gboolean last, GError **error)
{
  VmdkStream *stream = ((Vmdk *)img->state)->stream;
  gboolean ok;

  g_mutex_lock (&stream->lock);
  ok = close_grain (img, error);
  if (ok && stream->changed)
    ok = write_tables (img, error);
  else if (ok)
    ok = image_sync (img, error);
  if (ok)
    stream->changed = FALSE;
  if (ok && last && stream->writing)
    ok = write_end (img, error);
  if (ok && last)
    stream->writing = FALSE;
  g_mutex_unlock (&stream->lock);
  return ok;
}

/* Creating */

gboolean
vmdk_stream_create (ImageFile *file, uint64_t size, const char *descriptor, GError **error)
{
  uint64_t grains = (size + VMDK_GRAIN - 1) / VMDK_GRAIN,
           tables = (grains + VMDK_TABLE_ENTRIES - 1) / VMDK_TABLE_ENTRIES,
           directory = (tables * 4 + SECTOR_SIZE - 1) / SECTOR_SIZE, grain = VMDK_GRAIN / SECTOR_SIZE,
           overhead = (EMPTY_DIRECTORY + directory + grain - 1) / grain * grain;
  VmdkHeader h = { .magic = VMDK_MAGIC,
                   .version = 3,
                   .flags = VMDK_FLAG_LINE_TEST | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS,
                   .capacity = size / SECTOR_SIZE,
                   .grain_size = grain,
                   .descriptor_offset = 1,
                   .descriptor_size = VMDK_DESCRIPTOR_SECTORS,
                   .table_entries = VMDK_TABLE_ENTRIES,
                   .directory_offset = VMDK_DIRECTORY_AT_END,
                   .overhead = overhead,
                   .line_test = { '\n', ' ', '\r', '\n' },
                   .compress = VMDK_COMPRESS_DEFLATE };
  VmdkMarker marker = { .value = directory, .type = VMDK_MARKER_DIRECTORY };
  uint64_t at = overhead * SECTOR_SIZE;

  if (!image_file_write (file, 0, &h, sizeof h, error)
      || !image_file_write (file, SECTOR_SIZE, descriptor, strlen (descriptor), error)
      || !image_file_write (file, at, &marker, sizeof marker, error))
    return FALSE;
  h.directory_offset = overhead + 1;
  at += (1 + directory) * SECTOR_SIZE;
  marker = (VmdkMarker){ .value = 1, .type = VMDK_MARKER_FOOTER };
  return image_file_write (file, at, &marker, sizeof marker, error)
         && image_file_write (file, at + SECTOR_SIZE, &h, sizeof h, error)
         && image_file_truncate (file, at + 3 * SECTOR_SIZE, error);
}
