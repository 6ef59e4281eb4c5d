/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ACPI tables: FACS, DSDT, FADT, MADT, HPET, RSDT, RSDP.
 * Specification: ACPI 6.4, chapter 5 (tables laid out as revision 1 and 3
 * readers expect them); IA-PC HPET 1.0a, section 3.2.4; the loader script:
 * QEMU's docs/specs on the firmware's linker/loader commands.
 */

#include "engine/machine/acpi.h"

#include "engine/machine/aml.h"

#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"

enum
{
  TABLE_HEADER = 36, TABLE_CHECKSUM = 9, FACS_LENGTH = 64, FADT_LENGTH = 244,
  LOADER_ENTRY = 128, LOADER_FILE_NAME = 56, LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3,
  LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2,
  LAPIC_ADDRESS = 0xfee00000, IOAPIC_ADDRESS = 0xfec00000, HPET_ADDRESS = 0xfed00000
};

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
set32 (GByteArray *out, guint at, uint32_t value)
{
  value = GUINT32_TO_LE (value);
  memcpy (out->data + at, &value, 4);
}

/* The loader's script */

static void
put_name (GByteArray *loader, const char *file)
{
  char name[LOADER_FILE_NAME] = { 0 };

  g_strlcpy (name, file, sizeof name);
  g_byte_array_append (loader, (const guint8 *) name, sizeof name);
}

static void
loader_entry (GByteArray *loader, uint32_t command, const char *file, const char *second, const uint32_t *values,
              unsigned count, int byte)
{
  guint start = loader->len;

  put (loader, command, 4);
  put_name (loader, file);
  if (second != NULL)
    put_name (loader, second);
  for (unsigned i = 0; i < count; i++)
    put (loader, values[i], 4);
  if (byte >= 0)
    put (loader, (uint64_t) byte, 1);
  while (loader->len < start + LOADER_ENTRY)
    put (loader, 0, 1);
}

static void
loader_allocate (GByteArray *loader, const char *file, uint32_t align, int zone)
{
  loader_entry (loader, LOADER_ALLOCATE, file, NULL, &align, 1, zone);
}

static void
loader_pointer (GByteArray *loader, const char *file, uint32_t offset)
{
  loader_entry (loader, LOADER_ADD_POINTER, file, TABLES_FILE, &offset, 1, 4);
}

static void
loader_checksum (GByteArray *loader, const char *file, uint32_t offset, uint32_t start, uint32_t length)
{
  const uint32_t values[] = { offset, start, length };

  loader_entry (loader, LOADER_ADD_CHECKSUM, file, NULL, values, 3, -1);
}

/* Tables */

static guint
begin_table (GByteArray *out, const char *signature, uint8_t revision)
{
  guint start = out->len;

  g_byte_array_append (out, (const guint8 *) signature, 4);
  put (out, 0, 4);
  put (out, revision, 1);
  put (out, 0, 1); /* checksum: the firmware's, after it has filled in the pointers */
  g_byte_array_append (out, (const guint8 *) "BNSHN BUNSHIN ", 14);
  put (out, 1, 4);
  g_byte_array_append (out, (const guint8 *) "BNSH", 4);
  put (out, 1, 4);
  return start;
}

static void
end_table (AcpiTables *t, guint start)
{
  guint length = t->tables->len - start;

  set32 (t->tables, start + 4, length);
  loader_checksum (t->loader, TABLES_FILE, start + TABLE_CHECKSUM, start, length);
}

static guint
build_facs (GByteArray *out)
{
  guint start = out->len;

  g_byte_array_append (out, (const guint8 *) "FACS", 4);
  put (out, FACS_LENGTH, 4);
  while (out->len < start + FACS_LENGTH)
    put (out, 0, 1);
  return start;
}

static void
isa_device (GByteArray *out, const char *id, int uid)
{
  aml_name (out, "_HID");
  aml_eisaid (out, id);
  if (uid >= 0)
    aml_name_integer (out, "_UID", (uint64_t) uid);
  aml_name_integer (out, "_STA", 0xf);
}

