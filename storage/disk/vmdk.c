/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VMDK, VMware's disk image: one sparse file, flat or sparse files named by a
 * descriptor, compressed streams; differencing.
 * Specification: VMware, "Virtual Disk Format 5.0"; facts checked against qemu-img.
 */

#include "storage/disk/vmdk-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  CACHE_SIZE = 16 << 20
};

/* Variants by VMware's words for them. */
static const struct
{
  const char *create_type, *variant;
} types[] = { { "monolithicSparse", "dynamic" },
              { "monolithicFlat", "fixed" },
              { "twoGbMaxExtentSparse", "twoGbMaxExtentSparse" },
              { "2GbMaxExtentSparse", "twoGbMaxExtentSparse" },
              { "twoGbMaxExtentFlat", "twoGbMaxExtentFlat" },
              { "2GbMaxExtentFlat", "twoGbMaxExtentFlat" },
              { "streamOptimized", "streamOptimized" } };

/* Opening */

static int
vmdk_probe (const ImageSample *sample)
{
  static const char title[] = "# Disk Descriptor";
  const char *text = (const char *)sample->head;
  uint32_t magic;

  if (sample->head_length < sizeof title)
    return 0;
  memcpy (&magic, text, sizeof magic);
  if (magic == VMDK_MAGIC || magic == VMDK_COW_MAGIC)
    return 100;
  return g_ascii_strncasecmp (text, title, sizeof title - 1) == 0 ? 100 : 0;
}

static VmdkDescriptor *
read_descriptor (Image *img, gboolean *embedded, GError **error)
{
  VmdkHeader header;
  uint64_t at = 0, length = img->file->size;
  g_autofree char *text = NULL;

  if (!image_pread (img, 0, &header, sizeof header, error))
    return NULL;
  *embedded = header.magic == VMDK_MAGIC;
  if (header.magic == VMDK_COW_MAGIC)
    {
      image_unsupported (error, img, _ ("disks of ESX servers must be converted there first"));
      return NULL;
    }
  if (*embedded)
    {
      if (header.descriptor_offset == 0)
        {
          image_unsupported (error, img, _ ("it is a part of a disk; open the file that describes all of it"));
          return NULL;
        }
      if (header.descriptor_offset > length / SECTOR_SIZE || header.descriptor_size > length / SECTOR_SIZE
          || header.descriptor_size * SECTOR_SIZE > length - header.descriptor_offset * SECTOR_SIZE)
        {
          image_damaged (error, img, _ ("the descriptor lies outside the file"));
          return NULL;
        }
      at = header.descriptor_offset * SECTOR_SIZE;
      length = header.descriptor_size * SECTOR_SIZE;
    }
  if (length > VMDK_DESCRIPTOR_MAX)
    {
      image_damaged (error, img, _ ("a descriptor of %llu bytes"), (unsigned long long)length);
      return NULL;
    }
  ((Vmdk *)img->state)->descriptor_at = at;
  text = g_malloc (length + 1);
  if (!image_pread (img, at, text, (size_t)length, error))
    return NULL;
  return vmdk_descriptor_parse (img, text, (size_t)length, error);
}

/* A file may hold several flat parts, which do not overlap. */
static gboolean
add_flat (Image *img, VmdkExtent *extent, uint64_t at, GError **error)
{
  const Vmdk *vmdk = img->state;

  extent->kind = VMDK_FLAT;
  extent->at = at;
  if (at > extent->file->size || extent->length > extent->file->size - at)
    return image_damaged (error, img, _ ("“%s” ends before its part of the disk does"), extent->file->path);
  for (unsigned i = 0; i < vmdk->extents->len; i++)
    {
      const VmdkExtent *other = &g_array_index (vmdk->extents, VmdkExtent, i);

      if (other->file != extent->file)
        continue;
      if (other->kind != VMDK_FLAT || (other->at < at + extent->length && at < other->at + other->length))
        return image_damaged (error, img, _ ("two parts of the disk overlap in “%s”"), extent->file->path);
    }
  return TRUE;
}

