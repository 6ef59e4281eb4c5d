/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A size on a slider, with an entry for the exact number. */

#include "ui/size-row.h"

#include "ui/size-format.h"
#include "ui/size-scale.h"

#include <glib/gi18n.h>
#include <math.h>

struct _BunshinSizeRow
{
  AdwPreferencesRow parent_instance;

  /* template */
  GtkEntry *entry;
  GtkScale *scale;
  GtkAdjustment *adjustment;
  GtkLabel *hint_label;

  SizeScale limits;
  guint64 value, warn_above, unit;
  char *warning;
  gboolean valid;
  gboolean updating;            /* the program writes into the entry */
};

enum { EDITED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSizeRow, bunshin_size_row, ADW_TYPE_PREFERENCES_ROW)

static void
show_hint (BunshinSizeRow *self)
{
  g_autofree char *minimum = size_format (self->limits.minimum), *maximum = size_format (self->limits.maximum);
  g_autofree char *range = NULL;
  gboolean warns = self->valid && self->warn_above != 0 && self->value > self->warn_above;

  /* Translators: %s are sizes like "4 MiB". */
  range = g_strdup_printf (_("Choose a size from %s to %s"), minimum, maximum);
  gtk_label_set_label (self->hint_label, self->valid ? self->warning : range);
  gtk_widget_set_visible (GTK_WIDGET (self->hint_label), warns || !self->valid);
  if (self->valid)
    gtk_widget_remove_css_class (GTK_WIDGET (self->entry), "error");
  else
    gtk_widget_add_css_class (GTK_WIDGET (self->entry), "error");
  if (self->valid)
    gtk_widget_remove_css_class (GTK_WIDGET (self->hint_label), "error");
  else
    gtk_widget_add_css_class (GTK_WIDGET (self->hint_label), "error");
  if (warns)
    gtk_widget_add_css_class (GTK_WIDGET (self->hint_label), "warning");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self->hint_label), "warning");
  gtk_accessible_update_state (GTK_ACCESSIBLE (self->entry), GTK_ACCESSIBLE_STATE_INVALID,
                               self->valid ? GTK_ACCESSIBLE_INVALID_FALSE : GTK_ACCESSIBLE_INVALID_TRUE, -1);
}

static void
show_scale (BunshinSizeRow *self)
{
  g_autofree char *text = size_format (self->value);

  gtk_adjustment_set_value (self->adjustment, size_scale_to_position (&self->limits, self->value));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->scale), GTK_ACCESSIBLE_PROPERTY_VALUE_TEXT, text, -1);
}

static void
show_entry (BunshinSizeRow *self)
{
  g_autofree char *text = size_format (self->value);

  self->updating = TRUE;
  gtk_editable_set_text (GTK_EDITABLE (self->entry), text);
  self->updating = FALSE;
}

static void
set_value (BunshinSizeRow *self, guint64 value)
{
  self->value = CLAMP (value, self->limits.minimum, self->limits.maximum);
  self->valid = TRUE;
  show_scale (self);
  show_hint (self);
}

static gboolean
on_change_value (GtkRange *range, GtkScrollType scroll, double position, gpointer data)
{
  BunshinSizeRow *self
      = BUNSHIN_SIZE_ROW (gtk_widget_get_ancestor (GTK_WIDGET (range), BUNSHIN_TYPE_SIZE_ROW));
  guint64 value;

  switch ((int) scroll)
    {
    case GTK_SCROLL_STEP_BACKWARD:
    case GTK_SCROLL_STEP_LEFT:
    case GTK_SCROLL_STEP_DOWN:
      value = size_scale_step (&self->limits, self->value, FALSE);
      break;
    case GTK_SCROLL_STEP_FORWARD:
    case GTK_SCROLL_STEP_RIGHT:
    case GTK_SCROLL_STEP_UP:
      value = size_scale_step (&self->limits, self->value, TRUE);
      break;
    default:
      value = size_scale_to_bytes (&self->limits, position);
    }
  if (value == self->value && self->valid)
    return TRUE;
  set_value (self, value);
  show_entry (self);
  g_signal_emit (self, signals[EDITED], 0);
  return TRUE;
}

