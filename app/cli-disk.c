/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verb disk: images as files, outside the library. */

#include "app/cli.h"
#include "app/disk-files.h"
#include "app/json.h"
#include "app/sizes.h"
#include "storage/disk/disk.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>

static int
disk_create_file (char **args, GError **error)
{
  const char *size_text = NULL, *format = NULL, *variant = NULL, *path;
  const Option options[] = {
    { "size", OPTION_STRING, &size_text }, { "format", OPTION_STRING, &format }, { "variant", OPTION_STRING, &variant },
    { NULL }
  };
  g_autoptr (GPtrArray) words = NULL;
  guint64 size;

  if (!options_parse (args, options, 1, 1, &words, error) || !disk_file_check_options (format, variant, error))
    return 1;
  path = g_ptr_array_index (words, 0);
  if (!size_text)
    {
      usage_error (error, _("--size is missing"));
      return 1;
    }
  if (!parse_size_option ("--size", size_text, &size, error))
    return 1;
  return disk_file_create (path, size, format, variant, error) ? 0 : 1;
}

static int
disk_info_file (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *path = NULL, *size = NULL;
  g_autoptr (Disk) disk = NULL;
  const char *variant;
  struct stat file = { 0 };

  if (!options_parse (args, options, 1, 1, &words, error) ||
      !(path = existing_file (g_ptr_array_index (words, 0), error)) ||
      !(disk = disk_open (path, DISK_OPEN_READ_ONLY, error)))
    return 1;
  stat (path, &file);
  size = cli_size_format (disk_size (disk));
  variant = disk_is_fixed (disk) ? "fixed" : "dynamic";
  if (as_json)
    {
      g_autofree char *text = NULL;
      Json json;

      json_begin (&json);
      json_open (&json, NULL, '{');
      json_string (&json, "file", path);
      json_string (&json, "format", disk_format_name (disk));
      json_string (&json, "variant", variant);
      json_uint (&json, "size", disk_size (disk));
      json_uint (&json, "file-size", (guint64) file.st_size);
      json_uint (&json, "allocated", (guint64) file.st_blocks * 512);
      json_close (&json, '}');
      text = json_end (&json);
      g_print ("%s", text);
    }
  else
    {
      g_print ("file: %s\nformat: %s\nvariant: %s\nsize: %s\n", path, disk_format_name (disk), variant, size);
      g_print ("file-size: %" G_GUINT64_FORMAT "\nallocated: %" G_GUINT64_FORMAT "\n", (guint64) file.st_size,
               (guint64) file.st_blocks * 512);
    }
  return 0;
}

int
cli_disk (char **args, GError **error)
{
  if (args[0] && strcmp (args[0], "create") == 0)
    return disk_create_file (args + 1, error);
  if (args[0] && strcmp (args[0], "info") == 0)
    return disk_info_file (args + 1, error);
  usage_error (error, _("what follows must be create or info"));
  return 1;
}
