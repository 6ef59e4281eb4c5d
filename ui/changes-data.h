/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What changed between two states of a machine's disks, as “snapshot changes --records” tells it: read while it comes,
 * and kept so that a million rows are no burden. app/changes-records.h has the form. What it says comes out of a guest,
 * by way of a process that may have been misled: every field is checked.
 */
#pragma once

#include "storage/inspect/inspect.h"

G_BEGIN_DECLS

#define CHANGES_KINDS 4

typedef struct
{
  guint64 old_size, new_size; /* bytes */
  gint64 modified;            /* seconds since 1970 */
  guint32 path;               /* for changes_data_get_path() */
  guint16 volume;             /* 0: the disk is not divided */
  guint8 kind, type;          /* InspectChangeKind, InspectType */
  guint8 disk;                /* for changes_data_get_disk() */
  guint8 is_ascii;            /* its path */
} ChangesRow;

typedef struct _ChangesData ChangesData;

/* Counts references; any thread. */
ChangesData *changes_data_new (void);
ChangesData *changes_data_ref (ChangesData *self);
void changes_data_unref (ChangesData *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChangesData, changes_data_unref)

/* The next bytes of the output. One thread feeds; until it ended, others only ask how far it is. */
gboolean changes_data_feed (ChangesData *self, const char *bytes, gsize length, GError **error);
/* An error when the end of the list has not come. */
gboolean changes_data_end (ChangesData *self, GError **error);
/* How far the comparison is, 0 … 1; negative: not known. Any thread, any time. */
double changes_data_get_progress (ChangesData *self);

guint changes_data_get_count (ChangesData *self);
guint changes_data_count_kind (ChangesData *self, InspectChangeKind kind);
const ChangesRow *changes_data_get_row (ChangesData *self, guint index);
/* From the root of its file system; any bytes. */
const char *changes_data_get_path (ChangesData *self, const ChangesRow *row);
/* The disk's place, "ide0". */
const char *changes_data_get_disk (ChangesData *self, const ChangesRow *row);
/* Whether all rows are of one file system. */
gboolean changes_data_is_one_volume (ChangesData *self);
/* What could not be looked at: sentences, char *. */
const GPtrArray *changes_data_get_notes (ChangesData *self);

typedef enum
{
  CHANGES_BY_PATH,
  CHANGES_BY_SIZE, /* what became larger or smaller by most first */
  CHANGES_BY_TIME  /* the latest first */
} ChangesOrder;

typedef struct
{
  const char *search; /* part of the path, in any case; NULL: all */
  guint kinds;        /* 1 << InspectChangeKind */
  ChangesOrder order;
} ChangesQuery;

/* Indexes of the rows (guint32) in order. Any thread, after the end. NULL when it was cancelled. Free with
 * g_array_unref(). */
GArray *changes_data_select (ChangesData *self, const ChangesQuery *query, GCancellable *cancellable);

G_END_DECLS
