/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Settings as KEY=VALUE. */

#include "app/cli.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void
accept (LibraryMachine *machine, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (setting_apply (machine, key, value, &error));
  g_assert_no_error (error);
}

static void
refuse (LibraryMachine *machine, const char *key, const char *value, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (setting_apply (machine, key, value, &error));
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_plain (void)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autofree char *text = NULL;

  accept (machine, "name", "other name");
  accept (machine, "description", "for tests");
  accept (machine, "os", "debian12");
  accept (machine, "memory", "256M");
  accept (machine, "cpus", "2");
  accept (machine, "cpu-model", "x86-64-v2");
  accept (machine, "accel", "interp");
  accept (machine, "boot", "cdrom,disk");
  accept (machine, "clock", "local");
  g_assert_cmpstr (machine->name, ==, "other name");
  g_assert_cmpuint (machine->memory, ==, 256 << 20);
  g_assert_false (machine->rtc_utc);
  g_assert_cmpint (machine->boot[0], ==, LIBRARY_BOOT_CDROM);
  g_assert_cmpint (machine->boot[2], ==, LIBRARY_BOOT_NONE);
  g_assert_true (library_machine_validate (machine, NULL));

  refuse (machine, "memory", "lots", "lots");
  refuse (machine, "cpus", "0", "cpus");
  refuse (machine, "cpus", "two", "two");
  refuse (machine, "clock", "gmt", "gmt");
  refuse (machine, "os", "a b", "a b");
  refuse (machine, "colour", "red", "colour");
  refuse (machine, "ide4", "none", "ide4");
  refuse (machine, "nic0", "nat", "nic0");
  refuse (machine, "nic9", "nat", "nic9");
  refuse (machine, "nic1-speed", "1G", "nic1-speed");

  text = setting_describe (machine, LIBRARY_STATE_PAUSED, "the disk is full");
  g_assert_nonnull (strstr (text, "name: other name\n"));
  g_assert_nonnull (strstr (text, "state: paused\nmessage: the disk is full\n"));
  g_assert_nonnull (strstr (text, "memory: 256M\n"));
  g_assert_nonnull (strstr (text, "boot: cdrom,disk\n"));
}

static void
test_drives (void)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autofree char *folder = g_dir_make_tmp ("bunshin-setting-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "a.iso", NULL), *missing = g_build_filename (folder, "b.iso", NULL);
  g_autofree char *slot = NULL, *cdrom = g_strconcat ("cdrom:", file, NULL), *text = NULL;

  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  refuse (machine, "iso", missing, "No such file");
  refuse (machine, "iso", folder, "directory");
  g_assert_cmpint (setting_scope (machine, "iso", &slot), ==, SETTING_OFF_ONLY);
  accept (machine, "iso", file);
  g_assert_cmpint (setting_scope (machine, "iso", &slot), ==, SETTING_MEDIUM);
  g_assert_cmpstr (slot, ==, "ide2");
  accept (machine, "ide0", file);
  accept (machine, "ide3", cdrom);
  g_assert_cmpint (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 0)->kind, ==, LIBRARY_MEDIUM_DISK);
  g_assert_cmpint (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 3)->kind, ==,
                   LIBRARY_MEDIUM_OPTICAL);
  g_assert_cmpstr (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 3)->path, ==, file);
  accept (machine, "ide3", "none");
  g_assert_null (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 3));
  accept (machine, "ahci29", cdrom);
  g_assert_cmpint (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_AHCI, 29)->kind, ==,
                   LIBRARY_MEDIUM_OPTICAL);
  accept (machine, "virtio15", file);
  g_assert_cmpstr (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->path, ==, file);
  refuse (machine, "ahci30", file, "ahci30");
  refuse (machine, "ahci01", file, "ahci01");
  refuse (machine, "ahci", file, "ahci");
  refuse (machine, "virtio16", file, "virtio16");
  accept (machine, "iso", "none");
  g_assert_null (library_machine_find_drive (machine, LIBRARY_MEDIUM_OPTICAL)->path);
  accept (machine, "floppy", "none");
  g_assert_nonnull (library_machine_find_drive (machine, LIBRARY_MEDIUM_FLOPPY));

  text = setting_describe_json (machine, LIBRARY_STATE_POWERED_OFF, NULL);
  g_assert_nonnull (strstr (text, "\"slot\": \"floppy0\""));
  g_unlink (file);
  g_rmdir (folder);
}

static void
test_adapters (void)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autofree char *slot = NULL;
  LibraryAdapter *adapter;

  refuse (machine, "nic2-mac", "02:00:00:00:00:01", "2");
  accept (machine, "nic2", "nat:host-access");
  adapter = library_machine_find_adapter (machine, 1);
  g_assert_cmpstr (adapter->param, ==, "host-access");
  accept (machine, "nic2", "nat");
  g_assert_null (adapter->param);
  accept (machine, "nic2-mac", "02:00:00:00:00:01");
  accept (machine, "nic2-cable", "off");
  g_assert_false (adapter->cable);
  refuse (machine, "nic2-mac", "02:00:00:00:00:01:02", "nic2-mac");
  refuse (machine, "nic2-cable", "loose", "loose");
  g_assert_cmpint (setting_scope (machine, "nic2-cable", &slot), ==, SETTING_CABLE);
  g_assert_cmpstr (slot, ==, "1");
  accept (machine, "nic2", "none");
  g_assert_null (library_machine_find_adapter (machine, 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/setting/plain", test_plain);
  g_test_add_func ("/setting/drives", test_drives);
  g_test_add_func ("/setting/adapters", test_adapters);
  return g_test_run ();
}
