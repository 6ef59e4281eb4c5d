/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the firmware reads about its machine.
 * Specification: SeaBIOS, docs on runtime configuration (fw_cfg files, CMOS
 * cells, boot order by OpenFirmware paths).
 */

#include "engine/machine/firmware.h"

#include "engine/devices/platform/fw-cfg.h"
#include "engine/devices/platform/rtc.h"
#include "engine/devices/storage/ahci.h"
#include "engine/devices/storage/floppy.h"
#include "engine/devices/storage/nvme.h"
#include "engine/devices/virtio/blk.h"
#include "engine/devices/virtio/scsi.h"
#include "engine/machine/acpi.h"
#include "engine/machine/direct-boot.h"
#include "engine/machine/smbios.h"

#include <string.h>

enum
{
  E820_RAM = 1,
  CMOS_FLOPPY = 0x10, CMOS_EQUIPMENT = 0x14, CMOS_BASE_MEMORY = 0x15, CMOS_EXTENDED_MEMORY = 0x17, CMOS_EXTENDED_MEMORY2 = 0x30,
  CMOS_MEMORY_ABOVE_16M = 0x34, CMOS_HIGH_MEMORY = 0x5b, CMOS_CPU_COUNT = 0x5f, EQUIPMENT_FPU = 1 << 1, EQUIPMENT_PS2 = 1 << 2,
  EQUIPMENT_FLOPPY = 1 << 0, BOOT_MENU_WAIT_MS = 3000
};

#define FOUR_GIB ((uint64_t) 1 << 32)
#define KERNEL_ROM "genroms/bunshin-kernel.bin"

static void
put (GByteArray *out, uint64_t value, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i++)
    {
      guint8 byte = (guint8) (value >> (8 * i));

      g_byte_array_append (out, &byte, 1);
    }
}

static void
add_file_take (Machine *m, const char *name, GByteArray *contents)
{
  g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (contents);

  fw_cfg_add_file (m->fw_cfg, name, bytes);
}

static void
set_cmos16 (Machine *m, unsigned index, uint64_t value)
{
  value = MIN (value, 0xffff);
  rtc_set_cmos (m->rtc, index, (uint8_t) value);
  rtc_set_cmos (m->rtc, index + 1, (uint8_t) (value >> 8));
}

static void
configure_cmos (Machine *m, const MachineConfig *config)
{
  uint64_t extended_kib = (m->low_memory - (1 << 20)) >> 10;
  unsigned floppies = 0;

  set_cmos16 (m, CMOS_BASE_MEMORY, 640);
  set_cmos16 (m, CMOS_EXTENDED_MEMORY, extended_kib);
  set_cmos16 (m, CMOS_EXTENDED_MEMORY2, extended_kib);
  set_cmos16 (m, CMOS_MEMORY_ABOVE_16M, m->low_memory > (16 << 20) ? (m->low_memory - (16 << 20)) >> 16 : 0);
  for (unsigned i = 0; i < 3; i++)
    rtc_set_cmos (m->rtc, CMOS_HIGH_MEMORY + i, (uint8_t) (m->high_memory >> (16 + 8 * i)));
  rtc_set_cmos (m->rtc, CMOS_CPU_COUNT, (uint8_t) (m->cpu_count - 1));

  for (unsigned i = 0; i < MACHINE_MAX_FLOPPIES; i++)
    floppies += config->floppy_present[i];
  rtc_set_cmos (m->rtc, CMOS_FLOPPY,
                (uint8_t) (floppy_cmos_type (m->floppy, 0) << 4 | floppy_cmos_type (m->floppy, 1)));
  rtc_set_cmos (m->rtc, CMOS_EQUIPMENT,
                (uint8_t) (EQUIPMENT_FPU | EQUIPMENT_PS2 | (floppies > 0 ? EQUIPMENT_FLOPPY | (floppies - 1) << 6 : 0)));
}

static void
e820_entry (GByteArray *out, uint64_t base, uint64_t length, uint32_t type)
{
  put (out, base, 8);
  put (out, length, 8);
  put (out, type, 4);
}

