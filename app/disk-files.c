/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disk images as files of the user; see the header. */

#include "app/disk-files.h"
#include "app/cli.h"
#include "storage/disk/disk.h"

#include <glib/gi18n.h>
#include <string.h>

/* Of any format: which one it is may follow from the name only. */
static gboolean
is_variant (const char *variant)
{
  for (const char *const *format = disk_creatable_formats (); *format; format++)
    if (g_strv_contains (disk_format_variants (*format), variant))
      return TRUE;
  return FALSE;
}

gboolean
disk_file_check_options (const char *format, const char *variant, GError **error)
{
  const char *const *formats = disk_creatable_formats ();

  if (format && !g_strv_contains (formats, format))
    {
      g_autofree char *list = g_strjoinv (" or ", (char **) formats);

      return usage_error (error, _("format %s: must be %s"), format, list);
    }
  if (format && variant && !g_strv_contains (disk_format_variants (format), variant))
    {
      g_autofree char *list = g_strjoinv (" or ", (char **) disk_format_variants (format));

      return usage_error (error, _("variant %s: must be %s"), variant, list);
    }
  if (variant && !is_variant (variant))
    return usage_error (error, _("variant %s: must be dynamic or fixed"), variant);
  return TRUE;
}

gboolean
disk_file_create (const char *path, guint64 size, const char *format, const char *variant, GError **error)
{
  const DiskCreateOptions options = { .format = format, .variant = variant, .size = size };

  return disk_create (path, &options, error);
}

gboolean
disk_file_probe (const char *path, char **format, GError **error)
{
  g_autoptr (GError) own = NULL;
  g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_READ_ONLY, &own);

  /* Whether its base may be followed is asked when a machine starts. */
  if (g_error_matches (own, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED))
    disk = disk_open (path, DISK_OPEN_LAYER, error);
  else if (own)
    g_propagate_error (error, g_steal_pointer (&own));
  if (!disk)
    return FALSE;
  if (format)
    *format = g_strdup (disk_format_name (disk));
  return TRUE;
}

gboolean
disk_file_check_disc (const char *path, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autoptr (Disk) disc = disk_open (absolute, DISK_OPEN_READ_ONLY | DISK_OPEN_DISC, error);

  return disc != NULL;
}

void
disk_file_recover_beside (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_auto (GStrv) sentences = disk_recover (folder);

  for (char **sentence = sentences; sentence && *sentence; sentence++)
    g_printerr ("bunshin: %s\n", *sentence);
}
