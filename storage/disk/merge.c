/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Merging a layer into the image below it, while the guest goes on.
 *
 * Whatever the layer holds hides what lies below, so that copying it down changes nothing that
 * anybody sees, and can be given up at any time. A layer that is written to meanwhile is copied
 * in rounds: what is written since a piece was copied is noted, and copied again; when
 * little is left, requests stand still for the last round. A piece is claimed while it is read: for
 * a moment nothing of it is under way, so that whoever saw it in the lower image is
 * done with that, and until it is read nothing changes it.
 *
 * When the lower image is whole and durable, the caller says that it is to stand for both. Before,
 * what lies over the layer gets its new base written into its header, as the format that it
 * names there must be true as soon as the layer is forgotten.
 */

#include "storage/disk/create.h"
#include "storage/disk/disk-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  PIECE = 1 << 20,
  ZERO_GRAIN = 64 << 10, /* zeros are looked for in pieces of this size */
  COPY_GAP = 16 << 10,   /* so much that was copied already is copied again rather than passed over */
  SYNC_EVERY = 32 << 20,
  GRAIN_BITS = 12,       /* what is written is noted in pieces of this size, */
  GRAINS_MAX = 64 << 20, /* but in not more than so many: at most a PIECE each */
  PAUSE_US = 50000,      /* requests may be kept waiting for so long */
  PAUSE_MIN_US = 1000,   /* and are let through for so long, however much they write */
  ROUNDS_MAX = 20
};

typedef struct
{
  Disk *d;
  const DiskMerge *options;
  Image *layer, *lower;
  ImageBuffer *buffer;
  size_t piece;
  DiskTrack track;
  uint64_t total, copied; /* bytes */
  uint64_t since_sync;
  gboolean live;         /* the layer may be written to meanwhile */
  gboolean is_top;       /* the lower image has become what is written to */
  gboolean holds;        /* requests stand still */
  gboolean slows;        /* ... for a part of the time */
  int64_t pause, change; /* µs between pauses; when the present one is to end */
  int64_t idle;          /* µs of the round in which nothing was copied */
} Merge;

static gboolean
extent_at (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  gboolean ok;

  g_mutex_lock (&img->map_lock);
  ok = img->format->extent (img, offset, length, out, error);
  g_mutex_unlock (&img->map_lock);
  out->length = MIN (out->length, length);
  return ok;
}

/* Claims */

static gboolean
is_under_way (const Disk *d, const DiskClaim *claim)
{
  for (GList *l = d->running.head; l != NULL; l = l->next)
    {
      const DiskRequest *r = l->data;

      if (r->op != DISK_FLUSH && r->offset < claim->offset + claim->length && claim->offset < r->offset + r->length)
        return TRUE;
    }
  return FALSE;
}

/* What is written into it from now on is noted. */
static void
claim (Merge *m, DiskClaim *claim, uint64_t first, uint64_t length)
{
  Disk *d = m->d;

  g_mutex_lock (&d->lock);
  /* While requests stand still there is nothing to wait for, and nobody who is to be woken. */
  if (!m->holds)
    {
      claim->alone = TRUE;
      claim->link = (GList) { .data = claim };
      g_queue_push_tail_link (&d->claims, &claim->link);
      d->waiting++;
      while (is_under_way (d, claim))
        g_cond_wait (&d->progress, &d->lock);
      d->waiting--;
      claim->alone = FALSE;
      disk_wake (d);
    }
  disk_track_forget (&m->track, first, length);
  g_mutex_unlock (&d->lock);
}

static void
unclaim (Merge *m, DiskClaim *claim)
{
  if (m->holds)
    return;
  g_mutex_lock (&m->d->lock);
  g_queue_unlink (&m->d->claims, &claim->link);
  disk_wake (m->d);
  g_mutex_unlock (&m->d->lock);
}

/* Copying */

