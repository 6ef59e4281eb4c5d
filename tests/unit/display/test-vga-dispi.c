/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VBE modes by Bochs' interface, their damage, and the EDID. */

#include "fixture.h"

#include <string.h>

enum { VRAM = 4 << 20 };

typedef struct
{
  int calls, count, width, height;
  DisplayRect last[DISPLAY_MAX_RECTS];
} Damage;

static void
on_resized (void *opaque, int width, int height)
{
  Damage *damage = opaque;

  damage->width = width;
  damage->height = height;
}

static void
on_damaged (void *opaque, const DisplayRect *rects, int count)
{
  Damage *damage = opaque;

  damage->calls++;
  damage->count = count;
  memcpy (damage->last, rects, sizeof *rects * (size_t) count);
}

static const DisplayListener listener = { .resized = on_resized, .damaged = on_damaged };

static void
set_up_vbe (Fixture *f, int width, int height, int bpp)
{
  fixture_set_up (f, VRAM);
  set_mode (f, 0x13);
  set_vbe (f, width, height, bpp);
}

static void
test_registers (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  g_assert_cmphex (get_dispi (&f, DISPI_ID), ==, 0xb0c5);
  set_dispi (&f, DISPI_ID, 0xb0c0);
  g_assert_cmphex (get_dispi (&f, DISPI_ID), ==, 0xb0c0);
  set_dispi (&f, DISPI_ID, 0x1234);
  g_assert_cmphex (get_dispi (&f, DISPI_ID), ==, 0xb0c0);
  set_dispi (&f, DISPI_ENABLE, DISPI_GET_CAPS);
  g_assert_cmpuint (get_dispi (&f, DISPI_XRES), ==, 2560);
  g_assert_cmpuint (get_dispi (&f, DISPI_YRES), ==, 1600);
  g_assert_cmpuint (get_dispi (&f, DISPI_BPP), ==, 32);
  set_dispi (&f, DISPI_ENABLE, 0);
  g_assert_cmpuint (get_dispi (&f, DISPI_MEMORY), ==, VRAM / 65536);
  g_assert_cmpuint (get_dispi (&f, 0x77), ==, 0);
  /* A mode that memory cannot hold is not set, nor is one of no known depth. */
  set_vbe (&f, 2560, 1600, 32);
  g_assert_false (vga_dispi_enabled (f.vga));
  set_vbe (&f, 640, 480, 23);
  g_assert_false (vga_dispi_enabled (f.vga));
  set_vbe (&f, 0, 0, 32);
  g_assert_false (vga_dispi_enabled (f.vga));
  set_vbe (&f, 800, 600, 32);
  g_assert_true (vga_dispi_enabled (f.vga));
  /* A mode is not changed while it is shown. */
  set_dispi (&f, DISPI_XRES, 1024);
  g_assert_cmpuint (get_dispi (&f, DISPI_XRES), ==, 800);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_WIDTH), ==, 800);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_HEIGHT), ==, VRAM / 3200);
  fixture_tear_down (&f);
}

static void
test_depths (void)
{
  static const struct
  {
    int bpp;
    uint32_t value, color;
  } cases[] = {
    { 8, 14, 0xffff55 }, { 15, 0x7c1f, 0xff00ff }, { 15, 0x0210, 0x008484 }, { 16, 0xf81f, 0xff00ff },
    { 16, 0x0410, 0x008284 },
    { 24, 0x123456, 0x123456 }, { 32, 0xff123456, 0x123456 },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Fixture f;
      unsigned bytes = (unsigned) (cases[i].bpp + 7) / 8;
      uint64_t at = (100 * 640 + 33) * bytes;

      set_up_vbe (&f, 640, 480, cases[i].bpp);
      for (unsigned b = 0; b < bytes; b++)
        poke (&f, LFB + at + b, cases[i].value >> (8 * b) & 0xff, 1);
      assert_size (&f, 640, 480);
      g_assert_cmphex (pixel (&f, 33, 100), ==, cases[i].color);
      g_assert_cmphex (pixel (&f, 32, 100), ==, 0);
      g_assert_cmphex (pixel (&f, 34, 100), ==, 0);
      /* The other order of bytes. */
      if (bytes > 1)
        {
          for (unsigned b = 0; b < bytes; b++)
            poke (&f, LFB + at + b, cases[i].value >> (8 * (bytes - 1 - b)) & 0xff, 1);
          poke (&f, MMIO + 0x604, 0xbebebebe, 4);
          g_assert_cmphex (pixel (&f, 33, 100), ==, cases[i].color);
        }
      fixture_tear_down (&f);
    }
}

