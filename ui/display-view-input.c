/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The display view's hands: keyboard and mouse go to the machine. GDK's
 * hardware key codes are evdev's plus 8, on Wayland as on X11.
 */

#include "ui/display-view-private.h"

#include "ui/key-combination.h"

#include <linux/input-event-codes.h>
#include <math.h>

enum { GDK_KEYCODE_OFFSET = 8, TYPE_INTERVAL_MS = 12, TYPE_MAX = 65536 };
enum { TYPE_DOWN = 1 << 16 };   /* of a queued stroke: else the key goes up */

/* --- Capture --- */

static GdkToplevel *
toplevel_of (BunshinDisplayView *self)
{
  GtkNative *native = gtk_widget_get_native (GTK_WIDGET (self));
  GdkSurface *surface = native != NULL ? gtk_native_get_surface (native) : NULL;

  return surface != NULL && GDK_IS_TOPLEVEL (surface) ? GDK_TOPLEVEL (surface) : NULL;
}

gboolean
bunshin_display_view_needs_capture (BunshinDisplayView *self)
{
  return self->input != NULL && !input_is_absolute (self->input);
}

/* The desktop's cursor hides while the guest draws its own. */
static void
update_cursor (BunshinDisplayView *self)
{
  gboolean is_over_guest = self->input != NULL && self->live && input_is_absolute (self->input);

  if (self->pointer != NULL || self->hides_cursor == is_over_guest)
    return;
  self->hides_cursor = is_over_guest;
  gtk_widget_set_cursor_from_name (GTK_WIDGET (self), is_over_guest ? "none" : NULL);
}

void
bunshin_display_view_set_captured (BunshinDisplayView *self, gboolean captured)
{
  GdkToplevel *toplevel = toplevel_of (self);

  captured = captured && self->live && self->input != NULL && gtk_widget_get_mapped (GTK_WIDGET (self));
  if (self->captured == captured)
    return;
  self->captured = captured;
  if (captured)
    {
      gtk_widget_grab_focus (GTK_WIDGET (self));
      if (toplevel != NULL)
        gdk_toplevel_inhibit_system_shortcuts (toplevel, NULL);
      if (bunshin_display_view_needs_capture (self))
        self->pointer = pointer_capture_new (GTK_WIDGET (self));
    }
  else
    {
      g_clear_pointer (&self->pointer, pointer_capture_free);
      self->hides_cursor = FALSE;
      if (toplevel != NULL)
        gdk_toplevel_restore_system_shortcuts (toplevel);
      update_cursor (self);
    }
  g_object_notify (G_OBJECT (self), "captured");
}

void
bunshin_display_view_let_go (BunshinDisplayView *self)
{
  bunshin_display_view_set_captured (self, FALSE);
  host_key_forget (&self->host_key);
  self->buttons = 0;
  if (self->input != NULL)
    input_release_all (self->input);
}

/* --- Keyboard --- */

gboolean
bunshin_display_view_host_key (BunshinDisplayView *self, guint keycode, gboolean down)
{
  unsigned code = keycode - GDK_KEYCODE_OFFSET;

  if (self->input == NULL || keycode <= GDK_KEYCODE_OFFSET || code >= KEY_MAX)
    return FALSE;
  switch (host_key_event (&self->host_key, code, down))
    {
    case HOST_KEY_PASS:
      return FALSE;
    case HOST_KEY_TOGGLE_CAPTURE:
      bunshin_display_view_set_captured (self, !self->captured);
      return TRUE;
    case HOST_KEY_COMMAND:
      g_signal_emit_by_name (self, "command", code);
      return TRUE;
    case HOST_KEY_SWALLOW:
      return TRUE;
    }
  g_assert_not_reached ();
}

/* While the machine stands still, its keys are the window's: Tab reaches the buttons. */
static gboolean
handle_key (BunshinDisplayView *self, guint keycode, gboolean down)
{
  display_view_wake (self);
  if (bunshin_display_view_host_key (self, keycode, down))
    return TRUE;
  if (self->input == NULL || !self->live || keycode <= GDK_KEYCODE_OFFSET || keycode - GDK_KEYCODE_OFFSET >= KEY_MAX)
    return FALSE;
  input_key (self->input, keycode - GDK_KEYCODE_OFFSET, down);
  return TRUE;
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode, GdkModifierType state, gpointer data)
{
  return handle_key (data, keycode, TRUE);
}

