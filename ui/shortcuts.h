/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The windows that list keyboard shortcuts. */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Those of a machine's window, which are pressed with the host key. */
void shortcuts_show_machine (GtkWindow *parent);
/* Those of the manager, for gtk_application_window_set_help_overlay(). */
GtkWidget *shortcuts_new_manager (void);

G_END_DECLS
