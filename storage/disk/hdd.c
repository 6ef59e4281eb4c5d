/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HDD, Parallels' disk image: one expanding file, or a folder whose descriptor names
 * plain and expanding files, each for a part of the disk, and their snapshots.
 * Specification: "Parallels Expandable Image File Format" and "Parallels Disk
 * Format" (Virtuozzo, as QEMU's documentation has them); checked against qemu-img.
 *
 * New clusters go to the end of a file. A flush makes data durable first, then the
 * tables: after a power cut nothing points at data that is not there.
 */

#include "storage/disk/create.h"
#include "storage/disk/hdd-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  CACHE_SIZE = 16 << 20,
  PAGE = 512, /* of the file; the first one has the header too */
  EXTENSION_MAX = 65536
};

#define EXTENSION_MAGIC 0xab234cef23dcea87u
#define BITMAP_MAGIC    0x20385fae252cb34au
enum
{
  EXTENSION_NECESSARY = 1 << 0
};

static int
hdd_probe (const ImageSample *sample)
{
  const char *head = (const char *) sample->head;

  if (sample->head_length < HDD_HEADER)
    return 0;
  if (memcmp (head, HDD_MAGIC, 16) == 0 || memcmp (head, HDD_MAGIC_EXTENDED, 16) == 0)
    return 100;
  return g_strstr_len (head, (gssize) MIN (sample->head_length, 512), "<Parallels_disk_image") != NULL ? 100 : 0;
}

/* Opening */

/* An extension that must be understood forbids changes; dirty bitmaps may be dropped. */
static gboolean
check_extension (Image *img, const HddPart *part, GError **error)
{
  uint64_t at = part->header.extension_offset * SECTOR_SIZE;
  g_autofree uint8_t *bytes = NULL;
  struct
  {
    uint64_t magic, flags;
    uint32_t size, unused;
  } feature;
  size_t position = 24;

  if (img->read_only || at == 0)
    return TRUE;
  if (part->header.extension_offset > part->file->size / SECTOR_SIZE)
    return image_damaged (error, img, _ ("the extension lies outside the file"));
  bytes = g_malloc (EXTENSION_MAX);
  if (!image_file_read (part->file, at, bytes, EXTENSION_MAX, error))
    return FALSE;
  memcpy (&feature.magic, bytes, sizeof feature.magic);
  if (feature.magic != EXTENSION_MAGIC)
    return image_damaged (error, img, _ ("the extension lies outside the file"));
  while (position + sizeof feature <= EXTENSION_MAX)
    {
      memcpy (&feature, bytes + position, sizeof feature);
      if (feature.magic == 0)
        break;
      if (feature.magic != BITMAP_MAGIC && feature.flags & EXTENSION_NECESSARY)
        return image_unsupported (error, img, _ ("it has features that forbid changes; open it read-only"));
      position += sizeof feature + (feature.size + 7ul) / 8 * 8;
    }
  return TRUE;
}

