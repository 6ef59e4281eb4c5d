/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bytes of an appliance's files in order: of a file or a member, of pieces one
 * after the other (DSP0243 1.1.0, 7.1, ovf:chunkSize), unpacked where they are
 * compressed (ovf:compression, RFC 1952).
 */

#include "storage/appliance/ova-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum
{
  BUFFER = 256 << 10
};

struct Stream
{
  char *name;
  /* One of these. */
  struct archive *reader;
  int fd;
  /* Pieces: the plan they are of, and which one comes next. */
  const AppliancePlan *plan;
  const ApplianceFile *file;
  unsigned next;
  Stream *piece;
  uint64_t left; /* bytes of all pieces that are still to come */
  /* Compressed. */
  Stream *packed;
  z_stream z;
  uint8_t *input;
  gboolean ended;
};

static Stream *
stream_new (const char *name)
{
  Stream *stream = g_new0 (Stream, 1);

  stream->name = g_strdup (name);
  stream->fd = -1;
  return stream;
}

void
stream_close (Stream *stream)
{
  if (stream == NULL)
    return;
  if (stream->reader != NULL)
    archive_read_free (stream->reader);
  if (stream->fd >= 0)
    close (stream->fd);
  if (stream->packed != NULL)
    inflateEnd (&stream->z);
  stream_close (stream->packed);
  stream_close (stream->piece);
  g_free (stream->input);
  g_free (stream->name);
  g_free (stream);
}

Stream *
stream_open_member (const AppliancePlan *plan, const char *member, GError **error)
{
  struct archive *reader = ova_reader_at (plan->archive, member, error);
  Stream *stream;

  if (reader == NULL)
    return NULL;
  stream = stream_new (member);
  stream->reader = reader;
  return stream;
}

Stream *
stream_open_path (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  Stream *stream;

  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot open “%s”: %s"), path,
                   g_strerror (errno));
      return NULL;
    }
  stream = stream_new (path);
  stream->fd = fd;
  return stream;
}

char *
stream_chunk_name (const char *name, unsigned number)
{
  return g_strdup_printf ("%s.%09u", name, number);
}

static Stream *
open_piece (const AppliancePlan *plan, const ApplianceFile *file, unsigned number, GError **error)
{
  const char *name = file->member != NULL ? file->member : file->path;
  g_autofree char *piece = file->chunk_size > 0 ? stream_chunk_name (name, number) : g_strdup (name);

  return file->member != NULL ? stream_open_member (plan, piece, error) : stream_open_path (piece, error);
}

Stream *
stream_open_file (const AppliancePlan *plan, const ApplianceFile *file, GError **error)
{
  Stream *plain = NULL, *stream;

  if (file->chunk_size > 0)
    {
      plain = stream_new (file->href);
      plain->plan = plan;
      plain->file = file;
      plain->left = file->size;
    }
  else
    plain = open_piece (plan, file, 0, error);
  if (plain == NULL || !file->gzip)
    return plain;
  stream = stream_new (file->href);
  stream->packed = plain;
  stream->input = g_malloc (BUFFER);
  /* 16: a gzip header is expected. */
  if (inflateInit2 (&stream->z, 16 + MAX_WBITS) != Z_OK)
    g_error ("zlib has no memory");
  return stream;
}

static gssize
read_pieces (Stream *stream, void *buffer, size_t length, GError **error)
{
  while (stream->left > 0)
    {
      gssize some;

      if (stream->piece == NULL)
        stream->piece = open_piece (stream->plan, stream->file, stream->next++, error);
      if (stream->piece == NULL)
        return -1;
      some = stream_read (stream->piece, buffer, MIN (length, stream->left), error);
      if (some != 0)
        {
          stream->left -= some > 0 ? (uint64_t) some : 0;
          return some;
        }
      g_clear_pointer (&stream->piece, stream_close);
    }
  return 0;
}

static gssize
read_packed (Stream *stream, void *buffer, size_t length, GError **error)
{
  z_stream *z = &stream->z;

  z->next_out = buffer;
  z->avail_out = (uInt) MIN (length, BUFFER);
  while (!stream->ended && z->next_out == buffer)
    {
      int result;

      if (z->avail_in == 0)
        {
          gssize some = stream_read (stream->packed, stream->input, BUFFER, error);

          if (some < 0)
            return -1;
          if (some == 0)
            {
              appliance_error (error, stream->name, _ ("its compressed contents are cut off"));
              return -1;
            }
          z->next_in = stream->input;
          z->avail_in = (uInt) some;
        }
      result = inflate (z, Z_NO_FLUSH);
      if (result == Z_STREAM_END)
        stream->ended = TRUE;
      else if (result != Z_OK && result != Z_BUF_ERROR)
        {
          appliance_error (error, stream->name, _ ("its compressed contents are damaged"));
          return -1;
        }
    }
  return (gssize) ((uint8_t *) z->next_out - (uint8_t *) buffer);
}

gssize
stream_read (Stream *stream, void *buffer, size_t length, GError **error)
{
  gssize some;

  if (length == 0)
    return 0;
  if (stream->packed != NULL)
    return read_packed (stream, buffer, length, error);
  if (stream->plan != NULL)
    return read_pieces (stream, buffer, length, error);
  if (stream->reader != NULL)
    {
      some = archive_read_data (stream->reader, buffer, length);
      if (some < 0)
        ova_failed (error, stream->name, stream->reader);
      return some < 0 ? -1 : some;
    }
  do
    some = read (stream->fd, buffer, length);
  while (some < 0 && errno == EINTR);
  if (some < 0)
    g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot read “%s”: %s"), stream->name,
                 g_strerror (errno));
  return some;
}
