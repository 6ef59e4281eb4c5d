/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A refresh: which kind of mode is set, how it is scanned out, and whether
 * there is anything to do.
 * Specification: IBM VGA Technical Reference, CRT and attribute controllers.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { BLINK_NS = 266666667, PAN_9_NONE = 8, DAMAGE_GRAIN = 16 };

uint32_t
vga_dac_color (const Vga *d, uint8_t index)
{
  const uint8_t *entry = d->palette + 3 * (index & d->dac_mask);
  uint32_t color = 0;

  for (int i = 0; i < 3; i++)
    {
      uint8_t c = entry[i];

      if (!(d->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC))
        {
          c &= 0x3f;
          c = (uint8_t) (c << 2 | c >> 4);
        }
      color = color << 8 | c;
    }
  return color;
}

/* Attribute controller: 4-bit colours to DAC entries. */
static void
build_palette (const Vga *d, uint32_t colors[16])
{
  uint8_t select = d->ar[AR_COLOR_SELECT];

  for (int i = 0; i < 16; i++)
    {
      uint8_t entry = d->ar[i] & 0x3f;

      if (d->ar[AR_MODE] & AR_MODE_SELECT)
        entry = (uint8_t) ((entry & 0x0f) | (select & 3) << 4);
      colors[i] = vga_dac_color (d, (uint8_t) (entry | (select & 0x0c) << 4));
    }
}

void
vga_put_line (Vga *d, uint32_t *frame, int stride, int y, int width)
{
  uint32_t *row = frame + (size_t) y * (size_t) stride;
  int first = 0, last = width - 1;

  if (memcmp (row, d->line, sizeof *row * (size_t) width) == 0)
    return;
  while (row[first] == d->line[first])
    first++;
  while (row[last] == d->line[last])
    last--;
  memcpy (row + first, d->line + first, sizeof *row * (size_t) (last - first + 1));
  /* Aligned, so that neighbouring lines become one rectangle. */
  first -= first % DAMAGE_GRAIN;
  last += DAMAGE_GRAIN - last % DAMAGE_GRAIN;
  display_damage (d->display, first, y, last - first, 1);
}

gboolean
vga_is_dirty (const Vga *d, uint64_t from, uint64_t length, uint64_t wrap)
{
  uint64_t pages = wrap >> GUEST_PAGE_SHIFT;

  for (uint64_t page = from >> GUEST_PAGE_SHIFT; page <= (from + length - 1) >> GUEST_PAGE_SHIFT; page++)
    {
      if (d->dirty_pages[page & pages])
        return TRUE;
    }
  return FALSE;
}

/* VBE with 4 bits a pixel: the VGA's planes in a size that its registers cannot say. */
static void
get_dispi_geometry (const Vga *d, VgaGeometry *g)
{
  g->width = d->dispi[DISPI_XRES];
  g->height = d->dispi[DISPI_YRES];
  g->columns = (unsigned) (g->width + 7) / 8;
  g->pitch = vga_dispi_pitch (d) & ~3u;
  g->start = vga_dispi_start (d) & ~(uint64_t) 3;
  g->wrap = d->vram_size - 1;
  g->dots = 8;
  g->scale = g->doubling = 1;
  g->max_scan = 0;
  g->compare = G_MAXINT;
  g->preset = g->byte_pan = 0;
  g->pan = d->dispi[DISPI_X_OFFSET] & 7;
  g->pan_split = FALSE;
}

