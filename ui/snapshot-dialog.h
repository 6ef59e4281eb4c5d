/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks for a snapshot's name and description.
 *
 * Signal "done" (string name, string description, which may be empty).
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOT_DIALOG (bunshin_snapshot_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotDialog, bunshin_snapshot_dialog, BUNSHIN, SNAPSHOT_DIALOG, AdwWindow)

typedef enum
{
  SNAPSHOT_DIALOG_TAKE_RUNNING,
  SNAPSHOT_DIALOG_TAKE_OFF,
  SNAPSHOT_DIALOG_KEEP_DRIVE,
  SNAPSHOT_DIALOG_EDIT
} SnapshotDialogKind;

/* @name is proposed; @description may be NULL. */
BunshinSnapshotDialog *bunshin_snapshot_dialog_new (GtkWindow *parent, SnapshotDialogKind kind, const char *name,
                                                    const char *description);

G_END_DECLS
