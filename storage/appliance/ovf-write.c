/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The description of an appliance as text. Specification: DSP0243 1.1.0 and 2.1.1.
 * The elements of an item are in the order of the alphabet, which the schemas of
 * CIM demand. What OVF has no word for goes into a section of Bunshin's own, which
 * others may ignore.
 */

#include "storage/appliance/appliance-private.h"

#include <string.h>

#define CIM_SCHEMA  "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define VMDK_FORMAT "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

typedef struct
{
  GString *out;
  unsigned version;
  unsigned next_id; /* of items */
} Writing;

static void put (Writing *w, unsigned depth, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* One line; what the arguments hold is escaped. */
static void
put (Writing *w, unsigned depth, const char *format, ...)
{
  va_list args;
  g_autofree char *line = NULL;

  va_start (args, format);
  line = g_markup_vprintf_escaped (format, args);
  va_end (args);
  g_string_append_printf (w->out, "%*s%s\n", (int) depth * 2, "", line);
}

typedef enum
{
  ITEM_PLAIN,
  ITEM_STORAGE,
  ITEM_ETHERNET
} ItemKind;

typedef struct
{
  ItemKind kind;
  unsigned type;
  const char *name, *subtype, *host, *connection, *units, *address, *on_parent;
  gboolean manual;   /* not connected by itself */
  unsigned parent;   /* 0: none */
  uint64_t quantity; /* 0: not said */
} Item;

static void
element (Writing *w, const char *prefix, const char *name, const char *value)
{
  if (value != NULL)
    put (w, 4, "<%s:%s>%s</%s:%s>", prefix, name, value, prefix, name);
}

/* Returns its InstanceID. */
static unsigned
put_item (Writing *w, const Item *item)
{
  static const char *const names[][2]
      = { { "Item", "rasd" }, { "StorageItem", "sasd" }, { "EthernetPortItem", "epasd" } };
  ItemKind kind = w->version >= 2 ? item->kind : ITEM_PLAIN;
  const char *name = names[kind][0], *prefix = names[kind][1];
  g_autofree char *id = g_strdup_printf ("%u", ++w->next_id), *parent = g_strdup_printf ("%u", item->parent),
                  *type = g_strdup_printf ("%u", item->type),
                  *quantity = g_strdup_printf ("%" G_GUINT64_FORMAT, item->quantity);

  put (w, 3, "<%s>", name);
  element (w, prefix, "Address", item->address);
  element (w, prefix, "AddressOnParent", item->on_parent);
  element (w, prefix, "AllocationUnits", item->units);
  if (item->kind != ITEM_PLAIN)
    element (w, prefix, "AutomaticAllocation", item->manual ? "false" : "true");
  element (w, prefix, "Caption", item->name);
  element (w, prefix, "Connection", item->connection);
  element (w, prefix, "ElementName", item->name);
  element (w, prefix, "HostResource", item->host);
  element (w, prefix, "InstanceID", id);
  element (w, prefix, "Parent", item->parent > 0 ? parent : NULL);
  element (w, prefix, "ResourceSubType", item->subtype);
  element (w, prefix, "ResourceType", type);
  element (w, prefix, "VirtualQuantity", item->quantity > 0 ? quantity : NULL);
  put (w, 3, "</%s>", name);
  return w->next_id;
}

/* --- Hardware --- */

typedef struct
{
  ApplianceBus bus;
  unsigned channel, id;
} Written;

static unsigned
controller_of (Writing *w, GArray *controllers, const ApplianceDrive *drive)
{
  static const struct
  {
    unsigned type;
    const char *name, *subtype;
  } kinds[] = { [APPLIANCE_BUS_IDE] = { 5, "IDE Controller", "PIIX3" },
                [APPLIANCE_BUS_SATA] = { 20, "SATA Controller", "AHCI" },
                [APPLIANCE_BUS_SCSI] = { 6, "SCSI Controller", "lsilogic" },
                [APPLIANCE_BUS_NVME] = { 20, "NVMe Controller", "NVMe" },
                [APPLIANCE_BUS_VIRTIO_BLK] = { 20, "virtio Disks", "VirtioBlk" },
                [APPLIANCE_BUS_VIRTIO_SCSI] = { 20, "virtio SCSI Controller", "VirtioSCSI" },
                [APPLIANCE_BUS_FLOPPY] = { 0, "", NULL },
                [APPLIANCE_BUS_USB] = { 23, "USB Controller", NULL } };
  g_autofree char *address = g_strdup_printf ("%u", drive->channel),
                  *name = g_strdup_printf ("%s %u", kinds[drive->bus].name, drive->channel);
  Item item
      = { .type = kinds[drive->bus].type, .name = name, .subtype = kinds[drive->bus].subtype, .address = address };
  Written written = { .bus = drive->bus, .channel = drive->channel };

  /* OVF has no word for that one. */
  if (drive->bus == APPLIANCE_BUS_FLOPPY)
    return 0;
  for (unsigned i = 0; i < controllers->len; i++)
    {
      const Written *other = &g_array_index (controllers, Written, i);

      if (other->bus == drive->bus && other->channel == drive->channel)
        return other->id;
    }
  written.id = put_item (w, &item);
  g_array_append_val (controllers, written);
  return written.id;
}

static void
put_drive (Writing *w, const ApplianceDrive *drive, unsigned parent, unsigned number)
{
  static const unsigned types[] = { 17, 15, 14 };
  static const char *const names[] = { "Disk", "CD/DVD Drive", "Floppy Drive" };
  g_autofree char *on_parent = g_strdup_printf ("%u", drive->unit), *host = NULL,
                  *name = g_strdup_printf ("%s %u", names[drive->kind], number + 1);
  Item item = { .kind = ITEM_STORAGE, .type = types[drive->kind], .name = name, .on_parent = on_parent };

  if (drive->kind == APPLIANCE_DRIVE_DISK)
    host = g_strdup_printf ("ovf:/disk/vmdisk%d", drive->disk + 1);
  else if (drive->file >= 0)
    host = g_strdup_printf ("ovf:/file/file%d", drive->file + 1);
  item.host = host;
  item.parent = parent;
  put_item (w, &item);
}

static const char *
network_of (const ApplianceAdapter *adapter)
{
  return adapter->network == APPLIANCE_NETWORK_NONE ? NULL : adapter->name != NULL ? adapter->name : "NAT";
}

static void
put_adapters (Writing *w, const ApplianceSystem *system)
{
  static const struct
  {
    const char *model, *subtype;
  } models[] = { { "e1000", "E1000" },
                 { "e1000e", "E1000e" },
                 { "vmxnet3", "VmxNet3" },
                 { "pcnet", "PCNet32" },
                 { "virtio", "VirtioNet" } };

  for (unsigned i = 0; i < system->adapters->len; i++)
    {
      const ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, i);
      g_autofree char *name = g_strdup_printf ("Ethernet Adapter %u", i + 1);
      Item item = { .kind = ITEM_ETHERNET,
                    .type = 10,
                    .name = name,
                    .address = adapter->mac,
                    .connection = network_of (adapter),
                    .subtype = "E1000",
                    .manual = !adapter->connected };

      for (unsigned j = 0; adapter->model != NULL && j < G_N_ELEMENTS (models); j++)
        if (g_str_has_prefix (adapter->model, models[j].model))
          item.subtype = models[j].subtype;
      put_item (w, &item);
    }
}

