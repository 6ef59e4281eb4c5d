/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a range of a disk through a cache; see the header. */

#include "storage/inspect/volume-reader.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  CHUNK = 64 << 10,
  CHUNKS_MAX = 512
};

typedef struct
{
  uint64_t index;
  GList link; /* in VolumeReader.recent */
  uint8_t *data;
} Chunk;

struct VolumeReader
{
  Disk *disk;
  uint64_t start, length;
  GHashTable *chunks; /* by Chunk.index */
  GQueue recent;      /* the one that was used last comes first */
};

static void
chunk_free (gpointer data)
{
  Chunk *chunk = data;

  disk_buffer_free (chunk->data);
  g_free (chunk);
}

VolumeReader *
volume_reader_new (Disk *disk, uint64_t start, uint64_t length)
{
  VolumeReader *reader = g_new0 (VolumeReader, 1);

  reader->disk = disk;
  reader->start = start;
  reader->length = length;
  reader->chunks = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, chunk_free);
  g_queue_init (&reader->recent);
  return reader;
}

void
volume_reader_free (VolumeReader *reader)
{
  if (reader == NULL)
    return;
  g_hash_table_unref (reader->chunks);
  g_free (reader);
}

uint64_t
volume_reader_length (const VolumeReader *reader)
{
  return reader->length;
}

static Chunk *
find_chunk (VolumeReader *reader, uint64_t index, GError **error)
{
  Chunk *chunk = g_hash_table_lookup (reader->chunks, &index);

  if (chunk != NULL)
    {
      g_queue_unlink (&reader->recent, &chunk->link);
      g_queue_push_head_link (&reader->recent, &chunk->link);
      return chunk;
    }
  if (g_hash_table_size (reader->chunks) >= CHUNKS_MAX)
    {
      Chunk *oldest = g_queue_pop_tail_link (&reader->recent)->data;

      g_hash_table_remove (reader->chunks, &oldest->index);
    }
  chunk = g_new0 (Chunk, 1);
  chunk->index = index;
  chunk->link.data = chunk;
  chunk->data = disk_buffer_new (CHUNK);
  if (!disk_read (reader->disk, reader->start + index * CHUNK, chunk->data,
                  (size_t) MIN (CHUNK, reader->length - index * CHUNK), error))
    {
      chunk_free (chunk);
      return NULL;
    }
  g_hash_table_insert (reader->chunks, &chunk->index, chunk);
  g_queue_push_head_link (&reader->recent, &chunk->link);
  return chunk;
}

gboolean
volume_reader_read (VolumeReader *reader, uint64_t offset, void *buffer, size_t length, GError **error)
{
  uint8_t *to = buffer;

  if (offset > reader->length || length > reader->length - offset)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("a file system in “%s” reaches beyond its end"),
                   disk_path (reader->disk));
      return FALSE;
    }
  while (length > 0)
    {
      Chunk *chunk = find_chunk (reader, offset / CHUNK, error);
      size_t part = MIN (length, CHUNK - offset % CHUNK);

      if (chunk == NULL)
        return FALSE;
      memcpy (to, chunk->data + offset % CHUNK, part);
      to += part;
      offset += part;
      length -= part;
    }
  return TRUE;
}
