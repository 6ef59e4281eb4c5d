/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * New images. They are made in a folder of their own, “.NAME.bunshin-new” beside
 * their place, and moved there when they are whole; a file “whole” in it says so.
 * What a killed run left is known by that folder, and by nobody having it locked: it
 * is moved on if it was whole, and removed otherwise. An image that was to replace another
 * says of which state of that in “whole”: who wrote into it since must not lose that.
 */

#include "storage/disk/create.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE_ENDING ".bunshin-new"
#define STAGE_WHOLE  "whole"

struct Stage
{
  char *path, *folder, *name; /* the file to be, its folder and name there */
  char *stage;                /* the folder it is made in */
  int fd;                     /* of that, locked */
  gboolean replace;           /* the file that has the name */
};

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inner = g_build_filename (path, entry, NULL);

      if (g_file_test (inner, G_FILE_TEST_IS_DIR) && !g_file_test (inner, G_FILE_TEST_IS_SYMLINK))
        remove_folder (inner);
      else
        g_unlink (inner);
    }
  g_rmdir (path);
}

static gboolean
sync_folder (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return image_errno (error, path, NC_("cannot", "open"), errno);
  ok = fsync (fd) == 0 || errno == EINVAL || image_errno (error, path, NC_("cannot", "flush"), errno);
  close (fd);
  return ok;
}

