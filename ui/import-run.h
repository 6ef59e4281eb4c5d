/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes machines of the library from a draft, with their disks; what fails or is killed halfway leaves nothing. */
#pragma once

#include "ui/import-draft.h"

G_BEGIN_DECLS

/* Any thread: it opens the library of @home (NULL: the user's) for itself. @draft must not change meanwhile, and stays
 * as it is. Returns the UUIDs of the machines that were made; free with g_strfreev(). */
char **import_run (const ImportDraft *draft, const char *home, const DiskTask *task, GError **error);
/* Removes what imports that were killed have left in the library: a sentence about each, NULL-terminated (NULL: there
 * was nothing). Free with g_strfreev(). */
char **import_recover (Library *library);

G_END_DECLS