static void
put_hardware (Writing *w, const ApplianceSystem *system)
{
  g_autoptr (GArray) controllers = g_array_new (FALSE, FALSE, sizeof (Written));
  g_autofree unsigned *parents = g_new0 (unsigned, system->drives->len + 1);
  g_autofree char *cpus = g_strdup_printf ("%u virtual CPU(s)", system->cpus),
                  *memory = g_strdup_printf ("%" G_GUINT64_FORMAT " MB of memory", system->memory >> 20);
  Item cpu = { .type = 3, .name = cpus, .units = "hertz * 10^6", .quantity = system->cpus };
  Item ram = { .type = 4, .name = memory, .units = "byte * 2^20", .quantity = system->memory >> 20 };

  put (w, 2, "<VirtualHardwareSection>");
  put (w, 3, "<Info>%s</Info>", "Virtual hardware requirements");
  put (w, 3, "<System>");
  put (w, 4, "<vssd:ElementName>%s</vssd:ElementName>", "Virtual Hardware Family");
  put (w, 4, "<vssd:InstanceID>0</vssd:InstanceID>");
  put (w, 4, "<vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier>", system->name);
  put (w, 4, "<vssd:VirtualSystemType>%s</vssd:VirtualSystemType>", "virtualbox-2.2 vmx-07");
  put (w, 3, "</System>");
  put_item (w, &cpu);
  put_item (w, &ram);
  for (unsigned i = 0; i < system->drives->len; i++)
    parents[i] = controller_of (w, controllers, g_ptr_array_index (system->drives, i));
  for (unsigned i = 0; i < system->drives->len; i++)
    put_drive (w, g_ptr_array_index (system->drives, i), parents[i], i);
  put_adapters (w, system);
  if (system->efi)
    put (w, 3, "<vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>");
  put (w, 2, "</VirtualHardwareSection>");
}

