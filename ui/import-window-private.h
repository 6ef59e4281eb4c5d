/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the import window share. */
#pragma once

#include "ui/import-draft.h"
#include "ui/import-window.h"

struct _BunshinImportWindow
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  GtkWidget *import_button, *other_button, *trust_button;
  GtkStack *pages;
  GtkSpinner *spinner;
  AdwStatusPage *failure;
  AdwPreferencesPage *summary;
  GtkProgressBar *progress;

  /* borrowed */
  Library *library;
  BunshinOsDatabase *systems;

  /* owned */
  char *path;
  GStrv taken;               /* names in use */
  ImportDraft *draft;        /* NULL until the appliance is read */
  GPtrArray *groups;         /* of the summary, borrowed from it */
  GPtrArray *rows;           /* of ImportRows, one a machine */
  GtkCheckButton *accepted;  /* the licence is; NULL: there is none; borrowed */
  GCancellable *cancellable; /* while it is read or made */
  ApplianceFlags flags;
  guint timer;
  int permille; /* atomic: how far it is */
};

/* The widgets of one machine; they belong to the summary. */
typedef struct
{
  BunshinImportWindow *window;
  ImportMachine *machine;
  GtkWidget *name_row, *name_error, *memory_row;
} ImportRows;

/* import-summary.c: the page that shows the draft and changes it. */
void import_summary_show (BunshinImportWindow *self);
void import_summary_clear (BunshinImportWindow *self);
/* Whether everything is as it can be imported; says what is not. */
gboolean import_summary_check (BunshinImportWindow *self);
/* After something changed. */
void import_window_update (BunshinImportWindow *self);
