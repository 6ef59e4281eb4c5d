/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the machine window share. */
#pragma once

#include "ui/activity.h"
#include "ui/display-view.h"
#include "ui/machine-window.h"

/* The lights of the status bar. */
enum { LIGHT_DISK, LIGHT_CD, LIGHT_FLOPPY, LIGHT_NETWORK, N_LIGHTS };

struct _BunshinMachineWindow
{
  AdwWindow parent_instance;

  /* template */
  AdwToastOverlay *toasts;
  GtkBox *box;
  GtkOverlay *overlay;
  GtkScrolledWindow *scroller;
  BunshinDisplayView *view;
  AdwHeaderBar *header;
  AdwWindowTitle *title;
  GtkWidget *pause_button, *resume_button, *media_button, *keys_button, *menu_button;
  GtkWidget *paused_panel, *paused_resume;
  GtkLabel *paused_message;
  GtkRevealer *fullscreen_revealer;
  GtkBox *fullscreen_box;
  GtkWidget *status_bar;
  GtkImage *lights[N_LIGHTS];
  GtkLabel *hint_label, *accel_label;
  GtkInfoBar *drive_bar;
  GtkWidget *drive_panel, *drive_discard, *work_panel, *work_stop;
  GtkLabel *work_label;
  GtkProgressBar *work_progress;
  GMenu *snapshot_section;

  /* owned */
  BunshinMachineControl *control;
  LibraryMachine *record;       /* its drives hold what is inserted now */
  GActionMap *actions;          /* borrowed: the window keeps the group */
  GMenu *media_menu;
  ActivityMeter meter;
  GWeakRef *listener_target;    /* what the engine's notifications go through */
  guint activity_timer, leave_timer;
  int wanted_width, wanted_height; /* what the window was made for */
  guint fit_tick, fit_frames;
  double pointer_y;             /* of the window: where the mouse was last */
  GCancellable *snapshot_work;  /* NULL: none is under way */
  gboolean in_drive, closes_after_drive;

  /* borrowed */
  Library *library;             /* NULL: the machine is not kept */
  Machine *machine;             /* NULL while it is put back to a snapshot */
};

/* machine-window.c */
/* Makes the window so large that the guest's screen shows pixel by pixel, as far as there is room. */
void machine_window_adapt (BunshinMachineWindow *self);
/* Fullscreen: shows the header bar until mouse and keyboard have left it. */
void machine_window_reveal_header (BunshinMachineWindow *self);

/* machine-window-actions.c */
void machine_window_init_actions (BunshinMachineWindow *self);
void machine_window_update_actions (BunshinMachineWindow *self);
void machine_window_run (BunshinMachineWindow *self, BunshinVerb verb);
/* Asks how to stop. */
void machine_window_ask_close (BunshinMachineWindow *self);
void machine_window_toast (BunshinMachineWindow *self, const char *text);
/* A key pressed with the host key. */
void machine_window_command (BunshinMachineWindow *self, unsigned code);

/* machine-window-media.c */
void machine_window_init_media (BunshinMachineWindow *self);
/* The library's record is another one now, and with it what is in the drives. */
void machine_window_renew_media (BunshinMachineWindow *self);
/* The drive of this name is empty now. */
void machine_window_note_ejected (BunshinMachineWindow *self, const char *slot);

/* machine-window-snapshots.c */
void machine_window_init_snapshots (BunshinMachineWindow *self);
/* What may be done now, and whether this is a test drive. */
void machine_window_update_snapshots (BunshinMachineWindow *self);
/* Of the window that is to be closed: whether it is a test drive’s, whose end is asked for then. */
gboolean machine_window_close_drive (BunshinMachineWindow *self);
/* Pixels; 0 when it is hidden. */
int machine_window_drive_bar_height (BunshinMachineWindow *self);

/* machine-window-status.c */
/* Shows it if it is wanted, and not in fullscreen. */
void machine_window_update_status_bar (BunshinMachineWindow *self);
void machine_window_update_hint (BunshinMachineWindow *self);
void machine_window_start_status (BunshinMachineWindow *self);
void machine_window_stop_status (BunshinMachineWindow *self);
