/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an appliance's plan to machines of the library; see the header. */

#include "ui/import-draft.h"

#include "ui/machine-draft.h"
#include "ui/record-text.h"

#include <glib/gi18n.h>
#include <string.h>

#define MIB (UINT64_C (1) << 20)

static void
import_machine_free (gpointer data)
{
  ImportMachine *machine = data;

  library_machine_free (machine->record);
  g_ptr_array_unref (machine->drives);
  g_ptr_array_unref (machine->macs);
  g_ptr_array_unref (machine->notes);
  g_free (machine);
}

void
import_draft_free (ImportDraft *draft)
{
  if (draft == NULL)
    return;
  g_ptr_array_unref (draft->machines);
  appliance_plan_free (draft->plan);
  g_free (draft->disk_format);
  g_free (draft);
}

static void note (ImportMachine *machine, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
note (ImportMachine *machine, const char *format, ...)
{
  va_list args;
  char *text;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (g_ptr_array_find_with_equal_func (machine->notes, text, g_str_equal, NULL))
    g_free (text);
  else
    g_ptr_array_add (machine->notes, text);
}

/* Whether machines here can have it: the library knows. */
static gboolean
is_supported (const char *firmware, const char *model)
{
  g_autoptr (LibraryMachine) probe = library_machine_new ("probe");

  probe->memory = LIBRARY_MIN_MEMORY;
  if (firmware != NULL)
    {
      g_free (probe->firmware);
      probe->firmware = g_strdup (firmware);
    }
  if (model != NULL)
    {
      LibraryAdapter *adapter = library_machine_add_adapter (probe, 0, LIBRARY_NET_NAT);

      g_free (adapter->model);
      adapter->model = g_strdup (model);
    }
  return library_machine_validate (probe, NULL);
}

/* --- System --- */

static void
take_size (ImportMachine *machine, const ApplianceSystem *system)
{
  LibraryMachine *record = machine->record;
  /* A machine as large as the computer leaves nothing for either. */
  uint64_t most = MAX (library_host_memory () / 4 * 3 / MIB * MIB, LIBRARY_MIN_MEMORY);

  if (system->memory > 0)
    record->memory = MAX (system->memory / MIB * MIB, LIBRARY_MIN_MEMORY);
  if (record->memory > most)
    {
      if (system->memory > 0)
        note (machine,
              _ ("it has %llu MiB of memory in the appliance, more than this computer can give; it gets %llu MiB"),
              (unsigned long long) (system->memory / MIB), (unsigned long long) (most / MIB));
      record->memory = most;
    }
  record->cpus = MAX (system->cpus, 1);
  if (record->cpus > LIBRARY_MAX_CPUS)
    {
      note (machine, _ ("it has %u processors in the appliance; it gets %d"), record->cpus, LIBRARY_MAX_CPUS);
      record->cpus = LIBRARY_MAX_CPUS;
    }
}

static gboolean
wants_local_time (const char *os)
{
  return os != NULL
         && (g_str_has_prefix (os, "win") || g_str_has_prefix (os, "msdos") || g_str_has_prefix (os, "freedos"));
}

static void
take_system (ImportMachine *machine, const ApplianceSystem *system)
{
  static const LibraryBoot boots[]
      = { LIBRARY_BOOT_NONE, LIBRARY_BOOT_FLOPPY, LIBRARY_BOOT_DISK, LIBRARY_BOOT_CDROM, LIBRARY_BOOT_NETWORK };
  LibraryMachine *record = machine->record;
  LibraryBoot order[LIBRARY_MAX_BOOT] = { LIBRARY_BOOT_NONE };
  unsigned count = 0;

  record->os_id = g_strdup (system->os_id);
  record->description = g_strdup (system->description);
  record->rtc_utc = system->has_rtc ? system->rtc_utc : !wants_local_time (system->os_id);
  for (unsigned i = 0; i < G_N_ELEMENTS (system->boot); i++)
    if (system->boot[i] != APPLIANCE_BOOT_NONE && count < LIBRARY_MAX_BOOT)
      order[count++] = boots[system->boot[i]];
  if (count > 0)
    memcpy (record->boot, order, sizeof order);
  if (!system->efi)
    return;
  if (is_supported ("efi", NULL))
    {
      g_free (record->firmware);
      record->firmware = g_strdup ("efi");
    }
  else
    note (machine,
          _ ("it starts by EFI in the appliance; machines here have a BIOS, so that its system may not start"));
}

/* --- Network --- */

/* The library's word for the adapter that a guest would find nearest to its own. */
static const char *
model_for (const char *model, gboolean *same)
{
  static const struct
  {
    const char *theirs, *ours;
  } models[] = { { "e1000", "e1000" },       { "82540em", "e1000" },
                 { "82543gc", "e1000-t" },   { "82545em", "e1000-mt-server" },
                 { "pcnet", "pcnet-fast3" }, { "flexible", "pcnet-fast3" },
                 { "virtio", "virtio" } };

  *same = model == NULL;
  for (unsigned i = 0; model != NULL && i < G_N_ELEMENTS (models); i++)
    if (strcmp (model, models[i].theirs) == 0 && is_supported (NULL, models[i].ours))
      {
        *same = TRUE;
        return models[i].ours;
      }
  return "e1000";
}

static const char *
describe_network (ApplianceNetwork network)
{
  switch (network)
    {
    case APPLIANCE_NETWORK_BRIDGED:
      return _ ("a bridge");
    case APPLIANCE_NETWORK_INTERNAL:
      return _ ("an internal network");
    case APPLIANCE_NETWORK_HOST_ONLY:
      return _ ("a host-only network");
    default:
      return NULL;
    }
}

static void
take_adapters (ImportMachine *machine, const ApplianceSystem *system)
{
  for (unsigned i = 0; i < system->adapters->len; i++)
    {
      const ApplianceAdapter *theirs = g_ptr_array_index (system->adapters, i);
      gboolean same;
      const char *model = model_for (theirs->model, &same), *network = describe_network (theirs->network);
      LibraryAdapter *adapter;

      if (i >= LIBRARY_MAX_ADAPTERS)
        {
          note (machine, _ ("it has %u network adapters in the appliance; it gets %d"), system->adapters->len,
                LIBRARY_MAX_ADAPTERS);
          return;
        }
      adapter = library_machine_add_adapter (
          machine->record, i, theirs->network == APPLIANCE_NETWORK_NONE ? LIBRARY_NET_NONE : LIBRARY_NET_NAT);
      adapter->cable = theirs->connected;
      g_free (adapter->model);
      adapter->model = g_strdup (model);
      g_ptr_array_add (machine->macs, g_strdup (theirs->mac));
      if (!same)
        note (machine,
              _ ("network adapter %u is %s in the appliance and becomes %s: the guest may have to set up its "
                 "network anew"),
              i + 1, theirs->model, model);
      if (network != NULL)
        note (machine, _ ("network adapter %u is on %s in the appliance, and goes behind NAT"), i + 1, network);
    }
}

/* --- Drives --- */

static const char *
bus_name (ApplianceBus bus)
{
  switch (bus)
    {
    case APPLIANCE_BUS_SCSI:
      return _ ("SCSI");
    case APPLIANCE_BUS_NVME:
      return _ ("NVMe");
    case APPLIANCE_BUS_VIRTIO_SCSI:
      return _ ("virtio SCSI");
    case APPLIANCE_BUS_USB:
      return _ ("USB");
    case APPLIANCE_BUS_IDE:
    case APPLIANCE_BUS_SATA:
    case APPLIANCE_BUS_VIRTIO_BLK:
    case APPLIANCE_BUS_FLOPPY:
      break;
    }
  return NULL;
}

/* The controller here that is that one, or the nearest to it. */
static LibraryController
controller_for (ApplianceBus bus, LibraryMediumKind kind, gboolean *same)
{
  /* “scsi” is the library's word for that of virtio. What VMware and VirtualBox call SCSI is other hardware. */
  static const char *const words[] = { [APPLIANCE_BUS_IDE] = "ide",           [APPLIANCE_BUS_SATA] = "ahci",
                                       [APPLIANCE_BUS_SCSI] = NULL,           [APPLIANCE_BUS_NVME] = "nvme",
                                       [APPLIANCE_BUS_VIRTIO_BLK] = "virtio", [APPLIANCE_BUS_VIRTIO_SCSI] = "scsi",
                                       [APPLIANCE_BUS_FLOPPY] = "floppy",     [APPLIANCE_BUS_USB] = NULL };
  LibraryController controller;

  *same = words[bus] != NULL && library_controller_parse (words[bus], &controller);
  if (*same && library_controller_takes (controller, kind))
    return controller;
  *same = FALSE;
  /* A guest that has drivers of virtio has them of the other kind as well. */
  return bus == APPLIANCE_BUS_VIRTIO_SCSI && kind == LIBRARY_MEDIUM_DISK ? LIBRARY_CONTROLLER_VIRTIO
                                                                         : LIBRARY_CONTROLLER_AHCI;
}

static gboolean
is_taken (const ImportMachine *machine, LibraryController controller, unsigned unit)
{
  for (unsigned i = 0; i < machine->drives->len; i++)
    {
      const ImportDrive *drive = g_ptr_array_index (machine->drives, i);

      if (drive->controller == controller && drive->unit == unit)
        return TRUE;
    }
  return library_machine_find_attachment (machine->record, controller, unit) != NULL;
}

/* @wanted, or the first place that is free; FALSE: there is none. */
static gboolean
find_unit (const ImportMachine *machine, LibraryController controller, unsigned wanted, unsigned *unit)
{
  unsigned units = library_controller_units (controller);

  *unit = wanted;
  if (wanted < units && !is_taken (machine, controller, wanted))
    return TRUE;
  for (*unit = 0; *unit < units; (*unit)++)
    if (!is_taken (machine, controller, *unit))
      return TRUE;
  return FALSE;
}

/* Places on several controllers of a kind follow each other here. */
static unsigned
wanted_unit (const ApplianceDrive *drive, LibraryController controller, gboolean same)
{
  if (drive->unit > 255 || drive->channel > 255)
    return G_MAXUINT;
  if (drive->bus == APPLIANCE_BUS_IDE)
    return controller == LIBRARY_CONTROLLER_IDE ? drive->channel * 2 + drive->unit : G_MAXUINT;
  return same ? drive->channel * library_controller_units (controller) + drive->unit : drive->unit;
}

static void
take_drive (ImportMachine *machine, const ApplianceDrive *theirs, unsigned number)
{
  static const LibraryMediumKind kinds[] = { LIBRARY_MEDIUM_DISK, LIBRARY_MEDIUM_OPTICAL, LIBRARY_MEDIUM_FLOPPY };
  LibraryMediumKind kind = kinds[theirs->kind];
  gboolean same;
  LibraryController controller = controller_for (theirs->bus, kind, &same);
  ImportDrive *drive;
  unsigned unit;

  if (!find_unit (machine, controller, wanted_unit (theirs, controller, same), &unit))
    {
      same = FALSE;
      controller = LIBRARY_CONTROLLER_AHCI;
      if (kind == LIBRARY_MEDIUM_FLOPPY || !find_unit (machine, controller, G_MAXUINT, &unit))
        {
          note (machine, _ ("drive %u is left out: no place is left for it"), number + 1);
          return;
        }
    }
  if (!same && bus_name (theirs->bus) != NULL)
    note (machine, _ ("drive %u is on %s (%s) in the appliance, and goes to %s: the guest needs a driver for that"),
          number + 1, bus_name (theirs->bus), theirs->controller != NULL ? theirs->controller : "?",
          record_text_controller (controller));
  if (theirs->disk < 0 && theirs->file < 0)
    {
      library_machine_add_attachment (machine->record, controller, unit, kind, NULL, NULL);
      return;
    }
  drive = g_new0 (ImportDrive, 1);
  drive->chosen = TRUE;
  drive->disk = theirs->disk;
  drive->file = theirs->disk < 0 ? theirs->file : -1;
  drive->kind = kind;
  drive->controller = controller;
  drive->unit = unit;
  g_ptr_array_add (machine->drives, drive);
}

static ImportMachine *
import_machine_new (const ApplianceSystem *system, const char *name)
{
  ImportMachine *machine = g_new0 (ImportMachine, 1);

  machine->chosen = TRUE;
  machine->system = system;
  machine->record = library_machine_new (name);
  machine->drives = g_ptr_array_new_with_free_func (g_free);
  machine->macs = g_ptr_array_new_with_free_func (g_free);
  machine->notes = g_ptr_array_new_with_free_func (g_free);
  for (unsigned i = 0; i < system->notes->len; i++)
    note (machine, "%s", (const char *) g_ptr_array_index (system->notes, i));
  take_size (machine, system);
  take_system (machine, system);
  take_adapters (machine, system);
  /* Those that must have their own place come first. */
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < system->drives->len; i++)
      {
        const ApplianceDrive *drive = g_ptr_array_index (system->drives, i);

        if ((drive->bus == APPLIANCE_BUS_IDE || drive->bus == APPLIANCE_BUS_SATA) == (pass == 0))
          take_drive (machine, drive, i);
      }
  return machine;
}

