/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chosen rows of a list of changes, as a list model: an object is made for a row only while somebody looks at it. */
#pragma once

#include "ui/changes-data.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_CHANGE (bunshin_change_get_type ())
G_DECLARE_FINAL_TYPE (BunshinChange, bunshin_change, BUNSHIN, CHANGE, GObject)

#define BUNSHIN_TYPE_CHANGES_LIST (bunshin_changes_list_get_type ())
G_DECLARE_FINAL_TYPE (BunshinChangesList, bunshin_changes_list, BUNSHIN, CHANGES_LIST, GObject)

BunshinChangesList *bunshin_changes_list_new (void);
/* @rows: indexes as of changes_data_select(). Both are taken over; NULL: nothing. */
void bunshin_changes_list_set (BunshinChangesList *self, ChangesData *data, GArray *rows);
/* Where @row is, or G_MAXUINT. */
guint bunshin_changes_list_find (BunshinChangesList *self, const ChangesRow *row);

const ChangesRow *bunshin_change_get_row (BunshinChange *self);
/* Bytes, for the command line. */
const char *bunshin_change_get_path (BunshinChange *self);
const char *bunshin_change_get_disk (BunshinChange *self);
/* The last part of the path, as it can be shown; a folder's with a '/'. Caller frees. */
char *bunshin_change_get_name (BunshinChange *self);
/* Where that is: "/etc", or "ide0, partition 1: /etc" where there are several file systems. Caller frees. */
char *bunshin_change_get_place (BunshinChange *self);
/* "2 KiB → 4 KiB", or the one size that there is; NULL: of folders nothing is said. Caller frees. */
char *bunshin_change_get_sizes (BunshinChange *self);
/* "Added". */
const char *bunshin_change_get_kind_name (BunshinChange *self);
/* When it was modified; empty: not known. Caller frees. */
char *bunshin_change_get_time (BunshinChange *self);

G_END_DECLS
