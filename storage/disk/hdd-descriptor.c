/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parallels' HDD: DiskDescriptor.xml, which names the files of a disk in a folder.
 * Specification: Virtuozzo, "Parallels Disk Format" (as QEMU's documentation has it).
 */

#include "storage/disk/hdd-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define TOP_GUID "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
#define NO_GUID  "{00000000-0000-0000-0000-000000000000}"

static void
clear_image (gpointer data)
{
  HddImage *image = data;

  g_free (image->guid);
  g_free (image->type);
  g_free (image->file);
}

static void
clear_storage (gpointer data)
{
  g_array_unref (((HddStorage *) data)->images);
}

static void
clear_shot (gpointer data)
{
  HddShot *shot = data;

  g_free (shot->guid);
  g_free (shot->parent);
}

void
hdd_descriptor_free (HddDescriptor *descriptor)
{
  g_array_unref (descriptor->storages);
  g_array_unref (descriptor->shots);
  g_free (descriptor->top);
  g_free (descriptor);
}

typedef struct
{
  HddDescriptor *descriptor;
  GString *text; /* of the element that is open */
} Parser;

static gboolean
is_within (GMarkupParseContext *context, const char *parent)
{
  const GSList *stack = g_markup_parse_context_get_element_stack (context);

  return stack != NULL && stack->next != NULL && g_str_equal (stack->next->data, parent);
}

static void
start_element (GMarkupParseContext *context, const char *name, const char **names, const char **values, gpointer data,
               GError **error)
{
  Parser *parser = data;
  HddDescriptor *d = parser->descriptor;

  g_string_truncate (parser->text, 0);
  if (g_str_equal (name, "Storage") && is_within (context, "StorageData") && d->storages->len < HDD_PARTS_MAX)
    {
      HddStorage storage = { .images = g_array_new (FALSE, TRUE, sizeof (HddImage)) };

      g_array_set_clear_func (storage.images, clear_image);
      g_array_append_val (d->storages, storage);
    }
  else if (g_str_equal (name, "Image") && is_within (context, "Storage") && d->storages->len > 0)
    {
      HddStorage *storage = &g_array_index (d->storages, HddStorage, d->storages->len - 1);

      g_array_set_size (storage->images, storage->images->len + 1);
    }
  else if (g_str_equal (name, "Shot"))
    g_array_set_size (d->shots, d->shots->len + 1);
}

static void
take (char **value, const char *text)
{
  g_free (*value);
  *value = g_strdup (text);
}

static void
take_guid (char **value, const char *text)
{
  g_free (*value);
  *value = g_ascii_strdown (text, -1);
}

static gboolean
take_number (uint64_t *value, const char *text, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, IMAGE_SIZE_MAX / SECTOR_SIZE, &number, error))
    return FALSE;
  *value = number;
  return TRUE;
}

static gboolean
take_of_storage (HddStorage *storage, const char *name, const char *text, GError **error)
{
  if (g_str_equal (name, "Start"))
    return take_number (&storage->start, text, error);
  if (g_str_equal (name, "End"))
    return take_number (&storage->end, text, error);
  return !g_str_equal (name, "Blocksize") || take_number (&storage->cluster, text, error);
}

static void
take_of_image (HddImage *image, const char *name, const char *text)
{
  if (g_str_equal (name, "GUID"))
    take_guid (&image->guid, text);
  else if (g_str_equal (name, "Type"))
    take (&image->type, text);
  else if (g_str_equal (name, "File"))
    take (&image->file, text);
}

static void
end_element (GMarkupParseContext *context, const char *name, gpointer data, GError **error)
{
  Parser *parser = data;
  HddDescriptor *d = parser->descriptor;
  HddStorage *storage = d->storages->len > 0 ? &g_array_index (d->storages, HddStorage, d->storages->len - 1) : NULL;
  HddShot *shot = d->shots->len > 0 ? &g_array_index (d->shots, HddShot, d->shots->len - 1) : NULL;
  const char *text = g_strstrip (parser->text->str);
  uint64_t padding = 0;

  if (g_str_equal (name, "Disk_size"))
    take_number (&d->size, text, error);
  else if (g_str_equal (name, "Padding"))
    {
      if (take_number (&padding, text, error))
        d->padding = padding != 0;
    }
  else if (g_str_equal (name, "Engine"))
    d->encrypted = *text != '\0' && !g_str_equal (text, NO_GUID);
  else if (g_str_equal (name, "TopGUID"))
    take_guid (&d->top, text);
  else if (storage != NULL && is_within (context, "Storage"))
    take_of_storage (storage, name, text, error);
  else if (storage != NULL && storage->images->len > 0 && is_within (context, "Image"))
    take_of_image (&g_array_index (storage->images, HddImage, storage->images->len - 1), name, text);
  else if (shot != NULL && is_within (context, "Shot") && g_str_equal (name, "GUID"))
    take_guid (&shot->guid, text);
  else if (shot != NULL && is_within (context, "Shot") && g_str_equal (name, "ParentGUID"))
    take_guid (&shot->parent, text);
  g_string_truncate (parser->text, 0);
}

