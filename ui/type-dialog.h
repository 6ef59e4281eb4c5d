/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a text to type into a guest. Signal "type" (string): it is to be typed. */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_TYPE_DIALOG (bunshin_type_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinTypeDialog, bunshin_type_dialog, BUNSHIN, TYPE_DIALOG, AdwWindow)

BunshinTypeDialog *bunshin_type_dialog_new (GtkWindow *parent);

G_END_DECLS
