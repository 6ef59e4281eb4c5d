/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Assembles the standard PC: an i440FX with a PIIX3 and the power management
 * of a PIIX4. The lists below are the parts of the board.
 */

#include "engine/machine/machine-private.h"

#include "engine/cpu/posted.h"
#include "engine/devices/display/vga.h"
#include "engine/devices/input/vmmouse.h"
#include "engine/devices/net/e1000.h"
#include "engine/devices/platform/debug-ports.h"
#include "engine/devices/platform/fw-cfg.h"
#include "engine/devices/platform/hpet.h"
#include "engine/devices/platform/i440fx.h"
#include "engine/devices/platform/i8042.h"
#include "engine/devices/platform/i8237.h"
#include "engine/devices/platform/ioapic.h"
#include "engine/devices/platform/pic.h"
#include "engine/devices/platform/piix3.h"
#include "engine/devices/platform/piix4-pm.h"
#include "engine/devices/platform/pit.h"
#include "engine/devices/platform/rtc.h"
#include "engine/devices/platform/uart16550.h"
#include "engine/devices/storage/ahci.h"
#include "engine/devices/storage/floppy.h"
#include "engine/devices/storage/ide.h"
#include "engine/devices/storage/nvme.h"
#include "engine/devices/virtio/blk.h"
#include "engine/devices/virtio/scsi.h"
#include "engine/machine/firmware.h"
#include "engine/machine/state-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  /* RAM below 4 GiB ends here; with more of it, the hole begins lower, so that the rest starts at a round address. */
  LOW_MEMORY_MAX = 0xe0000000u, LOW_MEMORY_WITH_HIGH = 0xc0000000u,
  BIOS_MIN = 0x20000, BIOS_MAX = 0x1000000, RESET_VECTOR = 16
};

#define FOUR_GIB ((uint64_t) 1 << 32)

/* Wiring */

static void
hpet_pin (void *opaque, int pin, int level)
{
  chips_pin (opaque, pin, level);
}

static void
hpet_legacy (void *opaque, gboolean on)
{
  chips_set_legacy_timers (opaque, !on);
}

static void
request_reset (void *opaque)
{
  machine_request (opaque, REQUEST_RESET);
}

static void
guest_power_off (void *opaque)
{
  machine_request_off (opaque, MACHINE_OFF_GUEST, NULL);
}

static void
debug_exit (void *opaque, int status)
{
  Machine *m = opaque;

  m->exit_status = status;
  machine_request_off (m, MACHINE_OFF_DEBUG_EXIT, NULL);
}

static void
set_a20 (void *opaque, gboolean enabled)
{
  vcpus_set_a20 (opaque, enabled);
}

static void
mouse_notify (void *opaque)
{
  i8042_mouse_notify (((Machine *) opaque)->i8042);
}

static void
vmport_get (void *opaque, VmPortRegisters *regs)
{
  Vcpu *v = vcpu_current (opaque);
  uint32_t r[6] = { 0 };

  if (v != NULL)
    x86_cpu_get_io_registers (v->cpu, r);
  *regs = (VmPortRegisters) { r[0], r[1], r[2], r[3], r[4], r[5] };
}

static void
vmport_set (void *opaque, const VmPortRegisters *regs)
{
  Vcpu *v = vcpu_current (opaque);
  const uint32_t r[6] = { regs->eax, regs->ebx, regs->ecx, regs->edx, regs->esi, regs->edi };

  if (v != NULL)
    x86_cpu_set_io_registers (v->cpu, r);
}

/* A guest that remaps memory all the time must not fill the host's with old views. */
static void
memory_changed (void *opaque)
{
  enum { RETIRED_MAX = 512 };
  Machine *m = opaque;

  if (address_space_retired (m->memory) >= RETIRED_MAX)
    machine_request (m, REQUEST_COLLECT);
}

static void
posted_ports_changed (void *opaque, const PortRange *ranges, unsigned count)
{
  x86_system_set_posted_ports (((Machine *) opaque)->cpu_system, ranges, count);
}

static void
flush_posted (void *opaque)
{
  x86_system_flush_posted (((Machine *) opaque)->cpu_system);
}

static const BusPoster poster = { .ports_changed = posted_ports_changed, .flush = flush_posted };

static const AddressSpaceListener memory_listener = { .changed = memory_changed };

