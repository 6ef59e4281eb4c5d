/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine in this process; see the header. */

#include "app/keymap.h"
#include "app/machine-build.h"
#include "app/session-private.h"

#include <glib/gi18n.h>
#include <string.h>

enum { PROP_UUID = 1, PROP_STATE, PROP_MESSAGE, PROP_MACHINE, PROP_PROGRESS, PROP_DRIVE_ENDED };

G_DEFINE_FINAL_TYPE_WITH_CODE (BunshinSession, bunshin_session, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BUNSHIN_TYPE_MACHINE_CONTROL, session_control_init))

static void
publish (BunshinSession *self)
{
  if (!self->lock)
    return;
  library_lock_set_asks (self->lock, self->drive_ended);
  library_lock_publish (self->lock, self->state, self->socket, self->message);
}

static void
set_state (BunshinSession *self, LibraryState state)
{
  g_autofree char *message = self->machine ? machine_message (self->machine) : g_strdup (self->message);
  gboolean new_state = state != self->state, new_message = g_strcmp0 (message, self->message) != 0;

  if (!new_state && !new_message)
    return;
  self->state = state;
  g_free (self->message);
  self->message = g_steal_pointer (&message);
  publish (self);
  g_object_freeze_notify (G_OBJECT (self));
  if (new_state)
    g_object_notify (G_OBJECT (self), "state");
  if (new_message)
    g_object_notify (G_OBJECT (self), "message");
  g_object_thaw_notify (G_OBJECT (self));
}

void
session_follow (BunshinSession *self)
{
  if (!self->machine || self->state == LIBRARY_STATE_POWERED_OFF)
    return;
  if (self->is_saving && machine_state (self->machine) != MACHINE_STATE_OFF)
    {
      set_state (self, LIBRARY_STATE_SAVING);
      return;
    }
  switch (machine_state (self->machine))
    {
    case MACHINE_STATE_RUNNING:
      set_state (self, LIBRARY_STATE_RUNNING);
      break;
    case MACHINE_STATE_PAUSED:
      set_state (self, LIBRARY_STATE_PAUSED);
      break;
    case MACHINE_STATE_OFF:
    default:
      /* Assembled but not started yet, it is off too. */
      if (machine_off_reason (self->machine) != MACHINE_OFF_NOT)
        set_state (self, LIBRARY_STATE_STOPPING);
      break;
    }
}

static gboolean
on_machine_changed_idle (gpointer data)
{
  session_follow (data);
  return G_SOURCE_REMOVE;
}

/* On the machine's I/O thread. */
static void
on_machine_changed (void *opaque, Machine *machine)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_machine_changed_idle, g_object_ref (opaque), g_object_unref);
}

static const MachineListener listener = { .changed = on_machine_changed, .ejected = session_on_ejected };

/* On the serial port's thread: the user of the terminal asks for the end. */
static void
on_escaped (void *opaque)
{
  machine_power_off (opaque);
}

static gboolean
open_serial (BunshinSession *self, const SessionOptions *options, GError **error)
{
  if (options->serial && !(self->serial = serial_port_new (options->serial, error)))
    return FALSE;
  if (!options->debugcon)
    return TRUE;
  self->debugcon = serial_port_new (options->debugcon, error);
  return self->debugcon != NULL;
}

/* The saved state that a start goes on from, or NULL. Caller frees. */
static char *
find_saved_state (BunshinSession *self, const LibraryMachine *record)
{
  g_autofree char *path = self->is_kept ? library_saved_state_path (record) : NULL;

  return path && g_file_test (path, G_FILE_TEST_EXISTS) ? g_steal_pointer (&path) : NULL;
}

static void
explain_state (const LibraryMachine *record, GError **error)
{
  if (error && *error)
    {
      g_autofree char *message = g_strdup_printf (_("%s. “bunshin discard-state %s” throws it away; the machine then starts from its disks"),
                                                  (*error)->message, record->name);

      g_free ((*error)->message);
      (*error)->message = g_steal_pointer (&message);
    }
}

static void
copy_options (SessionOptions *to, const SessionOptions *from)
{
  *to = *from;
  to->bios = g_strdup (from->bios);
  to->kernel = g_strdup (from->kernel);
  to->initrd = g_strdup (from->initrd);
  to->append = g_strdup (from->append);
  to->serial = g_strdup (from->serial);
  to->debugcon = g_strdup (from->debugcon);
  to->cpu_model = g_strdup (from->cpu_model);
}

