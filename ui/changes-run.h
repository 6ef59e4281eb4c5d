/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking into disks by way of the program's own command line: what is read there may mislead or crash the reader,
 * which then is not this process.
 */
#pragma once

#include "ui/changes-data.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  const char *program; /* path of the program */
  const char *home;    /* the library's folder */
  const char *machine; /* UUID */
} ChangesSource;

/* Compares the snapshot @from with @to, NULL the present state. @data is new, and filled by a thread: until this ends
 * only its progress is asked for. When it is cancelled, the process is killed. All strings are copied. */
void changes_run_async (const ChangesSource *source, const char *from, const char *to, ChangesData *data,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* FALSE: the error is in the words that the command line printed. */
gboolean changes_run_finish (GAsyncResult *result, GError **error);

/* Copies the file @path on partition @volume of @disk in the state @moment (NULL: the present one) to @destination,
 * which it replaces. */
void changes_copy_async (const ChangesSource *source, const char *moment, const char *disk, guint volume,
                         const char *path, const char *destination, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data);
gboolean changes_copy_finish (GAsyncResult *result, GError **error);

G_END_DECLS
