/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The block layer: a queue, its workers, completions on a main context, and what happens when writing fails. */

#include "storage/disk/disk-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>

enum
{
  /* Requests that take less than it takes to wake a thread are left to the one that is awake. */
  WAKE_US = 25,
  COST_WEIGHT = 8,
  /* What is carried out in one go: little enough for another worker, or the guest, to do something meanwhile. */
  RUN_MAX = 32,
  RUN_BYTES = 2 << 20
};

/* Requests that lie in a row on the disk, or one. */
typedef struct
{
  DiskRequest *requests[RUN_MAX];
  GError *errors[RUN_MAX];
  unsigned count;
  size_t length;
} Run;

/* Of a request. */
enum
{
  STAGE_NONE,
  STAGE_QUEUED,
  STAGE_RUNNING,
  STAGE_COMPLETED
};

static gboolean
changes (const DiskRequest *r)
{
  return r->op == DISK_WRITE || r->op == DISK_DISCARD || r->op == DISK_ZERO;
}

/* Discarding gives back whole units only. */
static gboolean
discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  uint64_t end = offset + length, first = (offset + img->unit - 1) / img->unit * img->unit,
           last = end == img->size ? end : end / img->unit * img->unit;

  return !(img->format->caps & IMAGE_CAN_DISCARD) || first >= last
         || image_discard (img, first, last - first, error);
}

static gboolean
carry_out (Disk *d, DiskRequest *r, GError **error)
{
  Image *img = d->image;
  gboolean ok;

  if (r->op != DISK_FLUSH && (r->offset > d->size || r->length > d->size - r->offset))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("beyond the end of “%s”"), img->path);
      return FALSE;
    }
  if (img->read_only && changes (r))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("“%s” is read-only"), img->path);
      return FALSE;
    }
  switch (r->op)
    {
    case DISK_READ:
      return r->buffer != NULL ? img->format->read (img, r->offset, r->buffer, r->length, error)
                               : image_move_vector (img, r->offset, r->vector, r->vector_count, r->length, TRUE, error);
    case DISK_WRITE:
      ok = r->buffer != NULL ? img->format->write (img, r->offset, r->buffer, r->length, error)
                             : image_move_vector (img, r->offset, r->vector, r->vector_count, r->length, FALSE, error);
      break;
    case DISK_DISCARD:
      return discard (img, r->offset, r->length, error);
    case DISK_ZERO:
      ok = image_zero (img, r->offset, r->length, error);
      break;
    default:
      return disk_flush_layers (d, error);
    }
  return ok && (!r->force || disk_flush_layers (d, error));
}

/* Whether waiting may help: the file could not be written or the server is away, though nothing is wrong with the
 * request. */
static gboolean
may_stall (Disk *d, const DiskRequest *r, const GError *error)
{
  if (d->stall_handler != NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED))
    return TRUE;
  return d->stall_handler != NULL && (r->op == DISK_WRITE || r->op == DISK_ZERO || r->op == DISK_FLUSH)
         && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY)
         && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT)
         && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

/* Whether @later has to wait for @earlier. */
static gboolean
conflict (const DiskRequest *earlier, const DiskRequest *later)
{
  if (later->op == DISK_FLUSH)
    return changes (earlier);
  if (earlier->op == DISK_FLUSH || (earlier->op == DISK_READ && later->op == DISK_READ))
    return FALSE;
  return earlier->offset < later->offset + later->length && later->offset < earlier->offset + earlier->length;
}

static gboolean
is_claimed (Disk *d, const DiskRequest *r)
{
  for (GList *l = d->claims.head; l != NULL; l = l->next)
    {
      const DiskClaim *claim = l->data;

      if ((claim->alone || changes (r)) && r->op != DISK_FLUSH && claim->offset < r->offset + r->length
          && r->offset < claim->offset + claim->length)
        return TRUE;
    }
  return FALSE;
}

static gboolean
may_start (Disk *d, const DiskRequest *r)
{
  for (GList *l = d->running.head; l != NULL; l = l->next)
    if (conflict (l->data, r))
      return FALSE;
  for (GList *l = d->queue.head; l != NULL && l->data != r; l = l->next)
    if (conflict (l->data, r))
      return FALSE;
  return !is_claimed (d, r);
}

static void
start (Disk *d, DiskRequest *r)
{
  r->stage = STAGE_RUNNING;
  g_queue_push_tail_link (&d->running, &r->link);
  if (d->track != NULL && d->track->layer == d->image && changes (r))
    disk_track_note (d->track, r->offset, r->length);
}

