/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One machine in the manager; see the header. */

#include "ui/machine-item.h"

#include "ui/state-text.h"

struct _BunshinMachineItem
{
  GObject parent_instance;

  LibraryMachine *record;
  BunshinMachineControl *control;
  GdkTexture *thumbnail;
  GBytes *thumbnail_bytes;     /* what the texture was made of: an unchanged screen causes no redrawing */
  GCancellable *cancellable;
  unsigned busy;
  gboolean waits_for_thumbnail;
};

enum { PROP_0, PROP_NAME, PROP_STATE, PROP_BUSY, PROP_MESSAGE, PROP_THUMBNAIL, N_PROPS };
enum { RECORD_CHANGED, NOTICE, N_SIGNALS };

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMachineItem, bunshin_machine_item, G_TYPE_OBJECT)

static void
clear_thumbnail (BunshinMachineItem *self)
{
  if (self->thumbnail == NULL)
    return;
  g_clear_object (&self->thumbnail);
  g_clear_pointer (&self->thumbnail_bytes, g_bytes_unref);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_THUMBNAIL]);
}

static void
on_state_changed (BunshinMachineItem *self)
{
  LibraryState state = bunshin_machine_item_get_state (self);

  if (state_can_start (state))
    clear_thumbnail (self);
  else if (state == LIBRARY_STATE_RUNNING)
    bunshin_machine_item_update_thumbnail (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

static void
on_message_changed (BunshinMachineItem *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MESSAGE]);
}

static void
on_notice (BunshinMachineItem *self, const char *text)
{
  g_signal_emit (self, signals[NOTICE], 0, text);
}

static void
on_screenshot (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinMachineItem) self = data;
  g_autoptr (GBytes) png = NULL;
  g_autoptr (GdkTexture) texture = NULL;

  png = bunshin_machine_control_screenshot_finish (BUNSHIN_MACHINE_CONTROL (source), result, NULL);
  self->waits_for_thumbnail = FALSE;
  /* A machine that ends while it is asked gives none: the state change says so. */
  if (png == NULL || state_can_start (bunshin_machine_item_get_state (self)))
    return;
  if (self->thumbnail_bytes != NULL && g_bytes_equal (self->thumbnail_bytes, png))
    return;
  texture = gdk_texture_new_from_bytes (png, NULL);
  if (texture == NULL)
    return;
  g_clear_pointer (&self->thumbnail_bytes, g_bytes_unref);
  self->thumbnail_bytes = g_steal_pointer (&png);
  g_set_object (&self->thumbnail, texture);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_THUMBNAIL]);
}

void
bunshin_machine_item_update_thumbnail (BunshinMachineItem *self)
{
  LibraryState state = bunshin_machine_item_get_state (self);

  if (self->waits_for_thumbnail || (state != LIBRARY_STATE_RUNNING && state != LIBRARY_STATE_PAUSED))
    return;
  /* A paused screen stands still: one picture is enough. */
  if (state == LIBRARY_STATE_PAUSED && self->thumbnail != NULL)
    return;
  self->waits_for_thumbnail = TRUE;
  bunshin_machine_control_screenshot_async (self->control, self->cancellable, on_screenshot, g_object_ref (self));
}

const LibraryMachine *
bunshin_machine_item_get_record (BunshinMachineItem *self)
{
  return self->record;
}

void
bunshin_machine_item_set_record (BunshinMachineItem *self, LibraryMachine *record)
{
  gboolean renamed = g_strcmp0 (self->record->name, record->name) != 0;

  library_machine_free (self->record);
  self->record = record;
  if (renamed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_NAME]);
  g_signal_emit (self, signals[RECORD_CHANGED], 0);
}

BunshinMachineControl *
bunshin_machine_item_get_control (BunshinMachineItem *self)
{
  return self->control;
}

const char *
bunshin_machine_item_get_name (BunshinMachineItem *self)
{
  return self->record->name;
}

const char *
bunshin_machine_item_get_uuid (BunshinMachineItem *self)
{
  return self->record->uuid;
}