static int
lock_folder (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

/* Moves one file out, over another only when that is to be replaced. */
static gboolean
move_out (const char *from, const char *to, gboolean replace, GError **error)
{
  if (replace)
    return rename (from, to) == 0 || image_errno (error, to, NC_("cannot", "write"), errno);
  if (renameat2 (AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return TRUE;
  /* Some file systems do not know that flag. */
  if (errno == EINVAL && !g_file_test (to, G_FILE_TEST_EXISTS) && rename (from, to) == 0)
    return TRUE;
  return image_errno (error, to, NC_("cannot", "create"), errno == EINVAL ? EEXIST : errno);
}

/* The image's own name comes last: when it is there, all of it is. */
static gboolean
move_all (const char *stage, const char *folder, const char *name, gboolean replace, GError **error)
{
  g_autofree char *whole = g_build_filename (stage, STAGE_WHOLE, NULL), *own = g_build_filename (stage, name, NULL),
                  *place = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (stage, 0, error);
  const char *entry;

  if (dir == NULL)
    return FALSE;
  while ((entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *from = g_build_filename (stage, entry, NULL), *to = g_build_filename (folder, entry, NULL);

      if (!g_str_equal (entry, name) && !g_str_equal (entry, STAGE_WHOLE) && !move_out (from, to, FALSE, error))
        return FALSE;
    }
  if (g_file_test (own, G_FILE_TEST_EXISTS) && !move_out (own, place, replace, error))
    return FALSE;
  if (!sync_folder (folder, error))
    return FALSE;
  g_unlink (whole);
  g_rmdir (stage);
  return TRUE;
}

/* A file's state, as far as a change of its contents changes it: one line; NULL when there is no such file. Caller frees. */
static char *
file_state (const char *path)
{
  struct stat info;

  if (stat (path, &info) != 0)
    return NULL;
  return g_strdup_printf ("%llu %llu %lld.%09ld\n", (unsigned long long) info.st_ino, (unsigned long long) info.st_size,
                          (long long) info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

/* Whether the stage of @place is whole and may be moved out, over the file that is there if @replace says so. */
static gboolean
may_finish (const char *whole, const char *place, gboolean *replace)
{
  g_autofree char *mark = NULL, *state = NULL;

  if (!g_file_get_contents (whole, &mark, NULL, NULL))
    return FALSE;
  *replace = mark[0] != '\0';
  state = *replace ? file_state (place) : NULL;
  return !*replace || g_strcmp0 (mark, state) == 0;
}

/* What one leftover folder becomes; NULL: somebody is at work in it. Caller frees. */
static char *
recover_one (const char *folder, const char *entry)
{
  g_autofree char *stage = g_build_filename (folder, entry, NULL),
                  *name = g_strndup (entry + 1, strlen (entry) - 1 - strlen (STAGE_ENDING)),
                  *whole = g_build_filename (stage, STAGE_WHOLE, NULL), *place = g_build_filename (folder, name, NULL);
  int fd = lock_folder (stage);
  gboolean finished, replace;

  if (fd < 0)
    return NULL;
  finished = may_finish (whole, place, &replace) && move_all (stage, folder, name, replace, NULL);
  if (!finished)
    remove_folder (stage);
  close (fd);
  return g_strdup_printf (finished ? _("finished “%s”, which an interrupted run had left")
                                   : _("removed what an interrupted run had left of “%s”"),
                          place);
}

char **
disk_recover (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) sentences = NULL;
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      char *sentence;

      if (entry[0] != '.' || !g_str_has_suffix (entry, STAGE_ENDING) || strlen (entry) <= strlen (STAGE_ENDING) + 1)
        continue;
      sentence = recover_one (folder, entry);
      if (sentence == NULL)
        continue;
      if (sentences == NULL)
        sentences = g_ptr_array_new ();
      g_ptr_array_add (sentences, sentence);
    }
  if (sentences == NULL)
    return NULL;
  g_ptr_array_add (sentences, NULL);
  return (char **) g_ptr_array_steal (sentences, NULL);
}

static void
stage_free (Stage *stage)
{
  if (stage->fd >= 0)
    close (stage->fd);
  g_free (stage->path);
  g_free (stage->folder);
  g_free (stage->name);
  g_free (stage->stage);
  g_free (stage);
}

Stage *
stage_new (const char *path, gboolean replace, GError **error)
{
  g_autofree char *base = g_path_get_basename (path), *entry = g_strconcat (".", base, STAGE_ENDING, NULL),
                  *folder = g_path_get_dirname (path);
  Stage *stage;

  /* First: what a killed run had made whole is there then, and keeps its name. */
  g_free (recover_one (folder, entry));
  if (!replace && g_file_test (path, G_FILE_TEST_EXISTS))
    {
      image_errno (error, path, NC_("cannot", "create"), EEXIST);
      return NULL;
    }
  stage = g_new0 (Stage, 1);
  stage->path = g_strdup (path);
  stage->replace = replace;
  stage->folder = g_steal_pointer (&folder);
  stage->name = g_steal_pointer (&base);
  stage->stage = g_build_filename (stage->folder, entry, NULL);
  stage->fd = -1;
  if (g_mkdir (stage->stage, 0700) != 0 || (stage->fd = lock_folder (stage->stage)) < 0)
    {
      if (errno == EEXIST || errno == EWOULDBLOCK)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("cannot create “%s”: another program is making it"), path);
      else
        image_errno (error, path, NC_("cannot", "create"), errno);
      stage_free (stage);
      return NULL;
    }
  return stage;
}

char *
stage_file (const Stage *stage)
{
  return g_build_filename (stage->stage, stage->name, NULL);
}

/* What tells a recovery which file is to be replaced; empty: none. Caller frees. */
static char *
mark_of (const Stage *stage, GError **error)
{
  char *state = stage->replace ? file_state (stage->path) : NULL;

  if (!stage->replace || (state == NULL && errno == ENOENT))
    return g_strdup ("");
  if (state == NULL)
    image_errno (error, stage->path, NC_("cannot", "read"), errno);
  return state;
}

gboolean
stage_commit (Stage *stage, GError **error)
{
  g_autofree char *whole = g_build_filename (stage->stage, STAGE_WHOLE, NULL), *mark = mark_of (stage, error);
  int fd;
  gboolean ok = mark != NULL && sync_folder (stage->stage, error);

  if (ok)
    {
      ssize_t length = (ssize_t) strlen (mark);

      fd = open (whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      ok = fd >= 0 && write (fd, mark, (size_t) length) == length && fsync (fd) == 0;
      if (!ok)
        image_errno (error, stage->path, NC_("cannot", "create"), errno);
      if (fd >= 0)
        close (fd);
    }
  ok = ok && sync_folder (stage->stage, error)
       && move_all (stage->stage, stage->folder, stage->name, stage->replace, error);
  if (!ok)
    remove_folder (stage->stage);
  stage_free (stage);
  return ok;
}

void
stage_abort (Stage *stage)
{
  remove_folder (stage->stage);
  stage_free (stage);
}

const char *const *
disk_creatable_formats (void)
{
  static const char *const names[] = { "vdi", "vmdk", "vhd", "vhdx", "hdd", "qcow2", "raw", NULL };

  return names;
}

const char *const *
disk_format_variants (const char *format)
{
  const ImageFormat *found = image_format_find (format);

  return found != NULL ? found->variants : NULL;
}

static gboolean
has_ending (const ImageFormat *format, const char *path)
{
  const char *ending = strrchr (path, '.');

  for (unsigned i = 0; ending != NULL && format->endings != NULL && format->endings[i] != NULL; i++)
    if (g_ascii_strcasecmp (ending + 1, format->endings[i]) == 0)
      return TRUE;
  return FALSE;
}

const ImageFormat *
image_format_to_create (const char *name, const char *path, GError **error)
{
  g_autofree char *known = NULL;

  for (unsigned i = 0; image_formats[i] != NULL; i++)
    if (image_formats[i]->caps & IMAGE_CAN_CREATE
        && (name != NULL ? g_str_equal (name, image_formats[i]->name) : has_ending (image_formats[i], path)))
      return image_formats[i];
  if (name == NULL)
    return &vdi_format;
  known = g_strjoinv (", ", (char **) disk_creatable_formats ());
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
               _("cannot create “%s”: there is no disk format “%s” (there are %s)"), path, name, known);
  return NULL;
}

char *
image_base_name (const char *folder, const char *base)
{
  g_autofree char *path = g_canonicalize_filename (base, NULL), *from = g_canonicalize_filename (folder, NULL);
  gsize length = strlen (from);

  if (g_str_has_suffix (from, "/"))
    length--;
  if (strncmp (path, from, length) == 0 && path[length] == '/')
    return g_strdup (path + length + 1);
  return g_steal_pointer (&path);
}

gboolean
image_check_create (const char *path, const ImageFormat *format, const ImageCreate *create, GError **error)
{
  if (!g_strv_contains (format->variants, create->variant))
    {
      g_autofree char *known = g_strjoinv (", ", (char **) format->variants);

      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot create “%s”: %s has no variant “%s” (there are %s)"), path, format->name, create->variant,
                   known);
      return FALSE;
    }
  if (create->size == 0 || create->size > format->max_size)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("cannot create “%s”: a disk of %llu bytes is impossible in %s, which holds up to %llu GiB"), path,
                   (unsigned long long) create->size, format->name, (unsigned long long) (format->max_size >> 30));
      return FALSE;
    }
  if (create->base_name != NULL && g_str_equal (create->variant, "fixed"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot create “%s”: what is based on another image cannot be fixed"), path);
      return FALSE;
    }
  if (create->base_name != NULL && !(format->caps & IMAGE_CAN_BACK))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _("cannot create “%s”: images of format %s cannot be based on others"), path, format->name);
      return FALSE;
    }
  return TRUE;
}

