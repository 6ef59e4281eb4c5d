/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a new machine gets: sizes, defaults by operating system, names, boot order. */

#include "ui/activity.h"
#include "ui/boot-order.h"
#include "ui/disk-formats.h"
#include "ui/machine-draft.h"
#include "ui/port.h"
#include "ui/record-text.h"
#include "ui/size-format.h"
#include "ui/size-scale.h"

#define MIB (UINT64_C (1) << 20)
#define GIB (UINT64_C (1) << 30)

static void
assert_format (uint64_t bytes, const char *expected)
{
  g_autofree char *text = size_format (bytes);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_size_format (void)
{
  assert_format (0, "0 bytes");
  assert_format (1023, "1023 bytes");
  assert_format (1024, "1 KiB");
  assert_format (4 * MIB, "4 MiB");
  assert_format (GIB + GIB / 2, "1.5 GiB");
  assert_format (GIB - 1, "1 GiB");
  assert_format (2048 * GIB, "2 TiB");
  assert_format (20 * GIB, "20 GiB");
}

static void
test_size_parse (void)
{
  static const struct
  {
    const char *text;
    uint64_t bytes;
  } good[] = {
    { "20", 20 * GIB },       { " 20 GiB ", 20 * GIB }, { "20g", 20 * GIB },   { "512 MiB", 512 * MIB },
    { "1.5 GiB", 1536 * MIB }, { "2T", 2048 * GIB },    { "100 b", 100 },      { "1mb", MIB },
  };
  static const char *const bad[] = { "", "GiB", "-1", "20 x", "20 GiBs", "1e40", "nan", "inf", "0x10", "99999999 T" };
  uint64_t bytes;

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_assert_true (size_parse (good[i].text, GIB, &bytes));
      g_assert_cmpuint (bytes, ==, good[i].bytes);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (size_parse (bad[i], GIB, &bytes));
}

static void
test_size_scale (void)
{
  const SizeScale scale = { 4 * MIB, 15 * GIB + 300 * MIB };
  uint64_t last = 0;

  g_assert_cmpuint (size_scale_to_bytes (&scale, 0), ==, scale.minimum);
  g_assert_cmpuint (size_scale_to_bytes (&scale, 1), ==, scale.maximum);
  g_assert_cmpuint (size_scale_to_bytes (&scale, -1), ==, scale.minimum);
  for (int i = 0; i <= 1000; i++)
    {
      uint64_t bytes = size_scale_to_bytes (&scale, i / 1000.0);

      g_assert_cmpuint (bytes, >=, last);
      g_assert_cmpuint (bytes % MIB, ==, 0);
      last = bytes;
    }
  /* Round sizes stay themselves on the way through the slider. */
  g_assert_cmpuint (size_scale_to_bytes (&scale, size_scale_to_position (&scale, 2 * GIB)), ==, 2 * GIB);
  g_assert_cmpuint (size_scale_to_bytes (&scale, size_scale_to_position (&scale, 512 * MIB)), ==, 512 * MIB);
  /* The keyboard goes up and down the same steps, and stops at the ends. */
  g_assert_cmpuint (size_scale_step (&scale, 2 * GIB, TRUE), >, 2 * GIB);
  g_assert_cmpuint (size_scale_step (&scale, size_scale_step (&scale, 2 * GIB, TRUE), FALSE), ==, 2 * GIB);
  g_assert_cmpuint (size_scale_step (&scale, scale.minimum, FALSE), ==, scale.minimum);
  g_assert_cmpuint (size_scale_step (&scale, scale.maximum, TRUE), ==, scale.maximum);
}

static void
test_defaults (void)
{
  static const struct
  {
    OsFacts facts;
    uint64_t memory, disk;
    unsigned cpus;
    gboolean rtc_utc, floppy;
    LibraryController controller;
  } cases[] = {
    /* Our floor is above the database's recommendation, and the other way round. */
    { { "debian12", "linux", 2023, GIB, 20 * GIB, 0, 0 }, 2 * GIB, 20 * GIB, 1, TRUE, FALSE,
      LIBRARY_CONTROLLER_VIRTIO },
    { { "ubuntu22.04", "linux", 2022, 4 * GIB, 25 * GIB, 0, 2 }, 4 * GIB, 25 * GIB, 2, TRUE, FALSE,
      LIBRARY_CONTROLLER_VIRTIO },
    { { "win11", "winnt", 2021, 0, 0, 0, 0 }, 4 * GIB, 80 * GIB, 2, FALSE, FALSE,
      LIBRARY_CONTROLLER_AHCI },
    /* The longest prefix counts: not win1 for win10. */
    { { "win10", "winnt", 2018, 0, 0, 0, 0 }, 2 * GIB, 50 * GIB, 1, FALSE, FALSE,
      LIBRARY_CONTROLLER_AHCI },
    /* Old releases of a family need less; a system that had one does not. */
    { { "win7", "winnt", 2009, GIB, 16 * GIB, 0, 0 }, 2 * GIB, 32 * GIB, 1, FALSE, FALSE,
      LIBRARY_CONTROLLER_AHCI },
    { { "debian2.2", "linux", 2000, 0, 0, 0, 0 }, 192 * MIB, 10 * GIB, 1, TRUE, FALSE,
      LIBRARY_CONTROLLER_IDE },
    { { "msdos6.22", "msdos", 1994, 0, 0, 0, 0 }, 32 * MIB, 500 * MIB, 1, FALSE, TRUE,
      LIBRARY_CONTROLLER_IDE },
    { { "linux2022", "linux", 2022, 4 * GIB, 25 * GIB, 0, 0 }, 4 * GIB, 25 * GIB, 1, TRUE, FALSE,
      LIBRARY_CONTROLLER_VIRTIO },
    /* Nothing known at all. */
    { { "unknown", NULL, 0, 0, 0, 0, 0 }, 64 * MIB, 2 * GIB, 1, FALSE, TRUE,
      LIBRARY_CONTROLLER_IDE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      OsDefaults defaults;

      os_defaults (&cases[i].facts, 32 * GIB, &defaults);
      g_assert_cmpuint (defaults.memory, ==, cases[i].memory);
      g_assert_cmpuint (defaults.disk, ==, cases[i].disk);
      g_assert_cmpuint (defaults.cpus, ==, cases[i].cpus);
      g_assert_cmpint (defaults.rtc_utc, ==, cases[i].rtc_utc);
      g_assert_cmpint (defaults.floppy, ==, cases[i].floppy);
      g_assert_cmpint (defaults.controller, ==, cases[i].controller);
    }
}

static void
test_small_host (void)
{
  const OsFacts debian = { "debian12", "linux", 2023, 2 * GIB, 20 * GIB, 780 * MIB, 1 };
  OsDefaults defaults;
  MemoryLimits limits;

  /* Half of the host's, unless the system cannot do with that; never more than there is. */
  os_defaults (&debian, 2 * GIB, &defaults);
  g_assert_cmpuint (defaults.memory, ==, GIB);
  os_defaults (&debian, GIB, &defaults);
  g_assert_cmpuint (defaults.memory, ==, 780 * MIB);
  os_defaults (&debian, 512 * MIB, &defaults);
  g_assert_cmpuint (defaults.memory, ==, 512 * MIB);

  memory_limits (16 * GIB, &limits);
  g_assert_cmpuint (limits.maximum, ==, 16 * GIB);
  g_assert_cmpuint (limits.warn_above, >, 8 * GIB);
  g_assert_cmpuint (limits.warn_above, <, 16 * GIB);
  memory_limits (0, &limits);
  g_assert_cmpuint (limits.maximum, >=, limits.minimum);
  g_assert_cmpuint (cpu_limit (2), ==, 4);
  g_assert_cmpuint (cpu_limit (128), ==, 64);
  g_assert_cmpuint (cpu_limit (0), ==, 1);
}

static void
test_edited (void)
{
  const OsFacts debian = { "debian12", "linux", 2023, 2 * GIB, 20 * GIB, 0, 1 };
  const OsFacts windows = { "win11", "winnt", 2021, 4 * GIB, 80 * GIB, 0, 2 };
  g_autoptr (MachineDraft) draft = machine_draft_new ();

  machine_draft_set_os (draft, &debian, "Debian 12", 64 * GIB);
  g_assert_cmpstr (draft->name, ==, "Debian 12");
  g_assert_cmpuint (draft->memory, ==, 2 * GIB);

  draft->memory = 3 * GIB;
  draft->edited |= DRAFT_MEMORY;
  machine_draft_set_os (draft, &windows, "Windows 11", 64 * GIB);
  g_assert_cmpuint (draft->memory, ==, 3 * GIB);
  g_assert_cmpuint (draft->cpus, ==, 2);
  g_assert_cmpuint (draft->disk_size, ==, 80 * GIB);
  g_assert_cmpstr (draft->name, ==, "Windows 11");
  g_assert_cmpstr (draft->os_id, ==, "win11");

  draft->edited |= DRAFT_NAME | DRAFT_CPUS | DRAFT_DISK_SIZE;
  machine_draft_set_os (draft, &debian, "Debian 12", 64 * GIB);
  g_assert_cmpstr (draft->name, ==, "Windows 11");
  g_assert_cmpuint (draft->cpus, ==, 2);
  g_assert_cmpuint (draft->disk_size, ==, 80 * GIB);
  g_assert_true (draft->rtc_utc);
}

static void
test_names (void)
{
  static const char *const taken[] = { "Debian", "Debian 2", NULL };
  g_autofree char *free_name = machine_draft_free_name ("Debian", taken), *other = machine_draft_free_name ("Arch", taken);
  g_autofree char *long_name = g_strnfill (LIBRARY_NAME_MAX + 1, 'x');
  static const char *const good[] = { "x", "a/b\\c", "\360\237\220\247 penguin", "..", "<b>&amp;" };
  const char *const bad[] = { "", " x", "x ", "Debian", "a\nb", "\t", long_name };

  g_assert_cmpstr (free_name, ==, "Debian 3");
  g_assert_cmpstr (other, ==, "Arch");
  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (machine_draft_check_name (good[i], taken, &error));
      g_assert_no_error (error);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (machine_draft_check_name (bad[i], taken, &error));
      g_assert_nonnull (error);
    }
}

static void
test_record (void)
{
  g_autoptr (MachineDraft) draft = machine_draft_new ();
  g_autoptr (LibraryMachine) record = NULL;
  const LibraryAttachment *disk;

  g_free (draft->name);
  draft->name = g_strdup ("X");
  draft->disk = DRAFT_DISK_EXISTING;
  draft->disk_path = g_strdup ("/images/x.vdi");
  draft->disc = g_strdup ("/images/x.iso");
  draft->memory = GIB;
  draft->cpus = 2;
  draft->network = FALSE;
  draft->floppy = TRUE;
  record = machine_draft_to_record (draft);
  disk = library_machine_find_attachment (record, LIBRARY_CONTROLLER_IDE, 0);
  g_assert_cmpstr (disk->path, ==, "/images/x.vdi");
  g_assert_cmpstr (library_machine_find_drive (record, LIBRARY_MEDIUM_OPTICAL)->path, ==, "/images/x.iso");
  g_assert_nonnull (library_machine_find_drive (record, LIBRARY_MEDIUM_FLOPPY));
  g_assert_cmpint (library_machine_find_adapter (record, 0)->kind, ==, LIBRARY_NET_NONE);
  g_assert_cmpuint (record->memory, ==, GIB);
  g_assert_true (library_machine_validate (record, NULL));
}

static void
test_boot_order (void)
{
  LibraryBoot boot[LIBRARY_MAX_BOOT] = { LIBRARY_BOOT_CDROM, LIBRARY_BOOT_DISK, LIBRARY_BOOT_CDROM };
  BootOrder order;
  g_autofree char *text = NULL;

  boot_order_read (&order, boot);
  g_assert_cmpint (order.devices[0], ==, LIBRARY_BOOT_CDROM);
  g_assert_cmpint (order.devices[1], ==, LIBRARY_BOOT_DISK);
  g_assert_true (order.enabled[1]);
  g_assert_false (order.enabled[2]);
  g_assert_false (boot_order_move (&order, 0, TRUE));
  g_assert_false (boot_order_move (&order, LIBRARY_MAX_BOOT - 1, FALSE));
  g_assert_true (boot_order_move (&order, 1, TRUE));
  g_assert_true (boot_order_set_enabled (&order, 1, FALSE));
  /* The last one cannot be switched off. */
  g_assert_false (boot_order_set_enabled (&order, 0, FALSE));
  boot_order_write (&order, boot);
  g_assert_cmpint (boot[0], ==, LIBRARY_BOOT_DISK);
  g_assert_cmpint (boot[1], ==, LIBRARY_BOOT_NONE);
  text = record_text_boot (boot);
  g_assert_cmpstr (text, ==, "Disk");
}

static void
test_ports (void)
{
  guint16 port;

  g_assert_true (port_parse ("65535", &port));
  g_assert_cmpuint (port, ==, 65535);
  g_assert_true (port_parse ("1", &port));
  g_assert_false (port_parse ("0", &port));
  g_assert_false (port_parse ("65536", &port));
  g_assert_false (port_parse ("", &port));
  g_assert_false (port_parse ("-5", &port));
  g_assert_false (port_parse ("22 ", &port));
  g_assert_false (port_parse ("99999999999999999999", &port));
}

static void
test_activity (void)
{
  ActivityMeter meter = { 0 };
  MachineInfo info = { .disk_reads = 5, .disk_read_bytes = 1000 };

  activity_meter_update (&meter, &info, G_USEC_PER_SEC);
  g_assert_false (meter.disk_active);
  info.disk_reads++;
  info.disk_read_bytes += 5000;
  info.net_tx_frames = 1;
  activity_meter_update (&meter, &info, G_USEC_PER_SEC * 3 / 2);
  g_assert_true (meter.disk_active);
  g_assert_true (meter.net_active);
  g_assert_false (meter.cd_active);
  g_assert_cmpfloat (meter.disk_read_rate, ==, 10000);
  activity_meter_update (&meter, &info, G_USEC_PER_SEC * 2);
  g_assert_false (meter.disk_active);
  g_assert_cmpfloat (meter.disk_read_rate, ==, 0);
  /* A counter that begins anew is no burst. */
  info.disk_read_bytes = 0;
  activity_meter_update (&meter, &info, G_USEC_PER_SEC * 3);
  g_assert_cmpfloat (meter.disk_read_rate, ==, 0);
}

static void
test_formats (void)
{
  /* Every one has a title that says more than the block layer's word. */
  for (const char *const *format = disk_formats (); *format != NULL; format++)
    g_assert_cmpstr (disk_format_title (*format), !=, *format);
  g_assert_cmpstr (disk_format_title ("zip"), ==, "zip");
  g_assert_cmpstr (disk_format_variant ("vdi", TRUE, TRUE), ==, "fixed");
  g_assert_cmpstr (disk_format_variant ("vmdk", FALSE, TRUE), ==, "twoGbMaxExtentSparse");
  g_assert_cmpstr (disk_format_variant ("vmdk", TRUE, TRUE), ==, "twoGbMaxExtentFlat");
  g_assert_cmpstr (disk_format_variant ("vmdk", FALSE, FALSE), ==, "dynamic");
  g_assert_nonnull (disk_variant_text ("dynamic"));
  g_assert_null (disk_variant_text ("something of the future"));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/draft/size-format", test_size_format);
  g_test_add_func ("/ui/draft/size-parse", test_size_parse);
  g_test_add_func ("/ui/draft/size-scale", test_size_scale);
  g_test_add_func ("/ui/draft/defaults", test_defaults);
  g_test_add_func ("/ui/draft/small-host", test_small_host);
  g_test_add_func ("/ui/draft/edited", test_edited);
  g_test_add_func ("/ui/draft/names", test_names);
  g_test_add_func ("/ui/draft/record", test_record);
  g_test_add_func ("/ui/draft/boot-order", test_boot_order);
  g_test_add_func ("/ui/draft/ports", test_ports);
  g_test_add_func ("/ui/draft/activity", test_activity);
  g_test_add_func ("/ui/draft/formats", test_formats);
  return g_test_run ();
}
