/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps the pointer within a window so that its motion can be taken as
 * relative. On X11 it is moved back to the middle whenever it strays; where
 * that is impossible (Wayland), motion counts until the pointer meets the edge.
 */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef struct PointerCapture PointerCapture;

/* Captures for @widget, whose window is mapped. Never fails. */
PointerCapture *pointer_capture_new (GtkWidget *widget);
/* Lets go. */
void pointer_capture_free (PointerCapture *self);
/* The pointer moved to this position of the widget: how far, and whether to tell the guest. */
gboolean pointer_capture_motion (PointerCapture *self, double x, double y, double *dx, double *dy);
/* Whether the pointer can go on moving without end. */
gboolean pointer_capture_is_endless (PointerCapture *self);

G_END_DECLS
