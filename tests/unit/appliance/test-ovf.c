/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OVF as several programs write it, and as none should. The descriptions are short ones of our own. */

#include "storage/appliance/appliance.h"

#include <string.h>

#define ENVELOPE_1                                                                                                     \
  "<?xml version='1.0'?><Envelope ovf:version='1.0' xmlns='http://schemas.dmtf.org/ovf/envelope/1' "                   \
  "xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1' xmlns:rasd='urn:rasd' xmlns:vssd='urn:vssd' "                    \
  "xmlns:vbox='http://www.virtualbox.org/ovf/machine' xmlns:vmw='http://www.vmware.com/schema/ovf'>"
#define HARDWARE_BEGIN "<VirtualHardwareSection><Info/>"
#define HARDWARE_END   "</VirtualHardwareSection>"

/* What an item has, in the order of the table. */
#define ITEM(id, type, rest)                                                                                           \
  "<Item><rasd:InstanceID>" id "</rasd:InstanceID><rasd:ResourceType>" type "</rasd:ResourceType>" rest "</Item>"

static AppliancePlan *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  AppliancePlan *plan = appliance_parse (APPLIANCE_KIND_OVF, text, strlen (text), NULL, 0, &error);

  g_assert_no_error (error);
  return plan;
}

static void
refuse (const char *text, const char *expected)
{
  g_autoptr (GError) error = NULL;
  AppliancePlan *plan = appliance_parse (APPLIANCE_KIND_OVF, text, strlen (text), NULL, 0, &error);

  g_assert_null (plan);
  g_assert_nonnull (error);
  if (strstr (error->message, expected) == NULL)
    g_error ("“%s” is not in “%s”", expected, error->message);
}

static const ApplianceDrive *
drive (const ApplianceSystem *system, unsigned index)
{
  g_assert_cmpuint (index, <, system->drives->len);
  return g_ptr_array_index (system->drives, index);
}

static const ApplianceDisk *
disk_of (const AppliancePlan *plan, const ApplianceDrive *of)
{
  g_assert_cmpint (of->disk, >=, 0);
  return g_ptr_array_index (plan->disks, of->disk);
}