static void
clear_options (SessionOptions *options)
{
  const char *const strings[] = { options->bios, options->kernel, options->initrd, options->append, options->serial,
                                  options->debugcon, options->cpu_model };

  for (unsigned i = 0; i < G_N_ELEMENTS (strings); i++)
    g_free ((char *) strings[i]);
  *options = (SessionOptions) { 0 };
}

Machine *
session_build (BunshinSession *self, const LibraryMachine *record, const char *state, GError **error)
{
  g_autofree char *own = state ? NULL : find_saved_state (self, record);
  const char *saved = own ? own : state;
  SessionOptions options = self->options;
  MachineStateInfo info;
  Machine *machine;

  if (saved && !machine_state_read_info (saved, &info, error))
    {
      if (own)
        explain_state (record, error);
      return NULL;
    }
  if (saved)
    options.cpu_model = info.cpu_model;
  machine = machine_build (record, &options, self->serial ? serial_port_backend (self->serial) : NULL,
                           self->debugcon ? serial_port_backend (self->debugcon) : NULL, error);
  if (machine && saved && !machine_load (machine, saved, error))
    {
      if (own)
        explain_state (record, error);
      g_clear_pointer (&machine, machine_free);
    }
  return machine;
}

void
session_adopt (BunshinSession *self, Machine *machine)
{
  self->machine = machine;
  machine_add_listener (machine, &listener, self);
  if (self->serial)
    serial_port_set_machine (self->serial, machine, 0, on_escaped, machine);
  self->typist = typist_new (machine_input (machine), machine_display (machine));
  g_object_notify (G_OBJECT (self), "machine");
}

Machine *
session_detach (BunshinSession *self)
{
  Machine *machine = g_steal_pointer (&self->machine);

  if (!machine)
    return NULL;
  g_clear_pointer (&self->typist, typist_free);
  if (self->serial)
    serial_port_set_machine (self->serial, NULL, 0, NULL, NULL);
  machine_remove_listener (machine, self);
  g_object_notify (G_OBJECT (self), "machine");
  return machine;
}

void
session_take_record (BunshinSession *self, LibraryMachine *record)
{
  LibraryMachine old = *self->record;

  *self->record = *record;
  *record = old;
  /* Others may hold this one. */
  record->uuid = self->record->uuid;
  self->record->uuid = old.uuid;
  library_machine_free (record);
}

void
session_end (BunshinSession *self, char *message)
{
  machine_free (session_detach (self));
  g_free (self->message);
  self->message = message;
  set_state (self, LIBRARY_STATE_STOPPING);
  g_object_notify (G_OBJECT (self), "message");
}

BunshinSession *
bunshin_session_new (Library *library, LibraryLock *lock, const LibraryMachine *record, const SessionOptions *options,
                     GError **error)
{
  g_autoptr (BunshinSession) self = g_object_new (BUNSHIN_TYPE_SESSION, NULL);
  Machine *machine;

  self->library = library;
  self->record = library_machine_copy (record);
  self->state = LIBRARY_STATE_STARTING;
  self->is_kept = lock != NULL && !options->discard_changes;
  copy_options (&self->options, options);
  if (!open_serial (self, options, error) || !(machine = session_build (self, record, NULL, error)))
    return NULL;
  session_adopt (self, machine);
  self->lock = lock;
  self->in_drive = self->is_kept && snapshot_in_drive (library, record->uuid);
  return g_steal_pointer (&self);
}

gboolean
session_power_on (BunshinSession *self, GError **error)
{
  g_autofree char *saved = find_saved_state (self, self->record);

  /* Once the guest runs, the state and the disks no longer belong together. */
  if (saved && !library_remove_saved_state (self->record, error))
    return FALSE;
  if (!machine_start (self->machine, error))
    return FALSE;
  session_follow (self);
  return TRUE;
}

gboolean
bunshin_session_start (BunshinSession *self, GError **error)
{
  if (!session_power_on (self, error))
    return FALSE;
  session_automatic_begin (self);
  session_tidy (self);
  return TRUE;
}

void
bunshin_session_stop_work (BunshinSession *self)
{
  g_clear_pointer (&self->typist, typist_free);
  session_automatic_end (self);
  session_job_finish (self);
}