static void
test_four_bits (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x12);
  set_vbe (&f, 2400, 600, 4);
  assert_size (&f, 2400, 600);
  set_seq (&f, SEQ_MAP_MASK, 4);
  /* Beyond the first bank: 300 bytes a line and plane. */
  set_dispi (&f, DISPI_BANK, 1);
  poke (&f, 0xa0000 + 300 * 500 + 299 - 0x20000 + 0x10000, 0, 1);
  set_dispi (&f, DISPI_BANK, 2);
  poke (&f, 0xa0000 + 300 * 500 + 299 - 0x20000, 0x01, 1);
  g_assert_cmphex (pixel (&f, 2399, 500), ==, 0xaa0000);
  g_assert_cmphex (pixel (&f, 2398, 500), ==, 0);
  set_dispi (&f, DISPI_X_OFFSET, 0);
  set_dispi (&f, DISPI_Y_OFFSET, 100);
  g_assert_cmphex (pixel (&f, 2399, 400), ==, 0xaa0000);
  fixture_tear_down (&f);
}

static void
test_damage (void)
{
  Fixture f;
  Damage damage = { 0 };

  set_up_vbe (&f, 800, 600, 32);
  display_add_listener (f.display, &listener, &damage);
  display_refresh (f.display);
  g_assert_cmpint (damage.width, ==, 800);
  g_assert_cmpint (damage.height, ==, 600);
  g_assert_cmpint (damage.count, ==, 1);
  g_assert_cmpint (damage.last[0].width, ==, 800);
  g_assert_cmpint (damage.last[0].height, ==, 600);
  damage.calls = 0;
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 0);
  for (unsigned y = 0; y < 20; y++)
    poke (&f, LFB + 4 * ((200 + y) * 800 + 320), 0x00ff00, 4);
  poke (&f, LFB + 4 * (500 * 800 + 50), 0x0000ff, 4);
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 1);
  g_assert_cmpint (damage.count, ==, 2);
  g_assert_cmpint (damage.last[0].x, ==, 320);
  g_assert_cmpint (damage.last[0].y, ==, 200);
  g_assert_cmpint (damage.last[0].width, ==, 16);
  g_assert_cmpint (damage.last[0].height, ==, 20);
  g_assert_cmpint (damage.last[1].x, ==, 48);
  g_assert_cmpint (damage.last[1].y, ==, 500);
  g_assert_cmpint (damage.last[1].height, ==, 1);
  /* Writing what is there already, and what is not shown. */
  damage.calls = 0;
  poke (&f, LFB + 4 * (500 * 800 + 50), 0x0000ff, 4);
  poke (&f, LFB + 4 * (700 * 800 + 50), 0x0000ff, 4);
  display_refresh (f.display);
  display_refresh (f.display);
  g_assert_cmpint (damage.calls, ==, 0);
  display_remove_listener (f.display, &damage);
  fixture_tear_down (&f);
}

static void
test_panning (void)
{
  Fixture f;

  set_up_vbe (&f, 640, 400, 16);
  set_dispi (&f, DISPI_VIRT_WIDTH, 1000);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_WIDTH), ==, 1000);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_HEIGHT), ==, VRAM / 2000);
  set_dispi (&f, DISPI_VIRT_WIDTH, 639);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_WIDTH), ==, 1000);
  set_dispi (&f, DISPI_VIRT_WIDTH, 65535);
  g_assert_cmpuint (get_dispi (&f, DISPI_VIRT_WIDTH), ==, 1000);
  poke (&f, LFB + 2 * (1000 * 50 + 700), 0xf800, 2);
  set_dispi (&f, DISPI_X_OFFSET, 100);
  set_dispi (&f, DISPI_Y_OFFSET, 20);
  g_assert_cmphex (pixel (&f, 600, 30), ==, 0xff0000);
  /* The end of memory is followed by its start: the first line that wraps begins 1304 bytes before it. */
  set_dispi (&f, DISPI_X_OFFSET, 0);
  set_dispi (&f, DISPI_Y_OFFSET, VRAM / 2000);
  g_assert_cmphex (VRAM % 2000, ==, 304);
  poke (&f, LFB, 0x001f, 2);
  g_assert_cmphex (pixel (&f, 304 / 2, 0), ==, 0x0000ff);
  set_dispi (&f, DISPI_X_OFFSET, 65535);
  set_dispi (&f, DISPI_Y_OFFSET, 65535);
  display_refresh (f.display);
  fixture_tear_down (&f);
}

