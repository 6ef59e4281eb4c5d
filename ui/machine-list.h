/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The library's machines as a list model of BunshinMachineItem, ordered by
 * name. It follows changes that other processes make.
 *
 * Signals: "changed" when the library or a machine's state did; "failed"
 * (string) when the library cannot be read; "notice" (BunshinMachineItem, string)
 * when there is something to say about a machine.
 */
#pragma once

#include "ui/machine-item.h"

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_LIST (bunshin_machine_list_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMachineList, bunshin_machine_list, BUNSHIN, MACHINE_LIST, GObject)

/* Takes the library's watch; both outlive the list. */
BunshinMachineList *bunshin_machine_list_new (Library *library, const BunshinMachineHost *host);
/* The items; belongs to the list. */
GListModel *bunshin_machine_list_get_model (BunshinMachineList *self);
/* NULL when there is none; borrowed. */
BunshinMachineItem *bunshin_machine_list_find (BunshinMachineList *self, const char *uuid);
/* Reads the library again. */
void bunshin_machine_list_reload (BunshinMachineList *self);

G_END_DECLS