static gboolean
check_header (Image *img, HddPart *part, GError **error)
{
  HddHeader *h = &part->header;
  gboolean extended = memcmp (h->magic, HDD_MAGIC_EXTENDED, 16) == 0;
  uint64_t table_end = hdd_table_end (h);

  if (!extended && memcmp (h->magic, HDD_MAGIC, 16) != 0)
    return image_damaged (error, img, _ ("“%s” is no expanding disk"), part->file->path);
  if (h->version != HDD_VERSION)
    return image_damaged (error, img, _ ("version %u is not known"), h->version);
  if (!extended)
    h->sectors &= G_MAXUINT32;
  if (h->tracks == 0 || h->tracks > HDD_CLUSTER_MAX / SECTOR_SIZE)
    return image_damaged (error, img, _ ("clusters of %u sectors"), h->tracks);
  if (h->sectors == 0 || h->sectors > IMAGE_SIZE_MAX / SECTOR_SIZE)
    return image_damaged (error, img, _ ("a disk of %llu sectors"), (unsigned long long) h->sectors);
  if (h->entries < (h->sectors + h->tracks - 1) / h->tracks)
    return image_damaged (error, img, _ ("%u clusters for a disk of %llu sectors"), h->entries,
                          (unsigned long long) h->sectors);
  if (table_end > part->file->size)
    return image_damaged (error, img, _ ("the block map ends outside the file"));
  part->cluster = h->tracks * SECTOR_SIZE;
  part->step = extended ? part->cluster : SECTOR_SIZE;
  part->data_start = (uint64_t) h->data_offset * SECTOR_SIZE;
  if (part->data_start == 0 && !extended)
    part->data_start = (table_end + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
  if (part->data_start < table_end || part->data_start % part->step != 0)
    return image_damaged (error, img, _ ("the data at sector %u overlaps the block map, or begins within a cluster"),
                          h->data_offset);
  part->next = part->data_start;
  if (part->file->size > part->data_start)
    part->next += (part->file->size - part->data_start + part->cluster - 1) / part->cluster * part->cluster;
  return check_extension (img, part, error);
}

static gboolean
open_expanding (Image *img, HddPart *part, GError **error)
{
  return image_file_read (part->file, 0, &part->header, sizeof part->header, error) && check_header (img, part, error);
}

static Hdd *
new_state (Image *img)
{
  Hdd *hdd = g_new0 (Hdd, 1);

  hdd->parts = g_array_new (FALSE, FALSE, sizeof (HddPart));
  hdd->tables = table_cache_new (img, PAGE, CACHE_SIZE, NULL);
  img->state = hdd;
  return hdd;
}

static void
free_state (Image *img)
{
  Hdd *hdd = img->state;

  if (hdd == NULL)
    return;
  g_array_unref (hdd->parts);
  table_cache_free (hdd->tables);
  g_free (hdd);
  img->state = NULL;
}

/* Parts whose clusters differ in size, or begin within one, count by sectors. */
static uint32_t
common_unit (const Hdd *hdd)
{
  uint32_t unit = 0;

  for (unsigned i = 0; i < hdd->parts->len; i++)
    {
      const HddPart *part = &g_array_index (hdd->parts, HddPart, i);

      if (part->plain)
        continue;
      if ((unit != 0 && unit != part->cluster) || part->start % part->cluster != 0)
        return SECTOR_SIZE;
      unit = part->cluster;
    }
  return unit != 0 ? unit : SECTOR_SIZE;
}

static gboolean
add_part (Image *img, const HddStorage *storage, const char *guid, GError **error)
{
  Hdd *hdd = img->state;
  HddPart part = { .start = storage->start * SECTOR_SIZE, .length = (storage->end - storage->start) * SECTOR_SIZE };
  const HddImage *image = NULL;

  for (unsigned i = 0; i < storage->images->len && image == NULL; i++)
    if (g_str_equal (g_array_index (storage->images, HddImage, i).guid, guid))
      image = &g_array_index (storage->images, HddImage, i);
  if (image == NULL)
    return image_damaged (error, img, _ ("a part of the disk has no snapshot %s"), guid);
  if (part.start != img->size)
    return image_damaged (error, img, _ ("its parts do not follow one another"));
  part.file = image_open_sibling (img, image->file, error);
  if (part.file == NULL)
    return FALSE;
  part.plain = g_str_equal (image->type, "Plain");
  if (!part.plain && !g_str_equal (image->type, "Compressed"))
    return image_unsupported (error, img, _ ("a part of the disk is of type %s"), image->type);
  if (part.plain && part.length > part.file->size)
    return image_damaged (error, img, _ ("“%s” ends before its part of the disk does"), part.file->path);
  if (!part.plain && !open_expanding (img, &part, error))
    return FALSE;
  if (!part.plain && part.header.sectors < storage->end - storage->start)
    return image_damaged (error, img, _ ("“%s” ends before its part of the disk does"), part.file->path);
  g_array_append_val (hdd->parts, part);
  img->size += part.length;
  return TRUE;
}

static gboolean
open_layer (Image *img, const HddDescriptor *descriptor, const char *guid, GError **error)
{
  Hdd *hdd = new_state (img);

  for (unsigned i = 0; i < descriptor->storages->len; i++)
    if (!add_part (img, &g_array_index (descriptor->storages, HddStorage, i), guid, error))
      return FALSE;
  img->unit = common_unit (hdd);
  img->variant = "dynamic";
  if (g_array_index (hdd->parts, HddPart, 0).plain)
    img->variant = "fixed";
  return TRUE;
}

/* Below the top layer there are the snapshots, which are only read. */
static gboolean
open_layers (Image *img, const HddDescriptor *descriptor, char **guids, GError **error)
{
  if (!open_layer (img, descriptor, guids[0], error))
    return FALSE;
  for (Image *above = img; *++guids != NULL; above = above->base)
    {
      Image *below = image_new (img->path);

      below->format = img->format;
      below->read_only = TRUE;
      below->trusted = img->trusted;
      below->direct = img->direct;
      above->base = below;
      if (!open_layer (below, descriptor, *guids, error))
        return FALSE;
      if (g_array_index (((Hdd *) above->state)->parts, HddPart, 0).plain)
        return image_damaged (error, img, _ ("a plain part has a snapshot below it"));
    }
  return TRUE;
}

static gboolean
open_folder (Image *img, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) guids = NULL;
  HddDescriptor *descriptor;
  gboolean ok = FALSE;

  if (img->file->size > HDD_DESCRIPTOR_MAX)
    return image_damaged (error, img, _ ("a descriptor of %llu bytes"), (unsigned long long) img->file->size);
  text = g_malloc (img->file->size + 1);
  if (!image_pread (img, 0, text, (size_t) img->file->size, error))
    return FALSE;
  descriptor = hdd_descriptor_parse (img, text, (size_t) img->file->size, error);
  if (descriptor == NULL)
    return FALSE;
  guids = hdd_descriptor_layers (img, descriptor, error);
  if (guids != NULL)
    ok = open_layers (img, descriptor, guids, error);
  if (ok && descriptor->size != 0 && descriptor->size * SECTOR_SIZE != img->size)
    ok = image_damaged (error, img, _ ("a disk of %llu sectors"), (unsigned long long) descriptor->size);
  hdd_descriptor_free (descriptor);
  return ok;
}

