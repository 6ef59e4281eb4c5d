/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is done to images as wholes: converting, resizing, compacting, checking, comparing. */

#include "storage/disk/create.h"

#include <glib/gi18n-lib.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  COPY_CHUNK = 1 << 20,
  COPY_SYNC = 32 << 20,
  COPY_THREADS = 4,
  COPY_GRAIN = 4096, /* zeros are looked for in pieces of this size */
  COPY_GAP = 65536,  /* fewer zeros than this do not part a write */
};

static gboolean
is_cancelled (const DiskTask *task, GError **error)
{
  return task != NULL && g_cancellable_set_error_if_cancelled (task->cancellable, error);
}

static void
tell_progress (const DiskTask *task, uint64_t done, uint64_t total)
{
  if (task != NULL && task->progress != NULL)
    task->progress (done, total, task->opaque);
}

/* Copying the contents of one image into a new one that reads as zeros, or as its base. */
typedef struct
{
  Image *from, *to;
  gboolean layer; /* of @from alone, over the same base: its zeros count */
  uint64_t size;
  const DiskTask *task;
  /* One write at a time: the file's own lock lets no more in, and who waits for that spins. */
  GMutex write_lock;
  GMutex lock; /* guards these */
  uint64_t next, ahead, since_sync; /* @ahead: how far is to be looked for data */
  GError *error;
} Copy;

static gboolean
write_piece (Copy *c, uint64_t offset, const uint8_t *data, size_t length, GError **error)
{
  gboolean ok;

  g_mutex_lock (&c->write_lock);
  ok = c->to->format->write (c->to, offset, data, length, error);
  g_mutex_unlock (&c->write_lock);
  return ok;
}

