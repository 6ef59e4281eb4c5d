/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ACPI and SMBIOS tables: installed as the firmware would, then read as an operating system would. */

#include "engine/machine/acpi.h"
#include "engine/machine/smbios.h"

#include <glib/gstdio.h>
#include <string.h>

enum { TABLES_AT = 0x07fe0000, RSDP_AT = 0x000f6000 };

static uint32_t
get32 (const uint8_t *p)
{
  uint32_t value;

  memcpy (&value, p, 4);
  return GUINT32_FROM_LE (value);
}

static uint8_t
sum (const uint8_t *data, size_t length)
{
  uint8_t total = 0;

  while (length-- > 0)
    total = (uint8_t) (total + *data++);
  return total;
}

/* Runs the loader's script on the files. */
static void
install (AcpiTables *t)
{
  g_assert_cmpuint (t->loader->len % 128, ==, 0);
  for (guint at = 0; at < t->loader->len; at += 128)
    {
      const uint8_t *entry = t->loader->data + at;
      const char *file = (const char *) entry + 4;
      GByteArray *target = g_str_equal (file, "etc/acpi/tables") ? t->tables : t->rsdp;

      g_assert_true (target == t->tables || g_str_equal (file, "etc/acpi/rsdp"));
      switch (get32 (entry))
        {
        case 1:
          break;
        case 2:
          {
            uint32_t offset = get32 (entry + 116), value;

            g_assert_cmpstr ((const char *) entry + 60, ==, "etc/acpi/tables");
            g_assert_cmpuint (entry[120], ==, 4);
            g_assert_cmpuint (offset + 4, <=, target->len);
            value = GUINT32_TO_LE (get32 (target->data + offset) + TABLES_AT);
            memcpy (target->data + offset, &value, 4);
          }
          break;
        case 3:
          {
            uint32_t offset = get32 (entry + 60), start = get32 (entry + 64), length = get32 (entry + 68);

            g_assert_cmpuint (start + length, <=, target->len);
            g_assert_cmpuint (offset, >=, start);
            g_assert_cmpuint (offset, <, start + length);
            target->data[offset] = 0;
            target->data[offset] = (uint8_t) -sum (target->data + start, length);
          }
          break;
        default:
          g_assert_not_reached ();
        }
    }
}

static const uint8_t *
table_at (const AcpiTables *t, uint32_t address, const char *signature)
{
  const uint8_t *table = t->tables->data + (address - TABLES_AT);

  g_assert_cmpuint (address, >=, TABLES_AT);
  g_assert_cmpuint (address - TABLES_AT + 36, <=, t->tables->len);
  g_assert_cmpmem (table, 4, signature, 4);
  g_assert_cmpuint (address - TABLES_AT + get32 (table + 4), <=, t->tables->len);
  return table;
}

static void
test_acpi (void)
{
  static const char *const expected[] = { "FACP", "APIC", "HPET" };
  AcpiConfig config = { .cpus = 3, .pci_hole_start = 0x08000000 };
  AcpiTables t;
  const uint8_t *rsdt, *table, *fadt = NULL, *madt = NULL;
  unsigned lapics = 0, ioapics = 0, overrides = 0;

  acpi_build (&config, &t);
  install (&t);
  g_assert_cmpmem (t.rsdp->data, 8, "RSD PTR ", 8);
  g_assert_cmpuint (sum (t.rsdp->data, 20), ==, 0);
  rsdt = table_at (&t, get32 (t.rsdp->data + 16), "RSDT");
  g_assert_cmpuint (sum (rsdt, get32 (rsdt + 4)), ==, 0);
  g_assert_cmpuint ((get32 (rsdt + 4) - 36) / 4, ==, G_N_ELEMENTS (expected));
  for (unsigned i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      table = table_at (&t, get32 (rsdt + 36 + 4 * i), expected[i]);
      g_assert_cmpuint (sum (table, get32 (table + 4)), ==, 0);
      if (i == 0)
        fadt = table;
      else if (i == 1)
        madt = table;
    }
  g_assert_cmpuint (get32 (fadt + 36) % 64, ==, TABLES_AT % 64); /* the FACS is aligned */
  table_at (&t, get32 (fadt + 36), "FACS");
  table = table_at (&t, get32 (fadt + 40), "DSDT");
  g_assert_cmpuint (sum (table, get32 (table + 4)), ==, 0);
  g_assert_cmpuint (get32 (fadt + 56), ==, ACPI_PM_BASE);

  for (uint32_t at = 44; at < get32 (madt + 4); at += madt[at + 1])
    {
      g_assert_cmpuint (madt[at + 1], >=, 2);
      lapics += madt[at] == 0;
      ioapics += madt[at] == 1;
      overrides += madt[at] == 2;
    }
  g_assert_cmpuint (lapics, ==, 3);
  g_assert_cmpuint (ioapics, ==, 1);
  g_assert_cmpuint (overrides, ==, 5);
  acpi_tables_clear (&t);
}

