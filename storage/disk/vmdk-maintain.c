/* SPDX-License-Identifier: GPL-3.0-or-later */
/* VMDK: new images, changing the size, checking. */

#include "storage/disk/claims.h"
#include "storage/disk/vmdk-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
round_up (uint64_t value, uint64_t unit)
{
  return (value + unit - 1) / unit * unit;
}

/* Creating */

/* The name of a further file: "disk.vmdk" gives "disk-flat.vmdk", "disk-s001.vmdk". Caller frees. */
static char *
part_name (const Image *img, const char *suffix, unsigned number)
{
  g_autofree char *name = g_path_get_basename (img->file->path), *counted = NULL;
  char *dot = strrchr (name, '.');

  if (dot != NULL)
    *dot = '\0';
  counted = number > 0 ? g_strdup_printf ("%03u", number) : g_strdup ("");
  return g_strdup_printf ("%s-%s%s.%s", name, suffix, counted, dot != NULL ? dot + 1 : "vmdk");
}

static gboolean
create_part (Image *img, const char *name, gboolean sparse, uint64_t size, GError **error)
{
  ImageFile *file = image_create_sibling (img, name, error);

  if (file == NULL)
    return FALSE;
  return sparse ? vmdk_sparse_create (file, size, NULL, error) : image_file_allocate (file, 0, size, error);
}

/* Files beside the descriptor, with at most @part bytes each. */
static gboolean
create_parts (Image *img, const ImageCreate *options, const char *create_type, uint64_t part, gboolean sparse,
              GError **error)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autofree char *text = NULL;
  unsigned number = part < G_MAXUINT64 ? 1 : 0;

  for (uint64_t done = 0; done < options->size; number++)
    {
      uint64_t size = MIN (options->size - done, part);
      g_autofree char *name = part_name (img, number == 0 ? "flat" : sparse ? "s" : "f", number);

      if (number > VMDK_EXTENTS_MAX)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                       _ ("cannot create “%s”: it would have more than %d parts"), img->path, VMDK_EXTENTS_MAX);
          return FALSE;
        }
      if (!create_part (img, name, sparse, size, error))
        return FALSE;
      g_string_append_printf (lines, "RW %llu %s \"%s\"%s\n", (unsigned long long)(size / SECTOR_SIZE),
                              sparse ? "SPARSE" : "FLAT", name, sparse ? "" : " 0");
      done += size;
    }
  text = vmdk_descriptor_write (options, create_type, lines->str);
  return image_pwrite (img, 0, text, strlen (text), error);
}

static gboolean
check_base (Image *img, const ImageCreate *options, GError **error)
{
  if (options->base == NULL)
    return TRUE;
  if (!g_str_equal (options->variant, "dynamic") || !g_str_equal (options->base->format->name, "vmdk"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   _ ("cannot create “%s”: a VMDK image that is based on another must be dynamic, and the other a VMDK "
                      "image too"),
                   img->path);
      return FALSE;
    }
  if (strpbrk (options->base_name, "\"\n") != NULL || strlen (options->base_name) > 4096)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _ ("cannot create “%s”: the name of “%s” cannot be written down"), img->path, options->base_name);
      return FALSE;
    }
  return TRUE;
}

gboolean
vmdk_create (Image *img, const ImageCreate *options, GError **error)
{
  const char *variant = options->variant;
  gboolean stream = g_str_equal (variant, "streamOptimized");
  g_autofree char *name = g_path_get_basename (img->file->path), *line = NULL, *text = NULL;

  if (strpbrk (name, "\"\n") != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _ ("cannot create “%s”: the name of “%s” cannot be written down"), img->path, name);
      return FALSE;
    }
  if (!check_base (img, options, error))
    return FALSE;
  if (g_str_equal (variant, "fixed"))
    return create_parts (img, options, "monolithicFlat", G_MAXUINT64, FALSE, error);
  if (g_str_equal (variant, "twoGbMaxExtentFlat"))
    return create_parts (img, options, variant, VMDK_SPLIT, FALSE, error);
  if (g_str_equal (variant, "twoGbMaxExtentSparse"))
    return create_parts (img, options, variant, VMDK_SPLIT, TRUE, error);
  line = g_strdup_printf ("RW %llu SPARSE \"%s\"\n", (unsigned long long)(options->size / SECTOR_SIZE), name);
  text = vmdk_descriptor_write (options, stream ? variant : "monolithicSparse", line);
  return stream ? vmdk_stream_create (img->file, options->size, text, error)
                : vmdk_sparse_create (img->file, options->size, text, error);
}

/* Resizing */