static gboolean
add_sparse (Image *img, VmdkExtent *extent, GError **error)
{
  const Vmdk *vmdk = img->state;

  for (unsigned i = 0; i < vmdk->extents->len; i++)
    if (g_array_index (vmdk->extents, VmdkExtent, i).file == extent->file)
      return image_damaged (error, img, _ ("two parts of the disk overlap in “%s”"), extent->file->path);
  if (!vmdk_sparse_open (img, extent, error))
    return FALSE;
  if (extent->header.capacity < extent->length / SECTOR_SIZE)
    return image_damaged (error, img, _ ("“%s” holds %llu sectors"), extent->file->path,
                          (unsigned long long)extent->header.capacity);
  return TRUE;
}

/* @files: those opened by now, by name; NULL: the descriptor lies in the one file that there is. */
static gboolean
add_extent (Image *img, const VmdkLine *line, GHashTable *files, GError **error)
{
  Vmdk *vmdk = img->state;
  VmdkExtent extent = { .start = img->size, .length = line->length, .read_only = line->access != 'w' };
  gboolean sparse = g_ascii_strcasecmp (line->type, "SPARSE") == 0, ok;

  if (line->access == 'n')
    return image_unsupported (error, img, _ ("a part of the disk cannot be accessed"));
  if (line->length > IMAGE_SIZE_MAX || img->size + line->length > IMAGE_SIZE_MAX)
    return image_damaged (error, img, _ ("a part of %llu bytes"), (unsigned long long)line->length);
  if (g_ascii_strcasecmp (line->type, "ZERO") == 0)
    {
      extent.kind = VMDK_ZERO;
      g_array_append_val (vmdk->extents, extent);
      img->size += line->length;
      return TRUE;
    }
  if (!sparse && g_ascii_strcasecmp (line->type, "FLAT") != 0 && g_ascii_strcasecmp (line->type, "VMFS") != 0)
    return image_unsupported (error, img, _ ("a part of the disk is of type %s"), line->type);
  extent.file = files == NULL ? img->file : g_hash_table_lookup (files, line->name);
  if (extent.file == NULL)
    {
      extent.file = image_open_sibling (img, line->name, error);
      if (extent.file == NULL)
        return FALSE;
      g_hash_table_insert (files, line->name, extent.file);
    }
  ok = sparse ? add_sparse (img, &extent, error) : add_flat (img, &extent, line->at, error);
  if (!ok)
    {
      vmdk_extent_clear (&extent);
      return FALSE;
    }
  g_array_append_val (vmdk->extents, extent);
  img->size += line->length;
  return TRUE;
}

static gboolean
add_extents (Image *img, gboolean embedded, GError **error)
{
  Vmdk *vmdk = img->state;
  const GPtrArray *lines = vmdk->descriptor->lines;
  g_autoptr (GHashTable) files = g_hash_table_new (g_str_hash, g_str_equal);

  if (embedded
      && (lines->len != 1 || g_ascii_strcasecmp (((VmdkLine *)g_ptr_array_index (lines, 0))->type, "SPARSE") != 0))
    return image_unsupported (error, img, _ ("it is a part of a disk; open the file that describes all of it"));
  for (unsigned i = 0; i < lines->len; i++)
    if (!add_extent (img, g_ptr_array_index (lines, i), embedded ? NULL : files, error))
      return FALSE;
  return TRUE;
}

/* The size of grains where all agree on it and begin where one does. */
static uint32_t
common_unit (const Vmdk *vmdk)
{
  uint32_t unit = 0;

  for (unsigned i = 0; i < vmdk->extents->len; i++)
    {
      const VmdkExtent *extent = &g_array_index (vmdk->extents, VmdkExtent, i);

      if (extent->kind != VMDK_SPARSE && extent->kind != VMDK_PACKED)
        continue;
      if ((unit != 0 && extent->grain != unit) || extent->start % extent->grain != 0)
        return SECTOR_SIZE;
      unit = extent->grain;
    }
  return unit != 0 ? unit : SECTOR_SIZE;
}

