/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a library's record to the engine's machine; see the header. */

#include "app/machine-build.h"
#include "app/disk-files.h"
#include "app/forwards.h"
#include "network/nat.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

Disk *
machine_build_open_medium (LibraryMediumKind kind, const char *path, gboolean discard_changes, GError **error)
{
  DiskOpenFlags flags = 0;

  if (kind == LIBRARY_MEDIUM_OPTICAL)
    flags = DISK_OPEN_READ_ONLY | DISK_OPEN_DISC;
  else if (discard_changes)
    flags = DISK_OPEN_DISCARD_CHANGES;
  else if (kind == LIBRARY_MEDIUM_FLOPPY && access (path, W_OK) != 0)
    flags = DISK_OPEN_READ_ONLY; /* like a floppy with its tab set */
  return disk_open (path, flags, error);
}

/* As the machine's owner wants the disk to be opened. @machine: the name to tell him to set it by, or NULL. */
static Disk *
open_drive (const LibraryAttachment *drive, const char *machine, gboolean discard_changes, GError **error)
{
  g_autofree char *slot = library_attachment_slot (drive);
  DiskOpenOptions options = { .flags = discard_changes ? DISK_OPEN_DISCARD_CHANGES : 0,
                              .chain = (const char *const *) drive->chain };
  GError *own = NULL;
  Disk *disk;

  if (drive->kind != LIBRARY_MEDIUM_DISK)
    return machine_build_open_medium (drive->kind, drive->path, discard_changes, error);
  disk_file_recover_beside (drive->path);
  if (drive->no_cache)
    options.flags |= DISK_OPEN_NO_CACHE;
  if (drive->trusted)
    options.flags |= DISK_OPEN_TRUST;
  disk = disk_open_with (drive->path, &options, &own);
  if (g_error_matches (own, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED) && machine)
    g_set_error (error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED,
                 _("%s (if you trust the image: bunshin set %s %s-trust=on)"), own->message, machine, slot);
  else if (own)
    g_propagate_error (error, g_steal_pointer (&own));
  g_clear_error (&own);
  return disk;
}

/* What a guest wrote into its raw disk must not turn it into an image of another format. */
static gboolean
check_format (const LibraryAttachment *drive, const Disk *disk, GError **error)
{
  const char *format = disk_format_name (disk);

  if (drive->kind != LIBRARY_MEDIUM_DISK || !drive->format || strcmp (drive->format, format) == 0)
    return TRUE;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
               _("“%s” looks like %s but was attached as %s: attach it anew if that is right"), disk_path (disk), format,
               drive->format);
  return FALSE;
}

static void
place_drive (MachineConfig *config, const LibraryAttachment *drive, Disk *disk)
{
  MachineSlot filled = { drive->kind == LIBRARY_MEDIUM_DISK ? MACHINE_SLOT_DISK : MACHINE_SLOT_CDROM, disk };

  switch (drive->controller)
    {
    case LIBRARY_CONTROLLER_FLOPPY:
      config->floppy_present[drive->unit] = TRUE;
      config->floppy[drive->unit] = disk;
      break;
    case LIBRARY_CONTROLLER_AHCI:
      config->ahci[drive->unit] = filled;
      break;
    case LIBRARY_CONTROLLER_VIRTIO:
      config->virtio[drive->unit] = filled;
      break;
    case LIBRARY_CONTROLLER_NVME:
      config->nvme[drive->unit] = filled;
      break;
    case LIBRARY_CONTROLLER_SCSI:
      config->scsi[drive->unit] = filled;
      break;
    case LIBRARY_CONTROLLER_IDE:
    default:
      config->ide[drive->unit] = filled;
      break;
    }
}

static gboolean
open_drives (const LibraryMachine *record, const SessionOptions *options, MachineConfig *config, GError **error)
{
  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (record->attachments, i);
      Disk *disk = NULL;

      if (drive->path)
        {
          disk = open_drive (drive, record->folder ? record->name : NULL, options->discard_changes, error);
          if (!disk || !check_format (drive, disk, error))
            {
              g_clear_pointer (&disk, disk_unref);
              return FALSE;
            }
        }
      place_drive (config, drive, disk);
    }
  return TRUE;
}