void
vga_get_geometry (const Vga *d, VgaGeometry *g)
{
  const uint8_t *cr = d->cr;
  gboolean graphics = d->gr[GR_MISC] & GR_MISC_GRAPHICS;
  uint8_t pan = d->ar[AR_PANNING] & 15;

  if (vga_dispi_enabled (d))
    {
      get_dispi_geometry (d, g);
      return;
    }
  g->scale = d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF ? 2 : 1;
  g->dots = graphics || d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8_DOTS ? 8 : 9;
  g->columns = cr[CR_HDISP] + 1u;
  g->width = (int) MIN (g->columns * g->dots * g->scale, DISPI_MAX_XRES);
  g->height = (cr[CR_VDISP] | (cr[CR_OVERFLOW] & 0x02) << 7 | (cr[CR_OVERFLOW] & 0x40) << 3) + 1;
  g->compare = cr[CR_COMPARE] | (cr[CR_OVERFLOW] & 0x10) << 4 | (cr[CR_MAX_SCAN] & 0x40) << 3;
  if (cr[CR_MODE] & CR_MODE_DOUBLE_LINES)
    {
      g->height *= 2;
      g->compare = 2 * g->compare + 1;
    }
  g->pitch = (unsigned) cr[CR_OFFSET] << 3;
  g->start = ((uint64_t) cr[CR_START_HIGH] << 8 | cr[CR_START_LOW]) << 2;
  g->wrap = VGA_MEMORY_SIZE - 1;
  g->max_scan = cr[CR_MAX_SCAN] & 0x1f;
  g->doubling = cr[CR_MAX_SCAN] & CR_MAX_SCAN_DOUBLE ? 2 : 1;
  g->preset = cr[CR_PRESET] & 0x1f;
  g->byte_pan = cr[CR_PRESET] >> 5 & 3;
  /* Characters of nine dots count from 8 (none) over 0 (one) to 7. */
  if (g->dots == 9)
    g->pan = pan >= PAN_9_NONE ? 0 : pan + 1;
  else
    g->pan = pan & 7;
  g->pan_split = d->ar[AR_MODE] & AR_MODE_PAN_SPLIT;
}

/* Finds the pages that were written of those that are shown. */
static gboolean
collect_dirty (Vga *d)
{
  uint64_t first = 0, count = d->vram_size >> GUEST_PAGE_SHIFT;

  if (!vga_dispi_enabled (d))
    count = VGA_MEMORY_SIZE >> GUEST_PAGE_SHIFT;
  else if (vga_dispi_is_linear (d))
    {
      uint64_t start = vga_dispi_start (d), end = start + (uint64_t) vga_dispi_pitch (d) * d->dispi[DISPI_YRES];

      if (end <= d->vram_size)
        {
          first = start >> GUEST_PAGE_SHIFT;
          count = ((end + GUEST_PAGE_SIZE - 1) >> GUEST_PAGE_SHIFT) - first;
        }
    }
  return ram_block_collect_dirty (d->vram_block, first, count, d->dirty_pages + first);
}

static void
draw_blank (Vga *d, uint32_t *frame, int stride, int width, int height)
{
  memset (d->line, 0, sizeof *d->line * (size_t) width);
  for (int y = 0; y < height; y++)
    vga_put_line (d, frame, stride, y, width);
}

void
vga_refresh (Vga *d, gboolean full)
{
  gboolean linear = vga_dispi_is_linear (d), text = !linear && !(d->gr[GR_MISC] & GR_MISC_GRAPHICS);
  gboolean written = collect_dirty (d), blank;
  unsigned phase = (unsigned) (clock_now (d->parent.parent.env.clock) / BLINK_NS) & 3;
  uint32_t *frame, colors[16];
  VgaGeometry g;
  int stride;

  full |= d->redraw;
  if (!full && !written && !d->changed && !(text && phase != d->blink_phase))
    return;
  d->blink_phase = phase;
  if (linear)
    {
      g.width = d->dispi[DISPI_XRES];
      g.height = d->dispi[DISPI_YRES];
    }
  else
    {
      vga_get_geometry (d, &g);
      build_palette (d, colors);
    }
  frame = display_begin_frame (d->display, g.width, g.height, &stride);
  if (frame == NULL)
    {
      d->redraw = TRUE;
      return;
    }
  blank = !(d->ar_index & AR_INDEX_VIDEO) || d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_OFF;
  if (blank)
    draw_blank (d, frame, stride, g.width, g.height);
  else if (linear)
    vga_dispi_draw (d, frame, stride, full);
  else if (text)
    vga_draw_text (d, &g, colors, frame, stride, full || written || d->fonts_changed);
  else
    vga_draw_graphics (d, &g, colors, frame, stride, full);
  d->redraw = d->changed = d->fonts_changed = FALSE;
  memset (d->dirty_pages, 0, d->vram_size >> GUEST_PAGE_SHIFT);
}
