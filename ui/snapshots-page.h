/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine's snapshots as a timeline, and all that can be done with them.
 *
 * Signals: "toast" (AdwToast) to be shown somewhere; "cloned" (string: the
 * UUID of a machine that was made); "drive" (string: the UUID of a snapshot
 * that a test drive of the machine shall begin at).
 */
#pragma once

#include "ui/machine-item.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SNAPSHOTS_PAGE (bunshin_snapshots_page_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSnapshotsPage, bunshin_snapshots_page, BUNSHIN, SNAPSHOTS_PAGE, AdwBin)

/* Once, before anything else; both outlive the page. @program: whose command line looks into disks, or NULL. */
void bunshin_snapshots_page_set_library (BunshinSnapshotsPage *self, Library *library, const char *program);
/* NULL: none. What is under way of another one goes on. */
void bunshin_snapshots_page_set_item (BunshinSnapshotsPage *self, BunshinMachineItem *item);
/* There is little room: rows have no pictures, and their verbs in menus. */
void bunshin_snapshots_page_set_narrow (BunshinSnapshotsPage *self, gboolean narrow);
/* Asks how to call a snapshot of the present state, then takes it. */
void bunshin_snapshots_page_take (BunshinSnapshotsPage *self);
/* Asks how to clone the present state of the machine, which is off. */
void bunshin_snapshots_page_clone (BunshinSnapshotsPage *self);

G_END_DECLS
