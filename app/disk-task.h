/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long work on disk images at the command line: its progress on a terminal, and Ctrl-C. */
#pragma once

#include "storage/disk/disk.h"

/* Runs @work on a thread. On a terminal standard error shows how far it is; SIGINT and SIGTERM cancel it, and a second
 * one ends the program. Returns what @work does. */
gboolean
disk_task_run (gboolean (*work) (const DiskTask *task, gpointer data, GError **error), gpointer data, GError **error);
