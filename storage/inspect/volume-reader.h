/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A range of a disk, read through a bounded cache: file systems read the same few blocks over and over. Private to
 * storage/inspect. Not for several threads at a time. */
#pragma once

#include "storage/disk/disk.h"

typedef struct VolumeReader VolumeReader;

/* @disk stays the caller's and has to outlive the reader. The range lies within it. */
VolumeReader *volume_reader_new (Disk *disk, uint64_t start, uint64_t length);
void volume_reader_free (VolumeReader *reader);
uint64_t volume_reader_length (const VolumeReader *reader);
/* What lies beyond the end is an error. */
gboolean volume_reader_read (VolumeReader *reader, uint64_t offset, void *buffer, size_t length, GError **error);
