/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * “What Changed?”: the files that are different in one state of a machine from another one, and copies of them. The
 * disks are read by another process.
 */
#pragma once

#include "ui/changes-run.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_CHANGES_WINDOW (bunshin_changes_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinChangesWindow, bunshin_changes_window, BUNSHIN, CHANGES_WINDOW, AdwWindow)

typedef struct
{
  ChangesSource source;  /* copied */
  const char *name;      /* of the machine */
  GListModel *snapshots; /* of BunshinSnapshotItem; only read now */
  const char *from, *to; /* UUIDs of what is chosen at first; @to NULL: the present state */
  gboolean waits;        /* until the user has chosen */
} ChangesRequest;

/* Compares at once, unless it waits. */
BunshinChangesWindow *bunshin_changes_window_new (GtkWindow *parent, const ChangesRequest *request);
/* Copies the selected file, as it is in the later state or, when that has it no more or @earlier, in the earlier one,
 * to
 * @destination on the host, which it replaces. Says how it went. */
void bunshin_changes_window_copy (BunshinChangesWindow *self, gboolean earlier, const char *destination);

G_END_DECLS
