/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window with a running machine's figures. */
#pragma once

#include "ui/machine-control.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Of the machine that @control has in this process; the window goes with @parent. */
void information_show (GtkWindow *parent, BunshinMachineControl *control, const char *name);

G_END_DECLS
