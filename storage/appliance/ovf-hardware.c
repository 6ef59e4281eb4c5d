/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * OVF: a system's hardware. Specification: DSP0243 1.1.0, 8, and 2.1.1, 8;
 * CIM_ResourceAllocationSettingData (DMTF CIM schema 2.22): ResourceType.
 */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  TYPE_OTHER = 1,
  TYPE_CPU = 3,
  TYPE_MEMORY = 4,
  TYPE_IDE = 5,
  TYPE_SCSI = 6,
  TYPE_ETHERNET = 10,
  TYPE_FLOPPY = 14,
  TYPE_CD = 15,
  TYPE_DVD = 16,
  TYPE_DISK = 17,
  TYPE_OTHER_STORAGE = 20,
  TYPE_USB = 23,
  ITEMS_MAX = 1024
};

typedef struct
{
  ApplianceBus bus;
  unsigned channel;
  char *model;
} Controller;

typedef struct
{
  AppliancePlan *plan;
  ApplianceSystem *system;
  GHashTable *disks;
  GHashTable *controllers; /* InstanceID → Controller */
  unsigned channels[APPLIANCE_BUS_USB + 1];
} Hardware;

static void
controller_free (gpointer data)
{
  g_free (((Controller *) data)->model);
  g_free (data);
}

/* Ranges of what would do as well are bounds, not devices; items of other configurations do not count. */
static gboolean
is_meant (xmlNode *item, const char *configuration)
{
  g_autofree char *bound = xml_attribute (item, "bound"), *wanted = xml_attribute (item, "configuration");
  g_auto (GStrv) words = NULL;

  if (!xml_is (item, "Item") && !xml_is (item, "StorageItem") && !xml_is (item, "EthernetPortItem"))
    return FALSE;
  if (bound != NULL && g_ascii_strcasecmp (bound, "normal") != 0)
    return FALSE;
  if (wanted == NULL || *wanted == '\0')
    return TRUE;
  words = g_strsplit (wanted, " ", -1);
  return configuration != NULL && g_strv_contains ((const char *const *) words, configuration);
}

static char *
instance_id (xmlNode *item)
{
  char *id = xml_text (item, "InstanceID");

  return id != NULL ? id : xml_text (item, "InstanceId");
}

static void
add_controller (Hardware *h, xmlNode *item, ApplianceBus bus)
{
  Controller *controller = g_new0 (Controller, 1);
  uint64_t address = xml_number (item, "Address", G_MAXUINT64);
  char *id = instance_id (item);

  controller->bus = bus;
  controller->model = xml_text (item, "ResourceSubType");
  controller->channel = bus == APPLIANCE_BUS_IDE && address < 2 ? (unsigned) address : h->channels[bus];
  h->channels[bus]++;
  if (id != NULL)
    g_hash_table_replace (h->controllers, id, controller);
  else
    controller_free (controller);
}

static gboolean
has_word (const char *text, const char *word)
{
  g_autofree char *lower = text != NULL ? g_ascii_strdown (text, -1) : NULL;

  return lower != NULL && strstr (lower, word) != NULL;
}

static void
add_other_storage (Hardware *h, xmlNode *item)
{
  g_autofree char *type = xml_text (item, "ResourceSubType");

  if (has_word (type, "virtioblk"))
    add_controller (h, item, APPLIANCE_BUS_VIRTIO_BLK);
  else if (has_word (type, "virtio"))
    add_controller (h, item, APPLIANCE_BUS_VIRTIO_SCSI);
  else if (has_word (type, "nvme"))
    add_controller (h, item, APPLIANCE_BUS_NVME);
  else
    add_controller (h, item, APPLIANCE_BUS_SATA);
}

static void
read_cpus (Hardware *h, xmlNode *item)
{
  uint64_t count = xml_number (item, "VirtualQuantity", 0);

  /* oVirt counts parts of processors. */
  if (count == 0)
    count = MIN (xml_number (item, "num_of_sockets", 1), 1024) * MIN (xml_number (item, "cpu_per_socket", 1), 1024)
            * MIN (xml_number (item, "threads_per_cpu", 1), 1024);
  h->system->cpus = (unsigned) MIN (count, G_MAXINT);
}

