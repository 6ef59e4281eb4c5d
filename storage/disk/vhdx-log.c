/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VHDX: the log, through which tables change so that a power cut leaves all of a
 * change or nothing.
 * Specification: Microsoft, "[MS-VHDX]: Virtual Hard Disk v2 File Format", 2.3.
 *
 * Each entry written here stands for itself. Before it is in the file for good its
 * pages are not touched; before an entry is overwritten its pages are in the file
 * for good, because the entry after it was synced in between.
 */

#include "storage/disk/vhdx-private.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

enum
{
  /* Whose descriptors fit into the entry's first sector; two such entries fit into the smallest log. */
  PAGES_MAX = (VHDX_LOG_SECTOR - (int) sizeof (VhdxLogEntry)) / (int) sizeof (VhdxLogDescriptor)
};

/* Replaying */

typedef struct
{
  uint32_t at, length, tail;
  uint64_t sequence;
} Found;

typedef struct
{
  Image *img;
  const VhdxHeader *header;
  uint8_t *entry;  /* the one that was read last */
  uint32_t room;   /* bytes at @entry */
  GArray *found;   /* Found, in the order of the file */
  uint32_t *at;    /* by sector of the log: 1 + index of the one that begins there */
  uint64_t budget; /* bytes that may still be read for entries that may not be sound */
} Replay;

/* From the ring. */
static gboolean
read_ring (const Replay *r, uint32_t at, uint8_t *data, uint32_t length, GError **error)
{
  uint32_t first = MIN (length, r->header->log_length - at);

  return image_pread (r->img, r->header->log_offset + at, data, first, error)
         && (first == length || image_pread (r->img, r->header->log_offset, data + first, length - first, error));
}

static uint32_t
descriptor_sectors (uint32_t count)
{
  return (uint32_t) ((sizeof (VhdxLogEntry) + (uint64_t) count * sizeof (VhdxLogDescriptor) + VHDX_LOG_SECTOR - 1)
                     / VHDX_LOG_SECTOR);
}

static gboolean
check_descriptors (const Replay *r, const VhdxLogEntry *head)
{
  const VhdxLogDescriptor *descriptors = (const VhdxLogDescriptor *) (r->entry + sizeof *head);
  uint32_t sector = descriptor_sectors (head->descriptors);

  for (uint32_t i = 0; i < head->descriptors; i++)
    {
      const VhdxLogDescriptor *d = &descriptors[i];
      gboolean data = memcmp (d->signature, "desc", 4) == 0;
      uint64_t length = data ? VHDX_LOG_SECTOR : d->leading;
      const VhdxLogData *bytes = (const VhdxLogData *) (r->entry + (size_t) sector * VHDX_LOG_SECTOR);

      if ((!data && memcmp (d->signature, "zero", 4) != 0) || d->sequence != head->sequence
          || d->offset % VHDX_LOG_SECTOR != 0 || length % VHDX_LOG_SECTOR != 0 || d->offset > head->last_length
          || length > head->last_length - d->offset)
        return FALSE;
      if (!data)
        continue;
      if ((uint64_t) (sector + 1) * VHDX_LOG_SECTOR > head->length || memcmp (bytes->signature, "data", 4) != 0
          || bytes->sequence_high != head->sequence >> 32 || bytes->sequence_low != (uint32_t) head->sequence)
        return FALSE;
      sector++;
    }
  return TRUE;
}

/* Reads the entry at @at, if there is a sound one. */
static gboolean
read_entry (Replay *r, uint32_t at, gboolean *sound, GError **error)
{
  VhdxLogEntry head;

  *sound = FALSE;
  if (!read_ring (r, at, (uint8_t *) &head, sizeof head, error))
    return FALSE;
  if (memcmp (head.signature, "loge", 4) != 0 || memcmp (&head.log, &r->header->log, sizeof head.log) != 0
      || head.length == 0 || head.length % VHDX_LOG_SECTOR != 0 || head.length > r->header->log_length
      || head.tail % VHDX_LOG_SECTOR != 0 || head.tail >= r->header->log_length || head.sequence == 0
      || (uint64_t) descriptor_sectors (head.descriptors) * VHDX_LOG_SECTOR > head.length
      || head.last_length > 2 * IMAGE_SIZE_MAX)
    return TRUE;
  /* Entries may seem to overlap, but not without end. */
  if (head.length > r->budget)
    return image_damaged (error, r->img, _ ("its log is needed, and cannot be read"));
  r->budget -= head.length;
  if (head.length > r->room)
    {
      r->entry = g_realloc (r->entry, head.length);
      r->room = head.length;
    }
  if (!read_ring (r, at, r->entry, head.length, error))
    return FALSE;
  *sound = vhdx_checksum (r->entry, head.length, G_STRUCT_OFFSET (VhdxLogEntry, checksum)) == head.checksum
           && check_descriptors (r, &head);
  return TRUE;
}

