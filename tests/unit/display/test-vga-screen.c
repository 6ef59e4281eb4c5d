/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What text and the VGA's graphics modes look like, pixel by pixel. */

#include "fixture.h"

#include <string.h>

enum { VRAM = 1 << 20, RED = 0xaa0000, BLUE = 0x0000aa, WHITE = 0xffffff, GREY = 0xaaaaaa, BROWN = 0xaa5500 };

/* The blinking goes through four phases of this length; the cursor is on in the second and fourth. */
#define PHASE_NS ((int64_t) 266666667)

static const uint8_t glyph[16] = {
  0x00, 0x18, 0x3c, 0x66, 0xc3, 0xc3, 0xff, 0xff, 0xc3, 0xc3, 0xc3, 0xc3, 0x00, 0x00, 0x81, 0x01
};

typedef struct
{
  int calls, count;
  DisplayRect last[DISPLAY_MAX_RECTS];
} Damage;

static void
on_damaged (void *opaque, const DisplayRect *rects, int count)
{
  Damage *damage = opaque;

  damage->calls++;
  damage->count = count;
  for (int i = 0; i < count; i++)
    damage->last[i] = rects[i];
}

static const DisplayListener listener = { .damaged = on_damaged };

static void
set_up_text (Fixture *f)
{
  fixture_set_up (f, VRAM);
  set_mode (f, 0x03);
  for (unsigned i = 0; i < 80 * 25; i++)
    put_cell (f, (int) i, 0, ' ', 0x07);
  load_glyph (f, 0, 'A', glyph);
  load_glyph (f, 0, 0xcd, glyph);
  set_cr (f, CR_CURSOR_HIGH, 0x07); /* the last cell */
  set_cr (f, CR_CURSOR_LOW, 0xcf);
}

static void
assert_glyph (Fixture *f, int x, int y, uint32_t fore, uint32_t back, gboolean joins)
{
  for (int line = 0; line < 16; line++)
    {
      for (int dot = 0; dot < 9; dot++)
        {
          gboolean set = dot < 8 ? glyph[line] >> (7 - dot) & 1 : joins && glyph[line] & 1;

          g_assert_cmphex (pixel (f, x + dot, y + line), ==, set ? fore : back);
        }
    }
}

static void
test_glyph (void)
{
  Fixture f;

  set_up_text (&f);
  assert_size (&f, 720, 400);
  put_cell (&f, 3, 2, 'A', 0x1f);
  put_cell (&f, 5, 2, 0xcd, 0x46);
  assert_glyph (&f, 27, 32, WHITE, BLUE, FALSE);
  assert_glyph (&f, 45, 32, BROWN, RED, TRUE);
  /* Eight dots. */
  set_seq (&f, SEQ_CLOCKING, SEQ_CLOCKING_8_DOTS);
  assert_size (&f, 640, 400);
  g_assert_cmphex (pixel (&f, 24 + 1, 32 + 4), ==, WHITE);
  g_assert_cmphex (pixel (&f, 24 + 2, 32 + 4), ==, BLUE);
  /* Forty columns with dots of two. */
  set_seq (&f, SEQ_CLOCKING, SEQ_CLOCKING_8_DOTS | SEQ_CLOCKING_HALF);
  set_cr (&f, CR_VSYNC_END, 0x0e); /* unlocks the first registers */
  set_cr (&f, CR_HDISP, 39);
  assert_size (&f, 640, 400);
  g_assert_cmphex (pixel (&f, 48 + 3, 32 + 4), ==, WHITE);
  g_assert_cmphex (pixel (&f, 48 + 4, 32 + 4), ==, BLUE);
  fixture_tear_down (&f);
}