static void
on_key_released (GtkEventControllerKey *controller, guint keyval, guint keycode, GdkModifierType state, gpointer data)
{
  handle_key (data, keycode, FALSE);
}

void
bunshin_display_view_send_keys (BunshinDisplayView *self, const unsigned *codes, unsigned count)
{
  if (self->input == NULL)
    return;
  for (unsigned i = 0; i < count; i++)
    input_key (self->input, codes[i], TRUE);
  for (unsigned i = count; i > 0; i--)
    input_key (self->input, codes[i - 1], FALSE);
  display_view_wake (self);
}

/* --- Typing: a keyboard's queue is short, so the guest gets time for each stroke --- */

static gboolean
on_typing_timer (gpointer data)
{
  BunshinDisplayView *self = data;
  guint stroke;

  if (self->input == NULL || g_queue_is_empty (&self->typing))
    {
      self->typing_timer = 0;
      return G_SOURCE_REMOVE;
    }
  /* Paused: it goes on where it stopped. */
  if (!self->live)
    return G_SOURCE_CONTINUE;
  stroke = GPOINTER_TO_UINT (g_queue_pop_head (&self->typing));
  input_key (self->input, stroke & ~TYPE_DOWN, (stroke & TYPE_DOWN) != 0);
  display_view_wake (self);
  return G_SOURCE_CONTINUE;
}

static void
queue_stroke (BunshinDisplayView *self, guint stroke)
{
  g_queue_push_tail (&self->typing, GUINT_TO_POINTER (stroke));
}

unsigned
bunshin_display_view_type_text (BunshinDisplayView *self, const char *text)
{
  unsigned unknown = 0;

  for (const char *p = text; *p != '\0' && g_queue_get_length (&self->typing) < TYPE_MAX; p = g_utf8_next_char (p))
    {
      gboolean shift;
      unsigned code = key_for_character (g_utf8_get_char (p), &shift);

      if (code == 0)
        {
          unknown++;
          continue;
        }
      if (shift)
        queue_stroke (self, KEY_LEFTSHIFT | TYPE_DOWN);
      queue_stroke (self, code | TYPE_DOWN);
      queue_stroke (self, code);
      if (shift)
        queue_stroke (self, KEY_LEFTSHIFT);
    }
  if (self->typing_timer == 0 && !g_queue_is_empty (&self->typing))
    self->typing_timer = g_timeout_add (TYPE_INTERVAL_MS, on_typing_timer, self);
  return unknown;
}

/* --- Mouse --- */

static void
send_absolute (BunshinDisplayView *self, double x, double y, int wheel)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self)), guest_x, guest_y;

  if (display_layout_to_absolute (&self->layout, x * scale, y * scale, &guest_x, &guest_y))
    input_absolute (self->input, guest_x, guest_y, wheel);
}

static void
on_motion (GtkEventControllerMotion *controller, double x, double y, gpointer data)
{
  BunshinDisplayView *self = data;
  double dx, dy;

  self->pointer_x = x;
  self->pointer_y = y;
  update_cursor (self);
  if (self->input == NULL || !self->live)
    return;
  display_view_wake (self);
  if (input_is_absolute (self->input))
    {
      send_absolute (self, x, y, 0);
      return;
    }
  if (self->pointer == NULL || !pointer_capture_motion (self->pointer, x, y, &dx, &dy))
    return;
  dx += self->rest_x;
  dy += self->rest_y;
  self->rest_x = dx - trunc (dx);
  self->rest_y = dy - trunc (dy);
  if (trunc (dx) != 0 || trunc (dy) != 0)
    input_relative (self->input, (int) dx, (int) dy, 0);
}

