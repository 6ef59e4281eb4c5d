/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See the header. */

#include "tests/ui/window-id.h"

#include <gdk/x11/gdkx.h>

gulong
window_id (GtkNative *window)
{
  return gdk_x11_surface_get_xid (gtk_native_get_surface (window));
}

/* The window a property names, or None. */
static Window
get_window (Display *x, Window window, Atom property)
{
  unsigned char *value = NULL;
  unsigned long count, rest;
  Window named = None;
  Atom type;
  int format;

  if (XGetWindowProperty (x, window, property, 0, 1, False, AnyPropertyType, &type, &format, &count, &rest, &value)
        == Success && value != NULL)
    {
      named = *(Window *) value;
      XFree (value);
    }
  return named;
}

gboolean
window_manager_runs (GdkDisplay *display)
{
  Display *x = gdk_x11_display_get_xdisplay (display);
  Atom check = XInternAtom (x, "_NET_SUPPORTING_WM_CHECK", False);
  Window window = get_window (x, DefaultRootWindow (x), check), named;

  if (window == None)
    return FALSE;
  /* A dead one leaves its name: the window is gone, then. */
  gdk_x11_display_error_trap_push (display);
  named = get_window (x, window, check);
  return gdk_x11_display_error_trap_pop (display) == 0 && named == window;
}
