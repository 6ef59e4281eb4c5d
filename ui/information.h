/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window with a running machine's figures. */
#pragma once

#include "engine/machine/machine.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* @machine outlives @parent, and the window goes with @parent. */
void information_show (GtkWindow *parent, Machine *machine, const char *name);

G_END_DECLS
