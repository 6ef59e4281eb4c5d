/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a text to type into a guest. */

#include "ui/type-dialog.h"

struct _BunshinTypeDialog
{
  AdwWindow parent_instance;
  GtkTextView *text_view;       /* template */
};

enum { TYPE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinTypeDialog, bunshin_type_dialog, ADW_TYPE_WINDOW)

static void
on_type (GtkWidget *widget, const char *name, GVariant *parameter)
{
  BunshinTypeDialog *self = BUNSHIN_TYPE_DIALOG (widget);
  g_autofree char *text = NULL;

  g_object_get (gtk_text_view_get_buffer (self->text_view), "text", &text, NULL);
  g_signal_emit (self, signals[TYPE], 0, text);
  gtk_window_close (GTK_WINDOW (self));
}

static void
bunshin_type_dialog_class_init (BunshinTypeDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  signals[TYPE] = g_signal_new ("type", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "dialog.type", NULL, on_type);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Return, GDK_CONTROL_MASK, "dialog.type", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/type-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinTypeDialog, text_view);
}

static void
bunshin_type_dialog_init (BunshinTypeDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_widget_grab_focus (GTK_WIDGET (self->text_view));
}

BunshinTypeDialog *
bunshin_type_dialog_new (GtkWindow *parent)
{
  return g_object_new (BUNSHIN_TYPE_TYPE_DIALOG, "transient-for", parent, NULL);
}