/* The data among the zeros of a piece that was read. */
static gboolean
write_data (Copy *c, uint64_t offset, const uint8_t *data, size_t length, GError **error)
{
  size_t at = 0;

  while (at < length)
    {
      size_t begin, end, gap;

      while (at < length && image_is_zero (data + at, MIN (COPY_GRAIN, length - at)))
        at += MIN (COPY_GRAIN, length - at);
      begin = end = at;
      for (gap = 0; at < length && gap < COPY_GAP; at += MIN (COPY_GRAIN, length - at))
        {
          gap = image_is_zero (data + at, MIN (COPY_GRAIN, length - at)) ? gap + COPY_GRAIN : 0;
          if (gap == 0)
            end = at + MIN (COPY_GRAIN, length - at);
        }
      if (end > begin && !write_piece (c, offset + begin, data + begin, end - begin, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
copy_piece (Copy *c, uint64_t offset, uint64_t length, uint8_t *buffer, GError **error)
{
  while (length > 0)
    {
      ImageExtent extent;
      Image *layer;
      size_t chunk;

      if (!image_resolve (c->from, offset, length, &extent, &layer, error))
        return FALSE;
      chunk = (size_t) MIN (length, extent.length);
      if (c->layer && layer == c->from && extent.kind == IMAGE_ZERO)
        {
          if (c->from->base != NULL && !image_zero (c->to, offset, chunk, error))
            return FALSE;
        }
      else if (extent.kind != IMAGE_ZERO && (!c->layer || layer == c->from))
        {
          if (!layer->format->read (layer, offset, buffer, chunk, error)
              || !(c->layer && c->from->base != NULL ? write_piece (c, offset, buffer, chunk, error)
                                                     : write_data (c, offset, buffer, chunk, error)))
            return FALSE;
        }
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* The next piece that has anything in it: runs of nothing are passed over, in strides that double, so that what is looked
 * up stays in proportion to what there is. */
static gboolean
next_piece (Copy *c, uint64_t *offset, uint64_t *length, GError **error)
{
  while (c->next < c->size)
    {
      uint64_t rest = c->size - c->next;
      ImageExtent extent;
      Image *layer;

      if (!image_resolve (c->from, c->next, MIN (c->ahead, rest), &extent, &layer, error))
        return FALSE;
      if (extent.kind != IMAGE_ZERO || (layer != NULL && c->layer && c->from->base != NULL))
        {
          *offset = c->next;
          *length = MIN (COPY_CHUNK - c->next % COPY_CHUNK, rest);
          c->next += *length;
          c->ahead = COPY_CHUNK;
          return TRUE;
        }
      c->next += extent.length;
      c->ahead = MIN (c->ahead * 2, c->size);
    }
  *length = 0;
  return TRUE;
}

static gpointer
copy_thread (gpointer data)
{
  Copy *c = data;
  g_autoptr (ImageBuffer) buffer = image_buffer_new (COPY_CHUNK);

  for (;;)
    {
      GError *error = NULL;
      uint64_t offset = 0, length = 0;
      gboolean ok, start_sync;

      g_mutex_lock (&c->lock);
      ok = c->error == NULL && !is_cancelled (c->task, &error) && next_piece (c, &offset, &length, &error);
      tell_progress (c->task, c->next, c->size);
      c->since_sync += length;
      start_sync = c->since_sync >= COPY_SYNC && c->to->file != NULL;
      if (start_sync)
        c->since_sync = 0;
      g_mutex_unlock (&c->lock);
      if (start_sync)
        image_file_start_sync (c->to->file);
      if (ok && length > 0)
        ok = copy_piece (c, offset, length, buffer, &error);
      if (error != NULL)
        {
          g_mutex_lock (&c->lock);
          if (c->error == NULL)
            c->error = g_steal_pointer (&error);
          g_mutex_unlock (&c->lock);
          g_clear_error (&error);
        }
      if (!ok || length == 0)
        return NULL;
    }
}

static gboolean
copy_contents (Image *from, Image *to, gboolean layer, const DiskTask *task, GError **error)
{
  Copy c = { .from = from, .to = to, .layer = layer, .size = MIN (from->size, to->size), .task = task, .ahead = COPY_CHUNK };
  GThread *threads[COPY_THREADS];
  /* More threads than processors only push each other out of the caches. */
  unsigned count = to->format->caps & IMAGE_IN_ORDER ? 1 : MIN (COPY_THREADS, g_get_num_processors ());

  g_mutex_init (&c.lock);
  g_mutex_init (&c.write_lock);
  for (unsigned i = 1; i < count; i++)
    threads[i] = g_thread_new ("disk copy", copy_thread, &c);
  copy_thread (&c);
  for (unsigned i = 1; i < count; i++)
    g_thread_join (threads[i]);
  g_mutex_clear (&c.write_lock);
  g_mutex_clear (&c.lock);
  if (c.error != NULL)
    {
      g_propagate_error (error, c.error);
      return FALSE;
    }
  return to->format->flush (to, error);
}

/* Opens what was made in a stage; errors speak of the place it is for. */
static Image *
open_staged (const char *file, const char *path, const ImageFormat *format, ImageOpenFlags flags, const char *base,
             GError **error)
{
  Image *img = image_open (file, flags, format->name, base, error);

  if (img != NULL)
    {
      g_free (img->path);
      img->path = g_strdup (path);
      g_free (img->file->path);
      img->file->path = g_strdup (path);
    }
  return img;
}

gboolean
disk_convert (const char *source, const DiskOpenOptions *source_options, const char *destination,
              const DiskCreateOptions *options, const DiskTask *task, GError **error)
{
  const ImageFormat *format = image_format_to_create (options->format, destination, error);
  ImageOpenFlags flags = IMAGE_OPEN_READ_ONLY;
  const char *const base[] = { source_options->base, NULL };
  g_autofree char *file = NULL;
  ImageCreate create = { 0 };
  Image *from, *to = NULL;
  Stage *stage = NULL;
  gboolean ok;

  if (format == NULL)
    return FALSE;
  if (source_options->flags & DISK_OPEN_TRUST)
    flags |= IMAGE_OPEN_TRUSTED;
  if (source_options->flags & DISK_OPEN_LAYER)
    flags |= IMAGE_OPEN_NO_BASE;
  if (source_options->chain != NULL)
    flags |= IMAGE_OPEN_MEND;
  from = image_open_chain (source, flags, source_options->format,
                           source_options->chain != NULL ? source_options->chain : base, error);
  if (from == NULL)
    return FALSE;
  create.size = options->size > 0 ? (options->size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1) : from->size;
  create.variant = options->variant != NULL ? options->variant : format->variants[0];
  ok = image_check_create (destination, format, &create, error)
       && (stage = stage_new (destination, FALSE, error)) != NULL;
  if (ok)
    {
      file = stage_file (stage);
      ok = image_create (file, destination, format, &create, error)
           && (to = open_staged (file, destination, format, 0, NULL, error)) != NULL
           && copy_contents (from, to, FALSE, task, error);
      image_close (to);
    }
  if (ok)
    ok = stage_commit (stage, error);
  else if (stage != NULL)
    stage_abort (stage);
  image_close (from);
  return ok;
}

/* The variant that an image made anew is to have: its own, where new ones can have it. */
static const char *
variant_of (const Image *img)
{
  return g_strv_contains (img->format->variants, img->variant) ? img->variant : img->format->variants[0];
}

static gboolean
can_be_made_anew (const Image *img)
{
  return img->format->caps & IMAGE_CAN_CREATE && !img->holds_more && img->siblings->len == 0;
}

/* Replaces an image by one of the same identity and contents, over the same base. @img is only read. */
static gboolean
make_anew (Image *img, const char *path, uint64_t size, const DiskTask *task, GError **error)
{
  ImageCreate create = { .size = size,
                         .variant = variant_of (img),
                         .base = img->base,
                         .identity = &img->identity,
                         .base_name = img->base == NULL ? NULL : img->parent.name != NULL ? img->parent.name : "" };
  Stage *stage = image_check_create (path, img->format, &create, error) ? stage_new (path, TRUE, error) : NULL;
  const char *base = img->base != NULL ? img->base->path : NULL;
  g_autofree char *file = NULL;
  struct stat info;
  Image *to = NULL;
  gboolean ok;

  if (stage == NULL)
    return FALSE;
  file = stage_file (stage);
  ok = image_create (file, path, img->format, &create, error)
       && (to = open_staged (file, path, img->format, IMAGE_OPEN_SAME | IMAGE_OPEN_TRUSTED, base, error)) != NULL
       && copy_contents (img, to, TRUE, task, error);
  /* Who may read it does not change. */
  if (ok && fstat (img->file->fd, &info) == 0 && fchown (to->file->fd, info.st_uid, info.st_gid) == 0)
    fchmod (to->file->fd, info.st_mode & 07777);
  image_close (to);
  if (ok)
    return stage_commit (stage, error);
  stage_abort (stage);
  return FALSE;
}

/* The file itself, so that a link to it stays one. Caller frees. */
static char *
real_file (const char *path)
{
  char *real = realpath (path, NULL), *copy = g_strdup (real != NULL ? real : path);

  free (real);
  return copy;
}

gboolean
disk_resize (const char *path, uint64_t size, gboolean shrink, const DiskTask *task, GError **error)
{
  g_autofree char *real = real_file (path);
  g_autoptr (GError) own = NULL;
  Image *img = image_open (real, IMAGE_OPEN_TRUSTED, NULL, NULL, error);
  const ImageFormat *format;
  gboolean ok = FALSE;

  if (img == NULL)
    return FALSE;
  format = img->format;
  size = (MIN (size, IMAGE_SIZE_MAX + 1) + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  if (size == 0 || size > format->max_size)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 _("cannot resize “%s”: a disk of %llu bytes is impossible in %s"), path, (unsigned long long) size,
                 format->name);
  else if (size < img->size && !shrink)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 _("cannot resize “%s”: it would lose its last %llu bytes"), path,
                 (unsigned long long) (img->size - size));
  else if (size == img->size)
    ok = TRUE;
  else if (format->resize != NULL && image_resize (img, size, &own))
    ok = TRUE;
  else if ((own == NULL || g_error_matches (own, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED)) && can_be_made_anew (img))
    ok = make_anew (img, real, size, task, error);
  else if (own != NULL)
    g_propagate_error (error, g_steal_pointer (&own));
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                 _("cannot resize “%s”: images of format %s keep their size"), path, format->name);
  image_close (img);
  return ok;
}

/* Units of zeros become holes, in the image's place. */
static gboolean
discard_zeros (Image *img, const DiskTask *task, GError **error)
{
  uint64_t grain = MAX (img->unit, 65536), step = MAX (grain, COPY_CHUNK);
  uint64_t ahead = step;
  g_autoptr (ImageBuffer) buffer = image_buffer_new (step);

  for (uint64_t offset = 0; offset < img->size;)
    {
      ImageExtent extent;
      uint64_t length = MIN (step, img->size - offset);

      tell_progress (task, offset, img->size);
      if (is_cancelled (task, error) || !image_resolve (img, offset, ahead, &extent, NULL, error))
        return FALSE;
      if (extent.kind == IMAGE_ZERO && extent.length >= step)
        {
          offset += extent.length / step * step;
          ahead = MIN (ahead * 2, img->size);
          continue;
        }
      ahead = step;
      if (!img->format->read (img, offset, buffer, length, error))
        return FALSE;
      for (uint64_t at = 0; at < length; at += grain)
        if (image_is_zero (buffer + at, MIN (grain, length - at))
            && !image_discard (img, offset + at, MIN (grain, length - at), error))
          return FALSE;
      offset += length;
    }
  return img->format->flush (img, error);
}

gboolean
disk_compact (const char *path, const DiskTask *task, GError **error)
{
  g_autofree char *real = real_file (path);
  Image *img = image_open (real, IMAGE_OPEN_TRUSTED | IMAGE_OPEN_SAME, NULL, NULL, error);
  gboolean ok;

  if (img == NULL)
    return FALSE;
  if (g_str_equal (img->variant, "fixed") && img->format != &raw_format)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot compact “%s”: its variant is fixed"), path);
      ok = FALSE;
    }
  else if (img->format != &raw_format && can_be_made_anew (img))
    ok = make_anew (img, real, img->size, task, error);
  else if (img->format->caps & IMAGE_CAN_DISCARD)
    ok = discard_zeros (img, task, error);
  else
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot compact “%s”: images of format %s cannot give room back"), path, img->format->name);
      ok = FALSE;
    }
  image_close (img);
  return ok;
}

/* The bytes of a file as they are, holes too. */
static gboolean
copy_file (ImageFile *from, const char *path, const DiskTask *task, GError **error)
{
  g_autoptr (ImageBuffer) buffer = image_buffer_new (COPY_CHUNK);
  ImageFile *to = image_file_create (path, error);
  gboolean ok = to != NULL && image_file_truncate (to, from->size, error);

  for (uint64_t at = 0; ok && at < from->size;)
    {
      off_t data = lseek (from->fd, (off_t) at, SEEK_DATA);
      size_t chunk;

      tell_progress (task, at, from->size);
      if (data > (off_t) at)
        at = (uint64_t) data;
      else if (data < 0 && errno == ENXIO)
        break;
      chunk = (size_t) MIN (COPY_CHUNK, from->size - at);
      ok = !is_cancelled (task, error) && image_file_read (from, at, buffer, chunk, error)
           && (image_is_zero (buffer, chunk) || image_file_write (to, at, buffer, chunk, error));
      at += chunk;
    }
  ok = ok && image_file_sync (to, error);
  image_file_close (to);
  return ok;
}

static gboolean
copy_files (Image *img, const char *file, const DiskTask *task, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (file);

  if (!copy_file (img->file, file, task, error))
    return FALSE;
  for (unsigned i = 0; i < img->siblings->len; i++)
    {
      ImageFile *sibling = g_ptr_array_index (img->siblings, i);
      g_autofree char *name = g_path_get_basename (sibling->path), *path = g_build_filename (folder, name, NULL);

      if (!copy_file (sibling, path, task, error))
        return FALSE;
    }
  return TRUE;
}

/* The parts of an image in several files keep their names: it names them. */
static gboolean
has_room_for_parts (const Image *img, const char *copy, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (copy);

  for (unsigned i = 0; i < img->siblings->len; i++)
    {
      const ImageFile *sibling = g_ptr_array_index (img->siblings, i);
      g_autofree char *name = g_path_get_basename (sibling->path), *path = g_build_filename (folder, name, NULL);

      if (!g_file_test (path, G_FILE_TEST_EXISTS))
        continue;
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                   _("cannot repair “%s” into “%s”: its part “%s” is there already; take another folder"), img->path, copy, name);
      return FALSE;
    }
  return TRUE;
}

/* Repairs a copy and looks again whether that helped. */
static gboolean
repair (Image *img, const char *copy, ImageReport *report, const DiskTask *task, GError **error)
{
  Stage *stage = has_room_for_parts (img, copy, error) ? stage_new (copy, FALSE, error) : NULL;
  g_autofree char *file = stage != NULL ? stage_file (stage) : NULL;
  ImageReport first = { 0 }, again = { 0 };
  Image *to = NULL;
  gboolean ok;

  if (stage == NULL)
    return FALSE;
  ok = copy_files (img, file, task, error)
       && (to = open_staged (file, copy, img->format, IMAGE_OPEN_CHECKING | IMAGE_OPEN_NO_BASE, NULL, error)) != NULL
       && to->format->check (to, TRUE, &first, error);
  image_close (to);
  to = NULL;
  ok = ok
       && (to = open_staged (file, copy, img->format, IMAGE_OPEN_CHECKING | IMAGE_OPEN_NO_BASE | IMAGE_OPEN_READ_ONLY,
                             NULL, error))
              != NULL
       && to->format->check (to, FALSE, &again, error);
  image_close (to);
  if (ok && again.errors > 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("cannot repair “%s”: %s"), img->path,
                   (const char *) g_ptr_array_index (again.messages, 0));
      ok = FALSE;
    }
  report->repaired = first.repaired;
  image_report_clear (&first);
  image_report_clear (&again);
  if (ok)
    return stage_commit (stage, error);
  stage_abort (stage);
  return FALSE;
}

