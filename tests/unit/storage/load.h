/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that never stops: threads that write, zero, discard, read and flush a disk at random,
 * and a copy in memory that says what is to be read. Each thread has bytes of its own, which lie
 * between those of the others, so that they meet in the units of an image and never in a byte.
 */
#pragma once

#include "storage/disk/disk.h"

typedef struct Load Load;

/* A copy of zeros for a disk of @size bytes. */
Load *load_new (uint64_t size);
/* Stopped before. */
void load_free (Load *load);
/* @disk is borrowed until load_stop(), which waits for all that was begun. */
void load_start (Load *load, Disk *disk);
void load_stop (Load *load);
/* Returns when so many requests more than now have been carried out; what goes wrong with one fails the test. */
void load_wait (Load *load, unsigned requests);
/* Writes random bytes, by itself, while nothing else runs. */
void load_write (Load *load, Disk *disk, uint64_t offset, size_t length);
/* The whole disk holds what it should. */
void load_check (Load *load, Disk *disk);
