/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots that nobody asked for; see the header. */

#include "storage/snapshot/automatic.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Names --- */

/* At most @most bytes of whole characters, none of which control anything. */
static char *
make_presentable (const char *text, size_t most)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *result = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (result->len + (size_t) g_unichar_to_utf8 (c, NULL) > most)
        break;
      g_string_append_unichar (result, g_unichar_iscntrl (c) ? ' ' : c);
    }
  return g_string_free (result, FALSE);
}

char *
snapshot_automatic_name_disc (const char *path)
{
  enum
  {
    MOST = 160
  }; /* bytes: leaves room for the words around it in any language */
  g_autofree char *shown = disk_shown_path (path), *base = g_path_get_basename (shown),
                  *name = make_presentable (base, MOST);

  return g_strdup_printf (_ ("Before “%s”"), name);
}

char *
snapshot_automatic_name_time (GDateTime *time)
{
  g_autofree char *clock = g_date_time_format (time, "%H:%M");

  return g_strdup_printf (_ ("Automatic, %s"), clock);
}

/* --- The quota --- */

/* By age; those of the same second stay as they were, parents before children. */
static GPtrArray *
list_automatic (GPtrArray *snapshots)
{
  GPtrArray *list = g_ptr_array_new ();

  for (unsigned i = 0; i < snapshots->len; i++)
    {
      Snapshot *snapshot = snapshots->pdata[i];
      unsigned place = list->len;

      if (snapshot->kind != SNAPSHOT_AUTOMATIC)
        continue;
      while (place > 0 && ((const Snapshot *) list->pdata[place - 1])->created > snapshot->created)
        place--;
      g_ptr_array_insert (list, (int) place, snapshot);
    }
  return list;
}

GPtrArray *
snapshot_automatic_excess (GPtrArray *snapshots, const LibraryAutomatic *quota)
{
  g_autoptr (GPtrArray) automatic = list_automatic (snapshots);
  GPtrArray *excess = g_ptr_array_new ();
  unsigned count = automatic->len;
  uint64_t size = 0;

  for (unsigned i = 0; i < automatic->len; i++)
    size += ((const Snapshot *) automatic->pdata[i])->size;
  /* One alone may be larger than all of the space: it is still what the user relies on. */
  for (unsigned i = 0; i + 1 < automatic->len && (count > quota->keep || size > quota->space); i++)
    {
      Snapshot *snapshot = automatic->pdata[i];

      if (snapshot->is_current)
        continue;
      count--;
      size -= snapshot->size;
      g_ptr_array_add (excess, snapshot);
    }
  return excess;
}

gboolean
snapshot_automatic_prune (Library *library, const char *machine_uuid, unsigned *count, GError **error)
{
  g_autoptr (LibraryMachine) machine = library_find (library, machine_uuid, error);
  g_autoptr (GPtrArray) snapshots = machine ? snapshot_list (library, machine, FALSE, error) : NULL;
  g_autoptr (GPtrArray) excess = NULL;

  if (!snapshots)
    return FALSE;
  excess = snapshot_automatic_excess (snapshots, &machine->automatic);
  if (count)
    *count = excess->len;
  for (unsigned i = 0; i < excess->len; i++)
    if (!snapshot_delete (library, machine_uuid, ((const Snapshot *) excess->pdata[i])->uuid, error))
      return FALSE;
  return TRUE;
}

/* --- Discs --- */

enum
{
  SAMPLE = 1 << 20
}; /* bytes at either end */

static gboolean
add_sample (GChecksum *sum, int fd, off_t offset, size_t length, GError **error)
{
  g_autofree guchar *buffer = g_malloc (length);
  size_t have = 0;

  while (have < length)
    {
      ssize_t got = pread (fd, buffer + have, length - have, offset + (off_t) have);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          g_set_error_literal (error, G_FILE_ERROR, g_file_error_from_errno (errno), g_strerror (errno));
          return FALSE;
        }
      if (got == 0)
        break;
      have += (size_t) got;
    }
  g_checksum_update (sum, buffer, (gssize) have);
  return TRUE;
}

static gboolean
add_file (GChecksum *sum, int fd, GError **error)
{
  g_autofree char *facts = NULL;
  struct stat info;
  off_t size;

  if (fstat (fd, &info) != 0 || (size = lseek (fd, 0, SEEK_END)) < 0)
    {
      g_set_error_literal (error, G_FILE_ERROR, g_file_error_from_errno (errno), g_strerror (errno));
      return FALSE;
    }
  /* A device's times say nothing of the disc in it. */
  if (S_ISREG (info.st_mode))
    facts
        = g_strdup_printf ("%lld %lld.%09ld", (long long) size, (long long) info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  else
    facts = g_strdup_printf ("%lld", (long long) size);
  g_checksum_update (sum, (const guchar *) facts, -1);
  return add_sample (sum, fd, 0, (size_t) MIN (size, SAMPLE), error)
         && (size <= SAMPLE || add_sample (sum, fd, size - SAMPLE, SAMPLE, error));
}

char *
snapshot_disc_digest (const char *path, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gboolean ok = TRUE;

  if (disk_is_remote (path))
    g_checksum_update (sum, (const guchar *) path, -1);
  else
    {
      int fd = open (path, O_RDONLY | O_CLOEXEC);

      if (fd < 0)
        {
          g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _ ("“%s”: %s"), path, g_strerror (errno));
          return NULL;
        }
      ok = add_file (sum, fd, error);
      close (fd);
      if (!ok)
        g_prefix_error (error, "“%s”: ", path);
    }
  return ok ? g_strdup (g_checksum_get_string (sum)) : NULL;
}
