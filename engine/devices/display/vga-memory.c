/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VGA's window at A0000h: write modes, read modes, latches.
 * Specification: IBM VGA Technical Reference, sequencer and graphics controller.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { WINDOW_BASE = 0xa0000, BANK_SIZE = 0x10000, DIRECT_PRIORITY = 2, ALL_PLANES = 15 };

enum
{
  MAP_128K, MAP_64K, MAP_MONO, MAP_COLOR,
  MAP_MONO_OFFSET = 0x10000, MAP_COLOR_OFFSET = 0x18000, MAP_TEXT_SIZE = 0x8000
};

enum { ROTATE_COUNT = 7, FUNCTION_SHIFT = 3, FUNCTION_AND = 1, FUNCTION_OR, FUNCTION_XOR };

/* A byte of the window: its doubleword of planes, and which of these it is. */
typedef struct
{
  uint8_t *planes;
  uint64_t address;   /* of planes in video memory */
  unsigned read;      /* plane */
  unsigned write;     /* planes, a bit each */
} Place;

static unsigned
memory_map (const Vga *d)
{
  return d->gr[GR_MISC] >> GR_MISC_MAP_SHIFT & 3;
}

static uint64_t
bank_offset (const Vga *d)
{
  return vga_dispi_enabled (d) ? (uint64_t) d->dispi[DISPI_BANK] * BANK_SIZE : 0;
}

static uint64_t
wrap_mask (const Vga *d)
{
  return vga_dispi_enabled (d) ? d->vram_size - 1 : VGA_MEMORY_SIZE - 1;
}

/* The address that the processor's @offset in the window is to the VGA; FALSE outside the mapped part. */
static gboolean
window_address (const Vga *d, uint64_t offset, uint64_t *at)
{
  if (!(d->misc & MISC_RAM_ENABLE))
    return FALSE;
  switch (memory_map (d))
    {
    case MAP_128K:
      *at = offset + bank_offset (d);
      return TRUE;
    case MAP_64K:
      *at = offset + bank_offset (d);
      return offset < BANK_SIZE;
    case MAP_MONO:
      *at = offset - MAP_MONO_OFFSET;
      return offset >= MAP_MONO_OFFSET && offset < MAP_MONO_OFFSET + MAP_TEXT_SIZE;
    default:
      *at = offset - MAP_COLOR_OFFSET;
      return offset >= MAP_COLOR_OFFSET;
    }
}

/* Chain-4 spreads bytes over the planes by address bits 0 and 1, odd/even by bit 0; reads and writes choose apart. */
static void
find_place (Vga *d, uint64_t at, gboolean odd_even, Place *place)
{
  if (d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4)
    {
      place->address = at & ~(uint64_t) 3;
      place->read = at & 3;
      place->write = 1u << (at & 3);
    }
  else if (odd_even)
    {
      place->address = (at & ~(uint64_t) 1) << 1;
      place->read = (d->gr[GR_READ_MAP] & 2) | (at & 1);
      place->write = at & 1 ? 0xa : 0x5;
    }
  else
    {
      place->address = at << 2;
      place->read = d->gr[GR_READ_MAP] & 3;
      place->write = ALL_PLANES;
    }
  place->address &= wrap_mask (d);
  place->planes = d->vram + place->address;
}

/* Bits 0 to 3 to all bits of bytes 0 to 3. */
static uint32_t
spread_planes (unsigned planes)
{
  return (((planes & ALL_PLANES) * 0x00204081u) & 0x01010101u) * 0xff;
}

static uint32_t
repeat_byte (uint8_t byte)
{
  return byte * 0x01010101u;
}

static uint8_t
read_byte (Vga *d, uint64_t offset)
{
  uint64_t at;
  uint32_t differs;
  Place place;

  if (!window_address (d, offset, &at))
    return 0xff;
  if (vga_dispi_is_linear (d))
    return d->vram[at & (d->vram_size - 1)];
  find_place (d, at, d->gr[GR_MODE] & GR_MODE_ODD_EVEN, &place);
  memcpy (&d->latch, place.planes, sizeof d->latch);
  if (!(d->gr[GR_MODE] & GR_MODE_READ1))
    return (uint8_t) (d->latch >> (8 * place.read));
  /* Ones where all planes that are cared for have the colour compared with. */
  differs = (d->latch ^ spread_planes (d->gr[GR_COMPARE])) & spread_planes (d->gr[GR_DONT_CARE]);
  differs |= differs >> 16;
  return (uint8_t) ~(differs | differs >> 8);
}

static uint8_t
rotate (const Vga *d, uint8_t value)
{
  unsigned count = d->gr[GR_ROTATE] & ROTATE_COUNT;

  return (uint8_t) (value >> count | value << (8 - count));
}

