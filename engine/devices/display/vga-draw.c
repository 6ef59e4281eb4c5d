/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the VGA shows outside the VBE modes: text, planar 16 colours, CGA's 4
 * and 2, and 256 colours, as the CRTC and the attribute controller make it.
 * Specification: IBM VGA Technical Reference, CRT and attribute controllers.
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { CURSOR_OFF = 1 << 5, DOTS_MAX = DISPI_MAX_XRES };

uint32_t
vga_dac_color (const Vga *d, uint8_t index)
{
  const uint8_t *c = d->palette + 3 * (index & d->dac_mask);

  if (d->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC)
    return (uint32_t) c[0] << 16 | (uint32_t) c[1] << 8 | c[2];
  return (uint32_t) (c[0] << 2 | c[0] >> 4) << 16 | (uint32_t) (c[1] << 2 | c[1] >> 4) << 8 | (uint32_t) (c[2] << 2 | c[2] >> 4);
}

/* Attribute controller: 4-bit colours to DAC entries. */
static void
build_palette (const Vga *d, uint32_t colors[16])
{
  for (int i = 0; i < 16; i++)
    {
      uint8_t entry = d->ar[i] & 0x3f, select = d->ar[AR_COLOR_SELECT];

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

  while (first < width && row[first] == d->line[first])
    first++;
  if (first == width)
    return;
  while (row[last] == d->line[last])
    last--;
  memcpy (row + first, d->line + first, sizeof *row * (size_t) (last - first + 1));
  display_damage (d->display, first & ~15, y, ((last | 15) + 1) - (first & ~15), 1);
}

typedef struct
{
  int width, height;      /* dots as shown */
  unsigned scale;         /* dots a pixel: 2 with half the dot clock */
  unsigned columns;       /* characters, or groups of eight dots */
  unsigned pitch;         /* bytes of video memory a row */
  unsigned start;         /* doublewords */
  unsigned max_scan;      /* scan lines a row, less one */
  unsigned doubling;      /* times that each scan line is shown */
  int compare;            /* line of the split */
  unsigned dots;          /* a character's width */
} Geometry;

static void
get_geometry (const Vga *d, Geometry *g)
{
  const uint8_t *cr = d->cr;
  gboolean graphics = d->gr[GR_MISC] & GR_MISC_GRAPHICS;

  g->scale = d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_HALF ? 2 : 1;
  g->dots = graphics || d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_8_DOTS ? 8 : 9;
  g->columns = cr[CR_HDISP] + 1u;
  g->width = (int) MIN (g->columns * g->dots * g->scale, DOTS_MAX);
  g->height = (int) (cr[CR_VDISP] | (cr[CR_OVERFLOW] & 0x02) << 7 | (cr[CR_OVERFLOW] & 0x40) << 3) + 1;
  g->pitch = (unsigned) cr[CR_OFFSET] << 3;
  g->start = (unsigned) cr[CR_START_HIGH] << 8 | cr[CR_START_LOW];
  g->max_scan = cr[CR_MAX_SCAN] & 0x1f;
  g->doubling = cr[CR_MAX_SCAN] & 0x80 ? 2 : 1;
  g->compare = cr[CR_COMPARE] | (cr[CR_OVERFLOW] & 0x10) << 4 | (cr[CR_MAX_SCAN] & 0x40) << 3;
}

static gboolean
is_blank (const Vga *d)
{
  return !(d->ar_index & AR_INDEX_VIDEO) || d->seq[SEQ_CLOCKING] & SEQ_CLOCKING_OFF;
}

/* Where the two fonts lie in plane 2. */
static unsigned
font_offset (const Vga *d, unsigned which)
{
  static const uint16_t maps[8] = { 0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000 };
  uint8_t r = d->seq[SEQ_FONT];

  /* Map B in bits 0, 1 and 4; map A in bits 2, 3 and 5. */
  return which == 0 ? maps[(r & 3) | (r >> 2 & 4)] : maps[(r >> 2 & 3) | (r >> 3 & 4)];
}

/* One scan line of text: row base @base (doublewords), scan line @scan of the cells. */
static void
text_line (Vga *d, const Geometry *g, const uint32_t colors[16], unsigned base, unsigned scan, unsigned pan)
{
  unsigned cursor = (unsigned) d->cr[CR_CURSOR_HIGH] << 8 | d->cr[CR_CURSOR_LOW], x = 0;
  unsigned cursor_first = d->cr[CR_CURSOR_START] & 0x1f, cursor_last = d->cr[CR_CURSOR_END] & 0x1f;
  gboolean cursor_line = !(d->cr[CR_CURSOR_START] & CURSOR_OFF) && scan >= cursor_first && scan <= cursor_last && (d->blink_phase & 1);
  unsigned fonts[2] = { font_offset (d, 0), font_offset (d, 1) };
  gboolean blink_hides = d->blink_phase & 2;
  unsigned limit = (unsigned) g->width / g->scale;
  uint32_t *out = d->line;

  for (unsigned column = 0; x < limit + pan && column <= g->columns; column++)
    {
      uint64_t at = ((uint64_t) (base + column) * 4) & (d->vram_size - 1);
      uint8_t character = d->vram[at], attribute = d->vram[at + 1], bits;
      /* Bit 3 chooses map A when it is set, B else. */
      unsigned font = fonts[attribute & 8 ? 1 : 0];
      uint32_t fore, back;

      bits = d->vram[(((uint64_t) font + character * 32u + scan) * 4 + 2) & (d->vram_size - 1)];
      fore = colors[attribute & 15];
      if (d->ar[AR_MODE] & AR_MODE_BLINK)
        {
          back = colors[attribute >> 4 & 7];
          if (attribute & 0x80 && blink_hides)
            bits = 0;
        }
      else
        back = colors[attribute >> 4];
      if ((attribute & 0x77) == 0x01 && scan == (d->cr[CR_UNDERLINE] & 0x1fu))
        bits = 0xff;
      if (cursor_line && base + column == cursor)
        {
          bits = 0xff;
          back = fore;
        }
      for (unsigned dot = 0; dot < g->dots; dot++, x++)
        {
          gboolean set;

          if (dot < 8)
            set = bits >> (7 - dot) & 1;
          else
            /* The ninth dot repeats the eighth of the line-drawing characters. */
            set = (bits & 1 && d->ar[AR_MODE] & AR_MODE_LINE_GRAPHICS && character >= 0xc0 && character <= 0xdf) || back == fore;
          if (x >= pan && x - pan < limit)
            {
              for (unsigned s = 0; s < g->scale; s++)
                out[(x - pan) * g->scale + s] = set ? fore : back;
            }
        }
    }
}

/* One scan line of graphics from byte address @from. */
static void
graphics_line (Vga *d, const Geometry *g, const uint32_t colors[16], uint64_t from, unsigned pan)
{
  unsigned limit = (unsigned) g->width / g->scale, x = 0, shift = d->gr[GR_MODE] >> 5 & 3;
  uint8_t enabled = d->ar[AR_PLANES] & 15;
  uint32_t *out = d->line;

  for (unsigned group = 0; x < limit + pan && group <= g->columns; group++)
    {
      uint64_t at = (from + (uint64_t) group * 4) & (d->vram_size - 1) & ~(uint64_t) 3;
      const uint8_t *p = d->vram + at;

      if (shift >= 2)
        {
          /* 256 colours: four pixels of two dots, or of one where the attribute controller does not halve the clock. */
          unsigned dots = d->ar[AR_MODE] & AR_MODE_256 ? 2 : 1;

          for (unsigned i = 0; i < 4 * dots; i++, x++)
            {
              if (x >= pan && x - pan < limit)
                {
                  for (unsigned s = 0; s < g->scale; s++)
                    out[(x - pan) * g->scale + s] = vga_dac_color (d, p[i / dots]);
                }
            }
          continue;
        }
      for (unsigned i = 0; i < 8; i++, x++)
        {
          uint8_t color;

          if (shift == 1)
            {
              unsigned pair = 6 - 2 * (i & 3);

              color = (uint8_t) ((p[i / 4] >> pair & 3) | (p[2 + i / 4] >> pair & 3) << 2);
            }
          else
            color = (uint8_t) ((p[0] >> (7 - i) & 1) | (p[1] >> (7 - i) & 1) << 1 | (p[2] >> (7 - i) & 1) << 2 | (p[3] >> (7 - i) & 1) << 3);
          if (x >= pan && x - pan < limit)
            {
              for (unsigned s = 0; s < g->scale; s++)
                out[(x - pan) * g->scale + s] = colors[color & enabled];
            }
        }
    }
}

/* CGA and Hercules: row scan bits stand in for address bits 13 and 14. */
static uint64_t
substitute_rows (const Vga *d, uint64_t address, unsigned scan)
{
  if (!(d->cr[CR_MODE] & 1))
    {
      unsigned bit = 14 + (d->cr[CR_MODE] >> 6 & 1);

      address = (address & ~((uint64_t) 1 << bit)) | (uint64_t) (scan & 1) << bit;
    }
  if (!(d->cr[CR_MODE] & 2))
    address = (address & ~(uint64_t) 0x8000) | (uint64_t) (scan & 2) << 14;
  return address;
}

void
vga_draw (Vga *d)
{
  Geometry g;
  uint32_t colors[16], *frame;
  gboolean graphics = d->gr[GR_MISC] & GR_MISC_GRAPHICS, blank = is_blank (d);
  unsigned base, scan, shown = 0, pan;
  int stride;

  get_geometry (d, &g);
  frame = display_begin_frame (d->display, g.width, g.height, &stride);
  if (frame == NULL)
    return;
  build_palette (d, colors);
  pan = d->ar[AR_PANNING] & 15;
  if (!graphics && g.dots == 9)
    pan = pan == 8 ? 0 : pan + 1;
  else
    pan &= 7;
  base = g.start * 4;
  scan = d->cr[CR_PRESET] & 0x1f;
  for (int y = 0; y < g.height; y++)
    {
      if (blank)
        memset (d->line, 0, sizeof *d->line * (size_t) g.width);
      else if (graphics)
        graphics_line (d, &g, colors, substitute_rows (d, base, scan), pan);
      else
        text_line (d, &g, colors, base / 4, scan, pan);
      vga_put_line (d, frame, stride, y, g.width);

      if (++shown == g.doubling)
        {
          shown = 0;
          if (++scan > g.max_scan || scan > 31)
            {
              scan = 0;
              base += g.pitch;
            }
        }
      if (y == g.compare)
        {
          base = scan = shown = 0;
          if (d->ar[AR_MODE] & AR_MODE_PAN_SPLIT)
            pan = 0;
        }
    }
}

/* Code page 437 in Unicode. */
static const uint16_t cp437_low[32] = {
  0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9, 0x2642, 0x2640, 0x266a, 0x266b, 0x263c,
  0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};

static const uint16_t cp437_high[128] = {
  0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
  0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
  0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
  0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
  0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
  0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
  0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
  0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x0020,
};

static gunichar
unicode_from_cp437 (uint8_t c)
{
  if (c < 0x20)
    return cp437_low[c];
  if (c == 0x7f)
    return 0x2302;
  return c < 0x80 ? c : cp437_high[c - 0x80];
}

char *
vga_text (Vga *d)
{
  Geometry g;
  GString *text;
  unsigned rows;

  if (vga_dispi_enabled (d) || d->gr[GR_MISC] & GR_MISC_GRAPHICS)
    return NULL;
  get_geometry (d, &g);
  rows = (unsigned) g.height / ((g.max_scan + 1) * g.doubling);
  text = g_string_new (NULL);
  for (unsigned row = 0; row < rows; row++)
    {
      gsize end = text->len;

      for (unsigned column = 0; column < g.columns; column++)
        {
          uint64_t at = ((uint64_t) g.start * 4 + (uint64_t) row * g.pitch + (uint64_t) column * 4) & (d->vram_size - 1);

          g_string_append_unichar (text, unicode_from_cp437 (d->vram[at]));
          if (text->str[text->len - 1] != ' ')
            end = text->len;
        }
      g_string_truncate (text, end);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}