static void
close_drives (MachineConfig *config)
{
  for (unsigned i = 0; i < MACHINE_MAX_IDE; i++)
    g_clear_pointer (&config->ide[i].disk, disk_unref);
  for (unsigned i = 0; i < MACHINE_MAX_AHCI; i++)
    g_clear_pointer (&config->ahci[i].disk, disk_unref);
  for (unsigned i = 0; i < MACHINE_MAX_VIRTIO; i++)
    g_clear_pointer (&config->virtio[i].disk, disk_unref);
  for (unsigned i = 0; i < MACHINE_MAX_SCSI; i++)
    g_clear_pointer (&config->scsi[i].disk, disk_unref);
  for (unsigned i = 0; i < MACHINE_MAX_NVME; i++)
    g_clear_pointer (&config->nvme[i].disk, disk_unref);
  for (unsigned i = 0; i < MACHINE_MAX_FLOPPIES; i++)
    g_clear_pointer (&config->floppy[i], disk_unref);
}

static NetPort *
make_nat (const LibraryAdapter *adapter, unsigned index, GMainContext *context, GError **error)
{
  NatConfig nat = { .index = index, .allow_host_access = g_strcmp0 (adapter->param, "host-access") == 0 };
  NetPort *port = nat_new (&nat, context, error);

  for (unsigned i = 0; port && i < adapter->forwards->len; i++)
    {
      ForwardRule rule;

      if (!forward_to_rule (g_ptr_array_index (adapter->forwards, i), &rule, error) ||
          !nat_add_forward (port, &rule, error))
        {
          net_port_free (port);
          return NULL;
        }
    }
  return port;
}

static gboolean
connect_adapters (const LibraryMachine *record, const SessionOptions *options, MachineConfig *config, GError **error)
{
  for (unsigned i = 0; i < record->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (record->adapters, i);
      MachineNic *nic = &config->nics[adapter->slot];

      nic->model = adapter->model;
      for (unsigned j = 0; j < sizeof nic->mac; j++)
        nic->mac[j] = (uint8_t) (g_ascii_xdigit_value (adapter->mac[3 * j]) << 4 |
                                 g_ascii_xdigit_value (adapter->mac[3 * j + 1]));
      if (adapter->kind != LIBRARY_NET_NAT)
        continue;
      nic->port = make_nat (adapter, adapter->slot, config->context, error);
      if (!nic->port)
        return FALSE;
      net_port_set_connected (nic->port, adapter->cable && !options->no_network);
    }
  return TRUE;
}

static void
disconnect_adapters (MachineConfig *config)
{
  for (unsigned i = 0; i < MACHINE_MAX_NICS; i++)
    g_clear_pointer (&config->nics[i].port, net_port_free);
}

gboolean
machine_build_parse_accel (const char *name, MachineAccel *accel, GError **error)
{
  if (strcmp (name, "auto") == 0)
    *accel = MACHINE_ACCEL_AUTO;
  else if (strcmp (name, "interp") == 0)
    *accel = MACHINE_ACCEL_INTERP;
  else if (strcmp (name, "jit") == 0)
    *accel = MACHINE_ACCEL_JIT;
  else if (strcmp (name, "kvm") == 0)
    *accel = MACHINE_ACCEL_KVM;
  else if (strcmp (name, "lockstep") == 0)
    *accel = MACHINE_ACCEL_LOCKSTEP;
  else if (strcmp (name, "kvm-user-irqchip") == 0)
    *accel = MACHINE_ACCEL_KVM_USER_IRQCHIP;
  else
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("accelerator “%s”: must be auto, kvm, jit or interp"), name);
      return FALSE;
    }
  return TRUE;
}

Machine *
machine_build (const LibraryMachine *record, const SessionOptions *options, const MachineSerial *serial,
               const MachineSerial *debugcon, GError **error)
{
  static const MachineBoot boot[] = { MACHINE_BOOT_NONE, MACHINE_BOOT_FLOPPY, MACHINE_BOOT_DISK, MACHINE_BOOT_CDROM,
                                      MACHINE_BOOT_NETWORK };
  g_autoptr (GMainContext) context = g_main_context_new ();
  MachineConfig config = {
    .name = record->name, .context = context, .uuid = record->uuid, .memory = record->memory, .cpus = record->cpus,
    .cpu_model = options->cpu_model ? options->cpu_model : record->cpu_model, .code_cache = record->code_cache, .bios = options->bios, .rtc_local_time = !record->rtc_utc,
    .serial = { serial }, .kernel = options->kernel, .initrd = options->initrd, .append = options->append,
    .debugcon = debugcon, .debug_exit = options->debug_exit, .perf_map = options->perf_map
  };
  Machine *machine = NULL;

  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    config.boot[i] = boot[record->boot[i]];
  if (machine_build_parse_accel (record->accel, &config.accel, error) && open_drives (record, options, &config, error) &&
      connect_adapters (record, options, &config, error))
    machine = machine_new (&config, error);
  close_drives (&config);
  if (!machine)
    disconnect_adapters (&config);
  return machine;
}