static gboolean
guest_button (guint button, InputButton *out)
{
  switch (button)
    {
    case GDK_BUTTON_PRIMARY:
      *out = INPUT_BUTTON_LEFT;
      return TRUE;
    case GDK_BUTTON_MIDDLE:
      *out = INPUT_BUTTON_MIDDLE;
      return TRUE;
    case GDK_BUTTON_SECONDARY:
      *out = INPUT_BUTTON_RIGHT;
      return TRUE;
    case 8:
      *out = INPUT_BUTTON_SIDE;
      return TRUE;
    case 9:
      *out = INPUT_BUTTON_EXTRA;
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
handle_button (BunshinDisplayView *self, guint gdk_button, gboolean down)
{
  InputButton button;

  if (!guest_button (gdk_button, &button) || self->input == NULL || !self->live)
    return FALSE;
  if (down)
    gtk_widget_grab_focus (GTK_WIDGET (self));
  display_view_wake (self);
  if (down && !self->captured && bunshin_display_view_needs_capture (self))
    {
      /* This click only takes the mouse; its release is not the guest's either. */
      bunshin_display_view_set_captured (self, TRUE);
      return TRUE;
    }
  if (!down && (self->buttons & (1u << button)) == 0)
    return TRUE;
  self->buttons = down ? self->buttons | 1u << button : self->buttons & ~(1u << button);
  input_button (self->input, button, down);
  return TRUE;
}

/* Gestures would hold back one button while another is down. */
static gboolean
on_event (GtkEventControllerLegacy *controller, GdkEvent *event, gpointer data)
{
  switch ((int) gdk_event_get_event_type (event))
    {
    case GDK_BUTTON_PRESS:
      return handle_button (data, gdk_button_event_get_button (event), TRUE);
    case GDK_BUTTON_RELEASE:
      return handle_button (data, gdk_button_event_get_button (event), FALSE);
    default:
      return FALSE;
    }
}

static gboolean
on_scroll (GtkEventControllerScroll *controller, double dx, double dy, gpointer data)
{
  BunshinDisplayView *self = data;
  int notches;

  if (self->input == NULL || !self->live)
    return FALSE;
  if (self->mode == DISPLAY_SCALE_NATIVE && !self->captured && bunshin_display_view_needs_capture (self))
    return FALSE;
  self->wheel -= dy;
  notches = (int) trunc (self->wheel);
  if (notches == 0)
    return TRUE;
  self->wheel -= notches;
  display_view_wake (self);
  if (input_is_absolute (self->input))
    send_absolute (self, self->pointer_x, self->pointer_y, notches);
  else if (self->captured)
    input_relative (self->input, 0, 0, notches);
  return TRUE;
}

static void
on_focus_leave (GtkEventControllerFocus *controller, gpointer data)
{
  bunshin_display_view_let_go (data);
}

static void
on_pointer_enter (GtkEventControllerMotion *controller, double x, double y, gpointer data)
{
  update_cursor (data);
}

void
display_view_init_input (BunshinDisplayView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GtkEventController *controller;

  host_key_init (&self->host_key, HOST_KEY_CODE);
  g_queue_init (&self->typing);

  controller = gtk_event_controller_key_new ();
  gtk_event_controller_set_propagation_phase (controller, GTK_PHASE_CAPTURE);
  g_signal_connect (controller, "key-pressed", G_CALLBACK (on_key_pressed), self);
  g_signal_connect (controller, "key-released", G_CALLBACK (on_key_released), self);
  gtk_widget_add_controller (widget, controller);

  controller = gtk_event_controller_focus_new ();
  g_signal_connect (controller, "leave", G_CALLBACK (on_focus_leave), self);
  gtk_widget_add_controller (widget, controller);

  controller = gtk_event_controller_motion_new ();
  g_signal_connect (controller, "enter", G_CALLBACK (on_pointer_enter), self);
  g_signal_connect (controller, "motion", G_CALLBACK (on_motion), self);
  gtk_widget_add_controller (widget, controller);

  controller = gtk_event_controller_legacy_new ();
  g_signal_connect (controller, "event", G_CALLBACK (on_event), self);
  gtk_widget_add_controller (widget, controller);

  controller = gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_VERTICAL);
  g_signal_connect (controller, "scroll", G_CALLBACK (on_scroll), self);
  gtk_widget_add_controller (widget, controller);
}

void
display_view_dispose_input (BunshinDisplayView *self)
{
  g_clear_handle_id (&self->typing_timer, g_source_remove);
  g_queue_clear (&self->typing);
  g_clear_pointer (&self->pointer, pointer_capture_free);
}
