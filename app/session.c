/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine in this process; see the header. */

#include "app/session.h"
#include "app/cli.h"
#include "app/forwards.h"
#include "app/keymap.h"
#include "app/machine-build.h"
#include "app/session-private.h"
#include "network/nat.h"
#include "ui/record-text.h"

#include <glib/gi18n.h>
#include <string.h>

enum { PROP_UUID = 1, PROP_STATE, PROP_MESSAGE };

G_DEFINE_FINAL_TYPE_WITH_CODE (BunshinSession, bunshin_session, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BUNSHIN_TYPE_MACHINE_CONTROL, session_control_init))

static void
publish (BunshinSession *self)
{
  if (self->lock)
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

/* The engine's state as others see it. */
static void
follow_machine (BunshinSession *self)
{
  if (!self->machine || self->state == LIBRARY_STATE_POWERED_OFF)
    return;
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
  follow_machine (data);
  return G_SOURCE_REMOVE;
}

/* On the machine's I/O thread. */
static void
on_machine_changed (void *opaque, Machine *machine)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, on_machine_changed_idle, g_object_ref (opaque), g_object_unref);
}

typedef struct
{
  BunshinSession *session;
  char *slot;
} Ejected;

static void
ejected_free (gpointer data)
{
  Ejected *ejected = data;

  g_object_unref (ejected->session);
  g_free (ejected->slot);
  g_free (ejected);
}

static LibraryAttachment *
find_slot (BunshinSession *self, const char *slot)
{
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      LibraryAttachment *drive = g_ptr_array_index (self->record->attachments, i);
      g_autofree char *name = library_attachment_slot (drive);

      if (strcmp (name, slot) == 0)
        return drive;
    }
  return NULL;
}

/* The record follows what is in the drive. */
static gboolean
store_medium (BunshinSession *self, LibraryAttachment *drive, const char *path, GError **error)
{
  library_attachment_set_path (drive, path, NULL);
  return !self->library || library_set_medium (self->library, self->record->uuid, drive->controller, drive->unit, path,
                                               error);
}

static gboolean
on_ejected_idle (gpointer data)
{
  Ejected *ejected = data;
  LibraryAttachment *drive = find_slot (ejected->session, ejected->slot);
  g_autoptr (GError) error = NULL;

  if (drive && !store_medium (ejected->session, drive, NULL, &error))
    g_message ("%s", error->message);
  return G_SOURCE_REMOVE;
}

/* On the machine's I/O thread. */
static void
on_machine_ejected (void *opaque, Machine *machine, const char *slot)
{
  Ejected *ejected = g_new (Ejected, 1);

  ejected->session = g_object_ref (opaque);
  ejected->slot = g_strdup (slot);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_ejected_idle, ejected, ejected_free);
}

static const MachineListener listener = { .changed = on_machine_changed, .ejected = on_machine_ejected };

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

BunshinSession *
bunshin_session_new (Library *library, LibraryLock *lock, const LibraryMachine *record, const SessionOptions *options,
                     GError **error)
{
  g_autoptr (BunshinSession) self = g_object_new (BUNSHIN_TYPE_SESSION, NULL);

  self->library = library;
  self->record = library_machine_copy (record);
  self->state = LIBRARY_STATE_STARTING;
  if (!open_serial (self, options, error))
    return NULL;
  self->machine = machine_build (self->record, options, self->serial ? serial_port_backend (self->serial) : NULL,
                                 self->debugcon ? serial_port_backend (self->debugcon) : NULL, error);
  if (!self->machine)
    return NULL;
  machine_add_listener (self->machine, &listener, self);
  if (self->serial)
    serial_port_set_machine (self->serial, self->machine, 0, on_escaped, self->machine);
  self->typist = typist_new (machine_input (self->machine), machine_display (self->machine));
  self->lock = lock;
  return g_steal_pointer (&self);
}

gboolean
bunshin_session_start (BunshinSession *self, GError **error)
{
  if (!machine_start (self->machine, error))
    return FALSE;
  follow_machine (self);
  return TRUE;
}

void
bunshin_session_stop_typing (BunshinSession *self)
{
  g_clear_pointer (&self->typist, typist_free);
}

