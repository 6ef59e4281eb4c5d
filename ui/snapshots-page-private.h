/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the page of snapshots share. */
#pragma once

#include "ui/snapshot-list.h"
#include "ui/snapshots-page.h"

/* One verb of one machine that is under way. */
typedef struct
{
  BunshinSnapshotsPage *page; /* owned */
  BunshinMachineItem *item;   /* owned */
  GCancellable *cancellable;
  BunshinSnapshotVerb verb;
  char *snapshot, *name;      /* the UUID, NULL of the present state; what it is called */
  char *description, *kept_name;
  SnapshotDriveEnd how;
} SnapshotJob;

struct _BunshinSnapshotsPage
{
  AdwBin parent_instance;

  /* template */
  GtkInfoBar *drive_bar;
  GtkStack *stack;
  GtkListBox *timeline;
  GtkLabel *summary_label;

  /* owned */
  BunshinSnapshotList *snapshots;
  BunshinMachineItem *item;
  GHashTable *jobs;           /* machine's uuid → SnapshotJob */
  char *selected;             /* uuid of what is selected; NULL: the present state */
  int selected_index;         /* -1: nothing was yet */
  gboolean had_focus;         /* the list, before it changed */
  guint timer;
  gboolean is_narrow;

  /* borrowed */
  Library *library;
  const char *program;
};

/* snapshots-page.c */
GtkWindow *snapshots_page_window (BunshinSnapshotsPage *self);
/* After a job began or ended, or the machine's state changed: what may be done now, and what is. */
void snapshots_page_update (BunshinSnapshotsPage *self);

/* snapshots-page-actions.c */
void snapshots_page_verb (BunshinSnapshotsPage *self, const char *verb, BunshinSnapshotItem *item);
/* Of a test drive that nobody ended: its process is gone. */
void snapshots_page_end_drive (BunshinSnapshotsPage *self, SnapshotDriveEnd how);
/* What is being done, in words. */
const char *snapshots_page_describe_job (const SnapshotJob *job);
