/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the guest's screen goes, and how it is scaled. */

#include "engine/devices/input/input.h"
#include "ui/display-layout.h"
#include "ui/display-scaler.h"

#include <string.h>

static void
assert_layout (DisplayScaleMode mode, int view_width, int view_height, int source_width, int source_height,
               int device_scale, int x, int y, int width, int height)
{
  DisplayLayout layout;

  display_layout_compute (&layout, mode, view_width, view_height, source_width, source_height, device_scale);
  g_assert_cmpint (layout.x, ==, x);
  g_assert_cmpint (layout.y, ==, y);
  g_assert_cmpint (layout.width, ==, width);
  g_assert_cmpint (layout.height, ==, height);
}

static void
test_layout (void)
{
  /* Fits exactly, grows by a fraction, shrinks, and is centred in the longer direction. */
  assert_layout (DISPLAY_SCALE_FIT, 640, 480, 640, 480, 1, 0, 0, 640, 480);
  assert_layout (DISPLAY_SCALE_FIT, 960, 800, 640, 480, 1, 0, 40, 960, 720);
  assert_layout (DISPLAY_SCALE_FIT, 320, 300, 640, 480, 1, 0, 30, 320, 240);
  /* Whole factors only, but smaller than one where there is no room. */
  assert_layout (DISPLAY_SCALE_INTEGER, 1900, 1000, 640, 480, 1, 310, 20, 1280, 960);
  assert_layout (DISPLAY_SCALE_INTEGER, 320, 240, 640, 480, 1, 0, 0, 320, 240);
  /* A guest pixel is a logical one: two device pixels on a dense screen; overflowing ends at the left. */
  assert_layout (DISPLAY_SCALE_NATIVE, 2000, 2000, 640, 480, 2, 360, 520, 1280, 960);
  assert_layout (DISPLAY_SCALE_NATIVE, 100, 100, 640, 480, 1, 0, 0, 640, 480);
  /* Nothing to show. */
  assert_layout (DISPLAY_SCALE_FIT, 0, 480, 640, 480, 1, 0, 0, 0, 0);
  assert_layout (DISPLAY_SCALE_FIT, 640, 480, 0, 0, 1, 0, 0, 0, 0);
}

static void
test_positions (void)
{
  DisplayLayout layout;
  int x, y;

  display_layout_compute (&layout, DISPLAY_SCALE_FIT, 1280, 1000, 640, 480, 1);
  g_assert_true (display_layout_to_source (&layout, 0, 20, &x, &y));
  g_assert_cmpint (x, ==, 0);
  g_assert_cmpint (y, ==, 0);
  g_assert_true (display_layout_to_source (&layout, 1279.9, 979.9, &x, &y));
  g_assert_cmpint (x, ==, 639);
  g_assert_cmpint (y, ==, 479);
  /* Beside the screen: its edge. */
  g_assert_true (display_layout_to_source (&layout, -50, 5000, &x, &y));
  g_assert_cmpint (x, ==, 0);
  g_assert_cmpint (y, ==, 479);

  /* A guest that multiplies by its width gets every pixel back. */
  display_layout_compute (&layout, DISPLAY_SCALE_FIT, 1366, 768, 1366, 768, 1);
  for (int pixel = 0; pixel < 1366; pixel++)
    {
      g_assert_true (display_layout_to_absolute (&layout, pixel + 0.5, 0.5, &x, &y));
      g_assert_cmpint (x, >=, 0);
      g_assert_cmpint (x, <=, INPUT_ABS_MAX);
      g_assert_cmpint (x * 1366 / (INPUT_ABS_MAX + 1), ==, pixel);
    }

  display_layout_compute (&layout, DISPLAY_SCALE_FIT, 0, 0, 640, 480, 1);
  g_assert_false (display_layout_to_absolute (&layout, 1, 1, &x, &y));
}

