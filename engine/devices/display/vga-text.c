/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text modes: glyphs from plane 2, blinking, underline, the cursor.
 * Specification: IBM VGA Technical Reference, attribute controller and
 * character map select register.
 *
 * The screen is a stack of bands, each a row of cells or the part of one that
 * panning and the split leave. What a cell showed when it was drawn is kept, so
 * that only cells which differ are drawn again.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum
{
  CURSOR_OFF = 1 << 5, CURSOR_SKEW_SHIFT = 5, SCAN_MASK = 0x1f, GLYPH_SIZE = 32, FONT_PLANE = 2,
  ATTRIBUTE_BLINK = 1 << 7, ATTRIBUTE_FONT = 1 << 3, ATTRIBUTE_UNDERLINE_MASK = 0x77, ATTRIBUTE_UNDERLINE = 0x01,
  LINE_GRAPHICS_FIRST = 0xc0, LINE_GRAPHICS_LAST = 0xdf,
  PHASE_CURSOR = 1 << 0, PHASE_HIDES = 1 << 1
};

/* A cell as drawn: character, attribute << 8, and these. 0 was never drawn. */
enum { CELL_CURSOR = 1 << 16, CELL_HIDDEN = 1 << 17, CELL_DRAWN = 1 << 18 };

typedef struct
{
  const VgaGeometry *g;
  const uint32_t *colors;
  uint32_t *frame;
  int stride;
  unsigned fonts[2];
  gboolean cursor_shown;
  uint64_t cursor;              /* byte address */
  unsigned cursor_first, cursor_last, underline;
  gboolean blinks, line_graphics;
} Text;

typedef struct
{
  int y, lines;
  unsigned scan;                /* line of the row that the first one shows */
  uint64_t base;                /* byte address of the first cell */
  unsigned pan;
} Band;

/* Where in plane 2 the two fonts lie: map A in bits 2, 3 and 5 of the register, map B in 0, 1 and 4. */
static void
find_fonts (const Vga *d, unsigned fonts[2])
{
  static const uint16_t maps[8] = { 0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000 };
  uint8_t r = d->seq[SEQ_FONT];

  fonts[0] = maps[(r & 3) | (r >> 2 & 4)];
  fonts[1] = maps[(r >> 2 & 3) | (r >> 3 & 4)];
}

static void
draw_cell (const Vga *d, const Text *t, const Band *band, unsigned column, uint32_t cell)
{
  const VgaGeometry *g = t->g;
  uint8_t character = (uint8_t) cell, attribute = (uint8_t) (cell >> 8);
  unsigned font = t->fonts[attribute & ATTRIBUTE_FONT ? 1 : 0];
  const uint8_t *glyph = d->vram + 4 * (font + (unsigned) character * GLYPH_SIZE) + FONT_PLANE;
  uint32_t fore = t->colors[attribute & 15], back = t->colors[t->blinks ? attribute >> 4 & 7 : attribute >> 4];
  gboolean underlined = (attribute & ATTRIBUTE_UNDERLINE_MASK) == ATTRIBUTE_UNDERLINE;
  gboolean joins = t->line_graphics && character >= LINE_GRAPHICS_FIRST && character <= LINE_GRAPHICS_LAST;
  int x = ((int) (column * g->dots) - (int) band->pan) * (int) g->scale, first = MAX (-x, 0);
  int last = MIN ((int) (g->dots * g->scale), g->width - x);
  unsigned scan = band->scan, shown = 0;

  for (int i = 0; i < band->lines; i++)
    {
      uint32_t *out = t->frame + (size_t) (band->y + i) * (size_t) t->stride;
      unsigned bits = glyph[4 * (scan & SCAN_MASK)];

      if (cell & CELL_HIDDEN)
        bits = 0;
      if (underlined && scan == t->underline)
        bits = 0xff;
      /* The ninth dot is background, or repeats the eighth of the line-drawing characters. */
      bits = bits << 1 | (joins ? bits & 1 : 0);
      if (cell & CELL_CURSOR && scan >= t->cursor_first && scan <= t->cursor_last)
        bits = 0x1ff;
      for (int dot = first; dot < last; dot++)
        out[x + dot] = bits >> (8 - (unsigned) dot / g->scale) & 1 ? fore : back;
      if (++shown == g->doubling)
        {
          shown = 0;
          scan++;
        }
    }
}