static void
on_entry_changed (BunshinSizeRow *self)
{
  uint64_t value;

  if (self->updating)
    return;
  if (size_parse (gtk_editable_get_text (GTK_EDITABLE (self->entry)), self->unit, &value)
      && value >= self->limits.minimum && value <= self->limits.maximum)
    {
      /* Memory and disks come in whole MiB. */
      set_value (self, value >> 20 << 20);
    }
  else
    {
      self->valid = FALSE;
      show_hint (self);
    }
  g_signal_emit (self, signals[EDITED], 0);
}

/* What was typed is written out properly when the user goes on. */
static void
on_entry_focus (BunshinSizeRow *self)
{
  if (self->valid && !gtk_widget_has_focus (GTK_WIDGET (self->entry)))
    show_entry (self);
}

void
bunshin_size_row_set_limits (BunshinSizeRow *self, guint64 minimum, guint64 maximum, guint64 warn_above,
                             const char *warning, guint64 unit)
{
  static const guint64 marks[] = { 1ull << 26, 1ull << 29, 1ull << 30, 1ull << 31, 1ull << 32, 1ull << 33, 1ull << 34,
                                   1ull << 35, 1ull << 36, 1ull << 37, 1ull << 38, 1ull << 40 };
  double last = -1;

  self->limits = (SizeScale) { minimum, maximum };
  self->warn_above = warn_above;
  self->unit = unit;
  g_free (self->warning);
  self->warning = g_strdup (warning);
  gtk_scale_clear_marks (self->scale);
  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    {
      g_autofree char *text = size_format (marks[i]);
      double position = size_scale_to_position (&self->limits, marks[i]);

      /* Labels need room. */
      if (marks[i] <= minimum || marks[i] > maximum || position - last < 0.22)
        continue;
      gtk_scale_add_mark (self->scale, position, GTK_POS_BOTTOM, text);
      last = position;
    }
  if (warn_above != 0)
    {
      gtk_range_set_fill_level (GTK_RANGE (self->scale), size_scale_to_position (&self->limits, warn_above));
      gtk_range_set_show_fill_level (GTK_RANGE (self->scale), TRUE);
    }
  gtk_range_set_restrict_to_fill_level (GTK_RANGE (self->scale), FALSE);
  bunshin_size_row_set_value (self, self->value != 0 ? self->value : minimum);
}

void
bunshin_size_row_set_value (BunshinSizeRow *self, guint64 value)
{
  set_value (self, value);
  show_entry (self);
}

guint64
bunshin_size_row_get_value (BunshinSizeRow *self)
{
  return self->value;
}

gboolean
bunshin_size_row_is_valid (BunshinSizeRow *self)
{
  return self->valid;
}

static void
on_title_changed (BunshinSizeRow *self)
{
  const char *title = adw_preferences_row_get_title (ADW_PREFERENCES_ROW (self));

  gtk_accessible_update_property (GTK_ACCESSIBLE (self->scale), GTK_ACCESSIBLE_PROPERTY_LABEL, title, -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->entry), GTK_ACCESSIBLE_PROPERTY_LABEL, title, -1);
}

static void
bunshin_size_row_finalize (GObject *object)
{
  g_free (BUNSHIN_SIZE_ROW (object)->warning);
  G_OBJECT_CLASS (bunshin_size_row_parent_class)->finalize (object);
}

static void
bunshin_size_row_class_init (BunshinSizeRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = bunshin_size_row_finalize;
  signals[EDITED] = g_signal_new ("edited", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 0);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/size-row.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinSizeRow, entry);
  gtk_widget_class_bind_template_child (widget_class, BunshinSizeRow, scale);
  gtk_widget_class_bind_template_child (widget_class, BunshinSizeRow, adjustment);
  gtk_widget_class_bind_template_child (widget_class, BunshinSizeRow, hint_label);
  gtk_widget_class_bind_template_callback (widget_class, on_entry_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_entry_focus);
  gtk_widget_class_bind_template_callback (widget_class, on_change_value);
}

static void
bunshin_size_row_init (BunshinSizeRow *self)
{
  self->limits = (SizeScale) { 1 << 20, 1 << 30 };
  self->unit = 1 << 20;
  self->valid = TRUE;
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect (self, "notify::title", G_CALLBACK (on_title_changed), NULL);
}
