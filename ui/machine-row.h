/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine in the manager's sidebar. */
#pragma once

#include "ui/machine-item.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_ROW (bunshin_machine_row_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMachineRow, bunshin_machine_row, BUNSHIN, MACHINE_ROW, GtkListBoxRow)

GtkWidget *bunshin_machine_row_new (BunshinMachineItem *item);
BunshinMachineItem *bunshin_machine_row_get_item (BunshinMachineRow *self);

G_END_DECLS
