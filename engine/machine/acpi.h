/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ACPI tables of the PC, and the script by which the firmware installs them. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Where the board and the tables have to agree. */
enum
{
  ACPI_PM_BASE = 0x600,     /* where SeaBIOS places the PIIX4's power management registers */
  ACPI_GPE0_BASE = 0xafe0,
  ACPI_SMI_COMMAND = 0xb2,
  ACPI_ENABLE_COMMAND = 0xf1,
  ACPI_DISABLE_COMMAND = 0xf0,
  ACPI_SCI_IRQ = 9
};

typedef struct
{
  unsigned cpus;             /* local APIC IDs 0 … cpus - 1 */
  uint64_t pci_hole_start;   /* first address of the PCI memory window below 4 GiB */
  uint64_t pci_hole64_start; /* window above RAM, or 0 */
  uint64_t pci_hole64_end;   /* last byte */
} AcpiConfig;

/* Contents of the fw_cfg files of these names. */
typedef struct
{
  GByteArray *tables; /* etc/acpi/tables */
  GByteArray *rsdp;   /* etc/acpi/rsdp */
  GByteArray *loader; /* etc/table-loader */
} AcpiTables;

void acpi_build (const AcpiConfig *config, AcpiTables *out);
void acpi_tables_clear (AcpiTables *tables);
