/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bochs' VBE display interface, version B0C5h.
 * Specification: QEMU docs/specs/standard-vga; Bochs' VBE_DISPI interface notes.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { ID_FIRST = 0xb0c0, ID_LAST = 0xb0c5 };

gboolean
vga_dispi_enabled (const Vga *d)
{
  return d->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

static unsigned
bytes_per_pixel (const Vga *d)
{
  return d->dispi[DISPI_BPP] == 4 ? 0 : (d->dispi[DISPI_BPP] + 7u) / 8;
}

/* Bytes from one line to the next. */
unsigned
vga_dispi_pitch (const Vga *d)
{
  unsigned width = MAX (d->dispi[DISPI_VIRT_WIDTH], d->dispi[DISPI_XRES]);

  return bytes_per_pixel (d) != 0 ? width * bytes_per_pixel (d) : width / 2;
}

uint16_t
vga_dispi_read (Vga *d, unsigned index)
{
  static const uint16_t maxima[] = { [DISPI_XRES] = DISPI_MAX_XRES, [DISPI_YRES] = DISPI_MAX_YRES, [DISPI_BPP] = DISPI_MAX_BPP };

  if (index >= DISPI_COUNT)
    return 0;
  if (d->dispi[DISPI_ENABLE] & DISPI_GET_CAPS && index >= DISPI_XRES && index <= DISPI_BPP)
    return maxima[index];
  if (index == DISPI_MEMORY)
    return (uint16_t) (d->vram_size >> 16);
  if (index == DISPI_VIRT_HEIGHT && vga_dispi_enabled (d))
    return (uint16_t) MIN (d->vram_size / MAX (vga_dispi_pitch (d), 1), 0xffff);
  return d->dispi[index];
}

static gboolean
is_valid_mode (const Vga *d)
{
  unsigned bpp = d->dispi[DISPI_BPP];

  return d->dispi[DISPI_XRES] >= 8 && d->dispi[DISPI_XRES] <= DISPI_MAX_XRES && d->dispi[DISPI_YRES] >= 1 &&
         d->dispi[DISPI_YRES] <= DISPI_MAX_YRES && (bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32) &&
         (uint64_t) d->dispi[DISPI_XRES] * d->dispi[DISPI_YRES] * MAX (bytes_per_pixel (d), 1) <= d->vram_size;
}

/* What the VGA BIOS relies on when it reads the mode back from the VGA registers. */
static void
set_vga_registers (Vga *d)
{
  unsigned chars = d->dispi[DISPI_XRES] / 8u - 1, lines = d->dispi[DISPI_YRES] - 1u;

  d->gr[GR_MISC] = (uint8_t) ((d->gr[GR_MISC] & ~0x0c) | 0x05);
  d->cr[CR_MODE] |= 3;
  d->cr[CR_OFFSET] = (uint8_t) (vga_dispi_pitch (d) >> 3);
  d->cr[CR_HDISP] = (uint8_t) chars;
  d->cr[CR_VDISP] = (uint8_t) lines;
  d->cr[CR_OVERFLOW] = (uint8_t) ((d->cr[CR_OVERFLOW] & ~0x42) | (lines >> 7 & 2) | (lines >> 3 & 0x40));
  d->cr[CR_COMPARE] = 0xff;
  d->cr[CR_OVERFLOW] |= 0x10;
  d->cr[CR_MAX_SCAN] = (uint8_t) ((d->cr[CR_MAX_SCAN] & ~0x9f) | 0x40);
  if (bytes_per_pixel (d) == 0)
    {
      d->gr[GR_MODE] &= (uint8_t) ~0x60;
      d->seq[SEQ_CLOCKING] &= (uint8_t) ~SEQ_CLOCKING_HALF;
    }
  else
    {
      d->gr[GR_MODE] = (uint8_t) ((d->gr[GR_MODE] & ~0x60) | 0x40);
      d->seq[SEQ_MEMORY_MODE] |= SEQ_MEMORY_CHAIN4;
      d->seq[SEQ_MAP_MASK] |= 0x0f;
    }
}

static void
enable (Vga *d, uint16_t value)
{
  gboolean was = vga_dispi_enabled (d), on = value & DISPI_ENABLED;

  if (on && !was)
    {
      if (!is_valid_mode (d))
        {
          d->dispi[DISPI_ENABLE] = value & (uint16_t) ~DISPI_ENABLED;
          return;
        }
      d->dispi[DISPI_VIRT_WIDTH] = d->dispi[DISPI_XRES];
      d->dispi[DISPI_VIRT_HEIGHT] = d->dispi[DISPI_YRES];
      d->dispi[DISPI_X_OFFSET] = d->dispi[DISPI_Y_OFFSET] = d->dispi[DISPI_BANK] = 0;
      if (!(value & DISPI_NO_CLEAR))
        memset (d->vram, 0, MIN ((uint64_t) vga_dispi_pitch (d) * d->dispi[DISPI_YRES], d->vram_size));
      d->dispi[DISPI_ENABLE] = value;
      set_vga_registers (d);
    }
  else
    {
      d->dispi[DISPI_ENABLE] = value;
      if (!on)
        d->dispi[DISPI_BANK] = 0;
    }
}

void
vga_dispi_write (Vga *d, unsigned index, uint16_t value)
{
  switch (index)
    {
    case DISPI_ID:
      if (value >= ID_FIRST && value <= ID_LAST)
        d->dispi[DISPI_ID] = value;
      break;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
      /* The mode is changed with the display off. */
      if (!vga_dispi_enabled (d))
        d->dispi[index] = index == DISPI_BPP && value == 0 ? 8 : value;
      break;
    case DISPI_ENABLE:
      enable (d, value);
      break;
    case DISPI_BANK:
      d->dispi[DISPI_BANK] = (uint16_t) (value & (d->vram_size / 0x10000 - 1));
      break;
    case DISPI_VIRT_WIDTH:
      if (value >= d->dispi[DISPI_XRES] && (uint64_t) value * MAX (bytes_per_pixel (d), 1) <= d->vram_size / MAX (d->dispi[DISPI_YRES], 1))
        d->dispi[DISPI_VIRT_WIDTH] = value;
      break;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
      d->dispi[index] = value;
      break;
    default:
      return;
    }
  d->registers_dirty = TRUE;
  vga_update_mapping (d);
}

static uint32_t
pio_read (void *opaque, uint16_t offset, unsigned size)
{
  Vga *d = opaque;

  return offset == 0 ? d->dispi_index : vga_dispi_read (d, d->dispi_index);
}

static void
pio_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Vga *d = opaque;

  if (offset == 0)
    d->dispi_index = (uint16_t) value;
  else
    vga_dispi_write (d, d->dispi_index, (uint16_t) value);
}

