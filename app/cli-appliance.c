/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs import and export: machines that go from one program to another. */

#include "app/cli.h"
#include "app/disk-files.h"
#include "app/disk-task.h"
#include "app/json.h"
#include "app/sizes.h"
#include "ui/export-run.h"
#include "ui/import-run.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

/* --- import --- */

typedef struct
{
  const char *name, *memory, *cpus, *disk_format;
  gboolean dry_run, json, keep_mac, trust;
} ImportOptions;

typedef struct
{
  const ImportDraft *draft;
  char **uuids;
} ImportJob;

static gboolean
import_work (const DiskTask *task, gpointer data, GError **error)
{
  ImportJob *job = data;

  job->uuids = import_run (job->draft, NULL, task, error);
  return job->uuids != NULL;
}

static GStrv
machine_names (Library *library)
{
  g_autoptr (GPtrArray) machines = library_list_machines (library, NULL);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (unsigned i = 0; machines != NULL && i < machines->len; i++)
    g_strv_builder_add (names, ((LibraryMachine *) g_ptr_array_index (machines, i))->name);
  return g_strv_builder_end (names);
}

static gboolean
apply_options (ImportDraft *draft, const ImportOptions *o, GError **error)
{
  const struct
  {
    const char *key, *value;
  } settings[] = { { "name", o->name }, { "memory", o->memory }, { "cpus", o->cpus } };

  if (o->name != NULL && draft->machines->len > 1)
    return usage_error (error, _ ("--name %s: the appliance has %u machines, which cannot have one name"), o->name,
                        draft->machines->len);
  draft->keep_macs = o->keep_mac;
  if (o->disk_format != NULL)
    {
      g_free (draft->disk_format);
      draft->disk_format = g_strdup (o->disk_format);
    }
  for (unsigned i = 0; i < draft->machines->len; i++)
    for (unsigned j = 0; j < G_N_ELEMENTS (settings); j++)
      if (settings[j].value != NULL
          && !setting_apply (((ImportMachine *) g_ptr_array_index (draft->machines, i))->record, settings[j].key,
                             settings[j].value, error))
        return FALSE;
  return TRUE;
}

static char *
drive_slot (const ImportDrive *drive)
{
  return g_strdup_printf ("%s%u", library_controller_name (drive->controller), drive->unit);
}

static const char *
drive_kind (const ImportDrive *drive)
{
  static const char *const words[] = { "disk", "cdrom", "floppy" };

  return words[drive->kind];
}

static void
describe_json (Json *json, const ImportDraft *draft, const ImportMachine *machine)
{
  const LibraryMachine *record = machine->record;
  const ApplianceSystem *system = machine->system;

  json_open (json, NULL, '{');
  json_string (json, "name", record->name);
  json_string (json, "os", record->os_id);
  json_string (json, "product", system->product);
  json_string (json, "vendor", system->vendor);
  json_string (json, "version", system->version);
  json_string (json, "description", record->description);
  json_uint (json, "memory", record->memory);
  json_uint (json, "cpus", record->cpus);
  json_string (json, "firmware", record->firmware);
  json_open (json, "drives", '[');
  for (unsigned i = 0; i < machine->drives->len; i++)
    {
      const ImportDrive *drive = g_ptr_array_index (machine->drives, i);
      g_autofree char *slot = drive_slot (drive);

      json_open (json, NULL, '{');
      json_string (json, "slot", slot);
      json_string (json, "kind", drive_kind (drive));
      json_string (json, "file", import_drive_file (draft, drive));
      json_uint (json, "size", import_drive_size (draft, drive));
      json_close (json, '}');
    }
  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *empty = g_ptr_array_index (record->attachments, i);
      g_autofree char *slot = library_attachment_slot (empty);

      json_open (json, NULL, '{');
      json_string (json, "slot", slot);
      json_string (json, "kind", empty->kind == LIBRARY_MEDIUM_OPTICAL ? "cdrom" : "floppy");
      json_string (json, "file", NULL);
      json_close (json, '}');
    }
  json_close (json, ']');
  json_open (json, "adapters", '[');
  for (unsigned i = 0; i < record->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (record->adapters, i);

      json_open (json, NULL, '{');
      json_string (json, "model", adapter->model);
      json_string (json, "network", net_kind_name (adapter->kind));
      json_string (json, "mac", draft->keep_macs ? g_ptr_array_index (machine->macs, i) : NULL);
      json_close (json, '}');
    }
  json_close (json, ']');
  json_open (json, "licences", '[');
  for (unsigned i = 0; i < system->licences->len; i++)
    json_string (json, NULL, g_ptr_array_index (system->licences, i));
  json_close (json, ']');
  json_open (json, "notes", '[');
  for (unsigned i = 0; i < machine->notes->len; i++)
    json_string (json, NULL, g_ptr_array_index (machine->notes, i));
  json_close (json, ']');
  json_close (json, '}');
}

