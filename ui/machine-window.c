/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's window: the screen, its size, fullscreen, and the machine's state. */

#include "ui/machine-window-private.h"

#include "ui/accessible.h"
#include "ui/state-text.h"
#include "ui/ui.h"

#include <glib/gi18n.h>

enum { LEAVE_MS = 600, REVEAL_EDGE = 3, CHROME_MARGIN = 80, FIT_FRAMES = 4, MAX_FRAME = 48 };

G_DEFINE_FINAL_TYPE (BunshinMachineWindow, bunshin_machine_window, ADW_TYPE_WINDOW)

/* --- The engine's notifications come on its own thread --- */

typedef struct
{
  GWeakRef *target;
  char *slot;
} Ejected;

static gboolean
on_ejected_idle (gpointer data)
{
  Ejected *ejected = data;
  g_autoptr (BunshinMachineWindow) self = g_weak_ref_get (ejected->target);

  if (self != NULL)
    machine_window_note_ejected (self, ejected->slot);
  return G_SOURCE_REMOVE;
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
}

static void
ejected_free (gpointer data)
{
  Ejected *ejected = data;

  g_rc_box_release_full (ejected->target, weak_ref_free);
  g_free (ejected->slot);
  g_free (ejected);
}

static void
on_ejected (void *opaque, Machine *machine, const char *slot)
{
  BunshinMachineWindow *self = opaque;
  Ejected *ejected = g_new0 (Ejected, 1);

  ejected->target = g_rc_box_acquire (self->listener_target);
  ejected->slot = g_strdup (slot);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_ejected_idle, ejected, ejected_free);
}

static const MachineListener machine_listener = { .ejected = on_ejected };

/* The machine is another one now, or gone for a moment. */
static void
bind_machine (BunshinMachineWindow *self)
{
  Machine *machine = bunshin_machine_control_get_machine (self->control);

  if (machine == self->machine)
    return;
  if (self->machine != NULL)
    machine_remove_listener (self->machine, self);
  self->machine = machine;
  bunshin_display_view_set_machine (self->view, machine != NULL ? machine_display (machine) : NULL,
                                    machine != NULL ? machine_input (machine) : NULL);
  if (machine == NULL)
    {
      machine_window_stop_status (self);
      return;
    }
  machine_add_listener (machine, &machine_listener, self);
  machine_window_renew_media (self);
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    machine_window_start_status (self);
  /* Its screen has not heard how large the window is. */
  gtk_widget_queue_allocate (GTK_WIDGET (self->view));
}

/* --- Size --- */

/* Frames that GTK draws around a window belong to its size, but are not known before: corrected once they show. */
static gboolean
on_fit_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  BunshinMachineWindow *self = BUNSHIN_MACHINE_WINDOW (widget);
  int more_width = self->wanted_width - gtk_widget_get_width (GTK_WIDGET (self->scroller));
  int more_height = self->wanted_height - gtk_widget_get_height (GTK_WIDGET (self->scroller));
  int width, height;

  if (++self->fit_frames < FIT_FRAMES)
    return G_SOURCE_CONTINUE;
  self->fit_tick = 0;
  if ((more_width == 0 && more_height == 0) || ABS (more_width) > MAX_FRAME || ABS (more_height) > MAX_FRAME
      || gtk_window_is_fullscreen (GTK_WINDOW (self)) || gtk_window_is_maximized (GTK_WINDOW (self)))
    return G_SOURCE_REMOVE;
  gtk_window_get_default_size (GTK_WINDOW (self), &width, &height);
  gtk_window_set_default_size (GTK_WINDOW (self), width + more_width, height + more_height);
  return G_SOURCE_REMOVE;
}

