/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache of an image's tables. */

#include "storage/disk/pages.h"

#include <stdlib.h>
#include <string.h>

typedef struct
{
  ImageFile *file;
  uint64_t at, mirror;
  gboolean dirty;   /* differs from the file */
  gboolean writing; /* a flush is about to write what it was then */
  GList link;       /* in the order of use */
  uint8_t data[];
} Page;

struct Pages
{
  Image *img;
  size_t page_size;
  unsigned max;
  PagesWrite write;
  GHashTable *table; /* all pages, by file and place */
  GQueue order;      /* the one used last is at the head */
  GMutex flush_lock; /* one flush at a time: the second must not return before the first */
};

static unsigned
page_hash (gconstpointer key)
{
  const Page *page = key;
  uint64_t mixed = (page->at ^ (uint64_t)(uintptr_t)page->file) * 0x9e3779b97f4a7c15u;

  return (unsigned)(mixed >> 32);
}

static gboolean
page_equal (gconstpointer a, gconstpointer b)
{
  const Page *first = a, *second = b;

  return first->at == second->at && first->file == second->file;
}

static gboolean
write_in_place (Image *img, const PageCopy *copies, size_t count, size_t page_size, GError **error)
{
  for (size_t i = 0; i < count; i++)
    if (!image_file_write (copies[i].file, copies[i].at, copies[i].data, page_size, error)
        || (copies[i].mirror != 0
            && !image_file_write (copies[i].file, copies[i].mirror, copies[i].data, page_size, error)))
      return FALSE;
  return TRUE;
}

Pages *
pages_new (Image *img, size_t page_size, size_t bytes, PagesWrite write)
{
  Pages *pages = g_new0 (Pages, 1);

  pages->img = img;
  pages->page_size = page_size;
  pages->max = (unsigned)MAX (bytes / page_size, 16);
  pages->write = write;
  pages->table = g_hash_table_new_full (page_hash, page_equal, NULL, g_free);
  g_queue_init (&pages->order);
  g_mutex_init (&pages->flush_lock);
  return pages;
}

void
pages_free (Pages *pages)
{
  if (pages == NULL)
    return;
  g_hash_table_unref (pages->table);
  g_mutex_clear (&pages->flush_lock);
  g_free (pages);
}

static int
compare_copies (const void *a, const void *b)
{
  const PageCopy *first = a, *second = b;

  if (first->file != second->file)
    return first->file < second->file ? -1 : 1;
  return first->at < second->at ? -1 : first->at > second->at;
}

static gboolean
write_copies (Pages *pages, PageCopy *copies, size_t count, GError **error)
{
  qsort (copies, count, sizeof *copies, compare_copies);
  return pages->write != NULL ? pages->write (pages->img, copies, count, error)
                              : write_in_place (pages->img, copies, count, pages->page_size, error);
}

/* What a flush has in hand is left alone: it is older, and must not come to the file after what is newer. */
static gboolean
write_back (Pages *pages, GError **error)
{
  g_autoptr (GArray) copies = g_array_new (FALSE, FALSE, sizeof (PageCopy));

  for (GList *l = pages->order.head; l != NULL; l = l->next)
    {
      Page *page = l->data;
      PageCopy copy = { page->file, page->at, page->mirror, page->data };

      if (page->dirty && !page->writing)
        g_array_append_val (copies, copy);
    }
  if (copies->len == 0)
    return TRUE;
  if (!image_sync (pages->img, error) || !write_copies (pages, (PageCopy *)copies->data, copies->len, error))
    return FALSE;
  for (GList *l = pages->order.head; l != NULL; l = l->next)
    {
      Page *page = l->data;

      if (!page->writing)
        page->dirty = FALSE;
    }
  return TRUE;
}

/* Among those that were not used for long. */
static Page *
find_victim (Pages *pages)
{
  unsigned tries = 1024;

  for (GList *l = pages->order.tail; l != NULL && tries-- > 0; l = l->prev)
    {
      Page *page = l->data;

      if (!page->dirty && !page->writing)
        return page;
    }
  return NULL;
}