static gboolean
zero_lower (Merge *m, uint64_t offset, uint64_t length, GError **error)
{
  while (length > 0)
    {
      ImageExtent extent;

      if (!image_resolve (m->lower, offset, length, &extent, NULL, error)
          || (extent.kind != IMAGE_ZERO && !image_zero (m->lower, offset, extent.length, error)))
        return FALSE;
      offset += extent.length;
      length -= extent.length;
    }
  return TRUE;
}

/* Zeros take no room where there was none. */
static gboolean
write_lower (Merge *m, uint64_t offset, const uint8_t *data, size_t length, GError **error)
{
  while (length > 0)
    {
      size_t run = MIN (ZERO_GRAIN, length);
      gboolean zeros = image_is_zero (data, run);

      while (run < length && image_is_zero (data + run, MIN (ZERO_GRAIN, length - run)) == zeros)
        run += MIN (ZERO_GRAIN, length - run);
      if (!(zeros ? zero_lower (m, offset, run, error) : m->lower->format->write (m->lower, offset, data, run, error)))
        return FALSE;
      offset += run;
      data += run;
      length -= run;
    }
  return TRUE;
}

/* What the layer holds of a piece, read while that is claimed. */
typedef struct
{
  uint64_t offset, length;
  gboolean zeros;
} Part;

static gboolean
read_parts (Merge *m, uint64_t offset, uint64_t length, GArray *parts, GError **error)
{
  uint64_t start = offset, end = offset + length;

  while (offset < end)
    {
      ImageExtent extent;
      Part part = { .offset = offset };

      if (!extent_at (m->layer, offset, end - offset, &extent, error))
        return FALSE;
      part.length = extent.length;
      part.zeros = extent.kind == IMAGE_ZERO;
      offset += extent.length;
      if (extent.kind == IMAGE_UNALLOCATED)
        continue;
      if (!part.zeros
          && !m->layer->format->read (m->layer, part.offset, m->buffer + (part.offset - start), part.length, error))
        return FALSE;
      g_array_append_val (parts, part);
    }
  return TRUE;
}

static void
tell (Merge *m)
{
  const DiskTask *task = m->options->task;

  if (task != NULL && task->progress != NULL)
    task->progress (MIN (m->copied, m->total), m->total, task->opaque);
}

/* Not longer than a piece. */
static gboolean
copy (Merge *m, uint64_t offset, uint64_t length, GError **error)
{
  const DiskTask *task = m->options->task;
  g_autoptr (GArray) parts = g_array_new (FALSE, FALSE, sizeof (Part));
  uint64_t unit = m->layer->unit, first = offset / unit * unit, end = (offset + length + unit - 1) / unit * unit;
  DiskClaim range = { .offset = first, .length = end - first };
  gboolean ok;

  if (task != NULL && g_cancellable_set_error_if_cancelled (task->cancellable, error))
    return FALSE;
  if (m->live)
    claim (m, &range, offset, length);
  ok = read_parts (m, offset, length, parts, error);
  if (m->live)
    unclaim (m, &range);
  for (unsigned i = 0; ok && i < parts->len; i++)
    {
      const Part *part = &g_array_index (parts, Part, i);

      ok = part->zeros ? zero_lower (m, part->offset, part->length, error)
                       : write_lower (m, part->offset, m->buffer + (part->offset - offset), part->length, error);
      m->copied += part->length;
      m->since_sync += part->length;
    }
  /* So that the flush at the end has less to wait for. */
  if (ok && m->since_sync >= SYNC_EVERY && m->lower->file != NULL)
    {
      image_file_start_sync (m->lower->file);
      m->since_sync = 0;
    }
  tell (m);
  return ok;
}

/* Runs of nothing are passed over in strides that double, so that what is looked up stays in proportion to what there
 * is. */
