/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the manager window share. */
#pragma once

#include "ui/machine-details.h"
#include "ui/machine-list.h"
#include "ui/manager-window.h"
#include "ui/media-page.h"
#include "ui/os-database.h"
#include "ui/snapshots-page.h"

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
  AdwViewSwitcherTitle *machine_title;
  AdwViewStack *views;
  AdwViewSwitcherBar *switcher_bar;
  BunshinMachineDetails *details;
  GtkWidget *demo_button, *demo_hint, *demo_progress;
  GtkMenuButton *machine_menu_button;
  GtkPopover *context_menu;
  BunshinMediaPage *media;
  BunshinSnapshotsPage *snapshots;

  /* owned */
  BunshinMachineList *machines;
  BunshinOsDatabase *systems;
  GtkFilterListModel *kept;     /* without those about to be deleted */
  GtkFilterListModel *found;    /* those of them that the search finds */
  GHashTable *deletions;        /* uuid → Deletion */
  BunshinMachineItem *selected;
  GBinding *title_binding;      /* of its name; lives as long as it is selected */
  char *wanted_uuid;            /* to select as soon as it is listed */
  GCancellable *demo_cancellable;
  guint thumbnail_timer, selection_idle, switcher_idle;
  gboolean shows_media;         /* instead of the machines */
  gboolean may_close;           /* though work is under way */

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
/* The page of media, or the machines. */
void manager_window_show_media (BunshinManagerWindow *self, gboolean shows);
/* After the set of machines that are about to be deleted changed. */
void manager_window_refilter (BunshinManagerWindow *self);

/* manager-window-snapshots.c */
void manager_window_init_snapshots (BunshinManagerWindow *self);
void manager_window_clear_snapshots (BunshinManagerWindow *self);
void manager_window_update_snapshot_actions (BunshinManagerWindow *self);
/* What the page of snapshots wants to be told, and a machine that was made there. */
void manager_window_show_toast (BunshinManagerWindow *self, AdwToast *toast);
void manager_window_show_clone (BunshinManagerWindow *self, const char *uuid);

/* A test drive of the selected machine, from this snapshot on. */
void manager_window_drive (BunshinManagerWindow *self, const char *snapshot);

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
/* @path: an appliance, or another program's description of a machine. */
void manager_window_open_import (BunshinManagerWindow *self, const char *path);
void manager_window_run (BunshinManagerWindow *self, BunshinMachineItem *item, BunshinVerb verb);