static void
print_plan_json (const ImportDraft *draft)
{
  static const char *const kinds[] = { "ovf", "ova", "vbox", "vmx", "pvs" };
  g_autofree char *text = NULL;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  json_string (&json, "file", draft->plan->path);
  json_string (&json, "kind", kinds[draft->plan->kind]);
  json_bool (&json, "manifest", draft->plan->manifest != NULL);
  json_bool (&json, "signed", draft->plan->certificate);
  json_open (&json, "machines", '[');
  for (unsigned i = 0; i < draft->machines->len; i++)
    describe_json (&json, draft, g_ptr_array_index (draft->machines, i));
  json_close (&json, ']');
  json_close (&json, '}');
  text = json_end (&json);
  g_print ("%s", text);
}

static void
print_line (const char *key, const char *value)
{
  if (value != NULL)
    g_print ("%s: %s\n", key, value);
}

static void
print_machine (const ImportDraft *draft, const ImportMachine *machine)
{
  const LibraryMachine *record = machine->record;
  const ApplianceSystem *system = machine->system;
  g_autofree char *memory = cli_size_format (record->memory);

  print_line ("name", record->name);
  print_line ("os", record->os_id);
  print_line ("product", system->product);
  print_line ("vendor", system->vendor);
  print_line ("version", system->version);
  print_line ("description", record->description);
  g_print ("memory: %s\ncpus: %u\nfirmware: %s\n", memory, record->cpus, record->firmware);
  for (unsigned i = 0; i < machine->drives->len; i++)
    {
      const ImportDrive *drive = g_ptr_array_index (machine->drives, i);
      const char *file = import_drive_file (draft, drive);
      g_autofree char *slot = drive_slot (drive), *size = cli_size_format (import_drive_size (draft, drive));

      g_print ("%s: %s:%s (%s)\n", slot, drive_kind (drive), file != NULL ? file : _ ("new"), size);
    }
  for (unsigned i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *empty = g_ptr_array_index (record->attachments, i);
      g_autofree char *slot = library_attachment_slot (empty);

      g_print ("%s: %s (empty)\n", slot, empty->kind == LIBRARY_MEDIUM_OPTICAL ? "cdrom" : "floppy");
    }
  for (unsigned i = 0; i < record->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (record->adapters, i);

      g_print ("nic%u: %s, %s\n", i + 1, net_kind_name (adapter->kind), adapter->model);
    }
  for (unsigned i = 0; i < machine->notes->len; i++)
    print_line ("note", g_ptr_array_index (machine->notes, i));
  for (unsigned i = 0; i < system->licences->len; i++)
    g_print ("licence:\n%s\n", (const char *) g_ptr_array_index (system->licences, i));
}

static void
print_plan (const ImportDraft *draft)
{
  for (unsigned i = 0; i < draft->machines->len; i++)
    {
      if (i > 0)
        g_print ("\n");
      print_machine (draft, g_ptr_array_index (draft->machines, i));
    }
}

/* What the user should know of what was made. */
static void
print_notes (const ImportDraft *draft)
{
  if (draft->plan->certificate)
    g_printerr ("bunshin: %s\n", _ ("the appliance is signed; signatures are not checked"));
  for (unsigned i = 0; i < draft->machines->len; i++)
    {
      const ImportMachine *machine = g_ptr_array_index (draft->machines, i);

      for (unsigned j = 0; j < machine->notes->len; j++)
        g_printerr ("bunshin: %s: %s\n", machine->record->name, (const char *) g_ptr_array_index (machine->notes, j));
      if (machine->system->licences->len > 0)
        g_printerr ("bunshin: %s: %s\n", machine->record->name,
                    _ ("using it means accepting its licence, which import --dry-run shows"));
    }
}

static void
print_recovered (Library *library)
{
  g_auto (GStrv) sentences = import_recover (library);

  for (char **sentence = sentences; sentence != NULL && *sentence != NULL; sentence++)
    g_printerr ("bunshin: %s\n", *sentence);
}

