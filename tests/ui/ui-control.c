/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines that pretend to run; their snapshots are real. See ui-test.h. */

#include "tests/ui/ui-test.h"

struct _TestControl
{
  GObject parent_instance;

  char *uuid, *message, *failure;
  GIOErrorEnum failure_code;
  LibraryState state;
  Machine *machine;
  Library *library;          /* borrowed; NULL: snapshots are only pretended, too */
  GTask *held;               /* the snapshot work that waits to be let go */
  gboolean holds, drive_ended;
  double progress;
  char *request;             /* the last one, in words */
};

enum { PROP_0, PROP_UUID, PROP_STATE, PROP_MESSAGE, PROP_MACHINE, PROP_PROGRESS, PROP_DRIVE_ENDED };

static void test_control_iface_init (BunshinMachineControlInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TestControl, test_control, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BUNSHIN_TYPE_MACHINE_CONTROL, test_control_iface_init))

void
test_control_set_state (TestControl *self, LibraryState state, const char *message)
{
  g_free (self->message);
  self->message = g_strdup (message);
  self->state = state;
  g_object_notify (G_OBJECT (self), "message");
  g_object_notify (G_OBJECT (self), "state");
}

void
test_control_fail_next (TestControl *self, GIOErrorEnum code, const char *message)
{
  self->failure_code = code;
  g_free (self->failure);
  self->failure = g_strdup (message);
}

void
test_control_set_machine (TestControl *self, Machine *machine)
{
  self->machine = machine;
  g_object_notify (G_OBJECT (self), "machine");
}

static LibraryState
get_state (BunshinMachineControl *control)
{
  return TEST_CONTROL (control)->state;
}

static const char *
get_message (BunshinMachineControl *control)
{
  return TEST_CONTROL (control)->message;
}

static const char *
get_uuid (BunshinMachineControl *control)
{
  return TEST_CONTROL (control)->uuid;
}

static Machine *
get_machine (BunshinMachineControl *control)
{
  return TEST_CONTROL (control)->machine;
}

static gboolean
fails (TestControl *self, GTask *task)
{
  if (self->failure == NULL)
    return FALSE;
  g_task_return_new_error (task, G_IO_ERROR, (int) self->failure_code, "%s", self->failure);
  g_clear_pointer (&self->failure, g_free);
  return TRUE;
}

static void
run_async (BunshinMachineControl *control, BunshinVerb verb, GCancellable *cancellable, GAsyncReadyCallback callback,
           gpointer data)
{
  TestControl *self = TEST_CONTROL (control);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, data);

  if (fails (self, task))
    return;
  switch (verb)
    {
    case BUNSHIN_VERB_START:
    case BUNSHIN_VERB_START_HEADLESS:
    case BUNSHIN_VERB_START_DRIVE:
    case BUNSHIN_VERB_START_DRIVE_OFFLINE:
    case BUNSHIN_VERB_RESUME:
      test_control_set_state (self, LIBRARY_STATE_RUNNING, NULL);
      break;
    case BUNSHIN_VERB_PAUSE:
      test_control_set_state (self, LIBRARY_STATE_PAUSED, NULL);
      break;
    case BUNSHIN_VERB_SAVE:
      test_control_set_state (self, LIBRARY_STATE_SAVED, NULL);
      break;
    case BUNSHIN_VERB_POWER_OFF:
    case BUNSHIN_VERB_POWER_BUTTON:
    case BUNSHIN_VERB_DISCARD_STATE:
      test_control_set_state (self, LIBRARY_STATE_POWERED_OFF, NULL);
      break;
    default:
      break;
    }
  g_task_return_boolean (task, TRUE);
}

static void
drive_async (BunshinMachineControl *control, const char *snapshot, GCancellable *cancellable,
             GAsyncReadyCallback callback, gpointer data)
{
  TestControl *self = TEST_CONTROL (control);

  g_free (self->request);
  self->request = g_strdup_printf ("drive %s", snapshot);
  run_async (control, BUNSHIN_VERB_START_DRIVE, cancellable, callback, data);
}

static gboolean
finish_boolean (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
insert_async (BunshinMachineControl *control, const char *slot, const char *path, gboolean force,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (control, cancellable, callback, data);

  if (!fails (TEST_CONTROL (control), task))
    g_task_return_boolean (task, TRUE);
}

/* A text screen such as a starting system shows. */
static GBytes *
draw_screen (void)
{
  g_autoptr (GdkTexture) texture = NULL;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 720, 400);
  cairo_t *cr = cairo_create (surface);
  g_autoptr (GBytes) pixels = NULL;

  cairo_set_source_rgb (cr, 0, 0, 0);
  cairo_paint (cr);
  cairo_set_source_rgb (cr, 0.8, 0.8, 0.8);
  cairo_select_font_face (cr, "monospace", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, 16);
  for (int i = 0; i < 10; i++)
    {
      cairo_move_to (cr, 12, 28 + i * 20);
      cairo_show_text (cr, i == 9 ? "guest login: _" : "[    0.424242] a line of a system that starts");
    }
  cairo_surface_flush (surface);
  pixels = g_bytes_new (cairo_image_surface_get_data (surface), (gsize) cairo_image_surface_get_stride (surface) * 400);
  texture = gdk_memory_texture_new (720, 400, GDK_MEMORY_B8G8R8A8_PREMULTIPLIED, pixels,
                                    cairo_image_surface_get_stride (surface));
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  return gdk_texture_save_to_png_bytes (texture);
}

static void
screenshot_async (BunshinMachineControl *control, GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer data)
{
  g_autoptr (GTask) task = g_task_new (control, cancellable, callback, data);

  g_task_return_pointer (task, draw_screen (), (GDestroyNotify) g_bytes_unref);
}

