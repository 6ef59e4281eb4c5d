/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a disk's new size. */

#include "ui/resize-dialog.h"

#include "ui/machine-draft.h"
#include "ui/size-format.h"
#include "ui/size-row.h"

#include <glib/gi18n.h>

struct _BunshinResizeDialog
{
  AdwWindow parent_instance;

  /* template */
  AdwWindowTitle *title;
  BunshinSizeRow *size_row;
  GtkWidget *warning_group, *hint, *loss_check, *resize_button;

  guint64 size;
};

enum { RESIZE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinResizeDialog, bunshin_resize_dialog, ADW_TYPE_WINDOW)

static void
update (BunshinResizeDialog *self)
{
  guint64 wanted = bunshin_size_row_get_value (self->size_row);
  gboolean is_valid = bunshin_size_row_is_valid (self->size_row), shrinks = is_valid && wanted < self->size;
  gboolean may_lose = gtk_check_button_get_active (GTK_CHECK_BUTTON (self->loss_check));

  gtk_widget_set_visible (self->warning_group, shrinks);
  gtk_widget_set_visible (self->hint, !shrinks);
  gtk_button_set_label (GTK_BUTTON (self->resize_button), shrinks ? _("_Shrink") : _("_Grow"));
  if (shrinks)
    {
      gtk_widget_remove_css_class (self->resize_button, "suggested-action");
      gtk_widget_add_css_class (self->resize_button, "destructive-action");
    }
  else
    {
      gtk_widget_remove_css_class (self->resize_button, "destructive-action");
      gtk_widget_add_css_class (self->resize_button, "suggested-action");
    }
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.resize",
                                 is_valid && wanted != self->size && (!shrinks || may_lose));
}

static void
on_resize (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinResizeDialog *self = BUNSHIN_RESIZE_DIALOG (widget);

  g_signal_emit (self, signals[RESIZE], 0, bunshin_size_row_get_value (self->size_row));
  gtk_window_destroy (GTK_WINDOW (self));
}

static void
bunshin_resize_dialog_class_init (BunshinResizeDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  signals[RESIZE] = g_signal_new ("resize", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_UINT64);
  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  gtk_widget_class_install_action (widget_class, "dialog.resize", NULL, on_resize);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/resize-dialog.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinResizeDialog, name)
  BIND (title);
  BIND (size_row);
  BIND (warning_group);
  BIND (hint);
  BIND (loss_check);
  BIND (resize_button);
#undef BIND
}

static void
bunshin_resize_dialog_init (BunshinResizeDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect_swapped (self->size_row, "edited", G_CALLBACK (update), self);
  g_signal_connect_swapped (self->loss_check, "toggled", G_CALLBACK (update), self);
}

BunshinResizeDialog *
bunshin_resize_dialog_new (GtkWindow *parent, const char *name, guint64 size)
{
  BunshinResizeDialog *self = g_object_new (BUNSHIN_TYPE_RESIZE_DIALOG, "transient-for", parent, NULL);

  self->size = size;
  adw_window_title_set_subtitle (self->title, name);
  bunshin_size_row_set_limits (self->size_row, MIN (size, DRAFT_MIN_DISK), MAX (size, DRAFT_MAX_DISK), 0, NULL,
                               1 << 30);
  bunshin_size_row_set_value (self->size_row, size);
  update (self);
  return self;
}
