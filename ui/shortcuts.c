/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The windows that list keyboard shortcuts. */

#include "ui/shortcuts.h"

/* GTK keeps windows until they are destroyed. */
static GtkWidget *
load (const char *resource)
{
  g_autoptr (GtkBuilder) builder = gtk_builder_new_from_resource (resource);

  return GTK_WIDGET (gtk_builder_get_object (builder, "shortcuts"));
}

void
shortcuts_show_machine (GtkWindow *parent)
{
  GtkWidget *window = load ("/org/bunshin/Bunshin/shortcuts-machine.ui");

  gtk_window_set_transient_for (GTK_WINDOW (window), parent);
  gtk_window_present (GTK_WINDOW (window));
}

GtkWidget *
shortcuts_new_manager (void)
{
  return load ("/org/bunshin/Bunshin/shortcuts-manager.ui");
}
