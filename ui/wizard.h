/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Creates a machine, page by page: name and installation disc, operating
 * system, memory and processors, disk, network, summary.
 *
 * Signal "created" (string uuid, boolean start): it is in the library now.
 */
#pragma once

#include "storage/library/library.h"
#include "ui/os-database.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_WIZARD (bunshin_wizard_get_type ())
G_DECLARE_FINAL_TYPE (BunshinWizard, bunshin_wizard, BUNSHIN, WIZARD, AdwWindow)

/* @library and @systems outlive the wizard. */
BunshinWizard *bunshin_wizard_new (GtkWindow *parent, Library *library, BunshinOsDatabase *systems);
/* As if the user had chosen this file. */
void bunshin_wizard_set_disc (BunshinWizard *self, const char *path);

G_END_DECLS
