/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines as VirtualBox, VMware and Parallels describe them, in folders with files of these names. */

#include "storage/appliance/appliance.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("bunshin-appliance-XXXXXX", NULL);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inner = g_build_filename (path, entry, NULL);

      if (g_file_test (inner, G_FILE_TEST_IS_DIR) && !g_file_test (inner, G_FILE_TEST_IS_SYMLINK))
        remove_tree (inner);
      else
        g_unlink (inner);
    }
  g_rmdir (path);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_tree (fixture->folder);
  g_free (fixture->folder);
}

static char *
add_file (Fixture *fixture, const char *name, const char *text)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static AppliancePlan *
read_plan (const char *path, ApplianceFlags flags)
{
  g_autoptr (GError) error = NULL;
  AppliancePlan *plan = appliance_read (path, flags, &error);

  g_assert_no_error (error);
  return plan;
}

static void
refuse (const char *path, const char *expected)
{
  g_autoptr (GError) error = NULL;
  AppliancePlan *plan = appliance_read (path, 0, &error);

  g_assert_null (plan);
  if (strstr (error->message, expected) == NULL)
    g_error ("“%s” is not in “%s”", expected, error->message);
}

static void
expect_drive (const ApplianceSystem *system, unsigned index, ApplianceBus bus, unsigned channel, unsigned unit,
              ApplianceDriveKind kind, gboolean full)
{
  const ApplianceDrive *drive = g_ptr_array_index (system->drives, index);

  g_assert_cmpuint (index, <, system->drives->len);
  g_assert_cmpint (drive->bus, ==, bus);
  g_assert_cmpuint (drive->channel, ==, channel);
  g_assert_cmpuint (drive->unit, ==, unit);
  g_assert_cmpint (drive->kind, ==, kind);
  g_assert_cmpint (kind == APPLIANCE_DRIVE_DISK ? drive->disk >= 0 : drive->file >= 0, ==, full);
}

#define VBOX(media, hardware, after)                                                                                   \
  "<?xml version=\"1.0\"?><VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.19-linux\">"                    \
  "<Machine uuid=\"{1}\" name=\"my box\" OSType=\"Windows10_64\"><Description>An old &amp; good one</Description>"     \
  "<MediaRegistry>" media "</MediaRegistry><Hardware>" hardware "</Hardware>" after "</Machine></VirtualBox>"

