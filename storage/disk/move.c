/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images as files: moving and deleting them with all their parts.
 *
 * A move makes the new place whole before the old one goes, so that who knows of
 * the image can change his mind in between: at every moment the place he names
 * holds it.
 */

#include "storage/disk/create.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  COPY_SIZE = 1 << 20
};

struct DiskMove
{
  Disk *source; /* keeps writers away */
  char *from_folder, *to_folder;
  GPtrArray *old_files, *new_files; /* char *; not those that stay where they are */
  gboolean is_folder;
};

typedef struct
{
  const DiskTask *task;
  uint64_t done, total; /* bytes */
} Copy;

/* A file of the image, by its way from the image's folder. */
static const char *
way_to (const char *folder, const char *path)
{
  gsize length = strlen (folder);

  return strncmp (path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

static gboolean
copy_range (Copy *copy, int from, int to, const char *path, off_t at, off_t end, void *buffer, GError **error)
{
  while (at < end)
    {
      ssize_t got = pread (from, buffer, (size_t) MIN (end - at, COPY_SIZE), at);

      if (got < 0)
        return image_errno (error, path, NC_("cannot", "read"), errno);
      if (got == 0)
        return TRUE;
      for (ssize_t put = 0; put < got;)
        {
          ssize_t n = pwrite (to, (char *) buffer + put, (size_t) (got - put), at + put);

          if (n <= 0)
            return image_errno (error, path, NC_("cannot", "copy"), n < 0 ? errno : ENOSPC);
          put += n;
        }
      at += got;
      copy->done += (uint64_t) got;
      if (copy->task != NULL && copy->task->progress != NULL)
        copy->task->progress (MIN (copy->done, copy->total), copy->total, copy->task->opaque);
      if (copy->task != NULL && g_cancellable_set_error_if_cancelled (copy->task->cancellable, error))
        return FALSE;
    }
  return TRUE;
}

/* Data and holes alike. */
static gboolean
copy_contents (Copy *copy, int from, int to, const char *path, off_t size, GError **error)
{
  g_autofree void *buffer = g_malloc (COPY_SIZE);
  off_t at = 0;

  while (at < size)
    {
      off_t data = lseek (from, at, SEEK_DATA), hole;

      if (data < 0 && errno == ENXIO)
        break;
      if (data < 0)
        data = at;
      hole = lseek (from, data, SEEK_HOLE);
      if (hole < 0)
        hole = size;
      if (!copy_range (copy, from, to, path, data, hole, buffer, error))
        return FALSE;
      at = hole;
    }
  return (ftruncate (to, size) == 0 && fsync (to) == 0) || image_errno (error, path, NC_("cannot", "copy"), errno);
}

static gboolean
copy_file (Copy *copy, const char *from, const char *to, GError **error)
{
  int in = open (from, O_RDONLY | O_CLOEXEC), out = -1;
  struct stat info;
  gboolean ok;

  if (in < 0 || fstat (in, &info) != 0)
    {
      image_errno (error, from, NC_("cannot", "read"), errno);
      if (in >= 0)
        close (in);
      return FALSE;
    }
  out = open (to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info.st_mode & 0777);
  ok = out >= 0 || image_errno (error, from, NC_("cannot", "copy"), errno);
  ok = ok && copy_contents (copy, in, out, from, info.st_size, error);
  close (in);
  if (out >= 0)
    close (out);
  return ok;
}

static gboolean
link_or_copy (Copy *copy, const char *from, const char *to, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (to);

  if (g_mkdir_with_parents (folder, 0755) != 0)
    return image_errno (error, folder, NC_("cannot", "create"), errno);
  /* A symbolic link is the user's; its file is what is meant. */
  if (linkat (AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
    return TRUE;
  return copy_file (copy, from, to, error);
}

static uint64_t
room_of (char **files)
{
  uint64_t room = 0;
  struct stat info;

  for (unsigned i = 0; files[i] != NULL; i++)
    if (stat (files[i], &info) == 0)
      room += (uint64_t) info.st_blocks * 512;
  return MAX (room, 1);
}

/* Puts every file of @files where it belongs within @stage, and notes what that makes of old and new. */
static gboolean
fill_stage (DiskMove *move, char **files, const char *head, const char *to, const DiskTask *task, GError **error)
{
  Copy copy = { .task = task, .total = room_of (files) };
  g_autofree char *stage_folder = g_path_get_dirname (head);
  gboolean same_folder = !move->is_folder && g_str_equal (move->from_folder, move->to_folder);

  for (unsigned i = 0; files[i] != NULL; i++)
    {
      const char *way = way_to (move->from_folder, files[i]);
      g_autofree char *place = NULL, *later = NULL;

      if (i == 0 && !move->is_folder)
        {
          place = g_strdup (head);
          later = g_strdup (to);
        }
      else if (way == NULL || same_folder)
        continue; /* named where it is, it is found from the new place, too */
      else
        {
          place = g_build_filename (move->is_folder ? head : stage_folder, way, NULL);
          later = g_build_filename (move->is_folder ? to : move->to_folder, way, NULL);
        }
      if (!link_or_copy (&copy, files[i], place, error))
        return FALSE;
      g_ptr_array_add (move->old_files, g_strdup (files[i]));
      g_ptr_array_add (move->new_files, g_steal_pointer (&later));
    }
  return TRUE;
}

static void
move_free (DiskMove *move)
{
  disk_unref (move->source);
  g_ptr_array_unref (move->old_files);
  g_ptr_array_unref (move->new_files);
  g_free (move->from_folder);
  g_free (move->to_folder);
  g_free (move);
}

static void
remove_new (DiskMove *move)
{
  for (unsigned i = 0; i < move->new_files->len; i++)
    g_unlink (g_ptr_array_index (move->new_files, i));
  if (move->is_folder)
    g_rmdir (move->to_folder);
}

/* What a name within the image meant may be out of reach from the new place. */
static gboolean
check_new (const char *to, GError **error)
{
  g_autoptr (Disk) disk = disk_open (to, DISK_OPEN_READ_ONLY, error);

  if (disk == NULL)
    g_prefix_error (error, _("it cannot be used from there: "));
  return disk != NULL;
}

DiskMove *
disk_move_begin (const char *from, const char *to, const DiskTask *task, GError **error)
{
  g_autoptr (Disk) source = disk_open (from, DISK_OPEN_READ_ONLY, error);
  g_auto (GStrv) files = source != NULL ? disk_files (source) : NULL;
  g_autofree char *head = NULL;
  DiskMove *move;
  Stage *stage;

  if (source == NULL || (stage = stage_new (to, FALSE, error)) == NULL)
    return NULL;
  move = g_new0 (DiskMove, 1);
  move->source = g_steal_pointer (&source);
  move->is_folder = g_file_test (from, G_FILE_TEST_IS_DIR);
  move->from_folder = g_path_get_dirname (files[0]);
  move->to_folder = move->is_folder ? g_strdup (to) : g_path_get_dirname (to);
  move->old_files = g_ptr_array_new_with_free_func (g_free);
  move->new_files = g_ptr_array_new_with_free_func (g_free);
  head = stage_file (stage);
  if (!fill_stage (move, files, head, to, task, error))
    {
      stage_abort (stage);
      move_free (move);
      return NULL;
    }
  if (!stage_commit (stage, error))
    {
      move_free (move);
      return NULL;
    }
  if (!check_new (to, error))
    {
      disk_move_undo (move);
      return NULL;
    }
  return move;
}

static gboolean
remove_files (GPtrArray *files, GError **error)
{
  for (unsigned i = 0; i < files->len; i++)
    {
      const char *path = g_ptr_array_index (files, i);

      if (g_unlink (path) != 0 && errno != ENOENT)
        return image_errno (error, path, NC_("cannot", "delete"), errno);
    }
  return TRUE;
}

gboolean
disk_move_finish (DiskMove *move, GError **error)
{
  gboolean ok = remove_files (move->old_files, error);

  /* What else the user keeps there stays. */
  if (ok && move->is_folder)
    g_rmdir (move->from_folder);
  move_free (move);
  return ok;
}

void
disk_move_undo (DiskMove *move)
{
  remove_new (move);
  move_free (move);
}

gboolean
disk_delete (const char *path, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) own = NULL;
  /* Nobody else may have it open, not even to read. */
  Image *img = image_open (path, IMAGE_OPEN_NO_BASE, NULL, NULL, &own);
  gboolean is_folder = g_file_test (path, G_FILE_TEST_IS_DIR), ok;

  if (g_error_matches (own, G_IO_ERROR, G_IO_ERROR_BUSY))
    {
      g_propagate_error (error, g_steal_pointer (&own));
      return FALSE;
    }
  if (img == NULL && is_folder)
    {
      g_propagate_error (error, g_steal_pointer (&own));
      return FALSE;
    }
  /* Parts first: while the image itself is there, so is what tells of them. Those outside of its folder are not its own. */
  for (unsigned i = 0; img != NULL && i < img->siblings->len; i++)
    {
      const ImageFile *part = g_ptr_array_index (img->siblings, i);

      if (way_to (img->folder, part->path) != NULL)
        g_ptr_array_add (files, g_strdup (part->path));
    }
  g_ptr_array_add (files, g_strdup (img != NULL ? img->path : path));
  ok = remove_files (files, error);
  image_close (img);
  if (ok && is_folder)
    g_rmdir (path);
  return ok;
}
