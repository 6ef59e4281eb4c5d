/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An operating system that can be chosen, or the heading of a group of them in a list. */
#pragma once

#include "ui/os-defaults.h"

#include <glib-object.h>

G_BEGIN_DECLS

/* In the order of the list. */
typedef enum
{
  OS_GROUP_DEBIAN, OS_GROUP_UBUNTU, OS_GROUP_FEDORA, OS_GROUP_REDHAT, OS_GROUP_SUSE, OS_GROUP_LINUX,
  OS_GROUP_WINDOWS, OS_GROUP_BSD, OS_GROUP_REST, OS_GROUP_OTHER
} OsGroup;

#define BUNSHIN_TYPE_OS (bunshin_os_get_type ())
G_DECLARE_FINAL_TYPE (BunshinOs, bunshin_os, BUNSHIN, OS, GObject)

/* Strings are copied. @search: more words to find it by, or NULL. @year 0: unknown. */
BunshinOs *bunshin_os_new (const OsFacts *facts, const char *name, OsGroup group, const char *search);
BunshinOs *bunshin_os_new_heading (OsGroup group);

gboolean bunshin_os_is_heading (BunshinOs *self);
const char *bunshin_os_get_id (BunshinOs *self);
const char *bunshin_os_get_name (BunshinOs *self);
OsGroup bunshin_os_get_group (BunshinOs *self);
/* Belongs to the object. */
const OsFacts *bunshin_os_get_facts (BunshinOs *self);
/* @words: casefolded, NULL-terminated. All of them occur in its name, id or search words. */
gboolean bunshin_os_matches (BunshinOs *self, const char *const *words);
/* By group, then newest first, then name. */
int bunshin_os_compare (BunshinOs *a, BunshinOs *b);
/* Where a system belongs, by what the database calls its family and distribution (either may be NULL). */
OsGroup os_group_for (const char *id, const char *family, const char *distribution);
const char *os_group_name (OsGroup group);

G_END_DECLS