static void
test_two_fonts (void)
{
  Fixture f;
  uint8_t full[16];

  memset (full, 0xff, sizeof full);
  set_up_text (&f);
  load_glyph (&f, 0x2000, 'A', full);
  put_cell (&f, 0, 0, 'A', 0x0f);
  put_cell (&f, 1, 0, 'A', 0x07);
  g_assert_cmphex (pixel (&f, 0, 0), ==, 0);
  /* Map A, for attributes with bit 3, at the fifth place. */
  set_seq (&f, SEQ_FONT, 0x20);
  g_assert_cmphex (pixel (&f, 0, 0), ==, WHITE);
  g_assert_cmphex (pixel (&f, 9, 0), ==, 0);
  set_seq (&f, SEQ_FONT, 0x10);
  g_assert_cmphex (pixel (&f, 0, 0), ==, 0);
  g_assert_cmphex (pixel (&f, 9, 0), ==, GREY);
  fixture_tear_down (&f);
}

static void
test_cursor (void)
{
  Fixture f;
  Damage damage = { 0 };

  set_up_text (&f);
  set_cr (&f, CR_CURSOR_HIGH, 0);
  set_cr (&f, CR_CURSOR_LOW, 82);
  g_assert_cmphex (pixel (&f, 18, 16 + 13), ==, 0);
  display_add_listener (f.display, &listener, &damage);
  clock_set (f.clock, PHASE_NS + 1);
  g_assert_cmphex (pixel (&f, 18, 16 + 12), ==, 0);
  g_assert_cmphex (pixel (&f, 18, 16 + 13), ==, GREY);
  g_assert_cmphex (pixel (&f, 26, 16 + 14), ==, GREY);
  g_assert_cmphex (pixel (&f, 27, 16 + 14), ==, 0);
  g_assert_cmphex (pixel (&f, 18, 16 + 15), ==, 0);
  g_assert_cmpint (damage.calls, ==, 1);
  g_assert_cmpint (damage.count, ==, 1);
  g_assert_cmpint (damage.last[0].x, ==, 18);
  g_assert_cmpint (damage.last[0].y, ==, 16);
  g_assert_cmpint (damage.last[0].width, ==, 9);
  g_assert_cmpint (damage.last[0].height, ==, 16);
  /* It moves. */
  set_cr (&f, CR_CURSOR_LOW, 83);
  g_assert_cmphex (pixel (&f, 18, 16 + 13), ==, 0);
  g_assert_cmphex (pixel (&f, 27, 16 + 13), ==, GREY);
  /* Off by its own bit, or by an end above its start. */
  set_cr (&f, CR_CURSOR_START, 0x2d);
  g_assert_cmphex (pixel (&f, 27, 16 + 13), ==, 0);
  set_cr (&f, CR_CURSOR_START, 0x0f);
  g_assert_cmphex (pixel (&f, 27, 16 + 14), ==, 0);
  clock_set (f.clock, 2 * PHASE_NS + 1);
  g_assert_cmphex (pixel (&f, 27, 16 + 13), ==, 0);
  display_remove_listener (f.display, &damage);
  fixture_tear_down (&f);
}

static void
test_blink (void)
{
  Fixture f;

  set_up_text (&f);
  put_cell (&f, 0, 0, 'A', 0x9f);
  assert_glyph (&f, 0, 0, WHITE, BLUE, FALSE);
  clock_set (f.clock, 2 * PHASE_NS + 2);
  g_assert_cmphex (pixel (&f, 0, 4), ==, BLUE);
  /* Bright backgrounds instead. */
  set_ar (&f, AR_MODE, AR_MODE_LINE_GRAPHICS);
  assert_glyph (&f, 0, 0, WHITE, 0x5555ff, FALSE);
  fixture_tear_down (&f);
}

static void
test_underline (void)
{
  Fixture f;

  set_up_text (&f);
  set_cr (&f, CR_UNDERLINE, 0x0d);
  put_cell (&f, 0, 0, 'A', 0x01);
  put_cell (&f, 1, 0, 'A', 0x02);
  g_assert_cmphex (pixel (&f, 0, 13), ==, BLUE);
  g_assert_cmphex (pixel (&f, 7, 13), ==, BLUE);
  g_assert_cmphex (pixel (&f, 9, 13), ==, 0);
  fixture_tear_down (&f);
}

