/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The status bar: lights, what the mouse does, the accelerator. */

#include "ui/machine-window-private.h"
#include "ui/record-text.h"
#include "ui/size-format.h"

#include <glib/gi18n.h>

enum { ACTIVITY_MS = 250 };

void
machine_window_update_status_bar (BunshinMachineWindow *self)
{
  g_autoptr (GVariant) wanted = g_action_group_get_action_state (G_ACTION_GROUP (self->actions), "status-bar");

  gtk_widget_set_visible (self->status_bar,
                          g_variant_get_boolean (wanted) && !gtk_window_is_fullscreen (GTK_WINDOW (self)));
}

void
machine_window_update_hint (BunshinMachineWindow *self)
{
  const char *hint;

  if (self->control == NULL)
    return;
  if (bunshin_machine_control_get_state (self->control) != LIBRARY_STATE_RUNNING)
    hint = "";
  else if (bunshin_display_view_get_captured (self->view))
    hint = _("Right Ctrl lets go of keyboard and mouse");
  else if (bunshin_display_view_needs_capture (self->view))
    hint = _("Click into the screen to use the mouse there");
  else
    hint = _("Right Ctrl is the host key");
  if (!g_str_equal (gtk_label_get_label (self->hint_label), hint))
    gtk_label_set_label (self->hint_label, hint);
}

static void
set_light (BunshinMachineWindow *self, int light, gboolean active)
{
  GtkWidget *widget = GTK_WIDGET (self->lights[light]);

  if (gtk_widget_has_css_class (widget, "active") == active)
    return;
  if (active)
    gtk_widget_add_css_class (widget, "active");
  else
    gtk_widget_remove_css_class (widget, "active");
}

static void
set_tooltip (GtkImage *light, const char *what, double in, double out, const char *in_word, const char *out_word)
{
  g_autofree char *in_rate = size_format_rate (in), *out_rate = size_format_rate (out);
  g_autofree char *text = g_strdup_printf ("%s\n%s: %s\n%s: %s", what, in_word, in_rate, out_word, out_rate);

  if (g_strcmp0 (gtk_widget_get_tooltip_text (GTK_WIDGET (light)), text) != 0)
    gtk_widget_set_tooltip_text (GTK_WIDGET (light), text);
}

static gboolean
on_activity_timer (gpointer data)
{
  BunshinMachineWindow *self = data;
  ActivityMeter *meter = &self->meter;
  MachineInfo info = { 0 };

  machine_info (self->machine, &info);
  activity_meter_update (meter, &info, g_get_monotonic_time ());
  set_light (self, LIGHT_DISK, meter->disk_active);
  set_light (self, LIGHT_CD, meter->cd_active);
  set_light (self, LIGHT_FLOPPY, meter->floppy_active);
  set_light (self, LIGHT_NETWORK, meter->net_active);
  set_tooltip (self->lights[LIGHT_DISK], _("Disk"), meter->disk_read_rate, meter->disk_write_rate, _("read"),
               _("written"));
  set_tooltip (self->lights[LIGHT_NETWORK], _("Network"), meter->net_rx_rate, meter->net_tx_rate, _("received"),
               _("sent"));
  if (info.accel != NULL && !g_str_equal (gtk_label_get_label (self->accel_label), record_text_accel (info.accel)))
    {
      g_autofree char *reason = record_text_accel_reason (&info);

      gtk_label_set_label (self->accel_label, record_text_accel (info.accel));
      gtk_widget_set_tooltip_text (GTK_WIDGET (self->accel_label), reason);
    }
  /* The guest's driver may have taken the mouse over. */
  machine_window_update_hint (self);
  return G_SOURCE_CONTINUE;
}

void
machine_window_start_status (BunshinMachineWindow *self)
{
  gtk_widget_set_visible (GTK_WIDGET (self->lights[LIGHT_CD]),
                          library_machine_find_drive (self->record, LIBRARY_MEDIUM_OPTICAL) != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->lights[LIGHT_FLOPPY]),
                          library_machine_find_drive (self->record, LIBRARY_MEDIUM_FLOPPY) != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->lights[LIGHT_DISK]),
                          library_machine_find_drive (self->record, LIBRARY_MEDIUM_DISK) != NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->lights[LIGHT_NETWORK]), self->record->adapters->len > 0);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->lights[LIGHT_CD]), _("CD/DVD drive"));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->lights[LIGHT_FLOPPY]), _("Floppy drive"));
  if (self->activity_timer == 0 && self->machine != NULL)
    self->activity_timer = g_timeout_add (ACTIVITY_MS, on_activity_timer, self);
}

void
machine_window_stop_status (BunshinMachineWindow *self)
{
  g_clear_handle_id (&self->activity_timer, g_source_remove);
}
