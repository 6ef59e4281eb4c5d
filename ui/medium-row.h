/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image in the list of media, with a menu of what may be done with it.
 *
 * Signals: "verb" (string: "properties", "copy", "move", "resize", "compact",
 * "check", "release", "remove", "delete", "open-folder"); "show-machine"
 * (string uuid).
 */
#pragma once

#include "ui/medium-item.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MEDIUM_ROW (bunshin_medium_row_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMediumRow, bunshin_medium_row, BUNSHIN, MEDIUM_ROW, AdwActionRow)

GtkWidget *bunshin_medium_row_new (BunshinMediumItem *item);
BunshinMediumItem *bunshin_medium_row_get_item (BunshinMediumRow *self);

G_END_DECLS