static void
test_damage (void)
{
  DisplayLayout layout;
  DisplayRect area;

  display_layout_compute (&layout, DISPLAY_SCALE_FIT, 640, 480, 640, 480, 1);
  area = display_layout_damage (&layout, &(DisplayRect) { 10, 20, 30, 40 });
  g_assert_cmpmem (&area, sizeof area, (&(DisplayRect) { 10, 20, 30, 40 }), sizeof area);

  /* Scaled: a pixel more all around, and within the picture. */
  display_layout_compute (&layout, DISPLAY_SCALE_FIT, 1280, 960, 640, 480, 1);
  area = display_layout_damage (&layout, &(DisplayRect) { 10, 20, 30, 40 });
  g_assert_cmpmem (&area, sizeof area, (&(DisplayRect) { 18, 38, 64, 84 }), sizeof area);
  area = display_layout_damage (&layout, &(DisplayRect) { 0, 0, 640, 480 });
  g_assert_cmpmem (&area, sizeof area, (&(DisplayRect) { 0, 0, 1280, 960 }), sizeof area);
}

static void
fill (uint32_t *pixels, int width, int height, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (int i = 0; i < width * height; i++)
    pixels[i] = g_rand_int (rand) & 0xffffff;
}

static void
test_scale_exact (void)
{
  enum { W = 17, H = 9 };
  uint32_t source[W * H], target[W * 3 * H * 3];
  g_autoptr (DisplayScaler) same = display_scaler_new (W, H, W, H);
  g_autoptr (DisplayScaler) triple = display_scaler_new (W, H, W * 3, H * 3);

  fill (source, W, H, 1);
  display_scaler_run (same, source, W, 0, 0, W, H, target, W);
  for (int i = 0; i < W * H; i++)
    g_assert_cmphex (target[i], ==, (source[i] | 0xff000000));

  /* A part that begins and ends within pixels. */
  display_scaler_run (triple, source, W, 4, 5, 31, 20, target, 31);
  for (int y = 0; y < 20; y++)
    for (int x = 0; x < 31; x++)
      g_assert_cmphex (target[y * 31 + x], ==, (source[(y + 5) / 3 * W + (x + 4) / 3] | 0xff000000));
}

/* Flat colour stays as it is under every factor, and parts equal the whole. */
static void
test_scale_smooth (void)
{
  static const int sizes[][4] = {
    { 40, 30, 61, 47 }, { 40, 30, 23, 11 }, { 40, 30, 80, 45 }, { 40, 30, 39, 29 }, { 7, 5, 500, 3 }, { 1, 1, 9, 9 },
    { 200, 100, 1, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      int from_w = sizes[i][0], from_h = sizes[i][1], w = sizes[i][2], h = sizes[i][3];
      g_autofree uint32_t *source = g_new (uint32_t, from_w * from_h);
      g_autofree uint32_t *whole = g_new (uint32_t, w * h), *part = g_new (uint32_t, w * h);
      g_autoptr (DisplayScaler) scaler = display_scaler_new (from_w, from_h, w, h);

      for (int j = 0; j < from_w * from_h; j++)
        source[j] = 0x12fe80;
      display_scaler_run (scaler, source, from_w, 0, 0, w, h, whole, w);
      for (int j = 0; j < w * h; j++)
        g_assert_cmphex (whole[j], ==, 0xff12fe80);

      fill (source, from_w, from_h, i);
      display_scaler_run (scaler, source, from_w, 0, 0, w, h, whole, w);
      for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x += 5)
          display_scaler_run (scaler, source, from_w, x, y, MIN (5, w - x), 1, part + y * w + x, w);
      g_assert_cmpmem (part, sizeof (uint32_t) * w * h, whole, sizeof (uint32_t) * w * h);
    }
}

static void
test_scale_average (void)
{
  uint32_t source[] = { 0x000000, 0xffffff, 0x000000, 0xffffff }, target[2];
  g_autoptr (DisplayScaler) scaler = display_scaler_new (4, 1, 2, 1);

  /* Half black, half white. */
  display_scaler_run (scaler, source, 4, 0, 0, 2, 1, target, 2);
  g_assert_cmphex (target[0], ==, 0xff808080);
  g_assert_cmphex (target[1], ==, 0xff808080);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/display/layout", test_layout);
  g_test_add_func ("/ui/display/positions", test_positions);
  g_test_add_func ("/ui/display/damage", test_damage);
  g_test_add_func ("/ui/display/scale-exact", test_scale_exact);
  g_test_add_func ("/ui/display/scale-smooth", test_scale_smooth);
  g_test_add_func ("/ui/display/scale-average", test_scale_average);
  return g_test_run ();
}
