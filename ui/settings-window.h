/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine's settings. Changes are stored at once; those that a running
 * machine cannot take are greyed out and say why.
 */
#pragma once

#include "ui/machine-item.h"
#include "ui/os-database.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SETTINGS_WINDOW (bunshin_settings_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSettingsWindow, bunshin_settings_window, BUNSHIN, SETTINGS_WINDOW, AdwPreferencesWindow)

/* @library outlives the window. */
BunshinSettingsWindow *bunshin_settings_window_new (GtkWindow *parent, Library *library, BunshinMachineItem *item,
                                                    BunshinOsDatabase *systems);

G_END_DECLS
