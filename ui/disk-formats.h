/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formats of disks in words, and what new ones can be. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The words the block layer knows new disks by, in the order they are offered; NULL-terminated. */
const char *const *disk_formats (void);
/* "VDI (VirtualBox)", what people choose; and "VDI". Translated. */
const char *disk_format_title (const char *format);
const char *disk_format_short_title (const char *format);
/* Whether a new disk of the format can consist of files of 2 GB. */
gboolean disk_format_can_split (const char *format);
/* The block layer's word for a new disk of this kind. */
const char *disk_format_variant (const char *format, gboolean fixed, gboolean split);
/* "grows as needed", "takes all space now", …: a clause; NULL where there is nothing to say of it. Translated. */
const char *disk_variant_text (const char *variant);
/* The first of "<folder>/<name>.<ending>", "<folder>/<name> 2.<ending>", … that is no file yet. Caller frees. */
char *disk_free_path (const char *folder, const char *name, const char *ending);

G_END_DECLS
