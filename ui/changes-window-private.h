/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the window of changes share. */
#pragma once

#include "ui/changes-list.h"
#include "ui/changes-window.h"

/* A state that can be chosen. */
typedef struct
{
  char *uuid; /* NULL: the present one */
  char *name;
} ChangesMoment;

struct _BunshinChangesWindow
{
  AdwWindow parent_instance;

  /* template */
  AdwToastOverlay *toasts;
  AdwWindowTitle *title;
  GtkWidget *search_toggle, *order_button, *copy_button, *stop_copy_button;
  GtkSearchBar *search_bar;
  GtkEditable *search_entry;
  GtkDropDown *from_drop, *to_drop;
  GtkExpander *notes_expander;
  GtkLabel *notes_label, *summary_label;
  GtkStack *stack, *list_stack;
  GtkSpinner *spinner, *copy_spinner;
  GtkProgressBar *progress;
  AdwStatusPage *failure_page;
  GtkFlowBox *kinds;
  GtkListView *list_view;

  /* owned */
  char *program, *home, *machine;
  GPtrArray *moments; /* of ChangesMoment: the present, then the snapshots; the earlier one is one of the latter */
  char *from, *to;    /* UUIDs of what is being or was compared; @to NULL: the present state */
  ChangesData *data;
  BunshinChangesList *list;
  GtkSingleSelection *selection;
  GCancellable *comparing, *choosing, *copying; /* while that is under way */
  guint tick;
  char *order;

  GtkToggleButton *kind_toggles[CHANGES_KINDS]; /* borrowed */
  gboolean is_ready;                            /* what is chosen is the user's choice now */
};

ChangesSource changes_window_source (const BunshinChangesWindow *self);

/* changes-window-copy.c */
/* What can be copied of what is selected. */
void changes_window_update_copy (BunshinChangesWindow *self);
void changes_window_ask_copy (BunshinChangesWindow *self, gboolean earlier);