void
bunshin_session_close (BunshinSession *self)
{
  if (!self->machine)
    return;
  set_state (self, LIBRARY_STATE_STOPPING);
  bunshin_session_stop_typing (self);
  if (self->serial)
    serial_port_set_machine (self->serial, NULL, 0, NULL, NULL);
  machine_remove_listener (self->machine, self);
  g_clear_pointer (&self->machine, machine_free);
  g_clear_pointer (&self->serial, serial_port_free);
  g_clear_pointer (&self->debugcon, serial_port_free);
  g_clear_pointer (&self->socket, g_free);
  set_state (self, LIBRARY_STATE_POWERED_OFF);
  g_clear_pointer (&self->lock, library_lock_release);
}

static void
bunshin_session_finalize (GObject *object)
{
  BunshinSession *self = BUNSHIN_SESSION (object);

  bunshin_session_close (self);
  g_clear_pointer (&self->serial, serial_port_free);
  g_clear_pointer (&self->debugcon, serial_port_free);
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
bunshin_session_class_init (BunshinSessionClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->finalize = bunshin_session_finalize;
  object_class->get_property = bunshin_session_get_property;
  g_object_class_override_property (object_class, PROP_UUID, "uuid");
  g_object_class_override_property (object_class, PROP_STATE, "state");
  g_object_class_override_property (object_class, PROP_MESSAGE, "message");
}

static void
bunshin_session_init (BunshinSession *self)
{
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
  return self->state == LIBRARY_STATE_STOPPING || self->state == LIBRARY_STATE_POWERED_OFF;
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

static gboolean
fail (GError **error, int code, const char *message)
{
  g_set_error_literal (error, LIBRARY_ERROR, code, message);
  return FALSE;
}

/* What needs the machine to be there still. */
static gboolean
check_alive (BunshinSession *self, GError **error)
{
  return !bunshin_session_has_ended (self)
         || fail (error, LIBRARY_ERROR_RUNNING, _("the machine is being powered off"));
}

gboolean
bunshin_session_verb (BunshinSession *self, BunshinVerb verb, GError **error)
{
  if (verb == BUNSHIN_VERB_POWER_OFF && bunshin_session_has_ended (self))
    return TRUE;
  if (!check_alive (self, error))
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
        return fail (error, LIBRARY_ERROR_RUNNING, _("the machine is paused: resume it first"));
      machine_power_button (self->machine);
      break;
    case BUNSHIN_VERB_POWER_OFF:
      machine_power_off (self->machine);
      break;
    case BUNSHIN_VERB_SHOW_WINDOW:
      if (!self->present)
        return fail (error, LIBRARY_ERROR_FAILED, _("the machine runs without a window"));
      return self->present (self->present_opaque, error);
    case BUNSHIN_VERB_START:
    case BUNSHIN_VERB_START_HEADLESS:
    default:
      return fail (error, LIBRARY_ERROR_RUNNING, _("the machine is running already"));
    }
  /* Callers see the new state as soon as the verb has returned. */
  follow_machine (self);
  return TRUE;
}

gboolean
bunshin_session_insert (BunshinSession *self, const char *slot, const char *path, gboolean force, GError **error)
{
  LibraryAttachment *drive = find_slot (self, slot);
  Disk *disk = NULL;
  gboolean ok;

  if (!check_alive (self, error))
    return FALSE;
  if (!drive || drive->kind == LIBRARY_MEDIUM_DISK)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("%s is no drive for changeable media"), slot);
      return FALSE;
    }
  if (path && !(disk = machine_build_open_medium (drive->kind, path, FALSE, error)))
    return FALSE;
  ok = machine_insert (self->machine, slot, disk, force, error);
  g_clear_pointer (&disk, disk_unref);
  return ok && store_medium (self, drive, path, error);
}

GBytes *
bunshin_session_screenshot (BunshinSession *self, const char *format, GError **error)
{
  Display *display;
  char *text;

  /* Of a machine that has ended, the last picture is still there. */
  if (!self->machine)
    {
      fail (error, LIBRARY_ERROR_RUNNING, _("the machine is powered off"));
      return NULL;
    }
  display = machine_display (self->machine);
  if (strcmp (format, "png") == 0)
    return display_get_png (display, error);
  if (strcmp (format, "text") != 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” is no format of a screenshot"), format);
      return NULL;
    }
  text = display_get_text (display);
  if (!text)
    {
      fail (error, LIBRARY_ERROR_FAILED, _("the screen shows graphics, not text: take a .png"));
      return NULL;
    }
  return g_bytes_new_take (text, strlen (text));
}