static void
put_own (Writing *w, const ApplianceSystem *system)
{
  static const char *const buses[] = { "ide", "sata", "scsi", "nvme", "virtio", "virtio-scsi", "floppy", "usb" };
  static const char *const boots[] = { NULL, "floppy", "disk", "cdrom", "network" };
  g_autofree char *boot = NULL;
  GString *order = g_string_new (NULL);

  for (unsigned i = 0; i < G_N_ELEMENTS (system->boot) && system->boot[i] != APPLIANCE_BOOT_NONE; i++)
    g_string_append_printf (order, "%s%s", i > 0 ? "," : "", boots[system->boot[i]]);
  boot = g_string_free (order, FALSE);
  put (w, 2, "<bunshin:MachineSection ovf:required=\"false\">");
  put (w, 3, "<Info>%s</Info>", "Settings of Bunshin");
  if (system->os_id != NULL)
    put (w, 3, "<bunshin:System>%s</bunshin:System>", system->os_id);
  put (w, 3, "<bunshin:Clock>%s</bunshin:Clock>", system->rtc_utc ? "utc" : "local");
  put (w, 3, "<bunshin:Firmware>%s</bunshin:Firmware>", system->efi ? "efi" : "bios");
  if (*boot != '\0')
    put (w, 3, "<bunshin:Boot>%s</bunshin:Boot>", boot);
  for (unsigned i = 0; i < system->drives->len; i++)
    {
      const ApplianceDrive *drive = g_ptr_array_index (system->drives, i);

      put (w, 3, "<bunshin:Drive bunshin:number=\"%u\" bunshin:bus=\"%s\" bunshin:unit=\"%u\"/>", i, buses[drive->bus],
           drive->bus == APPLIANCE_BUS_IDE ? drive->channel * 2 + drive->unit : drive->unit);
    }
  for (unsigned i = 0; i < system->adapters->len; i++)
    {
      const ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, i);

      put (w, 3, "<bunshin:Adapter bunshin:number=\"%u\" bunshin:network=\"%s\" bunshin:cable=\"%s\"/>", i,
           adapter->network == APPLIANCE_NETWORK_NONE ? "none" : "nat", adapter->connected ? "on" : "off");
    }
  put (w, 2, "</bunshin:MachineSection>");
}

/* --- The envelope --- */

static void
put_system (Writing *w, const ApplianceSystem *system)
{
  const char *vbox, *vmware;
  unsigned cim;

  appliance_os_to_others (system->os_id, &cim, &vbox, &vmware);
  put (w, 1, "<VirtualSystem ovf:id=\"%s\">", system->id != NULL ? system->id : system->name);
  put (w, 2, "<Info>%s</Info>", "A virtual machine");
  put (w, 2, "<Name>%s</Name>", system->name);
  if (system->description != NULL)
    {
      put (w, 2, "<AnnotationSection>");
      put (w, 3, "<Info>%s</Info>", "Notes on the virtual machine");
      put (w, 3, "<Annotation>%s</Annotation>", system->description);
      put (w, 2, "</AnnotationSection>");
    }
  put (w, 2, "<OperatingSystemSection ovf:id=\"%u\" vmw:osType=\"%s\">", cim, vmware);
  put (w, 3, "<Info>%s</Info>", "The operating system installed");
  put (w, 3, "<Description>%s</Description>", vbox);
  put (w, 3, "<vbox:OSType ovf:required=\"false\">%s</vbox:OSType>", vbox);
  put (w, 2, "</OperatingSystemSection>");
  put_hardware (w, system);
  put_own (w, system);
  put (w, 1, "</VirtualSystem>");
}