int
cli_import (char **args, GError **error)
{
  ImportOptions o = { 0 };
  const Option options[] = { { "name", OPTION_STRING, &o.name },
                             { "memory", OPTION_STRING, &o.memory },
                             { "cpus", OPTION_STRING, &o.cpus },
                             { "disk-format", OPTION_STRING, &o.disk_format },
                             { "keep-mac", OPTION_FLAG, &o.keep_mac },
                             { "trust", OPTION_FLAG, &o.trust },
                             { "dry-run", OPTION_FLAG, &o.dry_run },
                             { "json", OPTION_FLAG, &o.json },
                             { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (ImportDraft) draft = NULL;
  g_auto (GStrv) names = NULL;
  AppliancePlan *plan;
  ImportJob job = { 0 };

  if (!options_parse (args, options, 1, 1, &words, error) || !disk_file_check_options (o.disk_format, NULL, error))
    return 1;
  if (o.json && !o.dry_run)
    {
      usage_error (error, _ ("--json goes with --dry-run"));
      return 1;
    }
  if (!(library = library_open (NULL, error)))
    return 1;
  print_recovered (library);
  plan = appliance_read (g_ptr_array_index (words, 0), o.trust ? APPLIANCE_TRUST : 0, error);
  if (plan == NULL)
    return 1;
  names = machine_names (library);
  draft = import_draft_new (plan, (const char *const *) names, o.trust ? APPLIANCE_TRUST : 0);
  if (!apply_options (draft, &o, error))
    return 1;
  if (o.dry_run)
    {
      if (o.json)
        print_plan_json (draft);
      else
        print_plan (draft);
      return 0;
    }
  job.draft = draft;
  if (!disk_task_run (import_work, &job, error))
    return 1;
  print_notes (draft);
  for (char **uuid = job.uuids; *uuid != NULL; uuid++)
    g_print ("%s\n", *uuid);
  g_strfreev (job.uuids);
  return 0;
}

/* --- export --- */

typedef struct
{
  const char *const *machines;
  const char *path;
  ExportOptions options;
} ExportJob;

static gboolean
export_work (const DiskTask *task, gpointer data, GError **error)
{
  ExportJob *job = data;

  return export_run (job->machines, job->path, &job->options, NULL, task, error);
}

static gboolean
read_export_options (const char *manifest, const char *version, const char *path, ExportOptions *options,
                     GError **error)
{
  static const char *const manifests[] = { "none", "sha1", "sha256" };

  options->write = (ApplianceWriteOptions) { .version = 1, .manifest = APPLIANCE_MANIFEST_SHA256 };
  if (!g_str_has_suffix (path, ".ova") && !g_str_has_suffix (path, ".ovf"))
    return usage_error (error, _ ("“%s”: the file's name must end in .ova or .ovf"), path);
  if (version != NULL && strcmp (version, "1.0") != 0 && strcmp (version, "2.0") != 0)
    return usage_error (error, _ ("--ovf-version %s: must be 1.0 or 2.0"), version);
  if (version != NULL)
    options->write.version = *version == '2' ? 2 : 1;
  for (unsigned i = 0; i < G_N_ELEMENTS (manifests); i++)
    if (manifest == NULL || strcmp (manifest, manifests[i]) == 0)
      {
        if (manifest != NULL)
          options->write.manifest = (ApplianceManifest) i;
        return TRUE;
      }
  return usage_error (error, _ ("--manifest %s: must be sha256, sha1 or none"), manifest);
}

int
cli_export (char **args, GError **error)
{
  const char *manifest = NULL, *version = NULL, *path;
  gboolean discs = FALSE;
  const Option options[] = { { "manifest", OPTION_STRING, &manifest },
                             { "ovf-version", OPTION_STRING, &version },
                             { "discs", OPTION_FLAG, &discs },
                             { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *folder = NULL;
  g_auto (GStrv) sentences = NULL;
  ExportJob job = { 0 };

  /* The last word is the file, those before it are machines. */
  if (!options_parse (args, options, 2, -1, &words, error))
    return 1;
  path = g_ptr_array_index (words, words->len - 2);
  if (!read_export_options (manifest, version, path, &job.options, error))
    return 1;
  words->pdata[words->len - 2] = NULL;
  job.options.discs = discs;
  job.machines = (const char *const *) words->pdata;
  job.path = path;
  folder = g_path_get_dirname (path);
  sentences = disk_recover (folder);
  for (char **sentence = sentences; sentence != NULL && *sentence != NULL; sentence++)
    g_printerr ("bunshin: %s\n", *sentence);
  return disk_task_run (export_work, &job, error) ? 0 : 1;
}
