/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a disk image on a worker thread; what was cancelled leaves no file. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef void (*DiskMakerTick) (gpointer data);

/* Main thread. @format: the block layer's word. @tick (optional) is called every now and then while it is under way, so
 * that something can move; never after the callback. It gets @data, too. */
void disk_maker_run_async (const char *path, const char *format, gboolean fixed, guint64 size,
                           DiskMakerTick tick, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer data);
gboolean disk_maker_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
