/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One file of a guest, copied to the host. */

#include "storage/inspect/side.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  BLOCK = 1 << 20,
  SPARSE = 4096
};

static gboolean
fail (GError **error, int code, const char *doing, const char *path)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), doing, path, g_strerror (code));
  return FALSE;
}

/* The entry of @path, or NULL. */
static FileEntry *
find_entry (const Side *side, const char *path, GError **error)
{
  g_auto (GStrv) names = g_strsplit (path, "/", -1);
  uint64_t folder = side->type->root (side->state);
  FileEntry *found = NULL;

  for (unsigned i = 0; names[i] != NULL; i++)
    {
      g_autoptr (GPtrArray) entries = NULL;

      if (names[i][0] == '\0')
        continue;
      if (found != NULL && found->type != INSPECT_FOLDER)
        {
          g_clear_pointer (&found, file_entry_free);
          break;
        }
      g_clear_pointer (&found, file_entry_free);
      if (!(entries = side_list (side, folder, error)))
        return NULL;
      for (guint j = 0; found == NULL && j < entries->len; j++)
        if (strcmp (((FileEntry *) g_ptr_array_index (entries, j))->name, names[i]) == 0)
          found = g_ptr_array_steal_index (entries, j);
      if (found == NULL)
        break;
      folder = found->id;
    }
  if (found != NULL && found->type == INSPECT_FILE && !g_str_has_suffix (path, "/"))
    return found;
  g_clear_pointer (&found, file_entry_free);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no file “%s” on the guest's disk"), path);
  return NULL;
}

/* Zeros are left out: what the guest calls a file of 16 TiB may be empty. */
static gboolean
write_all (int fd, const uint8_t *data, size_t length, uint64_t offset, const char *path, GError **error)
{
  static const uint8_t zeros[SPARSE];

  while (length > 0)
    {
      size_t want = MIN (length, SPARSE);
      gboolean is_zero = memcmp (data, zeros, want) == 0;
      ssize_t part = is_zero ? (ssize_t) want : 0;

      /* As much as there is before the next zeros. */
      while (!is_zero && want < length && memcmp (data + want, zeros, MIN (length - want, SPARSE)) != 0)
        want += MIN (length - want, SPARSE);
      if (!is_zero)
        part = pwrite (fd, data, want, (off_t) offset);

      if (part < 0 && errno != EINTR)
        return fail (error, errno, _("cannot write “%s”: %s"), path);
      data += MAX (part, 0);
      offset += (uint64_t) MAX (part, 0);
      length -= (size_t) MAX (part, 0);
    }
  return TRUE;
}

static gboolean
copy (const Side *side, const FileEntry *entry, int fd, const char *path, const DiskTask *task, GError **error)
{
  g_autofree uint8_t *block = g_malloc (BLOCK);
  size_t got = 0;

  for (uint64_t offset = 0; offset < entry->size; offset += got)
    {
      if (task != NULL && g_cancellable_set_error_if_cancelled (task->cancellable, error))
        return FALSE;
      if (!side->type->read (side->state, entry->id, offset, block, (size_t) MIN (BLOCK, entry->size - offset), &got, error)
          || !write_all (fd, block, got, offset, path, error))
        return FALSE;
      if (got == 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("“%s” ends early: the guest's file system is damaged"),
                       entry->name);
          return FALSE;
        }
      if (task != NULL && task->progress != NULL)
        task->progress (offset + got, entry->size, task->opaque);
    }
  return (ftruncate (fd, (off_t) entry->size) == 0 && fsync (fd) == 0)
         || fail (error, errno, _("cannot write “%s”: %s"), path);
}

/* Gives a whole file its name. */
static gboolean
put (const char *part, const char *destination, gboolean replaces)
{
  if (replaces)
    return g_rename (part, destination) == 0;
  if (renameat2 (AT_FDCWD, part, AT_FDCWD, destination, RENAME_NOREPLACE) == 0)
    return TRUE;
  /* Some file systems of networks do not know that. */
  return errno == EINVAL && link (part, destination) == 0 && g_unlink (part) == 0;
}

static gboolean
copy_to (const Side *side, const FileEntry *entry, const char *destination, gboolean replaces, const DiskTask *task,
         GError **error)
{
  g_autofree char *part = g_strconcat (destination, ".XXXXXX", NULL);
  int fd = g_mkstemp_full (part, O_RDWR | O_CLOEXEC, 0600);
  gboolean ok;

  if (fd < 0)
    return fail (error, errno, _("cannot create “%s”: %s"), destination);
  ok = copy (side, entry, fd, destination, task, error);
  close (fd);
  if (ok && put (part, destination, replaces))
    return TRUE;
  if (ok)
    fail (error, errno, _("cannot create “%s”: %s"), destination);
  g_unlink (part);
  return FALSE;
}

gboolean
inspect_copy_out (Disk *disk, unsigned volume, const char *path, const char *destination, gboolean replaces,
                  const DiskTask *task, GError **error)
{
  g_autoptr (GArray) volumes = volumes_find (disk, error);
  const Volume *found = NULL;
  FileEntry *entry = NULL;
  Side side = { 0 };
  gboolean ok;

  for (guint i = 0; volumes != NULL && i < volumes->len; i++)
    if (g_array_index (volumes, Volume, i).number == volume)
      found = &g_array_index (volumes, Volume, i);
  if (volumes == NULL)
    return FALSE;
  if (found == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("the disk “%s” has no partition %u"), disk_path (disk), volume);
      return FALSE;
    }
  ok = side_open (&side, disk, found, error);
  if (ok && side.type == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("partition %u of “%s” has no file system that is known here"),
                   volume, disk_path (disk));
      ok = FALSE;
    }
  entry = ok ? find_entry (&side, path, error) : NULL;
  ok = entry != NULL && copy_to (&side, entry, destination, replaces, task, error);
  g_clear_pointer (&entry, file_entry_free);
  side_close (&side);
  return ok;
}