/* Parts */

static DeviceEnv
environment (Machine *m)
{
  return (DeviceEnv) {
    .bus = m->bus, .memory = m->memory, .pci = m->pci, .clock = m->clock, .lock = &m->lock, .context = m->context,
    .isa_irq = m->isa_irq
  };
}

/* Adds a device that has been given its properties; the machine owns it from now on. */
static gboolean
add (Machine *m, Device *dev, GError **error)
{
  DeviceEnv env = environment (m);
  gboolean ok;

  g_ptr_array_add (m->devices, dev);
  machine_lock_take (&m->lock);
  ok = device_realize (dev, &env, error);
  machine_lock_release (&m->lock);
  return ok;
}

/* Nothing but zeros, or ones as of flash memory that was erased. */
static gboolean
is_blank (const char *bytes, size_t length)
{
  for (size_t i = 1; i < length; i++)
    {
      if (bytes[i] != bytes[0])
        return FALSE;
    }
  return bytes[0] == 0 || bytes[0] == '\xff';
}

static gboolean
load_bios (Machine *m, const MachineConfig *config, GError **error)
{
  const char *path = config->bios != NULL ? config->bios : BUNSHIN_SEABIOS;
  g_autofree char *contents = NULL;
  gsize length;

  if (!g_file_get_contents (path, &contents, &length, error))
    return FALSE;
  if (length < BIOS_MIN || length > BIOS_MAX || length % GUEST_PAGE_SIZE != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   _("“%s” is no firmware image: it has %zu bytes, which is not between 128 KiB and 16 MiB in 4 KiB steps"),
                   path, length);
      return FALSE;
    }
  if (is_blank (contents + length - RESET_VECTOR, RESET_VECTOR))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   _("“%s” is no firmware image: it has no code where processors start, %d bytes before its end"), path,
                   RESET_VECTOR);
      return FALSE;
    }
  m->bios = ram_block_new ("firmware", length, error);
  if (m->bios == NULL)
    return FALSE;
  memcpy (ram_block_host (m->bios), contents, length);
  address_space_add_rom (m->memory, FOUR_GIB - length, length, 30, m->bios, 0);
  return TRUE;
}

static gboolean
add_memory (Machine *m, const MachineConfig *config, GError **error)
{
  m->low_memory = config->memory;
  if (config->memory > LOW_MEMORY_MAX)
    {
      m->low_memory = LOW_MEMORY_WITH_HIGH;
      m->high_memory = config->memory - LOW_MEMORY_WITH_HIGH;
    }
  m->ram = ram_block_new ("RAM", config->memory, error);
  if (m->ram == NULL)
    return FALSE;
  ram_block_allow_dma (m->ram, TRUE);
  address_space_add_ram (m->memory, 0, m->low_memory, 0, m->ram, 0);
  if (m->high_memory > 0)
    address_space_add_ram (m->memory, FOUR_GIB, m->high_memory, 0, m->ram, m->low_memory);
  return TRUE;
}

