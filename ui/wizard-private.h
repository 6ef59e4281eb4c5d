/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the wizard share. */
#pragma once

#include "ui/format-rows.h"
#include "ui/machine-draft.h"
#include "ui/os-chooser.h"
#include "ui/os-emblem.h"
#include "ui/size-row.h"
#include "ui/wizard.h"

typedef enum
{
  WIZARD_SOURCE, WIZARD_SYSTEM, WIZARD_HARDWARE, WIZARD_DISK, WIZARD_NETWORK, WIZARD_SUMMARY, WIZARD_CREATING
} WizardPage;

struct _BunshinWizard
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  GtkStack *pages;
  GtkWidget *cancel_button, *back_button, *next_button;
  /* source */
  GtkWidget *name_row, *name_error, *disc_row, *disc_clear, *disc_spinner, *disc_result, *disc_emblem;
  GtkLabel *disc_result_label;
  /* system */
  BunshinOsChooser *chooser;
  /* hardware */
  BunshinSizeRow *memory_row;
  GtkLabel *hardware_hint;
  GtkSpinButton *cpus_spin;
  GtkWidget *cpus_hint;
  /* disk */
  GtkCheckButton *disk_new, *disk_existing, *disk_none;
  GtkWidget *disk_new_group, *disk_existing_group, *disk_file_row;
  GtkWidget *disk_details_group, *disk_fixed_row, *disk_folder_clear;
  BunshinSizeRow *disk_size_row;
  AdwExpanderRow *disk_details;
  AdwComboRow *disk_controller_row;
  AdwActionRow *disk_folder_row;
  FormatRows disk_formats;
  /* network */
  GtkCheckButton *network_nat, *network_none;
  /* summary */
  GtkLabel *summary_name, *summary_system;
  BunshinOsEmblem *summary_emblem;
  AdwActionRow *summary_disc, *summary_memory, *summary_cpus, *summary_disk, *summary_network;
  GtkSwitch *start_switch;
  /* creating */
  GtkProgressBar *progress;

  /* borrowed */
  Library *library;
  BunshinOsDatabase *systems;

  /* owned */
  MachineDraft *draft;
  GStrv taken;                  /* names in use */
  GCancellable *identify_cancellable, *create_cancellable;
  uint64_t host_memory;
  WizardPage page;
  gboolean updating;            /* the program changes widgets */
};

/* Whether the page may be left, and the window's buttons. */
void wizard_update (BunshinWizard *self);

/* wizard-source.c: name, disc and operating system. */
void wizard_init_source (BunshinWizard *self);
gboolean wizard_source_is_complete (BunshinWizard *self);

/* wizard-hardware.c: memory, processors, network. */
void wizard_init_hardware (BunshinWizard *self);
/* The draft's values go into the widgets. */
void wizard_show_hardware (BunshinWizard *self);
gboolean wizard_hardware_is_complete (BunshinWizard *self);

/* wizard-disk.c */
void wizard_init_disk (BunshinWizard *self);
void wizard_show_disk (BunshinWizard *self);
gboolean wizard_disk_is_complete (BunshinWizard *self);

/* wizard-finish.c: the summary, and making the machine. */
void wizard_show_summary (BunshinWizard *self);
void wizard_create (BunshinWizard *self);
