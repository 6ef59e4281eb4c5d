/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shows a machine's screen. The screen is refreshed with the frame clock while
 * it changes; when it stands still it is only looked at now and then, and not
 * at all while the view is hidden or the machine is paused.
 */

#include "ui/display-view-private.h"

#include <glib/gi18n.h>

enum { PROP_0, PROP_CAPTURED, PROP_SCALE_MODE, N_PROPS };
enum { COMMAND, GUEST_RESIZED, N_SIGNALS };
enum { POLL_SOON_MS = 40, POLL_IDLE_MS = 150, FRAME_CLOCK_US = 200 * 1000, SOON_US = 3 * G_USEC_PER_SEC };
enum { MIN_WIDTH = 320, MIN_HEIGHT = 200, UI_SIZE_DELAY_MS = 400 };

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinDisplayView, bunshin_display_view, GTK_TYPE_WIDGET)

static void schedule (BunshinDisplayView *self);

static void
compute_layout (BunshinDisplayView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  int scale = gtk_widget_get_scale_factor (widget);

  display_layout_compute (&self->layout, self->mode, gtk_widget_get_width (widget) * scale,
                          gtk_widget_get_height (widget) * scale, self->guest_width, self->guest_height, scale);
  display_tiles_set_layout (self->tiles, &self->layout);
}

/* --- The display's listener: runs wherever the display is refreshed --- */

static void
on_guest_resized (void *opaque, int width, int height)
{
  BunshinDisplayView *self = opaque;

  g_atomic_int_set (&self->resized, TRUE);
  display_tiles_damage_all (self->tiles);
  g_atomic_int_set (&self->damaged, TRUE);
}

static void
on_guest_damaged (void *opaque, const DisplayRect *rects, int count)
{
  BunshinDisplayView *self = opaque;

  display_tiles_damage (self->tiles, rects, count);
  g_atomic_int_set (&self->damaged, TRUE);
}

static const DisplayListener listener = { .resized = on_guest_resized, .damaged = on_guest_damaged };

static void
take_guest_size (BunshinDisplayView *self)
{
  int width = 0, height = 0, stride;

  if (display_lock (self->display, &width, &height, &stride) == NULL)
    width = height = 0;
  display_unlock (self->display);
  if (width == self->guest_width && height == self->guest_height)
    return;
  self->guest_width = width;
  self->guest_height = height;
  compute_layout (self);
  gtk_widget_queue_resize (GTK_WIDGET (self));
  g_signal_emit (self, signals[GUEST_RESIZED], 0, width, height);
}

/* --- When to look --- */

static void
look (BunshinDisplayView *self)
{
  if (self->display == NULL)
    return;
  display_refresh (self->display);
  if (g_atomic_int_compare_and_exchange (&self->resized, TRUE, FALSE))
    take_guest_size (self);
  if (g_atomic_int_compare_and_exchange (&self->damaged, TRUE, FALSE))
    {
      self->last_change = g_get_monotonic_time ();
      gtk_widget_queue_draw (GTK_WIDGET (self));
    }
}

static gboolean
on_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);

  look (self);
  if (self->live && g_get_monotonic_time () - self->last_change < FRAME_CLOCK_US)
    return G_SOURCE_CONTINUE;
  self->tick = 0;
  schedule (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_poll (gpointer data)
{
  BunshinDisplayView *self = data;

  self->poll = 0;
  look (self);
  schedule (self);
  return G_SOURCE_REMOVE;
}

static void
schedule (BunshinDisplayView *self)
{
  gint64 now = g_get_monotonic_time ();
  guint delay;

  if (!self->live || self->display == NULL || !gtk_widget_get_mapped (GTK_WIDGET (self)) || self->tick != 0)
    return;
  if (now - self->last_change < FRAME_CLOCK_US)
    {
      g_clear_handle_id (&self->poll, g_source_remove);
      self->tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), on_tick, NULL, NULL);
      return;
    }
  if (self->poll != 0)
    return;
  delay = now - MAX (self->last_change, self->last_activity) < SOON_US ? POLL_SOON_MS : POLL_IDLE_MS;
  self->poll = g_timeout_add (delay, on_poll, self);
}

static void
unschedule (BunshinDisplayView *self)
{
  g_clear_handle_id (&self->poll, g_source_remove);
  if (self->tick != 0)
    gtk_widget_remove_tick_callback (GTK_WIDGET (self), self->tick);
  self->tick = 0;
}

void
display_view_wake (BunshinDisplayView *self)
{
  gint64 now = g_get_monotonic_time ();

  if (now - self->last_activity > SOON_US)
    g_clear_handle_id (&self->poll, g_source_remove);
  self->last_activity = now;
  schedule (self);
}

/* --- The wish for a size --- */

static gboolean
on_ui_size_timer (gpointer data)
{
  BunshinDisplayView *self = data;
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  int width = gtk_widget_get_width (GTK_WIDGET (self)) * scale & ~7;
  int height = gtk_widget_get_height (GTK_WIDGET (self)) * scale & ~1;

  self->ui_size_timer = 0;
  if (self->display != NULL && width >= MIN_WIDTH && height >= MIN_HEIGHT)
    display_set_ui_size (self->display, width, height);
  return G_SOURCE_REMOVE;
}

/* --- The widget --- */

static void
bunshin_display_view_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);

  compute_layout (self);
  g_clear_handle_id (&self->ui_size_timer, g_source_remove);
  self->ui_size_timer = g_timeout_add (UI_SIZE_DELAY_MS, on_ui_size_timer, self);
}

