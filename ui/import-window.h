/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Imports an appliance: shows what would be made, lets one change it, and makes it.
 *
 * Signal "imported" (string uuid): the first of the new machines is in the library.
 */
#pragma once

#include "storage/library/library.h"
#include "ui/os-database.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_IMPORT_WINDOW (bunshin_import_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinImportWindow, bunshin_import_window, BUNSHIN, IMPORT_WINDOW, AdwWindow)

/* @library and @systems outlive the window. It begins to read @path at once. */
BunshinImportWindow *
bunshin_import_window_new (GtkWindow *parent, Library *library, BunshinOsDatabase *systems, const char *path);

G_END_DECLS
