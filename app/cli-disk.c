/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verb disk: images as files, outside the library. */

#include "app/cli.h"
#include "app/disk-files.h"
#include "app/disk-task.h"
#include "app/json.h"
#include "app/sizes.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  const char *path, *other; /* the image, and the second file of those that have one */
  DiskOpenOptions open;
  DiskCreateOptions create;
  uint64_t size;
  gboolean shrink;
  DiskReport report;
  gboolean same;
  uint64_t difference;
} Job;

static gboolean
create_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_create (job->path, &job->create, error);
}

static int
disk_create_file (char **args, GError **error)
{
  const char *size_text = NULL, *format = NULL, *variant = NULL, *base = NULL, *base_format = NULL;
  const Option options[] = { { "size", OPTION_STRING, &size_text },
                             { "format", OPTION_STRING, &format },
                             { "variant", OPTION_STRING, &variant },
                             { "backing", OPTION_STRING, &base },
                             { "backing-format", OPTION_STRING, &base_format },
                             { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  Job job = { 0 };
  guint64 size = 0;

  if (!options_parse (args, options, 1, 1, &words, error) || !disk_file_check_options (format, variant, error))
    return 1;
  if (!size_text && !base)
    {
      usage_error (error, _("--size is missing"));
      return 1;
    }
  if (size_text && !parse_size_option ("--size", size_text, &size, error))
    return 1;
  job.path = g_ptr_array_index (words, 0);
  job.create = (DiskCreateOptions) {
    .format = format, .variant = variant, .size = size, .base = base, .base_format = base_format
  };
  disk_file_recover_beside (job.path);
  return disk_task_run (create_work, &job, error) ? 0 : 1;
}

/* The layers below an image, when all of them can be opened. */
static GPtrArray *
find_chain (const char *path)
{
  GPtrArray *chain = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_READ_ONLY, NULL);
  const char *layer;

  for (unsigned depth = 1; disk && (layer = disk_layer_path (disk, depth)); depth++)
    g_ptr_array_add (chain, g_strdup (layer));
  return chain;
}

static void
print_info_json (const char *shown, Disk *disk, const struct stat *file, const char *base, GPtrArray *chain)
{
  g_autofree char *text = NULL;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  json_string (&json, "file", shown);
  json_string (&json, "format", disk_format_name (disk));
  json_string (&json, "variant", disk_variant (disk));
  json_uint (&json, "size", disk_size (disk));
  json_uint (&json, "file-size", (guint64) file->st_size);
  json_uint (&json, "allocated", (guint64) file->st_blocks * 512);
  if (base)
    {
      json_string (&json, "backing", *base ? base : NULL);
      json_open (&json, "chain", '[');
      for (unsigned i = 0; i < chain->len; i++)
        json_string (&json, NULL, g_ptr_array_index (chain, i));
      json_close (&json, ']');
    }
  json_close (&json, '}');
  text = json_end (&json);
  g_print ("%s", text);
}

static int
disk_info_file (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (GPtrArray) words = NULL, chain = NULL;
  g_autofree char *path = NULL, *size = NULL, *shown = NULL;
  g_autoptr (Disk) disk = NULL;
  struct stat file = { 0 };
  const char *base;

  /* Its base may be missing, or not to be followed: the image itself can be told of all the same. */
  if (!options_parse (args, options, 1, 1, &words, error)
      || !(path = existing_file (g_ptr_array_index (words, 0), error))
      || !(disk = disk_open (path, DISK_OPEN_READ_ONLY | DISK_OPEN_LAYER, error)))
    return 1;
  stat (path, &file);
  shown = disk_shown_path (path);
  base = disk_base_name (disk);
  chain = base ? find_chain (path) : NULL;
  if (as_json)
    {
      print_info_json (shown, disk, &file, base, chain);
      return 0;
    }
  size = cli_size_format (disk_size (disk));
  g_print ("file: %s\nformat: %s\nvariant: %s\nsize: %s\n", shown, disk_format_name (disk), disk_variant (disk), size);
  g_print ("file-size: %" G_GUINT64_FORMAT "\nallocated: %" G_GUINT64_FORMAT "\n", (guint64) file.st_size,
           (guint64) file.st_blocks * 512);
  if (base)
    g_print ("backing: %s\n", base);
  for (unsigned i = 0; base && i < chain->len; i++)
    g_print ("chain: %s\n", (const char *) g_ptr_array_index (chain, i));
  return 0;
}

static gboolean
convert_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_convert (job->path, &job->open, job->other, &job->create, task, error);
}

/* What the user can do about a file that was not followed. FALSE. */
static gboolean
tell_of_trust (GError **error)
{
  if (error && g_error_matches (*error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED))
    {
      char *message = g_strdup_printf (_("%s (if you trust the image: --trust)"), (*error)->message);

      g_free ((*error)->message);
      (*error)->message = message;
    }
  return FALSE;
}

