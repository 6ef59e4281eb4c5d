/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of operating systems with a search entry above it.
 *
 * Signals: "chosen": another one was selected by the user; "activated": it was
 * chosen for good (double click, Enter).
 */
#pragma once

#include "ui/os-database.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_OS_CHOOSER (bunshin_os_chooser_get_type ())
G_DECLARE_FINAL_TYPE (BunshinOsChooser, bunshin_os_chooser, BUNSHIN, OS_CHOOSER, AdwBin)

void bunshin_os_chooser_set_database (BunshinOsChooser *self, BunshinOsDatabase *database);
/* Borrowed, NULL when none is selected. */
BunshinOs *bunshin_os_chooser_get_selected (BunshinOsChooser *self);
/* Selects and shows it; a search that hides it is cleared. */
void bunshin_os_chooser_select (BunshinOsChooser *self, const char *id);
void bunshin_os_chooser_focus_search (BunshinOsChooser *self);

G_END_DECLS
