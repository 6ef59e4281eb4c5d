/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the settings window share. */
#pragma once

#include "ui/settings-snapshots.h"
#include "ui/settings-window.h"
#include "ui/size-row.h"

struct _BunshinSettingsWindow
{
  AdwPreferencesWindow parent_instance;

  /* template */
  GtkWidget *running_group;
  AdwActionRow *running_row;
  GtkWidget *storage_page;
  GtkEditable *name_row;
  GtkWidget *name_error;
  AdwActionRow *os_row;
  GtkTextView *description_view;
  GtkWidget *memory_group, *boot_group, *clock_group, *storage_add_group;
  BunshinSizeRow *memory_row;
  GtkSpinButton *cpus_spin;
  GtkListBox *boot_list;
  GtkSwitch *utc_switch;
  AdwComboRow *accel_row;
  AdwPreferencesGroup *storage_group;
  GtkEditable *remote_row;
  GtkWidget *add_new_disk, *add_existing_disk, *add_cd, *add_floppy;
  AdwPreferencesPage *network_page;
  GtkWidget *add_adapter_group, *add_adapter;
  BunshinSettingsSnapshots *snapshots_page;

  /* owned */
  BunshinMachineItem *item;
  BunshinOsDatabase *systems;
  LibraryMachine *record;       /* as it is shown; stored with every change */
  GPtrArray *storage_rows;      /* borrowed widgets */
  GPtrArray *adapter_groups;    /* borrowed widgets */
  GStrv accels;                 /* what accel_row offers */
  guint save_timer;             /* of what is typed: description, sizes */
  gboolean updating;

  /* borrowed */
  Library *library;
};

gboolean settings_is_off (BunshinSettingsWindow *self);
/* Stores the record. FALSE: it was refused, the user was told and the old settings are shown again. */
gboolean settings_store (BunshinSettingsWindow *self);
/* The same a moment later: while something is typed or dragged. */
void settings_store_soon (BunshinSettingsWindow *self);
void settings_toast (BunshinSettingsWindow *self, const char *text);

/* settings-system.c: memory, processors, boot order, clock. */
void settings_init_system (BunshinSettingsWindow *self);
void settings_show_system (BunshinSettingsWindow *self);

/* settings-storage.c */
void settings_init_storage (BunshinSettingsWindow *self);
void settings_show_storage (BunshinSettingsWindow *self);

/* settings-network.c */
void settings_init_network (BunshinSettingsWindow *self);
void settings_show_network (BunshinSettingsWindow *self);