static gboolean
read_memory (Hardware *h, xmlNode *item, GError **error)
{
  g_autofree char *units = xml_text (item, "AllocationUnits");
  uint64_t unit = units != NULL ? appliance_unit (units) : UINT64_C (1) << 20,
           count = xml_number (item, "VirtualQuantity", 0), memory = appliance_multiply (count, unit);

  if (unit == 0)
    return appliance_error (error, h->plan->path, _ ("the memory of “%s” is in “%s”, which is no unit"),
                            h->system->name, units);
  if (count > 0 && memory == 0)
    return appliance_error (error, h->plan->path, _ ("“%s” cannot have that much memory"), h->system->name);
  h->system->memory = memory;
  return TRUE;
}

static int
find_file (const AppliancePlan *plan, const char *id)
{
  for (unsigned i = 0; i < plan->files->len; i++)
    if (g_strcmp0 (((ApplianceFile *) g_ptr_array_index (plan->files, i))->id, id) == 0)
      return (int) i;
  return -1;
}

static int
find_disk (const Hardware *h, const char *id)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (h->disks, id)) - 1;
}

/* What a HostResource means: “ovf:/disk/ID”, “/disk/ID”, “ovf:/file/ID”; oVirt has a path that ends in the disk's id,
 * or the id is the item's own. Both become -1 when it is something else. */
static void
resolve_host (const Hardware *h, xmlNode *item, int *disk, int *file)
{
  g_autofree char *host = xml_text (item, "HostResource"), *id = instance_id (item), *last = NULL;
  const char *path = host != NULL && g_str_has_prefix (host, "ovf:") ? host + strlen ("ovf:") : host;

  *disk = *file = -1;
  if (path != NULL && g_str_has_prefix (path, "//"))
    path++;
  if (path != NULL && g_str_has_prefix (path, "/disk/"))
    *disk = find_disk (h, path + strlen ("/disk/"));
  else if (path != NULL && g_str_has_prefix (path, "/file/"))
    *file = find_file (h->plan, path + strlen ("/file/"));
  else
    {
      last = path != NULL ? g_path_get_basename (path) : NULL;
      *disk = last != NULL ? find_disk (h, last) : -1;
      if (*disk < 0 && id != NULL)
        *disk = find_disk (h, id);
    }
}

/* Where oVirt says that a disk hangs. */
static ApplianceBus
bus_of_interface (const char *interface)
{
  if (has_word (interface, "virtio_scsi"))
    return APPLIANCE_BUS_VIRTIO_SCSI;
  if (has_word (interface, "virtio"))
    return APPLIANCE_BUS_VIRTIO_BLK;
  return has_word (interface, "sata") ? APPLIANCE_BUS_SATA : APPLIANCE_BUS_IDE;
}

static gboolean
add_drive (Hardware *h, xmlNode *item, ApplianceDriveKind kind, GError **error)
{
  g_autofree char *parent = xml_text (item, "Parent"), *host = xml_text (item, "HostResource");
  const Controller *controller = parent != NULL ? g_hash_table_lookup (h->controllers, parent) : NULL;
  uint64_t unit = xml_number (item, "AddressOnParent", G_MAXUINT);
  ApplianceBus bus = controller != NULL ? controller->bus : APPLIANCE_BUS_IDE;
  ApplianceDrive *drive;
  int disk, file;

  if (h->system->drives->len >= APPLIANCE_MAX_DRIVES)
    return appliance_error (error, h->plan->path, _ ("“%s” has more than %d drives"), h->system->name,
                            APPLIANCE_MAX_DRIVES);
  resolve_host (h, item, &disk, &file);
  if (kind == APPLIANCE_DRIVE_DISK && disk < 0)
    return appliance_error (error, h->plan->path, _ ("a disk of “%s” is “%s”, which it does not describe"),
                            h->system->name, host != NULL ? host : "");
  if (kind == APPLIANCE_DRIVE_DISK)
    {
      const char *interface = ((ApplianceDisk *) g_ptr_array_index (h->plan->disks, disk))->interface;

      if (controller == NULL && interface != NULL)
        bus = bus_of_interface (interface);
    }
  else
    {
      /* A disc may be described as a disk with a file. */
      if (disk >= 0)
        file = ((ApplianceDisk *) g_ptr_array_index (h->plan->disks, disk))->file;
      disk = -1;
    }
  if (kind == APPLIANCE_DRIVE_FLOPPY)
    bus = APPLIANCE_BUS_FLOPPY;
  drive = appliance_system_add_drive (h->system, bus, controller != NULL ? controller->channel : 0,
                                      (unsigned) MIN (unit, G_MAXUINT), kind, disk, file);
  drive->controller = controller != NULL ? g_strdup (controller->model) : NULL;
  return TRUE;
}

