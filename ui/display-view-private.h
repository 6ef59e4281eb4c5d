/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the display view share: drawing in display-view.c, hands in display-view-input.c. */
#pragma once

#include "ui/display-tiles.h"
#include "ui/display-view.h"
#include "ui/host-key.h"
#include "ui/pointer-capture.h"

enum { HOST_KEY_CODE = 97 /* KEY_RIGHTCTRL */ };

struct _BunshinDisplayView
{
  GtkWidget parent_instance;

  /* borrowed */
  Display *display;
  Input *input;

  /* owned */
  DisplayTiles *tiles;
  PointerCapture *pointer;
  GQueue typing;                /* of key strokes that wait: code | TYPE_* */

  DisplayScaleMode mode;
  DisplayLayout layout;
  int guest_width, guest_height;
  gboolean live;

  /* refreshing */
  guint tick, poll, ui_size_timer;
  gint64 last_change, last_activity;
  int resized;                  /* atomic: the guest changed its mode */
  int damaged;                  /* atomic: something waits to be drawn */

  /* hands */
  HostKey host_key;
  gboolean captured, hides_cursor;
  guint buttons;                /* a bit an InputButton that is down */
  double wheel;                 /* parts of a notch */
  double pointer_x, pointer_y;  /* where it was last */
  double rest_x, rest_y;        /* parts of a pixel that relative motion left over */
  guint typing_timer;
};

/* The screen is looked at more often for a while: the user did something. */
void display_view_wake (BunshinDisplayView *self);

void display_view_init_input (BunshinDisplayView *self);
void display_view_dispose_input (BunshinDisplayView *self);
