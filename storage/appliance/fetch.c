/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks out of an appliance. One that is a plain file is converted from where it
 * lies; what is in an archive, in pieces or compressed is unpacked first.
 */

#include "storage/appliance/appliance-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum
{
  BUFFER = 1 << 20
};

#define UNPACKED ".unpacked"
#define SLACK    (UINT64_C (64) << 20) /* what an image may be larger than its disk */

static gboolean
needs_unpacking (const ApplianceFile *file)
{
  return file->path == NULL || file->chunk_size > 0 || file->gzip;
}

uint64_t
appliance_unpacked_size (const AppliancePlan *plan, int file)
{
  const ApplianceFile *found = g_ptr_array_index (plan->files, file);

  return needs_unpacking (found) ? found->size : 0;
}

static gboolean
write_all (int fd, const char *path, const uint8_t *bytes, size_t length, GError **error)
{
  while (length > 0)
    {
      ssize_t some = write (fd, bytes, length);

      if (some < 0 && errno == EINTR)
        continue;
      if (some < 0)
        {
          g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot write “%s”: %s"), path,
                       g_strerror (errno));
          return FALSE;
        }
      bytes += some;
      length -= (size_t) some;
    }
  return TRUE;
}

/* @limit: what it may have at most, for a few bytes can unpack to very many. */
static gboolean
copy_to (Stream *stream, const ApplianceFile *file, const char *path, uint64_t limit, const DiskTask *task,
         GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  g_autofree uint8_t *buffer = NULL;
  uint64_t done = 0;
  gssize some = 0;
  gboolean ok = TRUE;

  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot create “%s”: %s"), path,
                   g_strerror (errno));
      return FALSE;
    }
  buffer = g_malloc (BUFFER);
  while (ok && (some = stream_read (stream, buffer, BUFFER, error)) > 0)
    {
      done += (uint64_t) some;
      if (done > limit)
        ok = appliance_error (error, file->href, _ ("it unpacks to more than its disk can hold"));
      else
        ok = write_all (fd, path, buffer, (size_t) some, error) && !appliance_is_cancelled (task, error);
      if (task != NULL && task->progress != NULL)
        task->progress (MIN (done, file->size), file->size, task->opaque);
    }
  ok = ok && some == 0;
  if (ok && !file->gzip && done < file->size)
    ok = appliance_error (error, file->href, _ ("it is cut off: it has %llu of %llu bytes"), (unsigned long long) done,
                          (unsigned long long) file->size);
  if (close (fd) != 0 && ok)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot write “%s”: %s"), path,
                   g_strerror (errno));
      ok = FALSE;
    }
  if (!ok)
    g_unlink (path);
  return ok;
}

static gboolean
unpack (const AppliancePlan *plan, int file, const char *path, uint64_t limit, const DiskTask *task, GError **error)
{
  const ApplianceFile *found = g_ptr_array_index (plan->files, file);
  g_autoptr (Stream) stream = stream_open_file (plan, found, error);

  return stream != NULL && copy_to (stream, found, path, limit, task, error);
}

gboolean
appliance_fetch_file (const AppliancePlan *plan, int file, const char *path, const DiskTask *task, GError **error)
{
  return unpack (plan, file, path, G_MAXINT64, task, error);
}

/* Where the disk's image can be opened: a name that is freed, and removed when it is set in @unpacked. */
static char *
make_ready (const AppliancePlan *plan, const ApplianceDisk *disk, const char *path, char **unpacked,
            const DiskTask *task, GError **error)
{
  const ApplianceFile *file = g_ptr_array_index (plan->files, disk->file);
  uint64_t limit = disk->capacity > 0 && disk->capacity < G_MAXINT64 / 2 ? disk->capacity + disk->capacity / 8 + SLACK
                                                                         : G_MAXINT64;

  if (!needs_unpacking (file))
    return g_strdup (file->path);
  if (!unpack (plan, disk->file, path, limit, task, error))
    return NULL;
  *unpacked = g_strdup (path);
  return g_strdup (path);
}

static gboolean
convert (const AppliancePlan *plan, const ApplianceDisk *disk, const char *source, const char *base, const char *path,
         const DiskCreateOptions *options, ApplianceFlags flags, const DiskTask *task, GError **error)
{
  const ApplianceFile *file = g_ptr_array_index (plan->files, disk->file);
  DiskOpenOptions open
      = { .flags = DISK_OPEN_READ_ONLY | (flags & APPLIANCE_TRUST ? DISK_OPEN_TRUST : 0), .base = base };

  /* The image's own word counts on how large the disk is; a description that says less would cut it off. */
  if (disk_convert (source, &open, path, options, task, error))
    return TRUE;
  if (needs_unpacking (file))
    g_prefix_error (error, _ ("the disk “%s” of the appliance: "), file->href);
  return FALSE;
}

gboolean
appliance_fetch_disk (const AppliancePlan *plan, int disk, const char *path, const DiskCreateOptions *options,
                      ApplianceFlags flags, const DiskTask *task, GError **error)
{
  const ApplianceDisk *found = g_ptr_array_index (plan->disks, disk);
  g_autofree char *place = g_strconcat (path, UNPACKED, NULL), *base_place = g_strconcat (path, "-base" UNPACKED, NULL),
                  *unpacked = NULL, *unpacked_base = NULL, *source = NULL, *base = NULL;
  ApplianceStep step;
  gboolean ok = TRUE;

  if (found->file < 0)
    {
      DiskCreateOptions empty = *options;

      empty.size = found->capacity;
      return disk_create (path, &empty, error);
    }
  appliance_step (&step, task, 0, 1, 4);
  if (found->parent >= 0)
    {
      base = make_ready (plan, g_ptr_array_index (plan->disks, found->parent), base_place, &unpacked_base, &step.task,
                         error);
      ok = base != NULL;
    }
  appliance_step (&step, task, 1, 1, 4);
  if (ok)
    source = make_ready (plan, found, place, &unpacked, &step.task, error);
  appliance_step (&step, task, unpacked != NULL ? 2 : 0, unpacked != NULL ? 2 : 4, 4);
  ok = source != NULL && convert (plan, found, source, base, path, options, flags, &step.task, error);
  if (unpacked != NULL)
    g_unlink (unpacked);
  if (unpacked_base != NULL)
    g_unlink (unpacked_base);
  return ok;
}
