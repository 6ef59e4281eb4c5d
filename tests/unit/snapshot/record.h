/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What reaches the file system below a folder, whoever does it: this program, GLib or SQLite, as the functions of the C
 * library that change files are replaced. From the record the folder can be made as a power cut may leave it.
 *
 * The model is that of a file system that keeps a journal of its names, as ext4 does:
 * - What a file holds is durable once it is synced. Of what was written into it after that, its changes of length and its
 *   holes, any part may have made it, and writes in parts of a sector.
 * - Names (those that are made, moved, linked and removed, of files and folders) are changed in order: some of the last
 *   changes may be lost, but none without those after it. They are durable when any folder is synced, and up to the making
 *   of a file when that is.
 * - One says nothing of the other: a name may be there whose file is empty, and a file be whole that has no name yet.
 * Shared memory of databases is not durable and is left out.
 */
#pragma once

#include "tests/unit/snapshot/interrupted.h"

typedef struct Record Record;

/* There can be one at a time. @progress: what a moment of the record is to remember. */
Record *record_new (const char *folder, const Progress *progress);
void record_free (Record *record);
/* Forgets everything; what the folder holds now is durable. */
void record_reset (void);
/* In a process that was forked since, and only there: what follows is recorded, until the end. */
void record_begin (void);
void record_end (void);

/* How many events there are. */
unsigned record_length (const Record *record);
/* A moment of it by g_test_rand_…(): before any event, or, as often, beside one that makes something durable or changes a
 * name. */
unsigned record_pick (const Record *record);
/* How far it had come before event @at. */
const Progress *record_progress (const Record *record, unsigned at);
/* Moves on to the moment before event @at, which is not before the one that it was moved on to last. */
void record_go_to (Record *record, unsigned at);
/* Makes the folder as the power cut leaves it, by g_test_rand_…(); @whole: as nothing was lost. What was kept, in words;
 * caller frees. */
char *record_rebuild (Record *record, gboolean whole);