static gboolean
find_entries (Replay *r, GError **error)
{
  for (uint64_t at = 0; at < r->header->log_length;)
    {
      const VhdxLogEntry *head;
      Found found = { .at = (uint32_t) at };
      gboolean sound;

      if (!read_entry (r, found.at, &sound, error))
        return FALSE;
      head = (const VhdxLogEntry *) r->entry;
      if (sound)
        {
          found.length = head->length;
          found.tail = head->tail;
          found.sequence = head->sequence;
          g_array_append_val (r->found, found);
          r->at[at / VHDX_LOG_SECTOR] = r->found->len;
        }
      at += sound ? head->length : VHDX_LOG_SECTOR;
    }
  return TRUE;
}

static const Found *
entry_at (const Replay *r, uint32_t at)
{
  uint32_t index = r->at[at / VHDX_LOG_SECTOR];

  return index > 0 ? &g_array_index (r->found, Found, index - 1) : NULL;
}

/* Whether the entries from @last's tail to @last are all there. */
static gboolean
is_sequence (const Replay *r, const Found *last)
{
  const Found *next = entry_at (r, last->tail);

  for (unsigned i = 0; next != NULL && i < r->found->len; i++)
    {
      const Found *entry = next;

      if (entry == last)
        return TRUE;
      next = entry_at (r, (uint32_t) (((uint64_t) entry->at + entry->length) % r->header->log_length));
      if (next != NULL && next->sequence != entry->sequence + 1)
        return FALSE;
    }
  return FALSE;
}

/* The one with the highest number that has all of its sequence; NULL: none. */
static const Found *
find_last (const Replay *r)
{
  const Found *best = NULL;

  for (unsigned i = 0; i < r->found->len; i++)
    {
      const Found *entry = &g_array_index (r->found, Found, i);

      if ((best == NULL || entry->sequence > best->sequence) && is_sequence (r, entry))
        best = entry;
    }
  return best;
}

static gboolean
apply (Replay *r, uint32_t at, GError **error)
{
  const VhdxLogEntry *head;
  const VhdxLogDescriptor *descriptors;
  uint32_t sector;
  gboolean sound;

  if (!read_entry (r, at, &sound, error))
    return FALSE;
  head = (const VhdxLogEntry *) r->entry;
  if (!sound)
    return image_damaged (error, r->img, _ ("its log changes while it is read"));
  if (r->img->file->size < head->flushed_length)
    return image_damaged (error, r->img, _ ("it ends before its log says that it does"));
  descriptors = (const VhdxLogDescriptor *) (r->entry + sizeof *head);
  sector = descriptor_sectors (head->descriptors);
  for (uint32_t i = 0; i < head->descriptors; i++)
    {
      const VhdxLogDescriptor *d = &descriptors[i];
      const VhdxLogData *data = (const VhdxLogData *) (r->entry + (size_t) sector * VHDX_LOG_SECTOR);
      uint8_t bytes[VHDX_LOG_SECTOR];

      if (memcmp (d->signature, "zero", 4) == 0)
        {
          if (!image_file_zero (r->img->file, d->offset, d->leading, error))
            return FALSE;
          continue;
        }
      memcpy (bytes, &d->leading, 8);
      memcpy (bytes + 8, data->data, sizeof data->data);
      memcpy (bytes + 8 + sizeof data->data, &d->trailing, 4);
      if (!image_pwrite (r->img, d->offset, bytes, sizeof bytes, error))
        return FALSE;
      sector++;
    }
  return TRUE;
}

