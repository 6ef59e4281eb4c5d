/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Apart from the rest: Xlib's names collide with the engine's. */
#pragma once

#include <gtk/gtk.h>

/* The X server's number of a window that is shown. */
gulong window_id (GtkNative *window);
/* Whether somebody manages the windows. */
gboolean window_manager_runs (GdkDisplay *display);