void
machine_window_adapt (BunshinMachineWindow *self)
{
  GdkDisplay *display = gtk_widget_get_display (GTK_WIDGET (self));
  GtkNative *native = GTK_NATIVE (self);
  GdkSurface *surface = gtk_native_get_surface (native);
  GdkMonitor *monitor = surface != NULL ? gdk_display_get_monitor_at_surface (display, surface) : NULL;
  int width, height, chrome = 0, minimum;

  bunshin_display_view_get_guest_size (self->view, &width, &height);
  if (width == 0 || gtk_window_is_fullscreen (GTK_WINDOW (self)) || gtk_window_is_maximized (GTK_WINDOW (self)))
    return;
  gtk_widget_measure (GTK_WIDGET (self->header), GTK_ORIENTATION_VERTICAL, -1, &minimum, &chrome, NULL, NULL);
  if (gtk_widget_get_visible (self->status_bar))
    {
      int status = 0;

      gtk_widget_measure (self->status_bar, GTK_ORIENTATION_VERTICAL, -1, &minimum, &status, NULL, NULL);
      chrome += status;
    }
  chrome += machine_window_drive_bar_height (self);
  if (monitor != NULL)
    {
      GdkRectangle area;

      gdk_monitor_get_geometry (monitor, &area);
      width = MIN (width, area.width - CHROME_MARGIN);
      height = MIN (height, area.height - CHROME_MARGIN - chrome);
    }
  self->wanted_width = width;
  self->wanted_height = height;
  gtk_window_set_default_size (GTK_WINDOW (self), width, height + chrome);
  self->fit_frames = 0;
  if (self->fit_tick == 0)
    self->fit_tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), on_fit_tick, NULL, NULL);
}

/* A window that showed the old mode as it was made for does so with the new one; one the user made smaller or larger
 * stays. */
static void
on_guest_resized (BunshinMachineWindow *self, int width, int height)
{
  int view_width = gtk_widget_get_width (GTK_WIDGET (self->scroller));
  int view_height = gtk_widget_get_height (GTK_WIDGET (self->scroller));
  gboolean was_adapted = self->wanted_width == 0 || view_width == 0
                         || (view_width == self->wanted_width && view_height == self->wanted_height);

  if (width > 0 && height > 0 && (was_adapted || self->fit_tick != 0))
    machine_window_adapt (self);
}

/* --- Focus: the keyboard is the guest's, unless the user goes elsewhere on purpose --- */

static gboolean
menu_is_open (GtkWidget *button)
{
  return gtk_widget_get_visible (GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (button))));
}

static gboolean
header_is_in_use (BunshinMachineWindow *self)
{
  return menu_is_open (self->menu_button) || menu_is_open (self->keys_button) || menu_is_open (self->media_button);
}

static gboolean
view_has_focus (BunshinMachineWindow *self)
{
  return gtk_window_get_focus (GTK_WINDOW (self)) == GTK_WIDGET (self->view);
}

static gboolean
handle_key (BunshinMachineWindow *self, guint keycode, gboolean down)
{
  return !view_has_focus (self) && !header_is_in_use (self)
         && bunshin_display_view_host_key (self->view, keycode, down);
}

static gboolean
on_key_pressed (BunshinMachineWindow *self, guint keyval, guint keycode)
{
  return handle_key (self, keycode, TRUE);
}

static void
on_key_released (BunshinMachineWindow *self, guint keyval, guint keycode)
{
  handle_key (self, keycode, FALSE);
}

/* The menu's button takes the focus after this. */
static gboolean
on_menu_closed_idle (gpointer data)
{
  BunshinMachineWindow *self = data;

  if (gtk_widget_get_mapped (GTK_WIDGET (self)) && !header_is_in_use (self))
    gtk_widget_grab_focus (GTK_WIDGET (self->view));
  return G_SOURCE_REMOVE;
}

static void
on_menu_closed (BunshinMachineWindow *self)
{
  g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, on_menu_closed_idle, g_object_ref (self), g_object_unref);
}