static void
test_idle (void)
{
  Fixture f;
  Damage damage = { 0 };

  set_up_text (&f);
  display_refresh (f.display);
  display_add_listener (f.display, &listener, &damage);
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 0);
  put_cell (&f, 10, 10, ' ', 0x07);
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 0);
  put_cell (&f, 10, 10, 'A', 0x07);
  put_cell (&f, 11, 10, 'A', 0x07);
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 1);
  g_assert_cmpint (damage.count, ==, 1);
  g_assert_cmpint (damage.last[0].x, ==, 90);
  g_assert_cmpint (damage.last[0].y, ==, 160);
  g_assert_cmpint (damage.last[0].width, ==, 18);
  g_assert_cmpint (damage.last[0].height, ==, 16);
  display_remove_listener (f.display, &damage);
  fixture_tear_down (&f);
}

static void
test_scroll_and_pan (void)
{
  Fixture f;

  set_up_text (&f);
  put_cell (&f, 1, 1, 'A', 0x0f);
  assert_glyph (&f, 9, 16, WHITE, 0, FALSE);
  /* A row up, by the start address. */
  set_cr (&f, CR_START_LOW, 80);
  assert_glyph (&f, 9, 0, WHITE, 0, FALSE);
  /* Two lines up, by the preset. */
  set_cr (&f, CR_START_LOW, 0);
  set_cr (&f, CR_PRESET, 2);
  assert_glyph (&f, 9, 14, WHITE, 0, FALSE);
  /* Three dots left: 8 is none with nine dots, 0 is one. */
  set_cr (&f, CR_PRESET, 0);
  set_ar (&f, AR_PANNING, 2);
  assert_glyph (&f, 6, 16, WHITE, 0, FALSE);
  /* The cell that comes in at the right. */
  put_cell (&f, 80, 1, 'A', 0x0f);
  g_assert_cmphex (pixel (&f, 717, 20), ==, WHITE);
  fixture_tear_down (&f);
}

static void
test_split (void)
{
  Fixture f;

  set_up_text (&f);
  put_cell (&f, 0, 0, 'A', 0x0f);
  put_cell (&f, 0, 1, ' ', 0x70);
  set_cr (&f, CR_START_LOW, 80);
  set_cr (&f, CR_COMPARE, 99);
  set_cr (&f, CR_OVERFLOW, 0x0f);
  set_cr (&f, CR_MAX_SCAN, 0x0f);
  g_assert_cmphex (pixel (&f, 0, 0), ==, GREY);
  g_assert_cmphex (pixel (&f, 0, 16), ==, 0);
  /* The line after the compare shows address 0, from the first line of the glyph. */
  assert_glyph (&f, 0, 100, WHITE, 0, FALSE);
  g_assert_cmphex (pixel (&f, 0, 116), ==, GREY);
  /* Panned above only, or all of it. */
  set_ar (&f, AR_PANNING, 1);
  set_ar (&f, AR_MODE, AR_MODE_LINE_GRAPHICS | AR_MODE_PAN_SPLIT);
  assert_glyph (&f, 0, 100, WHITE, 0, FALSE);
  set_ar (&f, AR_MODE, AR_MODE_LINE_GRAPHICS);
  g_assert_cmphex (pixel (&f, 0, 104), ==, 0);
  fixture_tear_down (&f);
}