/* Programs of Windows name the parent by a path of theirs: beside this file it is found by the last word of that. */
static void
find_parent (Image *img)
{
  const VmdkDescriptor *descriptor = ((Vmdk *)img->state)->descriptor;
  const char *name = descriptor->parent, *last = strrchr (name, '\\');
  g_autofree char *path = g_path_is_absolute (name) ? g_strdup (name) : g_build_filename (img->folder, name, NULL);

  if (last != NULL && !g_file_test (path, G_FILE_TEST_EXISTS))
    name = last + 1;
  img->parent.wanted = TRUE;
  img->parent.name = g_strdup (name);
  img->parent.check_state = TRUE;
  memcpy (img->parent.identity.state, &descriptor->parent_cid, sizeof descriptor->parent_cid);
}

static void
vmdk_free (Vmdk *vmdk)
{
  for (unsigned i = 0; i < vmdk->extents->len; i++)
    vmdk_extent_clear (&g_array_index (vmdk->extents, VmdkExtent, i));
  g_array_unref (vmdk->extents);
  table_cache_free (vmdk->tables);
  vmdk_stream_free (vmdk->stream);
  vmdk_descriptor_free (vmdk->descriptor);
  g_free (vmdk);
}

static gboolean
set_up (Image *img, GError **error)
{
  Vmdk *vmdk = img->state;
  gboolean embedded;
  unsigned packed = 0;

  vmdk->descriptor = read_descriptor (img, &embedded, error);
  if (vmdk->descriptor == NULL || !add_extents (img, embedded, error))
    return FALSE;
  for (unsigned i = 0; i < vmdk->extents->len; i++)
    packed += g_array_index (vmdk->extents, VmdkExtent, i).kind == VMDK_PACKED;
  if (packed > 0 && (vmdk->extents->len > 1 || vmdk->descriptor->parent_cid != VMDK_NO_PARENT))
    return image_unsupported (error, img, _ ("it is compressed, and not one stream"));
  if (packed > 0)
    vmdk->stream = vmdk_stream_new ();
  vmdk->tables = table_cache_new (img, SECTOR_SIZE, CACHE_SIZE, NULL);
  img->variant = vmdk->descriptor->create_type != NULL ? vmdk->descriptor->create_type : "custom";
  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_ascii_strcasecmp (img->variant, types[i].create_type) == 0)
      {
        img->variant = types[i].variant;
        break;
      }
  img->unit = common_unit (vmdk);
  memcpy (img->identity.state, &vmdk->descriptor->cid, sizeof vmdk->descriptor->cid);
  if (vmdk->descriptor->parent_cid != VMDK_NO_PARENT)
    {
      if (vmdk->descriptor->parent == NULL)
        return image_damaged (error, img, _ ("it does not name its parent"));
      find_parent (img);
    }
  return TRUE;
}

static gboolean
vmdk_open (Image *img, GError **error)
{
  Vmdk *vmdk = g_new0 (Vmdk, 1);

  vmdk->extents = g_array_new (FALSE, FALSE, sizeof (VmdkExtent));
  img->state = vmdk;
  if (set_up (img, error))
    return TRUE;
  vmdk_free (vmdk);
  img->state = NULL;
  return FALSE;
}

/* Whether an extent's file was closed properly: VMware checks it otherwise. */
static gboolean
mark_unclean (Image *img, uint8_t unclean, GError **error)
{
  Vmdk *vmdk = img->state;

  for (unsigned i = 0; i < vmdk->extents->len; i++)
    {
      VmdkExtent *extent = &g_array_index (vmdk->extents, VmdkExtent, i);

      if (extent->kind != VMDK_SPARSE || extent->read_only)
        continue;
      if (!image_file_write (extent->file, G_STRUCT_OFFSET (VmdkHeader, unclean), &unclean, 1, error))
        return FALSE;
      extent->header.unclean = unclean;
    }
  return TRUE;
}

