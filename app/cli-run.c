/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verb run: a throw-away machine in this very process. */

#include "app/cli.h"
#include "app/disk-files.h"
#include "app/figures.h"
#include "app/keymap.h"
#include "app/machine-loop.h"

#include <glib/gi18n.h>
#include <string.h>

enum { STATUS_TIMEOUT = 124 };

typedef struct
{
  const char *memory, *cpus, *accel, *cpu_model, *iso, *floppy, *nic_model, *controller, *timeout, *info;
  GPtrArray *disks, *nics, *screenshots, *types;
  gboolean headless, writable;
  SessionOptions session;
} RunOptions;

typedef struct
{
  BunshinSession *session;
  MachineLoop *loop;
  gboolean timed_out, stalled;
} Run;

typedef struct
{
  Run *run;
  char *text;
} Typing;

static void
run_options_clear (RunOptions *o)
{
  g_clear_pointer (&o->disks, g_ptr_array_unref);
  g_clear_pointer (&o->nics, g_ptr_array_unref);
  g_clear_pointer (&o->screenshots, g_ptr_array_unref);
  g_clear_pointer (&o->types, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RunOptions, run_options_clear)

static gboolean
add_adapters (LibraryMachine *record, const RunOptions *o, GError **error)
{
  unsigned count = o->nics ? o->nics->len : 1;

  if (count > LIBRARY_MAX_ADAPTERS)
    return usage_error (error, _("a machine has at most %d network adapters"), LIBRARY_MAX_ADAPTERS);
  for (unsigned i = 0; i < count; i++)
    {
      LibraryNetKind kind = LIBRARY_NET_NAT;
      g_autofree char *param = NULL;
      LibraryAdapter *adapter;

      if (o->nics && !parse_net ("--nic", g_ptr_array_index (o->nics, i), &kind, &param, error))
        return FALSE;
      if (kind == LIBRARY_NET_NONE)
        continue;
      adapter = library_machine_add_adapter (record, i, kind);
      adapter->param = g_steal_pointer (&param);
      g_snprintf (adapter->mac, sizeof adapter->mac, "08:00:27:00:00:%02x", i + 1);
      if (o->nic_model)
        {
          g_free (adapter->model);
          adapter->model = g_strdup (o->nic_model);
        }
    }
  return TRUE;
}

static gboolean
add_drives (LibraryMachine *record, const RunOptions *o, GError **error)
{
  LibraryController controller;

  if (!parse_controller (o->controller, &controller, error))
    return FALSE;
  if (o->iso)
    setting_add_cd_drive (record, controller);
  if (o->iso && !setting_apply (record, "iso", o->iso, error))
    return FALSE;
  if (o->floppy && !setting_apply (record, "floppy", o->floppy, error))
    return FALSE;
  for (unsigned i = 0; o->disks && i < o->disks->len; i++)
    {
      g_autofree char *path = existing_file (g_ptr_array_index (o->disks, i), error);

      if (!path)
        return FALSE;
      if (!library_machine_add_drive (record, controller, LIBRARY_MEDIUM_DISK, path, NULL))
        return usage_error (error, _("--disk %s: no place is left for another disk"), path);
    }
  return TRUE;
}

/* The record that the library would have. */
static LibraryMachine *
make_record (const RunOptions *o, GError **error)
{
  g_autoptr (LibraryMachine) record = library_machine_new ("run");
  const struct { const char *key, *value; } settings[] = {
    { "memory", o->memory ? o->memory : "512M" }, { "cpus", o->cpus }, { "accel", o->accel },
    { "cpu-model", o->cpu_model },
  };

  record->uuid = g_uuid_string_random ();
  for (unsigned i = 0; i < G_N_ELEMENTS (settings); i++)
    if (settings[i].value && !setting_apply (record, settings[i].key, settings[i].value, error))
      return NULL;
  if (!add_adapters (record, o, error) || !library_machine_validate (record, error) || !add_drives (record, o, error) ||
      !library_machine_validate (record, error))
    return NULL;
  return g_steal_pointer (&record);
}

/* “TEXT@SECONDS”, with the text taken apart at the last @. */
static char *
parse_typing (const char *word, guint *milliseconds, GError **error)
{
  const char *at = strrchr (word, '@');
  char *end = NULL;
  double seconds = at ? g_ascii_strtod (at + 1, &end) : -1;
  g_autofree char *text = at ? g_strndup (word, (gsize) (at - word)) : NULL;
  g_autoptr (GArray) chords = NULL;

  if (!at || end == at + 1 || *end != '\0' || !(seconds >= 0 && seconds < 1e6))
    {
      usage_error (error, _("--type %s: must be TEXT@SECONDS"), word);
      return NULL;
    }
  chords = keymap_parse_text (text, error);
  if (!chords)
    return NULL;
  *milliseconds = (guint) (seconds * 1000);
  return g_steal_pointer (&text);
}

static gboolean
check_options (const RunOptions *o, guint64 *timeout, GError **error)
{
  if (o->timeout && !parse_number ("--timeout", o->timeout, 1, G_MAXUINT / 1000, timeout, error))
    return FALSE;
  if ((o->session.initrd || o->session.append) && !o->session.kernel)
    return usage_error (error, _("--initrd and --append go with --kernel"));
  for (unsigned i = 0; o->screenshots && i < o->screenshots->len; i++)
    {
      const char *file = g_ptr_array_index (o->screenshots, i);

      if (!g_str_has_suffix (file, ".png") && !g_str_has_suffix (file, ".txt"))
        return usage_error (error, _("--screenshot %s: the file must end in .png or .txt"), file);
    }
  for (unsigned i = 0; o->types && i < o->types->len; i++)
    {
      guint milliseconds;
      g_autofree char *text = parse_typing (g_ptr_array_index (o->types, i), &milliseconds, error);

      if (!text)
        return FALSE;
    }
  return TRUE;
}

/* The files the engine opens by itself are looked at first: then the error names them in our words. */
static gboolean
check_files (const RunOptions *o, GError **error)
{
  const char *const files[] = { o->session.bios, o->session.kernel, o->session.initrd };

  for (unsigned i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = files[i] ? existing_file (files[i], error) : NULL;

      if (files[i] && !path)
        return FALSE;
    }
  return TRUE;
}

static gboolean
on_timeout (gpointer data)
{
  Run *run = data;

  run->timed_out = TRUE;
  machine_loop_quit (run->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_type (gpointer data)
{
  Typing *typing = data;

  bunshin_session_type (typing->run->session, typing->text, NULL, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static void
typing_free (gpointer data)
{
  Typing *typing = data;

  g_free (typing->text);
  g_free (typing);
}

/* A machine that stopped by itself cannot be resumed without a window. */
static void
on_state (Run *run)
{
  run->stalled = bunshin_machine_control_get_state (BUNSHIN_MACHINE_CONTROL (run->session)) == LIBRARY_STATE_PAUSED;
  if (run->stalled)
    machine_loop_quit (run->loop);
}

static gboolean
write_screenshots (Run *run, const RunOptions *o, GError **error)
{
  for (unsigned i = 0; o->screenshots && i < o->screenshots->len; i++)
    {
      const char *file = g_ptr_array_index (o->screenshots, i);
      g_autoptr (GBytes) bytes
          = bunshin_session_screenshot (run->session, g_str_has_suffix (file, ".png") ? "png" : "text", error);
      gsize length;
      const char *data = bytes ? g_bytes_get_data (bytes, &length) : NULL;

      if (!bytes || !g_file_set_contents (file, data, (gssize) length, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
write_info (Run *run, const RunOptions *o, GError **error)
{
  g_autoptr (GVariant) figures = o->info ? g_variant_ref_sink (bunshin_session_info (run->session)) : NULL;
  g_autofree char *text = figures ? figures_to_json (figures) : NULL;

  return !text || g_file_set_contents (o->info, text, -1, error);
}

static void
add_timer (GPtrArray *timers, guint milliseconds, GSourceFunc callback, gpointer data, GDestroyNotify data_free)
{
  GSource *timer = g_timeout_source_new (milliseconds);

  g_source_set_callback (timer, callback, data, data_free);
  g_source_attach (timer, NULL);
  g_ptr_array_add (timers, timer);
}

static void
timer_free (gpointer timer)
{
  g_source_destroy (timer);
  g_source_unref (timer);
}

static void
add_timers (Run *run, const RunOptions *o, guint64 timeout, GPtrArray *timers)
{
  if (timeout)
    add_timer (timers, (guint) timeout * 1000, on_timeout, run, NULL);
  for (unsigned i = 0; o->types && i < o->types->len; i++)
    {
      Typing *typing = g_new0 (Typing, 1);
      guint milliseconds;

      typing->run = run;
      typing->text = parse_typing (g_ptr_array_index (o->types, i), &milliseconds, NULL);
      add_timer (timers, milliseconds, on_type, typing, typing_free);
    }
}

/* The exit status that the machine's end means. */
static int
end_status (Run *run, GError **error)
{
  Machine *machine = bunshin_machine_control_get_machine (BUNSHIN_MACHINE_CONTROL (run->session));
  g_autofree char *message = machine_message (machine);

  if (run->timed_out)
    return STATUS_TIMEOUT;
  if (run->stalled || machine_off_reason (machine) == MACHINE_OFF_ERROR)
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, message ? message : _("the machine stopped"));
      return 1;
    }
  return machine_off_reason (machine) == MACHINE_OFF_DEBUG_EXIT ? machine_debug_exit_status (machine) : 0;
}

static int
run_session (Run *run, const RunOptions *o, guint64 timeout, GError **error)
{
  GPtrArray *timers = g_ptr_array_new_with_free_func (timer_free);
  int status = 1;

  run->loop = machine_loop_new (run->session, NULL, !o->headless);
  if (o->headless)
    g_signal_connect_swapped (run->session, "notify::state", G_CALLBACK (on_state), run);
  if (bunshin_session_get_notice (run->session))
    g_printerr ("%s\n", bunshin_session_get_notice (run->session));
  if (bunshin_session_start (run->session, error))
    {
      add_timers (run, o, timeout, timers);
      machine_loop_run (run->loop);
      status = end_status (run, error);
      if (!write_screenshots (run, o, error && *error ? NULL : error) ||
          !write_info (run, o, error && *error ? NULL : error))
        status = 1;
    }
  g_signal_handlers_disconnect_by_data (run->session, run);
  g_ptr_array_unref (timers);
  machine_loop_free (run->loop);
  bunshin_session_close (run->session);
  return status;
}

int
cli_run (char **args, GError **error)
{
  g_auto (RunOptions) o = { 0 };
  const Option options[] = {
    { "memory", OPTION_STRING, &o.memory }, { "cpus", OPTION_STRING, &o.cpus }, { "accel", OPTION_STRING, &o.accel },
    { "cpu-model", OPTION_STRING, &o.cpu_model }, { "iso", OPTION_STRING, &o.iso }, { "disk", OPTION_LIST, &o.disks },
    { "floppy", OPTION_STRING, &o.floppy }, { "bios", OPTION_STRING, &o.session.bios },
    { "kernel", OPTION_STRING, &o.session.kernel }, { "initrd", OPTION_STRING, &o.session.initrd },
    { "append", OPTION_STRING, &o.session.append }, { "nic", OPTION_LIST, &o.nics },
    { "nic-model", OPTION_STRING, &o.nic_model }, { "controller", OPTION_STRING, &o.controller },
    { "headless", OPTION_FLAG, &o.headless }, { "serial", OPTION_STRING, &o.session.serial },
    { "debugcon", OPTION_STRING, &o.session.debugcon }, { "debug-exit", OPTION_FLAG, &o.session.debug_exit },
    { "screenshot", OPTION_LIST, &o.screenshots }, { "type", OPTION_LIST, &o.types },
    { "timeout", OPTION_STRING, &o.timeout }, { "writable", OPTION_FLAG, &o.writable },
    { "info", OPTION_STRING, &o.info }, { "perf-map", OPTION_FLAG, &o.session.perf_map }, { NULL }
  };
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (BunshinSession) session = NULL;
  Run run = { 0 };
  guint64 timeout = 0;

  if (!options_parse (args, options, 0, 0, NULL, error) || !check_options (&o, &timeout, error) ||
      !check_files (&o, error) || !(record = make_record (&o, error)) ||
      !machine_loop_prepare (!o.headless, error))
    return 1;
  o.session.discard_changes = !o.writable;
  session = bunshin_session_new (NULL, NULL, record, &o.session, error);
  if (!session)
    return 1;
  run.session = session;
  return run_session (&run, &o, timeout, error);
}