static void
test_dump (void)
{
  Fixture f;
  g_autofree char *text = NULL;
  char **lines;

  set_up_text (&f);
  put_cell (&f, 0, 0, 'H', 7);
  put_cell (&f, 2, 0, 'i', 7);
  put_cell (&f, 0, 1, 0xc9, 7);
  put_cell (&f, 1, 1, 0xcd, 7);
  put_cell (&f, 2, 1, 0x00, 7);
  put_cell (&f, 79, 24, 0x01, 7);
  text = display_get_text (f.display);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 26);
  g_assert_cmpstr (lines[0], ==, "H i");
  g_assert_cmpstr (lines[1], ==, "╔═");
  g_assert_cmpstr (lines[2], ==, "");
  g_assert_cmpint (g_utf8_strlen (lines[24], -1), ==, 80);
  g_assert_true (g_str_has_suffix (lines[24], " ☺"));
  g_strfreev (lines);
  set_mode (&f, 0x13);
  g_assert_null (display_get_text (f.display));
  fixture_tear_down (&f);
}

static void
test_mode_13 (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x13);
  assert_size (&f, 640, 400);
  poke (&f, 0xa0000 + 320 * 5 + 7, 4, 1);
  poke (&f, 0xa0000 + 320 * 199 + 319, 15, 1);
  for (int i = 0; i < 4; i++)
    g_assert_cmphex (pixel (&f, 14 + i % 2, 10 + i / 2), ==, RED);
  g_assert_cmphex (pixel (&f, 13, 10), ==, 0);
  g_assert_cmphex (pixel (&f, 16, 10), ==, 0);
  g_assert_cmphex (pixel (&f, 14, 9), ==, 0);
  g_assert_cmphex (pixel (&f, 14, 12), ==, 0);
  g_assert_cmphex (pixel (&f, 639, 399), ==, WHITE);
  /* A new palette entry shows at once; one pixel left is two dots. */
  set_dac (&f, 4, 0, 0, 0x2a);
  g_assert_cmphex (pixel (&f, 14, 10), ==, BLUE);
  set_ar (&f, AR_PANNING, 2);
  g_assert_cmphex (pixel (&f, 12, 10), ==, BLUE);
  fixture_tear_down (&f);
}

static void
test_unchained (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x13);
  set_seq (&f, SEQ_MEMORY_MODE, 0x06);
  set_cr (&f, CR_UNDERLINE, 0x00);
  set_cr (&f, CR_MODE, 0xe3);
  set_seq (&f, SEQ_MAP_MASK, 1 << 3);
  poke (&f, 0xa0000 + 80 * 3 + 2, 4, 1);
  g_assert_cmphex (pixel (&f, 2 * 11, 6), ==, RED);
  g_assert_cmphex (pixel (&f, 2 * 10, 6), ==, 0);
  /* The second page. */
  poke (&f, 0xa0000 + 16000, 1, 1);
  set_cr (&f, CR_START_HIGH, 16000 >> 8);
  set_cr (&f, CR_START_LOW, 16000 & 255);
  g_assert_cmphex (pixel (&f, 6, 0), ==, BLUE);
  /* Rows go on at 0 after 64 KiB of each plane. */
  set_cr (&f, CR_START_HIGH, 0xff);
  set_cr (&f, CR_START_LOW, 0xb0);
  g_assert_cmphex (pixel (&f, 22, 8), ==, RED);
  fixture_tear_down (&f);
}

static void
test_planar (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x12);
  assert_size (&f, 640, 480);
  set_seq (&f, SEQ_MAP_MASK, 4);
  poke (&f, 0xa0000 + 80 * 100 + 10, 0x81, 1);
  set_seq (&f, SEQ_MAP_MASK, 1);
  poke (&f, 0xa0000 + 80 * 100 + 11, 0x40, 1);
  set_seq (&f, SEQ_MAP_MASK, 15);
  poke (&f, 0xa0000 + 80 * 479 + 79, 0x01, 1);
  g_assert_cmphex (pixel (&f, 80, 100), ==, RED);
  g_assert_cmphex (pixel (&f, 81, 100), ==, 0);
  g_assert_cmphex (pixel (&f, 87, 100), ==, RED);
  g_assert_cmphex (pixel (&f, 89, 100), ==, BLUE);
  g_assert_cmphex (pixel (&f, 639, 479), ==, WHITE);
  /* A plane switched off. */
  set_ar (&f, AR_PLANES, 0x0b);
  g_assert_cmphex (pixel (&f, 80, 100), ==, 0);
  set_ar (&f, AR_PLANES, 0x0f);
  /* Three dots left, and then a doubleword. */
  set_ar (&f, AR_PANNING, 3);
  g_assert_cmphex (pixel (&f, 77, 100), ==, RED);
  set_cr (&f, CR_START_LOW, 1);
  g_assert_cmphex (pixel (&f, 69, 100), ==, RED);
  fixture_tear_down (&f);
}

