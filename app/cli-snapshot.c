/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verbs on snapshots: take, list, restore, delete, edit; clones; the end of a test drive. */

#include "app/cli.h"
#include "app/client.h"
#include "app/disk-task.h"
#include "app/json.h"
#include "app/sizes.h"
#include "app/snapshot-work.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  POWER_OFF_TIMEOUT_MS = 30000
};

static const Option no_options[] = { { NULL } };

typedef struct
{
  const LibraryMachine *machine;
  BunshinSnapshotRequest request;
  char **did;
} Job;

static gboolean
work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return snapshot_work_run (job->machine, &job->request, task, &job->did, error);
}

static void
print_sentences (char **sentences)
{
  for (char **sentence = sentences; sentence && *sentence; sentence++)
    g_printerr ("%s\n", *sentence);
}

static int
run (const LibraryMachine *machine, const BunshinSnapshotRequest *request, GError **error)
{
  Job job = { .machine = machine, .request = *request };
  gboolean ok = disk_task_run (work, &job, error);

  print_sentences (job.did);
  g_strfreev (job.did);
  return ok ? 0 : 1;
}

/* As cli_find_machine() with the snapshot that the second word names. */
static Snapshot *
find (char **args, const Option *options, LibraryMachine **machine, Library **library, GError **error)
{
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) opened = NULL;
  Snapshot *snapshot;

  *machine = cli_find_machine (args, options, 2, 2, &words, &opened, error);
  if (!*machine || !(snapshot = snapshot_find (opened, *machine, g_ptr_array_index (words, 1), error)))
    return NULL;
  if (library)
    *library = g_steal_pointer (&opened);
  return snapshot;
}

/* --- snapshot --- */

static int
snapshot_take (char **args, GError **error)
{
  const char *description = NULL;
  const Option options[] = { { "description", OPTION_STRING, &description }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 2, 2, &words, NULL, error);

  if (!machine)
    return 1;
  return run (machine,
              &(BunshinSnapshotRequest) {
                  .verb = BUNSHIN_SNAPSHOT_TAKE, .name = g_ptr_array_index (words, 1), .description = description },
              error);
}

static int
snapshot_go_back (char **args, GError **error)
{
  const char *keep = NULL;
  const Option options[] = { { "keep", OPTION_STRING, &keep }, { NULL } };
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (Snapshot) snapshot = find (args, options, &machine, NULL, error);

  if (!snapshot)
    return 1;
  return run (machine,
              &(BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_RESTORE, .snapshot = snapshot->uuid, .name = keep },
              error);
}

static int
snapshot_remove (char **args, GError **error)
{
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (Snapshot) snapshot = find (args, no_options, &machine, NULL, error);

  if (!snapshot)
    return 1;
  return run (machine, &(BunshinSnapshotRequest) { .verb = BUNSHIN_SNAPSHOT_DELETE, .snapshot = snapshot->uuid },
              error);
}

static int
snapshot_change (char **args, GError **error)
{
  const char *name = NULL, *description = NULL;
  const Option options[]
      = { { "name", OPTION_STRING, &name }, { "description", OPTION_STRING, &description }, { NULL } };
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (Snapshot) snapshot = NULL;
  g_autoptr (GPtrArray) words = NULL;

  if (!options_parse (args, options, 2, 2, &words, error))
    return 1;
  if (!name && !description)
    {
      usage_error (error, _("--name or --description is missing"));
      return 1;
    }
  name = description = NULL;
  snapshot = find (args, options, &machine, &library, error);
  return snapshot && snapshot_edit (library, machine->uuid, snapshot->uuid, name, description, error) ? 0 : 1;
}

static char *
format_created (const Snapshot *snapshot)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (snapshot->created);

  return time ? g_date_time_format_iso8601 (time) : g_strdup ("");
}

static unsigned
depth_of (const GPtrArray *snapshots, const Snapshot *snapshot)
{
  unsigned depth = 0;

  for (unsigned i = snapshots->len; i-- > 0;)
    {
      const Snapshot *other = g_ptr_array_index (snapshots, i);

      /* Parents come before their children. */
      if (g_strcmp0 (other->uuid, snapshot->parent) == 0)
        {
          snapshot = other;
          depth++;
        }
    }
  return depth;
}

static void
print_list (const GPtrArray *snapshots)
{
  enum
  {
    WIDEST = 40
  };
  int width = 0;

  for (unsigned i = 0; i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);
      int length = (int) g_utf8_strlen (snapshot->name, -1) + 2 * (int) depth_of (snapshots, snapshot);

      if (length <= WIDEST)
        width = MAX (width, length);
    }
  for (unsigned i = 0; i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);
      g_autofree char *created = format_created (snapshot), *size = cli_size_format (snapshot->size);
      int indent = 2 * (int) depth_of (snapshots, snapshot);
      int blanks = width - indent - (int) g_utf8_strlen (snapshot->name, -1);

      g_print ("%c %*s%s%*s  %s  %s  %6s\n", snapshot->is_current ? '*' : ' ', indent, "", snapshot->name,
               MAX (blanks, 0), "", snapshot->uuid, created, size);
    }
}

