/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a plan becomes in the library: places, models, limits, and what is said of it. */

#include "ui/import-draft.h"

#include <string.h>

static AppliancePlan *
make_plan (ApplianceSystem **system)
{
  AppliancePlan *plan = appliance_plan_new (APPLIANCE_KIND_OVF);

  plan->path = g_strdup ("/x/appliance.ovf");
  *system = appliance_plan_add_system (plan, "box");
  return plan;
}

static const ImportMachine *
only (const ImportDraft *draft)
{
  g_assert_cmpuint (draft->machines->len, ==, 1);
  return g_ptr_array_index (draft->machines, 0);
}

static gboolean
has_note (const ImportMachine *machine, const char *text)
{
  for (unsigned i = 0; i < machine->notes->len; i++)
    if (strstr (g_ptr_array_index (machine->notes, i), text) != NULL)
      return TRUE;
  return FALSE;
}

static void
test_size (void)
{
  ApplianceSystem *system;
  g_autoptr (ImportDraft) draft = NULL;
  AppliancePlan *plan = make_plan (&system);

  system->memory = UINT64_C (1) << 60;
  system->cpus = 1000;
  system->os_id = g_strdup ("win10");
  system->efi = TRUE;
  draft = import_draft_new (plan, (const char *const[]) { "box", "box 2", NULL }, 0);
  g_assert_cmpstr (only (draft)->record->name, ==, "box 3");
  g_assert_true (library_machine_validate (only (draft)->record, NULL));
  g_assert_cmpuint (only (draft)->record->cpus, ==, LIBRARY_MAX_CPUS);
  g_assert_false (only (draft)->record->rtc_utc);
  g_assert_true (has_note (only (draft), "memory"));
  g_assert_true (has_note (only (draft), "processors"));
  g_assert_cmpint (strcmp (only (draft)->record->firmware, "efi") == 0, !=, has_note (only (draft), "EFI"));
}

static void
test_places (void)
{
  ApplianceSystem *system;
  g_autoptr (ImportDraft) draft = NULL;
  AppliancePlan *plan = make_plan (&system);
  const ImportDrive *drive;
  int disk = appliance_plan_add_disk (plan, "/x/d.vmdk", NULL, 1 << 20);

  appliance_system_add_drive (system, APPLIANCE_BUS_SCSI, 0, 0, APPLIANCE_DRIVE_DISK, disk, -1);
  appliance_system_add_drive (system, APPLIANCE_BUS_IDE, 1, 0, APPLIANCE_DRIVE_OPTICAL, -1, -1);
  appliance_system_add_drive (system, APPLIANCE_BUS_SATA, 0, 0, APPLIANCE_DRIVE_DISK, disk, -1);
  appliance_system_add_drive (system, APPLIANCE_BUS_VIRTIO_BLK, 0, 2, APPLIANCE_DRIVE_DISK, disk, -1);
  appliance_system_add_drive (system, APPLIANCE_BUS_FLOPPY, 0, 0, APPLIANCE_DRIVE_FLOPPY, -1, -1);
  appliance_system_add_drive (system, APPLIANCE_BUS_IDE, 0, 9, APPLIANCE_DRIVE_DISK, disk, -1);
  draft = import_draft_new (plan, NULL, 0);
  g_assert_nonnull (library_machine_find_attachment (only (draft)->record, LIBRARY_CONTROLLER_IDE, 2));
  g_assert_nonnull (library_machine_find_attachment (only (draft)->record, LIBRARY_CONTROLLER_FLOPPY, 0));
  g_assert_cmpuint (only (draft)->drives->len, ==, 4);
  /* What has a place of its own keeps it; what has not takes one that is left. */
  drive = g_ptr_array_index (only (draft)->drives, 0);
  g_assert_cmpint (drive->controller, ==, LIBRARY_CONTROLLER_AHCI);
  g_assert_cmpuint (drive->unit, ==, 0);
  drive = g_ptr_array_index (only (draft)->drives, 1);
  g_assert_cmpint (drive->controller, ==, LIBRARY_CONTROLLER_IDE);
  g_assert_cmpuint (drive->unit, ==, 0);
  drive = g_ptr_array_index (only (draft)->drives, 2);
  g_assert_false (drive->controller == LIBRARY_CONTROLLER_AHCI && drive->unit == 0);
  g_assert_true (has_note (only (draft), "SCSI"));
  drive = g_ptr_array_index (only (draft)->drives, 3);
  g_assert_cmpint (drive->controller, ==, LIBRARY_CONTROLLER_VIRTIO);
  g_assert_cmpuint (drive->unit, ==, 2);
}

static void
test_too_many (void)
{
  ApplianceSystem *system;
  g_autoptr (ImportDraft) draft = NULL;
  AppliancePlan *plan = make_plan (&system);

  for (unsigned i = 0; i < 40; i++)
    {
      appliance_system_add_drive (system, APPLIANCE_BUS_SATA, i / 30, i % 30, APPLIANCE_DRIVE_OPTICAL, -1, -1);
      if (i < 12)
        appliance_system_add_adapter (system)->network = APPLIANCE_NETWORK_BRIDGED;
    }
  draft = import_draft_new (plan, NULL, 0);
  g_assert_cmpuint (only (draft)->record->attachments->len, ==, LIBRARY_AHCI_UNITS);
  g_assert_cmpuint (only (draft)->record->adapters->len, ==, LIBRARY_MAX_ADAPTERS);
  g_assert_true (has_note (only (draft), "no place is left"));
  g_assert_true (has_note (only (draft), "network adapters"));
  g_assert_true (has_note (only (draft), "a bridge"));
  g_assert_true (library_machine_validate (only (draft)->record, NULL));
}

static void
test_models (void)
{
  static const char *const models[] = { "e1000", "e1000e", "vmxnet3", "pcnet", "virtio", "rtl8139", NULL };
  ApplianceSystem *system;
  g_autoptr (ImportDraft) draft = NULL;
  AppliancePlan *plan = make_plan (&system);

  for (unsigned i = 0; i < G_N_ELEMENTS (models); i++)
    {
      ApplianceAdapter *adapter = appliance_system_add_adapter (system);

      adapter->model = g_strdup (models[i]);
      adapter->network = i == 0 ? APPLIANCE_NETWORK_NONE : APPLIANCE_NETWORK_NAT;
    }
  draft = import_draft_new (plan, NULL, 0);
  g_assert_true (library_machine_validate (only (draft)->record, NULL));
  g_assert_cmpint (library_machine_find_adapter (only (draft)->record, 0)->kind, ==, LIBRARY_NET_NONE);
  g_assert_false (has_note (only (draft), "network adapter 1 "));
  g_assert_true (has_note (only (draft), "vmxnet3"));
  g_assert_true (has_note (only (draft), "rtl8139"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/appliance/draft/size", test_size);
  g_test_add_func ("/appliance/draft/places", test_places);
  g_test_add_func ("/appliance/draft/too-many", test_too_many);
  g_test_add_func ("/appliance/draft/models", test_models);
  return g_test_run ();
}