static void
add_counters (GVariantBuilder *builder, const MachineInfo *info)
{
  const struct { const char *key; uint64_t value; } counters[] = {
    { "instructions", info->instructions }, { "blocks", info->blocks }, { "translated", info->translated },
    { "code-bytes", info->code_bytes }, { "dropped", info->dropped }, { "renewed", info->renewed }, { "emptied", info->emptied },
    { "longest-emptying", info->longest_emptying },
    { "entered", info->entered }, { "refills", info->refills }, { "tlb-misses", info->tlb_misses },
    { "code-writes", info->code_writes }, { "exceptions", info->exceptions }, { "exits-pio", info->exits_pio }, { "exits-mmio", info->exits_mmio }, { "exits-halt", info->exits_halt },
    { "exits-msr", info->exits_msr }, { "exits-window", info->exits_window }, { "exits-kick", info->exits_kick },
    { "exits-emulated", info->exits_emulated }, { "interrupts", info->interrupts },
    { "disk-reads", info->disk_reads }, { "disk-writes", info->disk_writes },
    { "disk-read-bytes", info->disk_read_bytes }, { "disk-write-bytes", info->disk_write_bytes },
    { "cd-reads", info->cd_reads }, { "floppy-reads", info->floppy_reads }, { "net-rx-frames", info->net_rx_frames },
    { "net-tx-frames", info->net_tx_frames }, { "net-rx-bytes", info->net_rx_bytes },
    { "net-tx-bytes", info->net_tx_bytes },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (counters); i++)
    g_variant_builder_add (builder, "{sv}", counters[i].key, g_variant_new_uint64 (counters[i].value));
}

/* Most frequent first. */
static int
compare_counts (gconstpointer a, gconstpointer b, gpointer data)
{
  uint64_t m = *(uint64_t *) g_hash_table_lookup (data, *(const char *const *) a);
  uint64_t n = *(uint64_t *) g_hash_table_lookup (data, *(const char *const *) b);

  return m > n ? -1 : m < n;
}

static void
add_interpreted (GVariantBuilder *builder, Machine *machine)
{
  g_autoptr (GHashTable) counts = machine_interpreted (machine);
  guint length;
  g_autofree gpointer *names = g_hash_table_get_keys_as_array (counts, &length);
  GVariantBuilder dictionary;

  g_qsort_with_data (names, (int) length, sizeof *names, compare_counts, counts);
  g_variant_builder_init (&dictionary, G_VARIANT_TYPE ("a{st}"));
  for (unsigned i = 0; i < length; i++)
    g_variant_builder_add (&dictionary, "{st}", names[i], *(uint64_t *) g_hash_table_lookup (counts, names[i]));
  g_variant_builder_add (builder, "{sv}", "interpreted", g_variant_builder_end (&dictionary));
}

GVariant *
bunshin_session_info (BunshinSession *self)
{
  GVariantBuilder builder;
  MachineInfo info = { 0 };
  int width = 0, height = 0, stride;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (self->record->name));
  g_variant_builder_add (&builder, "{sv}", "state", g_variant_new_string (library_state_name (self->state)));
  if (self->message)
    g_variant_builder_add (&builder, "{sv}", "message", g_variant_new_string (self->message));
  if (!self->machine)
    return g_variant_builder_end (&builder);

  machine_info (self->machine, &info);
  g_variant_builder_add (&builder, "{sv}", "accel", g_variant_new_string (info.accel ? info.accel : ""));
  g_variant_builder_add (&builder, "{sv}", "accel-reason", g_variant_new_take_string (record_text_accel_reason (&info)));
  g_variant_builder_add (&builder, "{sv}", "memory", g_variant_new_uint64 (self->record->memory));
  g_variant_builder_add (&builder, "{sv}", "cpus", g_variant_new_uint64 (self->record->cpus));
  g_variant_builder_add (&builder, "{sv}", "guest-time", g_variant_new_int64 (info.guest_time));
  add_counters (&builder, &info);
  if (info.translated > 0)
    add_interpreted (&builder, self->machine);
  display_refresh (machine_display (self->machine));
  display_lock (machine_display (self->machine), &width, &height, &stride);
  display_unlock (machine_display (self->machine));
  g_variant_builder_add (&builder, "{sv}", "screen-width", g_variant_new_uint64 ((guint64) MAX (width, 0)));
  g_variant_builder_add (&builder, "{sv}", "screen-height", g_variant_new_uint64 ((guint64) MAX (height, 0)));
  g_variant_builder_add (&builder, "{sv}", "absolute-pointer",
                         g_variant_new_boolean (input_is_absolute (machine_input (self->machine))));
  if (bunshin_session_get_notice (self))
    g_variant_builder_add (&builder, "{sv}", "serial", g_variant_new_string (bunshin_session_get_notice (self)));
  return g_variant_builder_end (&builder);
}