static char *
adapter_model (const char *type)
{
  /* oVirt has numbers. */
  static const char *const numbered[] = { NULL, "rtl8139", "e1000", "virtio" };
  g_autofree char *lower = type != NULL ? g_ascii_strdown (type, -1) : NULL;

  if (lower == NULL)
    return NULL;
  if (strlen (lower) == 1 && *lower >= '1' && *lower <= '3')
    return g_strdup (numbered[*lower - '0']);
  if (g_str_has_prefix (lower, "virtio"))
    return g_strdup ("virtio");
  return g_str_has_prefix (lower, "pcnet") ? g_strdup ("pcnet") : g_steal_pointer (&lower);
}

static gboolean
add_adapter (Hardware *h, xmlNode *item, GError **error)
{
  g_autofree char *type = xml_text (item, "ResourceSubType"), *address = xml_text (item, "Address"),
                  *mac = xml_text (item, "MACAddress"), *automatic = xml_text (item, "AutomaticAllocation");
  ApplianceAdapter *adapter;

  if (h->system->adapters->len >= APPLIANCE_MAX_ADAPTERS)
    return appliance_error (error, h->plan->path, _ ("“%s” has more than %d network adapters"), h->system->name,
                            APPLIANCE_MAX_ADAPTERS);
  adapter = appliance_system_add_adapter (h->system);
  adapter->model = adapter_model (type);
  adapter->mac = appliance_clean_mac (mac != NULL ? mac : address);
  adapter->name = xml_text (item, "Connection");
  adapter->network = adapter->name != NULL ? APPLIANCE_NETWORK_NAMED : APPLIANCE_NETWORK_NONE;
  if (g_strcmp0 (adapter->name, "NAT") == 0)
    adapter->network = APPLIANCE_NETWORK_NAT;
  adapter->connected = automatic == NULL || g_ascii_strcasecmp (automatic, "false") != 0;
  return TRUE;
}

