/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing an appliance. All of its files are made in a folder beside their place
 * and moved there when they are whole. An archive has the description first, then
 * the manifest, then the disks (DSP0243 1.1.0, 5.3): the disks are made before, for
 * the description tells their sizes, and removed one by one as they go in.
 */

#include "storage/appliance/appliance-private.h"
#include "storage/disk/create.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  BUFFER = 1 << 20
};

#define USTAR_MAX (UINT64_C (8) << 30) /* bytes of a member that the oldest form can tell of */

typedef struct
{
  const AppliancePlan *plan;
  const ApplianceWriteOptions *options;
  const DiskTask *task;
  const char *path;
  char *folder;     /* where the files are made */
  char *base;       /* the appliance's name without its ending */
  GPtrArray *files; /* of WrittenFile */
  GString *sums;
  uint64_t done, total; /* of progress */
} Write;

static void
written_free (gpointer data)
{
  g_free (((WrittenFile *) data)->name);
  g_free (data);
}

static int
disk_of_file (const AppliancePlan *plan, unsigned file)
{
  for (unsigned i = 0; i < plan->disks->len; i++)
    if (((ApplianceDisk *) g_ptr_array_index (plan->disks, i))->file == (int) file)
      return (int) i;
  return -1;
}

/* Reads the file through once. */
static gboolean
digest (Write *w, const char *path, char **text, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (manifest_checksum (w->options->manifest));
  g_autoptr (Stream) stream = stream_open_path (path, error);
  g_autofree uint8_t *buffer = g_malloc (BUFFER);
  gssize some = stream != NULL ? 0 : -1;

  while (stream != NULL && (some = stream_read (stream, buffer, BUFFER, error)) > 0)
    {
      g_checksum_update (sum, buffer, some);
      if (appliance_is_cancelled (w->task, error))
        return FALSE;
    }
  if (some < 0)
    return FALSE;
  *text = g_strdup (g_checksum_get_string (sum));
  return TRUE;
}

static gboolean
add_sum (Write *w, const char *path, const char *name, GError **error)
{
  g_autofree char *text = NULL, *line = NULL;

  if (w->options->manifest == APPLIANCE_MANIFEST_NONE)
    return TRUE;
  if (!digest (w, path, &text, error))
    return FALSE;
  line = manifest_format (w->options->manifest, name, text);
  g_string_append (w->sums, line);
  return TRUE;
}

static gboolean
make_file (Write *w, unsigned index, GError **error)
{
  const ApplianceFile *source = g_ptr_array_index (w->plan->files, index);
  int disk = disk_of_file (w->plan, index);
  const char *dot = strrchr (source->href, '.');
  WrittenFile *written = g_new0 (WrittenFile, 1);
  g_autofree char *path = NULL;
  ApplianceStep step;
  struct stat info;
  uint64_t span;
  gboolean ok;

  g_ptr_array_add (w->files, written);
  written->name = disk >= 0 ? g_strdup_printf ("%s-disk%d.vmdk", w->base, disk + 1)
                            : g_strdup_printf ("%s-file%u%s", w->base, index + 1, dot != NULL ? dot : "");
  path = g_build_filename (w->folder, written->name, NULL);
  span = disk >= 0 ? ((ApplianceDisk *) g_ptr_array_index (w->plan->disks, disk))->capacity : source->size;
  appliance_step (&step, w->task, w->done, span, w->total);
  if (disk >= 0)
    {
      /* The disks are the user's own machines': what they are based on is followed. */
      const DiskOpenOptions open = { .flags = DISK_OPEN_READ_ONLY | DISK_OPEN_TRUST,
                                     .format = source->format,
                                     .chain = (const char *const *) source->chain };
      const DiskCreateOptions create = { .format = "vmdk", .variant = "streamOptimized" };

      ok = disk_convert (source->path, &open, path, &create, &step.task, error);
    }
  else
    ok = appliance_fetch_file (w->plan, (int) index, path, &step.task, error);
  w->done += span;
  if (!ok || !add_sum (w, path, written->name, error))
    return FALSE;
  if (stat (path, &info) != 0)
    return image_errno (error, path, NC_ ("cannot", "read"), errno);
  written->size = (uint64_t) info.st_size;
  return TRUE;
}

static gboolean
write_text (const char *path, const char *text, GError **error)
{
  size_t length = strlen (text);
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  gboolean ok = fd >= 0;

  for (size_t done = 0; ok && done < length;)
    {
      ssize_t some = write (fd, text + done, length - done);

      ok = some >= 0 || errno == EINTR;
      done += some > 0 ? (size_t) some : 0;
    }
  ok = ok && fsync (fd) == 0;
  if (!ok)
    image_errno (error, path, NC_ ("cannot", "write"), errno);
  if (fd >= 0)
    close (fd);
  return ok;
}

static void
prepend_sum (Write *w, const char *name, const char *text)
{
  g_autofree char *sum = NULL, *line = NULL;

  if (w->options->manifest == APPLIANCE_MANIFEST_NONE)
    return;
  sum = g_compute_checksum_for_string (manifest_checksum (w->options->manifest), text, -1);
  line = manifest_format (w->options->manifest, name, sum);
  g_string_prepend (w->sums, line);
}

/* --- The archive --- */

static gboolean
begin_member (struct archive *out, const char *name, uint64_t size)
{
  struct archive_entry *entry = archive_entry_new ();
  int result;

  archive_entry_set_pathname (entry, name);
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 0640);
  archive_entry_set_size (entry, (la_int64_t) size);
  archive_entry_set_mtime (entry, g_get_real_time () / G_USEC_PER_SEC, 0);
  result = archive_write_header (out, entry);
  archive_entry_free (entry);
  return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

