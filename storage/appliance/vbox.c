/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * .vbox: VirtualBox's settings of one machine (settings versions 1.9 to 1.20). The
 * machine's current state is read; its snapshots stay behind, for the disks of the
 * current state hold all that they lead to.
 */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  DEPTH_MAX = 64 /* of images that are based on each other */
};

typedef struct
{
  AppliancePlan *plan;
  ApplianceSystem *system;
  const char *folder;
  ApplianceFlags flags;
  GHashTable *media; /* UUID → location */
  unsigned channels[APPLIANCE_BUS_USB + 1];
} Reading;

static void
read_media (Reading *r, xmlNode *list, const char *name, unsigned depth)
{
  for (xmlNode *node = xml_child (list, name); node != NULL; node = xml_next (node, name))
    {
      g_autofree char *uuid = xml_attribute (node, "uuid"), *location = xml_attribute (node, "location");

      if (uuid != NULL && location != NULL && g_hash_table_size (r->media) < APPLIANCE_MAX_FILES)
        g_hash_table_replace (r->media, g_ascii_strdown (uuid, -1), g_steal_pointer (&location));
      if (depth < DEPTH_MAX)
        read_media (r, node, name, depth + 1);
    }
}

static ApplianceBus
bus_of (const char *type, const char *name)
{
  static const struct
  {
    const char *word;
    ApplianceBus bus;
  } buses[] = { { "piix3", APPLIANCE_BUS_IDE },
                { "piix4", APPLIANCE_BUS_IDE },
                { "ich6", APPLIANCE_BUS_IDE },
                { "ahci", APPLIANCE_BUS_SATA },
                { "lsilogic", APPLIANCE_BUS_SCSI },
                { "buslogic", APPLIANCE_BUS_SCSI },
                { "lsilogicsas", APPLIANCE_BUS_SCSI },
                { "nvme", APPLIANCE_BUS_NVME },
                { "virtioscsi", APPLIANCE_BUS_VIRTIO_SCSI },
                { "i82078", APPLIANCE_BUS_FLOPPY },
                { "usb", APPLIANCE_BUS_USB } };

  for (unsigned i = 0; type != NULL && i < G_N_ELEMENTS (buses); i++)
    if (g_ascii_strcasecmp (type, buses[i].word) == 0)
      return buses[i].bus;
  return name != NULL && strstr (name, "IDE") != NULL ? APPLIANCE_BUS_IDE : APPLIANCE_BUS_SATA;
}

static gboolean
read_drive (Reading *r, xmlNode *device, ApplianceBus bus, unsigned channel, const char *controller, GError **error)
{
  g_autofree char *type = xml_attribute (device, "type"), *uuid = xml_attribute (xml_child (device, "Image"), "uuid"),
                  *key = uuid != NULL ? g_ascii_strdown (uuid, -1) : NULL;
  const char *location = key != NULL ? g_hash_table_lookup (r->media, key) : NULL;
  unsigned port = (unsigned) MIN (xml_attribute_number (device, "port", 0), 1024),
           place = (unsigned) MIN (xml_attribute_number (device, "device", 0), 1024);
  ApplianceDriveKind kind = g_strcmp0 (type, "DVD") == 0      ? APPLIANCE_DRIVE_OPTICAL
                            : g_strcmp0 (type, "Floppy") == 0 ? APPLIANCE_DRIVE_FLOPPY
                                                              : APPLIANCE_DRIVE_DISK;
  ApplianceDrive *drive;
  int index = -1;

  if (r->system->drives->len >= APPLIANCE_MAX_DRIVES)
    return appliance_error (error, r->plan->path, _ ("“%s” has more than %d drives"), r->system->name,
                            APPLIANCE_MAX_DRIVES);
  if (kind == APPLIANCE_DRIVE_DISK && location == NULL)
    return appliance_error (error, r->plan->path, _ ("a disk of “%s” is not in its list of media"), r->system->name);
  if (kind == APPLIANCE_DRIVE_DISK)
    {
      index = appliance_add_image (r->plan, r->plan->path, location, r->folder, r->flags, error);
      if (index < 0)
        return FALSE;
    }
  else if (location != NULL)
    index = appliance_add_medium (r->plan, r->system, r->plan->path, location, r->folder, r->flags);
  /* IDE: the port is the cable, the device master or slave. Elsewhere only ports count. */
  drive = appliance_system_add_drive (r->system, bus, bus == APPLIANCE_BUS_IDE ? port : channel,
                                      bus == APPLIANCE_BUS_IDE || bus == APPLIANCE_BUS_FLOPPY ? place : port, kind,
                                      kind == APPLIANCE_DRIVE_DISK ? index : -1,
                                      kind == APPLIANCE_DRIVE_DISK ? -1 : index);
  drive->controller = g_strdup (controller);
  return TRUE;
}

static gboolean
read_controllers (Reading *r, xmlNode *list, GError **error)
{
  for (xmlNode *node = xml_child (list, "StorageController"); node != NULL; node = xml_next (node, "StorageController"))
    {
      g_autofree char *type = xml_attribute (node, "type"), *name = xml_attribute (node, "name");
      ApplianceBus bus = bus_of (type, name);
      unsigned channel = r->channels[bus]++;

      for (xmlNode *device = xml_child (node, "AttachedDevice"); device != NULL;
           device = xml_next (device, "AttachedDevice"))
        if (!read_drive (r, device, bus, channel, type, error))
          return FALSE;
    }
  return TRUE;
}