void
bunshin_session_close (BunshinSession *self)
{
  gint64 begin = g_get_monotonic_time (), freed;
  Machine *machine;

  if (!self->machine && !self->lock)
    return;
  set_state (self, LIBRARY_STATE_STOPPING);
  bunshin_session_stop_work (self);
  if (self->machine && self->in_drive)
    session_abandon_layers (self->machine, self->record);
  machine = session_detach (self);
  /* Nobody waits until its memory is given back. */
  g_clear_pointer (&machine, machine_retire);
  freed = g_get_monotonic_time ();
  g_clear_pointer (&self->serial, serial_port_free);
  g_clear_pointer (&self->debugcon, serial_port_free);
  session_discard_drive (self);
  g_clear_pointer (&self->socket, g_free);
  set_state (self, self->is_saved ? LIBRARY_STATE_SAVED : LIBRARY_STATE_POWERED_OFF);
  g_clear_pointer (&self->lock, library_lock_release);
  g_debug ("the machine has ended after %" G_GINT64_FORMAT " µs, its files were settled after %" G_GINT64_FORMAT, freed - begin,
           g_get_monotonic_time () - begin);
}

static void
bunshin_session_finalize (GObject *object)
{
  BunshinSession *self = BUNSHIN_SESSION (object);

  bunshin_session_close (self);
  g_clear_pointer (&self->serial, serial_port_free);
  g_clear_pointer (&self->debugcon, serial_port_free);
  clear_options (&self->options);
  library_machine_free (self->record);
  g_free (self->socket);
  g_free (self->message);
  G_OBJECT_CLASS (bunshin_session_parent_class)->finalize (object);
}

