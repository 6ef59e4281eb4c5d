/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window that tells all about an image. */

#include "ui/medium-properties.h"

#include "storage/disk/disk.h"
#include "ui/accessible.h"
#include "ui/disk-formats.h"
#include "ui/size-format.h"

#include <glib/gi18n.h>

struct _BunshinMediumProperties
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  AdwPreferencesGroup *problem_group, *file_group, *users_group;
  GtkLabel *problem_label;

  BunshinMediumItem *item;
  GPtrArray *rows; /* borrowed widgets */
};

enum { SHOW_MACHINE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMediumProperties, bunshin_medium_properties, ADW_TYPE_WINDOW)

static GtkWidget *
add_row (BunshinMediumProperties *self, AdwPreferencesGroup *group, const char *title, const char *subtitle)
{
  GtkWidget *row = adw_action_row_new ();

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  if (subtitle != NULL)
    adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  adw_preferences_group_add (group, row);
  g_object_set_data (G_OBJECT (row), "group", group);
  g_ptr_array_add (self->rows, row);
  return row;
}

static void
on_copy (GtkButton *button, gpointer data)
{
  g_autofree char *shown = disk_shown_path (bunshin_medium_item_get_path (BUNSHIN_MEDIUM_PROPERTIES (data)->item));

  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (button)), shown);
}

static void
add_file (BunshinMediumProperties *self, const char *title, const char *path, gboolean can_copy)
{
  g_autofree char *visible = disk_shown_path (path), *shown = g_filename_display_name (visible);
  GtkWidget *row = add_row (self, self->file_group, title, shown), *button;

  if (!can_copy)
    return;
  button = gtk_button_new_from_icon_name ("edit-copy-symbolic");
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  accessible_set_tooltip (button, _("Copy the File’s Name"));
  g_signal_connect_object (button, "clicked", G_CALLBACK (on_copy), self, 0);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
}

static void
on_user_activated (AdwActionRow *row, gpointer data)
{
  g_autofree char *uuid = g_strdup (g_object_get_data (G_OBJECT (row), "uuid"));

  g_signal_emit (data, signals[SHOW_MACHINE], 0, uuid);
  gtk_window_close (GTK_WINDOW (data));
}

static void
add_user (BunshinMediumProperties *self, const LibraryMediumUser *user)
{
  GtkWidget *row = add_row (self, self->users_group, user->name, NULL);

  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (row), TRUE);
  g_object_set_data_full (G_OBJECT (row), "uuid", g_strdup (user->uuid), g_free);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), gtk_image_new_from_icon_name ("go-next-symbolic"));
  g_signal_connect_object (row, "activated", G_CALLBACK (on_user_activated), self, 0);
}

static void
show_problem (BunshinMediumProperties *self, const MediumInfo *info)
{
  const char *problem = NULL;

  if (info != NULL)
    problem = info->is_missing ? _("The file is missing. It was moved, renamed or deleted, or its drive is not there.")
                               : info->problem;
  gtk_widget_set_visible (GTK_WIDGET (self->problem_group), problem != NULL);
  gtk_label_set_label (self->problem_label, problem != NULL ? problem : "");
}

static void
show (BunshinMediumProperties *self)
{
  const MediumInfo *info = bunshin_medium_item_get_info (self->item);
  const LibraryMedium *medium = bunshin_medium_item_get_medium (self->item);
  const GPtrArray *users = bunshin_medium_item_get_users (self->item);

  for (guint i = 0; i < self->rows->len; i++)
    {
      GtkWidget *row = self->rows->pdata[i];

      adw_preferences_group_remove (g_object_get_data (G_OBJECT (row), "group"), row);
    }
  g_ptr_array_set_size (self->rows, 0);

  show_problem (self, info);
  add_file (self, _("File"), medium->path, TRUE);
  if (info != NULL && info->format != NULL)
    {
      const char *variant = disk_variant_text (info->variant);
      g_autofree char *size = size_format (info->size), *space = size_format (info->space);

      add_row (self, self->file_group, _("Format"), disk_format_title (info->format));
      if (variant != NULL && medium->kind == LIBRARY_MEDIUM_DISK)
        add_row (self, self->file_group, _("Allocation"), variant);
      if (!info->is_remote)
        {
          add_row (self, self->file_group, _("Size"), size);
          add_row (self, self->file_group, _("Size on Disk"), space);
        }
    }
  if (info != NULL && info->base != NULL)
    add_file (self, _("Based On"), info->base, FALSE);
  adw_preferences_group_set_description (self->users_group,
                                         users->len == 0 ? _("No machine has this medium.") : NULL);
  for (guint i = 0; i < users->len; i++)
    add_user (self, users->pdata[i]);
}

static void
bunshin_medium_properties_dispose (GObject *object)
{
  BunshinMediumProperties *self = BUNSHIN_MEDIUM_PROPERTIES (object);

  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_clear_object (&self->item);
  G_OBJECT_CLASS (bunshin_medium_properties_parent_class)->dispose (object);
}

static void
bunshin_medium_properties_finalize (GObject *object)
{
  g_ptr_array_unref (BUNSHIN_MEDIUM_PROPERTIES (object)->rows);
  G_OBJECT_CLASS (bunshin_medium_properties_parent_class)->finalize (object);
}

static void
bunshin_medium_properties_class_init (BunshinMediumPropertiesClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_medium_properties_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_medium_properties_finalize;
  signals[SHOW_MACHINE] = g_signal_new ("show-machine", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                        NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/medium-properties.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinMediumProperties, title);
  gtk_widget_class_bind_template_child (widget_class, BunshinMediumProperties, problem_group);
  gtk_widget_class_bind_template_child (widget_class, BunshinMediumProperties, problem_label);
  gtk_widget_class_bind_template_child (widget_class, BunshinMediumProperties, file_group);
  gtk_widget_class_bind_template_child (widget_class, BunshinMediumProperties, users_group);
}

static void
bunshin_medium_properties_init (BunshinMediumProperties *self)
{
  self->rows = g_ptr_array_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWindow *
bunshin_medium_properties_new (GtkWindow *parent, BunshinMediumItem *item)
{
  BunshinMediumProperties *self = g_object_new (BUNSHIN_TYPE_MEDIUM_PROPERTIES, "transient-for", parent, NULL);

  self->item = g_object_ref (item);
  adw_window_title_set_title (self->title, bunshin_medium_item_get_name (item));
  gtk_window_set_title (GTK_WINDOW (self), bunshin_medium_item_get_name (item));
  g_signal_connect_swapped (item, "changed", G_CALLBACK (show), self);
  show (self);
  return GTK_WINDOW (self);
}
