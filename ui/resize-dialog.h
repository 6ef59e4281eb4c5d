/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks for a disk's new size. A smaller one is warned of.
 *
 * Signal "resize" (uint64 size in bytes).
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_RESIZE_DIALOG (bunshin_resize_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinResizeDialog, bunshin_resize_dialog, BUNSHIN, RESIZE_DIALOG, AdwWindow)

/* @name: of the disk, to be shown; @size: its own, bytes. */
BunshinResizeDialog *bunshin_resize_dialog_new (GtkWindow *parent, const char *name, guint64 size);

G_END_DECLS
