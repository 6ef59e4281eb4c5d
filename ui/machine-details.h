/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the manager shows of the selected machine. Its buttons use the window's actions. */
#pragma once

#include "ui/machine-item.h"
#include "ui/os-database.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_DETAILS (bunshin_machine_details_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMachineDetails, bunshin_machine_details, BUNSHIN, MACHINE_DETAILS, AdwBin)

/* NULL: none. */
void bunshin_machine_details_set_item (BunshinMachineDetails *self, BunshinMachineItem *item);
void bunshin_machine_details_set_os_database (BunshinMachineDetails *self, BunshinOsDatabase *database);

G_END_DECLS
