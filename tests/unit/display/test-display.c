/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scanout: sizes, damage, listeners, pictures. */

#include "engine/devices/display/display.h"

#include <png.h>
#include <string.h>

enum { WIDTH = 320, HEIGHT = 200 };

typedef struct
{
  MachineLock lock;
  Display *display;
  int width, height;
  const DisplayRect *rects;     /* to be damaged at the next refresh */
  int rect_count;
  gboolean was_full;
} Source;

typedef struct
{
  Display *display;
  void *removes;
  int resizes, damages, count;
  DisplayRect rects[DISPLAY_MAX_RECTS];
} Listener;

static void
refresh (void *opaque, gboolean full)
{
  Source *s = opaque;
  int stride;

  s->was_full = full;
  if (display_begin_frame (s->display, s->width, s->height, &stride) == NULL)
    return;
  for (int i = 0; i < s->rect_count; i++)
    display_damage (s->display, s->rects[i].x, s->rects[i].y, s->rects[i].width, s->rects[i].height);
  s->rect_count = 0;
}

static const DisplaySource source_ops = { .refresh = refresh };

static void
on_resized (void *opaque, int width, int height)
{
  ((Listener *) opaque)->resizes++;
}

static void
on_damaged (void *opaque, const DisplayRect *rects, int count)
{
  Listener *l = opaque;

  l->damages++;
  l->count = count;
  memcpy (l->rects, rects, sizeof *rects * (size_t) count);
  if (l->removes != NULL)
    display_remove_listener (l->display, l->removes);
}

static const DisplayListener listener_ops = { .resized = on_resized, .damaged = on_damaged };

static void
set_up (Source *s, Listener *l)
{
  *s = (Source) { .width = WIDTH, .height = HEIGHT };
  *l = (Listener) { 0 };
  machine_lock_init (&s->lock);
  s->display = l->display = display_new (&s->lock);
  display_set_source (s->display, &source_ops, s);
  display_add_listener (s->display, &listener_ops, l);
}

static void
tear_down (Source *s)
{
  display_free (s->display);
  machine_lock_clear (&s->lock);
}

static void
damage (Source *s, const DisplayRect *rects, int count)
{
  s->rects = rects;
  s->rect_count = count;
  display_refresh (s->display);
}

static void
test_sizes (void)
{
  Source s;
  Listener l;
  int width = -1, height, stride;

  set_up (&s, &l);
  g_assert_null (display_lock (s.display, &width, &height, &stride));
  display_unlock (s.display);
  g_assert_cmpint (width, ==, 0);
  display_refresh (s.display);
  g_assert_true (s.was_full);
  g_assert_cmpint (l.resizes, ==, 1);
  g_assert_cmpint (l.damages, ==, 1);
  g_assert_cmpint (l.rects[0].width, ==, WIDTH);
  g_assert_cmpint (l.rects[0].height, ==, HEIGHT);
  display_refresh (s.display);
  g_assert_false (s.was_full);
  g_assert_cmpint (l.damages, ==, 1);
  s.width = WIDTH / 2;
  display_refresh (s.display);
  g_assert_cmpint (l.resizes, ==, 2);
  /* Sizes out of range leave the frame as it was. */
  for (int i = 0; i < 4; i++)
    {
      s.width = (const int[]) { 0, -1, DISPLAY_MAX_WIDTH + 1, 10 }[i];
      s.height = (const int[]) { 10, 10, 10, DISPLAY_MAX_HEIGHT + 1 }[i];
      display_refresh (s.display);
    }
  g_assert_cmpint (l.resizes, ==, 2);
  g_assert_nonnull (display_lock (s.display, &width, &height, &stride));
  display_unlock (s.display);
  g_assert_cmpint (width, ==, WIDTH / 2);
  tear_down (&s);
}

