/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small tile that stands for an operating system. */

#include "ui/os-emblem.h"

#include "ui/os-emblem-style.h"

struct _BunshinOsEmblem
{
  GtkWidget parent_instance;
  GtkWidget *label, *image;
  const char *style;
};

enum { PROP_0, PROP_OS_ID, N_PROPS };

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (BunshinOsEmblem, bunshin_os_emblem, GTK_TYPE_WIDGET)

void
bunshin_os_emblem_set_os_id (BunshinOsEmblem *self, const char *os_id)
{
  char letter[8];
  const char *style = os_emblem_style (os_id, letter);

  if (self->style != NULL)
    gtk_widget_remove_css_class (GTK_WIDGET (self), self->style);
  self->style = style;
  gtk_widget_add_css_class (GTK_WIDGET (self), style);
  gtk_label_set_label (GTK_LABEL (self->label), letter);
  gtk_widget_set_visible (self->label, letter[0] != '\0');
  gtk_widget_set_visible (self->image, letter[0] == '\0');
}

static void
bunshin_os_emblem_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_OS_ID)
    bunshin_os_emblem_set_os_id (BUNSHIN_OS_EMBLEM (object), g_value_get_string (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
bunshin_os_emblem_dispose (GObject *object)
{
  BunshinOsEmblem *self = BUNSHIN_OS_EMBLEM (object);

  g_clear_pointer (&self->label, gtk_widget_unparent);
  g_clear_pointer (&self->image, gtk_widget_unparent);
  G_OBJECT_CLASS (bunshin_os_emblem_parent_class)->dispose (object);
}

static void
bunshin_os_emblem_class_init (BunshinOsEmblemClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->set_property = bunshin_os_emblem_set_property;
  object_class->dispose = bunshin_os_emblem_dispose;
  properties[PROP_OS_ID] = g_param_spec_string ("os-id", NULL, NULL, NULL, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  gtk_widget_class_set_css_name (widget_class, "osemblem");
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  /* What it says stands beside it in words. */
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void
bunshin_os_emblem_init (BunshinOsEmblem *self)
{
  self->label = gtk_label_new (NULL);
  gtk_widget_set_hexpand (self->label, TRUE);
  gtk_widget_set_parent (self->label, GTK_WIDGET (self));
  self->image = gtk_image_new_from_icon_name ("computer-symbolic");
  gtk_widget_set_hexpand (self->image, TRUE);
  gtk_widget_set_parent (self->image, GTK_WIDGET (self));
  bunshin_os_emblem_set_os_id (self, NULL);
}
