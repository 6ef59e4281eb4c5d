/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a port forward. */

#include "ui/forward-dialog.h"

#include "ui/port.h"

#include <glib/gi18n.h>

struct _BunshinForwardDialog
{
  AdwWindow parent_instance;

  /* template */
  AdwComboRow *protocol_row;
  GtkEditable *host_port_row, *guest_port_row;
  GtkSwitch *open_switch;
  GtkLabel *hint_label;
};

enum { DONE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinForwardDialog, bunshin_forward_dialog, ADW_TYPE_WINDOW)

static void
on_changed (BunshinForwardDialog *self)
{
  const char *host = gtk_editable_get_text (self->host_port_row);
  const char *guest = gtk_editable_get_text (self->guest_port_row);
  guint16 host_port = 0, guest_port = 0;
  gboolean host_is_good = port_parse (host, &host_port), guest_is_good = port_parse (guest, &guest_port);
  gboolean has_error = (host[0] != '\0' && !host_is_good) || (guest[0] != '\0' && !guest_is_good);
  gboolean is_low = host_is_good && host_port < 1024;

  gtk_label_set_label (self->hint_label, has_error ? _("A port is a number from 1 to 65535.")
                                                   : _("Host ports below 1024 are for the system; choose a higher "
                                                       "one, or the forward may fail."));
  gtk_widget_set_visible (GTK_WIDGET (self->hint_label), has_error || is_low);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.add", host_is_good && guest_is_good);
}

static void
on_add (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinForwardDialog *self = BUNSHIN_FORWARD_DIALOG (widget);
  gboolean is_udp = adw_combo_row_get_selected (self->protocol_row) == 1;
  gboolean is_open = gtk_switch_get_active (self->open_switch);
  g_autofree char *rule = g_strdup_printf ("%s:%s%s:%s", is_udp ? "udp" : "tcp", is_open ? "0.0.0.0:" : "",
                                           gtk_editable_get_text (self->host_port_row),
                                           gtk_editable_get_text (self->guest_port_row));

  g_signal_emit (self, signals[DONE], 0, rule);
  gtk_window_close (GTK_WINDOW (self));
}

static void
bunshin_forward_dialog_class_init (BunshinForwardDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  signals[DONE] = g_signal_new ("done", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "dialog.add", NULL, on_add);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/forward-dialog.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinForwardDialog, protocol_row);
  gtk_widget_class_bind_template_child (widget_class, BunshinForwardDialog, host_port_row);
  gtk_widget_class_bind_template_child (widget_class, BunshinForwardDialog, guest_port_row);
  gtk_widget_class_bind_template_child (widget_class, BunshinForwardDialog, open_switch);
  gtk_widget_class_bind_template_child (widget_class, BunshinForwardDialog, hint_label);
  gtk_widget_class_bind_template_callback (widget_class, on_changed);
}

static void
bunshin_forward_dialog_init (BunshinForwardDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  on_changed (self);
}

BunshinForwardDialog *
bunshin_forward_dialog_new (GtkWindow *parent)
{
  return g_object_new (BUNSHIN_TYPE_FORWARD_DIALOG, "transient-for", parent, NULL);
}