/* Two IDE controllers, one of SATA, units in megabytes, the machine's own settings behind. */
static void
test_virtualbox (void)
{
  g_autoptr (AppliancePlan) plan = parse (
      ENVELOPE_1
      "<References><File ovf:href='web-disk001.vmdk' ovf:id='file1'/></References>"
      "<DiskSection><Info/><Disk ovf:capacity='10737418240' ovf:diskId='vmdisk1' ovf:fileRef='file1'/></DiskSection>"
      "<NetworkSection><Info/><Network ovf:name='NAT'/></NetworkSection>"
      "<VirtualSystem ovf:id='web'><Info/>"
      "<ProductSection><Info/><Product>Web</Product><Vendor>Someone</Vendor><Version>3</Version></ProductSection>"
      "<EulaSection><Info/><License>Be good.</License></EulaSection>"
      "<OperatingSystemSection ovf:id='96'><Info/><Description>Debian_64</Description>"
      "<vbox:OSType ovf:required='false'>Debian11_64</vbox:OSType></OperatingSystemSection>" HARDWARE_BEGIN ITEM (
          "1", "3", "<rasd:VirtualQuantity>2</rasd:VirtualQuantity>")
          ITEM (
              "2", "4",
              "<rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>2048</rasd:VirtualQuantity>")
              ITEM ("3", "5", "<rasd:Address>0</rasd:Address><rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>") ITEM (
                  "4", "5", "<rasd:Address>1</rasd:Address><rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>")
                  ITEM ("5", "20", "<rasd:Address>0</rasd:Address><rasd:ResourceSubType>AHCI</rasd:ResourceSubType>")
                      ITEM ("8", "17",
                            "<rasd:AddressOnParent>3</rasd:AddressOnParent><rasd:HostResource>/disk/vmdisk1</"
                            "rasd:HostResource><rasd:Parent>5</rasd:Parent>")
                          ITEM ("9", "15", "<rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:Parent>4</rasd:Parent>")
                              ITEM ("10", "10",
                                    "<rasd:AutomaticAllocation>true</rasd:AutomaticAllocation><rasd:Connection>NAT</"
                                    "rasd:Connection><rasd:ResourceSubType>E1000</rasd:ResourceSubType>")
                                  ITEM ("11", "23", "")
                                      ITEM ("12", "35", "<rasd:ResourceSubType>ensoniq1371</rasd:ResourceSubType>")
                                          HARDWARE_END
      "<vbox:Machine ovf:required='false' name='web'><Hardware><Firmware type='EFI'/><RTC "
      "localOrUTC='UTC'/></Hardware></vbox:Machine>"
      "</VirtualSystem></Envelope>");
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  const ApplianceAdapter *adapter;

  g_assert_cmpuint (plan->systems->len, ==, 1);
  g_assert_cmpstr (system->name, ==, "web");
  g_assert_cmpstr (system->product, ==, "Web");
  g_assert_cmpstr (system->vendor, ==, "Someone");
  g_assert_cmpstr (system->version, ==, "3");
  g_assert_cmpstr (g_ptr_array_index (system->licences, 0), ==, "Be good.");
  g_assert_cmpstr (system->os_id, ==, "debian11");
  g_assert_cmpuint (system->memory, ==, UINT64_C (2) << 30);
  g_assert_cmpuint (system->cpus, ==, 2);
  g_assert_true (system->efi);
  g_assert_true (system->has_rtc && system->rtc_utc);
  g_assert_cmpuint (system->drives->len, ==, 2);
  g_assert_cmpint (drive (system, 0)->bus, ==, APPLIANCE_BUS_SATA);
  g_assert_cmpuint (drive (system, 0)->unit, ==, 3);
  g_assert_cmpuint (disk_of (plan, drive (system, 0))->capacity, ==, UINT64_C (10) << 30);
  g_assert_cmpint (drive (system, 1)->bus, ==, APPLIANCE_BUS_IDE);
  g_assert_cmpint (drive (system, 1)->kind, ==, APPLIANCE_DRIVE_OPTICAL);
  g_assert_cmpuint (drive (system, 1)->channel, ==, 1);
  g_assert_cmpuint (drive (system, 1)->unit, ==, 1);
  g_assert_cmpuint (system->adapters->len, ==, 1);
  adapter = g_ptr_array_index (system->adapters, 0);
  g_assert_cmpstr (adapter->model, ==, "e1000");
  g_assert_cmpint (adapter->network, ==, APPLIANCE_NETWORK_NAT);
  g_assert_true (adapter->connected);
}

