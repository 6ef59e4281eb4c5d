/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keeps the pointer within a window; see the header. */

#include "ui/pointer-capture.h"

#include <math.h>

#ifdef GDK_WINDOWING_X11
#include <gdk/x11/gdkx.h>
#include <X11/Xlib.h>
#endif

struct PointerCapture
{
  GtkWidget *widget;            /* borrowed */
  gboolean endless;
  gboolean has_last;
  gboolean warped;              /* moved back, and the event that says so has not come yet */
  double last_x, last_y;        /* of the widget */
};

#ifdef GDK_WINDOWING_X11

static GdkSurface *
x11_surface (GtkWidget *widget)
{
  GtkNative *native = gtk_widget_get_native (widget);
  GdkSurface *surface = native != NULL ? gtk_native_get_surface (native) : NULL;

  return surface != NULL && GDK_IS_X11_SURFACE (surface) ? surface : NULL;
}

/* Moves the pointer to a position of the widget. */
static gboolean
warp (PointerCapture *self, double x, double y)
{
  GdkSurface *surface = x11_surface (self->widget);
  GtkNative *native = gtk_widget_get_native (self->widget);
  double surface_x, surface_y, native_x, native_y;

  if (surface == NULL)
    return FALSE;
  if (!gtk_widget_translate_coordinates (self->widget, GTK_WIDGET (native), x, y, &native_x, &native_y))
    return FALSE;
  gtk_native_get_surface_transform (native, &surface_x, &surface_y);

  Display *display = gdk_x11_display_get_xdisplay (gdk_surface_get_display (surface));
  int scale = gdk_surface_get_scale_factor (surface);

  XWarpPointer (display, None, gdk_x11_surface_get_xid (surface), 0, 0, 0, 0,
                (int) lround ((native_x + surface_x) * scale), (int) lround ((native_y + surface_y) * scale));
  XFlush (display);
  return TRUE;
}

#else

static gboolean
warp (PointerCapture *self, double x, double y)
{
  return FALSE;
}

#endif

/* Moves the pointer back to the middle. */
static gboolean
recentre (PointerCapture *self)
{
  self->warped = warp (self, gtk_widget_get_width (self->widget) / 2, gtk_widget_get_height (self->widget) / 2);
  return self->warped;
}

PointerCapture *
pointer_capture_new (GtkWidget *widget)
{
  PointerCapture *self = g_new0 (PointerCapture, 1);

  self->widget = widget;
  self->endless = recentre (self);
  gtk_widget_set_cursor_from_name (widget, "none");
  return self;
}

void
pointer_capture_free (PointerCapture *self)
{
  gtk_widget_set_cursor (self->widget, NULL);
  g_free (self);
}

/* Whether a pointer that came to this place was in the middle before, rather than where it was last. */
static gboolean
is_from (PointerCapture *self, double x, double y, double middle_x, double middle_y)
{
  double from_last = hypot (x - self->last_x, y - self->last_y);

  return from_last == 0 || hypot (x - middle_x, y - middle_y) < from_last;
}

gboolean
pointer_capture_motion (PointerCapture *self, double x, double y, double *dx, double *dy)
{
  double width = gtk_widget_get_width (self->widget), height = gtk_widget_get_height (self->widget);
  double middle_x = (int) (width / 2), middle_y = (int) (height / 2);
  double from_middle = MAX (fabs (x - middle_x) / width, fabs (y - middle_y) / height);
  gboolean had_last = self->has_last;

  /* Events on their way when the pointer was moved still tell of the old place; those after it, of the middle, and GDK
   * may have merged the first of them with the one that says so. The nearer place is the likelier, and an event without
   * a movement from the old one cannot be old. */
  if (self->warped && is_from (self, x, y, middle_x, middle_y))
    {
      self->last_x = middle_x;
      self->last_y = middle_y;
      self->warped = FALSE;
      had_last = TRUE;
    }
  *dx = x - self->last_x;
  *dy = y - self->last_y;
  self->last_x = x;
  self->last_y = y;
  self->has_last = TRUE;
  if (self->endless && !self->warped && from_middle > 1.0 / 4)
    recentre (self);
  return had_last && (*dx != 0 || *dy != 0);
}

gboolean
pointer_capture_is_endless (PointerCapture *self)
{
  return self->endless;
}
