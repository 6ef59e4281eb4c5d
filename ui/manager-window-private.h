/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the manager window share. */
#pragma once

#include "ui/machine-details.h"
#include "ui/machine-list.h"
#include "ui/manager-window.h"
#include "ui/os-database.h"

struct _BunshinManagerWindow
{
  AdwApplicationWindow parent_instance;

  /* template */
  AdwToastOverlay *toasts;
  GtkStack *stack;
  AdwLeaflet *leaflet;
  GtkWidget *sidebar, *detail_pane;
  GtkSearchBar *search_bar;
  GtkSearchEntry *search_entry;
  GtkListBox *list;
  AdwWindowTitle *machine_title;
  BunshinMachineDetails *details;
  GtkWidget *demo_button, *demo_hint, *demo_progress;
  GtkMenuButton *machine_menu_button;
  GtkPopover *context_menu;

  /* owned */
  BunshinMachineList *machines;
  BunshinOsDatabase *systems;
  GtkFilterListModel *kept;     /* without those about to be deleted */
  GtkFilterListModel *found;    /* those of them that the search finds */
  GHashTable *deletions;        /* uuid → Deletion */
  BunshinMachineItem *selected;
  char *wanted_uuid;            /* to select as soon as it is listed */
  GCancellable *demo_cancellable;
  guint thumbnail_timer, selection_idle;

  UiManagerEnv env;
};

/* Installs the actions. */
void manager_window_init_actions (BunshinManagerWindow *self);
/* What may be done with the selected machine now. */
void manager_window_update_actions (BunshinManagerWindow *self);
void manager_window_toast (BunshinManagerWindow *self, const char *text);
/* The selected machine's menu, beside its row. */
void manager_window_show_context_menu (BunshinManagerWindow *self);
/* Selects the machine of this UUID, now or when it is listed. */
void manager_window_select (BunshinManagerWindow *self, const char *uuid);
GtkListBoxRow *manager_window_find_row (BunshinManagerWindow *self, const char *uuid);
/* After the set of machines that are about to be deleted changed. */
void manager_window_refilter (BunshinManagerWindow *self);

/* manager-window-delete.c */
void manager_window_init_deletions (BunshinManagerWindow *self);
void manager_window_delete_selected (BunshinManagerWindow *self);
gboolean manager_window_is_being_deleted (BunshinManagerWindow *self, const char *uuid);
/* Carries out what could still be undone: the window closes. */
void manager_window_finish_deletions (BunshinManagerWindow *self);

/* manager-window-demo.c */
void manager_window_init_demo (BunshinManagerWindow *self);
void manager_window_start_demo (BunshinManagerWindow *self);

/* Runs a verb of the item's control; a failure is shown. */
/* @disc: an image to install from, or NULL. */
void manager_window_open_wizard (BunshinManagerWindow *self, const char *disc);
void manager_window_run (BunshinManagerWindow *self, BunshinMachineItem *item, BunshinVerb verb);