gboolean
disk_check (const char *path, const char *copy, DiskReport *report, const DiskTask *task, GError **error)
{
  Image *img = image_open (path, IMAGE_OPEN_READ_ONLY | IMAGE_OPEN_CHECKING | IMAGE_OPEN_NO_BASE, NULL, NULL, error);
  ImageReport found = { 0 };
  gboolean ok;

  memset (report, 0, sizeof *report);
  if (img == NULL)
    return FALSE;
  report->has_check = img->format->check != NULL;
  ok = !report->has_check || img->format->check (img, FALSE, &found, error);
  if (ok && copy != NULL && found.errors + found.leaks > 0)
    ok = repair (img, copy, &found, task, error);
  if (ok)
    {
      report->errors = found.errors;
      report->leaks = found.leaks;
      report->repaired = found.repaired;
      report->allocated = found.allocated;
      if (found.messages != NULL)
        {
          g_ptr_array_add (found.messages, NULL);
          report->messages = (char **) g_ptr_array_steal (found.messages, NULL);
        }
    }
  image_report_clear (&found);
  image_close (img);
  return ok;
}

void
disk_report_clear (DiskReport *report)
{
  g_clear_pointer (&report->messages, g_strfreev);
}

/* Bytes from @offset on, of @ahead, that are known to be zeros; beyond the end there are only these. */
static gboolean
zeros_at (Disk *d, uint64_t offset, uint64_t ahead, uint64_t *length, GError **error)
{
  DiskExtent extent;

  *length = G_MAXUINT64;
  if (offset >= disk_size (d))
    return TRUE;
  if (!disk_extent (d, offset, ahead, &extent, error))
    return FALSE;
  *length = extent.is_data ? 0 : extent.length;
  return TRUE;
}

