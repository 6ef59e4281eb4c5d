/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces of the guest's memory; see the header. */

#include "engine/devices/storage/guest-pieces.h"

enum
{
  ROOM_FIRST = 16
};

static gboolean
may_add (unsigned count, unsigned *room)
{
  if (count < *room)
    return TRUE;
  if (*room == GUEST_PIECES_MAX)
    return FALSE;
  *room = MAX (2 * *room, ROOM_FIRST);
  return TRUE;
}

static gboolean
add_piece (GuestPieces *p, void *host, uint64_t length)
{
  struct iovec *last = p->count > 0 ? &p->pieces[p->count - 1] : NULL;
  unsigned room = p->room;

  if (last != NULL && (uint8_t *) last->iov_base + last->iov_len == host)
    {
      last->iov_len += length;
      return TRUE;
    }
  if (!may_add (p->count, &p->room))
    return FALSE;
  if (p->room != room)
    p->pieces = g_renew (struct iovec, p->pieces, p->room);
  p->pieces[p->count++] = (struct iovec) { host, length };
  return TRUE;
}

static gboolean
add_region (GuestPieces *p, uint64_t address, uint64_t length)
{
  GuestRegion *last = p->region_count > 0 ? &p->regions[p->region_count - 1] : NULL;
  unsigned room = p->region_room;

  if (last != NULL && last->address + last->length == address)
    {
      last->length += length;
      return TRUE;
    }
  if (!may_add (p->region_count, &p->region_room))
    return FALSE;
  if (p->region_room != room)
    p->regions = g_renew (GuestRegion, p->regions, p->region_room);
  p->regions[p->region_count++] = (GuestRegion) { address, length };
  return TRUE;
}

gboolean
guest_pieces_add (GuestPieces *p, PciDevice *dev, uint64_t address, uint64_t length, gboolean writable)
{
  if (!(dev->config[PCI_COMMAND] & PCI_COMMAND_MASTER) || length > G_MAXUINT64 - address)
    return FALSE;
  while (length > 0)
    {
      uint64_t run = length;
      void *host = guest_memory_map_dma (dev->parent.env.memory, address, &run, writable);

      if (host == NULL || !add_piece (p, host, run) || (writable && !add_region (p, address, run)))
        return FALSE;
      address += run;
      length -= run;
    }
  return TRUE;
}

void
guest_pieces_written (const GuestPieces *p, PciDevice *dev)
{
  for (unsigned i = 0; i < p->region_count; i++)
    guest_memory_written (dev->parent.env.memory, p->regions[i].address, p->regions[i].length);
}

void
guest_pieces_empty (GuestPieces *p)
{
  p->count = p->region_count = 0;
}

void
guest_pieces_free (GuestPieces *p)
{
  g_free (p->pieces);
  g_free (p->regions);
  *p = (GuestPieces) { 0 };
}