/* Capacities in powers of two, SCSI, EFI among the settings, a configuration to choose, ranges that are no devices. */
static void
test_vmware (void)
{
  g_autoptr (AppliancePlan) plan = parse (
      ENVELOPE_1
      "<References><File ovf:href='d.vmdk' ovf:id='f' ovf:size='77'/></References>"
      "<DiskSection><Info/><Disk ovf:capacity='16' ovf:capacityAllocationUnits='byte * 2^30' ovf:diskId='d' "
      "ovf:fileRef='f' ovf:populatedSize='123456'/></DiskSection>"
      "<DeploymentOptionSection><Info/><Configuration ovf:id='small'/><Configuration ovf:id='large' "
      "ovf:default='true'/></DeploymentOptionSection>"
      "<VirtualSystem ovf:id='vm'><Info/><Name> An appliance </Name>"
      "<OperatingSystemSection ovf:id='1' vmw:osType='windows9_64Guest'><Info/></OperatingSystemSection>" HARDWARE_BEGIN
          ITEM (
              "1",
              "3", "<rasd:VirtualQuantity>1</rasd:VirtualQuantity>") "<Item "
                                                                     "ovf:configuration='small'><rasd:InstanceID>2</"
                                                                     "rasd:InstanceID><rasd:ResourceType>4</"
                                                                     "rasd:ResourceType>"
                                                                     "<rasd:AllocationUnits>byte * "
                                                                     "2^20</"
                                                                     "rasd:AllocationUnits><rasd:VirtualQuantity>512</"
                                                                     "rasd:VirtualQuantity></Item>"
                                                                     "<Item "
                                                                     "ovf:configuration='large'><rasd:InstanceID>2</"
                                                                     "rasd:InstanceID><rasd:ResourceType>4</"
                                                                     "rasd:ResourceType>"
                                                                     "<rasd:AllocationUnits>byte * "
                                                                     "2^30</"
                                                                     "rasd:AllocationUnits><rasd:VirtualQuantity>4</"
                                                                     "rasd:VirtualQuantity></Item>"
                                                                     "<Item "
                                                                     "ovf:bound='min'><rasd:InstanceID>2</"
                                                                     "rasd:InstanceID><rasd:ResourceType>4</"
                                                                     "rasd:ResourceType>"
                                                                     "<rasd:VirtualQuantity>1</rasd:VirtualQuantity></"
                                                                     "Item>" ITEM ("3", "6",
                                                                                   "<rasd:Address>0</"
                                                                                   "rasd:Address><rasd:ResourceSubType>"
                                                                                   "VirtualSCSI</rasd:ResourceSubType>")
                                                                         ITEM (
                                                                             "4", "20",
                                                                             "<rasd:Address>0</"
                                                                             "rasd:Address><rasd:ResourceSubType>"
                                                                             "vmware.nvme.controller</"
                                                                             "rasd:ResourceSubType>") ITEM ("5", "17",
                                                                                                            "<rasd:"
                                                                                                            "AddressOnP"
                                                                                                            "arent>2</"
                                                                                                            "rasd:"
                                                                                                            "AddressOnP"
                                                                                                            "arent><"
                                                                                                            "rasd:"
                                                                                                            "HostResour"
                                                                                                            "ce>ovf:/"
                                                                                                            "disk/d</"
                                                                                                            "rasd:"
                                                                                                            "HostResour"
                                                                                                            "ce><rasd:"
                                                                                                            "Parent>3</"
                                                                                                            "rasd:"
                                                                                                            "Parent>")
                                                                             ITEM (
                                                                                 "6", "10",
                                                                                 "<rasd:Address>00:50:56:01:02:03</"
                                                                                 "rasd:Address><rasd:"
                                                                                 "AutomaticAllocation>false</"
                                                                                 "rasd:AutomaticAllocation><rasd:"
                                                                                 "Connection>VM "
                                                                                 "Network</"
                                                                                 "rasd:Connection><rasd:"
                                                                                 "ResourceSubType>VmxNet3</"
                                                                                 "rasd:ResourceSubType>") "<vmw:Config "
                                                                                                          "ovf:"
                                                                                                          "required='"
                                                                                                          "false' "
                                                                                                          "vmw:key='"
                                                                                                          "firmware' "
                                                                                                          "vmw:value='"
                                                                                                          "efi'/"
                                                                                                          ">" HARDWARE_END
                                                                                                          "<AnnotationS"
                                                                                                          "ection><"
                                                                                                          "Info/"
                                                                                                          "><"
                                                                                                          "Annotation>"
                                                                                                          "Notes</"
                                                                                                          "Annotation><"
                                                                                                          "/AnnotationS"
                                                                                                          "ection></"
                                                                                                          "VirtualSyste"
                                                                                                          "m></"
                                                                                                          "Envelope>");
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  const ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, 0);

  g_assert_cmpstr (system->name, ==, "An appliance");
  g_assert_cmpstr (system->description, ==, "Notes");
  g_assert_cmpstr (system->os_id, ==, "win10");
  g_assert_cmpuint (system->memory, ==, UINT64_C (4) << 30);
  g_assert_true (system->efi);
  g_assert_cmpuint (disk_of (plan, drive (system, 0))->capacity, ==, UINT64_C (16) << 30);
  g_assert_cmpuint (disk_of (plan, drive (system, 0))->populated, ==, 123456);
  g_assert_cmpint (drive (system, 0)->bus, ==, APPLIANCE_BUS_SCSI);
  g_assert_cmpstr (drive (system, 0)->controller, ==, "VirtualSCSI");
  g_assert_cmpstr (adapter->model, ==, "vmxnet3");
  g_assert_cmpstr (adapter->mac, ==, "00:50:56:01:02:03");
  g_assert_cmpstr (adapter->name, ==, "VM Network");
  g_assert_false (adapter->connected);
}

