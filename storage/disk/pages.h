/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pages of an image's tables (where blocks lie, which sectors are there): read
 * when first needed, a bounded number kept, written back after the data that
 * they speak of. Private to storage/disk.
 */
#pragma once

#include "storage/disk/format.h"

typedef struct Pages Pages;

/* A page as it was when a flush began. */
typedef struct
{
  ImageFile *file;
  uint64_t at, mirror; /* @mirror: where the file keeps a second copy, or 0 */
  const void *data;
} PageCopy;

/* Makes @count pages, in order of their place, part of the file: by the log, say. They are synced afterwards. */
typedef gboolean (*PagesWrite) (Image *img, const PageCopy *copies, size_t count, GError **error);

/* Pages of @page_size bytes, which begin anywhere; about @bytes are kept. @write NULL: each in its place. */
Pages *pages_new (Image *img, size_t page_size, size_t bytes, PagesWrite write);
void pages_free (Pages *pages);

/* With map_lock held; what they return is good until the next call. */
const void *pages_read (Pages *pages, ImageFile *file, uint64_t at, GError **error);
void *pages_change (Pages *pages, ImageFile *file, uint64_t at, uint64_t mirror, GError **error);
/* A page whose place in the file is known to hold zeros. */
void *pages_begin (Pages *pages, ImageFile *file, uint64_t at, uint64_t mirror, GError **error);

/* Without map_lock: all data written before is durable, then all pages changed before. */
gboolean pages_flush (Pages *pages, GError **error);
