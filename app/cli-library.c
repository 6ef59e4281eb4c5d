/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verbs on the library: create, list, show, set, delete. */

#include "app/cli.h"
#include "storage/disk/disk.h"
#include "app/client.h"
#include "app/disk-files.h"
#include "app/json.h"
#include "app/sizes.h"
#include "app/snapshot-work.h"
#include "engine/machine/machine.h"
#include "ui/os-database.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

enum { DEFAULT_CPUS = 2 };

typedef struct
{
  const char *os, *memory, *cpus, *firmware, *chipset, *disk, *disk_format, *disk_variant, *controller, *iso, *floppy;
  const char *nic_model, *accel, *cpu_model;
  LibraryController disk_controller;
  GPtrArray *attach, *nics;
  guint64 disk_size; /* 0: no new disk */
} CreateOptions;

/* Operating systems that keep local time in the CMOS clock. */
static gboolean
wants_local_time (const char *os)
{
  static const char *const prefixes[] = { "win", "msdos", "freedos", "os2", NULL };

  for (unsigned i = 0; prefixes[i] != NULL; i++)
    if (g_str_has_prefix (os, prefixes[i]))
      return TRUE;
  return FALSE;
}

static gboolean
apply_settings (LibraryMachine *machine, const CreateOptions *options, GError **error)
{
  const struct { const char *key, *value; } settings[] = {
    { "os", options->os }, { "memory", options->memory }, { "cpus", options->cpus }, { "firmware", options->firmware },
    { "chipset", options->chipset }, { "accel", options->accel }, { "cpu-model", options->cpu_model },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (settings); i++)
    if (settings[i].value && !setting_apply (machine, settings[i].key, settings[i].value, error))
      return FALSE;
  if (machine->os_id && wants_local_time (machine->os_id))
    machine->rtc_utc = FALSE;
  return TRUE;
}

static gboolean
add_adapters (LibraryMachine *machine, const CreateOptions *options, GError **error)
{
  unsigned count = options->nics ? options->nics->len : 1;

  if (count > LIBRARY_MAX_ADAPTERS)
    return usage_error (error, _("a machine has at most %d network adapters"), LIBRARY_MAX_ADAPTERS);
  for (unsigned i = 0; i < count; i++)
    {
      LibraryNetKind kind = LIBRARY_NET_NAT;
      g_autofree char *param = NULL;
      LibraryAdapter *adapter;

      if (options->nics && !parse_net ("--nic", g_ptr_array_index (options->nics, i), &kind, &param, error))
        return FALSE;
      if (kind == LIBRARY_NET_NONE)
        continue;
      adapter = library_machine_add_adapter (machine, i, kind);
      adapter->param = g_steal_pointer (&param);
      if (options->nic_model)
        {
          g_free (adapter->model);
          adapter->model = g_strdup (options->nic_model);
        }
    }
  return TRUE;
}

/* As setting_apply(); a disc that is being put in is looked at, so that a damaged one is not found out at the start. */
static gboolean
apply (LibraryMachine *machine, const char *key, const char *value, GError **error)
{
  const char *disc = NULL;
  LibraryController controller;
  unsigned unit;

  if (!setting_apply (machine, key, value, error))
    return FALSE;
  if (strcmp (key, "iso") == 0 && strcmp (value, "none") != 0)
    disc = value;
  else if (g_str_has_prefix (value, "cdrom:") && library_slot_parse (key, &controller, &unit))
    disc = value + strlen ("cdrom:");
  return !disc || disk_file_check_disc (disc, error);
}

/* Existing images and media; the new disk follows when the machine has its folder. */
static gboolean
add_drives (LibraryMachine *machine, const CreateOptions *options, GError **error)
{
  /* The new disk is the first one, the one that boots. */
  unsigned unit = options->disk_size ? 1 : 0;

  setting_add_cd_drive (machine, options->disk_controller);
  for (unsigned i = 0; options->attach && i < options->attach->len; i++)
    {
      g_autofree char *path = existing_file (g_ptr_array_index (options->attach, i), error), *format = NULL;

      if (!path || !disk_file_probe (path, &format, error))
        return FALSE;
      while (library_machine_find_attachment (machine, options->disk_controller, unit))
        unit++;
      if (unit >= library_controller_units (options->disk_controller))
        return usage_error (error, _("--attach %s: no place is left for another disk"), path);
      library_machine_add_attachment (machine, options->disk_controller, unit, LIBRARY_MEDIUM_DISK, path, format);
    }
  if (options->iso && !apply (machine, "iso", options->iso, error))
    return FALSE;
  return !options->floppy || setting_apply (machine, "floppy", options->floppy, error);
}