static void
add_text (GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error)
{
  g_string_append_len (((Parser *) data)->text, text, (gssize) length);
}

static gboolean
is_complete (const HddDescriptor *d)
{
  for (unsigned i = 0; i < d->storages->len; i++)
    {
      const HddStorage *storage = &g_array_index (d->storages, HddStorage, i);

      if (storage->end <= storage->start || storage->images->len == 0)
        return FALSE;
      for (unsigned j = 0; j < storage->images->len; j++)
        {
          const HddImage *image = &g_array_index (storage->images, HddImage, j);

          if (image->guid == NULL || image->type == NULL || image->file == NULL)
            return FALSE;
        }
    }
  for (unsigned i = 0; i < d->shots->len; i++)
    if (g_array_index (d->shots, HddShot, i).guid == NULL || g_array_index (d->shots, HddShot, i).parent == NULL)
      return FALSE;
  return d->storages->len > 0;
}

HddDescriptor *
hdd_descriptor_parse (Image *img, const char *text, size_t length, GError **error)
{
  static const GMarkupParser functions
      = { .start_element = start_element, .end_element = end_element, .text = add_text };
  HddDescriptor *d = g_new0 (HddDescriptor, 1);
  g_autoptr (GString) open = g_string_new (NULL);
  Parser parser = { d, open };
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&functions, 0, &parser, NULL);
  g_autoptr (GError) cause = NULL;

  d->storages = g_array_new (FALSE, TRUE, sizeof (HddStorage));
  g_array_set_clear_func (d->storages, clear_storage);
  d->shots = g_array_new (FALSE, TRUE, sizeof (HddShot));
  g_array_set_clear_func (d->shots, clear_shot);
  if (!g_markup_parse_context_parse (context, text, (gssize) length, &cause)
      || !g_markup_parse_context_end_parse (context, &cause))
    image_damaged (error, img, _ ("the descriptor cannot be read: %s"), cause->message);
  else if (!is_complete (d))
    image_damaged (error, img, _ ("the descriptor is not complete"));
  else if (d->padding)
    image_unsupported (error, img, _ ("its disk is padded"));
  else if (d->encrypted)
    image_unsupported (error, img, _ ("it is encrypted"));
  else
    return d;
  hdd_descriptor_free (d);
  return NULL;
}

static const HddShot *
find_shot (const HddDescriptor *d, const char *guid)
{
  for (unsigned i = 0; i < d->shots->len; i++)
    if (g_str_equal (g_array_index (d->shots, HddShot, i).guid, guid))
      return &g_array_index (d->shots, HddShot, i);
  return NULL;
}

char **
hdd_descriptor_layers (Image *img, const HddDescriptor *d, GError **error)
{
  g_autoptr (GPtrArray) layers = g_ptr_array_new_with_free_func (g_free);
  const char *guid = d->top != NULL ? d->top : TOP_GUID;
  const HddStorage *first = &g_array_index (d->storages, HddStorage, 0);

  /* Without snapshots there may be a single image of any name. */
  if (d->shots->len == 0 && first->images->len == 1)
    guid = g_array_index (first->images, HddImage, 0).guid;
  else
    for (; !g_str_equal (guid, NO_GUID); guid = find_shot (d, guid)->parent)
      {
        if (find_shot (d, guid) == NULL)
          {
            image_damaged (error, img, _ ("the descriptor has no snapshot %s"), guid);
            return NULL;
          }
        if (layers->len >= HDD_LAYERS_MAX)
          {
            image_damaged (error, img, _ ("its snapshots form a loop, or are too many"));
            return NULL;
          }
        g_ptr_array_add (layers, g_strdup (guid));
      }
  if (layers->len == 0)
    g_ptr_array_add (layers, g_strdup (guid));
  g_ptr_array_add (layers, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&layers), FALSE);
}
