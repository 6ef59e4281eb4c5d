/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Exports machines as an appliance.
 *
 * Signal "exported" (string path): the file is whole.
 */
#pragma once

#include "storage/library/library.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_EXPORT_WINDOW (bunshin_export_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinExportWindow, bunshin_export_window, BUNSHIN, EXPORT_WINDOW, AdwWindow)

/* @library outlives the window. The machine @uuid is chosen. */
BunshinExportWindow *bunshin_export_window_new (GtkWindow *parent, Library *library, const char *uuid);
/* As if the user had chosen this file. */
void bunshin_export_window_set_file (BunshinExportWindow *self, const char *path);

G_END_DECLS