static void
init_focus (BunshinMachineWindow *self)
{
  GtkWidget *buttons[] = { self->media_button, self->keys_button, self->menu_button };
  GtkEventController *keys = gtk_event_controller_key_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (buttons); i++)
    g_signal_connect_object (gtk_menu_button_get_popover (GTK_MENU_BUTTON (buttons[i])), "closed",
                             G_CALLBACK (on_menu_closed), self, G_CONNECT_SWAPPED);
  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect_swapped (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  g_signal_connect_swapped (keys, "key-released", G_CALLBACK (on_key_released), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
}

/* --- Fullscreen: the header bar hides and comes back at the upper edge --- */

static void
move_header (BunshinMachineWindow *self, GtkBox *from, GtkBox *to)
{
  GtkWidget *header = GTK_WIDGET (self->header);

  if (gtk_widget_get_parent (header) != GTK_WIDGET (from))
    return;
  g_object_ref (header);
  gtk_box_remove (from, header);
  gtk_box_prepend (to, header);
  g_object_unref (header);
}

static void
on_fullscreened (BunshinMachineWindow *self)
{
  gboolean is_full = gtk_window_is_fullscreen (GTK_WINDOW (self));

  g_clear_handle_id (&self->leave_timer, g_source_remove);
  if (is_full)
    move_header (self, self->box, self->fullscreen_box);
  else
    move_header (self, self->fullscreen_box, self->box);
  gtk_widget_set_visible (GTK_WIDGET (self->fullscreen_revealer), is_full);
  gtk_revealer_set_reveal_child (self->fullscreen_revealer, FALSE);
  machine_window_update_status_bar (self);
  machine_window_update_actions (self);
  gtk_widget_grab_focus (GTK_WIDGET (self->view));
  if (!is_full)
    return;
  machine_window_toast (self, bunshin_display_view_needs_capture (self->view)
                                ? _("Right Ctrl+F leaves fullscreen; Right Ctrl+Tab shows the header bar")
                                : _("Right Ctrl+F leaves fullscreen; the header bar is at the upper edge"));
}

static gboolean
pointer_is_on_header (BunshinMachineWindow *self)
{
  return self->pointer_y <= gtk_widget_get_height (GTK_WIDGET (self->fullscreen_box));
}

static gboolean
on_leave_timer (gpointer data)
{
  BunshinMachineWindow *self = data;

  if (header_is_in_use (self))
    return G_SOURCE_CONTINUE;
  self->leave_timer = 0;
  if (view_has_focus (self) && !pointer_is_on_header (self))
    gtk_revealer_set_reveal_child (self->fullscreen_revealer, FALSE);
  return G_SOURCE_REMOVE;
}

/* Neither the mouse nor the keyboard is at the header bar any more. */
static void
hide_header_soon (BunshinMachineWindow *self)
{
  if (self->leave_timer == 0 && gtk_revealer_get_reveal_child (self->fullscreen_revealer))
    self->leave_timer = g_timeout_add (LEAVE_MS, on_leave_timer, self);
}

static void
on_focus_changed (BunshinMachineWindow *self)
{
  if (view_has_focus (self))
    hide_header_soon (self);
}

void
machine_window_reveal_header (BunshinMachineWindow *self)
{
  g_clear_handle_id (&self->leave_timer, g_source_remove);
  gtk_revealer_set_reveal_child (self->fullscreen_revealer, TRUE);
}

/* Of the whole window: its upper edge is the screen's. */
static void
on_pointer_moved (BunshinMachineWindow *self, double x, double y)
{
  self->pointer_y = y;
  if (!gtk_window_is_fullscreen (GTK_WINDOW (self)) || bunshin_display_view_get_captured (self->view))
    return;
  if (y < REVEAL_EDGE)
    machine_window_reveal_header (self);
  else if (!pointer_is_on_header (self))
    hide_header_soon (self);
}

/* --- State --- */

static void
update_state (BunshinMachineWindow *self)
{
  LibraryState state = bunshin_machine_control_get_state (self->control);
  const char *message = bunshin_machine_control_get_message (self->control);
  gboolean is_paused = state == LIBRARY_STATE_PAUSED, was_paused = gtk_widget_get_visible (self->paused_panel);

  bunshin_display_view_set_live (self->view, state == LIBRARY_STATE_RUNNING);
  adw_window_title_set_subtitle (self->title, state == LIBRARY_STATE_RUNNING ? "" : state_text (state));
  gtk_widget_set_visible (self->pause_button, !is_paused);
  gtk_widget_set_visible (self->resume_button, is_paused);
  gtk_label_set_label (self->paused_message, message != NULL ? message : "");
  gtk_widget_set_visible (GTK_WIDGET (self->paused_message), message != NULL);
  gtk_widget_set_visible (self->paused_panel, is_paused);
  if (is_paused)
    {
      gtk_widget_add_css_class (GTK_WIDGET (self->scroller), "dimmed");
      gtk_accessible_update_property (GTK_ACCESSIBLE (self->paused_panel), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                      message != NULL ? message : _("Paused"), -1);
    }
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self->scroller), "dimmed");
  machine_window_update_actions (self);
  /* After the action, which makes the button sensitive. */
  if (is_paused && view_has_focus (self))
    gtk_widget_grab_focus (self->paused_resume);
  else if (state == LIBRARY_STATE_RUNNING && was_paused)
    gtk_widget_grab_focus (GTK_WIDGET (self->view));
  machine_window_update_hint (self);
}