static gboolean
next_held (Merge *m, uint64_t *offset, uint64_t *length, uint64_t *ahead, GError **error)
{
  while (*offset < m->layer->size)
    {
      ImageExtent extent;

      if (!extent_at (m->layer, *offset, MIN (*ahead, m->layer->size - *offset), &extent, error))
        return FALSE;
      if (extent.kind != IMAGE_UNALLOCATED)
        {
          *length = extent.length;
          *ahead = m->piece;
          return TRUE;
        }
      *offset += extent.length;
      *ahead = MIN (*ahead * 2, m->layer->size);
    }
  *length = 0;
  return TRUE;
}

static gboolean
measure (Merge *m, GError **error)
{
  uint64_t offset = 0, length, ahead = m->piece;

  for (;; offset += length)
    {
      if (!next_held (m, &offset, &length, &ahead, error))
        return FALSE;
      if (length == 0)
        return TRUE;
      m->total += length;
    }
}

static gboolean
copy_all (Merge *m, GError **error)
{
  uint64_t offset = 0, length, ahead = m->piece;

  for (;; offset += length)
    {
      if (!next_held (m, &offset, &length, &ahead, error))
        return FALSE;
      if (length == 0)
        return m->lower->format->flush (m->lower, error);
      length = MIN (m->piece - offset % m->piece, m->layer->size - offset);
      if (!copy (m, offset, length, error))
        return FALSE;
    }
}

/* Has the guest wait for a part of the time, a little at a time. */
static void
slow_down (Merge *m)
{
  int64_t start = g_get_monotonic_time ();

  if (!m->slows || start < m->change)
    return;
  if (m->holds)
    {
      disk_release (m->d);
      g_usleep ((gulong) m->pause);
    }
  disk_hold (m->d);
  m->holds = TRUE;
  m->change = g_get_monotonic_time () + PAUSE_US;
  m->idle += g_get_monotonic_time () - start;
}

static void
go_on (Merge *m)
{
  if (m->holds)
    disk_release (m->d);
  m->holds = FALSE;
}

static gboolean
copy_again (Merge *m, GError **error)
{
  uint64_t offset = 0, length;

  for (;; offset += length)
    {
      slow_down (m);
      g_mutex_lock (&m->d->lock);
      length = disk_track_next (&m->track, &offset, m->piece, COPY_GAP);
      g_mutex_unlock (&m->d->lock);
      if (length == 0)
        return TRUE;
      if (!copy (m, offset, length, error))
        return FALSE;
    }
}

static uint64_t
left (Merge *m)
{
  uint64_t count;

  g_mutex_lock (&m->d->lock);
  count = m->track.count << m->track.shift;
  g_mutex_unlock (&m->d->lock);
  return count;
}

/* Until what is left is copied in a moment. A guest that writes so fast that this does not come nearer is slowed down,
 * more and more. */
static gboolean
catch_up (Merge *m, GError **error)
{
  uint64_t before = G_MAXUINT64;

  m->pause = PAUSE_US;
  for (unsigned round = 0; round < ROUNDS_MAX; round++)
    {
      uint64_t bytes = left (m);
      int64_t start = g_get_monotonic_time (), took;

      if (m->slows)
        m->pause = MAX (m->pause / 2, PAUSE_MIN_US);
      m->slows |= bytes > before / 2;
      m->idle = 0;
      if (!copy_again (m, error))
        return FALSE;
      took = g_get_monotonic_time () - start - m->idle;
      if (!m->slows && !m->lower->format->flush (m->lower, error))
        return FALSE;
      if (left (m) == 0 || (double) left (m) * (double) took <= (double) PAUSE_US * (double) bytes)
        return TRUE;
      before = bytes;
    }
  return TRUE;
}

/* The images */

static Image *
layer_above (Disk *d, const Image *layer)
{
  Image *img;

  g_mutex_lock (&d->lock);
  for (img = d->image; img != NULL && img->base != layer;)
    img = img->base;
  g_mutex_unlock (&d->lock);
  return img;
}