static void
print_list_json (const GPtrArray *snapshots)
{
  static const char *const kinds[]
      = { [SNAPSHOT_USER] = "user", [SNAPSHOT_AUTOMATIC] = "automatic", [SNAPSHOT_DRIVE] = "drive" };
  g_autofree char *text = NULL;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '[');
  for (unsigned i = 0; i < snapshots->len; i++)
    {
      const Snapshot *snapshot = g_ptr_array_index (snapshots, i);
      g_autofree char *created = format_created (snapshot);

      json_open (&json, NULL, '{');
      json_string (&json, "name", snapshot->name);
      json_string (&json, "uuid", snapshot->uuid);
      json_string (&json, "parent", snapshot->parent);
      json_string (&json, "description", snapshot->description);
      json_string (&json, "created", created);
      json_string (&json, "kind", kinds[snapshot->kind]);
      json_bool (&json, "running", snapshot->state_path != NULL);
      json_bool (&json, "current", snapshot->is_current);
      json_uint (&json, "size", snapshot->size);
      json_close (&json, '}');
    }
  json_close (&json, ']');
  text = json_end (&json);
  g_print ("%s", text);
}

static int
snapshot_show_all (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 1, 1, NULL, &library, error);
  g_autoptr (GPtrArray) snapshots = machine ? snapshot_list (library, machine, FALSE, error) : NULL;

  if (!snapshots)
    return 1;
  if (as_json)
    print_list_json (snapshots);
  else
    print_list (snapshots);
  return 0;
}

int
cli_snapshot (char **args, GError **error)
{
  static const struct
  {
    const char *name;
    int (*run) (char **args, GError **error);
  } verbs[] = {
    { "take", snapshot_take },     { "list", snapshot_show_all }, { "restore", snapshot_go_back },
    { "delete", snapshot_remove }, { "edit", snapshot_change },   { "changes", cli_snapshot_changes },
    { "copy-out", cli_snapshot_copy_out },
  };

  for (unsigned i = 0; args[0] && i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (args[0], verbs[i].name) == 0)
      return verbs[i].run (args + 1, error);
  usage_error (error, _("what follows must be take, list, restore, delete, edit, changes or copy-out"));
  return 1;
}

/* --- clone --- */

typedef struct
{
  const LibraryMachine *machine;
  const char *name, *snapshot;
  gboolean linked, keep_macs;
  LibraryMachine *clone;
  char **did;
} Cloning;

/* Of a snapshot the machine may run on meanwhile. */
static gboolean
clone_of_snapshot (Cloning *cloning, const DiskTask *task, GError **error)
{
  g_autoptr (Library) library = library_open (NULL, error);
  g_autoptr (LibraryMachine) machine = library ? library_find (library, cloning->machine->uuid, error) : NULL;
  g_autoptr (Snapshot) snapshot = machine ? snapshot_find (library, machine, cloning->snapshot, error) : NULL;

  return snapshot
         && snapshot_clone (library, machine, snapshot->uuid, cloning->name, cloning->linked, cloning->keep_macs, task,
                            &cloning->clone, error);
}

static gboolean
clone_work (const DiskTask *task, gpointer data, GError **error)
{
  Cloning *cloning = data;
  g_auto (SnapshotDesk) desk = { 0 };
  g_autoptr (GError) failure = NULL;

  if (!snapshot_desk_open (&desk, cloning->machine, TRUE, task, &cloning->did, &failure))
    {
      if (cloning->snapshot && g_error_matches (failure, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING))
        return clone_of_snapshot (cloning, task, error);
      if (!cloning->snapshot && g_error_matches (failure, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING))
        g_prefix_error (&failure, "%s: ", _("power it off, or clone one of its snapshots"));
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  if (cloning->snapshot)
    return clone_of_snapshot (cloning, task, error);
  return snapshot_clone (desk.library, desk.machine, NULL, cloning->name, cloning->linked, cloning->keep_macs, task,
                         &cloning->clone, error);
}

int
cli_clone (char **args, GError **error)
{
  Cloning cloning = { 0 };
  const Option options[] = { { "linked", OPTION_FLAG, &cloning.linked },
                             { "keep-macs", OPTION_FLAG, &cloning.keep_macs },
                             { "snapshot", OPTION_STRING, &cloning.snapshot },
                             { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 2, 2, &words, NULL, error);
  gboolean ok;

  if (!machine)
    return 1;
  cloning.machine = machine;
  cloning.name = g_ptr_array_index (words, 1);
  ok = library_name_validate (cloning.name, error) && disk_task_run (clone_work, &cloning, error);
  print_sentences (cloning.did);
  g_strfreev (cloning.did);
  if (!ok)
    return 1;
  g_print ("%s\n", cloning.clone->uuid);
  library_machine_free (cloning.clone);
  return 0;
}

/* --- drive --- */

int
cli_drive (char **args, GError **error)
{
  static const char *const words_of_ends[] = {
    [SNAPSHOT_DRIVE_DISCARD] = "discard", [SNAPSHOT_DRIVE_KEEP] = "keep", [SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT] = "keep-as"
  };
  BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_END_DRIVE };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  unsigned how;

  if (!options_parse (args, no_options, 2, 3, &words, error))
    return 1;
  for (how = 0; how < G_N_ELEMENTS (words_of_ends); how++)
    if (strcmp (g_ptr_array_index (words, 1), words_of_ends[how]) == 0)
      break;
  request.how = how;
  request.name = g_ptr_array_index (words, 2);
  if (how == G_N_ELEMENTS (words_of_ends) || (how == SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT) != (request.name != NULL))
    {
      usage_error (error, _("what follows the name must be “discard”, “keep” or “keep-as SNAPSHOT”"));
      return 1;
    }
  machine = cli_find_machine (args, no_options, 2, 3, NULL, NULL, error);
  if (!machine || run (machine, &request, error) != 0)
    return 1;
  if (how != SNAPSHOT_DRIVE_DISCARD || client_wait_off (machine, POWER_OFF_TIMEOUT_MS, NULL))
    return 0;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” is still closing its disks"), machine->name);
  return 1;
}