gboolean
vhdx_log_replay (Image *img, GError **error)
{
  Vhdx *vhdx = img->state;
  VhdxHeader header = vhdx->header;
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (Found));
  g_autofree uint32_t *at = g_new0 (uint32_t, header.log_length / VHDX_LOG_SECTOR);
  /* Each twice: to find it, and to apply it. */
  Replay r = { .img = img, .header = &header, .found = found, .at = at, .budget = 8 * (uint64_t) header.log_length };
  const Found *last, *entry;
  gboolean ok = find_entries (&r, error);

  last = ok ? find_last (&r) : NULL;
  if (ok && last == NULL)
    ok = image_damaged (error, img, _ ("its log is needed, and cannot be read"));
  for (entry = ok ? entry_at (&r, last->tail) : NULL; ok && entry != NULL;)
    {
      ok = apply (&r, entry->at, error);
      entry = entry == last ? NULL
                            : entry_at (&r, (uint32_t) (((uint64_t) entry->at + entry->length) % header.log_length));
    }
  g_free (r.entry);
  if (!ok)
    return FALSE;
  memset (&header.log, 0, sizeof header.log);
  return vhdx_write_header (img, &header, error) && image_file_length (img->file, &img->file->size, error);
}

/* Writing */

static void
make_entry (Image *img, uint8_t *entry, const TableCopy *copies, uint32_t count, uint32_t length)
{
  Vhdx *vhdx = img->state;
  VhdxLogEntry head = { .signature = { 'l', 'o', 'g', 'e' },
                        .length = length,
                        .tail = vhdx->log_at,
                        .sequence = vhdx->log_sequence,
                        .descriptors = count,
                        .log = vhdx->header.log,
                        .flushed_length = img->file->size,
                        .last_length = __atomic_load_n (&vhdx->end, __ATOMIC_RELAXED) };

  memset (entry, 0, length);
  for (uint32_t i = 0; i < count; i++)
    {
      const uint8_t *bytes = copies[i].data;
      VhdxLogDescriptor d = { .signature = { 'd', 'e', 's', 'c' }, .offset = copies[i].at, .sequence = head.sequence };
      VhdxLogData *data = (VhdxLogData *) (entry + (size_t) (i + 1) * VHDX_LOG_SECTOR);

      memcpy (&d.leading, bytes, 8);
      memcpy (&d.trailing, bytes + VHDX_LOG_SECTOR - 4, 4);
      memcpy (entry + sizeof head + i * sizeof d, &d, sizeof d);
      memcpy (data->signature, "data", 4);
      data->sequence_high = (uint32_t) (head.sequence >> 32);
      memcpy (data->data, bytes + 8, sizeof data->data);
      data->sequence_low = (uint32_t) head.sequence;
    }
  memcpy (entry, &head, sizeof head);
  head.checksum = vhdx_crc (entry, length);
  memcpy (entry, &head, sizeof head);
}

static gboolean
write_some (Image *img, const TableCopy *copies, uint32_t count, GError **error)
{
  Vhdx *vhdx = img->state;
  uint32_t length = (1 + count) * VHDX_LOG_SECTOR;
  g_autofree uint8_t *entry = g_malloc (length);
  VhdxHeader header = vhdx->header;
  gboolean first = vhdx_guid_is_zero (&header.log);

  if (first)
    {
      image_new_uuid (header.log.bytes);
      vhdx->log_at = 0;
      vhdx->log_sequence = 0;
      vhdx->header.log = header.log;
    }
  if (vhdx->log_at + length > header.log_length)
    vhdx->log_at = 0;
  vhdx->log_sequence++;
  make_entry (img, entry, copies, count, length);
  if (first)
    memset (&vhdx->header.log, 0, sizeof vhdx->header.log);
  if (!image_pwrite (img, header.log_offset + vhdx->log_at, entry, length, error) || !image_sync (img, error)
      || (first && !vhdx_write_header (img, &header, error)))
    return FALSE;
  vhdx->log_at += length;
  for (uint32_t i = 0; i < count; i++)
    if (!image_pwrite (img, copies[i].at, copies[i].data, VHDX_LOG_SECTOR, error))
      return FALSE;
  return TRUE;
}

gboolean
vhdx_log_write (Image *img, const TableCopy *copies, size_t count, GError **error)
{
  Vhdx *vhdx = img->state;
  gboolean ok = TRUE;

  g_mutex_lock (&vhdx->log_lock);
  for (size_t done = 0; ok && done < count;)
    {
      uint32_t some = (uint32_t) MIN (count - done, PAGES_MAX);

      ok = write_some (img, copies + done, some, error);
      done += some;
    }
  g_mutex_unlock (&vhdx->log_lock);
  return ok;
}
