/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a disk image on a worker thread; see the header. */

#include "ui/disk-maker.h"

#include "storage/disk/disk.h"

#include <glib/gstdio.h>

typedef struct
{
  char *path, *format;
  gboolean fixed;
  guint64 size;
  GAsyncReadyCallback callback;
  DiskMakerTick tick;
  gpointer data;
  guint timer;
} Making;

enum
{
  TICK_MS = 100
};

static void
making_free (gpointer data)
{
  Making *making = data;

  g_free (making->path);
  g_free (making->format);
  g_free (making);
}

static gboolean
on_tick (gpointer data)
{
  Making *making = data;

  making->tick (making->data);
  return G_SOURCE_CONTINUE;
}

static void
make_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Making *making = task_data;
  const DiskCreateOptions options
      = { .format = making->format, .variant = making->fixed ? "fixed" : "dynamic", .size = making->size };
  GError *error = NULL;

  if (!disk_create (making->path, &options, &error))
    g_task_return_error (task, error);
  else if (g_cancellable_set_error_if_cancelled (cancellable, &error))
    {
      g_unlink (making->path);
      g_task_return_error (task, error);
    }
  else
    g_task_return_boolean (task, TRUE);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Making *making = g_task_get_task_data (G_TASK (result));

  g_clear_handle_id (&making->timer, g_source_remove);
  making->callback (source, result, making->data);
}

void
disk_maker_run_async (const char *path, const char *format, gboolean fixed, guint64 size, DiskMakerTick tick,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, on_done, NULL);
  Making *making = g_new0 (Making, 1);

  making->path = g_strdup (path);
  making->format = g_strdup (format);
  making->fixed = fixed;
  making->size = size;
  making->callback = callback;
  making->tick = tick;
  making->data = data;
  if (tick != NULL)
    making->timer = g_timeout_add (TICK_MS, on_tick, making);
  g_task_set_task_data (task, making, making_free);
  /* The worker itself undoes what was cancelled, so that the answer comes when the file is gone. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_run_in_thread (task, make_thread);
}

gboolean
disk_maker_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