static void
serial_port (GByteArray *out, const char *name, int uid, uint16_t base, unsigned irq)
{
  AmlMark device = aml_begin_device (out, name), resources;

  isa_device (out, "PNP0501", uid);
  resources = aml_begin_resources (out, "_CRS");
  aml_io (out, base, 8);
  aml_irq (out, irq);
  aml_end_resources (out, resources);
  aml_end (out, device);
}

static void
build_isa (GByteArray *out)
{
  AmlMark isa = aml_begin_device (out, "ISA"), device, resources, field;

  aml_name_integer (out, "_ADR", 0x00010000);
  aml_region (out, "P40C", AML_SPACE_PCI_CONFIG, 0x60, 4);
  field = aml_begin_field (out, "P40C", AML_FIELD_BYTE);
  aml_field_unit (out, "PRQ0", 8);
  aml_field_unit (out, "PRQ1", 8);
  aml_field_unit (out, "PRQ2", 8);
  aml_field_unit (out, "PRQ3", 8);
  aml_end (out, field);

  device = aml_begin_device (out, "KBD");
  isa_device (out, "PNP0303", -1);
  resources = aml_begin_resources (out, "_CRS");
  aml_io (out, 0x60, 1);
  aml_io (out, 0x64, 1);
  aml_irq (out, 1);
  aml_end_resources (out, resources);
  aml_end (out, device);

  device = aml_begin_device (out, "MOU");
  isa_device (out, "PNP0F13", -1);
  resources = aml_begin_resources (out, "_CRS");
  aml_irq (out, 12);
  aml_end_resources (out, resources);
  aml_end (out, device);

  device = aml_begin_device (out, "FDC0");
  isa_device (out, "PNP0700", -1);
  resources = aml_begin_resources (out, "_CRS");
  aml_io (out, 0x3f2, 4);
  aml_io (out, 0x3f7, 1);
  aml_irq (out, 6);
  aml_dma (out, 2);
  aml_end_resources (out, resources);
  aml_end (out, device);

  device = aml_begin_device (out, "RTC");
  isa_device (out, "PNP0B00", -1);
  resources = aml_begin_resources (out, "_CRS");
  aml_io (out, 0x70, 2);
  aml_irq (out, 8);
  aml_end_resources (out, resources);
  aml_end (out, device);

  serial_port (out, "COM1", 1, 0x3f8, 4);
  serial_port (out, "COM2", 2, 0x2f8, 3);
  aml_end (out, isa);
}

static void
build_pci (GByteArray *out, const AcpiConfig *config)
{
  static const char *const links[4] = { "LNKA", "LNKB", "LNKC", "LNKD" };
  AmlMark pci = aml_begin_device (out, "PCI0"), resources, routes, route;

  aml_name (out, "_HID");
  aml_eisaid (out, "PNP0A03");
  aml_name_integer (out, "_ADR", 0);
  aml_name_integer (out, "_UID", 0);

  resources = aml_begin_resources (out, "_CRS");
  aml_word_bus (out, 0, 255);
  aml_io (out, 0xcf8, 8);
  aml_word_io (out, 0x0000, 0x0cf7);
  aml_word_io (out, 0x0d00, 0xffff);
  aml_dword_memory (out, 0x000a0000, 0x000bffff, TRUE);
  aml_dword_memory (out, (uint32_t) config->pci_hole_start, 0xfebfffff, FALSE);
  if (config->pci_hole64_start != 0)
    aml_qword_memory (out, config->pci_hole64_start, config->pci_hole64_end);
  aml_end_resources (out, resources);

  aml_name (out, "_PRT");
  routes = aml_begin_package (out, 32 * 4);
  for (unsigned slot = 0; slot < 32; slot++)
    {
      for (unsigned pin = 0; pin < 4; pin++)
        {
          route = aml_begin_package (out, 4);
          aml_integer (out, (uint64_t) slot << 16 | 0xffff);
          aml_integer (out, pin);
          /* The power management function's INTA# is wired to the SCI. */
          if (slot == 1 && pin == 0)
            {
              aml_integer (out, 0);
              aml_integer (out, ACPI_SCI_IRQ);
            }
          else
            {
              aml_path (out, links[(slot + pin + 3) & 3]);
              aml_integer (out, 0);
            }
          aml_end (out, route);
        }
    }
  aml_end (out, routes);
  build_isa (out);
  aml_end (out, pci);
}

