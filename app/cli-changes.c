/* SPDX-License-Identifier: GPL-3.0-or-later */
/* “snapshot changes” and “snapshot copy-out”: the files on the disks of snapshots. */

#include "app/changes-records.h"
#include "app/cli.h"
#include "app/disk-task.h"
#include "app/json.h"
#include "storage/inspect/inspect.h"
#include "storage/snapshot/snapshot.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

enum
{
  JSON_CHUNK = 64 << 10 /* bytes */
};

static const char *const kind_names[] = { "added", "removed", "changed", "attributes" };
static const char *const type_names[] = { "file", "folder", "link", "other" };

/* A state of the machine: a snapshot's, or the present one. */
typedef struct
{
  Snapshot *snapshot;
  const LibraryMachine *record;
} Moment;

/* One disk of both states; either may be NULL. */
typedef struct
{
  char *slot;
  Disk *before, *after;
  InspectChanges changes;
} Pair;

typedef struct
{
  GPtrArray *pairs; /* of Pair */
  GPtrArray *notes; /* char *: sentences about what could not be looked at */
  gboolean records; /* for the interface */
} Comparison;

static void
pair_free (gpointer data)
{
  Pair *pair = data;

  inspect_changes_clear (&pair->changes);
  disk_unref (pair->before);
  disk_unref (pair->after);
  g_free (pair->slot);
  g_free (pair);
}

static Disk *
open_disk (const LibraryAttachment *drive, GError **error)
{
  const DiskOpenOptions options = { .flags = DISK_OPEN_READ_ONLY | (drive->trusted ? DISK_OPEN_TRUST : 0),
                                    .chain = (const char *const *) drive->chain };

  return disk_open_with (drive->path, &options, error);
}

static gboolean
is_disk (const LibraryAttachment *drive)
{
  return drive->kind == LIBRARY_MEDIUM_DISK && drive->path != NULL;
}

static void
note_lone (Comparison *comparison, const LibraryMachine *in, const LibraryMachine *other)
{
  for (guint i = 0; i < in->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (in->attachments, i);
      const LibraryAttachment *match = library_machine_find_attachment (other, drive->controller, drive->unit);
      g_autofree char *slot = library_attachment_slot (drive);

      if (is_disk (drive) && (!match || !is_disk (match)))
        g_ptr_array_add (comparison->notes, g_strdup_printf (_("%s: only one of the two states has this disk"), slot));
    }
}

/* The disks of both states by their places: of a place that only one has there is nothing to compare, which is noted. */
static gboolean
open_pairs (Comparison *comparison, const LibraryMachine *before, const LibraryMachine *after, GError **error)
{
  note_lone (comparison, before, after);
  note_lone (comparison, after, before);
  for (guint i = 0; i < before->attachments->len; i++)
    {
      const LibraryAttachment *old = g_ptr_array_index (before->attachments, i);
      const LibraryAttachment *new = library_machine_find_attachment (after, old->controller, old->unit);
      Pair *pair;

      if (!is_disk (old) || !new || !is_disk (new))
        continue;
      pair = g_new0 (Pair, 1);
      pair->slot = library_attachment_slot (old);
      g_ptr_array_add (comparison->pairs, pair);
      if (!(pair->before = open_disk (old, error)) || !(pair->after = open_disk (new, error)))
        return FALSE;
    }
  return TRUE;
}

static gboolean
compare_work (const DiskTask *task, gpointer data, GError **error)
{
  const Comparison *comparison = data;
  gint64 shown = 0;
  const DiskTask own = { .cancellable = task->cancellable,
                         .progress = comparison->records ? changes_records_progress : task->progress,
                         .opaque = comparison->records ? &shown : task->opaque };

  for (guint i = 0; i < comparison->pairs->len; i++)
    {
      Pair *pair = g_ptr_array_index (comparison->pairs, i);

      if (!inspect_compare (pair->before, pair->after, &pair->changes, &own, error))
        return FALSE;
    }
  return TRUE;
}

/* --- What is printed. Not by g_print(): paths are bytes, and JSON is UTF-8 whatever the locale is --- */

/* “ide0:1:/etc/motd”; what the guest may have put into a name cannot steer a terminal. Caller frees. */
static char *
shown_place (const Pair *pair, const InspectChange *change)
{
  g_autofree char *path = inspect_shown_path (change->path);

  return g_strdup_printf ("%s:%u:%s", pair->slot, change->volume, path);
}