static gboolean
vmdk_rest (Image *img, GError **error)
{
  Vmdk *vmdk = img->state;

  if (vmdk->changed
      && (vmdk->stream != NULL ? !vmdk_stream_flush (img, TRUE, error)
                               : !table_cache_flush (vmdk->tables, error) || !mark_unclean (img, 0, error)))
    return FALSE;
  vmdk->changed = FALSE;
  return TRUE;
}

static void
vmdk_close (Image *img)
{
  g_autoptr (GError) error = NULL;

  if (!vmdk_rest (img, &error))
    g_warning ("%s", error->message);
  vmdk_free (img->state);
}

/* Reading and writing */

static VmdkExtent *
find_extent (const Vmdk *vmdk, uint64_t offset)
{
  return image_find_part (vmdk->extents, G_STRUCT_OFFSET (VmdkExtent, start), offset);
}

static gboolean
vmdk_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  Vmdk *vmdk = img->state;
  VmdkExtent *extent = find_extent (vmdk, offset);
  uint64_t within = offset - extent->start, left = extent->length - within;

  switch (extent->kind)
    {
    case VMDK_FLAT:
      image_file_extent (extent->file, extent->at + within, MIN (length, left), out);
      return TRUE;
    case VMDK_ZERO:
      *out = (ImageExtent){ .kind = IMAGE_ZERO, .length = left };
      return TRUE;
    default:
      if (!(vmdk->stream != NULL ? vmdk_stream_extent (img, within, length, out, error)
                                 : vmdk_sparse_extent (img, extent, within, length, out, error)))
        return FALSE;
      out->length = MIN (out->length, left);
      return TRUE;
    }
}

static gboolean
vmdk_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  VmdkExtent *extent = find_extent (img->state, offset);
  uint64_t within = offset - extent->start;

  if (!vmdk_sparse_reserve (img, extent, within, MIN (length, extent->length - within), out, error))
    return FALSE;
  out->length = MIN (out->length, extent->length - out->start);
  out->start += extent->start;
  return TRUE;
}

static gboolean
vmdk_commit (Image *img, const ImagePlace *place, GError **error)
{
  VmdkExtent *extent = find_extent (img->state, place->start);

  return vmdk_sparse_commit (img, extent, place->start - extent->start, place, error);
}

static void
vmdk_release (Image *img, const ImagePlace *place)
{
  vmdk_sparse_release (find_extent (img->state, place->start), place);
}

/* Images based on this one know by the content ID when it has changed. */
static gboolean
note_change (Image *img, GError **error)
{
  Vmdk *vmdk = img->state;
  /* More digits than eight begin with zeros, which stay. */
  unsigned digits = MIN (vmdk->descriptor->cid_digits, 8),
           at = vmdk->descriptor->cid_at + vmdk->descriptor->cid_digits - digits;
  gboolean ok = TRUE;

  g_mutex_lock (&img->map_lock);
  if (!vmdk->changed)
    {
      uint32_t old = vmdk->descriptor->cid, cid = img->same ? old : g_random_int () >> (32 - 4 * digits);
      g_autofree char *text = NULL;

      if (!img->same && cid == old)
        cid ^= 2;
      /* The two highest mean something else. */
      if (cid >= VMDK_NO_PARENT - 1)
        cid = old == 1 ? 2 : 1;
      text = g_strdup_printf ("%0*x", (int)digits, cid);
      ok = image_pwrite (img, vmdk->descriptor_at + at, text, digits, error)
           && mark_unclean (img, 1, error);
      if (ok)
        {
          vmdk->changed = TRUE;
          vmdk->descriptor->cid = cid;
          memcpy (img->identity.state, &cid, sizeof cid);
        }
    }
  g_mutex_unlock (&img->map_lock);
  return ok;
}

