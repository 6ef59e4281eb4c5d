/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The boot order as a list of all devices. */

#include "ui/boot-order.h"

static const LibraryBoot all[LIBRARY_MAX_BOOT] = {
  LIBRARY_BOOT_DISK, LIBRARY_BOOT_CDROM, LIBRARY_BOOT_FLOPPY, LIBRARY_BOOT_NETWORK,
};

static gboolean
contains (const LibraryBoot *devices, unsigned count, LibraryBoot device)
{
  for (unsigned i = 0; i < count; i++)
    if (devices[i] == device)
      return TRUE;
  return FALSE;
}

void
boot_order_read (BootOrder *self, const LibraryBoot boot[LIBRARY_MAX_BOOT])
{
  unsigned count = 0;

  *self = (BootOrder) { 0 };
  for (unsigned i = 0; i < LIBRARY_MAX_BOOT && boot[i] != LIBRARY_BOOT_NONE; i++)
    if (!contains (self->devices, count, boot[i]))
      {
        self->enabled[count] = TRUE;
        self->devices[count++] = boot[i];
      }
  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    if (!contains (self->devices, count, all[i]))
      self->devices[count++] = all[i];
}

void
boot_order_write (const BootOrder *self, LibraryBoot boot[LIBRARY_MAX_BOOT])
{
  unsigned count = 0;

  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    if (self->enabled[i])
      boot[count++] = self->devices[i];
  while (count < LIBRARY_MAX_BOOT)
    boot[count++] = LIBRARY_BOOT_NONE;
}

gboolean
boot_order_move (BootOrder *self, unsigned index, gboolean up)
{
  unsigned other = up ? index - 1 : index + 1;
  LibraryBoot device;
  gboolean enabled;

  if (index >= LIBRARY_MAX_BOOT || other >= LIBRARY_MAX_BOOT)
    return FALSE;
  device = self->devices[index];
  enabled = self->enabled[index];
  self->devices[index] = self->devices[other];
  self->enabled[index] = self->enabled[other];
  self->devices[other] = device;
  self->enabled[other] = enabled;
  return TRUE;
}

gboolean
boot_order_set_enabled (BootOrder *self, unsigned index, gboolean enabled)
{
  unsigned others = 0;

  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    others += i != index && self->enabled[i];
  if (!enabled && others == 0)
    return FALSE;
  self->enabled[index] = enabled;
  return TRUE;
}
