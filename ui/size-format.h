/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes of memory and disks as people read and type them: powers of 1024. */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* "512 MiB", "1.5 GiB"; at most one decimal. Caller frees. */
char *size_format (uint64_t bytes);
/* "1.5 MB/s" for a status bar: bytes a second, powers of 1000. Caller frees. */
char *size_format_rate (double bytes_per_second);
/* Reads "20", "20 GiB", "20G", "512 mb"; a bare number counts @unit bytes each. FALSE when @text is something else or
 * beyond exabytes. */
gboolean size_parse (const char *text, uint64_t unit, uint64_t *bytes);

G_END_DECLS