static void
configure_memory_map (Machine *m)
{
  GByteArray *map = g_byte_array_new ();

  e820_entry (map, 0, m->low_memory, E820_RAM);
  if (m->high_memory > 0)
    e820_entry (map, FOUR_GIB, m->high_memory, E820_RAM);
  add_file_take (m, "etc/e820", map);
}

static void
configure_tables (Machine *m, const MachineConfig *config)
{
  AcpiConfig acpi = { .cpus = m->cpu_count, .pci_hole_start = m->low_memory };
  SmbiosConfig smbios = {
    .uuid = config->uuid, .version = BUNSHIN_VERSION, .cpu_name = "Bunshin virtual processor", .low_memory = m->low_memory,
    .high_memory = m->high_memory, .cpus = m->cpu_count
  };
  AcpiTables tables;
  GByteArray *anchor, *structures;

  acpi_build (&acpi, &tables);
  add_file_take (m, "etc/acpi/tables", g_steal_pointer (&tables.tables));
  add_file_take (m, "etc/acpi/rsdp", g_steal_pointer (&tables.rsdp));
  add_file_take (m, "etc/table-loader", g_steal_pointer (&tables.loader));

  smbios_build (&smbios, &anchor, &structures);
  add_file_take (m, "etc/smbios/smbios-anchor", anchor);
  add_file_take (m, "etc/smbios/smbios-tables", structures);
}

/* Devices of one kind in the firmware's names, one a line. */
static void
add_boot_paths (Machine *m, GString *order, const MachineConfig *config, MachineBoot kind)
{
  switch (kind)
    {
    case MACHINE_BOOT_FLOPPY:
      for (unsigned i = 0; i < MACHINE_MAX_FLOPPIES; i++)
        {
          if (config->floppy_present[i])
            g_string_append_printf (order, "/pci@i0cf8/isa@1/fdc@03f0/floppy@%u\n", i);
        }
      break;
    case MACHINE_BOOT_DISK:
    case MACHINE_BOOT_CDROM:
      for (unsigned i = 0; i < MACHINE_MAX_IDE; i++)
        {
          if (config->ide[i].kind == (kind == MACHINE_BOOT_DISK ? MACHINE_SLOT_DISK : MACHINE_SLOT_CDROM))
            g_string_append_printf (order, "/pci@i0cf8/ide@1,1/drive@%u/disk@%u\n", i / 2, i % 2);
        }
      for (unsigned i = 0; i < MACHINE_MAX_AHCI; i++)
        {
          if (config->ahci[i].kind == (kind == MACHINE_BOOT_DISK ? MACHINE_SLOT_DISK : MACHINE_SLOT_CDROM))
            g_string_append_printf (order, "/pci@i0cf8/pci8086,2922@%x/drive@%x/disk@0\n", AHCI_PCI_SLOT, i);
        }
      for (unsigned i = 0; kind == MACHINE_BOOT_DISK && i < MACHINE_MAX_VIRTIO; i++)
        {
          if (m->virtio_disks[i] != NULL)
            g_string_append_printf (order, "/pci@i0cf8/scsi@%x/disk@0,0\n", virtio_blk_slot (m->virtio_disks[i]));
        }
      for (unsigned i = 0; i < MACHINE_MAX_SCSI; i++)
        {
          if (config->scsi[i].kind == (kind == MACHINE_BOOT_DISK ? MACHINE_SLOT_DISK : MACHINE_SLOT_CDROM))
            g_string_append_printf (order, "/pci@i0cf8/scsi@%x/channel@0/disk@%x,0\n", virtio_scsi_slot (m->scsi), i);
        }
      /* The firmware boots from the first namespace of the controller. */
      if (kind == MACHINE_BOOT_DISK && m->nvme != NULL)
        g_string_append_printf (order, "/pci@i0cf8/pci80ee,4e56@%x\n", nvme_slot (m->nvme));
      break;
    case MACHINE_BOOT_NETWORK:
      /* By class: the firmware's own order among several adapters is that of their slots. */
      g_string_append (order, "/pci@i0cf8/ethernet@*\n");
      break;
    default:
      break;
    }
}