static uint32_t
look_at_cell (const Vga *d, const Text *t, uint64_t at)
{
  uint32_t cell = d->vram[at] | (uint32_t) d->vram[at + 1] << 8 | CELL_DRAWN;

  if (t->blinks && d->vram[at + 1] & ATTRIBUTE_BLINK && d->blink_phase & PHASE_HIDES)
    cell |= CELL_HIDDEN;
  if (t->cursor_shown && at == t->cursor)
    cell |= CELL_CURSOR;
  return cell;
}

/* Draws the cells of @band that differ from @drawn. */
static void
draw_band (Vga *d, const Text *t, const Band *band, uint32_t *drawn)
{
  const VgaGeometry *g = t->g;
  unsigned run = 0;
  int cell_width = (int) (g->dots * g->scale), left = (int) (band->pan * g->scale);

  for (unsigned column = 0; column <= g->columns + 1; column++)
    {
      gboolean differs = FALSE;

      if (column <= g->columns)
        {
          uint32_t cell = look_at_cell (d, t, (band->base + 4 * (uint64_t) column) & g->wrap);

          differs = cell != drawn[column];
          if (differs)
            {
              drawn[column] = cell;
              draw_cell (d, t, band, column, cell);
              run++;
            }
        }
      if (!differs && run > 0)
        {
          display_damage (d->display, (int) (column - run) * cell_width - left, band->y, (int) run * cell_width,
                          band->lines);
          run = 0;
        }
    }
}

static void
prepare (const Vga *d, Text *t)
{
  const uint8_t *cr = d->cr;

  find_fonts (d, t->fonts);
  t->cursor_shown = !(cr[CR_CURSOR_START] & CURSOR_OFF) && d->blink_phase & PHASE_CURSOR;
  t->cursor = (uint64_t) cr[CR_CURSOR_HIGH] << 8 | cr[CR_CURSOR_LOW];
  t->cursor += cr[CR_CURSOR_END] >> CURSOR_SKEW_SHIFT & 3;
  t->cursor = t->cursor << 2 & t->g->wrap;
  t->cursor_first = cr[CR_CURSOR_START] & SCAN_MASK;
  t->cursor_last = cr[CR_CURSOR_END] & SCAN_MASK;
  t->underline = cr[CR_UNDERLINE] & SCAN_MASK;
  t->blinks = d->ar[AR_MODE] & AR_MODE_BLINK;
  t->line_graphics = d->ar[AR_MODE] & AR_MODE_LINE_GRAPHICS;
}

void
vga_draw_text (Vga *d, const VgaGeometry *g, const uint32_t colors[16], uint32_t *frame, int stride, gboolean full)
{
  Text t = { .g = g, .colors = colors, .frame = frame, .stride = stride };
  Band band = { .scan = g->preset, .base = g->start + 4u * g->byte_pan, .pan = g->pan };
  /* A band has a line at least, and panning shows a part of one cell more. */
  size_t row_cells = g->columns + 1, needed = row_cells * (size_t) g->height, at = 0;
  gboolean split = FALSE;

  prepare (d, &t);
  if (d->cell_count < needed)
    {
      d->cells = g_renew (uint32_t, d->cells, needed);
      d->cell_count = needed;
      full = TRUE;
    }
  if (full)
    memset (d->cells, 0, needed * sizeof *d->cells);
  while (band.y < g->height)
    {
      unsigned scans = band.scan <= g->max_scan ? g->max_scan + 1 - band.scan : SCAN_MASK + 1 - band.scan;

      band.lines = MIN ((int) (scans * g->doubling), g->height - band.y);
      if (!split && g->compare >= band.y && g->compare < band.y + band.lines)
        {
          band.lines = g->compare + 1 - band.y;
          split = TRUE;
        }
      draw_band (d, &t, &band, d->cells + at);
      at += row_cells;
      band.y += band.lines;
      band.scan = 0;
      band.base += g->pitch;
      if (split && band.y == g->compare + 1)
        {
          band.base = 0;
          if (g->pan_split)
            band.pan = 0;
        }
    }
}
