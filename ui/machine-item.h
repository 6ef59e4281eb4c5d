/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One machine in the manager: its record in the library, its control, and a
 * thumbnail of its screen while it runs.
 *
 * Properties: "name" (string), "state" (int, a LibraryState), "busy" (boolean:
 * a verb is under way), "message" (string or NULL), "thumbnail" (GdkTexture or
 * NULL). All notify. Signal "notice" (string) is the control's.
 */
#pragma once

#include "ui/machine-control.h"

#include <gdk/gdk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_ITEM (bunshin_machine_item_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMachineItem, bunshin_machine_item, BUNSHIN, MACHINE_ITEM, GObject)

/* Takes @record and @control over. */
BunshinMachineItem *bunshin_machine_item_new (LibraryMachine *record, BunshinMachineControl *control);

/* Belongs to the item; replaced by bunshin_machine_item_set_record(), which emits "record-changed". */
const LibraryMachine *bunshin_machine_item_get_record (BunshinMachineItem *self);
/* Takes @record over. */
void bunshin_machine_item_set_record (BunshinMachineItem *self, LibraryMachine *record);
BunshinMachineControl *bunshin_machine_item_get_control (BunshinMachineItem *self);
const char *bunshin_machine_item_get_name (BunshinMachineItem *self);
const char *bunshin_machine_item_get_uuid (BunshinMachineItem *self);
LibraryState bunshin_machine_item_get_state (BunshinMachineItem *self);
/* Why the machine stopped by itself, or NULL. */
const char *bunshin_machine_item_get_message (BunshinMachineItem *self);
/* NULL when the machine does not run or has shown nothing yet. */
GdkTexture *bunshin_machine_item_get_thumbnail (BunshinMachineItem *self);
gboolean bunshin_machine_item_get_busy (BunshinMachineItem *self);
/* While a verb is under way; calls nest. */
void bunshin_machine_item_set_busy (BunshinMachineItem *self, gboolean busy);
/* Asks a running machine for its screen, unless the last answer is still awaited. */
void bunshin_machine_item_update_thumbnail (BunshinMachineItem *self);

G_END_DECLS