static gboolean
open_file (Image *img, GError **error)
{
  Hdd *hdd = new_state (img);
  HddPart part = { .file = img->file };
  uint64_t last;

  if (!open_expanding (img, &part, error))
    return FALSE;
  part.length = img->size = part.header.sectors * SECTOR_SIZE;
  g_array_append_val (hdd->parts, part);
  img->unit = part.cluster;
  /* The file does not say it: all clusters have been given their places. */
  if (!hdd_find (img, &part, part.header.entries - 1, &last, error))
    return FALSE;
  if (last != 0 && part.next == part.data_start + (uint64_t) part.header.entries * part.cluster)
    img->variant = "fixed";
  return TRUE;
}

static gboolean
hdd_open (Image *img, GError **error)
{
  char head[16];

  if (!image_pread (img, 0, head, sizeof head, error))
    return FALSE;
  if (memcmp (head, "Witho", 5) == 0 ? open_file (img, error) : open_folder (img, error))
    return TRUE;
  free_state (img);
  image_close (img->base);
  img->base = NULL;
  return FALSE;
}

gboolean
hdd_write_header (Image *img, HddPart *part, GError **error)
{
  uint8_t *page = table_cache_change (((Hdd *) img->state)->tables, part->file, 0, 0, error);

  if (page == NULL)
    return FALSE;
  memcpy (page, &part->header, sizeof part->header);
  return image_file_write (part->file, 0, &part->header, sizeof part->header, error);
}

