/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The display view: what it draws, how much of it, and what reaches the guest of keyboard and mouse. */

#include "tests/ui/ui-test.h"

#include "ui/display-tiles.h"
#include "ui/display-view.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum { WIDTH = 600, HEIGHT = 400 };

/* A guest whose screen is one colour with a mark that can move. */
typedef struct
{
  MachineLock lock;
  Display *display;
  Input *input;
  int width, height;
  int mark;                     /* -1: all is new */
  gboolean changed, absolute;
  GString *log;                 /* what the guest's devices got */
  GtkWidget *window, *view;
} Guest;

static void
guest_refresh (void *opaque, gboolean full)
{
  Guest *guest = opaque;
  int stride;
  uint32_t *pixels = display_begin_frame (guest->display, guest->width, guest->height, &stride);

  if (!guest->changed && !full)
    return;
  guest->changed = FALSE;
  if (guest->mark < 0 || full)
    {
      for (int y = 0; y < guest->height; y++)
        for (int x = 0; x < guest->width; x++)
          pixels[y * stride + x] = (x / 20 + y / 20) % 2 ? 0x204080 : 0x3060c0;
      display_damage (guest->display, 0, 0, guest->width, guest->height);
    }
  else
    {
      for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
          pixels[y * stride + guest->mark + x] = 0xffff00;
      display_damage (guest->display, guest->mark, 0, 8, 8);
    }
}

static const DisplaySource source = { .refresh = guest_refresh };

static void
on_key (void *opaque, unsigned code, gboolean down)
{
  g_string_append_printf (((Guest *) opaque)->log, "%s%u ", down ? "+" : "-", code);
}

static void
on_relative (void *opaque, int dx, int dy, int wheel)
{
  if (wheel != 0)
    g_string_append_printf (((Guest *) opaque)->log, "wheel%d ", wheel);
  else
    g_string_append (((Guest *) opaque)->log, "rel ");
}

static void
on_absolute (void *opaque, int x, int y, int wheel)
{
  if (wheel != 0)
    g_string_append_printf (((Guest *) opaque)->log, "wheel%d ", wheel);
  else
    g_string_append_printf (((Guest *) opaque)->log, "abs%d,%d ", x * WIDTH / 65536, y * HEIGHT / 65536);
}

static void
on_button (void *opaque, InputButton button, gboolean down)
{
  g_string_append_printf (((Guest *) opaque)->log, "%sbutton%d ", down ? "+" : "-", button);
}

static gboolean
is_absolute (void *opaque)
{
  return ((Guest *) opaque)->absolute;
}

static const InputSink sink = { .key = on_key };
static const InputSink mouse_sink = { .relative = on_relative, .button = on_button };
static const InputSink tablet_sink
    = { .absolute = on_absolute, .button = on_button, .absolute_active = is_absolute };

static void
set_up (Guest *guest, gconstpointer data)
{
  machine_lock_init (&guest->lock);
  guest->display = display_new (&guest->lock);
  guest->input = input_new (&guest->lock);
  guest->width = WIDTH;
  guest->height = HEIGHT;
  guest->mark = -1;
  guest->changed = TRUE;
  guest->log = g_string_new (NULL);
  display_set_source (guest->display, &source, guest);
  input_add_sink (guest->input, &sink, guest);
  input_add_sink (guest->input, &mouse_sink, guest);
  input_add_sink (guest->input, &tablet_sink, guest);

  guest->window = gtk_window_new ();
  guest->view = bunshin_display_view_new ();
  gtk_window_set_child (GTK_WINDOW (guest->window), guest->view);
  gtk_window_set_default_size (GTK_WINDOW (guest->window), WIDTH, HEIGHT);
  bunshin_display_view_set_machine (BUNSHIN_DISPLAY_VIEW (guest->view), guest->display, guest->input);
  gtk_window_present (GTK_WINDOW (guest->window));
  test_settle ();
  gtk_widget_grab_focus (guest->view);
}