/* Caller frees; NULL with @error set. */
static char *
read_text (Image *img, uint64_t at, uint64_t length, GError **error)
{
  g_autofree char *text = g_malloc0 (length + 1);

  return image_pread (img, at, text, (size_t)length, error) ? g_steal_pointer (&text) : NULL;
}

static uint64_t
count_tables (const VmdkExtent *extent, uint64_t size)
{
  uint64_t per_table = (uint64_t)extent->grain * extent->header.table_entries;

  return (size + per_table - 1) / per_table;
}

/* Both directories and the descriptor go to the end of the file; then one sector, the header, makes them those that
 * count. */
static gboolean
rewrite_sparse (Image *img, VmdkExtent *extent, uint64_t size, GError **error)
{
  Vmdk *vmdk = img->state;
  VmdkHeader header = extent->header;
  uint64_t tables = count_tables (extent, size), directory_bytes = round_up (tables * 4, SECTOR_SIZE), length,
           at = extent->next, descriptor_at;
  g_autofree char *text = NULL, *changed = NULL;
  uint32_t *directories[2] = { extent->directory, extent->redundant };

  if (tables * 4 > VMDK_DIRECTORY_MAX)
    return image_unsupported (error, img, _ ("its block map would be too large"));
  text = read_text (img, vmdk->descriptor_at, header.descriptor_size * SECTOR_SIZE, error);
  if (text == NULL)
    return FALSE;
  changed = vmdk_descriptor_resize (text, size);
  length = round_up (MAX (strlen (changed) + 1, header.descriptor_size * SECTOR_SIZE), SECTOR_SIZE);
  descriptor_at = at + directory_bytes * (extent->redundant != NULL ? 2 : 1);
  if ((descriptor_at + length) / SECTOR_SIZE > G_MAXUINT32)
    return image_damaged (error, img, _ ("“%s” would become larger than the format can tell"), extent->file->path);
  if (!image_file_truncate (extent->file, at, error)
      || !image_file_truncate (extent->file, descriptor_at + length, error)
      || !image_pwrite (img, descriptor_at, changed, strlen (changed), error))
    return FALSE;
  for (int i = 0; i < 2 && directories[i] != NULL; i++)
    {
      directories[i] = g_realloc (directories[i], directory_bytes);
      *(i == 0 ? &extent->directory : &extent->redundant) = directories[i];
      if (tables > extent->tables)
        memset (directories[i] + extent->tables, 0, (size_t)(tables - extent->tables) * 4);
      if (!image_pwrite (img, at + (uint64_t)i * directory_bytes, directories[i], (size_t)tables * 4, error))
        return FALSE;
    }
  header.capacity = size / SECTOR_SIZE;
  header.directory_offset = at / SECTOR_SIZE;
  if (extent->redundant != NULL)
    header.redundant_offset = (at + directory_bytes) / SECTOR_SIZE;
  header.descriptor_offset = descriptor_at / SECTOR_SIZE;
  header.descriptor_size = length / SECTOR_SIZE;
  if (!image_sync (img, error) || !image_pwrite (img, 0, &header, sizeof header, error) || !image_sync (img, error))
    return FALSE;
  extent->header = header;
  extent->tables = (uint32_t)tables;
  extent->next = descriptor_at + length;
  extent->length = size;
  vmdk->descriptor_at = descriptor_at;
  return TRUE;
}

/* The sectors where grains from @size on are. */
static gboolean
collect_grains (Image *img, VmdkExtent *extent, uint64_t size, GArray *sectors, GError **error)
{
  for (uint64_t i = (size + extent->grain - 1) / extent->grain; i * extent->grain < extent->length; i++)
    {
      uint32_t sector;

      if (!vmdk_sparse_find (img, extent, i, &sector, error))
        return FALSE;
      if (sector > VMDK_GTE_ZERO)
        g_array_append_val (sectors, sector);
    }
  return TRUE;
}

static gboolean
resize_sparse (Image *img, VmdkExtent *extent, uint64_t size, GError **error)
{
  uint64_t old = extent->length;
  g_autoptr (GArray) sectors = g_array_new (FALSE, FALSE, sizeof (uint32_t));

  if (size < old)
    {
      if (!collect_grains (img, extent, size, sectors, error) || !rewrite_sparse (img, extent, size, error)
          || !vmdk_sparse_cut (img, extent, size, error))
        return FALSE;
      for (unsigned i = 0; i < sectors->len; i++)
        image_file_punch (extent->file, (uint64_t)g_array_index (sectors, uint32_t, i) * SECTOR_SIZE, extent->grain);
      return TRUE;
    }
  if (!vmdk_sparse_cut (img, extent, old, error) || !rewrite_sparse (img, extent, size, error))
    return FALSE;
  /* What the parent has there must not appear. */
  if (img->base != NULL && img->base->size > old)
    {
      img->size = size;
      return image_zero (img, old, MIN (size, img->base->size) - old, error) && img->format->flush (img, error);
    }
  return TRUE;
}

