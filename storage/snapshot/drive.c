/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Test drives: a hidden snapshot remembers what the machine was; its description names the process that began the drive. */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>

gboolean
snapshot_in_drive (Library *library, const char *machine_uuid)
{
  int64_t count = 0;

  return library_sql_int (library, NULL, &count,
                          "SELECT count(*) FROM snapshot s JOIN machine ON machine.id = s.machine "
                          "WHERE machine.uuid = ? AND s.kind = 'drive' AND s.finished", "s", machine_uuid)
         && count > 0;
}

gboolean
snapshot_drive_is_own (const SnapshotTree *tree)
{
  const LibrarySnapshot *drive = snapshot_tree_drive (tree);
  g_autofree char *process = library_process_name ();

  return drive && g_strcmp0 (drive->description, process) == 0;
}

gboolean
snapshot_drive_begin (Library *library, const char *machine_uuid, const char *snapshot_uuid_or_null, GError **error)
{
  g_autofree char *process = library_process_name ();
  const SnapshotOptions options = { .name = _("Test drive"), .description = process, .kind = SNAPSHOT_DRIVE };
  g_autoptr (LibraryMachine) machine = library_find (library, machine_uuid, error);
  g_autofree char *drive = NULL;

  if (!machine)
    return FALSE;
  if (snapshot_in_drive (library, machine_uuid))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("the machine “%s” is on a test drive already"),
                   machine->name);
      return FALSE;
    }
  drive = snapshot_take_off (library, machine, &options, error);
  if (!drive)
    return FALSE;
  if (!snapshot_uuid_or_null || snapshot_put_back (library, machine_uuid, snapshot_uuid_or_null, FALSE, error))
    return TRUE;
  snapshot_put_back (library, machine_uuid, drive, TRUE, NULL);
  return FALSE;
}

gboolean
snapshot_drive_end (Library *library, const char *machine_uuid, SnapshotDriveEnd how, const char *name, GError **error)
{
  g_autoptr (SnapshotTree) tree = NULL;
  const LibrarySnapshot *drive;

  if (!snapshot_recover (library, machine_uuid, NULL, error)
      || !(tree = snapshot_tree_load (library, machine_uuid, error)))
    return FALSE;
  drive = snapshot_tree_drive (tree);
  if (!drive)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the machine “%s” is on no test drive"),
                   tree->machine->name);
      return FALSE;
    }
  if (how == SNAPSHOT_DRIVE_DISCARD)
    return snapshot_put_back (library, machine_uuid, drive->uuid, TRUE, error);
  if (how == SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT)
    {
      const SnapshotOptions options = { .name = name, .kind = SNAPSHOT_USER };
      g_autofree char *taken = snapshot_take_instead (library, tree->machine, &options, drive, error);

      return taken != NULL;
    }
  return snapshot_remove (library, tree, drive, error);
}
