/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The block layer: a queue, a worker thread, completions on a main context, and what happens when writing fails. */

#include "storage/disk/format.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

struct Disk
{
  int refs;
  Image *image;
  GMutex image_lock;           /* one user of the image at a time */
  GThread *worker;

  GMutex lock;                 /* guards all below */
  GCond cond;
  GQueue queue;                /* DiskRequest, waiting */
  GQueue completed;            /* DiskRequest, to be told */
  gboolean busy, quit;
  gboolean stalled, stall_untold;
  GError *stall_error;
  void (*stall_handler) (Disk *disk, const GError *error, void *opaque);
  void *stall_opaque;

  GSource *source;             /* tells completions */
};

static gboolean
carry_out (Disk *d, DiskRequest *r, GError **error)
{
  Image *img = d->image;
  gboolean ok;

  if (r->op != DISK_FLUSH && (r->offset > img->size || r->length > img->size - r->offset))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("beyond the end of “%s”"), img->path);
      return FALSE;
    }
  if (img->read_only && (r->op == DISK_WRITE || r->op == DISK_DISCARD))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("“%s” is read-only"), img->path);
      return FALSE;
    }
  g_mutex_lock (&d->image_lock);
  switch (r->op)
    {
    case DISK_READ:
      ok = img->format->read (img, r->offset, r->buffer, r->length, error);
      break;
    case DISK_WRITE:
      ok = img->format->write (img, r->offset, r->buffer, r->length, error);
      break;
    case DISK_DISCARD:
      ok = img->format->discard == NULL || img->format->discard (img, r->offset, r->length, error);
      break;
    default:
      ok = img->read_only || img->format->flush (img, error);
      break;
    }
  g_mutex_unlock (&d->image_lock);
  return ok;
}

/* Whether waiting may help: the file could not be written, though nothing is wrong with the request. */
static gboolean
may_stall (Disk *d, const DiskRequest *r, const GError *error)
{
  return d->stall_handler != NULL && (r->op == DISK_WRITE || r->op == DISK_FLUSH) &&
         !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY) &&
         !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT) &&
         !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static gpointer
worker (gpointer data)
{
  Disk *d = data;

  g_mutex_lock (&d->lock);
  for (;;)
    {
      DiskRequest *r;
      GError *error = NULL;

      while (!d->quit && (d->stalled || g_queue_is_empty (&d->queue)))
        g_cond_wait (&d->cond, &d->lock);
      if (d->quit)
        break;
      r = g_queue_pop_head (&d->queue);
      d->busy = TRUE;
      g_mutex_unlock (&d->lock);
      carry_out (d, r, &error);
      g_mutex_lock (&d->lock);
      d->busy = FALSE;
      if (error != NULL && may_stall (d, r, error))
        {
          g_queue_push_head (&d->queue, r);
          d->stalled = d->stall_untold = TRUE;
          g_clear_error (&d->stall_error);
          d->stall_error = error;
        }
      else
        {
          r->error = error;
          g_queue_push_tail (&d->completed, r);
        }
      if (d->source != NULL)
        g_source_set_ready_time (d->source, 0);
      g_cond_broadcast (&d->cond);
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

  for (DiskRequest *r; (r = g_queue_pop_head (&done)) != NULL;)
    {
      GError *error = r->error;

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

Disk *
disk_open (const char *path, DiskOpenFlags flags, GError **error)
{
  gboolean discard = flags & DISK_OPEN_DISCARD_CHANGES;
  Image *img = image_open (path, flags & DISK_OPEN_READ_ONLY || discard, error);
  Disk *d;

  if (img == NULL)
    return NULL;
  if (flags & DISK_OPEN_DISC && !image_check_disc (img, error))
    {
      image_close (img);
      return NULL;
    }
  if (discard && !(flags & DISK_OPEN_READ_ONLY) && img->format != &iso_format)
    {
      img = overlay_new (img, error);
      if (img == NULL)
        return NULL;
    }
  d = g_new0 (Disk, 1);
  d->refs = 1;
  d->image = img;
  g_mutex_init (&d->image_lock);
  g_mutex_init (&d->lock);
  g_cond_init (&d->cond);
  g_queue_init (&d->queue);
  g_queue_init (&d->completed);
  d->worker = g_thread_new ("disk", worker, d);
  return d;
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
  g_cond_broadcast (&d->cond);
  g_mutex_unlock (&d->lock);
  g_thread_join (d->worker);
  if (d->source != NULL)
    {
      g_source_destroy (d->source);
      g_source_unref (d->source);
    }
  if (!d->image->read_only && !d->image->format->flush (d->image, &error))
    g_warning ("%s", error->message);
  image_close (d->image);
  g_clear_error (&d->stall_error);
  g_mutex_clear (&d->image_lock);
  g_mutex_clear (&d->lock);
  g_cond_clear (&d->cond);
  g_free (d);
}

uint64_t
disk_size (const Disk *d)
{
  return d->image->size;
}

const char *
disk_path (const Disk *d)
{
  return d->image->path;
}

const char *
disk_format_name (const Disk *d)
{
  return d->image->base != NULL ? d->image->base->format->name : d->image->format->name;
}

gboolean
disk_is_read_only (const Disk *d)
{
  return d->image->read_only;
}

gboolean
disk_is_fixed (const Disk *d)
{
  return d->image->fixed;
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
  g_mutex_unlock (&d->lock);
}

void
disk_submit (Disk *d, DiskRequest *request)
{
  request->error = NULL;
  g_mutex_lock (&d->lock);
  g_queue_push_tail (&d->queue, request);
  g_cond_broadcast (&d->cond);
  g_mutex_unlock (&d->lock);
}

void
disk_drain (Disk *d)
{
  g_mutex_lock (&d->lock);
  while (d->busy || (!d->stalled && !g_queue_is_empty (&d->queue)))
    g_cond_wait (&d->cond, &d->lock);
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
  g_cond_broadcast (&d->cond);
  g_mutex_unlock (&d->lock);
}

gboolean
disk_read (Disk *d, uint64_t offset, void *buffer, size_t length, GError **error)
{
  DiskRequest r = { .op = DISK_READ, .offset = offset, .buffer = buffer, .length = length };

  return carry_out (d, &r, error);
}

gboolean
disk_write (Disk *d, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  DiskRequest r = { .op = DISK_WRITE, .offset = offset, .buffer = (void *) buffer, .length = length };

  return carry_out (d, &r, error);
}

gboolean
disk_flush (Disk *d, GError **error)
{
  DiskRequest r = { .op = DISK_FLUSH };

  return carry_out (d, &r, error);
}
