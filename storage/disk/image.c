/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening images: probing, the files and bases they name; the registry of formats. */

#include "storage/disk/create.h"
#include "storage/disk/remote.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

G_DEFINE_QUARK (bunshin-disk-error, disk_error)

const ImageFormat *const image_formats[] = {
  &vdi_format,
  &vhd_format,
  &vhdx_format,
  &hdd_format,
  &vmdk_format,
  &qcow2_format,
  &iso_format,
  &raw_format,
  NULL,
};

/* The chain that is being opened, from the top. */
typedef struct Chain
{
  const Image *img;
  const struct Chain *above;
} Chain;

const ImageFormat *
image_format_find (const char *name)
{
  for (unsigned i = 0; image_formats[i] != NULL; i++)
    if (g_strcmp0 (image_formats[i]->name, name) == 0)
      return image_formats[i];
  return NULL;
}

gboolean
image_damaged (GError **error, Image *img, const char *format, ...)
{
  va_list arguments;
  g_autofree char *cause = NULL;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the %s image “%s” is damaged: %s"), img->format->name,
               img->path, cause);
  return FALSE;
}

gboolean
image_unsupported (GError **error, Image *img, const char *format, ...)
{
  va_list arguments;
  g_autofree char *cause = NULL;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot open “%s”: %s"), img->path, cause);
  return FALSE;
}

void
image_report (ImageReport *report, uint64_t *count, const char *format, ...)
{
  va_list arguments;

  ++*count;
  if (report->messages == NULL)
    report->messages = g_ptr_array_new_with_free_func (g_free);
  if (report->messages->len >= IMAGE_REPORT_MAX)
    return;
  va_start (arguments, format);
  g_ptr_array_add (report->messages, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

void
image_report_clear (ImageReport *report)
{
  g_clear_pointer (&report->messages, g_ptr_array_unref);
}

static const ImageFormat *
probe (ImageFile *file, GError **error)
{
  g_autofree uint8_t *head = g_malloc0 (IMAGE_HEAD_SIZE), *tail = g_malloc0 (IMAGE_TAIL_SIZE);
  g_autofree char *name = g_path_get_basename (file->path);
  ImageSample sample = { .head = head, .tail = tail, .file_size = file->size, .name = name };
  const ImageFormat *best = NULL;
  int best_score = 0;

  sample.head_length = (size_t) MIN (file->size, IMAGE_HEAD_SIZE);
  sample.tail_length = (size_t) MIN (file->size, IMAGE_TAIL_SIZE);
  if (!image_file_read (file, 0, head, sample.head_length, error)
      || !image_file_read (file, file->size - sample.tail_length, tail, sample.tail_length, error))
    return NULL;
  for (unsigned i = 0; image_formats[i] != NULL; i++)
    {
      int score = image_formats[i]->probe (&sample);

      if (score > best_score)
        {
          best = image_formats[i];
          best_score = score;
        }
    }
  return best;
}

static char *
real_path (const char *path)
{
  char *real = realpath (path, NULL), *copy = g_strdup (real);

  free (real);
  return copy;
}

char *
image_follow (Image *img, const char *name, GError **error)
{
  g_autofree char *path = g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (img->folder, name, NULL);
  g_autofree char *real = real_path (path), *folder = real_path (img->folder);
  gsize length;

  /* What does not exist is told by who opens it. */
  if (img->trusted || real == NULL || folder == NULL)
    return g_steal_pointer (&path);
  length = strlen (folder);
  while (length > 0 && folder[length - 1] == '/')
    length--;
  if (strncmp (real, folder, length) == 0 && real[length] == '/')
    return g_steal_pointer (&path);
  g_set_error (error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED,
               _("cannot open “%s”: it refers to “%s”, which is not in its folder, and is not followed unasked"),
               img->path, name);
  return NULL;
}

/* @instead_of: the image that has it open already, whose lock it takes over; or NULL. */
static ImageFile *
open_file (const Image *instead_of, const char *path, gboolean read_only, gboolean direct, gboolean looking, GError **error)
{
  ImageFile *file, *old;

  if (instead_of == NULL)
    return looking ? image_file_look (path, error) : image_file_open (path, read_only, direct, error);
  file = image_file_look (path, error);
  if (file == NULL)
    return NULL;
  old = image_find_file (instead_of, file);
  image_file_close (file);
  if (old != NULL)
    return image_file_take_over (old, direct, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("cannot open “%s”: it was replaced by another file"), path);
  return NULL;
}

ImageFile *
image_open_sibling (Image *img, const char *name, GError **error)
{
  g_autofree char *path = image_follow (img, name, error);
  ImageFile *file = NULL;

  if (path != NULL)
    file = open_file (img->instead_of, path, img->read_only, img->direct, img->looking, error);
  if (file != NULL)
    g_ptr_array_add (img->siblings, file);
  return file;
}

ImageFile *
image_create_sibling (Image *img, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (img->folder, name, NULL);
  ImageFile *file = image_file_create (path, error);

  if (file != NULL)
    g_ptr_array_add (img->siblings, file);
  return file;
}

static Image *open_layer (const char *path, ImageOpenFlags flags, const char *format, const char *const *bases,
                          const Chain *above, GError **error);

/* The base of an image that only knows its identity lies beside it, or, as VirtualBox has it, above its folder of
 * snapshots. */
static char *
find_by_identity (Image *img, GError **error)
{
  g_autofree char *name = g_path_get_basename (img->folder), *parent = g_path_get_dirname (img->folder);
  const char *folders[] = { img->folder, g_str_equal (name, "Snapshots") ? parent : NULL };

  for (unsigned i = 0; i < G_N_ELEMENTS (folders) && folders[i] != NULL; i++)
    {
      g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
      const char *entry;

      while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (folders[i], entry, NULL);
          const char *ending = strrchr (entry, '.');
          Image *other;
          gboolean found;

          if (ending == NULL || g_ascii_strcasecmp (ending + 1, img->format->endings[0]) != 0)
            continue;
          other = image_open (path, IMAGE_OPEN_READ_ONLY | IMAGE_OPEN_NO_BASE, NULL, NULL, NULL);
          if (other == NULL)
            continue;
          found = other->format == img->format
                  && memcmp (other->identity.uuid, img->parent.identity.uuid, sizeof other->identity.uuid) == 0;
          image_close (other);
          if (found)
            return g_steal_pointer (&path);
        }
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
               _("cannot open “%s”: it is a differencing image, and its parent is not in its folder"), img->path);
  return NULL;
}

/* What is in use by nobody may have been left by a run that was killed before it could close it, and want to be written to
 * before it can be read. */
static gboolean
mend_base (const char *path, ImageOpenFlags flags, const char *format, GError *cause)
{
  Image *img;

  if (!g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED) || !(flags & IMAGE_OPEN_MEND))
    return FALSE;
  img = image_open (path, (flags & ~(ImageOpenFlags) IMAGE_OPEN_READ_ONLY) | IMAGE_OPEN_NO_BASE | IMAGE_OPEN_SAME, format,
                    NULL, NULL);
  image_close (img);
  return img != NULL;
}

