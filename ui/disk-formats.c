/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formats that new disks can have. */

#include "ui/disk-formats.h"

#include <glib/gi18n.h>

const DiskFormatChoice disk_format_choices[] = {
  { "vdi", N_ ("VDI (VirtualBox)"), TRUE, TRUE },
  { "raw", N_ ("Raw"), TRUE, TRUE },
  { NULL, NULL, FALSE, FALSE },
};

const DiskFormatChoice *
disk_format_choice_find (const char *name)
{
  for (const DiskFormatChoice *choice = disk_format_choices; choice->name != NULL; choice++)
    if (g_strcmp0 (choice->name, name) == 0)
      return choice;
  return NULL;
}
