/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VGA's window at A0000h: write modes, read modes, latches.
 * Specification: IBM VGA Technical Reference, graphics controller.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { WINDOW_BASE = 0xa0000, BANK_SIZE = 0x10000, DIRECT_PRIORITY = 2, MISC_RAM_ENABLE = 1 << 1 };

static uint64_t
bank_offset (const Vga *d)
{
  return vga_dispi_enabled (d) ? (uint64_t) d->dispi[DISPI_BANK] * BANK_SIZE : 0;
}

/* The offset in the video memory's address space, or FALSE outside the mapped part of the window. */
static gboolean
window_offset (const Vga *d, uint64_t offset, uint64_t *at)
{
  if (!(d->misc & MISC_RAM_ENABLE))
    return FALSE;
  switch (d->gr[GR_MISC] >> 2 & 3)
    {
    case 0:
      *at = offset;
      return TRUE;
    case 1:
      *at = offset + bank_offset (d);
      return offset < BANK_SIZE;
    case 2:
      *at = offset - 0x10000;
      return offset >= 0x10000 && offset < 0x18000;
    default:
      *at = offset - 0x18000;
      return offset >= 0x18000;
    }
}

static uint8_t *
byte_at (Vga *d, uint64_t at)
{
  return &d->vram[at & (d->vram_size - 1)];
}

static uint8_t *
planes_at (Vga *d, uint64_t at)
{
  return &d->vram[(at * 4) & (d->vram_size - 1)];
}

static uint8_t
read_byte (Vga *d, uint64_t offset)
{
  uint64_t at;
  uint8_t *planes, value;

  if (!window_offset (d, offset, &at))
    return 0xff;
  if (d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4)
    return *byte_at (d, at);
  if (d->gr[GR_MODE] & GR_MODE_ODD_EVEN)
    return *byte_at (d, (at & ~(uint64_t) 1) << 1 | (d->gr[GR_READ_MAP] & 2) | (at & 1));
  planes = planes_at (d, at);
  memcpy (d->latch, planes, 4);
  if (!(d->gr[GR_MODE] & GR_MODE_READ1))
    return d->latch[d->gr[GR_READ_MAP] & 3];
  value = 0xff;
  for (int p = 0; p < 4; p++)
    {
      if (d->gr[GR_DONT_CARE] >> p & 1)
        value &= (uint8_t) ~(d->latch[p] ^ (d->gr[GR_COMPARE] >> p & 1 ? 0xff : 0));
    }
  return value;
}

static uint8_t
rotate (const Vga *d, uint8_t value)
{
  unsigned count = d->gr[GR_ROTATE] & 7;

  return (uint8_t) (value >> count | value << (8 - count));
}

static void
write_planar (Vga *d, uint64_t at, uint8_t value)
{
  uint8_t *planes = planes_at (d, at), mask = d->gr[GR_BIT_MASK], rotated = rotate (d, value);
  unsigned mode = d->gr[GR_MODE] & 3;

  for (int p = 0; p < 4; p++)
    {
      uint8_t set = d->gr[GR_SET_RESET] >> p & 1 ? 0xff : 0, data, bits = mask;

      if (!(d->seq[SEQ_MAP_MASK] >> p & 1))
        continue;
      switch (mode)
        {
        case 0:
          data = d->gr[GR_ENABLE_SET_RESET] >> p & 1 ? set : rotated;
          break;
        case 1:
          planes[p] = d->latch[p];
          continue;
        case 2:
          data = value >> p & 1 ? 0xff : 0;
          break;
        default:
          data = set;
          bits &= rotated;
          break;
        }
      switch (d->gr[GR_ROTATE] >> 3 & 3)
        {
        case 1:
          data &= d->latch[p];
          break;
        case 2:
          data |= d->latch[p];
          break;
        case 3:
          data ^= d->latch[p];
          break;
        default:
          break;
        }
      planes[p] = (uint8_t) ((data & bits) | (d->latch[p] & ~bits));
    }
}

static void
write_byte (Vga *d, uint64_t offset, uint8_t value)
{
  uint64_t at;
  unsigned plane;

  if (!window_offset (d, offset, &at))
    return;
  d->memory_dirty = TRUE;
  if (d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4)
    {
      if (d->seq[SEQ_MAP_MASK] >> (at & 3) & 1)
        *byte_at (d, at) = value;
    }
  else if (d->gr[GR_MODE] & GR_MODE_ODD_EVEN)
    {
      plane = (d->gr[GR_READ_MAP] & 2) | (at & 1);
      if (d->seq[SEQ_MAP_MASK] >> plane & 1)
        *byte_at (d, (at & ~(uint64_t) 1) << 1 | plane) = value;
    }
  else
    write_planar (d, at, value);
}

static uint64_t
legacy_read (void *opaque, uint64_t offset, unsigned size)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) read_byte (opaque, offset + i) << (8 * i);
  return value;
}

static void
legacy_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    write_byte (opaque, offset + i, (uint8_t) (value >> (8 * i)));
}

const MmioOps vga_legacy_ops = { .read = legacy_read, .write = legacy_write, .min_size = 1, .max_size = 8 };

void
vga_update_mapping (Vga *d)
{
  gboolean direct = d->misc & MISC_RAM_ENABLE && d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4 &&
                    (d->seq[SEQ_MAP_MASK] & 15) == 15 && (d->gr[GR_MISC] >> 2 & 3) == 1;
  uint64_t offset = bank_offset (d);

  if (offset + BANK_SIZE > d->vram_size)
    direct = FALSE;
  if (direct == (d->direct != NULL) && (!direct || offset == d->direct_offset))
    return;
  address_space_begin (d->parent.parent.env.memory);
  g_clear_pointer (&d->direct, memory_region_remove);
  if (direct)
    d->direct = address_space_add_ram (d->parent.parent.env.memory, WINDOW_BASE, BANK_SIZE, DIRECT_PRIORITY, d->vram_block, offset);
  address_space_commit (d->parent.parent.env.memory);
  d->direct_offset = offset;
}
