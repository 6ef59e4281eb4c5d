/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exporting: the record of a machine in the words of appliances; see the header. */

#include "ui/export-run.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  AppliancePlan *plan;
  GHashTable *disks; /* path → index of the plan's disks, plus one */
  gboolean discs;
} Export;

/* Disks that several machines have are written once. */
static gboolean
find_disk (Export *export, const LibraryAttachment *attachment, int *index, GError **error)
{
  /* Of layers the library knows where those below them are now. */
  const DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY | DISK_OPEN_TRUST,
                                    .format = attachment->format,
                                    .chain = (const char *const *) attachment->chain };
  g_autoptr (Disk) disk = NULL;

  *index = GPOINTER_TO_INT (g_hash_table_lookup (export->disks, attachment->path)) - 1;
  if (*index >= 0)
    return TRUE;
  disk = disk_open_with (attachment->path, &options, error);
  if (disk == NULL)
    return FALSE;
  *index = appliance_plan_add_disk (export->plan, attachment->path, &options, disk_size (disk));
  g_hash_table_insert (export->disks, attachment->path, GINT_TO_POINTER (*index + 1));
  return TRUE;
}

static ApplianceBus
bus_of (LibraryController controller)
{
  static const struct
  {
    const char *name;
    ApplianceBus bus;
  } buses[] = { { "ide", APPLIANCE_BUS_IDE },   { "floppy", APPLIANCE_BUS_FLOPPY },
                { "ahci", APPLIANCE_BUS_SATA }, { "virtio", APPLIANCE_BUS_VIRTIO_BLK },
                { "nvme", APPLIANCE_BUS_NVME }, { "scsi", APPLIANCE_BUS_VIRTIO_SCSI } };

  for (unsigned i = 0; i < G_N_ELEMENTS (buses); i++)
    if (strcmp (library_controller_name (controller), buses[i].name) == 0)
      return buses[i].bus;
  return APPLIANCE_BUS_SATA;
}

static gboolean
add_drive (Export *export, ApplianceSystem *system, const LibraryAttachment *attachment, GError **error)
{
  static const ApplianceDriveKind kinds[] = { APPLIANCE_DRIVE_DISK, APPLIANCE_DRIVE_OPTICAL, APPLIANCE_DRIVE_FLOPPY };
  ApplianceBus bus = bus_of (attachment->controller);
  gboolean is_ide = bus == APPLIANCE_BUS_IDE;
  int disk = -1, file = -1;
  struct stat info;

  if (attachment->kind == LIBRARY_MEDIUM_DISK)
    {
      if (!find_disk (export, attachment, &disk, error))
        return FALSE;
    }
  else if (export->discs && attachment->path != NULL)
    {
      if (stat (attachment->path, &info) != 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _ ("cannot open “%s”: %s"), attachment->path,
                       g_strerror (errno));
          return FALSE;
        }
      file = appliance_plan_add_file (export->plan, attachment->path, (uint64_t) info.st_size);
    }
  appliance_system_add_drive (system, bus, is_ide ? attachment->unit / 2 : 0,
                              is_ide ? attachment->unit % 2 : attachment->unit, kinds[attachment->kind], disk, file);
  return TRUE;
}

static gboolean
add_machine (Export *export, const LibraryMachine *record, GError **error)
{
  static const ApplianceBoot boots[] = { APPLIANCE_BOOT_NONE, APPLIANCE_BOOT_FLOPPY, APPLIANCE_BOOT_DISK,
                                         APPLIANCE_BOOT_OPTICAL, APPLIANCE_BOOT_NETWORK };
  ApplianceSystem *system = appliance_plan_add_system (export->plan, record->name);

  system->id = g_strdup (record->name);
  system->description = g_strdup (record->description);
  system->os_id = g_strdup (record->os_id);
  system->memory = record->memory;
  system->cpus = record->cpus;
  system->efi = strcmp (record->firmware, "efi") == 0;
  system->has_rtc = TRUE;
  system->rtc_utc = record->rtc_utc;
  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    system->boot[i] = boots[record->boot[i]];
  for (unsigned i = 0; i < record->attachments->len; i++)
    if (!add_drive (export, system, g_ptr_array_index (record->attachments, i), error))
      return FALSE;
  for (unsigned i = 0; i < record->adapters->len; i++)
    {
      const LibraryAdapter *ours = g_ptr_array_index (record->adapters, i);
      ApplianceAdapter *adapter = appliance_system_add_adapter (system);

      adapter->model = g_strdup (ours->model);
      adapter->mac = g_strdup (ours->mac);
      adapter->network = ours->kind == LIBRARY_NET_NONE ? APPLIANCE_NETWORK_NONE : APPLIANCE_NETWORK_NAT;
      adapter->connected = ours->cable;
    }
  return TRUE;
}

gboolean
export_run (const char *const *machines, const char *path, const ExportOptions *options, const char *home,
            const DiskTask *task, GError **error)
{
  g_autoptr (Library) library = library_open (home, error);
  g_autoptr (AppliancePlan) plan = appliance_plan_new (APPLIANCE_KIND_OVA);
  g_autoptr (GHashTable) disks = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify) library_machine_free);
  /* While they are read they stay as they are. */
  g_autoptr (GPtrArray) locks = g_ptr_array_new_with_free_func ((GDestroyNotify) library_lock_release);
  Export export = { .plan = plan, .disks = disks, .discs = options->discs };

  if (library == NULL)
    return FALSE;
  for (unsigned i = 0; machines[i] != NULL; i++)
    {
      LibraryMachine *record = library_find (library, machines[i], error);
      LibraryLock *lock = NULL;

      if (record == NULL)
        return FALSE;
      g_ptr_array_add (records, record);
      /* Its disks are as they were in the middle of something. */
      if (library_machine_state (record, NULL, NULL) == LIBRARY_STATE_SAVED)
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                       _("“%s” has a saved state: start it and shut it down, or discard the state"), record->name);
          return FALSE;
        }
      lock = library_lock_machine (record, error);
      if (lock == NULL)
        return FALSE;
      g_ptr_array_add (locks, lock);
      if (!add_machine (&export, record, error))
        return FALSE;
    }
  return appliance_write (plan, path, &options->write, task, error);
}
