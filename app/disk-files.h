/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disk images as files of the user: making them, and finding out what a file is. */
#pragma once

#include <glib.h>

/* The words of --disk-format and --disk-variant checked; either may be NULL for the default. Errors are of usage. */
gboolean disk_file_check_options (const char *format, const char *variant, GError **error);
/* Makes a new image; never over an existing file. */
gboolean disk_file_create (const char *path, guint64 size, const char *format, const char *variant, GError **error);
/* Whether the file is a disk image that can be opened; *@format (optional) is its format's name. Caller frees. */
gboolean disk_file_probe (const char *path, char **format, GError **error);
/* Whether the file can be put into a CD or DVD drive. */
gboolean disk_file_check_disc (const char *path, GError **error);
/* What verbs that were killed have left beside @path is finished or undone; standard error says so. */
void disk_file_recover_beside (const char *path);