gboolean
bunshin_session_set_accel (BunshinSession *self, const char *name, GError **error)
{
  MachineAccel accel;

  if (!check_alive (self, error) || !machine_build_parse_accel (name, &accel, error))
    return FALSE;
  if (accel == MACHINE_ACCEL_AUTO)
    return fail (error, LIBRARY_ERROR_INVALID, "the machine has been running under an accelerator of its choice");
  return machine_set_accel (self->machine, accel, error);
}

gboolean
bunshin_session_type (BunshinSession *self, const char *text, TypistDone done, void *opaque, GError **error)
{
  g_autoptr (GArray) chords = keymap_parse_text (text, error);

  if (!chords || !check_alive (self, error))
    return FALSE;
  typist_chords (self->typist, chords, done, opaque);
  return TRUE;
}

gboolean
bunshin_session_key (BunshinSession *self, const char *name, TypistDone done, void *opaque, GError **error)
{
  g_autoptr (GArray) chords = g_array_new (FALSE, FALSE, sizeof (KeyChord));
  KeyChord chord;

  if (!keymap_parse_chord (name, &chord, error) || !check_alive (self, error))
    return FALSE;
  g_array_append_val (chords, chord);
  typist_chords (self->typist, chords, done, opaque);
  return TRUE;
}

gboolean
bunshin_session_mouse (BunshinSession *self, unsigned x, unsigned y, const char *action, TypistDone done,
                       void *opaque, GError **error)
{
  return check_alive (self, error) && typist_pointer (self->typist, x, y, action, done, opaque, error);
}

static NetPort *
find_port (BunshinSession *self, unsigned slot, GError **error)
{
  NetPort *port = NULL;

  if (!check_alive (self, error))
    return NULL;
  if (slot < MACHINE_MAX_NICS)
    port = machine_net_port (self->machine, slot);
  if (!port)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no network adapter %u"), slot + 1);
  return port;
}

gboolean
bunshin_session_forward (BunshinSession *self, unsigned slot, const char *rule, gboolean add, GError **error)
{
  NetPort *port = find_port (self, slot, error);
  ForwardRule parsed;

  if (!port || !forward_rule_parse (rule, &parsed, error))
    return FALSE;
  if (!net_port_is_nat (port))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("network adapter %u has no NAT"), slot + 1);
      return FALSE;
    }
  return add ? nat_add_forward (port, &parsed, error) : nat_remove_forward (port, &parsed, error);
}

gboolean
bunshin_session_set_cable (BunshinSession *self, unsigned slot, gboolean connected, GError **error)
{
  LibraryAdapter *adapter;

  if (!find_port (self, slot, error))
    return FALSE;
  machine_set_cable (self->machine, slot, connected);
  adapter = library_machine_find_adapter (self->record, slot);
  if (!adapter)
    return TRUE;
  adapter->cable = connected;
  if (!self->library)
    return TRUE;
  {
    /* Others may have changed the record meanwhile: only the cable is ours. */
    g_autoptr (LibraryMachine) stored = library_find (self->library, self->record->uuid, error);
    LibraryAdapter *stored_adapter = stored ? library_machine_find_adapter (stored, slot) : NULL;

    if (!stored_adapter)
      return stored != NULL;
    stored_adapter->cable = connected;
    return library_update_machine (self->library, stored, error);
  }
}