static void
test_cga (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x04);
  assert_size (&f, 640, 400);
  /* Four colours; odd lines 8 KiB on. */
  poke (&f, 0xb8000 + 80 * 3, 0x1b, 1);
  poke (&f, 0xb8000 + 0x2000 + 80 * 3 + 1, 0xc0, 1);
  g_assert_cmphex (pixel (&f, 0, 12), ==, 0);
  g_assert_cmphex (pixel (&f, 2, 12), ==, BLUE);
  g_assert_cmphex (pixel (&f, 4, 13), ==, 0x00aa00);
  g_assert_cmphex (pixel (&f, 7, 13), ==, 0x00aaaa);
  g_assert_cmphex (pixel (&f, 8, 12), ==, 0);
  g_assert_cmphex (pixel (&f, 8, 14), ==, 0x00aaaa);
  g_assert_cmphex (pixel (&f, 10, 14), ==, 0);
  fixture_tear_down (&f);

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x06);
  assert_size (&f, 640, 400);
  poke (&f, 0xb8000 + 80 * 3, 0x01, 1);
  poke (&f, 0xb8000 + 0x2000 + 80 * 3 + 79, 0x02, 1);
  g_assert_cmphex (pixel (&f, 7, 12), ==, BLUE);
  g_assert_cmphex (pixel (&f, 6, 12), ==, 0);
  g_assert_cmphex (pixel (&f, 638, 15), ==, BLUE);
  fixture_tear_down (&f);
}

static void
test_blanking (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x13);
  poke (&f, 0xa0000, 15, 1);
  g_assert_cmphex (pixel (&f, 0, 0), ==, WHITE);
  set_seq (&f, SEQ_CLOCKING, 0x21);
  g_assert_cmphex (pixel (&f, 0, 0), ==, 0);
  set_seq (&f, SEQ_CLOCKING, 0x01);
  g_assert_cmphex (pixel (&f, 0, 0), ==, WHITE);
  in8 (&f, 0x3da);
  out8 (&f, 0x3c0, 0);
  g_assert_cmphex (pixel (&f, 0, 0), ==, 0);
  in8 (&f, 0x3da);
  out8 (&f, 0x3c0, AR_INDEX_VIDEO);
  g_assert_cmphex (pixel (&f, 0, 0), ==, WHITE);
  fixture_tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vga/text/glyph", test_glyph);
  g_test_add_func ("/vga/text/two-fonts", test_two_fonts);
  g_test_add_func ("/vga/text/cursor", test_cursor);
  g_test_add_func ("/vga/text/blink", test_blink);
  g_test_add_func ("/vga/text/underline", test_underline);
  g_test_add_func ("/vga/text/idle", test_idle);
  g_test_add_func ("/vga/text/scroll-and-pan", test_scroll_and_pan);
  g_test_add_func ("/vga/text/split", test_split);
  g_test_add_func ("/vga/text/dump", test_dump);
  g_test_add_func ("/vga/graphics/mode-13", test_mode_13);
  g_test_add_func ("/vga/graphics/unchained", test_unchained);
  g_test_add_func ("/vga/graphics/planar", test_planar);
  g_test_add_func ("/vga/graphics/cga", test_cga);
  g_test_add_func ("/vga/blanking", test_blanking);
  return g_test_run ();
}