static void
test_clear (void)
{
  Fixture f;

  set_up_vbe (&f, 640, 480, 32);
  poke (&f, LFB + 4, 0x123456, 4);
  set_dispi (&f, DISPI_ENABLE, 0);
  set_dispi (&f, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB | DISPI_NO_CLEAR);
  g_assert_cmphex (pixel (&f, 1, 0), ==, 0x123456);
  set_dispi (&f, DISPI_ENABLE, 0);
  set_dispi (&f, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
  g_assert_cmphex (pixel (&f, 1, 0), ==, 0);
  /* Off the air. */
  poke (&f, LFB + 4, 0x123456, 4);
  g_assert_cmphex (pixel (&f, 1, 0), ==, 0x123456);
  in8 (&f, 0x3da);
  out8 (&f, 0x3c0, 0);
  g_assert_cmphex (pixel (&f, 1, 0), ==, 0);
  fixture_tear_down (&f);
}

/* A refresh with any register of any mode stays within its memory. */
static void
test_garbage (void)
{
  Fixture f;

  fixture_set_up (&f, 1 << 20);
  for (int round = 0; round < 300; round++)
    {
      g_autofree char *text = NULL;

      if (g_test_rand_int_range (0, 3) == 0)
        set_vbe (&f, g_test_rand_int_range (0, 1200), g_test_rand_int_range (0, 700), g_test_rand_int_range (0, 5) * 8);
      else
        set_dispi (&f, DISPI_ENABLE, 0);
      for (int i = 0; i < 60; i++)
        {
          uint32_t r = g_test_rand_int ();

          switch (r & 7)
            {
            case 0:
              set_dispi (&f, (uint16_t) (r >> 3 & 15), (uint16_t) (r >> 16));
              break;
            case 1:
              poke (&f, 0xa0000 + (r >> 8) % 0x20000, r, 1);
              break;
            case 2:
              set_ar (&f, (uint8_t) (r >> 3 & 0x1f), (uint8_t) (r >> 16));
              break;
            case 3:
              set_seq (&f, (uint8_t) (r >> 3 & 7), (uint8_t) (r >> 16) & 0xdf);
              break;
            case 4:
              set_gr (&f, (uint8_t) (r >> 3 & 15), (uint8_t) (r >> 16));
              break;
            default:
              set_cr (&f, (uint8_t) ((r >> 3) % CR_COUNT), (uint8_t) (r >> 16));
              break;
            }
        }
      display_refresh (f.display);
      text = display_get_text (f.display);
      g_assert_true (text == NULL || g_utf8_validate (text, -1, NULL));
    }
  fixture_tear_down (&f);
}

static void
assert_edid (const uint8_t *edid, unsigned width, unsigned height)
{
  static const uint8_t header[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
  const uint8_t *timing = edid + 54;
  uint8_t sum = 0;

  for (int i = 0; i < EDID_SIZE; i++)
    sum = (uint8_t) (sum + edid[i]);
  g_assert_cmpuint (sum, ==, 0);
  g_assert_cmpmem (edid, 8, header, 8);
  g_assert_cmpuint (edid[18], ==, 1);
  g_assert_cmpuint (edid[19], ==, 4);
  g_assert_cmpuint (timing[2] | (timing[4] & 0xf0u) << 4, ==, width);
  g_assert_cmpuint (timing[5] | (timing[7] & 0xf0u) << 4, ==, height);
  g_assert_cmpuint (timing[0] | timing[1] << 8, >, 0);
}

static void
test_edid (void)
{
  Fixture f;
  uint8_t edid[EDID_SIZE];

  fixture_set_up (&f, VRAM);
  for (unsigned i = 0; i < EDID_SIZE; i++)
    edid[i] = (uint8_t) peek (&f, MMIO + i, 1);
  assert_edid (edid, 1280, 800);
  g_assert_cmphex (peek (&f, MMIO + 4, 4), ==, 0x00ffffff);
  g_assert_cmphex (peek (&f, MMIO + EDID_SIZE, 4), ==, 0);
  display_set_ui_size (f.display, 1920, 1080);
  for (unsigned i = 0; i < EDID_SIZE; i++)
    edid[i] = (uint8_t) peek (&f, MMIO + i, 1);
  assert_edid (edid, 1920, 1080);
  edid_build (edid, 100000, -5);
  assert_edid (edid, 2560, 480);
  edid_build (edid, 2560, 1600);
  assert_edid (edid, 2560, 1600);
  fixture_tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vga/dispi/registers", test_registers);
  g_test_add_func ("/vga/dispi/depths", test_depths);
  g_test_add_func ("/vga/dispi/four-bits", test_four_bits);
  g_test_add_func ("/vga/dispi/damage", test_damage);
  g_test_add_func ("/vga/dispi/panning", test_panning);
  g_test_add_func ("/vga/dispi/clear", test_clear);
  g_test_add_func ("/vga/dispi/garbage", test_garbage);
  g_test_add_func ("/vga/edid", test_edid);
  return g_test_run ();
}