static gboolean
read_part (Image *img, const VmdkExtent *extent, uint64_t offset, void *buffer, size_t length, GError **error)
{
  if (extent->kind == VMDK_FLAT)
    return image_file_read (extent->file, extent->at + (offset - extent->start), buffer, length, error);
  return image_map_read (img, offset, buffer, length, error);
}

static gboolean
write_part (Image *img, const VmdkExtent *extent, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  if (extent->read_only || extent->kind == VMDK_ZERO)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _ ("a part of “%s” is read-only"), img->path);
      return FALSE;
    }
  if (extent->kind == VMDK_FLAT)
    return image_file_write (extent->file, extent->at + (offset - extent->start), buffer, length, error);
  return extent->kind == VMDK_PACKED ? vmdk_stream_write (img, offset, buffer, length, error)
                                     : image_map_write (img, offset, buffer, length, error);
}

static gboolean
vmdk_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      const VmdkExtent *extent = find_extent (img->state, offset);
      size_t chunk = (size_t)MIN (length, extent->start + extent->length - offset);

      if (!read_part (img, extent, offset, out, chunk, error))
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vmdk_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  const uint8_t *in = buffer;

  if (!note_change (img, error))
    return FALSE;
  while (length > 0)
    {
      const VmdkExtent *extent = find_extent (img->state, offset);
      size_t chunk = (size_t)MIN (length, extent->start + extent->length - offset);

      if (!write_part (img, extent, offset, in, chunk, error))
        return FALSE;
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
write_zeros (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  g_autofree uint8_t *zeros = g_malloc0 (MIN (length, 1 << 20));

  while (length > 0)
    {
      size_t chunk = (size_t)MIN (length, 1 << 20);

      if (!vmdk_write (img, offset, zeros, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* Within one extent. */
static gboolean
discard_part (Image *img, VmdkExtent *extent, uint64_t offset, uint64_t length, GError **error)
{
  uint64_t within = offset - extent->start;
  gboolean whole = within % MAX (extent->grain, 1) == 0
                   && (length % MAX (extent->grain, 1) == 0 || within + length == extent->length);

  if (extent->kind == VMDK_ZERO)
    return TRUE;
  if (extent->kind == VMDK_FLAT && !extent->read_only)
    return image_file_zero (extent->file, extent->at + within, length, error);
  if (extent->kind == VMDK_SPARSE && !extent->read_only && whole)
    return vmdk_sparse_discard (img, extent, within, length, error);
  return write_zeros (img, offset, length, error);
}

static gboolean
vmdk_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  if (!note_change (img, error))
    return FALSE;
  while (length > 0)
    {
      VmdkExtent *extent = find_extent (img->state, offset);
      uint64_t chunk = MIN (length, extent->start + extent->length - offset);

      if (!discard_part (img, extent, offset, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
vmdk_flush (Image *img, GError **error)
{
  Vmdk *vmdk = img->state;

  return vmdk->stream != NULL ? vmdk_stream_flush (img, FALSE, error) : table_cache_flush (vmdk->tables, error);
}

static const char *const variants[]
    = { "dynamic", "fixed", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized", NULL };
static const char *const endings[] = { "vmdk", NULL };

const ImageFormat vmdk_format
    = { .name = "vmdk",
        .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD | IMAGE_CAN_BACK | IMAGE_MANY_FILES,
        .variants = variants,
        .endings = endings,
        .max_size = IMAGE_SIZE_MAX,
        .probe = vmdk_probe,
        .open = vmdk_open,
        .create = vmdk_create,
        .close = vmdk_close,
        .rest = vmdk_rest,
        .read = vmdk_read,
        .write = vmdk_write,
        .discard = vmdk_discard,
        .flush = vmdk_flush,
        .extent = vmdk_extent,
        .reserve = vmdk_reserve,
        .commit = vmdk_commit,
        .release = vmdk_release,
        .unpack = vmdk_stream_unpack,
        .resize = vmdk_resize,
        .check = vmdk_check };
