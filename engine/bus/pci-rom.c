/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expansion ROMs of PCI devices: a file in a block of read-only memory behind BAR 6. */

#include "engine/bus/pci-rom.h"

#include <gio/gio.h>
#include <string.h>

enum { ROM_MIN = 2048, ROM_MAX = 1 << 20 };

gboolean
pci_register_rom (PciDevice *dev, const char *path, GError **error)
{
  g_autofree char *contents = NULL;
  gsize length;
  uint64_t size = ROM_MIN;
  RamBlock *block;
  PciBar bar = { .kind = PCI_BAR_MEMORY };

  if (!g_file_get_contents (path, &contents, &length, error))
    return FALSE;
  if (length < 3 || length > ROM_MAX || (uint8_t) contents[0] != 0x55 || (uint8_t) contents[1] != 0xaa)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "“%s” is not an option ROM of at most %u KiB", path,
                   ROM_MAX / 1024);
      return FALSE;
    }
  while (size < length)
    size *= 2;
  block = ram_block_new ("option ROM", size, error);
  if (block == NULL)
    return FALSE;
  memcpy (ram_block_host (block), contents, length);
  bar.size = size;
  bar.ram = block;
  dev->rom = block;
  pci_register_bar (dev, PCI_ROM_SLOT, &bar);
  return TRUE;
}