static void
bunshin_session_get_property (GObject *object, guint property, GValue *value, GParamSpec *pspec)
{
  BunshinSession *self = BUNSHIN_SESSION (object);

  switch (property)
    {
    case PROP_UUID:
      g_value_set_string (value, self->record->uuid);
      break;
    case PROP_STATE:
      g_value_set_int (value, (int) self->state);
      break;
    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;
    case PROP_MACHINE:
      g_value_set_pointer (value, self->machine);
      break;
    case PROP_PROGRESS:
      g_value_set_double (value, g_atomic_int_get (&self->permille) / 1000.0);
      break;
    case PROP_DRIVE_ENDED:
      g_value_set_boolean (value, self->drive_ended);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

/* That a window asks something is to be known outside, too. */
static void
bunshin_session_notify (GObject *object, GParamSpec *pspec)
{
  if (strcmp (pspec->name, "drive-ended") == 0)
    publish (BUNSHIN_SESSION (object));
}

static void
bunshin_session_class_init (BunshinSessionClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = bunshin_session_finalize;
  object_class->get_property = bunshin_session_get_property;
  object_class->notify = bunshin_session_notify;
  g_object_class_override_property (object_class, PROP_UUID, "uuid");
  g_object_class_override_property (object_class, PROP_STATE, "state");
  g_object_class_override_property (object_class, PROP_MESSAGE, "message");
  g_object_class_override_property (object_class, PROP_MACHINE, "machine");
  g_object_class_override_property (object_class, PROP_PROGRESS, "progress");
  g_object_class_override_property (object_class, PROP_DRIVE_ENDED, "drive-ended");
}

static void
bunshin_session_init (BunshinSession *self)
{
  self->permille = SESSION_NO_PROGRESS;
}

const LibraryMachine *
bunshin_session_get_record (BunshinSession *self)
{
  return self->record;
}

void
bunshin_session_set_socket (BunshinSession *self, const char *socket)
{
  g_free (self->socket);
  self->socket = g_strdup (socket);
  publish (self);
}

gboolean
bunshin_session_has_ended (BunshinSession *self)
{
  return self->state == LIBRARY_STATE_STOPPING || self->state == LIBRARY_STATE_POWERED_OFF
         || self->state == LIBRARY_STATE_SAVED;
}

const char *
bunshin_session_get_notice (BunshinSession *self)
{
  return self->serial ? serial_port_notice (self->serial) : NULL;
}

void
bunshin_session_set_window (BunshinSession *self, BunshinPresent present, void *opaque)
{
  self->present = present;
  self->present_opaque = opaque;
}

gboolean
session_fail (GError **error, int code, const char *message)
{
  g_set_error_literal (error, LIBRARY_ERROR, code, message);
  return FALSE;
}

gboolean
session_check_alive (BunshinSession *self, GError **error)
{
  if (bunshin_session_has_ended (self))
    return session_fail (error, LIBRARY_ERROR_RUNNING, _("the machine is being powered off"));
  return self->machine || session_fail (error, LIBRARY_ERROR_RUNNING, _("the machine is being put back to a snapshot"));
}

gboolean
bunshin_session_verb (BunshinSession *self, BunshinVerb verb, GError **error)
{
  if (verb == BUNSHIN_VERB_POWER_OFF && bunshin_session_has_ended (self))
    return TRUE;
  /* Between two Machines: it does not start again then. */
  if (verb == BUNSHIN_VERB_POWER_OFF && !self->machine)
    {
      session_job_cancel (self);
      return TRUE;
    }
  if (!session_check_alive (self, error))
    return FALSE;
  if (verb == BUNSHIN_VERB_POWER_OFF)
    session_job_cancel (self);
  else if (self->is_saving && verb != BUNSHIN_VERB_SHOW_WINDOW && !session_job_check (self, error))
    return FALSE;
  switch (verb)
    {
    case BUNSHIN_VERB_PAUSE:
      machine_pause (self->machine);
      break;
    case BUNSHIN_VERB_RESUME:
      machine_resume (self->machine);
      break;
    case BUNSHIN_VERB_RESET:
      machine_reset (self->machine);
      break;
    case BUNSHIN_VERB_POWER_BUTTON:
      if (self->state == LIBRARY_STATE_PAUSED)
        return session_fail (error, LIBRARY_ERROR_RUNNING, _("the machine is paused: resume it first"));
      machine_power_button (self->machine);
      break;
    case BUNSHIN_VERB_POWER_OFF:
      machine_power_off (self->machine);
      break;
    case BUNSHIN_VERB_SHOW_WINDOW:
      if (!self->present)
        return session_fail (error, LIBRARY_ERROR_FAILED, _("the machine runs without a window"));
      return self->present (self->present_opaque, error);
    case BUNSHIN_VERB_START:
    case BUNSHIN_VERB_START_HEADLESS:
    case BUNSHIN_VERB_START_DRIVE:
    case BUNSHIN_VERB_START_DRIVE_OFFLINE:
    case BUNSHIN_VERB_SAVE: /* see bunshin_session_save_async() */
    case BUNSHIN_VERB_DISCARD_STATE:
    default:
      return session_fail (error, LIBRARY_ERROR_RUNNING, _("the machine is running already"));
    }
  /* Callers see the new state as soon as the verb has returned. */
  session_follow (self);
  return TRUE;
}

gboolean
bunshin_session_set_accel (BunshinSession *self, const char *name, GError **error)
{
  MachineAccel accel;

  if (!session_check_alive (self, error) || !machine_build_parse_accel (name, &accel, error))
    return FALSE;
  if (accel == MACHINE_ACCEL_AUTO)
    return session_fail (error, LIBRARY_ERROR_INVALID, "the machine has been running under an accelerator of its choice");
  return machine_set_accel (self->machine, accel, error);
}

gboolean
bunshin_session_type (BunshinSession *self, const char *text, TypistDone done, void *opaque, GError **error)
{
  g_autoptr (GArray) chords = keymap_parse_text (text, error);

  if (!chords || !session_check_alive (self, error))
    return FALSE;
  typist_chords (self->typist, chords, done, opaque);
  return TRUE;
}

gboolean
bunshin_session_key (BunshinSession *self, const char *name, TypistDone done, void *opaque, GError **error)
{
  g_autoptr (GArray) chords = g_array_new (FALSE, FALSE, sizeof (KeyChord));
  KeyChord chord;

  if (!keymap_parse_chord (name, &chord, error) || !session_check_alive (self, error))
    return FALSE;
  g_array_append_val (chords, chord);
  typist_chords (self->typist, chords, done, opaque);
  return TRUE;
}

gboolean
bunshin_session_mouse (BunshinSession *self, unsigned x, unsigned y, const char *action, TypistDone done,
                       void *opaque, GError **error)
{
  return session_check_alive (self, error) && typist_pointer (self->typist, x, y, action, done, opaque, error);
}