/* What the wizard would choose: the fastest that the system's installer has a driver for. */
static LibraryController
find_controller (const char *os_id)
{
  g_autoptr (BunshinOsDatabase) systems = bunshin_os_database_new ();
  const OsFacts *facts = os_newer_facts (os_id);
  OsDefaults defaults;
  BunshinOs *os;

  /* Loading takes a second: not where it can be done without. */
  if (!facts)
    {
      bunshin_os_database_load_now (systems);
      os = bunshin_os_database_find (systems, os_id);
      facts = os ? bunshin_os_get_facts (os) : NULL;
    }
  if (!facts)
    return LIBRARY_CONTROLLER_IDE;
  os_defaults (facts, library_host_memory (), &defaults);
  return defaults.controller;
}

static gboolean
read_disk_options (CreateOptions *options, GError **error)
{
  const char *disk = options->disk ? options->disk : options->attach ? "none" : "20G";

  if (!disk_file_check_options (options->disk_format, options->disk_variant, error) ||
      !parse_controller (options->controller, &options->disk_controller, error))
    return FALSE;
  if (!options->controller && options->os)
    options->disk_controller = find_controller (options->os);
  if (strcmp (disk, "none") == 0)
    return TRUE;
  if (!parse_size_option ("--disk", disk, &options->disk_size, error))
    return FALSE;
  return options->disk_size > 0 || usage_error (error, _("--disk %s: a disk is not empty"), disk);
}

/* Stores the machine, then its new disk; a failure leaves nothing behind. */
static gboolean
store_new_machine (Library *library, LibraryMachine *machine, const CreateOptions *options, GError **error)
{
  const char *format = options->disk_format ? options->disk_format : "vdi";
  g_autofree char *path = NULL;

  if (!library_add_machine (library, machine, error))
    return FALSE;
  if (!options->disk_size)
    return TRUE;
  path = library_new_disk_path (machine, format);
  if (disk_file_create (path, options->disk_size, format, options->disk_variant, error))
    {
      library_machine_add_attachment (machine, options->disk_controller, 0, LIBRARY_MEDIUM_DISK, path, format);
      if (library_update_machine (library, machine, error))
        return TRUE;
      g_unlink (path);
    }
  library_delete_machine (library, machine->uuid, NULL, NULL);
  library_delete_files (machine, NULL, NULL);
  return FALSE;
}

int
cli_create (char **args, GError **error)
{
  CreateOptions o = { 0 };
  const Option options[] = {
    { "os", OPTION_STRING, &o.os }, { "memory", OPTION_STRING, &o.memory }, { "cpus", OPTION_STRING, &o.cpus },
    { "firmware", OPTION_STRING, &o.firmware }, { "chipset", OPTION_STRING, &o.chipset },
    { "disk", OPTION_STRING, &o.disk }, { "disk-format", OPTION_STRING, &o.disk_format },
    { "disk-variant", OPTION_STRING, &o.disk_variant }, { "controller", OPTION_STRING, &o.controller },
    { "attach", OPTION_LIST, &o.attach }, { "iso", OPTION_STRING, &o.iso }, { "floppy", OPTION_STRING, &o.floppy },
    { "nic", OPTION_LIST, &o.nics }, { "nic-model", OPTION_STRING, &o.nic_model },
    { "accel", OPTION_STRING, &o.accel }, { "cpu-model", OPTION_STRING, &o.cpu_model }, { NULL }
  };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (Library) library = NULL;
  gboolean ok;

  ok = options_parse (args, options, 1, 1, &words, error) && read_disk_options (&o, error);
  if (ok)
    {
      machine = library_machine_new (g_ptr_array_index (words, 0));
      machine->cpus = DEFAULT_CPUS;
      /* Before anything is made: names, figures and files that are wrong are the usual mistakes. */
      ok = apply_settings (machine, &o, error) && add_adapters (machine, &o, error) &&
           library_machine_validate (machine, error) && machine_check_cpu_model (machine->cpu_model, error) &&
           add_drives (machine, &o, error);
    }
  g_clear_pointer (&o.attach, g_ptr_array_unref);
  g_clear_pointer (&o.nics, g_ptr_array_unref);
  if (!ok)
    return 1;

  library = library_open (NULL, error);
  if (!library || !store_new_machine (library, machine, &o, error))
    return 1;
  g_print ("%s\n", machine->uuid);
  return 0;
}

