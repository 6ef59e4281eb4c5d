/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine in the manager's sidebar. */

#include "ui/machine-row.h"

#include "ui/os-emblem.h"
#include "ui/state-text.h"
#include "ui/thumbnail.h"

enum { THUMBNAIL_HEIGHT = 40 }; /* as in the template */

struct _BunshinMachineRow
{
  GtkListBoxRow parent_instance;

  /* template */
  GtkStack *picture_stack;
  BunshinOsEmblem *emblem;
  GtkPicture *thumbnail;
  GtkLabel *name_label, *state_label;
  GtkSpinner *spinner;

  BunshinMachineItem *item;
  const char *style;
};

G_DEFINE_FINAL_TYPE (BunshinMachineRow, bunshin_machine_row, GTK_TYPE_LIST_BOX_ROW)

static void
update_state (BunshinMachineRow *self)
{
  LibraryState state = bunshin_machine_item_get_state (self->item);
  gboolean is_busy = bunshin_machine_item_get_busy (self->item) || state == LIBRARY_STATE_STARTING
                     || state == LIBRARY_STATE_STOPPING || state == LIBRARY_STATE_SAVING;
  const char *style = state_style (state);

  if (self->style != NULL)
    gtk_widget_remove_css_class (GTK_WIDGET (self->state_label), self->style);
  self->style = style;
  gtk_widget_add_css_class (GTK_WIDGET (self->state_label), style);
  gtk_label_set_label (self->state_label, state_text (state));
  gtk_spinner_set_spinning (self->spinner, is_busy);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), is_busy);
}

static void
update_thumbnail (BunshinMachineRow *self)
{
  GdkTexture *screen = bunshin_machine_item_get_thumbnail (self->item);
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  g_autoptr (GdkTexture) thumbnail = NULL;

  /* It covers its place: what is too wide for it is cut off, not squeezed. */
  if (screen != NULL)
    thumbnail = thumbnail_new (screen, G_MAXINT16, THUMBNAIL_HEIGHT * scale);
  gtk_picture_set_paintable (self->thumbnail, GDK_PAINTABLE (thumbnail));
  gtk_stack_set_visible_child_name (self->picture_stack, thumbnail != NULL ? "thumbnail" : "emblem");
}

static void
update_record (BunshinMachineRow *self)
{
  const LibraryMachine *record = bunshin_machine_item_get_record (self->item);

  gtk_label_set_label (self->name_label, record->name);
  bunshin_os_emblem_set_os_id (self->emblem, record->os_id);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, record->name, -1);
}

BunshinMachineItem *
bunshin_machine_row_get_item (BunshinMachineRow *self)
{
  return self->item;
}

static void
bunshin_machine_row_dispose (GObject *object)
{
  BunshinMachineRow *self = BUNSHIN_MACHINE_ROW (object);

  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_clear_object (&self->item);
  G_OBJECT_CLASS (bunshin_machine_row_parent_class)->dispose (object);
}

static void
bunshin_machine_row_class_init (BunshinMachineRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_machine_row_dispose;
  g_type_ensure (BUNSHIN_TYPE_OS_EMBLEM);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/machine-row.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, picture_stack);
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, emblem);
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, thumbnail);
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, name_label);
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, state_label);
  gtk_widget_class_bind_template_child (widget_class, BunshinMachineRow, spinner);
}

static void
bunshin_machine_row_init (BunshinMachineRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
bunshin_machine_row_new (BunshinMachineItem *item)
{
  BunshinMachineRow *self = g_object_new (BUNSHIN_TYPE_MACHINE_ROW, NULL);

  self->item = g_object_ref (item);
  g_signal_connect_swapped (item, "notify::state", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (item, "notify::busy", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (item, "notify::thumbnail", G_CALLBACK (update_thumbnail), self);
  g_signal_connect_swapped (item, "record-changed", G_CALLBACK (update_record), self);
  update_record (self);
  update_state (self);
  update_thumbnail (self);
  return GTK_WIDGET (self);
}
