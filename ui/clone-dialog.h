/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a machine out of another one, or of one of its snapshots. While it
 * works it shows how far it is, can be stopped, and leaves other windows free.
 *
 * Signal "cloned" (string: the new machine's UUID).
 */
#pragma once

#include "storage/snapshot/snapshot.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_CLONE_DIALOG (bunshin_clone_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinCloneDialog, bunshin_clone_dialog, BUNSHIN, CLONE_DIALOG, AdwWindow)

/* @machine and @snapshot are copied from; @snapshot NULL: the machine as it is, which is off. @library outlives it. */
BunshinCloneDialog *bunshin_clone_dialog_new (GtkWindow *parent, Library *library, const LibraryMachine *machine,
                                              const Snapshot *snapshot);

G_END_DECLS
