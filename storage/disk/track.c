/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which parts of a disk were written to: a bit for each grain. */

#include "storage/disk/disk-private.h"

void
disk_track_init (DiskTrack *t, Image *layer, unsigned shift, uint64_t grains_max)
{
  while (layer->size >> shift > grains_max)
    shift++;
  *t = (DiskTrack) { .layer = layer, .shift = shift, .grains = (layer->size + (1ull << shift) - 1) >> shift };
  t->bits = g_new0 (uint64_t, t->grains / 64 + 1);
}

void
disk_track_clear (DiskTrack *t)
{
  g_clear_pointer (&t->bits, g_free);
}

static void
set (DiskTrack *t, uint64_t first, uint64_t end, gboolean value)
{
  for (uint64_t i = first; i < end; i++)
    {
      uint64_t bit = 1ull << (i % 64), *word = &t->bits[i / 64];

      if (((*word & bit) != 0) == value)
        continue;
      *word ^= bit;
      if (value)
        t->count++;
      else
        t->count--;
    }
}

void
disk_track_note (DiskTrack *t, uint64_t offset, uint64_t length)
{
  uint64_t size = t->layer->size;

  if (offset >= size || length == 0)
    return;
  length = MIN (length, size - offset);
  set (t, offset >> t->shift, ((offset + length - 1) >> t->shift) + 1, TRUE);
}

void
disk_track_forget (DiskTrack *t, uint64_t offset, uint64_t length)
{
  uint64_t end = offset + length;

  set (t, (offset + (1ull << t->shift) - 1) >> t->shift, end >= t->layer->size ? t->grains : end >> t->shift, FALSE);
}

uint64_t
disk_track_next (const DiskTrack *t, uint64_t *offset, uint64_t longest, uint64_t gap)
{
  uint64_t first = *offset >> t->shift, end;

  while (first < t->grains && !(t->bits[first / 64] & 1ull << (first % 64)))
    first += t->bits[first / 64] >> (first % 64) == 0 ? 64 - first % 64 : 1;
  if (first >= t->grains)
    return 0;
  end = first + 1;
  for (uint64_t i = end; i < t->grains && i - first < longest >> t->shift && i - end <= gap >> t->shift; i++)
    if (t->bits[i / 64] & 1ull << (i % 64))
      end = i + 1;
  *offset = first << t->shift;
  return MIN ((end - first) << t->shift, t->layer->size - *offset);
}
