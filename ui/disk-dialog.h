/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes a new disk, or asks what a copy of one is to be.
 *
 * Signals: "made" (string path, string format) when a new disk is there; "copy"
 * (string path, string format, string variant) when a copy is wanted.
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_DISK_DIALOG (bunshin_disk_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinDiskDialog, bunshin_disk_dialog, BUNSHIN, DISK_DIALOG, AdwWindow)

/* @folder and @name (without ending) are proposed. */
BunshinDiskDialog *bunshin_disk_dialog_new (GtkWindow *parent, const char *folder, const char *name);
/* For a copy of the image at @source, beside it. */
BunshinDiskDialog *bunshin_disk_dialog_new_copy (GtkWindow *parent, const char *source);

G_END_DECLS