LibraryState
bunshin_machine_item_get_state (BunshinMachineItem *self)
{
  return bunshin_machine_control_get_state (self->control);
}

const char *
bunshin_machine_item_get_message (BunshinMachineItem *self)
{
  return bunshin_machine_control_get_message (self->control);
}

GdkTexture *
bunshin_machine_item_get_thumbnail (BunshinMachineItem *self)
{
  return self->thumbnail;
}

gboolean
bunshin_machine_item_get_busy (BunshinMachineItem *self)
{
  return self->busy > 0;
}

void
bunshin_machine_item_set_busy (BunshinMachineItem *self, gboolean busy)
{
  gboolean was_busy = self->busy > 0;

  g_return_if_fail (busy || was_busy);
  self->busy += busy ? 1 : -1;
  if (was_busy != (self->busy > 0))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_BUSY]);
}

static void
bunshin_machine_item_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BunshinMachineItem *self = BUNSHIN_MACHINE_ITEM (object);

  switch (id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->record->name);
      break;
    case PROP_STATE:
      g_value_set_int (value, bunshin_machine_item_get_state (self));
      break;
    case PROP_BUSY:
      g_value_set_boolean (value, self->busy > 0);
      break;
    case PROP_MESSAGE:
      g_value_set_string (value, bunshin_machine_item_get_message (self));
      break;
    case PROP_THUMBNAIL:
      g_value_set_object (value, self->thumbnail);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
bunshin_machine_item_dispose (GObject *object)
{
  BunshinMachineItem *self = BUNSHIN_MACHINE_ITEM (object);

  g_cancellable_cancel (self->cancellable);
  if (self->control != NULL)
    g_signal_handlers_disconnect_by_data (self->control, self);
  G_OBJECT_CLASS (bunshin_machine_item_parent_class)->dispose (object);
}

static void
bunshin_machine_item_finalize (GObject *object)
{
  BunshinMachineItem *self = BUNSHIN_MACHINE_ITEM (object);

  library_machine_free (self->record);
  g_clear_object (&self->control);
  g_clear_object (&self->thumbnail);
  g_clear_pointer (&self->thumbnail_bytes, g_bytes_unref);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (bunshin_machine_item_parent_class)->finalize (object);
}

static void
bunshin_machine_item_class_init (BunshinMachineItemClass *klass)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = bunshin_machine_item_get_property;
  object_class->dispose = bunshin_machine_item_dispose;
  object_class->finalize = bunshin_machine_item_finalize;

  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  properties[PROP_STATE] = g_param_spec_int ("state", NULL, NULL, LIBRARY_STATE_POWERED_OFF, LIBRARY_STATE_LAST,
                                             LIBRARY_STATE_POWERED_OFF, flags);
  properties[PROP_BUSY] = g_param_spec_boolean ("busy", NULL, NULL, FALSE, flags);
  properties[PROP_MESSAGE] = g_param_spec_string ("message", NULL, NULL, NULL, flags);
  properties[PROP_THUMBNAIL] = g_param_spec_object ("thumbnail", NULL, NULL, GDK_TYPE_TEXTURE, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  signals[RECORD_CHANGED] = g_signal_new ("record-changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
  signals[NOTICE] = g_signal_new ("notice", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
bunshin_machine_item_init (BunshinMachineItem *self)
{
  self->cancellable = g_cancellable_new ();
}

BunshinMachineItem *
bunshin_machine_item_new (LibraryMachine *record, BunshinMachineControl *control)
{
  BunshinMachineItem *self = g_object_new (BUNSHIN_TYPE_MACHINE_ITEM, NULL);

  self->record = record;
  self->control = control;
  g_signal_connect_swapped (control, "notify::state", G_CALLBACK (on_state_changed), self);
  g_signal_connect_swapped (control, "notify::message", G_CALLBACK (on_message_changed), self);
  g_signal_connect_swapped (control, "notice", G_CALLBACK (on_notice), self);
  return self;
}