gboolean
image_create (const char *file_path, const char *path, const ImageFormat *format, const ImageCreate *options,
              GError **error)
{
  ImageFile *file;
  Image *img;
  gboolean ok;

  file = image_file_create (file_path, error);
  if (file == NULL)
    return FALSE;
  img = image_new (path);
  img->file = file;
  g_free (img->folder);
  img->folder = g_path_get_dirname (file_path);
  /* Errors speak of what is to be. */
  g_free (file->path);
  file->path = g_strdup (path);
  img->format = format;
  ok = format->create (img, options, error) && image_sync (img, error);
  /* It was never opened: there is nothing for the format to close. */
  img->format = NULL;
  image_close (img);
  return ok;
}

/* Other formats than qcow2 write down what tells the base from others, and have to look. */
static gboolean
take_base (const DiskCreateOptions *options, const ImageFormat *format, ImageCreate *create, GError **error)
{
  if (options->size != 0 && options->base_format != NULL && format == &qcow2_format)
    {
      create->base_format = options->base_format;
      if (image_format_find (options->base_format) != NULL)
        return TRUE;
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot open “%s”: there is no disk format “%s”"),
                   options->base, options->base_format);
      return FALSE;
    }
  create->base
      = image_open (options->base, IMAGE_OPEN_READ_ONLY | IMAGE_OPEN_TRUSTED, options->base_format, NULL, error);
  if (create->base != NULL && create->size == 0)
    create->size = create->base->size;
  return create->base != NULL;
}

gboolean
disk_create (const char *path, const DiskCreateOptions *options, GError **error)
{
  const ImageFormat *format = image_format_to_create (options->format, path, error);
  g_autofree char *folder = g_path_get_dirname (path), *base_name = NULL, *file = NULL;
  ImageCreate create = { .size = options->size };
  Stage *stage;
  gboolean ok;

  if (format == NULL)
    return FALSE;
  create.variant = options->variant != NULL ? options->variant : format->variants[0];
  if (options->base != NULL && !take_base (options, format, &create, error))
    return FALSE;
  if (options->base != NULL)
    create.base_name = base_name = image_base_name (folder, options->base);
  if (create.size <= IMAGE_SIZE_MAX)
    create.size = (create.size + SECTOR_SIZE - 1) & ~(uint64_t) (SECTOR_SIZE - 1);
  ok = image_check_create (path, format, &create, error);
  stage = ok ? stage_new (path, FALSE, error) : NULL;
  if (stage != NULL)
    {
      file = stage_file (stage);
      ok = image_create (file, path, format, &create, error);
      if (ok)
        ok = stage_commit (stage, error);
      else
        stage_abort (stage);
    }
  image_close (create.base);
  return ok && stage != NULL;
}