static void
print_text (const Comparison *comparison)
{
  for (guint i = 0; i < comparison->pairs->len; i++)
    {
      const Pair *pair = g_ptr_array_index (comparison->pairs, i);

      for (guint j = 0; j < pair->changes.changes->len; j++)
        {
          const InspectChange *change = g_ptr_array_index (pair->changes.changes, j);
          g_autofree char *place = shown_place (pair, change);

          printf ("%-10s %12" G_GUINT64_FORMAT " %12" G_GUINT64_FORMAT "  %s%s\n", kind_names[change->kind], change->old_size,
                  change->new_size, place, change->type == INSPECT_FOLDER ? "/" : "");
        }
    }
  for (guint i = 0; i < comparison->notes->len; i++)
    g_printerr ("%s\n", (const char *) g_ptr_array_index (comparison->notes, i));
}

/* A million changes do not have to be in memory a second time. */
static void
flush_json (Json *json, gsize limit)
{
  if (json->text->len <= limit)
    return;
  fwrite (json->text->str, 1, json->text->len, stdout);
  g_string_truncate (json->text, 0);
}

static void
print_json_change (Json *json, const Pair *pair, const InspectChange *change)
{
  json_open (json, NULL, '{');
  json_string (json, "change", kind_names[change->kind]);
  json_string (json, "disk", pair->slot);
  json_uint (json, "partition", change->volume);
  json_string (json, "path", change->path);
  /* Linux takes any bytes for a name. */
  if (!g_utf8_validate (change->path, -1, NULL))
    {
      g_autofree char *bytes = g_base64_encode ((const guchar *) change->path, strlen (change->path));

      json_string (json, "path-base64", bytes);
    }
  json_string (json, "type", type_names[change->type]);
  json_uint (json, "old-size", change->old_size);
  json_uint (json, "new-size", change->new_size);
  json_int (json, "modified", change->modified);
  json_close (json, '}');
  flush_json (json, JSON_CHUNK);
}

static void
print_json (const Comparison *comparison)
{
  g_autofree char *rest = NULL;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  json_open (&json, "changes", '[');
  for (guint i = 0; i < comparison->pairs->len; i++)
    {
      const Pair *pair = g_ptr_array_index (comparison->pairs, i);

      for (guint j = 0; j < pair->changes.changes->len; j++)
        print_json_change (&json, pair, g_ptr_array_index (pair->changes.changes, j));
    }
  json_close (&json, ']');
  json_open (&json, "notes", '[');
  for (guint i = 0; i < comparison->notes->len; i++)
    json_string (&json, NULL, g_ptr_array_index (comparison->notes, i));
  json_close (&json, ']');
  json_close (&json, '}');
  rest = json_end (&json);
  fputs (rest, stdout);
}

static void
print_records (const Comparison *comparison)
{
  for (guint i = 0; i < comparison->pairs->len; i++)
    {
      const Pair *pair = g_ptr_array_index (comparison->pairs, i);

      for (guint j = 0; j < pair->changes.changes->len; j++)
        changes_records_change (pair->slot, g_ptr_array_index (pair->changes.changes, j));
    }
  for (guint i = 0; i < comparison->notes->len; i++)
    changes_records_note (g_ptr_array_index (comparison->notes, i));
  changes_records_end ();
}

/* The notes of each disk, with its name. */
static void
gather_notes (Comparison *comparison)
{
  for (guint i = 0; i < comparison->pairs->len; i++)
    {
      const Pair *pair = g_ptr_array_index (comparison->pairs, i);

      for (guint j = 0; j < pair->changes.notes->len; j++)
        g_ptr_array_add (comparison->notes,
                         g_strdup_printf ("%s: %s", pair->slot, (const char *) g_ptr_array_index (pair->changes.notes, j)));
    }
}

/* A full disk or a reader that went away must not look like the end of the list. */
static gboolean
finish_output (GError **error)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot write the list: %s"), g_strerror (errno));
  return FALSE;
}