static void
put_networks (Writing *w, const AppliancePlan *plan)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  put (w, 1, "<NetworkSection>");
  put (w, 2, "<Info>%s</Info>", "The networks that the virtual machines use");
  for (unsigned i = 0; i < plan->systems->len; i++)
    {
      const ApplianceSystem *system = g_ptr_array_index (plan->systems, i);

      for (unsigned j = 0; j < system->adapters->len; j++)
        {
          const char *name = network_of (g_ptr_array_index (system->adapters, j));

          if (name == NULL || !g_hash_table_add (names, (char *) name))
            continue;
          put (w, 2, "<Network ovf:name=\"%s\">", name);
          put (w, 3, "<Description>%s</Description>", "A network of the computer that runs the machine");
          put (w, 2, "</Network>");
        }
    }
  put (w, 1, "</NetworkSection>");
}

static void
put_files (Writing *w, const AppliancePlan *plan, const GPtrArray *files)
{
  put (w, 1, "<References>");
  for (unsigned i = 0; i < files->len; i++)
    {
      const WrittenFile *file = g_ptr_array_index (files, i);

      put (w, 2, "<File ovf:href=\"%s\" ovf:id=\"file%u\" ovf:size=\"%" G_GUINT64_FORMAT "\"/>", file->name, i + 1,
           file->size);
    }
  put (w, 1, "</References>");
  put (w, 1, "<DiskSection>");
  put (w, 2, "<Info>%s</Info>", "The disks of the virtual machines");
  for (unsigned i = 0; i < plan->disks->len; i++)
    {
      const ApplianceDisk *disk = g_ptr_array_index (plan->disks, i);

      put (w, 2,
           "<Disk ovf:capacity=\"%" G_GUINT64_FORMAT "\" ovf:diskId=\"vmdisk%u\" ovf:fileRef=\"file%d\" "
           "ovf:format=\"%s\"/>",
           disk->capacity, i + 1, disk->file + 1, VMDK_FORMAT);
    }
  put (w, 1, "</DiskSection>");
}

char *
ovf_write (const AppliancePlan *plan, unsigned version, const GPtrArray *files)
{
  Writing w = { .out = g_string_new ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), .version = version };
  const char *ns = version >= 2 ? OVF_NS_2 : OVF_NS_1;

  put (&w, 0, "<Envelope ovf:version=\"%s\" xml:lang=\"en-US\" xmlns=\"%s\" xmlns:ovf=\"%s\"",
       version >= 2 ? "2.0" : "1.0", ns, ns);
  put (&w, 1, " xmlns:rasd=\"" CIM_SCHEMA "CIM_ResourceAllocationSettingData%s\"", version >= 2 ? ".xsd" : "");
  put (&w, 1, " xmlns:vssd=\"" CIM_SCHEMA "CIM_VirtualSystemSettingData%s\"", version >= 2 ? ".xsd" : "");
  if (version >= 2)
    {
      put (&w, 1, " xmlns:epasd=\"" CIM_SCHEMA "CIM_EthernetPortAllocationSettingData.xsd\"");
      put (&w, 1, " xmlns:sasd=\"" CIM_SCHEMA "CIM_StorageAllocationSettingData.xsd\"");
    }
  put (&w, 1, " xmlns:vbox=\"http://www.virtualbox.org/ovf/machine\"");
  put (&w, 1, " xmlns:vmw=\"http://www.vmware.com/schema/ovf\"");
  put (&w, 1, " xmlns:bunshin=\"" OVF_NS_BUNSHIN "\">");
  put_files (&w, plan, files);
  put_networks (&w, plan);
  if (plan->systems->len > 1)
    {
      put (&w, 1, "<VirtualSystemCollection ovf:id=\"machines\">");
      put (&w, 2, "<Info>%s</Info>", "A group of virtual machines");
    }
  for (unsigned i = 0; i < plan->systems->len; i++)
    put_system (&w, g_ptr_array_index (plan->systems, i));
  if (plan->systems->len > 1)
    put (&w, 1, "</VirtualSystemCollection>");
  put (&w, 0, "</Envelope>");
  return g_string_free (w.out, FALSE);
}
