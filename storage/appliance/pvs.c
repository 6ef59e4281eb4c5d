/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .pvs: Parallels' settings of one machine, config.pvs in its .pvm folder. */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct
{
  AppliancePlan *plan;
  ApplianceSystem *system;
  const char *folder;
  ApplianceFlags flags;
} Reading;

/* Enabled: it exists; Connected: something is in it. */
static gboolean
is_enabled (xmlNode *device)
{
  return xml_number (device, "Enabled", 1) != 0;
}

static ApplianceBus
bus_of (xmlNode *device)
{
  static const ApplianceBus buses[] = { APPLIANCE_BUS_IDE, APPLIANCE_BUS_SCSI, APPLIANCE_BUS_SATA };
  uint64_t type = xml_number (device, "InterfaceType", 2);

  return type < G_N_ELEMENTS (buses) ? buses[type] : APPLIANCE_BUS_SATA;
}

/* The disk lies in the machine's folder; where the machine lay once does not matter. */
static char *
name_in_folder (const Reading *r, xmlNode *device)
{
  g_autofree char *name = xml_text (device, "SystemName"), *base = NULL, *inside = NULL;

  if (name == NULL || !g_path_is_absolute (name) || r->folder == NULL)
    return g_steal_pointer (&name);
  base = g_path_get_basename (name);
  inside = g_build_filename (r->folder, base, NULL);
  return g_file_test (inside, G_FILE_TEST_EXISTS) ? g_steal_pointer (&base) : g_steal_pointer (&name);
}

static gboolean
add_drive (Reading *r, xmlNode *device, ApplianceDriveKind kind, GError **error)
{
  gboolean is_image = xml_number (device, "EmulatedType", 1) == 1;
  g_autofree char *name = name_in_folder (r, device);
  uint64_t unit = xml_number (device, "StackIndex", G_MAXUINT);
  ApplianceBus bus = kind == APPLIANCE_DRIVE_FLOPPY ? APPLIANCE_BUS_FLOPPY : bus_of (device);
  unsigned place = (unsigned) MIN (unit, G_MAXUINT);
  int index = -1;

  if (r->system->drives->len >= APPLIANCE_MAX_DRIVES)
    return appliance_error (error, r->plan->path, _ ("“%s” has more than %d drives"), r->system->name,
                            APPLIANCE_MAX_DRIVES);
  if (kind == APPLIANCE_DRIVE_DISK)
    {
      if (!is_image || name == NULL)
        return appliance_error (error, r->plan->path, _ ("a disk of “%s” is a device of the computer it ran on"),
                                r->system->name);
      index = appliance_add_image (r->plan, r->plan->path, name, r->folder, r->flags, error);
      if (index < 0)
        return FALSE;
    }
  else if (is_image && name != NULL && xml_number (device, "Connected", 1) != 0)
    index = appliance_add_medium (r->plan, r->system, r->plan->path, name, r->folder, r->flags);
  /* Of IDE the four places are counted through. */
  appliance_system_add_drive (r->system, bus, bus == APPLIANCE_BUS_IDE && place < 4 ? place / 2 : 0,
                              bus == APPLIANCE_BUS_IDE && place < 4 ? place % 2 : place, kind,
                              kind == APPLIANCE_DRIVE_DISK ? index : -1, kind == APPLIANCE_DRIVE_DISK ? -1 : index);
  return TRUE;
}

static gboolean
read_drives (Reading *r, xmlNode *hardware, GError **error)
{
  static const struct
  {
    const char *name;
    ApplianceDriveKind kind;
  } kinds[]
      = { { "Hdd", APPLIANCE_DRIVE_DISK }, { "CdRom", APPLIANCE_DRIVE_OPTICAL }, { "Fdd", APPLIANCE_DRIVE_FLOPPY } };

  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    for (xmlNode *device = xml_child (hardware, kinds[i].name); device != NULL;
         device = xml_next (device, kinds[i].name))
      if (is_enabled (device) && !add_drive (r, device, kinds[i].kind, error))
        return FALSE;
  return TRUE;
}