static gboolean
add_platform (Machine *m, const MachineConfig *config, GError **error)
{
  Device *bridge, *isa, *hpet, *pointer, *debug;

  bridge = device_new (&i440fx_type);
  i440fx_set_memory (bridge, m->ram, m->bios);
  if (!add (m, bridge, error))
    return FALSE;

  isa = device_new (&piix3_type);
  piix3_set_reset (isa, request_reset, m);
  if (!add (m, isa, error))
    return FALSE;

  m->pm = device_new (&piix4_pm_type);
  piix4_pm_set_outputs (m->pm, m->isa_irq[9], guest_power_off, m);
  if (!add (m, m->pm, error))
    return FALSE;

  m->vga = device_new (&vga_type);
  vga_set_display (m->vga, m->display);
  vga_set_rom (m->vga, config->vga_bios != NULL ? config->vga_bios : BUNSHIN_VGA_BIOS);
  if (!add (m, m->vga, error))
    return FALSE;

  m->pit = device_new (&pit_type);
  pit_set_output (m->pit, m->isa_irq[0]);
  if (!add (m, m->pit, error))
    return FALSE;

  m->rtc = device_new (&rtc_type);
  rtc_set_output (m->rtc, m->isa_irq[8]);
  rtc_set_local_time (m->rtc, config->rtc_local_time);
  if (!add (m, m->rtc, error))
    return FALSE;

  hpet = device_new (&hpet_type);
  hpet_set_outputs (hpet, hpet_pin, chips_isa_line, hpet_legacy, m);
  if (!add (m, hpet, error))
    return FALSE;

  m->i8042 = device_new (&i8042_type);
  i8042_set_input (m->i8042, m->input);
  i8042_set_a20 (m->i8042, set_a20, m);
  i8042_set_reset (m->i8042, request_reset, m);
  if (!add (m, m->i8042, error))
    return FALSE;

  pointer = device_new (&vmmouse_type);
  vmmouse_set_input (pointer, m->input);
  vmmouse_set_registers (pointer, vmport_get, vmport_set, m);
  vmmouse_set_notify (pointer, mouse_notify, m);
  vmmouse_set_memory_size (pointer, config->memory);
  if (!add (m, pointer, error))
    return FALSE;

  for (unsigned i = 0; i < MACHINE_MAX_SERIALS; i++)
    {
      m->serial[i] = device_new (&uart16550_type);
      uart16550_set_port (m->serial[i], i == 0 ? 0x3f8 : 0x2f8, m->isa_irq[i == 0 ? 4 : 3]);
      if (config->serial[i] != NULL)
        uart16550_set_output (m->serial[i], config->serial[i]->write, config->serial[i]->opaque);
      if (!add (m, m->serial[i], error))
        return FALSE;
    }

  debug = device_new (&debug_ports_type);
  if (config->debugcon != NULL)
    debug_ports_set_log (debug, config->debugcon->write, config->debugcon->opaque);
  if (config->debug_exit)
    debug_ports_set_exit (debug, debug_exit, m);
  return add (m, debug, error);
}

/* A disk that cannot be written stops the machine instead of failing the guest. */
static void
disk_stalled (Disk *disk, const GError *error, void *opaque)
{
  Machine *m = opaque;

  machine_request_pause (m, error->message);
}

void
pc_watch_disk (Machine *m, Disk *disk)
{
  if (disk == NULL || disk_is_read_only (disk))
    return;
  disk_set_stall_handler (disk, disk_stalled, m);
  g_ptr_array_add (m->writable_disks, disk_ref (disk));
}

void
pc_unwatch_disk (Machine *m, Disk *disk)
{
  if (disk == NULL || disk_is_read_only (disk))
    return;
  disk_set_stall_handler (disk, NULL, NULL);
  g_ptr_array_remove_fast (m->writable_disks, disk);
}

static void
disc_ejected (void *opaque, unsigned drive)
{
  machine_announce_ejected (opaque, "ide", drive);
}

static void
sata_disc_ejected (void *opaque, unsigned port)
{
  machine_announce_ejected (opaque, "ahci", port);
}

/* Only where there is a drive for it: old guests would find a device that they do not know. */
static gboolean
add_ahci (Machine *m, const MachineConfig *config, GError **error)
{
  Device *ahci = NULL;

  for (unsigned i = 0; i < MACHINE_MAX_AHCI; i++)
    {
      const MachineSlot *slot = &config->ahci[i];

      if (slot->kind == MACHINE_SLOT_EMPTY)
        continue;
      if (ahci == NULL)
        ahci = device_new (&ahci_type);
      if (slot->kind == MACHINE_SLOT_DISK)
        {
          ahci_attach_disk (ahci, i, slot->disk);
          pc_watch_disk (m, slot->disk);
        }
      else
        ahci_attach_cdrom (ahci, i, slot->disk);
    }
  if (ahci == NULL)
    return TRUE;
  m->ahci = ahci;
  ahci_set_ejected (ahci, sata_disc_ejected, m);
  return add (m, ahci, error);
}