static void
test_vbox (Fixture *fixture, gconstpointer data)
{
  g_autofree char *base
      = add_file (fixture, "base.vdi", ""),
      *iso = add_file (fixture, "cd.iso", ""),
      *path = add_file (
          fixture, "box.vbox",
          VBOX ("<HardDisks><HardDisk uuid=\"{AA}\" location=\"base.vdi\" format=\"VDI\">"
                "<HardDisk uuid=\"{bb}\" location=\"Snapshots/{bb}.vdi\" format=\"VDI\"/></HardDisk></HardDisks>"
                "<DVDImages><Image uuid=\"{cc}\" location=\"cd.iso\"/><Image uuid=\"{dd}\" "
                "location=\"gone.iso\"/></DVDImages>",
                "<CPU count=\"3\"/><Memory RAMSize=\"1536\"/><Firmware type=\"BIOS\"/>"
                "<Boot><Order position=\"1\" device=\"DVD\"/><Order position=\"2\" device=\"HardDisk\"/>"
                "<Order position=\"3\" device=\"None\"/></Boot>"
                "<Network><Adapter slot=\"0\" enabled=\"true\" MACAddress=\"080027ABCDEF\" "
                "type=\"82540EM\"><NAT/></Adapter>"
                "<Adapter slot=\"1\" enabled=\"true\" cable=\"false\" type=\"virtio\"><BridgedInterface "
                "name=\"eth0\"/></Adapter>"
                "<Adapter slot=\"2\" enabled=\"false\"/></Network>"
                "<StorageControllers><StorageController name=\"SATA\" type=\"AHCI\" PortCount=\"2\">"
                "<AttachedDevice type=\"HardDisk\" port=\"0\" device=\"0\"><Image uuid=\"{aa}\"/></AttachedDevice>"
                "<AttachedDevice type=\"DVD\" port=\"1\" device=\"0\"><Image "
                "uuid=\"{dd}\"/></AttachedDevice></StorageController>"
                "<StorageController name=\"IDE\" type=\"PIIX4\"><AttachedDevice type=\"DVD\" port=\"1\" device=\"0\">"
                "<Image uuid=\"{cc}\"/></AttachedDevice></StorageController></StorageControllers>",
                "<Snapshot uuid=\"{9}\" name=\"s\"><Hardware><Memory RAMSize=\"9\"/></Hardware></Snapshot>"));
  g_autoptr (AppliancePlan) plan = read_plan (path, 0);
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  const ApplianceAdapter *first = g_ptr_array_index (system->adapters, 0),
                         *second = g_ptr_array_index (system->adapters, 1);

  g_assert_cmpint (plan->kind, ==, APPLIANCE_KIND_VBOX);
  g_assert_cmpstr (system->name, ==, "my box");
  g_assert_cmpstr (system->description, ==, "An old & good one");
  g_assert_cmpstr (system->os_id, ==, "win10");
  g_assert_cmpuint (system->cpus, ==, 3);
  g_assert_cmpuint (system->memory, ==, UINT64_C (1536) << 20);
  g_assert_false (system->efi || system->rtc_utc);
  g_assert_true (system->has_rtc);
  g_assert_cmpint (system->boot[0], ==, APPLIANCE_BOOT_OPTICAL);
  g_assert_cmpint (system->boot[1], ==, APPLIANCE_BOOT_DISK);
  g_assert_cmpuint (system->adapters->len, ==, 2);
  g_assert_cmpstr (first->mac, ==, "08:00:27:ab:cd:ef");
  g_assert_cmpstr (first->model, ==, "e1000");
  g_assert_cmpint (first->network, ==, APPLIANCE_NETWORK_NAT);
  g_assert_cmpstr (second->model, ==, "virtio");
  g_assert_cmpint (second->network, ==, APPLIANCE_NETWORK_BRIDGED);
  g_assert_false (second->connected);
  expect_drive (system, 0, APPLIANCE_BUS_SATA, 0, 0, APPLIANCE_DRIVE_DISK, TRUE);
  expect_drive (system, 1, APPLIANCE_BUS_SATA, 0, 1, APPLIANCE_DRIVE_OPTICAL, FALSE);
  expect_drive (system, 2, APPLIANCE_BUS_IDE, 1, 0, APPLIANCE_DRIVE_OPTICAL, TRUE);
  /* The snapshot stays behind, and the disc that is gone. */
  g_assert_cmpuint (system->notes->len, ==, 2);
}

static void
test_vbox_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *missing = add_file (
      fixture, "missing.vbox",
      VBOX ("<HardDisks><HardDisk uuid=\"{a}\" location=\"none.vdi\"/></HardDisks>",
            "<StorageControllers><StorageController name=\"S\" type=\"AHCI\"><AttachedDevice type=\"HardDisk\">"
            "<Image uuid=\"{a}\"/></AttachedDevice></StorageController></StorageControllers>",
            ""));
  g_autofree char *outside = add_file (
      fixture, "outside.vbox",
      VBOX ("<HardDisks><HardDisk uuid=\"{a}\" location=\"/etc/passwd\"/></HardDisks>",
            "<StorageControllers><StorageController name=\"S\" type=\"AHCI\"><AttachedDevice type=\"HardDisk\">"
            "<Image uuid=\"{a}\"/></AttachedDevice></StorageController></StorageControllers>",
            ""));
  g_autofree char *locked
      = add_file (fixture, "locked.vbox", "<VirtualBox><MachineEncrypted uuid=\"{1}\"/></VirtualBox>");
  g_autoptr (AppliancePlan) plan = NULL;

  refuse (missing, "none.vdi");
  refuse (outside, "not in its folder");
  refuse (locked, "encrypted");
  plan = read_plan (outside, APPLIANCE_TRUST);
  g_assert_true (((ApplianceFile *) g_ptr_array_index (plan->files, 0))->outside);
}