/* Intel's own compiler takes the DSDT apart and puts it together again. */
static void
test_dsdt (void)
{
  AcpiConfig config = { .cpus = 1, .pci_hole_start = 0x40000000 };
  AcpiTables t;
  g_autofree char *iasl = g_find_program_in_path ("iasl"), *folder = NULL, *aml = NULL, *dsl = NULL, *text = NULL;
  int status = -1;

  if (iasl == NULL)
    {
      g_test_skip ("iasl is not installed");
      return;
    }
  folder = g_dir_make_tmp ("bunshin-acpi-XXXXXX", NULL);
  aml = g_build_filename (folder, "dsdt.aml", NULL);
  dsl = g_build_filename (folder, "dsdt.dsl", NULL);
  acpi_build (&config, &t);
  install (&t);
  g_assert_true (g_file_set_contents (aml, (const char *) t.tables->data + 64, (gssize) get32 (t.tables->data + 64 + 4), NULL));
  {
    const char *disassemble[] = { iasl, "-d", aml, NULL }, *compile[] = { iasl, "-p", aml, dsl, NULL };
    g_autofree char *output = NULL;

    g_assert_true (g_spawn_sync (NULL, (char **) disassemble, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &output, NULL, &status, NULL));
    g_assert_true (g_file_get_contents (dsl, &text, NULL, NULL));
    g_assert_nonnull (strstr (text, "Device (PCI0)"));
    g_assert_nonnull (strstr (text, "_S5"));
    g_assert_null (strstr (text, "Checksum 0x00"));
    g_clear_pointer (&output, g_free);
    g_assert_true (g_spawn_sync (NULL, (char **) compile, NULL, 0, NULL, NULL, &output, NULL, &status, NULL));
    g_assert_nonnull (strstr (output, " 0 Errors"));
  }
  g_unlink (aml);
  g_unlink (dsl);
  g_rmdir (folder);
  acpi_tables_clear (&t);
}

static void
test_smbios (void)
{
  SmbiosConfig config = { .uuid = "00112233-4455-6677-8899-aabbccddeeff", .version = "1", .cpu_name = "cpu", .low_memory = 3ull << 30,
                          .high_memory = 5ull << 30, .cpus = 2 };
  static const uint8_t uuid[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
  GByteArray *anchor, *tables;
  unsigned types[128] = { 0 }, count = 0;
  guint at = 0;

  smbios_build (&config, &anchor, &tables);
  g_assert_cmpmem (anchor->data, 4, "_SM_", 4);
  g_assert_cmpuint (sum (anchor->data, anchor->data[5]), ==, 0);
  g_assert_cmpuint (sum (anchor->data + 16, 15), ==, 0);
  while (at < tables->len)
    {
      guint strings = at + tables->data[at + 1];

      g_assert_cmpuint (tables->data[at + 1], >=, 4);
      types[tables->data[at] & 127]++;
      count++;
      if (tables->data[at] == 1)
        g_assert_cmpmem (tables->data + at + 8, 16, uuid, 16);
      while (strings + 1 < tables->len && (tables->data[strings] != 0 || tables->data[strings + 1] != 0))
        strings++;
      at = strings + 2;
    }
  g_assert_cmpuint (at, ==, tables->len);
  g_assert_cmpuint (count, ==, anchor->data[28]);
  g_assert_cmpuint (types[0], ==, 1);
  g_assert_cmpuint (types[19], ==, 2);
  g_assert_cmpuint (types[127], ==, 1);
  g_byte_array_unref (anchor);
  g_byte_array_unref (tables);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tables/acpi", test_acpi);
  g_test_add_func ("/tables/dsdt", test_dsdt);
  g_test_add_func ("/tables/smbios", test_smbios);
  return g_test_run ();
}