static void
tear_down (Guest *guest, gconstpointer data)
{
  test_destroy_windows ();
  input_free (guest->input);
  display_free (guest->display);
  machine_lock_clear (&guest->lock);
  g_string_free (guest->log, TRUE);
}

/* --- Drawing --- */

/* What the view draws, as pixels. */
static GdkTexture *
render (Guest *guest)
{
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (guest->view);
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  GskRenderer *renderer = gtk_native_get_renderer (gtk_widget_get_native (guest->view));
  int width = gtk_widget_get_width (guest->view), height = gtk_widget_get_height (guest->view);

  gdk_paintable_snapshot (paintable, snapshot, width, height);
  node = gtk_snapshot_free_to_node (snapshot);
  return gsk_renderer_render_texture (renderer, node, &GRAPHENE_RECT_INIT (0, 0, width, height));
}

static uint32_t
pixel_at (GdkTexture *texture, int x, int y)
{
  int width = gdk_texture_get_width (texture), height = gdk_texture_get_height (texture);
  g_autofree uint32_t *pixels = g_new (uint32_t, (gsize) width * height);

  gdk_texture_download (texture, (guchar *) pixels, (gsize) width * 4);
  return pixels[y * width + x] & 0xffffff;
}

static void
test_draws (Guest *guest, gconstpointer data)
{
  g_autoptr (GdkTexture) texture = render (guest);
  int width, height;

  bunshin_display_view_get_guest_size (BUNSHIN_DISPLAY_VIEW (guest->view), &width, &height);
  g_assert_cmpint (width, ==, WIDTH);
  g_assert_cmpint (height, ==, HEIGHT);
  g_assert_cmphex (pixel_at (texture, 5, 5), ==, 0x3060c0);
  g_assert_cmphex (pixel_at (texture, 25, 5), ==, 0x204080);
  g_assert_cmphex (pixel_at (texture, WIDTH - 1, HEIGHT - 1), ==, 0x3060c0);
}

static void
test_follows_changes (Guest *guest, gconstpointer data)
{
  g_autoptr (GdkTexture) before = render (guest), after = NULL;

  guest->mark = 100;
  guest->changed = TRUE;
  /* The view looks by itself. */
  test_wait_until (!guest->changed);
  test_settle ();
  after = render (guest);
  g_assert_cmphex (pixel_at (before, 103, 3), !=, 0xffff00);
  g_assert_cmphex (pixel_at (after, 103, 3), ==, 0xffff00);
  g_assert_cmphex (pixel_at (after, 109, 3), !=, 0xffff00);
}

static void
test_new_mode (Guest *guest, gconstpointer data)
{
  int width, height;

  guest->width = 320;
  guest->height = 200;
  guest->mark = -1;
  guest->changed = TRUE;
  test_wait_until ((bunshin_display_view_get_guest_size (BUNSHIN_DISPLAY_VIEW (guest->view), &width, &height),
                    width == 320));
  g_assert_cmpint (height, ==, 200);
  test_settle ();
  {
    /* Scaled 1.875 times, and centred: bars above and below. */
    g_autoptr (GdkTexture) texture = render (guest);

    g_assert_cmphex (pixel_at (texture, WIDTH / 2, 2), ==, 0x000000);
    g_assert_cmphex (pixel_at (texture, 5, 40), !=, 0x000000);
  }
}