void
disk_start_tracking (Disk *d, DiskTrack *track)
{
  d->track = track;
  for (GList *l = d->running.head; l != NULL; l = l->next)
    {
      const DiskRequest *r = l->data;

      if (changes (r))
        disk_track_note (track, r->offset, r->length);
    }
}

static void
take (Disk *d, Run *run, GList *l)
{
  DiskRequest *r = l->data;

  g_queue_unlink (&d->queue, l);
  start (d, r);
  run->errors[run->count] = NULL;
  run->requests[run->count++] = r;
  run->length += r->length;
}

static gboolean
goes_on (const Run *run, const DiskRequest *r)
{
  const DiskRequest *first = run->requests[0];

  return run->count < RUN_MAX && r->op == first->op && r->force == first->force && r->offset == first->offset + run->length
         && r->length <= RUN_BYTES - run->length;
}

/* FALSE: there is nothing that may be started. */
static gboolean
next_run (Disk *d, Run *run)
{
  GList *l = d->stalled || d->held ? NULL : d->queue.head, *next;

  while (l != NULL && !may_start (d, l->data))
    l = l->next;
  if (l == NULL)
    return FALSE;
  run->count = 0;
  run->length = 0;
  next = l->next;
  take (d, run, l);
  if (run->requests[0]->op > DISK_WRITE || run->length > RUN_BYTES || !image_takes_runs (d->image))
    return TRUE;
  while ((l = next) != NULL && goes_on (run, l->data) && may_start (d, l->data))
    {
      next = l->next;
      take (d, run, l);
    }
  return TRUE;
}

/* Returns how many are done: the next one has failed, and those after it were not tried. */
static unsigned
carry_out_run (Disk *d, Run *run)
{
  DiskRequest *first = run->requests[0];

  if (run->count > 1 && run->length <= d->size && first->offset <= d->size - run->length
      && (first->op == DISK_READ || !d->image->read_only)
      && image_move_requests (d->image, run->requests, run->count, NULL)
      && (!first->force || disk_flush_layers (d, NULL)))
    return run->count;
  /* One by one they tell which of them fails. */
  for (unsigned i = 0; i < run->count; i++)
    {
      carry_out (d, run->requests[i], &run->errors[i]);
      if (run->errors[i] != NULL)
        return i;
    }
  return run->count;
}

static gpointer worker (gpointer data);

/* Gets another worker to look at the queue, if there are requests enough for it: under way are long ones, or one that
 * is late. */
static void
want_worker (Disk *d, int64_t now)
{
  if (d->waking > 0 || g_queue_is_empty (&d->queue)
      || (!g_queue_is_empty (&d->running) && d->cost < WAKE_US * COST_WEIGHT && now - d->last_start < WAKE_US))
    return;
  if (d->idle_workers > 0)
    {
      d->waking = 1;
      g_cond_signal (&d->work);
    }
  else if (d->worker_count < DISK_WORKERS_MAX)
    {
      d->waking = 1;
      d->workers[d->worker_count] = g_thread_new ("disk", worker, d);
      d->worker_count++;
    }
}

static gpointer
worker (gpointer data)
{
  Disk *d = data;

  g_mutex_lock (&d->lock);
  d->waking = 0;
  for (;;)
    {
      int64_t start;
      gboolean found, stalls;
      unsigned done;
      Run run;

      while (!(found = next_run (d, &run)) && !d->quit)
        {
          d->idle_workers++;
          g_cond_wait (&d->work, &d->lock);
          d->idle_workers--;
          d->waking = 0;
        }
      if (!found)
        break;
      start = d->last_start = g_get_monotonic_time ();
      want_worker (d, start);
      g_mutex_unlock (&d->lock);
      done = carry_out_run (d, &run);
      g_mutex_lock (&d->lock);
      d->cost += g_get_monotonic_time () - start - d->cost / COST_WEIGHT;
      for (unsigned i = 0; i < run.count; i++)
        g_queue_unlink (&d->running, &run.requests[i]->link);
      stalls = done < run.count && may_stall (d, run.requests[done], run.errors[done]);
      if (done < run.count && !stalls)
        done++;
      for (unsigned i = 0; i < done; i++)
        {
          run.requests[i]->error = run.errors[i];
          run.requests[i]->stage = STAGE_COMPLETED;
          g_queue_push_tail_link (&d->completed, &run.requests[i]->link);
        }
      if (stalls)
        {
          d->stalled = d->stall_untold = TRUE;
          g_clear_error (&d->stall_error);
          d->stall_error = run.errors[done];
        }
      for (unsigned i = run.count; i-- > done;)
        {
          run.requests[i]->stage = STAGE_QUEUED;
          g_queue_push_head_link (&d->queue, &run.requests[i]->link);
        }
      if (d->source != NULL)
        g_source_set_ready_time (d->source, 0);
      /* Telling nobody is a system call, too. */
      if (d->waiting > 0)
        g_cond_broadcast (&d->progress);
    }
  g_mutex_unlock (&d->lock);
  return NULL;
}

