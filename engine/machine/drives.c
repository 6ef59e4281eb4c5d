/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Discs, floppies and disks that are changed while the machine runs. */

#include "engine/machine/machine-private.h"

#include "engine/devices/storage/ahci.h"
#include "engine/devices/storage/floppy.h"
#include "engine/devices/storage/ide.h"
#include "engine/devices/virtio/scsi.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

/* “ahci12” of the controller “ahci” with @units places. */
static gboolean
parse_slot (const char *slot, const char *controller, unsigned units, unsigned *unit)
{
  guint64 value;

  if (!g_str_has_prefix (slot, controller)
      || !g_ascii_string_to_unsigned (slot + strlen (controller), 10, 0, units - 1, &value, NULL))
    return FALSE;
  *unit = (unsigned) value;
  return TRUE;
}

static gboolean
no_such_drive (const Machine *m, const char *slot, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("machine “%s” has no drive “%s”"), m->name, slot);
  return FALSE;
}

static gboolean
insert_floppy (Machine *m, unsigned drive, Disk *disk, GError **error)
{
  Disk *old = floppy_disk (m->floppy, drive);

  if (old != NULL)
    disk_ref (old);
  if (!floppy_set_disk (m->floppy, drive, disk, error))
    {
      g_clear_pointer (&old, disk_unref);
      return FALSE;
    }
  pc_unwatch_disk (m, old);
  pc_watch_disk (m, disk);
  g_clear_pointer (&old, disk_unref);
  return TRUE;
}

/* What a change does, machine lock held; G_IO_ERROR_WOULD_BLOCK: once more in a moment. */
typedef gboolean (*Change) (Machine *m, const char *slot, Disk *disk, gboolean force, GError **error);

static gboolean
insert (Machine *m, const char *slot, Disk *disk, gboolean force, GError **error)
{
  unsigned unit;

  if (parse_slot (slot, "ide", MACHINE_MAX_IDE, &unit))
    return piix3_ide_set_disc (m->ide, unit, disk, force, error);
  if (m->ahci != NULL && parse_slot (slot, "ahci", MACHINE_MAX_AHCI, &unit))
    return ahci_set_disc (m->ahci, unit, disk, force, error);
  if (m->scsi != NULL && parse_slot (slot, "scsi", MACHINE_MAX_SCSI, &unit))
    return virtio_scsi_set_disc (m->scsi, unit, disk, force, error);
  if (parse_slot (slot, "floppy", MACHINE_MAX_FLOPPIES, &unit))
    return insert_floppy (m, unit, disk, error);
  return no_such_drive (m, slot, error);
}

static gboolean
plug_on (Device *controller, gboolean is_ahci, unsigned unit, Disk *disk, GError **error)
{
  if (is_ahci)
    return disk != NULL ? ahci_plug_disk (controller, unit, disk, error) : ahci_unplug_disk (controller, unit, error);
  return disk != NULL ? virtio_scsi_plug_disk (controller, unit, disk, error)
                      : virtio_scsi_unplug_disk (controller, unit, error);
}

static gboolean
plug (Machine *m, const char *slot, Disk *disk, gboolean force, GError **error)
{
  gboolean is_ahci = g_str_has_prefix (slot, "ahci"), ok;
  Device *controller = is_ahci ? m->ahci : m->scsi;
  Disk *old;
  unsigned unit;

  if (!parse_slot (slot, "ahci", MACHINE_MAX_AHCI, &unit) && !parse_slot (slot, "scsi", MACHINE_MAX_SCSI, &unit))
    return no_such_drive (m, slot, error);
  if (controller == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                   _("machine “%s” was started without the controller of “%s”"), m->name, slot);
      return FALSE;
    }
  old = is_ahci ? ahci_disk (controller, unit) : virtio_scsi_disk (controller, unit);
  if (disk == NULL && old != NULL)
    disk_ref (old);
  ok = plug_on (controller, is_ahci, unit, disk, error);
  if (ok && disk != NULL)
    pc_watch_disk (m, disk);
  if (disk == NULL && old != NULL)
    {
      if (ok)
        pc_unwatch_disk (m, old);
      disk_unref (old);
    }
  return ok;
}

static gboolean
change (Machine *m, Change how, const char *slot, Disk *disk, gboolean force, GError **error)
{
  enum { WAIT_US = 1000, WAITS = 2000 };
  g_autoptr (GError) failure = NULL;

  /* A drive that is at work is done in a moment. */
  for (int waits = 0;; waits++)
    {
      gboolean ok;

      machine_lock_take (&m->lock);
      ok = how (m, slot, disk, force, &failure);
      machine_lock_release (&m->lock);
      if (ok)
        return TRUE;
      if (waits == WAITS || !g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        break;
      g_clear_error (&failure);
      g_usleep (WAIT_US);
    }
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
machine_insert (Machine *m, const char *slot, Disk *disk, gboolean force, GError **error)
{
  return change (m, insert, slot, disk, force, error);
}

gboolean
machine_plug (Machine *m, const char *slot, Disk *disk, GError **error)
{
  return change (m, plug, slot, disk, FALSE, error);
}

Disk *
machine_find_disk (Machine *m, const char *path)
{
  Disk *found = NULL;

  machine_lock_take (&m->lock);
  for (guint i = 0; found == NULL && i < m->writable_disks->len; i++)
    {
      Disk *disk = g_ptr_array_index (m->writable_disks, i);
      const char *layer;

      for (unsigned depth = 0; found == NULL && (layer = disk_layer_path (disk, depth)) != NULL; depth++)
        if (strcmp (layer, path) == 0)
          found = disk_ref (disk);
    }
  machine_lock_release (&m->lock);
  return found;
}