static void
configure_boot_order (Machine *m, const MachineConfig *config)
{
  static const MachineBoot usual[] = { MACHINE_BOOT_DISK, MACHINE_BOOT_CDROM, MACHINE_BOOT_FLOPPY, MACHINE_BOOT_NETWORK };
  const MachineBoot *wanted = config->boot[0] == MACHINE_BOOT_NONE ? usual : config->boot;
  GString *order = g_string_new (NULL);
  g_autoptr (GBytes) bytes = NULL;
  uint16_t wait = GUINT16_TO_LE (BOOT_MENU_WAIT_MS), none = 0;
  g_autoptr (GBytes) menu = g_bytes_new (config->boot_menu ? &wait : &none, sizeof wait);

  if (config->kernel != NULL)
    g_string_append (order, "/rom@" KERNEL_ROM "\n");
  for (unsigned i = 0; i < G_N_ELEMENTS (usual) && wanted[i] != MACHINE_BOOT_NONE; i++)
    add_boot_paths (m, order, config, wanted[i]);
  /* The terminating zero belongs to the file. */
  bytes = g_bytes_new_take (order->str, order->len + 1);
  g_string_free (order, FALSE);
  fw_cfg_add_file (m->fw_cfg, "bootorder", bytes);
  fw_cfg_add_u16 (m->fw_cfg, FW_CFG_BOOT_MENU, config->boot_menu);
  if (config->boot_menu)
    fw_cfg_add_file (m->fw_cfg, "etc/boot-menu-wait", menu);
}

static void
publish_part (Machine *m, const DirectBootPart *part, uint16_t address_key, uint16_t size_key, uint16_t data_key)
{
  fw_cfg_add_u32 (m->fw_cfg, address_key, part->address);
  fw_cfg_add_u32 (m->fw_cfg, size_key, part->data != NULL ? (uint32_t) g_bytes_get_size (part->data) : 0);
  if (part->data != NULL)
    fw_cfg_add_bytes (m->fw_cfg, data_key, part->data);
}

static gboolean
configure_direct_boot (Machine *m, const MachineConfig *config, GError **error)
{
  g_autoptr (DirectBoot) boot = NULL;

  if (config->kernel == NULL)
    return TRUE;
  boot = direct_boot_load (config->kernel, config->initrd, config->append, m->low_memory, error);
  if (boot == NULL)
    return FALSE;
  publish_part (m, &boot->setup, FW_CFG_SETUP_ADDR, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA);
  publish_part (m, &boot->kernel, FW_CFG_KERNEL_ADDR, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA);
  publish_part (m, &boot->initrd, FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA);
  publish_part (m, &boot->command_line, FW_CFG_CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA);
  fw_cfg_add_u32 (m->fw_cfg, FW_CFG_KERNEL_ENTRY, boot->entry);
  fw_cfg_add_file (m->fw_cfg, KERNEL_ROM, boot->rom);
  return TRUE;
}

gboolean
firmware_configure (Machine *m, const MachineConfig *config, GError **error)
{
  fw_cfg_add_u64 (m->fw_cfg, FW_CFG_RAM_SIZE, config->memory);
  fw_cfg_add_u16 (m->fw_cfg, FW_CFG_NOGRAPHIC, 0);
  fw_cfg_add_u16 (m->fw_cfg, FW_CFG_NB_CPUS, (uint16_t) m->cpu_count);
  fw_cfg_add_u16 (m->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t) m->cpu_count);
  fw_cfg_add_u32 (m->fw_cfg, FW_CFG_IRQ0_OVERRIDE, 1);
  configure_cmos (m, config);
  configure_memory_map (m);
  configure_tables (m, config);
  configure_boot_order (m, config);
  return configure_direct_boot (m, config, error);
}