static gboolean
tell (gpointer data)
{
  Disk *d = data;
  g_autoptr (GError) stall = NULL;
  void (*handler) (Disk *, const GError *, void *) = NULL;
  void *opaque = NULL;
  GQueue done;

  g_mutex_lock (&d->lock);
  done = d->completed;
  g_queue_init (&d->completed);
  if (d->stall_untold)
    {
      d->stall_untold = FALSE;
      stall = g_error_copy (d->stall_error);
      handler = d->stall_handler;
      opaque = d->stall_opaque;
    }
  g_mutex_unlock (&d->lock);

  for (GList *l; (l = g_queue_pop_head_link (&done)) != NULL;)
    {
      DiskRequest *r = l->data;
      const DiskRequest *next = done.head != NULL ? done.head->data : NULL;
      GError *error = r->error;

      r->stage = STAGE_NONE;
      r->more = next != NULL && next->done == r->done && next->opaque == r->opaque;
      r->done (r);
      g_clear_error (&error);
    }
  if (handler != NULL)
    handler (d, stall, opaque);
  return G_SOURCE_CONTINUE;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  g_source_set_ready_time (source, -1);
  return callback (data);
}

static GSourceFuncs source_funcs = { .dispatch = source_dispatch };

static Image *
open_image (const char *path, const DiskOpenOptions *options, GError **error)
{
  DiskOpenFlags flags = options->flags;
  gboolean discard_changes = (flags & DISK_OPEN_DISCARD_CHANGES) != 0;
  const char *const only[] = { options->base, NULL };
  ImageOpenFlags how = 0;
  Image *img;

  if (flags & (DISK_OPEN_READ_ONLY | DISK_OPEN_DISCARD_CHANGES | DISK_OPEN_LAYER | DISK_OPEN_LOOK))
    how |= IMAGE_OPEN_READ_ONLY;
  if (flags & DISK_OPEN_LOOK)
    how |= IMAGE_OPEN_LOOK;
  if (flags & DISK_OPEN_LAYER)
    how |= IMAGE_OPEN_NO_BASE;
  if (flags & DISK_OPEN_TRUST)
    how |= IMAGE_OPEN_TRUSTED;
  if (flags & DISK_OPEN_NO_CACHE)
    how |= IMAGE_OPEN_DIRECT;
  if (options->chain != NULL && !(flags & DISK_OPEN_LOOK))
    how |= IMAGE_OPEN_MEND;
  img = image_open_chain (path, how, options->format, options->chain != NULL ? options->chain : only, error);
  if (img == NULL)
    return NULL;
  if (flags & DISK_OPEN_DISC && !image_check_disc (img, error))
    {
      image_close (img);
      return NULL;
    }
  if (discard_changes && !(flags & (DISK_OPEN_READ_ONLY | DISK_OPEN_LAYER)) && img->format != &iso_format)
    img = overlay_new (img, error);
  return img;
}

Disk *
disk_open_with (const char *path, const DiskOpenOptions *options, GError **error)
{
  Image *img = open_image (path, options, error);
  Disk *d;

  if (img == NULL)
    return NULL;
  d = g_new0 (Disk, 1);
  d->refs = 1;
  d->image = img;
  d->size = img->size;
  g_mutex_init (&d->lock);
  g_mutex_init (&d->settle_lock);
  g_mutex_init (&d->prepare_lock);
  d->prepared = g_ptr_array_new ();
  d->old_paths = g_ptr_array_new_with_free_func (g_free);
  g_cond_init (&d->work);
  g_cond_init (&d->progress);
  g_queue_init (&d->queue);
  g_queue_init (&d->running);
  g_queue_init (&d->claims);
  g_queue_init (&d->completed);
  return d;
}