/* An interrupt link: one of the PIIX3's PIRQ route registers. */
static void
build_link (GByteArray *out, const char *name, unsigned index)
{
  static const uint32_t possible[] = { 5, 10, 11 };
  const uint32_t none = 0;
  g_autofree char *reg = g_strdup_printf ("\\_SB.PCI0.ISA.PRQ%u", index);
  AmlMark device = aml_begin_device (out, name), resources, method, block;

  aml_name (out, "_HID");
  aml_eisaid (out, "PNP0C0F");
  aml_name_integer (out, "_UID", index);
  resources = aml_begin_resources (out, "_PRS");
  aml_extended_irq (out, possible, G_N_ELEMENTS (possible));
  aml_end_resources (out, resources);

  /* Bit 7 of the register switches the link off. */
  method = aml_begin_method (out, "_STA", 0, FALSE);
  block = aml_begin_if (out);
  aml_op (out, AML_AND);
  aml_path (out, reg);
  aml_integer (out, 0x80);
  aml_op (out, AML_ZERO);
  aml_op (out, AML_RETURN);
  aml_integer (out, 0x09);
  aml_end (out, block);
  aml_op (out, AML_RETURN);
  aml_integer (out, 0x0b);
  aml_end (out, method);

  method = aml_begin_method (out, "_DIS", 0, FALSE);
  aml_op (out, AML_OR);
  aml_path (out, reg);
  aml_integer (out, 0x80);
  aml_path (out, reg);
  aml_end (out, method);

  method = aml_begin_method (out, "_CRS", 0, TRUE);
  resources = aml_begin_resources (out, "PRR0");
  aml_extended_irq (out, &none, 1);
  aml_end_resources (out, resources);
  aml_op (out, AML_CREATE_DWORD_FIELD);
  aml_path (out, "PRR0");
  aml_integer (out, 5);
  aml_path (out, "PRRI");
  aml_op (out, AML_AND);
  aml_path (out, reg);
  aml_integer (out, 0x0f);
  aml_path (out, "PRRI");
  aml_op (out, AML_RETURN);
  aml_path (out, "PRR0");
  aml_end (out, method);

  method = aml_begin_method (out, "_SRS", 1, TRUE);
  aml_op (out, AML_CREATE_DWORD_FIELD);
  aml_op (out, AML_ARG0);
  aml_integer (out, 5);
  aml_path (out, "PRRI");
  aml_op (out, AML_STORE);
  aml_path (out, "PRRI");
  aml_path (out, reg);
  aml_end (out, method);
  aml_end (out, device);
}

static guint
build_dsdt (AcpiTables *t, const AcpiConfig *config)
{
  GByteArray *out = t->tables;
  guint start = begin_table (out, "DSDT", 1);
  AmlMark scope = aml_begin_scope (out, "\\_SB"), device, resources, package;
  static const char *const links[4] = { "LNKA", "LNKB", "LNKC", "LNKD" };

  build_pci (out, config);
  for (unsigned i = 0; i < 4; i++)
    build_link (out, links[i], i);

  device = aml_begin_device (out, "HPET");
  aml_name (out, "_HID");
  aml_eisaid (out, "PNP0103");
  aml_name_integer (out, "_UID", 0);
  resources = aml_begin_resources (out, "_CRS");
  aml_memory32_fixed (out, HPET_ADDRESS, 0x400);
  aml_end_resources (out, resources);
  aml_end (out, device);

  device = aml_begin_device (out, "FWCF");
  aml_name (out, "_HID");
  aml_string (out, "QEMU0002");
  aml_name_integer (out, "_STA", 0xb); /* present, not shown */
  resources = aml_begin_resources (out, "_CRS");
  aml_io (out, 0x510, 12);
  aml_end_resources (out, resources);
  aml_end (out, device);

  for (unsigned i = 0; i < config->cpus; i++)
    {
      char name[5];

      g_snprintf (name, sizeof name, "C%03X", i);
      aml_end (out, aml_begin_processor (out, name, (uint8_t) i));
    }
  aml_end (out, scope);

  aml_end (out, aml_begin_scope (out, "\\_GPE"));

  /* PIIX4: sleep type 0 is off. */
  aml_name (out, "\\_S5");
  package = aml_begin_package (out, 4);
  for (int i = 0; i < 4; i++)
    aml_integer (out, 0);
  aml_end (out, package);
  end_table (t, start);
  return start;
}

