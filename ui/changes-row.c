/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A row of the list of changes; see the header. */

#include "ui/changes-row.h"

#include <glib/gi18n.h>

struct _BunshinChangesRow
{
  AdwBin parent_instance;

  /* template */
  GtkImage *icon;
  GtkLabel *name_label, *place_label, *sizes_label, *kind_label, *time_label;

  const char *style; /* of the kind that is shown; static, or NULL */
};

G_DEFINE_FINAL_TYPE (BunshinChangesRow, bunshin_changes_row, ADW_TYPE_BIN)

static const char *
icon_name (InspectType type)
{
  static const char *const names[]
      = { "text-x-generic-symbolic", "folder-symbolic", "go-jump-symbolic", "application-x-executable-symbolic" };

  return names[type];
}

static void
show_kind (BunshinChangesRow *self, BunshinChange *change)
{
  static const char *const styles[CHANGES_KINDS] = { "success", "error", "accent", "dim-label" };

  if (self->style != NULL)
    gtk_widget_remove_css_class (GTK_WIDGET (self->kind_label), self->style);
  self->style = styles[bunshin_change_get_row (change)->kind];
  gtk_widget_add_css_class (GTK_WIDGET (self->kind_label), self->style);
  gtk_label_set_label (self->kind_label, bunshin_change_get_kind_name (change));
}

void
bunshin_changes_row_set_change (BunshinChangesRow *self, BunshinChange *change)
{
  g_autofree char *name = bunshin_change_get_name (change), *place = bunshin_change_get_place (change);
  g_autofree char *sizes = bunshin_change_get_sizes (change), *time = bunshin_change_get_time (change);
  g_autofree char *spoken = NULL, *path = NULL;

  gtk_image_set_from_icon_name (self->icon, icon_name (bunshin_change_get_row (change)->type));
  gtk_label_set_label (self->name_label, name);
  gtk_label_set_label (self->place_label, place);
  path = inspect_shown_path (bunshin_change_get_path (change));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self), path);
  gtk_label_set_label (self->sizes_label, sizes != NULL ? sizes : "");
  gtk_label_set_label (self->time_label, time);
  show_kind (self, change);
  spoken = g_strdup_printf ("%s, %s, %s, %s, %s", name, bunshin_change_get_kind_name (change),
                            sizes != NULL ? sizes : "", place, time);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, spoken, -1);
}

static void
bunshin_changes_row_class_init (BunshinChangesRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/changes-row.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinChangesRow, name)
  BIND (icon);
  BIND (name_label);
  BIND (place_label);
  BIND (sizes_label);
  BIND (kind_label);
  BIND (time_label);
#undef BIND
}

static void
bunshin_changes_row_init (BunshinChangesRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
bunshin_changes_row_new (void)
{
  return g_object_new (BUNSHIN_TYPE_CHANGES_ROW, NULL);
}
