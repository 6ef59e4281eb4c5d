/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing what a qcow2 image calls its base. The new name goes to a place beside the
 * old one first; the header then names it and the format in one piece, so that at every moment
 * it says one or the other.
 */

#include "storage/disk/qcow2.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  END_MARK = 8 /* bytes of zeros behind the extensions */
};

const char *
qcow2_backing_format (const char *name)
{
  if (g_str_equal (name, "vhd"))
    return "vpc";
  if (g_str_equal (name, "hdd"))
    return "parallels";
  return g_str_equal (name, "iso") ? "raw" : name;
}

size_t
qcow2_put_backing_format (uint8_t *at, const char *name)
{
  const char *format = qcow2_backing_format (name);
  size_t length = strlen (format);
  const uint32_t extension[2] = { GUINT32_TO_BE (QCOW2_EXTENSION_BACKING_FORMAT), GUINT32_TO_BE ((uint32_t) length) };

  memcpy (at, extension, sizeof extension);
  memcpy (at + sizeof extension, format, length);
  return sizeof extension + ((length + 7) & ~(size_t) 7);
}

/* The extensions of the header in @cluster, that of the format for @format, up to and with their end, into @out, which
 * has room for a cluster and that. Where the old ones end is *@old_end. */
static size_t
build_extensions (const uint8_t *cluster, size_t at, size_t end, const char *format, uint8_t *out, size_t *old_end)
{
  size_t length = qcow2_put_backing_format (out, format);

  while (end - at >= 8)
    {
      uint32_t kind, size;
      size_t whole;

      memcpy (&kind, cluster + at, 4);
      memcpy (&size, cluster + at + 4, 4);
      kind = GUINT32_FROM_BE (kind);
      size = GUINT32_FROM_BE (size);
      if (kind == 0 || size > end - at - 8)
        break;
      whole = MIN (8 + (((size_t) size + 7) & ~(size_t) 7), end - at);
      if (kind != QCOW2_EXTENSION_BACKING_FORMAT)
        {
          memcpy (out + length, cluster + at, whole);
          length += whole;
        }
      at += whole;
    }
  *old_end = at;
  return length + END_MARK;
}

/* Where the name goes: best beside all that there is. */
static size_t
choose_place (size_t extensions_end, size_t old_extensions_end, size_t old_at, size_t old_length, size_t length,
              size_t limit)
{
  size_t first = extensions_end,
         beyond = MAX (MAX (extensions_end, old_extensions_end + END_MARK), old_at + old_length);

  beyond = (beyond + 7) & ~(size_t) 7;
  if (first >= old_extensions_end + END_MARK && (first + length <= old_at || first >= old_at + old_length))
    return first;
  return beyond + length <= limit ? beyond : first;
}

/* With map_lock held: the header in the file and in memory. */
static gboolean
write_header (Image *img, ImageFile *file, uint8_t *bytes, size_t length, size_t name_at, size_t name_length,
              GError **error)
{
  Qcow2 *q = img->state;
  Qcow2Header header = q->header;

  header.backing_offset = GUINT64_TO_BE ((uint64_t) name_at);
  header.backing_length = GUINT32_TO_BE ((uint32_t) name_length);
  memcpy (bytes, &header, QCOW2_HEADER_V2);
  if (!image_file_write (file, 0, bytes, length, error))
    return FALSE;
  q->header = header;
  return TRUE;
}

gboolean
qcow2_set_backing (Image *img, ImageFile *file, const char *name, const char *format, GError **error)
{
  Qcow2 *q = img->state;
  size_t start = q->version == 2 ? QCOW2_HEADER_V2 : GUINT32_FROM_BE (q->header.header_length);
  size_t old_at = GUINT64_FROM_BE (q->header.backing_offset), old_length = GUINT32_FROM_BE (q->header.backing_length);
  size_t length = strlen (name), limit = q->cluster_size, extensions, old_end, name_at;
  g_autofree uint8_t *cluster = g_malloc (limit), *bytes = g_malloc0 (2 * limit + 1024);
  gboolean ok, apart;

  if (length > QCOW2_BACKING_NAME_MAX)
    return image_errno (error, name, NC_ ("cannot", "open"), ENAMETOOLONG);
  if (!image_file_read (file, 0, cluster, limit, error))
    return FALSE;
  memcpy (bytes, cluster, start);
  extensions = build_extensions (cluster, start, MAX (start, MIN (old_at, limit)), format, bytes + start, &old_end);
  name_at = choose_place (start + extensions, old_end, old_at, old_length, length, limit);
  if (name_at + length > limit)
    return image_unsupported (error, img, _("its header has no room for the name of its base, “%s”"), name);
  apart = name_at >= old_end + END_MARK && (name_at + length <= old_at || name_at >= old_at + old_length);
  memcpy (bytes + name_at, name, length);
  if (apart && (!image_file_write (file, name_at, name, length, error) || !image_file_sync (file, error)))
    return FALSE;
  g_mutex_lock (&img->map_lock);
  ok = write_header (img, file, bytes, apart ? start + extensions : name_at + length, name_at, length, error);
  g_mutex_unlock (&img->map_lock);
  return ok && image_file_sync (file, error);
}