static void
on_command (BunshinMachineWindow *self, guint code)
{
  machine_window_command (self, code);
}

static void
on_active_changed (BunshinMachineWindow *self)
{
  if (!gtk_window_is_active (GTK_WINDOW (self)))
    bunshin_display_view_let_go (self->view);
}

static gboolean
bunshin_machine_window_close_request (GtkWindow *window)
{
  machine_window_ask_close (BUNSHIN_MACHINE_WINDOW (window));
  return TRUE;
}

static void
bunshin_machine_window_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (bunshin_machine_window_parent_class)->map (widget);
  machine_window_start_status (BUNSHIN_MACHINE_WINDOW (widget));
  gtk_widget_grab_focus (GTK_WIDGET (BUNSHIN_MACHINE_WINDOW (widget)->view));
}

static void
bunshin_machine_window_unmap (GtkWidget *widget)
{
  machine_window_stop_status (BUNSHIN_MACHINE_WINDOW (widget));
  GTK_WIDGET_CLASS (bunshin_machine_window_parent_class)->unmap (widget);
}

static void
bunshin_machine_window_dispose (GObject *object)
{
  BunshinMachineWindow *self = BUNSHIN_MACHINE_WINDOW (object);

  g_clear_handle_id (&self->leave_timer, g_source_remove);
  machine_window_stop_status (self);
  if (self->machine != NULL)
    machine_remove_listener (self->machine, self);
  self->machine = NULL;
  if (self->listener_target != NULL)
    g_weak_ref_set (self->listener_target, NULL);
  if (self->view != NULL)
    bunshin_display_view_set_machine (self->view, NULL, NULL);
  if (self->control != NULL)
    g_signal_handlers_disconnect_by_data (self->control, self);
  G_OBJECT_CLASS (bunshin_machine_window_parent_class)->dispose (object);
}

static void
bunshin_machine_window_finalize (GObject *object)
{
  BunshinMachineWindow *self = BUNSHIN_MACHINE_WINDOW (object);

  g_clear_object (&self->control);
  g_clear_object (&self->media_menu);
  g_clear_object (&self->snapshot_work);
  g_clear_pointer (&self->record, library_machine_free);
  g_rc_box_release_full (self->listener_target, weak_ref_free);
  G_OBJECT_CLASS (bunshin_machine_window_parent_class)->finalize (object);
}

