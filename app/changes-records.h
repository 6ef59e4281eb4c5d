/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of changes as the interface reads it from “snapshot changes --records”, which is not documented for users:
 * it can be read while it comes, however long it is, and has paths as the guest has them.
 *
 * Fields, each ended by a NUL byte; numbers are decimal. First “bunshin-changes-1”, then records by their first field:
 *
 *   p PERMILLE                                              how far the comparison is
 *   c KIND TYPE DISK PARTITION OLD-SIZE NEW-SIZE MODIFIED PATH   KIND and TYPE as numbers of InspectChange
 *   n SENTENCE                                              what could not be looked at; UTF-8
 *   e                                                       the end: without it the list is not whole
 */
#pragma once

#include "storage/inspect/inspect.h"

/* All write to the standard output. */
void changes_records_begin (void);
/* A DiskTask's progress; at most one record in 100 ms. @opaque: a gint64, at first 0, of when the last was. */
void changes_records_progress (uint64_t done, uint64_t total, void *opaque);
void changes_records_change (const char *slot, const InspectChange *change);
void changes_records_note (const char *text);
void changes_records_end (void);
