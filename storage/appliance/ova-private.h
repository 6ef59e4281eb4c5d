/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reads members of an archive shares. */
#pragma once

#include "storage/appliance/appliance-private.h"

#include <archive.h>

struct Ova
{
  char *path;
  GPtrArray *members;  /* of OvaMember */
  GHashTable *by_name; /* to the members */
};

struct archive_entry;

/* Ready for the first header. Free with archive_read_free(). */
struct archive *ova_reader (const char *path, GError **error);
/* Ready for the bytes of the member. */
struct archive *ova_reader_at (const Ova *archive, const char *name, GError **error);
const char *ova_entry_name (struct archive_entry *entry);
gboolean ova_failed (GError **error, const char *path, struct archive *reader);