static guint
build_fadt (AcpiTables *t, guint facs, guint dsdt)
{
  enum
  {
    FADT_WBINVD = 1 << 0, FADT_PROC_C1 = 1 << 2, FADT_SLP_BUTTON = 1 << 5, FADT_RTC_S4 = 1 << 7,
    FADT_RESET_REG_SUP = 1 << 10,
    IAPC_LEGACY_DEVICES = 1 << 0, IAPC_8042 = 1 << 1
  };
  GByteArray *out = t->tables;
  guint start = begin_table (out, "FACP", 3);

  loader_pointer (t->loader, TABLES_FILE, out->len);
  put (out, facs, 4);
  loader_pointer (t->loader, TABLES_FILE, out->len);
  put (out, dsdt, 4);
  put (out, 0, 1);
  put (out, 1, 1);                    /* preferred profile: desktop */
  put (out, ACPI_SCI_IRQ, 2);
  put (out, ACPI_SMI_COMMAND, 4);
  put (out, ACPI_ENABLE_COMMAND, 1);
  put (out, ACPI_DISABLE_COMMAND, 1);
  put (out, 0, 1);                    /* S4BIOS */
  put (out, 0, 1);                    /* P-state control */
  put (out, ACPI_PM_BASE, 4);         /* PM1a event */
  put (out, 0, 4);
  put (out, ACPI_PM_BASE + 4, 4);     /* PM1a control */
  put (out, 0, 4);
  put (out, 0, 4);                    /* PM2 control */
  put (out, ACPI_PM_BASE + 8, 4);     /* timer */
  put (out, ACPI_GPE0_BASE, 4);
  put (out, 0, 4);
  put (out, 4, 1);                    /* lengths: PM1 event, PM1 control, PM2 control, timer, GPE0, GPE1 */
  put (out, 2, 1);
  put (out, 0, 1);
  put (out, 4, 1);
  put (out, 4, 1);
  put (out, 0, 1);
  put (out, 0, 1);                    /* GPE1 base */
  put (out, 0, 1);                    /* C-state control */
  put (out, 0xfff, 2);                /* no C2 */
  put (out, 0xfff, 2);                /* no C3 */
  put (out, 0, 2 + 2 + 1 + 1);        /* flush size and stride, duty offset and width */
  put (out, 0, 1);                    /* day alarm */
  put (out, 0, 1);                    /* month alarm */
  put (out, 0x32, 1);                 /* century */
  put (out, IAPC_LEGACY_DEVICES | IAPC_8042, 2);
  put (out, 0, 1);
  put (out, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RTC_S4 | FADT_RESET_REG_SUP, 4);
  put (out, 1, 1);                    /* reset register: I/O port cf9h, 8 bits */
  put (out, 8, 1);
  put (out, 0, 1);
  put (out, 1, 1);
  put (out, 0xcf9, 8);
  put (out, 0x06, 1);
  while (out->len < start + FADT_LENGTH)
    put (out, 0, 1);                  /* the 64-bit fields: 0 means “as the 32-bit ones say” */
  end_table (t, start);
  return start;
}

