/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long work on disk images, on a thread of its own. The application stays until it has ended. */
#pragma once

#include "storage/disk/disk.h"

G_BEGIN_DECLS

/* On the thread. Undoes what was begun when it is cancelled. */
typedef gboolean (*DiskWork) (const DiskTask *task, gpointer data, GError **error);
/* On the main thread, now and then until the callback: 0 … 1; negative: not known. */
typedef void (*DiskWorkProgress) (double fraction, gpointer opaque);

/* Main thread. @data stays valid until the callback; @progress (optional) and the callback get @opaque. */
void disk_work_run_async (DiskWork work, gpointer data, DiskWorkProgress progress, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer opaque);
gboolean disk_work_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
