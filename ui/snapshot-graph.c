/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of the timeline; see the header. */

#include "ui/snapshot-graph.h"

/* Pixels. Branches of branches beyond the last column are drawn in it. */
enum { COLUMN = 16, EDGE = 14, MAX_COLUMNS = 5 };
#define LINE 2.0
#define DOT 5.0

struct _BunshinSnapshotGraph
{
  GtkWidget parent_instance;
  SnapshotPlace place;
};

G_DEFINE_FINAL_TYPE (BunshinSnapshotGraph, bunshin_snapshot_graph, GTK_TYPE_WIDGET)

static guint
shown_column (const BunshinSnapshotGraph *self)
{
  return MIN (self->place.column, MAX_COLUMNS - 1);
}

static double
column_x (guint column)
{
  return EDGE + column * COLUMN;
}

/* What led to the present stands out. */
static void
set_color (BunshinSnapshotGraph *self, cairo_t *cr, guint column)
{
  GtkStyleContext *style = gtk_widget_get_style_context (GTK_WIDGET (self));
  GdkRGBA color;

  if (column > 0 || !self->place.with_present || !gtk_style_context_lookup_color (style, "accent_color", &color))
    {
      gtk_style_context_get_color (style, &color);
      color.alpha *= 0.45f;
    }
  gdk_cairo_set_source_rgba (cr, &color);
}

static void
draw_line (cairo_t *cr, double x, double from, double to)
{
  cairo_move_to (cr, x, from);
  cairo_line_to (cr, x, to);
  cairo_stroke (cr);
}

static void
bunshin_snapshot_graph_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  BunshinSnapshotGraph *self = BUNSHIN_SNAPSHOT_GRAPH (widget);
  const SnapshotPlace *place = &self->place;
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);
  gboolean is_present = place->snapshot == NULL;
  guint column = shown_column (self);
  double x = column_x (column), middle = height / 2.0;
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));

  if (gtk_widget_get_direction (widget) == GTK_TEXT_DIR_RTL)
    {
      cairo_translate (cr, width, 0);
      cairo_scale (cr, -1, 1);
    }
  cairo_set_line_width (cr, LINE);
  for (guint i = 0; i < column; i++)
    {
      set_color (self, cr, i);
      draw_line (cr, column_x (i), 0, height);
    }
  set_color (self, cr, column);
  if (place->has_above)
    draw_line (cr, x, 0, middle - DOT);
  if (place->below == SNAPSHOT_BELOW_PARENT || (place->below == SNAPSHOT_BELOW_JOINS && column == 0))
    draw_line (cr, x, middle + DOT, height);
  else if (place->below == SNAPSHOT_BELOW_JOINS)
    {
      double left = column_x (column - 1), bend = 0.65 * (height - middle);

      cairo_move_to (cr, x, middle + DOT);
      cairo_curve_to (cr, x, middle + bend, left, height - bend, left, height);
      cairo_stroke (cr);
    }
  cairo_arc (cr, x, middle, is_present ? DOT - LINE / 2 : DOT, 0, 2 * G_PI);
  /* The present is a ring: it is not kept yet. */
  if (is_present)
    cairo_stroke (cr);
  else
    cairo_fill (cr);
  cairo_destroy (cr);
}

static void
bunshin_snapshot_graph_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                                int *natural, int *minimum_baseline, int *natural_baseline)
{
  guint column = shown_column (BUNSHIN_SNAPSHOT_GRAPH (widget));

  *minimum = *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? (int) column_x (column) + EDGE : 4 * (int) DOT;
}

void
bunshin_snapshot_graph_set_place (BunshinSnapshotGraph *self, const SnapshotPlace *place)
{
  self->place = *place;
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

static void
bunshin_snapshot_graph_class_init (BunshinSnapshotGraphClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  widget_class->snapshot = bunshin_snapshot_graph_snapshot;
  widget_class->measure = bunshin_snapshot_graph_measure;
  gtk_widget_class_set_css_name (widget_class, "snapshotgraph");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void
bunshin_snapshot_graph_init (BunshinSnapshotGraph *self)
{
}