static void
test_vmx (Fixture *fixture, gconstpointer data)
{
  g_autofree char *disk = add_file (fixture, "disk.vmdk", ""), *second = add_file (fixture, "data disk.vmdk", ""),
                  *path = add_file (fixture, "m.vmx",
                                    ".encoding = \"UTF-8\"\n"
                                    "#!/usr/bin/vmware\n"
                                    "config.version = \"8\"\n"
                                    "displayName = \"Server |22A|22\"\r\n"
                                    "guestOS = \"debian11-64\"\n"
                                    "memsize = \"4096\"\n"
                                    "numvcpus = \"4\"\n"
                                    "firmware = \"efi\"\n"
                                    "annotation = \"one|0Atwo\"\n"
                                    "scsi0.present = \"TRUE\"\n"
                                    "scsi0.virtualDev = \"pvscsi\"\n"
                                    "scsi0:1.present = \"TRUE\"\n"
                                    "scsi0:1.fileName = \"disk.vmdk\"\n"
                                    "scsi1:0.present = \"TRUE\"\n"
                                    "scsi1:0.fileName = \"not-there.vmdk\"\n"
                                    "nvme0.present = \"TRUE\"\n"
                                    "nvme0:0.present = \"TRUE\"\n"
                                    "nvme0:0.fileName = \"data disk.vmdk\"\n"
                                    "ide1:0.present = \"TRUE\"\n"
                                    "ide1:0.deviceType = \"cdrom-raw\"\n"
                                    "ide1:0.fileName = \"auto detect\"\n"
                                    "ethernet0.present = \"TRUE\"\n"
                                    "ethernet0.virtualDev = \"vmxnet3\"\n"
                                    "ethernet0.connectionType = \"nat\"\n"
                                    "ethernet0.generatedAddress = \"00:0c:29:01:02:03\"\n"
                                    "ethernet1.present = \"FALSE\"\n"
                                    "floppy0.present = \"FALSE\"\n");
  g_autoptr (AppliancePlan) plan = read_plan (path, 0);
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  const ApplianceAdapter *adapter = g_ptr_array_index (system->adapters, 0);

  g_assert_cmpint (plan->kind, ==, APPLIANCE_KIND_VMX);
  g_assert_cmpstr (system->name, ==, "Server \"A\"");
  g_assert_cmpstr (system->description, ==, "one\ntwo");
  g_assert_cmpstr (system->os_id, ==, "debian11");
  g_assert_cmpuint (system->memory, ==, UINT64_C (4) << 30);
  g_assert_cmpuint (system->cpus, ==, 4);
  g_assert_true (system->efi);
  g_assert_cmpuint (system->drives->len, ==, 3);
  expect_drive (system, 0, APPLIANCE_BUS_IDE, 1, 0, APPLIANCE_DRIVE_OPTICAL, FALSE);
  expect_drive (system, 1, APPLIANCE_BUS_SCSI, 0, 1, APPLIANCE_DRIVE_DISK, TRUE);
  expect_drive (system, 2, APPLIANCE_BUS_NVME, 0, 0, APPLIANCE_DRIVE_DISK, TRUE);
  g_assert_cmpuint (system->adapters->len, ==, 1);
  g_assert_cmpstr (adapter->model, ==, "vmxnet3");
  g_assert_cmpstr (adapter->mac, ==, "00:0c:29:01:02:03");
  g_assert_cmpint (adapter->network, ==, APPLIANCE_NETWORK_NAT);
}

static void
test_vmx_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *none
      = add_file (fixture, "none.vmx", "just text\n"),
      *locked = add_file (fixture, "locked.vmx", "displayName = \"x\"\nencryption.keySafe = \"vmware:key/list\"\n"),
      *up = add_file (fixture, "up.vmx",
                      "displayName = \"x\"\nide0:0.present = \"TRUE\"\nide0:0.fileName = \"..\\..\\x.vmdk\"\n");

  refuse (none, "no machine");
  refuse (locked, "encrypted");
  refuse (up, "x.vmdk");
}

