/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptions of appliances with anything in them. The first byte says of which
 * kind; one kind is a manifest. What a parser accepts must hang together: every
 * index leads to something.
 */

#include "storage/appliance/appliance.h"
#include "tests/fuzz/input.h"

#include <string.h>

static void
check_drive (const AppliancePlan *plan, const ApplianceDrive *drive)
{
  g_assert_cmpint (drive->disk, <, (int) plan->disks->len);
  g_assert_cmpint (drive->file, <, (int) plan->files->len);
  g_assert_true (drive->kind != APPLIANCE_DRIVE_DISK || drive->disk >= 0);
}

static void
check (const AppliancePlan *plan)
{
  g_assert_cmpuint (plan->systems->len, >, 0);
  g_assert_cmpuint (plan->systems->len, <=, APPLIANCE_MAX_SYSTEMS);
  g_assert_cmpuint (plan->files->len, <=, APPLIANCE_MAX_FILES);
  for (unsigned i = 0; i < plan->disks->len; i++)
    {
      const ApplianceDisk *disk = g_ptr_array_index (plan->disks, i);

      g_assert_cmpint (disk->file, <, (int) plan->files->len);
      g_assert_cmpint (disk->parent, <, (int) plan->disks->len);
      g_assert_true (disk->file >= 0 || disk->capacity > 0);
    }
  for (unsigned i = 0; i < plan->systems->len; i++)
    {
      const ApplianceSystem *system = g_ptr_array_index (plan->systems, i);

      g_assert_cmpstr (system->name, !=, "");
      g_assert_true (g_utf8_validate (system->name, -1, NULL));
      g_assert_cmpuint (system->drives->len, <=, APPLIANCE_MAX_DRIVES);
      g_assert_cmpuint (system->adapters->len, <=, APPLIANCE_MAX_ADAPTERS);
      for (unsigned j = 0; j < system->drives->len; j++)
        check_drive (plan, g_ptr_array_index (system->drives, j));
    }
}

static void
verify (const char *text, size_t length)
{
  g_autoptr (AppliancePlan) plan = appliance_plan_new (APPLIANCE_KIND_OVF);

  plan->path = g_strdup ("box.ovf");
  plan->description = g_strdup ("box.ovf");
  plan->manifest = g_strdup ("box.mf");
  plan->text = g_strndup (text, length);
  plan->source = g_bytes_new_static ("box", 3);
  appliance_verify (plan, NULL, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  static const ApplianceKind kinds[]
      = { APPLIANCE_KIND_OVF, APPLIANCE_KIND_VBOX, APPLIANCE_KIND_PVS, APPLIANCE_KIND_VMX };
  FuzzInput in = { data, length };
  unsigned kind = take (&in, 1) % (G_N_ELEMENTS (kinds) + 1);
  g_autoptr (AppliancePlan) plan = NULL;

  if (kind == G_N_ELEMENTS (kinds))
    verify ((const char *) in.data, in.length);
  else
    plan = appliance_parse (kinds[kind], (const char *) in.data, in.length, NULL, 0, NULL);
  if (plan != NULL)
    check (plan);
  return 0;
}
