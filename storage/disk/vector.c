/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests whose memory lies in pieces, and may be the guest's, who changes it as he likes meanwhile. What formats make of
 * such bytes may be any of what they were; a server's protocol may not like that, so it gets a copy.
 */

#include "storage/disk/disk-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <limits.h>
#include <string.h>

enum
{
  PIECES_MAX = 256, /* of one system call */
  RUN_PIECES_MAX = 1024,
  /* Copying this much costs less than finding out where it lies in the image. */
  WORTHWHILE = 32 << 10,
  /* What is read goes through memory that is still in the processor's cache when it is copied. What is written goes in
   * one piece: the rest of a unit that gets its room has to be filled. */
  READ_CHUNK = 128 << 10,
  CHUNK_MAX = 4 << 20,
};

/* A place in a vector. */
typedef struct
{
  const struct iovec *piece;
  size_t skip; /* bytes of it */
} Cursor;

/* The next piece, or @length bytes of it; goes on behind it. */
static struct iovec
next_piece (Cursor *c, size_t length)
{
  struct iovec next = { (uint8_t *) c->piece->iov_base + c->skip, MIN (c->piece->iov_len - c->skip, length) };

  c->skip += next.iov_len;
  if (c->skip == c->piece->iov_len)
    {
      c->piece++;
      c->skip = 0;
    }
  return next;
}

static void
copy (Cursor *c, uint8_t *buffer, size_t length, gboolean out)
{
  while (length > 0)
    {
      struct iovec piece = next_piece (c, length);

      if (out)
        memcpy (piece.iov_base, buffer, piece.iov_len);
      else
        memcpy (buffer, piece.iov_base, piece.iov_len);
      buffer += piece.iov_len;
      length -= piece.iov_len;
    }
}

static gboolean
move_file (ImageFile *file, uint64_t at, Cursor *c, size_t length, gboolean reads, GError **error)
{
  while (length > 0)
    {
      struct iovec pieces[PIECES_MAX];
      Cursor ahead = *c;
      size_t asked = 0, moved;
      int count = 0;
      ssize_t got;

      while (count < PIECES_MAX && asked < length)
        {
          pieces[count] = next_piece (&ahead, length - asked);
          asked += pieces[count++].iov_len;
        }
      got = reads ? preadv (file->fd, pieces, count, (off_t) at) : pwritev (file->fd, pieces, count, (off_t) at);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0 || (got == 0 && !reads))
        return reads ? image_errno (error, file->path, NC_("cannot", "read"), errno)
                     : image_errno (error, file->path, NC_("cannot", "write"), got < 0 ? errno : ENOSPC);
      moved = (size_t) got;
      for (size_t left = moved; left > 0;)
        left -= next_piece (c, left).iov_len;
      at += moved;
      length -= moved;
      while (got == 0 && length > 0)
        {
          struct iovec piece = next_piece (c, length);

          memset (piece.iov_base, 0, piece.iov_len);
          length -= piece.iov_len;
        }
    }
  return TRUE;
}

/* By way of a buffer. */
static gboolean
move_copied (Image *img, uint64_t offset, Cursor *c, size_t length, gboolean reads, GError **error)
{
  size_t most = MIN (length, reads && !(img->format->caps & IMAGE_REMOTE) ? READ_CHUNK : CHUNK_MAX);
  g_autoptr (ImageBuffer) buffer = image_buffer_new (most);

  while (length > 0)
    {
      size_t chunk = MIN (length, most);

      if (!reads)
        copy (c, buffer, chunk, FALSE);
      if (!(reads ? img->format->read (img, offset, buffer, chunk, error)
                  : img->format->write (img, offset, buffer, chunk, error)))
        return FALSE;
      if (reads)
        copy (c, buffer, chunk, TRUE);
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

gboolean
image_move_vector (Image *img, uint64_t offset, const struct iovec *vector, unsigned count, size_t length, gboolean reads,
                   GError **error)
{
  Cursor c = { .piece = vector };

  if (length == 0)
    return TRUE;
  if (img->format->caps & IMAGE_REMOTE)
    return move_copied (img, offset, &c, length, reads, error);
  if ((img->format == &raw_format || img->format == &iso_format) && img->file->direct_fd < 0)
    return move_file (img->file, offset, &c, length, reads, error);
  if (length / count < WORTHWHILE && count > 1)
    return move_copied (img, offset, &c, length, reads, error);
  while (length > 0)
    {
      struct iovec piece = next_piece (&c, length);

      if (!(reads ? img->format->read (img, offset, piece.iov_base, piece.iov_len, error)
                  : img->format->write (img, offset, piece.iov_base, piece.iov_len, error)))
        return FALSE;
      offset += piece.iov_len;
      length -= piece.iov_len;
    }
  return TRUE;
}

gboolean
image_takes_runs (const Image *img)
{
  /* A server gets them at the same time instead. */
  return !(img->format->caps & IMAGE_REMOTE);
}

gboolean
image_move_requests (Image *img, DiskRequest *const *requests, unsigned count, GError **error)
{
  struct iovec pieces[RUN_PIECES_MAX];
  unsigned used = 0;
  uint64_t offset = requests[0]->offset;
  size_t length = 0;

  for (unsigned i = 0; i < count; i++)
    {
      const DiskRequest *r = requests[i];
      const struct iovec whole = { r->buffer, r->length };
      unsigned more = r->buffer != NULL ? r->length > 0 : r->vector_count;

      if (more > RUN_PIECES_MAX - used)
        {
          if (!image_move_vector (img, offset, pieces, used, length, requests[0]->op == DISK_READ, error))
            return FALSE;
          offset += length;
          length = 0;
          used = 0;
        }
      memcpy (pieces + used, r->buffer != NULL ? &whole : r->vector, more * sizeof *pieces);
      used += more;
      length += r->length;
    }
  return image_move_vector (img, offset, pieces, used, length, requests[0]->op == DISK_READ, error);
}