static void
read_adapters (Reading *r, xmlNode *hardware)
{
  static const char *const models[] = { NULL, "rtl8139", "e1000", "virtio", "e1000e" };
  static const ApplianceNetwork networks[]
      = { APPLIANCE_NETWORK_HOST_ONLY, APPLIANCE_NETWORK_NAT, APPLIANCE_NETWORK_BRIDGED };

  for (xmlNode *node = xml_child (hardware, "NetworkAdapter"); node != NULL; node = xml_next (node, "NetworkAdapter"))
    {
      uint64_t type = xml_number (node, "AdapterType", 0), kind = xml_number (node, "EmulatedType", 1);
      g_autofree char *mac = xml_text (node, "MAC");
      ApplianceAdapter *adapter;

      if (!is_enabled (node) || r->system->adapters->len >= APPLIANCE_MAX_ADAPTERS)
        continue;
      adapter = appliance_system_add_adapter (r->system);
      adapter->model = g_strdup (type < G_N_ELEMENTS (models) ? models[type] : NULL);
      adapter->mac = appliance_clean_mac (mac);
      adapter->network = kind < G_N_ELEMENTS (networks) ? networks[kind] : APPLIANCE_NETWORK_NAMED;
      adapter->connected = xml_number (node, "Connected", 1) != 0;
    }
}

static void
read_boot (ApplianceSystem *system, xmlNode *list)
{
  /* The device types of the SDK: 3 floppy, 5 CD, 6 hard disk, 8 network. */
  static const ApplianceBoot kinds[] = {
    [3] = APPLIANCE_BOOT_FLOPPY, [5] = APPLIANCE_BOOT_OPTICAL, [6] = APPLIANCE_BOOT_DISK, [8] = APPLIANCE_BOOT_NETWORK
  };
  unsigned count = 0;

  for (uint64_t number = 1; number <= 16 && count < G_N_ELEMENTS (system->boot); number++)
    for (xmlNode *node = xml_child (list, "BootDevice"); node != NULL; node = xml_next (node, "BootDevice"))
      {
        uint64_t type = xml_number (node, "Type", 0);
        ApplianceBoot boot = type < G_N_ELEMENTS (kinds) ? kinds[type] : APPLIANCE_BOOT_NONE;
        gboolean known = boot == APPLIANCE_BOOT_NONE;

        for (unsigned i = 0; i < count; i++)
          known |= system->boot[i] == boot;
        if (!known && count < G_N_ELEMENTS (system->boot) && xml_number (node, "BootingNumber", 0) == number
            && xml_number (node, "InUse", 1) != 0)
          system->boot[count++] = boot;
      }
}

gboolean
pvs_parse (AppliancePlan *plan, xmlNode *root, const char *folder, ApplianceFlags flags, GError **error)
{
  xmlNode *hardware = xml_child (root, "Hardware"), *settings = xml_child (root, "Settings"),
          *general = xml_child (settings, "General"), *startup = xml_child (settings, "Startup");
  g_autofree char *name = xml_text (xml_child (root, "Identification"), "VmName"),
                  *clean = appliance_clean_name (name, "Imported Machine");
  Reading r = { .plan = plan, .folder = folder, .flags = flags };
  uint64_t type, number;

  if (hardware == NULL)
    return appliance_error (error, plan->path, _ ("it describes no machine"));
  if (xml_number (xml_child (settings, "VmEncryptionInfo"), "Enabled", 0) != 0)
    return appliance_error (error, plan->path, _ ("the machine is encrypted; let Parallels decrypt it first"));
  r.system = appliance_plan_add_system (plan, clean);
  r.system->description = xml_text (general, "VmDescription");
  type = xml_number (general, "OsType", 0);
  number = xml_number (general, "OsNumber", 0);
  r.system->os_id = g_strdup (appliance_os_from_parallels ((unsigned) MIN (type, 255), (unsigned) MIN (number, 65535)));
  r.system->cpus = (unsigned) MIN (xml_number (xml_child (hardware, "Cpu"), "Number", 1), G_MAXINT);
  r.system->memory = appliance_multiply (xml_number (xml_child (hardware, "Memory"), "RAM", 0), UINT64_C (1) << 20);
  r.system->efi = xml_number (xml_child (startup, "Bios"), "EfiEnabled", 0) != 0;
  read_boot (r.system, xml_child (startup, "BootingOrder"));
  read_adapters (&r, hardware);
  return read_drives (&r, hardware, error);
}
