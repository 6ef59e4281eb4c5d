/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows that choose what kind of file a new disk is. */

#include "ui/format-rows.h"

#include "ui/disk-formats.h"

static void
on_format_changed (FormatRows *rows)
{
  gtk_widget_set_visible (rows->split_row, disk_format_can_split (format_rows_get_format (rows)));
}

void
format_rows_init (FormatRows *rows)
{
  g_autoptr (GtkStringList) titles = gtk_string_list_new (NULL);

  for (const char *const *format = disk_formats (); *format != NULL; format++)
    gtk_string_list_append (titles, disk_format_title (*format));
  adw_combo_row_set_model (rows->format_row, G_LIST_MODEL (titles));
  g_signal_connect_swapped (rows->format_row, "notify::selected", G_CALLBACK (on_format_changed), rows);
  on_format_changed (rows);
}

const char *
format_rows_get_format (const FormatRows *rows)
{
  return disk_formats ()[adw_combo_row_get_selected (rows->format_row)];
}

const char *
format_rows_get_variant (const FormatRows *rows)
{
  return disk_format_variant (format_rows_get_format (rows), gtk_switch_get_active (rows->fixed_switch),
                              gtk_switch_get_active (rows->split_switch));
}

void
format_rows_set_format (const FormatRows *rows, const char *format)
{
  const char *const *formats = disk_formats ();

  for (guint i = 0; formats[i] != NULL; i++)
    if (g_strcmp0 (formats[i], format) == 0)
      adw_combo_row_set_selected (rows->format_row, i);
}