static void
bunshin_display_view_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                              int *minimum_baseline, int *natural_baseline)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);
  gboolean is_across = orientation == GTK_ORIENTATION_HORIZONTAL;
  int guest = is_across ? self->guest_width : self->guest_height;

  *minimum = is_across ? MIN_WIDTH : MIN_HEIGHT;
  *natural = MAX (guest, *minimum);
  if (self->mode == DISPLAY_SCALE_NATIVE)
    *minimum = *natural;
}

static void
bunshin_display_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  static const GdkRGBA black = { 0, 0, 0, 1 };
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);

  gtk_snapshot_append_color (snapshot, &black, &GRAPHENE_RECT_INIT (0, 0, width, height));
  if (self->display == NULL)
    return;
  gtk_snapshot_push_clip (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));
  display_tiles_snapshot (self->tiles, snapshot, self->display, gtk_widget_get_scale_factor (widget));
  gtk_snapshot_pop (snapshot);
}

static void
bunshin_display_view_map (GtkWidget *widget)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);

  GTK_WIDGET_CLASS (bunshin_display_view_parent_class)->map (widget);
  look (self);
  schedule (self);
}

static void
bunshin_display_view_unmap (GtkWidget *widget)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (widget);

  bunshin_display_view_let_go (self);
  unschedule (self);
  GTK_WIDGET_CLASS (bunshin_display_view_parent_class)->unmap (widget);
}

static void
on_scale_factor_changed (BunshinDisplayView *self)
{
  compute_layout (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
bunshin_display_view_set_machine (BunshinDisplayView *self, Display *display, Input *input)
{
  if (self->display != NULL)
    {
      bunshin_display_view_let_go (self);
      unschedule (self);
      display_remove_listener (self->display, self);
    }
  self->display = display;
  self->input = input;
  if (display == NULL)
    return;
  display_add_listener (display, &listener, self);
  g_atomic_int_set (&self->resized, TRUE);
  g_atomic_int_set (&self->damaged, TRUE);
  display_tiles_damage_all (self->tiles);
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    look (self);
  schedule (self);
}

void
bunshin_display_view_set_live (BunshinDisplayView *self, gboolean live)
{
  if (self->live == live)
    return;
  self->live = live;
  if (live)
    {
      display_view_wake (self);
      return;
    }
  bunshin_display_view_let_go (self);
  unschedule (self);
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    look (self);
}

void
bunshin_display_view_set_scale_mode (BunshinDisplayView *self, DisplayScaleMode mode)
{
  if (self->mode == mode)
    return;
  self->mode = mode;
  compute_layout (self);
  gtk_widget_queue_resize (GTK_WIDGET (self));
  gtk_widget_queue_draw (GTK_WIDGET (self));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_SCALE_MODE]);
}

DisplayScaleMode
bunshin_display_view_get_scale_mode (BunshinDisplayView *self)
{
  return self->mode;
}

gboolean
bunshin_display_view_get_captured (BunshinDisplayView *self)
{
  return self->captured;
}

void
bunshin_display_view_get_guest_size (BunshinDisplayView *self, int *width, int *height)
{
  *width = self->guest_width;
  *height = self->guest_height;
}

static void
bunshin_display_view_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (object);

  switch (id)
    {
    case PROP_CAPTURED:
      g_value_set_boolean (value, self->captured);
      break;
    case PROP_SCALE_MODE:
      g_value_set_int (value, self->mode);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
bunshin_display_view_dispose (GObject *object)
{
  BunshinDisplayView *self = BUNSHIN_DISPLAY_VIEW (object);

  bunshin_display_view_set_machine (self, NULL, NULL);
  g_clear_handle_id (&self->ui_size_timer, g_source_remove);
  display_view_dispose_input (self);
  g_clear_pointer (&self->tiles, display_tiles_free);
  G_OBJECT_CLASS (bunshin_display_view_parent_class)->dispose (object);
}

static void
bunshin_display_view_class_init (BunshinDisplayViewClass *klass)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->get_property = bunshin_display_view_get_property;
  object_class->dispose = bunshin_display_view_dispose;
  widget_class->size_allocate = bunshin_display_view_size_allocate;
  widget_class->measure = bunshin_display_view_measure;
  widget_class->snapshot = bunshin_display_view_snapshot;
  widget_class->map = bunshin_display_view_map;
  widget_class->unmap = bunshin_display_view_unmap;

  properties[PROP_CAPTURED] = g_param_spec_boolean ("captured", NULL, NULL, FALSE, flags);
  properties[PROP_SCALE_MODE] = g_param_spec_int ("scale-mode", NULL, NULL, DISPLAY_SCALE_FIT, DISPLAY_SCALE_NATIVE,
                                                  DISPLAY_SCALE_FIT, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  signals[COMMAND] = g_signal_new ("command", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 1, G_TYPE_UINT);
  signals[GUEST_RESIZED] = g_signal_new ("guest-resized", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 2, G_TYPE_INT, G_TYPE_INT);

  gtk_widget_class_set_css_name (widget_class, "displayview");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
bunshin_display_view_init (BunshinDisplayView *self)
{
  self->tiles = display_tiles_new ();
  self->live = TRUE;
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _("The machine’s screen"), -1);
  g_signal_connect (self, "notify::scale-factor", G_CALLBACK (on_scale_factor_changed), NULL);
  display_view_init_input (self);
}

GtkWidget *
bunshin_display_view_new (void)
{
  return g_object_new (BUNSHIN_TYPE_DISPLAY_VIEW, NULL);
}