static gboolean
add_drives (Machine *m, const MachineConfig *config, GError **error)
{
  Device *dma = device_new (&i8237_type);

  m->ide = device_new (&piix3_ide_type);
  for (unsigned i = 0; i < MACHINE_MAX_IDE; i++)
    {
      const MachineSlot *slot = &config->ide[i];

      if (slot->kind == MACHINE_SLOT_DISK)
        {
          piix3_ide_attach_disk (m->ide, i / 2, i % 2, slot->disk);
          pc_watch_disk (m, slot->disk);
        }
      else if (slot->kind == MACHINE_SLOT_CDROM)
        piix3_ide_attach_cdrom (m->ide, i / 2, i % 2, slot->disk);
    }
  piix3_ide_set_ejected (m->ide, disc_ejected, m);
  if (!add (m, dma, error) || !add (m, m->ide, error) ||
      !add_ahci (m, config, error))
    return FALSE;

  m->floppy = device_new (&floppy_type);
  floppy_set_dma (m->floppy, dma);
  for (unsigned i = 0; i < MACHINE_MAX_FLOPPIES; i++)
    {
      if (!config->floppy_present[i])
        continue;
      if (!floppy_attach (m->floppy, i, config->floppy[i], error))
        {
          g_ptr_array_add (m->devices, m->floppy);
          return FALSE;
        }
      pc_watch_disk (m, config->floppy[i]);
    }
  return add (m, m->floppy, error);
}

static gboolean
add_nics (Machine *m, const MachineConfig *config, GError **error)
{
  for (unsigned i = 0; i < MACHINE_MAX_NICS; i++)
    {
      const MachineNic *nic = &config->nics[i];

      m->net_ports[i] = nic->port;
      if (nic->model == NULL)
        continue;
      if (!g_str_equal (nic->model, "e1000"))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no network adapter model “%s”"), nic->model);
          return FALSE;
        }
      m->nics[i] = device_new (&e1000_type);
      e1000_set_mac (m->nics[i], nic->mac);
      e1000_set_port (m->nics[i], nic->port);
      if (g_file_test (BUNSHIN_IPXE_E1000, G_FILE_TEST_EXISTS))
        e1000_set_rom (m->nics[i], BUNSHIN_IPXE_E1000);
      if (!add (m, m->nics[i], error))
        return FALSE;
    }
  return TRUE;
}

/* After the adapters, whose slots, and with them the names that guests give them, stay as they are. */
static gboolean
add_virtio_disks (Machine *m, const MachineConfig *config, GError **error)
{
  for (unsigned i = 0; i < MACHINE_MAX_VIRTIO; i++)
    {
      const MachineSlot *slot = &config->virtio[i];
      g_autofree char *serial = g_strdup_printf ("BNV%05u", i + 1);

      if (slot->kind == MACHINE_SLOT_EMPTY)
        continue;
      g_assert (slot->kind == MACHINE_SLOT_DISK);
      m->virtio_disks[i] = device_new (&virtio_blk_type);
      virtio_blk_attach (m->virtio_disks[i], slot->disk, m->cpu_count);
      virtio_blk_set_serial (m->virtio_disks[i], serial);
      pc_watch_disk (m, slot->disk);
      if (!add (m, m->virtio_disks[i], error))
        return FALSE;
    }
  return TRUE;
}

static void
scsi_disc_ejected (void *opaque, unsigned target)
{
  machine_announce_ejected (opaque, "scsi", target);
}

static gboolean
add_scsi (Machine *m, const MachineConfig *config, GError **error)
{
  Device *scsi = NULL;

  for (unsigned i = 0; i < MACHINE_MAX_SCSI; i++)
    {
      const MachineSlot *slot = &config->scsi[i];

      if (slot->kind == MACHINE_SLOT_EMPTY)
        continue;
      if (scsi == NULL)
        scsi = device_new (&virtio_scsi_type);
      if (slot->kind == MACHINE_SLOT_DISK)
        {
          virtio_scsi_attach_disk (scsi, i, slot->disk);
          pc_watch_disk (m, slot->disk);
        }
      else
        virtio_scsi_attach_cdrom (scsi, i, slot->disk);
    }
  if (scsi == NULL)
    return TRUE;
  m->scsi = scsi;
  virtio_scsi_set_queues (scsi, m->cpu_count);
  virtio_scsi_set_ejected (scsi, scsi_disc_ejected, m);
  return add (m, scsi, error);
}

static gboolean
add_nvme (Machine *m, const MachineConfig *config, GError **error)
{
  Device *nvme = NULL;

  for (unsigned i = 0; i < MACHINE_MAX_NVME; i++)
    {
      const MachineSlot *slot = &config->nvme[i];

      if (slot->kind == MACHINE_SLOT_EMPTY)
        continue;
      g_assert (slot->kind == MACHINE_SLOT_DISK);
      if (nvme == NULL)
        nvme = device_new (&nvme_type);
      nvme_attach_disk (nvme, i, slot->disk);
      pc_watch_disk (m, slot->disk);
    }
  m->nvme = nvme;
  return nvme == NULL || add (m, nvme, error);
}

