/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GTK tells screen readers a tooltip as a description only, so that a picture's button would have no name. */

#include "ui/accessible.h"

#include <adwaita.h>

static void
set_label (GtkWidget *widget, const char *text)
{
  gtk_accessible_update_property (GTK_ACCESSIBLE (widget), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
}

void
accessible_set_tooltip (GtkWidget *button, const char *text)
{
  gtk_widget_set_tooltip_text (button, text);
  set_label (button, text);
}

static gboolean
is_picture_button (GtkWidget *widget)
{
  if (GTK_IS_BUTTON (widget))
    return gtk_button_get_icon_name (GTK_BUTTON (widget)) != NULL;
  return GTK_IS_MENU_BUTTON (widget) || ADW_IS_SPLIT_BUTTON (widget);
}

void
accessible_use_tooltips (GtkWidget *root)
{
  const char *tooltip = gtk_widget_get_tooltip_text (root);

  if (tooltip != NULL && is_picture_button (root))
    {
      set_label (root, tooltip);
      /* What takes the focus of these two lies within. */
      if (!GTK_IS_BUTTON (root))
        set_label (gtk_widget_get_first_child (root), tooltip);
    }
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL; child = gtk_widget_get_next_sibling (child))
    accessible_use_tooltips (child);
}
