/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening a volume's file system; see the header. */

#include "storage/inspect/side.h"

#include <string.h>

static const FileSystemType *const types[] = { &ext_file_system, &ntfs_file_system };

void
file_entry_free (FileEntry *entry)
{
  g_free (entry->name);
  g_free (entry);
}

gboolean
side_open (Side *side, Disk *disk, const Volume *volume, GError **error)
{
  uint8_t head[FILE_SYSTEM_HEAD];

  *side = (Side) { .reader = volume_reader_new (disk, volume->start, volume->length) };
  if (volume->length < FILE_SYSTEM_HEAD)
    return TRUE;
  if (!volume_reader_read (side->reader, 0, head, sizeof head, error))
    return FALSE;
  for (unsigned i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i]->probe (head))
      {
        side->state = types[i]->open (side->reader, error);
        if (side->state == NULL)
          return FALSE;
        side->type = types[i];
        return TRUE;
      }
  return TRUE;
}

void
side_close (Side *side)
{
  if (side->type != NULL)
    side->type->close (side->state);
  volume_reader_free (side->reader);
  *side = (Side) { 0 };
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  const FileEntry *const *one = a, *const *other = b;

  return strcmp ((*one)->name, (*other)->name);
}

GPtrArray *
side_list (const Side *side, uint64_t folder, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) file_entry_free);

  if (!side->type->list (side->state, folder, entries, error))
    return NULL;
  g_ptr_array_sort (entries, by_name);
  return g_steal_pointer (&entries);
}
