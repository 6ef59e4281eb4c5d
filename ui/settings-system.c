/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings' system page: memory, processors, boot order, clock. */

#include "ui/boot-order.h"
#include "ui/accessible.h"
#include "ui/os-defaults.h"
#include "ui/record-text.h"
#include "ui/settings-window-private.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <unistd.h>

static void show_boot (BunshinSettingsWindow *self);

static void
on_memory_edited (BunshinSettingsWindow *self)
{
  if (self->updating || !bunshin_size_row_is_valid (self->memory_row))
    return;
  self->record->memory = bunshin_size_row_get_value (self->memory_row);
  settings_store_soon (self);
}

static void
on_cpus_changed (BunshinSettingsWindow *self)
{
  if (self->updating)
    return;
  self->record->cpus = gtk_spin_button_get_value_as_int (self->cpus_spin);
  settings_store_soon (self);
}

static void
on_utc_changed (BunshinSettingsWindow *self)
{
  if (self->updating)
    return;
  self->record->rtc_utc = gtk_switch_get_active (self->utc_switch);
  settings_store (self);
}

/* --- Accelerator --- */

/* The hardware is offered where the user may use it, or has chosen it. */
static GStrv
list_accels (const char *chosen)
{
  static const char *const accels[] = { "auto", "kvm", "jit", "interp" };
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (accels); i++)
    if (!g_str_equal (accels[i], "kvm") || g_strcmp0 (chosen, "kvm") == 0 || g_access ("/dev/kvm", R_OK | W_OK) == 0)
      g_strv_builder_add (builder, accels[i]);
  return g_strv_builder_end (builder);
}

static void
on_accel_changed (BunshinSettingsWindow *self)
{
  guint selected = adw_combo_row_get_selected (self->accel_row);

  if (self->updating || selected >= g_strv_length (self->accels))
    return;
  g_free (self->record->accel);
  self->record->accel = g_strdup (self->accels[selected]);
  settings_store (self);
}

/* Within “updating”. */
static void
show_accel (BunshinSettingsWindow *self)
{
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);

  g_strfreev (self->accels);
  self->accels = list_accels (self->record->accel);
  for (guint i = 0; self->accels[i] != NULL; i++)
    gtk_string_list_append (names, i == 0 ? _("The fastest that works here") : record_text_accel (self->accels[i]));
  adw_combo_row_set_model (self->accel_row, G_LIST_MODEL (names));
  for (guint i = 0; self->accels[i] != NULL; i++)
    if (g_strcmp0 (self->accels[i], self->record->accel) == 0)
      adw_combo_row_set_selected (self->accel_row, i);
}

/* --- Boot order --- */

static unsigned
row_index (GtkWidget *widget)
{
  return gtk_list_box_row_get_index (GTK_LIST_BOX_ROW (gtk_widget_get_ancestor (widget, GTK_TYPE_LIST_BOX_ROW)));
}

static void
move (BunshinSettingsWindow *self, GtkWidget *button, gboolean up)
{
  unsigned index = row_index (button);
  BootOrder order;

  boot_order_read (&order, self->record->boot);
  if (!boot_order_move (&order, index, up))
    return;
  boot_order_write (&order, self->record->boot);
  if (!settings_store (self))
    return;
  show_boot (self);
  /* The focus stays with the device that moved. */
  gtk_widget_child_focus (GTK_WIDGET (gtk_list_box_get_row_at_index (self->boot_list, up ? index - 1 : index + 1)),
                          GTK_DIR_TAB_FORWARD);
}

static void
on_up (GtkButton *button, gpointer data)
{
  move (data, GTK_WIDGET (button), TRUE);
}

static void
on_down (GtkButton *button, gpointer data)
{
  move (data, GTK_WIDGET (button), FALSE);
}

static void
on_boot_toggled (GtkCheckButton *check, gpointer data)
{
  BunshinSettingsWindow *self = data;
  BootOrder order;

  if (self->updating)
    return;
  boot_order_read (&order, self->record->boot);
  if (!boot_order_set_enabled (&order, row_index (GTK_WIDGET (check)), gtk_check_button_get_active (check)))
    {
      settings_toast (self, _("The machine has to start from something"));
      self->updating = TRUE;
      gtk_check_button_set_active (check, TRUE);
      self->updating = FALSE;
      return;
    }
  boot_order_write (&order, self->record->boot);
  if (settings_store (self))
    show_boot (self);
}

static GtkWidget *
move_button (BunshinSettingsWindow *self, const char *icon, const char *tooltip, GCallback clicked, gboolean enabled)
{
  GtkWidget *button = gtk_button_new_from_icon_name (icon);

  accessible_set_tooltip (button, tooltip);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_set_sensitive (button, enabled);
  gtk_widget_add_css_class (button, "flat");
  g_signal_connect (button, "clicked", clicked, self);
  return button;
}

static void
show_boot (BunshinSettingsWindow *self)
{
  GtkListBoxRow *old;
  BootOrder order;

  while ((old = gtk_list_box_get_row_at_index (self->boot_list, 0)) != NULL)
    gtk_list_box_remove (self->boot_list, GTK_WIDGET (old));
  boot_order_read (&order, self->record->boot);
  for (unsigned i = 0; i < LIBRARY_MAX_BOOT; i++)
    {
      GtkWidget *row = adw_action_row_new (), *check = gtk_check_button_new ();

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), record_text_boot_device (order.devices[i]));
      gtk_check_button_set_active (GTK_CHECK_BUTTON (check), order.enabled[i]);
      gtk_widget_set_valign (check, GTK_ALIGN_CENTER);
      adw_action_row_add_prefix (ADW_ACTION_ROW (row), check);
      adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), check);
      adw_action_row_add_suffix (ADW_ACTION_ROW (row),
                                 move_button (self, "go-up-symbolic", _("Move Up"), G_CALLBACK (on_up), i > 0));
      adw_action_row_add_suffix (ADW_ACTION_ROW (row), move_button (self, "go-down-symbolic", _("Move Down"),
                                                                    G_CALLBACK (on_down), i + 1 < LIBRARY_MAX_BOOT));
      g_signal_connect (check, "toggled", G_CALLBACK (on_boot_toggled), self);
      gtk_list_box_append (self->boot_list, row);
    }
}

void
settings_show_system (BunshinSettingsWindow *self)
{
  self->updating = TRUE;
  bunshin_size_row_set_value (self->memory_row, self->record->memory);
  gtk_spin_button_set_value (self->cpus_spin, self->record->cpus);
  gtk_switch_set_active (self->utc_switch, self->record->rtc_utc);
  show_accel (self);
  self->updating = FALSE;
  show_boot (self);
}

void
settings_init_system (BunshinSettingsWindow *self)
{
  MemoryLimits limits;

  memory_limits (library_host_memory (), &limits);
  bunshin_size_row_set_limits (self->memory_row, limits.minimum, limits.maximum, limits.warn_above,
                               _("This leaves little memory for this computer itself. It may become slow."), 1 << 20);
  gtk_spin_button_set_range (self->cpus_spin, 1,
                             MAX (cpu_limit (g_get_num_processors ()), self->record->cpus));
  g_signal_connect_swapped (self->accel_row, "notify::selected", G_CALLBACK (on_accel_changed), self);
  g_signal_connect_swapped (self->memory_row, "edited", G_CALLBACK (on_memory_edited), self);
  g_signal_connect_swapped (self->cpus_spin, "value-changed", G_CALLBACK (on_cpus_changed), self);
  g_signal_connect_swapped (self->utc_switch, "notify::active", G_CALLBACK (on_utc_changed), self);
}