static GBytes *
screenshot_finish (BunshinMachineControl *control, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Snapshots: of a machine that does not run really, so that it is as good as off --- */

void
test_control_hold_snapshots (TestControl *self)
{
  self->holds = TRUE;
}

void
test_control_set_progress (TestControl *self, double progress)
{
  self->progress = progress;
  g_object_notify (G_OBJECT (self), "progress");
}

void
test_control_set_drive_ended (TestControl *self, gboolean ended)
{
  self->drive_ended = ended;
  g_object_notify (G_OBJECT (self), "drive-ended");
}

const char *
test_control_get_request (TestControl *self)
{
  return self->request;
}

static gboolean
take (TestControl *self, const char *name, const char *description, GError **error)
{
  g_autoptr (LibraryMachine) record = library_find (self->library, self->uuid, error);
  g_autoptr (GBytes) screen = self->state == LIBRARY_STATE_RUNNING ? draw_screen () : NULL;
  SnapshotOptions options = { .name = name, .description = description, .thumbnail = screen };
  g_autofree char *uuid = record != NULL ? snapshot_take_off (self->library, record, &options, error) : NULL;

  return uuid != NULL;
}

static gboolean
carry_out (TestControl *self, const BunshinSnapshotRequest *request, GError **error)
{
  if (self->library == NULL)
    return TRUE;
  switch (request->verb)
    {
    case BUNSHIN_SNAPSHOT_TAKE:
      return take (self, request->name, request->description, error);
    case BUNSHIN_SNAPSHOT_RESTORE:
      return (request->name == NULL || take (self, request->name, NULL, error))
             && snapshot_restore (self->library, self->uuid, request->snapshot, error)
             && snapshot_tidy (self->library, self->uuid, NULL, NULL, error);
    case BUNSHIN_SNAPSHOT_DELETE:
      return snapshot_delete (self->library, self->uuid, request->snapshot, error)
             && snapshot_tidy (self->library, self->uuid, NULL, NULL, error);
    case BUNSHIN_SNAPSHOT_END_DRIVE:
      return snapshot_drive_end (self->library, self->uuid, request->how, request->name, error);
    }
  g_assert_not_reached ();
}

static void
snapshot_async (BunshinMachineControl *control, const BunshinSnapshotRequest *request, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer data)
{
  static const char *const words[] = { "take", "restore", "delete", "end" };
  TestControl *self = TEST_CONTROL (control);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, data);
  GError *error = NULL;

  g_free (self->request);
  self->request = g_strdup_printf ("%s %s %s %d", words[request->verb], request->snapshot, request->name, request->how);
  if (self->holds)
    {
      g_assert_null (self->held);
      g_set_object (&self->held, task);
      return;
    }
  if (fails (self, task))
    return;
  if (!carry_out (self, request, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (request->verb == BUNSHIN_SNAPSHOT_END_DRIVE && request->how == SNAPSHOT_DRIVE_DISCARD)
    test_control_set_state (self, LIBRARY_STATE_POWERED_OFF, NULL);
  g_task_return_boolean (task, TRUE);
}

void
test_control_let_go (TestControl *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->held);

  self->holds = FALSE;
  if (!g_task_return_error_if_cancelled (task))
    g_task_return_boolean (task, TRUE);
}

void
test_control_set_library (TestControl *self, Library *library)
{
  self->library = library;
}

static void
test_control_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  TestControl *self = TEST_CONTROL (object);

  switch (id)
    {
    case PROP_UUID:
      g_value_set_string (value, self->uuid);
      break;
    case PROP_STATE:
      g_value_set_int (value, self->state);
      break;
    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;
    case PROP_MACHINE:
      g_value_set_pointer (value, self->machine);
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, self->progress);
      break;
    case PROP_DRIVE_ENDED:
      g_value_set_boolean (value, self->drive_ended);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
test_control_finalize (GObject *object)
{
  TestControl *self = TEST_CONTROL (object);

  g_free (self->uuid);
  g_free (self->message);
  g_free (self->failure);
  g_free (self->request);
  g_clear_object (&self->held);
  G_OBJECT_CLASS (test_control_parent_class)->finalize (object);
}

static void
test_control_class_init (TestControlClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = test_control_get_property;
  object_class->finalize = test_control_finalize;
  g_object_class_override_property (object_class, PROP_UUID, "uuid");
  g_object_class_override_property (object_class, PROP_STATE, "state");
  g_object_class_override_property (object_class, PROP_MESSAGE, "message");
  g_object_class_override_property (object_class, PROP_MACHINE, "machine");
  g_object_class_override_property (object_class, PROP_PROGRESS, "progress");
  g_object_class_override_property (object_class, PROP_DRIVE_ENDED, "drive-ended");
}

static void
test_control_init (TestControl *self)
{
  self->progress = -1;
}

static void
test_control_iface_init (BunshinMachineControlInterface *iface)
{
  iface->get_state = get_state;
  iface->get_message = get_message;
  iface->get_uuid = get_uuid;
  iface->get_machine = get_machine;
  iface->run_async = run_async;
  iface->run_finish = finish_boolean;
  iface->drive_async = drive_async;
  iface->insert_async = insert_async;
  iface->insert_finish = finish_boolean;
  iface->screenshot_async = screenshot_async;
  iface->screenshot_finish = screenshot_finish;
  iface->snapshot_async = snapshot_async;
  iface->snapshot_finish = finish_boolean;
}

TestControl *
test_control_new (const char *uuid)
{
  TestControl *self = g_object_new (TEST_TYPE_CONTROL, NULL);

  self->uuid = g_strdup (uuid);
  return self;
}
