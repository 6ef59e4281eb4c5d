/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A row of the list of changes: what file, what became of it, sizes and time. It shows one change after the other. */
#pragma once

#include "ui/changes-list.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_CHANGES_ROW (bunshin_changes_row_get_type ())
G_DECLARE_FINAL_TYPE (BunshinChangesRow, bunshin_changes_row, BUNSHIN, CHANGES_ROW, AdwBin)

GtkWidget *bunshin_changes_row_new (void);
void bunshin_changes_row_set_change (BunshinChangesRow *self, BunshinChange *change);

G_END_DECLS
