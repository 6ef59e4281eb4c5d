/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The settings' page about automatic snapshots: when they are taken, and how
 * many of them there may be.
 *
 * Signal "edited": the user changed something (not the program).
 */
#pragma once

#include "storage/library/library.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SETTINGS_SNAPSHOTS (bunshin_settings_snapshots_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSettingsSnapshots, bunshin_settings_snapshots, BUNSHIN, SETTINGS_SNAPSHOTS, AdwPreferencesPage)

void bunshin_settings_snapshots_set (BunshinSettingsSnapshots *self, const LibraryAutomatic *automatic);
/* What cannot be made out stays as it is in @automatic. */
void bunshin_settings_snapshots_get (BunshinSettingsSnapshots *self, LibraryAutomatic *automatic);

G_END_DECLS