static void
bunshin_machine_window_class_init (BunshinMachineWindowClass *klass)
{
  static const char *const light_names[N_LIGHTS] = { "disk_light", "cd_light", "floppy_light", "network_light" };
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = bunshin_machine_window_dispose;
  object_class->finalize = bunshin_machine_window_finalize;
  widget_class->map = bunshin_machine_window_map;
  widget_class->unmap = bunshin_machine_window_unmap;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_machine_window_close_request;

  g_type_ensure (BUNSHIN_TYPE_DISPLAY_VIEW);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/machine-window.ui");
  for (gsize i = 0; i < N_LIGHTS; i++)
    gtk_widget_class_bind_template_child_full (widget_class, light_names[i], FALSE,
                                               G_STRUCT_OFFSET (BunshinMachineWindow, lights)
                                                   + i * sizeof (GtkImage *));
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinMachineWindow, name)
  BIND (toasts);
  BIND (box);
  BIND (overlay);
  BIND (scroller);
  BIND (view);
  BIND (header);
  BIND (title);
  BIND (pause_button);
  BIND (resume_button);
  BIND (media_button);
  BIND (keys_button);
  BIND (menu_button);
  BIND (paused_panel);
  BIND (paused_resume);
  BIND (paused_message);
  BIND (fullscreen_revealer);
  BIND (fullscreen_box);
  BIND (status_bar);
  BIND (hint_label);
  BIND (accel_label);
  BIND (drive_bar);
  BIND (drive_panel);
  BIND (drive_discard);
  BIND (work_panel);
  BIND (work_stop);
  BIND (work_label);
  BIND (work_progress);
  BIND (snapshot_section);
#undef BIND
}

static void
bunshin_machine_window_init (BunshinMachineWindow *self)
{
  GtkEventController *motion = gtk_event_controller_motion_new ();

  self->listener_target = g_rc_box_new0 (GWeakRef);
  g_weak_ref_init (self->listener_target, self);
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  gtk_event_controller_set_propagation_phase (motion, GTK_PHASE_CAPTURE);
  g_signal_connect_swapped (motion, "motion", G_CALLBACK (on_pointer_moved), self);
  gtk_widget_add_controller (GTK_WIDGET (self), motion);
  g_signal_connect (self, "notify::fullscreened", G_CALLBACK (on_fullscreened), NULL);
  g_signal_connect (self, "notify::focus-widget", G_CALLBACK (on_focus_changed), NULL);
  g_signal_connect (self, "notify::is-active", G_CALLBACK (on_active_changed), NULL);
  g_signal_connect_swapped (self->view, "guest-resized", G_CALLBACK (on_guest_resized), self);
  g_signal_connect_swapped (self->view, "command", G_CALLBACK (on_command), self);
  g_signal_connect_swapped (self->view, "notify::captured", G_CALLBACK (machine_window_update_hint), self);
}

BunshinMachineWindow *
bunshin_machine_window_new (BunshinMachineControl *control, const LibraryMachine *record, Library *library)
{
  BunshinMachineWindow *self = g_object_new (BUNSHIN_TYPE_MACHINE_WINDOW, NULL);

  self->control = g_object_ref (control);
  self->record = library_machine_copy (record);
  self->library = library;
  gtk_window_set_title (GTK_WINDOW (self), record->name);
  adw_window_title_set_title (self->title, record->name);
  gtk_window_set_default_size (GTK_WINDOW (self), 800, 600);
  machine_window_init_actions (self);
  machine_window_init_media (self);
  machine_window_init_snapshots (self);
  init_focus (self);
  bind_machine (self);
  g_signal_connect_swapped (control, "notify::machine", G_CALLBACK (bind_machine), self);
  g_signal_connect_swapped (control, "notify::state", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (control, "notify::message", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (control, "notice", G_CALLBACK (machine_window_toast), self);
  update_state (self);
  return self;
}

GtkWindow *
ui_machine_window_new (BunshinMachineControl *control, const LibraryMachine *record, Library *library)
{
  return GTK_WINDOW (bunshin_machine_window_new (control, record, library));
}