/* Has what lies over the merged image, or is about to, call @base its base. With prepare_lock. */
static gboolean
rename_base (Merge *m, Image *above, const Image *base, GError **error)
{
  GPtrArray *prepared = m->d->prepared;

  if (above != NULL)
    return disk_name_base (m->d, above, base, error);
  for (unsigned i = 0; i < prepared->len; i++)
    if (!disk_name_base (m->d, ((DiskLayer *) g_ptr_array_index (prepared, i))->image, base, error))
      return FALSE;
  return TRUE;
}

/* Everything has been looked at by now; nobody else is using either image. */
static void
take_out (Merge *m, Image *above)
{
  Disk *d = m->d;

  g_mutex_lock (&d->lock);
  if (above != NULL)
    above->base = m->lower;
  else
    d->image = m->lower;
  m->layer->base = NULL;
  g_ptr_array_add (d->old_paths, g_steal_pointer (&m->layer->path));
  g_ptr_array_add (d->old_paths, g_steal_pointer (&m->layer->parent.name));
  g_mutex_unlock (&d->lock);
}

static gboolean
rename_bases (Merge *m, const Image *base, GError **error)
{
  gboolean ok;

  g_mutex_lock (&m->d->prepare_lock);
  ok = rename_base (m, layer_above (m->d, m->layer), base, error);
  g_mutex_unlock (&m->d->prepare_lock);
  return ok;
}

/* From here to where the layer is out, what is said of bases and what is so must not change. */
static gboolean
commit (Merge *m, GError **error)
{
  Image *above = layer_above (m->d, m->layer);
  gboolean ok;

  g_mutex_lock (&m->d->prepare_lock);
  /* One may have been laid on top since that was done. */
  ok = rename_base (m, above, m->lower, error)
       && (m->options->commit == NULL || m->options->commit (m->options->opaque, error));
  if (ok)
    take_out (m, above);
  g_mutex_unlock (&m->d->prepare_lock);
  m->is_top = above == NULL;
  return ok;
}

static gboolean
copy_and_commit (Merge *m, GError **error)
{
  gboolean ok = measure (m, error) && copy_all (m, error) && rename_bases (m, m->lower, error)
                && (!m->live || catch_up (m, error));
  g_autoptr (GError) own = NULL;

  m->slows = FALSE;
  if (ok && !m->holds)
    disk_hold (m->d);
  m->holds |= ok;
  ok = ok && (!m->live || (copy_again (m, error) && m->lower->format->flush (m->lower, error))) && commit (m, error);
  go_on (m);
  /* For other programs: the chain that is told to us holds the layer still. */
  if (!ok && !rename_bases (m, m->layer, &own))
    g_debug ("%s", own->message);
  return ok;
}

/* The lower image is only read again, and others may do so too. What did not become durable was in the layer's shadow.
 */
static void
let_go (Merge *m)
{
  g_autoptr (GError) error = NULL;
  Image *img = m->lower;

  image_demote (img, FALSE);
  g_mutex_lock (&m->d->settle_lock);
  if (!image_share (img, &error) || !image_settle (img, &error))
    g_debug ("%s", error->message);
  g_mutex_unlock (&m->d->settle_lock);
}

/* Another opening of the lower image takes its place. */
static gboolean
reopen_lower (Merge *m, GError **error)
{
  Image *old = m->layer->base, *img = image_reopen (old, error);

  if (img == NULL)
    return FALSE;
  disk_hold (m->d);
  g_mutex_lock (&m->d->lock);
  if (old->parent.wanted)
    {
      img->base = old->base;
      old->base = NULL;
    }
  m->lower = m->layer->base = img;
  g_ptr_array_add (m->d->old_paths, g_steal_pointer (&old->path));
  g_mutex_unlock (&m->d->lock);
  disk_release (m->d);
  image_close (old);
  return TRUE;
}

