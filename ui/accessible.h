/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What screen readers say of widgets without words. */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* The tooltip, and the name by which a button with just a picture is known. */
void accessible_set_tooltip (GtkWidget *button, const char *text);
/* Buttons below @root with just a picture are known by the tooltips of their templates. */
void accessible_use_tooltips (GtkWidget *root);

G_END_DECLS