Disk *
disk_open (const char *path, DiskOpenFlags flags, GError **error)
{
  const DiskOpenOptions options = { .flags = flags };

  return disk_open_with (path, &options, error);
}

Disk *
disk_ref (Disk *d)
{
  g_atomic_int_inc (&d->refs);
  return d;
}

void
disk_unref (Disk *d)
{
  g_autoptr (GError) error = NULL;

  if (d == NULL || !g_atomic_int_dec_and_test (&d->refs))
    return;
  disk_drain (d);
  g_mutex_lock (&d->lock);
  d->quit = TRUE;
  g_cond_broadcast (&d->work);
  g_mutex_unlock (&d->lock);
  for (unsigned i = 0; i < d->worker_count; i++)
    g_thread_join (d->workers[i]);
  if (d->source != NULL)
    {
      g_source_destroy (d->source);
      g_source_unref (d->source);
    }
  if (g_atomic_int_get (&d->is_abandoned))
    g_debug ("“%s” is closed as it is", disk_path (d));
  else if (!disk_flush_layers (d, &error))
    g_warning ("%s", error->message);
  else if (!disk_settle (d, &error))
    g_debug ("%s", error->message);
  image_close (d->image);
  g_clear_error (&d->stall_error);
  g_ptr_array_unref (d->old_paths);
  g_ptr_array_unref (d->prepared);
  g_mutex_clear (&d->prepare_lock);
  g_mutex_clear (&d->settle_lock);
  g_mutex_clear (&d->lock);
  g_cond_clear (&d->work);
  g_cond_clear (&d->progress);
  g_free (d);
}

void
disk_abandon (Disk *d)
{
  g_atomic_int_set (&d->is_abandoned, TRUE);
}

void *
disk_buffer_new (size_t length)
{
  return image_buffer_new (length);
}

void
disk_buffer_free (void *buffer)
{
  g_aligned_free (buffer);
}

void
disk_set_context (Disk *d, GMainContext *context)
{
  GSource *source = g_source_new (&source_funcs, sizeof (GSource));

  g_source_set_callback (source, tell, d, NULL);
  g_source_set_ready_time (source, -1);
  g_source_attach (source, context);
  g_mutex_lock (&d->lock);
  if (d->source != NULL)
    {
      g_source_destroy (d->source);
      g_source_unref (d->source);
    }
  d->source = source;
  /* What the one before has not told yet. */
  if (!g_queue_is_empty (&d->completed) || d->stall_untold)
    g_source_set_ready_time (source, 0);
  g_mutex_unlock (&d->lock);
}

void
disk_submit (Disk *d, DiskRequest *request)
{
  request->error = NULL;
  request->link = (GList) { .data = request };
  request->stage = STAGE_QUEUED;
  g_mutex_lock (&d->lock);
  g_queue_push_tail_link (&d->queue, &request->link);
  want_worker (d, g_get_monotonic_time ());
  g_mutex_unlock (&d->lock);
}

/* With the lock. Its stage is STAGE_QUEUED after that when it has stalled. */
static void
wait_for (Disk *d, const DiskRequest *r)
{
  d->waiting++;
  while (r->stage == STAGE_RUNNING)
    g_cond_wait (&d->progress, &d->lock);
  d->waiting--;
}

void
disk_recall (Disk *d, DiskRequest *r)
{
  g_mutex_lock (&d->lock);
  wait_for (d, r);
  if (r->stage == STAGE_QUEUED)
    {
      r->stage = STAGE_COMPLETED;
      g_queue_unlink (&d->queue, &r->link);
      g_set_error_literal (&r->error, G_IO_ERROR, G_IO_ERROR_CANCELLED, g_strerror (ECANCELED));
      g_queue_push_tail_link (&d->completed, &r->link);
      if (d->source != NULL)
        g_source_set_ready_time (d->source, 0);
      disk_wake (d);
    }
  g_mutex_unlock (&d->lock);
}

void
disk_withdraw (Disk *d, DiskRequest *r)
{
  g_mutex_lock (&d->lock);
  wait_for (d, r);
  if (r->stage != STAGE_NONE)
    {
      g_queue_unlink (r->stage == STAGE_QUEUED ? &d->queue : &d->completed, &r->link);
      r->stage = STAGE_NONE;
      g_clear_error (&r->error);
      disk_wake (d);
    }
  g_mutex_unlock (&d->lock);
}

