/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a new disk for a machine, in the machine's folder.
 *
 * Signal "made" (string path, string format).
 */
#pragma once

#include "storage/library/library.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_DISK_DIALOG (bunshin_disk_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinDiskDialog, bunshin_disk_dialog, BUNSHIN, DISK_DIALOG, AdwWindow)

/* @record is copied. */
BunshinDiskDialog *bunshin_disk_dialog_new (GtkWindow *parent, const LibraryMachine *record);

G_END_DECLS