/* What the graphics controller makes of a byte and the latches. */
static uint32_t
combine (const Vga *d, uint8_t value)
{
  uint32_t set = spread_planes (d->gr[GR_SET_RESET]), enable = spread_planes (d->gr[GR_ENABLE_SET_RESET]), data;
  uint8_t mask = d->gr[GR_BIT_MASK];

  switch (d->gr[GR_MODE] & GR_MODE_WRITE)
    {
    case 0:
      data = (repeat_byte (rotate (d, value)) & ~enable) | (set & enable);
      break;
    case 1:
      return d->latch;
    case 2:
      data = spread_planes (value);
      break;
    default:
      data = set;
      mask &= rotate (d, value);
      break;
    }
  switch (d->gr[GR_ROTATE] >> FUNCTION_SHIFT & 3)
    {
    case FUNCTION_AND:
      data &= d->latch;
      break;
    case FUNCTION_OR:
      data |= d->latch;
      break;
    case FUNCTION_XOR:
      data ^= d->latch;
      break;
    default:
      break;
    }
  return (data & repeat_byte (mask)) | (d->latch & ~repeat_byte (mask));
}

static void
mark_changed (Vga *d, uint64_t address)
{
  d->dirty_pages[address >> GUEST_PAGE_SHIFT] = 1;
  d->changed = TRUE;
}

static void
write_byte (Vga *d, uint64_t offset, uint8_t value)
{
  uint64_t at;
  uint32_t old, new, planes;
  Place place;

  if (!window_address (d, offset, &at))
    return;
  if (vga_dispi_is_linear (d))
    {
      at &= d->vram_size - 1;
      d->vram[at] = value;
      mark_changed (d, at);
      return;
    }
  find_place (d, at, !(d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_PLANAR), &place);
  planes = spread_planes (d->seq[SEQ_MAP_MASK] & place.write);
  memcpy (&old, place.planes, sizeof old);
  new = (old & ~planes) | (combine (d, value) & planes);
  if (new == old)
    return;
  memcpy (place.planes, &new, sizeof new);
  mark_changed (d, place.address);
  if ((old ^ new) & spread_planes (1 << 2))
    d->fonts_changed = TRUE;
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

const MmioOps vga_legacy_ops = { .read = legacy_read, .write = legacy_write, .min_size = 1, .max_size = 8, .is_posted = TRUE };

/* Whether the window at A0000h is plain memory: a bank of a VBE mode, or chain-4 with nothing in between. */
static gboolean
is_plain (const Vga *d)
{
  if (!(d->misc & MISC_RAM_ENABLE))
    return FALSE;
  if (vga_dispi_is_linear (d))
    return memory_map (d) == MAP_64K || memory_map (d) == MAP_128K;
  return !vga_dispi_enabled (d) && memory_map (d) == MAP_64K && d->seq[SEQ_MEMORY_MODE] & SEQ_MEMORY_CHAIN4 &&
         (d->seq[SEQ_MAP_MASK] & ALL_PLANES) == ALL_PLANES && !(d->gr[GR_MODE] & (GR_MODE_WRITE | GR_MODE_READ1)) &&
         d->gr[GR_ENABLE_SET_RESET] == 0 && d->gr[GR_ROTATE] == 0 && d->gr[GR_BIT_MASK] == 0xff;
}

/* Runs of writes that nothing comes of before the next read: the cursor, palettes, and what makes the window. While it is
 * plain memory a change of what makes it must not wait. */
static void
post_ports (Vga *d, gboolean with_window)
{
  static const struct { uint16_t base; gboolean is_window; } pairs[] = {
    { 0x3b4, FALSE }, { 0x3c4, TRUE }, { 0x3c8, FALSE }, { 0x3ce, TRUE }, { 0x3d4, FALSE }
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (pairs); i++)
    bus_set_posted (d->parent.parent.env.bus, pairs[i].base, 2, with_window || !pairs[i].is_window);
}

void
vga_update_mapping (Vga *d)
{
  AddressSpace *memory = d->parent.parent.env.memory;
  uint64_t offset = bank_offset (d);
  gboolean direct = is_plain (d) && offset + BANK_SIZE <= d->vram_size;

  post_ports (d, !direct);
  if (direct == (d->direct != NULL) && (!direct || offset == d->direct_offset))
    return;
  address_space_begin (memory);
  g_clear_pointer (&d->direct, memory_region_remove);
  if (direct)
    d->direct = address_space_add_ram (memory, WINDOW_BASE, BANK_SIZE, DIRECT_PRIORITY, d->vram_block, offset);
  address_space_commit (memory);
  d->direct_offset = offset;
}