static void
test_pvs (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pvm = g_build_filename (fixture->folder, "Box.pvm", NULL), *hdd = NULL, *config = NULL;
  g_autoptr (AppliancePlan) plan = NULL;
  const ApplianceSystem *system;
  const ApplianceAdapter *adapter;

  g_assert_cmpint (g_mkdir (pvm, 0700), ==, 0);
  hdd = g_build_filename (pvm, "disk.hdd", NULL);
  g_assert_cmpint (g_mkdir (hdd, 0700), ==, 0);
  config = add_file (fixture, "Box.pvm/config.pvs",
                     "<?xml version=\"1.0\"?><ParallelsVirtualMachine schemaVersion=\"1.0\">"
                     "<Identification><VmName>Box</VmName></Identification>"
                     "<Settings><General><OsType>9</OsType><OsNumber>2313</OsNumber></General>"
                     "<Startup><Bios><EfiEnabled>1</EfiEnabled></Bios><BootingOrder>"
                     "<BootDevice><Type>5</Type><BootingNumber>2</BootingNumber><InUse>1</InUse></BootDevice>"
                     "<BootDevice><Type>6</Type><BootingNumber>1</BootingNumber><InUse>1</InUse></BootDevice>"
                     "<BootDevice><Type>8</Type><BootingNumber>3</BootingNumber><InUse>0</InUse></BootDevice>"
                     "</BootingOrder></Startup></Settings>"
                     "<Hardware><Cpu><Number>2</Number></Cpu><Memory><RAM>768</RAM></Memory>"
                     "<CdRom><Enabled>1</Enabled><Connected>1</Connected><EmulatedType>0</EmulatedType>"
                     "<InterfaceType>0</InterfaceType><StackIndex>2</StackIndex></CdRom>"
                     "<Hdd><Enabled>1</Enabled><EmulatedType>1</EmulatedType>"
                     "<SystemName>/Users/someone/Parallels/Box.pvm/disk.hdd</SystemName>"
                     "<InterfaceType>2</InterfaceType><StackIndex>1</StackIndex></Hdd>"
                     "<NetworkAdapter><Enabled>1</Enabled><EmulatedType>2</EmulatedType><MAC>001C42010203</MAC>"
                     "<AdapterType>3</AdapterType></NetworkAdapter></Hardware></ParallelsVirtualMachine>");
  plan = read_plan (pvm, 0);
  system = g_ptr_array_index (plan->systems, 0);
  adapter = g_ptr_array_index (system->adapters, 0);
  g_assert_cmpint (plan->kind, ==, APPLIANCE_KIND_PVS);
  g_assert_cmpstr (system->name, ==, "Box");
  g_assert_cmpstr (system->os_id, ==, "ubuntu22.04");
  g_assert_cmpuint (system->memory, ==, 768 << 20);
  g_assert_cmpuint (system->cpus, ==, 2);
  g_assert_true (system->efi);
  g_assert_cmpint (system->boot[0], ==, APPLIANCE_BOOT_DISK);
  g_assert_cmpint (system->boot[1], ==, APPLIANCE_BOOT_OPTICAL);
  g_assert_cmpint (system->boot[2], ==, APPLIANCE_BOOT_NONE);
  expect_drive (system, 0, APPLIANCE_BUS_SATA, 0, 1, APPLIANCE_DRIVE_DISK, TRUE);
  expect_drive (system, 1, APPLIANCE_BUS_IDE, 1, 0, APPLIANCE_DRIVE_OPTICAL, FALSE);
  g_assert_cmpstr (adapter->model, ==, "virtio");
  g_assert_cmpstr (adapter->mac, ==, "00:1c:42:01:02:03");
  g_assert_cmpint (adapter->network, ==, APPLIANCE_NETWORK_BRIDGED);
}

static void
test_names (void)
{
  g_assert_true (appliance_is_name ("/a/b.OVA"));
  g_assert_true (appliance_is_name ("b.pvm"));
  g_assert_false (appliance_is_name (".ova"));
  g_assert_false (appliance_is_name ("/a/b.iso"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/appliance/others/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("vbox", test_vbox);
  ADD ("vbox-refused", test_vbox_refused);
  ADD ("vmx", test_vmx);
  ADD ("vmx-refused", test_vmx_refused);
  ADD ("pvs", test_pvs);
#undef ADD
  g_test_add_func ("/appliance/others/names", test_names);
  return g_test_run ();
}