/* Characters of the longest name, within reason: longer ones push their own line's columns to the right. */
static int
name_column_width (const GPtrArray *machines)
{
  enum { WIDEST = 32 };
  glong width = 0;

  for (unsigned i = 0; i < machines->len; i++)
    {
      glong length = g_utf8_strlen (((const LibraryMachine *) g_ptr_array_index (machines, i))->name, -1);

      if (length <= WIDEST)
        width = MAX (width, length);
    }
  return (int) width;
}

int
cli_list (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (Library) library = NULL;
  g_autoptr (GPtrArray) machines = NULL;
  Json json;
  int width;

  if (!options_parse (args, options, 0, 0, NULL, error) || !(library = library_open (NULL, error)) ||
      !(machines = library_list_machines (library, error)))
    return 1;

  width = name_column_width (machines);

  if (as_json)
    {
      json_begin (&json);
      json_open (&json, NULL, '[');
    }
  for (unsigned i = 0; i < machines->len; i++)
    {
      const LibraryMachine *machine = g_ptr_array_index (machines, i);
      const char *state = library_state_name (library_machine_state (machine, NULL, NULL));
      g_autofree char *memory = cli_size_format (machine->memory);

      if (as_json)
        {
          json_open (&json, NULL, '{');
          json_string (&json, "name", machine->name);
          json_string (&json, "uuid", machine->uuid);
          json_string (&json, "state", state);
          json_uint (&json, "memory", machine->memory);
          json_close (&json, '}');
        }
      else
        {
          int blanks = width - (int) g_utf8_strlen (machine->name, -1);

          g_print ("%s%*s  %s  %-11s  %6s\n", machine->name, MAX (blanks, 0), "", machine->uuid, state, memory);
        }
    }
  if (as_json)
    {
      g_autofree char *text = NULL;

      json_close (&json, ']');
      text = json_end (&json);
      g_print ("%s", text);
    }
  return 0;
}

int
cli_show (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GPtrArray) snapshots = NULL;
  g_autofree char *message = NULL, *text = NULL;
  SettingStatus status = { 0 };

  if (!options_parse (args, options, 1, 1, &words, error) || !(library = library_open (NULL, error)) ||
      !(machine = library_find (library, g_ptr_array_index (words, 0), error)))
    return 1;
  status.state = library_machine_state (machine, NULL, &message);
  status.message = message;
  status.in_drive = snapshot_in_drive (library, machine->uuid);
  if (!(snapshots = snapshot_list (library, machine, FALSE, error)))
    return 1;
  for (unsigned i = 0; i < snapshots->len; i++)
    if (((const Snapshot *) g_ptr_array_index (snapshots, i))->is_current)
      status.snapshot = ((const Snapshot *) g_ptr_array_index (snapshots, i))->name;
  text = as_json ? setting_describe_json (machine, &status) : setting_describe (machine, &status);
  g_print ("%s", text);
  return 0;
}

/* Carries one change to the machine's process, which stores it too when the device has taken it. */
static gboolean
set_live (const LibraryMachine *machine, SettingScope scope, const char *slot, const char *value, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *path = NULL;

  if (scope == SETTING_CABLE)
    {
      guint32 nic = (guint32) g_ascii_strtoull (slot, NULL, 10);

      reply = client_call_machine (machine, "SetCable", g_variant_new ("(ub)", nic, strcmp (value, "on") == 0), error);
      return reply != NULL;
    }
  if (g_str_has_prefix (value, "cdrom"))
    value = value[strlen ("cdrom")] == ':' ? value + strlen ("cdrom:") : "none";
  path = strcmp (value, "none") == 0 ? g_strdup ("") : existing_file (value, error);
  if (path && scope == SETTING_DISK)
    reply = client_call_machine (machine, "PlugDisk", g_variant_new ("(ss)", slot, path), error);
  else if (path)
    reply = client_call_machine (machine, "InsertMedium", g_variant_new ("(ssb)", slot, path, FALSE), error);
  return reply != NULL;
}

/* Remembers the format of disks that were attached just now, for what a guest writes must not change it. */
static gboolean
probe_disks (LibraryMachine *machine, GError **error)
{
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      LibraryAttachment *drive = g_ptr_array_index (machine->attachments, i);

      if (drive->kind == LIBRARY_MEDIUM_DISK && !drive->format && !disk_file_probe (drive->path, &drive->format, error))
        return FALSE;
    }
  return TRUE;
}