/* @given: what lies below @img, or NULL: as it says itself. */
static gboolean
open_base (Image *img, ImageOpenFlags flags, const char *const *given, const Chain *above, GError **error)
{
  const ImageParent *parent = &img->parent;
  const char *format = parent->format;
  g_autoptr (GError) own = NULL;
  Chain chain = { img, above };
  g_autofree char *path = NULL;

  flags = (flags & ~(ImageOpenFlags) IMAGE_OPEN_CHECKING) | IMAGE_OPEN_READ_ONLY;
  if (given != NULL)
    {
      path = g_strdup (*given++);
      if (*given == NULL)
        given = NULL;
      else
        format = qcow2_format.name;
    }
  else
    path = parent->name != NULL ? image_follow (img, parent->name, error) : find_by_identity (img, error);
  if (path == NULL)
    return FALSE;
  img->base = open_layer (path, flags, format, given, &chain, &own);
  if (img->base == NULL && mend_base (path, flags, format, own))
    {
      g_clear_error (&own);
      img->base = open_layer (path, flags, format, given, &chain, &own);
    }
  if (img->base == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&own));
      g_prefix_error (error, _("the base of “%s”: "), img->path);
      return FALSE;
    }
  if ((parent->check_uuid && memcmp (parent->identity.uuid, img->base->identity.uuid, 16) != 0)
      || (parent->check_state && memcmp (parent->identity.state, img->base->identity.state, 16) != 0))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   _("cannot open “%s”: “%s” is not the image it was based on, or has changed since"), img->path,
                   img->base->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_chain (const Image *img, const Chain *above, GError **error)
{
  unsigned depth = 1;

  for (const Chain *c = above; c != NULL; c = c->above, depth++)
    if (image_file_is_same (c->img->file, img->file))
      {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("cannot open “%s”: it is based on itself"),
                     img->path);
        return FALSE;
      }
  if (depth <= IMAGE_CHAIN_MAX)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("cannot open “%s”: it is based on over %d others"),
               img->path, IMAGE_CHAIN_MAX);
  return FALSE;
}

Image *
image_new (const char *path)
{
  Image *img = g_new0 (Image, 1);

  img->path = g_strdup (path);
  img->folder = g_path_get_dirname (path);
  img->siblings = g_ptr_array_new_with_free_func ((GDestroyNotify) image_file_close);
  img->unit = SECTOR_SIZE;
  img->variant = "dynamic";
  g_mutex_init (&img->map_lock);
  g_cond_init (&img->map_cond);
  return img;
}

static Image *
open_remote (const char *address, const ImageFormat *format, ImageOpenFlags flags, GError **error)
{
  g_autofree char *name = image_remote_name (address);
  Image *img = image_new (name);

  img->address = g_strdup (address);
  img->read_only = (flags & IMAGE_OPEN_READ_ONLY) != 0;
  img->format = format;
  if (format->open (img, error))
    return img;
  img->format = NULL;
  image_close (img);
  return NULL;
}