/* The form of OVF 0.9, numbers for models, parts of processors, the bus with the disk. */
static void
test_ovirt (void)
{
  g_autoptr (AppliancePlan) plan = parse (
      "<ovf:Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1/' xmlns:rasd='urn:rasd' "
      "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
      "<References><File ovf:href='1b2c' ovf:id='1b2c' ovf:size='5'/></References>"
      "<Section xsi:type='ovf:DiskSection_Type'><Info/><Disk ovf:diskId='1b2c' ovf:fileRef='1b2c' ovf:capacity='8' "
      "ovf:capacityAllocationUnits='byte * 2^30' ovf:disk-interface='VirtIO_SCSI'/></Section>"
      "<Content ovf:id='out' xsi:type='ovf:VirtualSystem_Type'><Name>node</Name><Description>a node</Description>"
      "<Section xsi:type='ovf:OperatingSystemSection_Type'><Info/><Description>other</Description></Section>"
      "<Section xsi:type='ovf:VirtualHardwareSection_Type'><Info/>"
      "<Item><rasd:InstanceId>1</rasd:InstanceId><rasd:ResourceType>3</rasd:ResourceType>"
      "<rasd:num_of_sockets>2</rasd:num_of_sockets><rasd:cpu_per_socket>3</rasd:cpu_per_socket></Item>"
      "<Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType>"
      "<rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>"
      "<Item><rasd:InstanceId>1b2c</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType>"
      "<rasd:HostResource>group/1b2c</rasd:HostResource></Item>"
      "<Item><rasd:InstanceId>3</rasd:InstanceId><rasd:ResourceType>10</rasd:ResourceType>"
      "<rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:MACAddress>56:6f:1a:2b:3c:4d</rasd:MACAddress></Item>"
      "</Section></Content></ovf:Envelope>");
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  const ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, 0);

  g_assert_cmpstr (system->name, ==, "node");
  g_assert_cmpstr (system->description, ==, "a node");
  g_assert_cmpuint (system->cpus, ==, 6);
  g_assert_cmpint (drive (system, 0)->bus, ==, APPLIANCE_BUS_VIRTIO_SCSI);
  g_assert_cmpuint (disk_of (plan, drive (system, 0))->capacity, ==, UINT64_C (8) << 30);
  g_assert_cmpstr (adapter->model, ==, "virtio");
  g_assert_cmpstr (adapter->mac, ==, "56:6f:1a:2b:3c:4d");
}

/* OVF 2.0 has other names for items. A collection has several systems, and licences of its own. */
static void
test_collection (void)
{
  g_autoptr (AppliancePlan) plan = parse (
      "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/2' xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/2' "
      "xmlns:rasd='urn:r' xmlns:sasd='urn:s' xmlns:epasd='urn:e'><References/>"
      "<DiskSection><Info/><Disk ovf:diskId='new' ovf:capacity='4' ovf:capacityAllocationUnits='byte * "
      "10^9'/></DiskSection>"
      "<VirtualSystemCollection ovf:id='all'><Info/><EulaSection><Info/><License>For all</License></EulaSection>"
      "<VirtualSystem ovf:id='one'><Info/>" HARDWARE_BEGIN ITEM (
          "1", "20",
          "<rasd:ResourceSubType>VirtioSCSI</rasd:ResourceSubType>") "<StorageItem><sasd:AddressOnParent>1</"
                                                                     "sasd:AddressOnParent><sasd:HostResource>ovf:/"
                                                                     "disk/new</sasd:HostResource>"
                                                                     "<sasd:InstanceID>2</"
                                                                     "sasd:InstanceID><sasd:Parent>1</"
                                                                     "sasd:Parent><sasd:ResourceType>17</"
                                                                     "sasd:ResourceType></StorageItem>"
                                                                     "<EthernetPortItem><epasd:InstanceID>3</"
                                                                     "epasd:InstanceID><epasd:ResourceSubType>E1000e</"
                                                                     "epasd:ResourceSubType>"
                                                                     "<epasd:ResourceType>10</epasd:ResourceType></"
                                                                     "EthernetPortItem>" HARDWARE_END "</VirtualSystem>"
                                                                     "<VirtualSystem "
                                                                     "ovf:id='two'><Info/><EulaSection><Info/"
                                                                     "><License>For "
                                                                     "two</License></EulaSection>" HARDWARE_BEGIN
                                                                         HARDWARE_END "<CustomSection "
                                                                                      "ovf:required='true'><Info/></"
                                                                                      "CustomSection></VirtualSystem>"
                                                                     "</VirtualSystemCollection></Envelope>");
  const ApplianceSystem *one = g_ptr_array_index (plan->systems, 0), *two = g_ptr_array_index (plan->systems, 1);

  g_assert_cmpuint (plan->systems->len, ==, 2);
  g_assert_cmpstr (one->name, ==, "one");
  g_assert_cmpuint (one->licences->len, ==, 1);
  g_assert_cmpuint (two->licences->len, ==, 2);
  g_assert_cmpint (drive (one, 0)->bus, ==, APPLIANCE_BUS_VIRTIO_SCSI);
  g_assert_cmpint (disk_of (plan, drive (one, 0))->file, ==, -1);
  g_assert_cmpuint (disk_of (plan, drive (one, 0))->capacity, ==, UINT64_C (4000000000));
  g_assert_cmpstr (((ApplianceAdapter *) g_ptr_array_index (one->adapters, 0))->model, ==, "e1000e");
  g_assert_cmpuint (two->notes->len, ==, 1);
}

