/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a request's data are in the guest's memory, for a disk that works on that itself. Machine lock held; the disk
 * has the pieces without it, until the request is done or recalled.
 */
#pragma once

#include "engine/bus/pci.h"

#include <sys/uio.h>

enum
{
  GUEST_PIECES_MAX = 1024
};

typedef struct
{
  uint64_t address, length;
} GuestRegion;

typedef struct
{
  unsigned count, room;
  unsigned region_count, region_room;
  struct iovec *pieces; /* of the host's memory, @count */
  GuestRegion *regions; /* the same as the guest sees it */
} GuestPieces;

/* Adds @length bytes at @address. FALSE: they are no memory that a disk may reach, or there are too many pieces; then
 * what was added is of no use. @writable: they will be written. */
gboolean guest_pieces_add (GuestPieces *p, PciDevice *dev, uint64_t address, uint64_t length, gboolean writable);
/* They have been written, or may have been: who watches the memory is told. */
void guest_pieces_written (const GuestPieces *p, PciDevice *dev);
/* There are none any more. */
void guest_pieces_empty (GuestPieces *p);
void guest_pieces_free (GuestPieces *p);