/* @name NULL: the present state, of a machine that is off. */
static gboolean
find_moment (Library *library, const LibraryMachine *machine, const char *name, Moment *moment, GError **error)
{
  if (name)
    {
      moment->snapshot = snapshot_find (library, machine, name, error);
      moment->record = moment->snapshot ? moment->snapshot->settings : NULL;
      return moment->snapshot != NULL;
    }
  moment->record = machine;
  switch (library_machine_state (machine, NULL, NULL))
    {
    case LIBRARY_STATE_POWERED_OFF:
    case LIBRARY_STATE_SAVED:
      return TRUE;
    default:
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                   _("“%s” runs, and its disks change: take a snapshot, and compare with that"), machine->name);
      return FALSE;
    }
}

int
cli_snapshot_changes (char **args, GError **error)
{
  gboolean as_json = FALSE;
  Comparison comparison = { 0 };
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { "records", OPTION_FLAG, &comparison.records }, { NULL } };
  g_autoptr (GPtrArray) words = NULL, pairs = NULL, notes = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  Moment before = { 0 }, after = { 0 };
  gboolean ok;

  if (!options_parse (args, options, 2, 3, &words, error) || !(library = library_open (NULL, error))
      || !(machine = library_find (library, g_ptr_array_index (words, 0), error)))
    return 1;
  comparison.pairs = pairs = g_ptr_array_new_with_free_func (pair_free);
  comparison.notes = notes = g_ptr_array_new_with_free_func (g_free);
  if (comparison.records)
    changes_records_begin ();
  ok = find_moment (library, machine, g_ptr_array_index (words, 1), &before, error)
       && find_moment (library, machine, words->len > 2 ? g_ptr_array_index (words, 2) : NULL, &after, error)
       && open_pairs (&comparison, before.record, after.record, error) && disk_task_run (compare_work, &comparison, error);
  if (ok)
    {
      gather_notes (&comparison);
      if (comparison.records)
        print_records (&comparison);
      else if (as_json)
        print_json (&comparison);
      else
        print_text (&comparison);
      ok = finish_output (error);
    }
  snapshot_free (before.snapshot);
  snapshot_free (after.snapshot);
  return ok ? 0 : 1;
}

typedef struct
{
  Disk *disk;
  unsigned volume;
  const char *path, *destination;
  gboolean replaces;
} Copy;

static gboolean
copy_work (const DiskTask *task, gpointer data, GError **error)
{
  const Copy *copy = data;

  return inspect_copy_out (copy->disk, copy->volume, copy->path, copy->destination, copy->replaces, task, error);
}

/* “ide0:1:/etc/motd” taken apart, and that disk of the state opened. */
static gboolean
open_place (const LibraryMachine *record, const char *place, Copy *copy, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (place, ":", 3);
  const LibraryAttachment *drive;
  LibraryController controller;
  guint64 volume;
  unsigned unit;

  if (g_strv_length (parts) != 3 || !library_slot_parse (parts[0], &controller, &unit) || parts[2][0] != '/')
    return usage_error (error, _("“%s” is not of the form DISK:PARTITION:/PATH"), place);
  if (!parse_number (place, parts[1], 0, G_MAXUINT16, &volume, error))
    return FALSE;
  drive = library_machine_find_attachment (record, controller, unit);
  if (!drive || !is_disk (drive))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there was no disk “%s”"), parts[0]);
      return FALSE;
    }
  copy->volume = (unsigned) volume;
  copy->path = strchr (strchr (place, ':') + 1, ':') + 1;
  copy->disk = open_disk (drive, error);
  return copy->disk != NULL;
}

int
cli_snapshot_copy_out (char **args, GError **error)
{
  Copy copy = { 0 };
  const Option options[] = { { "replace", OPTION_FLAG, &copy.replaces }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (Disk) disk = NULL;
  Moment moment = { 0 };
  gboolean ok, has_snapshot;

  if (!options_parse (args, options, 3, 4, &words, error) || !(library = library_open (NULL, error))
      || !(machine = library_find (library, g_ptr_array_index (words, 0), error)))
    return 1;
  /* The last one is a NULL. */
  has_snapshot = words->len - 1 == 4;
  copy.destination = g_ptr_array_index (words, has_snapshot ? 3 : 2);
  ok = find_moment (library, machine, has_snapshot ? g_ptr_array_index (words, 1) : NULL, &moment, error)
       && open_place (moment.record, g_ptr_array_index (words, has_snapshot ? 2 : 1), &copy, error);
  disk = copy.disk;
  ok = ok && disk_task_run (copy_work, &copy, error);
  snapshot_free (moment.snapshot);
  return ok ? 0 : 1;
}