static void
test_merge (void)
{
  Source s;
  Listener l;
  DisplayRect lines[HEIGHT], dots[200];
  const DisplayRect edges[] = {
    { -5, -5, 10, 10 }, { WIDTH - 5, HEIGHT - 5, 50, 50 }, { WIDTH, 0, 5, 5 }, { 0, 0, 0, 9 }
  };

  set_up (&s, &l);
  display_refresh (s.display);
  /* Lines of one block, from the bottom and out of order. */
  for (int i = 0; i < HEIGHT; i++)
    lines[i] = (DisplayRect) { 16, i * 7 % HEIGHT, 64, 1 };
  damage (&s, lines, HEIGHT);
  g_assert_cmpint (l.count, ==, 1);
  g_assert_cmpint (l.rects[0].x, ==, 16);
  g_assert_cmpint (l.rects[0].y, ==, 0);
  g_assert_cmpint (l.rects[0].width, ==, 64);
  g_assert_cmpint (l.rects[0].height, ==, HEIGHT);
  /* Far apart stays apart; outside is clipped away. */
  damage (&s, edges, G_N_ELEMENTS (edges));
  g_assert_cmpint (l.count, ==, 2);
  g_assert_cmpint (l.rects[0].x, ==, 0);
  g_assert_cmpint (l.rects[0].width, ==, 5);
  g_assert_cmpint (l.rects[1].x, ==, WIDTH - 5);
  g_assert_cmpint (l.rects[1].width, ==, 5);
  /* More than fit are covered all the same. */
  for (int i = 0; i < 200; i++)
    dots[i] = (DisplayRect) { i * 37 % 40 * 8, i / 8 * 8, 2, 2 };
  damage (&s, dots, 200);
  g_assert_cmpint (l.count, <=, DISPLAY_MAX_RECTS);
  for (int i = 0; i < 200; i++)
    {
      gboolean covered = FALSE;

      for (int j = 0; j < l.count; j++)
        {
          const DisplayRect *r = &l.rects[j];

          covered |= dots[i].x >= r->x && dots[i].y >= r->y && dots[i].x + 2 <= r->x + r->width &&
                     dots[i].y + 2 <= r->y + r->height;
        }
      g_assert_true (covered);
    }
  tear_down (&s);
}

static void
test_listeners (void)
{
  static const DisplayRect rect = { 0, 0, 1, 1 };
  Source s;
  Listener a, b = { 0 };

  set_up (&s, &a);
  display_add_listener (s.display, &listener_ops, &b);
  display_refresh (s.display);
  g_assert_cmpint (b.damages, ==, 1);
  /* One that another removed is not called any more, not even for this damage. */
  a.removes = &b;
  damage (&s, &rect, 1);
  g_assert_cmpint (a.damages, ==, 2);
  g_assert_cmpint (b.damages, ==, 1);
  /* One may remove itself. */
  a.removes = &a;
  damage (&s, &rect, 1);
  damage (&s, &rect, 1);
  g_assert_cmpint (a.damages, ==, 3);
  tear_down (&s);
}

static void
test_png (void)
{
  Source s;
  Listener l;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) png = NULL, empty = NULL;
  png_image image = { .version = PNG_IMAGE_VERSION };
  g_autofree uint8_t *rgb = NULL;
  uint32_t *pixels;
  int width, height, stride;

  set_up (&s, &l);
  display_refresh (s.display);
  pixels = (uint32_t *) display_lock (s.display, &width, &height, &stride);
  for (int i = 0; i < WIDTH * HEIGHT; i++)
    pixels[i] = (uint32_t) i * 0x010305u & 0xffffff;
  display_unlock (s.display);
  png = display_get_png (s.display, &error);
  g_assert_no_error (error);
  g_assert_true (png_image_begin_read_from_memory (&image, g_bytes_get_data (png, NULL), g_bytes_get_size (png)));
  g_assert_cmpuint (image.width, ==, WIDTH);
  g_assert_cmpuint (image.height, ==, HEIGHT);
  image.format = PNG_FORMAT_RGB;
  rgb = g_malloc (PNG_IMAGE_SIZE (image));
  g_assert_true (png_image_finish_read (&image, NULL, rgb, 0, NULL));
  for (int i = 0; i < WIDTH * HEIGHT; i++)
    {
      uint32_t expected = (uint32_t) i * 0x010305u & 0xffffff;

      g_assert_cmphex ((uint32_t) rgb[3 * i] << 16 | (uint32_t) rgb[3 * i + 1] << 8 | rgb[3 * i + 2], ==, expected);
    }
  tear_down (&s);

  /* Before there is a frame. */
  machine_lock_init (&s.lock);
  s.display = display_new (&s.lock);
  empty = display_get_png (s.display, &error);
  g_assert_no_error (error);
  g_assert_nonnull (empty);
  g_assert_null (display_get_text (s.display));
  tear_down (&s);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/display/sizes", test_sizes);
  g_test_add_func ("/display/merge", test_merge);
  g_test_add_func ("/display/listeners", test_listeners);
  g_test_add_func ("/display/png", test_png);
  return g_test_run ();
}