/* The locks that it took over. */
static void
hand_back (Image *img, const Image *instead_of)
{
  ImageFile *old = image_find_file (instead_of, img->file);

  image_file_hand_back (img->file, old);
  for (unsigned i = 0; i < img->siblings->len; i++)
    {
      ImageFile *file = g_ptr_array_index (img->siblings, i);

      old = image_find_file (instead_of, file);
      if (old != NULL)
        image_file_hand_back (file, old);
    }
}

/* @file is taken. @path is its own. */
static Image *
open_in_file (ImageFile *file, const char *path, ImageOpenFlags flags, const char *format, const char *const *bases,
              const Chain *above, const Image *instead_of, GError **error)
{
  const ImageFormat *found;
  Image *img = image_new (path);

  img->file = file;
  img->instead_of = instead_of;
  img->read_only = (flags & IMAGE_OPEN_READ_ONLY) != 0;
  img->direct = (flags & IMAGE_OPEN_DIRECT) != 0;
  img->looking = (flags & IMAGE_OPEN_LOOK) != 0;
  img->same = (flags & IMAGE_OPEN_SAME) != 0;
  img->checking = (flags & IMAGE_OPEN_CHECKING) != 0;
  img->trusted = (flags & IMAGE_OPEN_TRUSTED) != 0;
  if (!check_chain (img, above, error))
    goto fail;
  found = format != NULL ? image_format_find (format) : probe (file, error);
  if (found == NULL)
    {
      if (format != NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("cannot open “%s”: there is no disk format “%s”"),
                     path, format);
      goto fail;
    }
  img->format = found;
  if (!found->open (img, error))
    {
      img->format = NULL;
      goto fail;
    }
  if (img->size > IMAGE_SIZE_MAX)
    {
      image_damaged (error, img, _("a disk of %llu bytes"), (unsigned long long) img->size);
      goto fail;
    }
  if (bases != NULL && !img->parent.wanted)
    {
      image_unsupported (error, img, _("it is not based on another image"));
      goto fail;
    }
  if (img->parent.wanted && !(flags & IMAGE_OPEN_NO_BASE) && !open_base (img, flags, bases, above, error))
    goto fail;
  img->instead_of = NULL;
  return img;

fail:
  if (instead_of != NULL)
    hand_back (img, instead_of);
  image_close (img);
  return NULL;
}

static Image *
open_layer (const char *path, ImageOpenFlags flags, const char *format, const char *const *bases, const Chain *above,
            GError **error)
{
  /* A disk of Parallels may be a folder. */
  g_autofree char *inside = g_build_filename (path, "DiskDescriptor.xml", NULL);
  const char *first = g_file_test (inside, G_FILE_TEST_IS_REGULAR) ? inside : path;
  ImageFile *file = open_file (NULL, first, (flags & IMAGE_OPEN_READ_ONLY) != 0, (flags & IMAGE_OPEN_DIRECT) != 0,
                               (flags & IMAGE_OPEN_LOOK) != 0, error);

  return file != NULL ? open_in_file (file, first, flags, format, bases, above, NULL, error) : NULL;
}

Image *
image_open_chain (const char *path, ImageOpenFlags flags, const char *format, const char *const *chain, GError **error)
{
  const ImageFormat *remote = image_remote_format (path);

  if (chain != NULL && chain[0] == NULL)
    chain = NULL;
  return remote != NULL ? open_remote (path, remote, flags, error)
                        : open_layer (path, flags, format, chain, NULL, error);
}

Image *
image_open (const char *path, ImageOpenFlags flags, const char *format, const char *base, GError **error)
{
  const char *const chain[] = { base, NULL };

  return image_open_chain (path, flags, format, chain, error);
}

Image *
image_reopen (Image *img, GError **error)
{
  ImageOpenFlags flags = IMAGE_OPEN_NO_BASE | (img->trusted ? IMAGE_OPEN_TRUSTED : 0) | (img->direct ? IMAGE_OPEN_DIRECT : 0);
  ImageFile *file = open_file (img, img->path, FALSE, img->direct, FALSE, error);

  return file != NULL ? open_in_file (file, img->path, flags, img->format->name, NULL, NULL, img, error) : NULL;
}

void
image_close (Image *img)
{
  Image *base;

  for (; img != NULL; img = base)
    {
      base = img->base;
      if (img->format != NULL && img->format->close != NULL)
        img->format->close (img);
      image_file_close (img->file);
      g_ptr_array_unref (img->siblings);
      image_blanks_free (img->blanks);
      g_mutex_clear (&img->map_lock);
      g_cond_clear (&img->map_cond);
      g_free (img->parent.name);
      g_free (img->parent.format);
      g_free (img->folder);
      g_free (img->address);
      g_free (img->path);
      g_free (img);
    }
}