static gboolean
match_size (Merge *m, GError **error)
{
  uint64_t size = m->layer->size;
  g_autoptr (GError) own = NULL;
  gboolean ok;

  if (m->lower->size == size)
    return TRUE;
  disk_hold (m->d);
  ok = size <= m->lower->format->max_size && m->lower->format->resize != NULL && image_resize (m->lower, size, &own);
  disk_release (m->d);
  if (!ok)
    g_set_error (error, own != NULL ? own->domain : G_IO_ERROR, own != NULL ? own->code : G_IO_ERROR_NOT_SUPPORTED,
                 _("cannot merge “%s” into “%s”, whose size of %llu bytes would have to become %llu: %s"),
                 m->layer->path, m->lower->path, (unsigned long long) m->lower->size, (unsigned long long) size,
                 own != NULL ? own->message : _("images of its format keep their size"));
  return ok;
}

static void
start_tracking (Merge *m)
{
  Disk *d = m->d;

  disk_track_init (&m->track, m->layer, GRAIN_BITS, GRAINS_MAX);
  g_mutex_lock (&d->lock);
  m->live = d->image == m->layer;
  if (m->live)
    disk_start_tracking (d, &m->track);
  g_mutex_unlock (&d->lock);
}

static void
stop_tracking (Merge *m)
{
  g_mutex_lock (&m->d->lock);
  m->d->track = NULL;
  g_mutex_unlock (&m->d->lock);
  disk_track_clear (&m->track);
}

/* What can be told before anything is opened or written. With the disk's lock. */
static gboolean
begin (Merge *m, unsigned depth, GError **error)
{
  Disk *d = m->d;
  Image *above = NULL, *img = d->image;

  if (d->merging)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("cannot merge layers of “%s”: others are being merged"),
                   img->path);
      return FALSE;
    }
  if (img->read_only || img->format == &overlay_format)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY,
                   _("cannot merge layers of “%s”: it was not opened for writing"), img->path);
      return FALSE;
    }
  for (; img != NULL && depth > 0; depth--)
    {
      above = img;
      img = img->base;
    }
  if (img == NULL || img->base == NULL || !img->parent.wanted)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("cannot merge layers of “%s”: there is no image below that one"), d->image->path);
      return FALSE;
    }
  /* Others know their base by what changes with its contents: they would not open any more after a merge that failed. */
  if (img->format != &qcow2_format)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot merge “%s”: images of format %s cannot be merged into their base"), img->path,
                   img->format->name);
      return FALSE;
    }
  if (above != NULL && above->format != &qcow2_format)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot merge “%s”: “%s”, which is based on it, cannot be based on another image"), img->path,
                   above->path);
      return FALSE;
    }
  m->layer = img;
  d->merging = TRUE;
  return TRUE;
}

static gboolean
merge (Merge *m, GError **error)
{
  gboolean ok;

  /* What was below when it was pushed aside is locked for writing until it is settled. */
  if (!disk_settle (m->d, error) || !reopen_lower (m, error))
    return FALSE;
  m->piece = MAX (PIECE, m->layer->unit);
  m->buffer = image_buffer_new (m->piece);
  start_tracking (m);
  ok = match_size (m, error) && copy_and_commit (m, error);
  stop_tracking (m);
  g_aligned_free (m->buffer);
  if (!ok || !m->is_top)
    let_go (m);
  if (ok)
    image_close (m->layer);
  return ok;
}

gboolean
disk_merge_layer (Disk *d, unsigned depth, const DiskMerge *options, GError **error)
{
  Merge m = { .d = disk_ref (d), .options = options };
  gboolean ok;

  g_mutex_lock (&d->lock);
  ok = begin (&m, depth, error);
  g_mutex_unlock (&d->lock);
  if (ok)
    {
      ok = merge (&m, error);
      g_mutex_lock (&d->lock);
      d->merging = FALSE;
      g_mutex_unlock (&d->lock);
    }
  disk_unref (d);
  return ok;
}
