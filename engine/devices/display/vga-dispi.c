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

gboolean
vga_dispi_is_linear (const Vga *d)
{
  return vga_dispi_enabled (d) && d->dispi[DISPI_BPP] != 4;
}

/* 0 with four planes of a bit each. */
static unsigned
bytes_per_pixel (const Vga *d)
{
  return d->dispi[DISPI_BPP] == 4 ? 0 : (d->dispi[DISPI_BPP] + 7u) / 8;
}

/* Bytes of @width pixels side by side. */
static uint64_t
line_bytes (const Vga *d, unsigned width)
{
  return bytes_per_pixel (d) != 0 ? (uint64_t) width * bytes_per_pixel (d) : width / 2;
}

unsigned
vga_dispi_pitch (const Vga *d)
{
  return (unsigned) line_bytes (d, MAX (d->dispi[DISPI_VIRT_WIDTH], d->dispi[DISPI_XRES]));
}

uint64_t
vga_dispi_start (const Vga *d)
{
  uint64_t rows = (uint64_t) d->dispi[DISPI_Y_OFFSET] * vga_dispi_pitch (d);

  return (rows + line_bytes (d, d->dispi[DISPI_X_OFFSET])) & (d->vram_size - 1);
}

uint16_t
vga_dispi_read (Vga *d, unsigned index)
{
  static const uint16_t maxima[] = {
    [DISPI_XRES] = DISPI_MAX_XRES, [DISPI_YRES] = DISPI_MAX_YRES, [DISPI_BPP] = DISPI_MAX_BPP
  };

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
  unsigned xres = d->dispi[DISPI_XRES], yres = d->dispi[DISPI_YRES], bpp = d->dispi[DISPI_BPP];

  return xres >= 8 && xres <= DISPI_MAX_XRES && yres >= 1 && yres <= DISPI_MAX_YRES &&
         (bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32) &&
         line_bytes (d, xres) * yres <= d->vram_size;
}

gboolean
vga_dispi_is_sane (const Vga *d)
{
  if (d->dispi[DISPI_BANK] >= d->vram_size >> 16)
    return FALSE;
  if (!vga_dispi_enabled (d))
    return TRUE;
  return is_valid_mode (d) && (uint64_t) vga_dispi_pitch (d) * d->dispi[DISPI_YRES] <= d->vram_size;
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
      return;
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
      vga_update_mapping (d);
      return;
    case DISPI_VIRT_WIDTH:
      if (value >= d->dispi[DISPI_XRES] && line_bytes (d, value) * d->dispi[DISPI_YRES] <= d->vram_size)
        d->dispi[DISPI_VIRT_WIDTH] = value;
      break;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
      d->dispi[index] = value;
      break;
    default:
      return;
    }
  d->redraw = TRUE;
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

static uint32_t
expand_5 (uint32_t v)
{
  return v << 3 | v >> 2;
}

/* Fills d->line from pixels side by side. */
static void
convert_line (Vga *d, const uint8_t *from, int width, const uint32_t dac[256])
{
  uint32_t *out = d->line;
  /* Where the lower and the upper bytes of a pixel are. */
  unsigned low = d->big_endian ? 1 : 0, high = 1 - low;

  switch (d->dispi[DISPI_BPP])
    {
    case 8:
      for (int x = 0; x < width; x++)
        out[x] = dac[from[x]];
      break;
    case 15:
      for (int x = 0; x < width; x++, from += 2)
        {
          uint32_t v = from[low] | (uint32_t) from[high] << 8;

          out[x] = expand_5 (v >> 10 & 31) << 16 | expand_5 (v >> 5 & 31) << 8 | expand_5 (v & 31);
        }
      break;
    case 16:
      for (int x = 0; x < width; x++, from += 2)
        {
          uint32_t v = from[low] | (uint32_t) from[high] << 8, g = v >> 5 & 63;

          out[x] = expand_5 (v >> 11) << 16 | (g << 2 | g >> 4) << 8 | expand_5 (v & 31);
        }
      break;
    case 24:
      for (int x = 0; x < width; x++, from += 3)
        out[x] = from[2 * low] | (uint32_t) from[1] << 8 | (uint32_t) from[2 * high] << 16;
      break;
    default:
      memcpy (out, from, 4 * (size_t) width);
      for (int x = 0; x < width; x++)
        out[x] = (d->big_endian ? GUINT32_SWAP_LE_BE (out[x]) : out[x]) & 0xffffff;
      break;
    }
}

void
vga_dispi_draw (Vga *d, uint32_t *frame, int stride, gboolean full)
{
  int width = d->dispi[DISPI_XRES], height = d->dispi[DISPI_YRES];
  uint64_t start = vga_dispi_start (d), length = line_bytes (d, (unsigned) width), wrap = d->vram_size - 1;
  unsigned pitch = vga_dispi_pitch (d);
  uint32_t dac[256];

  for (int i = 0; i < 256; i++)
    dac[i] = vga_dac_color (d, (uint8_t) i);
  for (int y = 0; y < height; y++)
    {
      uint64_t from = (start + (uint64_t) y * pitch) & wrap;
      const uint8_t *pixels = d->vram + from;

      if (!full && !vga_is_dirty (d, from, length, wrap))
        continue;
      if (length > d->vram_size - from)
        {
          /* The line goes on at the start of memory. */
          memcpy (d->wrapped, d->vram + from, d->vram_size - from);
          memcpy (d->wrapped + (d->vram_size - from), d->vram, length - (d->vram_size - from));
          pixels = d->wrapped;
        }
      convert_line (d, pixels, width, dac);
      vga_put_line (d, frame, stride, y, width);
    }
}