static gboolean
resize_flat (Image *img, VmdkExtent *extent, uint64_t size, GError **error)
{
  Vmdk *vmdk = img->state;
  uint64_t old = extent->length, length;
  g_autofree char *text = NULL, *changed = NULL, *padded = NULL;

  if (extent->at != 0 || vmdk->descriptor_at != 0 || !image_file_length (img->file, &length, error))
    return extent->at != 0 ? image_unsupported (error, img, _ ("disks of several parts keep their size")) : FALSE;
  if (size > old && !image_file_allocate (extent->file, old, size - old, error))
    return FALSE;
  text = read_text (img, 0, length, error);
  if (text == NULL || !image_sync (img, error))
    return FALSE;
  changed = vmdk_descriptor_resize (text, size);
  /* Never shorter than before, so that one write does it. */
  padded = g_strnfill (MAX (strlen (changed), length), '\n');
  memcpy (padded, changed, strlen (changed));
  if (!image_pwrite (img, 0, padded, strlen (padded), error) || !image_sync (img, error))
    return FALSE;
  extent->length = size;
  return image_file_truncate (extent->file, size, error) && image_sync (img, error);
}

gboolean
vmdk_resize (Image *img, uint64_t size, GError **error)
{
  Vmdk *vmdk = img->state;
  VmdkExtent *extent = &g_array_index (vmdk->extents, VmdkExtent, 0);
  gboolean ok;

  if (vmdk->stream != NULL)
    return image_unsupported (error, img, _ ("a compressed stream keeps its size"));
  if (vmdk->extents->len > 1 || extent->kind == VMDK_ZERO || (extent->kind == VMDK_SPARSE && extent->file != img->file))
    return image_unsupported (error, img, _ ("disks of several parts keep their size"));
  ok = extent->kind == VMDK_FLAT ? resize_flat (img, extent, size, error) : resize_sparse (img, extent, size, error);
  if (ok)
    img->size = size;
  return ok;
}

/* Checking */

typedef struct
{
  Image *img;
  VmdkExtent *extent;
  gboolean repair;
  ImageReport *report;
  Claims *claims;
  unsigned pass; /* a large file is looked at in parts */
  uint64_t start;
} Check;

static void
claim_tables (Check *check)
{
  const VmdkExtent *extent = check->extent;
  const VmdkHeader *h = &extent->header;
  uint32_t *const directories[2] = { extent->directory, extent->redundant };

  claims_take (check->claims, 0, SECTOR_SIZE);
  claims_take (check->claims, h->descriptor_offset * SECTOR_SIZE, h->descriptor_size * SECTOR_SIZE);
  for (int i = 0; i < 2 && directories[i] != NULL; i++)
    {
      claims_take (check->claims, (i == 0 ? h->directory_offset : h->redundant_offset) * SECTOR_SIZE,
                   (uint64_t)extent->tables * 4);
      for (uint32_t j = 0; j < extent->tables; j++)
        if (directories[i][j] > VMDK_GTE_ZERO)
          claims_take (check->claims, (uint64_t)directories[i][j] * SECTOR_SIZE, h->table_entries * 4);
    }
}

/* Gives @grain a place of its own, with the same in it. */
static gboolean
copy_grain (Check *check, uint64_t grain, uint32_t sector, GError **error)
{
  VmdkExtent *extent = check->extent;
  ImagePlace place = { 0 };

  return vmdk_sparse_reserve (check->img, extent, grain * extent->grain, extent->grain, &place, error)
         && image_file_copy (extent->file, (uint64_t)sector * SECTOR_SIZE, place.at, extent->grain, error)
         && vmdk_sparse_set (check->img, extent, grain, (uint32_t)(place.at / SECTOR_SIZE), error);
}

