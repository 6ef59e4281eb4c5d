/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Graphics modes outside VBE: planar 16 colours, CGA's 4 and 2 with their
 * interleaved lines, 256 colours.
 * Specification: IBM VGA Technical Reference, CRT controller (mode control)
 * and graphics controller (shift registers).
 */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { DOTS = 8, PLANE_BYTES = 4, SCANS = 32 };

/* Eight pixels, the leftmost in byte 0, each bit of @bits in bit 0 of its byte. */
static uint64_t
spread_bits (uint8_t bits)
{
  uint64_t picked = bits * 0x0101010101010101u & 0x0102040810204080u;

  return (picked + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
}

/* The eight pixels of one doubleword of planes as 4-bit colours. */
static uint64_t
unpack (const uint8_t *p, gboolean cga)
{
  uint64_t pixels = 0;

  if (!cga)
    return spread_bits (p[0]) | spread_bits (p[1]) << 1 | spread_bits (p[2]) << 2 | spread_bits (p[3]) << 3;
  /* Planes 0 and 1 follow each other, two bits a pixel; planes 2 and 3 give the upper bits. */
  for (unsigned i = 0; i < DOTS; i++)
    {
      unsigned shift = 6 - 2 * (i & 3);

      pixels |= (uint64_t) ((p[i / 4] >> shift & 3) | (p[2 + i / 4] >> shift & 3) << 2) << (8 * i);
    }
  return pixels;
}

/* Fills d->line with one scan line from byte address @from. */
static void
render_line (Vga *d, const VgaGeometry *g, const uint32_t colors[16], const uint32_t dac[256], uint64_t from,
             unsigned pan)
{
  gboolean is_256 = d->gr[GR_MODE] & GR_MODE_SHIFT_256, cga = d->gr[GR_MODE] & GR_MODE_SHIFT_CGA;
  unsigned limit = ((unsigned) g->width + g->scale - 1) / g->scale + pan;
  /* The attribute controller takes two clocks for a pixel of eight bits, unless told that it has all of it at once. */
  unsigned per_pixel = d->ar[AR_MODE] & AR_MODE_256 ? 2 : 1, dots = is_256 ? PLANE_BYTES * per_pixel : DOTS;
  uint64_t enabled = (d->ar[AR_PLANES] & 15) * 0x0101010101010101u;
  int x = -(int) (pan * g->scale);

  for (unsigned done = 0; done < limit; done += dots, from += PLANE_BYTES)
    {
      const uint8_t *p = d->vram + (from & g->wrap);
      uint64_t pixels = is_256 ? 0 : unpack (p, cga) & enabled;

      for (unsigned i = 0; i < dots; i++)
        {
          uint32_t color = is_256 ? dac[p[i / per_pixel]] : colors[pixels >> (8 * i) & 15];

          for (unsigned s = 0; s < g->scale; s++, x++)
            {
              if (x >= 0 && x < g->width)
                d->line[x] = color;
            }
        }
    }
}

/* CGA and Hercules: bits of the scan line stand in for the CRTC's address bits 13 and 14. */
static uint64_t
substitute_scan (const Vga *d, uint64_t address, unsigned scan)
{
  /* A word of the processor's is a doubleword of planes, so bit 13 lies one higher in word mode, two in byte mode. */
  unsigned bit = d->cr[CR_MODE] & CR_MODE_BYTE ? 15 : 14;

  if (!(d->cr[CR_MODE] & CR_MODE_SCAN0))
    address = (address & ~((uint64_t) 1 << bit)) | (uint64_t) (scan & 1) << bit;
  if (!(d->cr[CR_MODE] & CR_MODE_SCAN1))
    address = (address & ~((uint64_t) 2 << bit)) | (uint64_t) (scan >> 1 & 1) << (bit + 1);
  return address;
}

void
vga_draw_graphics (Vga *d, const VgaGeometry *g, const uint32_t colors[16], uint32_t *frame, int stride, gboolean full)
{
  uint32_t dac[256];
  uint64_t base = g->start + PLANE_BYTES * g->byte_pan, rendered = ~(uint64_t) 0;
  uint64_t length = PLANE_BYTES * ((uint64_t) g->width / g->scale / PLANE_BYTES + 2 + DOTS);
  unsigned scan = g->preset, shown = 0, pan = g->pan;

  for (int i = 0; i < 256; i++)
    dac[i] = vga_dac_color (d, (uint8_t) i);
  for (int y = 0; y < g->height; y++)
    {
      uint64_t from = (vga_dispi_enabled (d) ? base : substitute_scan (d, base, scan)) & g->wrap;

      if (full || vga_is_dirty (d, from, length, g->wrap))
        {
          /* Lines shown twice are made once. */
          if (from != rendered)
            render_line (d, g, colors, dac, from, pan);
          rendered = from;
          vga_put_line (d, frame, stride, y, g->width);
        }
      if (++shown == g->doubling)
        {
          shown = 0;
          if (scan == g->max_scan || ++scan == SCANS)
            {
              scan = 0;
              base += g->pitch;
            }
        }
      if (y == g->compare)
        {
          base = 0;
          scan = shown = 0;
          if (g->pan_split)
            pan = 0;
          rendered = ~(uint64_t) 0;
        }
    }
}
