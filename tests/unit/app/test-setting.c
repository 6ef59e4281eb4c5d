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

  text = setting_describe (machine, &(SettingStatus) { LIBRARY_STATE_PAUSED, "the disk is full", "before", TRUE });
  g_assert_nonnull (strstr (text, "name: other name\n"));
  g_assert_nonnull (strstr (text, "state: paused\nmessage: the disk is full\nsnapshot: before\ntest-drive: yes\n"));
  g_assert_nonnull (strstr (text, "memory: 256M\n"));
  g_assert_nonnull (strstr (text, "boot: cdrom,disk\n"));
}

static void
test_automatic (void)
{
  static const struct { const char *value, *shown; gboolean before_disc; unsigned every; } good[] = {
    { "before-disc", "before-disc", TRUE, 0 },
    { "every:30m", "every:30m", FALSE, 30 },
    { "before-disc,every:2h", "before-disc,every:2h", TRUE, 120 },
    { "every:90m,before-disc", "before-disc,every:90m", TRUE, 90 },
    { "every:60m", "every:1h", FALSE, 60 },
    { "every:30d", "every:30d", FALSE, 30 * 24 * 60 },
    { "off", "off", FALSE, 0 },
  };
  static const char *const bad[] = { "", "on", "before-disc,off", "off,off", "every:", "every:0m", "every:5", "every:5s",
                                     "every:-5m", "every: 5m", "every:31d", "every:1h,every:2h", "every:1hm",
                                     "every:99999999999999999999m", "before-disc,", "disc" };
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autofree char *slot = NULL, *json = NULL;

  for (unsigned i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *text = NULL, *line = g_strdup_printf ("\nauto-snapshots: %s\n", good[i].shown);

      accept (machine, "auto-snapshots", good[i].value);
      g_assert_cmpint (machine->automatic.before_disc, ==, good[i].before_disc);
      g_assert_cmpuint (machine->automatic.every, ==, good[i].every);
      text = setting_describe (machine, &(SettingStatus) { 0 });
      g_assert_nonnull (strstr (text, line));
    }
  accept (machine, "auto-snapshots", "before-disc,every:2h");
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      refuse (machine, "auto-snapshots", bad[i], bad[i]);
      g_assert_true (machine->automatic.before_disc && machine->automatic.every == 120);
    }
  refuse (machine, "auto-snapshots-keep", "0", "auto-snapshots-keep");
  refuse (machine, "auto-snapshots-keep", "101", "101");
  refuse (machine, "auto-snapshots-space", "much", "much");
  accept (machine, "auto-snapshots-keep", "12");
  accept (machine, "auto-snapshots-space", "3G");
  g_assert_true (library_machine_validate (machine, NULL));
  json = setting_describe_json (machine, &(SettingStatus) { 0 });
  g_assert_nonnull (strstr (json, "\"auto-snapshots\": \"before-disc,every:2h\""));
  g_assert_nonnull (strstr (json, "\"auto-snapshots-keep\": 12"));
  g_assert_nonnull (strstr (json, "\"auto-snapshots-space\": 3221225472"));
  g_assert_cmpint (setting_scope (machine, "auto-snapshots", "off", &slot), ==, SETTING_RECORD_ONLY);
  g_assert_cmpint (setting_scope (machine, "auto-snapshots-space", "1G", &slot), ==, SETTING_RECORD_ONLY);
  accept (machine, "auto-snapshots-space", "1K");
  g_assert_false (library_machine_validate (machine, NULL));
}

static void
test_drives (void)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autofree char *folder = g_dir_make_tmp ("bunshin-setting-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "a.iso", NULL), *missing = g_build_filename (folder, "b.iso", NULL);
  g_autofree char *slot = NULL, *changed = NULL, *cdrom = g_strconcat ("cdrom:", file, NULL), *text = NULL;

  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  refuse (machine, "iso", missing, "No such file");
  refuse (machine, "iso", folder, "directory");
  g_assert_cmpint (setting_scope (machine, "iso", file, &slot), ==, SETTING_OFF_ONLY);
  accept (machine, "iso", file);
  g_assert_cmpint (setting_scope (machine, "iso", file, &slot), ==, SETTING_MEDIUM);
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
  /* While it runs: discs change, and disks come and go where the guest can be told. */
  g_assert_cmpint (setting_scope (machine, "ahci29", cdrom, &changed), ==, SETTING_MEDIUM);
  g_assert_cmpstr (changed, ==, "ahci29");
  g_clear_pointer (&changed, g_free);
  g_assert_cmpint (setting_scope (machine, "ahci29", "none", &changed), ==, SETTING_OFF_ONLY);
  g_clear_pointer (&changed, g_free);
  g_assert_cmpint (setting_scope (machine, "ahci3", cdrom, &changed), ==, SETTING_OFF_ONLY);
  g_clear_pointer (&changed, g_free);
  g_assert_cmpint (setting_scope (machine, "ide1", file, &changed), ==, SETTING_OFF_ONLY);
  g_clear_pointer (&changed, g_free);
  g_assert_cmpint (setting_scope (machine, "scsi3", file, &changed), ==, SETTING_DISK);
  g_assert_cmpstr (changed, ==, "scsi3");
  accept (machine, "virtio15", file);
  g_assert_cmpstr (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->path, ==, file);
  refuse (machine, "ahci30", file, "ahci30");
  accept (machine, "virtio15-cache", "none");
  accept (machine, "virtio15-trust", "on");
  g_assert_true (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->no_cache);
  g_assert_true (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->trusted);
  accept (machine, "virtio15-cache", "writeback");
  g_assert_false (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->no_cache);
  refuse (machine, "virtio15-cache", "off", "off");
  refuse (machine, "virtio15-trust", "yes", "yes");
  refuse (machine, "virtio14-cache", "none", "virtio14-cache");
  refuse (machine, "ide2-cache", "none", "ide2-cache"); /* a CD drive */
  refuse (machine, "virtio15-speed", "high", "virtio15-speed");
  /* Another image is not to be trusted because the last one was. */
  accept (machine, "virtio15", file);
  g_assert_false (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15)->trusted);
  refuse (machine, "ahci01", file, "ahci01");
  refuse (machine, "ahci", file, "ahci");
  refuse (machine, "virtio16", file, "virtio16");
  accept (machine, "iso", "none");
  g_assert_null (library_machine_find_drive (machine, LIBRARY_MEDIUM_OPTICAL)->path);
  accept (machine, "floppy", "none");
  g_assert_nonnull (library_machine_find_drive (machine, LIBRARY_MEDIUM_FLOPPY));

  text = setting_describe_json (machine, &(SettingStatus) { .state = LIBRARY_STATE_POWERED_OFF });
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
  g_assert_cmpint (setting_scope (machine, "nic2-cable", "off", &slot), ==, SETTING_CABLE);
  g_assert_cmpstr (slot, ==, "1");
  accept (machine, "nic2", "none");
  g_assert_null (library_machine_find_adapter (machine, 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/setting/plain", test_plain);
  g_test_add_func ("/setting/automatic", test_automatic);
  g_test_add_func ("/setting/drives", test_drives);
  g_test_add_func ("/setting/adapters", test_adapters);
  return g_test_run ();
}
