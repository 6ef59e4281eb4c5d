/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a disk image on a worker thread, telling how far it is; what was cancelled leaves no file. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef void (*DiskMakerProgress) (double fraction, gpointer data);

/* Main thread. @format: the block layer's word. @progress (optional) is called on the main thread, never after the
 * callback; it gets @data, too. */
void disk_maker_run_async (const char *path, const char *format, gboolean fixed, guint64 size,
                           DiskMakerProgress progress, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer data);
gboolean disk_maker_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