static gboolean
read_controller (Hardware *h, xmlNode *item)
{
  switch (xml_number (item, "ResourceType", 0))
    {
    case TYPE_IDE:
      add_controller (h, item, APPLIANCE_BUS_IDE);
      return TRUE;
    case TYPE_SCSI:
      {
        g_autofree char *type = xml_text (item, "ResourceSubType");

        add_controller (h, item, has_word (type, "virtio") ? APPLIANCE_BUS_VIRTIO_SCSI : APPLIANCE_BUS_SCSI);
        return TRUE;
      }
    case TYPE_OTHER_STORAGE:
      add_other_storage (h, item);
      return TRUE;
    case TYPE_USB:
      add_controller (h, item, APPLIANCE_BUS_USB);
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
read_device (Hardware *h, xmlNode *item, GError **error)
{
  switch (xml_number (item, "ResourceType", 0))
    {
    case TYPE_CPU:
      read_cpus (h, item);
      return TRUE;
    case TYPE_MEMORY:
      return read_memory (h, item, error);
    case TYPE_ETHERNET:
      return add_adapter (h, item, error);
    case TYPE_FLOPPY:
      return add_drive (h, item, APPLIANCE_DRIVE_FLOPPY, error);
    case TYPE_CD:
    case TYPE_DVD:
      return add_drive (h, item, APPLIANCE_DRIVE_OPTICAL, error);
    case TYPE_DISK:
      return add_drive (h, item, APPLIANCE_DRIVE_DISK, error);
    default:
      return TRUE;
    }
}

gboolean
ovf_parse_hardware (AppliancePlan *plan, ApplianceSystem *system, xmlNode *section, GHashTable *disks,
                    const char *configuration, GError **error)
{
  g_autoptr (GHashTable) controllers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, controller_free);
  Hardware h = { .plan = plan, .system = system, .disks = disks, .controllers = controllers };
  unsigned count = 0;

  /* Devices may come before what they hang on. */
  for (xmlNode *item = xml_child (section, NULL); item != NULL; item = xml_next (item, NULL))
    if (is_meant (item, configuration))
      {
        if (++count > ITEMS_MAX)
          return appliance_error (error, plan->path, _ ("“%s” has more than %d devices"), system->name, ITEMS_MAX);
        read_controller (&h, item);
      }
  for (xmlNode *item = xml_child (section, NULL); item != NULL; item = xml_next (item, NULL))
    if (is_meant (item, configuration) && !read_device (&h, item, error))
      return FALSE;
  for (xmlNode *config = xml_child (section, "Config"); config != NULL; config = xml_next (config, "Config"))
    if (xml_attribute_is (config, "key", "firmware") && xml_attribute_is (config, "value", "efi"))
      system->efi = TRUE;
  return TRUE;
}

/* --- What Bunshin adds --- */

static const char *const bus_words[] = { "ide", "sata", "scsi", "nvme", "virtio", "virtio-scsi", "floppy", "usb" };

static gboolean
word_index (const char *const *words, unsigned count, const char *word, unsigned *index)
{
  for (unsigned i = 0; word != NULL && i < count; i++)
    if (strcmp (words[i], word) == 0)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

static void
read_own_drive (ApplianceSystem *system, xmlNode *node)
{
  g_autofree char *bus = xml_attribute (node, "bus");
  uint64_t number = xml_attribute_number (node, "number", G_MAXUINT), unit = xml_attribute_number (node, "unit", 0);
  unsigned index;
  ApplianceDrive *drive;

  if (number >= system->drives->len || unit > 1024 || !word_index (bus_words, G_N_ELEMENTS (bus_words), bus, &index))
    return;
  drive = g_ptr_array_index (system->drives, number);
  drive->bus = (ApplianceBus) index;
  drive->channel = 0;
  drive->unit = (unsigned) unit;
}

void
ovf_parse_own (ApplianceSystem *system, xmlNode *section)
{
  static const char *const boots[] = { "", "floppy", "disk", "cdrom", "network" };
  g_autofree char *os = xml_text (section, "System"), *clock = xml_text (section, "Clock"),
                  *boot = xml_text (section, "Boot"), *firmware = xml_text (section, "Firmware");
  g_auto (GStrv) words = g_strsplit (boot != NULL ? boot : "", ",", G_N_ELEMENTS (system->boot) + 1);
  unsigned count = 0;

  if (os != NULL)
    {
      g_free (system->os_id);
      system->os_id = g_steal_pointer (&os);
    }
  system->has_rtc = clock != NULL;
  system->rtc_utc = g_strcmp0 (clock, "utc") == 0;
  system->efi = g_strcmp0 (firmware, "efi") == 0;
  for (char **word = words; *word != NULL && count < G_N_ELEMENTS (system->boot); word++)
    {
      unsigned index;

      if (word_index (boots, G_N_ELEMENTS (boots), *word, &index) && index > 0)
        system->boot[count++] = (ApplianceBoot) index;
    }
  for (xmlNode *node = xml_child (section, "Drive"); node != NULL; node = xml_next (node, "Drive"))
    read_own_drive (system, node);
  for (xmlNode *node = xml_child (section, "Adapter"); node != NULL; node = xml_next (node, "Adapter"))
    {
      uint64_t number = xml_attribute_number (node, "number", G_MAXUINT);

      if (number < system->adapters->len)
        {
          ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, number);

          adapter->network = xml_attribute_is (node, "network", "nat") ? APPLIANCE_NETWORK_NAT : APPLIANCE_NETWORK_NONE;
          adapter->connected = !xml_attribute_is (node, "cable", "off");
        }
    }
}
