/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a command's data are in the guest's memory: physical region pages. Specification: NVM Express 1.4, 4.3. */

#include "engine/devices/storage/nvme-private.h"

#include <string.h>

enum
{
  PRP_SIZE = 8,
  /* Of the largest transfer, when it does not begin a page. */
  SEGMENTS_MAX = TRANSFER_MAX / NVME_PAGE + 1
};

typedef struct
{
  Nvme *nvme;
  NvmeSegment *segments;
  unsigned count;
  uint32_t left;
} Map;

static void
add (Map *map, uint64_t address)
{
  uint32_t length = MIN (map->left, NVME_PAGE - (uint32_t) (address & (NVME_PAGE - 1)));
  NvmeSegment *last = map->count > 0 ? &map->segments[map->count - 1] : NULL;

  map->left -= length;
  if (last != NULL && last->address + last->length == address)
    last->length += length;
  else
    {
      g_assert (map->count < SEGMENTS_MAX);
      map->segments[map->count++] = (NvmeSegment) { address, length };
    }
}

/* A list of pages; the last entry of a page of the list that does not end it points to the next one. */
static uint16_t
add_list (Map *map, uint64_t list)
{
  uint8_t entries[NVME_PAGE];

  if (list % PRP_SIZE != 0)
    return STATUS_PRP_OFFSET;
  /* All pages of the list but the first are whole, so each adds to the map: it has an end. */
  while (map->left > 0)
    {
      uint32_t room = (NVME_PAGE - (uint32_t) (list & (NVME_PAGE - 1))) / PRP_SIZE,
               wanted = (map->left + NVME_PAGE - 1) / NVME_PAGE, count = MIN (room, wanted);

      if (!pci_dma_read (&map->nvme->parent, list, entries, count * PRP_SIZE))
        return STATUS_DATA_TRANSFER;
      for (uint32_t i = 0; i < count; i++)
        {
          const uint8_t *at = entries + i * PRP_SIZE;
          uint64_t address = pci_get_long (at) | (uint64_t) pci_get_long (at + 4) << 32;

          if (address % NVME_PAGE != 0)
            return STATUS_PRP_OFFSET;
          if (i + 1 == room && wanted > room)
            {
              list = address;
              break;
            }
          add (map, address);
        }
    }
  return STATUS_OK;
}

uint16_t
nvme_map (Nvme *n, const NvmeCommand *c, uint32_t length, NvmeSegment **segments, unsigned *count)
{
  Map map = { .nvme = n, .left = length };
  uint16_t status = STATUS_OK;

  g_assert (length <= TRANSFER_MAX);
  *segments = NULL;
  *count = 0;
  if (c->sgl)
    return STATUS_INVALID_FIELD;
  if (length == 0)
    return STATUS_OK;
  if (c->prp1 % 4 != 0)
    return STATUS_PRP_OFFSET;
  map.segments = g_new (NvmeSegment, SEGMENTS_MAX);
  add (&map, c->prp1);
  if (map.left > NVME_PAGE)
    status = add_list (&map, c->prp2);
  else if (map.left > 0 && c->prp2 % NVME_PAGE != 0)
    status = STATUS_PRP_OFFSET;
  else if (map.left > 0)
    add (&map, c->prp2);
  if (status != STATUS_OK)
    {
      g_free (map.segments);
      return status;
    }
  *segments = map.segments;
  *count = map.count;
  return STATUS_OK;
}

gboolean
nvme_copy_in (Nvme *n, const NvmeSegment *segments, unsigned count, uint8_t *to)
{
  gboolean ok = TRUE;

  for (unsigned i = 0; i < count; i++)
    {
      ok = pci_dma_read (&n->parent, segments[i].address, to, segments[i].length) && ok;
      to += segments[i].length;
    }
  return ok;
}

gboolean
nvme_copy_out (Nvme *n, const NvmeSegment *segments, unsigned count, const uint8_t *from)
{
  gboolean ok = TRUE;

  for (unsigned i = 0; i < count; i++)
    {
      ok = pci_dma_write (&n->parent, segments[i].address, from, segments[i].length) && ok;
      from += segments[i].length;
    }
  return ok;
}

uint16_t
nvme_reply (Nvme *n, const NvmeCommand *c, const uint8_t *data, uint32_t length)
{
  g_autofree NvmeSegment *segments = NULL;
  unsigned count;
  uint16_t status = nvme_map (n, c, length, &segments, &count);

  if (status != STATUS_OK)
    return status;
  return nvme_copy_out (n, segments, count, data) ? STATUS_OK : STATUS_DATA_TRANSFER;
}
