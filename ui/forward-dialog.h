/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asks for a port forward: a port of this computer that leads to one of the
 * guest. Signal "done" (string): the rule as forward_rule_parse() reads it.
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_FORWARD_DIALOG (bunshin_forward_dialog_get_type ())
G_DECLARE_FINAL_TYPE (BunshinForwardDialog, bunshin_forward_dialog, BUNSHIN, FORWARD_DIALOG, AdwWindow)

BunshinForwardDialog *bunshin_forward_dialog_new (GtkWindow *parent);

G_END_DECLS
