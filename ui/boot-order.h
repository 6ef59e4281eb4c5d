/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The boot order as a list of all devices, some of which are switched off. */
#pragma once

#include "storage/library/library.h"

G_BEGIN_DECLS

typedef struct
{
  LibraryBoot devices[LIBRARY_MAX_BOOT]; /* every device once */
  gboolean enabled[LIBRARY_MAX_BOOT];
} BootOrder;

/* Those of @boot in their order and enabled, then the others. */
void boot_order_read (BootOrder *self, const LibraryBoot boot[LIBRARY_MAX_BOOT]);
/* The enabled ones, ended by NONE. */
void boot_order_write (const BootOrder *self, LibraryBoot boot[LIBRARY_MAX_BOOT]);
/* Moves the device at @index one place; FALSE at the end. */
gboolean boot_order_move (BootOrder *self, unsigned index, gboolean up);
/* FALSE when it would leave nothing to start from. */
gboolean boot_order_set_enabled (BootOrder *self, unsigned index, gboolean enabled);

G_END_DECLS