static gboolean
mark (Image *img, uint32_t in_use, GError **error)
{
  Hdd *hdd = img->state;

  for (unsigned i = 0; i < hdd->parts->len; i++)
    {
      HddPart *part = &g_array_index (hdd->parts, HddPart, i);

      if (part->plain)
        continue;
      part->header.in_use = in_use;
      part->header.flags &= ~(uint32_t) HDD_FLAG_EMPTY;
      /* Bitmaps of what changed would be wrong from now on. */
      part->header.extension_offset = 0;
      if (!hdd_write_header (img, part, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
hdd_note_change (Image *img, GError **error)
{
  Hdd *hdd = img->state;
  gboolean ok = TRUE;

  g_mutex_lock (&img->map_lock);
  if (!hdd->changed)
    ok = hdd->changed = mark (img, HDD_IN_USE, error);
  g_mutex_unlock (&img->map_lock);
  return ok;
}

static gboolean
hdd_rest (Image *img, GError **error)
{
  Hdd *hdd = img->state;
  gboolean ok;

  if (!hdd->changed)
    return TRUE;
  if (!table_cache_flush (hdd->tables, error))
    return FALSE;
  g_mutex_lock (&img->map_lock);
  ok = mark (img, HDD_CLOSED, error);
  if (ok)
    hdd->changed = FALSE;
  g_mutex_unlock (&img->map_lock);
  return ok;
}

static void
hdd_close (Image *img)
{
  g_autoptr (GError) error = NULL;

  if (!hdd_rest (img, &error))
    g_warning ("%s", error->message);
  free_state (img);
}

/* The map */

static HddPart *
find_part (const Hdd *hdd, uint64_t offset)
{
  return image_find_part (hdd->parts, G_STRUCT_OFFSET (HddPart, start), offset);
}

static uint64_t
page_of (uint64_t cluster, unsigned *index)
{
  uint64_t at = HDD_HEADER + cluster * 4;

  *index = (unsigned) (at % PAGE / 4);
  return at - at % PAGE;
}

gboolean
hdd_find (Image *img, HddPart *part, uint64_t cluster, uint64_t *at, GError **error)
{
  Hdd *hdd = img->state;
  unsigned index;
  uint64_t page = page_of (cluster, &index);
  const uint32_t *entries = table_cache_read (hdd->tables, part->file, page, error);

  if (entries == NULL)
    return FALSE;
  *at = (uint64_t) entries[index] * part->step;
  return TRUE;
}

gboolean
hdd_set (Image *img, HddPart *part, uint64_t cluster, uint64_t at, GError **error)
{
  Hdd *hdd = img->state;
  unsigned index;
  uint64_t page = page_of (cluster, &index);
  uint32_t *entries = table_cache_change (hdd->tables, part->file, page, 0, error);

  if (entries == NULL)
    return FALSE;
  entries[index] = (uint32_t) (at / part->step);
  return TRUE;
}

static gboolean
part_extent (Image *img, HddPart *part, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  uint64_t cluster = offset / part->cluster, within = offset % part->cluster, at, next = 0;

  if (!hdd_find (img, part, cluster, &at, error))
    return FALSE;
  *out = (ImageExtent) { .kind = IMAGE_UNALLOCATED, .length = part->cluster - within };
  if (at != 0)
    {
      if (at < part->data_start || at >= part->next)
        return image_damaged (error, img, _ ("cluster %llu is said to be at %llu, which the file does not have"),
                              (unsigned long long) cluster, (unsigned long long) at);
      out->kind = IMAGE_DATA;
      out->file = part->file;
      out->at = at + within;
      return TRUE;
    }
  /* What is not there goes on, as far as a page of the table tells. */
  while (out->length < length && (HDD_HEADER + ++cluster * 4) % PAGE != 0 && cluster < part->header.entries)
    {
      if (!hdd_find (img, part, cluster, &next, error))
        return FALSE;
      if (next != 0)
        break;
      out->length += part->cluster;
    }
  return TRUE;
}

static gboolean
hdd_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  HddPart *part = find_part (img->state, offset);
  uint64_t within = offset - part->start, left = part->length - within;

  if (part->plain)
    {
      image_file_extent (part->file, within, MIN (length, left), out);
      return TRUE;
    }
  if (!part_extent (img, part, within, length, out, error))
    return FALSE;
  out->length = MIN (out->length, left);
  return TRUE;
}

gboolean
hdd_extend (Image *img, HddPart *part, uint64_t count, uint64_t *at, GError **error)
{
  uint64_t end = part->next + count * part->cluster;

  if (part->next / part->step + count > G_MAXUINT32 || end / part->step > G_MAXUINT32)
    return image_damaged (error, img, _ ("“%s” would become larger than the format can tell"), part->file->path);
  /* What an earlier failure left there goes. */
  if (!image_file_truncate (part->file, part->next, error) || !image_file_truncate (part->file, end, error))
    return FALSE;
  *at = part->next;
  part->next = end;
  return TRUE;
}

static gboolean
hdd_reserve (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error)
{
  HddPart *part = find_part (img->state, offset);
  uint64_t within = offset - part->start, cluster = within / part->cluster,
           last = (MIN (within + length, part->length) - 1) / part->cluster;

  if (!hdd_extend (img, part, last - cluster + 1, &out->at, error))
    return FALSE;
  out->start = part->start + cluster * part->cluster;
  out->length = MIN ((last - cluster + 1) * part->cluster, part->length - cluster * part->cluster);
  out->file = part->file;
  out->fresh = TRUE;
  return TRUE;
}

static gboolean
hdd_commit (Image *img, const ImagePlace *place, GError **error)
{
  HddPart *part = find_part (img->state, place->start);

  for (uint64_t done = 0; done < place->length; done += part->cluster)
    if (!hdd_set (img, part, (place->start - part->start + done) / part->cluster, place->at + done, error))
      return FALSE;
  return TRUE;
}

static void
hdd_release (Image *img, const ImagePlace *place)
{
  HddPart *part = find_part (img->state, place->start);

  if (place->at + (place->length + part->cluster - 1) / part->cluster * part->cluster == part->next)
    part->next = place->at;
}

/* Reading and writing */

static gboolean
hdd_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  uint8_t *out = buffer;

  while (length > 0)
    {
      HddPart *part = find_part (img->state, offset);
      size_t chunk = (size_t) MIN (length, part->start + part->length - offset);

      if (part->plain ? !image_file_read (part->file, offset - part->start, out, chunk, error)
                      : !image_map_read (img, offset, out, chunk, error))
        return FALSE;
      out += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
hdd_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  const uint8_t *in = buffer;

  if (!hdd_note_change (img, error))
    return FALSE;
  while (length > 0)
    {
      HddPart *part = find_part (img->state, offset);
      size_t chunk = (size_t) MIN (length, part->start + part->length - offset);

      if (part->plain ? !image_file_write (part->file, offset - part->start, in, chunk, error)
                      : !image_map_write (img, offset, in, chunk, error))
        return FALSE;
      in += chunk;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

/* Within one cluster, or a run of what this layer does not have. */
static gboolean
discard_run (Image *img, const ImageExtent *found, uint64_t offset, uint64_t length, GError **error)
{
  g_autofree uint8_t *zeros = NULL;

  if (found->kind == IMAGE_DATA)
    return image_file_zero (found->file, found->at, length, error);
  if (img->base == NULL)
    return TRUE;
  /* The table has no word for zeros over a snapshot: they are written. */
  zeros = g_malloc0 (MIN (length, HDD_CLUSTER));
  while (length > 0)
    {
      size_t chunk = (size_t) MIN (length, HDD_CLUSTER);

      if (!image_map_write (img, offset, zeros, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
hdd_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  if (!hdd_note_change (img, error))
    return FALSE;
  while (length > 0)
    {
      ImageExtent found;
      uint64_t chunk;
      gboolean ok;

      g_mutex_lock (&img->map_lock);
      ok = hdd_extent (img, offset, length, &found, error);
      g_mutex_unlock (&img->map_lock);
      if (!ok)
        return FALSE;
      chunk = MIN (length, found.length);
      if (found.kind != IMAGE_ZERO && !discard_run (img, &found, offset, chunk, error))
        return FALSE;
      offset += chunk;
      length -= chunk;
    }
  return TRUE;
}

static gboolean
hdd_flush (Image *img, GError **error)
{
  return table_cache_flush (((Hdd *) img->state)->tables, error);
}

static const char *const variants[] = { "dynamic", "fixed", NULL };
static const char *const endings[] = { "hdd", "hds", NULL };

const ImageFormat hdd_format = { .name = "hdd",
                                 .caps = IMAGE_CAN_CREATE | IMAGE_CAN_RESIZE | IMAGE_CAN_DISCARD,
                                 .variants = variants,
                                 .endings = endings,
                                 .max_size = IMAGE_SIZE_MAX,
                                 .probe = hdd_probe,
                                 .open = hdd_open,
                                 .create = hdd_create,
                                 .close = hdd_close,
                                 .rest = hdd_rest,
                                 .read = hdd_read,
                                 .write = hdd_write,
                                 .discard = hdd_discard,
                                 .flush = hdd_flush,
                                 .extent = hdd_extent,
                                 .reserve = hdd_reserve,
                                 .commit = hdd_commit,
                                 .release = hdd_release,
                                 .resize = hdd_resize,
                                 .check = hdd_check };
