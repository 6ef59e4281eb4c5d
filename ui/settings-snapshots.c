/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings' page about automatic snapshots; see the header. */

#include "ui/settings-snapshots.h"

#include "ui/size-row.h"

#include <glib/gi18n.h>

struct _BunshinSettingsSnapshots
{
  AdwPreferencesPage parent_instance;

  /* template */
  GtkSwitch *disc_switch;
  AdwComboRow *every_row;
  GtkSpinButton *keep_spin;
  BunshinSizeRow *space_row;

  GArray *minutes; /* of unsigned: what every_row offers */
  gboolean updating;
};

enum { EDITED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSettingsSnapshots, bunshin_settings_snapshots, ADW_TYPE_PREFERENCES_PAGE)

static void
on_edited (BunshinSettingsSnapshots *self)
{
  if (!self->updating)
    g_signal_emit (self, signals[EDITED], 0);
}

/* Caller frees. */
static char *
describe_minutes (unsigned minutes)
{
  if (minutes == 0)
    return g_strdup (_("Never"));
  if (minutes % 60 != 0)
    return g_strdup_printf (ngettext ("Every minute", "Every %u minutes", minutes), minutes);
  return g_strdup_printf (ngettext ("Every hour", "Every %u hours", minutes / 60), minutes / 60);
}

/* The usual choices, and @chosen if it is none of them. */
static void
fill_every (BunshinSettingsSnapshots *self, unsigned chosen)
{
  static const unsigned usual[] = { 0, 15, 30, 60, 2 * 60, 4 * 60, 8 * 60, 24 * 60 };
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);
  guint selected = 0;

  g_array_set_size (self->minutes, 0);
  g_array_append_vals (self->minutes, usual, G_N_ELEMENTS (usual));
  while (selected < self->minutes->len && g_array_index (self->minutes, unsigned, selected) < chosen)
    selected++;
  if (selected == self->minutes->len || g_array_index (self->minutes, unsigned, selected) != chosen)
    g_array_insert_val (self->minutes, selected, chosen);
  for (guint i = 0; i < self->minutes->len; i++)
    {
      g_autofree char *name = describe_minutes (g_array_index (self->minutes, unsigned, i));

      gtk_string_list_append (names, name);
    }
  adw_combo_row_set_model (self->every_row, G_LIST_MODEL (names));
  adw_combo_row_set_selected (self->every_row, selected);
}

void
bunshin_settings_snapshots_set (BunshinSettingsSnapshots *self, const LibraryAutomatic *automatic)
{
  const guint64 usual_least = G_GUINT64_CONSTANT (64) << 20, usual_most = G_GUINT64_CONSTANT (4) << 40;
  LibraryAutomatic shown = *automatic;

  /* What is chosen here comes back when it is stored: the widgets stay as they are under the user's hands. */
  bunshin_settings_snapshots_get (self, &shown);
  if (self->minutes->len > 0 && shown.before_disc == automatic->before_disc && shown.every == automatic->every
      && shown.keep == automatic->keep && shown.space == automatic->space)
    return;
  self->updating = TRUE;
  gtk_switch_set_active (self->disc_switch, automatic->before_disc);
  fill_every (self, automatic->every);
  gtk_spin_button_set_value (self->keep_spin, automatic->keep);
  bunshin_size_row_set_limits (self->space_row, MIN (usual_least, automatic->space), MAX (usual_most, automatic->space), 0,
                               NULL, 1 << 30);
  bunshin_size_row_set_value (self->space_row, automatic->space);
  self->updating = FALSE;
}

void
bunshin_settings_snapshots_get (BunshinSettingsSnapshots *self, LibraryAutomatic *automatic)
{
  guint selected = adw_combo_row_get_selected (self->every_row);

  automatic->before_disc = gtk_switch_get_active (self->disc_switch);
  if (selected < self->minutes->len)
    automatic->every = g_array_index (self->minutes, unsigned, selected);
  automatic->keep = (unsigned) gtk_spin_button_get_value_as_int (self->keep_spin);
  if (bunshin_size_row_is_valid (self->space_row))
    automatic->space = bunshin_size_row_get_value (self->space_row);
}

static void
bunshin_settings_snapshots_finalize (GObject *object)
{
  g_array_unref (BUNSHIN_SETTINGS_SNAPSHOTS (object)->minutes);
  G_OBJECT_CLASS (bunshin_settings_snapshots_parent_class)->finalize (object);
}

static void
bunshin_settings_snapshots_class_init (BunshinSettingsSnapshotsClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = bunshin_settings_snapshots_finalize;
  signals[EDITED]
      = g_signal_new ("edited", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/settings-snapshots.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinSettingsSnapshots, name)
  BIND (disc_switch);
  BIND (every_row);
  BIND (keep_spin);
  BIND (space_row);
#undef BIND
}

static void
bunshin_settings_snapshots_init (BunshinSettingsSnapshots *self)
{
  self->minutes = g_array_new (FALSE, FALSE, sizeof (unsigned));
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_spin_button_set_range (self->keep_spin, 1, LIBRARY_AUTOMATIC_KEEP_MAX);
  g_signal_connect_swapped (self->disc_switch, "notify::active", G_CALLBACK (on_edited), self);
  g_signal_connect_swapped (self->every_row, "notify::selected", G_CALLBACK (on_edited), self);
  g_signal_connect_swapped (self->keep_spin, "value-changed", G_CALLBACK (on_edited), self);
  g_signal_connect_swapped (self->space_row, "edited", G_CALLBACK (on_edited), self);
}