void
disk_drain (Disk *d)
{
  g_mutex_lock (&d->lock);
  d->waiting++;
  while (!g_queue_is_empty (&d->running) || (!d->stalled && !g_queue_is_empty (&d->queue)))
    g_cond_wait (&d->progress, &d->lock);
  d->waiting--;
  g_mutex_unlock (&d->lock);
}

void
disk_set_stall_handler (Disk *d, void (*stalled) (Disk *disk, const GError *error, void *opaque), void *opaque)
{
  g_mutex_lock (&d->lock);
  d->stall_handler = stalled;
  d->stall_opaque = opaque;
  g_mutex_unlock (&d->lock);
}

void
disk_retry (Disk *d)
{
  g_mutex_lock (&d->lock);
  d->stalled = FALSE;
  g_cond_broadcast (&d->work);
  g_mutex_unlock (&d->lock);
}

void
disk_enter (Disk *d, DiskRequest *r)
{
  r->link = (GList) { .data = r };
  g_mutex_lock (&d->lock);
  d->waiting++;
  while (d->held || (d->stalled ? is_claimed (d, r) : !may_start (d, r)))
    g_cond_wait (&d->progress, &d->lock);
  d->waiting--;
  start (d, r);
  g_mutex_unlock (&d->lock);
}

void
disk_leave (Disk *d, DiskRequest *r)
{
  g_mutex_lock (&d->lock);
  g_queue_unlink (&d->running, &r->link);
  disk_wake (d);
  g_mutex_unlock (&d->lock);
}

void
disk_hold (Disk *d)
{
  g_mutex_lock (&d->lock);
  d->waiting++;
  while (d->held)
    g_cond_wait (&d->progress, &d->lock);
  d->held = TRUE;
  while (!g_queue_is_empty (&d->running))
    g_cond_wait (&d->progress, &d->lock);
  d->waiting--;
  g_mutex_unlock (&d->lock);
}

void
disk_release (Disk *d)
{
  g_mutex_lock (&d->lock);
  d->held = FALSE;
  disk_wake (d);
  g_mutex_unlock (&d->lock);
}

void
disk_wake (Disk *d)
{
  if (!g_queue_is_empty (&d->queue))
    g_cond_broadcast (&d->work);
  if (d->waiting > 0)
    g_cond_broadcast (&d->progress);
}

/* In this thread. */
static gboolean
run (Disk *d, DiskRequest *r, GError **error)
{
  gboolean ok;

  disk_enter (d, r);
  ok = carry_out (d, r, error);
  disk_leave (d, r);
  return ok;
}

gboolean
disk_read (Disk *d, uint64_t offset, void *buffer, size_t length, GError **error)
{
  DiskRequest r = { .op = DISK_READ, .offset = offset, .buffer = buffer, .length = length };

  return run (d, &r, error);
}

gboolean
disk_write (Disk *d, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  DiskRequest r = { .op = DISK_WRITE, .offset = offset, .buffer = (void *) buffer, .length = length };

  return run (d, &r, error);
}

gboolean
disk_flush (Disk *d, GError **error)
{
  DiskRequest r = { .op = DISK_FLUSH };

  return run (d, &r, error);
}

gboolean
disk_discard (Disk *d, uint64_t offset, uint64_t length, GError **error)
{
  DiskRequest r = { .op = DISK_DISCARD, .offset = offset, .length = length };

  return run (d, &r, error);
}

gboolean
disk_zero (Disk *d, uint64_t offset, uint64_t length, GError **error)
{
  DiskRequest r = { .op = DISK_ZERO, .offset = offset, .length = length };

  return run (d, &r, error);
}

gboolean
disk_extent (Disk *d, uint64_t offset, uint64_t length, DiskExtent *extent, GError **error)
{
  /* It touches no bytes: it waits for none, and only keeps the layers from changing. */
  DiskRequest r = { .op = DISK_READ };
  ImageExtent found;
  Image *layer;
  gboolean ok;

  disk_enter (d, &r);
  if (offset >= d->size)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("beyond the end of “%s”"), d->image->path);
      ok = FALSE;
    }
  else
    ok = image_resolve (d->image, offset, length, &found, &layer, error);
  if (ok)
    *extent = (DiskExtent) { .is_data = found.kind != IMAGE_ZERO,
                             .in_layer = layer == d->image || layer == disk_top_layer (d),
                             .length = found.length };
  disk_leave (d, &r);
  return ok;
}