static void
read_network (ApplianceAdapter *adapter, xmlNode *node)
{
  static const struct
  {
    const char *name;
    ApplianceNetwork network;
    const char *attribute;
  } kinds[] = { { "NAT", APPLIANCE_NETWORK_NAT, "network" },
                { "NATNetwork", APPLIANCE_NETWORK_NAT, "name" },
                { "BridgedInterface", APPLIANCE_NETWORK_BRIDGED, "name" },
                { "InternalNetwork", APPLIANCE_NETWORK_INTERNAL, "name" },
                { "HostOnlyInterface", APPLIANCE_NETWORK_HOST_ONLY, "name" },
                { "HostOnlyNetwork", APPLIANCE_NETWORK_HOST_ONLY, "name" } };

  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      xmlNode *kind = xml_child (node, kinds[i].name);

      if (kind == NULL)
        continue;
      adapter->network = kinds[i].network;
      g_free (adapter->name);
      adapter->name = xml_attribute (kind, kinds[i].attribute);
      return;
    }
}

static void
read_adapters (Reading *r, xmlNode *list)
{
  for (xmlNode *node = xml_child (list, "Adapter"); node != NULL; node = xml_next (node, "Adapter"))
    {
      g_autofree char *type = NULL, *mac = NULL;
      ApplianceAdapter *adapter;

      if (!xml_attribute_is (node, "enabled", "true") || r->system->adapters->len >= APPLIANCE_MAX_ADAPTERS)
        continue;
      type = xml_attribute (node, "type");
      mac = xml_attribute (node, "MACAddress");
      adapter = appliance_system_add_adapter (r->system);
      /* What the settings leave out is a PCnet-FAST III. */
      adapter->model = type == NULL || g_str_has_prefix (type, "Am79") ? g_strdup ("pcnet")
                       : g_str_has_prefix (type, "8254")               ? g_strdup ("e1000")
                                                                       : g_ascii_strdown (type, -1);
      adapter->mac = appliance_clean_mac (mac);
      adapter->connected = !xml_attribute_is (node, "cable", "false");
      read_network (adapter, node);
    }
}

static void
read_boot (ApplianceSystem *system, xmlNode *list)
{
  static const char *const words[] = { "None", "Floppy", "HardDisk", "DVD", "Network" };

  for (xmlNode *node = xml_child (list, "Order"); node != NULL; node = xml_next (node, "Order"))
    {
      uint64_t position = xml_attribute_number (node, "position", 0);

      for (unsigned i = 1; position >= 1 && position <= G_N_ELEMENTS (system->boot) && i < G_N_ELEMENTS (words); i++)
        if (xml_attribute_is (node, "device", words[i]))
          system->boot[position - 1] = (ApplianceBoot) i;
    }
}

static void
read_hardware (ApplianceSystem *system, xmlNode *hardware)
{
  g_autofree char *firmware = xml_attribute (xml_child (hardware, "Firmware"), "type"),
                  *old = xml_attribute (xml_child (xml_child (hardware, "BIOS"), "Firmware"), "type"),
                  *rtc = xml_attribute (xml_child (hardware, "RTC"), "localOrUTC");

  system->cpus = (unsigned) MIN (xml_attribute_number (xml_child (hardware, "CPU"), "count", 1), G_MAXINT);
  system->memory
      = appliance_multiply (xml_attribute_number (xml_child (hardware, "Memory"), "RAMSize", 128), UINT64_C (1) << 20);
  if (firmware == NULL)
    firmware = g_steal_pointer (&old);
  system->efi = firmware != NULL && g_ascii_strncasecmp (firmware, "EFI", 3) == 0;
  system->has_rtc = TRUE;
  system->rtc_utc = rtc != NULL && g_ascii_strcasecmp (rtc, "UTC") == 0;
  read_boot (system, xml_child (hardware, "Boot"));
}

gboolean
vbox_parse (AppliancePlan *plan, xmlNode *root, const char *folder, ApplianceFlags flags, GError **error)
{
  g_autoptr (GHashTable) media = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  xmlNode *machine = xml_child (root, "Machine"), *hardware = xml_child (machine, "Hardware"), *registry;
  g_autofree char *name = xml_attribute (machine, "name"), *clean = appliance_clean_name (name, "Imported Machine"),
                  *type = xml_attribute (machine, "OSType"), *state = xml_attribute (machine, "stateFile");
  Reading r = { .plan = plan, .folder = folder, .flags = flags, .media = media };

  if (xml_child (root, "MachineEncrypted") != NULL)
    return appliance_error (error, plan->path, _ ("the machine is encrypted; let VirtualBox decrypt it first"));
  if (hardware == NULL)
    return appliance_error (error, plan->path, _ ("it describes no machine"));
  r.system = appliance_plan_add_system (plan, clean);
  r.system->description = xml_text (machine, "Description");
  r.system->os_text = g_strdup (type);
  r.system->os_id = type != NULL ? g_strdup (appliance_os_from_vbox (type)) : NULL;
  if (state != NULL)
    appliance_note (r.system, _ ("its saved state stays behind: it starts as if its power had been cut"));
  if (xml_child (machine, "Snapshot") != NULL)
    appliance_note (r.system, _ ("its snapshots stay behind: the current state is imported"));
  read_hardware (r.system, hardware);
  registry = xml_child (machine, "MediaRegistry");
  read_media (&r, xml_child (registry, "HardDisks"), "HardDisk", 0);
  read_media (&r, xml_child (registry, "DVDImages"), "Image", 0);
  read_media (&r, xml_child (registry, "FloppyImages"), "Image", 0);
  read_adapters (&r, xml_child (hardware, "Network"));
  /* Since 7.0 they are within the hardware. */
  return read_controllers (&r, xml_child (machine, "StorageControllers"), error)
         && read_controllers (&r, xml_child (hardware, "StorageControllers"), error);
}