/* @settings: KEY=VALUE words. Powered off: all of them or none. */
static gboolean
set_powered_off (Library *library, LibraryMachine *machine, gboolean is_locked, char **settings, GError **error)
{
  for (unsigned i = 0; settings[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (settings[i], "=", 2);

      if (!apply (machine, pair[0], pair[1], error))
        return FALSE;
    }
  if (!machine_check_cpu_model (machine->cpu_model, error) || !probe_disks (machine, error) ||
      !library_update_machine (library, machine, error))
    return FALSE;
  /* Layers of a disk that was taken out may be needed by nothing any more. */
  return !is_locked || snapshot_work_recover (library, machine->uuid, NULL, error);
}

static gboolean
set_running (Library *library, LibraryMachine *machine, char **settings, GError **error)
{
  /* All are checked before the first takes effect. */
  for (unsigned i = 0; settings[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (settings[i], "=", 2);
      g_autofree char *slot = NULL;

      if (setting_scope (machine, pair[0], pair[1], &slot) == SETTING_OFF_ONLY)
        {
          g_autoptr (LibraryMachine) copy = library_machine_copy (machine);

          if (!setting_apply (copy, pair[0], pair[1], error))
            return FALSE;
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING, _("%s: “%s” must be powered off for this change"),
                       pair[0], machine->name);
          return FALSE;
        }
    }
  for (unsigned i = 0; settings[i] != NULL; i++)
    {
      /* The machine's process stores what it has changed. */
      g_autoptr (LibraryMachine) record = library_find (library, machine->uuid, error);
      g_auto (GStrv) pair = g_strsplit (settings[i], "=", 2);
      g_autofree char *slot = NULL;
      SettingScope scope = record ? setting_scope (record, pair[0], pair[1], &slot) : SETTING_RECORD_ONLY;

      if (!record || !setting_apply (record, pair[0], pair[1], error))
        return FALSE;
      if (scope == SETTING_RECORD_ONLY ? !library_update_machine (library, record, error)
                                       : !set_live (record, scope, slot, pair[1], error))
        return FALSE;
    }
  return TRUE;
}

/* The state would not fit the changed machine. */
static gboolean
has_saved_state (const LibraryMachine *machine, GError **error)
{
  g_autofree char *path = library_saved_state_path (machine);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return FALSE;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
               _("“%s” has a saved state: start it, or discard the state, before its settings are changed"), machine->name);
  return TRUE;
}

/* The machine (consumed) as it is when what an earlier run has left is in order: a test drive that was killed would take what is
 * set now along. */
static LibraryMachine *
recover (Library *library, LibraryMachine *machine, GError **error)
{
  g_autoptr (LibraryMachine) old = machine;
  g_auto (GStrv) did = NULL;

  if (!snapshot_work_recover (library, old->uuid, &did, error))
    return NULL;
  for (char **sentence = did; sentence && *sentence; sentence++)
    g_printerr ("%s\n", *sentence);
  return library_find (library, old->uuid, error);
}

int
cli_set (char **args, GError **error)
{
  const Option options[] = { { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (LibraryLock) lock = NULL;
  char **settings;

  if (!options_parse (args, options, 2, -1, &words, error))
    return 1;
  settings = (char **) words->pdata + 1;
  for (unsigned i = 0; settings[i] != NULL; i++)
    if (!strchr (settings[i], '='))
      {
        usage_error (error, _("“%s” is not of the form KEY=VALUE"), settings[i]);
        return 1;
      }
  if (!(library = library_open (NULL, error))
      || !(machine = library_find (library, g_ptr_array_index (words, 0), error)))
    return 1;
  /* While it is being changed, it cannot be started. */
  lock = library_lock_machine (machine, NULL);
  if (lock && !(machine = recover (library, machine, error)))
    return 1;
  if (lock && has_saved_state (machine, error))
    return 1;
  if (lock || library_machine_state (machine, NULL, NULL) == LIBRARY_STATE_POWERED_OFF)
    return set_powered_off (library, machine, lock != NULL, settings, error) ? 0 : 1;
  return set_running (library, machine, settings, error) ? 0 : 1;
}

int
cli_delete (char **args, GError **error)
{
  gboolean keep = FALSE;
  const Option options[] = { { "keep-disks", OPTION_FLAG, &keep }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_auto (GStrv) disks = NULL;

  if (!options_parse (args, options, 1, 1, &words, error) || !(library = library_open (NULL, error)) ||
      !(machine = library_find (library, g_ptr_array_index (words, 0), error)) ||
      !library_delete_machine (library, machine->uuid, &disks, error))
    return 1;
  for (char **disk = disks; *disk; disk++)
    if (keep ? !library_add_medium (library, *disk, LIBRARY_MEDIUM_DISK, NULL, error)
             : !disk_delete (*disk, error) || !library_forget_medium (library, *disk, error))
      return 1;
  return library_delete_files (machine, NULL, error) ? 0 : 1;
}
