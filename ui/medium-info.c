/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image file says of itself; see the header. */

#include "ui/medium-info.h"

#include "storage/disk/disk.h"
#include "ui/disk-formats.h"
#include "ui/size-format.h"

#include <glib/gi18n.h>
#include <sys/stat.h>

/* The largest floppies hold 2.88 MB. */
#define FLOPPY_MAX (UINT64_C (2880) * 1024)

static guint64
space_of (const Disk *disk)
{
  g_auto (GStrv) files = disk_files (disk);
  guint64 space = 0;
  struct stat info;

  for (guint i = 0; files[i] != NULL; i++)
    if (stat (files[i], &info) == 0)
      space += (guint64) info.st_blocks * 512;
  return space;
}

MediumInfo *
medium_info_read (const char *path, gboolean is_trusted)
{
  const DiskOpenFlags flags = DISK_OPEN_LOOK | (is_trusted ? DISK_OPEN_TRUST : 0);
  MediumInfo *info = g_new0 (MediumInfo, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;

  /* A server that is away would keep all others waiting. */
  if (disk_is_remote (path))
    {
      info->is_remote = TRUE;
      info->format = g_strdup (g_str_has_prefix (path, "iscsi") ? "iscsi" : "nbd");
      info->variant = g_strdup ("remote");
      return info;
    }
  info->is_trusted = is_trusted;
  disk = disk_open (path, flags, &error);
  /* Its base may be missing: the image itself can be told of all the same. */
  if (disk == NULL)
    disk = disk_open (path, flags | DISK_OPEN_LAYER, NULL);
  if (disk == NULL)
    info->is_missing = !g_file_test (path, G_FILE_TEST_EXISTS);
  if (error != NULL && !info->is_missing)
    info->problem = g_strdup (error->message);
  if (disk == NULL)
    return info;
  info->format = g_strdup (disk_format_name (disk));
  info->variant = g_strdup (disk_variant (disk));
  info->size = disk_size (disk);
  info->space = space_of (disk);
  info->base = g_strdup (disk_layer_path (disk, 1));
  return info;
}

void
medium_info_free (MediumInfo *info)
{
  g_free (info->problem);
  g_free (info->format);
  g_free (info->variant);
  g_free (info->base);
  g_free (info);
}

gboolean
medium_info_find_kind (const char *path, LibraryMediumKind *kind, char **format, GError **error)
{
  g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_LOOK | DISK_OPEN_LAYER, error);

  if (disk == NULL)
    return FALSE;
  *format = g_strdup (disk_format_name (disk));
  if (g_str_equal (*format, "iso"))
    *kind = LIBRARY_MEDIUM_OPTICAL;
  else if (g_str_equal (*format, "raw") && disk_size (disk) <= FLOPPY_MAX)
    *kind = LIBRARY_MEDIUM_FLOPPY;
  else
    *kind = LIBRARY_MEDIUM_DISK;
  return TRUE;
}

char *
medium_info_describe (const MediumInfo *info, LibraryMediumKind kind)
{
  const char *title, *variant;

  if (info->format == NULL)
    return NULL;
  title = disk_format_short_title (info->format);
  variant = info->base != NULL ? disk_variant_text ("differencing") : disk_variant_text (info->variant);
  if (variant == NULL || kind != LIBRARY_MEDIUM_DISK)
    return g_strdup (title);
  /* Translators: a disk's file format, and what kind of such a file: "VDI, grows as needed". */
  return g_strdup_printf (_("%s, %s"), title, variant);
}

char *
medium_info_describe_size (const MediumInfo *info, LibraryMediumKind kind)
{
  g_autofree char *size = size_format (info->size), *space = size_format (info->space);

  if (info->is_remote)
    return NULL;
  if (kind != LIBRARY_MEDIUM_DISK)
    return g_steal_pointer (&size);
  /* Translators: the size of a disk, and the space its file takes. */
  return g_strdup_printf (_("%s, %s on disk"), size, space);
}

MediumVerbs
medium_verbs (const MediumFacts *facts)
{
  const MediumInfo *info = facts->info;
  gboolean is_free = !facts->is_busy && !facts->is_running;
  gboolean is_whole = info != NULL && info->format != NULL && info->problem == NULL;
  MediumVerbs verbs = 0;

  if (!is_free)
    return 0;
  if (is_whole && facts->kind == LIBRARY_MEDIUM_DISK)
    verbs |= MEDIUM_COPY;
  /* What lies on a server is the server's. */
  if (info != NULL && info->is_remote)
    return verbs | (facts->is_used ? MEDIUM_RELEASE : MEDIUM_REMOVE);
  if (is_whole && facts->kind == LIBRARY_MEDIUM_DISK)
    verbs |= MEDIUM_COMPACT;
  if (is_whole && facts->kind == LIBRARY_MEDIUM_DISK && !facts->has_children && !facts->has_layers)
    verbs |= MEDIUM_RESIZE;
  if (facts->kind == LIBRARY_MEDIUM_DISK && info != NULL && !info->is_missing)
    verbs |= MEDIUM_CHECK;
  if (is_whole && facts->is_listed && !facts->has_children)
    verbs |= MEDIUM_MOVE;
  if (facts->is_used)
    verbs |= MEDIUM_RELEASE;
  else if (!facts->has_children && facts->is_listed)
    {
      verbs |= MEDIUM_REMOVE;
      if (info != NULL && !info->is_missing)
        verbs |= MEDIUM_DELETE;
    }
  return verbs;
}