static gboolean
check_grain (Check *check, uint64_t grain, GError **error)
{
  VmdkExtent *extent = check->extent;
  uint64_t at, length = extent->grain;
  uint32_t sector;

  if (!vmdk_sparse_find (check->img, extent, grain, &sector, error))
    return FALSE;
  if (sector == 0 || (sector == VMDK_GTE_ZERO && extent->header.flags & VMDK_FLAG_ZERO_GRAIN))
    return TRUE;
  at = (uint64_t)sector * SECTOR_SIZE;
  if (check->pass > 0 && (at >= claims_end (check->claims) || at + length <= check->start))
    return TRUE;
  /* The last grain of a disk may be cut where that ends. */
  length = MIN (length, round_up (extent->length, SECTOR_SIZE) - MIN (extent->length, grain * extent->grain));
  if (at > extent->file->size || (extent->kind == VMDK_SPARSE && length > extent->file->size - at))
    {
      if (check->pass == 0)
        image_report (check->report, &check->report->errors, _ ("grain %llu lies outside the file"),
                      (unsigned long long)grain);
      if (!check->repair || extent->kind != VMDK_SPARSE)
        return TRUE;
      check->report->repaired++;
      return vmdk_sparse_set (check->img, extent, grain, 0, error);
    }
  if (check->pass == 0)
    check->report->allocated += length;
  if (extent->kind != VMDK_SPARSE || claims_take (check->claims, at, length))
    return TRUE;
  image_report (check->report, &check->report->errors, _ ("grain %llu overlaps something else"),
                (unsigned long long)grain);
  if (!check->repair)
    return TRUE;
  check->report->repaired++;
  return copy_grain (check, grain, sector, error);
}

/* The second copies of tables are to say the same. */
static gboolean
check_mirrors (Check *check, GError **error)
{
  VmdkExtent *extent = check->extent;
  size_t bytes = extent->header.table_entries * 4;
  g_autofree uint8_t *first = g_malloc (bytes), *second = g_malloc (bytes);

  for (uint32_t i = 0; extent->redundant != NULL && i < extent->tables; i++)
    {
      if (extent->directory[i] <= VMDK_GTE_ZERO || extent->redundant[i] <= VMDK_GTE_ZERO)
        continue;
      if (!image_file_read (extent->file, (uint64_t)extent->directory[i] * SECTOR_SIZE, first, bytes, error)
          || !image_file_read (extent->file, (uint64_t)extent->redundant[i] * SECTOR_SIZE, second, bytes, error))
        return FALSE;
      if (memcmp (first, second, bytes) == 0)
        continue;
      image_report (check->report, &check->report->errors, _ ("the two copies of table %u differ"), i);
      if (!check->repair)
        continue;
      check->report->repaired++;
      if (!image_file_write (extent->file, (uint64_t)extent->redundant[i] * SECTOR_SIZE, first, bytes, error))
        return FALSE;
    }
  return TRUE;
}

/* The largest unit in which all grains of a sparse extent begin. */
static gboolean
find_alignment (Check *check, uint64_t *unit, GError **error)
{
  VmdkExtent *extent = check->extent;
  uint64_t grains = extent->length / extent->grain + (extent->length % extent->grain != 0);
  uint32_t all = extent->grain / SECTOR_SIZE;

  for (uint64_t i = 0; i < grains; i++)
    {
      uint32_t sector;

      if (!vmdk_sparse_find (check->img, extent, i, &sector, error))
        return FALSE;
      if (sector > VMDK_GTE_ZERO)
        all |= sector;
    }
  for (uint32_t j = 0; j < extent->tables; j++)
    all |= extent->directory[j] | (extent->redundant != NULL ? extent->redundant[j] : 0);
  *unit = (uint64_t)(all & -all) * SECTOR_SIZE;
  return TRUE;
}

gboolean
vmdk_sparse_check (Image *img, VmdkExtent *extent, gboolean repair, ImageReport *report, GError **error)
{
  Check check = { .img = img, .extent = extent, .repair = repair, .report = report };
  uint64_t unit, grains = extent->length / extent->grain + (extent->length % extent->grain != 0);

  if (!check_mirrors (&check, error) || !find_alignment (&check, &unit, error))
    return FALSE;
  for (; check.start < extent->file->size; check.pass++)
    {
      g_autoptr (Claims) claims = check.claims = claims_new (check.start, unit);

      claim_tables (&check);
      for (uint64_t i = 0; i < grains; i++)
        if (!check_grain (&check, i, error))
          return FALSE;
      check.start = claims_end (claims);
    }
  return TRUE;
}

gboolean
vmdk_check (Image *img, gboolean repair, ImageReport *report, GError **error)
{
  Vmdk *vmdk = img->state;

  for (unsigned i = 0; i < vmdk->extents->len; i++)
    {
      VmdkExtent *extent = &g_array_index (vmdk->extents, VmdkExtent, i);

      if (extent->kind == VMDK_FLAT)
        report->allocated += extent->length;
      else if (extent->kind != VMDK_ZERO && !vmdk_sparse_check (img, extent, repair, report, error))
        return FALSE;
    }
  return !repair || img->format->flush (img, error);
}
