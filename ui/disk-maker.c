/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a disk image on a worker thread; see the header. */

#include "ui/disk-maker.h"

typedef struct
{
  char *path, *format, *variant;
  guint64 size;
  GAsyncReadyCallback callback;
  DiskWorkProgress progress;
  gpointer opaque;
} Making;

static void
making_free (Making *making)
{
  g_free (making->path);
  g_free (making->format);
  g_free (making->variant);
  g_free (making);
}

static gboolean
make (const DiskTask *task, gpointer data, GError **error)
{
  const Making *making = data;
  const DiskCreateOptions options = { .format = making->format, .variant = making->variant, .size = making->size };

  if (!disk_create (making->path, &options, error))
    return FALSE;
  if (!g_cancellable_is_cancelled (task->cancellable))
    return TRUE;
  disk_delete (making->path, NULL);
  return !g_cancellable_set_error_if_cancelled (task->cancellable, error);
}

static void
on_progress (double fraction, gpointer opaque)
{
  Making *making = opaque;

  making->progress (fraction, making->opaque);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer opaque)
{
  Making *making = opaque;

  making->callback (source, result, making->opaque);
  making_free (making);
}

void
disk_maker_run_async (const char *path, const char *format, const char *variant, guint64 size,
                      DiskWorkProgress progress, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer opaque)
{
  Making *making = g_new0 (Making, 1);

  making->path = g_strdup (path);
  making->format = g_strdup (format);
  making->variant = g_strdup (variant);
  making->size = size;
  making->callback = callback;
  making->progress = progress;
  making->opaque = opaque;
  disk_work_run_async (make, making, progress != NULL ? on_progress : NULL, cancellable, on_done, making);
}

gboolean
disk_maker_run_finish (GAsyncResult *result, GError **error)
{
  return disk_work_run_finish (result, error);
}