#define BODY(references, disks, hardware)                                                                              \
  ENVELOPE_1 "<References>" references "</References><DiskSection>" disks                                              \
             "</DiskSection><VirtualSystem ovf:id='x'>" HARDWARE_BEGIN hardware HARDWARE_END                           \
             "</VirtualSystem></Envelope>"

static void
test_refused (void)
{
  static const char *const hrefs[]
      = { "../up.vmdk", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\..\\b", "%2e%2e/up" };
  g_autofree char *deep = NULL;
  GString *many = g_string_new (ENVELOPE_1 "<References>");

  for (unsigned i = 0; i < G_N_ELEMENTS (hrefs); i++)
    {
      g_autofree char *text = g_strdup_printf (BODY ("<File ovf:href='%s' ovf:id='f'/>", "", ""), hrefs[i]);

      refuse (text, "leads elsewhere");
    }
  refuse (BODY ("<File ovf:href='http://example.org/d.vmdk' ovf:id='f'/>", "", ""), "somewhere else");
  refuse (BODY ("<File ovf:id='f'/>", "", ""), "names no file");
  refuse (BODY ("<File ovf:href='a' ovf:id='f'/><File ovf:href='b' ovf:id='f'/>", "", ""), "two of its files");
  refuse (BODY ("<File ovf:href='a' ovf:id='f' ovf:compression='bzip2'/>", "", ""), "bzip2");
  refuse (BODY ("<File ovf:href='a' ovf:id='f' ovf:size='18446744073709551615' ovf:chunkSize='1'/>", "", ""), "pieces");
  refuse (BODY ("", "<Disk ovf:diskId='d' ovf:fileRef='none'/>", ""), "does not name");
  refuse (BODY ("", "<Disk ovf:diskId='d'/>", ""), "neither a file nor a size");
  refuse (BODY ("",
                "<Disk ovf:diskId='d' ovf:capacity='18446744073709551615' ovf:capacityAllocationUnits='byte * 2^40'/>",
                ""),
          "neither a file nor a size");
  refuse (BODY ("<File ovf:href='a' ovf:id='f'/>", "<Disk ovf:diskId='d' ovf:fileRef='f' ovf:parentRef='d'/>", ""),
          "no other disk");
  refuse (BODY ("", "", ITEM ("1", "17", "<rasd:HostResource>ovf:/disk/none</rasd:HostResource>")),
          "does not describe");
  refuse (BODY ("", "", ITEM ("1", "4", "<rasd:AllocationUnits>furlongs</rasd:AllocationUnits>")), "furlongs");
  refuse (BODY ("", "", ITEM ("1", "4", "<rasd:VirtualQuantity>18446744073709551615</rasd:VirtualQuantity>")),
          "that much memory");
  refuse (ENVELOPE_1 "</Envelope>", "no machine");
  refuse (ENVELOPE_1 "<VirtualSystem ovf:id='x'/></Envelope>", "no hardware");
  refuse (ENVELOPE_1 "<References>", "line");
  refuse ("", "line 1");
  refuse ("<html/>", "no description");
  for (unsigned i = 0; i < APPLIANCE_MAX_FILES + 1; i++)
    g_string_append_printf (many, "<File ovf:href='f%u' ovf:id='f%u'/>", i, i);
  g_string_append (many, "</References></Envelope>");
  refuse (many->str, "more than");
  g_string_free (many, TRUE);
  many = g_string_new (NULL);
  for (unsigned i = 0; i < 100000; i++)
    g_string_append (many, "<a>");
  deep = g_string_free (many, FALSE);
  refuse (deep, "line 1");
}

/* No DTD: neither entities that grow, nor files of the computer. */
static void
test_entities (void)
{
  refuse ("<!DOCTYPE e [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><Envelope>&b;</Envelope>",
          "entities");
  refuse ("<!DOCTYPE e [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Envelope>&x;</Envelope>", "entities");
  refuse ("<!DOCTYPE e SYSTEM 'http://127.0.0.1:1/x.dtd'><Envelope/>", "entities");
}

static void
test_systems (void)
{
  static const char *const ids[]
      = { "win10",   "win7",    "winxp",       "win2k19",   "debian12",  "debian10", "ubuntu22.04",
          "rhel9.0", "rhel7.0", "freebsd13.1", "linux2022", "solaris11", "archlinux" };
  const char *vbox, *vmware;
  unsigned cim;

  for (unsigned i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      appliance_os_to_others (ids[i], &cim, &vbox, &vmware);
      g_assert_cmpuint (cim, >, 1);
      g_assert_cmpstr (appliance_os_from_vbox (vbox), ==, ids[i]);
      /* VMware has fewer words, but they must lead to the same family. */
      g_assert_nonnull (appliance_os_from_vmware (vmware));
      g_assert_true (strncmp (appliance_os_from_vmware (vmware), ids[i], 3) == 0 || g_str_equal (ids[i], "archlinux"));
    }
  appliance_os_to_others ("rhel9.4", &cim, &vbox, &vmware);
  g_assert_cmpstr (vbox, ==, "RedHat9_64");
  appliance_os_to_others ("nothing known", &cim, &vbox, &vmware);
  g_assert_cmpuint (cim, ==, 1);
  g_assert_cmpstr (vbox, ==, "Other_64");
  appliance_os_to_others (NULL, &cim, &vbox, &vmware);
  g_assert_cmpstr (appliance_os_from_vbox ("Debian"), ==, "debian12");
  g_assert_cmpstr (appliance_os_from_vmware ("debian10-64"), ==, "debian10");
  g_assert_cmpstr (appliance_os_from_vmware ("windows9Server64Guest"), ==, "win2k16");
  g_assert_cmpstr (appliance_os_from_vmware ("ubuntu"), ==, "ubuntu22.04");
  g_assert_null (appliance_os_from_vmware ("otherGuest64"));
  g_assert_cmpstr (appliance_os_from_cim (105), ==, "win7");
  g_assert_cmpstr (appliance_os_from_cim (80), ==, "rhel9.0");
  g_assert_null (appliance_os_from_cim (0));
  g_assert_null (appliance_os_from_cim (1));
  g_assert_cmpstr (appliance_os_from_parallels (8, 2063), ==, "win10");
  g_assert_cmpstr (appliance_os_from_parallels (9, 2309), ==, "linux2022");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/appliance/ovf/virtualbox", test_virtualbox);
  g_test_add_func ("/appliance/ovf/vmware", test_vmware);
  g_test_add_func ("/appliance/ovf/ovirt", test_ovirt);
  g_test_add_func ("/appliance/ovf/collection", test_collection);
  g_test_add_func ("/appliance/ovf/refused", test_refused);
  g_test_add_func ("/appliance/ovf/entities", test_entities);
  g_test_add_func ("/appliance/ovf/systems", test_systems);
  return g_test_run ();
}