gboolean
pc_assemble (Machine *m, const MachineConfig *config, GError **error)
{
  m->devices = g_ptr_array_new ();
  m->writable_disks = g_ptr_array_new_with_free_func ((GDestroyNotify) disk_unref);
  m->memory = address_space_new ();
  address_space_add_listener (m->memory, &memory_listener, m);
  m->bus = bus_new ();
  m->pci = pci_bus_new (m->bus, m->memory);
  m->clock = clock_new (m->context, &m->lock);
  m->display = display_new (&m->lock);
  m->input = input_new (&m->lock);
  m->apic_bus = apic_bus_new ();
  pci_bus_set_messages (m->pci, chips_send_message, m);
  pci_bus_set_doorbells (m->pci, &doorbells_ops, m);
  doorbells_init (m);
  for (int i = 0; i < ISA_IRQ_COUNT; i++)
    m->isa_irq[i] = (IrqLine) { chips_isa_line, m, i };

  if (!add_memory (m, config, error) || !load_bios (m, config, error))
    return FALSE;

  /* The interrupt controllers come first: the others drive them from their first reset on. */
  m->pic = device_new (&pic_type);
  m->ioapic = device_new (&ioapic_type);
  ioapic_set_bus (m->ioapic, m->apic_bus);
  bus_set_poster (m->bus, &poster, m);
  if (!vcpus_create (m, config, error))
    {
      device_free (m->pic);
      device_free (m->ioapic);
      return FALSE;
    }
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      DeviceEnv env = environment (m);

      machine_lock_take (&m->lock);
      device_realize (m->vcpus[i].lapic, &env, NULL);
      machine_lock_release (&m->lock);
    }
  pic_set_output (m->pic, (IrqLine) { vcpus_set_external, m, 0 });
  if (!add (m, m->pic, error) || !add (m, m->ioapic, error))
    return FALSE;

  if (!add_platform (m, config, error) || !add_drives (m, config, error) || !add_nics (m, config, error) ||
      !add_virtio_disks (m, config, error) || !add_nvme (m, config, error) || !add_scsi (m, config, error))
    return FALSE;

  m->fw_cfg = device_new (&fw_cfg_type);
  return add (m, m->fw_cfg, error) && firmware_configure (m, config, error);
}

void
pc_reset (Machine *m)
{
  for (unsigned i = 0; i < m->cpu_count; i++)
    x86_cpu_reset (m->vcpus[i].cpu);
  for (guint i = 0; i < m->devices->len; i++)
    device_reset (g_ptr_array_index (m->devices, i));
}

void
pc_let_go (Machine *m)
{
  state_forget_source (m);
  /* Requests that wait for room would wait for ever. */
  for (guint i = 0; i < m->writable_disks->len; i++)
    {
      Disk *disk = g_ptr_array_index (m->writable_disks, i);

      disk_set_stall_handler (disk, NULL, NULL);
      disk_retry (disk);
      disk_drain (disk);
    }
  machine_lock_take (&m->lock);
  /* In reverse: what was built last may hold on to what was built first. */
  for (guint i = m->devices->len; i-- > 0;)
    device_free (g_ptr_array_index (m->devices, i));
  machine_lock_release (&m->lock);
  g_clear_pointer (&m->devices, g_ptr_array_unref);
  g_ptr_array_unref (m->writable_disks);
  for (unsigned i = 0; i < MACHINE_MAX_NICS; i++)
    net_port_free (m->net_ports[i]);
}

void
pc_disassemble (Machine *m)
{
  if (m->devices != NULL)
    pc_let_go (m);
  vcpus_free (m);
  doorbells_free (m);
  apic_bus_free (m->apic_bus);
  input_free (m->input);
  display_free (m->display);
  clock_free (m->clock);
  pci_bus_free (m->pci);
  bus_free (m->bus);
  address_space_remove_listener (m->memory, m);
  address_space_free (m->memory);
  ram_block_free (m->bios);
  ram_block_free (m->ram);
}
