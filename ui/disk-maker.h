/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a disk image on a worker thread; what was cancelled leaves no file. */
#pragma once

#include "ui/disk-work.h"

G_BEGIN_DECLS

/* Main thread. @format, @variant: the block layer's words. @progress (optional) and the callback get @opaque. */
void disk_maker_run_async (const char *path, const char *format, const char *variant, guint64 size,
                           DiskWorkProgress progress, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer opaque);
gboolean disk_maker_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
