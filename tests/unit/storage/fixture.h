/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of image formats share: files that are looked into and changed behind the disk's back, and disks that open or
 * are refused. Every function fails the test where it cannot do its work. */
#pragma once

#include "storage/disk/disk.h"

/* @length bytes at @at of the file. */
void image_get (const char *path, uint64_t at, void *data, size_t length);
void image_put (const char *path, uint64_t at, const void *data, size_t length);

/* Removes the folder and the files in it. */
void image_remove_folder (const char *folder);

Disk *image_must_open (const char *path);
/* Opening fails, with a message that has @named, a file or folder, and @words in it. */
void image_refused (const char *path, DiskOpenFlags flags, const char *named, const char *words);

/* A sector that is @byte throughout. */
void image_write_sector (Disk *disk, uint64_t at, int byte);
void image_expect_sector (Disk *disk, uint64_t at, int byte);