static gboolean
make_room (Pages *pages, GError **error)
{
  Page *victim;

  if (g_hash_table_size (pages->table) < pages->max)
    return TRUE;
  victim = find_victim (pages);
  if (victim == NULL)
    {
      if (!write_back (pages, error))
        return FALSE;
      victim = find_victim (pages);
    }
  if (victim != NULL)
    {
      g_queue_unlink (&pages->order, &victim->link);
      g_hash_table_remove (pages->table, victim);
    }
  return TRUE;
}

static Page *
get (Pages *pages, ImageFile *file, uint64_t at, gboolean blank, GError **error)
{
  Page key = { .file = file, .at = at }, *page = g_hash_table_lookup (pages->table, &key);

  if (page != NULL)
    {
      if (pages->order.head != &page->link)
        {
          g_queue_unlink (&pages->order, &page->link);
          g_queue_push_head_link (&pages->order, &page->link);
        }
      return page;
    }
  if (!make_room (pages, error))
    return NULL;
  page = g_malloc0 (sizeof *page + pages->page_size);
  page->file = file;
  page->at = at;
  page->link.data = page;
  if (!blank && !image_file_read (file, at, page->data, pages->page_size, error))
    {
      g_free (page);
      return NULL;
    }
  g_hash_table_add (pages->table, page);
  g_queue_push_head_link (&pages->order, &page->link);
  return page;
}

const void *
pages_read (Pages *pages, ImageFile *file, uint64_t at, GError **error)
{
  Page *page = get (pages, file, at, FALSE, error);

  return page != NULL ? page->data : NULL;
}

static void *
change (Page *page, uint64_t mirror)
{
  if (page == NULL)
    return NULL;
  page->dirty = TRUE;
  page->mirror = mirror;
  return page->data;
}

void *
pages_change (Pages *pages, ImageFile *file, uint64_t at, uint64_t mirror, GError **error)
{
  return change (get (pages, file, at, FALSE, error), mirror);
}

void *
pages_begin (Pages *pages, ImageFile *file, uint64_t at, uint64_t mirror, GError **error)
{
  Page *page = get (pages, file, at, TRUE, error);

  if (page != NULL)
    memset (page->data, 0, pages->page_size);
  return change (page, mirror);
}

gboolean
pages_flush (Pages *pages, GError **error)
{
  Image *img = pages->img;
  g_autoptr (GArray) copies = g_array_new (FALSE, FALSE, sizeof (PageCopy));
  g_autoptr (GPtrArray) held = g_ptr_array_new (), data = g_ptr_array_new_with_free_func (g_free);
  gboolean ok;

  g_mutex_lock (&pages->flush_lock);
  /* Only what is changed by now: of later changes the data may not be durable when the pages are written. */
  g_mutex_lock (&img->map_lock);
  for (GList *l = pages->order.head; l != NULL; l = l->next)
    {
      Page *page = l->data;
      PageCopy copy = { page->file, page->at, page->mirror, NULL };

      if (!page->dirty)
        continue;
      copy.data = g_memdup2 (page->data, pages->page_size);
      page->dirty = FALSE;
      page->writing = TRUE;
      g_array_append_val (copies, copy);
      g_ptr_array_add (held, page);
      g_ptr_array_add (data, (void *)copy.data);
    }
  g_mutex_unlock (&img->map_lock);

  ok = image_sync (img, error);
  if (ok && copies->len > 0)
    ok = write_copies (pages, (PageCopy *)copies->data, copies->len, error) && image_sync (img, error);

  g_mutex_lock (&img->map_lock);
  for (unsigned i = 0; i < held->len; i++)
    {
      Page *page = g_ptr_array_index (held, i);

      page->writing = FALSE;
      if (!ok)
        page->dirty = TRUE;
    }
  g_mutex_unlock (&img->map_lock);
  g_mutex_unlock (&pages->flush_lock);
  return ok;
}
