/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shows a machine's screen and sends it the keyboard and the mouse.
 *
 * Properties: "captured" (boolean: the mouse is the guest's alone, and the
 * desktop's own shortcuts go to it too), "scale-mode" (int, a DisplayScaleMode).
 * Signals: "command" (uint evdev code): a key pressed with the host key;
 * "guest-resized" (int width, int height).
 */
#pragma once

#include "engine/devices/display/display.h"
#include "engine/devices/input/input.h"
#include "ui/display-layout.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_DISPLAY_VIEW (bunshin_display_view_get_type ())
G_DECLARE_FINAL_TYPE (BunshinDisplayView, bunshin_display_view, BUNSHIN, DISPLAY_VIEW, GtkWidget)

GtkWidget *bunshin_display_view_new (void);
/* What it shows and feeds; both outlive the view or are taken away with NULL. */
void bunshin_display_view_set_machine (BunshinDisplayView *self, Display *display, Input *input);
/* Whether the screen may change by itself: a paused one is not asked. */
void bunshin_display_view_set_live (BunshinDisplayView *self, gboolean live);
void bunshin_display_view_set_scale_mode (BunshinDisplayView *self, DisplayScaleMode mode);
DisplayScaleMode bunshin_display_view_get_scale_mode (BunshinDisplayView *self);
gboolean bunshin_display_view_get_captured (BunshinDisplayView *self);
void bunshin_display_view_set_captured (BunshinDisplayView *self, gboolean captured);
/* A key the focus elsewhere in the window got: whether it belongs to the host key, and was handled as such. */
gboolean bunshin_display_view_host_key (BunshinDisplayView *self, guint keycode, gboolean down);
/* Lets go of all keys and of the capture: the focus is elsewhere. */
void bunshin_display_view_let_go (BunshinDisplayView *self);
/* Whether moving the mouse over the view reaches the guest only after a click that captures it. */
gboolean bunshin_display_view_needs_capture (BunshinDisplayView *self);
/* 0 × 0 before the first frame. */
void bunshin_display_view_get_guest_size (BunshinDisplayView *self, int *width, int *height);
/* Presses the keys in order, lets go of them in reverse. */
void bunshin_display_view_send_keys (BunshinDisplayView *self, const unsigned *codes, unsigned count);
/* Types on a US keyboard, key after key; how many characters it has no key for. */
unsigned bunshin_display_view_type_text (BunshinDisplayView *self, const char *text);

G_END_DECLS