/* Index at 1CEh, data at 1CFh or, for the aligned, 1D0h. */
const PioOps vga_dispi_pio_ops = { .read = pio_read, .write = pio_write, .min_size = 1, .max_size = 2 };

static void
convert_line (Vga *d, uint64_t from, int width)
{
  uint64_t mask = d->vram_size - 1;
  uint32_t *out = d->line;

  /* A line that does not reach the end of memory needs no wrapping. */
  switch (d->dispi[DISPI_BPP])
    {
    case 8:
      for (int x = 0; x < width; x++)
        out[x] = vga_dac_color (d, d->vram[(from + (unsigned) x) & mask]);
      break;
    case 15:
      for (int x = 0; x < width; x++)
        {
          uint64_t at = from + 2u * (unsigned) x;
          uint32_t v = d->vram[at & mask] | (uint32_t) d->vram[(at + 1) & mask] << 8;
          uint32_t r = v >> 10 & 31, g = v >> 5 & 31, b = v & 31;

          out[x] = (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
        }
      break;
    case 16:
      for (int x = 0; x < width; x++)
        {
          uint64_t at = from + 2u * (unsigned) x;
          uint32_t v = d->vram[at & mask] | (uint32_t) d->vram[(at + 1) & mask] << 8;
          uint32_t r = v >> 11 & 31, g = v >> 5 & 63, b = v & 31;

          out[x] = (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
        }
      break;
    case 24:
      for (int x = 0; x < width; x++)
        {
          uint64_t at = from + 3u * (unsigned) x;

          out[x] = d->vram[at & mask] | (uint32_t) d->vram[(at + 1) & mask] << 8 | (uint32_t) d->vram[(at + 2) & mask] << 16;
        }
      break;
    default:
      if (from + 4u * (unsigned) width <= d->vram_size)
        {
          memcpy (out, d->vram + from, 4u * (unsigned) width);
          for (int x = 0; x < width; x++)
            out[x] &= 0xffffff;
        }
      else
        {
          for (int x = 0; x < width; x++)
            {
              uint32_t v;

              memcpy (&v, d->vram + ((from + 4u * (unsigned) x) & mask & ~(uint64_t) 3), 4);
              out[x] = v & 0xffffff;
            }
        }
      break;
    }
}

static gboolean
line_is_dirty (const Vga *d, uint64_t from, uint64_t length)
{
  uint64_t pages = d->vram_size >> GUEST_PAGE_SHIFT;

  for (uint64_t page = from >> GUEST_PAGE_SHIFT; page <= (from + length - 1) >> GUEST_PAGE_SHIFT; page++)
    {
      if (d->dirty_pages[page & (pages - 1)])
        return TRUE;
    }
  return FALSE;
}

void
vga_dispi_draw (Vga *d, gboolean full)
{
  int width = d->dispi[DISPI_XRES], height = d->dispi[DISPI_YRES], stride;
  unsigned pitch = vga_dispi_pitch (d), bpp = MAX (bytes_per_pixel (d), 1);
  uint64_t start = ((uint64_t) d->dispi[DISPI_Y_OFFSET] * pitch + (uint64_t) d->dispi[DISPI_X_OFFSET] * bpp) & (d->vram_size - 1);
  uint32_t *frame = display_begin_frame (d->display, width, height, &stride);

  if (frame == NULL)
    return;
  for (int y = 0; y < height; y++)
    {
      uint64_t from = (start + (uint64_t) y * pitch) & (d->vram_size - 1);

      if (!full && !line_is_dirty (d, from, (uint64_t) width * bpp))
        continue;
      convert_line (d, from, width);
      vga_put_line (d, frame, stride, y, width);
    }
}
