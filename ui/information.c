/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window with a running machine's figures. */

#include "ui/information.h"

#include "ui/record-text.h"
#include "ui/size-format.h"

#include <adwaita.h>
#include <glib/gi18n.h>

enum { UPDATE_MS = 1000 };
enum { ROW_ACCEL, ROW_TIME, ROW_SPEED, ROW_DISK, ROW_NETWORK, ROW_EXITS, N_ROWS };

typedef struct
{
  BunshinMachineControl *control;
  GtkWidget *rows[N_ROWS];
  uint64_t instructions;
  gint64 time;
  guint timer;
} Information;

static char *
format_duration (gint64 nanoseconds)
{
  gint64 seconds = nanoseconds / 1000000000;

  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", seconds / 3600, (int) (seconds / 60 % 60),
                          (int) (seconds % 60));
}

/* Digits in the language's groups. */
static char *
format_count (uint64_t count)
{
  return g_strdup_printf ("%'llu", (unsigned long long) count);
}

static void
set_row (Information *self, int row, const char *text)
{
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->rows[row]), text);
}

static gboolean
update (gpointer data)
{
  Information *self = data;
  Machine *machine = bunshin_machine_control_get_machine (self->control);
  MachineInfo info = { 0 };
  gint64 now = g_get_monotonic_time ();
  g_autofree char *accel = NULL, *reason = NULL, *duration = NULL, *read = NULL, *written = NULL;
  g_autofree char *received = NULL, *sent = NULL;
  g_autofree char *disk = NULL, *network = NULL, *exits = NULL;
  g_autofree char *ports = NULL, *mmio = NULL, *interrupts = NULL;

  if (machine == NULL)
    return G_SOURCE_CONTINUE;
  machine_info (machine, &info);
  /* Translators: an accelerator, and why it was taken. */
  reason = record_text_accel_reason (&info);
  accel = g_strdup_printf (_("%s: %s"), record_text_accel (info.accel), reason);
  set_row (self, ROW_ACCEL, accel);
  duration = format_duration (info.guest_time);
  set_row (self, ROW_TIME, duration);
  /* Translated code does not count its instructions. */
  gtk_widget_set_visible (self->rows[ROW_SPEED], g_strcmp0 (info.accel, "interp") == 0);
  if (self->time != 0 && info.instructions >= self->instructions)
    {
      double rate = (double) (info.instructions - self->instructions) / (now - self->time);
      /* Translators: how fast the guest's processors work. */
      g_autofree char *speed = g_strdup_printf (_("%.0f million instructions a second"), rate);

      set_row (self, ROW_SPEED, speed);
    }
  self->instructions = info.instructions;
  self->time = now;
  read = size_format (info.disk_read_bytes);
  written = size_format (info.disk_write_bytes);
  disk = g_strdup_printf (_("%s read, %s written"), read, written);
  set_row (self, ROW_DISK, disk);
  received = size_format (info.net_rx_bytes);
  sent = size_format (info.net_tx_bytes);
  network = g_strdup_printf (_("%s received, %s sent"), received, sent);
  set_row (self, ROW_NETWORK, network);
  ports = format_count (info.exits_pio);
  mmio = format_count (info.exits_mmio);
  interrupts = format_count (info.interrupts);
  /* Translators: counts of accesses to ports, to device memory, and of interrupts. */
  exits = g_strdup_printf (_("%s port, %s memory, %s interrupts"), ports, mmio, interrupts);
  set_row (self, ROW_EXITS, exits);
  return G_SOURCE_CONTINUE;
}

static void
information_free (gpointer data)
{
  Information *self = data;

  g_source_remove (self->timer);
  g_object_unref (self->control);
  g_free (self);
}

void
information_show (GtkWindow *parent, BunshinMachineControl *control, const char *name)
{
  static const char *const titles[N_ROWS] = {
    N_ ("Accelerator"), N_ ("Running Time"), N_ ("Speed"), N_ ("Disks"), N_ ("Network"), N_ ("Device Accesses"),
  };
  GtkWidget *window = adw_preferences_window_new (), *page = adw_preferences_page_new ();
  GtkWidget *group = adw_preferences_group_new ();
  Information *self = g_new0 (Information, 1);

  self->control = g_object_ref (control);
  for (int i = 0; i < N_ROWS; i++)
    {
      self->rows[i] = adw_action_row_new ();
      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->rows[i]), _(titles[i]));
      adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->rows[i]), FALSE);
      adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (self->rows[i]), 0);
      adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), self->rows[i]);
    }
  adw_preferences_page_add (ADW_PREFERENCES_PAGE (page), ADW_PREFERENCES_GROUP (group));
  adw_preferences_window_add (ADW_PREFERENCES_WINDOW (window), ADW_PREFERENCES_PAGE (page));
  adw_preferences_window_set_search_enabled (ADW_PREFERENCES_WINDOW (window), FALSE);
  gtk_window_set_title (GTK_WINDOW (window), name);
  gtk_window_set_default_size (GTK_WINDOW (window), 480, 480);
  gtk_window_set_transient_for (GTK_WINDOW (window), parent);
  gtk_window_set_destroy_with_parent (GTK_WINDOW (window), TRUE);
  self->timer = g_timeout_add (UPDATE_MS, update, self);
  g_object_set_data_full (G_OBJECT (window), "information", self, information_free);
  update (self);
  set_row (self, ROW_SPEED, _("Measuring…"));
  gtk_window_present (GTK_WINDOW (window));
}
