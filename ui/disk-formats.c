/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formats of disks in words; see the header. */

#include "ui/disk-formats.h"

#include "storage/disk/disk.h"

#include <glib/gi18n.h>

static const struct
{
  const char *name, *title, *short_title;
} titles[] = {
  { "vdi", N_ ("VDI (VirtualBox)"), "VDI" },
  { "vmdk", N_ ("VMDK (VMware)"), "VMDK" },
  { "vhd", N_ ("VHD (Virtual PC, Hyper-V)"), "VHD" },
  { "vhdx", N_ ("VHDX (Hyper-V)"), "VHDX" },
  { "hdd", N_ ("HDD (Parallels)"), "HDD" },
  { "qcow2", N_ ("QCOW2 (QEMU)"), "QCOW2" },
  { "raw", N_ ("Raw"), N_ ("Raw") },
  { "iso", N_ ("ISO 9660"), "ISO 9660" },
  { "nbd", N_ ("NBD (on a server)"), "NBD" },
  { "iscsi", N_ ("iSCSI (on a server)"), "iSCSI" },
};

static const struct
{
  const char *name, *text;
} variants[] = {
  { "dynamic", N_ ("grows as needed") },
  { "fixed", N_ ("takes all its space") },
  { "twoGbMaxExtentSparse", N_ ("in files of 2 GB that grow") },
  { "twoGbMaxExtentFlat", N_ ("in files of 2 GB that take all their space") },
  { "streamOptimized", N_ ("compressed, to be passed on") },
  { "remote", N_ ("on a server") },
  { "differencing", N_ ("changes to another disk") },
};

const char *const *
disk_formats (void)
{
  return disk_creatable_formats ();
}

const char *
disk_format_title (const char *format)
{
  for (gsize i = 0; i < G_N_ELEMENTS (titles); i++)
    if (g_strcmp0 (titles[i].name, format) == 0)
      return _(titles[i].title);
  return format;
}

const char *
disk_format_short_title (const char *format)
{
  for (gsize i = 0; i < G_N_ELEMENTS (titles); i++)
    if (g_strcmp0 (titles[i].name, format) == 0)
      return _(titles[i].short_title);
  return format;
}

gboolean
disk_format_can_split (const char *format)
{
  return g_strv_contains (disk_format_variants (format), "twoGbMaxExtentSparse");
}

const char *
disk_format_variant (const char *format, gboolean fixed, gboolean split)
{
  if (split && disk_format_can_split (format))
    return fixed ? "twoGbMaxExtentFlat" : "twoGbMaxExtentSparse";
  return fixed ? "fixed" : "dynamic";
}

const char *
disk_variant_text (const char *variant)
{
  for (gsize i = 0; i < G_N_ELEMENTS (variants); i++)
    if (g_strcmp0 (variants[i].name, variant) == 0)
      return _(variants[i].text);
  return NULL;
}

char *
disk_free_path (const char *folder, const char *name, const char *ending)
{
  for (guint number = 1;; number++)
    {
      g_autofree char *file = number == 1 ? g_strdup_printf ("%s.%s", name, ending)
                                          : g_strdup_printf ("%s %u.%s", name, number, ending);
      g_autofree char *path = g_build_filename (folder, file, NULL);

      if (!g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        return g_steal_pointer (&path);
    }
}
