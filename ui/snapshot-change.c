/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a machine changed since a snapshot; see the header. */

#include "ui/snapshot-change.h"

#include <glib/gstdio.h>
#include <string.h>

/* A new layer over what the snapshot has says nothing itself until something is written. */
static gboolean
layer_is_empty (const char *path)
{
  const DiskOpenOptions options = { .flags = DISK_OPEN_LAYER | DISK_OPEN_LOOK, .format = "qcow2" };
  g_autoptr (Disk) disk = disk_open_with (path, &options, NULL);
  DiskExtent extent;

  if (disk == NULL)
    return FALSE;
  for (uint64_t offset = 0; offset < disk_size (disk); offset += extent.length)
    if (!disk_extent (disk, offset, disk_size (disk) - offset, &extent, NULL) || extent.in_layer)
      return FALSE;
  return TRUE;
}

static gboolean
drive_is_same (const LibraryAttachment *now, const LibraryAttachment *then)
{
  if (now->kind != then->kind || now->no_cache != then->no_cache || now->trusted != then->trusted)
    return FALSE;
  if (g_strcmp0 (now->path, then->path) == 0)
    return TRUE;
  return now->kind == LIBRARY_MEDIUM_DISK && now->chain != NULL && g_strcmp0 (now->chain[0], then->path) == 0
         && layer_is_empty (now->path);
}

static gboolean
drives_are_same (const LibraryMachine *now, const LibraryMachine *then)
{
  if (now->attachments->len != then->attachments->len)
    return FALSE;
  for (guint i = 0; i < now->attachments->len; i++)
    {
      const LibraryAttachment *drive = now->attachments->pdata[i];
      const LibraryAttachment *other = library_machine_find_attachment (then, drive->controller, drive->unit);

      if (other == NULL || !drive_is_same (drive, other))
        return FALSE;
    }
  return TRUE;
}

static gboolean
adapters_are_same (const LibraryMachine *now, const LibraryMachine *then)
{
  if (now->adapters->len != then->adapters->len)
    return FALSE;
  for (guint i = 0; i < now->adapters->len; i++)
    {
      const LibraryAdapter *a = now->adapters->pdata[i], *b = library_machine_find_adapter (then, a->slot);

      if (b == NULL || a->kind != b->kind || a->cable != b->cable || a->forwards->len != b->forwards->len
          || g_strcmp0 (a->model, b->model) != 0 || g_strcmp0 (a->mac, b->mac) != 0
          || g_strcmp0 (a->param, b->param) != 0)
        return FALSE;
      for (guint j = 0; j < a->forwards->len; j++)
        {
          const LibraryForward *f = a->forwards->pdata[j], *g = b->forwards->pdata[j];

          if (f->udp != g->udp || f->host_port != g->host_port || f->guest_port != g->guest_port
              || g_strcmp0 (f->host_address, g->host_address) != 0
              || g_strcmp0 (f->guest_address, g->guest_address) != 0)
            return FALSE;
        }
    }
  return TRUE;
}

static gboolean
settings_are_same (const LibraryMachine *now, const LibraryMachine *then)
{
  return now->memory == then->memory && now->cpus == then->cpus && now->code_cache == then->code_cache
         && now->rtc_utc == then->rtc_utc && memcmp (now->boot, then->boot, sizeof now->boot) == 0
         && g_strcmp0 (now->cpu_model, then->cpu_model) == 0 && g_strcmp0 (now->accel, then->accel) == 0
         && g_strcmp0 (now->firmware, then->firmware) == 0 && g_strcmp0 (now->chipset, then->chipset) == 0
         && g_strcmp0 (now->os_id, then->os_id) == 0 && g_strcmp0 (now->description, then->description) == 0
         && adapters_are_same (now, then);
}

/* A state that was put in its place for the next start is the snapshot's own file. */
static gboolean
state_is_same (const LibraryMachine *machine, const Snapshot *snapshot)
{
  g_autofree char *path = library_saved_state_path (machine);
  GStatBuf now, then;

  if (g_stat (path, &now) != 0)
    return TRUE;
  return snapshot->state_path != NULL && g_stat (snapshot->state_path, &then) == 0 && now.st_dev == then.st_dev
         && now.st_ino == then.st_ino;
}

gboolean
snapshot_change_exists (const LibraryMachine *machine, const Snapshot *snapshot)
{
  return !settings_are_same (machine, snapshot->settings) || !state_is_same (machine, snapshot)
         || !drives_are_same (machine, snapshot->settings);
}