static guint
build_madt (AcpiTables *t, const AcpiConfig *config)
{
  GByteArray *out = t->tables;
  guint start = begin_table (out, "APIC", 1);
  static const uint8_t level_irqs[] = { 5, 9, 10, 11 };

  put (out, LAPIC_ADDRESS, 4);
  put (out, 1, 4); /* there are 8259s too */
  for (unsigned i = 0; i < config->cpus; i++)
    {
      put (out, 0, 1);
      put (out, 8, 1);
      put (out, i, 1); /* processor ID */
      put (out, i, 1); /* APIC ID */
      put (out, 1, 4); /* enabled */
    }
  put (out, 1, 1); /* I/O APIC */
  put (out, 12, 1);
  put (out, 0, 1);
  put (out, 0, 1);
  put (out, IOAPIC_ADDRESS, 4);
  put (out, 0, 4);

  put (out, 2, 1); /* the timer is at input 2 */
  put (out, 10, 1);
  put (out, 0, 1);
  put (out, 0, 1);
  put (out, 2, 4);
  put (out, 0, 2);
  for (unsigned i = 0; i < sizeof level_irqs; i++)
    {
      put (out, 2, 1);
      put (out, 10, 1);
      put (out, 0, 1);
      put (out, level_irqs[i], 1);
      put (out, level_irqs[i], 4);
      put (out, 0x0d, 2); /* active high, level */
    }
  put (out, 4, 1); /* NMI at LINT1 of all */
  put (out, 6, 1);
  put (out, 0xff, 1);
  put (out, 0, 2);
  put (out, 1, 1);
  end_table (t, start);
  return start;
}

static guint
build_hpet (AcpiTables *t)
{
  GByteArray *out = t->tables;
  guint start = begin_table (out, "HPET", 1);

  put (out, 0x8086a201, 4); /* as the capabilities register has it: legacy routing, 64 bits, 3 timers */
  put (out, 0, 1);          /* in memory */
  put (out, 0, 3);
  put (out, HPET_ADDRESS, 8);
  put (out, 0, 1);
  put (out, 0, 2);
  put (out, 0, 1);
  end_table (t, start);
  return start;
}

void
acpi_build (const AcpiConfig *config, AcpiTables *t)
{
  guint tables[3], facs, dsdt, rsdt;

  t->tables = g_byte_array_new ();
  t->rsdp = g_byte_array_new ();
  t->loader = g_byte_array_new ();
  loader_allocate (t->loader, TABLES_FILE, 64, LOADER_ZONE_HIGH);
  loader_allocate (t->loader, RSDP_FILE, 16, LOADER_ZONE_FSEG);

  facs = build_facs (t->tables);
  dsdt = build_dsdt (t, config);
  tables[0] = build_fadt (t, facs, dsdt);
  tables[1] = build_madt (t, config);
  tables[2] = build_hpet (t);

  rsdt = begin_table (t->tables, "RSDT", 1);
  for (unsigned i = 0; i < G_N_ELEMENTS (tables); i++)
    {
      loader_pointer (t->loader, TABLES_FILE, t->tables->len);
      put (t->tables, tables[i], 4);
    }
  end_table (t, rsdt);

  g_byte_array_append (t->rsdp, (const guint8 *) "RSD PTR ", 8);
  put (t->rsdp, 0, 1);
  g_byte_array_append (t->rsdp, (const guint8 *) "BNSHN ", 6);
  put (t->rsdp, 0, 1); /* revision: there is no XSDT */
  loader_pointer (t->loader, RSDP_FILE, t->rsdp->len);
  put (t->rsdp, rsdt, 4);
  loader_checksum (t->loader, RSDP_FILE, 8, 0, 20);
}

void
acpi_tables_clear (AcpiTables *tables)
{
  g_clear_pointer (&tables->tables, g_byte_array_unref);
  g_clear_pointer (&tables->rsdp, g_byte_array_unref);
  g_clear_pointer (&tables->loader, g_byte_array_unref);
}