ImportDraft *
import_draft_new (AppliancePlan *plan, const char *const *taken, ApplianceFlags flags)
{
  ImportDraft *draft = g_new0 (ImportDraft, 1);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  draft->plan = plan;
  draft->flags = flags;
  draft->disk_format = g_strdup ("vdi");
  draft->machines = g_ptr_array_new_with_free_func (import_machine_free);
  for (unsigned i = 0; taken != NULL && taken[i] != NULL; i++)
    g_ptr_array_add (names, g_strdup (taken[i]));
  for (unsigned i = 0; i < plan->systems->len; i++)
    {
      const ApplianceSystem *system = g_ptr_array_index (plan->systems, i);
      g_autofree char *name = NULL;

      /* Two machines of one appliance may have the same name, too. */
      g_ptr_array_add (names, NULL);
      name = machine_draft_free_name (system->name, (const char *const *) names->pdata);
      g_ptr_array_set_size (names, (int) names->len - 1);
      g_ptr_array_add (names, g_strdup (name));
      g_ptr_array_add (draft->machines, import_machine_new (system, name));
    }
  return draft;
}

char *
import_draft_name (const ImportDraft *draft)
{
  g_autofree char *base = g_path_get_basename (draft->plan->path);

  return g_filename_display_name (base);
}

uint64_t
import_drive_size (const ImportDraft *draft, const ImportDrive *drive)
{
  if (drive->disk >= 0)
    return ((ApplianceDisk *) g_ptr_array_index (draft->plan->disks, drive->disk))->capacity;
  return drive->file >= 0 ? ((ApplianceFile *) g_ptr_array_index (draft->plan->files, drive->file))->size : 0;
}

const char *
import_drive_file (const ImportDraft *draft, const ImportDrive *drive)
{
  int file
      = drive->disk >= 0 ? ((ApplianceDisk *) g_ptr_array_index (draft->plan->disks, drive->disk))->file : drive->file;

  return file >= 0 ? ((ApplianceFile *) g_ptr_array_index (draft->plan->files, file))->href : NULL;
}