static int
disk_convert_file (char **args, GError **error)
{
  const char *format = NULL, *variant = NULL, *base = NULL, *source_format = NULL;
  gboolean trust = FALSE;
  const Option options[] = { { "format", OPTION_STRING, &format },
                             { "variant", OPTION_STRING, &variant },
                             { "backing", OPTION_STRING, &base },
                             { "source-format", OPTION_STRING, &source_format },
                             { "trust", OPTION_FLAG, &trust },
                             { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *path = NULL;
  Job job = { 0 };

  if (!options_parse (args, options, 2, 2, &words, error) || !disk_file_check_options (format, variant, error)
      || !(path = existing_file (g_ptr_array_index (words, 0), error)))
    return 1;
  job.path = path;
  job.other = g_ptr_array_index (words, 1);
  job.open = (DiskOpenOptions) { .flags = trust ? DISK_OPEN_TRUST : 0, .format = source_format, .base = base };
  job.create = (DiskCreateOptions) { .format = format, .variant = variant };
  disk_file_recover_beside (job.other);
  return disk_task_run (convert_work, &job, error) || tell_of_trust (error) ? 0 : 1;
}

static gboolean
resize_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_resize (job->path, job->size, job->shrink, task, error);
}

static int
disk_resize_file (char **args, GError **error)
{
  gboolean shrink = FALSE;
  const Option options[] = { { "shrink", OPTION_FLAG, &shrink }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *path = NULL;
  Job job = { 0 };
  guint64 size;

  if (!options_parse (args, options, 2, 2, &words, error)
      || !parse_size_option ("SIZE", g_ptr_array_index (words, 1), &size, error)
      || !(path = existing_file (g_ptr_array_index (words, 0), error)))
    return 1;
  job.path = path;
  job.size = size;
  job.shrink = shrink;
  disk_file_recover_beside (path);
  return disk_task_run (resize_work, &job, error) ? 0 : 1;
}

static gboolean
compact_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_compact (job->path, task, error);
}

static int
disk_compact_file (char **args, GError **error)
{
  const Option options[] = { { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *path = NULL;
  Job job = { 0 };

  if (!options_parse (args, options, 1, 1, &words, error)
      || !(path = existing_file (g_ptr_array_index (words, 0), error)))
    return 1;
  job.path = path;
  disk_file_recover_beside (path);
  return disk_task_run (compact_work, &job, error) ? 0 : 1;
}

static gboolean
check_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_check (job->path, job->other, &job->report, task, error);
}

static int
disk_check_file (char **args, GError **error)
{
  const char *copy = NULL;
  const Option options[] = { { "repair", OPTION_STRING, &copy }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *path = NULL;
  Job job = { 0 };
  int status = 0;

  if (!options_parse (args, options, 1, 1, &words, error)
      || !(path = existing_file (g_ptr_array_index (words, 0), error)))
    return 1;
  job.path = path;
  job.other = copy;
  if (copy)
    disk_file_recover_beside (copy);
  if (!disk_task_run (check_work, &job, error))
    return 1;
  for (char **message = job.report.messages; message && *message; message++)
    g_print ("%s\n", *message);
  if (!job.report.has_check)
    g_print (_("nothing in this format could be wrong\n"));
  else
    g_print ("errors: %" G_GUINT64_FORMAT "\nleaks: %" G_GUINT64_FORMAT "\nallocated: %" G_GUINT64_FORMAT "\n",
             job.report.errors, job.report.leaks, job.report.allocated);
  if (copy && job.report.errors + job.report.leaks > 0)
    g_print ("repaired: %" G_GUINT64_FORMAT "\n", job.report.repaired);
  else if (job.report.errors > 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   _("“%s” is damaged: “check FILE --repair COPY” makes a repaired copy"), path);
      status = 1;
    }
  disk_report_clear (&job.report);
  return status;
}

static gboolean
compare_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;
  DiskOpenFlags flags = DISK_OPEN_READ_ONLY | job->open.flags;
  g_autoptr (Disk) one = disk_open (job->path, flags, error);
  g_autoptr (Disk) other = one ? disk_open (job->other, flags, error) : NULL;

  return other && disk_compare (one, other, &job->same, &job->difference, task, error);
}

static int
disk_compare_files (char **args, GError **error)
{
  gboolean trust = FALSE;
  const Option options[] = { { "trust", OPTION_FLAG, &trust }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *one = NULL, *other = NULL;
  Job job = { 0 };

  if (!options_parse (args, options, 2, 2, &words, error)
      || !(one = existing_file (g_ptr_array_index (words, 0), error))
      || !(other = existing_file (g_ptr_array_index (words, 1), error)))
    return 1;
  job.path = one;
  job.other = other;
  job.open.flags = trust ? DISK_OPEN_TRUST : 0;
  if (!disk_task_run (compare_work, &job, error) && !tell_of_trust (error))
    return 1;
  if (job.same)
    {
      g_print (_("they hold the same\n"));
      return 0;
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("“%s” and “%s” differ from byte %llu on"), one, other,
               (unsigned long long) job.difference);
  return 1;
}

int
cli_disk (char **args, GError **error)
{
  static const struct
  {
    const char *name;
    int (*run) (char **args, GError **error);
  } verbs[] = {
    { "create", disk_create_file },    { "info", disk_info_file },       { "convert", disk_convert_file },
    { "resize", disk_resize_file },    { "compact", disk_compact_file }, { "check", disk_check_file },
    { "compare", disk_compare_files },
  };

  for (unsigned i = 0; args[0] && i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (args[0], verbs[i].name) == 0)
      return verbs[i].run (args + 1, error);
  usage_error (error, _("what follows must be create, info, convert, resize, compact, check or compare"));
  return 1;
}