/* What went wrong with the archive itself. */
static gboolean
write_failed (Write *w, struct archive *out, GError **error)
{
  int cause = archive_errno (out);
  const char *text = archive_error_string (out);

  if (cause > 0)
    return image_errno (error, w->path, NC_ ("cannot", "write"), cause);
  return appliance_error (error, w->path, _ ("cannot write the archive: %s"), text != NULL ? text : "?");
}

static gboolean
add_text (Write *w, struct archive *out, const char *name, const char *text, GError **error)
{
  size_t length = strlen (text);

  return (begin_member (out, name, length) && archive_write_data (out, text, length) == (la_ssize_t) length)
         || write_failed (w, out, error);
}

static gboolean
add_file (Write *w, struct archive *out, const WrittenFile *file, GError **error)
{
  g_autofree char *path = g_build_filename (w->folder, file->name, NULL);
  g_autoptr (Stream) stream = stream_open_path (path, error);
  g_autofree uint8_t *buffer = g_malloc (BUFFER);
  gssize some;

  if (stream == NULL)
    return FALSE;
  if (!begin_member (out, file->name, file->size))
    return write_failed (w, out, error);
  while ((some = stream_read (stream, buffer, BUFFER, error)) > 0)
    {
      if (archive_write_data (out, buffer, (size_t) some) != some)
        return write_failed (w, out, error);
      if (appliance_is_cancelled (w->task, error))
        return FALSE;
    }
  if (some < 0)
    return FALSE;
  g_unlink (path);
  return TRUE;
}

static gboolean
write_archive (Write *w, const char *path, const char *description, GError **error)
{
  g_autofree char *ovf = g_strconcat (w->base, ".ovf", NULL), *mf = g_strconcat (w->base, ".mf", NULL);
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  struct archive *out = archive_write_new ();
  gboolean large = FALSE, ok;

  for (unsigned i = 0; i < w->files->len; i++)
    large |= ((WrittenFile *) g_ptr_array_index (w->files, i))->size >= USTAR_MAX;
  /* The specification wants ustar, which ends at 8 GiB a file; others read the numbers of GNU tar, too. */
  if (large)
    archive_write_set_format_gnutar (out);
  else
    archive_write_set_format_ustar (out);
  archive_write_set_bytes_in_last_block (out, 1);
  ok = fd >= 0 ? archive_write_open_fd (out, fd) == ARCHIVE_OK || write_failed (w, out, error)
               : image_errno (error, w->path, NC_ ("cannot", "create"), errno);
  ok = ok && add_text (w, out, ovf, description, error);
  if (ok && w->sums->len > 0)
    ok = add_text (w, out, mf, w->sums->str, error);
  for (unsigned i = 0; ok && i < w->files->len; i++)
    ok = add_file (w, out, g_ptr_array_index (w->files, i), error);
  ok = ok && (archive_write_close (out) == ARCHIVE_OK || write_failed (w, out, error));
  archive_write_free (out);
  ok = ok && (fsync (fd) == 0 || image_errno (error, w->path, NC_ ("cannot", "flush"), errno));
  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
write_files (Write *w, const char *path, const char *description, GError **error)
{
  g_autofree char *manifest = NULL, *name = NULL;

  if (!write_text (path, description, error))
    return FALSE;
  if (w->sums->len == 0)
    return TRUE;
  name = g_strconcat (w->base, ".mf", NULL);
  manifest = g_build_filename (w->folder, name, NULL);
  return write_text (manifest, w->sums->str, error);
}

static char *
base_name (const char *path)
{
  char *base = g_path_get_basename (path), *dot = strrchr (base, '.');

  if (dot != NULL && dot != base)
    *dot = '\0';
  return base;
}

static gboolean
write_all (Write *w, const char *place, gboolean archive, GError **error)
{
  g_autofree char *description = NULL, *name = g_strconcat (w->base, ".ovf", NULL);

  for (unsigned i = 0; i < w->plan->files->len; i++)
    if (!make_file (w, i, error))
      return FALSE;
  description = ovf_write (w->plan, w->options->version, w->files);
  prepend_sum (w, name, description);
  return archive ? write_archive (w, place, description, error) : write_files (w, place, description, error);
}

gboolean
appliance_write (const AppliancePlan *plan, const char *path, const ApplianceWriteOptions *options,
                 const DiskTask *task, GError **error)
{
  gboolean archive = !g_str_has_suffix (path, ".ovf") && !g_str_has_suffix (path, ".OVF");
  Stage *stage = stage_new (path, options->replace, error);
  g_autofree char *place = stage != NULL ? stage_file (stage) : NULL, *base = base_name (path), *folder = NULL;
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (written_free);
  Write w = { .plan = plan, .options = options, .task = task, .path = path, .base = base, .files = files };
  gboolean ok;

  if (stage == NULL)
    return FALSE;
  w.folder = folder = g_path_get_dirname (place);
  w.sums = g_string_new (NULL);
  for (unsigned i = 0; i < plan->disks->len; i++)
    w.total += ((ApplianceDisk *) g_ptr_array_index (plan->disks, i))->capacity;
  ok = write_all (&w, place, archive, error);
  g_string_free (w.sums, TRUE);
  if (ok)
    return stage_commit (stage, error);
  stage_abort (stage);
  return FALSE;
}