static void
test_scale_modes (Guest *guest, gconstpointer data)
{
  BunshinDisplayView *view = BUNSHIN_DISPLAY_VIEW (guest->view);
  int minimum;

  bunshin_display_view_set_scale_mode (view, DISPLAY_SCALE_NATIVE);
  gtk_widget_measure (guest->view, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
  g_assert_cmpint (minimum, ==, WIDTH);
  bunshin_display_view_set_scale_mode (view, DISPLAY_SCALE_FIT);
  gtk_widget_measure (guest->view, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
  g_assert_cmpint (minimum, <, WIDTH);
}

/* Only what changed becomes new textures. */
static void
test_tiles (Guest *guest, gconstpointer data)
{
  DisplayTiles *tiles = display_tiles_new ();
  DisplayLayout layout;
  guint64 all;
  GtkSnapshot *snapshot = gtk_snapshot_new ();

  display_layout_compute (&layout, DISPLAY_SCALE_FIT, WIDTH * 2, HEIGHT * 2, WIDTH, HEIGHT, 1);
  display_tiles_set_layout (tiles, &layout);
  display_tiles_snapshot (tiles, snapshot, guest->display, 1);
  all = display_tiles_get_uploads (tiles);
  g_assert_cmpuint (all, ==, 5 * 4);
  display_tiles_snapshot (tiles, snapshot, guest->display, 1);
  g_assert_cmpuint (display_tiles_get_uploads (tiles), ==, all);
  g_assert_true (display_tiles_damage (tiles, &(DisplayRect) { 10, 10, 8, 8 }, 1));
  g_assert_false (display_tiles_damage (tiles, &(DisplayRect) { 20, 10, 8, 8 }, 1));
  display_tiles_snapshot (tiles, snapshot, guest->display, 1);
  g_assert_cmpuint (display_tiles_get_uploads (tiles), ==, all + 1);
  /* More rectangles than there is room for: everything. */
  for (int i = 0; i < DISPLAY_MAX_RECTS + 1; i++)
    display_tiles_damage (tiles, &(DisplayRect) { 0, 0, 1, 1 }, 1);
  display_tiles_snapshot (tiles, snapshot, guest->display, 1);
  g_assert_cmpuint (display_tiles_get_uploads (tiles), ==, all + 1 + all);
  g_object_unref (snapshot);
  display_tiles_free (tiles);
}

/* --- Keyboard and mouse, from the X server on --- */

static gboolean
focus (Guest *guest)
{
  if (!test_has_hands ())
    return FALSE;
  test_xdotool ("mousemove", "300", "200", NULL);
  test_focus_window (guest->window);
  gtk_widget_grab_focus (guest->view);
  g_string_truncate (guest->log, 0);
  return TRUE;
}

/* Waits until the devices got just this, and forgets it. */
static void
expect (Guest *guest, const char *events)
{
  test_wait_until (g_str_equal (guest->log->str, events) || !g_str_has_prefix (events, guest->log->str));
  g_assert_cmpstr (guest->log->str, ==, events);
  g_string_truncate (guest->log, 0);
}

static void
test_keyboard (Guest *guest, gconstpointer data)
{
  if (!focus (guest))
    return;
  test_xdotool ("key", "a", NULL);
  expect (guest, "+30 -30 ");
  test_xdotool ("key", "Left", "F10", "Tab", NULL);
  expect (guest, "+105 -105 +68 -68 +15 -15 ");
  /* A key that is down when the focus goes is let go. */
  test_xdotool ("keydown", "shift", NULL);
  expect (guest, "+42 ");
  bunshin_display_view_let_go (BUNSHIN_DISPLAY_VIEW (guest->view));
  expect (guest, "-42 ");
  test_xdotool ("keyup", "shift", NULL);
}

static void
on_command (BunshinDisplayView *view, guint code, gpointer data)
{
  *(guint *) data = code;
}

static void
test_host_key (Guest *guest, gconstpointer data)
{
  BunshinDisplayView *view = BUNSHIN_DISPLAY_VIEW (guest->view);
  guint command = 0;

  if (!focus (guest))
    return;
  g_signal_connect (view, "command", G_CALLBACK (on_command), &command);
  test_xdotool ("keydown", TEST_HOST_KEY, "key", "41", "keyup", TEST_HOST_KEY, NULL);
  test_wait_until (command == KEY_F);
  /* The guest got nothing of it: its next event is this. */
  test_xdotool ("key", "a", NULL);
  expect (guest, "+30 -30 ");
  g_assert_false (bunshin_display_view_get_captured (view));
  test_xdotool ("key", TEST_HOST_KEY, NULL);
  test_wait_until (bunshin_display_view_get_captured (view));
  test_xdotool ("key", TEST_HOST_KEY, NULL);
  test_wait_until (!bunshin_display_view_get_captured (view));
}

static void
test_relative_mouse (Guest *guest, gconstpointer data)
{
  BunshinDisplayView *view = BUNSHIN_DISPLAY_VIEW (guest->view);

  if (!focus (guest))
    return;
  g_assert_true (bunshin_display_view_needs_capture (view));
  /* The click that captures is not the guest's, nor was the way there. */
  test_xdotool ("mousemove", "310", "210", "click", "1", NULL);
  test_wait_until (bunshin_display_view_get_captured (view));
  test_xdotool ("key", "a", NULL);
  test_wait_until (g_str_has_suffix (guest->log->str, "-30 "));
  g_assert_null (strstr (guest->log->str, "button"));
  g_string_truncate (guest->log, 0);
  /* Without end: far more than the window is wide. */
  for (int i = 0; i < 6; i++)
    {
      gsize length = guest->log->len;

      test_xdotool ("mousemove_relative", "--", "-180", "0", NULL);
      test_wait_until (guest->log->len > length);
    }
  g_assert_true (g_str_has_prefix (guest->log->str, "rel rel rel rel rel rel "));
  test_settle ();
  g_string_truncate (guest->log, 0);
  test_xdotool ("click", "3", NULL);
  test_wait_until (g_str_has_suffix (guest->log->str, "+button1 -button1 "));
  test_xdotool ("key", TEST_HOST_KEY, NULL);
  test_wait_until (!bunshin_display_view_get_captured (view));
}

static void
test_absolute_mouse (Guest *guest, gconstpointer data)
{
  if (!focus (guest))
    return;
  guest->absolute = TRUE;
  test_xdotool ("mousemove", "200", "150", NULL);
  test_wait_until (strstr (guest->log->str, "abs") != NULL);
  test_settle ();
  g_string_truncate (guest->log, 0);
  test_xdotool ("click", "1", NULL);
  expect (guest, "+button0 -button0 ");
  test_xdotool ("click", "4", NULL);
  expect (guest, "wheel1 ");
  g_assert_false (bunshin_display_view_get_captured (BUNSHIN_DISPLAY_VIEW (guest->view)));
}

static void
test_typing (Guest *guest, gconstpointer data)
{
  BunshinDisplayView *view = BUNSHIN_DISPLAY_VIEW (guest->view);
  static const unsigned codes[] = { KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE };

  bunshin_display_view_send_keys (view, codes, G_N_ELEMENTS (codes));
  g_assert_cmpstr (guest->log->str, ==, "+29 +56 +111 -111 -56 -29 ");
  g_string_truncate (guest->log, 0);
  g_assert_cmpuint (bunshin_display_view_type_text (view, "aB\303\251\n"), ==, 1);
  test_wait_until (g_str_has_suffix (guest->log->str, "-28 "));
  g_assert_cmpstr (guest->log->str, ==, "+30 -30 +42 +48 -48 -42 +28 -28 ");
}

/* A paused machine gets nothing, and is not looked at. */
static void
test_paused (Guest *guest, gconstpointer data)
{
  BunshinDisplayView *view = BUNSHIN_DISPLAY_VIEW (guest->view);

  bunshin_display_view_set_live (view, FALSE);
  guest->changed = TRUE;
  guest->mark = 50;
  test_pass_time (500);
  g_assert_true (guest->changed);
  bunshin_display_view_set_live (view, TRUE);
  test_wait_until (!guest->changed);
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
#define ADD(path, func) g_test_add ("/ui/display-view/" path, Guest, NULL, set_up, func, tear_down)
  ADD ("draws", test_draws);
  ADD ("follows-changes", test_follows_changes);
  ADD ("new-mode", test_new_mode);
  ADD ("scale-modes", test_scale_modes);
  ADD ("tiles", test_tiles);
  ADD ("keyboard", test_keyboard);
  ADD ("host-key", test_host_key);
  ADD ("relative-mouse", test_relative_mouse);
  ADD ("absolute-mouse", test_absolute_mouse);
  ADD ("typing", test_typing);
  ADD ("paused", test_paused);
#undef ADD
  return g_test_run ();
}