static gboolean
read_padded (Disk *d, uint64_t offset, uint8_t *buffer, size_t length, GError **error)
{
  size_t inside = offset < disk_size (d) ? (size_t) MIN (length, disk_size (d) - offset) : 0;

  memset (buffer + inside, 0, length - inside);
  return inside == 0 || disk_read (d, offset, buffer, inside, error);
}

gboolean
disk_compare (Disk *a, Disk *b, gboolean *same, uint64_t *difference, const DiskTask *task, GError **error)
{
  uint64_t size = MAX (disk_size (a), disk_size (b)), ahead = COPY_CHUNK;
  g_autoptr (ImageBuffer) one = image_buffer_new (COPY_CHUNK), other = image_buffer_new (COPY_CHUNK);

  *same = TRUE;
  for (uint64_t offset = 0; offset < size;)
    {
      size_t chunk = (size_t) MIN (COPY_CHUNK, size - offset);
      uint64_t zeros_a, zeros_b;

      tell_progress (task, offset, size);
      if (is_cancelled (task, error) || !zeros_at (a, offset, ahead, &zeros_a, error)
          || !zeros_at (b, offset, ahead, &zeros_b, error))
        return FALSE;
      zeros_a = MIN (zeros_a, MIN (zeros_b, size - offset));
      if (zeros_a > 0)
        {
          offset += zeros_a;
          ahead = MIN (ahead * 2, size);
          continue;
        }
      ahead = COPY_CHUNK;
      if (!read_padded (a, offset, one, chunk, error) || !read_padded (b, offset, other, chunk, error))
        return FALSE;
      if (memcmp (one, other, chunk) != 0)
        {
          size_t at = 0;

          while (one[at] == other[at])
            at++;
          *same = FALSE;
          *difference = offset + at;
          return TRUE;
        }
      offset += chunk;
    }
  return TRUE;
}
